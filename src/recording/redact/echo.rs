//! What a caller calls its calls: `taskId`, and a call's `id`.
//!
//! The daemon sends them back as they came, and nothing follows from them but which call is meant.
//! So another name does as well, if it is the same one in the request, the reply and the events:
//! it follows from the name alone. Words, counters and UUIDs stay readable; what could be a number
//! of a person, or a text in base64 or hex, is replaced. Called by `walk`.

use std::borrow::Cow;

use hharome_hardware::pseudonym::Pseudonyms;

use super::keys::{TASK_CHARS, TELLING_DIGITS, TELLING_RUN};
use super::value::like_number;

/// Digits in front of an ID number's X.
const DIGITS_BEFORE_X: usize = 17;

/// So many capitals and so many small letters, with a digit among them, no word and date has.
const TELLING_LETTERS: usize = 3;

/// The groups of a UUID, in hex digits.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];

/// A name of a call. What is long or not ASCII is no name that a program makes, and a text.
pub(super) fn task<'t>(pseudonyms: &Pseudonyms, text: &'t str) -> Cow<'t, str> {
    if !text.is_ascii() || text.len() > TASK_CHARS {
        return Cow::Owned(pseudonyms.text(text));
    }
    let mut out = String::with_capacity(text.len());
    for (run, coded) in runs(text, |byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)) {
        if coded && is_coded(run) {
            out.push_str(&pseudonyms.text(run));
        } else {
            out.push_str(&without_numbers(pseudonyms, run));
        }
    }
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// A number that names a call, as long as it was and still a number.
pub(super) fn number<'n>(pseudonyms: &Pseudonyms, number: &'n str) -> Cow<'n, str> {
    let (digits, exponent) = number.split_at(number.find(['e', 'E']).unwrap_or(number.len()));
    let new = without_numbers(pseudonyms, digits);
    if new == digits { Cow::Borrowed(number) } else { Cow::Owned(new + exponent) }
}

/// The text, each of its numbers of so many digits another one. It begins with 0 only if the real
/// one did, for in JSON no number does.
fn without_numbers(pseudonyms: &Pseudonyms, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let digits = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let ends_with_x = digits >= DIGITS_BEFORE_X
            && from.as_bytes().get(digits).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'X'));
        let (number, behind) = from.split_at(digits + usize::from(ends_with_x));
        out.push_str(before);
        if digits < TELLING_DIGITS {
            out.push_str(number);
        } else {
            let new = pseudonyms.text(number);
            let zero = new.starts_with('0') && !number.starts_with('0');
            out.push_str(&if zero { like_number(number, &new) } else { new });
        }
        rest = behind;
    }
    out + rest
}

/// Whether this may be base64 (also that of addresses, with `-` and `_`) or hex.
fn is_coded(run: &str) -> bool {
    if run.len() < TELLING_RUN || is_uuid(run) {
        return false;
    }
    let has = |what: fn(&u8) -> bool| run.bytes().filter(what).count();
    let mixed = has(u8::is_ascii_uppercase) >= TELLING_LETTERS
        && has(u8::is_ascii_lowercase) >= TELLING_LETTERS
        && has(u8::is_ascii_digit) > 0;
    // Digits alone are a number.
    let long =
        |part: &str| part.len() >= TELLING_RUN && part.bytes().any(|byte| !byte.is_ascii_digit());
    mixed || run.split(['-', '_']).any(long)
}

fn is_uuid(run: &str) -> bool {
    let hex = |group: &str| group.bytes().all(|digit| digit.is_ascii_hexdigit());
    run.split('-').map(str::len).eq(UUID) && run.split('-').all(hex)
}

/// The text in pieces: of bytes that are `inside` and of others, by turns. The text is ASCII.
fn runs(text: &str, inside: impl Fn(u8) -> bool) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let is = inside(*rest.as_bytes().first()?);
        let end = rest.bytes().position(|byte| inside(byte) != is).unwrap_or(rest.len());
        let (run, behind) = rest.split_at_checked(end)?;
        rest = behind;
        Some((run, is))
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use hharome_hardware::pseudonym::real_ids;
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "11010519491231002X";

    fn pseudonyms() -> Pseudonyms {
        Pseudonyms::with_key([9; 32])
    }

    #[test]
    fn short_ids_uuids_and_words_stay() {
        for kept in [
            "",
            "1",
            "123456",
            "req-42",
            "getIDCardInfo",
            "read-the-card-of-window-three-please",
            "c9bf9e57-1685-4c89-bafb-ff5af830be8a",
            "2024-01-02 10:20:30",
        ] {
            assert_eq!(task(&pseudonyms(), kept), kept);
            assert!(matches!(task(&pseudonyms(), kept), Cow::Borrowed(_)));
        }
        for kept in ["0", "-1", "1.50", "1e3", "123456", "0.000001", "1e123456"] {
            assert_eq!(number(&pseudonyms(), kept), kept);
        }
    }

    #[test]
    fn numbers_of_persons_and_what_is_in_base64_or_hex_do_not() {
        let person = format!("诸葛孔明{ID}");
        for secret in [
            "13987654321",
            "110105491231002",
            "110105194912310021",
            ID,
            &STANDARD.encode(&person),
            &URL_SAFE_NO_PAD.encode(&person),
            "e8afb8e8919be5ad94e6988e",
            "E8AFB8E8919BE5AD94E6988E",
        ] {
            for text in [secret.to_owned(), format!("t-{secret}-1"), format!("a:{secret}=")] {
                let new = task(&pseudonyms(), &text);
                assert_eq!(new.len(), text.len());
                assert!(!new.contains(secret), "{new}");
                // Nor a piece of it.
                let half = &secret[secret.len() / 2..];
                assert!(!new.contains(half), "{new} of {text}");
                let shape = |text: &str| {
                    text.bytes()
                        .map(|byte| (byte.is_ascii_digit(), byte.is_ascii_lowercase()))
                        .collect::<Vec<_>>()
                };
                // The check character of an ID number may be a digit or X.
                assert!(secret == ID || shape(&new) == shape(&text), "{new}");
            }
        }
        let p = pseudonyms();
        assert_eq!(task(&p, &format!("card-{ID}-1")), format!("card-{}-1", p.id_number(ID)));
    }

    proptest! {
        #[test]
        fn a_number_stays_one_of_its_length_and_is_the_same_in_a_string(
            digits in "[1-9][0-9]{6,40}",
        ) {
            let new = number(&pseudonyms(), &digits);
            prop_assert_eq!(new.len(), digits.len());
            prop_assert!(new.bytes().all(|digit| digit.is_ascii_digit()) && !new.starts_with('0'));
            prop_assert_ne!(&new, &digits);
            prop_assert_eq!(&new, &task(&pseudonyms(), &digits));
            prop_assert_eq!(real_ids(&new).next(), None);
        }

        #[test]
        fn any_name_keeps_its_length_and_no_number(text in "[ -~]{0,64}") {
            let new = task(&pseudonyms(), &text);
            prop_assert_eq!(new.len(), text.len());
            prop_assert_eq!(real_ids(&new).next(), None);
            prop_assert_eq!(&new, &task(&pseudonyms(), &text));
        }
    }
}
