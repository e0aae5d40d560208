//! Writes the recording of a kiosk as a daemon there would have written it, without the hours that
//! it would have taken: a client that asks for ID cards one after the other and waits for each as
//! long as it takes, and a SAM-V reader that is asked for a card every 300 ms all the while.
//!
//! The times are those of a module at 115,200 baud behind a USB adapter. The people are invented:
//! region 99 of their numbers does not exist.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hharome::recording::format::{
    ClientLine, ConnectLine, DAEMON_FILE, DaemonLine, META_FILE, Meta, Modem, OpenLine,
    PHOTO_DECODER, PersonalData, PhotoLine, PortLine, RecordedDevice, VERSION, client_file, hex,
    port_file,
};
use hharome_hardware::id_card::frame as sam_v;
use hharome_hardware::id_card::id_number::check_digit;
use hharome_hardware::id_card::nation::Sex;
use hharome_hardware::id_card::people::synthetic_photo;
use hharome_hardware::id_card::text::{CardText, Layout, encode_addresses};
use hharome_hardware::id_card::virtual_reader::SAM_ID;
use hharome_protocol::bridge::ProtocolVersion;
use hharome_protocol::device::DeviceInfo;
use hharome_protocol::frame::{self, Envelope, ReplyTo, TaskId};
use hharome_protocol::id_card::IdCardInfo;
use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::Outcome;

/// A card is put on this often.
pub(crate) const PERIOD: Duration = Duration::from_secs(30);

const BAUD: u32 = 115_200;

/// What the adapter hands on at once: a full-speed USB packet without its two status bytes.
const PACKET: usize = 62;

/// The driver's pause between two looks, in microseconds.
const POLL: i64 = 300_000;

/// How long the module thinks about each command, in microseconds.
const THINKS: i64 = 15_000;
/// The same for text and photo.
const READS: i64 = 850_000;

/// How long the vendor's library takes for a photo, in microseconds.
const DECODES: i64 = 48_000;

/// Between what the daemon is told and what it does about it, in microseconds.
const STEP: i64 = 40;

/// How long the client thinks until it asks again, in microseconds.
const CLIENT_THINKS: i64 = 2_500;

/// Bytes of a photo's JPEG: what 102 × 126 pixels come to at the usual quality.
const JPEG_BYTES: usize = 3_600;

const STATUS: [u8; 2] = [0x11, 0xFF];
const TELL_ID: [u8; 2] = [0x12, 0xFF];
const FIND: [u8; 2] = [0x20, 0x01];
const SELECT: [u8; 2] = [0x20, 0x02];
const READ: [u8; 2] = [0x30, 0x01];
const NEWEST_ADDRESS: [u8; 2] = [0x30, 0x03];

const OK: u8 = 0x90;
const FOUND: u8 = 0x9F;
const NO_CARD: u8 = 0x80;
const NO_CONTENT: u8 = 0x91;

/// A recording that was written.
pub(crate) struct Recorded {
    folder: PathBuf,
    /// From its beginning to its last line.
    pub(crate) length: Duration,
}

impl Recorded {
    /// What it takes up.
    pub(crate) fn bytes_on_disk(&self) -> Outcome<f64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.folder)? {
            bytes += entry?.metadata()?.len();
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        Ok(bytes as f64)
    }
}

/// Writes a recording of `cards` times [`PERIOD`] into a new folder.
pub(crate) fn record(folder: &Path, cards: u32) -> Outcome<Recorded> {
    fs::create_dir(folder)?;
    fs::write(folder.join(META_FILE), serde_json::to_vec_pretty(&meta()?)?)?;
    let length = PERIOD * cards;
    let mut kiosk = Kiosk {
        now: 1_200,
        port: Lines::create(folder, &port_file("id_card"))?,
        photos: Lines::create(folder, &port_file(PHOTO_DECODER))?,
        client: Lines::create(folder, &client_file(1))?,
    };
    kiosk.start()?;
    for number in 0..cards {
        kiosk.ask(number)?;
        // Not in step with the polls, as people are not: anywhere between the 5th and 25th second.
        let jitter = i64::from(number * 7_919 % 20_000) * 1_000;
        kiosk.card(i64::from(number) * micros(PERIOD) + 5_000_000 + jitter, number)?;
    }
    kiosk.ask(cards)?;
    kiosk.look_until(micros(length))?;
    kiosk.end(folder, micros(length))?;
    Ok(Recorded { folder: folder.to_owned(), length })
}

/// The daemon's view of its kiosk.
struct Kiosk {
    /// Microseconds since the recording began.
    now: i64,
    port: Lines,
    photos: Lines,
    client: Lines,
}

