//! The sections of the devices. A section that is left out is `driver = "none"`.
//!
//! Read at start by the room that makes the devices; a change of any of them needs a new start,
//! because a driver owns its port for the daemon's life.

use std::path::PathBuf;
use std::time::Duration;

use hharome_hardware::buzzer::{CommandSet, Family, Program, Template};
use hharome_hardware::infrared::SwitchCode;

use super::rule::{
    ApduPattern, apdu_patterns, beep_command, beep_program, card_patterns, device_path, frame_mark,
    limit, millis, name, one_of, optional, path, place, places, printer_address, sam_baud, seconds,
    slot_patterns, span, speech_address, switch, switch_code, whole,
};
use super::schema::section;
use super::words::{drivers, words};

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
        "port", Example(r#""/dev/ttyUSB0""#), optional(device_path()), Restart;
        /// Which USB device, for sam-v-usb (left out: "0400:c35a", the number of readers that are on USB
        /// by themselves) and sam-v-hidraw, which needs it. Of several the first by their sockets is
        /// taken.
        device: Option<String> = None;
        "device", Example(r#""0400:c35a""#), optional(place()), Restart;
        /// How frames stand in the reports of sam-v-hidraw.
        reports: ReaderReports = ReaderReports::Whole;
        "reports", Default(r#""whole""#), one_of(), Restart;
        /// The speed of its serial line.
        baud: SamBaud = SamBaud::Fixed(115_200);
        "baud", Default("115200"), sam_baud(), Restart;
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
        "port", Example(r#""/dev/ttyACM0""#), optional(place()), Restart;
        /// Which USB device, for hid-pos; left out: the first such scanner. Of several the first by
        /// their sockets is taken.
        device: Option<String> = None;
        "device", Example(r#""0c2e:0b61""#), optional(place()), Restart;
        /// The speed of its serial line; USB-CDC ignores it.
        baud: u32 = 9600;
        "baud", Default("9600"), whole(300, 4_000_000, "bits per second"), Restart;
        /// What the scanner sends after each code; empty: a code ends after idle_ms. Of a scanner that
        /// types, "\r" is the enter key.
        suffix: String = "\r".to_owned();
        "suffix", Default(r#""\r""#), frame_mark(), Restart;
        /// What the scanner sends before each code; it is taken off.
        prefix: String = String::new();
        "prefix", Default(r#""""#), frame_mark(), Restart;
        /// How the bytes become text.
        encoding: QrEncoding = QrEncoding::Auto;
        "encoding", Default(r#""auto""#), one_of(), Restart;
        /// How long nothing must come until a code without suffix is complete.
        idle: Duration = Duration::from_millis(100);
        "idle_ms", Default("100"), millis(10, 2000), Restart;
        /// For how long the same code again counts as the same scan.
        same_code: Option<Duration> = None;
        "same_code_ms", Default("0"), span(60_000), Restart;
        /// The commands that switch a scanner on a serial line on while somebody waits for a code.
        trigger: QrTrigger = QrTrigger::None;
        "trigger", Default(r#""none""#), one_of(), Restart;
    }
}

drivers! {
    /// The drivers of the CPU card reader.
    CpuCardDriver {
        /// A contactless reader of PC/SC.
        Pcsc = "pcsc",
    }
}

section! {
    /// The contactless reader of CPU cards.
    CpuCard {
        /// What drives it.
        driver: CpuCardDriver = CpuCardDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which reader, a pattern with * and ? over the names of PC/SC. Of several that match the
        /// first in name order is taken. Left out: any reader but SAM slots, which have SAM in their
        /// names.
        reader: Option<String> = None;
        "reader", Example(r#""*R502 Contactless*""#),
        optional(name("a pattern such as *R502 Contactless*")), Restart;
        /// How long a card stays powered after the last command of the program that uses it. Then
        /// what was opened on it is closed.
        session_idle: Option<Duration> = Some(Duration::from_secs(60));
        "session_idle_ms", Default("60000"), limit(), Restart;
        /// Whether programs may send commands (APDUs) of their own to the card; else those answer
        /// `forbidden`. Cards are found and powered up all the same.
        raw_apdus: bool = true;
        "raw_apdus", Default("true"), switch(), Restart;
        /// Commands that are refused with `forbidden`, by their class and instruction (CLA and INS,
        /// ISO/IEC 7816-4), before anything is sent. They are compared as they stand: a class has
        /// bits for logical channels, chaining and secure messaging, so write ? where those may
        /// differ ("?? D4" is D4 of any class). A command inside another (ENVELOPE, C2; commands to
        /// the reader, class FF) is not looked for.
        denied_apdus: Vec<ApduPattern> = Vec::new();
        "denied_apdus", Default("[]"), card_patterns(), Restart;
    }
}

drivers! {
    /// The drivers of the PSAM slots.
    PsamDriver {
        /// SAM slots of PC/SC readers.
        Pcsc = "pcsc",
    }
}

section! {
    /// The slots of the PSAM cards.
    Psam {
        /// What drives them.
        driver: PsamDriver = PsamDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which PC/SC readers are slot 1 and slot 2, patterns as in `[cpu_card]`; required with
        /// pcsc. Names end in the numbers of reader and slot.
        slots: Vec<String> = Vec::new();
        "slots", Example(r#"["*SAM* 00", "*SAM* 01"]"#), slot_patterns(), Restart;
        /// How long a PSAM stays powered after the last command of the program that uses it.
        session_idle: Option<Duration> = Some(Duration::from_secs(60));
        "session_idle_ms", Default("60000"), limit(), Restart;
        /// Whether programs may send commands (APDUs) of their own to a PSAM; else those answer
        /// `forbidden`.
        raw_apdus: bool = true;
        "raw_apdus", Default("true"), switch(), Restart;
        /// Commands that are refused with `forbidden`, as in `[cpu_card]`, for both slots or one. The
        /// default is writing keys: WRITE KEY (INS D4) of PBOC and transport PSAMs, of any class. A
        /// list given here takes its place; [] denies nothing.
        denied_apdus: Vec<ApduPattern> = vec![ApduPattern::WRITE_KEY];
        "denied_apdus", Default(r#"["?? D4"]"#), apdu_patterns(), Restart;
    }
}

drivers! {
    /// The drivers of the social-security card reader.
    SocialSecurityCardDriver {
        /// A contact reader of PC/SC.
        Pcsc = "pcsc",
    }
}

section! {
    /// The reader of social-security cards.
    SocialSecurityCard {
        /// What drives it.
        driver: SocialSecurityCardDriver = SocialSecurityCardDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which reader, a pattern as in `[cpu_card]`. Left out: any reader but SAM slots.
        reader: Option<String> = None;
        "reader", Example(r#""*R502 Contact Reader*""#),
        optional(name("a pattern such as *R502 Contact Reader*")), Restart;
    }
}

drivers! {
    /// The drivers of the microphone.
    MicrophoneDriver {
        /// A capture device of ALSA.
        Alsa = "alsa",
    }
}

section! {
    /// The microphone: 16 kHz, 16 bit, mono.
    Microphone {
        /// What drives it.
        driver: MicrophoneDriver = MicrophoneDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// The capture device, as ALSA names it.
        device: String = "default".to_owned();
        "device", Default(r#""default""#),
        name("a PCM name of ALSA, such as default or plughw:CARD=PCH,DEV=0"), Restart;
        /// How much sound one event carries; 40 ms are 1280 bytes.
        chunk: Duration = Duration::from_millis(40);
        "chunk_ms", Default("40"), millis(10, 1000), Restart;
        /// How long one recording (`startMicrophone`) may become, in seconds; then it hears no more,
        /// and is kept until `stopMicrophone`. A minute is 360 KB of MP3.
        record_limit: Duration = Duration::from_secs(300);
        "record_limit_s", Default("300"), seconds(1, 1800), Restart;
    }
}

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

drivers! {
    /// The drivers of the presence sensor.
    InfraredDriver {
        /// A sensor that is an input device.
        Evdev = "evdev",
        /// A sensor on a GPIO line.
        Gpio = "gpio",
        /// A proximity sensor of the kernel's IIO.
        Iio = "iio",
        /// A sensor on a serial line.
        Serial = "serial",
    }
}

words! {
    /// How a presence sensor on a serial line tells of people.
    InfraredProtocol {
        /// Frames of the radar HLK-LD2410.
        Ld2410 = "ld2410",
        /// Frames of the rangefinders TFmini and TF-Luna.
        Tfmini = "tfmini",
        /// Lines with 1 or ON, 0 or OFF.
        Ascii = "ascii",
        /// The modem line CTS.
        Cts = "cts",
        /// The modem line DSR.
        Dsr = "dsr",
        /// The modem line DCD.
        Dcd = "dcd",
        /// The modem line RI.
        Ri = "ri",
    }
}

words! {
    /// Which raw values of a proximity sensor mean near.
    InfraredNear {
        /// Large ones, of sensors that measure reflected light.
        Above = "above",
        /// Small ones, of sensors that measure a distance.
        Below = "below",
    }
}

words! {
    /// The resistor at a GPIO line.
    InfraredBias {
        /// As it is.
        AsIs = "as-is",
        /// To the supply.
        PullUp = "pull-up",
        /// To ground.
        PullDown = "pull-down",
        /// None.
        Disabled = "disabled",
    }
}

section! {
    /// The sensor that tells whether somebody stands there.
    Infrared {
        /// What drives it.
        driver: InfraredDriver = InfraredDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which device. For evdev the input device; left out: the first that has the switch or key of
        /// code. For iio a pattern over the names of the kernel's IIO devices, or the path of one
        /// below /sys; left out: the first that measures proximity.
        device: Option<String> = None;
        "device", Example(r#""/dev/input/event3""#), optional(place()), Restart;
        /// For evdev: the switch or key by which the device tells of people, by its name in
        /// linux/input-event-codes.h, or the number of a key. While a key is pressed, somebody is
        /// there; if it is released at once, somebody was there at that moment.
        code: SwitchCode = SwitchCode::FRONT_PROXIMITY;
        "code", Default(r#""SW_FRONT_PROXIMITY""#), switch_code(), Restart;
        /// For gpio: the line, by its name, or as CHIP:NUMBER; numbers of chips may change with the
        /// next start.
        line: Option<String> = None;
        "line", Example(r#""gpiochip0:17""#),
        optional(name("a line's name, or CHIP:NUMBER")), Restart;
        /// For gpio and modem lines: whether somebody is there while the line is not active.
        active_low: bool = false;
        "active_low", Default("false"), switch(), Restart;
        /// For gpio: the resistor at the line; chips that have none to choose refuse.
        bias: InfraredBias = InfraredBias::AsIs;
        "bias", Default(r#""as-is""#), one_of(), Restart;
        /// For gpio: how long a change must last to be one.
        debounce: Option<Duration> = Some(Duration::from_millis(30));
        "debounce_ms", Default("30"), span(1000), Restart;
        /// Where the sensor is, for serial.
        port: Option<String> = None;
        "port", Example(r#""/dev/ttyS2""#), optional(device_path()), Restart;
        /// How it tells of people, for serial: frames of a radar (ld2410) or a rangefinder (tfmini),
        /// lines with 1 or ON, 0 or OFF (ascii), or one of the modem lines.
        protocol: InfraredProtocol = InfraredProtocol::Ld2410;
        "protocol", Default(r#""ld2410""#), one_of(), Restart;
        /// The speed of its serial line. Left out: that with which such sensors are sold, 256000 for
        /// ld2410, 115200 for tfmini, 9600 for ascii.
        baud: Option<u32> = None;
        "baud", Example("256000"), optional(whole(300, 4_000_000, "bits per second")), Restart;
        /// From where on somebody is there. For ld2410 and tfmini a distance in cm: nobody is whoever
        /// is further away; left out: 100 for tfmini, any distance for ld2410. For iio the raw value;
        /// left out: what the kernel knows of this sensor (in_proximity_nearlevel).
        threshold: Option<u32> = None;
        "threshold", Example("120"), optional(whole(0, 1_000_000_000, "cm, or a raw value")), Restart;
        /// For iio: whether raw values above the threshold mean near (reflected light), or those below
        /// (distances).
        near: InfraredNear = InfraredNear::Above;
        "near", Default(r#""above""#), one_of(), Restart;
        /// By how much a value has to pass the threshold, either way, to change anything.
        hysteresis_percent: u8 = 10;
        "hysteresis_percent", Default("10"), whole(0, 50, "%"), Restart;
        /// How often the sensor is asked while somebody listens, for iio and modem lines.
        poll: Duration = Duration::from_millis(200);
        "poll_ms", Default("200"), millis(20, 1000), Restart;
        /// For how long after it has got its power the sensor is not believed; 30 to 60 s for
        /// pyroelectric ones, if they get their power with the kiosk. Nothing is told meanwhile.
        warm_up: Option<Duration> = None;
        "warm_up_ms", Default("0"), span(300_000), Restart;
    }
}

impl Infrared {
    /// Where the sensor is, as far as the section says.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        match self.driver {
            InfraredDriver::None | InfraredDriver::Simulated => None,
            InfraredDriver::Evdev | InfraredDriver::Iio => self.device.clone(),
            InfraredDriver::Gpio => self.line.clone(),
            InfraredDriver::Serial => self.port.clone(),
        }
    }
}

drivers! {
    /// The drivers of what people operate the kiosk by.
    InputDriver {
        /// Input devices of the kernel.
        Evdev = "evdev",
    }
}

section! {
    /// What people operate the kiosk by: touch screens, keyboards. Whoever touches one of them is
    /// there, which `ampeStartOperationWatcher` wants to know; what is typed is not looked at.
    Input {
        /// What drives it.
        driver: InputDriver = InputDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which input devices, each a path, vendor and product, or a pattern with * and ? over their
        /// names. Left out: all that have keys, buttons or a touch surface.
        devices: Vec<String> = Vec::new();
        "devices", Example(r#"["*Touch*", "/dev/input/by-path/platform-i8042-serio-0-event-kbd"]"#),
        places(), Restart;
    }
}

drivers! {
    /// The drivers of the second screen.
    SecondScreenDriver {
        /// An output of an X server.
        X11 = "x11",
    }
}

section! {
    /// The screen that shows a picture to the customer.
    SecondScreen {
        /// What drives it.
        driver: SecondScreenDriver = SecondScreenDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
    }
}

drivers! {
    /// The drivers of speech.
    SpeechDriver {
        /// The desktop's speech service.
        SpeechDispatcher = "speech-dispatcher",
        /// The synthesiser by itself.
        EspeakNg = "espeak-ng",
    }
}

section! {
    /// The speech synthesiser.
    Speech {
        /// What drives it.
        driver: SpeechDriver = SpeechDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Where speech-dispatcher listens, as in SPEECHD_ADDRESS. Left out: $SPEECHD_ADDRESS, else its
        /// socket in runtime_dir of `[session]`. The service belongs to the session of the kiosk's user,
        /// who alone may use its socket: run the daemon as that user, or give it that permission.
        address: Option<String> = None;
        "address", Example(r#""unix_socket:/run/user/1000/speech-dispatcher/speechd.sock""#),
        optional(speech_address()), Restart;
        /// The output module, for speech-dispatcher. Left out: the service's own choice.
        module: Option<String> = None;
        "module", Example(r#""espeak-ng""#), optional(name("a module's name, such as espeak-ng")), Restart;
        /// The voice: for speech-dispatcher as `spd-say -L` has it, for espeak-ng as in
        /// `espeak-ng --voices`. Left out: the Mandarin voice of espeak-ng that reads Chinese as Chinese,
        /// of another module its own choice. Neither program complains of a voice that there is not.
        voice: Option<String> = None;
        "voice", Example(r#""Chinese (Mandarin, latin as Pinyin)""#),
        optional(name("a voice's name")), Restart;
        /// The language of the texts, for speech-dispatcher.
        language: String = "zh-CN".to_owned();
        "language", Default(r#""zh-CN""#), name("a language, such as zh-CN"), Restart;
        /// How loud, in percent of the loudest.
        volume: u8 = 100;
        "volume", Default("100"), whole(0, 100, "%"), Restart;
        /// The program, for espeak-ng: a name that is looked for in $PATH, or an absolute path.
        program: String = "espeak-ng".to_owned();
        "program", Default(r#""espeak-ng""#), name("a program's name or absolute path"), Restart;
        /// The playback device, for espeak-ng, as ALSA names it.
        device: String = "default".to_owned();
        "device", Default(r#""default""#),
        name("a PCM name of ALSA, such as default or plughw:CARD=PCH,DEV=0"), Restart;
    }
}

drivers! {
    /// The drivers of the buzzer.
    BuzzerDriver {
        /// An input device with a beeper.
        Evdev = "evdev",
        /// The buzzer of a card reader.
        Pcsc = "pcsc",
        /// A program that is run for each beep.
        Program = "program",
    }
}

words! {
    /// Which commands a card reader's buzzer understands.
    BuzzerModel {
        /// Those of the reader's name.
        Auto = "auto",
        /// Those of the ACR122U, in steps of 100 ms.
        Acr122u = "acr122u",
        /// Those of ACR1251, ACR1252, ACR1255, ACR1281 and ACR1283, in steps of 10 ms.
        Acs = "acs",
    }
}

section! {
    /// What beeps.
    Buzzer {
        /// What drives it.
        driver: BuzzerDriver = BuzzerDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which reader, for pcsc, a pattern as in `[cpu_card]`. Left out: the reader of `[cpu_card]`
        /// if that is one of PC/SC, else any reader but SAM slots.
        reader: Option<String> = None;
        "reader", Example(r#""*ACR1252*PICC*""#),
        optional(name("a pattern such as *ACR1252*PICC*")), Restart;
        /// Which commands the reader's buzzer understands, for pcsc: acs are ACR1251, ACR1252,
        /// ACR1255, ACR1281 and ACR1283; auto tells them by the reader's name.
        model: BuzzerModel = BuzzerModel::Auto;
        "model", Default(r#""auto""#), one_of(), Restart;
        /// The command of another reader's buzzer, for pcsc, in hex; {time} stands for the byte that
        /// holds the time. It goes to the reader, not to a card.
        command: Option<Template> = None;
        "command", Example(r#""FF 00 40 00 04 {time} 00 01 01""#), optional(beep_command()), Restart;
        /// How long one unit of {time} in command is.
        unit_ms: u32 = 100;
        "unit_ms", Default("100"), whole(1, 10_000, "ms"), Restart;
        /// How many units one command may ask for; a longer beep is several commands. Readers that
        /// answer when they have sounded must do so within 3 s, or libccid gives them up.
        max_units: u8 = 255;
        "max_units", Default("255"), whole(1, 255, ""), Restart;
        /// The program and its arguments, for program; {ms} becomes the length of the beep. It is
        /// run without a shell, and must end within 5 s after its beep.
        program: Vec<String> = Vec::new();
        "program", Example(r#"["/usr/bin/beep", "-l", "{ms}"]"#), beep_program(), Restart;
    }
}

impl Buzzer {
    /// The commands that the section names; `None`: those of the reader's name.
    #[must_use]
    pub fn commands(&self) -> Option<CommandSet> {
        let named = match self.model {
            BuzzerModel::Auto => None,
            BuzzerModel::Acr122u => Some(Family::Acr122u),
            BuzzerModel::Acs => Some(Family::Acs),
        };
        let own = |command| CommandSet::new(command, self.unit_ms, self.max_units);
        self.command.clone().map(own).or_else(|| named.map(Family::commands))
    }

    /// The program that is to be run; `None` if none is named.
    #[must_use]
    pub fn program_to_run(&self) -> Option<Program> {
        let (path, arguments) = self.program.split_first()?;
        Some(Program { path: PathBuf::from(path), arguments: arguments.to_vec() })
    }
}

drivers! {
    /// The providers of face recognition.
    FaceDriver {
        /// A face service that is asked over HTTP.
        Http = "http",
    }
}

section! {
    /// The provider of face recognition.
    Face {
        /// What drives it.
        driver: FaceDriver = FaceDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
    }
}
