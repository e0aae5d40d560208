//! The driver of what people operate the kiosk by.
//!
//! Owns a line with the records of all such devices. Runs while somebody watches; opened once at
//! the start all the same, to know whether anything is there, and [`Presence`] tells of it while the
//! line is closed.

use std::future::Future;
use std::pin::Pin;

use tokio::io::AsyncReadExt;

use super::Activity;
use crate::device::{Driver, State, Status, Trouble};
use crate::port::BoxedLine;
use crate::port::input::{EV_ABS, EV_KEY, EV_SYN, InputEvent, Records, SYN_DROPPED, SYN_REPORT};

/// Tells, without opening anything, whether the devices are there.
pub trait Presence: Send {
    /// Ends when they may have come or gone. Safe to drop.
    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Why none can be used, if so.
    fn trouble(&mut self) -> Option<Trouble>;
}

/// The driver.
pub struct Operated {
    activity: Activity,
    status: Status,
    presence: Option<Box<dyn Presence>>,
    has_looked: bool,
}

impl Operated {
    /// A driver that tells `activity`. Without a `presence`, what is known of closed devices is what
    /// it was when they were last open.
    #[must_use]
    pub fn new(activity: Activity, status: Status, presence: Option<Box<dyn Presence>>) -> Self {
        Self { activity, status, presence, has_looked: false }
    }
}

impl Driver for Operated {
    async fn wanted(&mut self) {
        if !self.has_looked {
            return;
        }
        loop {
            let changed = async {
                match &mut self.presence {
                    Some(presence) => presence.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.activity.is_watched(true) => return,
                () = changed => {}
            }
            match self.presence.as_mut().and_then(|presence| presence.trouble()) {
                Some(trouble) => self.status.trouble(&trouble),
                None => self.status.set(State::Ready),
            }
        }
    }

    async fn run(&mut self, mut line: BoxedLine, status: &Status) -> Option<Trouble> {
        self.has_looked = true;
        status.started();
        let mut news = News::default();
        let mut chunk = [0; 1024];
        loop {
            tokio::select! {
                biased;
                read = line.read(&mut chunk) => {
                    let piece = read.ok().and_then(|read| chunk.get(..read));
                    let Some(piece) = piece.filter(|piece| !piece.is_empty()) else {
                        let detail = "the input devices are gone; plug them in again".to_owned();
                        return Some(Trouble::Absent { detail });
                    };
                    if news.are_in(piece) {
                        status.count("activity");
                        self.activity.made();
                    }
                }
                () = self.activity.is_watched(false) => return None,
            }
        }
    }

    /// Nobody waits for an answer of it: a countdown runs on.
    fn unusable(&mut self, _: &Trouble) {}
}

/// Tells operation from a device's state.
struct News {
    records: Records,
    is_state: bool,
}

impl Default for News {
    fn default() -> Self {
        Self { records: Records::default(), is_state: true }
    }
}

impl News {
    /// Whether somebody has done something, by this much more of the line.
    fn are_in(&mut self, piece: &[u8]) -> bool {
        let mut any = false;
        self.records.push(piece);
        while let Some(InputEvent { kind, code, .. }) = self.records.next_event() {
            match (kind, code) {
                (EV_SYN, SYN_DROPPED) => {
                    // So many events that some were lost were made by somebody.
                    (self.is_state, any) = (true, true);
                }
                (EV_SYN, SYN_REPORT) => self.is_state = false,
                // A mouse that moves may lie on a table that shakes; a finger that moves does not.
                (EV_KEY | EV_ABS, _) => any |= !self.is_state,
                _ => {}
            }
        }
        any
    }
}

#[cfg(test)]
mod tests;
