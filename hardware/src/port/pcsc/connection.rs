//! What a slot's thread does with the library: it connects to the card, runs sequences inside
//! transactions, and sends escape commands. Every call here blocks.
//!
//! Made and used by [`super::worker`]'s thread only, with a context of its own. It lets go of the
//! card, which stays as it is, when the thread ends.
//!
//! Libpcsclite before 2.0.1 keeps the readers' states in one place for the whole process, without a
//! lock: whoever asks for them overwrites what another thread is just reading. So nothing here calls
//! `SCardStatus`, `SCardListReaders` or `SCardGetStatusChange`; those are [`super::monitor`]'s alone.
//! Instead the card is asked for one protocol at a time, and the driver for the ATR.

use std::ffi::CString;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pcsc::ffi::DWORD;
use pcsc::{Attribute, Context, Disposition, Error, Protocols, Scope, ShareMode};
use tokio::sync::watch;
use tokio::time::Instant;

use super::faults::{Remedy, ended, fault, remedy, unknown_command};
use super::monitor::View;
use super::protocol::{either, only, preferred};
use super::transaction::{self, Desk};
use super::worker::{Answer, Line, Step};
use crate::port::card::{Begun, CardFault, End, FaultKind, Power, Powered, Protocol, Sequence};

/// The first and the longest pause before a card that another program has for itself is asked for
/// again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(300));

/// How often a transaction is begun anew, when others reset the card each time.
const BEGINNINGS: usize = 3;

/// The control codes of escape commands: libccid's, and that of the vendors' drivers.
const ESCAPE_CODES: [DWORD; 2] = [pcsc::ctl_code(1), pcsc::ctl_code(3500)];

/// The way to one slot.
pub(super) struct Connection {
    name: String,
    reader: CString,
    line: Arc<Line>,
    /// What the monitor tells of the readers.
    view: watch::Receiver<View>,
    context: Option<Context>,
    hold: Hold,
    /// What the card was last agreed with on; else what it is asked for first.
    protocol: Protocol,
    /// The card's ATR, as far as it is known.
    atr: Vec<u8>,
    /// The connection was made anew, or a reset was acknowledged, since the last transaction.
    renewed: bool,
    /// One for all answers: an extended one has up to 65,538 bytes.
    buffer: Vec<u8>,
    /// The code that this reader's driver has understood.
    escape_code: Option<DWORD>,
}

/// The connection to the card.
enum Hold {
    /// There is none, or it ended with its card.
    None,
    /// It broke under a card that may still be there: it is made again.
    Broken,
    /// There is one.
    Card(pcsc::Card),
}

