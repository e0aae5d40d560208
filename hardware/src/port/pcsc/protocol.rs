//! Which protocol a card is asked for, one at a time: the library tells the one that was agreed on
//! only together with the readers' states, which [`super::connection`] must not ask for.

use pcsc::{Error, Protocols};

use crate::port::card::Protocol;

/// Does it with this protocol, or, if the card cannot or another program has agreed with it on the
/// other one, with that; and which it was.
pub(super) fn either<T>(
    first: Protocol,
    mut attempt: impl FnMut(Protocol) -> Result<T, Error>,
) -> Result<(T, Protocol), Error> {
    let second = match first {
        Protocol::T0 => Protocol::T1,
        Protocol::T1 => Protocol::T0,
    };
    match attempt(first) {
        Err(Error::ProtoMismatch) => attempt(second).map(|done| (done, second)),
        result => result.map(|done| (done, first)),
    }
}

/// As the library is asked for it.
pub(super) fn only(protocol: Protocol) -> Protocols {
    match protocol {
        Protocol::T0 => Protocols::T0,
        Protocol::T1 => Protocols::T1,
    }
}

/// What a card of this ATR is asked for first: T=1 if it offers that, as pcscd itself prefers.
/// Contactless cards, whose ATR PC/SC part 3 makes up (`3B 8n 80 01 …`), do so.
pub(super) fn preferred(atr: &[u8]) -> Protocol {
    // ISO/IEC 7816-3, 8.2: the high bits of T0, then of each TDi, tell which of TA, TB, TC and TD
    // follow; the low ones of TDi are a protocol. Without any TDi it is T=0.
    let mut at = 1;
    let mut offered = None;
    while let Some(byte) = atr.get(at) {
        if at > 1 {
            match byte & 0x0F {
                1 => return Protocol::T1,
                0 => offered = Some(Protocol::T0),
                _ => {}
            }
        }
        if byte & 0x80 == 0 {
            return offered.unwrap_or(Protocol::T0);
        }
        at += (byte >> 4).count_ones() as usize;
    }
    // Nothing is known of it, or it is none.
    Protocol::T1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_asked_for_t1_if_they_offer_it() {
        // PC/SC part 3, 3.1.3.2.3: a storage card; one with no historical bytes.
        let storage = [
            0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06, 0x03, 0x00,
            0x01, 0x00, 0x00, 0x00, 0x00, 0x6A,
        ];
        assert_eq!(preferred(&storage), Protocol::T1);
        assert_eq!(preferred(&[0x3B, 0x80, 0x80, 0x01, 0x01]), Protocol::T1);
        // TA1 and TD1, TD1 of T=1: ISO/IEC 7816-3, 8.2.
        assert_eq!(preferred(&[0x3B, 0x90, 0x11, 0x01, 0x80]), Protocol::T1);
        assert_eq!(preferred(&[]), Protocol::T1);
    }

    #[test]
    fn cards_that_offer_nothing_else_are_asked_for_t0() {
        // No TD1; TA1 only; TD1 of T=0 and TD2 of T=15, which is no protocol.
        assert_eq!(preferred(&[0x3B, 0x65, 0x00, 0x00, 1, 2, 3, 4, 5]), Protocol::T0);
        assert_eq!(preferred(&[0x3B, 0x10, 0x11]), Protocol::T0);
        assert_eq!(preferred(&[0x3B, 0x80, 0x80, 0x1F, 0xC7, 0x58]), Protocol::T0);
    }

    #[test]
    fn the_other_protocol_is_tried_when_the_first_one_does_not_fit() {
        let mut asked = Vec::new();
        let result = either(Protocol::T1, |protocol| {
            asked.push(protocol);
            if protocol == Protocol::T0 { Ok(()) } else { Err(Error::ProtoMismatch) }
        });
        assert_eq!(result, Ok(((), Protocol::T0)));
        assert_eq!(asked, [Protocol::T1, Protocol::T0]);
        let refused = either(Protocol::T1, |_| Err::<(), _>(Error::RemovedCard));
        assert_eq!(refused, Err(Error::RemovedCard));
    }
}
