//! Codes of redacted streams, found by the real framer and the real driver.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep_until};

use super::super::Code;
use super::super::framing::{Encoding, Found, Framer};
use super::super::serial::{SerialScanner, Settings};
use super::super::trigger::Trigger;
use super::*;
use crate::device::{self, State, Status};
use crate::port::far_end::{self, BoxedFarLine, VirtualDevice};
use crate::port::memory::memory_port;
use crate::port::tape::testing::Notebook;
use crate::port::tape::{Flow, LineFault, Taped};
use crate::source::Source;

const IDLE: Duration = Duration::from_millis(100);

const ENCODINGS: [Encoding; 3] = [Encoding::Auto, Encoding::Utf8, Encoding::Gb18030];

const TRIGGERS: [Option<Trigger>; 6] = [
    None,
    Some(Trigger::Gm65),
    Some(Trigger::Newland),
    Some(Trigger::NewlandOld),
    Some(Trigger::Honeywell),
    Some(Trigger::M3y),
];

/// An acknowledgement as each module's manual has it.
fn acknowledgement(trigger: Option<Trigger>) -> &'static [u8] {
    match trigger {
        Some(Trigger::Gm65) => b"\x02\x00\x00\x01\x00\x33\x31",
        Some(Trigger::Newland) => b"\x02\x010000#SCNTRG1\x06;\x03",
        Some(Trigger::NewlandOld) => b"\x06",
        Some(Trigger::M3y) => b"\x5A\x01\x00\x02\x90\x00\x93\xA5",
        Some(Trigger::Honeywell) | None => b"",
    }
}

fn framing(suffix: &str, prefix: &str, encoding: Encoding, trigger: Option<Trigger>) -> Framing {
    Framing { suffix: suffix.into(), prefix: prefix.into(), encoding, trigger }
}

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::with_key([42; 32])
}

fn at(millis: i64, event: PortEvent) -> At {
    At { micros: millis * 1000, event }
}

fn chunk(millis: i64, bytes: &[u8]) -> At {
    at(millis, PortEvent::In(Bytes::copy_from_slice(bytes)))
}

fn redacted(events: &[At], framing: &Framing) -> Vec<At> {
    let mut redactor = CodeRedactor::new(pseudonyms(), framing.clone(), IDLE);
    let mut out = Vec::new();
    for event in events {
        redactor.push(event.clone(), &mut out);
        assert!(redactor.held() <= MAX_CODE + 4096, "{} bytes are held", redactor.held());
    }
    redactor.finish(&mut out);
    assert_eq!(redactor.held(), 0);
    out
}

/// The same events at the same times, but for the bytes that came in.
fn assert_only_bytes_differ(real: &[At], redacted: &[At]) {
    let without_bytes = |events: &[At]| -> Vec<(i64, Result<usize, PortEvent>)> {
        let shape = |event: &PortEvent| match event {
            PortEvent::In(bytes) => Ok(bytes.len()),
            other => Err(other.clone()),
        };
        events.iter().map(|at| (at.micros, shape(&at.event))).collect()
    };
    assert_eq!(without_bytes(real), without_bytes(redacted));
}

/// What the framer finds if it is told of gaps as the driver tells it.
fn found(events: &[At], framing: &Framing) -> Vec<Found> {
    let mut framer = Framer::new(framing.clone());
    let mut found = Vec::new();
    let mut last = 0;
    let gap = |framer: &mut Framer, found: &mut Vec<Found>| match framer.gap() {
        Some(code) => found.push(code),
        None => framer.clear(),
    };
    let silence = if framing.suffix.is_empty() { 100_000 } else { 1_000_000 };
    for event in events {
        if framer.is_in_code() && event.micros - last > silence {
            gap(&mut framer, &mut found);
        }
        match &event.event {
            PortEvent::In(bytes) => {
                last = event.micros;
                framer.push(bytes);
                found.extend(std::iter::from_fn(|| framer.next_code()));
            }
            PortEvent::Out(_) => last = event.micros,
            PortEvent::Gone(_) | PortEvent::Closed => framer.clear(),
            _ => {}
        }
    }
    if framer.is_in_code() {
        gap(&mut framer, &mut found);
    }
    found
}

fn invented(found: Vec<Found>) -> Vec<Found> {
    let invented = |found| match found {
        Found::Code(Code(code)) => Found::Code(Code(pseudonyms().code(&code))),
        other => other,
    };
    found.into_iter().map(invented).collect()
}

