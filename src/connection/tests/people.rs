//! Faces, typed numbers and the shell, against the whole daemon on the paused clock.

use hharome_protocol::face::SubCode;

use super::*;
use crate::config::FaceDriver;

/// A number of an invented person with this sequence number.
fn number(sequence: u32) -> String {
    let digits = format!("11010519491231{sequence:03}");
    let check = hharome_hardware::id_card::id_number::check_digit(&digits).unwrap();
    format!("{digits}{check}")
}

fn call(action: &str, params: Value) -> Value {
    json!({"action": action, "event": "open", "taskId": action, "params": params})
}

fn init() -> Value {
    call("initFace", json!({"serviceId": "", "query": "", "scope": "auth_user,yingpin"}))
}

fn enrolment(more: Value) -> Value {
    let mut params = json!({"appid": "a", "orgOutId": "o", "componentOutId": "c", "isvPid": "i"});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call("doStorageFaceInfo", params)
}

fn person(sequence: u32) -> Value {
    call("getFaceInfoPersonCard", json!({"certName": "张三", "certNo": number(sequence)}))
}

/// The message of a failure and its data.
#[track_caller]
fn failed(reply: &Value) -> (&str, &Value) {
    assert_eq!(reply["success"], false, "{reply}");
    (reply["message"].as_str().unwrap(), &reply["data"])
}

