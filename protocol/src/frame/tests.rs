//! Frames in and out, with every leniency of the envelope.

use serde::Deserialize;

use super::*;
use crate::action::{Empty, NoParams};
use crate::failure::Kind;

fn rejected(frame: &str) -> Box<Rejected> {
    match parse(frame.as_bytes()) {
        Err(rejected) => rejected,
        Ok(taken) => panic!("{frame} was taken: {taken:?}"),
    }
}

fn request(frame: &str) -> Request<'_> {
    match parse(frame.as_bytes()) {
        Ok(ClientFrame::Action(request)) => request,
        other => panic!("{frame} is no action: {other:?}"),
    }
}

fn detail(failure: &Failure) -> &str {
    match failure {
        Failure::Error { kind: Kind::BadRequest, detail, .. } => detail,
        other => panic!("no bad request: {other}"),
    }
}

/// What a rejected frame echoes: action, event, task.
fn check_echo(frame: &str, expected: (Option<&str>, Option<&str>, Option<&str>)) {
    let Echo { action, event, task_id, .. } = rejected(frame).echo;
    let task_id = task_id.as_ref().map(TaskId::as_json);
    assert_eq!((action.as_deref(), event.as_deref(), task_id), expected, "{frame}");
}

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap()
}

fn line(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap().strip_suffix('\n').unwrap()
}

