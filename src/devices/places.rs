//! Which input, HID and USB devices of this machine the sections of the configuration mean. Such a
//! device is named by numbers or by a pattern, or not at all, and the first that it is true of is used;
//! `hharome check` wants to know of the others. Looked up in the kernel's files; nothing is opened.

use std::path::Path;

use hharome_hardware::code::hid_pos::is_scanner;
use hharome_hardware::id_card::usb::may_be_reader;
use hharome_hardware::port::hidraw::{Wanted, found as hid};
use hharome_hardware::port::input::found::{self as input, Ability};
use hharome_hardware::port::place::Place;
use hharome_hardware::port::usb;

use super::infrared::ability;
use crate::config::{
    BuzzerDriver, Config, IdCardDriver, InfraredDriver, InputDriver, QrScannerDriver,
};

/// What one name in the configuration is true of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// The name; `None`: any device that can do what is wanted of it.
    pub named: Option<String>,
    /// The devices that are there, each with its path; the first is used.
    pub found: Vec<String>,
}

/// What a section means, a name each. Nothing of a section whose device is no such one.
#[must_use]
pub fn meant(config: &Config, section: &str) -> Vec<Meant> {
    let one = |named: Option<String>, found: fn(&Place, &Config) -> Vec<String>| {
        let found = found(&place(named.as_deref()), config);
        vec![Meant { named, found }]
    };
    match section {
        "id_card" => match config.id_card.driver {
            IdCardDriver::SamVUsb => one(config.id_card.usb_device(), |place, _| with_pipes(place)),
            IdCardDriver::SamVHidraw => {
                one(config.id_card.usb_device(), |place, _| of_hid(place, may_be_reader))
            }
            _ => Vec::new(),
        },
        "qr_scanner" => match config.qr_scanner.driver {
            QrScannerDriver::Evdev => {
                one(config.qr_scanner.port.clone(), |place, _| of_input(place, Ability::TypeCodes))
            }
            QrScannerDriver::HidPos => {
                one(config.qr_scanner.device.clone(), |place, _| of_hid(place, is_scanner))
            }
            _ => Vec::new(),
        },
        "infrared" if config.infrared.driver == InfraredDriver::Evdev => {
            one(config.infrared.device.clone(), |place, config| {
                of_input(place, ability(&config.infrared))
            })
        }
        "input" if config.input.driver == InputDriver::Evdev => {
            let names = config.input.devices.iter().cloned().map(Some);
            names.flat_map(|named| one(named, |it, _| of_input(it, Ability::BeOperated))).collect()
        }
        "buzzer" if config.buzzer.driver == BuzzerDriver::Evdev => {
            one(config.buzzer.device.clone(), |place, _| of_input(place, Ability::Beep))
        }
        _ => Vec::new(),
    }
}

/// The place that the configuration names, whose rule has read it already; left out: any.
pub(super) fn place(named: Option<&str>) -> Place {
    named.and_then(|named| named.parse().ok()).unwrap_or_else(|| Place::Name("*".to_owned()))
}

fn of_input(place: &Place, ability: Ability) -> Vec<String> {
    let found = input::devices(place, ability);
    found.into_iter().map(|found| told(&found.name, &found.path)).collect()
}

fn of_hid(place: &Place, wanted: Wanted) -> Vec<String> {
    let found = hid::matching(Path::new("/"), place, wanted);
    found.into_iter().map(|found| told(&found.name, &found.path)).collect()
}

fn with_pipes(place: &Place) -> Vec<String> {
    let found = usb::matching(place);
    let told = found
        .iter()
        .map(|device| told(device.product_string().unwrap_or_default(), &usb::path_of(device)));
    told.collect()
}

/// A device chooses its name, and it is printed on terminals.
fn told(name: &str, path: &Path) -> String {
    let name = name.trim().replace(char::is_control, " ");
    if name.is_empty() {
        path.display().to_string()
    } else {
        format!("{name} ({})", path.display())
    }
}
