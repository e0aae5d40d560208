//! The receipt printer.

use std::path::PathBuf;

use crate::config::listen::default_state_folder;
use crate::config::rule::{
    device_path, names, off_if_empty, one_of, optional, path, paths, printer_address, switch, whole,
};
use crate::config::schema::section;
use crate::config::words::{drivers, words};

drivers! {
    /// The drivers of the receipt printer.
    PrinterDriver {
        /// ESC/POS on a serial line.
        EscposSerial = "escpos-serial",
        /// ESC/POS over TCP, port 9100 as a rule.
        EscposTcp = "escpos-tcp",
        /// ESC/POS through the kernel's USB printer device.
        EscposDevice = "escpos-device",
    }
}

words! {
    /// How a serial printer says that it takes no data for now.
    PrinterFlow {
        /// It does not: slow rates and large buffers only.
        None = "none",
        /// By the lines RTS and CTS (or DTR, where the cable joins that to CTS).
        RtsCts = "rts-cts",
        /// By the characters XON and XOFF.
        XonXoff = "xon-xoff",
    }
}

words! {
    /// How texts are printed.
    PrinterText {
        /// As dots, set by the daemon: any script and any size.
        Dots = "dots",
        /// In the printer's own type.
        Native = "native",
    }
}

words! {
    /// What ends a receipt.
    PrinterCut {
        /// Cut but for a bridge in the middle.
        Partial = "partial",
        /// Cut through.
        Full = "full",
        /// The printer has no cutter.
        None = "none",
    }
}

section! {
    /// The receipt printer.
    Printer {
        /// What drives it.
        driver: PrinterDriver = PrinterDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Where it is, for escpos-serial.
        port: Option<String> = None;
        "port", Example(r#""/dev/ttyS1""#), optional(device_path()), Restart, for ["escpos-serial"];
        /// The speed of its serial line, for escpos-serial.
        baud: u32 = 9600;
        "baud", Default("9600"), whole(300, 4_000_000, "bits per second"),
        Restart, for ["escpos-serial"];
        /// How it stops its serial line, for escpos-serial; printed on its self-test.
        flow: PrinterFlow = PrinterFlow::RtsCts;
        "flow", Default(r#""rts-cts""#), one_of(), Restart, for ["escpos-serial"];
        /// Where it is, for escpos-tcp.
        address: Option<String> = None;
        "address", Example(r#""192.168.1.50:9100""#), optional(printer_address()),
        Restart, for ["escpos-tcp"];
        /// Where it is, for escpos-device.
        path: Option<String> = None;
        "path", Example(r#""/dev/usb/lp0""#), optional(device_path()),
        Restart, for ["escpos-device"];
        /// Dots in one line: 384 on paper of 58 mm, 576 on paper of 80 mm, as a rule.
        width_dots: u32 = 384;
        "width_dots", Default("384"), whole(64, 2048, "dots"), Restart;
        /// How texts are printed. dots: any script, any size, the same on every printer. native: in the
        /// printer's own Chinese type (GB18030), 24 dots high or a multiple of that; quicker on slow lines.
        text: PrinterText = PrinterText::Dots;
        "text", Default(r#""dots""#), one_of(), Restart;
        /// Fonts to take first, in this order, as `fc-list : family` names them. What they do not have, any
        /// other installed font may have.
        fonts: Vec<String> = Vec::new();
        "fonts", Default("[]"), names("a font's family, such as WenQuanYi Zen Hei"), Restart;
        /// Font files to take before all others, in this order.
        font_files: Vec<PathBuf> = Vec::new();
        "font_files", Default("[]"), paths(), Restart;
        /// Rows of dots that are sent as one picture. Two of them have to fit into the printer's buffer, with
        /// some room left: fewer for printers that leave out dots, more for quick ones that stutter.
        band_rows: u16 = 24;
        "band_rows", Default("24"), whole(1, 960, "rows"), Restart;
        /// What ends a receipt.
        cut: PrinterCut = PrinterCut::Partial;
        "cut", Default(r#""partial""#), one_of(), Restart;
        /// White after a receipt, in rows of dots (8 are a millimetre), besides what the printer feeds by
        /// itself to its cutter. Left out: 24, and 160 with cut = "none", for the edge that it is torn at.
        feed_dots: Option<u16> = None;
        "feed_dots", Example("24"), optional(whole(0, 2000, "rows")), Restart;
        /// Whether the printer's answers come back. false is for cables without that wire: then nobody
        /// knows whether there is paper, and a receipt counts as printed when all bytes were taken.
        status: bool = true;
        "status", Default("true"), switch(), Restart;
        /// The folder of the journal of print jobs, which tells after a crash which receipt may be on
        /// paper. Left out: $STATE_DIRECTORY under systemd, else $XDG_STATE_HOME/hharome, else
        /// .local/state/hharome at home. Of a simulated printer there is none on disk.
        journal: Option<PathBuf> = Some(default_state_folder());
        "journal", Example(r#""/var/lib/hharome""#), off_if_empty(path(), "in memory only"), Restart;
    }
}

impl Printer {
    /// Rows of white between the last dots and the cut.
    #[must_use]
    pub fn feed(&self) -> u16 {
        self.feed_dots.unwrap_or(if self.cut == PrinterCut::None { 160 } else { 24 })
    }

    /// The key that says where a real one is.
    #[must_use]
    pub fn place_key(&self) -> &'static str {
        match self.driver {
            PrinterDriver::EscposTcp => "address",
            PrinterDriver::EscposDevice => "path",
            _ => "port",
        }
    }

    /// Where a real one is.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        match self.driver {
            PrinterDriver::EscposSerial => self.port.clone(),
            PrinterDriver::EscposTcp => self.address.clone(),
            PrinterDriver::EscposDevice => self.path.clone(),
            PrinterDriver::None | PrinterDriver::Simulated => None,
        }
    }
}
