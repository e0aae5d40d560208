//! A recording's clients against any bridge, in real time.
//!
//! Each client is a task that owns its connection. What a real socket cannot do as a played one is
//! left out and said in a note: half-closing, frames that the transport has no way to carry,
//! stopping and reloading somebody else's daemon.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hharome_hardware::port::replay::Timeline;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::judge::Judge;
use super::player::{House, Player};
use super::socket::Ear;
use super::stage::Stage;
use super::{GRACE, Options, Outcome, ReplayError, check, rules};
use crate::config::Config;
use crate::recording::format::{DaemonLine, RIGHT_TOKEN};
use crate::recording::reader::{ClientFile, ReadError, Recording};
use crate::transport::Incoming;

/// Calls that were under way when the recording began are begun at most so long before, in
/// microseconds: somebody waits for this replay.
const MAX_PRE_ROLL: i64 = 20_000_000;

/// Connections are made so long before the recording begins, in microseconds.
const CONNECTING: i64 = 500_000;

/// Frames that came so shortly before the end may have been due behind it, in microseconds.
const EDGE: i64 = 1_000_000;

/// Frames that may wait for one connection to take them.
const WAITING: usize = 1024;

/// A client that has finished still reads for so long what is on its way.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection to a bridge.
pub trait Wire: Send + 'static {
    /// Sends one frame, which ends with a line's end.
    fn send(&mut self, frame: Bytes) -> impl Future<Output = io::Result<()>> + Send;

    /// The next frame; `None` when the bridge has closed. Cancel safe.
    fn next(&mut self) -> impl Future<Output = io::Result<Option<Bytes>>> + Send;
}

/// Makes connections to one bridge.
pub trait Connect: Clone + Send + 'static {
    /// What it makes.
    type Wire: Wire;

    /// Makes one.
    fn connect(&self) -> impl Future<Output = Result<Self::Wire, String>> + Send;
}

/// Plays the clients of the recording in `folder` against a bridge, at `speed` seconds of the
/// recording a second. To be called inside a runtime that runs in real time.
///
/// # Errors
/// As [`super::run`]; a bridge that cannot be connected to is a difference.
pub async fn run_outdoors<C: Connect>(
    folder: &Path,
    options: &Options,
    speed: f64,
    connect: C,
) -> Result<Outcome, ReplayError> {
    let began = std::time::Instant::now();
    let recording = Recording::open(folder)?;
    check(&recording, options)?;
    if options.accept {
        return Err(ReplayError::Unacceptable("another bridge's answers are not the recording's"));
    }
    let config = Config::from_recorded(&recording.meta)?;
    let earliest = recording.clients.iter().filter_map(|client| client.before).min();
    let base = earliest.unwrap_or(0).clamp(-MAX_PRE_ROLL, 0) - CONNECTING;
    let lead = Duration::from_micros(base.unsigned_abs()).div_f64(speed);
    let timeline = Timeline::new(Instant::now() + lead, speed);
    let rules = rules(&recording, options, EDGE);
    let grace = rules.tolerance.max(GRACE);
    let stage = Stage::new(Judge::new(rules), None, options.sink.clone(), timeline.clone());
    let stage = Arc::new(Mutex::new(stage));
    let notes = Notes::default();
    let house = Outdoors {
        connect,
        stage: Arc::clone(&stage),
        clients: BTreeMap::new(),
        max_frame: config.listen.max_frame_bytes,
        notes: notes.clone(),
    };
    let mut player = Player::new(&recording, house, Arc::clone(&stage), timeline, base)?;
    let horizon = recording.horizon();
    player.play(horizon).await?;
    player.idle(horizon.saturating_add(grace)).await;
    let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
    let verdict = std::mem::take(&mut stage.judge).finish();
    let mut outcome = Outcome::of(&recording, options, verdict, began.elapsed());
    if (speed - 1.0).abs() > f64::EPSILON {
        outcome.notes.push(format!(
            "the clients play {speed} times as fast, and the bridge's own time limits are what \
             they are: a call that timed out then may be answered now, and the other way round"
        ));
    }
    outcome.notes.extend(notes.take());
    Ok(outcome)
}

/// What could not be done as it was recorded; each kind is said once.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Notes {
    fn add(&self, kind: &'static str, words: String) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.entry(kind).or_insert(words);
    }

    fn take(&self) -> Vec<String> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *notes).into_values().collect()
    }
}

struct Outdoors<C> {
    connect: C,
    stage: Arc<Mutex<Stage>>,
    clients: BTreeMap<u64, mpsc::Sender<Word>>,
    max_frame: usize,
    notes: Notes,
}

