//! Frames as text messages over WebSocket (RFC 6455).
//!
//! What that calls a protocol error closes the connection with its code: 1007 bad UTF-8, 1009 too
//! large, 1002 the rest.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::{Incoming, Transport};
use crate::outbox::Outbox;

/// The library's own read buffer is 128 KiB a client, allocated at once; requests are small.
const READ_BUFFER: usize = 4 * 1024;

/// Written to the socket in one go, and no more than that is taken out of the outbox before the
/// socket has taken it: what waits there can still give way, what the library holds cannot.
const WRITE_BATCH: usize = 16 * 1024;

/// Messages over any stream.
pub struct WebSocket<S> {
    stream: WebSocketStream<S>,
    unflushed: bool,
    ended: bool,
    close: CloseFrame,
    close_sent: bool,
    /// What [`Transport::buffered`] came upon that is no frame; it is told in its turn.
    held: Option<io::Result<Incoming>>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> WebSocket<S> {
    /// Messages of at most `max_frame` bytes over `stream`, whose handshake is done.
    pub async fn new(stream: S, role: Role, max_frame: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BATCH)
            .max_message_size(Some(max_frame))
            .max_frame_size(Some(max_frame));
        let stream = WebSocketStream::from_raw_socket(stream, role, Some(config)).await;
        let close = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
        Self { stream, unflushed: false, ended: false, close, close_sent: false, held: None }
    }

    fn refuse(&mut self, code: CloseCode, reason: &str) -> Incoming {
        self.ended = true;
        self.close = CloseFrame { code, reason: reason.into() };
        Incoming::End
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for WebSocket<S> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Incoming>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(held);
        }
        if self.ended {
            return Poll::Pending;
        }
        loop {
            let message = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(message)) => message,
                None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    self.ended = true;
                    return Poll::Ready(Ok(Incoming::End));
                }
                Some(Err(Error::Io(error))) => return Poll::Ready(Err(error)),
                Some(Err(Error::Capacity(_))) => {
                    return Poll::Ready(Ok(self.refuse(CloseCode::Size, "message too large")));
                }
                Some(Err(Error::Utf8(_))) => {
                    return Poll::Ready(Ok(self.refuse(CloseCode::Invalid, "not UTF-8")));
                }
                Some(Err(error)) => {
                    // A close frame holds 123 bytes of reason.
                    let reason: String = error.to_string().chars().take(30).collect();
                    return Poll::Ready(Ok(self.refuse(CloseCode::Protocol, &reason)));
                }
            };
            match message {
                // As an empty line is on the other transports.
                Message::Text(text) if text.trim().is_empty() => {}
                Message::Text(text) => return Poll::Ready(Ok(Incoming::Frame(text.into()))),
                // Not what is asked for, but there is no doubt about what it means.
                Message::Binary(bytes) => return Poll::Ready(Ok(Incoming::Frame(bytes))),
                // The library answers pings and closes itself.
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
            }
        }
    }

    fn buffered(&mut self) -> Option<Incoming> {
        // A connection polls before it sleeps, and with its own waker then.
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(Incoming::Frame(frame))) => Some(Incoming::Frame(frame)),
            Poll::Ready(other) => {
                self.held = Some(other);
                None
            }
            Poll::Pending => None,
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<io::Result<()>> {
        loop {
            if self.unflushed {
                ready!(Pin::new(&mut self.stream).poll_flush(cx)).map_err(into_io)?;
                self.unflushed = false;
            }
            let mut taken = 0;
            while taken < WRITE_BATCH {
                // After a flush it is ready; within a batch it may say otherwise.
                if Pin::new(&mut self.stream).poll_ready(cx).map_err(into_io)?.is_pending() {
                    self.unflushed = true;
                    break;
                }
                let Some(frame) = outbox.pop() else { break };
                taken += frame.len();
                self.unflushed = true;
                Pin::new(&mut self.stream).start_send(text(&frame)?).map_err(into_io)?;
            }
            if !self.unflushed {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.close_sent {
            ready!(Pin::new(&mut self.stream).poll_ready(cx)).map_err(into_io)?;
            self.close_sent = true;
            let close = Message::Close(Some(self.close.clone()));
            Pin::new(&mut self.stream).start_send(close).map_err(into_io)?;
        }
        Pin::new(&mut self.stream).poll_flush(cx).map_err(into_io)
    }
}

/// A line without its end.
fn text(line: &Bytes) -> io::Result<Message> {
    let end = line.len() - usize::from(line.ends_with(b"\n"));
    let text = Utf8Bytes::try_from(line.slice(..end)).map_err(io::Error::other)?;
    Ok(Message::Text(text))
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::NotConnected.into(),
        error => io::Error::other(error),
    }
}
