//! The microphone's live channel: the real driver on a sound card of files, and listeners that compare
//! every sample with what was said.

#[expect(dead_code, reason = "the bridge's own tests use all of it")]
#[expect(clippy::expect_used, clippy::panic, reason = "a missing tool ends this section")]
#[path = "../../tests/alsa/mod.rs"]
mod alsa;

pub(crate) mod bare;
mod listeners;
mod python;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::Value;

use self::alsa::SoundCard;
use self::listeners::{CHUNK, FRAME, Form, Heard, Listeners, Said};
use self::python::Python;
use super::client::{Client, Transport};
use super::kernel::{now, processor_time};
use super::process::{Bridge, Floor, LIMIT};
use super::report::{Report, Row, Target};
use super::samples::Pairs;
use crate::{Effort, Outcome};

/// The report's words.
pub(crate) const ONE_AND_MANY: &str = "microphone, one listener and many";

/// The report's words.
pub(crate) const PROCESSOR: &str = "microphone, processor time of 50 listeners";

/// The report's words.
pub(crate) const STALLED: &str = "microphone, one of 50 listeners stalls";

/// As many as have a target.
const MANY: usize = 50;

/// Samples that may be lost.
const LOST: Target = Target::Measured(0.0);

/// Milliseconds that an event may come after its sound: one chunk.
const LATE: Target = Target::Measured(40.0);

/// Per cent of one processor, for many listeners.
const SHARE: Target = Target::Measured(10.0);

/// Processor time over that of the bridge in Python.
const PYTHON: Target = Target::Ratio(0.25);

/// Processor time of the longer form over that of the other.
const BYTES: Target = Target::Ratio(3.0);

/// The others' lateness while one listener stalls, over what it is without that one.
const OTHERS: Target = Target::Ratio(1.1);

/// Rounds of processor time, which differs little.
const ROUNDS: usize = 5;

/// Listened to before anything counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// What is said beyond what is measured: starting takes a while on a busy machine.
const MARGIN: Duration = Duration::from_secs(15);

/// How long a change of who listens takes, with ample room.
const CHANGE: Duration = Duration::from_millis(200);

/// The receive buffer of a listener that stalls, so that it does so soon.
const SMALL: usize = 4096;

/// One and many listeners for a minute each.
pub(crate) fn one_and_many(effort: Effort, report: &mut Report) -> Outcome<()> {
    let said = Arc::new(Said::of(effort.sound + MARGIN));
    for count in [1, MANY] {
        let mut room = Room::new(&said)?;
        let mut listeners = room.listeners(Transport::WebSocket, Form::Base64, count)?;
        let While { heard, share } = measure(room.bridge.id(), &mut listeners, effort.sound)?;
        let names = if count == 1 { "1 listener".to_owned() } else { format!("{count} listeners") };
        let lost = row_of_lost(format!("{names}: samples lost"), heard.lost + room.lost()?);
        let note = format!("{} events, compared sample by sample", heard.events());
        report.push(ONE_AND_MANY, lost.note(note));
        let late = heard.late();
        for (name, hundredths) in [("p50", 50), ("p99", 99)] {
            let what = format!("{names}: event after its sound, {name}");
            let row = Row::figure(what, "ms", late.percentile(hundredths) / 1e3);
            report.push(ONE_AND_MANY, if hundredths == 99 { row.target(LATE) } else { row });
        }
        let row = Row::figure(format!("{names}: of one processor"), "%", share);
        report.push(ONE_AND_MANY, if count == MANY { row.target(SHARE) } else { row });
    }
    Ok(())
}

