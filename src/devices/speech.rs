//! The device that speaks: speech-dispatcher, espeak-ng, or a virtual speech-dispatcher in this process.
//! Built here, with the tape around its line.

use hharome_hardware::device;
use hharome_hardware::port::socket::Socket;
use hharome_hardware::port::tape::Flow;
use hharome_hardware::speech::espeak::program::EspeakProgram;
use hharome_hardware::speech::espeak::{self, EspeakNg};
use hharome_hardware::speech::ssip::{self, SpeechDispatcher};
use hharome_hardware::speech::virtual_server::VirtualServer;
use hharome_hardware::speech::{Speaker, queue};

use super::{Device, NewPort, outside_port, simulated_port};
use crate::config::{Config, SpeechDriver, Word};
use crate::outside::Outside;
use crate::simulation::Hand;

/// What speaks.
pub struct Speech {
    /// Its state.
    pub device: Device,
    /// What is asked to speak; `None` without a driver.
    pub speaker: Option<Speaker>,
    pub(super) hand: Option<Hand>,
}

pub(super) fn speech(config: &Config, outside: &mut Outside) -> Speech {
    let (section, driver) = ("speech", config.speech.driver.word());
    let (port, hand): (NewPort, _) = match config.speech.driver {
        SpeechDriver::None => {
            return Speech { device: Device::off(section, driver), speaker: None, hand: None };
        }
        SpeechDriver::SpeechDispatcher => {
            let socket = Socket::new(config.speech_address());
            (Box::new(|| Box::new(socket)), None)
        }
        SpeechDriver::EspeakNg => {
            let session = config.session.named_runtime_folder();
            let program =
                EspeakProgram::new(&config.speech.program, &config.speech.device, session);
            (Box::new(|| Box::new(program)), None)
        }
        SpeechDriver::Simulated => {
            let (server, hand) = VirtualServer::new();
            let (port, plug) = simulated_port("the simulated speech service", server);
            (port, Some(Hand::Speech(hand, plug)))
        }
    };
    let place = config.driver_and_port(section).and_then(|(_, port)| port);
    let device = Device::at_port(section, driver, place.as_deref());
    let status = device.status.clone();
    let (speaker, orders) = queue(status.clone());
    let port = outside_port(port, &status, Flow::Pieces, outside);
    let section = &config.speech;
    if section.driver == SpeechDriver::EspeakNg {
        status.learn("device", section.device.as_str());
        let settings = espeak::Settings { voice: section.voice.clone(), volume: section.volume };
        tokio::spawn(device::run(port, EspeakNg::new(settings, orders), status));
    } else {
        let settings = ssip::Settings {
            module: section.module.clone(),
            voice: section.voice.clone(),
            language: section.language.clone(),
            volume: section.volume,
        };
        tokio::spawn(device::run(port, SpeechDispatcher::new(settings, orders), status));
    }
    Speech { device, speaker: Some(speaker), hand }
}
