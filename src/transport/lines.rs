//! Frames as lines (NDJSON) over a stream: Unix socket and TCP.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use hharome_protocol::codec::{Line, LineCodec};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::output::{Leaving, Output};
use super::{Incoming, Transport};
use crate::outbox::Outbox;

/// Read at a time. Requests are far below it; images come in many of them.
const READ_CHUNK: usize = 8 * 1024;

/// A read buffer that has grown beyond this is given back once it is empty, so that one large
/// frame does not stay in memory for as long as its client.
const KEPT_BUFFER: usize = 16 * 1024;

/// Lines over any stream.
pub struct Lines<S> {
    stream: S,
    codec: LineCodec,
    input: BytesMut,
    ended: bool,
    output: Output,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Lines<S> {
    /// Lines of at most `max_frame` bytes over `stream`.
    #[must_use]
    pub fn new(stream: S, max_frame: usize) -> Self {
        let codec = LineCodec::new(max_frame);
        Self { stream, codec, input: BytesMut::new(), ended: false, output: Output::default() }
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for Lines<S> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Incoming>> {
        loop {
            if let Some(incoming) = self.buffered() {
                return Poll::Ready(Ok(incoming));
            }
            if self.ended {
                return Poll::Pending;
            }
            // On the stack, so that an idle client holds no read buffer.
            let mut chunk = [std::mem::MaybeUninit::uninit(); READ_CHUNK];
            let mut buf = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(Incoming::End));
            }
            self.input.extend_from_slice(buf.filled());
        }
    }

    fn buffered(&mut self) -> Option<Incoming> {
        let line = self.codec.decode(&mut self.input);
        if line.is_none() && self.input.is_empty() && self.input.capacity() > KEPT_BUFFER {
            self.input = BytesMut::new();
        }
        Some(match line? {
            Line::Frame(frame) => Incoming::Frame(frame),
            Line::TooLong => Incoming::TooLong,
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<io::Result<()>> {
        loop {
            let more = self.output.take(outbox, |frame| Ok(Leaving::bare(frame)))?;
            ready!(self.output.poll_write(cx, &mut self.stream))?;
            if !more {
                return Pin::new(&mut self.stream).poll_flush(cx);
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
