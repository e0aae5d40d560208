//! Cards over PC/SC: the bridge beside the `pcsc` crate itself ([`super::direct`]), on a real pcscd
//! of its own with the tests' readers, and a card that is a thread of this process.

#[expect(dead_code, unused_imports, reason = "the port's own tests use all of it")]
#[expect(clippy::expect_used, clippy::panic, reason = "a missing tool ends this section")]
#[path = "../../tests/pcscd/mod.rs"]
mod pcscd;

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use self::pcscd::{FarCard, Pcscd, Reply};
use super::client::{Client, Transport};
use super::direct::COMMAND;
use super::kernel::{Placement, Processors, memory, now, switches};
use super::process::{Bridge, Floor, LIMIT};
use super::report::{Report, Row, Target};
use super::samples::{Pairs, Turn, in_turns, range};
use crate::{Effort, Outcome};

/// The report's words.
pub(crate) const GROUP: &str = "cards, beside the pcsc crate on the same pcscd and card";

/// What one command may cost more than begin, transmit and end by oneself, in microseconds.
const MORE: Target = Target::Measured(30.0);

/// The same where the card takes five milliseconds.
const SLOW_CARD: Target = Target::Ratio(1.05);

/// A batch over as many commands by oneself.
const BATCH: Target = Target::Ratio(1.1);

/// Milliseconds from PC/SC's own notification to the event at the client.
const EVENT: Target = Target::Measured(2.0);

/// A minute, while an empty reader is polled: one a second would be a loop that looks.
const WAKES: Target = Target::Measured(60.0);

/// Commands in a batch.
const COMMANDS: usize = 20;

/// A contactless reader and one with two SAM slots, as kiosks have them.
const READERS: [(&str, usize); 2] = [("Example CL Contactless", 1), ("Example Dual SAM", 2)];

/// The contactless one's index.
const CONTACTLESS: usize = 0;

const SECTIONS: &str = "[cpu_card]\ndriver = \"pcsc\"\nreader = \"*Contactless*\"\n\
    [psam]\ndriver = \"pcsc\"\nslots = [\"*SAM* 00\", \"*SAM* 01\"]\n";

/// The contactless form of PC/SC part 3 without historical bytes, and an ATS that fits it.
const ATR: [u8; 5] = [0x3B, 0x80, 0x80, 0x01, 0x01];
const ATS: [u8; 2] = [0x02, 0x00];

/// A contact card of T=0 without historical bytes.
const SAM_ATR: [u8; 2] = [0x3B, 0x00];

/// Before the first round.
const WARM_UP: usize = 100;

/// The bridge looks twice for readers that come slot by slot, a second apart, before it sleeps for
/// long.
const SETTLE: Duration = Duration::from_secs(4);

/// Measures times, memory and wake-ups.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Outcome<()> {
    // The tests' readers panic if they cannot be started; that is the end of this section only.
    let measured = panic::catch_unwind(AssertUnwindSafe(|| all(effort, report)));
    measured.unwrap_or_else(|panic| Err(words(panic.as_ref()).into()))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

fn all(effort: Effort, report: &mut Report) -> Outcome<()> {
    let processors = Processors::of_this_process()?;
    // Everything that is started from here on, pcscd and the card too, is where this process is.
    processors.place(Placement::Pinned, &[])?;
    let service = Pcscd::start(&READERS);
    resident(report, &service)?;
    exchanges(effort, report, &service)?;
    put_down(effort, report, &service)?;
    drop(processors);
    wake_ups(effort, report, &service)
}

