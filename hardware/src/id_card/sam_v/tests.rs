//! The driver against the far end of its wire, on the paused clock.

use std::sync::Arc;

use proptest::prelude::*;
use tokio::time::{advance, timeout};

use super::super::people::{Card, person};
use super::super::virtual_reader::{Fault, ReaderHand, SAM_ID, VirtualReader};
use super::*;
use crate::device::{self, State};
use crate::port::far_end::{self, FarEnd, Plug};
use crate::port::memory::memory_port;
use crate::source::Stage;

struct Bench {
    source: Source<IdCard>,
    status: Status,
    hand: ReaderHand,
    plug: Plug,
}

fn settings() -> Settings {
    Settings {
        baud: Some(115_200),
        serial: true,
        poll: Duration::from_millis(300),
        fingerprint: false,
    }
}

fn bench(settings: Settings) -> Bench {
    let source = Source::new();
    let status = Status::new("id_card", State::Busy);
    let (port, end) = memory_port("a reader");
    let (reader, hand) = VirtualReader::new();
    let plug = end.plug().clone();
    tokio::spawn(far_end::run(end, reader));
    let driver = SamV::new(settings, source.clone());
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    Bench { source, status, hand, plug }
}

impl Bench {
    async fn read(&self) -> Result<Arc<IdCard>, Trouble> {
        self.source.wait()?.answer().await
    }

    async fn until(&self, state: State) {
        self.status.changes().wait_for(|snapshot| snapshot.state == state).await.unwrap();
    }

    fn count(&self, what: &str) -> u64 {
        self.status.counters().get(what).copied().unwrap_or_default()
    }
}

