//! The driver of microphones: opens the line for those who listen, and cuts the sound into chunks.
//!
//! ```text
//!          ┌── nobody listens ──────────────┐
//! open ─► OPENED ─► BEGIN ─► chunks at the clock's pace ─► nobody listens: closed
//!   ▲                 └─ TROUBLE, silence of the line, end ─► looked for again
//!   └──────────── somebody listens, or it was not there
//! ```
//!
//! The device is opened once at the start, to know whether it is there, and closed without a sound
//! having been heard.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::pace::Pace;
use super::{Deaf, Hearing, Microphone, Sound};
use crate::device::{Driver, State, Status, Trouble};
use crate::moment::at;
use crate::port::BoxedLine;
use crate::port::packets::{Packet, Packets, packet};
use crate::port::pcm::{BEGIN, FRAME, GAP, OPENED, OVERRUN, RATE, SOUND, SUSPENDED, TROUBLE};
use crate::source::Demand;

/// How long a device may take to be open: sound servers that are started by it take a second.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// How long an open device may give nothing. Even a silent room is sound.
const SILENCE_LIMIT: Duration = Duration::from_secs(3);

/// Bytes that are read at once: a packet of any length that ports here write.
const READ: usize = 64 * 1024;

/// How the microphone is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The device, as ALSA names it; for words only.
    pub device: String,
    /// How much sound a listener gets at once: 10 ms to 1 s.
    pub chunk: Duration,
}

/// The driver.
pub struct Capture {
    settings: Settings,
    microphone: Microphone,
    demand: watch::Receiver<Demand>,
    /// The device was there when it was last looked for.
    found: bool,
    /// Another program has it, as far as the last trouble goes.
    held: bool,
}

/// One open line.
struct Session<'s> {
    line: BoxedLine,
    packets: Packets,
    buffer: Vec<u8>,
    status: &'s Status,
}

impl Capture {
    /// The driver behind this microphone.
    #[must_use]
    pub fn new(settings: Settings, microphone: Microphone) -> Self {
        let demand = microphone.source.demand();
        Self { settings, microphone, demand, found: false, held: false }
    }

    fn chunk_bytes(&self) -> usize {
        let frames = self.settings.chunk.as_micros() * u128::from(RATE) / 1_000_000;
        usize::try_from(frames).unwrap_or(1).max(1) * FRAME
    }

    /// The line until it is of no use, or nobody wants it.
    async fn hear(&mut self, line: BoxedLine, status: &Status) -> Result<(), Trouble> {
        let mut session =
            Session { line, packets: Packets::default(), buffer: vec![0; READ], status };
        match timeout(OPEN_LIMIT, session.next_packet()).await {
            Ok(packet) => match packet.map_err(|error| self.broken(&error))? {
                Packet { kind: OPENED, .. } => {}
                other => return Err(self.trouble_of(&other)),
            },
            Err(_) => {
                status.count("hung");
                return Err(self.failed("does not open; restart the sound system, or name another"));
            }
        }
        self.found = true;
        if status.snapshot().state != State::Ready {
            status.started();
        }
        if !self.demand.borrow_and_update().wanted {
            return Ok(());
        }
        session.say_begin().await.map_err(|error| self.broken(&error))?;
        self.microphone.set(Hearing::Open);
        self.pass_on(session).await
    }

    async fn pass_on(&mut self, mut session: Session<'_>) -> Result<(), Trouble> {
        let began = Instant::now();
        let chunk = self.chunk_bytes();
        let mut pace = Pace::new(self.settings.chunk);
        let mut sound = BytesMut::with_capacity(2 * chunk);
        loop {
            self.microphone.half.store(!sound.is_empty(), Ordering::Relaxed);
            // While a chunk waits for its time nothing is read: a device that is too fast has to wait.
            let due = (sound.len() >= chunk).then(|| began + pace.next());
            tokio::select! {
                biased;
                _ = self.demand.changed() => {
                    if !self.demand.borrow_and_update().wanted {
                        return Ok(());
                    }
                }
                () = at(due), if due.is_some() => {
                    pace.take(began.elapsed());
                    session.status.count("chunks");
                    self.microphone.source.offer(Sound(sound.split_to(chunk).freeze()));
                }
                packet = timeout(SILENCE_LIMIT, session.next_packet()), if due.is_none() => {
                    let Ok(packet) = packet else {
                        session.status.count("stalls");
                        return Err(self.failed("gives no sound any more; it is opened anew"));
                    };
                    match packet.map_err(|error| self.broken(&error))? {
                        Packet { kind: SOUND, data } => sound.extend_from_slice(&data),
                        Packet { kind: GAP, data } => session.gap(&data),
                        other => return Err(self.trouble_of(&other)),
                    }
                }
            }
        }
    }

