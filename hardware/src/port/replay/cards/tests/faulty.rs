//! What goes wrong at a replayed slot, and what a driver sees of it.

use super::*;

fn fault(when: When, what: What) -> Settings {
    Settings { faults: vec![Fault { when, what }], ..Settings::default() }
}

/// The log with this fault; ATS is exchange 1, SELECT 2, READ 3.
async fn with(when: When, what: What) -> Log {
    let (steps, tape, _) = one_card().await;
    let mut steps = steps;
    // Those who get no answer may ask again.
    steps.insert(3, (40_000, ask(&[READ])));
    steps.pop();
    replay(&tape, fault(when, what), &steps, 60_000).await.0
}

fn at(log: &Log, words: &str) -> u64 {
    log.iter().find(|(_, one)| one.contains(words)).unwrap_or_else(|| panic!("{words}: {log:?}")).0
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_waited_for_as_long_as_a_port_waits() {
    for what in [What::Drop, What::Cut(0)] {
        let log = with(When::Exchange(1), what).await;
        // Begun after 2 ms, ended after 1.
        assert_eq!(at(&log, "got Silent"), 2_102 + 30_000 + 1, "{log:?}");
    }
    // In the middle of a sequence: when it goes on, the card has been taken away.
    let log = with(When::Exchange(2), What::Drop).await;
    assert_eq!(log[4], (34_002, "got Silent Removed".to_owned()), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_cut_short_turned_over_or_comes_late() {
    let log = with(When::Exchange(1), What::Cut(3)).await;
    assert_eq!(log[3], (2_108, "got [05, 78, 90]".to_owned()));
    let log = with(When::At(2_000_000), What::Flip(1)).await;
    assert_eq!(log[3], (2_108, "got [05, 87, 90, 00]".to_owned()));
    let log = with(When::Exchange(1), What::Delay(ms(700))).await;
    assert_eq!(log[3].1, "got [05, 78, 90, 00]");
    assert_eq!(log[3].0, 2_807 + 1, "{log:?}");
    let log = with(When::At(0), What::Delay(ms(40_000))).await;
    assert_eq!(at(&log, "got Silent"), 32_103, "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_in_a_silence() {
    let log = with(When::At(3_900_000), What::Silence(ms(1_000))).await;
    assert_eq!(log[3].0, 2_108);
    assert!(log[4].1.starts_with("got Silent"), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_unplugged_is_gone_for_so_long_and_goes_on_where_it_was() {
    let (mut steps, tape, _) = one_card().await;
    steps.insert(3, (4_700, connect()));
    let settings = fault(When::At(2_050_000), What::Unplug(ms(2_000)));
    let (now, _) = replay(&tape, settings, &steps, 30_000).await;
    let expected = [
        (2_050, "gone: NoReader"),
        (2_050, "not opened: NoReader"),
        (2_100, "no reader"),
        (2_100, "not opened: NoReader"),
        (4_000, "no reader"),
        (4_000, "not opened: NoReader"),
        (4_050, "opened Scripted Reader 00 00, card 1 [3B, 81, 80, 01]"),
        (4_700, "AsItIs: [3B, 81, 80, 01] T1"),
        (5_000, "Unpower"),
        (20_000, "nothing"),
    ];
    assert_eq!(now[3..], expected.map(|(at, words)| (at, words.to_owned())));

    // In the middle of an exchange.
    let settings = fault(When::At(4_015_000), What::Unplug(ms(60_000)));
    let (steps, ..) = one_card().await;
    let (now, _) = replay(&tape, settings, &steps, 30_000).await;
    assert_eq!(now[4], (4_015, "got [6F, 90, 00] NoReader".to_owned()));
    assert_eq!(now[5], (4_015, "gone: NoReader".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn it_is_told_what_came_of_each_fault() {
    let (steps, tape, _) = one_card().await;
    let findings = Findings::new();
    let fault = |number, what| Fault { when: When::Exchange(number), what };
    let faults = vec![fault(1, What::Flip(0)), fault(2, What::Flip(9)), fault(9, What::Drop)];
    let settings = Settings { faults, ..Settings::default() };
    let timeline = Timeline::new(Instant::now(), 1.0);
    let tape = tape.into_iter();
    let mut port = replayed_card_port("cpu_card", tape, timeline, settings, findings.clone());
    drive(&mut port, &steps, 30_000).await;
    drop(port);
    let tallies = findings.tallies();
    assert_eq!((tallies[0].device, tallies[0].exchanges), ("cpu_card", 3));
    let fates = [Fate::Struck, Fate::ChangedNothing(3), Fate::NeverStruck];
    assert_eq!(tallies[0].fates, fates);
}
