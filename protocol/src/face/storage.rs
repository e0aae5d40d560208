//! Enrolment of a face: `doStorageFaceInfo`, the one action whose `data` is a JSON *string*, in
//! failures too.

use serde::{Deserialize, Serialize, Serializer};

use crate::action::{Action, Nature};
use crate::failure::{Failure, Kind};

/// `doStorageFaceInfo`: enrols a face.
pub struct DoStorageFaceInfo;

/// Whom to enrol where.
#[derive(Clone, Deserialize)]
#[serde(try_from = "StorageFields")]
pub struct StorageParams {
    /// The merchant's app.
    pub appid: String,
    /// The institution.
    pub org_out_id: String,
    /// The component.
    pub component_out_id: String,
    /// The provider.
    pub isv_pid: String,
    /// By face alone, or by the person's data.
    pub path: StoragePath,
}

/// The two ways to enrol.
#[derive(Clone)]
pub enum StoragePath {
    /// The person agrees in front of the camera.
    Face,
    /// The person refused that; data was typed or read from the ID card.
    Person(Person),
}

/// The data of the second path.
#[derive(Clone)]
pub struct Person {
    /// What the refusal of the first path returned.
    pub unique_id: String,
    /// The name.
    pub name: String,
    /// The ID number.
    pub cert_no: String,
    /// The telephone number.
    pub phone: Option<String>,
}

/// An enrolment; written as a JSON string.
#[derive(Clone, PartialEq, Eq)]
pub enum StorageSuccess {
    /// A new user who has agreed.
    New {
        /// The account.
        uid: String,
        /// The face.
        ftoken: String,
        /// Single-use.
        auth_code: String,
        /// The person in the merchant's library.
        vid: String,
        /// The business.
        biz_id: String,
    },
    /// A user who was known already.
    Known {
        /// The face.
        ftoken: String,
        /// The account.
        uid: String,
        /// The person in the merchant's library.
        vid: String,
    },
}

/// Why nobody was enrolled.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageFailure {
    /// The reason.
    pub sub_code: SubCode,
    /// With [`SubCode::REFUSED`]: what the second path must carry.
    pub unique_id: Option<String>,
}

/// One row of the document's table of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubCode {
    /// `subCode`
    pub code: &'static str,
    /// `subMessage`
    pub message: &'static str,
}

impl SubCode {
    /// Enrolled.
    pub const SUCCESS: Self = Self::row("SUCCESS", "成功");
    /// Refused on the face path.
    pub const REFUSED: Self = Self::row("90001", "请走上传个人信息的链路");
    /// The 20 s countdown ended.
    pub const TIMEOUT: Self = Self::row("90002", "超时退出");
    /// The user closed the page.
    pub const LEFT: Self = Self::row("90003", "主动退出");
    /// A parameter is missing or does not belong to the path.
    pub const BAD_PARAMS: Self = Self::row("90004", "参数有误");
    /// The kiosk's network.
    pub const NETWORK: Self = Self::row("E60002", "网络异常");
    /// A system fault.
    pub const SYSTEM: Self = Self::row("E60001", "BPaaS Service系统异常");
    /// No face recognised.
    pub const NO_FACE: Self = Self::row("Z1208", "抱歉,无法认出你");

    /// The whole table.
    pub const ALL: [Self; 19] = [
        Self::SUCCESS,
        Self::REFUSED,
        Self::TIMEOUT,
        Self::LEFT,
        Self::BAD_PARAMS,
        Self::row("E90612", "ISV信息不存在"),
        Self::row("E90609", "ISV下线"),
        Self::row("E90604", "应用信息不存在"),
        Self::row("E90201", "组件不存在"),
        Self::row("E90204", "组件下线"),
        Self::row("E90506", "只支持机构刷脸入库"),
        Self::row("E90301", "机构信息不存在"),
        Self::row("E90306", "机构下线"),
        Self::row("E90305", "机构关联的身份验证表信息不存在"),
        Self::row("E90703", "未签约"),
        Self::NETWORK,
        Self::SYSTEM,
        Self::row("Z1006", "刷脸重试次数超过阈值"),
        Self::NO_FACE,
    ];

    /// The row with that code.
    #[must_use]
    pub fn find(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|row| row.code == code)
    }

    const fn row(code: &'static str, message: &'static str) -> Self {
        Self { code, message }
    }
}

impl Action for DoStorageFaceInfo {
    const NAME: &'static str = "doStorageFaceInfo";
    const NATURE: Nature = Nature::Act;
    type Params = StorageParams;
    type Data = StorageSuccess;

    /// Every failure as a row of the table.
    fn refuse(failure: Failure) -> Failure {
        let sub_code = match failure {
            Failure::Documented { .. } => return failure,
            Failure::Timeout => SubCode::TIMEOUT,
            Failure::Cancelled => SubCode::LEFT,
            Failure::Error { kind: Kind::BadRequest, .. } => SubCode::BAD_PARAMS,
            Failure::Error { .. } => SubCode::SYSTEM,
        };
        StorageFailure { sub_code, unique_id: None }.into()
    }
}

impl From<StorageFailure> for Failure {
    fn from(failure: StorageFailure) -> Self {
        Self::documented("失败", &failure)
    }
}

/// What stands in `data`, before it becomes a string.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<E> {
    event_type: &'static str,
    event_data: E,
}

