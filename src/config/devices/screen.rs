//! The second screen.

use crate::config::rule::one_of;
use crate::config::schema::section;
use crate::config::words::drivers;

drivers! {
    /// The drivers of the second screen.
    SecondScreenDriver {
        /// An output of an X server.
        X11 = "x11",
    }
}

section! {
    /// The screen that shows a picture to the customer.
    SecondScreen {
        /// What drives it.
        driver: SecondScreenDriver = SecondScreenDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
    }
}
