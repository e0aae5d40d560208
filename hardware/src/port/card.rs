//! Card ports: the slots of card readers. They know no meaning.
//!
//! A [`CardPort`] is a place where a reader's slot may be; opening it gives a [`CardSlot`], which
//! tells what lies in it and carries commands to the card. Three kinds: [`super::pcsc`] asks the
//! operating system's PC/SC service, [`memory`] has a virtual card inside this process, and a replay
//! gives what a tape has. A driver cannot tell them apart.
//!
//! ```text
//! open ─► slot ─ changed ─► holds nothing / a card / a mute one
//!           └─ connect ─► powered ─ transact(sequence)* ─► disconnect
//! ```
//!
//! What has to happen undisturbed by other programs is one [`Sequence`]: begin, all its commands
//! and end are one request to the port, so a transaction never stands open while somebody thinks.
//! The port holds the limits of time ([`ACCESS`], [`EXCHANGE`]).

pub mod memory;
pub mod tape;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::device::Trouble;

/// How long a connection or a transaction may be waited for while another program holds the card.
/// Part of the protocol: longer is an error.
pub const ACCESS: Duration = Duration::from_secs(5);

/// How long one exchange with a card may take. Part of the protocol.
pub const EXCHANGE: Duration = Duration::from_secs(30);

/// Something that ends later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An open slot of any kind.
pub type BoxedSlot = Box<dyn CardSlot>;

/// A place where a slot may be.
pub trait CardPort: Send {
    /// Finds the slot, within a few seconds. Does not wait for it to be plugged in.
    fn open(&mut self) -> Later<'_, Result<BoxedSlot, CardFault>>;

    /// Ends when it is worth trying to open again after this trouble. Safe to drop.
    fn worth_opening<'a>(&'a mut self, trouble: &'a Trouble) -> Later<'a, ()>;
}

/// An open slot. Only [`CardSlot::changed`] may be dropped before its end.
pub trait CardSlot: Send {
    /// The reader's whole name, as PC/SC tells it.
    fn reader(&self) -> &str;

    /// What lies in the slot, as far as is known now.
    fn holds(&self) -> Holds;

    /// Ends when [`CardSlot::holds`] says something new since this was last asked, or with the fault
    /// that ends the slot: the reader or its service is gone. Safe to drop.
    fn changed(&mut self) -> Later<'_, Result<(), CardFault>>;

    /// Powers the card up and connects to it, shared with other programs; within [`ACCESS`]. With a
    /// connection already, does what `power` asks of it.
    fn connect(&mut self, power: Power) -> Later<'_, Result<Powered, CardFault>>;

    /// Runs the sequence inside one transaction, which ends with it in any case. Needs a
    /// connection. A card that others have reset meanwhile is connected to again first.
    ///
    /// The fault is of the way to the sequence, which has not run then; what happens inside, the
    /// sequence learns itself.
    fn transact(&mut self, sequence: Sequence) -> Later<'_, Result<Begun, CardFault>>;

    /// Lets go of the card, if there is a connection.
    fn disconnect(&mut self, end: End) -> Later<'_, ()>;

    /// Sends a command to the reader itself, with or without a card in it (`SCardControl` with the
    /// driver's escape code), and gives its answer.
    fn escape<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>>;
}

/// What lies in a slot.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Holds {
    /// What it is.
    pub what: Content,
    /// Which one it is: another number for every card that is put in.
    pub number: u64,
}

/// What a slot may hold. An ATR (answer to reset, ISO/IEC 7816-3 chapter 8) has up to 33 bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Content {
    /// No card.
    #[default]
    Nothing,
    /// A card with this ATR; empty while the reader has not powered it.
    Card(Vec<u8>),
    /// A card that does not answer to its power-up; some readers tell an empty SAM slot so.
    Mute,
}

/// How a card is powered on the way to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// As it is: up if it was down.
    AsItIs,
    /// With a warm reset.
    Warm,
    /// Off and on again: a cold reset.
    Cold,
}

/// What becomes of the card when a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It stays as it is.
    Leave,
    /// It is powered off: what was opened on it is closed.
    Unpower,
}

/// A card to which there is a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Powered {
    /// Its answer to reset.
    pub atr: Vec<u8>,
    /// The protocol that was agreed on.
    pub protocol: Protocol,
}

/// The transmission protocols of ISO/IEC 7816-3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// T=0: bytes; answers are fetched with GET RESPONSE.
    T0,
    /// T=1: blocks; contactless cards (T=CL) count as this.
    T1,
}

/// A transaction was begun, and its sequence has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Begun {
    /// Others had reset the card since the last transaction: what was open on it is not.
    pub renewed: bool,
}

/// The card inside a transaction.
pub trait Card: Send {
    /// The protocol that was agreed on.
    fn protocol(&self) -> Protocol;

    /// One command as it stands, and the card's answer as it stands; within [`EXCHANGE`]. Follows no
    /// `61xx`, repeats nothing.
    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>>;
}

/// What is done inside one transaction. Awaits nothing but its card: where a library blocks, it runs
/// on the port's thread.
pub type Sequence = Box<dyn for<'a> FnOnce(&'a mut dyn Card) -> Later<'a, ()> + Send>;

/// Why a card or its reader cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct CardFault {
    /// Which kind of why.
    pub kind: FaultKind,
    /// What it was, and the way out, for people who mend things; nothing of a person.
    pub detail: String,
}

/// The kinds of [`CardFault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The card service (pcscd) is not there.
    NoService,
    /// No such reader.
    NoReader,
    /// No card in the slot.
    NoCard,
    /// The card was taken away in the middle.
    Removed,
    /// Another program has reset the card in the middle.
    Reset,
    /// The card does not answer to its power-up.
    Mute,
    /// Not let at the card within [`ACCESS`]: another program holds it, or the reader hangs.
    Occupied,
    /// No answer within [`EXCHANGE`].
    Silent,
    /// Anything else.
    Other,
}

impl CardFault {
    /// A fault of this kind.
    #[must_use]
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl From<CardFault> for Trouble {
    fn from(fault: CardFault) -> Self {
        let detail = fault.detail;
        match fault.kind {
            FaultKind::NoService | FaultKind::NoReader => Self::Absent { detail },
            FaultKind::Occupied | FaultKind::Silent | FaultKind::Other => Self::Failed { detail },
            FaultKind::NoCard | FaultKind::Removed | FaultKind::Reset | FaultKind::Mute => {
                Self::Unreadable { detail }
            }
        }
    }
}

impl fmt::Debug for Powered {
    // An ATR may hold a card's number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Powered").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Card(_) => "Card",
            Self::Mute => "Mute",
        })
    }
}

/// Runs `work` inside one transaction, and gives back what it made.
///
/// # Errors
/// As [`CardSlot::transact`].
pub async fn in_transaction<T, W>(slot: &mut dyn CardSlot, work: W) -> Result<(T, Begun), CardFault>
where
    T: Send + 'static,
    W: for<'a> FnOnce(&'a mut dyn Card) -> Later<'a, T> + Send + 'static,
{
    let (sender, mut made) = oneshot::channel();
    let sequence: Sequence = Box::new(move |card| {
        Box::pin(async move {
            // Who asked may have gone.
            let _ = sender.send(work(card).await);
        })
    });
    let begun = slot.transact(sequence).await?;
    match made.try_recv() {
        Ok(value) => Ok((value, begun)),
        Err(_) => Err(CardFault::new(FaultKind::Other, "the sequence was not carried to its end")),
    }
}
