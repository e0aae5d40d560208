//! The connection to a compositor: taking in what it says, and waiting for it no longer than a limit.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wayland_client::backend::WaylandError;
use wayland_client::{Connection, DispatchError, EventQueue, QueueHandle};

use super::state::{Callback, State};

/// How long a compositor may take to answer, or to take in what it is told.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// Why the compositor cannot be used.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The connection has ended.
    Gone(io::Error),
    /// A request was refused, with the compositor's words.
    Refused(String),
    /// It does not answer.
    Late,
    /// It does not have this.
    Lacks(String),
}

/// A connection, and what is known by it.
pub(super) struct Link {
    connection: Connection,
    queue: EventQueue<State>,
    pub(super) state: State,
    /// The number of the last question.
    asked: u32,
}

impl Link {
    /// A connection whose compositor has said what it has.
    pub(super) fn new(stream: UnixStream) -> Result<Self, Wrong> {
        let connection = Connection::from_socket(stream)
            .map_err(|error| Wrong::Gone(io::Error::other(error.to_string())))?;
        let queue = connection.new_event_queue();
        let registry = connection.display().get_registry(&queue.handle(), ());
        let mut link = Self { connection, queue, state: State::new(registry), asked: 0 };
        // First what there is, then what was asked of that.
        link.sync()?;
        link.sync()?;
        Ok(link)
    }

    /// Readable when the compositor has said something.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }

    pub(super) fn handle(&self) -> QueueHandle<State> {
        self.queue.handle()
    }

    /// Takes in what has come, without waiting.
    pub(super) fn take_in(&mut self) -> Result<(), Wrong> {
        self.wait(Duration::ZERO, |_| false).map(|_| ())
    }

    /// Takes in what comes until this holds; whether it does, within the limit.
    pub(super) fn wait(
        &mut self,
        limit: Duration,
        holds: impl Fn(&State) -> bool,
    ) -> Result<bool, Wrong> {
        let by = Instant::now() + limit;
        loop {
            self.queue.dispatch_pending(&mut self.state)?;
            if holds(&self.state) {
                return Ok(true);
            }
            self.flush()?;
            let Some(guard) = self.queue.prepare_read() else { continue };
            let left = by.saturating_duration_since(Instant::now());
            if ready(guard.connection_fd(), PollFlags::IN, left)? {
                match guard.read() {
                    Ok(_) => {}
                    Err(WaylandError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            } else if left.is_zero() {
                return Ok(false);
            }
        }
    }

    /// Until the compositor has done all that it was told, and everything that it said before has come.
    pub(super) fn sync(&mut self) -> Result<(), Wrong> {
        self.asked = self.asked.wrapping_add(1);
        let asked = self.asked;
        self.connection.display().sync(&self.queue.handle(), Callback::Sync(asked));
        if self.wait(ANSWER, |state| state.synced == asked)? { Ok(()) } else { Err(Wrong::Late) }
    }

    /// Sends what has been told.
    pub(super) fn flush(&self) -> Result<(), Wrong> {
        let by = Instant::now() + ANSWER;
        loop {
            match self.connection.flush() {
                Ok(()) => return Ok(()),
                Err(WaylandError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            let left = by.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Wrong::Late);
            }
            ready(self.fd(), PollFlags::OUT, left)?;
        }
    }
}

/// Whether the connection is ready within the limit.
fn ready(fd: BorrowedFd<'_>, flags: PollFlags, limit: Duration) -> Result<bool, Wrong> {
    let limit = Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&limit)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(Wrong::Gone(error.into())),
    }
}

impl From<WaylandError> for Wrong {
    fn from(error: WaylandError) -> Self {
        match error {
            WaylandError::Io(error) => Self::Gone(error),
            WaylandError::Protocol(error) => {
                Self::Refused(format!("{} ({})", error.message, error.object_interface))
            }
        }
    }
}

impl From<DispatchError> for Wrong {
    fn from(error: DispatchError) -> Self {
        match error {
            DispatchError::Backend(error) => error.into(),
            DispatchError::BadMessage { interface, .. } => {
                Self::Refused(format!("it has said something of {interface} that is not known"))
            }
        }
    }
}
