//! SSIP, the protocol of speech-dispatcher: replies, events and texts, without lines and clocks.
//!
//! After its manual ("SSIP Documentation", and the server's `msg.h` for the codes) and what version
//! 0.11.4 was seen to do:
//!
//! ```text
//! 225-7                        a line that is continued: a value
//! 225 OK MESSAGE QUEUED        the last line of a reply
//! 701-7                        an event: the message,
//! 701-1                        the client,
//! 701 BEGIN                    and what has become of it
//! ```
//!
//! The manual says that no event comes between a command and its reply. They do: the 703 of messages
//! that wait comes before the reply to `CANCEL SELF`. So an event is taken wherever a line begins, in
//! the middle of a reply too.

use std::collections::VecDeque;

/// The longest line that is taken: the longest name of a voice has some 60 bytes.
const LONGEST_LINE: usize = 4096;

/// Lines of one reply. Those that are asked for here have two.
const MOST_LINES: usize = 1024;

/// The codes of events.
const EVENTS: std::ops::Range<u16> = 700..800;

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its code: 2xx well done, 3xx the server's mistake, 4xx and 5xx the client's.
    pub code: u16,
    /// The values in the lines before the last.
    pub values: Vec<String>,
    /// The words of the last line.
    pub words: String,
}

impl Reply {
    /// Whether the server has done what it was told.
    #[must_use]
    pub fn is_well(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It can be heard (701).
    Begun,
    /// It was said to its end (702).
    Ended,
    /// It was cut off, or thrown away before it had begun (703).
    Canceled,
    /// Something else: a mark, a pause.
    Other,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Of which message.
    pub message: String,
    /// What has become of it.
    pub fate: Fate,
}

/// What the server has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The answer to a command.
    Reply(Reply),
    /// By itself.
    Event(Event),
}

/// What no SSIP server says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not speak SSIP")]
pub struct NoSsip;

/// Puts together what a server says, wherever it was cut.
#[derive(Default)]
pub struct Parser {
    bytes: VecDeque<u8>,
    /// Bytes of these that hold no end of a line.
    searched: usize,
    reply: Vec<String>,
    event: Vec<String>,
}

impl Parser {
    /// More bytes from the server.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// What comes next, once it is whole.
    ///
    /// # Errors
    /// [`NoSsip`]; the line is of no use any more.
    pub fn next_heard(&mut self) -> Result<Option<Heard>, NoSsip> {
        while let Some(line) = self.line()? {
            let (code, rest) = line.split_at_checked(3).ok_or(NoSsip)?;
            let is_code = code.bytes().all(|byte| byte.is_ascii_digit());
            let code: u16 = code.parse().ok().filter(|_| is_code).ok_or(NoSsip)?;
            let is_event = EVENTS.contains(&code);
            let values = if is_event { &mut self.event } else { &mut self.reply };
            if let Some(value) = rest.strip_prefix('-') {
                if values.len() >= MOST_LINES {
                    return Err(NoSsip);
                }
                values.push(value.to_owned());
                continue;
            }
            let words = rest.strip_prefix(' ').ok_or(NoSsip)?.to_owned();
            let values = std::mem::take(values);
            if !is_event {
                return Ok(Some(Heard::Reply(Reply { code, values, words })));
            }
            let fate = match code {
                701 => Fate::Begun,
                702 => Fate::Ended,
                703 => Fate::Canceled,
                _ => Fate::Other,
            };
            let message = values.into_iter().next().unwrap_or_default();
            return Ok(Some(Heard::Event(Event { message, fate })));
        }
        Ok(None)
    }

    fn line(&mut self) -> Result<Option<String>, NoSsip> {
        let end = self.bytes.iter().skip(self.searched).position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| self.searched + end) else {
            self.searched = self.bytes.len();
            return if self.bytes.len() > LONGEST_LINE { Err(NoSsip) } else { Ok(None) };
        };
        self.searched = 0;
        let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
        line.pop();
        line.pop_if(|byte| *byte == b'\r');
        // Names of voices may be in any language.
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }
}

/// A command as it stands on the line.
#[must_use]
pub fn command(words: &str) -> Vec<u8> {
    format!("{words}\r\n").into_bytes()
}

/// A text as it stands on the line after `SPEAK`: lines that begin with a point have another in front
/// of it, and a point alone is the end.
#[must_use]
pub fn message(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 8);
    for line in text.split('\n') {
        if line.starts_with('.') {
            bytes.push(b'.');
        }
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(END);
    bytes
}

