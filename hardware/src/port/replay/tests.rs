//! Real drivers on tapes of real drivers: what was recorded with virtual devices is replayed
//! without them.

mod faulty;

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::{Instant, sleep_until, timeout};

use super::*;
use crate::code::framing::{Encoding, Framing};
use crate::code::serial::{self, SerialScanner};
use crate::code::trigger::Trigger;
use crate::code::virtual_scanner::{ScannerHand, VirtualScanner};
use crate::device::{self, Driver, State, Status};
use crate::id_card::IdCard;
use crate::id_card::people::{Card, person};
use crate::id_card::sam_v::{SamV, Settings as SamSettings};
use crate::id_card::virtual_reader::{self, ReaderHand, VirtualReader};
use crate::port::far_end::{self, FarEnd, Plug};
use crate::port::memory::memory_port;
use crate::port::tape::testing::Notebook;
use crate::port::tape::{Flow, LineFault, Taped};
use crate::source::Source;

/// Who wants a reading, from when to when, in ms.
type Wants = [(u64, u64)];

/// What they got, and when.
type Got = Vec<(u64, String)>;

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// Wants readings at their times; what came of each, in the order in which it came.
async fn want<T: Send + Sync + 'static>(
    source: &Source<T>,
    wants: &Wants,
    word: fn(&T) -> String,
) -> Got {
    let began = Instant::now();
    let got = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = wants
        .iter()
        .map(|(from, until)| {
            let (from, until) = (began + ms(*from), began + ms(*until));
            let (source, got) = (source.clone(), Arc::clone(&got));
            tokio::spawn(async move {
                sleep_until(from).await;
                let word = match source.wait() {
                    Err(trouble) => trouble.to_string(),
                    Ok(mut waiter) => match tokio::time::timeout_at(until, waiter.answer()).await {
                        Ok(Ok(value)) => word(&value),
                        Ok(Err(trouble)) => trouble.to_string(),
                        Err(_) => "nothing".to_owned(),
                    },
                };
                let at = u64::try_from(began.elapsed().as_millis()).unwrap();
                got.lock().unwrap().push((at, word));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    std::mem::take(&mut *got.lock().unwrap())
}

/// What a hand does, and when, in ms.
type Gestures<H> = Vec<(u64, Gesture<H>)>;

type Gesture<H> = Box<dyn FnOnce(&H, &Plug) + Send>;

async fn work<H>(hand: H, plug: Plug, gestures: Gestures<H>) {
    let began = Instant::now();
    for (at, gesture) in gestures {
        sleep_until(began + ms(at)).await;
        gesture(&hand, &plug);
    }
    std::future::pending::<()>().await;
}

fn name(card: &IdCard) -> String {
    let address = card.appended_address.as_ref().unwrap_or(&card.text.address);
    format!("{} {address}", card.text.shown_name())
}

fn reader(settings: SamSettings) -> (Source<IdCard>, SamV) {
    let source = Source::new();
    (source.clone(), SamV::new(settings, source))
}

fn usual() -> SamSettings {
    SamSettings { baud: Some(115_200), serial: true, poll: ms(300), fingerprint: false }
}

/// A session with the virtual reader on tape: the tape, and what those who wanted cards got.
async fn record_reader(
    settings: SamSettings,
    wants: &Wants,
    gestures: Gestures<ReaderHand>,
) -> (Vec<TapeLine>, Got) {
    let (far, hand) = VirtualReader::new();
    let (source, driver) = reader(settings);
    record("id_card", far, hand, driver, &source, wants, gestures, name).await
}

#[expect(clippy::too_many_arguments, reason = "all that a session is made of")]
async fn record<H: Send + 'static, T: Send + Sync + 'static>(
    device: &'static str,
    far: impl far_end::VirtualDevice + 'static,
    hand: H,
    driver: impl Driver,
    source: &Source<T>,
    wants: &Wants,
    gestures: Gestures<H>,
    word: fn(&T) -> String,
) -> (Vec<TapeLine>, Got) {
    let notebook = Notebook::begun();
    let status = Status::new(device, State::Busy);
    let (port, end) = memory_port("a device");
    let plug = end.plug().clone();
    let far = tokio::spawn(far_end::run(end, far));
    let port = Taped::new(Box::new(port), &status, Flow::Pieces, Arc::new(notebook.clone()));
    let task = tokio::spawn(device::run(Box::new(port), driver, status));
    let hand = tokio::spawn(work(hand, plug, gestures));
    let got = want(source, wants, word).await;
    for task in [task, hand, far] {
        task.abort();
        let _ = task.await;
    }
    (notebook.lines(), got)
}

/// The same driver on the tape.
async fn replay<T: Send + Sync + 'static>(
    device: &'static str,
    tape: Vec<TapeLine>,
    settings: Settings,
    driver: impl Driver,
    source: &Source<T>,
    wants: &Wants,
    word: fn(&T) -> String,
) -> (Got, Vec<Finding>) {
    let findings = Findings::new();
    let settings = Settings { polled: device == "id_card", ..settings };
    let (timeline, conductor) = Timeline::conducted(Instant::now());
    let conductor = tokio::spawn(conductor.run());
    let port = replayed_port(device, tape.into_iter(), timeline, settings, findings.clone());
    let status = Status::new(device, State::Busy);
    let task = tokio::spawn(device::run(Box::new(port), driver, status));
    let got = want(source, wants, word).await;
    for task in [task, conductor] {
        task.abort();
        let _ = task.await;
    }
    (got, findings.take().0)
}

async fn replay_reader(
    tape: &[TapeLine],
    settings: Settings,
    wants: &Wants,
) -> (Got, Vec<Finding>) {
    let (source, driver) = reader(usual());
    replay("id_card", tape.to_vec(), settings, driver, &source, wants, name).await
}

fn words(got: &Got) -> Vec<&str> {
    got.iter().map(|(_, word)| word.as_str()).collect()
}

/// The same words, each at most `apart` ms from when it came then.
fn agree(then: &Got, now: &Got, apart: u64) {
    assert_eq!(words(then), words(now));
    for ((then, word), (now, _)) in then.iter().zip(now) {
        assert!(then.abs_diff(*now) <= apart, "{word}: then at {then} ms, now at {now} ms");
    }
}

/// A morning at the reader: people come and go, one card is not read, one comes too late.
fn morning() -> (Vec<(u64, u64)>, Gestures<ReaderHand>) {
    let wants = vec![(100, 15_100), (16_000, 31_000), (33_000, 34_000), (35_000, 50_000)];
    let gestures: Gestures<ReaderHand> = vec![
        (5_123, Box::new(|hand, _| hand.put(person("li-si").unwrap()))),
        (9_000, Box::new(|hand, _| hand.lift())),
        (20_250, Box::new(|hand, _| hand.fault(virtual_reader::Fault::BadChecksum, Some(1)))),
        (20_251, Box::new(|hand, _| hand.put(Card::zhang_san()))),
        (30_000, Box::new(|hand, _| hand.lift())),
        (34_500, Box::new(|hand, _| hand.put(person("chen-qi").unwrap()))),
    ];
    (wants, gestures)
}

#[tokio::test(start_paused = true)]
async fn the_driver_reads_from_the_tape_what_it_read_from_the_reader() {
    let (wants, gestures) = morning();
    let (tape, then) = record_reader(usual(), &wants, gestures).await;
    assert_eq!(words(&then)[2], "nothing");
    let settings = Settings { strict: true, ..Settings::default() };
    let (now, findings) = replay_reader(&tape, settings, &wants).await;
    agree(&then, &now, 2);
    assert_eq!(findings, []);
}

#[tokio::test(start_paused = true)]
async fn a_poll_more_or_less_is_no_difference() {
    let (wants, gestures) = morning();
    let (tape, then) = record_reader(usual(), &wants, gestures).await;
    for shift in [1, 40, 299, 301, 450, 1000] {
        for (earlier, later) in [(shift, 0), (0, shift), (shift, shift)] {
            let wants: Vec<_> = wants
                .iter()
                .map(|(from, until)| (from.saturating_sub(earlier).max(50), until + later))
                .collect();
            let (now, findings) = replay_reader(&tape, Settings::default(), &wants).await;
            assert_eq!(words(&then), words(&now), "{earlier} {later}");
            assert_eq!(findings, [], "{earlier} {later}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_a_card_a_little_later_gets_it_a_little_later() {
    let (wants, gestures) = morning();
    let (tape, then) = record_reader(usual(), &wants, gestures).await;
    for shift in [1, 120, 299, 700] {
        let wants: Vec<_> = wants.iter().map(|(from, until)| (from + shift, *until)).collect();
        let (now, findings) = replay_reader(&tape, Settings::default(), &wants).await;
        agree(&then, &now, 310.max(shift + 10));
        assert_eq!(findings, [], "{shift}");
    }
}

#[tokio::test(start_paused = true)]
async fn strict_names_what_was_asked_out_of_order() {
    let (tape, _) = record_reader(usual(), &[(100, 2_000)], Vec::new()).await;
    let settings = Settings { strict: true, ..Settings::default() };
    let (_, findings) = replay_reader(&tape, settings.clone(), &[(100, 2_000)]).await;
    assert_eq!(findings, []);
    // Nobody asks for the card's find command on the tape.
    let (source, driver) = reader(SamSettings { baud: None, ..usual() });
    let tape: Vec<_> = tape
        .into_iter()
        .filter(|line| line.event != PortEvent::Out(Bytes::from_static(SAM_ID_COMMAND)))
        .collect();
    let (_, findings) =
        replay("id_card", tape, settings, driver, &source, &[(100, 2_000)], name).await;
    let odd = findings.iter().find(|finding| finding.request == SAM_ID_COMMAND).unwrap();
    assert_eq!(odd.oddity, Oddity::NeverAnswered);
    assert!(odd.expected.is_some() && odd.line.is_some(), "{odd:?}");
}

const SAM_ID_COMMAND: &[u8] = &[0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x12, 0xFF, 0xEE];

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_any_more_is_named_once() {
    let (wants, gestures) = morning();
    let (tape, _) = record_reader(usual(), &wants, gestures).await;
    let (now, findings) = replay_reader(&tape, Settings::default(), &[(40_000, 40_001)]).await;
    assert_eq!(words(&now).len(), 1);
    let asked = findings.iter().filter(|finding| finding.oddity == Oddity::NeverAsked);
    // Find, select, read, address of the first and the last card; no idle poll among them. The
    // second still waits for whoever comes.
    assert!((7..=8).contains(&asked.count()), "{findings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_module_at_another_rate_is_found_at_it_again() {
    let settings = SamSettings { baud: None, ..usual() };
    let gestures: Gestures<ReaderHand> = vec![
        (0, Box::new(|hand, _| hand.set_baud(19_200))),
        (8_000, Box::new(|hand, _| hand.put(Card::zhang_san()))),
    ];
    let (tape, then) = record_reader(settings.clone(), &[(7_000, 20_000)], gestures).await;
    let (source, driver) = reader(settings);
    let (now, findings) = replay(
        "id_card",
        tape,
        Settings { strict: true, ..Settings::default() },
        driver,
        &source,
        &[(7_000, 20_000)],
        name,
    )
    .await;
    agree(&then, &now, 5);
    assert_eq!(findings, []);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_and_comes_goes_and_comes_again() {
    let gestures: Gestures<ReaderHand> = vec![
        (2_000, Box::new(|_, plug| plug.set(false))),
        (9_000, Box::new(|_, plug| plug.set(true))),
        (12_000, Box::new(|hand, _| hand.put(Card::zhang_san()))),
    ];
    let wants = [(1_000, 8_000), (3_000, 8_000), (11_000, 20_000)];
    let (tape, then) = record_reader(usual(), &wants, gestures).await;
    let (now, findings) = replay_reader(&tape, Settings::default(), &wants).await;
    agree(&then, &now, 5);
    assert!(words(&now)[0].contains("gone"), "{now:?}");
    assert_eq!(findings, []);
}

#[tokio::test(start_paused = true)]
async fn a_tape_that_begins_in_the_middle_is_enough_for_a_fresh_driver() {
    let notebook = Notebook::default();
    let status = Status::new("id_card", State::Busy);
    let (port, end) = memory_port("a reader");
    let (far, hand) = VirtualReader::new();
    tokio::spawn(far_end::run(end, far));
    let port = Taped::new(Box::new(port), &status, Flow::Pieces, Arc::new(notebook.clone()));
    let (source, driver) = reader(usual());
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    let early = source.clone();
    let early = tokio::spawn(async move { early.wait().unwrap().answer().await.map(|_| ()) });
    sleep(ms(5_000)).await;
    notebook.begin();
    let hands = tokio::spawn(async move {
        sleep(ms(1_234)).await;
        hand.put(Card::zhang_san());
        std::future::pending::<()>().await;
    });
    early.await.unwrap().unwrap();
    hands.abort();
    let tape = notebook.lines();
    assert!(tape.iter().filter(|line| line.before).count() > 4);
    let (now, findings) = replay_reader(&tape, Settings::default(), &[(0, 10_000)]).await;
    assert_eq!(words(&now), [name_of(&Card::zhang_san())]);
    assert_eq!(findings, []);
}

fn name_of(card: &Card) -> String {
    format!("{} {}", card.text.shown_name(), card.newest_address())
}

fn scanner(suffix: &str, trigger: Option<Trigger>) -> (Source<crate::code::Code>, SerialScanner) {
    let source = Source::new();
    let framing =
        Framing { suffix: suffix.into(), prefix: Vec::new(), encoding: Encoding::Auto, trigger };
    let settings = serial::Settings { baud: 9600, framing, idle: ms(100), same_code: ms(0) };
    (source.clone(), SerialScanner::new(settings, source))
}

fn code(code: &crate::code::Code) -> String {
    code.0.clone()
}

#[tokio::test(start_paused = true)]
async fn codes_come_when_they_came_triggered_or_not() {
    for (suffix, trigger) in [
        ("\r", None),
        ("", None),
        ("\r", Some(Trigger::Gm65)),
        ("\r", Some(Trigger::Newland)),
        ("\r", Some(Trigger::NewlandOld)),
        ("\r", Some(Trigger::Honeywell)),
        ("\r", Some(Trigger::M3y)),
    ] {
        let scan = |text: &'static str| -> Gesture<ScannerHand> {
            Box::new(move |hand, _| hand.scan(text.as_bytes()).unwrap_or_default())
        };
        let gestures: Gestures<ScannerHand> = vec![
            (1_000, scan("nobody wants it")),
            (3_500, scan("6901234567892")),
            (3_650, scan("中文")),
            (9_000, scan("late")),
        ];
        let wants = [(3_000, 8_000), (3_200, 8_000), (8_500, 9_500)];
        let (far, hand) = VirtualScanner::new(suffix.as_bytes(), trigger);
        let (source, driver) = scanner(suffix, trigger);
        let (tape, then) =
            record("qr_scanner", far, hand, driver, &source, &wants, gestures, code).await;
        let (source, driver) = scanner(suffix, trigger);
        let settings = Settings { strict: true, ..Settings::default() };
        let (now, findings) =
            replay("qr_scanner", tape, settings, driver, &source, &wants, code).await;
        agree(&then, &now, 2);
        assert_eq!(findings, [], "{trigger:?}");
        assert!(words(&now).contains(&"6901234567892"), "{trigger:?} {now:?}");
    }
}

fn line(number: u64, millis: i64, event: PortEvent) -> TapeLine {
    TapeLine { line: number, micros: millis * 1000, before: false, event }
}

/// One start of the module, and codes that follow from nothing but people.
fn one_start_and_codes(codes: u64) -> Vec<TapeLine> {
    let start = Bytes::from_static(Trigger::Honeywell.start());
    let mut tape = vec![
        line(1, 0, PortEvent::Opened { baud: 9600, modem: None }),
        line(2, 10, PortEvent::Out(start)),
    ];
    tape.extend((0..codes).map(|number| {
        let text = Bytes::from(format!("code {number}\r"));
        line(3 + number, 1_000 + 700 * i64::try_from(number).unwrap(), PortEvent::In(text))
    }));
    tape
}

#[tokio::test(start_paused = true)]
async fn a_code_is_given_once_however_often_the_module_is_started() {
    let tape = one_start_and_codes(50);
    let wants: Vec<_> = (0..60).map(|_| (0, 100_000)).collect();
    let (source, driver) = scanner("\r", Some(Trigger::Honeywell));
    let (got, findings) =
        replay("qr_scanner", tape, Settings::default(), driver, &source, &wants, code).await;
    let expected: Vec<_> = (0..50).map(|number| format!("code {number}")).collect();
    assert_eq!(words(&got)[..50], expected);
    assert_eq!(words(&got)[50..], ["nothing"; 10]);
    assert_eq!(got[49].0, 1_000 + 700 * 49);
    // At the end the module was stopped, which it was not then.
    assert!(findings.iter().all(|finding| finding.request == Trigger::Honeywell.stop()));
}

fn any_event() -> impl Strategy<Value = PortEvent> {
    let bytes = || proptest::collection::vec(0u8..4, 1..6).prop_map(Bytes::from);
    prop_oneof![
        4 => bytes().prop_map(PortEvent::Out),
        4 => bytes().prop_map(PortEvent::In),
        1 => Just(PortEvent::Opened { baud: 9600, modem: None }),
        1 => Just(PortEvent::Closed),
        1 => Just(PortEvent::Gone(LineFault::End)),
        1 => Just(PortEvent::Gone(LineFault::Os(5))),
        1 => Just(PortEvent::NotWritten(LineFault::Os(5))),
        1 => Just(PortEvent::Baud(19_200)),
    ]
}

/// Writes what it is told to, reads on and on.
struct AnyDriver(Vec<(u64, Vec<u8>)>);

impl Driver for AnyDriver {
    fn baud(&self) -> u32 {
        9600
    }

    async fn run(&mut self, mut line: BoxedLine, _: &Status) -> Option<Trouble> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut scratch = [0; 16];
        for (pause, bytes) in &self.0 {
            let read = timeout(ms(*pause), line.read(&mut scratch)).await;
            if matches!(read, Ok(Ok(0) | Err(_))) {
                break;
            }
            if line.write_all(bytes).await.is_err() {
                break;
            }
        }
        Some(Trouble::Absent { detail: "enough".to_owned() })
    }

    fn unusable(&mut self, _: &Trouble) {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_tape_and_any_driver_come_to_an_end_and_time_goes_on(
        events in proptest::collection::vec((0i64..900_000, any_event()), 0..40),
        writes in proptest::collection::vec(
            (0u64..400, proptest::collection::vec(0u8..4, 1..6)), 0..20),
        patient: bool,
        polled: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut now = 0;
            let tape: Vec<_> = events
                .into_iter()
                .enumerate()
                .map(|(line, (pause, event))| {
                    now += pause;
                    TapeLine { line: line as u64, micros: now, before: false, event }
                })
                .collect();
            let (timeline, conductor) = Timeline::conducted(Instant::now());
            tokio::spawn(conductor.run());
            let settings = Settings { patient, polled, ..Settings::default() };
            let port = replayed_port("d", tape.into_iter(), timeline, settings, Findings::new());
            let status = Status::new("d", State::Busy);
            let task = tokio::spawn(device::run(Box::new(port), AnyDriver(writes), status));
            // Virtual time passes: nothing spins.
            sleep(Duration::from_secs(100)).await;
            task.abort();
        });
    }
}
