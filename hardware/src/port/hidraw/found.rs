//! Which HID devices this machine has, from the kernel's files: nothing is opened.
//!
//! ```text
//! /sys/class/hidraw/hidraw0/device/uevent              HID_ID=0003:00000C2E:00000B61
//!                                                      HID_NAME=Example Scanner
//!                                                      HID_PHYS=usb-0000:00:14.0-2/input0
//! /sys/class/hidraw/hidraw0/device/report_descriptor   bytes
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Wanted;
use crate::hid::{Descriptor, MOST_BYTES};
use crate::port::place::Place;

/// One HID device; a USB device has one for each of its HID interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HidDevice {
    /// Its device file, such as `/dev/hidraw0`.
    pub path: PathBuf,
    /// What it calls itself.
    pub name: String,
    /// Where it is plugged in, as the kernel says it: `usb-0000:00:14.0-2/input0`.
    pub plugged_into: String,
    /// The vendor's number.
    pub vendor: u16,
    /// The product's number.
    pub product: u16,
    /// Its reports.
    pub descriptor: Descriptor,
}

/// All of them, by where they are plugged in: an order that stays when their numbers change.
#[must_use]
pub fn devices(root: &Path) -> Vec<HidDevice> {
    let entries = fs::read_dir(root.join("sys/class/hidraw")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut devices: Vec<HidDevice> = names.filter_map(|name| device(root, &name)).collect();
    devices.sort_by_cached_key(|device| {
        let path = device.path.to_string_lossy().into_owned();
        (device.plugged_into.clone(), path.len(), path)
    });
    devices
}

/// Those that a place means by numbers or name, in that order, and that are wanted. A path means the
/// one device at it, whatever it is.
#[must_use]
pub fn matching(root: &Path, place: &Place, wanted: Wanted) -> Vec<HidDevice> {
    if let Place::Path(path) = place {
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        let named = name(&fs::canonicalize(path).unwrap_or_else(|_| path.clone()));
        return named.and_then(|name| device(root, &name)).into_iter().collect();
    }
    let meant = |device: &HidDevice| {
        place.means(&device.name, device.vendor, device.product)
            && wanted(&device.descriptor).is_ok()
    };
    devices(root).into_iter().filter(meant).collect()
}

/// The report descriptor of the device at this path, links followed.
///
/// # Errors
/// It is no HID device, or the kernel's files are not there.
pub(super) fn descriptor_of(root: &Path, path: &Path) -> io::Result<Vec<u8>> {
    let path = fs::canonicalize(path)?;
    let name = path.file_name().ok_or(io::ErrorKind::NotFound)?;
    let mut bytes =
        fs::read(root.join("sys/class/hidraw").join(name).join("device/report_descriptor"))
            .map_err(|error| {
                io::Error::new(error.kind(), format!("no report descriptor: {error}"))
            })?;
    bytes.truncate(MOST_BYTES);
    Ok(bytes)
}

fn device(root: &Path, name: &str) -> Option<HidDevice> {
    let folder = root.join("sys/class/hidraw").join(name).join("device");
    let uevent = fs::read(folder.join("uevent")).ok()?;
    let uevent = String::from_utf8_lossy(&uevent);
    let value = |key: &str| {
        uevent
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
    };
    let mut numbers = value("HID_ID").split(':').skip(1).map(|number| {
        u32::from_str_radix(number, 16).ok().and_then(|number| u16::try_from(number).ok())
    });
    let descriptor = fs::read(folder.join("report_descriptor")).unwrap_or_default();
    Some(HidDevice {
        path: Path::new("/dev").join(name),
        name: printable(value("HID_NAME")),
        plugged_into: printable(value("HID_PHYS")),
        vendor: numbers.next()??,
        product: numbers.next()??,
        descriptor: Descriptor::parse(&descriptor),
    })
}

/// A device chooses its name, and it is printed on terminals.
fn printable(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, name: &str, id: &str, called: &str, phys: &str, descriptor: &[u8]) {
        let folder = root.join("sys/class/hidraw").join(name).join("device");
        fs::create_dir_all(&folder).unwrap();
        let uevent = format!(
            "DRIVER=hid-generic\nHID_ID={id}\nHID_NAME={called}\nHID_PHYS={phys}\nHID_UNIQ=\n"
        );
        fs::write(folder.join("uevent"), uevent).unwrap();
        fs::write(folder.join("report_descriptor"), descriptor).unwrap();
    }

    #[test]
    fn devices_are_in_the_order_of_their_sockets_whatever_their_numbers() {
        let root = tempfile::tempdir().unwrap();
        let scanner = b"\x05\x8C\x09\x02\xA1\x01\xC0";
        let keyboard = b"\x05\x01\x09\x06\xA1\x01\xC0";
        let id = "0003:00000C2E:00000B61";
        put(root.path(), "hidraw10", id, "ACME Scanner", "usb-1-2/input0", keyboard);
        put(root.path(), "hidraw3", id, "ACME Scanner", "usb-1-2/input1", scanner);
        put(
            root.path(),
            "hidraw4",
            "0003:00000400:0000C35A",
            "Card\tReader",
            "usb-1-1/input0",
            b"",
        );
        put(root.path(), "hidraw5", "nonsense", "", "", b"");
        let paths = |devices: Vec<HidDevice>| -> Vec<String> {
            devices.iter().map(|device| device.path.display().to_string()).collect()
        };
        assert_eq!(paths(devices(root.path())), ["/dev/hidraw4", "/dev/hidraw10", "/dev/hidraw3"]);
        let chosen = |text: &str, wanted: Wanted| {
            paths(matching(root.path(), &text.parse().unwrap(), wanted))
        };
        let any: Wanted = |_| Ok(());
        let of_scanners: Wanted = |descriptor| match descriptor.is_of_page(0x8C) {
            true => Ok(()),
            false => Err("no scanner"),
        };
        assert_eq!(chosen("0c2e:0b61", any), ["/dev/hidraw10", "/dev/hidraw3"]);
        assert_eq!(chosen("ACME*", of_scanners), ["/dev/hidraw3"]);
        assert_eq!(chosen("Card Reader", any), ["/dev/hidraw4"]);
        assert_eq!(chosen("/dev/hidraw4", of_scanners), ["/dev/hidraw4"]);
        assert_eq!(chosen("0c2e:0b62", any), Vec::<String>::new());
    }
}