    fn trouble_of(&mut self, packet: &Packet) -> Trouble {
        let Some((number, words)) =
            packet.data.split_first_chunk().filter(|_| packet.kind == TROUBLE)
        else {
            return self.failed("says what no microphone says");
        };
        let error = io::Error::from_raw_os_error(i32::from_be_bytes(*number));
        let words = String::from_utf8_lossy(words);
        let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
        let device = &self.settings.device;
        // ENOENT, EIO, ENXIO, ENODEV: no card, or no card any more. EBUSY is another program's.
        match error.raw_os_error().unwrap_or_default() {
            2 | 5 | 6 | 19 => self.absent(&words),
            16 => {
                self.held = true;
                Trouble::Failed {
                    detail: format!(
                        "{device}: held by another program{words}; stop that program (fuser -v \
                         /dev/snd/*), or share the microphone: through PipeWire or PulseAudio, or \
                         device = \"plug:dsnoop\""
                    ),
                }
            }
            13 | 1 => Trouble::Failed {
                detail: format!(
                    "{device}: permission denied{words}; add the daemon's user to the group audio"
                ),
            },
            _ => Trouble::Failed { detail: format!("{device}: {error}{words}") },
        }
    }

    fn absent(&self, words: &str) -> Trouble {
        let device = &self.settings.device;
        let advice = "plug the microphone in, or name another device (see `hharome devices`)";
        Trouble::Absent { detail: format!("{device}: not there{words}; {advice}") }
    }

    fn failed(&self, what: &str) -> Trouble {
        Trouble::Failed { detail: format!("{}: {what}", self.settings.device) }
    }

    fn broken(&self, error: &io::Error) -> Trouble {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            self.absent("")
        } else {
            self.failed(&error.to_string())
        }
    }
}

impl Driver for Capture {
    async fn wanted(&mut self) {
        if self.found {
            // The microphone holds the sender.
            let _ = self.demand.wait_for(|demand| demand.wanted).await;
        }
    }

    async fn run(&mut self, line: BoxedLine, status: &Status) -> Option<Trouble> {
        self.held = false;
        let heard = self.hear(line, status).await;
        self.microphone.half.store(false, Ordering::Relaxed);
        match heard {
            Ok(()) => {
                self.microphone.set(Hearing::NotYet);
                None
            }
            Err(trouble) => {
                self.found = false;
                Some(trouble)
            }
        }
    }

    fn unusable(&mut self, trouble: &Trouble) {
        self.found = false;
        let trouble = trouble.clone();
        let deaf = if self.held { Deaf::Held(trouble) } else { Deaf::Trouble(trouble) };
        self.microphone.set(Hearing::Deaf(deaf));
    }
}

impl Session<'_> {
    /// Cancel safe: what has come stays in the packets.
    async fn next_packet(&mut self) -> io::Result<Packet> {
        loop {
            if let Some(packet) = self.packets.next_packet()? {
                return Ok(packet);
            }
            match self.line.read(&mut self.buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.packets.push(self.buffer.get(..read).unwrap_or_default()),
            }
        }
    }

    async fn say_begin(&mut self) -> io::Result<()> {
        match timeout(OPEN_LIMIT, self.line.write_all(&packet(BEGIN, &[]))).await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn gap(&self, data: &[u8]) {
        let lost = data.first_chunk().map_or(0, |frames| u32::from_be_bytes(*frames));
        self.status.count("gaps");
        self.status.count_many("lostFrames", lost.into());
        match data.get(4) {
            Some(&OVERRUN) => self.status.count("overruns"),
            Some(&SUSPENDED) => self.status.count("suspended"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
