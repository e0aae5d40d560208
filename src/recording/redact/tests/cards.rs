//! Cards: what clients are shown is what a driver makes of the redacted bytes, whatever the cards
//! say and however it comes.
//!
//! A driver's part is played by the rules of LD/T 32-2015 and ISO/IEC 7816-4 alone.

mod envelopes;

use std::collections::BTreeMap;

use encoding_rs::GB18030;
use hharome_hardware::card::redact::ToldAts;
use hharome_hardware::cpu_card::redact::CpuCardRedactor;
use hharome_hardware::id_card::id_number::is_valid;
use hharome_hardware::id_card::nation::{OTHER_NATION, Sex, nation_word};
use hharome_hardware::port::card::tape::CardEvent;
use hharome_hardware::port::card::{Powered, Protocol};
use hharome_hardware::port::tape::PortEvent;
use hharome_hardware::redact::{At, Redact};
use hharome_hardware::social_security::redact::SocialSecurityRedactor;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{from_client, pseudonyms, to_client, value};
use crate::recording::format::hex;

type Records = BTreeMap<u8, Vec<u8>>;

/// How a card gives its answers.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// At once.
    Whole,
    /// T=0: `6Cxx`, then at once.
    Corrected,
    /// T=0: `61xx`, then in pieces of so many bytes.
    Pieces(usize),
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![Just(Way::Whole), Just(Way::Corrected), (1usize..40).prop_map(Way::Pieces)]
}

fn out(bytes: &[u8]) -> PortEvent {
    PortEvent::Out(bytes.to_vec().into())
}

fn input(bytes: &[u8]) -> PortEvent {
    PortEvent::In(bytes.to_vec().into())
}

/// A command, and data and status word that come as the answer.
fn exchange(way: Way, command: &[u8], data: &[u8], status: [u8; 2], events: &mut Vec<PortEvent>) {
    events.push(out(command));
    let say = |data: &[u8], status: [u8; 2]| input(&[data, &status].concat());
    match way {
        Way::Whole => events.push(say(data, status)),
        Way::Corrected => {
            events.push(input(&[0x6C, 5]));
            events.push(out(command));
            events.push(say(data, status));
        }
        Way::Pieces(size) => {
            let pieces: Vec<_> = data.chunks(size).collect();
            events.push(input(&[0x61, 0]));
            for (at, piece) in pieces.iter().enumerate() {
                events.push(out(&[command[0], 0xC0, 0, 0, 0]));
                let last = at + 1 == pieces.len();
                events.push(say(piece, if last { status } else { [0x61, 0] }));
            }
            if pieces.is_empty() {
                events.push(out(&[command[0], 0xC0, 0, 0, 0]));
                events.push(say(&[], status));
            }
        }
    }
}

fn redacted(redactor: &mut dyn Redact, events: &[PortEvent]) -> Vec<PortEvent> {
    let mut out = Vec::new();
    for event in events {
        redactor.push(At { micros: 0, event: event.clone() }, &mut out);
    }
    redactor.finish(&mut out);
    out.into_iter().map(|at| at.event).collect()
}

/// The whole answer to each command, as a driver puts it together.
fn answers(events: &[PortEvent]) -> Vec<Vec<u8>> {
    let mut answers: Vec<Vec<u8>> = Vec::new();
    let mut more = false;
    for event in events {
        match event {
            PortEvent::Out(command) if !(more && command[1] == 0xC0) => answers.push(Vec::new()),
            PortEvent::In(answer) => {
                let whole = answers.last_mut().unwrap();
                whole.truncate(whole.len().saturating_sub(2));
                whole.extend_from_slice(answer);
                more = answer.len() > 1 && answer[answer.len() - 2] == 0x61;
                if answer[..] == [0x6C, 5] {
                    answers.pop();
                }
            }
            _ => {}
        }
    }
    answers
}

