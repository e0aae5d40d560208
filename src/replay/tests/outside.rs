//! Recorded clients at another bridge, and a recording's photos.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;

use super::kit::{self, Kit};
use super::*;
use crate::connection::{self, Peer};
use crate::recording::format::hex;
use crate::transport::lines::Lines;

/// Another bridge, in this process.
#[derive(Clone)]
struct Other(Arc<Bridge>);

struct OtherWire {
    lines: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
}

impl Connect for Other {
    type Wire = OtherWire;

    async fn connect(&self) -> Result<OtherWire, String> {
        let (near, far) = tokio::io::duplex(1 << 16);
        let lines = Lines::new(far, 1 << 16);
        let peer = Peer { transport: "unix", token_by: None };
        let stop = CancellationToken::new();
        tokio::spawn(connection::serve(Arc::clone(&self.0), lines, peer, stop));
        let (reader, writer) = tokio::io::split(near);
        Ok(OtherWire { lines: BufReader::new(reader).lines(), writer })
    }
}

impl Wire for OtherWire {
    async fn send(&mut self, frame: Bytes) -> io::Result<()> {
        self.writer.write_all(&frame).await
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        Ok(self.lines.next_line().await?.map(Bytes::from))
    }
}

/// Somebody asks for a card and puts one on.
fn simulated_session() -> Kit {
    let mut kit = Kit::new();
    kit.connect(1, 10_000);
    kit.says(1, 20_000, &kit::card("1"));
    kit.connect(2, 500_000);
    let put = json!({"device": "id_card", "do": "put"});
    kit.says(2, 600_000, &json!({"call": "bridge.simulate", "params": put}));
    let done = json!({"success": true, "message": "成功", "data": {}});
    kit.gets(2, 600_100, &json!({"call": "bridge.simulate", "res": done}));
    // The recording's person is another one than the bridge's.
    let mut reply = kit::card_reply("1", &Card::zhang_san());
    reply["data"]["name"] = json!("甲乙");
    reply["data"]["idNum"] = json!("990000199001010009");
    kit.gets(1, 900_000, &reply);
    kit.ends(1, 1_500_000);
    kit.gone(1, 1_500_100, "finished");
    kit.end(3_000_000);
    kit
}

