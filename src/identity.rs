//! What `getDeviceInfo` answers: the configuration's words first, the machine's own otherwise.
//!
//! Read once at start, apart from the IP address, which may change; it is looked up at most every
//! `ADDRESS_AGE`, so that a call is never slower than its socket.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hharome_hardware::machine::Machine;
use hharome_protocol::device::DeviceInfo;
use tokio::time::Instant;

use crate::config;

/// How old the told IP address may be.
const ADDRESS_AGE: Duration = Duration::from_secs(5);

/// What this kiosk calls itself.
pub struct Identity {
    machine: Machine,
    inner: Mutex<Inner>,
}

struct Inner {
    info: DeviceInfo,
    fixed_address: bool,
    looked_up: Option<Instant>,
}

impl Identity {
    /// This machine's, with the configuration's words where it has some.
    #[must_use]
    pub fn of_this_machine(words: &config::DeviceInfo) -> Self {
        let machine = Machine::read();
        let inner = Mutex::new(Inner::new(&machine, words));
        Self { machine, inner }
    }

    /// Other words, from a configuration that was read again.
    pub fn reconfigure(&self, words: &config::DeviceInfo) {
        *self.lock() = Inner::new(&self.machine, words);
    }

    /// The answer.
    #[must_use]
    pub fn info(&self) -> DeviceInfo {
        let mut inner = self.lock();
        let now = Instant::now();
        let old = inner.looked_up.is_none_or(|at| now.duration_since(at) >= ADDRESS_AGE);
        if !inner.fixed_address && old {
            inner.looked_up = Some(now);
            let address = hharome_hardware::machine::address();
            inner.info.device_ip = address.map(|address| address.to_string()).unwrap_or_default();
        }
        inner.info.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn new(machine: &Machine, words: &config::DeviceInfo) -> Self {
        let either = |word: &Option<String>, own: &Option<String>| {
            word.clone().or_else(|| own.clone()).unwrap_or_default()
        };
        let info = DeviceInfo {
            sn: either(&words.sn, &machine.serial),
            device_model: either(&words.device_model, &machine.model),
            app_version: either(&words.app_version, &Some(env!("CARGO_PKG_VERSION").to_owned())),
            android_version: either(&words.android_version, &machine.version_id),
            device_ip: words.device_ip.clone().unwrap_or_default(),
            deviced_display: either(&words.deviced_display, &machine.firmware),
        };
        Self { info, fixed_address: words.device_ip.is_some(), looked_up: None }
    }
}
