//! A modem line of a serial port as a switch: a contact between it and another one tells of somebody.
//!
//! The line is `1` and `0`, a byte each: the state first, then every change. The kernel tells of
//! changes to some ports only, and USB adapters are asked by a transfer, so a thread asks.
//!
//! Who comes and goes between two looks is missed. The kernel's own wait for a change (`TIOCMIWAIT`) ends
//! with a change or a signal and with nothing else: each time nobody listens any more a thread would stay
//! behind in it. Its counters of changes (`TIOCGICOUNT`) count on most ports only while somebody waits so.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use super::serial::SerialDevice;
use super::{BoxedLine, ModemLines, Opening, Port, PortError, fed};
use crate::device::Trouble;

/// The rate at which the port is opened, which means nothing.
const BAUD: u32 = 9600;

/// Which of the modem lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModemLine {
    /// Clear to send.
    Cts,
    /// Data set ready.
    Dsr,
    /// Carrier detect.
    Dcd,
    /// Ring indicator.
    Ri,
}

/// A modem line of a serial port.
pub struct ModemSwitch {
    port: SerialDevice,
    path: String,
    line: ModemLine,
    /// `1` is said while the line is not held.
    active_low: bool,
    /// How often it is looked at.
    poll: Duration,
}

impl ModemSwitch {
    /// That of the port at `path`, looked at every `poll`; nothing is opened yet. With `active_low`,
    /// `1` is said while it is not held.
    #[must_use]
    pub fn new(path: &str, line: ModemLine, active_low: bool, poll: Duration) -> Self {
        Self { port: SerialDevice::new(path), path: path.to_owned(), line, active_low, poll }
    }
}

impl ModemLine {
    fn of(self, lines: ModemLines) -> bool {
        match self {
            Self::Cts => lines.cts,
            Self::Dsr => lines.dsr,
            Self::Dcd => lines.dcd,
            Self::Ri => lines.ri,
        }
    }
}

impl Port for ModemSwitch {
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
            let mut port = self.port.open(BAUD).await?;
            let other = |source| PortError::Other { port: self.path.clone(), source };
            if port.modem_lines().is_none() {
                return Err(other(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "this port has no modem lines",
                )));
            }
            let (line, active_low, mut last) = (self.line, self.active_low, None);
            let ask = move || {
                let lines = port.modem_lines().ok_or(io::ErrorKind::NotConnected)?;
                let level = line.of(lines) != active_low;
                let news = last.replace(level) != Some(level);
                Ok(news.then_some(Bytes::from_static(if level { b"1" } else { b"0" })))
            };
            let line = fed::asking("modem lines", self.poll, ask).map_err(other)?;
            Ok(Box::new(line) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.port.worth_opening(trouble)
    }

    fn vanished(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.port.vanished()
    }
}
