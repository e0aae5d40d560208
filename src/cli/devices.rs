//! `hharome devices`: what this machine offers, each with the lines of configuration to use it.
//!
//! [`run`] looks once, prints and ends. For people it prints a list, for programs (`--json`) one
//! JSON object on one line. What does not exist or cannot be asked is said; it is no failure.

use std::io::{self, Write};

use hharome_hardware::buzzer::Family;
use hharome_hardware::inventory::{
    CardReader, CardReaders, Display, InputDevice, Inventory, ListedLine, ListedOutput, Presence,
    ProximitySensor, ReaderKind, SerialPort, SpeechService,
};
use hharome_hardware::port::pcsc::ReaderPattern;
use serde_json::{Value, json};

mod usb;

/// Looks at this machine and prints what it offers. Blocks for up to two seconds if pcscd hangs.
///
/// # Errors
/// `out` cannot be written to.
pub(super) fn run(json: bool, out: &mut impl Write) -> io::Result<()> {
    print(&Inventory::read(), json, out)
}

/// Prints an inventory.
///
/// # Errors
/// `out` cannot be written to.
pub(super) fn print(inventory: &Inventory, json: bool, out: &mut impl Write) -> io::Result<()> {
    let groups = groups(inventory);
    if json {
        let object: serde_json::Map<String, Value> = groups
            .into_iter()
            .flat_map(|group| {
                let items = group.items.into_iter().map(Item::into_json).collect();
                let note = group.note.map(|note| (format!("{}_note", group.key), note.into()));
                [(group.key.to_owned(), Value::Array(items))].into_iter().chain(note)
            })
            .collect();
        return writeln!(out, "{}", Value::Object(object));
    }
    for (index, group) in groups.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", group.title)?;
        if let Some(note) = &group.note {
            writeln!(out, "  {note}")?;
        } else if group.items.is_empty() {
            writeln!(out, "  none")?;
        }
        for item in &group.items {
            writeln!(out, "  {}", item.words)?;
            for line in item.config.iter().flat_map(|snippet| snippet.lines()) {
                writeln!(out, "      {line}")?;
            }
        }
    }
    Ok(())
}

/// One kind of device.
struct Group {
    /// The title for people.
    title: &'static str,
    /// The key for programs.
    key: &'static str,
    /// What is to be said besides, or instead of, the items.
    note: Option<String>,
    items: Vec<Item>,
}

/// One device.
struct Item {
    /// The line for people.
    words: String,
    /// The facts for programs.
    facts: Value,
    /// Pieces of configuration, each a way to use the device.
    config: Vec<String>,
}

impl Item {
    fn into_json(self) -> Value {
        let mut value = self.facts;
        value["config"] = self.config.into();
        value
    }
}

