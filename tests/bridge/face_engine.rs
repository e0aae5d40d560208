//! A face engine over HTTP, written from docs/face-engine.md and sharing no code with the daemon: it answers
//! what it is told to, as bytes, and keeps what it was asked. The recordings are made with it, too.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What comes of a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These bytes, and the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, and then nothing for as long as anybody waits.
    Hangs(Vec<u8>),
    /// These bytes again and again.
    Endless(Vec<u8>),
}

impl Reply {
    /// An answer with this status and JSON.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        let head = format!(
            "HTTP/1.1 {status} Any\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Self::Bytes(format!("{head}{body}").into_bytes())
    }
}

/// Ample for anything on a slow, busy machine; only failures take that long.
const AMPLE: Duration = Duration::from_secs(60);

type Script = dyn Fn(&str, usize) -> Reply + Send + Sync;

/// A running engine; dropping it closes its port.
pub(crate) struct FaceEngine {
    address: SocketAddr,
    asked: watch::Sender<Vec<(String, Value)>>,
    script: Arc<Mutex<Arc<Script>>>,
    serving: JoinHandle<()>,
}

impl FaceEngine {
    /// One that answers by the word of a request and how often that was asked before.
    pub(crate) async fn start(
        script: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = "127.0.0.1:0".parse().expect("an address");
        Self::start_at(address, script).await
    }

    /// The same at an address.
    pub(crate) async fn start_at(
        address: SocketAddr,
        script: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = watch::Sender::new(Vec::new());
        let script: Arc<Mutex<Arc<Script>>> = Arc::new(Mutex::new(Arc::new(script)));
        let (heard, scripts) = (asked.clone(), Arc::clone(&script));
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a client");
                let (heard, script) = (heard.clone(), Arc::clone(&scripts));
                tokio::spawn(serve(stream, heard, script));
            }
        });
        Self { address, asked, script, serving }
    }

    /// Answers so from now on.
    pub(crate) fn answers(&self, script: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) {
        *self.script.lock().expect("it is whole") = Arc::new(script);
    }

    /// The lines of the configuration.
    pub(crate) fn section(&self) -> String {
        let address = self.address;
        format!("[face]\ndriver = \"http\"\nurl = \"http://{address}/face\"\n")
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked so far: words and JSON.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.borrow().clone()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn was_asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        let enough = asked.wait_for(|asked| asked.len() >= times);
        timeout(AMPLE, enough).await.expect("the engine is asked").expect("it runs");
    }
}

impl Drop for FaceEngine {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    asked: watch::Sender<Vec<(String, Value)>>,
    script: Arc<Mutex<Arc<Script>>>,
) {
    let Some((word, json)) = request(&mut stream).await else { return };
    let before = asked.borrow().iter().filter(|(known, _)| *known == word).count();
    asked.send_modify(|asked| asked.push((word.clone(), json)));
    let script = Arc::clone(&script.lock().expect("it is whole"));
    // The daemon may have had enough at any time.
    match script(&word, before) {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Reply::Hangs(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.read(&mut [0; 1]).await;
        }
        Reply::Endless(bytes) => while stream.write_all(&bytes).await.is_ok() {},
    }
}

/// A request's last word and JSON; `None` of a connection on which nothing is asked.
async fn request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
    let word = head.strip_prefix("POST /face/").and_then(|rest| rest.split_once(" HTTP/1.1\r\n"));
    let (word, headers) = word.expect("a POST to the engine's path");
    let headers = headers.to_lowercase();
    let value = |name: &str| {
        let line = headers.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} {headers}")).trim().to_owned()
    };
    assert_eq!(value("content-type:"), "application/json; charset=utf-8");
    assert!(value("host:").starts_with("127.0.0.1:"));
    let length: usize = value("content-length:").parse().expect("a length");
    while bytes.len() < end + length {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
    }
    Some((word.to_owned(), serde_json::from_slice(&bytes[end..]).expect("JSON")))
}

/// Ample, and no more: what hangs is to be found out in a test, not in a minute.
pub(crate) const SHORT: Duration = Duration::from_millis(400);
