//! The recorder: takes down what happens at ports and clients, and never gets in their way.
//!
//! ```text
//! ports, connections, daemon ── a push under a lock ──► queue ── at most every 50 ms ──► writer
//!        (runtime's thread)                                      (a thread while recording)
//! ```
//!
//! Whoever has something to report pays for a look at one number while nothing is recorded, and
//! for a push otherwise. Redaction, encoding and the disk are the writer's. A disk that is full or
//! too slow ends the recording, with one warning; no call ever learns of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hharome_hardware::port::tape::{PortEvent, Remembers, Tape};
use hharome_protocol::bridge::{CallStage, RecordStatus};
use hharome_protocol::frame::TaskId;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::writer::{Folder, Writer};
use super::{DAEMON_STOPPED, RecordError, STOPPED};
use crate::config::Written;
use crate::panel::watch::Watch;

/// Events that wait for the writer hold at most so many bytes: what a disk that stands still for
/// a second would make of an hour's sound. Beyond, the disk is too slow to record to.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// What an event weighs in the queue besides its bytes.
const EVENT_BYTES: usize = 96;

/// How long a moment is waited for in which no device is busy.
const NOT_QUIET: Duration = Duration::from_secs(3);

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// How long the end of a recording may take: the disk may be slow, and a stop is waited for.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// Records, or not. Clones are handles on the same recorder.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Shared>);

/// Something that happened.
pub struct Event {
    /// Microseconds since the recording began.
    pub micros: i64,
    /// It had been so already when it began.
    pub before: bool,
    /// What.
    pub what: What,
}

/// What happened, and where.
pub enum What {
    /// At the port of a device.
    Port(&'static str, PortEvent),
    /// At the photo decoder.
    Photo(PhotoEvent),
    /// At a client.
    Client(u64, ClientEvent),
    /// To the daemon.
    Daemon(DaemonEvent),
}

/// A photo was decoded.
pub struct PhotoEvent {
    /// What the chip holds.
    pub wlt: Vec<u8>,
    /// How long it took.
    pub took: Duration,
    /// The JPEG, or what was wrong.
    pub answer: Result<Vec<u8>, String>,
}

/// What happens at a client.
pub enum ClientEvent {
    /// It has come.
    Connected {
        /// `unix`, `tcp`, `ws`.
        transport: &'static str,
        /// Whether it has to show a token.
        token: bool,
    },
    /// A frame from it, without its end.
    In(Bytes),
    /// Its token; the right one or not.
    Token(bool),
    /// A frame over the limit.
    TooLong,
    /// It has finished sending.
    InEnd,
    /// A frame to it.
    Out(Bytes),
    /// Its socket takes no more.
    Stalled,
    /// Its socket takes frames again.
    Flowing,
    /// The connection is over.
    Gone(&'static str),
}

/// What happens to the daemon.
pub enum DaemonEvent {
    /// The configuration was read again.
    Reloaded(Written),
    /// It was told to stop.
    Stopping,
}

/// What the recorder and its writer share.
#[derive(Default)]
pub(super) struct Shared {
    /// The number of the recording under way; 0 while there is none.
    session: AtomicU64,
    queue: Mutex<Queue>,
    /// Told when the queue is no longer empty, or closed.
    filled: Condvar,
    state: Mutex<State>,
    ports: Mutex<Vec<(&'static str, Arc<dyn Remembers>)>>,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Queue {
    events: Vec<Event>,
    bytes: usize,
    began: Option<Instant>,
    /// The writer sleeps until it is told.
    idle: bool,
    /// No event will come any more.
    closed: Option<Closed>,
}

/// The end of a recording.
#[derive(Clone)]
pub(super) struct Closed {
    /// Why it ended.
    pub(super) why: String,
    /// When, in microseconds since it began.
    pub(super) micros: i64,
}

#[derive(Default)]
struct State {
    sessions: u64,
    status: RecordStatus,
    /// The name of a recording that is about to begin.
    claimed: Option<String>,
    /// Turns true when the writer has ended.
    done: Option<watch::Receiver<bool>>,
}

impl Recorder {
    /// The number of the recording under way; 0 while there is none.
    #[must_use]
    pub fn session(&self) -> u64 {
        self.0.session.load(Ordering::Relaxed)
    }

    /// What the configuration's file says, for recordings that begin from now on.
    pub fn set_written(&self, written: Written) {
        *lock(&self.0.written) = written;
    }

    /// What the configuration's file says.
    #[must_use]
    pub fn written(&self) -> Written {
        lock(&self.0.written).clone()
    }

