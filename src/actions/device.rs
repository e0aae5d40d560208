//! `getDeviceInfo`, `startBuzzer`, and `deviceConfig` with the channel `bridgeDeviceConfig`.

use std::future::{Future, ready};
use std::time::Duration;

use hharome_hardware::buzzer::BeepError;
use hharome_protocol::action::{Channel, Empty, NoParams};
use hharome_protocol::bridge::DeviceConfigChannel;
use hharome_protocol::device::{BuzzerParams, DeviceConfigParams, DeviceInfo, ShellWishes};
use hharome_protocol::failure::Failure;
use hharome_protocol::frame;
use tokio::time::timeout;

use super::waiting::Words;
use crate::bridge::Bridge;
use crate::channels::{Feed, Publisher};
use crate::router::CallContext;
use crate::shell::{Run, Shell, Step};

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

/// How much longer than their own time limits the commands may take at the daemon's end: the one that runs, and
/// one for each bar.
const LAST_STEPS: Duration = Duration::from_secs(10);

/// Asks the shell for it: told to those who listen, done by the commands of the configuration. Answered
/// when the commands have ended.
pub(super) fn config(
    context: CallContext,
    params: DeviceConfigParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    let wishes = params.device_config;
    let asked = wish(&context.bridge, &wishes);
    async move {
        for (step, run) in asked? {
            run.await.map_err(|detail| {
                let key = step.word();
                tracing::warn!(key, detail, "a command of [shell] has not ended well");
                Failure::device_failed("终端设置失败,请联系工作人员", format!("{key}: {detail}"))
            })?;
        }
        Ok(Empty {})
    }
}

/// Tells the shell and begins its commands; what waits for each of those. Nothing is done unless all can
/// be.
fn wish(bridge: &Bridge, wishes: &ShellWishes) -> Result<Vec<(Step, Run)>, Failure> {
    let (shell, steps) = (&bridge.devices.shell, Step::of(wishes));
    let listened = bridge.channels.listeners(DeviceConfigChannel::NAME) > 0;
    if let Some(step) = steps.iter().find(|step| !listened && !shell.has(**step)) {
        let key = step.word();
        return Err(Failure::device_unavailable(
            "终端外壳未连接,请联系工作人员",
            format!("nobody listens to bridgeDeviceConfig, and [shell] has no {key}"),
        ));
    }
    if !shell.note(wishes) {
        return Err(Failure::device_unavailable(
            "终端外壳正在停止,请稍后再试",
            "the daemon is ending: nothing is wished of the shell any more",
        ));
    }
    if listened && !steps.is_empty() {
        bridge.channels.publish::<DeviceConfigChannel>(wishes);
    }
    let own = steps.into_iter().filter(|step| shell.has(*step));
    Ok(own.map(|step| (step, shell.run(step))).collect())
}

/// Shows what was hidden in this run, and ends when no command of the shell's runs: for the daemon's end.
pub fn restore(bridge: &Bridge) -> impl Future<Output = ()> + Send + use<> {
    let shell = &bridge.devices.shell;
    let wishes = shell.take_hidden();
    let steps = Step::of(&wishes);
    if !steps.is_empty() {
        bridge.channels.publish::<DeviceConfigChannel>(&wishes);
    }
    let limit = bridge.config().shell.time_limit * 3 + LAST_STEPS;
    let last = shell.run_last(&steps);
    async move {
        let all = async {
            for run in last {
                if let Err(detail) = run.await {
                    tracing::warn!(detail, "a command of [shell] has not ended well");
                }
            }
        };
        if timeout(limit, all).await.is_err() {
            tracing::warn!("the commands of [shell] do not end");
        }
    }
}

/// `bridgeDeviceConfig`: which bars are hidden, to a shell that comes; then each wish.
pub(super) fn config_feed(shell: &Shell) -> Feed {
    let shell = shell.clone();
    let first = move || {
        let hidden = shell.hidden();
        let any = hidden != ShellWishes::default();
        any.then(|| frame::event(DeviceConfigChannel::NAME, &hidden).ok()).flatten()
    };
    // Wishes are told by those who have them.
    let pump = |_: Publisher| tokio::spawn(ready(()));
    Feed { first: Some(Box::new(first)), pump: Box::new(pump) }
}
