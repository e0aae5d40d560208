//! The slot on the paused clock: what is asked of it, and what it asks of the reader.

mod fake;
mod polling;
mod reader;
mod sessions;

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use self::fake::{READER, World, fault};
use super::*;
use crate::card::atr::Origin;
use crate::device::State;
use crate::port::card::FaultKind;

/// A contactless card with one historical byte.
const ATR: &[u8] = &[0x3B, 0x81, 0x80, 0x01, 0x42, 0x42];

/// A contact card.
const CONTACT_ATR: &[u8] = &[0x3B, 0x02, 0x11, 0x22];

const ATS: &[u8] = &[0x03, 0x02, 0x42];

const GET_ATS: &str = "FFCA010000";

const CPU_CARD: Settings =
    Settings { session_idle: Some(Duration::from_secs(60)), reads_info: true };

struct Bench {
    world: World,
    slot: SlotHandle,
    status: Status,
    task: JoinHandle<()>,
}

impl Bench {
    async fn new(settings: Settings) -> Self {
        let world = World::new();
        let status = Status::new("cpu_card", State::Busy);
        let (slot, task) = slot(settings, status.clone());
        let task = tokio::spawn(task.run(Box::new(world.clone())));
        let bench = Self { world, slot, status, task };
        settle().await;
        assert_eq!(bench.world.log(), ["open"]);
        bench
    }

    /// With a card that gives its ATS and answers everything else with 9000.
    async fn with_card() -> Self {
        let bench = Self::new(CPU_CARD).await;
        bench.world.put(ATR, well);
        settle().await;
        bench
    }

    fn count(&self, what: &str) -> u64 {
        self.status.counters().get(what).copied().unwrap_or_default()
    }

    fn fact(&self, what: &str) -> String {
        self.status.facts().get(what).cloned().unwrap_or_default()
    }

    fn state(&self) -> State {
        self.status.snapshot().state
    }
}

fn well(command: &[u8]) -> Result<Vec<u8>, CardFault> {
    Ok(if command.starts_with(&[0xFF, 0xCA]) {
        [ATS, &[0x90, 0x00]].concat()
    } else {
        vec![0x90, 0x00]
    })
}

/// Lets everything happen that can happen now.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

fn powered_up(kind: FaultKind) -> Refused {
    Refused::PowerUp(fault(kind))
}

const COMMAND: [u8; 5] = [0x00, 0x84, 0x00, 0x00, 0x08];

#[tokio::test(start_paused = true)]
async fn a_card_is_powered_up_and_told_by_its_ats() {
    let bench = Bench::with_card().await;
    let info = bench.slot.power_up(1).await.unwrap();
    assert_eq!((info.bytes.as_slice(), info.origin), (ATS, Origin::Ats));
    assert_eq!(bench.world.log(), ["connect AsItIs", "begin", GET_ATS, "end"]);
    assert_eq!(bench.count("powerUps"), 1);
    assert_eq!(bench.fact("cardInfo"), "ATS");
}

#[tokio::test(start_paused = true)]
async fn a_card_that_has_no_ats_is_told_by_its_atr() {
    let bench = Bench::new(CPU_CARD).await;
    bench.world.put(CONTACT_ATR, |_| Ok(vec![0x6E, 0x00]));
    let info = bench.slot.power_up(1).await.unwrap();
    assert_eq!((info.bytes.as_slice(), info.origin), (CONTACT_ATR, Origin::Atr));
    assert_eq!(bench.world.log(), ["connect AsItIs", "begin", GET_ATS, "end"]);
    assert_eq!(bench.fact("cardInfo"), "ATR");
}

#[tokio::test(start_paused = true)]
async fn the_reader_of_a_sam_is_not_asked_for_an_ats() {
    let bench = Bench::new(Settings { session_idle: None, reads_info: false }).await;
    bench.world.put(ATR, |_| panic!("nothing is sent"));
    let info = bench.slot.power_up(1).await.unwrap();
    assert_eq!((info.bytes.as_slice(), info.origin), (ATR, Origin::Atr));
    assert_eq!(bench.fact("cardInfo"), "");
}

