//! Scenes of a beeper that is an input device, as the kernel would show it: by umockdev, whose files of
//! it are in `tests/umockdev/beeper`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::chips::with;
use super::client::Client;
use super::{Scene, Stage, pause, soon};

/// Says how another program gets to see the device, and stays until its stdin ends.
const TELL: &str = "echo \"$UMOCKDEV_DIR\"; echo \"$LD_PRELOAD\"; exec cat";

pub(super) fn scenes() -> Vec<Scene> {
    vec![Scene::new(
        "buzzer_evdev",
        "the beeper is an input device: tones one after the other, seventeen at once, and a helper \
         that is killed in the middle of one",
        beeps,
    )]
}

/// The kernel's side of a beeper.
struct Kernel {
    /// Ends with its handle, as the program behind it has its stdin.
    _umockdev: Child,
    folder: PathBuf,
    library: PathBuf,
}

impl Kernel {
    async fn start(stage: &Stage) -> Self {
        let events = stage.path("events");
        // Nothing happens at a beeper by itself.
        std::fs::write(&events, "# EVEMU 1.2\nE: 1.0 0000 0000 0\n").expect("a file");
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/umockdev/beeper");
        let of_device = |path: &Path| format!("/dev/input/event8={}", path.display());
        let mut umockdev = Command::new("umockdev-run")
            .arg("--device")
            .arg(files.join("device"))
            .arg("--ioctl")
            .arg(of_device(&files.join("ioctl")))
            .arg("--evemu-events")
            .arg(of_device(&events))
            .args(["--", "sh", "-c", TELL])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It complains of every write to a device.
            .stderr(Stdio::null())
            .spawn()
            .expect("umockdev-run is there (scripts/setup.sh installs it)");
        let mut told = BufReader::new(umockdev.stdout.take().expect("stdout is piped")).lines();
        let mut line = async || {
            let line = soon("umockdev-run tells", told.next_line()).await;
            PathBuf::from(line.expect("UTF-8").expect("a line"))
        };
        let (folder, library) = (line().await, line().await);
        Self { _umockdev: umockdev, folder, library }
    }

    fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("UMOCKDEV_DIR", self.folder.clone()), ("LD_PRELOAD", self.library.clone())]
    }
}

async fn beep(client: &mut Client, task: &str, ms: impl Into<Value>) -> Value {
    client.ask(with("startBuzzer", task, json!({"beep": ms.into()}))).await
}

/// Ends the helper as a kernel without memory would.
fn kill_helper(daemon: u32) {
    let children = std::fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children"));
    let children = children.expect("the daemon's children");
    let helper = children.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
    let helper = helper.expect("one child");
    rustix::process::kill_process(helper, rustix::process::Signal::KILL).expect("it runs");
}

async fn beeps(stage: Stage) {
    let kernel = Kernel::start(&stage).await;
    let section = "[buzzer]\ndriver = \"evdev\"\nfrequency_hz = 2700\n";
    let mut daemon = stage.start_beside(kernel.environment(), section).await;
    daemon.ready("buzzer", 1).await;
    let mut client = daemon.unix().await;
    for (task, ms) in [("a", json!(50)), ("b", json!("120")), ("c", json!(4))] {
        assert_eq!(beep(&mut client, task, ms).await["success"], true);
    }
    pause().await;
    pause().await;
    pause().await;
    for number in 0..20 {
        client.send(with("startBuzzer", number, json!({"beep": 30}))).await;
    }
    let mut refused = 0;
    for _ in 0..20 {
        refused += u32::from(client.next().await["data"]["error"]["kind"] == "device_busy");
    }
    assert!((3..=4).contains(&refused), "{refused} of 20");
    assert_eq!(beep(&mut client, "d", 60_000).await["success"], true);
    kill_helper(daemon.pid());
    daemon.ready("buzzer", 2).await;
    assert_eq!(beep(&mut client, "e", 100).await["success"], true);
    pause().await;
    pause().await;
    client.leave().await;
    daemon.stop().await;
}
