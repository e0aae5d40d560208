//! What beeps, built from its section: the beeper of a card reader, one that is an input device, a
//! program, or the beeper of a virtual reader.

use std::path::Path;
use std::sync::Arc;

use hharome_hardware::buzzer::models::Family;
use hharome_hardware::buzzer::{
    Beeper, Program, program_buzzer, reader_buzzer, tone_buzzer, virtual_buzzer,
};
use hharome_hardware::device::{State, Status};
use hharome_hardware::port::input::held::HeldPort;
use hharome_hardware::port::tape::{Flow, PortEvent, Remembers, Tape as _};

use super::cards::{NewSlot, Readers, simulated_slot, taped};
use super::places::place;
use super::{Device, outside_port};
use crate::config::{self, BuzzerDriver, Config, Word};
use crate::outside::Outside;
use crate::simulation::Hand;

const SECTION: &str = "buzzer";

/// This program, also when its file has been replaced by another version meanwhile: the daemon and its
/// helper have to understand each other.
const OURSELVES: &str = "/proc/self/exe";

/// What beeps.
pub struct Buzzer {
    /// Its state.
    pub device: Device,
    /// What is asked to beep; `None` without a driver.
    pub beeper: Option<Beeper>,
    pub(super) hand: Option<Hand>,
}

pub(super) fn buzzer(config: &Config, readers: &mut Readers, outside: &mut Outside) -> Buzzer {
    let section = &config.buzzer;
    let driver = section.driver.word();
    let off = || Buzzer { device: Device::off(SECTION, driver), beeper: None, hand: None };
    let reader = config.buzzer_reader();
    let (slot, commands, hand): (NewSlot<'_>, _, _) = match section.driver {
        BuzzerDriver::None => return off(),
        BuzzerDriver::Evdev => return input_device(section, outside),
        BuzzerDriver::Program => {
            return section.program_to_run().map_or_else(off, |it| program(it, driver, outside));
        }
        BuzzerDriver::Pcsc => (readers.slot(reader), section.commands(), None),
        BuzzerDriver::Simulated => {
            let (slot, hand) = simulated_slot("hharome virtual buzzer 00 00");
            let (escape, _) = virtual_buzzer(Family::Acs);
            hand.on_escape(Box::new(escape));
            (slot, Some(Family::Acs.commands()), Some(Hand::Beeper(hand)))
        }
    };
    let device = Device::at_port(SECTION, driver, reader);
    let (beeper, task) = reader_buzzer(commands, device.status.clone());
    tokio::spawn(task.run(taped(slot, SECTION, outside)));
    Buzzer { device, beeper: Some(beeper), hand }
}

fn program(program: Program, driver: &'static str, outside: &Outside) -> Buzzer {
    let path = program.path.to_string_lossy();
    let device = Device::at_port(SECTION, driver, Some(&path));
    let (beeper, task) = program_buzzer(program, device.status.clone());
    match outside {
        Outside::Kiosk(_) => tokio::spawn(task.run()),
        // What a recording says is not to be run.
        Outside::Recording(_) => tokio::spawn(task.keep_silent()),
    };
    Buzzer { device, beeper: Some(beeper), hand: None }
}

fn input_device(section: &config::Buzzer, outside: &mut Outside) -> Buzzer {
    let device = Device::at_port(SECTION, section.driver.word(), section.device.as_deref());
    let status = device.status.clone();
    if let Outside::Kiosk(recorder) = outside {
        recorder.register(SECTION, Arc::new(Sounding(status.clone())));
    }
    let port =
        HeldPort::new(place(section.device.as_deref()), Path::new(OURSELVES), status.clone());
    // A beep that a recording finds under way has an end that nobody there has asked for.
    let port = outside_port(Box::new(|| Box::new(port)), &status, Flow::Stream, outside);
    let (beeper, task) = tone_buzzer(section.frequency, status);
    tokio::spawn(task.run(port));
    Buzzer { device, beeper: Some(beeper), hand: None }
}

/// Keeps a recording, as long as it may be kept, from beginning while beeps wait for one that sounds.
struct Sounding(Status);

impl Remembers for Sounding {
    fn events(&self) -> Vec<PortEvent> {
        Vec::new()
    }

    fn is_busy(&self) -> bool {
        self.0.snapshot().state == State::Busy
    }
}
