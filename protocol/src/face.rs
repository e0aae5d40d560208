//! Faces: `initFace`, the two comparisons, and enrolment (`doStorageFaceInfo`, in a file of its own).
//!
//! These types hold a person's name, number and photo, so they have no `Debug` and reach no log.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::action::{Action, Empty, Nature, NoParams};
use crate::failure::Failure;
use crate::picture::Picture;

mod storage;

pub use storage::{
    DoStorageFaceInfo, Person, StorageFailure, StorageParams, StoragePath, StorageSuccess, SubCode,
};

/// `initFace`: readies the face engine, for the daemon's whole run.
pub struct InitFace;

/// `getFaceInfo`: who is this? (1:N)
pub struct GetFaceInfo;

/// `getFaceInfoPersonCard`: is this the person of that card? (1:1)
pub struct GetFaceInfoPersonCard;

/// How to ready the engine.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitParams {
    /// Handed through to the engine.
    pub service_id: Option<String>,
    /// Handed through to the engine.
    pub query: Option<String>,
    /// Required: what is asked of the person, comma-separated. Blanks are refused: with one in it
    /// the person is not asked for all, as the vendor's document warns.
    #[serde(deserialize_with = "scope")]
    pub scope: String,
}

/// Whom to compare with.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonParams {
    /// Required: the name.
    pub cert_name: String,
    /// Required: the ID number.
    pub cert_no: String,
    /// `certPhotoBase64Str`: the photo; not decoded yet.
    #[serde(rename = "certPhotoBase64Str")]
    pub cert_photo: Option<Picture>,
}

/// A face that was recognised.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceInfo {
    /// The person's account.
    pub alipay_uid: String,
    /// 1000.
    pub code: i64,
    /// A JSON string; see [`ext_info`].
    pub ext_info: String,
    /// The engine's token for this face.
    pub ftoken: String,
    /// True.
    pub isv_result: bool,
    /// Empty.
    pub sub_code: String,
    /// Empty.
    pub sub_message: String,
    /// The person in the merchant's library.
    pub vid: String,
}

impl Action for InitFace {
    const NAME: &'static str = "initFace";
    const NATURE: Nature = Nature::Act;
    type Params = InitParams;
    type Data = Empty;
}

impl Action for GetFaceInfo {
    const NAME: &'static str = "getFaceInfo";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = FaceInfo;
}

impl Action for GetFaceInfoPersonCard {
    const NAME: &'static str = "getFaceInfoPersonCard";
    const NATURE: Nature = Nature::Act;
    type Params = PersonParams;
    type Data = FaceInfo;
}

/// The value of `extInfo`: a JSON string with the single-use code in it, empty for 1:1.
#[must_use]
pub fn ext_info(auth_code: &str) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ExtInfo<'a> {
        auth_code: &'a str,
    }
    // A string has no way to fail to be written.
    serde_json::to_string(&ExtInfo { auth_code }).unwrap_or_default()
}

/// A comparison that failed: `message` is what the engine wants shown, `origin` all that it
/// returned.
#[must_use]
pub fn not_recognised(message: String, origin: &RawValue) -> Failure {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data<'a> {
        origin_face_info: &'a RawValue,
    }
    Failure::documented(message, &Data { origin_face_info: origin })
}

fn scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let scope = String::deserialize(deserializer)?;
    if scope.is_empty() || scope.contains(char::is_whitespace) {
        return Err(D::Error::custom("expected scopes separated by commas, without blanks"));
    }
    Ok(scope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accepted, refused};

    #[test]
    fn only_the_scope_is_required_and_it_has_no_blanks() {
        let params: InitParams = accepted(r#"{"scope":"auth_user,yingpin","query":null}"#);
        assert_eq!(params.scope, "auth_user,yingpin");
        assert!(params.service_id.is_none() && params.query.is_none());
        assert_eq!(refused::<InitParams>("{}"), "params: missing field `scope`");
        for json in [r#"{"scope":""}"#, r#"{"scope":"auth_user, yingpin"}"#, r#"{"scope":null}"#] {
            assert!(refused::<InitParams>(json).starts_with("params.scope: "), "{json}");
        }
    }

    #[test]
    fn a_comparison_needs_name_and_number() {
        let params: PersonParams = accepted(r#"{"certName":"","certNo":""}"#);
        assert!(params.cert_photo.is_none());
        refused::<PersonParams>(r#"{"certName":"张三"}"#);
        refused::<PersonParams>(r#"{"certNo":"11010519491231002X"}"#);
    }

    #[test]
    fn the_auth_code_is_a_json_string_in_a_string() {
        assert_eq!(ext_info("5d\"c"), r#"{"authCode":"5d\"c"}"#);
    }

    #[test]
    fn a_failed_comparison_carries_all_that_the_engine_returned() {
        let origin: &RawValue = serde_json::from_str(r#"{"code":1003}"#).unwrap();
        let failure = not_recognised("刷脸失败".to_owned(), origin);
        assert_eq!(failure.message(), "刷脸失败");
        assert_eq!(failure.data().get(), r#"{"originFaceInfo":{"code":1003}}"#);
    }
}
