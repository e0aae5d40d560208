//! Binds, accepts, limits, reloads, drains: the daemon from its first socket to its last.
//!
//! ```text
//! bind ─► accept ─► one task a client ─┐
//!   SIGHUP: configuration read again   │
//!   SIGTERM, SIGINT: no new clients ───┴─► calls ended, answers written ─► sockets removed
//! ```

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::actions::device;
use crate::bridge::{Bridge, Clock};
use crate::config::{Config, Loaded};
use crate::connection::{self, Peer};
use crate::footprint;
use crate::log::LogHandle;
use crate::outside::Outside;
use crate::recording::format::PersonalData;
use crate::recording::recorder::DaemonEvent;
use crate::recording::{self, RecordError};
use crate::transport::http::{self, Door};
use crate::transport::lines::Lines;
use crate::transport::unix::{Socket, SocketError};

/// How long clients have at the end: a little more than a connection takes for its own farewell.
const DRAIN: Duration = Duration::from_secs(8);

/// How long a receipt that is being printed may take at the end: the longest on a slow printer.
const PRINTING: Duration = Duration::from_secs(60);

/// A daemon that is started again and again with `--record NAME` makes at most so many recordings,
/// NAME, NAME-2, …: what is beyond that is a loop.
const LAST_STARTED: u32 = 999;

/// After a failed accept (no descriptors left, mostly) clients wait this long instead of the
/// daemon spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The Unix socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// An address.
    #[error(
        "[listen] {key} = \"{address}\": {source}; set another address (in a file for \
             --config; `hharome config` prints one), or stop who has it"
    )]
    Address {
        /// `tcp` or `http`.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// Nothing to listen on.
    #[error("[listen]: unix is off and neither tcp nor http is named: nobody could connect")]
    Nowhere,
    /// The recording that was to be made from the start.
    #[error("--record: {0}")]
    Record(#[from] RecordError),
    /// Signals.
    #[error("signals cannot be awaited: {0}")]
    Signals(io::Error),
}

/// What a daemon is started with besides its configuration.
pub struct Start {
    /// What stands behind the devices' ports.
    pub outside: Outside,
    /// The name of a recording that is made from the start.
    pub record: Option<(String, PersonalData)>,
    /// When it ends by itself; `None`: never.
    pub until: Option<Instant>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting; nothing after that.
pub async fn serve(
    loaded: Loaded,
    start: Start,
    reload: impl Fn() -> Option<Loaded>,
    log: LogHandle,
) -> Result<(), ServeError> {
    let Loaded { config, source, written } = loaded;
    let doors = Doors::bind(&config).await?;
    let mut hangup = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    announce(&config, source.as_ref());
    let bridge = Bridge::with(config, start.outside, Clock::now());
    bridge.recorder.set_written(written);
    if let Some((name, personal_data)) = start.record {
        // Before anything runs, so that the devices' beginning is on the tape.
        record_from_the_start(&bridge, &name, personal_data)?;
    }
    let house = House {
        open: Arc::new(AtomicUsize::new(0)),
        stop: CancellationToken::new(),
        tracker: TaskTracker::new(),
        bridge,
    };
    let accepting = house.open(doors);
    let started = Instant::now() + footprint::STARTED;
    let mut given_back = false;
    loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = sleep_until(start.until.unwrap_or_else(Instant::now)), if start.until.is_some() => break,
            () = sleep_until(started), if !given_back => {
                footprint::give_back();
                given_back = true;
            }
            _ = hangup.recv() => if let Some(new) = reload() {
                house.reconfigure(&new, &log);
            },
        }
    }
    tracing::info!("stopping: clients are told, nobody new comes in");
    house.bridge.recorder.daemon(DaemonEvent::Stopping);
    // A receipt that is begun is printed to its end; those that wait are not begun.
    let press = house.bridge.devices.receipts.press.as_ref();
    let printing = press.map(|press| tokio::spawn(press.printer.clone().finished()));
    let restored = tokio::spawn(device::restore(&house.bridge));
    // Dropped first, so that a new daemon can bind while the last clients are served.
    for task in accepting {
        task.abort();
        let _ = task.await;
    }
    house.stop.cancel();
    house.tracker.close();
    if timeout(DRAIN, house.tracker.wait()).await.is_err() {
        tracing::warn!(clients = house.tracker.len(), "clients are left behind");
    }
    // The shell's command that runs has its time, and bars that were hidden for this run are shown again; it
    // has a limit of its own.
    let _ = restored.await;
    if let Some(printing) = printing
        && timeout(PRINTING, printing).await.is_err()
    {
        tracing::warn!("a receipt is left in the middle");
    }
    house.bridge.recorder.end(recording::DAEMON_STOPPED).await;
    Ok(())
}

