//! A SAM-V reader as the far end of the wire: it answers the module's commands byte by byte, and
//! an invented card can be put on it and lifted.
//!
//! Works on any far line: in memory for `--simulate` and the tests, on a pty for
//! `hharome virtual`. [`VirtualReader`] is the device, [`ReaderHand`] the hand that works it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frame::{self, Body, FrameReader, Garbled};
use super::people::Card;
use super::text::encode_addresses;
use crate::port::far_end::{BoxedFarLine, VirtualDevice};

/// The id that the virtual module says: `05.03-20200102-0012345678-0087654321`.
pub const SAM_ID: [u8; 16] = [
    0x05, 0x00, 0x03, 0x00, 0xA6, 0x3A, 0x34, 0x01, 0x4E, 0x61, 0xBC, 0x00, 0xB1, 0x7F, 0x39, 0x05,
];

/// What the reader does wrong with each reply, until told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Says nothing.
    Silence,
    /// Says a wrong check byte.
    BadChecksum,
    /// Stops in the middle of the reply.
    CutFrame,
    /// Says nothing to a reading, and answers all else.
    MuteCard,
    /// Finds the card, and answers every reading of it with this status.
    Status(u8),
}

/// A virtual reader.
pub struct VirtualReader {
    state: Arc<Mutex<State>>,
}

/// Puts cards on a virtual reader, lifts them, and breaks it. Clones are hands at the same reader.
#[derive(Clone)]
pub struct ReaderHand {
    state: Arc<Mutex<State>>,
}

struct State {
    card: Option<Card>,
    /// How far the host has come with the card that lies there.
    found: bool,
    selected: bool,
    /// It was read, and is hidden until it is lifted.
    delivered: bool,
    fault: Option<(Fault, Option<u32>)>,
    baud: u32,
    /// How long reading text and photo takes.
    reading_time: Duration,
    chunk: usize,
}

impl VirtualReader {
    /// A reader without a card, at 115200 baud, and the hand that works it.
    #[must_use]
    pub fn new() -> (Self, ReaderHand) {
        let state = Arc::new(Mutex::new(State {
            card: None,
            found: false,
            selected: false,
            delivered: false,
            fault: None,
            baud: super::sam_v::RATES[0],
            reading_time: Duration::ZERO,
            chunk: usize::MAX,
        }));
        (Self { state: Arc::clone(&state) }, ReaderHand { state })
    }
}

impl ReaderHand {
    /// Puts a card on, in place of the one that may lie there.
    pub fn put(&self, card: Card) {
        let mut state = lock(&self.state);
        state.lift();
        state.card = Some(card);
    }

    /// Lifts the card.
    pub fn lift(&self) {
        lock(&self.state).lift();
    }

    /// Breaks the reader for the next `times` replies, or until it is mended.
    pub fn fault(&self, fault: Fault, times: Option<u32>) {
        lock(&self.state).fault = Some((fault, times));
    }

    /// Ends a fault.
    pub fn mend(&self) {
        lock(&self.state).fault = None;
    }

    /// The rate that the module is set to, in baud: at another it understands nothing.
    pub fn set_baud(&self, baud: u32) {
        lock(&self.state).baud = baud;
    }

    /// How long reading text and photo takes; real modules need 1 to 1.5 s.
    pub fn set_reading_time(&self, time: Duration) {
        lock(&self.state).reading_time = time;
    }

    /// Replies leave in pieces of this many bytes.
    pub fn set_chunk(&self, bytes: usize) {
        lock(&self.state).chunk = bytes.max(1);
    }
}

impl VirtualDevice for VirtualReader {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        let mut requests = FrameReader::for_requests();
        let mut chunk = [0; 256];
        loop {
            let read = match line.read(&mut chunk).await {
                Ok(read) if read > 0 => read,
                Ok(_) | Err(_) => return,
            };
            if line.host_baud().is_some_and(|rate| rate != lock(&self.state).baud) {
                // What a UART makes of another rate.
                let noise: Vec<u8> = chunk[..read].iter().map(|byte| byte ^ 0xA5).collect();
                if line.write_all(&noise).await.is_err() {
                    return;
                }
                continue;
            }
            requests.push(&chunk[..read]);
            while let Some(request) = requests.next_frame() {
                if self.answer(request, &mut line).await.is_none() {
                    return;
                }
            }
        }
    }
}

