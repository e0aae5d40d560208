//! The driver of serial scanners against a HID point-of-sale scanner, on the paused clock.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::Code;
use super::super::framing::{Encoding, Found, Framer, Framing};
use super::super::redact::CodeRedactor;
use super::super::serial::{SerialScanner, Settings};
use super::super::virtual_scanner::{Fault, ScannerHand};
use super::far::{HidScanner, Shape};
use super::*;
use crate::device::{self, State, Status, Trouble};
use crate::port::carried::CarriedPort;
use crate::port::far_end::{self, BoxedFarLine, FarEnd, Plug, VirtualDevice};
use crate::port::memory::memory_port;
use crate::port::packets::{DESCRIPTION, Packets, packet};
use crate::port::tape::PortEvent;
use crate::pseudonym::Pseudonyms;
use crate::redact::packets::PacketRedactor;
use crate::redact::{At, Redact};
use crate::source::Source;

struct Bench {
    source: Source<Code>,
    status: Status,
    hand: ScannerHand,
    plug: Plug,
}

fn framing() -> Framing {
    Framing { suffix: END.to_vec(), prefix: Vec::new(), encoding: Encoding::Auto, trigger: None }
}

fn settings() -> Settings {
    let idle = Duration::from_millis(100);
    Settings { baud: 0, framing: framing(), idle, same_code: Duration::ZERO }
}

async fn bench(shape: Shape, suffix: &[u8]) -> Bench {
    let (source, status) = (Source::new(), Status::new("qr_scanner", State::Busy));
    let (port, end) = memory_port("a HID scanner");
    let (scanner, hand) = HidScanner::new(shape);
    let plug = end.plug().clone();
    tokio::spawn(far_end::run(end, scanner));
    let port = CarriedPort::new(Box::new(port), ScanCarrier::new(suffix));
    let driver = SerialScanner::new(settings(), source.clone());
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    let bench = Bench { source, status, hand, plug };
    bench.until(State::Ready).await;
    bench
}

impl Bench {
    async fn until(&self, state: State) {
        self.status.changes().wait_for(|snapshot| snapshot.state == state).await.unwrap();
    }

    async fn scan(&self, code: &[u8]) -> Result<Arc<Code>, Trouble> {
        let mut waiter = self.source.wait()?;
        self.hand.scan(code).unwrap();
        waiter.answer().await
    }
}

