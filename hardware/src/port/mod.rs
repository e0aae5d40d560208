//! Ports: the narrow things between us and the outside of a device. They know no meaning.
//!
//! A [`Port`] is a place where a device may be plugged in; opening it gives a [`Line`], a stream of
//! bytes. Whatever a device's wire carries becomes one: [`serial`] lines and sockets are bytes
//! already; where the wire has messages, such as reports and transfers, the line has [`packets`],
//! and of input devices it has records ([`input`]). So one tape, one replay and one memory serve all
//! of them. Chip cards alone are no lines: [`card`].
//!
//! [`memory`] is a port inside this process whose [`far_end`] is a virtual device; [`pty`] offers a
//! far end to other programs. A driver cannot tell them apart. [`tape`] stands around any of them and
//! tells what passes; [`replay`] is a port that gives what a tape has. [`place`] is how a person
//! names the one that is meant.

pub mod card;
pub mod carried;
pub mod far_end;
pub mod far_socket;
pub mod far_tcp;
mod fed;
pub(crate) mod glob;
pub mod gpio;
pub mod hidraw;
pub mod iio;
pub mod input;
pub(crate) mod libasound;
pub(crate) mod lossy;
pub mod lp;
pub mod memory;
pub mod modem;
pub mod packets;
pub mod pcm;
pub mod pcsc;
pub mod place;
mod presence;
pub mod pty;
pub mod replay;
pub mod serial;
pub mod served;
pub mod socket;
pub mod tape;
pub mod usb;

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::device::Trouble;

/// A place where a device may be plugged in.
pub trait Port: Send {
    /// Opens the line. A serial one runs at `baud`, with 8 data bits, no parity, 1 stop bit, and
    /// no flow control unless the port was made with one; to any other kind the rate means nothing.
    ///
    /// # Errors
    /// What is wrong with the port, by name, with the way out.
    fn open(&mut self, baud: u32) -> Opening<'_>;

    /// Ends when it is worth opening the port again after `trouble`.
    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

    /// Ends when nothing is plugged in here, of a port that is not open because nobody wants it;
    /// never where that cannot be known without opening it.
    fn vanished(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

/// A port that is being opened. Most are open at once; what may hang has a limit of its own.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<BoxedLine, PortError>> + Send + 'a>>;

/// An open line. Reading 0 bytes means that the far end is gone.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {
    /// Changes the rate of the open line, if it is a serial one.
    ///
    /// # Errors
    /// Those of the operating system.
    fn set_baud(&mut self, _baud: u32) -> io::Result<()> {
        Ok(())
    }

    /// Throws away what has arrived and was not read yet.
    ///
    /// # Errors
    /// Those of the operating system.
    fn discard_input(&mut self) -> io::Result<()>;

    /// The modem lines that the far end holds now; `None` where the port has none (ptys, memory).
    fn modem_lines(&mut self) -> Option<ModemLines> {
        None
    }

    /// Whether what was written may be lost if the line is closed at once: a TCP connection with something
    /// unread is cut off. Whoever cares shuts it down, and reads until the far end has closed it, too.
    fn lingers(&self) -> bool {
        false
    }
}

/// The modem lines of a serial port (ITU-T V.24) that the far end drives. A contact may hang on one
/// ([`modem`]); of other devices they tell, in a recording, a missing cable from a silent device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModemLines {
    /// Clear to send.
    pub cts: bool,
    /// Data set ready.
    pub dsr: bool,
    /// Carrier detect.
    pub dcd: bool,
    /// Ring indicator.
    pub ri: bool,
}

/// A line of any kind.
pub type BoxedLine = Box<dyn Line>;

/// Why a port cannot be opened. Each says the port's name and the way out.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// There is no such device file, or nobody at a socket: nothing is plugged in.
    #[error("{port}: {}", absence(port))]
    Absent {
        /// The port's path.
        port: String,
    },
    /// The file is there and we may not open it.
    #[error("{port}: permission denied; {}", permission(port))]
    Denied {
        /// The port's path.
        port: String,
    },
    /// Another program holds it.
    #[error("{port}: held by another program; stop that program (`fuser {port}` names it)")]
    Held {
        /// The port's path.
        port: String,
    },
    /// Anything else that the operating system says.
    #[error("{port}: cannot be opened: {source}")]
    Other {
        /// The port's path.
        port: String,
        /// What the operating system said.
        source: io::Error,
    },
}

impl PortError {
    /// Nothing is plugged in, as opposed to something that does not work.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }
}

/// What is to be done where nothing is plugged in.
fn absence(port: &str) -> &'static str {
    if port.starts_with(socket::UNIX) || port.starts_with(socket::TCP) {
        "nobody listens there; start the program that does, or name another address"
    } else if port.starts_with(PROGRAM) {
        "there is no such program; install it, or name another"
    } else {
        "not there; plug the device in, or name another port (see `hharome devices`)"
    }
}

/// How the name of a port that is a program begins.
pub const PROGRAM: &str = "program:";

/// What gives the daemon's user access to this device file: it belongs to a group, by Debian's defaults
/// to that which is named here.
pub(crate) fn permission(port: &str) -> String {
    let group = match port {
        _ if port.starts_with("/dev/hidraw") || port.starts_with("/dev/bus/usb/") => {
            return "USB devices belong to root: a udev rule has to give this one to a group that the \
                    daemon's user is in"
                .to_owned();
        }
        _ if port.starts_with("/dev/input/") => " (often input)",
        _ if port.starts_with("/dev/gpiochip") => " (often gpio)",
        _ if port.starts_with("/dev/usb/lp") => " (often lp)",
        _ if port.starts_with("/dev/dri/") => " (often video)",
        _ if port.starts_with("/dev/") => " (often dialout)",
        // A link of the kiosk's own.
        _ => "",
    };
    format!("add the daemon's user to the file's group{group}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_port_tells_which_group_may_use_it() {
        let told = |port: &str| PortError::Denied { port: port.to_owned() }.to_string();
        for (port, words) in [
            ("/dev/ttyS2", "group (often dialout)"),
            ("/dev/input/event3", "group (often input)"),
            ("/dev/gpiochip0", "group (often gpio)"),
            ("/dev/dri/card0", "group (often video)"),
            ("/dev/hidraw0", "a udev rule"),
            ("/dev/bus/usb/001/002", "a udev rule"),
        ] {
            assert!(told(port).contains(words), "{}", told(port));
        }
        // Wherever it is: no device file is a socket.
        let link = told("/opt/kiosk/reader");
        assert!(link.ends_with("add the daemon's user to the file's group"), "{link}");
    }
}
