//! Start, configuration, signals, states: the daemon's life and what it tells of it.

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{Client, Daemon, kind, run};
use crate::id_card::{ASK, SECTION, with_reader};

const INFO: &str = r#"{"action":"getDeviceInfo","taskId":"1"}"#;

#[tokio::test]
async fn sigterm_answers_what_waits_and_ends_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = Daemon::simulated().await;
        let mut clients = [daemon.unix().await, daemon.tcp_client().await, daemon.ws().await];
        for client in &mut clients {
            client.send(ASK).await;
            client.nothing_came().await;
        }
        daemon.signal(signal);
        for client in &mut clients {
            let frames = client.rest().await;
            let reply: Value = serde_json::from_str(&frames[0]).expect("JSON");
            let expected = json!({
                "action": "getIDCardInfo", "event": "open", "taskId": "3",
                "success": false, "message": "取消", "data": {},
            });
            assert_eq!((frames.len(), reply), (1, expected));
        }
        assert_eq!(daemon.ended().await.code(), Some(0));
        assert!(!daemon.socket().exists());
    }
}

#[tokio::test]
async fn sigterm_does_not_wait_for_a_client_that_never_reads() {
    let mut daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    client.bytes("{\"call\":\"bridge.status\"}\n".repeat(200).as_bytes()).await;
    client.next().await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0));
}

#[tokio::test]
async fn sighup_reads_again_what_can_be_read_again_and_names_what_cannot() {
    let simulated = "[id_card]\ndriver = \"simulated\"\n";
    let before = format!("{simulated}[timeouts]\nid_card = 0\n[device_info]\nsn = \"old\"\n");
    let mut daemon = Daemon::start("", &before).await;
    let mut client = daemon.unix().await;
    assert_eq!(client.ask(INFO).await["data"]["sn"], "old");
    let after = "[id_card]\ndriver = \"none\"\n[timeouts]\nid_card = 300\n\
                 [device_info]\nsn = \"new\"\n";
    daemon.rewrite("unix_mode = \"0600\"\n", after);
    daemon.signal(Signal::HUP);
    let said = daemon.said("need a restart").await;
    assert!(said.contains("[id_card] driver") && said.contains("[listen] unix_mode"), "{said}");
    assert!(!said.contains("[timeouts] id_card"), "{said}");
    let said = daemon.said("read again").await;
    assert!(said.contains("[timeouts] id_card") && said.contains("[device_info] sn"), "{said}");
    // The connection is still there, the driver too, and the new limit holds.
    assert_eq!(client.ask(INFO).await["data"]["sn"], "new");
    assert_eq!(client.ask(ASK).await["message"], "超时");
}

