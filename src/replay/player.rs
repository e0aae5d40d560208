//! Plays a recording's clients and what happened to its daemon, each line at its time.
//!
//! One task walks over all files in the order of their times; of each file it holds one line. What
//! the lines do is the house's ([`House`]): clients inside this process in virtual time
//! ([`super::indoors`]), or clients of another bridge in real time ([`super::outdoors`]).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hharome_hardware::port::replay::Timeline;

use super::stage::Stage;
use crate::recording::format::DaemonLine;
use crate::recording::reader::{
    ClientFile, ClientLines, ClientStep, DaemonLines, Happened, Numbered, ReadError, Recording,
};
use crate::transport::Incoming;

/// How often what has waited too long for its twin is looked for, in microseconds.
const PASS: i64 = 1_000_000;

/// Lines of one client that are not farther apart, in microseconds, were handled in one go: they
/// came in one piece, and nothing else happened between them.
const TOGETHER: i64 = 50;

/// A client that did something after it had got a frame does it after that frame now, too: closes
/// when it has its answer, asks again when it has been answered. For so long it waits for a frame
/// that is late, in microseconds.
const PATIENCE: i64 = 500_000;

/// How often a client that waits looks whether the frame has come, in microseconds: the step of the
/// runtime's clock.
const LOOK: i64 = 1_000;

/// Turns that everybody has before a line when frames are still awaited: a call goes through its
/// connection's task, its device's, and back. Without them a player that waits by [`LOOK`] for each
/// of many quick answers would fall behind.
const TURNS: usize = 16;

/// Frames of the time before whose own time is not known are sent so long before the beginning, in
/// microseconds: another bridge has answered them by then.
const SHORTLY_BEFORE: i64 = -20_000;

/// What a player's lines do.
pub(super) trait House {
    /// A client comes; `before`: it was there already when the recording began.
    fn enter(
        &mut self,
        client: &ClientFile,
        transport: &str,
        token: bool,
        before: bool,
    ) -> Result<(), ReadError>;

    /// It sends this.
    fn says(&mut self, client: u64, what: Incoming);

    /// It got a frame then.
    fn took(&mut self, _client: u64) {}

    /// Its socket took nothing more.
    fn stalls(&mut self, client: u64);

    /// Its socket took frames again.
    fn flows(&mut self, client: u64) -> Result<(), ReadError>;

    /// It is gone without a word.
    fn breaks(&mut self, client: u64);

    /// Its file ends.
    fn leaves(&mut self, client: u64);

    /// What happened to the daemon.
    fn daemon(&mut self, line: DaemonLine) -> Result<(), String>;

    /// The recording begins: its time is 0.
    fn begin(&mut self) {}
}

/// Why a player stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlayError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A line of `daemon.jsonl` cannot be carried out.
    #[error("{0}")]
    Daemon(String),
}

/// Plays one recording.
pub(super) struct Player<'a, H> {
    recording: &'a Recording,
    house: H,
    stage: Arc<Mutex<Stage>>,
    timeline: Timeline,
    /// The time at which clients of the time before come, in microseconds; below 0.
    base: i64,
    agenda: BTreeSet<(i64, Who)>,
    open: BTreeMap<u64, Open>,
    daemon: Option<DaemonLines>,
    daemon_next: Option<DaemonLine>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// The recording's beginning itself.
    Beginning,
    Daemon,
    Client(u64),
}

/// A client whose file is being read.
struct Open {
    lines: ClientLines,
    /// Of the time before, in the order of their times.
    before: VecDeque<(i64, ClientStep)>,
    next: Option<Numbered<ClientStep>>,
    /// Frames up to this line are not waited for any more.
    given_up: u64,
    ended: bool,
}

impl<'a, H: House> Player<'a, H> {
    pub(super) fn new(
        recording: &'a Recording,
        house: H,
        stage: Arc<Mutex<Stage>>,
        timeline: Timeline,
        base: i64,
    ) -> Result<Self, ReadError> {
        let mut agenda = BTreeSet::from([(0, Who::Beginning)]);
        for client in &recording.clients {
            let begin = if client.before.is_some() { Some(base) } else { client.first };
            agenda.extend(begin.map(|t| (t, Who::Client(client.number))));
        }
        let mut player = Self {
            recording,
            house,
            stage,
            timeline,
            base,
            agenda,
            open: BTreeMap::new(),
            daemon: recording.daemon()?,
            daemon_next: None,
        };
        player.read_daemon()?;
        Ok(player)
    }

    /// Plays up to `until`, and waits until then.
    pub(super) async fn play(&mut self, until: i64) -> Result<(), PlayError> {
        let mut last = (i64::MIN, Who::Beginning);
        while let Some((t, who)) = self.agenda.pop_first() {
            if t > until {
                break;
            }
            if who != last.1 || t.saturating_sub(last.0) > TOGETHER {
                self.wait(t).await;
            }
            last = (t, who);
            if self.stage().judge.awaits_any() {
                // What has to come before the next line is on its way.
                for _ in 0..TURNS {
                    tokio::task::yield_now().await;
                }
            }
            match who {
                Who::Beginning => self.house.begin(),
                Who::Daemon if self.daemon_waits(t) => {
                    self.agenda.insert((t + LOOK, Who::Daemon));
                }
                Who::Daemon => self.daemon_line()?,
                Who::Client(number) => self.client(number, t)?,
            }
        }
        self.wait(until).await;
        Ok(())
    }

    /// Goes on waiting to a later time, with nothing to play.
    pub(super) async fn idle(&mut self, until: i64) {
        self.wait(until).await;
    }

