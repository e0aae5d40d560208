//! The shape of every action, channel and call, and the tables of all of them.
//!
//! A row of the protocol is a unit struct that implements [`Action`], [`Channel`] or [`Call`]: the
//! type carries the wire name, the params and the data, so that a handler for it cannot read or
//! answer anything else. [`ACTIONS`] and [`CHANNELS`] are built from these types and are what the
//! daemon's router looks names up in; nothing matches over action names.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

use crate::failure::Failure;
use crate::{
    bridge, code, cpu_card, device, face, id_card, id_number, infrared, microphone, operation,
    receipt, screen, social_security, speech,
};

/// How a call of an action lives, and so what `event:"close"` and a repeated `taskId` mean to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Answers at once or acts on the world. `close` is `bad_request`; never superseded.
    Act,
    /// Waits for a person. `close` ends it; a second call with the same `taskId` takes its place.
    Waits,
    /// Opens a channel. `close` ends it; a second call replaces the parameters.
    Listens,
}

/// One action of `ampeHHCommunication`.
pub trait Action: 'static {
    /// The wire's `action`.
    const NAME: &'static str;
    /// How a call of it lives.
    const NATURE: Nature;
    /// The reply's `event` where it is not the request's own.
    const REPLY_EVENT: Option<&'static str> = None;
    /// What `params` holds; read with [`params`](crate::frame::params).
    type Params: DeserializeOwned + Send + 'static;
    /// What a success's `data` holds.
    type Data: Serialize + Send + 'static;

    /// How this action words a failure. Called once for each, the router's own included.
    fn refuse(failure: Failure) -> Failure {
        failure
    }
}

/// One `my.on` name.
pub trait Channel: 'static {
    /// The wire's `channel`.
    const NAME: &'static str;
    /// Whether events may be dropped, oldest first, when a client reads too slowly.
    const STREAM: bool = false;
    /// Whether only the panel and programs on the Unix socket may open it.
    const PRIVATE: bool = false;
    /// The action or call that opens it, where `on` alone delivers nothing.
    const STARTED_BY: Option<&'static str> = None;
    /// One event's `data`.
    type Event: Serialize + Send + 'static;
}

/// One `my.call` of its own name: `ampeStartOperationWatcher` and the `bridge.…` calls.
pub trait Call: 'static {
    /// The wire's `call`.
    const NAME: &'static str;
    /// What `params` holds.
    type Params: DeserializeOwned + Send + 'static;
    /// What a success's `res.data` holds.
    type Data: Serialize + Send + 'static;
}

/// An [`Action`] as a row of a table.
#[derive(Clone, Copy, Debug)]
pub struct ActionInfo {
    /// [`Action::NAME`].
    pub name: &'static str,
    /// [`Action::NATURE`].
    pub nature: Nature,
    /// [`Action::REPLY_EVENT`].
    pub reply_event: Option<&'static str>,
    /// [`Action::refuse`].
    pub refuse: fn(Failure) -> Failure,
}

/// A [`Channel`] as a row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelInfo {
    /// [`Channel::NAME`].
    pub name: &'static str,
    /// [`Channel::STREAM`].
    pub stream: bool,
    /// [`Channel::PRIVATE`].
    pub private: bool,
    /// [`Channel::STARTED_BY`].
    pub started_by: Option<&'static str>,
}

/// All actions, in the order of the vendor's document.
pub static ACTIONS: [ActionInfo; 32] = [
    ActionInfo::of::<face::InitFace>(),
    ActionInfo::of::<face::GetFaceInfo>(),
    ActionInfo::of::<face::GetFaceInfoPersonCard>(),
    ActionInfo::of::<face::DoStorageFaceInfo>(),
    ActionInfo::of::<id_card::GetIdCardInfo>(),
    ActionInfo::of::<id_card::CloseIdCardInfo>(),
    ActionInfo::of::<code::GetQrCode>(),
    ActionInfo::of::<microphone::StartMicrophoneListener>(),
    ActionInfo::of::<microphone::StopMicrophoneListener>(),
    ActionInfo::of::<microphone::StartMicrophone>(),
    ActionInfo::of::<microphone::StopMicrophone>(),
    ActionInfo::of::<microphone::GetMicrophoneState>(),
    ActionInfo::of::<device::GetDeviceInfo>(),
    ActionInfo::of::<speech::Speech>(),
    ActionInfo::of::<speech::SpeechStop>(),
    ActionInfo::of::<id_number::EnterIdNumber>(),
    ActionInfo::of::<receipt::ReceiptPrinting>(),
    ActionInfo::of::<infrared::StartInfraredInductionListener>(),
    ActionInfo::of::<infrared::StopInfraredInductionListener>(),
    ActionInfo::of::<screen::OpenSecondaryScreen>(),
    ActionInfo::of::<screen::CloseSecondaryScreen>(),
    ActionInfo::of::<screen::GetSecondaryScreenState>(),
    ActionInfo::of::<social_security::GetSocialSecurityCardInfo>(),
    ActionInfo::of::<social_security::SocialSecurityCardConfig>(),
    ActionInfo::of::<cpu_card::StartCpuCardLoopRead>(),
    ActionInfo::of::<cpu_card::StopCpuCardLoopRead>(),
    ActionInfo::of::<cpu_card::ReadOnceCpuCardInfo>(),
    ActionInfo::of::<cpu_card::SendCpuCardCommand>(),
    ActionInfo::of::<cpu_card::SendCpuCardApduCommands>(),
    ActionInfo::of::<cpu_card::PsamCardColdReset>(),
    ActionInfo::of::<device::StartBuzzer>(),
    ActionInfo::of::<device::DeviceConfig>(),
];

