//! A speech-dispatcher of a test's own, with the module espeak-ng, and the sound card that it is heard
//! on: no session, no D-Bus, no sound server. Dropping it kills the service and its module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::alsa::SoundCard;
use super::fixture::soon;

/// The rate at which espeak-ng speaks, in Hz.
const RATE: f64 = 22_050.0;

/// The card's longest period, in bytes: the service waits for one after every piece of sound.
const PERIOD: u32 = 1024;

/// A service in a folder of its own.
pub(crate) struct SpeechService {
    folder: TempDir,
    /// What it is heard on.
    pub(crate) card: SoundCard,
    running: Option<Child>,
}

/// What a loudspeaker has played.
pub(crate) struct Sound(Vec<i16>);

impl SpeechService {
    /// A service that listens.
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let modules = folder.path().join("modules");
        fs::create_dir(&modules).expect("the folder is ours");
        let module = "/etc/speech-dispatcher/modules/espeak-ng.conf";
        fs::copy(module, modules.join("espeak-ng.conf"))
            .expect("speech-dispatcher: see `make test`");
        let text = "CommunicationMethod \"unix_socket\"\nAudioOutputMethod \"alsa\"\n\
                    AudioALSADevice \"default\"\n\
                    AddModule \"espeak-ng\" \"sd_espeak-ng\" \"espeak-ng.conf\"\n\
                    DefaultModule espeak-ng\n";
        fs::write(folder.path().join("speechd.conf"), text).expect("the folder is ours");
        let mut service = Self { folder, card: SoundCard::of_periods(PERIOD), running: None };
        service.run().await;
        service
    }

    /// Starts it, again after it was killed.
    pub(crate) async fn run(&mut self) {
        let (name, value) = self.card.environment();
        let path = |name: &str| self.folder.path().join(name);
        let child = Command::new("speech-dispatcher")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("LANG", "C.UTF-8")
            .env(name, value)
            .args(["--run-single", "--timeout", "0", "--communication-method", "unix_socket"])
            .arg("--config-dir")
            .arg(self.folder.path())
            .arg("--socket-path")
            .arg(self.socket())
            .arg("--pid-file")
            .arg(path("pid"))
            .arg("--log-dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its module is a process of its own, and has to go with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .expect("speech-dispatcher: see `make test`");
        self.running = Some(child);
        let listens = async {
            // Its file is there a little before it listens.
            while tokio::net::UnixStream::connect(self.socket()).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        soon("speech-dispatcher listens", listens).await;
    }

    /// Kills it where it stands; its socket stays.
    pub(crate) async fn kill(&mut self) {
        let mut child = self.running.take().expect("it runs");
        kill_group(&child);
        soon("it has ended", child.wait()).await.expect("a status");
        let _ = fs::remove_file(self.folder.path().join("pid"));
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("speechd.sock")
    }

    /// The folder that the socket is in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for SpeechService {
    fn drop(&mut self) {
        self.running.iter().for_each(kill_group);
    }
}

fn kill_group(child: &Child) {
    let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

impl Sound {
    /// What this card has played so far.
    pub(crate) fn of(card: &SoundCard) -> Self {
        Self(card.played())
    }

    /// What came after an earlier one.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self(self.0.get(earlier.0.len()..).unwrap_or_default().to_vec())
    }

    /// Its length in seconds, without the silence at both ends: of espeak-ng's clauses, and of a
    /// device that is fed zeros.
    pub(crate) fn seconds(&self) -> f64 {
        let loud = |sample: &i16| sample.unsigned_abs() > 200;
        let first = self.0.iter().position(loud).unwrap_or_default();
        let last = self.0.iter().rposition(loud).unwrap_or_default();
        (last - first) as f64 / RATE
    }

    /// All of it in seconds, silence included.
    pub(crate) fn length(&self) -> f64 {
        self.0.len() as f64 / RATE
    }

    /// How loud it is: the root of the mean of squares, 32,767 at most.
    pub(crate) fn loudness(&self) -> f64 {
        let squares: f64 = self.0.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        (squares / self.0.len().max(1) as f64).sqrt()
    }
}
