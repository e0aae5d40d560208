//! A PC/SC service of a test's own: the real pcscd, with readers and cards that the test makes up.
//!
//! [`Pcscd`] runs in a mount namespace of its own, so that any number stand side by side and none
//! sees the machine's readers; its readers are those of `ifd_handler.c`, which is built here.
//! [`FarCard`] is a card in one of them, [`FarReader`] the electronics of a reader that knows escape
//! commands. Everything ends with the test, even with one that fails or is killed.
//!
//! Libpcsclite looks once in a process's life where the service's socket is, so one process can
//! talk to one service only: a daemon that is tested is told by [`Pcscd::socket`] in its
//! environment, and a test that uses the library itself runs [`alone`].

mod alone;
mod far_card;
mod handler;

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub(crate) use alone::alone;
pub(crate) use far_card::{FarCard, FarReader, Reply};

/// Only failures take that long.
const AMPLE: Duration = Duration::from_secs(10);

/// How often a file or a process that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A pcscd with readers of the test's own.
///
/// It is killed when the thread that started it ends.
pub(crate) struct Pcscd {
    folder: PathBuf,
    readers: Vec<Reader>,
    process: Option<Child>,
    _ours: Option<TempDir>,
}

struct Reader {
    name: String,
    slots: usize,
    plugged: bool,
}

impl Pcscd {
    /// Starts pcscd with these readers: their names, as PC/SC shall tell them, and numbers of slots.
    pub(crate) fn start(readers: &[(&str, usize)]) -> Self {
        let mut service = Self::not_started(readers);
        service.restart();
        service
    }

    /// One that does not run until [`Pcscd::restart`].
    pub(crate) fn not_started(readers: &[(&str, usize)]) -> Self {
        let (folder, ours) = match alone::folder() {
            Some(folder) => (folder, None),
            None => {
                let folder = TempDir::new().expect("a folder");
                (folder.path().to_owned(), Some(folder))
            }
        };
        for inside in ["run/pcscd", "readers", "none"] {
            fs::create_dir_all(folder.join(inside)).expect("a folder");
        }
        let readers = readers
            .iter()
            .map(|&(name, slots)| Reader { name: name.to_owned(), slots, plugged: true })
            .collect();
        Self { folder, readers, process: None, _ours: ours }
    }

    /// The service's socket, for the environment variable `PCSCLITE_CSOCK_NAME`.
    pub(crate) fn socket(&self) -> PathBuf {
        socket_in(&self.folder)
    }

    /// Where a card of this slot connects: see [`FarCard`].
    pub(crate) fn slot_socket(&self, reader: usize, slot: usize) -> PathBuf {
        self.beside(reader, &slot.to_string())
    }

    /// Where this reader's electronics listen: see [`FarReader`].
    pub(crate) fn reader_socket(&self, reader: usize) -> PathBuf {
        self.beside(reader, "reader")
    }

    /// The slot's name as pcscd tells it: it adds the numbers of reader and slot.
    pub(crate) fn name(&self, reader: usize, slot: usize) -> String {
        format!("{} {reader:02X} {slot:02X}", self.readers[reader].name)
    }

