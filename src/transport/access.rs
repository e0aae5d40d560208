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

/// Who is at the other end of a WebSocket, in the order of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// A program of this machine: it sends no `Origin`.
    Program,
    /// One of our own pages.
    Panel,
    /// A page of a listed origin.
    Page,
}

impl Caller {
    /// As it stands in logs and recordings.
    #[must_use]
    pub fn transport(self) -> &'static str {
        match self {
            Self::Program => "ws",
            Self::Panel => "panel",
            Self::Page => "page",
        }
    }
}

/// Whose an `Origin` header is: the panel's own or a listed one, to the letter; of nobody else.
#[must_use]
pub fn page(origin: &str, listen: &Listen, bound: SocketAddr) -> Option<Caller> {
    let port = if bound.port() == 80 { String::new() } else { format!(":{}", bound.port()) };
    if origin == "null" {
        None
    } else if own_names(listen).any(|name| origin == format!("http://{name}{port}")) {
        Some(Caller::Panel)
    } else {
        listen.origins.iter().any(|listed| listed == origin).then_some(Caller::Page)
    }
}

/// Whether a client of this transport may work the bridge itself, its virtual devices and its
/// recordings: everybody but the pages of others.
#[must_use]
pub fn may_control(transport: &str) -> bool {
    transport != Caller::Page.transport()
}

/// Whether a client of this transport may see what passes at other clients: our own page, and programs
/// that the mode of the Unix socket lets in.
#[must_use]
pub fn may_watch(transport: &str) -> bool {
    transport == "unix" || transport == Caller::Panel.transport()
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
        let page = |origin| page(origin, &listen(), bound(17802));
        for origin in [
            "http://127.0.0.1:17802",
            "http://localhost:17802",
            "http://[::1]:17802",
            "http://kiosk.example:17802",
        ] {
            assert_eq!(page(origin), Some(Caller::Panel), "{origin}");
        }
        assert_eq!(page("https://app.example:8443"), Some(Caller::Page));
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
            assert_eq!(page(origin), None, "{origin}");
        }
    }

    #[test]
    fn foreign_pages_control_nothing_and_only_our_page_and_the_unix_socket_watch() {
        for (transport, control, watch) in [
            ("unix", true, true),
            ("tcp", true, false),
            ("ws", true, false),
            ("panel", true, true),
            ("page", false, false),
        ] {
            assert_eq!(may_control(transport), control, "{transport}");
            assert_eq!(may_watch(transport), watch, "{transport}");
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
