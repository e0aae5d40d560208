//! Who uses the card, and since when not: a policy without clock, card or port.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// The sessions with one slot's card, one an owner.
pub(super) struct Sessions {
    idle: Option<Duration>,
    /// Each owner's last use.
    owners: BTreeMap<u64, Instant>,
}

impl Sessions {
    /// None. Those to come end when they were not used for `idle`.
    pub(super) fn new(idle: Option<Duration>) -> Self {
        Self { idle, owners: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    pub(super) fn has(&self, owner: u64) -> bool {
        self.owners.contains_key(&owner)
    }

    pub(super) fn has_others(&self, owner: u64) -> bool {
        self.owners.keys().any(|other| *other != owner)
    }

    /// The owner's session begins, or goes on.
    pub(super) fn used(&mut self, owner: u64, now: Instant) {
        self.owners.insert(owner, now);
    }

    /// The owner's session ends. Tells whether it was the last one.
    pub(super) fn end(&mut self, owner: u64) -> bool {
        self.owners.remove(&owner).is_some() && self.owners.is_empty()
    }

    /// All end.
    pub(super) fn end_all(&mut self) {
        self.owners.clear();
    }

    /// Those end that were not used for too long and are not `kept`. Tells whether the last one was
    /// among them.
    pub(super) fn end_idle(&mut self, now: Instant, kept: impl Fn(u64) -> bool) -> bool {
        let Some(idle) = self.idle else {
            return false;
        };
        let before = self.owners.len();
        self.owners.retain(|owner, used| now.duration_since(*used) < idle || kept(*owner));
        self.owners.is_empty() && before > 0
    }

    /// When the next one is idle for too long.
    pub(super) fn next_idle(&self) -> Option<Instant> {
        // A time beyond the clock's end is never.
        self.owners.values().min().and_then(|used| used.checked_add(self.idle?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Used(u64),
        End(u64),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..4_u64).prop_map(Step::Used),
            (0..4_u64).prop_map(Step::End),
            (0..90_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn a_session_lasts_from_its_use_to_its_end_or_its_idle_time(
            steps in prop::collection::vec(step(), 0..40),
        ) {
            const IDLE: u64 = 60;
            let start = Instant::now();
            let mut now = 0;
            let mut sessions = Sessions::new(Some(Duration::from_secs(IDLE)));
            // What it should be, said the long way: when each owner was here last.
            let mut last = [None; 4];
            for step in steps {
                let had = last.iter().flatten().count();
                let last_one = match step {
                    Step::Used(owner) => {
                        sessions.used(owner, start + Duration::from_secs(now));
                        last[usize::try_from(owner).unwrap()] = Some(now);
                        false
                    }
                    Step::End(owner) => {
                        last[usize::try_from(owner).unwrap()] = None;
                        sessions.end(owner)
                    }
                    Step::Wait(seconds) => {
                        now += seconds;
                        for used in &mut last {
                            *used = used.filter(|used| now - used < IDLE);
                        }
                        sessions.end_idle(start + Duration::from_secs(now), |_| false)
                    }
                };
                let has = last.iter().flatten().count();
                prop_assert_eq!(last_one, had > 0 && has == 0);
                prop_assert_eq!(sessions.is_empty(), has == 0);
                for owner in 0..4 {
                    let here = last[usize::try_from(owner).unwrap()].is_some();
                    prop_assert_eq!(sessions.has(owner), here);
                    prop_assert_eq!(sessions.has_others(owner), has > usize::from(here));
                }
                let next = last.iter().flatten().min().map(|used| used + IDLE);
                let next = next.map(|time| start + Duration::from_secs(time));
                prop_assert_eq!(sessions.next_idle(), next);
            }
        }
    }
}
