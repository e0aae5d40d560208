//! Every way in which an answer can be no, and its words.
//!
//! Two families: what the vendor's document prescribes to the byte ([`Failure::Timeout`],
//! [`Failure::Cancelled`], [`Failure::Documented`]), and all the rest ([`Failure::Error`]), whose
//! `data` is `{"error":{"kind","detail"}}`. The daemon's handlers make them, `frame` writes them.
//!
//! A failure's texts go to logs. So whoever makes one keeps personal data out of `message` and
//! `detail`; the `data` of a documented failure may hold some (an enrolment number, a card's
//! answer), and is therefore never printed by `Debug` or `Display`.

use std::borrow::Cow;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::action::Empty;

/// What sort of thing went wrong, for a program to branch on. Written in `snake_case`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The request is wrong in itself; sent again it will fail again.
    BadRequest,
    /// The request is understood and the operator's policy does not allow it.
    Forbidden,
    /// This kiosk or this driver cannot do it, now or ever.
    Unsupported,
    /// The device is not configured, not plugged in or switched off.
    DeviceUnavailable,
    /// The device is there and has too much to do; try again later.
    DeviceBusy,
    /// The device tried and did not succeed (paper out, bad read).
    DeviceFailed,
    /// A mistake of the daemon's own.
    Internal,
}

/// Why a request is answered with `success:false`.
#[derive(Clone, thiserror::Error)]
pub enum Failure {
    /// The call's time limit has passed: `超时`, `data:{}`.
    #[error("timed out")]
    Timeout,
    /// The call was closed or superseded: `取消`, `data:{}`.
    #[error("cancelled")]
    Cancelled,
    /// A failure whose words and data the vendor's document fixes.
    #[error("documented failure: {message}")]
    Documented {
        /// The reply's `message`.
        message: Cow<'static, str>,
        /// The reply's `data`, as it goes out.
        data: Box<RawValue>,
    },
    /// Every other failure.
    #[error("{}: {detail}", kind.as_str())]
    Error {
        /// For programs.
        kind: Kind,
        /// For the person at the counter: Chinese, and something can be done about it.
        message: Cow<'static, str>,
        /// For the technician: English, without personal data.
        detail: String,
    },
}

/// A failure's `data`, written straight into a frame.
pub(crate) struct FailureData<'a>(pub(crate) &'a Failure);

impl Kind {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Forbidden => "forbidden",
            Self::Unsupported => "unsupported",
            Self::DeviceUnavailable => "device_unavailable",
            Self::DeviceBusy => "device_busy",
            Self::DeviceFailed => "device_failed",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Failure {
    /// The request itself is wrong. `detail` names the key and what is allowed, never the value.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::error(Kind::BadRequest, "请求参数有误,请联系小程序开发人员", detail)
    }

    /// The operator's policy says no.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::error(Kind::Forbidden, "没有权限执行该操作,请联系管理员", detail)
    }

    /// This kiosk cannot do it.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::error(Kind::Unsupported, "本机不支持该功能,请联系管理员", detail)
    }

    /// The device is not there; `message` says in Chinese which one and what to do.
    pub fn device_unavailable(
        message: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self::error(Kind::DeviceUnavailable, message, detail)
    }

    /// The device has too much to do; `message` says in Chinese which one.
    pub fn device_busy(message: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::error(Kind::DeviceBusy, message, detail)
    }

    /// The device did not succeed; `message` says in Chinese what a clerk can do.
    pub fn device_failed(message: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::error(Kind::DeviceFailed, message, detail)
    }

    /// A mistake of the daemon's own.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::error(Kind::Internal, "系统内部错误,请重试或联系管理员", detail)
    }

    /// Any kind with any words.
    pub fn error(
        kind: Kind,
        message: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self::Error { kind, message: message.into(), detail: detail.into() }
    }

    /// A failure whose `data` the vendor fixes. Data that cannot be written as JSON (our mistake)
    /// makes it an internal failure instead.
    pub fn documented<T: Serialize + ?Sized>(
        message: impl Into<Cow<'static, str>>,
        data: &T,
    ) -> Self {
        match to_raw_value(data) {
            Ok(data) => Self::Documented { message: message.into(), data },
            Err(error) => Self::internal(format!("a failure's data is no JSON: {error}")),
        }
    }

    /// The reply's `message`.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Timeout => "超时",
            Self::Cancelled => "取消",
            Self::Documented { message, .. } | Self::Error { message, .. } => message,
        }
    }

    /// The reply's `data`.
    #[must_use]
    pub fn data(&self) -> Box<RawValue> {
        // Plain strings and raw JSON have no way to fail; `null` only satisfies the types.
        to_raw_value(&FailureData(self)).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }

    /// The kind, where it is one of ours.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        match self {
            Self::Error { kind, .. } => Some(*kind),
            Self::Timeout | Self::Cancelled | Self::Documented { .. } => None,
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({self})")
    }
}

impl Serialize for FailureData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Error<'a> {
            kind: Kind,
            detail: &'a str,
        }
        match self.0 {
            Failure::Timeout | Failure::Cancelled => Empty {}.serialize(serializer),
            Failure::Documented { data, .. } => data.serialize(serializer),
            Failure::Error { kind, detail, .. } => {
                let mut data = serializer.serialize_struct("FailureData", 1)?;
                data.serialize_field("error", &Error { kind: *kind, detail })?;
                data.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_and_a_cancellation_carry_the_vendors_words_and_no_data() {
        assert_eq!((Failure::Timeout.message(), Failure::Timeout.data().get()), ("超时", "{}"));
        assert_eq!((Failure::Cancelled.message(), Failure::Cancelled.data().get()), ("取消", "{}"));
    }

    #[test]
    fn an_error_says_its_kind_and_detail_in_data_and_its_words_in_message() {
        let failure = Failure::device_failed("打印机缺纸,请加纸", "paper end sensor");
        assert_eq!(failure.message(), "打印机缺纸,请加纸");
        assert_eq!(
            failure.data().get(),
            r#"{"error":{"kind":"device_failed","detail":"paper end sensor"}}"#
        );
    }

    #[test]
    fn every_kind_has_one_word_which_serde_writes_too() {
        for kind in [
            Kind::BadRequest,
            Kind::Forbidden,
            Kind::Unsupported,
            Kind::DeviceUnavailable,
            Kind::DeviceBusy,
            Kind::DeviceFailed,
            Kind::Internal,
        ] {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }

    #[test]
    fn a_documented_failure_keeps_its_data_out_of_debug_and_display() {
        let failure = Failure::documented("失败", &["张三"]);
        assert_eq!(failure.data().get(), r#"["张三"]"#);
        assert!(!format!("{failure} {failure:?}").contains("张三"));
    }
}
