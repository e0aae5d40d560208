//! The card inside a transaction, on the slot's thread.
//!
//! [`super::connection`] begins the transaction; [`run`] polls the sequence to its end. Each command
//! is a blocking call whose future is ready at once, so the whole sequence runs without a change of
//! threads.

use std::future;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use pcsc::{Disposition, Error, Transaction};
use tokio::sync::watch;

use super::faults::{Remedy, fault, remedy, silent};
use super::monitor::View;
use super::worker::{Answer, Line, Step};
use crate::port::card::{Begun, Card, CardFault, Content, FaultKind, Later, Protocol, Sequence};

/// After a failed exchange: how often, and how many times, the monitor is asked whether the card was
/// taken away. pcscd looks every 400 ms where the reader does not tell.
const LOOKS: (Duration, u32) = (Duration::from_millis(10), 50);

/// What exchanges need, lent by the connection.
pub(super) struct Desk<'a> {
    pub(super) name: &'a str,
    pub(super) line: &'a Line,
    pub(super) view: &'a watch::Receiver<View>,
    pub(super) protocol: Protocol,
    pub(super) buffer: &'a mut [u8],
}

/// Runs the sequence, answers, and ends the transaction. Gives the error that broke the connection,
/// if one did.
pub(super) fn run(
    transaction: Transaction<'_>,
    desk: Desk<'_>,
    sequence: Sequence,
    begun: Begun,
    answer: Answer<Begun>,
) -> Option<Error> {
    if desk.line.left_behind() {
        // Too late: nobody expects that anything happens to the card now.
        return None;
    }
    let (name, number) = (desk.name, lies_there(&desk));
    let mut card = InTransaction { card: &transaction, desk, number, broke: None };
    let result = sequence(&mut card).now_or_never().map(|()| begun).ok_or_else(|| {
        let detail = format!("{name}: a sequence waited for something else than its card");
        CardFault::new(FaultKind::Other, detail)
    });
    let broke = card.broke;
    answer.give(result);
    // What fails here fails at the next beginning as well, and is told then.
    let _ = transaction.end(Disposition::LeaveCard);
    broke
}

struct InTransaction<'a> {
    card: &'a pcsc::Card,
    desk: Desk<'a>,
    /// Which card it is.
    number: Option<u64>,
    broke: Option<Error>,
}

impl Card for InTransaction<'_> {
    fn protocol(&self) -> Protocol {
        self.desk.protocol
    }

    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(future::ready(self.exchange(command)))
    }
}

impl InTransaction<'_> {
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, CardFault> {
        if self.desk.line.left_behind() {
            return Err(silent(self.desk.name));
        }
        self.desk.line.go(Step::Exchange);
        match self.card.transmit(command, self.desk.buffer) {
            Ok(answer) => Ok(answer.to_vec()),
            Err(error) => {
                let error = self.what_happened(error);
                if remedy(error) != Remedy::Nothing {
                    self.broke = Some(error);
                }
                Err(fault(error, self.desk.name))
            }
        }
    }

    /// Drivers say of a card that is taken away in the middle what they say of a silent one;
    /// pcscd's next look tells them apart.
    fn what_happened(&self, error: Error) -> Error {
        match error {
            Error::NoSmartcard => Error::RemovedCard,
            // pcscd has powered it off under us, and forgotten its protocol.
            Error::ProtoMismatch => Error::UnpoweredCard,
            Error::NotTransacted | Error::CommDataLost => {
                let (pause, times) = LOOKS;
                for _ in 0..times {
                    if self.number.is_some() && lies_there(&self.desk) != self.number {
                        return Error::RemovedCard;
                    }
                    thread::sleep(pause);
                }
                error
            }
            error => error,
        }
    }
}

/// The number of the card in the slot, as far as the monitor knows.
fn lies_there(desk: &Desk<'_>) -> Option<u64> {
    let holds = desk.view.borrow().holds(desk.name)?;
    (holds.what != Content::Nothing).then_some(holds.number)
}
