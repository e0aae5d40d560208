//! The client side: finds the daemon and speaks frames with it, over the daemon's own transports
//! turned around.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hharome_protocol::client;
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{NO, NO_DAEMON, Target, WRONG};
use crate::config;
use crate::outbox::{Bounds, Outbox};
use crate::transport::dial::{self, DialError};
use crate::transport::lines::Lines;
use crate::transport::websocket::WebSocket;
use crate::transport::{Incoming, Transport};

/// A reply may hold a picture; the daemon bounds what it sends.
const MAX_FRAME: usize = 256 * 1024 * 1024;

/// Names the socket of the daemon that client commands talk to.
const SOCKET_VARIABLE: &str = "HHAROME_SOCKET";
/// Holds the token for TCP and WebSocket; not an option, which every local user could see.
const TOKEN_VARIABLE: &str = "HHAROME_TOKEN";

/// Why there is no connection, with what was tried.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoConnection {
    /// Nobody is there.
    #[error("no daemon answers; tried:{0}\nstart one with `hharome serve`")]
    Nobody(String),
    /// Somebody is there, and it is no bridge.
    #[error("what answers at {0} is no hharome daemon: {1}")]
    NoBridge(String, String),
    /// The daemon does not let us in.
    #[error("the daemon at {0} refuses: {1}; $HHAROME_TOKEN holds the token")]
    Refused(String, StatusCode),
    /// No such address can be.
    #[error("{0}: {1}")]
    Address(String, String),
}

impl NoConnection {
    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Nobody(_) | Self::NoBridge(..) => NO_DAEMON,
            Self::Refused(..) => NO,
            Self::Address(..) => WRONG,
        }
    }

    fn at(place: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidInput {
            Self::Address(place.to_owned(), error.to_string())
        } else {
            Self::Nobody(format!("\n  {place}: {error}"))
        }
    }
}

/// A connection to the daemon.
pub(super) struct Client {
    transport: Box<dyn Transport>,
    outbox: Outbox,
}

impl Client {
    /// Connects to the daemon that `target` names, or to the first that answers.
    pub(super) async fn connect(target: &Target) -> Result<Self, NoConnection> {
        if let Some(address) = &target.tcp {
            return Self::tcp(address).await.map_err(|error| NoConnection::at(address, &error));
        }
        if let Some(url) = &target.url {
            return Self::websocket(url).await;
        }
        let places = target.socket.clone().map_or_else(places, |place| vec![place]);
        let mut failures = String::new();
        for place in places {
            match Self::unix(&place).await {
                Ok(client) => return Ok(client),
                Err(error) => failures.push_str(&format!("\n  {}: {error}", place.display())),
            }
        }
        Err(NoConnection::Nobody(failures))
    }

    /// Connects to a Unix socket.
    pub(super) async fn unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path).await?;
        Ok(Self::over(Box::new(Lines::new(stream, MAX_FRAME))))
    }

    async fn tcp(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut client = Self::over(Box::new(Lines::new(stream, MAX_FRAME)));
        if let Some(token) = token() {
            client.send(client::token(&token)).await?;
        }
        Ok(client)
    }

    async fn websocket(url: &str) -> Result<Self, NoConnection> {
        let socket =
            dial::websocket(url, token().as_deref()).await.map_err(|error| match error {
                DialError::Address(words) => NoConnection::Address(url.to_owned(), words),
                DialError::Nobody(error) => NoConnection::at(url, &error),
                DialError::Refused(status) => NoConnection::Refused(url.to_owned(), status),
                DialError::Handshake(error) => {
                    NoConnection::NoBridge(url.to_owned(), error.to_string())
                }
            })?;
        // The daemon says nothing before it is asked, so nothing is lost in between.
        let socket = WebSocket::new(socket.into_inner(), &[], Role::Client, MAX_FRAME);
        Ok(Self::over(Box::new(socket)))
    }

    fn over(transport: Box<dyn Transport>) -> Self {
        let bounds = Bounds { stream_events: 1, frames: 1024, bytes: MAX_FRAME };
        Self { transport, outbox: Outbox::new(bounds) }
    }

    /// Sends one frame.
    pub(super) async fn send(&mut self, frame: Bytes) -> io::Result<()> {
        self.outbox.push(frame);
        std::future::poll_fn(|cx| self.transport.poll_flush(cx, &self.outbox)).await
    }

    /// The next frame; `None` when the daemon has gone.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match std::future::poll_fn(|cx| self.transport.poll_next(cx)).await? {
            Incoming::Frame(frame) => Ok(Some(frame)),
            Incoming::End => Ok(None),
            Incoming::TooLong => Err(io::Error::other("the daemon sent a frame over 256 MiB")),
        }
    }
}

/// The token of the environment.
pub(super) fn token() -> Option<String> {
    std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty())
}

/// Where to look for a daemon that nobody has named: where the environment says, else where one
/// usually listens.
pub(super) fn places() -> Vec<PathBuf> {
    match std::env::var_os(SOCKET_VARIABLE) {
        Some(place) => vec![PathBuf::from(place)],
        None => usual_places(),
    }
}

/// Where a daemon listens if nobody says otherwise.
fn usual_places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from("/run/hharome/bridge.sock")];
    if let Some(folder) = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()) {
        places.push(Path::new(&folder).join("hharome/bridge.sock"));
    }
    let uid = rustix::process::getuid().as_raw();
    places.push(PathBuf::from(format!("/tmp/hharome-{uid}/bridge.sock")));
    let own = config::default_unix_path();
    if !places.contains(&own) {
        places.push(own);
    }
    places
}
