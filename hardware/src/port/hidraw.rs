//! HID devices as the kernel offers them raw, /dev/hidrawN, as lines of [packets](super::packets).
//!
//! ```text
//! device ─► kind 0: the report descriptor, once, before anything else
//!           kind 1: an input report, as it was read: with its number, if reports have numbers
//! driver ─► kind 1: an output report, its number first, 0 where reports have none
//! ```
//!
//! A device's number changes with each plugging, so the device is chosen by a [`Place`] anew at each
//! opening. Writing blocks in the kernel for up to 5 s if the device takes nothing
//! (`USB_CTRL_SET_TIMEOUT`), whatever the file's flags are, so it is done on a thread; until it is
//! done the line takes nothing more, and who writes has a deadline.

use std::fs::File;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;

use super::packets::{DESCRIPTION, Packet, Packets, packet};
use super::place::Place;
use super::{BoxedLine, Line, Opening, Port, PortError, presence};
use crate::device::Trouble;
use crate::hid::Descriptor;

pub mod found;

/// The kind of a report.
pub const REPORT: u8 = 1;

/// The longest report that hidraw gives (`HID_MAX_BUFFER_SIZE`, linux/hid.h).
const MOST_REPORT: usize = 16 * 1024;

/// A HID device of this machine.
pub struct HidRaw {
    place: Place,
    wanted: Wanted,
}

/// Whether a device with such reports is the one that is wanted, else why not.
pub type Wanted = fn(&Descriptor) -> Result<(), &'static str>;

impl HidRaw {
    /// The device at `place`; nothing is opened yet. Chosen by its numbers or its name it is the
    /// first that is `wanted`.
    #[must_use]
    pub fn new(place: Place, wanted: Wanted) -> Self {
        Self { place, wanted }
    }

    /// Where the device is now.
    fn path(&self) -> Option<PathBuf> {
        if let Place::Path(path) = &self.place {
            return path.exists().then(|| path.clone());
        }
        let found = found::matching(Path::new("/"), &self.place, self.wanted);
        found.into_iter().next().map(|device| device.path)
    }
}

impl Port for HidRaw {
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
            let Some(path) = self.path() else {
                return Err(PortError::Absent { port: self.place.to_string() });
            };
            let port = path.display().to_string();
            let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file =
                rustix::fs::open(&path, flags, Mode::empty()).map_err(|error| match error {
                    Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::IO => {
                        PortError::Absent { port: port.clone() }
                    }
                    Errno::ACCESS | Errno::PERM => PortError::Denied { port: port.clone() },
                    error => PortError::Other { port: port.clone(), source: error.into() },
                })?;
            let other = |source| PortError::Other { port, source };
            match found::descriptor_of(Path::new("/"), &path).and_then(|descriptor| {
                (self.wanted)(&Descriptor::parse(&descriptor)).map_err(io::Error::other)?;
                #[expect(
                    deprecated,
                    reason = "the replacement is unsafe, and a File cannot lie about its descriptor"
                )]
                let file = AsyncFd::new(Arc::new(File::from(file)))?;
                Ok(HidLine {
                    file,
                    read: packet(DESCRIPTION, &descriptor).into(),
                    written: Packets::default(),
                    writing: None,
                })
            }) {
                Ok(line) => Ok(Box::new(line) as BoxedLine),
                Err(error) => Err(other(error)),
            }
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let folder = || vec![PathBuf::from("/dev")];
            let absent = matches!(trouble, Trouble::Absent { .. }) && self.path().is_none();
            match &self.place {
                Place::Path(path) if absent => presence::appeared(path).await,
                _ if absent => presence::until(folder, || self.path().is_some()).await,
                _ => presence::retry(&folder()).await,
            }
        })
    }
}

/// An open device.
struct HidLine {
    file: AsyncFd<Arc<File>>,
    /// The packet that is being read.
    read: Bytes,
    written: Packets,
    /// The report that is being written.
    writing: Option<JoinHandle<io::Result<()>>>,
}

impl HidLine {
    /// Ready when no report is being written any more.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(writing) = &mut self.writing else { return Poll::Ready(Ok(())) };
        let written = ready!(Pin::new(writing).poll(cx));
        self.writing = None;
        Poll::Ready(written.unwrap_or_else(|error| Err(io::Error::other(error))))
    }

    /// Begins to write what has been put together.
    fn begin_writing(&mut self) -> io::Result<()> {
        let mut reports = Vec::new();
        while let Some(Packet { kind, data }) = self.written.next_packet()? {
            if kind == REPORT {
                reports.push(data);
            }
        }
        if !reports.is_empty() {
            let file = Arc::clone(self.file.get_ref());
            let write = move || reports.iter().try_for_each(|report| write_report(&file, report));
            self.writing = Some(tokio::task::spawn_blocking(write));
        }
        Ok(())
    }
}

/// Writes one report. Blocks for up to 5 s.
fn write_report(file: &File, report: &[u8]) -> io::Result<()> {
    loop {
        match rustix::io::write(file, report) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            // The device is there and does not take it; whoever waits for an answer learns it.
            Err(error @ (Errno::TIMEDOUT | Errno::PIPE)) => {
                tracing::warn!(%error, "a HID device does not take a report");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

impl Line for HidLine {
    fn discard_input(&mut self) -> io::Result<()> {
        let mut scratch = [0; MOST_REPORT];
        while rustix::io::read(self.file.get_ref(), &mut scratch).is_ok_and(|read| read > 0) {}
        Ok(())
    }
}

impl AsyncRead for HidLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = &mut *self;
        // A device that cannot be written to is gone, though nobody may be writing any more.
        if let Poll::Ready(Err(error)) = line.poll_written(cx) {
            return Poll::Ready(Err(error));
        }
        while line.read.is_empty() {
            let mut guard = ready!(line.file.poll_read_ready(cx))?;
            let mut report = [0; MOST_REPORT];
            match guard.try_io(|file| Ok(rustix::io::read(file.get_ref(), &mut report)?)) {
                Ok(Ok(0)) => return Poll::Ready(Ok(())),
                Ok(Ok(read)) => {
                    line.read = packet(REPORT, report.get(..read).unwrap_or_default()).into();
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
        let length = line.read.len().min(buf.remaining());
        buf.put_slice(line.read.get(..length).unwrap_or_default());
        line.read.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HidLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_written(cx))?;
        self.written.push(bytes);
        self.begin_writing()?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
