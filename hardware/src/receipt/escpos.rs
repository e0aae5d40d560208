//! Receipts as ESC/POS: dots as raster bands, feeds, and the cut. Pure.
//!
//! [`encode`] is called once a receipt, on the thread that laid it out; the driver ([`super::driver`])
//! writes the blocks. Commands are those of Epson's ESC/POS manual; the cash drawer is never touched.
//!
//! ```text
//! bands of a page ─► rows ─┬─ black ones ─► GS v 0, a band at a time ─► Block
//!                          └─ white ones ─► in the band, or ESC J;  at the end: left out
//! ```

use super::layout::Band;

/// Makes the printer as it is after it was switched on, settings and all (`ESC @`).
pub const INIT: [u8; 2] = [0x1B, b'@'];

/// Asks for four bytes of status now and at each change of online, error or paper (`GS a`). Until
/// [`INIT`].
pub const STATUS_BACK: [u8; 3] = [0x1D, b'a', 0x0E];

/// Asks for the paper sensors, in order with the data: the answer comes when all before it has been
/// carried out (`GS r 1`).
pub const SENSORS: [u8; 3] = [0x1D, b'r', 1];

/// Asks for status at once, ahead of all data: of the printer (1), why it is offline (2), of its
/// errors (3), of its paper (4) (`DLE EOT n`).
#[must_use]
pub const fn inquiry(what: u8) -> [u8; 3] {
    [0x10, 0x04, what]
}

/// What a printer is told after a receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// The paper is cut but for a bridge in the middle, so that it does not fall.
    #[default]
    Partial,
    /// The paper is cut through.
    Full,
    /// The printer has no cutter: whoever takes the receipt tears it off.
    None,
}

/// How receipts are put for one printer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Rows of dots in one band: no more than the printer's buffer takes. At least 1.
    pub band_rows: u16,
    /// Long stretches of white are fed and not sent as dots: faster where the line is slow. The feed's
    /// unit is that of one row of dots in nearly all printers of 203 dots an inch.
    pub feeds_white: bool,
    /// What ends a receipt.
    pub cut: Cut,
    /// Rows of white between the last dots and the cut, which comes on top of what the printer feeds
    /// by itself to bring the paper to its cutter.
    pub feed_dots: u16,
}

/// A receipt, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Job {
    /// In their order.
    pub blocks: Vec<Block>,
    /// Rows of dots of the receipt, without the white at its end.
    pub rows: u32,
}

/// One command for paper, whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// The command.
    pub bytes: Vec<u8>,
    /// Rows of the receipt that are on paper once it has been carried out.
    pub rows: u32,
}

/// White stretches of fewer rows are sent as dots: so few are fed within letters and between lines,
/// where a printer with another unit of feeding would tear type apart.
const LEAST_FED: u32 = 24;

/// A page as ESC/POS; the white at its end is left out.
#[must_use]
pub fn encode(bands: impl Iterator<Item = Band>, profile: &Profile) -> Job {
    encoder(bands, profile).finish()
}

/// The same with something behind it: the white at its end is fed.
#[must_use]
pub(super) fn encode_part(bands: impl Iterator<Item = Band>, profile: &Profile) -> Job {
    let mut encoder = encoder(bands, profile);
    encoder.end_band();
    let white = std::mem::take(&mut encoder.white);
    if white > 0 {
        encoder.rows += white;
        encoder.blocks.push(Block { bytes: feeds(white), rows: encoder.rows });
    }
    encoder.finish()
}

fn encoder(bands: impl Iterator<Item = Band>, profile: &Profile) -> Encoder<'_> {
    let mut encoder = Encoder::new(profile);
    for band in bands {
        for row in band.bits.chunks(band.width_bytes.max(1)) {
            encoder.row(row);
        }
    }
    encoder
}

