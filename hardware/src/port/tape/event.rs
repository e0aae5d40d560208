//! What happens at a port, in a form that can be written down and read again.
//!
//! Made by the tape above, read by recorder and replay.

use std::io;

use bytes::Bytes;

use crate::port::card::tape::CardEvent;
use crate::port::{ModemLines, PortError};

/// What happened at a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortEvent {
    /// The line was opened.
    Opened {
        /// Its rate.
        baud: u32,
        /// The modem lines that the far end holds, where the port has some.
        modem: Option<ModemLines>,
    },
    /// The line could not be opened.
    NotOpened(OpenFailure),
    /// Bytes went out to the device.
    Out(Bytes),
    /// Bytes came in from the device, as the driver got them in one piece.
    In(Bytes),
    /// The rate of the open line was changed.
    Baud(u32),
    /// Reading ended or failed: the far end is gone.
    Gone(LineFault),
    /// Writing failed.
    NotWritten(LineFault),
    /// The driver let go of the line.
    Closed,
    /// What a card port knows besides commands and answers.
    Card(CardEvent),
}

/// Why a line was not opened: a [`PortError`] that can be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFailure {
    /// The port's name.
    pub port: String,
    /// What was wrong.
    pub kind: OpenFailureKind,
}

/// The kinds of [`PortError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenFailureKind {
    /// [`PortError::Absent`]
    Absent,
    /// [`PortError::Denied`]
    Denied,
    /// [`PortError::Held`]
    Held,
    /// [`PortError::Other`]
    Other(LineFault),
}

/// An end of reading, or an error of a line, that can be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// Nothing more to read, without an error.
    End,
    /// The operating system's error of this number (`errno`).
    Os(i32),
    /// An error that has words only.
    Words(String),
}

impl From<&PortError> for OpenFailure {
    fn from(error: &PortError) -> Self {
        let (port, kind) = match error {
            PortError::Absent { port } => (port, OpenFailureKind::Absent),
            PortError::Denied { port } => (port, OpenFailureKind::Denied),
            PortError::Held { port } => (port, OpenFailureKind::Held),
            PortError::Other { port, source } => {
                (port, OpenFailureKind::Other(LineFault::from(source)))
            }
        };
        Self { port: port.clone(), kind }
    }
}

impl From<OpenFailure> for PortError {
    fn from(failure: OpenFailure) -> Self {
        let port = failure.port;
        match failure.kind {
            OpenFailureKind::Absent => Self::Absent { port },
            OpenFailureKind::Denied => Self::Denied { port },
            OpenFailureKind::Held => Self::Held { port },
            OpenFailureKind::Other(fault) => Self::Other { port, source: fault.into() },
        }
    }
}

impl From<&io::Error> for LineFault {
    fn from(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Self::Os(number),
            None => Self::Words(error.to_string()),
        }
    }
}

impl From<LineFault> for io::Error {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::End => io::ErrorKind::UnexpectedEof.into(),
            LineFault::Os(number) => Self::from_raw_os_error(number),
            LineFault::Words(words) => Self::other(words),
        }
    }
}
