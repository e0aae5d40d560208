//! A driver on the tape of itself: what was recorded with a scripted reader is replayed without it.

mod any;
mod envelopes;
mod faulty;
mod odd_times;

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::super::TapeLine;
use super::super::faults::{Fate, Fault, What, When};
use super::super::findings::{Finding, Oddity};
use super::*;
use crate::port::card::tape::testing::{ATR, Hand, Log, Step, drive, scripted_port};
use crate::port::card::tape::{CardEvent, TapedCards};
use crate::port::card::{Content, FaultKind};
use crate::port::tape::PortEvent;
use crate::port::tape::testing::Notebook;

const ATS: &[u8] = &[0xFF, 0xCA, 0x01, 0x00, 0x00];
const SELECT: &[u8] = &[0x00, 0xA4, 0x04, 0x00, 0x01, 0xD1];
const READ: &[u8] = &[0x00, 0xB2, 0x01, 0x0C, 0x00];
const SLOW: &[u8] = &[0x80, 0x10, 0x00, 0x00];
const BEEP: &[u8] = &[0xE0, 0x00, 0x00, 0x28, 0x01, 0x0A];

/// What a hand does, and when, in ms.
type Gestures = Vec<(u64, fn(&Hand))>;

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

fn ask(commands: &[&[u8]]) -> Step {
    Step::Transact(commands.iter().map(|command| command.to_vec()).collect())
}

fn connect() -> Step {
    Step::Connect(Power::AsItIs)
}

/// Does the steps with the scripted reader: the tape, and what the driver saw.
async fn record(
    steps: &[(u64, Step)],
    gestures: &Gestures,
    from: u64,
    until: u64,
) -> (Vec<TapeLine>, Log) {
    let notebook = Notebook::default();
    let (port, hand) = scripted_port();
    hand.answers(ATS, 5, &[0x05, 0x78, 0x90, 0x00]);
    hand.answers(SELECT, 10, &[0x6F, 0x90, 0x00]);
    hand.answers(READ, 20, &[0x01, 0x02, 0x03, 0x90, 0x00]);
    hand.answers(SLOW, 20_000, &[0x90, 0x00]);
    hand.answers(BEEP, 3, &[0xE1, 0x00]);
    let mut port = TapedCards::new(Box::new(port), "cpu_card", Arc::new(notebook.clone()));
    let began = Instant::now();
    let hands = async {
        for (at, gesture) in gestures {
            tokio::time::sleep_until(began + ms(*at)).await;
            gesture(&hand);
        }
    };
    let tape = async {
        sleep(ms(from)).await;
        notebook.begin();
    };
    let ((), (), log) = tokio::join!(biased; tape, hands, drive(&mut port, steps, until));
    (notebook.lines(), log)
}

async fn replay(
    tape: &[TapeLine],
    settings: Settings,
    steps: &[(u64, Step)],
    until: u64,
) -> (Log, Vec<Finding>) {
    let findings = Findings::new();
    let (timeline, conductor) = Timeline::conducted(Instant::now());
    let conductor = tokio::spawn(conductor.run());
    let tape = tape.to_vec();
    let mut port =
        replayed_card_port("cpu_card", tape.into_iter(), timeline, settings, findings.clone());
    let log = drive(&mut port, steps, until).await;
    conductor.abort();
    drop(port);
    (log, findings.take().0)
}

fn strict() -> Settings {
    Settings { strict: true, ..Settings::default() }
}

fn patient() -> Settings {
    Settings { patient: true, ..Settings::default() }
}

