//! The second screen.

use crate::config::rule::{colour, device_path, name, one_of, optional};
use crate::config::schema::section;
use crate::config::words::drivers;

drivers! {
    /// The drivers of the second screen.
    SecondScreenDriver {
        /// An output of an X server.
        X11 = "x11",
        /// An output of a Wayland compositor that has a layer shell.
        Wayland = "wayland",
        /// An output of a card that no display server has.
        Kms = "kms",
    }
}

section! {
    /// The screen that shows a picture to the customer. It belongs to the session of the kiosk's user:
    /// `[session]` says where that is.
    SecondScreen {
        /// What drives it.
        driver: SecondScreenDriver = SecondScreenDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// The output, as `xrandr`, `swaymsg -t get_outputs` or `hharome devices` names it. Left out: the
        /// first that is not the primary one; of Wayland, which knows none, the first that is not the
        /// leftmost; driver `kms` has to be told. The other screens are the operator's: when this one is
        /// unplugged or mirrors another, nothing is shown anywhere.
        output: Option<String> = None;
        "output", Example(r#""HDMI-1""#), optional(name("an output's name, such as HDMI-1")), Restart;
        /// The card of driver `kms`, `*` for any characters in its name. Left out: the one that has the
        /// output.
        card: Option<String> = None;
        "card", Example(r#""/dev/dri/by-path/pci-0000:00:02.0-card""#), optional(device_path()), Restart,
        for ["kms"];
        /// The colour around a picture of another shape than the screen's, and behind a transparent one.
        background: [u8; 3] = [0; 3];
        "background", Default(r##""#000000""##), colour(), Restart;
    }
}
