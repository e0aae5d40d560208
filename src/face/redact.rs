//! What is a person's in a face engine's requests and answers, replaced in the packets of its line.
//!
//! The JSON goes through the same table as the clients' frames, so that a name, a number or a token is
//! replaced by the same as there. What is no JSON is a text like any other; what is no packet becomes
//! filler. The recorder pushes every event; all come out again, in order; it ends with `finish`.

use hharome_hardware::port::packets::{HEADER, MOST_DATA, Packet, packet};
use hharome_hardware::port::tape::PortEvent;
use hharome_hardware::redact::{At, Held, Redact};

use super::wire;
use crate::recording::redact::FrameRedactor;

/// What fills bytes that nobody understands.
const FILLER: u8 = b'x';

/// Replaces what is a person's in the events of an engine's line.
pub struct FaceRedactor {
    told: Side,
    said: Side,
}

/// One direction of the line.
struct Side {
    frames: FrameRedactor,
    held: Held,
    /// It is what the driver tells.
    told: bool,
    /// A length that no packet has was said: nothing is understood any more on this line.
    lost: bool,
}

impl FaceRedactor {
    /// A redactor at the beginning of a line's events, by the same replacements as `frames`.
    #[must_use]
    pub fn new(frames: FrameRedactor) -> Self {
        let said = Side { frames: frames.clone(), held: Held::default(), told: false, lost: false };
        let told = Side { frames, held: Held::outgoing(), told: true, lost: false };
        Self { told, said }
    }
}

impl Redact for FaceRedactor {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        let mut passed = Vec::new();
        self.told.push(event, &mut passed);
        for event in passed {
            self.said.push(event, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        let mut passed = Vec::new();
        self.told.give_up(&mut passed);
        for event in passed {
            self.said.push(event, out);
        }
        self.said.give_up(out);
    }

    fn held(&self) -> usize {
        self.told.held.len() + self.said.held.len()
    }
}

impl Side {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        let begins_anew = matches!(
            event.event,
            PortEvent::Opened { .. } | PortEvent::NotOpened(_) | PortEvent::Closed
        );
        if begins_anew {
            self.give_up(out);
            self.lost = false;
        }
        self.held.push(event);
        // It waits only behind chunks that wait.
        self.held.decide(&[], out);
        self.packets(out);
    }

    /// Lets go what is whole.
    fn packets(&mut self, out: &mut Vec<At>) {
        loop {
            let bytes = self.held.undecided();
            if self.lost {
                return self.give_up(out);
            }
            let Some((&[kind, a, b, c, d], rest)) = bytes.split_first_chunk::<HEADER>() else {
                return;
            };
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            self.lost = length > MOST_DATA;
            if self.lost {
                continue;
            }
            let Some(data) = rest.get(..length) else { return };
            let data = self.data(&Packet { kind, data: data.to_vec().into() });
            self.held.decide(&packet(kind, &data), out);
        }
    }

    /// A packet's data, as long as it was.
    fn data(&self, packet: &Packet) -> Vec<u8> {
        let data = &packet.data;
        let Some(head) = wire::head(self.told, packet) else {
            return vec![FILLER; data.len()];
        };
        let (head, rest) = data.split_at(head);
        let rest = match std::str::from_utf8(rest) {
            Ok(words) if wire::is_words(self.told, packet.kind) => words.as_bytes().to_vec(),
            Ok(text) => self.frames.engine(text, self.told),
            Err(_) => vec![FILLER; rest.len()],
        };
        [head, &rest].concat()
    }

    fn give_up(&mut self, out: &mut Vec<At>) {
        let filler = vec![FILLER; self.held.undecided().len()];
        self.held.decide(&filler, out);
    }
}

#[cfg(test)]
mod tests {
    use hharome_hardware::card::redact::ToldAts;
    use hharome_hardware::pseudonym::Pseudonyms;
    use proptest::prelude::*;

    use super::super::wire::{Said, Task, Tell};
    use super::*;

    fn frames() -> FrameRedactor {
        FrameRedactor::new(Pseudonyms::with_key([7; 32]), ToldAts::default(), None)
    }

    /// The line's events, each direction cut into pieces of so many bytes.
    fn events(told: &[u8], said: &[u8], cut: usize) -> Vec<At> {
        let out = told.chunks(cut).map(|bytes| PortEvent::Out(bytes.to_vec().into()));
        let back = said.chunks(cut).map(|bytes| PortEvent::In(bytes.to_vec().into()));
        let events =
            [PortEvent::Opened { baud: 0, modem: None }].into_iter().chain(out).chain(back);
        (0..)
            .zip(events.chain([PortEvent::Closed]))
            .map(|(micros, event)| At { micros, event })
            .collect()
    }

