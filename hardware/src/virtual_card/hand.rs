//! The hand that works a virtual card's place: puts cards in, lifts them, breaks them, pulls the
//! reader's plug.
//!
//! Called by `bridge.simulate`, by `hharome virtual card` and by tests. What it does is seen at
//! once by whichever far end stands at the place: a slot in this process
//! ([`crate::port::card::memory`]) or a reader of pcscd's ([`super::vpcd`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::VirtualCard;
use crate::port::card::{Content, Holds, Power, Powered, Protocol};

/// What answers the commands to the reader itself.
pub type Escape = Box<dyn FnMut(&[u8]) -> Vec<u8> + Send>;

/// Works the place of a virtual card. Clones are hands at the same place.
#[derive(Clone)]
pub struct CardHand {
    place: Arc<Place>,
}

/// What is wrong with the card, until it is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It answers no command.
    Silence,
    /// It does not answer to its power-up.
    Mute,
    /// It is taken away at the next command, in the middle of it. That mends the fault.
    Vanish,
    /// Another program holds it, and lets nobody else at it.
    Occupied,
}

/// What happened at a place since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cards powered up that were not, and resets.
    pub resets: u64,
    /// Commands that reached a card.
    pub commands: u64,
}

struct Place {
    state: Mutex<State>,
    /// Told of every change of the state.
    changed: watch::Sender<()>,
}

struct State {
    /// Whether the reader is plugged in, and how often it was until now.
    plugged: bool,
    plugs: u64,
    card: Option<Lying>,
    /// The number of the card that was put in last.
    number: u64,
    powered: bool,
    /// How often another program has reset a card here.
    resets_by_others: u64,
    fault: Option<Fault>,
    /// How long each exchange takes.
    delay: Duration,
    escape: Option<Escape>,
    counts: Counts,
}

/// A card that lies there. It has a lock of its own, so that it may use a hand while it answers.
#[derive(Clone)]
struct Lying {
    card: Arc<Mutex<Box<dyn VirtualCard>>>,
    atr: Vec<u8>,
    protocol: Protocol,
}

impl Default for CardHand {
    fn default() -> Self {
        Self::new()
    }
}

impl CardHand {
    /// A hand at a place of its own, plugged in and empty.
    #[must_use]
    pub fn new() -> Self {
        let state = State {
            plugged: true,
            plugs: 1,
            card: None,
            number: 0,
            powered: false,
            resets_by_others: 0,
            fault: None,
            delay: Duration::ZERO,
            escape: None,
            counts: Counts::default(),
        };
        let changed = watch::Sender::new(());
        Self { place: Arc::new(Place { state: Mutex::new(state), changed }) }
    }

    /// Puts a card in, in place of the one that may lie there.
    pub fn put(&self, card: Box<dyn VirtualCard>) {
        let (atr, protocol) = (card.atr(), card.protocol());
        let card = Lying { card: Arc::new(Mutex::new(card)), atr, protocol };
        self.change(|state| {
            state.number += 1;
            state.powered = false;
            state.card = Some(card);
        });
    }

    /// Takes the card away.
    pub fn lift(&self) {
        self.change(State::take_away);
    }

    /// Breaks what lies there, and what will.
    pub fn fault(&self, fault: Fault) {
        self.change(|state| state.fault = Some(fault));
    }

    /// Ends a fault.
    pub fn mend(&self) {
        self.change(|state| state.fault = None);
    }

    /// Plugs the reader in or pulls its plug. A card stays in it, and counts as another one when
    /// the reader is back.
    pub fn plug(&self, plugged_in: bool) {
        self.change(|state| {
            if plugged_in && !state.plugged {
                state.plugs += 1;
                state.number += u64::from(state.card.is_some());
            }
            state.plugged = plugged_in;
            state.powered &= plugged_in;
        });
    }

    /// From now on each exchange takes this long.
    pub fn slow(&self, delay: Duration) {
        self.change(|state| state.delay = delay);
    }

    /// Who answers the commands to the reader itself, from now on.
    pub fn on_escape(&self, escape: Escape) {
        self.change(|state| state.escape = Some(escape));
    }

    /// Does what another program does that resets the card: nothing is selected on it any more,
    /// and who is connected to it has to connect again.
    pub fn reset_by_others(&self) {
        self.change(|state| state.resets_by_others += 1);
        let lying = self.lock().card.clone();
        if let Some(lying) = lying {
            lock(&lying.card).power(true);
        }
    }

    /// What happened here until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.place.changed.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.place.state)
    }
}

/// What becomes of a command.
pub(crate) enum Exchange {
    /// The card's answer.
    Answer(Vec<u8>),
    /// There will be none.
    Silence,
    /// The card has gone meanwhile.
    Gone,
}

