//! Bytes of which some may be missing: what a line holds back that takes them out of something else, of
//! records or packets. Its reader is told where something is missing, and goes on behind it.
//!
//! Called by such lines, which keep one each; nothing in here waits.

use std::collections::VecDeque;
use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;

/// What reading fails with, once, where something is missing. The line goes on behind it.
pub(crate) const MISSING: io::ErrorKind = io::ErrorKind::Interrupted;

/// Bytes that wait to be read, and where some are missing.
#[derive(Default)]
pub(crate) struct Lossy {
    bytes: BytesMut,
    /// How many of the bytes stand before each place where some are missing.
    missing: VecDeque<usize>,
}

impl Lossy {
    /// Adds bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Something is missing behind what has been added so far.
    pub(crate) fn lose(&mut self) {
        // Said once, however much is missing in one place.
        if self.missing.back() != Some(&self.bytes.len()) {
            self.missing.push_back(self.bytes.len());
        }
    }

    /// Whether there is nothing to be read or told.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.missing.is_empty()
    }

    /// Forgets all of it.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.missing.clear();
    }

    /// Gives what is there, up to where something is missing.
    ///
    /// # Errors
    /// [`MISSING`], where that is the next to be told.
    pub(crate) fn read(&mut self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let whole = self.missing.front().copied().unwrap_or(self.bytes.len());
        if whole == 0 && self.missing.pop_front().is_some() {
            return Err(MISSING.into());
        }
        let length = whole.min(buf.remaining());
        buf.put_slice(self.bytes.get(..length).unwrap_or_default());
        self.bytes.advance(length);
        for place in &mut self.missing {
            *place -= length;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_where_it_is_missing_and_once() {
        let mut lossy = Lossy::default();
        lossy.push(b"abc");
        lossy.lose();
        lossy.lose();
        lossy.push(b"de");
        lossy.lose();
        let mut told = Vec::new();
        while !lossy.is_empty() {
            let mut piece = [0; 2];
            let mut buf = ReadBuf::new(&mut piece);
            told.push(lossy.read(&mut buf).map(|()| buf.filled().to_vec()).map_err(|e| e.kind()));
        }
        let bytes = |bytes: &[u8]| Ok(bytes.to_vec());
        let expected = [bytes(b"ab"), bytes(b"c"), Err(MISSING), bytes(b"de"), Err(MISSING)];
        assert_eq!(told, expected);
    }
}
