//! The receipt printer.

use crate::config::rule::{device_path, one_of, optional, printer_address, whole};
use crate::config::schema::section;
use crate::config::words::drivers;

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

section! {
    /// The receipt printer.
    Printer {
        /// What drives it.
        driver: PrinterDriver = PrinterDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Where it is, for escpos-serial.
        port: Option<String> = None;
        "port", Example(r#""/dev/ttyS1""#), optional(device_path()), Restart;
        /// The speed of its serial line, for escpos-serial.
        baud: u32 = 9600;
        "baud", Default("9600"), whole(300, 4_000_000, "bits per second"), Restart;
        /// Where it is, for escpos-tcp.
        address: Option<String> = None;
        "address", Example(r#""192.168.1.50:9100""#), optional(printer_address()), Restart;
        /// Where it is, for escpos-device.
        path: Option<String> = None;
        "path", Example(r#""/dev/usb/lp0""#), optional(device_path()), Restart;
        /// Dots in one line: 384 on paper of 58 mm, 576 on paper of 80 mm, as a rule.
        width_dots: u32 = 384;
        "width_dots", Default("384"), whole(64, 2048, "dots"), Restart;
    }
}
