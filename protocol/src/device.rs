//! The kiosk itself: what it is, its buzzer, and the bars and exit of its shell.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::action::{Action, Empty, Nature, NoParams};
use crate::lenient;

/// `getDeviceInfo`: serial number, model, versions, address.
pub struct GetDeviceInfo;

/// `startBuzzer`: one beep.
pub struct StartBuzzer;

/// `deviceConfig`: closes the mini-program, hides or shows the shell's bars; for this run only.
pub struct DeviceConfig;

/// The data of `getDeviceInfo`; what is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceInfo {
    /// The serial number.
    pub sn: String,
    /// The model.
    pub device_model: String,
    /// The version of the app; ours.
    pub app_version: String,
    /// The version of the operating system.
    pub android_version: String,
    /// The kiosk's address.
    #[serde(rename = "deviceIP")]
    pub device_ip: String,
    /// The firmware. The vendor's spelling.
    #[serde(rename = "devicedDisplay")]
    pub deviced_display: String,
}

/// How long to beep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct BuzzerParams {
    /// In ms, required, 1 to [`MAX_BEEP_MS`].
    #[serde(deserialize_with = "beep")]
    pub beep: u32,
}

/// The longest beep: a minute. The vendor gives none; without one a slip of a program would sound
/// for weeks, as nothing stops a beep.
pub const MAX_BEEP_MS: u32 = 60_000;

/// What is wanted of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceConfigParams {
    /// `deviceConfig`, required.
    #[serde(deserialize_with = "lenient::object")]
    pub device_config: ShellWishes,
}

/// What is wanted of the shell, and in the same form the event that tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShellWishes {
    /// `exitApplet`, written as 1: close the mini-program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_applet: Option<Exit>,
    /// `hideNavigationBar`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hide_navigation_bar: Option<Bar>,
    /// `hindeNotificationBar`, the vendor's spelling; `hideNotificationBar` is read as well.
    #[serde(rename = "hindeNotificationBar", skip_serializing_if = "Option::is_none")]
    pub hide_notification_bar: Option<Bar>,
}

/// The only value of `exitApplet`: 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "u8")]
pub struct Exit;

/// What becomes of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "u8")]
pub enum Bar {
    /// 1
    Hide,
    /// 2
    Show,
}

impl Action for GetDeviceInfo {
    const NAME: &'static str = "getDeviceInfo";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = DeviceInfo;
}

impl Action for StartBuzzer {
    const NAME: &'static str = "startBuzzer";
    const NATURE: Nature = Nature::Act;
    type Params = BuzzerParams;
    type Data = Empty;
}

impl Action for DeviceConfig {
    const NAME: &'static str = "deviceConfig";
    const NATURE: Nature = Nature::Act;
    type Params = DeviceConfigParams;
    type Data = Empty;
}

impl From<Exit> for u8 {
    fn from(_: Exit) -> Self {
        1
    }
}

impl From<Bar> for u8 {
    fn from(bar: Bar) -> Self {
        match bar {
            Bar::Hide => 1,
            Bar::Show => 2,
        }
    }
}

impl<'de> Deserialize<'de> for ShellWishes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            #[serde(default, deserialize_with = "exit")]
            exit_applet: Option<Exit>,
            #[serde(default, deserialize_with = "bar")]
            hide_navigation_bar: Option<Bar>,
            #[serde(default, deserialize_with = "bar")]
            hinde_notification_bar: Option<Bar>,
            #[serde(default, deserialize_with = "bar")]
            hide_notification_bar: Option<Bar>,
        }
        let fields = Fields::deserialize(deserializer)?;
        Ok(Self {
            exit_applet: fields.exit_applet,
            hide_navigation_bar: fields.hide_navigation_bar,
            hide_notification_bar: fields.hinde_notification_bar.or(fields.hide_notification_bar),
        })
    }
}

fn beep<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    lenient::ranged(deserializer, 1..=MAX_BEEP_MS)?
        .ok_or_else(|| D::Error::custom("expected a whole number"))
}

fn exit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Exit>, D::Error> {
    lenient::ranged(deserializer, 1..=1_u8).map(|one| one.map(|_| Exit))
}

fn bar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bar>, D::Error> {
    let bar = lenient::ranged(deserializer, 1..=2_u8)?;
    Ok(bar.map(|bar| if bar == 1 { Bar::Hide } else { Bar::Show }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accepted, refused};

    fn wishes(json: &str) -> ShellWishes {
        accepted::<DeviceConfigParams>(&format!(r#"{{"deviceConfig":{json}}}"#)).device_config
    }

    #[test]
    fn a_beep_is_in_milliseconds_and_required() {
        for json in [r#"{"beep":50}"#, r#"{"beep":"50"}"#, r#"{"beep":50.0}"#] {
            assert_eq!(accepted::<BuzzerParams>(json).beep, 50, "{json}");
        }
        for json in ["{}", r#"{"beep":null}"#, r#"{"beep":0}"#, r#"{"beep":-1}"#] {
            refused::<BuzzerParams>(json);
        }
        assert_eq!(
            refused::<BuzzerParams>(r#"{"beep":60001}"#),
            "params.beep: expected a whole number from 1 to 60000"
        );
    }

    #[test]
    fn every_wish_may_be_left_out() {
        assert_eq!(wishes("{}"), ShellWishes::default());
        assert_eq!(
            wishes(r#"{"exitApplet":"1","hideNavigationBar":"2","hindeNotificationBar":1}"#),
            ShellWishes {
                exit_applet: Some(Exit),
                hide_navigation_bar: Some(Bar::Show),
                hide_notification_bar: Some(Bar::Hide),
            }
        );
    }

    #[test]
    fn the_notification_bar_is_read_under_both_spellings_and_the_vendors_wins() {
        let bar = |json| wishes(json).hide_notification_bar;
        assert_eq!(bar(r#"{"hideNotificationBar":2}"#), Some(Bar::Show));
        assert_eq!(bar(r#"{"hideNotificationBar":2,"hindeNotificationBar":1}"#), Some(Bar::Hide));
        assert_eq!(
            bar(r#"{"hindeNotificationBar":null,"hideNotificationBar":2}"#),
            Some(Bar::Show)
        );
    }

    #[test]
    fn other_values_are_refused_by_their_key() {
        for (json, key) in [
            (r#"{"exitApplet":2}"#, "exitApplet"),
            (r#"{"hideNavigationBar":3}"#, "hideNavigationBar"),
            (r#"{"hindeNotificationBar":true}"#, "hindeNotificationBar"),
        ] {
            let detail = refused::<DeviceConfigParams>(&format!(r#"{{"deviceConfig":{json}}}"#));
            assert!(detail.starts_with(&format!("params.deviceConfig.{key}: ")), "{detail}");
        }
        refused::<DeviceConfigParams>("{}");
        refused::<DeviceConfigParams>(r#"{"deviceConfig":[1,1,1]}"#);
    }

    #[test]
    fn wishes_are_written_in_the_vendors_keys() {
        let wishes = ShellWishes {
            exit_applet: Some(Exit),
            hide_navigation_bar: None,
            hide_notification_bar: Some(Bar::Show),
        };
        assert_eq!(
            serde_json::to_string(&wishes).unwrap(),
            r#"{"exitApplet":1,"hindeNotificationBar":2}"#
        );
    }
}