/// Begins a recording before anything has happened. A kiosk that is started anew records under the
/// next free name; a disk that fails costs the recording and not the kiosk.
///
/// # Errors
/// A recording that can never be: it is off, or the name cannot be.
fn record_from_the_start(
    bridge: &Bridge,
    name: &str,
    personal_data: PersonalData,
) -> Result<(), RecordError> {
    let begin = |name: &str| {
        let folder = recording::plan(bridge, name, personal_data)?.make()?;
        bridge.recorder.begin(folder)?;
        recording::announce(name, personal_data);
        Ok(())
    };
    let others = (2..=LAST_STARTED).map(|number| format!("{name}-{number}"));
    for name in std::iter::once(name.to_owned()).chain(others) {
        match begin(&name) {
            Err(RecordError::Exists(_)) => {}
            Err(error @ (RecordError::Off | RecordError::Name)) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "nothing is recorded");
                return Ok(());
            }
            Ok(()) => return Ok(()),
        }
    }
    tracing::warn!(name, "nothing is recorded: {LAST_STARTED} recordings have this name already");
    Ok(())
}

/// The sockets that are bound.
struct Doors {
    unix: Option<Socket>,
    tcp: Option<TcpListener>,
    http: Option<TcpListener>,
}

impl Doors {
    async fn bind(config: &Config) -> Result<Self, ServeError> {
        let listen = &config.listen;
        let socket =
            |path: &PathBuf| Socket::bind(path, listen.unix_mode, listen.unix_group.as_deref());
        let doors = Self {
            unix: listen.unix.as_ref().map(socket).transpose()?,
            tcp: bind("tcp", listen.tcp).await?,
            http: bind("http", listen.http).await?,
        };
        if doors.unix.is_none() && doors.tcp.is_none() && doors.http.is_none() {
            return Err(ServeError::Nowhere);
        }
        Ok(doors)
    }
}

async fn bind(
    key: &'static str,
    address: Option<SocketAddr>,
) -> Result<Option<TcpListener>, ServeError> {
    let Some(address) = address else { return Ok(None) };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(source) => Err(ServeError::Address { key, address, source }),
    }
}

