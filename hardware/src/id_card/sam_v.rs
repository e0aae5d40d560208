//! The driver of SAM-V readers (GA/T 467) over a serial line.
//!
//! ```text
//! start: status (at each rate, if `auto`) ─► SAM id ─► idle
//!
//! idle ── somebody wants a card ─► find ── 80 ─► pause ─┐
//!   ▲                               ▲ └──────────────────┘
//!   │ nobody wants one any more     │ 9F
//!   └───────────────────────────────┤
//!                                   ▼ reading begins
//!                    select ─► read text and photo ─► newest address ─► delivered
//!                      └───── 24 31 32 41 81 …: find again, thrice ─► unreadable
//! ```
//!
//! A sequence that has begun with a found card goes to its end, whoever still wants it: a driver
//! is never cancelled inside an exchange. After a good reading the module itself answers `80`
//! until the card is lifted.

use std::time::Duration;

use tokio::sync::watch;

use super::IdCard;
use super::text::{CardText, decode_addresses};
use crate::device::{Driver, State, Status, Trouble};
use crate::port::BoxedLine;
use crate::source::{Demand, Reading, Source};

mod link;
mod status;

use link::{Command, Link, LinkError, Reply};
pub use status::{Remedy, remedy};

/// The rates that a SAM-V module can be set to, the factory's first (command `60`).
pub const RATES: [u32; 5] = [115_200, 57_600, 38_400, 19_200, 9_600];

/// How often a card that is found and then cannot be read is found again before its caller is
/// told. A card put on slowly fails once or twice.
const ATTEMPTS: u32 = 3;

/// How often a module is reset for one demand before it counts as broken.
const RESETS: u32 = 2;

/// After silence about the newest address of so many cards in a row the module is taken for one
/// that does not know the command, until it is plugged in again: each silence takes 3 s.
const MUTE_ABOUT_ADDRESSES: u32 = 2;

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The line's rate in baud; `None` tries all of [`RATES`].
    pub baud: Option<u32>,
    /// The line is a serial one, which has a rate. A reader on USB has none.
    pub serial: bool,
    /// Pause between two looks for a card; 200 to 1000 ms is what modules are made for.
    pub poll: Duration,
    /// Read with command `30 10`, for modules that know no other. The fingerprints are thrown
    /// away.
    pub fingerprint: bool,
}

/// The driver. Its readings go to a source.
pub struct SamV {
    settings: Settings,
    /// The rate that last worked.
    baud: u32,
    source: Source<IdCard>,
}

impl SamV {
    /// A driver whose readings go to `source`.
    #[must_use]
    pub fn new(settings: Settings, source: Source<IdCard>) -> Self {
        let baud = settings.baud.unwrap_or(RATES[0]);
        Self { settings, baud, source }
    }
}

impl Driver for SamV {
    fn baud(&self) -> u32 {
        self.baud
    }

    async fn run(&mut self, line: BoxedLine, status: &Status) -> Option<Trouble> {
        let mut session = Session {
            link: Link::new(line, self.baud),
            status,
            fingerprint: self.settings.fingerprint,
            unanswered_addresses: 0,
        };
        match self.work(&mut session).await {
            Err(trouble) => Some(trouble),
            Ok(never) => match never {},
        }
    }

    fn unusable(&mut self, trouble: &Trouble) {
        self.source.fail_all(trouble);
    }
}

/// One open line.
struct Session<'a> {
    link: Link,
    status: &'a Status,
    /// Read with command `30 10`, as long as the module knows it.
    fingerprint: bool,
    /// Cards in a row for which the module was silent about the newest address.
    unanswered_addresses: u32,
}

/// How an attempt to read a found card ended, when it was not trouble with the reader.
enum Attempt {
    Read(Box<IdCard>),
    /// Find it again.
    Again(String),
    /// This card will not be read; it has to be lifted.
    Refused(String),
}