/// What a client's task is told.
enum Word {
    Say(Bytes),
    /// Reads nothing from now on, or again.
    Stall(bool),
    Finish,
    Break,
}

impl<C: Connect> Outdoors<C> {
    fn tell(&self, client: u64, word: Word) {
        if let Some(sender) = self.clients.get(&client)
            && let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(word)
        {
            self.notes.add("full", format!("the bridge did not take what client {client} said"));
        }
    }
}

impl<C: Connect> House for Outdoors<C> {
    fn enter(&mut self, client: &ClientFile, _: &str, _: bool, _: bool) -> Result<(), ReadError> {
        let (sender, words) = mpsc::channel(WAITING);
        self.clients.insert(client.number, sender);
        let (connect, stage) = (self.connect.clone(), Arc::clone(&self.stage));
        let (number, notes) = (client.number, self.notes.clone());
        tokio::spawn(async move {
            let by_itself = match connect.connect().await {
                Ok(wire) => converse(wire, number, words, &stage).await,
                Err(error) => {
                    notes.add("connect", format!("client {number} could not connect: {error}"));
                    true
                }
            };
            if by_itself {
                stage.lock().unwrap_or_else(PoisonError::into_inner).ended(number, true);
            }
        });
        Ok(())
    }

    fn says(&mut self, client: u64, what: Incoming) {
        match what {
            Incoming::Frame(frame) if is_right_token(&frame) => {
                self.notes.add(
                    "token",
                    "tokens are not those of the recording: $HHAROME_TOKEN is sent".to_owned(),
                );
            }
            Incoming::Frame(frame) if frame.contains(&b'\n') => {
                let words = format!("a frame of client {client} has line ends; it was not sent");
                self.notes.add("lines", words);
            }
            Incoming::Frame(frame) => {
                let mut line = BytesMut::with_capacity(frame.len() + 1);
                line.extend_from_slice(&frame);
                line.extend_from_slice(b"\n");
                self.tell(client, Word::Say(line.freeze()));
            }
            Incoming::TooLong => {
                let mut line = vec![b'x'; self.max_frame + 1];
                line.push(b'\n');
                self.tell(client, Word::Say(line.into()));
            }
            Incoming::End => {
                let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
                stage.judge.close(client);
                drop(stage);
                self.tell(client, Word::Finish);
            }
        }
    }

    fn stalls(&mut self, client: u64) {
        self.tell(client, Word::Stall(true));
    }

    fn flows(&mut self, client: u64) -> Result<(), ReadError> {
        self.tell(client, Word::Stall(false));
        Ok(())
    }

    fn breaks(&mut self, client: u64) {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).judge.close(client);
        self.tell(client, Word::Break);
    }

    fn leaves(&mut self, client: u64) {
        self.clients.remove(&client);
    }

    fn daemon(&mut self, line: DaemonLine) -> Result<(), String> {
        if line.reload.is_some() {
            let words = "the configuration was read again then; the bridge does not do it now";
            self.notes.add("reload", words.to_owned());
        }
        if line.stopping {
            let words = "the daemon was stopped then; from there on nothing is compared";
            self.notes.add("stopping", words.to_owned());
            let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            stage.judge.stop_expecting(line.t);
        }
        Ok(())
    }
}

/// One client's whole life; tells whether the bridge ended it.
async fn converse(
    mut wire: impl Wire,
    client: u64,
    mut words: mpsc::Receiver<Word>,
    stage: &Mutex<Stage>,
) -> bool {
    let hear = |frame: &Bytes| {
        stage.lock().unwrap_or_else(PoisonError::into_inner).hear(client, frame);
    };
    let mut stalled = false;
    loop {
        tokio::select! {
            biased;
            word = words.recv() => match word {
                Some(Word::Say(frame)) => if wire.send(frame).await.is_err() { return true },
                Some(Word::Stall(now)) => stalled = now,
                Some(Word::Break) => return false,
                // Its file ends where the recording ends, or where it left.
                Some(Word::Finish) | None => break,
            },
            frame = wire.next(), if !stalled => match frame {
                Ok(Some(frame)) => hear(&frame),
                Ok(None) | Err(_) => return true,
            },
        }
    }
    let last = async {
        while let Ok(Some(frame)) = wire.next().await {
            hear(&frame);
        }
    };
    let _ = timeout(FAREWELL, last).await;
    false
}

fn is_right_token(frame: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Token {
        token: String,
    }
    frame.len() < 256
        && serde_json::from_slice(frame).is_ok_and(|Token { token }| token == RIGHT_TOKEN)
}
