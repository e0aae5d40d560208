//! Drivers that are at another place than the one on the tape was: started anew in the middle of a
//! session, quicker to look, or live clients with questions in an order of their own.

use super::*;

const PUT_DATA: &[u8] = &[0x00, 0xDA, 0x00, 0x00, 0x02, 0x11, 0x22];
/// The same where the recording does not tell its data.
const PUT_FILLER: &[u8] = &[0x00, 0xDA, 0x00, 0x00, 0x02, 0xDD, 0xDD];

fn card(event: CardEvent) -> PortEvent {
    PortEvent::Card(event)
}

fn powered() -> Powered {
    Powered { atr: ATR.to_vec(), protocol: Protocol::T1 }
}

fn removed() -> CardFault {
    CardFault::new(FaultKind::Removed, "taken away")
}

/// Lines at these times, in ms; those below 0 are of the time before.
fn tape(events: Vec<(i64, PortEvent)>) -> Vec<TapeLine> {
    let lines = (1..).zip(events);
    lines
        .map(|(number, (at, event))| {
            let line = line(number, at.max(0), event);
            TapeLine { before: at < 0, ..line }
        })
        .collect()
}

/// A slot with a card in it.
fn opened(at: i64) -> Vec<(i64, PortEvent)> {
    vec![(at, card(CardEvent::Opened("R".to_owned()))), (at, holds(Content::Card(ATR.to_vec()), 1))]
}

fn connection(at: i64, power: Power) -> Vec<(i64, PortEvent)> {
    vec![(at, card(CardEvent::Connect(power))), (at, card(CardEvent::Connected(powered())))]
}