fn check(events: &[At], framing: &Framing) -> Vec<At> {
    let redacted = redacted(events, framing);
    assert_only_bytes_differ(events, &redacted);
    assert_eq!(found(&redacted, framing), invented(found(events, framing)), "{framing:?}");
    redacted
}

fn bytes_in(events: &[At]) -> Vec<u8> {
    let chunks = events.iter().filter_map(|at| match &at.event {
        PortEvent::In(bytes) => Some(&bytes[..]),
        _ => None,
    });
    chunks.collect::<Vec<_>>().concat()
}

#[test]
fn an_acknowledgement_a_prefix_and_a_suffix_stay_and_the_code_between_is_replaced() {
    for trigger in TRIGGERS {
        let framing = framing("\r\n", "]Q1", Encoding::Auto, trigger);
        let mut stream = acknowledgement(trigger).to_vec();
        stream.extend_from_slice("]Q1http://例.cn/11010519491231002X?张三\r\n".as_bytes());
        let redacted = bytes_in(&check(&[chunk(0, &stream)], &framing));
        let ack = acknowledgement(trigger).len();
        assert_eq!(redacted[..ack + 10], stream[..ack + 10], "{trigger:?}");
        assert_eq!(redacted[redacted.len() - 2..], *b"\r\n");
        for left in ["例", "张", "三", "110105", "19491231", "cn"] {
            assert!(!String::from_utf8_lossy(&redacted[ack + 10..]).contains(left), "{left}");
        }
    }
}

#[test]
fn what_looks_like_an_acknowledgement_keeps_no_data_of_a_code() {
    for (trigger, head, end) in [
        (Trigger::Gm65, &b"\x02\x00\x00\x12"[..], &b"\x33\x31"[..]),
        (Trigger::Newland, b"\x02\x01", b"\x03"),
        (Trigger::M3y, b"\x5A\x01\x00\x12", b"\x00\xA5"),
    ] {
        for suffix in ["\r", "x", ""] {
            let framing = framing(suffix, "", Encoding::Auto, Some(trigger));
            let stream = [head, b"11010519491231002X", end, b"QR-1", suffix.as_bytes()].concat();
            let redacted = bytes_in(&check(&[chunk(0, &stream)], &framing));
            assert_eq!(redacted[..head.len()], *head);
            let shown = String::from_utf8_lossy(&redacted).into_owned();
            assert!(!shown.contains("1101") && !shown.contains("1949"), "{shown:?}");
        }
    }
}

/// The digits in BCD; X is 10.
fn bcd(id: &str) -> Vec<u8> {
    let nibble = |digit: u8| if digit == b'X' { 10 } else { digit - b'0' };
    id.as_bytes().chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}

#[test]
fn a_code_of_an_id_number_in_bcd_is_not_in_the_recording() {
    let id = bcd("110112201201151006");
    for stream in [[&id[..], b"\r"].concat(), [b"ID", &id[..], b"END\r"].concat()] {
        for encoding in ENCODINGS {
            let framing = framing("\r", "", encoding, None);
            let redacted = bytes_in(&check(&[chunk(0, &stream)], &framing));
            assert_eq!(bcd_ids(&stream).count(), 1);
            assert_eq!(bcd_ids(&redacted).next(), None);
            let kept = redacted.iter().zip(&stream).filter(|(new, old)| new == old).count();
            // The blank and the suffix.
            assert_eq!(kept, 2, "{redacted:02X?}");
        }
    }
}

#[test]
fn without_a_suffix_a_later_event_of_any_kind_ends_a_code() {
    let framing = framing("", "", Encoding::Auto, Some(Trigger::Gm65));
    let mut redactor = CodeRedactor::new(pseudonyms(), framing.clone(), IDLE);
    let mut out = Vec::new();
    redactor.push(chunk(0, b"first "), &mut out);
    redactor.push(at(60, PortEvent::Out(Bytes::from_static(b"~"))), &mut out);
    redactor.push(chunk(160, b"half"), &mut out);
    assert_eq!((out.len(), redactor.held()), (0, 10));
    redactor.push(at(261, PortEvent::Out(Bytes::from_static(b"~"))), &mut out);
    assert_eq!((out.len(), redactor.held()), (4, 0));
    assert_eq!(bytes_in(&out), pseudonyms().code("first half").as_bytes());
}

