//! ESC/POS as a printer reads it: bytes to commands, by Epson's manual.
//!
//! Real-time commands are none of these: they are taken out before ([`super::machine`]).

/// What a printer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::receipt) enum Command {
    /// `ESC @`
    Init,
    /// Bytes of text.
    Text(Vec<u8>),
    /// `LF`: the line is printed.
    LineFeed,
    /// `ESC J n`: the line is printed, and the paper fed so many rows.
    FeedRows(u8),
    /// `ESC d n`: the same in lines.
    FeedLines(u8),
    /// `ESC a n`
    Align(u8),
    /// `ESC E n`
    Bold(bool),
    /// `GS ! n`: how many times as wide and as high.
    Size {
        /// 1 to 8.
        wide: u8,
        /// 1 to 8.
        high: u8,
    },
    /// `FS &` and `FS .`
    Chinese(bool),
    /// `ESC 3 n` and `ESC 2`: rows from line to line; `None` for the usual.
    Spacing(Option<u8>),
    /// `GS v 0`: so many bytes a row, so many rows, which follow.
    Raster {
        /// Of one row.
        bytes: u16,
        /// How many.
        rows: u16,
        /// Each dot so many dots wide.
        wide: u8,
        /// Each dot so many dots high.
        high: u8,
    },
    /// `GS V` and its elders: fed so many rows beyond the cutter, and cut.
    Cut {
        /// Through all of it.
        full: bool,
        /// Rows.
        feed: Option<u8>,
    },
    /// `GS a n`
    AutoStatus(u8),
    /// `GS r n`
    Sensors(u8),
    /// `GS I n`
    Identity(u8),
    /// `ESC p m t1 t2`: the cash drawer opens.
    Drawer,
    /// One that changes nothing here.
    Ignored,
    /// None that there is.
    Unknown,
}

/// The first command in these bytes, and how many of them it has; `None` while it is not whole.
pub(in crate::receipt) fn next(bytes: &[u8]) -> Option<(Command, usize)> {
    let first = *bytes.first()?;
    match first {
        0x0A => Some((Command::LineFeed, 1)),
        0x1B => escape(bytes),
        0x1D => group(bytes),
        0x1C => file(bytes),
        // NUL between commands is nothing, as other control characters without a meaning are.
        0x00..=0x1F => Some((Command::Ignored, 1)),
        _ => text(bytes),
    }
}

/// Text up to the next control character. A character of several bytes may hold none of them, and is
/// not cut in its middle.
fn text(bytes: &[u8]) -> Option<(Command, usize)> {
    let end = bytes.iter().position(|byte| *byte < 0x20).unwrap_or(bytes.len());
    let text = bytes.get(..end)?;
    Some((Command::Text(text.to_vec()), end))
}

fn escape(bytes: &[u8]) -> Option<(Command, usize)> {
    let argument = |at: usize| bytes.get(at).copied();
    let command = match argument(1)? {
        b'@' => (Command::Init, 2),
        b'2' => (Command::Spacing(None), 2),
        b'i' | b'm' => (Command::Cut { full: argument(1)? == b'i', feed: None }, 2),
        b'3' => (Command::Spacing(Some(argument(2)?)), 3),
        b'J' => (Command::FeedRows(argument(2)?), 3),
        b'd' => (Command::FeedLines(argument(2)?), 3),
        b'a' => (Command::Align(argument(2)?), 3),
        b'E' | b'G' => (Command::Bold(argument(2)? & 1 == 1), 3),
        b'!' => {
            let n = argument(2)?;
            let twice = |bit: u8| 1 + u8::from(n & bit != 0);
            (Command::Size { wide: twice(0x20), high: twice(0x10) }, 3)
        }
        b'-' | b't' | b'R' | b'M' | b'{' | b'V' | b' ' | b'=' | b'%' => {
            argument(2)?;
            (Command::Ignored, 3)
        }
        b'$' | b'\\' | b'c' => {
            argument(3)?;
            (Command::Ignored, 4)
        }
        b'p' => {
            argument(4)?;
            (Command::Drawer, 5)
        }
        b'*' => {
            let columns = usize::from(u16::from_le_bytes([argument(3)?, argument(4)?]));
            let height = if matches!(argument(2)?, 32 | 33) { 3 } else { 1 };
            let length = 5 + columns * height;
            bytes.get(..length)?;
            (Command::Ignored, length)
        }
        _ => (Command::Unknown, 2),
    };
    Some(command)
}