/// A transaction with one command; without an answer, the card is taken away.
fn exchange(
    at: i64,
    command: &'static [u8],
    answer: Option<&'static [u8]>,
) -> Vec<(i64, PortEvent)> {
    let answer = match answer {
        Some(answer) => PortEvent::In(Bytes::from_static(answer)),
        None => card(CardEvent::Unanswered(removed())),
    };
    vec![
        (at, card(CardEvent::Begin)),
        (at, card(CardEvent::Begun)),
        (at, PortEvent::Out(Bytes::from_static(command))),
        (at, answer),
        (at, card(CardEvent::Ended(false))),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_card_that_has_gone_is_seen_to_have_gone() {
    let mut events = opened(0);
    events.extend(connection(100, Power::AsItIs));
    events.extend(exchange(200, READ, None));
    events.push((200, card(CardEvent::Disconnect(End::Leave))));
    // The driver had its look later than it can have it now.
    events.push((290, holds(Content::Nothing, 1)));
    let tape = tape(events);
    let steps = [(100, connect()), (200, ask(&[READ])), (201, Step::Disconnect(End::Leave))];
    for settings in [strict(), patient()] {
        let (now, findings) = replay(&tape, settings, &steps, 1_000).await;
        let expected =
            [(100, "AsItIs: [3B, 81, 80, 01] T1"), (200, "got Removed"), (200, "nothing")];
        assert_eq!(now[1..4], expected.map(|(at, words)| (at, words.to_owned())));
        assert_eq!((now.len(), findings), (5, vec![]));
    }
    // Who goes on without a look finds no card either.
    let steps = [(100, connect()), (200, ask(&[READ, READ]))];
    let (now, _) = replay(&tape, Settings::default(), &steps, 1_000).await;
    assert_eq!(now[2].1, "got Removed Removed");
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_card_yet_brings_none() {
    let tape = tape(vec![
        (0, card(CardEvent::Opened("R".to_owned()))),
        (0, holds(Content::Nothing, 0)),
        (100, card(CardEvent::Connect(Power::AsItIs))),
        (100, card(CardEvent::NotConnected(CardFault::new(FaultKind::NoCard, "no card")))),
        (500, holds(Content::Card(ATR.to_vec()), 1)),
    ]);
    let (now, findings) = replay(&tape, strict(), &[(100, connect())], 1_000).await;
    assert_eq!(
        now[1..],
        [(100, "AsItIs: NoCard".to_owned()), (500, "card 1 [3B, 81, 80, 01]".to_owned()),]
    );
    assert_eq!(findings, []);
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_started_anew_in_a_session_finds_its_way_into_it() {
    // It had reset the card and asked for its ATS long ago.
    let mut events = opened(-1);
    events.extend(connection(-1, Power::Cold));
    events.extend(exchange(-1, ATS, Some(&[0x05, 0x78, 0x90, 0x00])));
    events.extend(exchange(1_000, READ, Some(&[0x01, 0x90, 0x00])));
    events.extend(connection(2_000, Power::Cold));
    events.extend(exchange(2_100, READ, Some(&[0x6A, 0x82])));
    let tape = tape(events);
    let steps = [
        // It has to connect first, and does not reset the card for that.
        (1_000, connect()),
        (1_000, ask(&[READ])),
        (2_000, Step::Connect(Power::Cold)),
        // It does not know the ATS.
        (2_000, ask(&[ATS])),
        (2_100, ask(&[READ])),
    ];
    let (now, findings) = replay(&tape, strict(), &steps, 3_000).await;
    let expected = [
        (1_000, "AsItIs: [3B, 81, 80, 01] T1"),
        (1_000, "got [01, 90, 00]"),
        (2_000, "Cold: [3B, 81, 80, 01] T1"),
        (2_000, "got [05, 78, 90, 00]"),
        (2_100, "got [6A, 82]"),
    ];
    assert_eq!(now[1..], expected.map(|(at, words)| (at, words.to_owned())));
    assert_eq!(findings, []);
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_the_one_that_was_asked_for_then() {
    let mut events = opened(-1);
    events.extend(connection(-1, Power::Cold));
    events.extend(connection(3_000, Power::Cold));
    let steps = [(2_980, Step::Connect(Power::Cold))];
    let (now, findings) = replay(&tape(events), strict(), &steps, 5_000).await;
    assert_eq!(now[1], (3_000, "Cold: [3B, 81, 80, 01] T1".to_owned()));
    assert_eq!(findings, []);
}

#[tokio::test(start_paused = true)]
async fn a_look_for_the_reader_more_than_then_finds_none() {
    let mut events = opened(0);
    let gone = CardFault::new(FaultKind::NoReader, "pulled out");
    events.push((1_000, card(CardEvent::Gone(gone))));
    events.extend(opened(1_200));
    let tape = tape(events);
    let (now, _) = replay(&tape, strict(), &[(1_100, connect())], 2_000).await;
    let expected = [
        (1_000, "gone: NoReader"),
        (1_000, "not opened: NoReader"),
        (1_100, "no reader"),
        (1_100, "not opened: NoReader"),
        (1_200, "opened R, card 1 [3B, 81, 80, 01]"),
    ];
    assert_eq!(now[1..], expected.map(|(at, words)| (at, words.to_owned())));
    // One that comes a little early is the one of then.
    let (now, _) = replay(&tape, strict(), &[(1_180, connect())], 2_000).await;
    assert_eq!(now.last().unwrap(), &(1_200, "opened R, card 1 [3B, 81, 80, 01]".to_owned()));
    // The first waits for a service that is being started.
    let late = tape.iter().filter(|line| line.micros >= 1_200_000).cloned().collect::<Vec<_>>();
    let (now, _) = replay(&late, strict(), &[], 2_000).await;
    assert_eq!(now, [(1_200, "opened R, card 1 [3B, 81, 80, 01]".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_live_client_asks_what_was_asked_in_its_own_order_and_with_its_own_data() {
    let mut events = opened(0);
    events.extend(connection(100, Power::AsItIs));
    events.extend(exchange(200, READ, Some(&[0x01, 0x90, 0x00])));
    events.extend(exchange(300, PUT_FILLER, Some(&[0x90, 0x00])));
    events.extend(connection(400, Power::Cold));
    events.extend(exchange(500, SELECT, Some(&[0x6F, 0x90, 0x00])));
    let tape = tape(events);
    let steps = [
        (1_000, Step::Connect(Power::Cold)),
        (1_100, ask(&[PUT_DATA, SELECT, READ, PUT_DATA, BEEP])),
    ];
    let (now, _) = replay(&tape, patient(), &steps, 2_000).await;
    assert_eq!(now[1].1, "Cold: [3B, 81, 80, 01] T1");
    let all = "got [90, 00] [6F, 90, 00] [01, 90, 00] [90, 00] Silent";
    assert_eq!(now[2].1, all);
    // A replay's clients have the recording's own data.
    let steps = [(100, connect()), (300, ask(&[PUT_DATA]))];
    let (now, _) = replay(&tape, Settings::default(), &steps, 2_000).await;
    assert_eq!(now[2].1, "got Silent");
}
