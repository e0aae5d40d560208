//! Command sets of scanner modules that scan on request: what starts and stops a scan, and how
//! the module acknowledges, which it does on the same line, before the code.
//!
//! Sources: the modules' user manuals (GM65/GM67/GM805 and DFRobot DFR0660; Newland's unified
//! command set; Honeywell/Hand Held serial trigger commands; M3Y).

use std::time::Duration;

/// A module's command set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// GROW GM65, GM67, GM805, Waveshare, DFRobot DFR0660, set to command mode.
    Gm65,
    /// Newland modules with the unified command set.
    Newland,
    /// Older Newland modules.
    NewlandOld,
    /// Honeywell and Hand Held.
    Honeywell,
    /// M3Y-type modules.
    M3y,
}

/// What stands at the beginning of what a module said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// No acknowledgement: a code, or nothing yet.
    None,
    /// The beginning of one.
    Begun,
    /// One of so many bytes.
    Bytes(usize),
}

impl Trigger {
    /// How long a module scans before it gives up by itself: the GM65's factory setting is 5 s
    /// (zone 0006); others are set to the like. A scan that is still wanted is then started again.
    pub const SCAN_TIME: Duration = Duration::from_secs(5);

    /// The least time between two commands; Newland asks for 50 ms, the others for less.
    pub const COMMAND_GAP: Duration = Duration::from_millis(50);

    /// Starts one scan.
    #[must_use]
    pub fn start(self) -> &'static [u8] {
        match self {
            // Zone 0002, bit 0, with its CRC-16/XMODEM.
            Self::Gm65 => b"\x7E\x00\x08\x01\x00\x02\x01\x02\xDA",
            // SCNTRG1, not kept over a power cycle.
            Self::Newland => b"\x7E\x010000#SCNTRG1;\x03",
            Self::NewlandOld => b"\x1B1",
            Self::Honeywell => b"\x16T\r",
            Self::M3y => b"\x5A\x00\x00\x08SR030301\x08\xA5",
        }
    }

    /// Ends a scan.
    #[must_use]
    pub fn stop(self) -> &'static [u8] {
        match self {
            Self::Gm65 => b"\x7E\x00\x08\x01\x00\x02\x00\x12\xFB",
            Self::Newland => b"\x7E\x010000#SCNTRG0;\x03",
            Self::NewlandOld => b"\x1B0",
            Self::Honeywell => b"\x16U\r",
            Self::M3y => b"\x5A\x00\x00\x08SR030300\x09\xA5",
        }
    }

    /// Looks for an acknowledgement at the beginning of `bytes`.
    #[must_use]
    pub fn acknowledgement(self, bytes: &[u8]) -> Acknowledgement {
        match self {
            // 02 00 | status | count | data | CRC CRC
            Self::Gm65 => {
                by_length(bytes, &[0x02, 0x00], |head| Some(usize::from(*head.get(3)?) + 6))
            }
            // 02 01 0000 … 06 or 15 or 05 ; 03
            Self::Newland => by_end(bytes, &[0x02, 0x01], 0x03),
            // 06 alone
            Self::NewlandOld => match bytes.first() {
                Some(0x06 | 0x15) => Acknowledgement::Bytes(1),
                _ => Acknowledgement::None,
            },
            // The trigger itself is not acknowledged.
            Self::Honeywell => Acknowledgement::None,
            // 5A 01 | length, big-endian | data | BCC | A5
            Self::M3y => by_length(bytes, &[0x5A, 0x01], |head| {
                let length = [*head.get(2)?, *head.get(3)?];
                Some(usize::from(u16::from_be_bytes(length)) + 6)
            }),
        }
    }
}

/// Longer than any acknowledgement: what begins like one and does not end is a code.
const MAX_ACKNOWLEDGEMENT: usize = 64;

fn begins(bytes: &[u8], start: &[u8]) -> bool {
    let known = bytes.len().min(start.len());
    known > 0 && bytes[..known] == start[..known]
}

fn by_length(
    bytes: &[u8],
    start: &[u8],
    length: impl Fn(&[u8]) -> Option<usize>,
) -> Acknowledgement {
    if !begins(bytes, start) {
        return Acknowledgement::None;
    }
    match length(bytes) {
        Some(length) if length > MAX_ACKNOWLEDGEMENT => Acknowledgement::None,
        Some(length) if bytes.len() >= length => Acknowledgement::Bytes(length),
        Some(_) | None => Acknowledgement::Begun,
    }
}

fn by_end(bytes: &[u8], start: &[u8], end: u8) -> Acknowledgement {
    if !begins(bytes, start) {
        return Acknowledgement::None;
    }
    match bytes.iter().take(MAX_ACKNOWLEDGEMENT).position(|byte| *byte == end) {
        Some(at) => Acknowledgement::Bytes(at + 1),
        None if bytes.len() >= MAX_ACKNOWLEDGEMENT => Acknowledgement::None,
        None => Acknowledgement::Begun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC-16/XMODEM: polynomial 1021, begins with 0.
    fn crc(bytes: &[u8]) -> u16 {
        bytes.iter().fold(0, |crc, byte| {
            (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            })
        })
    }

    #[test]
    fn the_gm65_commands_carry_their_crc() {
        for command in [Trigger::Gm65.start(), Trigger::Gm65.stop()] {
            let (body, check) = command[2..].split_at(command.len() - 4);
            assert_eq!(crc(body).to_be_bytes(), check);
        }
    }

    #[test]
    fn the_m3y_commands_carry_their_bcc() {
        for command in [Trigger::M3y.start(), Trigger::M3y.stop()] {
            let [0x5A, body @ .., check, 0xA5] = command else { panic!("{command:02X?}") };
            assert_eq!(body.iter().fold(0, |sum, byte| sum ^ byte), *check);
        }
    }

    #[test]
    fn acknowledgements_are_told_from_codes() {
        use Acknowledgement::{Begun, Bytes, None};
        let cases: [(Trigger, &[u8], Acknowledgement); 14] = [
            (Trigger::Gm65, b"\x02\x00\x00\x01\x00\x33\x31ABC", Bytes(7)),
            (Trigger::Gm65, b"\x02\x00\x00", Begun),
            (Trigger::Gm65, b"\x02", Begun),
            (Trigger::Gm65, b"ABC", None),
            (Trigger::Gm65, b"", None),
            (Trigger::Newland, b"\x02\x010000#SCNTRG1\x06;\x03ABC", Bytes(17)),
            (Trigger::Newland, b"\x02\x010000", Begun),
            (Trigger::Newland, b"https://", None),
            (Trigger::NewlandOld, b"\x06ABC", Bytes(1)),
            (Trigger::NewlandOld, b"ABC", None),
            (Trigger::Honeywell, b"ABC", None),
            (Trigger::M3y, b"\x5A\x01\x00\x02\x90\x00\x93\xA5ABC", Bytes(8)),
            (Trigger::M3y, b"\x5A\x01\x00", Begun),
            (Trigger::M3y, b"ZABC", None),
        ];
        for (trigger, bytes, expected) in cases {
            assert_eq!(trigger.acknowledgement(bytes), expected, "{trigger:?} {bytes:02X?}");
        }
    }
}
