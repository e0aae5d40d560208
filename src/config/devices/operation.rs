//! The input devices by which the kiosk is operated.

use crate::config::rule::{one_of, places};
use crate::config::schema::section;
use crate::config::words::drivers;

drivers! {
    /// The drivers of what people operate the kiosk by.
    InputDriver {
        /// Input devices of the kernel.
        Evdev = "evdev",
    }
}

section! {
    /// What people operate the kiosk by: touch screens, keyboards. Whoever touches one of them is
    /// there, which `ampeStartOperationWatcher` wants to know; what is typed is not looked at.
    Input {
        /// What drives it.
        driver: InputDriver = InputDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which input devices, each a path, vendor and product, or a pattern with * and ? over their
        /// names. Left out: all that have keys, buttons or a touch surface.
        devices: Vec<String> = Vec::new();
        "devices", Example(r#"["*Touch*", "/dev/input/by-path/platform-i8042-serio-0-event-kbd"]"#),
        places(), Restart;
    }
}
