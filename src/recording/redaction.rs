//! Which redactor stands before which part of a recording.

use std::collections::BTreeMap;
use std::time::Duration;

use hharome_hardware::card::redact::ToldAts;
use hharome_hardware::code::framing::Framing;
use hharome_hardware::code::hid_pos::ScanCarrier;
use hharome_hardware::code::keyboard::redact::KeyRedactor;
use hharome_hardware::code::redact::CodeRedactor;
use hharome_hardware::cpu_card::redact::CpuCardRedactor;
use hharome_hardware::id_card::redact::CardRedactor;
use hharome_hardware::id_card::usb::{Carriage, SamCarrier};
use hharome_hardware::infrared::Language;
use hharome_hardware::infrared::redact::SensorRedactor;
use hharome_hardware::input::redact::InputRedactor;
use hharome_hardware::microphone::redact::SoundRedactor;
use hharome_hardware::port::tape::PortEvent;
use hharome_hardware::pseudonym::Pseudonyms;
use hharome_hardware::receipt::redact::ReceiptRedactor;
use hharome_hardware::redact::packets::PacketRedactor;
use hharome_hardware::redact::{At, Redact};
use hharome_hardware::screen::redact::ScreenRedactor;
use hharome_hardware::social_security::redact::SocialSecurityRedactor;
use hharome_hardware::speech::redact::SpeechRedactor;

use super::recorder::{ClientEvent, PhotoEvent};
use super::redact::FrameRedactor;
use crate::face::redact::FaceRedactor;

/// When something happened.
#[derive(Clone, Copy)]
pub(super) struct When {
    pub(super) micros: i64,
    pub(super) before: bool,
}

/// What stands between what happened and the disk.
pub struct Redaction(Option<Redactors>);

struct Redactors {
    pseudonyms: Pseudonyms,
    ats: ToldAts,
    frames: FrameRedactor,
    kinds: Kinds,
    ports: BTreeMap<&'static str, Port>,
}

/// What the ports speak of devices that have several drivers.
#[derive(Clone)]
pub struct Kinds {
    /// How codes are cut out of what the scanner says.
    pub framing: Framing,
    /// The gap that ends a code where there is no suffix.
    pub idle: Duration,
    /// The scanner types.
    pub scanner_types: bool,
    /// The buzzer is an input device.
    pub buzzer_is_input: bool,
    /// The language of the presence sensor.
    pub sensor: Language,
    /// How the ID-card reader's frames are carried, of one on USB.
    pub id_card: Option<Carriage>,
    /// How the scanner's codes are carried, of one on USB.
    pub qr_scanner: Option<ScanCarrier>,
}

/// The redactor of one port.
struct Port {
    redactor: Box<dyn Redact>,
    /// It is still at what was before the recording.
    before: bool,
}

