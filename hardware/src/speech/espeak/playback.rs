//! Sound out of a pipe onto a playback device of ALSA's, and silence at once.
//!
//! Called on a thread of its own by [`super::program`], as the library blocks and may hang in a device
//! for ever. The device is opened so that it does not block, and asked again and again whether it has
//! room: descriptors to wait for are not to be trusted with plug-ins of ALSA's. It is left when all was
//! heard, or at once when `cut` is set.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use alsa::pcm::{Access, Format, HwParams, IO, PCM, State};
use alsa::{Direction, ValueOr};
use rustix::io::Errno;

use crate::port::libasound::{Complaint, Words, errno};

/// How much sound waits in the device, in microseconds: enough for a busy machine, and what may still be
/// heard of a device that cannot throw it away.
const BUFFER: u32 = 200_000;

/// How often the device is asked whether it has room.
const LOOK: Duration = Duration::from_millis(10);

/// A device that takes nothing for so long has stopped.
const STOPPED: Duration = Duration::from_secs(5);

/// Frames that are read and written at once.
const PIECE: usize = 1024;

/// The rate of espeak-ng, in Hz, at which a device is tried.
pub(super) const USUAL_RATE: u32 = 22_050;

/// What is played on.
#[derive(Clone)]
pub(super) struct Loudspeaker {
    /// The device, as ALSA names it.
    pub(super) device: String,
    /// The folder of a desktop session's sockets, where the configuration names one.
    pub(super) session: Option<String>,
}

/// What has gone wrong.
enum Wrong {
    /// The library says so.
    Library(alsa::Error),
    /// The device does not do what it should.
    Device(&'static str),
    /// It cannot play at this rate, with so many channels.
    Format(alsa::Error, u32, u32),
    /// What was to be played.
    Source(io::Error),
}

impl From<alsa::Error> for Wrong {
    fn from(error: alsa::Error) -> Self {
        Self::Library(error)
    }
}

/// Opens the device and lets go of it.
///
/// # Errors
/// Why it cannot be opened, in words for people.
pub(super) fn probe(loudspeaker: &Loudspeaker) -> Result<(), String> {
    let library = Words::keep();
    let opened = open(&loudspeaker.device, USUAL_RATE, 1).map(drop);
    opened.map_err(|wrong| loudspeaker.explain(wrong, &library))
}

/// Plays the WAV file that `source` gives, to its end or until `cut`; `begun` is called when its first
/// sound is with the device. Nothing at all is a sound without length.
///
/// # Errors
/// What is wrong with source or device, in words for people.
pub(super) fn play(
    loudspeaker: &Loudspeaker,
    source: &mut impl Read,
    cut: &AtomicBool,
    begun: impl FnOnce(),
) -> Result<(), String> {
    let library = Words::keep();
    let played = play_on(&loudspeaker.device, source, cut, begun);
    played.map_err(|wrong| loudspeaker.explain(wrong, &library))
}

fn play_on(
    device: &str,
    source: &mut impl Read,
    cut: &AtomicBool,
    begun: impl FnOnce(),
) -> Result<(), Wrong> {
    let Some((rate, channels)) = head(source).map_err(Wrong::Source)? else {
        begun();
        return Ok(());
    };
    let pcm = open(device, rate, channels)?;
    let device = Device { pcm: &pcm, io: pcm.io_i16()?, channels: channels as usize, cut };
    let mut begun = Some(begun);
    let mut bytes = vec![0; PIECE * device.channels * 2];
    loop {
        let read = fill(source, &mut bytes).map_err(Wrong::Source)?;
        let pairs = bytes.get(..read).unwrap_or_default().as_chunks().0;
        let samples: Vec<i16> = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        if samples.is_empty() || !device.write(&samples)? {
            break;
        }
        begun.take().into_iter().for_each(|begun| begun());
    }
    begun.take().into_iter().for_each(|begun| begun());
    device.finish()
}

struct Device<'a> {
    pcm: &'a PCM,
    io: IO<'a, i16>,
    channels: usize,
    cut: &'a AtomicBool,
}

impl Device<'_> {
    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Gives the device these samples; `false` if it was cut off.
    fn write(&self, samples: &[i16]) -> Result<bool, Wrong> {
        let mut rest = samples;
        let mut last = Instant::now();
        while rest.len() >= self.channels {
            if self.is_cut() {
                return Ok(false);
            }
            match self.io.writei(rest) {
                Ok(frames) if frames > 0 => {
                    rest = rest.get(frames * self.channels..).unwrap_or_default();
                    last = Instant::now();
                }
                Err(error) if error.errno() == Errno::PIPE.raw_os_error() => {
                    // It has run dry: the program was slower than the sound.
                    self.pcm.prepare()?;
                }
                Err(error) if error.errno() != Errno::AGAIN.raw_os_error() => {
                    self.pcm.try_recover(error, true)?;
                }
                Ok(_) | Err(_) => {
                    // What waits is less than the device waits for before it starts by itself.
                    self.start()?;
                    if last.elapsed() > STOPPED {
                        return Err(Wrong::Device("takes no sound"));
                    }
                    sleep(LOOK);
                }
            }
        }
        Ok(true)
    }

    fn start(&self) -> Result<(), Wrong> {
        if self.pcm.state() == State::Prepared {
            self.pcm.start()?;
        }
        Ok(())
    }

    /// Waits until all was heard, or throws it away.
    fn finish(&self) -> Result<(), Wrong> {
        // A card plays whole periods, and what stood there before where they are not full.
        let silence = vec![0; PIECE * self.channels];
        if !self.is_cut() && self.write(&silence)? {
            self.start()?;
            let (mut left, mut last) = (i64::MAX, Instant::now());
            while !self.is_cut() && self.pcm.state() == State::Running {
                // Having run dry is the end, too.
                let delay: i64 = match self.pcm.delay() {
                    Ok(delay) if delay > 0 => delay,
                    Ok(_) | Err(_) => break,
                };
                if delay < left {
                    (left, last) = (delay, Instant::now());
                } else if last.elapsed() > STOPPED {
                    return Err(Wrong::Device("plays no further"));
                }
                sleep(LOOK);
            }
        }
        // What cannot be thrown away is heard; there is nothing more to be done about it.
        let _ = self.pcm.drop();
        Ok(())
    }
}