fn groups(inventory: &Inventory) -> Vec<Group> {
    let readers = inventory.card_readers.found();
    let pcscd = match &inventory.card_readers {
        CardReaders::Found(_) => None,
        CardReaders::Unavailable(why) => Some(why.clone()),
    };
    // One display is the kiosk's own; the picture for the customer needs another.
    let second = inventory.displays.len() > 1;
    let group = |title, key, items| Group { title, key, note: None, items };
    vec![
        group(
            "Serial ports",
            "serial_ports",
            inventory.serial_ports.iter().map(serial_port).collect(),
        ),
        Group {
            note: pcscd,
            ..group(
                "PC/SC readers",
                "card_readers",
                readers.iter().map(|reader| card_reader(reader, readers)).collect(),
            )
        },
        group(
            "Capture devices",
            "capture_devices",
            inventory
                .capture_devices
                .iter()
                .map(|device| Item {
                    words: format!("{}  {}", device.pcm, device.name),
                    facts: json!({ "pcm": device.pcm, "name": device.name }),
                    config: vec![snippet("microphone", "alsa", &[("device", &device.pcm)])],
                })
                .collect(),
        ),
        group(
            "Printers",
            "printers",
            inventory
                .printers
                .iter()
                .map(|printer| Item {
                    words: joined(&[Some(&printer.path), printer.name.as_deref()]),
                    facts: json!({ "path": printer.path, "name": printer.name }),
                    config: vec![snippet("printer", "escpos-device", &[("path", &printer.path)])],
                })
                .collect(),
        ),
        group(
            "Displays",
            "displays",
            inventory
                .displays
                .iter()
                .map(|display| Item {
                    words: joined(&[Some(&display.connector), display.mode.as_deref()]),
                    facts: json!({
                        "connector": display.connector,
                        "mode": display.mode,
                        "card": display.card,
                    }),
                    config: if second { of_display(display) } else { Vec::new() },
                })
                .collect(),
        ),
        outputs("Outputs of the X server", "x_outputs", "x11", &inventory.x_outputs),
        outputs(
            "Outputs of the Wayland compositor",
            "wayland_outputs",
            "wayland",
            &inventory.wayland_outputs,
        ),
        group(
            "Input devices",
            "input_devices",
            inventory.input_devices.iter().map(input_device).collect(),
        ),
        group(
            "Readers and scanners on USB",
            "usb_devices",
            usb::items(&inventory.usb_readers, &inventory.hid_devices),
        ),
        group("GPIO lines", "gpio_lines", gpio_lines(&inventory.gpio_lines)),
        group(
            "Proximity sensors",
            "proximity_sensors",
            inventory.proximity_sensors.iter().map(proximity_sensor).collect(),
        ),
        group("Speech", "speech", inventory.speech.iter().map(speech).collect()),
    ]
}

/// With a display server and without one.
fn of_display(display: &Display) -> Vec<String> {
    let place = [("output", display.connector.as_str()), ("card", &display.card)];
    vec![snippet("second_screen", "x11", &[]), snippet("second_screen", "kms", &place)]
}

/// The outputs of a display server, or why it cannot be asked.
fn outputs(
    title: &'static str,
    key: &'static str,
    driver: &str,
    outputs: &Result<Vec<ListedOutput>, String>,
) -> Group {
    let (note, items) = match outputs {
        Ok(outputs) => (None, outputs.iter().map(|one| output(one, driver)).collect()),
        Err(why) => (Some(why.clone()), Vec::new()),
    };
    Group { title, key, note, items }
}

fn output(output: &ListedOutput, driver: &str) -> Item {
    let ListedOutput { name, width, height, for_customers } = output;
    let size = format!("{width}x{height}");
    Item {
        words: joined(&[Some(name), Some(&size)]),
        facts: json!({ "name": name, "width": width, "height": height }),
        config: for_customers
            .then(|| snippet("second_screen", driver, &[("output", name)]))
            .into_iter()
            .collect(),
    }
}

fn serial_port(port: &SerialPort) -> Item {
    let path = port.stable_path();
    let ids = port.usb.map(|usb| format!("{:04x}:{:04x}", usb.vendor, usb.product));
    let kernel = (path != port.path).then(|| format!("({})", port.path));
    Item {
        words: joined(&[Some(path), kernel.as_deref(), ids.as_deref(), port.name.as_deref()]),
        facts: json!({
            "path": port.path,
            "by_id": port.by_id,
            "by_path": port.by_path,
            "stable_path": path,
            "usb": ids,
            "name": port.name,
        }),
        config: vec![
            snippet("id_card", "sam-v-serial", &[("port", path)]),
            snippet("qr_scanner", "serial", &[("port", path)]),
            snippet("printer", "escpos-serial", &[("port", path)]),
            snippet("infrared", "serial", &[("port", path), ("protocol", "ld2410")]),
        ],
    }
}

