//! One text after the other: what every driver of speech does between its texts.
//!
//! ```text
//! cut? ─► hush          text ─► say ─┬─► spoken, cut, dropped: counted
//!   ▲                                └─► trouble: lost if it was heard, else put back; the driver ends
//!   └──────────────────────────────────────┘
//! ```
//!
//! Called by [`super::ssip`] and [`super::espeak`] once their service is ready; ends with its trouble.

use std::convert::Infallible;
use std::future::Future;

use super::{Ending, Orders, Utterance};
use crate::device::{State, Status, Trouble};

/// What says texts: an open line that is ready.
pub(super) trait Voice {
    /// Makes sure that nothing is being said any more.
    fn hush(&mut self) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Ends when something has come although nothing is being said. Safe to drop.
    fn stray(&mut self) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Says an utterance, unless it is cut off; `heard` from when it can be.
    fn say(
        &mut self,
        utterance: &Utterance,
        orders: &Orders,
        status: &Status,
        heard: &mut bool,
    ) -> impl Future<Output = Result<Ending, Trouble>> + Send;
}

/// Says what comes through `orders`.
pub(super) async fn speak(
    voice: &mut impl Voice,
    orders: &Orders,
    status: &Status,
) -> Result<Infallible, Trouble> {
    orders.recover();
    status.started();
    loop {
        if orders.take_cut() {
            voice.hush().await?;
            continue;
        }
        tokio::select! {
            biased;
            stray = voice.stray() => {
                stray?;
                continue;
            }
            () = orders.wanted() => {}
        }
        if orders.is_cut() {
            continue;
        }
        if let Some(utterance) = orders.take() {
            status.set(State::Busy);
            let mut heard = false;
            match voice.say(&utterance, orders, status, &mut heard).await {
                Ok(ending) => status.count(ending.counter()),
                Err(trouble) => {
                    if heard {
                        status.count("lost");
                    } else {
                        orders.put_back(utterance);
                    }
                    return Err(trouble);
                }
            }
            status.set(State::Ready);
        }
    }
}
