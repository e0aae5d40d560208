//! Whether somebody is there, for many listeners of whom each looks at times of its own.
//!
//! The driver says what its sensor sees ([`Presence::see`]); a listener asks now and then whether
//! anybody was there since it was told last ([`Listener::look`]), so that nobody is missed who comes
//! and goes between two looks, and no listener takes anything from another. [`Seen`] is the policy,
//! without a clock and without a lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::device::Trouble;

/// What a sensor says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// Nothing yet, or nothing any more: it warms up, is silent, is not there.
    #[default]
    Unknown,
    /// Nobody is there.
    Nobody,
    /// Somebody is there.
    Somebody,
}

/// What was seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    now: Sight,
    /// How often somebody has come.
    arrivals: u64,
}

/// A moment of [`Seen`], to ask what was since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    arrivals: u64,
    /// Somebody was there at that moment, and so after it.
    somebody: bool,
}

impl Seen {
    /// The sensor says this now; whether somebody has come.
    pub fn see(&mut self, sight: Sight) -> bool {
        let comes = sight == Sight::Somebody && self.now != Sight::Somebody;
        self.arrivals = self.arrivals.wrapping_add(u64::from(comes));
        self.now = sight;
        comes
    }

    /// This moment.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { arrivals: self.arrivals, somebody: self.now == Sight::Somebody }
    }

    /// Whether anybody was there at any time since `mark`; `None` if nobody was seen and the sensor
    /// does not know now.
    #[must_use]
    pub fn since(&self, mark: Mark) -> Option<bool> {
        let somebody = mark.somebody || self.mark() != mark || self.now == Sight::Somebody;
        match self.now {
            _ if somebody => Some(true),
            Sight::Unknown => None,
            Sight::Nobody | Sight::Somebody => Some(false),
        }
    }
}

/// What the driver sees and listeners ask for. Clones are the same.
#[derive(Clone)]
pub struct Presence(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    /// Whether anybody listens.
    wanted: watch::Sender<bool>,
    /// Whether it is known how the sensor does: its line is open, or it is in trouble.
    settled: watch::Sender<bool>,
}

#[derive(Default)]
struct Inner {
    seen: Seen,
    trouble: Option<Trouble>,
    listening: BTreeMap<u64, Listening>,
    next_number: u64,
}

struct Listening {
    owner: u64,
    mark: Mark,
}

impl Default for Presence {
    fn default() -> Self {
        Self::new()
    }
}

