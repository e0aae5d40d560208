//! A reader's line that is not what it should be, modules that refuse, plugs that are pulled.

use std::time::Duration;

use hharome_hardware::port::pty::Pty;
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::fixture::{Daemon, kind};
use crate::id_card::{ASK, SECTION, with_reader, zhang_sans_data};
use crate::sam_v::{self, Chip, Manners, Reader, li_si, read_all_reply, zhang_san};

async fn reads_with(manners: Manners) {
    let (daemon, reader) = with_reader("").await;
    reader.manners(manners);
    let mut client = daemon.unix().await;
    for (chip, number) in [(zhang_san(), "11010519491231002X"), (li_si(), "990101199003070023")] {
        reader.put(Chip::new(chip));
        let reply = client.ask(ASK).await;
        assert_eq!(reply["data"]["idNum"], number, "{manners:?}: {reply}");
        reader.lift();
    }
    let told = daemon.device("id_card", |_| true).await;
    assert_eq!(told["state"], "ready", "{manners:?}");
}

#[tokio::test]
async fn replies_of_one_byte_a_write_are_put_together() {
    reads_with(Manners::Pieces(1)).await;
}

#[tokio::test]
async fn replies_in_pieces_are_put_together() {
    reads_with(Manners::Pieces(7)).await;
}

#[tokio::test]
async fn garbage_between_frames_is_passed_over() {
    reads_with(Manners::Noise).await;
}

#[tokio::test]
async fn a_frame_glued_to_the_reply_belongs_to_nobody() {
    reads_with(Manners::Glued).await;
}

#[tokio::test]
async fn a_reply_that_is_torn_off_costs_no_card() {
    reads_with(Manners::Torn).await;
}

#[tokio::test]
async fn a_reading_with_a_wrong_check_byte_costs_no_card() {
    reads_with(Manners::Damaged).await;
}

#[tokio::test]
async fn a_preamble_that_nothing_follows_is_passed_over() {
    reads_with(Manners::FalseStart).await;
}

#[tokio::test]
async fn a_head_made_of_noise_does_not_swallow_the_reply_behind_it() {
    reads_with(Manners::Swallowed).await;
}

#[tokio::test]
async fn a_frame_that_begins_inside_a_broken_one_is_found() {
    reads_with(Manners::Overlap).await;
}

#[tokio::test]
async fn statuses_that_pass_cost_no_card() {
    // 10 and 11: sent again; 47 and 60: the module is reset; the others: the card is found again.
    for status in [0x10, 0x11, 0x24, 0x31, 0x32, 0x41, 0x81, 0x47, 0x60] {
        let (daemon, reader) = with_reader("").await;
        reader.refuse(&[status]);
        reader.put(Chip::new(zhang_san()));
        let reply = daemon.unix().await.ask(ASK).await;
        assert_eq!(reply["data"], zhang_sans_data(), "{status:02X}");
        let was_reset = reader.asked().iter().any(|one| **one == sam_v::RESET);
        assert_eq!(was_reset, [0x47, 0x60].contains(&status), "{status:02X}");
    }
}

#[tokio::test]
async fn statuses_that_do_not_pass_are_told() {
    for status in [0x33, 0x40, 0x66] {
        let (daemon, reader) = with_reader("").await;
        reader.refuse(&[status; 20]);
        reader.put(Chip::new(zhang_san()));
        let reply = daemon.unix().await.ask(ASK).await;
        assert_eq!(kind(&reply), "device_failed", "{status:02X}");
        let detail = reply["data"]["error"]["detail"].as_str().expect("words").to_owned();
        assert!(detail.contains(&format!("{status:02X}")), "{detail}");
        assert!(!detail.contains("张三"), "{detail}");
    }
}

#[tokio::test]
async fn a_refused_reading_is_begun_again_and_one_refused_for_good_is_told() {
    let (daemon, reader) = with_reader("").await;
    let mut client = daemon.unix().await;
    reader.refuse(&[0x41, 0x24]);
    reader.put(Chip::new(zhang_san()));
    assert_eq!(client.ask(ASK).await["data"]["name"], "张三");
    reader.lift();
    reader.refuse(&[0x33]);
    reader.put(Chip::new(li_si()));
    let reply = client.ask(ASK).await;
    assert_eq!(kind(&reply), "device_failed");
    // The reader itself is well, and the next card is read.
    client.send(ASK).await;
    reader.lift();
    reader.is_asked(sam_v::FIND, 2).await;
    reader.put(Chip::new(li_si()));
    assert_eq!(client.next().await["data"]["name"], "李四");
}

