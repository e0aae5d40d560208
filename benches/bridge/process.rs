//! The processes that are measured: the bridge with a configuration of its own, and floors. Each
//! ends when its value is dropped.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::client::{Address, Client, Transport};
use super::floor;
use crate::Outcome;

/// How long anything here may take before it counts as failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Every device section of a configuration.
const SECTIONS: [&str; 12] = [
    "id_card",
    "qr_scanner",
    "cpu_card",
    "psam",
    "social_security_card",
    "microphone",
    "printer",
    "infrared",
    "second_screen",
    "speech",
    "buzzer",
    "face",
];

/// A running bridge.
pub(crate) struct Bridge {
    process: Running,
    folder: TempDir,
    ports: Option<(SocketAddr, SocketAddr)>,
    spawned: Instant,
}

impl Bridge {
    /// Starts one with every device simulated, on all transports.
    pub(crate) fn simulated() -> Outcome<Self> {
        let mut devices = String::new();
        for section in SECTIONS {
            devices += &format!("[{section}]\ndriver = \"simulated\"\n");
        }
        Self::start(&devices, true)
    }

    /// Starts one with the real drivers of the ID-card reader and the scanner on these ports.
    pub(crate) fn serial(id_card: Option<&Path>, scanner: &Path) -> Outcome<Self> {
        let mut devices = String::new();
        if let Some(port) = id_card {
            let port = port.display();
            devices += &format!("[id_card]\ndriver = \"sam-v-serial\"\nport = \"{port}\"\n");
        }
        let port = scanner.display();
        devices += &format!("[qr_scanner]\ndriver = \"serial\"\nport = \"{port}\"\n");
        Self::start(&devices, false)
    }

    /// `everywhere`: on TCP and HTTP as well as on the Unix socket. Not waited for.
    fn start(devices: &str, everywhere: bool) -> Outcome<Self> {
        let folder = private_folder()?;
        let mut config = format!("[listen]\nunix = \"{}\"\n", socket(folder.path()).display());
        let ports = if everywhere { Some((free_port()?, free_port()?)) } else { None };
        if let Some((tcp, http)) = ports {
            config += &format!("tcp = \"{tcp}\"\nhttp = \"{http}\"\n");
        }
        config += devices;
        let file = folder.path().join("config.toml");
        fs::write(&file, config)?;
        let log = File::create(folder.path().join("log"))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_hharome"));
        command.arg("serve").arg("--config").arg(file).stderr(log);
        let spawned = Instant::now();
        let process = Running::spawn(&mut command)?;
        Ok(Self { process, folder, ports, spawned })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// When it was about to be started.
    pub(crate) fn spawned(&self) -> Instant {
        self.spawned
    }

    /// A client, as soon as the bridge takes one.
    pub(crate) fn connect(&mut self, transport: Transport) -> Outcome<Client> {
        let address = match (transport, self.ports) {
            (Transport::Unix, _) => Address::Unix(socket(self.folder.path())),
            (Transport::Tcp, Some((tcp, _))) => Address::Tcp(tcp),
            (Transport::WebSocket, Some((_, http))) => Address::WebSocket(http),
            (_, None) => return Err("this bridge listens on its Unix socket only".into()),
        };
        self.process.connect(&address).map_err(|error| {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            format!("the bridge: {error}; its last words: {}", log.lines().last().unwrap_or("none"))
                .into()
        })
    }

    /// Waits until each of these devices is ready.
    pub(crate) fn ready(&mut self, devices: &[&str]) -> Outcome<()> {
        let mut client = self.connect(Transport::Unix)?;
        let until = Instant::now() + LIMIT;
        loop {
            let status = client.ask(r#"{"call":"bridge.status"}"#)?;
            let states = status["res"]["data"]["devices"].as_array().cloned().unwrap_or_default();
            let is_ready = |name: &&str| {
                states.iter().any(|state| state["device"] == **name && state["state"] == "ready")
            };
            if devices.iter().all(is_ready) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("not ready: {}", Value::from(states)).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A running floor.
pub(crate) struct Floor {
    process: Running,
    address: Address,
    _folder: TempDir,
}

impl Floor {
    /// The echo of a transport, which answers with `data`.
    pub(crate) fn echo(transport: Transport, data: &Value) -> Outcome<Self> {
        Self::start(transport, &data.to_string())
    }

    /// The relay from a pty to a Unix socket.
    pub(crate) fn relay(pty: &Path) -> Outcome<Self> {
        let folder = private_folder()?;
        let path = socket(folder.path());
        let (path_word, pty) = (path.display().to_string(), pty.display().to_string());
        let process = floor_process(&[floor::RELAY, &path_word, &pty])?;
        Ok(Self { process, address: Address::Unix(path), _folder: folder })
    }

    fn start(transport: Transport, data: &str) -> Outcome<Self> {
        let folder = private_folder()?;
        let address = match transport {
            Transport::Unix => Address::Unix(socket(folder.path())),
            Transport::Tcp => Address::Tcp(free_port()?),
            Transport::WebSocket => Address::WebSocket(free_port()?),
        };
        let process = floor_process(&[transport.word(), &address.to_string(), data])?;
        Ok(Self { process, address, _folder: folder })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// A client, as soon as the floor takes one.
    pub(crate) fn connect(&mut self) -> Outcome<Client> {
        self.process.connect(&self.address).map_err(|error| format!("the floor: {error}").into())
    }
}

fn floor_process(arguments: &[&str]) -> Outcome<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    Running::spawn(command.arg(floor::FLAG).args(arguments))
}

struct Running(Child);

impl Running {
    fn spawn(command: &mut Command) -> Outcome<Self> {
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?))
    }

    /// Tries again and again, in a loop that hardly sleeps: the first success is a measured time.
    fn connect(&mut self, address: &Address) -> Outcome<Client> {
        let until = Instant::now() + LIMIT;
        loop {
            match Client::connect(address) {
                Ok(client) => return Ok(client),
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => {}
            }
            if let Some(status) = self.0.try_wait()? {
                return Err(format!("ended ({status})").into());
            }
            let again = Instant::now() + Duration::from_micros(20);
            while Instant::now() < again {
                std::hint::spin_loop();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It owns nothing but its temporary folder, so there is nothing to be gentle about.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The bridge refuses a folder in `/tmp` that others may open.
fn private_folder() -> io::Result<TempDir> {
    let private = Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("hharome-bench-").permissions(private).tempdir()
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("bridge.sock")
}

/// An address that nobody listens on now. Another program may take it before the bridge does; then
/// the bridge says so and ends, and the row is not measured.
fn free_port() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
