//! What the readers' beepers understand: commands, units, answers. Pure; [`super::reader`] sends
//! them.
//!
//! | family | command | unit | answer |
//! |---|---|---|---|
//! | ACR122U | `FF 00 40 P2 04 T1 T2 RR BB`: the buzzer is on during T1 (`BB` bit 0) and T2 (bit 1) of each of `RR` rounds; `P2` 0 leaves the LEDs alone | 100 ms | `90` and the LEDs' state, or `63 00` |
//! | ACS | `E0 00 00 28 01 dd`: on for `dd`; 00 is off | 10 ms | `E1 00 00 00 01` and a status |
//!
//! Sources: ACS, ACR122T Application Programming Interface V2.02, "Bi-color LED and Buzzer Control",
//! and ACR122L Communication Protocol V1.03, 6.15 (both have the ACR122U's command); ACS,
//! ACR1281U-C1 Application Programming Interface V1.08, 5.3.4; ACR1281U User's Manual, chapter 4;
//! ACR1255U-J1 Reference Manual V1.01, 6.6.5; ACR1283L Reference Manual V1.00, 5.4.15.

use std::time::Duration;

/// What stands in a template for the byte that holds the time.
const TIME: &str = "{time}";

/// The longest command of a template, in bytes: a short APDU (ISO/IEC 7816-4, 5.1), which is more
/// than any reader's own command.
const LONGEST: usize = 261;

/// The pieces of readers' names that tell the family. Names in PC/SC are the products' names with
/// interface and numbers behind.
const READERS: [(&str, Family); 7] = [
    ("ACR122U", Family::Acr122u),
    ("ACR122T", Family::Acr122u),
    ("ACR1251", Family::Acs),
    ("ACR1252", Family::Acs),
    ("ACR1255", Family::Acs),
    ("ACR1281", Family::Acs),
    ("ACR1283", Family::Acs),
];

/// Readers that take the same command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The ACR122U and its like.
    Acr122u,
    /// ACR1251, ACR1252, ACR1255, ACR1281, ACR1283.
    Acs,
}

impl Family {
    /// The family of a reader, by its name in PC/SC.
    #[must_use]
    pub fn of_reader(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        READERS.iter().find(|(piece, _)| name.contains(piece)).map(|(_, family)| *family)
    }

    /// What such a reader understands.
    #[must_use]
    pub fn commands(self) -> CommandSet {
        match self {
            Self::Acr122u => CommandSet {
                name: "acr122u",
                // T1 is the time; no T2; one round; the buzzer during T1.
                command: Template::new(&[0xFF, 0x00, 0x40, 0x00, 0x04], &[0x00, 0x01, 0x01]),
                unit_ms: 100,
                // The byte could hold 25.5 s. But this reader answers when it has sounded, and
                // libccid waits 3 s for an answer (DEFAULT_COM_READ_TIMEOUT).
                most: 25,
            },
            Self::Acs => CommandSet {
                name: "acs",
                command: Template::new(&[0xE0, 0x00, 0x00, 0x28, 0x01], &[]),
                unit_ms: 10,
                // FF is no time for all of them: ACR1281U and ACR1283L then sound until told to
                // stop.
                most: 0xFE,
            },
        }
    }
}

/// The commands of one beeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSet {
    name: &'static str,
    command: Template,
    unit_ms: u32,
    most: u8,
}

impl CommandSet {
    /// A command of the operator's: each unit of its time byte is `unit_ms` long, and one command
    /// sounds for at most `most` of them. Zeros count as 1.
    #[must_use]
    pub fn new(command: Template, unit_ms: u32, most: u8) -> Self {
        Self { name: "command", command, unit_ms: unit_ms.max(1), most: most.max(1) }
    }

    /// `acr122u`, `acs`, or `command` for the operator's own.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The unit of the beeper's time, in milliseconds.
    #[must_use]
    pub fn unit_ms(&self) -> u32 {
        self.unit_ms
    }

    /// The commands for a beep of `ms` milliseconds, each with the time for which it sounds: one
    /// after the other they sound as one. The length is rounded to the nearest unit, a half up, and
    /// is one unit at least.
    pub(super) fn pieces(&self, ms: u32) -> impl Iterator<Item = (Vec<u8>, Duration)> {
        let unit = u64::from(self.unit_ms);
        let mut left = ((u64::from(ms) + unit / 2) / unit).max(1);
        std::iter::from_fn(move || {
            let units = u8::try_from(left).unwrap_or(u8::MAX).min(self.most);
            left -= u64::from(units);
            let time = Duration::from_millis(unit * u64::from(units));
            (units > 0).then(|| (self.command.with(units), time))
        })
    }

    /// Whether the beeper's answer is a yes. Commands that begin with `FF` are answered with a
    /// status word (PC/SC part 3, 3.2.2), those with `E0` by `E1`; what others answer is not
    /// known, and counts as one.
    pub(super) fn is_yes(&self, answer: &[u8]) -> bool {
        match self.command.before.first() {
            // The ACR122U's second byte is the state of its LEDs.
            Some(0xFF) => matches!(answer, [.., 0x90, _]),
            Some(0xE0) => answer.first() == Some(&0xE1),
            _ => true,
        }
    }
}

