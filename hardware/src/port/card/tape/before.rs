//! What a slot was like before the tape began.
//!
//! Owned by [`super::TapedCards`] and asked by whoever records. It keeps how the slot was opened,
//! what lies in it, how the driver connected to that, and whether it first asked the reader for the
//! card's ATS: how a driver gets to know a card. A driver that is started anew, as a replay's is,
//! asks so again. What a client asked, and a reading of what is on a card, is not kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::CardEvent;
use crate::port::card::{CardFault, Content, End, Holds, Power, Powered};
use crate::port::tape::{PortEvent, Remembers};

/// How a driver asks for a card's ATS, whatever the length (PC/SC part 3, 3.2.2.1.3).
const GETS_ATS: [u8; 3] = [0xFF, 0xCA, 0x01];

/// Exchanges of a first transaction that are kept: the question, and a second try at the length.
const KEPT_EXCHANGES: usize = 4;

/// The longest command and answer of them: an ATS has 20 bytes and some more at most.
const KEPT_BYTES: usize = 64;

/// Clones are the same slot's.
#[derive(Clone, Default)]
pub(super) struct SlotMemory(Arc<Mutex<Remembered>>);

#[derive(Default)]
struct Remembered {
    /// The last attempt to open.
    opened: Option<CardEvent>,
    holds: Option<Holds>,
    /// The last connection to this card.
    connected: Option<(Power, Powered)>,
    /// How the driver has let go of it, if it has.
    let_go: Option<End>,
    first: First,
    /// Commands and answers of the first transaction with this card.
    exchanges: Vec<(Bytes, Bytes)>,
    gone: Option<CardFault>,
    /// Operations under way.
    busy: usize,
}

/// The first transaction with a card.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum First {
    #[default]
    ToCome,
    UnderWay,
    /// Over, and kept.
    Over,
    /// It was another one, or too long.
    Forgotten,
}

/// An operation that is under way until this is dropped.
pub(super) struct Busy(SlotMemory);

impl SlotMemory {
    pub(super) fn busy(&self) -> Busy {
        self.lock().busy += 1;
        Busy(self.clone())
    }

    pub(super) fn opened(&self, reader: &str) {
        self.attempt(CardEvent::Opened(reader.to_owned()));
    }

    pub(super) fn not_opened(&self, fault: &CardFault) {
        self.attempt(CardEvent::NotOpened(fault.clone()));
    }

    fn attempt(&self, event: CardEvent) {
        let mut memory = self.lock();
        let busy = memory.busy;
        *memory = Remembered { opened: Some(event), busy, ..Remembered::default() };
    }

    /// What lies in the slot; whether that is new.
    pub(super) fn holds(&self, holds: &Holds) -> bool {
        let mut memory = self.lock();
        if memory.holds.as_ref() == Some(holds) {
            return false;
        }
        let card = |holds: &Holds| (holds.what != Content::Nothing).then_some(holds.number);
        if memory.holds.as_ref().and_then(card) != card(holds) {
            memory.forget_card();
        }
        memory.holds = Some(holds.clone());
        true
    }

    pub(super) fn connected(&self, power: Power, powered: &Powered) {
        let mut memory = self.lock();
        memory.connected = Some((power, powered.clone()));
        memory.let_go = None;
    }

    pub(super) fn disconnected(&self, end: End) {
        self.lock().let_go = Some(end);
    }

    /// A transaction begins; whether its exchanges are to be told to [`SlotMemory::exchanged`].
    pub(super) fn begins(&self) -> bool {
        let mut memory = self.lock();
        let kept = memory.first == First::ToCome && memory.connected.is_some();
        if kept {
            memory.first = First::UnderWay;
        }
        kept
    }

    /// A command and its answer, if it had one; whether the next is to be told, too.
    pub(super) fn exchanged(&self, command: &[u8], answer: Option<&Vec<u8>>) -> bool {
        let mut memory = self.lock();
        if memory.first != First::UnderWay {
            return false;
        }
        let short = |bytes: &[u8]| bytes.len() <= KEPT_BYTES;
        match answer {
            Some(answer)
                if command.starts_with(&GETS_ATS)
                    && short(command)
                    && short(answer)
                    && memory.exchanges.len() < KEPT_EXCHANGES =>
            {
                let exchange = (Bytes::copy_from_slice(command), Bytes::copy_from_slice(answer));
                memory.exchanges.push(exchange);
                true
            }
            _ => {
                memory.exchanges.clear();
                memory.first = First::Forgotten;
                false
            }
        }
    }

    /// The transaction is over.
    pub(super) fn ended(&self) {
        let mut memory = self.lock();
        if memory.first == First::UnderWay {
            // One that was not begun, or in which nothing was asked, was not yet the first.
            let none = memory.exchanges.is_empty();
            memory.first = if none { First::ToCome } else { First::Over };
        }
    }

    pub(super) fn gone(&self, fault: &CardFault) {
        self.lock().gone = Some(fault.clone());
    }

    /// The driver lets go of the slot.
    pub(super) fn closed(&self) {
        let mut memory = self.lock();
        if memory.gone.is_some() {
            memory.forget_card();
        } else {
            let busy = memory.busy;
            *memory = Remembered { busy, ..Remembered::default() };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn forget_card(&mut self) {
        self.connected = None;
        self.let_go = None;
        self.first = First::ToCome;
        self.exchanges.clear();
    }
}

impl Remembers for SlotMemory {
    fn events(&self) -> Vec<PortEvent> {
        let memory = self.lock();
        let card = |event: CardEvent| PortEvent::Card(event);
        let mut events: Vec<_> = memory.opened.iter().cloned().map(card).collect();
        events.extend(memory.holds.clone().map(CardEvent::Holds).map(card));
        if let Some((power, powered)) = &memory.connected {
            events.push(card(CardEvent::Connect(*power)));
            events.push(card(CardEvent::Connected(powered.clone())));
            if memory.first == First::Over {
                events.extend([CardEvent::Begin, CardEvent::Begun].map(card));
                for (command, answer) in &memory.exchanges {
                    events.push(PortEvent::Out(command.clone()));
                    events.push(PortEvent::In(answer.clone()));
                }
                events.push(card(CardEvent::Ended(false)));
            }
            events.extend(memory.let_go.map(CardEvent::Disconnect).map(card));
        }
        events.extend(memory.gone.clone().map(CardEvent::Gone).map(card));
        events
    }

    fn is_busy(&self) -> bool {
        self.lock().busy > 0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut memory = self.0.lock();
        memory.busy = memory.busy.saturating_sub(1);
    }
}