/// The vendor's channels, in the order of the vendor's document. The daemon's own stand in
/// [`bridge::CHANNELS`].
pub static CHANNELS: [ChannelInfo; 7] = [
    ChannelInfo::of::<id_card::IdCardListener>(),
    ChannelInfo::of::<code::QrListener>(),
    ChannelInfo::of::<microphone::MicrophoneListener>(),
    ChannelInfo::of::<infrared::InfraredInductionListener>(),
    ChannelInfo::of::<social_security::SocialSecurityCardListener>(),
    ChannelInfo::of::<cpu_card::CpuCardListener>(),
    ChannelInfo::of::<operation::OperationTimeout>(),
];

/// The names of all calls but `ampeHHCommunication` itself.
pub static CALLS: [&str; 9] = [
    operation::StartOperationWatcher::NAME,
    bridge::DescribeCall::NAME,
    bridge::StatusCall::NAME,
    bridge::ResetCall::NAME,
    bridge::JobsCall::NAME,
    bridge::SimulateCall::NAME,
    bridge::RecordCall::NAME,
    bridge::LookCall::NAME,
    bridge::KeypadCall::NAME,
];

/// The name of the call that carries an action inside, as `my.call` of the vendor does.
pub const ENVELOPE_CALL: &str = "ampeHHCommunication";

/// Params of what takes none: anything is accepted and ignored, absent and non-objects included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoParams;

/// The data of what answers nothing: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

impl ActionInfo {
    /// The row of one action.
    #[must_use]
    pub const fn of<A: Action>() -> Self {
        Self { name: A::NAME, nature: A::NATURE, reply_event: A::REPLY_EVENT, refuse: A::refuse }
    }

    /// The row with that wire name, compared exactly.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        ACTIONS.iter().find(|action| action.name == name)
    }
}

impl ChannelInfo {
    /// The row of one channel.
    #[must_use]
    pub const fn of<C: Channel>() -> Self {
        let (stream, private) = (C::STREAM, C::PRIVATE);
        Self { name: C::NAME, stream, private, started_by: C::STARTED_BY }
    }

    /// The row with that wire name, the daemon's own channels included.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        CHANNELS.iter().chain(&bridge::CHANNELS).find(|channel| channel.name == name)
    }
}

impl<'de> Deserialize<'de> for NoParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn named(nature: Nature) -> BTreeSet<&'static str> {
        ACTIONS.iter().filter(|action| action.nature == nature).map(|action| action.name).collect()
    }

    #[test]
    fn no_name_stands_twice_and_every_name_is_found() {
        let names: BTreeSet<_> = ACTIONS.iter().map(|action| action.name).collect();
        assert_eq!(names.len(), ACTIONS.len());
        for action in &ACTIONS {
            assert_eq!(ActionInfo::find(action.name).unwrap().name, action.name);
        }
        assert!(ActionInfo::find("getidcardinfo").is_none());
        let channels: BTreeSet<_> =
            CHANNELS.iter().chain(&bridge::CHANNELS).map(|channel| channel.name).collect();
        assert_eq!(channels.len(), CHANNELS.len() + bridge::CHANNELS.len());
        assert_eq!(BTreeSet::from(CALLS).len(), CALLS.len());
    }

    #[test]
    fn only_calls_that_wait_for_a_person_are_superseded() {
        let waiting = ["getIDCardInfo", "getQRCode", "getSocialSecurityCardInfo", "enterIDNumber"];
        assert_eq!(named(Nature::Waits), BTreeSet::from(waiting));
    }

    #[test]
    fn what_listens_is_what_opens_a_channel() {
        let listening =
            ["startMicrophoneListener", "startInfraredInductionListener", "startCPUCardLoopRead"];
        assert_eq!(named(Nature::Listens), BTreeSet::from(listening));
        let starters: BTreeSet<_> =
            CHANNELS.iter().filter_map(|channel| channel.started_by).collect();
        let mut expected = BTreeSet::from(listening);
        expected.insert("ampeStartOperationWatcher");
        assert_eq!(starters, expected);
    }

    #[test]
    fn only_the_microphone_and_what_watches_all_may_lose_events() {
        let streams: Vec<_> = CHANNELS
            .iter()
            .chain(&bridge::CHANNELS)
            .filter(|channel| channel.stream)
            .map(|channel| channel.name)
            .collect();
        assert_eq!(streams, ["initMicrophoneListener", "bridgeFrames"]);
    }

    #[test]
    fn only_close_id_card_info_answers_with_an_event_of_its_own() {
        let own: Vec<_> = ACTIONS
            .iter()
            .filter_map(|action| action.reply_event.map(|event| (action.name, event)))
            .collect();
        assert_eq!(own, [("closeIDCardInfo", "close")]);
    }
}
