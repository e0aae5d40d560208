//! What an engine's answers mean. Nothing of them is believed: an answer that is not what the interface
//! says (docs/face-engine.md) is a fault of the engine's.

use bytes::Bytes;
use hharome_protocol::face::{StorageFailure, StorageSuccess, SubCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::{RawValue, to_raw_value};

use super::wire::Task;

/// The code of an engine that has to be readied first.
pub const NOT_READY: &str = "E69016";

/// What came of a request.
pub enum Answer {
    /// The engine is ready.
    Readied,
    /// A person it knows.
    Person(Person),
    /// An enrolment.
    Enrolled(StorageSuccess),
    /// No.
    No(No),
}

/// A person, as an engine knows one. What it does not know is empty.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Person {
    /// The account.
    pub alipay_uid: String,
    /// The face.
    pub ftoken: String,
    /// The person in the merchant's library.
    pub vid: String,
    /// Single-use.
    pub auth_code: String,
}

/// Why not.
pub enum No {
    /// The engine says so: what it wants shown, its code, and all that it has said.
    Said {
        /// What is to be shown; ours, where it says nothing.
        message: Option<String>,
        /// Its code, `E69001`.
        code: Option<String>,
        /// The whole answer.
        whole: Box<RawValue>,
    },
    /// Nobody was enrolled.
    Storage(StorageFailure),
    /// That was no answer; what was wrong with it, and all of it.
    Odd {
        /// In English, without anything of the answer.
        detail: String,
        /// The whole answer: JSON as it came, else a string.
        whole: Box<RawValue>,
    },
}

impl No {
    /// Whether the engine says that it has to be readied first.
    #[must_use]
    pub fn wants_init(&self) -> bool {
        matches!(self, Self::Said { code: Some(code), .. } if code == NOT_READY)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    success: bool,
    message: Option<String>,
    code: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Enrolment {
    sub_code: String,
    unique_id: Option<String>,
    uid: String,
    ftoken: String,
    auth_code: Option<String>,
    vid: String,
    biz_id: Option<String>,
}

/// An enrolment that the engine has not begun: it has to be readied first.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NotBegun {
    #[serde(default)]
    success: bool,
    code: String,
    sub_code: Option<IgnoredAny>,
}

/// Understands an answer to `task`.
pub(super) fn understood(task: Task, status: u16, body: &Bytes) -> Answer {
    let text = String::from_utf8_lossy(body);
    let whole = match serde_json::from_str::<Box<RawValue>>(&text) {
        Ok(json) if json.get().starts_with('{') => json,
        Ok(_) | Err(_) => {
            let detail =
                format!("{}: HTTP {status}, and the answer is no JSON object", task.word());
            return Answer::No(No::Odd { detail, whole: as_string(&text) });
        }
    };
    let odd = |what: &str, whole: Box<RawValue>| {
        let detail = format!("{}: HTTP {status}, {what}", task.word());
        Answer::No(No::Odd { detail, whole })
    };
    if task == Task::Enrol {
        if is_not_begun(&whole) {
            let code = Some(NOT_READY.to_owned());
            return Answer::No(No::Said { message: None, code, whole });
        }
        return match serde_json::from_str(whole.get()) {
            Ok(enrolment) if status == 200 => match enrolled(enrolment) {
                Ok(answer) => answer,
                Err(what) => odd(what, whole),
            },
            _ => odd("and the answer has not the keys that it should", whole),
        };
    }
    let Ok(outcome) = serde_json::from_str::<Outcome>(whole.get()) else {
        return odd("and success, message or code is missing or not what it should be", whole);
    };
    if !outcome.success {
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (message, code) = (said(outcome.message), said(outcome.code));
        return Answer::No(No::Said { message, code, whole });
    }
    if status != 200 {
        return odd("and yet success is true", whole);
    }
    if task == Task::Init {
        return Answer::Readied;
    }
    match serde_json::from_str::<Person>(whole.get()) {
        Ok(person) if person.alipay_uid.is_empty() && person.ftoken.is_empty() => {
            odd("success without alipayUid and ftoken", whole)
        }
        Ok(person) => Answer::Person(person),
        Err(_) => odd("and alipayUid, ftoken, vid or authCode is no string", whole),
    }
}

/// Whether an engine says no more of an enrolment than that it has to be readied first.
fn is_not_begun(whole: &RawValue) -> bool {
    serde_json::from_str(whole.get()).is_ok_and(|said: NotBegun| {
        !said.success && said.sub_code.is_none() && said.code == NOT_READY
    })
}

fn enrolled(enrolment: Enrolment) -> Result<Answer, &'static str> {
    let Enrolment { sub_code, unique_id, uid, ftoken, auth_code, vid, biz_id } = enrolment;
    let row = SubCode::find(&sub_code).ok_or("and subCode is none of the table's")?;
    if row != SubCode::SUCCESS {
        let unique_id = unique_id.filter(|id| row == SubCode::REFUSED && !id.is_empty());
        if row == SubCode::REFUSED && unique_id.is_none() {
            return Err("a refusal without a uniqueId");
        }
        return Ok(Answer::No(No::Storage(StorageFailure { sub_code: row, unique_id })));
    }
    if uid.is_empty() && ftoken.is_empty() {
        return Err("SUCCESS without uid and ftoken");
    }
    Ok(Answer::Enrolled(match (auth_code, biz_id) {
        (None, None) => StorageSuccess::Known { ftoken, uid, vid },
        (auth_code, biz_id) => StorageSuccess::New {
            uid,
            ftoken,
            auth_code: auth_code.unwrap_or_default(),
            vid,
            biz_id: biz_id.unwrap_or_default(),
        },
    }))
}