impl Kiosk {
    /// The device starts, and a client comes.
    fn start(&mut self) -> Outcome<()> {
        let open = OpenLine { baud: BAUD, modem: Some(Modem::default()) };
        self.port(PortLine { open: Some(open), ..Default::default() })?;
        self.exchange(STATUS, THINKS, OK, &[])?;
        self.exchange(TELL_ID, THINKS, OK, &SAM_ID)?;
        self.now += 900_000;
        let connect = ConnectLine { transport: "unix".to_owned(), token: false };
        self.client(ClientLine { connect: Some(connect), ..Default::default() })
    }

    /// The client wants the next card.
    fn ask(&mut self, number: u32) -> Outcome<()> {
        self.now += CLIENT_THINKS;
        let request = format!(
            r#"{{"action":"getIDCardInfo","event":"open","taskId":"{number}","params":{{"infoType":"base,photo,other"}}}}"#
        );
        let input = Some(RawValue::from_string(request)?);
        self.client(ClientLine { input, ..Default::default() })?;
        self.now += STEP;
        Ok(())
    }

    /// Looks for a card until `at`, and finds none.
    fn look_until(&mut self, at: i64) -> Outcome<()> {
        while self.now < at {
            self.exchange(FIND, THINKS, NO_CARD, &[])?;
            // Timers are of whole milliseconds.
            self.now = (self.now + POLL) / 1_000 * 1_000 + 1_000 + STEP;
        }
        Ok(())
    }

    /// A card is put on at `at` and read.
    fn card(&mut self, at: i64, number: u32) -> Outcome<()> {
        self.look_until(at)?;
        let person = person(number)?;
        let seed = u8::try_from(number % 256)?;
        let (text, photo) = (person.encode()?, synthetic_photo(seed));
        self.exchange(FIND, THINKS, FOUND, &[0; 4])?;
        self.exchange(SELECT, THINKS, OK, &[0; 8])?;
        let lengths = [text.len(), photo.len()].map(|length| u16::try_from(length).unwrap_or(0));
        let head: Vec<u8> = lengths.iter().flat_map(|length| length.to_be_bytes()).collect();
        self.exchange(READ, READS, OK, &[&head[..], &text, &photo].concat())?;
        let appended = appended_address(number);
        match &appended {
            Some(address) => {
                let file = encode_addresses(std::slice::from_ref(address))?;
                self.exchange(NEWEST_ADDRESS, 2 * THINKS, OK, &file)?;
            }
            None => self.exchange(NEWEST_ADDRESS, THINKS, NO_CONTENT, &[])?,
        }

        let jpeg = STANDARD.encode(jpeg(seed));
        self.now += DECODES;
        let took = u64::try_from(DECODES)?;
        let (wlt, decoded) = (hex(&photo), Some(jpeg.clone()));
        let photo = Some(PhotoLine { wlt, took, jpeg: decoded, failed: None });
        self.photos.write(&PortLine { t: self.now, photo, ..Default::default() })?;
        self.now += STEP;
        let reply = reply(number, person, appended, jpeg)?;
        self.client(ClientLine { out: Some(reply), ..Default::default() })
    }

    /// A command and its reply, as the driver sees them.
    fn exchange(&mut self, command: [u8; 2], thinks: i64, status: u8, data: &[u8]) -> Outcome<()> {
        let out = Some(hex(&sam_v::request(command, &[])));
        self.port(PortLine { out, ..Default::default() })?;
        self.now += thinks;
        for piece in sam_v::reply(status, data).chunks(PACKET) {
            // Ten bit times a byte.
            self.now += i64::try_from(piece.len())? * 10_000_000 / i64::from(BAUD);
            self.port(PortLine { input: Some(hex(piece)), ..Default::default() })?;
        }
        self.now += STEP;
        Ok(())
    }

    /// The recording is stopped.
    fn end(mut self, folder: &Path, at: i64) -> Outcome<()> {
        self.now = self.now.max(at);
        self.port(PortLine { end: true, ..Default::default() })?;
        self.photos.write(&PortLine { t: self.now, end: true, ..Default::default() })?;
        self.client(ClientLine { end: true, ..Default::default() })?;
        let mut daemon = Lines::create(folder, DAEMON_FILE)?;
        let end = Some("stopped".to_owned());
        daemon.write(&DaemonLine { t: self.now, end, ..Default::default() })?;
        for lines in [self.port, self.photos, self.client, daemon] {
            lines.0.into_inner()?;
        }
        Ok(())
    }