    async fn wait(&mut self, t: i64) {
        loop {
            let next = match self.stage().judge.is_idle() {
                true => t,
                false => t.min(self.timeline.now().saturating_add(PASS)),
            };
            self.timeline.reached(next).await;
            let now = self.timeline.now();
            self.stage().judge.pass(now);
            if next == t {
                return;
            }
        }
    }

    /// The daemon stopped after frames that have not come yet.
    fn daemon_waits(&self, now: i64) -> bool {
        let stops = |line: &DaemonLine| line.stopping && now - line.t < PATIENCE;
        self.daemon_next.as_ref().is_some_and(stops) && self.stage().judge.awaits_any()
    }

    fn daemon_line(&mut self) -> Result<(), PlayError> {
        if let Some(line) = self.daemon_next.take() {
            if line.stopping {
                self.stage().everybody_leaves();
            }
            self.house.daemon(line).map_err(PlayError::Daemon)?;
        }
        Ok(self.read_daemon()?)
    }

    fn read_daemon(&mut self) -> Result<(), ReadError> {
        let Some(lines) = &mut self.daemon else { return Ok(()) };
        if let Some(line) = lines.next()? {
            self.agenda.insert((line.value.t, Who::Daemon));
            self.daemon_next = Some(line.value);
        }
        Ok(())
    }

    fn client(&mut self, number: u64, t: i64) -> Result<(), ReadError> {
        let Some(mut open) = self.open.remove(&number) else { return self.open(number, t) };
        if let Some((_, step)) = open.before.pop_front() {
            self.step(number, 0, step, true, &mut open)?;
        } else if self.has_to_wait(number, t, &mut open) {
            self.agenda.insert((t + LOOK, Who::Client(number)));
            self.open.insert(number, open);
            return Ok(());
        } else if let Some(Numbered { line, value }) = open.next.take() {
            self.stage().line(number, line, &value, open.lines.text());
            self.step(number, line, value, false, &mut open)?;
            open.next = open.lines.next()?;
        }
        self.keep(number, t, open);
        Ok(())
    }

    /// Whether the client's next line is its own doing and a frame before it has not come yet.
    fn has_to_wait(&self, number: u64, now: i64, open: &mut Open) -> bool {
        let Some(next) = open.next.as_ref().filter(|next| is_own(&next.value.happened)) else {
            return false;
        };
        if !self.stage().judge.awaits(number, open.given_up) {
            return false;
        }
        if now - next.value.t < PATIENCE {
            return true;
        }
        open.given_up = next.line;
        false
    }

    fn open(&mut self, number: u64, t: i64) -> Result<(), ReadError> {
        let recording = self.recording;
        let Some(file) = recording.client_file(number) else { return Ok(()) };
        let mut lines = recording.client(file)?;
        self.stage().opened(number, &file.name);
        let mut before = Vec::new();
        let mut next = lines.next()?;
        while let Some(line) = next.take_if(|line| line.value.before) {
            self.stage().line(number, line.line, &line.value, lines.text());
            let t = match line.value.happened {
                Happened::Connected { .. } => self.base,
                _ if line.value.t < 0 => line.value.t.max(self.base),
                _ => SHORTLY_BEFORE,
            };
            before.push((t, line.value));
            next = lines.next()?;
        }
        before.sort_by_key(|(t, _)| *t);
        let open = Open { lines, before: before.into(), next, given_up: 0, ended: false };
        self.keep(number, t, open);
        Ok(())
    }

    fn keep(&mut self, number: u64, t: i64, open: Open) {
        let next = match (open.before.front(), &open.next) {
            (Some((t, _)), _) => Some(*t),
            (None, Some(line)) => Some(line.value.t),
            (None, None) => None,
        };
        match next {
            // Nothing happens earlier than what stands before it in its file.
            Some(next) => {
                self.agenda.insert((next.max(t), Who::Client(number)));
                self.open.insert(number, open);
            }
            None => self.house.leaves(number),
        }
    }

    fn step(
        &mut self,
        number: u64,
        line: u64,
        step: ClientStep,
        before: bool,
        open: &mut Open,
    ) -> Result<(), ReadError> {
        match step.happened {
            Happened::Connected { transport, token } => {
                if let Some(file) = self.recording.client_file(number) {
                    self.house.enter(file, &transport, token, before)?;
                }
            }
            Happened::In(frame) => self.house.says(number, Incoming::Frame(frame)),
            Happened::InTooLong => self.house.says(number, Incoming::TooLong),
            Happened::InEnd => self.ends(number, open),
            Happened::Out(frame) => {
                self.house.took(number);
                self.stage().expect(number, line, step.t, frame);
            }
            Happened::Stalled => self.house.stalls(number),
            Happened::Flowing => self.house.flows(number)?,
            Happened::Gone(why) => match why.as_str() {
                "finished" => self.ends(number, open),
                "broken" => {
                    self.stage().leaves(number);
                    self.house.breaks(number);
                }
                "stopped" => self.stage().leaves(number),
                _ => self.stage().judge.expect_end(number, line, step.t, why),
            },
            Happened::End | Happened::Unknown => {}
        }
        Ok(())
    }

    fn ends(&mut self, number: u64, open: &mut Open) {
        if !std::mem::replace(&mut open.ended, true) {
            self.stage().leaves(number);
            self.house.says(number, Incoming::End);
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client does, and not what is done to it.
fn is_own(happened: &Happened) -> bool {
    match happened {
        Happened::In(_) | Happened::InTooLong | Happened::InEnd => true,
        Happened::Gone(why) => why == "finished" || why == "broken",
        _ => false,
    }
}
