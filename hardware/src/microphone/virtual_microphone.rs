//! A microphone as the far end of the wire: it hears a tone, silence, or a file, at the clock's pace,
//! and breaks when a hand says so.
//!
//! In memory for `--simulate` and the tests.

use std::f64::consts::TAU;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::port::far_end::{BoxedFarLine, VirtualDevice};
use crate::port::packets::packet;
use crate::port::pcm::{GAP, OPENED, OVERRUN, RATE, SOUND, TROUBLE};

/// How loud a tone is: a quarter of what 16 bits hold, as somebody who speaks into it.
const LOUDNESS: f64 = 8192.0;

/// How much longer than a piece the hole of one [`MicrophoneHand::gap`] is.
const GAP_FRAMES: u32 = RATE / 10;

/// How much faster than the clock a microphone with [`Fault::Fast`] gives its sound.
const FAST: u32 = 20;

/// The system's number of "device or resource busy".
const EBUSY: i32 = 16;

/// What the microphone does wrong, until told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Gives no sound any more.
    Stall,
    /// Gives its sound as fast as it is taken, up to 20 times as fast as it is heard.
    Fast,
    /// Another program has it; those that have it now keep it.
    Held,
}

/// What it hears.
#[derive(Clone, Debug, Default)]
enum Heard {
    #[default]
    Silence,
    /// A sine of this frequency, and how far it is, in turns.
    Tone(f64, f64),
    /// Samples, and how many of them were heard; silence after them.
    Samples(Arc<[i16]>, usize),
}

/// A virtual microphone.
pub struct VirtualMicrophone {
    shared: Arc<Shared>,
    piece: Duration,
}

/// What works a virtual microphone. Clones work the same one.
#[derive(Clone)]
pub struct MicrophoneHand {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    heard: Heard,
    fault: Option<Fault>,
    gaps: u32,
}

impl VirtualMicrophone {
    /// One that gives its sound in pieces of this length, and the hand that works it.
    #[must_use]
    pub fn new(piece: Duration) -> (Self, MicrophoneHand) {
        let shared = Arc::new(Shared::default());
        let piece = piece.min(Duration::from_millis(40));
        (Self { shared: Arc::clone(&shared), piece }, MicrophoneHand { shared })
    }
}

impl MicrophoneHand {
    /// It hears a tone of this many Hz from now on.
    pub fn tone(&self, hz: u32) {
        self.shared.lock().heard = Heard::Tone(f64::from(hz), 0.0);
    }

    /// It hears nothing from now on, as at the beginning.
    pub fn silence(&self) {
        self.shared.lock().heard = Heard::Silence;
    }

    /// Somebody says this, once, beginning with the next piece that is heard; silence after it.
    pub fn say(&self, samples: &[i16]) {
        self.shared.lock().heard = Heard::Samples(samples.into(), 0);
    }

    /// A tenth of a second is lost, as in an overrun, once.
    pub fn gap(&self) {
        self.shared.lock().gaps += 1;
    }

    /// Breaks it until it is mended.
    pub fn fault(&self, fault: Fault) {
        self.shared.lock().fault = Some(fault);
        self.shared.news.notify_one();
    }

    /// Ends a fault.
    pub fn mend(&self) {
        self.shared.lock().fault = None;
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
    /// The next frames as PCM.
    fn hear(&mut self, frames: usize) -> Vec<u8> {
        let mut next = || match &mut self.heard {
            Heard::Silence => 0,
            Heard::Tone(hz, turn) => {
                let sample = (*turn * TAU).sin() * LOUDNESS;
                *turn = (*turn + *hz / f64::from(RATE)).fract();
                #[expect(clippy::cast_possible_truncation, reason = "it is a quarter of the range")]
                {
                    sample.round() as i16
                }
            }
            Heard::Samples(samples, said) => {
                *said += 1;
                samples.get(*said - 1).copied().unwrap_or_default()
            }
        };
        (0..frames).flat_map(|_| next().to_le_bytes()).collect()
    }
}

impl VirtualDevice for VirtualMicrophone {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        if self.shared.lock().fault == Some(Fault::Held) {
            let _ = line.write_all(&packet(TROUBLE, &EBUSY.to_be_bytes())).await;
            return;
        }
        if line.write_all(&packet(OPENED, &[])).await.is_err() {
            return;
        }
        let mut said = [0; 64];
        // Whatever is said is that it may begin.
        if !matches!(line.read(&mut said).await, Ok(1..)) {
            return;
        }
        let mut due = Instant::now() + self.piece;
        loop {
            let fault = self.shared.lock().fault;
            let waits = async {
                match fault {
                    Some(Fault::Stall) => pending().await,
                    _ => sleep_until(due).await,
                }
            };
            tokio::select! {
                biased;
                read = line.read(&mut said) => if !matches!(read, Ok(1..)) { return },
                () = self.shared.news.notified() => {
                    // What was not heard is not made good for.
                    due = due.max(Instant::now());
                }
                () = waits => {
                    if line.write_all(&self.next_pieces()).await.is_err() {
                        return;
                    }
                    due += if fault == Some(Fault::Fast) { self.piece / FAST } else { self.piece };
                }
            }
        }
    }
}

impl VirtualMicrophone {
    fn next_pieces(&self) -> Vec<u8> {
        let mut state = self.shared.lock();
        let mut line = Vec::new();
        for _ in 0..std::mem::take(&mut state.gaps) {
            let mut data = GAP_FRAMES.to_be_bytes().to_vec();
            data.push(OVERRUN);
            line.extend(packet(GAP, &data));
        }
        let frames = self.piece.as_micros() * u128::from(RATE) / 1_000_000;
        let sound = state.hear(usize::try_from(frames).unwrap_or_default());
        line.extend(packet(SOUND, &sound));
        line
    }
}
