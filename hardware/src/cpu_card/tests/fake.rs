//! A slot that does as the test says and notes what is asked of it: below it there is neither a
//! reader nor a card, so that every fault can be had at every place.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

use crate::device::Trouble;
use crate::port::card::{
    Begun, BoxedSlot, Card, CardFault, CardPort, CardSlot, Content, End, FaultKind, Holds, Later,
    Power, Powered, Protocol, Sequence,
};

pub(super) const READER: &str = "ACME CL-1 00 00";

/// What a card says to a command.
pub(super) type Answers = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, CardFault> + Send>;

/// The test's side.
#[derive(Clone)]
pub(super) struct World {
    state: Arc<Mutex<State>>,
    news: Arc<watch::Sender<()>>,
}

struct State {
    log: Vec<String>,
    plugged: Result<(), CardFault>,
    holds: Holds,
    atr: Vec<u8>,
    answers: Answers,
    /// How long a command takes.
    takes: Duration,
    /// The next connections and transactions that fail, and how.
    connect_faults: VecDeque<CardFault>,
    transact_faults: VecDeque<CardFault>,
    renewed: bool,
}

impl World {
    /// A reader that is plugged in, and no card.
    pub(super) fn new() -> Self {
        let state = State {
            log: Vec::new(),
            plugged: Ok(()),
            holds: Holds::default(),
            atr: Vec::new(),
            answers: Box::new(|_| Ok(vec![0x90, 0x00])),
            takes: Duration::from_millis(5),
            connect_faults: VecDeque::new(),
            transact_faults: VecDeque::new(),
            renewed: false,
        };
        Self { state: Arc::new(Mutex::new(state)), news: Arc::new(watch::Sender::new(())) }
    }

    pub(super) fn put(
        &self,
        atr: &[u8],
        answers: impl FnMut(&[u8]) -> Result<Vec<u8>, CardFault> + Send + 'static,
    ) {
        let mut state = self.state();
        state.atr = atr.to_vec();
        state.answers = Box::new(answers);
        state.holds = Holds { what: Content::Card(atr.to_vec()), number: state.holds.number + 1 };
        drop(state);
        self.news.send_replace(());
    }

    pub(super) fn put_mute(&self) {
        let mut state = self.state();
        state.holds = Holds { what: Content::Mute, number: state.holds.number + 1 };
        drop(state);
        self.news.send_replace(());
    }

    pub(super) fn lift(&self) {
        self.state().holds.what = Content::Nothing;
        self.news.send_replace(());
    }

    pub(super) fn unplug(&self, kind: FaultKind) {
        self.state().plugged = Err(fault(kind));
        self.news.send_replace(());
    }

    /// Plugged in without its port being told: only a look finds it.
    pub(super) fn plug_silently(&self) {
        self.state().plugged = Ok(());
    }

    pub(super) fn plug(&self) {
        self.plug_silently();
        self.news.send_replace(());
    }

    pub(super) fn takes(&self, time: Duration) {
        self.state().takes = time;
    }

    pub(super) fn fail_connect(&self, kind: FaultKind) {
        self.state().connect_faults.push_back(fault(kind));
    }

    pub(super) fn fail_transact(&self, kind: FaultKind) {
        self.state().transact_faults.push_back(fault(kind));
    }

    pub(super) fn others_reset(&self) {
        self.state().renewed = true;
    }

    /// What was asked of the slot since this was last asked.
    pub(super) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    fn hear(&self, command: &[u8]) -> (Duration, Result<Vec<u8>, CardFault>) {
        let mut state = self.state();
        state.log.push(command.iter().map(|byte| format!("{byte:02X}")).collect());
        (state.takes, (state.answers)(command))
    }

    fn note(&self, what: String) {
        self.state().log.push(what);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with it")
    }
}

pub(super) fn fault(kind: FaultKind) -> CardFault {
    CardFault::new(kind, format!("{kind:?}"))
}

impl CardPort for World {
    fn open(&mut self) -> Later<'_, Result<BoxedSlot, CardFault>> {
        Box::pin(async move {
            self.note("open".to_owned());
            self.state().plugged.clone()?;
            let slot = Slot { world: self.clone(), news: self.news.subscribe(), connected: false };
            Ok(Box::new(slot) as BoxedSlot)
        })
    }

    fn worth_opening<'a>(&'a mut self, _trouble: &'a Trouble) -> Later<'a, ()> {
        let mut news = self.news.subscribe();
        Box::pin(
            async move { while news.changed().await.is_ok() && self.state().plugged.is_err() {} },
        )
    }
}

struct Slot {
    world: World,
    news: watch::Receiver<()>,
    connected: bool,
}

impl CardSlot for Slot {
    fn reader(&self) -> &str {
        READER
    }

    fn holds(&self) -> Holds {
        self.world.state().holds.clone()
    }

    fn changed(&mut self) -> Later<'_, Result<(), CardFault>> {
        Box::pin(async move {
            self.news.changed().await.expect("the world lasts");
            self.world.state().plugged.clone()
        })
    }

    fn connect(&mut self, power: Power) -> Later<'_, Result<Powered, CardFault>> {
        Box::pin(async move {
            self.world.note(format!("connect {power:?}"));
            let mut state = self.world.state();
            if let Some(fault) = state.connect_faults.pop_front() {
                return Err(fault);
            }
            let kind = match state.holds.what {
                Content::Nothing => FaultKind::NoCard,
                Content::Mute => FaultKind::Mute,
                Content::Card(_) => {
                    self.connected = true;
                    return Ok(Powered { atr: state.atr.clone(), protocol: Protocol::T1 });
                }
            };
            Err(fault(kind))
        })
    }

    fn transact(&mut self, sequence: Sequence) -> Later<'_, Result<Begun, CardFault>> {
        Box::pin(async move {
            assert!(self.connected, "a transaction needs a connection");
            if let Some(fault) = self.world.state().transact_faults.pop_front() {
                return Err(fault);
            }
            self.world.note("begin".to_owned());
            sequence(&mut Inside { world: self.world.clone() }).await;
            self.world.note("end".to_owned());
            Ok(Begun { renewed: std::mem::take(&mut self.world.state().renewed) })
        })
    }

    fn disconnect(&mut self, end: End) -> Later<'_, ()> {
        Box::pin(async move {
            assert!(self.connected, "nothing to let go of");
            self.connected = false;
            self.world.note(format!("disconnect {end:?}"));
        })
    }

    fn escape<'a>(&'a mut self, _: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(async { Err(fault(FaultKind::Other)) })
    }
}

struct Inside {
    world: World,
}

impl Card for Inside {
    fn protocol(&self) -> Protocol {
        Protocol::T1
    }

    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(async move {
            let (takes, answer) = self.world.hear(command);
            tokio::time::sleep(takes).await;
            answer
        })
    }
}
