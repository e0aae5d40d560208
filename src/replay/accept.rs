//! `--accept`: writes the new outcome down as the expected one.
//!
//! Each client's file is written anew beside the old one while the replay runs. What the client
//! did stays as it was. A frame that came as it is in the recording keeps its line, byte for byte;
//! one that says something else stands in its place; what did not come is left out, and what is
//! new or came at another time stands where it came. Only when the whole replay has gone well do
//! new files take old ones' places, and only those of clients at which something differs.
//!
//! A line is written when it is so old that its frame can find no twin any more, so that a few
//! seconds of a recording are held.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::judge::{Pair, Rules};
use crate::recording::format::{BLOB_BYTES, BLOBS, ClientLine, blob_name};
use crate::recording::reader::{ClientStep, Happened, Recording};

/// A frame waits for its twin a little longer than the tolerance, in microseconds: the judge looks
/// every second.
const SLACK: i64 = 3_000_000;

/// Why the new outcome is not the expected one now; the recording is as it was.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct AcceptError {
    path: PathBuf,
    source: io::Error,
}

/// The files that are being written.
pub(super) struct Rewrites {
    folder: PathBuf,
    only: BTreeSet<u64>,
    end: i64,
    /// Frames that came from then on are nobody's difference.
    horizon: i64,
    tolerance: i64,
    /// Files of this recording have end lines.
    stopped: bool,
    files: BTreeMap<u64, Rewrite>,
    error: Option<AcceptError>,
}

struct Rewrite {
    name: String,
    target: PathBuf,
    beside: PathBuf,
    file: BufWriter<File>,
    /// Lines that are decided.
    decided: BTreeMap<Place, Vec<u8>>,
    /// The recording's frames that have no twin yet, by their lines.
    expected: BTreeMap<u64, Expected>,
    /// The replay's frames that have no twin yet, by their numbers.
    got: BTreeMap<u64, (i64, Bytes)>,
    /// How far the old file has come.
    reached: i64,
    /// How far either has come.
    latest: i64,
    /// How the connection ended then.
    gone: Option<Gone>,
    /// The old file's last line, if it is an end line.
    end: Option<Vec<u8>>,
    /// The connection is over now; why, if the daemon ended it.
    over: Option<(i64, Option<String>)>,
    /// The time of the last line that is written.
    last: i64,
}

/// Where a line stands: by its time, then by its line in the old file, then as it came.
type Place = (i64, u64, u64);

struct Expected {
    /// Its line's time, and where that puts it.
    t: i64,
    at: i64,
    text: Vec<u8>,
}

struct Gone {
    t: i64,
    why: String,
    text: Vec<u8>,
}

impl Rewrites {
    pub(super) fn new(recording: &Recording, rules: &Rules) -> Self {
        Self {
            folder: recording.folder.clone(),
            only: rules.only.clone(),
            end: recording.end,
            horizon: rules.horizon.saturating_sub(rules.edge),
            tolerance: rules.tolerance,
            stopped: recording.stopped,
            files: BTreeMap::new(),
            error: None,
        }
    }

    pub(super) fn open(&mut self, client: u64, file: &str) {
        if !self.only.is_empty() && !self.only.contains(&client) {
            return;
        }
        let target = self.folder.join(file);
        let beside = self.folder.join(format!(".{file}.new"));
        let name = file.to_owned();
        match newly_made(&beside) {
            Ok(file) => {
                let rewrite = Rewrite {
                    name,
                    target,
                    beside,
                    file: BufWriter::new(file),
                    decided: BTreeMap::new(),
                    expected: BTreeMap::new(),
                    got: BTreeMap::new(),
                    reached: i64::MIN,
                    latest: i64::MIN,
                    gone: None,
                    end: None,
                    over: None,
                    last: i64::MIN,
                };
                self.files.insert(client, rewrite);
            }
            Err(source) => self.fail(beside, source),
        }
    }

