//! The driver of scanners on a serial line: UART, USB adapter, CDC ACM.
//!
//! A continuous scanner says what it sees whether or not anybody asked: its port stays open, and
//! what nobody wants is read and thrown away. A module that scans on request (`trigger`) is
//! started while somebody wants a code, and stopped after.
//!
//! ```text
//! bytes ─► framer ─► same code again? ─► source ─► oldest call + listeners
//!             └ over the limit, unfinished: thrown away, counted
//! ```

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Code;
use super::framing::{Found, Framer, Framing};
use super::trigger::Trigger;
use crate::device::{Driver, Status, Trouble};
use crate::moment::at;
use crate::port::BoxedLine;
use crate::port::lossy::MISSING;
use crate::source::{Demand, Source};

/// How long a code with a suffix may stop in its middle before its beginning is thrown away, so
/// that a torn code never becomes the beginning of the next customer's.
pub(super) const TORN: Duration = Duration::from_secs(1);

/// How long a trigger command may take to leave.
const WRITE_LIMIT: Duration = Duration::from_millis(500);

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The line's rate in baud.
    pub baud: u32,
    /// How codes stand in the stream.
    pub framing: Framing,
    /// Without a suffix: the idle gap that ends a code.
    pub idle: Duration,
    /// The same code again within this time of its last sight is passed over, unless a new call
    /// has come since; zero: never.
    pub same_code: Duration,
}

/// The driver. Its codes go to a source.
pub struct SerialScanner {
    settings: Settings,
    source: Source<Code>,
}

impl SerialScanner {
    /// A driver whose codes go to `source`.
    #[must_use]
    pub fn new(settings: Settings, source: Source<Code>) -> Self {
        Self { settings, source }
    }
}

impl Driver for SerialScanner {
    fn baud(&self) -> u32 {
        self.settings.baud
    }

    async fn run(&mut self, line: BoxedLine, status: &Status) -> Option<Trouble> {
        let mut session = Session {
            line,
            framer: Framer::new(self.settings.framing.clone()),
            demand: self.source.demand(),
            scan_ends: None,
            no_command_before: Instant::now(),
            last: None,
        };
        self.source.recover();
        status.started();
        match self.scan(&mut session, status).await {
            Ok(never) => match never {},
            Err(error) => Some(Trouble::Absent {
                detail: format!("the scanner's line is gone: {error}; plug it in again"),
            }),
        }
    }

    fn unusable(&mut self, trouble: &Trouble) {
        self.source.fail_all(trouble);
    }
}

struct Session {
    line: BoxedLine,
    framer: Framer,
    demand: watch::Receiver<Demand>,
    /// When the scan that was started ends by itself; `None` while none runs.
    scan_ends: Option<Instant>,
    /// The module wants a pause between two commands.
    no_command_before: Instant,
    last: Option<Last>,
}

/// The last code, for the suppression of the same one.
struct Last {
    code: Code,
    seen: Instant,
    requests: u64,
}

impl SerialScanner {
    async fn scan(
        &mut self,
        session: &mut Session,
        status: &Status,
    ) -> io::Result<std::convert::Infallible> {
        let trigger = self.settings.framing.trigger;
        let silence =
            if self.settings.framing.suffix.is_empty() { self.settings.idle } else { TORN };
        let mut chunk = [0; 1024];
        loop {
            if let Some(trigger) = trigger {
                session.work_trigger(trigger).await?;
            }
            let wanted = session.demand.borrow().wanted;
            let command = trigger.and_then(|_| session.command_due(wanted));
            let gap = session.framer.is_in_code().then(|| Instant::now() + silence);
            tokio::select! {
                biased;
                read = session.line.read(&mut chunk) => {
                    let read = match read {
                        Ok(0) => {
                            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "unplugged"));
                        }
                        Ok(read) => read,
                        // Keys that type nothing known, a broken report.
                        Err(error) if error.kind() == MISSING => {
                            session.framer.lose();
                            continue;
                        }
                        Err(error) => return Err(error),
                    };
                    tracing::trace!(bytes = read, "scanner");
                    session.framer.push(&chunk[..read]);
                    while let Some(found) = session.framer.next_code() {
                        self.found(found, session, status);
                        // However many codes come in one piece, each is passed on before the next.
                        tokio::task::yield_now().await;
                    }
                }
                () = at(gap) => match session.framer.gap() {
                    Some(found) => self.found(found, session, status),
                    None => {
                        session.framer.clear();
                        status.count("torn");
                    }
                },
                () = at(command) => {}
                _ = session.demand.changed(), if trigger.is_some() => {}
            }
        }
    }

    fn found(&mut self, found: Found, session: &mut Session, status: &Status) {
        // The module has ended its scan; another one has to be asked for.
        if session.scan_ends.take().is_some() {
            session.hold_commands();
        }
        let code = match found {
            Found::Code(code) => code,
            Found::TooLong => {
                tracing::debug!("a code over the limit was thrown away");
                status.count("tooLong");
                return;
            }
            Found::Torn => {
                status.count("torn");
                return;
            }
        };
        let requests = session.demand.borrow().requests;
        let now = Instant::now();
        if !self.settings.same_code.is_zero()
            && let Some(last) = &mut session.last
            && last.code == code
            && last.requests == requests
            && now.duration_since(last.seen) < self.settings.same_code
        {
            last.seen = now;
            status.count("sameCode");
            return;
        }
        if !self.settings.same_code.is_zero() {
            session.last = Some(Last { code: code.clone(), seen: now, requests });
        }
        let wanted = self.source.offer(code);
        status.count(if wanted { "readings" } else { "unwanted" });
    }
}

impl Session {
    /// Starts the module while somebody wants a code, starts it again when its own time is over,
    /// stops it when nobody does; never two commands within [`Trigger::COMMAND_GAP`].
    async fn work_trigger(&mut self, trigger: Trigger) -> io::Result<()> {
        let wanted = self.demand.borrow_and_update().wanted;
        let now = Instant::now();
        if self.command_due(wanted).is_none_or(|due| due > now) {
            return Ok(());
        }
        self.command(if wanted { trigger.start() } else { trigger.stop() }).await?;
        self.scan_ends = wanted.then(|| now + Trigger::SCAN_TIME);
        self.hold_commands();
        Ok(())
    }

    /// When the next command to the module is due; `None` if there is nothing to say to it.
    fn command_due(&self, wanted: bool) -> Option<Instant> {
        let due = match self.scan_ends {
            Some(ends) if wanted => ends,
            None if !wanted => return None,
            _ => self.no_command_before,
        };
        Some(due.max(self.no_command_before))
    }

    fn hold_commands(&mut self) {
        self.no_command_before = Instant::now() + Trigger::COMMAND_GAP;
    }

    async fn command(&mut self, bytes: &[u8]) -> io::Result<()> {
        match timeout(WRITE_LIMIT, self.line.write_all(bytes)).await {
            Ok(result) => result,
            // Flow control stops the line; the next command is tried when it is due.
            Err(_) => {
                tracing::warn!("the scanner takes no commands");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
