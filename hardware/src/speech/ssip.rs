//! The driver of speech-dispatcher, which speaks SSIP over its socket ([`wire`]).
//!
//! One connection for the daemon's life, and one message at a time on it: what waits, waits in our own
//! queue, where it can be counted and forgotten. The server is the whole session's; other programs'
//! messages are said between ours.
//!
//! ```text
//! connect ─► name, events, module, language, voice ─► ready ◄──────────────────────┐
//!   ready ─► rate, pitch where they differ ─► SPEAK, text ─► 701 BEGIN ─► 702 END ─┤
//!                                          cut off: CANCEL SELF, 213 ──────────────┘
//! ```
//!
//! Each reply has a deadline, and so have beginning and end of a message: a server that hangs is failed,
//! and is connected to anew. Nothing is given up in the middle of a command.

pub mod wire;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use self::wire::{Event, Fate, Heard, Parser, Reply};
use super::turns::{self, Voice};
use super::{Ending, Orders, Utterance, clamped};
use crate::device::{Driver, Status, Trouble};
use crate::port::BoxedLine;

/// How long the server may take to answer a command. It answers within milliseconds.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a message may wait for its beginning: longer than anything that another program of a
/// kiosk may be saying.
const BEGIN: Duration = Duration::from_secs(60);

/// The voice of espeak-ng that reads Chinese as Chinese. The other one, which `LANGUAGE zh-CN` alone
/// chooses in version 1.51, reads each character as the English letters of its pinyin (espeak-ng's
/// issues 1236 and 1370).
pub const CHINESE_VOICE: &str = "Chinese (Mandarin, latin as Pinyin)";

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The output module; `None`: the server's own choice.
    pub module: Option<String>,
    /// The voice; `None`: [`CHINESE_VOICE`] of a module that is espeak-ng, else the module's choice.
    pub voice: Option<String>,
    /// The language, as in `zh-CN`.
    pub language: String,
    /// How loud, 0 to 100.
    pub volume: u8,
}

/// The driver.
pub struct SpeechDispatcher {
    settings: Settings,
    orders: Orders,
}

impl SpeechDispatcher {
    /// A driver that says what comes through `orders`.
    #[must_use]
    pub fn new(settings: Settings, orders: Orders) -> Self {
        Self { settings, orders }
    }
}

impl Driver for SpeechDispatcher {
    async fn run(&mut self, line: BoxedLine, status: &Status) -> Option<Trouble> {
        let mut session =
            Session { line, parser: Parser::default(), events: VecDeque::new(), manner: None };
        match self.talk(&mut session, status).await {
            Ok(never) => match never {},
            Err(trouble) => Some(trouble),
        }
    }

    fn unusable(&mut self, trouble: &Trouble) {
        self.orders.fail(trouble);
    }
}

/// An open connection.
struct Session {
    line: BoxedLine,
    parser: Parser,
    /// Those that came while a reply was waited for.
    events: VecDeque<Event>,
    /// The rate and pitch that the server has now.
    manner: Option<(i32, i32)>,
}

impl SpeechDispatcher {
    async fn talk(&self, session: &mut Session, status: &Status) -> Result<Infallible, Trouble> {
        self.introduce(session, status).await?;
        turns::speak(session, &self.orders, status).await
    }

    /// Who we are, and how we want to be spoken for.
    async fn introduce(&self, session: &mut Session, status: &Status) -> Result<(), Trouble> {
        let Settings { module, voice, language, volume } = &self.settings;
        session.well("SET SELF CLIENT_NAME kiosk:hharome:speech").await?;
        session.well("SET SELF NOTIFICATION ALL ON").await?;
        if let Some(module) = module {
            session.well(&format!("SET SELF OUTPUT_MODULE {module}")).await?;
        }
        let module = session.well("GET OUTPUT_MODULE").await?.values.into_iter().next();
        let module = module.unwrap_or_default();
        let own = module.starts_with("espeak").then_some(CHINESE_VOICE);
        let voice = voice.as_deref().or(own);
        session.well(&format!("SET SELF LANGUAGE {language}")).await?;
        if let Some(voice) = voice {
            // The rest of the line is the name, however it looks.
            session.well(&format!("SET SELF SYNTHESIS_VOICE {voice}")).await?;
        }
        // A text is said as it stands: `<` is no markup, and no sign is spelled out.
        for words in ["SSML_MODE OFF", "PUNCTUATION NONE", "SPELLING OFF", "CAP_LET_RECOGN NONE"] {
            session.well(&format!("SET SELF {words}")).await?;
        }
        session.well(&format!("SET SELF VOLUME {}", i32::from(*volume) * 2 - 100)).await?;
        session.well("SET SELF PRIORITY MESSAGE").await?;
        status.learn("module", module);
        status.learn("voice", voice.unwrap_or("the module's own"));
        Ok(())
    }
}

impl Voice for Session {
    async fn hush(&mut self) -> Result<(), Trouble> {
        self.well("CANCEL SELF").await.map(|_| ())
    }

    /// What becomes of messages that nobody waits for any more.
    async fn stray(&mut self) -> Result<(), Trouble> {
        self.event().await.map(|_| ())
    }

