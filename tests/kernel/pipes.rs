//! The device's side of USB pipes, for the virtual devices that speak packets.
//!
//! [`Pipes`] is an interface with a pair of bulk pipes whose device side are files of FunctionFS
//! (Documentation/usb/functionfs.rst, linux/usb/functionfs.h). [`serve`] stands between the files and
//! a virtual device: what the host sends becomes a packet, what the device says a transfer.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::time::Duration;

use hharome_hardware::port::far_end::VirtualDevice;
use hharome_hardware::port::packets::{DESCRIPTION, Packets, packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::gadget::Far;
use crate::machine::must_run;

/// The kind of packets from the host: the pipe's address, as readers have it.
const TO_DEVICE: u8 = 0x02;

/// Where the interface's files are.
const FOLDER: &str = "/run/tests/pipes";

/// An interface with a pair of bulk pipes, the first towards the device.
pub(crate) struct Pipes {
    /// Says what the interface is like; it is there as long as this file is open.
    _control: File,
}

impl Pipes {
    /// Describes it to the kernel; the gadget must have [`crate::gadget::Function::of_a_program`],
    /// and may be plugged in afterwards.
    pub(crate) fn describe() -> Self {
        fs::create_dir_all(FOLDER).expect("a folder");
        must_run("mount", &["-t", "functionfs", "pipes", FOLDER]);
        let control = OpenOptions::new().read(true).write(true).open(format!("{FOLDER}/ep0"));
        let mut control = control.expect("the control pipe's file");
        control.write_all(&descriptors()).expect("descriptors are taken");
        control.write_all(&strings()).expect("strings are taken");
        Self { _control: control }
    }

    /// The files from the host and to it.
    pub(crate) fn files() -> (PathBuf, PathBuf) {
        (Path::new(FOLDER).join("ep1"), Path::new(FOLDER).join("ep2"))
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        // Lazily: threads may still read its files.
        must_run("umount", &["-l", FOLDER]);
    }
}

/// `FUNCTIONFS_DESCRIPTORS_MAGIC_V2` for full and high speed: one interface of the maker's own class
/// with two bulk pipes.
fn descriptors() -> Vec<u8> {
    const MAGIC: u32 = 3;
    const FULL_AND_HIGH_SPEED: u32 = 3;
    let speed = |packet: u16| {
        let [low, high] = packet.to_le_bytes();
        let interface = [9, 4, 0, 0, 2, 0xff, 0, 0, 1];
        let pipes = [[7, 5, 0x01, 2, low, high, 0], [7, 5, 0x82, 2, low, high, 0]].concat();
        [&interface[..], &pipes].concat()
    };
    let speeds = [speed(64), speed(512)].concat();
    let length = u32::try_from(20 + speeds.len()).expect("few bytes");
    let head = [MAGIC, length, FULL_AND_HIGH_SPEED, 3, 3];
    let head = head.iter().flat_map(|number| number.to_le_bytes());
    head.chain(speeds).collect()
}

/// `FUNCTIONFS_STRINGS_MAGIC`: the interface's name in American English.
fn strings() -> Vec<u8> {
    let name = b"pipes\0";
    let length = u32::try_from(16 + 2 + name.len()).expect("few bytes");
    let head = [2, length, 1, 1].iter().flat_map(|number: &u32| number.to_le_bytes());
    head.chain(0x0409_u16.to_le_bytes()).chain(*name).collect()
}

/// Serves `device` over these files until it is stopped or the plug is pulled.
pub(crate) fn serve(
    mut device: impl VirtualDevice + 'static,
    (from_host, to_host): (PathBuf, PathBuf),
) -> Service {
    let stop = Arc::new(AtomicBool::new(false));
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let stopped = Arc::clone(&stop);
    std::thread::spawn(move || hear(&open(&from_host), &stopped, &heard));
    let (say, said) = blocking::channel::<Vec<u8>>();
    let stopped = Arc::clone(&stop);
    std::thread::spawn(move || {
        let mut file = open(&to_host);
        while let Ok(transfer) = said.recv() {
            // While nobody at the host reads there is no room.
            while let Err(error) = file.write_all(&transfer) {
                if error.kind() != ErrorKind::WouldBlock || stopped.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let (mine, theirs) = tokio::io::duplex(64 * 1024);
    let life = tokio::spawn(async move {
        let (mut from_device, mut to_device) = tokio::io::split(mine);
        let hear = async {
            while let Some(transfer) = hearing.recv().await {
                if to_device.write_all(&transfer).await.is_err() {
                    return;
                }
            }
        };
        let tell = async {
            let (mut packets, mut chunk) = (Packets::default(), [0; 4096]);
            while let Ok(length @ 1..) = from_device.read(&mut chunk).await {
                packets.push(&chunk[..length]);
                while let Some(packet) = packets.next_packet().expect("packets") {
                    // What a device is like the kernel knows already.
                    if packet.kind != DESCRIPTION && say.send(packet.data.to_vec()).is_err() {
                        return;
                    }
                }
            }
        };
        tokio::select! {
            () = device.serve(Box::new(Far(theirs))) => {}
            () = hear => {}
            () = tell => {}
        }
    });
    Service { stop, life }
}

/// A device that is served; dropping it ends that.
pub(crate) struct Service {
    stop: Arc<AtomicBool>,
    life: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.life.abort();
    }
}

fn open(path: &Path) -> File {
    /// `O_NONBLOCK` on x86.
    const NONBLOCK: i32 = 0o4000;
    let file = OpenOptions::new().read(true).write(true).custom_flags(NONBLOCK).open(path);
    file.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Gives on what the host sends, until the plug is pulled.
fn hear(mut file: &File, stop: &AtomicBool, heard: &mpsc::UnboundedSender<Vec<u8>>) {
    let mut chunk = vec![0; 16 * 1024];
    while !stop.load(Ordering::Relaxed) {
        match file.read(&mut chunk) {
            Ok(length) => {
                if heard.send(packet(TO_DEVICE, &chunk[..length])).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1));
            }
            // Not plugged in (any more).
            Err(_) => return,
        }
    }
}
