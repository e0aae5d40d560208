//! CPU cards and PSAMs: polling, power-up, APDUs. The numbers that can go wrong stand in
//! [`codes`].
//!
//! APDUs and their answers are a customer's business, so the types that hold them have no `Debug`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::action::{Action, Channel, Empty, Nature, NoParams};
use crate::failure::Failure;
use crate::lenient;

mod hex;

pub use hex::{Apdu, CardText};

/// `startCPUCardLoopRead`: polls for cards.
pub struct StartCpuCardLoopRead;

/// `stopCPUCardLoopRead`: no more polling.
pub struct StopCpuCardLoopRead;

/// `readOnceCPUCardInfo`: powers up the card that lies there.
pub struct ReadOnceCpuCardInfo;

/// `sendCPUCardCommand`: one APDU.
pub struct SendCpuCardCommand;

/// `sendCPUCardApduCommands`: several APDUs, until the first that fails.
pub struct SendCpuCardApduCommands;

/// `psamCardColdReset`: powers up a PSAM.
pub struct PsamCardColdReset;

/// `CPUCardListener`: what polling finds.
pub struct CpuCardListener;

/// The error codes of section 3.13.
pub mod codes {
    /// The reader or its service is not there, or a card's power-up on the way to a command failed.
    pub const INITIALISATION: i32 = -1;
    /// `readOnceCPUCardInfo`: no card.
    pub const NO_CARD: i32 = -2;
    /// `readOnceCPUCardInfo`: several cards at once.
    pub const ANTICOLLISION: i32 = -3;
    /// `readOnceCPUCardInfo`: the card did not let itself be selected.
    pub const SELECTION: i32 = -4;
    /// `readOnceCPUCardInfo`: the card did not answer to its power-up.
    pub const POWER_UP: i32 = -5;
    /// A command: the exchange failed.
    pub const APDU: i32 = -2;
    /// `psamCardColdReset`: the PSAM did not answer.
    pub const COLD_RESET: i32 = -2;
    /// A batch: the card answered, with a status word other than 9000.
    pub const STATUS_WORD: i32 = -100;
}

/// How to poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoopReadParams {
    /// `intervalTime` in ms: how often the same card is pushed again; at least 1, 1000 where left
    /// out.
    #[serde(default = "default_interval", deserialize_with = "interval")]
    pub interval_time: u32,
    /// `isComeBackFailed`: also say once an interval that there is no card.
    #[serde(default, rename = "isComeBackFailed", deserialize_with = "lenient::flag")]
    pub report_absence: bool,
}

/// One command.
#[derive(Clone, Deserialize)]
#[serde(from = "CommandFields")]
pub struct CommandParams {
    /// `commandApdu`
    pub apdu: Apdu,
    /// `type` and `slot`
    pub target: Target,
}

/// Several commands.
#[derive(Clone, Deserialize)]
#[serde(from = "BatchFields")]
pub struct BatchParams {
    /// `commandApdus`, carried out in order; may be empty, and has [`MAX_BATCH`] at most.
    pub apdus: Vec<Apdu>,
    /// `type` and `slot`
    pub target: Target,
}

/// The most commands of one batch: nobody else gets at the reader meanwhile. The vendor gives none.
pub const MAX_BATCH: usize = 256;

/// Which PSAM to power up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ColdResetParams {
    /// `slot`
    #[serde(default, deserialize_with = "slot")]
    pub slot: Slot,
}

/// Whom a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `type` 1; `slot` means nothing then.
    CpuCard,
    /// `type` 2.
    Psam(Slot),
}

/// Which PSAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Slot {
    /// 1
    #[default]
    Sam1,
    /// 2
    Sam2,
}

/// The data of `readOnceCPUCardInfo`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct CpuCardInfo {
    /// The ATS in upper-case hex, its length byte included, or an error code.
    #[serde(rename = "nfc_cardInfo")]
    pub nfc_card_info: CardText,
}

/// The data of `sendCPUCardCommand` and `psamCardColdReset`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ResultInfo {
    /// Data and status word, or the ATR, in upper-case hex, or an error code.
    #[serde(rename = "nfc_resultInfo")]
    pub nfc_result_info: CardText,
}

/// The data of `sendCPUCardApduCommands`.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct BatchResults {
    /// One answer a command, data and status word.
    #[serde(rename = "nfc_commandResults")]
    pub nfc_command_results: Vec<CardText>,
}

/// One event of polling.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct CpuCardEvent {
    /// The ATS in upper-case hex, its length byte included; empty for no card.
    #[serde(rename = "nfc_cardInfo")]
    pub nfc_card_info: CardText,
    /// 0 for a card, -1 for none.
    pub code: i32,
}