/// A reading of a social-security card: SELECT, then each record by its tag.
fn reading(records: &Records, way: Way) -> Vec<PortEvent> {
    let mut events = vec![PortEvent::Card(CardEvent::Begin), PortEvent::Card(CardEvent::Begun)];
    let name = b"sx1.sh.\xC9\xE7\xBB\xE1\xB1\xA3\xD5\xCF";
    let select = [&[0x00, 0xA4, 0x04, 0x00, 0x0F][..], name].concat();
    let control = [&[0x6F, 0x16, 0x84, 0x0F][..], name, &[0xA5, 3, 0x88, 1, 1]].concat();
    exchange(way, &select, &control, [0x90, 0], &mut events);
    for tag in [1, 3, 5, 6, 7, 8, 9, 0x4E, 0xA, 0xB, 0xD] {
        let p2 = if tag < 8 { 0x28 } else { 0x30 };
        let record = records
            .get(&tag)
            .map(|value| [&[tag, u8::try_from(value.len()).unwrap()][..], value].concat());
        let status = if record.is_some() { [0x90, 0] } else { [0x6A, 0x83] };
        let way = if record.is_some() { way } else { Way::Whole };
        let command = [0x00, 0xB2, tag, p2, 0x00];
        exchange(way, &command, &record.unwrap_or_default(), status, &mut events);
    }
    events.push(PortEvent::Card(CardEvent::Ended(false)));
    events
}

/// What a driver finds in the events.
fn found(events: &[PortEvent]) -> Records {
    let mut records = Records::new();
    for answer in answers(events).iter().skip(1) {
        if let [tag, length, value @ .., 0x90, 0x00] = &answer[..]
            && value.len() == usize::from(*length)
        {
            records.entry(*tag).or_insert_with(|| value.to_vec());
        }
    }
    records
}

/// What a client is shown of them.
fn shown(records: &Records) -> Value {
    let none = Vec::new();
    let value = |tag: u8| records.get(&tag).unwrap_or(&none).as_slice();
    let text = |tag: u8| {
        let text = std::str::from_utf8(value(tag)).unwrap_or("").trim_matches(['\0', ' ']);
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if printable { text.to_owned() } else { String::new() }
    };
    let digits = |value: &[u8]| {
        let hex = hex(value);
        let digits = hex.trim_end_matches('F');
        digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.to_owned())
    };
    let written = |date: &str| {
        if date.len() == 8 && date != "00000000" { date.to_owned() } else { String::new() }
    };
    let date = |tag: u8| written(&digits(value(tag)).unwrap_or_default());
    let id = text(8);
    let sure = if is_valid(&id) { id.as_str() } else { "" };
    let name: Vec<u8> = [value(9), value(0x4E)].concat();
    let name: Vec<u8> = name.into_iter().filter(|byte| !matches!(byte, 0 | 0xFF)).collect();
    let sex = match (text(0xA).as_str(), sure.as_bytes().get(16)) {
        ("", None) => "",
        ("", Some(digit)) if digit % 2 == 1 => "男",
        ("", Some(_)) => "女",
        (code, _) => Sex::from_code(code).unwrap_or_default().word(),
    };
    let nation = digits(value(0xB));
    let city = value(1).get(..3).and_then(digits).filter(|city| city.len() == 6);
    json!({
        "cardNumber": text(7),
        "name": GB18030.decode_without_bom_handling(&name).0.trim_matches(' '),
        "sex": sex,
        "birthDate": match date(0xD) {
            none if none.is_empty() => written(sure.get(6..14).unwrap_or_default()),
            date => date,
        },
        "issueDate": date(5),
        "expireDate": date(6),
        "nation": match nation.as_deref() {
            Some("") => "",
            code => code.and_then(nation_word).unwrap_or(OTHER_NATION),
        },
        "cityCode": city.unwrap_or_default(),
        "address": "",
        "fullVersion": text(3),
        "idNumber": id,
    })
}

/// That clients of the redacted recording are shown what the redacted bytes say. Gives all of it.
fn check_card(records: &Records, way: Way) -> (Value, Vec<PortEvent>) {
    let events = reading(records, way);
    assert_eq!(shown(&found(&events)), shown(records));
    let reply = json!({
        "action": "getSocialSecurityCardInfo", "event": "open", "success": true, "taskId": "1",
        "message": "成功", "data": shown(records),
    });
    let told = value(&to_client(&reply.to_string()));
    let pushed = json!({"channel": "socialSecurityCardListener", "data": shown(records)});
    assert_eq!(value(&to_client(&pushed.to_string()))["data"], told["data"]);
    let new = redacted(&mut SocialSecurityRedactor::new(pseudonyms()), &events);
    assert_eq!(shown(&found(&new)), told["data"], "{way:?}");
    assert_eq!(new.len(), events.len());
    (told, new)
}

