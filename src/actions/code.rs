//! `getQRCode` and its channel.

use std::future::Future;
use std::sync::Arc;

use hharome_hardware::code::Code;
use hharome_protocol::action::NoParams;
use hharome_protocol::code::QrCode;
use hharome_protocol::failure::Failure;

use super::waiting::{Words, one_reading};
use crate::router::CallContext;

const WORDS: Words = Words {
    section: "qr_scanner",
    off: "本机未配置扫码器",
    absent: "扫码器未连接,请检查连线或联系工作人员",
    failed: "扫码器故障,请联系工作人员",
    unreadable: "未能识别,请重新扫码",
};

/// Waits for one code.
pub(super) fn get(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<QrCode, Failure>> + Send {
    let limit = context.bridge.config().timeouts.qr_code;
    let reading = one_reading(&context, &context.bridge.devices.qr_scanner, limit, &WORDS);
    async move { Ok(data(&reading.await?.value)) }
}

/// A scan as an event.
pub(super) async fn event(code: Arc<Code>) -> QrCode {
    data(&code)
}

fn data(code: &Code) -> QrCode {
    QrCode { qr_code: code.0.clone() }
}
