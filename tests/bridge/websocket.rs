//! HTTP and WebSocket: which pages and programs are let in, and frames byte by byte as RFC 6455
//! has them.

use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{AMPLE, Daemon, soon, within};

const TOKEN: &str = "token = \"0123456789abcdef\"\n";
const INFO: &str = r#"{"action":"getDeviceInfo","taskId":"1"}"#;

/// Key and answer of RFC 6455, chapter 1.3.
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const TEXT: u8 = 0x81;
const TEXT_GOES_ON: u8 = 0x01;
const MIDDLE: u8 = 0x00;
const LAST: u8 = 0x80;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// A connection on which bytes are written by hand.
struct Raw(TcpStream);

impl Raw {
    async fn connect(daemon: &Daemon) -> Self {
        Self(soon("TCP connects", TcpStream::connect(daemon.http())).await.expect("it is open"))
    }

    async fn write(&mut self, bytes: &[u8]) {
        soon("bytes are sent", self.0.write_all(bytes)).await.expect("the daemon is there");
    }

    /// The response's head.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        let read = async {
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.0.read_u8().await.expect("a whole head"));
            }
        };
        soon("a response", read).await;
        String::from_utf8(head).expect("ASCII")
    }

    /// One frame of the daemon's: first byte and payload.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        soon("a frame", frame_of(&mut self.0)).await
    }

    /// The next frame, which must be a reply.
    async fn reply(&mut self) -> serde_json::Value {
        let (first, payload) = self.frame().await;
        assert_eq!(first, TEXT);
        serde_json::from_slice(&payload).expect("JSON")
    }

    /// The code of the close frame, which must come next, and the end after it.
    async fn closed_with(&mut self) -> u16 {
        let (first, payload) = self.frame().await;
        assert_eq!(first, CLOSE, "{}", String::from_utf8_lossy(&payload));
        let mut rest = Vec::new();
        let read = soon("the end", self.0.read_to_end(&mut rest)).await;
        assert!(read.is_err() || rest.is_empty(), "{rest:02X?}");
        u16::from_be_bytes([payload[0], payload[1]])
    }
}

/// One frame of the daemon's: first byte and payload.
async fn frame_of(stream: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    let first = stream.read_u8().await.expect("a frame");
    let length = match stream.read_u8().await.expect("a length") {
        126 => usize::from(stream.read_u16().await.expect("a length")),
        short @ 0..126 => usize::from(short),
        other => panic!("a length of {other}"),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.expect("a payload");
    (first, payload)
}

/// A client's frame, masked as the standard wants it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | u8::try_from(short).expect("short")),
        length => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).expect("not long").to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A handshake with `Host` and further headers; its status line.
async fn shake(daemon: &Daemon, host: &str, headers: &[&str]) -> (Raw, String) {
    let mut raw = Raw::connect(daemon).await;
    let mut head = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         {KEY}\r\nSec-WebSocket-Version: 13\r\n"
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    raw.write(head.as_bytes()).await;
    let response = raw.head().await;
    (raw, response)
}

/// A handshake as a local program makes it, accepted.
async fn accepted(daemon: &Daemon, headers: &[&str]) -> Raw {
    let (raw, response) = shake(daemon, &daemon.http().to_string(), headers).await;
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    raw
}

fn status(response: &str) -> &str {
    response.split(' ').nth(1).expect("a status")
}

#[tokio::test]
async fn a_handshake_is_answered_as_the_standard_computes_it() {
    let daemon = Daemon::start("", "").await;
    let (mut raw, response) = shake(&daemon, &daemon.http().to_string(), &[]).await;
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    assert!(response.contains(ACCEPT), "{response}");
    raw.write(&frame(TEXT, INFO.as_bytes())).await;
    assert_eq!(raw.reply().await["success"], true);
}

#[tokio::test]
async fn a_foreign_page_is_refused() {
    let daemon = Daemon::start("origins = [\"https://app.example:8443\"]\n", "").await;
    let host = daemon.http().to_string();
    for origin in [
        "http://evil.example",
        "null",
        "https://app.example",
        "https://app.example:8443.evil.example",
        "http://app.example:8443",
        "http://127.0.0.1",
        "file://",
        "",
    ] {
        let (_, response) = shake(&daemon, &host, &[&format!("Origin: {origin}")]).await;
        assert_eq!(status(&response), "403", "{origin}");
    }
}

