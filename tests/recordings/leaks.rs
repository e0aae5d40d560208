//! What stands on the virtual chip cards, was said, or was typed, in every way in which a recording
//! could hold it: as text, as the bytes that pass between card and driver, in hex and in base64.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use encoding_rs::GB18030;
use hharome_hardware::virtual_card::VirtualCard;
use hharome_hardware::virtual_card::cpu::{ATS, TransportCard, UID};
use hharome_hardware::virtual_card::psam::{Psam, TERMINAL_NUMBER};
use hharome_hardware::virtual_card::social_security::{Contents, Generation, SocialSecurityChip};

/// Characters of base64, so many and more, do not occur by chance.
const TELLING: usize = 8;

/// The ports whose recordings are looked at: of chip cards, and of devices that hear, show or are typed on.
/// What ID-card readers and scanners say is found by `hharome recording lint`.
const PORTS: [&str; 8] = [
    "cpu_card",
    "psam_1",
    "psam_2",
    "social_security_card",
    "microphone",
    "infrared",
    "input",
    "second_screen",
];

/// All that no recording may hold.
pub(crate) struct Secrets(Vec<Secret>);

/// Something that no recording may hold.
pub(crate) struct Secret {
    /// Whose it is, and what.
    pub(crate) what: String,
    raw: Vec<Vec<u8>>,
    hex: Vec<String>,
}

/// All that is in a recording's folder.
#[derive(Default)]
pub(crate) struct Content {
    raw: Vec<u8>,
    /// The same without blanks, in capitals, and behind it what cards answered in several pieces.
    hex: String,
}

impl Secrets {
    /// What is on the virtual cards, and these texts and data in hex.
    pub(crate) fn with((texts, data): (Vec<&str>, Vec<&str>)) -> Self {
        let generations = [Generation::First, Generation::Second, Generation::Third];
        let mut all: Vec<_> = generations.into_iter().flat_map(of_social_security).collect();
        all.extend(of_others());
        all.extend(texts.into_iter().map(Secret::text));
        all.extend(data.into_iter().map(Secret::hex));
        Self(all)
    }

    /// What a recording tells of them; `None` if none of those devices is in it.
    pub(crate) fn told_by(&self, folder: &Path) -> Option<Vec<&str>> {
        let has = |port: &&str| folder.join(format!("port-{port}.jsonl")).exists();
        PORTS.iter().find(|port| has(port))?;
        let content = Content::of(folder);
        let told = self.0.iter().filter(|secret| secret.is_in(&content));
        Some(told.map(|secret| secret.what.as_str()).collect())
    }
}

/// What is on the social-security card of this generation, and can be read of it.
pub(crate) fn of_social_security(generation: Generation) -> Vec<Secret> {
    let contents = Contents::of(generation);
    let chip = SocialSecurityChip::new(&contents).expect("it fits");
    let mut secrets = vec![historical(&format!("{generation:?}"), &chip)];
    for text in [contents.name, contents.id_number, contents.card_number] {
        secrets.push(Secret::text(&text));
    }
    secrets
}

/// What is on a CPU card and a PSAM.
pub(crate) fn of_others() -> Vec<Secret> {
    let mut card = TransportCard::new();
    card.power(true);
    card.answer(b"\x00\xA4\x04\x00\x08\xA0\x00\x00\x06\x32\x01\x01\x05");
    let public = card.answer(b"\x00\xB0\x95\x00\x1E");
    vec![
        Secret::bytes("the transport card's ATS", &ATS[5..]),
        Secret::bytes("the transport card's UID", &UID),
        Secret::bytes("the transport card's public file", &public[..20]),
        historical("the PSAM", &Psam::new()),
        Secret::bytes("the PSAM's terminal number", &TERMINAL_NUMBER),
    ]
}

fn historical(whose: &str, card: &dyn VirtualCard) -> Secret {
    // All virtual contact cards have such historical bytes.
    let atr = card.atr();
    let at = atr.windows(7).position(|window| window == b"HHAROME").expect("they begin so");
    Secret::bytes(&format!("{whose}: historical bytes"), &atr[at..at + 12])
}

impl Secret {
    /// A name or a number.
    pub(crate) fn text(text: &str) -> Self {
        let mut secret = Self { what: text.to_owned(), raw: Vec::new(), hex: Vec::new() };
        let utf16 = || text.encode_utf16();
        secret.add(text.as_bytes());
        secret.add(&GB18030.encode(text).0);
        secret.add(&utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
        let small: String = utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let capital: String = utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        secret.raw.extend([small.into_bytes(), capital.into_bytes()]);
        // Packed BCD is the number's own hex.
        if text.len() > 6 && text.bytes().all(|digit| digit.is_ascii_digit()) {
            secret.hex.push(text.to_owned());
        }
        secret
    }

    /// Bytes, given in hex.
    pub(crate) fn hex(hex: &str) -> Self {
        let digit =
            |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
        let bytes: Option<Vec<_>> = (0..hex.len()).step_by(2).map(digit).collect();
        Self::bytes(hex, &bytes.expect("hex"))
    }

    /// Bytes of a card.
    pub(crate) fn bytes(what: &str, bytes: &[u8]) -> Self {
        let mut secret = Self { what: what.to_owned(), raw: Vec::new(), hex: Vec::new() };
        secret.add(bytes);
        secret
    }

    /// The bytes themselves, their hex, and their base64 wherever they stand in it.
    fn add(&mut self, bytes: &[u8]) {
        self.raw.push(bytes.to_vec());
        self.hex.push(bytes.iter().map(|byte| format!("{byte:02X}")).collect());
        for before in 0..3 {
            let text = STANDARD_NO_PAD.encode([&vec![0; before][..], bytes].concat());
            // Characters that hold bits of a neighbour are left out.
            let core = text.get([0, 2, 3][before]..text.len() - 1).unwrap_or_default();
            if core.len() >= TELLING {
                self.raw.push(core.as_bytes().to_vec());
            }
        }
    }

    /// Whether it is in there, in any way.
    pub(crate) fn is_in(&self, content: &Content) -> bool {
        let raw = |needle: &Vec<u8>| content.raw.windows(needle.len()).any(|part| part == needle);
        self.hex.iter().any(|hex| content.hex.contains(hex)) || self.raw.iter().any(raw)
    }
}

impl Content {
    /// Of a recording.
    pub(crate) fn of(folder: &Path) -> Self {
        let mut content = Self::default();
        content.add(folder);
        content
    }

    /// Of one file's text.
    pub(crate) fn add_text(&mut self, text: &[u8]) {
        self.raw.extend_from_slice(text);
        let text = String::from_utf8_lossy(text).to_uppercase();
        self.hex.extend(text.chars().filter(|c| !c.is_whitespace()));
        for line in text.lines() {
            let answer = line.split_once("\"IN\":\"").map(|(_, answer)| answer);
            let answer = answer.and_then(|answer| answer.strip_suffix("\"}"));
            // Without the status word.
            let data = answer.and_then(|answer| answer.get(..answer.len().saturating_sub(4)));
            self.hex.push_str(data.unwrap_or_default());
        }
    }

    fn add(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).expect("a recording") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                self.add(&path);
            } else {
                self.add_text(&fs::read(path).expect("a file"));
            }
        }
    }
}
