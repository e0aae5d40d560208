//! Waiting for a person: one reading of a source for one call, within the call's time limit.
//!
//! ```text
//! arrival ── queued ── waiting ── reading ──► delivered
//!    │                               │
//!    └────── time limit ─────────────┴─ begun: up to 3 s more ──► 超时
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hharome_hardware::device::Trouble;
use hharome_hardware::source::{Stage, Waiter};
use hharome_protocol::failure::Failure;
use tokio::time::{Instant, sleep_until};

use crate::channels::{CallStage, Stages};
use crate::devices::Slot;
use crate::router::CallContext;

/// How long a reading that has begun when the time limit ends may still take; part of the
/// protocol.
pub const GRACE: Duration = Duration::from_secs(3);

/// A device's troubles in words that a clerk can act on.
pub struct Words {
    /// The section of the configuration that describes it.
    pub section: &'static str,
    /// It is not configured.
    pub off: &'static str,
    /// It is not there.
    pub absent: &'static str,
    /// It does not work.
    pub failed: &'static str,
    /// What was put on it cannot be read.
    pub unreadable: &'static str,
}

impl Words {
    /// The failure of a call on a device in trouble.
    #[must_use]
    pub fn failure(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Absent { detail } => Failure::device_unavailable(self.absent, detail),
            Trouble::Failed { detail } => Failure::device_failed(self.failed, detail),
            Trouble::Unreadable { detail } => Failure::device_failed(self.unreadable, detail),
        }
    }

    /// The failure of a call on a device without a driver.
    #[must_use]
    pub fn not_configured(&self) -> Failure {
        let section = self.section;
        let detail = format!(
            "not configured; set driver in [{section}] of the configuration (`hharome config` \
             shows how)"
        );
        Failure::device_unavailable(self.off, detail)
    }
}

/// A reading and the moment by which its call has to be answered at the latest.
pub struct Reading<T> {
    /// What was read.
    pub value: Arc<T>,
    /// Time limit and grace; `None` for a call without a time limit.
    pub latest: Option<Instant>,
}

/// Takes a place in the queue of the slot's source now, and ends with the reading or with the
/// reason why there is none.
pub fn one_reading<T: Send + Sync + 'static>(
    context: &CallContext,
    slot: &Slot<T>,
    limit: Option<Duration>,
    words: &'static Words,
) -> impl Future<Output = Result<Reading<T>, Failure>> + Send + use<T> {
    let waiter = match &slot.source {
        Some(source) => {
            source.wait_in_place_of(context.place.get()).map_err(|trouble| words.failure(trouble))
        }
        None => Err(words.not_configured()),
    };
    if let Ok(waiter) = &waiter {
        context.place.set(waiter.number());
    }
    let deadline = limit.map(|limit| context.arrived + limit);
    let stages = context.stages.clone();
    async move {
        let mut waiter = waiter?;
        let mut told = Told { stages, last: None };
        loop {
            told.tell(waiter.stage());
            tokio::select! {
                biased;
                progress = waiter.progress() => if let Some(answer) = progress {
                    let value = answer.map_err(|trouble| words.failure(trouble))?;
                    // A reading quicker than this task has gone through them all the same.
                    told.tell(Stage::Reading);
                    return Ok(Reading { value, latest: deadline.map(|at| at + GRACE) });
                },
                () = until(deadline) => break,
            }
        }
        let latest = deadline.map(|at| at + GRACE);
        match begun_reading(&mut waiter, latest).await {
            Some(Ok(value)) => Ok(Reading { value, latest }),
            Some(Err(trouble)) => Err(words.failure(trouble)),
            None => Err(Failure::Timeout),
        }
    }
}

/// The stages of a call, told in order and without a gap.
struct Told {
    stages: Stages,
    last: Option<Stage>,
}

impl Told {
    fn tell(&mut self, stage: Stage) {
        if self.last == Some(stage) {
            return;
        }
        if stage == Stage::Reading && self.last != Some(Stage::Waiting) {
            self.stages.report(CallStage::Waiting);
        }
        self.last = Some(stage);
        self.stages.report(match stage {
            Stage::Queued => CallStage::Queued,
            Stage::Waiting => CallStage::Waiting,
            Stage::Reading => CallStage::Reading,
        });
    }
}

/// A reading that has begun when the time limit ends, if it ends in time.
async fn begun_reading<T>(
    waiter: &mut Waiter<T>,
    latest: Option<Instant>,
) -> Option<Result<Arc<T>, Trouble>> {
    while waiter.stage() == Stage::Reading {
        tokio::select! {
            biased;
            progress = waiter.progress() => if progress.is_some() { return progress },
            () = until(latest) => break,
        }
    }
    None
}

/// Ends at this moment, or never.
pub(super) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
