//! Sockets as ports: a Unix socket by its path, or a TCP address.
//!
//! Opened by a device's task. Connecting never blocks: a Unix socket takes a connection or refuses it
//! at once, and a TCP connection is made inside the line's first reads and writes, whose errors are
//! then those of connecting, so that drivers need a deadline around them, as they do anyway. A Unix
//! socket that is not there is awaited by inotify.
//!
//! A service belongs to somebody's session more often than not. Who may not use its socket is told
//! which permission is missing: that of a folder on the way, or that of the socket itself.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::{BoxedLine, Line, Opening, Port, PortError, presence};
use crate::device::Trouble;

/// How the name of a port that is a Unix socket begins.
pub(super) const UNIX: &str = "unix:";

/// How the name of a port that is a TCP address begins.
pub(super) const TCP: &str = "tcp:";

/// Where a service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketAddress {
    /// A Unix socket at this path.
    Unix(PathBuf),
    /// A host's name or address, and its port.
    Tcp(String, u16),
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
            Self::Tcp(host, port) => write!(f, "{TCP}{host}:{port}"),
        }
    }
}

/// A socket that a service listens on.
pub struct Socket {
    address: SocketAddress,
}

impl Socket {
    /// A port at this address; nothing is opened yet.
    #[must_use]
    pub fn new(address: SocketAddress) -> Self {
        Self { address }
    }

    fn error(&self, path: &Path, error: Errno) -> PortError {
        let port = self.address.to_string();
        match error {
            // Nobody has made the socket, or who made it is gone.
            Errno::NOENT | Errno::NOTDIR | Errno::CONNREFUSED => PortError::Absent { port },
            Errno::ACCESS | Errno::PERM => {
                let source = io::Error::new(io::ErrorKind::PermissionDenied, missing(path));
                PortError::Other { port, source }
            }
            Errno::AGAIN => {
                let words = "the program that listens there takes no more connections";
                PortError::Other { port, source: io::Error::other(words) }
            }
            error => PortError::Other { port, source: error.into() },
        }
    }
}

impl Port for Socket {
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
            let state = match &self.address {
                SocketAddress::Unix(path) => {
                    State::Unix(connected(path).map_err(|error| self.error(path, error))?)
                }
                SocketAddress::Tcp(host, port) => {
                    let (address, to) = (self.address.to_string(), (host.clone(), *port));
                    State::Connecting(Box::pin(async move {
                        TcpStream::connect(to).await.map_err(|error| unreached(&address, &error))
                    }))
                }
            };
            Ok(Box::new(SocketLine(state)) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            match (&self.address, trouble) {
                (SocketAddress::Unix(path), Trouble::Absent { .. }) if !path.exists() => {
                    presence::appeared(path).await;
                }
                _ => tokio::time::sleep(presence::RETRY).await,
            }
        })
    }
}

/// A connection to a Unix socket. The operating system waits for a place in the listener's queue
/// unless it is told not to.
fn connected(path: &Path) -> Result<UnixStream, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    UnixStream::from_std(socket.into())
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Why nobody was reached at an address: the operating system's words alone do not name it.
fn unreached(address: &str, error: &io::Error) -> io::Error {
    let words = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nobody listens there; start the program that does, or name another address".to_owned()
        }
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("{address}: {words}"))
}

/// Which permission is missing on the way to a socket, and what gives it.
pub(crate) fn missing(path: &Path) -> String {
    let user = rustix::process::geteuid().as_raw();
    let folders: Vec<&Path> = path.ancestors().skip(1).filter(|one| one.is_absolute()).collect();
    let closed = folders.into_iter().rev().find(|one| access(*one, Access::EXEC_OK).is_err());
    let (which, what) = match closed {
        Some(folder) => (folder, format!("pass through the folder {}", folder.display())),
        None => (path, "write to the socket".to_owned()),
    };
    let owner = which.metadata().map_or_else(
        |_| String::new(),
        |of| {
            let mode = of.mode() & 0o7777;
            format!(", which belongs to user {} and group {}, mode {mode:04o}", of.uid(), of.gid())
        },
    );
    format!(
        "permission denied: the daemon's user ({user}) may not {what}{owner}; run the daemon as \
         the user whose session it is, or give the daemon's user that permission (setfacl)"
    )
}

/// An open socket.
struct SocketLine(State);

enum State {
    Unix(UnixStream),
    Connecting(Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>),
    Tcp(TcpStream),
    /// It could not be connected, and whoever asked first knows why.
    Failed,
}

impl SocketLine {
    /// Goes on with connecting, if that is not over.
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Connecting(connecting) = &mut self.0 else { return Poll::Ready(Ok(())) };
        match ready!(connecting.as_mut().poll(cx)) {
            Ok(stream) => {
                // Messages are short and each is waited for. A socket that cannot be told so works.
                let _ = stream.set_nodelay(true);
                self.0 = State::Tcp(stream);
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                self.0 = State::Failed;
                Poll::Ready(Err(error))
            }
        }
    }
}

impl Line for SocketLine {
    fn lingers(&self) -> bool {
        matches!(self.0, State::Tcp(_))
    }

    fn discard_input(&mut self) -> io::Result<()> {
        let mut scratch = [0; 1024];
        loop {
            let read = match &self.0 {
                State::Unix(stream) => stream.try_read(&mut scratch),
                State::Tcp(stream) => stream.try_read(&mut scratch),
                State::Connecting(_) | State::Failed => return Ok(()),
            };
            match read {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsyncRead for SocketLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_connected(cx))?;
        match &mut self.0 {
            State::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            State::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            State::Connecting(_) | State::Failed => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for SocketLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_connected(cx))?;
        match &mut self.0 {
            State::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            State::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            State::Connecting(_) | State::Failed => {
                Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets keep nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            State::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Connecting(_) | State::Failed => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests;