#[tokio::test]
async fn with_fingerprint_the_module_is_asked_for_it_and_one_that_cannot_reads_without() {
    let (daemon, reader) = with_reader("fingerprint = true\n").await;
    reader.put(Chip::new(zhang_san()));
    let reply = daemon.unix().await.ask(ASK).await;
    assert_eq!(reply["data"], zhang_sans_data());
    let asked = reader.asked();
    let at = asked.iter().position(|one| **one == sam_v::READ_ALL).expect("it was asked");
    assert_eq!(asked[at + 1], sam_v::READ, "this module answers 21 to 30 10");
}

#[tokio::test]
async fn fingerprints_of_any_length_are_read_past() {
    let whole =
        |length: usize| Chip { fingerprints: Some(vec![0; length]), ..Chip::new(zhang_san()) };
    let frame = read_all_reply(&whole(1024)).expect("it has them");
    let digest: String = Sha256::digest(&frame).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "8367e2ef7d98d6a9da98b348f4cd07669065cc41dd45b810713c2d9e939a75f1");
    let (daemon, reader) = with_reader("fingerprint = true\n").await;
    let mut client = daemon.unix().await;
    for length in [1024, 512, 0] {
        reader.put(whole(length));
        assert_eq!(client.ask(ASK).await["data"], zhang_sans_data(), "{length}");
        reader.lift();
    }
}

#[tokio::test]
async fn a_card_without_a_photo_is_read() {
    let (daemon, reader) = with_reader("").await;
    reader.put(Chip { photo: Vec::new(), ..Chip::new(zhang_san()) });
    assert_eq!(daemon.unix().await.ask(ASK).await["data"], zhang_sans_data());
}

#[tokio::test]
async fn a_reader_that_is_unplugged_in_any_state_is_used_again_when_it_is_back() {
    let (daemon, mut reader) = with_reader("").await;
    let mut client = daemon.unix().await;
    for (request, bytes) in [
        (sam_v::FIND, 0),
        (sam_v::FIND, 8),
        (sam_v::SELECT, 0),
        (sam_v::SELECT, 18),
        (sam_v::READ, 0),
        (sam_v::READ, 3),
        (sam_v::READ, 640),
        (sam_v::READ, 1294),
        (sam_v::ADDRESS, 0),
        (sam_v::ADDRESS, 10),
    ] {
        reader.unplug_at(request, bytes);
        reader.put(Chip::new(zhang_san()));
        let reply = client.ask(ASK).await;
        assert_eq!(kind(&reply), "device_unavailable", "{request:02X?} {bytes}");
        reader.unplugged().await;
        daemon.device("id_card", |device| device["state"] == "absent").await;
        assert_eq!(kind(&client.ask(ASK).await), "device_unavailable");
        reader.plug_in();
        daemon.ready("id_card").await;
        assert_eq!(client.ask(ASK).await["data"], zhang_sans_data(), "{request:02X?} {bytes}");
        reader.lift();
    }
}

#[tokio::test]
async fn a_reader_that_is_unplugged_while_nobody_wants_it_is_used_again_when_it_is_back() {
    let (daemon, mut reader) = with_reader("").await;
    reader.unplug().await;
    daemon.device("id_card", |device| device["state"] == "absent").await;
    reader.put(Chip::new(li_si()));
    reader.plug_in();
    daemon.ready("id_card").await;
    assert_eq!(daemon.unix().await.ask(ASK).await["data"]["name"], "李四");
}

#[tokio::test]
async fn a_reader_that_is_unplugged_while_it_is_started_is_used_again_when_it_is_back() {
    let (daemon, mut reader) = with_reader("").await;
    for request in [sam_v::STATUS, sam_v::SAM_ID] {
        reader.unplug_at(request, 5);
        reader.unplug().await;
        daemon.device("id_card", |device| device["state"] == "absent").await;
        reader.plug_in();
        reader.unplugged().await;
        daemon.device("id_card", |device| device["state"] == "absent").await;
        reader.plug_in();
        daemon.ready("id_card").await;
    }
    reader.put(Chip::new(zhang_san()));
    assert_eq!(daemon.unix().await.ask(ASK).await["data"], zhang_sans_data());
}

