//! What goes wrong at a replayed port, and what the real drivers make of it.

use super::*;

fn fault(when: When, what: What) -> Settings {
    Settings { faults: vec![Fault { when, what }], ..Settings::default() }
}

/// One card at 3 s; the exchanges are status, SAM id, finds, select, read, address.
async fn one_card() -> Vec<TapeLine> {
    let gestures: Gestures<ReaderHand> =
        vec![(3_000, Box::new(|hand, _| hand.put(Card::zhang_san())))];
    record_reader(usual(), &[(2_000, 12_000)], gestures).await.0
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_cut_or_turned_over_is_given_again_when_it_is_asked_for_again() {
    let tape = one_card().await;
    for what in [What::Drop, What::Cut(9), What::Cut(0), What::Flip(20), What::Flip(6)] {
        // From the status on, through finding and reading, to the address.
        for number in 1..=9 {
            let settings = fault(When::Exchange(number), what);
            let (now, _) = replay_reader(&tape, settings, &[(2_000, 30_000)]).await;
            assert_eq!(words(&now), [name_of(&Card::zhang_san())], "{what:?} {number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_silent_fails() {
    let tape = one_card().await;
    let settings = fault(When::At(2_900_000), What::Silence(Duration::from_secs(60)));
    let (now, _) = replay_reader(&tape, settings, &[(2_000, 12_000)]).await;
    assert!(words(&now)[0].contains("find"), "{now:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_delayed_comes_so_much_later() {
    let tape = one_card().await;
    let (then, _) = replay_reader(&tape, Settings::default(), &[(2_000, 12_000)]).await;
    let settings = fault(When::At(3_300_000), What::Delay(ms(200)));
    let (now, _) = replay_reader(&tape, settings, &[(2_000, 12_000)]).await;
    assert_eq!(words(&then), words(&now));
    let settings = fault(When::Exchange(1), What::Delay(ms(200)));
    let (early, _) = replay_reader(&tape, settings, &[(2_000, 12_000)]).await;
    assert_eq!(words(&then), words(&early));
}

#[tokio::test(start_paused = true)]
async fn an_unplugged_reader_is_gone_for_so_long_and_then_goes_on() {
    let tape = one_card().await;
    let settings = fault(When::At(2_500_000), What::Unplug(Duration::from_secs(3)));
    let wants = [(2_000, 12_000), (4_000, 5_000), (7_000, 12_000)];
    let (now, _) = replay_reader(&tape, settings, &wants).await;
    assert!(words(&now)[0].contains("gone"), "{now:?}");
    assert!(words(&now)[1].contains("gone"), "{now:?}");
    assert_eq!(words(&now)[2], name_of(&Card::zhang_san()));
}

#[tokio::test(start_paused = true)]
async fn it_is_told_what_came_of_each_fault() {
    let tape = one_card().await;
    let findings = Findings::new();
    let fault = |number, what| Fault { when: When::Exchange(number), what };
    let faults = vec![
        fault(1, What::Drop),
        fault(9_999, What::Drop),
        // A status reply has 11 bytes: AA AA AA 96 69, length, three of status, check byte.
        fault(2, What::Flip(11)),
        Fault { when: When::At(2_500_000), what: What::Unplug(Duration::from_secs(1)) },
    ];
    let settings = Settings { faults, ..Settings::default() };
    {
        let timeline = Timeline::new(Instant::now(), 1.0);
        let tape = tape.into_iter();
        let mut port = replayed_port("id_card", tape, timeline, settings, findings.clone());
        let mut line = port.open(115_200).await.unwrap();
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        for _ in 0..3 {
            line.write_all(&crate::id_card::frame::request([0x11, 0xFF], &[])).await.unwrap();
            sleep(ms(100)).await;
        }
        let mut scratch = [0; 64];
        assert_eq!(findings.tallies(), []);
        while timeout(ms(3_000), line.read(&mut scratch)).await.is_ok_and(|n| n.unwrap() > 0) {}
    }
    let fates = vec![Fate::Struck, Fate::NeverStruck, Fate::ChangedNothing(11), Fate::Struck];
    assert_eq!(findings.tallies(), [Tally { device: "id_card", exchanges: 3, fates }]);
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_nobody_asked_for_can_be_lost_or_cut() {
    let gestures: Gestures<ScannerHand> =
        vec![(3_500, Box::new(|hand, _| hand.scan(b"6901234567892").unwrap()))];
    let (far, hand) = VirtualScanner::new(b"\r", None);
    let (source, driver) = scanner("\r", None);
    let wants = [(3_000, 8_000)];
    let (tape, _) = record("qr_scanner", far, hand, driver, &source, &wants, gestures, code).await;
    for what in [What::Drop, What::Cut(5)] {
        let (source, driver) = scanner("\r", None);
        let settings = fault(When::Exchange(1), what);
        let (now, _) =
            replay("qr_scanner", tape.clone(), settings, driver, &source, &wants, code).await;
        assert_eq!(words(&now), ["nothing"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_to_an_unplugged_line_or_into_a_silence_is_lost() {
    // Codes at 1.0 s, 1.7 s, 2.4 s, 3.1 s.
    for what in [What::Unplug(ms(1_000)), What::Silence(ms(1_000))] {
        for trigger in [None, Some(Trigger::Honeywell)] {
            let mut tape = one_start_and_codes(4);
            if trigger.is_none() {
                tape.remove(1);
            }
            let wants = [(0, 1_400), (1_600, 9_000), (2_800, 9_000)];
            let (source, driver) = scanner("\r", trigger);
            let settings = fault(When::At(1_500_000), what);
            let (got, _) =
                replay("qr_scanner", tape, settings, driver, &source, &wants, code).await;
            assert_eq!(words(&got)[0], "code 0", "{what:?} {trigger:?}");
            assert!(words(&got).contains(&"code 3"), "{what:?} {trigger:?} {got:?}");
            assert!(!words(&got).contains(&"code 1"), "{what:?} {trigger:?} {got:?}");
            assert!(!words(&got).contains(&"code 2"), "{what:?} {trigger:?} {got:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_at_a_moment_meets_what_comes_up_next_whoever_asked_for_it_and_when() {
    let wants = [(0, 9_000), (0, 9_000), (0, 9_000)];
    let (source, driver) = scanner("\r", Some(Trigger::Honeywell));
    let settings = fault(When::At(1_500_000), What::Drop);
    let tape = one_start_and_codes(4);
    let (got, _) = replay("qr_scanner", tape, settings, driver, &source, &wants, code).await;
    assert_eq!(words(&got), ["code 0", "code 2", "code 3"]);
}
