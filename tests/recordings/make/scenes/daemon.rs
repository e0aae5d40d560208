//! The daemon as a child process that records, and what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::client_async;

use super::client::Client;
use super::pcscd::Pcscd;
use super::{AMPLE, Stage, pause, soon};

/// What stands in every scene's configuration: nothing of the machine that it is played on, and a
/// log that tells of every call.
const HEAD: &str = r#"[log]
level = "debug"
[recording]
directory = "{dir}/recordings"
[device_info]
sn = "KIOSK-0001"
deviceModel = "K1"
appVersion = "1.0.0"
androidVersion = "7.1.2"
deviceIP = "192.0.2.1"
devicedDisplay = "K1-2026.08"
"#;

const LISTEN: &str = r#"[listen]
unix = "{dir}/hharome/bridge.sock"
tcp = "127.0.0.1:0"
http = "127.0.0.1:0"
"#;

/// The reader on a serial line that is a pty at `{dir}/reader`.
pub(super) const READER: &str = "[id_card]\ndriver = \"sam-v-serial\"\nport = \"{dir}/reader\"\n";

/// The scanner on a serial line that is a pty at `{dir}/scanner`.
pub(super) const SCANNER: &str = "[qr_scanner]\ndriver = \"serial\"\nport = \"{dir}/scanner\"\n";

/// A daemon that runs.
pub(super) struct Daemon {
    child: Child,
    folder: PathBuf,
    recording: PathBuf,
    log: watch::Receiver<Vec<String>>,
}

impl Stage {
    /// A daemon with these sections that records from the start. `{dir}` stands for the folder.
    pub(super) async fn start(&self, sections: &str) -> Daemon {
        self.start_with("", sections).await
    }

    /// [`Stage::start`] with further lines in `[listen]`.
    pub(super) async fn start_with(&self, listen: &str, sections: &str) -> Daemon {
        self.spawn(listen, sections, &["--record", &self.name], None).await
    }

