//! `getSocialSecurityCardInfo`, `socialSecurityCardConfig` and their channel.

use std::future::{Future, ready};
use std::sync::Arc;

use hharome_hardware::device::State;
use hharome_hardware::social_security::SocialSecurityCard;
use hharome_protocol::action::{Channel as _, Empty, NoParams};
use hharome_protocol::failure::Failure;
use hharome_protocol::social_security::{SocialSecurityCardInfo, SocialSecurityCardListener};

use super::waiting::{Words, one_reading};
use crate::router::CallContext;

const WORDS: Words = Words {
    section: "social_security_card",
    off: "本机未配置社保卡读卡器",
    absent: "社保卡读卡器未连接,请检查连线或联系工作人员",
    failed: "社保卡读卡器故障,请联系工作人员",
    unreadable: "读取失败,请确认插入的是社保卡,取出后重新插入",
};

/// Waits for one card.
pub(super) fn get(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<SocialSecurityCardInfo, Failure>> + Send {
    let limit = context.bridge.config().timeouts.social_security_card;
    let reading = one_reading(&context, &context.bridge.devices.social_security, limit, &WORDS);
    async move { Ok(info(&reading.await?.value)) }
}

/// Opens the channel for the connection, if the reader is there.
pub(super) fn configure(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    let device = &context.bridge.devices.social_security.device;
    let snapshot = device.status.snapshot();
    let detail = || snapshot.last_error.clone().unwrap_or_default();
    let opened = match snapshot.state {
        State::Off => Err(WORDS.not_configured()),
        State::Absent => Err(Failure::device_unavailable(WORDS.absent, detail())),
        // A reader in trouble is tried again when somebody listens.
        State::Ready | State::Busy | State::Failed => {
            let channels = &context.bridge.channels;
            channels.subscribe(SocialSecurityCardListener::NAME, context.stages.client())
        }
    };
    ready(opened.map(|_| Empty {}))
}

/// A card as an event.
pub(super) async fn event(card: Arc<SocialSecurityCard>) -> SocialSecurityCardInfo {
    info(&card)
}

fn info(card: &SocialSecurityCard) -> SocialSecurityCardInfo {
    SocialSecurityCardInfo {
        card_number: card.card_number.clone(),
        name: card.name.clone(),
        sex: card.sex.clone(),
        id_number: card.id_number.clone(),
        birth_date: card.birth_date.clone(),
        issue_date: card.issue_date.clone(),
        expire_date: card.expire_date.clone(),
        nation: card.nation.clone(),
        city_code: card.city_code.clone(),
        address: card.address.clone(),
        full_version: card.full_version.clone(),
    }
}
