//! The driver of serial readers against readers on USB, on the paused clock.

mod recorded;

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::super::IdCard;
use super::super::frame::{self, FrameReader};
use super::super::people::{Card, PEOPLE};
use super::super::sam_v::{SamV, Settings};
use super::super::virtual_reader::{Fault, ReaderHand, VirtualReader};
use super::far::{self, Plugged, UsbReader};
use super::*;
use crate::device::{self, State, Status};
use crate::port::carried::{CarriedPort, Carrier, Part};
use crate::port::far_end::{self, FarEnd, Plug};
use crate::port::hidraw::REPORT;
use crate::port::memory::memory_port;
use crate::port::packets::{DESCRIPTION, Packet, Packets, packet};
use crate::port::{BoxedLine, Port};
use crate::source::Source;

const ALL: [Plugged; 6] = [
    Plugged::Pipes,
    Plugged::Pair,
    Plugged::Hid { split: false, numbered: false },
    Plugged::Hid { split: false, numbered: true },
    Plugged::Hid { split: true, numbered: false },
    Plugged::Hid { split: true, numbered: true },
];

fn carriage(plugged: Plugged) -> Carriage {
    match plugged {
        Plugged::Pipes | Plugged::Pair => Carriage::Bulk,
        Plugged::Hid { split: false, .. } => Carriage::WholeReports,
        Plugged::Hid { split: true, .. } => Carriage::SplitReports,
    }
}

struct Bench {
    source: Source<IdCard>,
    status: Status,
    hand: ReaderHand,
    plug: Plug,
}

fn bench(plugged: Plugged) -> Bench {
    bench_as(plugged, carriage(plugged))
}

fn bench_as(plugged: Plugged, carriage: Carriage) -> Bench {
    let (source, status) = (Source::new(), Status::new("id_card", State::Busy));
    let (port, end) = memory_port("a reader on USB");
    let (reader, hand) = VirtualReader::new();
    let plug = end.plug().clone();
    tokio::spawn(far_end::run(end, UsbReader::new(reader, plugged)));
    let settings = Settings {
        baud: Some(115_200),
        serial: false,
        poll: Duration::from_millis(300),
        fingerprint: false,
    };
    let port = CarriedPort::new(Box::new(port), SamCarrier::new(carriage));
    let driver = SamV::new(settings, source.clone());
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    Bench { source, status, hand, plug }
}

