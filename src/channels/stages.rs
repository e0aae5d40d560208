//! How far a connection's waiting calls are, told to it on `bridgeCalls`, if it listens.
//!
//! Called by handlers that wait.

use std::sync::atomic::{AtomicBool, Ordering};

use hharome_protocol::action::Channel as _;
use hharome_protocol::bridge::{CallStage, CallsChannel, CallsEvent};
use hharome_protocol::frame::{self, TaskId};

use super::Subscriber;
use crate::connection::Client;
use crate::recording::recorder::ClientTape;

/// Whether a connection listens to `bridgeCalls`.
#[derive(Default)]
pub struct StageSwitch(AtomicBool);

impl StageSwitch {
    pub(super) fn set(&self, listens: bool) {
        self.0.store(listens, Ordering::Relaxed);
    }
}

/// Reports the stages of one call to its own connection, if that listens, and to who watches all.
#[derive(Clone)]
pub struct Stages {
    client: Subscriber,
    tape: ClientTape,
    call: Option<(&'static str, TaskId)>,
}

impl Stages {
    /// For a call of `client`; without a `taskId` there is nothing to report.
    #[must_use]
    pub fn new(client: &Client, call: Option<(&'static str, TaskId)>) -> Self {
        Self { client: Subscriber::of(client), tape: client.tape.clone(), call }
    }

    /// Whose call it is.
    #[must_use]
    pub fn client(&self) -> &Subscriber {
        &self.client
    }

    /// What its client calls it.
    #[must_use]
    pub fn task_id(&self) -> Option<&TaskId> {
        self.call.as_ref().map(|(_, task_id)| task_id)
    }

    /// The call has come so far.
    pub fn report(&self, stage: CallStage) {
        let Some((action, task_id)) = &self.call else { return };
        self.tape.stage((action, task_id), stage);
        if !self.client.stages.0.load(Ordering::Relaxed) {
            return;
        }
        let event = CallsEvent { action: (*action).to_owned(), task_id: task_id.clone(), stage };
        match frame::event(CallsChannel::NAME, &event) {
            Ok(frame) => self.client.outbox.push(frame),
            Err(error) => tracing::error!(%error, "a stage cannot be encoded"),
        }
    }
}
