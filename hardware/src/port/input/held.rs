//! An input device that makes sounds, as a port whose sounds end in time whatever becomes of us.
//!
//! The kernel keeps a tone on until it is told the end of it. Closing the device is no such end: of the
//! beepers that kiosks have, the kernel's pwm-beeper.c and gpio-beeper.c fall silent with their last
//! handle, pcspkr.c goes on for ever. So the device is another process's, our own program started as
//! [`HELPER_COMMAND`] ([`helper`]): it is told a sound together with its length, ends it then, and ends
//! it at once when we are gone, by whatever signal. Behind [`HeldPort::open`] it is started, a socket
//! between it and us; the line is that socket and ends with the process.
//!
//! ```text
//! helper ─► EV_SND, a sound, 0 │ … │ SYN_REPORT       its sounds; all of them have just been silenced
//! driver ─► EV_SND, a sound, a value │ SYN_REPORT, for how many ms
//! helper ─► the same EV_SND │ SYN_REPORT, 0           the device has been told
//!           EV_SND, the sound, 0 │ SYN_REPORT, 0      and, later, the end of it
//! ```
//!
//! These are records of input devices ([`super`]); only that a `SYN_REPORT` of the driver's has a
//! length for its value is ours.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use super::evdev::{EvdevLine, EvdevPort};
use super::found::Ability;
use crate::device::{Status, Trouble};
use crate::port::place::Place;
use crate::port::presence::RETRY;
use crate::port::{BoxedLine, Line, Opening, Port, PortError};

pub mod helper;

/// The first argument of a program that is started as helper, before the device's path.
pub const HELPER_COMMAND: &str = "beep-helper";

/// How long a helper may take to end that has been left alone. It needs a write to the device.
const END: Duration = Duration::from_secs(1);

/// A place where a device that makes sounds may be plugged in.
pub struct HeldPort {
    device: EvdevPort,
    program: PathBuf,
    status: Status,
    /// A helper was started, and nothing was waited for since then.
    started: bool,
    /// When one was last to be replaced at once.
    replaced: Option<Instant>,
}

impl HeldPort {
    /// The device that is meant by `place`; which it is is told as a fact of `status`. `program` is our
    /// own binary: it must understand [`HELPER_COMMAND`] by calling [`helper::helper_main`].
    #[must_use]
    pub fn new(place: Place, program: impl Into<PathBuf>, status: Status) -> Self {
        let device = EvdevPort::new(place, Ability::Beep, false);
        Self { device, program: program.into(), status, started: false, replaced: None }
    }
}

impl HeldPort {
    /// A helper that has died may have left its sound behind: the next one is to silence it now. Those
    /// that die again and again have to wait.
    fn is_to_be_replaced(&mut self, trouble: &Trouble) -> bool {
        let died = std::mem::take(&mut self.started) && matches!(trouble, Trouble::Failed { .. });
        let now = died && self.replaced.is_none_or(|replaced| replaced.elapsed() > RETRY);
        if now {
            self.replaced = Some(Instant::now());
        }
        now
    }
}

impl Port for HeldPort {
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
            let (program, status) = (&self.program, &self.status);
            let line = self.device.open_as(|found| {
                // What is wrong with the device is told best by whoever opens it here.
                EvdevLine::open_to_sound(&found.path)?;
                let path = found.path.display().to_string();
                status.learn("device", if found.name.is_empty() { &path } else { &found.name });
                HelperLine::start(program, &found.path).map_err(|source| PortError::Other {
                    port: program.display().to_string(),
                    source,
                })
            })?;
            self.started = true;
            Ok(Box::new(line) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        if self.is_to_be_replaced(trouble) {
            return Box::pin(std::future::ready(()));
        }
        self.device.worth_opening(trouble)
    }
}

/// A helper that runs.
struct HelperLine {
    socket: UnixStream,
    /// Taken when the line is dropped.
    child: Option<Child>,
}

impl HelperLine {
    fn start(program: &Path, device: &Path) -> io::Result<Self> {
        let (ours, its) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = Command::new(program)
            .arg0("hharome")
            .arg(HELPER_COMMAND)
            .arg(device)
            .stdin(Stdio::from(OwnedFd::from(its)))
            .stdout(Stdio::null())
            // What ends the daemon's group should leave it the moment to fall silent.
            .process_group(0)
            .spawn()?;
        Ok(Self { socket: UnixStream::from_std(ours)?, child: Some(child) })
    }

    /// Waits for the helper's end, which is the line's; why it has ended.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(child) = &mut self.child else {
            return Poll::Ready(io::ErrorKind::BrokenPipe.into());
        };
        let ended = ready!(pin!(child.wait()).poll(cx));
        Poll::Ready(ended.map_or_else(|error| error, how_it_ended))
    }
}

