//! The slots that the operating system's PC/SC service (pcscd) knows.
//!
//! The daemon makes one [`PcscService`]; each card device has a [`PcscPort`] of it, which finds its
//! reader by a pattern over names. The library's calls block, some without a limit, so all of them
//! are made on threads: one for the process that knows which readers there are and what lies in
//! them (`monitor`), and one for each open slot (`worker`), started with its first request.
//!
//! ```text
//! PcscService ── monitor thread ──► watch: readers, cards
//!      └─ PcscPort ── open ──► PcscSlot ── jobs ──► worker thread ──► connection ──► pcscd
//! ```
//!
//! Each thread has a PC/SC context of its own: calls on one context wait for each other. A call that
//! misses its limit costs its thread, not the daemon: see `worker`.

mod connection;
mod faults;
mod monitor;
mod pattern;
mod protocol;
mod transaction;
mod worker;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub use self::pattern::{Choice, ReaderPattern};

use self::connection::Connection;
use self::monitor::View;
use self::worker::{Answer, Limits, Missed, Step, Stuck, Worker};
use super::card::{
    ACCESS, Begun, BoxedSlot, CardFault, CardPort, CardSlot, Content, EXCHANGE, End, FaultKind,
    Holds, Later, Power, Powered, Sequence,
};
use super::presence::RETRY;
use crate::device::Trouble;

/// How many threads of one port may hang at a time. Further requests fail at once until one of them
/// comes back: more threads would not reach the card either.
const STUCK_AT_MOST: usize = 4;

/// Although every change is told, a port that found no reader looks again after this.
const DISTRUST: Duration = Duration::from_secs(60);

/// The PC/SC service of this machine. Clones are the same one.
#[derive(Clone)]
pub struct PcscService {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    /// What the monitor tells, once it runs.
    view: Mutex<Option<watch::Receiver<View>>>,
    abandoned: Arc<AtomicUsize>,
}

impl PcscService {
    /// The service; nothing is asked of it until a port is opened.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(ACCESS, EXCHANGE)
    }

    /// As [`PcscService::new`], with other limits than [`ACCESS`] and [`EXCHANGE`]; for tests.
    #[must_use]
    pub fn with_limits(access: Duration, exchange: Duration) -> Self {
        let limits = Limits { access, exchange };
        let shared = Shared { limits, view: Mutex::default(), abandoned: Arc::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The port for the reader that the pattern means.
    #[must_use]
    pub fn slot(&self, pattern: &ReaderPattern) -> PcscPort {
        PcscPort {
            service: self.clone(),
            pattern: pattern.clone(),
            view: None,
            stuck: Stuck::of_a_port(Arc::clone(&self.shared.abandoned)),
        }
    }

    /// How many threads missed a limit and still hang in a call.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.shared.abandoned.load(Ordering::Acquire)
    }

    /// What the monitor tells, from now on. Starts it if it does not run.
    fn view(&self) -> Result<watch::Receiver<View>, CardFault> {
        // Nothing that can panic runs under this lock.
        let mut view = self.shared.view.lock().unwrap_or_else(PoisonError::into_inner);
        match &*view {
            Some(view) if view.has_changed().is_ok() => Ok(view.clone()),
            _ => Ok(view.insert(monitor::start().map_err(no_thread)?).clone()),
        }
    }
}

impl Default for PcscService {
    fn default() -> Self {
        Self::new()
    }
}

/// The place of one slot: the first reader, in the order of names, that a pattern means.
pub struct PcscPort {
    service: PcscService,
    pattern: ReaderPattern,
    view: Option<watch::Receiver<View>>,
    stuck: Stuck,
}

impl PcscPort {
    async fn find(&mut self) -> Result<PcscSlot, CardFault> {
        let limits = self.service.shared.limits;
        let view = self.view.insert(self.service.view()?);
        let known = view.wait_for(|view| *view != View::Unknown);
        let known = match tokio::time::timeout(limits.access, known).await {
            Ok(Ok(known)) => known.clone(),
            Ok(Err(_)) => return Err(monitor_ended()),
            Err(_) => return Err(hangs()),
        };
        let names: Vec<String> = match &known {
            View::Readers(readers) => readers.iter().map(|reader| reader.name.clone()).collect(),
            View::NoService(words) => return Err(CardFault::new(FaultKind::NoService, words)),
            View::Unknown => return Err(hangs()),
        };
        let Some(name) = self.pattern.choose(&names).taken else {
            return Err(no_reader(&self.pattern, &names));
        };
        let told = known.holds(name).unwrap_or_default();
        Ok(PcscSlot {
            reader: name.to_owned(),
            view: view.clone(),
            told,
            worker: None,
            session: None,
            limits,
            stuck: self.stuck.clone(),
        })
    }
}

impl CardPort for PcscPort {
    fn open(&mut self) -> Later<'_, Result<BoxedSlot, CardFault>> {
        Box::pin(async move { Ok(Box::new(self.find().await?) as BoxedSlot) })
    }

    fn worth_opening<'a>(&'a mut self, trouble: &'a Trouble) -> Later<'a, ()> {
        Box::pin(async move {
            match (&mut self.view, trouble) {
                (Some(view), Trouble::Absent { .. }) if view.has_changed().is_ok() => {
                    // Either way it is worth a look.
                    let _ = tokio::time::timeout(DISTRUST, view.changed()).await;
                }
                _ => tokio::time::sleep(RETRY).await,
            }
        })
    }
}

/// An open slot.
struct PcscSlot {
    reader: String,
    view: watch::Receiver<View>,
    /// What [`CardSlot::changed`] compares with.
    told: Holds,
    worker: Option<Worker>,
    /// The number of the card to which there is a connection.
    session: Option<u64>,
    limits: Limits,
    stuck: Stuck,
}

