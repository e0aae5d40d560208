//! Our bridge behind somebody who spoils what is said: one mistake each with cards, readers and
//! beeps. What has to fail then passes through the same hands when they are honest.

mod people;

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::*;

/// What is done to the frames.
#[derive(Clone, Copy)]
pub(super) struct Hands {
    /// What is passed on of a request.
    pub(super) forth: fn(Value) -> Vec<Value>,
    /// What is passed on of what the bridge says.
    pub(super) back: fn(Value) -> Option<Value>,
}

pub(super) const HONEST: Hands = Hands { forth: |frame| vec![frame], back: Some };

/// The `taskId` or `id` of requests that are not the client's.
pub(super) const OWN: &str = "the proxy's own";

async fn pass(client: UnixStream, bridge: PathBuf, hands: Hands) -> std::io::Result<()> {
    let (from_client, mut to_client) = client.into_split();
    let (from_bridge, mut to_bridge) = UnixStream::connect(bridge).await?.into_split();
    let mut said = BufReader::new(from_client).lines();
    let mut answered = BufReader::new(from_bridge).lines();
    loop {
        tokio::select! {
            biased;
            line = answered.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                let frame = serde_json::from_str(&line).expect("the bridge says JSON");
                if let Some(frame) = (hands.back)(frame) {
                    to_client.write_all(format!("{frame}\n").as_bytes()).await?;
                }
            }
            line = said.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                let frame = serde_json::from_str(&line).expect("these cases say JSON");
                for frame in (hands.forth)(frame) {
                    to_bridge.write_all(format!("{frame}\n").as_bytes()).await?;
                }
            }
        }
    }
}

/// Each of these cases passes through honest hands, and fails through these.
pub(super) async fn fail(hands: Hands, cases: &[&str]) {
    let ours = Ours::start("");
    let Door::Unix(bridge) = ours.unix() else { panic!("it is a Unix socket") };
    for (name, hands) in [("honest", HONEST), ("spoilt", hands)] {
        let path = ours.folder.path().join(name);
        let listener = UnixListener::bind(&path).expect("a socket");
        let bridge = bridge.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, bridge.clone(), hands));
            }
        });
        for case in cases {
            let only = Some((*case).to_owned());
            let report = run(Settings { only, ..settings(Door::Unix(path.clone())) }).await;
            let [judged] = &report.cases[..] else { panic!("not one case {case}") };
            let table = report.table();
            match &judged.verdict {
                Verdict::Passed if name == "honest" => {}
                Verdict::Failed { what, detail } if name == "spoilt" => {
                    assert!(!what.is_empty() && !detail.is_empty(), "{case}: {what}\n{detail}");
                }
                _ => panic!("{case} through {name} hands:\n{table}"),
            }
        }
    }
}

/// The field of a reply or an event in which a card's bytes or a code stand.
fn card_text(frame: &mut Value) -> Option<&mut Value> {
    let data = frame.get_mut("data")?.as_object_mut()?;
    let field =
        ["nfc_cardInfo", "nfc_resultInfo"].into_iter().find(|key| data.contains_key(*key))?;
    data.get_mut(field)
}

fn is_code(text: &Value) -> bool {
    text.as_str().is_some_and(|text| text.starts_with('-'))
}

/// Starts what a channel's `on` alone must not start, by a request that is [`OWN`].
pub(super) fn started_by_on(frame: Value, channel: &str, start: Value) -> Vec<Value> {
    vec![if frame["on"] == channel { start } else { frame }]
}

/// The answer to that, as if it were to `on`.
pub(super) fn as_if_on(frame: Value, channel: &str) -> Value {
    let own = frame["taskId"] == OWN || frame["id"] == OWN;
    if own { json!({"on": channel, "success": true, "message": "成功"}) } else { frame }
}

