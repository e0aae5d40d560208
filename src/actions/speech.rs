//! `speech` and `speechStop`.

use std::future::{Future, ready};

use hharome_hardware::speech::{Order, Speaker, SpeechError, Utterance, WAITING_BYTES};
use hharome_protocol::action::{Empty, NoParams};
use hharome_protocol::failure::Failure;
use hharome_protocol::speech::{SpeechParams, SpeechQueue};

use super::waiting::Words;
use crate::router::CallContext;

const WORDS: Words = Words {
    section: "speech",
    off: "本机未配置语音播报",
    absent: "语音服务未运行,请联系工作人员",
    failed: "语音播报故障,请联系工作人员",
    unreadable: "语音播报故障,请联系工作人员",
};

/// Takes a text into the queue, at once.
pub(super) fn say(
    context: CallContext,
    params: SpeechParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    let SpeechParams { text, pitch, rate, queue } = params;
    let utterance = Utterance::new(&text, pitch, rate);
    let order = match queue {
        SpeechQueue::After => Order::After,
        SpeechQueue::Instead => Order::Instead,
    };
    let said = if utterance.is_blank() {
        // Control characters only: the same as blanks only.
        Err(Failure::bad_request("params.text: expected a text that is not empty"))
    } else {
        speaker(&context).and_then(|speaker| speaker.say(utterance, order).map_err(failure))
    };
    ready(said.map(|()| Empty {}))
}

/// Silence, at once.
pub(super) fn stop(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    let speaker = speaker(&context);
    let stopped =
        speaker.and_then(|speaker| speaker.stop().map_err(|trouble| WORDS.failure(trouble)));
    ready(stopped.map(|()| Empty {}))
}

fn speaker(context: &CallContext) -> Result<&Speaker, Failure> {
    let speech = &context.bridge.devices.speech;
    speech.speaker.as_ref().ok_or_else(|| WORDS.not_configured())
}

fn failure(error: SpeechError) -> Failure {
    match error {
        SpeechError::Full => {
            Failure::device_busy("语音播报繁忙,请稍后再试", SpeechError::Full.to_string())
        }
        SpeechError::TooLong(bytes) => Failure::bad_request(format!(
            "params.text: expected up to {WAITING_BYTES} bytes, not {bytes}"
        )),
        SpeechError::Trouble(trouble) => WORDS.failure(trouble),
    }
}
