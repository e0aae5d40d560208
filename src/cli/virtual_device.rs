//! `hharome virtual`: one virtual device on a pty, for any program that opens serial ports, a chip
//! card for a reader of pcscd's, a printer on a pty or TCP port, or a speech service on a Unix socket.
//!
//! The path of pty or socket, or the card's place, is the first line on stdout. Lines on stdin work the device:
//! `put PERSON`, `put KIND`, `lift`, `scan TEXT`, `come`, `go`, `pulse`, `fault NAME`; each is answered by `ok` or by what
//! is wrong. The end of stdin changes nothing; SIGINT or SIGTERM ends the device.

use std::fmt::Display;
use std::future::Future;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use hharome_hardware::code::virtual_scanner::VirtualScanner;
use hharome_hardware::id_card::virtual_reader::VirtualReader;
use hharome_hardware::infrared::virtual_sensor::{Model, VirtualSensor};
use hharome_hardware::port::far_end::{self, FarEnd, Plug, VirtualDevice};
use hharome_hardware::port::far_socket::SocketFarEnd;
use hharome_hardware::port::pty::PtyFarEnd;
use hharome_hardware::speech::virtual_server::VirtualServer;
use serde_json::value::{RawValue, to_raw_value};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{NO, WRONG, block_on, complain};
use crate::config::{QrTrigger, Word};
use crate::devices::trigger;
use crate::simulation::{Gesture, Hand};

mod card;
mod printer;

/// The arguments of `hharome virtual`.
#[derive(Args)]
#[command(
    after_help = "The path of pty or socket, or the card's place, is the first line on stdout. Lines on stdin work the
device:
  put PERSON|JSON, lift, fault NAME   (id-card)
  scan TEXT, fault NAME               (scanner)
  come, go, pulse, fault NAME         (infrared)
  fault NAME                          (speech)
  paper ROWS, restart, fault NAME     (printer)
  put [KIND|JSON], lift, fault NAME   (card; JSON describes a social-security card)
