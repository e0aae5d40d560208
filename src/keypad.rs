//! Typed ID numbers: the calls that wait for one, oldest first, and what the kiosk's keypads know of it.
//!
//! ```text
//! enterIDNumber ─► Waiter ─┐                       ┌─► bridgeKeypad: a number is wanted, or not
//!                          ├─ the oldest is wanted ─┤
//! bridge.keypad ─► answer ─┘                       └─► answered, cancelled
//! ```
//!
//! The numbers of requests keep what somebody types away from the next one's call: a keypad names the
//! request that it shows, and is refused when that has ended meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// The queue of calls. Clones are the same queue.
#[derive(Clone, Default)]
pub struct Keypad(Arc<Shared>);

/// The request that a keypad has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its number.
    pub request: u64,
    /// When it ends; `None`: never.
    pub until: Option<Instant>,
}

/// What a keypad says. Holds a person's number, so it has no `Debug`.
pub enum Typed {
    /// A number was typed.
    Number(String),
    /// The person wants none.
    Cancelled,
}

/// Nobody waits, or not for what was shown.
#[derive(Debug, PartialEq, Eq)]
pub struct NobodyWaits;

/// A place in the queue, given up when it is dropped.
pub struct Waiter {
    keypad: Keypad,
    number: u64,
    typed: oneshot::Receiver<Typed>,
    wanted: watch::Receiver<Option<Wanted>>,
}

struct Shared {
    state: Mutex<State>,
    wanted: watch::Sender<Option<Wanted>>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    last: u64,
}

struct Waiting {
    wanted: Wanted,
    reply: oneshot::Sender<Typed>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { state: Mutex::default(), wanted: watch::Sender::new(None) }
    }
}

impl Keypad {
    /// Waits for a number until then, behind all others, or in the place of the waiter with this number.
    #[must_use]
    pub fn wait(&self, in_place_of: Option<u64>, until: Option<Instant>) -> Waiter {
        let (reply, typed) = oneshot::channel();
        let mut state = self.lock();
        state.last += 1;
        let request = state.last;
        let waiting = Waiting { wanted: Wanted { request, until }, reply };
        let at = |number: u64| state.waiting.iter().position(|one| one.wanted.request == number);
        match in_place_of.and_then(at) {
            Some(at) => {
                if let Some(place) = state.waiting.get_mut(at) {
                    *place = waiting;
                }
            }
            None => state.waiting.push(waiting),
        }
        self.tell(&state);
        drop(state);
        Waiter { keypad: self.clone(), number: request, typed, wanted: self.wanted() }
    }

    /// What has to be shown now, and each change of it.
    #[must_use]
    pub fn wanted(&self) -> watch::Receiver<Option<Wanted>> {
        self.0.wanted.subscribe()
    }

    /// The person has done this; `request` is what the keypad has shown. Only a cancel may leave that open.
    ///
    /// # Errors
    /// [`NobodyWaits`].
    pub fn answer(&self, request: Option<u64>, typed: Typed) -> Result<(), NobodyWaits> {
        let mut state = self.lock();
        let first = state.waiting.first().ok_or(NobodyWaits)?;
        if request.is_some_and(|request| request != first.wanted.request) {
            return Err(NobodyWaits);
        }
        let waiting = state.waiting.remove(0);
        self.tell(&state);
        drop(state);
        waiting.reply.send(typed).map_err(|_| NobodyWaits)
    }

    fn tell(&self, state: &State) {
        let wanted = state.waiting.first().map(|first| first.wanted);
        self.0.wanted.send_if_modified(|told| std::mem::replace(told, wanted) != wanted);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether its turn has come.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.wanted.borrow().is_some_and(|wanted| wanted.request == self.number)
    }

    /// Ends with what was typed, or (`None`) when its turn may have come. Safe to drop.
    pub async fn progress(&mut self) -> Option<Typed> {
        tokio::select! {
            biased;
            // The sender is dropped only by another waiter in this one's place, whose call is over.
            Ok(typed) = &mut self.typed => Some(typed),
            _ = self.wanted.changed() => None,
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut state = self.keypad.lock();
        state.waiting.retain(|one| one.wanted.request != self.number);
        self.keypad.tell(&state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(keypad: &Keypad) -> Option<u64> {
        keypad.wanted().borrow().map(|wanted| wanted.request)
    }

    async fn number(waiter: &mut Waiter) -> String {
        loop {
            match waiter.progress().await {
                Some(Typed::Number(number)) => return number,
                Some(Typed::Cancelled) => return "cancelled".to_owned(),
                None => {}
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_is_shown_and_answered() {
        let keypad = Keypad::default();
        assert_eq!(keypad.answer(None, Typed::Cancelled), Err(NobodyWaits));
        let (mut first, mut second) = (keypad.wait(None, None), keypad.wait(None, None));
        assert!(first.is_shown() && !second.is_shown());
        keypad.answer(Some(first.number()), Typed::Number("1".to_owned())).unwrap();
        assert_eq!(number(&mut first).await, "1");
        assert!(second.is_shown());
        keypad.answer(None, Typed::Cancelled).unwrap();
        assert_eq!(number(&mut second).await, "cancelled");
        assert_eq!(shown(&keypad), None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_in_anothers_place_is_shown_anew() {
        let keypad = Keypad::default();
        let first = keypad.wait(None, None);
        let behind = keypad.wait(None, None);
        let instead = keypad.wait(Some(first.number()), None);
        drop(first);
        assert_eq!(shown(&keypad), Some(instead.number()));
        drop(instead);
        assert_eq!(shown(&keypad), Some(behind.number()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_typed_for_one_that_has_gone_is_nobody_elses() {
        let keypad = Keypad::default();
        let first = keypad.wait(None, None);
        let mut second = keypad.wait(None, None);
        let typed_for = first.number();
        drop(first);
        let typed = Typed::Number("1".to_owned());
        assert_eq!(keypad.answer(Some(typed_for), typed), Err(NobodyWaits));
        keypad.answer(Some(second.number()), Typed::Number("2".to_owned())).unwrap();
        assert_eq!(number(&mut second).await, "2");
    }

    #[tokio::test(start_paused = true)]
    async fn keypads_hear_of_each_change_once() {
        let keypad = Keypad::default();
        let mut heard = keypad.wanted();
        let first = keypad.wait(None, None);
        let second = keypad.wait(None, None);
        heard.changed().await.unwrap();
        assert_eq!(heard.borrow_and_update().unwrap().request, first.number());
        drop(second);
        assert!(!heard.has_changed().unwrap());
        drop(first);
        heard.changed().await.unwrap();
        assert_eq!(*heard.borrow_and_update(), None);
    }
}
