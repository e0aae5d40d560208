//! What the helper holds: an output that shows pictures, however it is reached. A driver of the
//! second screen is one [`Display`], and its word in [`open`]; the daemon's side is the same for all.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::{kms, wayland, x11};
use crate::device::Trouble;
use crate::screen::Settings;
use crate::screen::frame::Frame;

/// The driver's word for outputs of an X server.
pub const X11: &str = "x11";

/// The driver's word for outputs of a Wayland compositor.
pub const WAYLAND: &str = "wayland";

/// The driver's word for outputs of a card that no display server has.
pub const KMS: &str = "kms";

/// The variable that names the card of [`KMS`], a path or a pattern over names; without it any card that
/// has the output.
pub const KMS_CARD: &str = kms::CARD;

/// An output that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// An output that a display server has, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedOutput {
    /// Its name.
    pub name: String,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// It can be the customer's: it is not the operator's, and shows an area of its own.
    pub for_customers: bool,
}

/// The outputs of the X server of our own environment that are switched on. Blocks for as long as that
/// server does.
///
/// # Errors
/// Why it cannot be asked, with the way out.
pub fn x_outputs() -> Result<Vec<ListedOutput>, String> {
    x11::outputs()
}

/// The outputs of the Wayland compositor of our own environment. Blocks for as long as that does.
///
/// # Errors
/// Why it cannot be asked, or shows no pictures, with the way out.
pub fn wayland_outputs() -> Result<Vec<ListedOutput>, String> {
    wayland::outputs()
}

/// What holds an output and shows pictures on it. Its troubles end the helper.
pub(super) trait Display {
    /// Readable when something has happened.
    fn fd(&self) -> BorrowedFd<'_>;

    /// When it wants to be attended to without that, if ever.
    fn wake(&self) -> Option<Duration>;

    /// Takes in everything that has happened. `true`: the output is another, has another size, came
    /// or went, or has lost its picture; what was shown is not shown any more, here or elsewhere.
    fn attend(&mut self) -> Result<bool, Trouble>;

    /// The output, or why there is none.
    fn place(&self) -> Result<Place, String>;

    /// Shows a picture of the output's size; it is seen when this returns.
    fn show(&mut self, frame: &Frame) -> Result<(), Trouble>;

    /// Shows nothing; it is not seen any more when this returns.
    fn close(&mut self) -> Result<(), Trouble>;
}

/// The display of the driver with this word. Where it is stands in the environment, as for any program
/// of the session.
pub(super) fn open(word: &OsStr, settings: &Settings) -> Result<Box<dyn Display>, Trouble> {
    if word == X11 {
        Ok(Box::new(x11::X11::open(settings)?))
    } else if word == WAYLAND {
        Ok(Box::new(wayland::Wayland::open(settings)?))
    } else if word == KMS {
        Ok(Box::new(kms::Kms::open(settings)?))
    } else {
        Err(failed("the screen's process was started for a driver that it does not have"))
    }
}

/// A trouble that somebody has to do something about.
pub(super) fn failed(detail: impl Into<String>) -> Trouble {
    Trouble::Failed { detail: detail.into() }
}

/// It is not there; it may come.
pub(super) fn absent(detail: impl Into<String>) -> Trouble {
    Trouble::Absent { detail: detail.into() }
}
