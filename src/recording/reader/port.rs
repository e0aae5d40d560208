//! The lines of a port's file, and of the photo decoder's.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hharome_hardware::port::ModemLines;
use hharome_hardware::port::replay::TapeLine;
use hharome_hardware::port::tape::{LineFault, OpenFailure, OpenFailureKind, PortEvent};

use super::lines::{self, Blobs, LineFile};
use super::{ReadError, Recording, near};
use crate::recording::cards;
use crate::recording::format::{self, Fault, Modem, NotOpenLine, PhotoLine, PortLine, unhex};

/// The first damage that is found while ports are read: they are read inside drivers' lines, where
/// nobody could be told. Clones are handles on the same.
#[derive(Clone, Debug, Default)]
pub struct Damage(Arc<Mutex<Option<ReadError>>>);

/// One line of a port's file.
#[derive(Clone, Debug)]
pub(super) struct PortStep {
    pub(super) t: i64,
    before: bool,
    says: Says,
}

#[derive(Clone, Debug)]
enum Says {
    Event(PortEvent),
    Photo(Box<PhotoLine>),
    End,
    /// Something that this version does not know.
    Unknown,
}

/// The tape of one port, streamed. Clones read on from the same place.
#[derive(Clone)]
pub struct PortTape(Arc<Mutex<Tape>>);

struct Tape {
    lines: Option<LineFile<PortStep>>,
    damage: Damage,
}

/// The photos of a recording, streamed.
pub struct PhotoLines {
    lines: Option<LineFile<PortStep>>,
    damage: Damage,
}

impl PortStep {
    pub(super) fn is_end(&self) -> bool {
        matches!(self.says, Says::End)
    }
}

impl Damage {
    /// Takes it out, if there is any.
    #[must_use]
    pub fn take(&self) -> Option<ReadError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, error: ReadError) {
        tracing::warn!(%error, "the recording is damaged");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

impl PortTape {
    /// The tape of the port of `device`; an empty one if the recording has none of it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(recording: &Recording, device: &str, damage: Damage) -> Result<Self, ReadError> {
        let lines = open(recording, device)?;
        Ok(Self(Arc::new(Mutex::new(Tape { lines, damage }))))
    }

    /// A tape that cannot be read: an empty one, and the damage is kept.
    #[must_use]
    pub fn unreadable(error: ReadError, damage: Damage) -> Self {
        damage.keep(error);
        Self(Arc::new(Mutex::new(Tape { lines: None, damage })))
    }

    /// Whether the file tells of the time before the recording.
    pub(super) fn begins_before(path: &Path, blobs: &Blobs) -> Result<bool, ReadError> {
        let mut lines = LineFile::open(path, parse, blobs.clone())?;
        Ok(lines.next()?.is_some_and(|line| line.value.before))
    }

    /// Reads to the end, so that damage is found that the replay did not come upon.
    pub fn drain(&mut self) {
        while self.next().is_some() {}
    }
}

impl Iterator for PortTape {
    type Item = TapeLine;

    fn next(&mut self) -> Option<TapeLine> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        let mut tape = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Tape { lines, damage } = &mut *tape;
            let (line, step) = next(lines, damage)?;
            if let Says::Event(event) = step.says {
                return Some(TapeLine { line, micros: step.t, before: step.before, event });
            }
        }
    }
}

impl PhotoLines {
    /// The photos of a recording; none if it has no decoder.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(recording: &Recording, damage: Damage) -> Result<Self, ReadError> {
        Ok(Self { lines: open(recording, format::PHOTO_DECODER)?, damage })
    }

    /// Photos that cannot be read: none, and the damage is kept.
    #[must_use]
    pub fn unreadable(error: ReadError, damage: Damage) -> Self {
        damage.keep(error);
        Self { lines: None, damage }
    }
}

impl Iterator for PhotoLines {
    /// When it was decoded, in microseconds since the recording began, and what came of it.
    type Item = (i64, PhotoLine);

    fn next(&mut self) -> Option<(i64, PhotoLine)> {
        loop {
            let (_, step) = next(&mut self.lines, &self.damage)?;
            if let Says::Photo(photo) = step.says {
                return Some((step.t, *photo));
            }
        }
    }
}

/// What a photo line tells: how long it took, and the JPEG or why there is none.
///
/// # Errors
/// Words: the picture is no base64.
pub fn photo(line: &PhotoLine) -> Result<(Duration, Result<Vec<u8>, String>), String> {
    let took = Duration::from_micros(line.took);
    match (&line.jpeg, &line.failed) {
        (Some(jpeg), _) => match STANDARD.decode(jpeg) {
            Ok(jpeg) => Ok((took, Ok(jpeg))),
            Err(_) => Err("photo.jpeg is no base64".to_owned()),
        },
        (None, Some(words)) => Ok((took, Err(words.clone()))),
        (None, None) => Err("photo has neither jpeg nor failed".to_owned()),
    }
}

