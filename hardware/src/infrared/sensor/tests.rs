//! The driver against the virtual sensor and against lines written by hand, on the paused clock.

use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::device;
use crate::infrared::virtual_sensor::{Model, SensorHand, VirtualSensor};
use crate::infrared::{Listener, Nearer};
use crate::port::far_end::{self, BoxedFarLine, FarEnd, Plug};
use crate::port::input::{EV_KEY, EV_SW, EV_SYN, InputEvent, SW_FRONT_PROXIMITY};
use crate::port::memory::{MemoryFarEnd, memory_port};

/// A device whose far end is nobody's yet.
struct Device {
    presence: Presence,
    status: Status,
    task: JoinHandle<()>,
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn settings(language: Language) -> Settings {
    Settings {
        language,
        baud: language.usual_baud(),
        threshold: Threshold {
            limit: (language == Language::Tfmini).then_some(100),
            nearer: Nearer::Below,
            hysteresis: 10,
        },
        on_demand: language.streams(),
        warm_up: Duration::ZERO,
    }
}

fn device(settings: Settings) -> (Device, MemoryFarEnd) {
    let (port, end) = memory_port("the sensor");
    let (presence, status) = (Presence::new(), Status::new("infrared", State::Busy));
    let sensor = Sensor::new(settings, presence.clone(), status.clone());
    let task = tokio::spawn(device::run(Box::new(port), sensor, status.clone()));
    (Device { presence, status, task }, end)
}

fn virtual_device(model: Model) -> (Device, SensorHand, Plug) {
    let (device, end) = device(settings(match model {
        Model::Ld2410 => Language::Ld2410,
        Model::Tfmini => Language::Tfmini,
        Model::Ascii => Language::Words,
        Model::Contact => Language::Levels,
    }));
    let (sensor, hand) = VirtualSensor::new(model);
    let plug = end.plug().clone();
    tokio::spawn(far_end::run(end, sensor));
    (device, hand, plug)
}

impl Device {
    async fn is(&self, state: State) {
        let mut changes = self.status.changes();
        let reached = changes.wait_for(|snapshot| snapshot.state == state);
        timeout(Duration::from_secs(100), reached)
            .await
            .unwrap_or_else(|_| panic!("{state:?}"))
            .unwrap();
    }

    async fn listens(&self) -> Listener {
        let listener = self.presence.listen(1).unwrap();
        listener.usable().await.unwrap();
        // Longer than any of them needs to say how it stands.
        pause(150).await;
        listener
    }

