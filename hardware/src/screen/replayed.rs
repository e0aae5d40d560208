//! What of a screen's line a replay compares: each request, and of a picture that it is the same one.
//!
//! A picture goes out in many pieces, and a pipe takes them as it likes; in a replay they go out at once.
//! So tape and driver are both reduced: the pieces are passed over, and the request to show them has
//! their digest behind its number.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::packets::{SHOW, Tell};
use crate::device::Trouble;
use crate::port::packets::{Packets, packet};
use crate::port::replay::{TapeLine, TapeReader};
use crate::port::tape::PortEvent;
use crate::port::{BoxedLine, Line, Opening, Port};

/// Takes the pieces out of what is told.
#[derive(Default)]
struct Reduced {
    packets: Packets,
    picture: Sha256,
}

impl Reduced {
    /// More was told; the requests in it, each by itself.
    fn push(&mut self, bytes: &[u8]) -> Vec<Bytes> {
        self.packets.push(bytes);
        let mut told = Vec::new();
        loop {
            match self.packets.next_packet() {
                Ok(Some(whole)) => match Tell::of(&whole) {
                    Some(Tell::Piece(piece)) => self.picture.update(&piece),
                    Some(Tell::Show(number)) => {
                        let digest = self.picture.finalize_reset();
                        let data = [&number.to_be_bytes()[..], &digest].concat();
                        told.push(packet(SHOW, &data).into());
                    }
                    _ => told.push(packet(whole.kind, &whole.data).into()),
                },
                Ok(None) => return told,
                // No driver of ours says so; what it was stays to be seen.
                Err(_) => {
                    told.push(self.packets.take_rest());
                    return told;
                }
            }
        }
    }
}

/// A screen's tape, reduced.
pub struct ReducedTape<T> {
    tape: T,
    told: Reduced,
    due: VecDeque<TapeLine>,
}

impl<T: TapeReader> ReducedTape<T> {
    /// What is told on this tape.
    #[must_use]
    pub fn new(tape: T) -> Self {
        Self { tape, told: Reduced::default(), due: VecDeque::new() }
    }
}

impl<T: TapeReader> Iterator for ReducedTape<T> {
    type Item = TapeLine;

    fn next(&mut self) -> Option<TapeLine> {
        loop {
            if let Some(line) = self.due.pop_front() {
                return Some(line);
            }
            let TapeLine { line, micros, before, event } = self.tape.next()?;
            let at = |event| TapeLine { line, micros, before, event };
            match event {
                PortEvent::Out(bytes) => {
                    let told = self.told.push(&bytes);
                    self.due.extend(told.into_iter().map(|told| at(PortEvent::Out(told))));
                }
                event => {
                    if matches!(event, PortEvent::Opened { .. } | PortEvent::Closed) {
                        self.told = Reduced::default();
                    }
                    return Some(at(event));
                }
            }
        }
    }
}

/// The port of a screen that is on such a tape.
pub struct ReducedPort<P>(pub P);

impl<P: Port> Port for ReducedPort<P> {
    fn open(&mut self, baud: u32) -> Opening<'_> {
        Box::pin(async move {
            let line = self.0.open(baud).await?;
            let line = ReducedLine { line, told: Reduced::default(), due: VecDeque::new() };
            Ok(Box::new(line) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.0.worth_opening(trouble)
    }

    fn vanished(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.vanished()
    }
}

struct ReducedLine {
    line: BoxedLine,
    told: Reduced,
    /// What is told and not written yet.
    due: VecDeque<Bytes>,
}

impl ReducedLine {
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(piece) = self.due.front() {
            ready!(Pin::new(&mut self.line).poll_write(cx, piece))?;
            self.due.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

impl Line for ReducedLine {
    fn discard_input(&mut self) -> io::Result<()> {
        self.line.discard_input()
    }
}

impl AsyncRead for ReducedLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_read(cx, buf)
    }
}

impl AsyncWrite for ReducedLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A replayed line takes what is written at once.
        ready!(self.poll_due(cx))?;
        let told = self.told.push(bytes);
        self.due.extend(told);
        if let Poll::Ready(Err(error)) = self.poll_due(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_due(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_passed_over_and_their_digest_stands_behind_the_number() {
        let piece = |bytes: &'static [u8]| Tell::Piece(Bytes::from_static(bytes)).packet();
        let line = |pieces: &[Vec<u8>]| {
            let rest = [Tell::Show(1).packet(), Tell::Close(2).packet()].concat();
            [pieces.concat(), rest].concat()
        };
        let told = |line: &[u8], size| -> Vec<Bytes> {
            let mut reduced = Reduced::default();
            line.chunks(size).flat_map(|chunk| reduced.push(chunk)).collect()
        };
        let whole = line(&[piece(b"picture")]);
        let expected = told(&whole, whole.len());
        assert_eq!(expected.len(), 2);
        assert_eq!(expected[1], Tell::Close(2).packet());
        // However it is cut, on the line or into pieces.
        let cut = line(&[piece(b"pic"), piece(b"ture")]);
        for size in 1..cut.len() {
            assert_eq!(told(&cut, size), expected);
        }
        assert_ne!(told(&line(&[piece(b"Picture")]), 9), expected);
    }
}
