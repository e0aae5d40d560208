//! Readers and scanners on USB: which device they are, and how it carries what their drivers speak.
//!
//! Called by the room above for the drivers `sam-v-usb`, `sam-v-hidraw` and `hid-pos`; by the recorder,
//! whose redactors take the same packets apart.

use hharome_hardware::code::hid_pos::{ScanCarrier, is_scanner};
use hharome_hardware::id_card::usb::{Carriage, SamCarrier, may_be_reader};
use hharome_hardware::port::Port;
use hharome_hardware::port::carried::CarriedPort;
use hharome_hardware::port::hidraw::HidRaw;
use hharome_hardware::port::tape::Flow;
use hharome_hardware::port::usb::UsbBulk;

use super::NewPort;
use super::places::place;
use crate::config::{self, IdCardDriver, QrScannerDriver, ReaderReports};

/// How the ID-card reader is on USB; `None` for one that is not.
#[must_use]
pub fn carriage(config: &config::IdCard) -> Option<Carriage> {
    match (config.driver, config.reports) {
        (IdCardDriver::SamVUsb, _) => Some(Carriage::Bulk),
        (IdCardDriver::SamVHidraw, ReaderReports::Whole) => Some(Carriage::WholeReports),
        (IdCardDriver::SamVHidraw, ReaderReports::Split) => Some(Carriage::SplitReports),
        (IdCardDriver::None | IdCardDriver::Simulated | IdCardDriver::SamVSerial, _) => None,
    }
}

/// How a scanner's codes stand in reports; `None` for one that has none.
#[must_use]
pub fn scan_carrier(config: &config::QrScanner) -> Option<ScanCarrier> {
    is_hid(config).then(|| ScanCarrier::new(config.suffix.as_bytes()))
}

/// Whether the scanner says its codes in HID reports.
pub(super) fn is_hid(config: &config::QrScanner) -> bool {
    config.driver == QrScannerDriver::HidPos
}

/// The reader's own port.
pub(super) fn reader_port(config: &config::IdCard) -> NewPort {
    let place = place(config.usb_device().as_deref());
    if carriage(config) == Some(Carriage::Bulk) {
        Box::new(|| Box::new(UsbBulk::new(place)))
    } else {
        Box::new(|| Box::new(HidRaw::new(place, may_be_reader)))
    }
}

/// The scanner's own port.
pub(super) fn scanner_port(config: &config::QrScanner) -> NewPort {
    let place = place(config.device.as_deref());
    Box::new(|| Box::new(HidRaw::new(place, is_scanner)))
}

/// The reader's port as its driver wants it, around the one that is taped.
pub(super) fn carried_reader(
    carriage: Option<Carriage>,
    taped: impl FnOnce(Flow) -> Box<dyn Port>,
) -> Box<dyn Port> {
    match carriage {
        None => taped(Flow::Pieces),
        Some(carriage) => {
            Box::new(CarriedPort::new(taped(Flow::Packets), SamCarrier::new(carriage)))
        }
    }
}

/// The same of the scanner.
pub(super) fn carried_scanner(
    config: &config::QrScanner,
    taped: impl FnOnce(Flow) -> Box<dyn Port>,
) -> Box<dyn Port> {
    match scan_carrier(config) {
        None => taped(Flow::Pieces),
        Some(carrier) => Box::new(CarriedPort::new(taped(Flow::Packets), carrier)),
    }
}
