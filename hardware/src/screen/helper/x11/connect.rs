//! Connecting to an X server that belongs to another user's session, and what is missing when that
//! is refused.

use std::env;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use x11rb::errors::{ConnectError, DisplayParsingError};
use x11rb::rust_connection::RustConnection;

use super::{absent, failed};
use crate::device::Trouble;

/// Connects to `$DISPLAY` with the cookie of `$XAUTHORITY`: the connection, the number of the screen,
/// the display's name.
pub(super) fn connect() -> Result<(RustConnection, usize, String), Trouble> {
    let display = env::var("DISPLAY").unwrap_or_default();
    if display.is_empty() {
        return Err(failed(
            "no X display is named: set display in [session], such as \":0\", or $DISPLAY",
        ));
    }
    match RustConnection::connect(Some(&display)) {
        Ok((connection, screen)) => Ok((connection, screen, display)),
        Err(error) => Err(trouble(&display, error, || cookie(cookie_file()))),
    }
}

fn trouble(display: &str, error: ConnectError, cookie: impl FnOnce() -> String) -> Trouble {
    match error {
        ConnectError::IoError(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            failed(format!(
                "the X server {display}: permission denied; the daemon's user may not use its \
                 socket in /tmp/.X11-unix"
            ))
        }
        ConnectError::IoError(error) => absent(format!(
            "no X server answers at {display} ({error}); start the session, or name its display in \
             [session]"
        )),
        ConnectError::SetupFailed(refused) => {
            let reason = String::from_utf8_lossy(&refused.reason);
            let reason = reason.trim().trim_end_matches('.');
            failed(format!("the X server {display} refuses the daemon ({reason}): {}", cookie()))
        }
        ConnectError::SetupAuthenticate(_) => {
            failed(format!("the X server {display} refuses the daemon: {}", cookie()))
        }
        ConnectError::DisplayParsingError(
            DisplayParsingError::MalformedValue(_) | DisplayParsingError::NotUnicode,
        ) => failed(format!("{display:?} is no X display; expected one such as \":0\"")),
        ConnectError::InvalidScreen => {
            failed(format!("the X server of {display} has no screen of that number"))
        }
        other => failed(format!("the X server {display} cannot be used: {other}")),
    }
}

/// Where the cookie is looked for (`Xsecurity`(7)).
fn cookie_file() -> Option<PathBuf> {
    let named = env::var_os("XAUTHORITY").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".Xauthority")))
}

/// What is wrong with the cookie that the server has not taken, and what may be done.
fn cookie(file: Option<PathBuf>) -> String {
    let other = "or let the session allow the daemon's user (xhost +si:localuser:NAME)";
    let Some(file) = file else {
        return format!("name the session's cookie file in [session] xauthority, {other}");
    };
    let path = file.display();
    match File::open(&file) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => format!(
            "its cookie file {path} cannot be read, permission denied: let the daemon's user read \
             it, {other}"
        ),
        Err(_) => format!(
            "there is no cookie file {path}: name the session's in [session] xauthority, {other}"
        ),
        Ok(_) => format!(
            "the cookie file {path} has none that it takes: name the session's own in [session] \
             xauthority, {other}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use x11rb::protocol::xproto::SetupFailed;

    use super::*;

    fn refused() -> ConnectError {
        ConnectError::SetupFailed(SetupFailed {
            status: 0,
            protocol_major_version: 11,
            protocol_minor_version: 0,
            length: 0,
            reason: b"Authorization required, but no authorization protocol specified\n".to_vec(),
        })
    }

    #[test]
    fn a_refusal_says_what_the_server_says_and_what_is_missing() {
        let words = trouble(":0", refused(), || "the cookie".to_owned()).to_string();
        assert_eq!(
            words,
            "the X server :0 refuses the daemon (Authorization required, but no authorization \
             protocol specified): the cookie"
        );
    }

    #[test]
    fn a_server_that_is_not_there_is_absent_and_a_socket_that_is_closed_to_us_is_not() {
        let of =
            |kind: io::ErrorKind| trouble(":0", ConnectError::IoError(kind.into()), String::new);
        assert!(matches!(of(io::ErrorKind::ConnectionRefused), Trouble::Absent { .. }));
        assert!(matches!(of(io::ErrorKind::NotFound), Trouble::Absent { .. }));
        let denied = of(io::ErrorKind::PermissionDenied);
        assert!(matches!(&denied, Trouble::Failed { .. }), "{denied}");
        assert!(denied.to_string().contains("permission denied"));
    }

    #[test]
    fn the_cookie_file_is_named_whatever_is_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cookie");
        assert!(cookie(None).contains("[session] xauthority"));
        let missing = cookie(Some(file.clone()));
        assert!(missing.starts_with("there is no cookie file"), "{missing}");
        std::fs::write(&file, b"").unwrap();
        let wrong = cookie(Some(file.clone()));
        assert!(wrong.contains("has none that it takes"), "{wrong}");
        assert!(wrong.contains(&file.display().to_string()));
    }
}