/// Why a card cannot be powered.
pub(crate) enum Unpowered {
    /// None lies there.
    Empty,
    /// It does not answer.
    Mute,
}

/// What the far ends use.
impl CardHand {
    /// How often the reader was plugged in until now; `None` while it is not.
    pub(crate) fn plugs(&self) -> Option<u64> {
        let state = self.lock();
        state.plugged.then_some(state.plugs)
    }

    /// What lies there.
    pub(crate) fn holds(&self) -> Holds {
        let state = self.lock();
        let what = match &state.card {
            None => Content::Nothing,
            Some(_) if state.fault == Some(Fault::Mute) => Content::Mute,
            Some(lying) => Content::Card(lying.atr.clone()),
        };
        Holds { what, number: state.number }
    }

    /// Whether the card of this number lies there, in a reader that is plugged in.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.lock().lying(number).is_some()
    }

    /// Whether any card does.
    pub(crate) fn has_any(&self) -> bool {
        let state = self.lock();
        state.lying(state.number).is_some()
    }

    /// Whether this is what is wrong.
    pub(crate) fn is(&self, fault: Fault) -> bool {
        self.lock().fault == Some(fault)
    }

    /// How often another program has reset a card here.
    pub(crate) fn resets_by_others(&self) -> u64 {
        self.lock().resets_by_others
    }

    /// Ends when this is so.
    pub(crate) async fn until(&self, mut so: impl FnMut(&Self) -> bool) {
        let mut changes = self.place.changed.subscribe();
        while !so(self) {
            // The sender lives in `self`, so this cannot fail.
            let _ = changes.changed().await;
        }
    }

    /// Powers the card as `power` says, and gives its number.
    pub(crate) fn power_up(&self, power: Power) -> Result<(u64, Powered), Unpowered> {
        let (lying, number, was_up) = {
            let mut state = self.lock();
            let number = state.number;
            let lying = state.lying(number).cloned().ok_or(Unpowered::Empty)?;
            if state.fault == Some(Fault::Mute) {
                return Err(Unpowered::Mute);
            }
            let was_up = std::mem::replace(&mut state.powered, true);
            state.counts.resets += u64::from(!was_up || power != Power::AsItIs);
            (lying, number, was_up)
        };
        let mut card = lock(&lying.card);
        if power == Power::Cold && was_up {
            card.power(false);
        }
        if power != Power::AsItIs || !was_up {
            card.power(true);
        }
        Ok((number, Powered { atr: lying.atr, protocol: lying.protocol }))
    }

    /// Powers the card of this number off, if it still lies there.
    pub(crate) fn power_off(&self, number: u64) {
        let lying = {
            let mut state = self.lock();
            let lying = state.lying(number).cloned();
            state.powered &= lying.is_none();
            lying
        };
        if let Some(lying) = lying {
            lock(&lying.card).power(false);
        }
    }

    /// Carries a command to the card of this number.
    pub(crate) async fn exchange(&self, number: u64, command: &[u8]) -> Exchange {
        let delay = self.lock().delay;
        if !delay.is_zero() {
            tokio::select! {
                biased;
                () = self.until(|hand| !hand.has(number)) => return Exchange::Gone,
                () = tokio::time::sleep(delay) => {}
            }
        }
        let (lying, fault) = {
            let mut state = self.lock();
            let Some(lying) = state.lying(number).cloned() else { return Exchange::Gone };
            state.counts.commands += 1;
            (lying, state.fault)
        };
        match fault {
            Some(Fault::Silence) => return Exchange::Silence,
            Some(Fault::Vanish) => {
                self.change(|state| {
                    state.take_away();
                    state.fault = None;
                });
                return Exchange::Gone;
            }
            Some(Fault::Mute | Fault::Occupied) | None => {}
        }
        let answer = lock(&lying.card).answer(command);
        // It may have lifted itself while it answered.
        if self.has(number) { Exchange::Answer(answer) } else { Exchange::Gone }
    }

    /// The reader's own answer; `None` if it knows no such commands.
    pub(crate) fn escape(&self, command: &[u8]) -> Option<Vec<u8>> {
        // Not under the lock: it may use a hand.
        let mut escape = self.lock().escape.take()?;
        let answer = escape(command);
        self.lock().escape.get_or_insert(escape);
        Some(answer)
    }
}

impl State {
    fn take_away(&mut self) {
        self.card = None;
        self.powered = false;
    }

    fn lying(&self, number: u64) -> Option<&Lying> {
        self.card.as_ref().filter(|_| self.plugged && self.number == number)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A card that panicked in a test is as it is.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
