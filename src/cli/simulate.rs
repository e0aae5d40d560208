//! `hharome simulate`: works a simulated device of a running daemon.

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use hharome_protocol::action::Call as _;
use hharome_protocol::bridge::SimulateCall;
use hharome_protocol::client;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::{Target, WRONG, call, complain};

/// The arguments of `hharome simulate`.
#[derive(Args)]
#[command(after_help = "Examples:
  hharome simulate id_card put                 the first invented person's card
  hharome simulate id_card put li-si           another one's
  hharome simulate id_card put '{\"name\":\"钱七\",\"appendedAddress\":\"示例路9号\"}'
  hharome simulate id_card lift
  hharome simulate qr_scanner scan 6901234567892
  hharome simulate id_card fault silence       or bad-checksum, cut-frame, unplug, none
  hharome simulate cpu_card put                the card of public transport
  hharome simulate psam put --slot 2
  hharome simulate social_security_card put ssc-3
  hharome simulate social_security_card put '{\"name\":\"钱七\",\"generation\":1}'
  hharome simulate microphone tone 440         or silence
  hharome simulate microphone wav hello.wav    said once; 16-bit PCM, any rate
  hharome simulate microphone fault gap        or unplug, held, stall, fast, none
  hharome simulate infrared come               or go, or pulse: somebody comes and is gone again
  hharome simulate infrared fault silence      or unplug, none
  hharome simulate input touch                 or key: somebody operates the kiosk
  hharome simulate input type 690123           on a US keyboard
  hharome simulate input fault unplug          or none
  hharome simulate qr_scanner fault unplug     or silence, cut-frame, none
  hharome simulate buzzer fault unplug         or none
  hharome simulate cpu_card fault vanish       or silence, mute, occupied, unplug, none
  hharome simulate speech fault silence        or refuse, unplug, none
  hharome simulate printer fault paper-out     or near-end, cover-open, offline, cutter, hot, broken,
                                               stall, silence, unplug, none
  hharome simulate printer paper 500           a roll that ends after 500 rows of dots
  hharome simulate printer restart             switched off and on
  hharome simulate second_screen fault unplug  or crash, silence, none
  hharome simulate face outcome 90001          how face calls end from now on: a subCode of
                                               doStorageFaceInfo, or SUCCESS, known, stranger,
                                               E69015, E69001, too-fast
  hharome simulate face fault silence          or garbage, lies, cut-frame, unplug, none")]
pub(super) struct Simulate {
    /// The device, by its section of the configuration
    device: String,
    /// put, lift, scan, tone, silence, wav, come, go, pulse, key, touch, type, paper, restart, outcome,
    /// fault
    verb: String,
    /// put: a person, a kind of card, or a card in JSON; scan: the code; tone: how many Hz; wav: a
    /// file; paper: how many rows; outcome, fault: which one
    argument: Option<String>,
    /// Which slot, for psam [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=2))]
    slot: Option<u8>,
    #[command(flatten)]
    target: Target,
}

pub(super) fn run(simulate: &Simulate) -> ExitCode {
    let params = match params(simulate) {
        Ok(params) => params,
        Err(error) => return complain(WRONG, error),
    };
    call::send(&simulate.target, client::call(SimulateCall::NAME, Some(&params), None))
}

fn params(simulate: &Simulate) -> Result<Box<RawValue>, String> {
    let mut params = Map::new();
    params.insert("device".to_owned(), simulate.device.replace('-', "_").into());
    params.insert("do".to_owned(), simulate.verb.clone().into());
    if let Some(argument) = &simulate.argument {
        let key = match simulate.verb.as_str() {
            "put" => "card",
            "fault" => "fault",
            "tone" => "hz",
            "wav" => "wav",
            _ => "text",
        };
        let value = if key == "card" && argument.trim_start().starts_with('{') {
            serde_json::from_str(argument)
                .map_err(|error| format!("the card is no JSON: {error}"))?
        } else if key == "wav" {
            // The daemon is given what is in the file, never its name.
            let file = std::fs::read(argument).map_err(|error| format!("{argument}: {error}"))?;
            Value::String(STANDARD.encode(file))
        } else {
            Value::String(argument.clone())
        };
        params.insert(key.to_owned(), value);
    }
    if let Some(slot) = simulate.slot {
        params.insert("slot".to_owned(), slot.into());
    }
    to_raw_value(&params).map_err(|error| error.to_string())
}
