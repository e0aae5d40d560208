//! What `hharome check` says of devices at PC/SC readers: which reader a pattern takes, and what lies
//! in it. Never which card that is: a card's answer to reset can hold a number.

use hharome_hardware::inventory::{CardReader, CardReaders, Presence};
use hharome_hardware::port::pcsc::ReaderPattern;

/// pcscd runs and knows no reader.
const NO_READER: &str = "pcscd knows no reader: plug one in; its driver may be missing, mostly the \
                         package libccid";

/// The reader that is taken for a pattern (none: any reader), or why there is none, or no certain
/// one.
pub(super) fn look<'a>(
    pattern: Option<&str>,
    readers: &'a CardReaders,
) -> Result<&'a CardReader, String> {
    if let CardReaders::Unavailable(why) = readers {
        return Err(why.clone());
    }
    let names = readers.names();
    let choice = pattern.map_or_else(ReaderPattern::any, ReaderPattern::new).choose(&names);
    let Some(taken) = choice.taken else {
        return Err(match (pattern, names.as_slice()) {
            (_, []) => NO_READER.to_owned(),
            (Some(pattern), _) => {
                format!("no reader matches {pattern:?}; there are: {}", names.join(", "))
            }
            (None, _) => format!("there are SAM slots only: {}", names.join(", ")),
        });
    };
    if !choice.also.is_empty() {
        let what = match pattern {
            Some(pattern) => format!("{pattern:?} is true of several"),
            None => "no reader is named, and there are several".to_owned(),
        };
        let also = choice.also.join(", ");
        return Err(format!("{what}: {taken} (this one is taken), {also}; name one of them"));
    }
    let taken = readers.found().iter().find(|reader| reader.name == taken);
    taken.ok_or_else(|| NO_READER.to_owned())
}

/// A reader's name, with what lies in it.
pub(super) fn words(reader: &CardReader) -> String {
    let holds = match reader.holds {
        Presence::Empty => ": no card",
        Presence::Card => ": card present",
        Presence::Mute => ": no card, or one that does not answer",
        Presence::Unknown => "",
    };
    format!("{}{holds}", reader.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CL: &str = "R502 Contactless Reader 00 00";
    const CONTACT: &str = "R502 Contact Reader 01 00";
    const SAM: &str = "Kiosk SAM 02 00";

    fn readers(found: &[(&str, Presence)]) -> CardReaders {
        let reader = |&(name, holds): &(&str, _)| CardReader { name: name.to_owned(), holds };
        CardReaders::Found(found.iter().map(reader).collect())
    }

    fn all() -> CardReaders {
        readers(&[(CONTACT, Presence::Empty), (CL, Presence::Card), (SAM, Presence::Mute)])
    }

    #[test]
    fn the_reader_that_is_taken_is_named_with_what_lies_in_it() {
        for (pattern, expected) in [
            ("*Contactless*", "R502 Contactless Reader 00 00: card present"),
            ("R502 Contact Reader ?? 00", "R502 Contact Reader 01 00: no card"),
            ("*SAM*", "Kiosk SAM 02 00: no card, or one that does not answer"),
        ] {
            assert_eq!(look(Some(pattern), &all()).map(words).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_pattern_of_no_reader_is_a_failure_that_names_those_that_are_there() {
        let wrong = look(Some("*ACR*"), &all()).unwrap_err();
        assert!(wrong.starts_with("no reader matches \"*ACR*\"; there are: "), "{wrong}");
        for name in [CL, CONTACT, SAM] {
            assert!(wrong.contains(name), "{wrong}");
        }
        let none = readers(&[]);
        assert_eq!(look(Some("*"), &none), Err(NO_READER.to_owned()));
        assert_eq!(look(None, &none), Err(NO_READER.to_owned()));
    }

    #[test]
    fn a_pattern_of_several_readers_is_a_failure_that_names_all_and_the_one_taken() {
        let wrong = look(Some("R502*"), &all()).unwrap_err();
        assert_eq!(
            wrong,
            format!(
                "\"R502*\" is true of several: {CONTACT} (this one is taken), {CL}; name one of them"
            )
        );
    }

    #[test]
    fn no_pattern_is_any_reader_but_sam_slots() {
        let found = readers(&[(SAM, Presence::Card), (CL, Presence::Unknown)]);
        assert_eq!(look(None, &found).map(words).as_deref(), Ok(CL));
        let wrong = look(None, &all()).unwrap_err();
        assert!(wrong.starts_with("no reader is named"), "{wrong}");
        let wrong = look(None, &readers(&[(SAM, Presence::Card)])).unwrap_err();
        assert!(wrong.contains("SAM slots only"), "{wrong}");
    }

    #[test]
    fn a_service_that_is_not_there_is_told_as_it_tells_itself() {
        let why = "pcscd is not running".to_owned();
        assert_eq!(look(Some("*"), &CardReaders::Unavailable(why.clone())), Err(why));
    }
}
