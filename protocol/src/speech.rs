//! Speech: `speech` and `speechStop`. Both answer at once; what is said outlives its connection.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::action::{Action, Empty, Nature, NoParams};
use crate::lenient;

/// `speech`: says a text.
pub struct Speech;

/// `speechStop`: stops whatever is said and forgets what is queued.
pub struct SpeechStop;

/// What to say and how. The text may name a customer, so there is no `Debug`.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeechParams {
    /// What to say; never blank.
    #[serde(deserialize_with = "not_blank")]
    pub text: String,
    /// The voice's pitch, 1.0 as normal. No range is documented: a driver draws it into its own.
    #[serde(default = "normal", deserialize_with = "normal_or")]
    pub pitch: f64,
    /// How fast, 1.0 as normal; as `pitch`.
    #[serde(default = "normal", deserialize_with = "normal_or")]
    pub rate: f64,
    /// `speechQueue`: what becomes of what is being said.
    #[serde(default, rename = "speechQueue", deserialize_with = "queue")]
    pub queue: SpeechQueue,
}

/// What a new text does to the one that is being said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpeechQueue {
    /// 0: it waits for its end.
    #[default]
    After,
    /// 1: it cuts it off and empties the queue.
    Instead,
}

impl Action for Speech {
    const NAME: &'static str = "speech";
    const NATURE: Nature = Nature::Act;
    type Params = SpeechParams;
    type Data = Empty;
}

impl Action for SpeechStop {
    const NAME: &'static str = "speechStop";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = Empty;
}

const fn normal() -> f64 {
    1.0
}

fn normal_or<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    lenient::float(deserializer).map(|number| number.unwrap_or(normal()))
}

fn not_blank<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() {
        return Err(D::Error::custom("expected a text that is not empty"));
    }
    Ok(text)
}

fn queue<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SpeechQueue, D::Error> {
    Ok(match lenient::ranged(deserializer, 0..=1_u8)? {
        Some(1) => SpeechQueue::Instead,
        _ => SpeechQueue::After,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accepted, refused};

    #[test]
    fn only_the_text_is_required() {
        for json in [
            r#"{"text":"您好"}"#,
            r#"{"text":"您好","pitch":null,"rate":null,"speechQueue":null}"#,
            r#"{"text":"您好","pitch":"1.0","rate":1,"speechQueue":"0"}"#,
        ] {
            let params: SpeechParams = accepted(json);
            assert_eq!(params.text, "您好", "{json}");
            assert_eq!((params.pitch, params.rate), (1.0, 1.0), "{json}");
            assert_eq!(params.queue, SpeechQueue::After, "{json}");
        }
        refused::<SpeechParams>("{}");
        for blank in [r#"{"text":""}"#, r#"{"text":" \n"}"#] {
            assert_eq!(
                refused::<SpeechParams>(blank),
                "params.text: expected a text that is not empty"
            );
        }
    }

    #[test]
    fn the_queue_is_0_or_1() {
        let params: SpeechParams = accepted(r#"{"text":"a","speechQueue":1}"#);
        assert_eq!(params.queue, SpeechQueue::Instead);
        assert_eq!(
            refused::<SpeechParams>(r#"{"text":"a","speechQueue":2}"#),
            "params.speechQueue: expected a whole number from 0 to 1"
        );
    }
}
