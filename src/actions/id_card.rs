//! `getIDCardInfo` and its channel.

use std::future::Future;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hharome_hardware::id_card::IdCard;
use hharome_protocol::failure::Failure;
use hharome_protocol::id_card::{IdCardInfo, InfoParams, InfoParts};
use tokio::time::timeout_at;

use super::waiting::{Words, one_reading};
use crate::devices::Devices;
use crate::router::CallContext;

const WORDS: Words = Words {
    section: "id_card",
    off: "本机未配置身份证读卡器",
    absent: "身份证读卡器未连接,请检查连线或联系工作人员",
    failed: "身份证读卡器故障,请联系工作人员",
    unreadable: "身份证读取失败,请取走证件后重新放置",
};

/// Waits for one card.
pub(super) fn get(
    context: CallContext,
    params: InfoParams,
) -> impl Future<Output = Result<IdCardInfo, Failure>> + Send {
    let limit = context.bridge.config().timeouts.id_card;
    let devices = Arc::clone(&context.bridge.devices);
    let reading = one_reading(&context, &devices.id_card, limit, &WORDS);
    async move {
        let reading = reading.await?;
        let info = info(&devices, &reading.value, params.info_type);
        match reading.latest {
            // A photo that takes too long costs the photo, not the card.
            Some(latest) => match timeout_at(latest, info).await {
                Ok(info) => Ok(info),
                Err(_) => Ok(text(&reading.value).only(params.info_type)),
            },
            None => Ok(info.await),
        }
    }
}

/// A card as an event.
pub(super) async fn event(devices: Arc<Devices>, card: Arc<IdCard>) -> IdCardInfo {
    info(&devices, &card, InfoParts::ALL).await
}

async fn info(devices: &Devices, card: &IdCard, parts: InfoParts) -> IdCardInfo {
    let mut info = text(card);
    if parts.wants_photo() {
        if let Some(jpeg) = devices.photo(card).await {
            info.photo_base64 = Some(STANDARD.encode(jpeg));
        }
        if devices.raw_photo {
            info.photo_wlt_base64 = Some(STANDARD.encode(&card.wlt));
        }
    }
    info.only(parts)
}

/// Everything but the photo, which is empty.
fn text(card: &IdCard) -> IdCardInfo {
    let text = &card.text;
    let own = |field: &str| Some(field.to_owned());
    let address = match &card.appended_address {
        Some(newest) => newest,
        None => &text.address,
    };
    IdCardInfo {
        name: own(text.shown_name()),
        id_num: own(&text.id_number),
        signing_organization: own(text.shown_agency()),
        address: own(address),
        nation: own(text.nation_word()),
        sex: own(text.sex_word()),
        begin_time: own(&text.valid_from),
        end_time: own(&text.valid_to),
        birth_date: own(&text.birth),
        photo_base64: Some(String::new()),
        photo_wlt_base64: None,
    }
}
