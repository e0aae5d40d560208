//! What a printer says of itself: every byte that comes back, told apart, and what follows from it.
//!
//! `Ears` takes the bytes as they come; `Condition` keeps what they mean. The driver asks it whether
//! the printer can print. Bits are those of Epson's ESC/POS manual (`DLE EOT`, `GS a`, `GS r`), which
//! Citizen, Star's emulation and the common boards share.

use std::fmt;

/// Something that a printer has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The answer to a `DLE EOT`; which one it answers, only the order tells.
    Answer(u8),
    /// Four bytes of automatic status.
    Status([u8; 4]),
    /// The answer to `GS r 1`.
    Sensors(u8),
    /// It takes data again, or takes none; left over where the line's own flow control has not taken
    /// them.
    Flow,
    /// Nothing that a printer says.
    Noise,
}

/// Takes bytes apart.
#[derive(Default)]
pub(crate) struct Ears {
    /// The beginning of an automatic status.
    status: Vec<u8>,
}

impl Ears {
    /// The next byte, and what is complete with it.
    pub(crate) fn hear(&mut self, byte: u8) -> Option<Said> {
        if byte & 0x93 == 0x12 {
            return Some(Said::Answer(byte));
        }
        if matches!(byte, 0x11 | 0x13) {
            return Some(Said::Flow);
        }
        if byte & 0x93 == 0x10 {
            // Of one that was not finished the rest is lost.
            self.status.clear();
            self.status.push(byte);
            return None;
        }
        if byte & 0x90 != 0 {
            self.status.clear();
            return Some(Said::Noise);
        }
        if self.status.is_empty() {
            return Some(Said::Sensors(byte));
        }
        self.status.push(byte);
        let whole = <[u8; 4]>::try_from(&*self.status).ok()?;
        self.status.clear();
        Some(Said::Status(whole))
    }
}

/// Why a printer does not print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The paper is used up.
    PaperOut,
    /// The cover is open.
    CoverOpen,
    /// The cutter is stuck.
    Cutter,
    /// An error from which only switching it off and on helps, or the manufacturer.
    Broken,
    /// The head is too hot, or the voltage is off; it goes on by itself.
    Overheated,
    /// An error that goes away when its cause does.
    Error,
    /// Paper is being fed by the button.
    Feeding,
    /// It is offline and does not say why.
    Offline,
}

impl Obstacle {
    /// Whether it goes away without anybody's help.
    pub(crate) fn passes(self) -> bool {
        matches!(self, Self::Overheated | Self::Feeding)
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PaperOut => "out of paper",
            Self::CoverOpen => "the cover is open",
            Self::Cutter => "the cutter is stuck",
            Self::Broken => "an unrecoverable error: switch it off and on",
            Self::Overheated => "the print head is too hot; it goes on when it has cooled down",
            Self::Error => "an error",
            Self::Feeding => "paper is being fed by the button",
            Self::Offline => "offline",
        })
    }
}

/// What is known of a printer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    offline: bool,
    cover_open: bool,
    feeding: bool,
    /// It has stopped because of the paper, says its printing part.
    paper_stop: bool,
    /// There is none, say the sensors.
    paper_out: bool,
    near_end: bool,
    error: bool,
    cutter: bool,
    broken: bool,
    overheated: bool,
}

impl Condition {
    /// Takes the answer to `DLE EOT n`.
    pub(crate) fn answered(&mut self, n: u8, byte: u8) {
        let bit = |bits: u8| byte & bits != 0;
        match n {
            1 => self.offline = bit(0x08),
            2 => {
                self.cover_open = bit(0x04);
                self.feeding = bit(0x08);
                self.paper_stop = bit(0x20);
                self.error = bit(0x40);
            }
            3 => {
                (self.cutter, self.broken, self.overheated) = (bit(0x08), bit(0x20), bit(0x40));
                self.error |= bit(0x04);
            }
            4 => (self.near_end, self.paper_out) = (bit(0x0C), bit(0x60)),
            _ => {}
        }
    }

    /// Takes an automatic status.
    pub(crate) fn told(&mut self, [first, second, third, _]: [u8; 4]) {
        self.offline = first & 0x08 != 0;
        self.cover_open = first & 0x20 != 0;
        self.feeding = first & 0x40 != 0;
        self.error = second & 0x04 != 0;
        self.cutter = second & 0x08 != 0;
        self.broken = second & 0x20 != 0;
        self.overheated = second & 0x40 != 0;
        self.paper_stop = false;
        self.sensed(third);
    }

    /// Takes the paper sensors, as `GS r 1` gives them.
    pub(crate) fn sensed(&mut self, byte: u8) {
        (self.near_end, self.paper_out) = (byte & 0x03 != 0, byte & 0x0C != 0);
    }

