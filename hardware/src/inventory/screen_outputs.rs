//! The outputs of the X server of our own session, asked on a thread of its own: a server may hang.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::screen::helper::{ListedOutput, x_outputs};

/// How long the server may take. It answers within milliseconds unless it hangs.
const LIMIT: Duration = Duration::from_secs(2);

/// Those that are switched on, or why the server could not be asked.
pub(super) fn of_x() -> Result<Vec<ListedOutput>, String> {
    let (sender, receiver) = mpsc::channel();
    let asked = thread::Builder::new().name("x-outputs".to_owned()).spawn(move || {
        // Whoever asked may have lost patience.
        let _ = sender.send(x_outputs());
    });
    asked.map_err(|error| format!("no thread can be started: {error}"))?;
    let hangs = || "the X server does not answer".to_owned();
    receiver.recv_timeout(LIMIT).map_err(|_| hangs())?
}