#[test]
fn torn_codes_and_over_long_ones_become_filler() {
    let torn = [chunk(0, b"6901234"), chunk(1001, b"567\r")];
    let events = check(&torn, &framing("\r", "", Encoding::Auto, None));
    assert_eq!(
        bytes_in(&events),
        [b"xxxxxxx", pseudonyms().code("567").as_bytes(), b"\r"].concat()
    );
    let events = [chunk(0, b"cut"), at(5, PortEvent::Gone(LineFault::End))];
    let events = check(&events, &framing("\r", "", Encoding::Auto, None));
    assert_eq!(bytes_in(&events), b"xxx");
    for suffix in ["\r\n", ""] {
        let long = [vec![b'7'; MAX_CODE + 1], suffix.into()].concat();
        let events: Vec<At> = long.chunks(1000).map(|piece| chunk(0, piece)).collect();
        let events = check(&events, &framing(suffix, "", Encoding::Auto, None));
        assert_eq!(bytes_in(&events), [vec![b'x'; MAX_CODE + 1], suffix.into()].concat());
    }
}

#[test]
fn a_suffix_of_letters_never_cuts_a_replaced_code_in_two() {
    let framing = framing("A", "", Encoding::Auto, None);
    for code in 0..200 {
        let events = [chunk(0, format!("BCDEFGHIJKLMNO{code}A").as_bytes())];
        let redacted = redacted(&events, &framing);
        assert_eq!(found(&redacted, &framing).len(), 1);
    }
}

/// A code as scanners send it, or something near it.
fn any_code() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[0-9]{1,20}".prop_map(String::into_bytes),
        Just(b"11010519491231002X".to_vec()),
        "https://[a-z]{1,8}\\.cn/[A-Za-z0-9=&?]{0,20}".prop_map(String::into_bytes),
        "[张三李四路号A-Z0-9１２ ]{1,12}".prop_map(String::into_bytes),
        "[张三李四路号é𠮷A-Z0-9]{1,12}"
            .prop_map(|code: String| encoding_rs::GB18030.encode(&code).0.into_owned()),
        prop::collection::vec(any::<u8>(), 0..24),
        Just(vec![b'5'; MAX_CODE + 10]),
    ]
}

proptest! {
    #[test]
    fn no_id_number_in_bcd_is_left_of_any_code(
        region in 110_000u32..820_000,
        (year, month, day) in (1900u32..2100, 1u32..13, 1u32..29),
        sequence in 0u32..1000,
        before in "[ -~\t\x01-\x19]{0,12}",
        after in "[ -~\t张]{0,12}",
        odd: bool,
        suffix in prop::sample::select(vec!["\r", "\t", ""]),
        encoding in prop::sample::select(&ENCODINGS[..]),
        trigger in prop::sample::select(&TRIGGERS[..]),
    ) {
        let digits = format!("{region}{year:04}{month:02}{day:02}{sequence:03}");
        let check_digit = crate::id_card::id_number::check_digit(&digits).unwrap();
        let id = if odd {
            // Beginning in the middle of a byte.
            bcd(&format!("1{digits}{check_digit}1"))
        } else {
            bcd(&format!("{digits}{check_digit}"))
        };
        let stream = [before.as_bytes(), &id, after.as_bytes(), suffix.as_bytes()].concat();
        prop_assert!(bcd_ids(&stream).next().is_some());
        let framing = framing(suffix, "", encoding, trigger);
        let redacted = bytes_in(&check(&[chunk(0, &stream)], &framing));
        prop_assert_eq!(bcd_ids(&redacted).next(), None, "{:02X?}", redacted);
    }

    #[test]
    fn whatever_acknowledgements_hold_the_framer_finds_the_replaced_codes(
        acknowledgements in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..58), any_code()), 1..5),
        size in 1usize..40,
        suffix in prop::sample::select(vec!["\r", "\x03", ""]),
        trigger in prop::sample::select(&TRIGGERS[..]),
    ) {
        let framing = framing(suffix, "", Encoding::Auto, trigger);
        let mut stream = Vec::new();
        for (data, code) in &acknowledgements {
            let length = data.len() as u8;
            match trigger {
                Some(Trigger::Gm65) => stream.extend([2, 0, 0, length]),
                Some(Trigger::M3y) => stream.extend([0x5A, 1, 0, length]),
                _ => stream.extend([2, 1]),
            }
            stream.extend(data);
            stream.extend(b"\x00\x03");
            stream.extend(code.get(..40).unwrap_or(code));
            stream.extend(suffix.as_bytes());
        }
        let events: Vec<At> = stream.chunks(size).map(|piece| chunk(0, piece)).collect();
        check(&events, &framing);
    }

    #[test]
    fn in_any_chunking_the_framer_finds_the_replaced_codes(
        codes in prop::collection::vec((any_code(), any::<bool>(), any::<bool>()), 0..6),
        cuts in prop::collection::vec((1usize..40, 0i64..250), 1..30),
        suffix in prop::sample::select(vec!["\r", "\n", "\r\n", "\t", "\x03", ""]),
        prefix in prop::sample::select(vec!["", "\x02", "]Q1"]),
        encoding in prop::sample::select(&ENCODINGS[..]),
        trigger in prop::sample::select(&TRIGGERS[..]),
    ) {
        let framing = framing(suffix, prefix, encoding, trigger);
        let mut stream = Vec::new();
        for (code, acknowledged, prefixed) in &codes {
            if *acknowledged {
                stream.extend_from_slice(acknowledgement(trigger));
            }
            if *prefixed {
                stream.extend_from_slice(prefix.as_bytes());
            }
            stream.extend_from_slice(code);
            stream.extend_from_slice(suffix.as_bytes());
        }
        let mut events = Vec::new();
        let mut rest = &stream[..];
        let mut now = 0;
        for (cut, pause) in cuts.iter().cycle() {
            // Long codes in long pieces, for the time that it takes.
            let cut = if stream.len() > MAX_CODE { cut * 100 } else { *cut };
            let (piece, later) = rest.split_at(cut.min(rest.len()));
            events.push(chunk(now, piece));
            now += pause;
            rest = later;
            if rest.is_empty() {
                break;
            }
            if pause % 10 == 0 {
                events.push(at(now, PortEvent::Out(Bytes::from_static(b"~"))));
            }
            // Sometimes long enough to tear a code.
            now += if pause % 50 == 7 { 1001 } else { 0 };
        }
        check(&events, &framing);
    }
}

