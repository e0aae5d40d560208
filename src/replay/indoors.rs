//! A recording's clients inside this process: each a connection of the real bridge, over a socket
//! in memory, in virtual time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::PRE_ROLL;
use super::player::House;
use super::socket::{self, Ear, SocketHand};
use super::stage::Stage;
use crate::bridge::Bridge;
use crate::config::{Config, DeviceInfo, Written};
use crate::connection::{self, Peer};
use crate::recording::format::DaemonLine;
use crate::recording::reader::{ClientFile, ReadError, Recording, StallLines, StallStep};
use crate::transport::Incoming;

pub(super) struct Indoors<'a> {
    recording: &'a Recording,
    bridge: Arc<Bridge>,
    stage: Arc<Mutex<Stage>>,
    clients: BTreeMap<u64, Client>,
    stop: CancellationToken,
    begun: bool,
}

struct Client {
    hand: SocketHand,
    stalls: Stalls,
    /// Frames that it had got then, up to now.
    took: u64,
    /// Its socket took nothing then, now.
    stalled: bool,
}

impl<'a> Indoors<'a> {
    pub(super) fn new(
        recording: &'a Recording,
        bridge: Arc<Bridge>,
        stage: Arc<Mutex<Stage>>,
    ) -> Self {
        let (clients, stop) = (BTreeMap::new(), CancellationToken::new());
        Self { recording, bridge, stage, clients, stop, begun: false }
    }
}

impl House for Indoors<'_> {
    fn enter(
        &mut self,
        client: &ClientFile,
        transport: &str,
        token: bool,
        before: bool,
    ) -> Result<(), ReadError> {
        let number = client.number;
        let mut stalls = Stalls::of(self.recording, client)?;
        let ear: Arc<Mutex<dyn Ear>> = Arc::clone(&self.stage) as _;
        let (socket, hand) = socket::socket(number, stalls.next()?, ear);
        if self.begun {
            hand.count();
        }
        let peer = Peer {
            transport: match transport {
                "tcp" => "tcp",
                "ws" => "ws",
                "panel" => "panel",
                "page" => "page",
                _ => "unix",
            },
            // How much of its time one of the time before had left nobody knows: all of it.
            token_by: token.then(|| {
                let ahead = if before { PRE_ROLL } else { 0 };
                let ahead = Duration::from_micros(ahead.unsigned_abs());
                Instant::now() + ahead + self.bridge.config().limits.handshake
            }),
        };
        let token = peer.token_by.is_some();
        let served = connection::serve(Arc::clone(&self.bridge), socket, peer, self.stop.clone());
        let (stage, watched) = (Arc::clone(&self.stage), hand.clone());
        tokio::spawn(async move {
            served.await;
            // Who was not let in got one frame at most, which says so.
            let admitted = !token || watched.taken() > 1;
            stage.lock().unwrap_or_else(PoisonError::into_inner).ended(number, admitted);
        });
        self.clients.insert(number, Client { hand, stalls, took: 0, stalled: false });
        Ok(())
    }

    fn says(&mut self, client: u64, what: Incoming) {
        if let Some(client) = self.clients.get(&client) {
            client.hand.send(what);
        }
    }

    fn took(&mut self, client: u64) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.took += 1;
            // Frames that it took while it could not keep up: one by one, as then.
            if client.stalled {
                client.hand.limit(Some(client.took));
            }
        }
    }

    fn stalls(&mut self, client: u64) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.stalled = true;
        }
    }

    fn flows(&mut self, client: u64) -> Result<(), ReadError> {
        let Some(client) = self.clients.get_mut(&client) else { return Ok(()) };
        client.stalled = false;
        let next = client.stalls.next()?;
        client.hand.limit(next);
        Ok(())
    }

    fn breaks(&mut self, client: u64) {
        if let Some(client) = self.clients.get(&client) {
            client.hand.break_off();
        }
    }

    fn leaves(&mut self, client: u64) {
        // The connection keeps its end of the socket for as long as it lives.
        self.clients.remove(&client);
    }

    fn daemon(&mut self, line: DaemonLine) -> Result<(), String> {
        if let Some(tables) = line.reload {
            let meta = &self.recording.meta;
            let written = Written { tables, simulated: meta.simulated };
            let mut new =
                Config::from_written(&written, meta.token).map_err(|error| error.to_string())?;
            let old = self.bridge.config();
            keep_device_info(&mut new.device_info, &old.device_info);
            self.bridge.reconfigure(old.reloaded(&new));
        }
        if line.stopping {
            self.stop.cancel();
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.begun = true;
        self.clients.values().for_each(|client| client.hand.count());
    }
}

/// What the file does not say stays what the recorded machine said.
fn keep_device_info(new: &mut DeviceInfo, old: &DeviceInfo) {
    let keep = |new: &mut Option<String>, old: &Option<String>| {
        if new.is_none() {
            new.clone_from(old);
        }
    };
    keep(&mut new.sn, &old.sn);
    keep(&mut new.device_model, &old.device_model);
    keep(&mut new.app_version, &old.app_version);
    keep(&mut new.android_version, &old.android_version);
    keep(&mut new.device_ip, &old.device_ip);
    keep(&mut new.deviced_display, &old.deviced_display);
}

/// A client's stalls, found by reading ahead of what is played.
struct Stalls {
    /// Closed at its end, which for most clients comes at once.
    lines: Option<StallLines>,
    outs: u64,
}

impl Stalls {
    fn of(recording: &Recording, client: &ClientFile) -> Result<Self, ReadError> {
        Ok(Self { lines: Some(recording.stalls(client)?), outs: 0 })
    }

    /// After how many frames its socket takes no more the next time.
    fn next(&mut self) -> Result<Option<u64>, ReadError> {
        let Some(lines) = &mut self.lines else { return Ok(None) };
        while let Some(line) = lines.next()? {
            match line.value {
                StallStep::Out => self.outs += 1,
                StallStep::Stalled => return Ok(Some(self.outs)),
                StallStep::Flowing | StallStep::Other => {}
            }
        }
        self.lines = None;
        Ok(None)
    }
}
