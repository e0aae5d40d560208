//! One mistake each with sound, presence and the operation timeout, as in [`super::spoilt`].

use serde_json::{Value, json};

use super::spoilt::{HONEST, Hands, OWN, as_if_on, fail, started_by_on};

/// Does another thing than what was asked for with this action, and says that it was done.
fn instead_of(mut frame: Value, action: &str) -> Vec<Value> {
    if frame["action"] == action && frame["event"] != "close" {
        frame["action"] = json!("getDeviceInfo");
        frame["taskId"] = json!(format!("{OWN}{}", frame["taskId"].as_str().unwrap_or_default()));
    }
    vec![frame]
}

/// The answer to that.
fn as_if(mut frame: Value, action: &str) -> Value {
    let own = frame["taskId"].as_str().and_then(|id| id.strip_prefix(OWN)).map(str::to_owned);
    if let Some(id) = own {
        frame["action"] = json!(action);
        frame["taskId"] = json!(id);
        frame["data"] = json!({});
    }
    frame
}

/// The text of an event or a recording with sound.
fn voice(frame: &mut Value) -> Option<&mut Value> {
    frame.get_mut("data")?.as_object_mut()?.get_mut("voiceContent")
}

#[tokio::test]
async fn base64_in_one_line_fails() {
    let back = |mut frame| {
        if let Some(text) = voice(&mut frame) {
            *text = json!(text.as_str().unwrap_or_default().replace('\n', ""));
        }
        Some(frame)
    };
    fail(Hands { back, ..HONEST }, &["microphone/base64_is_broken_as_android_breaks_it"]).await;
}

