//! The inside of a virtual printer: its buffer, its paper, its sensors. Bytes in, answers out; no clock.
//!
//! Real-time commands are looked for in all that comes, dots too, are carried out at once, and never get
//! into the buffer, as in printers of Epson's. What is in the buffer is carried out in order while the
//! printer is online; when the paper ends, it stops in the middle, and goes on when there is paper again.

use std::collections::VecDeque;

use encoding_rs::GB18030;

use super::command::{self, Command};
use super::paper::Sheet;
use super::{Model, State};

const DLE: u8 = 0x10;

/// Rows from line to line, and the height and half the width of a Chinese character.
const LINE: u16 = 30;
const TALL: u16 = 24;
const NARROW: u16 = 12;

/// Rows of white from the head to the cutter.
const TO_CUTTER: u32 = 96;

/// Rows of one sheet that are kept; what is printed beyond them is not.
const MOST_ROWS: usize = 40_000;

/// A printer's inside.
pub(super) struct Machine {
    model: Model,
    buffer: VecDeque<u8>,
    /// The beginning of what may be a real-time command.
    real_time: Vec<u8>,
    raster: Option<Raster>,
    /// The line that is not printed yet: characters, and how large.
    line: Vec<Cell>,
    high: u8,
    wide: u8,
    align: u8,
    chinese: bool,
    spacing: u16,
    /// Which changes of status are told by themselves.
    auto: u8,
    told: Option<[u8; 4]>,
    /// How much of a feed is left.
    feed: u32,
    /// A cut waits until the paper is there.
    cut: Option<bool>,
}

struct Raster {
    bytes: usize,
    rows: u16,
    wide: u8,
    high: u8,
    /// The rows of the same dots that are still to be printed.
    again: Vec<Vec<u8>>,
}

#[derive(Clone)]
struct Cell {
    text: String,
    wide: u16,
    high: u16,
}

impl Machine {
    pub(super) fn new(model: Model) -> Self {
        Self {
            model,
            buffer: VecDeque::new(),
            real_time: Vec::new(),
            raster: None,
            line: Vec::new(),
            high: 1,
            wide: 1,
            align: 0,
            chinese: true,
            spacing: LINE,
            auto: 0,
            told: None,
            feed: 0,
            cut: None,
        }
    }

    /// How many bytes it takes now.
    pub(super) fn room(&self) -> usize {
        self.model.buffer.saturating_sub(self.buffer.len())
    }

    /// Whether anything is left to be done.
    pub(super) fn is_idle(&self) -> bool {
        self.buffer.is_empty() && self.feed == 0 && self.cut.is_none()
    }