fn open(device: &str, rate: u32, channels: u32) -> Result<PCM, Wrong> {
    let pcm = PCM::new(device, Direction::Playback, true)?;
    let set = || -> alsa::Result<()> {
        let params = HwParams::any(&pcm)?;
        params.set_access(Access::RWInterleaved)?;
        params.set_format(Format::S16LE)?;
        params.set_channels(channels)?;
        params.set_rate_resample(true)?;
        params.set_rate(rate, ValueOr::Nearest)?;
        // A device may have its own ideas.
        let _ = params.set_buffer_time_near(BUFFER, ValueOr::Nearest);
        pcm.hw_params(&params)
    };
    set().map_err(|error| Wrong::Format(error, rate, channels))?;
    Ok(pcm)
}

impl Loudspeaker {
    /// In words for people.
    fn explain(&self, wrong: Wrong, library: &Words) -> String {
        let device = &self.device;
        match wrong {
            Wrong::Source(error) => format!("its sound: {error}"),
            Wrong::Device(what) => format!("sound device {device}: {what}"),
            Wrong::Library(error) => {
                let complaint = library.explain(errno(&error), self.session.as_deref());
                format!("sound device {device}: {}", words(&complaint, &error))
            }
            Wrong::Format(error, rate, channels) => {
                let complaint = library.explain(errno(&error), self.session.as_deref());
                format!(
                    "sound device {device}: {}; it may not do {rate} Hz with {channels} channel(s): a \
                     device that begins with plughw: does all",
                    words(&complaint, &error)
                )
            }
        }
    }
}

fn words(complaint: &Complaint, error: &alsa::Error) -> String {
    let (what, way_out) = match complaint.errno {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => (
            "not there".to_owned(),
            "; plug it in, or name another in device of [speech] (aplay -L lists them)",
        ),
        Errno::ACCESS | Errno::PERM => {
            ("permission denied".to_owned(), "; add the daemon's user to the group audio")
        }
        Errno::BUSY => (
            "held by another program".to_owned(),
            "; a device of dmix or of a sound server can be shared",
        ),
        _ => (error.to_string(), ""),
    };
    match &complaint.words {
        said if said.is_empty() => format!("{what}{way_out}"),
        said => format!("{what} ({said}){way_out}"),
    }
}

/// The rate and channels of a WAV file, read up to its samples; `None` for an empty one.
fn head(source: &mut impl Read) -> io::Result<Option<(u32, u32)>> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "no WAV file of 16 bits");
    let mut riff = [0; 12];
    match fill(source, &mut riff)? {
        0 => return Ok(None),
        12 if riff.starts_with(b"RIFF") && riff.ends_with(b"WAVE") => {}
        _ => return Err(wrong()),
    }
    let mut format = None;
    loop {
        let mut chunk = [0; 8];
        source.read_exact(&mut chunk)?;
        let [name @ .., a, b, c, d] = chunk;
        let length = u32::from_le_bytes([a, b, c, d]);
        if &name == b"data" {
            return format.map(Some).ok_or_else(wrong);
        }
        let mut data = Vec::new();
        source.take(u64::from(length.min(4096))).read_to_end(&mut data)?;
        if &name == b"fmt " {
            let number = |at: usize, bytes: usize| {
                let bytes = data.get(at..at + bytes)?.iter().rev();
                Some(bytes.fold(0, |number, byte| (number << 8) | u32::from(*byte)))
            };
            let (kind, channels) = (number(0, 2), number(2, 2));
            let (rate, bits) = (number(4, 4), number(14, 2));
            let (Some(1), Some(16), Some(channels @ 1..=2)) = (kind, bits, channels) else {
                return Err(wrong());
            };
            format = rate.map(|rate| (rate, channels));
        }
    }
}

/// Reads until the buffer is full or the source ends; how much.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(extra: &[u8], bits: u16) -> Vec<u8> {
        let mut file = b"RIFF\xFF\xFF\xFF\x7FWAVE".to_vec();
        file.extend_from_slice(extra);
        file.extend_from_slice(b"fmt \x10\0\0\0\x01\0\x01\0");
        file.extend_from_slice(&22_050_u32.to_le_bytes());
        file.extend_from_slice(&44_100_u32.to_le_bytes());
        file.extend_from_slice(&[2, 0]);
        file.extend_from_slice(&bits.to_le_bytes());
        file.extend_from_slice(b"data\xFF\xFF\xFF\x7F\x01\x02");
        file
    }

    #[test]
    fn the_head_of_a_wav_file_is_read_up_to_its_samples() {
        for extra in [&b""[..], b"LIST\x04\0\0\0INFO"] {
            let file = wav(extra, 16);
            let mut source = &file[..];
            assert_eq!(head(&mut source).unwrap(), Some((22_050, 1)));
            assert_eq!(source, [1, 2]);
        }
        assert_eq!(head(&mut &b""[..]).unwrap(), None);
        for file in [&b"RIFF"[..], b"eSpeak NG: no such voice", &wav(b"", 8), &wav(b"", 16)[..30]] {
            assert!(head(&mut &file[..]).is_err());
        }
    }
}
