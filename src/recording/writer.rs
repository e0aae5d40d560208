//! The writer: a recording's thread, which redacts, encodes and appends.
//!
//! One batch at most every 50 ms; each file that a batch touches is opened, appended to in one
//! write, and closed, so that 500 clients need no 500 descriptors and a crash costs at most the
//! last line. Any error of the disk ends the recording ([`super::recorder::Shared::fail`]).

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::RecordError;
use super::encode;
use super::format::{
    BLOBS, ClientLine, DAEMON_FILE, DaemonLine, META_FILE, Meta, PHOTO_DECODER, PortLine,
    blob_name, client_file, port_file,
};
use super::recorder::{Claim, ClientEvent, Closed, DaemonEvent, Event, Shared, What};
use super::redaction::Redaction;
use super::shelf;

/// The writer writes at most this often.
const PERIOD: Duration = Duration::from_millis(50);

/// Lines that are held back of one client: it connects, shows its token, perhaps again, and has
/// finished sending.
const HELD_LINES: usize = 4;

/// The folder of one recording, made and empty but for `meta.json`.
pub struct Folder {
    claim: Option<Claim>,
    path: PathBuf,
    name: String,
    redaction: Redaction,
    limits: Limits,
    bytes: u64,
}

/// How far a recording may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes on the disk.
    pub bytes: u64,
    /// The key of `[recording]` that says so.
    pub bytes_key: &'static str,
    /// Time since it began.
    pub time: Duration,
}

impl Folder {
    /// Makes `directory/<name of meta>` with its `meta.json`, for the recording that `claim` is of.
    ///
    /// # Errors
    /// There is one of that name, or the disk says no.
    pub fn create(
        directory: &Path,
        meta: &Meta,
        redaction: Redaction,
        limits: Limits,
        claim: Claim,
    ) -> Result<Self, RecordError> {
        let path = directory.join(&meta.name);
        // Whoever asks where it is may stand elsewhere.
        let path = std::path::absolute(&path).unwrap_or(path);
        let disk = |source| RecordError::Disk { path: path.clone(), source };
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                RecordError::Exists(path.clone())
            } else {
                disk(error)
            }
        })?;
        let name = meta.name.clone();
        // From here on whatever goes wrong takes the folder with it.
        let mut folder =
            Self { claim: Some(claim), path: path.clone(), name, redaction, limits, bytes: 0 };
        let text = serde_json::to_vec_pretty(meta).map_err(|error| disk(error.into()))?;
        append(&path.join(META_FILE), &text).map_err(disk)?;
        folder.bytes = text.len() as u64;
        Ok(folder)
    }

    /// The recording has begun: the folder stays.
    pub(super) fn begun(&mut self) {
        self.claim = None;
    }

    /// The recording's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    /// Without a recording in it there is nothing to keep, and the name is free again.
    fn drop(&mut self) {
        if self.claim.is_some()
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            let folder = self.path.display();
            tracing::warn!(%folder, %error, "an empty recording cannot be removed");
        }
    }
}

/// Writes one recording to its end.
pub(super) struct Writer {
    folder: Folder,
    shared: Arc<Shared>,
    /// What this batch appends to each file.
    pending: BTreeMap<String, Vec<u8>>,
    /// Files that want an end line: those of clients that are gone do not.
    open: BTreeMap<String, Kind>,
    /// Clients of which nothing was kept yet that somebody else would ask for.
    arrived: BTreeMap<u64, Arrived>,
    /// The time of the last line.
    last: i64,
    /// There is no room for what comes.
    full: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Port,
    Client,
}

/// A client that is there, and of which nothing is written yet.
struct Arrived {
    /// What is held back, in order.
    lines: Vec<ClientLine>,
    /// It has worked the recorder. Until it does something else it is in no recording: one who
    /// says nothing at all is. Of one who was there before nobody can tell: it may be the one who
    /// began the recording.
    works_the_recorder: bool,
}

impl Writer {
    pub(super) fn new(folder: Folder, shared: Arc<Shared>) -> Self {
        let (pending, open, arrived) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { folder, shared, pending, open, arrived, last: 0, full: false }
    }

    /// Until the recording ends.
    pub(super) fn run(mut self) {
        self.folder.begun();
        let worked = self.work().map_err(|error| {
            // What was not counted any more is there all the same.
            self.shared.wrote(shelf::used(&self.folder.path).unwrap_or(self.folder.bytes));
            let path = self.folder.path.display();
            format!("{path}: {error}")
        });
        self.shared.ended(worked);
    }

    fn work(&mut self) -> io::Result<()> {
        let until = Instant::now() + self.folder.limits.time;
        loop {
            match self.shared.next(until) {
                Ok(events) => {
                    for event in events {
                        self.take(event)?;
                    }
                    self.flush()?;
                    if self.full {
                        let key = self.folder.limits.bytes_key;
                        self.shared.fail(&format!("[recording] {key} is reached"));
                    } else if Instant::now() >= until {
                        self.shared.fail("[recording] max_minutes is reached");
                    }
                    self.shared.pause(PERIOD);
                }
                Err(closed) => return self.finish(closed),
            }
        }
    }

    /// Whether so many bytes more may be written.
    fn has_room(&mut self, more: usize) -> bool {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        self.full |= self.folder.bytes.saturating_add(more) > self.folder.limits.bytes;
        !self.full
    }