/// What ends a receipt: white paper, and the cut.
#[must_use]
pub fn ending(profile: &Profile) -> Vec<u8> {
    let cut = match profile.cut {
        Cut::Full => 65,
        Cut::Partial => 66,
        Cut::None => return feeds(u32::from(profile.feed_dots)),
    };
    // A cut feeds no more than a byte says.
    let feed = u8::try_from(profile.feed_dots).unwrap_or(u8::MAX);
    let mut bytes = feeds(u32::from(profile.feed_dots) - u32::from(feed));
    bytes.extend([0x1D, b'V', cut, feed]);
    bytes
}

/// Paper out of the printer by so many rows (`ESC J`, 255 at a time).
fn feeds(rows: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut left = rows;
    while left > 0 {
        let rows = u8::try_from(left).unwrap_or(u8::MAX);
        bytes.extend([0x1B, b'J', rows]);
        left -= u32::from(rows);
    }
    bytes
}

struct Encoder<'a> {
    profile: &'a Profile,
    blocks: Vec<Block>,
    /// The rows of the band that is being filled.
    band: Vec<u8>,
    width: usize,
    band_rows: u16,
    /// White rows since the last black dot, which are in no band yet.
    white: u32,
    /// Rows so far, but for those.
    rows: u32,
}

impl<'a> Encoder<'a> {
    fn new(profile: &'a Profile) -> Self {
        let (blocks, band) = (Vec::new(), Vec::new());
        Self { profile, blocks, band, width: 0, band_rows: 0, white: 0, rows: 0 }
    }

    fn row(&mut self, row: &[u8]) {
        if row.iter().all(|byte| *byte == 0) {
            self.white += 1;
            return;
        }
        let white = std::mem::take(&mut self.white);
        if self.profile.feeds_white && white >= LEAST_FED {
            self.end_band();
            self.rows += white;
            self.blocks.push(Block { bytes: feeds(white), rows: self.rows });
        } else {
            let blank = vec![0; row.len()];
            for _ in 0..white {
                self.black(&blank);
            }
        }
        self.black(row);
    }

    fn black(&mut self, row: &[u8]) {
        self.width = row.len();
        self.band.extend_from_slice(row);
        self.band_rows += 1;
        self.rows += 1;
        if self.band_rows >= self.profile.band_rows.max(1) {
            self.end_band();
        }
    }

    fn end_band(&mut self) {
        if self.band_rows == 0 {
            return;
        }
        let used = |row: &[u8]| row.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        let rows = self.band.chunks(self.width);
        // A band that is white to its right edge is one byte wide: no printer takes none.
        let width = rows.map(used).max().unwrap_or(0).max(1);
        let [x_low, x_high] = u16::try_from(width).unwrap_or(u16::MAX).to_le_bytes();
        let [y_low, y_high] = self.band_rows.to_le_bytes();
        let mut bytes = Vec::with_capacity(8 + width * usize::from(self.band_rows));
        bytes.extend([0x1D, b'v', b'0', 0, x_low, x_high, y_low, y_high]);
        for row in self.band.chunks(self.width) {
            bytes.extend_from_slice(row.get(..width).unwrap_or(row));
        }
        part_commands(&mut bytes);
        self.blocks.push(Block { bytes, rows: self.rows });
        self.band.clear();
        self.band_rows = 0;
    }

    fn finish(mut self) -> Job {
        self.end_band();
        Job { blocks: self.blocks, rows: self.rows }
    }
}

/// Printers look for real-time commands (`DLE EOT`, `DLE ENQ`, `DLE DC4`, which opens the cash drawer)
/// in all that comes, pictures too. Where dots would read as one, a dot beside a black one becomes
/// black: nobody sees it.
fn part_commands(bytes: &mut [u8]) {
    for at in 1..bytes.len() {
        if let Some([first, second]) = bytes.get_mut(at - 1..=at)
            && *first == 0x10
            && matches!(*second, 0x04 | 0x05 | 0x14)
        {
            *first = 0x18;
        }
    }
}

#[cfg(test)]
mod tests;