#[tokio::test]
async fn sighup_puts_a_new_token_in_force() {
    let mut daemon = Daemon::start("token = \"0123456789abcdef\"\n", "").await;
    daemon.rewrite("token = \"fedcba9876543210\"\n", "");
    daemon.signal(Signal::HUP);
    let said = daemon.said("read again").await;
    assert!(said.contains("[listen] token") && !said.contains("fedcba"), "{said}");
    let mut client = daemon.tcp_client().await;
    client.send(r#"{"token":"fedcba9876543210"}"#).await;
    assert_eq!(client.ask(INFO).await["success"], true);
    let mut client = daemon.tcp_client().await;
    client.send(r#"{"token":"0123456789abcdef"}"#).await;
    assert!(client.rest().await.iter().all(|frame| frame.contains("forbidden")));
}

#[tokio::test]
async fn sighup_with_a_mistake_in_the_file_changes_nothing() {
    let mut daemon = Daemon::start("", "[device_info]\nsn = \"old\"\n").await;
    daemon.rewrite("", "[device_info]\nsn = \"new\"\n[timeouts]\nid_card = \"soon\"\n");
    daemon.signal(Signal::HUP);
    let said = daemon.said("[timeouts] id_card").await;
    assert!(said.contains("config.toml:9:"), "{said}");
    assert_eq!(daemon.unix().await.ask(INFO).await["data"]["sn"], "old");
}

#[tokio::test]
async fn a_mistake_in_the_file_is_named_by_file_line_and_key() {
    for (text, place) in [
        ("[listen]\nunix = 7\n", "config.toml:2: [listen] unix:"),
        ("[listen]\ntpc = \"x\"\n", "config.toml:2: [listen] tpc:"),
        ("\n[lisen]\n", "config.toml:2: [lisen]"),
        ("[id_card]\ndriver = \"usb\"\n", "config.toml:2: [id_card] driver:"),
        // What is missing is missed where its section begins.
        ("\n[id_card]\ndriver = \"sam-v-serial\"\n", "config.toml:2: [id_card] port:"),
        ("[id_card]\n\nbaud = 12345\n", "config.toml:3: [id_card] baud:"),
        ("[timeouts]\nid_card = -1\n", "config.toml:2: [timeouts] id_card:"),
        ("[qr_scanner]\ndriver = \"serial\nport = \"x\"\n", "config.toml:2: [qr_scanner] driver:"),
        ("[log]\nlevel = \"loud\"\n", "config.toml:2: [log] level:"),
    ] {
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("config.toml"), text).expect("it is written");
        for command in ["serve", "check"] {
            let (code, _, said) = run(folder.path(), &[command, "--config", "config.toml"]).await;
            assert_eq!(code, 2, "{text}: {said}");
            assert!(said.contains(place), "{text}: {said}");
            assert!(said.contains("allowed"), "{text}: {said}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_named_and_not_there_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let (code, _, said) = run(folder.path(), &["serve", "--config", "nowhere.toml"]).await;
    assert_eq!(code, 2);
    assert!(said.contains("nowhere.toml"), "{said}");
}

#[tokio::test]
async fn describe_says_what_is_served() {
    let daemon = Daemon::start("max_frame_bytes = 4096\n", SECTION).await;
    let reply = daemon.unix().await.ask(r#"{"call":"bridge.describe","id":1}"#).await;
    assert_eq!((&reply["call"], &reply["id"]), (&json!("bridge.describe"), &json!(1)));
    let res = &reply["res"];
    assert_eq!((&res["success"], &res["message"]), (&json!(true), &json!("成功")));
    let data = &res["data"];
    assert!(data["version"].is_string() && data["protocol"].is_object(), "{data}");
    let holds = |list: &Value, name: &str| list.as_array().expect("a list").contains(&json!(name));
    for action in ["getIDCardInfo", "closeIDCardInfo", "getQRCode", "getDeviceInfo"] {
        assert!(holds(&data["actions"], action), "{action}");
    }
    for channel in ["initIDCardListener", "initQRListener", "bridgeDevices", "bridgeCalls"] {
        assert!(holds(&data["channels"], channel), "{channel}");
    }
    assert_eq!(data["limits"]["maxFrameBytes"], 4096);
    assert_eq!(data["limits"]["maxCalls"], 256);
    let devices = data["devices"].as_array().expect("a list");
    let reader = devices.iter().find(|device| device["device"] == "id_card").expect("listed");
    assert_eq!((&reader["driver"], &reader["simulated"]), (&json!("sam-v-serial"), &json!(false)));
    let printer = devices.iter().find(|device| device["device"] == "printer").expect("listed");
    assert_eq!((&printer["driver"], &printer["state"]), (&json!("none"), &json!("off")));
}

#[tokio::test]
async fn status_counts_connections_and_tells_since_when() {
    let daemon = Daemon::simulated().await;
    daemon.ready("id_card").await;
    let _other = daemon.ws().await;
    let mut client = daemon.unix().await;
    let counted = async {
        loop {
            let status = client.ask(r#"{"call":"bridge.status"}"#).await["res"]["data"].clone();
            // The status clients of the fixture are on their way out.
            if status["connections"] == 2 {
                return status;
            }
        }
    };
    let status = crate::fixture::soon("two connections are left", counted).await;
    assert_eq!(status["dropped"], json!({"streamEvents": 0, "clients": 0}));
    for device in status["devices"].as_array().expect("a list") {
        let state = device["state"].as_str().expect("a state");
        assert!(["ready", "busy", "absent", "failed", "off"].contains(&state), "{device}");
        assert!(device["since"].as_u64().expect("a moment") > 1_700_000_000_000, "{device}");
    }
}

async fn state_of(client: &mut Client, name: &str) -> String {
    let event = client.next().await;
    assert_eq!(event["channel"], "bridgeDevices");
    let devices = event["data"]["devices"].as_array().expect("a list");
    let device = devices.iter().find(|device| device["device"] == name).expect("it is told");
    device["state"].as_str().expect("a state").to_owned()
}

#[tokio::test]
async fn bridge_devices_tells_all_at_once_and_then_each_change() {
    let (daemon, mut reader) = with_reader("").await;
    let mut client = daemon.unix().await;
    client.on("bridgeDevices").await;
    assert_eq!(state_of(&mut client, "id_card").await, "ready");
    reader.unplug().await;
    assert_eq!(state_of(&mut client, "id_card").await, "absent");
    reader.plug_in();
    // It is busy or failed while it is started, and in the end ready.
    while state_of(&mut client, "id_card").await != "ready" {}
}

#[tokio::test]
async fn a_real_device_cannot_be_simulated_and_a_simulated_one_not_just_anyhow() {
    let sections = format!("{SECTION}[qr_scanner]\ndriver = \"simulated\"\n");
    let daemon = Daemon::start("", &sections).await;
    let mut client = daemon.unix().await;
    for (params, expected) in [
        (json!({"device": "id_card", "do": "put"}), "forbidden"),
        (json!({"device": "printer", "do": "put"}), "forbidden"),
        (json!({"device": "qr_scanner", "do": "put"}), "bad_request"),
        (json!({"device": "qr_scanner", "do": "scan"}), "bad_request"),
        (json!({"device": "qr_scanner", "do": "fault", "fault": "fire"}), "bad_request"),
        (json!({"device": "toaster", "do": "scan"}), "bad_request"),
        (json!({"do": "scan"}), "bad_request"),
        (json!({"device": "qr_scanner"}), "bad_request"),
    ] {
        let call = json!({"call": "bridge.simulate", "params": params});
        let reply = client.ask(&call.to_string()).await;
        assert_eq!(kind(&reply["res"]), expected, "{params}");
    }
}

#[tokio::test]
async fn a_simulated_reader_is_put_on_lifted_and_broken() {
    let daemon = Daemon::start("", "[id_card]\ndriver = \"simulated\"\npoll_ms = 100\n").await;
    let mut client = daemon.unix().await;
    let reader = |verb: Value| {
        let mut params = verb;
        params["device"] = "id_card".into();
        daemon.simulate(params)
    };
    reader(json!({"do": "put"})).await;
    assert_eq!(client.ask(ASK).await["data"]["idNum"], "11010519491231002X");
    reader(json!({"do": "lift"})).await;
    let card = json!({"name": "钱七", "appendedAddress": "示例路９号"});
    reader(json!({"do": "put", "card": card})).await;
    let data = client.ask(ASK).await["data"].clone();
    assert_eq!((&data["name"], &data["address"]), (&json!("钱七"), &json!("示例路９号")));
    for layout in ["J", "I", "Y"] {
        reader(json!({"do": "put", "card": {"layout": layout}})).await;
        assert_eq!(client.ask(ASK).await["success"], true, "{layout}");
    }
    for (fault, expected) in [
        ("silence", "device_failed"),
        ("bad-checksum", "device_failed"),
        ("cut-frame", "device_failed"),
        ("unplug", "device_unavailable"),
    ] {
        reader(json!({"do": "fault", "fault": fault})).await;
        reader(json!({"do": "put"})).await;
        assert_eq!(kind(&client.ask(ASK).await), expected, "{fault}");
        reader(json!({"do": "fault", "fault": "none"})).await;
        daemon.ready("id_card").await;
        assert_eq!(client.ask(ASK).await["success"], true, "after {fault}");
    }
}

#[tokio::test]
async fn what_there_is_not_is_unsupported_and_a_device_without_driver_not_configured() {
    let daemon = Daemon::start("", "").await;
    let mut client = daemon.unix().await;
    let reply = client.ask(r#"{"action":"getFaceInfos","taskId":"1","params":{}}"#).await;
    assert_eq!(kind(&reply), "unsupported");
    let reply = client.ask(r#"{"action":"getFaceInfo","taskId":"1","params":{}}"#).await;
    assert_eq!(kind(&reply), "device_unavailable");
    assert_eq!(kind(&client.ask(ASK).await), "device_unavailable");
}

#[tokio::test]
async fn device_info_is_the_files_and_else_the_machines() {
    let daemon = Daemon::start("", "[device_info]\nsn = \"K-1\"\ndeviceModel = \"K\"\n").await;
    let data = daemon.unix().await.ask(INFO).await["data"].clone();
    let keys = ["androidVersion", "appVersion", "deviceIP", "deviceModel", "devicedDisplay", "sn"];
    let mut told: Vec<_> = data.as_object().expect("an object").keys().collect();
    told.sort_unstable();
    assert_eq!(told, keys);
    assert!(keys.iter().all(|key| data[key].is_string()), "{data}");
    assert_eq!((&data["sn"], &data["deviceModel"]), (&json!("K-1"), &json!("K")));
    assert_eq!(data["appVersion"], env!("CARGO_PKG_VERSION"));
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let version = release.lines().find_map(|line| line.strip_prefix("VERSION_ID="));
    if let Some(version) = version {
        assert_eq!(data["androidVersion"], version.trim_matches('"'));
    }
}
