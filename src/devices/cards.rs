//! The devices that PC/SC readers are: CPU cards, PSAMs, social-security cards. Built here, each over a
//! slot of a real reader, of one inside this process, or of a recording; what beeps ([`super::buzzer`])
//! may be at such a slot, too.

use std::sync::Arc;

use hharome_hardware::cpu_card::{self, SlotHandle};
use hharome_hardware::device::{Status, Trouble};
use hharome_hardware::port::card::memory::{CardHand, memory_slot};
use hharome_hardware::port::card::tape::TapedCards;
use hharome_hardware::port::card::{BoxedSlot, CardFault, CardPort, FaultKind, Later};
use hharome_hardware::port::pcsc::{PcscService, ReaderPattern};
use hharome_hardware::social_security::{self, SocialSecurityCard};
use hharome_hardware::source::Source;
use hharome_hardware::virtual_card;
use hharome_protocol::cpu_card::Slot as SamSlot;

use super::{Device, Slot};
use crate::config::{self, CpuCardDriver, PsamDriver, SocialSecurityCardDriver, Word};
use crate::outside::Outside;
use crate::simulation::Hand;

/// The reader of CPU cards.
pub struct CpuCard {
    /// Its state.
    pub device: Device,
    pub(super) hand: Option<Hand>,
    slot: Option<SlotHandle>,
}

/// The slots of PSAMs.
pub struct Psam {
    /// Their common state.
    pub device: Device,
    pub(super) hand: Option<Hand>,
    slots: Option<[SlotHandle; 2]>,
}

impl CpuCard {
    /// Its slot; `None` without a driver.
    #[must_use]
    pub fn slot(&self) -> Option<&SlotHandle> {
        self.slot.as_ref()
    }
}

impl Psam {
    /// A slot; `None` without a driver. One that is not configured is a slot without a reader.
    #[must_use]
    pub fn slot(&self, number: SamSlot) -> Option<&SlotHandle> {
        let [one, two] = self.slots.as_ref()?;
        Some(match number {
            SamSlot::Sam1 => one,
            SamSlot::Sam2 => two,
        })
    }

    /// Both slots.
    pub(super) fn slots(&self) -> impl Iterator<Item = &SlotHandle> {
        self.slots.iter().flatten()
    }
}

/// Makes the slots of real readers: one PC/SC service for all of them, asked when the first is
/// wanted.
pub(super) struct Readers {
    service: Option<PcscService>,
    /// The patterns of `[psam]`: what those mean is no other device's, or commands that are denied
    /// to a PSAM would reach it by another name.
    sams: Vec<String>,
}

/// A slot that is made when it is sure that no recording stands in its place.
pub(super) type NewSlot<'a> = Box<dyn FnOnce() -> Box<dyn CardPort> + 'a>;

impl Readers {
    pub(super) fn new(psam: &config::Psam) -> Self {
        let real = psam.driver == PsamDriver::Pcsc;
        Self { service: None, sams: if real { psam.slots.clone() } else { Vec::new() } }
    }

    /// The slot of the reader with this name; left out: of any that takes people's cards.
    pub(super) fn slot(&mut self, pattern: Option<&str>) -> NewSlot<'_> {
        let pattern = pattern.map_or_else(ReaderPattern::any, ReaderPattern::new);
        let pattern = pattern.except(&self.sams);
        self.at(pattern)
    }

    fn sam(&mut self, pattern: &str) -> NewSlot<'_> {
        self.at(ReaderPattern::new(pattern))
    }

    fn at(&mut self, pattern: ReaderPattern) -> NewSlot<'_> {
        let service = &mut self.service;
        Box::new(move || Box::new(service.get_or_insert_with(PcscService::new).slot(&pattern)))
    }
}

pub(super) fn cpu_card(
    config: &config::CpuCard,
    readers: &mut Readers,
    outside: &mut Outside,
) -> CpuCard {
    let (section, driver) = ("cpu_card", config.driver.word());
    let (slot, hand): (NewSlot<'_>, _) = match config.driver {
        CpuCardDriver::None => {
            let device = Device::off(section, driver);
            return CpuCard { device, slot: None, hand: None };
        }
        CpuCardDriver::Pcsc => (readers.slot(config.reader.as_deref()), None),
        CpuCardDriver::Simulated => {
            let (slot, hand) = simulated_slot("hharome virtual CL 00 00");
            (slot, Some(Hand::Card(hand, "transport")))
        }
    };
    let device = Device::at_port(section, driver, config.reader.as_deref());
    let settings = cpu_card::Settings { session_idle: config.session_idle, reads_info: true };
    let (handle, task) = cpu_card::slot(settings, device.status.clone());
    tokio::spawn(task.run(taped(slot, section, outside)));
    CpuCard { device, slot: Some(handle), hand }
}

