//! HID devices: ID-card readers that say their frames in reports, and a point-of-sale scanner.
//!
//! The device's end, `/dev/hidg0`, gives output reports and takes input reports as they are.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hharome_hardware::code::hid_pos::far::Shape;
use hharome_hardware::id_card::people::Card;
use hharome_hardware::id_card::usb::far::{DESCRIPTOR, Reports};
use hharome_hardware::id_card::virtual_reader::VirtualReader;
use hharome_hardware::port::far_end::VirtualDevice;
use hharome_hardware::port::memory::inner_line;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::fixture::Daemon;
use crate::gadget::{Function, Gadget, HID_MODULES};
use crate::machine;

const DEVICE: &str = "/dev/hidg0";

const ASK: &str =
    r#"{"action":"getIDCardInfo","event":"open","taskId":"3","params":{"infoType":"base"}}"#;

/// Bytes of a reader's reports.
const REPORT: usize = 64;

fn device() -> File {
    let opened = OpenOptions::new().read(true).write(true).open(DEVICE);
    opened.unwrap_or_else(|error| panic!("{DEVICE}: {error}"))
}

/// Output reports, read on a thread until the plug is out: reading blocks.
fn output_reports(mut device: File) -> mpsc::UnboundedReceiver<Vec<u8>> {
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut report = [0; REPORT];
        while let Ok(read @ 1..) = device.read(&mut report) {
            if tell.send(report[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    told
}

/// Input reports, written on a thread: writing blocks until the host has taken the last.
fn input_reports(mut device: File, reports: Receiver<Vec<u8>>) {
    std::thread::spawn(move || {
        for report in reports {
            if device.write_all(&report).is_err() {
                return;
            }
        }
    });
}

/// The virtual reader behind `/dev/hidg0`, for ever.
async fn serve(mut reader: VirtualReader, split: bool) {
    let (mut wire, module) = inner_line();
    let (say, said) = channel();
    let mut reports = Reports::new(split);
    let mut asked = output_reports(device());
    input_reports(device(), said);
    let translate = async {
        let mut reply = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            tokio::select! {
                report = asked.recv() => {
                    let Some(report) = report else { std::future::pending().await };
                    let bytes = reports.request(&report);
                    wire.write_all(&bytes).await.expect("the module listens");
                }
                read = wire.read(&mut chunk) => {
                    reply.extend_from_slice(&chunk[..read.expect("the module speaks")]);
                    let whole = reply.len() >= 7
                        && reply.len() >= 7 + usize::from(u16::from_be_bytes([reply[5], reply[6]]));
                    if whole {
                        for report in reports.reply(&std::mem::take(&mut reply), REPORT) {
                            say.send(report).expect("the writer lives");
                        }
                    }
                }
            }
        }
    };
    tokio::select! {
        () = translate => {}
        () = reader.serve(module) => {}
    }
}

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
            let ready = daemon.ready("id_card").await;
            drop(ready);
            client.send(ASK).await;
            client.nothing_came().await;
            hand.put(Card::zhang_san());
            let reply = client.next().await;
            assert_eq!(reply["success"], true, "{form}: {reply}");
            assert_eq!(reply["data"]["name"], "张三");
            assert_eq!(reply["data"]["idNum"], "11010519491231002X");
            gadget.pull_out();
            let status = daemon.device("id_card", |device| device["state"] == "absent").await;
            assert_eq!(status["facts"]["port"], "0400:c35a", "{status}");
            life.abort();
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
                scanner.write_all(&report).expect("the host takes it");
                // Written reports leave one a frame; the kernel's queue holds one.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let event = json!({"channel": "initQRListener", "data": {"qrCode": code}});
            assert_eq!(client.next().await, event);
        }
        drop(scanner);
        gadget.pull_out();
        daemon.device("qr_scanner", |device| device["state"] == "absent").await;
    }
}
