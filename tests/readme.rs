//! The documents against the code: README.md, README.zh-CN.md and ARCHITECTURE.md say what is true,
//! and the README's requests by hand work as they stand there.

#![expect(clippy::expect_used, clippy::panic, reason = "whatever goes wrong in a test fails it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hharome::bridge::Clock;
use hharome::config::Config;
use hharome::devices::Devices;
use hharome::outside::Outside;
use hharome::panel::watch::Watch;
use hharome::recording::recorder::Recorder;
use hharome_protocol::action::{ACTIONS, CALLS, CHANNELS, ENVELOPE_CALL};
use hharome_protocol::bridge;
use serde_json::Value;
use tempfile::TempDir;

/// Each README with its words for "there" and "not there".
const READMES: [(&str, &str, &str); 2] =
    [("README.md", "works", "not yet"), ("README.zh-CN.md", "可用", "尚未支持")];

/// Ample on a slow, busy machine; only failures take that long.
const AMPLE: Duration = Duration::from_secs(60);

/// Stands in front of each shell block that is run here.
const TRIED: &str = "<!-- tried by tests/readme.rs -->\n```sh\n";

/// A file of this repository.
fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Name to state, of every row of a table that begins with a name and a state.
fn states(readme: &str, works: &str, not_yet: &str) -> BTreeMap<String, bool> {
    let mut states = BTreeMap::new();
    for line in text(readme).lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, state, ..] = cells[..] else { continue };
        let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else {
            continue;
        };
        if state != works && state != not_yet {
            continue;
        }
        let twice = states.insert(name.to_owned(), state == works);
        assert!(twice.is_none(), "{readme}: {name} stands twice");
    }
    states
}

#[tokio::test]
async fn the_readmes_tell_of_every_action_channel_and_call_whether_it_works() {
    let router = hharome::actions::router();
    let devices = Arc::new(Devices::start(&Config::default(), Outside::Kiosk(Recorder::default())));
    let channels = hharome::actions::channels(&devices, &Watch::default(), Clock::now());
    let served: BTreeSet<&str> =
        router.served_actions().chain(router.served_calls()).chain(channels.names()).collect();
    let all = ACTIONS.iter().map(|action| action.name);
    let all = all.chain(CHANNELS.iter().chain(&bridge::CHANNELS).map(|channel| channel.name));
    let all = all.chain(CALLS).chain([ENVELOPE_CALL]);
    let truth: BTreeMap<String, bool> =
        all.map(|name| (name.to_owned(), served.contains(name))).collect();
    for (readme, works, not_yet) in READMES {
        assert_eq!(states(readme, works, not_yet), truth, "{readme}");
    }
}

#[test]
fn the_code_map_names_every_source_file_and_no_other() {
    let page = text("ARCHITECTURE.md");
    let map = page.split("## Code map\n").nth(1).and_then(|map| map.split("\n## ").next());
    let mut mapped = BTreeSet::new();
    for block in map.expect("a chapter Code map").split("```text\n").skip(1) {
        for line in block.split("```").next().unwrap_or_default().lines() {
            let path = line.split_whitespace().next().expect("no empty line in a map");
            assert!(root().join(path).exists(), "ARCHITECTURE.md: {path} is not there");
            assert!(mapped.insert(path.to_owned()), "ARCHITECTURE.md: {path} stands twice");
        }
    }
    let mut files = Vec::new();
    for folder in ["src", "protocol/src", "hardware/src"] {
        source_files(&root().join(folder), &mut files);
    }
    assert!(files.len() > 50, "the sources were not found");
    for file in files {
        let path = file.strip_prefix(root()).expect("below the root").display().to_string();
        assert!(mapped.contains(&path), "ARCHITECTURE.md: {path} is not in the code map");
    }
}

/// All Rust files below `folder` but those that only test.
fn source_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if stem == "tests" || stem == "testing" || stem.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            source_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_readmes_name_only_files_that_there_are() {
    for name in ["README.md", "README.zh-CN.md", "ARCHITECTURE.md"] {
        for link in text(name).split("](").skip(1) {
            let target = link.split(')').next().unwrap_or_default();
            if !target.starts_with("http") && !target.starts_with('#') {
                assert!(root().join(target).exists(), "{name}: {target} is not there");
            }
        }
    }
}

#[test]
fn the_configuration_in_the_readmes_is_right() {
    for (readme, ..) in READMES {
        let page = text(readme);
        let mut blocks = page.split("```toml\n").skip(1).peekable();
        assert!(blocks.peek().is_some(), "{readme}: no configuration");
        for block in blocks {
            let block = block.split("```").next().unwrap_or_default();
            if let Err(error) = Config::parse(block, readme) {
                panic!("{error}");
            }
        }
    }
}

