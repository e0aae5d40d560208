//! The driver against the virtual server, on the paused clock.

use super::super::virtual_server::{self, Said, ServerHand, VirtualServer};
use super::super::{Order, Speaker, SpeechError, queue};
use super::*;
use crate::device::{self, State};
use crate::port::far_end::{self, FarEnd, Plug};
use crate::port::memory::memory_port;

struct Stage {
    speaker: Speaker,
    hand: ServerHand,
    status: Status,
    plug: Plug,
}

fn settings() -> Settings {
    Settings { module: None, voice: None, language: "zh-CN".to_owned(), volume: 100 }
}

async fn stage(settings: Settings) -> Stage {
    let (server, hand) = VirtualServer::new();
    let (port, end) = memory_port("the virtual speech service");
    let plug = end.plug().clone();
    let status = Status::new("speech", State::Busy);
    let (speaker, orders) = queue(status.clone());
    tokio::spawn(far_end::run(end, server));
    let driver = SpeechDispatcher::new(settings, orders);
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
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

    /// The texts that the server has, with how they ended.
    fn said(&self) -> Vec<(String, &'static str)> {
        let ending = |said: &Said| match (said.ended, said.canceled) {
            (true, _) => "ended",
            (_, true) => "canceled",
            _ => "",
        };
        self.hand.said().into_iter().map(|said| (said.text.clone(), ending(&said))).collect()
    }
}

