//! ID-card readers: a SAM-V module on a USB serial line.

use std::path::Path;

use hharome_hardware::id_card::people::Card;
use hharome_hardware::id_card::virtual_reader::VirtualReader;
use hharome_hardware::port::far_end::VirtualDevice;

use crate::fixture::Daemon;
use crate::gadget::{Function, Gadget, SERIAL_MODULES, SerialEnd};
use crate::machine;

const ASK: &str =
    r#"{"action":"getIDCardInfo","event":"open","taskId":"3","params":{"infoType":"base"}}"#;

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
        client.send(ASK).await;
        client.nothing_came().await;
        hand.put(Card::zhang_san());
        let reply = client.next().await;
        assert_eq!(reply["success"], true, "{reply}");
        assert_eq!(reply["data"]["name"], "张三");
        assert_eq!(reply["data"]["idNum"], "11010519491231002X");
        hand.lift();

        gadget.pull_out();
        let status = daemon.device("id_card", |device| device["state"] == "absent").await;
        assert_eq!(status["facts"]["port"], "/dev/ttyACM0", "{status}");
        reader = life.await.expect("the reader's end closes with the plug");
        gadget.plug_in();
    }
}