/// Whether `future` is not done after `time`.
async fn still_waits<F: Future>(time: Duration, future: F) -> bool {
    timeout(time, future).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_card_put_on_is_read_to_the_letter() {
    let bench = bench(settings());
    let mut waiter = bench.source.wait().unwrap();
    assert!(still_waits(Duration::from_secs(3), waiter.answer()).await);
    bench.hand.put(Card::zhang_san());
    let card = waiter.answer().await.unwrap();
    assert_eq!(card.text, Card::zhang_san().text);
    assert_eq!(card.wlt, Card::zhang_san().photo);
    assert_eq!(card.appended_address, None);
    assert_eq!(bench.count("readings"), 1);
    assert_eq!(bench.status.facts()["samId"], "05.03-20200102-0012345678-0087654321");
    assert_eq!(SAM_ID.len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_card_of_every_layout_is_read_with_its_newest_address() {
    let bench = bench(settings());
    for one in super::super::people::PEOPLE {
        let card = (one.card)();
        bench.hand.put(card.clone());
        let read = bench.read().await.unwrap();
        assert_eq!(read.text, card.text, "{}", one.slug);
        assert_eq!(read.appended_address, card.appended_addresses.first().cloned());
        bench.hand.lift();
    }
}

#[tokio::test(start_paused = true)]
async fn a_card_that_was_read_must_be_lifted_before_it_is_read_again() {
    let bench = bench(settings());
    bench.hand.put(Card::zhang_san());
    bench.read().await.unwrap();
    let mut second = bench.source.wait().unwrap();
    assert!(still_waits(Duration::from_secs(20), second.answer()).await);
    bench.hand.lift();
    advance(Duration::from_secs(1)).await;
    bench.hand.put(Card::zhang_san());
    assert!(second.answer().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_card_lying_there_unread_is_read_when_a_call_begins() {
    let bench = bench(settings());
    bench.until(State::Ready).await;
    bench.hand.put(Card::zhang_san());
    advance(Duration::from_secs(60)).await;
    assert!(bench.read().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_polled_for_when_nobody_wants_a_card() {
    let bench = bench(settings());
    bench.until(State::Ready).await;
    bench.hand.put(Card::zhang_san());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(bench.count("readings"), 0);
    let listener = bench.source.listen();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.count("readings"), 1);
    drop(listener);
}

#[tokio::test(start_paused = true)]
async fn a_reading_goes_to_its_end_and_counts_though_its_caller_has_left() {
    let bench = bench(settings());
    bench.hand.set_reading_time(Duration::from_millis(1200));
    bench.hand.put(Card::zhang_san());
    let waiter = bench.source.wait().unwrap();
    while waiter.stage() != Stage::Reading {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(waiter);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(bench.count("readings"), 1);
    assert!(still_waits(Duration::from_secs(20), bench.read()).await);
}

#[tokio::test(start_paused = true)]
async fn damaged_and_lost_replies_are_asked_for_again() {
    for fault in [Fault::BadChecksum, Fault::CutFrame, Fault::Silence] {
        let bench = bench(settings());
        bench.until(State::Ready).await;
        bench.hand.fault(fault, Some(2));
        bench.hand.put(Card::zhang_san());
        assert!(bench.read().await.is_ok(), "{fault:?}");
        assert_eq!(bench.count("retries"), 2, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_about_one_card_costs_that_card_and_not_the_reader() {
    let bench = bench(settings());
    bench.until(State::Ready).await;
    // The module is well, and says nothing about this card.
    bench.hand.put(Card::zhang_san());
    let mut waiter = bench.source.wait().unwrap();
    let mut behind = bench.source.wait().unwrap();
    bench.hand.fault(Fault::MuteCard, None);
    assert!(matches!(waiter.answer().await, Err(Trouble::Unreadable { .. })));
    assert_eq!(bench.status.snapshot().state, State::Ready);
    bench.hand.mend();
    bench.hand.lift();
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.hand.put(Card::zhang_san());
    assert!(behind.answer().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_silent_fails_its_callers_and_is_used_again_when_it_speaks() {
    let bench = bench(settings());
    bench.until(State::Ready).await;
    bench.hand.fault(Fault::Silence, None);
    assert!(matches!(bench.read().await, Err(Trouble::Failed { .. })));
    assert_eq!(bench.status.snapshot().state, State::Failed);
    assert!(matches!(bench.read().await, Err(Trouble::Failed { .. })));
    bench.hand.mend();
    bench.hand.put(Card::zhang_san());
    bench.until(State::Ready).await;
    assert!(bench.read().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_card_that_cannot_be_read_is_told_once_and_has_to_be_lifted() {
    for status in [0x33, 0x40] {
        let bench = bench(settings());
        bench.hand.fault(Fault::Status(status), None);
        bench.hand.put(Card::zhang_san());
        let _listener = bench.source.listen();
        assert!(matches!(bench.read().await, Err(Trouble::Unreadable { .. })), "{status:02X}");
        bench.hand.mend();
        assert!(still_waits(Duration::from_secs(5), bench.read()).await, "{status:02X}");
        bench.hand.lift();
        tokio::time::sleep(Duration::from_secs(1)).await;
        bench.hand.put(Card::zhang_san());
        assert!(bench.read().await.is_ok(), "{status:02X}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_card_put_on_badly_is_found_again_and_told_as_unreadable_after_three_attempts() {
    let bench = bench(settings());
    bench.hand.fault(Fault::Status(0x41), None);
    bench.hand.put(Card::zhang_san());
    assert!(matches!(bench.read().await, Err(Trouble::Unreadable { .. })));
    bench.hand.mend();
    assert!(bench.read().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_reader_unplugged_in_any_state_is_absent_and_used_when_it_is_back() {
    let bench = bench(settings());
    bench.until(State::Ready).await;
    // Idle.
    bench.plug.set(false);
    bench.until(State::Absent).await;
    assert!(matches!(bench.read().await, Err(Trouble::Absent { .. })));
    bench.plug.set(true);
    bench.until(State::Ready).await;
    // While it looks for a card.
    let mut waiter = bench.source.wait().unwrap();
    assert!(still_waits(Duration::from_secs(1), waiter.answer()).await);
    bench.plug.set(false);
    assert!(matches!(waiter.answer().await, Err(Trouble::Absent { .. })));
    bench.plug.set(true);
    bench.until(State::Ready).await;
    // In mid-read.
    bench.hand.set_reading_time(Duration::from_secs(1));
    bench.hand.put(Card::zhang_san());
    let mut waiter = bench.source.wait().unwrap();
    while waiter.stage() != Stage::Reading {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.plug.set(false);
    assert!(matches!(waiter.answer().await, Err(Trouble::Absent { .. })));
    bench.plug.set(true);
    bench.until(State::Ready).await;
    assert!(bench.read().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn auto_finds_the_rate_that_the_module_is_set_to() {
    for rate in RATES {
        let bench = bench(Settings { baud: None, ..settings() });
        bench.hand.set_baud(rate);
        bench.hand.put(Card::zhang_san());
        // What came before the right rate was found fails; later calls are served.
        bench.until(State::Ready).await;
        assert!(bench.read().await.is_ok(), "{rate}");
        assert_eq!(bench.status.facts()["baud"], rate.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_at_another_fixed_rate_is_failed_with_the_way_out() {
    let bench = bench(settings());
    bench.hand.set_baud(9600);
    bench.until(State::Failed).await;
    let error = bench.status.snapshot().last_error.unwrap();
    assert!(error.contains("115200") && error.contains("baud = \"auto\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn fingerprints_are_read_over_and_older_modules_without_the_command_are_read_too() {
    let bench = bench(Settings { fingerprint: true, ..settings() });
    bench.hand.put(person("li-si").unwrap());
    let card = bench.read().await.unwrap();
    assert_eq!(card.text, person("li-si").unwrap().text);
    assert_eq!(card.wlt.len(), 1024);
}

#[tokio::test(start_paused = true)]
async fn replies_in_pieces_of_any_size_are_put_together() {
    for chunk in [1, 2, 7, 64] {
        let bench = bench(settings());
        bench.hand.set_chunk(chunk);
        bench.hand.put(Card::zhang_san());
        assert_eq!(bench.read().await.unwrap().text, Card::zhang_san().text, "{chunk}");
    }
}

#[test]
fn every_documented_status_has_its_remedy() {
    for (sw3, expected) in [
        (0x90, Remedy::Proceed),
        (0x9F, Remedy::Proceed),
        (0x91, Remedy::NoContent),
        (0x10, Remedy::Resend),
        (0x11, Remedy::Resend),
        (0x21, Remedy::Fault),
        (0x23, Remedy::Fault),
        (0x24, Remedy::Refind),
        (0x31, Remedy::Refind),
        (0x32, Remedy::Refind),
        (0x33, Remedy::CardFault),
        (0x40, Remedy::CardFault),
        (0x41, Remedy::Refind),
        (0x47, Remedy::Reset),
        (0x60, Remedy::Reset),
        (0x66, Remedy::Fault),
        (0x80, Remedy::NoCard),
        (0x81, Remedy::Refind),
        (0xEE, Remedy::Refind),
    ] {
        assert_eq!(remedy(sw3), expected, "{sw3:02X}");
    }
}

proptest! {
    #[test]
    fn a_reply_is_cut_by_its_lengths_or_refused(
        data in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(4), any::<u8>()], 0..1400),
        fingerprint: bool,
    ) {
        if let Ok((text, photo)) = slice(&data, fingerprint) {
            let head = if fingerprint { 6 } else { 4 };
            prop_assert_eq!(text.len(), usize::from(data[0]) * 256 + usize::from(data[1]));
            prop_assert_eq!(photo.len(), usize::from(data[2]) * 256 + usize::from(data[3]));
            prop_assert_eq!(text, &data[head..head + text.len()]);
        }
    }
}
