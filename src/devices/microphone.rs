//! The microphone, built over a capture device of ALSA or a virtual one, and the recordings that
//! connections have under way on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hharome_hardware::device;
use hharome_hardware::microphone::capture::{Capture, Settings};
use hharome_hardware::microphone::recording::{Recording, record};
use hharome_hardware::microphone::virtual_microphone::VirtualMicrophone;
use hharome_hardware::port::Port;
use hharome_hardware::port::pcm::AlsaCapture;
use hharome_hardware::port::tape::{Flow, PortEvent, Remembers, Tape as _};
use tokio::sync::watch;

use super::{Device, NewPort, outside_port, simulated_port};
use crate::config::{self, MicrophoneDriver, Word};
use crate::outside::Outside;
use crate::simulation::Hand;

/// The microphone.
pub struct Microphone {
    /// Its state.
    pub device: Device,
    pub(super) hand: Option<Hand>,
    ears: Option<hharome_hardware::microphone::Microphone>,
    limit: Duration,
    recordings: Mutex<Recordings>,
}

/// The single recordings under way.
#[derive(Default)]
struct Recordings {
    begun: u64,
    /// By connection.
    under_way: BTreeMap<u64, UnderWay>,
}

struct UnderWay {
    number: u64,
    recording: Recording,
    /// Tells whoever waits for the start that the recording is over, by being dropped.
    holds: watch::Sender<()>,
}

/// A connection's start of a recording.
pub struct RecordingStart {
    number: u64,
    ended: watch::Receiver<()>,
}

impl RecordingStart {
    /// Ends when the connection has no recording under way any more, whatever has ended it. A later
    /// one in the place of this ends nothing.
    pub async fn ended(&mut self) {
        // Nothing is ever sent: the senders are dropped with the connection's last recording.
        let _ = self.ended.changed().await;
    }
}

impl Microphone {
    /// What hears; `None` without a driver.
    #[must_use]
    pub fn ears(&self) -> Option<&hharome_hardware::microphone::Microphone> {
        self.ears.as_ref()
    }

    /// Begins a connection's recording, in the place of an earlier one. What hears; `None` without a
    /// driver.
    pub fn record(
        &self,
        connection: u64,
    ) -> Option<(hharome_hardware::microphone::Microphone, RecordingStart)> {
        let ears = self.ears.as_ref()?;
        let mut recordings = self.recordings();
        recordings.begun += 1;
        let number = recordings.begun;
        let earlier = recordings.under_way.remove(&connection).map(|earlier| earlier.holds);
        let holds = earlier.unwrap_or_else(|| watch::Sender::new(()));
        let ended = holds.subscribe();
        let under_way = UnderWay { number, recording: record(ears, self.limit), holds };
        recordings.under_way.insert(connection, under_way);
        Some((ears.clone(), RecordingStart { number, ended }))
    }

    /// Takes a connection's recording out, if it has one.
    pub fn end(&self, connection: u64) -> Option<Recording> {
        self.recordings().under_way.remove(&connection).map(|under_way| under_way.recording)
    }

    /// Throws a recording away, if it is still the connection's.
    pub fn take_back(&self, connection: u64, start: &RecordingStart) {
        let mut recordings = self.recordings();
        let its = |under_way: &UnderWay| under_way.number == start.number;
        if recordings.under_way.get(&connection).is_some_and(its) {
            recordings.under_way.remove(&connection);
        }
    }

    /// Whether a connection has a recording that still hears.
    #[must_use]
    pub fn is_recording(&self, connection: u64) -> bool {
        let recordings = self.recordings();
        recordings.under_way.get(&connection).is_some_and(|under_way| under_way.recording.hears())
    }

    fn recordings(&self) -> MutexGuard<'_, Recordings> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.recordings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn microphone(
    config: &config::Microphone,
    session: &config::Session,
    outside: &mut Outside,
) -> Microphone {
    let (section, driver) = ("microphone", config.driver.word());
    let (limit, recordings) = (config.record_limit, Mutex::default());
    let (port, hand): (NewPort, _) = match config.driver {
        MicrophoneDriver::None => {
            let device = Device::off(section, driver);
            return Microphone { device, hand: None, ears: None, limit, recordings };
        }
        MicrophoneDriver::Alsa => {
            let port =
                AlsaCapture::new(&config.device, config.chunk, session.named_runtime_folder());
            (Box::new(|| -> Box<dyn Port> { Box::new(port) }), None)
        }
        MicrophoneDriver::Simulated => {
            let (microphone, hand) = VirtualMicrophone::new(config.chunk);
            let (port, plug) = simulated_port("the simulated microphone", microphone);
            (port, Some(Hand::Microphone(hand, plug)))
        }
    };
    let device = Device::at_port(section, driver, Some(&config.device));
    let status = device.status.clone();
    let ears = match outside {
        Outside::Kiosk(_) => hharome_hardware::microphone::Microphone::new(),
        Outside::Recording(_) => hharome_hardware::microphone::Microphone::on_one_thread(),
    };
    let settings = Settings {
        device: if device.simulated { "simulated".to_owned() } else { config.device.clone() },
        chunk: config.chunk,
    };
    if let Outside::Kiosk(recorder) = outside {
        recorder.register(section, Arc::new(Chunks(ears.clone())));
    }
    let port = outside_port(port, &status, Flow::Stream, outside);
    tokio::spawn(device::run(port, Capture::new(settings, ears.clone()), status));
    Microphone { device, hand, ears: Some(ears), limit, recordings }
}

/// Keeps a recording from beginning in the middle of a chunk, of which a replay would have a half.
struct Chunks(hharome_hardware::microphone::Microphone);

impl Remembers for Chunks {
    fn events(&self) -> Vec<PortEvent> {
        Vec::new()
    }

    fn is_busy(&self) -> bool {
        self.0.is_in_the_middle_of_a_chunk()
    }
}
