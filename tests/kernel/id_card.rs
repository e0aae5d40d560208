//! ID-card readers: a SAM-V module on a USB serial line, on USB pipes. Those in HID reports are
//! in [`super::hid`].

use std::path::Path;

use hharome_hardware::id_card::people::Card;
use hharome_hardware::id_card::usb::far::{Plugged, UsbReader};
use hharome_hardware::id_card::virtual_reader::{ReaderHand, VirtualReader};
use hharome_hardware::port::far_end::VirtualDevice;

use crate::fixture::{Client, Daemon, kind};
use crate::gadget::{Function, Gadget, HID_MODULES, PIPE_MODULES, SERIAL_MODULES, SerialEnd};
use crate::machine;
use crate::pipes::{self, Pipes};

const ASK: &str =
    r#"{"action":"getIDCardInfo","event":"open","taskId":"3","params":{"infoType":"base"}}"#;

/// A card that is put on while a call waits is read.
async fn reads(client: &mut Client, hand: &ReaderHand) {
    client.send(ASK).await;
    client.nothing_came().await;
    hand.put(Card::zhang_san());
    let reply = client.next().await;
    assert_eq!(reply["success"], true, "{reply}");
    assert_eq!(reply["data"]["name"], "张三");
    assert_eq!(reply["data"]["idNum"], "11010519491231002X");
    hand.lift();
}

#[tokio::test]
async fn a_card_is_read_on_a_usb_serial_line_before_and_after_the_reader_was_pulled_out() {
    let machine = machine::take().await;
    machine.load(&SERIAL_MODULES);
    let gadget = Gadget::new("ID card reader", 0x0400, 0xc35a, &[Function::serial()]);
    gadget.plug_in();
    machine::appears(Path::new("/dev/ttyACM0")).await;
    let (mut reader, hand) = VirtualReader::new();

    let sections = "[id_card]\ndriver = \"sam-v-serial\"\nport = \"/dev/ttyACM0\"\npoll_ms = 100\n";
    let daemon = Daemon::start("", sections).await;
    let mut client = daemon.unix().await;
    for _ in 0..2 {
        let line = SerialEnd::open().await;
        let life = tokio::spawn(async move {
            reader.serve(Box::new(line)).await;
            reader
        });
        daemon.ready("id_card").await;
        reads(&mut client, &hand).await;

        gadget.pull_out();
        let status = daemon.device("id_card", |device| device["state"] == "absent").await;
        assert_eq!(status["facts"]["port"], "/dev/ttyACM0", "{status}");
        reader = life.await.expect("the reader's end closes with the plug");
        gadget.plug_in();
    }
}

#[tokio::test]
async fn a_card_is_read_on_usb_pipes_before_and_after_the_reader_was_pulled_out() {
    let machine = machine::take().await;
    machine.load(&PIPE_MODULES);
    let gadget = Gadget::new("ID card reader", 0x0400, 0xc35a, &[Function::of_a_program()]);
    let _pipes = Pipes::describe();
    let daemon = Daemon::start("", "[id_card]\ndriver = \"sam-v-usb\"\npoll_ms = 100\n").await;
    daemon.device("id_card", |device| device["state"] == "absent").await;
    let mut client = daemon.unix().await;
    assert_eq!(kind(&client.ask(ASK).await), "device_unavailable");
    for _ in 0..2 {
        gadget.plug_in();
        let (reader, hand) = VirtualReader::new();
        let service = pipes::serve(UsbReader::new(reader, Plugged::Pair), Pipes::files());
        daemon.ready("id_card").await;
        reads(&mut client, &hand).await;
        reads(&mut client, &hand).await;

        client.send(ASK).await;
        client.nothing_came().await;
        gadget.pull_out();
        assert_eq!(kind(&client.next().await), "device_unavailable");
        daemon.device("id_card", |device| device["state"] == "absent").await;
        drop(service);
    }
}
