//! The receipt printer: on a serial line, over TCP, at the kernel's USB printer device, or virtual in
//! this process. Built here, with the tape around its line and its journal beside it.

use hharome_hardware::device;
use hharome_hardware::port::Port;
use hharome_hardware::port::lp::PrinterDevice;
use hharome_hardware::port::serial::{FlowControl, SerialDevice};
use hharome_hardware::port::socket::{Socket, SocketAddress};
use hharome_hardware::port::tape::Flow;
use hharome_hardware::receipt::driver::{EscposPrinter, Settings};
use hharome_hardware::receipt::escpos::{Cut, Profile};
use hharome_hardware::receipt::journal::Journal;
use hharome_hardware::receipt::layout::{FontSettings, Typesetter};
use hharome_hardware::receipt::virtual_printer::{Model, VirtualPrinter};
use hharome_hardware::receipt::{Printer, queue, queue_on_one_thread};

use super::{Device, NewPort, outside_port, simulated_port};
use crate::config::{self, Config, PrinterCut, PrinterDriver, PrinterFlow, PrinterText, Word};
use crate::outside::Outside;
use crate::simulation::Hand;

/// The receipt printer.
pub struct Receipts {
    /// Its state.
    pub device: Device,
    /// What is asked to print; `None` without a driver.
    pub press: Option<Press>,
    pub(super) hand: Option<Hand>,
}

/// What makes receipts. Clones are the same.
#[derive(Clone)]
pub struct Press {
    /// The queue before the printer.
    pub printer: Printer,
    /// What lays them out.
    pub typesetter: Typesetter,
    /// Dots in one row.
    pub width_dots: u32,
    /// How they are put for this printer.
    pub profile: Profile,
    /// Texts are in the printer's own type.
    pub native: bool,
}

pub(super) fn receipts(config: &Config, outside: &mut Outside) -> Receipts {
    let (section, printer) = ("printer", &config.printer);
    let driver = printer.driver.word();
    let (port, hand): (NewPort, _) = match printer.driver {
        PrinterDriver::None => {
            return Receipts { device: Device::off(section, driver), press: None, hand: None };
        }
        PrinterDriver::Simulated => {
            let (device, hand) =
                VirtualPrinter::new(Model { row_bytes: row_bytes(printer), ..Model::default() });
            let (port, plug) = simulated_port("the simulated printer", device);
            (port, Some(Hand::Printer(hand, plug)))
        }
        _ => {
            let printer = printer.clone();
            (Box::new(move || real_port(&printer)), None)
        }
    };
    let device = Device::at_port(section, driver, printer.place().as_deref());
    let status = device.status.clone();
    let on_disk = matches!(outside, Outside::Kiosk(_)) && hand.is_none();
    let journal = match &printer.journal {
        Some(folder) if on_disk => Journal::open(folder),
        _ => Journal::in_memory(),
    };
    let (queue, jobs) = match outside {
        Outside::Kiosk(_) => queue(status.clone(), journal),
        Outside::Recording(_) => queue_on_one_thread(status.clone(), journal),
    };
    let port = outside_port(port, &status, Flow::Pieces, outside);
    let profile = profile(printer);
    let settings = Settings {
        baud: printer.baud,
        profile,
        row_bytes: row_bytes(printer),
        status: printer.status,
    };
    tokio::spawn(device::run(port, EscposPrinter::new(settings, jobs), status));
    let press = Press {
        printer: queue,
        typesetter: Typesetter::new(FontSettings {
            families: printer.fonts.clone(),
            files: printer.font_files.clone(),
            ..FontSettings::default()
        }),
        width_dots: printer.width_dots,
        profile,
        native: printer.text == PrinterText::Native,
    };
    Receipts { device, press: Some(press), hand }
}

fn real_port(printer: &config::Printer) -> Box<dyn Port> {
    // One without a place is refused with its configuration.
    let place = printer.place().unwrap_or_default();
    match printer.driver {
        PrinterDriver::EscposTcp => {
            let (host, port) = place.rsplit_once(':').unwrap_or((&place, ""));
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let address = SocketAddress::Tcp(host.to_owned(), port.parse().unwrap_or(9100));
            Box::new(Socket::new(address))
        }
        PrinterDriver::EscposDevice => Box::new(PrinterDevice::new(place)),
        _ => Box::new(SerialDevice::new(place).with_flow(match printer.flow {
            PrinterFlow::None => FlowControl::None,
            PrinterFlow::RtsCts => FlowControl::Hardware,
            PrinterFlow::XonXoff => FlowControl::Software,
        })),
    }
}

/// How receipts are put for the configured printer.
#[must_use]
pub fn profile(printer: &config::Printer) -> Profile {
    Profile {
        band_rows: printer.band_rows,
        // Serial lines are slower than any printer feeds.
        feeds_white: printer.driver == PrinterDriver::EscposSerial,
        cut: match printer.cut {
            PrinterCut::Partial => Cut::Partial,
            PrinterCut::Full => Cut::Full,
            PrinterCut::None => Cut::None,
        },
        feed_dots: printer.feed(),
    }
}

fn row_bytes(printer: &config::Printer) -> usize {
    usize::try_from(printer.width_dots.div_ceil(8)).unwrap_or_default()
}
