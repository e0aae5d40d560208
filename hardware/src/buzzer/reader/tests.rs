//! The driver against a reader that is a few lines of script, on the paused clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::super::{BeepError, BeepLog, Template, WAITING, virtual_buzzer};
use super::*;
use crate::port::card::{Begun, BoxedSlot, End, Holds, Later, Power, Powered, Sequence};

type Answer = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, CardFault> + Send>;

/// A reader that is plugged in and out, and answers commands by a script.
#[derive(Clone)]
struct Far {
    name: watch::Sender<Option<&'static str>>,
    answer: Arc<Mutex<Answer>>,
    /// How long an answer takes.
    delay: Arc<Mutex<Duration>>,
    /// When each command came, in ms.
    heard: Arc<Mutex<Vec<u128>>>,
    start: Instant,
}

struct FarSlot {
    far: Far,
    name: &'static str,
}

fn no_reader() -> CardFault {
    CardFault::new(FaultKind::NoReader, "no reader")
}

impl CardPort for Far {
    fn open(&mut self) -> Later<'_, Result<BoxedSlot, CardFault>> {
        let name = *self.name.borrow();
        let far = self.clone();
        Box::pin(async move {
            let name = name.ok_or_else(no_reader)?;
            Ok(Box::new(FarSlot { far, name }) as BoxedSlot)
        })
    }

    fn worth_opening<'a>(&'a mut self, _: &'a Trouble) -> Later<'a, ()> {
        let mut name = self.name.subscribe();
        Box::pin(async move {
            let _ = name.changed().await;
        })
    }
}

impl CardSlot for FarSlot {
    fn reader(&self) -> &str {
        self.name
    }

    fn holds(&self) -> Holds {
        Holds::default()
    }

    fn changed(&mut self) -> Later<'_, Result<(), CardFault>> {
        let mut name = self.far.name.subscribe();
        Box::pin(async move {
            let _ = name.wait_for(Option::is_none).await;
            Err(no_reader())
        })
    }

    fn connect(&mut self, _: Power) -> Later<'_, Result<Powered, CardFault>> {
        unreachable!("a beeper needs no card")
    }

    fn transact(&mut self, _: Sequence) -> Later<'_, Result<Begun, CardFault>> {
        unreachable!("a beeper needs no card")
    }

    fn disconnect(&mut self, _: End) -> Later<'_, ()> {
        unreachable!("a beeper needs no card")
    }

    fn escape<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        let at = self.far.start.elapsed().as_millis();
        self.far.heard.lock().unwrap().push(at);
        let answer = self.far.answer.lock().unwrap()(command);
        let delay = *self.far.delay.lock().unwrap();
        Box::pin(async move {
            sleep(delay).await;
            answer
        })
    }
}

struct Bench {
    far: Far,
    beeper: Beeper,
    status: Status,
    log: BeepLog,
}

fn bench(name: Option<&'static str>, commands: Option<CommandSet>) -> Bench {
    let family = name.and_then(Family::of_reader).unwrap_or(Family::Acs);
    let (mut answer, log) = virtual_buzzer(family);
    let far = Far {
        name: watch::Sender::new(name),
        answer: Arc::new(Mutex::new(Box::new(move |command: &[u8]| Ok(answer(command))))),
        delay: Arc::default(),
        heard: Arc::default(),
        start: Instant::now(),
    };
    let status = Status::new("buzzer", State::Busy);
    let (beeper, task) = reader_buzzer(commands, status.clone());
    tokio::spawn(task.run(Box::new(far.clone())));
    Bench { far, beeper, status, log }
}

impl Bench {
    async fn until(&self, state: State) {
        self.status.changes().wait_for(|snapshot| snapshot.state == state).await.unwrap();
    }

    fn now(&self) -> u128 {
        self.far.start.elapsed().as_millis()
    }

    fn times(&self) -> Vec<u128> {
        self.far.heard.lock().unwrap().clone()
    }

    fn answer(&self, answer: impl FnMut(&[u8]) -> Result<Vec<u8>, CardFault> + Send + 'static) {
        *self.far.answer.lock().unwrap() = Box::new(answer);
    }
}

const ACS: &str = "ACS ACR1252 1S CL Reader 00 00";
const ACR122U: &str = "ACS ACR122U PICC Interface 00 00";

