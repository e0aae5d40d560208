//! Scanners: on a USB serial line.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::fixture::{Client, Daemon, kind, soon};
use crate::gadget::{Function, Gadget, SERIAL_MODULES, SerialEnd};
use crate::machine;

const ASK: &str = r#"{"action":"getQRCode","event":"open","taskId":"q","params":{}}"#;

const SERIAL: &str = "[qr_scanner]\ndriver = \"serial\"\nport = \"/dev/ttyACM0\"\n\
                      [recording]\ndirectory = \"{dir}/recordings\"\n";

/// The next event must be this code.
async fn hears(client: &mut Client, code: &str) {
    let event = json!({"channel": "initQRListener", "data": {"qrCode": code}});
    assert_eq!(client.next().await, event);
}

async fn say(scanner: &mut SerialEnd, bytes: &[u8]) {
    soon("the scanner writes", scanner.write_all(bytes)).await.expect("the line is open");
}

async fn record(client: &mut Client, what: Value) {
    let call = json!({"call": "bridge.record", "params": what}).to_string();
    let reply = client.ask(&call).await;
    assert_eq!(reply["res"]["success"], true, "{reply}");
}

#[tokio::test]
async fn a_scanner_on_a_usb_serial_line_is_pulled_out_and_read_again() {
    let machine = machine::take().await;
    machine.load(&SERIAL_MODULES);
    let gadget = Gadget::new("Scanner", 0x0c2e, 0x0b61, &[Function::serial()]);
    gadget.plug_in();
    machine::appears(Path::new("/dev/ttyACM0")).await;

    let daemon = Daemon::start("", SERIAL).await;
    daemon.ready("qr_scanner").await;
    let mut scanner = SerialEnd::open().await;
    let mut client = daemon.unix().await;
    client.on("initQRListener").await;
    say(&mut scanner, b"6901234567892\r").await;
    hears(&mut client, "6901234567892").await;

    // Pulled out in the middle of a code, while somebody waits for one.
    let mut caller = daemon.unix().await;
    caller.send(ASK).await;
    caller.nothing_came().await;
    say(&mut scanner, b"690123").await;
    gadget.pull_out();
    assert_eq!(kind(&caller.next().await), "device_unavailable");
    let absent = daemon.device("qr_scanner", |device| device["state"] == "absent").await;
    let why = absent["lastError"].as_str().expect("words");
    assert!(why.contains("unplugged") && why.contains("plug it in"), "{why}");
    assert_eq!(kind(&caller.ask(ASK).await), "device_unavailable");
    drop(scanner);

    record(&mut caller, json!({"do": "start", "name": "again"})).await;
    gadget.plug_in();
    daemon.ready("qr_scanner").await;
    let mut scanner = SerialEnd::open().await;
    caller.send(ASK).await;
    caller.nothing_came().await;
    say(&mut scanner, "取号\r".as_bytes()).await;
    assert_eq!(caller.next().await["data"], json!({"qrCode": "取号"}));
    hears(&mut client, "取号").await;
    client.nothing_came().await;

    // The tape of the second line has its modem lines. Nobody had the device's end open yet when the
    // daemon opened its own, so there is no carrier; cdc_acm always tells CTS.
    record(&mut caller, json!({"do": "stop"})).await;
    let tape = daemon.folder().join("recordings/again/port-qr_scanner.jsonl");
    let tape = fs::read_to_string(tape).expect("a tape");
    let opened: Vec<Value> = tape
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|line| line.get("open").is_some() && line.get("before").is_none())
        .collect();
    assert_eq!(opened.len(), 1, "{tape}");
    let modem = json!({"cts": true, "dsr": false, "dcd": false, "ri": false});
    assert_eq!(opened[0]["open"]["modem"], modem, "{tape}");
}
