//! Frames that the daemon refuses: after redaction it refuses them in the same words.

use hharome_hardware::pseudonym::real_ids;
use hharome_protocol::failure::Failure;
use hharome_protocol::{ActionInfo, ClientFrame, frame};

use super::{NO_TEXT, from_client, redactor};

/// How the daemon refuses a frame, and what it echoes.
fn refusal(frame: &[u8]) -> Option<(String, [bool; 4], Option<String>)> {
    let rejected = frame::parse(frame).err()?;
    let Failure::Error { detail, .. } = rejected.failure else { return Some(Default::default()) };
    let echo = rejected.echo;
    let there =
        [echo.action.is_some(), echo.event.is_some(), echo.task_id.is_some(), echo.id.is_some()];
    let known = echo.action.filter(|action| ActionInfo::find(action).is_some());
    Some((detail, there, known))
}

pub(super) fn check_refused_alike(frame: &[u8]) {
    let shown = String::from_utf8_lossy(frame).into_owned();
    let redacted = redactor().from_client(frame).unwrap();
    assert_eq!(redacted.len(), frame.len(), "{shown}");
    let after = String::from_utf8_lossy(&redacted).into_owned();
    assert_eq!(refusal(&redacted), refusal(frame), "{shown}\n{after}");
}

#[test]
fn a_refused_frame_is_refused_in_the_same_words() {
    for frame in [
        "hello 11010519491231002X",
        r#"{"action":"getIDCardInfo","event":"open","taskId":"3","params":{"name":"张三"#,
        r#"{"action":"getIDCardInfo","event":"open","taskId":"3","params":{"name":tru3}}"#,
        r#"{"action":"getIDCardInfo","taskId":"3","params":{"n":truf}}"#,
        r#"{"action":"getIDCardInfo","taskId":"3"} 11010519491231002X"#,
        r#"{"action":"getIDCardInfo","taskId":"3","x":0123456789}"#,
        r#"{"action":"getIDCardInfo","taskId":"3","x":1.e5}"#,
        r#"{"action":"getIDCardInfo","taskId":"3","x":12345678901234abc}"#,
        r#"{"action":"getIDCardInfo","taskId":"3","x":"\q张三"}"#,
        r#"{"action":"getIDCardInfo","taskId":"3","x":"\ud800张三\u12"#,
        r#"{"action":"getIDCardInfo","taskId":"3","x":张三}"#,
        "{\"action\":\"getIDCardInfo\",\"x\":\"张\u{1}三\"}",
        r#"{"action":"openTheDoor张三","event":"later","taskId":"1"}"#,
        r#"{"action":"getIDCardInfo","event":"open"}"#,
        r#"{"action":"getIDCardInfo","taskId":["张三"]}"#,
        r#"{"action":"getIDCardInfo","call":"张三"}"#,
        r#"{"action":"\ud800","taskId":1}"#,
        r#"{张三:1}"#,
        r#"{name:1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a":[1,2"#,
        r#""张三11010519491231002X""#,
        "12345678901234567",
        "[1,2]",
        "\u{FEFF}{}",
        "}{",
        "\\",
        "\"",
    ] {
        check_refused_alike(frame.as_bytes());
        assert!(!from_client(frame).contains("张三"), "{frame}");
        assert!(real_ids(&from_client(frame)).next().is_none(), "{frame}");
    }
    // GB18030 where UTF-8 is due: from the first byte on that is none, nothing stays.
    let gb = [&b"{\"action\":\"speech\",\"x\":\""[..], b"\xD5\xC5\xC8\xFD 11010519491231002X\"}"]
        .concat();
    check_refused_alike(&gb);
    let redacted = redactor().from_client(&gb).unwrap();
    assert!(redacted.starts_with(b"{\"action\":\"speech\"") && redacted.ends_with(&[NO_TEXT; 25]));
}

#[test]
fn params_that_are_refused_are_refused_in_the_same_words() {
    let refused = |frame: &str| {
        let Ok(ClientFrame::Action(request)) = frame::parse(frame.as_bytes()) else {
            panic!("no request: {frame}")
        };
        let parsed = frame::params::<hharome_protocol::face::PersonParams>(request.params);
        parsed.err().map(|failure| failure.to_string()).unwrap()
    };
    for params in [
        r#"{"certName":"张三丰"}"#,
        r#"{"certName":"张三丰","certNo":"\ud800"}"#,
        r#"{"x":"张三丰𠀀","certName":"𠀀𠀀","certNo":1}"#,
        r#"{"certName":12345678,"certNo":""}"#,
        r#"["张三丰"]"#,
        r#""张三丰""#,
    ] {
        let frame =
            format!(r#"{{"action":"getFaceInfoPersonCard","taskId":"1","params":{params}}}"#);
        let redacted = from_client(&frame);
        assert_eq!(refused(&redacted), refused(&frame), "{redacted}");
        assert!(!redacted.contains("张三丰"));
    }
}