#[tokio::test]
async fn sound_in_one_form_alone_fails() {
    let forth = |mut frame: Value| {
        if frame["params"]["isMicrophoneSourceData"].is_boolean() {
            frame["params"]["isMicrophoneSourceData"] = json!(false);
        }
        vec![frame]
    };
    let cases = [
        "microphone/two_connections_get_the_same_sound_in_two_forms",
        "microphone/a_second_start_replaces_the_form",
    ];
    fail(Hands { forth, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn sound_that_on_alone_begins_fails() {
    let forth = |frame| {
        let start = json!({"action": "startMicrophoneListener", "taskId": OWN});
        started_by_on(frame, "initMicrophoneListener", start)
    };
    let back = |frame| Some(as_if_on(frame, "initMicrophoneListener"));
    fail(Hands { forth, back }, &["microphone/on_alone_brings_nothing"]).await;
}

#[tokio::test]
async fn sound_that_does_not_end_fails() {
    let forth = |frame| instead_of(frame, "stopMicrophoneListener");
    let back = |frame| Some(as_if(frame, "stopMicrophoneListener"));
    fail(Hands { forth, back }, &["microphone/stop_and_off_and_close_end_the_events"]).await;
}

#[tokio::test]
async fn a_state_that_is_everybodys_fails() {
    let back = |mut frame: Value| {
        if frame["action"] == "getMicrophoneState" {
            frame["data"] = json!({"microphoneListenerState": 1, "microphoneState": 1});
        }
        Some(frame)
    };
    let cases = [
        "microphone/the_state_is_the_connections_own",
        "microphone/the_state_is_two_numbers",
        "microphone/a_recording_is_an_mp3",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_start_that_needs_no_microphone_fails() {
    let back = |mut frame: Value| {
        if frame["data"]["error"]["kind"] == "device_unavailable" {
            frame["success"] = json!(true);
            frame["message"] = json!("成功");
            frame["data"] = json!({});
        }
        Some(frame)
    };
    let cases = [
        "microphone/without_it_a_start_is_device_unavailable",
        "speech/without_it_a_text_is_device_unavailable",
        "buzzer/without_it_a_beep_is_device_unavailable",
        "infrared/an_absent_sensor_is_told_and_says_nothing",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_recording_of_something_else_fails() {
    let back = |mut frame: Value| {
        if frame["action"] == "stopMicrophone" && frame["success"] == true {
            // "RIFF": what a WAV begins with.
            frame["data"] = json!({"voiceContent": "UklGRg=="});
        }
        Some(frame)
    };
    let cases =
        ["microphone/a_recording_is_an_mp3", "microphone/a_recording_that_was_not_begun_is_empty"];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn speech_that_answers_with_data_fails() {
    let back = |mut frame: Value| {
        if frame["action"] == "speech" && frame["success"] == true {
            frame["data"] = json!({"spoken": true});
        }
        Some(frame)
    };
    let cases = [
        "speech/it_answers_at_once_with_nothing_but_成功",
        "speech/pitch_and_rate_are_any_numbers",
        "speech/any_text_is_taken",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn speech_that_takes_anything_fails() {
    let forth = |mut frame: Value| {
        if frame["action"] == "speech" && frame["event"] == "open" {
            frame["params"] = json!({"text": "好"});
        }
        vec![frame]
    };
    let cases =
        ["speech/without_text_it_is_refused", "speech/a_queue_other_than_0_or_1_is_refused"];
    fail(Hands { forth, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_stop_that_forgets_nothing_fails() {
    let forth = |frame| instead_of(frame, "speechStop");
    let back = |frame| Some(as_if(frame, "speechStop"));
    let cases = ["speech/a_stop_forgets_what_is_queued_whoever_asked_for_it"];
    fail(Hands { forth, back }, &cases).await;
}

#[tokio::test]
async fn beeps_of_which_the_last_alone_is_answered_fail() {
    let back = |frame: Value| {
        let superseded = frame["action"] == "startBuzzer" && frame["taskId"] == "b";
        (!superseded).then_some(frame)
    };
    let cases = [
        "buzzer/beeps_of_one_task_id_are_carried_out_one_by_one",
        "buzzer/the_length_may_be_a_string",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

/// Presence is told at this interval, whatever was asked for.
fn told_every(mut frame: Value, interval: u64) -> Vec<Value> {
    if frame["action"] == "startInfraredInductionListener" && frame["params"].is_object() {
        frame["params"]["intervalTime"] = json!(interval);
    }
    vec![frame]
}

#[tokio::test]
async fn presence_at_an_interval_of_its_own_fails() {
    let forth = |frame| told_every(frame, 4000);
    let cases = [
        "infrared/one_event_an_interval_tells_who_is_there",
        "infrared/an_interval_is_drawn_into_its_range",
        "infrared/a_second_start_replaces_the_interval",
    ];
    fail(Hands { forth, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_visit_that_is_missed_fails() {
    let forth = |mut frame: Value| {
        if frame["params"]["do"] == "pulse" {
            frame["params"]["do"] = json!("go");
        }
        vec![frame]
    };
    fail(Hands { forth, ..HONEST }, &["infrared/a_visit_between_two_events_is_told"]).await;
}

#[tokio::test]
async fn presence_that_on_alone_begins_fails() {
    let forth = |frame| {
        let action = "startInfraredInductionListener";
        let params = json!({"intervalTime": 2000});
        let start = json!({"action": action, "taskId": OWN, "params": params});
        started_by_on(frame, "initInfraredInductionListener", start)
    };
    let back = |frame| Some(as_if_on(frame, "initInfraredInductionListener"));
    fail(Hands { forth, back }, &["infrared/on_alone_brings_no_events"]).await;
}

#[tokio::test]
async fn presence_that_does_not_end_fails() {
    let forth = |frame| instead_of(frame, "stopInfraredInductionListener");
    let back = |frame| Some(as_if(frame, "stopInfraredInductionListener"));
    fail(Hands { forth, back }, &["infrared/stop_off_and_close_end_it"]).await;
}

#[tokio::test]
async fn a_countdown_that_never_ends_fails() {
    let back = |frame: Value| (frame["channel"] != "ampeOperationTimeout").then_some(frame);
    let cases = [
        "operation/it_fires_once_when_nobody_operates",
        "operation/a_new_call_starts_it_again",
        "operation/keys_and_touches_start_it_again",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_countdown_that_a_new_call_does_not_start_again_fails() {
    let forth = |mut frame: Value| {
        if frame["call"] == "ampeStartOperationWatcher" && frame["id"] == 2 {
            frame["call"] = json!("bridge.status");
        }
        vec![frame]
    };
    let back = |mut frame: Value| {
        if frame["call"] == "bridge.status" && frame["id"] == 2 {
            frame["call"] = json!("ampeStartOperationWatcher");
            frame["res"] = json!({"success": true, "message": "成功", "data": {}});
        }
        Some(frame)
    };
    fail(Hands { forth, back }, &["operation/a_new_call_starts_it_again"]).await;
}

#[tokio::test]
async fn a_countdown_that_nobodys_keys_start_again_fails() {
    let forth = |mut frame: Value| {
        if frame["params"]["do"] == "key" || frame["params"]["do"] == "touch" {
            frame["params"] = json!({"device": "input", "do": "fault", "fault": "none"});
        }
        vec![frame]
    };
    fail(Hands { forth, ..HONEST }, &["operation/keys_and_touches_start_it_again"]).await;
}

#[tokio::test]
async fn a_countdown_that_off_does_not_end_fails() {
    let forth = |frame: Value| {
        if frame["off"] == "ampeOperationTimeout" {
            return vec![json!({"on": "ampeOperationTimeout"})];
        }
        vec![frame]
    };
    let back = |mut frame: Value| {
        if frame["on"] == "ampeOperationTimeout" {
            frame = json!({"off": "ampeOperationTimeout", "success": true, "message": "成功"});
        }
        Some(frame)
    };
    fail(Hands { forth, back }, &["operation/off_and_reset_end_it"]).await;
}

#[tokio::test]
async fn a_countdown_that_on_alone_begins_fails() {
    let forth = |frame| {
        let start = json!({"call": "ampeStartOperationWatcher", "id": OWN});
        started_by_on(frame, "ampeOperationTimeout", start)
    };
    let back = |frame| Some(as_if_on(frame, "ampeOperationTimeout"));
    fail(Hands { forth, back }, &["operation/on_alone_starts_nothing"]).await;
}

#[tokio::test]
async fn a_watcher_that_answers_as_an_action_fails() {
    let back = |mut frame: Value| {
        if frame["call"] == "ampeStartOperationWatcher" {
            frame = frame["res"].take();
        }
        Some(frame)
    };
    fail(Hands { back, ..HONEST }, &["operation/the_watcher_answers_as_a_call"]).await;
}
