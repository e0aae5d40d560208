//! The port of espeak-ng: runs the program, and plays what it says on a device of ALSA's.
//!
//! Opening it gives a line of [packets](super::packets); behind the line an engine, a task, ends when
//! the driver lets go of it. Each text is a thread of its own: it runs the program, without a shell and
//! with the text by its stdin, and plays its stdout ([`super::playback`]). The library may hang in a
//! device for ever: a thread that misses its time is left behind, and counted, and with too many of
//! them the port does not open any more.
//!
//! ```text
//! driver ═ packets ═ engine ─► thread: program ─ WAV ─► ALSA
//!                       └ stop: cut raised, program killed
//! ```

use std::env;
use std::future::Future;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::packets::{Said, Tell};
use super::playback::{self, Loudspeaker};
use crate::device::Trouble;
use crate::port::packets::Packets;
use crate::port::served::ServedLine;
use crate::port::{BoxedLine, Opening, PROGRAM, Port, PortError};

/// Bytes that may be under way on the line: more than the longest text and what belongs to it.
const LINE_BUFFER: usize = 64 * 1024;

/// How long a program may take to tell of itself.
const TOLD: Duration = Duration::from_secs(4);

/// How long a thread may take to end that has been told to.
const END: Duration = Duration::from_secs(3);

/// Threads that may hang in the sound device before no more are started.
const MOST_HUNG: usize = 4;

/// How soon a port that did not work is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// A program that speaks, and the device that it is heard on.
pub struct EspeakProgram {
    program: String,
    loudspeaker: Loudspeaker,
    threads: Arc<AtomicUsize>,
}

impl EspeakProgram {
    /// The program of this name in `$PATH`, or at this path; heard on this device of ALSA's. `session`
    /// is the folder of a desktop session's sockets, where the configuration names one.
    #[must_use]
    pub fn new(program: &str, device: &str, session: Option<String>) -> Self {
        let loudspeaker = Loudspeaker { device: device.to_owned(), session };
        Self { program: program.to_owned(), loudspeaker, threads: Arc::default() }
    }
}

impl Port for EspeakProgram {
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
            let port = format!("{PROGRAM}{}", self.program);
            let Some(program) = find(&self.program) else { return Err(PortError::Absent { port }) };
            let hung = self.threads.load(Ordering::Relaxed);
            if hung >= MOST_HUNG {
                let device = &self.loudspeaker.device;
                let words = format!("the sound device {device} hangs ({hung} threads wait in it)");
                return Err(PortError::Other { port, source: io::Error::other(words) });
            }
            let (near, far) = tokio::io::duplex(LINE_BUFFER);
            let (loudspeaker, threads) = (self.loudspeaker.clone(), Arc::clone(&self.threads));
            let place = Place { program, loudspeaker, threads };
            tokio::spawn(engine(far, place));
            Ok(Box::new(ServedLine(near)) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        _: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(tokio::time::sleep(RETRY))
    }
}

/// Where a program is that is named so; `None` if nowhere.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// What threads need.
#[derive(Clone)]
struct Place {
    program: PathBuf,
    loudspeaker: Loudspeaker,
    threads: Arc<AtomicUsize>,
}

/// A text that is being said.
struct Job {
    cut: Arc<AtomicBool>,
    child: Arc<Mutex<Option<Child>>>,
    said: mpsc::Receiver<Said>,
}

impl Job {
    /// Silence.
    fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.iter_mut().for_each(kill);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.cut();
    }
}

/// The far side of an open line. Ends with the line.
async fn engine(mut line: DuplexStream, place: Place) {
    let hello = hello(&place).await.unwrap_or_else(Said::Failed);
    if line.write_all(&hello.packet()).await.is_err() {
        return;
    }
    let (mut packets, mut chunk) = (Packets::default(), [0; 4096]);
    let (mut arguments, mut job): (Vec<String>, Option<Job>) = (Vec::new(), None);
    loop {
        let said = tokio::select! {
            biased;
            read = line.read(&mut chunk) => match read {
                Ok(read) if read > 0 => {
                    packets.push(chunk.get(..read).unwrap_or_default());
                    None
                }
                Ok(_) | Err(_) => return,
            },
            said = next(&mut job) => Some(said),
        };
        let mut say: Vec<Said> = said.into_iter().collect();
        while let Ok(Some(packet)) = packets.next_packet() {
            match Tell::of(&packet) {
                Some(Tell::Run(list)) => arguments = list,
                Some(Tell::Text(text)) => {
                    job = Some(start(&place, std::mem::take(&mut arguments), text));
                }
                Some(Tell::Stop) => {
                    if let Some(job) = job.take() {
                        stop(job).await;
                    }
                    say.push(Said::Stopped);
                }
                None => return,
            }
        }
        for said in say {
            if line.write_all(&said.packet()).await.is_err() {
                return;
            }
        }
    }
}

/// What comes next of a text; never without one.
async fn next(job: &mut Option<Job>) -> Said {
    let Some(running) = job else { return std::future::pending().await };
    let said = running.said.recv().await;
    let said = said.unwrap_or_else(|| Said::Failed("the thread that plays has ended".to_owned()));
    if said != Said::Begun {
        *job = None;
    }
    said
}

/// Ends when the thread has, or is left behind.
async fn stop(mut job: Job) {
    job.cut();
    let ended = async { while job.said.recv().await.is_some() {} };
    if timeout(END, ended).await.is_err() {
        tracing::warn!("the sound device hangs; a thread that plays on it is left behind");
    }
}

