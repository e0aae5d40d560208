//! What a recording is of, on one page.
//!
//! The whole recording is read once, a line at a time, so that damage is found as a replay would
//! find it. Called by `hharome recording show`.

use std::fs;
use std::io;
use std::path::Path;

use hharome_hardware::port::card::tape::CardEvent;
use hharome_hardware::port::card::{Content, Holds};
use hharome_hardware::port::tape::PortEvent;
use serde_json::{Value, json};

use crate::cli::table::table;
use crate::recording::format::{Meta, PHOTO_DECODER, PersonalData};
use crate::recording::reader::{Cut, Damage, Happened, PhotoLines, PortTape, ReadError, Recording};

/// What a recording is of.
pub(super) struct Summary {
    meta: Meta,
    /// Microseconds from its beginning to its last line.
    duration: i64,
    cut: Option<Cut>,
    /// Bytes on the disk.
    size: u64,
    ports: Vec<Port>,
    clients: Vec<Client>,
}

struct Port {
    name: String,
    bytes_in: u64,
    bytes_out: u64,
    /// Photos that were decoded (photo decoder only).
    photos: u64,
    /// Cards that lay in the slot (card readers only).
    cards: Option<u64>,
}

struct Client {
    number: u64,
    transport: String,
    frames_in: u64,
    frames_out: u64,
}

impl Summary {
    /// Reads the recording in `folder`.
    ///
    /// # Errors
    /// It is no recording, or is damaged.
    pub(super) fn of(folder: &Path) -> Result<Self, ReadError> {
        let recording = Recording::open(folder)?;
        let ports = recording.ports.iter().map(|file| port(&recording, &file.device));
        let ports = ports.collect::<Result<_, _>>()?;
        let clients = recording.clients.iter().map(|file| {
            let mut client = Client {
                number: file.number,
                transport: String::new(),
                frames_in: 0,
                frames_out: 0,
            };
            let mut lines = recording.client(file)?;
            while let Some(line) = lines.next()? {
                match line.value.happened {
                    Happened::Connected { transport, .. } => client.transport = transport,
                    Happened::In(_) | Happened::InTooLong => client.frames_in += 1,
                    Happened::Out(_) => client.frames_out += 1,
                    _ => {}
                }
            }
            Ok(client)
        });
        let clients = clients.collect::<Result<_, ReadError>>()?;
        let size =
            size(folder).map_err(|source| ReadError::File { path: folder.to_owned(), source })?;
        let Recording { meta, end, cut, .. } = recording;
        Ok(Self { meta, duration: end, cut, size, ports, clients })
    }

    /// One JSON object.
    pub(super) fn json(&self) -> Value {
        let Meta { format, name, hharome, protocol, started, simulated, .. } = &self.meta;
        json!({
            "name": name,
            "format": format,
            "hharome": hharome,
            "protocol": protocol,
            "started": started,
            "simulated": simulated,
            "personalData": self.meta.personal_data,
            "durationMicros": self.duration,
            "bytes": self.size,
            "cut": self.cut.as_ref().map(|cut| json!({ "atMicros": cut.at, "files": cut.files })),
            "devices": self.meta.devices,
            "ports": self.ports.iter().map(Port::json).collect::<Vec<_>>(),
            "clients": self.clients.iter().map(Client::json).collect::<Vec<_>>(),
        })
    }

    /// For people on a terminal.
    pub(super) fn text(&self) -> String {
        let Meta { format, name, hharome, protocol, started, .. } = &self.meta;
        let personal_data = match self.meta.personal_data {
            PersonalData::Replaced => "replaced",
            PersonalData::Kept => "KEPT: THIS IS REAL PEOPLE'S DATA. Do not pass it on.",
        };
        let cut = match &self.cut {
            None => "no".to_owned(),
            Some(cut) => format!(
                "at {}, by a crash or a full disk: {}",
                length(cut.at),
                cut.files.join(", ")
            ),
        };
        let facts = [
            ("name", name.clone()),
            ("recorded", date(*started)),
            ("duration", length(self.duration)),
            (
                "by",
                format!(
                    "hharome {hharome}, protocol {}.{}, format {}.{}",
                    protocol.major, protocol.minor, format.major, format.minor
                ),
            ),
            ("personal data", personal_data.to_owned()),
            ("cut", cut),
            ("size", bytes(self.size)),
        ];
        let mut text = String::new();
        for (what, fact) in facts {
            text += &format!("{what:<15}{fact}\n");
        }
        self.tables().iter().fold(text, |text, table| text + "\n" + table)
    }

