//! Scenes of a module that refuses: one for each status byte SW3 that its documents tell of, and
//! one for a byte that is in none.

use hharome_hardware::id_card::sam_v::{Remedy, remedy};
use hharome_hardware::id_card::virtual_reader::Fault;
use serde_json::Value;

use super::client::{Client, card};
use super::daemon::READER;
use super::reader::Reader;
use super::{Scene, Stage, pause};

/// The status bytes of the module's documents (GA/T 467 modules), and of vendors' libraries.
const STATUSES: [(u8, &str); 23] = [
    (0x01, "port error"),
    (0x02, "time-out"),
    (0x03, "transmission error"),
    (0x05, "rate unknown"),
    (0x10, "wrong check byte"),
    (0x11, "wrong length"),
    (0x21, "unknown command"),
    (0x23, "no privilege"),
    (0x24, "unknown error"),
    (0x31, "the card did not authenticate the module"),
    (0x32, "the module did not authenticate the card"),
    (0x33, "the card's information failed its verification"),
    (0x40, "unknown type of card"),
    (0x41, "reading failed"),
    (0x47, "no random number"),
    (0x60, "self-test failed"),
    (0x66, "not authorised"),
    (0x77, "in no document"),
    (0x80, "no card"),
    (0x81, "not selected"),
    (0x90, "success, without any data"),
    (0x91, "no content"),
    (0x9F, "card found, where a reading was asked for"),
];

/// Replies of the reader to one attempt: find, select, read. A fault counts them all.
const ONE_ATTEMPT: u32 = 3;

pub(super) fn scenes() -> Vec<Scene> {
    let scene = |(status, meaning): (u8, &'static str)| {
        let shows = format!(
            "the reading of a card is answered by status {status:02X} ({meaning}) once, then \
             every time, then never"
        );
        let name = format!("id_card_status_{status:02x}");
        Scene::new(name, shows, move |stage| refused_with(stage, status))
    };
    STATUSES.into_iter().map(scene).collect()
}

async fn refused_with(stage: Stage, status: u8) {
    let reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    // The driver's own table says what is done; here it only tells which way the scene has to go.
    let (passes, breaks) = match remedy(status) {
        Remedy::Resend | Remedy::Refind | Remedy::NoCard | Remedy::Reset => (true, false),
        Remedy::Proceed | Remedy::NoContent | Remedy::CardFault => (false, false),
        Remedy::Fault => (false, true),
    };
    let mut starts = 1;
    reader.put("zhang-san");
    reader.hand.fault(Fault::Status(status), Some(ONE_ATTEMPT));
    assert_eq!(outcome(&mut client, "once").await, passes, "{status:02X} once");
    if breaks {
        starts += 1;
        daemon.ready("id_card", starts).await;
    }
    reader.hand.lift();
    pause().await;
    reader.put("li-si");
    reader.hand.fault(Fault::Status(status), None);
    assert!(!outcome(&mut client, "always").await, "{status:02X} always");
    reader.hand.mend();
    reader.hand.lift();
    if breaks {
        starts += 1;
        daemon.ready("id_card", starts).await;
    }
    pause().await;
    reader.put("wang-wu");
    assert!(outcome(&mut client, "never").await, "{status:02X} never");
    client.leave().await;
    daemon.stop().await;
}

async fn outcome(client: &mut Client, task: &str) -> bool {
    let reply = client.ask(card(task)).await;
    assert_eq!(reply["taskId"], Value::from(task), "{reply}");
    reply["success"] == true
}
