//! Chip cards that are programs: the far end of a card reader.
//!
//! ```text
//! CardHand ── puts, lifts, breaks ──► VirtualCard ◄── commands ── memory slot (in this process)
//!                                                              └─ vpcd (a reader of pcscd's)
//! ```
//!
//! A [`VirtualCard`] answers the commands of ISO/IEC 7816-4 as the real card does. Three kinds are
//! here: [`social_security`], [`cpu`] and [`psam`], all on one [`file_system`] and one way to carry
//! answers ([`command`]). [`hand`] is what works them; [`vpcd`] offers them to other programs, and
//! [`crate::port::card::memory`] to this one.

pub mod atr;
pub mod command;
pub mod cpu;
pub mod file_system;
pub mod hand;
pub mod psam;
pub mod social_security;
pub mod vpcd;

use cpu::TransportCard;
use psam::Psam;
use social_security::{Contents, Generation, SocialSecurityChip};

use crate::port::card::Protocol;

/// A chip card, seen from its contacts or its aerial.
pub trait VirtualCard: Send {
    /// Its answer to reset (ISO/IEC 7816-3 chapter 8), at most 33 bytes; always the same.
    fn atr(&self) -> Vec<u8>;

    /// Power is given, or taken away. Every reset calls it with `true` as well: what was selected
    /// and opened before is forgotten.
    fn power(&mut self, on: bool);

    /// Carries out one command. An answer has at least the two bytes of the status word, whatever
    /// the command is.
    fn answer(&mut self, command: &[u8]) -> Vec<u8>;

    /// The transmission protocol that it speaks.
    fn protocol(&self) -> Protocol;
}

/// The cards that there are without describing one: a CPU card of public transport, a PSAM, and a
/// social-security card of each generation.
pub const SLUGS: [&str; 5] = ["transport", "psam", "ssc-1", "ssc-2", "ssc-3"];

/// A new card of this kind; `None` for a kind that is not one of [`SLUGS`].
#[must_use]
pub fn by_slug(slug: &str) -> Option<Box<dyn VirtualCard>> {
    let generation = match slug {
        "transport" => return Some(Box::new(TransportCard::new())),
        "psam" => return Some(Box::new(Psam::new())),
        "ssc-1" => Generation::First,
        "ssc-2" => Generation::Second,
        "ssc-3" => Generation::Third,
        _ => return None,
    };
    let chip = SocialSecurityChip::new(&Contents::of(generation)).ok()?;
    Some(Box::new(chip))
}

#[cfg(test)]
mod tests;
