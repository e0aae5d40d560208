//! Served cards, seen from the reader's side of the connection.

use std::future::ready;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::*;
use crate::port::card::Protocol;
use crate::virtual_card::{VirtualCard, by_slug};

/// A connection to a card of this kind, its hand, and how the serving ends.
fn served(slug: &str) -> (DuplexStream, CardHand, JoinHandle<io::Result<End>>) {
    let hand = CardHand::new();
    hand.put(by_slug(slug).expect("a slug"));
    let (reader, card) = tokio::io::duplex(70_000);
    let hands = hand.clone();
    let end = tokio::spawn(async move { serve(&hands, card).await });
    (reader, hand, end)
}

async fn say(reader: &mut DuplexStream, message: &[u8]) {
    let length = u16::try_from(message.len()).expect("it is short");
    reader.write_u16(length).await.expect("written");
    reader.write_all(message).await.expect("written");
}

async fn hear(reader: &mut DuplexStream) -> Vec<u8> {
    let length = reader.read_u16().await.expect("a length");
    let mut message = vec![0; usize::from(length)];
    reader.read_exact(&mut message).await.expect("a message");
    message
}

async fn hears_nothing(reader: &mut DuplexStream) -> bool {
    timeout(Duration::from_secs(3600), reader.read_u8()).await.is_err()
}

const CHALLENGE: &[u8] = b"\x00\x84\x00\x00\x08";

