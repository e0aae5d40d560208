//! The daemon: the only place that knows both the protocol and the hardware.
//!
//! ```text
//! transport ─► connection ─► router ─► actions ─► devices (hardware crate)
//!     ▲            │                                 │
//!     └── outbox ◄─┴── channels ◄── sources ◄────────┘
//! ```
//!
//! `ARCHITECTURE.md` beside this crate says why it is so, and what is kept everywhere.

pub mod actions;
pub mod apdu_policy;
pub mod bridge;
pub mod calls;
pub mod channels;
pub mod cli;
pub mod config;
pub mod conformance;
pub mod connection;
pub mod devices;
pub mod errands;
pub mod face;
mod footprint;
pub mod identity;
pub mod keypad;
pub mod log;
pub mod outbox;
pub mod outside;
pub mod panel;
pub mod recording;
pub mod replay;
pub mod report;
pub mod router;
pub mod server;
pub mod shell;
pub mod simulation;
pub mod transport;
