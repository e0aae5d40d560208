//! Bridges of other makers: a small right one, and the same with one mistake each.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::*;

/// What a bridge does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// Leaves `taskId` out of its replies.
    DropsTaskId,
    /// Makes strings of numeric taskIds.
    TaskIdAsText,
    /// Answers each request twice.
    AnswersTwice,
    /// Reads, and says nothing.
    NeverAnswers,
    /// Closes the connection on what is no JSON.
    ClosesOnBadInput,
    /// Says failures without a kind.
    PlainErrors,
    /// Leaves `data` out of failures and info out of successes.
    EmptyInfo,
    /// Loses the caller's id.
    DropsId,
    /// Says something at once.
    Greets,
}

/// A bridge that has `getDeviceInfo` and nothing else, not even `bridge.describe`.
fn answer(line: &str, mistake: Mistake) -> String {
    let Ok(frame) = serde_json::from_str::<Value>(line) else {
        return envelope(&json!({}), Err("bad_request"), mistake).to_string();
    };
    let words = ["action", "call", "on", "off"].iter().filter(|word| frame.get(**word).is_some());
    if words.count() != 1 || !frame.is_object() {
        return envelope(&frame, Err("bad_request"), mistake).to_string();
    }
    if let Some(name) = frame.get("call") {
        let inside = frame.get("params").cloned().unwrap_or_default();
        let res = match name.as_str() {
            Some("ampeHHCommunication") => action(&inside, mistake),
            Some(_) => envelope(&json!({}), Err("unsupported"), mistake),
            None => Value::Null,
        };
        let mut reply = match res {
            Value::Null => envelope(&frame, Err("bad_request"), mistake),
            res => json!({ "call": name, "res": res }),
        };
        if let Some(id) = frame.get("id").filter(|_| mistake != Mistake::DropsId) {
            reply["id"] = id.clone();
        }
        return reply.to_string();
    }
    for word in ["on", "off"] {
        if let Some(channel) = frame.get(word) {
            if !channel.is_string() {
                return envelope(&frame, Err("bad_request"), mistake).to_string();
            }
            let mut reply = envelope(&json!({}), Err("unsupported"), mistake);
            reply[word] = channel.clone();
            return reply.to_string();
        }
    }
    action(&frame, mistake).to_string()
}

fn action(frame: &Value, mistake: Mistake) -> Value {
    let event = frame.get("event").cloned().unwrap_or_else(|| json!("open"));
    let whole = frame["action"].is_string()
        && (frame["taskId"].is_string() || frame["taskId"].is_number())
        && (event == "open" || event == "close");
    if !whole {
        return envelope(frame, Err("bad_request"), mistake);
    }
    let mut frame = frame.clone();
    frame["event"] = event;
    match (frame["action"].as_str(), frame["event"].as_str()) {
        (Some("getDeviceInfo"), Some("open")) => envelope(&frame, Ok(()), mistake),
        (Some("getDeviceInfo"), _) => envelope(&frame, Err("bad_request"), mistake),
        (Some("doStorageFaceInfo"), _) => {
            let mut reply = envelope(&frame, Err("unsupported"), mistake);
            let event = json!({"subCode": "E60001", "subMessage": "BPaaS Service系统异常"});
            let data = json!({"eventType": "rocketResult", "eventData": event});
            reply["data"] = json!(data.to_string());
            reply["message"] = json!("失败");
            reply
        }
        _ => envelope(&frame, Err("unsupported"), mistake),
    }
}

fn envelope(frame: &Value, outcome: Result<(), &str>, mistake: Mistake) -> Value {
    let echo = |key: &str| frame.get(key).filter(|v| v.is_string()).cloned().unwrap_or(json!(""));
    let task_id = match frame.get("taskId") {
        Some(Value::Number(number)) if mistake == Mistake::TaskIdAsText => {
            json!(number.to_string())
        }
        Some(id) if id.is_string() || id.is_number() => id.clone(),
        _ => json!(""),
    };
    let mut reply = json!({"action": echo("action"), "event": echo("event"), "taskId": task_id});
    if mistake == Mistake::DropsTaskId {
        reply.as_object_mut().expect("an object").remove("taskId");
    }
    reply["success"] = json!(outcome.is_ok());
    match outcome {
        Ok(()) => {
            reply["message"] = json!("成功");
            reply["data"] = json!({
                "sn": "1", "deviceModel": "", "appVersion": "", "androidVersion": "",
                "deviceIP": "", "devicedDisplay": "",
            });
            if mistake == Mistake::EmptyInfo {
                reply["data"] = json!({});
            }
        }
        Err(kind) => {
            reply["message"] = json!("请求有误");
            reply["data"] = json!({"error": {"kind": kind, "detail": "no"}});
            if mistake == Mistake::PlainErrors {
                reply["data"] = json!({});
            }
        }
    }
    reply
}

