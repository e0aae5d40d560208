//! The driver of a beeper that is an input device: the PC's speaker (pcspkr), one at a PWM output or a
//! GPIO line (pwm-beeper, gpio-beeper). [`tone_buzzer`] makes it; [`ToneBuzzer::run`] ends with the
//! daemon.
//!
//! ```text
//! open ─► which sounds? ─► ready ─► beep: sound and length, told, its end ─┐
//!  ▲          │ none: no      ▲                                            │
//!  │          ▼               └────────────────────────────────────────────┤
//!  └─ worth opening, or asked for ◄─────────────── beeper or helper gone ──┘
//! ```
//!
//! The line is that of [`HeldPort`](crate::port::input::held::HeldPort), whose far side ends each sound
//! in time; what is said here only asks for it, and waits. A beeper without tones (gpio-beeper) sounds
//! its bell, at the pitch that it has.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Beep, Beeper, Queue};
use crate::device::{State, Status, Trouble};
use crate::port::input::{EV_SND, EV_SYN, InputEvent, Records, SND_BELL, SND_TONE, SYN_REPORT};
use crate::port::{BoxedLine, Port};

/// How long the helper may take to start: its program has to be read from a slow disk.
const HELLO: Duration = Duration::from_secs(5);

/// How long it may take to tell the beeper something, or be late with the end of a beep: the kernel
/// takes an event in at once, so only a machine that stands still takes that long.
const ANSWER: Duration = Duration::from_secs(2);

/// The task that owns the beeper.
pub struct ToneBuzzer {
    frequency: u16,
    status: Status,
    queue: Queue,
}

/// A beeper that is an input device: the handle, and the task to run. Its tones have this frequency, in
/// Hz.
#[must_use]
pub fn tone_buzzer(frequency: u16, status: Status) -> (Beeper, ToneBuzzer) {
    let (beeper, queue) = Queue::new();
    (beeper, ToneBuzzer { frequency, status, queue })
}

impl ToneBuzzer {
    /// Beeps when asked, by the device at this port. Never ends.
    pub async fn run(mut self, mut port: Box<dyn Port>) {
        // A beep that has come while the beeper was not usable: it is looked for again.
        let mut first = None;
        loop {
            let trouble = match port.open(0).await {
                Ok(line) => {
                    self.status.count("opened");
                    let mut talk = Talk { line, records: Records::default() };
                    self.serve(&mut talk, &mut first).await
                }
                Err(error) => error.into(),
            };
            self.status.trouble(&trouble);
            let worth_opening = port.worth_opening(&trouble);
            first = self.queue.after(&trouble, first.take(), worth_opening).await;
        }
    }

    /// Beeps until the device is gone or does not do what it should.
    async fn serve(&mut self, talk: &mut Talk, first: &mut Option<Beep>) -> Trouble {
        let sound = match timeout(HELLO, talk.sounds()).await {
            Ok(Ok(sounds)) => self.sound(&sounds),
            Ok(Err(trouble)) => return trouble,
            Err(_) => return failed("its helper has not started in time"),
        };
        let Some(sound) = sound else { return failed("it has neither tones nor a bell") };
        self.status.started();
        loop {
            let beep = match first.take() {
                Some(beep) => beep,
                None => tokio::select! {
                    biased;
                    // What a recording that began in the middle of a beep has left of it.
                    said = talk.next() => match said {
                        Ok(_) => continue,
                        Err(trouble) => return trouble,
                    },
                    beep = self.queue.next() => beep,
                },
            };
            self.status.set(State::Busy);
            if let Err(trouble) = talk.beep(sound, beep).await {
                return trouble;
            }
            self.status.count("beeps");
            self.status.set(State::Ready);
        }
    }

    /// The sound of a beep, of those that the device has.
    fn sound(&self, sounds: &[u16]) -> Option<InputEvent> {
        let (code, value, words) = if sounds.contains(&SND_TONE) {
            (SND_TONE, self.frequency.into(), format!("tone of {} Hz", self.frequency))
        } else if sounds.contains(&SND_BELL) {
            (SND_BELL, 1, "bell".to_owned())
        } else {
            return None;
        };
        self.status.learn("sound", words);
        Some(InputEvent { kind: EV_SND, code, value })
    }
}

/// An open line.
struct Talk {
    line: BoxedLine,
    records: Records,
}

impl Talk {
    /// The sounds of the device, which is silent.
    async fn sounds(&mut self) -> Result<Vec<u16>, Trouble> {
        let mut sounds = Vec::new();
        loop {
            match self.next().await? {
                InputEvent { kind: EV_SND, code, .. } => sounds.push(code),
                InputEvent { kind: EV_SYN, code: SYN_REPORT, .. } => return Ok(sounds),
                _ => {}
            }
        }
    }

    /// One beep, to its end.
    async fn beep(&mut self, sound: InputEvent, beep: Beep) -> Result<(), Trouble> {
        let Beep { ms, answer } = beep;
        let begun = self.begin(sound, ms).await;
        // Whoever asked may have gone.
        let _ = answer.send(begun.clone());
        begun?;
        let end = Instant::now() + Duration::from_millis(ms.into()) + ANSWER;
        timeout_at(end, self.told(InputEvent { value: 0, ..sound }))
            .await
            .unwrap_or_else(|_| Err(failed("its helper has not ended a beep in time")))
    }

    async fn begin(&mut self, sound: InputEvent, ms: u32) -> Result<(), Trouble> {
        let value = i32::try_from(ms).unwrap_or(i32::MAX);
        let length = InputEvent { kind: EV_SYN, code: SYN_REPORT, value };
        let records = [sound.record(), length.record()].concat();
        let begin = async {
            self.line.write_all(&records).await.map_err(trouble)?;
            self.told(sound).await
        };
        timeout(ANSWER, begin)
            .await
            .unwrap_or_else(|_| Err(failed("its helper has not begun a beep in time")))
    }

    /// Ends when the device has been told this.
    async fn told(&mut self, event: InputEvent) -> Result<(), Trouble> {
        while self.next().await? != event {}
        Ok(())
    }

    /// What comes next. Safe to drop.
    async fn next(&mut self) -> Result<InputEvent, Trouble> {
        let mut chunk = [0; 256];
        loop {
            if let Some(event) = self.records.next_event() {
                return Ok(event);
            }
            match self.line.read(&mut chunk).await {
                Ok(0) => return Err(gone()),
                Ok(read) => self.records.push(chunk.get(..read).unwrap_or_default()),
                Err(error) => return Err(trouble(error)),
            }
        }
    }
}

fn gone() -> Trouble {
    Trouble::Absent { detail: "the beeper is gone; plug it in again".to_owned() }
}

fn failed(what: &str) -> Trouble {
    Trouble::Failed { detail: format!("the beeper does not work: {what}") }
}

/// Why the line is of no use any more.
fn trouble(error: io::Error) -> Trouble {
    /// No such device (errno.h).
    const GONE: [Option<i32>; 2] = [Some(19), Some(6)];
    if GONE.contains(&error.raw_os_error()) { gone() } else { failed(&error.to_string()) }
}

#[cfg(test)]
mod tests;
