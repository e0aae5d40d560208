//! The device's end of a HID interface, `/dev/hidg0`: gives output reports and takes input reports as
//! they are. Of an ID-card reader or a scanner, for tests and for recordings.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use hharome_hardware::id_card::usb::far::Reports;
use hharome_hardware::id_card::virtual_reader::VirtualReader;
use hharome_hardware::port::far_end::VirtualDevice;
use hharome_hardware::port::memory::inner_line;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fixture::soon;

/// The device's end.
pub(crate) const DEVICE: &str = "/dev/hidg0";

/// Bytes of a reader's reports.
pub(crate) const REPORT: usize = 64;

/// How often the device's end is looked at: a wait inside the kernel would outlive the plug.
const LOOK: Duration = Duration::from_millis(2);

/// Opens it.
pub(crate) fn device() -> File {
    const NONBLOCK: i32 = 0o4000;
    let opened = OpenOptions::new().read(true).write(true).custom_flags(NONBLOCK).open(DEVICE);
    opened.unwrap_or_else(|error| panic!("{DEVICE}: {error}"))
}

/// Says a report once the host has taken the last.
pub(crate) async fn say(device: &mut File, report: &[u8]) {
    let said = async {
        while device.write(report).is_err() {
            tokio::time::sleep(LOOK).await;
        }
    };
    soon("the host takes a report", said).await;
}

/// The virtual reader behind `/dev/hidg0`, until it is dropped.
pub(crate) async fn serve(mut reader: VirtualReader, split: bool) {
    let (mut wire, module) = inner_line();
    let mut reports = Reports::new(split);
    let mut device = device();
    let translate = async {
        let (mut reply, mut chunk, mut report) = (Vec::new(), [0; 4096], [0; REPORT]);
        loop {
            tokio::select! {
                read = wire.read(&mut chunk) => {
                    reply.extend_from_slice(&chunk[..read.expect("the module speaks")]);
                    let whole = reply.len() >= 7
                        && reply.len() >= 7 + usize::from(u16::from_be_bytes([reply[5], reply[6]]));
                    if whole {
                        for report in reports.reply(&std::mem::take(&mut reply), REPORT) {
                            say(&mut device, &report).await;
                        }
                    }
                }
                () = tokio::time::sleep(LOOK) => {
                    while let Ok(read @ 1..) = device.read(&mut report) {
                        let bytes = reports.request(&report[..read]);
                        wire.write_all(&bytes).await.expect("the module listens");
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
