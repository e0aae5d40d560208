//! Input devices, from `/proc/bus/input/devices`: a paragraph a device, a letter a line.
//!
//! ```text
//! I: Bus=0003 Vendor=0c2e Product=0b61 Version=0110
//! N: Name="Honeywell Scanner"
//! H: Handlers=sysrq kbd event5
//! B: EV=120013
//! B: KEY=… 402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe
//! ```
//!
//! A bitmap is a row of hexadecimal words, the lowest last.

use std::fs;
use std::path::Path;

use super::{InputDevice, is_numbered, links, printable};

/// Keys 1 to 0 (codes 2 to 11) and enter (28) of linux/input-event-codes.h: what a code needs.
const DIGITS_AND_ENTER: u64 = 0xffc | 1 << 28;

/// The switch of a presence sensor (`SW_FRONT_PROXIMITY`).
const FRONT_PROXIMITY: u64 = 1 << 0x0b;

/// Bell and tone (`SND_BELL`, `SND_TONE`).
const BELL_AND_TONE: u64 = 1 << 1 | 1 << 2;

/// Keys and buttons (`EV_KEY`, of the kinds of events), and the places of fingers
/// (`ABS_MT_POSITION_X`).
const KEYS: u64 = 1 << 1;
const FINGERS: u64 = 1 << 0x35;

/// Every input device that has an event device.
pub(super) fn read(root: &Path) -> Vec<InputDevice> {
    let text = fs::read(root.join("proc/bus/input/devices")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let by_id = links(root, "dev/input/by-id");
    let by_path = links(root, "dev/input/by-path");
    text.split("\n\n")
        .filter_map(|paragraph| {
            let (event, mut device) = parse(paragraph)?;
            device.stable_path = by_id.get(event).or_else(|| by_path.get(event)).cloned();
            Some(device)
        })
        .collect()
}

/// The name of the event device, and the device.
fn parse(paragraph: &str) -> Option<(&str, InputDevice)> {
    let line = |letter: &str| {
        paragraph.lines().find_map(|line| line.trim().strip_prefix(letter)).map(str::trim)
    };
    let event = line("H: Handlers=")?
        .split_ascii_whitespace()
        .find(|handler| is_numbered(handler, "event"))?;
    let id = line("I:")?;
    let number = |name: &str| {
        let field = id.split_ascii_whitespace().find_map(|field| field.strip_prefix(name))?;
        u16::from_str_radix(field, 16).ok()
    };
    let bits = |name: &str, wanted: u64| {
        let lowest = line(name).and_then(|words| words.split_ascii_whitespace().last());
        lowest.and_then(|word| u64::from_str_radix(word, 16).ok()).unwrap_or(0) & wanted
    };
    let device = InputDevice {
        path: format!("/dev/input/{event}"),
        stable_path: None,
        name: printable(line("N: Name=")?.trim_matches('"')),
        bus: number("Bus=")?,
        vendor: number("Vendor=")?,
        product: number("Product=")?,
        types_digits: bits("B: KEY=", DIGITS_AND_ENTER) == DIGITS_AND_ENTER,
        beeps: bits("B: SND=", BELL_AND_TONE) != 0,
        senses_presence: bits("B: SW=", FRONT_PROXIMITY) != 0,
        is_operated: bits("B: EV=", KEYS) != 0 || bits("B: ABS=", FINGERS) != 0,
    };
    Some((event, device))
}
