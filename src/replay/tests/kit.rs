//! Writes recordings by hand.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hharome_hardware::id_card::frame;
use hharome_hardware::id_card::people::Card;
use hharome_hardware::id_card::virtual_reader::SAM_ID;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::recording::format::{VERSION, client_file, hex, port_file};

/// A recording that is being written.
pub(crate) struct Kit {
    dir: TempDir,
    files: RefCell<BTreeMap<String, Vec<Value>>>,
    /// The tables of its configuration; without any, everything is simulated.
    pub(crate) config: Value,
    pub(crate) token: bool,
    pub(crate) kept: bool,
    dirty: RefCell<bool>,
}

const READER: &str = "id_card";

impl Kit {
    /// When the card of [`Kit::card_session`] was answered.
    pub(crate) const CARD_SESSION_REPLY: i64 = 1_912_000;

    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            files: RefCell::default(),
            config: json!({}),
            token: false,
            kept: false,
            dirty: RefCell::new(true),
        }
    }

    /// One client asks for a card, which comes after three looks.
    pub(crate) fn card_session() -> Self {
        let mut kit = Self::new();
        kit.reader_starts(300);
        kit.connect(1, 999_000);
        kit.says(1, 1_000_000, &card("1"));
        kit.polls(1_000_200, 1_700_000);
        let person = Card::zhang_san();
        kit.reads(1_900_300, &person);
        kit.gets(1, Self::CARD_SESSION_REPLY, &card_reply("1", &person));
        kit.polls(1_950_000, 1_950_001);
        kit.end(3_000_000);
        kit
    }

    /// The recording's folder, with everything in it.
    pub(crate) fn folder(&self) -> &Path {
        if self.dirty.replace(false) {
            self.write();
        }
        self.dir.path()
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder().join(file)).unwrap()
    }

    fn write(&self) {
        let simulated = self.config.as_object().is_some_and(serde_json::Map::is_empty);
        let info = device_info();
        let meta = json!({
            "format": VERSION, "name": "by hand", "hharome": "0", "protocol": {"major": 1, "minor": 0},
            "started": 1_700_000_000_000_u64,
            "personalData": if self.kept { "kept" } else { "replaced" },
            "config": self.config, "simulated": simulated, "token": self.token,
            "deviceInfo": info, "devices": [],
        });
        fs::write(self.dir.path().join("meta.json"), meta.to_string()).unwrap();
        for (file, lines) in &*self.files.borrow() {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            fs::write(self.dir.path().join(file), text).unwrap();
        }
    }

    fn add(&self, file: String, line: Value) {
        self.dirty.replace(true);
        self.files.borrow_mut().entry(file).or_default().push(line);
    }

    /// A line of a client, as it stands in its file.
    pub(crate) fn line(&mut self, client: u64, line: &Value) {
        self.add(client_file(client), line.clone());
    }

    pub(crate) fn connect(&mut self, client: u64, t: i64) {
        self.line(client, &json!({"t": t, "connect": {"transport": "unix"}}));
    }

    pub(crate) fn connected_before(&mut self, client: u64) {
        self.line(client, &json!({"t": 0, "before": true, "connect": {"transport": "unix"}}));
    }

    pub(crate) fn says(&mut self, client: u64, t: i64, frame: &Value) {
        self.line(client, &json!({"t": t, "in": frame}));
    }

    pub(crate) fn said_before(&mut self, client: u64, t: i64, frame: &Value) {
        self.line(client, &json!({"t": t, "before": true, "in": frame}));
    }

    pub(crate) fn gets(&mut self, client: u64, t: i64, frame: &Value) {
        self.line(client, &json!({"t": t, "out": frame}));
    }

    pub(crate) fn stalls(&mut self, client: u64, t: i64) {
        self.line(client, &json!({"t": t, "stalled": true}));
    }

    pub(crate) fn flows(&mut self, client: u64, t: i64) {
        self.line(client, &json!({"t": t, "flowing": true}));
    }

    /// Before the `end` line, if there is one.
    pub(crate) fn ends(&mut self, client: u64, t: i64) {
        self.files
            .borrow_mut()
            .entry(client_file(client))
            .or_default()
            .retain(|line| line.get("end").is_none());
        self.line(client, &json!({"t": t, "inEnd": true}));
    }

    pub(crate) fn gone(&mut self, client: u64, t: i64, why: &str) {
        self.line(client, &json!({"t": t, "gone": why}));
    }

    pub(crate) fn daemon(&mut self, line: &Value) {
        self.add("daemon.jsonl".to_owned(), line.clone());
    }

    /// The last frame that a client got is another one.
    pub(crate) fn replace(&mut self, client: u64, frame: &Value) {
        self.dirty.replace(true);
        let mut files = self.files.borrow_mut();
        let lines = files.get_mut(&client_file(client)).unwrap();
        let line = lines.iter_mut().rev().find(|line| line.get("out").is_some()).unwrap();
        line["out"] = frame.clone();
    }

    /// Lines of clients by their times.
    pub(crate) fn sort(&mut self) {
        for lines in self.files.borrow_mut().values_mut() {
            lines.sort_by_key(|line| line["t"].as_i64());
        }
    }

    pub(crate) fn end(&mut self, t: i64) {
        let names: Vec<String> = self.files.borrow().keys().cloned().collect();
        for name in names.into_iter().filter(|name| name != "daemon.jsonl") {
            let gone =
                |lines: &Vec<Value>| lines.last().is_some_and(|line| line.get("gone").is_some());
            if !self.files.borrow().get(&name).is_some_and(gone) {
                self.add(name, json!({"t": t, "end": true}));
            }
        }
        self.daemon(&json!({"t": t, "end": "stopped"}));
    }

    /// The same with an end.
    pub(crate) fn clone_ended(&self, t: i64) -> Self {
        let mut kit = Self::new();
        kit.files = self.files.clone();
        kit.config.clone_from(&self.config);
        kit.end(t);
        kit
    }

    pub(crate) fn port(&mut self, device: &str, line: Value) {
        self.add(port_file(device), line);
    }

    fn asks(&mut self, t: i64, command: [u8; 2], answer: &[u8]) {
        self.port(READER, json!({"t": t + 20, "out": hex(&frame::request(command, &[]))}));
        self.port(READER, json!({"t": t + 120, "in": hex(answer)}));
    }

    pub(crate) fn reader_starts(&mut self, t: i64) {
        self.port(READER, json!({"t": t, "open": {"baud": 115_200}}));
        self.asks(t + 50, [0x11, 0xFF], &frame::reply(0x90, &[]));
        self.asks(t + 200, [0x12, 0xFF], &frame::reply(0x90, &SAM_ID));
    }

    pub(crate) fn reader_starts_before(&mut self) {
        self.reader_starts(0);
        let mut files = self.files.borrow_mut();
        for line in files.get_mut(&port_file(READER)).unwrap() {
            line["t"] = json!(0);
            line["before"] = json!(true);
        }
    }

    /// Looks for a card, every 300 ms.
    pub(crate) fn polls(&mut self, from: i64, to: i64) {
        let mut t = from;
        while t < to {
            self.asks(t, [0x20, 0x01], &frame::reply(0x80, &[]));
            t += 300_000;
        }
    }

    /// A card is found and read.
    pub(crate) fn reads(&mut self, t: i64, card: &Card) {
        let text = card.text.encode().unwrap();
        let mut data = Vec::new();
        data.extend(256u16.to_be_bytes());
        data.extend(1024u16.to_be_bytes());
        data.extend_from_slice(&text);
        data.extend_from_slice(card.photo.as_slice());
        self.asks(t, [0x20, 0x01], &frame::reply(0x9F, &[0; 4]));
        self.asks(t + 200, [0x20, 0x02], &frame::reply(0x90, &[0; 8]));
        self.asks(t + 400, [0x30, 0x01], &frame::reply(0x90, &data));
        self.asks(t + 800, [0x30, 0x03], &frame::reply(0x91, &[]));
    }

    pub(crate) fn info_reply(&self, task: &str) -> Value {
        json!({"action": "getDeviceInfo", "event": "open", "success": true, "taskId": task,
            "message": "成功", "data": device_info()})
    }
}

