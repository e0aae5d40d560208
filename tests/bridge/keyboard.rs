//! A scanner that types, as the kernel would show it: the bridge under `umockdev-run`. What stands in
//! the device's file is written here, in the format of evemu.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::fixture::{Client, soon};

/// What is typed: "Ab-9", as a US keyboard has it (linux/input-event-codes.h), and enter.
const TYPED: [(u16, bool); 5] = [(30, true), (48, false), (12, false), (10, false), (28, false)];
const LEFT_SHIFT: u16 = 42;

/// A scanner scans so often, once a second: somebody who listens gets one of them, whenever he comes.
const SCANS: u64 = 60;

/// The daemon as a grandchild, which ends with its parent.
struct Machine {
    parent: Child,
    folder: TempDir,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // umockdev-run is killed with its handle, and its child would be left over.
        let Some(pid) = self.parent.id() else { return };
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for child in children.unwrap_or_default().split_ascii_whitespace() {
            let pid = child.parse().ok().and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

impl Machine {
    fn start(sections: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let events = folder.path().join("events");
        fs::write(&events, scans()).expect("a file");
        let config = folder.path().join("config.toml");
        let listen = format!("[listen]\nunix = \"{}\"\n", socket(folder.path()).display());
        fs::write(&config, listen + sections).expect("a file");
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/umockdev/scanner");
        let of_device = |path: &Path| format!("/dev/input/event7={}", path.display());
        let parent = Command::new("umockdev-run")
            .arg("--device")
            .arg(files.join("device"))
            .arg("--ioctl")
            .arg(of_device(&files.join("ioctl")))
            .arg("--evemu-events")
            .arg(of_device(&events))
            .arg("--")
            .arg(env!("CARGO_BIN_EXE_hharome"))
            .args(["serve", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("umockdev-run is there (scripts/setup.sh installs it)");
        Self { parent, folder }
    }

    async fn client(&self) -> Client {
        let connected = async {
            loop {
                match UnixStream::connect(socket(self.folder.path())).await {
                    Ok(stream) => return stream,
                    // The socket is made by a process that tells nobody here.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        Client::lines(soon("the daemon listens", connected).await)
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("hharome/bridge.sock")
}

fn scans() -> String {
    let mut text = String::from("# EVEMU 1.2\n");
    for scan in 0..SCANS {
        let mut micros = 0;
        let mut key = |code: u16, value: u8| {
            micros += 500;
            let time = format!("{}.{micros:06}", 1000 + scan);
            write!(text, "E: {time} 0001 {code:04X} {value}\nE: {time} 0000 0000 0\n").unwrap();
        };
        for (code, shift) in TYPED {
            if shift {
                key(LEFT_SHIFT, 1);
            }
            key(code, 1);
            key(code, 0);
            if shift {
                key(LEFT_SHIFT, 0);
            }
        }
    }
    text
}

#[tokio::test]
async fn what_a_scanner_types_reaches_a_client_and_counts_as_operation() {
    let event = json!({"channel": "initQRListener", "data": {"qrCode": "Ab-9"}});
    // Not by its path: umockdev's realpath (0.17.16) writes beyond what it has allocated.
    for place in ["Example*Scanner", "1209:c0de"] {
        let section = format!("[qr_scanner]\ndriver = \"evdev\"\nport = \"{place}\"\n");
        let machine = Machine::start(&format!("{section}[timeouts]\noperation = 3000\n"));
        let mut client = machine.client().await;
        client.on("initQRListener").await;
        assert_eq!(client.next().await, event, "{place}");
        if place != "1209:c0de" {
            continue;
        }
        client.send(r#"{"call":"ampeStartOperationWatcher"}"#).await;
        // Longer than the countdown, which every scan starts again.
        let (mut scans, mut answered) = (0, false);
        while scans < 5 {
            let frame = client.next().await;
            if frame["call"].is_string() {
                assert_eq!(frame["res"]["success"], true);
                answered = true;
            } else {
                assert_eq!(frame, event);
                scans += 1;
            }
        }
        assert!(answered);
    }
}