/// The processor time that many listeners take: beside a program that does nothing else, in both forms,
/// over both kinds of sockets, and beside a bridge in Python.
pub(crate) fn processor(effort: Effort, report: &mut Report) -> Outcome<()> {
    let said = Arc::new(Said::of(effort.turn + MARGIN));
    let python = Python::find();
    let [mut bare, mut bytes, mut unix, mut peer, mut least] = <[Pairs; 5]>::default();
    let mut lost = 0;
    for _ in 0..ROUNDS {
        let mut of = |transport, form| {
            let mut room = Room::new(&said)?;
            let mut listeners = room.listeners(transport, form, MANY)?;
            let measured = measure(room.bridge.id(), &mut listeners, effort.turn)?;
            lost += measured.heard.lost + room.lost()?;
            Outcome::Ok(measured.share)
        };
        let text = of(Transport::WebSocket, Form::Base64)?;
        bytes.push(of(Transport::WebSocket, Form::Bytes)?, text);
        unix.push(of(Transport::Unix, Form::Base64)?, text);
        let floor = beside(&said, effort.turn, |card| {
            let mut floor = Floor::sound(MANY, card)?;
            Ok((floor.id(), connected(|| floor.connect())?, floor))
        })?;
        bare.push(text, floor);
        if let Ok(python) = &python {
            let python = beside(&said, effort.turn, |card| {
                let mut peer = python.start(card)?;
                Ok((peer.id(), connected(|| peer.connect())?, peer))
            })?;
            peer.push(text, python);
            least.push(floor, python);
        }
    }
    let row = Row::pairs("websocket, base64", "%", &bare).target(SHARE);
    report.push(PROCESSOR, row.note("floor: a program that does nothing else"));
    let row = Row::pairs("websocket, bytes, beside base64", "%", &bytes);
    report.push(PROCESSOR, row.target(BYTES));
    report.push(PROCESSOR, Row::pairs("unix, base64, beside websocket", "%", &unix));
    report.push(PROCESSOR, row_of_lost("samples lost in all turns", lost));
    match python {
        Ok(_) => {
            let least = least.ratio().median;
            let row = Row::pairs("websocket, base64, beside a bridge in Python", "%", &peer);
            let note = format!("the program that does nothing else has {least:.2} of Python's");
            report.push(PROCESSOR, row.target(PYTHON).note(note));
        }
        Err(error) => report.not_measured(PROCESSOR, &format!("a bridge in Python: {error}")),
    }
    Ok(())
}

/// As many listeners as have a target.
fn connected(connect: impl FnMut() -> Outcome<Client>) -> Outcome<Vec<Client>> {
    std::iter::repeat_with(connect).take(MANY).collect()
}

/// What another program takes, in per cent of one processor. `start` starts it, with the card in its
/// environment: its process, its listeners, and what keeps it running.
fn beside<P>(
    said: &Arc<Said>,
    time: Duration,
    start: impl FnOnce((&str, &Path)) -> Outcome<(u32, Vec<Client>, P)>,
) -> Outcome<f64> {
    let card = Card::new(said);
    let (variable, file) = card.0.environment();
    let (process, clients, _running) = start((variable, &file))?;
    let mut listeners = card.heard_by(Listeners::start(clients, Form::Base64, said)?)?;
    let measured = measure(process, &mut listeners, time)?;
    if measured.heard.lost > 0 {
        return Err("what stands beside the bridge loses sound".into());
    }
    Ok(measured.share)
}

/// What the others have of one that does not read any more.
pub(crate) fn stalled(effort: Effort, report: &mut Report) -> Outcome<()> {
    let turns = u32::try_from(2 * effort.rounds)?;
    let said = Arc::new(Said::of((effort.turn + CHANGE) * turns + 4 * MARGIN));
    let mut room = Room::new(&said)?;
    let mut listeners = room.listeners(Transport::WebSocket, Form::Base64, MANY - 1)?;
    let mut stalling = Stalling::start(&mut room)?;
    let [mut p50, mut p99] = <[Pairs; 2]>::default();
    let mut lost = 0;
    for round in 0..effort.rounds {
        let mut figures = [[0.0; 2]; 2];
        for stalls in [round % 2 == 0, round % 2 == 1] {
            stalling.listens(stalls)?;
            listeners.hear(CHANGE)?;
            let before = room.dropped()?;
            let heard = listeners.hear(effort.turn)?;
            if (room.dropped()? > before) != stalls {
                return Err("what should stall does not, or what should not does".into());
            }
            lost += heard.lost;
            let late = heard.late();
            figures[usize::from(stalls)] = [late.percentile(50), late.percentile(99)];
        }
        let [without, with] = figures;
        p50.push(with[0] / 1e3, without[0] / 1e3);
        p99.push(with[1] / 1e3, without[1] / 1e3);
    }
    report.push(STALLED, Row::pairs("the others' events after their sound, p50", "ms", &p50));
    let row = Row::pairs("the others' events after their sound, p99", "ms", &p99);
    report.push(STALLED, row.target(OTHERS));
    report.push(STALLED, row_of_lost("samples lost to the others", lost));
    Ok(())
}

