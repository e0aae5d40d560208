//! The status byte SW3 of a SAM-V module, and what the driver does about it. A table, no I/O.

use crate::device::Trouble;

/// The command was carried out.
pub(super) const OK: u8 = 0x90;
/// The item that was asked for has no content. Not an error, and no authentication failure.
pub(super) const NO_CONTENT: u8 = 0x91;
/// The module does not know the command.
pub(super) const UNKNOWN_COMMAND: u8 = 0x21;

/// What the driver does about a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Go on: success.
    Proceed,
    /// There is nothing of what was asked for.
    NoContent,
    /// The module saw a damaged frame: send it again.
    Resend,
    /// Find the card again.
    Refind,
    /// No card, or the one that was read still lies there.
    NoCard,
    /// This card cannot be read; it has to be lifted.
    CardFault,
    /// Reset the module, then find again.
    Reset,
    /// The module does not work.
    Fault,
}

/// The table: status byte, what it means (vendors' documents of GA/T 467 modules), what is done.
const TABLE: [(u8, &str, Remedy); 22] = [
    (OK, "success", Remedy::Proceed),
    (0x9F, "card found", Remedy::Proceed),
    (NO_CONTENT, "no content", Remedy::NoContent),
    (0x10, "the module saw a wrong check byte", Remedy::Resend),
    (0x11, "the module saw a wrong length", Remedy::Resend),
    (UNKNOWN_COMMAND, "the module does not know the command", Remedy::Fault),
    (0x23, "no privilege for the command", Remedy::Fault),
    (0x24, "unknown error", Remedy::Refind),
    (0x31, "the card did not authenticate the module", Remedy::Refind),
    (0x32, "the module did not authenticate the card", Remedy::Refind),
    (0x33, "the card's information failed its verification", Remedy::CardFault),
    (0x40, "unknown type of card", Remedy::CardFault),
    (0x41, "reading failed", Remedy::Refind),
    (0x47, "the module got no random number", Remedy::Reset),
    (0x60, "the module's self-test failed", Remedy::Reset),
    (0x66, "the module is not authorised", Remedy::Fault),
    (0x80, "no card", Remedy::NoCard),
    (0x81, "the card could not be selected", Remedy::Refind),
    // The next four are made by vendors' libraries on the host; a module that says them anyway is
    // asked again.
    (0x01, "port error", Remedy::Refind),
    (0x02, "time-out", Remedy::Refind),
    (0x03, "transmission error", Remedy::Refind),
    (0x05, "the rate cannot be determined", Remedy::Refind),
];

fn row(sw3: u8) -> Option<&'static (u8, &'static str, Remedy)> {
    TABLE.iter().find(|(status, ..)| *status == sw3)
}

/// What is done about a status. One that is in no document is treated as a failed reading.
#[must_use]
pub fn remedy(sw3: u8) -> Remedy {
    row(sw3).map_or(Remedy::Refind, |(.., remedy)| *remedy)
}

/// A status in words.
pub(super) fn meaning(sw3: u8) -> String {
    let words = row(sw3).map_or("in no document", |(_, words, _)| words);
    format!("status {sw3:02X} ({words})")
}

/// The reader's failure that a status stands for.
pub(super) fn fault(what: &str, sw3: u8) -> Trouble {
    let detail = format!("{what}: {}; power the reader off and on", meaning(sw3));
    Trouble::Failed { detail }
}
