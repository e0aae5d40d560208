//! `--accept`: writes the new outcome down as the expected one.
//!
//! Each client's file is written anew beside the old one while the replay runs: what the client
//! did stays as it was, what it got is what it gets now. Only when the whole replay has gone well
//! do the new files take the old ones' places.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::recording::format::{BLOB_BYTES, BLOBS, ClientLine, hex};
use crate::recording::reader::{ClientStep, Happened, Recording};

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
    only: Vec<u64>,
    end: i64,
    /// Files of this recording have end lines.
    stopped: bool,
    files: BTreeMap<u64, Rewrite>,
    error: Option<AcceptError>,
}

struct Rewrite {
    target: PathBuf,
    beside: PathBuf,
    file: BufWriter<File>,
    /// Frames of the recording so far, and those written.
    expected: u64,
    written: u64,
    /// A stall that has not been reached yet: after so many frames, and its line.
    stall: Option<(u64, Vec<u8>)>,
    /// How the connection ended then.
    gone: Option<ClientLine>,
    /// The connection is over now; nothing of it can follow.
    over: bool,
    /// The last line is written.
    whole: bool,
    last: i64,
}

impl Rewrites {
    pub(super) fn new(recording: &Recording, only: &[u64]) -> Self {
        Self {
            folder: recording.folder.clone(),
            only: only.to_vec(),
            end: recording.end,
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
        match OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside) {
            Ok(file) => {
                let rewrite = Rewrite {
                    target,
                    beside,
                    file: BufWriter::new(file),
                    expected: 0,
                    written: 0,
                    stall: None,
                    gone: None,
                    over: false,
                    whole: false,
                    last: i64::MIN,
                };
                self.files.insert(client, rewrite);
            }
            Err(source) => self.fail(beside, source),
        }
    }

    /// A line of the recording is carried out: kept as it stands, if it is not what the client got.
    pub(super) fn line(&mut self, client: u64, step: &ClientStep, text: &[u8]) {
        self.with(client, |rewrite, _| rewrite.line(step, text));
    }

    /// The client gets a frame.
    pub(super) fn frame(&mut self, client: u64, t: i64, frame: &Bytes) {
        let end = self.end;
        self.with(client, |rewrite, folder| {
            if t < 0 || t > end || rewrite.whole { Ok(()) } else { rewrite.frame(t, frame, folder) }
        });
    }

    /// Its connection is over; `why`, if the daemon ended it.
    pub(super) fn ended(&mut self, client: u64, t: i64, why: Option<&str>) {
        let end = self.end;
        self.with(client, |rewrite, _| {
            rewrite.over = true;
            if rewrite.whole || t > end {
                return Ok(());
            }
            match (rewrite.gone.take(), why) {
                (Some(gone), None) => rewrite.last_line(gone),
                (_, Some(why)) => {
                    let gone = Some(why.to_owned());
                    rewrite.last_line(ClientLine { t, gone, ..ClientLine::default() })
                }
                // What ended it follows in the file.
                (None, None) => Ok(()),
            }
        });
    }

    /// Puts the new files into the old ones' places.
    pub(super) fn finish(mut self) -> Result<(), AcceptError> {
        let (end, stopped) = (self.end, self.stopped);
        let clients: Vec<u64> = self.files.keys().copied().collect();
        for client in clients {
            self.with(client, |rewrite, _| {
                if !rewrite.whole {
                    match rewrite.gone.take() {
                        // What the client itself ended.
                        Some(gone) if !is_daemons(gone.gone.as_deref()) => {
                            rewrite.last_line(gone)?;
                        }
                        _ if stopped => {
                            let end = ClientLine { t: end, end: true, ..ClientLine::default() };
                            rewrite.last_line(end)?;
                        }
                        _ => {}
                    }
                }
                rewrite.file.flush()?;
                rewrite.file.get_ref().sync_all()
            });
        }
        if self.error.is_none() {
            for rewrite in self.files.values() {
                if let Err(source) = fs::rename(&rewrite.beside, &rewrite.target) {
                    self.error = Some(AcceptError { path: rewrite.target.clone(), source });
                    break;
                }
            }
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn with(&mut self, client: u64, act: impl FnOnce(&mut Rewrite, &Path) -> io::Result<()>) {
        let Some(rewrite) = self.files.get_mut(&client) else { return };
        if let Err(source) = act(rewrite, &self.folder) {
            let path = rewrite.beside.clone();
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
    fn line(&mut self, step: &ClientStep, text: &[u8]) -> io::Result<()> {
        if self.whole {
            return Ok(());
        }
        match &step.happened {
            Happened::Out(_) => {
                self.expected += 1;
                Ok(())
            }
            Happened::Stalled if self.written < self.expected => {
                self.stall = Some((self.expected, text.to_owned()));
                Ok(())
            }
            // A stall that was never reached has no end.
            Happened::Flowing if self.stall.take().is_some() => Ok(()),
            Happened::Gone(why) => {
                let gone = Some(why.clone());
                let line = ClientLine { t: step.t, gone, ..ClientLine::default() };
                // Frames that follow by a millisecond belong before it.
                if self.over { self.last_line(line) } else { self.hold(line) }
            }
            Happened::End => {
                self.whole = true;
                self.text(step.t, text)
            }
            _ if self.over => Ok(()),
            _ => self.text(step.t, text),
        }
    }

    fn hold(&mut self, gone: ClientLine) -> io::Result<()> {
        self.gone = Some(gone);
        Ok(())
    }

    fn frame(&mut self, t: i64, frame: &Bytes, folder: &Path) -> io::Result<()> {
        let mut line = ClientLine { t: t.max(self.last), ..ClientLine::default() };
        let json = std::str::from_utf8(frame).ok().and_then(|text| {
            let raw = RawValue::from_string(text.to_owned()).ok()?;
            (frame.len() < BLOB_BYTES && raw.get() == text).then_some(raw)
        });
        match json {
            Some(json) => line.out = Some(json),
            None => line.out_blob = Some(blob(folder, frame)?),
        }
        self.json(&line)?;
        self.written += 1;
        if let Some((_, text)) = self.stall.take_if(|(after, _)| self.written >= *after) {
            // With the time of the frame before it: times never go back within a file.
            let mut stalled: ClientLine = serde_json::from_slice(&text)?;
            stalled.t = stalled.t.max(self.last);
            self.json(&stalled)?;
        }
        Ok(())
    }

    fn last_line(&mut self, mut line: ClientLine) -> io::Result<()> {
        self.whole = true;
        line.t = line.t.max(self.last);
        self.json(&line)
    }

    fn json(&mut self, line: &ClientLine) -> io::Result<()> {
        let text = serde_json::to_vec(line)?;
        self.text(line.t, &text)
    }

    fn text(&mut self, t: i64, text: &[u8]) -> io::Result<()> {
        self.last = self.last.max(t);
        self.file.write_all(text)?;
        self.file.write_all(b"\n")
    }
}

fn is_daemons(why: Option<&str>) -> bool {
    matches!(why, Some("tooSlow" | "notAdmitted"))
}

fn blob(folder: &Path, bytes: &[u8]) -> io::Result<String> {
    let name = hex(&Sha256::digest(bytes)).to_lowercase();
    let blobs = folder.join(BLOBS);
    let path = blobs.join(&name);
    if !path.exists() {
        fs::create_dir_all(&blobs)?;
        fs::write(path, bytes)?;
    }
    Ok(name)
}
