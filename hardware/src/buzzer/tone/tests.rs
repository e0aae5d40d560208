//! The driver against the helper's own code and a loudspeaker that is written here, on the paused clock.

use std::sync::{Arc, Mutex};

use tokio::io::{DuplexStream, duplex};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::super::{BeepError, WAITING};
use super::*;
use crate::port::far_end::{self, BoxedFarLine, FarEnd, Plug, VirtualDevice};
use crate::port::input::held::helper::hold;
use crate::port::memory::memory_port;
use crate::port::replay::{Findings, Settings, Timeline, replayed_port};
use crate::port::tape::testing::Notebook;
use crate::port::tape::{Flow, Taped};

/// What a device was told, and when, in ms.
type Heard = Vec<(u128, u16, i32)>;

/// What is at the far end of the line.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    /// What it should.
    Well,
    /// It starts, and does nothing of what it is told.
    Nothing,
    /// It does not start.
    NoStart,
    /// It begins a beep and does not end it.
    NoEnd,
}

/// A helper and its device.
#[derive(Clone)]
struct Far {
    sounds: &'static [u16],
    does: Arc<Mutex<Does>>,
    heard: Arc<Mutex<Heard>>,
    start: Instant,
}

impl Far {
    async fn listen(&self, mut device: DuplexStream) {
        let (mut records, mut chunk) = (Records::default(), [0; 256]);
        while let Ok(read) = device.read(&mut chunk).await
            && read > 0
        {
            records.push(&chunk[..read]);
            while let Some(event) = records.next_event() {
                if event.kind == EV_SND {
                    let at = self.start.elapsed().as_millis();
                    self.heard.lock().unwrap().push((at, event.code, event.value));
                }
            }
        }
    }
}

impl VirtualDevice for Far {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        let does = *self.does.lock().unwrap();
        if does == Does::Well {
            let (near, far) = duplex(4096);
            let _ = tokio::join!(hold(line, near, self.sounds), self.listen(far));
            return;
        }
        let state = [(EV_SND, SND_TONE), (EV_SYN, SYN_REPORT)]
            .map(|(kind, code)| InputEvent { kind, code, value: 0 }.record());
        if does != Does::NoStart {
            line.write_all(&state.concat()).await.unwrap();
        }
        let mut chunk = [0; 256];
        while let Ok(read) = line.read(&mut chunk).await
            && read > 0
        {
            if does == Does::NoEnd {
                let _ = line.write_all(&chunk[..read]).await;
            }
        }
    }
}

struct Bench {
    far: Far,
    plug: Plug,
    beeper: Beeper,
    status: Status,
    tape: Notebook,
}

const BOTH: &[u16] = &[SND_BELL, SND_TONE];

fn bench(sounds: &'static [u16], does: Does) -> Bench {
    let start = Instant::now();
    let far = Far { sounds, does: Arc::new(Mutex::new(does)), heard: Arc::default(), start };
    let (port, end) = memory_port("the beeper");
    let plug = end.plug().clone();
    tokio::spawn(far_end::run(end, far.clone()));
    let status = Status::new("buzzer", State::Busy);
    let tape = Notebook::begun();
    let port = Taped::new(Box::new(port), &status, Flow::Stream, Arc::new(tape.clone()));
    let (beeper, task) = tone_buzzer(2000, status.clone());
    tokio::spawn(task.run(Box::new(port)));
    Bench { far, plug, beeper, status, tape }
}

impl Bench {
    async fn until(&self, state: State) {
        self.status.changes().wait_for(|snapshot| snapshot.state == state).await.unwrap();
    }

    fn now(&self) -> u128 {
        self.far.start.elapsed().as_millis()
    }

    /// What was heard since the silence at the beginning.
    fn heard(&self) -> Heard {
        self.far.heard.lock().unwrap().split_off(self.far.sounds.len())
    }
}

