//! The journal of print jobs: what was asked for, what was begun, what became of it.
//!
//! On disk it is a file of lines that is only added to. A job's line `begun` is on the disk before its
//! first byte goes to the printer, so that whenever the daemon is killed the next one knows which job
//! may be on paper. It never prints one of them again: nobody but a person can see the paper.
//!
//! ```text
//! 5f1c2a90 accepted 17 1767225600000 1650 "task-7"     check, what, job, ms since 1970, rows, taskId
//! 03b1d2ee begun 17 1767225600004
//! c44e0a5b ended 17 1767225601522 printed
//! ```
//!
//! The check is the beginning of the line's SHA-256. A line that was torn by the end of the machine is
//! passed over. What is printed is never in it. Reading and writing block; the driver awaits them on
//! tokio's blocking threads. When the file has grown, it is written anew beside itself and renamed.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::FlockOperation;
use tokio::time::Instant;

mod line;

use self::line::{Entry, Line};

/// Jobs that are remembered.
pub const KEPT: usize = 100;

/// The longest `taskId` that is kept, in bytes; of a longer one nothing is.
const LONGEST_LABEL: usize = 256;

/// The file is written anew when it has grown beyond this: some eight hundred jobs.
const COMPACT_FROM: u64 = 128 * 1024;

/// How the file is called in its folder.
pub const FILE_NAME: &str = "print-jobs.journal";

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits.
    Queued,
    /// It is being printed.
    Printing,
    /// It is on paper, says the printer.
    Printed,
    /// All of it was sent to a printer that cannot say so.
    Sent,
    /// It is not, or not wholly, on paper.
    Failed,
    /// Nobody knows: the daemon was killed, or the printer was sent all and did not confirm it.
    Unknown,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Counts up, for as long as the journal is there.
    pub id: u64,
    /// When it was accepted, in ms since 1970-01-01 UTC.
    pub at: u64,
    /// The same on the runtime's clock, of one that was accepted by this daemon.
    pub accepted: Option<Instant>,
    /// Its rows of dots.
    pub rows: u32,
    /// What its client calls it: a text without control characters, empty if it is too long.
    pub label: String,
    /// Its first byte went out, or was about to.
    pub begun: bool,
    /// What became of it.
    pub fate: Fate,
    /// More about that, in English.
    pub detail: Option<String>,
}

/// Why a job cannot be written down; then it is not printed either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}; nothing is printed that is not in the journal of print jobs")]
pub struct JournalError {
    path: String,
    what: String,
}

/// The journal. Clones are handles on the same one.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

struct Shared {
    book: Mutex<Book>,
    /// `None`: in memory only.
    disk: Option<Mutex<Disk>>,
}

/// What is remembered.
#[derive(Default)]
struct Book {
    jobs: VecDeque<Record>,
    last: u64,
}

/// The file.
struct Disk {
    folder: PathBuf,
    open: Option<Open>,
}

struct Open {
    file: File,
    length: u64,
    /// Locked for as long as it is open: one daemon a journal.
    folder: File,
}

impl Journal {
    /// One that ends with the program.
    #[must_use]
    pub fn in_memory() -> Self {
        Self(Arc::new(Shared { book: Mutex::default(), disk: None }))
    }

