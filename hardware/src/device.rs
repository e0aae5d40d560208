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

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::port::{BoxedLine, Port, PortError};

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
    /// Which of the device's parts writes here; the whole is part 0 of one.
    part: usize,
    /// What stands before a part's facts and errors.
    label: Option<&'static str>,
    /// Nobody is shown it.
    unseen: bool,
    shared: Arc<StatusShared>,
}

struct StatusShared {
    snapshot: watch::Sender<Snapshot>,
    parts: Mutex<Vec<Part>>,
    counters: Mutex<BTreeMap<&'static str, u64>>,
    facts: Mutex<BTreeMap<Cow<'static, str>, String>>,
    cannot: Mutex<Vec<String>>,
}

/// How a part of a device stands.
#[derive(Clone)]
struct Part {
    state: State,
    trouble: Option<String>,
}

impl Status {
    /// The status of a device that has just been set up, in state `state`.
    #[must_use]
    pub fn new(name: &'static str, state: State) -> Self {
        let snapshot = Snapshot { state, since: Instant::now(), last_error: None };
        let shared = StatusShared {
            snapshot: watch::Sender::new(snapshot),
            parts: Mutex::new(vec![Part { state, trouble: None }]),
            counters: Mutex::default(),
            facts: Mutex::default(),
            cannot: Mutex::default(),
        };
        Self { name, part: 0, label: None, unseen: false, shared: Arc::new(shared) }
    }

    /// Of something that is told of nowhere, not in the log either: its absence is as it should be.
    #[must_use]
    pub fn unseen(name: &'static str) -> Self {
        Self { unseen: true, ..Self::new(name, State::Off) }
    }

