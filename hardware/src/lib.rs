//! The devices of a self-service kiosk. No JSON, no actions, no client sockets.
//!
//! ```text
//! outside ── port ── driver ── device task ── source ──► whoever waits or listens
//!   (or a virtual device: the far end of the same wire)
//! ```
//!
//! * [`port`]: the narrow thing between us and the outside of a device. It knows no meaning.
//! * [`device`]: the task that owns a driver: opens its port, runs it, waits and opens it again,
//!   and publishes the device's state.
//! * [`source`]: a device's stream of readings: many listen, one waits, and nobody polls for
//!   nothing.
//! * one folder a kind of device ([`id_card`], [`code`]): what it offers, one file a driver, and
//!   the virtual device that stands at the far end of its wire.
//!
//! # How to add a device
//!
//! Make a folder with the device's name. Write its driver over a port as a [`device::Driver`],
//! hand its readings to a [`source::Source`], write the far end that speaks the same bytes, and
//! test the one against the other on tokio's paused clock. The daemon (`src/devices.rs` of the
//! root package) builds it from the configuration; `src/actions/` says what a client gets of it.

pub mod buzzer;
pub mod card;
pub mod code;
pub mod cpu_card;
pub mod device;
pub mod hid;
pub mod id_card;
pub mod infrared;
pub mod input;
pub mod inventory;
pub mod machine;
pub mod microphone;
mod moment;
pub mod picture;
pub mod port;
pub mod pseudonym;
pub mod receipt;
pub mod redact;
pub mod screen;
pub mod social_security;
pub mod source;
pub mod speech;
pub mod virtual_card;
