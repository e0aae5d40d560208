//! Where the devices' outside is: the kiosk's own ports, with the recorder's tape around them, or
//! those of a recording.
//!
//! The daemon is the same on both; only what stands behind the ports differs.

use std::time::Duration;

use hharome_hardware::port::Port;
use hharome_hardware::port::card::CardPort;

use crate::recording::recorder::Recorder;

/// What stands behind the devices' ports.
pub enum Outside {
    /// The kiosk itself; the recorder hears what passes.
    Kiosk(Recorder),
    /// What a recording has.
    Recording(Box<dyn RecordedPorts>),
}

/// The ports of a recording.
pub trait RecordedPorts: Send {
    /// The port of the device with this section of the configuration.
    fn line(&mut self, device: &'static str) -> Box<dyn Port>;

    /// The slot of a card reader that is taped under this name.
    fn card(&mut self, device: &'static str) -> Box<dyn CardPort>;

    /// The photo decoder.
    fn photos(&mut self) -> Box<dyn RecordedPhotos>;
}

/// The photos that a recording's decoder was asked for.
pub trait RecordedPhotos: Send + Sync {
    /// How long it took, and the JPEG or the words of what was wrong; `None` if this photo was
    /// never asked for.
    fn decoded(&self, wlt: &[u8]) -> Option<(Duration, Result<Vec<u8>, String>)>;
}
