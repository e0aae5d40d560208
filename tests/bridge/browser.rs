//! The JavaScript client in Node, and the panel and a demo page in a real headless Chromium, against the
//! real binary. The tests themselves are in `clients/js/test` and `tests/browser`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::fixture::{Daemon, within};

const TOKEN: &str = "0123456789abcdef";

/// Every test of a file has its own bound; all of them together have this one.
const ALL: std::time::Duration = std::time::Duration::from_secs(400);

const DEVICES: [&str; 13] = [
    "id_card",
    "qr_scanner",
    "cpu_card",
    "psam",
    "social_security_card",
    "microphone",
    "printer",
    "infrared",
    "second_screen",
    "speech",
    "buzzer",
    "input",
    "face",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A bridge with every virtual device.
async fn bridge(listen: &str) -> Daemon {
    let section = |device: &&str| format!("[{device}]\ndriver = \"simulated\"\n");
    let daemon = Daemon::start(listen, &DEVICES.iter().map(section).collect::<String>()).await;
    for device in ["id_card", "printer", "second_screen", "microphone"] {
        daemon.ready(device).await;
    }
    daemon
}

/// Runs test files of Node's own runner; fails with what they said.
async fn node(files: &[PathBuf], environment: &[(&str, String)]) {
    let mut command = Command::new("node");
    command.arg("--test").arg("--test-concurrency=1").args(files).kill_on_drop(true);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let output = within(ALL, "the tests in Node end", command.output()).await;
    let output = output.expect("node is there: `scripts/setup.sh test` installs it");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("# fail 0") || said.contains("ℹ fail 0"), "{said}");
    assert!(!said.contains("# pass 0") && !said.contains("ℹ pass 0"), "no test ran: {said}");
}

/// A web server as `python3 -m http.server` is one, of this repository.
async fn serve_files() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_file(stream));
        }
    });
    address
}

async fn serve_file(stream: TcpStream) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await.ok()?;
    let mut header = String::new();
    while stream.read_line(&mut header).await.ok()? > 2 {
        header.clear();
    }
    let path = request.split(' ').nth(1)?.split('?').next()?.trim_start_matches('/');
    let kind = match path.rsplit('.').next()? {
        "html" => "text/html",
        "js" => "text/javascript",
        _ => "text/plain",
    };
    let answer = match std::fs::read(root().join(path)) {
        Ok(body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n"
            );
            [head.into_bytes(), body].concat()
        }
        Err(_) => {
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
        }
    };
    stream.write_all(&answer).await.ok()
}

#[tokio::test]
async fn the_javascript_client_keeps_its_promises() {
    let daemon = bridge("").await;
    let other = Daemon::start(&format!("token = \"{TOKEN}\"\n"), "").await;
    let environment = [
        ("HHAROME_WS", format!("ws://{}/ws", daemon.http())),
        ("HHAROME_WS_TOKEN", format!("ws://{}/ws", other.http())),
        ("HHAROME_TOKEN_TEXT", TOKEN.to_owned()),
    ];
    node(&[root().join("clients/js/test/client.test.mjs")], &environment).await;
}

#[tokio::test]
async fn page_code_is_checked_against_the_types_of_the_javascript_client() {
    let tsc = root().join("clients/js/node_modules/typescript/bin/tsc");
    assert!(
        tsc.exists(),
        "`scripts/setup.sh test` installs what the JavaScript client is tested with"
    );
    let mut command = Command::new("node");
    command.arg(tsc).arg("-p").arg(root().join("clients/js/test"));
    let output = within(ALL, "the types are checked", command.output()).await.expect("node");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn a_number_is_typed_at_the_keypad_in_a_browser() {
    let daemon = bridge("").await;
    let other = bridge(&format!("token = \"{TOKEN}\"\n")).await;
    let mut environment = vec![
        ("KEYPAD", format!("http://{}/keypad", daemon.http())),
        ("KEYPAD_TOKEN", format!("http://{}/keypad", other.http())),
        ("TOKEN", TOKEN.to_owned()),
    ];
    if let Ok(folder) = std::env::var("PICTURES") {
        environment.push(("PICTURES", folder));
    }
    node(&[root().join("tests/browser/keypad.test.mjs")], &environment).await;
}

#[tokio::test]
async fn people_work_the_bridge_in_a_browser() {
    let (listed, foreign) = (serve_files().await, serve_files().await);
    let daemon = bridge(&format!("origins = [\"http://{listed}\"]\n")).await;
    let other = bridge(&format!("token = \"{TOKEN}\"\n")).await;
    let mut environment = vec![
        ("PANEL", format!("http://{}/", daemon.http())),
        ("PANEL_TOKEN", format!("http://{}/", other.http())),
        ("TOKEN", TOKEN.to_owned()),
        ("DEMO", format!("http://{listed}/examples/kiosk.html")),
        ("FOREIGN", format!("http://{foreign}/examples/kiosk.html")),
    ];
    // Pictures of what is seen are kept where somebody asks for them.
    if let Ok(folder) = std::env::var("PICTURES") {
        environment.push(("PICTURES", folder));
    }
    node(&[root().join("tests/browser/panel.test.mjs")], &environment).await;
}