    /// Ends pcscd as a crash would.
    pub(crate) fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Ends pcscd in order.
    pub(crate) fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Starts pcscd, stopping it first if it runs; returns when its readers are there.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.configure();
        for left_by_a_killed_one in self.sockets() {
            let _ = fs::remove_file(left_by_a_killed_one);
        }
        let log = File::create(self.log()).expect("a log");
        // pcscd knows one folder only, compiled into it; its readers must not be the machine's.
        let script = "mount --bind \"$0/run\" /run
            drivers=/usr/lib/pcsc/drivers
            if [ -d $drivers ]; then mount --bind \"$0/none\" $drivers; fi
            exec setpriv --pdeathsig KILL pcscd --foreground --config \"$0/readers\"";
        let mut unshare = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            unshare.arg("--map-root-user");
        }
        let child = unshare
            .args(["--mount", "--propagation", "private", "sh", "-e", "-c", script])
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("unshare (Debian package util-linux)");
        self.process = Some(child);
        self.wait_until_ready();
    }

    /// Stops pcscd in the middle of whatever it does, as a hanging driver would.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        // Each thread stops when it is next looked at.
        let id = self.process.as_ref().expect("pcscd runs").id();
        let until = Instant::now() + AMPLE;
        while !threads_of(id).iter().all(|state| *state == 'T') {
            assert!(Instant::now() < until, "pcscd goes on: {:?}", threads_of(id));
            std::thread::sleep(LOOK);
        }
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Pulls the reader's cable, all its slots. A running pcscd knows after about a second, and
    /// calls them unavailable from then on; one that is started has no such readers.
    pub(crate) fn unplug(&mut self, reader: usize) {
        self.readers[reader].plugged = false;
        File::create(self.beside(reader, "gone")).expect("a file");
    }

    /// Puts the reader's cable in again. A pcscd that was started without the reader has it only
    /// after another [`Pcscd::restart`]: it is told of new readers by udev alone.
    pub(crate) fn plug(&mut self, reader: usize) {
        self.readers[reader].plugged = true;
        fs::remove_file(self.beside(reader, "gone")).expect("it was unplugged");
    }

    fn beside(&self, reader: usize, name: &str) -> PathBuf {
        self.folder.join(format!("{reader}.{name}"))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Writes which readers there are, in the format of reader.conf(5). A device's name with a colon
    /// is not looked for among the files.
    fn configure(&self) {
        let driver = handler::driver();
        let mut text = String::new();
        for (index, reader) in self.readers.iter().enumerate() {
            text += &format!(
                "FRIENDLYNAME \"{}\"\nDEVICENAME far:{}:{}\nLIBPATH {}\nCHANNELID {}\n\n",
                reader.name,
                self.folder.join(index.to_string()).display(),
                reader.slots,
                driver.display(),
                index + 1,
            );
        }
        fs::write(self.folder.join("readers/readers"), text).expect("a file");
    }

    /// The sockets that a pcscd makes when it is ready.
    fn sockets(&self) -> Vec<PathBuf> {
        let plugged = self.readers.iter().enumerate().filter(|(_, reader)| reader.plugged);
        let slots = plugged.flat_map(|(index, r)| (0..r.slots).map(move |slot| (index, slot)));
        let slots = slots.map(|(index, slot)| self.slot_socket(index, slot));
        slots.chain([self.socket()]).collect()
    }

    fn wait_until_ready(&mut self) {
        let awaited = self.sockets();
        let until = Instant::now() + AMPLE;
        // A socket exists a moment before it is listened at.
        while !awaited.iter().all(|path| path.exists())
            || UnixStream::connect(self.socket()).is_err()
        {
            let child = self.process.as_mut().expect("it was started");
            let ended = child.try_wait().expect("it is our child");
            if ended.is_some() || Instant::now() > until {
                let log = fs::read_to_string(self.log()).unwrap_or_default();
                panic!(
                    "pcscd does not start (Debian packages pcscd, util-linux; needs user \
                     namespaces when not root): {ended:?}\n{log}"
                );
            }
            std::thread::sleep(LOOK);
        }
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("pcscd runs");
        kill_process(Pid::from_child(process), signal).expect("pcscd runs");
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut process) = self.process.take() else { return };
        let id = Pid::from_child(&process);
        // What is ended already need not be told.
        let _ = kill_process(id, signal);
        let _ = kill_process(id, Signal::CONT);
        let until = Instant::now() + AMPLE;
        while process.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > until {
                let _ = process.kill();
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        self.end(Signal::KILL);
    }
}

fn socket_in(folder: &Path) -> PathBuf {
    folder.join("run/pcscd/pcscd.comm")
}

/// The states of a process's threads; `T` is a stopped one. See proc(5).
fn threads_of(process: u32) -> Vec<char> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let stats =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    stats.filter_map(|stat| stat.rsplit_once(") ")?.1.chars().next()).collect()
}