#[tokio::test]
async fn lower_case_hex_fails() {
    let back = |mut frame| {
        if let Some(text) = card_text(&mut frame) {
            *text = json!(text.as_str().unwrap_or_default().to_lowercase());
        }
        Some(frame)
    };
    let cases =
        ["cpu_card/an_answer_is_data_and_status_word_in_hex", "psam/a_cold_reset_answers_the_atr"];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn an_ats_without_its_length_fails() {
    let back = |mut frame: Value| {
        let info = frame.get_mut("data").and_then(|data| data.get_mut("nfc_cardInfo"));
        if let Some(info) = info {
            *info = json!(info.as_str().unwrap_or_default().get(2..));
        }
        Some(frame)
    };
    let cases = [
        "cpu_card/a_card_is_told_by_its_ats_with_its_length",
        "cpu_card/polling_tells_of_a_card_again_every_interval",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn codes_that_are_failures_fail() {
    let back = |mut frame| {
        if let Some(code) = card_text(&mut frame).filter(|text| is_code(text)).cloned() {
            frame["success"] = json!(false);
            frame["message"] = json!(format!("失败:{}", code.as_str().unwrap_or_default()));
        }
        Some(frame)
    };
    let cases = [
        "cpu_card/read_once_does_not_wait_for_a_card",
        "cpu_card/a_command_without_a_card_is_minus_1",
        "psam/a_slot_without_a_card_is_minus_2",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn an_absent_reader_that_is_device_unavailable_fails() {
    let back = |mut frame| {
        if card_text(&mut frame).is_some_and(|text| text == "-1") {
            let error = json!({"kind": "device_unavailable", "detail": "no reader"});
            frame["success"] = json!(false);
            frame["message"] = json!("读卡器未连接");
            frame["data"] = json!({"error": error});
        }
        Some(frame)
    };
    let cases = [
        "cpu_card/without_the_reader_everything_is_minus_1",
        "psam/without_the_reader_everything_is_minus_1",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_batch_that_hides_the_failing_result_fails() {
    let back = |mut frame: Value| {
        if frame["message"] == "失败:-100" {
            frame["data"]["nfc_commandResults"].as_array_mut().map(Vec::pop);
        }
        Some(frame)
    };
    fail(Hands { back, ..HONEST }, &["cpu_card/a_batch_ends_with_the_result_that_is_not_9000"])
        .await;
}

#[tokio::test]
async fn a_batch_that_always_succeeds_fails() {
    let back = |mut frame: Value| {
        if frame["action"] == "sendCPUCardApduCommands" && frame["success"] == false {
            frame["success"] = json!(true);
            frame["message"] = json!("成功");
        }
        Some(frame)
    };
    let cases = [
        "cpu_card/a_batch_whose_card_goes_fails_with_minus_2",
        "cpu_card/a_batch_without_a_card_fails_with_an_empty_list",
        "psam/a_batch_with_what_is_forbidden_is_refused_whole",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn polling_that_on_alone_begins_fails() {
    let forth = |frame| {
        let start = json!({"action": "startCPUCardLoopRead", "taskId": OWN});
        started_by_on(frame, "CPUCardListener", start)
    };
    let back = |frame| Some(as_if_on(frame, "CPUCardListener"));
    let cases = ["cpu_card/on_alone_brings_no_events", "cpu_card/off_ends_polling"];
    fail(Hands { forth, back }, &cases).await;
}

#[tokio::test]
async fn polling_that_does_not_end_fails() {
    let forth = |mut frame: Value| {
        if frame["action"] == "stopCPUCardLoopRead" {
            frame["action"] = json!("closeIDCardInfo");
        }
        vec![frame]
    };
    let back = |mut frame: Value| {
        if frame["action"] == "closeIDCardInfo" {
            frame["action"] = json!("stopCPUCardLoopRead");
            frame["event"] = json!("open");
            frame["message"] = json!("成功");
        }
        Some(frame)
    };
    let cases =
        ["cpu_card/stop_ends_polling", "cpu_card/each_connection_polls_at_its_own_interval"];
    fail(Hands { forth, back }, &cases).await;
}

/// Polls at this interval, whatever was asked for.
fn at_interval(mut frame: Value, interval: u64) -> Vec<Value> {
    if frame["action"] == "startCPUCardLoopRead" && frame["params"].is_object() {
        frame["params"]["intervalTime"] = json!(interval);
    }
    vec![frame]
}

#[tokio::test]
async fn polling_at_an_interval_of_its_own_fails() {
    let forth = |frame| at_interval(frame, 1000);
    let cases = ["cpu_card/polling_tells_of_a_card_again_every_interval"];
    fail(Hands { forth, ..HONEST }, &cases).await;
    let forth = |frame| at_interval(frame, 100);
    let cases = [
        "cpu_card/polling_tells_of_a_card_when_it_comes",
        "cpu_card/each_connection_polls_at_its_own_interval",
        "cpu_card/a_second_start_replaces_the_params",
    ];
    fail(Hands { forth, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn polling_that_tells_of_no_card_unasked_fails() {
    let forth = |mut frame: Value| {
        if frame["action"] == "startCPUCardLoopRead" && frame["params"].is_object() {
            frame["params"]["isComeBackFailed"] = json!(true);
        }
        vec![frame]
    };
    let cases = ["cpu_card/polling_tells_of_no_card_only_when_asked_to"];
    fail(Hands { forth, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_session_that_does_not_last_fails() {
    // Whoever alone uses a card and powers it up again has closed what was open.
    let forth = |frame: Value| {
        let own = json!({"action": "readOnceCPUCardInfo", "taskId": OWN});
        if frame["params"]["type"] == 1 { vec![own, frame] } else { vec![frame] }
    };
    let back = |frame: Value| (frame["taskId"] != OWN).then_some(frame);
    let cases = [
        "cpu_card/what_is_open_on_a_card_survives_other_connections",
        "cpu_card/commands_are_carried_out_in_order",
    ];
    fail(Hands { forth, back }, &cases).await;
}

#[tokio::test]
async fn a_slot_that_is_not_looked_at_fails() {
    let forth = |mut frame: Value| {
        if frame["action"].is_string() && frame["params"].is_object() {
            frame["params"]["slot"] = json!(1);
        }
        vec![frame]
    };
    let cases = [
        "psam/a_command_goes_to_its_slot",
        "psam/a_slot_without_a_card_is_minus_2",
        "psam/a_slot_out_of_range_is_refused",
    ];
    fail(Hands { forth, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_refusal_of_another_kind_fails() {
    let back = |mut frame: Value| {
        if frame["data"]["error"]["kind"] == "forbidden" {
            frame["data"]["error"]["kind"] = json!("device_failed");
        }
        Some(frame)
    };
    fail(Hands { back, ..HONEST }, &["psam/what_the_operator_forbids_is_forbidden"]).await;
}

#[tokio::test]
async fn a_social_security_card_with_fields_left_out_fails() {
    let back = |mut frame: Value| {
        let data = frame.get_mut("data").and_then(Value::as_object_mut);
        if let Some(data) = data.filter(|data| data.contains_key("cityCode")) {
            data.retain(|_, value| value != "");
        }
        Some(frame)
    };
    let cases = [
        "social_security/a_card_is_eleven_strings",
        "social_security/what_a_psam_guards_is_empty",
        "social_security/config_opens_the_channel",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_close_in_other_words_and_a_config_without_a_channel_fail() {
    let back = |mut frame: Value| {
        if frame["message"] == "关闭成功" {
            frame["message"] = json!("成功");
        }
        (frame["channel"] != "socialSecurityCardListener").then_some(frame)
    };
    let cases = [
        "social_security/close_cancels_what_waits_and_says_关闭成功",
        "social_security/config_opens_the_channel",
        "cpu_card/close_ends_polling_and_says_关闭成功",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_beep_of_any_length_and_with_data_fails() {
    let forth = |mut frame: Value| {
        if frame["action"] == "startBuzzer" {
            frame["params"] = json!({"beep": 20});
        }
        vec![frame]
    };
    let back = |mut frame: Value| {
        if frame["action"] == "startBuzzer" {
            frame["data"] = json!({"beep": 20});
        }
        Some(frame)
    };
    let cases = [
        "buzzer/a_beep_answers_nothing_but_成功",
        "buzzer/a_beep_of_no_length_or_of_hours_is_refused",
        "buzzer/a_beep_without_a_length_is_refused",
    ];
    fail(Hands { forth, back }, &cases).await;
}

#[tokio::test]
async fn a_queue_of_texts_without_an_end_fails() {
    let back = |mut frame: Value| {
        if frame["data"]["error"]["kind"] == "device_busy" {
            frame["success"] = json!(true);
            frame["message"] = json!("成功");
            frame["data"] = json!({});
        }
        Some(frame)
    };
    fail(Hands { back, ..HONEST }, &["speech/too_many_texts_are_device_busy"]).await;
}

#[tokio::test]
async fn a_text_that_never_comes_instead_fails() {
    let forth = |mut frame: Value| {
        if frame["params"]["speechQueue"] == 1 {
            frame["params"]["speechQueue"] = json!(0);
        }
        vec![frame]
    };
    fail(Hands { forth, ..HONEST }, &["speech/a_text_instead_empties_the_queue"]).await;
}
