//! The ID card: `getIDCardInfo`, `closeIDCardInfo`, and the channel of all readings.
//!
//! The data types here hold a person's card, so they have no `Debug` and reach no log.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::action::{Action, Channel, Empty, Nature, NoParams};

/// `getIDCardInfo`: waits for one card.
pub struct GetIdCardInfo;

/// `closeIDCardInfo`: ends this connection's waiting `getIDCardInfo` calls.
pub struct CloseIdCardInfo;

/// `initIDCardListener`: every card read, all parts.
pub struct IdCardListener;

/// What of the card is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InfoParams {
    /// `infoType`, comma-separated; left out means all.
    #[serde(default, deserialize_with = "parts")]
    pub info_type: InfoParts,
}

/// A set of the three parts of a card's information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoParts {
    base: bool,
    photo: bool,
    other: bool,
}

/// A card's contents. A field of a part that is not wanted is `None` and is not written.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdCardInfo {
    /// Part `base`: the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Part `base`: the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_num: Option<String>,
    /// Part `other`: who issued the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_organization: Option<String>,
    /// Part `other`: the newest address as the chip has it, full-width digits included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Part `other`: the nation without 族, or a foreigner's nationality.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nation: Option<String>,
    /// Part `other`: `男`, `女`, `未知` or `未说明`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sex: Option<String>,
    /// Part `other`: first day, `YYYYMMDD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begin_time: Option<String>,
    /// Part `other`: last day, `YYYYMMDD` or `长期`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// Part `other`: `YYYYMMDD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
    /// Part `photo`: a JPEG in base64 without line breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photo_base64: Option<String>,
    /// Part `photo`: the chip's own WLT picture in base64, where there is no JPEG of it. Ours, not
    /// the vendor's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photo_wlt_base64: Option<String>,
}

impl Action for GetIdCardInfo {
    const NAME: &'static str = "getIDCardInfo";
    const NATURE: Nature = Nature::Waits;
    type Params = InfoParams;
    type Data = IdCardInfo;
}

impl Action for CloseIdCardInfo {
    const NAME: &'static str = "closeIDCardInfo";
    const NATURE: Nature = Nature::Act;
    const REPLY_EVENT: Option<&'static str> = Some("close");
    type Params = NoParams;
    type Data = Empty;
}

impl Channel for IdCardListener {
    const NAME: &'static str = "initIDCardListener";
    type Event = IdCardInfo;
}

impl InfoParts {
    /// All three parts.
    pub const ALL: Self = Self { base: true, photo: true, other: true };

    /// Whether `name` and `idNum` are wanted.
    #[must_use]
    pub const fn wants_base(self) -> bool {
        self.base
    }

    /// Whether the photo is wanted; decoding it costs time.
    #[must_use]
    pub const fn wants_photo(self) -> bool {
        self.photo
    }

    /// Whether the remaining printed fields are wanted.
    #[must_use]
    pub const fn wants_other(self) -> bool {
        self.other
    }

    /// Reads a comma-separated list. Blanks around the commas and empty places are passed over; a
    /// list without any part means all. `None` for a part that does not exist.
    fn parse(list: &str) -> Option<Self> {
        let mut parts = Self { base: false, photo: false, other: false };
        for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part {
                "base" => parts.base = true,
                "photo" => parts.photo = true,
                "other" => parts.other = true,
                _ => return None,
            }
        }
        let none = !(parts.base || parts.photo || parts.other);
        Some(if none { Self::ALL } else { parts })
    }
}

impl Default for InfoParts {
    fn default() -> Self {
        Self::ALL
    }
}

impl IdCardInfo {
    /// Only what is wanted of it.
    #[must_use]
    pub fn only(self, parts: InfoParts) -> Self {
        let base = |field: Option<String>| field.filter(|_| parts.base);
        let photo = |field: Option<String>| field.filter(|_| parts.photo);
        let other = |field: Option<String>| field.filter(|_| parts.other);
        Self {
            name: base(self.name),
            id_num: base(self.id_num),
            signing_organization: other(self.signing_organization),
            address: other(self.address),
            nation: other(self.nation),
            sex: other(self.sex),
            begin_time: other(self.begin_time),
            end_time: other(self.end_time),
            birth_date: other(self.birth_date),
            photo_base64: photo(self.photo_base64),
            photo_wlt_base64: photo(self.photo_wlt_base64),
        }
    }
}

fn parts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<InfoParts, D::Error> {
    let Some(list) = Option::<String>::deserialize(deserializer)? else {
        return Ok(InfoParts::ALL);
    };
    InfoParts::parse(&list).ok_or_else(|| D::Error::custom("expected parts of base,photo,other"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accepted, refused};

    fn check(json: &str, base: bool, photo: bool, other: bool) {
        let parts = accepted::<InfoParams>(json).info_type;
        let wants = (parts.wants_base(), parts.wants_photo(), parts.wants_other());
        assert_eq!(wants, (base, photo, other), "{json}");
    }

    #[test]
    fn info_type_selects_parts_and_left_out_means_all() {
        check(r#"{"infoType":"base,photo,other"}"#, true, true, true);
        check(r#"{"infoType":"base"}"#, true, false, false);
        check(r#"{"infoType":" other , photo,"}"#, false, true, true);
        for all in ["{}", "null", r#"{"infoType":null}"#, r#"{"infoType":""}"#] {
            check(all, true, true, true);
        }
    }

    #[test]
    fn a_part_that_does_not_exist_is_refused_by_its_key() {
        for json in [r#"{"infoType":"base,foto"}"#, r#"{"infoType":"Base"}"#] {
            assert_eq!(
                refused::<InfoParams>(json),
                "params.infoType: expected parts of base,photo,other"
            );
        }
        refused::<InfoParams>(r#"{"infoType":["base"]}"#);
    }

    #[test]
    fn only_the_wanted_parts_are_written() {
        let card = IdCardInfo {
            name: Some("张三".to_owned()),
            sex: Some("男".to_owned()),
            photo_base64: Some("AA==".to_owned()),
            ..IdCardInfo::default()
        };
        for (list, expected) in [
            ("base", r#"{"name":"张三"}"#),
            ("other", r#"{"sex":"男"}"#),
            ("photo", r#"{"photoBase64":"AA=="}"#),
        ] {
            let parts = InfoParts::parse(list).unwrap();
            assert_eq!(serde_json::to_string(&card.clone().only(parts)).unwrap(), expected);
        }
    }
}
