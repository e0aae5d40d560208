//! An invented face engine, as the far end of the driver's line: for `simulated` and for tests.
//!
//! Everybody who stands before it agrees and is known, unless its [`FaceHand`] or the number that is
//! asked about says otherwise. It takes the time that people take, on the runtime's clock.
//!
//! | number's 15th to 17th digit | comparison (`getFaceInfoPersonCard`) | enrolment, second path |
//! |---|---|---|
//! | 900 | recognised | enrolled, known before |
//! | 901 to 918 | recognised | that row of the table of subCodes: 901 is 90001, 918 is Z1208 |
//! | 951, 952, 953 | 系统异常(E69001), 点击过快, not recognised | a new user |
//! | any other | recognised | a new user |

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hharome_hardware::port::far_end::{BoxedFarLine, VirtualDevice};
use hharome_hardware::port::packets::Packets;
use hharome_protocol::face::SubCode;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::wire::{Said, Task, Tell};
use super::words;

/// How long it takes to get ready, as the vendor's does.
const INIT: Duration = Duration::from_secs(2);

/// How long a person takes to look into the camera.
const LOOK: Duration = Duration::from_millis(500);

/// Readied so often within so long, it wants people to wait.
const OVER_AND_OVER: (usize, Duration) = (5, Duration::from_secs(10));

/// Where, in a number, its holder's sequence number is.
const SEQUENCE: std::ops::Range<usize> = 14..17;

/// The hand at an invented engine. Clones are the same hand.
#[derive(Clone, Default)]
pub struct FaceHand(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    ends: Ends,
    fault: Option<Fault>,
}

/// How the next requests end.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Ends {
    /// As the number says; well without one.
    #[default]
    Well,
    /// Well, and whoever stands there was known before.
    Known,
    /// Not recognised.
    Stranger,
    /// With this message and code.
    Fault(&'static str, &'static str),
    /// With this row of the table.
    Row(SubCode),
}

/// What an engine can suffer from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It hangs: nothing is answered.
    Silence,
    /// It answers garbage.
    Garbage,
    /// It says yes and names nobody.
    Lies,
    /// The connection breaks instead of an answer.
    Cut,
}

/// The words of [`FaceHand::ends`] besides the codes of the table.
pub const OUTCOMES: [&str; 6] = ["SUCCESS", "known", "stranger", "E69015", "E69001", "too-fast"];

/// Whether [`FaceHand::ends`] knows the word.
#[must_use]
pub fn is_outcome(word: &str) -> bool {
    OUTCOMES.contains(&word) || SubCode::find(word).is_some()
}

impl FaceHand {
    /// How requests end from now on: one of [`OUTCOMES`], or a row of the table of subCodes. `false` for
    /// another word.
    pub fn ends(&self, word: &str) -> bool {
        let ends = match word {
            "SUCCESS" => Ends::Well,
            "known" => Ends::Known,
            "stranger" => Ends::Stranger,
            "E69015" => Ends::Fault(words::MISSING, "E69015"),
            "E69001" => Ends::Fault(words::SYSTEM, "E69001"),
            "too-fast" => Ends::Fault(words::TOO_FAST, ""),
            code => match SubCode::find(code) {
                Some(row) => Ends::Row(row),
                None => return false,
            },
        };
        self.lock().ends = ends;
        true
    }

    /// What it suffers from now on.
    pub fn fault(&self, fault: Option<Fault>) {
        self.lock().fault = fault;
        self.0.news.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when it does not hang.
    async fn speaks(&self) {
        loop {
            let news = self.0.news.notified();
            if self.lock().fault != Some(Fault::Silence) {
                return;
            }
            news.await;
        }
    }
}

/// An invented engine.
#[derive(Default)]
pub struct VirtualEngine {
    hand: FaceHand,
    kept: Bytes,
    /// When it was readied last.
    inits: VecDeque<Instant>,
    /// People so far: everybody gets tokens of his own.
    people: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Request {
    cert_no: String,
    unique_id: Option<String>,
}

impl VirtualEngine {
    /// An engine, and its hand.
    #[must_use]
    pub fn new() -> (Self, FaceHand) {
        let engine = Self { kept: Bytes::from_static(b"{}"), ..Self::default() };
        let hand = engine.hand.clone();
        (engine, hand)
    }

    async fn answer(&mut self, task: Task, json: &Bytes) -> Said {
        let request: Request = serde_json::from_slice(json).unwrap_or_default();
        sleep(match task {
            Task::Init => INIT,
            Task::Person => Duration::ZERO,
            Task::Identify | Task::Verify | Task::Enrol => LOOK,
        })
        .await;
        self.hand.speaks().await;
        let (ends, fault) = {
            let state = self.hand.lock();
            (state.ends, state.fault)
        };
        match fault {
            Some(Fault::Garbage) => return Said::Answer(200, Bytes::from_static(b"<html>")),
            Some(Fault::Lies) => {
                let body = json!({"success": true, "subCode": "SUCCESS"});
                return Said::Answer(200, body.to_string().into());
            }
            Some(Fault::Cut) => {
                return Said::Failed("the simulated connection was cut".to_owned());
            }
            Some(Fault::Silence) | None => {}
        }
        let body = match task {
            Task::Init => self.init(ends),
            Task::Enrol => self.enrol(ends, &request),
            Task::Identify | Task::Verify | Task::Person => self.recognise(task, ends, &request),
        };
        Said::Answer(200, body.to_string().into())
    }

