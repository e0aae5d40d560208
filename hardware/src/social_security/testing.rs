//! A slot for this folder's tests: a hand puts chips into it, and a script says what goes wrong.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::device::Trouble;
use crate::port::card::{
    Begun, BoxedSlot, Card, CardFault, CardPort, CardSlot, Content, End, FaultKind, Holds, Later,
    Power, Powered, Protocol, Sequence,
};

mod chip;

pub(super) use chip::{Addressing, Chip, SPECIMEN, record};

pub(super) const READER: &str = "ACME Contact Reader 00 00";

/// What happens at one step of a slot.
#[derive(Clone)]
pub(super) enum Step {
    /// What should.
    Well,
    /// This fault.
    Fault(FaultKind),
}

/// Everything that a slot has been asked.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) opened: u32,
    pub(super) connects: Vec<Power>,
    pub(super) transactions: u32,
    pub(super) commands: Vec<Vec<u8>>,
    pub(super) disconnects: Vec<End>,
    pub(super) worth_opening: u32,
}

struct Inside {
    chip: Option<Chip>,
    /// Faults to come, one a step; then all is well.
    opens: VecDeque<Step>,
    connects: VecDeque<Step>,
    transacts: VecDeque<Step>,
    exchanges: VecDeque<Step>,
    /// How long one command takes.
    pace: Duration,
    seen: Seen,
}

/// The hand that works a scripted slot, and the script.
#[derive(Clone)]
pub(super) struct Hand {
    inside: Arc<Mutex<Inside>>,
    holds: Arc<watch::Sender<(Holds, Option<CardFault>)>>,
}

pub(super) struct ScriptedPort {
    hand: Hand,
}

pub(super) fn slot() -> (ScriptedPort, Hand) {
    let inside = Inside {
        chip: None,
        opens: VecDeque::new(),
        connects: VecDeque::new(),
        transacts: VecDeque::new(),
        exchanges: VecDeque::new(),
        pace: Duration::ZERO,
        seen: Seen::default(),
    };
    let holds = watch::Sender::new((Holds::default(), None));
    let hand = Hand { inside: Arc::new(Mutex::new(inside)), holds: Arc::new(holds) };
    (ScriptedPort { hand: hand.clone() }, hand)
}

impl Hand {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    fn hold(&self, what: Content) {
        self.holds.send_modify(|(holds, _)| {
            holds.number += u64::from(what != Content::Nothing);
            holds.what = what;
        });
    }

    pub(super) fn put(&self, chip: Chip) {
        self.lock().chip = Some(chip);
        self.hold(Content::Card(vec![0x3B, 0x00]));
    }

    pub(super) fn put_mute(&self) {
        self.hold(Content::Mute);
    }

    pub(super) fn lift(&self) {
        self.lock().chip = None;
        self.hold(Content::Nothing);
    }

    /// Something is told of the slot, and it is still the same card.
    pub(super) fn stir(&self) {
        self.holds.send_modify(|_| {});
    }

    /// The reader is pulled out.
    pub(super) fn unplug(&self) {
        let fault = CardFault::new(FaultKind::NoReader, "pulled out");
        self.holds.send_modify(|(_, end)| *end = Some(fault));
    }

    pub(super) fn opens(&self, steps: &[Step]) {
        self.lock().opens = steps.to_vec().into();
    }

    pub(super) fn connects(&self, steps: &[Step]) {
        self.lock().connects = steps.to_vec().into();
    }

    pub(super) fn transacts(&self, steps: &[Step]) {
        self.lock().transacts = steps.to_vec().into();
    }

    pub(super) fn exchanges(&self, steps: &[Step]) {
        self.lock().exchanges = steps.to_vec().into();
    }

    pub(super) fn pace(&self, pace: Duration) {
        self.lock().pace = pace;
    }

    pub(super) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.lock().seen)
    }
}

fn take(steps: &mut VecDeque<Step>) -> Result<(), CardFault> {
    match steps.pop_front() {
        Some(Step::Fault(kind)) => Err(CardFault::new(kind, format!("scripted: {kind:?}"))),
        Some(Step::Well) | None => Ok(()),
    }
}

impl CardPort for ScriptedPort {
    fn open(&mut self) -> Later<'_, Result<BoxedSlot, CardFault>> {
        let hand = self.hand.clone();
        Box::pin(async move {
            take(&mut hand.lock().opens)?;
            hand.lock().seen.opened += 1;
            hand.holds.send_modify(|(_, end)| *end = None);
            let told = hand.holds.subscribe();
            Ok(Box::new(ScriptedSlot { hand, told, connected: false }) as BoxedSlot)
        })
    }

    fn worth_opening<'a>(&'a mut self, _trouble: &'a Trouble) -> Later<'a, ()> {
        Box::pin(async {
            self.hand.lock().seen.worth_opening += 1;
            sleep(Duration::from_secs(2)).await;
        })
    }
}

struct ScriptedSlot {
    hand: Hand,
    told: watch::Receiver<(Holds, Option<CardFault>)>,
    connected: bool,
}

impl CardSlot for ScriptedSlot {
    fn reader(&self) -> &str {
        READER
    }

    fn holds(&self) -> Holds {
        self.told.borrow().0.clone()
    }

    fn changed(&mut self) -> Later<'_, Result<(), CardFault>> {
        Box::pin(async {
            self.told.changed().await.unwrap();
            self.told.borrow().1.clone().map_or(Ok(()), Err)
        })
    }

    fn connect(&mut self, power: Power) -> Later<'_, Result<Powered, CardFault>> {
        Box::pin(async move {
            let mut inside = self.hand.lock();
            inside.seen.connects.push(power);
            take(&mut inside.connects)?;
            if self.holds().what == Content::Mute {
                return Err(CardFault::new(FaultKind::Mute, "scripted: mute"));
            }
            let none = || CardFault::new(FaultKind::NoCard, "scripted: no card");
            let chip = inside.chip.as_mut().ok_or_else(none)?;
            chip.reset();
            self.connected = true;
            Ok(Powered { atr: vec![0x3B, 0x00], protocol: chip.protocol })
        })
    }

    fn transact(&mut self, sequence: Sequence) -> Later<'_, Result<Begun, CardFault>> {
        Box::pin(async move {
            assert!(self.connected, "a transaction needs a connection");
            self.hand.lock().seen.transactions += 1;
            take(&mut self.hand.lock().transacts)?;
            sequence(&mut InSlot { hand: self.hand.clone() }).await;
            Ok(Begun::default())
        })
    }

    fn disconnect(&mut self, end: End) -> Later<'_, ()> {
        self.connected = false;
        self.hand.lock().seen.disconnects.push(end);
        Box::pin(async {})
    }

    fn escape<'a>(&'a mut self, _command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(async { Err(CardFault::new(FaultKind::Other, "scripted: no escape")) })
    }
}

struct InSlot {
    hand: Hand,
}

impl Card for InSlot {
    fn protocol(&self) -> Protocol {
        Protocol::T1
    }

    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(async move {
            let pace = self.hand.lock().pace;
            sleep(pace).await;
            let mut inside = self.hand.lock();
            inside.seen.commands.push(command.to_vec());
            if let Err(fault) = take(&mut inside.exchanges) {
                if let Some(chip) = &mut inside.chip {
                    chip.reset();
                }
                return Err(fault);
            }
            let removed = || CardFault::new(FaultKind::Removed, "scripted: taken away");
            let chip = inside.chip.as_mut().ok_or_else(removed)?;
            Ok(chip.answer(command))
        })
    }
}
