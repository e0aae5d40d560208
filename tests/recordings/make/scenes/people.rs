//! Scenes of faces, typed ID numbers, and the kiosk's shell.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::client::{Client, action, call, close, simulate};
use super::daemon::Daemon;
use super::face_engine::{FaceEngine, Reply};
use super::{Scene, Stage, pause};

const FACE: &str = "[face]\ndriver = \"simulated\"\n";

const NAME: &str = "欧阳慕容";
const NUMBER: &str = "990105194912310023";
const PHONE: &str = "19900001234";
const ACCOUNT: &str = "2088990077665544";
const TOKEN: &str = "fpzz7788aa55cc33";
const REFUSAL: &str = "5644990077661122";
const SAID: &str = "欧阳慕容请摘下口罩";

/// What is a person's in these scenes.
pub(super) const SECRETS: [&str; 7] = [NAME, NUMBER, PHONE, ACCOUNT, TOKEN, REFUSAL, SAID];

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "face_states",
            "faces: before `initFace`, after it, for another client, after it was called over and over; \
             outcomes chosen by the hand and by number",
            states,
        ),
        Scene::new(
            "face_enrolment",
            "`doStorageFaceInfo`: every row of its table, the second path after a refusal, a `uniqueId` \
             that nobody was given, misplaced params",
            enrolment,
        ),
        Scene::new(
            "face_engine",
            "an engine over HTTP: people, a no with all that came with it, garbage, lies, an answer that \
             breaks off, one that never comes, and an engine that is gone and comes back",
            engine,
        ),
        Scene::new(
            "face_begun_later",
            "the recording begins when the engine was readied and somebody refused: both hold",
            begun_later,
        ),
        Scene::new(
            "face_not_configured",
            "face calls and a typed number without a provider",
            not_configured,
        ),
        Scene::new(
            "id_number_typed",
            "numbers typed at a keypad: two calls, a wrong number, a late one, cancel, close, supersede, \
             time limit, and nobody there",
            typed,
        ),
        Scene::new(
            "shell_config",
            "`deviceConfig` by commands and by a shell that listens; a command that fails, one that is \
             killed; what was hidden is shown at the end",
            shell,
        ),
    ]
}

fn init() -> Value {
    with("initFace", json!({"serviceId": "s", "scope": "auth_user,yingpin"}))
}

fn with(name: &str, params: Value) -> Value {
    let mut frame = action(name, name);
    frame["params"] = params;
    frame
}

fn compare(number: &str) -> Value {
    with("getFaceInfoPersonCard", json!({"certName": NAME, "certNo": number}))
}

fn enrol(more: Value) -> Value {
    let mut params =
        json!({"appid": "app", "orgOutId": "org", "componentOutId": "part", "isvPid": "isv"});
    params.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
    with("doStorageFaceInfo", params)
}

/// The result of an enrolment, which has to be this row.
fn is_row(reply: &Value, code: &str) -> Value {
    let text = reply["data"].as_str().expect("a string");
    let data: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(data["eventData"]["subCode"], code, "{reply}");
    data["eventData"].clone()
}

