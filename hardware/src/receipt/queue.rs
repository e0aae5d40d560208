//! The queue between those who want receipts and the driver.
//!
//! [`Printer`] is their side: a receipt has its place in the queue when [`Printer::print`] returns, is
//! laid out on tokio's blocking threads, one at a time, and is written into the journal. From then on
//! it is printed whoever still waits for it. [`Jobs`] is the driver's side: one task takes from it, in
//! order. The queue ends with both.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot};

use super::escpos::Job;
use super::journal::{Fate, Journal, Record};
use super::{Ended, PrintError, WAITING, WAITING_BYTES};
use crate::device::{Status, Trouble};

/// The side of those who want receipts. Clones are handles on the same queue.
#[derive(Clone)]
pub struct Printer(Arc<Shared>);

/// The driver's side.
pub struct Jobs(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    news: Notify,
    /// None is being printed any more, or the line is ended.
    quiet: Notify,
    /// The daemon ends.
    stop: Notify,
    /// One receipt is laid out at a time, in order.
    laying_out: Semaphore,
    /// Beside the runtime's thread; not where the clock is paused, which no other thread holds back.
    elsewhere: bool,
    journal: Journal,
    status: Status,
}

#[derive(Default)]
struct State {
    /// In their order.
    waiting: VecDeque<Waiting>,
    last: u64,
    /// Why the printer cannot be used.
    trouble: Option<PrintError>,
    /// One is being printed.
    printing: bool,
    /// The driver has a line that it has to end before the daemon does.
    holding: bool,
    /// The daemon ends.
    stopping: bool,
}

/// A receipt in the queue.
struct Waiting {
    number: u64,
    /// The bytes that it holds until it is laid out.
    weight: usize,
    /// `None`: it is not laid out yet.
    ready: Option<Ready>,
}

/// A receipt that can be printed.
pub(super) struct Ready {
    /// Its number in the journal.
    pub(super) id: u64,
    /// It.
    pub(super) job: Job,
    /// How long the printer may take nothing and say nothing; `None`: for ever.
    pub(super) limit: Option<Duration>,
    reply: Reply,
}

type Reply = oneshot::Sender<Result<Ended, PrintError>>;

/// Why a receipt was not printed: it is wrong in itself, or the printer did not.
#[derive(Debug)]
pub enum Refused<E> {
    /// It cannot be laid out.
    Wrong(E),
    /// It was not printed, or not wholly.
    NotPrinted(PrintError),
}

/// A receipt on its way. Dropping it changes nothing for the receipt.
pub struct Printing<E>(oneshot::Receiver<Result<Ended, Refused<E>>>);

impl<E> Printing<E> {
    /// How it ended.
    ///
    /// # Errors
    /// Why it is not printed, or not wholly.
    pub async fn ended(self) -> Result<Ended, Refused<E>> {
        self.0.await.unwrap_or(Err(Refused::NotPrinted(PrintError::Stopped)))
    }
}

/// The two sides of an empty queue.
#[must_use]
pub fn queue(status: Status, journal: Journal) -> (Printer, Jobs) {
    sides(status, journal, true)
}

/// The same, but receipts are laid out on the runtime's own thread: at the same moment each time, where
/// the clock is paused.
#[must_use]
pub fn queue_on_one_thread(status: Status, journal: Journal) -> (Printer, Jobs) {
    sides(status, journal, false)
}

fn sides(status: Status, journal: Journal, elsewhere: bool) -> (Printer, Jobs) {
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        news: Notify::new(),
        quiet: Notify::new(),
        stop: Notify::new(),
        laying_out: Semaphore::new(1),
        elsewhere,
        journal,
        status,
    });
    shared.tell_unknown();
    (Printer(Arc::clone(&shared)), Jobs(shared))
}

