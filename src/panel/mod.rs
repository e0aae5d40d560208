//! The web pages for people, served by `transport/http.rs` after `Host` and `Origin` are checked.
//!
//! Everything is embedded in the program: there is no folder to install and no network needed. A page
//! is a row of `FILES`. Pages ask and are told all else over `/ws`, as every client; what other
//! clients do the panel sees on the channel `bridgeFrames` ([`watch`]), masked.

mod mask;
pub mod watch;

use std::sync::LazyLock;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{HeaderMap, Method, Response, StatusCode};
use sha2::{Digest, Sha256};

/// One embedded file, and where it is.
struct File {
    /// Each of them is it.
    paths: &'static [&'static str],
    /// Its content type.
    kind: &'static str,
    /// What it holds.
    body: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const ICON: &str = "image/svg+xml";

macro_rules! files {
    ($($kind:ident $($path:literal)+ = $file:literal;)*) => {
        &[$(File { paths: &[$($path),+], kind: $kind, body: include_bytes!($file) },)*]
    };
}

/// All there is, by path.
static FILES: &[File] = files! {
    HTML "/" "/panel" = "web/panel.html";
    CSS "/panel/panel.css" = "web/panel.css";
    SCRIPT "/panel/panel.js" = "web/panel.js";
    SCRIPT "/panel/kit.js" = "web/kit.js";
    SCRIPT "/panel/words.js" = "web/words.js";
    SCRIPT "/panel/list.js" = "web/list.js";
    SCRIPT "/panel/frames.js" = "web/frames.js";
    SCRIPT "/panel/calls.js" = "web/calls.js";
    SCRIPT "/panel/devices.js" = "web/devices.js";
    SCRIPT "/panel/hands.js" = "web/hands.js";
    SCRIPT "/panel/request.js" = "web/request.js";
    SCRIPT "/panel/pictures.js" = "web/pictures.js";
    SCRIPT "/panel/hharome.js" = "../../clients/js/hharome.js";
    HTML "/keypad" = "web/keypad.html";
    CSS "/keypad/keypad.css" = "web/keypad.css";
    SCRIPT "/keypad/keypad.js" = "web/keypad.js";
    SCRIPT "/keypad/number.js" = "web/number.js";
    JSON "/panel/protocol.json" = "../../clients/js/protocol.json";
    ICON "/panel/icon.svg" "/favicon.ico" = "web/icon.svg";
};

/// The ETag of each of [`FILES`], made when a page is asked for first.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag = |file: &File| {
        let digest = Sha256::digest(file.body);
        let hex = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
        format!("\"{}\"", hex.collect::<String>())
    };
    FILES.iter().map(tag).collect()
});

/// Answers a request for anything but `/ws`. `host` is the request's own, and one of our names.
#[must_use]
pub fn respond(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    host: &str,
) -> Response<Full<Bytes>> {
    let found = FILES.iter().zip(&*TAGS).find(|(file, _)| file.paths.contains(&path));
    let mut response = match found {
        None => plain(StatusCode::NOT_FOUND, "there is nothing here; the panel is at /\n"),
        Some(_) if ![Method::GET, Method::HEAD].contains(method) => {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            refusal
        }
        Some((file, tag)) => {
            let known = headers.get_all(IF_NONE_MATCH).iter().any(|value| names(value, tag));
            let mut response = if known {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                response
            } else {
                Response::new(Full::from(file.body))
            };
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
            if let Ok(tag) = HeaderValue::from_str(tag) {
                headers.insert(ETAG, tag);
            }
            response
        }
    };
    guard(response.headers_mut(), host);
    response
}

/// What keeps a page to itself: its own scripts and styles, no other page around it or beside it, and
/// its own socket.
fn guard(headers: &mut HeaderMap, host: &str) {
    // Not every browser takes a socket of the same host for 'self'.
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
         connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    let fixed = [
        // It may have changed with the program; asking costs nothing here.
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Whether an `If-None-Match` holds this tag (RFC 9110, 13.1.2: compared weakly).
fn names(value: &HeaderValue, tag: &str) -> bool {
    let Ok(value) = value.to_str() else { return false };
    let tags = value.split(',').map(str::trim);
    tags.map(|one| one.strip_prefix("W/").unwrap_or(one)).any(|one| one == "*" || one == tag)
}

/// An answer in plain words.
#[must_use]
pub fn plain(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(words.to_owned()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What the panel may weigh altogether.
    const PANEL_BYTES: usize = 150 * 1024;

    fn get(path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        respond(&Method::GET, path, headers, "127.0.0.1:17802")
    }

    #[test]
    fn no_path_is_two_files_and_all_files_together_are_small() {
        let paths: Vec<_> = FILES.iter().flat_map(|file| file.paths).collect();
        assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), paths.len());
        let bytes: usize = FILES.iter().map(|file| file.body.len()).sum();
        assert!(bytes <= PANEL_BYTES, "{bytes}");
    }

    #[test]
    fn a_page_that_is_known_is_not_sent_again() {
        let first = get("/", &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[ETAG].clone();
        for known in [tag.to_str().unwrap(), &format!("\"x\", W/{}", tag.to_str().unwrap()), "*"] {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, known.parse().unwrap())]);
            let again = get("/", &headers);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(again.headers()[ETAG], tag);
        }
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, "\"x\"".parse().unwrap())]);
        assert_eq!(get("/", &headers).status(), StatusCode::OK);
    }

    #[test]
    fn what_is_not_there_or_not_allowed_is_said_in_plain_text() {
        for (method, path, status) in [
            (Method::GET, "/panel/", StatusCode::NOT_FOUND),
            (Method::GET, "/../panel", StatusCode::NOT_FOUND),
            (Method::POST, "/x", StatusCode::NOT_FOUND),
            (Method::POST, "/", StatusCode::METHOD_NOT_ALLOWED),
            (Method::OPTIONS, "/panel", StatusCode::METHOD_NOT_ALLOWED),
        ] {
            let response = respond(&method, path, &HeaderMap::new(), "localhost:17802");
            assert_eq!(response.status(), status, "{method} {path}");
            assert_eq!(response.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
        }
    }

    #[test]
    fn no_page_may_load_or_be_loaded_by_others() {
        for file in FILES {
            let response = get(file.paths[0], &HeaderMap::new());
            let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
            assert!(policy.contains("connect-src 'self' ws://127.0.0.1:17802; "), "{policy}");
            assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
            assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
        }
    }
}
