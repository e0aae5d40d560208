//! Ptys whose far end is a virtual device: any program can open their path as a serial port.
//!
//! Used by `hharome virtual` and by the tests. Dropping a [`Pty`] is pulling its plug.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::far_end::{BoxedFarLine, FarEnd, FarLine, Plug};

/// A place where a virtual device is plugged in as a pty; each time anew, so a link makes sense.
pub struct PtyFarEnd {
    plug: Plug,
    link: Option<PathBuf>,
    first: Option<Pty>,
}

impl PtyFarEnd {
    /// Opens the first pty at once, so that its path can be told.
    ///
    /// # Errors
    /// As [`Pty::open`].
    pub fn open(link: Option<&Path>) -> io::Result<Self> {
        let first = Some(Pty::open(link)?);
        Ok(Self { plug: Plug::new(), link: link.map(Path::to_owned), first })
    }

    /// Where programs open it, as long as the plug has not been pulled.
    #[must_use]
    pub fn path(&self) -> &Path {
        let named = self.link.as_deref();
        named.or(self.first.as_ref().map(Pty::path)).unwrap_or(Path::new(""))
    }
}

impl FarEnd for PtyFarEnd {
    fn plug(&self) -> &Plug {
        &self.plug
    }

    async fn next_line(&mut self) -> Option<BoxedFarLine> {
        self.plug.put_in().await;
        let pty = match self.first.take() {
            Some(pty) => pty,
            None => match Pty::open(self.link.as_deref()) {
                Ok(pty) => pty,
                Err(error) => {
                    tracing::error!(%error, "no further pty can be opened");
                    return None;
                }
            },
        };
        if self.link.is_none() {
            tracing::info!(path = %pty.path().display(), "the virtual device is plugged in");
        }
        Some(Box::new(pty))
    }
}

/// The device's side of a pty, and the path at which programs find it.
pub struct Pty {
    master: AsyncFd<OwnedFd>,
    // Held so that the master does not read an error whenever no program has the line open.
    _slave: OwnedFd,
    path: PathBuf,
    link: Option<PathBuf>,
}

impl Pty {
    /// A new pty in raw mode; with `link`, a symbolic link to it at that path, which is replaced
    /// if it is a link, and removed at the end.
    ///
    /// # Errors
    /// Those of the operating system; [`io::ErrorKind::AlreadyExists`] if `link` is something
    /// other than a link.
    pub fn open(link: Option<&Path>) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        let slave = rustix::fs::open(
            &path,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut terminal = rustix::termios::tcgetattr(&slave)?;
        terminal.make_raw();
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &terminal)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        if let Some(link) = link {
            replace_link(link, &path)?;
        }
        #[expect(
            deprecated,
            reason = "the replacement is unsafe, and an OwnedFd cannot lie about its descriptor"
        )]
        let master = AsyncFd::new(master)?;
        Ok(Self { master, _slave: slave, path, link: link.map(Path::to_owned) })
    }

    /// Where programs open it: the link if there is one, else `/dev/pts/N`.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.link.as_deref().unwrap_or(&self.path)
    }
}

fn replace_link(link: &Path, target: &Path) -> io::Result<()> {
    match link.symlink_metadata() {
        Ok(found) if !found.file_type().is_symlink() => {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        _ => {}
    }
    // By a rename, so that a program that watches never sees a moment without the link.
    let mut fresh = link.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let _ = std::fs::remove_file(&fresh);
    std::os::unix::fs::symlink(target, &fresh)?;
    std::fs::rename(&fresh, link)
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Some(link) = &self.link
            && std::fs::read_link(link).is_ok_and(|target| target == self.path)
        {
            let _ = std::fs::remove_file(link);
        }
    }
}

impl FarLine for Pty {
    fn host_baud(&self) -> Option<u32> {
        rustix::termios::tcgetattr(&self.master).ok().map(|terminal| terminal.output_speed())
    }
}

impl AsyncRead for Pty {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.master.poll_read_ready(cx))?;
            let room = buf.initialize_unfilled();
            let read =
                ready.try_io(|master| rustix::io::read(master, &mut *room).map_err(Into::into));
            if let Ok(result) = read {
                buf.advance(result?);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Pty {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.master.poll_write_ready(cx))?;
            if let Ok(result) =
                ready.try_io(|master| rustix::io::write(master, buf).map_err(Into::into))
            {
                return Poll::Ready(result);
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