fn detail<T: std::fmt::Debug>(result: Result<T, BeepError>) -> String {
    match result {
        Err(BeepError::Trouble(trouble)) => trouble.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_beeper_is_known_before_anybody_beeps_and_is_silent() {
    let bench = bench(BOTH, Does::Well);
    bench.until(State::Ready).await;
    assert_eq!(bench.status.facts()["sound"], "tone of 2000 Hz");
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(*bench.far.heard.lock().unwrap(), [(0, SND_BELL, 0), (0, SND_TONE, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_beep_is_a_tone_of_its_length_and_is_answered_when_it_begins() {
    let bench = bench(BOTH, Does::Well);
    bench.until(State::Ready).await;
    assert_eq!(bench.beeper.beep(52).await, Ok(()));
    assert_eq!((bench.now(), bench.status.snapshot().state), (0, State::Busy));
    bench.until(State::Ready).await;
    assert_eq!(bench.now(), 52);
    assert_eq!(bench.heard(), [(0, SND_TONE, 2000), (52, SND_TONE, 0)]);
    assert_eq!(bench.status.counters()["beeps"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_beeper_without_tones_sounds_its_bell() {
    let bench = bench(&[SND_BELL], Does::Well);
    assert_eq!(bench.beeper.beep(100).await, Ok(()));
    bench.until(State::Ready).await;
    assert_eq!(bench.status.facts()["sound"], "bell");
    assert_eq!(bench.heard(), [(0, SND_BELL, 1), (100, SND_BELL, 0)]);
}

#[tokio::test(start_paused = true)]
async fn beeps_sound_one_after_the_other_and_too_many_are_refused() {
    let bench = bench(BOTH, Does::Well);
    bench.until(State::Ready).await;
    let beeps: Vec<_> = (0..=WAITING).map(|_| bench.beeper.beep(100)).collect();
    let mut refused = 0;
    for beep in beeps {
        refused += u32::from(beep.await == Err(BeepError::Full));
    }
    assert_eq!(refused, 1);
    let starts: Vec<u128> =
        bench.heard().iter().filter(|(_, _, hz)| *hz > 0).map(|(at, ..)| *at).collect();
    let expected: Vec<u128> = (0..u128::try_from(WAITING).unwrap()).map(|n| n * 100).collect();
    assert_eq!(starts, expected);
}

#[tokio::test(start_paused = true)]
async fn a_beep_that_nobody_waits_for_does_not_sound_unless_it_has_begun() {
    let bench = bench(BOTH, Does::Well);
    bench.until(State::Ready).await;
    let (first, second, third) =
        (bench.beeper.beep(100), bench.beeper.beep(7), bench.beeper.beep(200));
    drop(second);
    first.await.unwrap();
    tokio::spawn(third);
    sleep(Duration::from_millis(150)).await;
    bench.until(State::Ready).await;
    let tone = |at, hz| (at, SND_TONE, hz);
    assert_eq!(bench.heard(), [tone(0, 2000), tone(100, 0), tone(100, 2000), tone(300, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_beeper_that_is_pulled_out_is_absent_until_it_is_back() {
    let bench = bench(BOTH, Does::Well);
    bench.until(State::Ready).await;
    assert_eq!(bench.beeper.beep(10_000).await, Ok(()));
    // This one waits for its turn when the plug comes out.
    let next = bench.beeper.beep(10);
    sleep(Duration::from_secs(1)).await;
    bench.plug.set(false);
    bench.until(State::Absent).await;
    assert!(detail(next.await).contains("the beeper: not there"), "it was looked for again");
    assert!(matches!(bench.beeper.beep(10).await, Err(BeepError::Trouble(Trouble::Absent { .. }))));
    bench.plug.set(true);
    bench.until(State::Ready).await;
    assert_eq!(bench.beeper.beep(10).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_helper_that_does_not_do_what_it_should_is_a_failure_and_is_tried_again() {
    for (does, limit, words) in [
        // Twice: once by itself, and once because somebody asks.
        (Does::NoStart, 10_000, "has not started"),
        (Does::Nothing, 2000, "has not begun a beep"),
        (Does::NoEnd, 2100, "has not ended a beep"),
    ] {
        let bench = bench(BOTH, does);
        let result = bench.beeper.beep(100).await;
        if does == Does::NoEnd {
            // It has begun; what goes wrong later is the device's state.
            assert_eq!(result, Ok(()));
        } else {
            let detail = detail(result);
            assert!(detail.contains(words), "{detail}");
        }
        bench.until(State::Failed).await;
        assert_eq!(bench.now(), limit, "{words}");
        let error = bench.status.snapshot().last_error.unwrap();
        assert!(error.contains(words), "{error}");
        *bench.far.does.lock().unwrap() = Does::Well;
        assert_eq!(bench.beeper.beep(100).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_beeper_at_all_says_so() {
    let bench = bench(&[], Does::Well);
    let detail = detail(bench.beeper.beep(100).await);
    assert_eq!(detail, "the beeper does not work: it has neither tones nor a bell");
}

#[tokio::test(start_paused = true)]
async fn what_the_kernel_says_tells_absence_from_failure() {
    let absent = trouble(io::Error::from_raw_os_error(19));
    assert!(matches!(absent, Trouble::Absent { .. }), "{absent}");
    let failed = trouble(io::Error::other("the process has ended by signal 9"));
    assert_eq!(failed.to_string(), "the beeper does not work: the process has ended by signal 9");
}

#[tokio::test(start_paused = true)]
async fn a_tape_of_it_plays_the_same_again() {
    let bench = bench(BOTH, Does::Well);
    bench.until(State::Ready).await;
    let mut answers = Vec::new();
    for (pause, ms) in [(500, 100), (0, 250), (700, 100)] {
        sleep(Duration::from_millis(pause)).await;
        answers.push((bench.beeper.beep(ms).await, bench.now()));
    }
    sleep(Duration::from_secs(1)).await;
    bench.plug.set(false);
    bench.until(State::Absent).await;
    let tape = bench.tape.lines();

    let findings = Findings::default();
    let start = Instant::now();
    let settings = Settings { strict: true, ..Settings::default() };
    let port = replayed_port(
        "buzzer",
        tape.into_iter(),
        Timeline::new(start, 1.0),
        settings,
        findings.clone(),
    );
    let status = Status::new("buzzer", State::Busy);
    let (beeper, task) = tone_buzzer(2000, status.clone());
    let task = tokio::spawn(task.run(Box::new(port)));
    let mut again = Vec::new();
    for (pause, ms) in [(500, 100), (0, 250), (700, 100)] {
        sleep(Duration::from_millis(pause)).await;
        again.push((beeper.beep(ms).await, start.elapsed().as_millis()));
    }
    assert_eq!(again, answers);
    status.changes().wait_for(|now| now.state == State::Absent).await.unwrap();
    task.abort();
    yield_now().await;
    assert_eq!(findings.take().0, [], "nothing else was asked for");
}