Each is answered by ok, or by what is allowed. The end of stdin changes nothing;
Ctrl-C or SIGTERM ends the device."
)]
pub(super) struct Virtual {
    #[command(subcommand)]
    device: Device,
    /// A symbolic link to the pty, which stays the same when it is unplugged and plugged in; not for
    /// a card
    #[arg(long, value_name = "PATH", global = true)]
    link: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Device {
    /// An ID-card reader (SAM-V) at 115200 baud
    IdCard {
        /// Whose card lies on it from the start
        #[arg(long, value_name = "PERSON")]
        card: Option<String>,
    },
    /// A scanner of QR and bar codes
    Scanner {
        /// What ends a code, with \r, \n and \t for the characters
        #[arg(long, default_value = "\\r")]
        suffix: String,
        /// Scan only when triggered, as such a module: gm65, newland, newland-old, honeywell, m3y
        #[arg(long, value_name = "MODULE")]
        trigger: Option<String>,
    },
    /// A presence sensor on a serial line
    Infrared {
        /// How it tells of people: ld2410, tfmini, ascii
        #[arg(long, value_name = "PROTOCOL", default_value = "ld2410")]
        protocol: String,
    },
    /// A speech-dispatcher on a Unix socket; it makes no sound
    Speech {
        /// The socket that it listens on
        socket: PathBuf,
    },
    /// A receipt printer (ESC/POS) whose paper becomes PNG files
    Printer(printer::Printer),
    /// A chip card for a reader that speaks the vpcd protocol, as virtual readers of pcscd do
    Card(card::Card),
}

pub(super) fn run(arguments: &Virtual) -> ExitCode {
    block_on(async {
        let link = arguments.link.as_deref();
        match &arguments.device {
            Device::IdCard { card } => {
                let (reader, hand) = VirtualReader::new();
                offer_on_pty(link, reader, |plug| {
                    let hand = Hand::Reader(hand, plug);
                    if let Some(person) = card {
                        work(&hand, &format!("put {person}"))?;
                    }
                    Ok(hand)
                })
                .await
            }
            Device::Scanner { suffix, trigger: module } => {
                let suffix = suffix.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t");
                let module = match module.as_deref().map(known_trigger).transpose() {
                    Ok(module) => module.and_then(trigger),
                    Err(error) => return complain(WRONG, error),
                };
                let (scanner, hand) = VirtualScanner::new(suffix.as_bytes(), module);
                offer_on_pty(link, scanner, |plug| Ok(Hand::Scanner(hand, plug))).await
            }
            Device::Infrared { protocol } => {
                let model = match protocol.as_str() {
                    "ld2410" => Model::Ld2410,
                    "tfmini" => Model::Tfmini,
                    "ascii" => Model::Ascii,
                    _ => {
                        let wrong = "--protocol: expected one of ld2410, tfmini, ascii";
                        return complain(WRONG, wrong);
                    }
                };
                let (sensor, hand) = VirtualSensor::new(model);
                offer_on_pty(link, sensor, |plug| Ok(Hand::Sensor(hand, plug))).await
            }
            Device::Speech { .. } if link.is_some() => {
                complain(WRONG, "--link: a speech service has no pty")
            }
            Device::Speech { socket } => {
                let end = match SocketFarEnd::listen(socket) {
                    Ok(end) => end,
                    Err(error) => {
                        return complain(NO, format_args!("{}: {error}", socket.display()));
                    }
                };
                let (server, hand) = VirtualServer::new();
                let hand = Hand::Speech(hand, end.plug().clone());
                offer(socket.display(), far_end::run(end, server), &hand).await
            }
            Device::Printer(printer) => printer.offer(link).await,
            Device::Card(_) if link.is_some() => complain(WRONG, "--link: a card has no pty"),
            Device::Card(card) => card.offer().await,
        }
    })
}

fn known_trigger(word: &str) -> Result<QrTrigger, String> {
    let known = QrTrigger::ALL.iter().find(|known| known.word() == word);
    known.copied().ok_or_else(|| {
        let words: Vec<_> = QrTrigger::ALL.iter().map(|known| known.word()).collect();
        format!("--trigger: expected one of {}", words.join(", "))
    })
}

async fn offer_on_pty(
    link: Option<&Path>,
    device: impl VirtualDevice,
    hand: impl FnOnce(Plug) -> Result<Hand, String>,
) -> ExitCode {
    let end = match PtyFarEnd::open(link) {
        Ok(end) => end,
        Err(error) => {
            let link = link.map(|link| format!(" at {}", link.display())).unwrap_or_default();
            return complain(NO, format_args!("no pty can be offered{link}: {error}"));
        }
    };
    let hand = match hand(end.plug().clone()) {
        Ok(hand) => hand,
        Err(error) => return complain(WRONG, error),
    };
    let path = end.path().to_owned();
    offer(path.display(), far_end::run(end, device), &hand).await
}

/// Names the place where the device is offered, and works it until its life or the program ends.
async fn offer(place: impl Display, life: impl Future<Output = ()>, hand: &Hand) -> ExitCode {
    if let Err(error) = writeln!(io::stdout(), "{place}") {
        return complain(NO, format_args!("output: {error}"));
    }
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return complain(NO, "signals cannot be awaited");
    };
    let mut lines = stdin_lines();
    let mut life = std::pin::pin!(life);
    loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => return ExitCode::SUCCESS,
            _ = interrupt.recv() => return ExitCode::SUCCESS,
            () = &mut life => return complain(NO, "the pty is gone"),
            Some(line) = lines.recv() => {
                let answer = work(hand, &line);
                let words = answer.map_or_else(|error| error, |()| "ok".to_owned());
                // Whoever gives the lines may not care for the answers.
                let _ = writeln!(io::stdout(), "{words}");
            }
        }
    }
}

/// One line of stdin, carried out.
fn work(hand: &Hand, line: &str) -> Result<(), String> {
    let (verb, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let rest = rest.trim();
    let argument = (!rest.is_empty()).then_some(rest);
    let card = match argument.filter(|_| verb == "put") {
        None => None,
        Some(json) if json.starts_with('{') => Some(RawValue::from_string(json.to_owned())),
        Some(person) => Some(to_raw_value(person)),
    };
    let card = card.transpose().map_err(|error| format!("no JSON: {error}"))?;
    let card = card.as_deref();
    let gesture = Gesture { verb, card, text: argument, fault: argument, ..Gesture::default() };
    hand.make(&gesture).map_err(|error| error.to_string())
}

/// The lines of stdin, from a thread: reading it blocks.
fn stdin_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if !line.trim().is_empty() && sender.blocking_send(line).is_err() {
                return;
            }
        }
        // Kept open: the end of stdin is not the end of the device.
        loop {
            std::thread::park();
        }
    });
    lines
}