    /// The journal in this folder, which is made if it is not there. Blocks. What was left in the
    /// middle is told in the log, and is [`Fate::Unknown`] from now on. A journal that cannot be
    /// opened is tried again with each job.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        let disk = Disk { folder: folder.to_owned(), open: None };
        let journal =
            Self(Arc::new(Shared { book: Mutex::default(), disk: Some(Mutex::new(disk)) }));
        if let Err(error) = journal.0.on_disk(|_, _| Ok(())) {
            tracing::error!(%error, "no journal of print jobs: nothing can be printed");
        }
        journal
    }

    /// The last [`KEPT`] jobs, oldest first.
    #[must_use]
    pub fn jobs(&self) -> Vec<Record> {
        lock(&self.0.book).jobs.iter().cloned().collect()
    }

    /// A job is accepted: its number. It outlives the daemon, though not the machine's power.
    ///
    /// # Errors
    /// It cannot be written down.
    pub(crate) async fn accept(&self, label: String, rows: u32) -> Result<u64, JournalError> {
        let fits = label.len() <= LONGEST_LABEL && !label.contains(char::is_control);
        let label = if fits { label } else { String::new() };
        let accepted = Instant::now();
        self.blocking(move |shared| {
            // A journal that could not be opened so far has numbers that are used already.
            shared.on_disk(|_, _| Ok(()))?;
            let id = lock(&shared.book).next();
            shared.write(Line { id, at: now(), entry: Entry::Accepted { rows, label } }, false)?;
            let mut book = lock(&shared.book);
            if let Some(job) = book.jobs.iter_mut().find(|job| job.id == id) {
                job.accepted = Some(accepted);
            }
            Ok(id)
        })
        .await
    }

    /// The job's first byte is about to go out: from here on it outlives the power, too.
    ///
    /// # Errors
    /// It cannot be written down.
    pub(crate) async fn begin(&self, id: u64) -> Result<(), JournalError> {
        self.blocking(move |shared| shared.write(Line { id, at: now(), entry: Entry::Begun }, true))
            .await
    }

    /// The job is over. What cannot be written down is remembered all the same, and told in the log.
    pub(crate) async fn end(&self, id: u64, fate: Fate, detail: Option<String>) {
        let detail = detail.map(|detail| detail.replace(char::is_control, " "));
        let written = self.blocking(move |shared| {
            let line = Line { id, at: now(), entry: Entry::Ended { fate, detail } };
            lock(&shared.book).take(&line);
            shared.write(line, true)
        });
        if let Err(error) = written.await {
            tracing::error!(%error, job = id, "a job's end is not on disk");
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let shared = Arc::clone(&self.0);
        if shared.disk.is_none() {
            return work(&shared);
        }
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.unwrap_or_else(|_| {
            Err(JournalError { path: FILE_NAME.to_owned(), what: "it was not written".to_owned() })
        })
    }
}

impl Shared {
    /// Puts a line on the disk, and then into the book, before anybody else has the disk: whoever writes
    /// the file anew takes it from the book.
    fn write(&self, line: Line, sync: bool) -> Result<(), JournalError> {
        if self.disk.is_none() {
            lock(&self.book).take(&line);
            return Ok(());
        }
        self.on_disk(|open, _| {
            open.append(line.to_string().as_bytes())?;
            if sync {
                open.file.sync_data()?;
            }
            lock(&self.book).take(&line);
            Ok(())
        })?;
        self.compact();
        Ok(())
    }

    /// Does something with the file, which is opened if it is not.
    fn on_disk(
        &self,
        work: impl FnOnce(&mut Open, &Path) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let Disk { folder, open } = &mut *lock(disk);
        let result = match open {
            Some(open) => work(open, folder),
            None => self.load(folder).and_then(|loaded| work(open.insert(loaded), folder)),
        };
        result.map_err(|error| JournalError {
            path: folder.join(FILE_NAME).display().to_string(),
            what: error.to_string(),
        })
    }