#[tokio::test(start_paused = true)]
async fn codes_of_every_length_and_encoding_arrive_whole() {
    for shape in [Shape::Counted, Shape::Bare] {
        let bench = bench(shape, b"\r").await;
        let longest = "7".repeat(7089);
        let (fits, over) = ("x".repeat(56), "y".repeat(57));
        for code in ["6", "https://example.com/?a=1", "健康码", &fits, &over, &longest] {
            assert_eq!(bench.scan(code.as_bytes()).await.unwrap().0, code, "{shape:?}");
        }
        // 张三 in GB18030.
        assert_eq!(bench.scan(b"\xD5\xC5\xC8\xFD").await.unwrap().0, "张三");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_scanner_was_told_to_say_behind_a_code_is_no_part_of_it() {
    let bench = bench(Shape::Counted, b"\r\n").await;
    assert_eq!(bench.scan(b"6901234567892\r\n").await.unwrap().0, "6901234567892");
    assert_eq!(bench.scan(b"6901234567892").await.unwrap().0, "6901234567892");
}

#[tokio::test(start_paused = true)]
async fn a_torn_code_is_never_the_beginning_of_the_next() {
    let bench = bench(Shape::Counted, b"").await;
    bench.hand.fault(Fault::CutFrame);
    bench.hand.scan(&[b'a'; 200]).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    bench.hand.mend();
    assert_eq!(bench.scan(b"next").await.unwrap().0, "next");
    assert_eq!(bench.status.counters()["torn"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_scanner_that_is_pulled_out_scans_again_when_it_is_back() {
    let bench = bench(Shape::Bare, b"").await;
    bench.plug.set(false);
    bench.until(State::Absent).await;
    bench.plug.set(true);
    bench.until(State::Ready).await;
    assert_eq!(bench.scan(b"back").await.unwrap().0, "back");
}

fn described(shape: Shape) -> ScanCarrier {
    let mut carrier = ScanCarrier::new(b"");
    carrier.describe(shape.descriptor());
    carrier
}

fn report(data: &[u8]) -> Packet {
    Packet { kind: REPORT, data: data.to_vec().into() }
}

/// The codes in these packets, and how many were torn.
fn codes(carrier: &mut ScanCarrier, packets: &[Packet]) -> (Vec<String>, usize) {
    let mut framer = Framer::new(framing());
    let (mut codes, mut torn) = (Vec::new(), 0);
    for packet in packets {
        let mut parts = Vec::new();
        carrier.take(packet, &mut parts);
        let mut at = 0;
        for part in parts {
            match part {
                Part::Carried(range) => {
                    assert_eq!(range.start, at);
                    at = range.end;
                    framer.push(&packet.data[range]);
                }
                Part::Stays(range) | Part::Padding(range) => {
                    assert_eq!(range.start, at);
                    at = range.end;
                }
                Part::Made(bytes) => framer.push(&bytes),
                Part::Lost => {
                    // What has ended before it is not touched by it.
                    found(&mut framer, &mut codes, &mut torn);
                    framer.lose();
                }
            }
        }
        assert_eq!(at, packet.data.len(), "parts make up the packet");
        found(&mut framer, &mut codes, &mut torn);
    }
    (codes, torn)
}

fn found(framer: &mut Framer, codes: &mut Vec<String>, torn: &mut usize) {
    while let Some(found) = framer.next_code() {
        match found {
            Found::Code(Code(code)) => codes.push(code),
            Found::Torn => *torn += 1,
            Found::TooLong => panic!("none of these is too long"),
        }
    }
}

#[test]
fn the_layout_is_the_descriptors() {
    let counted = ScanReport::all(&Descriptor::parse(Shape::Counted.descriptor()));
    let expected = ScanReport {
        number: 2,
        length: Some(0),
        data: 4..60,
        goes_on: Some((62, 1)),
        symbology: vec![1..4, 4..4],
    };
    assert_eq!(counted, [expected]);
    let bare = ScanReport::all(&Descriptor::parse(Shape::Bare.descriptor()));
    assert_eq!(
        (bare[0].length, bare[0].data.clone(), bare[0].goes_on),
        (None, 3..59, Some((59, 1)))
    );
    let keyboard = Descriptor::parse(b"\x05\x01\x09\x06\xA1\x01\x75\x08\x95\x08\x81\x02\xC0");
    assert!(is_scanner(&keyboard).is_err());
}

#[test]
fn the_example_of_a_makers_manual_is_one_code() {
    // Access-IS LSR118, appendix B.1.1: 60 bytes in two reports; the rest of them as it is there.
    let text = b"M1GATHERGOOD/MICHAEL YABCDEF LHRDURAK 3542 052Y003D23  100\0\0";
    let of = |length: u8, piece: &[u8], goes_on: u8| {
        let mut bytes = vec![2, length];
        bytes.extend_from_slice(b"]Q0");
        bytes.extend_from_slice(piece);
        bytes.resize(61, 0);
        bytes.extend_from_slice(&[b's', 0, goes_on]);
        report(&bytes)
    };
    let packets = [of(56, &text[..56], 1), of(2, &text[56..58], 0)];
    let (codes, _) = codes(&mut described(Shape::Counted), &packets);
    assert_eq!(codes, ["M1GATHERGOOD/MICHAEL YABCDEF LHRDURAK 3542 052Y003D23  100"]);
}

#[test]
fn a_vendors_length_in_front_counts_too() {
    // Report 2: a vendor's byte, 56 bytes of data, four of the vendor's, symbology, no flag.
    let descriptor =
        b"\x05\x8C\x09\x02\xA1\x01\x85\x02\x75\x08\x06\x66\xFF\x95\x01\x09\x01\x81\x02\
        \x05\x8C\x95\x38\x09\xFE\x81\x02\x06\x66\xFF\x95\x04\x09\x02\x81\x02\
        \x05\x8C\x95\x01\x09\xFB\x81\x02\xC0";
    let mut carrier = ScanCarrier::new(b"");
    carrier.describe(descriptor);
    let mut bytes = vec![2, 5];
    bytes.extend_from_slice(b"12345left over");
    bytes.resize(63, 0);
    assert_eq!(codes(&mut carrier, &[report(&bytes)]).0, ["12345"]);
}

/// A code of four reports, one of which is broken, and another code.
fn with_a_broken_report(at: usize) -> Vec<Packet> {
    let mut reports = Shape::Counted.reports(&[b'a'; 200], true);
    reports[at][1] = 57;
    reports.extend(Shape::Counted.reports(b"next", true));
    reports.iter().map(|bytes| report(bytes)).collect()
}

#[test]
fn a_broken_report_in_the_middle_of_a_code_costs_that_code_and_no_other() {
    // The first one, too: the rest of a code is no code.
    for at in 0..3 {
        let (codes, torn) = codes(&mut described(Shape::Counted), &with_a_broken_report(at));
        assert_eq!((codes, torn), (vec!["next".to_owned()], 1), "broken: {at}");
    }
}

#[test]
fn a_report_that_is_cut_off_costs_the_code_that_has_begun() {
    let mut packets = with_a_broken_report(1);
    packets[1] = report(&packets[1].data[..20]);
    let (codes, torn) = codes(&mut described(Shape::Counted), &packets);
    assert_eq!((codes, torn), (vec!["next".to_owned()], 1));
}

/// Says this, and nothing more.
struct Says(Vec<u8>);

impl VirtualDevice for Says {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        line.write_all(&self.0).await.unwrap();
        // Until the line is closed.
        let _ = line.read(&mut [0; 16]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_of_which_a_report_is_broken_is_counted_as_torn_and_not_as_too_long() {
    let mut line = packet(DESCRIPTION, Shape::Counted.descriptor());
    for Packet { kind, data } in with_a_broken_report(1) {
        line.extend(packet(kind, &data));
    }
    let (source, status) = (Source::new(), Status::new("qr_scanner", State::Busy));
    let mut waiter = source.wait().unwrap();
    let (port, end) = memory_port("a HID scanner");
    tokio::spawn(far_end::run(end, Says(line)));
    let port = CarriedPort::new(Box::new(port), ScanCarrier::new(b""));
    let driver = SerialScanner::new(settings(), source.clone());
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    assert_eq!(waiter.answer().await.unwrap().0, "next");
    let counters = status.counters();
    assert_eq!((counters.get("torn"), counters.get("tooLong")), (Some(&1), None));
}

#[test]
fn a_redacted_tape_has_other_codes_of_the_same_shape_in_the_same_reports() {
    let (pseudonyms, long) =
        (Pseudonyms::with_key([5; 32]), "身份证 11010519491231002X ".repeat(4));
    for shape in [Shape::Counted, Shape::Bare] {
        let mut line = vec![packet(DESCRIPTION, shape.descriptor())];
        for code in ["11010519491231002X\r", &long, "6901234567892"] {
            line.extend(shape.reports(code.as_bytes(), true).iter().map(|r| packet(REPORT, r)));
        }
        let line = line.concat();
        for cut in [line.len(), 64, 7] {
            let framing = framing();
            let codes_of =
                CodeRedactor::new(pseudonyms.clone(), framing, Duration::from_millis(100));
            let carrier = ScanCarrier::new(b"\r");
            let mut redactor = PacketRedactor::new(pseudonyms.clone(), carrier, codes_of);
            let mut out = Vec::new();
            for piece in line.chunks(cut) {
                let event = PortEvent::In(piece.to_vec().into());
                redactor.push(At { micros: 0, event }, &mut out);
            }
            redactor.finish(&mut out);
            let mut packets = Packets::default();
            for (at, piece) in out.iter().zip(line.chunks(cut)) {
                let PortEvent::In(bytes) = &at.event else { panic!("another event") };
                assert_eq!(bytes.len(), piece.len());
                packets.push(bytes);
            }
            let first = packets.next_packet().unwrap().unwrap();
            assert_eq!(first.data, shape.descriptor());
            let rest: Vec<Packet> = std::iter::from_fn(|| packets.next_packet().unwrap()).collect();
            let mut carrier = described(shape);
            carrier.suffix = b"\r".to_vec();
            let expected = ["11010519491231002X", &long, "6901234567892"];
            let expected = expected.map(|code| pseudonyms.code(code));
            assert_eq!(codes(&mut carrier, &rest).0, expected, "{shape:?} cut at {cut}");
        }
    }
}

proptest! {
    #[test]
    fn any_reports_are_taken_apart_wholly_and_the_next_code_is_found(
        counted: bool,
        noise in prop::collection::vec((0..4_u8, prop::collection::vec(any::<u8>(), 0..70)), 0..20),
        code in "[ -~]{1,200}",
    ) {
        let shape = if counted { Shape::Counted } else { Shape::Bare };
        let mut carrier = described(shape);
        let noise: Vec<Packet> =
            noise.into_iter().map(|(kind, data)| Packet { kind, data: data.into() }).collect();
        codes(&mut carrier, &noise);
        // The line was opened anew.
        carrier.describe(shape.descriptor());
        let packets: Vec<Packet> =
            shape.reports(code.as_bytes(), true).iter().map(|bytes| report(bytes)).collect();
        prop_assert_eq!(codes(&mut carrier, &packets).0, vec![code]);
    }

    #[test]
    fn any_descriptor_gives_layouts_within_its_reports(
        bytes in prop::collection::vec(
            prop_oneof![Just(0x05_u8), Just(0x8C), Just(0x09), Just(0xFE), Just(0x81), Just(0x02),
                        Just(0x75), Just(0x08), Just(0x95), any::<u8>()], 0..120),
        report_bytes in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut carrier = ScanCarrier::new(b"\r");
        carrier.describe(&bytes);
        codes(&mut carrier, &[report(&report_bytes), report(&report_bytes)]);
    }
}
