//! `hharome record`: begins and ends a recording of a running daemon.

use std::io;
use std::process::ExitCode;

use bytes::Bytes;
use clap::{Args, Subcommand};
use hharome_protocol::action::Call as _;
use hharome_protocol::bridge::{RecordCall, RecordStatus};
use hharome_protocol::client::{self, ServerFrame};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::client::Client;
use super::{NO, NO_DAEMON, Target, WRONG, block_on, call, complain, print};
use crate::recording::check_name;

/// The arguments of `hharome record`.
#[derive(Args)]
#[command(after_help = "A recording goes into the folder NAME of [recording] directory. Names, \
    numbers, addresses, photos and codes are replaced by invented ones before they reach the \
    disk. `hharome recording` looks at recordings, `hharome replay` plays them.")]
pub(super) struct Record {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Begin to record
    Start {
        /// The recording's name: letters, digits, '-', '_', '.'
        name: String,
        /// Record names, numbers, photos and codes as they are
        #[arg(long)]
        keep_personal_data: bool,
        #[command(flatten)]
        target: Target,
    },
    /// End the recording: exit 1 if there was none
    Stop {
        #[command(flatten)]
        target: Target,
    },
    /// Tell whether something is being recorded, and where
    Status {
        #[command(flatten)]
        target: Target,
    },
}

pub(super) fn run(record: &Record) -> ExitCode {
    match &record.verb {
        Verb::Start { name, keep_personal_data, target } => {
            if let Err(error) = check_name(name) {
                return complain(WRONG, error);
            }
            let keep = *keep_personal_data;
            let start = json!({"do": "start", "name": name, "keepPersonalData": keep});
            call::send(target, request(&start))
        }
        Verb::Stop { target } => block_on(stop(target)),
        Verb::Status { target } => call::send(target, request(&json!({"do": "status"}))),
    }
}

fn request(params: &Value) -> Bytes {
    // A value that is made here is always JSON.
    let params = to_raw_value(params).ok();
    client::call(RecordCall::NAME, params.as_deref(), None)
}

/// Asks first what is being recorded: the call itself is a success either way.
async fn stop(target: &Target) -> ExitCode {
    let mut client = match Client::connect(target).await {
        Ok(client) => client,
        Err(error) => return complain(error.code(), error),
    };
    let gone =
        |error: io::Error| complain(NO_DAEMON, format_args!("the daemon went away: {error}"));
    let before = match ask(&mut client, &json!({"do": "status"})).await {
        Ok(reply) => reply,
        Err(error) => return gone(error),
    };
    let reply = match ask(&mut client, &json!({"do": "stop"})).await {
        Ok(reply) => reply,
        Err(error) => return gone(error),
    };
    let printed = print(&format!("{}\n", reply.res));
    match before.status {
        _ if printed != ExitCode::SUCCESS => printed,
        _ if !reply.success => ExitCode::from(NO),
        Some(RecordStatus { recording: false, .. }) => complain(NO, "nothing was being recorded"),
        _ => ExitCode::SUCCESS,
    }
}

/// What the daemon says to one `bridge.record`.
struct Reply {
    res: String,
    success: bool,
    status: Option<RecordStatus>,
}

async fn ask(client: &mut Client, params: &Value) -> io::Result<Reply> {
    client.send(request(params)).await?;
    loop {
        let Some(frame) = client.next().await? else {
            return Err(io::Error::other("it closed the connection"));
        };
        let parsed = ServerFrame::parse(&frame);
        match parsed.map_err(|_| io::Error::other("what answers is no hharome daemon"))? {
            ServerFrame::CallReply { answer, res, .. } => {
                let data = answer.data.as_deref();
                let status = data.and_then(|data| serde_json::from_str(data.get()).ok());
                let (res, success) = (res.get().to_owned(), answer.success);
                return Ok(Reply { res, success, status });
            }
            // A daemon that does not admit this client says so, and closes.
            ServerFrame::Reply { answer, .. } => {
                let (res, success) = (String::from_utf8_lossy(&frame).into_owned(), answer.success);
                return Ok(Reply { res, success, status: None });
            }
            _ => {}
        }
    }
}