async fn seconds(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

fn pairs(list: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    list.iter().map(|(text, ending)| ((*text).to_owned(), *ending)).collect()
}

#[tokio::test(start_paused = true)]
async fn texts_are_said_one_after_the_other() {
    let stage = stage(settings()).await;
    stage.say("一二三四五", Order::After);
    stage.say("六七八", Order::After);
    // 0.33 s a character: the first takes 1.65 s.
    seconds(1.5).await;
    assert_eq!(stage.said(), pairs(&[("一二三四五", "")]));
    assert_eq!(stage.status.snapshot().state, State::Busy);
    seconds(0.3).await;
    assert_eq!(stage.said(), pairs(&[("一二三四五", "ended"), ("六七八", "")]));
    seconds(1.5).await;
    assert_eq!(stage.said(), pairs(&[("一二三四五", "ended"), ("六七八", "ended")]));
    assert_eq!((stage.count("spoken"), stage.count("cut"), stage.count("dropped")), (2, 0, 0));
    assert_eq!(stage.status.snapshot().state, State::Ready);
}

#[tokio::test(start_paused = true)]
async fn chinese_is_read_by_the_voice_that_can() {
    let stage = stage(settings()).await;
    assert_eq!(stage.status.facts()["module"], "espeak-ng");
    stage.say("好", Order::After);
    seconds(1.0).await;
    assert_eq!(stage.hand.said()[0].voice, "Chinese (Mandarin, latin as Pinyin)");
}

#[tokio::test(start_paused = true)]
async fn another_module_has_its_own_voice_and_a_named_voice_is_taken() {
    for (voice, set) in [(None, ""), (Some("Huihui"), "Huihui")] {
        let module = Some("piper-generic".to_owned());
        let stage = stage(Settings { module, voice: voice.map(str::to_owned), ..settings() }).await;
        assert_eq!(stage.status.facts()["module"], "piper-generic");
        stage.say("好", Order::After);
        seconds(1.0).await;
        assert_eq!(stage.hand.said()[0].voice, set);
    }
}

#[tokio::test(start_paused = true)]
async fn instead_cuts_off_and_empties_the_queue() {
    let stage = stage(settings()).await;
    stage.say("一二三四五六七八九十", Order::After);
    stage.say("b", Order::After);
    stage.say("c", Order::After);
    seconds(1.0).await;
    stage.say("四", Order::Instead);
    seconds(1.0).await;
    assert_eq!(stage.said(), pairs(&[("一二三四五六七八九十", "canceled"), ("四", "ended")]));
    assert_eq!((stage.count("spoken"), stage.count("cut"), stage.count("dropped")), (1, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn stop_ends_everything_and_the_next_text_is_said() {
    let stage = stage(settings()).await;
    stage.say("一二三四五六七八九十", Order::After);
    stage.say("b", Order::After);
    seconds(1.0).await;
    stage.speaker.stop().unwrap();
    seconds(0.1).await;
    assert_eq!(stage.said(), pairs(&[("一二三四五六七八九十", "canceled")]));
    assert_eq!(stage.status.snapshot().state, State::Ready);
    stage.say("好", Order::After);
    seconds(1.0).await;
    assert_eq!(stage.said()[1..], pairs(&[("好", "ended")]));
    assert_eq!((stage.count("spoken"), stage.count("cut"), stage.count("dropped")), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn stop_with_nothing_said_is_well() {
    let stage = stage(settings()).await;
    stage.speaker.stop().unwrap();
    stage.speaker.stop().unwrap();
    seconds(1.0).await;
    stage.say("好", Order::Instead);
    seconds(1.0).await;
    assert_eq!(stage.said(), pairs(&[("好", "ended")]));
}

#[tokio::test(start_paused = true)]
async fn rate_and_pitch_are_set_when_they_change_and_are_drawn_into_the_range() {
    let stage = stage(settings()).await;
    let factors = [
        // 170 words a minute are 0; half of that is -94 of the way down to 80.
        (1.0, 1.0, 0, 0),
        (0.5, 0.5, -94, -50),
        (2.0, 1.5, 61, 50),
        (0.0, 0.0, -100, -100),
        (1e9, 1e9, 100, 100),
        (-3.0, -1.0, -100, -100),
        (f64::NAN, f64::NAN, 0, 0),
        (f64::INFINITY, f64::NEG_INFINITY, 100, -100),
    ];
    for (rate, pitch, ..) in factors {
        stage.speaker.say(Utterance::new("好", pitch, rate), Order::After).unwrap();
        seconds(5.0).await;
    }
    let said: Vec<_> = stage.hand.said().iter().map(|said| (said.rate, said.pitch)).collect();
    let expected: Vec<_> = factors.iter().map(|(.., rate, pitch)| (*rate, *pitch)).collect();
    assert_eq!(said, expected);
}

#[tokio::test(start_paused = true)]
async fn a_text_of_100_000_characters_is_said_whole_and_in_order() {
    let stage = stage(settings()).await;
    let text: String = (0..100_000).map(|at| ['请', '坐', '。', '😀', '.'][at % 5]).collect();
    stage.say(&text, Order::After);
    stage.say("好", Order::After);
    // It takes nine hours; more pieces than the server remembers go by.
    let mut said = String::new();
    let mut seen = 0;
    while stage.count("spoken") < 2 {
        seconds(100.0).await;
        let all = stage.hand.said();
        said.extend(all.iter().skip(seen).map(|one| one.text.as_str()));
        seen = all.len();
        assert!(seen < virtual_server::KEPT, "some may have been forgotten");
    }
    assert!(said == text + "好");
    assert!(stage.hand.said().iter().all(|said| said.ended));
}

#[tokio::test(start_paused = true)]
async fn a_long_text_is_stopped_within_a_piece() {
    let stage = stage(settings()).await;
    stage.say(&"请坐。".repeat(30_000), Order::After);
    seconds(400.0).await;
    stage.speaker.stop().unwrap();
    seconds(1.0).await;
    assert_eq!(stage.said().len(), 3);
    assert_eq!(stage.said()[2].1, "canceled");
    assert_eq!((stage.count("spoken"), stage.count("cut")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_in_a_text_breaks_the_framing() {
    let stage = stage(settings()).await;
    let texts = [
        ".",
        "a\n.\nSPEAK\n..b",
        "\r\n.\r\nCANCEL SELF",
        "nul\0bell\x07",
        "<b>&amp; [[hello]]",
        "😀🎉 Привет 안녕 日本",
    ];
    for text in texts {
        stage.say(text, Order::After);
    }
    seconds(200.0).await;
    let expected = [
        ".",
        "a\n.\nSPEAK\n..b",
        ".\nCANCEL SELF",
        "nul bell",
        "<b>&amp; [ hello]]",
        "😀🎉 Привет 안녕 日本",
    ];
    // A carriage return has become a blank.
    let said: Vec<_> = stage.said().iter().map(|(text, _)| text.replace(" \n", "\n")).collect();
    assert_eq!(said, expected);
    assert_eq!(stage.count("spoken"), 6);
}

#[tokio::test(start_paused = true)]
async fn a_blank_text_is_said_by_saying_nothing() {
    let stage = stage(settings()).await;
    stage.say("\0\x01", Order::After);
    seconds(1.0).await;
    assert_eq!(stage.said(), []);
    assert_eq!(stage.count("spoken"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_failed_by_the_deadline_and_used_again() {
    let stage = stage(settings()).await;
    stage.hand.fault(virtual_server::Fault::Silence);
    stage.say("好", Order::After);
    let asked = Instant::now();
    stage.is(State::Failed).await;
    assert_eq!(asked.elapsed(), ANSWER);
    let error = stage.speaker.say(Utterance::new("b", 1.0, 1.0), Order::After).unwrap_err();
    assert!(matches!(error, SpeechError::Trouble(Trouble::Failed { .. })), "{error}");
    assert!(error.to_string().contains("not answered"), "{error}");
    stage.hand.mend();
    stage.is(State::Ready).await;
    // Within the time that texts are kept, and nothing of it had been heard.
    seconds(2.0).await;
    assert_eq!(stage.count("spoken"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_while_it_speaks_is_failed_too() {
    let stage = stage(settings()).await;
    stage.say("一二三四五", Order::After);
    seconds(1.0).await;
    stage.hand.fault(virtual_server::Fault::Silence);
    stage.is(State::Failed).await;
    assert_eq!(stage.count("lost"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_speak_is_failed_with_its_own_words() {
    let stage = stage(settings()).await;
    stage.hand.fault(virtual_server::Fault::Refuse);
    stage.say("好", Order::After);
    stage.is(State::Failed).await;
    let error = stage.status.snapshot().last_error.unwrap();
    assert_eq!(error, "the speech service has refused SPEAK: 300 ERR INTERNAL");
}

#[tokio::test(start_paused = true)]
async fn what_is_being_said_when_the_server_goes_is_lost_and_the_rest_is_kept_for_a_while() {
    for (away, said) in [(3.0, true), (7.0, false)] {
        let stage = stage(settings()).await;
        stage.say("一二三四五", Order::After);
        stage.say("六", Order::After);
        seconds(1.0).await;
        stage.plug.set(false);
        stage.is(State::Absent).await;
        seconds(away).await;
        stage.plug.set(true);
        stage.is(State::Ready).await;
        seconds(3.0).await;
        assert_eq!(stage.count("lost"), 1);
        assert_eq!(stage.said().iter().any(|(text, _)| text == "六"), said, "{away} s");
        assert_eq!(stage.count("dropped"), u64::from(!said));
        stage.say("七", Order::After);
        seconds(1.0).await;
        assert_eq!(stage.said().last().unwrap(), &("七".to_owned(), "ended"));
    }
}

#[test]
fn factors_become_the_servers_numbers() {
    // The table of the module: 80, 170 and 449 words a minute.
    assert_eq!([rate(80.0 / 170.0), rate(1.0), rate(449.0 / 170.0)], [-100, 0, 100]);
    assert_eq!([pitch(0.0), pitch(1.0), pitch(2.0)], [-100, 0, 100]);
}
