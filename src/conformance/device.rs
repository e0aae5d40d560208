//! `getDeviceInfo` (3.5.1), the shell (3.5.3), and the buzzer (3.5.2), which beeps only where it is simulated.

use serde_json::{Value, json};

use super::context::{Context, plain_reply};
use super::groups::{close_refused, refused};
use super::wire::request;
use super::{Case, Need, Outcome, check};

const NEEDS: &[Need] = &[Need::Action("getDeviceInfo")];

const BEEP: &str = "startBuzzer";
const BEEPS: &[Need] = &[Need::Action(BEEP), Need::Simulated("buzzer")];
const UNPLUGGED: &[Need] =
    &[Need::Action(BEEP), Need::Call("bridge.status"), Need::Simulated("buzzer")];

const CONFIG: &str = "deviceConfig";
/// Where the buzzer is simulated nobody uses the bars either.
const CONFIGS: &[Need] =
    &[Need::Action(CONFIG), Need::Channel("bridgeDeviceConfig"), Need::Simulated("buzzer")];

const FIELDS: [&str; 6] =
    ["sn", "deviceModel", "appVersion", "androidVersion", "deviceIP", "devicedDisplay"];

pub(super) static CASES: &[Case] = &[
    Case::new("device/info_is_six_strings", "3.5.1", NEEDS, |cx| Box::pin(info(cx))),
    Case::new("device/info_is_the_same_for_everybody", "3.5.1", NEEDS, |cx| Box::pin(same(cx))),
    Case::new("device/config_cannot_be_closed", "1.9", &[], |cx| {
        Box::pin(close_refused(cx, &[CONFIG]))
    }),
    Case::new("device/config_of_other_values_is_refused", "3.5.3", &[], |cx| {
        let wrong = [json!({"exitApplet": 2}), json!({"hideNavigationBar": 3}), json!([1])];
        Box::pin(refused(cx, CONFIG, wrong.map(|wishes| json!({"deviceConfig": wishes}))))
    }),
    Case::new("device/config_is_told_to_a_shell_that_listens", "3.5.4", CONFIGS, |cx| {
        Box::pin(told(cx))
    }),
    Case::new("buzzer/a_beep_answers_nothing_but_成功", "3.5.2", BEEPS, |cx| Box::pin(beep(cx))),
    Case::new("buzzer/the_length_may_be_a_string", "1.6", BEEPS, |cx| {
        Box::pin(beep_of(cx, json!({"beep": "20"})))
    }),
    Case::new("buzzer/beeps_of_one_task_id_are_carried_out_one_by_one", "1.11", BEEPS, |cx| {
        Box::pin(beeps(cx))
    }),
    Case::new("buzzer/a_beep_without_a_length_is_refused", "3.5.2", &[], |cx| {
        let wrong = [json!({}), json!({"beep": null}), json!({"beep": "long"})];
        Box::pin(refused(cx, BEEP, wrong))
    }),
    Case::new("buzzer/a_beep_of_no_length_or_of_hours_is_refused", "3.5.2", &[], |cx| {
        let wrong = [0, -1, 60_001, 3_600_000, 10_000_000_000_i64];
        Box::pin(refused(cx, BEEP, wrong.map(|beep| json!({"beep": beep}))))
    }),
    Case::new("buzzer/close_is_bad_request", "1.9", &[], |cx| Box::pin(close_refused(cx, &[BEEP]))),
    Case::new("buzzer/without_it_a_beep_is_device_unavailable", "1.12", UNPLUGGED, |cx| {
        Box::pin(unplugged(cx))
    }),
];

async fn info(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request("getDeviceInfo", &json!("1"), Some(json!({})))).await?;
    let data = cx.success(&reply)?;
    for field in FIELDS {
        check(data[field].is_string(), || format!("{field} is no string, or not there"))?;
    }
    Ok(())
}

async fn same(cx: Context) -> Outcome {
    let (mut one, mut two) = (cx.connect().await?, cx.connect().await?);
    let frame = request("getDeviceInfo", &json!("1"), Some(json!({})));
    let (one, two) = (one.ask(&frame).await?, two.ask(&frame).await?);
    cx.success(&one)?;
    for field in ["sn", "deviceModel"] {
        let (one, two) = (&one["data"][field], &two["data"][field]);
        check(one == two, || format!("{field} differs between two connections"))?;
    }
    Ok(())
}

async fn told(cx: Context) -> Outcome {
    let (mut shell, mut client) = (cx.connect().await?, cx.connect().await?);
    let reply = shell.ask(json!({"on": "bridgeDeviceConfig"}).to_string()).await?;
    check(reply["success"] == true, || format!("no channel: {}", cx.quote(&reply)))?;
    // Both spellings, and a number as a string.
    let wishes = json!({"hideNavigationBar": "2", "hideNotificationBar": 2});
    let params = json!({ "deviceConfig": wishes });
    let reply = client.ask(request(CONFIG, &json!("d"), Some(params))).await?;
    cx.equal(&reply, &plain_reply(CONFIG, "open", &json!("d"), true, "成功"))?;
    let data = json!({"hideNavigationBar": 2, "hindeNotificationBar": 2});
    let expected = json!({"channel": "bridgeDeviceConfig", "data": data});
    let event = shell.next().await?;
    // A bar that is hidden was told first.
    let event = if event == expected { event } else { shell.next().await? };
    cx.equal(&event, &expected)?;
    let reply = client.ask(request(CONFIG, &json!("e"), Some(json!({"deviceConfig": {}})))).await?;
    cx.equal(&reply, &plain_reply(CONFIG, "open", &json!("e"), true, "成功"))?;
    shell.settled().await
}

async fn beep(cx: Context) -> Outcome {
    beep_of(cx, json!({"beep": 20})).await
}

async fn beep_of(cx: Context, params: Value) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request(BEEP, &json!("b"), Some(params))).await?;
    cx.equal(&reply, &plain_reply(BEEP, "open", &json!("b"), true, "成功"))
}

async fn beeps(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for _ in 0..3 {
        wire.send(request(BEEP, &json!("b"), Some(json!({"beep": 20})))).await?;
    }
    for _ in 0..3 {
        let reply = wire.next().await?;
        cx.equal(&reply, &plain_reply(BEEP, "open", &json!("b"), true, "成功"))?;
    }
    wire.settled().await
}

async fn unplugged(cx: Context) -> Outcome {
    cx.fault("buzzer", "unplug").await?;
    cx.until_state("buzzer", "absent").await?;
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request(BEEP, &json!("b"), Some(json!({"beep": 20})))).await?;
    cx.refused(&reply, "device_unavailable")?;
    cx.fault("buzzer", "none").await?;
    cx.until_state("buzzer", "ready").await?;
    let reply = wire.ask(request(BEEP, &json!("b"), Some(json!({"beep": 20})))).await?;
    cx.success(&reply)?;
    Ok(())
}
