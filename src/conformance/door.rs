//! Where a target is, and how one gets in: Unix socket, TCP, WebSocket.

use std::fmt;
use std::io;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;

use crate::transport::dial::{self, DialError};

/// The address of a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// A Unix socket: frames are lines.
    Unix(PathBuf),
    /// `HOST:PORT`: frames are lines.
    Tcp(String),
    /// `ws://HOST:PORT/PATH`: frames are messages.
    WebSocket(String),
}

/// Text that is no address.
#[derive(Debug, thiserror::Error)]
#[error("expected the path of a Unix socket, HOST:PORT, or ws://HOST:PORT/ws")]
pub struct BadAddress;

/// A socket through which nothing has been said yet, but the token.
pub(super) enum Socket {
    /// Frames are lines.
    Lines(Box<dyn Stream>),
    /// Frames are messages.
    WebSocket(Box<WebSocketStream<TcpStream>>),
}

/// Both directions of lines.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Door {
    /// Reads an address: what holds `://` is a URL, what holds a slash or no colon a path.
    ///
    /// # Errors
    /// Text that is none.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        if text.contains("://") {
            let url = text.starts_with("ws://").then(|| Self::WebSocket(text.to_owned()));
            return url.ok_or(BadAddress);
        }
        if !text.is_empty() && (text.contains('/') || !text.contains(':')) {
            return Ok(Self::Unix(PathBuf::from(text)));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(text.to_owned()))
            }
            _ => Err(BadAddress),
        }
    }

    /// Whether somebody is there: connects, and goes again.
    ///
    /// # Errors
    /// `InvalidInput` for a URL that is none, `PermissionDenied` for a handshake that is refused;
    /// else the socket's.
    pub async fn knock(&self, token: Option<&str>) -> io::Result<()> {
        self.open(token).await.map(drop)
    }

    /// Whether frames are lines.
    pub(super) fn is_lines(&self) -> bool {
        !matches!(self, Self::WebSocket(_))
    }

    /// Connects. A token on WebSocket goes into the handshake; on TCP it is the caller's to send.
    ///
    /// # Errors
    /// `InvalidInput` for a URL that is none, `PermissionDenied` for a handshake that is refused;
    /// else the socket's.
    pub(super) async fn open(&self, token: Option<&str>) -> io::Result<Socket> {
        match self {
            Self::Unix(path) => Ok(Socket::Lines(Box::new(UnixStream::connect(path).await?))),
            Self::Tcp(address) => Ok(Socket::Lines(Box::new(tcp(address.as_str()).await?))),
            Self::WebSocket(url) => websocket(url, token).await,
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) | Self::WebSocket(address) => f.write_str(address),
        }
    }
}

async fn tcp(address: impl tokio::net::ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn websocket(url: &str, token: Option<&str>) -> io::Result<Socket> {
    let socket = dial::websocket(url, token).await.map_err(|error| match error {
        DialError::Address(words) => io::Error::new(io::ErrorKind::InvalidInput, words),
        DialError::Nobody(error) => error,
        refused @ DialError::Refused(_) => {
            io::Error::new(io::ErrorKind::PermissionDenied, refused.to_string())
        }
        DialError::Handshake(error) => match *error {
            Error::Io(error) => error,
            error => io::Error::other(error.to_string()),
        },
    })?;
    Ok(Socket::WebSocket(Box::new(socket)))
}
