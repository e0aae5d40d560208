//! What the bridge costs, beside the least that it could cost: `cargo bench --bench bridge`.
//!
//! It runs the real program (built with the release profile) with a configuration of its own in a
//! temporary folder, works it from outside as clients and devices do, and prints a table. Never
//! fails because of a figure: what is missed is shown as missed, what could not be measured says
//! why, and the exit code is 0. `-- --json` prints one JSON object instead; `-- --quick` takes
//! fewer samples, to see in CI that it runs: its figures mean little. `-- cards idle`: only the
//! sections in whose titles one of the words stands.
//!
//! # How to read it
//!
//! * **measured** is the bridge, **floor** a program that does nothing but the same I/O in the same
//!   run: this program started once more with `--floor`, a bare current-thread tokio server that
//!   parses a request, serialises a reply of the same length and writes it; for scans one that
//!   reads a pty and writes to a Unix socket. Bridge and floor take turns, round by round, so that
//!   what else the machine does meets both.
//! * **ratio** is made within each round; the median of the rounds stands there, the lowest and the
//!   highest behind it. For times lower is better, for calls a second higher. Microseconds of
//!   different machines or days do not compare; ratios do.
//! * **pinned**: client, bridge and floor run on one processor, so that it is their own work that
//!   is compared, steady to a few hundredths. **spread**: the client on one processor, bridge and
//!   floor on another; on a machine with nothing else to do both halt between the two halves of a
//!   round trip, and waking them costs more than either's work and hides it. That is what a user
//!   feels. Only pinned ratios have targets.
//! * **calls a second** are pipelined: written as fast as the socket takes them, all replies
//!   counted. Both sides write the replies of requests that came together in one go.
//! * **scans**: a pty hands bytes on by a worker of the kernel, which no pinning holds. Where it
//!   has to wake another processor it adds the same 50 to 90 µs to both sides, and the ratio comes
//!   nearer to 1; with the other processors busy it does not, and the ratio is the strictest.
//! * **RSS** is what the kernel counts as resident, program text and libraries included; RssAnon
//!   is the part that is no file. A client's share is the growth over 100 clients divided by 100;
//!   each client has done one call and then says nothing.
//! * **start** runs from before the process is made until a connect to the Unix socket succeeds,
//!   and until the first reply.
//! * **wake-ups** are context switches of all threads, as a rate per minute, while nobody wants
//!   anything. Floor: an idle tokio server. Ptys stand for the real drivers' ports.
//! * **cards**: a pcscd of the bench's own, with the tests' readers and a card that answers at once,
//!   or after 5 ms. Floor: this program once more, which calls the `pcsc` crate and nothing else: a
//!   command is begin, transmit, end. Client, bridge, floor, pcscd and card share one processor.
//!   Batches stand beside three floors: one transaction; a transaction a command; one transaction
//!   in a program that has a second thread, which by itself makes each of the library's system
//!   calls dearer. `card put down` is the time between a notification of PC/SC in a program that
//!   does nothing else and the event at a client, in which the bridge has read the card. Polling's
//!   floor waits as long as the bridge's thread does, without listing the readers each time.
//! * **receipts**: from before a request is written to the last byte that a pty gets, which takes all
//!   at once, so that it is the bridge's work and not a printer's; the journal is on disk. Floor: a
//!   process of python-escpos that has loaded all it needs, sets the same lines with Pillow in the same
//!   face and writes them to a pty of its own. Cold: a new bridge, and the kernel is told to forget the
//!   fonts' files before each. Layout alone is in this process.
//! * **second screen**: Xorg with the dummy driver. From before the request is written to the reply, which
//!   comes when the server has drawn the picture. Floor: this program, which decodes the same file with
//!   `image` and puts it into a window of its own. Both have done so once before it counts.
//! * **recording**: both sides are the bridge here, one with `--record`, everything replaced, and
//!   the floor without. A card lies there already when `getIDCardInfo` is asked, so that the figure
//!   is the driver's work and not a person's; the simulated reader reads in the smallest step of a
//!   timer, 1 ms, where a module takes a second. Between turns the recording's writer is waited
//!   for; processor time is that of all the bridge's threads until then, divided by the calls: what
//!   the writer takes later is in it, and for cards what putting them on takes.
//! * **replay**: the recording of an hour is made up, as a daemon would have written it: 120 cards
//!   with photos, one client, a poll every 300 ms. It is replayed by the real program; a replay
//!   that finds a difference is no figure. The peak is the kernel's, looked at every millisecond.
//!
//! Targets are those of the project; a row without one is reported only.

