//! A slot inside this process, with a virtual card in it.
//!
//! [`memory_slot`] makes the slot that a driver opens and the [`CardHand`] that works what lies in
//! it. It stands in for a reader with `--simulate` and in tests. Only tokio's clock is read, so the
//! limits of time pass at once where it is paused.

use tokio::time::timeout;

pub use crate::virtual_card::hand::{CardHand, Counts, Fault};

use super::{
    ACCESS, Begun, BoxedSlot, Card, CardFault, CardPort, CardSlot, EXCHANGE, End, FaultKind, Holds,
    Later, Power, Powered, Protocol, Sequence,
};
use crate::device::Trouble;
use crate::port::presence::RETRY;
use crate::virtual_card::hand::{Exchange, Unpowered};

/// A slot of a reader of this name, plugged in and empty, and the hand at it.
#[must_use]
pub fn memory_slot(reader: &str) -> (MemorySlot, CardHand) {
    let hand = CardHand::new();
    (MemorySlot { reader: reader.to_owned(), hand: hand.clone() }, hand)
}

/// A place where a slot in this process may be.
pub struct MemorySlot {
    reader: String,
    hand: CardHand,
}

impl CardPort for MemorySlot {
    fn open(&mut self) -> Later<'_, Result<BoxedSlot, CardFault>> {
        Box::pin(async {
            let plugs = self.hand.plugs().ok_or_else(|| gone(&self.reader))?;
            let slot = OpenSlot {
                reader: self.reader.clone(),
                hand: self.hand.clone(),
                plugs,
                told: self.hand.holds(),
                connection: None,
            };
            Ok(Box::new(slot) as BoxedSlot)
        })
    }

    fn worth_opening<'a>(&'a mut self, trouble: &'a Trouble) -> Later<'a, ()> {
        Box::pin(async move {
            if matches!(trouble, Trouble::Absent { .. }) && self.hand.plugs().is_none() {
                self.hand.until(|hand| hand.plugs().is_some()).await;
            } else {
                tokio::time::sleep(RETRY).await;
            }
        })
    }
}

struct OpenSlot {
    reader: String,
    hand: CardHand,
    /// Which plugging-in of the reader this is of.
    plugs: u64,
    /// What was told last of what lies there.
    told: Holds,
    connection: Option<Connection>,
}

/// To the card of this number, as it was after so many resets by others.
#[derive(Clone, Copy)]
struct Connection {
    number: u64,
    resets_by_others: u64,
    protocol: Protocol,
}

impl CardSlot for OpenSlot {
    fn reader(&self) -> &str {
        &self.reader
    }

    fn holds(&self) -> Holds {
        self.hand.holds()
    }

    fn changed(&mut self) -> Later<'_, Result<(), CardFault>> {
        Box::pin(async {
            let (plugs, told) = (self.plugs, &self.told);
            self.hand.until(|hand| hand.plugs() != Some(plugs) || hand.holds() != *told).await;
            self.plugged()?;
            self.told = self.hand.holds();
            Ok(())
        })
    }

    fn connect(&mut self, power: Power) -> Later<'_, Result<Powered, CardFault>> {
        Box::pin(async move {
            self.connection = None;
            self.access().await?;
            let (number, powered) = self.hand.power_up(power).map_err(|why| match why {
                Unpowered::Empty => {
                    CardFault::new(FaultKind::NoCard, format!("{}: no card in it", self.reader))
                }
                Unpowered::Mute => CardFault::new(
                    FaultKind::Mute,
                    format!("{}: the card does not answer to its power-up", self.reader),
                ),
            })?;
            let resets_by_others = self.hand.resets_by_others();
            let protocol = powered.protocol;
            self.connection = Some(Connection { number, resets_by_others, protocol });
            Ok(powered)
        })
    }

    fn transact(&mut self, sequence: Sequence) -> Later<'_, Result<Begun, CardFault>> {
        Box::pin(async move {
            self.plugged()?;
            let Some(mut connection) = self.connection else {
                let detail = format!("{}: no connection to a card", self.reader);
                return Err(CardFault::new(FaultKind::Other, detail));
            };
            self.access().await?;
            if !self.hand.has(connection.number) {
                return Err(removed(&self.reader));
            }
            let resets = self.hand.resets_by_others();
            let renewed = connection.resets_by_others != resets;
            connection.resets_by_others = resets;
            self.connection = Some(connection);
            let mut card = HeldCard { slot: self, connection };
            sequence(&mut card).await;
            Ok(Begun { renewed })
        })
    }

    fn disconnect(&mut self, end: End) -> Later<'_, ()> {
        Box::pin(async move {
            let connection = self.connection.take();
            if let Some(connection) = connection.filter(|_| end == End::Unpower) {
                self.hand.power_off(connection.number);
            }
        })
    }

    fn escape<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(async move {
            self.plugged()?;
            self.hand.escape(command).ok_or_else(|| {
                let detail = format!("{}: the reader knows no such command", self.reader);
                CardFault::new(FaultKind::Other, detail)
            })
        })
    }
}

impl OpenSlot {
    /// Whether the reader is still there, without a pause since the slot was opened.
    fn plugged(&self) -> Result<(), CardFault> {
        if self.hand.plugs() == Some(self.plugs) { Ok(()) } else { Err(gone(&self.reader)) }
    }

    /// Waits for the other program that holds the card.
    async fn access(&self) -> Result<(), CardFault> {
        let free = |hand: &CardHand| hand.plugs() != Some(self.plugs) || !hand.is(Fault::Occupied);
        timeout(ACCESS, self.hand.until(free)).await.map_err(|_| {
            let detail = format!("{}: another program holds the card", self.reader);
            CardFault::new(FaultKind::Occupied, detail)
        })?;
        self.plugged()
    }
}

/// The card inside a transaction.
struct HeldCard<'a> {
    slot: &'a OpenSlot,
    connection: Connection,
}

impl Card for HeldCard<'_> {
    fn protocol(&self) -> Protocol {
        self.connection.protocol
    }

    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(async move {
            let (slot, number) = (self.slot, self.connection.number);
            let exchange = async {
                match slot.hand.exchange(number, command).await {
                    Exchange::Answer(answer) => Some(answer),
                    Exchange::Silence => {
                        slot.hand.until(|hand| !hand.has(number)).await;
                        None
                    }
                    Exchange::Gone => None,
                }
            };
            let answer = timeout(EXCHANGE, exchange).await.map_err(|_| {
                let detail = format!("{}: the card does not answer", slot.reader);
                CardFault::new(FaultKind::Silent, detail)
            })?;
            slot.plugged()?;
            answer.ok_or_else(|| removed(&slot.reader))
        })
    }
}

fn gone(reader: &str) -> CardFault {
    CardFault::new(FaultKind::NoReader, format!("{reader}: not there"))
}

fn removed(reader: &str) -> CardFault {
    CardFault::new(FaultKind::Removed, format!("{reader}: the card was taken away"))
}

#[cfg(test)]
mod tests;
