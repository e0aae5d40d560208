//! A program that talks to the daemon.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::soon;

/// A client that sees frames.
pub(super) enum Client {
    /// A frame a line.
    Lines(BufReader<Box<dyn Stream>>),
    /// A frame a text message.
    WebSocket(Box<WebSocketStream<TcpStream>>),
}

/// A line's two directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// `getIDCardInfo` of a task, all fields.
pub(super) fn card(task: impl Into<Value>) -> Value {
    action("getIDCardInfo", task)
}

/// `getQRCode` of a task.
pub(super) fn code(task: impl Into<Value>) -> Value {
    action("getQRCode", task)
}

/// An action with empty params.
pub(super) fn action(name: &str, task: impl Into<Value>) -> Value {
    json!({"action": name, "event": "open", "taskId": task.into(), "params": {}})
}

/// Ends all calls of an action.
pub(super) fn close(name: &str, task: &str) -> Value {
    json!({"action": name, "event": "close", "taskId": task, "params": {}})
}

/// One of the daemon's own calls.
pub(super) fn call(name: &str, params: &Value) -> Value {
    json!({"call": name, "params": params, "id": 1})
}

/// Works a simulated device.
pub(super) fn simulate(device: &str, verb: &str, key: &str, value: &str) -> Value {
    call("bridge.simulate", &json!({"device": device, "do": verb, key: value}))
}

impl Client {
    /// A frame a line, over any stream.
    pub(super) fn lines(stream: impl Stream + 'static) -> Self {
        Self::Lines(BufReader::new(Box::new(stream)))
    }

    /// Sends one frame.
    pub(super) async fn send(&mut self, frame: Value) {
        self.raw(frame.to_string().as_bytes()).await;
    }

    /// Sends these bytes as one frame.
    pub(super) async fn raw(&mut self, frame: &[u8]) {
        match self {
            Self::Lines(lines) => {
                let sent = soon("bytes are sent", lines.write_all(&[frame, b"\n"].concat())).await;
                sent.expect("the daemon is there");
            }
            Self::WebSocket(socket) => {
                let text = std::str::from_utf8(frame).expect("UTF-8");
                let sent = soon("a message is sent", socket.send(Message::text(text))).await;
                sent.expect("the daemon is there");
            }
        }
    }

    /// Sends a message of WebSocket as it is.
    pub(super) async fn message(&mut self, message: Message) {
        let Self::WebSocket(socket) = self else { panic!("no WebSocket") };
        soon("a message is sent", socket.send(message)).await.expect("the daemon is there");
    }

    /// Sends a text message of WebSocket that is no UTF-8, which the library would refuse to.
    pub(super) async fn no_utf8(&mut self) {
        let Self::WebSocket(socket) = self else { panic!("no WebSocket") };
        // RFC 6455, 5.2: a whole, masked text frame of two bytes; the mask is zero.
        let frame = [0x81, 0x82, 0, 0, 0, 0, 0xD5, 0xC5];
        let sent = soon("bytes are sent", socket.get_mut().write_all(&frame)).await;
        sent.expect("the daemon is there");
    }

    /// The next frame.
    pub(super) async fn next(&mut self) -> Value {
        let text = soon("a frame", self.read()).await.expect("a frame and not the end");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Sends one frame and takes the next one.
    pub(super) async fn ask(&mut self, frame: Value) -> Value {
        self.send(frame).await;
        self.next().await
    }

    /// Opens a channel; its first event, where it has one, comes next.
    pub(super) async fn on(&mut self, channel: &str) {
        let reply = self.ask(json!({"on": channel})).await;
        assert_eq!((&reply["on"], &reply["success"]), (&json!(channel), &json!(true)), "{reply}");
    }

    /// The next frame, which has to be the success of a call.
    pub(super) async fn succeeds(&mut self) -> Value {
        let reply = self.next().await;
        assert_eq!(reply["success"], true, "{reply}");
        reply
    }

    /// The next frame, which has to be a failure with this message.
    pub(super) async fn fails(&mut self, message: &str) {
        let reply = self.next().await;
        assert_eq!((&reply["success"], &reply["message"]), (&json!(false), &json!(message)));
    }

    /// The next frame, which has to be a failure of this kind.
    pub(super) async fn fails_as(&mut self, kind: &str) {
        let reply = self.next().await;
        let error = if reply["res"].is_null() { &reply["data"] } else { &reply["res"]["data"] };
        assert_eq!(error["error"]["kind"], kind, "{reply}");
    }

    /// The next frame, which has to be an event of this channel.
    pub(super) async fn hears(&mut self, channel: &str) -> Value {
        let event = self.next().await;
        assert_eq!(event["channel"], channel, "{event}");
        event
    }

    /// Reads to the end; how many frames came until then.
    pub(super) async fn rest(&mut self) -> usize {
        let mut frames = 0;
        while soon("a frame or the end", self.read()).await.is_some() {
            frames += 1;
        }
        frames
    }

    /// Finishes, and waits until the daemon has let go.
    pub(super) async fn leave(mut self) {
        match &mut self {
            Self::Lines(lines) => {
                soon("the end is sent", lines.shutdown()).await.expect("the daemon is there");
            }
            Self::WebSocket(socket) => {
                soon("the end is sent", socket.close()).await.expect("the daemon is there");
            }
        }
        self.rest().await;
    }

    async fn read(&mut self) -> Option<String> {
        match self {
            Self::Lines(lines) => {
                let mut line = String::new();
                match lines.read_line(&mut line).await {
                    // A line that breaks off is the end, too.
                    Ok(_) => line.strip_suffix('\n').map(str::to_owned),
                    Err(_) => None,
                }
            }
            Self::WebSocket(socket) => loop {
                match socket.next().await? {
                    Ok(Message::Text(text)) => return Some(text.to_string()),
                    Ok(Message::Close(_)) | Err(_) => return None,
                    Ok(_) => {}
                }
            },
        }
    }
}
