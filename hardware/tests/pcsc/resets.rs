//! Powering up, resetting, letting go: what the card sees of it. Controls to the card are 0 off, 1
//! on, 2 reset.

use hharome_hardware::port::card::{End, FaultKind, Power};
use hharome_hardware::port::pcsc::PcscService;

use crate::fixture::{
    AMPLE, CONTACTLESS, CONTACTLESS_ATR, GET_CHALLENGE, OK, READERS, another_program, ask,
    connected, kind, leave, open, send, within, yes,
};
use crate::pcscd::{Pcscd, alone};

#[test]
fn a_cold_reset_powers_the_card_off_and_on_and_a_warm_one_does_not() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let card = connected(&pcscd, &mut slot, yes).await;
        for (power, expected) in
            [(Power::Cold, &[0, 1][..]), (Power::Warm, &[2]), (Power::AsItIs, &[])]
        {
            let before = card.controls().len();
            let powered = within(AMPLE, slot.connect(power)).await.expect("it answers");
            assert_eq!(powered.atr, CONTACTLESS_ATR);
            assert_eq!(&card.controls()[before..], expected, "{power:?}");
        }
        assert_eq!(ask(&mut slot, &GET_CHALLENGE).await.as_deref(), Ok(&OK[..]));
    });
}

#[test]
fn a_card_that_was_not_connected_to_is_reset_on_the_way_to_a_connection() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let card = connected(&pcscd, &mut slot, yes).await;
        within(AMPLE, slot.disconnect(End::Leave)).await;
        let before = card.controls().len();
        within(AMPLE, slot.connect(Power::Cold)).await.expect("it answers");
        assert_eq!(card.controls()[before..], [0, 1]);
    });
}

#[test]
fn a_card_is_left_as_it_is_or_powered_off_as_is_asked() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let card = connected(&pcscd, &mut slot, yes).await;
        assert_eq!(card.controls(), [1]);
        within(AMPLE, slot.disconnect(End::Leave)).await;
        let sent = send(&mut slot, vec![GET_CHALLENGE.to_vec()]).await;
        assert_eq!(kind(sent, &pcscd.name(0, 0)), FaultKind::Removed);
        within(AMPLE, slot.connect(Power::AsItIs)).await.expect("it answers");
        assert_eq!(card.controls(), [1], "it was powered all the time");
        within(AMPLE, slot.disconnect(End::Unpower)).await;
        card.wait_for_controls(&[1, 0]);
        within(AMPLE, slot.connect(Power::AsItIs)).await.expect("it answers");
        assert_eq!(card.controls(), [1, 0, 1]);
    });
}

#[test]
fn a_slot_that_is_dropped_leaves_the_card_as_it_is() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let service = PcscService::new();
        let mut slot = open(&service, CONTACTLESS).await;
        let card = connected(&pcscd, &mut slot, yes).await;
        let before = card.controls();
        drop(slot);
        // Another program gets the card for itself as soon as nobody else has it.
        let alone = within(AMPLE, async {
            loop {
                let context = pcsc::Context::establish(pcsc::Scope::User).expect("pcscd runs");
                let reader = std::ffi::CString::new(pcscd.name(0, 0)).expect("no zero in it");
                let (mode, any) = (pcsc::ShareMode::Exclusive, pcsc::Protocols::ANY);
                match context.connect(&reader, mode, any) {
                    Ok(card) => break card,
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                }
            }
        })
        .await;
        assert_eq!(card.controls(), before);
        leave(alone);
        assert_eq!(service.abandoned(), 0);
    });
}

#[test]
fn a_card_that_another_program_has_reset_is_connected_to_again_and_that_is_told_once() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let _card = connected(&pcscd, &mut slot, yes).await;
        for reset in [pcsc::Disposition::ResetCard, pcsc::Disposition::UnpowerCard] {
            let other = another_program(&pcscd, pcsc::ShareMode::Shared);
            other.disconnect(reset).map_err(|(_, error)| error).expect("it may");
            for renewed in [true, false] {
                let (answers, begun) =
                    send(&mut slot, vec![GET_CHALLENGE.to_vec()]).await.expect("it begins");
                assert_eq!(answers, [Ok(OK.to_vec())]);
                assert_eq!(begun.renewed, renewed, "after {reset:?}");
            }
        }
    });
}
