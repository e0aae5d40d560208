//! Faces by an engine over HTTP, typed numbers, and the kiosk's shell.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::face_engine::{FaceEngine, Reply, SHORT};
use super::fixture::{Client, Daemon, kind, run, soon};

const INIT: &str = r#"{"action":"initFace","taskId":"i","params":{"scope":"auth_user,yingpin"}}"#;
const WHO: &str = r#"{"action":"getFaceInfo","taskId":"w"}"#;
const NUMBER: &str = "11010519491231002X";

fn person() -> String {
    let params = json!({"certName": "张三", "certNo": NUMBER, "certPhotoBase64Str": "data:image/png;base64,AAAA"});
    json!({"action": "getFaceInfoPersonCard", "taskId": "p", "params": params}).to_string()
}

fn enrolment(more: Value) -> String {
    let mut params = json!({"appid": "1", "orgOutId": "2", "componentOutId": "3", "isvPid": "4"});
    params.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
    json!({"action": "doStorageFaceInfo", "taskId": "e", "params": params}).to_string()
}

fn enrolled(reply: &Value) -> Value {
    let text = reply["data"].as_str().expect("a string");
    let data: Value = serde_json::from_str(text).expect("JSON in it");
    data["eventData"].clone()
}

/// An engine that knows everybody.
fn willing(word: &str, _: usize) -> Reply {
    Reply::json(
        200,
        match word {
            "init" => r#"{"success":true}"#,
            "enrol" => {
                r#"{"subCode":"90001","uniqueId":"5644040309543232","subMessage":"other words"}"#
            }
            _ => r#"{"success":true,"alipayUid":"2088","ftoken":"fp","vid":"v","authCode":"once"}"#,
        },
    )
}

async fn begin(
    script: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
    lines: &str,
) -> (FaceEngine, Daemon, Client) {
    let engine = FaceEngine::start(script).await;
    let daemon = Daemon::start("", &format!("{}{lines}", engine.section())).await;
    daemon.ready("face").await;
    let client = daemon.unix().await;
    (engine, daemon, client)
}

#[tokio::test]
async fn an_engine_of_ones_own_is_asked_what_was_asked_and_answers() {
    let (engine, daemon, mut client) = begin(willing, "").await;
    assert_eq!(client.ask(INIT).await["data"], json!({}));
    let reply = client.ask(WHO).await;
    let expected = json!({"alipayUid": "2088", "code": 1000, "extInfo": "{\"authCode\":\"once\"}",
        "ftoken": "fp", "isvResult": true, "subCode": "", "subMessage": "", "vid": "v"});
    assert_eq!(reply["data"], expected, "{reply}");
    let reply = client.ask(&person()).await;
    assert_eq!(reply["data"]["extInfo"], "{\"authCode\":\"\"}");
    let event = enrolled(&client.ask(&enrolment(json!({}))).await);
    let refused = json!({"uniqueId": "5644040309543232", "subCode": "90001",
        "subMessage": "请走上传个人信息的链路"});
    assert_eq!(event, refused);
    let data = json!({"uniqueId": "5644040309543232", "name": "张三", "certNo": NUMBER});
    client.ask(&enrolment(data)).await;
    let asked = engine.asked();
    let words: Vec<_> = asked.iter().map(|(word, _)| word.as_str()).collect();
    assert_eq!(words, ["init", "identify", "verify", "enrol", "enrol"]);
    assert_eq!(asked[0].1, json!({"serviceId": "", "query": "", "scope": "auth_user,yingpin"}));
    assert_eq!(asked[1].1, json!({}));
    let verify = json!({"certName": "张三", "certNo": NUMBER, "certPhotoBase64Str": "AAAA"});
    assert_eq!(asked[2].1, verify);
    let face = json!({"appid": "1", "orgOutId": "2", "componentOutId": "3", "isvPid": "4"});
    assert_eq!(asked[3].1, face);
    assert_eq!(asked[4].1["uniqueId"], "5644040309543232");
    // Nothing of it is in the log.
    let log = daemon.log().join("\n");
    for personal in ["张三", NUMBER, "2088", "once", "5644040309543232"] {
        assert!(!log.contains(personal), "{log}");
    }
}

#[tokio::test]
async fn a_no_is_passed_on_with_everything_that_the_engine_has_said() {
    let no =
        r#"{"success":false,"message":"请摘下口罩","code":"X9","score":{"best":0.25,"of":[1,2]}}"#;
    let script = move |word: &str, before: usize| match word {
        "init" => willing(word, before),
        _ => Reply::json(422, no),
    };
    let (_engine, _daemon, mut client) = begin(script, "").await;
    client.ask(INIT).await;
    for frame in [WHO, &person()] {
        let reply = client.ask(frame).await;
        assert_eq!((&reply["success"], &reply["message"]), (&json!(false), &json!("请摘下口罩")));
        let whole: Value = serde_json::from_str(no).expect("JSON");
        assert_eq!(reply["data"], json!({ "originFaceInfo": whole }));
    }
}

