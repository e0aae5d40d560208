//! What of SSIP says nothing of a person: the driver's commands, and the server's replies.

/// Whether this line is a command of the driver's: its words stay, and so do the names of modules and
/// voices, which are the configuration's.
pub(super) fn is_command(line: &[u8]) -> bool {
    let Some(line) = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix("\r\n"))
    else {
        return false;
    };
    let Some(set) = line.strip_prefix("SET SELF ") else {
        return ["SPEAK", "CANCEL SELF", "GET OUTPUT_MODULE"].contains(&line);
    };
    let keys = [
        "CLIENT_NAME",
        "NOTIFICATION",
        "OUTPUT_MODULE",
        "LANGUAGE",
        "SYNTHESIS_VOICE",
        "SSML_MODE",
        "PUNCTUATION",
        "SPELLING",
        "CAP_LET_RECOGN",
        "VOLUME",
        "PRIORITY",
        "RATE",
        "PITCH",
    ];
    set.split_once(' ').is_some_and(|(key, _)| keys.contains(&key))
}

pub(super) mod replies {
    //! The server's side, byte by byte: nothing is held back.

    use super::super::FILLER;

    /// Digits in a row from which on they could be somebody's number.
    const TELLING_DIGITS: usize = 7;

    /// Where in a line the last byte was.
    #[derive(Default)]
    pub(in super::super) struct Replies {
        at: usize,
        code: u16,
        /// The line does not begin as one of a server's.
        strange: bool,
        /// It is the last line of a reply.
        last: bool,
        digits: usize,
    }

    impl Replies {
        /// What the server has said, replaced where it says more than a server says; the code of the
        /// last reply that has ended in these bytes. The name of a module stays.
        pub(in super::super) fn replaced(&mut self, bytes: &[u8]) -> (Vec<u8>, Option<u16>) {
            let mut ended = None;
            let replaced = bytes.iter().map(|byte| {
                let kept = self.byte(*byte);
                if *byte == b'\n' {
                    if self.last && !self.strange && !(700..800).contains(&self.code) {
                        ended = Some(self.code);
                    }
                    *self = Self::default();
                }
                kept
            });
            (replaced.collect(), ended)
        }

        fn byte(&mut self, byte: u8) -> u8 {
            self.at += 1;
            self.digits = if byte.is_ascii_digit() { self.digits + 1 } else { 0 };
            match (self.at, byte) {
                (_, b'\r' | b'\n') => return byte,
                (1..=3, b'0'..=b'9') => self.code = self.code * 10 + u16::from(byte - b'0'),
                (4, b' ') => self.last = true,
                (4, b'-') => {}
                (1..=4, _) => self.strange = true,
                _ => {}
            }
            let name = self.code == 251 && (byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            let plain = byte.is_ascii_uppercase() || byte.is_ascii_digit() || b" -".contains(&byte);
            if self.strange || !(name || plain) || self.digits >= TELLING_DIGITS {
                FILLER
            } else {
                byte
            }
        }
    }
}