fn row_of_lost(what: impl Into<String>, samples: usize) -> Row {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Row::figure(what, "", samples as f64).target(LOST)
}

/// What a while of listening came to.
struct While {
    heard: Heard,
    /// Per cent of one processor that the process took.
    share: f64,
}

fn measure(process: u32, listeners: &mut Listeners, time: Duration) -> Outcome<While> {
    listeners.hear(WARM_UP)?;
    let (began, before) = (now(), processor_time(process)?);
    let heard = listeners.hear(time)?;
    let taken = (processor_time(process)? - before).as_secs_f64();
    Ok(While { heard, share: taken / (now() - began).as_secs_f64() * 100.0 })
}

/// A sound card that hears what is said.
struct Card(SoundCard);

impl Card {
    fn new(said: &Said) -> Self {
        let card = SoundCard::new();
        card.hears(&said.samples());
        Self(card)
    }

    /// The same listeners, who know when it began to hear: a moment after a bridge has said to the
    /// first of them that it does.
    fn heard_by(&self, listeners: Listeners) -> Outcome<Listeners> {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(began) = self.0.began() {
                return Ok(listeners.began(began));
            }
            if Instant::now() > until {
                return Err("a bridge says that it hears, and does not".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A bridge and the card that it hears.
struct Room {
    bridge: Bridge,
    card: Card,
    said: Arc<Said>,
}

impl Room {
    fn new(said: &Arc<Said>) -> Outcome<Self> {
        let card = Card::new(said);
        let (variable, file) = card.0.environment();
        let mut bridge = Bridge::with_microphone((variable, &file))?;
        bridge.ready(&["microphone"])?;
        Ok(Self { bridge, card, said: Arc::clone(said) })
    }

    /// So many listeners, the first that the card has.
    fn listeners(&mut self, transport: Transport, form: Form, count: usize) -> Outcome<Listeners> {
        let clients = (0..count).map(|_| self.bridge.connect(transport)).collect::<Outcome<_>>()?;
        self.card.heard_by(Listeners::start(clients, form, &self.said)?)
    }

    /// Samples that the driver knows to be lost, and whole events that were dropped.
    fn lost(&mut self) -> Outcome<usize> {
        let status = self.status()?;
        let gaps = status["devices"].as_array().into_iter().flatten();
        let gaps = gaps.filter_map(|device| device["counters"]["lostFrames"].as_u64()).sum::<u64>();
        let dropped = self.dropped()?;
        Ok(usize::try_from(gaps)? + usize::try_from(dropped)? * CHUNK / FRAME)
    }

    /// Events that were dropped for slow listeners so far.
    fn dropped(&mut self) -> Outcome<u64> {
        let status = self.status()?;
        let events = status["dropped"]["streamEvents"].as_u64();
        Ok(events.ok_or_else(|| format!("no word of what was dropped: {status}"))?)
    }

    fn status(&mut self) -> Outcome<Value> {
        let mut reply = self.bridge.connect(Transport::Unix)?.ask(r#"{"call":"bridge.status"}"#)?;
        Ok(reply["res"]["data"].take())
    }
}

/// A listener that stopped reading long ago.
struct Stalling(Client);

impl Stalling {
    /// Ends when the bridge has begun to drop its events. It is said to listen then.
    fn start(room: &mut Room) -> Outcome<Self> {
        let client = room.bridge.connect(Transport::WebSocket)?;
        set_socket_recv_buffer_size(&client, SMALL)?;
        let mut this = Self(client);
        // The longer form fills the sockets' buffers sooner.
        this.say(&Form::Bytes.start())?;
        let until = Instant::now() + MARGIN * 2;
        while room.dropped()? == 0 {
            if Instant::now() > until {
                return Err("the kernel takes all that a listener does not read".into());
            }
            std::thread::sleep(CHANGE);
        }
        Ok(this)
    }

    /// Lets it be a listener, or none; what was to be written to it before still is.
    fn listens(&mut self, listens: bool) -> Outcome<()> {
        let stop = r#"{"action":"stopMicrophoneListener","event":"open","taskId":"m"}"#;
        if listens { self.say(&Form::Base64.start()) } else { self.say(stop) }
    }

    fn say(&mut self, request: &str) -> Outcome<()> {
        let frame = self.0.frame(request);
        Ok(self.0.send(&frame)?)
    }
}
