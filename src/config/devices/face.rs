//! The face provider.

use crate::config::rule::one_of;
use crate::config::schema::section;
use crate::config::words::drivers;

drivers! {
    /// The providers of face recognition.
    FaceDriver {
        /// A face service that is asked over HTTP.
        Http = "http",
    }
}

section! {
    /// The provider of face recognition.
    Face {
        /// What drives it.
        driver: FaceDriver = FaceDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
    }
}
