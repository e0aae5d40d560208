//! The driver against a scripted slot, on the paused clock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::{advance, sleep, timeout};

use super::super::testing::{Chip, Hand, READER, SPECIMEN, Step, slot};
use super::*;
use crate::source::Stage;

struct Bench {
    source: Source<SocialSecurityCard>,
    status: Status,
    hand: Hand,
}

fn bench() -> Bench {
    let (port, hand) = slot();
    let source = Source::new();
    let status = Status::new("social_security_card", State::Busy);
    tokio::spawn(run(Box::new(port), source.clone(), status.clone()));
    Bench { source, status, hand }
}

impl Bench {
    async fn read(&self) -> Result<Arc<SocialSecurityCard>, Trouble> {
        self.source.wait()?.answer().await
    }

    async fn until(&self, state: State) {
        self.status.changes().wait_for(|snapshot| snapshot.state == state).await.unwrap();
    }

    fn count(&self, what: &str) -> u64 {
        self.status.counters().get(what).copied().unwrap_or_default()
    }

    fn connects(&self) -> usize {
        self.hand.seen(|seen| seen.connects.len())
    }

    fn state(&self) -> State {
        self.status.snapshot().state
    }
}

/// The trouble of a reading that must not come.
fn trouble(result: Result<Arc<SocialSecurityCard>, Trouble>) -> Trouble {
    match result {
        Ok(_) => panic!("a card was delivered"),
        Err(trouble) => trouble,
    }
}

/// Whether `future` is not done after `time`.
async fn still_waits<F: Future>(time: Duration, future: F) -> bool {
    timeout(time, future).await.is_err()
}

const SECOND: Duration = Duration::from_secs(1);

/// After which every retry has been made.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_card_put_in_is_read_within_one_transaction() {
    let bench = bench();
    let mut waiter = bench.source.wait().unwrap();
    assert!(still_waits(LONG, waiter.answer()).await);
    assert_eq!(bench.state(), State::Ready);
    bench.hand.put(Chip::of("2.00"));
    let card = waiter.answer().await.ok().unwrap();
    assert_eq!((card.name.as_str(), card.id_number.as_str()), ("张三", SPECIMEN));
    assert_eq!(bench.count("readings"), 1);
    assert_eq!(bench.status.facts()["reader"], READER);
    bench.hand.seen(|seen| {
        assert_eq!((seen.connects.as_slice(), seen.transactions), (&[Power::AsItIs][..], 1));
        assert_eq!(seen.disconnects, [End::Leave]);
    });
}

