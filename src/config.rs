//! The configuration: TOML text in, typed values out, and the place of every mistake.
//!
//! `serve`, `check` and SIGHUP call [`Config::load`]; `hharome config` prints [`commented`]. A file
//! is read in three steps, each in a room of its own:
//!
//! ```text
//! text ── toml ──► tables with spans ── schema ──► Config ── consistency ──► Config
//!  syntax mistakes               unknown, wrong, out of range    keys that contradict
//! ```
//!
//! Every key is written down once, in a `section!` table (`listen`, `devices`): its type, default,
//! rule, documentation, and whether SIGHUP can change it. The structs, the reader, what a mistake
//! calls allowed, the commented file and the reload report all come from that one table. The tables
//! are read by those rules and not by serde, because a rule can name what is allowed, can tell
//! several mistakes at once, and never puts a secret into a message.

mod commented;
mod consistency;
mod devices;
mod listen;
mod recorded;
mod rule;
mod schema;
#[cfg(test)]
mod tests;
mod words;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hharome_hardware::port::socket::SocketAddress;
use hharome_hardware::speech::address;

pub use self::commented::commented;
pub use self::devices::{
    Buzzer, BuzzerDriver, BuzzerModel, CpuCard, CpuCardDriver, Face, FaceDriver, IdCard,
    IdCardDriver, Infrared, InfraredBias, InfraredDriver, InfraredNear, InfraredProtocol, Input,
    InputDriver, Microphone, MicrophoneDriver, Printer, PrinterCut, PrinterDriver, PrinterFlow,
    PrinterText, Psam, PsamDriver, QrEncoding, QrScanner, QrScannerDriver, QrTrigger,
    ReaderReports, SamBaud, SecondScreen, SecondScreenDriver, Shell, SocialSecurityCard,
    SocialSecurityCardDriver, Speech, SpeechDriver,
};
pub use self::listen::{
    DEFAULT_HTTP, DEFAULT_TCP, DeviceInfo, Limits, Listen, Log, LogLevel, Recording, Secret,
    Session, Timeouts, default_unix_path,
};
pub use self::recorded::Written;
pub use self::rule::ApduPattern;
pub use self::schema::{ConfigError, Mistake};
pub use self::words::{Driver, Word};

use self::schema::{Change, Document, Key, Section};

/// The file that is read when neither `--config` nor `$HHAROME_CONFIG` names another.
pub const SYSTEM_FILE: &str = "/etc/hharome/config.toml";

/// The environment variable that names the file when `--config` does not; empty counts as unset.
pub const FILE_VARIABLE: &str = "HHAROME_CONFIG";

