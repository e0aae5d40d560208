//! Asks the bridge for one ID card over its Unix socket, and prints what came.
//!
//! ```text
//! cargo run --example read_card            (the bridge's usual socket)
//! cargo run --example read_card -- PATH
//! ```
//!
//! A program of yours needs the crate `hharome-protocol` only; `hharome` is used here for the
//! usual place of the socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use hharome_protocol::client::{self, ServerFrame};
use hharome_protocol::frame::{Event, TaskId};
use serde_json::value::RawValue;

fn main() -> ExitCode {
    read_card().unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "read_card: {error}");
        ExitCode::FAILURE
    })
}

fn read_card() -> io::Result<ExitCode> {
    let path = std::env::args_os().nth(1).map(PathBuf::from);
    let path = path.unwrap_or_else(hharome::config::default_unix_path);
    let mut bridge = UnixStream::connect(&path)
        .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;

    let task = TaskId::from("read-card-1");
    let params = RawValue::from_string(r#"{"infoType":"base,other"}"#.to_owned())?;
    bridge.write_all(&client::request("getIDCardInfo", Event::Open, &task, Some(&params)))?;
    writeln!(io::stderr(), "put a card on the reader (hharome simulate id_card put)")?;

    // One line is one frame. The stream stays open for as long as we wait: closing our side would
    // end the call.
    for line in BufReader::new(&bridge).split(b'\n') {
        let frame = ServerFrame::parse(&line?)?;
        let ServerFrame::Reply { task_id, answer, .. } = frame else { continue };
        if task_id != task {
            continue;
        }
        let data = answer.data.map(|data| data.to_string()).unwrap_or_default();
        writeln!(io::stdout(), "{} {} {data}", answer.success, answer.message)?;
        return Ok(if answer.success { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    Err(io::Error::other("the bridge has gone"))
}
