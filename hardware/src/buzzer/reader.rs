//! The driver of a card reader's beeper. [`reader_buzzer`] makes it; [`BuzzerTask::run`] ends with
//! the daemon.
//!
//! ```text
//! open ─► which commands? ─► ready ─► beep: command, answer, its time ─┐
//!  ▲          │ unknown: no    ▲                                        │
//!  │          ▼                └────────────────────────────────────────┤
//!  └─ worth opening, or asked for ◄── reader gone, command refused ─────┘
//! ```
//!
//! The slot is opened at start, to know whether there is a reader, and is kept open: that costs
//! nothing, and tells at once when the reader goes. The commands go to the reader itself and need no
//! card.

use tokio::time::{Instant, sleep_until};

use super::models::{CommandSet, Family};
use super::{Beep, Beeper, Queue};
use crate::device::{State, Status, Trouble};
use crate::port::card::{CardFault, CardPort, CardSlot, FaultKind};

/// What may help when a reader's driver does not pass commands on (libccid's README, "Features").
const ESCAPES: &str = "libccid passes commands to a reader on only with bit 0x0001 of \
                       ifdDriverOptions set in its Info.plist";

/// The task that owns a reader's beeper.
pub struct BuzzerTask {
    commands: Option<CommandSet>,
    status: Status,
    queue: Queue,
}

/// A reader's beeper: the handle, and the task to run. `commands` is what the reader understands,
/// if that is not to be told from its name.
#[must_use]
pub fn reader_buzzer(commands: Option<CommandSet>, status: Status) -> (Beeper, BuzzerTask) {
    let (beeper, queue) = Queue::new();
    (beeper, BuzzerTask { commands, status, queue })
}

impl BuzzerTask {
    /// Beeps when asked, on the reader at this port. Never ends.
    pub async fn run(mut self, mut port: Box<dyn CardPort>) {
        // A beep that has come while the reader was not usable: it is looked for again.
        let mut first = None;
        loop {
            let trouble = match port.open().await {
                Ok(mut slot) => {
                    self.status.count("opened");
                    self.serve(slot.as_mut(), &mut first).await
                }
                Err(fault) => trouble(fault),
            };
            self.status.trouble(&trouble);
            let worth_opening = port.worth_opening(&trouble);
            first = self.queue.after(&trouble, first.take(), worth_opening).await;
        }
    }

    /// Beeps until the reader is gone or does not do what it should.
    async fn serve(&mut self, slot: &mut dyn CardSlot, first: &mut Option<Beep>) -> Trouble {
        let reader = slot.reader().to_owned();
        let by_name = || Family::of_reader(&reader).map(Family::commands);
        let Some(commands) = self.commands.clone().or_else(by_name) else {
            let detail = format!(
                "reader {reader} has no buzzer that is known; set model or command in [buzzer]"
            );
            return self.refuse(slot, &Trouble::Failed { detail }, first).await;
        };
        self.status.learn("reader", &reader);
        self.status.learn("model", commands.name());
        self.status.learn("unit", format!("{} ms", commands.unit_ms()));
        self.status.started();
        loop {
            let beep = match first.take() {
                Some(beep) => beep,
                None => tokio::select! {
                    biased;
                    changed = slot.changed() => match changed {
                        // Cards come and go; the beeper is the reader's.
                        Ok(()) => continue,
                        Err(fault) => return trouble(fault),
                    },
                    beep = self.queue.next() => beep,
                },
            };
            self.status.set(State::Busy);
            if let Err(trouble) = sound(slot, &commands, beep).await {
                return trouble;
            }
            self.status.count("beeps");
            self.status.set(State::Ready);
        }
    }

    /// Says no to every beep until the reader is gone: nothing else changes what it is.
    async fn refuse(
        &mut self,
        slot: &mut dyn CardSlot,
        no: &Trouble,
        first: &mut Option<Beep>,
    ) -> Trouble {
        self.status.trouble(no);
        loop {
            if let Some(beep) = first.take() {
                beep.answer(Err(no.clone()));
            }
            tokio::select! {
                biased;
                changed = slot.changed() => if let Err(fault) = changed {
                    return trouble(fault);
                },
                beep = self.queue.next() => *first = Some(beep),
            }
        }
    }
}

/// One beep, to its end.
async fn sound(slot: &mut dyn CardSlot, commands: &CommandSet, beep: Beep) -> Result<(), Trouble> {
    let Beep { ms, answer } = beep;
    let mut waiting = Some(answer);
    let mut tell = |result: &Result<(), Trouble>| {
        if let Some(answer) = waiting.take() {
            // Whoever asked may have gone.
            let _ = answer.send(result.clone());
        }
    };
    for (command, time) in commands.pieces(ms) {
        // From here and not from the answer, which some readers give when they have sounded.
        let end = Instant::now() + time;
        let taken = match slot.escape(&command).await {
            Ok(answer) if commands.is_yes(&answer) => Ok(()),
            Ok(answer) => Err(refused(slot.reader(), &answer)),
            Err(fault) => Err(trouble(fault)),
        };
        tell(&taken);
        taken?;
        sleep_until(end).await;
    }
    Ok(())
}

fn refused(reader: &str, answer: &[u8]) -> Trouble {
    // A beeper's answer holds nothing of a person.
    let hex: String = answer.iter().take(8).map(|byte| format!(" {byte:02X}")).collect();
    let said = if hex.is_empty() { " nothing".to_owned() } else { hex };
    let detail = format!(
        "reader {reader} refused to beep (it answered{said}); is another model or command right in \
         [buzzer]?"
    );
    Trouble::Failed { detail }
}

/// A beeper works without a card, so a fault that is of a card is the reader's here.
fn trouble(fault: CardFault) -> Trouble {
    match fault.kind {
        FaultKind::NoService | FaultKind::NoReader | FaultKind::Occupied | FaultKind::Silent => {
            fault.into()
        }
        _ => Trouble::Failed { detail: format!("{fault} ({ESCAPES})") },
    }
}

#[cfg(test)]
mod tests;