/// A batch that stopped at its first failure.
#[derive(Clone, PartialEq, Eq)]
pub struct BatchFailure {
    /// One of [`codes`]: `INITIALISATION`, `APDU` or `STATUS_WORD`.
    pub code: i32,
    /// The answers up to there; on `STATUS_WORD` the failing one too, on `INITIALISATION` none.
    pub results: Vec<CardText>,
}

impl Action for StartCpuCardLoopRead {
    const NAME: &'static str = "startCPUCardLoopRead";
    const NATURE: Nature = Nature::Listens;
    type Params = LoopReadParams;
    type Data = Empty;
}

impl Action for StopCpuCardLoopRead {
    const NAME: &'static str = "stopCPUCardLoopRead";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = Empty;
}

impl Action for ReadOnceCpuCardInfo {
    const NAME: &'static str = "readOnceCPUCardInfo";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = CpuCardInfo;
}

impl Action for SendCpuCardCommand {
    const NAME: &'static str = "sendCPUCardCommand";
    const NATURE: Nature = Nature::Act;
    type Params = CommandParams;
    type Data = ResultInfo;
}

impl Action for SendCpuCardApduCommands {
    const NAME: &'static str = "sendCPUCardApduCommands";
    const NATURE: Nature = Nature::Act;
    type Params = BatchParams;
    type Data = BatchResults;
}

impl Action for PsamCardColdReset {
    const NAME: &'static str = "psamCardColdReset";
    const NATURE: Nature = Nature::Act;
    type Params = ColdResetParams;
    type Data = ResultInfo;
}

impl Channel for CpuCardListener {
    const NAME: &'static str = "CPUCardListener";
    const STARTED_BY: Option<&'static str> = Some(StartCpuCardLoopRead::NAME);
    type Event = CpuCardEvent;
}

impl CpuCardInfo {
    /// A card that is powered up; `ats` with its length byte.
    #[must_use]
    pub fn card(ats: &[u8]) -> Self {
        Self { nfc_card_info: CardText::hex(ats) }
    }

    /// One of [`codes`], reported as a success.
    #[must_use]
    pub fn error(code: i32) -> Self {
        Self { nfc_card_info: CardText::code(code) }
    }
}

impl ResultInfo {
    /// An APDU's answer, or an ATR.
    #[must_use]
    pub fn answer(bytes: &[u8]) -> Self {
        Self { nfc_result_info: CardText::hex(bytes) }
    }

    /// One of [`codes`], reported as a success.
    #[must_use]
    pub fn error(code: i32) -> Self {
        Self { nfc_result_info: CardText::code(code) }
    }
}

impl CpuCardEvent {
    /// A card lies there; `ats` with its length byte.
    #[must_use]
    pub fn card(ats: &[u8]) -> Self {
        Self { nfc_card_info: CardText::hex(ats), code: 0 }
    }

    /// No card was found.
    #[must_use]
    pub fn none() -> Self {
        Self { nfc_card_info: CardText::hex(&[]), code: -1 }
    }
}

impl From<BatchFailure> for Failure {
    fn from(failure: BatchFailure) -> Self {
        let data = BatchResults { nfc_command_results: failure.results };
        Self::documented(format!("失败:{}", failure.code), &data)
    }
}

impl Slot {
    /// 1 or 2, as on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Sam1 => 1,
            Self::Sam2 => 2,
        }
    }
}

/// The keys of one command as they stand on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommandFields {
    command_apdu: Apdu,
    #[serde(rename = "type", deserialize_with = "card_type")]
    card_type: u8,
    #[serde(default, deserialize_with = "slot")]
    slot: Slot,
}

/// The keys of a batch as they stand on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchFields {
    #[serde(deserialize_with = "apdus")]
    command_apdus: Vec<Apdu>,
    #[serde(rename = "type", deserialize_with = "card_type")]
    card_type: u8,
    #[serde(default, deserialize_with = "slot")]
    slot: Slot,
}

impl From<CommandFields> for CommandParams {
    fn from(fields: CommandFields) -> Self {
        Self { apdu: fields.command_apdu, target: target(fields.card_type, fields.slot) }
    }
}

impl From<BatchFields> for BatchParams {
    fn from(fields: BatchFields) -> Self {
        Self { apdus: fields.command_apdus, target: target(fields.card_type, fields.slot) }
    }
}

const fn target(card_type: u8, slot: Slot) -> Target {
    match card_type {
        1 => Target::CpuCard,
        _ => Target::Psam(slot),
    }
}

