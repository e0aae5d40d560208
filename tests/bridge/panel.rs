//! The pages for people: what is served and to whom, what other pages may not do, and what the panel
//! sees of other clients.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hharome_protocol::action::Channel as _;
use hharome_protocol::bridge::FramesChannel;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::fixture::{Client, Daemon, kind, soon};

const LISTED: &str = "origins = [\"https://app.example\"]\n";
const FRAMES: &str = FramesChannel::NAME;

/// One request by hand; head and body of its answer.
async fn http(daemon: &Daemon, request: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream =
        soon("TCP connects", TcpStream::connect(daemon.http())).await.expect("it is open");
    let head = format!("{request} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    let mut answer = Vec::new();
    soon("an answer", stream.read_to_end(&mut answer)).await.expect("it is whole");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let body = answer.split_off(end);
    (String::from_utf8(answer).expect("ASCII"), body)
}

async fn get(daemon: &Daemon, path: &str) -> (String, Vec<u8>) {
    http(daemon, &format!("GET {path}"), &format!("Host: {}\r\n", daemon.http())).await
}

/// A WebSocket of a page of this origin.
async fn page(daemon: &Daemon, origin: &str) -> Client {
    let stream = soon("TCP connects", TcpStream::connect(daemon.http())).await;
    let mut request = format!("ws://{}/ws", daemon.http()).into_client_request().expect("a URL");
    request.headers_mut().insert("Origin", HeaderValue::from_str(origin).expect("an origin"));
    let shaken = client_async(request, stream.expect("the port is open"));
    let (socket, _) = soon("the handshake", shaken).await.expect("it is accepted");
    Client::WebSocket(Box::new(socket))
}

/// A WebSocket of the panel itself.
async fn panel(daemon: &Daemon) -> Client {
    page(daemon, &format!("http://{}", daemon.http())).await
}

#[tokio::test]
async fn the_panel_is_served_whole_and_shut_off_from_other_pages() {
    let daemon = Daemon::simulated().await;
    let (head, body) = get(&daemon, "/").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let host = daemon.http();
    for line in [
        "content-type: text/html; charset=utf-8".to_owned(),
        "cache-control: no-cache".to_owned(),
        "x-content-type-options: nosniff".to_owned(),
        "cross-origin-resource-policy: same-origin".to_owned(),
        format!("content-length: {}", body.len()),
    ] {
        assert!(head.to_lowercase().contains(&line), "{line}: {head}");
    }
    assert!(head.contains("default-src 'none'") && head.contains("frame-ancestors 'none'"));
    assert!(head.contains(&format!("connect-src 'self' ws://{host};")), "{head}");
    // Everything that the page names is there, and nothing of it is elsewhere.
    let text = String::from_utf8(body).expect("UTF-8");
    assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
    let ours = |word: &&str| word.starts_with("/panel/") || *word == "/keypad";
    let named = text.split(['"', '\'']).filter(ours);
    for path in named {
        let (head, body) = get(&daemon, path).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && !body.is_empty(), "{path}: {head}");
    }
    let (head, body) = http(&daemon, "HEAD /panel", &format!("Host: {host}\r\n")).await;
    assert!(head.starts_with("HTTP/1.1 200 ") && body.is_empty(), "{head}");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_words_and_foreign_hosts_and_origins_get_nothing() {
    let daemon = Daemon::simulated().await;
    let host = format!("Host: {}\r\n", daemon.http());
    for (request, headers, status) in [
        ("GET /etc/passwd", host.clone(), "404"),
        ("GET /panel/../config.toml", host.clone(), "404"),
        ("GET /panel/%2e%2e/x", host.clone(), "404"),
        ("POST /", host.clone(), "405"),
        ("DELETE /panel/panel.js", host.clone(), "405"),
        ("GET /", "Host: evil.example\r\n".to_owned(), "403"),
        ("GET /panel/panel.js", "Host: evil.example\r\n".to_owned(), "403"),
        ("GET /", format!("{host}Origin: https://evil.example\r\n"), "403"),
        ("GET /", format!("{host}Origin: null\r\n"), "403"),
        ("GET /", String::new(), "403"),
    ] {
        let (head, body) = http(&daemon, request, &headers).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request} {headers}: {head}");
        assert!(head.to_lowercase().contains("content-type: text/plain"), "{request}: {head}");
        assert!(!body.is_empty() && !body.contains(&b'<'), "{request}");
    }
}