impl Redaction {
    /// Nothing: what happened is written down as it was.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Everything that is a person's is replaced. `token` is the one that clients have to show.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms, kinds: Kinds, token: Option<&str>) -> Self {
        let ats = ToldAts::default();
        let frames = FrameRedactor::new(pseudonyms.clone(), ats.clone(), token);
        Self(Some(Redactors { pseudonyms, ats, frames, kinds, ports: BTreeMap::new() }))
    }

    /// An event of a port; those that can be let go. What was before the recording is not put
    /// together with what follows.
    pub(super) fn port(
        &mut self,
        device: &'static str,
        micros: i64,
        before: bool,
        event: PortEvent,
    ) -> Vec<(When, PortEvent)> {
        let Some(redactors) = &mut self.0 else {
            return vec![(When { micros, before }, event)];
        };
        let mut let_go = Vec::new();
        let mut description = None;
        if let Some(port) = redactors.ports.get_mut(device).filter(|port| port.before && !before) {
            let_go.extend(port.finish());
            description = port.redactor.description();
            redactors.ports.remove(device);
        }
        if !redactors.ports.contains_key(device) {
            let mut port = Port { redactor: redactors.redactor(device), before };
            if let Some(event) = description {
                // It stands in the recording already.
                port.redactor.push(At { micros, event }, &mut Vec::new());
            }
            redactors.ports.insert(device, port);
        }
        if let Some(port) = redactors.ports.get_mut(device) {
            let mut out = Vec::new();
            port.redactor.push(At { micros, event }, &mut out);
            let_go.extend(out.into_iter().map(|at| port.let_go(at)));
        }
        let_go
    }

    /// What was held back.
    pub(super) fn finish(&mut self) -> Vec<(&'static str, When, PortEvent)> {
        let ports = self.0.iter_mut().flat_map(|redactors| &mut redactors.ports);
        let held = |(device, port): (&&'static str, &mut Port)| -> Vec<_> {
            port.finish().into_iter().map(|(when, event)| (*device, when, event)).collect()
        };
        ports.flat_map(held).collect()
    }

    /// A photo.
    pub(super) fn photo(&self, photo: PhotoEvent) -> PhotoEvent {
        let Some(Redactors { pseudonyms, .. }) = &self.0 else { return photo };
        PhotoEvent {
            wlt: pseudonyms.wlt(&photo.wlt),
            took: photo.took,
            answer: photo.answer.map(|jpeg| pseudonyms.jpeg(&jpeg)),
        }
    }

    /// An event of a client; `None` for what is not to be recorded.
    pub(super) fn client(&self, event: ClientEvent) -> Option<ClientEvent> {
        let Some(Redactors { frames, .. }) = &self.0 else {
            let left_out = match &event {
                ClientEvent::In(frame) => FrameRedactor::works_the_recorder(frame),
                ClientEvent::Out(frame) => FrameRedactor::is_left_out(frame),
                _ => false,
            };
            return (!left_out).then_some(event);
        };
        Some(match event {
            ClientEvent::In(frame) => ClientEvent::In(frames.from_client(&frame)?.into()),
            ClientEvent::Out(frame) => ClientEvent::Out(frames.to_client(&frame)?.into()),
            other => other,
        })
    }
}

impl Redactors {
    fn redactor(&self, device: &str) -> Box<dyn Redact> {
        let pseudonyms = self.pseudonyms.clone();
        match device {
            "qr_scanner" => {
                let Kinds { framing, idle, scanner_types, qr_scanner, .. } = self.kinds.clone();
                if scanner_types {
                    return Box::new(KeyRedactor::new(pseudonyms, framing, idle));
                }
                let codes = CodeRedactor::new(pseudonyms.clone(), framing, idle);
                match qr_scanner {
                    Some(carrier) => Box::new(PacketRedactor::new(pseudonyms, carrier, codes)),
                    None => Box::new(codes),
                }
            }
            "id_card" if let Some(carriage) = self.kinds.id_card => {
                let cards = CardRedactor::new(pseudonyms.clone());
                Box::new(PacketRedactor::new(pseudonyms, SamCarrier::new(carriage), cards))
            }
            "input" => Box::new(InputRedactor::default()),
            "buzzer" if self.kinds.buzzer_is_input => Box::new(InputRedactor::default()),
            "cpu_card" | "psam_1" | "psam_2" | "buzzer" => {
                Box::new(CpuCardRedactor::new(pseudonyms, self.ats.clone()))
            }
            "face" => Box::new(FaceRedactor::new(self.frames.clone())),
            "shell" => Box::new(Nobodys),
            "microphone" => Box::<SoundRedactor>::default(),
            "infrared" => Box::new(SensorRedactor::new(self.kinds.sensor)),
            "printer" => Box::new(ReceiptRedactor::new(pseudonyms)),
            "second_screen" => Box::new(ScreenRedactor::new(pseudonyms)),
            "speech" => Box::new(SpeechRedactor::new(pseudonyms)),
            "social_security_card" => Box::new(SocialSecurityRedactor::new(pseudonyms)),
            // What a reader of ID cards says is the strictest reading of any bytes: all that is no
            // frame of its is filler.
            _ => Box::new(CardRedactor::new(pseudonyms)),
        }
    }
}

/// Of a line on which nothing of a person is said: steps of ours, and how programs ended.
struct Nobodys;

impl Redact for Nobodys {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        out.push(event);
    }

    fn finish(&mut self, _: &mut Vec<At>) {}

    fn held(&self) -> usize {
        0
    }
}

impl Port {
    fn finish(&mut self) -> Vec<(When, PortEvent)> {
        let mut out = Vec::new();
        self.redactor.finish(&mut out);
        out.into_iter().map(|at| self.let_go(at)).collect()
    }

    fn let_go(&self, at: At) -> (When, PortEvent) {
        (When { micros: at.micros, before: self.before }, at.event)
    }
}