#[tokio::test]
async fn the_panels_own_page_and_a_listed_one_are_let_in() {
    let daemon = Daemon::start("origins = [\"https://app.example:8443\"]\n", "").await;
    for origin in [format!("http://{}", daemon.http()), "https://app.example:8443".to_owned()] {
        accepted(&daemon, &[&format!("Origin: {origin}")]).await;
    }
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_refused_whatever_its_origin() {
    let daemon = Daemon::start("hosts = [\"kiosk.example\"]\n", "").await;
    let port = daemon.http().port();
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{}", port - 1),
        format!("kiosk.example.evil.example:{port}"),
    ] {
        let (_, response) = shake(&daemon, &host, &[]).await;
        assert_eq!(status(&response), "403", "{host}");
        // As DNS rebinding has it: both of the attacker's choice, and equal.
        let origin = format!("Origin: http://{host}");
        let (_, response) = shake(&daemon, &host, &[&origin]).await;
        assert_eq!(status(&response), "403", "{host}");
    }
    for host in ["127.0.0.1", "[::1]", "localhost", "kiosk.example"] {
        let (_, response) = shake(&daemon, &format!("{host}:{port}"), &[]).await;
        assert_eq!(status(&response), "101", "{host}");
    }
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_refused() {
    let daemon = Daemon::start("", "").await;
    let host = daemon.http();
    for (request, expected) in [
        (format!("GET /ws HTTP/1.1\r\nHost: {host}\r\n\r\n"), ["426", "400"]),
        (format!("GET /other HTTP/1.1\r\nHost: {host}\r\n\r\n"), ["404", "404"]),
        ("GET /ws HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), ["403", "403"]),
        (format!("POST /ws HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"), ["405", "405"]),
        ("GET /ws HTTP/1.1\r\n\r\n".to_owned(), ["400", "403"]),
        ("what is this?\r\n\r\n".to_owned(), ["400", "400"]),
    ] {
        let mut raw = Raw::connect(&daemon).await;
        raw.write(request.as_bytes()).await;
        let response = raw.head().await;
        assert!(expected.contains(&status(&response)), "{request}: {response}");
    }
}

#[tokio::test]
async fn a_wrong_bearer_is_refused_and_the_right_one_let_in() {
    let daemon = Daemon::start(TOKEN, "").await;
    let host = daemon.http().to_string();
    for value in
        ["Bearer wrong", "Bearer 0123456789abcdeF", "0123456789abcdef", "Bearer ", "Basic x"]
    {
        let (_, response) = shake(&daemon, &host, &[&format!("Authorization: {value}")]).await;
        assert_eq!(status(&response), "401", "{value}");
    }
    let mut raw = accepted(&daemon, &["Authorization: Bearer 0123456789abcdef"]).await;
    raw.write(&frame(TEXT, INFO.as_bytes())).await;
    assert_eq!(raw.reply().await["success"], true);
}

#[tokio::test]
async fn a_token_in_the_first_frame_lets_in_and_a_wrong_one_ends_the_connection() {
    let daemon = Daemon::start(TOKEN, "").await;
    let mut client = daemon.ws().await;
    client.send(r#"{"token":"0123456789abcdef"}"#).await;
    assert_eq!(client.ask(INFO).await["success"], true);
    for first in [r#"{"token":"wrong"}"#, INFO] {
        let mut client = daemon.ws().await;
        client.send(first).await;
        for frame in client.rest().await {
            assert!(frame.contains("forbidden"), "{frame}");
        }
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_by_the_code_1008_however_much_it_has_sent() {
    let daemon = Daemon::start(TOKEN, "").await;
    for first in [r#"{"token":"wrong"}"#, INFO] {
        let mut raw = accepted(&daemon, &[]).await;
        let all = [first, INFO, INFO].map(|text| frame(TEXT, text.as_bytes())).concat();
        raw.write(&all).await;
        assert_eq!(raw.reply().await["data"]["error"]["kind"], "forbidden");
        // It goes on to send, and to no effect, until it has heard of it.
        raw.write(&frame(TEXT, INFO.as_bytes())).await;
        raw.write(&frame(CLOSE, &1000_u16.to_be_bytes())).await;
        assert_eq!(raw.closed_with().await, 1008);
    }
    let late = Daemon::start(TOKEN, "[limits]\nhandshake_ms = 200\n").await;
    assert_eq!(accepted(&late, &[]).await.closed_with().await, 1008);
}

#[tokio::test]
async fn a_token_that_comes_too_late_ends_a_websocket() {
    let daemon = Daemon::start(TOKEN, "[limits]\nhandshake_ms = 200\n").await;
    for frame in daemon.ws().await.rest().await {
        assert!(frame.contains("forbidden"), "{frame}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_never_finished_is_ended() {
    let daemon = Daemon::start("", "[limits]\nhandshake_ms = 200\n").await;
    for begun in ["", "GET /ws HTTP/1.1\r\nHost: "] {
        let mut raw = Raw::connect(&daemon).await;
        raw.write(begun.as_bytes()).await;
        let mut rest = Vec::new();
        let _ = soon("the end", raw.0.read_to_end(&mut rest)).await;
    }
}

#[tokio::test]
async fn a_text_message_in_pieces_is_one_frame() {
    let daemon = Daemon::start("", "").await;
    let mut raw = accepted(&daemon, &[]).await;
    let request = r#"{"action":"getDeviceInfo","taskId":"张三"}"#.as_bytes();
    let cut = request.iter().position(|byte| *byte >= 0x80).expect("not ASCII") + 1;
    // Cut in the middle of a character, with a ping in between, as the standard allows.
    raw.write(&frame(TEXT_GOES_ON, &request[..5])).await;
    raw.write(&frame(MIDDLE, &request[5..cut])).await;
    raw.write(&frame(PING, b"there?")).await;
    assert_eq!(raw.frame().await, (PONG, b"there?".to_vec()));
    raw.write(&frame(MIDDLE, b"")).await;
    raw.write(&frame(LAST, &request[cut..])).await;
    let reply = raw.reply().await;
    assert_eq!((reply["success"].as_bool(), reply["taskId"].as_str()), (Some(true), Some("张三")));
}

#[tokio::test]
async fn frames_of_one_byte_a_write_and_several_in_one_write_are_told_apart() {
    let daemon = Daemon::start("", "").await;
    let mut raw = accepted(&daemon, &[]).await;
    for byte in frame(TEXT, INFO.as_bytes()) {
        raw.write(&[byte]).await;
    }
    assert_eq!(raw.reply().await["success"], true);
    let three: Vec<u8> = (1..4)
        .flat_map(|id| frame(TEXT, format!(r#"{{"call":"bridge.reset","id":{id}}}"#).as_bytes()))
        .collect();
    raw.write(&three).await;
    for id in 1..4 {
        assert_eq!(raw.reply().await["id"], id);
    }
}

#[tokio::test]
async fn a_pong_never_stands_inside_a_reply_that_is_half_written() {
    const REQUESTS: usize = 2000;
    let daemon = Daemon::start("", "").await;
    let mut raw = accepted(&daemon, &[]).await;
    // Long replies and little room for them: the bridge comes upon a ping again and again while it waits
    // to write the rest of one.
    set_socket_recv_buffer_size(&raw.0, 64 * 1024).expect("a socket");
    let (mut reading, mut writing) = raw.0.split();
    let asking = async {
        for id in 0..REQUESTS {
            let request = format!(r#"{{"call":"bridge.describe","id":{id}}}"#);
            let mut frames = frame(TEXT, request.as_bytes());
            frames.extend(frame(PING, id.to_string().as_bytes()));
            writing.write_all(&frames).await.expect("the daemon is there");
        }
    };
    let hearing = async {
        let (mut replies, mut last_pong) = (0, 0);
        while (replies, last_pong) != (REQUESTS, REQUESTS - 1) {
            let (first, payload) = frame_of(&mut reading).await;
            if first == PONG {
                last_pong = String::from_utf8(payload).expect("digits").parse().expect("ours");
                continue;
            }
            assert_eq!(first, TEXT);
            let reply: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
            assert_eq!(reply["id"], replies);
            replies += 1;
        }
    };
    within(AMPLE, "all answers", async { tokio::join!(asking, hearing) }).await;
}

#[tokio::test]
async fn bad_utf_8_closes_with_1007() {
    let daemon = Daemon::start("", "").await;
    let mut raw = accepted(&daemon, &[]).await;
    raw.write(&frame(TEXT, b"{\"action\":\"\xFF\"}")).await;
    assert_eq!(raw.closed_with().await, 1007);
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009() {
    let daemon = Daemon::start("max_frame_bytes = 1024\n", "").await;
    let mut raw = accepted(&daemon, &[]).await;
    raw.write(&frame(TEXT, &[b'x'; 1024])).await;
    assert_eq!(raw.reply().await["success"], false, "at the limit it is only no JSON");
    raw.write(&frame(TEXT, &[b' '; 1025])).await;
    assert_eq!(raw.closed_with().await, 1009);
    let mut raw = accepted(&daemon, &[]).await;
    raw.write(&frame(TEXT_GOES_ON, &[b' '; 600])).await;
    raw.write(&frame(LAST, &[b' '; 600])).await;
    assert_eq!(raw.closed_with().await, 1009);
}

#[tokio::test]
async fn an_unmasked_frame_closes_with_1002() {
    let daemon = Daemon::start("", "").await;
    let mut raw = accepted(&daemon, &[]).await;
    raw.write(&[TEXT, 2, b'{', b'}']).await;
    assert_eq!(raw.closed_with().await, 1002);
}

#[tokio::test]
async fn a_close_is_answered() {
    let daemon = Daemon::start("", "").await;
    let mut raw = accepted(&daemon, &[]).await;
    raw.write(&frame(CLOSE, &1000_u16.to_be_bytes())).await;
    assert_eq!(raw.closed_with().await, 1000);
}
