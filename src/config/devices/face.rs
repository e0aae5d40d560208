//! The face provider.

use std::time::Duration;

use crate::config::rule::{engine_url, millis, one_of, optional};
use crate::config::schema::section;
use crate::config::words::drivers;
use crate::face::http::EngineUrl;

drivers! {
    /// The providers of face recognition.
    FaceDriver {
        /// A face engine of yours that is asked over HTTP.
        Http = "http",
    }
}

section! {
    /// The provider of face recognition.
    Face {
        /// What drives it: http asks an engine of yours in JSON (docs/face-engine.md).
        driver: FaceDriver = FaceDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Where the engine is, for http: on this machine, as what it is told must not leave it.
        url: Option<EngineUrl> = None;
        "url", Example(r#""http://127.0.0.1:8600/face""#), optional(engine_url()), Restart, for ["http"];
        /// How long the engine may take to get ready, all tries together.
        init_timeout: Duration = Duration::from_secs(15);
        "init_timeout", Default("15000"), millis(100, 600_000), Restart;
        /// How long it may take for a comparison or an enrolment: a person stands before the camera, and
        /// has 20 s to agree. One that takes longer hangs.
        timeout: Duration = Duration::from_secs(60);
        "timeout", Default("60000"), millis(100, 600_000), Restart;
    }
}
