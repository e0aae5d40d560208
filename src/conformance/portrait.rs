//! What a target says of itself (`bridge.describe`), as far as the cases need it. A target without
//! that call has no portrait; it is then tried what can be tried on anything.

use std::time::Duration;

use serde_json::{Value, json};

use super::Need;
use super::door::Door;
use super::transcript::Transcript;
use super::wire::{Next, Wire};

/// How long a target has to describe itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A longer countdown of the operation timeout is waited for only when everything is to be tried.
const LONGEST_COUNTDOWN: Duration = Duration::from_secs(10);

/// What is known of a target before the first case.
pub(super) struct Portrait {
    description: Value,
}

impl Portrait {
    /// Asks for it. `None` for a target that does not have it, or does not say it in a readable way.
    pub(super) async fn ask(door: &Door, token: Option<&str>) -> Option<Self> {
        let socket = door.open(token).await.ok()?;
        let mut wire = Wire::new(0, socket, Transcript::new(false));
        if let (Door::Tcp(_), Some(token)) = (door, token) {
            wire.show_token(token).await.ok()?;
        }
        wire.send(json!({"call": "bridge.describe", "id": "portrait"}).to_string()).await.ok()?;
        let Ok(Some(Next::Frame(frame))) = wire.next_within(PATIENCE).await else { return None };
        let reply: Value = serde_json::from_str(&frame).ok()?;
        let described = reply["res"]["success"] == true && reply["res"]["data"].is_object();
        described.then(|| Self { description: reply["res"]["data"].clone() })
    }

    /// A limit, by its key.
    pub(super) fn limit(&self, key: &str) -> Option<usize> {
        self.description["limits"][key].as_u64().and_then(|limit| limit.try_into().ok())
    }

    /// The countdown of the operation timeout; `None` where it is switched off, or not told.
    pub(super) fn countdown(&self) -> Option<Duration> {
        let told = self.description["limits"]["operationTimeout"].as_u64()?;
        Some(Duration::from_millis(told)).filter(|countdown| !countdown.is_zero())
    }

    /// Whether a list of names holds this one.
    pub(super) fn has(&self, list: &str, name: &str) -> bool {
        let names = self.description[list].as_array();
        names.is_some_and(|names| names.iter().any(|known| known == name))
    }

    /// One device as it is described.
    pub(super) fn device(&self, name: &str) -> Option<&Value> {
        self.description["devices"].as_array()?.iter().find(|device| device["device"] == name)
    }

    /// Whether no device that is configured is a real one.
    pub(super) fn is_all_simulated(&self) -> bool {
        let configured = |device: &&Value| device["state"] != "off" && device["driver"] != "none";
        self.description["devices"]
            .as_array()
            .is_some_and(|devices| devices.iter().filter(configured).all(is_simulated))
    }
}

fn is_simulated(device: &Value) -> bool {
    device["simulated"] == true
}

/// What the runner knows about the target besides.
pub(super) struct Means {
    /// Frames are lines.
    pub(super) lines: bool,
    /// A token is sent as a line.
    pub(super) token_line: bool,
    /// The time limit of waiting calls is known.
    pub(super) time_limit: bool,
    /// Waiting on real devices is allowed.
    pub(super) all: bool,
}

/// Why a need is not met; `None` if it is, or if that shows only when it is tried.
pub(super) fn unmet(need: Need, portrait: Option<&Portrait>, means: &Means) -> Option<String> {
    let undescribed = || "the target does not describe itself (bridge.describe)".to_owned();
    let unless = |met: bool, why: String| (!met).then_some(why);
    match need {
        Need::Action(name) => match portrait {
            Some(target) => unless(target.has("actions", name), not_served(name)),
            None => None,
        },
        Need::Channel(name) => match portrait {
            Some(target) => unless(target.has("channels", name), not_served(name)),
            None => None,
        },
        Need::Call(name) => match portrait {
            Some(target) => unless(target.has("calls", name), not_served(name)),
            None => Some(undescribed()),
        },
        Need::Simulated(name) => match portrait {
            Some(target) if !target.has("calls", "bridge.simulate") => {
                Some(not_served("bridge.simulate"))
            }
            Some(target) => unless(
                target.device(name).is_some_and(is_simulated),
                format!("needs somebody to work {name}, which is not simulated there"),
            ),
            None => Some(undescribed()),
        },
        Need::Waits(_) if means.all => None,
        Need::Waits(name) => unless(
            portrait.and_then(|target| target.device(name)).is_some_and(is_simulated),
            format!("would wait on {name}, which may be a real one; --all tries it"),
        ),
        Need::Limits => match portrait {
            Some(target) => unless(
                ["maxFrameBytes", "maxCalls"].iter().all(|key| target.limit(key).is_some()),
                "the target tells no limits".to_owned(),
            ),
            None => Some(undescribed()),
        },
        Need::Countdown => match portrait.map(Portrait::countdown) {
            Some(Some(countdown)) => unless(
                countdown <= LONGEST_COUNTDOWN || means.all,
                format!("the countdown takes {countdown:?}; --all tries it, or a shorter one"),
            ),
            Some(None) => Some("it is switched off there, or its limit is not told".to_owned()),
            None => Some(undescribed()),
        },
        Need::Lines => unless(means.lines, "only where frames are lines".to_owned()),
        Need::WebSocket => unless(!means.lines, "only on WebSocket".to_owned()),
        Need::TokenLine => {
            unless(means.token_line, "only on TCP, with a token in $HHAROME_TOKEN".to_owned())
        }
        Need::TimeLimit => {
            unless(means.time_limit, "the target's calls have no time limit".to_owned())
        }
    }
}

fn not_served(name: &str) -> String {
    format!("the target does not serve {name}")
}
