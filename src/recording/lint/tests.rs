//! Recordings with something in them that must not be there, and with nothing.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::recording::format::{ClientLine, DaemonLine, Meta, PortLine, hex};

/// The standard's specimen.
const ID: &str = "11010519491231002X";
const MASKED: &str = "110105********002X";

/// Of the invented region, with the right check character.
const INVENTED: &str = "990101199003070023";

fn recording(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let meta = json!({"format": {"major": 1, "minor": 0}, "personalData": "replaced"});
    fs::write(folder.path().join(META_FILE), meta.to_string()).unwrap();
    fs::create_dir(folder.path().join("blobs")).unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// What is complained of in one file, as lines and encodings.
fn check(name: &str, content: &str, expected: &[(Option<u64>, Encoding)]) {
    let folder = recording(&[(name, content.as_bytes())]);
    let found: Vec<_> = lint(folder.path())
        .unwrap()
        .into_iter()
        .map(|complaint| {
            assert_eq!(complaint.file, Path::new(name));
            assert!(!complaint.to_string().contains(ID), "{complaint}");
            let Fault::IdNumber { masked, encoding } = complaint.fault else {
                panic!("{complaint}")
            };
            assert_eq!(masked, MASKED);
            (complaint.line, encoding)
        })
        .collect();
    assert_eq!(found, expected, "{content}");
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

fn wide(text: &str) -> String {
    let wide = |c: char| char::from_u32(u32::from(c) - u32::from('0') + u32::from('０')).unwrap();
    text.chars().map(wide).collect()
}

#[test]
fn a_number_in_a_clients_frame_is_found_at_its_line() {
    let escaped: String = ID.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect();
    let twice: String = ID.chars().map(|c| format!("\\\\u{:04x}", u32::from(c))).collect();
    for text in [ID.to_owned(), ID.to_lowercase(), wide(ID), escaped, twice, format!("n{ID}号")] {
        let lines = format!(
            "{{\"t\":0,\"connect\":{{}}}}\n{{\"t\":5,\"out\":{{\"data\":{{\"idNum\":\"{text}\"}}}}}}\n"
        );
        check("client-0001.jsonl", &lines, &[(Some(2), Encoding::Text)]);
        // A torn line is read as far as it goes.
        let torn = format!("{{\"t\":5,\"inText\":\"{text}");
        check("client-0001.jsonl", &torn, &[(Some(1), Encoding::Text)]);
        check("notes.txt", &torn, &[(Some(1), Encoding::Text)]);
    }
    check(
        "client-0001.jsonl",
        &format!("{{\"x\":{ID}}}\n\n{ID}\n"),
        &[(Some(1), Encoding::Text), (Some(3), Encoding::Text)],
    );
}

#[test]
fn a_number_in_base64_or_hex_is_found() {
    let le = utf16(ID, u16::to_le_bytes);
    for before in ["", "a", "ab", "张三"] {
        for inside in
            [[before.as_bytes(), ID.as_bytes()].concat(), [before.as_bytes(), &le].concat()]
        {
            let encoded = [STANDARD.encode(&inside), STANDARD_NO_PAD.encode(&inside)];
            let [padded, bare] = &encoded;
            let broken = format!("{}\\n{}", &padded[..10], &padded[10..]);
            let escaped = format!("xyz/{bare}");
            for text in [padded, bare, &broken, &escaped] {
                let line = format!("{{\"t\":1,\"out\":{{\"x\":\"{text}\"}}}}\n");
                check("client-0001.jsonl", &line, &[(Some(1), Encoding::Base64)]);
            }
            let line = format!("{{\"t\":1,\"inHex\":\"{}\"}}\n", hex(&inside));
            check("client-0001.jsonl", &line, &[(Some(1), Encoding::Hex)]);
        }
    }
    let photo = json!({"t": 1, "photo": {"wlt": "00", "took": 1, "jpeg": STANDARD.encode(ID)}});
    check("port-photo_decoder.jsonl", &photo.to_string(), &[(Some(1), Encoding::Base64)]);
    let photo = json!({"t": 1, "photo": {"wlt": hex(ID.as_bytes()), "took": 1}});
    check("port-photo_decoder.jsonl", &photo.to_string(), &[(Some(1), Encoding::Ascii)]);
}

#[test]
fn a_number_in_a_devices_bytes_is_found_in_every_encoding_and_across_chunks() {
    let bcd = |digits: &str| -> Vec<u8> {
        let nibble = |digit: &u8| char::from(*digit).to_digit(16).unwrap();
        let pair = |pair: &[u8]| u8::try_from(nibble(&pair[0]) << 4 | nibble(&pair[1])).unwrap();
        digits.as_bytes().chunks(2).map(pair).collect()
    };
    let with_a = ID.replace('X', "A");
    let gb: Vec<u8> = wide(&ID[..17])
        .chars()
        .flat_map(|c| [0xA3, u8::try_from(u32::from(c) - 0xFF10 + 0xB0).unwrap()])
        .chain([0xA3, 0xD8])
        .collect();
    for (bytes, encoding) in [
        (ID.as_bytes().to_vec(), Encoding::Ascii),
        (wide(&ID[..17]).into_bytes().into_iter().chain("Ｘ".bytes()).collect(), Encoding::Ascii),
        (gb, Encoding::Ascii),
        (utf16(ID, u16::to_le_bytes), Encoding::Utf16),
        (utf16(ID, u16::to_be_bytes), Encoding::Utf16),
        (utf16(&format!("号{ID}室"), u16::to_le_bytes), Encoding::Utf16),
        (bcd(&with_a), Encoding::Bcd),
        (bcd(&format!("F{with_a}F")), Encoding::Bcd),
    ] {
        // One byte before, so that nothing is where it is by luck.
        let bytes = [&[0xFE][..], &bytes, &[0xFE]].concat();
        for cut in [1, 2, 9, bytes.len() / 2, bytes.len() - 2] {
            let (one, two) = bytes.split_at(cut);
            for key in ["in", "out"] {
                let other = if key == "in" { "out" } else { "in" };
                let lines = format!(
                    "{{\"t\":1,\"{key}\":\"{}\"}}\n{{\"t\":2,\"{other}\":\"00\"}}\n{{\"t\":3,\"{key}\":\"{}\"}}\n",
                    hex(one),
                    hex(two)
                );
                let folder = recording(&[("port-id_card.jsonl", lines.as_bytes())]);
                let found = lint(folder.path()).unwrap();
                let faults: Vec<_> =
                    found.iter().map(|complaint| complaint.fault.clone()).collect();
                let fault = Fault::IdNumber { masked: MASKED.to_owned(), encoding };
                assert_eq!(faults, [fault], "{lines}");
            }
        }
        let torn = format!("{{\"t\":1,\"in\":\"{}", hex(&bytes));
        check("port-id_card.jsonl", &torn, &[(Some(1), encoding)]);
    }
}

#[test]
fn of_a_card_each_command_and_each_whole_answer_is_looked_through_alone() {
    let file = "port-social_security_card.jsonl";
    let tape = |passed: &[(&str, &str)]| {
        let lines = passed.iter().map(|(key, hex)| json!({"t": 1, *key: hex}).to_string());
        let opened = json!({"t": 0, "card": {"opened": "Reader"}}).to_string();
        [opened].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
    };
    // No such record; then one with a day on which somebody might have been born. Together with
    // the status words there are a region, a day and the right check digit in it.
    let passed = [("out", "00B2052C00"), ("in", "6A81"), ("in", "0504201405209000")];
    check(file, &tape(&passed), &[]);
    let digits: String = passed[1..].iter().map(|(_, hex)| *hex).collect::<String>()[2..].into();
    assert_eq!(digits, "810504201405209000");
    let day = &digits[6..14];
    assert_eq!(day, "20140520");
    // Two commands.
    check(file, &tape(&[("out", "0011010519"), ("out", "491231002A")]), &[]);
    // A number in one answer, and one that is in pieces.
    let bcd = "11010519491231002A";
    let whole = format!("0812{bcd}9000");
    check(file, &tape(&[("in", &whole)]), &[(Some(2), Encoding::Bcd)]);
    check(file, &tape(&[("out", &whole)]), &[(Some(2), Encoding::Bcd)]);
    for cut in [2, 6, 10] {
        let first = format!("FF{}6109", &bcd[..cut]);
        let second = format!("{}9000", &bcd[cut..]);
        let pieces =
            [("in", "6109"), ("out", "00C0000009"), ("in", &*first), ("out", "00C0000009")];
        let all = [&pieces[..], &[("in", &*second)]].concat();
        check(file, &tape(&all), &[(Some(6), Encoding::Bcd)]);
    }
    let hex_id = hex(ID.as_bytes());
    check(file, &tape(&[("in", &format!("{hex_id}9000"))]), &[(Some(2), Encoding::Ascii)]);
}

#[test]
fn a_number_in_a_blob_or_across_the_end_of_one_is_found() {
    let name = "ab12";
    let blob = format!("blobs/{name}");
    let frame = json!({"data": {"idNum": ID, "photoBase64": STANDARD.encode(ID)}}).to_string();
    check(&blob, &frame, &[(None, Encoding::Text)]);
    check(&blob, &STANDARD.encode(ID), &[(None, Encoding::Base64)]);
    let (one, two) = ID.split_at(7);
    let lines = format!(
        "{{\"t\":1,\"inBlob\":\"{name}\"}}\n{{\"t\":2,\"in\":\"{}\"}}\n",
        hex(two.as_bytes())
    );
    let folder = recording(&[(&blob, one.as_bytes()), ("port-qr_scanner.jsonl", lines.as_bytes())]);
    let found = lint(folder.path()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].line, Some(2));
}

#[test]
fn a_number_is_found_wherever_the_pieces_end_in_which_a_file_is_read() {
    for before in [65_520, 65_530, 65_535, 65_536] {
        let text = format!("{}{}", "·".repeat(before / 2), " ".repeat(before % 2)) + ID;
        check("client-0001.jsonl", &text, &[(Some(1), Encoding::Text)]);
    }
}

#[test]
fn a_number_in_what_a_port_says_besides_its_bytes_is_found() {
    let bcd = "11010519491231002A";
    for (line, encoding) in [
        // An ATR whose historical bytes are a number in BCD.
        (
            json!({"t": 1, "card": {"connected": {"atr": format!("3B8A8001{bcd}00")}}}),
            Encoding::Bcd,
        ),
        (json!({"t": 1, "card": {"holds": format!("3B8A80010{bcd}0F0")}}), Encoding::Bcd),
        (json!({"t": 1, "card": {"list": [{"ats": hex(ID.as_bytes())}]}}), Encoding::Ascii),
        (json!({"t": 1, "card": {"words": format!("of {ID}")}}), Encoding::Text),
        (json!({"t": 1, "notYetKnown": ID}), Encoding::Text),
        // What should be hex and is none.
        (json!({"t": 1, "in": 7, "out": ID}), Encoding::Text),
    ] {
        let line = line.to_string();
        check("port-cpu_card.jsonl", &line, &[(Some(1), encoding)]);
    }
    let invented = json!({"t": 1, "card": {"atr": format!("3B8A8001{INVENTED}")}}).to_string();
    check("port-psam_1.jsonl", &invented, &[]);
}

#[test]
fn what_is_no_real_number_is_not_complained_of() {
    let invented = [
        INVENTED.to_owned(),
        wide(INVENTED),
        STANDARD.encode(INVENTED),
        "110105491231002".to_owned(),
        "110105194912310021".to_owned(),
        "1785283200000123".to_owned(),
    ];
    for text in invented {
        check("client-0001.jsonl", &format!("{{\"t\":1,\"out\":{{\"x\":\"{text}\"}}}}\n"), &[]);
        check("blobs/ab12", &text, &[]);
    }
    for bytes in [
        utf16(INVENTED, u16::to_le_bytes),
        INVENTED.as_bytes().to_vec(),
        // First and last day, and a pass number behind them: 210304 20260304 123 9 has a date
        // and the right check character, and is no number of anybody.
        utf16("202103042026030412395678", u16::to_le_bytes),
    ] {
        let line = format!("{{\"t\":1,\"in\":\"{}\"}}\n", hex(&bytes));
        check("port-id_card.jsonl", &line, &[]);
    }
}

#[test]
fn a_recording_that_kept_personal_data_is_complained_of() {
    let folder = recording(&[]);
    let meta = json!({"personalData": "kept"}).to_string();
    fs::write(folder.path().join(META_FILE), meta).unwrap();
    let found = lint(folder.path()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].fault, Fault::PersonalDataKept);
}

