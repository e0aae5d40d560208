//! The thread that reads a capture device: opens it, asks for the sound as it is wanted, reads, and
//! gets over what can be got over.
//!
//! ```text
//! open ─► OPENED ─► wait for BEGIN ─► read ⇄ recover ─► TROUBLE
//!                                      └─ ends when the line is dropped
//! ```
//!
//! Made by [`super::AlsaCapture::open`], one for each opening. Whatever the library says, a read
//! buffer is zeroed before it is read into and never larger than the device's own: plug-ins leave
//! what they do not fill, and tell of it as read. A device that gives its sound faster than it is
//! heard is held to the clock.

use std::sync::mpsc as blocking;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alsa::pcm::{Access, Format, HwParams, IO, PCM};
use alsa::{Direction, ValueOr};
use bytes::Bytes;
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::{FRAME, GAP, LATE, OPENED, OVERRUN, RATE, SOUND, SUSPENDED, TROUBLE};
use crate::microphone::pace::Pace;
use crate::port::libasound::{Complaint, Words, errno};
use crate::port::packets::packet;

/// The longest piece that is read at once: longer chunks are put together out of several, so that
/// they do not come late by their whole length.
const LONGEST_PERIOD: Duration = Duration::from_millis(40);

/// Periods that the device keeps before sound is lost.
const PERIODS: i64 = 8;

/// What the device keeps at the least, for machines that are busy.
const SHORTEST_BUFFER: Duration = Duration::from_millis(250);

/// How long the thread before this one may take to close the same device.
const CLOSING: Duration = Duration::from_secs(1);

/// How soon a thing that does not wait by itself is looked at again.
const LOOK: Duration = Duration::from_millis(5);

/// How long a sleeping device may take to wake up, and how often it is asked.
const RESUMING: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(200));

/// Recoveries in a row, without a frame of sound between them, after which the device is given up.
const MOST_RECOVERIES: u32 = 20;

/// One opening of a device.
pub(super) struct Capture {
    pub(super) name: String,
    pub(super) chunk: Duration,
    pub(super) session: Option<String>,
    pub(super) pieces: mpsc::Sender<Bytes>,
    pub(super) begun: blocking::Receiver<()>,
}

/// An open device, and how its sound comes.
struct Device {
    pcm: PCM,
    /// Frames that are read at once.
    period: usize,
}

/// Why there is no more sound.
enum End {
    /// Nobody takes it any more.
    LetGo,
    Trouble(Errno, String),
}

impl From<alsa::Error> for End {
    fn from(error: alsa::Error) -> Self {
        Self::Trouble(errno(&error), String::new())
    }
}

impl Capture {
    pub(super) fn run(self, before: Option<JoinHandle<()>>) {
        // What is open twice is held by us.
        let until = Instant::now() + CLOSING;
        while before.as_ref().is_some_and(|before| !before.is_finished()) && Instant::now() < until
        {
            std::thread::sleep(LOOK);
        }
        let library = Words::keep();
        let ended = self.open().and_then(|device| self.listen(&device));
        let Err(End::Trouble(errno, own)) = ended else { return };
        let Complaint { errno, words } = library.explain(errno, self.session.as_deref());
        let words: Vec<String> =
            [own, words].into_iter().filter(|words| !words.is_empty()).collect();
        let mut data = errno.raw_os_error().to_be_bytes().to_vec();
        data.extend_from_slice(words.join("; ").as_bytes());
        // Nobody may be there to learn it.
        let _ = self.pieces.blocking_send(packet(TROUBLE, &data).into());
    }

    fn open(&self) -> Result<Device, End> {
        let period = frames(self.chunk.div_f64(pieces_a_chunk(self.chunk).into()));
        // A blocking open would wait for whoever holds the device.
        drop(PCM::new(&self.name, Direction::Capture, true)?);
        let device = Device::with(&self.name, period);
        // The hardware may not know the rate: what converts it is one of the library's plug-ins.
        let converted = |_| {
            let name = format!("plug:'{}'", self.name);
            Device::with(&name, period)
        };
        let device = device.or_else(|error| converted(()).map_err(|_| error))?;
        // Nobody may be there any more; the first piece of sound will show it.
        let _ = self.pieces.try_send(packet(OPENED, &[]).into());
        Ok(device)
    }

    fn listen(&self, device: &Device) -> Result<(), End> {
        if self.begun.recv().is_err() {
            return Err(End::LetGo);
        }
        let io = device.pcm.io_bytes();
        let mut buffer = vec![0; device.period * FRAME];
        let mut run = Run::begin();
        let mut pace = Pace::new(duration(device.period));
        let (clock, mut recoveries, mut dropped) = (Instant::now(), 0, 0);
        loop {
            buffer.fill(0);
            let sound = match read(&io, &mut buffer) {
                Ok(0) => {
                    std::thread::sleep(LOOK);
                    continue;
                }
                Ok(frames) => buffer.get(..frames * FRAME).unwrap_or(&buffer),
                Err(errno) => {
                    recoveries += 1;
                    if recoveries > MOST_RECOVERIES {
                        return Err(End::Trouble(errno, "it does not recover".to_owned()));
                    }
                    if let Some(why) = recover(&device.pcm, errno)? {
                        self.gap(run.lost(), why, &mut dropped)?;
                        run = Run::begin();
                    }
                    continue;
                }
            };
            recoveries = 0;
            run.frames += sound.len() / FRAME;
            self.sound(sound, &mut dropped)?;
            std::thread::sleep(pace.take(clock.elapsed()));
        }
    }

