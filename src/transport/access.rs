//! Who may come in over TCP and HTTP: `Host`, `Origin` and token. Pure.
//!
//! `Host` is compared with a fixed list and never with `Origin`: under DNS rebinding both are the
//! attacker's choice.

use std::net::SocketAddr;

use subtle::ConstantTimeEq;

use crate::config::{Listen, Secret};

/// Names of this machine that no foreign page can have.
const OWN_HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// Whether `token` is the configured one; the time that it takes tells nothing but its length.
#[must_use]
pub fn admits(secret: Option<&Secret>, token: &str) -> bool {
    secret.is_none_or(|secret| secret.reveal().as_bytes().ct_eq(token.as_bytes()).into())
}

/// Whether a `Host` header names us: one of our names, with our port.
#[must_use]
pub fn host_allowed(host: &str, listen: &Listen, bound: SocketAddr) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        // The colons inside `[::1]` are no port's.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let ours = bound.port();
    let port_fits = match port {
        Some(port) => port.parse() == Ok(ours) && port.bytes().all(|byte| byte.is_ascii_digit()),
        None => ours == 80,
    };
    port_fits && own_names(listen).any(|own| own.eq_ignore_ascii_case(name))
}

/// Whether an `Origin` header is the panel's own or a listed one, to the letter.
#[must_use]
pub fn origin_allowed(origin: &str, listen: &Listen, bound: SocketAddr) -> bool {
    let port = if bound.port() == 80 { String::new() } else { format!(":{}", bound.port()) };
    origin != "null"
        && (own_names(listen).any(|name| origin == format!("http://{name}{port}"))
            || listen.origins.iter().any(|listed| listed == origin))
}

/// The names by which this server may be called.
fn own_names(listen: &Listen) -> impl Iterator<Item = &str> {
    OWN_HOSTS.into_iter().chain(listen.hosts.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen() -> Listen {
        Listen {
            hosts: vec!["kiosk.example".to_owned()],
            origins: vec!["https://app.example:8443".to_owned()],
            ..Listen::default()
        }
    }

    fn bound(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn host_has_to_be_one_of_our_names_with_our_port() {
        for host in [
            "127.0.0.1:17802",
            "[::1]:17802",
            "localhost:17802",
            "LocalHost:17802",
            "kiosk.example:17802",
        ] {
            assert!(host_allowed(host, &listen(), bound(17802)), "{host}");
        }
        for host in [
            "evil.example:17802",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:178020",
            "localhost.evil.example:17802",
            "[::1]",
            "",
            ":17802",
            "127.0.0.1:+17802",
            "0.0.0.0:17802",
            "127.0.0.1:17802.evil.example",
        ] {
            assert!(!host_allowed(host, &listen(), bound(17802)), "{host}");
        }
        assert!(host_allowed("localhost", &listen(), bound(80)));
        assert!(host_allowed("[::1]", &listen(), bound(80)));
    }

    #[test]
    fn origin_has_to_be_ours_or_listed_to_the_letter() {
        for origin in [
            "http://127.0.0.1:17802",
            "http://localhost:17802",
            "http://[::1]:17802",
            "http://kiosk.example:17802",
            "https://app.example:8443",
        ] {
            assert!(origin_allowed(origin, &listen(), bound(17802)), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://evil.example",
            "http://127.0.0.1:17802/",
            "http://127.0.0.1",
            "https://127.0.0.1:17802",
            "http://127.0.0.1:178021",
            "https://app.example",
            "https://app.example:8443.evil.example",
            "HTTP://127.0.0.1:17802",
            "file://",
        ] {
            assert!(!origin_allowed(origin, &listen(), bound(17802)), "{origin}");
        }
    }

    #[test]
    fn a_token_has_to_be_the_whole_token() {
        let secret = Secret::new("0123456789abcdef");
        assert!(admits(Some(&secret), "0123456789abcdef"));
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF"] {
            assert!(!admits(Some(&secret), wrong), "{wrong}");
        }
        assert!(admits(None, "anything"));
    }
}
