//! `openSecondaryScreen`, `closeSecondaryScreen` and `getSecondaryScreenState`.

use std::future::Future;

use hharome_hardware::screen::{Screen, ScreenError, Shown, WAITING_BYTES};
use hharome_protocol::action::{Empty, NoParams};
use hharome_protocol::failure::Failure;
use hharome_protocol::screen::{ScreenParams, ScreenState};

use super::waiting::Words;
use crate::router::CallContext;

const WORDS: Words = Words {
    section: "second_screen",
    off: "本机未配置副屏",
    absent: "副屏未连接,请检查连线或联系工作人员",
    failed: "副屏故障,请联系工作人员",
    unreadable: "副屏故障,请联系工作人员",
};

/// The key of the picture.
const PICTURE: &str = "secondaryScreenBase64";

/// Takes a place in the queue, at once; ends when the picture is on the screen.
pub(super) fn open(
    context: CallContext,
    params: ScreenParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    // A frame of base64 takes less time here than its JSON has taken before.
    let picture = params.picture.decode(PICTURE);
    let shown = picture.and_then(|picture| {
        if picture.is_empty() {
            return Err(refused("expected a picture, not nothing"));
        }
        if picture.len() > WAITING_BYTES {
            return Err(refused(&format!("expected up to {WAITING_BYTES} bytes")));
        }
        screen(&context).map(|screen| screen.show(picture.into()))
    });
    async move { shown?.await.map(|()| Empty {}).map_err(failure) }
}

/// The same; ends when nothing is on the screen any more.
pub(super) fn close(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    let closed = screen(&context).map(Screen::close);
    async move { closed?.await.map(|()| Empty {}).map_err(failure) }
}

/// Is something shown? No screen is an answer too, whyever there is none.
pub(super) fn state(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<ScreenState, Failure>> + Send {
    let shown = context.bridge.devices.screen.screen.as_ref().map(Screen::shown);
    async move {
        let Some(shown) = shown else { return Ok(ScreenState::Missing) };
        Ok(match shown.await {
            Shown::Picture => ScreenState::Shown,
            Shown::Nothing => ScreenState::Closed,
            Shown::NoScreen => ScreenState::Missing,
        })
    }
}

fn screen(context: &CallContext) -> Result<&Screen, Failure> {
    context.bridge.devices.screen.screen.as_ref().ok_or_else(|| WORDS.not_configured())
}

fn failure(error: ScreenError) -> Failure {
    match error {
        ScreenError::Full => {
            Failure::device_busy("副屏繁忙,请稍后再试", ScreenError::Full.to_string())
        }
        ScreenError::Picture(words) => refused(&words),
        ScreenError::Trouble(trouble) => WORDS.failure(trouble),
    }
}

fn refused(words: &str) -> Failure {
    Failure::bad_request(format!("params.{PICTURE}: {words}"))
}
