//! The face provider: an engine that is asked over HTTP, or an invented one in this process. Built here,
//! with the tape around its line.

use hharome_hardware::device;
use hharome_hardware::port::tape::Flow;

use super::{Device, NewPort, outside_port, simulated_port};
use crate::config::{Config, FaceDriver, Word};
use crate::face::http::HttpEngine;
use crate::face::simulated::VirtualEngine;
use crate::face::{Face, Settings, provider};
use crate::outside::Outside;
use crate::simulation::Hand;

/// Who recognises faces.
pub struct FaceProvider {
    /// Its state.
    pub device: Device,
    /// What is asked; `None` without a driver.
    pub face: Option<Face>,
    pub(super) hand: Option<Hand>,
}

pub(super) fn face(config: &Config, outside: &mut Outside) -> FaceProvider {
    let (section, driver) = ("face", config.face.driver.word());
    let (port, hand): (NewPort, _) = match (config.face.driver, &config.face.url) {
        (FaceDriver::Simulated, _) => {
            let (engine, hand) = VirtualEngine::new();
            let (port, plug) = simulated_port("the simulated face engine", engine);
            (port, Some(Hand::Face(hand, plug)))
        }
        (FaceDriver::Http, Some(url)) => {
            let url = url.clone();
            (Box::new(move || Box::new(HttpEngine::new(url))), None)
        }
        // The configuration refuses the driver without a URL.
        (FaceDriver::None | FaceDriver::Http, _) => {
            return FaceProvider { device: Device::off(section, driver), face: None, hand: None };
        }
    };
    let place = config.driver_and_port(section).and_then(|(_, port)| port);
    let device = Device::at_port(section, driver, place.as_deref());
    let status = device.status.clone();
    let port = outside_port(port, &status, Flow::Packets, outside);
    let settings = Settings { init: config.face.init_timeout, person: config.face.timeout };
    let (face, engine) = provider(settings);
    tokio::spawn(device::run(port, engine, status));
    FaceProvider { device, face: Some(face), hand }
}
