//! The daemon as a child process with a folder of its own, and its clients.
//!
//! Every test starts its own [`Daemon`]; dropping it kills the process and removes the folder.
//! Nothing of the caller's environment reaches it but `PATH`.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Ample for anything on a slow, busy machine; only failures take that long.
pub(crate) const AMPLE: Duration = Duration::from_secs(60);

/// The outcome of `future`, or a failure that says what was waited for.
pub(crate) async fn within<F: Future>(limit: Duration, what: &str, future: F) -> F::Output {
    match timeout(limit, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("not within {limit:?}: {what}"),
    }
}

/// [`within`] the ample time.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    within(AMPLE, what, future).await
}

/// The program with an environment of its own, in `folder`.
pub(crate) fn hharome(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hharome"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("XDG_RUNTIME_DIR", folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The program run to its end: exit code, stdout, stderr.
pub(crate) async fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    finish(hharome(folder).args(arguments)).await
}

/// A command run to its end: exit code, stdout, stderr.
pub(crate) async fn finish(command: &mut Command) -> (i32, String, String) {
    let output = soon("the program ends", command.output()).await.expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    folder: TempDir,
    log: watch::Receiver<Vec<String>>,
}

impl Daemon {
    /// A daemon whose `[listen]` has all three transports and further lines, and whose other
    /// sections are `sections`. `{dir}` in both stands for its folder.
    pub(crate) async fn start(listen: &str, sections: &str) -> Self {
        Self::start_in(TempDir::new().expect("a folder"), listen, sections).await
    }

    /// A daemon as every program without hardware has it.
    pub(crate) async fn simulated() -> Self {
        let sections = "[id_card]\ndriver = \"simulated\"\n[qr_scanner]\ndriver = \"simulated\"\n";
        Self::start("", sections).await
    }

    /// [`Daemon::start`] in a folder that is there already.
    pub(crate) async fn start_in(folder: TempDir, listen: &str, sections: &str) -> Self {
        Self::start_with(folder, listen, sections, &[]).await
    }

    /// [`Daemon::start`] in a folder that is there already, with more in its environment.
    pub(crate) async fn start_with(
        folder: TempDir,
        listen: &str,
        sections: &str,
        environment: &[(&str, &Path)],
    ) -> Self {
        write_config(folder.path(), listen, sections);
        let mut command = hharome(folder.path());
        command.envs(environment.iter().copied());
        Self::begin(folder, command).await
    }

    /// A daemon by this command, with the configuration that is in its folder.
    pub(crate) async fn begin(folder: TempDir, mut command: Command) -> Self {
        command.arg("serve").arg("--config").arg(folder.path().join("config.toml"));
        let mut child = command.spawn().expect("the daemon starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (said, log) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                said.send_modify(|all: &mut Vec<String>| all.push(line));
            }
        });
        let mut daemon = Self { child, folder, log };
        for transport in ["unix", "tcp", "ws"] {
            daemon.said(&format!("listening transport=\"{transport}\"")).await;
        }
        daemon
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder().join("hharome/bridge.sock")
    }

    /// Its TCP address.
    pub(crate) fn tcp(&self) -> SocketAddr {
        self.address("tcp").parse().expect("an address")
    }

    /// Its HTTP address.
    pub(crate) fn http(&self) -> SocketAddr {
        let url = self.address("ws");
        let address = url.strip_prefix("ws://").and_then(|url| url.strip_suffix("/ws"));
        address.expect("a URL").parse().expect("an address")
    }

    fn address(&self, transport: &str) -> String {
        let mark = format!("listening transport=\"{transport}\" address=");
        let log = self.log.borrow();
        let line = log.iter().find_map(|line| line.split_once(&mark)).expect("it listens");
        line.1.trim().to_owned()
    }

    /// The first line of its log that holds `words`.
    pub(crate) async fn said(&mut self, words: &str) -> String {
        let holds = |log: &Vec<String>| log.iter().any(|line| line.contains(words));
        let found = match timeout(AMPLE, self.log.wait_for(holds)).await {
            Ok(Ok(log)) => log.iter().find(|line| line.contains(words)).cloned(),
            Ok(Err(_)) | Err(_) => None,
        };
        found.unwrap_or_else(|| {
            panic!("the daemon never said {words:?} but:\n{}", self.log().join("\n"))
        })
    }

    /// All lines of its log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().expect("a pid"));
        kill_process(pid.expect("a pid"), signal).expect("a signal is sent");
    }

    /// Writes its configuration anew.
    pub(crate) fn rewrite(&self, listen: &str, sections: &str) {
        write_config(self.folder(), listen, sections);
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        soon("the daemon ends", self.child.wait()).await.expect("a status")
    }

    /// A client on its Unix socket.
    pub(crate) async fn unix(&self) -> Client {
        let stream = soon("unix connects", UnixStream::connect(self.socket())).await;
        Client::lines(stream.expect("the socket is open"))
    }

    /// A client on its TCP port.
    pub(crate) async fn tcp_client(&self) -> Client {
        let stream = soon("TCP connects", TcpStream::connect(self.tcp())).await;
        Client::lines(stream.expect("the port is open"))
    }

    /// A client on its WebSocket.
    pub(crate) async fn ws(&self) -> Client {
        let stream = soon("TCP connects", TcpStream::connect(self.http())).await;
        let url = format!("ws://{}/ws", self.http());
        let shaken = client_async(url, stream.expect("the port is open"));
        let (socket, _) = soon("the handshake", shaken).await.expect("it is accepted");
        Client::WebSocket(Box::new(socket))
    }

    /// What `bridge.status` says of a device, once it is as `wanted`.
    pub(crate) async fn device(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut client = self.unix().await;
        let asked = async {
            loop {
                let status = client.ask(r#"{"call":"bridge.status"}"#).await;
                let devices = status["res"]["data"]["devices"].as_array().expect("a list").clone();
                let device = devices.into_iter().find(|device| device["device"] == name);
                let device = device.expect("it is listed");
                if wanted(&device) {
                    return device;
                }
                tokio::task::yield_now().await;
            }
        };
        soon(&format!("{name} is as wanted"), asked).await
    }

    /// Waits until a device is ready.
    pub(crate) async fn ready(&self, name: &str) {
        self.device(name, |device| device["state"] == "ready").await;
    }

    /// Works a simulated device.
    pub(crate) async fn simulate(&self, params: Value) {
        let call = serde_json::json!({"call": "bridge.simulate", "params": params});
        let reply = self.unix().await.ask(&call.to_string()).await;
        assert_eq!(reply["res"]["success"], true, "{reply}");
    }
}

