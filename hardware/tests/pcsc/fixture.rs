//! What the tests share: three readers, cards, and short words for what is done with them.

use std::ffi::CString;
use std::future::Future;
use std::time::Duration;

use hharome_hardware::port::card::{
    Begun, BoxedSlot, CardFault, CardPort, Content, FaultKind, Power, in_transaction,
};
use hharome_hardware::port::pcsc::{PcscPort, PcscService, ReaderPattern};

use crate::pcscd::{FarCard, Pcscd, Reply};

/// A contactless reader, and one with two slots for SAMs.
pub(crate) const READERS: [(&str, usize); 2] =
    [("Example CL Contactless", 1), ("Example Dual SAM", 2)];
pub(crate) const CONTACTLESS: &str = "Example CL Contactless*";

/// PC/SC part 3: a contactless card with no historical bytes.
pub(crate) const CONTACTLESS_ATR: &[u8] = &[0x3B, 0x80, 0x80, 0x01, 0x01];
/// ISO/IEC 7816-3: T=0 only, so no check byte; five historical bytes.
pub(crate) const CONTACT_ATR: &[u8] = &[0x3B, 0x65, 0x00, 0x00, 1, 2, 3, 4, 5];

pub(crate) const OK: [u8; 2] = [0x90, 0x00];
pub(crate) const GET_CHALLENGE: [u8; 5] = [0x00, 0x84, 0x00, 0x00, 0x08];

/// Only failures take that long.
pub(crate) const AMPLE: Duration = Duration::from_secs(10);

pub(crate) async fn within<T>(limit: Duration, what: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, what).await.expect("in time")
}

pub(crate) fn port(service: &PcscService, pattern: &str) -> PcscPort {
    service.slot(&ReaderPattern::new(pattern))
}

pub(crate) async fn open(service: &PcscService, pattern: &str) -> BoxedSlot {
    within(AMPLE, port(service, pattern).open()).await.expect("the reader is there")
}

/// Waits until the slot holds such a thing, and gives its number.
pub(crate) async fn until(slot: &mut BoxedSlot, what: &Content) -> u64 {
    while slot.holds().what != *what {
        within(AMPLE, slot.changed()).await.expect("the reader stays");
    }
    slot.holds().number
}

/// A card in the contactless reader that answers each command so, seen by the slot and connected to.
pub(crate) async fn connected(
    pcscd: &Pcscd,
    slot: &mut BoxedSlot,
    answer: impl FnMut(&[u8]) -> Reply + Send + 'static,
) -> FarCard {
    let card = FarCard::insert(&pcscd.slot_socket(0, 0), CONTACTLESS_ATR, Box::new(answer));
    until(slot, &Content::Card(CONTACTLESS_ATR.to_vec())).await;
    within(AMPLE, slot.connect(Power::AsItIs)).await.expect("the card answers");
    card
}

/// What a card of tests answers where only that it does matters.
pub(crate) fn yes(_: &[u8]) -> Reply {
    Reply::Bytes(OK.to_vec())
}

/// What came of each of the commands of one transaction, and of its beginning.
pub(crate) type Sent = Result<(Vec<Result<Vec<u8>, CardFault>>, Begun), CardFault>;

/// Sends the commands in one transaction, all of them whatever comes of each.
pub(crate) async fn send(slot: &mut BoxedSlot, commands: Vec<Vec<u8>>) -> Sent {
    let sent = in_transaction(slot.as_mut(), move |card| {
        Box::pin(async move {
            let mut answers = Vec::new();
            for command in &commands {
                answers.push(card.transmit(command).await);
            }
            answers
        })
    });
    within(AMPLE, sent).await
}

/// Sends one command in one transaction, which must begin.
pub(crate) async fn ask(slot: &mut BoxedSlot, command: &[u8]) -> Result<Vec<u8>, CardFault> {
    let (mut answers, _) = send(slot, vec![command.to_vec()]).await.expect("it begins");
    answers.pop().expect("one for each command")
}

/// The kind of fault, which must say which reader it is and what may help.
#[track_caller]
pub(crate) fn kind<T>(result: Result<T, CardFault>, reader: &str) -> FaultKind {
    let Err(fault) = result else { panic!("no fault") };
    assert!(fault.detail.starts_with(&format!("{reader}: ")), "{}", fault.detail);
    assert!(fault.detail.contains([';', ',']), "no way out: {}", fault.detail);
    fault.kind
}

/// Waits until no thread hangs any more.
pub(crate) async fn until_nothing_hangs(service: &PcscService) {
    within(AMPLE, async {
        while service.abandoned() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Another program's connection to the contactless reader.
pub(crate) fn another_program(pcscd: &Pcscd, mode: pcsc::ShareMode) -> pcsc::Card {
    let reader = CString::new(pcscd.name(0, 0)).expect("no zero in it");
    let context = pcsc::Context::establish(pcsc::Scope::User).expect("pcscd runs");
    context.connect(&reader, mode, pcsc::Protocols::ANY).expect("a card is in it")
}

/// Ends another program's connection without a trace.
pub(crate) fn leave(card: pcsc::Card) {
    card.disconnect(pcsc::Disposition::LeaveCard).map_err(|(_, error)| error).expect("it is there");
}
