//! A card reader for tests, and a driver that does what it is told, when it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::device::Trouble;
use crate::port::card::{
    Begun, BoxedSlot, Card, CardFault, CardPort, CardSlot, Content, End, FaultKind, Holds, Later,
    Power, Powered, Protocol, Sequence,
};

pub(crate) const ATR: [u8; 4] = [0x3B, 0x81, 0x80, 0x01];

/// How long a connection takes.
pub(crate) const CONNECT: Duration = Duration::from_millis(40);

/// A reader that holds what the test puts into it.
pub(crate) struct ScriptedPort(Hand);

/// The test's side of it. Clones are the same reader.
#[derive(Clone)]
pub(crate) struct Hand {
    state: Arc<Mutex<State>>,
    changes: watch::Sender<u64>,
}

/// How long an answer takes, and what it is.
type Answer = (Duration, Result<Vec<u8>, CardFault>);

#[derive(Default)]
struct State {
    plugged: bool,
    holds: Holds,
    answers: BTreeMap<Vec<u8>, Answer>,
    refusal: Option<CardFault>,
    renewed: bool,
    cards: u64,
}

struct ScriptedSlot {
    hand: Hand,
    told: Holds,
}

struct ScriptedCard(Hand);

pub(crate) fn scripted_port() -> (ScriptedPort, Hand) {
    let state = Arc::new(Mutex::new(State { plugged: true, ..State::default() }));
    let hand = Hand { state, changes: watch::channel(0).0 };
    (ScriptedPort(hand.clone()), hand)
}

impl Hand {
    pub(crate) fn put(&self) {
        self.change(|state| {
            state.cards += 1;
            state.holds = Holds { what: Content::Card(ATR.to_vec()), number: state.cards };
        });
    }

    pub(crate) fn lift(&self) {
        self.change(|state| state.holds.what = Content::Nothing);
    }

    pub(crate) fn plug(&self, plugged: bool) {
        self.change(|state| state.plugged = plugged);
    }

    /// What the card, or the reader, answers to this from now on, after so many ms.
    pub(crate) fn answers(&self, command: &[u8], ms: u64, answer: &[u8]) {
        let answer = (Duration::from_millis(ms), Ok(answer.to_vec()));
        self.change(|state| drop(state.answers.insert(command.to_vec(), answer)));
    }

    /// The next transaction is refused.
    pub(crate) fn refuses(&self, kind: FaultKind) {
        self.change(|state| state.refusal = Some(CardFault::new(kind, "refused")));
    }

    /// Another program resets the card.
    pub(crate) fn resets(&self) {
        self.change(|state| state.renewed = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changes.send_modify(|number| *number += 1);
    }

    fn gone(&self) -> Result<(), CardFault> {
        let plugged = self.state.lock().unwrap().plugged;
        plugged.then_some(()).ok_or_else(|| CardFault::new(FaultKind::NoReader, "pulled out"))
    }

    fn holds(&self) -> Holds {
        self.state.lock().unwrap().holds.clone()
    }

    /// The answer, or that the card was taken away meanwhile.
    async fn exchange(&self, command: &[u8], to_card: bool) -> Result<Vec<u8>, CardFault> {
        let number = self.holds().number;
        let silent = || (Duration::ZERO, Err(CardFault::new(FaultKind::Silent, "says nothing")));
        let known = self.state.lock().unwrap().answers.get(command).cloned();
        let (length, answer) = known.unwrap_or_else(silent);
        let mut changes = self.changes.subscribe();
        let until = Instant::now() + length;
        loop {
            let holds = self.holds();
            self.gone()?;
            if to_card && (holds.what == Content::Nothing || holds.number != number) {
                return Err(CardFault::new(FaultKind::Removed, "taken away"));
            }
            tokio::select! {
                biased;
                _ = changes.changed() => {}
                () = sleep_until(until) => return answer,
            }
        }
    }
}

impl CardPort for ScriptedPort {
    fn open(&mut self) -> Later<'_, Result<BoxedSlot, CardFault>> {
        Box::pin(async move {
            sleep(Duration::from_millis(7)).await;
            self.0.gone()?;
            let told = self.0.holds();
            Ok(Box::new(ScriptedSlot { hand: self.0.clone(), told }) as BoxedSlot)
        })
    }

    fn worth_opening<'a>(&'a mut self, _: &'a Trouble) -> Later<'a, ()> {
        let mut changes = self.0.changes.subscribe();
        Box::pin(async move {
            while self.0.gone().is_err() {
                let _ = changes.changed().await;
            }
        })
    }
}

impl CardSlot for ScriptedSlot {
    fn reader(&self) -> &str {
        "Scripted Reader 00 00"
    }

    fn holds(&self) -> Holds {
        self.hand.holds()
    }

