//! Receipt printers on USB, through the kernel's usblp: `/dev/usb/lp0` here, `/dev/g_printer0` there.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use hharome_hardware::port::far_end::VirtualDevice;
use hharome_hardware::port::memory::inner_line;
use hharome_hardware::receipt::virtual_printer::{Fault, Model, PrinterHand, VirtualPrinter};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{Daemon, kind, soon};
use crate::gadget::{Function, Gadget, PRINTER_MODULES};
use crate::machine;

const DEVICE: &str = "/dev/g_printer0";

const SECTION: &str = "[printer]\ndriver = \"escpos-device\"\npath = \"/dev/usb/lp0\"\n\
                       journal = \"{dir}/state\"\n";

/// How often the device's end is looked at: a wait inside the kernel would outlive the plug.
const LOOK: Duration = Duration::from_millis(2);

/// The virtual printer behind `/dev/g_printer0`, until it is dropped.
async fn serve(mut printer: VirtualPrinter) {
    const NONBLOCK: i32 = 0o4000;
    // It opens once the host has configured the device.
    let open = || OpenOptions::new().read(true).write(true).custom_flags(NONBLOCK).open(DEVICE);
    let opened = async {
        loop {
            match open() {
                Ok(device) => return device,
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    };
    let mut device: File = soon("the device's end opens", opened).await;
    let (mut wire, inside) = inner_line();
    let carry = async {
        let (mut said, mut chunk) = (Vec::new(), [0; 8192]);
        loop {
            tokio::select! {
                biased;
                read = wire.read(&mut chunk) => {
                    said.extend_from_slice(&chunk[..read.expect("the printer speaks")]);
                }
                () = tokio::time::sleep(LOOK) => {
                    while let Ok(read @ 1..) = device.read(&mut chunk) {
                        wire.write_all(&chunk[..read]).await.expect("the printer listens");
                    }
                }
            }
            while let Ok(taken @ 1..) = device.write(&said) {
                said.drain(..taken);
            }
        }
    };
    tokio::select! {
        () = carry => {}
        () = printer.serve(inside) => {}
    }
}

fn receipt(task: &str, text: &str) -> String {
    let entries = serde_json::json!([{"text": text, "textSize": 48}]);
    let params = serde_json::json!({ "printList": entries });
    serde_json::json!({"action": "receiptPrinting", "taskId": task, "params": params}).to_string()
}

fn words(reply: &Value) -> &str {
    reply["message"].as_str().expect("words")
}

fn printer() -> (VirtualPrinter, PrinterHand) {
    VirtualPrinter::new(Model::default())
}

#[tokio::test]
async fn a_usb_printer_prints_says_that_its_paper_is_out_and_prints_again_when_it_is_back() {
    let machine = machine::take().await;
    machine.load(&PRINTER_MODULES);
    let gadget = Gadget::new("Receipt printer", 0x0416, 0x5011, &[Function::printer()]);
    // The daemon is there before the printer is.
    let daemon = Daemon::start("", SECTION).await;
    daemon.device("printer", |device| device["state"] == "absent").await;
    let mut client = daemon.unix().await;
    for _ in 0..2 {
        gadget.plug_in();
        machine::appears(Path::new(DEVICE)).await;
        let (device, hand) = printer();
        let life = tokio::spawn(serve(device));
        daemon.ready("printer").await;
        let reply = client.ask(&receipt("1", "取号凭条")).await;
        assert_eq!(reply["success"], true, "{reply}");
        assert_eq!(hand.cuts(), 1);
        assert!(hand.sheets()[0].printed_rows() > 30);

        hand.fault(Fault::PaperOut);
        daemon.device("printer", |device| device["state"] == "failed").await;
        let reply = client.ask(&receipt("2", "没有纸")).await;
        assert_eq!(kind(&reply), "device_failed");
        assert!(words(&reply).contains("缺纸"), "{reply}");
        hand.mend();
        daemon.ready("printer").await;
        assert_eq!(client.ask(&receipt("3", "又有纸")).await["success"], true);
        assert_eq!(hand.cuts(), 2);

        life.abort();
        let _ = life.await;
        gadget.pull_out();
        daemon.device("printer", |device| device["state"] == "absent").await;
        assert_eq!(kind(&client.ask(&receipt("4", "不在")).await), "device_unavailable");
    }
}

#[tokio::test]
async fn a_usb_printer_that_is_pulled_out_in_the_middle_fails_with_how_far_it_came() {
    let machine = machine::take().await;
    machine.load(&PRINTER_MODULES);
    let gadget = Gadget::new("Receipt printer", 0x0416, 0x5011, &[Function::printer()]);
    gadget.plug_in();
    machine::appears(Path::new(DEVICE)).await;
    let (device, hand) = VirtualPrinter::new(Model { speed: Some(800), ..Model::default() });
    let life = tokio::spawn(serve(device));
    let daemon = Daemon::start("", SECTION).await;
    daemon.ready("printer").await;
    let mut client = daemon.unix().await;
    client.send(&receipt("1", &"一行\n".repeat(100))).await;
    while hand.sheets().first().is_none_or(|sheet| sheet.rows() < 1000) {
        tokio::time::sleep(LOOK).await;
    }
    life.abort();
    let _ = life.await;
    gadget.pull_out();
    let reply = client.next().await;
    assert_eq!(kind(&reply), "device_unavailable");
    assert!(words(&reply).contains('%'), "{reply}");
    let jobs = client.ask(r#"{"call":"bridge.jobs"}"#).await;
    assert_eq!(jobs["res"]["data"]["jobs"][0]["outcome"], "failed", "{jobs}");
}
