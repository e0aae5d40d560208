//! The answers to reset of virtual cards (ISO/IEC 7816-3 chapter 8).
//!
//! Called by the cards when somebody asks for theirs. What is written here is read by
//! [`crate::card::atr`], which does not share any of it: each is the other's test.

use crate::port::card::Protocol;

/// The most historical bytes that T0 can announce.
const MOST_HISTORICAL: usize = 15;

/// The ATR of a contact card that speaks this protocol only, with up to 15 historical bytes.
///
/// With T=0: TB1 and TC1 are 0 (no programming voltage, no extra guard time), as most SAMs say, and
/// there is no check byte. With T=1: TD1 says so, and the check byte follows.
#[must_use]
pub fn contact(protocol: Protocol, historical: &[u8]) -> Vec<u8> {
    match protocol {
        Protocol::T0 => assembled(0x60, &[0x00, 0x00], historical, false),
        Protocol::T1 => assembled(0x80, &[0x01], historical, true),
    }
}

/// The ATR that a reader makes up for a contactless card (PC/SC part 3, 3.1.3.2.3): TD1 = 80,
/// TD2 = 01, the historical bytes of its ATS, and the check byte.
#[must_use]
pub fn contactless(historical: &[u8]) -> Vec<u8> {
    assembled(0x80, &[0x80, 0x01], historical, true)
}

fn assembled(presence: u8, interface: &[u8], historical: &[u8], checked: bool) -> Vec<u8> {
    const DIRECT_CONVENTION: u8 = 0x3B;
    let historical = historical.get(..MOST_HISTORICAL).unwrap_or(historical);
    let mut atr = vec![DIRECT_CONVENTION, presence | historical.len() as u8];
    atr.extend_from_slice(interface);
    atr.extend_from_slice(historical);
    if checked {
        // All bytes but the first, together with the check byte, are 0 when XORed.
        atr.push(atr.iter().skip(1).fold(0, |check, byte| check ^ byte));
    }
    atr
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contactless_atr_is_that_of_the_pcsc_specification() {
        // The example of part 3 for a storage card, with its check byte.
        let historical = b"\x80\x4F\x0C\xA0\x00\x00\x03\x06\x03\x00\x01\x00\x00\x00\x00";
        let atr = contactless(historical);
        assert_eq!(&atr[..4], b"\x3B\x8F\x80\x01");
        assert_eq!(&atr[4..19], historical);
        assert_eq!(&atr[19..], b"\x6A");
    }

    #[test]
    fn a_contact_atr_has_a_check_byte_unless_it_offers_t0_only() {
        assert_eq!(contact(Protocol::T0, b"AB"), b"\x3B\x62\x00\x00AB");
        assert_eq!(contact(Protocol::T1, b"AB"), b"\x3B\x82\x01AB\x80");
    }

    #[test]
    fn too_many_historical_bytes_are_left_out() {
        assert_eq!(contact(Protocol::T0, &[0x20; 40]).len(), 4 + 15);
    }
}
