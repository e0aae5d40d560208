//! What is remembered of an engine: whether it was readied, and whom it has refused. The policy, without
//! I/O.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

/// Refusals that are remembered: more than people who stand there within their time.
const MOST_REFUSED: usize = 64;

/// How long a refusal is remembered: somebody types a name and a number meanwhile.
const REFUSED_FOR: Duration = Duration::from_secs(600);

/// What is remembered.
#[derive(Default)]
pub(super) struct Memory {
    /// With what the engine was readied.
    readied: Option<Bytes>,
    /// `uniqueId`s, oldest first.
    refused: VecDeque<(String, Instant)>,
}

/// The same as the port keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    readied: Option<Box<RawValue>>,
    #[serde(default)]
    refused: Vec<String>,
}

impl Memory {
    /// With what the engine was readied, if it was.
    pub(super) fn readied(&self) -> Option<&Bytes> {
        self.readied.as_ref()
    }

    /// It was readied with this.
    pub(super) fn ready(&mut self, json: Bytes) {
        self.readied = Some(json);
    }

    /// Somebody was refused.
    pub(super) fn refuse(&mut self, unique_id: String) {
        self.refused.retain(|(known, _)| *known != unique_id);
        if self.refused.len() >= MOST_REFUSED {
            self.refused.pop_front();
        }
        self.refused.push_back((unique_id, Instant::now()));
    }

    /// Whether somebody was refused so, not too long ago.
    pub(super) fn was_refused(&mut self, unique_id: &str) -> bool {
        self.refused.retain(|(_, at)| at.elapsed() < REFUSED_FOR);
        self.refused.iter().any(|(known, _)| known == unique_id)
    }

    /// Whoever was refused so was enrolled after all.
    pub(super) fn enrolled(&mut self, unique_id: &str) {
        self.refused.retain(|(known, _)| known != unique_id);
    }

    /// What the port keeps.
    pub(super) fn kept(&self) -> Bytes {
        let readied = self.readied.as_ref().and_then(|json| serde_json::from_slice(json).ok());
        let refused = self.refused.iter().map(|(unique_id, _)| unique_id.clone()).collect();
        super::wire::json(&Kept { readied, refused })
    }

    /// What a port has kept.
    pub(super) fn of(kept: &[u8]) -> Self {
        let Ok(Kept { readied, refused }) = serde_json::from_slice(kept) else {
            return Self::default();
        };
        let now = Instant::now();
        Self {
            readied: readied.map(|json| Bytes::copy_from_slice(json.get().as_bytes())),
            refused: refused.into_iter().take(MOST_REFUSED).map(|id| (id, now)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_remembered_for_its_time_and_until_the_person_is_enrolled() {
        let mut memory = Memory::default();
        memory.refuse("1".to_owned());
        tokio::time::advance(REFUSED_FOR / 2).await;
        memory.refuse("2".to_owned());
        assert!(memory.was_refused("1") && memory.was_refused("2") && !memory.was_refused("3"));
        tokio::time::advance(REFUSED_FOR / 2).await;
        assert!(!memory.was_refused("1") && memory.was_refused("2"));
        memory.enrolled("2");
        assert!(!memory.was_refused("2"));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_remembered_and_the_oldest_give_way() {
        let mut memory = Memory::default();
        for number in 0..=MOST_REFUSED {
            memory.refuse(number.to_string());
        }
        assert!(!memory.was_refused("0") && memory.was_refused("1"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_port_keeps_is_remembered_again_and_nothing_of_rubbish() {
        let mut memory = Memory::default();
        assert_eq!(memory.kept(), r#"{"refused":[]}"#);
        memory.ready(r#"{"scope":"a"}"#.into());
        memory.refuse("5644".to_owned());
        assert_eq!(memory.kept(), r#"{"readied":{"scope":"a"},"refused":["5644"]}"#);
        let mut again = Memory::of(&memory.kept());
        assert_eq!(again.readied().unwrap(), r#"{"scope":"a"}"#);
        assert!(again.was_refused("5644"));
        assert!(Memory::of(b"{").readied().is_none());
    }
}
