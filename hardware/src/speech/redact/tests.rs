//! Redacted lines: what a text becomes, and that nothing else changes.

use proptest::prelude::*;

use super::super::espeak::packets::Tell;
use super::super::text;
use super::*;

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::with_key([7; 32])
}

fn redacted(mut redactor: impl Redact, events: &[PortEvent]) -> Vec<PortEvent> {
    let mut out = Vec::new();
    for (micros, event) in (0..).zip(events) {
        redactor.push(At { micros, event: event.clone() }, &mut out);
    }
    redactor.finish(&mut out);
    assert_eq!(redactor.held(), 0);
    // In order, with the length of each piece.
    let length = |event: &PortEvent| match event {
        PortEvent::In(bytes) | PortEvent::Out(bytes) => bytes.len(),
        _ => 0,
    };
    assert!(out.iter().zip(0..).all(|(at, micros)| at.micros == micros));
    let lengths: Vec<_> = events.iter().map(length).collect();
    let out: Vec<_> = out.into_iter().map(|at| at.event).collect();
    assert_eq!(out.iter().map(length).collect::<Vec<_>>(), lengths);
    out
}

fn said(bytes: impl AsRef<[u8]>) -> PortEvent {
    PortEvent::Out(Bytes::copy_from_slice(bytes.as_ref()))
}

fn heard(bytes: impl AsRef<[u8]>) -> PortEvent {
    PortEvent::In(Bytes::copy_from_slice(bytes.as_ref()))
}

const OPENED: PortEvent = PortEvent::Opened { baud: 0, modem: None };

#[test]
fn a_text_becomes_another_and_the_rest_of_a_conversation_stays() {
    let text = "请张三到3号窗口\n.取身份证110105194912310029";
    let told = [
        OPENED,
        said("SET SELF CLIENT_NAME kiosk:hharome:speech\r\n"),
        heard("208 OK CLIENT NAME SET\r\n"),
        said("GET OUTPUT_MODULE\r\n"),
        heard("251-espeak-ng\r\n251 OK GET RETURNED\r\n"),
        said("SET SELF SYNTHESIS_VOICE Chinese (Mandarin, latin as Pinyin)\r\n"),
        heard("209 OK VOICE SET\r\n"),
        said("SPEAK\r\n"),
        heard("230 OK RECEIVING DATA\r\n"),
        said(message(text)),
        heard("225-12\r\n225 OK MESSAGE QUEUED\r\n701-12\r\n701-1\r\n701 BEGIN\r\n"),
        said("CANCEL SELF\r\n"),
        heard("213 OK CANCELED\r\n"),
        PortEvent::Closed,
    ];
    let out = redacted(ServerRedactor::new(pseudonyms()), &told);
    for (at, (out, told)) in out.iter().zip(&told).enumerate() {
        if at == 9 {
            assert_eq!(*out, said(message(&pseudonyms().text(text))));
            assert_ne!(out, told);
        } else {
            assert_eq!(out, told);
        }
    }
}

#[test]
fn a_refused_speak_is_followed_by_a_command() {
    let told = [
        OPENED,
        said("SPEAK\r\n"),
        heard("300 ERR INTERNAL\r\n"),
        said("CANCEL SELF\r\n"),
        heard("213 OK\r\n"),
    ];
    assert_eq!(redacted(ServerRedactor::new(pseudonyms()), &told), told);
}

#[test]
fn an_event_before_the_reply_is_no_reply() {
    let told = [
        said("SPEAK\r\n"),
        heard("702-1\r\n702-1\r\n702 END\r\n"),
        heard("230 OK RECEIVING DATA\r\n"),
        said("张三\r\n.\r\n"),
        said("SPEAK\r\n"),
    ];
    let out = redacted(ServerRedactor::new(pseudonyms()), &told);
    assert_eq!(out[3], said(message(&pseudonyms().text("张三"))));
    assert_eq!(out[4], told[4]);
}

#[test]
fn what_nobody_understands_becomes_filler() {
    let told = [
        OPENED,
        said("张三\r\n"),
        heard("张三 11010519491231002X\r\n"),
        heard("250-11010519491231002X\r\n"),
        // A text without an end.
        said("SPEAK\r\n"),
        heard("230 OK\r\n"),
        said("张三"),
        PortEvent::Closed,
    ];
    let out = redacted(ServerRedactor::new(pseudonyms()), &told);
    assert_eq!(out[1], said("xxxxxxxx"));
    let PortEvent::In(line) = &out[2] else { panic!("{out:?}") };
    assert!(line.starts_with(b"xxxxxx") && !line.windows(8).any(|some| some == b"11010519"));
    assert_eq!(out[3], heard("250-110105xxxxxxxxxxxX\r\n"));
    assert_eq!(out[6], said("xxxxxx"));
}

#[test]
fn the_text_of_a_run_becomes_another_and_its_arguments_stay() {
    let run = Tell::Run(vec!["-v".to_owned(), "cmn".to_owned()]).packet();
    let text = |text: &str| Tell::Text(text.to_owned()).packet();
    let hello = Said::Hello { version: "1.51".to_owned(), phonemes: "(en)".to_owned() }.packet();
    let failed = |words: &str| Said::Failed(words.to_owned()).packet();
    let told = [
        OPENED,
        heard(hello),
        said(&run),
        said(text("请张三")),
        heard(Said::Begun.packet()),
        said(Tell::Stop.packet()),
        heard(failed("sound device 张三: gone")),
        heard("rubbish"),
        PortEvent::Closed,
    ];
    let out = redacted(ProgramRedactor::new(pseudonyms()), &told);
    for at in [0, 1, 2, 4, 5, 8] {
        assert_eq!(out[at], told[at]);
    }
    assert_eq!(out[3], said(text(&pseudonyms().text("请张三"))));
    assert_eq!(out[6], heard(failed("sound device xxxxxx: gone")));
    assert_eq!(out[7], heard("rubbixx"));
}

proptest! {
    #[test]
    fn wherever_the_line_is_cut_it_becomes_what_the_clients_frame_does(
        text in "[a-z。.\n张三七😀0-9 \\[\\]]{1,60}", cut in 1..30_usize,
    ) {
        let spoken = text::spoken(&text);
        let mut told = vec![OPENED];
        for piece in text::pieces(&spoken) {
            told.push(said("SPEAK\r\n"));
            told.push(heard("230 OK RECEIVING DATA\r\n"));
            told.extend(message(piece).chunks(cut).map(said));
            told.push(heard("225-1\r\n225 OK MESSAGE QUEUED\r\n"));
        }
        let out = redacted(ServerRedactor::new(pseudonyms()), &told);
        let redacted_text = text::spoken(&text::replaced(&pseudonyms(), &text));
        let mut expected = Vec::new();
        for piece in text::pieces(&redacted_text) {
            expected.extend_from_slice(b"SPEAK\r\n");
            expected.extend(message(piece));
        }
        let line: Vec<u8> = out
            .iter()
            .filter_map(|event| match event {
                PortEvent::Out(bytes) => Some(bytes.to_vec()),
                _ => None,
            })
            .flatten()
            .collect();
        prop_assert_eq!(line, expected);
    }

    #[test]
    fn anything_is_redacted_and_keeps_its_lengths(
        events in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 1..40)), 0..12),
    ) {
        let told: Vec<_> = events
            .iter()
            .map(|(out, bytes)| if *out { said(bytes) } else { heard(bytes) })
            .collect();
        redacted(ServerRedactor::new(pseudonyms()), &told);
        redacted(ProgramRedactor::new(pseudonyms()), &told);
    }
}