    fn init(&mut self, ends: Ends) -> serde_json::Value {
        if let Ends::Fault(message, code) = ends {
            return no(message, code);
        }
        self.inits.push_back(Instant::now());
        if self.inits.len() > OVER_AND_OVER.0 {
            self.inits.pop_front();
        }
        json!({"success": true})
    }

    fn recognise(&mut self, task: Task, ends: Ends, request: &Request) -> serde_json::Value {
        let ends = match (ends, sequence(&request.cert_no)) {
            (Ends::Well, Some(951)) if task == Task::Verify => Ends::Fault(words::SYSTEM, "E69001"),
            (Ends::Well, Some(952)) if task == Task::Verify => Ends::Fault(words::TOO_FAST, ""),
            (Ends::Well, Some(953)) if task == Task::Verify => Ends::Stranger,
            (ends, _) => ends,
        };
        let (often, within) = OVER_AND_OVER;
        let too_often = self.inits.len() == often
            && self.inits.iter().all(|at| at.elapsed() < within)
            && task != Task::Person;
        match ends {
            Ends::Fault(message, code) => no(message, code),
            Ends::Stranger => no(words::STRANGER, ""),
            _ if too_often => no(words::TOO_FAST, ""),
            Ends::Row(row) if row != SubCode::SUCCESS => no(row.message, row.code),
            Ends::Well | Ends::Known | Ends::Row(_) => {
                self.people += 1;
                let people = self.people;
                let auth_code = if task == Task::Identify {
                    format!("5dc39621fe5a49deb21a87c9{people:08}")
                } else {
                    String::new()
                };
                json!({
                    "success": true,
                    "alipayUid": "2088612116677214",
                    "ftoken": format!("fp19bcc44f3a8be610d4d6833607{people:08}"),
                    "vid": "",
                    "authCode": auth_code,
                })
            }
        }
    }

    fn enrol(&mut self, ends: Ends, request: &Request) -> serde_json::Value {
        let number = sequence(&request.cert_no).filter(|_| request.unique_id.is_some());
        let ends = match (ends, number) {
            (Ends::Well, Some(900)) => Ends::Known,
            (Ends::Well, Some(number)) => {
                let row = number.checked_sub(900).and_then(|row| SubCode::ALL.get(row));
                row.map_or(Ends::Well, |row| Ends::Row(*row))
            }
            (Ends::Stranger, _) => Ends::Row(SubCode::NO_FACE),
            (Ends::Fault(..), _) => Ends::Row(SubCode::SYSTEM),
            (ends, _) => ends,
        };
        self.people += 1;
        let people = self.people;
        let ftoken = format!("fp19bcc44f3a8be610d4d6833607{people:08}");
        match ends {
            Ends::Row(row) if row == SubCode::REFUSED => {
                json!({"subCode": row.code, "uniqueId": format!("56440403{people:08}")})
            }
            Ends::Row(row) if row != SubCode::SUCCESS => json!({"subCode": row.code}),
            Ends::Known => {
                json!({"subCode": "SUCCESS", "uid": "2088612116677214", "ftoken": ftoken, "vid": ""})
            }
            _ => json!({
                "subCode": "SUCCESS",
                "uid": "2088612116677214",
                "ftoken": ftoken,
                "authCode": format!("5dc39621fe5a49deb21a87c9{people:08}"),
                "vid": "",
                "bizId": format!("20261129{people:08}"),
            }),
        }
    }
}

fn no(message: &str, code: &str) -> serde_json::Value {
    json!({"success": false, "message": message, "code": code})
}

/// A number's sequence number.
fn sequence(number: &str) -> Option<usize> {
    number.get(SEQUENCE)?.parse().ok()
}

impl VirtualDevice for VirtualEngine {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        if line.write_all(&Said::Ready(self.kept.clone()).packet()).await.is_err() {
            return;
        }
        let (mut packets, mut chunk) = (Packets::default(), [0; 4096]);
        loop {
            while let Ok(Some(packet)) = packets.next_packet() {
                match Tell::of(&packet) {
                    Some(Tell::Keep(json)) => self.kept = json,
                    Some(Tell::Ask(task, json)) => {
                        let said = tokio::select! {
                            biased;
                            // The driver says nothing before it has its answer.
                            _ = line.read(&mut chunk) => return,
                            said = self.answer(task, &json) => said,
                        };
                        if line.write_all(&said.packet()).await.is_err() {
                            return;
                        }
                    }
                    None => return,
                }
            }
            match line.read(&mut chunk).await {
                Ok(read) if read > 0 => packets.push(chunk.get(..read).unwrap_or_default()),
                Ok(_) | Err(_) => return,
            }
        }
    }
}
