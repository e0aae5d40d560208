//! The reader of ID cards, built from its section: on a serial line or on USB; and where its cards'
//! photos are decoded.

use hharome_hardware::device;
use hharome_hardware::id_card::IdCard;
use hharome_hardware::id_card::photo::PhotoDecoder;
use hharome_hardware::id_card::sam_v::{self, SamV};
use hharome_hardware::id_card::virtual_reader::VirtualReader;
use hharome_hardware::source::Source;
use tokio::time::Instant;

use super::{Device, NewPort, Slot, outside_port, real_port, simulated_port, usb};
use crate::config::{self, IdCardDriver, SamBaud, Word};
use crate::outside::{Outside, RecordedPhotos};
use crate::recording::recorder::{PhotoEvent, Recorder};
use crate::simulation::Hand;

pub(super) fn reader(config: &config::IdCard, outside: &mut Outside) -> Slot<IdCard> {
    let section = "id_card";
    let driver = config.driver.word();
    let source = Source::new();
    let (port, hand): (NewPort, _) = match config.driver {
        IdCardDriver::None => return Slot::off(section, driver),
        IdCardDriver::SamVSerial => (real_port(config.port.as_deref()), None),
        IdCardDriver::SamVUsb | IdCardDriver::SamVHidraw => (usb::reader_port(config), None),
        IdCardDriver::Simulated => {
            let (reader, hand) = VirtualReader::new();
            let (port, plug) = simulated_port("the simulated ID-card reader", reader);
            (port, Some(Hand::Reader(hand, plug)))
        }
    };
    let carriage = usb::carriage(config);
    let settings = sam_v::Settings {
        serial: carriage.is_none(),
        baud: match config.baud {
            _ if carriage.is_some() => Some(sam_v::RATES[0]),
            SamBaud::Auto => None,
            SamBaud::Fixed(rate) => Some(rate),
        },
        poll: config.poll,
        fingerprint: config.fingerprint,
    };
    let place = if carriage.is_some() { config.usb_device() } else { config.port.clone() };
    let device = Device::at_port(section, driver, place.as_deref());
    if config.photo_decoder.is_none() {
        device.status.cannot_do("decode photos: set photo_decoder in [id_card]");
    }
    let status = device.status.clone();
    let port = usb::carried_reader(carriage, |flow| outside_port(port, &status, flow, outside));
    tokio::spawn(device::run(port, SamV::new(settings, source.clone()), status));
    Slot::started(device, source, hand)
}

/// Where a card's JPEG comes from.
pub(super) enum Photos {
    /// No decoder is configured.
    None,
    /// The vendor's library; the recorder hears of what it says.
    Library(PhotoDecoder, Recorder),
    /// What a recording has.
    Recorded(Box<dyn RecordedPhotos>),
}

impl Photos {
    /// Those of this section.
    pub(super) fn new(config: &config::IdCard, outside: &mut Outside) -> Self {
        match outside {
            // Without a library there was none in life either.
            Outside::Recording(ports) if config.photo_decoder.is_some() => {
                Self::Recorded(ports.photos())
            }
            Outside::Recording(_) => Self::None,
            Outside::Kiosk(recorder) => match photo_decoder(config) {
                Some(decoder) => Self::Library(decoder, recorder.clone()),
                None => Self::None,
            },
        }
    }

    /// The JPEG of a photo as the chip has it, or why there is none; `None` without a decoder.
    pub(super) async fn decode(&self, wlt: &[u8]) -> Option<Result<Vec<u8>, String>> {
        let began = Instant::now();
        Some(match self {
            Self::None => return None,
            Self::Library(decoder, recorder) => {
                let answer = decoder.jpeg(wlt).await.map_err(|error| error.to_string());
                let took = began.elapsed();
                recorder.photo(|| PhotoEvent { wlt: wlt.to_vec(), took, answer: answer.clone() });
                answer
            }
            Self::Recorded(photos) => match photos.decoded(wlt) {
                Some((took, answer)) => {
                    tokio::time::sleep(took).await;
                    answer
                }
                None => Err("the recording has no answer for this photo".to_owned()),
            },
        })
    }
}

const NO_DECODER: &str = "no photo_decoder in [id_card]: photoBase64 stays empty";

/// The photo decoder that is configured; its absence is logged once, at start.
#[must_use]
pub fn photo_decoder(config: &config::IdCard) -> Option<PhotoDecoder> {
    let Some(library) = &config.photo_decoder else {
        match config.driver {
            IdCardDriver::None => {}
            IdCardDriver::Simulated => tracing::info!("{NO_DECODER}"),
            _ => tracing::warn!("{NO_DECODER}"),
        }
        return None;
    };
    if !library.exists() {
        tracing::warn!(
            library = %library.display(),
            "photo_decoder in [id_card] is not there: photoBase64 stays empty"
        );
    }
    match std::env::current_exe() {
        Ok(program) => Some(
            PhotoDecoder::new(program, library)
                .with_mode(config.photo_mode)
                .with_limit(config.photo_limit),
        ),
        Err(error) => {
            tracing::error!(%error, "this program's own path is unknown: photoBase64 stays empty");
            None
        }
    }
}
