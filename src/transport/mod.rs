//! How frames travel: Unix socket and TCP ([`lines`]), WebSocket ([`websocket`]) behind HTTP
//! ([`http`]). Each becomes the same [`Transport`], which a connection polls.

pub mod access;
pub mod dial;
pub mod http;
pub mod lines;
mod output;
pub mod unix;
pub mod websocket;

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::outbox::Outbox;

/// What came from a client.
#[derive(Debug)]
pub enum Incoming {
    /// One frame, without its end.
    Frame(Bytes),
    /// A frame over the limit, which was skipped to its end.
    TooLong,
    /// Nothing will come any more. The client may still read.
    End,
}

/// One client's socket, as frames. Polled by its connection only, which never waits in the middle
/// of anything: reading and writing go on side by side.
pub trait Transport: Send {
    /// The next frame.
    ///
    /// # Errors
    /// The socket's; the client is gone then.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Incoming>>;

    /// A frame that has arrived already: asked for between frames, and never waited for.
    fn buffered(&mut self) -> Option<Incoming> {
        None
    }

    /// Writes what waits in the outbox; ready when all of it has been handed over.
    ///
    /// # Errors
    /// The socket's; the client is gone then.
    fn poll_flush(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<io::Result<()>>;

    /// The good-bye will say that the client was not let in, where the transport can say so.
    fn deny(&mut self) {}

    /// Says good-bye where the transport has a word for it.
    ///
    /// # Errors
    /// The socket's.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
