//! Looks through a recording for what must not be in it.
//!
//! Called by `hharome recording lint` and by tests; reads every file of the folder, from end to
//! end, a piece at a time, and writes nothing. [`lint`] does not trust the format: what cannot be
//! parsed (a torn last line, a damaged one) is read as the text that it is. Whether it can be
//! parsed is [`condition`]'s to say.
//!
//! Two things are complained of: a recording that says of itself that personal data was kept, and
//! an ID number that could be a real person's (`number`), in any encoding that it has on a wire
//! (`scan`). Names and addresses look like any other text and cannot be found this way.

mod bytes;
mod condition;
mod files;
mod number;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use self::condition::{Condition, condition};

use super::format::{META_FILE, PersonalData};

/// So many complaints are collected: whoever has these does not need more to know that the
/// recording must not be shared.
const MOST: usize = 1000;

/// Something that must not be in a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The file, from the recording's folder on.
    pub file: PathBuf,
    /// The line, counted from 1; `None` for what has no lines.
    pub line: Option<u64>,
    /// What it is.
    pub fault: Fault,
}

/// What must not be in a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The recording was made with `--keep-personal-data`.
    PersonalDataKept,
    /// An ID number with the right check character, not of the invented region.
    IdNumber {
        /// The number, eight of its characters masked.
        masked: String,
        /// How it is written there.
        encoding: Encoding,
    },
    /// There is more; it was not looked for.
    More,
}

/// How an ID number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// As text, ASCII or full-width, JSON's escapes resolved.
    Text,
    /// As bytes of a device or a blob: ASCII, or full-width in UTF-8 or GB18030.
    Ascii,
    /// As bytes of a device or a blob: UTF-16, of either byte order. Where the byte before is a
    /// zero, the one looks like the other.
    Utf16,
    /// As bytes of a device: a digit every half byte.
    Bcd,
    /// In base64.
    Base64,
    /// In hex.
    Hex,
}

/// Why a recording cannot be looked through.
#[derive(Debug, thiserror::Error)]
pub enum LintError {
    /// There is no `meta.json`.
    #[error("{}: no recording: there is no {META_FILE}", .0.display())]
    NoRecording(PathBuf),
    /// `meta.json` does not say what was done about personal data.
    #[error("{}: damaged: it does not say what was done about personal data", .0.display())]
    Meta(PathBuf),
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Looks through the recording in `folder`. No complaint: it may be shared.
///
/// # Errors
/// The folder is no recording, or a file in it cannot be read.
pub fn lint(folder: &Path) -> Result<Vec<Complaint>, LintError> {
    let mut complaints = Complaints::default();
    if personal_data(folder)? == PersonalData::Kept {
        let fault = Fault::PersonalDataKept;
        complaints.all.push(Complaint { file: META_FILE.into(), line: None, fault });
    }
    for file in files::of(folder)? {
        complaints.begin(file.name.clone(), file.has_lines());
        files::look_through(folder, &file, &mut complaints)?;
        if complaints.all.len() >= MOST {
            complaints.all.truncate(MOST);
            complaints.all.push(Complaint { file: file.name, line: None, fault: Fault::More });
            break;
        }
    }
    Ok(complaints.all)
}

/// What was found so far, and where the search is.
#[derive(Default)]
struct Complaints {
    all: Vec<Complaint>,
    file: PathBuf,
    line: Option<u64>,
    /// What was found in this line: a number is complained of once in it, however it is read.
    here: BTreeSet<String>,
}

impl Complaints {
    fn begin(&mut self, file: PathBuf, lines: bool) {
        self.file = file;
        self.line = lines.then_some(1);
        self.here.clear();
    }

    fn next_line(&mut self) {
        self.line = self.line.map(|line| line + 1);
        self.here.clear();
    }

    fn found(&mut self, masked: String, encoding: Encoding) {
        if self.all.len() >= MOST || !self.here.insert(masked.clone()) {
            return;
        }
        let fault = Fault::IdNumber { masked, encoding };
        self.all.push(Complaint { file: self.file.clone(), line: self.line, fault });
    }
}

/// What `meta.json` says; of the rest of it nothing is asked, so that recordings of other versions
/// can be looked through as well.
fn personal_data(folder: &Path) -> Result<PersonalData, LintError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        personal_data: PersonalData,
    }
    let path = folder.join(META_FILE);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(LintError::NoRecording(folder.to_owned()));
        }
        Err(source) => return Err(LintError::Read { path, source }),
    };
    let head: Result<Head, _> = serde_json::from_slice(&text);
    head.map(|head| head.personal_data).map_err(|_| LintError::Meta(path))
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PersonalDataKept => {
                f.write_str("personal data was kept when this was recorded (--keep-personal-data)")
            }
            Self::IdNumber { masked, encoding } => {
                write!(f, "ID number {masked} that could be a real person's, {encoding}")
            }
            Self::More => f.write_str("there is more; it was not looked for"),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "in the text",
            Self::Ascii => "in bytes, as digits",
            Self::Utf16 => "in bytes, as UTF-16",
            Self::Bcd => "in bytes, as BCD",
            Self::Base64 => "in base64",
            Self::Hex => "in hex",
        })
    }
}