async fn serve(stream: UnixStream, mistake: Mistake) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    if mistake == Mistake::Greets {
        stream.write_all(b"{\"channel\":\"welcome\",\"data\":{}}\n").await?;
    }
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let broken = serde_json::from_slice::<Value>(&line).is_err();
        if text.trim().is_empty() || mistake == Mistake::NeverAnswers {
            continue;
        }
        if broken && mistake == Mistake::ClosesOnBadInput {
            return Ok(());
        }
        let text = if broken { "" } else { &*text };
        let times = if mistake == Mistake::AnswersTwice { 2 } else { 1 };
        let reply = format!("{}\n", answer(text, mistake)).repeat(times);
        stream.write_all(reply.as_bytes()).await?;
    }
}

async fn with(mistake: Mistake, only: Option<&str>) -> Report {
    let folder = TempDir::new().expect("a folder");
    let path: PathBuf = folder.path().join("fake.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, mistake));
        }
    });
    run(Settings { only: only.map(str::to_owned), ..settings(Door::Unix(path)) }).await
}

/// Of the cases whose names hold `only`, at least these fail, and say so in words.
async fn fails(mistake: Mistake, only: &str, expected: &[&str]) {
    let report = with(mistake, Some(only)).await;
    for name in expected {
        let case =
            report.cases.iter().find(|case| format!("{}/{}", case.suite, case.name) == *name);
        let case = case.unwrap_or_else(|| panic!("no case {name}"));
        let Verdict::Failed { what, detail } = &case.verdict else {
            panic!("{name} does not fail:\n{}", report.table())
        };
        assert!(!what.is_empty() && !detail.is_empty(), "{name}: {what}\n{detail}");
    }
}

/// This small bridge reads no broken JSON, numbers of any length, or nesting of any depth.
const BEYOND_IT: [&str; 4] = [
    "envelope/a_numeric_task_id_comes_back_to_the_digit",
    "wire/of_json_that_breaks_off_comes_back_what_could_be_read",
    "wire/bad_utf_8_is_answered",
    "wire/json_of_any_depth_is_read",
];

#[tokio::test]
async fn a_bridge_without_describe_and_devices_is_tried_where_it_can_be() {
    let report = with(Mistake::None, None).await;
    for case in &report.cases {
        let name = format!("{}/{}", case.suite, case.name);
        match &case.verdict {
            Verdict::Failed { what, .. } | Verdict::Error { what, .. } => {
                assert!(BEYOND_IT.contains(&&*name), "{name}: {what}\n{}", report.table());
            }
            Verdict::NotTried { why } => assert!(!why.is_empty(), "{name}"),
            Verdict::Passed => {
                let devices = ["id_card", "code", "bridge"].contains(&&*case.suite);
                assert!(!devices, "{name} passes without a device");
            }
        }
    }
    assert!(report.counts().passed >= 30, "{}", report.table());
}

#[tokio::test]
async fn a_bridge_that_drops_the_task_id_fails() {
    let expected = [
        "envelope/a_reply_echoes_action_event_and_task_id",
        "envelope/a_string_task_id_comes_back_as_it_came",
        "envelope/a_missing_task_id_is_bad_request",
    ];
    fails(Mistake::DropsTaskId, "envelope/", &expected).await;
}

#[tokio::test]
async fn a_bridge_that_makes_text_of_numbers_fails() {
    let name = "envelope/a_numeric_task_id_comes_back_to_the_digit";
    fails(Mistake::TaskIdAsText, name, &[name]).await;
}

#[tokio::test]
async fn a_bridge_that_answers_twice_fails() {
    let expected = [
        "load/many_requests_are_answered_once_each",
        "load/many_good_and_bad_frames_are_answered_once_each",
    ];
    fails(Mistake::AnswersTwice, "load/many_", &expected).await;
}

#[tokio::test]
async fn a_bridge_that_never_answers_fails_in_words_and_keeps_nobody() {
    let expected = [
        "envelope/a_reply_echoes_action_event_and_task_id",
        "envelope/an_error_has_kind_detail_and_chinese_words",
    ];
    fails(Mistake::NeverAnswers, "envelope/a", &expected).await;
}

#[tokio::test]
async fn a_bridge_that_closes_on_bad_input_fails() {
    let expected = ["wire/what_is_no_json_is_answered", "wire/bad_utf_8_is_answered"];
    fails(Mistake::ClosesOnBadInput, "wire/", &expected).await;
}

#[tokio::test]
async fn a_bridge_with_errors_in_its_own_words_fails() {
    let expected = [
        "envelope/an_error_has_kind_detail_and_chinese_words",
        "envelope/an_unknown_action_is_unsupported",
    ];
    fails(Mistake::PlainErrors, "envelope/an_", &expected).await;
}

#[tokio::test]
async fn a_bridge_without_the_six_strings_fails() {
    let name = "device/info_is_six_strings";
    fails(Mistake::EmptyInfo, name, &[name]).await;
}

#[tokio::test]
async fn a_bridge_that_loses_ids_fails() {
    let expected = ["call/the_result_is_the_whole_envelope", "call/an_id_of_any_json_comes_back"];
    fails(Mistake::DropsId, "call/", &expected).await;
}

#[tokio::test]
async fn a_bridge_that_greets_fails() {
    let name = "wire/nothing_is_said_before_the_client_speaks";
    fails(Mistake::Greets, name, &[name]).await;
}