/// What the program says of itself, once the sound device can be opened.
async fn hello(place: &Place) -> Result<Said, String> {
    let version = told(&place.program, &["--version"], "").await?;
    let version = version.split_once(": ").map_or(version.as_str(), |(_, rest)| rest);
    let version = version.split_whitespace().next().unwrap_or("unknown").to_owned();
    let phonemes = told(&place.program, &["-q", "-x", "-v", super::MANDARIN, "--stdin"], "好");
    // Without the voice there are none, and only Chinese needs it.
    let phonemes = phonemes.await.unwrap_or_default().trim().to_owned();
    let (sender, mut tried) = mpsc::channel(1);
    let loudspeaker = place.loudspeaker.clone();
    run(&place.threads, move || {
        // Whoever waited may have lost patience.
        let _ = sender.blocking_send(playback::probe(&loudspeaker));
    })?;
    match timeout(TOLD, tried.recv()).await {
        Ok(Some(result)) => result?,
        Ok(None) | Err(_) => {
            return Err(format!("sound device {}: hangs", place.loudspeaker.device));
        }
    }
    Ok(Said::Hello { version, phonemes })
}

/// What the program writes when it is run so.
async fn told(program: &Path, arguments: &[&str], text: &str) -> Result<String, String> {
    let failed = |error: io::Error| format!("{} cannot be run: {error}", program.display());
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let output = async {
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends without reading has its reasons; its exit code tells them.
            let _ = stdin.write_all(text.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = timeout(TOLD, output)
        .await
        .map_err(|_| format!("{} does not end", program.display()))?
        .map_err(failed)?;
    if !output.status.success() {
        return Err(format!("{} has ended with {}", program.display(), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Says a text on a thread of its own.
fn start(place: &Place, arguments: Vec<String>, text: String) -> Job {
    let (sender, said) = mpsc::channel(2);
    let job = Job { cut: Arc::default(), child: Arc::default(), said };
    let (cut, child) = (Arc::clone(&job.cut), Arc::clone(&job.child));
    let (threads, place) = (Arc::clone(&place.threads), place.clone());
    let kept = sender.clone();
    let started = run(&threads, move || {
        let result = say(&place, &arguments, &text, &cut, &child, || {
            // The queue has room for all that is ever said of one text.
            let _ = sender.try_send(Said::Begun);
        });
        let _ = sender.try_send(result.map_or_else(Said::Failed, |()| Said::Ended));
    });
    if let Err(words) = started {
        let _ = kept.try_send(Said::Failed(words));
    }
    job
}

fn say(
    place: &Place,
    arguments: &[String],
    text: &str,
    cut: &AtomicBool,
    slot: &Mutex<Option<Child>>,
    begun: impl FnOnce(),
) -> Result<(), String> {
    let program = place.program.display();
    let mut child = Command::new(&place.program)
        .args(arguments)
        // UTF-8, whatever the daemon's own language is.
        .args(["-b", "1", "--stdin", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    let played = match (stdin, stdout) {
        // A piece of a text fits into a pipe, so nobody waits here; a program that does not read it
        // tells why by its exit code.
        (Some(mut stdin), Some(mut stdout)) => {
            let _ = stdin.write_all(text.as_bytes());
            drop(stdin);
            if cut.load(Ordering::Relaxed) {
                Ok(())
            } else {
                playback::play(&place.loudspeaker, &mut stdout, cut, begun)
            }
        }
        _ => Err(format!("{program}: its pipes are missing")),
    };
    let ended = ended(slot, played.is_err() || cut.load(Ordering::Relaxed));
    if cut.load(Ordering::Relaxed) {
        return Ok(());
    }
    // What the program complains of explains what is wrong with its sound.
    ended.map_err(|error| format!("{program} {error}"))?;
    played
}

/// Waits for the end of the program, which has closed its stdout, and is killed if that is of no use
/// any more.
fn ended(slot: &Mutex<Option<Child>>, useless: bool) -> Result<(), String> {
    let since = Instant::now();
    loop {
        let mut child = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = child.as_mut() else { return Ok(()) };
        let late = since.elapsed() > END;
        if useless || late {
            kill(running);
        }
        match running.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) if status.success() || useless => {
                *child = None;
                return Ok(());
            }
            Ok(Some(status)) => {
                *child = None;
                return Err(format!("has ended with {status}"));
            }
            Err(error) => {
                *child = None;
                return Err(format!("cannot be waited for: {error}"));
            }
        }
        drop(child);
        thread::sleep(Duration::from_millis(5));
    }
}

/// Kills a program, and what it may have started, which would hold its pipes. What has ended cannot be
/// killed any more.
fn kill(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It was not waited for yet, so its number is nobody else's.
    let _ = group.map(|group| kill_process_group(group, Signal::KILL));
}

/// A thread that is counted until it ends.
fn run(threads: &Arc<AtomicUsize>, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    threads.fetch_add(1, Ordering::Relaxed);
    let counted = Counted(Arc::clone(threads));
    let thread = thread::Builder::new().name("speech".to_owned());
    let spawned = thread.spawn(move || {
        let _counted = counted;
        work();
    });
    spawned.map(drop).map_err(|error| format!("no thread can be started: {error}"))
}

#[cfg(test)]
mod tests;