pub(super) fn psam(config: &config::Psam, readers: &mut Readers, outside: &mut Outside) -> Psam {
    const NAMES: [&str; 2] = ["psam_1", "psam_2"];
    let (section, driver) = ("psam", config.driver.word());
    if config.driver == PsamDriver::None {
        let device = Device::off(section, driver);
        return Psam { device, slots: None, hand: None };
    }
    let simulated = config.driver == PsamDriver::Simulated;
    let count = if simulated { 2 } else { config.slots.len() };
    let device = Device::at_port(section, driver, Some(&config.slots.join(", ")));
    let statuses = device.status.parts(["slot1", "slot2"].get(..count).unwrap_or_default());
    let mut hands = Vec::new();
    let slots = [0, 1].map(|index| {
        let name = NAMES.get(index).copied().unwrap_or(section);
        let status = statuses.get(index).cloned();
        let (slot, status): (NewSlot<'_>, _) = match (status, config.slots.get(index)) {
            (Some(status), _) if simulated => {
                let (slot, hand) = simulated_slot(&format!("hharome virtual SAM 00 0{index}"));
                virtual_card::by_slug("psam").into_iter().for_each(|card| hand.put(card));
                hands.push(hand);
                (slot, status)
            }
            (Some(status), Some(pattern)) => (readers.sam(pattern), status),
            // The device is not in trouble for it.
            _ => (Box::new(|| Box::new(NotConfigured)), Status::unseen(section)),
        };
        let settings = cpu_card::Settings { session_idle: config.session_idle, reads_info: false };
        let (handle, task) = cpu_card::slot(settings, status.clone());
        tokio::spawn(task.run(taped(slot, name, outside)));
        handle
    });
    let hand = <[CardHand; 2]>::try_from(hands).ok().map(Hand::Sams);
    Psam { device, slots: Some(slots), hand }
}

pub(super) fn social_security(
    config: &config::SocialSecurityCard,
    readers: &mut Readers,
    outside: &mut Outside,
) -> Slot<SocialSecurityCard> {
    let (section, driver) = ("social_security_card", config.driver.word());
    let (slot, hand): (NewSlot<'_>, _) = match config.driver {
        SocialSecurityCardDriver::None => return Slot::off(section, driver),
        SocialSecurityCardDriver::Pcsc => (readers.slot(config.reader.as_deref()), None),
        SocialSecurityCardDriver::Simulated => {
            let (slot, hand) = simulated_slot("hharome virtual Contact 00 00");
            (slot, Some(Hand::Card(hand, "ssc-2")))
        }
    };
    let device = Device::at_port(section, driver, config.reader.as_deref());
    let source = Source::new();
    let port = taped(slot, section, outside);
    tokio::spawn(social_security::run(port, source.clone(), device.status.clone()));
    Slot::started(device, source, hand)
}

pub(super) fn simulated_slot(reader: &str) -> (NewSlot<'static>, CardHand) {
    let (slot, hand) = memory_slot(reader);
    (Box::new(|| Box::new(slot)), hand)
}

/// The kiosk's slot with the tape around it, or the recording's in its place: the hand of a
/// simulated one moves nothing then.
pub(super) fn taped(
    slot: NewSlot<'_>,
    name: &'static str,
    outside: &mut Outside,
) -> Box<dyn CardPort> {
    match outside {
        Outside::Kiosk(recorder) => {
            Box::new(TapedCards::new(slot(), name, Arc::new(recorder.clone())))
        }
        Outside::Recording(ports) => ports.card(name),
    }
}

/// The second PSAM slot of a kiosk that has one.
struct NotConfigured;

impl CardPort for NotConfigured {
    fn open(&mut self) -> Later<'_, Result<BoxedSlot, CardFault>> {
        let fault = CardFault::new(FaultKind::NoReader, "this slot is not in slots of [psam]");
        Box::pin(std::future::ready(Err(fault)))
    }

    fn worth_opening<'a>(&'a mut self, _: &'a Trouble) -> Later<'a, ()> {
        Box::pin(std::future::pending())
    }
}