fn group(bytes: &[u8]) -> Option<(Command, usize)> {
    let argument = |at: usize| bytes.get(at).copied();
    let command = match argument(1)? {
        b'v' => {
            let two = |at: usize| Some(u16::from_le_bytes([argument(at)?, argument(at + 1)?]));
            let (mode, columns, rows) = (argument(3)? & 3, two(4)?, two(6)?);
            let (wide, high) = (1 + (mode & 1), 1 + (mode >> 1));
            (Command::Raster { bytes: columns, rows, wide, high }, 8)
        }
        b'V' => match argument(2)? {
            mode @ (0 | 1 | 48 | 49) => (Command::Cut { full: mode & 1 == 0, feed: None }, 3),
            mode @ (65 | 66) => (Command::Cut { full: mode == 65, feed: Some(argument(3)?) }, 4),
            _ => (Command::Unknown, 3),
        },
        b'a' => (Command::AutoStatus(argument(2)?), 3),
        b'r' => (Command::Sensors(argument(2)?), 3),
        b'I' => (Command::Identity(argument(2)?), 3),
        b'!' => {
            let n = argument(2)?;
            (Command::Size { wide: 1 + (n >> 4 & 7), high: 1 + (n & 7) }, 3)
        }
        b'B' | b'h' | b'w' | b'H' | b'f' | b'b' => {
            argument(2)?;
            (Command::Ignored, 3)
        }
        b'L' | b'W' | b'P' | b'$' | b'\\' => {
            argument(3)?;
            (Command::Ignored, 4)
        }
        b'(' => {
            let length = 5 + usize::from(u16::from_le_bytes([argument(3)?, argument(4)?]));
            bytes.get(..length)?;
            (Command::Ignored, length)
        }
        _ => (Command::Unknown, 2),
    };
    Some(command)
}

fn file(bytes: &[u8]) -> Option<(Command, usize)> {
    let argument = |at: usize| bytes.get(at).copied();
    let command = match argument(1)? {
        b'&' => (Command::Chinese(true), 2),
        b'.' => (Command::Chinese(false), 2),
        b'!' | b'-' | b'C' | b'W' => {
            argument(2)?;
            (Command::Ignored, 3)
        }
        b'S' => {
            argument(3)?;
            (Command::Ignored, 4)
        }
        _ => (Command::Unknown, 2),
    };
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_taken_when_it_is_whole_and_not_before() {
        let commands: [(&[u8], Command); 14] = [
            (b"\x1b@", Command::Init),
            (b"\x0a", Command::LineFeed),
            (b"\x00", Command::Ignored),
            (b"\x1bJ\x18", Command::FeedRows(24)),
            (b"\x1bd\x02", Command::FeedLines(2)),
            (b"\x1ba\x01", Command::Align(1)),
            (b"\x1bE\x01", Command::Bold(true)),
            (b"\x1d!\x11", Command::Size { wide: 2, high: 2 }),
            (b"\x1c&", Command::Chinese(true)),
            (b"\x1dV\x42\x10", Command::Cut { full: false, feed: Some(16) }),
            (b"\x1dV\x00", Command::Cut { full: true, feed: None }),
            (b"\x1da\x0e", Command::AutoStatus(14)),
            (b"\x1dr\x01", Command::Sensors(1)),
            (b"\x1bp\x00\x19\xfa", Command::Drawer),
        ];
        for (bytes, command) in commands {
            let length = bytes.len();
            for cut in 0..length {
                assert_eq!(next(&bytes[..cut]), None, "{bytes:02x?} at {cut}");
            }
            assert_eq!(next(bytes), Some((command, length)));
        }
    }

    #[test]
    fn a_picture_begins_with_its_size_in_bytes_and_rows() {
        // 16 by 3 dots, as python-escpos 3.1 sends them.
        let bytes = b"\x1dv0\x00\x02\x00\x03\x00\xff\x00\x00\x01\x80\x00";
        let raster = Command::Raster { bytes: 2, rows: 3, wide: 1, high: 1 };
        assert_eq!(next(bytes), Some((raster, 8)));
    }
}
