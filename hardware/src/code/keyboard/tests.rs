//! The driver against the far end of its wire, on the paused clock.

use std::time::Duration;

use super::*;
use crate::device::{self, State};
use crate::input::Watcher;
use crate::input::layout::ENTER;
use crate::input::virtual_keyboard::{KeyboardHand, VirtualKeyboard};
use crate::port::far_end::{self, FarEnd, Plug};
use crate::port::memory::memory_port;
use crate::source::Listener;

struct Bench {
    codes: Listener<Code>,
    status: Status,
    hand: KeyboardHand,
    plug: Plug,
    operation: Watcher,
}

async fn bench(suffix: &str) -> Bench {
    let (source, activity) = (Source::new(), Activity::default());
    let status = Status::new("qr_scanner", State::Busy);
    let (port, end) = memory_port("a scanner");
    let (keyboard, hand) = VirtualKeyboard::new();
    let plug = end.plug().clone();
    tokio::spawn(far_end::run(end, keyboard));
    let settings = Settings {
        baud: 9600,
        framing: Framing {
            suffix: suffix.into(),
            prefix: b"]Q1".to_vec(),
            encoding: Encoding::Auto,
            trigger: None,
        },
        idle: Duration::from_millis(100),
        same_code: Duration::ZERO,
    };
    let (codes, operation) = (source.listen(), activity.watch());
    let driver = KeyboardScanner::new(settings, source, activity);
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    let bench = Bench { codes, status, hand, plug, operation };
    bench.until(State::Ready).await;
    bench
}

impl Bench {
    async fn until(&self, state: State) {
        self.status.changes().wait_for(|snapshot| snapshot.state == state).await.unwrap();
    }

    async fn next(&mut self) -> String {
        let code = tokio::time::timeout(Duration::from_secs(5), self.codes.next()).await;
        code.expect("a code").unwrap().0.clone()
    }

    fn count(&self, what: &str) -> u64 {
        self.status.counters().get(what).copied().unwrap_or_default()
    }

    async fn rest(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_typed_up_to_enter_is_a_code() {
    let mut bench = bench("\r").await;
    bench.hand.type_text("https://example.com/A?b=%7E&c=\"~\"\r").unwrap();
    assert_eq!(bench.next().await, "https://example.com/A?b=%7E&c=\"~\"");
    bench.hand.type_text("]Q1690123\r\rx\r").unwrap();
    assert_eq!(bench.next().await, "690123");
    assert_eq!(bench.next().await, "x");
}

#[tokio::test(start_paused = true)]
async fn enter_on_the_key_pad_ends_a_code_too_and_so_does_any_line_end_that_is_configured() {
    const PAD_ENTER: u16 = 96;
    for suffix in ["\r", "\n", "\r\n"] {
        for enter in [ENTER, PAD_ENTER] {
            let mut bench = bench(suffix).await;
            bench.hand.type_text("0042").unwrap();
            bench.hand.press(enter);
            assert_eq!(bench.next().await, "0042", "{suffix:?} {enter}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_suffix_leaves_enter_to_the_code() {
    let mut bench = bench("\t").await;
    bench.hand.type_text("BEGIN:VCARD\rEND:VCARD\t").unwrap();
    assert_eq!(bench.next().await, "BEGIN:VCARD\rEND:VCARD");
}

#[tokio::test(start_paused = true)]
async fn without_a_suffix_the_idle_gap_ends_a_code() {
    let mut bench = bench("").await;
    bench.hand.type_text("first").unwrap();
    bench.rest(99).await;
    bench.hand.type_text("+").unwrap();
    bench.rest(101).await;
    bench.hand.type_text("second").unwrap();
    assert_eq!(bench.next().await, "first+");
    assert_eq!(bench.next().await, "second");
}

#[tokio::test(start_paused = true)]
async fn half_a_code_never_becomes_the_beginning_of_the_next() {
    let mut bench = bench("\r").await;
    bench.hand.type_text("torn").unwrap();
    bench.rest(1100).await;
    bench.hand.type_text("whole\r").unwrap();
    assert_eq!(bench.next().await, "whole");
    assert_eq!(bench.count("torn"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_held_is_typed_once() {
    let mut bench = bench("\r").await;
    const KEY_A: u16 = 30;
    bench.hand.key(KEY_A, 1);
    for _ in 0..40 {
        bench.hand.key(KEY_A, 2);
    }
    bench.hand.key(KEY_A, 0);
    bench.hand.press(ENTER);
    assert_eq!(bench.next().await, "a");
}

#[tokio::test(start_paused = true)]
async fn a_code_with_a_character_by_its_number_is_not_given_at_all() {
    const LEFT_ALT: u16 = 56;
    let mut bench = bench("\r").await;
    bench.hand.type_text("caf").unwrap();
    bench.hand.key(LEFT_ALT, 1);
    // 0233 on the key pad.
    [82, 80, 81, 81].into_iter().for_each(|key| bench.hand.press(key));
    bench.hand.key(LEFT_ALT, 0);
    bench.hand.type_text(" au lait\rnext\r").unwrap();
    assert_eq!(bench.next().await, "next");
    assert_eq!((bench.count("foreignKeys"), bench.count("torn")), (4, 1));
    assert_eq!(bench.hand.type_text("é"), Err(crate::input::virtual_keyboard::NoSuchKey));
}

#[tokio::test(start_paused = true)]
async fn a_code_of_which_events_were_lost_is_not_given_and_no_shift_stays_down() {
    let mut bench = bench("\r").await;
    bench.hand.type_text("12").unwrap();
    bench.hand.key(42, 1);
    // The release of shift is among what was lost.
    bench.hand.put(&[(EV_SYN, SYN_DROPPED, 0)]);
    bench.hand.type_text("78\rab\r").unwrap();
    assert_eq!(bench.next().await, "ab");
    assert_eq!((bench.count("eventsLost"), bench.count("torn")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_held_when_events_were_lost_are_not_typed_but_change_what_is() {
    let mut bench = bench("\r").await;
    let held = |code| (crate::port::input::EV_KEY, code, 1);
    // Shift, A and enter are down.
    bench.hand.put(&[(EV_SYN, SYN_DROPPED, 0), held(42), held(30), held(28)]);
    bench.rest(1100).await;
    bench.hand.type_text("a").unwrap();
    bench.hand.key(42, 0);
    bench.hand.type_text("a\r").unwrap();
    assert_eq!(bench.next().await, "Aa");
}

#[tokio::test(start_paused = true)]
async fn whoever_scans_operates_the_kiosk() {
    let mut bench = bench("\r").await;
    bench.rest(700).await;
    let now = tokio::time::Instant::now();
    bench.hand.type_text("1").unwrap();
    assert_eq!(bench.operation.operated().await, now);
}

#[tokio::test(start_paused = true)]
async fn a_scanner_that_is_pulled_out_forgets_half_a_code() {
    let mut bench = bench("\r").await;
    bench.hand.type_text("half").unwrap();
    bench.rest(10).await;
    bench.plug.set(false);
    bench.until(State::Absent).await;
    bench.plug.set(true);
    bench.until(State::Ready).await;
    bench.hand.type_text("whole\r").unwrap();
    assert_eq!(bench.next().await, "whole");
}