#[tokio::test(start_paused = true)]
async fn the_reader_is_known_before_anybody_beeps() {
    let bench = bench(Some(ACS), None);
    bench.until(State::Ready).await;
    let facts = bench.status.facts();
    let fact = |name| facts[name].as_str();
    assert_eq!((fact("reader"), fact("model"), fact("unit")), (ACS, "acs", "10 ms"));
    assert_eq!(bench.log.beeps(), [0_u32; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_beep_is_taken_at_once_and_sounds_after() {
    let bench = bench(Some(ACS), None);
    bench.until(State::Ready).await;
    assert_eq!(bench.beeper.beep(200).await, Ok(()));
    assert_eq!(bench.now(), 0);
    assert_eq!(bench.log.beeps(), [200]);
    assert_eq!(bench.status.snapshot().state, State::Busy);
    bench.until(State::Ready).await;
    assert_eq!(bench.now(), 200);
}

#[tokio::test(start_paused = true)]
async fn beeps_sound_one_after_the_other_in_the_order_in_which_they_were_asked_for() {
    let bench = bench(Some(ACS), None);
    let first = bench.beeper.beep(300);
    let second = bench.beeper.clone().beep(100);
    let third = bench.beeper.beep(20);
    // Polled the other way round.
    assert_eq!(third.await, Ok(()));
    assert_eq!((second.await, first.await), (Ok(()), Ok(())));
    assert_eq!(bench.log.beeps(), [300, 100, 20]);
    assert_eq!(bench.times(), [0, 300, 400]);
}

#[tokio::test(start_paused = true)]
async fn a_long_beep_is_several_commands_without_a_gap() {
    let bench = bench(Some(ACS), None);
    assert_eq!(bench.beeper.beep(6000).await, Ok(()));
    assert_eq!(bench.beeper.beep(10).await, Ok(()));
    assert_eq!(bench.log.beeps(), [2540, 2540, 920, 10]);
    assert_eq!(bench.times(), [0, 2540, 5080, 6000]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_answers_when_it_has_sounded_is_not_waited_for_twice() {
    let bench = bench(Some(ACR122U), None);
    *bench.far.delay.lock().unwrap() = Duration::from_millis(2500);
    assert_eq!(bench.beeper.beep(5000).await, Ok(()));
    assert_eq!(bench.now(), 2500);
    bench.until(State::Ready).await;
    assert_eq!(bench.now(), 5000);
    assert_eq!(bench.log.beeps(), [2500, 2500]);
    assert_eq!(bench.times(), [0, 2500]);
}

#[tokio::test(start_paused = true)]
async fn beyond_sixteen_waiting_beeps_the_next_is_refused_at_once() {
    let bench = bench(Some(ACS), None);
    bench.beeper.beep(1000).await.unwrap();
    let waiting: Vec<_> = (0..WAITING).map(|_| bench.beeper.beep(10)).collect();
    assert_eq!(bench.beeper.beep(10).await, Err(BeepError::Full));
    for beep in waiting {
        assert_eq!(beep.await, Ok(()));
    }
    assert_eq!(bench.log.beeps().len(), 1 + WAITING);
}

#[tokio::test(start_paused = true)]
async fn a_beep_that_nobody_waits_for_any_more_does_not_sound_and_one_that_has_begun_does() {
    let bench = bench(Some(ACS), None);
    let begun = tokio::spawn(bench.beeper.beep(5000));
    while bench.log.beeps().is_empty() {
        yield_now().await;
    }
    let left = bench.beeper.beep(100);
    begun.abort();
    drop(left);
    assert_eq!(bench.beeper.beep(10).await, Ok(()));
    assert_eq!(bench.log.beeps(), [2540, 2460, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_whose_buzzer_is_not_known_is_told_with_the_way_out() {
    let bench = bench(Some("FT R502 Contactless Reader 00 00"), None);
    let error = bench.beeper.beep(100).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "reader FT R502 Contactless Reader 00 00 has no buzzer that is known; \
         set model or command in [buzzer]"
    );
    assert_eq!(bench.status.snapshot().state, State::Failed);
    assert_eq!(bench.times(), [0_u128; 0], "nothing was sent to it");
}

#[tokio::test(start_paused = true)]
async fn a_configured_command_goes_to_any_reader() {
    let template = Template::parse("E0 00 00 28 01 {time}").unwrap();
    let commands = CommandSet::new(template, 10, 100);
    let bench = bench(Some("FT R502 Contactless Reader 00 00"), Some(commands));
    assert_eq!(bench.beeper.beep(1500).await, Ok(()));
    bench.until(State::Ready).await;
    assert_eq!(bench.log.beeps(), [1000, 500]);
    assert_eq!(bench.status.facts()["model"], "command");
}

#[tokio::test(start_paused = true)]
async fn a_refused_beep_is_a_failure_and_the_next_one_is_tried_again() {
    let bench = bench(Some(ACR122U), None);
    bench.until(State::Ready).await;
    let mut answers = vec![vec![0x90, 0x03], vec![0x63, 0x00]];
    bench.answer(move |_| Ok(answers.pop().unwrap()));
    let error = bench.beeper.beep(100).await.unwrap_err();
    assert!(matches!(error, BeepError::Trouble(Trouble::Failed { .. })), "{error:?}");
    assert!(error.to_string().contains("refused to beep (it answered 63 00)"), "{error}");
    bench.until(State::Failed).await;
    assert_eq!(bench.beeper.beep(100).await, Ok(()));
    bench.until(State::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_passes_no_commands_on_is_told_what_may_help() {
    let bench = bench(Some(ACS), None);
    bench.answer(|_| Err(CardFault::new(FaultKind::Other, "the reader refused a command")));
    let error = bench.beeper.beep(100).await.unwrap_err();
    assert!(error.to_string().contains("ifdDriverOptions"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_absent_reader_is_a_state_and_is_used_when_it_comes() {
    let bench = bench(None, None);
    bench.until(State::Absent).await;
    let error = bench.beeper.beep(100).await.unwrap_err();
    assert!(matches!(error, BeepError::Trouble(Trouble::Absent { .. })), "{error:?}");
    bench.far.name.send_replace(Some(ACS));
    bench.until(State::Ready).await;
    assert_eq!(bench.beeper.beep(100).await, Ok(()));
    bench.far.name.send_replace(None);
    bench.until(State::Absent).await;
}

#[tokio::test(start_paused = true)]
async fn what_breaks_in_the_middle_of_a_long_beep_ends_it() {
    let bench = bench(Some(ACS), None);
    bench.until(State::Ready).await;
    assert_eq!(bench.beeper.beep(60_000).await, Ok(()));
    bench.answer(|_| Err(no_reader()));
    bench.far.name.send_replace(None);
    bench.until(State::Absent).await;
    assert_eq!(bench.now(), 2540);
    assert_eq!(bench.times(), [0, 2540]);
}