impl PcscSlot {
    /// What the slot holds, or why there is no slot any more.
    fn look(&self) -> Result<Holds, CardFault> {
        let view = self.view.borrow();
        match &*view {
            View::Readers(_) => view
                .holds(&self.reader)
                .ok_or_else(|| faults::fault(pcsc::Error::ReaderUnavailable, &self.reader)),
            View::NoService(words) => Err(CardFault::new(FaultKind::NoService, words)),
            View::Unknown => Err(hangs()),
        }
    }

    async fn wait_for_change(&mut self) -> Result<(), CardFault> {
        loop {
            self.view.mark_unchanged();
            match self.look() {
                Ok(holds) if holds == self.told => {}
                Ok(holds) => {
                    self.told = holds;
                    return Ok(());
                }
                Err(fault) => {
                    self.worker = None;
                    self.session = None;
                    return Err(fault);
                }
            }
            self.view.changed().await.map_err(|_| monitor_ended())?;
        }
    }

    async fn connect_now(&mut self, power: Power) -> Result<Powered, CardFault> {
        let holds = self.holds();
        let atr = match holds.what {
            Content::Card(atr) => atr,
            Content::Nothing | Content::Mute => Vec::new(),
        };
        let job = move |connection: &mut Connection, answer: Answer<Powered>| {
            answer.give(connection.connect(power, atr));
        };
        let powered = self.job(job).await;
        match &powered {
            Ok(_) => self.session = Some(holds.number),
            // Not let at it: what there was of a connection is as good as before.
            Err(fault) if fault.kind == FaultKind::Occupied => {}
            Err(_) => self.session = None,
        }
        powered
    }

    async fn transact_now(&mut self, sequence: Sequence) -> Result<Begun, CardFault> {
        // A worker that is started now connects anew: that must not be to another card.
        let same = self.worker.is_some() || self.session == Some(self.holds().number);
        if self.session.is_none() || !same {
            self.session = None;
            return Err(faults::ended(&self.reader));
        }
        let begun = self.job(|connection, answer| connection.transact(sequence, answer)).await;
        if let Err(fault) = &begun
            && !matches!(fault.kind, FaultKind::Occupied | FaultKind::NoService | FaultKind::Other)
        {
            self.session = None;
        }
        begun
    }

    async fn job<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Connection, Answer<T>) + Send + 'static,
    ) -> Result<T, CardFault> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => self.start()?,
        };
        let missed = match worker.run(job).await {
            Ok((answer, worker)) => {
                self.worker = Some(worker);
                return answer;
            }
            Err(missed) => missed,
        };
        Err(match missed {
            Missed::Limit(Step::Exchange) => faults::silent(&self.reader),
            Missed::Limit(_) => faults::occupied(&self.reader),
            Missed::Thread => {
                let detail = format!("{}: its thread has ended; try again", self.reader);
                CardFault::new(FaultKind::Other, detail)
            }
        })
    }

    fn start(&self) -> Result<Worker, CardFault> {
        if self.stuck.of_this_port() >= STUCK_AT_MOST {
            return Err(faults::occupied(&self.reader));
        }
        let (name, view) = (self.reader.clone(), self.view.clone());
        let broken = self.session.is_some();
        Worker::start(self.limits, self.stuck.clone(), move |line| {
            Connection::new(name, line, view, broken)
        })
        .map_err(no_thread)
    }
}

impl CardSlot for PcscSlot {
    fn reader(&self) -> &str {
        &self.reader
    }

    fn holds(&self) -> Holds {
        self.look().unwrap_or_default()
    }

    fn changed(&mut self) -> Later<'_, Result<(), CardFault>> {
        Box::pin(self.wait_for_change())
    }

    fn connect(&mut self, power: Power) -> Later<'_, Result<Powered, CardFault>> {
        Box::pin(self.connect_now(power))
    }

    fn transact(&mut self, sequence: Sequence) -> Later<'_, Result<Begun, CardFault>> {
        Box::pin(self.transact_now(sequence))
    }

    fn disconnect(&mut self, end: End) -> Later<'_, ()> {
        Box::pin(async move {
            // Without a worker there is nothing to let go of.
            if self.session.take().is_some() && self.worker.is_some() {
                let job = move |connection: &mut Connection, answer: Answer<()>| {
                    connection.disconnect(end);
                    answer.give(Ok(()));
                };
                // A thread that hangs here is left behind, and lets go when it can.
                let _ = self.job(job).await;
            }
        })
    }

    fn escape<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        let command = command.to_vec();
        Box::pin(self.job(move |connection, answer| answer.give(connection.escape(&command))))
    }
}

fn hangs() -> CardFault {
    let words = "pcscd does not answer; restart it: systemctl restart pcscd";
    CardFault::new(FaultKind::Other, words)
}

fn no_reader(pattern: &ReaderPattern, names: &[String]) -> CardFault {
    let detail = if names.is_empty() {
        format!(
            "pcscd knows no reader, and {pattern} is wanted: plug it in; its driver may be \
             missing, mostly the package libccid"
        )
    } else {
        let there: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        let there = there.join(", ");
        format!("no reader is {pattern}; there are {there}")
    };
    CardFault::new(FaultKind::NoReader, detail)
}

fn monitor_ended() -> CardFault {
    CardFault::new(FaultKind::Other, "the thread that watches the readers has ended; wait a moment")
}

fn no_thread(error: std::io::Error) -> CardFault {
    let detail = format!("no thread for PC/SC: {error}; the machine has too many, or no memory");
    CardFault::new(FaultKind::Other, detail)
}
