//! What the port tells of readers, cards and the service, while they come and go.

use std::time::Duration;

use hharome_hardware::device::Trouble;
use hharome_hardware::port::card::{CardPort, Content, FaultKind, Power};
use hharome_hardware::port::pcsc::PcscService;

use crate::fixture::{
    AMPLE, CONTACT_ATR, CONTACTLESS, CONTACTLESS_ATR, OK, READERS, another_program, ask, connected,
    kind, leave, open, port, until, within, yes,
};
use crate::pcscd::{FarCard, Pcscd, alone};

#[test]
fn a_card_that_is_put_in_or_taken_away_is_told_and_each_has_its_number() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        assert_eq!(slot.reader(), "Example CL Contactless 00 00");
        assert_eq!(slot.holds().what, Content::Nothing);
        let there = Content::Card(CONTACTLESS_ATR.to_vec());
        let card = FarCard::insert(&pcscd.slot_socket(0, 0), CONTACTLESS_ATR, Box::new(yes));
        let first = until(&mut slot, &there).await;
        card.remove();
        until(&mut slot, &Content::Nothing).await;
        let _card = FarCard::insert(&pcscd.slot_socket(0, 0), CONTACTLESS_ATR, Box::new(yes));
        assert_ne!(until(&mut slot, &there).await, first);
    });
}

#[test]
fn each_slot_of_a_reader_tells_of_its_own_card() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let service = PcscService::new();
        let mut first = open(&service, "Example Dual SAM * 00").await;
        let mut second = open(&service, "Example Dual SAM * 01").await;
        assert_eq!(second.reader(), pcscd.name(1, 1));
        let _card = FarCard::insert(&pcscd.slot_socket(1, 1), CONTACT_ATR, Box::new(yes));
        until(&mut second, &Content::Card(CONTACT_ATR.to_vec())).await;
        within(AMPLE, second.connect(Power::AsItIs)).await.expect("the card answers");
        assert_eq!(ask(&mut second, &[0, 0x84, 0, 0, 8]).await.as_deref(), Ok(&OK[..]));
        assert_eq!(first.holds().what, Content::Nothing);
        let nothing = within(AMPLE, first.connect(Power::AsItIs)).await;
        assert_eq!(kind(nothing, "Example Dual SAM 01 00"), FaultKind::NoCard);
    });
}

#[test]
fn a_pattern_takes_the_first_reader_and_one_that_means_none_names_those_that_are_there() {
    alone(async || {
        let _pcscd = Pcscd::start(&READERS);
        let service = PcscService::new();
        assert_eq!(open(&service, "*SAM*").await.reader(), "Example Dual SAM 01 00");
        let fault = within(AMPLE, port(&service, "Other*").open()).await.err().expect("none");
        assert_eq!(fault.kind, FaultKind::NoReader);
        for told in ["\"Other*\"", "\"Example CL Contactless 00 00\"", "\"Example Dual SAM 01 01\""]
        {
            assert!(fault.detail.contains(told), "{}", fault.detail);
        }
    });
}

#[test]
fn that_another_program_uses_a_card_is_no_news() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let _card = connected(&pcscd, &mut slot, yes).await;
        // Whatever was told of the card itself.
        while tokio::time::timeout(Duration::from_millis(100), slot.changed()).await.is_ok() {}
        for mode in [pcsc::ShareMode::Shared, pcsc::ShareMode::Shared] {
            leave(another_program(&pcscd, mode));
            let news = tokio::time::timeout(Duration::from_millis(200), slot.changed()).await;
            assert!(news.is_err(), "{news:?}");
        }
    });
}

#[test]
fn a_mute_card_is_told_and_cannot_be_connected_to() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let _card = FarCard::insert(&pcscd.slot_socket(0, 0), &[], Box::new(yes));
        until(&mut slot, &Content::Mute).await;
        for power in [Power::AsItIs, Power::Warm, Power::Cold] {
            let mute = within(AMPLE, slot.connect(power)).await;
            assert_eq!(kind(mute, "Example CL Contactless 00 00"), FaultKind::Mute);
        }
    });
}

