//! The sections that concern clients and the daemon itself: where to listen, limits, time limits,
//! what `getDeviceInfo` answers, the log.
//!
//! Read at start by the server, and again at SIGHUP, which applies the rows marked `Reread`.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::rule::{
    hosts, limit, listen_address, millis, name, octal_mode, off_if_empty, one_of, optional,
    origins, path, socket_path, text, token, whole,
};
use super::schema::section;
use super::words::words;

/// Where TCP listens when no file says otherwise.
pub const DEFAULT_TCP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 17801);

/// Where HTTP listens when no file says otherwise.
pub const DEFAULT_HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 17802);

/// A secret of the configuration: it neither shows in `Debug` nor can be displayed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for comparing with what a client sent; compare in constant time.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

section! {
    /// Where clients connect, and who may.
    Listen {
        /// The Unix socket. Left out: bridge.sock in $RUNTIME_DIRECTORY under systemd, else in
        /// $XDG_RUNTIME_DIR/hharome, else in /tmp/hharome-UID.
        unix: Option<PathBuf> = Some(default_unix_path());
        "unix", Example(r#""/run/hharome/bridge.sock""#),
        off_if_empty(socket_path(), "off"), Restart;
        /// The mode of the socket file: who may connect to it.
        unix_mode: u32 = 0o660;
        "unix_mode", Default(r#""0660""#), octal_mode(), Restart;
        /// The group of the socket file; empty: the daemon's own.
        unix_group: Option<String> = None;
        "unix_group", Default(r#""""#),
        off_if_empty(name("the name of a group"), "the daemon's own"), Restart;
        /// TCP, a frame a line. Off unless named. Port 0 takes a free one.
        /// An address that other machines can reach needs a token.
        tcp: Option<SocketAddr> = None;
        "tcp", Example(r#""127.0.0.1:17801""#), off_if_empty(listen_address(), "off"), Restart;
        /// HTTP with WebSocket at /ws. Off unless named. Port 0 takes a free one.
        /// An address that other machines can reach needs a token.
        http: Option<SocketAddr> = None;
        "http", Example(r#""127.0.0.1:17802""#), off_if_empty(listen_address(), "off"), Restart;
        /// The token that TCP and HTTP clients must send. Let only the daemon read the file.
        token: Option<Secret> = None;
        "token", Default(r#""""#), token(), Reread;
        /// Further web pages that may connect, besides those of this port: their exact Origin.
        origins: Vec<String> = Vec::new();
        "origins", Default("[]"), origins(), Reread;
        /// Further names by which browsers may call this machine (Host headers without the port),
        /// besides `127.0.0.1`, `[::1]` and `localhost`.
        hosts: Vec<String> = Vec::new();
        "hosts", Default("[]"), hosts(), Reread;
        /// The largest frame that a client may send. A longer one is skipped to its end and
        /// answered with an error.
        max_frame_bytes: usize = 16 * 1024 * 1024;
        "max_frame_bytes", Default("16777216"), whole(1024, 256 * 1024 * 1024, "bytes"), Restart;
    }
}

section! {
    /// How much one client may ask for and leave unread. The defaults are those of the protocol.
    Limits {
        /// Connections at once over all transports. A kiosk has a handful of programs; 512 stop a
        /// runaway one before the daemon is out of file descriptors.
        connections: usize = 512;
        "connections", Default("512"), whole(1, 65_536, "connections"), Reread;
        /// How long a new TCP or HTTP connection may take to send its token or finish its
        /// WebSocket handshake, so that half-open ones do not fill the table.
        handshake: Duration = Duration::from_secs(10);
        "handshake_ms", Default("10000"), millis(100, 600_000), Reread;
        /// Calls in flight on one connection; one more is answered device_busy.
        calls_per_connection: usize = 256;
        "calls_per_connection", Default("256"), whole(1, 65_536, "calls"), Reread;
        /// Stream events (microphone) that wait for one slow client; then the oldest are dropped,
        /// and the client is told. 64 are 2.6 s of sound.
        stream_events: usize = 64;
        "stream_events", Default("64"), whole(1, 65_536, "events"), Reread;
        /// Frames that wait for one client when its own requests stop being read. It must lie below
        /// waiting_frames, so that a client is slowed before it is cut off.
        paused_frames: usize = 256;
        "paused_frames", Default("256"), whole(1, 1_048_576, "frames"), Reread;
        /// Frames other than stream events that wait for one client when it is disconnected.
        waiting_frames: usize = 1024;
        "waiting_frames", Default("1024"), whole(1, 1_048_576, "frames"), Reread;
        /// Bytes that wait for one client when it is disconnected, stream events included.
        waiting_bytes: usize = 32 * 1024 * 1024;
        "waiting_bytes", Default("33554432"), whole(65_536, 1024 * 1024 * 1024, "bytes"), Reread;
    }
}

section! {
    /// The desktop session of the kiosk's user. Speech, sound and screens often belong to it, while
    /// the daemon is a service of the system; these keys say where that session is. The daemon's user
    /// also needs its permission.
    Session {
        /// The session's folder of sockets: speech-dispatcher, PipeWire, PulseAudio and the Wayland
        /// compositor are there.
        /// Left out: $XDG_RUNTIME_DIR.
        runtime_dir: Option<PathBuf> = None;
        "runtime_dir", Example(r#""/run/user/1000""#), optional(path()), Restart;
        /// The X display of the second screen. Left out: $DISPLAY.
        display: Option<String> = None;
        "display", Example(r#"":0""#), optional(name("a display of X, such as :0")), Restart;
        /// The file with the cookie that lets programs use that display. Left out: $XAUTHORITY.
        xauthority: Option<PathBuf> = None;
        "xauthority", Example(r#""/home/kiosk/.Xauthority""#), optional(path()), Restart;
        /// The Wayland compositor of the second screen: the name of its socket in runtime_dir, or its
        /// path. Left out: $WAYLAND_DISPLAY, or with another runtime_dir than the daemon's own the only
        /// compositor that answers there.
        wayland_display: Option<String> = None;
        "wayland_display", Example(r#""wayland-1""#), optional(name("a compositor's socket, such as wayland-1")), Restart;
    }
}

impl Session {
    /// The folder that the file names, as text.
    #[must_use]
    pub fn named_runtime_folder(&self) -> Option<String> {
        self.runtime_dir.as_ref().map(|folder| folder.display().to_string())
    }

    /// The session's folder of sockets: the configured one, else `$XDG_RUNTIME_DIR`, else that of the
    /// daemon's own user as systemd has it.
    #[must_use]
    pub fn runtime_folder(&self) -> PathBuf {
        let own =
            || env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        self.runtime_dir.clone().or_else(own).unwrap_or_else(|| {
            Path::new("/run/user").join(rustix::process::getuid().as_raw().to_string())
        })
    }

    /// The name or path of the Wayland compositor's socket; `None`: whichever answers in the session's
    /// folder of sockets. `$WAYLAND_DISPLAY` is about the daemon's own session and no other.
    #[must_use]
    pub fn compositor(&self) -> Option<String> {
        let own = || env::var("WAYLAND_DISPLAY").ok().filter(|name| !name.is_empty());
        self.wayland_display.clone().or_else(|| self.runtime_dir.is_none().then(own).flatten())
    }
}

section! {
    /// What getDeviceInfo answers. What is left out is read from the machine.
    DeviceInfo {
        /// The serial number; also the arome_deviceId of the JavaScript client.
        sn: Option<String> = None;
        "sn", Example(r#""KIOSK-0001""#), optional(text()), Reread;
        /// The model of the kiosk.
        device_model: Option<String> = None;
        "deviceModel", Example(r#""K1""#), optional(text()), Reread;
        /// The version of the host app; left out: the daemon's own.
        app_version: Option<String> = None;
        "appVersion", Example(r#""1.0.0""#), optional(text()), Reread;
        /// The version of the system; left out: VERSION_ID of os-release.
        android_version: Option<String> = None;
        "androidVersion", Example(r#""7.1.2""#), optional(text()), Reread;
        /// The IP address; left out: that of the interface with the default route.
        device_ip: Option<String> = None;
        "deviceIP", Example(r#""192.168.1.1""#), optional(text()), Reread;
        /// The firmware (the key is spelled as the protocol spells it).
        deviced_display: Option<String> = None;
        "devicedDisplay", Example(r#""K1-2026.08""#), optional(text()), Reread;
    }
}

section! {
    /// How long things may take, in milliseconds; 0 is for ever.
    Timeouts {
        /// How long getIDCardInfo waits for a card.
        id_card: Option<Duration> = Some(Duration::from_secs(15));
        "id_card", Default("15000"), limit(), Reread;
        /// How long getQRCode waits for a code.
        qr_code: Option<Duration> = Some(Duration::from_secs(15));
        "qr_code", Default("15000"), limit(), Reread;
        /// How long getSocialSecurityCardInfo waits for a card.
        social_security_card: Option<Duration> = Some(Duration::from_secs(15));
        "social_security_card", Default("15000"), limit(), Reread;
        /// How long enterIDNumber waits for a typed number.
        id_number: Option<Duration> = Some(Duration::from_secs(60));
        "id_number", Default("60000"), limit(), Reread;
        /// How long nobody touches the kiosk until ampeOperationTimeout fires; 0 switches it off.
        operation: Option<Duration> = Some(Duration::from_secs(30));
        "operation", Default("30000"), limit(), Reread;
        /// How long the printer may take no byte and send no status until the job has failed.
        printer: Option<Duration> = Some(Duration::from_secs(60));
        "printer", Default("60000"), limit(), Reread;
    }
}

words! {
    /// What is written to the log, the least first; each level includes those before it.
    LogLevel {
        /// A mistake of the daemon itself.
        Error = "error",
        /// The world behaves oddly: a device goes away, a client is too slow.
        Warn = "warn",
        /// What may stay on: start, devices, connections.
        Info = "info",
        /// Every call and event by name, without content.
        Debug = "debug",
        /// Everything, the frames of devices by length and type included.
        Trace = "trace",
    }
}

section! {
    /// What is written to the log (stderr). Nothing of what is on a person's card ever is.
    Log {
        /// The least important level that is written.
        level: LogLevel = LogLevel::Info;
        "level", Default(r#""info""#), one_of(), Reread;
    }
}

section! {
    /// Recording what passes at the devices and clients, to replay it elsewhere (docs/recording.md).
    Recording {
        /// The folder that recordings are written to, each in a folder of its own; made if it is
        /// not there. Left out: nothing can be recorded. Names, numbers, addresses, photos and
        /// codes are replaced by invented ones before they reach the disk.
        directory: Option<PathBuf> = None;
        "directory", Example(r#""/var/lib/hharome/recordings""#), optional(path()), Restart;
        /// How large one recording may grow; then it ends.
        max_bytes: u64 = 1024 * 1024 * 1024;
        "max_bytes", Default("1073741824"), whole(65_536, 1024 * 1024 * 1024 * 1024, "bytes"), Restart;
        /// How large all recordings in the directory may grow together; then one ends, or does not
        /// begin.
        max_total_bytes: u64 = 4 * 1024 * 1024 * 1024;
        "max_total_bytes", Default("4294967296"),
        whole(65_536, 1024 * 1024 * 1024 * 1024, "bytes"), Restart;
        /// How old a recording may become, in days; older ones are removed when another begins.
        /// 0: they are kept for ever.
        max_age_days: u32 = 0;
        "max_age_days", Default("0"), whole(0, 3650, "days"), Restart;
        /// How long one recording may go on; then it ends.
        max_minutes: u64 = 24 * 60;
        "max_minutes", Default("1440"), whole(1, 31 * 24 * 60, "minutes"), Restart;
    }
}

/// Where the Unix socket is when the file does not say: `$RUNTIME_DIRECTORY/bridge.sock` under
/// systemd, else `$XDG_RUNTIME_DIR/hharome/bridge.sock`, else `/tmp/hharome-$UID/bridge.sock`.
pub fn default_unix_path() -> PathBuf {
    unix_path_from(|variable| env::var_os(variable), rustix::process::getuid().as_raw())
}

/// Where what has to survive the daemon is kept when the file does not say: `$STATE_DIRECTORY` under
/// systemd, else `$XDG_STATE_HOME/hharome`, else `.local/state/hharome` at home, else
/// `/var/lib/hharome`.
pub(super) fn default_state_folder() -> PathBuf {
    state_folder_from(|variable| env::var_os(variable))
}

/// [`default_state_folder`] with the environment given.
pub(super) fn state_folder_from(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let folder = |name: &str| folder_of(&variable, name);
    folder("STATE_DIRECTORY")
        .or_else(|| folder("XDG_STATE_HOME").map(|folder| folder.join("hharome")))
        .or_else(|| folder("HOME").map(|home| home.join(".local/state/hharome")))
        .unwrap_or_else(|| PathBuf::from("/var/lib/hharome"))
}

/// The folder that a variable names. Several directories of systemd's are separated by colons
/// (systemd.exec(5)). A relative one is to be ignored (XDG base directory specification).
fn folder_of(variable: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    let value = variable(name)?.into_string().ok()?;
    let first = value.split(':').next().unwrap_or_default();
    first.starts_with('/').then(|| PathBuf::from(first))
}

/// [`default_unix_path`] with the environment and the user's number given.
pub(super) fn unix_path_from(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> PathBuf {
    let folder = |name: &str| folder_of(&variable, name);
    folder("RUNTIME_DIRECTORY")
        .or_else(|| folder("XDG_RUNTIME_DIR").map(|folder| folder.join("hharome")))
        .unwrap_or_else(|| Path::new("/tmp").join(format!("hharome-{uid}")))
        .join("bridge.sock")
}
