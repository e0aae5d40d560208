//! The guest machine: one test at a time, and its kernel's modules.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use super::fixture::soon;

/// The machine, for as long as a test works it.
pub(crate) struct Machine {
    _alone: MutexGuard<'static, ()>,
}

/// Takes the machine, once no other test has it. Panics anywhere but in the guest.
pub(crate) async fn take() -> Machine {
    static ALONE: Mutex<()> = Mutex::const_new(());
    assert!(
        std::env::var_os("HHAROME_TEST_KERNEL").is_some(),
        "these tests run on a kernel of their own: `make test-kernel`"
    );
    let alone = ALONE.lock().await;
    bare_usb().await;
    Machine { _alone: alone }
}

impl Machine {
    /// Loads kernel modules.
    pub(crate) fn load(&self, modules: &[&str]) {
        must_run("modprobe", &[&["--all"], modules].concat());
    }
}

/// Runs a program to its end, which must be a good one; its output.
pub(crate) fn must_run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{out}{err}", output.status);
    out
}

/// Waits until the kernel has made a file.
pub(crate) async fn appears(path: &Path) {
    let there = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(&format!("{} is there", path.display()), there).await;
}

/// Waits until no USB device is plugged in but the hubs of the buses: pulling out takes the host
/// a moment.
async fn bare_usb() {
    let devices = || {
        let all = fs::read_dir("/sys/bus/usb/devices").into_iter().flatten().flatten();
        let names = all.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with("usb") && !name.contains("-0:")).count()
    };
    let bare = async {
        while devices() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("the devices of the last test are gone", bare).await;
}
