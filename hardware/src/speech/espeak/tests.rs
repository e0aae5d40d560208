//! The driver against the virtual program, on the paused clock.

use super::super::virtual_program::{ProgramHand, VirtualProgram};
use super::super::{Order, Speaker, queue};
use super::*;
use crate::device::{self, State};
use crate::port::far_end::{self, FarEnd, Plug};
use crate::port::memory::memory_port;

/// What the voice `cmn` of version 1.51 makes of 好: the English letters of its pinyin.
const BROKEN: &str = "(en)eIt_Si:_eI_oU(cmn)_|";

struct Stage {
    speaker: Speaker,
    hand: ProgramHand,
    status: Status,
    plug: Plug,
}

async fn stage(phonemes: &'static str, voice: Option<&str>) -> Stage {
    let (program, hand) = VirtualProgram::new(phonemes);
    let (port, end) = memory_port("the virtual program");
    let plug = end.plug().clone();
    let status = Status::new("speech", State::Busy);
    let (speaker, orders) = queue(status.clone());
    tokio::spawn(far_end::run(end, program));
    let settings = Settings { voice: voice.map(str::to_owned), volume: 80 };
    tokio::spawn(device::run(Box::new(port), EspeakNg::new(settings, orders), status.clone()));
    let stage = Stage { speaker, hand, status, plug };
    stage.is(State::Ready).await;
    stage
}

impl Stage {
    async fn is(&self, state: State) {
        let mut changes = self.status.changes();
        let wait = changes.wait_for(|now| now.state == state);
        timeout(Duration::from_secs(1000), wait).await.expect("in time").expect("it lives");
    }

    fn say(&self, text: &str, order: Order) {
        self.speaker.say(Utterance::new(text, 1.0, 1.0), order).unwrap();
    }

    fn count(&self, what: &str) -> u64 {
        self.status.counters().get(what).copied().unwrap_or_default()
    }

    fn texts(&self) -> Vec<String> {
        self.hand.runs().into_iter().map(|(_, text)| text).collect()
    }
}

async fn seconds(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn the_voice_is_the_one_that_reads_chinese_as_chinese() {
    for (phonemes, named, voice) in
        [(BROKEN, None, "cmn-latn-pinyin"), ("X'Au21_|", None, "cmn"), (BROKEN, Some("yue"), "yue")]
    {
        let stage = stage(phonemes, named).await;
        assert_eq!(stage.status.facts()["voice"], voice);
        assert_eq!(stage.status.facts()["version"], "1.51");
        stage.say("好", Order::After);
        seconds(1.0).await;
        let arguments = &stage.hand.runs()[0].0;
        assert_eq!(arguments, &["-v", voice, "-s", "175", "-p", "50", "-a", "160"]);
    }
}

#[tokio::test(start_paused = true)]
async fn rate_and_pitch_are_drawn_into_what_the_program_knows() {
    let stage = stage(BROKEN, None).await;
    for (rate, pitch, words, height) in [
        (0.0, 0.0, "80", "0"),
        (2.0, 1.5, "350", "75"),
        (1e9, 1e9, "450", "99"),
        (-1.0, -1.0, "80", "0"),
        (f64::NAN, f64::INFINITY, "175", "99"),
    ] {
        stage.speaker.say(Utterance::new("好", pitch, rate), Order::After).unwrap();
        seconds(1.0).await;
        let arguments = stage.hand.runs().pop().unwrap().0;
        assert_eq!(arguments[2..6], ["-s", words, "-p", height]);
    }
}

#[tokio::test(start_paused = true)]
async fn texts_follow_each_other_are_cut_off_and_forgotten() {
    let stage = stage(BROKEN, None).await;
    stage.say("一二三", Order::After);
    stage.say("四五六七八九十", Order::After);
    stage.say("b", Order::After);
    seconds(1.5).await;
    assert_eq!(stage.texts(), ["一二三", "四五六七八九十"]);
    stage.say("c", Order::Instead);
    seconds(1.0).await;
    assert_eq!(stage.texts(), ["一二三", "四五六七八九十", "c"]);
    stage.say("一二三", Order::After);
    seconds(0.5).await;
    stage.speaker.stop().unwrap();
    seconds(5.0).await;
    assert_eq!((stage.count("spoken"), stage.count("cut"), stage.count("dropped")), (2, 2, 1));
    assert_eq!(stage.status.snapshot().state, State::Ready);
}

#[tokio::test(start_paused = true)]
async fn long_texts_are_runs_of_their_own_in_order() {
    let stage = stage(BROKEN, None).await;
    let text = "请把身份证放在读卡器上。".repeat(100);
    stage.say(&text, Order::After);
    seconds(500.0).await;
    assert_eq!(stage.texts().len(), 3);
    assert_eq!(stage.texts().concat(), text);
    assert_eq!(stage.count("spoken"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_fails_is_failed_with_its_words_and_tried_again() {
    let stage = stage(BROKEN, None).await;
    stage.hand.fail(Some("sound device default: held by another program"));
    stage.say("好", Order::After);
    stage.is(State::Failed).await;
    let error = stage.status.snapshot().last_error.unwrap();
    assert_eq!(error, "sound device default: held by another program");
    stage.hand.fail(None);
    seconds(4.0).await;
    // Nothing of it had been heard.
    assert_eq!(stage.count("spoken"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_goes_is_absent() {
    let stage = stage(BROKEN, None).await;
    stage.say("一二三四五六", Order::After);
    seconds(1.0).await;
    stage.plug.set(false);
    stage.is(State::Absent).await;
    assert_eq!(stage.count("lost"), 1);
}