impl SamV {
    async fn work(
        &mut self,
        session: &mut Session<'_>,
    ) -> Result<std::convert::Infallible, Trouble> {
        self.start(session).await?;
        self.source.recover();
        session.status.started();
        let mut demand = self.source.demand();
        loop {
            session.until_wanted(&mut demand).await?;
            let served = self.serve(session, &mut demand).await;
            session.status.set(State::Ready);
            served?;
        }
    }

    /// Brings the module up: it must answer its status with `90`.
    async fn start(&mut self, session: &mut Session<'_>) -> Result<(), Trouble> {
        let fixed = [self.baud];
        let rates = if self.settings.baud.is_some() { &fixed[..] } else { &RATES[..] };
        let known_first = std::iter::once(self.baud)
            .chain(rates.iter().copied().filter(|rate| *rate != self.baud));
        let mut answer = None;
        for rate in known_first {
            session.link.set_baud(rate)?;
            match session.link.command(Command::STATUS).await {
                Ok(reply) => {
                    self.baud = rate;
                    answer = Some(reply);
                    break;
                }
                Err(LinkError::Gone(error)) => return Err(gone(&error)),
                Err(LinkError::NoAnswer(_)) => {}
            }
        }
        let reply = answer.ok_or_else(|| match self.settings.serial {
            true => no_answer_at(self.settings.baud),
            false => Trouble::Failed { detail: NO_ANSWER_ON_USB.to_owned() },
        })?;
        if reply.status != status::OK {
            // Status 60: the self-test has failed; a reset may help, once.
            session.reset().await?;
        }
        if self.settings.serial {
            session.status.learn("baud", self.baud.to_string());
        }
        if let Some(id) = session.sam_id().await? {
            session.status.learn("samId", id);
        }
        Ok(())
    }

    /// Looks for cards and reads them until nobody wants one.
    async fn serve(
        &mut self,
        session: &mut Session<'_>,
        demand: &mut watch::Receiver<Demand>,
    ) -> Result<(), Trouble> {
        let mut failures = 0;
        let mut refused = false;
        let mut resets = 0;
        while demand.borrow_and_update().wanted {
            let reply = session.command(Command::FIND).await?;
            match remedy(reply.status) {
                Remedy::Proceed if !refused => {
                    let reading = self.source.begin();
                    session.status.set(State::Busy);
                    let attempt = self.read_card(session).await;
                    session.status.set(State::Ready);
                    failures += 1;
                    match attempt? {
                        Attempt::Read(card) => {
                            failures = 0;
                            resets = 0;
                            session.status.count("readings");
                            let wanted = reading.deliver(*card);
                            tracing::debug!(wanted, "a card was read");
                        }
                        // At once: the card lies there.
                        Attempt::Again(why) if failures < ATTEMPTS => {
                            tracing::debug!(why, "finding the card again");
                            continue;
                        }
                        Attempt::Again(why) | Attempt::Refused(why) => {
                            refused = true;
                            session.status.count("unreadable");
                            give_up(reading, why);
                        }
                    }
                }
                Remedy::Proceed => {}
                Remedy::NoCard => {
                    failures = 0;
                    resets = 0;
                    refused = false;
                }
                Remedy::Reset if resets < RESETS => {
                    resets += 1;
                    session.reset().await?;
                }
                Remedy::Reset | Remedy::Fault => return Err(status::fault("find", reply.status)),
                Remedy::NoContent | Remedy::Refind | Remedy::CardFault | Remedy::Resend => {}
            }
            session.pause(self.settings.poll, demand).await?;
        }
        Ok(())
    }

