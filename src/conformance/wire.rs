//! One connection to the target, as a client sees it: text goes in, frames come out, each within a
//! time limit. Everything is noted in the case's [`Transcript`].

use std::io;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::door::Socket;
use super::transcript::Transcript;
use super::{Mismatch, Outcome, check};

/// What is answered at once takes no longer than this on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// A target that sends more than this without a line end sends no frames.
const LONGEST: usize = 64 * 1024 * 1024;

/// An open connection.
pub(super) struct Wire {
    number: u32,
    socket: Socket,
    transcript: Transcript,
    /// Lines: read and not taken yet.
    input: Vec<u8>,
    /// Lines: so much of the input holds no line end.
    seen: usize,
}

/// What comes next on a connection.
pub(super) enum Next {
    /// A frame.
    Frame(String),
    /// The end; on WebSocket with its code, if it had one.
    End(Option<u16>),
    /// The answer to a WebSocket ping.
    Pong,
}

impl Wire {
    /// A connection through `socket`; `number` tells it from the others of its case.
    pub(super) fn new(number: u32, socket: Socket, transcript: Transcript) -> Self {
        Self { number, socket, transcript, input: Vec::new(), seen: 0 }
    }

    /// Sends one frame.
    pub(super) async fn send(&mut self, frame: impl AsRef<str>) -> Outcome {
        let frame = frame.as_ref();
        match &self.socket {
            Socket::Lines(_) => self.bytes(format!("{frame}\n").as_bytes()).await,
            Socket::WebSocket(_) => self.message(Message::text(frame.to_owned())).await,
        }
    }

    /// Sends the token, which no transcript shows.
    pub(super) async fn show_token(&mut self, token: &str) -> Outcome {
        self.transcript.happened(self.number, "the token is sent");
        let line = format!("{}\n", json!({ "token": token }));
        match &mut self.socket {
            Socket::Lines(stream) => {
                let sent = timeout(PATIENCE, stream.write_all(line.as_bytes())).await;
                written(sent.map_err(|_| io::ErrorKind::TimedOut.into()).and_then(|sent| sent))
            }
            Socket::WebSocket(_) => Ok(()),
        }
    }

    /// Sends bytes as they are; lines only.
    pub(super) async fn bytes(&mut self, bytes: &[u8]) -> Outcome {
        self.transcript.said(self.number, bytes);
        let Socket::Lines(stream) = &mut self.socket else { return Err(no_lines()) };
        let sent = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        let sent = timeout(PATIENCE, sent).await;
        written(sent.map_err(|_| io::ErrorKind::TimedOut.into()).and_then(|sent| sent))
    }

    /// Sends a WebSocket message as it is.
    pub(super) async fn message(&mut self, message: Message) -> Outcome {
        let shown = match &message {
            Message::Frame(frame) => frame.payload().to_vec(),
            other => other.clone().into_data().to_vec(),
        };
        self.transcript.said(self.number, &shown);
        let Socket::WebSocket(socket) = &mut self.socket else {
            return Err(Mismatch::NotTried("frames are no messages here".to_owned()));
        };
        let sent = timeout(PATIENCE, socket.send(message)).await;
        let sent = sent.map_err(|_| io::ErrorKind::TimedOut.into());
        written(sent.and_then(|sent| sent.map_err(|error| io::Error::other(error.to_string()))))
    }

    /// What comes next within `limit`; `None` if nothing does.
    pub(super) async fn next_within(&mut self, limit: Duration) -> Result<Option<Next>, Mismatch> {
        let next = match timeout(limit, self.read()).await {
            Ok(next) => next?,
            Err(_) => return Ok(None),
        };
        match &next {
            Next::Frame(frame) => self.transcript.heard(self.number, frame),
            Next::End(_) => self.transcript.happened(self.number, "the target closed"),
            Next::Pong => self.transcript.happened(self.number, "a pong came"),
        }
        Ok(Some(next))
    }

    /// The next frame as text, at the latest after `limit`.
    pub(super) async fn text_within(&mut self, limit: Duration) -> Result<String, Mismatch> {
        match self.next_within(limit).await? {
            Some(Next::Frame(frame)) => Ok(frame),
            Some(Next::End(_)) => Err(Mismatch::wrong("the connection was closed")),
            Some(Next::Pong) => Err(Mismatch::wrong("a pong came, and no frame")),
            None => Err(Mismatch::Wrong(format!("no frame within {limit:?}"))),
        }
    }

    /// The next frame as text.
    pub(super) async fn text(&mut self) -> Result<String, Mismatch> {
        self.text_within(PATIENCE).await
    }

    /// The next frame, which has to be a JSON object.
    pub(super) async fn next(&mut self) -> Result<Value, Mismatch> {
        self.object_within(PATIENCE).await
    }

