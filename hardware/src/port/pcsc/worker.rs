//! The thread that makes the blocking calls for one open slot, and the limits of time around it.
//!
//! ```text
//! start ─► rests ─ job ─► access ─► exchange* ─► (answered) ends ─► rests …
//!             │              └── limit missed: left behind, counted until it ends ──┐
//!             └── worker dropped ─► lets go of the card ─► thread ends ◄─────────────┘
//! ```
//!
//! [`super::PcscSlot`] starts one with its first request and gives it one job at a time. A library
//! call cannot be broken off, so a thread that misses its limit is left behind: nobody waits for it
//! any more, it does nothing more when its call returns, and it ends.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::connection::Connection;
use crate::port::card::CardFault;

/// How long the calls of the library may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connecting and beginning a transaction, together.
    pub(super) access: Duration,
    /// One exchange with the card.
    pub(super) exchange: Duration,
}

impl Limits {
    /// No step's time is over sooner after it began.
    fn shortest(&self) -> Duration {
        self.access.min(self.exchange + UNDER_WAY)
    }
}

/// A card that answers at the very end of its time has answered; the answer may be under way so long.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// What the thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It waits for a job.
    Rests,
    /// It is on the way to the card: connects, begins a transaction.
    Access,
    /// The card has a command.
    Exchange,
    /// The job is answered; what is left of it is to end its transaction.
    Ends,
}

/// Why a job has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// The limit of this step is over.
    Limit(Step),
    /// The thread is gone: our bug.
    Thread,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle on the thread. Dropped, it tells the thread to end; in the middle of a job, the thread
/// is left behind.
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
    line: Arc<Line>,
    /// One for all jobs. It may ring too early, for a job that is done: setting it anew for each
    /// costs more than looking up in vain now and then.
    alarm: Pin<Box<Sleep>>,
}

impl Worker {
    /// Starts the thread. `make` makes, on the thread, what the jobs work on.
    pub(super) fn start(
        limits: Limits,
        stuck: Stuck,
        make: impl FnOnce(Arc<Line>) -> Connection + Send + 'static,
    ) -> io::Result<Self> {
        let line = Arc::new(Line::new(limits, stuck));
        let (jobs, queue) = mpsc::channel::<Job>();
        let of_thread = Arc::clone(&line);
        thread::Builder::new().name("pcsc slot".to_owned()).spawn(move || {
            let _at_the_end = End(Arc::clone(&of_thread));
            let mut connection = make(Arc::clone(&of_thread));
            for job in queue {
                of_thread.go(Step::Access);
                job(&mut connection);
                of_thread.go(Step::Rests);
                if of_thread.left_behind() {
                    break;
                }
            }
        })?;
        Ok(Self { jobs, line, alarm: Box::pin(tokio::time::sleep(limits.shortest())) })
    }

