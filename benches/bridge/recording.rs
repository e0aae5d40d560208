//! What recording costs: a bridge that records everything, personal data replaced, beside the same
//! bridge that does not.
//!
//! The recorder's part of a call is a push into a queue; the writer takes the queue at most every
//! 50 ms, replaces, encodes and appends, on a thread of its own. p50 shows the first, calls a
//! second and processor time both. After each turn the writer is waited for, so that it does not
//! work in the other's turn.
//!
//! A card is put on before `getIDCardInfo` is asked, outside of the measured time: the call finds
//! it at its first look, so that neither the poll interval nor the person is in the figure, but
//! all of the driver's exchanges with the reader are.

use std::fs;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::{Client, Transport};
use super::kernel::{Placement, Processors, processor_time};
use super::process::Bridge;
use super::report::{Report, Row, Target};
use super::samples::{Pairs, Turn, in_turns};
use crate::{Effort, Outcome};

/// The report's words.
pub(crate) const GROUP: &str = "recording, beside the same bridge without it";

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    DeviceInfo,
    IdCard,
}

/// Trips of each kind before the first round.
const WARM_UP: usize = 200;

/// Requests written in one go when pipelining: about 10 KB.
const BATCH: usize = 128;

/// Longer than the writer's pause between two batches.
const WRITERS_PAUSE: Duration = Duration::from_millis(60);

/// More than a question for the recorder's status takes, and far less than a busy writer takes
/// within its pause.
const NEXT_TO_NOTHING: Duration = Duration::from_millis(2);

/// Calls of each kind whose bytes on the disk are counted.
const COUNTED: usize = 200;

/// Measures both placements; then the disk.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Outcome<()> {
    let processors = Processors::of_this_process()?;
    let mut sides = [Side::start(true)?, Side::start(false)?];
    let ids = sides.each_ref().map(|side| side.bridge.id());
    for placement in Placement::ALL {
        processors.place(placement, &ids)?;
        for call in [Call::DeviceInfo, Call::IdCard] {
            trips(effort, &mut sides, call, placement, report)?;
        }
        pipelined(effort, &mut sides, placement, report)?;
    }
    drop(processors);
    disk(&mut sides[0], report)
}

/// p50 and p99 of one request at a time, and what each costs in the end.
fn trips(
    effort: Effort,
    sides: &mut [Side; 2],
    call: Call,
    placement: Placement,
    report: &mut Report,
) -> Outcome<()> {
    let count = call.trips(effort);
    for side in &mut *sides {
        side.trips(call, WARM_UP)?;
        side.settle()?;
    }
    let turns = in_turns(effort.rounds, sides, |side| {
        let before = processor_time(side.bridge.id())?;
        let turn = side.trips(call, count)?;
        side.settle()?;
        let cost = per_call(processor_time(side.bridge.id())? - before, count);
        Ok([turn.percentile(50), turn.percentile(99), cost])
    })?;
    let [p50, p99, cost] = pairs(turns);
    let name = call.name();
    let row = Row::pairs(format!("{name} p50"), "µs", &p50).placed(placement.word());
    let counts = matches!(placement, Placement::Pinned);
    report.push(GROUP, if counts { row.target(call.target()) } else { row });
    let row = Row::pairs(format!("{name} p99"), "µs", &p99);
    report.push(GROUP, row.placed(placement.word()));
    let row = Row::pairs(format!("{name}, processor time"), "µs", &cost);
    report.push(GROUP, row.placed(placement.word()));
    Ok(())
}

/// `getDeviceInfo` without waiting for replies: calls a second, and what each costs in the end.
fn pipelined(
    effort: Effort,
    sides: &mut [Side; 2],
    placement: Placement,
    report: &mut Report,
) -> Outcome<()> {
    let turns = in_turns(effort.rounds, sides, |side| side.pipelined(effort.pipelined))?;
    let [rate, cost] = pairs(turns);
    let name = Call::DeviceInfo.name();
    let row = Row::pairs(format!("{name} a second"), "/s", &rate);
    report.push(GROUP, row.placed(placement.word()));
    let row = Row::pairs(format!("{name}, processor time, pipelined"), "µs", &cost);
    report.push(GROUP, row.placed(placement.word()));
    Ok(())
}

/// Each figure of all turns.
fn pairs<const FIGURES: usize>(turns: Vec<[[f64; FIGURES]; 2]>) -> [Pairs; FIGURES] {
    let mut pairs: [Pairs; FIGURES] = std::array::from_fn(|_| Pairs::default());
    for [recorded, plain] in turns {
        for (pairs, (recorded, plain)) in pairs.iter_mut().zip(recorded.into_iter().zip(plain)) {
            pairs.push(recorded, plain);
        }
    }
    pairs
}