#[tokio::test]
async fn a_page_of_a_listed_origin_uses_devices_but_works_nothing() {
    let daemon = Daemon::start(LISTED, "[id_card]\ndriver = \"simulated\"\n").await;
    daemon.ready("id_card").await;
    let mut page = page(&daemon, "https://app.example").await;
    let info = page.ask(r#"{"action":"getDeviceInfo","taskId":"1"}"#).await;
    assert_eq!(info["success"], true, "{info}");
    for call in [
        r#"{"call":"bridge.simulate","params":{"device":"id_card","do":"put"}}"#,
        r#"{"call":"bridge.record","params":{"do":"status"}}"#,
        r#"{"call":"bridge.record","params":{"do":"start","name":"x"}}"#,
        r#"{"call":"bridge.look","params":{"device":"printer"}}"#,
    ] {
        let reply = page.ask(call).await;
        assert_eq!(kind(&reply["res"]), "forbidden", "{call}");
    }
    let reply = page.ask(&json!({"on": FRAMES}).to_string()).await;
    assert_eq!(kind(&reply), "forbidden", "{reply}");
    // The panel's own page and local programs keep what they have.
    let put = r#"{"call":"bridge.simulate","params":{"device":"id_card","do":"put"}}"#;
    for mut client in [panel(&daemon).await, daemon.tcp_client().await, daemon.ws().await] {
        assert_eq!(client.ask(put).await["res"]["success"], true);
    }
}

#[tokio::test]
async fn with_a_token_the_panel_shows_it_first() {
    let daemon = Daemon::start("token = \"0123456789abcdef\"\n", "").await;
    let (head, _) = get(&daemon, "/").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut right = panel(&daemon).await;
    right.send(r#"{"token":"0123456789abcdef"}"#).await;
    right.on("bridgeDevices").await;
    let mut wrong = panel(&daemon).await;
    assert_eq!(kind(&wrong.ask(r#"{"token":"0123456789abcdeX"}"#).await), "forbidden");
    assert_eq!(wrong.text().await, None);
}

/// The next things seen of clients that pass `wanted`, until there are `count`.
async fn seen(watcher: &mut Client, count: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut all = Vec::new();
    while all.len() < count {
        let event = watcher.next().await;
        assert_eq!(event["channel"], FRAMES, "{event}");
        let frames = event["data"]["frames"].as_array().expect("a list");
        all.extend(frames.iter().filter(|frame| wanted(frame)).cloned());
    }
    all
}

#[tokio::test]
async fn the_panel_sees_what_passes_with_what_is_a_persons_masked() {
    let sections = "[id_card]\ndriver = \"simulated\"\n[qr_scanner]\ndriver = \"simulated\"\n";
    let daemon = Daemon::start("", sections).await;
    daemon.ready("id_card").await;
    for mut watcher in [panel(&daemon).await, daemon.unix().await] {
        watcher.on(FRAMES).await;
        let mut client = daemon.tcp_client().await;
        client
            .send(r#"{"action":"getIDCardInfo","taskId":"T-7","params":{"infoType":"base"}}"#)
            .await;
        let of_it = |one: &Value| one["transport"] == "tcp";
        let begun = seen(&mut watcher, 3, of_it).await;
        assert_eq!(begun[0]["what"], "connected");
        assert_eq!(
            (&begun[1]["what"], &begun[1]["action"]),
            (&"in".into(), &"getIDCardInfo".into())
        );
        assert_eq!(begun[1]["taskId"], "T-7");
        assert!(begun[1]["text"].as_str().expect("text").contains("\"infoType\":\"base\""));
        assert_eq!((&begun[2]["what"], &begun[2]["stage"]), (&"stage".into(), &"waiting".into()));
        daemon.simulate(json!({"device": "id_card", "do": "put"})).await;
        let reply = client.next().await;
        assert_eq!(reply["data"]["name"], "张三");
        let out = seen(&mut watcher, 1, |one| of_it(one) && one["what"] == "out").await;
        let text = out[0]["text"].as_str().expect("text");
        assert_eq!((&out[0]["success"], &out[0]["taskId"]), (&true.into(), &"T-7".into()));
        let shown: Value = serde_json::from_str(text).expect("still JSON");
        assert_eq!(shown["data"], json!({"name": "•••", "idNum": "•••"}));
        assert!(!text.contains("张三") && !text.contains("idNum\":\"1"), "{text}");
        assert!(begun[1]["at"].as_u64() <= out[0]["at"].as_u64());
        drop(client);
        let gone = seen(&mut watcher, 1, |one| of_it(one) && one["what"] == "gone").await;
        assert_eq!(gone[0]["client"], begun[0]["client"]);
        daemon.simulate(json!({"device": "id_card", "do": "lift"})).await;
    }
}

#[tokio::test]
async fn frames_are_shown_to_nobody_else_and_are_in_no_recording() {
    let daemon = Daemon::start("", "[recording]\ndirectory = \"{dir}/recordings\"\n").await;
    for mut client in [daemon.tcp_client().await, daemon.ws().await] {
        let reply = client.ask(&json!({"on": FRAMES}).to_string()).await;
        assert_eq!(kind(&reply), "forbidden", "{reply}");
    }
    let mut recorder = daemon.unix().await;
    let start = r#"{"call":"bridge.record","params":{"do":"start","name":"watched"}}"#;
    assert_eq!(recorder.ask(start).await["res"]["success"], true);
    let mut watcher = panel(&daemon).await;
    watcher.on(FRAMES).await;
    let mut client = daemon.tcp_client().await;
    client.ask(r#"{"action":"getDeviceInfo","taskId":"1"}"#).await;
    seen(&mut watcher, 1, |one| one["what"] == "out" && one["transport"] == "tcp").await;
    watcher.send(&json!({"off": FRAMES}).to_string()).await;
    let stop = r#"{"call":"bridge.record","params":{"do":"stop"}}"#;
    assert_eq!(recorder.ask(stop).await["res"]["success"], true);
    let folder = daemon.folder().join("recordings/watched");
    let files = std::fs::read_dir(&folder).expect("it is there");
    let texts = files.filter_map(|file| std::fs::read_to_string(file.expect("a file").path()).ok());
    let all: String = texts.collect();
    assert!(all.contains("getDeviceInfo") && !all.contains(FRAMES), "{all}");
}

/// A small black picture as base64.
fn dots() -> String {
    let mut file = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(8, 4)
        .write_to(&mut file, image::ImageFormat::Png)
        .expect("it is encoded");
    STANDARD.encode(file.into_inner())
}

#[tokio::test]
async fn what_a_virtual_printer_and_screen_show_can_be_looked_at() {
    let sections = "[printer]\ndriver = \"simulated\"\n[second_screen]\ndriver = \"simulated\"\n\
                    [id_card]\ndriver = \"none\"\n";
    let daemon = Daemon::start("", sections).await;
    daemon.ready("printer").await;
    daemon.ready("second_screen").await;
    let mut client = panel(&daemon).await;
    let look =
        |device: &str| json!({"call": "bridge.look", "params": {"device": device}}).to_string();
    for device in ["printer", "second_screen"] {
        let reply = client.ask(&look(device)).await;
        assert_eq!(reply["res"]["data"], json!({"pictures": []}), "{reply}");
    }
    let receipt = json!({"action": "receiptPrinting", "taskId": "1",
        "params": {"printList": [{"text": "合计 12.00"}, {"imageBase64": dots()}]}});
    assert_eq!(client.ask(&receipt.to_string()).await["success"], true);
    let screen = json!({"action": "openSecondaryScreen", "taskId": "2",
        "params": {"secondaryScreenBase64": dots()}});
    assert_eq!(client.ask(&screen.to_string()).await["success"], true);
    for (device, width, height) in [("printer", 384, None), ("second_screen", 1024, Some(600))] {
        let reply = client.ask(&look(device)).await;
        let picture = &reply["res"]["data"]["pictures"][0];
        let png = picture["pngBase64"].as_str().expect("a picture");
        // How every PNG begins.
        assert!(png.starts_with("iVBORw0KGgo"), "{png}");
        assert_eq!((&picture["number"], &picture["width"]), (&1.into(), &width.into()));
        assert!(height.is_none_or(|height: u64| picture["height"] == height), "{reply}");
    }
    assert_eq!(kind(&client.ask(&look("id_card")).await["res"]), "forbidden");
    assert_eq!(kind(&client.ask(&look("speech")).await["res"]), "forbidden");
    assert_eq!(kind(&client.ask(&look("toaster")).await["res"]), "bad_request");
}
