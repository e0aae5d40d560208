//! Lines of a file, one at a time: whole ones, the torn last one passed over, damage named by its
//! line.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::ReadError;
use crate::recording::format::BLOBS;

/// The longest line, and the largest blob: above the largest frame that the configuration allows
/// ([`crate::config::Listen::max_frame_bytes`], 256 MiB). What is longer is no recording of ours.
const MAX_PIECE: u64 = 320 * 1024 * 1024;

/// How much of a file's end is read at first; most last lines are far shorter.
const TAIL: u64 = 64 * 1024;

/// Turns the text of a line into what it says; words if it says nothing sensible.
pub(super) type Parse<T> = fn(&[u8], &Blobs) -> Result<T, String>;

/// A file of lines that are read one after the other.
pub struct LineFile<T> {
    path: PathBuf,
    reader: BufReader<File>,
    parse: Parse<T>,
    blobs: Blobs,
    text: Vec<u8>,
    line: u64,
    ended: bool,
}

/// What a line says, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered<T> {
    /// The line, counted from 1.
    pub line: u64,
    /// What it says.
    pub value: T,
}

/// A recording's large pieces.
#[derive(Clone, Debug)]
pub struct Blobs(PathBuf);

/// How a file ends.
pub(super) struct Tail<T> {
    /// Its last line is not whole.
    pub(super) torn: bool,
    /// The last whole one.
    pub(super) last: Option<T>,
}

impl<T> LineFile<T> {
    pub(super) fn open(path: &Path, parse: Parse<T>, blobs: Blobs) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|source| unreadable(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::with_capacity(TAIL as usize, file),
            parse,
            blobs,
            text: Vec::new(),
            line: 0,
            ended: false,
        })
    }

    /// The next line; `None` at the end, which a torn last line is, too.
    ///
    /// # Errors
    /// The file cannot be read, or the line is damaged and others follow.
    #[expect(clippy::should_implement_trait, reason = "reading can fail, and ends with `Ok(None)`")]
    pub fn next(&mut self) -> Result<Option<Numbered<T>>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        self.text.clear();
        let limited = &mut Read::take(&mut self.reader, MAX_PIECE);
        let read = limited.read_until(b'\n', &mut self.text);
        read.map_err(|source| unreadable(&self.path, source))?;
        if self.text.pop_if(|last| *last == b'\n').is_none() {
            self.ended = true;
            if self.text.len() as u64 == MAX_PIECE {
                return Err(self.damaged("the line is too long".to_owned()));
            }
            return Ok(None);
        }
        self.line += 1;
        match (self.parse)(&self.text, &self.blobs) {
            Ok(value) => Ok(Some(Numbered { line: self.line, value })),
            Err(words) => {
                self.ended = true;
                let rest = self.reader.fill_buf();
                let last = rest.map_err(|source| unreadable(&self.path, source))?.is_empty();
                if last { Ok(None) } else { Err(self.damaged_at(self.line, words)) }
            }
        }
    }

    /// The text of the line that was read last, without its end.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    fn damaged(&self, words: String) -> ReadError {
        self.damaged_at(self.line + 1, words)
    }

    fn damaged_at(&self, line: u64, words: String) -> ReadError {
        ReadError::Line { path: self.path.clone(), line, words }
    }
}

impl<T> fmt::Debug for LineFile<T> {
    /// Where it is; never what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineFile").field("path", &self.path).field("line", &self.line).finish()
    }
}

impl Blobs {
    pub(super) fn of(folder: &Path) -> Self {
        Self(folder.join(BLOBS))
    }

    /// The piece of this name.
    ///
    /// # Errors
    /// Words: it is not there, cannot be read, or the name cannot be that of a blob.
    pub fn read(&self, name: &str) -> Result<Bytes, String> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if name.len() != 64 || !name.bytes().all(hex) {
            return Err("a blob's name is 64 hex digits in lower case".to_owned());
        }
        let wrong = |error: io::Error| format!("blob {name}: {error}");
        let file = File::open(self.0.join(name)).map_err(wrong)?;
        let mut bytes = Vec::new();
        file.take(MAX_PIECE).read_to_end(&mut bytes).map_err(wrong)?;
        Ok(bytes.into())
    }
}

/// Reads the end of a file: as many of its last bytes as it takes to see the last whole line.
pub(super) fn tail<T>(path: &Path, parse: Parse<T>, blobs: &Blobs) -> Result<Tail<T>, ReadError> {
    let wrong = |source| unreadable(path, source);
    let mut file = File::open(path).map_err(wrong)?;
    let length = file.metadata().map_err(wrong)?.len();
    let mut size = TAIL;
    loop {
        let from = length.saturating_sub(size);
        file.seek(SeekFrom::Start(from)).map_err(wrong)?;
        let mut bytes = Vec::new();
        Read::take(&mut file, size).read_to_end(&mut bytes).map_err(wrong)?;
        match judge(&bytes, from, parse, blobs) {
            Judged::Tail(tail) => return Ok(tail),
            Judged::Damaged { at, words } => {
                let line = line_at(path, at).map_err(wrong)?;
                return Err(ReadError::Line { path: path.to_owned(), line, words });
            }
            Judged::More if size > MAX_PIECE => {
                let line = line_at(path, from).map_err(wrong)?;
                let words = "the line is too long".to_owned();
                return Err(ReadError::Line { path: path.to_owned(), line, words });
            }
            Judged::More => size *= 4,
        }
    }
}

enum Judged<T> {
    Tail(Tail<T>),
    /// The line that begins at this byte of the file.
    Damaged {
        at: u64,
        words: String,
    },
    /// Too little was read to tell.
    More,
}

/// `bytes` are the file's last ones, `from` its bytes before them.
fn judge<T>(bytes: &[u8], from: u64, parse: Parse<T>, blobs: &Blobs) -> Judged<T> {
    let mut whole = bytes.iter().rposition(|byte| *byte == b'\n');
    let mut torn = whole.is_none_or(|end| end + 1 < bytes.len()) && !bytes.is_empty();
    loop {
        let Some(end) = whole else {
            return if from > 0 { Judged::More } else { Judged::Tail(Tail { torn, last: None }) };
        };
        let text = bytes.get(..end).unwrap_or_default();
        let begin = match text.iter().rposition(|byte| *byte == b'\n') {
            Some(before) => before + 1,
            None if from > 0 => return Judged::More,
            None => 0,
        };
        match parse(text.get(begin..).unwrap_or_default(), blobs) {
            Ok(value) => return Judged::Tail(Tail { torn, last: Some(value) }),
            Err(words) if torn => return Judged::Damaged { at: from + begin as u64, words },
            Err(_) => {
                torn = true;
                whole = begin.checked_sub(1);
            }
        }
    }
}

/// The number of the line that begins at a byte of a file.
fn line_at(path: &Path, at: u64) -> io::Result<u64> {
    let mut reader = BufReader::new(File::open(path)?.take(at));
    let mut line = 1;
    loop {
        let read = reader.fill_buf()?;
        if read.is_empty() {
            return Ok(line);
        }
        line += read.iter().filter(|byte| **byte == b'\n').count() as u64;
        let length = read.len();
        reader.consume(length);
    }
}

/// A line as JSON. The words of what is wrong hold nothing of the line.
pub(super) fn json<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| place_only(&error))
}

/// What is wrong, without what stands there: a recording may hold what is a person's.
pub(super) fn place_only(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "not what is expected",
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => "no JSON",
    };
    format!("{kind} at line {} column {}", error.line(), error.column())
}

fn unreadable(path: &Path, source: io::Error) -> ReadError {
    ReadError::File { path: path.to_owned(), source }
}
