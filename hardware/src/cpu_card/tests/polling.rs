//! Cards that are read because somebody polls.

use tokio::sync::watch;
use tokio::time::Instant;

use super::*;

fn now(seen: &mut watch::Receiver<Seen>) -> Seen {
    seen.borrow_and_update().clone()
}

fn card(number: u64) -> Seen {
    let info = CardInfo { bytes: ATS.to_vec(), origin: Origin::Ats };
    Seen::Card { number, info: Arc::new(info) }
}

const ONE_READING: [&str; 5] = ["connect AsItIs", "begin", GET_ATS, "end", "disconnect Leave"];

#[tokio::test(start_paused = true)]
async fn without_a_poll_nothing_is_read_and_nothing_sent() {
    let bench = Bench::with_card().await;
    bench.world.lift();
    settle().await;
    bench.world.put(ATR, well);
    sleep(Duration::from_secs(3_600)).await;
    assert!(bench.world.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_card_that_is_put_in_is_read_once_and_at_once() {
    let bench = Bench::new(CPU_CARD).await;
    let poll = bench.slot.poll();
    let mut seen = poll.seen();
    settle().await;
    assert_eq!(now(&mut seen), Seen::Nothing);
    for number in 1..3 {
        let start = Instant::now();
        bench.world.put(ATR, well);
        seen.changed().await.unwrap();
        assert_eq!(now(&mut seen), card(number));
        // The exchange for the ATS takes 5 ms here, and nothing else takes any time.
        assert_eq!(start.elapsed(), Duration::from_millis(5));
        assert_eq!(bench.world.log(), ONE_READING);
        sleep(Duration::from_secs(3_600)).await;
        assert!(bench.world.log().is_empty());
        bench.world.lift();
        seen.changed().await.unwrap();
        assert_eq!(now(&mut seen), Seen::Nothing);
    }
    assert!(bench.world.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_card_that_lies_there_is_read_when_somebody_begins_to_poll() {
    let bench = Bench::with_card().await;
    let first = bench.slot.poll();
    let mut seen = first.seen();
    seen.changed().await.unwrap();
    settle().await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(now(&mut seen), card(1));
    assert_eq!(bench.world.log(), ONE_READING);
    // Once for all polls, together or one after the other.
    let second = bench.slot.poll();
    drop(first);
    drop(second);
    let third = bench.slot.poll();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(now(&mut third.seen()), card(1));
    assert!(bench.world.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_any_poll_lives_cards_are_read_and_after_the_last_none() {
    let bench = Bench::new(CPU_CARD).await;
    let first = bench.slot.poll();
    let second = bench.slot.poll();
    drop(first);
    bench.world.put(ATR, well);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.world.log(), ONE_READING);
    drop(second);
    bench.world.put(ATR, well);
    sleep(Duration::from_secs(1)).await;
    assert!(bench.world.log().is_empty());
    // What is not read is not told either.
    assert_eq!(now(&mut bench.slot.poll().seen()), Seen::Nothing);
}

#[tokio::test(start_paused = true)]
async fn polling_does_not_power_down_a_card_that_has_a_session() {
    let bench = Bench::with_card().await;
    assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_ok());
    bench.world.log();
    let poll = bench.slot.poll();
    settle().await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(now(&mut poll.seen()), card(1));
    assert_eq!(bench.world.log(), ["begin", GET_ATS, "end"]);
    assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_ok());
    assert_eq!(bench.world.log(), ["begin", "0084000008", "end"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_once_for_a_request_is_what_polling_sees() {
    let bench = Bench::with_card().await;
    let info = bench.slot.power_up(1).await.unwrap();
    bench.slot.release(1);
    settle().await;
    bench.world.log();
    let poll = bench.slot.poll();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(now(&mut poll.seen()), Seen::Card { number: 1, info: Arc::new(info) });
    assert!(bench.world.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_mute_card_is_unreadable_and_nothing_is_tried() {
    let bench = Bench::new(CPU_CARD).await;
    let poll = bench.slot.poll();
    bench.world.put_mute();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(now(&mut poll.seen()), Seen::Unreadable { number: 1 });
    assert_eq!(bench.fact("card"), "mute");
    assert!(bench.world.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_card_that_does_not_power_up_is_unreadable_and_tried_once() {
    let bench = Bench::new(CPU_CARD).await;
    let poll = bench.slot.poll();
    settle().await;
    bench.world.fail_connect(FaultKind::Mute);
    bench.world.put(ATR, well);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(now(&mut poll.seen()), Seen::Unreadable { number: 1 });
    assert_eq!(bench.world.log(), ["connect AsItIs"]);
    // A request may have more luck.
    bench.slot.power_up(1).await.unwrap();
    settle().await;
    assert_eq!(now(&mut poll.seen()), card(1));
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_silent_at_first_is_asked_again() {
    let bench = Bench::new(CPU_CARD).await;
    let poll = bench.slot.poll();
    settle().await;
    let mut silent = true;
    bench.world.put(ATR, move |command| {
        if std::mem::take(&mut silent) {
            return Err(CardFault::new(FaultKind::Silent, "lost"));
        }
        well(command)
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(now(&mut poll.seen()), card(1));
    let log = bench.world.log();
    let connects: Vec<_> = log.iter().filter(|one| one.starts_with("connect")).collect();
    assert_eq!(connects, ["connect AsItIs", "connect Warm"]);
    assert_eq!(bench.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_card_whose_connection_fails_is_tried_again_every_two_seconds() {
    for kind in [FaultKind::Silent, FaultKind::Other] {
        let bench = Bench::new(CPU_CARD).await;
        let poll = bench.slot.poll();
        settle().await;
        bench.world.fail_connect(kind);
        bench.world.put(ATR, well);
        settle().await;
        assert_eq!(now(&mut poll.seen()), Seen::Unreadable { number: 1 });
        sleep(Duration::from_millis(2_100)).await;
        assert_eq!(now(&mut poll.seen()), card(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_card_that_another_program_holds_is_tried_again_every_two_seconds() {
    let bench = Bench::new(CPU_CARD).await;
    let poll = bench.slot.poll();
    settle().await;
    bench.world.fail_connect(FaultKind::Occupied);
    bench.world.fail_connect(FaultKind::Occupied);
    bench.world.put(ATR, well);
    settle().await;
    assert_eq!(now(&mut poll.seen()), Seen::Unreadable { number: 1 });
    assert_eq!(bench.state(), State::Failed);
    sleep(Duration::from_millis(2_000)).await;
    assert_eq!(bench.world.log(), ["connect AsItIs"; 2]);
    sleep(Duration::from_millis(2_100)).await;
    assert_eq!(now(&mut poll.seen()), card(1));
    assert_eq!(bench.world.log(), ONE_READING);
    assert_eq!(bench.state(), State::Ready);
    // And not while nobody polls.
    bench.world.fail_connect(FaultKind::Occupied);
    bench.world.put(ATR, well);
    settle().await;
    drop(poll);
    bench.world.log();
    sleep(Duration::from_secs(60)).await;
    assert!(bench.world.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_gone_before_it_was_read_is_not_told() {
    let bench = Bench::new(CPU_CARD).await;
    let poll = bench.slot.poll();
    let mut seen = poll.seen();
    settle().await;
    now(&mut seen);
    bench.world.put(ATR, |_| Err(fault(FaultKind::Removed)));
    sleep(Duration::from_secs(1)).await;
    assert!(!seen.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_is_told_and_used_when_it_is_back() {
    let bench = Bench::with_card().await;
    let poll = bench.slot.poll();
    let mut seen = poll.seen();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(now(&mut seen), card(1));
    bench.world.unplug(FaultKind::NoReader);
    seen.changed().await.unwrap();
    assert_eq!(now(&mut seen), Seen::Unusable);
    bench.world.log();
    bench.world.plug();
    seen.changed().await.unwrap();
    // Another slot: its card is read anew.
    assert_eq!(now(&mut seen), card(1));
    assert_eq!(bench.world.log()[1..], ONE_READING);
}