    /// What comes of them: the same events, with other bytes.
    fn redacted(events: &[At]) -> (Vec<u8>, Vec<u8>) {
        let (mut redactor, mut out) = (FaceRedactor::new(frames()), Vec::new());
        for event in events {
            redactor.push(event.clone(), &mut out);
        }
        redactor.finish(&mut out);
        assert_eq!(redactor.held(), 0);
        assert_eq!(out.len(), events.len());
        let (mut told, mut said) = (Vec::new(), Vec::new());
        for (was, is) in events.iter().zip(&out) {
            assert_eq!(was.micros, is.micros);
            match (&was.event, &is.event) {
                (PortEvent::Out(was), PortEvent::Out(is)) => {
                    assert_eq!(was.len(), is.len());
                    told.extend_from_slice(is);
                }
                (PortEvent::In(was), PortEvent::In(is)) => {
                    assert_eq!(was.len(), is.len());
                    said.extend_from_slice(is);
                }
                (was, is) => assert_eq!(was, is),
            }
        }
        (told, said)
    }

    const REQUEST: &str = r#"{"certName":"欧阳慕容","certNo":"11010519491231002X","certPhotoBase64Str":"iVBORw0KGgoAAAAN"}"#;
    const ANSWER: &str = r#"{"success":false,"message":"欧阳慕容请摘下口罩","code":"E69001","uid":"2088612116677214","more":{"name":"欧阳慕容"}}"#;
    const PERSONAL: [&str; 4] = ["欧阳", "11010519491231002X", "口罩", "2088612116677214"];

    fn packets() -> (Vec<u8>, Vec<u8>) {
        let told = Tell::Ask(Task::Verify, REQUEST.into()).packet();
        let said = [
            Said::Ready(r#"{"refused":["5644040309543232"]}"#.into()).packet(),
            Said::Answer(422, ANSWER.into()).packet(),
            Said::Answer(200, "<p>欧阳慕容</p>".into()).packet(),
            Said::Failed("http://127.0.0.1:8600/verify: the connection broke".to_owned()).packet(),
        ];
        (told, said.concat())
    }

    proptest! {
        #[test]
        fn wherever_the_line_is_cut_nothing_of_a_person_stays(cut in 1..400_usize) {
            let (told, said) = packets();
            let whole = redacted(&events(&told, &said, usize::MAX));
            let (told, said) = redacted(&events(&told, &said, cut));
            prop_assert_eq!(&(told.clone(), said.clone()), &whole);
            let text = String::from_utf8_lossy(&[told, said].concat()).into_owned();
            for personal in PERSONAL.into_iter().chain(["5644040309543232"]) {
                prop_assert!(!text.contains(personal), "{}", text);
            }
            for kept in ["verify\n", "certNo", "422\n", "E69001", "the connection broke"] {
                prop_assert!(text.contains(kept), "{} {}", kept, text);
            }
        }

        #[test]
        fn any_bytes_are_understood_or_become_filler(
            told in prop::collection::vec(any::<u8>(), 0..90),
            said in prop::collection::vec(any::<u8>(), 0..90),
            cut in 1..20_usize,
        ) {
            redacted(&events(&told, &said, cut));
        }
    }

    #[test]
    fn an_engine_and_a_client_are_replaced_by_the_same() {
        let (told, said) = packets();
        let (told, said) = redacted(&events(&told, &said, usize::MAX));
        let frame =
            format!(r#"{{"action":"getFaceInfoPersonCard","taskId":"1","params":{REQUEST}}}"#);
        let frame = frames().from_client(frame.as_bytes()).expect("it is recorded");
        let reply = format!(
            r#"{{"action":"getFaceInfoPersonCard","event":"open","taskId":"1","success":false,"message":"欧阳慕容请摘下口罩","data":{{"originFaceInfo":{ANSWER}}}}}"#
        );
        let reply = frames().to_client(reply.as_bytes()).expect("it is recorded");
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).expect("JSON");
        let head = HEADER + "verify\n".len();
        assert_eq!(json(&frame)["params"], json(&told[head..]));
        let ready = HEADER + r#"{"refused":["5644040309543232"]}"#.len();
        let answer = ready + HEADER + "422\n".len();
        let answer = json(&said[answer..answer + ANSWER.len()]);
        assert_eq!(json(&reply)["data"]["originFaceInfo"], answer);
        assert_eq!(json(&reply)["message"], answer["message"]);
    }
}
