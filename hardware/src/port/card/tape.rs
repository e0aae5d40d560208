//! The tape at a card port: what passes between a driver and a slot, for whoever records.
//!
//! [`TapedCards`] stands around any [`CardPort`] and reports each opening, card, connection,
//! transaction and exchange to a [`Tape`]. It never changes, delays or refuses anything; while the
//! tape is off it costs a look at it. Sequences may run on the port's own thread, and report from
//! there. A recording may begin while a card has been lying there for hours: what led to that
//! stands at its beginning (`before`).

mod before;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use self::before::SlotMemory;
use super::{
    Begun, BoxedSlot, Card, CardFault, CardPort, CardSlot, End, FaultKind, Holds, Later, Power,
    Powered, Protocol, Sequence,
};
use crate::device::Trouble;
use crate::port::tape::{PortEvent, Tape};

/// What happened at a card port, besides the commands and answers themselves: those are
/// [`PortEvent::Out`] and [`PortEvent::In`], one event each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardEvent {
    /// The slot was opened: the reader's name.
    Opened(String),
    /// It could not be opened.
    NotOpened(CardFault),
    /// What lies in it: told at opening, and at each change.
    Holds(Holds),
    /// The reader or its service is gone.
    Gone(CardFault),
    /// The driver asks for a connection.
    Connect(Power),
    /// It has one.
    Connected(Powered),
    /// It has none.
    NotConnected(CardFault),
    /// The driver asks for a transaction.
    Begin,
    /// It was begun.
    Begun,
    /// It was not, or did not come to a good end.
    NotBegun(CardFault),
    /// The command before this brought no answer.
    Unanswered(CardFault),
    /// The transaction is over; whether the connection had had to be renewed for it, which the
    /// driver learns now.
    Ended(bool),
    /// The driver lets go of the card.
    Disconnect(End),
    /// The next command is for the reader itself.
    Escape,
    /// The driver lets go of the slot.
    Closed,
}

/// A card port with a tape around it.
pub struct TapedCards {
    port: Box<dyn CardPort>,
    head: Head,
}

/// Where a slot's events go.
#[derive(Clone)]
struct Head {
    device: &'static str,
    tape: Arc<dyn Tape>,
    memory: SlotMemory,
}

impl TapedCards {
    /// `port`, whose events go to `tape` under the name `device`.
    #[must_use]
    pub fn new(port: Box<dyn CardPort>, device: &'static str, tape: Arc<dyn Tape>) -> Self {
        let memory = SlotMemory::default();
        tape.register(device, Arc::new(memory.clone()));
        Self { port, head: Head { device, tape, memory } }
    }
}

impl Head {
    fn card(&self, event: impl FnOnce() -> CardEvent) {
        self.write(|| PortEvent::Card(event()));
    }

    fn write(&self, event: impl FnOnce() -> PortEvent) {
        if self.tape.is_on() {
            self.tape.write(self.device, event());
        }
    }

    /// What lies in the slot, if that is new.
    fn holds(&self, holds: &Holds) {
        if self.memory.holds(holds) {
            self.card(|| CardEvent::Holds(holds.clone()));
        }
    }

    fn answered(&self, answer: &Result<Vec<u8>, CardFault>) {
        self.write(|| match answer {
            Ok(answer) => PortEvent::In(Bytes::copy_from_slice(answer)),
            Err(fault) => PortEvent::Card(CardEvent::Unanswered(fault.clone())),
        });
    }
}

impl CardPort for TapedCards {
    fn open(&mut self) -> Later<'_, Result<BoxedSlot, CardFault>> {
        Box::pin(async move {
            let busy = self.head.memory.busy();
            let opened = self.port.open().await;
            drop(busy);
            match opened {
                Ok(slot) => {
                    let head = self.head.clone();
                    head.memory.opened(slot.reader());
                    head.card(|| CardEvent::Opened(slot.reader().to_owned()));
                    head.holds(&slot.holds());
                    Ok(Box::new(TapedSlot { slot, head }) as BoxedSlot)
                }
                Err(fault) => {
                    self.head.memory.not_opened(&fault);
                    self.head.card(|| CardEvent::NotOpened(fault.clone()));
                    Err(fault)
                }
            }
        })
    }

    fn worth_opening<'a>(&'a mut self, trouble: &'a Trouble) -> Later<'a, ()> {
        self.port.worth_opening(trouble)
    }
}

struct TapedSlot {
    slot: BoxedSlot,
    head: Head,
}

impl CardSlot for TapedSlot {
    fn reader(&self) -> &str {
        self.slot.reader()
    }