impl Connection {
    /// The way to the reader of this name. With `broken`, there was a connection, and the thread
    /// that had it was left behind.
    pub(super) fn new(
        name: String,
        line: Arc<Line>,
        view: watch::Receiver<View>,
        broken: bool,
    ) -> Self {
        Self {
            // A name that PC/SC told has no zero in it.
            reader: CString::new(name.as_bytes()).unwrap_or_default(),
            name,
            line,
            view,
            context: None,
            hold: if broken { Hold::Broken } else { Hold::None },
            protocol: Protocol::T1,
            atr: Vec::new(),
            renewed: false,
            buffer: vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED],
            escape_code: None,
        }
    }

    /// Connects, or does with the connection what `power` asks. `atr` is what the monitor told of
    /// the card.
    pub(super) fn connect(&mut self, power: Power, atr: Vec<u8>) -> Result<Powered, CardFault> {
        if !matches!(self.hold, Hold::Card(_)) {
            self.protocol = preferred(&atr);
        }
        self.atr = atr;
        let powered = self.with_service(|this| this.powered(power));
        self.renewed = false;
        powered.map_err(|error| fault(error, &self.name))
    }

    /// Runs the sequence inside a transaction. It is answered when the sequence has run, before the
    /// transaction has ended.
    pub(super) fn transact(&mut self, sequence: Sequence, answer: Answer<Begun>) {
        if let Some(error) = self.begin_and_run(sequence, answer) {
            self.learn(error);
        }
    }

    /// Gives the error that is to be learned from, if there was one.
    fn begin_and_run(&mut self, sequence: Sequence, answer: Answer<Begun>) -> Option<Error> {
        let mut error = Error::ResetCard;
        let mut was_reset = false;
        for _ in 0..BEGINNINGS {
            // Not to another card than before: that would not know what the sequence is about.
            if (was_reset || matches!(self.hold, Hold::Broken))
                && let Err(failed) = self.with_service(|this| this.powered_now(Power::AsItIs))
            {
                error = failed;
                break;
            }
            let Hold::Card(card) = &mut self.hold else {
                answer.give(Err(ended(&self.name)));
                return None;
            };
            error = match card.transaction2() {
                Ok(transaction) => {
                    let begun = Begun { renewed: std::mem::take(&mut self.renewed) };
                    let desk = Desk {
                        name: &self.name,
                        line: &self.line,
                        view: &self.view,
                        protocol: self.protocol,
                        buffer: &mut self.buffer,
                    };
                    return transaction::run(transaction, desk, sequence, begun, answer);
                }
                Err((_, error)) => error,
            };
            match remedy(error) {
                Remedy::Reconnect => was_reset = true,
                Remedy::PowerUp | Remedy::Reestablish => self.learn(error),
                Remedy::LetGo | Remedy::Nothing => break,
            }
        }
        answer.give(Err(fault(error, &self.name)));
        Some(error)
    }

    /// Lets go of the card, if there is a connection.
    pub(super) fn disconnect(&mut self, end: End) {
        let Hold::Card(card) = std::mem::replace(&mut self.hold, Hold::None) else { return };
        match end {
            End::Leave => leave(card),
            End::Unpower => {
                if let Err((card, _)) = card.disconnect(Disposition::UnpowerCard) {
                    leave(card);
                }
            }
        }
    }

    /// Sends a command to the reader itself: by the control codes that drivers know, then, if a card
    /// lies in it, as if it were for the card (ACS ACR122U).
    pub(super) fn escape(&mut self, command: &[u8]) -> Result<Vec<u8>, CardFault> {
        let known = self.escape_code;
        let others = ESCAPE_CODES.into_iter().filter(|code| Some(*code) != known);
        for code in known.into_iter().chain(others) {
            match self.with_service(|this| this.control(code, command)) {
                Ok(reply) => {
                    self.escape_code = Some(code);
                    return Ok(reply);
                }
                Err(error) => {
                    let fault = fault(error, &self.name);
                    if !matches!(fault.kind, FaultKind::Other | FaultKind::Silent) {
                        return Err(fault);
                    }
                }
            }
        }
        // To a card that is no card's command only with this class (PC/SC part 3): another would be
        // carried out by the customer's card.
        if command.first() != Some(&0xFF) {
            return Err(unknown_command(&self.name));
        }
        // With a connection that ended with its card, it is tried again without.
        let had_one = !matches!(self.hold, Hold::None);
        let mut reply = self.with_service(|this| this.as_if_for_the_card(command));
        if had_one && reply.is_err() && matches!(self.hold, Hold::None) {
            reply = self.with_service(|this| this.as_if_for_the_card(command));
        }
        reply.map_err(|_| unknown_command(&self.name))
    }

    /// Tries once more with everything made anew, if it fails because the service had gone.
    fn with_service<T>(
        &mut self,
        attempt: impl Fn(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let had_one = self.context.is_some();
        match attempt(self) {
            Err(error) if had_one && remedy(error) == Remedy::Reestablish => {
                self.learn(error);
                attempt(self)
            }
            result => result,
        }
    }

    /// Connects if there is no connection, and does what `power` asks. A connection that turns out
    /// to have ended with its card is made anew: another card may lie there.
    fn powered(&mut self, power: Power) -> Result<Powered, Error> {
        let had_one = matches!(self.hold, Hold::Card(_));
        let mut result = self.powered_now(power);
        if had_one
            && let Err(error) = result
            && matches!(remedy(error), Remedy::LetGo | Remedy::PowerUp)
        {
            self.learn(error);
            result = self.powered_now(power);
        }
        if let Err(error) = result {
            self.learn(error);
        }
        result
    }

    fn powered_now(&mut self, power: Power) -> Result<Powered, Error> {
        if !matches!(self.hold, Hold::Card(_)) {
            self.hold = Hold::Card(self.open()?);
        }
        match power {
            Power::AsItIs => {}
            Power::Warm => self.reconnect(Disposition::ResetCard)?,
            Power::Cold => self.reconnect(Disposition::UnpowerCard)?,
        }
        match self.ask_for_atr() {
            Err(error) if remedy(error) == Remedy::Reconnect => {
                self.reconnect(Disposition::LeaveCard)?;
                self.ask_for_atr()?;
            }
            result => result?,
        }
        Ok(Powered { atr: self.atr.clone(), protocol: self.protocol })
    }

    fn open(&mut self) -> Result<pcsc::Card, Error> {
        let context = self.context()?;
        let (card, protocol) = either(self.protocol, |protocol| {
            let protocols = only(protocol);
            patiently(&self.line, || context.connect(&self.reader, ShareMode::Shared, protocols))
        })
        // pcscd powers the card on the way to a connection; if that fails it says so in this way.
        .map_err(|error| match error {
            Error::UnpoweredCard => Error::UnresponsiveCard,
            error => error,
        })?;
        self.protocol = protocol;
        self.renewed = true;
        Ok(card)
    }

    fn reconnect(&mut self, before: Disposition) -> Result<(), Error> {
        let Hold::Card(card) = &mut self.hold else { return Err(Error::RemovedCard) };
        let ((), protocol) = either(self.protocol, |protocol| {
            patiently(&self.line, || card.reconnect(ShareMode::Shared, only(protocol), before))
        })?;
        self.protocol = protocol;
        self.renewed = true;
        Ok(())
    }

    /// Fails as well if the card was reset or taken away since. A driver that does not tell the ATR
    /// leaves what the monitor told.
    fn ask_for_atr(&mut self) -> Result<(), Error> {
        let Hold::Card(card) = &self.hold else { return Err(Error::RemovedCard) };
        let mut buffer = [0; pcsc::MAX_ATR_SIZE];
        let told = patiently(&self.line, || {
            card.get_attribute(Attribute::AtrString, &mut buffer).map(<[u8]>::to_vec)
        });
        match told {
            Ok(atr) if atr.is_empty() => {}
            Ok(atr) => self.atr = atr,
            Err(error) if remedy(error) == Remedy::Nothing => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn control(&mut self, code: DWORD, command: &[u8]) -> Result<Vec<u8>, Error> {
        if let Hold::Card(card) = &self.hold {
            return ask_reader(&self.line, card, code, command, &mut self.buffer);
        }
        self.line.go(Step::Access);
        let context = self.context()?;
        let (mode, none) = (ShareMode::Direct, Protocols::UNDEFINED);
        let reader = patiently(&self.line, || context.connect(&self.reader, mode, none))?;
        let reply = ask_reader(&self.line, &reader, code, command, &mut self.buffer);
        leave(reader);
        reply
    }

    fn as_if_for_the_card(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        self.line.go(Step::Access);
        let had_one = !matches!(self.hold, Hold::None);
        if let Err(error) = self.powered_now(Power::AsItIs) {
            self.learn(error);
            return Err(error);
        }
        let Hold::Card(card) = &mut self.hold else { return Err(Error::RemovedCard) };
        let reply = card.transaction().and_then(|transaction| {
            self.line.go(Step::Exchange);
            transaction.transmit(command, &mut self.buffer).map(<[u8]>::to_vec)
        });
        if !had_one {
            self.disconnect(End::Leave);
        }
        reply
    }

    fn context(&mut self) -> Result<Context, Error> {
        if let Some(context) = &self.context {
            return Ok(context.clone());
        }
        let context = Context::establish(Scope::User)?;
        Ok(self.context.insert(context).clone())
    }

    /// Drops what is worth nothing after this error.
    fn learn(&mut self, error: Error) {
        match remedy(error) {
            Remedy::Nothing | Remedy::Reconnect => {}
            Remedy::LetGo => self.disconnect(End::Leave),
            Remedy::PowerUp | Remedy::Reestablish => {
                let had_one = !matches!(self.hold, Hold::None);
                self.disconnect(End::Leave);
                if had_one {
                    self.hold = Hold::Broken;
                }
                if remedy(error) == Remedy::Reestablish {
                    self.context = None;
                }
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.disconnect(End::Leave);
    }
}

fn ask_reader(
    line: &Line,
    reader: &pcsc::Card,
    code: DWORD,
    command: &[u8],
    buffer: &mut [u8],
) -> Result<Vec<u8>, Error> {
    patiently(line, || {
        line.go(Step::Exchange);
        reader.control(code, command, buffer).map(<[u8]>::to_vec)
    })
}

/// Asks again while another program has the card for itself, as long as there is time.
fn patiently<T>(line: &Line, mut call: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let give_up = Instant::now() + line.left();
    let (mut pause, longest) = PAUSES;
    loop {
        if line.left_behind() {
            return Err(Error::SharingViolation);
        }
        match call() {
            Err(Error::SharingViolation) if Instant::now() + pause < give_up => {
                thread::sleep(pause);
                pause = (pause * 3 / 2).min(longest);
            }
            result => return result,
        }
    }
}

/// The library's own end of a connection is a reset, which others would notice. It comes to that
/// only where the card cannot be left because the handle is worth nothing.
fn leave(card: pcsc::Card) {
    let _ = card.disconnect(Disposition::LeaveCard);
}
