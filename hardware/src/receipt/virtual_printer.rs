//! A printer as the far end of ESC/POS: it decodes what it gets onto paper of its own, and has every
//! trouble that a printer can have.
//!
//! Written from Epson's ESC/POS manual, not from the encoder. Works on any far line: in memory for
//! `simulated` and the tests, on a pty or a TCP port for `hharome virtual printer`. Its buffer, its paper
//! and what it was told stay when its line is pulled out, as those of a printer with power do.

pub(super) mod command;
mod machine;
pub mod paper;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use self::machine::Machine;
use self::paper::Sheet;
use crate::port::far_end::{BoxedFarLine, VirtualDevice};

/// Cut pieces of paper that are kept.
const KEPT: usize = 256;

/// A printer of limited speed works in steps of this length.
const STEP: Duration = Duration::from_millis(10);

/// What kind of printer it is.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// The bytes of one row.
    pub row_bytes: usize,
    /// The bytes that it takes before it prints.
    pub buffer: usize,
    /// It answers inquiries (`DLE EOT`).
    pub answers: bool,
    /// It answers `GS r`.
    pub confirms: bool,
    /// It tells changes of its status by itself (`GS a`).
    pub tells: bool,
    /// Rows that it prints in a second; `None`: at once.
    pub speed: Option<u32>,
}

impl Default for Model {
    /// A quick printer on paper of 58 mm, with all that there is.
    fn default() -> Self {
        let (row_bytes, buffer) = (48, 4096);
        Self { row_bytes, buffer, answers: true, confirms: true, tells: true, speed: None }
    }
}

/// What can be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its paper is used up.
    PaperOut,
    /// Its paper ends soon.
    NearEnd,
    /// Its cover is open.
    CoverOpen,
    /// It is switched to offline.
    Offline,
    /// Its cutter gets stuck at the next cut.
    Cutter,
    /// Its head is too hot.
    Hot,
    /// It has broken for good.
    Broken,
    /// It takes no more bytes, and says nothing of it.
    StopsReading,
    /// It says nothing, and prints.
    Silence,
}

/// A virtual printer.
pub struct VirtualPrinter {
    model: Model,
    machine: Machine,
    shared: Arc<Shared>,
}

/// Breaks a virtual printer, mends it, fills up its paper, and sees what it has printed. Clones are
/// hands at the same one.
#[derive(Clone)]
pub struct PrinterHand {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    news: Notify,
    cuts: watch::Sender<u64>,
}

/// How it is, and what came out of it.
#[derive(Default)]
struct State {
    paper_out: bool,
    near_end: bool,
    cover_open: bool,
    offline: bool,
    cutter_stuck: bool,
    cutter_error: bool,
    hot: bool,
    broken: bool,
    stops_reading: bool,
    silent: bool,
    switched_off: bool,
    hangs_up: bool,
    /// Rows until the paper is used up; `None`: there is no end of it.
    paper_left: Option<u32>,
    current: Option<Sheet>,
    sheets: VecDeque<Sheet>,
    /// Sheets cut off so far.
    cut: u64,
    drawer: u32,
    unknown: u32,
    bytes: u64,
}

impl VirtualPrinter {
    /// A printer, and the hand that works it.
    #[must_use]
    pub fn new(model: Model) -> (Self, PrinterHand) {
        let (state, news) = (Mutex::default(), Notify::new());
        let shared = Arc::new(Shared { state, news, cuts: watch::Sender::new(0) });
        let hand = PrinterHand { shared: Arc::clone(&shared) };
        (Self { model, machine: Machine::new(model), shared }, hand)
    }
}

impl PrinterHand {
    /// Something goes wrong.
    pub fn fault(&self, fault: Fault) {
        self.change(|state| match fault {
            Fault::PaperOut => state.paper_out = true,
            Fault::NearEnd => state.near_end = true,
            Fault::CoverOpen => state.cover_open = true,
            Fault::Offline => state.offline = true,
            Fault::Cutter => state.cutter_stuck = true,
            Fault::Hot => state.hot = true,
            Fault::Broken => state.broken = true,
            Fault::StopsReading => state.stops_reading = true,
            Fault::Silence => state.silent = true,
        });
    }

    /// All is well again, with paper without an end.
    pub fn mend(&self) {
        self.change(|state| {
            let fresh = State::default();
            let old = std::mem::replace(state, fresh);
            (state.current, state.sheets, state.cut) = (old.current, old.sheets, old.cut);
            (state.drawer, state.unknown, state.bytes) = (old.drawer, old.unknown, old.bytes);
        });
    }

    /// A roll with so many rows is put in.
    pub fn put_paper(&self, rows: u32) {
        self.change(|state| (state.paper_left, state.paper_out) = (Some(rows), rows == 0));
    }

    /// It is switched off and on: what was in its buffer is lost.
    pub fn switch_off_and_on(&self) {
        self.change(|state| state.switched_off = true);
    }

    /// It closes its line, as network printers do when nobody has used it for a while.
    pub fn hang_up(&self) {
        self.change(|state| state.hangs_up = true);
    }

    /// The pieces of paper that were cut off, the oldest first, and the one that is being printed.
    #[must_use]
    pub fn sheets(&self) -> Vec<Sheet> {
        let state = self.shared.lock();
        state.sheets.iter().chain(&state.current).cloned().collect()
    }