#[tokio::test]
async fn the_rate_of_a_module_is_found() {
    let folder = TempDir::new().expect("a folder");
    let reader = Reader::new(&folder.path().join("reader"));
    reader.baud(38_400);
    let daemon = Daemon::start_in(folder, "", &format!("{SECTION}baud = \"auto\"\n")).await;
    daemon.ready("id_card").await;
    let told = daemon.device("id_card", |_| true).await;
    assert_eq!(told["facts"]["baud"], "38400");
    reader.put(Chip::new(zhang_san()));
    assert_eq!(daemon.unix().await.ask(ASK).await["data"], zhang_sans_data());
}

#[tokio::test]
async fn a_line_on_which_no_reader_answers_has_failed() {
    let folder = TempDir::new().expect("a folder");
    let _line = Pty::open(Some(&folder.path().join("reader"))).expect("a pty");
    let daemon = Daemon::start_in(folder, "", SECTION).await;
    let told = daemon.device("id_card", |device| device["state"] == "failed").await;
    let words = told["lastError"].as_str().expect("words");
    assert!(words.contains("115200"), "{words}");
    let reply = daemon.unix().await.ask(ASK).await;
    assert_eq!(kind(&reply), "device_failed");
}

#[tokio::test]
async fn a_port_that_another_program_holds_is_told_as_that() {
    let (first, reader) = with_reader("").await;
    let port = first.folder().join("reader");
    let section = format!("[id_card]\ndriver = \"sam-v-serial\"\nport = \"{}\"\n", port.display());
    let second = Daemon::start("", &section).await;
    second.device("id_card", |device| device["state"] == "failed").await;
    assert_eq!(kind(&second.unix().await.ask(ASK).await), "device_failed");
    reader.put(Chip::new(li_si()));
    assert_eq!(first.unix().await.ask(ASK).await["data"]["name"], "李四");
}

#[tokio::test]
async fn a_reading_that_has_begun_when_the_time_limit_ends_is_delivered() {
    let (daemon, reader) = with_reader("[timeouts]\nid_card = 600\n").await;
    reader.hold(true);
    reader.put(Chip::new(zhang_san()));
    let mut client = daemon.unix().await;
    client.on("bridgeCalls").await;
    client.send(ASK).await;
    while client.next().await["data"]["stage"] != "reading" {}
    let mut other = daemon.unix().await;
    // Behind the reading one in the queue, and arrived later: when its limit ends, ours has ended.
    assert_eq!(other.ask(ASK).await["message"], "超时");
    reader.hold(false);
    let frames = [client.next().await, client.next().await];
    let reply = frames.iter().find(|frame| frame["taskId"] == "3").expect("the reply");
    assert_eq!(reply["data"], zhang_sans_data());
}

#[tokio::test]
async fn a_reading_that_does_not_end_is_waited_for_three_seconds_and_no_longer() {
    let (daemon, reader) = with_reader("[timeouts]\nid_card = 300\n").await;
    reader.hold(true);
    reader.put(Chip::new(zhang_san()));
    let begun = Instant::now();
    let reply = daemon.unix().await.ask(ASK).await;
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    // The driver itself gives a silent module more than four seconds: this is the call's limit.
    assert_eq!((&reply["message"], &reply["data"]), (&json!("超时"), &json!({})));
}

#[tokio::test]
async fn a_reading_whose_callers_have_all_left_is_discarded() {
    let (daemon, reader) = with_reader("").await;
    reader.hold(true);
    reader.put(Chip::new(zhang_san()));
    let mut first = daemon.unix().await;
    first.send(ASK).await;
    reader.is_asked(sam_v::READ, 1).await;
    first.send(r#"{"action":"closeIDCardInfo","taskId":"c"}"#).await;
    assert_eq!(first.next().await["message"], "取消");
    assert_eq!(first.next().await["message"], "关闭成功");
    reader.hold(false);
    daemon.device("id_card", |device| device["counters"]["readings"] == 1).await;
    let mut second = daemon.unix().await;
    second.send(ASK).await;
    reader.is_asked(sam_v::FIND, 2).await;
    second.nothing_came().await;
    reader.lift();
    reader.is_asked(sam_v::FIND, 1).await;
    reader.put(Chip::new(li_si()));
    assert_eq!(second.next().await["data"]["name"], "李四");
}
