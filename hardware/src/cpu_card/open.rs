//! A slot that is open: carries out requests, keeps sessions, reads cards for those who poll.
//!
//! Made by [`super::slot`] each time the slot was opened; ends with the fault that closes it. There
//! is a connection to the card only while there is a session, or for the moment in which a card is
//! read for a poll.

mod poll;
mod requests;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use self::poll::Read;
use super::Settings;
use super::handle::Ends;
use super::queue::{Ask, Request};
use super::session::Sessions;
use super::slot::Said;
use crate::card::apdu;
use crate::card::atr::{self, CardInfo, Origin};
use crate::device::{State, Status, Trouble};
use crate::port::card::{
    Begun, BoxedSlot, Card, CardFault, Content, End, FaultKind, Holds, Later, Power, Powered,
    in_transaction,
};

pub(super) struct OpenSlot<'t> {
    slot: BoxedSlot,
    settings: &'t Settings,
    status: &'t Status,
    ends: &'t Ends,
    /// How many polls there are.
    polls: watch::Receiver<usize>,
    said: &'t mut Said,
    sessions: Sessions,
    /// The connection, while there is one.
    powered: Option<Powered>,
    /// What lay in the slot when it was looked at last.
    holds: Holds,
    /// What is known of that card.
    info: Option<Arc<CardInfo>>,
    /// Whether it was read for a poll.
    read: Read,
    /// The fault that has closed the slot.
    closed: Option<CardFault>,
    /// A connection was let go of after a fault: nobody knows what is open on the card, so the next
    /// one begins with a reset.
    spoilt: bool,
}

impl<'t> OpenSlot<'t> {
    pub(super) fn new(
        slot: BoxedSlot,
        settings: &'t Settings,
        status: &'t Status,
        ends: &'t Ends,
        said: &'t mut Said,
    ) -> Self {
        let sessions = Sessions::new(settings.session_idle);
        let holds = slot.holds();
        let open = Self {
            slot,
            settings,
            status,
            ends,
            polls: ends.polls.clone(),
            said,
            sessions,
            powered: None,
            holds,
            info: None,
            read: Read::Not,
            closed: None,
            spoilt: false,
        };
        open.tell_card();
        open.status.started();
        open
    }

    /// Works until the slot is closed, and tells why. `first` is a request that waits already.
    pub(super) async fn work(mut self, first: Option<Request>) -> CardFault {
        let mut request = first;
        loop {
            self.look().await;
            if let Some(request) = request.take() {
                self.carry_out(request).await;
            }
            let queue = &self.ends.queue;
            if self.sessions.end_idle(Instant::now(), |owner| queue.holds_one_of(owner)) {
                self.let_go(End::Unpower).await;
            }
            self.poll().await;
            if let Some(fault) = self.closed.take() {
                return fault;
            }
            let alarm = self.sessions.next_idle().into_iter().chain(self.read.again()).min();
            tokio::select! {
                biased;
                changed = self.slot.changed() => {
                    if let Err(fault) = changed {
                        self.status.count(counter(fault.kind));
                        return fault;
                    }
                }
                next = queue.next() => request = Some(next),
                // While a handle lives. Without one there is nobody to poll for.
                Ok(()) = self.polls.changed() => {}
                () = until(alarm) => {}
            }
        }
    }

    /// Takes note of what lies in the slot now. A card that is not there any more has no sessions.
    async fn look(&mut self) {
        let holds = self.slot.holds();
        if holds == self.holds {
            return;
        }
        let same = holds.number == self.holds.number && holds.what != Content::Nothing;
        self.holds = holds;
        self.tell_card();
        if !same {
            self.read = Read::Not;
            self.spoilt = false;
            self.card_gone().await;
        }
        if self.status.snapshot().state == State::Failed {
            // The reader tells of its cards: it may work again. The next exchange will show.
            self.works();
        }
    }

    fn tell_card(&self) {
        let card = match self.holds.what {
            Content::Nothing => "none",
            Content::Card(_) => "present",
            Content::Mute => "mute",
        };
        self.status.learn("card", card);
    }

    /// Connects, if there is no connection or more than that is asked for.
    async fn connect(&mut self, power: Power) -> Result<&Powered, CardFault> {
        if self.holds.what == Content::Nothing {
            let detail = format!("no card in {}", self.slot.reader());
            return Err(CardFault::new(FaultKind::NoCard, detail));
        }
        let power = if self.spoilt && power == Power::AsItIs { Power::Warm } else { power };
        if self.powered.is_none() || power != Power::AsItIs {
            match self.slot.connect(power).await {
                Ok(powered) => {
                    self.works();
                    self.spoilt = false;
                    self.powered = Some(powered);
                }
                Err(fault) => return Err(self.failed(fault).await),
            }
        }
        self.powered
            .as_ref()
            .ok_or_else(|| CardFault::new(FaultKind::Other, "there is no connection to the card"))
    }

