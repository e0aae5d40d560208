//! Samples to figures: percentiles of one turn, medians over rounds.

use std::time::Duration;

use crate::Outcome;

/// The times of one turn.
pub(crate) struct Turn {
    sorted: Vec<Duration>,
}

impl Turn {
    /// A turn's times, in any order.
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { sorted: times }
    }

    /// The time below which `hundredths` of them lie, in microseconds; 0 of none.
    pub(crate) fn percentile(&self, hundredths: usize) -> f64 {
        let at = (self.sorted.len() * hundredths / 100).min(self.sorted.len().saturating_sub(1));
        self.sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
}

/// One figure of bridge and floor, a pair a round.
#[derive(Default)]
pub(crate) struct Pairs(Vec<(f64, f64)>);

/// The middle and both ends.
#[derive(Clone, Copy, serde::Serialize)]
pub(crate) struct Range {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Pairs {
    /// Adds a round.
    pub(crate) fn push(&mut self, measured: f64, floor: f64) {
        self.0.push((measured, floor));
    }

    /// The bridge's figure over all rounds.
    pub(crate) fn measured(&self) -> f64 {
        range(self.0.iter().map(|pair| pair.0)).median
    }

    /// The floor's.
    pub(crate) fn floor(&self) -> f64 {
        range(self.0.iter().map(|pair| pair.1)).median
    }

    /// By how much the bridge's are more than the floor's, round by round.
    pub(crate) fn difference(&self) -> Range {
        range(self.0.iter().map(|(measured, floor)| measured - floor))
    }

    /// The ratios of the rounds.
    pub(crate) fn ratio(&self) -> Range {
        range(self.0.iter().map(|(measured, floor)| measured / floor))
    }
}

/// The middle and both ends of some figures; zeros of none.
pub(crate) fn range(figures: impl Iterator<Item = f64>) -> Range {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    let median = if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.saturating_sub(1)), at(middle))
    };
    Range { median, min: at(0), max: at(sorted.len().saturating_sub(1)) }
}

/// A turn of each of two sides, round by round; each side begins every other round.
pub(crate) fn in_turns<S, T>(
    rounds: usize,
    sides: &mut [S; 2],
    mut turn: impl FnMut(&mut S) -> Outcome<T>,
) -> Outcome<Vec<[T; 2]>> {
    let [one, other] = sides;
    let mut all = Vec::with_capacity(rounds);
    for round in 0..rounds {
        all.push(if round % 2 == 0 {
            let first = turn(one)?;
            [first, turn(other)?]
        } else {
            let first = turn(other)?;
            [turn(one)?, first]
        });
    }
    Ok(all)
}
