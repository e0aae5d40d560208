//! Reads a recording from its folder: what it is of, how far it goes, and its lines, one at a time.
//!
//! Replay, lint and whoever else looks into a recording open it with [`Recording::open`]. That
//! reads `meta.json`, the names of the files, and of each file its beginning and its last line;
//! the lines between are streamed, and no file is ever held as a whole. A recording that was torn
//! by a crash or a full disk is read up to where all of its files are whole ([`Cut`]); any other
//! damage is an error that names file and line.

mod client;
mod lines;
mod port;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use self::client::{ClientLines, ClientStep, Happened, StallLines, StallStep};
pub use self::lines::{Blobs, LineFile, Numbered};
pub use self::port::{Damage, PhotoLines, PortTape, photo};

use self::lines::{Tail, tail};
use super::format::{DAEMON_FILE, DaemonLine, META_FILE, Meta, VERSION};

/// No moment of a recording lies farther from its beginning than this many microseconds: 400 days,
/// far above what `[recording] max_minutes` allows. What says otherwise is damaged.
const FARTHEST: i64 = 400 * 24 * 3600 * 1_000_000;

/// The largest `meta.json` that is read: it holds a configuration and a dozen devices.
const MAX_META: u64 = 4 * 1024 * 1024;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The folder, or a file in it, cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no `meta.json`: this is no recording.
    #[error("{}: no recording: there is no {META_FILE}", .0.display())]
    NoMeta(PathBuf),
    /// `meta.json` does not say what it has to.
    #[error("{}: damaged: {words}", path.display())]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        words: String,
    },
    /// The format is another one.
    #[error(
        "{}: a recording of format {major}, and this version reads format {} only; replay it with \
         the hharome that made it, or a newer one", path.display(), VERSION.major
    )]
    Version {
        /// The recording's folder.
        path: PathBuf,
        /// Its major version.
        major: u32,
    },
    /// A line is damaged that is not the last one.
    #[error("{}:{line}: damaged: {words}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong; never what the line says.
        words: String,
    },
}

/// A recording that can be read.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its folder.
    pub folder: PathBuf,
    /// What it is of.
    pub meta: Meta,
    /// Its clients, by number.
    pub clients: Vec<ClientFile>,
    /// Its ports by name, in order; the photo decoder's too.
    pub ports: Vec<PortFile>,
    /// The time of its last line, in microseconds since it began.
    pub end: i64,
    /// Where it was torn, if it was.
    pub cut: Option<Cut>,
    /// It was brought to an end: files have end lines.
    pub stopped: bool,
}

/// A client's file.
#[derive(Clone, Debug)]
pub struct ClientFile {
    /// The client's number.
    pub number: u64,
    /// The file's name.
    pub name: String,
    /// The time of the first line that is not `before`; `None` if there is none.
    pub first: Option<i64>,
    /// The earliest time of a line that is `before`, at most 0; `None` if there is none.
    pub before: Option<i64>,
}

/// A port's file.
#[derive(Clone, Debug)]
pub struct PortFile {
    /// The device that is plugged in there.
    pub device: String,
    /// The file's name.
    pub name: String,
    /// Whether it tells what was so before the recording began.
    pub before: bool,
}

/// Files that end too early, by a crash or a full disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The recording is whole up to here, in microseconds since it began.
    pub at: i64,
    /// The files' names.
    pub files: Vec<String>,
}

/// A line of `daemon.jsonl`, checked.
pub type DaemonLines = LineFile<DaemonLine>;

impl Recording {
    /// Opens the recording in `folder`.
    ///
    /// # Errors
    /// The folder is no recording, is of another major version, or is damaged at a place that can
    /// be seen without reading all of it.
    pub fn open(folder: &Path) -> Result<Self, ReadError> {
        let meta = meta(folder)?;
        let names = names(folder)?;
        let blobs = Blobs::of(folder);
        let (mut clients, mut ports) = (Vec::new(), Vec::new());
        let mut ends = Ends::default();
        for name in names {
            let path = folder.join(&name);
            if name == DAEMON_FILE {
                let tail = tail(&path, daemon_line, &blobs)?;
                let last = tail.last.as_ref().map(|line| (line.t, line.end.is_some()));
                ends.file(name, &tail, last, false);
            } else if let Some(device) = between(&name, "port-") {
                let tail = tail(&path, port::parse, &blobs)?;
                let last = tail.last.as_ref().map(|step| (step.t, step.is_end()));
                let before = PortTape::begins_before(&path, &blobs)?;
                ports.push(PortFile { device: device.to_owned(), name: name.clone(), before });
                ends.file(name, &tail, last, false);
            } else if let Some(number) = client_number(&name) {
                let tail = tail(&path, client::parse, &blobs)?;
                let end = |happened: &Happened| matches!(happened, Happened::End);
                let last = tail.last.as_ref().map(|step| (step.t, end(&step.happened)));
                let gone = |step: &ClientStep| matches!(step.happened, Happened::Gone(_));
                let gone = tail.last.as_ref().is_some_and(gone);
                let head = client::head(&path, &blobs)?;
                clients.push(ClientFile {
                    number,
                    name: name.clone(),
                    first: head.first,
                    before: head.before,
                });
                ends.file(name, &tail, last, gone);
            }
        }
        clients.sort_by_key(|client| client.number);
        let stopped = ends.files.iter().any(|file| file.ended);
        let (end, cut) = ends.judge(stopped);
        Ok(Self { folder: folder.to_owned(), meta, clients, ports, end, cut, stopped })
    }