#[test]
fn a_missing_event_is_open() {
    assert_eq!(request(r#"{"action":"a","taskId":"1"}"#).event, Event::Open);
    assert_eq!(request(r#"{"action":"a","event":"open","taskId":"1"}"#).event, Event::Open);
    let closing = request(r#"{"action":"a","event":"close","taskId":"1"}"#);
    assert_eq!(closing.event, Event::Close);
    assert_eq!(closing.envelope().event, "close");
}

#[test]
fn a_task_is_kept_byte_for_byte() {
    for task in [r#""3""#, "3", "1e3", "-0", "12345678901234567890", r#""\ud800""#, r#""\u0041""#] {
        let frame = format!(r#"{{"action":"a","taskId": {task} }}"#);
        assert_eq!(request(&frame).task_id.as_json(), task);
    }
    assert_ne!(request(r#"{"action":"a","taskId":1}"#).task_id, TaskId::from("1"));
}

#[test]
fn a_task_that_is_missing_or_no_name_is_refused_and_echoed_empty() {
    check_echo(r#"{"action":"a"}"#, (Some("a"), None, None));
    for task in ["null", "true", "{}", "[1]"] {
        let frame = format!(r#"{{"action":"a","event":"open","taskId":{task}}}"#);
        check_echo(&frame, (Some("a"), Some("open"), None));
    }
}

#[test]
fn an_event_that_is_neither_is_refused_and_echoed_if_it_is_a_string() {
    let one = Some("1");
    check_echo(r#"{"action":"a","event":"opne","taskId":1}"#, (Some("a"), Some("opne"), one));
    check_echo(r#"{"action":"a","event":7,"taskId":1}"#, (Some("a"), None, one));
    check_echo(r#"{"action":"a","event":null,"taskId":1}"#, (Some("a"), None, one));
}

#[test]
fn an_action_that_is_no_string_is_refused() {
    check_echo(r#"{"action":5,"event":"open","taskId":1}"#, (None, Some("open"), Some("1")));
    check_echo(r#"{"action":null,"taskId":1}"#, (None, None, Some("1")));
}

#[test]
fn what_was_read_before_a_syntax_error_is_echoed() {
    let whole = r#"{"action":"a","event":"close","taskId":"1","params":{"x":[1,"#;
    check_echo(whole, (Some("a"), Some("close"), Some(r#""1""#)));
    check_echo(r#"{"taskId":2,"action":"a" "event":"close"}"#, (Some("a"), None, Some("2")));
    check_echo(r#"{"action":"a","taskId":2} x"#, (Some("a"), None, Some("2")));
    check_echo(r#"{"action":"ab"#, (None, None, None));
}

#[test]
fn what_stands_before_bad_utf8_is_echoed() {
    let rejected = parse(b"{\"action\":\"a\",\"taskId\":2,\"params\":{\"text\":\"\xc4\xe3\"}}");
    let rejected = rejected.unwrap_err();
    assert_eq!(rejected.echo.action.as_deref(), Some("a"));
    assert_eq!(rejected.echo.task_id.unwrap().as_json(), "2");
    assert_eq!(detail(&rejected.failure), "not UTF-8 from byte 43 on");
}

#[test]
fn what_is_no_json_or_no_object_is_refused_without_quoting_it() {
    for frame in ["", "{", "hello", "[]", "null", "5", r#""张三""#, "{}", r#"{"params":{}}"#] {
        let failure = rejected(frame).failure;
        assert!(!detail(&failure).contains("张三"), "{failure}");
    }
    assert_eq!(
        detail(&rejected(r#""张三""#).failure),
        "no JSON object: invalid type: string, expected an object"
    );
}

#[test]
fn two_of_the_four_are_refused() {
    for frame in [
        r#"{"action":"a","call":"b","taskId":1}"#,
        r#"{"on":"a","off":"a"}"#,
        r#"{"call":"a","on":"a"}"#,
        r#"{"action":"a","taskId":1,"off":null}"#,
    ] {
        assert_eq!(
            detail(&rejected(frame).failure),
            "more than one of action, call, on, off",
            "{frame}"
        );
    }
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    assert_eq!(request(r#"{"action":"a","taskId":1,"action":"b"}"#).action, "b");
}

#[test]
fn keys_may_be_escaped_and_unknown_ones_may_be_anything() {
    let frame = r#"{"\u0061ction":"a\n","taskId":1,"\ud800":"\udfff","more":[{}]}"#;
    assert_eq!(request(frame).action, "a\n");
}

#[test]
fn a_token_is_one_only_by_itself() {
    assert!(matches!(parse(br#"{"token":"t"}"#), Ok(ClientFrame::Token(token)) if token == "t"));
    assert!(matches!(parse(br#"{"token":"t","on":"c"}"#), Ok(ClientFrame::On { .. })));
    assert_eq!(detail(&rejected(r#"{"token":5}"#).failure), "token: expected a string");
}

#[test]
fn an_id_is_any_json_and_null_is_one() {
    for id in ["7", "null", r#""x""#, r#"{"a":[1]}"#] {
        let frame = format!(r#"{{"call":"c","id":{id}}}"#);
        let Ok(ClientFrame::Call { id: Some(read), .. }) = parse(frame.as_bytes()) else {
            panic!("no id in {frame}")
        };
        assert_eq!(read.get(), id);
    }
    assert!(matches!(parse(br#"{"call":"c"}"#), Ok(ClientFrame::Call { id: None, .. })));
    let rejected = rejected(r#"{"call":5,"id":null}"#);
    assert_eq!(
        line(&rejection(ReplyTo::Bare, &rejected)),
        concat!(
            r#"{"action":"","event":"","success":false,"taskId":"","id":null,"#,
            r#""message":"请求参数有误,请联系小程序开发人员","#,
            r#""data":{"error":{"kind":"bad_request","detail":"call: expected a string"}}}"#
        )
    );
}

#[test]
fn the_envelope_inside_a_call_is_read_as_a_bare_one() {
    let request = parse_request(Some(raw(r#"{"action":"a","taskId":1,"id":9}"#))).unwrap();
    assert_eq!((request.action.as_ref(), request.event), ("a", Event::Open));
    for params in [None, Some(raw("null")), Some(raw("[]")), Some(raw("{}"))] {
        parse_request(params).unwrap_err();
    }
    let rejected = parse_request(Some(raw(r#"{"action":"a","id":9}"#))).unwrap_err();
    let to = ReplyTo::Call { name: "ampeHHCommunication", id: Some(raw("7")) };
    let answer = rejection(to, &rejected);
    assert!(line(&answer).starts_with(
        r#"{"call":"ampeHHCommunication","id":7,"res":{"action":"a","event":"","success":false,"#
    ));
    assert!(!line(&answer).contains("\"id\":9"));
}

#[test]
fn an_action_words_its_rejections_itself() {
    let rejected = rejected(r#"{"action":"doStorageFaceInfo"}"#);
    assert_eq!(rejected.failure.message(), "失败");
    assert!(rejected.failure.data().get().contains("90004"));
}

#[test]
fn nesting_of_any_depth_overflows_nothing() {
    let deep = "[".repeat(1_000_000);
    check_echo(
        &format!(r#"{{"action":"a","taskId":1,"params":{deep}"#),
        (Some("a"), None, Some("1")),
    );
    let closed = format!("{deep}{}", "]".repeat(1_000_000));
    let frame = format!(r#"{{"action":"a","taskId":1,"params":{{"x":{closed}}}}}"#);
    params::<NoParams>(request(&frame).params).unwrap();
    assert!(params::<crate::speech::SpeechParams>(request(&frame).params).is_err());
    let frame = format!(r#"{{"action":"a","taskId":1,"params":{{"text":{closed}}}}}"#);
    assert!(params::<crate::speech::SpeechParams>(request(&frame).params).is_err());
    let frame = format!(r#"{{"action":"a","taskId":1,"params":{closed}}}"#);
    params::<NoParams>(request(&frame).params).unwrap();
}

#[test]
fn absent_and_null_params_are_an_empty_object_and_no_object_is_refused() {
    #[derive(Deserialize, Debug, PartialEq)]
    struct One {
        one: Option<u8>,
    }
    assert_eq!(params::<One>(None).unwrap(), One { one: None });
    assert_eq!(params::<One>(Some(raw("null"))).unwrap(), One { one: None });
    for json in ["[1]", "5", r#""{}""#, "true"] {
        let failure = params::<One>(Some(raw(json))).unwrap_err();
        assert_eq!(detail(&failure), "params: expected an object", "{json}");
        params::<NoParams>(Some(raw(json))).unwrap();
    }
}

#[test]
fn an_error_in_params_names_the_key_and_never_the_value() {
    #[derive(Deserialize, Debug)]
    struct Names {
        #[serde(rename = "names")]
        _names: Vec<String>,
    }
    let check = |json, expected| {
        let failure = params::<Names>(Some(raw(json))).unwrap_err();
        assert_eq!(detail(&failure), expected);
    };
    check(r#"{"names":["a",7]}"#, "params.names[1]: invalid type: integer, expected a string");
    check(r#"{"names":[null]}"#, "params.names[0]: invalid type: null, expected a string");
    check(
        r#"{"names":"x\", expected y, invalid `"}"#,
        "params.names: invalid type: string, expected a sequence",
    );
    check("{}", "params: missing field `names`");
}

#[test]
fn a_reply_has_the_keys_in_the_vendors_order() {
    let request = request(r#"{"action":"closeIDCardInfo","taskId":1e3}"#);
    let envelope = Envelope { event: "close", ..request.envelope() };
    let data = encode(&Empty {}).unwrap();
    let bare = r#"{"action":"closeIDCardInfo","event":"close","success":true,"taskId":1e3,"message":"关闭成功","data":{}}"#;
    assert_eq!(line(&reply_with(ReplyTo::Bare, &envelope, "关闭成功", &data)), bare);
    let to = ReplyTo::Call { name: "ampeHHCommunication", id: None };
    assert_eq!(
        line(&reply_with(to, &envelope, "关闭成功", &data)),
        format!(r#"{{"call":"ampeHHCommunication","res":{bare}}}"#)
    );
}

#[test]
fn calls_and_channels_are_answered_in_their_own_forms() {
    let data = encode(&Empty {}).unwrap();
    assert_eq!(
        line(&call_reply("ampeStartOperationWatcher", Some(raw("7")), Ok(&data))),
        r#"{"call":"ampeStartOperationWatcher","id":7,"res":{"success":true,"message":"成功","data":{}}}"#
    );
    let failure = Failure::error(Kind::Forbidden, "不行", "why");
    let error =
        r#""success":false,"message":"不行","data":{"error":{"kind":"forbidden","detail":"why"}}"#;
    assert_eq!(
        line(&call_reply("c\"", None, Err(&failure))),
        format!(r#"{{"call":"c\"","res":{{{error}}}}}"#)
    );
    assert_eq!(line(&on_reply("c", Ok(()))), r#"{"on":"c","success":true,"message":"成功"}"#);
    assert_eq!(line(&off_reply("c", Ok(()))), r#"{"off":"c","success":true,"message":"成功"}"#);
    assert_eq!(line(&on_reply("c", Err(&failure))), format!(r#"{{"on":"c",{error}}}"#));
    assert_eq!(line(&event("c", &Empty {}).unwrap()), r#"{"channel":"c","data":{}}"#);
    assert_eq!(
        line(&lagged("initMicrophoneListener", 12)),
        r#"{"channel":"bridgeLagged","data":{"channel":"initMicrophoneListener","dropped":12}}"#
    );
}

#[test]
fn a_frame_is_one_line_whatever_layout_an_id_had() {
    let data = encode(&Empty {}).unwrap();
    let answer = call_reply("c", Some(raw("{\r\n\"a\":\t1\n}")), Ok(&data));
    assert!(line(&answer).starts_with("{\"call\":\"c\",\"id\":{  \"a\":\t1 },"));
    assert_eq!(answer.iter().filter(|byte| **byte == b'\n').count(), 1);
}