    fn port(&mut self, line: PortLine) -> Outcome<()> {
        self.port.write(&PortLine { t: self.now, ..line })
    }

    fn client(&mut self, line: ClientLine) -> Outcome<()> {
        self.client.write(&ClientLine { t: self.now, ..line })
    }
}

/// A file of lines.
struct Lines(BufWriter<File>);

impl Lines {
    fn create(folder: &Path, name: &str) -> io::Result<Self> {
        Ok(Self(BufWriter::new(File::create_new(folder.join(name))?)))
    }

    fn write(&mut self, line: &impl Serialize) -> Outcome<()> {
        serde_json::to_writer(&mut self.0, line)?;
        Ok(self.0.write_all(b"\n")?)
    }
}

fn meta() -> Outcome<Meta> {
    let config = json!({
        "id_card": {
            "driver": "sam-v-serial",
            "port": "/dev/ttyUSB0",
            "photo_decoder": "/opt/wlt/libwlt2bmp.so",
        },
        "timeouts": { "id_card": 0 },
    });
    let info = || "1".to_owned();
    Ok(Meta {
        format: VERSION,
        name: "kiosk".to_owned(),
        hharome: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: ProtocolVersion::CURRENT,
        started: 1_767_225_600_000,
        personal_data: PersonalData::Replaced,
        config: serde_json::from_value(config)?,
        simulated: false,
        token: false,
        device_info: DeviceInfo {
            sn: info(),
            device_model: info(),
            app_version: info(),
            android_version: info(),
            device_ip: info(),
            deviced_display: info(),
        },
        devices: vec![RecordedDevice {
            device: "id_card".to_owned(),
            driver: "sam-v-serial".to_owned(),
            simulated: false,
            facts: [("port".to_owned(), "/dev/ttyUSB0".to_owned())].into(),
        }],
    })
}

/// Somebody else for every number.
fn person(number: u32) -> Outcome<CardText> {
    const FAMILIES: [&str; 10] = ["甲", "乙", "丙", "丁", "戊", "己", "庚", "辛", "壬", "癸"];
    const NAMES: [&str; 12] =
        ["子", "丑", "寅", "卯", "辰", "巳", "午", "未", "申", "酉", "戌", "亥"];
    let pick = |from: &[&str], at: u32| from[at as usize % from.len()].to_owned();
    let birth = format!("{}{:02}{:02}", 1950 + number % 60, 1 + number % 12, 1 + number % 28);
    let digits = format!("990101{birth}{:03}", number % 1000);
    let check = check_digit(&digits).ok_or("an invented number is no number")?;
    Ok(CardText {
        name: pick(&FAMILIES, number) + &pick(&NAMES, number / 10),
        sex: if number % 2 == 1 { Sex::Male } else { Sex::Female },
        nation_code: format!("{:02}", 1 + number % 56),
        birth,
        address: format!("示例省样品市测试路{}号", number + 1),
        id_number: format!("{digits}{check}"),
        agency: "样品市公安局".to_owned(),
        valid_from: "20200102".to_owned(),
        valid_to: "20400102".to_owned(),
        ..CardText::blank(Layout::Resident)
    })
}

/// Every third has moved.
fn appended_address(number: u32) -> Option<String> {
    number.is_multiple_of(3).then(|| format!("示例省样品市新路{}号", number + 1))
}

/// As long as a picture, and none: nobody looks into it.
fn jpeg(seed: u8) -> Vec<u8> {
    [&[0xFF, 0xD8][..], &vec![seed; JPEG_BYTES - 4], &[0xFF, 0xD9]].concat()
}

fn reply(
    number: u32,
    person: CardText,
    appended: Option<String>,
    jpeg: String,
) -> Outcome<Box<RawValue>> {
    let data = IdCardInfo {
        nation: Some(person.nation_word().to_owned()),
        sex: Some(person.sex_word().to_owned()),
        name: Some(person.name),
        id_num: Some(person.id_number),
        signing_organization: Some(person.agency),
        address: Some(appended.unwrap_or(person.address)),
        begin_time: Some(person.valid_from),
        end_time: Some(person.valid_to),
        birth_date: Some(person.birth),
        photo_base64: Some(jpeg),
        photo_wlt_base64: None,
    };
    let task = TaskId::from(number.to_string().as_str());
    let envelope = Envelope { action: "getIDCardInfo", event: "open", task_id: Some(&task) };
    let line = frame::reply(ReplyTo::Bare, &envelope, &to_raw_value(&data)?);
    let text = String::from_utf8(line.to_vec())?;
    Ok(RawValue::from_string(text.trim_end().to_owned())?)
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
