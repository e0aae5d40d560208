//! CPU cards and PSAMs: polling, power-up, commands. What goes wrong becomes the protocol's codes
//! (section 3.13), most of them as successes.

use std::future::Future;
use std::time::Duration;

use futures_util::future::Either;
use hharome_hardware::cpu_card::{BatchEnd, Poll, Refused, Seen, SlotHandle};
use hharome_hardware::port::card::{CardFault, FaultKind};
use hharome_protocol::action::NoParams;
use hharome_protocol::cpu_card::{
    Apdu, BatchFailure, BatchParams, BatchResults, CardText, ColdResetParams, CommandParams,
    CpuCardEvent, CpuCardInfo, LoopReadParams, ResultInfo, Target, codes,
};
use hharome_protocol::failure::Failure;
use tokio::time::{Instant, sleep_until};

use super::waiting::Words;
use crate::channels::{Feeder, OwnPublisher};
use crate::devices::Devices;
use crate::router::CallContext;

const CPU_CARD: Words = Words {
    section: "cpu_card",
    off: "本机未配置CPU卡读卡器",
    absent: "CPU卡读卡器未连接,请检查连线或联系工作人员",
    failed: "CPU卡读卡器故障,请联系工作人员",
    unreadable: "卡片读取失败,请取走卡片后重新放置",
};

const PSAM: Words = Words {
    section: "psam",
    off: "本机未配置PSAM卡槽",
    absent: "PSAM读卡器未连接,请检查连线或联系工作人员",
    failed: "PSAM读卡器故障,请联系工作人员",
    unreadable: "PSAM卡读取失败,请联系工作人员",
};

/// Polls for the connection until its stop.
pub(super) fn start_polling(
    context: &CallContext,
    params: LoopReadParams,
) -> Result<Feeder, Failure> {
    let poll = slot(&context.bridge.devices, Target::CpuCard)?.poll();
    Ok(Box::new(move |publisher| tokio::spawn(feed(poll, params, publisher))))
}

/// Powers the card up that lies there.
pub(super) fn read_once(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<CpuCardInfo, Failure>> + Send {
    let owner = context.stages.client().connection();
    let slot = slot(&context.bridge.devices, Target::CpuCard);
    // In the slot's queue now, in the order in which requests come.
    let reading = slot.map(|slot| slot.power_up(owner));
    async move {
        Ok(match reading?.await {
            Ok(info) => CpuCardInfo::card(&info.bytes),
            Err(refused) => CpuCardInfo::error(refused_reading(refused)?),
        })
    }
}

/// One command.
pub(super) fn command(
    context: CallContext,
    params: CommandParams,
) -> impl Future<Output = Result<ResultInfo, Failure>> + Send {
    let owner = context.stages.client().connection();
    let slot = permitted(&context, params.target, [&params.apdu]);
    let answer = slot.map(|slot| slot.command(owner, params.apdu.into_bytes()));
    async move {
        let nfc_result_info = match answer?.await {
            Ok(answer) => CardText::hex(&answer),
            Err(refused) => CardText::code(refused_command(refused)?),
        };
        Ok(ResultInfo { nfc_result_info })
    }
}

/// Several commands, until the first that fails.
pub(super) fn batch(
    context: CallContext,
    params: BatchParams,
) -> impl Future<Output = Result<BatchResults, Failure>> + Send {
    let owner = context.stages.client().connection();
    let slot = permitted(&context, params.target, &params.apdus);
    let commands = params.apdus.into_iter().map(Apdu::into_bytes).collect();
    let batch = slot.map(|slot| slot.batch(owner, commands));
    async move {
        let batch = batch?.await;
        let results: Vec<_> = batch.results.iter().map(|answer| CardText::hex(answer)).collect();
        let code = match batch.end {
            BatchEnd::Done => return Ok(BatchResults { nfc_command_results: results }),
            BatchEnd::StatusWord => codes::STATUS_WORD,
            BatchEnd::Refused(refused) => refused_command(refused)?,
        };
        Err(BatchFailure { code, results }.into())
    }
}

/// A PSAM's cold reset.
pub(super) fn cold_reset(
    context: CallContext,
    params: ColdResetParams,
) -> impl Future<Output = Result<ResultInfo, Failure>> + Send {
    let owner = context.stages.client().connection();
    let slot = slot(&context.bridge.devices, Target::Psam(params.slot));
    let reset = slot.map(|slot| slot.cold_reset(owner));
    async move {
        let nfc_result_info = match reset?.await {
            Ok(atr) => CardText::hex(&atr),
            Err(refused) => CardText::code(refused_reset(refused)?),
        };
        Ok(ResultInfo { nfc_result_info })
    }
}

/// The slot that the operator's policy lets these commands through to.
fn permitted<'a>(
    context: &CallContext,
    target: Target,
    apdus: impl IntoIterator<Item = &'a Apdu>,
) -> Result<SlotHandle, Failure> {
    let slot = slot(&context.bridge.devices, target)?;
    let policy = &context.bridge.devices.apdu_policy;
    for apdu in apdus {
        if let Err(denied) = policy.allows(target, apdu.as_bytes()) {
            let connection = context.stages.client().connection();
            tracing::warn!(connection, %denied, "a card command is refused");
            return Err(Failure::forbidden(denied.to_string()));
        }
    }
    Ok(slot)
}

