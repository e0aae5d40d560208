//! A scanner as the far end of the wire: it sends the codes that a hand gives it, and, as a
//! GM65-type module in command mode, only while it is triggered.
//!
//! Works on any far line: in memory for `--simulate` and the tests, on a pty for
//! `hharome virtual`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::framing::MAX_CODE;
use super::trigger::Trigger;
use crate::port::far_end::{BoxedFarLine, VirtualDevice};

/// What the scanner does wrong, until told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Says nothing.
    Silence,
    /// Stops in the middle of a code and never says the suffix.
    CutFrame,
}

/// Codes that may be shown before the scanner has read them; a hand holds one at a time.
const MOST_SHOWN: usize = 64;

/// Why a scanner does not see a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unseen {
    /// No symbol holds so much.
    #[error("the code is longer than {MAX_CODE} bytes")]
    TooLong,
    /// The scanner is unplugged, or not triggered.
    #[error("{MOST_SHOWN} codes wait to be read already")]
    TooMany,
}

/// A virtual scanner.
pub struct VirtualScanner {
    shared: Arc<Shared>,
    suffix: Vec<u8>,
    /// The module's command set; without one it says at once what it sees.
    trigger: Option<Trigger>,
}

/// Holds codes in front of a virtual scanner. Clones are hands at the same scanner.
#[derive(Clone)]
pub struct ScannerHand {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    shown: VecDeque<Vec<u8>>,
    fault: Option<Fault>,
    triggered: bool,
}

impl VirtualScanner {
    /// A scanner that ends its codes with `suffix`, and the hand that works it.
    #[must_use]
    pub fn new(suffix: &[u8], trigger: Option<Trigger>) -> (Self, ScannerHand) {
        let shared = Arc::new(Shared { state: Mutex::default(), news: Notify::new() });
        let scanner = Self { shared: Arc::clone(&shared), suffix: suffix.to_owned(), trigger };
        (scanner, ScannerHand { shared })
    }
}

impl ScannerHand {
    /// Shows a code. A module in command mode reads it when it is triggered.
    ///
    /// # Errors
    /// [`Unseen`], for a code that no scanner would give, or one behind too many others.
    pub fn scan(&self, code: &[u8]) -> Result<(), Unseen> {
        if code.len() > MAX_CODE {
            return Err(Unseen::TooLong);
        }
        let mut state = self.shared.lock();
        if state.shown.len() >= MOST_SHOWN {
            return Err(Unseen::TooMany);
        }
        state.shown.push_back(code.to_owned());
        drop(state);
        self.shared.news.notify_one();
        Ok(())
    }

    /// Takes away what is shown and was not read yet.
    pub fn clear(&self) {
        self.shared.lock().shown.clear();
    }

    /// Breaks the scanner until it is mended.
    pub fn fault(&self, fault: Fault) {
        self.shared.lock().fault = Some(fault);
    }

    /// Ends a fault.
    pub fn mend(&self) {
        self.shared.lock().fault = None;
    }

    /// Whether the module is scanning.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.shared.lock().triggered
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VirtualDevice for VirtualScanner {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        let mut chunk = [0; 256];
        let mut said = Vec::new();
        // What a module had begun it has forgotten when it is powered again.
        self.shared.lock().triggered = false;
        loop {
            while let Some(bytes) = self.next_to_say() {
                if line.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                biased;
                read = line.read(&mut chunk) => match read {
                    Ok(read) if read > 0 => {
                        said.extend_from_slice(&chunk[..read]);
                        if let Some(reply) = self.obey(&mut said)
                            && line.write_all(&reply).await.is_err()
                        {
                            return;
                        }
                    }
                    Ok(_) | Err(_) => return,
                },
                () = self.shared.news.notified() => {}
            }
        }
    }
}

impl VirtualScanner {
    fn next_to_say(&self) -> Option<Vec<u8>> {
        let mut state = self.shared.lock();
        if self.trigger.is_some() && !state.triggered {
            return None;
        }
        let mut code = state.shown.pop_front()?;
        state.triggered = false;
        match state.fault {
            Some(Fault::Silence) => return Some(Vec::new()),
            Some(Fault::CutFrame) => code.truncate(code.len() / 2),
            None => code.extend_from_slice(&self.suffix),
        }
        Some(code)
    }

    /// Carries out the commands that have arrived; the acknowledgement, where there is one.
    fn obey(&self, said: &mut Vec<u8>) -> Option<Vec<u8>> {
        let Some(trigger) = self.trigger else {
            said.clear();
            return None;
        };
        let mut reply = Vec::new();
        loop {
            let starts = said.starts_with(trigger.start());
            let stops = said.starts_with(trigger.stop());
            if !starts && !stops {
                break;
            }
            let length = if starts { trigger.start().len() } else { trigger.stop().len() };
            said.drain(..length);
            self.shared.lock().triggered = starts;
            reply.extend_from_slice(acknowledgement(trigger));
        }
        (!reply.is_empty()).then_some(reply)
    }
}

/// What a module says to a command that it takes, before any code.
fn acknowledgement(trigger: Trigger) -> &'static [u8] {
    match trigger {
        Trigger::Gm65 => b"\x02\x00\x00\x01\x00\x33\x31",
        Trigger::Newland => b"\x02\x010000#SCNTRG\x06;\x03",
        Trigger::NewlandOld => b"\x06",
        Trigger::Honeywell => b"",
        Trigger::M3y => b"\x5A\x01\x00\x02\x90\x00\x93\xA5",
    }
}
