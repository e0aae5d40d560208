//! The face provider: who asks, who answers, and what is remembered between the two.
//!
//! ```text
//! actions ─► Face ─ errands ─► Engine (the driver) ═ packets ═ port ─┬─ http: the integrator's engine
//!                                │                                   └─ simulated: an invented one
//!                                └─ readied? refused whom?
//! ```
//!
//! Face is no hardware: there is nothing of it in the `hardware` crate but what every device has, a
//! port with a tape and a task that owns it. An engine is asked one thing at a time: there is one camera,
//! and one person before it.

mod answer;
mod engine;
pub mod http;
mod memory;
pub mod redact;
pub mod simulated;
pub mod wire;

use std::future::Future;
use std::time::Duration;

use serde::Serialize;

use crate::errands::{Doer, Errands, Undone, errands};

pub use answer::{Answer, NOT_READY, No, Person};
pub use engine::Engine;
pub use wire::Task;

/// Requests that may wait for the engine: more than one kiosk's people cause.
const WAITING: usize = 8;

/// The longest request to an engine, in bytes: a packet holds it, and the portrait in it may be one of
/// 750 KB.
pub const MOST_QUESTION: usize = 1_000_000;

/// The longest answer of an engine, in bytes; a packet holds it.
pub const MOST_ANSWER: usize = 1_000_000;

/// Messages that the vendor's own kiosks show of faces, and ours. They say nothing of a person, so
/// recordings keep them.
pub mod words {
    /// It was not readied.
    pub const NOT_READY: &str = "关闭服务时找不到当前任务(E69016)";
    /// It was readied over and over.
    pub const TOO_FAST: &str = "点击过快";
    /// A fault.
    pub const SYSTEM: &str = "系统异常(E69001)";
    /// There is no face service.
    pub const MISSING: &str = "E69015";
    /// There is none in the configuration.
    pub const OFF: &str = "本机未配置人脸服务(E69015)";
    /// It does not run.
    pub const ABSENT: &str = "人脸服务未运行,请联系工作人员(E69015)";
    /// It does not do what it should.
    pub const FAILED: &str = "人脸服务故障(系统异常E69001),请联系工作人员";
    /// Too many wait for it.
    pub const BUSY: &str = "人脸服务繁忙,请稍后再试";
    /// It says no, and not why.
    pub const NO: &str = "刷脸失败";
    /// Nobody like that is known.
    pub const STRANGER: &str = "未识别到匹配的人脸,请重试";

    /// All of them.
    pub const ALL: [&str; 10] =
        [NOT_READY, TOO_FAST, SYSTEM, MISSING, OFF, ABSENT, FAILED, BUSY, NO, STRANGER];
}

/// The side of those who ask. Clones are handles on the same provider.
#[derive(Clone)]
pub struct Face(Errands<Question, Outcome>);

/// What is asked.
pub struct Question {
    task: Task,
    json: bytes::Bytes,
    /// An enrolment's second path: what the refusal of the first has given.
    unique_id: Option<String>,
}

/// What comes of it.
pub type Outcome = Result<Answer, NotAsked>;

/// Why the engine was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// It has not been readied.
    NotReady,
    /// Nobody was refused under this `uniqueId`, or too long ago.
    UnknownRefusal,
}

/// How long an engine may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// To get ready.
    pub init: Duration,
    /// For anything else: a person stands before a camera.
    pub person: Duration,
}

/// Both sides of a provider: what is asked, and the driver that does it.
#[must_use]
pub fn provider(settings: Settings) -> (Face, Engine) {
    let (errands, doer): (_, Doer<Question, Outcome>) = errands(WAITING);
    (Face(errands), Engine::new(settings, doer))
}

impl Face {
    /// Asks the engine, after what was asked for before.
    ///
    /// # Errors
    /// Too much waits, or the engine is not there or does not work.
    pub fn ask(
        &self,
        question: Question,
    ) -> impl Future<Output = Result<Outcome, Undone>> + Send + use<> {
        self.0.ask(question)
    }
}

impl Question {
    /// To do `task` with this.
    #[must_use]
    pub fn new(task: Task, json: &impl Serialize) -> Self {
        Self { task, json: wire::json(json), unique_id: None }
    }

    /// Whether it is longer than an engine is asked.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.json.len() > MOST_QUESTION
    }

    /// To enrol a person who was refused so before.
    #[must_use]
    pub fn enrol_refused(json: &impl Serialize, unique_id: &str) -> Self {
        let unique_id = Some(unique_id.to_owned());
        Self { unique_id, ..Self::new(Task::Enrol, json) }
    }
}
