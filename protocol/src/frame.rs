//! What a client may send, what it may get.
//!
//! [`parse`] turns one frame's bytes into a [`ClientFrame`] or into a [`Rejected`] that holds all
//! that could be read, so that even a broken frame is answered to the right call. [`params`] reads
//! an action's typed params. The functions of the other direction ([`reply`], [`refusal`],
//! [`event`] …) each give one finished line, `\n` included, encoded once. No I/O here: the daemon's
//! transports move the bytes, and WebSocket leaves the last one off.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use crate::failure::Failure;

mod outgoing;
mod params;
mod parse;
mod task_id;
#[cfg(test)]
mod tests;

pub(crate) use outgoing::LineWriter;
pub use outgoing::{
    Envelope, ReplyTo, call_reply, encode, event, lagged, off_reply, on_reply, refusal, rejection,
    reply, reply_with,
};
pub use params::params;
pub use parse::{parse, parse_request};
pub use task_id::TaskId;

/// The channel that says where stream events are missing; needs no `on`.
pub const LAGGED_CHANNEL: &str = "bridgeLagged";

/// One frame from a client. It borrows from the frame's bytes. `Debug` shows no params and no token.
pub enum ClientFrame<'a> {
    /// `{"action":…}`: an action, to be answered with the bare envelope.
    Action(Request<'a>),
    /// `{"call":…}`: a call by name, `ampeHHCommunication` included.
    Call {
        /// Which call.
        name: Cow<'a, str>,
        /// Its params as they came, `null` included; for [`params`] or [`parse_request`].
        params: Option<&'a RawValue>,
        /// What the client wants echoed: any JSON, `null` included.
        id: Option<&'a RawValue>,
    },
    /// `{"on":…}`: open a channel for this connection.
    On {
        /// Which channel.
        channel: Cow<'a, str>,
    },
    /// `{"off":…}`: close it.
    Off {
        /// Which channel.
        channel: Cow<'a, str>,
    },
    /// `{"token":…}`: the password of the connection.
    Token(Cow<'a, str>),
}

/// One `ampeHHCommunication` request, its params not looked at yet. `Debug` shows no params.
pub struct Request<'a> {
    /// The action's name; whether there is such an action is the router's to find out.
    pub action: Cow<'a, str>,
    /// Missing counts as open.
    pub event: Event,
    /// Chosen by the caller.
    pub task_id: TaskId,
    /// As they came, for [`params`].
    pub params: Option<&'a RawValue>,
}

/// What a request wants with its action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Do it.
    Open,
    /// End the calls of it that are under way.
    Close,
}

/// A frame that is no request, with what is needed to answer it.
#[derive(Debug)]
pub struct Rejected {
    /// What could be read.
    pub echo: Echo,
    /// Why it is no request, in the words of its action where that is known.
    pub failure: Failure,
}

/// What could be read of a frame that is no request. What is `None` is echoed as `""`, `id` not at
/// all.
#[derive(Clone, Debug, Default)]
pub struct Echo {
    /// The action, if it came and is a string.
    pub action: Option<String>,
    /// The event as it came, be it a valid one or not.
    pub event: Option<String>,
    /// The task, if it came and is one.
    pub task_id: Option<TaskId>,
    /// The call's id, if it came.
    pub id: Option<Box<RawValue>>,
}

impl fmt::Debug for ClientFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(request) => request.fmt(f),
            Self::Call { name, .. } => {
                f.debug_struct("Call").field("name", name).finish_non_exhaustive()
            }
            Self::On { channel } => f.debug_tuple("On").field(channel).finish(),
            Self::Off { channel } => f.debug_tuple("Off").field(channel).finish(),
            Self::Token(_) => f.write_str("Token(…)"),
        }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("action", &self.action)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

impl Request<'_> {
    /// The head of this request's replies.
    #[must_use]
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope { action: &self.action, event: self.event.as_str(), task_id: Some(&self.task_id) }
    }
}

impl Event {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
        }
    }
}

impl Rejected {
    /// A frame of which nothing was read because it was longer than `limit` bytes.
    #[must_use]
    pub fn too_long(limit: usize) -> Self {
        let failure = Failure::bad_request(format!("the frame is longer than {limit} bytes"));
        Self { echo: Echo::default(), failure }
    }
}
