//! Mistakes that no key makes alone: keys that contradict each other.
//!
//! Runs after every key was found right by itself, and leaves its mistakes in the document, at the
//! line of the key that has to change.

use std::net::SocketAddr;

use super::Config;
use super::devices::{
    BuzzerDriver, BuzzerModel, FaceDriver, IdCardDriver, InfraredDriver, PrinterDriver, PsamDriver,
    QrScannerDriver, QrTrigger, SecondScreenDriver,
};
use super::schema::Document;
use super::words::Word;

/// Notes every contradiction.
pub(super) fn check(config: &Config, document: &mut Document<'_>) {
    addresses(config, document);
    queues(config, document);
    ports(config, document);
    usb_devices(config, document);
    places(config, document);
    psam_slots(config, document);
    infrared(config, document);
    buzzer(config, document);
    second_screen(config, document);
    face(config, document);
}

fn second_screen(config: &Config, document: &mut Document<'_>) {
    let screen = &config.second_screen;
    if screen.driver == SecondScreenDriver::Kms && screen.output.is_none() {
        document.note(
            "second_screen",
            Some("output"),
            "is missing, and driver \"kms\" needs it: without a display server nobody knows which \
             screen is the customer's",
            "a connector, such as \"HDMI-A-2\" (hharome devices lists them)",
        );
    }
}

fn face(config: &Config, document: &mut Document<'_>) {
    if config.face.driver == FaceDriver::Http && config.face.url.is_none() {
        document.note(
            "face",
            Some("url"),
            "is missing, and driver \"http\" needs it",
            "the engine's URL, such as \"http://127.0.0.1:8600/face\"",
        );
    }
}

fn addresses(config: &Config, document: &mut Document<'_>) {
    let listen = &config.listen;
    for (key, address) in [("tcp", listen.tcp), ("http", listen.http)] {
        let open = address.filter(|address| !is_loopback(*address) && listen.token.is_none());
        if let Some(address) = open {
            document.note(
                "listen",
                Some(key),
                &format!("{address} can be reached from other machines, and no token is set"),
                "127.0.0.1, [::1] or localhost; any address once token is set",
            );
        }
    }
    if listen.tcp.is_some_and(|tcp| tcp.port() != 0) && listen.tcp == listen.http {
        document.note("listen", Some("http"), "is the same address as tcp", "another port");
    }
}

fn queues(config: &Config, document: &mut Document<'_>) {
    let (paused, waiting) = (config.limits.paused_frames, config.limits.waiting_frames);
    if paused >= waiting {
        // Whichever of the two was written is the one to change; the other is a default.
        let key = if paused == super::Limits::default().paused_frames {
            "waiting_frames"
        } else {
            "paused_frames"
        };
        document.note(
            "limits",
            Some(key),
            &format!("paused_frames ({paused}) does not lie below waiting_frames ({waiting})"),
            "paused_frames smaller than waiting_frames",
        );
    }
}

fn ports(config: &Config, document: &mut Document<'_>) {
    let users: Vec<(&'static str, &'static str, Option<&str>)> = [
        (config.id_card.driver == IdCardDriver::SamVSerial).then_some((
            "id_card",
            "sam-v-serial",
            config.id_card.port.as_deref(),
        )),
        (config.qr_scanner.driver == QrScannerDriver::Serial).then_some((
            "qr_scanner",
            "serial",
            config.qr_scanner.port.as_deref(),
        )),
        (config.infrared.driver == InfraredDriver::Serial).then_some((
            "infrared",
            "serial",
            config.infrared.port.as_deref(),
        )),
        (config.printer.driver == PrinterDriver::EscposSerial).then_some((
            "printer",
            "escpos-serial",
            config.printer.port.as_deref(),
        )),
    ]
    .into_iter()
    .flatten()
    .collect();
    for (section, driver, port) in &users {
        if port.is_none() {
            document.note(
                section,
                Some("port"),
                &format!("is missing, and driver {driver:?} needs it"),
                "the absolute path of a serial port (hharome devices lists them)",
            );
        }
    }
    for (index, (section, _, port)) in users.iter().enumerate() {
        let same = |(_, _, other): &&(_, _, Option<&str>)| port.is_some() && other == port;
        if let Some((first, ..)) = users.iter().take(index).find(same) {
            document.note(
                section,
                Some("port"),
                &format!("{:?} is the port of [{first}] too", port.unwrap_or_default()),
                "a port of its own",
            );
        }
    }
}

