//! What all connections share: the configuration in force, the devices, the channels, the table of
//! calls, the counters. Made once by the server; every connection holds it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use hharome_protocol::bridge::{DeviceStatus, Dropped};
use tokio::time::Instant;

use crate::actions;
use crate::channels::{Channels, StageSwitch};
use crate::config::Config;
use crate::connection::Client;
use crate::devices::{Device, Devices};
use crate::outbox::{Bounds, Outbox};
use crate::outside::Outside;
use crate::panel::watch::Watch;
use crate::recording::recorder::{ClientTape, Recorder};
use crate::router::Router;

/// The daemon's inside.
pub struct Bridge {
    config: RwLock<Arc<Config>>,
    /// All devices, configured or not.
    pub devices: Arc<Devices>,
    /// All channels.
    pub channels: Channels,
    /// All actions and calls.
    pub router: Router,
    /// Takes down what passes, when it is asked to.
    pub recorder: Recorder,
    /// Shows it, when the panel is open.
    watch: Watch,
    clock: Clock,
    next_client: AtomicU64,
    clients: AtomicU64,
    given_up: AtomicU64,
    /// Stream events that slow clients have lost.
    dropped: Arc<AtomicU64>,
}

/// Turns moments of the runtime's clock into moments of the wall clock.
#[derive(Clone, Copy)]
pub struct Clock {
    started: Instant,
    at: SystemTime,
}

impl Bridge {
    /// Starts the devices of `config` at this kiosk. Must be called inside the runtime.
    #[must_use]
    pub fn new(config: Config) -> Arc<Self> {
        Self::with(config, Outside::Kiosk(Recorder::default()), Clock::now())
    }

    /// Starts the devices of `config` with this outside. Must be called inside the runtime.
    #[must_use]
    pub fn with(config: Config, outside: Outside, clock: Clock) -> Arc<Self> {
        let config = Arc::new(config);
        let recorder = match &outside {
            Outside::Kiosk(recorder) => recorder.clone(),
            // What comes from a recording is not recorded again.
            Outside::Recording(_) => Recorder::default(),
        };
        let devices = Arc::new(Devices::start(&config, outside));
        let watch = Watch::default();
        let channels = actions::channels(&devices, &watch, clock);
        Arc::new(Self {
            config: RwLock::new(config),
            devices,
            channels,
            router: actions::router(),
            recorder,
            watch,
            clock,
            next_client: AtomicU64::new(0),
            clients: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            dropped: Arc::default(),
        })
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another configuration in force: what is read at each use follows it at once.
    pub fn reconfigure(&self, config: Config) {
        self.devices.machine.reconfigure(&config.device_info);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// A new client.
    pub(crate) fn admit(&self, transport: &'static str) -> Client {
        self.clients.fetch_add(1, Ordering::Relaxed);
        let limits = &self.config().limits;
        let bounds = Bounds {
            stream_events: limits.stream_events,
            frames: limits.waiting_frames,
            bytes: limits.waiting_bytes,
        };
        let id = self.next_client.fetch_add(1, Ordering::Relaxed) + 1;
        let tape = ClientTape::new(self.recorder.clone(), self.watch.clone(), id, transport);
        Client {
            id,
            transport,
            outbox: Arc::new(Outbox::taped(bounds, tape.clone(), Arc::clone(&self.dropped))),
            stages: Arc::new(StageSwitch::default()),
            tape,
        }
    }

    /// A client that has gone; `given_up` because it read too slowly.
    pub(crate) fn dismiss(&self, client: &Client, given_up: bool) {
        self.channels.unsubscribe_all(client);
        self.devices.release(client.id);
        self.clients.fetch_sub(1, Ordering::Relaxed);
        self.given_up.fetch_add(u64::from(given_up), Ordering::Relaxed);
    }

    /// Clients connected now.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.clients.load(Ordering::Relaxed)
    }

    /// What slow clients have lost since the start.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        Dropped {
            stream_events: self.dropped.load(Ordering::Relaxed),
            clients: self.given_up.load(Ordering::Relaxed),
        }
    }

    /// A moment of the runtime's clock in ms since 1970-01-01 UTC.
    #[must_use]
    pub fn epoch_ms(&self, moment: Instant) -> u64 {
        self.clock.epoch_ms(moment)
    }

    /// One device, as `bridge.status` tells it.
    #[must_use]
    pub fn status_of(&self, device: &Device) -> DeviceStatus {
        device.told(self.clock)
    }
}

impl Clock {
    /// Both clocks, as of now.
    #[must_use]
    pub fn now() -> Self {
        Self::at(Instant::now(), SystemTime::now())
    }

    /// The two clocks as they were at one moment.
    #[must_use]
    pub fn at(moment: Instant, time: SystemTime) -> Self {
        Self { started: moment, at: time }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn epoch_ms(&self, moment: Instant) -> u64 {
        self.epoch_micros(moment) / 1000
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub fn epoch_micros(&self, moment: Instant) -> u64 {
        let at = match self.started.checked_duration_since(moment) {
            Some(before) => self.at.checked_sub(before).unwrap_or(UNIX_EPOCH),
            None => self.at + moment.duration_since(self.started),
        };
        at.duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}
