//! The scanner of QR and bar codes.

use std::time::Duration;

use crate::config::rule::{frame_mark, millis, one_of, optional, place, span, whole};
use crate::config::schema::section;
use crate::config::words::{drivers, words};

drivers! {
    /// The drivers of the scanner.
    QrScannerDriver {
        /// A scanner on a serial line or USB-CDC.
        Serial = "serial",
        /// A scanner that types as a keyboard.
        Evdev = "evdev",
        /// A scanner that is a HID point-of-sale device.
        HidPos = "hid-pos",
    }
}

words! {
    /// How a scanner's bytes become text.
    QrEncoding {
        /// UTF-8 where the bytes are valid UTF-8, else GB18030.
        Auto = "auto",
        /// UTF-8.
        Utf8 = "utf-8",
        /// GB18030, which holds GBK and GB 2312.
        Gb18030 = "gb18030",
    }
}

words! {
    /// The family of commands that switches a scanner on for one code.
    QrTrigger {
        /// The scanner needs no command: it scans by itself.
        None = "none",
        /// GROW GM65, GM67, GM805 and what shares their commands.
        Gm65 = "gm65",
        /// Newland, unified commands.
        Newland = "newland",
        /// Newland, old commands.
        NewlandOld = "newland-old",
        /// Honeywell.
        Honeywell = "honeywell",
        /// M3Y and what shares its commands.
        M3y = "m3y",
    }
}

section! {
    /// The scanner of QR and bar codes.
    QrScanner {
        /// What drives it.
        driver: QrScannerDriver = QrScannerDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Where it is; required. For serial the path of its serial port; for evdev the input device,
        /// by path, vendor and product, or a pattern over its name.
        port: Option<String> = None;
        "port", Example(r#""/dev/ttyACM0""#), optional(place()), Restart, for ["serial", "evdev"];
        /// Which USB device, for hid-pos; left out: the first such scanner. Of several the first by
        /// their sockets is taken.
        device: Option<String> = None;
        "device", Example(r#""0c2e:0b61""#), optional(place()), Restart, for ["hid-pos"];
        /// The speed of its serial line; USB-CDC ignores it.
        baud: u32 = 9600;
        "baud", Default("9600"), whole(300, 4_000_000, "bits per second"), Restart, for ["serial"];
        /// What the scanner sends after each code; empty: a code ends after idle_ms. Of a scanner that
        /// types, "\r" is the enter key.
        suffix: String = "\r".to_owned();
        "suffix", Default(r#""\r""#), frame_mark(), Restart;
        /// What the scanner sends before each code; it is taken off.
        prefix: String = String::new();
        "prefix", Default(r#""""#), frame_mark(), Restart;
        /// How the bytes become text.
        encoding: QrEncoding = QrEncoding::Auto;
        "encoding", Default(r#""auto""#), one_of(), Restart, for ["serial", "hid-pos"];
        /// How long nothing must come until a code without suffix is complete.
        idle: Duration = Duration::from_millis(100);
        "idle_ms", Default("100"), millis(10, 2000), Restart;
        /// For how long the same code again counts as the same scan.
        same_code: Option<Duration> = None;
        "same_code_ms", Default("0"), span(60_000), Restart;
        /// The commands that switch a scanner on a serial line on while somebody waits for a code.
        trigger: QrTrigger = QrTrigger::None;
        "trigger", Default(r#""none""#), one_of(), Restart, for ["serial"];
    }
}