#[test]
fn a_number_in_meta_json_is_found() {
    let meta = json!({"personalData": "replaced", "name": format!("of {ID}")}).to_string();
    check(META_FILE, &meta, &[(Some(1), Encoding::Text)]);
}

#[test]
fn a_folder_without_meta_json_is_no_recording() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(lint(folder.path()), Err(LintError::NoRecording(_))));
    assert!(matches!(lint(&folder.path().join("none")), Err(LintError::NoRecording(_))));
    fs::write(folder.path().join(META_FILE), "{").unwrap();
    assert!(matches!(lint(folder.path()), Err(LintError::Meta(_))));
}

#[test]
fn each_file_is_told_that_cannot_be_read_and_each_that_was_torn() {
    let meta = examples("json").concat();
    let end = "{\"t\":9,\"end\":true}\n";
    let open = "{\"t\":1,\"open\":{\"baud\":9600}}\n";
    let connect = "{\"t\":1,\"connect\":{\"transport\":\"unix\"}}\n";
    let port = format!("{open}{{\"t\":2,\"in\":\"123\"}}\n{end}");
    let blob = format!("{connect}{{\"t\":2,\"outBlob\":\"{}\"}}\n{end}", "ab".repeat(32));
    let stop = "{\"t\":9,\"end\":\"stopped\"}\n";
    let broken = format!("x\n{stop}");
    let check = |files: &[(&str, &str)], damage: &[&str], torn: &[&str]| {
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        let folder = recording(&files);
        fs::write(folder.path().join(META_FILE), &meta).unwrap();
        let found = condition(folder.path()).unwrap();
        let told: Vec<_> = found.damage.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), damage.len(), "{told:?}");
        for (told, damage) in told.iter().zip(damage) {
            assert!(told.contains(&format!("{damage}: damaged: ")), "{told}");
        }
        assert_eq!(found.torn, torn);
    };
    check(&[("port-id_card.jsonl", &format!("{open}{end}")), ("daemon.jsonl", stop)], &[], &[]);
    check(
        &[
            ("client-0001.jsonl", &blob),
            ("port-id_card.jsonl", &port),
            ("port-photo_decoder.jsonl", &port),
            ("daemon.jsonl", &broken),
        ],
        &[
            "port-id_card.jsonl:2",
            "port-photo_decoder.jsonl:2",
            "client-0001.jsonl:2",
            "daemon.jsonl:1",
        ],
        &[],
    );
    check(
        &[
            ("client-0001.jsonl", connect),
            ("port-id_card.jsonl", &port[..40]),
            ("daemon.jsonl", stop),
        ],
        &[],
        &["client-0001.jsonl", "port-id_card.jsonl"],
    );
}

