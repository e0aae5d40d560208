//! A reader of ID cards on USB by itself.

use hharome_hardware::id_card::people::Card;

use crate::bulk_end::{BULK_MODULES, BulkReader};
use crate::fixture::Daemon;
use crate::machine;

const ASK: &str =
    r#"{"action":"getIDCardInfo","event":"open","taskId":"3","params":{"infoType":"base"}}"#;

#[tokio::test]
async fn a_reader_with_bulk_pipes_reads_before_and_after_it_was_pulled_out() {
    let machine = machine::take().await;
    machine.load(&BULK_MODULES);
    let reader = BulkReader::new();

    // The daemon is there before the reader is.
    let sections = "[id_card]\ndriver = \"sam-v-usb\"\npoll_ms = 100\n";
    let daemon = Daemon::start("", sections).await;
    daemon.device("id_card", |device| device["state"] == "absent").await;
    let mut client = daemon.unix().await;
    for _ in 0..2 {
        reader.gadget.plug_in();
        daemon.ready("id_card").await;
        client.send(ASK).await;
        client.nothing_came().await;
        reader.hand.put(Card::zhang_san());
        let reply = client.next().await;
        assert_eq!(reply["success"], true, "{reply}");
        assert_eq!(reply["data"]["name"], "张三");
        assert_eq!(reply["data"]["idNum"], "11010519491231002X");
        reader.hand.lift();
        reader.gadget.pull_out();
        let status = daemon.device("id_card", |device| device["state"] == "absent").await;
        assert_eq!(status["facts"]["port"], "0400:c35a", "{status}");
    }
    reader.end().await;
}
