//! From a scanner's bytes to codes: pure, no line, no clock.
//!
//! A code ends with a suffix, or, where none is configured, with an idle gap that the driver
//! tells by [`Framer::gap`]. A module's acknowledgement in front of a code is taken away, a
//! prefix too. A code over [`MAX_CODE`] is thrown away whole.

use bytes::{Buf, BytesMut};

use super::Code;
use super::trigger::{Acknowledgement, Trigger};

/// The longest code that is believed, in bytes. The largest symbol there is, QR version 40,
/// holds 2953 bytes or 7089 digits.
pub const MAX_CODE: usize = 8 * 1024;

/// How a scanner's bytes become text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 where the bytes are valid UTF-8, else GB18030.
    #[default]
    Auto,
    /// UTF-8; what is none becomes U+FFFD.
    Utf8,
    /// GB18030, which holds GBK and GB2312; what is none becomes U+FFFD.
    Gb18030,
}

impl Encoding {
    /// The text of these bytes.
    pub(super) fn decode(self, bytes: &[u8]) -> String {
        let gb18030 = || encoding_rs::GB18030.decode_without_bom_handling(bytes).0.into_owned();
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Gb18030 => gb18030(),
            Self::Auto => match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => gb18030(),
            },
        }
    }
}

/// How codes stand in the stream.
#[derive(Clone, Debug)]
pub struct Framing {
    /// What ends a code; empty: an idle gap does.
    pub suffix: Vec<u8>,
    /// What stands in front of a code and is taken away where it does; may be empty.
    pub prefix: Vec<u8>,
    /// How the bytes become text.
    pub encoding: Encoding,
    /// The module's command set, whose acknowledgements are no codes.
    pub trigger: Option<Trigger>,
}

/// What the framer found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A code.
    Code(Code),
    /// A code over the limit, thrown away.
    TooLong,
    /// A code of which something was lost, thrown away.
    Torn,
}

/// Cuts a stream into codes.
pub struct Framer {
    framing: Framing,
    buffer: BytesMut,
    /// Bytes of the buffer that were searched for the suffix already.
    searched: usize,
    /// A code over the limit is being thrown away up to its end.
    skipping: bool,
    /// Something of the code was lost, which is why it is being thrown away.
    lost: bool,
}

