//! Runs the cases: those that work the same device one after the other, the rest side by side; each
//! within its time limit, whatever the target does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};

use super::context::{Context, Target};
use super::door::Door;
use super::portrait::{Means, Portrait, unmet};
use super::transcript::Transcript;
use super::{Case, Mismatch, Need, Settings, cases};
use crate::report::{self, Report, Verdict};

/// Cases that run at the same time: enough to be quick, few enough to disturb no kiosk.
const SIDE_BY_SIDE: usize = 12;

/// How long a case may take; each single answer has a limit of its own, which is shorter.
const CASE_LIMIT: Duration = Duration::from_secs(20);

/// What a slow case may take beyond the time limit that it waits for.
const SLOW_SURPLUS: Duration = Duration::from_secs(10);

/// How long it may take to bring a device back to where it was.
const TIDY_LIMIT: Duration = Duration::from_secs(10);

/// Where each rule stands.
const PAGE: &str = "docs/protocol.md";

/// Runs the chosen cases against a target that answers connections. Cases that are not chosen are
/// not in the report.
pub async fn run(settings: Settings) -> Report {
    let Settings { door, token, only, time_limit, all } = settings;
    let portrait = Portrait::ask(&door, token.as_deref()).await;
    let means = Means {
        lines: door.is_lines(),
        token_line: matches!(door, Door::Tcp(_)) && token.is_some(),
        time_limit: time_limit.is_some(),
        all,
    };
    let open = portrait.as_ref().is_some_and(Portrait::is_all_simulated);
    let title = format!("conformance of {door}");
    let target = Arc::new(Target { door, token, portrait, time_limit });
    let run = Run { target, means, open, seats: Semaphore::new(SIDE_BY_SIDE), locks: locks() };
    let mut chosen: Vec<(usize, &Case)> = cases(only.as_deref()).enumerate().collect();
    // What takes longest is begun first; else the order of the table.
    chosen.sort_by_key(|(at, case)| (!case.slow, *at));
    let run = &run;
    let judged = chosen.into_iter().map(|(at, case)| async move { (at, run.judge(case).await) });
    let mut judged = join_all(judged).await;
    judged.sort_by_key(|(at, _)| *at);
    Report { title, cases: judged.into_iter().map(|(_, case)| case).collect() }
}

struct Run {
    target: Arc<Target>,
    means: Means,
    /// Nothing that the target says can be about a real person.
    open: bool,
    seats: Semaphore,
    /// One a device.
    locks: BTreeMap<&'static str, Mutex<()>>,
}

impl Run {
    async fn judge(&self, case: &Case) -> report::Case {
        let portrait = self.target.portrait.as_ref();
        let why = case.needs.iter().find_map(|need| unmet(*need, portrait, &self.means));
        let (time, verdict) = match why {
            Some(why) => (Duration::ZERO, Verdict::NotTried { why }),
            None => self.attempt(case).await,
        };
        let (suite, name) = case.name.split_once('/').unwrap_or(("", case.name));
        report::Case {
            suite: suite.to_owned(),
            name: name.to_owned(),
            cites: Some(format!("{PAGE} {}", case.cites)),
            time,
            verdict,
        }
    }

    /// For how long a slow case waits at the most.
    fn slowest(&self) -> Duration {
        let countdown = self.target.portrait.as_ref().and_then(Portrait::countdown);
        self.target.time_limit.max(countdown.map(|countdown| countdown * 2)).unwrap_or(CASE_LIMIT)
    }

    async fn attempt(&self, case: &Case) -> (Duration, Verdict) {
        let mut held = Vec::new();
        // In one order for all cases, so that no two wait for each other.
        for device in devices(case.needs) {
            if let Some(lock) = self.locks.get(device) {
                held.push(lock.lock().await);
            }
        }
        // Never closed, so there is always a seat in the end.
        let _seat = self.seats.acquire().await;
        let transcript = Transcript::new(self.open);
        let context = Context::new(Arc::clone(&self.target), transcript.clone());
        self.tidy(case).await;
        let limit = if case.slow { self.slowest() + SLOW_SURPLUS } else { CASE_LIMIT };
        let begun = Instant::now();
        let outcome = timeout(limit, (case.run)(context)).await;
        let time = begun.elapsed();
        self.tidy(case).await;
        let failed = |what| Verdict::Failed { what, detail: transcript.text() };
        let verdict = match outcome {
            Ok(Ok(())) => Verdict::Passed,
            Ok(Err(Mismatch::NotTried(why))) => Verdict::NotTried { why },
            Ok(Err(Mismatch::Wrong(what))) => failed(what),
            Err(_) => failed(format!("not done after {limit:?}")),
        };
        (time, verdict)
    }

    /// Lifts the card, mends and plugs in what the case works, before it and after it; PSAMs are put
    /// back, as they stay in a kiosk. What does not succeed shows in the case itself.
    async fn tidy(&self, case: &Case) {
        let context = Context::new(Arc::clone(&self.target), Transcript::new(false));
        for need in case.needs {
            let Need::Simulated(device) = need else { continue };
            let tidied = async {
                for gesture in gestures(device) {
                    context.simulate(gesture).await?;
                }
                context.until_state(device, "ready").await
            };
            let _ = timeout(TIDY_LIMIT, tidied).await;
        }
    }
}

/// What brings a simulated device back to where it was.
fn gestures(device: &str) -> Vec<Value> {
    let mend = json!({"device": device, "do": "fault", "fault": "none"});
    match device {
        "id_card" | "cpu_card" | "social_security_card" => {
            vec![mend, json!({"device": device, "do": "lift"})]
        }
        "psam" => {
            let gestures = [mend, json!({"device": device, "do": "put", "card": "psam"})];
            let in_slot = |slot: u8| {
                gestures.clone().map(|mut gesture| {
                    gesture["slot"] = json!(slot);
                    gesture
                })
            };
            [in_slot(1), in_slot(2)].concat()
        }
        "face" => vec![mend, json!({"device": device, "do": "outcome", "text": "SUCCESS"})],
        _ => vec![mend],
    }
}

/// The devices that a case has for itself.
fn devices(needs: &'static [Need]) -> BTreeSet<&'static str> {
    let device = |need: &Need| match need {
        Need::Simulated(device) | Need::Waits(device) => Some(*device),
        _ => None,
    };
    needs.iter().filter_map(device).collect()
}

fn locks() -> BTreeMap<&'static str, Mutex<()>> {
    let all = cases(None).flat_map(|case| devices(case.needs));
    all.map(|device| (device, Mutex::new(()))).collect()
}
