//! What all parts of a replay share: who compares, who listens in, who writes the new outcome down.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hharome_hardware::port::replay::Timeline;

use super::accept::Rewrites;
use super::judge::{Judge, Pair};
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
    /// Frames that were heard so far, of all clients.
    heard: u64,
}

impl Stage {
    pub(super) fn new(
        judge: Judge,
        rewrites: Option<Rewrites>,
        sink: Option<FrameSink>,
        timeline: Timeline,
    ) -> Self {
        Self {
            judge,
            rewrites,
            timeline,
            sink,
            leaving: BTreeSet::new(),
            all_leave: false,
            heard: 0,
        }
    }

    /// A client's file is opened.
    pub(super) fn opened(&mut self, client: u64, file: &str) {
        self.judge.client(client, file);
        if let Some(rewrites) = &mut self.rewrites {
            rewrites.open(client, file);
        }
    }

    /// A line of a client is carried out.
    pub(super) fn line(&mut self, client: u64, line: u64, step: &ClientStep, text: &[u8]) {
        if let Some(rewrites) = &mut self.rewrites {
            rewrites.line(client, line, step, text);
        }
    }

    /// A frame that the client got then.
    pub(super) fn expect(&mut self, client: u64, line: u64, t: i64, frame: Bytes) {
        let pair = self.judge.expect(client, line, t, frame);
        self.pair(client, pair);
    }

    fn pair(&mut self, client: u64, pair: Option<Pair>) {
        if let (Some(rewrites), Some(pair)) = (&mut self.rewrites, pair) {
            rewrites.pair(client, pair);
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
        self.heard += 1;
        if let Some(sink) = &self.sink {
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            sink(client, t, frame);
        }
        let length = frame.strip_suffix(b"\n").unwrap_or(frame).len();
        let frame = frame.slice(..length);
        if let Some(rewrites) = &mut self.rewrites {
            rewrites.frame(client, self.heard, t, &frame);
        }
        let pair = self.judge.got(client, self.heard, t, frame);
        self.pair(client, pair);
    }
}
