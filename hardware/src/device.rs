//! The task that owns a driver: opens its port, runs it, waits, opens it again.
//!
//! ```text
//!         open fails                     ┌────────────── driver ends (gone, failed)
//!   ┌───────────────┐                    ▼
//! start ─► busy ─► absent/failed ─► wait for the port ─► open ─► driver.run ─► ready ⇄ busy
//! ```
//!
//! Absent hardware is a state, not an exit: the task ends only when the daemon drops it. The
//! state is published through [`Status`], which the daemon reads for `bridge.status`.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::port::{BoxedLine, PortError, SerialPort};

/// Why a device cannot give what is asked of it. The details are for people who mend things; they
/// never hold what is on a person's card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nothing is there: not plugged in, or gone.
    #[error("{detail}")]
    Absent {
        /// What is not there, and where it was looked for.
        detail: String,
    },
    /// It is there, and does not do what it should.
    #[error("{detail}")]
    Failed {
        /// What it did or did not do, and what may help.
        detail: String,
    },
    /// The device is well; what was put on it cannot be read.
    #[error("{detail}")]
    Unreadable {
        /// What the reader said of it.
        detail: String,
    },
}

impl From<PortError> for Trouble {
    fn from(error: PortError) -> Self {
        let detail = error.to_string();
        if error.is_absent() { Self::Absent { detail } } else { Self::Failed { detail } }
    }
}

/// What a device is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It works and nobody uses it right now.
    Ready,
    /// It is being started, or is in the middle of something.
    Busy,
    /// It is not there.
    Absent,
    /// It is there and does not work.
    Failed,
    /// It is not configured, or this program has no driver for it.
    Off,
}

/// What is known of a device at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What it is doing.
    pub state: State,
    /// Since when it has been in this state; `Ready` and `Busy` count as one.
    pub since: Instant,
    /// The last thing that went wrong, if anything did.
    pub last_error: Option<String>,
}

/// A device's state and counters, written by its task and read by anybody. Clones are handles on
/// the same device.
#[derive(Clone)]
pub struct Status {
    name: &'static str,
    shared: Arc<StatusShared>,
}

struct StatusShared {
    snapshot: watch::Sender<Snapshot>,
    counters: Mutex<BTreeMap<&'static str, u64>>,
    facts: Mutex<BTreeMap<&'static str, String>>,
    cannot: Mutex<Vec<String>>,
}

impl Status {
    /// The status of a device that has just been set up, in state `state`.
    #[must_use]
    pub fn new(name: &'static str, state: State) -> Self {
        let snapshot = Snapshot { state, since: Instant::now(), last_error: None };
        let shared = StatusShared {
            snapshot: watch::Sender::new(snapshot),
            counters: Mutex::default(),
            facts: Mutex::default(),
            cannot: Mutex::default(),
        };
        Self { name, shared: Arc::new(shared) }
    }

    /// The device's name: its section in the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot.borrow().clone()
    }

    /// Told of every change of the state.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Snapshot> {
        self.shared.snapshot.subscribe()
    }

    /// How often each thing happened since the start: `readings`, `retries`, ….
    #[must_use]
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.shared.counters).clone()
    }

    /// Adds one to a counter.
    pub fn count(&self, what: &'static str) {
        *lock(&self.shared.counters).entry(what).or_default() += 1;
    }

    /// What the device said of itself: `samId`, `baud`, ….
    #[must_use]
    pub fn facts(&self) -> BTreeMap<&'static str, String> {
        lock(&self.shared.facts).clone()
    }

    /// Keeps a fact. Nothing that belongs to a person.
    pub fn learn(&self, what: &'static str, value: impl Into<String>) {
        lock(&self.shared.facts).insert(what, value.into());
    }

    /// What the device, as it is set up here, is not able to do, with the way out.
    #[must_use]
    pub fn cannot(&self) -> Vec<String> {
        lock(&self.shared.cannot).clone()
    }

    /// Adds to [`Status::cannot`].
    pub fn cannot_do(&self, what: impl Into<String>) {
        lock(&self.shared.cannot).push(what.into());
    }

    /// Goes over to another state; the same state again changes nothing.
    pub fn set(&self, state: State) {
        let up = |state| matches!(state, State::Ready | State::Busy);
        self.shared.snapshot.send_if_modified(|now| {
            if now.state == state {
                return false;
            }
            if !(up(now.state) && up(state)) {
                now.since = Instant::now();
            }
            now.state = state;
            true
        });
    }

    /// The device has been started and works; said in the log.
    pub fn started(&self) {
        let facts = self.facts();
        tracing::info!(device = self.name, ?facts, "device ready");
        self.set(State::Ready);
    }

    /// Goes over to the state of `trouble`, and logs it once, not at every retry.
    pub fn trouble(&self, trouble: &Trouble) {
        let state = match trouble {
            Trouble::Absent { .. } => State::Absent,
            Trouble::Failed { .. } => State::Failed,
            // The device is well.
            Trouble::Unreadable { .. } => return,
        };
        let detail = trouble.to_string();
        let news = self.shared.snapshot.send_if_modified(|now| {
            if now.state == state && now.last_error.as_deref() == Some(&detail) {
                return false;
            }
            if now.state != state {
                now.since = Instant::now();
            }
            now.state = state;
            now.last_error = Some(detail.clone());
            true
        });
        if news {
            tracing::warn!(device = self.name, error = detail, "device not usable");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks, so a poisoned one is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Speaks one device's language over a serial line.
pub trait Driver: Send + 'static {
    /// The rate at which the line is opened, in baud.
    fn baud(&self) -> u32;

    /// Called each time the line has been opened: starts the device, says `Ready`, and works until
    /// the line is gone or the device does not do what it should.
    fn run(&mut self, line: BoxedLine, status: &Status) -> impl Future<Output = Trouble> + Send;

    /// Called when the device cannot be used: whoever waits for it has to learn why.
    fn unusable(&mut self, trouble: &Trouble);
}

/// A device's whole life. Never ends by itself.
pub async fn run(mut port: Box<dyn SerialPort>, mut driver: impl Driver, status: Status) {
    loop {
        let trouble = match port.open(driver.baud()) {
            Ok(line) => {
                status.count("opened");
                driver.run(line, &status).await
            }
            Err(error) => Trouble::from(error),
        };
        driver.unusable(&trouble);
        status.trouble(&trouble);
        port.worth_opening(&trouble).await;
    }
}
