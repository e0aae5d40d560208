//! Faces (3.1): harmless requests anywhere; all that needs somebody before a camera, of a simulated one.

use serde_json::{Value, json};

use super::context::{Context, plain_reply};
use super::groups::{close_refused, refused};
use super::wire::{Wire, request};
use super::{Case, Mismatch, Need, Outcome, check};

const INIT: &str = "initFace";
const WHO: &str = "getFaceInfo";
const IS_IT: &str = "getFaceInfoPersonCard";
const ENROL: &str = "doStorageFaceInfo";

const NEEDS: &[Need] =
    &[Need::Action(INIT), Need::Action(WHO), Need::Action(IS_IT), Need::Simulated("face")];
const ENROLS: &[Need] = &[Need::Action(ENROL), Need::Simulated("face")];

/// An invented person's.
const NUMBER: &str = "11010519491231002X";

/// The table of 3.1.5.
const ROWS: [(&str, &str); 19] = [
    ("SUCCESS", "成功"),
    ("90001", "请走上传个人信息的链路"),
    ("90002", "超时退出"),
    ("90003", "主动退出"),
    ("90004", "参数有误"),
    ("E90612", "ISV信息不存在"),
    ("E90609", "ISV下线"),
    ("E90604", "应用信息不存在"),
    ("E90201", "组件不存在"),
    ("E90204", "组件下线"),
    ("E90506", "只支持机构刷脸入库"),
    ("E90301", "机构信息不存在"),
    ("E90306", "机构下线"),
    ("E90305", "机构关联的身份验证表信息不存在"),
    ("E90703", "未签约"),
    ("E60002", "网络异常"),
    ("E60001", "BPaaS Service系统异常"),
    ("Z1006", "刷脸重试次数超过阈值"),
    ("Z1208", "抱歉,无法认出你"),
];

pub(super) static CASES: &[Case] = &[
    Case::new("face/init_without_scope_is_refused", "3.1.1", &[], |cx| {
        Box::pin(refused(cx, INIT, [json!({}), json!({"serviceId": "x"})]))
    }),
    Case::new("face/a_comparison_without_a_person_is_refused", "3.1.2", &[], |cx| {
        Box::pin(refused(cx, IS_IT, [json!({}), json!({"certName": "甲"})]))
    }),
    Case::new("face/close_is_bad_request", "1.9", &[], |cx| {
        Box::pin(close_refused(cx, &[INIT, WHO, IS_IT]))
    }),
    Case::new("face/enrolling_answers_data_as_a_string", "3.1.3", &[], |cx| {
        Box::pin(nothing_to_enrol(cx))
    }),
    Case::new("face/a_scope_with_blanks_is_refused", "3.1.1", &[], |cx| {
        Box::pin(refused(cx, INIT, [json!({"scope": "a, b"}), json!({"scope": ""})]))
    }),
    Case::new("face/whoever_stands_there_has_a_code_of_his_own", "3.1.2", NEEDS, |cx| {
        Box::pin(identified(cx))
    }),
    Case::new("face/a_comparison_with_a_person_has_no_code", "3.1.2", NEEDS, |cx| {
        Box::pin(compared(cx))
    }),
    Case::new("face/a_no_comes_with_all_that_was_returned", "3.1.4", NEEDS, |cx| {
        Box::pin(not_recognised(cx))
    }),
    Case::new("face/every_row_of_the_table_is_an_answer", "3.1.5", ENROLS, |cx| Box::pin(rows(cx))),
    Case::new("face/a_refusal_serves_the_second_path", "3.1.6", ENROLS, |cx| {
        Box::pin(second_path(cx))
    }),
    Case::new("face/the_second_path_without_a_refusal_is_90004", "3.1.6", ENROLS, |cx| {
        Box::pin(no_refusal(cx))
    }),
];

async fn outcome(cx: &Context, word: &str) -> Outcome {
    cx.simulate(json!({"device": "face", "do": "outcome", "text": word})).await
}

async fn ready(cx: &Context) -> Result<Wire, Mismatch> {
    let mut wire = cx.connect().await?;
    let params = json!({"serviceId": "", "query": "", "scope": "auth_user,yingpin"});
    let reply = wire.ask(request(INIT, &json!("i"), Some(params))).await?;
    cx.equal(&reply, &plain_reply(INIT, "open", &json!("i"), true, "成功"))?;
    Ok(wire)
}

fn compare() -> String {
    request(IS_IT, &json!("c"), Some(json!({"certName": "甲", "certNo": NUMBER})))
}

/// A person that was recognised; the code in `extInfo`.
fn person(cx: &Context, reply: &Value) -> Result<String, Mismatch> {
    let data = cx.success(reply)?;
    for key in ["alipayUid", "ftoken", "vid"] {
        check(data[key].is_string(), || format!("{key} is no string"))?;
    }
    let fixed = data["code"] == 1000 && data["isvResult"] == true;
    let empty = data["subCode"] == "" && data["subMessage"] == "";
    check(fixed && empty, || {
        format!("code, isvResult, subCode or subMessage: {}", cx.quote(reply))
    })?;
    let info = data["extInfo"].as_str().ok_or_else(|| Mismatch::wrong("extInfo is no string"))?;
    let info: Value = serde_json::from_str(info)
        .map_err(|error| Mismatch::Wrong(format!("extInfo is a string, and no JSON: {error}")))?;
    let code = info["authCode"].as_str().ok_or_else(|| Mismatch::wrong("no authCode"))?;
    Ok(code.to_owned())
}

