//! The rules of what concerns the wire: addresses, the socket's mode, the token, origins, hosts.
//!
//! The figures behind them: an origin is what RFC 6454, section 6.1 serialises; a bearer token
//! travels in an HTTP header, so it is visible ASCII (RFC 9110, section 5.5).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use toml::de::DeValue;

use super::super::listen::Secret;
use super::{Rule, each, string};
use crate::face::http::EngineUrl;

/// The longest token. HTTP servers take header lines of 8 KiB at least; a secret is far shorter.
const TOKEN_BYTES: usize = 1024;

/// The longest address of speech-dispatcher: that of a Unix socket (unix(7)) and the words before it.
const SPEECH_ADDRESS_BYTES: usize = "unix_socket:".len() + super::SOCKET_PATH_BYTES;

/// The port that a browser leaves out of an origin of this scheme (Fetch and RFC 6454).
const DEFAULT_PORTS: [(&str, u16); 4] = [("http", 80), ("https", 443), ("ws", 80), ("wss", 443)];

/// An address to listen on.
pub(in crate::config) fn listen_address() -> Rule<SocketAddr> {
    Rule::new("HOST:PORT, HOST an IP address or localhost, such as 127.0.0.1:17801", |value| {
        let given = string(value)?;
        if let Some(port) = given.strip_prefix("localhost:") {
            return port
                .parse()
                .map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
                .map_err(|_| format!("{port:?} is no port"));
        }
        given.parse().map_err(|_| format!("{given:?} is no address with a port"))
    })
}

/// The address of a network printer, which may have a name.
pub(in crate::config) fn printer_address() -> Rule<String> {
    Rule::new("HOST:PORT, HOST an IP address or a name, such as 192.168.1.50:9100", |value| {
        let given = string(value)?;
        let wrong = || format!("{given:?} is no address with a port");
        if given.parse::<SocketAddr>().is_ok() {
            return Ok(given.to_owned());
        }
        let (host, port) = given.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        if port == 0 || !is_host_name(host) {
            return Err(wrong());
        }
        Ok(given.to_owned())
    })
}

/// Where speech-dispatcher listens.
pub(in crate::config) fn speech_address() -> Rule<String> {
    Rule::new("unix_socket:PATH, an absolute PATH alone, or inet_socket:HOST:PORT", |value| {
        let given = string(value)?;
        if given.len() > SPEECH_ADDRESS_BYTES {
            return Err(format!("is {} bytes long", given.len()));
        }
        hharome_hardware::speech::address::parse(given).map(|_| given.to_owned())
    })
}

/// Where a face engine is.
pub(in crate::config) fn engine_url() -> Rule<EngineUrl> {
    let allowed = "http://HOST:PORT/PATH with 127.0.0.1, [::1] or localhost as HOST";
    Rule::new(allowed, |value| EngineUrl::parse(string(value)?).map_err(str::to_owned))
}

/// The mode of the socket file.
pub(in crate::config) fn octal_mode() -> Rule<u32> {
    Rule::new("a string of octal digits, \"0600\" to \"0777\"", |value| {
        let given = string(value)?;
        let digits = (3..=4).contains(&given.len()) && given.bytes().all(|b| b.is_ascii_digit());
        let mode = u32::from_str_radix(given, 8).ok().filter(|_| digits);
        match mode {
            // Without read and write for the owner the daemon could not be asked by its own user.
            Some(mode) if mode <= 0o777 && mode & 0o600 == 0o600 => Ok(mode),
            _ => Err(format!("{given:?} is no mode of a socket that its owner can use")),
        }
    })
}

/// The secret that clients send; empty is none. No message of this rule holds its value.
pub(in crate::config) fn token() -> Rule<Option<Secret>> {
    let allowed =
        format!("visible ASCII without blanks, up to {TOKEN_BYTES} bytes, or \"\" for none");
    Rule::new(allowed, |value| {
        let given = string(value)?;
        if given.len() > TOKEN_BYTES {
            return Err(format!("is {} bytes long", given.len()));
        }
        if !given.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("holds a blank, a control character or one that is not ASCII".to_owned());
        }
        Ok((!given.is_empty()).then(|| Secret::new(given)))
    })
}

/// Origins of web pages, compared to the byte with what browsers send.
pub(in crate::config) fn origins() -> Rule<Vec<String>> {
    Rule::new("a list of exact origins, such as \"https://kiosk.example:8443\"", |value| {
        each(value, origin)
    })
}

/// Host names for the `Host` header, lower-cased: they compare without regard to case.
pub(in crate::config) fn hosts() -> Rule<Vec<String>> {
    Rule::new("a list of host names or IP addresses without a port", |value| each(value, host))
}

fn origin(value: &DeValue<'_>) -> Result<String, String> {
    let given = string(value)?;
    if given == "null" {
        return Err("\"null\" is what any sandboxed page sends, so it is never allowed".to_owned());
    }
    let wrong = |why: &str| format!("{given:?} {why}");
    let (scheme, rest) =
        given.split_once("://").ok_or_else(|| wrong("is not SCHEME://HOST[:PORT]"))?;
    let (host, port) = match rest.rsplit_once(':') {
        // The colons of a bare IPv6 literal belong to the host.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    if !is_scheme(scheme) || !(is_host_name(host) || is_bracketed(host)) {
        return Err(wrong("is not SCHEME://HOST[:PORT] without a path or wildcard"));
    }
    if given.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(wrong("has capitals, which browsers never send in an origin"));
    }
    if let Some(port) = port {
        let number: u16 = port.parse().map_err(|_| wrong("has no valid port"))?;
        if number == 0 || number.to_string() != port {
            return Err(wrong("has no valid port"));
        }
        if DEFAULT_PORTS.contains(&(scheme, number)) {
            return Err(wrong("names the scheme's own port, which browsers leave out"));
        }
    }
    Ok(given.to_owned())
}

fn host(value: &DeValue<'_>) -> Result<String, String> {
    let given = string(value)?;
    if is_host_name(given) || is_bracketed(given) {
        return Ok(given.to_ascii_lowercase());
    }
    Err(format!("{given:?} is no host name (a port, path or wildcard does not belong to it)"))
}

/// RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// A registered name or an IPv4 address: letters, digits, `-`, `_` and dots, 253 at most
/// (RFC 1035, section 2.3.4, without the root's dot).
fn is_host_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

/// An IPv6 address in brackets, as it stands in an authority.
fn is_bracketed(text: &str) -> bool {
    text.strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}
