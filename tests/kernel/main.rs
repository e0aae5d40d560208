//! The real binary on a kernel that has devices: input devices, USB, GPIO, sound, screens.
//!
//! `make test-kernel` boots Debian's kernel in qemu and runs this program there, as root, with the
//! files of this machine (`scripts/test-kernel.sh`). It runs nowhere else: what it plugs in would
//! meet the devices of a real machine.
//!
//! To add a case: a file a device, listed below. A test begins with [`machine::take`], which lets one
//! test work the machine at a time, loads the kernel modules that it needs, makes its device
//! ([`gadget`]: a USB device of any functions, to be plugged in and pulled out), starts a
//! [`fixture::Daemon`] on it, and looks at what clients get. Whatever a test has made goes with its
//! value at the end, so that the next one finds a bare machine. Every wait is for an event, with a
//! bound that only a failure reaches. All of it together has five minutes on a slow, busy
//! machine, of which booting takes up to one: seconds matter here, and what ptys can show is in
//! `tests/bridge`.
//!
//! `make test-kernel CASES=scanner` runs those whose name holds that word.

#![expect(clippy::expect_used, clippy::panic, reason = "whatever goes wrong in a test fails it")]

mod beeper;
mod bulk;
mod bulk_end;
mod buzzer;
#[expect(dead_code, reason = "the bridge's own tests use all of it")]
#[path = "../bridge/fixture.rs"]
mod fixture;
mod gadget;
mod glass;
mod gpio_bridge;
mod hid;
mod hid_end;
mod id_card;
mod input_devices;
mod machine;
mod microphone;
mod modem_lines;
mod operation;
mod permission;
mod presence;
mod printer;
mod scanner;
mod screen;
mod sound_card;
