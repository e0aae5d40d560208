//! Which redactor stands before which part of a recording.

use std::collections::BTreeMap;
use std::time::Duration;

use hharome_hardware::code::framing::Framing;
use hharome_hardware::code::redact::CodeRedactor;
use hharome_hardware::id_card::redact::CardRedactor;
use hharome_hardware::port::tape::PortEvent;
use hharome_hardware::pseudonym::Pseudonyms;
use hharome_hardware::redact::{At, Redact};

use super::recorder::{ClientEvent, PhotoEvent};
use super::redact::FrameRedactor;

/// When something happened.
#[derive(Clone, Copy)]
pub(super) struct When {
    pub(super) micros: i64,
    pub(super) before: bool,
}

/// What stands between what happened and the disk.
pub struct Redaction(Option<Redactors>);

struct Redactors {
    pseudonyms: Pseudonyms,
    frames: FrameRedactor,
    framing: Framing,
    idle: Duration,
    ports: BTreeMap<&'static str, Box<dyn Redact>>,
}

impl Redaction {
    /// Nothing: what happened is written down as it was.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Everything that is a person's is replaced. A scanner's codes are cut out of its bytes by
    /// `framing` and the gap `idle`; `token` is the one that clients have to show.
    #[must_use]
    pub fn new(
        pseudonyms: Pseudonyms,
        framing: Framing,
        idle: Duration,
        token: Option<&str>,
    ) -> Self {
        let frames = FrameRedactor::new(pseudonyms.clone(), token);
        Self(Some(Redactors { pseudonyms, frames, framing, idle, ports: BTreeMap::new() }))
    }

    /// An event of a port; those that can be let go. What was before a recording holds nothing of
    /// a person, and is not mixed up with what follows.
    pub(super) fn port(
        &mut self,
        device: &'static str,
        micros: i64,
        before: bool,
        event: PortEvent,
    ) -> Vec<(When, PortEvent)> {
        let Some(redactors) = self.0.as_mut().filter(|_| !before) else {
            return vec![(When { micros, before }, event)];
        };
        let redactor = redactors.ports.entry(device).or_insert_with(|| {
            let pseudonyms = redactors.pseudonyms.clone();
            match device {
                "qr_scanner" => {
                    let framing = redactors.framing.clone();
                    Box::new(CodeRedactor::new(pseudonyms, framing, redactors.idle))
                }
                // What a reader of cards says is the strictest reading of any bytes: all that is
                // no frame of its is filler.
                _ => Box::new(CardRedactor::new(pseudonyms)),
            }
        });
        let mut out = Vec::new();
        redactor.push(At { micros, event }, &mut out);
        out.into_iter().map(let_go).collect()
    }

    /// What was held back.
    pub(super) fn finish(&mut self) -> Vec<(&'static str, When, PortEvent)> {
        let mut all = Vec::new();
        for (device, redactor) in self.0.iter_mut().flat_map(|redactors| &mut redactors.ports) {
            let mut out = Vec::new();
            redactor.finish(&mut out);
            all.extend(out.into_iter().map(let_go).map(|(when, event)| (*device, when, event)));
        }
        all
    }

    /// A photo.
    pub(super) fn photo(&self, photo: PhotoEvent) -> PhotoEvent {
        let Some(Redactors { pseudonyms, .. }) = &self.0 else { return photo };
        PhotoEvent {
            wlt: pseudonyms.wlt(&photo.wlt),
            took: photo.took,
            answer: photo.answer.map(|jpeg| pseudonyms.jpeg(&jpeg)),
        }
    }

    /// An event of a client; `None` for what is not to be recorded.
    pub(super) fn client(&self, event: ClientEvent) -> Option<ClientEvent> {
        let Some(Redactors { frames, .. }) = &self.0 else {
            let (ClientEvent::In(frame) | ClientEvent::Out(frame)) = &event else {
                return Some(event);
            };
            return (!FrameRedactor::works_the_recorder(frame)).then_some(event);
        };
        Some(match event {
            ClientEvent::In(frame) => ClientEvent::In(frames.from_client(&frame)?.into()),
            ClientEvent::Out(frame) => ClientEvent::Out(frames.to_client(&frame)?.into()),
            other => other,
        })
    }
}

fn let_go(at: At) -> (When, PortEvent) {
    (When { micros: at.micros, before: false }, at.event)
}
