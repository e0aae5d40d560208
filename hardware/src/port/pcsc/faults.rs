//! What PC/SC's errors mean: for whoever asked, and for the connection.

use pcsc::Error;

use crate::port::card::{CardFault, FaultKind};

/// What is said when pcscd does not run.
pub(super) const NOT_RUNNING: &str =
    "pcscd is not running; start it: systemctl start pcscd (package pcscd)";

/// What an error asks for before the connection can be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing: the connection is as good as before.
    Nothing,
    /// The card lost its state; `SCardReconnect` acknowledges that.
    Reconnect,
    /// The card was powered off; connecting anew powers it up.
    PowerUp,
    /// Card or reader went: the handle is worth nothing.
    LetGo,
    /// The service went, and all that belonged to it: context and handles.
    Reestablish,
}

/// The remedy for this error.
pub(super) fn remedy(error: Error) -> Remedy {
    match error {
        Error::ResetCard => Remedy::Reconnect,
        Error::UnpoweredCard => Remedy::PowerUp,
        Error::RemovedCard
        | Error::NoSmartcard
        | Error::UnknownReader
        | Error::ReaderUnavailable
        | Error::NoReadersAvailable
        | Error::UnresponsiveCard
        | Error::UnsupportedCard => Remedy::LetGo,
        Error::NoService
        | Error::ServiceStopped
        | Error::Shutdown
        | Error::CommError
        | Error::InvalidHandle => Remedy::Reestablish,
        _ => Remedy::Nothing,
    }
}

/// The fault that this error of `reader` is, with the way out.
pub(super) fn fault(error: Error, reader: &str) -> CardFault {
    let (kind, words) = match error {
        Error::ResetCard | Error::UnpoweredCard => {
            (FaultKind::Reset, "another program has reset the card; begin again with it")
        }
        Error::RemovedCard => {
            (FaultKind::Removed, "the card was taken away; it must lie still until all is done")
        }
        Error::NoSmartcard => (FaultKind::NoCard, "no card; put one in"),
        Error::UnresponsiveCard => {
            (FaultKind::Mute, "the card does not answer to its power-up; put it in again")
        }
        Error::UnsupportedCard => (
            FaultKind::Mute,
            "the card's answer to its power-up is none that the reader understands; try another",
        ),
        Error::SharingViolation => return occupied(reader),
        Error::NotTransacted | Error::Timeout => return silent(reader),
        Error::UnknownReader | Error::ReaderUnavailable | Error::NoReadersAvailable => {
            (FaultKind::NoReader, "the reader is gone; plug it in again")
        }
        Error::NoService | Error::ServiceStopped | Error::Shutdown => {
            (FaultKind::NoService, NOT_RUNNING)
        }
        Error::CommError | Error::InvalidHandle => (
            FaultKind::NoService,
            "the connection to pcscd broke; if that stays so: systemctl restart pcscd",
        ),
        // As silence: what was sent may have been carried out, and the connection is of no use.
        Error::CommDataLost => (
            FaultKind::Silent,
            "what card and reader say to each other arrives damaged; clean the contacts",
        ),
        Error::ProtoMismatch => (
            FaultKind::Other,
            "another program uses the card with another protocol; stop that program",
        ),
        Error::InsufficientBuffer => {
            (FaultKind::Other, "longer than an extended APDU (65,548 bytes) can be")
        }
        Error::SecurityViolation => (
            FaultKind::Other,
            "pcscd does not let this user at the card; allow it in polkit's rules \
             (org.debian.pcsc-lite.access_card)",
        ),
        _ => {
            let detail = format!("{reader}: {error}; try again, then plug the reader in again");
            return CardFault::new(FaultKind::Other, detail);
        }
    };
    CardFault::new(kind, format!("{reader}: {words}"))
}

/// Nobody is let at the card.
pub(super) fn occupied(reader: &str) -> CardFault {
    let words = "another program holds the card, or the reader hangs: stop that program, or plug \
                 the reader in again";
    CardFault::new(FaultKind::Occupied, format!("{reader}: {words}"))
}

/// The card says nothing to a command.
pub(super) fn silent(reader: &str) -> CardFault {
    let words = "the card does not answer; put it in again";
    CardFault::new(FaultKind::Silent, format!("{reader}: {words}"))
}

/// There is no connection any more, because its card or its reader went.
pub(super) fn ended(reader: &str) -> CardFault {
    let words = "the connection ended with its card; connect again";
    CardFault::new(FaultKind::Removed, format!("{reader}: {words}"))
}

/// The reader does not take a command that is for itself.
pub(super) fn unknown_command(reader: &str) -> CardFault {
    let words = "the reader takes no escape commands; libccid lets them through with ifdDriverOptions \
                 0x0001 in its Info.plist, others need their vendor's driver";
    CardFault::new(FaultKind::Other, format!("{reader}: {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the standard's description says of an error, and what is told of it.
    #[track_caller]
    fn check(error: Error, expected: (FaultKind, Remedy)) {
        let fault = fault(error, "Example CL 00 00");
        assert_eq!((fault.kind, remedy(error)), expected, "{error:?}");
        assert!(fault.detail.starts_with("Example CL 00 00: "), "{}", fault.detail);
        assert!(fault.detail.contains([';', ':']), "no way out: {}", fault.detail);
    }

    #[test]
    fn a_card_that_others_have_reset_is_connected_to_again() {
        check(Error::ResetCard, (FaultKind::Reset, Remedy::Reconnect));
        check(Error::UnpoweredCard, (FaultKind::Reset, Remedy::PowerUp));
    }

    #[test]
    fn a_card_that_is_not_there_is_let_go() {
        check(Error::RemovedCard, (FaultKind::Removed, Remedy::LetGo));
        check(Error::NoSmartcard, (FaultKind::NoCard, Remedy::LetGo));
        check(Error::UnresponsiveCard, (FaultKind::Mute, Remedy::LetGo));
        check(Error::UnsupportedCard, (FaultKind::Mute, Remedy::LetGo));
    }

    #[test]
    fn a_reader_that_is_not_there_is_let_go() {
        check(Error::UnknownReader, (FaultKind::NoReader, Remedy::LetGo));
        check(Error::ReaderUnavailable, (FaultKind::NoReader, Remedy::LetGo));
        check(Error::NoReadersAvailable, (FaultKind::NoReader, Remedy::LetGo));
    }

    #[test]
    fn a_service_that_went_is_connected_to_from_the_beginning() {
        check(Error::NoService, (FaultKind::NoService, Remedy::Reestablish));
        check(Error::ServiceStopped, (FaultKind::NoService, Remedy::Reestablish));
        check(Error::CommError, (FaultKind::NoService, Remedy::Reestablish));
        check(Error::InvalidHandle, (FaultKind::NoService, Remedy::Reestablish));
        check(Error::Shutdown, (FaultKind::NoService, Remedy::Reestablish));
    }

    #[test]
    fn what_concerns_one_exchange_leaves_the_connection() {
        check(Error::SharingViolation, (FaultKind::Occupied, Remedy::Nothing));
        check(Error::NotTransacted, (FaultKind::Silent, Remedy::Nothing));
        check(Error::Timeout, (FaultKind::Silent, Remedy::Nothing));
        check(Error::CommDataLost, (FaultKind::Silent, Remedy::Nothing));
        check(Error::ProtoMismatch, (FaultKind::Other, Remedy::Nothing));
        check(Error::SecurityViolation, (FaultKind::Other, Remedy::Nothing));
        check(Error::InternalError, (FaultKind::Other, Remedy::Nothing));
    }
}