/// A morning at the reader: a card is read, another asked in two sessions, one pulled in the
/// middle, the reader pulled out; transactions are refused and renewed, the reader beeps.
fn morning() -> (Vec<(u64, Step)>, Gestures) {
    let steps = vec![
        (500, connect()),
        (2_100, connect()),
        (2_200, ask(&[ATS])),
        (2_300, ask(&[SELECT, READ])),
        (3_000, Step::Escape(BEEP.to_vec())),
        (4_000, Step::Disconnect(End::Leave)),
        (7_000, Step::Connect(Power::Cold)),
        (7_100, ask(&[ATS])),
        (7_200, ask(&[])),
        (8_000, ask(&[SLOW])),
        (28_500, ask(&[SELECT])),
        (28_600, ask(&[SELECT])),
        (31_000, ask(&[SELECT, SLOW, READ])),
        (38_000, connect()),
        (41_000, connect()),
    ];
    let gestures: Gestures = vec![
        (2_000, Hand::put),
        (5_000, Hand::lift),
        (6_000, Hand::put),
        (28_400, |hand| hand.refuses(FaultKind::Occupied)),
        (28_550, Hand::resets),
        (32_000, Hand::lift),
        (35_000, |hand| hand.plug(false)),
        (40_000, |hand| hand.plug(true)),
        (40_500, Hand::put),
    ];
    (steps, gestures)
}

#[tokio::test(start_paused = true)]
async fn the_driver_gets_from_the_tape_what_it_got_from_the_reader_when_it_got_it() {
    let (steps, gestures) = morning();
    let (tape, then) = record(&steps, &gestures, 0, 45_000).await;
    for words in ["renewed", "not begun: Occupied", "Removed", "gone", "no reader", "mute"] {
        assert_eq!(words != "mute", then.iter().any(|(_, one)| one.contains(words)), "{words}");
    }
    let (now, findings) = replay(&tape, strict(), &steps, 45_000).await;
    assert_eq!(now, then);
    assert_eq!(findings, []);
    // Who waits for what is on the tape and asks in time sees no difference.
    let (now, findings) = replay(&tape, patient(), &steps, 45_000).await;
    assert_eq!(now, then);
    assert_eq!(findings, []);
}

#[tokio::test(start_paused = true)]
async fn every_replay_is_the_same() {
    let (steps, gestures) = morning();
    let (tape, _) = record(&steps, &gestures, 0, 45_000).await;
    let steps: Vec<_> = steps.into_iter().map(|(at, step)| (at + 333, step)).collect();
    let first = replay(&tape, Settings::default(), &steps, 45_000).await;
    for _ in 0..5 {
        assert_eq!(replay(&tape, Settings::default(), &steps, 45_000).await, first);
    }
}

/// A card from 1 s on, asked at 2 s and at 4 s.
async fn one_card() -> (Vec<(u64, Step)>, Vec<TapeLine>, Log) {
    let steps = vec![
        (2_000, connect()),
        (2_100, ask(&[ATS])),
        (4_000, ask(&[SELECT, READ])),
        (5_000, Step::Disconnect(End::Unpower)),
    ];
    let gestures: Gestures = vec![(1_000, Hand::put), (20_000, Hand::lift)];
    let (tape, log) = record(&steps, &gestures, 0, 30_000).await;
    (steps, tape, log)
}

