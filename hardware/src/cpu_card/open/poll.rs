//! Cards that are put in, read for those who poll.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::OpenSlot;
use crate::card::atr::CardInfo;
use crate::cpu_card::Seen;
use crate::port::card::{CardFault, Content, End, FaultKind, Power};

/// How soon a card is read again that another program did not let us at: it lies there still, and
/// whoever waits for it should not have to lift it. Each try may wait five seconds by itself.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// Whether the card in the slot was read for a poll.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// Not yet.
    Not,
    /// It was, or has gone meanwhile.
    Done,
    /// It does not answer.
    Failed,
    /// Another program has it. To be tried again then.
    Later(Instant),
}

impl Read {
    /// When the card is to be read again.
    pub(super) fn again(self) -> Option<Instant> {
        match self {
            Self::Later(time) => Some(time),
            Self::Not | Self::Done | Self::Failed => None,
        }
    }
}

impl OpenSlot<'_> {
    /// Reads a card that has not been read, if anybody polls, and tells what is seen.
    pub(super) async fn poll(&mut self) {
        let wanted = *self.polls.borrow_and_update() > 0;
        let readable = matches!(self.holds.what, Content::Card(_));
        if self.info.is_some() {
            // Be it for a request.
            self.read = Read::Done;
        } else if !(wanted && readable) && self.read.again().is_some() {
            // Nothing is to be tried then.
            self.read = Read::Not;
        }
        let due = match self.read {
            Read::Not => true,
            Read::Later(time) => Instant::now() >= time,
            Read::Done | Read::Failed => false,
        };
        if wanted && readable && due {
            self.read = match self.read_card().await {
                Ok(_) => Read::Done,
                Err(fault) => match fault.kind {
                    FaultKind::NoCard | FaultKind::Removed => Read::Done,
                    FaultKind::Mute => Read::Failed,
                    _ => Read::Later(Instant::now() + TRY_AGAIN),
                },
            };
        }
        let seen = self.seen();
        self.ends.seen.send_if_modified(|told| {
            let news = *told != seen;
            *told = seen;
            news
        });
    }

    async fn read_card(&mut self) -> Result<Arc<CardInfo>, CardFault> {
        let read = match self.connect(Power::AsItIs).await {
            Ok(_) => self.card_info().await,
            Err(fault) => Err(fault),
        };
        if self.sessions.is_empty() {
            // Others may use it.
            self.let_go(End::Leave).await;
        }
        read
    }

    fn seen(&self) -> Seen {
        let number = self.holds.number;
        match (&self.holds.what, &self.info, self.read) {
            _ if self.closed.is_some() => Seen::Unusable,
            (Content::Nothing, ..) => Seen::Nothing,
            (_, Some(info), _) => Seen::Card { number, info: Arc::clone(info) },
            (Content::Mute, ..) | (_, None, Read::Failed | Read::Later(_)) => {
                Seen::Unreadable { number }
            }
            (Content::Card(_), None, Read::Not | Read::Done) => Seen::Nothing,
        }
    }
}
