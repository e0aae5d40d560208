//! The social-security card: one read, and the channel of all readings.
//!
//! The data holds a person's card, so it has no `Debug` and reaches no log.

use serde::Serialize;

use crate::action::{Action, Channel, Empty, Nature, NoParams};

/// `getSocialSecurityCardInfo`: waits for one card.
pub struct GetSocialSecurityCardInfo;

/// `socialSecurityCardConfig`: readies the reader and opens the channel; answers nothing.
pub struct SocialSecurityCardConfig;

/// `socialSecurityCardListener`: every card read. `on` alone opens it as well.
pub struct SocialSecurityCardListener;

/// A card's contents; what the card does not say is empty.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SocialSecurityCardInfo {
    /// The card's number.
    pub card_number: String,
    /// The holder's name.
    pub name: String,
    /// `男`, `女`, …
    pub sex: String,
    /// The social-security number.
    pub id_number: String,
    /// `YYYYMMDD`.
    pub birth_date: String,
    /// `YYYYMMDD`.
    pub issue_date: String,
    /// `YYYYMMDD`.
    pub expire_date: String,
    /// The nation.
    pub nation: String,
    /// The code of the issuing city.
    pub city_code: String,
    /// The address.
    pub address: String,
    /// The version of the specification that the card follows.
    pub full_version: String,
}

impl Action for GetSocialSecurityCardInfo {
    const NAME: &'static str = "getSocialSecurityCardInfo";
    const NATURE: Nature = Nature::Waits;
    type Params = NoParams;
    type Data = SocialSecurityCardInfo;
}

impl Action for SocialSecurityCardConfig {
    const NAME: &'static str = "socialSecurityCardConfig";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = Empty;
}

impl Channel for SocialSecurityCardListener {
    const NAME: &'static str = "socialSecurityCardListener";
    type Event = SocialSecurityCardInfo;
}