    fn opened(&self) -> u64 {
        self.status.counters().get("opened").copied().unwrap_or_default()
    }
}

async fn pause(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
}

const MODELS: [Model; 4] = [Model::Ld2410, Model::Tfmini, Model::Ascii, Model::Contact];

#[tokio::test(start_paused = true)]
async fn every_sensor_tells_who_comes_stays_and_goes() {
    for model in MODELS {
        let (device, hand, _plug) = virtual_device(model);
        let listener = device.listens().await;
        assert_eq!(listener.look(), Some(false), "{model:?}");
        hand.come();
        pause(20).await;
        assert_eq!(listener.look(), Some(true), "{model:?}");
        pause(5000).await;
        assert_eq!(listener.look(), Some(true), "{model:?}");
        hand.go();
        pause(20).await;
        assert_eq!([listener.look(), listener.look()], [Some(true), Some(false)], "{model:?}");
        assert_eq!(device.status.counters().get("arrivals"), Some(&1), "{model:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_missed_who_comes_and_goes_at_once() {
    for model in MODELS {
        let (device, hand, _plug) = virtual_device(model);
        let listener = device.listens().await;
        for _ in 0..3 {
            assert_eq!(listener.look(), Some(false), "{model:?}");
            hand.pulse();
            pause(20).await;
            assert_eq!(listener.look(), Some(true), "{model:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_changes_a_second_are_all_seen() {
    for model in MODELS {
        let (device, hand, _plug) = virtual_device(model);
        let _listener = device.listens().await;
        for _ in 0..500 {
            hand.come();
            pause(5).await;
            hand.go();
            pause(5).await;
        }
        assert_eq!(device.status.counters().get("arrivals"), Some(&500), "{model:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sensor_that_speaks_all_the_time_is_left_alone_while_nobody_listens() {
    for (model, alone) in MODELS.into_iter().zip([true, true, false, false]) {
        let (device, hand, _plug) = virtual_device(model);
        device.is(State::Ready).await;
        pause(1000).await;
        assert_eq!(device.opened(), u64::from(!alone), "{model:?}");
        for round in 1..=2 {
            let listener = device.listens().await;
            assert_eq!(device.opened(), if alone { round } else { 1 }, "{model:?}");
            // Of what was while nobody listened nobody is told.
            assert_eq!(listener.look(), Some(false), "{model:?}");
            drop(listener);
            pause(100).await;
            hand.come();
            pause(1000).await;
            hand.go();
            pause(1000).await;
            assert_eq!(device.status.snapshot().state, State::Ready, "{model:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unplugged_sensor_knows_nothing_and_is_used_again_when_it_is_back() {
    for model in MODELS {
        let (device, hand, plug) = virtual_device(model);
        let listener = device.listens().await;
        hand.come();
        pause(50).await;
        plug.set(false);
        device.is(State::Absent).await;
        assert_eq!([listener.look(), listener.look()], [Some(true), None], "{model:?}");
        assert!(matches!(device.presence.listen(2), Err(Trouble::Absent { .. })), "{model:?}");
        hand.go();
        plug.set(true);
        device.is(State::Ready).await;
        pause(150).await;
        assert_eq!(listener.look(), Some(false), "{model:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sensor_that_is_unplugged_while_nobody_listens_is_absent_and_back_when_it_is() {
    let (device, _hand, plug) = virtual_device(Model::Ld2410);
    device.is(State::Ready).await;
    for _ in 0..2 {
        plug.set(false);
        device.is(State::Absent).await;
        assert!(device.presence.listen(1).is_err());
        plug.set(true);
        device.is(State::Ready).await;
        pause(1000).await;
        assert_eq!(device.status.snapshot().state, State::Ready);
        assert!(device.presence.listen(1).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_sensor_that_falls_silent_does_not_know_any_more_and_has_failed_in_the_end() {
    let (device, hand, _plug) = virtual_device(Model::Ld2410);
    let listener = device.listens().await;
    hand.come();
    pause(50).await;
    hand.silence();
    pause(1100).await;
    assert_eq!([listener.look(), listener.look()], [Some(true), None]);
    assert_eq!(device.status.snapshot().state, State::Ready);
    device.is(State::Failed).await;
    let error = device.status.snapshot().last_error.unwrap();
    assert!(error.contains("says nothing for 8s"), "{error}");
    assert!(matches!(device.presence.listen(2), Err(Trouble::Failed { .. })));
    hand.mend();
    device.is(State::Ready).await;
    pause(150).await;
    assert_eq!(listener.look(), Some(true));
}

#[tokio::test(start_paused = true)]
async fn one_that_has_failed_is_tried_again_when_somebody_listens() {
    let (device, hand, _plug) = virtual_device(Model::Tfmini);
    hand.silence();
    let listener = device.presence.listen(1).unwrap();
    device.is(State::Failed).await;
    drop(listener);
    pause(20_000).await;
    assert_eq!(device.status.snapshot().state, State::Failed);
    hand.mend();
    let listener = device.presence.listen(1).unwrap();
    device.is(State::Ready).await;
    pause(50).await;
    assert_eq!(listener.look(), Some(false));
}

async fn far_line(end: &mut MemoryFarEnd) -> BoxedFarLine {
    end.next_line().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn another_language_is_told_from_silence() {
    let (device, mut end) = device(settings(Language::Ld2410));
    let _listener = device.presence.listen(1).unwrap();
    let mut line = far_line(&mut end).await;
    let talk = async {
        while line.write_all(b"ON\r\nRange 86\r\n").await.is_ok() {
            pause(100).await;
        }
    };
    tokio::join!(talk, device.is(State::Failed));
    let error = device.status.snapshot().last_error.unwrap();
    assert!(error.contains("protocol and baud in [infrared]"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_somebody_listened_does_not_count() {
    let (device, mut end) = device(settings(Language::Tfmini));
    let listener = device.presence.listen(1).unwrap();
    let mut line = far_line(&mut end).await;
    line.write_all(&crate::infrared::tfmini::frame(true)).await.unwrap();
    pause(100).await;
    line.write_all(&crate::infrared::tfmini::frame(false)).await.unwrap();
    pause(10).await;
    assert_eq!(listener.look(), Some(false));
}

#[tokio::test(start_paused = true)]
async fn a_sensor_that_warms_up_is_not_believed() {
    let warm_up = Duration::from_secs(60);
    let (device, mut end) = device(Settings { warm_up, ..settings(Language::Levels) });
    let mut line = far_line(&mut end).await;
    line.write_all(b"0").await.unwrap();
    device.is(State::Ready).await;
    let listener = device.presence.listen(1).unwrap();
    line.write_all(b"1010").await.unwrap();
    pause(59_000).await;
    assert_eq!(listener.look(), None);
    line.write_all(b"1").await.unwrap();
    pause(2000).await;
    assert_eq!(listener.look(), Some(true));
    drop(line);
    // It was without power.
    let mut line = far_line(&mut end).await;
    line.write_all(b"0").await.unwrap();
    pause(59_000).await;
    assert_eq!([listener.look(), listener.look()], [Some(true), None]);
    pause(2000).await;
    assert_eq!(listener.look(), Some(false));
}

fn record(kind: u16, code: u16, value: i32) -> [u8; 8] {
    InputEvent { kind, code, value }.record()
}

#[tokio::test(start_paused = true)]
async fn a_switch_begins_with_its_state() {
    let code = SwitchCode::Switch(SW_FRONT_PROXIMITY);
    let (device, mut end) = device(settings(Language::Switch(code)));
    let mut line = far_line(&mut end).await;
    line.write_all(&record(EV_SW, 0, 0)).await.unwrap();
    pause(10).await;
    assert_eq!(device.status.snapshot().state, State::Busy);
    line.write_all(&record(EV_SW, SW_FRONT_PROXIMITY, 1)).await.unwrap();
    device.is(State::Ready).await;
    let listener = device.presence.listen(1).unwrap();
    pause(3_600_000).await;
    assert_eq!(listener.look(), Some(true));
    line.write_all(&record(EV_SW, SW_FRONT_PROXIMITY, 0)).await.unwrap();
    line.write_all(&record(EV_SYN, 0, 0)).await.unwrap();
    pause(10).await;
    assert_eq!([listener.look(), listener.look()], [Some(true), Some(false)]);
}

#[tokio::test(start_paused = true)]
async fn an_input_device_without_the_switch_has_failed() {
    let code = SwitchCode::Switch(SW_FRONT_PROXIMITY);
    let (device, mut end) = device(settings(Language::Switch(code)));
    let _line = far_line(&mut end).await;
    device.is(State::Failed).await;
    let error = device.status.snapshot().last_error.unwrap();
    assert!(error.contains("no such switch"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_only_pulses_is_somebody_at_its_moment() {
    let (device, mut end) = device(settings(Language::Switch(SwitchCode::Key(143))));
    let mut line = far_line(&mut end).await;
    device.is(State::Ready).await;
    let listener = device.presence.listen(1).unwrap();
    assert_eq!(listener.look(), Some(false));
    let pulse = [record(EV_KEY, 143, 1), record(EV_SYN, 0, 0), record(EV_KEY, 143, 0)].concat();
    line.write_all(&pulse).await.unwrap();
    pause(10).await;
    assert_eq!([listener.look(), listener.look()], [Some(true), Some(false)]);
}

#[tokio::test(start_paused = true)]
async fn values_without_any_limit_are_of_no_use() {
    for (first, failed) in [("", true), ("nearlevel 40\n", false)] {
        let mut settings = settings(Language::Values);
        settings.threshold.nearer = Nearer::Above;
        let (device, mut end) = device(settings);
        let listener = device.presence.listen(1).unwrap();
        let mut line = far_line(&mut end).await;
        line.write_all(format!("{first}41\n").as_bytes()).await.unwrap();
        device.is(if failed { State::Failed } else { State::Ready }).await;
        pause(10).await;
        assert_eq!(listener.look(), (!failed).then_some(true));
    }
}
