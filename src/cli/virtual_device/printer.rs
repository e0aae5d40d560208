//! `hharome virtual printer`: a receipt printer on a pty or a TCP port, whose paper becomes PNG files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use hharome_hardware::port::far_end::{self, FarEnd};
use hharome_hardware::port::far_tcp::TcpFarEnd;
use hharome_hardware::receipt::virtual_printer::{Model, PrinterHand, VirtualPrinter};

use super::super::{NO, WRONG, complain};
use super::{offer, offer_on_pty};
use crate::simulation::Hand;

/// The arguments of `hharome virtual printer`.
#[derive(Args)]
pub(super) struct Printer {
    /// Listen on this address instead of offering a pty; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    tcp: Option<SocketAddr>,
    /// The folder that each receipt is written to as receipt-0001.png, when it is cut off
    #[arg(long, value_name = "FOLDER")]
    png: Option<PathBuf>,
    /// Dots in one line
    #[arg(long, value_name = "DOTS", default_value_t = 384, value_parser = clap::value_parser!(u16).range(64..=2048))]
    width: u16,
    /// Rows of dots that it prints in a second; left out: it prints at once
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    speed: Option<u32>,
    /// Bytes that it takes before it prints
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(64..))]
    buffer: u32,
    /// It says nothing: its answers have no wire
    #[arg(long)]
    mute: bool,
    /// It does not know GS r
    #[arg(long)]
    no_confirmation: bool,
}

impl Printer {
    pub(super) async fn offer(&self, link: Option<&Path>) -> ExitCode {
        let model = Model {
            row_bytes: usize::from(self.width.div_ceil(8)),
            buffer: usize::try_from(self.buffer).unwrap_or(usize::MAX),
            answers: !self.mute,
            confirms: !self.mute && !self.no_confirmation,
            tells: !self.mute,
            speed: self.speed,
        };
        if let Some(folder) = &self.png
            && let Err(error) = std::fs::create_dir_all(folder)
        {
            return complain(NO, format_args!("--png {}: {error}", folder.display()));
        }
        let (device, hand) = VirtualPrinter::new(model);
        let paper = paper(self.png.as_deref(), hand.clone());
        let life = async {
            let Some(address) = self.tcp else {
                return offer_on_pty(link, device, |plug| Ok(Hand::Printer(hand, plug))).await;
            };
            if link.is_some() {
                return complain(WRONG, "--link: with --tcp there is no pty");
            }
            match TcpFarEnd::listen(address).await {
                Ok(end) => {
                    let hand = Hand::Printer(hand, end.plug().clone());
                    offer(end.address(), far_end::run(end, device), &hand).await
                }
                Err(error) => complain(NO, format_args!("--tcp {address}: {error}")),
            }
        };
        tokio::select! {
            code = life => code,
            code = paper => code,
        }
    }
}

/// Writes each receipt that is cut off; ends only when that fails.
async fn paper(folder: Option<&Path>, hand: PrinterHand) -> ExitCode {
    let Some(folder) = folder else { return std::future::pending().await };
    let mut cuts = hand.watch_cuts();
    let mut written = 0;
    // The sender lives in the hand.
    while cuts.changed().await.is_ok() {
        let cut = hand.cuts();
        let sheets: Vec<_> = hand.sheets().into_iter().filter(|sheet| sheet.cut).collect();
        let fresh = usize::try_from(cut - written).unwrap_or(usize::MAX).min(sheets.len());
        written = cut - fresh as u64;
        for sheet in sheets.iter().skip(sheets.len() - fresh) {
            written += 1;
            let Some(png) = sheet.png() else { continue };
            let path = folder.join(format!("receipt-{written:04}.png"));
            if let Err(error) = std::fs::write(&path, png) {
                return complain(NO, format_args!("{}: {error}", path.display()));
            }
        }
    }
    ExitCode::SUCCESS
}
