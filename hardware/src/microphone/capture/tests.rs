//! The driver against the virtual microphone, on the paused clock.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::advance;

use super::*;
use crate::device;
use crate::microphone::recording::record;
use crate::microphone::virtual_microphone::{Fault, MicrophoneHand, VirtualMicrophone};
use crate::port::far_end::{self, Plug};
use crate::port::memory::memory_port;
use crate::source::Listener;

const CHUNK: Duration = Duration::from_millis(40);

struct Kit {
    microphone: Microphone,
    hand: MicrophoneHand,
    plug: Plug,
    status: Status,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Kit {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn kit() -> Kit {
    let kit = kit_with(CHUNK);
    settle().await;
    kit
}

fn kit_with(chunk: Duration) -> Kit {
    let (port, end) = memory_port("the test's microphone");
    let plug = far_end::FarEnd::plug(&end).clone();
    let (device, hand) = VirtualMicrophone::new(chunk);
    let microphone = Microphone::new();
    let settings = Settings { device: "default".to_owned(), chunk };
    let driver = Capture::new(settings, microphone.clone());
    let status = Status::new("microphone", State::Busy);
    let far = tokio::spawn(far_end::run(end, device));
    let near = tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    Kit { microphone, hand, plug, status, tasks: [far, near] }
}

/// Lets everything happen that needs no time.
async fn settle() {
    advance(Duration::from_millis(1)).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

impl Kit {
    fn state(&self) -> State {
        self.status.snapshot().state
    }

    fn counter(&self, name: &str) -> u64 {
        self.status.counters().get(name).copied().unwrap_or_default()
    }
}

async fn chunks(listener: &mut Listener<Sound>, count: usize) -> Vec<i16> {
    let mut all = Vec::new();
    for _ in 0..count {
        let sound = listener.next().await.expect("the source lives");
        all.extend(sound.0.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)));
    }
    all
}

#[tokio::test(start_paused = true)]
async fn it_is_known_at_the_start_and_closed_until_somebody_listens() {
    let kit = kit().await;
    assert_eq!(kit.state(), State::Ready);
    advance(Duration::from_secs(60)).await;
    settle().await;
    assert_eq!((kit.counter("opened"), kit.counter("chunks")), (1, 0));
    let mut first = kit.microphone.listen();
    let second = kit.microphone.listen();
    kit.microphone.hears().await.unwrap();
    chunks(&mut first, 3).await;
    drop(first);
    settle().await;
    assert_eq!(kit.counter("opened"), 2);
    drop(second);
    let heard = kit.counter("chunks");
    advance(Duration::from_secs(60)).await;
    settle().await;
    assert_eq!((kit.counter("chunks"), kit.state()), (heard, State::Ready));
}

#[tokio::test(start_paused = true)]
async fn what_is_said_comes_sample_by_sample_in_chunks_of_one_length_and_in_real_time() {
    let kit = kit_with(Duration::from_millis(100));
    let said: Vec<i16> = (0..4800).map(|n| n * 3 - 7000).collect();
    kit.hand.say(&said);
    let mut listener = kit.microphone.listen();
    kit.microphone.hears().await.unwrap();
    let began = Instant::now();
    for chunk in 1..=3_u32 {
        let sound = listener.next().await.unwrap();
        assert_eq!(sound.0.len(), 3200);
        // Pieces of 40 ms make chunks of 100 ms.
        let expected = [120, 200, 320][chunk as usize - 1];
        assert_eq!(began.elapsed().as_millis(), expected, "chunk {chunk}");
        let samples: Vec<i16> =
            sound.0.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        let from = (chunk as usize - 1) * 1600;
        assert!(samples == said[from..from + 1600], "chunk {chunk}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_faster_than_time_is_held_to_it() {
    let kit = kit().await;
    kit.hand.fault(Fault::Fast);
    let mut listener = kit.microphone.listen();
    kit.microphone.hears().await.unwrap();
    let began = Instant::now();
    let mut heard = 0_u32;
    while began.elapsed() < Duration::from_secs(10) {
        listener.next().await.unwrap();
        heard += 1;
        let most = began.elapsed().mul_f64(1.002) + CHUNK;
        assert!(CHUNK * heard <= most, "{heard} chunks after {:?}", began.elapsed());
    }
    assert!(heard >= 249, "{heard}");
}

#[tokio::test(start_paused = true)]
async fn an_absent_one_says_so_at_once_and_is_used_when_it_is_back() {
    let kit = kit().await;
    kit.plug.set(false);
    let mut listener = kit.microphone.listen();
    let deaf = kit.microphone.hears().await.unwrap_err();
    assert!(matches!(deaf, Deaf::Trouble(Trouble::Absent { .. })), "{deaf:?}");
    assert_eq!(kit.state(), State::Absent);
    // Whoever went on listening hears when it is back.
    kit.plug.set(true);
    let began = Instant::now();
    chunks(&mut listener, 1).await;
    assert!(began.elapsed() <= Duration::from_secs(2) + CHUNK, "{:?}", began.elapsed());
    assert_eq!(kit.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_pulled_out_is_absent_and_goes_on_when_it_is_back() {
    let kit = kit().await;
    let mut listener = kit.microphone.listen();
    chunks(&mut listener, 2).await;
    kit.plug.set(false);
    settle().await;
    assert_eq!(kit.state(), State::Absent);
    advance(Duration::from_secs(20)).await;
    kit.plug.set(true);
    chunks(&mut listener, 2).await;
    assert_eq!(kit.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn one_that_another_program_has_is_told_from_one_that_is_broken() {
    let kit = kit().await;
    kit.hand.fault(Fault::Held);
    let _listener = kit.microphone.listen();
    let deaf = kit.microphone.hears().await.unwrap_err();
    let Deaf::Held(Trouble::Failed { detail }) = deaf else { panic!("{deaf:?}") };
    assert!(detail.contains("default: held by another program"), "{detail}");
    assert_eq!(kit.state(), State::Failed);
    kit.hand.mend();
    advance(Duration::from_secs(3)).await;
    settle().await;
    kit.microphone.hears().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stalled_one_is_given_up_and_opened_anew() {
    let kit = kit().await;
    let mut listener = kit.microphone.listen();
    chunks(&mut listener, 1).await;
    kit.hand.fault(Fault::Stall);
    advance(SILENCE_LIMIT + CHUNK).await;
    settle().await;
    assert_eq!((kit.state(), kit.counter("stalls")), (State::Failed, 1));
    kit.hand.mend();
    chunks(&mut listener, 1).await;
    assert_eq!(kit.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn gaps_are_counted_with_what_was_lost() {
    let kit = kit().await;
    let mut listener = kit.microphone.listen();
    chunks(&mut listener, 1).await;
    kit.hand.gap();
    kit.hand.gap();
    chunks(&mut listener, 1).await;
    let counters = ["gaps", "overruns", "lostFrames"].map(|name| kit.counter(name));
    assert_eq!(counters, [2, 2, 3200]);
}

#[tokio::test(start_paused = true)]
async fn two_who_listen_get_the_same_bytes() {
    let kit = kit().await;
    kit.hand.tone(440);
    let (mut first, mut second) = (kit.microphone.listen(), kit.microphone.listen());
    for _ in 0..5 {
        let (one, other) = (first.next().await.unwrap(), second.next().await.unwrap());
        assert!(Arc::ptr_eq(&one, &other));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tone_has_its_frequency_and_is_loud() {
    let kit = kit().await;
    kit.hand.tone(400);
    let mut listener = kit.microphone.listen();
    let heard = chunks(&mut listener, 25).await;
    // 400 Hz have 400 upward crossings a second, and a peak in the middle of each half of 20 samples.
    let upward = heard.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    assert!((399..=400).contains(&upward), "{upward}");
    assert_eq!(heard.iter().max(), Some(&8192));
}

#[tokio::test(start_paused = true)]
async fn a_recording_has_what_was_heard_between_start_and_stop() {
    let kit = kit().await;
    kit.hand.tone(400);
    let recording = record(&kit.microphone, Duration::from_secs(60));
    kit.microphone.hears().await.unwrap();
    // Ends between two chunks.
    tokio::time::sleep(CHUNK * 25 + CHUNK / 2).await;
    assert!(recording.hears());
    let made = recording.stop().await.unwrap();
    // The same sound, encoded by itself.
    let kit = self::kit().await;
    kit.hand.tone(400);
    let mut listener = kit.microphone.listen();
    let mut mp3 = crate::microphone::mp3::Mp3::new().unwrap();
    for sample in chunks(&mut listener, 25).await.chunks(1000) {
        let pcm: Vec<u8> = sample.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        mp3.push(&pcm).unwrap();
    }
    assert!(made == mp3.finish().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_recording_ends_at_its_limit_and_keeps_what_it_has() {
    let kit = kit().await;
    let recording = record(&kit.microphone, Duration::from_secs(1));
    kit.microphone.hears().await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!recording.hears());
    settle().await;
    // Nobody listens any more.
    let heard = kit.counter("chunks");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(kit.counter("chunks"), heard);
    let made = recording.stop().await.unwrap();
    let frames = made.len() / 216;
    assert!((27..=31).contains(&frames), "{frames} frames of 36 ms");
}
