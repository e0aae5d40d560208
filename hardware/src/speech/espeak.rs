//! The driver of espeak-ng, the program by itself: one run of it for each piece of a text.
//!
//! The line carries [`packets`]: how to run it and what to say go out, and back comes when it can be
//! heard and when it has ended. Behind the real port ([`program`]) the program is run, its sound is
//! played on a device of ALSA's, and what is cut off is silent at once.
//!
//! ```text
//! open ─► hello: version, what `cmn` makes of a character ─► ready ◄────────────┐
//!   ready ─► run, text ─► begun ─► ended ──────────────────────────────────────┤
//!                  cut off: stop ─► stopped ────────────────────────────────────┘
//! ```

pub mod packets;
pub mod playback;
pub mod program;

use std::convert::Infallible;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use self::packets::{Said, Tell};
use super::turns::{self, Voice};
use super::{Ending, Orders, Utterance, clamped};
use crate::device::{Driver, Status, Trouble};
use crate::port::BoxedLine;
use crate::port::packets::Packets;

/// How long the program may take to say its version, and the sound device to be opened.
const HELLO: Duration = Duration::from_secs(10);

/// How long it may take until a piece can be heard: the program has to be read from a slow disk, and a
/// sound server to be woken.
const BEGIN: Duration = Duration::from_secs(15);

/// How long silence may take.
const STOP: Duration = Duration::from_secs(5);

/// The voice of espeak-ng for Mandarin, as it should be.
const MANDARIN: &str = "cmn";

/// The voice that reads Chinese as Chinese in versions whose [`MANDARIN`] reads the English letters of
/// the pinyin: 1.51, the one of Debian 12 (espeak-ng's issues 1236 and 1370).
const MANDARIN_PINYIN: &str = "cmn-latn-pinyin";

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The voice, as `espeak-ng --voices` has it; `None`: the Mandarin one that works.
    pub voice: Option<String>,
    /// How loud, 0 to 100.
    pub volume: u8,
}

/// The driver.
pub struct EspeakNg {
    settings: Settings,
    orders: Orders,
}

impl EspeakNg {
    /// A driver that says what comes through `orders`.
    #[must_use]
    pub fn new(settings: Settings, orders: Orders) -> Self {
        Self { settings, orders }
    }
}

impl Driver for EspeakNg {
    async fn run(&mut self, line: BoxedLine, status: &Status) -> Option<Trouble> {
        let mut session = Session { line, packets: Packets::default() };
        match self.talk(&mut session, status).await {
            Ok(never) => match never {},
            Err(trouble) => Some(trouble),
        }
    }

    fn unusable(&mut self, trouble: &Trouble) {
        self.orders.fail(trouble);
    }
}

struct Session {
    line: BoxedLine,
    packets: Packets,
}

impl EspeakNg {
    async fn talk(&self, session: &mut Session, status: &Status) -> Result<Infallible, Trouble> {
        let (version, phonemes) = match session.within(HELLO, "said its version").await? {
            Said::Hello { version, phonemes } => (version, phonemes),
            Said::Failed(words) => return Err(Trouble::Failed { detail: words }),
            _ => return Err(strange()),
        };
        let voice = self.settings.voice.as_deref().unwrap_or_else(|| voice_of(&phonemes));
        status.learn("version", version);
        status.learn("voice", voice);
        let mut ready = Ready { session, voice, volume: self.settings.volume };
        turns::speak(&mut ready, &self.orders, status).await
    }
}

/// The program, and how it is run.
struct Ready<'s> {
    session: &'s mut Session,
    voice: &'s str,
    volume: u8,
}