    /// It was switched off and on.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.model);
    }

    /// Bytes come; what it says to them at once.
    pub(super) fn take(&mut self, bytes: &[u8], state: &mut State, says: &mut Vec<u8>) {
        for byte in bytes {
            self.real_time.push(*byte);
            match self.real_time[..] {
                [DLE] => {}
                [DLE, 0x04 | 0x05] => {}
                [DLE, 0x04, n @ 1..=4] => {
                    self.real_time.clear();
                    if self.model.answers {
                        says.push(state.answer(n));
                    }
                }
                [DLE, 0x05, 1 | 2] => {
                    self.real_time.clear();
                    if state.cutter_stuck {
                        state.cutter_error = false;
                    }
                }
                // DLE DC4 1 m t: a pulse for the drawer.
                [DLE, 0x14] | [DLE, 0x14, 1] | [DLE, 0x14, 1, _] => {}
                [DLE, 0x14, 1, _, _] => {
                    self.real_time.clear();
                    state.drawer += 1;
                }
                // None: what was held goes in, and the last byte may begin another.
                _ => {
                    let last = self.real_time.pop().filter(|_| !self.real_time.is_empty());
                    self.buffer.extend(self.real_time.drain(..));
                    match last {
                        Some(DLE) => self.real_time.push(DLE),
                        Some(other) => self.buffer.push_back(other),
                        None => self.buffer.push_back(*byte),
                    }
                }
            }
        }
    }

    /// Works until so many rows are printed, or nothing can be done; how many were printed.
    pub(super) fn work(&mut self, most: u32, state: &mut State, says: &mut Vec<u8>) -> u32 {
        let mut rows = 0;
        while rows < most && state.is_online() {
            if self.feed > 0 {
                self.feed -= 1;
                self.print(&[], state);
                rows += 1;
            } else if let Some(full) = self.cut.take() {
                self.cut_paper(full, state);
            } else if self.raster.is_some() {
                if !self.raster_row(state) {
                    break;
                }
                rows += 1;
            } else if !self.command(state, says) {
                break;
            }
        }
        rows
    }

    /// Its status, if it changed and is to be told.
    pub(super) fn news(&mut self, state: &State) -> Option<[u8; 4]> {
        let status = state.status();
        if self.auto == 0 || !self.model.tells || self.told == Some(status) {
            return None;
        }
        self.told = Some(status);
        Some(status)
    }

    fn raster_row(&mut self, state: &mut State) -> bool {
        let Some(raster) = &mut self.raster else { return false };
        if let Some(row) = raster.again.pop() {
            self.print(&row, state);
            return true;
        }
        if raster.rows == 0 {
            self.raster = None;
            return true;
        }
        if self.buffer.len() < raster.bytes {
            return false;
        }
        let row: Vec<u8> = self.buffer.drain(..raster.bytes).collect();
        let row = if raster.wide > 1 { twice_as_wide(&row) } else { row };
        raster.rows -= 1;
        raster.again = vec![row.clone(); usize::from(raster.high) - 1];
        if raster.rows == 0 && raster.again.is_empty() {
            self.raster = None;
        }
        self.print(&row, state);
        true
    }

    /// Carries out the next command; whether there was one.
    fn command(&mut self, state: &mut State, says: &mut Vec<u8>) -> bool {
        let bytes = self.buffer.make_contiguous();
        let Some((command, length)) = command::next(bytes) else { return false };
        self.buffer.drain(..length);
        match command {
            Command::Init => {
                (self.high, self.wide, self.align, self.spacing) = (1, 1, 0, LINE);
                (self.chinese, self.auto, self.told) = (true, 0, None);
                self.line.clear();
            }
            Command::Text(bytes) => self.write(&bytes, state),
            Command::LineFeed => self.end_line(state),
            Command::FeedRows(rows) => {
                self.flush_line(state);
                self.feed += u32::from(rows);
            }
            Command::FeedLines(lines) => {
                self.flush_line(state);
                self.feed += u32::from(lines) * u32::from(self.spacing);
            }
            Command::Align(n) => self.align = n % 48,
            Command::Size { wide, high } => (self.wide, self.high) = (wide, high),
            Command::Chinese(on) => self.chinese = on,
            Command::Spacing(rows) => self.spacing = rows.map_or(LINE, u16::from),
            Command::Raster { bytes, rows, wide, high } => {
                let bytes = usize::from(bytes);
                self.raster = Some(Raster { bytes, rows, wide, high, again: Vec::new() });
            }
            Command::Cut { full, feed } => {
                self.feed += feed.map_or(0, |rows| TO_CUTTER + u32::from(rows));
                self.cut = Some(full);
            }
            Command::AutoStatus(n) => {
                self.auto = n;
                // Told at once, in order with what else is asked.
                self.told = None;
                says.extend(self.news(state).into_iter().flatten());
            }
            Command::Sensors(1 | 49) if self.model.confirms => says.push(state.sensors()),
            Command::Identity(_) if self.model.answers => says.push(0x02),
            Command::Drawer => state.drawer += 1,
            Command::Unknown => state.unknown += 1,
            Command::Bold(_) | Command::Ignored | Command::Sensors(_) | Command::Identity(_) => {}
        }
        true
    }

    fn write(&mut self, bytes: &[u8], state: &mut State) {
        let decoded = if self.chinese {
            GB18030.decode_without_bom_handling(bytes).0.into_owned()
        } else {
            bytes.iter().map(|byte| char::from(*byte)).collect()
        };
        let width = u16::try_from(self.model.row_bytes * 8).unwrap_or(u16::MAX);
        for character in decoded.chars() {
            let narrow = if character.is_ascii() { NARROW } else { TALL };
            let wide = narrow * u16::from(self.wide);
            let used: u16 = self.line.iter().map(|cell| cell.wide).sum();
            if used + wide > width {
                self.end_line(state);
            }
            let text = character.to_string();
            self.line.push(Cell { text, wide, high: TALL * u16::from(self.high) });
        }
    }

    /// The line onto paper, if there is one.
    fn flush_line(&mut self, state: &mut State) {
        if !self.line.is_empty() {
            self.end_line(state);
        }
    }

    fn end_line(&mut self, state: &mut State) {
        let cells = std::mem::take(&mut self.line);
        let high = cells.iter().map(|cell| cell.high).max().unwrap_or(TALL);
        let used: u16 = cells.iter().map(|cell| cell.wide).sum();
        let width = u16::try_from(self.model.row_bytes * 8).unwrap_or(u16::MAX);
        let left = match self.align {
            1 => (width - used.min(width)) / 2,
            2 => width - used.min(width),
            _ => 0,
        };
        for row in 0..high {
            let mut dots = vec![0; self.model.row_bytes];
            let mut at = left;
            for cell in &cells {
                let (top, bottom) = (high - cell.high + 2, high - 3);
                let edge = row == top || row == bottom;
                if row >= top && row <= bottom && cell.text != " " {
                    for x in at + 1..at + cell.wide - 1 {
                        if edge || x == at + 1 || x == at + cell.wide - 2 {
                            blacken(&mut dots, x);
                        }
                    }
                }
                at += cell.wide;
            }
            self.print(&dots, state);
        }
        self.feed += u32::from(self.spacing.saturating_sub(high));
        let text: String = cells.iter().map(|cell| cell.text.as_str()).collect();
        state.sheet(self.model.row_bytes).lines.push(text);
    }

    /// A row onto paper.
    fn print(&self, dots: &[u8], state: &mut State) {
        let row_bytes = self.model.row_bytes;
        let sheet = state.sheet(row_bytes);
        if sheet.rows() < MOST_ROWS {
            sheet.dots.extend(dots.iter().take(row_bytes));
            let missing = row_bytes.saturating_sub(dots.len());
            sheet.dots.extend(std::iter::repeat_n(0, missing));
        }
        state.used_a_row();
    }

    fn cut_paper(&mut self, full: bool, state: &mut State) {
        if state.cutter_stuck {
            // It tries again when that was seen to.
            self.cut = Some(full);
            state.cutter_error = true;
            return;
        }
        state.cut_sheet();
    }
}

fn blacken(row: &mut [u8], x: u16) {
    if let Some(byte) = row.get_mut(usize::from(x / 8)) {
        *byte |= 0x80 >> (x % 8);
    }
}

fn twice_as_wide(row: &[u8]) -> Vec<u8> {
    let dot = |half: u8, bit: u8| ((half >> bit & 1) * 3) << (bit * 2);
    let spread = |half: u8| (0..4).fold(0, |all, bit| all | dot(half, bit));
    row.iter().flat_map(|byte| [spread(byte >> 4), spread(byte & 0x0F)]).collect()
}

impl State {
    /// The piece that is being printed.
    fn sheet(&mut self, row_bytes: usize) -> &mut Sheet {
        self.current.get_or_insert_with(|| Sheet { row_bytes, ..Sheet::default() })
    }
}