    async fn say(
        &mut self,
        utterance: &Utterance,
        orders: &Orders,
        status: &Status,
        heard: &mut bool,
    ) -> Result<Ending, Trouble> {
        let cut = |heard: bool| Ok(if heard { Ending::Cut } else { Ending::Dropped });
        self.manner(utterance).await?;
        for piece in utterance.pieces() {
            if orders.is_cut() {
                return cut(*heard);
            }
            let message = self.speak(piece).await?;
            let mut begun = false;
            let mut limit = Instant::now() + BEGIN;
            loop {
                let event = tokio::select! {
                    biased;
                    () = orders.cut() => return cut(*heard),
                    event = timeout_at(limit, self.event()) => event,
                };
                let Ok(event) = event else {
                    // It would be said once we are gone.
                    self.well("CANCEL SELF").await?;
                    return Err(late(begun));
                };
                match event? {
                    Event { message: other, .. } if other != message => {}
                    Event { fate: Fate::Begun, .. } => {
                        if !*heard {
                            status.count("begun");
                        }
                        (begun, *heard) = (true, true);
                        limit = Instant::now() + Utterance::longest(piece);
                    }
                    Event { fate: Fate::Ended, .. } => {
                        *heard = true;
                        break;
                    }
                    // Somebody has told the server to be silent.
                    Event { fate: Fate::Canceled, .. } => return cut(*heard),
                    Event { fate: Fate::Other, .. } => {}
                }
            }
        }
        Ok(Ending::Spoken)
    }
}

impl Session {
    /// Sets rate and pitch where the server has others.
    async fn manner(&mut self, utterance: &Utterance) -> Result<(), Trouble> {
        let wanted = (rate(utterance.rate), pitch(utterance.pitch));
        let now = self.manner;
        if now.is_none_or(|(rate, _)| rate != wanted.0) {
            self.well(&format!("SET SELF RATE {}", wanted.0)).await?;
        }
        if now.is_none_or(|(_, pitch)| pitch != wanted.1) {
            self.well(&format!("SET SELF PITCH {}", wanted.1)).await?;
        }
        self.manner = Some(wanted);
        Ok(())
    }

    /// Gives the server a text; the message's number.
    async fn speak(&mut self, text: &str) -> Result<String, Trouble> {
        self.well("SPEAK").await?;
        // No event before this moment is about it.
        let reply = self.ask(&wire::message(text), "a text").await?;
        let Reply { code, words, values } = reply;
        match values.into_iter().next() {
            Some(message) if (200..300).contains(&code) => Ok(message),
            _ => Err(refused("a text", code, &words)),
        }
    }

    /// A command that has to go well.
    async fn well(&mut self, command: &str) -> Result<Reply, Trouble> {
        let reply = self.ask(&wire::command(command), command).await?;
        if reply.is_well() { Ok(reply) } else { Err(refused(command, reply.code, &reply.words)) }
    }

    /// Writes, and waits for the reply.
    async fn ask(&mut self, bytes: &[u8], what: &str) -> Result<Reply, Trouble> {
        let asked = async {
            self.line.write_all(bytes).await.map_err(gone)?;
            loop {
                match self.heard().await? {
                    Heard::Reply(reply) => return Ok(reply),
                    Heard::Event(event) => self.keep(event),
                }
            }
        };
        timeout(ANSWER, asked).await.unwrap_or_else(|_| {
            let limit = ANSWER.as_secs();
            let detail = format!(
                "the speech service has not answered {what} within {limit} s; start it anew"
            );
            Err(Trouble::Failed { detail })
        })
    }

    /// The next event. Safe to drop.
    async fn event(&mut self) -> Result<Event, Trouble> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            // A reply that nobody has asked for, as after a command that came too late.
            if let Heard::Event(event) = self.heard().await? {
                return Ok(event);
            }
        }
    }

    async fn heard(&mut self) -> Result<Heard, Trouble> {
        let mut chunk = [0; 1024];
        loop {
            let heard = self.parser.next_heard().map_err(|error| Trouble::Failed {
                detail: format!("what listens there is no speech service: {error}"),
            })?;
            if let Some(heard) = heard {
                return Ok(heard);
            }
            match self.line.read(&mut chunk).await.map_err(gone)? {
                0 => return Err(gone(io::ErrorKind::UnexpectedEof.into())),
                read => self.parser.push(chunk.get(..read).unwrap_or_default()),
            }
        }
    }

    /// Keeps an event that came before its turn. Only the last can be about the message that is being
    /// said, so more than a few are of no use.
    fn keep(&mut self, event: Event) {
        const KEPT: usize = 16;
        if self.events.len() >= KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

/// `RATE`: 0 are 170 words a minute in espeak-ng's module, -100 are 80 and 100 are 449, straight
/// between them on each side (the module's source, `espeak.c`).
fn rate(factor: f64) -> i32 {
    const NORMAL: f64 = 170.0;
    let words = NORMAL * factor;
    let step = if words < NORMAL { NORMAL - 80.0 } else { 449.0 - NORMAL };
    clamped(100.0 * (words - NORMAL) / step, -100, 100)
}

/// `PITCH`: -100, 0 and 100 are the lowest, middle and highest of espeak-ng's 0 to 100.
fn pitch(factor: f64) -> i32 {
    clamped(100.0 * (factor - 1.0), -100, 100)
}

fn gone(error: io::Error) -> Trouble {
    let detail = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the speech service has closed the connection".to_owned(),
        _ => format!("the speech service cannot be reached: {error}"),
    };
    Trouble::Absent { detail }
}

fn refused(what: &str, code: u16, words: &str) -> Trouble {
    Trouble::Failed { detail: format!("the speech service has refused {what}: {code} {words}") }
}

fn late(begun: bool) -> Trouble {
    let what = if begun { "ended" } else { "begun" };
    let detail = format!(
        "the speech service has taken a text and not {what} it in time; its sound output hangs, or \
         another program speaks without an end"
    );
    Trouble::Failed { detail }
}

#[cfg(test)]
mod tests;
