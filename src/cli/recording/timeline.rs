//! All that a recording holds, one line an event, in the order of time.
//!
//! ```text
//! port files ── numbered exchanges ─┐
//! client files ── who asked what ───┼─► by time ─► lines of text
//! photos, daemon.jsonl ─────────────┘
//! ```
//!
//! Called by `hharome recording show --timeline`, for those who write fault scripts or look for
//! what went wrong. Every file is read once and streamed; one event of each waits for its turn,
//! so memory stays flat. A client's file is open only while the client is there. Ends with the
//! recording, at damage, or when nobody reads on. Frames are told by what they are, never by what
//! they say.

mod client;
mod photos;
mod port;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};
use std::path::Path;

use crate::recording::format::{DaemonLine, PHOTO_DECODER};
use crate::recording::reader::{DaemonLines, ReadError, Recording};
use client::Frames;
use photos::Photos;
use port::Exchanges;

/// Why there is no timeline, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum TimelineError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The text cannot be written.
    #[error("output: {0}")]
    Write(#[from] io::Error),
}

/// Something that happened.
struct Entry {
    moment: Moment,
    words: String,
}

/// When something happened. What had been so already when the recording began comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Before,
    /// Microseconds since the recording began.
    At(i64),
}

/// One file's events, in the file's order.
trait Source {
    fn next(&mut self) -> Result<Option<Entry>, ReadError>;
}

/// Writes the timeline of the recording in `folder`.
///
/// # Errors
/// It is no recording, or is damaged; what comes before the damage is written. Or `out` takes
/// nothing more.
pub(super) fn write(folder: &Path, out: &mut impl Write) -> Result<(), TimelineError> {
    let recording = Recording::open(folder)?;
    let mut merge = Merge::default();
    for port in &recording.ports {
        if port.device == PHOTO_DECODER {
            let photos = Photos::open(&recording)?;
            merge.add(Moment::Before, Box::new(photos));
        } else {
            let exchanges = Exchanges::open(&recording, &port.device)?;
            merge.add(Moment::Before, Box::new(exchanges));
        }
    }
    for file in &recording.clients {
        let first = match (file.before, file.first) {
            (Some(_), _) => Moment::Before,
            (None, Some(first)) => Moment::At(first),
            (None, None) => continue,
        };
        merge.add(first, Box::new(Frames::of(&recording, file)));
    }
    if let Some(lines) = recording.daemon()? {
        merge.add(Moment::Before, Box::new(Daemon(lines)));
    }
    while let Some(entry) = merge.next()? {
        writeln!(out, "{}", line(entry.moment, &entry.words))?;
    }
    if let Some(cut) = &recording.cut {
        let words = format!("torn from here on: {}", cut.files.join(", "));
        writeln!(out, "{}", line(Moment::At(cut.at), &words))?;
    }
    out.flush()?;
    Ok(())
}

/// Seconds with thousandths, as `at_ms` of a fault script counts, and the words.
fn line(moment: Moment, words: &str) -> String {
    let time = match moment {
        Moment::Before => "before".to_owned(),
        Moment::At(micros) => {
            let millis = micros.max(0) / 1000;
            format!("{}.{:03}", millis / 1000, millis % 1000)
        }
    };
    // What a file says must not work the terminal.
    let shown = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    format!("{time:>10}  {}", words.chars().map(shown).collect::<String>())
}

/// Brings the events of all files in order.
#[derive(Default)]
struct Merge<'a> {
    files: Vec<Option<File<'a>>>,
    /// Whose turn it is when: of the same time, the file's that was added first.
    turns: BinaryHeap<Reverse<(Moment, usize)>>,
}

struct File<'a> {
    source: Box<dyn Source + 'a>,
    /// Its next event; `None` before the first was read.
    entry: Option<Entry>,
}

impl<'a> Merge<'a> {
    /// A file whose events begin at `first`, or later.
    fn add(&mut self, first: Moment, source: Box<dyn Source + 'a>) {
        self.turns.push(Reverse((first, self.files.len())));
        self.files.push(Some(File { source, entry: None }));
    }

    fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        while let Some(Reverse((turn, at))) = self.turns.pop() {
            let Some(place) = self.files.get_mut(at) else { continue };
            let Some(file) = place else { continue };
            let entry = file.entry.take();
            file.entry = file.source.next()?;
            match &file.entry {
                // A file's own order is kept, whatever its times say.
                Some(next) => self.turns.push(Reverse((next.moment.max(turn), at))),
                None => *place = None,
            }
            if entry.is_some() {
                return Ok(entry);
            }
        }
        Ok(None)
    }
}

/// What happened to the daemon.
struct Daemon(DaemonLines);

impl Source for Daemon {
    fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        while let Some(line) = self.0.next()? {
            let DaemonLine { t, reload, stopping, end } = line.value;
            let words = match end {
                Some(why) => format!("the recording ended: {why}"),
                None if reload.is_some() => "the daemon read its configuration again".to_owned(),
                None if stopping => "the daemon was told to stop".to_owned(),
                None => continue,
            };
            return Ok(Some(Entry { moment: Moment::At(t), words }));
        }
        Ok(None)
    }
}