fn infrared(config: &Config, document: &mut Document<'_>) {
    let infrared = &config.infrared;
    match infrared.driver {
        InfraredDriver::Gpio if infrared.line.is_none() => document.note(
            "infrared",
            Some("line"),
            "is missing, and driver \"gpio\" needs it",
            "a line's name, or CHIP:NUMBER (hharome devices lists the lines)",
        ),
        _ => {}
    }
}

fn usb_devices(config: &Config, document: &mut Document<'_>) {
    let (reader, scanner) = (&config.id_card, &config.qr_scanner);
    if reader.driver == IdCardDriver::SamVHidraw && reader.device.is_none() {
        document.note(
            "id_card",
            Some("device"),
            "is missing, and driver \"sam-v-hidraw\" needs it",
            "a HID device's numbers, name or path (hharome devices lists them)",
        );
    }
    if scanner.driver == QrScannerDriver::HidPos && scanner.trigger != QrTrigger::None {
        document.note(
            "qr_scanner",
            Some("trigger"),
            "stands beside driver \"hid-pos\", whose scanners scan by themselves",
            "\"none\", or driver \"serial\"",
        );
    }
}

/// Devices of which a driver needs to know where they are.
fn places(config: &Config, document: &mut Document<'_>) {
    let scanner = &config.qr_scanner;
    let is_path = scanner.port.as_ref().is_none_or(|port| port.starts_with('/'));
    if scanner.driver == QrScannerDriver::Serial && !is_path {
        document.note(
            "qr_scanner",
            Some("port"),
            "is no path, and driver \"serial\" needs one",
            "the absolute path of a serial port (hharome devices lists them)",
        );
    }
    let named = "an absolute path, vendor and product, or a name (hharome devices lists them)";
    if scanner.driver == QrScannerDriver::Evdev && scanner.port.is_none() {
        let wrong = "is missing, and driver \"evdev\" needs it";
        document.note("qr_scanner", Some("port"), wrong, named);
    }
    let printer = &config.printer;
    let needed = match printer.driver {
        PrinterDriver::EscposTcp => Some("a printer's address, such as 192.168.1.50:9100"),
        PrinterDriver::EscposDevice => {
            Some("the absolute path of a printer's device (hharome devices lists them)")
        }
        // That of a serial line is among the ports.
        _ => None,
    };
    if let (Some(allowed), None) = (needed, printer.place()) {
        let wrong = format!("is missing, and driver {:?} needs it", printer.driver.word());
        document.note("printer", Some(printer.place_key()), &wrong, allowed);
    }
}

fn psam_slots(config: &Config, document: &mut Document<'_>) {
    if config.psam.driver != PsamDriver::Pcsc {
        return;
    }
    match config.psam.slots.as_slice() {
        [] => document.note(
            "psam",
            Some("slots"),
            "is missing, and driver \"pcsc\" needs it",
            "a list of 1 or 2 reader patterns (hharome devices lists the readers)",
        ),
        [first, second] if first == second => document.note(
            "psam",
            Some("slots"),
            &format!("{first:?} is the pattern of both slots"),
            "a reader of its own for each slot",
        ),
        _ => {}
    }
}

fn buzzer(config: &Config, document: &mut Document<'_>) {
    let buzzer = &config.buzzer;
    match buzzer.driver {
        BuzzerDriver::Program if buzzer.program.is_empty() => document.note(
            "buzzer",
            Some("program"),
            "is missing, and driver \"program\" needs it",
            "a list: the absolute path of a program, then its arguments",
        ),
        BuzzerDriver::Pcsc if buzzer.command.is_some() && buzzer.model != BuzzerModel::Auto => {
            document.note(
                "buzzer",
                Some("model"),
                "stands beside command, which says the same",
                "\"auto\", or no command",
            );
        }
        _ => {}
    }
}

/// Whether only this machine can reach the address, IPv4 written as IPv6 included.
fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
