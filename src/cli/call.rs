//! `hharome call`: one request, one reply.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use hharome_protocol::action::CALLS;
use hharome_protocol::client::{self, Answer, ServerFrame};
use hharome_protocol::frame::{Event, TaskId};
use serde_json::value::RawValue;

use super::client::Client;
use super::{NO, NO_DAEMON, Target, WRONG, block_on, complain};

/// The arguments of `hharome call`.
#[derive(Args)]
pub(super) struct Call {
    /// An action such as getIDCardInfo, or a call such as bridge.status
    action: String,
    /// What to do with it
    #[arg(long, value_enum, default_value = "open")]
    event: EventWord,
    /// The request's taskId
    #[arg(long, value_name = "ID", default_value = "1")]
    task_id: String,
    /// The request's params, an object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    params: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, ValueEnum)]
enum EventWord {
    Open,
    Close,
}

pub(super) fn run(call: &Call) -> ExitCode {
    let params = match RawValue::from_string(call.params.clone()) {
        Ok(params) => params,
        Err(error) => return complain(WRONG, format_args!("--params is no JSON: {error}")),
    };
    hint(call);
    let event = match call.event {
        EventWord::Open => Event::Open,
        EventWord::Close => Event::Close,
    };
    let request = if CALLS.contains(&call.action.as_str()) {
        client::call(&call.action, Some(&params), None)
    } else {
        let task_id = TaskId::from(call.task_id.as_str());
        client::request(&call.action, event, &task_id, Some(&params))
    };
    send(&call.target, request)
}

/// Says to a person at a terminal what is waited for.
fn hint(call: &Call) {
    let hand = match call.action.as_str() {
        "getIDCardInfo" => "id_card put",
        "getQRCode" => "qr_scanner scan TEXT",
        _ => return,
    };
    if matches!(call.event, EventWord::Open) && io::stderr().is_terminal() {
        // Without stderr there is nobody to tell.
        let _ = writeln!(
            io::stderr(),
            "waiting; on a simulated device: hharome simulate {hand} (in another terminal)"
        );
    }
}

/// Sends one request and prints its reply: the envelope, or a call's result.
pub(super) fn send(target: &Target, request: Bytes) -> ExitCode {
    block_on(async {
        let mut client = match Client::connect(target).await {
            Ok(client) => client,
            Err(error) => return complain(error.code(), error),
        };
        match exchange(&mut client, request).await {
            Ok((reply, true)) => super::print(&reply),
            Ok((reply, false)) => {
                // The words are in the reply; a pipe that was closed changes nothing.
                let _ = io::stdout().lock().write_all(reply.as_bytes());
                ExitCode::from(NO)
            }
            Err(error) => complain(NO_DAEMON, format_args!("the daemon went away: {error}")),
        }
    })
}

fn no_bridge(_: serde_json::Error) -> io::Error {
    io::Error::other("what answers is no hharome daemon")
}

/// The reply as a line, and whether it is a yes.
async fn exchange(client: &mut Client, request: Bytes) -> io::Result<(String, bool)> {
    client.send(request).await?;
    loop {
        let Some(frame) = client.next().await? else {
            return Err(io::Error::other("it closed the connection"));
        };
        let Answer { success, .. } = match ServerFrame::parse(&frame).map_err(no_bridge)? {
            ServerFrame::Reply { answer, .. } => answer,
            ServerFrame::CallReply { answer, res, .. } => {
                return Ok((format!("{res}\n"), answer.success));
            }
            ServerFrame::OnReply { .. } | ServerFrame::OffReply { .. } => continue,
            ServerFrame::Event { .. } => continue,
        };
        return Ok((format!("{}\n", String::from_utf8_lossy(&frame)), success));
    }
}