    /// The right to make the next recording, and call it `name`: nobody else has it meanwhile.
    ///
    /// # Errors
    /// One is under way already, is about to begin, or is still being written.
    pub fn claim(&self, name: &str) -> Result<Claim, RecordError> {
        let mut state = lock(&self.0.state);
        let writing = state.done.as_ref().is_some_and(|done| !*done.borrow());
        if let Some(name) = &state.claimed {
            return Err(RecordError::UnderWay(name.clone()));
        }
        if state.status.recording || writing {
            return Err(RecordError::UnderWay(state.status.name.clone().unwrap_or_default()));
        }
        state.claimed = Some(name.to_owned());
        Ok(Claim(Arc::clone(&self.0)))
    }

    /// Ends when no device is in the middle of an exchange, or of a code: a recording that began
    /// there would have the second half only. Not later than drivers wait for an answer.
    pub async fn quiet(&self) {
        let latest = Instant::now() + NOT_QUIET;
        let busy = || lock(&self.0.ports).iter().any(|(_, memory)| memory.is_busy());
        while busy() && Instant::now() < latest {
            sleep(LOOK).await;
        }
    }

    /// Begins to record into a folder that was made for it.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn begin(&self, folder: Folder) -> Result<(), RecordError> {
        {
            let mut queue = lock(&self.0.queue);
            *queue = Queue { began: Some(Instant::now()), ..Queue::default() };
            for (device, memory) in &*lock(&self.0.ports) {
                let events = memory.events().into_iter().map(|event| Event {
                    micros: 0,
                    before: true,
                    what: What::Port(device, event),
                });
                queue.events.extend(events);
            }
        }
        let (tell, done) = watch::channel(false);
        let name = folder.name().to_owned();
        let path = folder.path().to_string_lossy().into_owned();
        let writer = Writer::new(folder, Arc::clone(&self.0));
        std::thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || {
                writer.run();
                tell.send_replace(true);
            })
            .map_err(RecordError::Thread)?;
        let mut state = lock(&self.0.state);
        state.sessions += 1;
        state.done = Some(done);
        let (name, folder) = (Some(name), Some(path));
        state.status = RecordStatus { recording: true, name, folder, bytes: 0, ended: None };
        self.0.session.store(state.sessions, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the recording, and waits until its last line is written. Nothing to do while there is
    /// none.
    pub async fn end(&self, why: &str) {
        self.0.close(why);
        let done = lock(&self.0.state).done.clone();
        if let Some(mut done) = done {
            // The writer's thread ends in any case; it may be stuck in a write.
            let ended = done.wait_for(|done| *done);
            if tokio::time::timeout(LAST_WRITES, ended).await.is_err() {
                tracing::warn!("the recording's last lines are still being written");
            }
        }
    }

    /// How the recording is, or how the last one ended.
    #[must_use]
    pub fn status(&self) -> RecordStatus {
        lock(&self.0.state).status.clone()
    }

    /// Something has happened to the daemon.
    pub fn daemon(&self, event: DaemonEvent) {
        if self.session() != 0 {
            self.0.push(false, None, What::Daemon(event), 0);
        }
    }

    /// A photo was decoded.
    pub fn photo(&self, photo: impl FnOnce() -> PhotoEvent) {
        if self.session() != 0 {
            self.0.push(false, None, What::Photo(photo()), 4096);
        }
    }
}

impl Tape for Recorder {
    fn is_on(&self) -> bool {
        self.session() != 0
    }

    fn write(&self, device: &'static str, event: PortEvent) {
        let bytes = match &event {
            PortEvent::In(bytes) | PortEvent::Out(bytes) => bytes.len(),
            _ => 0,
        };
        self.0.push(false, None, What::Port(device, event), bytes);
    }

    fn register(&self, device: &'static str, memory: Arc<dyn Remembers>) {
        lock(&self.0.ports).push((device, memory));
    }
}

/// The right to make the next recording; given back when dropped.
pub struct Claim(Arc<Shared>);

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.0.state).claimed = None;
    }
}

/// One client's tape, and who watches it.
#[derive(Clone)]
pub struct ClientTape {
    recorder: Recorder,
    watch: Watch,
    client: u64,
    transport: &'static str,
}

impl ClientTape {
    /// The tape of the client with this number.
    #[must_use]
    pub fn new(recorder: Recorder, watch: Watch, client: u64, transport: &'static str) -> Self {
        Self { recorder, watch, client, transport }
    }

    /// The number of the recording under way; 0 while there is none.
    #[must_use]
    pub fn session(&self) -> u64 {
        self.recorder.session()
    }

    /// When the recording under way began; `None` while there is none.
    #[must_use]
    pub fn began(&self) -> Option<Instant> {
        lock(&self.recorder.0.queue).began
    }

    /// Something happens at the client.
    pub fn write(&self, event: impl FnOnce() -> ClientEvent) {
        let (recorded, watched) = (self.session() != 0, self.watch.is_on());
        if recorded || watched {
            let event = event();
            if watched {
                self.watch.see(self.client, self.transport, &event);
            }
            if recorded {
                self.push(false, None, event);
            }
        }
    }