    /// A line of the recording is carried out.
    pub(super) fn line(&mut self, client: u64, line: u64, step: &ClientStep, text: &[u8]) {
        self.with(client, |rewrite, house| {
            rewrite.line(line, step, text);
            rewrite.advance(step.t, house)
        });
    }

    /// The client gets a frame; `number` is its own.
    pub(super) fn frame(&mut self, client: u64, number: u64, t: i64, frame: &Bytes) {
        self.with(client, |rewrite, house| {
            if t < 0 || t > house.end + house.tolerance {
                return Ok(());
            }
            rewrite.got.insert(number, (t, frame.clone()));
            rewrite.advance(t, house)
        });
    }

    /// A frame that the client gets and a line of the recording stand for one another.
    pub(super) fn pair(&mut self, client: u64, pair: Pair) {
        self.with(client, |rewrite, house| rewrite.pair(pair, &house.folder));
    }

    /// Its connection is over; `why`, if the daemon ended it.
    pub(super) fn ended(&mut self, client: u64, t: i64, why: Option<&str>) {
        self.with(client, |rewrite, house| {
            if t <= house.end {
                rewrite.over.get_or_insert((t, why.map(str::to_owned)));
            }
            Ok(())
        });
    }

    /// Puts the new files of the clients at which something differs into the old ones' places;
    /// their names.
    pub(super) fn finish(mut self, differing: &BTreeSet<u64>) -> Result<Vec<String>, AcceptError> {
        for client in differing {
            self.with(*client, Rewrite::finish);
        }
        let mut written = Vec::new();
        if self.error.is_none() {
            for (_, rewrite) in self.files.iter().filter(|(client, _)| differing.contains(client)) {
                if let Err(source) = fs::rename(&rewrite.beside, &rewrite.target) {
                    self.error = Some(AcceptError { path: rewrite.target.clone(), source });
                    break;
                }
                written.push(rewrite.name.clone());
            }
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(written),
        }
    }

    fn with(&mut self, client: u64, act: impl FnOnce(&mut Rewrite, &Self) -> io::Result<()>) {
        let Some(mut rewrite) = self.files.remove(&client) else { return };
        let done = act(&mut rewrite, self);
        let path = rewrite.beside.clone();
        self.files.insert(client, rewrite);
        if let Err(source) = done {
            self.fail(path, source);
        }
    }

    fn fail(&mut self, path: PathBuf, source: io::Error) {
        self.error.get_or_insert(AcceptError { path, source });
    }
}

impl Drop for Rewrites {
    /// What was not put into place is thrown away.
    fn drop(&mut self) {
        for rewrite in self.files.values() {
            // Nothing can be done about one that stays; its name begins with a dot.
            let _ = fs::remove_file(&rewrite.beside);
        }
    }
}

impl Rewrite {
    fn line(&mut self, line: u64, step: &ClientStep, text: &[u8]) {
        // Times of lines that tell of the time before may lie before the one above them.
        self.reached = self.reached.max(step.t);
        let (t, at, text) = (step.t, self.reached, text.to_owned());
        match &step.happened {
            Happened::Out(_) if !step.before => {
                self.expected.insert(line, Expected { t, at, text });
            }
            Happened::Gone(why) => self.gone = Some(Gone { t, why: why.clone(), text }),
            Happened::End => self.end = Some(text),
            // Nothing can follow in a connection that the daemon has ended.
            _ if self.over.as_ref().is_some_and(|(_, why)| why.is_some()) => {}
            _ => {
                self.decided.insert((at, line, 0), text);
            }
        }
    }

    fn pair(&mut self, pair: Pair, folder: &Path) -> io::Result<()> {
        let Pair { line, number, same } = pair;
        let Some(Expected { t, at, text }) = self.expected.remove(&line) else { return Ok(()) };
        let Some((_, frame)) = self.got.remove(&number) else { return Ok(()) };
        let text = if same { text } else { out(t, &frame, folder)? };
        self.decided.insert((at, line, 0), text);
        Ok(())
    }