    /// The status of a device of several parts, one handle a part, by what each is called (`slot1`).
    /// The device stands as the worst of its parts does; counters are common, and a part's facts
    /// and errors begin with its label.
    #[must_use]
    pub fn parts(&self, labels: &[&'static str]) -> Vec<Self> {
        let state = self.snapshot().state;
        *lock(&self.shared.parts) = vec![Part { state, trouble: None }; labels.len().max(1)];
        let part = |(part, label): (usize, &&'static str)| {
            let shared = Arc::clone(&self.shared);
            Self { name: self.name, part, label: Some(*label), unseen: false, shared }
        };
        labels.iter().enumerate().map(part).collect()
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

    /// Adds this many to a counter.
    pub fn count_many(&self, what: &'static str, many: u64) {
        let mut counters = lock(&self.shared.counters);
        let counter = counters.entry(what).or_default();
        *counter = counter.saturating_add(many);
    }

    /// What the device said of itself: `samId`, `baud`, ….
    #[must_use]
    pub fn facts(&self) -> BTreeMap<Cow<'static, str>, String> {
        lock(&self.shared.facts).clone()
    }

    /// Keeps a fact. Nothing that belongs to a person.
    pub fn learn(&self, what: &'static str, value: impl Into<String>) {
        let what = match self.label {
            Some(label) => Cow::Owned(format!("{label}.{what}")),
            None => Cow::Borrowed(what),
        };
        lock(&self.shared.facts).insert(what, value.into());
    }

    /// What the device, as it is set up here, is not able to do, with the way out.
    #[must_use]
    pub fn cannot(&self) -> Vec<String> {
        lock(&self.shared.cannot).clone()
    }

    /// Adds to [`Status::cannot`].
    pub fn cannot_do(&self, what: impl Into<String>) {
        let (what, mut cannot) = (what.into(), lock(&self.shared.cannot));
        if !cannot.contains(&what) {
            cannot.push(what);
        }
    }

    /// Takes it out of [`Status::cannot`] again.
    pub fn can_do(&self, what: &str) {
        lock(&self.shared.cannot).retain(|known| known != what);
    }

    /// Goes over to another state; the same state again changes nothing.
    pub fn set(&self, state: State) {
        let (state, _) = self.told(state, None);
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
        tracing::info!(device = self.name, part = self.label, ?facts, "device ready");
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
        let detail = match self.label {
            Some(label) => format!("{label}: {trouble}"),
            None => trouble.to_string(),
        };
        let (state, news) = self.told(state, Some(&detail));
        if !news || self.unseen {
            return;
        }
        self.shared.snapshot.send_if_modified(|now| {
            if now.state != state {
                now.since = Instant::now();
            }
            now.state = state;
            now.last_error = Some(detail.clone());
            true
        });
        tracing::warn!(device = self.name, error = detail, "device not usable");
    }

    /// Keeps how this part stands; how the whole does, and whether that is news of the part.
    fn told(&self, state: State, trouble: Option<&str>) -> (State, bool) {
        let mut parts = lock(&self.shared.parts);
        let Some(part) = parts.get_mut(self.part) else { return (state, true) };
        let news = part.state != state || part.trouble.as_deref() != trouble;
        *part = Part { state, trouble: trouble.map(str::to_owned) };
        let worst = |state: &State| match state {
            State::Failed => 4,
            State::Absent => 3,
            State::Busy => 2,
            State::Ready => 1,
            State::Off => 0,
        };
        (parts.iter().map(|part| part.state).max_by_key(worst).unwrap_or(state), news)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks, so a poisoned one is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Speaks one device's language over a line.
pub trait Driver: Send + 'static {
    /// The rate at which a serial line is opened, in baud; 0 where the line has none.
    fn baud(&self) -> u32 {
        0
    }

    /// Called before each opening: ends when the line is wanted. A driver whose device is to be left
    /// alone while nobody uses it waits here.
    fn wanted(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Called each time the line has been opened: starts the device, says `Ready`, and works until
    /// the line is gone, the device does not do what it should, or (`None`) nobody wants it any
    /// more.
    fn run(
        &mut self,
        line: BoxedLine,
        status: &Status,
    ) -> impl Future<Output = Option<Trouble>> + Send;

    /// Called when the device cannot be used: whoever waits for it has to learn why.
    fn unusable(&mut self, trouble: &Trouble);
}

/// A device's whole life. Never ends by itself.
pub async fn run(mut port: Box<dyn Port>, mut driver: impl Driver, status: Status) {
    loop {
        // A device that is left alone and pulled out is opened in vain, and so known to be absent.
        tokio::select! {
            biased;
            () = driver.wanted() => {}
            () = port.vanished() => {}
        }
        let trouble = match port.open(driver.baud()).await {
            Ok(line) => {
                status.count("opened");
                match driver.run(line, &status).await {
                    Some(trouble) => trouble,
                    None => continue,
                }
            }
            Err(error) => Trouble::from(error),
        };
        driver.unusable(&trouble);
        status.trouble(&trouble);
        port.worth_opening(&trouble).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_device_stands_as_the_worst_of_its_parts() {
        let status = Status::new("psam", State::Busy);
        let [one, two] = &status.parts(&["slot1", "slot2"])[..] else { panic!("two parts") };
        one.set(State::Ready);
        assert_eq!(status.snapshot().state, State::Busy);
        two.trouble(&Trouble::Absent { detail: "no reader".to_owned() });
        assert_eq!(status.snapshot().state, State::Absent);
        assert_eq!(status.snapshot().last_error.as_deref(), Some("slot2: no reader"));
        one.trouble(&Trouble::Failed { detail: "mute".to_owned() });
        assert_eq!(status.snapshot().state, State::Failed);
        two.set(State::Ready);
        assert_eq!(status.snapshot().state, State::Failed);
        one.set(State::Ready);
        assert_eq!(status.snapshot().state, State::Ready);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_part_says_of_itself_begins_with_its_label() {
        let status = Status::new("psam", State::Busy);
        let parts = status.parts(&["slot1", "slot2"]);
        for part in &parts {
            part.learn("reader", "Example");
            part.count("commands");
        }
        let facts = status.facts();
        assert_eq!(facts.keys().collect::<Vec<_>>(), ["slot1.reader", "slot2.reader"]);
        assert_eq!(status.counters().get("commands"), Some(&2));
    }

    #[tokio::test(start_paused = true)]
    async fn two_parts_in_trouble_are_told_once_each_and_not_at_every_retry() {
        let status = Status::new("psam", State::Busy);
        let parts = status.parts(&["slot1", "slot2"]);
        let mut changes = status.changes();
        for round in 0..3 {
            for part in &parts {
                part.trouble(&Trouble::Absent { detail: "no reader".to_owned() });
                assert_eq!(changes.has_changed().unwrap(), round == 0);
                changes.borrow_and_update();
            }
        }
    }
}
