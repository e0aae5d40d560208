//! What this machine offers to a kiosk: serial ports, PC/SC readers, capture devices, printers,
//! displays, outputs, input devices, GPIO lines, proximity sensors, USB readers, what speaks.
//!
//! `hharome devices` calls [`Inventory::read`], prints it and ends. Everything but the card
//! readers and the GPIO lines is read from files of the kernel below a root folder, so that tests bring their own; nothing is
//! opened that could disturb a device. The list of card readers is asked of pcscd on a thread of
//! its own. What cannot be read is left out: an inventory never fails.

mod card_readers;
mod input_devices;
mod screen_outputs;
mod serial_ports;
mod speech;
mod usb_devices;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::card_readers::{CardReader, CardReaders, Presence, ReaderKind};
pub use self::usb_devices::{HidReader, HidUse, UsbReader};
pub use crate::port::gpio::ListedLine;
pub use crate::port::iio::Found as ProximitySensor;
use crate::port::{gpio, iio};
pub use crate::screen::helper::ListedOutput;

/// How long pcscd may take to list its readers. It answers within milliseconds unless it hangs.
pub const CARD_READERS_LIMIT: Duration = Duration::from_secs(2);

/// Everything that was found, each list in the order of its names. Paths are those of the machine
/// itself, whatever root was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Serial ports that have hardware behind them.
    pub serial_ports: Vec<SerialPort>,
    /// The readers that pcscd knows, or why it could not be asked.
    pub card_readers: CardReaders,
    /// Sound devices that can record.
    pub capture_devices: Vec<CaptureDevice>,
    /// USB printers that the kernel offers as a device.
    pub printers: Vec<UsbPrinter>,
    /// Displays that are plugged in.
    pub displays: Vec<Display>,
    /// Keyboards, scanners that type, touch screens, sensors, beepers.
    pub input_devices: Vec<InputDevice>,
    /// Lines of GPIO chips, as far as this user may look at them.
    pub gpio_lines: Vec<ListedLine>,
    /// Sensors of the kernel's IIO that measure proximity.
    pub proximity_sensors: Vec<ProximitySensor>,
    /// HID devices that may be readers of ID cards, or scanners.
    pub hid_devices: Vec<HidReader>,
    /// USB devices that are readers of ID cards by their numbers.
    pub usb_readers: Vec<UsbReader>,
    /// The outputs of the X server of our own session, or why it could not be asked.
    pub x_outputs: Result<Vec<ListedOutput>, String>,
    /// The same of the Wayland compositor of our own session, which has to have a layer shell.
    pub wayland_outputs: Result<Vec<ListedOutput>, String>,
    /// What can speak.
    pub speech: Vec<SpeechService>,
}

/// Something that speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpeechService {
    /// A speech-dispatcher, of a session that runs now.
    Server {
        /// Its socket.
        socket: String,
    },
    /// espeak-ng, which speaks without a service.
    Program {
        /// Where it is.
        path: String,
    },
}

/// One serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialPort {
    /// The kernel's name for it, such as `/dev/ttyUSB0`. It may change with the next start.
    pub path: String,
    /// Its name below `/dev/serial/by-id`: which device it is.
    pub by_id: Option<String>,
    /// Its name below `/dev/serial/by-path`: which socket it is plugged into.
    pub by_path: Option<String>,
    /// Who made it, if it is on USB.
    pub usb: Option<UsbId>,
    /// What it calls itself.
    pub name: Option<String>,
    /// Whether another device with the same ids and serial number is plugged in, so that the name
    /// below `by-id` may belong to the other one tomorrow.
    pub has_twin: bool,
}

/// The ids of a USB device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsbId {
    /// The vendor's number.
    pub vendor: u16,
    /// The product's number.
    pub product: u16,
}

/// One sound device that can record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureDevice {
    /// Its name for ALSA, with conversion of rate and format: `plughw:CARD=PCH,DEV=0`.
    pub pcm: String,
    /// What it calls itself.
    pub name: String,
}

/// One USB printer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsbPrinter {
    /// Its device, such as `/dev/usb/lp0`.
    pub path: String,
    /// Maker and model from its IEEE 1284 id.
    pub name: Option<String>,
}

/// One display that is plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Display {
    /// The connector, such as `HDMI-A-1`.
    pub connector: String,
    /// The mode it prefers, such as `1920x1080`.
    pub mode: Option<String>,
    /// The card's device file, by the name that stays if there is one.
    pub card: String,
}

/// One input device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputDevice {
    /// Its device, such as `/dev/input/event3`. It may change with the next start.
    pub path: String,
    /// Its name below `/dev/input/by-id`, else below `/dev/input/by-path`.
    pub stable_path: Option<String>,
    /// What it calls itself.
    pub name: String,
    /// The number of its bus (linux/input.h): 3 is USB, 5 Bluetooth, 17 the PC's keyboard port.
    pub bus: u16,
    /// The vendor's number.
    pub vendor: u16,
    /// The product's number.
    pub product: u16,
    /// It has the digits and the enter key: a keyboard, or a scanner that types.
    pub types_digits: bool,
    /// It can beep.
    pub beeps: bool,
    /// It tells whether somebody is near.
    pub senses_presence: bool,
    /// It has keys, buttons or a touch surface, by which people operate a kiosk.
    pub is_operated: bool,
}

