//! The measuring client: blocking sockets and framing by hand, so that as little as possible of
//! what is measured is the client's own.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;
use tokio_tungstenite::tungstenite;

use super::process::LIMIT;
use crate::Outcome;

/// How frames travel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Lines over a Unix socket.
    Unix,
    /// Lines over TCP.
    Tcp,
    /// Text messages over WebSocket.
    WebSocket,
}

impl Transport {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Unix, Self::Tcp, Self::WebSocket];

    /// The word in the report and on a floor's command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Tcp => "tcp",
            Self::WebSocket => "websocket",
        }
    }
}

/// Where a server is.
pub(crate) enum Address {
    /// Lines.
    Unix(PathBuf),
    /// Lines.
    Tcp(SocketAddr),
    /// WebSocket at `/ws`.
    WebSocket(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) | Self::WebSocket(address) => address.fmt(f),
        }
    }
}

/// One connection.
pub(crate) struct Client {
    stream: Stream,
    masked: bool,
    input: Vec<u8>,
    /// What of `input` has been given out.
    taken: usize,
}

impl Client {
    /// Connects; no operation on it blocks for longer than [`LIMIT`].
    pub(crate) fn connect(address: &Address) -> Outcome<Self> {
        let (stream, masked) = match address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(LIMIT))?;
                stream.set_write_timeout(Some(LIMIT))?;
                (Stream::Unix(stream), false)
            }
            Address::Tcp(address) => (Stream::Tcp(tcp(*address)?), false),
            Address::WebSocket(address) => {
                let handshake = tungstenite::client(format!("ws://{address}/ws"), tcp(*address)?);
                let (socket, _) = handshake.map_err(|error| error.to_string())?;
                // Nothing is sent before the client has spoken, so nothing can have been read yet.
                (Stream::Tcp(socket.get_ref().try_clone()?), true)
            }
        };
        Ok(Self { stream, masked, input: Vec::new(), taken: 0 })
    }

    /// One request and its reply, parsed.
    pub(crate) fn ask(&mut self, request: &str) -> Outcome<Value> {
        let frame = self.frame(request);
        self.send(&frame)?;
        Ok(serde_json::from_slice(self.receive()?)?)
    }

    /// `text` as it goes over this connection.
    pub(crate) fn frame(&self, text: &str) -> Vec<u8> {
        if !self.masked {
            return format!("{text}\n").into_bytes();
        }
        // RFC 6455, section 5.2; a client's frames are masked.
        const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
        let mut frame = vec![0x81];
        match u8::try_from(text.len()) {
            Ok(short) if short < 126 => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 126);
                // Requests are below 64 KiB.
                frame.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// Writes frames, as [`Client::frame`] makes them.
    pub(crate) fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        self.stream.write_all(frames)
    }

    /// The next frame's text.
    pub(crate) fn receive(&mut self) -> io::Result<&[u8]> {
        let masked = self.masked;
        self.take(|input| framed(input, masked))
    }

    /// What comes before the next `end`.
    pub(crate) fn receive_until(&mut self, end: u8) -> io::Result<&[u8]> {
        self.take(|input| line(input, end))
    }

    /// Another handle on the same connection, for writing while this one reads.
    pub(crate) fn writer(&self) -> io::Result<impl Write + Send + 'static> {
        self.stream.try_clone()
    }

    /// Reads once what has come, and waits for something to come.
    pub(crate) fn read_more(&mut self) -> io::Result<()> {
        self.input.drain(..self.taken);
        self.taken = 0;
        let mut chunk = [0; 32 * 1024];
        let read = self.stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.input.extend_from_slice(&chunk[..read]);
        Ok(())
    }

    /// The next frame's text of what has been read.
    pub(crate) fn next_read(&mut self) -> Option<&[u8]> {
        let masked = self.masked;
        let [start, end] = self.place(&|input| framed(input, masked))?;
        Some(&self.input[start..end])
    }

    /// Takes what `find` finds at the beginning of the input: where its text begins and ends, and
    /// where what follows it begins.
    fn take(&mut self, find: impl Fn(&[u8]) -> Option<[usize; 3]>) -> io::Result<&[u8]> {
        let [start, end] = loop {
            if let Some(place) = self.place(&find) {
                break place;
            }
            self.read_more()?;
        };
        Ok(&self.input[start..end])
    }

    fn place(&mut self, find: &impl Fn(&[u8]) -> Option<[usize; 3]>) -> Option<[usize; 2]> {
        let from = self.taken;
        let [start, end, next] = find(&self.input[from..])?;
        self.taken += next;
        Some([from + start, from + end])
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tcp(stream) => stream.as_fd(),
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// A frame of a transport with messages, or with lines.
fn framed(input: &[u8], messages: bool) -> Option<[usize; 3]> {
    if messages { message(input) } else { line(input, b'\n') }
}

fn line(input: &[u8], end: u8) -> Option<[usize; 3]> {
    let end = input.iter().position(|byte| *byte == end)?;
    Some([0, end, end + 1])
}

/// A server's message: not masked, and here below 64 KiB.
fn message(input: &[u8]) -> Option<[usize; 3]> {
    let (start, length) = match input {
        [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        [_, 126, ..] => return None,
        [_, short, ..] => (2, usize::from(*short)),
        _ => return None,
    };
    (input.len() >= start + length).then_some([start, start + length, start + length])
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
        })
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buf),
            Self::Tcp(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(buf),
            Self::Tcp(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