    /// What keeps it from printing, the most telling first.
    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        [
            (self.cover_open, Obstacle::CoverOpen),
            (self.cutter, Obstacle::Cutter),
            (self.broken, Obstacle::Broken),
            (self.overheated, Obstacle::Overheated),
            (self.paper_out || self.paper_stop, Obstacle::PaperOut),
            (self.error, Obstacle::Error),
            (self.feeding, Obstacle::Feeding),
            (self.offline, Obstacle::Offline),
        ]
        .into_iter()
        .find_map(|(is, obstacle)| is.then_some(obstacle))
    }

    /// Whether the paper is nearly used up.
    pub(crate) fn is_near_end(&self) -> bool {
        self.near_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(bytes: &[u8]) -> Vec<Said> {
        let mut ears = Ears::default();
        bytes.iter().filter_map(|byte| ears.hear(*byte)).collect()
    }

    #[test]
    fn every_kind_of_byte_is_told_apart_though_they_come_in_one_another() {
        assert_eq!(heard(&[0x12, 0x16, 0x1E, 0x72]), [0x12, 0x16, 0x1E, 0x72].map(Said::Answer));
        assert_eq!(heard(&[0x00, 0x03, 0x0F, 0x60]), [0x00, 0x03, 0x0F, 0x60].map(Said::Sensors));
        assert_eq!(heard(&[0x14, 0, 0x0C, 0x0F]), [Said::Status([0x14, 0, 0x0C, 0x0F])]);
        assert_eq!(heard(&[0x11, 0x13]), [Said::Flow, Said::Flow]);
        assert_eq!(heard(&[0xFF, 0x80]), [Said::Noise, Said::Noise]);
        // Real-time answers and flow control come in the middle of an automatic status.
        assert_eq!(
            heard(&[0x1C, 0x12, 0x00, 0x13, 0x0C, 0x00, 0x00]),
            [Said::Answer(0x12), Said::Flow, Said::Status([0x1C, 0, 0x0C, 0]), Said::Sensors(0)]
        );
        // One that breaks off is not put together with the next.
        assert_eq!(heard(&[0x14, 0, 0x18, 0, 0x0C, 0]), [Said::Status([0x18, 0, 0x0C, 0])]);
    }

    #[test]
    fn each_trouble_has_its_own_name_by_inquiry_and_by_automatic_status() {
        let asked = |answers: &[(u8, u8)]| {
            let mut condition = Condition::default();
            answers.iter().for_each(|(n, byte)| condition.answered(*n, *byte));
            condition.obstacle()
        };
        let told = |status: [u8; 4]| {
            let mut condition = Condition::default();
            condition.told(status);
            condition.obstacle()
        };
        let all_well = [(1, 0x12), (2, 0x12), (3, 0x12), (4, 0x12)];
        assert_eq!((asked(&all_well), told([0x10, 0, 0, 0])), (None, None));
        let troubles = [
            (Obstacle::CoverOpen, vec![(1, 0x1A), (2, 0x16)], [0x38, 0, 0, 0]),
            (Obstacle::PaperOut, vec![(1, 0x1A), (2, 0x32), (4, 0x7E)], [0x18, 0, 0x0F, 0]),
            (Obstacle::Cutter, vec![(1, 0x1A), (2, 0x52), (3, 0x1A)], [0x18, 0x08, 0, 0]),
            (Obstacle::Broken, vec![(1, 0x1A), (2, 0x52), (3, 0x32)], [0x18, 0x20, 0, 0]),
            (Obstacle::Overheated, vec![(1, 0x1A), (2, 0x52), (3, 0x52)], [0x18, 0x40, 0, 0]),
            (Obstacle::Error, vec![(1, 0x1A), (2, 0x52), (3, 0x16)], [0x18, 0x04, 0, 0]),
            (Obstacle::Feeding, vec![(1, 0x1A), (2, 0x1A)], [0x58, 0, 0, 0]),
            (Obstacle::Offline, vec![(1, 0x1A), (2, 0x12)], [0x18, 0, 0, 0]),
        ];
        for (obstacle, answers, status) in troubles {
            assert_eq!(asked(&answers), Some(obstacle));
            assert_eq!(told(status), Some(obstacle));
        }
    }

    #[test]
    fn near_the_end_of_the_paper_it_still_prints() {
        let mut condition = Condition::default();
        condition.answered(4, 0x1E);
        assert!(condition.is_near_end() && condition.obstacle().is_none());
        condition.sensed(0);
        assert!(!condition.is_near_end());
        condition.sensed(0x0F);
        assert_eq!(condition.obstacle(), Some(Obstacle::PaperOut));
        // Refilled, whatever was said before.
        condition.answered(2, 0x12);
        condition.answered(4, 0x12);
        assert_eq!(condition.obstacle(), None);
    }
}
