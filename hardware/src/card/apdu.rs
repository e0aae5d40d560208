//! Command APDUs and their answers (ISO/IEC 7816-4): their cases, `61xx` and `6Cxx`.
//!
//! [`exchange`] is called by drivers, inside a transaction: one command as its author means it, and
//! the whole answer. What T=0 needs besides (ISO/IEC 7816-3 chapter 12.2) is done here.
//!
//! ```text
//! command ─► 6Cxx: again with Le = xx ─► 61xx: GET RESPONSE ─┐ ─► data and status word
//!                                          ▲                 │
//!                                          └──── 61xx ◄──────┘
//! ```
//!
//! It ends whatever the card answers: [`MOST_DATA`], [`MOST_STEPS`] and [`EXCHANGE`] bound it.

mod case;
#[cfg(test)]
mod tests;

use tokio::time::Instant;

use self::case::{Class, Corrected};
use crate::port::card::{Card, CardFault, EXCHANGE, FaultKind};

pub use self::case::Case;

/// The most data that one command brings, in bytes: what an extended Le can ask for (ISO/IEC 7816-4
/// chapter 5.1). With its status word an answer has 65,538 bytes.
pub const MOST_DATA: usize = 65_536;

/// The most commands that are sent for one: [`MOST_DATA`] in pieces of 64 bytes, smaller than any
/// card's. Ends what has no end: a card that says `61 00` for ever.
pub const MOST_STEPS: usize = 1_024;

/// INS of GET RESPONSE (ISO/IEC 7816-4 chapter 7.6.1).
const GET_RESPONSE: u8 = 0xC0;

/// Sends a command, and gives the card's data and status word. `61xx` and `6Cxx` are resolved; all
/// other status words are results. What fits no [`Case`] goes to the card as it stands.
///
/// # Errors
/// Those of [`Card::transmit`]; [`FaultKind::Other`] if the card's answers are none, and
/// [`FaultKind::Silent`] if they have not come to an end after [`EXCHANGE`].
pub async fn exchange(card: &mut dyn Card, command: &[u8]) -> Result<Vec<u8>, CardFault> {
    let mut talk = Talk { card, class: Class::of(command), steps: 0, began: Instant::now() };
    let mut answer = talk.command(command).await?;
    let mut data = answer.data;
    while let [0x61, more] = answer.status {
        answer = talk.get_response(more).await?;
        data.append(&mut answer.data);
        if data.len() > MOST_DATA {
            return Err(other(format!("the card's answer has more than {MOST_DATA} bytes")));
        }
    }
    data.extend(answer.status);
    Ok(data)
}

/// The status word of an answer: its last two bytes (ISO/IEC 7816-4 chapter 5.1.3).
#[must_use]
pub fn status_word(answer: &[u8]) -> Option<u16> {
    answer.last_chunk().map(|status| u16::from_be_bytes(*status))
}

/// The commands that belong to one.
struct Talk<'c> {
    card: &'c mut dyn Card,
    class: Class,
    steps: usize,
    began: Instant,
}

struct Answer {
    data: Vec<u8>,
    status: [u8; 2],
}

impl Answer {
    /// The length that the card wants to be asked for. Beside data it is an ordinary end.
    fn right_length(&self) -> Option<u8> {
        match self.status {
            [0x6C, le] if self.data.is_empty() => Some(le),
            _ => None,
        }
    }
}

impl Talk<'_> {
    async fn command(&mut self, command: &[u8]) -> Result<Answer, CardFault> {
        let protocol = self.card.protocol();
        let (before, last) = case::pieces(protocol, command);
        for piece in before {
            let answer = self.send(&piece).await?;
            if answer.status != [0x90, 0x00] {
                // The card does not take ENVELOPE, or not this: that is the command's result.
                return Ok(answer);
            }
        }
        let answer = self.send(&last).await?;
        let Some(le) = answer.right_length() else {
            return Ok(answer);
        };
        match case::corrected(protocol, command, le) {
            Corrected::Again(again) => self.send_corrected(&again).await,
            Corrected::GetResponse => self.get_response(le).await,
            Corrected::Not => Ok(answer),
        }
    }

    async fn get_response(&mut self, le: u8) -> Result<Answer, CardFault> {
        let (Class::Standard(class) | Class::Proprietary(class)) = self.class;
        let answer = self.get_response_as(class, le).await?;
        let class_unknown = matches!(answer.status, [0x6E | 0x6D, 0x00]);
        if matches!(self.class, Class::Proprietary(_)) && class_unknown {
            self.class = Class::Standard(0);
            return self.get_response_as(0, le).await;
        }
        Ok(answer)
    }

    async fn get_response_as(&mut self, class: u8, le: u8) -> Result<Answer, CardFault> {
        let answer = self.send(&[class, GET_RESPONSE, 0, 0, le]).await?;
        match answer.right_length() {
            Some(le) => self.send_corrected(&[class, GET_RESPONSE, 0, 0, le]).await,
            None => Ok(answer),
        }
    }

    /// With the length that the card has asked for. It may not ask for another one now.
    async fn send_corrected(&mut self, command: &[u8]) -> Result<Answer, CardFault> {
        let answer = self.send(command).await?;
        if answer.right_length().is_some() {
            return Err(other("the card asks for another length (6Cxx) each time"));
        }
        Ok(answer)
    }

    async fn send(&mut self, command: &[u8]) -> Result<Answer, CardFault> {
        if self.steps == MOST_STEPS {
            return Err(other(format!("the card's answer has no end after {MOST_STEPS} commands")));
        }
        if self.steps > 0 && self.began.elapsed() >= EXCHANGE {
            let detail =
                format!("the card's answer has no end after {} s", self.began.elapsed().as_secs());
            return Err(CardFault::new(FaultKind::Silent, detail));
        }
        self.steps += 1;
        let mut data = self.card.transmit(command).await?;
        match (data.last_chunk().copied(), data.len()) {
            (Some(status), length @ ..=65_538) => {
                data.truncate(length - 2);
                Ok(Answer { data, status })
            }
            (_, length) => Err(other(format!("the card's answer has {length} bytes"))),
        }
    }
}

fn other(detail: impl Into<String>) -> CardFault {
    CardFault::new(FaultKind::Other, detail)
}