impl Voice for Ready<'_> {
    /// What was cut off has been stopped.
    async fn hush(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    /// Only the end of the line.
    async fn stray(&mut self) -> Result<(), Trouble> {
        self.session.said().await.map(|_| ())
    }

    async fn say(
        &mut self,
        utterance: &Utterance,
        orders: &Orders,
        status: &Status,
        heard: &mut bool,
    ) -> Result<Ending, Trouble> {
        let (session, arguments) =
            (&mut *self.session, arguments(utterance, self.voice, self.volume));
        for piece in utterance.pieces() {
            if orders.is_cut() {
                return Ok(if *heard { Ending::Cut } else { Ending::Dropped });
            }
            session.tell(&Tell::Run(arguments.clone())).await?;
            session.tell(&Tell::Text(piece.to_owned())).await?;
            let mut limit = Instant::now() + BEGIN;
            loop {
                let said = tokio::select! {
                    biased;
                    () = orders.cut() => {
                        session.stop().await?;
                        return Ok(if *heard { Ending::Cut } else { Ending::Dropped });
                    }
                    said = timeout_at(limit, session.said()) => said,
                };
                match said.unwrap_or_else(|_| Err(late("said a text")))? {
                    Said::Begun => {
                        if !*heard {
                            status.count("begun");
                        }
                        *heard = true;
                        limit = Instant::now() + Utterance::longest(piece);
                    }
                    Said::Ended => break,
                    Said::Failed(words) => return Err(Trouble::Failed { detail: words }),
                    Said::Hello { .. } | Said::Stopped => return Err(strange()),
                }
            }
        }
        Ok(Ending::Spoken)
    }
}

impl Session {
    async fn tell(&mut self, tell: &Tell) -> Result<(), Trouble> {
        let written = timeout(STOP, self.line.write_all(&tell.packet())).await;
        written.map_err(|_| late("taken a text"))?.map_err(|_| gone())
    }

    /// Silence, and nothing left of what was being said.
    async fn stop(&mut self) -> Result<(), Trouble> {
        self.tell(&Tell::Stop).await?;
        let limit = Instant::now() + STOP;
        loop {
            let said = timeout_at(limit, self.said()).await;
            // Anything else was said just before: it had ended by itself.
            if said.unwrap_or_else(|_| Err(late("fallen silent")))? == Said::Stopped {
                return Ok(());
            }
        }
    }

    async fn within(&mut self, limit: Duration, what: &str) -> Result<Said, Trouble> {
        timeout(limit, self.said()).await.unwrap_or_else(|_| Err(late(what)))
    }

    /// What comes next from the program. Safe to drop.
    async fn said(&mut self) -> Result<Said, Trouble> {
        let mut chunk = [0; 1024];
        loop {
            if let Some(packet) = self.packets.next_packet().map_err(|_| strange())? {
                return Said::of(&packet).ok_or_else(strange);
            }
            match self.line.read(&mut chunk).await {
                Ok(read) if read > 0 => {
                    self.packets.push(chunk.get(..read).unwrap_or_default());
                }
                Ok(_) | Err(_) => return Err(gone()),
            }
        }
    }
}

/// The voice for Mandarin, by what [`MANDARIN`] makes of a Chinese character: English phonemes are
/// marked `(en)`.
fn voice_of(phonemes: &str) -> &'static str {
    if phonemes.contains("(en)") { MANDARIN_PINYIN } else { MANDARIN }
}

/// How the program is run: 175 words a minute and pitch 50 are normal, 80 to 450 and 0 to 99 what it
/// knows (its manual page, and its source for the lowest rate); amplitude 200 is the loudest, and what
/// speech-dispatcher asks for.
fn arguments(utterance: &Utterance, voice: &str, volume: u8) -> Vec<String> {
    let words = clamped(175.0 * utterance.rate, 80, 450);
    let pitch = clamped(50.0 * utterance.pitch, 0, 99);
    let amplitude = u16::from(volume) * 2;
    let numbers =
        [("-s", words.to_string()), ("-p", pitch.to_string()), ("-a", amplitude.to_string())];
    let numbers = numbers.into_iter().flat_map(|(name, number)| [name.to_owned(), number]);
    ["-v".to_owned(), voice.to_owned()].into_iter().chain(numbers).collect()
}

fn gone() -> Trouble {
    Trouble::Absent { detail: "the line to espeak-ng is gone".to_owned() }
}

fn strange() -> Trouble {
    Trouble::Failed { detail: "espeak-ng's port has said what it should not".to_owned() }
}

fn late(what: &str) -> Trouble {
    let detail = format!("espeak-ng has not {what} in time; its sound device may hang");
    Trouble::Failed { detail }
}

#[cfg(test)]
mod tests;
