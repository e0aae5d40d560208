//! The reader of ID cards.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::rule::{
    device_path, millis, one_of, optional, path, place, sam_baud, switch, whole,
};
use crate::config::schema::section;
use crate::config::words::{drivers, words};

/// The speed of the ID reader's serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamBaud {
    /// Try each rate of the SAM until it answers.
    Auto,
    /// This rate, one of 9600, 19200, 38400, 57600, 115200 bits per second.
    Fixed(u32),
}

drivers! {
    /// The drivers of the ID card reader.
    IdCardDriver {
        /// A SAM_V or SAM_A module on a serial line (GA/T 467).
        SamVSerial = "sam-v-serial",
        /// The same on USB by itself: bulk transfers.
        SamVUsb = "sam-v-usb",
        /// The same as a HID device: reports.
        SamVHidraw = "sam-v-hidraw",
    }
}

words! {
    /// How a reader that is a HID device puts its frames into reports.
    ReaderReports {
        /// Whole frames.
        Whole = "whole",
        /// Frames without their preamble, as some banks' readers do.
        Split = "split",
    }
}

section! {
    /// The resident ID card reader.
    IdCard {
        /// What drives it.
        driver: IdCardDriver = IdCardDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Where it is; required with sam-v-serial. Names below /dev/serial/by-id stay the same.
        port: Option<String> = None;
        "port", Example(r#""/dev/ttyUSB0""#), optional(device_path()),
        Restart, for ["sam-v-serial"];
        /// Which USB device, for sam-v-usb (left out: "0400:c35a", the number of readers that are on USB
        /// by themselves) and sam-v-hidraw, which needs it. Of several the first by their sockets is
        /// taken.
        device: Option<String> = None;
        "device", Example(r#""0400:c35a""#), optional(place()),
        Restart, for ["sam-v-usb", "sam-v-hidraw"];
        /// How frames stand in the reports of sam-v-hidraw.
        reports: ReaderReports = ReaderReports::Whole;
        "reports", Default(r#""whole""#), one_of(), Restart, for ["sam-v-hidraw"];
        /// The speed of its serial line.
        baud: SamBaud = SamBaud::Fixed(115_200);
        "baud", Default("115200"), sam_baud(), Restart, for ["sam-v-serial"];
        /// How often it looks for a card while somebody wants one.
        poll: Duration = Duration::from_millis(300);
        "poll_ms", Default("300"), millis(100, 2000), Restart;
        /// The vendor's library that decodes the card's photo (WLT), with an `unpack` function;
        /// there is no open one. Left out: `photoBase64` is empty.
        photo_decoder: Option<PathBuf> = None;
        "photo_decoder", Example(r#""/opt/wlt/libwlt2bmp.so""#), optional(path()), Restart;
        /// The third argument of the library's `unpack`: old libraries take 0, others a number of
        /// their vendor's, without which they refuse.
        photo_mode: i32 = 0;
        "photo_mode", Default("0"), whole(0, 2_147_483_647, ""), Restart;
        /// How long the photo decoder may take; then the card is delivered without its photo.
        photo_limit: Duration = Duration::from_secs(2);
        "photo_limit_ms", Default("2000"), millis(100, 60_000), Restart;
        /// Whether the photo as the chip has it (WLT, 1024 bytes) is given too, as `photoWltBase64`.
        raw_photo: bool = false;
        "raw_photo", Default("false"), switch(), Restart;
        /// Whether cards are read together with their fingerprints, for modules that read no other
        /// way. It takes longer, and the fingerprints are thrown away.
        fingerprint: bool = false;
        "fingerprint", Default("false"), switch(), Restart;
    }
}

impl IdCard {
    /// Which USB device the reader is, if it is one.
    #[must_use]
    pub fn usb_device(&self) -> Option<String> {
        let native = || (self.driver == IdCardDriver::SamVUsb).then(|| NATIVE_READER.to_owned());
        self.device.clone().or_else(native)
    }
}

/// The numbers of readers that are on USB by themselves.
const NATIVE_READER: &str = "0400:c35a";