/// What ends a text.
const END: &[u8] = b".\r\n";

/// How many of these bytes, which come after `SPEAK`, are a whole text, with its end.
#[must_use]
pub fn message_length(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(END) {
        return Some(END.len());
    }
    let end = bytes.windows(5).position(|window| window == b"\r\n.\r\n")?;
    Some(end + 5)
}

/// The text of a whole message; `None` if it is no UTF-8.
#[must_use]
pub fn text_of(message: &[u8]) -> Option<String> {
    let lines = message.strip_suffix(END)?;
    let lines = lines.strip_suffix(b"\r\n").unwrap_or(lines);
    let lines = std::str::from_utf8(lines).ok()?.split("\r\n");
    let stuffed = |line: &'_ str| line.strip_prefix('.').unwrap_or(line).to_owned();
    Some(lines.map(stuffed).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::speech::text::spoken;

    fn heard(said: &str, cut: usize) -> Vec<Heard> {
        let mut parser = Parser::default();
        let mut heard = Vec::new();
        for piece in said.as_bytes().chunks(cut) {
            parser.push(piece);
            while let Some(one) = parser.next_heard().unwrap() {
                heard.push(one);
            }
        }
        heard
    }

    fn reply(code: u16, values: &[&str], words: &str) -> Heard {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Heard::Reply(Reply { code, values, words: words.to_owned() })
    }

    fn event(message: &str, fate: Fate) -> Heard {
        Heard::Event(Event { message: message.to_owned(), fate })
    }

    #[test]
    fn events_stand_wherever_a_line_begins() {
        // As 0.11.4 said it, and worse: in the middle of a reply, and of each other.
        let said = "703-4\r\n703-1\r\n703 CANCELED\r\n213 OK CANCELED\r\n\
                    225-5\r\n701-5\r\n701-1\r\n701 BEGIN\r\n225 OK MESSAGE QUEUED\r\n\
                    700-5\r\n700-1\r\n700-mark\r\n700 INDEX MARK\r\n702-5\n702-1\n702 END\n";
        for cut in [1, 2, 7, said.len()] {
            assert_eq!(
                heard(said, cut),
                [
                    event("4", Fate::Canceled),
                    reply(213, &[], "OK CANCELED"),
                    event("5", Fate::Begun),
                    reply(225, &["5"], "OK MESSAGE QUEUED"),
                    event("5", Fate::Other),
                    event("5", Fate::Ended),
                ]
            );
        }
    }

    #[test]
    fn what_is_no_ssip_is_found_out() {
        for said in ["HTTP/1.1 400 Bad Request\r\n", "22\r\n", "225\r\n", "+22 x\r\n", "225x\r\n"] {
            let mut parser = Parser::default();
            parser.push(said.as_bytes());
            assert_eq!(parser.next_heard(), Err(NoSsip), "{said}");
        }
        let mut parser = Parser::default();
        parser.push(&[b'2'; LONGEST_LINE + 1]);
        assert_eq!(parser.next_heard(), Err(NoSsip));
        let mut parser = Parser::default();
        parser.push("249-voice\r\n".repeat(MOST_LINES + 1).as_bytes());
        assert_eq!(parser.next_heard(), Err(NoSsip));
    }

    #[test]
    fn points_do_not_end_a_text() {
        for (text, bytes) in [
            ("您好", "您好\r\n.\r\n"),
            ("", "\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("..a\n.\nb.", "...a\r\n..\r\nb.\r\n.\r\n"),
        ] {
            assert_eq!(message(text), bytes.as_bytes(), "{text}");
        }
        assert_eq!(message_length(b".\r\nSPEAK\r\n"), Some(3));
        assert_eq!(message_length(b"a\r\n."), None);
    }

    proptest! {
        #[test]
        fn a_text_comes_out_of_its_frame_as_it_went_in(
            text in prop::collection::vec(prop::sample::select(vec!['.', '\n', 'a', '好', '\0', '😀']), 0..40)
        ) {
            let text = spoken(&String::from_iter(text));
            let mut line = message(&text);
            line.extend_from_slice(b"CANCEL SELF\r\n");
            let length = message_length(&line).unwrap();
            prop_assert_eq!(&line[length..], b"CANCEL SELF\r\n");
            prop_assert_eq!(text_of(&line[..length]).unwrap(), text);
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut parser = Parser::default();
            parser.push(&bytes);
            while let Ok(Some(_)) = parser.next_heard() {}
        }
    }
}
