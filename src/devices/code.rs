//! The scanner of QR and bar codes, built from its section: over a serial line, as a keyboard, or in
//! HID reports.

use hharome_hardware::code::Code;
use hharome_hardware::code::framing::{Encoding, Framing};
use hharome_hardware::code::hid_pos;
use hharome_hardware::code::keyboard::KeyboardScanner;
use hharome_hardware::code::serial::{self, SerialScanner};
use hharome_hardware::code::trigger::Trigger;
use hharome_hardware::code::virtual_scanner::VirtualScanner;
use hharome_hardware::device;
use hharome_hardware::input::Activity;
use hharome_hardware::port::input::evdev::EvdevPort;
use hharome_hardware::port::input::found::Ability;
use hharome_hardware::port::place::Place;
use hharome_hardware::source::Source;

use super::{Device, NewPort, Slot, outside_port, real_port, simulated_port, usb};
use crate::config::{self, QrEncoding, QrScannerDriver, QrTrigger, Word};
use crate::outside::Outside;
use crate::simulation::Hand;

pub(super) fn scanner(
    config: &config::QrScanner,
    activity: &Activity,
    outside: &mut Outside,
) -> Slot<Code> {
    let section = "qr_scanner";
    let driver = config.driver.word();
    let source = Source::new();
    let settings = settings(config);
    let (port, hand): (NewPort, _) = match config.driver {
        QrScannerDriver::None => return Slot::off(section, driver),
        QrScannerDriver::Evdev => (input_port(config.port.as_deref(), Ability::TypeCodes), None),
        QrScannerDriver::Serial => (real_port(config.port.as_deref()), None),
        QrScannerDriver::HidPos => (usb::scanner_port(config), None),
        QrScannerDriver::Simulated => {
            let framing = &settings.framing;
            let (scanner, hand) = VirtualScanner::new(&framing.suffix, framing.trigger);
            let (port, plug) = simulated_port("the simulated scanner", scanner);
            (port, Some(Hand::Scanner(hand, plug)))
        }
    };
    let place = if usb::is_hid(config) { &config.device } else { &config.port };
    let device = Device::at_port(section, driver, place.as_deref());
    let status = device.status.clone();
    let port = usb::carried_scanner(config, |flow| outside_port(port, &status, flow, outside));
    if config.driver == QrScannerDriver::Evdev {
        let driver = KeyboardScanner::new(settings, source.clone(), activity.clone());
        tokio::spawn(device::run(port, driver, status));
    } else {
        tokio::spawn(device::run(port, SerialScanner::new(settings, source.clone()), status));
    }
    Slot::started(device, source, hand)
}

/// A scanner that types is grabbed: its codes are nobody else's.
fn input_port(place: Option<&str>, ability: Ability) -> NewPort {
    // The configuration refuses such a driver without a place.
    let place = place.unwrap_or_default();
    let place = place.parse().unwrap_or_else(|_| Place::Name(place.to_owned()));
    let port = EvdevPort::new(place, ability, true);
    Box::new(|| Box::new(port))
}

/// The scanner's settings out of its section.
#[must_use]
pub fn settings(config: &config::QrScanner) -> serial::Settings {
    serial::Settings {
        baud: config.baud,
        framing: Framing {
            // What the scanner says behind a code is taken off where reports are taken apart.
            suffix: match config.driver {
                QrScannerDriver::HidPos => hid_pos::END.to_vec(),
                _ => config.suffix.clone().into_bytes(),
            },
            prefix: config.prefix.clone().into_bytes(),
            encoding: match config.encoding {
                QrEncoding::Auto => Encoding::Auto,
                QrEncoding::Utf8 => Encoding::Utf8,
                QrEncoding::Gb18030 => Encoding::Gb18030,
            },
            trigger: trigger(config.trigger),
        },
        idle: config.idle,
        same_code: config.same_code.unwrap_or_default(),
    }
}

/// The command set of a module that scans on request.
#[must_use]
pub fn trigger(word: QrTrigger) -> Option<Trigger> {
    match word {
        QrTrigger::None => None,
        QrTrigger::Gm65 => Some(Trigger::Gm65),
        QrTrigger::Newland => Some(Trigger::Newland),
        QrTrigger::NewlandOld => Some(Trigger::NewlandOld),
        QrTrigger::Honeywell => Some(Trigger::Honeywell),
        QrTrigger::M3y => Some(Trigger::M3y),
    }
}