fn open(recording: &Recording, device: &str) -> Result<Option<LineFile<PortStep>>, ReadError> {
    let file = recording.ports.iter().find(|port| port.device == device);
    file.map(|file| LineFile::open(&recording.folder.join(&file.name), parse, recording.blobs()))
        .transpose()
}

/// The next line; damage ends the file.
fn next(lines: &mut Option<LineFile<PortStep>>, damage: &Damage) -> Option<(u64, PortStep)> {
    match lines.as_mut()?.next() {
        Ok(Some(line)) => Some((line.line, line.value)),
        Ok(None) => None,
        Err(error) => {
            *lines = None;
            damage.keep(error);
            None
        }
    }
}

pub(super) fn parse(text: &[u8], blobs: &Blobs) -> Result<PortStep, String> {
    let line: PortLine = lines::json(text)?;
    near(line.t)?;
    let PortLine { t, before, end, .. } = line;
    let says = match line {
        PortLine { photo: Some(one), .. } => {
            if unhex(&one.wlt).is_none() {
                return Err("photo.wlt is no hex".to_owned());
            }
            // Whether there is a picture or a reason, or neither.
            let _ = photo(&one)?;
            Says::Photo(Box::new(one))
        }
        line => match event(line, blobs)? {
            Some(event) => Says::Event(event),
            None if end => Says::End,
            None => Says::Unknown,
        },
    };
    Ok(PortStep { t, before, says })
}

fn event(line: PortLine, blobs: &Blobs) -> Result<Option<PortEvent>, String> {
    if let Some(bytes) = bytes(line.out, line.out_blob, "out", blobs)? {
        return Ok(Some(PortEvent::Out(bytes)));
    }
    if let Some(bytes) = bytes(line.input, line.in_blob, "in", blobs)? {
        return Ok(Some(PortEvent::In(with_zeros(bytes, line.in_zeros)?)));
    }
    if let Some(open) = line.open {
        let modem = open.modem.map(|Modem { cts, dsr, dcd, ri }| ModemLines { cts, dsr, dcd, ri });
        return Ok(Some(PortEvent::Opened { baud: open.baud, modem }));
    }
    if let Some(card) = line.card {
        return Ok(cards::event(card)?.map(PortEvent::Card));
    }
    if let Some(failure) = line.not_open {
        return Ok(Some(PortEvent::NotOpened(not_open(failure)?)));
    }
    Ok(if let Some(baud) = line.baud {
        Some(PortEvent::Baud(baud))
    } else if let Some(what) = line.gone {
        Some(PortEvent::Gone(fault(what)))
    } else if let Some(what) = line.not_written {
        Some(PortEvent::NotWritten(fault(what)))
    } else if line.closed {
        Some(PortEvent::Closed)
    } else {
        None
    })
}

/// Zeros in one line at most: more than any port gives in one piece.
const MOST_ZEROS: u64 = 1024 * 1024;

fn with_zeros(bytes: Bytes, zeros: Option<u64>) -> Result<Bytes, String> {
    let Some(zeros) = zeros else { return Ok(bytes) };
    if zeros > MOST_ZEROS {
        return Err(format!("inZeros: more than {MOST_ZEROS}"));
    }
    let mut all = Vec::from(bytes);
    all.resize(all.len() + usize::try_from(zeros).unwrap_or_default(), 0);
    Ok(all.into())
}

fn bytes(
    hex: Option<String>,
    blob: Option<String>,
    key: &str,
    blobs: &Blobs,
) -> Result<Option<Bytes>, String> {
    match (hex, blob) {
        (Some(hex), _) => match unhex(&hex) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(format!("{key} is no hex")),
        },
        (None, Some(blob)) => blobs.read(&blob).map(Some),
        (None, None) => Ok(None),
    }
}

fn not_open(line: NotOpenLine) -> Result<OpenFailure, String> {
    let kind = match line.kind.as_str() {
        "absent" => OpenFailureKind::Absent,
        "denied" => OpenFailureKind::Denied,
        "held" => OpenFailureKind::Held,
        "other" => OpenFailureKind::Other(fault(line.fault.unwrap_or_default())),
        _ => return Err("notOpen.kind: expected absent, denied, held or other".to_owned()),
    };
    Ok(OpenFailure { port: line.port, kind })
}

fn fault(fault: Fault) -> LineFault {
    match fault {
        Fault { errno: Some(number), .. } => LineFault::Os(number),
        Fault { words: Some(words), .. } => LineFault::Words(words),
        Fault { .. } => LineFault::End,
    }
}
