//! The driver against a virtual keyboard and touch screen, on the paused clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::super::virtual_keyboard::{KeyboardHand, VirtualKeyboard};
use super::*;
use crate::device;
use crate::port::far_end::{self, FarEnd, Plug};
use crate::port::input::SYN_DROPPED;
use crate::port::memory::memory_port;

struct Bench {
    activity: Activity,
    status: Status,
    hand: KeyboardHand,
    plug: Plug,
    replugged: Arc<Notify>,
}

/// The plug of the virtual device, looked at when told to.
struct ByPlug(Plug, Arc<Notify>);

impl Presence for ByPlug {
    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.1.notified())
    }

    fn trouble(&mut self) -> Option<Trouble> {
        (!self.0.is_in()).then(|| Trouble::Absent { detail: "pulled".to_owned() })
    }
}

async fn bench() -> Bench {
    let (activity, status) = (Activity::default(), Status::new("input", State::Busy));
    let (port, end) = memory_port("a screen");
    let (keyboard, hand) = VirtualKeyboard::new();
    let (plug, replugged) = (end.plug().clone(), Arc::new(Notify::new()));
    tokio::spawn(far_end::run(end, keyboard));
    let presence = Box::new(ByPlug(plug.clone(), Arc::clone(&replugged)));
    let driver = Operated::new(activity.clone(), status.clone(), Some(presence));
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    let bench = Bench { activity, status, hand, plug, replugged };
    bench.until(State::Ready).await;
    bench
}

impl Bench {
    async fn until(&self, state: State) {
        let mut changes = self.status.changes();
        let changed = changes.wait_for(|snapshot| snapshot.state == state);
        let _ = timeout(Duration::from_secs(60), changed).await.expect("the state");
    }

    fn opened(&self) -> u64 {
        self.status.counters().get("opened").copied().unwrap_or_default()
    }
}

async fn rest() {
    sleep(Duration::from_millis(500)).await;
}

#[tokio::test(start_paused = true)]
async fn keys_and_touches_are_told_with_their_time() {
    let bench = bench().await;
    let mut watcher = bench.activity.watch();
    rest().await;
    for act in [KeyboardHand::touch, |hand: &KeyboardHand| hand.press(30)] {
        let now = Instant::now();
        act(&bench.hand);
        assert_eq!(watcher.operated().await, now);
        rest().await;
    }
    assert!(timeout(Duration::from_secs(3600), watcher.operated()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn while_nobody_watches_the_devices_are_closed_and_what_happens_wakes_nobody() {
    let bench = bench().await;
    rest().await;
    assert_eq!((bench.opened(), bench.status.snapshot().state), (1, State::Ready));
    bench.hand.touch();
    rest().await;
    assert_eq!(bench.status.counters().get("activity"), None);
    let first = bench.activity.watch();
    let second = bench.activity.watch();
    rest().await;
    assert_eq!(bench.opened(), 2);
    drop(first);
    bench.hand.touch();
    rest().await;
    assert!(bench.status.counters().contains_key("activity"));
    drop(second);
    rest().await;
    let before = bench.status.counters();
    bench.hand.touch();
    rest().await;
    assert_eq!(bench.status.counters(), before);
}

#[tokio::test(start_paused = true)]
async fn closed_devices_that_are_pulled_out_are_told_of_without_being_opened() {
    let bench = bench().await;
    rest().await;
    for (is_in, state) in [(false, State::Absent), (true, State::Ready)] {
        bench.plug.set(is_in);
        bench.replugged.notify_one();
        bench.until(state).await;
    }
    assert_eq!(bench.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn watched_devices_that_are_pulled_out_are_awaited() {
    let bench = bench().await;
    let mut watcher = bench.activity.watch();
    rest().await;
    bench.plug.set(false);
    bench.until(State::Absent).await;
    bench.plug.set(true);
    bench.until(State::Ready).await;
    rest().await;
    bench.hand.touch();
    timeout(Duration::from_secs(1), watcher.operated()).await.expect("a touch");
}

#[tokio::test(start_paused = true)]
async fn a_mouse_that_moves_and_keys_that_are_held_when_it_opens_are_no_operation() {
    const EV_REL: u16 = 2;
    let bench = bench().await;
    let mut watcher = bench.activity.watch();
    rest().await;
    bench.hand.put(&[(EV_REL, 0, 5), (4, 4, 30)]);
    assert!(timeout(Duration::from_secs(60), watcher.operated()).await.is_err());
    let mut news = News::default();
    let record = |kind, code, value| InputEvent { kind, code, value }.record();
    assert!(!news.are_in(&[record(EV_KEY, 30, 1), record(EV_SYN, SYN_REPORT, 0)].concat()));
    assert!(news.are_in(&record(EV_KEY, 30, 0)));
    assert!(news.are_in(&record(EV_SYN, SYN_DROPPED, 0)));
    assert!(!news.are_in(&record(EV_KEY, 30, 1)), "the state after lost events");
}