/// A text that is no JSON object, as a JSON string.
fn as_string(text: &str) -> Box<RawValue> {
    // A string has no way to fail to be written.
    to_raw_value(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(task: Task, status: u16, body: &str) -> Answer {
        understood(task, status, &Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn a_person_is_whom_the_engine_names() {
        let body = r#"{"success":true,"alipayUid":"2088","ftoken":"fp1","authCode":"5d","new":1}"#;
        let Answer::Person(person) = answer(Task::Identify, 200, body) else { panic!("no person") };
        let texts = [person.alipay_uid, person.ftoken, person.vid, person.auth_code];
        assert_eq!(texts, ["2088", "fp1", "", "5d"]);
        assert!(matches!(answer(Task::Init, 200, r#"{"success":true}"#), Answer::Readied));
    }

    #[test]
    fn a_no_is_told_with_all_that_came_with_it() {
        let body = r#"{"success":false,"message":"点击过快","code":"E1","more":{"a":[1]}}"#;
        for status in [200, 503] {
            let Answer::No(No::Said { message, code, whole }) = answer(Task::Verify, status, body)
            else {
                panic!("no no")
            };
            assert_eq!((message.as_deref(), code.as_deref()), (Some("点击过快"), Some("E1")));
            assert_eq!(whole.get(), body);
        }
        let Answer::No(no) = answer(Task::Identify, 200, r#"{"success":false,"code":"E69016"}"#)
        else {
            panic!("no no")
        };
        assert!(no.wants_init());
    }

    #[test]
    fn an_enrolment_is_not_begun_by_an_engine_that_says_that_and_nothing_else() {
        let wants_init = |body| match answer(Task::Enrol, 200, body) {
            Answer::No(no) => no.wants_init(),
            _ => false,
        };
        assert!(wants_init(r#"{"success":false,"code":"E69016"}"#));
        assert!(wants_init(r#"{"code":"E69016"}"#));
        for other in [
            r#"{"code":"E69016","subCode":"90002"}"#,
            r#"{"code":"E69016","success":true}"#,
            r#"{"code":"E69001"}"#,
        ] {
            assert!(!wants_init(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_answer_is_a_fault_and_kept_whole() {
        for (task, status, body, whole) in [
            (Task::Identify, 200, "<html>", r#""<html>""#),
            (Task::Identify, 200, "[1]", r#""[1]""#),
            (Task::Init, 200, "", r#""""#),
            (Task::Init, 200, r#"{"success":"yes"}"#, r#"{"success":"yes"}"#),
            (Task::Init, 500, r#"{"success":true}"#, r#"{"success":true}"#),
            (Task::Identify, 200, r#"{"success":true}"#, r#"{"success":true}"#),
            (Task::Verify, 200, r#"{"success":true,"ftoken":1}"#, r#"{"success":true,"ftoken":1}"#),
            (Task::Enrol, 200, r#"{"subCode":"SUCCESS"}"#, r#"{"subCode":"SUCCESS"}"#),
            (Task::Enrol, 200, r#"{"subCode":"90001"}"#, r#"{"subCode":"90001"}"#),
            (Task::Enrol, 200, r#"{"subCode":"X"}"#, r#"{"subCode":"X"}"#),
            (Task::Enrol, 502, r#"{"subCode":"90002"}"#, r#"{"subCode":"90002"}"#),
        ] {
            let Answer::No(No::Odd { detail, whole: kept }) = answer(task, status, body) else {
                panic!("{body} is an answer")
            };
            assert_eq!(kept.get(), whole);
            assert!(detail.starts_with(&format!("{}: HTTP {status}", task.word())), "{detail}");
        }
    }

    #[test]
    fn every_row_of_the_table_is_an_outcome_of_an_enrolment() {
        for row in SubCode::ALL {
            let body = format!(
                r#"{{"subCode":"{}","uniqueId":"5644040309543232","uid":"2088","subMessage":"x"}}"#,
                row.code
            );
            match answer(Task::Enrol, 200, &body) {
                Answer::Enrolled(StorageSuccess::Known { uid, .. }) => {
                    assert_eq!((row, uid.as_str()), (SubCode::SUCCESS, "2088"));
                }
                Answer::No(No::Storage(StorageFailure { sub_code, unique_id })) => {
                    assert_eq!(sub_code, row);
                    assert_eq!(unique_id.is_some(), row == SubCode::REFUSED);
                }
                _ => panic!("{}", row.code),
            }
        }
        let body = r#"{"subCode":"SUCCESS","ftoken":"f","authCode":""}"#;
        let Answer::Enrolled(StorageSuccess::New { .. }) = answer(Task::Enrol, 200, body) else {
            panic!("not new")
        };
    }
}
