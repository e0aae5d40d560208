//! The real binary, from outside: sockets, serial lines, signals, exit codes.
//!
//! One test program, one fixture ([`fixture`]: the daemon as a child process, and its clients), and
//! a file a subject. Devices are ptys; those of [`sam_v`] and [`code`] are written from the
//! modules' documents and share no code with the drivers. Expectations come from the protocol's
//! description. Nothing sleeps to wait for something: every wait is for an event, with a bound
//! that only a failure reaches.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "whatever goes wrong in a test fails it"
)]

#[expect(dead_code, reason = "what is not used yet is for the devices that sound")]
#[path = "../alsa/mod.rs"]
mod alsa;
mod browser;
mod cards;
mod cards_together;
mod cli;
mod code;
mod face_engine;
mod fixture;
mod frames;
mod id_card;
mod id_card_calls;
mod infrared;
mod keyboard;
#[expect(dead_code, reason = "the recordings' own test uses all of it")]
#[path = "../recordings/leaks.rs"]
mod leaks;
mod life;
mod microphone;
mod operation;
mod panel;
#[expect(dead_code, unused_imports, reason = "the port's own tests use all of it")]
#[path = "../pcscd/mod.rs"]
mod pcscd;
mod people;
mod photo;
mod reader_trouble;
mod receipts;
mod recorded_cards;
mod recording;
mod recording_middle;
mod sam_v;
mod screen;
mod screen_wayland;
mod slow;
mod speech;
mod speech_service;
mod sway;
mod transports;
mod websocket;
mod x_server;
