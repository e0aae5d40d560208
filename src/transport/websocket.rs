//! Frames as text messages over WebSocket (RFC 6455).
//!
//! What that calls a protocol error closes the connection with its code: 1007 bad UTF-8, 1009 too
//! large, 1002 the rest. A client that is not let in is told so with 1008.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};
use tokio_tungstenite::tungstenite::protocol::{
    CloseFrame, Role, WebSocketConfig, WebSocketContext,
};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::output::{LONGEST_HEAD, Leaving, Output};
use super::{Incoming, Transport};
use crate::outbox::Outbox;

/// The library's own read buffer is 128 KiB a client, allocated at once; requests are small.
const READ_BUFFER: usize = 4 * 1024;

/// Messages over TCP. The library reads them, and answers pings and closes; our own frames are written
/// beside it, as they stand in the outbox.
pub struct WebSocket {
    stream: TcpStream,
    library: WebSocketContext,
    /// The library may have something to say or to do without anything having come.
    stirred: bool,
    role: Role,
    output: Output,
    ended: bool,
    close: CloseFrame,
    close_sent: bool,
    /// The client is not let in, and its own close is waited for.
    denied: bool,
    /// What [`Transport::buffered`] came upon that is no frame; it is told in its turn.
    held: Option<io::Result<Incoming>>,
}

/// The stream, as the library knows streams: what would wait is `WouldBlock`, and the task is woken.
struct Blocking<'s, 'c> {
    stream: &'s mut TcpStream,
    cx: &'s mut Context<'c>,
    /// One of our own frames is half written, and nothing may come between its halves.
    busy: bool,
    /// Something was not written.
    refused: bool,
}

impl WebSocket {
    /// Messages of at most `max_frame` bytes over `stream`, whose handshake is done, and of which the
    /// bytes `read` have been read already.
    #[must_use]
    pub fn new(stream: TcpStream, read: &[u8], role: Role, max_frame: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(max_frame))
            .max_frame_size(Some(max_frame));
        let library = WebSocketContext::from_partially_read(read.to_vec(), role, Some(config));
        let close = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
        Self {
            stream,
            library,
            stirred: true,
            role,
            output: Output::default(),
            ended: false,
            close,
            close_sent: false,
            denied: false,
            held: None,
        }
    }

    fn refuse(&mut self, code: CloseCode, reason: &str) -> Incoming {
        self.ended = true;
        self.close = CloseFrame { code, reason: reason.into() };
        Incoming::End
    }

    /// Lets the library work on the stream; pending where it would wait.
    fn with_library<T>(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut WebSocketContext, &mut Blocking<'_, '_>) -> Result<T, Error>,
    ) -> Poll<Result<T, Error>> {
        let (stream, busy) = (&mut self.stream, false);
        let mut stream = Blocking { stream, cx, busy, refused: false };
        let done = work(&mut self.library, &mut stream);
        match done {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.stirred = stream.refused;
                Poll::Pending
            }
            done => {
                self.stirred = true;
                Poll::Ready(done)
            }
        }
    }
}

impl Read for Blocking<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        match Pin::new(&mut *self.stream).poll_read(self.cx, &mut buf) {
            Poll::Ready(read) => read.map(|()| buf.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Blocking<'_, '_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if !self.busy
            && let Poll::Ready(written) = Pin::new(&mut *self.stream).poll_write(self.cx, buf)
        {
            return written;
        }
        // Writing what is half written wakes the task, too.
        self.refused = true;
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        // TCP keeps nothing back.
        Ok(())
    }
}

impl Transport for WebSocket {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Incoming>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(held);
        }
        if self.ended {
            return Poll::Pending;
        }
        loop {
            if !self.stirred {
                // Else the library would clear its buffer to read nothing, at every event.
                ready!(self.stream.poll_read_ready(cx))?;
            }
            let message =
                match ready!(self.with_library(cx, |library, stream| library.read(stream))) {
                    Ok(message) => message,
                    Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                        self.ended = true;
                        return Poll::Ready(Ok(Incoming::End));
                    }
                    Err(Error::Io(error)) => return Poll::Ready(Err(error)),
                    Err(Error::Capacity(_)) => {
                        return Poll::Ready(Ok(self.refuse(CloseCode::Size, "message too large")));
                    }
                    Err(Error::Utf8(_)) => {
                        return Poll::Ready(Ok(self.refuse(CloseCode::Invalid, "not UTF-8")));
                    }
                    Err(error) => {
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
        let role = self.role;
        loop {
            let more = self.output.take(outbox, |frame| message(frame, role).map_err(into_io))?;
            if self.output.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if self.stirred && !self.output.is_half_written() {
                // An answer of the library's own may be.
                ready!(self.with_library(cx, |library, stream| library.flush(stream)))
                    .map_err(into_io)?;
            }
            if !self.library.can_write() {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
            ready!(self.output.poll_write(cx, &mut self.stream))?;
            if !more {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn deny(&mut self) {
        self.denied = true;
        self.close = CloseFrame { code: CloseCode::Policy, reason: "not admitted".into() };
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let close = (!self.close_sent).then(|| self.close.clone());
        self.close_sent = true;
        let closed = self.with_library(cx, |library, stream| match close {
            // What cannot be written at once is kept by the library.
            Some(close) => library.close(stream, Some(close)),
            None => library.flush(stream),
        });
        ready!(closed).map_err(into_io)?;
        // Closing the socket over frames that nobody has read would reset the connection, and the
        // code might never be heard.
        while self.denied {
            let read = ready!(self.with_library(cx, |library, stream| library.read(stream)));
            self.denied = read.is_ok();
        }
        Poll::Ready(Ok(()))
    }
}

/// A line without its end, as a text message.
fn message(mut line: Bytes, role: Role) -> Result<Leaving, Error> {
    line.truncate(line.len() - usize::from(line.ends_with(b"\n")));
    if role == Role::Client {
        let mut frame = Frame::message(line, OpCode::Data(Data::Text), true);
        // RFC 6455, 5.3: no page may know it beforehand.
        let random = RandomState::new().hash_one(()).to_le_bytes();
        frame.header_mut().mask = random.first_chunk().copied();
        let mut masked = Vec::with_capacity(frame.len());
        frame.format(&mut masked)?;
        return Ok(Leaving::bare(masked.into()));
    }
    let header = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
    let (mut head, length) = ([0; LONGEST_HEAD], line.len() as u64);
    header.format(length, &mut head.as_mut_slice())?;
    Ok(Leaving::new(head, header.len(length), line))
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::NotConnected.into(),
        error => io::Error::other(error),
    }
}
