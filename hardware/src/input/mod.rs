//! What people operate the kiosk by: touch screens, keyboards, buttons, and a scanner that types.
//!
//! [`Operated`] is the driver: it reads from the devices that something happens, and looks at
//! neither keys nor places. Whoever wants to know has a [`Watcher`]; while there is none, the
//! devices are left closed, and a finger on the screen wakes nobody. [`virtual_keyboard`] is the far
//! end, [`layout`] the US keyboard.
//!
//! ```text
//! touch screen ─┐
//! keyboard     ─┼─► one line ─► Operated ─► Activity ─► every Watcher
//! scanner ──────┴──────────────────────────────┘
//! ```

pub mod layout;
mod operated;
pub mod redact;
pub mod virtual_keyboard;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

pub use operated::{Operated, Presence};

/// That somebody operates the kiosk. Clones are the same.
#[derive(Clone)]
pub struct Activity(Arc<Shared>);

struct Shared {
    /// When somebody last did.
    last: watch::Sender<Instant>,
    /// How many want to know.
    watchers: watch::Sender<usize>,
}

impl Default for Activity {
    fn default() -> Self {
        let (last, watchers) = (watch::Sender::new(Instant::now()), watch::Sender::new(0));
        Self(Arc::new(Shared { last, watchers }))
    }
}

impl Activity {
    /// Somebody has just operated the kiosk.
    pub fn made(&self) {
        self.0.last.send_replace(Instant::now());
    }

    /// Hears of it from now on.
    #[must_use]
    pub fn watch(&self) -> Watcher {
        self.0.watchers.send_modify(|watchers| *watchers += 1);
        Watcher { last: self.0.last.subscribe(), shared: Arc::clone(&self.0) }
    }

    /// Ends when somebody wants to know, or when nobody does.
    async fn is_watched(&self, wanted: bool) {
        let mut watchers = self.0.watchers.subscribe();
        // The sender lives in `self`, so this cannot fail.
        let _ = watchers.wait_for(|watchers| (*watchers > 0) == wanted).await;
    }
}

/// Hears of operation until it is dropped.
pub struct Watcher {
    last: watch::Receiver<Instant>,
    shared: Arc<Shared>,
}

impl Watcher {
    /// When the kiosk was operated; several times since the last call are told once, as the last of
    /// them. Safe to drop.
    pub async fn operated(&mut self) -> Instant {
        // The sender lives in `self.shared`, so this cannot fail.
        let _ = self.last.changed().await;
        *self.last.borrow_and_update()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.watchers.send_modify(|watchers| *watchers = watchers.saturating_sub(1));
    }
}
