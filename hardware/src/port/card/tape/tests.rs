//! What the tape takes down, what it remembers of the time before, and that it changes nothing.

use std::time::Duration;

use tokio::time::sleep;

use super::testing::{ATR, Step, drive, scripted_port};
use super::*;
use crate::port::card::Content;
use crate::port::replay::TapeLine;
use crate::port::tape::testing::Notebook;

const ATS: &[u8] = &[0xFF, 0xCA, 0x01, 0x00, 0x00];
const READ: &[u8] = &[0x00, 0xB2, 0x01, 0x0C, 0x00];
const CHALLENGE: &[u8] = &[0x00, 0x84, 0x00, 0x00, 0x04];
const UID: &[u8] = &[0xFF, 0xCA, 0x00, 0x00, 0x00];

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

fn card(event: CardEvent) -> PortEvent {
    PortEvent::Card(event)
}

fn holds_card(number: u64) -> PortEvent {
    card(CardEvent::Holds(Holds { what: Content::Card(ATR.to_vec()), number }))
}

fn powered() -> Powered {
    Powered { atr: ATR.to_vec(), protocol: Protocol::T1 }
}

fn out(command: &[u8]) -> PortEvent {
    PortEvent::Out(Bytes::copy_from_slice(command))
}

fn answer_of(bytes: &[u8]) -> PortEvent {
    PortEvent::In(Bytes::copy_from_slice(bytes))
}

fn connect_and_ask() -> Vec<(u64, Step)> {
    vec![
        (1_100, Step::Connect(Power::AsItIs)),
        (1_200, Step::Transact(vec![ATS.to_vec(), READ.to_vec()])),
        (1_500, Step::Disconnect(End::Leave)),
        (1_600, Step::Escape(vec![0xE0])),
    ]
}

#[tokio::test(start_paused = true)]
async fn all_that_passes_is_taken_down_at_its_time_in_its_order() {
    let notebook = Notebook::begun();
    let (port, hand) = scripted_port();
    hand.answers(ATS, 5, &[0x05, 0x78, 0x90, 0x00]);
    hand.answers(&[0xE0], 3, &[0xE1]);
    let mut port = TapedCards::new(Box::new(port), "cpu_card", Arc::new(notebook.clone()));
    let hands = async {
        sleep(ms(1_000)).await;
        hand.put();
        sleep(ms(1_000)).await;
        hand.lift();
        sleep(ms(1_000)).await;
        hand.plug(false);
        sleep(ms(3_000)).await;
    };
    let steps = connect_and_ask();
    tokio::join!(hands, drive(&mut port, &steps, 4_000));
    let silent = CardFault::new(FaultKind::Silent, "says nothing");
    let pulled = CardFault::new(FaultKind::NoReader, "pulled out");
    let nothing = |number| card(CardEvent::Holds(Holds { what: Content::Nothing, number }));
    let expected = [
        (7, card(CardEvent::Opened("Scripted Reader 00 00".to_owned()))),
        (7, nothing(0)),
        (1_000, holds_card(1)),
        (1_100, card(CardEvent::Connect(Power::AsItIs))),
        (1_140, card(CardEvent::Connected(powered()))),
        (1_200, card(CardEvent::Begin)),
        (1_202, card(CardEvent::Begun)),
        (1_202, out(ATS)),
        (1_207, answer_of(&[0x05, 0x78, 0x90, 0x00])),
        (1_207, out(READ)),
        (1_207, card(CardEvent::Unanswered(silent))),
        (1_208, card(CardEvent::Ended(false))),
        (1_500, card(CardEvent::Disconnect(End::Leave))),
        (1_600, card(CardEvent::Escape)),
        (1_600, out(&[0xE0])),
        (1_603, answer_of(&[0xE1])),
        (2_000, nothing(1)),
        (3_000, card(CardEvent::Gone(pulled.clone()))),
        (3_000, card(CardEvent::Closed)),
        (3_007, card(CardEvent::NotOpened(pulled))),
    ];
    let got: Vec<_> =
        notebook.lines().into_iter().map(|line| (line.micros / 1000, line.event)).collect();
    assert_eq!(got, expected);
}

#[tokio::test(start_paused = true)]
async fn a_driver_cannot_tell_whether_it_is_taped() {
    let mut logs = Vec::new();
    for taped in [false, true] {
        let (port, hand) = scripted_port();
        hand.answers(ATS, 5, &[0x05, 0x78, 0x90, 0x00]);
        let mut port: Box<dyn CardPort> = Box::new(port);
        if taped {
            port = Box::new(TapedCards::new(port, "d", Arc::new(Notebook::begun())));
        }
        hand.put();
        hand.resets();
        let steps = connect_and_ask();
        logs.push(drive(&mut *port, &steps, 4_000).await);
    }
    assert_eq!(logs[0], logs[1]);
    assert_eq!(logs[0].len(), 5);
}