fn words(log: &Log) -> Vec<&str> {
    log.iter().map(|(_, words)| words.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn who_asks_early_waits_and_gets_it_when_it_came() {
    let (steps, tape, then) = one_card().await;
    for early in [1, 40, 900] {
        let steps: Vec<_> = steps.iter().map(|(at, step)| (at - early, step.clone())).collect();
        let (mut now, findings) = replay(&tape, strict(), &steps, 30_000).await;
        // Only the end of the connection has no result to wait for.
        let end = now.iter_mut().find(|(_, words)| words == "Unpower").unwrap();
        assert_eq!(end.0, 5_000 - early);
        end.0 = 5_000;
        assert_eq!((now, findings), (then.clone(), vec![]), "{early}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_late_gets_it_after_the_time_that_it_took_then() {
    let (steps, tape, then) = one_card().await;
    for late in [51, 700, 9_000] {
        let steps: Vec<_> = steps.iter().map(|(at, step)| (at + late, step.clone())).collect();
        let (now, findings) = replay(&tape, strict(), &steps, 30_000).await;
        let then: Vec<_> = then
            .iter()
            .map(|(at, words)| {
                let by_itself = words.contains("nothing") || words.contains("card");
                (if by_itself { *at } else { at + late }, words.clone())
            })
            .collect();
        assert_eq!((now, findings), (then, vec![]), "{late}");
    }
    // A little late is on time.
    let steps: Vec<_> = steps.iter().map(|(at, step)| (at + 4, step.clone())).collect();
    let (mut now, _) = replay(&tape, strict(), &steps, 30_000).await;
    now.iter_mut().find(|(_, words)| words == "Unpower").unwrap().0 -= 4;
    assert_eq!(now, then);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_asked_any_more_is_passed_over_and_named() {
    let (mut steps, tape, then) = one_card().await;
    steps[2].1 = ask(&[READ]);
    let (now, findings) = replay(&tape, Settings::default(), &steps, 30_000).await;
    assert_eq!(now[4], (4_033, "got [01, 02, 03, 90, 00]".to_owned()));
    assert_eq!(words(&now).len(), words(&then).len());
    let odd: Vec<_> = findings.iter().map(|one| (one.oddity.clone(), &one.request[..])).collect();
    assert_eq!(odd, [(Oddity::NeverAsked, SELECT)]);

    let (_, findings) = replay(&tape, strict(), &steps[..1], 30_000).await;
    let odd: Vec<_> = findings.iter().map(|one| (&one.request[..], one.step)).collect();
    let expected = [
        (&b""[..], Some("for a transaction")),
        (ATS, None),
        (b"", Some("for a transaction")),
        (SELECT, None),
        (READ, None),
        (b"", Some("to let go of the card and power it off")),
    ];
    assert_eq!(odd, expected);
}

#[tokio::test(start_paused = true)]
async fn what_the_tape_does_not_have_is_not_answered_and_named() {
    let (mut steps, tape, then) = one_card().await;
    let unknown = [0x00, 0x84, 0x00, 0x00, 0x08];
    steps.insert(2, (3_000, ask(&[&unknown])));
    let (now, findings) = replay(&tape, Settings::default(), &steps, 30_000).await;
    assert_eq!(now[4], (3_000, "got Silent".to_owned()));
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((&finding.oddity, &finding.request[..]), (&Oddity::NeverAnswered, &unknown[..]));
    assert_eq!(finding.expected.as_deref(), Some(SELECT));
    assert!(finding.line.is_some());
    // All else is as it was.
    let others: Log = now.into_iter().filter(|(at, _)| *at != 3_000).collect();
    assert_eq!(others, then);
}

#[tokio::test(start_paused = true)]
async fn one_look_more_changes_nothing() {
    let (mut steps, tape, then) = one_card().await;
    let extra = [
        (2_500, Step::Disconnect(End::Leave)),
        (2_600, connect()),
        (2_700, ask(&[])),
        (3_000, ask(&[ATS])),
    ];
    steps.splice(2..2, extra.clone());
    let (now, findings) = replay(&tape, Settings::default(), &steps, 30_000).await;
    let is_extra = |at: u64| (2_500..3_900).contains(&at);
    let more: Vec<_> = now.iter().filter(|(at, _)| is_extra(*at)).cloned().collect();
    assert_eq!(words(&more), ["Leave", &then[2].1, "got ", "got [05, 78, 90, 00]"]);
    let others: Log = now.into_iter().filter(|(at, _)| !is_extra(*at)).collect();
    assert_eq!(others, then);
    let odd: Vec<_> = findings.iter().map(|one| (one.oddity.clone(), &one.request[..])).collect();
    assert_eq!(odd, [(Oddity::AskedAgain, ATS)]);

    let (_, findings) = replay(&tape, strict(), &steps, 30_000).await;
    let steps: Vec<_> = findings.iter().filter_map(|one| one.step).collect();
    let expected =
        ["to let go of the card", "for a connection", "for a transaction", "for a transaction"];
    assert_eq!(steps, expected);
}

#[tokio::test(start_paused = true)]
async fn a_later_answer_is_lent_and_given_at_its_own_time_too() {
    let steps = [(2_000, connect()), (4_000, ask(&[READ])), (15_000, ask(&[READ]))];
    let gestures: Gestures = vec![(1_000, Hand::put)];
    let (tape, then) = record(&steps, &gestures, 0, 30_000).await;
    // A second is waited for.
    let early = [(2_000, connect()), (3_000, ask(&[READ])), (15_000, ask(&[READ]))];
    let (now, findings) = replay(&tape, Settings::default(), &early, 30_000).await;
    assert_eq!((now, findings), (then.clone(), vec![]));
    // Seven are not: that was one look more.
    let more =
        [(2_000, connect()), (8_000, ask(&[READ])), (8_100, ask(&[READ])), (15_000, ask(&[READ]))];
    let (now, findings) = replay(&tape, Settings::default(), &more, 30_000).await;
    let got: Vec<_> = now[3..].iter().map(|(at, _)| *at).collect();
    assert_eq!(got, [8_023, 8_120, 15_023]);
    assert!(now[3..].iter().all(|(_, words)| *words == then[3].1), "{now:?}");
    let odd: Vec<_> = findings.iter().map(|one| one.oddity.clone()).collect();
    assert_eq!(odd, [Oddity::AskedAgain]);
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_begins_late_is_enough_for_a_fresh_driver() {
    let steps = vec![
        (2_000, connect()),
        (2_100, ask(&[ATS])),
        (2_200, ask(&[SELECT])),
        (9_000, ask(&[READ])),
    ];
    let gestures: Gestures = vec![(1_000, Hand::put), (12_000, Hand::lift)];
    let (tape, then) = record(&steps, &gestures, 5_000, 15_000).await;
    assert!(tape[0].before);
    // The fresh driver begins with the recording, and gets to know the card first.
    let steps = [(1_000, connect()), (1_100, ask(&[ATS])), (4_000, ask(&[READ]))];
    let (now, findings) = replay(&tape, strict(), &steps, 10_000).await;
    let opened = "opened Scripted Reader 00 00, card 1 [3B, 81, 80, 01]";
    let got = ["got [05, 78, 90, 00]", "got [01, 02, 03, 90, 00]"];
    let expected = [(0, opened), (1_000, &then[2].1), (1_100, got[0]), (4_023, got[1])];
    assert_eq!(now[..4], expected.map(|(at, words)| (at, words.to_owned())));
    assert_eq!(now[4..], [(7_000, "nothing".to_owned())]);
    assert_eq!(findings, []);

    // One who reads each card once was at it before, and is not again.
    let once = Settings { reads_once: true, ..strict() };
    let tape: Vec<_> = tape
        .into_iter()
        .filter(|line| line.before || matches!(line.event, PortEvent::Card(CardEvent::Holds(_))))
        .collect();
    let (now, _) = replay(&tape, once, &[], 10_000).await;
    assert_eq!(words(&now), ["opened Scripted Reader 00 00, nothing"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_the_tape_of_a_patient_port_waits_for_who_asks() {
    let steps =
        vec![(1_100, connect()), (1_200, ask(&[ATS])), (3_100, connect()), (3_200, ask(&[SELECT]))];
    let gestures: Gestures =
        vec![(1_000, Hand::put), (2_000, Hand::lift), (3_000, Hand::put), (4_000, Hand::lift)];
    let (tape, _) = record(&steps, &gestures, 0, 6_000).await;
    let late =
        [(30_000, connect()), (30_500, ask(&[ATS])), (50_000, connect()), (50_500, ask(&[SELECT]))];
    let (now, findings) = replay(&tape, patient(), &late, 60_000).await;
    let expected = [
        (7, "opened Scripted Reader 00 00, nothing"),
        (1_000, "card 1 [3B, 81, 80, 01]"),
        (30_040, "AsItIs: [3B, 81, 80, 01] T1"),
        (30_508, "got [05, 78, 90, 00]"),
        // The card goes when all was asked of it, and the next comes, as both are overdue.
        (30_508, "card 2 [3B, 81, 80, 01]"),
        (50_040, "AsItIs: [3B, 81, 80, 01] T1"),
        (50_513, "got [6F, 90, 00]"),
        (50_513, "nothing"),
    ];
    assert_eq!(now, expected.map(|(at, words)| (at, words.to_owned())));
    assert_eq!(findings, []);
    // What another card has answered is not this one's.
    let other = [(2_500, connect()), (3_000, ask(&[SELECT]))];
    let (now, _) = replay(&tape, patient(), &other, 60_000).await;
    assert_eq!(now[3], (3_002, "got Silent".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_pulled_in_the_middle_is_pulled_again() {
    let steps = vec![(1_100, connect()), (1_200, ask(&[SELECT, SLOW, READ]))];
    let gestures: Gestures = vec![(1_000, Hand::put), (6_543, Hand::lift)];
    let (tape, then) = record(&steps, &gestures, 0, 10_000).await;
    assert_eq!(then[3], (6_544, "got [6F, 90, 00] Removed Removed".to_owned()));
    let (now, findings) = replay(&tape, strict(), &steps, 10_000).await;
    assert_eq!((now, findings), (then, vec![]));
    // One who comes after that has no card.
    let late = [(1_100, connect()), (6_600, ask(&[SELECT])), (7_000, connect())];
    let (now, findings) = replay(&tape, Settings::default(), &late, 10_000).await;
    assert_eq!(words(&now)[3..], ["nothing", "not begun: Removed", "AsItIs: NoCard"]);
    assert_eq!(findings.len(), 3, "{findings:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_tape_there_is_no_reader() {
    let (now, findings) = replay(&[], strict(), &[(1_000, connect())], 5_000).await;
    assert_eq!(words(&now)[..2], ["not opened: NoReader", "no reader"]);
    assert_eq!(findings, []);
}

fn line(number: u64, millis: i64, event: PortEvent) -> TapeLine {
    TapeLine { line: number, micros: millis * 1000, before: false, event }
}

fn holds(what: Content, number: u64) -> PortEvent {
    PortEvent::Card(CardEvent::Holds(Holds { what, number }))
}

#[tokio::test(start_paused = true)]
async fn cards_come_at_their_time_however_much_was_never_asked_before() {
    let mut tape = vec![
        line(1, 0, PortEvent::Card(CardEvent::Opened("R".to_owned()))),
        line(2, 0, holds(Content::Card(ATR.to_vec()), 1)),
    ];
    for at in 0..2_000 {
        let number = 3 + 2 * u64::try_from(at).unwrap();
        tape.push(line(number, 10 + at, PortEvent::Out(Bytes::from_static(READ))));
        tape.push(line(number + 1, 10 + at, PortEvent::In(Bytes::from_static(&[0x90, 0x00]))));
    }
    tape.push(line(5_000, 3_000, holds(Content::Nothing, 1)));
    let (now, findings) = replay(&tape, Settings::default(), &[], 5_000).await;
    assert_eq!(now[1..], [(3_000, "nothing".to_owned())]);
    // As many as findings are kept.
    assert_eq!(findings.len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_recording_has_no_end_of_never_comes() {
    let tape = vec![
        line(1, 0, PortEvent::Card(CardEvent::Opened("R".to_owned()))),
        line(2, 0, holds(Content::Card(ATR.to_vec()), 1)),
        line(3, 100, PortEvent::Card(CardEvent::Connect(Power::AsItIs))),
        line(
            4,
            140,
            PortEvent::Card(CardEvent::Connected(Powered {
                atr: ATR.to_vec(),
                protocol: Protocol::T0,
            })),
        ),
        line(5, 200, PortEvent::Card(CardEvent::Begin)),
        line(6, 210, PortEvent::Card(CardEvent::Begun)),
        line(7, 210, PortEvent::Out(Bytes::from_static(READ))),
    ];
    let steps = [(100, connect()), (200, ask(&[READ]))];
    let (now, findings) = replay(&tape, strict(), &steps, 60_000).await;
    assert_eq!(
        now[1..],
        [(140, "AsItIs: [3B, 81, 80, 01] T0".to_owned()), (30_210, "got Silent".to_owned()),]
    );
    assert_eq!(findings, []);
}