/// Writes `config.toml`.
pub(crate) fn write_config(folder: &Path, listen: &str, sections: &str) {
    let head = "[listen]\nunix = \"{dir}/hharome/bridge.sock\"\ntcp = \"127.0.0.1:0\"\n\
                http = \"127.0.0.1:0\"\n";
    let text = format!("{head}{listen}\n{sections}");
    let text = text.replace("{dir}", folder.to_str().expect("UTF-8"));
    std::fs::write(folder.join("config.toml"), text).expect("the configuration is written");
}

/// A line's two directions.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A client that sees frames.
pub(crate) enum Client {
    /// A frame a line.
    Lines(Box<LinesClient>),
    /// A frame a text message.
    WebSocket(Box<WebSocketStream<TcpStream>>),
}

/// The stream of a client with lines.
pub(crate) struct LinesClient(BufReader<Box<dyn Stream>>);

impl Client {
    /// A frame a line, over any stream.
    pub(crate) fn lines(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::Lines(Box::new(LinesClient(BufReader::new(Box::new(stream)))))
    }

    /// Sends one frame.
    pub(crate) async fn send(&mut self, frame: &str) {
        match self {
            Self::Lines(_) => self.bytes(format!("{frame}\n").as_bytes()).await,
            Self::WebSocket(socket) => {
                let sent = socket.send(Message::text(frame.to_owned()));
                soon("a message is sent", sent).await.expect("the daemon is there");
            }
        }
    }

    /// Sends bytes as they are; lines only.
    pub(crate) async fn bytes(&mut self, bytes: &[u8]) {
        self.try_bytes(bytes).await.expect("the daemon is there");
    }

    /// [`Client::bytes`] to a daemon that may have closed.
    pub(crate) async fn try_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let Self::Lines(lines) = self else { panic!("no lines") };
        soon("bytes are sent", lines.0.get_mut().write_all(bytes)).await
    }

    /// Closes this direction; lines only.
    pub(crate) async fn finish_sending(&mut self) {
        let Self::Lines(lines) = self else { panic!("no lines") };
        soon("the end is sent", lines.0.get_mut().shutdown()).await.expect("the daemon is there");
    }

    /// The next frame as it came; `None` at the end.
    pub(crate) async fn text(&mut self) -> Option<String> {
        soon("a frame", self.read()).await
    }

    async fn read(&mut self) -> Option<String> {
        match self {
            Self::Lines(lines) => {
                let mut line = String::new();
                match lines.0.read_line(&mut line).await {
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

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        let text = self.text().await.expect("a frame and not the end");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Sends one frame and takes the next one.
    pub(crate) async fn ask(&mut self, frame: &str) -> Value {
        self.send(frame).await;
        self.next().await
    }

    /// Opens a channel.
    pub(crate) async fn on(&mut self, channel: &str) {
        let reply = self.ask(&format!(r#"{{"on":"{channel}"}}"#)).await;
        let yes = serde_json::json!({"on": channel, "success": true, "message": "成功"});
        assert_eq!(reply, yes);
    }

    /// Whether all that the daemon has said so far was taken: it answers a request of ours next.
    pub(crate) async fn nothing_came(&mut self) {
        let reply = self.ask(r#"{"call":"bridge.status","id":"is there anything?"}"#).await;
        assert_eq!(reply["id"], "is there anything?", "{reply}");
    }

    /// Reads to the end; the frames until then.
    pub(crate) async fn rest(&mut self) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(frame) = self.text().await {
            frames.push(frame);
        }
        frames
    }
}

/// The kind of a failure.
pub(crate) fn kind(reply: &Value) -> &str {
    assert_eq!(reply["success"], false, "{reply}");
    let message = reply["message"].as_str().expect("a message");
    assert!(!message.is_ascii() && !message.is_empty(), "no Chinese: {reply}");
    assert!(reply["data"]["error"]["detail"].is_string(), "{reply}");
    reply["data"]["error"]["kind"].as_str().expect("a kind")
}