    fn changed(&mut self) -> Later<'_, Result<(), CardFault>> {
        let mut changes = self.hand.changes.subscribe();
        Box::pin(async move {
            loop {
                self.hand.gone()?;
                let holds = self.hand.holds();
                if holds != self.told {
                    self.told = holds;
                    return Ok(());
                }
                let _ = changes.changed().await;
            }
        })
    }

    fn connect(&mut self, _: Power) -> Later<'_, Result<Powered, CardFault>> {
        Box::pin(async move {
            sleep(CONNECT).await;
            match self.hand.holds().what {
                Content::Card(atr) => Ok(Powered { atr, protocol: Protocol::T1 }),
                _ => Err(CardFault::new(FaultKind::NoCard, "no card")),
            }
        })
    }

    fn transact(&mut self, sequence: Sequence) -> Later<'_, Result<Begun, CardFault>> {
        Box::pin(async move {
            sleep(Duration::from_millis(2)).await;
            let refusal = self.hand.state.lock().unwrap().refusal.take();
            if let Some(fault) = refusal {
                return Err(fault);
            }
            let renewed = std::mem::take(&mut self.hand.state.lock().unwrap().renewed);
            sequence(&mut ScriptedCard(self.hand.clone())).await;
            sleep(Duration::from_millis(1)).await;
            Ok(Begun { renewed })
        })
    }

    fn disconnect(&mut self, _: End) -> Later<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn escape<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(self.hand.exchange(command, false))
    }
}

impl Card for ScriptedCard {
    fn protocol(&self) -> Protocol {
        Protocol::T1
    }

    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(self.0.exchange(command, true))
    }
}

/// What a driver is told to do.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Connect(Power),
    Transact(Vec<Vec<u8>>),
    Disconnect(End),
    Escape(Vec<u8>),
}

/// What a driver did and saw, and when, in ms since it began.
pub(crate) type Log = Vec<(u64, String)>;

/// Opens the slot whenever it can, sees what lies in it, and does its steps at their times, in ms.
pub(crate) async fn drive(port: &mut dyn CardPort, steps: &[(u64, Step)], until: u64) -> Log {
    let began = Instant::now();
    let log = Arc::new(Mutex::new(Log::new()));
    let say = |words: String| {
        let at = u64::try_from(began.elapsed().as_millis()).unwrap();
        log.lock().unwrap().push((at, words));
    };
    let at = |ms: u64| began + Duration::from_millis(ms);
    let mut steps = steps.iter();
    let mut next = steps.next();
    let mut slot: Option<BoxedSlot> = None;
    loop {
        let due = at(next.map_or(until, |(ms, _)| *ms).min(until));
        match &mut slot {
            None => match port.open().await {
                Ok(opened) => {
                    say(format!("opened {}, {}", opened.reader(), shown(&opened.holds())));
                    slot = Some(opened);
                    continue;
                }
                Err(fault) => {
                    say(format!("not opened: {:?}", fault.kind));
                    let trouble = Trouble::from(fault);
                    tokio::select! {
                        biased;
                        () = port.worth_opening(&trouble) => continue,
                        () = sleep_until(due) => {}
                    }
                }
            },
            Some(open) => {
                let changed = tokio::select! {
                    biased;
                    changed = open.changed() => Some(changed),
                    () = sleep_until(due) => None,
                };
                match changed {
                    Some(Ok(())) => {
                        say(shown(&open.holds()));
                        continue;
                    }
                    Some(Err(fault)) => {
                        say(format!("gone: {:?}", fault.kind));
                        slot = None;
                        continue;
                    }
                    None => {}
                }
            }
        }
        let Some((_, step)) = next.filter(|(ms, _)| *ms < until) else { break };
        next = steps.next();
        match &mut slot {
            Some(slot) => say(carry_out(slot, step).await),
            None => say("no reader".to_owned()),
        }
    }
    drop(slot);
    std::mem::take(&mut *log.lock().unwrap())
}

async fn carry_out(slot: &mut BoxedSlot, step: &Step) -> String {
    let answered = |answer: Result<Vec<u8>, CardFault>| match answer {
        Ok(bytes) => format!("{bytes:02X?}"),
        Err(fault) => format!("{:?}", fault.kind),
    };
    match step {
        Step::Connect(power) => match slot.connect(*power).await {
            Ok(powered) => format!("{power:?}: {:02X?} {:?}", powered.atr, powered.protocol),
            Err(fault) => format!("{power:?}: {:?}", fault.kind),
        },
        Step::Transact(commands) => {
            let commands = commands.clone();
            let made = crate::port::card::in_transaction(&mut **slot, move |card| {
                Box::pin(async move {
                    let mut got = Vec::new();
                    for command in &commands {
                        got.push(answered(card.transmit(command).await));
                    }
                    got
                })
            });
            match made.await {
                Ok((got, begun)) => {
                    let renewed = if begun.renewed { ", renewed" } else { "" };
                    format!("got {}{renewed}", got.join(" "))
                }
                Err(fault) => format!("not begun: {:?}", fault.kind),
            }
        }
        Step::Disconnect(end) => {
            slot.disconnect(*end).await;
            format!("{end:?}")
        }
        Step::Escape(command) => format!("escape {}", answered(slot.escape(command).await)),
    }
}

fn shown(holds: &Holds) -> String {
    match &holds.what {
        Content::Nothing => "nothing".to_owned(),
        Content::Card(atr) => format!("card {} {atr:02X?}", holds.number),
        Content::Mute => format!("mute {}", holds.number),
    }
}
