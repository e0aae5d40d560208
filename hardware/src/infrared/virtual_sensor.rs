//! A presence sensor as the far end of the wire, and the hand that lets people come and go before it.
//!
//! It says each change at once, and so none is lost however short; a module that speaks all the time
//! says in between how it stands. Works on any far line: in memory for `--simulate` and the tests, on
//! a pty for `hharome virtual`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use super::{ld2410, tfmini};
use crate::port::far_end::{BoxedFarLine, VirtualDevice};

/// Which sensor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// The radar HLK-LD2410, ten frames a second.
    Ld2410,
    /// The rangefinder TFmini, a hundred frames a second.
    Tfmini,
    /// A module that says `1` or `0` on a line of its own when it changes, and once a second.
    Ascii,
    /// A contact, as ports of GPIO and modem lines tell of it.
    Contact,
}

/// Changes that may wait to be said; the oldest of more are forgotten, in pairs. Twenty seconds of a
/// hundred a second.
const MOST_CHANGES: usize = 2000;

/// A line that takes nothing for so long has nobody who reads it.
const UNHEARD: Duration = Duration::from_millis(50);

/// A virtual sensor.
pub struct VirtualSensor {
    shared: Arc<Shared>,
    model: Model,
}

/// Lets people come and go before a virtual sensor. Clones are hands at the same sensor.
#[derive(Clone)]
pub struct SensorHand {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<Hidden>,
    news: Notify,
}

#[derive(Default)]
struct Hidden {
    somebody: bool,
    /// What is to be said, oldest first.
    changes: VecDeque<bool>,
    /// How it stands is to be said, whenever it was said last.
    tell: bool,
    silent: bool,
}

impl VirtualSensor {
    /// A sensor that nobody is before, and the hand that works it.
    #[must_use]
    pub fn new(model: Model) -> (Self, SensorHand) {
        let shared = Arc::new(Shared { state: Mutex::default(), news: Notify::new() });
        (Self { shared: Arc::clone(&shared), model }, SensorHand { shared })
    }
}

impl SensorHand {
    /// Somebody comes.
    pub fn come(&self) {
        self.change(&[true]);
    }

    /// Nobody is there any more.
    pub fn go(&self) {
        self.change(&[false]);
    }

    /// Somebody comes and is gone again, sooner than anybody could look.
    pub fn pulse(&self) {
        self.change(&[true, false]);
    }

    /// The sensor says nothing until it is mended.
    pub fn silence(&self) {
        self.shared.lock().silent = true;
        self.shared.news.notify_one();
    }

    /// It speaks again.
    pub fn mend(&self) {
        let mut state = self.shared.lock();
        (state.silent, state.tell) = (false, true);
        drop(state);
        self.shared.news.notify_one();
    }

    fn change(&self, sights: &[bool]) {
        let mut state = self.shared.lock();
        for somebody in sights {
            if state.somebody != *somebody {
                state.somebody = *somebody;
                state.changes.push_back(*somebody);
            }
        }
        while state.changes.len() > MOST_CHANGES {
            state.changes.drain(..2);
        }
        drop(state);
        self.shared.news.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Hidden> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    /// How often it says how it stands; `None`: only when that changes.
    fn interval(self) -> Option<Duration> {
        match self {
            Self::Ld2410 => Some(Duration::from_millis(100)),
            Self::Tfmini => Some(Duration::from_millis(10)),
            Self::Ascii => Some(Duration::from_secs(1)),
            Self::Contact => None,
        }
    }

    fn says(self, somebody: bool) -> Vec<u8> {
        match (self, somebody) {
            (Self::Ld2410, _) => ld2410::frame(somebody),
            (Self::Tfmini, _) => tfmini::frame(somebody),
            (Self::Ascii, true) => b"1\r\n".to_vec(),
            (Self::Ascii, false) => b"0\r\n".to_vec(),
            (Self::Contact, true) => b"1".to_vec(),
            (Self::Contact, false) => b"0".to_vec(),
        }
    }
}

impl VirtualDevice for VirtualSensor {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        let mut heard = [0; 64];
        let interval = self.model.interval();
        let mut due = Instant::now();
        {
            // What changed while nobody could hear it nobody hears; how it stands, everybody does.
            let mut state = self.shared.lock();
            state.changes.clear();
            state.tell = true;
        }
        loop {
            let now = Instant::now();
            let tick = interval.is_some() && now >= due;
            if tick {
                due = now + interval.unwrap_or_default();
            }
            let speech = self.speech(tick);
            // Nobody may have the line open: then what is said is lost, as on a real one.
            match timeout(UNHEARD, line.write_all(&speech)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => self.shared.lock().changes.clear(),
            }
            tokio::select! {
                biased;
                read = line.read(&mut heard) => match read {
                    Ok(read) if read > 0 => {}
                    Ok(_) | Err(_) => return,
                },
                () = self.shared.news.notified() => {}
                () = sleep_until(due), if interval.is_some() => {}
            }
        }
    }
}

impl VirtualSensor {
    /// What it says now: each change, and how it stands where that is due.
    fn speech(&self, tick: bool) -> Vec<u8> {
        let mut state = self.shared.lock();
        let mut sights: Vec<bool> = state.changes.drain(..).collect();
        if tick || std::mem::take(&mut state.tell) {
            sights.push(state.somebody);
        }
        if state.silent {
            return Vec::new();
        }
        sights.into_iter().flat_map(|sight| self.model.says(sight)).collect()
    }
}
