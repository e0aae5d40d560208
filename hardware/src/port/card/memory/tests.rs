//! The slot in this process, worked by its hand, on the paused clock.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::port::card::{Content, in_transaction};
use crate::virtual_card::{VirtualCard, by_slug};

const CHALLENGE: &[u8] = b"\x00\x84\x00\x00\x08";
/// Selects the transport application without its answer, and reads its file.
const SELECT: &[u8] = b"\x00\xA4\x04\x0C\x08\xA0\x00\x00\x06\x32\x01\x01\x05";
const READ: &[u8] = b"\x00\xB0\x95\x00\x01";

fn card(slug: &str) -> Box<dyn VirtualCard> {
    by_slug(slug).expect("a slug")
}

/// An open slot with a transport card in it, and a connection to it.
async fn connected() -> (BoxedSlot, CardHand) {
    let (mut port, hand) = memory_slot("the reader");
    hand.put(card("transport"));
    let mut slot = port.open().await.expect("it is there");
    slot.connect(Power::AsItIs).await.expect("a card");
    (slot, hand)
}

async fn transmit(slot: &mut BoxedSlot, command: &'static [u8]) -> Result<Vec<u8>, CardFault> {
    in_transaction(slot.as_mut(), move |card| card.transmit(command)).await?.0
}