/// The document's examples of one file, and of the JSON of one.
fn examples(kind: &str) -> Vec<&'static str> {
    let document = include_str!("../../../docs/recording.md");
    let mut lines = Vec::new();
    for block in document.split("\n```").skip(1).step_by(2) {
        if let Some((head, text)) = block.split_once('\n').filter(|(head, _)| *head == kind) {
            assert!(!text.is_empty(), "{head}");
            lines.extend(if kind == "json" { vec![text] } else { text.lines().collect() });
        }
    }
    lines
}

fn check_examples<L: serde::Serialize + serde::de::DeserializeOwned>(kind: &str, count: usize) {
    let examples = examples(kind);
    assert!(examples.len() >= count, "{kind}");
    for example in examples {
        let line: L = serde_json::from_str(example).unwrap();
        let value: serde_json::Value = serde_json::from_str(example).unwrap();
        assert_eq!(serde_json::to_value(&line).unwrap(), value, "{example}");
    }
}

#[test]
fn the_documents_examples_are_lines_of_the_format() {
    check_examples::<PortLine>("jsonl port", 15);
    check_examples::<ClientLine>("jsonl client", 16);
    check_examples::<DaemonLine>("jsonl daemon", 3);
    check_examples::<Meta>("json", 1);
}

#[test]
fn complaints_end_somewhere() {
    let lines = format!("{ID}\n").repeat(3000);
    let folder = recording(&[("client-0001.jsonl", lines.as_bytes()), ("z", ID.as_bytes())]);
    let found = lint(folder.path()).unwrap();
    assert_eq!(found.len(), MOST + 1);
    assert_eq!(found[MOST].fault, Fault::More);
}

