//! What a case has in hand: connections to the target, the hand that works its simulated devices,
//! and the judgements that all cases share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::door::Door;
use super::portrait::Portrait;
use super::transcript::Transcript;
use super::wire::Wire;
use super::{Mismatch, Outcome, check};

/// How long a device has to come into a state, such as after it was plugged in.
const DEVICE_PATIENCE: Duration = Duration::from_secs(8);

/// An event may be so much late on a busy machine, and so much early by the clocks' grain.
pub(super) const LATE: Duration = Duration::from_millis(1500);
const EARLY: Duration = Duration::from_millis(50);

/// How often the state of a device is asked for meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// All kinds of errors (1.12).
const KINDS: [&str; 7] = [
    "bad_request",
    "forbidden",
    "unsupported",
    "device_unavailable",
    "device_busy",
    "device_failed",
    "internal",
];

/// The target, the same for all cases.
pub(super) struct Target {
    pub(super) door: Door,
    pub(super) token: Option<String>,
    pub(super) portrait: Option<Portrait>,
    pub(super) time_limit: Option<Duration>,
}

/// One case's.
#[derive(Clone)]
pub(super) struct Context {
    target: Arc<Target>,
    transcript: Transcript,
    connections: Arc<AtomicU32>,
}

impl Context {
    /// For one case.
    pub(super) fn new(target: Arc<Target>, transcript: Transcript) -> Self {
        Self { target, transcript, connections: Arc::default() }
    }

    /// A new connection, let in.
    pub(super) async fn connect(&self) -> Result<Wire, Mismatch> {
        let mut wire = self.connect_without_token().await?;
        if let (Door::Tcp(_), Some(token)) = (&self.target.door, &self.target.token) {
            wire.show_token(token).await?;
        }
        Ok(wire)
    }

    /// A new connection with a call under way that waits: a later request is answered before it.
    pub(super) async fn waits(&self, call: String) -> Result<Wire, Mismatch> {
        let mut wire = self.connect().await?;
        wire.send(call).await?;
        wire.settled().await?;
        Ok(wire)
    }

    /// A new connection that is on this channel.
    pub(super) async fn listens(&self, channel: &str) -> Result<Wire, Mismatch> {
        let mut wire = self.connect().await?;
        let reply = wire.ask(json!({"on": channel}).to_string()).await?;
        self.equal(&reply, &json!({"on": channel, "success": true, "message": "成功"}))?;
        Ok(wire)
    }

    /// A new connection on which no token line was sent yet.
    pub(super) async fn connect_without_token(&self) -> Result<Wire, Mismatch> {
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let socket = self.target.door.open(self.target.token.as_deref()).await;
        let socket = socket.map_err(|error| Mismatch::Wrong(format!("no connection: {error}")))?;
        Ok(Wire::new(number, socket, self.transcript.clone()))
    }

    /// Whether the target says what it serves.
    pub(super) fn is_described(&self) -> bool {
        self.target.portrait.is_some()
    }

    /// A limit that the target tells.
    pub(super) fn limit(&self, key: &str) -> Result<usize, Mismatch> {
        let limit = self.target.portrait.as_ref().and_then(|target| target.limit(key));
        limit.ok_or_else(|| Mismatch::NotTried(format!("the target tells no {key}")))
    }

    /// The time limit of its waiting calls.
    pub(super) fn time_limit(&self) -> Result<Duration, Mismatch> {
        let limit = self.target.time_limit;
        limit.ok_or_else(|| Mismatch::NotTried("the time limit is not known".to_owned()))
    }

    /// How long nobody must operate the kiosk until that is told.
    pub(super) fn countdown(&self) -> Result<Duration, Mismatch> {
        let countdown = self.target.portrait.as_ref().and_then(Portrait::countdown);
        countdown.ok_or_else(|| Mismatch::NotTried("the countdown is not known".to_owned()))
    }

    /// A frame as a report may show it.
    pub(super) fn quote(&self, frame: &Value) -> String {
        self.transcript.quote(&frame.to_string())
    }

    /// Works a simulated device; must succeed.
    pub(super) async fn simulate(&self, params: Value) -> Outcome {
        let mut wire = self.connect().await?;
        let call = json!({"call": "bridge.simulate", "params": params, "id": 1});
        let reply = wire.ask(call.to_string()).await?;
        check(reply["res"]["success"] == true, || {
            let what = format!("{} {}", params["device"], params["do"]);
            format!("bridge.simulate refuses {what}: {}", self.quote(&reply))
        })
    }

    /// Puts a card on the simulated reader: an invented person, or a card described.
    pub(super) async fn put(&self, card: Value) -> Outcome {
        self.simulate(json!({"device": "id_card", "do": "put", "card": card})).await
    }

    /// Lifts the card.
    pub(super) async fn lift(&self) -> Outcome {
        self.simulate(json!({"device": "id_card", "do": "lift"})).await
    }