    /// Select, read, newest address. To the end, once begun.
    async fn read_card(&self, session: &mut Session<'_>) -> Result<Attempt, Trouble> {
        let Some(reply) = session.card_command(Command::SELECT).await? else {
            return Ok(Attempt::Again("select: no answer".to_owned()));
        };
        if let Some(attempt) = session.judge("select", reply.status).await? {
            return Ok(attempt);
        }
        let read = session.fingerprint;
        let command = if read { Command::READ_FINGERPRINT } else { Command::READ };
        let mut reply = session.card_command(command).await?;
        if read && reply.as_ref().is_some_and(|reply| reply.status == status::UNKNOWN_COMMAND) {
            tracing::warn!("the module knows no command 30 10: reading without fingerprints");
            session.fingerprint = false;
            reply = session.card_command(Command::READ).await?;
        }
        let Some(reply) = reply else {
            return Ok(Attempt::Again("read: no answer".to_owned()));
        };
        if let Some(attempt) = session.judge("read", reply.status).await? {
            return Ok(attempt);
        }
        let (text, wlt) = match slice(&reply.data, session.fingerprint) {
            Ok(parts) => parts,
            Err(why) => return Ok(Attempt::Refused(why)),
        };
        let text = match CardText::decode(text) {
            Ok(text) => text,
            Err(error) => return Ok(Attempt::Refused(error.to_string())),
        };
        let wlt = wlt.to_vec();
        // The foreigners' permits have no address at all.
        let appended_address =
            if text.is_foreigner() { None } else { session.newest_address().await? };
        Ok(Attempt::Read(Box::new(IdCard {
            text,
            appended_address,
            wlt,
            jpeg: Default::default(),
        })))
    }
}

impl Session<'_> {
    /// One command; silence and rubbish after the retries are the reader's failure.
    async fn command(&mut self, command: Command) -> Result<Reply, Trouble> {
        let result = self.link.command(command).await;
        for _ in 0..self.link.take_retries() {
            self.status.count("retries");
        }
        result.map_err(|error| match error {
            LinkError::Gone(error) => gone(&error),
            LinkError::NoAnswer(detail) => Trouble::Failed { detail },
        })
    }

    /// A command about the card that was found. `None` if the module says nothing to it and is
    /// well all the same: that costs this attempt, not the reader.
    async fn card_command(&mut self, command: Command) -> Result<Option<Reply>, Trouble> {
        match self.command(command).await {
            Ok(reply) => Ok(Some(reply)),
            // Reset, since it may believe that it has delivered the card, and would hide it.
            Err(Trouble::Failed { .. }) => self.reset().await.map(|()| None),
            Err(trouble) => Err(trouble),
        }
    }

    /// What an answer to select or read means: `None` to go on.
    async fn judge(&mut self, what: &str, sw3: u8) -> Result<Option<Attempt>, Trouble> {
        let why = || format!("{what}: {}", status::meaning(sw3));
        match remedy(sw3) {
            Remedy::Proceed => Ok(None),
            Remedy::Refind | Remedy::NoCard | Remedy::Resend => {
                if self.link.reply_was_lost() {
                    // The module may believe that it has delivered the card, and would hide it
                    // until it is lifted.
                    self.reset().await?;
                }
                Ok(Some(Attempt::Again(why())))
            }
            Remedy::CardFault | Remedy::NoContent => Ok(Some(Attempt::Refused(why()))),
            Remedy::Reset => {
                self.reset().await?;
                Ok(Some(Attempt::Again(why())))
            }
            Remedy::Fault => Err(status::fault(what, sw3)),
        }
    }

    /// The newest appended address; `None` where there is none or it cannot be had. The printed
    /// address is used then, and the counter `addressesUnknown` says how often it was not sure.
    async fn newest_address(&mut self) -> Result<Option<String>, Trouble> {
        if self.unanswered_addresses >= MUTE_ABOUT_ADDRESSES {
            return Ok(None);
        }
        let reply = match self.link.command(Command::NEWEST_ADDRESS).await {
            Ok(reply) => {
                self.unanswered_addresses = 0;
                reply
            }
            Err(LinkError::Gone(error)) => return Err(gone(&error)),
            Err(LinkError::NoAnswer(detail)) => {
                self.unanswered_addresses += 1;
                let given_up = self.unanswered_addresses >= MUTE_ABOUT_ADDRESSES;
                self.status.count("addressesUnknown");
                tracing::warn!(detail, given_up, "the appended address cannot be had");
                return Ok(None);
            }
        };
        match reply.status {
            // The newest comes first.
            status::OK => Ok(decode_addresses(&reply.data).into_iter().next()),
            status::NO_CONTENT | status::UNKNOWN_COMMAND => Ok(None),
            other => {
                self.status.count("addressesUnknown");
                let why = status::meaning(other);
                tracing::warn!(status = other, why, "the appended address cannot be had");
                Ok(None)
            }
        }
    }

    async fn sam_id(&mut self) -> Result<Option<String>, Trouble> {
        match self.link.command(Command::SAM_ID).await {
            Ok(reply) if reply.status == status::OK => Ok(format_sam_id(&reply.data)),
            // Some readers do not tell their id; they read cards all the same.
            Ok(_) | Err(LinkError::NoAnswer(_)) => Ok(None),
            Err(LinkError::Gone(error)) => Err(gone(&error)),
        }
    }

    async fn reset(&mut self) -> Result<(), Trouble> {
        self.status.count("resets");
        self.command(Command::RESET).await?;
        let reply = self.command(Command::STATUS).await?;
        if reply.status == status::OK { Ok(()) } else { Err(status::fault("status", reply.status)) }
    }

    async fn until_wanted(&mut self, demand: &mut watch::Receiver<Demand>) -> Result<(), Trouble> {
        tokio::select! {
            biased;
            error = self.link.gone() => Err(gone(&error)),
            _ = demand.wait_for(|demand| demand.wanted) => Ok(()),
        }
    }

    async fn pause(
        &mut self,
        length: Duration,
        demand: &mut watch::Receiver<Demand>,
    ) -> Result<(), Trouble> {
        tokio::select! {
            biased;
            error = self.link.gone() => Err(gone(&error)),
            _ = demand.wait_for(|demand| !demand.wanted) => Ok(()),
            () = tokio::time::sleep(length) => Ok(()),
        }
    }
}

