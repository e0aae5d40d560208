//! A virtual card for a reader of another program's: the far end of the vpcd protocol.
//!
//! A message is its length (2 bytes, the higher first) and so many bytes. Those of one byte are
//! about power: 0 off, 1 on, 2 reset, 4 asks for the ATR, which alone is answered. Longer ones are
//! commands, each of which is answered. A connection is a card put in, its end one taken out.
//! [`run`] is the whole life of a card at such a reader; called by `hharome virtual card`.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::hand::{CardHand, Exchange, Fault};
use crate::port::card::{Content, Power};

/// What a message of one byte asks for.
const POWER_OFF: u8 = 0;
const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const GET_ATR: u8 = 4;

/// What is answered where the card's own answer does not fit into a message: 6F00, no precise
/// diagnosis.
const NOT_SAYABLE: [u8; 2] = [0x6F, 0x00];

/// How soon a reader that is not there, or has closed the connection, is tried again; then twice
/// as long each time, up to the longest.
const SOON: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// How long the place stays empty between two cards: pcscd looks at some readers every 400 ms only,
/// and has to see it empty to know the next card for another one.
const BETWEEN_CARDS: Duration = Duration::from_millis(500);

/// A card's life at a reader: whenever a card lies at the hand's place, makes a connection with
/// `connect` and serves it. While there is no reader tries again; `absent` is told of that once, and
/// once more each time that the reader was there in between. Never ends.
pub async fn run<S, F>(
    hand: &CardHand,
    mut connect: impl FnMut() -> F,
    mut absent: impl FnMut(&io::Error),
) where
    S: AsyncRead + AsyncWrite + Send + Unpin,
    F: Future<Output = io::Result<S>>,
{
    let mut told = false;
    let mut wait = SOON;
    loop {
        hand.until(CardHand::has_any).await;
        let pause = match connect().await {
            Ok(stream) => {
                told = false;
                wait = SOON;
                match serve(hand, stream).await {
                    Ok(End::Lifted) => BETWEEN_CARDS,
                    // Whatever is wrong with a connection, another one may be better.
                    Ok(End::Closed) | Err(_) => SOON,
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    absent(&error);
                }
                let pause = wait;
                wait = LONGEST.min(pause * 2);
                pause
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The card was lifted, changed for another, or has vanished: the connection has to be closed.
    Lifted,
    /// The reader has closed it.
    Closed,
}

/// Serves the card that lies at the hand's place now, until it is taken away or the reader closes
/// the connection. A hand with nothing at its place is [`End::Lifted`] at once.
///
/// # Errors
/// Those of the stream.
pub async fn serve<S>(hand: &CardHand, mut stream: S) -> io::Result<End>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let number = hand.holds().number;
    let lifted = hand.until(|hand| !hand.has(number));
    let served = async {
        let mut message = Vec::new();
        loop {
            if !next_message(&mut stream, &mut message).await? {
                return Ok(End::Closed);
            }
            let answer = match message.as_slice() {
                [] => None,
                [control] => at_power(hand, number, *control),
                command => match hand.exchange(number, command).await {
                    Exchange::Answer(answer) => Some(answer),
                    Exchange::Silence => None,
                    Exchange::Gone => return Ok(End::Lifted),
                },
            };
            if let Some(answer) = answer {
                stream.write_all(&framed(&answer)).await?;
                stream.flush().await?;
            }
        }
    };
    tokio::select! {
        biased;
        () = lifted => Ok(End::Lifted),
        end = served => end,
    }
}

/// Reads one message; `false` when there is none any more.
async fn next_message<S>(stream: &mut S, message: &mut Vec<u8>) -> io::Result<bool>
where
    S: AsyncRead + Unpin,
{
    let length = match stream.read_u16().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    };
    message.resize(usize::from(length), 0);
    stream.read_exact(message).await?;
    Ok(true)
}

fn at_power(hand: &CardHand, number: u64, control: u8) -> Option<Vec<u8>> {
    match control {
        POWER_OFF => hand.power_off(number),
        // A mute card says nothing, also when it is asked for its ATR.
        POWER_ON | RESET => drop(hand.power_up(Power::Warm)),
        GET_ATR if !hand.is(Fault::Mute) => {
            return match hand.holds().what {
                Content::Card(atr) => Some(atr),
                Content::Nothing | Content::Mute => None,
            };
        }
        _ => {}
    }
    None
}

/// Length and answer in one piece, so that they leave in one packet.
fn framed(answer: &[u8]) -> Vec<u8> {
    let (length, answer) = match u16::try_from(answer.len()) {
        Ok(length) => (length, answer),
        Err(_) => (2, &NOT_SAYABLE[..]),
    };
    [&length.to_be_bytes(), answer].concat()
}

#[cfg(test)]
mod tests;
