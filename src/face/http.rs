//! The port of an integrator's own face engine: JSON over HTTP on this machine (docs/face-engine.md).
//!
//! Opening it gives a line of [packets](super::wire); behind it stands a task that ends with the line.
//! Each request is a connection of its own, so that nothing of one person is left for the next. It has no
//! time limit: the driver lets go of the line, and with that of the request.

use std::future::{Future, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hharome_hardware::device::Trouble;
use hharome_hardware::port::packets::Packets;
use hharome_hardware::port::served::ServedLine;
use hharome_hardware::port::{BoxedLine, Opening, Port};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::MOST_ANSWER;
use super::wire::{Said, Task, Tell};

/// Bytes that may be under way on the line.
const LINE_BUFFER: usize = 64 * 1024;

/// How long a connection on this machine may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How soon an engine that is not there is looked for again.
const RETRY: Duration = Duration::from_secs(2);

/// Where an engine is: `http://127.0.0.1:8600/face`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineUrl {
    host: String,
    port: u16,
    /// Without a `/` at its end.
    path: String,
}

impl EngineUrl {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("http://").ok_or("does not begin with http://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| "has no port after its colon")?)
            }
            _ => (authority, 80),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        if !["127.0.0.1", "localhost", "[::1]"].contains(&host) {
            return Err("is not on this machine");
        }
        if port == 0 || !path.bytes().all(plain) {
            return Err("has a path or port that no engine has");
        }
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { host: host.to_owned(), port, path })
    }

    fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl std::fmt::Display for EngineUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.path)
    }
}

/// An engine behind HTTP.
pub struct HttpEngine {
    url: EngineUrl,
    kept: Arc<Mutex<Bytes>>,
}

impl HttpEngine {
    /// The engine there.
    #[must_use]
    pub fn new(url: EngineUrl) -> Self {
        Self { url, kept: Arc::new(Mutex::new(Bytes::from_static(b"{}"))) }
    }
}

impl Port for HttpEngine {
    fn open(&mut self, _: u32) -> Opening<'_> {
        let (near, far) = tokio::io::duplex(LINE_BUFFER);
        tokio::spawn(serve(far, self.url.clone(), Arc::clone(&self.kept)));
        Box::pin(ready(Ok(Box::new(ServedLine(near)) as BoxedLine)))
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        // One that has failed is there, and only asked when somebody asks.
        let is_absent = matches!(trouble, Trouble::Absent { .. });
        Box::pin(sleep(if is_absent { RETRY } else { Duration::ZERO }))
    }
}

/// The far side of an open line. Ends with the line.
async fn serve(mut line: DuplexStream, url: EngineUrl, kept: Arc<Mutex<Bytes>>) {
    let hello = match connect(&url).await {
        Ok(_) => Said::Ready(kept.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        Err(words) => Said::Absent(words),
    };
    let (mut packets, mut chunk) = (Packets::default(), [0; 4096]);
    let mut say = Some(hello);
    loop {
        if let Some(said) = say.take()
            && line.write_all(&said.packet()).await.is_err()
        {
            return;
        }
        while let Ok(Some(packet)) = packets.next_packet() {
            match Tell::of(&packet) {
                Some(Tell::Keep(json)) => {
                    *kept.lock().unwrap_or_else(PoisonError::into_inner) = json;
                }
                Some(Tell::Ask(task, json)) => {
                    tokio::select! {
                        biased;
                        // The driver says nothing before it has its answer.
                        _ = line.read(&mut chunk) => return,
                        said = ask(&url, task, json) => say = Some(said),
                    }
                }
                None => return,
            }
        }
        if say.is_some() {
            continue;
        }
        match line.read(&mut chunk).await {
            Ok(read) if read > 0 => packets.push(chunk.get(..read).unwrap_or_default()),
            Ok(_) | Err(_) => return,
        }
    }
}

async fn connect(url: &EngineUrl) -> Result<TcpStream, String> {
    let host = url.host.trim_matches(['[', ']']);
    let told = |words: &str| format!("{url}: {words}; start the face engine, or set [face] url");
    match timeout(CONNECT, TcpStream::connect((host, url.port))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(told("nobody listens there"))
        }
        Ok(Err(error)) => Err(told(&error.kind().to_string())),
        Err(_) => Err(told("no connection within 2 s")),
    }
}

/// One request and its answer.
async fn ask(url: &EngineUrl, task: Task, json: Bytes) -> Said {
    let stream = match connect(url).await {
        Ok(stream) => stream,
        Err(words) => return Said::Absent(words),
    };
    match exchange(stream, url, task, json).await {
        Ok((status, body)) => Said::Answer(status, body),
        Err(words) => Said::Failed(format!("{url}/{}: {words}", task.word())),
    }
}

async fn exchange(
    stream: TcpStream,
    url: &EngineUrl,
    task: Task,
    json: Bytes,
) -> Result<(u16, Bytes), String> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| told(&error))?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/{}", url.path, task.word()))
        .header(HOST, url.authority())
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header(CONNECTION, "close")
        .body(Full::new(json))
        .map_err(|_| "the request cannot be made".to_owned())?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| told(&error))?;
        let status = response.status().as_u16();
        Ok((status, whole(response.into_body()).await?))
    };
    let mut connection = std::pin::pin!(connection);
    let mut answered = std::pin::pin!(answered);
    tokio::select! {
        biased;
        answer = &mut answered => answer,
        // Whatever has come is answered or complained of by the other.
        _ = &mut connection => answered.await,
    }
}

/// The whole body of an answer, which may have no end.
async fn whole(mut body: Incoming) -> Result<Bytes, String> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| told(&error))?;
        if let Some(data) = frame.data_ref() {
            if all.len() + data.len() > MOST_ANSWER {
                return Err(format!("the answer has more than {MOST_ANSWER} bytes"));
            }
            all.extend_from_slice(data);
        }
    }
    Ok(all.freeze())
}

/// What is wrong, without anything that the engine has said.
fn told(error: &hyper::Error) -> String {
    if error.is_parse() {
        "the answer is no HTTP".to_owned()
    } else if error.is_incomplete_message() {
        "the connection was closed before the answer had come".to_owned()
    } else {
        "the connection broke".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_on_this_machine() {
        for (text, shown) in [
            ("http://127.0.0.1:8600", "http://127.0.0.1:8600"),
            ("http://localhost/face/", "http://localhost:80/face"),
            ("http://[::1]:1/a/b", "http://[::1]:1/a/b"),
            ("http://[::1]", "http://[::1]:80"),
        ] {
            assert_eq!(EngineUrl::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "127.0.0.1:8600",
            "https://127.0.0.1",
            "http://example.org/",
            "http://127.0.0.1.example.org",
            "http://user@127.0.0.1/",
            "http://127.0.0.1:x/",
            "http://127.0.0.1:0/",
            "http://127.0.0.1:70000/",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/?a",
        ] {
            assert!(EngineUrl::parse(text).is_err(), "{text}");
        }
    }
}
