//! A Wayland session of a test's own: sway with two outputs, which are pulled out and plugged in.
//!
//! sway without monitors cannot be told that one is pulled out. So its outputs are windows of another
//! sway, which has none of its own either: whoever closes such a window pulls out the output. One that
//! is plugged in gets a new name. Dropping the session kills both.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::geteuid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::fixture::{finish, soon};

/// The operator's output, and its size.
pub(crate) const OPERATORS: (&str, u32, u32) = ("WL-1", 1280, 720);

/// The customer's output as it is at first, and its size.
pub(crate) const CUSTOMERS: (&str, u32, u32) = ("WL-2", 640, 480);

/// sway refuses to run as root: it is this user's then.
pub(crate) const NOBODY: u32 = 65534;

/// What the session's outputs are windows of.
const DESK: &str = r#"
output HEADLESS-1 mode 1280x720 position 0 0
output HEADLESS-2 mode 640x480 position 1280 0
workspace 1 output HEADLESS-1
workspace 2 output HEADLESS-2
default_border none
xwayland disable
for_window [title="WL-1$"] move to workspace 1
for_window [title="WL-[2-9]$"] move to workspace 2
"#;

const SESSION: &str = "
output WL-1 position 0 0
output WL-2 position 1280 0
output WL-3 position 1280 0
output WL-4 position 1280 0
default_border none
xwayland disable
";

/// A running session.
pub(crate) struct Sway {
    folder: TempDir,
    _desk: Child,
    session: Option<Child>,
}

impl Sway {
    /// A session with both outputs.
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        give(folder.path(), 0o755);
        for name in ["desk", "session"] {
            let own = folder.path().join(name);
            fs::create_dir(&own).expect("the folder is ours");
            give(&own, 0o700);
        }
        fs::write(folder.path().join("desk.conf"), DESK).expect("the folder is ours");
        fs::write(folder.path().join("session.conf"), SESSION).expect("the folder is ours");
        let backend = [("WLR_BACKENDS", "headless"), ("WLR_HEADLESS_OUTPUTS", "2")];
        let desk = spawn(folder.path(), "desk", &backend);
        let mut sway = Self { folder, _desk: desk, session: None };
        sway.until("desk", |outputs| outputs.len() == 2).await;
        sway.run().await;
        sway
    }

    /// Starts the session; again, after it was killed.
    pub(crate) async fn run(&mut self) {
        let desk = self.folder.path().join("desk/wayland-1").display().to_string();
        let backend =
            [("WLR_BACKENDS", "wayland"), ("WLR_WL_OUTPUTS", "2"), ("WAYLAND_DISPLAY", &desk)];
        self.session = Some(spawn(self.folder.path(), "session", &backend));
        self.until_both().await;
    }

    /// Kills it where it stands.
    pub(crate) async fn kill(&mut self) {
        let mut session = self.session.take().expect("it runs");
        soon("it is killed", session.kill()).await.expect("it was ours");
    }

    /// Its folder of sockets.
    pub(crate) fn runtime_folder(&self) -> PathBuf {
        self.folder.path().join("session")
    }

    /// The daemon's sections to use it, with further lines of `[second_screen]`.
    pub(crate) fn sections(&self, lines: &str) -> String {
        let folder = self.runtime_folder();
        format!(
            "[session]\nruntime_dir = \"{}\"\n[second_screen]\ndriver = \"wayland\"\n{lines}\n",
            folder.display()
        )
    }

    /// Tells the session something.
    pub(crate) async fn tell(&self, words: &str) {
        self.message("session", &[words]).await.expect("sway does it");
    }

    /// The customer's output is pulled out.
    pub(crate) async fn pull_out(&self) {
        let close = r#"[title="WL-[2-9]$"] kill"#;
        self.message("desk", &[close]).await.expect("there is such a window");
        self.until("session", |outputs| outputs.len() == 1).await;
    }

    /// Another one is plugged in in its place.
    pub(crate) async fn plug_in(&self) {
        self.tell("create_output").await;
        self.until_both().await;
    }

    /// Until both outputs have their size.
    async fn until_both(&self) {
        self.until("session", |outputs| {
            let sizes: Vec<_> =
                outputs.iter().map(|(_, width, height)| (*width, *height)).collect();
            sizes == [(OPERATORS.1, OPERATORS.2), (CUSTOMERS.1, CUSTOMERS.2)]
        })
        .await;
    }

    /// Until the outputs of one of both are so: their names and sizes.
    async fn until(&self, which: &str, so: impl Fn(&[(String, u32, u32)]) -> bool) {
        let looked = async {
            while !self.outputs(which).await.is_some_and(|outputs| so(&outputs)) {
                tokio::task::yield_now().await;
            }
        };
        soon(&format!("the outputs of the {which} are there"), looked).await;
    }

    async fn outputs(&self, which: &str) -> Option<Vec<(String, u32, u32)>> {
        let told = self.message(which, &["-t", "get_outputs"]).await?;
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let size = |value: &Value| u32::try_from(value.as_u64().expect("a length")).expect("small");
        let mut outputs: Vec<_> = told
            .as_array()
            .expect("a list")
            .iter()
            .filter(|output| output["active"] == true)
            .map(|output| {
                let name = output["name"].as_str().expect("a name").to_owned();
                let mode = &output["current_mode"];
                (name, size(&mode["width"]), size(&mode["height"]))
            })
            .collect();
        outputs.sort();
        Some(outputs)
    }

    /// What one of both answers, if it is there and does as it is told.
    pub(crate) async fn message(&self, which: &str, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new("swaymsg");
        command.arg("-r").arg("-s").arg(self.folder.path().join(which).join("ipc"));
        let (code, said, _) = finish(command.args(arguments)).await;
        (code == 0).then_some(said)
    }

    /// What is on the customer's screen.
    pub(crate) async fn customers(&self) -> Picture {
        let outputs = self.outputs("session").await.expect("it runs");
        let (name, ..) =
            outputs.iter().find(|(name, ..)| name != OPERATORS.0).expect("it is there");
        self.picture(name).await
    }

    /// What is on the operator's screen.
    pub(crate) async fn operators(&self) -> Picture {
        self.picture(OPERATORS.0).await
    }

    /// What is on an output.
    pub(crate) async fn picture(&self, output: &str) -> Picture {
        let mut command = Command::new("grim");
        command
            .args(["-t", "ppm", "-o", output, "-"])
            .env("XDG_RUNTIME_DIR", self.runtime_folder())
            .env("WAYLAND_DISPLAY", "wayland-1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let taken =
            soon("a picture is taken", command.output()).await.expect("grim: see `make test`");
        assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
        Picture::of(&taken.stdout)
    }
}

