//! Holds sound to the clock: a device may not give more of it than there was time for.
//!
//! Files, test devices and broken drivers give their sound as fast as it is read. Used by the driver
//! and by the thread that reads a real device, each with a clock of its own.

use std::time::Duration;

/// What was not taken while the device said nothing may be made good for, up to this.
const CREDIT: Duration = Duration::from_secs(1);

/// Sound cards have clocks of their own, of which none is off by so much: one part in a thousand.
/// Held to ours exactly, one that is a little quick would lose sound every few minutes.
const DRIFT: u32 = 1000;

/// How much may pass until a moment: as much as time has passed, and one piece.
pub struct Pace {
    piece: Duration,
    /// When the next piece may pass; what may pass at once lies before.
    next: Duration,
}

impl Pace {
    /// For pieces of this length, from the beginning of the caller's clock.
    #[must_use]
    pub fn new(piece: Duration) -> Self {
        Self { piece, next: Duration::ZERO }
    }

    /// When the next piece may pass, on the caller's clock.
    #[must_use]
    pub fn next(&self) -> Duration {
        self.next
    }

    /// A piece passes now; how long to wait before the next one.
    pub fn take(&mut self, now: Duration) -> Duration {
        let piece = self.piece - self.piece / DRIFT;
        self.next = self.next.max(now.saturating_sub(CREDIT)) + piece;
        self.next.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIECE: Duration = Duration::from_millis(40);

    proptest! {
        #[test]
        fn never_more_passes_than_time_and_one_piece(
            pauses in prop::collection::vec(0..200_u64, 1..200),
        ) {
            let (mut pace, mut now, mut passed) = (Pace::new(PIECE), Duration::ZERO, 0_u32);
            for pause in pauses {
                now = (now + Duration::from_millis(pause)).max(pace.next());
                pace.take(now);
                passed += 1;
                let most = now + now / 500 + PIECE;
                prop_assert!(PIECE * passed <= most, "{passed} at {now:?}");
            }
        }
    }

    #[test]
    fn who_keeps_the_time_is_never_held() {
        let mut pace = Pace::new(PIECE);
        for piece in 1..10_000_u32 {
            // A clock that is quick by half a part in a thousand.
            let now = PIECE * piece - PIECE * piece / 2000;
            assert!(now >= pace.next(), "piece {piece}");
            pace.take(now);
        }
    }

    #[test]
    fn what_was_missed_long_ago_is_not_made_good_for() {
        let mut pace = Pace::new(PIECE);
        let now = Duration::from_secs(100);
        let at_once = (0..1000).take_while(|_| pace.take(now).is_zero()).count();
        assert!((25..=27).contains(&at_once), "{at_once}");
    }
}