mod bridge {
    pub(crate) mod cards;
    pub(crate) mod client;
    pub(crate) mod direct;
    pub(crate) mod floor;
    pub(crate) mod idle;
    pub(crate) mod kernel;
    pub(crate) mod kiosk;
    pub(crate) mod line;
    pub(crate) mod microphone;
    pub(crate) mod process;
    pub(crate) mod receipts;
    pub(crate) mod recording;
    pub(crate) mod replay;
    pub(crate) mod report;
    pub(crate) mod round_trips;
    pub(crate) mod samples;
    pub(crate) mod scans;
    pub(crate) mod screen;
    pub(crate) mod start;
}

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bridge::report::Report;
use bridge::{
    cards, floor, idle, microphone, receipts, recording, replay, round_trips, scans, screen, start,
};

/// Anything that can go wrong while measuring; it is shown, and ends one section.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How much is done for each figure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Turns of bridge and floor.
    rounds: usize,
    /// Round trips in a turn.
    trips: usize,
    /// Pipelined calls in a turn.
    pipelined: usize,
    /// Scans in a turn.
    scans: usize,
    /// Starts of the bridge.
    starts: usize,
    /// How long the idle bridge is watched.
    idle: Duration,
    /// How long listeners of the microphone are watched.
    sound: Duration,
    /// A turn of listeners of the microphone.
    turn: Duration,
}

impl Effort {
    /// About four minutes. A whole minute of idling, because timers of half a minute are to
    /// be seen, too.
    const FULL: Self = Self {
        rounds: 15,
        trips: 2000,
        pipelined: 25_600,
        scans: 500,
        starts: 30,
        idle: Duration::from_secs(60),
        sound: Duration::from_secs(60),
        turn: Duration::from_secs(6),
    };
    /// About half a minute.
    const QUICK: Self = Self {
        rounds: 5,
        trips: 200,
        pipelined: 2560,
        scans: 50,
        starts: 5,
        idle: Duration::from_secs(3),
        sound: Duration::from_secs(3),
        turn: Duration::from_secs(1),
    };
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if arguments.first().is_some_and(|first| first == floor::FLAG) {
        return floor::main(&arguments[1..]);
    }
    // `cargo test --all-targets` runs this program too, without the flag of `cargo bench`.
    if !has("--bench") {
        return ExitCode::SUCCESS;
    }
    let chosen = |group: &str| {
        let mut words = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
        words.peek().is_none() || words.any(|word| group.contains(word.as_str()))
    };
    let effort = if has("--quick") { Effort::QUICK } else { Effort::FULL };
    let report = run(effort, has("--quick"), chosen);
    let text = if has("--json") { report.json() } else { report.table() };
    // A reader that has seen enough is no failure.
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

type Section = fn(Effort, &mut Report) -> Outcome<()>;

fn run(effort: Effort, quick: bool, chosen: impl Fn(&str) -> bool) -> Report {
    let began = Instant::now();
    let mut report = Report::new(quick);
    let sections: [(&'static str, Section); 13] = [
        (round_trips::GROUP, round_trips::measure),
        (scans::GROUP, scans::measure),
        (start::GROUP, start::measure),
        (idle::MEMORY, idle::memory),
        (idle::WAKE_UPS, idle::wake_ups),
        (cards::GROUP, cards::measure),
        (receipts::GROUP, receipts::measure),
        (microphone::ONE_AND_MANY, microphone::one_and_many),
        (microphone::PROCESSOR, microphone::processor),
        (microphone::STALLED, microphone::stalled),
        (screen::GROUP, screen::measure),
        (recording::GROUP, recording::measure),
        (replay::GROUP, replay::measure),
    ];
    for (group, measure) in sections.into_iter().filter(|(group, _)| chosen(group)) {
        let _ = writeln!(io::stderr(), "measuring: {group} …");
        if let Err(error) = measure(effort, &mut report) {
            report.not_measured(group, &error.to_string());
        }
    }
    report.took(began.elapsed());
    report
}
