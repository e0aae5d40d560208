//! The peer: a bridge in Python that does the same (`peer.py`), with the `websockets` package in a
//! virtual environment of its own below `target`, made when it is not there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::bridge::process::Peer;

/// What is installed.
const PACKAGE: &str = "websockets==17.4";

/// How to get what is missing.
const ADVICE: &str = "it needs python3, 3.10 or newer, with venv (`scripts/setup.sh bench` installs \
                      python3-venv), and once the network for pip";

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/bridge/microphone/peer.py");

/// What starts peers.
pub(crate) struct Python(PathBuf);

impl Python {
    /// Makes the environment, if it is not there.
    pub(crate) fn find() -> Outcome<Self> {
        Ok(Self(environment().map_err(|error| format!("{error}; {ADVICE}"))?))
    }

    /// Starts a peer that sees the sound card of this variable of the environment.
    pub(crate) fn start(&self, (variable, card): (&str, &Path)) -> Outcome<Peer> {
        Peer::start(|address| {
            let mut command = Command::new(&self.0);
            command.arg(PEER).arg(address.port().to_string()).env(variable, card);
            command
        })
    }
}

/// The Python that has the package.
fn environment() -> Outcome<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-websockets");
    let python = folder.join("bin/python");
    let has_it = |python: &Path| {
        let test = format!(
            "import importlib.metadata as m; assert 'websockets==' + m.version('websockets') == '{PACKAGE}'"
        );
        quietly(Command::new(python).arg("-c").arg(test)).is_ok()
    };
    if !has_it(&python) {
        quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check", "install", PACKAGE];
        quietly(Command::new(&python).args(pip))?;
    }
    Ok(python)
}

/// Runs it to its end, which has to be good; its last words if it is not.
fn quietly(command: &mut Command) -> Outcome<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let run = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let ended = run.output().map_err(|error| format!("{program}: {error}"))?;
    if ended.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&ended.stderr);
    let last = words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(format!("{program}: {}: {last}", ended.status).into())
}
