//! The devices of this kiosk, built from the configuration: which driver, over which port, and
//! for simulated ones the far end that stands there instead of the hardware.
//!
//! Every section of the configuration is one device, with or without a driver, so that
//! `bridge.status` shows all of them. A device's task runs for as long as the daemon.

mod buzzer;
mod cards;
mod code;
mod face;
mod id_card;
mod infrared;
mod input;
mod microphone;
pub mod places;
pub mod receipt;
mod screen;
mod shell;
mod speech;
pub mod usb;

use std::sync::Arc;

use hharome_hardware::code::Code;
use hharome_hardware::device::{State, Status};
use hharome_hardware::id_card::IdCard;
use hharome_hardware::input::Activity;
use hharome_hardware::port::Port;
use hharome_hardware::port::far_end::{self, FarEnd, Plug, VirtualDevice};
use hharome_hardware::port::memory::memory_port;
use hharome_hardware::port::serial::SerialDevice;
use hharome_hardware::port::tape::{Flow, Taped};
use hharome_hardware::social_security::SocialSecurityCard;
use hharome_hardware::source::Source;
use hharome_protocol::bridge::{DeviceState, DeviceStatus, SimulateParams};
use hharome_protocol::failure::Failure;

use crate::apdu_policy::ApduPolicy;
use crate::bridge::Clock;
use crate::config::Config;
use crate::identity::Identity;
use crate::keypad::Keypad;
use crate::outside::Outside;
use crate::shell::Shell;
use crate::simulation::{Gesture, Hand};

pub use buzzer::Buzzer;
pub use cards::{CpuCard, Psam};
pub use code::{settings as scanner_settings, trigger};
pub use face::FaceProvider;
pub use id_card::photo_decoder;
pub use infrared::{Infrared, language as sensor_language};
pub use input::{Input, group as input_group};
pub use microphone::Microphone;
pub use receipt::{Press, Receipts};
pub use screen::CustomerScreen;
pub use speech::Speech;

/// The fact of a device that names its port.
pub const PORT_FACT: &str = "port";

/// All devices of this kiosk.
pub struct Devices {
    /// The ID-card reader.
    pub id_card: Slot<IdCard>,
    /// The scanner of QR and bar codes.
    pub qr_scanner: Slot<Code>,
    /// The reader of CPU cards.
    pub cpu_card: CpuCard,
    /// The slots of PSAMs.
    pub psam: Psam,
    /// The reader of social-security cards.
    pub social_security: Slot<SocialSecurityCard>,
    /// The microphone.
    pub microphone: Microphone,
    /// The receipt printer.
    pub receipts: Receipts,
    /// What beeps.
    pub buzzer: Buzzer,
    /// What tells whether somebody stands there.
    pub infrared: Infrared,
    /// The screen that is turned to the customer.
    pub screen: CustomerScreen,
    /// What speaks.
    pub speech: Speech,
    /// What people operate the kiosk by.
    pub input: Input,
    /// Who recognises faces.
    pub face: FaceProvider,
    /// The calls that wait for a typed number, which the kiosk's shell gives.
    pub keypad: Keypad,
    /// The kiosk's shell: its bars, and the mini-program's end.
    pub shell: Shell,
    /// Which commands clients may send to cards.
    pub apdu_policy: ApduPolicy,
    /// What `getDeviceInfo` answers.
    pub machine: Identity,
    /// Cards' photos are given as the chip has them, too.
    pub raw_photo: bool,
    photos: id_card::Photos,
    /// The configuration's sections.
    order: [&'static str; 13],
}

/// A device whose readings somebody may want.
pub struct Slot<T> {
    /// Its state.
    pub device: Device,
    /// Its readings; `None` without a driver.
    pub source: Option<Source<T>>,
    hand: Option<Hand>,
}

/// A device, as `bridge.status` shows it. Clones are the same device.
#[derive(Clone)]
pub struct Device {
    /// Its state and counters.
    pub status: Status,
    driver: &'static str,
    simulated: bool,
}

impl Devices {
    /// Starts every device that has a driver, with this outside. Must be called inside the runtime.
    #[must_use]
    pub fn start(config: &Config, mut outside: Outside) -> Self {
        let mut readers = cards::Readers::new(&config.psam);
        let activity = Activity::default();
        Self {
            id_card: id_card::reader(&config.id_card, &mut outside),
            qr_scanner: code::scanner(&config.qr_scanner, &activity, &mut outside),
            cpu_card: cards::cpu_card(&config.cpu_card, &mut readers, &mut outside),
            psam: cards::psam(&config.psam, &mut readers, &mut outside),
            social_security: cards::social_security(
                &config.social_security_card,
                &mut readers,
                &mut outside,
            ),
            microphone: microphone::microphone(&config.microphone, &config.session, &mut outside),
            receipts: receipt::receipts(config, &mut outside),
            buzzer: buzzer::buzzer(config, &mut readers, &mut outside),
            infrared: infrared::infrared(&config.infrared, &mut outside),
            screen: screen::screen(config, &mut outside),
            speech: speech::speech(config, &mut outside),
            input: input::input(config, activity, &mut outside),
            face: face::face(config, &mut outside),
            keypad: Keypad::default(),
            shell: shell::shell(config, &mut outside),
            apdu_policy: ApduPolicy::of(config),
            machine: Identity::of_this_machine(&config.device_info),
            raw_photo: config.id_card.raw_photo,
            photos: id_card::Photos::new(&config.id_card, &mut outside),
            order: config.drivers().map(|(section, _)| section),
        }
    }

