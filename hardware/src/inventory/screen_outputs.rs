//! The outputs of the display servers of our own session, each asked on a thread of its own: a server
//! may hang.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::screen::helper::{ListedOutput, wayland_outputs, x_outputs};

/// How long a server may take. It answers within milliseconds unless it hangs.
const LIMIT: Duration = Duration::from_secs(2);

type Outputs = Result<Vec<ListedOutput>, String>;

/// Those of the X server that are switched on, or why it could not be asked.
pub(super) fn of_x() -> Outputs {
    asked("x-outputs", "the X server", x_outputs)
}

/// The same of the Wayland compositor.
pub(super) fn of_wayland() -> Outputs {
    asked("wayland-outputs", "the Wayland compositor", wayland_outputs)
}

fn asked(thread: &str, server: &str, ask: fn() -> Outputs) -> Outputs {
    let (sender, receiver) = mpsc::channel();
    let asked = thread::Builder::new().name(thread.to_owned()).spawn(move || {
        // Whoever asked may have lost patience.
        let _ = sender.send(ask());
    });
    asked.map_err(|error| format!("no thread can be started: {error}"))?;
    let hangs = || format!("{server} does not answer");
    receiver.recv_timeout(LIMIT).map_err(|_| hangs())?
}
