//! Sensors that tell whether somebody stands there.
//!
//! ```text
//! port ─► framer: bytes to what is said ─► judge: near enough? ─► presence ─► every listener's own
//!                 (one language a sensor)       (hysteresis)                  "since my last event"
//! ```
//!
//! One driver, [`sensor`], for all of them: they differ in the [`language`] of their lines, and in
//! whether their line is open while nobody listens. [`presence`] is what the daemon asks. The far
//! end is [`virtual_sensor`].

pub mod judge;
pub mod language;
mod ld2410;
pub mod presence;
pub mod redact;
pub mod sensor;
mod tfmini;
pub mod virtual_sensor;

pub use judge::{Nearer, Threshold};
pub use language::{Language, SwitchCode};
pub use presence::{Listener, Presence, Sight};
pub use sensor::{Sensor, Settings};
