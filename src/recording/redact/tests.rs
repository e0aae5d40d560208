//! Frames of clients: what of them stays, and what does not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hharome_hardware::pseudonym::is_invented_id;
use serde_json::{Value, json};

use super::*;

mod anything;
mod cards;
mod refused;

const EXAMPLES: &str = include_str!("../../../protocol/tests/golden/examples.jsonl");

/// The standard's specimen.
const ID: &str = "11010519491231002X";

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::with_key([7; 32])
}

fn redactor() -> FrameRedactor {
    FrameRedactor::new(pseudonyms(), ToldAts::default(), Some("s3cret"))
}

fn from_client(frame: &str) -> String {
    String::from_utf8(redactor().from_client(frame.as_bytes()).unwrap()).unwrap()
}

fn to_client(frame: &str) -> String {
    String::from_utf8(redactor().to_client(frame.as_bytes()).unwrap()).unwrap()
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// A frame without what its strings and digits say: what redaction must leave alone.
fn skeleton(frame: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for character in frame.chars() {
        if inside {
            inside = character != '"' || escaped;
            escaped = character == '\\' && !escaped;
            if !inside {
                out.push('"');
            }
        } else {
            inside = character == '"';
            out.push(if character.is_ascii_digit() { '0' } else { character });
        }
    }
    out
}

#[test]
fn the_examples_of_the_document_stay_what_they_are() {
    let mut seen = 0;
    for line in EXAMPLES.lines() {
        let example = value(line);
        let frame = example["frame"].to_string();
        let redacted = if example["kind"] == "request" {
            let redacted = from_client(&frame);
            let (Ok(ClientFrame::Action(before)), Ok(ClientFrame::Action(after))) =
                (frame::parse(frame.as_bytes()), frame::parse(redacted.as_bytes()))
            else {
                panic!("no request: {redacted}")
            };
            assert_eq!(before.action, after.action);
            assert_eq!(before.event, after.event);
            assert_eq!(before.task_id, after.task_id);
            redacted
        } else {
            let redacted = to_client(&frame);
            let after = value(&redacted);
            for key in ["action", "channel", "event", "taskId", "success", "message"] {
                assert_eq!(after[key], example["frame"][key], "{key}: {redacted}");
            }
            redacted
        };
        assert_eq!(skeleton(&redacted), skeleton(&frame));
        assert_eq!(redacted.chars().count(), frame.chars().count(), "{frame}\n{redacted}");
        seen += 1;
    }
    assert!(seen >= 76);
}

#[test]
fn every_field_of_a_card_is_what_the_devices_bytes_decode_to() {
    let p = pseudonyms();
    let jpeg = [&[0xFF, 0xD8, 0xFF][..], &[5; 600]].concat();
    let reply = json!({
        "action": "getIDCardInfo", "event": "open", "success": true, "taskId": "3",
        "message": "成功",
        "data": {
            "name": "张三", "idNum": ID, "signingOrganization": "北京市公安局朝阳分局",
            "address": "北京市朝阳区示例路１３８号", "nation": "汉", "sex": "男",
            "beginTime": "20200102", "endTime": "长期", "birthDate": "19491231",
            "photoBase64": STANDARD.encode(&jpeg), "photoWltBase64": STANDARD.encode([9; 1024]),
        },
    });
    let expected = json!({
        "action": "getIDCardInfo", "event": "open", "success": true, "taskId": "3",
        "message": "成功",
        "data": {
            "name": p.name("张三"), "idNum": p.id_number(ID),
            "signingOrganization": p.agency("北京市公安局朝阳分局"),
            "address": p.address("北京市朝阳区示例路１３８号"), "nation": "汉", "sex": "男",
            "beginTime": p.validity("20200102"), "endTime": "长期",
            "birthDate": p.birth("19491231"),
            "photoBase64": STANDARD.encode(p.jpeg(&jpeg)),
            "photoWltBase64": STANDARD.encode(p.wlt(&[9; 1024])),
        },
    });
    let redacted = value(&to_client(&reply.to_string()));
    assert_eq!(redacted, expected);
    let id = redacted["data"]["idNum"].as_str().unwrap();
    assert!(is_invented_id(id) && hharome_hardware::id_card::id_number::is_valid(id));
    // The birth date inside the number is the one beside it.
    assert_eq!(&id[6..14], redacted["data"]["birthDate"]);
    // An event's data, and the same inside a call, are replaced alike.
    for wrapped in [
        json!({"channel": "initIDCardListener", "data": reply["data"]}),
        json!({"call": "ampeHHCommunication", "id": 1, "res": reply}),
    ] {
        let redacted = value(&to_client(&wrapped.to_string()));
        let data = redacted.get("data").unwrap_or(&redacted["res"]["data"]);
        assert_eq!(*data, expected["data"]);
    }
}

#[test]
fn what_holds_nothing_of_a_person_is_byte_for_byte_as_it_was() {
    for frame in [
        r#" { "action" : "\u0067etQRCode" ,"taskId":1e3 , "params":{"x":1.50,"y":null,"z":[ ]} } "#,
        r#"{"call":"ampeHHCommunication","id":{"n":[1,2]},"params":{"action":"speechStop","taskId":"a-1"}}"#,
        r#"{"action":"startBuzzer","taskId":"\ud800","params":{"beep":"50"}}"#,
        r#"{"on":"initIDCardListener"}"#,
        r#"{"off":"bridgeLagged"}"#,
        r#"{"action":"getIDCardInfo","event":"close","taskId":"1","params":{"infoType":"base, other"}}"#,
        r#"{"call":"bridge.simulate","params":{"device":"id_card","do":"put","card":"li-si"}}"#,
        "",
        "{}",
        "[]",
        "null",
    ] {
        assert_eq!(from_client(frame), frame);
    }
    for frame in [
        r#"{"action":"getQRCode","event":"open","success":false,"taskId":"3","message":"超时","data":{}}"#,
        r#"{"action":"","event":"","success":false,"taskId":"","id":7,"message":"请求参数有误,请联系小程序开发人员","data":{"error":{"kind":"bad_request","detail":"params.card: unknown field `nickname`, expected one of `person`"}}}"#,
        r#"{"channel":"bridgeCalls","data":{"action":"getIDCardInfo","taskId":"3","stage":"waiting"}}"#,
        r#"{"channel":"bridgeLagged","data":{"channel":"initMicrophoneListener","dropped":12}}"#,
        r#"{"call":"bridge.describe","res":{"success":true,"message":"成功","data":{"limits":{"maxFrameBytes":16777216}}}}"#,
        r#"{"channel":"bridgeDevices","data":{"devices":[{"device":"id_card","since":1785283200000,"facts":{"samId":"05.09-20150601-0012345678-1234567890"},"lastError":"no /dev/ttyUSB0"}]}}"#,
        r#"{"call":"ampeHHCommunication","res":{"action":"getDeviceInfo","data":{"sn":"KIOSK-12345678","devicedDisplay":"设备固件号"}}}"#,
    ] {
        assert_eq!(to_client(frame), frame);
    }
}

#[test]
fn the_daemons_words_are_trusted_only_from_the_daemon_and_only_at_their_places() {
    for frame in [
        r#"{"success":true,"message":"张三丰"}"#,
        r#"{"data":{"error":{"detail":"张三丰"}}}"#,
        r#"{"call":"bridge.status","res":{"data":{"lastError":"张三丰"}}}"#,
        r#"{"call":"ampeHHCommunication","params":{"action":"getDeviceInfo","data":{"sn":"张三丰"}}}"#,
    ] {
        assert!(!from_client(frame).contains("张三丰"), "{frame}");
    }
    for frame in [
        r#"{"action":"getFaceInfo","message":"成功","data":{"message":"张三丰"}}"#,
        r#"{"call":"bridge.status","id":{"message":"张三丰"},"res":{"data":{}}}"#,
        r#"{"action":"getFaceInfo","message":"成功","data":{"sn":"张三丰"}}"#,
    ] {
        assert!(!to_client(frame).contains("张三丰"), "{frame}");
    }
    for key in ["张三丰", "张`三丰`, expected `", "13800138000"] {
        let frame = json!({"call": "x", "params": {(key): 1}});
        let redacted = value(&from_client(&frame.to_string()));
        let new = redacted["params"].as_object().unwrap().keys().next().unwrap().clone();
        assert_ne!(new, key);
        for rest in [", expected `name`", ", expected one of `a`, `b`", ", there are no fields"] {
            let detail = |key: &str| format!("params.card: unknown field `{key}`{rest}");
            let frame = json!({"data": {"error": {"detail": detail(key)}}});
            let redacted = value(&to_client(&frame.to_string()));
            assert_eq!(redacted["data"]["error"]["detail"], detail(&new), "{key}");
        }
    }
    let advice = r#"{"data":{"error":{"detail":"/dev/ttyS0: held; stop it (`fuser /dev/ttyS0` names it)"}}}"#;
    assert_eq!(to_client(advice), advice);
}

#[test]
fn what_a_cards_bytes_keep_is_kept_of_what_was_read_and_not_of_what_a_client_says() {
    let frame = r#"{"taskId":1,"data":{"nation":"CAN","idNum":"ABCDEF"}}"#;
    assert_eq!(to_client(frame), frame);
    let redacted = value(&from_client(frame));
    assert_eq!(redacted["data"]["nation"], "CAN");
    assert_ne!(redacted["data"]["idNum"], "ABCDEF");
    // What is no nationality is not kept in a card's bytes either.
    let frame = r#"{"taskId":1,"data":{"nation":"x1z"}}"#;
    for redacted in [from_client(frame), to_client(frame)] {
        assert_eq!(value(&redacted)["data"]["nation"], pseudonyms().text("x1z"));
    }
}

#[test]
fn a_code_is_the_same_code_in_an_event_and_on_a_simulated_scanner() {
    let code = "https://example.org/t?n=12345678901&k=张";
    let event = json!({"channel": "initQRListener", "data": {"qrCode": code}});
    let simulated = json!({"call": "bridge.simulate", "params":
        {"device": "qr_scanner", "do": "scan", "text": code}});
    let expected = pseudonyms().code(code);
    assert_eq!(value(&to_client(&event.to_string()))["data"]["qrCode"], expected);
    assert_eq!(value(&from_client(&simulated.to_string()))["params"]["text"], expected);
}

#[test]
fn a_described_card_is_as_the_card_that_is_read() {
    let p = pseudonyms();
    let card = json!({
        "person": "li-si", "layout": "resident", "name": "钱七", "englishName": "QIAN, QI",
        "sex": "2", "nation": 11, "nationality": "CAN", "birth": "19900307",
        "address": "示例路9号", "appendedAddress": "示例路１０号", "idNum": "990101199003070023",
        "signingOrganization": "示例市公安局", "beginTime": "20180611", "endTime": "20380611",
        "passNumber": "H12345678", "issueCount": "01", "fingerprint": true,
    });
    let frame = json!({"call": "bridge.simulate", "params":
        {"device": "id_card", "do": "put", "card": card}});
    let redacted = value(&from_client(&frame.to_string()));
    let expected = json!({
        "person": "li-si", "layout": "resident", "name": p.name("钱七"),
        "englishName": p.name("QIAN, QI"), "sex": "2", "nation": 11, "nationality": "CAN",
        "birth": p.birth("19900307"), "address": p.address("示例路9号"),
        "appendedAddress": p.address("示例路１０号"), "idNum": p.id_number("990101199003070023"),
        "signingOrganization": p.agency("示例市公安局"), "beginTime": p.validity("20180611"),
        "endTime": p.validity("20380611"), "passNumber": p.id_number("H12345678"),
        "issueCount": "01", "fingerprint": true,
    });
    assert_eq!(redacted["params"]["card"], expected);
}

#[test]
fn an_escaped_name_is_replaced_in_its_own_escapes() {
    let frame = r#"{"action":"getFaceInfoPersonCard","taskId":1,"params":{"certName":"\u5f20\u4E09丰\/","certNo":"1"}}"#;
    let redacted = from_client(frame);
    let name = value(&redacted)["params"]["certName"].as_str().unwrap().to_owned();
    assert_eq!(name, pseudonyms().name("张三丰/"));
    let mut characters = name.chars();
    let mut next = || characters.next().unwrap();
    let written =
        format!(r#""\u{:04x}\u{:04X}{}\/""#, u32::from(next()), u32::from(next()), next());
    assert!(redacted.contains(&written), "{redacted} {written}");
    assert_eq!(redacted.len(), frame.len());
}

#[test]
fn what_works_the_recorder_is_not_recorded() {
    for frame in [
        r#"{"call":"bridge.record","params":{"do":"start","name":"张三"}}"#,
        r#"{"id":1,"call":"bridge.\u0072ecord"}"#,
        r#"{"call":"bridge.status","call":"bridge.record"}"#,
        r#"{"call":"bridge.record","id":1,"res":{"success":true,"message":"成功","data":{}}}"#,
        // Nor who watches, and what is looked at.
        r#"{"call":"bridge.look","params":{"device":"printer"}}"#,
        r#"{"call":"bridge.look","id":1,"res":{"success":true,"message":"成功","data":{}}}"#,
        r#"{"on":"bridgeFrames"}"#,
        r#"{"off":"bridgeFrames","success":true,"message":"成功"}"#,
    ] {
        assert!(FrameRedactor::works_the_recorder(frame.as_bytes()), "{frame}");
        assert!(redactor().from_client(frame.as_bytes()).is_none(), "{frame}");
        assert!(redactor().to_client(frame.as_bytes()).is_none(), "{frame}");
    }
    // These the daemon takes for something else, and answers.
    for frame in [
        r#"{"call":"bridge.record","call":"bridge.status"}"#,
        r#"{"call":"bridge.record","action":"x"}"#,
        r#"{"call":"bridge.record""#,
        r#"{"call":"bridge.recorder"}"#,
        r#"{"channel":"x","data":{"call":"bridge.record"}}"#,
    ] {
        assert!(redactor().from_client(frame.as_bytes()).is_some(), "{frame}");
    }
    // An event from a client is none, and is answered.
    for frame in [
        r#"{"channel":"bridgeFrames","data":{"frames":[],"missed":1}}"#,
        r#"{"channel":"bridgeLagged","data":{"channel":"bridgeFrames","dropped":2}}"#,
    ] {
        assert!(redactor().to_client(frame.as_bytes()).is_none(), "{frame}");
        assert!(redactor().from_client(frame.as_bytes()).is_some(), "{frame}");
    }
}

#[test]
fn a_token_is_right_or_wrong_and_never_itself() {
    assert_eq!(from_client(r#"{"token":"s3cret"}"#), r#"{"token":"right-token"}"#);
    assert_eq!(from_client(r#"{"token":"s3cres"}"#), r#"{"token":"wrong-token"}"#);
    let none = FrameRedactor::new(pseudonyms(), ToldAts::default(), None);
    let frame = none.from_client(br#"{"token":"s3cret"}"#).unwrap();
    assert_eq!(frame, br#"{"token":"wrong-token"}"#);
    for broken in [r#"{"token":"s3cret""#, r#"{"token":"s3cret","on":1,"off":1}"#] {
        assert!(!from_client(broken).contains("s3cret"), "{broken}");
    }
}

#[test]
fn a_callers_task_and_id_stay_unless_they_hold_a_long_number_or_are_long() {
    let kept = r#"{"call":"bridge.status","id":"card-123456-ab","params":{"taskId":123456}}"#;
    assert_eq!(from_client(kept), kept);
    let p = pseudonyms();
    let base64 = STANDARD.encode(format!("张三{ID}"));
    for (task, expected) in [
        (json!(format!("card-{ID}-1")), json!(format!("card-{}-1", p.id_number(ID)))),
        (json!(base64), json!(p.text(&base64))),
        (json!("tel-13987654321"), Value::Null),
        (json!(13_987_654_321_u64), Value::Null),
        (json!("110105491231002"), Value::Null),
    ] {
        let mut seen = Vec::new();
        // The same in the request, in the reply and in bridgeCalls.
        for frame in [
            json!({"action": "getIDCardInfo", "taskId": task}),
            json!({"channel": "bridgeCalls", "data": {"taskId": task}}),
            json!({"call": "bridge.jobs", "res": {"data": {"jobs": [{"taskId": task}]}}}),
            json!({"call": "bridge.status", "id": task}),
            json!({"call": "ampeHHCommunication", "id": 1, "params": {"taskId": task}}),
        ] {
            for redacted in [from_client(&frame.to_string()), to_client(&frame.to_string())] {
                let frame = value(&redacted);
                let tasks =
                    ["/taskId", "/data/taskId", "/res/data/jobs/0/taskId", "/params/taskId"];
                let task = tasks.iter().find_map(|place| frame.pointer(place));
                seen.extend(task.or(frame.get("id")).cloned());
            }
        }
        let first = seen[0].clone();
        assert!(first != task && first.is_number() == task.is_number(), "{first}");
        assert!(expected.is_null() || first == expected, "{first} {expected}");
        assert_eq!(seen, vec![first; 10]);
    }
    // An id may be anything, and comes back as it was.
    let id =
        json!({"idNum": "ABCDEF", "text": "QUJDaGlqa2xtbm9w".repeat(8), "n": [13987654321_u64]});
    for call in ["bridge.simulate", "bridge.status"] {
        let frame = json!({"call": call, "id": id, "params": {}, "res": {"data": {}}}).to_string();
        assert_eq!(value(&from_client(&frame))["id"], value(&to_client(&frame))["id"]);
    }
    for long in ["x7".repeat(40), "张三".to_owned()] {
        let frame = json!({"action": "getIDCardInfo", "taskId": long}).to_string();
        assert_eq!(value(&from_client(&frame))["taskId"], p.text(&long));
    }
}

#[test]
fn a_number_of_seven_digits_is_replaced_where_nothing_is_known_of_it() {
    let frame = r#"{"action":"speech","taskId":1,"params":{"a":123456,"b":1234567,"c":-1.2345678e2,"d":0.1234567,"certNo":123456789012345678,"phone":110}}"#;
    let redacted = from_client(frame);
    assert_eq!(skeleton(&redacted), skeleton(frame));
    let (before, after) = (value(frame), value(&redacted));
    assert_eq!(after["params"]["a"], before["params"]["a"]);
    for key in ["b", "c", "d", "certNo", "phone"] {
        assert_ne!(after["params"][key], before["params"][key], "{key}");
    }
    let id = after["params"]["certNo"].to_string();
    assert!(is_invented_id(&id), "{id}");
}

#[test]
fn hex_stays_hex_and_shows_how_a_command_went() {
    let reply = |result: &str| {
        let frame = json!({"action": "sendCPUCardCommand", "taskId": "1", "data":
            {"nfc_resultInfo": result, "nfc_commandResults": [result]}});
        let after = value(&to_client(&frame.to_string()));
        assert_eq!(after["data"]["nfc_resultInfo"], after["data"]["nfc_commandResults"][0]);
        after["data"]["nfc_resultInfo"].as_str().unwrap().to_owned()
    };
    for kept in ["", "-1", "-100", "9000", "6A82"] {
        assert_eq!(reply(kept), kept);
    }
    let answer = reply("A8742A99CB4F90189000");
    assert!(answer.ends_with("9000") && !answer.contains("A8742A99"), "{answer}");
    assert!(answer.len() == 20 && answer.bytes().all(|b| b.is_ascii_hexdigit()), "{answer}");
    let no_status = reply("A8742A99CB4F901890");
    assert!(no_status.len() == 18 && !no_status.contains("1890"), "{no_status}");

    let apdu = |apdu: &str| {
        let frame = json!({"action": "sendCPUCardCommand", "taskId": 1, "params":
            {"commandApdu": apdu, "commandApdus": [apdu]}});
        let params = value(&from_client(&frame.to_string()))["params"].clone();
        assert_eq!(params["commandApdu"], params["commandApdus"][0]);
        params["commandApdu"].as_str().unwrap().to_owned()
    };
    assert_eq!(apdu("00 a4 04 00 0e"), "00 a4 04 00 0e");
    assert_eq!(apdu(" 80 50 0 0\t02 02 1a2b 0f"), " 80 50 0 0\t02 02 dddd 0f");
    assert_eq!(apdu("8050000202FFFF"), "8050000202DDDD");
    // What the daemon refuses for being no hex, it refuses again.
    for odd in ["123", "0x00A40400", "00A4040G", "ABCDEFGH", "G0", "A\u{3000}BC", "zz"] {
        let new = apdu(odd);
        let digits: Vec<char> = new.chars().filter(|c| !c.is_whitespace()).collect();
        let is_hex = digits.len().is_multiple_of(2) && digits.iter().all(char::is_ascii_hexdigit);
        assert!(!is_hex && new != odd && new.len() == odd.len(), "{new} of {odd}");
    }
}

#[test]
fn json_inside_a_string_is_looked_into() {
    let p = pseudonyms();
    let inner = r#"{"eventType":"rocketResult","eventData":{"uid":"2088612116677214","subCode":"90001","subMessage":"请走上传个人信息的链路","name":"张三"}}"#;
    let frame = json!({"action": "doStorageFaceInfo", "taskId": "7", "data": inner}).to_string();
    let after = value(&to_client(&frame));
    let data = value(after["data"].as_str().unwrap());
    assert_eq!(data["eventType"], "rocketResult");
    let event = &data["eventData"];
    assert_eq!(event["subCode"], "90001");
    assert_eq!(event["subMessage"], "请走上传个人信息的链路");
    assert_eq!(event["uid"], p.text("2088612116677214"));
    assert_eq!(event["name"], p.name("张三"));
    let ext = json!({"data": {"extInfo": r#"{"authCode":"5dc39621fe5a49deb21a87c98876HA21"}"#}});
    let after = value(&to_client(&ext.to_string()));
    let code = value(after["data"]["extInfo"].as_str().unwrap());
    assert_eq!(code["authCode"], p.text("5dc39621fe5a49deb21a87c98876HA21"));
    // Strings in strings without end are texts from some depth on.
    let mut deep = json!({"name": "张三"});
    for _ in 0..20 {
        deep = json!({"data": deep.to_string()});
        let redacted = to_client(&deep.to_string());
        assert!(!redacted.contains("张三"));
        assert_eq!(skeleton(&redacted), skeleton(&deep.to_string()));
    }
}

#[test]
fn pictures_and_sound_are_still_base64() {
    let bytes = |text: &str| STANDARD.decode(text.replace(['\n', '\r'], "")).unwrap();
    let lines = format!("{}\n{}\n", "QUJD".repeat(19), "QUJDRA==");
    let frame = json!({"action": "openSecondaryScreen", "taskId": 1, "params": {
        "secondaryScreenBase64": "data:image/png;base64,QUJDRA==", "voiceContent": lines,
        "unknown": "QUJDaGlqa2xtbm9w".repeat(8),
    }});
    let params = value(&from_client(&frame.to_string()))["params"].clone();
    let screen = params["secondaryScreenBase64"].as_str().unwrap();
    let screen = screen.strip_prefix("data:image/png;base64,").unwrap();
    assert!(screen != "QUJDRA==" && bytes(screen).len() == 4);
    let voice = params["voiceContent"].as_str().unwrap();
    let breaks = |text: &str| text.match_indices('\n').map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(breaks(voice), breaks(&lines));
    assert_eq!(bytes(voice).len(), bytes(&lines).len());
    assert_eq!(bytes(params["unknown"].as_str().unwrap()).len(), 96);

    let jpeg = STANDARD.encode([&[0xFF, 0xD8, 0xFF][..], &[5; 600]].concat());
    let frame = json!({"params": {"certPhotoBase64Str": jpeg}, "data": {"photoBase64": jpeg}});
    let after = value(&to_client(&frame.to_string()));
    assert_eq!(after["params"]["certPhotoBase64Str"], after["data"]["photoBase64"]);

    let frame = json!({"channel": "initMicrophoneListener", "data":
        {"voicecontent": "[-106,-1,-62]"}});
    let after = value(&to_client(&frame.to_string()));
    let list = value(after["data"]["voicecontent"].as_str().unwrap());
    assert_eq!(list.as_array().unwrap().len(), 3);
    assert_ne!(list, json!([-106, -1, -62]));
}

#[test]
fn no_depth_of_nesting_is_too_deep() {
    for nest in ["[1,", r#"{"data":["x","#, r#"["{\"name\":1}","#] {
        let frame = format!(r#"{{"call":"bridge.status","id":{}"#, nest.repeat(20_000));
        assert_eq!(skeleton(&from_client(&frame)), skeleton(&frame));
        assert_eq!(skeleton(&to_client(&frame)), skeleton(&frame));
    }
}

#[test]
fn a_text_to_be_spoken_becomes_what_its_device_is_given() {
    let long = "请张三到3号窗口。".repeat(100);
    for text in ["请张三到3号窗口", "张\u{0}三[[李四\n.", &long] {
        let params = json!({"text": text, "speechQueue": 1});
        let request = json!({"action": "speech", "taskId": "1", "params": params});
        let call = json!({"call": "ampeHHCommunication", "params": request, "id": 1});
        let spoken = hharome_hardware::speech::text::replaced(&pseudonyms(), text);
        assert!(!spoken.contains('张'));
        assert_eq!(value(&from_client(&request.to_string()))["params"]["text"], spoken);
        assert_eq!(value(&from_client(&call.to_string()))["params"]["params"]["text"], spoken);
    }
    // A text of another action is no speech.
    let scanned = json!({"action": "receiptPrinting", "params": {"printList": [{"text": long}]}});
    let scanned = value(&from_client(&scanned.to_string()));
    assert_eq!(scanned["params"]["printList"][0]["text"], pseudonyms().text(&long));
}