    /// The replay is at `t`: what is old enough is written.
    fn advance(&mut self, t: i64, house: &Rewrites) -> io::Result<()> {
        self.latest = self.latest.max(t);
        let before = self.latest.saturating_sub(house.tolerance.saturating_add(SLACK));
        self.write(before, house)
    }

    fn write(&mut self, before: i64, house: &Rewrites) -> io::Result<()> {
        while let Some(first) = self.got.first_entry().filter(|first| first.get().0 < before) {
            let (number, (t, frame)) = first.remove_entry();
            // At the very end its twin may have been due behind it.
            if t < house.horizon {
                self.decided.insert((t, u64::MAX, number), out(t, &frame, &house.folder)?);
            }
        }
        while let Some(first) = self.expected.first_entry().filter(|first| first.get().at < before)
        {
            first.remove();
        }
        while let Some(first) = self.decided.first_entry().filter(|first| first.key().0 < before) {
            let ((at, ..), text) = first.remove_entry();
            self.text(at, &text)?;
        }
        Ok(())
    }

    fn finish(&mut self, house: &Rewrites) -> io::Result<()> {
        self.write(i64::MAX, house)?;
        let gone = self.gone.take();
        let by_daemon = self.over.take().and_then(|(t, why)| Some((t, why?)));
        match (by_daemon, gone) {
            (Some((t, why)), Some(gone))
                if gone.why == why && (t - gone.t).abs() <= house.tolerance =>
            {
                self.gone(gone.t, gone)?;
            }
            (Some((t, why)), _) => self.gone(t, Gone { t: i64::MIN, why, text: Vec::new() })?,
            (None, Some(gone)) if !is_daemons(&gone.why) => self.gone(gone.t, gone)?,
            _ => match self.end.take() {
                Some(text) => self.text(house.end, &text)?,
                None if house.stopped => {
                    let end = ClientLine { t: house.end, end: true, ..ClientLine::default() };
                    self.text(house.end, &serde_json::to_vec(&end)?)?;
                }
                None => {}
            },
        }
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }

    /// The last line of a connection that ended, which has to be the latest, too.
    fn gone(&mut self, t: i64, gone: Gone) -> io::Result<()> {
        let t = t.max(self.last);
        if t == gone.t {
            return self.text(t, &gone.text);
        }
        let line = ClientLine { t, gone: Some(gone.why), ..ClientLine::default() };
        self.text(t, &serde_json::to_vec(&line)?)
    }

    fn text(&mut self, t: i64, text: &[u8]) -> io::Result<()> {
        self.last = self.last.max(t);
        self.file.write_all(text)?;
        self.file.write_all(b"\n")
    }
}

fn is_daemons(why: &str) -> bool {
    matches!(why, "tooSlow" | "notAdmitted")
}

/// The line of a frame.
fn out(t: i64, frame: &Bytes, folder: &Path) -> io::Result<Vec<u8>> {
    let mut line = ClientLine { t, ..ClientLine::default() };
    let json = std::str::from_utf8(frame).ok().and_then(|text| {
        let raw = RawValue::from_string(text.to_owned()).ok()?;
        (frame.len() < BLOB_BYTES && raw.get() == text).then_some(raw)
    });
    match json {
        Some(json) => line.out = Some(json),
        None => line.out_blob = Some(blob(folder, frame)?),
    }
    Ok(serde_json::to_vec(&line)?)
}

fn blob(folder: &Path, bytes: &[u8]) -> io::Result<String> {
    let name = blob_name(bytes);
    let blobs = folder.join(BLOBS);
    let path = blobs.join(&name);
    if !path.exists() {
        fs::create_dir_all(&blobs)?;
        let beside = blobs.join(format!(".{name}.new"));
        newly_made(&beside)?.write_all(bytes)?;
        fs::rename(&beside, &path)?;
    }
    Ok(name)
}

/// A file of our own at this path, whatever stood there: recordings are passed around, and a link
/// in one must not lead elsewhere.
fn newly_made(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
