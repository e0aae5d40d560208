//! Commands that are too long for T=0, whose pieces a tape without personal data has as filler.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_envelope_is_told_by_its_header_and_length() {
    let envelope = |p2: u8, inside: &[u8]| {
        [&[0x00, 0xC2, 0x00, p2, u8::try_from(inside.len()).unwrap()], inside].concat()
    };
    // What is left of 80 D2 00 00 00 01 2C … on a tape, and what a driver cuts out of the same
    // command of a client's, whose header is left.
    let taped = [envelope(0, &[0xDD; 255]), envelope(0, &[0xDD; 52])];
    let header = [0x80, 0xD2, 0x00, 0x00, 0x00, 0x01, 0x2C];
    let first = [&header[..], &[0xDD; 248]].concat();
    let asked = [envelope(0, &first), envelope(0, &[0xDD; 52])];
    let mut tape = vec![
        line(1, 0, PortEvent::Card(CardEvent::Opened("Reader".to_owned()))),
        line(2, 0, holds(Content::Card(ATR.to_vec()), 1)),
        line(3, 1_000, PortEvent::Card(CardEvent::Connect(Power::AsItIs))),
        line(
            4,
            1_000,
            PortEvent::Card(CardEvent::Connected(Powered {
                atr: ATR.to_vec(),
                protocol: Protocol::T0,
            })),
        ),
        line(5, 2_000, PortEvent::Card(CardEvent::Begin)),
        line(6, 2_000, PortEvent::Card(CardEvent::Begun)),
    ];
    for (number, command) in (7..).step_by(2).zip(&taped) {
        let answer = Bytes::copy_from_slice(&[0x90, 0x00]);
        tape.push(line(number, 2_000, PortEvent::Out(command.clone().into())));
        tape.push(line(number + 1, 2_000, PortEvent::In(answer)));
    }
    tape.push(line(11, 2_000, PortEvent::Card(CardEvent::Ended(false))));
    let mut steps = vec![(1_000, connect()), (2_000, Step::Transact(asked.to_vec()))];
    let (log, findings) = replay(&tape, strict(), &steps, 4_000).await;
    assert_eq!(words(&log)[2..], ["got [90, 00] [90, 00]"]);
    assert_eq!(findings, []);
    for other in [envelope(1, &first), envelope(0, &first[1..])] {
        steps[1].1 = Step::Transact(vec![other]);
        let (log, findings) = replay(&tape, strict(), &steps, 4_000).await;
        assert!(!words(&log).iter().any(|words| words.contains("90, 00")), "{log:?}");
        assert!(findings.iter().any(|finding| finding.oddity == Oddity::NeverAnswered));
    }
}
