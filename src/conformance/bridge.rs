//! The bridge's own calls and channels (W1.20 to W1.28).

use std::time::Duration;

use serde_json::{Value, json};

use super::context::{Context, plain_reply};
use super::wire::request;
use super::{Case, Mismatch, Need, Outcome, check};

const STATES: [&str; 5] = ["ready", "busy", "absent", "failed", "off"];
const CARD: &[Need] = &[Need::Action("getIDCardInfo"), Need::Simulated("id_card")];

pub(super) static CASES: &[Case] = &[
    Case::new(
        "bridge/describe_says_what_is_served",
        "W1.20",
        &[Need::Call("bridge.describe")],
        |cx| Box::pin(describe(cx)),
    ),
    Case::new(
        "bridge/status_tells_of_every_device",
        "W1.21",
        &[Need::Call("bridge.status")],
        |cx| Box::pin(status(cx)),
    ),
    Case::new(
        "bridge/reset_with_nothing_under_way_succeeds",
        "W1.22",
        &[Need::Call("bridge.reset")],
        |cx| Box::pin(reset(cx)),
    ),
    Case::new(
        "bridge/reset_ends_calls_and_listeners",
        "W1.22",
        &[
            Need::Call("bridge.reset"),
            Need::Channel("initIDCardListener"),
            Need::Action("getIDCardInfo"),
            Need::Simulated("id_card"),
        ],
        |cx| Box::pin(reset_ends(cx)),
    ),
    Case::new(
        "bridge/simulate_of_an_unknown_device_is_bad_request",
        "W1.23",
        &[Need::Call("bridge.simulate")],
        |cx| Box::pin(unknown_device(cx)),
    ),
    Case::new("bridge/simulate_of_an_unknown_verb_is_bad_request", "W1.23", CARD, |cx| {
        Box::pin(unknown_verb(cx))
    }),
    Case::new(
        "bridge/simulate_of_an_unknown_card_or_slot_is_bad_request",
        "W1.23",
        &[Need::Call("bridge.simulate"), Need::Simulated("psam")],
        |cx| Box::pin(unknown_card(cx)),
    ),
    Case::new(
        "bridge/simulate_of_a_real_device_is_forbidden",
        "W1.23",
        &[Need::Call("bridge.simulate"), Need::Call("bridge.describe")],
        |cx| Box::pin(real_device(cx)),
    ),
    Case::new("bridge/jobs_is_a_list", "W1.24", &[Need::Call("bridge.jobs")], |cx| {
        Box::pin(jobs(cx))
    }),
    Case::new(
        "bridge/record_tells_whether_it_records",
        "W1.25",
        &[Need::Call("bridge.record")],
        |cx| Box::pin(record(cx)),
    ),
    Case::new(
        "bridge/the_first_event_of_bridge_devices_holds_all_devices",
        "W1.27",
        &[Need::Channel("bridgeDevices"), Need::Call("bridge.describe")],
        |cx| Box::pin(all_devices(cx)),
    ),
    Case::new(
        "bridge/bridge_devices_tells_each_change",
        "W1.27",
        &[Need::Channel("bridgeDevices"), Need::Simulated("qr_scanner")],
        |cx| Box::pin(changes(cx)),
    ),
    Case::new(
        "bridge/the_stages_of_a_call_come_in_order",
        "W1.28",
        &[Need::Channel("bridgeCalls"), Need::Action("getIDCardInfo"), Need::Simulated("id_card")],
        |cx| Box::pin(stages(cx)),
    ),
    Case::new(
        "bridge/a_call_behind_another_is_queued",
        "W1.28",
        &[Need::Channel("bridgeCalls"), Need::Action("getIDCardInfo"), Need::Waits("id_card")],
        |cx| Box::pin(queued(cx)),
    ),
];

/// The data of one of the bridge's own calls, which must succeed.
async fn data(cx: &Context, name: &str, params: Value) -> Result<Value, Mismatch> {
    let mut wire = cx.connect().await?;
    let call = json!({"call": name, "params": params, "id": "own"});
    let reply = wire.ask(call.to_string()).await?;
    let head = reply["call"] == name && reply["id"] == "own";
    check(head, || format!("call and id do not come back: {}", cx.quote(&reply)))?;
    cx.success(&reply["res"])
}