    /// Puts a card into a simulated reader of chip cards: a card by its name, or one described.
    pub(super) async fn insert(&self, device: &str, card: Value) -> Outcome {
        self.simulate(json!({"device": device, "do": "put", "card": card})).await
    }

    /// Takes that card away.
    pub(super) async fn remove(&self, device: &str) -> Outcome {
        self.simulate(json!({"device": device, "do": "lift"})).await
    }

    /// Holds a code before the simulated scanner.
    pub(super) async fn scan(&self, text: &str) -> Outcome {
        self.simulate(json!({"device": "qr_scanner", "do": "scan", "text": text})).await
    }

    /// Breaks a simulated device; `none` mends it.
    pub(super) async fn fault(&self, device: &str, fault: &str) -> Outcome {
        self.simulate(json!({"device": device, "do": "fault", "fault": fault})).await
    }

    /// Waits until `bridge.status` says so.
    pub(super) async fn until_state(&self, device: &str, state: &str) -> Outcome {
        let mut wire = self.connect().await?;
        let late = Instant::now() + DEVICE_PATIENCE;
        loop {
            let status = wire.ask(r#"{"call":"bridge.status"}"#).await?;
            let devices = status["res"]["data"]["devices"].as_array();
            let now = devices.and_then(|all| all.iter().find(|one| one["device"] == device));
            let now = now.map(|device| device["state"].clone()).unwrap_or_default();
            if now == state {
                return Ok(());
            }
            check(Instant::now() < late, || {
                format!("{device} is {now} and not {state}, after {DEVICE_PATIENCE:?}")
            })?;
            sleep(LOOK).await;
        }
    }

    /// A yes in the right shape, with `成功` (1.2, 1.7); its data.
    pub(super) fn success(&self, reply: &Value) -> Result<Value, Mismatch> {
        self.served(reply)?;
        let shown = || self.quote(reply);
        check(reply["success"] == true, || format!("expected success, got {}", shown()))?;
        check(reply["message"] == "成功", || format!("message is not 成功: {}", shown()))?;
        check(reply["data"].is_object(), || format!("data is no object: {}", shown()))?;
        Ok(reply["data"].clone())
    }

    /// A no in the right shape (1.12), of this kind.
    pub(super) fn refused(&self, reply: &Value, kind: &str) -> Outcome {
        let got = self.kind(reply)?;
        if got != kind {
            self.served(reply)?;
        }
        check(got == kind, || format!("expected kind {kind}, got {}", self.quote(reply)))
    }

    /// The kind of a no in the right shape (1.12).
    pub(super) fn kind(&self, reply: &Value) -> Result<String, Mismatch> {
        let shown = || self.quote(reply);
        check(reply["success"] == false, || format!("expected a refusal, got {}", shown()))?;
        let words = reply["message"].as_str().unwrap_or_default();
        check(words.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), || {
            format!("message holds no Chinese words: {}", shown())
        })?;
        let error = &reply["data"]["error"];
        check(error["detail"].is_string(), || format!("no data.error.detail: {}", shown()))?;
        let kind = error["kind"].as_str().unwrap_or_default();
        check(KINDS.contains(&kind), || format!("no such kind of error: {}", shown()))?;
        Ok(kind.to_owned())
    }

    /// What the whole reply has to be.
    pub(super) fn equal(&self, reply: &Value, expected: &Value) -> Outcome {
        if reply != expected {
            self.served(reply)?;
        }
        check(reply == expected, || format!("expected {expected}, got {}", self.quote(reply)))
    }

    /// The three fields that every reply echoes (1.2).
    pub(super) fn echoes(
        &self,
        reply: &Value,
        action: &str,
        event: &str,
        task_id: &Value,
    ) -> Outcome {
        let same =
            reply["action"] == action && reply["event"] == event && reply["taskId"] == *task_id;
        check(same, || {
            format!("expected the echo {action}, {event}, {task_id}; got {}", self.quote(reply))
        })
    }

    /// Of a target that does not say what it serves, it shows only now: `unsupported`, and an absent
    /// device, are no mistakes of its.
    fn served(&self, reply: &Value) -> Outcome {
        let kind = reply["data"]["error"]["kind"].as_str().unwrap_or_default();
        if !self.is_described() && ["unsupported", "device_unavailable"].contains(&kind) {
            return Err(Mismatch::NotTried(format!("the target answers {kind}")));
        }
        Ok(())
    }
}

/// It is now so long after the start, or not much later.
pub(super) fn is_due(begun: Instant, due: Duration) -> Outcome {
    let after = begun.elapsed();
    check(after + EARLY >= due && after < due + LATE, || {
        format!("an event that is due after {due:?} comes after {after:?}")
    })
}

/// `cancelled`, `timed out`: a reply in fixed words, without data.
pub(super) fn plain_reply(
    action: &str,
    event: &str,
    task_id: &Value,
    success: bool,
    message: &str,
) -> Value {
    json!({
        "action": action, "event": event, "taskId": task_id,
        "success": success, "message": message, "data": {},
    })
}
