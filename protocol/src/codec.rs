//! Bytes to lines, for the Unix socket and TCP: the limit and the way back into step.
//!
//! A pure state machine: a transport appends what it read to a buffer and calls
//! [`LineCodec::decode`] until it gives `None`. Two states:
//!
//! ```text
//!            over the limit, no end yet: the bytes are let go
//!   collecting ─────────────────────────────────────────────▶ skipping
//!       ▲  │ end of line: Frame, TooLong, or nothing              │
//!       └──┘◀──────────────── end of line: TooLong ───────────────┘
//! ```
//!
//! No byte is looked at twice, so a long line that comes a byte at a time costs no more than one
//! that comes at once. What is left without its end when a connection closes was no frame.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

/// Splits a stream of bytes into frames.
#[derive(Debug)]
pub struct LineCodec {
    limit: usize,
    /// How much of the buffer's beginning is known to hold no end of line.
    scanned: usize,
    skipping: bool,
}

/// What one line came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line with something in it, without its end. It shares the buffer's memory.
    Frame(Bytes),
    /// A line over the limit has ended; nothing of it was kept.
    TooLong,
}

impl LineCodec {
    /// A codec whose lines hold at most `limit` bytes, the `\n` and a `\r` before it not counted.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, scanned: 0, skipping: false }
    }

    /// Takes the next line out of `buf`, or `None` when it holds no whole one; call it again once
    /// more bytes have been appended. Lines that are empty or blank are passed over.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Option<Line> {
        loop {
            let Some(end) = self.line_end(buf) else {
                self.keep_within_limit(buf);
                return None;
            };
            let mut line = buf.split_to(end + 1);
            self.scanned = 0;
            if std::mem::take(&mut self.skipping) {
                return Some(Line::TooLong);
            }
            line.truncate(end);
            if line.ends_with(b"\r") {
                line.truncate(end - 1);
            }
            if line.len() > self.limit {
                return Some(Line::TooLong);
            }
            if !line.trim_ascii().is_empty() {
                return Some(Line::Frame(line.freeze()));
            }
        }
    }

    fn line_end(&self, buf: &BytesMut) -> Option<usize> {
        let unseen = buf.get(self.scanned..)?;
        memchr(b'\n', unseen).map(|offset| self.scanned + offset)
    }

    /// Remembers what was looked at, and lets go of a line that cannot become a frame any more.
    fn keep_within_limit(&mut self, buf: &mut BytesMut) {
        if self.skipping {
            buf.clear();
        } else if buf.len() > self.limit.saturating_add(1) {
            // One byte over may still be the `\r`. The memory goes too: it is as large as the limit.
            self.skipping = true;
            *buf = BytesMut::new();
        }
        self.scanned = buf.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(limit: usize, input: &[u8]) -> Vec<Line> {
        let mut codec = LineCodec::new(limit);
        let mut buf = BytesMut::from(input);
        std::iter::from_fn(|| codec.decode(&mut buf)).collect()
    }

    fn frame(text: &'static str) -> Line {
        Line::Frame(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_carriage_return_before_the_end_is_dropped() {
        assert_eq!(lines(99, b"{}\r\n[]\n"), [frame("{}"), frame("[]")]);
    }

    #[test]
    fn empty_and_blank_lines_are_passed_over() {
        assert_eq!(lines(99, b"\n\r\n  \t\n{}\n\n"), [frame("{}")]);
    }

    #[test]
    fn what_has_no_end_is_no_line() {
        assert_eq!(lines(99, b"{}\n{\"on\""), [frame("{}")]);
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
        assert_eq!(lines(4, b"1234\n1234\r\n"), [frame("1234"), frame("1234")]);
        assert_eq!(lines(4, b"12345\n1234\n"), [Line::TooLong, frame("1234")]);
    }

    #[test]
    fn a_line_over_the_limit_is_let_go_as_it_comes_and_reported_at_its_end() {
        let mut codec = LineCodec::new(8);
        let mut buf = BytesMut::new();
        for _ in 0..1000 {
            buf.extend_from_slice(b"xxxx");
            assert_eq!(codec.decode(&mut buf), None);
            assert!(buf.len() <= 9);
        }
        buf.extend_from_slice(b"x\n{}\n");
        assert_eq!(codec.decode(&mut buf), Some(Line::TooLong));
        assert_eq!(codec.decode(&mut buf), Some(frame("{}")));
        assert_eq!(codec.decode(&mut buf), None);
    }

    #[test]
    fn no_byte_is_looked_at_twice() {
        let mut codec = LineCodec::new(1 << 20);
        let mut buf = BytesMut::new();
        for length in 1..=4096 {
            buf.extend_from_slice(b"x");
            assert_eq!(codec.decode(&mut buf), None);
            assert_eq!(codec.scanned, length);
        }
    }
}
