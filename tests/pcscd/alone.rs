//! Tests that run in a process of their own.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Tells a process that it was started for one test, and the folder of that test's service.
const FOLDER: &str = "HHAROME_TEST_PCSCD";

/// Only failures take that long.
const LIMIT: Duration = Duration::from_secs(60);

/// The folder of the service, in a process that runs one test alone.
pub(super) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs the test in a process of its own, in which libpcsclite uses the service that the test will
/// start, on a runtime of one thread. To be called by the test first of all, with the rest of it: a
/// closure that stands in the test itself, because the test is found again by the closure's name.
pub(crate) fn alone<T: AsyncFnOnce()>(test: T) {
    if folder().is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test());
        return;
    }
    let name = std::any::type_name::<T>().trim_end_matches("::{{closure}}");
    let (_, name) = name.split_once("::").expect("a name in a crate");
    let folder = TempDir::new().expect("a folder");
    let child = Command::new(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", name, "--nocapture"])
        .env(FOLDER, folder.path())
        .env("PCSCLITE_CSOCK_NAME", super::socket_in(folder.path()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a test is a program");
    let id = Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody waits any more after the limit.
        let _ = sender.send(child.wait_with_output());
    });
    let in_time = ended.recv_timeout(LIMIT);
    if in_time.is_err() {
        let _ = kill_process(id, Signal::KILL);
    }
    let output = in_time.or_else(|_| ended.recv()).expect("it is waited for").expect("our child");
    let said = String::from_utf8_lossy(&output.stdout);
    let ran = said.contains("test result: ok. 1 passed");
    assert!(
        output.status.success() && ran,
        "{name}, alone, ended with {} after at most {LIMIT:?}:\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
}