    /// Runs `work` in one transaction with the card.
    async fn transact<T, W>(&mut self, work: W) -> Result<T, CardFault>
    where
        T: Send + 'static,
        W: for<'a> FnOnce(&'a mut dyn Card) -> Later<'a, T> + Send + 'static,
    {
        match in_transaction(self.slot.as_mut(), work).await {
            Ok((made, Begun { renewed })) => {
                if renewed {
                    self.status.count("resetsByOthers");
                }
                Ok(made)
            }
            Err(fault) => Err(self.failed(fault).await),
        }
    }

    /// What is told of the card, which has to be connected. Asked for once a card.
    async fn card_info(&mut self) -> Result<Arc<CardInfo>, CardFault> {
        if let Some(info) = &self.info {
            return Ok(Arc::clone(info));
        }
        let atr = self.connect(Power::AsItIs).await?.atr.clone();
        let info = if !self.settings.reads_info {
            CardInfo { bytes: atr, origin: Origin::Atr }
        } else {
            let answer = self.ask_for_ats().await?;
            let info = atr::card_info(&atr, answer.as_deref());
            if info.origin == Origin::Rebuilt {
                self.tell_rebuilt(answer.is_some());
            }
            info
        };
        if self.settings.reads_info {
            self.status.learn("cardInfo", info.origin.words());
        }
        let info = Arc::new(info);
        self.info = Some(Arc::clone(&info));
        Ok(info)
    }

    /// The reader's answer without its status word, if it has a good one.
    async fn ask_for_ats(&mut self) -> Result<Option<Vec<u8>>, CardFault> {
        // A first exchange may fail because the card is just being put down.
        for _ in 0..2 {
            self.connect(Power::AsItIs).await?;
            let asked = self
                .transact(|card| Box::pin(async move { apdu::exchange(card, &atr::GET_ATS).await }))
                .await?;
            match asked {
                Ok(mut answer) => {
                    self.works();
                    let good = apdu::status_word(&answer) == Some(0x9000);
                    answer.truncate(answer.len().saturating_sub(2));
                    return Ok(good.then_some(answer));
                }
                // Some readers take it for the card's, which then does not understand, or is deaf.
                Err(CardFault { kind: FaultKind::Other, .. }) => return Ok(None),
                Err(fault) if fault.kind == FaultKind::Silent => {
                    self.note(&fault).await;
                    self.spoil().await;
                }
                Err(fault) => return Err(self.failed_inside(fault).await),
            }
        }
        self.connect(Power::AsItIs).await?;
        Ok(None)
    }

    fn tell_rebuilt(&mut self, answered: bool) {
        let reader = self.slot.reader();
        if answered && !std::mem::replace(&mut self.said.historical_only, true) {
            self.status.cannot_do(format!(
                "give the ATS: {reader} answers FF CA 01 00 00 with less than the whole; \
                 nfc_cardInfo is rebuilt from the ATR"
            ));
        }
        if !answered && !std::mem::replace(&mut self.said.no_ats, true) {
            self.status.cannot_do(format!(
                "give the ATS: {reader} does not answer FF CA 01 00 00; nfc_cardInfo is rebuilt \
                 from the ATR"
            ));
        }
    }

    /// The reader has done what was asked of it.
    fn works(&self) {
        self.status.set(State::Ready);
    }

    /// What follows from a fault of the port.
    async fn failed(&mut self, fault: CardFault) -> CardFault {
        self.status.trouble(&Trouble::from(fault.clone()));
        self.note(&fault).await;
        if matches!(fault.kind, FaultKind::Silent | FaultKind::Other) {
            self.spoil().await;
        }
        fault
    }

    /// What there is of a connection cannot be relied on. The next request makes a new one.
    async fn spoil(&mut self) {
        self.spoilt |= self.powered.is_some();
        self.let_go(End::Leave).await;
    }

    /// What follows from a fault inside a transaction. What is wrong with the card's answers says
    /// nothing against the reader.
    async fn failed_inside(&mut self, fault: CardFault) -> CardFault {
        if fault.kind == FaultKind::Other {
            self.note(&fault).await;
            return fault;
        }
        self.failed(fault).await
    }

    async fn note(&mut self, fault: &CardFault) {
        self.status.count(counter(fault.kind));
        match fault.kind {
            FaultKind::NoService | FaultKind::NoReader => self.closed = Some(fault.clone()),
            // Nothing of what was open on it is left.
            FaultKind::NoCard | FaultKind::Removed | FaultKind::Mute => self.card_gone().await,
            FaultKind::Reset | FaultKind::Occupied | FaultKind::Silent | FaultKind::Other => {}
        }
    }

    /// All sessions end. Another card may lie there by now: it is not powered off.
    async fn card_gone(&mut self) {
        self.info = None;
        self.sessions.end_all();
        self.let_go(End::Leave).await;
    }

    async fn let_go(&mut self, end: End) {
        if self.powered.take().is_some() {
            self.slot.disconnect(end).await;
        }
    }
}

/// Waits for a time; for ever if there is none.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn counter(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::NoService | FaultKind::NoReader => "readerGone",
        FaultKind::NoCard => "noCard",
        FaultKind::Removed => "removed",
        FaultKind::Reset => "resetMeanwhile",
        FaultKind::Mute => "mute",
        FaultKind::Occupied => "occupied",
        FaultKind::Silent => "silent",
        FaultKind::Other => "otherFaults",
    }
}