proptest! {
    // Each case writes files.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_looked_through(
        port in prop::collection::vec(any::<u8>(), 0..300),
        lines in "(\\{\"t\":1,\"(in|out|inBlob)\":\"[0-9A-Fx\\\\]{0,40}\"?\\}?\n?){0,4}",
    ) {
        let folder = recording(&[
            ("port-id_card.jsonl", &port),
            ("port-qr_scanner.jsonl", lines.as_bytes()),
            ("client-0001.jsonl", &port),
            ("blobs/ab", &port),
        ]);
        let _ = lint(folder.path()).unwrap();
    }

    #[test]
    fn any_number_that_could_be_real_is_found_among_any_text(
        region in 100_000u32..990_000, days in 0u32..28, year in 1900u32..2099, sequence in 0u32..1000,
        before in "[^0-9０-９]{0,9}", after in "[^0-9０-９xXｘＸ]{0,9}",
    ) {
        let digits = format!("{region}{year}03{:02}{sequence:03}", days + 1);
        let check = hharome_hardware::id_card::id_number::check_digit(&digits).unwrap();
        let text = format!("{before}{digits}{check}{after}");
        let folder = recording(&[
            ("client-0001.jsonl", serde_json::to_string(&text).unwrap().as_bytes()),
            ("client-0002.jsonl", STANDARD.encode(&text).as_bytes()),
        ]);
        prop_assert_eq!(lint(folder.path()).unwrap().len(), 2);
    }
}