    /// Something happens at the client that belongs into no recording.
    pub fn show(&self, event: impl FnOnce() -> ClientEvent) {
        if self.watch.is_on() {
            self.watch.see(self.client, self.transport, &event());
        }
    }

    /// A call of the client has come so far.
    pub fn stage(&self, call: (&'static str, &TaskId), stage: CallStage) {
        self.watch.stage(self.client, self.transport, call, stage);
    }

    /// Something had been so already when the recording began, since `at`.
    pub fn write_before(&self, at: Option<Instant>, event: ClientEvent) {
        self.push(true, at, event);
    }

    fn push(&self, before: bool, at: Option<Instant>, event: ClientEvent) {
        let bytes = match &event {
            ClientEvent::In(frame) | ClientEvent::Out(frame) => frame.len(),
            _ => 0,
        };
        self.recorder.0.push(before, at, What::Client(self.client, event), bytes);
    }
}

impl Shared {
    fn push(&self, before: bool, at: Option<Instant>, what: What, bytes: usize) {
        let now = Instant::now();
        let mut queue = lock(&self.queue);
        let Some(began) = queue.began.filter(|_| queue.closed.is_none()) else { return };
        let micros = match (before, at) {
            (true, at) => at.map_or(0, |at| micros_between(began, at).min(0)),
            (false, _) => micros_between(began, now),
        };
        queue.bytes += bytes + EVENT_BYTES;
        if queue.bytes > QUEUE_BYTES {
            drop(queue);
            self.fail("the disk is too slow for what happens");
            return;
        }
        queue.events.push(Event { micros, before, what });
        let wake = std::mem::take(&mut queue.idle);
        drop(queue);
        if wake {
            self.filled.notify_one();
        }
    }

    /// The writer's side: what has come since the last time, waiting for the first of it; nothing,
    /// when it is `until`. An error with the reason when nothing will come any more.
    pub(super) fn next(&self, until: std::time::Instant) -> Result<Vec<Event>, Closed> {
        let mut queue = lock(&self.queue);
        loop {
            if !queue.events.is_empty() {
                queue.bytes = 0;
                return Ok(std::mem::take(&mut queue.events));
            }
            if let Some(closed) = &queue.closed {
                return Err(closed.clone());
            }
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Ok(Vec::new());
            }
            queue.idle = true;
            let waited = self.filled.wait_timeout(queue, left);
            (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The writer's side: sleeps between two batches, unless the recording ends.
    pub(super) fn pause(&self, length: Duration) {
        let queue = lock(&self.queue);
        let open = |queue: &mut Queue| queue.closed.is_none();
        let _ = self.filled.wait_timeout_while(queue, length, open);
    }

    /// The writer's side: so much is on the disk.
    pub(super) fn wrote(&self, bytes: u64) {
        lock(&self.state).status.bytes = bytes;
    }

    /// The writer's side: it has ended, with everything on the disk or words of what was wrong.
    /// What was asked for is information. Anything else is a warning, one in all: the end that
    /// nobody asked for, or that the last lines of the one asked for are lost.
    pub(super) fn ended(&self, worked: Result<(), String>) {
        lock(&self.queue).events = Vec::new();
        if let Err(wrong) = &worked
            && self.close(wrong)
        {
            self.warn(wrong);
            return;
        }
        let RecordStatus { name, ended, bytes, .. } = lock(&self.state).status.clone();
        let (name, why) = (name.unwrap_or_default(), ended.unwrap_or_default());
        match worked {
            _ if ![STOPPED, DAEMON_STOPPED].contains(&why.as_str()) => {}
            Ok(()) => tracing::info!(name, why, bytes, "recording ended"),
            Err(wrong) => self.warn(&wrong),
        }
    }

    /// The recording cannot go on. Said once.
    pub(super) fn fail(&self, why: &str) {
        if self.close(why) {
            self.warn(why);
        }
    }

    fn warn(&self, why: &str) {
        let RecordStatus { name, bytes, .. } = lock(&self.state).status.clone();
        let name = name.unwrap_or_default();
        tracing::warn!(name, why, bytes, "recording ended; what was recorded so far is kept");
    }

    /// The recording ends; tells whether it had not ended before.
    fn close(&self, why: &str) -> bool {
        {
            let mut queue = lock(&self.queue);
            let Some(began) = queue.began.filter(|_| queue.closed.is_none()) else { return false };
            let micros = micros_between(began, Instant::now());
            queue.closed = Some(Closed { why: why.to_owned(), micros });
        }
        self.session.store(0, Ordering::Relaxed);
        let mut state = lock(&self.state);
        state.status.recording = false;
        state.status.ended = Some(why.to_owned());
        drop(state);
        self.filled.notify_one();
        true
    }
}

fn micros_between(from: Instant, to: Instant) -> i64 {
    let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    match to.checked_duration_since(from) {
        Some(span) => micros(span),
        None => -micros(from.duration_since(to)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks, so a poisoned one is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
