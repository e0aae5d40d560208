//! What a client may send and what it gets for it: good frames, bad ones, and the next good one.

use serde_json::{Value, json};

use crate::fixture::{Client, Daemon, kind};

const INFO: &str = r#"{"action":"getDeviceInfo","event":"open","taskId":"1","params":{}}"#;

/// The connection still works.
async fn works(client: &mut Client) {
    let reply = client.ask(INFO).await;
    assert_eq!((&reply["action"], &reply["success"]), (&json!("getDeviceInfo"), &json!(true)));
}

/// The answer to a frame that is none, with what it echoes; the connection goes on.
async fn refused(client: &mut Client, frame: &[u8], echo: [Value; 3]) {
    client.bytes(&[frame, b"\n"].concat()).await;
    let reply = client.next().await;
    assert_eq!(kind(&reply), "bad_request", "{}", String::from_utf8_lossy(frame));
    let [action, event, task_id] = echo;
    assert_eq!(reply["action"], action);
    assert_eq!(reply["event"], event);
    assert_eq!(reply["taskId"], task_id);
    works(client).await;
}

fn nothing() -> [Value; 3] {
    [json!(""), json!(""), json!("")]
}

#[tokio::test]
async fn what_is_no_json_or_no_object_is_answered() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    for frame in [
        &b"hello"[..],
        b"{",
        b"}",
        b"[]",
        b"null",
        b"1",
        b"\"action\"",
        b"{}",
        b"{\"params\":{}}",
        b"\0\0\0",
        b"{\"\x01\":1}",
        b"\xEF\xBB\xBF{}",
        b"{} {}",
    ] {
        refused(&mut client, frame, nothing()).await;
    }
}

#[tokio::test]
async fn invalid_utf_8_is_answered_with_what_could_be_read() {
    let daemon = Daemon::start("", "").await;
    for mut client in [daemon.unix().await, daemon.tcp_client().await] {
        refused(&mut client, b"\xFF\xFE", nothing()).await;
        let frame =
            b"{\"action\":\"getDeviceInfo\",\"taskId\":\"t\",\"params\":{\"x\":\"\xC3\x28\"}}";
        refused(&mut client, frame, [json!("getDeviceInfo"), json!(""), json!("t")]).await;
        // A surrogate in UTF-8, and an overlong slash.
        refused(&mut client, b"{\"action\":\"\xED\xA0\x80\"}", nothing()).await;
        refused(&mut client, b"{\"action\":\"\xC0\xAF\"}", nothing()).await;
    }
}

#[tokio::test]
async fn json_that_breaks_off_is_answered_with_what_could_be_read() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    let frame = br#"{"action":"getQRCode","event":"open","taskId":7,"params":{"#;
    refused(&mut client, frame, [json!("getQRCode"), json!("open"), json!(7)]).await;
}

#[tokio::test]
async fn a_line_of_20_mb_is_skipped_and_answered_and_the_next_frame_works() {
    let daemon = Daemon::start("", "").await;
    for mut client in [daemon.unix().await, daemon.tcp_client().await] {
        let long = vec![b'{'; 20_000_000];
        refused(&mut client, &long, nothing()).await;
        // The same with a good frame glued to it.
        client.bytes(&[&long[..], b"\n", INFO.as_bytes(), b"\n"].concat()).await;
        assert_eq!(kind(&client.next().await), "bad_request");
        assert_eq!(client.next().await["success"], true);
    }
}

#[tokio::test]
async fn a_frame_at_the_limit_is_read_and_one_byte_more_is_not() {
    let daemon = Daemon::start("max_frame_bytes = 2048\n", "").await;
    let mut client = daemon.unix().await;
    let padded = |length: usize| {
        let head = r#"{"action":"getDeviceInfo","taskId":"1","padding":""#;
        let filler = "x".repeat(length - head.len() - 2);
        format!("{head}{filler}\"}}")
    };
    assert_eq!(client.ask(&padded(2048)).await["success"], true);
    let reply = client.ask(&padded(2049)).await;
    assert_eq!(kind(&reply), "bad_request");
    assert!(reply["data"]["error"]["detail"].as_str().expect("words").contains("2048"), "{reply}");
    works(&mut client).await;
}