impl Inventory {
    /// Looks at this machine. Blocks for up to two seconds if pcscd hangs.
    pub fn read() -> Self {
        let card_readers = CardReaders::ask(CARD_READERS_LIMIT);
        let x_outputs = screen_outputs::of_x();
        let wayland_outputs = screen_outputs::of_wayland();
        Self {
            gpio_lines: gpio::lines(),
            x_outputs,
            wayland_outputs,
            ..Self::read_under(Path::new("/"), card_readers)
        }
    }

    /// Looks at the machine whose root folder this is, with the card readers given, and without its
    /// GPIO lines and display servers.
    pub fn read_under(root: &Path, card_readers: CardReaders) -> Self {
        Self {
            serial_ports: serial_ports::read(root),
            card_readers,
            capture_devices: capture_devices(root),
            printers: printers(root),
            displays: displays(root),
            input_devices: input_devices::read(root),
            gpio_lines: Vec::new(),
            proximity_sensors: iio::all_under(root),
            hid_devices: usb_devices::hid(root),
            usb_readers: usb_devices::readers(root),
            x_outputs: Ok(Vec::new()),
            wayland_outputs: Ok(Vec::new()),
            speech: speech::read(root),
        }
    }
}

impl SerialPort {
    /// The name to configure: the one that will mean the same device or socket tomorrow.
    pub fn stable_path(&self) -> &str {
        let by_id = self.by_id.as_deref().filter(|_| !self.has_twin);
        by_id.or(self.by_path.as_deref()).unwrap_or(&self.path)
    }
}

/// The lines of `/proc/asound/pcm` that name a capture stream:
/// `00-00: ALC892 Analog : ALC892 Analog : playback 1 : capture 1`.
fn capture_devices(root: &Path) -> Vec<CaptureDevice> {
    let sound = root.join("proc/asound");
    let text = fs::read_to_string(sound.join("pcm")).unwrap_or_default();
    let device = |line: &str| {
        let (numbers, rest) = line.split_once(": ")?;
        let (card, device) = numbers.split_once('-')?;
        let (card, device): (u32, u32) = (card.parse().ok()?, device.parse().ok()?);
        let mut parts = rest.split(" : ").map(str::trim);
        let name = printable(parts.next()?);
        parts.any(|part| part.starts_with("capture ")).then(|| {
            // The card's id stays when another card takes its number.
            let id = line_of(&sound.join(format!("card{card}/id")));
            let card = id.unwrap_or_else(|| card.to_string());
            CaptureDevice { pcm: format!("plughw:CARD={card},DEV={device}"), name }
        })
    };
    text.lines().filter_map(device).collect()
}

fn printers(root: &Path) -> Vec<UsbPrinter> {
    let devices = names(&root.join("dev/usb")).into_iter().filter(|name| is_numbered(name, "lp"));
    devices
        .map(|name| {
            let id = line_of(&root.join(format!("sys/class/usbmisc/{name}/device/ieee1284_id")));
            UsbPrinter { path: format!("/dev/usb/{name}"), name: id.as_deref().and_then(model) }
        })
        .collect()
}

/// Maker and model of an IEEE 1284 id, `MFG:…;MDL:…;…`, whose keys have long forms as well.
fn model(id: &str) -> Option<String> {
    let field = |names: [&str; 2]| {
        id.split(';')
            .filter_map(|field| field.split_once(':'))
            .find(|(key, _)| names.contains(&key.trim()))
            .map(|(_, value)| value.trim())
    };
    let parts = [field(["MFG", "MANUFACTURER"]), field(["MDL", "MODEL"])];
    let name = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

fn displays(root: &Path) -> Vec<Display> {
    let outputs = root.join("sys/class/drm");
    let stable = links(root, "dev/dri/by-path");
    let display = |name: String| {
        let folder = outputs.join(&name);
        let connected = line_of(&folder.join("status"))? == "connected";
        let (card, connector) = name.split_once('-')?;
        connected.then(|| Display {
            connector: connector.to_owned(),
            mode: line_of(&folder.join("modes")),
            card: stable.get(card).cloned().unwrap_or_else(|| format!("/dev/dri/{card}")),
        })
    };
    names(&outputs).into_iter().filter_map(display).collect()
}

/// The names in a folder, sorted so that 2 comes before 10; none if there is no such folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    names
}

/// The links of a folder such as `dev/serial/by-id`, by the name of the device they point to.
fn links(root: &Path, folder: &str) -> BTreeMap<String, String> {
    let target = |name: String| {
        let link = fs::read_link(root.join(folder).join(&name)).ok()?;
        let device = link.file_name()?.to_str()?.to_owned();
        Some((device, format!("/{folder}/{name}")))
    };
    names(&root.join(folder)).into_iter().filter_map(target).collect()
}

/// The first line of a small file, without what a terminal would obey; `None` if it is empty.
fn line_of(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = printable(text.lines().next()?);
    (!line.is_empty()).then_some(line)
}

/// A name that a device gives itself, trimmed and without control characters: whoever plugs a
/// device in chooses it, and it is printed on a terminal.
fn printable(text: &str) -> String {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0')
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The folder of the USB device that a device belongs to: the nearest one with a vendor's number.
fn usb_folder(device: &Path) -> Option<PathBuf> {
    device.ancestors().find(|folder| folder.join("idVendor").is_file()).map(Path::to_owned)
}

#[cfg(test)]
mod tests;