#[test]
fn the_requests_by_hand_in_the_readmes_are_answered_as_they_stand_there() {
    let daemon = Daemon::start();
    for (readme, ..) in READMES {
        let page = text(readme);
        let blocks: Vec<&str> =
            page.split(TRIED).skip(1).filter_map(|block| block.split("```").next()).collect();
        assert_eq!(blocks.len(), 2, "{readme}");
        for block in blocks {
            let mut hand = daemon.command("bash");
            hand.args(["-euo", "pipefail", "-c"]);
            hand.arg(block.replace("17801", &daemon.tcp_port));
            daemon.put_a_card();
            let reply = first_line(hand);
            assert_eq!(reply["success"], true, "{readme}: {reply}");
        }
    }
}

#[test]
fn the_examples_get_what_they_ask_for() {
    let daemon = Daemon::start();
    daemon.put_a_card();
    let example = PathBuf::from(env!("CARGO_BIN_EXE_hharome")).with_file_name("examples/read_card");
    let mut example = daemon.command(example);
    let output = example.output().expect("an example, which `cargo test` builds");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && words.starts_with("true 成功 {"), "{words}");

    let mut listener = daemon.command("python3");
    listener.arg(root().join("examples/scan_listener.py"));
    listener.arg(format!("127.0.0.1:{}", daemon.tcp_port));
    let mut listener = listener.stdout(Stdio::piped()).spawn().expect("python3: see `make test`");
    // A code that nobody listens for yet is lost, so it is scanned until one arrives.
    let mut out = BufReader::new(listener.stdout.take().expect("a pipe"));
    let (sender, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = out.read_line(&mut line);
        let _ = sender.send(line);
    });
    let begun = Instant::now();
    let line = loop {
        assert!(begun.elapsed() < AMPLE, "the listener hears nothing");
        daemon.simulate(&["qr_scanner", "scan", "6901234567892"]);
        if let Ok(line) = heard.try_recv() {
            break line;
        }
    };
    let _ = listener.kill();
    let _ = listener.wait();
    assert_eq!(line, "6901234567892\n");
}

/// Runs a command whose stdin stays open, to the first line that it prints.
fn first_line(mut command: Command) -> Value {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash, socat and nc: see `make test`");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    out.read_line(&mut line).expect("output");
    drop(child.stdin.take());
    let _ = child.wait();
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("{command:?} printed {line:?}"))
}

/// The bridge with virtual devices and a runtime folder of its own.
struct Daemon {
    process: Child,
    folder: TempDir,
    tcp_port: String,
}

impl Daemon {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("config.toml");
        let drivers = "[id_card]\ndriver = \"simulated\"\n[qr_scanner]\ndriver = \"simulated\"\n";
        let listen = "[listen]\ntcp = \"127.0.0.1:0\"\n";
        fs::write(&file, format!("{listen}{drivers}")).expect("a file");
        let mut serve = command(env!("CARGO_BIN_EXE_hharome"), &folder);
        serve.arg("serve").arg("--config").arg(&file).stderr(Stdio::piped());
        let mut process = serve.spawn().expect("the bridge");
        let mut log = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut tcp_port = None;
        let mut line = String::new();
        // The Unix socket is bound before the log tells of TCP.
        while tcp_port.is_none() && log.read_line(&mut line).is_ok_and(|read| read > 0) {
            let port = line.split("address=127.0.0.1:").nth(1).map(|port| port.trim().to_owned());
            tcp_port = port;
            line.clear();
        }
        // Read on, so that the log never stands.
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
        Self { process, folder, tcp_port: tcp_port.expect("the log tells the port") }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        command(program, &self.folder)
    }

    fn put_a_card(&self) {
        self.simulate(&["id_card", "put"]);
    }

    fn simulate(&self, arguments: &[&str]) {
        let mut simulate = self.command(env!("CARGO_BIN_EXE_hharome"));
        let socket = self.folder.path().join("hharome/bridge.sock");
        simulate.arg("simulate").args(arguments).arg("--socket").arg(socket);
        assert!(simulate.stdout(Stdio::null()).status().expect("simulate").success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A program that knows nothing of the caller's own bridge.
fn command(program: impl AsRef<std::ffi::OsStr>, folder: &TempDir) -> Command {
    let mut command = Command::new(program);
    command.env("XDG_RUNTIME_DIR", folder.path()).env_remove("RUNTIME_DIRECTORY");
    command.env_remove("HHAROME_CONFIG").env_remove("HHAROME_SOCKET").env_remove("HHAROME_TOKEN");
    command
}