async fn describe(cx: Context) -> Outcome {
    let data = data(&cx, "bridge.describe", json!({})).await?;
    let texts = |list: &Value| {
        list.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_string))
    };
    check(data["version"].is_string(), || "version is no text".to_owned())?;
    let version = &data["protocol"];
    let numbers = version["major"].is_u64() && version["minor"].is_u64();
    check(numbers, || format!("protocol is {version}, not major and minor"))?;
    for list in ["actions", "channels", "calls"] {
        check(texts(&data[list]), || format!("{list} is no list of names"))?;
    }
    for limit in
        ["maxFrameBytes", "streamEvents", "pauseFrames", "maxFrames", "maxBytes", "maxCalls"]
    {
        check(data["limits"][limit].is_u64(), || format!("limits.{limit} is no number"))?;
    }
    devices(&data["devices"])
}

/// The devices of `describe`, and what those of `status` have as well.
fn devices(devices: &Value) -> Outcome {
    let list = devices.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| Mismatch::wrong("devices is no list of devices"))?;
    for device in list {
        let shape = device["device"].is_string()
            && device["driver"].is_string()
            && device["simulated"].is_boolean()
            && device["state"].as_str().is_some_and(|state| STATES.contains(&state));
        check(shape, || format!("a device is told as {device}"))?;
    }
    Ok(())
}

async fn status(cx: Context) -> Outcome {
    let data = data(&cx, "bridge.status", json!({})).await?;
    devices(&data["devices"])?;
    for device in data["devices"].as_array().into_iter().flatten() {
        // Milliseconds, and not seconds: this is in 2001.
        let since = device["since"].as_u64().is_some_and(|since| since > 1_000_000_000_000);
        check(since, || format!("since is no moment in ms: {device}"))?;
        check(device["counters"].is_object(), || format!("no counters: {device}"))?;
    }
    check(data["connections"].as_u64().is_some_and(|count| count > 0), || {
        format!("connections is {}, and one asks", data["connections"])
    })?;
    check(data["dropped"].is_object(), || "dropped is not told".to_owned())
}

async fn reset(cx: Context) -> Outcome {
    let data = data(&cx, "bridge.reset", json!({})).await?;
    check(data == json!({}), || format!("data is {data}"))
}