/// The slot. An absent reader is found out by using it: that is one of the codes.
fn slot(devices: &Devices, target: Target) -> Result<SlotHandle, Failure> {
    let (slot, words) = match target {
        Target::CpuCard => (devices.cpu_card.slot(), &CPU_CARD),
        Target::Psam(number) => (devices.psam.slot(number), &PSAM),
    };
    slot.cloned().ok_or_else(|| words.not_configured())
}

/// What `readOnceCPUCardInfo` answers. PC/SC selects cards by itself and tells of one at most, so
/// `ANTICOLLISION` and `SELECTION` do not occur.
fn refused_reading(refused: Refused) -> Result<i32, Failure> {
    let (Refused::PowerUp(fault) | Refused::Exchange(fault)) = refused else {
        return Err(too_many());
    };
    Ok(match said(&fault) {
        FaultKind::NoService | FaultKind::NoReader | FaultKind::Other => codes::INITIALISATION,
        FaultKind::NoCard | FaultKind::Removed | FaultKind::Occupied => codes::NO_CARD,
        FaultKind::Mute | FaultKind::Reset | FaultKind::Silent => codes::POWER_UP,
    })
}

/// What a command or a batch answers.
fn refused_command(refused: Refused) -> Result<i32, Failure> {
    Ok(match refused {
        Refused::QueueFull => return Err(too_many()),
        Refused::PowerUp(fault) if said(&fault) != FaultKind::Occupied => codes::INITIALISATION,
        Refused::PowerUp(_) => codes::APDU,
        Refused::Exchange(fault) => {
            said(&fault);
            codes::APDU
        }
    })
}

/// What `psamCardColdReset` answers.
fn refused_reset(refused: Refused) -> Result<i32, Failure> {
    let (Refused::PowerUp(fault) | Refused::Exchange(fault)) = refused else {
        return Err(too_many());
    };
    Ok(match said(&fault) {
        FaultKind::NoService | FaultKind::NoReader => codes::INITIALISATION,
        _ => codes::COLD_RESET,
    })
}

/// The code hides what it was; the log does not. Programs ask again and again, so it is for those who
/// look for something.
fn said(fault: &CardFault) -> FaultKind {
    tracing::debug!(error = %fault, "a card cannot be used");
    fault.kind
}

fn too_many() -> Failure {
    Failure::device_busy("读卡器繁忙,请稍后再试", "too many commands wait for this reader")
}

/// One connection's polling: a card when it comes and once an interval as long as it lies there,
/// and its absence once an interval where that is asked for.
async fn feed(poll: Poll, params: LoopReadParams, publisher: OwnPublisher) {
    let interval = Duration::from_millis(u64::from(params.interval_time));
    let mut news = poll.seen();
    let mut told = None;
    let mut next = Instant::now() + interval;
    loop {
        let seen = news.borrow_and_update().clone();
        let card = match &seen {
            Seen::Card { number, info } => Some((*number, info)),
            Seen::Nothing | Seen::Unreadable { .. } | Seen::Unusable => None,
        };
        let due = Instant::now() >= next;
        match card {
            // A new card begins a new beat.
            Some((number, info)) if told != Some(number) => {
                publisher.publish(&CpuCardEvent::card(&info.bytes));
                next = Instant::now() + interval;
            }
            Some((_, info)) if due => {
                publisher.publish(&CpuCardEvent::card(&info.bytes));
                next = after(next, interval);
            }
            None if due && params.report_absence => {
                publisher.publish(&CpuCardEvent::none());
                next = after(next, interval);
            }
            _ => {}
        }
        told = card.map(|(number, _)| number);
        let tick = if card.is_some() || params.report_absence {
            Either::Left(sleep_until(next))
        } else {
            Either::Right(std::future::pending())
        };
        tokio::select! {
            biased;
            changed = news.changed() => if changed.is_err() { return },
            () = tick => {}
        }
    }
}

/// The next beat: counted from the last and not from now, so that timers that come late do not add
/// up; from now where the beat was lost.
fn after(last: Instant, interval: Duration) -> Instant {
    let next = last + interval;
    let now = Instant::now();
    if next > now { next } else { now + interval }
}
