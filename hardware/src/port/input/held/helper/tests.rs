//! The helper between a daemon and a device that are both written here, on the paused clock.

use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use super::super::super::{EV_KEY, SND_BELL, SND_TONE};
use super::*;

/// A helper of a device with bell and tone.
struct Bench {
    daemon: DuplexStream,
    device: DuplexStream,
    helper: JoinHandle<io::Result<()>>,
    begun: Instant,
}

fn event(kind: u16, code: u16, value: i32) -> InputEvent {
    InputEvent { kind, code, value }
}

fn sound(code: u16, value: i32) -> InputEvent {
    event(EV_SND, code, value)
}

fn report(value: i32) -> InputEvent {
    event(EV_SYN, SYN_REPORT, value)
}

/// What a device is told first and last.
fn silence() -> Vec<InputEvent> {
    vec![sound(SND_BELL, 0), sound(SND_TONE, 0), report(0)]
}

async fn events(line: &mut DuplexStream, count: usize) -> Vec<InputEvent> {
    let mut events = Vec::new();
    for _ in 0..count {
        let mut record = [0; RECORD];
        line.read_exact(&mut record).await.expect("a record");
        events.push(InputEvent::from_record(record));
    }
    events
}

/// All that comes until the end of a line.
async fn rest(line: &mut DuplexStream) -> Vec<InputEvent> {
    let (mut bytes, mut records) = (Vec::new(), Records::default());
    line.read_to_end(&mut bytes).await.unwrap();
    records.push(&bytes);
    std::iter::from_fn(|| records.next_event()).collect()
}

impl Bench {
    /// A helper that has silenced its device.
    async fn started() -> Self {
        let ((daemon, its), (device, of_device)) = (duplex(4096), duplex(4096));
        let helper = tokio::spawn(hold(its, of_device, &[SND_BELL, SND_TONE]));
        let mut bench = Self { daemon, device, helper, begun: Instant::now() };
        assert_eq!(events(&mut bench.device, 3).await, silence());
        assert_eq!(events(&mut bench.daemon, 3).await, silence());
        bench
    }

    async fn ask(&mut self, asked: &[InputEvent]) {
        let records: Vec<u8> = asked.iter().flat_map(|event| event.record()).collect();
        self.daemon.write_all(&records).await.unwrap();
    }

    /// What the device is told next, and when, in ms.
    async fn told(&mut self) -> (u128, InputEvent) {
        let told = events(&mut self.device, 2).await;
        assert_eq!(told[1], report(0));
        (self.begun.elapsed().as_millis(), told[0])
    }
}

#[tokio::test(start_paused = true)]
async fn a_tone_ends_after_its_length_whatever_the_daemon_does() {
    let mut bench = Bench::started().await;
    bench.ask(&[sound(SND_TONE, 2000), report(300)]).await;
    // The daemon neither reads nor writes any more.
    assert_eq!(bench.told().await, (0, sound(SND_TONE, 2000)));
    assert_eq!(bench.told().await, (300, sound(SND_TONE, 0)));
    let both = [sound(SND_TONE, 2000), report(0), sound(SND_TONE, 0), report(0)];
    assert_eq!(events(&mut bench.daemon, 4).await, both);
}

#[tokio::test(start_paused = true)]
async fn the_daemons_end_is_silence_and_the_helpers_own_end() {
    for length in [0, 60_000] {
        let mut bench = Bench::started().await;
        bench.ask(&[sound(SND_TONE, 440), report(length)]).await;
        sleep(Duration::from_millis(10)).await;
        drop(bench.daemon);
        let mut told = vec![sound(SND_TONE, 440), report(0)];
        if length == 0 {
            told.extend([sound(SND_TONE, 0), report(0)]);
        }
        told.extend(silence());
        assert_eq!(rest(&mut bench.device).await, told);
        assert_eq!(bench.begun.elapsed(), Duration::from_millis(10));
        bench.helper.await.unwrap().expect("a good end");
    }
}

#[tokio::test(start_paused = true)]
async fn no_tone_is_longer_than_the_longest() {
    let mut bench = Bench::started().await;
    bench.ask(&[sound(SND_TONE, 440), report(i32::MAX)]).await;
    assert_eq!(bench.told().await.0, 0);
    assert_eq!(bench.told().await, (LONGEST.as_millis(), sound(SND_TONE, 0)));
    bench.ask(&[sound(SND_TONE, 440), report(-1)]).await;
    assert_eq!(bench.told().await.1, sound(SND_TONE, 440));
    assert_eq!(bench.told().await, (LONGEST.as_millis(), sound(SND_TONE, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_sound_that_is_asked_for_too_early_takes_the_place_of_the_first() {
    let mut bench = Bench::started().await;
    bench.ask(&[sound(SND_TONE, 440), report(500)]).await;
    assert_eq!(bench.told().await, (0, sound(SND_TONE, 440)));
    advance(Duration::from_millis(200)).await;
    bench.ask(&[sound(SND_BELL, 1), report(500)]).await;
    assert_eq!(bench.told().await, (200, sound(SND_TONE, 0)));
    assert_eq!(bench.told().await, (200, sound(SND_BELL, 1)));
    assert_eq!(bench.told().await, (700, sound(SND_BELL, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_device_is_told_of_its_own_sounds_alone() {
    let mut bench = Bench::started().await;
    for foreign in [event(EV_KEY, 30, 1), sound(7, 1), event(0x11, 0, 1)] {
        bench.ask(&[foreign, report(100)]).await;
    }
    // Nor does what happens at the device concern anybody.
    bench.device.write_all(&event(EV_KEY, 30, 1).record()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    drop(bench.daemon);
    assert_eq!(rest(&mut bench.device).await, silence());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_pulled_out_is_the_helpers_end() {
    for length in [None, Some(5000)] {
        let mut bench = Bench::started().await;
        if let Some(length) = length {
            bench.ask(&[sound(SND_TONE, 440), report(length)]).await;
            bench.told().await;
        }
        drop(bench.device);
        let error = bench.helper.await.unwrap().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(19), "{error}");
    }
}