    fn tables(&self) -> [String; 3] {
        let word = |yes: bool| if yes { "yes" } else { "no" };
        let devices =
            self.meta.devices.iter().map(|device| {
                [device.device.as_str(), device.driver.as_str(), word(device.simulated)]
            });
        let ports: Vec<_> = self
            .ports
            .iter()
            .map(|port| {
                if port.name == PHOTO_DECODER {
                    (port, format!("{} photos", port.photos), String::new())
                } else {
                    let cards = port.cards.map(|cards| match cards {
                        1 => "1 card, ".to_owned(),
                        cards => format!("{cards} cards, "),
                    });
                    let from = cards.unwrap_or_default() + &bytes(port.bytes_in);
                    (port, from, bytes(port.bytes_out))
                }
            })
            .collect();
        let ports = ports.iter().map(|(port, from, to)| [&port.name, from.as_str(), to.as_str()]);
        let clients: Vec<_> = self
            .clients
            .iter()
            .map(|client| {
                let number = |number: u64| number.to_string();
                let counted = [client.number, client.frames_in, client.frames_out];
                (client, counted.map(number))
            })
            .collect();
        let clients = clients.iter().map(|(client, [number, sent, got])| {
            [number.as_str(), client.transport.as_str(), sent.as_str(), got.as_str()]
        });
        [
            table(["device", "driver", "simulated"], devices),
            table(["port", "from the device", "to the device"], ports),
            table(["client", "transport", "frames sent", "frames got"], clients),
        ]
    }
}

impl Port {
    fn json(&self) -> Value {
        json!({
            "port": self.name,
            "bytesIn": self.bytes_in,
            "bytesOut": self.bytes_out,
            "photos": self.photos,
            "cards": self.cards.unwrap_or_default(),
        })
    }
}

impl Client {
    fn json(&self) -> Value {
        json!({
            "client": self.number,
            "transport": self.transport,
            "framesIn": self.frames_in,
            "framesOut": self.frames_out,
        })
    }
}

fn port(recording: &Recording, name: &str) -> Result<Port, ReadError> {
    let damage = Damage::default();
    let (bytes_in, bytes_out, photos, cards) = (0, 0, 0, None);
    let mut port = Port { name: name.to_owned(), bytes_in, bytes_out, photos, cards };
    if name == PHOTO_DECODER {
        let mut photos = PhotoLines::open(recording, damage.clone())?;
        while photos.next().is_some() {
            port.photos += 1;
        }
    } else {
        let mut last = None;
        for line in PortTape::open(recording, name, damage.clone())? {
            match line.event {
                PortEvent::Card(event) => {
                    let cards = port.cards.get_or_insert_default();
                    match event {
                        // The same card has one number, and only while the slot is open.
                        CardEvent::Opened(_) => last = None,
                        CardEvent::Holds(Holds { what, number }) if what != Content::Nothing => {
                            *cards += u64::from(last != Some(number));
                            last = Some(number);
                        }
                        _ => {}
                    }
                }
                PortEvent::In(bytes) => port.bytes_in += bytes.len() as u64,
                PortEvent::Out(bytes) => port.bytes_out += bytes.len() as u64,
                _ => {}
            }
        }
    }
    damage.take().map_or(Ok(port), Err)
}

/// What a folder holds, links not followed.
fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        bytes += if facts.is_dir() { size(&entry.path())? } else { facts.len() };
    }
    Ok(bytes)
}

/// Microseconds in words: `1 h 02 min 03.4 s`.
fn length(micros: i64) -> String {
    let tenths = micros.max(0) / 100_000;
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}.{tenth} s"),
        (0, _) => format!("{minutes} min {seconds:02}.{tenth} s"),
        _ => format!("{hours} h {minutes:02} min {seconds:02}.{tenth} s"),
    }
}

/// A number of bytes in words.
fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} bytes"),
        10_000..10_000_000 => format!("{} kB", count / 1000),
        _ => format!("{} MB", count / 1_000_000),
    }
}

/// Milliseconds since 1970-01-01 as a date and a time of day.
fn date(millis: u64) -> String {
    let seconds = millis / 1000;
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    // A year number that no clock shows is a damaged one; the loop must end all the same.
    let mut year = 1970;
    while year < 9999 && days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02} UTC", days + 1)
}

#[cfg(test)]
mod tests;