fn give_up(reading: Reading<IdCard>, why: String) {
    tracing::warn!(why, "a card cannot be read");
    reading.fail(&Trouble::Unreadable { detail: why });
}

fn gone(error: &std::io::Error) -> Trouble {
    Trouble::Absent { detail: format!("the reader's line is gone: {error}; plug it in again") }
}

const NO_ANSWER_ON_USB: &str = "no answer to the status request; check that this is the ID-card \
                                reader, and with sam-v-hidraw set reports to the other form";

fn no_answer_at(baud: Option<u32>) -> Trouble {
    let detail = match baud {
        Some(rate) => format!(
            "no answer to the status request at {rate} baud; check the cable and the reader's \
             power, or set baud = \"auto\""
        ),
        None => format!(
            "no answer to the status request at any of {RATES:?} baud; check the cable and the \
             reader's power, and that this port is the ID-card reader's"
        ),
    };
    Trouble::Failed { detail }
}

/// Cuts the data of a read by the lengths that stand in it: text, photo (, fingerprints).
fn slice(data: &[u8], fingerprint: bool) -> Result<(&[u8], &[u8]), String> {
    let head = if fingerprint { 6 } else { 4 };
    let length = |at: usize| match data.get(at..at + 2) {
        Some([high, low]) => Some(usize::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    };
    let parts = length(0).zip(length(2)).and_then(|(text, photo)| {
        let photo_at = head + text;
        Some((data.get(head..photo_at)?, data.get(photo_at..photo_at + photo)?))
    });
    parts.ok_or_else(|| format!("read: {} bytes do not hold what they announce", data.len()))
}

/// 16 bytes as `aa.bb-yyyymmdd-ssssssssss-iiiiiiiiii`, all little-endian.
fn format_sam_id(data: &[u8]) -> Option<String> {
    let data: &[u8; 16] = data.get(..16)?.try_into().ok()?;
    let short = |at: usize| u16::from_le_bytes([data[at], data[at + 1]]);
    let long = |at: usize| u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
    Some(format!("{:02}.{:02}-{:08}-{:010}-{:010}", short(0), short(2), long(4), long(8), long(12)))
}

#[cfg(test)]
mod tests;