/// What stands at the beginning of a tape that begins after all of this was done.
async fn before(steps: &[(u64, Step)], lifted: bool, pulled: bool) -> Vec<PortEvent> {
    let notebook = Notebook::default();
    let (port, hand) = scripted_port();
    hand.answers(ATS, 5, &[0x05, 0x78, 0x90, 0x00]);
    hand.answers(READ, 5, &[0x42; 70]);
    hand.answers(CHALLENGE, 5, &[0x01, 0x02, 0x03, 0x04, 0x90, 0x00]);
    hand.answers(UID, 5, &[0x04, 0xA1, 0xB2, 0xC3, 0x90, 0x00]);
    hand.put();
    let mut port = TapedCards::new(Box::new(port), "cpu_card", Arc::new(notebook.clone()));
    let watch = async {
        sleep(ms(2_000)).await;
        if lifted {
            hand.lift();
        }
        if pulled {
            hand.plug(false);
        }
        sleep(ms(500)).await;
        notebook.begin();
    };
    tokio::join!(watch, drive(&mut port, steps, 3_000));
    let before = |line: &TapeLine| line.before;
    notebook.lines().into_iter().filter(before).map(|line| line.event).collect()
}

#[tokio::test(start_paused = true)]
async fn a_tape_that_begins_late_tells_what_the_driver_knows() {
    let opened = || card(CardEvent::Opened("Scripted Reader 00 00".to_owned()));
    let connected =
        || [card(CardEvent::Connect(Power::AsItIs)), card(CardEvent::Connected(powered()))];
    let known = [out(ATS), answer_of(&[0x05, 0x78, 0x90, 0x00])];
    let begun = [card(CardEvent::Begin), card(CardEvent::Begun)];
    let ended = [card(CardEvent::Ended(false))];

    assert_eq!(before(&[], false, false).await, [opened(), holds_card(1)]);

    let connect = (1_000, Step::Connect(Power::AsItIs));
    let ask = |at, command: &[u8]| (at, Step::Transact(vec![command.to_vec()]));
    let short = [connect.clone(), ask(1_100, ATS), ask(1_200, READ)];
    let expected: Vec<_> = [opened(), holds_card(1)]
        .into_iter()
        .chain(connected())
        .chain(begun)
        .chain(known)
        .chain(ended)
        .collect();
    assert_eq!(before(&short, false, false).await, expected);

    let left = [connect.clone(), ask(1_100, ATS), (1_200, Step::Disconnect(End::Unpower))];
    let expected: Vec<_> =
        expected.into_iter().chain([card(CardEvent::Disconnect(End::Unpower))]).collect();
    assert_eq!(before(&left, false, false).await, expected);

    // What is on a card is not kept.
    let long = [connect.clone(), ask(1_100, READ), ask(1_200, ATS)];
    let expected: Vec<_> = [opened(), holds_card(1)].into_iter().chain(connected()).collect();
    assert_eq!(before(&long, false, false).await, expected);

    // Nor is what a client has asked, however short: it is no driver's question.
    for clients in [&[CHALLENGE][..], &[UID], &[ATS, CHALLENGE], &[CHALLENGE, ATS]] {
        let commands = clients.iter().map(|command| command.to_vec()).collect();
        let own = [connect.clone(), (1_100, Step::Transact(commands)), ask(1_200, ATS)];
        assert_eq!(before(&own, false, false).await, expected);
    }

    let nothing = card(CardEvent::Holds(Holds { what: Content::Nothing, number: 1 }));
    assert_eq!(before(&short, true, false).await, [opened(), nothing]);

    let fault = CardFault::new(FaultKind::NoReader, "pulled out");
    assert_eq!(before(&short, false, true).await, [card(CardEvent::NotOpened(fault))]);
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_busy_while_it_connects_or_a_transaction_is_open() {
    let notebook = Notebook::default();
    let (port, hand) = scripted_port();
    hand.answers(ATS, 4_000, &[0x90, 0x00]);
    hand.put();
    let mut port = TapedCards::new(Box::new(port), "cpu_card", Arc::new(notebook.clone()));
    let steps =
        [(1_000, Step::Connect(Power::AsItIs)), (2_000, Step::Transact(vec![ATS.to_vec()]))];
    let began = tokio::time::Instant::now();
    let watch = async {
        let mut busy = Vec::new();
        for at in [500, 1_020, 1_500, 2_001, 5_900, 6_500] {
            tokio::time::sleep_until(began + ms(at)).await;
            busy.push(notebook.is_busy());
        }
        busy
    };
    let (busy, _) = tokio::join!(watch, drive(&mut port, &steps, 7_000));
    assert_eq!(busy, [false, true, false, true, true, false]);
}

/// A slot whose sequences run on a thread of their own, as those of a library that blocks. The card
/// answers when it is told to, and the slot gives up when it is.
struct Threaded {
    answers: Option<std::sync::mpsc::Receiver<Vec<u8>>>,
    gives_up: Option<tokio::sync::oneshot::Receiver<()>>,
    ended: std::sync::mpsc::Sender<()>,
}

struct ThreadedCard(std::sync::mpsc::Receiver<Vec<u8>>);

impl Card for ThreadedCard {
    fn protocol(&self) -> Protocol {
        Protocol::T1
    }

    fn transmit<'a>(&'a mut self, _: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        let answer = self.0.recv().unwrap();
        Box::pin(std::future::ready(Ok(answer)))
    }
}