/// How much a call adds to a recording.
fn disk(recorded: &mut Side, report: &mut Report) -> Outcome<()> {
    recorded.record(r#"{"do":"stop"}"#)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    for call in [Call::DeviceInfo, Call::IdCard] {
        let name = call.name();
        recorded.record(&format!(r#"{{"do":"start","name":"{name}"}}"#))?;
        recorded.trips(call, COUNTED)?;
        recorded.record(r#"{"do":"stop"}"#)?;
        let bytes = recorded.bytes(name)? as f64 / COUNTED as f64;
        let row = Row::figure(format!("{name} on the disk"), "B", bytes);
        report.push(GROUP, row);
    }
    Ok(())
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::DeviceInfo => "getDeviceInfo",
            Self::IdCard => "getIDCardInfo",
        }
    }

    /// Of p50, pinned.
    fn target(self) -> Target {
        match self {
            Self::DeviceInfo => Target::Ratio(1.3),
            Self::IdCard => Target::Ratio(1.1),
        }
    }

    /// In a turn; a card takes a hundred times as long.
    fn trips(self, effort: Effort) -> usize {
        match self {
            Self::DeviceInfo => effort.trips,
            Self::IdCard => effort.trips / 10,
        }
    }

    /// All requests, and so all replies, are equally long.
    fn request(self, number: usize) -> String {
        let (name, number) = (self.name(), number % 1_000_000);
        format!(r#"{{"action":"{name}","event":"open","taskId":"{number:06}","params":{{}}}}"#)
    }
}

/// A bridge and who works it.
struct Side {
    bridge: Bridge,
    records: bool,
    /// Whose calls are measured.
    client: Client,
    /// Puts cards on, and looks after the recorder.
    hand: Client,
}

impl Side {
    fn start(records: bool) -> Outcome<Self> {
        let mut bridge = Bridge::with_recorder(records.then_some("bench"))?;
        bridge.ready(&["id_card"])?;
        let client = bridge.connect(Transport::Unix)?;
        let hand = bridge.connect(Transport::Unix)?;
        let mut side = Self { bridge, records, client, hand };
        side.settle()?;
        Ok(side)
    }

    fn trips(&mut self, call: Call, count: usize) -> Outcome<Turn> {
        let mut times = Vec::with_capacity(count);
        let mut length = 0;
        for number in 0..count {
            if call == Call::IdCard {
                self.hand_does("simulate", r#"{"device":"id_card","do":"put"}"#)?;
            }
            let frame = self.client.frame(&call.request(number));
            let began = Instant::now();
            self.client.send(&frame)?;
            let reply = self.client.receive()?;
            times.push(began.elapsed());
            check(reply, &mut length)?;
        }
        Ok(Turn::new(times))
    }

    /// Calls a second, and microseconds of processor time a call.
    fn pipelined(&mut self, count: usize) -> Outcome<[f64; 2]> {
        let request = |number| self.client.frame(&Call::DeviceInfo.request(number));
        let batch: Vec<u8> = (0..BATCH).flat_map(request).collect();
        let mut writer = self.client.writer()?;
        let batches = count / BATCH;
        let before = processor_time(self.bridge.id())?;
        let began = Instant::now();
        let writing =
            thread::spawn(move || (0..batches).try_for_each(|_| writer.write_all(&batch)));
        let mut length = 0;
        for _ in 0..batches * BATCH {
            check(self.client.receive()?, &mut length)?;
        }
        let time = began.elapsed();
        writing.join().map_err(|_| "the writing thread panicked")??;
        self.settle()?;
        let cost = processor_time(self.bridge.id())? - before;
        let count = batches * BATCH;
        Ok([1e6 / per_call(time, count), per_call(cost, count)])
    }

    /// Waits until what was recorded so far is on the disk: until the bridge has done next to
    /// nothing, and nothing has come to the recording, for longer than the writer's pause.
    fn settle(&mut self) -> Outcome<()> {
        let mut last = (None, Duration::ZERO);
        loop {
            let status = self.hand_does("record", r#"{"do":"status"}"#)?;
            if status["recording"] != self.records {
                return Err(format!("the recorder is not as it should be: {status}").into());
            }
            let now = (status["bytes"].as_u64(), processor_time(self.bridge.id())?);
            let before = std::mem::replace(&mut last, now);
            if before.0 == now.0 && now.1 - before.1 < NEXT_TO_NOTHING {
                return Ok(());
            }
            thread::sleep(WRITERS_PAUSE);
        }
    }

    fn record(&mut self, params: &str) -> Outcome<()> {
        self.hand_does("record", params).map(drop)
    }

    /// The bytes of a recording that are `client`'s and the reader's.
    fn bytes(&self, name: &str) -> Outcome<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.bridge.recordings().join(name))? {
            let path = entry?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let lines = file.starts_with("client-") || file.starts_with("port-");
            if lines && !fs::read_to_string(&path)?.contains("bridge.simulate") {
                bytes += fs::metadata(&path)?.len();
            }
        }
        Ok(bytes)
    }

    /// The data of a call of the bridge's own.
    fn hand_does(&mut self, call: &str, params: &str) -> Outcome<Value> {
        let request = format!(r#"{{"call":"bridge.{call}","params":{params}}}"#);
        let mut reply = self.hand.ask(&request)?;
        if reply["res"]["success"] != true {
            return Err(format!("bridge.{call}: {reply}").into());
        }
        Ok(reply["res"]["data"].take())
    }
}

/// All replies of a turn are equally long, and good.
fn check(reply: &[u8], length: &mut usize) -> Outcome<()> {
    if *length == 0 {
        *length = reply.len();
        let parsed: Value = serde_json::from_slice(reply)?;
        if parsed["success"] == true {
            return Ok(());
        }
    } else if reply.len() == *length {
        return Ok(());
    }
    Err(format!("an odd reply: {}", String::from_utf8_lossy(reply)).into())
}

/// Microseconds a call.
fn per_call(time: Duration, calls: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let calls = calls as f64;
    time.as_secs_f64() * 1e6 / calls
}
