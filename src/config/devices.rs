//! The sections of the devices, a file a group. A section that is left out is `driver = "none"`.
//!
//! Read at start by the room that makes the devices; a change of any of them needs a new start,
//! because a driver owns its port for the daemon's life.

mod code;
mod cpu_card;
mod device;
mod face;
mod id_card;
mod infrared;
mod microphone;
mod operation;
mod receipt;
mod screen;
mod social_security;
mod speech;

pub use self::code::{QrEncoding, QrScanner, QrScannerDriver, QrTrigger};
pub use self::cpu_card::{CpuCard, CpuCardDriver, Psam, PsamDriver};
pub use self::device::{Buzzer, BuzzerDriver, BuzzerModel, Shell};
pub use self::face::{Face, FaceDriver};
pub use self::id_card::{IdCard, IdCardDriver, ReaderReports, SamBaud};
pub use self::infrared::{Infrared, InfraredBias, InfraredDriver, InfraredNear, InfraredProtocol};
pub use self::microphone::{Microphone, MicrophoneDriver};
pub use self::operation::{Input, InputDriver};
pub use self::receipt::{Printer, PrinterCut, PrinterDriver, PrinterFlow, PrinterText};
pub use self::screen::{SecondScreen, SecondScreenDriver};
pub use self::social_security::{SocialSecurityCard, SocialSecurityCardDriver};
pub use self::speech::{Speech, SpeechDriver};
