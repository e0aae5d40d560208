//! A keyboard and a touch screen in one, as the far end of an input device's line. A hand types on it
//! and touches it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use super::layout::{Held, LEFT_CTRL, LEFT_SHIFT};
use crate::port::far_end::{BoxedFarLine, VirtualDevice};
use crate::port::input::{EV_ABS, EV_KEY, EV_SYN, InputEvent, SYN_REPORT};

/// Events of one hand that may wait for a driver which does not read: more than a code of the
/// longest kind is typed with. What is beyond is lost, as in the kernel.
const MOST_WAITING: usize = 128 * 1024;

/// What was typed longer ago than this when the line is opened is lost: a driver that opens it
/// because of a hand's owner is on its way.
const REMEMBERED: Duration = Duration::from_secs(1);

/// What a scan code stands in (linux/input-event-codes.h), as every USB keyboard sends before a key.
const EV_MSC: u16 = 4;
const MSC_SCAN: u16 = 4;
/// A finger is on the surface, and where: the first is a button, so a key.
const BTN_TOUCH: u16 = 0x14a;
const ABS_MT_POSITION_X: u16 = 0x35;
const ABS_MT_POSITION_Y: u16 = 0x36;

/// The device.
pub struct VirtualKeyboard(Arc<Shared>);

/// Types and touches. Clones are hands at the same device.
#[derive(Clone)]
pub struct KeyboardHand(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<VecDeque<(Instant, InputEvent)>>,
    news: Notify,
}

/// A character that a US keyboard does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a US keyboard types ASCII only")]
pub struct NoSuchKey;

impl VirtualKeyboard {
    /// A keyboard, and the hand at it.
    #[must_use]
    pub fn new() -> (Self, KeyboardHand) {
        let shared = Arc::new(Shared::default());
        (Self(Arc::clone(&shared)), KeyboardHand(shared))
    }
}

impl KeyboardHand {
    /// Types a text as scanners do: each key pressed and released, shift and control held where they
    /// must be.
    ///
    /// # Errors
    /// A character that is on no key; then nothing is typed.
    pub fn type_text(&self, text: &str) -> Result<(), NoSuchKey> {
        let keys: Option<Vec<_>> =
            text.bytes().map(|character| Held::default().key_of(character)).collect();
        for (code, chord) in keys.ok_or(NoSuchKey)? {
            let with = [(chord.shift, LEFT_SHIFT), (chord.ctrl, LEFT_CTRL)];
            let with = with.into_iter().filter_map(|(held, key)| held.then_some(key));
            with.clone().for_each(|key| self.key(key, 1));
            self.press(code);
            with.for_each(|key| self.key(key, 0));
        }
        Ok(())
    }

    /// Presses a key and releases it.
    pub fn press(&self, code: u16) {
        self.key(code, 1);
        self.key(code, 0);
    }

    /// A key goes down (1), is repeated (2) or goes up (0).
    pub fn key(&self, code: u16, value: i32) {
        self.put(&[(EV_MSC, MSC_SCAN, 0x7_0000 + i32::from(code)), (EV_KEY, code, value)]);
    }

    /// A finger taps on the screen.
    pub fn touch(&self) {
        self.put(&[(EV_ABS, ABS_MT_POSITION_X, 400), (EV_ABS, ABS_MT_POSITION_Y, 640)]);
        self.put(&[(EV_KEY, BTN_TOUCH, 1)]);
        self.put(&[(EV_KEY, BTN_TOUCH, 0)]);
    }

    /// What happens at one moment.
    pub fn put(&self, events: &[(u16, u16, i32)]) {
        let mut waiting = self.0.lock();
        if waiting.len() < MOST_WAITING {
            let event = |&(kind, code, value): &(u16, u16, i32)| InputEvent { kind, code, value };
            let now = Instant::now();
            waiting.extend(events.iter().map(event).chain([SYN]).map(|event| (now, event)));
        }
        drop(waiting);
        self.0.news.notify_one();
    }
}

const SYN: InputEvent = InputEvent { kind: EV_SYN, code: SYN_REPORT, value: 0 };

impl Shared {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, InputEvent)>> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VirtualDevice for VirtualKeyboard {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        // Nothing is held.
        self.0.lock().retain(|(at, _)| at.elapsed() < REMEMBERED);
        if line.write_all(&SYN.record()).await.is_err() {
            return;
        }
        let mut told = [0; 64];
        loop {
            let events: Vec<InputEvent> = self.0.lock().drain(..).map(|(_, event)| event).collect();
            // One moment a piece, as the kernel gives them to who reads at once.
            for moment in events.split_inclusive(|event| *event == SYN) {
                let bytes: Vec<u8> = moment.iter().flat_map(|event| event.record()).collect();
                if line.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                biased;
                () = self.0.news.notified() => {}
                read = line.read(&mut told) => if !matches!(read, Ok(1..)) {
                    return;
                },
            }
        }
    }
}
