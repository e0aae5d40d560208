//! A module's acknowledgement in a recording: what makes it one stays, and what the driver knows.
//!
//! The framer takes away whatever has the head and the length of one, so a code, binary or not,
//! may stand between the two. Called by the redactor for each that its framer would take away.

use super::super::trigger::Trigger;

/// So much data says nothing of a person: a state, or a word of two bytes.
const SHORT: usize = 2;

/// What ends an acknowledgement of an M3Y.
const M3Y_END: u8 = 0xA5;

/// As many bytes as `said`, which the framer takes for the same acknowledgement. Head, status,
/// length and end stay, and the data if it is known; else it becomes `filler`, which no
/// acknowledgement ends with, and so does the check over it.
pub(super) fn replaced(trigger: Trigger, said: &[u8], filler: u8) -> Vec<u8> {
    let mut replaced = said.to_vec();
    let (head, check) = match trigger {
        // 02 00 | status | count | data | CRC CRC
        Trigger::Gm65 => (4, said.len().saturating_sub(2)..said.len()),
        // 5A 01 | length, 2 bytes | data | BCC | A5
        Trigger::M3y => (4, said.len().saturating_sub(2)..said.len().saturating_sub(1)),
        // 02 01 | data | 03
        Trigger::Newland => (2, said.len().saturating_sub(1)..said.len().saturating_sub(1)),
        // A single byte, or none.
        Trigger::NewlandOld | Trigger::Honeywell => return replaced,
    };
    let data = said.get(head..check.start).unwrap_or_default();
    let known = data.len() <= SHORT || (trigger == Trigger::Newland && is_newlands(data));
    if !known && let Some(told) = replaced.get_mut(head..check.end) {
        told.fill(filler);
    }
    if trigger == Trigger::M3y
        && let Some(end) = replaced.last_mut().filter(|end| **end != M3Y_END)
    {
        *end = filler;
    }
    replaced
}

/// Whether this is how a Newland module answers one of the driver's commands: the command again,
/// which is `7E 01 … ; 03`, before its `;` done, wrong or unknown.
fn is_newlands(data: &[u8]) -> bool {
    [Trigger::Newland.start(), Trigger::Newland.stop()].into_iter().any(|command| {
        let echo = command.get(2..command.len().saturating_sub(2));
        let told = echo.and_then(|echo| data.strip_prefix(echo));
        matches!(told, Some([0x06 | 0x15 | 0x05, b';']))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::trigger::Acknowledgement;
    use super::*;

    fn check(trigger: Trigger, said: &[u8], expected: &[u8]) {
        assert_eq!(trigger.acknowledgement(said), Acknowledgement::Bytes(said.len()));
        let replaced = replaced(trigger, said, b'x');
        assert_eq!(replaced, expected, "{trigger:?} {replaced:02X?}");
        assert_eq!(trigger.acknowledgement(&replaced), Acknowledgement::Bytes(said.len()));
    }

    #[test]
    fn what_the_driver_knows_stays() {
        for (trigger, said) in [
            (Trigger::Gm65, &b"\x02\x00\x00\x01\x00\x33\x31"[..]),
            (Trigger::Gm65, b"\x02\x00\x00\x00\x12\x34"),
            (Trigger::Newland, b"\x02\x010000#SCNTRG1\x06;\x03"),
            (Trigger::Newland, b"\x02\x010000#SCNTRG0\x15;\x03"),
            (Trigger::NewlandOld, b"\x06"),
            (Trigger::M3y, b"\x5A\x01\x00\x02\x90\x00\x93\xA5"),
        ] {
            check(trigger, said, said);
        }
    }

    #[test]
    fn anything_else_between_head_and_end_is_filler() {
        for (trigger, said, expected) in [
            (
                Trigger::Gm65,
                &b"\x02\x00\x00\x1211010519491231002X\x33\x31"[..],
                &b"\x02\x00\x00\x12xxxxxxxxxxxxxxxxxxxx"[..],
            ),
            (Trigger::Gm65, b"\x02\x00\x00\x03123ab", b"\x02\x00\x00\x03xxxxx"),
            (Trigger::Newland, b"\x02\x010000#SCNTRG2\x06;\x03", b"\x02\x01xxxxxxxxxxxxxx\x03"),
            (Trigger::Newland, b"\x02\x0111010519\x03", b"\x02\x01xxxxxxxx\x03"),
            (Trigger::M3y, b"\x5A\x01\x00\x031949\xA5", b"\x5A\x01\x00\x03xxxx\xA5"),
            (Trigger::M3y, b"\x5A\x01\x00\x021949", b"\x5A\x01\x00\x02194x"),
        ] {
            check(trigger, said, expected);
        }
    }
}