#[tokio::test(start_paused = true)]
async fn without_demand_no_card_is_powered_and_one_that_lies_there_is_read_when_it_comes() {
    let bench = bench();
    bench.hand.put(Chip::of("2.00"));
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(bench.connects(), 0);
    assert!(bench.read().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_listener_alone_has_cards_read_and_every_listener_and_the_oldest_waiter_get_it() {
    let bench = bench();
    let mut first = bench.source.listen();
    let mut second = bench.source.listen();
    bench.hand.put(Chip::of("1.00"));
    assert_eq!(first.next().await.unwrap().full_version, "1.00");
    assert_eq!(second.next().await.unwrap().full_version, "1.00");
    bench.hand.lift();
    sleep(SECOND).await;
    let mut oldest = bench.source.wait().unwrap();
    let mut next = bench.source.wait().unwrap();
    bench.hand.put(Chip::of("2.00"));
    assert_eq!(oldest.answer().await.ok().unwrap().full_version, "2.00");
    assert_eq!(first.next().await.unwrap().full_version, "2.00");
    assert!(still_waits(LONG, next.answer()).await);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_was_read_must_be_lifted_before_it_is_read_again() {
    let bench = bench();
    bench.hand.put(Chip::of("2.00"));
    bench.read().await.ok().unwrap();
    let mut second = bench.source.wait().unwrap();
    bench.hand.stir();
    assert!(still_waits(LONG, second.answer()).await);
    assert_eq!(bench.connects(), 1);
    bench.hand.lift();
    sleep(SECOND).await;
    bench.hand.put(Chip::of("2.00"));
    assert!(second.answer().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_card_changed_for_another_between_two_looks_is_read() {
    let bench = bench();
    bench.hand.put(Chip::of("1.00"));
    bench.read().await.ok().unwrap();
    bench.hand.lift();
    bench.hand.put(Chip::of("2.00"));
    assert_eq!(bench.read().await.ok().unwrap().full_version, "2.00");
}

#[tokio::test(start_paused = true)]
async fn a_reading_goes_to_its_end_and_counts_though_its_caller_has_left() {
    let bench = bench();
    bench.hand.pace(Duration::from_millis(100));
    bench.hand.put(Chip::of("2.00"));
    let waiter = bench.source.wait().unwrap();
    while waiter.stage() != Stage::Reading {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(bench.state(), State::Busy);
    drop(waiter);
    assert!(still_waits(LONG, bench.read()).await);
    assert_eq!((bench.count("readings"), bench.connects()), (1, 1));
    assert_eq!(bench.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_card_taken_away_in_the_middle_is_told_to_nobody() {
    let bench = bench();
    bench.hand.pace(Duration::from_millis(100));
    let mut waiter = bench.source.wait().unwrap();
    bench.hand.put(Chip::of("2.00"));
    assert!(still_waits(Duration::from_millis(450), waiter.answer()).await);
    bench.hand.lift();
    assert!(still_waits(LONG, waiter.answer()).await);
    assert_eq!((bench.count("removedEarly"), bench.count("unreadable")), (1, 0));
    assert_eq!(bench.state(), State::Ready);
    bench.hand.put(Chip::of("2.00"));
    assert!(waiter.answer().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_gone_before_it_is_connected_to_is_told_to_nobody() {
    let bench = bench();
    bench.hand.connects(&[Step::Fault(FaultKind::NoCard)]);
    bench.hand.put(Chip::of("2.00"));
    let mut waiter = bench.source.wait().unwrap();
    assert!(still_waits(SECOND, waiter.answer()).await);
    assert_eq!((bench.count("removedEarly"), bench.connects()), (1, 1));
    // The port still says that it lies there: that is believed again after a while.
    assert!(waiter.answer().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_card_reset_by_another_program_is_read_from_the_beginning_once_more() {
    let bench = bench();
    let middle = [Step::Well, Step::Well, Step::Well, Step::Fault(FaultKind::Reset)];
    bench.hand.exchanges(&middle);
    bench.hand.put(Chip::of("2.00"));
    assert_eq!(bench.read().await.ok().unwrap().name, "张三");
    bench.hand.seen(|seen| {
        assert_eq!(seen.transactions, 2);
        assert_eq!(seen.commands[0], seen.commands[middle.len()], "SELECT comes first again");
    });
    assert_eq!((bench.count("resets"), bench.count("readings")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_card_reset_again_and_again_is_unreadable() {
    let bench = bench();
    bench.hand.transacts(&[Step::Fault(FaultKind::Reset), Step::Fault(FaultKind::Reset)]);
    bench.hand.put(Chip::of("2.00"));
    assert!(matches!(trouble(bench.read().await), Trouble::Unreadable { .. }));
    assert_eq!(bench.hand.seen(|seen| seen.transactions), 2);
}

#[tokio::test(start_paused = true)]
async fn another_kind_of_card_is_told_to_the_oldest_once_and_has_to_be_lifted() {
    let bench = bench();
    let mut listener = bench.source.listen();
    let mut oldest = bench.source.wait().unwrap();
    let mut next = bench.source.wait().unwrap();
    bench.hand.put(Chip { found_by_name: false, found_by_id: false, ..Chip::of("1.00") });
    assert_eq!(
        trouble(oldest.answer().await).to_string(),
        "not a social-security card: SELECT answered 6A82"
    );
    assert!(still_waits(LONG, next.answer()).await);
    assert_eq!((bench.count("unreadable"), bench.connects()), (1, 1));
    assert_eq!(bench.state(), State::Ready);
    bench.hand.lift();
    sleep(SECOND).await;
    bench.hand.put(Chip::of("2.00"));
    assert!(next.answer().await.is_ok());
    assert_eq!(listener.next().await.unwrap().full_version, "2.00");
}

#[tokio::test(start_paused = true)]
async fn a_mute_card_is_unreadable_for_the_oldest_waiter() {
    let bench = bench();
    let mut oldest = bench.source.wait().unwrap();
    let mut next = bench.source.wait().unwrap();
    bench.hand.put_mute();
    assert!(matches!(trouble(oldest.answer().await), Trouble::Unreadable { .. }));
    assert!(still_waits(LONG, next.answer()).await);
    assert_eq!(bench.count("unreadable"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_breaks_off_costs_that_card_and_not_the_reader() {
    let bench = bench();
    let mut oldest = bench.source.wait().unwrap();
    let mut next = bench.source.wait().unwrap();
    bench.hand.exchanges(&[Step::Well, Step::Fault(FaultKind::Other)]);
    bench.hand.put(Chip::of("2.00"));
    assert!(matches!(trouble(oldest.answer().await), Trouble::Unreadable { .. }));
    assert!(still_waits(LONG, next.answer()).await);
    assert_eq!((bench.count("unreadable"), bench.connects()), (1, 1));
    assert_eq!(bench.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_silent_in_the_middle_is_the_oldest_waiters_and_says_nothing_of_the_reader()
{
    let bench = bench();
    let mut first = bench.source.wait().unwrap();
    let mut second = bench.source.wait().unwrap();
    bench.hand.exchanges(&[Step::Well, Step::Fault(FaultKind::Silent)]);
    bench.hand.put(Chip::of("2.00"));
    assert!(matches!(trouble(first.answer().await), Trouble::Unreadable { .. }));
    assert!(still_waits(LONG, second.answer()).await);
    assert_eq!(bench.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_another_program_holds_fails_all_who_wait_and_the_next_request_tries_again() {
    for kind in [FaultKind::Occupied, FaultKind::Other] {
        let bench = bench();
        bench.until(State::Ready).await;
        let mut first = bench.source.wait().unwrap();
        let mut second = bench.source.wait().unwrap();
        bench.hand.transacts(&[Step::Fault(kind)]);
        bench.hand.put(Chip::of("2.00"));
        assert!(matches!(trouble(first.answer().await), Trouble::Failed { .. }), "{kind:?}");
        assert!(matches!(trouble(second.answer().await), Trouble::Failed { .. }), "{kind:?}");
        assert_eq!(bench.state(), State::Failed, "{kind:?}");
        // Nobody wants it: nothing is tried.
        sleep(LONG).await;
        assert_eq!(bench.connects(), 1, "{kind:?}");
        assert!(bench.read().await.is_ok(), "{kind:?}");
        assert_eq!(bench.state(), State::Ready, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_card_that_another_program_holds_is_tried_every_two_seconds_for_a_listener() {
    let bench = bench();
    let mut listener = bench.source.listen();
    let occupied = Step::Fault(FaultKind::Occupied);
    bench.hand.connects(&[occupied.clone(), occupied.clone(), occupied]);
    bench.hand.put(Chip::of("2.00"));
    sleep(Duration::from_millis(1900)).await;
    // What is told of the same card does not make it sooner.
    bench.hand.stir();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.connects(), 1);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(bench.connects(), 2);
    assert_eq!(bench.state(), State::Failed);
    // A request does.
    let asked = Instant::now();
    assert!(matches!(trouble(bench.read().await), Trouble::Failed { .. }));
    assert_eq!((bench.connects(), asked.elapsed()), (3, Duration::ZERO));
    assert!(listener.next().await.is_some());
    assert_eq!((bench.connects(), bench.state()), (4, State::Ready));
}

#[tokio::test(start_paused = true)]
async fn trouble_with_a_card_goes_with_it_and_another_one_is_tried_at_once() {
    let bench = bench();
    let mut listener = bench.source.listen();
    bench.hand.connects(&[Step::Fault(FaultKind::Occupied)]);
    bench.hand.put(Chip::of("1.00"));
    bench.until(State::Failed).await;
    bench.hand.lift();
    bench.until(State::Ready).await;
    bench.hand.put(Chip::of("2.00"));
    assert!(!still_waits(SECOND, listener.next()).await);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_not_there_is_looked_for_until_it_is() {
    let bench = bench();
    bench.hand.opens(&[Step::Fault(FaultKind::NoService), Step::Fault(FaultKind::NoReader)]);
    bench.until(State::Absent).await;
    assert!(matches!(trouble(bench.read().await), Trouble::Absent { .. }));
    bench.until(State::Ready).await;
    assert_eq!(bench.hand.seen(|seen| (seen.opened, seen.worth_opening)), (1, 2));
    bench.hand.put(Chip::of("2.00"));
    assert!(bench.read().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_reader_pulled_out_fails_all_who_wait_and_is_used_again_when_it_is_back() {
    let bench = bench();
    bench.until(State::Ready).await;
    let mut waiter = bench.source.wait().unwrap();
    sleep(SECOND).await;
    bench.hand.unplug();
    assert!(matches!(trouble(waiter.answer().await), Trouble::Absent { .. }));
    assert_eq!(bench.state(), State::Absent);
    bench.until(State::Ready).await;
    bench.hand.put(Chip::of("2.00"));
    assert!(bench.read().await.is_ok());
    assert_eq!(bench.count("opened"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_in_the_middle_of_a_reading_fails_all_who_wait() {
    for kind in [FaultKind::NoReader, FaultKind::NoService] {
        let bench = bench();
        let mut first = bench.source.wait().unwrap();
        let mut second = bench.source.wait().unwrap();
        bench.hand.exchanges(&[Step::Well, Step::Fault(kind)]);
        bench.hand.put(Chip::of("2.00"));
        assert!(matches!(trouble(first.answer().await), Trouble::Absent { .. }), "{kind:?}");
        assert!(matches!(trouble(second.answer().await), Trouble::Absent { .. }), "{kind:?}");
        assert_eq!(bench.hand.seen(|seen| seen.worth_opening), 1, "{kind:?}");
        assert!(timeout(LONG, bench.until(State::Ready)).await.is_ok(), "{kind:?}");
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicUsize>,
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        let number = self.spans.fetch_add(1, Ordering::Relaxed) as u64 + 1;
        tracing::span::Id::from_u64(number)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!(" {field}={value:?}");
            }
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_that_lasts_is_logged_once_and_not_at_every_retry() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let bench = bench();
    let _listener = bench.source.listen();
    bench.hand.connects(&[const { Step::Fault(FaultKind::Occupied) }; 10]);
    bench.hand.put(Chip::of("2.00"));
    sleep(Duration::from_secs(15)).await;
    assert!(bench.connects() > 5);
    let lines = log.lines.lock().unwrap();
    assert_eq!(lines.iter().filter(|line| line.starts_with("WARN")).count(), 1, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn the_log_says_once_that_records_need_a_psam_and_nothing_of_a_person() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let bench = bench();
    for _ in 0..3 {
        let chip = Chip::of("3.00").answering(0x09, &[0x69, 0x82]).answering(0x07, &[0x90, 0x00]);
        bench.hand.put(chip);
        let card = bench.read().await.ok().unwrap();
        assert_eq!((card.name.as_str(), card.card_number.as_str()), ("", ""));
        assert_eq!(card.id_number, SPECIMEN);
        bench.hand.lift();
        advance(SECOND).await;
    }
    let lines = log.lines.lock().unwrap();
    assert_eq!(lines.iter().filter(|line| line.contains("PSAM")).count(), 1, "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("INFO") && line.contains("PSAM")));
    for of_a_person in [SPECIMEN, "19491231", "满", "女"] {
        assert!(lines.iter().all(|line| !line.contains(of_a_person)), "{lines:?}");
    }
}