/// Says each piece at its time.
struct Script(Vec<(u64, Vec<u8>)>);

impl VirtualDevice for Script {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        let start = Instant::now();
        for (millis, piece) in &self.0 {
            sleep_until(start + Duration::from_millis(*millis)).await;
            if line.write_all(piece).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

/// The codes that the driver delivers from these pieces, and what the tape has of it.
async fn driven(pieces: Vec<(u64, Vec<u8>)>, framing: &Framing) -> (Vec<String>, Vec<At>) {
    let (port, end) = memory_port("a scanner");
    let status = Status::new("qr_scanner", State::Busy);
    let tape = Notebook::begun();
    let port = Taped::new(Box::new(port), &status, Flow::Pieces, Arc::new(tape.clone()));
    let source = Source::new();
    let settings =
        Settings { baud: 9600, framing: framing.clone(), idle: IDLE, same_code: Duration::ZERO };
    let mut listener = source.listen();
    let driver = tokio::spawn(device::run(
        Box::new(port),
        SerialScanner::new(settings, source.clone()),
        status,
    ));
    let script = tokio::spawn(far_end::run(end, Script(pieces)));
    let mut codes = Vec::new();
    while let Ok(code) = tokio::time::timeout(Duration::from_secs(10), listener.next()).await {
        codes.push(code.unwrap().0.clone());
    }
    driver.abort();
    script.abort();
    let events = tape.events();
    (codes, events)
}

/// The driver tears codes and ends them by its own clock.
#[tokio::test(start_paused = true)]
async fn the_driver_delivers_the_replaced_codes_from_the_redacted_pieces() {
    for suffix in ["\r", ""] {
        let framing = framing(suffix, "", Encoding::Auto, None);
        let mut pieces = Vec::new();
        let mut now = 0;
        for pause in [20, 90, 110, 900, 990, 1010, 1200, 5000] {
            for part in ["11010519491231002X".into(), format!("{pause}张三{suffix}")] {
                pieces.push((now, part.into_bytes()));
                now += pause;
            }
            now += 3000;
        }
        let (codes, events) = driven(pieces, &framing).await;
        assert!(codes.len() >= 8, "{codes:?}");
        let redacted = redacted(&events, &framing);
        assert_only_bytes_differ(&events, &redacted);
        let pieces = redacted.iter().filter_map(|at| match &at.event {
            PortEvent::In(bytes) => {
                Some((u64::try_from(at.micros / 1000).unwrap(), bytes.to_vec()))
            }
            _ => None,
        });
        let (again, _) = driven(pieces.collect(), &framing).await;
        let expected: Vec<String> = codes.iter().map(|code| pseudonyms().code(code)).collect();
        assert_eq!(again, expected, "{suffix:?}");
        let left = bytes_in(&redacted);
        for value in ["张三".as_bytes(), b"11010519491231002X", b"19491231"] {
            assert!(!left.windows(value.len()).any(|window| window == value), "{value:?}");
        }
    }
}