async fn identified(cx: Context) -> Outcome {
    let mut wire = ready(&cx).await?;
    let mut codes = Vec::new();
    for _ in 0..2 {
        let reply = wire.ask(request(WHO, &json!("w"), None)).await?;
        codes.push(person(&cx, &reply)?);
    }
    let [one, other] = &codes[..] else { return Ok(()) };
    check(!one.is_empty() && one != other, || "the authCode is used twice".to_owned())
}

async fn compared(cx: Context) -> Outcome {
    let mut wire = ready(&cx).await?;
    let reply = wire.ask(compare()).await?;
    let code = person(&cx, &reply)?;
    check(code.is_empty(), || "a comparison with a person has an authCode".to_owned())
}

async fn not_recognised(cx: Context) -> Outcome {
    let mut wire = ready(&cx).await?;
    for (word, message) in
        [("E69001", Some("系统异常(E69001)")), ("too-fast", Some("点击过快")), ("stranger", None)]
    {
        outcome(&cx, word).await?;
        for frame in [request(WHO, &json!("w"), None), compare()] {
            let reply = wire.ask(frame).await?;
            let said = reply["message"].as_str().unwrap_or_default();
            let right = message.map_or(!said.is_empty(), |message| said == message);
            check(reply["success"] == false && right, || {
                format!("expected the failure {message:?}: {}", cx.quote(&reply))
            })?;
            check(reply["data"]["originFaceInfo"].is_object(), || {
                format!("no originFaceInfo: {}", cx.quote(&reply))
            })?;
        }
    }
    Ok(())
}

/// The event in an enrolment's reply, which has to be that of a row.
fn event(cx: &Context, reply: &Value, code: &str) -> Result<Value, Mismatch> {
    let message = ROWS.iter().find(|(row, _)| *row == code).map(|(_, message)| *message);
    let (success, word) = if code == "SUCCESS" { (true, "成功") } else { (false, "失败") };
    check(reply["success"] == success && reply["message"] == word, || {
        format!("expected {word}: {}", cx.quote(reply))
    })?;
    let text = reply["data"].as_str().ok_or_else(|| Mismatch::wrong("data is no string"))?;
    let data: Value = serde_json::from_str(text)
        .map_err(|error| Mismatch::Wrong(format!("data is a string, and no JSON: {error}")))?;
    check(data["eventType"] == "rocketResult", || "eventType is not rocketResult".to_owned())?;
    let event = data["eventData"].clone();
    check(event["subCode"] == code && event["subMessage"].as_str() == message, || {
        format!("expected {code} and its words: {}", cx.quote(reply))
    })?;
    Ok(event)
}

fn enrol(more: &Value) -> String {
    let mut params = json!({"appid": "1", "orgOutId": "2", "componentOutId": "3", "isvPid": "4"});
    for (key, value) in more.as_object().into_iter().flatten() {
        params[key] = value.clone();
    }
    request(ENROL, &json!("e"), Some(params))
}

async fn nothing_to_enrol(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    // Nothing of what is required is there.
    let reply = wire.ask(request(ENROL, &json!("g"), Some(json!({})))).await?;
    cx.echoes(&reply, ENROL, "open", &json!("g"))?;
    let words = reply["success"] == false && reply["message"] == "失败";
    check(words, || format!("expected the failure 失败: {}", cx.quote(&reply)))?;
    let text = reply["data"].as_str().ok_or_else(|| Mismatch::wrong("data is no string"))?;
    let data: Value = serde_json::from_str(text)
        .map_err(|error| Mismatch::Wrong(format!("data is a string, and no JSON: {error}")))?;
    check(data["eventType"] == "rocketResult", || "eventType is not rocketResult".to_owned())?;
    let event = &data["eventData"];
    let codes = event["subCode"].is_string() && event["subMessage"].is_string();
    check(codes, || "eventData has no subCode or subMessage".to_owned())
}

async fn rows(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for (code, _) in ROWS {
        outcome(&cx, code).await?;
        let reply = wire.ask(enrol(&json!({}))).await?;
        let event = event(&cx, &reply, code)?;
        let refused = event["uniqueId"].as_str().is_some_and(|id| !id.is_empty());
        check(refused == (code == "90001"), || format!("uniqueId of {code}"))?;
    }
    Ok(())
}

async fn second_path(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    outcome(&cx, "90001").await?;
    let refused = event(&cx, &wire.ask(enrol(&json!({}))).await?, "90001")?["uniqueId"].clone();
    outcome(&cx, "SUCCESS").await?;
    let person = json!({"uniqueId": refused, "name": "甲", "certNo": NUMBER, "phone": "1"});
    // Whoever asks for it.
    let mut other = cx.connect().await?;
    let enrolled = event(&cx, &other.ask(enrol(&person)).await?, "SUCCESS")?;
    for key in ["uid", "ftoken", "vid"] {
        check(enrolled[key].is_string(), || format!("{key} is no string"))?;
    }
    event(&cx, &other.ask(enrol(&person)).await?, "90004").map(|_| ())
}

async fn no_refusal(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for wrong in [
        json!({"uniqueId": "1", "name": "甲", "certNo": NUMBER}),
        json!({"uniqueId": "1"}),
        json!({"name": "甲", "certNo": NUMBER}),
        json!({"phone": "1"}),
        json!({"appid": null}),
    ] {
        event(&cx, &wire.ask(enrol(&wrong)).await?, "90004")?;
    }
    Ok(())
}
