//! Readers on USB on tape: redacted, and driven again from the redacted tape.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::*;
use crate::id_card::redact::CardRedactor;
use crate::port::replay::{
    Findings, Settings as ReplaySettings, TapeLine, Timeline, replayed_port,
};
use crate::port::tape::testing::Notebook;
use crate::port::tape::{Flow, PortEvent, Taped};
use crate::pseudonym::Pseudonyms;
use crate::redact::packets::PacketRedactor;
use crate::redact::{At, Redact};

fn driver(source: &Source<IdCard>) -> SamV {
    let poll = Duration::from_millis(300);
    let settings = Settings { baud: Some(115_200), serial: false, poll, fingerprint: false };
    SamV::new(settings, source.clone())
}

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::with_key([9; 32])
}

/// The tape of a reading, begun before the reader was plugged in, or after a first reading.
async fn tape(plugged: Plugged, from_the_beginning: bool) -> Vec<TapeLine> {
    let notebook = if from_the_beginning { Notebook::begun() } else { Notebook::default() };
    let (source, status) = (Source::new(), Status::new("id_card", State::Busy));
    let (port, end) = memory_port("a reader on USB");
    let (reader, hand) = VirtualReader::new();
    let far = tokio::spawn(far_end::run(end, UsbReader::new(reader, plugged)));
    let taped = Taped::new(Box::new(port), &status, Flow::Packets, Arc::new(notebook.clone()));
    let port = CarriedPort::new(Box::new(taped), SamCarrier::new(carriage(plugged)));
    let life = tokio::spawn(device::run(Box::new(port), driver(&source), status));
    hand.put(Card::zhang_san());
    source.wait().unwrap().answer().await.unwrap();
    hand.lift();
    sleep(Duration::from_secs(5)).await;
    if !from_the_beginning {
        assert!(!notebook.is_busy());
        notebook.begin();
        hand.put(Card::zhang_san());
        source.wait().unwrap().answer().await.unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    for task in [life, far] {
        task.abort();
        let _ = task.await;
    }
    notebook.lines()
}

fn redacted(plugged: Plugged, lines: &[TapeLine]) -> Vec<TapeLine> {
    let carrier = SamCarrier::new(carriage(plugged));
    let cards = CardRedactor::new(pseudonyms());
    let mut redactor = PacketRedactor::new(pseudonyms(), carrier, cards);
    let mut out = Vec::new();
    for TapeLine { micros, event, .. } in lines {
        redactor.push(At { micros: *micros, event: event.clone() }, &mut out);
        assert!(redactor.held() < 16 * 1024);
    }
    redactor.finish(&mut out);
    assert_eq!((out.len(), redactor.held()), (lines.len(), 0));
    let with_event = |(line, at): (&TapeLine, At)| {
        assert_eq!(line.micros, at.micros);
        TapeLine { event: at.event, ..line.clone() }
    };
    lines.iter().zip(out).map(with_event).collect()
}

/// What the tape's input packets carry.
fn carried(plugged: Plugged, lines: &[TapeLine]) -> Vec<u8> {
    let (mut packets, mut carrier) = (Packets::default(), SamCarrier::new(carriage(plugged)));
    let mut all = Vec::new();
    for line in lines {
        match &line.event {
            PortEvent::In(bytes) => packets.push(bytes),
            PortEvent::Out(_) => carrier.forget(),
            _ => {}
        }
        while let Some(packet) = packets.next_packet().unwrap() {
            if packet.kind == DESCRIPTION {
                carrier.describe(&packet.data);
                continue;
            }
            let mut parts = Vec::new();
            carrier.take(&packet, &mut parts);
            for part in parts {
                match part {
                    Part::Carried(range) => all.extend_from_slice(&packet.data[range]),
                    Part::Made(bytes) => all.extend(bytes),
                    Part::Stays(_) | Part::Padding(_) | Part::Lost => {}
                }
            }
        }
    }
    all
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[tokio::test(start_paused = true)]
async fn a_redacted_tape_holds_nobody_and_the_driver_reads_the_invented_card_of_it() {
    let real = Card::zhang_san().text;
    for plugged in ALL {
        for from_the_beginning in [true, false] {
            let lines = tape(plugged, from_the_beginning).await;
            let secrets = [&real.name, &real.id_number, &real.address].map(|text| utf16(text));
            let holds = |lines: &[TapeLine], secret: &[u8]| {
                carried(plugged, lines).windows(secret.len()).any(|window| window == secret)
            };
            assert!(secrets.iter().all(|secret| holds(&lines, secret)), "the search works");
            let lines = redacted(plugged, &lines);
            assert!(!secrets.iter().any(|secret| holds(&lines, secret)), "{plugged:?}");

            let (timeline, conductor) = Timeline::conducted(Instant::now());
            let conductor = tokio::spawn(conductor.run());
            let settings = ReplaySettings { polled: true, ..ReplaySettings::default() };
            let findings = Findings::new();
            let port =
                replayed_port("id_card", lines.into_iter(), timeline, settings, findings.clone());
            let port = CarriedPort::new(Box::new(port), SamCarrier::new(carriage(plugged)));
            let (source, status) = (Source::new(), Status::new("id_card", State::Busy));
            let life = tokio::spawn(device::run(Box::new(port), driver(&source), status));
            let mut waiter = source.wait().unwrap();
            let read = timeout(Duration::from_secs(20), waiter.answer()).await;
            let read = read.expect("a card is on the tape").unwrap();
            assert_eq!(read.text.id_number, pseudonyms().id_number(&real.id_number));
            assert_eq!(read.text.name, pseudonyms().name(&real.name), "{plugged:?}");
            for task in [life, conductor] {
                task.abort();
                let _ = task.await;
            }
        }
    }
}