impl Printer {
    /// Takes a place in the queue for a receipt, at once. `lay_out` makes it, on a blocking thread;
    /// `label` is what its client calls it; `weight` is how many bytes `lay_out` holds; `limit` is how
    /// long the printer may take nothing and say nothing. Must be called inside the runtime.
    ///
    /// # Errors
    /// [`PrintError::Full`], or the printer cannot be used.
    pub fn print<E: Send + 'static>(
        &self,
        label: String,
        weight: usize,
        limit: Option<Duration>,
        lay_out: impl FnOnce() -> Result<Job, E> + Send + 'static,
    ) -> Result<Printing<E>, PrintError> {
        let place = self.0.place(weight)?;
        let shared = Arc::clone(&self.0);
        let (told, hears) = oneshot::channel();
        tokio::spawn(async move {
            let wrong = async {
                // Never closed.
                let turn = shared.laying_out.acquire().await;
                let job = if shared.elsewhere {
                    tokio::task::spawn_blocking(lay_out).await
                } else {
                    Ok(lay_out())
                };
                drop(turn);
                let job = match job {
                    Ok(job) => job.map_err(Refused::Wrong)?,
                    Err(_) => {
                        let what = "it could not be laid out".to_owned();
                        return Err(Refused::NotPrinted(PrintError::Internal(what)));
                    }
                };
                let id = shared.journal.accept(label, job.rows).await;
                let id = id.map_err(|error| Refused::NotPrinted(error.into()))?;
                let (reply, ended) = oneshot::channel();
                let ready = Ready { id, job, limit, reply };
                if let Err((ready, error)) = place.fill(ready) {
                    shared.end(ready, Err(error)).await;
                }
                Ok(ended)
            };
            let result = match wrong.await {
                Ok(ended) => match ended.await {
                    Ok(ended) => ended.map_err(Refused::NotPrinted),
                    Err(_) => Err(Refused::NotPrinted(PrintError::Stopped)),
                },
                Err(refused) => Err(refused),
            };
            // Who does not wait any more has no need to know.
            let _ = told.send(result);
        });
        Ok(Printing(hears))
    }

    /// No more receipts are taken, and those that wait are not printed. Ends when the one that is
    /// being printed is through, and the printer has got all of it.
    pub async fn finished(self) {
        let waiting = {
            let mut state = self.0.lock();
            state.stopping = true;
            state.empty()
        };
        for ready in waiting {
            self.0.end(ready, Err(PrintError::Stopped)).await;
        }
        self.0.stop.notify_one();
        while self.0.is_at_work() {
            self.0.quiet.notified().await;
        }
    }

    /// The last jobs, oldest first.
    #[must_use]
    pub fn jobs(&self) -> Vec<Record> {
        self.0.journal.jobs()
    }
}

/// A place in the queue; given back when it is dropped before it is filled.
struct Place {
    shared: Arc<Shared>,
    number: u64,
}

impl Place {
    /// Puts the receipt there. Where the printer has got into trouble meanwhile the receipt comes back.
    fn fill(self, ready: Ready) -> Result<(), (Ready, PrintError)> {
        let mut state = self.shared.lock();
        if let Some(error) = state.why_not() {
            return Err((ready, error));
        }
        let place = state.waiting.iter_mut().find(|waiting| waiting.number == self.number);
        if let Some(place) = place {
            place.ready = Some(ready);
        }
        drop(state);
        self.shared.news.notify_one();
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let number = self.number;
        let keeps = |other: &Waiting| other.number != number || other.ready.is_some();
        self.shared.lock().waiting.retain(keeps);
        // The one behind may be ready.
        self.shared.news.notify_one();
    }
}

impl State {
    /// Why no receipt is taken now.
    fn why_not(&self) -> Option<PrintError> {
        if self.stopping { Some(PrintError::Stopped) } else { self.trouble.clone() }
    }

    /// The bytes of those that are laid out, and of those that will be.
    fn bytes(&self) -> usize {
        let bytes = |waiting: &Waiting| match &waiting.ready {
            Some(ready) => ready.job.blocks.iter().map(|block| block.bytes.len()).sum(),
            None => waiting.weight,
        };
        self.waiting.iter().map(bytes).sum()
    }

    /// Those that are ready, taken out; those that are being laid out find out when they are.
    fn empty(&mut self) -> Vec<Ready> {
        let all = std::mem::take(&mut self.waiting);
        let (ready, others): (VecDeque<_>, _) =
            all.into_iter().partition(|waiting| waiting.ready.is_some());
        self.waiting = others;
        ready.into_iter().filter_map(|waiting| waiting.ready).collect()
    }
}

