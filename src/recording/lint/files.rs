//! The files of a recording, each read as what it is: text, a blob, or the bytes of a port.
//!
//! A port's bytes are looked through as the device has sent them: the hex of all lines of one
//! direction is one stream, blobs in their place, because a number may be cut in two by chunks.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::bytes::Bytes;
use super::scan::Text;
use super::{Complaints, LintError};
use crate::recording::format::{BLOBS, PortLine};

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
}

fn port(file: File, folder: &Path, complaints: &mut Complaints) -> io::Result<()> {
    let mut port = Port { folder, out: Bytes::of_a_device(), input: Bytes::of_a_device() };
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
        let Ok(mut read) = serde_json::from_slice::<PortLine>(line) else {
            self.torn(line, complaints);
            return Ok(());
        };
        // Hex is looked through as the bytes that it is: as text it would look like digits that
        // nobody has said.
        for (bytes, hex, blob) in [
            (&mut self.out, read.out.take(), read.out_blob.take()),
            (&mut self.input, read.input.take(), read.in_blob.take()),
        ] {
            unhexed(hex.unwrap_or_default().as_bytes(), bytes, complaints);
            let file = blob.filter(|name| is_blob(name));
            let file = file.map(|name| self.folder.join(BLOBS).join(name));
            // A blob that is missing holds nothing.
            if let Some(file) = file.filter(|file| file.is_file()) {
                pieces(File::open(file)?, |piece| feed(bytes, piece, complaints))?;
            }
        }
        if let Some(photo) = &mut read.photo {
            let mut bytes = Bytes::new();
            unhexed(std::mem::take(&mut photo.wlt).as_bytes(), &mut bytes, complaints);
            finish(&mut bytes, complaints);
        }
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

/// A blob's name leads nowhere else.
fn is_blob(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_hexdigit())
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