    /// All devices, in the order of the configuration's sections.
    pub fn all(&self) -> impl Iterator<Item = &Device> {
        self.with_hands().into_iter().map(|(device, _)| device)
    }

    /// The same, each with the hand that works it where it is simulated.
    fn with_hands(&self) -> Vec<(&Device, Option<&Hand>)> {
        let mut all = vec![
            (&self.id_card.device, self.id_card.hand.as_ref()),
            (&self.qr_scanner.device, self.qr_scanner.hand.as_ref()),
            (&self.cpu_card.device, self.cpu_card.hand.as_ref()),
            (&self.psam.device, self.psam.hand.as_ref()),
            (&self.social_security.device, self.social_security.hand.as_ref()),
            (&self.microphone.device, self.microphone.hand.as_ref()),
            (&self.receipts.device, self.receipts.hand.as_ref()),
            (&self.buzzer.device, self.buzzer.hand.as_ref()),
            (&self.infrared.device, self.infrared.hand.as_ref()),
            (&self.screen.device, self.screen.hand.as_ref()),
            (&self.speech.device, self.speech.hand.as_ref()),
            (&self.input.device, self.input.hand.as_ref()),
            (&self.face.device, self.face.hand.as_ref()),
        ];
        all.sort_by_key(|(device, _)| {
            self.order.iter().position(|section| *section == device.status.name())
        });
        all
    }

    /// A connection is over: what it has opened on cards is closed, and what it records is thrown
    /// away.
    pub fn release(&self, connection: u64) {
        self.cpu_card.slot().into_iter().chain(self.psam.slots()).for_each(|slot| {
            slot.release(connection);
        });
        self.microphone.end(connection);
    }

    /// A card's photo as JPEG, decoded once however many want it; `None` if it cannot be had,
    /// which the log says.
    pub async fn photo<'a>(&self, card: &'a IdCard) -> Option<&'a [u8]> {
        let decode = || async {
            match self.photos.decode(&card.wlt).await? {
                Ok(jpeg) => Some(jpeg),
                Err(error) => {
                    self.id_card.device.status.count("photosFailed");
                    tracing::warn!(%error, "a photo is left empty");
                    None
                }
            }
        };
        card.jpeg.get_or_init(decode).await.as_deref()
    }

    /// The hand at the simulated ID-card reader, for tests.
    #[cfg(test)]
    pub(crate) fn reader_hand(
        &self,
    ) -> Option<&hharome_hardware::id_card::virtual_reader::ReaderHand> {
        match &self.id_card.hand {
            Some(Hand::Reader(hand, _)) => Some(hand),
            _ => None,
        }
    }

    /// Works a simulated device.
    ///
    /// # Errors
    /// `bad_request` for a device or gesture that there is not, `forbidden` for a real device.
    pub fn simulate(&self, params: &SimulateParams) -> Result<(), Failure> {
        let hand = self.hand(&params.device)?;
        let gesture = Gesture {
            verb: &params.verb,
            card: params.card.as_deref(),
            text: params.text.as_deref(),
            fault: params.fault.as_deref(),
            slot: params.slot,
            hz: params.hz,
            wav: params.wav.as_deref(),
        };
        hand.make(&gesture).map_err(|error| Failure::bad_request(error.to_string()))
    }

    /// The hand that works a simulated device.
    ///
    /// # Errors
    /// `bad_request` for a device that there is not, `forbidden` for a real one.
    pub fn hand(&self, name: &str) -> Result<&Hand, Failure> {
        let known = self.with_hands();
        let found = known.iter().find(|(device, _)| device.status.name() == name);
        let (device, hand) = found.ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|(device, _)| device.status.name()).collect();
            Failure::bad_request(format!("params.device: expected one of {}", names.join(", ")))
        })?;
        hand.ok_or_else(|| {
            if device.simulated {
                return Failure::unsupported(format!("{name}: this version cannot simulate it yet"));
            }
            let driver = device.driver;
            Failure::forbidden(format!(
                "{name}: its driver is {driver:?}, not \"simulated\"; serve --simulate replaces all \
                 drivers"
            ))
        })
    }
}

