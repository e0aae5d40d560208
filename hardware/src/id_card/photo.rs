//! The photo of an identity document: from WLT, as the chip has it, to JPEG.
//!
//! WLT has no open decoder. An operator who owns a vendor's library with the `unpack` function
//! names it in the configuration, and [`PhotoDecoder`] asks it. Such libraries are closed, may
//! crash and may hang: each photo is decoded by a process of its own (our own program, started
//! as `photo-helper`; see `helper`), with a time limit, so that a bad photo costs one photo.
//!
//! ```text
//! WLT -> [stdin] helper: dlopen, unpack() [stdout] -> BMP -> JPEG
//!                  | answers no, in one line on stderr
//!                  | crashes, hangs, ends without a word -> killed, reaped, said in PhotoError
//! ```
//!
//! Called by the reader's device, one photo at a time. Dropping the future kills the helper. What
//! a photo shows is in no error and in no log.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::people::PHOTO_BYTES;
use helper::Fault;

mod helper;
mod picture;

pub use helper::helper_main;
pub use picture::{bmp_to_jpeg, raw_to_bmp};

/// How long one photo may take unless configured otherwise. Libraries take some 50 ms.
pub const DEFAULT_LIMIT: Duration = Duration::from_secs(2);

/// The first argument of a program that is started as helper, before those that
/// [`helper_main`] reads.
pub const HELPER_COMMAND: &str = "photo-helper";

/// What the helper may write at most: a BMP of 102 × 126 has 38,862 bytes, this is ample.
const MOST_BMP_BYTES: u64 = 1 << 20;

/// What is read of the helper's complaint: one line, which may hold a path.
const MOST_COMPLAINT_BYTES: u64 = 4096;

/// How long a killed helper is waited for. Only one stuck in the kernel takes longer.
const REAPING: Duration = Duration::from_secs(1);

/// Why there is no JPEG. Each names the library, if it is the library's doing.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// The photo is no WLT: it has another size.
    #[error("the photo has {got} bytes, {PHOTO_BYTES} are wanted")]
    Size {
        /// How many bytes it has.
        got: usize,
    },
    /// The helper process could not be started or talked to.
    #[error("the photo helper {} cannot be run: {source}", program.display())]
    Helper {
        /// The program that was to be the helper.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The library is not there, or is of another architecture, or lacks a library of its own.
    #[error("the photo library {} cannot be loaded: {words}", library.display())]
    Load {
        /// The library.
        library: PathBuf,
        /// What the dynamic loader says.
        words: String,
    },
    /// The library has no function `unpack`: it is another one, or speaks another interface.
    #[error("the photo library {} has no function `unpack`: {words}", library.display())]
    Symbol {
        /// The library.
        library: PathBuf,
        /// What the dynamic loader says.
        words: String,
    },
    /// The library answered something else than 1.
    #[error(
        "the photo library {} returned {code} for mode {mode} (1 is success; 0 often means that \
         this build wants another mode number, which its vendor knows)",
        library.display()
    )]
    Returned {
        /// The library.
        library: PathBuf,
        /// What `unpack` returned.
        code: i32,
        /// The mode number that it was called with.
        mode: i32,
    },
    /// The library says that it has decoded the photo, but there is no picture.
    #[error("the photo library {} reported success but gave no picture", library.display())]
    NoPicture {
        /// The library.
        library: PathBuf,
    },
    /// The library crashed.
    #[error("the photo library {} crashed by signal {signal}", library.display())]
    Crashed {
        /// The library.
        library: PathBuf,
        /// Number of the signal, as 11 for SIGSEGV.
        signal: i32,
    },
    /// The library took too long and was killed.
    #[error("the photo library {} timed out after {} ms", library.display(), limit.as_millis())]
    TimedOut {
        /// The library.
        library: PathBuf,
        /// The time that it had.
        limit: Duration,
    },
    /// The helper ended without picture and without a word; libraries may call `exit`.
    #[error("the photo library {} ended the helper ({status}) without an answer", library.display())]
    Ended {
        /// The library.
        library: PathBuf,
        /// How it ended, as the system says.
        status: ExitStatus,
    },
    /// What the library gave is no BMP, or no JPEG can be made of it.
    #[error("the picture of the photo library {} is unusable: {source}", library.display())]
    Picture {
        /// The library.
        library: PathBuf,
        /// What is wrong with it.
        source: image::ImageError,
    },
    /// Our own thread for image work went away: the program is ending.
    #[error("the photo was given up: {0}")]
    GivenUp(#[from] tokio::task::JoinError),
}

/// Decodes photos by a vendor's library, each in a process of its own.
#[derive(Debug)]
pub struct PhotoDecoder {
    program: PathBuf,
    library: PathBuf,
    mode: i32,
    limit: Duration,
    // One at a time: a reader reads one card at a time, and kiosks have few cores.
    turn: Semaphore,
}