#[test]
fn a_reader_that_is_pulled_out_ends_the_slot_and_is_found_when_it_is_back() {
    alone(async || {
        let mut pcscd = Pcscd::start(&READERS);
        let service = PcscService::new();
        let mut slot = open(&service, CONTACTLESS).await;
        let _card = connected(&pcscd, &mut slot, yes).await;
        let mut port = port(&service, CONTACTLESS);
        pcscd.unplug(0);
        let fault = loop {
            if let Err(fault) = within(AMPLE, slot.changed()).await {
                break fault;
            }
        };
        assert_eq!(fault.kind, FaultKind::NoReader);
        let fault = within(AMPLE, port.open()).await.err().expect("it is gone");
        assert_eq!(fault.kind, FaultKind::NoReader);
        assert!(fault.detail.contains("\"Example Dual SAM 01 00\""), "{}", fault.detail);
        pcscd.plug(0);
        within(AMPLE, port.worth_opening(&Trouble::from(fault))).await;
        let mut slot = within(AMPLE, port.open()).await.expect("it is back");
        until(&mut slot, &Content::Card(CONTACTLESS_ATR.to_vec())).await;
        within(AMPLE, slot.connect(Power::AsItIs)).await.expect("the card answers");
        assert_eq!(ask(&mut slot, &[0, 0x84, 0, 0, 8]).await.as_deref(), Ok(&OK[..]));
    });
}

#[test]
fn a_service_that_is_killed_ends_the_slot_and_all_is_well_when_it_runs_again() {
    alone(async || {
        let mut pcscd = Pcscd::start(&READERS);
        let service = PcscService::new();
        let mut port = port(&service, CONTACTLESS);
        let mut slot = within(AMPLE, port.open()).await.expect("the reader is there");
        let card = connected(&pcscd, &mut slot, yes).await;
        let before = slot.holds().number;
        pcscd.kill();
        let fault = loop {
            if let Err(fault) = within(AMPLE, slot.changed()).await {
                break fault;
            }
        };
        assert_eq!(fault.kind, FaultKind::NoService);
        assert!(fault.detail.contains("systemctl start pcscd"), "{}", fault.detail);
        drop((slot, card));
        let fault = within(AMPLE, port.open()).await.err().expect("it does not run");
        assert_eq!(fault.kind, FaultKind::NoService);
        pcscd.restart();
        let _card = FarCard::insert(&pcscd.slot_socket(0, 0), CONTACTLESS_ATR, Box::new(yes));
        within(AMPLE, port.worth_opening(&Trouble::from(fault))).await;
        let mut slot = within(AMPLE, port.open()).await.expect("it runs");
        let now = until(&mut slot, &Content::Card(CONTACTLESS_ATR.to_vec())).await;
        assert_ne!(now, before);
        within(AMPLE, slot.connect(Power::AsItIs)).await.expect("the card answers");
        assert_eq!(ask(&mut slot, &[0, 0x84, 0, 0, 8]).await.as_deref(), Ok(&OK[..]));
    });
}

#[test]
fn a_service_that_is_not_started_yet_is_waited_for() {
    alone(async || {
        let mut pcscd = Pcscd::not_started(&READERS);
        let service = PcscService::new();
        let mut port = port(&service, CONTACTLESS);
        let fault = within(AMPLE, port.open()).await.err().expect("it does not run");
        assert_eq!(fault.kind, FaultKind::NoService);
        assert!(fault.detail.contains("systemctl start pcscd"), "{}", fault.detail);
        pcscd.restart();
        within(AMPLE, port.worth_opening(&Trouble::from(fault))).await;
        within(AMPLE, port.open()).await.expect("it runs");
    });
}
