//! Where both crates meet: protocol params in, device calls, protocol data out. One file a group,
//! with the name that the group has in `protocol` and `hardware`.
//!
//! [`router`] and [`channels`] are the tables of what this daemon can do; what is not in them
//! answers `unsupported`.

mod bridge;
mod code;
mod cpu_card;
pub mod device;
mod face;
mod id_card;
mod id_number;
mod infrared;
mod microphone;
mod operation;
pub mod receipt;
mod screen;
mod social_security;
mod speech;
pub mod waiting;

use std::sync::Arc;

use hharome_hardware::microphone::Microphone;
use hharome_protocol::bridge as calls;
use hharome_protocol::{
    code as code_protocol, cpu_card as cpu_protocol, device as device_protocol,
    face as face_protocol, id_card as card_protocol, id_number as number_protocol,
    infrared as infrared_protocol, microphone as sound_protocol, operation as operation_protocol,
    receipt as receipt_protocol, screen as screen_protocol, social_security as social_protocol,
    speech as speech_protocol,
};

use crate::bridge::Clock;
use crate::channels::Channels;
use crate::devices::Devices;
use crate::panel::watch::Watch;
use crate::router::Router;

/// All actions and calls that are there.
#[must_use]
pub fn router() -> Router {
    let mut router = Router::default();
    router.action::<card_protocol::GetIdCardInfo, _>(id_card::get);
    router.closes::<card_protocol::CloseIdCardInfo, card_protocol::GetIdCardInfo>();
    router.action::<code_protocol::GetQrCode, _>(code::get);
    router.action::<face_protocol::InitFace, _>(face::init);
    router.action::<face_protocol::GetFaceInfo, _>(face::identify);
    router.action::<face_protocol::GetFaceInfoPersonCard, _>(face::verify);
    router.action::<face_protocol::DoStorageFaceInfo, _>(face::enrol);
    router.action::<device_protocol::GetDeviceInfo, _>(device::info);
    router.action::<device_protocol::StartBuzzer, _>(device::beep);
    router.action::<device_protocol::DeviceConfig, _>(device::config);
    router.action::<number_protocol::EnterIdNumber, _>(id_number::enter);
    router.action::<receipt_protocol::ReceiptPrinting, _>(receipt::print);
    router.action::<speech_protocol::Speech, _>(speech::say);
    router.action::<speech_protocol::SpeechStop, _>(speech::stop);
    router.action::<screen_protocol::OpenSecondaryScreen, _>(screen::open);
    router.action::<screen_protocol::CloseSecondaryScreen, _>(screen::close);
    router.action::<screen_protocol::GetSecondaryScreenState, _>(screen::state);
    router.action::<social_protocol::GetSocialSecurityCardInfo, _>(social_security::get);
    router.action::<social_protocol::SocialSecurityCardConfig, _>(social_security::configure);
    router.starts::<cpu_protocol::StartCpuCardLoopRead, cpu_protocol::CpuCardListener>(
        cpu_card::start_polling,
    );
    router.stops::<cpu_protocol::StopCpuCardLoopRead, cpu_protocol::CpuCardListener>();
    router.action::<cpu_protocol::ReadOnceCpuCardInfo, _>(cpu_card::read_once);
    router.action::<cpu_protocol::SendCpuCardCommand, _>(cpu_card::command);
    router.action::<cpu_protocol::SendCpuCardApduCommands, _>(cpu_card::batch);
    router.action::<cpu_protocol::PsamCardColdReset, _>(cpu_card::cold_reset);
    router.starts_by::<sound_protocol::StartMicrophoneListener, sound_protocol::MicrophoneListener, _>(
        microphone::start_listening,
    );
    router.stops::<sound_protocol::StopMicrophoneListener, sound_protocol::MicrophoneListener>();
    router.action::<sound_protocol::StartMicrophone, _>(microphone::start_recording);
    router.action::<sound_protocol::StopMicrophone, _>(microphone::stop_recording);
    router.action::<sound_protocol::GetMicrophoneState, _>(microphone::state);
    router.starts_device::<
        infrared_protocol::StartInfraredInductionListener,
        infrared_protocol::InfraredInductionListener,
        _,
    >(infrared::start);
    router.stops::<
        infrared_protocol::StopInfraredInductionListener,
        infrared_protocol::InfraredInductionListener,
    >();
    router.call_starts::<
        operation_protocol::StartOperationWatcher,
        operation_protocol::OperationTimeout,
    >(operation::start);
    router.call::<calls::DescribeCall, _>(bridge::describe);
    router.call::<calls::StatusCall, _>(bridge::status);
    router.call::<calls::JobsCall, _>(receipt::jobs);
    router.call::<calls::SimulateCall, _>(bridge::simulate);
    router.call::<calls::KeypadCall, _>(id_number::keypad);
    router.call::<calls::RecordCall, _>(bridge::record);
    router.call::<calls::LookCall, _>(bridge::look);
    router
}

/// All channels that are there.
#[must_use]
pub fn channels(devices: &Arc<Devices>, watch: &Watch, clock: Clock) -> Channels {
    let mut channels = Channels::default();
    let readers = Arc::clone(devices);
    channels.serve_source::<card_protocol::IdCardListener, _, _>(
        devices.id_card.source.as_ref(),
        move |card| id_card::event(Arc::clone(&readers), card),
    );
    channels.serve_source::<code_protocol::QrListener, _, _>(
        devices.qr_scanner.source.as_ref(),
        code::event,
    );
    channels.serve_source::<social_protocol::SocialSecurityCardListener, _, _>(
        devices.social_security.source.as_ref(),
        social_security::event,
    );
    // Fed by each connection's own start.
    channels.serve::<cpu_protocol::CpuCardListener>(None);
    let ears = devices.microphone.ears().cloned();
    channels.serve_forms::<sound_protocol::MicrophoneListener, _>(
        move || ears.as_ref().map(Microphone::listen),
        microphone::event,
    );
    channels.serve::<infrared_protocol::InfraredInductionListener>(None);
    channels.serve::<operation_protocol::OperationTimeout>(None);
    channels.serve::<calls::DevicesChannel>(Some(bridge::device_feed(devices, clock)));
    channels.serve::<calls::CallsChannel>(None);
    channels.serve::<calls::KeypadChannel>(Some(id_number::feed(&devices.keypad)));
    channels.serve::<calls::DeviceConfigChannel>(Some(device::config_feed(&devices.shell)));
    channels.serve::<calls::FramesChannel>(Some(watch.feed(clock)));
    channels
}
