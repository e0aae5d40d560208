//! The floors: bare tokio servers in processes of their own, started by [`super::process`] with
//! `--floor TRANSPORT ADDRESS DATA`, `--floor relay SOCKET PTY`, `--floor direct SOCKET READER`, which
//! is [`super::direct`], or `--floor sound ADDRESS LISTENERS`, which is [`super::microphone::bare`]. They
//! end by being killed.

use std::borrow::Cow;
use std::io::{self, Write};
use std::process::ExitCode;

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_serial::SerialPortBuilderExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::client::Transport;
use super::direct;
use super::microphone::bare;
use crate::Outcome;

/// The argument that makes this program a floor.
pub(crate) const FLAG: &str = "--floor";

/// The word for the relay.
pub(crate) const RELAY: &str = "relay";

/// The library clears its whole read buffer before every read; its own size, 128 KiB, makes a floor
/// that is too easily passed.
const READ_BUFFER: usize = 4 * 1024;

/// What a request is to an echo: enough to call it parsed.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(rename = "taskId", borrow)]
    task_id: Cow<'a, str>,
    #[serde(default, rename = "params")]
    _params: Value,
}

/// What an echo replies: what the bridge does, to the byte.
#[derive(Serialize)]
struct Reply<'a> {
    action: &'a str,
    event: &'static str,
    success: bool,
    #[serde(rename = "taskId")]
    task_id: &'a str,
    message: &'static str,
    data: &'a DeviceInfo,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceInfo {
    sn: String,
    device_model: String,
    app_version: String,
    android_version: String,
    #[serde(rename = "deviceIP")]
    device_ip: String,
    deviced_display: String,
}

/// The floor's whole life.
pub(crate) fn main(arguments: &[String]) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The bench sees that it has ended; this is for who looks why.
            let _ = writeln!(io::stderr(), "floor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome<()> {
    let [what, address, more] = arguments else { return Err("three arguments".into()) };
    if what == direct::WORD {
        return direct::serve(address, more);
    }
    if what == bare::WORD {
        return bare::serve(address, more);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if what == RELAY {
            return relay(address, more).await;
        }
        let transport = Transport::ALL.into_iter().find(|transport| transport.word() == what);
        // As long as the program, like the configuration of a daemon.
        let data: &'static DeviceInfo = Box::leak(Box::new(serde_json::from_str(more)?));
        match transport.ok_or("no such transport")? {
            Transport::Unix => {
                let listener = UnixListener::bind(address)?;
                loop {
                    tokio::spawn(lines(listener.accept().await?.0, data));
                }
            }
            Transport::Tcp => {
                let listener = TcpListener::bind(address).await?;
                loop {
                    let stream = listener.accept().await?.0;
                    stream.set_nodelay(true)?;
                    tokio::spawn(lines(stream, data));
                }
            }
            Transport::WebSocket => {
                let listener = TcpListener::bind(address).await?;
                loop {
                    let stream = listener.accept().await?.0;
                    stream.set_nodelay(true)?;
                    tokio::spawn(messages(stream, data));
                }
            }
        }
    })
}

/// Serves lines. Replies are written when no further whole request has arrived: at once for one
/// request at a time, together for a pipeline.
async fn lines(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    data: &'static DeviceInfo,
) -> Outcome<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut replies) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        answer(&line, data, &mut replies)?;
        replies.push(b'\n');
        if !stream.buffer().contains(&b'\n') {
            stream.get_mut().write_all(&replies).await?;
            replies.clear();
        }
    }
}

/// Serves text messages, flushing as [`lines`] does: at once after a message that had to be waited
/// for.
async fn messages(stream: TcpStream, data: &'static DeviceInfo) -> Outcome<()> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    let mut streaming = false;
    loop {
        let message = match socket.next().now_or_never() {
            Some(message) => {
                streaming = true;
                message
            }
            None => {
                if std::mem::take(&mut streaming) {
                    socket.flush().await?;
                }
                socket.next().await
            }
        };
        let Some(message) = message else { return Ok(()) };
        let Message::Text(request) = message? else { continue };
        let mut reply = Vec::with_capacity(256);
        answer(request.as_bytes(), data, &mut reply)?;
        socket.feed(Message::text(String::from_utf8(reply)?)).await?;
        if !streaming {
            socket.flush().await?;
        }
    }
}

fn answer(request: &[u8], data: &DeviceInfo, replies: &mut Vec<u8>) -> serde_json::Result<()> {
    let Request { action, task_id, .. } = serde_json::from_slice(request)?;
    let (action, task_id) = (&*action, &*task_id);
    let reply = Reply { action, event: "open", success: true, task_id, message: "成功", data };
    serde_json::to_writer(replies, &reply)
}

/// Writes what comes from a pty to whoever has connected last.
async fn relay(socket: &str, pty: &str) -> Outcome<()> {
    let mut port = tokio_serial::new(pty, 9600).open_native_async()?;
    let listener = UnixListener::bind(socket)?;
    let (mut client, _) = listener.accept().await?;
    let mut chunk = [0; 1024];
    loop {
        let read = port.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        client.write_all(&chunk[..read]).await?;
    }
}