    fn holds(&self) -> Holds {
        let holds = self.slot.holds();
        self.head.holds(&holds);
        holds
    }

    fn changed(&mut self) -> Later<'_, Result<(), CardFault>> {
        Box::pin(async move {
            let changed = self.slot.changed().await;
            match &changed {
                Ok(()) => self.head.holds(&self.slot.holds()),
                Err(fault) => {
                    self.head.memory.gone(fault);
                    self.head.card(|| CardEvent::Gone(fault.clone()));
                }
            }
            changed
        })
    }

    fn connect(&mut self, power: Power) -> Later<'_, Result<Powered, CardFault>> {
        Box::pin(async move {
            let _busy = self.head.memory.busy();
            self.head.card(|| CardEvent::Connect(power));
            let connected = self.slot.connect(power).await;
            match &connected {
                Ok(powered) => {
                    self.head.memory.connected(power, powered);
                    self.head.card(|| CardEvent::Connected(powered.clone()));
                }
                Err(fault) => self.head.card(|| CardEvent::NotConnected(fault.clone())),
            }
            connected
        })
    }

    fn transact(&mut self, sequence: Sequence) -> Later<'_, Result<Begun, CardFault>> {
        Box::pin(async move {
            let _busy = self.head.memory.busy();
            let kept = self.head.memory.begins();
            self.head.card(|| CardEvent::Begin);
            let run = Arc::new(Run::default());
            let begun = self.slot.transact(taped(sequence, &self.head, &run, kept)).await;
            run.over.store(true, Ordering::Relaxed);
            self.head.memory.ended();
            if run.asking.load(Ordering::Relaxed) {
                // The port's thread is stuck in it, and nobody waits for it any more.
                let silent = || CardFault::new(FaultKind::Silent, "given up");
                let fault = begun.as_ref().err().cloned().unwrap_or_else(silent);
                self.head.card(|| CardEvent::Unanswered(fault));
            }
            self.head.card(|| match &begun {
                Ok(begun) => CardEvent::Ended(begun.renewed),
                Err(fault) => CardEvent::NotBegun(fault.clone()),
            });
            begun
        })
    }

    fn disconnect(&mut self, end: End) -> Later<'_, ()> {
        self.head.memory.disconnected(end);
        self.head.card(|| CardEvent::Disconnect(end));
        self.slot.disconnect(end)
    }

    fn escape<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(async move {
            let _busy = self.head.memory.busy();
            self.head.card(|| CardEvent::Escape);
            self.head.write(|| PortEvent::Out(Bytes::copy_from_slice(command)));
            let answer = self.slot.escape(command).await;
            self.head.answered(&answer);
            answer
        })
    }
}

impl Drop for TapedSlot {
    fn drop(&mut self) {
        self.head.memory.closed();
        self.head.card(|| CardEvent::Closed);
    }
}

/// How a sequence is getting on, for those on both sides of the port's thread.
#[derive(Default)]
struct Run {
    /// A command is waited for.
    asking: AtomicBool,
    /// Nobody waits for the sequence any more: what it still learns is no event of the port.
    over: AtomicBool,
}

/// The sequence with a tape around its card; `kept`: the slot remembers what is said.
fn taped(sequence: Sequence, head: &Head, run: &Arc<Run>, kept: bool) -> Sequence {
    let (head, run) = (head.clone(), Arc::clone(run));
    Box::new(move |card| {
        Box::pin(async move {
            if !run.over.load(Ordering::Relaxed) {
                head.card(|| CardEvent::Begun);
            }
            let mut card = TapedCard { card, head: &head, run: &run, kept };
            sequence(&mut card).await;
        })
    })
}

struct TapedCard<'c> {
    card: &'c mut dyn Card,
    head: &'c Head,
    run: &'c Run,
    kept: bool,
}

impl Card for TapedCard<'_> {
    fn protocol(&self) -> Protocol {
        self.card.protocol()
    }

    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        let over = self.run.over.load(Ordering::Relaxed);
        if over || !(self.kept || self.head.tape.is_on()) {
            return self.card.transmit(command);
        }
        Box::pin(async move {
            self.head.write(|| PortEvent::Out(Bytes::copy_from_slice(command)));
            self.run.asking.store(true, Ordering::Relaxed);
            let answer = self.card.transmit(command).await;
            if self.run.over.load(Ordering::Relaxed) {
                return answer;
            }
            self.run.asking.store(false, Ordering::Relaxed);
            self.head.answered(&answer);
            if self.kept {
                self.kept = self.head.memory.exchanged(command, answer.as_ref().ok());
            }
            answer
        })
    }
}
