//! USB devices that no class of the kernel's makes use of: HID devices that may be readers of ID cards
//! or scanners, from `/sys/class/hidraw`, and readers with pipes, from `/sys/bus/usb/devices`.

use std::path::Path;

use super::{UsbId, line_of, names};
use crate::code::hid_pos::is_scanner;
use crate::id_card::usb::{NATIVE, may_be_reader};
use crate::port::hidraw::found;

/// A usage page of this number or above is a vendor's own: what readers of ID cards have.
const VENDORS: u32 = 0xFF00;

/// What a HID device may be used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HidUse {
    /// A HID point-of-sale scanner.
    Scanner,
    /// It takes and gives reports of its vendor's own.
    Reader,
}

/// One HID device that may be of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HidReader {
    /// Its device, such as `/dev/hidraw0`. It changes with each plugging.
    pub path: String,
    /// Its numbers.
    pub usb: UsbId,
    /// What it calls itself.
    pub name: String,
    /// What it may be.
    pub used_as: HidUse,
}

/// One reader of ID cards on USB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsbReader {
    /// Its device, such as `/dev/bus/usb/001/004`. It changes with each plugging.
    pub path: String,
    /// Its numbers.
    pub usb: UsbId,
    /// What it calls itself.
    pub name: Option<String>,
}

/// HID devices that may be of use.
pub(super) fn hid(root: &Path) -> Vec<HidReader> {
    let of_vendor = |usage: &u32| usage >> 16 >= VENDORS;
    let reader = |device: found::HidDevice| {
        let descriptor = &device.descriptor;
        let used_as = if is_scanner(descriptor).is_ok() {
            HidUse::Scanner
        } else if may_be_reader(descriptor).is_ok() && descriptor.applications.iter().any(of_vendor)
        {
            HidUse::Reader
        } else {
            return None;
        };
        Some(HidReader {
            path: device.path.display().to_string(),
            usb: UsbId { vendor: device.vendor, product: device.product },
            name: device.name,
            used_as,
        })
    };
    found::devices(root).into_iter().filter_map(reader).collect()
}

/// Readers that are on USB by themselves, and are no HID devices.
pub(super) fn readers(root: &Path) -> Vec<UsbReader> {
    let folder = root.join("sys/bus/usb/devices");
    let reader = |name: String| {
        let device = folder.join(&name);
        let hex = |file: &str| u16::from_str_radix(&line_of(&device.join(file))?, 16).ok();
        let number = |file: &str| line_of(&device.join(file))?.parse::<u16>().ok();
        let usb = UsbId { vendor: hex("idVendor")?, product: hex("idProduct")? };
        let (bus, address) = (number("busnum")?, number("devnum")?);
        let is_hid = |interface: String| {
            let class = line_of(&folder.join(interface).join("bInterfaceClass"));
            class.as_deref() == Some("03")
        };
        let mut interfaces = names(&folder)
            .into_iter()
            .filter(|other| other.strip_prefix(&name).is_some_and(|rest| rest.starts_with(':')));
        let meant = (usb.vendor, usb.product) == NATIVE && !interfaces.any(is_hid);
        meant.then(|| UsbReader {
            path: format!("/dev/bus/usb/{bus:03}/{address:03}"),
            usb,
            name: line_of(&device.join("product")),
        })
    };
    names(&folder).into_iter().filter_map(reader).collect()
}
