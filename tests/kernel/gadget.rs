//! USB devices: the kernel's own device side (`libcomposite`, made by files in configfs) on a bus in
//! memory (`dummy_hcd`), so that the host side is what any USB device meets.
//!
//! The device's end of each function is a file of its own: `/dev/ttyGS0` of a serial line,
//! `/dev/hidg0` of a HID interface, `/dev/g_printer0` of a printer. See
//! Documentation/usb/gadget_configfs.rst of the kernel.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use hharome_hardware::port::far_end::FarLine;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_serial::{SerialPortBuilderExt, SerialStream};

use super::machine::{self, must_run};

/// The only device controller of `dummy_hcd`.
const CONTROLLER: &str = "dummy_udc.0";

/// Modules for devices with a serial line.
pub(crate) const SERIAL_MODULES: [&str; 4] = ["dummy_hcd", "libcomposite", "usb_f_acm", "cdc_acm"];

/// A function of a device: the kernel's name of it with an instance, and its attributes.
pub(crate) struct Function {
    /// Such as `acm.0`.
    pub(crate) name: &'static str,
    /// Files in its folder and what is written to them.
    pub(crate) attributes: Vec<(&'static str, Vec<u8>)>,
}

impl Function {
    /// A serial line by the class of modems (CDC ACM): `/dev/ttyACM…` here, `/dev/ttyGS0` there.
    pub(crate) fn serial() -> Self {
        Self { name: "acm.0", attributes: Vec::new() }
    }
}

/// Modules for printers.
pub(crate) const PRINTER_MODULES: [&str; 4] =
    ["dummy_hcd", "libcomposite", "usb_f_printer", "usblp"];

impl Function {
    /// A printer with a way back: `/dev/usb/lp0` here, `/dev/g_printer0` there.
    pub(crate) fn printer() -> Self {
        let id = b"MFG:hharome tests;MDL:Receipt printer;CLS:PRINTER;".to_vec();
        Self { name: "printer.0", attributes: vec![("pnp_string", id)] }
    }
}

/// Modules for devices with a HID interface.
pub(crate) const HID_MODULES: [&str; 5] =
    ["dummy_hcd", "libcomposite", "usb_f_hid", "usbhid", "hid_generic"];

impl Function {
    /// A HID interface with these reports, the longest of so many bytes with its number:
    /// `/dev/hidraw0` here, `/dev/hidg0` there.
    pub(crate) fn hid(descriptor: &[u8], longest: usize) -> Self {
        let attributes = vec![
            ("subclass", b"0".to_vec()),
            ("protocol", b"0".to_vec()),
            ("report_length", longest.to_string().into_bytes()),
            ("report_desc", descriptor.to_vec()),
        ];
        Self { name: "hid.0", attributes }
    }
}

/// A USB device, pulled out and taken apart when dropped.
pub(crate) struct Gadget {
    folder: PathBuf,
    functions: Vec<&'static str>,
}

impl Gadget {
    /// A device that calls itself `product`, with these numbers and functions, not plugged in yet.
    pub(crate) fn new(product: &str, vendor: u16, id: u16, functions: &[Function]) -> Self {
        let configfs = Path::new("/sys/kernel/config");
        if !configfs.join("usb_gadget").exists() {
            must_run("mount", &["-t", "configfs", "configfs", "/sys/kernel/config"]);
        }
        let folder = configfs.join("usb_gadget/hharome");
        let gadget = Self { folder, functions: functions.iter().map(|f| f.name).collect() };
        gadget.make("");
        gadget.set("idVendor", format!("{vendor:#06x}"));
        gadget.set("idProduct", format!("{id:#06x}"));
        gadget.make("strings/0x409");
        gadget.set("strings/0x409/manufacturer", "hharome tests");
        gadget.set("strings/0x409/product", product);
        gadget.set("strings/0x409/serialnumber", "0001");
        gadget.make("configs/c.1");
        for function in functions {
            let name = function.name;
            gadget.make(&format!("functions/{name}"));
            for (attribute, value) in &function.attributes {
                gadget.set(&format!("functions/{name}/{attribute}"), value);
            }
            let (from, to) = (format!("functions/{name}"), format!("configs/c.1/{name}"));
            symlink(gadget.folder.join(from), gadget.folder.join(to)).expect("a function is added");
        }
        gadget
    }

    /// Plugs it in.
    pub(crate) fn plug_in(&self) {
        self.set("UDC", CONTROLLER);
    }

    /// Pulls it out.
    pub(crate) fn pull_out(&self) {
        self.set("UDC", "\n");
    }

    fn make(&self, folder: &str) {
        let path = self.folder.join(folder);
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    fn set(&self, attribute: &str, value: impl AsRef<[u8]>) {
        let path = self.folder.join(attribute);
        fs::write(&path, value).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

impl Drop for Gadget {
    fn drop(&mut self) {
        // In the order in which configfs lets go; what fails shows in the next test.
        let _ = fs::write(self.folder.join("UDC"), "\n");
        for name in &self.functions {
            let _ = fs::remove_file(self.folder.join("configs/c.1").join(name));
            let _ = fs::remove_dir(self.folder.join("functions").join(name));
        }
        for folder in ["configs/c.1", "strings/0x409", ""] {
            let _ = fs::remove_dir(self.folder.join(folder));
        }
    }
}

/// The device's end of its serial line. While it is open the host sees carrier and DSR.
pub(crate) struct SerialEnd(SerialStream);

impl SerialEnd {
    /// Opens it, once the host has configured the device.
    pub(crate) async fn open() -> Self {
        let path = "/dev/ttyGS0";
        machine::appears(Path::new(path)).await;
        let line = tokio_serial::new(path, 9600).open_native_async();
        Self(line.unwrap_or_else(|error| panic!("{path}: {error}")))
    }
}

impl FarLine for SerialEnd {
    fn host_baud(&self) -> Option<u32> {
        // The rate goes over USB as a request that the device's side keeps to itself.
        None
    }
}

impl AsyncRead for SerialEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for SerialEnd {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