impl PhotoDecoder {
    /// A decoder with mode 0 and the default time limit. `program` is our own binary: it must
    /// understand `photo-helper` by calling [`helper_main`]. Nothing is looked at or loaded yet.
    pub fn new(program: impl Into<PathBuf>, library: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            library: library.into(),
            mode: 0,
            limit: DEFAULT_LIMIT,
            turn: Semaphore::new(1),
        }
    }

    /// Sets the third argument of `unpack`. Older libraries take 0 for "decode in memory"; newer
    /// builds want a number of their customer's instead (such as 158, 602 or 708; the odd number
    /// next to it would also save a file) and answer 0 to any other.
    #[must_use]
    pub fn with_mode(mut self, mode: i32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets how long one photo may take, from the start of its helper to its end.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The library that is asked.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Decodes a photo of 1024 bytes to a JPEG.
    ///
    /// # Errors
    /// A photo of another size, or whatever the library did instead of decoding it.
    pub async fn jpeg(&self, wlt: &[u8]) -> Result<Vec<u8>, PhotoError> {
        let bmp = self.bmp(wlt).await?;
        tokio::task::spawn_blocking(move || bmp_to_jpeg(&bmp))
            .await?
            .map_err(|source| PhotoError::Picture { library: self.library.clone(), source })
    }

    /// Decodes a photo of 1024 bytes to the BMP that comes from the helper, unexamined.
    ///
    /// # Errors
    /// As [`PhotoDecoder::jpeg`], but for the picture's own faults.
    pub async fn bmp(&self, wlt: &[u8]) -> Result<Vec<u8>, PhotoError> {
        if wlt.len() != PHOTO_BYTES {
            return Err(PhotoError::Size { got: wlt.len() });
        }
        let mode = self.mode.to_string();
        let bmp = self.run(&["--mode".as_ref(), mode.as_ref(), self.library.as_ref()], wlt).await?;
        if bmp.is_empty() {
            return Err(PhotoError::NoPicture { library: self.library.clone() });
        }
        Ok(bmp)
    }

    /// Whether the library is there, can be loaded and has the function. Decodes nothing: whether
    /// the mode is right only a card shows.
    ///
    /// # Errors
    /// What is wrong with the library, or what loading it did.
    pub async fn probe(&self) -> Result<(), PhotoError> {
        self.run(&["--probe".as_ref(), self.library.as_ref()], &[]).await.map(drop)
    }

    /// Runs the helper once and gives what it wrote, if it ended well.
    async fn run(&self, arguments: &[&OsStr], input: &[u8]) -> Result<Vec<u8>, PhotoError> {
        let unable = |source| PhotoError::Helper { program: self.program.clone(), source };
        // The semaphore is never closed; were it, going on without a turn would do no harm.
        let _turn = self.turn.acquire().await.ok();
        // Some libraries save their picture as a file where they run: nobody else may find it.
        let folder = Folder::create().map_err(unable)?;
        let mut child = Command::new(&self.program)
            .arg(HELPER_COMMAND)
            .args(arguments)
            .current_dir(&folder.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: a library may start processes, which end with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(unable)?;
        let mut group = Group::of(&child);
        let talk = converse(&mut child, &mut group, input);
        let Ok(ended) = tokio::time::timeout(self.limit, talk).await else {
            group.end();
            // Reaped before the next one starts, if it can be; else tokio reaps it later.
            let _ = tokio::time::timeout(REAPING, child.kill()).await;
            let library = self.library.clone();
            return Err(PhotoError::TimedOut { library, limit: self.limit });
        };
        let (status, output, complaint) = ended.map_err(unable)?;
        if status.success() { Ok(output) } else { Err(self.failure(status, &complaint)) }
    }

    /// What a helper that did not end well says, by its complaint or by its end.
    fn failure(&self, status: ExitStatus, complaint: &str) -> PhotoError {
        let library = self.library.clone();
        match (Fault::from_line(complaint), status.signal()) {
            (Some(Fault::Load(words)), _) => PhotoError::Load { library, words },
            (Some(Fault::Symbol(words)), _) => PhotoError::Symbol { library, words },
            (Some(Fault::Returned(code)), _) => {
                PhotoError::Returned { library, code, mode: self.mode }
            }
            (Some(Fault::NoPicture), _) => PhotoError::NoPicture { library },
            (Some(Fault::Helper(words)), _) => {
                let source = io::Error::other(words);
                PhotoError::Helper { program: self.program.clone(), source }
            }
            (None, Some(signal)) => PhotoError::Crashed { library, signal },
            (None, None) => PhotoError::Ended { library, status },
        }
    }
}

/// The helper and whatever its library has started. Ended when dropped, too.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let number = child.id().and_then(|number| i32::try_from(number).ok());
        Self(number.and_then(Pid::from_raw))
    }

    /// Once only: afterwards the number may belong to others.
    fn end(&mut self) {
        if let Some(group) = self.0.take() {
            // It has mostly ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Gives the helper its input, takes what it writes on both streams, and waits for its end.
async fn converse(
    child: &mut Child,
    group: &mut Group,
    input: &[u8],
) -> io::Result<(ExitStatus, Vec<u8>, String)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async move {
        if let Some(mut stdin) = stdin {
            // A helper that ends before it has read everything has something to say instead.
            let _ = stdin.write_all(input).await;
        }
    };
    let read = async {
        tokio::try_join!(read_some(stdout, MOST_BMP_BYTES), read_some(stderr, MOST_COMPLAINT_BYTES))
    };
    let wait = async {
        let status = child.wait().await;
        // What the library has left behind would hold the streams open.
        group.end();
        status
    };
    let ((), streams, status) = tokio::join!(write, read, wait);
    let (output, complaint) = streams?;
    let status = status?;
    Ok((status, output, String::from_utf8_lossy(&complaint).into_owned()))
}

/// Reads a stream to its end, or to the most that is wanted of it.
async fn read_some(stream: Option<impl AsyncRead + Unpin>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(most).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// An empty folder of our own, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700);
        // A name that somebody else has taken (or left behind) is passed over, a few times.
        let mut tries = 0;
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("hharome-photo-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match builder.create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists && tries < 100 => {
                    tries += 1;
                }
                Err(failed) => return Err(failed),
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(failed) = fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %failed, "photo folder not removed");
        }
    }
}