/// The value in every form in which it may stand in a recording.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let gb = GB18030.encode(secret).0.into_owned();
    let nibbles = secret.bytes().map(|digit| digit.wrapping_sub(b'0') & 0xF).collect::<Vec<_>>();
    let bcd: Vec<u8> = nibbles.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let digits = secret.bytes().filter(u8::is_ascii_digit).count();
    let mut forms = vec![secret.as_bytes().to_vec(), gb];
    forms.extend((digits + 1 >= secret.len()).then_some(bcd));
    let written: Vec<_> = forms.iter().map(|form| hex(form)).collect();
    forms.extend(written.iter().map(|hex| hex.to_lowercase().into_bytes()));
    forms.extend(written.into_iter().map(String::into_bytes));
    forms
}

fn check_nothing_left(secrets: &[&str], events: &[PortEvent], frames: &[String]) {
    let bytes = |event: &PortEvent| match event {
        PortEvent::Out(bytes) | PortEvent::In(bytes) => bytes.to_vec(),
        other => format!("{other:?}").into_bytes(),
    };
    let mut all: Vec<u8> = events.iter().flat_map(bytes).collect();
    all.extend(frames.concat().into_bytes());
    for secret in secrets {
        for form in forms(secret) {
            let left = all.windows(form.len()).any(|window| window == form);
            assert!(!left, "{secret} as {form:02X?}");
        }
    }
}

fn bcd(digits: &str) -> Vec<u8> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(pair).collect()
}

fn padded(text: &[u8], size: usize) -> Vec<u8> {
    let mut value = text.to_vec();
    value.resize(size, 0);
    value
}

/// An invented holder, as a card has him.
fn holder(name: &str, id: &str, birth: &str) -> Records {
    let mut name = padded(&GB18030.encode(name).0, 50);
    let extension = name.split_off(30);
    Records::from([
        (1, bcd("31010000000000000000123456789012")),
        (3, b"2.00".to_vec()),
        (5, bcd("20190307")),
        (6, bcd("20290306")),
        (7, padded(b"B7654321", 9)),
        (8, padded(id.as_bytes(), 18)),
        (9, name),
        (0x4E, extension),
        (0xA, b"1".to_vec()),
        (0xB, bcd("05")),
        (0xD, bcd(birth)),
    ])
}

#[test]
fn a_social_security_card_reads_as_the_one_that_clients_were_shown() {
    let id = "990101199003070015";
    for name in ["李四", "阿卜杜热合曼·阿卜力米提", "A阿卜杜热合曼阿卜力米提买买提江李四", ""]
    {
        for way in [Way::Whole, Way::Corrected, Way::Pieces(1), Way::Pieces(7)] {
            let (told, events) = check_card(&holder(name, id, "19900307"), way);
            let (p, data) = (pseudonyms(), &told["data"]);
            assert_eq!(data["name"], p.name(name));
            assert_eq!(data["idNumber"], p.id_number(id));
            assert_eq!(data["birthDate"], p.birth("19900307"));
            assert_eq!(data["cardNumber"], p.card_number("B7654321"));
            assert_eq!(data["issueDate"], p.validity("20190307"));
            assert_eq!(data["cityCode"], p.agency("310100"));
            assert_eq!((&data["sex"], &data["nation"]), (&json!("男"), &json!("维吾尔")));
            assert_eq!(data["fullVersion"], "2.00");
            let mut secrets =
                vec![id, "19900307", "B7654321", "20190307", "20290306", "310100", "123456789012"];
            secrets.extend((!name.is_empty()).then_some(name));
            check_nothing_left(&secrets, &events, &[told.to_string()]);
        }
    }
}

#[test]
fn what_is_guessed_from_the_number_is_guessed_the_same_again() {
    for id in ["990101199003070015", "990101199003070023", "990101199003070016", "99010119900307X"]
    {
        let mut records = holder("李四", id, "FFFFFFFF");
        records.remove(&0xA);
        let (told, _) = check_card(&records, Way::Whole);
        let guessed = is_valid(id);
        assert_eq!(told["data"]["birthDate"] != "", guessed);
        assert_eq!(told["data"]["sex"] != "", guessed);
    }
}

