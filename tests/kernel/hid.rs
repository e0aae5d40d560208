//! HID devices: ID-card readers that say their frames in reports, and a point-of-sale scanner.

use std::path::Path;

use hharome_hardware::code::hid_pos::far::Shape;
use hharome_hardware::id_card::people::Card;
use hharome_hardware::id_card::usb::far::DESCRIPTOR;
use hharome_hardware::id_card::virtual_reader::VirtualReader;
use serde_json::json;

use crate::fixture::Daemon;
use crate::gadget::{Function, Gadget, HID_MODULES};
use crate::hid_end::{DEVICE, REPORT, device, say, serve};
use crate::machine;

const ASK: &str =
    r#"{"action":"getIDCardInfo","event":"open","taskId":"3","params":{"infoType":"base"}}"#;

#[tokio::test]
async fn a_reader_with_reports_reads_in_both_forms_and_again_after_it_was_pulled_out() {
    let machine = machine::take().await;
    machine.load(&HID_MODULES);
    for (form, split) in [("whole", false), ("split", true)] {
        let function = Function::hid(DESCRIPTOR, REPORT);
        let gadget = Gadget::new("HID card reader", 0x0400, 0xc35a, &[function]);
        let sections = format!(
            "[id_card]\ndriver = \"sam-v-hidraw\"\ndevice = \"0400:c35a\"\n\
             reports = \"{form}\"\npoll_ms = 100\n"
        );
        // The daemon is there before the reader is.
        let daemon = Daemon::start("", &sections).await;
        daemon.device("id_card", |device| device["state"] == "absent").await;
        let mut client = daemon.unix().await;
        for _ in 0..2 {
            gadget.plug_in();
            machine::appears(Path::new(DEVICE)).await;
            let (reader, hand) = VirtualReader::new();
            let life = tokio::spawn(serve(reader, split));
            daemon.ready("id_card").await;
            client.send(ASK).await;
            client.nothing_came().await;
            hand.put(Card::zhang_san());
            let reply = client.next().await;
            assert_eq!(reply["success"], true, "{form}: {reply}");
            assert_eq!(reply["data"]["name"], "张三");
            assert_eq!(reply["data"]["idNum"], "11010519491231002X");
            life.abort();
            let _ = life.await;
            gadget.pull_out();
            let status = daemon.device("id_card", |device| device["state"] == "absent").await;
            assert_eq!(status["facts"]["port"], "0400:c35a", "{status}");
        }
    }
}

#[tokio::test]
async fn a_point_of_sale_scanner_is_found_by_its_reports_and_scans_again_when_it_is_back() {
    let machine = machine::take().await;
    machine.load(&HID_MODULES);
    let shape = Shape::Counted;
    let gadget =
        Gadget::new("HID scanner", 0x0c2e, 0x0b61, &[Function::hid(shape.descriptor(), REPORT)]);
    let daemon = Daemon::start("", "[qr_scanner]\ndriver = \"hid-pos\"\n").await;
    let mut client = daemon.unix().await;
    client.on("initQRListener").await;
    let long = "二维码 ".repeat(40);
    for _ in 0..2 {
        gadget.plug_in();
        machine::appears(Path::new(DEVICE)).await;
        daemon.ready("qr_scanner").await;
        let mut scanner = device();
        for code in ["6901234567892", &long] {
            for report in shape.reports(code.as_bytes(), true) {
                say(&mut scanner, &report).await;
            }
            let event = json!({"channel": "initQRListener", "data": {"qrCode": code}});
            assert_eq!(client.next().await, event);
        }
        drop(scanner);
        gadget.pull_out();
        daemon.device("qr_scanner", |device| device["state"] == "absent").await;
    }
}
