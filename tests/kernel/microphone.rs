//! The microphone: a card of ALSA that hears a known sound, pulled out and plugged in again.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::fixture::{Client, Daemon, kind, soon};
use crate::machine;
use crate::sound_card::{self, Player, SOUND_MODULES};

const START: &str =
    r#"{"action":"startMicrophoneListener","event":"open","taskId":"m","params":{}}"#;

/// Starts listening, as soon as the daemon has found the card.
async fn starts(client: &mut Client) {
    let started = async {
        loop {
            let reply = client.ask(START).await;
            if reply["success"] == true {
                return;
            }
            assert_eq!(kind(&reply), "device_unavailable");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    soon("the card is found", started).await;
}

/// A tone of so many samples a period, told from any other place of it: a saw, once up.
const PERIOD: i16 = 1600;

fn saw() -> Vec<i16> {
    (0..PERIOD).map(|at| at * 20 - 16_000).collect()
}

/// The next samples that a client hears.
async fn hears(client: &mut Client) -> Vec<i16> {
    let event = client.next().await;
    assert_eq!(event["channel"], "initMicrophoneListener", "{event}");
    let text = event["data"]["voiceContent"].as_str().expect("base64").replace('\n', "");
    let bytes = STANDARD.decode(text).expect("base64");
    bytes.as_chunks().0.iter().copied().map(i16::from_le_bytes).collect()
}

/// Hears a second of sound that must be the saw from its first whole period on, sample by sample.
async fn hears_the_saw(client: &mut Client) {
    let heard = async {
        let mut sound = Vec::new();
        // The silence before the player has begun, and what the card had in its buffer.
        while sound.len() < 32_000 {
            sound.extend(hears(client).await);
            let begun = sound.windows(2).position(|two| two == [-16_000, -15_980]);
            match begun {
                Some(begun) => drop(sound.drain(..begun)),
                None => sound.clear(),
            }
            if sound.len() >= 16_000 {
                return sound;
            }
        }
        sound
    };
    let sound = soon("a second of the saw", heard).await;
    let period = saw();
    for (at, sample) in sound.iter().take(16_000).enumerate() {
        assert_eq!(*sample, period[at % period.len()], "sample {at} of {}", sound.len());
    }
}

#[tokio::test]
async fn a_sound_card_is_heard_sample_by_sample_before_and_after_it_was_pulled_out() {
    let machine = machine::take().await;
    machine.load(&SOUND_MODULES);
    let sections = "[microphone]\ndriver = \"alsa\"\ndevice = \"plughw:Loopback,0,0\"\n";
    let daemon = Daemon::start("", sections).await;
    let mut client = daemon.unix().await;
    for again in [false, true] {
        let player = Player::play(saw());
        starts(&mut client).await;
        hears_the_saw(&mut client).await;
        if again {
            return;
        }
        // As long as a program has a card open the kernel waits for it to close.
        let pulled = tokio::task::spawn_blocking(sound_card::pull_out);
        daemon.device("microphone", |device| device["state"] == "absent").await;
        soon("the card goes", pulled).await.expect("no panic");
        drop(player);
        client = daemon.unix().await;
        assert_eq!(kind(&client.ask(START).await), "device_unavailable");
        sound_card::plug_in().await;
    }
}

#[tokio::test]
async fn a_sound_card_that_nobody_listens_to_is_known_to_be_pulled_out_and_plugged_in_again() {
    let machine = machine::take().await;
    machine.load(&SOUND_MODULES);
    let sections = "[microphone]\ndriver = \"alsa\"\ndevice = \"plughw:CARD=Loopback\"\n";
    let daemon = Daemon::start("", sections).await;
    for _ in 0..2 {
        daemon.ready("microphone").await;
        let pulled = tokio::task::spawn_blocking(sound_card::pull_out);
        daemon.device("microphone", |device| device["state"] == "absent").await;
        soon("the card goes", pulled).await.expect("no panic");
        sound_card::plug_in().await;
    }
    daemon.ready("microphone").await;
}