#[tokio::test]
async fn json_of_any_depth_overflows_nothing() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
        let frame = format!(r#"{{"action":"getDeviceInfo","taskId":"1","params":{{"x":{deep}}}}}"#);
        assert_eq!(client.ask(&frame).await["success"], true);
        client.send(&format!(r#"{{"call":"bridge.reset","id":{deep}}}"#)).await;
        let reply = client.text().await.expect("a reply");
        assert!(reply.contains(&deep), "the id is echoed");
        works(&mut client).await;
    }
}

#[tokio::test]
async fn a_task_id_is_echoed_as_it_came() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    for id in [
        r#""1""#,
        r#""""#,
        r#""任务\"\n""#,
        "1",
        "0",
        "-7",
        "1.50",
        "1e3",
        "12345678901234567890123456789",
    ] {
        client.send(&format!(r#"{{"action":"getDeviceInfo","taskId":{id}}}"#)).await;
        let text = client.text().await.expect("a reply");
        let reply: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(reply["success"], true, "{id}");
        if id.starts_with('"') {
            assert_eq!(reply["taskId"], serde_json::from_str::<Value>(id).expect("JSON"));
        } else {
            let there =
                [",", "}"].iter().any(|end| text.contains(&format!(r#""taskId":{id}{end}"#)));
            assert!(there, "{id}: {text}");
        }
    }
}

#[tokio::test]
async fn a_task_id_of_another_type_or_none_is_answered_without_it() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    let echo = || [json!("getDeviceInfo"), json!("open"), json!("")];
    for id in ["true", "null", "[]", "{}", r#"["1"]"#] {
        let frame = format!(r#"{{"action":"getDeviceInfo","event":"open","taskId":{id}}}"#);
        refused(&mut client, frame.as_bytes(), echo()).await;
    }
    refused(&mut client, br#"{"action":"getDeviceInfo","event":"open"}"#, echo()).await;
}

#[tokio::test]
async fn fields_of_the_wrong_type_are_answered() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    let task = |action: &str, event: &str| [json!(action), json!(event), json!("1")];
    for (frame, echo) in [
        (r#"{"action":7,"event":"open","taskId":"1"}"#, task("", "open")),
        (r#"{"action":"getQRCode","event":7,"taskId":"1"}"#, task("getQRCode", "")),
        (r#"{"action":"getQRCode","event":"shut","taskId":"1"}"#, task("getQRCode", "shut")),
    ] {
        refused(&mut client, frame.as_bytes(), echo).await;
    }
    for params in ["[]", "7", r#""{}""#, r#"{"infoType":{}}"#] {
        let frame = format!(
            r#"{{"action":"getIDCardInfo","event":"open","taskId":"1","params":{params}}}"#
        );
        let echo = task("getIDCardInfo", "open");
        refused(&mut client, frame.as_bytes(), echo).await;
    }
}

#[tokio::test]
async fn close_on_an_action_that_does_not_wait_is_bad() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    for action in ["getDeviceInfo", "startBuzzer", "speech"] {
        let frame = format!(r#"{{"action":"{action}","event":"close","taskId":"1"}}"#);
        let reply = client.ask(&frame).await;
        assert_eq!(kind(&reply), "bad_request");
        assert_eq!((&reply["action"], &reply["event"]), (&json!(action), &json!("close")));
    }
}

#[tokio::test]
async fn a_missing_event_is_open_and_unknown_keys_are_ignored() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    let frame = r#"{"x":[1,{"action":"no"}],"action":"getDeviceInfo","taskId":"1","message ":0}"#;
    let reply = client.ask(frame).await;
    assert_eq!((&reply["event"], &reply["success"]), (&json!("open"), &json!(true)));
}

#[tokio::test]
async fn two_of_action_call_on_and_off_are_bad() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    let words = [
        r#""action":"getDeviceInfo""#,
        r#""call":"bridge.status""#,
        r#""on":"initQRListener""#,
        r#""off":"initQRListener""#,
    ];
    for (at, one) in words.iter().enumerate() {
        for other in &words[at + 1..] {
            client.send(&format!(r#"{{{one},{other},"taskId":"t"}}"#)).await;
            let reply = client.next().await;
            assert_eq!(kind(&reply), "bad_request", "{one},{other}");
            assert_eq!(reply["taskId"], "t");
            works(&mut client).await;
        }
    }
}

#[tokio::test]
async fn unknown_names_are_answered() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    let reply = client.ask(r#"{"action":"flyToTheMoon","event":"open","taskId":5}"#).await;
    assert_eq!(kind(&reply), "unsupported");
    assert_eq!((&reply["action"], &reply["taskId"]), (&json!("flyToTheMoon"), &json!(5)));
    let reply = client.ask(r#"{"call":"bridge.fly","id":5}"#).await;
    assert_eq!((&reply["call"], &reply["id"]), (&json!("bridge.fly"), &json!(5)));
    assert_eq!(kind(&reply["res"]), "unsupported");
    for word in ["on", "off"] {
        let reply = client.ask(&format!(r#"{{"{word}":"initMoonListener"}}"#)).await;
        assert_eq!(reply[word], "initMoonListener");
        assert!(["unsupported", "bad_request"].contains(&kind(&reply)), "{reply}");
    }
    works(&mut client).await;
}

#[tokio::test]
async fn an_id_is_echoed_to_the_letter_and_only_where_it_was_sent() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    for id in [
        "7",
        "1.50",
        "null",
        "true",
        r#""七\u4e03""#,
        r#"{"b": [1.0, 2e5],"a":null}"#,
        "12345678901234567890123456789",
    ] {
        client.send(&format!(r#"{{"call":"bridge.reset","id":{id}}}"#)).await;
        let text = client.text().await.expect("a reply");
        assert!(text.contains(&format!(r#""id":{id}"#)), "{id}: {text}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON")["call"], "bridge.reset");
    }
    let reply = client.ask(r#"{"call":"bridge.reset"}"#).await;
    assert!(reply.get("id").is_none(), "{reply}");
}

#[tokio::test]
async fn calls_that_are_wrong_are_answered_with_their_id() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    let reply = client.ask(r#"{"call":7,"id":5}"#).await;
    assert_eq!((kind(&reply), &reply["id"]), ("bad_request", &json!(5)));
    for params in ["null", "7", "{}", r#"{"action":7,"taskId":"t"}"#, r#"{"action":"x"}"#] {
        let frame = format!(r#"{{"call":"ampeHHCommunication","id":5,"params":{params}}}"#);
        let reply = client.ask(&frame).await;
        assert_eq!(reply["call"], "ampeHHCommunication", "{params}");
        assert_eq!((kind(&reply["res"]), &reply["id"]), ("bad_request", &json!(5)), "{params}");
    }
    let reply = client.ask(r#"{"call":"ampeHHCommunication","id":5}"#).await;
    assert_eq!((kind(&reply["res"]), &reply["id"]), ("bad_request", &json!(5)));
    for frame in [r#"{"on":7}"#, r#"{"off":null}"#, r#"{"on":["initQRListener"]}"#] {
        assert_eq!(kind(&client.ask(frame).await), "bad_request", "{frame}");
    }
    works(&mut client).await;
}

#[tokio::test]
async fn a_frame_that_breaks_off_with_its_connection_harms_nobody() {
    let daemon = Daemon::start("", "").await;
    for part in [1, INFO.len() - 1] {
        let mut client = daemon.unix().await;
        client.bytes(&INFO.as_bytes()[..part]).await;
    }
    works(&mut daemon.unix().await).await;
}

#[tokio::test]
async fn frames_of_one_byte_a_write_are_frames() {
    let daemon = Daemon::start("", "").await;
    for mut client in [daemon.unix().await, daemon.tcp_client().await] {
        for byte in format!("{INFO}\n\r\n\n{INFO}\r\n").bytes() {
            client.bytes(&[byte]).await;
        }
        for _ in 0..2 {
            assert_eq!(client.next().await["success"], true);
        }
        client.nothing_came().await;
    }
}

#[tokio::test]
async fn many_frames_in_one_write_are_answered_one_by_one() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    let frame = |id: usize| format!("{{\"call\":\"bridge.reset\",\"id\":{id}}}\r\n");
    client.bytes((0..200).map(frame).collect::<String>().as_bytes()).await;
    for id in 0..200 {
        assert_eq!(client.next().await["id"], id);
    }
}

#[tokio::test]
async fn empty_lines_are_ignored() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    client.bytes(b"\n\r\n\n\n").await;
    client.nothing_came().await;
    let mut page = daemon.ws().await;
    page.send("").await;
    page.nothing_came().await;
}

#[tokio::test]
async fn of_300_calls_in_flight_those_over_256_are_told_that_it_is_busy() {
    let daemon = Daemon::simulated().await;
    let mut client = daemon.unix().await;
    let frame = |task: usize| format!("{{\"action\":\"getIDCardInfo\",\"taskId\":{task}}}\n");
    client.bytes((0..300).map(frame).collect::<String>().as_bytes()).await;
    for task in 256..300 {
        let reply = client.next().await;
        assert_eq!((kind(&reply), &reply["taskId"]), ("device_busy", &json!(task)));
    }
    client.send(r#"{"action":"getIDCardInfo","event":"close","taskId":"c"}"#).await;
    for task in 0..256 {
        let reply = client.next().await;
        assert_eq!((&reply["message"], &reply["taskId"]), (&json!("取消"), &json!(task)));
    }
    assert_eq!(client.next().await["message"], "关闭成功");
    works(&mut client).await;
}

#[tokio::test]
async fn the_one_action_whose_data_is_a_string_fails_with_a_string() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    let reply = client.ask(r#"{"action":"doStorageFaceInfo","taskId":"1","params":{}}"#).await;
    let data: Value =
        serde_json::from_str(reply["data"].as_str().expect("a string")).expect("JSON");
    assert_eq!((&reply["success"], &reply["message"]), (&json!(false), &json!("失败")));
    assert_eq!(data["eventType"], "rocketResult");
}