    /// The same with another time limit.
    pub(super) async fn object_within(&mut self, limit: Duration) -> Result<Value, Mismatch> {
        let text = self.text_within(limit).await?;
        match serde_json::from_str::<Value>(&text) {
            Ok(value) if value.is_object() => Ok(value),
            _ => Err(Mismatch::wrong("a frame is no JSON object")),
        }
    }

    /// Sends one frame and takes the next.
    pub(super) async fn ask(&mut self, frame: impl AsRef<str>) -> Result<Value, Mismatch> {
        self.send(frame).await?;
        self.next().await
    }

    /// Nothing comes for so long.
    pub(super) async fn is_quiet_for(&mut self, time: Duration) -> Outcome {
        match self.next_within(time).await? {
            None => Ok(()),
            Some(Next::Frame(frame)) => {
                let frame = self.transcript.quote(&frame);
                Err(Mismatch::Wrong(format!("nothing should come, and this came: {frame}")))
            }
            Some(Next::End(_)) => Err(Mismatch::wrong("the connection was closed")),
            Some(Next::Pong) => Err(Mismatch::wrong("a pong came without a ping")),
        }
    }

    /// Everything sent so far was taken, and nothing but the answer to this question comes of it:
    /// the connection lives.
    pub(super) async fn settled(&mut self) -> Outcome {
        let id = format!("settled-{}", self.number);
        let reply = self.ask(request("getDeviceInfo", &json!(id), None)).await?;
        let frame = self.transcript.quote(&reply.to_string());
        check(reply["taskId"] == json!(id), || {
            format!("another frame was expected, the reply to {id}, and this came: {frame}")
        })
    }

    /// The target ends the connection; the WebSocket code.
    pub(super) async fn end(&mut self) -> Result<Option<u16>, Mismatch> {
        match self.next_within(PATIENCE).await? {
            Some(Next::End(code)) => Ok(code),
            Some(Next::Frame(_) | Next::Pong) => {
                Err(Mismatch::wrong("something came, and not the end"))
            }
            None => Err(Mismatch::Wrong(format!("the connection is not closed in {PATIENCE:?}"))),
        }
    }

    async fn read(&mut self) -> Result<Next, Mismatch> {
        match &mut self.socket {
            Socket::Lines(stream) => loop {
                if let Some(at) = self.input[self.seen..].iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = self.input.drain(..=self.seen + at).collect();
                    self.seen = 0;
                    let line = String::from_utf8(line)
                        .map_err(|_| Mismatch::wrong("a frame is not UTF-8"))?;
                    return Ok(Next::Frame(line.trim_end_matches(['\r', '\n']).to_owned()));
                }
                self.seen = self.input.len();
                if self.seen > LONGEST {
                    return Err(Mismatch::wrong("64 MiB came without a line end"));
                }
                // What a dropped read has taken is in `input`: nothing is lost to a time limit.
                match stream.read_buf(&mut self.input).await {
                    Ok(1..) => {}
                    Ok(0) if !self.input.is_empty() => {
                        return Err(Mismatch::wrong(
                            "the connection ends in the middle of a frame",
                        ));
                    }
                    Ok(0) | Err(_) => return Ok(Next::End(None)),
                }
            },
            Socket::WebSocket(socket) => loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => return Ok(Next::Frame(text.to_string())),
                    Some(Ok(Message::Binary(_))) => {
                        return Err(Mismatch::wrong("a frame is a binary message, and no text"));
                    }
                    Some(Ok(Message::Close(close))) => {
                        return Ok(Next::End(close.map(|close| close.code.into())));
                    }
                    Some(Ok(Message::Pong(_))) => return Ok(Next::Pong),
                    Some(Ok(Message::Ping(_) | Message::Frame(_))) => {}
                    Some(Err(_)) | None => return Ok(Next::End(None)),
                }
            },
        }
    }
}

/// A request with `event` open.
pub(super) fn request(action: &str, task_id: &Value, params: Option<Value>) -> String {
    let mut frame = json!({ "action": action, "event": "open", "taskId": task_id });
    if let Some(params) = params {
        frame["params"] = params;
    }
    frame.to_string()
}

/// A request with `event` close.
pub(super) fn close(action: &str, task_id: &str) -> String {
    json!({ "action": action, "event": "close", "taskId": task_id }).to_string()
}

fn written(result: io::Result<()>) -> Outcome {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => {
            Mismatch::Wrong(format!("the target takes no bytes for {PATIENCE:?}"))
        }
        _ => Mismatch::Wrong(format!("the connection was closed: {error}")),
    })
}

fn no_lines() -> Mismatch {
    Mismatch::NotTried("frames are no lines here".to_owned())
}
