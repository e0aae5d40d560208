//! HTTP on loopback: `Host` and `Origin` are checked on every request before anything else; `/ws`
//! becomes a WebSocket, all else are the pages of `panel`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming as Body};
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Parts;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::{self, Caller};
use super::websocket::WebSocket;
use crate::bridge::Bridge;
use crate::config::Listen;
use crate::connection::{self, Peer};
use crate::panel::{self, plain as said};
use crate::server::Seat;

/// Request line and headers together; browsers send 1 to 2 KiB.
const MAX_HEAD: usize = 16 * 1024;

/// What every HTTP connection needs.
#[derive(Clone)]
pub struct Door {
    /// Everything.
    pub bridge: Arc<Bridge>,
    /// Where this server listens.
    pub bound: SocketAddr,
    /// Ends all.
    pub stop: CancellationToken,
    /// Where WebSocket clients are counted.
    pub tracker: TaskTracker,
}

/// Serves one HTTP connection to its end. The seat is held until its WebSocket ends, too.
pub async fn serve(door: Door, stream: TcpStream, seat: Seat) {
    let seat = Arc::new(seat);
    let handshake = door.bridge.config().limits.handshake;
    let stop = door.stop.clone();
    let service = service_fn(|request| {
        let response = respond(&door, request, &seat);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(handshake)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        // Broken requests have been answered by the library; broken sockets concern nobody.
        _ = connection => {}
    }
}

fn respond(door: &Door, mut request: Request<Body>, seat: &Arc<Seat>) -> Response<Full<Bytes>> {
    let config = door.bridge.config();
    let (host, caller) = match check_origin(&request, &config.listen, door.bound) {
        Ok(checked) => checked,
        Err(refusal) => {
            tracing::warn!(reason = refusal.trim_end(), "an HTTP request was refused");
            return said(StatusCode::FORBIDDEN, refusal);
        }
    };
    if request.uri().path() != "/ws" {
        return panel::respond(request.method(), request.uri().path(), request.headers(), &host);
    }
    if request.method() != Method::GET {
        return said(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
    }
    let secret = config.listen.token.as_ref();
    let token_by = match (secret, request.headers().get(AUTHORIZATION)) {
        (None, _) => None,
        // As the first frame, like on TCP: browsers cannot set the header.
        (Some(_), None) => Some(Instant::now() + config.limits.handshake),
        (Some(_), Some(shown)) => {
            // RFC 9110, 11.1: the scheme's name ignores case.
            let shown = shown.to_str().ok().and_then(|value| value.split_once(' '));
            let admits = |(scheme, token): (&str, &str)| {
                scheme.eq_ignore_ascii_case("Bearer") && access::admits(secret, token)
            };
            if !shown.is_some_and(admits) {
                return said(StatusCode::UNAUTHORIZED, "wrong token\n");
            }
            None
        }
    };
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    let accepted = match create_response(&head) {
        Ok(accepted) => accepted,
        Err(error) => {
            let mut refusal = said(StatusCode::UPGRADE_REQUIRED, &format!("{error}\n"));
            let websocket = HeaderValue::from_static("websocket");
            refusal.headers_mut().insert(HeaderName::from_static("upgrade"), websocket);
            return refusal;
        }
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let (door_of_client, seat) = (door.clone(), Arc::clone(seat));
    door.tracker.spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let max_frame = config.listen.max_frame_bytes;
        // It is the stream that was served.
        let Ok(Parts { io, read_buf, .. }) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            return;
        };
        let socket = WebSocket::new(io.into_inner(), &read_buf, Role::Server, max_frame);
        let peer = Peer { transport: caller.transport(), token_by };
        let Door { bridge, stop, .. } = door_of_client;
        connection::serve(bridge, socket, peer, stop).await;
        drop(seat);
    });
    accepted.map(|()| Full::default())
}

/// Against DNS rebinding and foreign pages: by which of our names it came, and from whom.
fn check_origin(
    request: &Request<Body>,
    listen: &Listen,
    bound: SocketAddr,
) -> Result<(String, Caller), &'static str> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => text(host),
        _ => None,
    };
    let authority = request.uri().authority().map(ToString::to_string);
    let ours = |host: &str| access::host_allowed(host, listen, bound);
    let host = host.filter(|host| ours(host) && authority.is_none_or(|name| ours(&name)));
    let host = host.ok_or("Host is not allowed; see [listen] hosts\n")?;
    let mut caller = Caller::Program;
    for origin in request.headers().get_all(ORIGIN) {
        let page = text(origin).and_then(|origin| access::page(&origin, listen, bound));
        let page = page.ok_or("Origin is not allowed; see [listen] origins\n")?;
        // Of several, the least trusted.
        caller = caller.max(page);
    }
    Ok((host, caller))
}
