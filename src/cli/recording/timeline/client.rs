//! A client's events: what it asked and got, by name and `taskId`, and nothing of what was said.

use hharome_protocol::action::{ACTIONS, CALLS, CHANNELS, ENVELOPE_CALL};
use hharome_protocol::bridge;
use hharome_protocol::client::{Answer, ServerFrame};
use hharome_protocol::failure::Failure;
use hharome_protocol::frame::{self, ClientFrame, Event, LAGGED_CHANNEL, Request, TaskId};
use serde::Deserialize;

use super::{Entry, Moment, Source};
use crate::recording::reader::{
    ClientFile, ClientLines, ClientStep, Happened, ReadError, Recording,
};

/// A `taskId` of more characters is not shown: it is no number of a task.
const TASK_ID: usize = 64;

/// A `taskId` with so many digits in a row could be a person's number: ID numbers have 17 and a
/// check character. Microseconds of the wall clock have 16.
const MANY_DIGITS: usize = 17;

/// The events of one client.
pub(super) struct Frames<'a> {
    recording: &'a Recording,
    file: &'a ClientFile,
    /// Opened when its turn comes.
    lines: Option<ClientLines>,
    transport: String,
}

impl<'a> Frames<'a> {
    /// The client with this file.
    pub(super) fn of(recording: &'a Recording, file: &'a ClientFile) -> Self {
        Self { recording, file, lines: None, transport: String::new() }
    }

    fn step(&mut self) -> Result<Option<ClientStep>, ReadError> {
        let lines = match &mut self.lines {
            Some(lines) => lines,
            None => self.lines.insert(self.recording.client(self.file)?),
        };
        Ok(lines.next()?.map(|line| line.value))
    }

    fn words(&mut self, happened: Happened, before: bool) -> Option<String> {
        Some(match happened {
            Happened::Connected { transport, token } => {
                self.transport = transport;
                let came = if before { "is there" } else { "comes" };
                if token { format!("{came}, and must show a token") } else { came.to_owned() }
            }
            Happened::In(frame) => asked(&frame),
            Happened::InTooLong => "sends a frame over the limit".to_owned(),
            Happened::InEnd => "has finished sending".to_owned(),
            Happened::Out(frame) => format!("gets {}", got(&frame)),
            Happened::Stalled => "takes nothing more".to_owned(),
            Happened::Flowing => "takes frames again".to_owned(),
            Happened::Gone(why) => format!("is gone: {why}"),
            Happened::End | Happened::Unknown => return None,
        })
    }
}

impl Source for Frames<'_> {
    fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        while let Some(ClientStep { t, before, happened }) = self.step()? {
            let Some(words) = self.words(happened, before) else { continue };
            let words = format!("client {} ({}) {words}", self.file.number, self.transport);
            let moment = if before { Moment::Before } else { Moment::At(t) };
            return Ok(Some(Entry { moment, words }));
        }
        Ok(None)
    }
}

fn asked(frame: &[u8]) -> String {
    match frame::parse(frame) {
        Ok(ClientFrame::Action(request)) => request_words(&request),
        Ok(ClientFrame::Call { name, params, .. }) if name == ENVELOPE_CALL => {
            match frame::parse_request(params) {
                Ok(request) => format!("{}, in a call", request_words(&request)),
                Err(_) => format!("calls {ENVELOPE_CALL} without a request"),
            }
        }
        Ok(ClientFrame::Call { name, .. }) => format!("calls {}", known(&name)),
        Ok(ClientFrame::On { channel }) => format!("listens to {}", known(&channel)),
        Ok(ClientFrame::Off { channel }) => format!("listens no more to {}", known(&channel)),
        Ok(ClientFrame::Token(_)) => "shows a token".to_owned(),
        Err(_) => "sends what is no request".to_owned(),
    }
}

fn request_words(request: &Request<'_>) -> String {
    let verb = match request.event {
        Event::Open => "asks",
        Event::Close => "closes",
    };
    format!("{verb} {}{}", known(&request.action), task(&request.task_id))
}

fn got(frame: &[u8]) -> String {
    match ServerFrame::parse(frame) {
        Ok(ServerFrame::Reply { action, task_id, answer, .. }) if action.is_empty() => {
            format!("the answer to what was no request{}: {}", task(&task_id), outcome(&answer))
        }
        Ok(ServerFrame::Reply { action, task_id, answer, .. }) => {
            format!("{}{}: {}", known(&action), task(&task_id), outcome(&answer))
        }
        Ok(ServerFrame::CallReply { name, res, .. }) if name == ENVELOPE_CALL => {
            format!("in a call {}", got(res.get().as_bytes()))
        }
        Ok(ServerFrame::CallReply { name, answer, .. }) => {
            format!("{}: {}", known(&name), outcome(&answer))
        }
        Ok(ServerFrame::OnReply { channel, answer }) => {
            format!("on {}: {}", known(&channel), outcome(&answer))
        }
        Ok(ServerFrame::OffReply { channel, answer }) => {
            format!("off {}: {}", known(&channel), outcome(&answer))
        }
        Ok(ServerFrame::Event { channel, .. }) => format!("an event of {}", known(&channel)),
        Err(_) => "what is no frame of the protocol".to_owned(),
    }
}

/// Success, or the kind of the failure: a word of the protocol. Time limits and cancellation have
/// no kind and are known by their message.
fn outcome(answer: &Answer) -> String {
    #[derive(Deserialize)]
    struct Data {
        error: Kind,
    }
    #[derive(Deserialize)]
    struct Kind {
        kind: String,
    }
    if answer.success {
        return "success".to_owned();
    }
    let data = answer.data.as_deref().map(|data| serde_json::from_str::<Data>(data.get()));
    let word = |kind: &String| kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match data.and_then(Result::ok).map(|data| data.error.kind).filter(word) {
        Some(kind) => format!("no, {kind}"),
        None if answer.message == Failure::Timeout.message() => "no, time limit".to_owned(),
        None if answer.message == Failure::Cancelled.message() => "no, cancelled".to_owned(),
        None => "no".to_owned(),
    }
}

/// A name of the protocol; another one could be anything.
fn known(name: &str) -> &str {
    let known = ACTIONS.iter().any(|action| action.name == name)
        || CHANNELS.iter().chain(&bridge::CHANNELS).any(|channel| channel.name == name)
        || CALLS.contains(&name)
        || [ENVELOPE_CALL, LAGGED_CHANNEL].contains(&name);
    if known { name } else { "an unknown name" }
}

/// A `taskId`, unless it could be a person's.
fn task(id: &TaskId) -> String {
    let text = serde_json::to_string(id).unwrap_or_default();
    let digits = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
    match text.as_str() {
        "\"\"" => String::new(),
        _ if text.len() > TASK_ID + 2 || !text.is_ascii() || digits >= Some(MANY_DIGITS) => {
            ", taskId not shown".to_owned()
        }
        _ => format!(", taskId {text}"),
    }
}