/// A command with a place for one byte of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Template {
    /// Reads a template: bytes in hex, blanks anywhere between them, and `{time}` once.
    ///
    /// # Errors
    /// What is wrong with it, to stand behind the name of its key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (before, after) =
            text.split_once(TIME).ok_or_else(|| format!("{text:?} has no {TIME}"))?;
        if after.contains(TIME) {
            return Err(format!("{text:?} has {TIME} twice"));
        }
        let bytes = |part| bytes(part).ok_or_else(|| format!("{text:?} is no hex around {TIME}"));
        let template = Self { before: bytes(before)?, after: bytes(after)? };
        let length = template.before.len() + 1 + template.after.len();
        if length > LONGEST {
            return Err(format!("is a command of {length} bytes"));
        }
        Ok(template)
    }

    fn new(before: &[u8], after: &[u8]) -> Self {
        Self { before: before.to_owned(), after: after.to_owned() }
    }

    fn with(&self, time: u8) -> Vec<u8> {
        [&self.before[..], &[time], &self.after].concat()
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| {
        pairs.filter_map(|pair| <[u8; 2]>::try_from(pair).ok()).map(|[a, b]| a << 4 | b).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(commands: &CommandSet, ms: u32) -> Vec<(Vec<u8>, u64)> {
        commands
            .pieces(ms)
            .map(|(command, time)| (command, u64::try_from(time.as_millis()).unwrap()))
            .collect()
    }

    #[test]
    fn the_readers_of_the_table_are_known_by_their_names() {
        for (name, expected) in [
            ("ACS ACR122U PICC Interface 00 00", Some(Family::Acr122u)),
            ("ACS ACR1281 1S Dual Reader 00 01", Some(Family::Acs)),
            ("ACS ACR1252 1S CL Reader [ACR1252 Reader PICC] 00 00", Some(Family::Acs)),
            ("acs acr1251 reader 01 00", Some(Family::Acs)),
            ("ACS ACR39U ICC Reader 00 00", None),
            ("ACS ACR1222 3S PICC Reader 00 00", None),
            ("FT R502 Contactless Reader 00 00", None),
        ] {
            assert_eq!(Family::of_reader(name), expected, "{name}");
        }
    }

    #[test]
    fn the_commands_are_those_of_the_manuals() {
        let acr122u = Family::Acr122u.commands();
        assert_eq!(pieces(&acr122u, 300), [(vec![0xFF, 0, 0x40, 0, 4, 3, 0, 1, 1], 300)]);
        let acs = Family::Acs.commands();
        assert_eq!(pieces(&acs, 300), [(vec![0xE0, 0, 0, 0x28, 1, 30], 300)]);
    }

    #[test]
    fn a_beep_is_as_long_as_the_reader_can_make_it() {
        for (family, ms, expected) in [
            (Family::Acr122u, 1, 100),
            (Family::Acr122u, 149, 100),
            (Family::Acr122u, 150, 200),
            (Family::Acs, 1, 10),
            (Family::Acs, 54, 50),
            (Family::Acs, 55, 60),
            (Family::Acs, 60_000, 60_000),
            (Family::Acr122u, 60_000, 60_000),
            (Family::Acr122u, u32::MAX, 4_294_967_300),
        ] {
            let whole: u64 = pieces(&family.commands(), ms).iter().map(|(_, time)| time).sum();
            assert_eq!(whole, expected, "{family:?} {ms}");
        }
    }

    #[test]
    fn no_command_sounds_longer_than_the_driver_waits_or_for_ever() {
        for family in [Family::Acr122u, Family::Acs] {
            for (command, time) in pieces(&family.commands(), 60_000) {
                assert!(time < 3_000, "{family:?} {time}");
                assert_ne!(command.last(), Some(&0xFF));
            }
        }
        let times = |ms| pieces(&Family::Acs.commands(), ms).into_iter().map(|(_, time)| time);
        assert_eq!(times(2540).collect::<Vec<_>>(), [2540]);
        assert_eq!(times(2550).collect::<Vec<_>>(), [2540, 10]);
    }

    #[test]
    fn an_operators_command_has_its_time_where_it_says() {
        let template = Template::parse("FF004000 04 {time} 00 01 01").unwrap();
        let commands = CommandSet::new(template, 50, 4);
        assert_eq!(
            pieces(&commands, 300),
            [
                (vec![0xFF, 0, 0x40, 0, 4, 4, 0, 1, 1], 200),
                (vec![0xFF, 0, 0x40, 0, 4, 2, 0, 1, 1], 100),
            ]
        );
    }

    #[test]
    fn a_template_without_its_place_or_with_other_digits_is_refused() {
        for (text, why) in [
            ("FF 00 40", "has no {time}"),
            ("{time} {time}", "twice"),
            ("FF 0 {time}", "no hex"),
            ("FF {time} 0x00", "no hex"),
            (&format!("{} {{time}}", "00 ".repeat(261)), "262 bytes"),
        ] {
            let wrong = Template::parse(text).unwrap_err();
            assert!(wrong.contains(why), "{text}: {wrong}");
        }
    }

    #[test]
    fn answers_are_judged_as_the_manuals_have_them() {
        let acr122u = Family::Acr122u.commands();
        assert!(acr122u.is_yes(&[0x90, 0x00]));
        assert!(acr122u.is_yes(&[0x90, 0x02]), "the green LED is on");
        assert!(!acr122u.is_yes(&[0x63, 0x00]));
        assert!(!acr122u.is_yes(&[]));
        let acs = Family::Acs.commands();
        assert!(acs.is_yes(&[0xE1, 0, 0, 0, 1, 0x00]));
        assert!(acs.is_yes(&[0xE1, 0, 0, 0, 1, 0x1E]), "the time that remains");
        assert!(!acs.is_yes(&[0x6E, 0x00]));
        assert!(!acs.is_yes(&[]));
        let other = CommandSet::new(Template::parse("80 {time}").unwrap(), 10, 9);
        assert!(other.is_yes(&[]));
    }
}