#[tokio::test(start_paused = true)]
async fn an_ats_that_the_reader_does_not_give_is_rebuilt_and_that_is_said_once() {
    let bench = Bench::new(CPU_CARD).await;
    for _ in 0..2 {
        bench.world.put(ATR, |_| Ok(vec![0x6A, 0x81]));
        let info = bench.slot.power_up(1).await.unwrap();
        assert_eq!((info.bytes.as_slice(), info.origin), (ATS, Origin::Rebuilt));
    }
    assert_eq!(bench.fact("cardInfo"), "rebuilt from the ATR");
    let cannot = bench.status.cannot();
    assert_eq!(cannot.len(), 1);
    assert!(cannot[0].contains(READER) && cannot[0].contains("does not answer FF CA 01 00 00"));
    // Historical bytes only is another thing.
    bench.world.put(ATR, |_| Ok(vec![0x42, 0x90, 0x00]));
    assert_eq!(bench.slot.power_up(1).await.unwrap().origin, Origin::Rebuilt);
    assert_eq!(bench.status.cannot().len(), 2);
    assert_eq!(bench.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_answers_nonsense_gives_no_ats() {
    let bench = Bench::new(CPU_CARD).await;
    bench.world.put(ATR, |_| Ok(vec![]));
    assert_eq!(bench.slot.power_up(1).await.unwrap().origin, Origin::Rebuilt);
    assert_eq!(bench.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn without_a_card_every_request_is_refused_at_once() {
    let bench = Bench::new(CPU_CARD).await;
    let start = tokio::time::Instant::now();
    let no_card = |refused: &Refused| matches!(refused, Refused::PowerUp(fault) if fault.kind == FaultKind::NoCard);
    assert!(no_card(&bench.slot.power_up(1).await.unwrap_err()));
    assert!(no_card(&bench.slot.command(1, COMMAND.to_vec()).await.unwrap_err()));
    assert!(no_card(&bench.slot.cold_reset(1).await.unwrap_err()));
    let batch = bench.slot.batch(1, vec![COMMAND.to_vec()]).await;
    assert!(batch.results.is_empty());
    assert!(matches!(&batch.end, BatchEnd::Refused(refused) if no_card(refused)));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(bench.world.log().is_empty());
    assert_eq!(bench.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_command_powers_the_card_up_first() {
    let bench = Bench::with_card().await;
    let answer = bench.slot.command(1, COMMAND.to_vec()).await;
    assert_eq!(answer, Ok(vec![0x90, 0x00]));
    assert_eq!(bench.world.log(), ["connect AsItIs", "begin", "0084000008", "end"]);
    assert_eq!(bench.count("commands"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_cannot_be_powered_is_told_as_that_and_an_exchange_that_fails_as_that() {
    let bench = Bench::with_card().await;
    bench.world.fail_connect(FaultKind::Mute);
    let refused = bench.slot.command(1, COMMAND.to_vec()).await;
    assert_eq!(refused, Err(powered_up(FaultKind::Mute)));
    bench.world.put(ATR, |_| Err(fault(FaultKind::Reset)));
    settle().await;
    let refused = bench.slot.command(1, COMMAND.to_vec()).await;
    assert_eq!(refused, Err(Refused::Exchange(fault(FaultKind::Reset))));
    bench.world.fail_transact(FaultKind::Occupied);
    let refused = bench.slot.command(1, COMMAND.to_vec()).await;
    assert_eq!(refused, Err(Refused::Exchange(fault(FaultKind::Occupied))));
    assert_eq!(bench.count("occupied"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_status_word_of_a_command_is_not_judged() {
    let bench = Bench::new(CPU_CARD).await;
    bench.world.put(ATR, |_| Ok(vec![0x6A, 0x82]));
    assert_eq!(bench.slot.command(1, COMMAND.to_vec()).await, Ok(vec![0x6A, 0x82]));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_transaction() {
    let bench = Bench::with_card().await;
    let batch = bench.slot.batch(1, vec![vec![0, 1, 0, 0], vec![0, 2, 0, 0]]).await;
    assert_eq!(batch.end, BatchEnd::Done);
    assert_eq!(batch.results, [[0x90, 0x00], [0x90, 0x00]]);
    assert_eq!(bench.world.log(), ["connect AsItIs", "begin", "00010000", "00020000", "end"]);
    assert_eq!(bench.count("batches"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_stops_at_the_first_status_word_but_9000_and_keeps_it() {
    let bench = Bench::new(CPU_CARD).await;
    bench.world.put(ATR, |command| Ok(vec![if command[1] == 2 { 0x6A } else { 0x90 }, 0x00]));
    let batch = bench.slot.batch(1, (1..4).map(|ins| vec![0, ins, 0, 0]).collect()).await;
    assert_eq!(batch.end, BatchEnd::StatusWord);
    assert_eq!(batch.results, [[0x90, 0x00], [0x6A, 0x00]]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_exchange_fails_keeps_what_came_before() {
    let bench = Bench::new(CPU_CARD).await;
    bench.world.put(ATR, |command| match command[1] {
        2 => Err(fault(FaultKind::Removed)),
        _ => Ok(vec![0x90, 0x00]),
    });
    let batch = bench.slot.batch(1, (1..4).map(|ins| vec![0, ins, 0, 0]).collect()).await;
    assert_eq!(batch.end, BatchEnd::Refused(Refused::Exchange(fault(FaultKind::Removed))));
    assert_eq!(batch.results, [[0x90, 0x00]]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_powers_the_card_up_and_sends_nothing() {
    let bench = Bench::with_card().await;
    let batch = bench.slot.batch(1, Vec::new()).await;
    assert_eq!(batch, Batch { results: Vec::new(), end: BatchEnd::Done });
    assert_eq!(bench.world.log(), ["connect AsItIs"]);
}

#[tokio::test(start_paused = true)]
async fn resets_by_others_are_counted_and_the_commands_go_on() {
    let bench = Bench::with_card().await;
    bench.slot.power_up(1).await.unwrap();
    bench.world.others_reset();
    assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_ok());
    assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_ok());
    assert_eq!(bench.count("resetsByOthers"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cold_reset_gives_the_atr() {
    let bench = Bench::with_card().await;
    assert_eq!(bench.slot.cold_reset(1).await, Ok(ATR.to_vec()));
    assert_eq!(bench.world.log(), ["connect Cold"]);
    assert_eq!(bench.slot.cold_reset(1).await, Ok(ATR.to_vec()));
    assert_eq!(bench.world.log(), ["connect Cold"]);
    assert_eq!(bench.count("coldResets"), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_are_carried_out_in_the_order_in_which_they_were_made() {
    let bench = Bench::with_card().await;
    // In the queue by the call; the order in which the answers are waited for does not count.
    let first = bench.slot.command(1, vec![0, 1, 0, 0]);
    let second = bench.slot.batch(2, vec![vec![0, 2, 0, 0]]);
    let third = bench.slot.command(1, vec![0, 3, 0, 0]);
    assert!(third.await.is_ok());
    assert_eq!(second.await.end, BatchEnd::Done);
    assert!(first.await.is_ok());
    let sent: Vec<_> =
        bench.world.log().into_iter().filter(|line| line.starts_with("00")).collect();
    assert_eq!(sent, ["00010000", "00020000", "00030000"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_begun_is_carried_to_its_end_and_one_that_has_not_is_left_out() {
    let bench = Bench::with_card().await;
    let begun = bench.slot.batch(1, vec![vec![0, 1, 0, 0], vec![0, 2, 0, 0]]);
    let waiting = bench.slot.command(2, vec![0, 3, 0, 0]);
    settle().await;
    drop((begun, waiting));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.world.log(), ["connect AsItIs", "begin", "00010000", "00020000", "end"]);
}

#[tokio::test(start_paused = true)]
async fn the_65th_request_that_waits_is_refused_when_it_is_made() {
    let bench = Bench::with_card().await;
    bench.world.takes(Duration::from_secs(1));
    let under_way = bench.slot.command(1, COMMAND.to_vec());
    settle().await;
    let waiting: Vec<_> = (0..64).map(|_| bench.slot.command(1, COMMAND.to_vec())).collect();
    let start = tokio::time::Instant::now();
    assert_eq!(bench.slot.command(2, COMMAND.to_vec()).await, Err(Refused::QueueFull));
    let batch = bench.slot.batch(2, Vec::new()).await;
    assert_eq!(batch.end, BatchEnd::Refused(Refused::QueueFull));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(under_way.await.is_ok());
    // There is room again.
    let last = bench.slot.command(2, COMMAND.to_vec());
    for answer in waiting {
        assert!(answer.await.is_ok());
    }
    assert!(last.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_release_finds_its_place_in_a_full_queue() {
    let bench = Bench::with_card().await;
    let requests: Vec<_> = (0..64).map(|_| bench.slot.command(1, COMMAND.to_vec())).collect();
    bench.slot.release(1);
    bench.slot.release(1);
    for answer in requests {
        assert!(answer.await.is_ok());
    }
    settle().await;
    assert_eq!(bench.world.log().last().unwrap(), "disconnect Unpower");
}

#[tokio::test(start_paused = true)]
async fn when_the_task_is_dropped_nobody_waits_for_ever() {
    let bench = Bench::with_card().await;
    bench.world.takes(Duration::from_secs(30));
    let under_way = bench.slot.command(1, COMMAND.to_vec());
    let waiting = bench.slot.power_up(2);
    settle().await;
    bench.task.abort();
    assert!(matches!(under_way.await, Err(Refused::PowerUp(_))));
    assert!(matches!(waiting.await, Err(Refused::PowerUp(_))));
    assert!(matches!(bench.slot.cold_reset(3).await, Err(Refused::PowerUp(_))));
}

#[tokio::test(start_paused = true)]
async fn what_a_card_says_is_not_printed() {
    let bench = Bench::new(CPU_CARD).await;
    bench.world.put(ATR, |_| Ok(vec![0xAB, 0xCD, 0x90, 0x00]));
    let batch = bench.slot.batch(1, vec![COMMAND.to_vec()]).await;
    let printed = format!("{batch:?}").to_lowercase();
    assert!(!printed.contains("171") && !printed.contains("ab"), "{printed}");
}