#[cfg(test)]
mod tests {
    use hharome_hardware::id_card::frame;
    use hharome_hardware::id_card::people::Card;
    use hharome_hardware::port::card::tape::CardEvent;
    use hharome_hardware::port::card::{Powered, Protocol};

    use super::*;

    fn redaction() -> Redaction {
        let framing = Framing {
            suffix: b"\r".to_vec(),
            prefix: Vec::new(),
            encoding: hharome_hardware::code::framing::Encoding::Auto,
            trigger: None,
        };
        let pseudonyms = Pseudonyms::with_key([7; 32]);
        let kinds = Kinds {
            framing,
            idle: Duration::from_millis(100),
            scanner_types: false,
            buzzer_is_input: false,
            sensor: Language::Ld2410,
            id_card: None,
            qr_scanner: None,
        };
        Redaction::new(pseudonyms, kinds, None)
    }

    /// What a module says that was in the middle of a card when its line was opened.
    fn late_card() -> (Card, Vec<u8>) {
        let card = Card::zhang_san();
        let mut data = vec![1, 0, 4, 0];
        data.extend(card.text.encode().unwrap());
        data.extend(card.photo);
        (card, frame::reply(0x90, &data))
    }

    #[test]
    fn every_card_port_has_a_redactor_that_knows_cards() {
        let atr = b"\x3B\x0A1101051949".to_vec();
        let connected = |atr| CardEvent::Connected(Powered { atr, protocol: Protocol::T0 });
        for device in ["cpu_card", "psam_1", "psam_2", "social_security_card", "buzzer"] {
            let event = PortEvent::Card(connected(atr.clone()));
            let out = redaction().port(device, 0, false, event);
            let [(_, PortEvent::Card(CardEvent::Connected(powered)))] = &out[..] else {
                panic!("{device}: {} events", out.len());
            };
            let replaced = powered.atr[..2] == atr[..2] && powered.atr[2..] != atr[2..];
            assert!(replaced, "{device}");
        }
    }

    #[test]
    fn what_describes_a_device_before_the_recording_is_known_behind_its_beginning() {
        use hharome_hardware::code::hid_pos::far::Shape;
        use hharome_hardware::port::packets::{DESCRIPTION, packet};

        let redactors = |redaction: Redaction| redaction.0.unwrap();
        let kinds =
            Kinds { qr_scanner: Some(ScanCarrier::new(b"")), ..redactors(redaction()).kinds };
        let mut redaction = Redaction::new(Pseudonyms::with_key([7; 32]), kinds, None);
        let says = |bytes: Vec<u8>| PortEvent::In(bytes.into());
        let shape = Shape::Counted;
        let described = says(packet(DESCRIPTION, shape.descriptor()));
        let mut out = redaction.port("qr_scanner", 0, true, described.clone());
        for report in shape.reports(b"6901234567892", true) {
            out.extend(redaction.port("qr_scanner", 9, false, says(packet(1, &report))));
        }
        out.extend(redaction.finish().into_iter().map(|(_, when, event)| (when, event)));
        let [(first, before), (second, PortEvent::In(code))] = &out[..] else {
            panic!("{} events", out.len());
        };
        assert!(first.before && !second.before && *before == described);
        // The report's number and length, and what the code is about, stay; the code does not.
        assert_eq!(code.get(..10).unwrap(), b"\x01\0\0\0\x40\x02\x0D]Q1");
        assert_ne!(code.get(10..23).unwrap(), b"6901234567892");
    }

    #[test]
    fn what_was_said_before_the_recording_is_redacted_as_well() {
        let (card, bytes) = late_card();
        let name: Vec<u8> = card.text.name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let holds = |bytes: &[u8]| bytes.windows(name.len()).any(|window| window == name);
        assert!(holds(&bytes));
        for cut in [bytes.len(), 600] {
            let mut redaction = redaction();
            let said = PortEvent::In(bytes[..cut].to_vec().into());
            let mut out = redaction.port("id_card", 0, true, said);
            out.extend(redaction.port("id_card", 9, false, PortEvent::Baud(9600)));
            out.extend(redaction.finish().into_iter().map(|(_, when, event)| (when, event)));
            let [(first, PortEvent::In(said)), (second, PortEvent::Baud(9600))] = &out[..] else {
                panic!("{} events", out.len());
            };
            assert!((first.before, second.before) == (true, false));
            assert_eq!(said.len(), cut);
            assert!(!holds(said), "cut at {cut}");
        }
    }
}