    /// Where its large pieces are.
    #[must_use]
    pub fn blobs(&self) -> Blobs {
        Blobs::of(&self.folder)
    }

    /// The time from which on nothing is to be relied on: the cut, or the end.
    #[must_use]
    pub fn horizon(&self) -> i64 {
        self.cut.as_ref().map_or(self.end, |cut| cut.at)
    }

    /// Whether anything is told of the time before it began: the daemon had been running already.
    #[must_use]
    pub fn tells_of_before(&self) -> bool {
        self.ports.iter().any(|port| port.before)
            || self.clients.iter().any(|client| client.before.is_some())
    }

    /// The file of the client with this number.
    #[must_use]
    pub fn client_file(&self, number: u64) -> Option<&ClientFile> {
        let at = self.clients.binary_search_by_key(&number, |client| client.number).ok()?;
        self.clients.get(at)
    }

    /// The lines of a client.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn client(&self, client: &ClientFile) -> Result<ClientLines, ReadError> {
        LineFile::open(&self.folder.join(&client.name), client::parse, self.blobs())
    }

    /// What of a client's lines tells when its socket took nothing.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn stalls(&self, client: &ClientFile) -> Result<StallLines, ReadError> {
        LineFile::open(&self.folder.join(&client.name), client::parse_stall, self.blobs())
    }

    /// The lines of `daemon.jsonl`; none if it is not there.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn daemon(&self) -> Result<Option<DaemonLines>, ReadError> {
        let path = self.folder.join(DAEMON_FILE);
        match LineFile::open(&path, daemon_line, self.blobs()) {
            Ok(lines) => Ok(Some(lines)),
            Err(ReadError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Collects how the files end.
#[derive(Default)]
struct Ends {
    files: Vec<FileEnd>,
}

struct FileEnd {
    name: String,
    torn: bool,
    /// The last whole line's time.
    last: Option<i64>,
    /// It is an `end` line.
    ended: bool,
    /// It ends a client's file as well as an `end` line does.
    gone: bool,
}

impl Ends {
    fn file<T>(&mut self, name: String, tail: &Tail<T>, last: Option<(i64, bool)>, gone: bool) {
        let ended = last.is_some_and(|(_, end)| end);
        let last = last.map(|(t, _)| t);
        self.files.push(FileEnd { name, torn: tail.torn, last, ended, gone });
    }

    /// The time of the last line of all, and where the recording was torn.
    fn judge(self, stopped: bool) -> (i64, Option<Cut>) {
        let end = self.files.iter().filter_map(|file| file.last).fold(0, i64::max);
        let short = |file: &&FileEnd| file.torn || (stopped && !file.ended && !file.gone);
        let cut: Vec<_> = self.files.iter().filter(short).collect();
        // A file without any whole line says nothing from the beginning on.
        let at = cut.iter().map(|file| file.last.unwrap_or(0)).min();
        let files = || cut.iter().map(|file| file.name.clone()).collect();
        (end, at.map(|at| Cut { at, files: files() }))
    }
}

fn meta(folder: &Path) -> Result<Meta, ReadError> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: super::format::Version,
    }
    let path = folder.join(META_FILE);
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ReadError::NoMeta(folder.to_owned()));
        }
        Err(source) => return Err(ReadError::File { path, source }),
    };
    let mut text = Vec::new();
    if let Err(source) = file.take(MAX_META).read_to_end(&mut text) {
        return Err(ReadError::File { path, source });
    }
    // Of another major version nothing but the version is expected to be readable.
    let head: Result<Head, _> = serde_json::from_slice(&text);
    if let Ok(Head { format }) = head
        && format.major != VERSION.major
    {
        return Err(ReadError::Version { path: folder.to_owned(), major: format.major });
    }
    serde_json::from_slice(&text)
        .map_err(|error| ReadError::Meta { path, words: lines::place_only(&error) })
}

fn names(folder: &Path) -> Result<Vec<String>, ReadError> {
    let wrong = |source| ReadError::File { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        // A recording has plain files; anything else, a pipe, could be waited for for ever.
        if !entry.file_type().map_err(wrong)?.is_file() {
            continue;
        }
        // What is no UTF-8 is none of ours.
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn between<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    name.strip_prefix(prefix)?.strip_suffix(".jsonl").filter(|middle| !middle.is_empty())
}

fn client_number(name: &str) -> Option<u64> {
    let digits = between(name, "client-")?;
    if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn daemon_line(text: &[u8], _: &Blobs) -> Result<DaemonLine, String> {
    let line: DaemonLine = lines::json(text)?;
    near(line.t)?;
    Ok(line)
}

/// Refuses a time that cannot be.
fn near(t: i64) -> Result<(), String> {
    if (-FARTHEST..=FARTHEST).contains(&t) { Ok(()) } else { Err("t is out of range".to_owned()) }
}

#[cfg(test)]
mod tests;