/// The kind of the fault of an exchange, and how long it took.
async fn failed(slot: &mut BoxedSlot, command: &'static [u8]) -> (FaultKind, Duration) {
    let began = Instant::now();
    let fault = transmit(slot, command).await.expect_err("a fault");
    (fault.kind, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_card_answers_inside_a_transaction() {
    let (mut slot, hand) = connected().await;
    assert_eq!(slot.reader(), "the reader");
    let asked = in_transaction(slot.as_mut(), |card| {
        assert_eq!(card.protocol(), Protocol::T1);
        card.transmit(b"\xFF\xCA\x00\x00\x00")
    });
    let (answer, begun) = asked.await.expect("begun");
    assert_eq!(answer.expect("an answer"), b"\x9A\x01\x02\x03\x90\x00");
    assert!(!begun.renewed);
    assert_eq!(hand.counts(), Counts { resets: 1, commands: 1 });
}

#[tokio::test(start_paused = true)]
async fn what_lies_there_is_told_with_another_number_for_each_card() {
    let (mut port, hand) = memory_slot("the reader");
    let mut slot = port.open().await.expect("it is there");
    assert_eq!(slot.holds().what, Content::Nothing);
    let quiet = timeout(Duration::from_secs(3600), slot.changed()).await;
    assert!(quiet.is_err());
    hand.put(card("psam"));
    slot.changed().await.expect("the slot is there");
    let first = slot.holds();
    assert!(first.what == Content::Card(card("psam").atr()));
    // Lifted and put in again before anybody looks.
    hand.lift();
    hand.put(card("psam"));
    slot.changed().await.expect("the slot is there");
    let second = slot.holds();
    assert!(second.what == first.what && second.number != first.number);
    hand.lift();
    slot.changed().await.expect("the slot is there");
    assert_eq!(slot.holds().what, Content::Nothing);
    let quiet = timeout(Duration::from_secs(3600), slot.changed()).await;
    assert!(quiet.is_err());
}

#[tokio::test(start_paused = true)]
async fn powering_resets_as_it_is_asked_to() {
    let (mut slot, hand) = connected().await;
    for (power, forgotten, resets) in [
        (Power::AsItIs, false, 1),
        (Power::Warm, true, 2),
        (Power::Cold, true, 3),
        (Power::AsItIs, false, 3),
    ] {
        assert_eq!(transmit(&mut slot, SELECT).await.expect("an answer"), b"\x90\x00");
        let powered = slot.connect(power).await.expect("a card");
        assert!(powered.atr == card("transport").atr());
        let answer = transmit(&mut slot, READ).await.expect("an answer");
        assert_eq!(answer == b"\x6A\x82", forgotten, "{power:?}");
        assert_eq!(hand.counts().resets, resets, "{power:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn letting_go_may_leave_the_card_powered() {
    let (mut slot, _hand) = connected().await;
    for (end, forgotten) in [(End::Leave, false), (End::Unpower, true)] {
        transmit(&mut slot, SELECT).await.expect("an answer");
        slot.disconnect(end).await;
        assert_eq!(failed(&mut slot, READ).await.0, FaultKind::Other);
        slot.connect(Power::AsItIs).await.expect("a card");
        let answer = transmit(&mut slot, READ).await.expect("an answer");
        assert_eq!(answer == b"\x6A\x82", forgotten, "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_slot_and_a_mute_card_are_told() {
    let (mut slot, hand) = connected().await;
    hand.lift();
    let fault = slot.connect(Power::AsItIs).await.expect_err("no card");
    assert_eq!(fault.kind, FaultKind::NoCard);
    hand.fault(Fault::Mute);
    hand.put(card("psam"));
    assert_eq!(slot.holds().what, Content::Mute);
    let fault = slot.connect(Power::Cold).await.expect_err("a mute card");
    assert_eq!(fault.kind, FaultKind::Mute);
    hand.mend();
    slot.connect(Power::Cold).await.expect("a card");
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_lifted_or_changed_is_removed_to_its_connection() {
    let (mut slot, hand) = connected().await;
    hand.lift();
    assert_eq!(failed(&mut slot, CHALLENGE).await.0, FaultKind::Removed);
    hand.put(card("transport"));
    assert_eq!(failed(&mut slot, CHALLENGE).await.0, FaultKind::Removed);
    slot.connect(Power::AsItIs).await.expect("a card");
    transmit(&mut slot, CHALLENGE).await.expect("an answer");
}

#[tokio::test(start_paused = true)]
async fn a_card_that_vanishes_does_so_in_the_middle_of_a_command_and_only_once() {
    let (mut slot, hand) = connected().await;
    hand.fault(Fault::Vanish);
    assert_eq!(slot.holds().what, Content::Card(card("transport").atr()));
    let twice = in_transaction(slot.as_mut(), |card| {
        Box::pin(async move {
            let mut kinds = Vec::new();
            for _ in 0..2 {
                kinds.push(card.transmit(CHALLENGE).await.map_err(|fault| fault.kind));
            }
            kinds
        })
    });
    let (kinds, _) = twice.await.expect("begun");
    assert_eq!(kinds, [Err(FaultKind::Removed), Err(FaultKind::Removed)]);
    assert_eq!(slot.holds().what, Content::Nothing);
    hand.put(card("transport"));
    slot.connect(Power::AsItIs).await.expect("a card");
    transmit(&mut slot, CHALLENGE).await.expect("an answer");
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_lifted_during_an_exchange_ends_it() {
    for slow in [Duration::from_secs(20), Duration::ZERO] {
        let (mut slot, hand) = connected().await;
        hand.slow(slow);
        if slow.is_zero() {
            hand.fault(Fault::Silence);
        }
        let lift = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            hand.lift();
        };
        let ((kind, took), ()) = tokio::join!(failed(&mut slot, CHALLENGE), lift);
        assert_eq!((kind, took), (FaultKind::Removed, Duration::from_secs(2)), "{slow:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_card_is_given_up_after_the_limit_of_an_exchange() {
    let (mut slot, hand) = connected().await;
    hand.fault(Fault::Silence);
    assert_eq!(failed(&mut slot, CHALLENGE).await, (FaultKind::Silent, EXCHANGE));
    hand.mend();
    hand.slow(EXCHANGE + Duration::from_secs(1));
    assert_eq!(failed(&mut slot, CHALLENGE).await, (FaultKind::Silent, EXCHANGE));
    hand.slow(Duration::from_secs(20));
    let began = Instant::now();
    transmit(&mut slot, CHALLENGE).await.expect("an answer");
    assert_eq!(began.elapsed(), Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_held_by_others_is_waited_for() {
    let (mut slot, hand) = connected().await;
    hand.fault(Fault::Occupied);
    assert_eq!(failed(&mut slot, CHALLENGE).await, (FaultKind::Occupied, ACCESS));
    let fault = slot.connect(Power::Cold).await.expect_err("held");
    assert_eq!(fault.kind, FaultKind::Occupied);
    let free = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        hand.mend();
    };
    let began = Instant::now();
    let (powered, ()) = tokio::join!(slot.connect(Power::AsItIs), free);
    powered.expect("a card");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_card_that_others_have_reset_is_connected_to_again() {
    let (mut slot, hand) = connected().await;
    transmit(&mut slot, SELECT).await.expect("an answer");
    hand.reset_by_others();
    for renewed in [true, false] {
        let read = in_transaction(slot.as_mut(), |card| card.transmit(READ));
        let (answer, begun) = read.await.expect("begun");
        assert_eq!((answer.expect("an answer"), begun.renewed), (b"\x6A\x82".to_vec(), renewed));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unplugged_reader_is_gone_until_it_is_opened_again() {
    let (mut port, hand) = memory_slot("the reader");
    hand.put(card("transport"));
    let mut slot = port.open().await.expect("it is there");
    slot.connect(Power::AsItIs).await.expect("a card");
    let number = slot.holds().number;
    hand.plug(false);
    let absent = port.open().await.err().expect("it is not there");
    assert_eq!(absent.kind, FaultKind::NoReader);
    let trouble = Trouble::from(absent);
    let plug = async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        hand.plug(true);
    };
    let began = Instant::now();
    tokio::join!(port.worth_opening(&trouble), plug);
    assert_eq!(began.elapsed(), Duration::from_secs(3600));
    // The old slot is not the new one.
    let gone = slot.changed().await.expect_err("gone");
    assert_eq!(gone.kind, FaultKind::NoReader);
    assert_eq!(failed(&mut slot, CHALLENGE).await.0, FaultKind::NoReader);
    assert!(slot.connect(Power::AsItIs).await.is_err());
    let mut slot = port.open().await.expect("it is back");
    assert_ne!(slot.holds().number, number);
    slot.connect(Power::AsItIs).await.expect("a card");
}

#[tokio::test(start_paused = true)]
async fn commands_to_the_reader_are_answered_by_whoever_was_set() {
    let (mut port, hand) = memory_slot("the reader");
    let mut slot = port.open().await.expect("it is there");
    let fault = slot.escape(b"\xE0\x00\x00\x28\x01\x0A").await.expect_err("nobody answers");
    assert_eq!(fault.kind, FaultKind::Other);
    let other = hand.clone();
    hand.on_escape(Box::new(move |command| {
        // It may use a hand.
        other.fault(Fault::Silence);
        command.iter().rev().copied().collect()
    }));
    for _ in 0..2 {
        assert_eq!(slot.escape(b"\x01\x02").await.expect("an answer"), b"\x02\x01");
    }
    hand.plug(false);
    let fault = slot.escape(b"\x01\x02").await.expect_err("it is gone");
    assert_eq!(fault.kind, FaultKind::NoReader);
}

#[tokio::test(start_paused = true)]
async fn a_card_may_lift_itself_while_it_answers() {
    struct Leaping(CardHand);
    impl VirtualCard for Leaping {
        fn atr(&self) -> Vec<u8> {
            vec![0x3B, 0x00]
        }
        fn power(&mut self, _on: bool) {}
        fn answer(&mut self, _command: &[u8]) -> Vec<u8> {
            self.0.lift();
            vec![0x90, 0x00]
        }
        fn protocol(&self) -> Protocol {
            Protocol::T0
        }
    }
    let (mut port, hand) = memory_slot("the reader");
    hand.put(Box::new(Leaping(hand.clone())));
    let mut slot = port.open().await.expect("it is there");
    slot.connect(Power::AsItIs).await.expect("a card");
    assert_eq!(failed(&mut slot, CHALLENGE).await.0, FaultKind::Removed);
}