    /// The last `most` pieces with anything on them, the oldest first, the one that is being printed
    /// among them; and how many were cut off so far.
    #[must_use]
    pub fn last_sheets(&self, most: usize) -> (Vec<Sheet>, u64) {
        let state = self.shared.lock();
        let printing = state.current.iter().filter(|sheet| sheet.printed_rows() > 0);
        let all = state.sheets.iter().chain(printing);
        let skipped = all.clone().count().saturating_sub(most);
        (all.skip(skipped).cloned().collect(), state.cut)
    }

    /// Takes away the pieces that were cut off.
    #[must_use]
    pub fn take_sheets(&self) -> Vec<Sheet> {
        self.shared.lock().sheets.drain(..).collect()
    }

    /// How many pieces were cut off so far.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.shared.lock().cut
    }

    /// How often the cash drawer was opened.
    #[must_use]
    pub fn drawer_pulses(&self) -> u32 {
        self.shared.lock().drawer
    }

    /// How many commands it did not know.
    #[must_use]
    pub fn unknown_commands(&self) -> u32 {
        self.shared.lock().unknown
    }

    /// How many bytes it has got.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.lock().bytes
    }

    /// Told of each cut: how many there were.
    #[must_use]
    pub fn watch_cuts(&self) -> watch::Receiver<u64> {
        self.shared.cuts.subscribe()
    }

    fn change(&self, what: impl FnOnce(&mut State)) {
        what(&mut self.shared.lock());
        self.shared.news.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_online(&self) -> bool {
        let stopped = self.cover_open || self.offline || self.cutter_error || self.hot;
        !(stopped || self.paper_out || self.broken)
    }

    /// The answer to `DLE EOT n`.
    fn answer(&self, n: u8) -> u8 {
        let bits = match n {
            1 => u8::from(!self.is_online()) << 3,
            2 => {
                let error = self.cutter_error || self.hot || self.broken;
                u8::from(self.cover_open) << 2
                    | u8::from(self.paper_out) << 5
                    | u8::from(error) << 6
            }
            3 => {
                u8::from(self.cutter_error) << 3
                    | u8::from(self.broken) << 5
                    | u8::from(self.hot) << 6
            }
            _ => {
                let end = if self.paper_out { 0x6C } else { 0 };
                end | if self.near_end { 0x0C } else { 0 }
            }
        };
        0x12 | bits
    }

    /// The answer to `GS r 1`.
    fn sensors(&self) -> u8 {
        let end = if self.paper_out { 0x0F } else { 0 };
        end | if self.near_end { 0x03 } else { 0 }
    }

    /// Automatic status.
    fn status(&self) -> [u8; 4] {
        let first = 0x10 | u8::from(!self.is_online()) << 3 | u8::from(self.cover_open) << 5;
        let second =
            u8::from(self.cutter_error) << 3 | u8::from(self.broken) << 5 | u8::from(self.hot) << 6;
        [first, second, self.sensors(), 0x0F]
    }

    fn used_a_row(&mut self) {
        if let Some(left) = &mut self.paper_left {
            *left = left.saturating_sub(1);
            self.paper_out |= *left == 0;
        }
    }

    fn cut_sheet(&mut self) {
        if let Some(mut sheet) = self.current.take() {
            sheet.cut = true;
            if self.sheets.len() >= KEPT {
                self.sheets.pop_front();
            }
            self.sheets.push_back(sheet);
            self.cut += 1;
        }
    }
}

impl VirtualDevice for VirtualPrinter {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        let mut chunk = [0; 1024];
        let mut free = Instant::now();
        loop {
            let (mut says, silent, reads);
            {
                let mut state = self.shared.lock();
                if std::mem::take(&mut state.hangs_up) {
                    return;
                }
                if std::mem::take(&mut state.switched_off) {
                    self.machine.reset();
                }
                let now = Instant::now();
                says = Vec::new();
                match self.model.speed {
                    None => {
                        self.machine.work(u32::MAX, &mut state, &mut says);
                    }
                    Some(speed) if free <= now => {
                        let most = (speed / 100).max(1);
                        if self.machine.work(most, &mut state, &mut says) > 0 {
                            free = now + STEP;
                        }
                    }
                    Some(_) => {}
                }
                says.extend(self.machine.news(&state).into_iter().flatten());
                let cut = state.cut;
                self.shared.cuts.send_if_modified(|told| std::mem::replace(told, cut) != cut);
                (silent, reads) = (state.silent, !state.stops_reading);
            }
            if !says.is_empty() && !silent && line.write_all(&says).await.is_err() {
                return;
            }
            let room = self.machine.room().min(chunk.len());
            let busy = !self.machine.is_idle() && free > Instant::now();
            let room = chunk.get_mut(..room).unwrap_or_default();
            let mut says = Vec::new();
            tokio::select! {
                biased;
                () = self.shared.news.notified() => {}
                () = sleep_until(free), if busy => {}
                read = line.read(room), if reads && !room.is_empty() => match read {
                    Ok(read) if read > 0 => {
                        let mut state = self.shared.lock();
                        state.bytes += read as u64;
                        let bytes = chunk.get(..read).unwrap_or_default();
                        self.machine.take(bytes, &mut state, &mut says);
                    }
                    // What it has got it prints, whether or not somebody is there.
                    Ok(_) | Err(_) => {
                        self.machine.work(u32::MAX, &mut self.shared.lock(), &mut says);
                        return;
                    }
                },
            }
            let silent = self.shared.lock().silent;
            if !says.is_empty() && !silent && line.write_all(&says).await.is_err() {
                return;
            }
        }
    }
}