/// What is in the string of an enrolment's reply.
#[track_caller]
fn enrolled(reply: &Value) -> Value {
    let data: Value = serde_json::from_str(reply["data"].as_str().unwrap()).unwrap();
    assert_eq!(data["eventType"], "rocketResult");
    let code = data["eventData"]["subCode"].as_str().unwrap();
    let message = if code == "SUCCESS" { "成功" } else { "失败" };
    assert_eq!(
        (&reply["success"], &reply["message"]),
        (&json!(code == "SUCCESS"), &json!(message))
    );
    let row = SubCode::find(code).unwrap();
    assert_eq!(data["eventData"]["subMessage"], row.message);
    data["eventData"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_face_is_recognised_once_the_engine_is_ready_which_takes_two_seconds() {
    let bridge = bridge();
    let mut client = connect(&bridge);
    let early = client.ask(call("getFaceInfo", json!({}))).await;
    let (message, data) = failed(&early);
    assert_eq!(message, "关闭服务时找不到当前任务(E69016)");
    assert_eq!(data["originFaceInfo"]["code"], "E69016");
    assert_eq!(failed(&client.ask(person(1)).await).0, "关闭服务时找不到当前任务(E69016)");
    let begin = Instant::now();
    let reply = client.ask(init()).await;
    assert_eq!((&reply["success"], &reply["data"]), (&json!(true), &json!({})));
    assert_eq!(begin.elapsed().as_secs(), 2);
    // Whoever has called it: it holds for the daemon's run.
    let mut other = connect(&bridge);
    let mut codes = Vec::new();
    for _ in 0..2 {
        let reply = other.ask(call("getFaceInfo", json!({}))).await;
        let data = &reply["data"];
        assert_eq!((&data["code"], &data["isvResult"]), (&json!(1000), &json!(true)), "{reply}");
        assert_eq!((&data["subCode"], &data["subMessage"]), (&json!(""), &json!("")));
        let info: Value = serde_json::from_str(data["extInfo"].as_str().unwrap()).unwrap();
        codes.push(info["authCode"].as_str().unwrap().to_owned());
    }
    assert!(codes[0] != codes[1] && !codes[0].is_empty());
    let reply = other.ask(person(1)).await;
    assert_eq!(reply["data"]["extInfo"], r#"{"authCode":""}"#, "{reply}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_readied_over_and_over_wants_people_to_wait() {
    let mut client = connect(&bridge());
    for _ in 0..5 {
        assert_eq!(client.ask(init()).await["success"], true);
    }
    let reply = client.ask(call("getFaceInfo", json!({}))).await;
    let (message, data) = failed(&reply);
    assert_eq!(message, "点击过快");
    assert!(data["originFaceInfo"].is_object());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(client.ask(call("getFaceInfo", json!({}))).await["success"], true);
}

#[tokio::test(start_paused = true)]
async fn every_documented_outcome_is_chosen_by_the_hand_or_by_the_number() {
    let bridge = bridge();
    let (mut client, mut hand) = (connect(&bridge), connect(&bridge));
    hand.simulate("face", "outcome", json!({"text": "E69015"})).await;
    assert_eq!(failed(&client.ask(init()).await), ("E69015", &json!({})));
    hand.simulate("face", "outcome", json!({"text": "SUCCESS"})).await;
    client.ask(init()).await;
    for (outcome, message) in [
        ("E69001", "系统异常(E69001)"),
        ("too-fast", "点击过快"),
        ("stranger", "未识别到匹配的人脸,请重试"),
    ] {
        hand.simulate("face", "outcome", json!({"text": outcome})).await;
        let reply = client.ask(call("getFaceInfo", json!({}))).await;
        let (said, data) = failed(&reply);
        assert_eq!((said, &data["originFaceInfo"]["message"]), (message, &json!(message)));
    }
    hand.simulate("face", "outcome", json!({"text": "SUCCESS"})).await;
    for (sequence, message) in
        [(951, "系统异常(E69001)"), (952, "点击过快"), (953, "未识别到匹配的人脸,请重试")]
    {
        assert_eq!(failed(&client.ask(person(sequence)).await).0, message);
    }
    for sequence in [900, 901, 918] {
        assert_eq!(client.ask(person(sequence)).await["success"], true, "{sequence}");
    }
    for row in SubCode::ALL {
        hand.simulate("face", "outcome", json!({"text": row.code})).await;
        let event = enrolled(&client.ask(enrolment(json!({}))).await);
        assert_eq!(event["subCode"], row.code);
        assert_eq!(event["uniqueId"].is_string(), row == SubCode::REFUSED);
    }
    hand.simulate("face", "outcome", json!({"text": "known"})).await;
    let event = enrolled(&client.ask(enrolment(json!({}))).await);
    let keys: Vec<_> = event.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["ftoken", "subCode", "subMessage", "uid", "vid"]);
    let reply =
        hand.ask(json!({"call": "bridge.simulate", "params": {"device": "face", "do": "outcome"}}));
    assert_eq!(reply.await["res"]["data"]["error"]["kind"], "bad_request");
}

#[tokio::test(start_paused = true)]
async fn whoever_was_refused_is_enrolled_by_data_for_ten_minutes() {
    let bridge = bridge();
    let (mut client, mut hand) = (connect(&bridge), connect(&bridge));
    hand.simulate("face", "outcome", json!({"text": "90001"})).await;
    let refused = enrolled(&client.ask(enrolment(json!({}))).await);
    let late = enrolled(&client.ask(enrolment(json!({}))).await);
    hand.simulate("face", "outcome", json!({"text": "SUCCESS"})).await;
    let data = |unique_id: &Value, sequence| json!({"uniqueId": unique_id, "name": "张三", "certNo": number(sequence), "phone": "1"});
    let mut other = connect(&bridge);
    for (sequence, code) in [(901, "90001"), (902, "90002"), (910, "E90506"), (918, "Z1208")] {
        let path = enrolment(data(&refused["uniqueId"], sequence));
        assert_eq!(enrolled(&other.ask(path).await)["subCode"], code);
    }
    let whole = enrolment(data(&refused["uniqueId"], 1));
    let event = enrolled(&other.ask(whole.clone()).await);
    assert!(event["authCode"].is_string() && event["bizId"].is_string(), "{event}");
    // It has served.
    assert_eq!(enrolled(&other.ask(whole).await)["subCode"], "90004");
    for wrong in [
        json!({"uniqueId": late["uniqueId"]}),
        json!({"name": "张三", "certNo": number(1)}),
        data(&json!("1"), 1),
        data(&json!(""), 1),
    ] {
        assert_eq!(enrolled(&other.ask(enrolment(wrong)).await)["subCode"], "90004");
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    let path = enrolment(data(&late["uniqueId"], 1));
    assert_eq!(enrolled(&other.ask(path).await)["subCode"], "90004");
}

#[tokio::test(start_paused = true)]
async fn without_a_provider_face_calls_say_so_in_their_own_ways() {
    let mut config = Config::simulated();
    config.face.driver = FaceDriver::None;
    let mut client = connect(&Bridge::new(config));
    for frame in [init(), call("getFaceInfo", json!({})), person(1)] {
        let reply = client.ask(frame).await;
        let (message, data) = failed(&reply);
        assert!(message.ends_with("(E69015)"), "{message}");
        assert_eq!(data["error"]["kind"], "device_unavailable");
    }
    assert_eq!(enrolled(&client.ask(enrolment(json!({}))).await)["subCode"], "E60001");
    let reply = client.ask(call("doStorageFaceInfo", json!({}))).await;
    assert_eq!(enrolled(&reply)["subCode"], "90004");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_lies_or_answers_garbage_is_a_system_fault() {
    let bridge = bridge();
    let (mut client, mut hand) = (connect(&bridge), connect(&bridge));
    client.ask(init()).await;
    for (fault, origin) in
        [("garbage", json!("<html>")), ("lies", json!({"success": true, "subCode": "SUCCESS"}))]
    {
        hand.simulate("face", "fault", json!({"fault": fault})).await;
        let reply = client.ask(call("getFaceInfo", json!({}))).await;
        let (message, data) = failed(&reply);
        assert_eq!((message, &data["originFaceInfo"]), ("系统异常(E69001)", &origin));
        assert_eq!(enrolled(&client.ask(enrolment(json!({}))).await)["subCode"], "E60001");
    }
    hand.simulate("face", "fault", json!({"fault": "silence"})).await;
    let begin = Instant::now();
    let reply = client.ask(call("getFaceInfo", json!({}))).await;
    assert_eq!(failed(&reply).1["error"]["kind"], "device_failed");
    assert_eq!(begin.elapsed().as_secs(), 60);
    // It is opened anew, still ready, and does its work again.
    hand.simulate("face", "fault", json!({"fault": "none"})).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(client.ask(call("getFaceInfo", json!({}))).await["success"], true);
    hand.simulate("face", "fault", json!({"fault": "unplug"})).await;
    let reply = client.ask(call("getFaceInfo", json!({}))).await;
    assert_eq!(failed(&reply).1["error"]["kind"], "device_unavailable");
}

fn enter(task_id: &str) -> Value {
    json!({"action": "enterIDNumber", "taskId": task_id})
}

fn keypad(params: Value) -> Value {
    json!({"call": "bridge.keypad", "params": params})
}

#[tokio::test(start_paused = true)]
async fn a_typed_number_answers_the_oldest_call() {
    let bridge = bridge();
    let (mut client, mut shell) = (connect(&bridge), connect(&bridge));
    let reply = client.ask(enter("a")).await;
    assert_eq!(reply["data"]["error"]["kind"], "device_unavailable");
    shell.ask(json!({"on": "bridgeKeypad"})).await;
    assert_eq!(shell.next().await["data"], json!({"wanted": false}));
    client.send(enter("a")).await;
    let shown = shell.next().await;
    assert_eq!(shown["data"], json!({"wanted": true, "request": 1, "leftMs": 60000}));
    client.send(enter("b")).await;
    // Nobody but a keypad answers, and only a number that can be.
    let typed = json!({"do": "enter", "idNum": "11010519491231002x", "request": 1});
    let reply = client.ask(keypad(typed.clone())).await;
    assert_eq!(reply["res"]["data"]["error"]["kind"], "forbidden");
    for wrong in ["", "11010519491231002", "110105194912310021", "张三"] {
        let params = json!({"do": "enter", "idNum": wrong, "request": 1});
        let reply = shell.ask(keypad(params)).await;
        assert_eq!(reply["res"]["data"]["error"]["kind"], "bad_request");
    }
    // Nor one of which it is not said whom it is for.
    let reply = shell.ask(keypad(json!({"do": "enter", "idNum": "11010519491231002X"}))).await;
    assert_eq!(reply["res"]["data"]["error"]["kind"], "bad_request");
    let told = shell.ask(keypad(typed.clone())).await;
    let event = shell.next().await;
    assert_eq!(told["res"]["success"], true, "{told}");
    assert_eq!(event["data"]["request"], 2);
    let reply = client.next().await;
    is_reply(&reply, "a", true, "成功");
    let data = &reply["data"];
    assert_eq!(data["idNum"], "11010519491231002X");
    assert_eq!((&data["code"], &data["isvResult"]), (&json!(1000), &json!(true)));
    assert_eq!((&data["subCode"], &data["subMessage"]), (&json!("OK_SUCCESS"), &json!("SUCCESS")));
    assert_eq!((&data["extInfo"], &data["vid"]), (&json!(r#"{"authCode":""}"#), &json!("")));
    // The simulated provider knows everybody.
    assert_eq!(data["alipayUid"], "2088612116677214");
    // What was typed for the first is not the second's.
    let reply = shell.ask(keypad(typed)).await;
    assert_eq!(reply["res"]["data"]["error"]["kind"], "bad_request");
    shell.send(keypad(json!({"do": "cancel", "request": 2}))).await;
    let reply = client.next().await;
    is_reply(&reply, "b", false, "取消手输证件号");
    assert_eq!(reply["data"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn typing_ends_by_time_by_close_by_another_call_and_with_its_client() {
    let mut config = Config::simulated();
    config.face.driver = FaceDriver::None;
    let bridge = Bridge::new(config);
    let (mut client, mut shell) = (connect(&bridge), connect(&bridge));
    shell.ask(json!({"on": "bridgeKeypad"})).await;
    shell.next().await;
    let begin = Instant::now();
    let reply = client.ask(enter("a")).await;
    is_reply(&reply, "a", false, "手输证件号超时");
    assert_eq!((&reply["data"], begin.elapsed().as_secs()), (&json!({}), 60));
    let wanted = |event: Value| (event["data"]["wanted"].clone(), event["data"]["request"].clone());
    assert_eq!(wanted(shell.next().await), (json!(true), json!(1)));
    assert_eq!(wanted(shell.next().await), (json!(false), Value::Null));
    client.send(enter("b")).await;
    assert_eq!(wanted(shell.next().await), (json!(true), json!(2)));
    client.send(enter("b")).await;
    is_reply(&client.next().await, "b", false, "取消");
    assert_eq!(wanted(shell.next().await), (json!(true), json!(3)));
    client.send(json!({"action": "enterIDNumber", "event": "close", "taskId": "c"})).await;
    is_reply(&client.next().await, "b", false, "取消");
    is_reply(&client.next().await, "c", true, "关闭成功");
    assert_eq!(wanted(shell.next().await).0, json!(false));
    client.send(enter("d")).await;
    assert_eq!(wanted(shell.next().await), (json!(true), json!(4)));
    // A keypad that comes later, or again, shows it, too.
    let mut again = connect(&bridge);
    again.ask(json!({"on": "bridgeKeypad"})).await;
    assert_eq!(wanted(again.next().await), (json!(true), json!(4)));
    drop(client);
    assert_eq!(wanted(shell.next().await).0, json!(false));
    // Without a provider nothing is known of the person.
    let mut client = connect(&bridge);
    client.send(enter("e")).await;
    let request = wanted(shell.next().await).1;
    let params = json!({"do": "enter", "idNum": "11010519491231002X", "request": request});
    shell.send(keypad(params)).await;
    let data = client.next().await["data"].clone();
    assert_eq!(
        ["alipayUid", "ftoken", "vid"].map(|key| data[key].clone()),
        ["", "", ""].map(Value::from)
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_pays_for_a_look_up_that_is_late() {
    let bridge = bridge();
    let (mut client, mut other) = (connect(&bridge), connect(&bridge));
    let (mut shell, mut hand) = (connect(&bridge), connect(&bridge));
    assert_eq!(other.ask(init()).await["success"], true);
    shell.ask(json!({"on": "bridgeKeypad"})).await;
    shell.next().await;
    client.send(enter("a")).await;
    let request = shell.next().await["data"]["request"].clone();
    hand.simulate("face", "fault", json!({"fault": "silence"})).await;
    let begin = Instant::now();
    let params = json!({"do": "enter", "idNum": "11010519491231002X", "request": request});
    shell.send(keypad(params)).await;
    shell.next().await;
    other.send(call("getFaceInfo", json!({}))).await;
    let reply = client.next().await;
    assert_eq!((&reply["data"]["alipayUid"], &reply["success"]), (&json!(""), &json!(true)));
    assert_eq!(begin.elapsed().as_secs(), 3);
    // Who waits behind it still does, and is asked about when the engine speaks.
    other.says_nothing_for(Duration::from_secs(5)).await;
    hand.simulate("face", "fault", json!({"fault": "none"})).await;
    assert_eq!(other.next().await["success"], true);
}

fn shell_config(wishes: Value) -> Value {
    call("deviceConfig", json!({ "deviceConfig": wishes }))
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_listens_is_told_what_is_wished_of_it() {
    let bridge = bridge();
    let mut client = connect(&bridge);
    let wishes = json!({"exitApplet": "1", "hideNavigationBar": 1, "hindeNotificationBar": 1});
    let reply = client.ask(shell_config(wishes.clone())).await;
    assert_eq!(failed(&reply).1["error"]["kind"], "device_unavailable");
    assert_eq!(client.ask(shell_config(json!({}))).await["success"], true);
    let mut shell = connect(&bridge);
    shell.ask(json!({"on": "bridgeDeviceConfig"})).await;
    let reply = client.ask(shell_config(wishes)).await;
    assert_eq!((&reply["success"], &reply["data"]), (&json!(true), &json!({})), "{reply}");
    let all = json!({"exitApplet": 1, "hideNavigationBar": 1, "hindeNotificationBar": 1});
    assert_eq!(shell.next().await, json!({"channel": "bridgeDeviceConfig", "data": all}));
    // One that comes later is told what holds.
    client.ask(shell_config(json!({"hideNotificationBar": 2}))).await;
    let mut later = connect(&bridge);
    later.ask(json!({"on": "bridgeDeviceConfig"})).await;
    assert_eq!(later.next().await["data"], json!({"hideNavigationBar": 1}));
    crate::actions::device::restore(&bridge).await;
    assert_eq!(later.next().await["data"], json!({"hideNavigationBar": 2}));
    let mut last = connect(&bridge);
    last.ask(json!({"on": "bridgeDeviceConfig"})).await;
    last.says_nothing_for(Duration::from_secs(1)).await;
    // A bar that is hidden now would stay hidden.
    let reply = client.ask(shell_config(json!({"hideNavigationBar": 1}))).await;
    assert_eq!(failed(&reply).1["error"]["kind"], "device_unavailable");
    last.says_nothing_for(Duration::from_secs(1)).await;
}
