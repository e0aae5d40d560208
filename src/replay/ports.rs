//! The outside of a replayed bridge: the ports and photos of a recording.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hharome_hardware::port::Port;
use hharome_hardware::port::card::CardPort;
use hharome_hardware::port::replay::cards::replayed_card_port;
use hharome_hardware::port::replay::{Findings, Settings, Timeline, replayed_port};
use hharome_hardware::receipt::replayed::{AskedPort, AskedTape};
use hharome_hardware::screen::replayed::{ReducedPort, ReducedTape};

use crate::outside::{RecordedPhotos, RecordedPorts};
use crate::recording::format::{PhotoLine, unhex};
use crate::recording::reader::{self, Damage, PhotoLines, PortTape, Recording};

/// Photos that are held at a time: those read ahead and those given lately. A card that is read
/// earlier or later than then is a few places off; each has some 50 KB.
const PHOTOS_HELD: usize = 32;

/// The ports of a recording. Clones are the same ports.
#[derive(Clone)]
pub struct FolderPorts(Arc<Mutex<Inner>>);

struct Inner {
    recording: Recording,
    timeline: Timeline,
    findings: Findings,
    damage: Damage,
    settings: Box<dyn Fn(&str) -> Settings + Send>,
    given: Vec<PortTape>,
}

impl FolderPorts {
    /// The ports of `recording`; what they find goes to `findings`, what cannot be read to
    /// `damage`; `settings` are each port's.
    #[must_use]
    pub fn new(
        recording: Recording,
        timeline: Timeline,
        findings: Findings,
        damage: Damage,
        settings: impl Fn(&str) -> Settings + Send + 'static,
    ) -> Self {
        let settings = Box::new(settings);
        let given = Vec::new();
        let inner = Inner { recording, timeline, findings, damage, settings, given };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Reads all tapes to their ends, so that damage is found behind what was played, too.
    pub fn drain(&self) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.given.iter_mut().for_each(PortTape::drain);
    }
}

impl Inner {
    /// The tape of a port, and how it is replayed.
    fn tape(&mut self, device: &str) -> (PortTape, Settings) {
        let tape = PortTape::open(&self.recording, device, self.damage.clone());
        let tape = tape.unwrap_or_else(|error| PortTape::unreadable(error, self.damage.clone()));
        self.given.push(tape.clone());
        (tape, (self.settings)(device))
    }
}

impl RecordedPorts for FolderPorts {
    fn line(&mut self, device: &'static str) -> Box<dyn Port> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (tape, settings) = inner.tape(device);
        // A reader of ID cards answers, and no more, and a printer to marks of which there may be one more
        // or less; the others speak when something happens.
        let settings = Settings { polled: matches!(device, "id_card" | "printer"), ..settings };
        let (timeline, findings) = (inner.timeline.clone(), inner.findings.clone());
        if device == "printer" {
            let settings = Settings { leisurely: true, ..settings };
            let tape = AskedTape::new(tape);
            let port = replayed_port(device, tape, timeline, settings, findings);
            return Box::new(AskedPort(port));
        }
        if device == "second_screen" {
            // A picture goes out in no time here.
            let settings = Settings { leisurely: true, ..settings };
            let tape = ReducedTape::new(tape);
            let port = replayed_port(device, tape, timeline, settings, findings);
            return Box::new(ReducedPort(port));
        }
        Box::new(replayed_port(device, tape, timeline, settings, findings))
    }

    fn card(&mut self, device: &'static str) -> Box<dyn CardPort> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (tape, settings) = inner.tape(device);
        // Others are looked at as often as they are asked for.
        let settings = Settings { reads_once: device == "social_security_card", ..settings };
        let (timeline, findings) = (inner.timeline.clone(), inner.findings.clone());
        Box::new(replayed_card_port(device, tape, timeline, settings, findings))
    }

    fn photos(&mut self) -> Box<dyn RecordedPhotos> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = PhotoLines::open(&inner.recording, inner.damage.clone());
        let lines =
            lines.unwrap_or_else(|error| PhotoLines::unreadable(error, inner.damage.clone()));
        Box::new(Photos(Mutex::new(Window { lines, held: VecDeque::new(), ended: false })))
    }
}

/// The photos of a recording, each given in its turn.
struct Photos(Mutex<Window>);

struct Window {
    lines: PhotoLines,
    held: VecDeque<Held>,
    ended: bool,
}

struct Held {
    wlt: Vec<u8>,
    line: PhotoLine,
    given: bool,
}

impl RecordedPhotos for Photos {
    fn decoded(&self, wlt: &[u8]) -> Option<(Duration, Result<Vec<u8>, String>)> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = window.find(wlt)?;
        let held = window.held.get_mut(at)?;
        held.given = true;
        reader::photo(&held.line).ok()
    }
}

impl Window {
    /// The first photo of these bytes that was not given yet; failing that, the last that was: the
    /// same card may be decoded once more than it was then.
    fn find(&mut self, wlt: &[u8]) -> Option<usize> {
        let fresh = |held: &Held| !held.given && held.wlt == wlt;
        if let Some(at) = self.held.iter().position(fresh) {
            return Some(at);
        }
        while !self.ended && self.room() {
            match self.lines.next() {
                Some((_, line)) => {
                    let wlt = unhex(&line.wlt).unwrap_or_default().to_vec();
                    self.held.push_back(Held { wlt, line, given: false });
                    if self.held.back().is_some_and(fresh) {
                        return Some(self.held.len() - 1);
                    }
                }
                None => self.ended = true,
            }
        }
        self.held.iter().rposition(|held| held.wlt == wlt)
    }

    /// Whether one more may be read ahead; those given longest ago give way.
    fn room(&mut self) -> bool {
        if self.held.len() < PHOTOS_HELD {
            return true;
        }
        let given = self.held.iter().position(|held| held.given);
        given.and_then(|at| self.held.remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests;
