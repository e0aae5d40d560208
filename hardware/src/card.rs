//! What all drivers of chip cards share: commands and answers of ISO/IEC 7816, and nothing of what
//! they are about.

pub mod apdu;
pub mod atr;
pub mod redact;
