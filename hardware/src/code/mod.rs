//! Scanners of QR and bar codes.
//!
//! [`serial`] is the driver of scanners on a line of bytes, [`keyboard`] that of those that type;
//! [`framing`] cuts its bytes into codes, [`trigger`] holds the command
//! sets of modules that scan on request; [`hid_pos`] brings it what HID scanners say in reports.
//! [`virtual_scanner`] is the far end of the wire.

pub mod framing;
pub mod hid_pos;
pub mod keyboard;
pub mod redact;
pub mod serial;
pub mod trigger;
pub mod virtual_scanner;

use std::fmt;

/// One scanned code, decoded to text. It may be a person's: it is not shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(pub String);

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} bytes)", self.0.len())
    }
}
