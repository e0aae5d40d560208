//! The files of a recording, each read as what it is: text, a blob, or the bytes of a port.
//!
//! A port's bytes are looked through as the device has sent them: the hex of all lines of one
//! direction is one stream, blobs in their place, because a number may be cut in two by chunks. Cards
//! do not chunk: each command is looked through alone, and each answer without its status word, with
//! what was left of it (`61xx`) and came later.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::bytes::Bytes;
use super::scan::Text;
use super::{Complaints, LintError};
use crate::recording::format::BLOBS;

/// Read at once.
const PIECE: usize = 64 * 1024;

/// The longest line of a port's file that is read as a line; there is none of a tenth of that. A
/// longer one is read as text.
const LONGEST: u64 = 1024 * 1024;

/// Folders in folders are looked into so deep. A recording has one.
const DEEP: usize = 4;

/// A file of a recording.
pub(super) struct Found {
    /// From the recording's folder on.
    pub(super) name: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Port,
    Blob,
}

impl Found {
    /// Whether places in it are told by lines.
    pub(super) fn has_lines(&self) -> bool {
        self.kind != Kind::Blob
    }
}

/// All files in a recording's folder, whoever put them there, in the order of their names. What is
/// neither file nor folder is passed over, links too.
pub(super) fn of(folder: &Path) -> Result<Vec<Found>, LintError> {
    let mut found = Vec::new();
    collect(folder, Path::new(""), 0, &mut found)?;
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn collect(
    folder: &Path,
    below: &Path,
    depth: usize,
    found: &mut Vec<Found>,
) -> Result<(), LintError> {
    let path = folder.join(below);
    let wrong = |source| LintError::Read { path: path.clone(), source };
    for entry in fs::read_dir(&path).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let kind = entry.file_type().map_err(wrong)?;
        let name = below.join(entry.file_name());
        if kind.is_dir() && depth < DEEP {
            collect(folder, &name, depth + 1, found)?;
        } else if kind.is_file() {
            let shown = name.to_string_lossy();
            let kind = if shown.starts_with("port-") && shown.ends_with(".jsonl") {
                Kind::Port
            } else if name.starts_with(BLOBS) {
                Kind::Blob
            } else {
                Kind::Text
            };
            found.push(Found { name, kind });
        }
    }
    Ok(())
}

/// Looks through one file.
pub(super) fn look_through(
    folder: &Path,
    file: &Found,
    complaints: &mut Complaints,
) -> Result<(), LintError> {
    let path = folder.join(&file.name);
    let looked = File::open(&path).and_then(|open| match file.kind {
        Kind::Text => text(open, complaints),
        Kind::Blob => blob(open, complaints),
        Kind::Port => port(open, folder, complaints),
    });
    looked.map_err(|source| LintError::Read { path, source })
}

fn text(file: File, complaints: &mut Complaints) -> io::Result<()> {
    let mut text = Text::new();
    pieces(file, |piece| text.push(piece, complaints))?;
    text.end(complaints);
    Ok(())
}

/// A frame or a device's bytes: nobody knows which.
fn blob(file: File, complaints: &mut Complaints) -> io::Result<()> {
    let (mut text, mut bytes) = (Text::new(), Bytes::new());
    pieces(file, |piece| {
        text.push(piece, complaints);
        feed(&mut bytes, piece, complaints);
    })?;
    text.end(complaints);
    finish(&mut bytes, complaints);
    Ok(())
}

/// Both directions of a port.
struct Port<'a> {
    folder: &'a Path,
    out: Bytes,
    input: Bytes,
    /// A card's or its reader's: it has had lines that only such ports have.
    cards: bool,
}

fn port(file: File, folder: &Path, complaints: &mut Complaints) -> io::Result<()> {
    let mut port =
        Port { folder, out: Bytes::of_a_device(), input: Bytes::of_a_device(), cards: false };
    let mut reader = BufReader::with_capacity(PIECE, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        port.line(line.strip_suffix(b"\n").unwrap_or(&line), complaints)?;
        if line.ends_with(b"\n") {
            complaints.next_line();
        }
    }
    finish(&mut port.out, complaints);
    finish(&mut port.input, complaints);
    Ok(())
}