    /// [`Stage::start`] with a variable in its environment.
    pub(super) async fn start_beside(
        &self,
        variable: (&'static str, PathBuf),
        sections: &str,
    ) -> Daemon {
        self.spawn("", sections, &["--record", &self.name], Some(variable)).await
    }

    /// A daemon that records nothing yet.
    pub(super) async fn start_unrecorded(&self, sections: &str) -> Daemon {
        self.spawn("", sections, &[], None).await
    }

    /// A daemon at the readers of this service that records from the start.
    pub(super) async fn start_at(&self, service: &Pcscd, sections: &str) -> Daemon {
        self.spawn("", sections, &["--record", &self.name], Some(readers_of(service))).await
    }

    /// A daemon at the readers of this service that records nothing.
    pub(super) async fn start_unrecorded_at(&self, service: &Pcscd, sections: &str) -> Daemon {
        self.spawn("", sections, &[], Some(readers_of(service))).await
    }

    /// The recording's name.
    pub(super) fn recording(&self) -> &str {
        &self.name
    }

    async fn spawn(
        &self,
        listen: &str,
        sections: &str,
        arguments: &[&str],
        variable: Option<(&'static str, PathBuf)>,
    ) -> Daemon {
        write_config(&self.folder, listen, sections);
        let mut child = Command::new(env!("CARGO_BIN_EXE_hharome"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(variable)
            .current_dir(&self.folder)
            .args(["serve", "--config"])
            .arg(self.folder.join("config.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the daemon starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (said, log) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                said.send_modify(|all: &mut Vec<String>| all.push(line));
            }
        });
        let recording = self.folder.join("recordings").join(&self.name);
        let mut daemon = Daemon { child, folder: self.folder.clone(), recording, log };
        daemon.says("listening transport=\"ws\"", 1).await;
        daemon
    }
}

/// How a program finds this PC/SC service.
fn readers_of(service: &Pcscd) -> (&'static str, PathBuf) {
    ("PCSCLITE_CSOCK_NAME", service.socket())
}

fn write_config(folder: &Path, listen: &str, sections: &str) {
    let text = format!("{LISTEN}{listen}{HEAD}{sections}");
    let text = text.replace("{dir}", folder.to_str().expect("UTF-8"));
    fs::write(folder.join("config.toml"), text).expect("the configuration is written");
}

impl Daemon {
    /// Waits until its log has so many lines that hold `words`.
    pub(super) async fn says(&mut self, words: &str, times: usize) {
        let enough =
            |log: &Vec<String>| log.iter().filter(|line| line.contains(words)).count() >= times;
        let said = matches!(timeout(AMPLE, self.log.wait_for(enough)).await, Ok(Ok(_)));
        if !said {
            let log = self.log.borrow().join("\n");
            panic!("the daemon has not said {words:?} {times} times but:\n{log}");
        }
    }

    /// Waits until a device has become ready so many times since the start, and until a person
    /// has seen it.
    pub(super) async fn ready(&mut self, device: &str, times: usize) {
        self.says(&format!("device ready device=\"{device}\""), times).await;
        pause().await;
    }

    /// Waits until so many requests for this action have come since the start.
    pub(super) async fn was_asked(&mut self, action: &str, times: usize) {
        self.says(&format!("request action=\"{action}\""), times).await;
    }

    /// Waits until some client's file holds `words` so many times.
    pub(super) async fn recorded(&self, words: &str, times: usize) {
        let written = || {
            let files = fs::read_dir(&self.recording).expect("the recording").flatten();
            let text: String =
                files.filter_map(|file| fs::read_to_string(file.path()).ok()).collect();
            text.matches(words).count() >= times
        };
        let looks = async {
            // A file tells nobody that it has grown.
            while !written() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(&format!("{words} is recorded {times} times"), looks).await;
    }

    /// A client on its Unix socket.
    pub(super) async fn unix(&self) -> Client {
        let stream =
            soon("unix connects", UnixStream::connect(self.folder.join("hharome/bridge.sock")));
        Client::lines(stream.await.expect("the socket is open"))
    }

    /// A client on its TCP port.
    pub(super) async fn tcp(&self) -> Client {
        let stream = soon("TCP connects", TcpStream::connect(self.address("tcp"))).await;
        Client::lines(stream.expect("the port is open"))
    }

    /// A client on its WebSocket.
    pub(super) async fn ws(&self) -> Client {
        let url = self.address("ws");
        let address = url.strip_prefix("ws://").and_then(|url| url.strip_suffix("/ws"));
        let stream = soon("TCP connects", TcpStream::connect(address.expect("a URL"))).await;
        let shaken = client_async(&url, stream.expect("the port is open"));
        let (socket, _) = soon("the handshake", shaken).await.expect("it is accepted");
        Client::WebSocket(Box::new(socket))
    }

    fn address(&self, transport: &str) -> String {
        let mark = format!("listening transport=\"{transport}\" address=");
        let log = self.log.borrow();
        let line = log.iter().find_map(|line| line.split_once(&mark)).expect("it listens");
        line.1.trim().to_owned()
    }

    /// Works the recorder: `start` or `stop`.
    pub(super) async fn record(&self, verb: &str, name: &str) {
        let params = json!({"do": verb, "name": name});
        let mut client = self.unix().await;
        let reply = client.ask(json!({"call": "bridge.record", "params": params})).await;
        assert_eq!(reply["res"]["success"], true, "{reply}");
        client.leave().await;
    }

    /// Gives it another configuration while it runs, and waits until it has read one so many
    /// times.
    pub(super) async fn reload(&mut self, sections: &str, times: usize) {
        write_config(&self.folder, "", sections);
        self.signal(Signal::HUP);
        self.says("configuration read again", times).await;
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.try_into().expect("a pid")));
        kill_process(pid.expect("it runs"), signal).expect("a signal is sent");
    }

    /// Tells it to stop.
    pub(super) fn tell_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) {
        let status = soon("the daemon ends", self.child.wait()).await.expect("a status");
        assert!(status.success(), "{status}");
    }

    /// Stops it; its recording is whole then.
    pub(super) async fn stop(mut self) {
        self.tell_to_stop();
        self.ended().await;
    }
}