impl Bench {
    async fn until(&self, state: State) {
        let mut changes = self.status.changes();
        changes.wait_for(|snapshot| snapshot.state == state).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn every_card_is_read_to_the_letter_however_the_reader_is_plugged_in() {
    for plugged in ALL {
        let bench = bench(plugged);
        for person in PEOPLE {
            let card = (person.card)();
            bench.hand.put(card.clone());
            let read = bench.source.wait().unwrap().answer().await.unwrap();
            assert_eq!(read.text, card.text, "{plugged:?} {}", person.slug);
            assert_eq!(read.wlt, card.photo);
            assert_eq!(read.appended_address, card.appended_addresses.first().cloned());
            bench.hand.lift();
        }
        let facts = bench.status.facts();
        assert_eq!(facts["samId"], "05.03-20200102-0012345678-0087654321");
        assert!(!facts.contains_key("baud"), "a USB reader has no rate");
        assert_eq!(bench.status.counters().get("retries"), None, "{plugged:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_torn_and_missing_replies_are_asked_for_again() {
    for plugged in ALL {
        for fault in [Fault::BadChecksum, Fault::CutFrame, Fault::Silence] {
            let bench = bench(plugged);
            bench.until(State::Ready).await;
            bench.hand.put(Card::zhang_san());
            bench.hand.fault(fault, Some(2));
            let read = bench.source.wait().unwrap().answer().await.unwrap();
            assert_eq!(read.text, Card::zhang_san().text, "{plugged:?} {fault:?}");
            assert!(bench.status.counters()["retries"] >= 2, "{plugged:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_pulled_out_is_absent_and_reads_again_when_it_is_back() {
    for plugged in ALL {
        let bench = bench(plugged);
        bench.until(State::Ready).await;
        bench.plug.set(false);
        bench.until(State::Absent).await;
        bench.plug.set(true);
        bench.until(State::Ready).await;
        bench.hand.put(Card::zhang_san());
        let read = bench.source.wait().unwrap().answer().await.unwrap();
        assert_eq!(read.text, Card::zhang_san().text, "{plugged:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_other_form_of_reports_is_said_to_be_worth_a_try() {
    let bench = bench_as(Plugged::Hid { split: true, numbered: false }, Carriage::WholeReports);
    bench.until(State::Failed).await;
    let error = bench.status.snapshot().last_error.unwrap();
    assert!(error.contains("reports"), "{error}");
}

/// A line whose far end is ours, which has been described.
async fn line(carriage: Carriage, description: &[u8]) -> (BoxedLine, far_end::BoxedFarLine) {
    let (port, mut end) = memory_port("a reader on USB");
    let mut port = CarriedPort::new(Box::new(port), SamCarrier::new(carriage));
    let line = port.open(0).await.unwrap();
    let mut far = end.next_line().await.unwrap();
    far.write_all(&packet(DESCRIPTION, description)).await.unwrap();
    (line, far)
}

async fn packets_written(far: &mut far_end::BoxedFarLine) -> Vec<(u8, Vec<u8>)> {
    let (mut packets, mut chunk, mut found) = (Packets::default(), [0; 4096], Vec::new());
    while let Ok(read) = timeout(Duration::from_millis(1), far.read(&mut chunk)).await {
        packets.push(&chunk[..read.unwrap()]);
        while let Some(Packet { kind, data }) = packets.next_packet().unwrap() {
            found.push((kind, data.to_vec()));
        }
    }
    found
}

fn filled(bytes: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(length, 0);
    bytes
}

#[tokio::test(start_paused = true)]
async fn requests_leave_as_each_kind_of_reader_wants_them() {
    let status = b"\xAA\xAA\xAA\x96\x69\x00\x03\x11\xFF\xED";
    let numbered = |bytes: &[u8]| filled(&[b"\x02", bytes].concat(), 32);
    for (kind, description, expected) in [
        (
            Carriage::Bulk,
            &b"\x02\x06\x81\x85"[..],
            vec![(0x02, status[..7].to_vec()), (0x06, b"\x11\xFF\xED".to_vec())],
        ),
        (Carriage::Bulk, b"\x03\x82", vec![(0x03, status.to_vec())]),
        (
            Carriage::WholeReports,
            far::DESCRIPTOR,
            vec![(REPORT, filled(&[b"\0", &status[..]].concat(), 65))],
        ),
        (Carriage::WholeReports, far::NUMBERED_DESCRIPTOR, vec![(REPORT, numbered(status))]),
        (
            Carriage::SplitReports,
            far::NUMBERED_DESCRIPTOR,
            vec![(REPORT, numbered(b"\x00\x03\x11\xFF\xED"))],
        ),
    ] {
        let (mut line, mut far) = line(kind, description).await;
        line.write_all(status).await.unwrap();
        assert_eq!(packets_written(&mut far).await, expected, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_longer_than_a_report_is_cut() {
    let request = frame::request([0x61, 0xFF], &[0x50; 60]);
    let (mut line, mut far) = line(Carriage::SplitReports, far::NUMBERED_DESCRIPTOR).await;
    line.write_all(&request).await.unwrap();
    let written = packets_written(&mut far).await;
    assert_eq!(written.len(), 3);
    assert!(written.iter().all(|(_, report)| report.len() == 32 && report[0] == 2));
    let carried: Vec<u8> = written.iter().flat_map(|(_, report)| report[1..].to_vec()).collect();
    assert_eq!(carried[..request.len() - 5], request[5..]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_takes_no_reports_says_so() {
    let keyboard = b"\x05\x01\x09\x06\xA1\x01\x75\x08\x95\x08\x81\x02\xC0";
    let (mut line, _far) = line(Carriage::WholeReports, keyboard).await;
    let error = line.write_all(b"anything").await.unwrap_err();
    assert!(error.to_string().contains("takes no reports"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_stands_unread_is_thrown_away_and_the_description_is_not() {
    let (mut line, mut far) = line(Carriage::SplitReports, far::DESCRIPTOR).await;
    // The beginning of a reply of 1,000 bytes, and half a packet.
    far.write_all(&packet(REPORT, &filled(b"\x03\xE8\x00\x00\x90", 64))).await.unwrap();
    let reply = packet(REPORT, &filled(b"\x00\x04\x00\x00\x90\x94", 64));
    far.write_all(&reply[..9]).await.unwrap();
    line.discard_input().unwrap();
    line.write_all(&frame::request([0x11, 0xFF], &[])).await.unwrap();
    far.write_all(&reply[9..]).await.unwrap();
    let mut read = [0; 11];
    line.read_exact(&mut read).await.unwrap();
    assert_eq!(read[..], frame::reply(0x90, &[]));
}

#[tokio::test(start_paused = true)]
async fn reports_of_another_number_are_not_the_readers() {
    let (mut line, mut far) = line(Carriage::SplitReports, far::NUMBERED_DESCRIPTOR).await;
    for report in [&b"\x07\x00\x04\x00\x00\x41\x45"[..], b"\x01\x00\x04\x00\x00\x90\x94"] {
        far.write_all(&packet(REPORT, &filled(report, 64))).await.unwrap();
    }
    let mut read = [0; 11];
    line.read_exact(&mut read).await.unwrap();
    assert_eq!(read[..], frame::reply(0x90, &[]));
}

/// What the driver's reader of frames finds in what these packets carry.
fn found(carrier: &mut SamCarrier, packets: &[Packet]) -> Vec<Vec<u8>> {
    let (mut frames, mut bodies) = (FrameReader::for_replies(), Vec::new());
    for packet in packets {
        let mut parts = Vec::new();
        carrier.take(packet, &mut parts);
        let mut at = 0;
        for part in &parts {
            match part {
                Part::Carried(range) | Part::Stays(range) | Part::Padding(range) => {
                    assert_eq!(range.start, at, "parts stand in order");
                    at = range.end;
                    if let Part::Carried(range) = part {
                        frames.push(&packet.data[range.clone()]);
                    }
                }
                Part::Made(bytes) => frames.push(bytes),
                Part::Lost => panic!("it is said of no frame that some of it is missing"),
            }
        }
        assert_eq!(at, packet.data.len(), "parts make up the packet");
        bodies.extend(std::iter::from_fn(|| frames.next_frame()).flatten().map(|body| body.0));
    }
    bodies
}

fn described(plugged: Plugged) -> SamCarrier {
    let mut carrier = SamCarrier::new(carriage(plugged));
    carrier.describe(match plugged {
        Plugged::Pipes => b"\x02\x06\x81\x85",
        Plugged::Pair => b"\x02\x81",
        Plugged::Hid { numbered: false, .. } => far::DESCRIPTOR,
        Plugged::Hid { numbered: true, .. } => far::NUMBERED_DESCRIPTOR,
    });
    carrier
}

proptest! {
    #[test]
    fn any_packets_are_taken_apart_wholly_and_the_next_reply_is_found(
        which in 0..ALL.len(),
        noise in prop::collection::vec(
            (prop_oneof![Just(REPORT), Just(0x81_u8), Just(0x85_u8), any::<u8>()],
             prop::collection::vec(prop_oneof![Just(0_u8), Just(4), any::<u8>()], 0..80)), 0..30),
        data in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let plugged = ALL[which];
        let mut carrier = described(plugged);
        let noise: Vec<Packet> =
            noise.into_iter().map(|(kind, data)| Packet { kind, data: data.into() }).collect();
        found(&mut carrier, &noise);
        // The driver asks again, and forgets what it has.
        carrier.forget();
        let reply = frame::reply(0x90, &data);
        let split = matches!(plugged, Plugged::Hid { split: true, .. });
        let reports = far::Reports::new(split);
        let packets: Vec<Packet> = match plugged {
            Plugged::Pipes => vec![
                Packet { kind: 0x81, data: reply[..7].to_vec().into() },
                Packet { kind: 0x85, data: reply[7..].to_vec().into() },
            ],
            Plugged::Pair => vec![Packet { kind: 0x81, data: reply.clone().into() }],
            Plugged::Hid { numbered, .. } => reports
                .reply(&reply, 63)
                .into_iter()
                .map(|report| [&[1][..usize::from(numbered)], &report].concat())
                .map(|data| Packet { kind: REPORT, data: data.into() })
                .collect(),
        };
        let bodies = found(&mut carrier, &packets);
        prop_assert_eq!(bodies, vec![[&[0, 0, 0x90][..], &data].concat()]);
    }
}