    /// Has the job done, which answers through its second argument, and gives back the answer and
    /// the worker for the next one. A worker that misses a limit is not given back.
    pub(super) async fn run<T: Send + 'static>(
        mut self,
        job: impl FnOnce(&mut Connection, Answer<T>) + Send + 'static,
    ) -> Result<(Result<T, CardFault>, Self), Missed> {
        let (to, mut answer) = oneshot::channel();
        self.line.job_is_given();
        let of_job = Answer { to, line: Arc::clone(&self.line) };
        let job: Job = Box::new(move |connection| job(connection, of_job));
        self.jobs.send(job).map_err(|_| Missed::Thread)?;
        loop {
            // It may go over to a step whose time is over sooner, but not sooner than the shortest.
            let until = self.line.limit().1.min(Instant::now() + self.line.limits.shortest());
            if self.alarm.is_elapsed() || self.alarm.deadline() > until {
                self.alarm.as_mut().reset(until);
            }
            tokio::select! { biased;
                answer = &mut answer => {
                    return answer.map(|answer| (answer, self)).map_err(|_| Missed::Thread);
                }
                () = &mut self.alarm => {}
            }
            let (step, until) = self.line.limit();
            if until <= Instant::now() {
                self.line.leave_behind();
                return Err(Missed::Limit(step));
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.line.nobody_waits.store(true, Ordering::Release);
        if matches!(self.line.limit().0, Step::Access | Step::Exchange) {
            self.line.leave_behind();
        }
    }
}

/// Where a job's answer goes.
pub(super) struct Answer<T> {
    to: oneshot::Sender<Result<T, CardFault>>,
    line: Arc<Line>,
}

impl<T> Answer<T> {
    pub(super) fn give(self, answer: Result<T, CardFault>) {
        self.line.go(Step::Ends);
        // Nobody waits for the answer of a thread that was left behind.
        let _ = self.to.send(answer);
    }
}

/// What the thread and its handle know of each other.
pub(super) struct Line {
    limits: Limits,
    begun: Instant,
    /// The step and since when, as [`Line::encode`] has it.
    at: AtomicU64,
    nobody_waits: AtomicBool,
    life: Mutex<Life>,
    stuck: Stuck,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Serves,
    LeftBehind,
    Ended,
}

impl Line {
    fn new(limits: Limits, stuck: Stuck) -> Self {
        Self {
            limits,
            begun: Instant::now(),
            at: AtomicU64::new(0),
            nobody_waits: AtomicBool::new(false),
            life: Mutex::new(Life::Serves),
            stuck,
        }
    }

    /// Goes over to this step now. Called by the thread.
    pub(super) fn go(&self, step: Step) {
        self.at.store(self.encode(step), Ordering::Release);
    }

    /// Whether nobody waits for what the thread does: it must not touch the card any more.
    pub(super) fn left_behind(&self) -> bool {
        self.nobody_waits.load(Ordering::Acquire)
    }

    /// How long the step that the thread is at may still take.
    pub(super) fn left(&self) -> Duration {
        self.limit().1.saturating_duration_since(Instant::now())
    }

    /// The time of a job's way to the card runs from here on, not from when the thread wakes up.
    fn job_is_given(&self) {
        let access = self.encode(Step::Access);
        let resting = self.at.load(Ordering::Acquire);
        if resting & 0b11 == Step::Rests as u64 {
            // If it is not at rest any more, it is not because of this job, and its limit counts.
            let _ = self.at.compare_exchange(resting, access, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// The step, and when its time is over.
    fn limit(&self) -> (Step, Instant) {
        let at = self.at.load(Ordering::Acquire);
        let since = self.begun + Duration::from_micros(at >> 2);
        match at & 0b11 {
            1 => (Step::Access, since + self.limits.access),
            2 => (Step::Exchange, since + self.limits.exchange + UNDER_WAY),
            3 => (Step::Ends, since + self.limits.access),
            // Just now; the next look finds another step.
            _ => (Step::Rests, Instant::now() + self.limits.access),
        }
    }

    /// The step in the two lowest bits, above them microseconds since the thread began.
    fn encode(&self, step: Step) -> u64 {
        let since = Instant::now().saturating_duration_since(self.begun).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX) << 2 | step as u64
    }

    fn leave_behind(&self) {
        self.nobody_waits.store(true, Ordering::Release);
        let mut life = lock(&self.life);
        if *life == Life::Serves {
            *life = Life::LeftBehind;
            self.stuck.one_more();
        }
    }
}

/// Says that the thread has ended, however it does.
struct End(Arc<Line>);

impl Drop for End {
    fn drop(&mut self) {
        let mut life = lock(&self.0.life);
        if *life == Life::LeftBehind {
            self.0.stuck.one_less();
        }
        *life = Life::Ended;
    }
}

fn lock(life: &Mutex<Life>) -> MutexGuard<'_, Life> {
    // Nothing that can panic runs under this lock.
    life.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many threads that were left behind still hang: of one port, and of all.
#[derive(Clone, Default)]
pub(super) struct Stuck {
    port: Arc<AtomicUsize>,
    all: Arc<AtomicUsize>,
}

impl Stuck {
    /// Those of a new port, counted with those of all.
    pub(super) fn of_a_port(all: Arc<AtomicUsize>) -> Self {
        Self { port: Arc::default(), all }
    }

    /// How many of this port's.
    pub(super) fn of_this_port(&self) -> usize {
        self.port.load(Ordering::Acquire)
    }

    fn one_more(&self) {
        self.port.fetch_add(1, Ordering::AcqRel);
        self.all.fetch_add(1, Ordering::AcqRel);
    }

    fn one_less(&self) {
        self.port.fetch_sub(1, Ordering::AcqRel);
        self.all.fetch_sub(1, Ordering::AcqRel);
    }
}
