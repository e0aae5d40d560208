//! Any tape and any driver.

use proptest::prelude::*;

use super::*;

fn any_event() -> impl Strategy<Value = PortEvent> {
    let bytes = || proptest::collection::vec(0u8..3, 1..3).prop_map(Bytes::from);
    let fault = || CardFault::new(FaultKind::Removed, "x");
    let powered = || Powered { atr: ATR.to_vec(), protocol: Protocol::T1 };
    let card = |event| Just(PortEvent::Card(event));
    prop_oneof![
        4 => bytes().prop_map(PortEvent::Out),
        4 => bytes().prop_map(PortEvent::In),
        1 => card(CardEvent::Opened("R".to_owned())),
        1 => card(CardEvent::NotOpened(fault())),
        2 => (0u64..3).prop_map(|number| holds(Content::Card(ATR.to_vec()), number)),
        1 => (0u64..3).prop_map(|number| holds(Content::Nothing, number)),
        1 => card(CardEvent::Gone(fault())),
        2 => card(CardEvent::Connect(Power::AsItIs)),
        2 => card(CardEvent::Connected(powered())),
        1 => card(CardEvent::NotConnected(fault())),
        2 => card(CardEvent::Begin),
        2 => card(CardEvent::Begun),
        1 => card(CardEvent::NotBegun(fault())),
        1 => card(CardEvent::Unanswered(fault())),
        2 => any::<bool>().prop_map(|renewed| PortEvent::Card(CardEvent::Ended(renewed))),
        1 => card(CardEvent::Disconnect(End::Leave)),
        1 => card(CardEvent::Escape),
        1 => card(CardEvent::Closed),
        1 => Just(PortEvent::Closed),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let bytes = || proptest::collection::vec(0u8..3, 1..3);
    prop_oneof![
        2 => Just(Step::Connect(Power::AsItIs)),
        4 => proptest::collection::vec(bytes(), 0..3).prop_map(Step::Transact),
        1 => Just(Step::Disconnect(End::Leave)),
        1 => bytes().prop_map(Step::Escape),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_tape_and_any_driver_come_to_an_end_and_time_goes_on(
        events in proptest::collection::vec((0i64..900_000, any::<bool>(), any_event()), 0..60),
        steps in proptest::collection::vec((0u64..3_000, any_step()), 0..20),
        strict: bool,
        patient: bool,
        reads_once: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut now = 0;
            let opened = PortEvent::Card(CardEvent::Opened("R".to_owned()));
            let tape: Vec<_> = [(0, false, opened)]
                .into_iter()
                .chain(events)
                .zip(1..)
                .map(|((pause, before, event), line)| {
                    now += pause;
                    TapeLine { line, micros: now, before, event }
                })
                .collect();
            let mut at = 0;
            let mut later = |(pause, step)| {
                at += pause;
                (at, step)
            };
            let steps: Vec<_> = steps.into_iter().map(&mut later).collect();
            let fault = |number, what| Fault { when: When::Exchange(number), what };
            let faults = vec![fault(2, What::Drop), fault(5, What::Unplug(ms(500)))];
            let settings = Settings { strict, patient, reads_once, faults, ..Settings::default() };
            // Virtual time passes: nothing spins, and nothing waits for ever.
            let all = replay(&tape, settings, &steps, 2_000_000);
            let (log, _) = tokio::time::timeout(ms(3_000_000), all).await.unwrap();
            assert!(!log.is_empty());
        });
    }
}