const fn default_interval() -> u32 {
    1000
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let interval = lenient::ranged(deserializer, 1..=u32::MAX)?;
    Ok(interval.unwrap_or(default_interval()))
}

fn apdus<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Apdu>, D::Error> {
    let apdus = Vec::deserialize(deserializer)?;
    if apdus.len() > MAX_BATCH {
        return Err(D::Error::custom(format_args!("expected at most {MAX_BATCH} commands")));
    }
    Ok(apdus)
}

fn card_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    lenient::ranged(deserializer, 1..=2)?.ok_or_else(|| D::Error::custom("expected 1 or 2"))
}

fn slot<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Slot, D::Error> {
    let slot = lenient::ranged(deserializer, 1..=2_u8)?;
    Ok(if slot == Some(2) { Slot::Sam2 } else { Slot::Sam1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accepted, refused};

    #[test]
    fn polling_has_the_documents_defaults() {
        for (json, interval_time, report_absence) in [
            ("{}", 1000, false),
            (r#"{"intervalTime":"500","isComeBackFailed":"true"}"#, 500, true),
            (r#"{"intervalTime":null,"isComeBackFailed":null}"#, 1000, false),
        ] {
            let expected = LoopReadParams { interval_time, report_absence };
            assert_eq!(accepted::<LoopReadParams>(json), expected, "{json}");
        }
        refused::<LoopReadParams>(r#"{"intervalTime":0}"#);
    }

    #[test]
    fn type_and_slot_say_whom_a_command_is_for() {
        for (rest, expected) in [
            (r#""type":1"#, Target::CpuCard),
            (r#""type":"1","slot":"2""#, Target::CpuCard),
            (r#""type":2"#, Target::Psam(Slot::Sam1)),
            (r#""type":"2","slot":null"#, Target::Psam(Slot::Sam1)),
            (r#""type":2.0,"slot":"2""#, Target::Psam(Slot::Sam2)),
        ] {
            let one = format!(r#"{{"commandApdu":"0084000008",{rest}}}"#);
            assert_eq!(accepted::<CommandParams>(&one).target, expected, "{one}");
            let batch = format!(r#"{{"commandApdus":["0084000008"],{rest}}}"#);
            assert_eq!(accepted::<BatchParams>(&batch).target, expected, "{batch}");
        }
    }

    #[test]
    fn a_type_or_slot_out_of_range_is_refused() {
        for rest in [
            r#""type":0"#,
            r#""type":3"#,
            r#""type":null"#,
            r#""slot":1"#,
            r#""type":2,"slot":0"#,
            r#""type":2,"slot":3"#,
            r#""type":1,"slot":3"#,
        ] {
            refused::<CommandParams>(&format!(r#"{{"commandApdu":"0084000008",{rest}}}"#));
            refused::<BatchParams>(&format!(r#"{{"commandApdus":["0084000008"],{rest}}}"#));
        }
        refused::<ColdResetParams>(r#"{"slot":3}"#);
        assert_eq!(accepted::<ColdResetParams>(r#"{"slot":"2"}"#).slot, Slot::Sam2);
        assert_eq!(accepted::<ColdResetParams>("null").slot, Slot::Sam1);
    }

    #[test]
    fn a_wrong_command_is_named_by_its_place() {
        assert_eq!(
            refused::<BatchParams>(r#"{"commandApdus":["0084000008","00840"],"type":1}"#),
            "params.commandApdus[1]: expected a command in hex: it has an odd number of digits"
        );
    }

    #[test]
    fn a_batch_has_an_end() {
        let batch = |count: usize| {
            let apdus = vec!["\"0084000008\""; count].join(",");
            format!(r#"{{"commandApdus":[{apdus}],"type":1}}"#)
        };
        assert_eq!(accepted::<BatchParams>(&batch(256)).apdus.len(), 256);
        assert_eq!(
            refused::<BatchParams>(&batch(257)),
            "params.commandApdus: expected at most 256 commands"
        );
    }

    #[test]
    fn no_card_is_an_event_with_code_minus_one() {
        assert_eq!(
            serde_json::to_string(&CpuCardEvent::none()).unwrap(),
            r#"{"nfc_cardInfo":"","code":-1}"#
        );
    }

    #[test]
    fn a_batch_fails_with_its_code_and_the_answers_so_far() {
        let failure = Failure::from(BatchFailure {
            code: codes::STATUS_WORD,
            results: vec![CardText::hex(&[0x90, 0]), CardText::hex(&[0x6a, 0x82])],
        });
        assert_eq!(failure.message(), "失败:-100");
        assert_eq!(failure.data().get(), r#"{"nfc_commandResults":["9000","6A82"]}"#);
    }
}