/// A number with this sequence number, whose check digit is right.
fn number(sequence: u32) -> String {
    let digits = format!("99010519491231{sequence:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let values = digits.chars().filter_map(|digit| digit.to_digit(10));
    let sum: u32 = values.zip(weights).map(|(digit, weight)| digit * weight).sum();
    let check = "10X98765432".chars().nth(sum as usize % 11).expect("eleven");
    format!("{digits}{check}")
}

async fn outcome(hand: &mut Client, word: &str) {
    let reply = hand.ask(simulate("face", "outcome", "text", word)).await;
    assert_eq!(reply["res"]["success"], true, "{reply}");
}

async fn states(stage: Stage) {
    let mut daemon = stage.start(FACE).await;
    daemon.ready("face", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.tcp().await);
    for frame in [action("getFaceInfo", 1), compare(NUMBER)] {
        client.send(frame).await;
        client.fails("关闭服务时找不到当前任务(E69016)").await;
    }
    outcome(&mut other, "E69015").await;
    client.send(init()).await;
    client.fails("E69015").await;
    outcome(&mut other, "SUCCESS").await;
    client.send(init()).await;
    client.succeeds().await;
    other.send(action("getFaceInfo", 2)).await;
    other.succeeds().await;
    client.send(compare(NUMBER)).await;
    client.succeeds().await;
    for (sequence, message) in
        [(951, "系统异常(E69001)"), (952, "点击过快"), (953, "未识别到匹配的人脸,请重试")]
    {
        client.send(compare(&number(sequence))).await;
        client.fails(message).await;
    }
    outcome(&mut other, "stranger").await;
    other.send(action("getFaceInfo", 3)).await;
    other.fails("未识别到匹配的人脸,请重试").await;
    outcome(&mut other, "SUCCESS").await;
    for _ in 0..5 {
        client.send(init()).await;
    }
    client.send(action("getFaceInfo", 4)).await;
    for _ in 0..5 {
        client.succeeds().await;
    }
    // Five of them take ten seconds themselves.
    client.next().await;
    for params in [json!({}), json!({"scope": "a, b"})] {
        client.send(with("initFace", params)).await;
        client.fails_as("bad_request").await;
    }
    client.leave().await;
    other.leave().await;
    daemon.stop().await;
}

async fn enrolment(stage: Stage) {
    let mut daemon = stage.start(FACE).await;
    daemon.ready("face", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, daemon.unix().await);
    for row in hharome_protocol::face::SubCode::ALL {
        outcome(&mut hand, row.code).await;
        is_row(&client.ask(enrol(json!({}))).await, row.code);
    }
    outcome(&mut hand, "known").await;
    is_row(&client.ask(enrol(json!({}))).await, "SUCCESS");
    outcome(&mut hand, "90001").await;
    let refused = is_row(&client.ask(enrol(json!({}))).await, "90001")["uniqueId"].clone();
    outcome(&mut hand, "SUCCESS").await;
    let path = |unique_id: &Value, number: String| {
        enrol(json!({"uniqueId": unique_id, "name": NAME, "certNo": number, "phone": PHONE}))
    };
    is_row(&client.ask(path(&json!(REFUSAL), number(1))).await, "90004");
    is_row(&client.ask(path(&refused, number(918))).await, "Z1208");
    is_row(&client.ask(path(&refused, number(900))).await, "SUCCESS");
    is_row(&client.ask(path(&refused, number(1))).await, "90004");
    for wrong in [json!({"uniqueId": refused}), json!({"name": NAME}), json!({"appid": 7})] {
        is_row(&client.ask(enrol(wrong)).await, "90004");
    }
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

/// An engine that knows one person, and refuses to enrol that one.
fn willing(word: &str, _: usize) -> Reply {
    let person = json!({"success": true, "alipayUid": ACCOUNT, "ftoken": TOKEN, "vid": "v7",
        "authCode": "5dc39621fe5a49deb21a87c98876aa21"});
    let body = match word {
        "init" => json!({"success": true}),
        "enrol" => json!({"subCode": "90001", "uniqueId": REFUSAL}),
        _ => person,
    };
    Reply::json(200, &body.to_string())
}

async fn engine(stage: Stage) {
    let engine = FaceEngine::start(willing).await;
    let section = format!("{}timeout = 1500\n", engine.section());
    let mut daemon = stage.start(&section).await;
    daemon.ready("face", 1).await;
    let mut client = daemon.unix().await;
    client.send(init()).await;
    client.succeeds().await;
    let photo =
        json!({"certName": NAME, "certNo": NUMBER, "certPhotoBase64Str": "iVBORw0KGgoAAAAN"});
    for frame in [action("getFaceInfo", 1), with("getFaceInfoPersonCard", photo)] {
        client.send(frame).await;
        client.succeeds().await;
    }
    is_row(&client.ask(enrol(json!({}))).await, "90001");
    let path = json!({"uniqueId": REFUSAL, "name": NAME, "certNo": NUMBER, "phone": PHONE});
    engine.answers(|_, _| {
        let new = json!({"subCode": "SUCCESS", "uid": ACCOUNT, "ftoken": TOKEN, "authCode": "aa77bb66cc55dd44",
            "vid": "", "bizId": "20990101998877"});
        Reply::json(200, &new.to_string())
    });
    is_row(&client.ask(enrol(path)).await, "SUCCESS");
    pause().await;
    let no = json!({"success": false, "message": SAID, "code": "X7", "seen": {"name": NAME, "score": 0.25}});
    let no = no.to_string();
    for reply in [
        Reply::json(422, &no),
        Reply::json(200, "<html>欧阳慕容</html>"),
        Reply::json(200, r#"{"success":true}"#),
        Reply::json(500, ""),
    ] {
        engine.answers(move |_, _| reply.clone());
        for frame in [action("getFaceInfo", 2), compare(NUMBER)] {
            let reply = client.ask(frame).await;
            assert_eq!(reply["success"], false, "{reply}");
        }
        pause().await;
    }
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{".to_vec();
    for reply in [Reply::Bytes(cut), Reply::Hangs(Vec::new())] {
        engine.answers(move |_, _| reply.clone());
        client.send(action("getFaceInfo", 3)).await;
        client.fails_as("device_failed").await;
        pause().await;
    }
    // It is started anew: readied again, and asked once more.
    engine.answers(|word, before| match (word, before % 2) {
        ("identify", 1) => Reply::json(200, r#"{"success":false,"code":"E69016"}"#),
        _ => willing(word, before),
    });
    client.send(action("getFaceInfo", 4)).await;
    client.next().await;
    client.send(action("getFaceInfo", 5)).await;
    client.next().await;
    let address = engine.address();
    drop(engine);
    pause().await;
    client.send(action("getFaceInfo", 6)).await;
    client.fails_as("device_unavailable").await;
    is_row(&client.ask(enrol(json!({}))).await, "E60001");
    let _engine = FaceEngine::start_at(address, willing).await;
    client.on("bridgeDevices").await;
    loop {
        let devices = client.hears("bridgeDevices").await["data"]["devices"].clone();
        let mut devices = devices.as_array().expect("a list").iter();
        if devices.any(|one| one["device"] == "face" && one["state"] == "ready") {
            break;
        }
    }
    client.ask(json!({"off": "bridgeDevices"})).await;
    pause().await;
    client.send(action("getFaceInfo", 7)).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

async fn begun_later(stage: Stage) {
    let mut daemon = stage.start_unrecorded(FACE).await;
    daemon.ready("face", 1).await;
    let mut client = daemon.unix().await;
    client.send(init()).await;
    client.succeeds().await;
    outcome(&mut client, "90001").await;
    let refused = is_row(&client.ask(enrol(json!({}))).await, "90001")["uniqueId"].clone();
    outcome(&mut client, "SUCCESS").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    daemon.record("start", stage.recording()).await;
    pause().await;
    client.send(action("getFaceInfo", 1)).await;
    client.succeeds().await;
    let path = json!({"uniqueId": refused, "name": NAME, "certNo": NUMBER});
    is_row(&client.ask(enrol(path)).await, "SUCCESS");
    pause().await;
    daemon.record("stop", stage.recording()).await;
    client.leave().await;
    daemon.stop().await;
}

async fn not_configured(stage: Stage) {
    let daemon = stage.start("").await;
    let (mut client, mut keypad) = (daemon.unix().await, daemon.ws().await);
    for frame in [init(), action("getFaceInfo", 1), compare(NUMBER)] {
        client.send(frame).await;
        client.fails_as("device_unavailable").await;
    }
    is_row(&client.ask(enrol(json!({}))).await, "E60001");
    keypad.on("bridgeKeypad").await;
    keypad.hears("bridgeKeypad").await;
    client.send(action("enterIDNumber", 2)).await;
    let request = keypad.hears("bridgeKeypad").await["data"]["request"].clone();
    pause().await;
    let params = json!({"do": "enter", "idNum": NUMBER, "request": request});
    keypad.send(call("bridge.keypad", &params)).await;
    client.succeeds().await;
    client.leave().await;
    keypad.leave().await;
    daemon.stop().await;
}

/// The keypad hears that a number is wanted, or not.
async fn wanted(keypad: &mut Client) -> Value {
    pause().await;
    keypad.hears("bridgeKeypad").await["data"]["request"].clone()
}

async fn typed(stage: Stage) {
    let mut daemon = stage.start(&format!("{FACE}[timeouts]\nid_number = 2000\n")).await;
    daemon.ready("face", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.tcp().await);
    let enter = |task: &str| action("enterIDNumber", task);
    client.send(enter("nobody")).await;
    client.fails_as("device_unavailable").await;
    let mut keypad = daemon.ws().await;
    keypad.on("bridgeKeypad").await;
    keypad.hears("bridgeKeypad").await;
    client.on("bridgeCalls").await;
    client.send(enter("first")).await;
    client.hears("bridgeCalls").await;
    let first = wanted(&mut keypad).await;
    other.send(enter("second")).await;
    daemon.was_asked("enterIDNumber", 3).await;
    pause().await;
    let type_in = |request: &Value, number: &str| {
        call("bridge.keypad", &json!({"do": "enter", "idNum": number, "request": request}))
    };
    client.send(type_in(&first, NUMBER)).await;
    client.fails_as("forbidden").await;
    keypad.send(type_in(&first, "990105194912310020")).await;
    keypad.fails_as("bad_request").await;
    pause().await;
    keypad.send(type_in(&first, NUMBER)).await;
    let reply = keypad.next().await;
    assert_eq!(reply["res"]["success"], true, "{reply}");
    let second = wanted(&mut keypad).await;
    client.hears("bridgeCalls").await;
    client.succeeds().await;
    // Typed for the first, and nobody else's.
    keypad.send(type_in(&first, NUMBER)).await;
    keypad.fails_as("bad_request").await;
    pause().await;
    keypad.send(call("bridge.keypad", &json!({"do": "cancel", "request": second}))).await;
    keypad.next().await;
    wanted(&mut keypad).await;
    other.fails("取消手输证件号").await;
    other.send(enter("a")).await;
    wanted(&mut keypad).await;
    other.send(enter("a")).await;
    other.fails("取消").await;
    wanted(&mut keypad).await;
    other.send(close("enterIDNumber", "b")).await;
    other.fails("取消").await;
    other.succeeds().await;
    wanted(&mut keypad).await;
    other.send(enter("c")).await;
    other.fails("手输证件号超时").await;
    wanted(&mut keypad).await;
    wanted(&mut keypad).await;
    for client in [client, other, keypad] {
        client.leave().await;
    }
    daemon.stop().await;
}

async fn shell(stage: Stage) {
    let program = stage.path("hook");
    fs::write(&program, "#!/bin/sh\n[ \"$1\" != fails ]\n").expect("the folder is ours");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let section = "[shell]\nhide_navigation_bar = [\"{dir}/hook\", \"off\"]\n\
        show_navigation_bar = [\"{dir}/hook\", \"on\"]\nhide_notification_bar = [\"{dir}/hook\", \"fails\"]\n\
        show_notification_bar = [\"/bin/sleep\", \"60\"]\ntime_limit = 500\n";
    let daemon: Daemon = stage.start(section).await;
    let mut client = daemon.unix().await;
    let wish = |wishes: Value| with("deviceConfig", json!({ "deviceConfig": wishes }));
    client.send(wish(json!({"hideNavigationBar": 1, "exitApplet": 1}))).await;
    client.fails_as("device_unavailable").await;
    client.send(wish(json!({"hideNavigationBar": "1"}))).await;
    client.succeeds().await;
    for bar in [1, 2] {
        client.send(wish(json!({"hindeNotificationBar": bar}))).await;
        client.fails_as("device_failed").await;
        pause().await;
    }
    let mut shell = daemon.unix().await;
    shell.on("bridgeDeviceConfig").await;
    shell.hears("bridgeDeviceConfig").await;
    client.send(wish(json!({"exitApplet": 1, "hideNavigationBar": 2}))).await;
    client.succeeds().await;
    shell.hears("bridgeDeviceConfig").await;
    client.send(wish(json!({"hideNavigationBar": 3}))).await;
    client.fails_as("bad_request").await;
    client.send(wish(json!({}))).await;
    client.succeeds().await;
    client.leave().await;
    shell.leave().await;
    daemon.stop().await;
}