    /// Opens the file and reads what is in it.
    fn load(&self, folder: &Path) -> io::Result<Open> {
        fs::create_dir_all(folder)?;
        let locked = File::open(folder)?;
        rustix::fs::flock(&locked, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            match error {
                rustix::io::Errno::WOULDBLOCK => {
                    io::Error::other("another daemon uses this folder; name another journal")
                }
                error => error.into(),
            }
        })?;
        // Which jobs were printed when is nobody's business but the kiosk's.
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).create(true).mode(0o640);
        let mut file = options.open(folder.join(FILE_NAME))?;
        locked.sync_all()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let length = bytes.len() as u64;
        let mut open = Open { file, length, folder: locked };
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            // The torn line must not spoil the next.
            open.append(b"\n")?;
        }
        let left = {
            let mut book = lock(&self.book);
            let mut damaged = 0;
            for text in bytes.split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
                match Line::parse(text) {
                    Some(line) => book.take(&line),
                    None => damaged += 1,
                }
            }
            if damaged > 0 {
                tracing::warn!(damaged, "lines of the journal of print jobs are torn or damaged");
            }
            book.left_behind()
        };
        for line in left {
            if let Entry::Ended { fate: Fate::Unknown, .. } = line.entry {
                tracing::warn!(
                    job = line.id,
                    "a receipt was being printed when the daemon ended: look whether it is on \
                     paper; it is not printed again"
                );
            }
            open.append(line.to_string().as_bytes())?;
            lock(&self.book).take(&line);
        }
        open.file.sync_data()?;
        Ok(open)
    }

    /// Writes the file anew with what is remembered, if it has grown too long. A disk that does not
    /// take it leaves the file as it is.
    fn compact(&self) {
        let compacted = self.on_disk(|open, folder| {
            if open.length < COMPACT_FROM {
                return Ok(());
            }
            let (path, fresh) = (folder.join(FILE_NAME), folder.join(format!("{FILE_NAME}.new")));
            let text: String = lock(&self.book).lines().map(|line| line.to_string()).collect();
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o640).open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            let appended = OpenOptions::new().read(true).append(true).open(&fresh)?;
            fs::rename(&fresh, &path)?;
            (open.file, open.length) = (appended, text.len() as u64);
            open.folder.sync_all()
        });
        if let Err(error) = compacted {
            tracing::warn!(%error, "the journal of print jobs stays as long as it is");
        }
    }
}

impl Open {
    /// Adds to the file; what does not fit is taken away again.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // Else the next line would stand behind half of this one. It does, if this fails, too,
            // and both are told to be damaged.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}

impl Book {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn take(&mut self, line: &Line) {
        self.last = self.last.max(line.id);
        let job = self.jobs.iter_mut().find(|job| job.id == line.id);
        match (&line.entry, job) {
            (Entry::Accepted { rows, label }, None) => {
                let (id, at, rows, label) = (line.id, line.at, *rows, label.clone());
                let (begun, fate) = (false, Fate::Queued);
                let (accepted, detail) = (None, None);
                let job = Record { id, at, accepted, rows, label, begun, fate, detail };
                self.jobs.push_back(job);
                self.forget();
            }
            (Entry::Begun, Some(job)) => (job.begun, job.fate) = (true, Fate::Printing),
            (Entry::Ended { fate, detail }, Some(job)) => {
                (job.fate, job.detail) = (*fate, detail.clone());
            }
            // Of a job that is forgotten already, or a line that is there twice.
            _ => {}
        }
    }

    /// The oldest that are over, beyond [`KEPT`].
    fn forget(&mut self) {
        while self.jobs.len() > KEPT {
            let over = |job: &Record| !matches!(job.fate, Fate::Queued | Fate::Printing);
            let Some(oldest) = self.jobs.iter().position(over) else { return };
            self.jobs.remove(oldest);
        }
    }

    /// The ends of those that an earlier daemon has left behind.
    fn left_behind(&self) -> Vec<Line> {
        let end = |job: &Record| {
            let (fate, detail) = match job.fate {
                Fate::Queued => {
                    (Fate::Failed, "the daemon ended before it was begun: nothing is on paper")
                }
                Fate::Printing => (Fate::Unknown, "the daemon ended while it was being printed"),
                _ => return None,
            };
            let entry = Entry::Ended { fate, detail: Some(detail.to_owned()) };
            Some(Line { id: job.id, at: now(), entry })
        };
        self.jobs.iter().filter_map(end).collect()
    }

    /// All of it as lines.
    fn lines(&self) -> impl Iterator<Item = Line> {
        self.jobs.iter().flat_map(|job| {
            let Record { id, at, rows, label, begun, fate, detail, .. } = job.clone();
            let line = move |entry| Line { id, at, entry };
            let accepted = Some(line(Entry::Accepted { rows, label }));
            let begun = begun.then(|| line(Entry::Begun));
            let over = !matches!(fate, Fate::Queued | Fate::Printing);
            let ended = over.then(|| line(Entry::Ended { fate, detail }));
            [accepted, begun, ended].into_iter().flatten()
        })
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks, so a poisoned one is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