impl Device {
    fn new(section: &'static str, driver: &'static str, state: State) -> Self {
        let simulated = driver == "simulated";
        Self { status: Status::new(section, state), driver, simulated }
    }

    /// One that is being started; the port is told where it is a real one.
    fn at_port(section: &'static str, driver: &'static str, port: Option<&str>) -> Self {
        let device = Self::new(section, driver, State::Busy);
        if let Some(port) = port.filter(|_| !device.simulated) {
            device.status.learn(PORT_FACT, port);
        }
        device
    }

    /// One without a driver.
    fn off(section: &'static str, driver: &'static str) -> Self {
        Self::new(section, driver, State::Off)
    }

    /// Whether the configuration names a driver for it.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.driver != "none"
    }

    /// What is known of it now.
    #[must_use]
    pub fn told(&self, clock: Clock) -> DeviceStatus {
        let snapshot = self.status.snapshot();
        let counters = self.status.counters();
        DeviceStatus {
            device: self.status.name().to_owned(),
            driver: self.driver.to_owned(),
            simulated: self.simulated,
            state: match snapshot.state {
                State::Ready => DeviceState::Ready,
                State::Busy => DeviceState::Busy,
                State::Absent => DeviceState::Absent,
                State::Failed => DeviceState::Failed,
                State::Off => DeviceState::Off,
            },
            since: clock.epoch_ms(snapshot.since),
            last_error: snapshot.last_error,
            counters: counters.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
            facts: self.status.facts().into_iter().map(|(k, v)| (k.into_owned(), v)).collect(),
            cannot: self.status.cannot(),
        }
    }
}

impl<T> Slot<T> {
    fn off(section: &'static str, driver: &'static str) -> Self {
        Self { device: Device::off(section, driver), source: None, hand: None }
    }

    fn started(device: Device, source: Source<T>, hand: Option<Hand>) -> Self {
        Self { device, source: Some(source), hand }
    }
}

/// A port of this kiosk that is made when it is sure that no recording stands in its place.
type NewPort = Box<dyn FnOnce() -> Box<dyn Port>>;

fn real_port(path: Option<&str>) -> NewPort {
    // The configuration refuses a real driver without a port.
    let port = SerialDevice::new(path.unwrap_or_default());
    Box::new(|| Box::new(port))
}

fn simulated_port(name: &str, device: impl VirtualDevice + 'static) -> (NewPort, Plug) {
    let (port, end) = memory_port(name);
    let plug = end.plug().clone();
    let port = move || -> Box<dyn Port> {
        tokio::spawn(far_end::run(end, device));
        Box::new(port)
    };
    (Box::new(port), plug)
}

/// The kiosk's port with the tape around it, or the recording's in its place: the hand of a
/// simulated device moves nothing then.
fn outside_port(
    port: NewPort,
    status: &Status,
    flow: Flow,
    outside: &mut Outside,
) -> Box<dyn Port> {
    match outside {
        Outside::Kiosk(recorder) => {
            Box::new(Taped::new(port(), status, flow, Arc::new(recorder.clone())))
        }
        Outside::Recording(ports) => ports.line(status.name()),
    }
}
