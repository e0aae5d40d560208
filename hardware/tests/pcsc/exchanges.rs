//! Commands and answers of every length, one after another, fast and slow.

use std::time::{Duration, Instant};

use hharome_hardware::port::card::{Content, FaultKind, Power, Protocol, Sequence};
use hharome_hardware::port::pcsc::PcscService;

use crate::fixture::{
    AMPLE, CONTACT_ATR, CONTACTLESS, CONTACTLESS_ATR, GET_CHALLENGE, OK, READERS, ask, connected,
    kind, open, send, until, until_nothing_hangs, within, yes,
};
use crate::pcscd::{FarCard, Pcscd, Reply, alone};

#[test]
fn a_connection_tells_the_atr_and_the_protocol_that_the_card_speaks() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let service = PcscService::new();
        for (reader, atr, protocol) in
            [(0, CONTACTLESS_ATR, Protocol::T1), (1, CONTACT_ATR, Protocol::T0)]
        {
            let _card = FarCard::insert(&pcscd.slot_socket(reader, 0), atr, Box::new(yes));
            let mut slot = open(&service, &pcscd.name(reader, 0)).await;
            until(&mut slot, &Content::Card(atr.to_vec())).await;
            for power in [Power::AsItIs, Power::AsItIs, Power::Cold] {
                let powered = within(AMPLE, slot.connect(power)).await.expect("it answers");
                assert_eq!(powered.atr, atr);
                assert_eq!(powered.protocol, protocol);
            }
        }
    });
}

#[test]
fn the_commands_of_a_sequence_come_in_order_and_so_do_the_answers() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let echo = |command: &[u8]| Reply::Bytes([&command[4..], &OK[..]].concat());
        let card = connected(&pcscd, &mut slot, echo).await;
        let commands: Vec<Vec<u8>> = (0..20).map(|n| vec![0, 0xB0, 0, n, n]).collect();
        let (answers, begun) = send(&mut slot, commands.clone()).await.expect("it begins");
        let expected: Vec<_> = (0..20).map(|n| Ok(vec![n, 0x90, 0x00])).collect();
        assert_eq!(answers, expected);
        assert!(!begun.renewed);
        assert_eq!(card.commands(), commands);
    });
}

#[test]
fn answers_of_every_length_arrive_whole() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        // The longest is what the far card's line can carry; the command says which one is wanted.
        let lengths = [0, 1, 2, 258, 4096, 65_535];
        let long = |length: usize| (0..length).map(|n| (n % 251) as u8).collect::<Vec<u8>>();
        let answer = move |command: &[u8]| Reply::Bytes(long(lengths[usize::from(command[3])]));
        let _card = connected(&pcscd, &mut slot, answer).await;
        for (n, length) in (0..).zip(lengths) {
            assert_eq!(ask(&mut slot, &[0, 0xB0, 0, n, 0]).await, Ok(long(length)), "{length}");
        }
    });
}

#[test]
fn a_long_command_arrives_whole() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let card = connected(&pcscd, &mut slot, yes).await;
        let long = [&[0, 0xD6, 0, 0, 0, 0xF0, 0x00][..], &[0x5A; 0xF000]].concat();
        assert_eq!(ask(&mut slot, &long).await.as_deref(), Ok(&OK[..]));
        assert_eq!(card.commands(), [long]);
    });
}

#[test]
fn a_card_that_is_taken_away_in_the_middle_is_told_and_the_next_one_is_not_taken_for_it() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let reader = pcscd.name(0, 0);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let answer = |command: &[u8]| match command[3] {
            2 => Reply::Vanish,
            _ => Reply::Bytes(OK.to_vec()),
        };
        let card = connected(&pcscd, &mut slot, answer).await;
        let commands = (0..4).map(|n| vec![0, 0xB0, 0, n, 0]).collect();
        let (answers, _) = send(&mut slot, commands).await.expect("it begins");
        let mut answers = answers.into_iter();
        assert_eq!(answers.next(), Some(Ok(OK.to_vec())));
        assert_eq!(answers.next(), Some(Ok(OK.to_vec())));
        for after in answers {
            assert_eq!(kind(after, &reader), FaultKind::Removed);
        }
        drop(card);
        let next = FarCard::insert(&pcscd.slot_socket(0, 0), CONTACTLESS_ATR, Box::new(yes));
        until(&mut slot, &Content::Card(CONTACTLESS_ATR.to_vec())).await;
        let sent = send(&mut slot, vec![GET_CHALLENGE.to_vec()]).await;
        assert_eq!(kind(sent, &reader), FaultKind::Removed);
        assert!(next.commands().is_empty());
        within(AMPLE, slot.connect(Power::AsItIs)).await.expect("the next card answers");
        assert_eq!(ask(&mut slot, &GET_CHALLENGE).await.as_deref(), Ok(&OK[..]));
    });
}

#[test]
fn the_limit_of_time_is_for_each_exchange_not_for_the_sequence() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        // One second is added for an answer that is under way.
        let service = PcscService::with_limits(AMPLE, Duration::from_millis(200));
        let mut slot = open(&service, CONTACTLESS).await;
        let slow = |_: &[u8]| Reply::After(Duration::from_millis(500), OK.to_vec());
        let _card = connected(&pcscd, &mut slot, slow).await;
        let (answers, _) =
            send(&mut slot, vec![GET_CHALLENGE.to_vec(); 3]).await.expect("it begins");
        assert_eq!(answers, vec![Ok(OK.to_vec()); 3]);
    });
}

#[test]
fn a_card_that_is_too_slow_is_not_waited_for_and_gets_no_further_command() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let service = PcscService::with_limits(AMPLE, Duration::from_millis(200));
        let mut slot = open(&service, CONTACTLESS).await;
        let mut first = true;
        let card = connected(&pcscd, &mut slot, move |_| {
            let pause = Duration::from_millis(if std::mem::take(&mut first) { 1800 } else { 0 });
            Reply::After(pause, OK.to_vec())
        })
        .await;
        let begun = Instant::now();
        let silent = send(&mut slot, vec![GET_CHALLENGE.to_vec(); 2]).await;
        assert_eq!(kind(silent, &pcscd.name(0, 0)), FaultKind::Silent);
        let took = begun.elapsed();
        assert!((1200..1700).contains(&took.as_millis()), "{took:?}");
        assert_eq!(service.abandoned(), 1);
        until_nothing_hangs(&service).await;
        assert_eq!(card.commands().len(), 1, "the sequence stops");
        within(AMPLE, slot.connect(Power::AsItIs)).await.expect("the card answers");
        assert_eq!(ask(&mut slot, &GET_CHALLENGE).await.as_deref(), Ok(&OK[..]));
    });
}

#[test]
fn a_sequence_that_waits_for_something_else_than_its_card_is_broken_off() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let _card = connected(&pcscd, &mut slot, yes).await;
        let never: Sequence = Box::new(|_| Box::pin(std::future::pending()));
        let fault = within(AMPLE, slot.transact(never)).await;
        assert_eq!(fault.map_err(|fault| fault.kind), Err(FaultKind::Other));
        assert_eq!(ask(&mut slot, &GET_CHALLENGE).await.as_deref(), Ok(&OK[..]));
    });
}
