//! The Unix socket: where it lies, who may open it, and what is done about one that is there.

use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::net::UnixListener;

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A daemon answers there.
    #[error("{path}: another daemon listens there; stop it, or set another [listen] unix")]
    Live {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket.
    #[error("{path}: is no socket; remove it, or set another [listen] unix")]
    NoSocket {
        /// The file.
        path: PathBuf,
    },
    /// A folder in `/tmp` that another may have made.
    #[error("{path}: not a folder of ours with mode 0700; remove it, or set [listen] unix")]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A group that is not in `/etc/group`.
    #[error("[listen] unix_group: no group {name} on this machine")]
    Group {
        /// Its name.
        name: String,
    },
    /// Whatever the operating system says.
    #[error("{path}: {source}")]
    Io {
        /// The socket or its folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A socket that listens. Dropping it removes its file, if it is still ours.
pub struct Socket {
    /// Where clients come in.
    pub listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Binds `path` with `mode` and `group`. A dead socket is replaced.
    ///
    /// # Errors
    /// See [`SocketError`].
    pub fn bind(path: &Path, mode: u32, group: Option<&str>) -> Result<Self, SocketError> {
        let io = |source| SocketError::Io { path: path.to_owned(), source };
        let group = group.map(group_id).transpose()?;
        prepare_folder(path)?;
        match path.symlink_metadata() {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(SocketError::NoSocket { path: path.to_owned() });
            }
            Ok(_) => match knock(path) {
                Ok(()) | Err(Errno::AGAIN) => {
                    return Err(SocketError::Live { path: path.to_owned() });
                }
                Err(Errno::CONNREFUSED) => std::fs::remove_file(path).map_err(io)?,
                Err(Errno::NOENT) => {}
                // Not ours to judge: it may well be alive.
                Err(error) => return Err(io(error.into())),
            },
            Err(_) => {}
        }
        // Nobody may connect before mode and group are what they should be.
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        rustix::process::umask(before);
        let listener = bound.map_err(io)?;
        if let Some(group) = group {
            rustix::fs::chownat(CWD, path, None, Some(group), AtFlags::empty())
                .map_err(|error| io(error.into()))?;
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(io)?;
        let inode = path.symlink_metadata().map_err(io)?.ino();
        Ok(Self { listener, path: path.to_owned(), inode })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.path.symlink_metadata().is_ok_and(|found| found.ino() == self.inode) {
            // At worst a dead socket stays, which the next start replaces.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Connects without waiting: a daemon whose queue of clients is full is alive, too.
fn knock(path: &Path) -> Result<(), Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)
}

/// Makes the socket's folder where it is missing, 0700; refuses one in `/tmp` that is not ours.
fn prepare_folder(socket: &Path) -> Result<(), SocketError> {
    let Some(folder) = socket.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    let io = |source| SocketError::Io { path: folder.to_owned(), source };
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io(error)),
        Ok(()) | Err(_) => {}
    }
    // In /tmp anybody can make a folder of that name first.
    if folder.parent() == Some(Path::new("/tmp")) {
        let found = folder.symlink_metadata().map_err(io)?;
        let ours = found.is_dir()
            && found.uid() == rustix::process::geteuid().as_raw()
            && found.mode() & 0o777 == 0o700;
        if !ours {
            return Err(SocketError::Folder { path: folder.to_owned() });
        }
    }
    Ok(())
}

/// A group's number, by name or as a number.
fn group_id(name: &str) -> Result<Gid, SocketError> {
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let number = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    number.map(Gid::from_raw).ok_or_else(|| SocketError::Group { name: name.to_owned() })
}