/// What is on a screen.
pub(crate) struct Picture {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// That of a file: `P6`, width, height and 255, each before a line's end or a space, then the pixels.
    fn of(file: &[u8]) -> Self {
        let mut parts = file.splitn(5, u8::is_ascii_whitespace);
        assert_eq!(parts.next(), Some(&b"P6"[..]));
        let width = std::str::from_utf8(parts.next().expect("a width")).expect("digits");
        let pixels = parts.nth(2).expect("pixels").as_chunks().0.to_vec();
        Self { width: width.parse().expect("a number"), pixels }
    }

    /// The colours, by rows.
    pub(crate) fn pixels(&self) -> &[[u8; 3]] {
        &self.pixels
    }

    /// The colour of a point.
    pub(crate) fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.pixels[y * self.width + x]
    }
}

/// Makes a folder that of sway's user.
fn give(folder: &Path, mode: u32) {
    if geteuid().is_root() {
        chown(folder, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(mode)).expect("it is ours");
}

fn spawn(folder: &Path, name: &str, environment: &[(&str, &str)]) -> Child {
    let own = folder.join(name);
    let ipc = own.join("ipc");
    // It makes none where one was left behind.
    let _ = fs::remove_file(&ipc);
    let mut command = if geteuid().is_root() {
        let mut command = Command::new("setpriv");
        let user = format!("--reuid={NOBODY}");
        let group = format!("--regid={NOBODY}");
        command.args([&user, &group, "--clear-groups", "--pdeathsig=KILL", "sway"]);
        command
    } else {
        Command::new("sway")
    };
    command
        .arg("--config")
        .arg(folder.join(format!("{name}.conf")))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &own)
        .env("XDG_RUNTIME_DIR", &own)
        .env("SWAYSOCK", ipc)
        .env("WLR_RENDERER", "pixman")
        .env("WLR_LIBINPUT_NO_DEVICES", "1")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("sway: see `make test`")
}