async fn against(kit: &Kit, exactness: Exactness) -> Outcome {
    let other = Other(Bridge::new(Config::simulated()));
    let options = Options { exactness, tolerance: Duration::from_secs(5), ..Options::default() };
    run_outdoors(kit.folder(), &options, 1.0, other).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn recorded_clients_play_against_another_bridge_with_other_people() {
    let kit = simulated_session();
    is_as_recorded(&against(&kit, Exactness::PersonalByPresence).await, 2);
    let outcome = against(&kit, Exactness::Exact).await;
    let told = told(&outcome);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("data.name: expected \"甲乙\""), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_missing_at_the_other_bridge_is_told() {
    let mut kit = simulated_session();
    let mut reply = kit::card_reply("1", &Card::zhang_san());
    reply["data"]["photoBase64"] = json!("/9j/");
    kit.replace(1, &reply);
    let outcome = against(&kit, Exactness::PersonalByPresence).await;
    let told = told(&outcome);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("data.photoBase64: expected \"/9j/\", got \"\""), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_another_machine_tells_of_itself_and_of_its_past_is_not_compared() {
    let mut kit = Kit::new();
    kit.connect(1, 10_000);
    kit.says(1, 20_000, &json!({"on": "bridgeDevices"}));
    kit.gets(1, 20_100, &json!({"on": "bridgeDevices", "success": true, "message": "成功"}));
    kit.says(1, 500_000, &json!({"call": "bridge.status", "id": 1}));
    kit.end(3_000_000);
    let frames = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&frames);
    let sink: FrameSink = Arc::new(Mutex::new(move |_: u64, _: i64, frame: &[u8]| {
        kept.lock().unwrap().push(serde_json::from_slice::<Value>(frame).unwrap());
    }));
    let options = Options { sink: Some(sink), ..Options::default() };
    let other = || Other(Bridge::new(Config::simulated()));
    run_outdoors(kit.folder(), &options, 1.0, other()).await.unwrap();
    let status =
        frames.lock().unwrap().iter().find(|frame| frame["call"] == "bridge.status").cloned();
    let mut status = status.unwrap();
    let event =
        frames.lock().unwrap().iter().find(|frame| frame["channel"] == "bridgeDevices").cloned();
    let mut event = event.unwrap();
    for devices in [&mut status["res"]["data"]["devices"], &mut event["data"]["devices"]] {
        devices[0]["lastError"] = json!("the reader was gone for a while");
        devices[0]["facts"] = json!({"port": "/dev/ttyS7"});
        devices[1]["facts"]["samId"] = json!("x");
    }
    let mut written = Kit::new();
    written.connect(1, 10_000);
    written.says(1, 20_000, &json!({"on": "bridgeDevices"}));
    written.gets(1, 20_100, &json!({"on": "bridgeDevices", "success": true, "message": "成功"}));
    written.gets(1, 20_200, &event);
    written.says(1, 500_000, &json!({"call": "bridge.status", "id": 1}));
    written.gets(1, 500_100, &status);
    written.end(3_000_000);
    is_as_recorded(&against(&written, Exactness::PersonalByPresence).await, 3);
    let outcome = against(&written, Exactness::Exact).await;
    assert!(told(&outcome).concat().contains("lastError"), "{:?}", told(&outcome));
}

#[tokio::test(start_paused = true)]
async fn that_the_bridge_keeps_its_own_time_limits_is_said_where_the_clients_play_faster() {
    let kit = simulated_session();
    let notes = async |speed: f64| {
        let options = Options { exactness: Exactness::PersonalByPresence, ..Options::default() };
        let other = Other(Bridge::new(Config::simulated()));
        run_outdoors(kit.folder(), &options, speed, other).await.unwrap().notes
    };
    assert_eq!(notes(1.0).await, Vec::<String>::new());
    let notes = notes(2.0).await;
    assert!(
        notes[0].starts_with("the clients play 2 times as fast, and the bridge's own time limits")
    );
}

#[tokio::test(start_paused = true)]
async fn the_devices_of_a_recording_are_served_up_to_its_end() {
    let kit = Kit::card_session();
    let begun = Instant::now();
    let devices = as_devices(kit.folder(), 2.0).unwrap();
    // 3 s at twice the speed.
    assert_eq!(devices.over - begun, Duration::from_millis(1_500));
}

#[test]
fn a_card_gets_the_photo_that_its_decoder_gave_then() {
    let mut kit = Kit::new();
    kit.config = json!({"id_card": {"driver": "sam-v-serial", "port": "/dev/none",
        "photo_decoder": "/no/such/library.so"}});
    kit.reader_starts(300);
    kit.connect(1, 999_000);
    kit.says(1, 1_000_000, &kit::card("1"));
    kit.polls(1_000_200, 1_700_000);
    let person = Card::zhang_san();
    kit.reads(1_900_300, &person);
    let jpeg = b"\xFF\xD8 no picture";
    let wlt = hex(person.photo.as_slice());
    for (t, wlt, jpeg) in [
        (1_901_500, "00FF", STANDARD.encode("of another card")),
        (1_902_000, wlt.as_str(), STANDARD.encode(jpeg)),
    ] {
        let photo = json!({"wlt": wlt, "took": 40_000, "jpeg": jpeg});
        kit.port("photo_decoder", json!({"t": t, "photo": photo}));
    }
    let mut reply = kit::card_reply("1", &person);
    reply["data"]["photoBase64"] = json!(STANDARD.encode(jpeg));
    kit.gets(1, 1_945_000, &reply);
    kit.end(3_000_000);
    let close = Options { tolerance: Duration::from_millis(30), ..Options::default() };
    is_as_recorded(&run(kit.folder(), &close).unwrap(), 1);
}
