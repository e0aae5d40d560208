//! The project's virtual scanner on a pty.

use std::path::Path;

use hharome_hardware::code::trigger::Trigger;
use hharome_hardware::code::virtual_scanner::{ScannerHand, VirtualScanner};
use hharome_hardware::port::far_end::{self, FarEnd, Plug};
use hharome_hardware::port::pty::PtyFarEnd;
use tokio::task::JoinHandle;

use super::soon;

/// A virtual scanner, and the hand that works it.
pub(super) struct Scanner {
    pub(super) hand: ScannerHand,
    plug: Plug,
    life: JoinHandle<()>,
}

impl Scanner {
    /// A scanner that is plugged in at `link`, ends its codes with `suffix`, and scans on request
    /// if it has a command set.
    pub(super) fn at(link: &Path, suffix: &str, trigger: Option<Trigger>) -> Self {
        let (scanner, hand) = VirtualScanner::new(suffix.as_bytes(), trigger);
        let end = PtyFarEnd::open(Some(link)).expect("a pty");
        let plug = end.plug().clone();
        Self { hand, plug, life: tokio::spawn(far_end::run(end, scanner)) }
    }

    /// Shows it a code.
    pub(super) fn show(&self, code: impl AsRef<[u8]>) {
        self.hand.scan(code.as_ref()).expect("it is seen");
    }

    /// Pulls the plug, or puts it in.
    pub(super) fn plug(&self, plugged_in: bool) {
        self.plug.set(plugged_in);
    }

    /// Waits until it is triggered, or not.
    pub(super) async fn is_triggered(&self, triggered: bool) {
        let turns = async {
            // The hand tells nobody.
            while self.hand.is_triggered() != triggered {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        soon(&format!("the scanner is triggered: {triggered}"), turns).await;
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        self.life.abort();
    }
}
