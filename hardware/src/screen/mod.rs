//! The second screen, turned to the customer: one picture on an output of its own.
//!
//! Whoever wants a picture shown has a [`Screen`], a handle on one queue. The device's task owns the
//! driver, [`SecondScreen`], which takes one request at a time from the other side of it ([`Orders`])
//! and speaks [`packets`] with what holds the display: a child process of this program
//! ([`process`], [`helper`]) or, for simulations and tests, a [`virtual_screen`]. The child looks
//! for the output, decodes and scales the picture, and says when it is shown; a display server that
//! ends takes the child with it and nothing else.
//!
//! ```text
//! Screen::show, close ─► queue (bounded) ─► driver ═ packets ═ child: output, window, pixels
//!                                             └ the picture that is shown, as a file
//! ```
//!
//! The driver keeps the picture until it is closed, so that it is shown again when the output was
//! unplugged, or the display server or the child was started anew. While its output is not there,
//! nothing is shown anywhere else: the other screen is the operator's.

pub mod frame;
pub mod helper;
pub mod orders;
pub mod packets;
pub mod process;
pub mod redact;
pub mod replayed;
pub mod virtual_screen;

mod driver;

use std::time::Duration;

pub use self::driver::SecondScreen;
pub use self::orders::{Orders, Screen, orders};
use crate::device::Trouble;
use crate::picture::Bounds;

/// How many requests may wait for the one that is carried out. People look at a picture for longer
/// than one takes; more is a program in a loop, which has to hear of it.
pub const WAITING: usize = 8;

/// How many bytes of pictures may wait: two of the largest that fit into a frame.
pub const WAITING_BYTES: usize = 32 * 1024 * 1024;

/// How large a picture may be: 4096 × 4096 pixels are twice those of a screen of 3840 × 2160, and
/// what a phone's camera takes; at 3 or 4 bytes a pixel, and once more as red, green and blue, they
/// fit into the memory.
pub const BOUNDS: Bounds = Bounds { pixels: 4096 * 4096, memory: 128 * 1024 * 1024 };

/// How long it may take until it is known whether there is a second screen.
pub const KNOWN: Duration = Duration::from_secs(5);

/// How the screen is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The output's name, as the display server or the kernel has it; `None`: the first that is not
    /// the operator's.
    pub output: Option<String>,
    /// What is around a picture of another shape, and behind a transparent one: red, green, blue.
    pub background: [u8; 3],
}

/// Whether something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A picture.
    Picture,
    /// Nothing.
    Nothing,
    /// There is no second screen now.
    NoScreen,
}

/// Why a picture is not shown. Says nothing of what it shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScreenError {
    /// Too much waits.
    #[error("too many pictures wait: at most {WAITING} requests and {WAITING_BYTES} bytes may")]
    Full,
    /// It is no picture, is damaged, or is too large.
    #[error("{0}")]
    Picture(String),
    /// The screen cannot be used.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}