    fn take(&mut self, event: Event) -> io::Result<()> {
        self.last = self.last.max(event.micros);
        match event.what {
            What::Port(device, what) => {
                for (at, what) in
                    self.folder.redaction.port(device, event.micros, event.before, what)
                {
                    self.port_line(device, encode::port(at.micros, at.before, &what))?;
                }
                Ok(())
            }
            What::Photo(photo) => {
                let photo = self.folder.redaction.photo(photo);
                self.port_line(PHOTO_DECODER, encode::photo(event.micros, &photo))
            }
            What::Client(client, what) => self.client(client, event.micros, event.before, what),
            What::Daemon(what) => {
                let line = match what {
                    DaemonEvent::Reloaded(written) => DaemonLine {
                        t: event.micros,
                        reload: Some(written.tables),
                        ..Default::default()
                    },
                    DaemonEvent::Stopping => {
                        DaemonLine { t: event.micros, stopping: true, ..Default::default() }
                    }
                };
                self.line(DAEMON_FILE.to_owned(), &line)
            }
        }
    }

    fn client(&mut self, client: u64, t: i64, before: bool, what: ClientEvent) -> io::Result<()> {
        let line = ClientLine { t, before, ..Default::default() };
        if let ClientEvent::Connected { .. } = what {
            let lines = vec![encode::client(line, what).line];
            self.arrived.insert(client, Arrived { lines, works_the_recorder: before });
            return Ok(());
        }
        let gone = matches!(what, ClientEvent::Gone(_));
        let Some(what) = self.folder.redaction.client(what) else {
            if let Some(arrived) = self.arrived.get_mut(&client) {
                arrived.works_the_recorder = true;
            }
            return Ok(());
        };
        if let Some(arrived) = self.arrived.get_mut(&client)
            && matches!(what, ClientEvent::Token(true) | ClientEvent::InEnd)
            && arrived.lines.len() < HELD_LINES
        {
            arrived.lines.push(encode::client(line, what).line);
            return Ok(());
        }
        if let Some(arrived) = self.arrived.remove(&client) {
            if gone && arrived.works_the_recorder {
                return Ok(());
            }
            self.arrive(client, &arrived)?;
        }
        let file = client_file(client);
        if gone {
            self.open.remove(&file);
        }
        let encoded = encode::client(line, what);
        if let Some(blob) = &encoded.blob {
            self.blob(blob)?;
        }
        self.line(file, &encoded.line)
    }

    /// Writes what was held back of a client.
    fn arrive(&mut self, client: u64, arrived: &Arrived) -> io::Result<()> {
        let file = client_file(client);
        for line in &arrived.lines {
            self.line(file.clone(), line)?;
        }
        self.open.insert(file, Kind::Client);
        Ok(())
    }

    fn port_line(&mut self, device: &str, encoded: encode::Encoded<PortLine>) -> io::Result<()> {
        if let Some(blob) = &encoded.blob {
            self.blob(blob)?;
        }
        let file = port_file(device);
        self.open.entry(file.clone()).or_insert(Kind::Port);
        self.line(file, &encoded.line)
    }

    fn blob(&mut self, bytes: &[u8]) -> io::Result<()> {
        let folder = self.folder.path.join(BLOBS);
        let path = folder.join(blob_name(bytes));
        if path.exists() || !self.has_room(bytes.len()) {
            return Ok(());
        }
        DirBuilder::new().mode(0o700).recursive(true).create(&folder)?;
        append(&path, bytes)?;
        self.folder.bytes += bytes.len() as u64;
        Ok(())
    }

    fn line(&mut self, file: String, line: &impl Serialize) -> io::Result<()> {
        let text = self.pending.entry(file).or_default();
        serde_json::to_writer(&mut *text, line)?;
        text.push(b'\n');
        Ok(())
    }

    /// A batch as a whole, or, without room for it, nothing of it.
    fn flush(&mut self) -> io::Result<()> {
        let more = self.pending.values().map(Vec::len).sum();
        if !self.has_room(more) {
            self.pending.clear();
        }
        self.append_all()
    }

    fn append_all(&mut self) -> io::Result<()> {
        for (file, text) in std::mem::take(&mut self.pending) {
            append(&self.folder.path.join(file), &text)?;
            self.folder.bytes += text.len() as u64;
        }
        self.shared.wrote(self.folder.bytes);
        Ok(())
    }

    /// What was held back, and an end line in every file.
    fn finish(&mut self, closed: Closed) -> io::Result<()> {
        for (device, at, what) in self.folder.redaction.finish() {
            self.port_line(device, encode::port(at.micros, at.before, &what))?;
        }
        for (client, arrived) in std::mem::take(&mut self.arrived) {
            if !arrived.works_the_recorder {
                self.arrive(client, &arrived)?;
            }
        }
        self.flush()?;
        if self.full {
            let folder = &self.folder.path;
            self.open.retain(|file, _| folder.join(file).exists());
        }
        let t = closed.micros.max(self.last);
        for (file, kind) in std::mem::take(&mut self.open) {
            match kind {
                Kind::Port => {
                    self.line(file, &PortLine { t, end: true, ..Default::default() })?;
                }
                Kind::Client => {
                    self.line(file, &ClientLine { t, end: true, ..Default::default() })?;
                }
            }
        }
        let end = DaemonLine { t, end: Some(closed.why), ..Default::default() };
        self.line(DAEMON_FILE.to_owned(), &end)?;
        // For so much there is room: it tells that nothing is missing.
        self.append_all()
    }
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}
