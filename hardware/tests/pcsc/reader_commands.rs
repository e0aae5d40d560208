//! Escape commands: those for the reader itself.

use std::sync::mpsc;

use hharome_hardware::port::card::{Content, FaultKind};
use hharome_hardware::port::pcsc::PcscService;

use crate::fixture::{
    AMPLE, CONTACTLESS, CONTACTLESS_ATR, GET_CHALLENGE, OK, READERS, another_program, ask,
    connected, kind, open, send, until, within, yes,
};
use crate::pcscd::{FarCard, FarReader, Pcscd, alone};

/// `SCARD_CTL_CODE(n)` of pcsc-lite is 0x42000000 + n: libccid's code, and ACS's.
const LIBCCID: u32 = 0x4200_0001;
const VENDOR: u32 = 0x4200_0000 + 3500;

/// A beep of the ACS ACR1252 family.
const BEEP: [u8; 6] = [0xE0, 0x00, 0x00, 0x28, 0x01, 0x05];

/// A beep as the ACR122U takes it: class FF is no card's.
const PSEUDO: [u8; 9] = [0xFF, 0x00, 0x40, 0x00, 0x04, 0x01, 0x00, 0x01, 0x01];

/// A reader that understands this code only, and what it was asked.
fn reader(pcscd: &Pcscd, understood: u32) -> (FarReader, mpsc::Receiver<(u32, Vec<u8>)>) {
    let (sender, asked) = mpsc::channel();
    let answer = move |code: u32, command: &[u8]| {
        sender.send((code, command.to_vec())).expect("the test goes on");
        (code == understood).then(|| vec![0xE1, 0x00, 0x00, 0x00, 0x01, 0x05])
    };
    (FarReader::attach(&pcscd.reader_socket(0), Box::new(answer)), asked)
}

#[test]
fn the_code_that_a_driver_understands_is_found_and_kept() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let (_reader, asked) = reader(&pcscd, VENDOR);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        for _ in 0..2 {
            within(AMPLE, slot.escape(&BEEP)).await.expect("it is understood");
        }
        let codes: Vec<u32> = asked.try_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, [LIBCCID, VENDOR, VENDOR]);
    });
}

#[test]
fn the_reader_is_spoken_to_with_and_without_a_card() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let (_reader, asked) = reader(&pcscd, LIBCCID);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let reply = within(AMPLE, slot.escape(&BEEP)).await;
        assert_eq!(reply, Ok(vec![0xE1, 0x00, 0x00, 0x00, 0x01, 0x05]));
        let card = connected(&pcscd, &mut slot, yes).await;
        let reply = within(AMPLE, slot.escape(&BEEP)).await;
        assert_eq!(reply, Ok(vec![0xE1, 0x00, 0x00, 0x00, 0x01, 0x05]));
        assert_eq!(asked.iter().take(2).collect::<Vec<_>>(), vec![(LIBCCID, BEEP.to_vec()); 2]);
        assert_eq!(ask(&mut slot, &GET_CHALLENGE).await.as_deref(), Ok(&OK[..]));
        assert_eq!(card.commands(), [GET_CHALLENGE]);
        assert_eq!(card.controls(), [1], "the card was left in peace");
    });
}

#[test]
fn a_driver_without_escape_commands_gets_them_as_if_they_were_for_the_card() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let without_card = within(AMPLE, slot.escape(&PSEUDO)).await;
        assert_eq!(kind(without_card, &pcscd.name(0, 0)), FaultKind::Other);
        let card = connected(&pcscd, &mut slot, yes).await;
        assert_eq!(within(AMPLE, slot.escape(&PSEUDO)).await, Ok(OK.to_vec()));
        // Of any other class it would be the card's to carry out.
        let reply = within(AMPLE, slot.escape(&BEEP)).await;
        assert_eq!(kind(reply, &pcscd.name(0, 0)), FaultKind::Other);
        assert_eq!(card.commands(), [PSEUDO]);
    });
}

#[test]
fn a_command_for_the_reader_hides_neither_a_reset_nor_another_card() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let mut slot = open(&PcscService::new(), CONTACTLESS).await;
        let card = connected(&pcscd, &mut slot, yes).await;
        let other = another_program(&pcscd, pcsc::ShareMode::Shared);
        other.disconnect(pcsc::Disposition::ResetCard).map_err(|(_, e)| e).expect("it may");
        assert_eq!(within(AMPLE, slot.escape(&PSEUDO)).await, Ok(OK.to_vec()));
        let (_, begun) = send(&mut slot, vec![GET_CHALLENGE.to_vec()]).await.expect("it begins");
        assert!(begun.renewed);
        card.remove();
        until(&mut slot, &Content::Nothing).await;
        let next = FarCard::insert(&pcscd.slot_socket(0, 0), CONTACTLESS_ATR, Box::new(yes));
        until(&mut slot, &Content::Card(CONTACTLESS_ATR.to_vec())).await;
        assert_eq!(within(AMPLE, slot.escape(&PSEUDO)).await, Ok(OK.to_vec()));
        let sent = send(&mut slot, vec![GET_CHALLENGE.to_vec()]).await;
        assert_eq!(kind(sent, &pcscd.name(0, 0)), FaultKind::Removed);
        assert_eq!(next.commands(), [PSEUDO]);
    });
}
