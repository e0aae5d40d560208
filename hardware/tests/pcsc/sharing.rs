//! Other programs at the same card.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hharome_hardware::port::card::{End, FaultKind, Power};
use hharome_hardware::port::pcsc::PcscService;

use crate::fixture::{
    AMPLE, CONTACTLESS, GET_CHALLENGE, OK, READERS, another_program, ask, connected, kind, leave,
    open, send, until_nothing_hangs, within, yes,
};
use crate::pcscd::{Pcscd, Reply, alone};

/// Another program holds a transaction; it ends when the sender is dropped.
fn hold(pcscd: &Pcscd) -> mpsc::Sender<()> {
    let mut card = another_program(pcscd, pcsc::ShareMode::Shared);
    let (sender, until) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    thread::spawn(move || {
        let transaction = card.transaction().expect("nobody holds one");
        begun.send(()).expect("it is waited for");
        // Ends when the other side is dropped.
        let _ = until.recv();
        drop(transaction);
        leave(card);
    });
    has_begun.recv_timeout(AMPLE).expect("it begins");
    sender
}

#[test]
fn another_programs_short_transaction_is_waited_for() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let _card = connected(&pcscd, &mut slot, yes).await;
        let held = hold(&pcscd);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            drop(held);
        });
        let begun = Instant::now();
        assert_eq!(ask(&mut slot, &GET_CHALLENGE).await.as_deref(), Ok(&OK[..]));
        assert!(begun.elapsed() >= Duration::from_millis(290), "it did not wait");
    });
}

#[test]
fn another_programs_long_transaction_is_not_waited_for_and_nothing_is_sent_after_it() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let service = PcscService::with_limits(Duration::from_millis(300), AMPLE);
        let mut slot = open(&service, CONTACTLESS).await;
        let card = connected(&pcscd, &mut slot, yes).await;
        let held = hold(&pcscd);
        let begun = Instant::now();
        let occupied = send(&mut slot, vec![GET_CHALLENGE.to_vec()]).await;
        assert_eq!(kind(occupied, &pcscd.name(0, 0)), FaultKind::Occupied);
        let took = begun.elapsed();
        assert!((290..600).contains(&took.as_millis()), "{took:?}");
        assert_eq!(service.abandoned(), 1);
        drop(held);
        until_nothing_hangs(&service).await;
        assert!(card.commands().is_empty(), "the sequence ran though nobody waited for it");
        // The session goes on; whether the card was reset meanwhile is not known.
        let (answers, begun) =
            send(&mut slot, vec![GET_CHALLENGE.to_vec()]).await.expect("it begins");
        assert_eq!(answers, [Ok(OK.to_vec())]);
        assert!(begun.renewed);
        assert_eq!(card.controls(), [1], "the card was not touched");
    });
}

#[test]
fn a_card_that_another_program_has_for_itself_is_asked_for_until_the_limit() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let service = PcscService::with_limits(Duration::from_millis(800), AMPLE);
        let mut slot = open(&service, CONTACTLESS).await;
        let _card = connected(&pcscd, &mut slot, yes).await;
        within(AMPLE, slot.disconnect(End::Leave)).await;
        let exclusive = another_program(&pcscd, pcsc::ShareMode::Exclusive);
        let occupied = within(AMPLE, slot.connect(Power::AsItIs)).await;
        assert_eq!(kind(occupied, &pcscd.name(0, 0)), FaultKind::Occupied);
        assert_eq!(service.abandoned(), 0, "it gave up by itself");
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(250));
            leave(exclusive);
        });
        within(AMPLE, slot.connect(Power::AsItIs)).await.expect("it is free in time");
        assert_eq!(ask(&mut slot, &GET_CHALLENGE).await.as_deref(), Ok(&OK[..]));
    });
}

#[test]
fn nothing_of_another_program_comes_between_the_commands_of_a_sequence() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let (command_came, came) = mpsc::channel();
        let answer = move |command: &[u8]| {
            // Nobody listens after the first one.
            let _ = command_came.send(());
            let pause = if command == GET_CHALLENGE { 20 } else { 0 };
            Reply::After(Duration::from_millis(pause), OK.to_vec())
        };
        let card = connected(&pcscd, &mut slot, answer).await;
        let other = another_program(&pcscd, pcsc::ShareMode::Shared);
        let intruder = thread::spawn(move || {
            came.recv_timeout(AMPLE).expect("the sequence begins");
            let mut buffer = [0; 264];
            let until = Instant::now() + AMPLE;
            // pcscd refuses what comes from outside the transaction.
            while other.transmit(&[0, 0xB2, 0, 0], &mut buffer).is_err() {
                assert!(Instant::now() < until, "never let at the card");
                thread::sleep(Duration::from_millis(5));
            }
            leave(other);
        });
        let (answers, _) =
            send(&mut slot, vec![GET_CHALLENGE.to_vec(); 10]).await.expect("it begins");
        assert_eq!(answers, vec![Ok(OK.to_vec()); 10]);
        intruder.join().expect("it is let at the card in the end");
        let mut expected = vec![GET_CHALLENGE.to_vec(); 10];
        expected.push(vec![0, 0xB2, 0, 0]);
        assert_eq!(card.commands(), expected);
    });
}
