//! The card ports of a recording.

use std::fs;

use hharome_hardware::port::card::{BoxedSlot, Content, End, Power, in_transaction};
use hharome_hardware::port::replay::Oddity;
use hharome_protocol::bridge::ProtocolVersion;
use tempfile::TempDir;
use tokio::time::Instant;

use super::*;
use crate::recording::format::{BLOBS, META_FILE, Meta, PersonalData, VERSION, blob_name};

/// A card that gives 9,000 bytes: they are a blob.
fn large() -> Vec<u8> {
    (0..9_000u16).map(|byte| byte as u8).collect()
}

fn tape() -> String {
    format!(
        r#"{{"t":0,"before":true,"card":{{"opened":"R 00 00"}}}}
{{"t":0,"before":true,"card":{{"holds":{{"what":"nothing","number":0}}}}}}
{{"t":100000,"card":{{"holds":{{"what":"card","atr":"3b8F8001","number":1}}}}}}
{{"t":110000,"card":{{"connect":"asItIs"}}}}
{{"t":150000,"card":{{"connected":{{"atr":"3B8F8001","protocol":"T=1"}}}}}}
{{"t":200000,"card":{{"begin":true}}}}
{{"t":201000,"card":{{"begun":true}}}}
{{"t":201000,"out":"00B0000000"}}
{{"t":240000,"inBlob":"{}"}}
{{"t":241000,"card":{{"ended":{{"renewed":true}}}}}}
{{"t":250000,"card":{{"newInOneTwo":{{"kind":"unknown"}}}}}}
{{"t":300000,"out":"0084000008"}}
{{"t":310000,"in":"9000"}}
{{"t":400000,"card":{{"holds":{{"what":"mute","number":2}}}}}}
{{"t":900000,"end":true}}
"#,
        blob_name(&large())
    )
}

fn recording(tape: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let meta = Meta {
        format: VERSION,
        name: "cards".to_owned(),
        hharome: "0.1.0".to_owned(),
        protocol: ProtocolVersion::CURRENT,
        started: 0,
        personal_data: PersonalData::Replaced,
        config: serde_json::Map::new(),
        simulated: false,
        token: false,
        device_info: hharome_protocol::device::DeviceInfo::default(),
        devices: Vec::new(),
    };
    fs::write(folder.path().join(META_FILE), serde_json::to_string(&meta).unwrap()).unwrap();
    fs::write(folder.path().join("port-cpu_card.jsonl"), tape).unwrap();
    fs::create_dir(folder.path().join(BLOBS)).unwrap();
    fs::write(folder.path().join(BLOBS).join(blob_name(&large())), large()).unwrap();
    folder
}

/// The ports of the recording, and where they say what they find.
fn ports(folder: &TempDir) -> (FolderPorts, Findings, Damage) {
    let recording = Recording::open(folder.path()).unwrap();
    let (findings, damage) = (Findings::new(), Damage::default());
    let timeline = Timeline::new(Instant::now(), 1.0);
    let settings = |_: &str| Settings::default();
    let ports = FolderPorts::new(recording, timeline, findings.clone(), damage.clone(), settings);
    (ports, findings, damage)
}

async fn read(slot: &mut BoxedSlot) -> (Vec<u8>, bool) {
    let (answer, begun) = in_transaction(&mut **slot, |card| {
        Box::pin(async move { card.transmit(&[0x00, 0xB0, 0x00, 0x00, 0x00]).await })
    })
    .await
    .unwrap();
    (answer.unwrap(), begun.renewed)
}

#[tokio::test(start_paused = true)]
async fn a_slot_gives_what_the_recording_has_of_it() {
    let folder = recording(&tape());
    let (mut ports, findings, damage) = ports(&folder);
    let began = Instant::now();
    let mut port = ports.card("cpu_card");
    let mut slot = port.open().await.unwrap();
    assert_eq!((slot.reader(), slot.holds().what), ("R 00 00", Content::Nothing));
    slot.changed().await.unwrap();
    assert_eq!(slot.holds().what, Content::Card(vec![0x3B, 0x8F, 0x80, 0x01]));
    assert_eq!(began.elapsed(), Duration::from_millis(100));
    slot.connect(Power::AsItIs).await.unwrap();
    assert_eq!(read(&mut slot).await, (large(), true));
    assert_eq!(began.elapsed(), Duration::from_millis(241));
    slot.disconnect(End::Leave).await;
    slot.changed().await.unwrap();
    assert_eq!(slot.holds().what, Content::Mute);
    drop((slot, port));
    let found = findings.take().0;
    let odd: Vec<_> = found.iter().map(|one| (one.oddity.clone(), one.line)).collect();
    assert_eq!(odd, [(Oddity::NeverAsked, Some(12))]);
    ports.drain();
    assert!(damage.take().is_none());
}

#[tokio::test(start_paused = true)]
async fn damage_behind_what_was_played_is_found() {
    let folder = recording(&tape().replace("\"mute\"", "\"much\""));
    let (mut ports, _, damage) = ports(&folder);
    let mut port = ports.card("cpu_card");
    assert!(port.open().await.is_ok());
    ports.drain();
    let error = damage.take().unwrap().to_string();
    assert!(error.contains("port-cpu_card.jsonl:14: damaged: card.holds.what"), "{error}");
    // A device of which there is no tape has no reader.
    assert!(ports.card("psam_1").open().await.is_err());
}