    /// Passes sound on, after a word on what had to be dropped before it.
    fn sound(&self, sound: &[u8], dropped: &mut usize) -> Result<(), End> {
        if *dropped > 0 && self.put(gap(*dropped, LATE))? {
            *dropped = 0;
        }
        if *dropped > 0 || !self.put(packet(SOUND, sound))? {
            *dropped += sound.len() / FRAME;
        }
        Ok(())
    }

    fn gap(&self, frames: usize, why: u8, dropped: &mut usize) -> Result<(), End> {
        if !self.put(gap(frames, why))? {
            *dropped += frames;
        }
        Ok(())
    }

    /// Whether there was room.
    fn put(&self, packet: Vec<u8>) -> Result<bool, End> {
        match self.pieces.try_send(packet.into()) {
            Ok(()) => Ok(true),
            Err(mpsc::error::TrySendError::Full(_)) => Ok(false),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(End::LetGo),
        }
    }
}

impl Device {
    fn with(name: &str, period: i64) -> alsa::Result<Self> {
        let pcm = PCM::new(name, Direction::Capture, false)?;
        let (period, buffer) = {
            let wanted = HwParams::any(&pcm)?;
            wanted.set_rate_resample(true)?;
            wanted.set_access(Access::RWInterleaved)?;
            wanted.set_format(Format::S16LE)?;
            wanted.set_channels(1)?;
            wanted.set_rate(RATE, ValueOr::Nearest)?;
            let period = wanted.set_period_size_near(period, ValueOr::Nearest)?;
            let shortest = frames(SHORTEST_BUFFER);
            let buffer = wanted.set_buffer_size_near((period * PERIODS).max(shortest))?;
            pcm.hw_params(&wanted)?;
            (period, buffer)
        };
        let software = pcm.sw_params_current()?;
        software.set_start_threshold(1)?;
        software.set_avail_min(period)?;
        pcm.sw_params(&software)?;
        drop(software);
        // Plug-ins say that they have read more than their buffer holds, and have not.
        let period = usize::try_from(period.min(buffer).max(1)).unwrap_or(1);
        Ok(Self { pcm, period })
    }
}

/// Sound without a gap: since when, and how much of it was read.
struct Run {
    began: Instant,
    frames: usize,
}

impl Run {
    fn begin() -> Self {
        Self { began: Instant::now(), frames: 0 }
    }

    /// Frames that should have come until now and have not.
    fn lost(&self) -> usize {
        let passed = self.began.elapsed().as_micros() * u128::from(RATE) / 1_000_000;
        usize::try_from(passed).unwrap_or(usize::MAX).saturating_sub(self.frames)
    }
}

fn read(io: &IO<'_, u8>, buffer: &mut [u8]) -> Result<usize, Errno> {
    io.readi(buffer).map_err(|error| errno(&error))
}

/// Gets over an error of reading; why there is a gap now, if there is one.
fn recover(pcm: &PCM, errno: Errno) -> Result<Option<u8>, End> {
    match errno {
        Errno::INTR => Ok(None),
        Errno::AGAIN => {
            std::thread::sleep(LOOK);
            Ok(None)
        }
        Errno::PIPE => {
            pcm.prepare()?;
            Ok(Some(OVERRUN))
        }
        Errno::STRPIPE => {
            let until = Instant::now() + RESUMING.0;
            let mut resumed = pcm.resume();
            while resumed.as_ref().is_err_and(|error| error.errno() == Errno::AGAIN.raw_os_error())
                && Instant::now() < until
            {
                std::thread::sleep(RESUMING.1);
                resumed = pcm.resume();
            }
            // Many devices cannot go on where they were, and say so.
            pcm.prepare()?;
            Ok(Some(SUSPENDED))
        }
        Errno::BADFD => {
            pcm.prepare()?;
            Ok(Some(OVERRUN))
        }
        other => Err(End::Trouble(other, String::new())),
    }
}

fn gap(frames: usize, why: u8) -> Vec<u8> {
    let mut data = u32::try_from(frames).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    data.push(why);
    packet(GAP, &data)
}

/// In how many pieces of the same length a chunk is read.
fn pieces_a_chunk(chunk: Duration) -> u32 {
    let pieces = chunk.as_micros().div_ceil(LONGEST_PERIOD.as_micros());
    u32::try_from(pieces).unwrap_or(1).max(1)
}

fn frames(duration: Duration) -> i64 {
    let frames = duration.as_micros() * u128::from(RATE) / 1_000_000;
    i64::try_from(frames).unwrap_or(i64::MAX).max(1)
}

fn duration(frames: usize) -> Duration {
    Duration::from_micros(u64::try_from(frames).unwrap_or_default() * 1_000_000 / u64::from(RATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_read_in_equal_pieces_that_are_not_long() {
        for (chunk, pieces) in [(10, 1), (40, 1), (41, 2), (100, 3), (1000, 25)] {
            assert_eq!(pieces_a_chunk(Duration::from_millis(chunk)), pieces, "{chunk} ms");
        }
    }
}
