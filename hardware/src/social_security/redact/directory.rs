//! What a card answers to SELECT (file control information, ISO/IEC 7816-4, 5.3.3), replaced.
//!
//! Called with a whole answer. The social-security application's name and its algorithm tell what
//! kind of card it is and stay, and so does the order of things; a bank's application on the same
//! chip tells more, and all else becomes filler.

use std::ops::Range;

use super::super::records::APPLICATION;
use crate::card::redact::FILLER;

/// The name of an application.
const NAME: [u8; 1] = [0x84];
/// What an issuer adds, in which the algorithm stands: `86 01 xx`.
const ADDED: [u8; 2] = [0x9F, 0x0C];
const ALGORITHM: [u8; 2] = [0x86, 0x01];

/// The bit of a tag that says that its value is made of others (ISO/IEC 8825-1).
const CONSTRUCTED: u8 = 0x20;

/// The data, with the same tags and lengths if it is well made; else filler.
pub(super) fn replaced(data: &[u8]) -> Vec<u8> {
    let mut values = Vec::new();
    let well_made = walk(data, 0..data.len(), &mut values).is_some();
    if !well_made {
        return vec![FILLER; data.len()];
    }
    let mut replaced = data.to_vec();
    for value in values {
        if let Some(value) = replaced.get_mut(value) {
            value.fill(FILLER);
        }
    }
    replaced
}

/// Collects the values to be replaced in this part of `data`. Each has a tag of one or two bytes and
/// a length of one.
fn walk(data: &[u8], part: Range<usize>, values: &mut Vec<Range<usize>>) -> Option<()> {
    let mut parts = vec![part];
    while let Some(part) = parts.pop() {
        let mut at = part.start;
        while at < part.end {
            let first = *data.get(at)?;
            // The low five bits all set: the tag goes on.
            let tag = data.get(at..at + if first & 0x1F == 0x1F { 2 } else { 1 })?;
            let length = *data.get(at + tag.len())?;
            let start = at + tag.len() + 1;
            let value = start..start + usize::from(length);
            if length > 0x7F || value.end > part.end {
                return None;
            }
            at = value.end;
            let inside = data.get(value.clone())?;
            let stays = (tag == NAME && inside == APPLICATION)
                || (tag == ADDED && inside.len() == 3 && inside.starts_with(&ALGORITHM));
            if first & CONSTRUCTED != 0 && tag.len() == 1 {
                parts.push(value);
            } else if !stays {
                values.push(value);
            }
        }
    }
    Some(())
}