/// A driver's way to send a command; only short ones are cut here.
fn sent(protocol: Protocol, command: &[u8]) -> Vec<u8> {
    if protocol == Protocol::T1 {
        return command.to_vec();
    }
    match command {
        [_, _, _, _] => [command, &[0]].concat(),
        [head @ .., _] if command.len() > 5 && command.len() == 6 + usize::from(command[4]) => {
            head.to_vec()
        }
        _ => command.to_vec(),
    }
}

fn hex_of(text: &str) -> Vec<u8> {
    bcd(&text.chars().filter(|c| !c.is_whitespace()).collect::<String>())
}

/// A session with a CPU card, and its clients' frames: that both agree when redacted.
fn check_commands(said: &[(Vec<u8>, Vec<u8>, [u8; 2])], protocol: Protocol, way: Way) {
    let atr = vec![0x3B, 0x84, 0x80, 0x01, 0x11, 0x01, 0x05, 0x19, 0x09];
    let ats = [6, 0x02, 0x11, 0x01, 0x05, 0x19];
    let mut events =
        vec![PortEvent::Card(CardEvent::Connected(Powered { atr: atr.clone(), protocol }))];
    exchange(Way::Whole, &[0xFF, 0xCA, 1, 0, 0], &ats, [0x90, 0], &mut events);
    for (command, data, status) in said {
        exchange(way, &sent(protocol, command), data, *status, &mut events);
    }
    let new = redacted(&mut CpuCardRedactor::new(pseudonyms(), ToldAts::default()), &events);
    let whole = answers(&new);

    let event =
        json!({"channel": "CPUCardListener", "data": {"nfc_cardInfo": hex(&ats), "code": 0}});
    let event = value(&to_client(&event.to_string()));
    assert_eq!(event["data"]["nfc_cardInfo"], hex(&whole[0][..ats.len()]));
    let reset = json!({"action": "psamCardColdReset", "taskId": "1", "event": "", "success": true,
        "message": "成功", "data": {"nfc_resultInfo": hex(&atr)}});
    for reset in [reset.clone(), json!({"call": "ampeHHCommunication", "res": reset})] {
        let reset = value(&to_client(&reset.to_string()));
        let reset = reset.get("res").unwrap_or(&reset);
        let PortEvent::Card(CardEvent::Connected(powered)) = &new[0] else { panic!("no ATR") };
        assert_eq!(reset["data"]["nfc_resultInfo"], hex(&powered.atr));
    }

    let mut sent_again = new.iter().skip(3).filter_map(|event| match event {
        PortEvent::Out(bytes) if bytes[1] != 0xC0 => Some(bytes.to_vec()),
        _ => None,
    });
    for ((command, data, status), answer) in said.iter().zip(&whole[1..]) {
        let spaced: Vec<String> = command.iter().map(|byte| hex(&[*byte]).to_lowercase()).collect();
        let request = json!({"action": "sendCPUCardCommand", "taskId": "1", "params":
            {"commandApdu": spaced.join(" "), "commandApdus": [hex(command)], "type": 1}});
        let request = value(&from_client(&request.to_string()))["params"].clone();
        let apdu = hex_of(request["commandApdu"].as_str().unwrap());
        assert_eq!(hex_of(request["commandApdus"][0].as_str().unwrap()), apdu);
        let again = sent(protocol, &apdu);
        let times = if matches!(way, Way::Corrected) { 2 } else { 1 };
        for _ in 0..times {
            assert_eq!(sent_again.next().as_ref(), Some(&again));
        }
        let result = hex(&[data.as_slice(), status].concat());
        let reply = json!({"action": "sendCPUCardCommand", "taskId": "1", "event": "", "success":
            true, "message": "成功", "data": {"nfc_resultInfo": result, "nfc_commandResults": [result]}});
        let reply = value(&to_client(&reply.to_string()))["data"].clone();
        assert_eq!(reply["nfc_resultInfo"], hex(answer));
        assert_eq!(reply["nfc_commandResults"][0], hex(answer));
    }
}

