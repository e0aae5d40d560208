//! `hharome listen`: events, one a line, until stopped.

use std::io::{self, Write};
use std::process::ExitCode;

use hharome_protocol::action::{ActionInfo, ChannelInfo};
use hharome_protocol::client::{self, Answer, ServerFrame};
use hharome_protocol::frame::{Event, TaskId};

use super::client::Client;
use super::{NO, NO_DAEMON, Target, block_on, complain, written};

pub(super) fn run(channels: &[String], target: &Target) -> ExitCode {
    block_on(async {
        let mut client = match Client::connect(target).await {
            Ok(client) => client,
            Err(error) => return complain(error.code(), error),
        };
        match listen(&mut client, channels).await {
            Ok(code) => code,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => written(Err(error)),
            Err(error) => complain(NO_DAEMON, format_args!("the daemon went away: {error}")),
        }
    })
}

async fn listen(client: &mut Client, channels: &[String]) -> io::Result<ExitCode> {
    for channel in channels {
        client.send(opening(channel)).await?;
    }
    while let Some(frame) = client.next().await? {
        match ServerFrame::parse(&frame).map_err(io::Error::other)? {
            ServerFrame::Event { .. } => {
                let mut out = io::stdout().lock();
                out.write_all(&frame)?;
                out.write_all(b"\n")?;
                out.flush()?;
            }
            ServerFrame::Reply { answer, .. }
            | ServerFrame::CallReply { answer, .. }
            | ServerFrame::OnReply { answer, .. }
            | ServerFrame::OffReply { answer, .. } => {
                let Answer { success, message, data } = answer;
                if !success {
                    let data = data.map(|data| data.to_string()).unwrap_or_default();
                    return Ok(complain(NO, format_args!("{message} {data}")));
                }
            }
        }
    }
    Err(io::Error::other("it closed the connection"))
}

/// What opens a channel: `on`, or the action or call that starts it.
fn opening(channel: &str) -> bytes::Bytes {
    let started_by = ChannelInfo::find(channel).and_then(|channel| channel.started_by);
    match started_by {
        Some(action) if ActionInfo::find(action).is_some() => {
            client::request(action, Event::Open, &TaskId::from("listen"), None)
        }
        Some(call) => client::call(call, None, None),
        None => client::on(channel),
    }
}