impl Port<'_> {
    fn line(&mut self, line: &[u8], complaints: &mut Complaints) -> io::Result<()> {
        // Whatever its keys are: a later version may have others.
        let Ok(mut read) = serde_json::from_slice::<Map<String, Value>>(line) else {
            self.torn(line, complaints);
            return Ok(());
        };
        let mut take = |key: &str| {
            let hex = read.get(key).and_then(Value::as_str).filter(|text| is_hex(text))?.to_owned();
            read.remove(key);
            Some(hex)
        };
        // Hex is looked through as the bytes that it is: as text it would look like digits that
        // nobody has said.
        for (bytes, hex, blob, answers) in [
            (&mut self.out, take("out"), take("outBlob"), false),
            (&mut self.input, take("in"), take("inBlob"), true),
        ] {
            let passed = hex.is_some() || blob.is_some();
            let hex = hex.unwrap_or_default();
            let (hex, continues) =
                if self.cards && answers { without_status(&hex) } else { (&*hex, !self.cards) };
            unhexed(hex.as_bytes(), bytes, complaints);
            // A name of hex digits leads nowhere else.
            let file = blob.map(|name| self.folder.join(BLOBS).join(name));
            // A blob that is missing holds nothing.
            if let Some(file) = file.filter(|file| file.is_file()) {
                pieces(File::open(file)?, |piece| feed(bytes, piece, complaints))?;
            }
            if passed && !continues {
                finish(bytes, complaints);
            }
        }
        if read.contains_key("inZeros") {
            // No number goes on behind so many of them.
            finish(&mut self.input, complaints);
        }
        self.cards |= read.contains_key("card");
        if let Some(wlt) = read.get_mut("photo").and_then(|photo| photo.get_mut("wlt")) {
            hex_alone(wlt, Bytes::new(), complaints);
        }
        read.values_mut().for_each(|value| hex_inside(value, complaints));
        let rest = serde_json::to_vec(&read).map_err(io::Error::from)?;
        let mut text = Text::new();
        text.push(&rest, complaints);
        text.end(complaints);
        Ok(())
    }

    /// A line that is no line: its hex as far as it goes, the rest as text.
    fn torn(&mut self, line: &[u8], complaints: &mut Complaints) {
        let key = |key: &[u8]| line.windows(key.len()).position(|part| part == key);
        let keys = [(&b"\"out\":\""[..], true), (&b"\"in\":\""[..], false)];
        let begun = keys.into_iter().find_map(|(name, out)| Some((key(name)? + name.len(), out)));
        let (before, hex, out) = match begun {
            Some((at, out)) => (line.get(..at), line.get(at..), out),
            None => (Some(line), None, false),
        };
        let hex = hex.unwrap_or_default();
        let end = hex.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(hex.len());
        let (hex, after) = hex.split_at(end);
        let bytes = if out { &mut self.out } else { &mut self.input };
        unhexed(hex, bytes, complaints);
        for text in [before.unwrap_or_default(), after] {
            let mut scan = Text::new();
            scan.push(text, complaints);
            scan.end(complaints);
        }
    }
}

/// The hex of a card's answer without its status word, and whether that says that there is more of
/// it (ISO/IEC 7816-4, 5.1.3).
fn without_status(hex: &str) -> (&str, bool) {
    match hex.len().checked_sub(4).map(|at| hex.split_at(at)) {
        Some((data, status)) if status.starts_with(['6', '9']) => (data, status.starts_with("61")),
        _ => (hex, false),
    }
}

/// Looks through what is hex in a line besides what passed, such as a card's ATR.
fn hex_inside(value: &mut Value, complaints: &mut Complaints) {
    match value {
        Value::String(_) => hex_alone(value, Bytes::of_a_device(), complaints),
        Value::Array(values) => {
            values.iter_mut().for_each(|value| hex_inside(value, complaints));
        }
        Value::Object(values) => {
            values.values_mut().for_each(|value| hex_inside(value, complaints));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Looks through a string that is hex, and takes it away; any other stays.
fn hex_alone(value: &mut Value, mut bytes: Bytes, complaints: &mut Complaints) {
    if let Some(hex) = value.as_str().filter(|text| is_hex(text) && text.len().is_multiple_of(2)) {
        unhexed(hex.as_bytes(), &mut bytes, complaints);
        finish(&mut bytes, complaints);
        *value = Value::Null;
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn unhexed(hex: &[u8], bytes: &mut Bytes, complaints: &mut Complaints) {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok(),
        _ => None,
    };
    for byte in hex.chunks_exact(2).filter_map(byte) {
        bytes.push(byte, &mut |masked, encoding| complaints.found(masked, encoding));
    }
}

fn feed(bytes: &mut Bytes, piece: &[u8], complaints: &mut Complaints) {
    for byte in piece {
        bytes.push(*byte, &mut |masked, encoding| complaints.found(masked, encoding));
    }
}

fn finish(bytes: &mut Bytes, complaints: &mut Complaints) {
    bytes.end(&mut |masked, encoding| complaints.found(masked, encoding));
}

fn pieces(mut file: File, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => each(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