impl Presence {
    /// One of which nothing is known yet, and to which nobody listens.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            inner: Mutex::default(),
            wanted: watch::Sender::new(false),
            settled: watch::Sender::new(false),
        }))
    }

    /// A listener of `owner`'s, from now on; what an earlier one of the same owner, which is there
    /// still, was not told yet is told to this one.
    ///
    /// # Errors
    /// The [`Trouble`] that the sensor is in.
    pub fn listen(&self, owner: u64) -> Result<Listener, Trouble> {
        let mut inner = self.0.lock();
        if let Some(trouble) = &inner.trouble {
            return Err(trouble.clone());
        }
        let earlier = inner.listening.values().rfind(|listening| listening.owner == owner);
        let mark = earlier.map_or_else(|| inner.seen.mark(), |listening| listening.mark);
        let number = inner.next_number;
        inner.next_number += 1;
        inner.listening.insert(number, Listening { owner, mark });
        self.0.wanted.send_if_modified(|wanted| !std::mem::replace(wanted, true));
        drop(inner);
        Ok(Listener { number, presence: self.clone() })
    }

    /// Whether anybody listens, and each change of it.
    #[must_use]
    pub fn wanted(&self) -> watch::Receiver<bool> {
        self.0.wanted.subscribe()
    }

    /// The sensor says this now; whether somebody has come.
    pub fn see(&self, sight: Sight) -> bool {
        self.0.lock().seen.see(sight)
    }

    /// Whether a listener is still to be told of somebody who is gone again: a recording that began
    /// now would not have seen that visit.
    #[must_use]
    pub fn has_untold_visit(&self) -> bool {
        let inner = self.0.lock();
        let (seen, there) = (inner.seen, inner.seen.now == Sight::Somebody);
        !there && inner.listening.values().any(|one| seen.since(one.mark) == Some(true))
    }

    /// The sensor's line is open.
    pub fn opened(&self) {
        self.0.settled.send_replace(true);
    }

    /// The sensor is well, as far as is known.
    pub fn recover(&self) {
        self.0.lock().trouble = None;
    }

    /// The sensor's line is closed because nobody listens.
    pub fn rests(&self) {
        self.0.lock().seen.see(Sight::Unknown);
        self.0.settled.send_replace(false);
    }

    /// The sensor is in trouble, and nothing is known of who is there.
    pub fn fail(&self, trouble: &Trouble) {
        let mut inner = self.0.lock();
        inner.seen.see(Sight::Unknown);
        inner.trouble = Some(trouble.clone());
        drop(inner);
        self.0.settled.send_replace(true);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who wants to know. The sensor is wanted for as long as there is one.
pub struct Listener {
    number: u64,
    presence: Presence,
}

impl Listener {
    /// Whether anybody was there at any time since the last answer, or since the beginning. `None`,
    /// which is no answer, while the sensor does not know and nobody was seen.
    #[must_use]
    pub fn look(&self) -> Option<bool> {
        let mut inner = self.presence.0.lock();
        let seen = inner.seen;
        let listening = inner.listening.get_mut(&self.number)?;
        let somebody = seen.since(listening.mark)?;
        listening.mark = seen.mark();
        Some(somebody)
    }

    /// Ends when it is known whether the sensor can be used.
    ///
    /// # Errors
    /// The [`Trouble`] that it is in.
    pub fn usable(&self) -> impl Future<Output = Result<(), Trouble>> + Send + use<> {
        let presence = self.presence.clone();
        async move {
            // The sender lives in `presence`, so this cannot fail.
            let _ = presence.0.settled.subscribe().wait_for(|settled| *settled).await;
            let trouble = presence.0.lock().trouble.clone();
            trouble.map_or(Ok(()), Err)
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut inner = self.presence.0.lock();
        inner.listening.remove(&self.number);
        if inner.listening.is_empty() {
            self.presence.0.wanted.send_if_modified(|wanted| std::mem::replace(wanted, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Sight::{Nobody, Somebody, Unknown};
    use super::*;

    fn sights() -> impl Strategy<Value = Vec<Sight>> {
        prop::collection::vec(prop::sample::select(vec![Unknown, Nobody, Somebody]), 0..20)
    }

    proptest! {
        #[test]
        fn whoever_was_there_at_any_time_is_told_and_nobody_else(before in sights(), after in sights()) {
            let mut seen = Seen::default();
            before.iter().for_each(|sight| {
                seen.see(*sight);
            });
            let mark = seen.mark();
            after.iter().for_each(|sight| {
                seen.see(*sight);
            });
            // What held at the mark held after it, until something else was said.
            let held: Vec<Sight> = before.last().into_iter().chain(&after).copied().collect();
            let expected = match held.last() {
                _ if held.contains(&Somebody) => Some(true),
                Some(Nobody) => Some(false),
                _ => None,
            };
            prop_assert_eq!(seen.since(mark), expected);
        }
    }

    #[test]
    fn everybody_is_told_of_a_short_visit_each_at_its_own_time() {
        let presence = Presence::new();
        presence.see(Nobody);
        let [often, seldom] = [1, 2].map(|owner| presence.listen(owner).unwrap());
        assert_eq!(often.look(), Some(false));
        assert!(presence.see(Somebody));
        presence.see(Nobody);
        assert_eq!([often.look(), often.look()], [Some(true), Some(false)]);
        assert_eq!([seldom.look(), seldom.look()], [Some(true), Some(false)]);
    }

    #[test]
    fn who_stands_there_all_the_time_is_there_every_time() {
        let presence = Presence::new();
        presence.see(Somebody);
        let listener = presence.listen(1).unwrap();
        assert_eq!([listener.look(), listener.look()], [Some(true), Some(true)]);
        // At the beginning of the next interval still.
        presence.see(Nobody);
        assert_eq!([listener.look(), listener.look()], [Some(true), Some(false)]);
    }

    #[test]
    fn a_visit_before_the_sensor_went_away_is_told_and_then_nothing() {
        let presence = Presence::new();
        presence.see(Nobody);
        let listener = presence.listen(1).unwrap();
        presence.see(Somebody);
        presence.fail(&Trouble::Absent { detail: "unplugged".to_owned() });
        assert_eq!([listener.look(), listener.look()], [Some(true), None]);
        presence.see(Nobody);
        assert_eq!(listener.look(), Some(false));
    }

    #[test]
    fn a_visit_that_nobody_was_told_of_yet_is_not_lost_by_a_second_start() {
        let presence = Presence::new();
        presence.see(Nobody);
        let first = presence.listen(1).unwrap();
        presence.see(Somebody);
        presence.see(Nobody);
        let (second, other) = (presence.listen(1).unwrap(), presence.listen(2).unwrap());
        drop(first);
        assert_eq!([second.look(), other.look()], [Some(true), Some(false)]);
    }

    #[test]
    fn a_visit_is_untold_from_its_end_until_everybody_knows() {
        let presence = Presence::new();
        presence.see(Nobody);
        let listeners = [1, 2].map(|owner| presence.listen(owner).unwrap());
        presence.see(Somebody);
        // Whoever begins to look now sees it.
        assert!(!presence.has_untold_visit());
        presence.see(Nobody);
        for listener in &listeners {
            assert!(presence.has_untold_visit());
            assert_eq!(listener.look(), Some(true));
        }
        assert!(!presence.has_untold_visit());
    }

    #[test]
    fn the_sensor_is_wanted_from_the_first_listener_to_the_last() {
        let presence = Presence::new();
        let wanted = presence.wanted();
        assert!(!*wanted.borrow());
        let listeners = [1, 2].map(|owner| presence.listen(owner).unwrap());
        for listener in listeners {
            assert!(*wanted.borrow());
            drop(listener);
        }
        assert!(!*wanted.borrow());
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_learns_whether_the_sensor_can_be_used() {
        let presence = Presence::new();
        let absent = Trouble::Absent { detail: "unplugged".to_owned() };
        let listener = presence.listen(1).unwrap();
        let usable = tokio::spawn(listener.usable());
        tokio::task::yield_now().await;
        assert!(!usable.is_finished());
        presence.opened();
        assert_eq!(usable.await.unwrap(), Ok(()));
        presence.fail(&absent);
        assert_eq!(listener.usable().await, Err(absent.clone()));
        assert_eq!(presence.listen(1).err(), Some(absent));
        presence.recover();
        assert!(presence.listen(1).is_ok());
    }
}
