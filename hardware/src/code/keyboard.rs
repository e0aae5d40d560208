//! The driver of scanners that type as a keyboard ("keyboard wedge").
//!
//! Its keys become the bytes of a line, and everything behind that is the serial driver: framing,
//! the same code again, torn codes. Enter is `\r`, on the key pad too. The port has to grab the
//! device, or the desktop gets the code as well.
//!
//! ```text
//! records ─► held keys, US layout ─► bytes ─► SerialScanner
//!                 └ no such character, events lost: the code is thrown away, counted
//! ```
//!
//! A character that no US keyboard has can only come by its number, typed on the key pad with alt
//! held, and in which code page that number is depends on how the scanner was set. A code of which
//! one character is not known is not given at all: half a code is a wrong code. Such codes need
//! the scanner's serial (USB CDC) mode.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Code;
use super::framing::{Encoding, Framing};
use super::serial::{SerialScanner, Settings};
use crate::device::{Driver, Status, Trouble};
use crate::input::Activity;
use crate::input::layout::{Held, Typed};
use crate::port::input::{EV_SYN, Records, SYN_DROPPED, SYN_REPORT};
use crate::port::lossy::Lossy;
use crate::port::{BoxedLine, Line};
use crate::source::Source;

pub mod redact;

/// The driver. Its codes go to a source.
pub struct KeyboardScanner {
    bytes: SerialScanner,
    activity: Activity,
}

impl KeyboardScanner {
    /// A driver whose codes go to `source`. Whoever scans operates the kiosk: each key is told to
    /// `activity`.
    #[must_use]
    pub fn new(settings: Settings, source: Source<Code>, activity: Activity) -> Self {
        let settings = Settings { framing: typed(settings.framing), baud: 0, ..settings };
        Self { bytes: SerialScanner::new(settings, source), activity }
    }
}

/// The framing of what is typed: ASCII, where every line end is the one enter key.
#[must_use]
pub fn typed(framing: Framing) -> Framing {
    let suffix = match framing.suffix.as_slice() {
        b"\n" | b"\r\n" => b"\r".to_vec(),
        _ => framing.suffix,
    };
    Framing { suffix, encoding: Encoding::Utf8, trigger: None, ..framing }
}

impl Driver for KeyboardScanner {
    async fn run(&mut self, line: BoxedLine, status: &Status) -> Option<Trouble> {
        let line = TypedLine {
            line,
            records: Records::default(),
            held: Held::default(),
            is_state: true,
            typed: Lossy::default(),
            status: status.clone(),
            activity: self.activity.clone(),
        };
        self.bytes.run(Box::new(line), status).await
    }

    fn unusable(&mut self, trouble: &Trouble) {
        self.bytes.unusable(trouble);
    }
}

/// A keyboard's line as the bytes that are typed on it.
struct TypedLine {
    line: BoxedLine,
    records: Records,
    held: Held,
    /// What comes is not typed but tells what is held, up to the next `SYN_REPORT`.
    is_state: bool,
    typed: Lossy,
    status: Status,
    activity: Activity,
}

impl TypedLine {
    fn take(&mut self, piece: &[u8]) {
        self.records.push(piece);
        while let Some(event) = self.records.next_event() {
            match (event.kind, event.code) {
                (EV_SYN, SYN_DROPPED) => {
                    self.held = Held::default();
                    self.is_state = true;
                    self.status.count("eventsLost");
                    self.typed.lose();
                }
                (EV_SYN, SYN_REPORT) => self.is_state = false,
                _ if self.is_state => {
                    if Held::is_changing(event.code) {
                        self.held.event(event);
                    }
                }
                _ => {
                    match self.held.event(event) {
                        Typed::Nothing => continue,
                        Typed::Unreadable => {
                            self.status.count("foreignKeys");
                            self.typed.lose();
                        }
                        Typed::Character(character) => self.typed.push(&[character]),
                    }
                    self.activity.made();
                }
            }
        }
    }
}

impl AsyncRead for TypedLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = &mut *self;
        while line.typed.is_empty() {
            let mut chunk = [0; 1024];
            let mut piece = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut line.line).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            line.take(piece.filled());
        }
        Poll::Ready(line.typed.read(buf))
    }
}

impl AsyncWrite for TypedLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}

impl Line for TypedLine {
    fn discard_input(&mut self) -> io::Result<()> {
        self.typed.clear();
        self.line.discard_input()
    }
}

#[cfg(test)]
mod tests;
