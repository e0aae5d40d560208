//! The rules of the protocol as named cases, against any bridge.
//!
//! ```text
//! Door ─► Portrait (what the target says of itself)
//!             └─► runner: one case after the other per device, the rest side by side ─► Report
//!                     └─► Context ─► Wire (one connection), bridge.simulate
//! ```
//!
//! Called by `hharome conformance`. Nothing of the daemon is used here: a target is known by its
//! wire alone. A case opens its own connections, depends on no other, has a time limit, and leaves
//! the devices as it found them; when all have ended, so has the run.

mod apdus;
mod context;
mod door;
mod portrait;
mod runner;
mod transcript;
mod wire;

mod bridge;
mod calls;
mod cards;
mod channels;
mod code;
mod device;
mod envelope;
mod face;
mod frames;
mod groups;
mod id_card;
mod id_number;
mod infrared;
mod load;
mod microphone;
mod operation;
mod polling;
mod psam;
mod queue;
mod reader;
mod receipt;
mod screen;
mod social_security;
mod speech;
mod websocket;

#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::future::BoxFuture;

use context::Context;
pub use door::{BadAddress, Door};
pub use runner::run;

/// One rule to be checked.
pub struct Case {
    /// `group/what_is_so`.
    pub name: &'static str,
    /// The rule's number in `docs/protocol.md`.
    pub cites: &'static str,
    /// What must be there for it to be tried.
    needs: &'static [Need],
    /// Whether it waits for a time limit of the target, or twice for its countdown; such cases are
    /// begun first.
    slow: bool,
    run: fn(Context) -> BoxFuture<'static, Outcome>,
}

/// How a case ends.
type Outcome = Result<(), Mismatch>;

/// Why a case does not pass.
#[derive(Debug)]
enum Mismatch {
    /// The target breaks the rule: what is wrong, in one line.
    Wrong(String),
    /// Nothing was found out: why.
    NotTried(String),
}

/// What a case needs of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// It carries out this action.
    Action(&'static str),
    /// It has this call of its own.
    Call(&'static str),
    /// It has this channel.
    Channel(&'static str),
    /// This device is simulated, and the case works it: nobody else may meanwhile.
    Simulated(&'static str),
    /// The case waits on this device, for moments: nobody else may meanwhile. Not tried on a real
    /// one, which a person may be about to use, unless everything is to be tried.
    Waits(&'static str),
    /// It tells its limits.
    Limits,
    /// Frames are lines.
    Lines,
    /// Frames are WebSocket messages.
    WebSocket,
    /// It wants a token as the first line, and we have it.
    TokenLine,
    /// Its calls have a time limit, and we know it.
    TimeLimit,
    /// It tells of operation after a countdown that it names and that may be waited for.
    Countdown,
}

/// What is to be run, and where.
pub struct Settings {
    /// Where the target is.
    pub door: Door,
    /// The token, where it wants one.
    pub token: Option<String>,
    /// Only cases whose name holds this.
    pub only: Option<String>,
    /// The time limit of `getIDCardInfo`, `getQRCode` and `getSocialSecurityCardInfo` as the target
    /// is configured; `None` for never.
    pub time_limit: Option<Duration>,
    /// Also wait, for moments, on devices that may be real.
    pub all: bool,
}

/// What the target's time limits are unless it is configured otherwise (3.2.6, 3.3.2, 3.12.1).
pub const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(15);

/// All cases whose name holds `pattern`, in the order of the report.
pub fn cases(pattern: Option<&str>) -> impl Iterator<Item = &'static Case> {
    GROUPS
        .iter()
        .copied()
        .flatten()
        .filter(move |case| pattern.is_none_or(|pattern| case.name.contains(pattern)))
}

/// All cases there are, a slice a file.
static GROUPS: &[&[Case]] = &[
    envelope::CASES,
    frames::CASES,
    load::CASES,
    calls::CASES,
    channels::CASES,
    bridge::CASES,
    id_card::CASES,
    queue::CASES,
    reader::CASES,
    code::CASES,
    cards::CASES,
    polling::CASES,
    psam::CASES,
    social_security::CASES,
    microphone::CASES,
    device::CASES,
    infrared::CASES,
    screen::CASES,
    speech::CASES,
    receipt::CASES,
    operation::CASES,
    face::CASES,
    id_number::CASES,
    groups::CASES,
    websocket::CASES,
];

impl Case {
    const fn new(
        name: &'static str,
        cites: &'static str,
        needs: &'static [Need],
        run: fn(Context) -> BoxFuture<'static, Outcome>,
    ) -> Self {
        Self { name, cites, needs, slow: false, run }
    }

    const fn slow(self) -> Self {
        Self { slow: true, ..self }
    }
}

impl Mismatch {
    fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }
}

/// `Ok` if `holds`; else what is wrong.
fn check(holds: bool, what: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(Mismatch::Wrong(what())) }
}
