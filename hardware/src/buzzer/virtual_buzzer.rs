//! A virtual beeper: what a reader does with the commands of its manual (see [`super::models`] for
//! them). It stands behind a virtual reader's escape commands; it makes no sound, and keeps a log.

use std::sync::{Arc, Mutex, PoisonError};

use super::models::Family;

/// What has sounded: one entry a command, in milliseconds, in order.
#[derive(Clone, Debug, Default)]
pub struct BeepLog(Arc<Mutex<Vec<u32>>>);

impl BeepLog {
    /// The lengths so far, in milliseconds.
    #[must_use]
    pub fn beeps(&self) -> Vec<u32> {
        // Nothing that can panic runs under this lock, so a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, ms: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(ms);
    }
}

/// A beeper of this family: what answers a reader's escape commands, and its log. What the beeper
/// does not know it refuses, with `63 00` or without a word.
pub fn virtual_buzzer(family: Family) -> (impl FnMut(&[u8]) -> Vec<u8> + Send + 'static, BeepLog) {
    let log = BeepLog::default();
    let kept = log.clone();
    let answer = move |command: &[u8]| match family {
        Family::Acr122u => acr122u(command, &kept),
        Family::Acs => acs(command, &kept),
    };
    (answer, log)
}

fn acr122u(command: &[u8], log: &BeepLog) -> Vec<u8> {
    let &[0xFF, 0x00, 0x40, _leds, 0x04, first, second, rounds, link] = command else {
        return vec![0x63, 0x00];
    };
    let during = |bit: u8, time: u8| if link & bit == 0 { 0 } else { u32::from(time) };
    let tenths = (during(1, first) + during(2, second)) * u32::from(rounds);
    if tenths > 0 {
        log.add(tenths * 100);
    }
    // Both LEDs are off.
    vec![0x90, 0x00]
}

fn acs(command: &[u8], log: &BeepLog) -> Vec<u8> {
    match command {
        [0xE0, 0x00, 0x00, 0x28, 0x01, time] => {
            if *time > 0 {
                log.add(u32::from(*time) * 10);
            }
            vec![0xE1, 0x00, 0x00, 0x00, 0x01, 0x00]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acr122u_sounds_as_its_manual_says() {
        let (mut beeper, log) = virtual_buzzer(Family::Acr122u);
        for (command, answer) in [
            (&[0xFF, 0x00, 0x40, 0x50, 0x04, 5, 5, 3, 1][..], [0x90, 0x00]),
            (&[0xFF, 0x00, 0x40, 0xF0, 0x04, 5, 5, 3, 3], [0x90, 0x00]),
            (&[0xFF, 0x00, 0x40, 0x00, 0x04, 1, 2, 1, 2], [0x90, 0x00]),
            (&[0xFF, 0x00, 0x40, 0x00, 0x04, 9, 9, 0, 3], [0x90, 0x00]),
            (&[0xFF, 0x00, 0x40, 0x00, 0x04, 9, 9, 9, 0], [0x90, 0x00]),
            (&[0xFF, 0x00, 0x40, 0x00, 0x04, 9, 9, 9], [0x63, 0x00]),
        ] {
            assert_eq!(beeper(command), answer, "{command:?}");
        }
        assert_eq!(log.beeps(), [1500, 3000, 200]);
    }

    #[test]
    fn an_acs_reader_sounds_as_its_manual_says() {
        let (mut beeper, log) = virtual_buzzer(Family::Acs);
        let yes = [0xE1, 0, 0, 0, 1, 0];
        assert_eq!(beeper(&[0xE0, 0, 0, 0x28, 1, 0x14]), yes);
        assert_eq!(beeper(&[0xE0, 0, 0, 0x28, 1, 0]), yes);
        assert_eq!(beeper(&[0xFF, 0, 0x40, 0, 4, 1, 0, 1, 1]), []);
        assert_eq!(log.beeps(), [200]);
    }
}
