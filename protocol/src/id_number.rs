//! The typed ID number: the kiosk shows a keypad and waits.
//!
//! The data is a person's number, so it has no `Debug` and reaches no log.

use serde::Serialize;

use crate::action::{Action, Empty, Nature, NoParams};
use crate::face;
use crate::failure::Failure;

/// `enterIDNumber`: waits for a typed number.
pub struct EnterIdNumber;

/// What was typed, with what a face provider knows of that person.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypedIdNumber {
    /// The number.
    pub id_num: String,
    /// Empty without a face provider.
    pub alipay_uid: String,
    /// 1000.
    pub code: i64,
    /// A JSON string with an empty `authCode`.
    pub ext_info: String,
    /// Empty without a face provider.
    pub ftoken: String,
    /// True.
    pub isv_result: bool,
    /// `OK_SUCCESS`.
    pub sub_code: String,
    /// `SUCCESS`.
    pub sub_message: String,
    /// Empty without a face provider.
    pub vid: String,
}

impl TypedIdNumber {
    /// A number typed where no face provider says more about the person.
    #[must_use]
    pub fn new(id_num: String) -> Self {
        Self {
            id_num,
            alipay_uid: String::new(),
            code: 1000,
            ext_info: face::ext_info(""),
            ftoken: String::new(),
            isv_result: true,
            sub_code: "OK_SUCCESS".to_owned(),
            sub_message: "SUCCESS".to_owned(),
            vid: String::new(),
        }
    }
}

impl Action for EnterIdNumber {
    const NAME: &'static str = "enterIDNumber";
    const NATURE: Nature = Nature::Waits;
    type Params = NoParams;
    type Data = TypedIdNumber;

    /// The vendor has words of its own for this action's time limit.
    fn refuse(failure: Failure) -> Failure {
        match failure {
            Failure::Timeout => Failure::documented("手输证件号超时", &Empty {}),
            other => other,
        }
    }
}

/// The person pressed cancel. Closed by the program it is [`Failure::Cancelled`].
#[must_use]
pub fn cancelled_by_person() -> Failure {
    Failure::documented("取消手输证件号", &Empty {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_time_limit_and_its_cancel_key_have_words_of_their_own() {
        let words = |failure: Failure| (failure.message().to_owned(), failure.data().to_string());
        let timeout = EnterIdNumber::refuse(Failure::Timeout);
        assert_eq!(words(timeout), ("手输证件号超时".to_owned(), "{}".to_owned()));
        let person = EnterIdNumber::refuse(cancelled_by_person());
        assert_eq!(words(person), ("取消手输证件号".to_owned(), "{}".to_owned()));
        let program = EnterIdNumber::refuse(Failure::Cancelled);
        assert_eq!(words(program), ("取消".to_owned(), "{}".to_owned()));
    }

    #[test]
    fn without_a_face_provider_only_the_number_is_filled_in() {
        assert_eq!(
            serde_json::to_string(&TypedIdNumber::new("11010519491231002X".to_owned())).unwrap(),
            concat!(
                r#"{"idNum":"11010519491231002X","alipayUid":"","code":1000,"#,
                r#""extInfo":"{\"authCode\":\"\"}","ftoken":"","isvResult":true,"#,
                r#""subCode":"OK_SUCCESS","subMessage":"SUCCESS","vid":""}"#
            )
        );
    }
}