async fn reset_ends(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.ask(r#"{"on":"initIDCardListener"}"#).await?;
    wire.send(request("getIDCardInfo", &json!("r"), None)).await?;
    wire.settled().await?;
    let cancelled = wire.ask(r#"{"call":"bridge.reset","id":1}"#).await?;
    cx.equal(&cancelled, &plain_reply("getIDCardInfo", "open", &json!("r"), false, "取消"))?;
    let done = wire.next().await?;
    cx.success(&done["res"])?;
    // Somebody wants the card, so it is read; the connection that was reset hears nothing of it.
    let mut other = cx.connect().await?;
    other.send(request("getIDCardInfo", &json!("o"), None)).await?;
    other.settled().await?;
    cx.put(json!("li-si")).await?;
    let reply = other.next().await?;
    cx.success(&reply)?;
    wire.settled().await
}

async fn simulate_refused(cx: &Context, params: Value, kind: &str) -> Outcome {
    let mut wire = cx.connect().await?;
    let call = json!({"call": "bridge.simulate", "params": params, "id": 1});
    let reply = wire.ask(call.to_string()).await?;
    cx.refused(&reply["res"], kind)
}

async fn unknown_device(cx: Context) -> Outcome {
    for params in [json!({"device": "toaster", "do": "toast"}), json!({"do": "put"}), json!({})] {
        simulate_refused(&cx, params, "bad_request").await?;
    }
    Ok(())
}

async fn unknown_verb(cx: Context) -> Outcome {
    for params in [
        json!({"device": "id_card", "do": "toast"}),
        json!({"device": "id_card"}),
        json!({"device": "id_card", "do": "fault", "fault": "fire"}),
        json!({"device": "id_card", "do": "put", "card": "nobody-of-that-name"}),
    ] {
        simulate_refused(&cx, params, "bad_request").await?;
    }
    Ok(())
}

async fn unknown_card(cx: Context) -> Outcome {
    for params in [
        json!({"device": "psam", "do": "put", "card": "joker"}),
        json!({"device": "psam", "do": "put", "card": {"colour": "red"}}),
        json!({"device": "psam", "do": "lift", "slot": 3}),
        json!({"device": "psam", "do": "fault", "fault": "fire", "slot": 2}),
        json!({"device": "psam", "do": "scan", "text": "1"}),
    ] {
        simulate_refused(&cx, params, "bad_request").await?;
    }
    Ok(())
}

async fn real_device(cx: Context) -> Outcome {
    let data = data(&cx, "bridge.describe", json!({})).await?;
    let real = |device: &&Value| device["simulated"] == false && device["state"] != "off";
    let device = data["devices"].as_array().and_then(|devices| devices.iter().find(real));
    let Some(device) = device else {
        return Err(Mismatch::NotTried("the target has no real device".to_owned()));
    };
    // A verb that nothing has, for a target that breaks the rule.
    simulate_refused(&cx, json!({"device": device["device"], "do": "nothing"}), "forbidden").await
}

async fn jobs(cx: Context) -> Outcome {
    let data = data(&cx, "bridge.jobs", json!({})).await?;
    let jobs = data["jobs"].as_array().ok_or_else(|| Mismatch::wrong("jobs is no list"))?;
    check(jobs.len() <= 100, || format!("{} jobs, at most 100 are told", jobs.len()))?;
    for job in jobs {
        let shape = job["id"].is_u64() && job.get("taskId").is_some() && job["outcome"].is_string();
        check(shape, || "a job without id, taskId or outcome".to_owned())?;
    }
    Ok(())
}

async fn record(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(r#"{"call":"bridge.record","params":{"do":"status"},"id":1}"#).await?;
    if reply["res"]["data"]["error"]["kind"] == "forbidden" {
        cx.kind(&reply["res"])?;
        return Err(Mismatch::NotTried("the operator allows no recording".to_owned()));
    }
    let data = cx.success(&reply["res"])?;
    check(data["recording"].is_boolean(), || format!("recording is told as {data}"))
}

async fn all_devices(cx: Context) -> Outcome {
    let described = data(&cx, "bridge.describe", json!({})).await?;
    let mut wire = cx.connect().await?;
    let reply = wire.ask(r#"{"on":"bridgeDevices"}"#).await?;
    cx.equal(&reply, &json!({"on": "bridgeDevices", "success": true, "message": "成功"}))?;
    let event = wire.next().await?;
    check(event["channel"] == "bridgeDevices", || format!("no event: {}", cx.quote(&event)))?;
    devices(&event["data"]["devices"])?;
    let names = |list: &Value| {
        let list = list.as_array().into_iter().flatten();
        let mut names: Vec<String> = list.map(|device| device["device"].to_string()).collect();
        names.sort_unstable();
        names
    };
    let (told, known) = (names(&event["data"]["devices"]), names(&described["devices"]));
    check(told == known, || format!("it holds {told:?}, and there are {known:?}"))
}

async fn changes(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.ask(r#"{"on":"bridgeDevices"}"#).await?;
    wire.next().await?;
    for (fault, state) in [("unplug", "absent"), ("none", "ready")] {
        cx.fault("qr_scanner", fault).await?;
        // Other devices may change meanwhile, and this one passes through states of its own.
        loop {
            let event = wire.next().await?;
            let devices = event["data"]["devices"].as_array();
            let scanner = |device: &&Value| device["device"] == "qr_scanner";
            let device = devices.and_then(|devices| devices.iter().find(scanner));
            if device.is_some_and(|device| device["state"] == state) {
                break;
            }
        }
    }
    Ok(())
}

async fn stages(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.ask(r#"{"on":"bridgeCalls"}"#).await?;
    wire.send(request("getIDCardInfo", &json!("s"), None)).await?;
    let mut stages = Vec::new();
    let mut reply = None;
    while stages.last().is_none_or(|stage| stage != "done") || reply.is_none() {
        let frame = wire.next().await?;
        if frame["channel"] != "bridgeCalls" {
            cx.success(&frame)?;
            reply = Some(frame);
            continue;
        }
        let event = &frame["data"];
        let head = event["action"] == "getIDCardInfo" && event["taskId"] == "s";
        check(head, || format!("an event of another call: {}", cx.quote(&frame)))?;
        let stage = event["stage"].as_str().unwrap_or_default().to_owned();
        if stage == "waiting" {
            cx.put(json!("li-si")).await?;
        }
        stages.push(stage);
        check(stages.len() < 10, || format!("too many stages: {stages:?}"))?;
    }
    check(stages == ["waiting", "reading", "done"], || format!("the stages are {stages:?}"))
}

async fn queued(cx: Context) -> Outcome {
    let (mut first, mut second) = (cx.connect().await?, cx.connect().await?);
    first.send(request("getIDCardInfo", &json!("1"), None)).await?;
    first.settled().await?;
    second.ask(r#"{"on":"bridgeCalls"}"#).await?;
    second.send(request("getIDCardInfo", &json!("2"), None)).await?;
    let stage = |task: &str, stage: &str| {
        let data = json!({"action": "getIDCardInfo", "taskId": task, "stage": stage});
        json!({"channel": "bridgeCalls", "data": data})
    };
    let event = second.next().await?;
    cx.equal(&event, &stage("2", "queued"))?;
    second.is_quiet_for(Duration::from_millis(200)).await?;
    drop(first);
    let event = second.next().await?;
    cx.equal(&event, &stage("2", "waiting"))
}
