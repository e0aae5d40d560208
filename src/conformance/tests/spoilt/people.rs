//! Mistakes with faces, typed numbers and the shell.

use super::*;

#[tokio::test]
async fn faces_that_are_told_wrongly_fail() {
    let back = |mut frame: Value| {
        // Everybody has the same code, and a no says nothing.
        if frame["data"]["extInfo"].is_string() {
            frame["data"]["extInfo"] = json!(r#"{"authCode":"5d"}"#);
        }
        if frame["data"]["originFaceInfo"].is_object() {
            frame["data"] = json!({});
        }
        Some(frame)
    };
    let cases = [
        "face/whoever_stands_there_has_a_code_of_his_own",
        "face/a_comparison_with_a_person_has_no_code",
        "face/a_no_comes_with_all_that_was_returned",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn enrolments_that_are_told_wrongly_fail() {
    let back = |mut frame: Value| {
        if frame["action"] == "doStorageFaceInfo" {
            // An object in the place of the string.
            let text = frame["data"].as_str().unwrap_or_default().to_owned();
            frame["data"] = serde_json::from_str(&text).unwrap_or_default();
        }
        Some(frame)
    };
    let cases = [
        "face/enrolling_answers_data_as_a_string",
        "face/every_row_of_the_table_is_an_answer",
        "face/a_refusal_serves_the_second_path",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_second_path_that_needs_no_refusal_fails() {
    let back = |mut frame: Value| {
        let text = frame["data"].as_str().unwrap_or_default().to_owned();
        if frame["action"] == "doStorageFaceInfo" && text.contains("90004") {
            frame["data"] = json!(text.replace("90004", "90003").replace("参数有误", "主动退出"));
        }
        Some(frame)
    };
    let cases = [
        "face/the_second_path_without_a_refusal_is_90004",
        "face/a_refusal_serves_the_second_path",
        "face/every_row_of_the_table_is_an_answer",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_scope_of_any_kind_fails() {
    let forth = |mut frame: Value| {
        if frame["action"] == "initFace" {
            frame["params"]["scope"] = json!("auth_user");
        }
        vec![frame]
    };
    let cases = ["face/init_without_scope_is_refused", "face/a_scope_with_blanks_is_refused"];
    fail(Hands { forth, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_keypad_that_anybody_works_with_anything_fails() {
    let back = |mut frame: Value| {
        if frame["call"] == "bridge.keypad" {
            frame["res"] = json!({"success": true, "message": "成功", "data": {}});
        }
        Some(frame)
    };
    let cases = [
        "id_number/a_wrong_check_digit_is_refused",
        "id_number/only_a_keypad_answers",
        "id_number/what_was_typed_for_another_is_refused",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn what_was_typed_for_whoever_was_there_before_fails() {
    let forth = |mut frame: Value| {
        // As if it were typed for whoever has come next.
        if let Some(request) = frame["params"]["request"].as_u64() {
            frame["params"]["request"] = json!(request + 1);
        }
        vec![frame]
    };
    let cases = ["id_number/what_was_typed_for_another_is_refused"];
    fail(Hands { forth, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn typed_numbers_in_other_words_fail() {
    let back = |mut frame: Value| {
        if frame["action"] == "enterIDNumber" {
            frame["message"] = json!("取消输入");
            frame["data"]["subCode"] = json!("OK");
        }
        Some(frame)
    };
    let cases = [
        "id_number/a_typed_number_answers_the_oldest_call",
        "id_number/cancelled_by_the_person_it_says_so",
        "id_number/closed_by_the_program_it_is_取消",
        "id_number/close_with_nothing_under_way_succeeds",
    ];
    fail(Hands { back, ..HONEST }, &cases).await;
}

#[tokio::test]
async fn a_shell_that_is_told_nothing_or_anything_fails() {
    let forth = |mut frame: Value| {
        if frame["action"] == "deviceConfig" {
            frame["event"] = json!("open");
            frame["params"] = json!({"deviceConfig": {}});
        }
        vec![frame]
    };
    let cases = [
        "device/config_is_told_to_a_shell_that_listens",
        "device/config_of_other_values_is_refused",
        "device/config_cannot_be_closed",
    ];
    fail(Hands { forth, ..HONEST }, &cases).await;
}
