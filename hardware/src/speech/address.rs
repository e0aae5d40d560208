//! Where speech-dispatcher listens, as its own programs write it.
//!
//! ```text
//! unix_socket:/run/user/1000/speech-dispatcher/speechd.sock    inet_socket:127.0.0.1:6560
//! ```
//!
//! The same words stand in the environment variable `SPEECHD_ADDRESS` (speech-dispatcher's manual,
//! "Address specification"). A path alone is a Unix socket.

use std::path::{Path, PathBuf};

use crate::port::socket::SocketAddress;

/// The port of speech-dispatcher where none is named (its manual).
const PORT: u16 = 6560;

/// Where its socket lies in the runtime folder of whose session it belongs to.
const SOCKET: &str = "speech-dispatcher/speechd.sock";

/// The address that is written so.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<SocketAddress, String> {
    let wrong = |what: &str| Err(format!("{text:?}: {what}"));
    if let Some(address) = text.strip_prefix("inet_socket:") {
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)),
            None => (address, Some(PORT)),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_blank = host.is_empty() || host.contains(char::is_whitespace);
        return match port {
            Some(port) if !is_blank => Ok(SocketAddress::Tcp(host.to_owned(), port)),
            Some(_) => wrong("has no host"),
            None => wrong("has no port from 1 to 65535"),
        };
    }
    let path = text.strip_prefix("unix_socket:").unwrap_or(text);
    if path.starts_with('/') && !path.contains('\0') {
        Ok(SocketAddress::Unix(PathBuf::from(path)))
    } else {
        wrong("is neither an absolute path nor inet_socket:HOST:PORT")
    }
}

/// Where it listens in the session with this runtime folder.
#[must_use]
pub fn in_session(runtime_dir: &Path) -> SocketAddress {
    SocketAddress::Unix(runtime_dir.join(SOCKET))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_speech_dispatcher_writes_them() {
        let unix = |path: &str| SocketAddress::Unix(PathBuf::from(path));
        let tcp = |host: &str, port| SocketAddress::Tcp(host.to_owned(), port);
        for (text, address) in [
            ("unix_socket:/run/x.sock", unix("/run/x.sock")),
            ("/run/x.sock", unix("/run/x.sock")),
            ("inet_socket:127.0.0.1:7000", tcp("127.0.0.1", 7000)),
            ("inet_socket:kiosk", tcp("kiosk", 6560)),
            ("inet_socket:[::1]:7000", tcp("::1", 7000)),
        ] {
            assert_eq!(parse(text), Ok(address), "{text}");
        }
        for text in [
            "",
            "unix_socket",
            "unix_socket:x",
            "x.sock",
            "inet_socket:",
            "inet_socket:a:0",
            "inet_socket: :1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
