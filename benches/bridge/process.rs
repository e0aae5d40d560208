//! The processes that are measured: the bridge with a configuration of its own, and floors. Each
//! ends when its value is dropped.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::client::{Address, Client, Transport};
use super::microphone::bare;
use super::{direct, floor};
use crate::Outcome;

/// How long anything here may take before it counts as failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A second after its start a bridge gives back what only starting needed.
const AT_HOME: Duration = Duration::from_millis(1500);

/// Where libpcsclite finds the PC/SC service. It looks once in a process's life.
const SERVICE: &str = "PCSCLITE_CSOCK_NAME";

/// How long a replay may take: an hour's should take less than 4 s.
const REPLAY_LIMIT: Duration = Duration::from_secs(120);

/// So many of the last lines that a program said are told when it fails.
const LAST_LINES: usize = 4;

/// Every device section of a configuration.
const SECTIONS: [&str; 13] = [
    "id_card",
    "qr_scanner",
    "cpu_card",
    "psam",
    "social_security_card",
    "microphone",
    "printer",
    "infrared",
    "input",
    "second_screen",
    "speech",
    "buzzer",
    "face",
];

/// How large the recording of a bench may grow: several times what it comes to.
const MOST_RECORDED: u64 = 8 * 1024 * 1024 * 1024;

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
        Self::start(private_folder()?, &devices, true, &[], &[])
    }

    /// Starts one with a simulated ID-card reader that may record, and from the start does so under
    /// the name that is given.
    pub(crate) fn with_recorder(record: Option<&str>) -> Outcome<Self> {
        let folder = private_folder()?;
        let directory = recordings(folder.path());
        let config = format!(
            "[recording]\ndirectory = \"{}\"\nmax_bytes = {MOST_RECORDED}\n\
             [id_card]\ndriver = \"simulated\"\npoll_ms = 100\n",
            directory.display()
        );
        let record: Vec<&str> = record.into_iter().flat_map(|name| ["--record", name]).collect();
        Self::start(folder, &config, false, &record, &[])
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
        Self::start(private_folder()?, &devices, false, &[], &[])
    }

    /// Starts one with `sections` of card readers that the PC/SC service of this socket knows.
    pub(crate) fn with_readers(sections: &str, service: &Path) -> Outcome<Self> {
        Self::start(private_folder()?, sections, false, &[], &[(SERVICE, service)])
    }

    /// Starts one with a printer on this line that never answers.
    pub(crate) fn with_printer(line: &Path) -> Outcome<Self> {
        let folder = private_folder()?;
        let devices = format!(
            "[printer]\ndriver = \"escpos-serial\"\nport = \"{}\"\nbaud = 4000000\nflow = \"none\"\n\
             status = false\njournal = \"{}/journal\"\n",
            line.display(),
            folder.path().display()
        );
        Self::start(folder, &devices, false, &[], &[])
    }

    /// Starts one with the real driver of the microphone, on all transports, that sees the sound card
    /// of this variable of the environment.
    pub(crate) fn with_microphone(card: (&str, &Path)) -> Outcome<Self> {
        let sections = "[microphone]\ndriver = \"alsa\"\n";
        Self::start(private_folder()?, sections, true, &[], &[card])
    }

    /// `sections` of the configuration besides `[listen]`; `everywhere`: on TCP and HTTP as well as
    /// on the Unix socket; `more` arguments of `serve`, and variables of its environment. Not
    /// waited for.
    fn start(
        folder: TempDir,
        sections: &str,
        everywhere: bool,
        more: &[&str],
        environment: &[(&str, &Path)],
    ) -> Outcome<Self> {
        let mut config = format!("[listen]\nunix = \"{}\"\n", socket(folder.path()).display());
        let ports = if everywhere { Some((free_port()?, free_port()?)) } else { None };
        if let Some((tcp, http)) = ports {
            config += &format!("tcp = \"{tcp}\"\nhttp = \"{http}\"\n");
        }
        config += sections;
        let file = folder.path().join("config.toml");
        fs::write(&file, config)?;
        let log = File::create(folder.path().join("log"))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_hharome"));
        command.arg("serve").arg("--config").arg(file).args(more).stderr(log);
        command.envs(environment.iter().copied());
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

    /// Where a bridge of [`Bridge::with_recorder`] keeps its recordings.
    pub(crate) fn recordings(&self) -> PathBuf {
        recordings(self.folder.path())
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

    /// Waits until the bridge has started, its devices are ready, and it has given back what only
    /// starting needed; then one more client asks for the status and goes.
    pub(crate) fn at_home(&mut self, devices: &[&str]) -> Outcome<()> {
        self.ready(devices)?;
        std::thread::sleep(AT_HOME);
        self.ready(devices)
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

/// How a replay went.
pub(crate) struct Replayed {
    /// From before the process was made until its end was seen.
    pub(crate) time: Duration,
    /// The most memory that was resident, in KB: the kernel's high-water mark, looked at every
    /// millisecond.
    pub(crate) peak: f64,
    /// Its last lines.
    pub(crate) words: String,
}

/// Replays the recording in a folder with `hharome replay`, which has to find no difference.
pub(crate) fn replay(recording: &Path) -> Outcome<Replayed> {
    let output = tempfile::tempfile()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_hharome"));
    command.arg("replay").arg(recording).stderr(output.try_clone()?);
    command.stdin(Stdio::null()).stdout(output.try_clone()?);
    let began = Instant::now();
    let mut process = Running(command.spawn()?);
    let mut peak = 0.0;
    let status = loop {
        if let Some(status) = process.0.try_wait()? {
            break status;
        }
        if began.elapsed() > REPLAY_LIMIT {
            return Err(format!("the replay is not through in {REPLAY_LIMIT:?}").into());
        }
        // It may just have ended: then the kernel tells nothing any more.
        peak = resident_peak(process.0.id()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(1));
    };
    let time = began.elapsed();
    let words = last_words(output)?;
    if !status.success() {
        return Err(format!("the replay: {status}: {words}").into());
    }
    Ok(Replayed { time, peak, words })
}

/// The kernel's high-water mark of a process's resident memory, in KB.
fn resident_peak(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    value.split_whitespace().next()?.parse().ok()
}

/// The last lines of what a program said.
fn last_words(mut output: File) -> Outcome<String> {
    let mut text = String::new();
    output.rewind()?;
    output.read_to_string(&mut text)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(LAST_LINES)..].join(" | "))
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
        let process = floor_process(&[floor::RELAY, &path_word, &pty], &[])?;
        Ok(Self { process, address: Address::Unix(path), _folder: folder })
    }

    /// The program that asks the PC/SC service of this socket itself, about the reader of this name.
    pub(crate) fn direct(reader: &str, service: &Path) -> Outcome<Self> {
        let folder = private_folder()?;
        let path = socket(folder.path());
        let arguments = [direct::WORD, &path.display().to_string(), reader];
        let process = floor_process(&arguments, &[(SERVICE, service)])?;
        Ok(Self { process, address: Address::Unix(path), _folder: folder })
    }

    /// The program that sends what the sound card of this variable of the environment hears to so many
    /// listeners over WebSocket, once all of them have asked for it.
    pub(crate) fn sound(listeners: usize, card: (&str, &Path)) -> Outcome<Self> {
        let address = Address::WebSocket(free_port()?);
        let arguments = [bare::WORD, &address.to_string(), &listeners.to_string()];
        let process = floor_process(&arguments, &[card])?;
        Ok(Self { process, address, _folder: private_folder()? })
    }

    fn start(transport: Transport, data: &str) -> Outcome<Self> {
        let folder = private_folder()?;
        let address = match transport {
            Transport::Unix => Address::Unix(socket(folder.path())),
            Transport::Tcp => Address::Tcp(free_port()?),
            Transport::WebSocket => Address::WebSocket(free_port()?),
        };
        let process = floor_process(&[transport.word(), &address.to_string(), data], &[])?;
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

/// A running program that is no floor: it does the same in another way, over WebSocket.
pub(crate) struct Peer {
    process: Running,
    address: Address,
}

impl Peer {
    /// Starts what `command` makes for the address that it is to listen on.
    pub(crate) fn start(command: impl FnOnce(SocketAddr) -> Command) -> Outcome<Self> {
        let port = free_port()?;
        let mut command = command(port);
        let process = Running::spawn(&mut command)?;
        Ok(Self { process, address: Address::WebSocket(port) })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// A client, as soon as it takes one.
    pub(crate) fn connect(&mut self) -> Outcome<Client> {
        self.process.connect(&self.address).map_err(|error| format!("the peer: {error}").into())
    }
}

fn floor_process(arguments: &[&str], environment: &[(&str, &Path)]) -> Outcome<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(floor::FLAG).args(arguments).envs(environment.iter().copied());
    Running::spawn(&mut command)
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

fn recordings(folder: &Path) -> PathBuf {
    folder.join("recordings")
}

/// An address that nobody listens on now. Another program may take it before the bridge does; then
/// the bridge says so and ends, and the row is not measured.
fn free_port() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
