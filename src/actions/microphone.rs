//! The microphone: the live channel in both forms, and the deprecated single recording.
//!
//! Whoever starts is a listener at once, and is answered when the device is open, or cannot be: then
//! it is no listener.

use std::future::{Future, ready};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hharome_hardware::device::Trouble;
use hharome_hardware::microphone::{Deaf, Sound};
use hharome_protocol::action::{Channel as _, Empty, NoParams};
use hharome_protocol::failure::Failure;
use hharome_protocol::microphone::{
    ListenParams, MicrophoneListener, MicrophoneState, Recording, event_line,
};

use super::waiting::Words;
use crate::router::CallContext;

const MICROPHONE: Words = Words {
    section: "microphone",
    off: "本机未配置麦克风",
    absent: "麦克风未连接,请检查连线或联系工作人员",
    failed: "麦克风故障,请联系工作人员",
    unreadable: "麦克风故障,请联系工作人员",
};

const HELD: &str = "麦克风被其他程序占用,请联系工作人员";

/// The forms of an event, by what a start asks for.
fn form(params: ListenParams) -> usize {
    usize::from(params.source_bytes)
}

/// A chunk of sound in a form.
pub(super) fn event(sound: &Sound, form: usize) -> Bytes {
    event_line(&sound.0, form != 0)
}

/// A listener from now on, until its own stop.
pub(super) fn start_listening(
    context: CallContext,
    params: ListenParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    let microphone = context.bridge.devices.microphone.ears().ok_or_else(not_configured).cloned();
    let client = context.stages.client().clone();
    let (bridge, request) = (context.bridge, context.request);
    let started = microphone.and_then(|microphone| {
        let name = MicrophoneListener::NAME;
        let start = bridge.channels.start_form(name, &client, request, form(params))?;
        Ok((microphone, start))
    });
    async move {
        let (microphone, mut start) = started?;
        tokio::select! {
            biased;
            // Its own stop came while the device was being opened; nobody may want it open any more.
            () = start.ended() => Err(Failure::Cancelled),
            heard = microphone.hears() => match heard {
                Ok(()) => Ok(Empty {}),
                Err(deaf) => {
                    bridge.channels.take_back(MicrophoneListener::NAME, &start);
                    Err(failure(deaf))
                }
            },
        }
    }
}

/// A recording from now on; one of the connection's that is under way is thrown away.
pub(super) fn start_recording(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    let owner = context.stages.client().connection();
    let bridge = context.bridge;
    let started = bridge.devices.microphone.record(owner).ok_or_else(not_configured);
    async move {
        let (microphone, mut start) = started?;
        tokio::select! {
            biased;
            () = start.ended() => Err(Failure::Cancelled),
            heard = microphone.hears() => match heard {
                Ok(()) => Ok(Empty {}),
                Err(deaf) => {
                    bridge.devices.microphone.take_back(owner, &start);
                    Err(failure(deaf))
                }
            },
        }
    }
}

/// What was heard since the connection's start; nothing where it has none.
pub(super) fn stop_recording(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<Recording, Failure>> + Send {
    let owner = context.stages.client().connection();
    let recording = context.bridge.devices.microphone.end(owner);
    async move {
        let Some(recording) = recording else {
            return Ok(Recording { voice_content: String::new() });
        };
        let mp3 = recording.stop().await.map_err(|error| {
            tracing::error!(error, "a recording of the microphone could not be encoded");
            Failure::device_failed(MICROPHONE.failed, format!("MP3: {error}"))
        })?;
        Ok(Recording { voice_content: STANDARD.encode(mp3) })
    }
}

/// What the connection has going.
pub(super) fn state(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<MicrophoneState, Failure>> + Send {
    let owner = context.stages.client().connection();
    ready(Ok(MicrophoneState {
        listening: context.bridge.channels.has_started(MicrophoneListener::NAME, owner),
        recording: context.bridge.devices.microphone.is_recording(owner),
    }))
}

fn not_configured() -> Failure {
    MICROPHONE.not_configured()
}

fn failure(deaf: Deaf) -> Failure {
    match deaf {
        Deaf::Held(trouble) => Failure::device_unavailable(HELD, trouble.to_string()),
        Deaf::Trouble(trouble @ Trouble::Failed { .. }) => {
            // Nothing was begun: whatever ails it, it cannot be had now.
            Failure::device_unavailable(MICROPHONE.failed, trouble.to_string())
        }
        Deaf::Trouble(trouble) => MICROPHONE.failure(trouble),
    }
}
