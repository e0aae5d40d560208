//! The driver of all presence sensors: reads what the sensor says, and tells it to [`Presence`].
//!
//! A sensor that speaks only when something changes has its line open all the time: reading it costs
//! nothing, and what it said last holds. One that speaks all the time, or has to be asked, is opened
//! when the first listener comes and closed when the last one goes ([`Settings::on_demand`]).
//!
//! ```text
//! rests ──listener──► open ──first sentence──► ready ──silent for 1 s──► unknown ──8 s──► failed
//!   ▲                                            │ ▲                       │
//!   └──────────── the last listener goes ────────┘ └───────a sentence──────┘
//! ```

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep};

use super::judge::{Judge, Threshold};
use super::language::{Found, Framer, Language, SwitchCode};
use super::presence::{Presence, Sight};
use crate::device::{Driver, State, Status, Trouble};
use crate::moment::at;
use crate::port::BoxedLine;

/// A sensor that speaks all the time and has said nothing for so long does not know who is there. The
/// slowest speak ten times a second, or are asked four times a second.
pub const STALE: Duration = Duration::from_secs(1);

/// A sensor that speaks all the time and has said nothing for so long is broken, or speaks another
/// language. Longer than the longest interval of a listener, so that a recording which begins between
/// two of its events replays with a sensor that is not.
pub const SILENT: Duration = Duration::from_secs(8);

/// How soon a sensor that says how it stands when its line is opened has to.
const FIRST: Duration = Duration::from_secs(2);

/// What waits in a serial line when it is opened was said before, perhaps long ago. It is thrown away
/// so many times, for a pty holds it in two places of 4 and 8 KiB (tty_buffer_set_limit), and gives
/// it in pieces of 4.
const FLUSHES: u32 = 4;

/// Between two of these: the kernel moves on what it holds.
const FLUSH_GAP: Duration = Duration::from_millis(10);

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the sensor speaks.
    pub language: Language,
    /// The rate of its line in baud, if that is a serial one.
    pub baud: u32,
    /// From where on somebody is there, of sensors that measure.
    pub threshold: Threshold,
    /// The line is closed while nobody listens.
    pub on_demand: bool,
    /// For how long a sensor that has just got its power sees what is not there; zero: not at all.
    /// Counted from the first opening, and again when it comes back.
    pub warm_up: Duration,
}

/// The driver.
pub struct Sensor {
    settings: Settings,
    presence: Presence,
    status: Status,
    /// Until when it warms up, once that is known.
    warm: Option<Instant>,
    /// How the last use of it ended.
    last: Last,
}

/// How the last use of a sensor ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Well, or there was none.
    Well,
    /// It is back, and is opened once to see how it does.
    Absent,
    /// It did not do what it should.
    Failed,
}

impl Sensor {
    /// A driver that tells `presence` what it sees. `status` is the device's.
    #[must_use]
    pub fn new(settings: Settings, presence: Presence, status: Status) -> Self {
        Self { settings, presence, status, warm: None, last: Last::Well }
    }
}

impl Driver for Sensor {
    fn baud(&self) -> u32 {
        self.settings.baud
    }

    async fn wanted(&mut self) {
        let mut wanted = self.presence.wanted();
        if !self.settings.on_demand || self.last == Last::Absent || *wanted.borrow() {
            return;
        }
        self.presence.recover();
        // One that has failed is still what it was, and is tried again when somebody listens.
        if self.last == Last::Well {
            self.status.set(State::Ready);
        }
        self.presence.rests();
        // The sender lives in `presence`, so this cannot fail.
        let _ = wanted.wait_for(|wanted| *wanted).await;
    }

    async fn run(&mut self, mut line: BoxedLine, status: &Status) -> Option<Trouble> {
        self.presence.opened();
        if self.settings.on_demand && self.settings.baud > 0 {
            for _ in 0..FLUSHES {
                // Some adapters refuse.
                let _ = line.discard_input();
                sleep(FLUSH_GAP).await;
            }
        }
        let now = Instant::now();
        let mut session = Session {
            line,
            framer: Framer::new(self.settings.language),
            judge: Judge::new(self.settings.threshold),
            warm: *self.warm.get_or_insert(now + self.settings.warm_up),
            held: Sight::Unknown,
            started: false,
            heard: now,
            garbage: false,
        };
        if !self.settings.language.begins_with_its_state() {
            self.start(&mut session, status);
        }
        self.listen(&mut session, status).await
    }

