//! Frames on their way to a client: taken out of its outbox, and not wholly written yet.
//!
//! They are written as they are, in one call to the operating system for as many as wait: an event that
//! goes to fifty clients is the same bytes for each of them, and nobody copies it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::outbox::Outbox;

/// Frames that are handed to the operating system in one call.
const FRAMES: usize = 32;

/// Bytes that are taken out of an outbox in one go, and no more before all of them are written: what
/// waits there can still give way, what is here cannot.
const BYTES: usize = 16 * 1024;

/// The longest head of a frame.
pub(super) const LONGEST_HEAD: usize = 14;

/// One frame.
pub(super) struct Leaving {
    head: [u8; LONGEST_HEAD],
    head_length: usize,
    body: Bytes,
}

/// What is on its way to one client.
#[derive(Default)]
pub(super) struct Output {
    leaving: Vec<Leaving>,
    /// So many bytes of the first of them are written.
    written: usize,
}

impl Leaving {
    /// A frame with so many bytes of `head` before it.
    pub(super) fn new(head: [u8; LONGEST_HEAD], head_length: usize, body: Bytes) -> Self {
        Self { head, head_length: head_length.min(LONGEST_HEAD), body }
    }

    /// A frame without a head.
    pub(super) fn bare(body: Bytes) -> Self {
        Self::new([0; LONGEST_HEAD], 0, body)
    }

    fn parts(&self) -> [&[u8]; 2] {
        [&self.head[..self.head_length], &self.body]
    }

    fn length(&self) -> usize {
        self.head_length + self.body.len()
    }
}

impl Output {
    /// Whether all that was taken is written.
    pub(super) fn is_empty(&self) -> bool {
        self.leaving.is_empty()
    }

    /// Whether a frame has begun to be written and has not ended.
    pub(super) fn is_half_written(&self) -> bool {
        self.written > 0
    }

    /// Takes out of the outbox what is written in one go, unless some of that is on its way still.
    /// `leave` says how a frame goes. Tells whether there may be more in the outbox.
    ///
    /// # Errors
    /// Those of `leave`.
    pub(super) fn take(
        &mut self,
        outbox: &Outbox,
        leave: impl Fn(Bytes) -> io::Result<Leaving>,
    ) -> io::Result<bool> {
        if !self.leaving.is_empty() {
            return Ok(true);
        }
        let mut bytes = 0;
        while self.leaving.len() < FRAMES && bytes < BYTES {
            let Some(frame) = outbox.pop() else { return Ok(false) };
            let leaving = leave(frame)?;
            bytes += leaving.length();
            self.leaving.push(leaving);
        }
        Ok(true)
    }

    /// Writes what was taken; ready when all of it is.
    ///
    /// # Errors
    /// The stream's.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while !self.leaving.is_empty() {
            let mut slices = [IoSlice::new(&[]); 2 * FRAMES];
            let (mut count, mut before) = (0, self.written);
            let parts = self.leaving.iter().flat_map(Leaving::parts);
            for (slice, part) in slices.iter_mut().zip(parts) {
                let (gone, rest) = part.split_at(before.min(part.len()));
                before -= gone.len();
                *slice = IoSlice::new(rest);
                count += 1;
            }
            let slices = &slices[..count];
            match ready!(Pin::new(&mut *stream).poll_write_vectored(cx, slices))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
            let mut whole = 0;
            while let Some(one) = self.leaving.get(whole)
                && one.length() <= self.written
            {
                self.written -= one.length();
                whole += 1;
            }
            self.leaving.drain(..whole);
        }
        Poll::Ready(Ok(()))
    }
}