impl VirtualReader {
    /// `None` when the line is gone.
    async fn answer(&self, request: Result<Body, Garbled>, line: &mut BoxedFarLine) -> Option<()> {
        let reads = matches!(&request, Ok(Body(body)) if body.starts_with(&[0x30]));
        let (status, data) = match request {
            Ok(Body(body)) => match body.as_slice() {
                [command, parameter, data @ ..] => {
                    if *command == 0x30 && matches!(parameter, 0x01 | 0x10) {
                        let time = lock(&self.state).reading_time;
                        tokio::time::sleep(time).await;
                    }
                    lock(&self.state).carry_out([*command, *parameter], data)
                }
                _ => (0x11, Vec::new()),
            },
            Err(Garbled::Checksum) => (0x10, Vec::new()),
            Err(Garbled::Length(_)) => (0x11, Vec::new()),
        };
        let mut reply = frame::reply(status, &data);
        let (fault, chunk) = {
            let mut state = lock(&self.state);
            (state.take_fault(), state.chunk)
        };
        match fault {
            Some(Fault::Silence) => return Some(()),
            Some(Fault::MuteCard) if reads => return Some(()),
            Some(Fault::BadChecksum) => {
                if let Some(check) = reply.last_mut() {
                    *check ^= 0xFF;
                }
            }
            Some(Fault::CutFrame) => reply.truncate(reply.len() / 2),
            Some(Fault::MuteCard | Fault::Status(_)) | None => {}
        }
        for piece in reply.chunks(chunk) {
            line.write_all(piece).await.ok()?;
            line.flush().await.ok()?;
            if chunk != usize::MAX {
                tokio::task::yield_now().await;
            }
        }
        Some(())
    }
}

impl State {
    fn lift(&mut self) {
        self.card = None;
        self.found = false;
        self.selected = false;
        self.delivered = false;
    }

    fn take_fault(&mut self) -> Option<Fault> {
        let (fault, times) = self.fault.as_mut()?;
        let fault = *fault;
        if let Some(times) = times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.fault = None;
            }
        }
        Some(fault)
    }

    /// One command of the module: its status and data.
    fn carry_out(&mut self, command: [u8; 2], data: &[u8]) -> (u8, Vec<u8>) {
        const OK: u8 = 0x90;
        if let (Some((Fault::Status(status), _)), [0x30, 0x01 | 0x10]) = (&self.fault, command) {
            return (*status, Vec::new());
        }
        match command {
            [0x10, 0xFF] => {
                self.found = false;
                self.selected = false;
                self.delivered = false;
                (OK, Vec::new())
            }
            [0x11 | 0x61, 0xFF] => (OK, Vec::new()),
            [0x12, 0xFF] => (OK, SAM_ID.to_vec()),
            [0x20, 0x01] => {
                self.selected = false;
                self.found = self.card.is_some() && !self.delivered;
                if self.found { (0x9F, vec![0; 4]) } else { (0x80, Vec::new()) }
            }
            [0x20, 0x02] => {
                self.selected = self.found && self.card.is_some();
                if self.selected { (OK, vec![0; 8]) } else { (0x81, Vec::new()) }
            }
            [0x30, 0x01] => self.read(false),
            [0x30, 0x10] => self.read(true),
            [0x30, 0x03] => self.newest_address(),
            [0x60, code] => match super::sam_v::RATES.get(usize::from(code)) {
                Some(rate) => {
                    self.baud = *rate;
                    (OK, data.to_vec())
                }
                None => (0x21, Vec::new()),
            },
            _ => (0x21, Vec::new()),
        }
    }

    fn read(&mut self, with_fingerprint: bool) -> (u8, Vec<u8>) {
        let Some(card) = self.card.as_ref().filter(|_| self.selected) else {
            return (0x41, Vec::new());
        };
        let Ok(text) = card.text.encode() else {
            return (0x33, Vec::new());
        };
        let fingerprint = card.fingerprint.as_deref().unwrap_or_default();
        let mut parts: Vec<&[u8]> = vec![&text, &card.photo];
        if with_fingerprint {
            parts.push(fingerprint);
        }
        let mut data = Vec::with_capacity(6 + 256 + 1024 + fingerprint.len());
        for part in &parts {
            data.extend(u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
        for part in &parts {
            data.extend_from_slice(part);
        }
        self.delivered = true;
        (0x90, data)
    }

    fn newest_address(&self) -> (u8, Vec<u8>) {
        let Some(card) = self.card.as_ref().filter(|_| self.selected) else {
            return (0x41, Vec::new());
        };
        if card.appended_addresses.is_empty() {
            return (0x91, Vec::new());
        }
        encode_addresses(&card.appended_addresses).map_or((0x41, Vec::new()), |file| (0x90, file))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing that can panic runs under the lock, so a poisoned one is still whole.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
