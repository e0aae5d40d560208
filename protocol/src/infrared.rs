//! The infrared presence sensor.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::action::{Action, Channel, Empty, Nature, NoParams};
use crate::lenient;

/// `startInfraredInductionListener`: one event an interval from now on.
pub struct StartInfraredInductionListener;

/// `stopInfraredInductionListener`: no more events.
pub struct StopInfraredInductionListener;

/// `initInfraredInductionListener`: whether somebody stands there.
pub struct InfraredInductionListener;

/// How often to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InductionParams {
    /// `intervalTime` in ms: 3000 where left out, else drawn into [`INTERVALS_MS`].
    #[serde(default = "default_interval", deserialize_with = "interval")]
    pub interval_time: u16,
}

/// One report; the code is written as a string, as the vendor's example has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InductionEvent {
    /// Whether anybody was there since the last report.
    pub somebody: bool,
}

/// The intervals that the vendor's document allows, in ms.
pub const INTERVALS_MS: std::ops::RangeInclusive<u16> = 2000..=5000;

impl Action for StartInfraredInductionListener {
    const NAME: &'static str = "startInfraredInductionListener";
    const NATURE: Nature = Nature::Listens;
    type Params = InductionParams;
    type Data = Empty;
}

impl Action for StopInfraredInductionListener {
    const NAME: &'static str = "stopInfraredInductionListener";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = Empty;
}

impl Channel for InfraredInductionListener {
    const NAME: &'static str = "initInfraredInductionListener";
    const STARTED_BY: Option<&'static str> = Some(StartInfraredInductionListener::NAME);
    type Event = InductionEvent;
}

impl Serialize for InductionEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("InductionEvent", 1)?;
        event.serialize_field("inductionCode", if self.somebody { "1" } else { "0" })?;
        event.end()
    }
}

const fn default_interval() -> u16 {
    3000
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let Some(interval) = lenient::whole(deserializer)? else { return Ok(default_interval()) };
    let (least, most) = (*INTERVALS_MS.start(), *INTERVALS_MS.end());
    let drawn = interval.clamp(least.into(), most.into());
    Ok(u16::try_from(drawn).unwrap_or(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accepted, refused};

    #[test]
    fn the_interval_is_drawn_into_its_range() {
        for (json, expected) in [
            ("{}", 3000),
            (r#"{"intervalTime":null}"#, 3000),
            (r#"{"intervalTime":"2500"}"#, 2500),
            (r#"{"intervalTime":4000.0}"#, 4000),
            (r#"{"intervalTime":0}"#, 2000),
            (r#"{"intervalTime":-7}"#, 2000),
            (r#"{"intervalTime":100000}"#, 5000),
            (r#"{"intervalTime":1e300}"#, 5000),
        ] {
            assert_eq!(accepted::<InductionParams>(json).interval_time, expected, "{json}");
        }
        assert_eq!(
            refused::<InductionParams>(r#"{"intervalTime":"soon"}"#),
            "params.intervalTime: expected a whole number"
        );
    }

    #[test]
    fn the_code_is_a_string() {
        for (somebody, expected) in [(true, "1"), (false, "0")] {
            assert_eq!(
                serde_json::to_string(&InductionEvent { somebody }).unwrap(),
                format!(r#"{{"inductionCode":"{expected}"}}"#)
            );
        }
    }
}