impl CardPort for Threaded {
    fn open(&mut self) -> Later<'_, Result<BoxedSlot, CardFault>> {
        let (answers, gives_up) = (self.answers.take(), self.gives_up.take());
        let ended = self.ended.clone();
        Box::pin(async move { Ok(Box::new(Self { answers, gives_up, ended }) as BoxedSlot) })
    }

    fn worth_opening<'a>(&'a mut self, _: &'a Trouble) -> Later<'a, ()> {
        Box::pin(std::future::pending())
    }
}

impl CardSlot for Threaded {
    fn reader(&self) -> &'static str {
        "Threaded"
    }

    fn holds(&self) -> Holds {
        Holds::default()
    }

    fn changed(&mut self) -> Later<'_, Result<(), CardFault>> {
        Box::pin(std::future::pending())
    }

    fn connect(&mut self, _: Power) -> Later<'_, Result<Powered, CardFault>> {
        Box::pin(std::future::ready(Ok(powered())))
    }

    fn transact(&mut self, sequence: Sequence) -> Later<'_, Result<Begun, CardFault>> {
        let mut card = ThreadedCard(self.answers.take().unwrap());
        let (tell, mut done) = tokio::sync::oneshot::channel();
        let ended = self.ended.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(sequence(&mut card));
            let _ = tell.send(());
            ended.send(()).unwrap();
        });
        let gives_up = self.gives_up.take().unwrap();
        Box::pin(async move {
            tokio::select! {
                biased;
                Ok(()) = &mut done => Ok(Begun::default()),
                Ok(()) = gives_up => Err(CardFault::new(FaultKind::Silent, "30 s")),
            }
        })
    }

    fn disconnect(&mut self, _: End) -> Later<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn escape<'a>(&'a mut self, _: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_sequence_on_a_thread_is_taped_and_one_that_was_given_up_says_no_more() {
    for given_up in [false, true] {
        let notebook = Notebook::begun();
        let (answer, answers) = std::sync::mpsc::channel();
        let (give_up, gives_up) = tokio::sync::oneshot::channel();
        let (ended, end) = std::sync::mpsc::channel();
        let port = Threaded { answers: Some(answers), gives_up: Some(gives_up), ended };
        let tape: Arc<dyn Tape> = Arc::new(notebook.clone());
        let mut port = TapedCards::new(Box::new(port), "d", tape);
        let mut slot = port.open().await.unwrap();
        slot.connect(Power::AsItIs).await.unwrap();
        answer.send(vec![0x90, 0x00]).unwrap();
        if !given_up {
            answer.send(vec![0x6D, 0x00]).unwrap();
        }
        let transacted = slot.transact(Box::new(|card| {
            Box::pin(async move {
                let _ = card.transmit(ATS).await;
                let _ = card.transmit(READ).await;
            })
        }));
        let watch = async {
            let asked = |line: &TapeLine| line.event == out(READ);
            while given_up && !notebook.lines().iter().any(asked) {
                tokio::task::yield_now().await;
            }
            if given_up {
                give_up.send(()).unwrap();
            }
        };
        let (begun, ()) = tokio::join!(transacted, watch);
        assert_eq!(begun.is_err(), given_up);
        if given_up {
            answer.send(vec![0x6D, 0x00]).unwrap();
        }
        end.recv().unwrap();
        let events: Vec<_> = notebook.lines().into_iter().map(|line| line.event).collect();
        let fault = CardFault::new(FaultKind::Silent, "30 s");
        let mut expected = vec![
            card(CardEvent::Begin),
            card(CardEvent::Begun),
            out(ATS),
            answer_of(&[0x90, 0x00]),
            out(READ),
        ];
        if given_up {
            expected.push(card(CardEvent::Unanswered(fault.clone())));
            expected.push(card(CardEvent::NotBegun(fault)));
        } else {
            expected.push(answer_of(&[0x6D, 0x00]));
            expected.push(card(CardEvent::Ended(false)));
        }
        assert_eq!(events[4..], expected);
        drop(slot);
    }
}
