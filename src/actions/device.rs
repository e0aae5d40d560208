//! `getDeviceInfo` and `startBuzzer`.

use std::future::{Future, ready};

use hharome_hardware::buzzer::BeepError;
use hharome_protocol::action::{Empty, NoParams};
use hharome_protocol::device::{BuzzerParams, DeviceInfo};
use hharome_protocol::failure::Failure;

use super::waiting::Words;
use crate::router::CallContext;

const BUZZER: Words = Words {
    section: "buzzer",
    off: "本机未配置蜂鸣器",
    absent: "蜂鸣器未连接,请检查连线或联系工作人员",
    failed: "蜂鸣器故障,请联系工作人员",
    unreadable: "蜂鸣器故障,请联系工作人员",
};

/// What this machine is, at once.
pub(super) fn info(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<DeviceInfo, Failure>> + Send {
    ready(Ok(context.bridge.devices.machine.info()))
}

/// One beep; answered when the beeper has it.
pub(super) fn beep(
    context: CallContext,
    params: BuzzerParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    let buzzer = &context.bridge.devices.buzzer;
    let beep = match &buzzer.beeper {
        Some(beeper) => Ok(beeper.beep(params.beep)),
        None => Err(BUZZER.not_configured()),
    };
    async move {
        beep?.await.map_err(|error| match error {
            BeepError::Full => Failure::device_busy("蜂鸣器繁忙,请稍后再试", "too many beeps wait"),
            BeepError::Trouble(trouble) => BUZZER.failure(trouble),
        })?;
        Ok(Empty {})
    }
}
