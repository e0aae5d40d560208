//! Connecting to a Wayland compositor that belongs to another user's session, and what is missing when
//! that is refused.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::{absent, failed};
use crate::device::Trouble;
use crate::port::socket::missing;

/// Where the session is, as every program of it is told.
pub(super) struct Session {
    /// `$WAYLAND_DISPLAY`: the name of the socket, or the whole path.
    display: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`: the folder of sockets.
    folder: Option<PathBuf>,
}

impl Session {
    /// That of the environment.
    pub(super) fn of_environment() -> Self {
        let set = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        Self {
            display: set("WAYLAND_DISPLAY").map(PathBuf::from),
            folder: set("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute()),
        }
    }

    /// Connects to the compositor that is named, or else to the one that answers in the folder: the
    /// stream, and what the compositor is called.
    pub(super) fn connect(&self) -> Result<(UnixStream, String), Trouble> {
        let path = match (&self.display, &self.folder) {
            (Some(display), _) if display.is_absolute() => display.clone(),
            (Some(display), Some(folder)) => folder.join(display),
            (None, Some(folder)) => return any(folder),
            (_, None) => {
                return Err(failed(
                    "no Wayland session is named: set runtime_dir in [session], such as \
                     \"/run/user/1000\", or $XDG_RUNTIME_DIR",
                ));
            }
        };
        match UnixStream::connect(&path) {
            Ok(stream) => Ok((stream, path.display().to_string())),
            Err(error) => Err(trouble(&path, &error)),
        }
    }
}

/// The one compositor that answers in this folder.
fn any(folder: &Path) -> Result<(UnixStream, String), Trouble> {
    let mut answer = Vec::new();
    let mut refused = None;
    for path in sockets(folder)? {
        match UnixStream::connect(&path) {
            Ok(stream) => answer.push((stream, path.display().to_string())),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                refused = Some(trouble(&path, &error));
            }
            // What a compositor that was killed has left behind.
            Err(_) => {}
        }
    }
    if let [_, _, ..] = answer.as_slice() {
        let paths: Vec<&str> = answer.iter().map(|(_, path)| path.as_str()).collect();
        return Err(failed(format!(
            "several Wayland compositors answer: {}; name one of them in [session] wayland_display",
            paths.join(", ")
        )));
    }
    let none = || {
        absent(format!(
            "no Wayland compositor answers in {}; start the session, or name its folder in [session] \
             runtime_dir",
            folder.display()
        ))
    };
    answer.pop().ok_or_else(|| refused.unwrap_or_else(none))
}

/// What may be a compositor's, in the order of the names.
fn sockets(folder: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Whoever may only pass through it has to know where to.
            return Err(if access(folder, Access::EXEC_OK).is_ok() {
                failed(format!(
                    "permission denied: the daemon's user may not look into {}; name the compositor in \
                     [session] wayland_display, such as \"wayland-1\"",
                    folder.display()
                ))
            } else {
                trouble(&folder.join("wayland-0"), &error)
            });
        }
        Err(error) => {
            return Err(absent(format!(
                "the session's folder {} cannot be read ({error}); start the session, or name its \
                 folder in [session] runtime_dir",
                folder.display()
            )));
        }
    };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"wayland-"))
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    Ok(paths)
}

fn trouble(path: &Path, error: &io::Error) -> Trouble {
    let name = path.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        return failed(format!("the Wayland compositor at {name}: {}", missing(path)));
    }
    absent(format!(
        "no Wayland compositor answers at {name} ({error}); start the session, or name it in [session] \
         runtime_dir and wayland_display"
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use tempfile::TempDir;

    use super::*;

    fn session(display: Option<&str>, folder: Option<&Path>) -> Session {
        Session { display: display.map(PathBuf::from), folder: folder.map(Path::to_path_buf) }
    }

    fn words(session: &Session) -> String {
        session.connect().unwrap_err().to_string()
    }

    #[test]
    fn a_compositor_is_found_by_its_name_its_path_or_as_the_only_one_that_answers() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("wayland-1");
        let _listener = UnixListener::bind(&path).unwrap();
        // One that was killed leaves its socket, and each has a lock.
        drop(UnixListener::bind(folder.path().join("wayland-0")).unwrap());
        fs::write(folder.path().join("wayland-1.lock"), "").unwrap();
        let path = path.to_str().unwrap();
        for session in [
            session(Some("wayland-1"), Some(folder.path())),
            session(Some(path), None),
            session(None, Some(folder.path())),
        ] {
            assert_eq!(session.connect().unwrap().1, path);
        }
    }

    #[test]
    fn of_several_one_has_to_be_named() {
        let folder = TempDir::new().unwrap();
        let bind = |name| UnixListener::bind(folder.path().join(name)).unwrap();
        let _both = (bind("wayland-0"), bind("wayland-1"));
        let words = words(&session(None, Some(folder.path())));
        for part in ["wayland-0, ", "wayland-1; name one", "[session] wayland_display"] {
            assert!(words.contains(part), "{words}");
        }
    }

    #[test]
    fn one_that_is_not_there_is_absent_with_the_way_out() {
        let folder = TempDir::new().unwrap();
        let missing = folder.path().join("missing");
        for (session, part) in [
            (session(None, Some(folder.path())), "no Wayland compositor answers in /"),
            (session(None, Some(&missing)), "cannot be read"),
            (session(Some("wayland-7"), Some(folder.path())), "wayland-7 ("),
        ] {
            let trouble = session.connect().unwrap_err();
            assert!(matches!(trouble, Trouble::Absent { .. }), "{trouble}");
            assert!(trouble.to_string().contains(part), "{trouble}");
            assert!(trouble.to_string().contains("[session] runtime_dir"), "{trouble}");
        }
        let unnamed = words(&session(Some("wayland-0"), None));
        assert!(unnamed.contains("set runtime_dir in [session]"), "{unnamed}");
    }
}