    fn unusable(&mut self, trouble: &Trouble) {
        let absent = matches!(trouble, Trouble::Absent { .. });
        self.last = if absent { Last::Absent } else { Last::Failed };
        if absent {
            self.warm = None;
        }
        self.presence.fail(trouble);
    }
}

/// One open line.
struct Session {
    line: BoxedLine,
    framer: Framer,
    judge: Judge,
    /// Until when the sensor warms up.
    warm: Instant,
    /// What it says meanwhile.
    held: Sight,
    started: bool,
    /// When it last said something.
    heard: Instant,
    /// It has said something that is nothing in its language.
    garbage: bool,
}

impl Sensor {
    async fn listen(&mut self, session: &mut Session, status: &Status) -> Option<Trouble> {
        let mut wanted = self.presence.wanted();
        let mut chunk = [0; 512];
        let language = self.settings.language;
        loop {
            if self.settings.on_demand && session.started && !*wanted.borrow_and_update() {
                return None;
            }
            let now = Instant::now();
            let stale = (language.streams() && session.held != Sight::Unknown)
                .then(|| session.heard + STALE);
            let silent = match () {
                () if language.streams() => Some(session.heard + SILENT),
                () if session.started => None,
                () => Some(session.heard + FIRST),
            };
            let warm = (session.warm > now).then_some(session.warm);
            tokio::select! {
                biased;
                read = session.line.read(&mut chunk) => match read {
                    Ok(read) if read > 0 => {
                        session.framer.push(chunk.get(..read).unwrap_or_default());
                        if let Err(trouble) = self.hear(session, status) {
                            return Some(trouble);
                        }
                    }
                    end => return Some(gone(end.err())),
                },
                () = at(silent) => return Some(self.silent(session)),
                () = at(stale) => self.sees(session, Sight::Unknown),
                () = at(warm) => self.sees(session, session.held),
                _ = wanted.changed(), if self.settings.on_demand => {}
            }
        }
    }

    /// Everything that has been said.
    fn hear(&mut self, session: &mut Session, status: &Status) -> Result<(), Trouble> {
        let mut garbage = false;
        while let Some(found) = session.framer.next_found() {
            let Found::Said(said) = found else {
                garbage = true;
                continue;
            };
            session.heard = Instant::now();
            if let Some(somebody) = session.judge.hear(said) {
                if !session.started {
                    self.start(session, status);
                }
                self.sees(session, if somebody { Sight::Somebody } else { Sight::Nobody });
            } else if session.judge.lacks_a_limit(said) {
                return Err(Trouble::Failed {
                    detail: "the sensor tells no limit of its own (in_proximity_nearlevel): set \
                             threshold in [infrared]"
                        .to_owned(),
                });
            }
        }
        if garbage {
            session.garbage = true;
            status.count("garbage");
        }
        Ok(())
    }

    fn start(&mut self, session: &mut Session, status: &Status) {
        session.started = true;
        self.last = Last::Well;
        self.presence.recover();
        status.started();
        // Nobody can tell whether a key was pressed before.
        if matches!(self.settings.language, Language::Switch(SwitchCode::Key(_))) {
            self.sees(session, Sight::Nobody);
        }
    }

    fn sees(&self, session: &mut Session, sight: Sight) {
        session.held = sight;
        let sight = if Instant::now() < session.warm { Sight::Unknown } else { sight };
        if self.presence.see(sight) {
            self.status.count("arrivals");
        }
    }

    /// What is wrong with a sensor that says nothing.
    fn silent(&self, session: &Session) -> Trouble {
        let detail = match self.settings.language {
            Language::Switch(_) => {
                "the input device has no such switch; name another in code of [infrared]".to_owned()
            }
            Language::Levels => "the line does not tell its level".to_owned(),
            Language::Values => {
                format!("the kernel's driver of the sensor gives no value for {SILENT:?}")
            }
            _ if session.garbage => format!(
                "no whole sentence comes for {SILENT:?}, but other bytes do: protocol and baud in \
                 [infrared] have to be the sensor's"
            ),
            _ => format!(
                "the sensor says nothing for {SILENT:?}, though it should all the time: look at its \
                 power and at its wires (its TX goes to our RX)"
            ),
        };
        Trouble::Failed { detail }
    }
}

/// The line has ended.
fn gone(error: Option<io::Error>) -> Trouble {
    let error = error.map_or_else(|| "unplugged".to_owned(), |error| error.to_string());
    Trouble::Absent { detail: format!("the sensor's line is gone: {error}; plug it in again") }
}

#[cfg(test)]
mod tests;
