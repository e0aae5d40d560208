//! What of a printer's bytes a replay compares: what the driver asks, and not what it prints.
//!
//! In a recording the dots are white, and a replay lays out other words than were said then. So tape and
//! driver are both reduced to what a printer answers: inquiries, automatic status, marks. What is
//! printed between them is passed over on both sides.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::virtual_printer::command::{self, Command};
use crate::device::Trouble;
use crate::port::replay::{TapeLine, TapeReader};
use crate::port::tape::PortEvent;
use crate::port::{BoxedLine, Line, Opening, Port};

/// Takes out of what is written what a printer answers.
#[derive(Default)]
struct Asked {
    held: Vec<u8>,
    /// Bytes of dots that are still to come.
    dots: usize,
}

impl Asked {
    /// More was written; what is asked in it, each by itself.
    fn push(&mut self, bytes: &[u8]) -> Vec<Bytes> {
        self.held.extend_from_slice(bytes);
        let mut asked = Vec::new();
        loop {
            let dots = self.dots.min(self.held.len());
            self.held.drain(..dots);
            self.dots -= dots;
            let (is_asked, length) = match self.held[..] {
                [0x10, 0x04, 1..=4, ..] => (true, 3),
                [0x10] | [0x10, 0x04] => return asked,
                _ => match command::next(&self.held) {
                    Some((Command::Raster { bytes, rows, .. }, length)) => {
                        self.dots = usize::from(bytes) * usize::from(rows);
                        (false, length)
                    }
                    Some((Command::Sensors(_) | Command::AutoStatus(1..), length)) => {
                        (true, length)
                    }
                    Some((_, length)) => (false, length),
                    None => return asked,
                },
            };
            let said: Bytes = self.held.drain(..length).collect();
            if is_asked {
                asked.push(said);
            }
        }
    }
}

/// A printer's tape, reduced.
pub struct AskedTape<T> {
    tape: T,
    asked: Asked,
    due: VecDeque<TapeLine>,
}

impl<T: TapeReader> AskedTape<T> {
    /// What is asked on this tape.
    #[must_use]
    pub fn new(tape: T) -> Self {
        Self { tape, asked: Asked::default(), due: VecDeque::new() }
    }
}

impl<T: TapeReader> Iterator for AskedTape<T> {
    type Item = TapeLine;

    fn next(&mut self) -> Option<TapeLine> {
        loop {
            if let Some(line) = self.due.pop_front() {
                return Some(line);
            }
            let line = self.tape.next()?;
            let TapeLine { line: number, micros, before, event } = line;
            let told = |event| TapeLine { line: number, micros, before, event };
            match event {
                PortEvent::Out(bytes) => {
                    let asked = self.asked.push(&bytes);
                    self.due.extend(asked.into_iter().map(|piece| told(PortEvent::Out(piece))));
                }
                event => {
                    if matches!(event, PortEvent::Opened { .. } | PortEvent::Closed) {
                        self.asked = Asked::default();
                    }
                    return Some(told(event));
                }
            }
        }
    }
}

/// The port of a printer that is on such a tape.
pub struct AskedPort<P>(pub P);

impl<P: Port> Port for AskedPort<P> {
    fn open(&mut self, baud: u32) -> Opening<'_> {
        Box::pin(async move {
            let line = self.0.open(baud).await?;
            Ok(Box::new(AskedLine { line, asked: Asked::default(), due: VecDeque::new() })
                as BoxedLine)
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

struct AskedLine {
    line: BoxedLine,
    asked: Asked,
    /// What is asked and not written yet.
    due: VecDeque<Bytes>,
}

impl AskedLine {
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(piece) = self.due.front() {
            ready!(Pin::new(&mut self.line).poll_write(cx, piece))?;
            self.due.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

impl Line for AskedLine {
    fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        self.line.set_baud(baud)
    }

    fn discard_input(&mut self) -> io::Result<()> {
        self.line.discard_input()
    }
}

impl AsyncRead for AskedLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_read(cx, buf)
    }
}

impl AsyncWrite for AskedLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A replayed line takes what is written at once.
        ready!(self.poll_due(cx))?;
        let asked = self.asked.push(bytes);
        self.due.extend(asked);
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
    fn of_a_receipt_only_what_is_asked_is_left_however_it_is_cut() {
        let receipt =
            b"\x10\x04\x01\x10\x04\x02\x1b@\x1da\x0e\x1dv0\x00\x02\x00\x03\x00\x10\x04\x01\
                        \x1dr\x01\x1bJ\x40\0\0\x1c&text\x0a\x1dr\x01\x1dVB\x10\x1dr\x01";
        let expected: [&[u8]; 5] =
            [b"\x10\x04\x01", b"\x10\x04\x02", b"\x1da\x0e", b"\x1dr\x01", b"\x1dr\x01"];
        for size in 1..=receipt.len() {
            let mut asked = Asked::default();
            let pieces: Vec<Bytes> =
                receipt.chunks(size).flat_map(|chunk| asked.push(chunk)).collect();
            assert_eq!(pieces, expected, "in pieces of {size}");
        }
    }
}