/// What the bridge holds, without and with sessions.
fn resident(report: &mut Report, service: &Pcscd) -> Outcome<()> {
    let mut bridge = Bridge::with_readers(SECTIONS, &service.socket())?;
    bridge.ready(&["cpu_card", "psam"])?;
    let mut tell = |what: &str, bridge: &Bridge| {
        let resident = memory(bridge.id())?.resident;
        report.push(GROUP, Row::figure(format!("RSS, three slots, {what}"), "KB", resident));
        Outcome::Ok(())
    };
    tell("no session", &bridge)?;
    let card = Card::put(service);
    let _sams = [0, 1].map(|slot| {
        let answer = Box::new(|_: &[u8]| Reply::Bytes(vec![0x90, 0x00]));
        FarCard::insert(&service.slot_socket(1, slot), &SAM_ATR, answer)
    });
    let mut client = session(&mut bridge)?;
    tell("a session with one", &bridge)?;
    for slot in [1, 2] {
        until(&mut client, &request("psamCardColdReset", &format!(r#"{{"slot":{slot}}}"#)))?;
    }
    tell("sessions with all", &bridge)?;
    drop(card);
    Ok(())
}

/// Single commands and batches.
fn exchanges(effort: Effort, report: &mut Report, service: &Pcscd) -> Outcome<()> {
    let card = Card::put(service);
    let mut bridge = Bridge::with_readers(SECTIONS, &service.socket())?;
    let mut direct = Floor::direct(&service.name(CONTACTLESS, 0), &service.socket())?;
    let mut sides = [Side::Bridge(session(&mut bridge)?), Side::Direct(direct.connect()?)];
    let rounds = effort.rounds;

    let pairs = compare(rounds, &mut sides, Shape::ONE, effort.trips)?;
    let difference = pairs.difference();
    report.push(GROUP, Row::pairs("one command p50", "µs", &pairs).placed("pinned"));
    let row = Row::figure("one command p50, what the bridge adds", "µs", difference.median);
    let note = format!("round by round {:.1} to {:.1}", difference.min, difference.max);
    report.push(GROUP, row.placed("pinned").target(MORE).note(note));

    let batches = effort.trips / COMMANDS;
    let row = |pairs: &Pairs, note: &str| {
        let row = Row::pairs(format!("batch of {COMMANDS} p50"), "µs", pairs);
        row.placed("pinned").note(format!("floor: {note}"))
    };
    let pairs = compare(rounds, &mut sides, Shape::TOGETHER, batches)?;
    report.push(GROUP, row(&pairs, "one transaction").target(BATCH));
    let pairs = compare(rounds, &mut sides, Shape::SEPARATELY, batches)?;
    report.push(GROUP, row(&pairs, "a transaction a command"));
    sides[1].has_threads()?;
    let pairs = compare(rounds, &mut sides, Shape::TOGETHER, batches)?;
    report.push(GROUP, row(&pairs, "one transaction, in a program with a second thread"));

    card.takes(Duration::from_millis(5));
    let pairs = compare(rounds, &mut sides, Shape::ONE, effort.trips / 40)?;
    let row = Row::pairs("one command p50, card takes 5 ms", "µs", &pairs).placed("pinned");
    report.push(GROUP, row.target(SLOW_CARD));
    Ok(())
}

/// From PC/SC's notification of a card to the event at a client.
fn put_down(effort: Effort, report: &mut Report, service: &Pcscd) -> Outcome<()> {
    let mut bridge = Bridge::with_readers(SECTIONS, &service.socket())?;
    let mut client = polling(&mut bridge)?;
    let mut direct = Floor::direct(&service.name(CONTACTLESS, 0), &service.socket())?;
    let mut direct = direct.connect()?;
    let mut later = Vec::with_capacity(effort.starts);
    for _ in 0..effort.starts {
        let empty = direct.ask("await")?;
        if empty != "empty" {
            return Err(format!("the floor: {empty}").into());
        }
        let _card = Card::put(service);
        let event: Value = serde_json::from_slice(client.receive()?)?;
        let told = now();
        if event["data"]["nfc_cardInfo"] != "0200" {
            return Err(format!("an odd event: {event}").into());
        }
        let notified = Duration::from_nanos(serde_json::from_slice(direct.receive()?)?);
        later.push((told.as_secs_f64() - notified.as_secs_f64()) * 1e3);
    }
    let later = range(later.into_iter());
    let what = "card put down: event − PC/SC's notification";
    let row = Row::figure(format!("{what}, median"), "ms", later.median);
    report.push(GROUP, row.placed("pinned").target(EVENT));
    report.push(GROUP, Row::figure(format!("{what}, slowest"), "ms", later.max).placed("pinned"));
    Ok(())
}

/// What polling costs where no card lies.
fn wake_ups(effort: Effort, report: &mut Report, service: &Pcscd) -> Outcome<()> {
    let mut bridge = Bridge::with_readers(SECTIONS, &service.socket())?;
    let _client = polling(&mut bridge)?;
    let mut direct = Floor::direct(&service.name(CONTACTLESS, 0), &service.socket())?;
    direct.connect()?.ask("sleep")?;
    thread::sleep(SETTLE);
    let count = || Outcome::Ok([switches(bridge.id())?, switches(direct.id())?]);
    let before = count()?;
    thread::sleep(effort.idle);
    let after = count()?;
    let a_minute = 60.0 / effort.idle.as_secs_f64();
    let [polls, sleeps] = [0, 1].map(|side| (after[side] - before[side]) * a_minute);
    let row = Row::figure("wake-ups while polling an empty reader", "/min", polls).beside(sleeps);
    let row = row.target(WAKES).note("floor: SCardGetStatusChange and nothing else");
    report.push(GROUP, row);
    Ok(())
}

/// A side of a comparison.
enum Side {
    Bridge(Client),
    Direct(Client),
}

/// How commands are sent.
#[derive(Clone, Copy)]
struct Shape {
    commands: usize,
    /// In how many transactions by oneself. The bridge makes one of them.
    transactions: usize,
}

impl Shape {
    const ONE: Self = Self { commands: 1, transactions: 1 };
    const TOGETHER: Self = Self { commands: COMMANDS, transactions: 1 };
    const SEPARATELY: Self = Self { commands: COMMANDS, transactions: COMMANDS };
}

fn compare(rounds: usize, sides: &mut [Side; 2], shape: Shape, times: usize) -> Outcome<Pairs> {
    for side in &mut *sides {
        side.turn(shape, WARM_UP / shape.commands)?;
    }
    let mut pairs = Pairs::default();
    for [bridge, direct] in in_turns(rounds, sides, |side| side.turn(shape, times))? {
        pairs.push(bridge.percentile(50), direct.percentile(50));
    }
    Ok(pairs)
}

impl Side {
    /// A direct side has more than one thread from now on, as the bridge has.
    fn has_threads(&mut self) -> Outcome<()> {
        if let Self::Direct(client) = self {
            client.ask("thread")?;
        }
        Ok(())
    }

    fn turn(&mut self, shape: Shape, times: usize) -> Outcome<Turn> {
        match self {
            Self::Bridge(client) => through_bridge(client, shape.commands, times),
            Self::Direct(client) => {
                let Shape { commands, transactions } = shape;
                let (times, commands) = (times * transactions, commands / transactions);
                let taken = client.ask(&format!("transact {times} {commands}"))?;
                let taken: Vec<u64> = serde_json::from_value(taken)?;
                let sums = taken.chunks(transactions).map(|part| part.iter().sum());
                Ok(Turn::new(sums.map(Duration::from_nanos).collect()))
            }
        }
    }
}

fn through_bridge(client: &mut Client, commands: usize, times: usize) -> Outcome<Turn> {
    let command = hex(&COMMAND);
    let answer = format!("\"{}\"", hex(&[&COMMAND[..], &[0x90, 0x00]].concat()));
    let (action, params) = if commands == 1 {
        ("sendCPUCardCommand", format!(r#"{{"commandApdu":"{command}","type":1}}"#))
    } else {
        let all = vec![format!("\"{command}\""); commands].join(",");
        ("sendCPUCardApduCommands", format!(r#"{{"commandApdus":[{all}],"type":"1"}}"#))
    };
    let frame = client.frame(&request(action, &params));
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        client.send(&frame)?;
        let reply = client.receive()?;
        taken.push(began.elapsed());
        let reply = String::from_utf8_lossy(reply);
        if reply.matches(&answer).count() != commands {
            return Err(format!("an odd reply: {reply}").into());
        }
    }
    Ok(Turn::new(taken))
}

fn request(action: &str, params: &str) -> String {
    format!(r#"{{"action":"{action}","event":"open","taskId":"15","params":{params}}}"#)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A card on the contactless reader, which answers each command with itself and 9000.
struct Card {
    _card: FarCard,
    takes: Arc<AtomicU64>,
}

impl Card {
    fn put(service: &Pcscd) -> Self {
        let takes = Arc::new(AtomicU64::new(0));
        let pause = Arc::clone(&takes);
        let answer = Box::new(move |command: &[u8]| {
            let answer = match command {
                [0xFF, 0xCA, 0x01, ..] => &ATS,
                _ => command,
            };
            let answer = [answer, &[0x90, 0x00]].concat();
            match pause.load(Ordering::Relaxed) {
                0 => Reply::Bytes(answer),
                pause => Reply::After(Duration::from_micros(pause), answer),
            }
        });
        let slot = service.slot_socket(CONTACTLESS, 0);
        Self { _card: FarCard::insert(&slot, &ATR, answer), takes }
    }

    /// From now on it thinks so long before each answer.
    fn takes(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.takes.store(micros, Ordering::Relaxed);
    }
}

/// A client that has a session with the card on the contactless reader.
fn session(bridge: &mut Bridge) -> Outcome<Client> {
    let mut client = bridge.connect(Transport::Unix)?;
    until(&mut client, &request("readOnceCPUCardInfo", "{}"))?;
    Ok(client)
}

/// Asks until what is told is of a card, and not a code.
fn until(client: &mut Client, request: &str) -> Outcome<()> {
    let give_up = Instant::now() + LIMIT;
    loop {
        let reply = client.ask(request)?;
        let told = ["nfc_cardInfo", "nfc_resultInfo"].map(|name| reply["data"][name].as_str());
        if told.into_iter().flatten().any(|told| !told.starts_with('-')) {
            return Ok(());
        }
        if Instant::now() > give_up {
            return Err(format!("no card: {reply}").into());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A client for which cards are polled; of the same card it hears once a minute.
fn polling(bridge: &mut Bridge) -> Outcome<Client> {
    bridge.ready(&["cpu_card"])?;
    let mut client = bridge.connect(Transport::Unix)?;
    let reply = client.ask(&request("startCPUCardLoopRead", r#"{"intervalTime":60000}"#))?;
    if reply["success"] == true { Ok(client) } else { Err(format!("no polling: {reply}").into()) }
}
