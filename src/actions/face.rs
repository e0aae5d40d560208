//! `initFace`, `getFaceInfo`, `getFaceInfoPersonCard` and `doStorageFaceInfo`.

use std::future::Future;

use hharome_hardware::device::Trouble;
use hharome_protocol::action::{Empty, NoParams};
use hharome_protocol::face::{
    FaceInfo, InitParams, PersonParams, StorageFailure, StorageParams, StoragePath, StorageSuccess,
    SubCode, ext_info, not_recognised,
};
use hharome_protocol::failure::Failure;
use hharome_protocol::picture::Picture;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::waiting::Words;
use crate::errands::Undone;
use crate::face::{Answer, NOT_READY, No, NotAsked, Person, Question, Task, words};
use crate::router::CallContext;

const WORDS: Words = Words {
    section: "face",
    off: words::OFF,
    absent: words::ABSENT,
    failed: words::FAILED,
    unreadable: words::FAILED,
};

#[derive(Serialize)]
struct Nothing {}

/// Readies the engine. It is asked each time: another scope is another question.
pub(super) fn init(
    context: CallContext,
    params: InitParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Json {
        service_id: String,
        query: String,
        scope: String,
    }
    let InitParams { service_id, query, scope } = params;
    let json = Json {
        service_id: service_id.unwrap_or_default(),
        query: query.unwrap_or_default(),
        scope,
    };
    let asked = ask(&context, Question::new(Task::Init, &json));
    async move {
        match asked.await? {
            Answer::Readied => Ok(Empty {}),
            Answer::No(No::Said { message, .. }) => Err(Failure::documented(
                message.unwrap_or_else(|| words::SYSTEM.into()),
                &Nothing {},
            )),
            other => Err(odd(other)),
        }
    }
}

/// Who stands there.
pub(super) fn identify(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<FaceInfo, Failure>> + Send {
    let asked = ask(&context, Question::new(Task::Identify, &Nothing {}));
    async move { asked.await.and_then(recognised) }
}

/// Whether that person stands there.
pub(super) fn verify(
    context: CallContext,
    params: PersonParams,
) -> impl Future<Output = Result<FaceInfo, Failure>> + Send {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Json<'a> {
        cert_name: &'a str,
        cert_no: &'a str,
        #[serde(rename = "certPhotoBase64Str", skip_serializing_if = "Option::is_none")]
        cert_photo: Option<&'a str>,
    }
    let PersonParams { cert_name, cert_no, cert_photo } = &params;
    let cert_photo = cert_photo.as_ref().filter(|photo| !photo.is_empty());
    let cert_photo = cert_photo.map(Picture::as_base64);
    let asked =
        ask(&context, Question::new(Task::Verify, &Json { cert_name, cert_no, cert_photo }));
    async move {
        let mut info = asked.await.and_then(recognised)?;
        // Of 1:1 there is none, whatever the engine says.
        info.ext_info = ext_info("");
        Ok(info)
    }
}

/// Enrols whoever stands there, or the person of these data.
pub(super) fn enrol(
    context: CallContext,
    params: StorageParams,
) -> impl Future<Output = Result<StorageSuccess, Failure>> + Send {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Json<'a> {
        appid: &'a str,
        org_out_id: &'a str,
        component_out_id: &'a str,
        isv_pid: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        unique_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cert_no: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        phone: Option<&'a str>,
    }
    let StorageParams { appid, org_out_id, component_out_id, isv_pid, path } = &params;
    let person = match path {
        StoragePath::Face => None,
        StoragePath::Person(person) => Some(person),
    };
    let json = Json {
        appid,
        org_out_id,
        component_out_id,
        isv_pid,
        unique_id: person.map(|person| person.unique_id.as_str()),
        name: person.map(|person| person.name.as_str()),
        cert_no: person.map(|person| person.cert_no.as_str()),
        phone: person.and_then(|person| person.phone.as_deref()),
    };
    let question = match person {
        None => Question::new(Task::Enrol, &json),
        Some(person) => Question::enrol_refused(&json, &person.unique_id),
    };
    let asked = ask(&context, question);
    async move {
        match asked.await? {
            Answer::Enrolled(success) => Ok(success),
            Answer::No(No::Storage(failure)) => Err(failure.into()),
            // Said: an engine that has to be readied first, and was not or still has to be.
            Answer::No(No::Odd { .. } | No::Said { .. }) => {
                Err(StorageFailure { sub_code: SubCode::SYSTEM, unique_id: None }.into())
            }
            other => Err(odd(other)),
        }
    }
}

/// What a provider knows of a person whose number was typed; nothing without a provider, or if it does
/// not say so.
pub(super) fn person(
    context: &CallContext,
    cert_no: &str,
) -> impl Future<Output = Person> + Send + use<> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Json<'a> {
        cert_no: &'a str,
    }
    let asked = ask(context, Question::new(Task::Person, &Json { cert_no }));
    async move {
        match asked.await {
            Ok(Answer::Person(person)) => person,
            Ok(_) | Err(_) => Person::default(),
        }
    }
}

/// Takes a place in the engine's queue now.
fn ask(
    context: &CallContext,
    question: Question,
) -> impl Future<Output = Result<Answer, Failure>> + Send + use<> {
    let asked = match &context.bridge.devices.face.face {
        None => Err(WORDS.not_configured()),
        Some(_) if question.is_too_long() => {
            let most = crate::face::MOST_QUESTION;
            Err(Failure::bad_request(format!("params: expected up to {most} bytes")))
        }
        Some(face) => Ok(face.ask(question)),
    };
    async move {
        match asked?.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(NotAsked::NotReady)) => Err(not_ready()),
            Ok(Err(NotAsked::UnknownRefusal)) => Err(Failure::bad_request(
                "params.uniqueId: expected that of a refusal of the last minutes",
            )),
            Err(Undone::Full) => Err(Failure::device_busy(words::BUSY, "too many face calls wait")),
            Err(Undone::Trouble(trouble)) => Err(failure(trouble)),
        }
    }
}

fn recognised(answer: Answer) -> Result<FaceInfo, Failure> {
    match answer {
        Answer::Person(Person { alipay_uid, ftoken, vid, auth_code }) => Ok(FaceInfo {
            alipay_uid,
            code: 1000,
            ext_info: ext_info(&auth_code),
            ftoken,
            isv_result: true,
            sub_code: String::new(),
            sub_message: String::new(),
            vid,
        }),
        Answer::No(No::Said { message, whole, .. }) => {
            Err(not_recognised(message.unwrap_or_else(|| words::NO.to_owned()), &whole))
        }
        other => Err(odd(other)),
    }
}

/// The vendor's words for a comparison before the engine is ready.
fn not_ready() -> Failure {
    #[derive(Serialize)]
    struct Origin {
        code: &'static str,
        message: &'static str,
    }
    let origin = to_raw_value(&Origin { code: NOT_READY, message: words::NOT_READY });
    // Two texts have no way to fail to be written.
    let origin = origin.unwrap_or_else(|_| RawValue::NULL.to_owned());
    not_recognised(words::NOT_READY.to_owned(), &origin)
}

/// An answer that is none, with all of it.
fn odd(answer: Answer) -> Failure {
    match answer {
        Answer::No(No::Odd { whole, .. }) => not_recognised(words::SYSTEM.to_owned(), &whole),
        _ => Failure::internal("the answer to another question"),
    }
}

/// The engine does not work: absent, or it did not answer.
fn failure(trouble: Trouble) -> Failure {
    WORDS.failure(trouble)
}
