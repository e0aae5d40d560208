//! From what a sensor says to whether somebody is there: where it tells a distance or a raw value,
//! somebody is who is near enough. Pure.

use super::language::Said;

/// Which raw values mean near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearer {
    /// Large ones: of sensors that measure reflected light.
    Above,
    /// Small ones: of sensors that measure a distance, as those by time of flight do.
    Below,
}

/// From which value on somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// The value; `None`: the one that the sensor tells by itself, or, of one that tells people by
    /// itself, any.
    pub limit: Option<i64>,
    /// On which side of it.
    pub nearer: Nearer,
    /// By how many hundredths a value has to pass the limit, either way, to change anything; below
    /// 100. Of iio-sensor-proxy it is 10.
    pub hysteresis: u8,
}

/// Judges what one sensor says.
#[derive(Debug)]
pub(super) struct Judge {
    threshold: Threshold,
    somebody: Option<bool>,
}

impl Judge {
    pub(super) fn new(threshold: Threshold) -> Self {
        Self { threshold, somebody: None }
    }

    /// Whether somebody is there, now that the sensor has said this; `None` if nothing follows.
    pub(super) fn hear(&mut self, said: Said) -> Option<bool> {
        let somebody = match said {
            Said::Somebody(somebody) => somebody,
            Said::Target(None) => true,
            Said::Target(Some(distance)) => match self.threshold.limit {
                Some(limit) => self.is_near(distance, limit),
                None => true,
            },
            Said::Value(value) => self.is_near(value, self.threshold.limit?),
            Said::NearLevel(level) => {
                self.threshold.limit.get_or_insert(level);
                return None;
            }
            Said::Nothing => return None,
        };
        self.somebody = Some(somebody);
        Some(somebody)
    }

    /// Whether nothing followed from this because the limit is not known.
    pub(super) fn lacks_a_limit(&self, said: Said) -> bool {
        matches!(said, Said::Value(_)) && self.threshold.limit.is_none()
    }

    fn is_near(&self, value: i64, limit: i64) -> bool {
        let Threshold { nearer, hysteresis, .. } = self.threshold;
        let margin = match self.somebody {
            None => 0,
            // Who is there stays longer, who is not has to come nearer.
            Some(somebody) => i128::from(hysteresis) * if somebody { -1 } else { 1 },
        };
        let (value, limit) = (i128::from(value) * 100, i128::from(limit));
        match nearer {
            Nearer::Above => value >= limit * (100 + margin),
            Nearer::Below => value <= limit * (100 - margin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(nearer: Nearer, limit: Option<i64>, values: &[(Said, Option<bool>)]) {
        let mut judge = Judge::new(Threshold { limit, nearer, hysteresis: 10 });
        for (said, expected) in values {
            assert_eq!(judge.hear(*said), *expected, "{said:?}");
        }
    }

    #[test]
    fn a_value_between_the_two_limits_changes_nothing() {
        let steps = [(99, false), (109, false), (110, true), (91, true), (90, true), (89, false)];
        let values = steps.map(|(value, somebody)| (Said::Value(value), Some(somebody)));
        check(Nearer::Above, Some(100), &values);
        let steps = [(101, false), (91, false), (90, true), (109, true), (110, true), (111, false)];
        let values = steps.map(|(value, somebody)| (Said::Value(value), Some(somebody)));
        check(Nearer::Below, Some(100), &values);
    }

    #[test]
    fn the_first_value_is_judged_by_the_limit_itself() {
        for (value, somebody) in [(99, false), (100, true)] {
            check(Nearer::Above, Some(100), &[(Said::Value(value), Some(somebody))]);
        }
    }

    #[test]
    fn the_sensors_own_limit_holds_where_none_is_given() {
        let values =
            [(Said::Value(7), None), (Said::NearLevel(5), None), (Said::Value(7), Some(true))];
        check(Nearer::Above, None, &values);
        let values = [(Said::NearLevel(5), None), (Said::Value(7), Some(false))];
        check(Nearer::Above, Some(100), &values);
    }

    #[test]
    fn a_person_too_far_away_is_nobody_where_a_limit_is_given() {
        check(Nearer::Below, None, &[(Said::Target(Some(590)), Some(true))]);
        let values = [
            (Said::Target(Some(590)), Some(false)),
            (Said::Target(Some(80)), Some(true)),
            (Said::Somebody(false), Some(false)),
            (Said::Target(None), Some(true)),
            (Said::Nothing, None),
        ];
        check(Nearer::Below, Some(150), &values);
    }

    #[test]
    fn the_largest_values_do_not_overflow() {
        for nearer in [Nearer::Above, Nearer::Below] {
            for (value, limit) in [(i64::MAX, i64::MIN), (i64::MIN, i64::MAX)] {
                let somebody = Some((nearer == Nearer::Above) == (value > limit));
                check(nearer, Some(limit), &[(Said::Value(value), somebody); 2]);
            }
        }
    }
}
