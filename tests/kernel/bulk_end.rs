//! The device's end of an ID-card reader on USB by itself: a pair of bulk pipes with whole frames, for
//! tests and for recordings.
//!
//! The device's side is FunctionFS: `ep0` takes the descriptors, and each pipe is a file. See
//! Documentation/usb/functionfs.rst of the kernel. Readers with four pipes cannot be made here: their
//! pipes have the numbers 02, 06, 81 and 85, but `dummy_hcd` has no bulk pipes 06 and 85, and the
//! virtual numbers that FunctionFS offers end in "config_ep_by_speed(ep7out-bulk) returned -5" with
//! Linux 6.1.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hharome_hardware::id_card::virtual_reader::{ReaderHand, VirtualReader};
use hharome_hardware::port::far_end::VirtualDevice;
use hharome_hardware::port::memory::inner_line;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::gadget::{Function, Gadget};
use super::machine::must_run;

/// Modules for it.
pub(crate) const BULK_MODULES: [&str; 3] = ["dummy_hcd", "libcomposite", "usb_f_fs"];

/// Where the files of the function's device side are.
const FOLDER: &str = "/tmp/hharome-reader";

/// The pipes in the order of their files, `ep1` and `ep2`. The kernel chooses the numbers.
const PIPES: [u8; 2] = [0x02, 0x81];

/// A virtual reader, to be plugged in and pulled out, and the hand that works it.
pub(crate) struct BulkReader {
    pub(crate) gadget: Gadget,
    pub(crate) hand: ReaderHand,
    mounted: Mounted,
    control: File,
    over: Arc<AtomicBool>,
    life: JoinHandle<()>,
}

impl BulkReader {
    /// One that is not plugged in yet.
    pub(crate) fn new() -> Self {
        let function = Function { name: "ffs.reader", attributes: Vec::new() };
        let gadget = Gadget::new("ID card reader", 0x0400, 0xc35a, &[function]);
        let mounted = Mounted::new();
        let mut control = file("ep0");
        let (descriptors, strings) = descriptors();
        control.write_all(&descriptors).expect("the kernel takes the descriptors");
        control.write_all(&strings).expect("the kernel takes no strings");
        let over = Arc::new(AtomicBool::new(false));
        let (tell, told) = mpsc::unbounded_channel();
        heard("ep1", &over, tell);
        let (reader, hand) = VirtualReader::new();
        let life = tokio::spawn(serve(reader, told));
        Self { gadget, hand, mounted, control, over, life }
    }

    /// Takes it apart, once it is pulled out.
    pub(crate) async fn end(self) {
        let Self { gadget, mounted, control, over, life, .. } = self;
        over.store(true, Ordering::Relaxed);
        life.abort();
        let _ = life.await;
        drop(control);
        // The threads look every 10 ms whether it is over.
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(mounted);
        drop(gadget);
    }
}

/// What `ep0` is told (linux/usb/functionfs.h): one interface of a vendor's own with the pipes, at
/// full and at high speed, and no strings.
fn descriptors() -> (Vec<u8>, Vec<u8>) {
    const FULL_AND_HIGH: u32 = 1 | 2;
    let words =
        |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let at_speed = |packet: u16| {
        let mut bytes = vec![9, 4, 0, 0, 2, 0xFF, 0, 0, 0];
        for pipe in PIPES {
            bytes.extend_from_slice(&[7, 5, pipe, 2]);
            bytes.extend_from_slice(&packet.to_le_bytes());
            bytes.push(0);
        }
        bytes
    };
    let speeds = [at_speed(64), at_speed(512)].concat();
    let length = u32::try_from(20 + speeds.len()).expect("short");
    let head = words(&[3, length, FULL_AND_HIGH, 3, 3]);
    ([head, speeds].concat(), words(&[2, 16, 0, 0]))
}

/// The device's side, unmounted when dropped; before that nobody may have its files open.
struct Mounted;

impl Mounted {
    fn new() -> Self {
        fs::create_dir_all(FOLDER).expect("a folder");
        must_run("mount", &["-t", "functionfs", "reader", FOLDER]);
        Self
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        must_run("umount", &[FOLDER]);
    }
}

fn file(name: &str) -> File {
    const NONBLOCK: i32 = 0o4000;
    let path = Path::new(FOLDER).join(name);
    let opened = OpenOptions::new().read(true).write(true).custom_flags(NONBLOCK).open(&path);
    opened.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the host sends to a pipe. Reading waits in the kernel while the plug is in.
fn heard(name: &'static str, over: &Arc<AtomicBool>, tell: mpsc::UnboundedSender<Vec<u8>>) {
    let over = Arc::clone(over);
    std::thread::spawn(move || {
        let mut pipe = file(name);
        let mut chunk = [0; 512];
        while !over.load(Ordering::Relaxed) {
            match pipe.read(&mut chunk) {
                Ok(read) => {
                    if tell.send(chunk[..read].to_vec()).is_err() {
                        return;
                    }
                }
                // The plug is out.
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    });
}

/// Says to the host, once it asks.
fn say(pipe: &mut File, bytes: &[u8]) {
    while let Err(error) = pipe.write(bytes) {
        match error.kind() {
            ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
            // The plug is out.
            _ => return,
        }
    }
}

/// The virtual reader behind its pipes, until it is dropped.
async fn serve(mut reader: VirtualReader, mut asked: mpsc::UnboundedReceiver<Vec<u8>>) {
    let (mut wire, module) = inner_line();
    let mut pipe = file("ep2");
    let translate = async {
        let (mut reply, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            tokio::select! {
                bytes = asked.recv() => {
                    let bytes = bytes.expect("the pipes are read");
                    wire.write_all(&bytes).await.expect("the module listens");
                }
                read = wire.read(&mut chunk) => {
                    reply.extend_from_slice(&chunk[..read.expect("the module speaks")]);
                    let whole = reply.len() >= 7
                        && reply.len() >= 7 + usize::from(u16::from_be_bytes([reply[5], reply[6]]));
                    if whole {
                        say(&mut pipe, &reply);
                        reply.clear();
                    }
                }
            }
        }
    };
    tokio::select! {
        () = translate => {}
        () = reader.serve(module) => {}
    }
}