impl<E: Serialize> Outcome<E> {
    fn write<S: Serializer>(event_data: E, serializer: S) -> Result<S::Ok, S::Error> {
        let outcome = Self { event_type: "rocketResult", event_data };
        let text = serde_json::to_string(&outcome).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl Serialize for StorageSuccess {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct New<'a> {
            uid: &'a str,
            ftoken: &'a str,
            auth_code: &'a str,
            vid: &'a str,
            sub_code: &'a str,
            sub_message: &'a str,
            biz_id: &'a str,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Known<'a> {
            ftoken: &'a str,
            uid: &'a str,
            vid: &'a str,
            sub_code: &'a str,
            sub_message: &'a str,
        }
        let SubCode { code: sub_code, message: sub_message } = SubCode::SUCCESS;
        match self {
            Self::New { uid, ftoken, auth_code, vid, biz_id } => Outcome::write(
                New { uid, ftoken, auth_code, vid, sub_code, sub_message, biz_id },
                serializer,
            ),
            Self::Known { ftoken, uid, vid } => {
                Outcome::write(Known { ftoken, uid, vid, sub_code, sub_message }, serializer)
            }
        }
    }
}

impl Serialize for StorageFailure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct EventData<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            unique_id: Option<&'a str>,
            sub_code: &'a str,
            sub_message: &'a str,
        }
        let data = EventData {
            unique_id: self.unique_id.as_deref(),
            sub_code: self.sub_code.code,
            sub_message: self.sub_code.message,
        };
        Outcome::write(data, serializer)
    }
}

/// The keys as they stand on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StorageFields {
    appid: String,
    org_out_id: String,
    component_out_id: String,
    isv_pid: String,
    unique_id: Option<String>,
    name: Option<String>,
    cert_no: Option<String>,
    phone: Option<String>,
}

impl TryFrom<StorageFields> for StorageParams {
    type Error = &'static str;

    /// Any key of the second path makes it the second path, and then its three are required. An
    /// `uniqueId` on the face path is thereby a second path without a name.
    fn try_from(fields: StorageFields) -> Result<Self, Self::Error> {
        let path = match (fields.unique_id, fields.name, fields.cert_no, fields.phone) {
            (None, None, None, None) => StoragePath::Face,
            (Some(unique_id), Some(name), Some(cert_no), phone) => {
                StoragePath::Person(Person { unique_id, name, cert_no, phone })
            }
            _ => return Err("expected uniqueId, name and certNo together, or none of them"),
        };
        Ok(Self {
            appid: fields.appid,
            org_out_id: fields.org_out_id,
            component_out_id: fields.component_out_id,
            isv_pid: fields.isv_pid,
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accepted, refused};

    fn with(rest: &str) -> String {
        format!(r#"{{"appid":"a","orgOutId":"o","componentOutId":"c","isvPid":"i"{rest}}}"#)
    }

    #[test]
    fn four_keys_alone_are_the_face_path() {
        for rest in ["", r#","uniqueId":null,"phone":null"#] {
            let params: StorageParams = accepted(&with(rest));
            assert!(matches!(params.path, StoragePath::Face), "{rest}");
        }
        refused::<StorageParams>(r#"{"appid":"a","orgOutId":"o","componentOutId":"c"}"#);
    }

    #[test]
    fn any_key_of_the_second_path_makes_it_that_and_needs_the_others() {
        let whole = r#","uniqueId":"5","name":"张三","certNo":"11010519491231002X""#;
        let StoragePath::Person(person) = accepted::<StorageParams>(&with(whole)).path else {
            panic!("the face path")
        };
        assert_eq!((person.unique_id.as_str(), person.phone), ("5", None));
        for rest in [
            r#","uniqueId":"5""#,
            r#","name":"张三""#,
            r#","phone":"1""#,
            r#","name":"张三","certNo":"11010519491231002X""#,
        ] {
            assert_eq!(
                refused::<StorageParams>(&with(rest)),
                "params: expected uniqueId, name and certNo together, or none of them"
            );
        }
    }

    #[test]
    fn every_failure_becomes_a_row_of_the_table() {
        for (failure, code) in [
            (Failure::bad_request("x"), "90004"),
            (Failure::device_unavailable("没有", "x"), "E60001"),
            (Failure::unsupported("x"), "E60001"),
            (Failure::internal("x"), "E60001"),
            (Failure::Timeout, "90002"),
            (Failure::Cancelled, "90003"),
        ] {
            let said = DoStorageFaceInfo::refuse(failure);
            let text: String = serde_json::from_str(said.data().get()).unwrap();
            let message = SubCode::find(code).unwrap().message;
            assert_eq!(said.message(), "失败");
            assert_eq!(
                text,
                format!(
                    r#"{{"eventType":"rocketResult","eventData":{{"subCode":"{code}","subMessage":"{message}"}}}}"#
                )
            );
        }
    }

    #[test]
    fn a_failure_that_is_a_row_already_stays_as_it_is() {
        let refused = StorageFailure {
            sub_code: SubCode::REFUSED,
            unique_id: Some("5644040309543232".to_owned()),
        };
        let said = DoStorageFaceInfo::refuse(refused.into());
        assert!(said.data().get().contains(r#"\"uniqueId\":\"5644040309543232\""#));
    }
}