impl Framer {
    /// A framer at the beginning of a stream.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self { framing, buffer: BytesMut::new(), searched: 0, skipping: false, lost: false }
    }

    /// Adds what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Forgets the beginning of a code that will not be finished.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.searched = 0;
        (self.skipping, self.lost) = (false, false);
    }

    /// Something is lost where the stream is now: the code that it belongs to is thrown away up to
    /// its end.
    pub fn lose(&mut self) {
        self.clear();
        (self.skipping, self.lost) = (true, true);
    }

    /// Whether a code has begun and not ended.
    #[must_use]
    pub fn is_in_code(&self) -> bool {
        self.skipping || !self.buffer.is_empty()
    }

    /// The next code that has ended with the suffix; `None` until more has arrived.
    pub fn next_code(&mut self) -> Option<Found> {
        loop {
            self.drop_acknowledgements()?;
            let suffix = self.framing.suffix.as_slice();
            let end = if suffix.is_empty() {
                None
            } else {
                let from = self.searched.saturating_sub(suffix.len() - 1);
                let rest = self.buffer.get(from..).unwrap_or_default();
                rest.windows(suffix.len()).position(|window| window == suffix).map(|at| from + at)
            };
            let Some(end) = end else {
                self.searched = self.buffer.len();
                if self.buffer.len() > MAX_CODE {
                    self.skipping = true;
                    // The suffix may be cut by the end of the buffer.
                    let keep = suffix.len().saturating_sub(1);
                    self.buffer.advance(self.buffer.len() - keep);
                    self.searched = 0;
                }
                return None;
            };
            let code = self.buffer.split_to(end);
            self.buffer.advance(suffix.len());
            self.searched = 0;
            if let Some(found) = self.finish(&code) {
                return Some(found);
            }
        }
    }

    /// The line has been idle: without a suffix, what has arrived is a code.
    pub fn gap(&mut self) -> Option<Found> {
        if !self.framing.suffix.is_empty() {
            return None;
        }
        let code = self.buffer.split();
        self.searched = 0;
        self.finish(&code)
    }

    /// `None` for an empty code.
    fn finish(&mut self, bytes: &[u8]) -> Option<Found> {
        if std::mem::take(&mut self.skipping) || bytes.len() > MAX_CODE {
            let lost = std::mem::take(&mut self.lost);
            return Some(if lost { Found::Torn } else { Found::TooLong });
        }
        // A module set to CR LF where CR is configured: the LF belongs to the code before.
        let bytes = match bytes {
            [b'\n', rest @ ..] if self.framing.suffix == b"\r" => rest,
            _ => bytes,
        };
        let bytes = bytes.strip_prefix(self.framing.prefix.as_slice()).unwrap_or(bytes);
        (!bytes.is_empty()).then(|| Found::Code(Code(self.framing.encoding.decode(bytes))))
    }

    /// `None` while an acknowledgement has begun and not ended.
    fn drop_acknowledgements(&mut self) -> Option<()> {
        let Some(trigger) = self.framing.trigger.filter(|_| !self.skipping) else {
            return Some(());
        };
        loop {
            match trigger.acknowledgement(&self.buffer) {
                Acknowledgement::None => return Some(()),
                Acknowledgement::Begun => return None,
                Acknowledgement::Bytes(length) => {
                    self.buffer.advance(length);
                    self.searched = 0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framing(suffix: &str) -> Framing {
        Framing {
            suffix: suffix.into(),
            prefix: Vec::new(),
            encoding: Encoding::Auto,
            trigger: None,
        }
    }

    fn codes(framer: &mut Framer, chunks: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            while let Some(Found::Code(Code(code))) = framer.next_code() {
                found.push(code);
            }
        }
        found
    }

    #[test]
    fn every_suffix_ends_a_code_wherever_it_is_cut() {
        for suffix in ["\r", "\n", "\r\n", "\t"] {
            let stream = format!("6901234567892{suffix}二维码{suffix}{suffix}x");
            for cut in 0..=stream.len() {
                let (head, tail) = stream.as_bytes().split_at(cut);
                let found = codes(&mut Framer::new(framing(suffix)), &[head, tail]);
                assert_eq!(found, ["6901234567892", "二维码"], "{suffix:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn the_lf_of_a_module_set_to_cr_lf_is_no_part_of_the_next_code() {
        let mut framer = Framer::new(framing("\r"));
        assert_eq!(codes(&mut framer, &[b"a\r\nb\r\n"]), ["a", "b"]);
    }

    #[test]
    fn without_a_suffix_a_gap_ends_a_code() {
        let mut framer = Framer::new(framing(""));
        assert!(codes(&mut framer, &[b"ab", b"\rcd"]).is_empty());
        assert_eq!(framer.gap(), Some(Found::Code(Code("ab\rcd".to_owned()))));
        assert_eq!(framer.gap(), None);
    }

    #[test]
    fn a_prefix_is_taken_away_where_it_stands() {
        let prefix = b"\x02".to_vec();
        let mut framer = Framer::new(Framing { prefix, ..framing("\r") });
        assert_eq!(codes(&mut framer, &[b"\x02abc\rdef\r"]), ["abc", "def"]);
    }

    #[test]
    fn auto_takes_utf_8_where_it_is_valid_and_gb18030_elsewhere() {
        // 张三 in GB18030: D5 C5 C8 FD, which is no UTF-8.
        let mut framer = Framer::new(framing("\r"));
        let found = codes(&mut framer, &["张三\r".as_bytes(), b"\xD5\xC5\xC8\xFD\r"]);
        assert_eq!(found, ["张三", "张三"]);
        let mut framer = Framer::new(Framing { encoding: Encoding::Utf8, ..framing("\r") });
        assert_eq!(codes(&mut framer, &[b"a\xD5\r"]), ["a\u{FFFD}"]);
    }

    #[test]
    fn a_code_over_the_limit_is_thrown_away_whole_and_the_next_one_is_kept() {
        let mut framer = Framer::new(framing("\r\n"));
        for _ in 0..3 {
            framer.push(&[b'9'; MAX_CODE]);
            assert_eq!(framer.next_code(), None);
        }
        framer.push(b"\r");
        assert_eq!(framer.next_code(), None);
        framer.push(b"\nnext\r\n");
        assert_eq!(framer.next_code(), Some(Found::TooLong));
        assert_eq!(framer.next_code(), Some(Found::Code(Code("next".to_owned()))));
    }

    #[test]
    fn the_longest_code_allowed_is_kept() {
        let mut framer = Framer::new(framing("\r"));
        framer.push(&[b'9'; MAX_CODE]);
        assert_eq!(framer.next_code(), None);
        framer.push(b"\r");
        assert!(
            matches!(framer.next_code(), Some(Found::Code(Code(code))) if code.len() == MAX_CODE)
        );
    }

    #[test]
    fn a_module_acknowledges_before_the_code_in_any_chunking() {
        let stream = b"\x02\x00\x00\x01\x00\x33\x31QR-1\r\x02\x00\x00\x01\x00\x33\x31QR-2\r";
        for size in 1..stream.len() {
            let mut framer = Framer::new(Framing { trigger: Some(Trigger::Gm65), ..framing("\r") });
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            assert_eq!(codes(&mut framer, &chunks), ["QR-1", "QR-2"], "chunks of {size}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunking_are_bounded_and_the_next_code_is_found(
            stream in proptest::collection::vec(any::<u8>(), 0..20_000),
            size in 1usize..4096,
        ) {
            let mut framer = Framer::new(framing("\r"));
            for chunk in stream.chunks(size) {
                framer.push(chunk);
                while framer.next_code().is_some() {}
                prop_assert!(framer.buffer.len() <= MAX_CODE + size);
            }
            framer.push(b"\rgood\r");
            let mut last = None;
            while let Some(found) = framer.next_code() {
                last = Some(found);
            }
            prop_assert_eq!(last, Some(Found::Code(Code("good".to_owned()))));
        }
    }
}
