//! GPIO lines: a USB bridge with eight of them (Silicon Labs CP2112), played over `/dev/uhid` and
//! worked by the kernel's own driver `hid-cp2112`, so that a real `/dev/gpiochip…` is there.
//!
//! Reports as in the maker's AN495; the protocol of `/dev/uhid` is in linux/uhid.h: one `struct
//! uhid_event` each time it is read or written.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::fixture::soon;

/// Modules for it.
pub(crate) const GPIO_MODULES: [&str; 2] = ["uhid", "hid-cp2112"];

// Types of events (enum uhid_event_type).
const DESTROY: u32 = 1;
const STOP: u32 = 3;
const GET_REPORT: u32 = 9;
const GET_REPORT_REPLY: u32 = 10;
const CREATE2: u32 = 11;
const SET_REPORT: u32 = 13;
const SET_REPORT_REPLY: u32 = 14;

/// The largest event: the type, and `struct uhid_create2_req`.
const EVENT_BYTES: usize = 4 + 128 + 64 + 64 + 2 + 2 + 4 * 4 + 4096;

// Reports of the bridge.
const DIRECTION: u8 = 2;
const LEVELS: u8 = 3;
const SET_LEVELS: u8 = 4;
const VERSION: u8 = 5;
const SMBUS: u8 = 6;

/// The bridge, plugged in until dropped.
pub(crate) struct GpioBridge {
    uhid: File,
    state: Arc<Mutex<State>>,
    life: Option<JoinHandle<()>>,
    chip: String,
}

#[derive(Default)]
struct State {
    /// A bit a line.
    levels: u8,
    /// Lines that are outputs.
    outputs: u8,
    smbus: Vec<u8>,
}

impl GpioBridge {
    /// Plugs it in; all lines are low.
    pub(crate) async fn plug_in() -> Self {
        let uhid = OpenOptions::new().read(true).write(true).open("/dev/uhid");
        let mut uhid = uhid.expect("/dev/uhid");
        let state = Arc::new(Mutex::new(State { smbus: smbus(), ..State::default() }));
        uhid.write_all(&create()).expect("uhid makes a device");
        let (mut file, shared) = (uhid.try_clone().expect("a file"), Arc::clone(&state));
        let life = std::thread::spawn(move || {
            let mut event = vec![0; EVENT_BYTES];
            while let Ok(length) = file.read(&mut event) {
                if number(&event) == STOP {
                    return;
                }
                let reply = shared.lock().expect("no panic").answer(&event[..length]);
                if reply.is_some_and(|reply| file.write_all(&reply).is_err()) {
                    return;
                }
            }
        });
        let there = async {
            loop {
                if let Some(chip) = chip() {
                    return chip;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let chip = soon("there is a GPIO chip", there).await;
        Self { uhid, state, life: Some(life), chip }
    }

    /// The name of its device file. The kernel gives a number again once nobody has the chip open that
    /// had it.
    pub(crate) fn chip(&self) -> &str {
        &self.chip
    }

    /// Drives an input line.
    pub(crate) fn drive(&self, line: u8, high: bool) {
        let mut state = self.state.lock().expect("no panic");
        if high {
            state.levels |= 1 << line;
        } else {
            state.levels &= !(1 << line);
        }
    }
}

impl Drop for GpioBridge {
    fn drop(&mut self) {
        let _ = self.uhid.write_all(&DESTROY.to_ne_bytes());
        if let Some(life) = self.life.take() {
            let _ = life.join();
        }
    }
}

/// The only GPIO chip of the machine.
fn chip() -> Option<String> {
    let files = fs::read_dir("/dev").expect("/dev").flatten();
    let mut names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    names.find(|name| name.starts_with("gpiochip"))
}

impl State {
    /// What is written in answer to an event.
    fn answer(&mut self, event: &[u8]) -> Option<Vec<u8>> {
        let (kind, id, report) = (number(event), event.get(4..8)?, *event.get(8)?);
        match kind {
            GET_REPORT => {
                let data = match report {
                    DIRECTION => vec![DIRECTION, self.outputs, 0, 0, 0],
                    LEVELS => vec![LEVELS, self.levels],
                    // Part number and version.
                    VERSION => vec![VERSION, 0x0c, 2],
                    SMBUS => self.smbus.clone(),
                    other => vec![other; 16],
                };
                let size = u16::try_from(data.len()).expect("a short report").to_ne_bytes();
                let head = [&GET_REPORT_REPLY.to_ne_bytes(), id, &[0; 2], &size].concat();
                Some([head, data].concat())
            }
            SET_REPORT => {
                let size = usize::from(u16::from_ne_bytes([*event.get(10)?, *event.get(11)?]));
                let data = event.get(12..12 + size)?;
                match *data {
                    [DIRECTION, outputs, ..] => self.outputs = outputs,
                    [SET_LEVELS, levels, mask, ..] => {
                        self.levels = self.levels & !mask | levels & mask;
                    }
                    [SMBUS, ..] => self.smbus = data.to_vec(),
                    _ => {}
                }
                Some([&SET_REPORT_REPLY.to_ne_bytes(), id, &[0; 2]].concat())
            }
            _ => None,
        }
    }
}

fn number(event: &[u8]) -> u32 {
    event.first_chunk().copied().map(u32::from_ne_bytes).unwrap_or_default()
}

/// `UHID_CREATE2`: who it is and its report descriptor.
fn create() -> Vec<u8> {
    let descriptor = descriptor();
    let text = |text: &str, bytes: usize| {
        let mut field = text.as_bytes().to_vec();
        field.resize(bytes, 0);
        field
    };
    let size = u16::try_from(descriptor.len()).expect("a short descriptor");
    /// The bus (linux/input.h), so that the driver takes it for its own.
    const USB: u16 = 3;
    let mut event = CREATE2.to_ne_bytes().to_vec();
    event.extend(text("CP2112 HID USB-to-SMBus Bridge", 128));
    event.extend(text("tests", 64));
    event.extend(text("0001", 64));
    event.extend(size.to_ne_bytes());
    event.extend(USB.to_ne_bytes());
    // Vendor, product, version, country.
    for number in [0x10c4_u32, 0xea90, 0x0100, 0] {
        event.extend(number.to_ne_bytes());
    }
    event.extend(descriptor);
    event.resize(EVENT_BYTES, 0);
    event
}

/// Feature reports of so many bytes, of a usage page of the maker's.
fn descriptor() -> Vec<u8> {
    let mut bytes = vec![0x06, 0x00, 0xff, 0x09, 0x01, 0xa1, 0x01];
    bytes.extend([0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08]);
    for (report, size) in [(DIRECTION, 4), (LEVELS, 1), (SET_LEVELS, 2), (VERSION, 2), (SMBUS, 13)]
    {
        bytes.extend([0x85, report, 0x95, size, 0x09, report, 0xb1, 0x02]);
    }
    // What comes by itself: the state of a transfer on its other bus.
    bytes.extend([0x85, 0x16, 0x95, 6, 0x09, 0x16, 0x81, 0x02]);
    bytes.push(0xc0);
    bytes
}

/// The settings of its other bus, which the driver reads and writes back: 100 kHz, address, no
/// reading by itself, limits of time, retries.
fn smbus() -> Vec<u8> {
    let mut report = vec![SMBUS];
    report.extend(100_000_u32.to_be_bytes());
    report.extend([0x02, 0x00]);
    report.extend(100_u16.to_be_bytes());
    report.extend(100_u16.to_be_bytes());
    report.push(0);
    report.extend(1_u16.to_be_bytes());
    report
}