/// Makes [`Config`] and what walks over all of its sections, in the order of the file.
macro_rules! sections {
    ($($(#[doc = $doc:literal])+ $name:ident: $section:ty,)+) => {
        /// The whole configuration, one field a section, every value checked.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $name: $section,)+
            /// Keys of the file that its drivers do not use, a warning each.
            unused: Vec<String>,
        }

        impl Config {
            /// Reads every section of a document; mistakes are left in the document.
            fn read(document: &mut Document<'_>) -> Self {
                document.refuse_unknown_sections(&[$(stringify!($name)),+]);
                $(let $name = document.section(stringify!($name));)+
                Self { $($name,)+ unused: document.unused() }
            }

            /// Every section in the order of the file: its name, what it is about, its keys.
            fn schema() -> Vec<(&'static str, &'static [&'static str], Vec<Key>)> {
                vec![$((
                    stringify!($name),
                    <$section as Section>::ABOUT,
                    <$section as Section>::keys(),
                ),)+]
            }

            /// Each key whose value differs: section, key, and how a change takes effect.
            fn differences(&self, new: &Self) -> Vec<(&'static str, &'static str, Change)> {
                let mut all = Vec::new();
                $(all.extend(
                    self.$name
                        .differences(&new.$name)
                        .into_iter()
                        .map(|(key, change)| (stringify!($name), key, change)),
                );)+
                all
            }

            /// This configuration with every key that SIGHUP applies taken from `new`, and all
            /// others kept: what is in force after a reload.
            #[must_use]
            pub fn reloaded(&self, new: &Self) -> Self {
                let unused = new.unused.clone();
                Self { $($name: self.$name.reloaded(&new.$name),)+ unused }
            }
        }
    };
}

sections! {
    /// `[listen]`: where clients connect, and who may.
    listen: Listen,
    /// `[limits]`: how much one client may ask and leave unread.
    limits: Limits,
    /// `[device_info]`: what `getDeviceInfo` answers instead of what the machine says.
    device_info: DeviceInfo,
    /// `[timeouts]`: how long calls wait.
    timeouts: Timeouts,
    /// `[session]`: the desktop session of the kiosk's user.
    session: Session,
    /// `[id_card]`: the resident ID card reader.
    id_card: IdCard,
    /// `[qr_scanner]`: the scanner of QR and bar codes.
    qr_scanner: QrScanner,
    /// `[cpu_card]`: the contactless reader of CPU cards.
    cpu_card: CpuCard,
    /// `[psam]`: the slots of the PSAM cards.
    psam: Psam,
    /// `[social_security_card]`: the reader of social-security cards.
    social_security_card: SocialSecurityCard,
    /// `[microphone]`: the capture device.
    microphone: Microphone,
    /// `[printer]`: the receipt printer.
    printer: Printer,
    /// `[infrared]`: the sensor that tells whether somebody stands there.
    infrared: Infrared,
    /// `[input]`: what people operate the kiosk by.
    input: Input,
    /// `[second_screen]`: the screen that shows a picture to the customer.
    second_screen: SecondScreen,
    /// `[speech]`: the speech synthesiser.
    speech: Speech,
    /// `[buzzer]`: what beeps.
    buzzer: Buzzer,
    /// `[face]`: the provider of face recognition.
    face: Face,
    /// `[shell]`: commands that work the kiosk's shell.
    shell: Shell,
    /// `[recording]`: recording what passes, to replay it elsewhere.
    recording: Recording,
    /// `[log]`: what is written to the log.
    log: Log,
}

/// A configuration and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// The file it was read from; `None`: no file was found, and everything is simulated.
    pub source: Option<PathBuf>,
    /// The same as it goes into a recording.
    pub written: Written,
}

impl Config {
    /// Finds and reads the configuration: `explicit` (`--config`), else `$HHAROME_CONFIG`, else
    /// [`SYSTEM_FILE`] if it exists, else [`Config::simulated`].
    ///
    /// # Errors
    /// A file that cannot be read (one that is named must exist), or the mistakes in it.
    pub fn load(explicit: Option<&Path>) -> Result<Loaded, ConfigError> {
        Self::load_from(explicit, env::var_os(FILE_VARIABLE), Path::new(SYSTEM_FILE))
    }

    /// Reads a configuration from its text; `file_name` is what mistakes are reported under.
    ///
    /// # Errors
    /// Every mistake in the text, with its line; contradictions between keys only when each key
    /// by itself is right.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ConfigError> {
        let tables = schema::tables(text, file_name, &Self::schema())?;
        let mut document = Document::new(text, file_name, &tables);
        let config = Self::read(&mut document);
        document.verdict()?;
        consistency::check(&config, &mut document);
        document.verdict()?;
        Ok(config)
    }

    /// What is in force without a file: every device simulated, the Unix socket, TCP and HTTP all
    /// on at their default addresses.
    pub fn simulated() -> Self {
        let mut config = Self::default();
        config.listen.tcp = Some(DEFAULT_TCP);
        config.listen.http = Some(DEFAULT_HTTP);
        for driver in config.drivers_mut() {
            driver.simulate();
        }
        config
    }

    /// Replaces every driver that is not `none` by `simulated` (the flag `--simulate`).
    pub fn simulate(&mut self) {
        for driver in self.drivers_mut() {
            if !driver.is_none() {
                driver.simulate();
            }
        }
    }

    /// Every device section with the word of its driver, in the order of the file.
    pub fn drivers(&self) -> [(&'static str, &'static str); 13] {
        [
            ("id_card", self.id_card.driver.word()),
            ("qr_scanner", self.qr_scanner.driver.word()),
            ("cpu_card", self.cpu_card.driver.word()),
            ("psam", self.psam.driver.word()),
            ("social_security_card", self.social_security_card.driver.word()),
            ("microphone", self.microphone.driver.word()),
            ("printer", self.printer.driver.word()),
            ("infrared", self.infrared.driver.word()),
            ("input", self.input.driver.word()),
            ("second_screen", self.second_screen.driver.word()),
            ("speech", self.speech.driver.word()),
            ("buzzer", self.buzzer.driver.word()),
            ("face", self.face.driver.word()),
        ]
    }

    /// The driver of a device, and where a real one is: a serial port, the pattern of a PC/SC
    /// reader, a program. Devices are the sections; `psam_1` and `psam_2` are the slots of `psam`.
    #[must_use]
    pub fn driver_and_port(&self, device: &str) -> Option<(&'static str, Option<String>)> {
        let section = if matches!(device, "psam_1" | "psam_2") { "psam" } else { device };
        let (_, driver) = self.drivers().into_iter().find(|(name, _)| *name == section)?;
        let port = match device {
            _ if driver == words::SIMULATED => None,
            "id_card" => match self.id_card.driver {
                IdCardDriver::SamVUsb | IdCardDriver::SamVHidraw => self.id_card.usb_device(),
                _ => self.id_card.port.clone(),
            },
            "qr_scanner" => match self.qr_scanner.driver {
                QrScannerDriver::HidPos => self.qr_scanner.device.clone(),
                _ => self.qr_scanner.port.clone(),
            },
            "cpu_card" => self.cpu_card.reader.clone(),
            "psam" => (!self.psam.slots.is_empty()).then(|| self.psam.slots.join(", ")),
            "psam_1" => self.psam.slots.first().cloned(),
            "psam_2" => self.psam.slots.get(1).cloned(),
            "social_security_card" => self.social_security_card.reader.clone(),
            "microphone" => Some(self.microphone.device.clone()),
            "printer" => self.printer.place(),
            "infrared" => self.infrared.place(),
            "speech" => match self.speech.driver {
                SpeechDriver::SpeechDispatcher => Some(self.speech_address().to_string()),
                SpeechDriver::EspeakNg => Some(self.speech.program.clone()),
                _ => None,
            },
            "second_screen" => self.screen_place(),
            "input" => (self.input.driver == InputDriver::Evdev).then(|| {
                let devices = &self.input.devices;
                if devices.is_empty() { "all".to_owned() } else { devices.join(", ") }
            }),
            "face" => self.face.url.as_ref().map(ToString::to_string),
            "buzzer" => match self.buzzer.driver {
                BuzzerDriver::Pcsc => self.buzzer_reader().map(str::to_owned),
                BuzzerDriver::Evdev => self.buzzer.device.clone(),
                BuzzerDriver::Program => self.buzzer.program.first().cloned(),
                _ => None,
            },
            _ => None,
        };
        Some((driver, port))
    }

    /// The PC/SC readers of a device, each with what it is called and its pattern; no pattern is
    /// any reader but SAM slots. Empty for a device that is at no PC/SC reader. Devices as in
    /// [`Config::driver_and_port`].
    #[must_use]
    pub fn card_readers(&self, device: &str) -> Vec<(String, Option<String>)> {
        let Some(("pcsc", pattern)) = self.driver_and_port(device) else {
            return Vec::new();
        };
        if device != "psam" {
            return vec![(device.to_owned(), pattern)];
        }
        let slots = self.psam.slots.iter().zip(1..);
        slots.map(|(pattern, slot)| (format!("psam slot {slot}"), Some(pattern.clone()))).collect()
    }

    /// The pattern of the reader whose buzzer is used; `None`: any reader but SAM slots.
    #[must_use]
    pub fn buzzer_reader(&self) -> Option<&str> {
        let beside = (self.cpu_card.driver == CpuCardDriver::Pcsc)
            .then_some(self.cpu_card.reader.as_deref())
            .flatten();
        self.buzzer.reader.as_deref().or(beside)
    }

    /// Where speech-dispatcher listens: `[speech] address`, else `$SPEECHD_ADDRESS`, else its socket
    /// in the session's runtime folder.
    #[must_use]
    pub fn speech_address(&self) -> SocketAddress {
        let named = self.speech.address.clone().or_else(|| env::var("SPEECHD_ADDRESS").ok());
        let address = named.and_then(|address| address::parse(&address).ok());
        address.unwrap_or_else(|| address::in_session(&self.session.runtime_folder()))
    }

    /// Which display the second screen is an output of; `None` where the session's own environment is to
    /// tell and does not.
    fn screen_place(&self) -> Option<String> {
        match self.second_screen.driver {
            SecondScreenDriver::X11 => {
                self.session.display.clone().or_else(|| env::var("DISPLAY").ok())
            }
            SecondScreenDriver::Kms => {
                Some(self.second_screen.card.clone().unwrap_or_else(|| "/dev/dri/card*".to_owned()))
            }
            SecondScreenDriver::Wayland => {
                let folder = self.session.runtime_folder();
                let place = self.session.compositor().map_or(folder.clone(), |it| folder.join(it));
                Some(place.display().to_string())
            }
            SecondScreenDriver::None | SecondScreenDriver::Simulated => None,
        }
    }

    /// Takes the driver from the sections that `forgotten` names, devices as in
    /// [`Config::driver_and_port`].
    pub fn forget_devices(&mut self, forgotten: impl Fn(&str) -> bool) {
        if forgotten("id_card") {
            self.id_card = IdCard::default();
        }
        if forgotten("qr_scanner") {
            self.qr_scanner = QrScanner::default();
        }
        // The buzzer's reader may be that of the CPU cards.
        let buzzer_reader = self.buzzer_reader().map(str::to_owned);
        if forgotten("cpu_card") {
            self.cpu_card = CpuCard::default();
            self.buzzer.reader = buzzer_reader;
        }
        let every_slot = (1..=self.psam.slots.len()).all(|slot| forgotten(&format!("psam_{slot}")));
        if forgotten("psam") || (every_slot && !self.psam.slots.is_empty()) {
            self.psam = Psam::default();
        }
        if forgotten("social_security_card") {
            self.social_security_card = SocialSecurityCard::default();
        }
        if forgotten("microphone") {
            self.microphone = Microphone::default();
        }
        if forgotten("printer") {
            self.printer = Printer::default();
        }
        if forgotten("infrared") {
            self.infrared = Infrared::default();
        }
        if forgotten("second_screen") {
            self.second_screen = SecondScreen::default();
        }
        if forgotten("speech") {
            self.speech = Speech::default();
        }
        if forgotten("input") {
            self.input = Input::default();
        }
        if forgotten("buzzer") {
            self.buzzer = Buzzer::default();
        }
        if forgotten("face") {
            self.face = Face::default();
        }
    }

    /// What is allowed and yet worth a warning at start and in `check`, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.unused.clone();
        let open: Vec<&str> = [("tcp", self.listen.tcp), ("http", self.listen.http)]
            .into_iter()
            .filter_map(|(key, address)| address.map(|_| key))
            .collect();
        let real: Vec<&str> = self.real_drivers().into_iter().map(|(section, _)| section).collect();
        if self.listen.token.is_none() && !open.is_empty() && !real.is_empty() {
            warnings.push(format!(
                "[listen] {}: on without a token while real devices are configured ({}): every \
                 local program can use them; set [listen] token",
                open.join(", "),
                real.join(", "),
            ));
        }
        let (cpu, social) = (&self.cpu_card, &self.social_security_card);
        if cpu.driver == CpuCardDriver::Pcsc
            && social.driver == SocialSecurityCardDriver::Pcsc
            && cpu.reader == social.reader
        {
            warnings.push(
                "[cpu_card] reader, [social_security_card] reader: both are the same: reading a \
                 social-security card changes what a program has selected on it by \
                 sendCPUCardCommand; name two readers if there are two"
                    .to_owned(),
            );
        }
        warnings
    }

    /// The keys in which `new` differs from `self` and which a running daemon cannot change, as
    /// `[section] key`; they take effect at the next start.
    pub fn unchangeable(&self, new: &Self) -> Vec<String> {
        self.changed(new, Change::Restart)
    }

    /// The keys in which `new` differs from `self` and which SIGHUP applies, as `[section] key`.
    /// Names only: no value, so that no token reaches the log.
    pub fn reread(&self, new: &Self) -> Vec<String> {
        self.changed(new, Change::Reread)
    }

    /// [`Config::load`] with the environment given.
    fn load_from(
        explicit: Option<&Path>,
        variable: Option<OsString>,
        system: &Path,
    ) -> Result<Loaded, ConfigError> {
        let named = explicit
            .map(Path::to_owned)
            .or_else(|| variable.filter(|value| !value.is_empty()).map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| system.to_owned());
        match fs::read(&path) {
            Ok(bytes) => {
                let name = path.display().to_string();
                let text = std::str::from_utf8(&bytes)
                    .map_err(|error| schema::not_text(&name, &bytes, error.valid_up_to()))?;
                let config = Self::parse(text, &name)?;
                Ok(Loaded { config, source: Some(path), written: Written::of(text) })
            }
            // Only the absence of an unnamed file means "all simulated": a file that is there and
            // cannot be read must not turn a kiosk into a simulation.
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                let config = Self::simulated();
                Ok(Loaded { config, source: None, written: Written::simulated() })
            }
            Err(source) => Err(ConfigError::Unreadable { path, source }),
        }
    }

    fn real_drivers(&self) -> Vec<(&'static str, &'static str)> {
        self.drivers()
            .into_iter()
            .filter(|(_, driver)| *driver != words::NONE && *driver != words::SIMULATED)
            .collect()
    }

    fn drivers_mut(&mut self) -> [&mut dyn Driver; 13] {
        [
            &mut self.id_card.driver,
            &mut self.qr_scanner.driver,
            &mut self.cpu_card.driver,
            &mut self.psam.driver,
            &mut self.social_security_card.driver,
            &mut self.microphone.driver,
            &mut self.printer.driver,
            &mut self.infrared.driver,
            &mut self.input.driver,
            &mut self.second_screen.driver,
            &mut self.speech.driver,
            &mut self.buzzer.driver,
            &mut self.face.driver,
        ]
    }

    fn changed(&self, new: &Self, wanted: Change) -> Vec<String> {
        self.differences(new)
            .into_iter()
            .filter(|(_, _, change)| *change == wanted)
            .map(|(section, key, _)| format!("[{section}] {key}"))
            .collect()
    }
}