impl Shared {
    fn place(self: &Arc<Self>, weight: usize) -> Result<Place, PrintError> {
        let mut state = self.lock();
        if let Some(error) = state.why_not() {
            return Err(error);
        }
        if state.waiting.len() >= WAITING || state.bytes() >= WAITING_BYTES {
            self.status.count("refused");
            return Err(PrintError::Full);
        }
        state.last += 1;
        let number = state.last;
        state.waiting.push_back(Waiting { number, weight, ready: None });
        Ok(Place { shared: Arc::clone(self), number })
    }

    /// Writes down how a receipt ended, and tells whoever waits for it.
    async fn end(&self, ready: Ready, result: Result<Ended, PrintError>) {
        let (counter, fate, detail) = match &result {
            Ok(Ended::Printed) => ("printed", Fate::Printed, None),
            Ok(Ended::Sent) => ("sent", Fate::Sent, None),
            Err(error @ PrintError::Unconfirmed) => {
                ("unknown", Fate::Unknown, Some(error.to_string()))
            }
            Err(error) => ("failed", Fate::Failed, Some(error.to_string())),
        };
        if let Some(detail) = &detail {
            tracing::warn!(
                job = ready.id,
                error = detail,
                "a receipt is not printed, or not wholly"
            );
        }
        self.status.count(counter);
        self.journal.end(ready.id, fate, detail).await;
        if fate == Fate::Unknown {
            self.tell_unknown();
        }
        // Who does not wait any more has no need to know.
        let _ = ready.reply.send(result);
    }

    /// Which jobs of those that are known a person has to look after: of an earlier daemon's, too.
    fn tell_unknown(&self) {
        let jobs = self.journal.jobs();
        let unknown = jobs.iter().filter(|job| job.fate == Fate::Unknown);
        let unknown: Vec<String> = unknown.map(|job| job.id.to_string()).collect();
        if !unknown.is_empty() {
            self.status.learn("unknownJobs", unknown.join(", "));
        }
    }

    /// Whether the daemon must not end yet.
    fn is_at_work(&self) -> bool {
        let state = self.lock();
        state.printing || state.holding
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    /// The next receipt, when it is ready. Safe to drop.
    pub(super) async fn next(&self) -> Ready {
        loop {
            {
                let mut state = self.0.lock();
                if let Some(first) = state.waiting.front_mut()
                    && let Some(ready) = first.ready.take()
                {
                    state.waiting.pop_front();
                    state.printing = true;
                    return ready;
                }
            }
            self.0.news.notified().await;
        }
    }

    /// Where what becomes of them is written down.
    pub(super) fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// The receipt that was taken last is through.
    pub(super) async fn end(&self, ready: Ready, result: Result<Ended, PrintError>) {
        self.0.end(ready, result).await;
        self.0.lock().printing = false;
        self.0.quiet.notify_one();
    }

    /// When the daemon ends. Safe to drop.
    pub(super) async fn stopped(&self) {
        while !self.is_stopping() {
            self.0.stop.notified().await;
        }
    }

    /// Whether the daemon ends.
    pub(super) fn is_stopping(&self) -> bool {
        self.0.lock().stopping
    }

    /// Whether there is a line that has to be ended before the daemon does.
    pub(super) fn hold(&self, holding: bool) {
        self.0.lock().holding = holding;
        self.0.quiet.notify_one();
    }

    /// The printer can be used.
    pub(super) fn recover(&self) {
        self.0.lock().trouble = None;
    }

    /// The printer cannot be used: those that wait are not printed, and no more are taken.
    pub(super) fn refuse(&self, trouble: &Trouble) {
        let error = PrintError::from(trouble.clone());
        let ready = {
            let mut state = self.0.lock();
            state.trouble = Some(error.clone());
            state.empty()
        };
        if ready.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            for ready in ready {
                shared.end(ready, Err(error.clone())).await;
            }
        });
    }
}

#[cfg(test)]
mod tests;