fn card_reader(reader: &CardReader, all: &[CardReader]) -> Item {
    let pattern = reader_pattern(reader, all);
    let at_reader = |section| snippet(section, "pcsc", &[("reader", &pattern)]);
    let kind = reader.kind();
    let mut config = Vec::new();
    if matches!(kind, ReaderKind::Contactless | ReaderKind::Unknown) {
        config.push(at_reader("cpu_card"));
    }
    if matches!(kind, ReaderKind::Contact | ReaderKind::Unknown) {
        config.push(at_reader("social_security_card"));
    }
    let slots = match kind {
        ReaderKind::Sam => psam_slots(reader, all),
        ReaderKind::Unknown => Some(toml::Value::Array(vec![pattern.clone().into()])),
        ReaderKind::Contactless | ReaderKind::Contact => None,
    };
    if let Some(slots) = slots {
        config.push(with_values("psam", "pcsc", &[("slots", slots.to_string())]));
    }
    if kind != ReaderKind::Sam && Family::of_reader(&reader.name).is_some() {
        config.push(at_reader("buzzer"));
    }
    let kind = match kind {
        ReaderKind::Contactless => Some("contactless"),
        ReaderKind::Contact => Some("contact"),
        ReaderKind::Sam => Some("SAM"),
        ReaderKind::Unknown => None,
    };
    let holds = match reader.holds {
        Presence::Empty => Some("no card"),
        Presence::Card => Some("card present"),
        Presence::Mute => Some("no card, or one that does not answer"),
        Presence::Unknown => None,
    };
    Item {
        words: joined(&[Some(&reader.name), kind, holds]),
        facts: json!({ "name": reader.name, "kind": kind, "holds": holds }),
        config,
    }
}

/// The first two SAM slots of the machine as those of `[psam]`, said at the first of them.
fn psam_slots(reader: &CardReader, all: &[CardReader]) -> Option<toml::Value> {
    let sams = all.iter().filter(|other| other.kind() == ReaderKind::Sam);
    let slots: Vec<&CardReader> = sams.take(2).collect();
    (slots.first() == Some(&reader)).then(|| {
        let patterns = slots.into_iter().map(|slot| reader_pattern(slot, all).into());
        toml::Value::Array(patterns.collect())
    })
}

fn input_device(device: &InputDevice) -> Item {
    let path = device.stable_path.as_deref().unwrap_or(&device.path);
    let kernel = (path != device.path).then(|| format!("({})", device.path));
    let ids = format!("{:04x}:{:04x}", device.vendor, device.product);
    let bus = bus(device.bus);
    let mut config = Vec::new();
    if device.types_digits {
        config.push(snippet("qr_scanner", "evdev", &[("port", path)]));
    }
    if device.senses_presence {
        config.push(snippet("infrared", "evdev", &[("device", path)]));
    }
    if device.beeps {
        config.push(snippet("buzzer", "evdev", &[("device", path)]));
    }
    if device.is_operated {
        let devices = toml::Value::Array(vec![path.into()]).to_string();
        config.push(with_values("input", "evdev", &[("devices", devices)]));
    }
    Item {
        words: joined(&[Some(path), kernel.as_deref(), Some(&bus), Some(&ids), Some(&device.name)]),
        facts: json!({
            "path": device.path,
            "stable_path": path,
            "bus": bus,
            "vendor": format!("{:04x}", device.vendor),
            "product": format!("{:04x}", device.product),
            "name": device.name,
            "types_digits": device.types_digits,
            "beeps": device.beeps,
            "senses_presence": device.senses_presence,
            "is_operated": device.is_operated,
        }),
        config,
    }
}

/// The lines that have names; of a chip whose lines have none, the first that is free stands for all.
fn gpio_lines(lines: &[ListedLine]) -> Vec<Item> {
    let named = |chip: &str| lines.iter().any(|line| line.chip == chip && !line.name.is_empty());
    let mut told: Vec<&str> = Vec::new();
    let mut items = Vec::new();
    for line in lines {
        let number = format!("{}:{}", line.chip, line.number);
        let user = line.user.as_deref().map(|user| format!("used by {user}"));
        let (words, name) = if named(&line.chip) {
            if line.name.is_empty() {
                continue;
            }
            let parts =
                [Some(line.name.as_str()), Some(&number), Some(&line.label), user.as_deref()];
            (joined(&parts), line.name.clone())
        } else {
            if line.user.is_some() || told.contains(&line.chip.as_str()) {
                continue;
            }
            told.push(&line.chip);
            let count = lines.iter().filter(|other| other.chip == line.chip).count();
            let count = format!("{count} lines without names");
            (joined(&[Some(&number), Some(&line.label), Some(&count)]), number.clone())
        };
        let free = line.user.is_none();
        items.push(Item {
            words,
            facts: json!({
                "chip": line.chip,
                "number": line.number,
                "label": line.label,
                "name": line.name,
                "user": line.user,
            }),
            config: free
                .then(|| snippet("infrared", "gpio", &[("line", &name)]))
                .into_iter()
                .collect(),
        });
    }
    items
}

