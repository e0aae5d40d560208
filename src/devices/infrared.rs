//! The presence sensor, built from its section: which language, over which port.

use std::sync::Arc;
use std::time::Duration;

use hharome_hardware::device;
use hharome_hardware::infrared::virtual_sensor::{Model, VirtualSensor};
use hharome_hardware::infrared::{
    Language, Nearer, Presence, Sensor, Settings, SwitchCode, Threshold,
};
use hharome_hardware::port::Port;
use hharome_hardware::port::gpio::{GpioLine, Pull};
use hharome_hardware::port::iio::IioProximity;
use hharome_hardware::port::input::evdev::EvdevPort;
use hharome_hardware::port::input::found::Ability;
use hharome_hardware::port::modem::{ModemLine, ModemSwitch};
use hharome_hardware::port::tape::{Flow, PortEvent, Remembers, Tape as _};

use super::places::place;
use super::{Device, NewPort, outside_port, real_port, simulated_port};
use crate::config::{
    self, InfraredBias, InfraredDriver, InfraredNear, InfraredProtocol as Protocol, Word,
};
use crate::outside::Outside;
use crate::simulation::Hand;

/// How near somebody has to come to a rangefinder, in cm, where no threshold says so: who stands
/// before a kiosk is within an arm's length of it.
const RANGE_CM: i64 = 100;

/// The presence sensor.
pub struct Infrared {
    /// Its state.
    pub device: Device,
    /// What it sees; `None` without a driver.
    pub presence: Option<Presence>,
    pub(super) hand: Option<Hand>,
}

pub(super) fn infrared(config: &config::Infrared, outside: &mut Outside) -> Infrared {
    let (section, driver) = ("infrared", config.driver.word());
    let off = || Infrared { device: Device::off(section, driver), presence: None, hand: None };
    let (port, hand): (NewPort, _) = match config.driver {
        InfraredDriver::None => return off(),
        InfraredDriver::Evdev => (new(input(config)), None),
        InfraredDriver::Gpio => (new(gpio(config)), None),
        InfraredDriver::Iio => {
            (new(IioProximity::new(config.device.as_deref(), config.poll)), None)
        }
        InfraredDriver::Serial => (serial(config), None),
        InfraredDriver::Simulated => {
            let (sensor, hand) = VirtualSensor::new(Model::Ld2410);
            let (port, plug) = simulated_port("the simulated presence sensor", sensor);
            (port, Some(Hand::Sensor(hand, plug)))
        }
    };
    let device = Device::at_port(section, driver, config.place().as_deref());
    let status = device.status.clone();
    let presence = Presence::new();
    if let Outside::Kiosk(recorder) = outside {
        recorder.register(section, Arc::new(Visits(presence.clone())));
    }
    let sensor = Sensor::new(settings(config), presence.clone(), status.clone());
    let port = outside_port(port, &status, Flow::Levels, outside);
    tokio::spawn(device::run(port, sensor, status));
    Infrared { device, presence: Some(presence), hand }
}

/// Keeps a recording from beginning between the end of a visit and the events that tell of it.
struct Visits(Presence);

impl Remembers for Visits {
    fn events(&self) -> Vec<PortEvent> {
        Vec::new()
    }

    fn is_busy(&self) -> bool {
        self.0.has_untold_visit()
    }
}

/// How the sensor of this section speaks.
#[must_use]
pub fn language(config: &config::Infrared) -> Language {
    match config.driver {
        InfraredDriver::Evdev => Language::Switch(config.code),
        InfraredDriver::Gpio => Language::Levels,
        InfraredDriver::Iio => Language::Values,
        InfraredDriver::Serial => match config.protocol {
            Protocol::Ld2410 => Language::Ld2410,
            Protocol::Tfmini => Language::Tfmini,
            Protocol::Ascii => Language::Words,
            Protocol::Cts | Protocol::Dsr | Protocol::Dcd | Protocol::Ri => Language::Levels,
        },
        InfraredDriver::Simulated | InfraredDriver::None => Language::Ld2410,
    }
}

fn settings(config: &config::Infrared) -> Settings {
    let language = language(config);
    let simulated = config.driver == InfraredDriver::Simulated;
    let limit = match language {
        // The people before it stand where the virtual sensor wants.
        _ if simulated => None,
        Language::Tfmini => Some(config.threshold.map_or(RANGE_CM, i64::from)),
        _ => config.threshold.map(i64::from),
    };
    let nearer = match (config.driver, config.near) {
        (InfraredDriver::Iio, InfraredNear::Above) => Nearer::Above,
        _ => Nearer::Below,
    };
    Settings {
        language,
        baud: config.baud.unwrap_or_else(|| language.usual_baud()),
        threshold: Threshold { limit, nearer, hysteresis: config.hysteresis_percent },
        // Modem lines have to be looked at again and again, too.
        on_demand: language.streams() || modem_line(config).is_some(),
        warm_up: config.warm_up.unwrap_or(Duration::ZERO),
    }
}

fn new(port: impl Port + 'static) -> NewPort {
    Box::new(|| Box::new(port))
}

/// The input device that is named, else the first that has the switch or key.
fn input(config: &config::Infrared) -> EvdevPort {
    EvdevPort::new(place(config.device.as_deref()), ability(config), false)
}

/// What the sensor's input device has to be able to do.
pub(super) fn ability(config: &config::Infrared) -> Ability {
    match config.code {
        SwitchCode::Switch(code) => Ability::Switch(code),
        SwitchCode::Key(code) => Ability::Key(code),
    }
}

fn gpio(config: &config::Infrared) -> GpioLine {
    GpioLine {
        // The configuration refuses the driver without a line.
        line: config.line.clone().unwrap_or_default(),
        active_low: config.active_low,
        pull: match config.bias {
            InfraredBias::AsIs => Pull::AsIs,
            InfraredBias::PullUp => Pull::Up,
            InfraredBias::PullDown => Pull::Down,
            InfraredBias::Disabled => Pull::None,
        },
        debounce: config.debounce.unwrap_or(Duration::ZERO),
    }
}

fn serial(config: &config::Infrared) -> NewPort {
    let port = config.port.as_deref();
    match modem_line(config) {
        Some(line) => {
            let path = port.unwrap_or_default();
            new(ModemSwitch::new(path, line, config.active_low, config.poll))
        }
        None => real_port(port),
    }
}

/// The modem line by which the sensor tells of people, if it is one.
fn modem_line(config: &config::Infrared) -> Option<ModemLine> {
    if config.driver != InfraredDriver::Serial {
        return None;
    }
    match config.protocol {
        Protocol::Ld2410 | Protocol::Tfmini | Protocol::Ascii => None,
        Protocol::Cts => Some(ModemLine::Cts),
        Protocol::Dsr => Some(ModemLine::Dsr),
        Protocol::Dcd => Some(ModemLine::Dcd),
        Protocol::Ri => Some(ModemLine::Ri),
    }
}