/// What the accepting tasks share.
#[derive(Clone)]
struct House {
    bridge: Arc<Bridge>,
    /// Connections that are open.
    open: Arc<AtomicUsize>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl House {
    /// Starts accepting; says where.
    fn open(&self, doors: Doors) -> Vec<tokio::task::JoinHandle<()>> {
        let mut accepting = Vec::new();
        if let Some(socket) = doors.unix {
            tracing::info!(transport = "unix", address = %socket.path().display(), "listening");
            accepting.push(tokio::spawn(self.clone().accept(socket, Self::unix)));
        }
        if let Some(listener) = doors.tcp {
            tracing::info!(transport = "tcp", address = %address(&listener), "listening");
            accepting.push(tokio::spawn(self.clone().accept(listener, Self::tcp)));
        }
        if let Some(listener) = doors.http {
            let bound = address(&listener);
            tracing::info!(transport = "ws", address = %format!("ws://{bound}/ws"), "listening");
            tracing::info!(address = %format!("http://{bound}/"), "the panel, for a browser");
            let serve = move |house: &Self, stream, seat| house.http(stream, seat, bound);
            accepting.push(tokio::spawn(self.clone().accept(listener, serve)));
        }
        accepting
    }

    async fn accept<L: Accept>(self, listener: L, serve: impl Fn(&Self, L::Stream, Seat)) {
        let mut full = false;
        loop {
            match listener.accept().await {
                Ok(stream) => match self.seat() {
                    Some(seat) => {
                        full = false;
                        serve(&self, stream, seat);
                    }
                    None => {
                        // Said once, not for each who knocks.
                        if !std::mem::replace(&mut full, true) {
                            tracing::warn!(
                                "[limits] connections is reached: a client was turned away"
                            );
                        }
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "a client could not be let in");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A place for one more connection, while the limit in force allows it.
    fn seat(&self) -> Option<Seat> {
        let seat = Seat(Arc::clone(&self.open));
        let taken = self.open.fetch_add(1, Ordering::Relaxed);
        (taken < self.bridge.config().limits.connections).then_some(seat)
    }

    fn unix(&self, stream: UnixStream, seat: Seat) {
        if let Ok(peer) = stream.peer_cred() {
            tracing::info!(uid = peer.uid(), gid = peer.gid(), pid = peer.pid(), "unix client");
        }
        // Who may open the socket is let in by its mode and group.
        self.lines(stream, Peer { transport: "unix", token_by: None }, seat);
    }

    fn tcp(&self, stream: TcpStream, seat: Seat) {
        // Frames are whole when they are written; waiting to join them only delays.
        let _ = stream.set_nodelay(true);
        let config = self.bridge.config();
        let token_by =
            config.listen.token.as_ref().map(|_| Instant::now() + config.limits.handshake);
        self.lines(stream, Peer { transport: "tcp", token_by }, seat);
    }

    fn lines<S>(&self, stream: S, peer: Peer, seat: Seat)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let lines = Lines::new(stream, self.bridge.config().listen.max_frame_bytes);
        let (bridge, stop) = (Arc::clone(&self.bridge), self.stop.clone());
        self.tracker.spawn(async move {
            connection::serve(bridge, lines, peer, stop).await;
            drop(seat);
        });
    }

    fn http(&self, stream: TcpStream, seat: Seat, bound: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let door = Door {
            bridge: Arc::clone(&self.bridge),
            bound,
            stop: self.stop.clone(),
            tracker: self.tracker.clone(),
        };
        tokio::spawn(http::serve(door, stream, seat));
    }

    fn reconfigure(&self, loaded: &Loaded, log: &LogHandle) {
        let new = &loaded.config;
        let old = self.bridge.config();
        let reread = old.reread(new);
        let restart = old.unchangeable(new);
        let merged = old.reloaded(new);
        log.set(merged.log.level);
        self.bridge.reconfigure(merged);
        let recorder = &self.bridge.recorder;
        let written = recorder.written().reloaded(&loaded.written, &restart);
        recorder.set_written(written.clone());
        recorder.daemon(DaemonEvent::Reloaded(written));
        let changed = if reread.is_empty() { "nothing".to_owned() } else { reread.join(", ") };
        tracing::info!(changed, "configuration read again");
        if !restart.is_empty() {
            tracing::warn!(keys = restart.join(", "), "changed, but need a restart");
        }
    }
}

/// A connection's place among those that are open; given back when dropped.
pub struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

trait Accept: Send + 'static {
    type Stream;
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accept for Socket {
    type Stream = UnixStream;
    async fn accept(&self) -> io::Result<UnixStream> {
        UnixListener::accept(&self.listener).await.map(|(stream, _)| stream)
    }
}

impl Accept for TcpListener {
    type Stream = TcpStream;
    async fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).await.map(|(stream, _)| stream)
    }
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
}

/// Says at start what an operator should know.
fn announce(config: &Config, source: Option<&PathBuf>) {
    match source {
        Some(file) => tracing::info!(file = %file.display(), "configuration"),
        None => tracing::warn!(
            "no configuration file: every device is simulated (`hharome config` prints a file)"
        ),
    }
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
}
