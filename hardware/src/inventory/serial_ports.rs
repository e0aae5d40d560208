//! Serial ports, from `/sys/class/tty`.
//!
//! Read here and not by `serialport::available_ports`, which without libudev leaves out the UARTs
//! of most ARM boards (bus `platform`), panics where `/sys` is not mounted, and has no root to set.

use std::fs;
use std::path::{Path, PathBuf};

use super::{SerialPort, UsbId, line_of, links, names, usb_folder};

/// The serial ports with hardware behind them and a device below `/dev`.
pub(super) fn read(root: &Path) -> Vec<SerialPort> {
    let by_id = links(root, "dev/serial/by-id");
    let by_path = links(root, "dev/serial/by-path");
    let found: Vec<(String, Option<Usb>)> = names(&root.join("sys/class/tty"))
        .into_iter()
        .filter(|name| root.join("dev").join(name).exists())
        .filter_map(|name| {
            let usb = hardware(&root.join("sys/class/tty").join(&name))?;
            Some((name, usb))
        })
        .collect();
    found
        .iter()
        .map(|(name, usb)| SerialPort {
            path: format!("/dev/{name}"),
            by_id: by_id.get(name).cloned(),
            by_path: by_path.get(name).cloned(),
            usb: usb.as_ref().map(|usb| usb.id),
            name: usb.as_ref().and_then(|usb| usb.name.clone()),
            has_twin: usb.as_ref().is_some_and(|usb| {
                found.iter().filter_map(|(_, other)| other.as_ref()).any(|other| usb.is_twin(other))
            }),
        })
        .collect()
}

/// What a port's USB device says of itself.
struct Usb {
    folder: PathBuf,
    id: UsbId,
    serial: Option<String>,
    name: Option<String>,
}

impl Usb {
    /// Another device that udev cannot tell from this one. Two ports of one device are no twins.
    fn is_twin(&self, other: &Self) -> bool {
        self.folder != other.folder && self.id == other.id && self.serial == other.serial
    }
}

/// `None`: nothing behind this name. `Some(None)`: a port that is not on USB.
#[expect(clippy::option_option, reason = "no hardware and no USB are two answers")]
fn hardware(tty: &Path) -> Option<Option<Usb>> {
    // Consoles and pseudo-terminals have no device.
    let device = fs::canonicalize(tty.join("device")).ok()?;
    // The PC's driver offers a few ports whether or not there are any; those have type 0, unknown
    // (PORT_UNKNOWN of linux/serial_core.h).
    if line_of(&tty.join("type")).as_deref() == Some("0") {
        return None;
    }
    Some(usb_folder(&device).and_then(|folder| {
        let number = |file: &str| u16::from_str_radix(&line_of(&folder.join(file))?, 16).ok();
        Some(Usb {
            id: UsbId { vendor: number("idVendor")?, product: number("idProduct")? },
            serial: line_of(&folder.join("serial")),
            name: line_of(&folder.join("product")),
            folder,
        })
    }))
}
