//! What all parts of a replay share: who compares, who listens in, who writes the new outcome down.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hharome_hardware::port::replay::Timeline;

use super::accept::Rewrites;
use super::judge::Judge;
use super::socket::Ear;
use crate::recording::reader::ClientStep;

/// Gets every frame of every client, raw, with its client and the recording's time in
/// microseconds: what makes two replays comparable to the byte.
pub type FrameSink = Arc<Mutex<dyn FnMut(u64, i64, &[u8]) + Send>>;

/// What all parts of a replay share.
pub(super) struct Stage {
    pub(super) judge: Judge,
    pub(super) rewrites: Option<Rewrites>,
    timeline: Timeline,
    sink: Option<FrameSink>,
    leaving: BTreeSet<u64>,
    all_leave: bool,
}

impl Stage {
    pub(super) fn new(
        judge: Judge,
        rewrites: Option<Rewrites>,
        sink: Option<FrameSink>,
        timeline: Timeline,
    ) -> Self {
        Self { judge, rewrites, timeline, sink, leaving: BTreeSet::new(), all_leave: false }
    }

    /// A client's file is opened.
    pub(super) fn opened(&mut self, client: u64, file: &str) {
        self.judge.client(client, file);
        if let Some(rewrites) = &mut self.rewrites {
            rewrites.open(client, file);
        }
    }

    /// A line of a client is carried out.
    pub(super) fn line(&mut self, client: u64, step: &ClientStep, text: &[u8]) {
        if let Some(rewrites) = &mut self.rewrites {
            rewrites.line(client, step, text);
        }
    }

    /// What the client does ends its connection.
    pub(super) fn leaves(&mut self, client: u64) {
        self.leaving.insert(client);
    }

    /// The daemon stops.
    pub(super) fn everybody_leaves(&mut self) {
        self.all_leave = true;
    }

    /// A connection is over.
    pub(super) fn ended(&mut self, client: u64, admitted: bool) {
        let t = self.timeline.now();
        let by_itself = !self.all_leave && !self.leaving.remove(&client);
        if by_itself {
            self.judge.got_end(client, t);
        }
        if let Some(rewrites) = &mut self.rewrites {
            let why = if admitted { "tooSlow" } else { "notAdmitted" };
            rewrites.ended(client, t, by_itself.then_some(why));
        }
    }
}

impl Ear for Stage {
    fn hear(&mut self, client: u64, frame: &Bytes) {
        let t = self.timeline.now();
        if let Some(sink) = &self.sink {
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            sink(client, t, frame);
        }
        let length = frame.strip_suffix(b"\n").unwrap_or(frame).len();
        let frame = frame.slice(..length);
        if let Some(rewrites) = &mut self.rewrites {
            rewrites.frame(client, t, &frame);
        }
        self.judge.got(client, t, frame);
    }
}