/// Why a helper has ended: its exit code is the device's error, if that has one of the numbers that all
/// systems share (asm-generic/errno-base.h, 1 to 34).
fn how_it_ended(status: ExitStatus) -> io::Error {
    let end = match (status.code(), status.signal()) {
        (Some(number @ 1..=34), _) => return io::Error::from_raw_os_error(number),
        (Some(code), _) => format!("with exit code {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "nobody knows how".to_owned(),
    };
    io::Error::other(format!("the process that sees to the end of its sounds has ended {end}"))
}

/// Ends when a helper has, whose socket is closed.
async fn reap(mut child: Child) {
    if timeout(END, child.wait()).await.is_err() {
        tracing::warn!("a helper of the beeper does not end, and is killed");
        // What cannot be killed has ended.
        let _ = child.kill().await;
    }
}

impl Drop for HelperLine {
    fn drop(&mut self) {
        // At the daemon's own end nobody waits for it any more; it ends by itself.
        if let (Some(child), Ok(runtime)) = (self.child.take(), Handle::try_current()) {
            runtime.spawn(reap(child));
        }
    }
}

impl Line for HelperLine {
    fn discard_input(&mut self) -> io::Result<()> {
        let mut scratch = [0; 256];
        while self.socket.try_read(&mut scratch).is_ok_and(|read| read > 0) {}
        Ok(())
    }
}

impl AsyncRead for HelperLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.socket).poll_read(cx, buf));
        // An error is the end as well: it had not read all that we have said.
        if (read.is_ok() && buf.filled().len() > before) || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(ready!(self.poll_end(cx))))
    }
}

impl AsyncWrite for HelperLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.socket).poll_write(cx, bytes)) {
            Ok(written) => Poll::Ready(Ok(written)),
            Err(_) => Poll::Ready(Err(ready!(self.poll_end(cx)))),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::device::State;

    /// A line to a shell script in the place of the helper, whose argument is the device.
    fn started(folder: &Path, script: &str) -> HelperLine {
        let program = folder.join("helper");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        HelperLine::start(&program, Path::new("/dev/input/event9")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_helper_that_has_died_is_replaced_at_once_but_not_again_and_again() {
        let place = Place::Name("*".to_owned());
        let status = Status::new("buzzer", State::Busy);
        let mut port = HeldPort::new(place, "/nowhere", status);
        let died = Trouble::Failed { detail: "it has died".to_owned() };
        let absent = Trouble::Absent { detail: "it is gone".to_owned() };
        let mut is_to_be_replaced = |started: bool, trouble| {
            port.started |= started;
            port.is_to_be_replaced(trouble)
        };
        assert!(!is_to_be_replaced(false, &died), "none was there");
        assert!(!is_to_be_replaced(true, &absent), "its device is gone");
        assert!(is_to_be_replaced(true, &died));
        assert!(!is_to_be_replaced(false, &died), "the port was not opened since");
        assert!(!is_to_be_replaced(true, &died), "a moment after the last");
        tokio::time::advance(RETRY * 2).await;
        assert!(is_to_be_replaced(true, &died));
    }

    async fn end(script: &str) -> io::Error {
        let folder = tempfile::tempdir().unwrap();
        let mut line = started(folder.path(), script);
        line.read(&mut [0; 8]).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_helper_is_told_the_device_and_speaks_by_its_stdin() {
        let folder = tempfile::tempdir().unwrap();
        let mut line = started(folder.path(), "read -r told; echo \"$told $*\" >&0; exec cat");
        line.write_all(b"tell\n").await.unwrap();
        let mut said = [0; 35];
        line.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"tell beep-helper /dev/input/event9\n");
    }

    #[tokio::test]
    async fn the_end_of_a_helper_is_the_lines_and_says_why() {
        assert_eq!(end("exit 19").await.raw_os_error(), Some(19));
        assert!(end("exit 101").await.to_string().ends_with("has ended with exit code 101"));
        assert!(end("kill -9 $$").await.to_string().ends_with("has ended by signal 9"));
        assert!(end("exit 0").await.to_string().ends_with("has ended with exit code 0"));
    }

    #[tokio::test]
    async fn a_line_that_is_dropped_ends_its_helper() {
        let folder = tempfile::tempdir().unwrap();
        let mut line = started(folder.path(), "echo >&0; cat; : > \"$0\".ended");
        line.read_exact(&mut [0]).await.unwrap();
        drop(line);
        let ended = async {
            while !folder.path().join("helper.ended").exists() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), ended).await.expect("its stdin has ended");
    }

    #[tokio::test]
    async fn a_helper_that_does_not_end_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let line = started(folder.path(), "echo >&0; exec sleep 600");
        let pid = line.child.as_ref().unwrap().id().unwrap();
        drop(line);
        let alive = || Path::new(&format!("/proc/{pid}")).exists();
        let reaped = async {
            while alive() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), reaped).await.expect("it was killed and reaped");
    }
}
