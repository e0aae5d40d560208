//! The driver against the far end of its wire, on the paused clock.

use std::sync::Arc;

use super::super::framing::Encoding;
use super::super::virtual_scanner::{Fault, ScannerHand, VirtualScanner};
use super::*;
use crate::device::{self, State};
use crate::port::far_end::{self, FarEnd, Plug};
use crate::port::memory::memory_port;

struct Bench {
    source: Source<Code>,
    status: Status,
    hand: ScannerHand,
    plug: Plug,
}

fn settings(suffix: &str, trigger: Option<Trigger>) -> Settings {
    Settings {
        baud: 9600,
        framing: Framing {
            suffix: suffix.into(),
            prefix: Vec::new(),
            encoding: Encoding::Auto,
            trigger,
        },
        idle: Duration::from_millis(100),
        same_code: Duration::ZERO,
    }
}

async fn bench(settings: Settings) -> Bench {
    let source = Source::new();
    let status = Status::new("qr_scanner", State::Busy);
    let (port, end) = memory_port("a scanner");
    let framing = &settings.framing;
    let (scanner, hand) = VirtualScanner::new(&framing.suffix, framing.trigger);
    let plug = end.plug().clone();
    tokio::spawn(far_end::run(end, scanner));
    let driver = SerialScanner::new(settings, source.clone());
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    let bench = Bench { source, status, hand, plug };
    bench.until(State::Ready).await;
    bench
}

impl Bench {
    async fn read(&self) -> Result<Arc<Code>, Trouble> {
        self.source.wait()?.answer().await
    }

    async fn until(&self, state: State) {
        self.status.changes().wait_for(|snapshot| snapshot.state == state).await.unwrap();
    }

    async fn rest(&self) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    fn count(&self, what: &str) -> u64 {
        self.status.counters().get(what).copied().unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_reaches_who_waits_for_it() {
    let bench = bench(settings("\r", None)).await;
    let mut waiter = bench.source.wait().unwrap();
    bench.hand.scan("健康码-1".as_bytes()).unwrap();
    assert_eq!(waiter.answer().await.unwrap().0, "健康码-1");
}

#[tokio::test(start_paused = true)]
async fn a_code_scanned_while_nobody_wants_one_is_thrown_away() {
    let bench = bench(settings("\r", None)).await;
    bench.hand.scan(b"somebody else's").unwrap();
    bench.rest().await;
    let mut waiter = bench.source.wait().unwrap();
    bench.hand.scan(b"mine").unwrap();
    assert_eq!(waiter.answer().await.unwrap().0, "mine");
    assert_eq!(bench.count("unwanted"), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_suffix_the_idle_gap_ends_a_code() {
    let bench = bench(settings("", None)).await;
    let mut listener = bench.source.listen();
    bench.hand.scan(b"first").unwrap();
    bench.rest().await;
    bench.hand.scan(b"second").unwrap();
    assert_eq!(listener.next().await.unwrap().0, "first");
    assert_eq!(listener.next().await.unwrap().0, "second");
}

#[tokio::test(start_paused = true)]
async fn a_torn_code_never_becomes_the_beginning_of_the_next() {
    let bench = bench(settings("\r", None)).await;
    let mut listener = bench.source.listen();
    bench.hand.fault(Fault::CutFrame);
    bench.hand.scan(b"torn off in its middle").unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    bench.hand.mend();
    bench.hand.scan(b"whole").unwrap();
    assert_eq!(listener.next().await.unwrap().0, "whole");
    assert_eq!(bench.count("torn"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_code_is_passed_over_while_it_stays_in_view_unless_a_new_call_came() {
    let same_code = Duration::from_secs(1);
    let bench = bench(Settings { same_code, ..settings("\r", None) }).await;
    let mut listener = bench.source.listen();
    // In view for 3 s: each sight begins the second anew.
    for _ in 0..6 {
        bench.hand.scan(b"A").unwrap();
        bench.rest().await;
    }
    bench.hand.scan(b"B").unwrap();
    assert_eq!(listener.next().await.unwrap().0, "A");
    assert_eq!(listener.next().await.unwrap().0, "B");
    // A new call wants what is in view.
    let mut waiter = bench.source.wait().unwrap();
    bench.hand.scan(b"B").unwrap();
    assert_eq!(waiter.answer().await.unwrap().0, "B");
    // Away for longer than the time, it is a new one.
    assert_eq!(listener.next().await.unwrap().0, "B");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    bench.hand.scan(b"B").unwrap();
    assert_eq!(listener.next().await.unwrap().0, "B");
}

#[tokio::test(start_paused = true)]
async fn a_module_is_triggered_while_somebody_wants_a_code_and_stopped_after() {
    for trigger in [Trigger::Gm65, Trigger::Newland, Trigger::NewlandOld, Trigger::M3y] {
        let bench = bench(settings("\r", Some(trigger))).await;
        bench.rest().await;
        assert!(!bench.hand.is_triggered(), "{trigger:?}");
        let waiter = bench.source.wait().unwrap();
        bench.rest().await;
        assert!(bench.hand.is_triggered(), "{trigger:?}");
        drop(waiter);
        bench.rest().await;
        assert!(!bench.hand.is_triggered(), "{trigger:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_module_has_its_pause_between_stop_and_start() {
    let bench = bench(settings("\r", Some(Trigger::Newland))).await;
    let waiter = bench.source.wait().unwrap();
    bench.rest().await;
    drop(waiter);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!bench.hand.is_triggered());
    let _waiter = bench.source.wait().unwrap();
    tokio::time::sleep(Trigger::COMMAND_GAP - Duration::from_millis(10)).await;
    assert!(!bench.hand.is_triggered());
    bench.rest().await;
    assert!(bench.hand.is_triggered());
}

#[tokio::test(start_paused = true)]
async fn a_listener_keeps_a_triggered_module_scanning_code_after_code() {
    let bench = bench(settings("\r", Some(Trigger::Gm65))).await;
    let mut listener = bench.source.listen();
    for code in ["1", "2", "3"] {
        bench.hand.scan(code.as_bytes()).unwrap();
        assert_eq!(listener.next().await.unwrap().0, code);
    }
}

#[tokio::test(start_paused = true)]
async fn a_scanner_unplugged_is_absent_and_used_when_it_is_back() {
    let bench = bench(settings("\r", None)).await;
    let mut waiter = bench.source.wait().unwrap();
    bench.plug.set(false);
    assert!(matches!(waiter.answer().await, Err(Trouble::Absent { .. })));
    assert!(matches!(bench.read().await, Err(Trouble::Absent { .. })));
    bench.plug.set(true);
    bench.until(State::Ready).await;
    let mut waiter = bench.source.wait().unwrap();
    bench.hand.scan(b"back").unwrap();
    assert_eq!(waiter.answer().await.unwrap().0, "back");
}