fn device_info() -> Value {
    json!({"sn": "KIOSK-1", "deviceModel": "K1", "appVersion": "1.0.0", "androidVersion": "7.1.2",
        "deviceIP": "192.0.2.1", "devicedDisplay": "K1-2026.08"})
}

pub(crate) fn card(task: &str) -> Value {
    json!({"action": "getIDCardInfo", "event": "open", "taskId": task, "params": {}})
}

pub(crate) fn info(task: &str) -> Value {
    json!({"action": "getDeviceInfo", "taskId": task})
}

/// What the protocol has for the person of a card without a photo decoder (section 3.2).
pub(crate) fn data(card: &Card) -> Value {
    let text = &card.text;
    json!({"name": text.shown_name(), "idNum": text.id_number, "photoBase64": "",
        "signingOrganization": text.shown_agency(), "address": card.newest_address(),
        "nation": text.nation_word(), "sex": text.sex_word(), "beginTime": text.valid_from,
        "endTime": text.valid_to, "birthDate": text.birth})
}

pub(crate) fn card_reply(task: &str, card: &Card) -> Value {
    json!({"action": "getIDCardInfo", "event": "open", "success": true, "taskId": task,
        "message": "成功", "data": data(card)})
}

pub(crate) fn timeout(task: &str) -> Value {
    json!({"action": "getIDCardInfo", "event": "open", "success": false, "taskId": task,
        "message": "超时", "data": {}})
}

pub(crate) fn cancelled(task: &str) -> Value {
    json!({"action": "getIDCardInfo", "event": "open", "success": false, "taskId": task,
        "message": "取消", "data": {}})
}
