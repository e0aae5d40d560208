//! A tape for tests: takes down what passes at one port, with its time.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::{PortEvent, Remembers, Tape};
use crate::port::replay::TapeLine;
use crate::redact::At;

/// Takes down what passes. Clones are the same notebook.
#[derive(Clone, Default)]
pub(crate) struct Notebook(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    began: Option<Instant>,
    lines: Vec<TapeLine>,
    memory: Option<Arc<dyn Remembers>>,
}

impl Notebook {
    /// One that takes down from its beginning on.
    pub(crate) fn begun() -> Self {
        let notebook = Self::default();
        notebook.begin();
        notebook
    }

    /// Takes down from now on, beginning with what had been so before.
    pub(crate) fn begin(&self) {
        let mut notes = self.0.lock().unwrap();
        notes.began = Some(Instant::now());
        let before = notes.memory.as_ref().map(|memory| memory.events()).unwrap_or_default();
        for event in before {
            notes.add(0, true, event);
        }
    }

    /// Whether the port is in the middle of something.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.lock().unwrap().memory.as_ref().is_some_and(|memory| memory.is_busy())
    }

    /// What has passed, as a port's file has it.
    pub(crate) fn lines(&self) -> Vec<TapeLine> {
        self.0.lock().unwrap().lines.clone()
    }

    /// What has passed, as a redactor gets it.
    pub(crate) fn events(&self) -> Vec<At> {
        let at = |line: TapeLine| At { micros: line.micros, event: line.event };
        self.lines().into_iter().map(at).collect()
    }
}

impl Notes {
    fn add(&mut self, micros: i64, before: bool, event: PortEvent) {
        let line = self.lines.len() as u64 + 1;
        self.lines.push(TapeLine { line, micros, before, event });
    }
}

impl Tape for Notebook {
    fn is_on(&self) -> bool {
        self.0.lock().unwrap().began.is_some()
    }

    fn write(&self, _: &'static str, event: PortEvent) {
        let mut notes = self.0.lock().unwrap();
        let micros = i64::try_from(notes.began.unwrap().elapsed().as_micros()).unwrap();
        notes.add(micros, false, event);
    }

    fn register(&self, _: &'static str, memory: Arc<dyn Remembers>) {
        self.0.lock().unwrap().memory = Some(memory);
    }
}
