//! What a replayed card port says of requests and results that tape and driver do not share.
//!
//! Commands are always told of. That a driver connects once more, or once less, changes nothing:
//! such steps are told of when strict.

use bytes::Bytes;

use super::super::Settings;
use super::super::findings::{Finding, Findings, Oddity, Tally};
use super::life::{Ask, Operation};

/// Where it says so.
pub(super) struct Notes {
    device: &'static str,
    strict: bool,
    findings: Findings,
}

impl Notes {
    pub(super) fn new(device: &'static str, settings: &Settings, findings: Findings) -> Self {
        Self { device, strict: settings.strict, findings }
    }

    pub(super) fn device(&self) -> &'static str {
        self.device
    }

    pub(super) fn tally(&self, tally: Tally) {
        self.findings.tally(tally);
    }

    /// The driver has asked what the tape does not have, or not any more.
    pub(super) fn asked(
        &self,
        oddity: Oddity,
        ask: &Ask,
        now: i64,
        expected: Option<(Bytes, u64)>,
    ) {
        if self.strict || (ask.bytes().is_some() && oddity != Oddity::OutOfOrder) {
            let (expected, line) = expected.unzip();
            self.add(now, oddity, ask, expected, line);
        }
    }

    /// The driver has not asked for this.
    pub(super) fn never_asked(&self, operation: &Operation) {
        let Operation { ask, line, asked, taken, before, .. } = operation;
        let told = ask.bytes().is_some() || (self.strict && ask.step().is_some());
        if told && !taken && !before {
            self.add(*asked, Oddity::NeverAsked, ask, None, Some(*line));
        }
    }

    fn add(
        &self,
        micros: i64,
        oddity: Oddity,
        ask: &Ask,
        expected: Option<Bytes>,
        line: Option<u64>,
    ) {
        self.findings.add(Finding {
            micros,
            device: self.device,
            oddity,
            request: ask.bytes().cloned().unwrap_or_default(),
            step: ask.step(),
            expected,
            line,
        });
    }
}