#[tokio::test(start_paused = true)]
async fn the_atr_and_commands_are_answered_and_nothing_else() {
    let (mut reader, hand, end) = served("psam");
    for silent in [&[POWER_ON][..], &[POWER_OFF], &[RESET], &[], &[9]] {
        say(&mut reader, silent).await;
    }
    assert!(hears_nothing(&mut reader).await);
    say(&mut reader, &[GET_ATR]).await;
    assert_eq!(hear(&mut reader).await, by_slug("psam").expect("a slug").atr());
    say(&mut reader, b"\x00\xB0\x96\x00\x06").await;
    assert_eq!(hear(&mut reader).await, b"\x99\x01\x00\x00\x00\x01\x90\x00");
    assert_eq!(hand.counts().resets, 2);
    drop(reader);
    assert_eq!(end.await.expect("it ends").expect("without an error"), End::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_reset_forgets_what_was_selected() {
    let (mut reader, _hand, _end) = served("ssc-2");
    say(&mut reader, &[POWER_ON]).await;
    say(&mut reader, b"\x00\xA4\x00\x0C\x02\xDD\xF1").await;
    assert_eq!(hear(&mut reader).await, b"\x90\x00");
    say(&mut reader, b"\x00\xB2\x0A\x30\x03").await;
    assert_eq!(hear(&mut reader).await, b"\x0A\x012\x90\x00");
    say(&mut reader, &[RESET]).await;
    say(&mut reader, b"\x00\xB2\x0A\x30\x03").await;
    assert_eq!(hear(&mut reader).await, b"\x6A\x82");
}

#[tokio::test(start_paused = true)]
async fn a_lifted_or_changed_card_ends_the_connection() {
    let (mut reader, hand, end) = served("transport");
    say(&mut reader, CHALLENGE).await;
    hear(&mut reader).await;
    hand.lift();
    assert_eq!(end.await.expect("it ends").expect("without an error"), End::Lifted);
    assert_eq!(reader.read(&mut [0; 8]).await.expect("closed"), 0);
    let (mut reader, hand, end) = served("transport");
    say(&mut reader, CHALLENGE).await;
    hear(&mut reader).await;
    hand.put(by_slug("psam").expect("a slug"));
    assert_eq!(end.await.expect("it ends").expect("without an error"), End::Lifted);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_vanishes_closes_in_the_middle_of_a_command() {
    let (mut reader, hand, end) = served("transport");
    hand.fault(Fault::Vanish);
    say(&mut reader, CHALLENGE).await;
    assert_eq!(reader.read(&mut [0; 8]).await.expect("closed"), 0);
    assert_eq!(end.await.expect("it ends").expect("without an error"), End::Lifted);
}

#[tokio::test(start_paused = true)]
async fn a_silent_card_answers_no_command_and_a_mute_one_no_power_up() {
    let (mut reader, hand, _end) = served("transport");
    hand.fault(Fault::Silence);
    say(&mut reader, CHALLENGE).await;
    assert!(hears_nothing(&mut reader).await);
    hand.fault(Fault::Mute);
    say(&mut reader, &[POWER_ON]).await;
    say(&mut reader, &[GET_ATR]).await;
    assert!(hears_nothing(&mut reader).await);
    hand.mend();
    say(&mut reader, CHALLENGE).await;
    assert_eq!(hear(&mut reader).await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_comes_in_pieces_is_one() {
    let (mut reader, _hand, _end) = served("transport");
    for byte in b"\x00\x05\xFF\xCA\x00\x00\x00" {
        reader.write_u8(*byte).await.expect("written");
        tokio::task::yield_now().await;
    }
    assert_eq!(hear(&mut reader).await, b"\x9A\x01\x02\x03\x90\x00");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_no_message_can_hold_is_a_failure() {
    struct Long(usize);
    impl VirtualCard for Long {
        fn atr(&self) -> Vec<u8> {
            vec![0x3B, 0x00]
        }
        fn power(&mut self, _on: bool) {}
        fn answer(&mut self, _command: &[u8]) -> Vec<u8> {
            self.0 += 1;
            vec![0x61; self.0]
        }
        fn protocol(&self) -> Protocol {
            Protocol::T1
        }
    }
    let hand = CardHand::new();
    hand.put(Box::new(Long(65_534)));
    let (mut reader, card) = tokio::io::duplex(70_000);
    tokio::spawn(async move { serve(&hand, card).await });
    say(&mut reader, CHALLENGE).await;
    assert_eq!(hear(&mut reader).await.len(), 65_535);
    say(&mut reader, CHALLENGE).await;
    assert_eq!(hear(&mut reader).await, b"\x6F\x00");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_comes_later_is_found_and_one_that_goes_is_looked_for_again() {
    let hand = CardHand::new();
    hand.put(by_slug("transport").expect("a slug"));
    let readers = Arc::new(Mutex::new(Vec::new()));
    let absences = Arc::new(AtomicU32::new(0));
    let life = {
        let (hand, readers, absences) = (hand.clone(), readers.clone(), absences.clone());
        let began = Instant::now();
        async move {
            let connect = || {
                // Three times nobody is there, at 0, 100 and 300 ms.
                let there = began.elapsed() > Duration::from_millis(500);
                let (reader, card) = tokio::io::duplex(1000);
                if there {
                    readers.lock().expect("whole").push(reader);
                }
                ready(if there { Ok(card) } else { Err(io::ErrorKind::NotFound.into()) })
            };
            let absent = |_: &io::Error| {
                absences.fetch_add(1, Ordering::Relaxed);
            };
            run(&hand, connect, absent).await;
        }
    };
    tokio::spawn(life);
    let connections = || readers.lock().expect("whole").len();
    tokio::time::sleep(Duration::from_millis(650)).await;
    assert_eq!((connections(), absences.load(Ordering::Relaxed)), (0, 1));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((connections(), absences.load(Ordering::Relaxed)), (1, 1));
    // The reader closes: another connection, soon.
    readers.lock().expect("whole").clear();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(connections(), 1);
    // A card lifted, and another put in: the place is seen empty in between.
    hand.lift();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(connections(), 1);
    hand.put(by_slug("psam").expect("a slug"));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(connections(), 2);
    hand.put(by_slug("transport").expect("a slug"));
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(connections(), 2);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(connections(), 3);
}
