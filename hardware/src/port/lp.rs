//! The kernel's USB printer devices, `/dev/usb/lp0` (usblp): bytes to the printer, and what it says.
//!
//! Opened by a device's task. A device that is not there is awaited by inotify; one that is unplugged
//! gives an error at the next read. A printer without a way back cannot be read from: it says nothing.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::{BoxedLine, Line, Opening, Port, PortError, presence};
use crate::device::Trouble;

/// Some printers end a read at once with nothing, over and over; they are asked no more often.
const EMPTY: Duration = Duration::from_millis(50);

/// A printer by the path of its device file.
pub struct PrinterDevice {
    path: PathBuf,
}

impl PrinterDevice {
    /// The printer at `path`; nothing is opened yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl Port for PrinterDevice {
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
            let port = || self.path.display().to_string();
            let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let file = rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|error| {
                let port = port();
                match error {
                    Errno::NOENT | Errno::NODEV | Errno::NXIO => PortError::Absent { port },
                    Errno::ACCESS | Errno::PERM => PortError::Denied { port },
                    // usblp lets one program in at a time.
                    Errno::BUSY => PortError::Held { port },
                    error => PortError::Other { port, source: error.into() },
                }
            })?;
            #[expect(
                deprecated,
                reason = "the replacement is unsafe, and an OwnedFd cannot lie about its descriptor"
            )]
            let file =
                AsyncFd::new(file).map_err(|source| PortError::Other { port: port(), source })?;
            Ok(Box::new(PrinterLine { file, one_way: false, pause: None }) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if matches!(trouble, Trouble::Absent { .. }) && !self.path.exists() {
                presence::appeared(&self.path).await;
            } else {
                tokio::time::sleep(presence::RETRY).await;
            }
        })
    }

    fn vanished(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(presence::vanished(&self.path))
    }
}

struct PrinterLine {
    file: AsyncFd<OwnedFd>,
    /// The printer has no way back.
    one_way: bool,
    /// Until when nothing is read.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Line for PrinterLine {
    fn discard_input(&mut self) -> io::Result<()> {
        let mut scratch = [0; 256];
        while matches!(rustix::io::read(&self.file, &mut scratch), Ok(read) if read > 0) {}
        Ok(())
    }
}

impl AsyncRead for PrinterLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            if self.one_way {
                return Poll::Pending;
            }
            let mut ready = ready!(self.file.poll_read_ready(cx))?;
            let room = buf.initialize_unfilled();
            let read = ready.try_io(|file| rustix::io::read(file, &mut *room).map_err(Into::into));
            match read {
                Ok(Ok(0)) => self.pause = Some(Box::pin(tokio::time::sleep(EMPTY))),
                Ok(Ok(read)) => {
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                // usblp_read() of an interface without an IN pipe.
                Ok(Err(error)) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                    self.one_way = true;
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_) => {}
            }
        }
    }
}

impl AsyncWrite for PrinterLine {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.file.poll_write_ready(cx))?;
            let wrote = ready.try_io(|file| rustix::io::write(file, bytes).map_err(Into::into));
            if let Ok(wrote) = wrote {
                return Poll::Ready(wrote);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