#[test]
fn of_what_was_said_to_cards_and_by_them_nothing_is_left() {
    let id = "11010519491231002X";
    let name = GB18030.encode("诸葛孔明").0.into_owned();
    let answer = [id.as_bytes(), &name].concat();
    let command = [&[0x00, 0xDA, 0, 0, 18][..], id.as_bytes()].concat();
    for way in [Way::Whole, Way::Pieces(3)] {
        let said = [
            (command.clone(), answer.clone(), [0x90, 0]),
            (
                vec![0xFF, 0xCA, 0, 0, 0],
                b"\x11\x01\x05\x19\x49\x12\x31\x00\x2A".to_vec(),
                [0x90, 0],
            ),
            (vec![0xFF, 0x82, 0, 0, 3, 0xA1, 0xB2, 0xC3], Vec::new(), [0x6A, 0x82]),
        ];
        check_commands(&said, Protocol::T1, way);
        let mut events = Vec::new();
        let mut frames = Vec::new();
        for (command, data, status) in &said {
            exchange(way, command, data, *status, &mut events);
            let answer = hex(&[&data[..], &status[..]].concat());
            frames.push(from_client(&json!({"params": {"commandApdu": hex(command)}}).to_string()));
            frames.push(to_client(&json!({"data": {"nfc_resultInfo": answer}}).to_string()));
        }
        let new = redacted(&mut CpuCardRedactor::new(pseudonyms(), ToldAts::default()), &events);
        check_nothing_left(&[id, "诸葛孔明"], &new, &frames);
        let key: Vec<u8> = vec![0xA1, 0xB2, 0xC3];
        assert!(!frames.concat().contains(&hex(&key)));
    }
}

fn field(size: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = || {
        prop_oneof![
            Just(0u8),
            Just(0x20),
            Just(0xFF),
            0x30u8..0x3A,
            0x40u8..0x5B,
            0xB0u8..0xF8,
            0x19u8..0x21,
            any::<u8>(),
        ]
    };
    prop_oneof![
        prop::collection::vec(byte(), size),
        prop::collection::vec(byte(), 0..size + 3),
        "[0-9A-Z]{0,20}".prop_map(move |text| padded(text.as_bytes(), size)),
        "[张王李欧阳·㐀𠀀é ]{1,14}".prop_map(move |text| padded(&GB18030.encode(&text).0, size)),
        "(19|20)[0-9]{2}(0[1-9]|1[0-2])[0-2][0-9]".prop_map(|date| bcd(&date)),
        Just(b"990101199003070015".to_vec()),
        Just(b"11010519491231002X".to_vec()),
        // Right, and born on a day that there is not.
        Just(b"990101000000000010".to_vec()),
        Just(b"990101199913390018".to_vec()),
    ]
}

/// Any bytes under the tags, the right number of them more often than not.
fn any_card() -> impl Strategy<Value = Records> {
    let sizes = [
        (1u8, 16usize),
        (3, 4),
        (5, 4),
        (6, 4),
        (7, 9),
        (8, 18),
        (9, 30),
        (0x4E, 20),
        (0xA, 1),
        (0xB, 1),
        (0xD, 4),
    ];
    let record = |(tag, size): (u8, usize)| {
        prop::option::of(field(size)).prop_map(move |value| (tag, value))
    };
    Vec::from(sizes.map(record)).prop_map(|records| {
        records.into_iter().filter_map(|(tag, value)| Some((tag, value?))).collect()
    })
}

proptest! {
    #[test]
    fn any_card_reads_as_the_one_that_clients_were_shown(records in any_card(), way in way()) {
        check_card(&records, way);
    }

    #[test]
    fn any_commands_and_answers_agree(
        said in prop::collection::vec(
            (
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 4..12),
                    (any::<[u8; 4]>(), prop::collection::vec(any::<u8>(), 1..40), any::<bool>())
                        .prop_map(|(head, data, le)| {
                            let count = u8::try_from(data.len()).unwrap();
                            [&head[..], &[count], &data, if le { &[0] } else { &[] }].concat()
                        }),
                ],
                prop::collection::vec(any::<u8>(), 0..60),
                prop_oneof![
                    Just([0x90u8, 0]), Just([0x6A, 0x82]), Just([0x62, 0x82]), Just([0x63, 0xC2]),
                ],
            ),
            0..6,
        ),
        way in way(),
        t0 in any::<bool>(),
    ) {
        let gets_response = |(command, _, _): &(Vec<u8>, Vec<u8>, [u8; 2])| command[1] == 0xC0;
        prop_assume!(!said.iter().any(gets_response));
        check_commands(&said, if t0 { Protocol::T0 } else { Protocol::T1 }, way);
    }
}
