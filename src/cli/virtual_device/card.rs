//! `hharome virtual card`: a chip card for a reader of another program's.
//!
//! The reader listens where `--socket` or `--tcp` says, and a connection is a card in it: a virtual
//! reader of pcscd's, through vpcd or any driver that speaks its protocol.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use hharome_hardware::port::card::memory::CardHand;
use hharome_hardware::virtual_card::{SLUGS, vpcd};
use tokio::net::{TcpStream, UnixStream};

use super::super::{WRONG, complain};
use super::{offer, work};
use crate::simulation::Hand;

/// The arguments of `hharome virtual card`.
#[derive(Args)]
pub(super) struct Card {
    /// Which card lies in the reader from the start
    #[arg(default_value = "transport", value_parser = PossibleValuesParser::new(SLUGS))]
    kind: String,
    #[command(flatten)]
    place: Place,
}

/// Where the reader waits for its card.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// The reader's Unix socket
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The reader's TCP address, such as 127.0.0.1:35963
    #[arg(long, value_name = "ADDR")]
    tcp: Option<SocketAddr>,
}

impl Card {
    /// Offers the card until the program is ended.
    pub(super) async fn offer(&self) -> ExitCode {
        let usual = SLUGS.into_iter().find(|slug| *slug == self.kind).unwrap_or_default();
        let card = CardHand::new();
        let hand = Hand::LoneCard(card.clone(), usual);
        if let Err(error) = work(&hand, "put") {
            return complain(WRONG, error);
        }
        let place = &self.place;
        let absent = |error: &io::Error| {
            // Said once, not an end: the reader may come later.
            complain(0, format_args!("{place}: no reader there yet ({error}); waiting for it"));
        };
        let life = async {
            if let Some(address) = place.tcp {
                let connect = || async move {
                    let stream = TcpStream::connect(address).await?;
                    // Each answer is one small write that somebody waits for.
                    stream.set_nodelay(true)?;
                    Ok(stream)
                };
                vpcd::run(&card, connect, absent).await;
            } else if let Some(path) = &place.socket {
                vpcd::run(&card, || UnixStream::connect(path), absent).await;
            }
        };
        offer(place, life, &hand).await
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.socket, self.tcp) {
            (Some(path), _) => write!(f, "{}", path.display()),
            (None, Some(address)) => write!(f, "{address}"),
            (None, None) => Ok(()),
        }
    }
}