#[tokio::test]
async fn an_engine_that_lies_or_answers_garbage_costs_its_answer_and_no_more() {
    let (engine, daemon, mut client) = begin(willing, "").await;
    client.ask(INIT).await;
    let text = |body: &str| Reply::json(200, body);
    for (reply, origin) in [
        (text("<html>烂</html>"), json!("<html>烂</html>")),
        (text(""), json!("")),
        (text(r#"{"success":true}"#), json!({"success": true})),
        (text(r#"{"success":true,"alipayUid":7}"#), json!({"success": true, "alipayUid": 7})),
        (
            Reply::json(500, r#"{"success":true,"alipayUid":"1"}"#),
            json!({"success": true, "alipayUid": "1"}),
        ),
        (text(r#"{"success":"no"}"#), json!({"success": "no"})),
    ] {
        engine.answers(move |_, _| reply.clone());
        let reply = client.ask(WHO).await;
        assert_eq!(reply["message"], "系统异常(E69001)", "{reply}");
        assert_eq!(reply["data"], json!({ "originFaceInfo": origin }));
        assert_eq!(enrolled(&client.ask(&enrolment(json!({}))).await)["subCode"], "E60001");
    }
    engine.answers(willing);
    assert_eq!(client.ask(WHO).await["success"], true);
    let device = daemon.device("face", |device| device["state"] == "ready").await;
    assert_eq!(device["counters"]["oddAnswers"], 12);
}

#[tokio::test]
async fn an_engine_that_hangs_breaks_off_or_has_no_end_fails_and_is_asked_again() {
    let lines = format!("timeout = {}\n", SHORT.as_millis());
    let (engine, daemon, mut client) = begin(willing, &lines).await;
    client.ask(INIT).await;
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n{".to_vec();
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let mut endless = chunks.clone();
    endless.extend_from_slice(b"10000\r\n");
    endless.extend_from_slice(&[b'x'; 0x10000]);
    for broken in [
        Reply::Hangs(Vec::new()),
        Reply::Hangs(head.clone()),
        Reply::Bytes(Vec::new()),
        Reply::Bytes(head),
        Reply::Bytes(b"\x00\xff\r\n\r\n".to_vec()),
        Reply::Endless(b"HTTP/1.1 200 OK\r\nX-".to_vec()),
        Reply::Bytes([&endless[..], b"\r\n", &endless[chunks.len()..]].concat()),
    ] {
        let before = engine.asked().len();
        let again = broken.clone();
        engine.answers(move |word, before| match word {
            "identify" => again.clone(),
            _ => willing(word, before),
        });
        let reply = client.ask(WHO).await;
        assert_eq!(kind(&reply), "device_failed");
        // It was asked once: what has an end of its own may have worked.
        assert_eq!(engine.asked().len(), before + 1);
        engine.answers(willing);
        daemon.ready("face").await;
        assert_eq!(client.ask(WHO).await["success"], true, "it is still ready");
    }
    let too_long = format!(r#"{{"success":true,"ftoken":"{}"}}"#, "x".repeat(1_000_000));
    engine.answers(move |_, _| Reply::json(200, &too_long));
    assert_eq!(kind(&client.ask(WHO).await), "device_failed");
}

#[tokio::test]
async fn only_the_readying_is_repeated() {
    let script = |word: &str, before: usize| match (word, before) {
        ("init", 0) => Reply::Bytes(Vec::new()),
        ("init", 1) => Reply::json(503, "{}"),
        _ => willing(word, before),
    };
    let (engine, _daemon, mut client) = begin(script, "").await;
    assert_eq!(client.ask(INIT).await["success"], true);
    assert_eq!(engine.asked().len(), 3);
    // An engine that was started anew is readied again, and then asked once more.
    engine.answers(|word, before| match (word, before) {
        ("identify", 0) => Reply::json(200, r#"{"success":false,"code":"E69016"}"#),
        _ => willing(word, before),
    });
    assert_eq!(client.ask(WHO).await["success"], true);
    let words: Vec<_> = engine.asked().into_iter().skip(3).map(|(word, _)| word).collect();
    assert_eq!(words, ["identify", "init", "identify"]);
    // So is an enrolment, of which it says that it has not begun it; but no second time.
    engine.answers(|word, before| match (word, before) {
        ("enrol", 0 | 2 | 3) => Reply::json(200, r#"{"success":false,"code":"E69016"}"#),
        _ => willing(word, before),
    });
    assert_eq!(enrolled(&client.ask(&enrolment(json!({}))).await)["subCode"], "90001");
    assert_eq!(enrolled(&client.ask(&enrolment(json!({}))).await)["subCode"], "E60001");
    let words: Vec<_> = engine.asked().into_iter().skip(6).map(|(word, _)| word).collect();
    assert_eq!(words, ["enrol", "init", "enrol", "enrol", "init", "enrol"]);
    engine.answers(|_, _| Reply::json(200, r#"{"success":false,"message":"E69015"}"#));
    let reply = client.ask(INIT).await;
    assert_eq!((&reply["message"], &reply["data"]), (&json!("E69015"), &json!({})));
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_looked_for_and_used_when_it_comes() {
    let engine = FaceEngine::start(willing).await;
    let (address, section) = (engine.address(), engine.section());
    drop(engine);
    let mut daemon = Daemon::start("", &section).await;
    daemon.said("nobody listens there").await;
    let mut client = daemon.unix().await;
    let reply = client.ask(INIT).await;
    assert_eq!(kind(&reply), "device_unavailable");
    assert!(reply["message"].as_str().expect("a text").contains("E69015"));
    assert_eq!(enrolled(&client.ask(&enrolment(json!({}))).await)["subCode"], "E60001");
    let engine = FaceEngine::start_at(address, willing).await;
    daemon.ready("face").await;
    assert_eq!(client.ask(INIT).await["success"], true);
    engine.was_asked(1).await;
}

#[tokio::test]
async fn a_simulated_engine_is_worked_from_the_command_line() {
    let daemon = Daemon::start("", "[face]\ndriver = \"simulated\"\n").await;
    daemon.ready("face").await;
    let mut client = daemon.unix().await;
    let socket = daemon.socket().display().to_string();
    let work = async |verb: &str, what: &str| {
        run(daemon.folder(), &["simulate", "face", verb, what, "--socket", &socket]).await
    };
    assert_eq!(work("outcome", "E90703").await.0, 0);
    assert_eq!(enrolled(&client.ask(&enrolment(json!({}))).await)["subMessage"], "未签约");
    assert_eq!(work("fault", "lies").await.0, 0);
    assert_eq!(enrolled(&client.ask(&enrolment(json!({}))).await)["subCode"], "E60001");
    let (code, stdout, _) = work("outcome", "E1").await;
    assert_eq!(code, 1);
    assert!(stdout.contains("known, stranger"), "{stdout}");
}

#[tokio::test]
async fn a_number_is_typed_at_a_keypad_over_websocket_and_logged_nowhere() {
    let (engine, daemon, mut client) = begin(willing, "[log]\nlevel = \"trace\"\n").await;
    let enter = r#"{"action":"enterIDNumber","taskId":"n"}"#;
    assert_eq!(kind(&client.ask(enter).await), "device_unavailable");
    let mut keypad = daemon.ws().await;
    keypad.on("bridgeKeypad").await;
    assert_eq!(keypad.next().await["data"], json!({"wanted": false}));
    client.send(enter).await;
    let event = keypad.next().await;
    assert_eq!(event["data"]["wanted"], true);
    let params = json!({"do": "enter", "idNum": NUMBER, "request": event["data"]["request"]});
    let frame = json!({"call": "bridge.keypad", "id": 1, "params": params});
    assert_eq!(keypad.ask(&frame.to_string()).await["res"]["success"], true);
    let reply = client.next().await;
    assert_eq!(reply["data"]["idNum"], NUMBER);
    assert_eq!(
        (&reply["data"]["alipayUid"], &reply["data"]["ftoken"]),
        (&json!("2088"), &json!("fp"))
    );
    assert_eq!(engine.asked()[0], ("person".to_owned(), json!({"certNo": NUMBER})));
    assert_eq!(keypad.next().await["data"]["wanted"], false);
    // A provider that says nothing costs what it would have said.
    engine.answers(|_, _| Reply::Hangs(Vec::new()));
    client.send(enter).await;
    let request = keypad.next().await["data"]["request"].clone();
    let params = json!({"do": "enter", "idNum": NUMBER, "request": request});
    keypad.send(&json!({"call": "bridge.keypad", "params": params}).to_string()).await;
    let reply = client.next().await;
    assert_eq!((&reply["data"]["idNum"], &reply["data"]["ftoken"]), (&json!(NUMBER), &json!("")));
    assert!(!daemon.log().join("\n").contains(NUMBER));
}

/// A program that writes down that it was run, and its commands for `[shell]`.
fn hooks(folder: &Path) -> String {
    let program = folder.join("hook");
    let text = "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/ran\"\n[ \"$1\" != fails ]\n";
    std::fs::write(&program, text).expect("a program");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).expect("executable");
    let program = program.display();
    format!(
        "[shell]\nhide_navigation_bar = [\"{program}\", \"navigation\", \"off; true\"]\n\
         show_navigation_bar = [\"{program}\", \"navigation\", \"on\"]\n\
         hide_notification_bar = [\"{program}\", \"fails\"]\n\
         show_notification_bar = [\"/bin/sleep\", \"60\"]\ntime_limit = 1000\n"
    )
}

fn wish(wishes: Value) -> String {
    json!({"action": "deviceConfig", "taskId": "d", "params": {"deviceConfig": wishes}}).to_string()
}

#[tokio::test]
async fn the_shells_commands_are_run_and_what_was_hidden_is_shown_at_the_end() {
    let folder = TempDir::new().expect("a folder");
    let sections = hooks(folder.path());
    let ran = folder.path().join("ran");
    let mut daemon = Daemon::start("", &sections).await;
    let ran = || std::fs::read_to_string(&ran).unwrap_or_default();
    let mut client = daemon.unix().await;
    // Nothing is done unless all can be.
    let reply = client.ask(&wish(json!({"hideNavigationBar": 1, "exitApplet": 1}))).await;
    assert_eq!(kind(&reply), "device_unavailable");
    assert_eq!(ran(), "");
    let (code, stdout, _) = run(daemon.folder(), &["check", "--config", "config.toml"]).await;
    assert!(code == 0 && stdout.contains("hide_navigation_bar, "), "{stdout}");
    let reply = client.ask(&wish(json!({"hideNavigationBar": "1"}))).await;
    assert_eq!((&reply["success"], &reply["data"]), (&json!(true), &json!({})), "{reply}");
    // Arguments are arguments, whatever stands in them.
    assert_eq!(ran(), "navigation off; true\n");
    let reply = client.ask(&wish(json!({"hindeNotificationBar": 1}))).await;
    assert_eq!(kind(&reply), "device_failed", "{reply}");
    let reply = client.ask(&wish(json!({"hindeNotificationBar": 2}))).await;
    assert_eq!(kind(&reply), "device_failed");
    let detail = reply["data"]["error"]["detail"].as_str().expect("a text");
    assert!(detail.contains("within 1000 ms, and was killed"), "{detail}");
    let mut shell = daemon.unix().await;
    shell.on("bridgeDeviceConfig").await;
    assert_eq!(shell.next().await["data"], json!({"hideNavigationBar": 1}));
    daemon.signal(Signal::TERM);
    assert_eq!(shell.next().await["data"], json!({"hideNavigationBar": 2}));
    assert!(daemon.ended().await.success());
    assert_eq!(ran().lines().last(), Some("navigation on"));
}

#[tokio::test]
async fn what_a_killed_command_has_started_is_killed_with_it() {
    let folder = TempDir::new().expect("a folder");
    let (program, pid) = (folder.path().join("hook"), folder.path().join("pid"));
    let text = format!("#!/bin/sh\nsleep 300 &\necho $! > {}\nwait\n", pid.display());
    std::fs::write(&program, text).expect("a program");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).expect("executable");
    let section = format!("[shell]\nexit_applet = [\"{}\"]\ntime_limit = 500\n", program.display());
    let daemon = Daemon::start("", &section).await;
    let reply = daemon.unix().await.ask(&wish(json!({"exitApplet": 1}))).await;
    assert_eq!(kind(&reply), "device_failed", "{reply}");
    let started = std::fs::read_to_string(&pid).expect("it was started");
    let process = format!("/proc/{}/stat", started.trim());
    let gone = async {
        // A process that nobody waits for yet is a zombie.
        while std::fs::read_to_string(&process).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    soon("the command's own process is gone", gone).await;
}

#[tokio::test]
async fn a_command_that_runs_at_the_daemons_end_has_its_time() {
    let folder = TempDir::new().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let text = format!(
        "#!/bin/sh\ncd {}\n: > begun\nuntil [ -e go ]; do sleep 0.05; done\n: > ended\n",
        folder.path().display()
    );
    let program = file("hook");
    std::fs::write(&program, text).expect("a program");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).expect("executable");
    let section =
        format!("[shell]\nexit_applet = [\"{}\"]\ntime_limit = 30000\n", program.display());
    let mut daemon = Daemon::start("", &section).await;
    let mut client = daemon.unix().await;
    client.send(&wish(json!({"exitApplet": 1}))).await;
    let begun = async {
        while !file("begun").exists() {
            tokio::task::yield_now().await;
        }
    };
    soon("the command runs", begun).await;
    daemon.signal(Signal::TERM);
    // The client has gone when the command may end.
    client.rest().await;
    std::fs::write(file("go"), "").expect("it is written");
    assert!(daemon.ended().await.success());
    assert!(file("ended").exists());
}