fn proximity_sensor(sensor: &ProximitySensor) -> Item {
    let level = sensor.near_level.map(|level| format!("near from {level} on"));
    let config = match sensor.near_level {
        Some(_) => snippet("infrared", "iio", &[("device", &sensor.name)]),
        None => {
            let device = toml::Value::from(sensor.name.as_str()).to_string();
            // Which value means near only a trial tells.
            with_values("infrared", "iio", &[("device", device), ("threshold", "100".to_owned())])
        }
    };
    let folder = sensor.folder.display().to_string();
    Item {
        words: joined(&[Some(&sensor.name), Some(&folder), Some(&sensor.raw), level.as_deref()]),
        facts: json!({
            "name": sensor.name,
            "folder": folder,
            "raw": sensor.raw,
            "near_level": sensor.near_level,
        }),
        config: vec![config],
    }
}

fn speech(service: &SpeechService) -> Item {
    let (driver, place, config) = match service {
        SpeechService::Server { socket } => {
            let address = format!("unix_socket:{socket}");
            let config = snippet("speech", "speech-dispatcher", &[("address", &address)]);
            ("speech-dispatcher", socket, config)
        }
        SpeechService::Program { path } => {
            ("espeak-ng", path, snippet("speech", "espeak-ng", &[("program", path)]))
        }
    };
    Item {
        words: joined(&[Some(place), Some(driver)]),
        facts: json!({ "driver": driver, "path": place }),
        config: vec![config],
    }
}

/// A pattern for the reader that outlives its number: pcsc-lite ends names in the numbers of reader
/// and slot, two hex digits each, and hands the first one out anew at each plugging in. Where that
/// pattern is true of another reader too, only the whole name tells which is meant.
fn reader_pattern(reader: &CardReader, all: &[CardReader]) -> String {
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut parts = reader.name.rsplitn(3, ' ');
    let pattern = match (parts.next(), parts.next(), parts.next()) {
        (Some(slot), Some(number), Some(product)) if is_number(slot) && is_number(number) => {
            format!("{product} * {slot}")
        }
        _ => return reader.name.clone(),
    };
    let parsed = ReaderPattern::new(&pattern);
    let alike = all.iter().any(|other| other != reader && parsed.matches(&other.name));
    if alike { reader.name.clone() } else { pattern }
}

/// The words for the buses of linux/input.h that kiosks have.
fn bus(number: u16) -> String {
    match number {
        0x03 => "usb".to_owned(),
        0x05 => "bluetooth".to_owned(),
        0x11 => "i8042".to_owned(),
        0x18 => "i2c".to_owned(),
        0x19 => "host".to_owned(),
        other => format!("bus {other:02x}"),
    }
}

/// A section with its driver and further strings.
fn snippet(section: &str, driver: &str, strings: &[(&str, &str)]) -> String {
    let values: Vec<(&str, String)> =
        strings.iter().map(|(key, text)| (*key, toml::Value::from(*text).to_string())).collect();
    with_values(section, driver, &values)
}

/// A section with its driver and further values, written as TOML.
fn with_values(section: &str, driver: &str, values: &[(&str, String)]) -> String {
    let mut text = format!("[{section}]\ndriver = {}\n", toml::Value::from(driver));
    for (key, value) in values {
        text += &format!("{key} = {value}\n");
    }
    text
}

fn joined(parts: &[Option<&str>]) -> String {
    parts.iter().copied().flatten().collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
