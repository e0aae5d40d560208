//! Who has a session, since when, and what becomes of the card.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_session_keeps_the_card_powered_between_commands_until_its_owner_is_gone() {
    let bench = Bench::with_card().await;
    bench.slot.power_up(1).await.unwrap();
    bench.world.log();
    for _ in 0..3 {
        sleep(Duration::from_secs(50)).await;
        assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_ok());
        assert_eq!(bench.world.log(), ["begin", "0084000008", "end"]);
    }
    bench.slot.release(1);
    settle().await;
    assert_eq!(bench.world.log(), ["disconnect Unpower"]);
}

#[tokio::test(start_paused = true)]
async fn powering_up_again_begins_afresh_and_asks_for_the_ats_no_more() {
    let bench = Bench::with_card().await;
    let first = bench.slot.power_up(1).await;
    bench.world.log();
    assert_eq!(bench.slot.power_up(1).await, first);
    assert_eq!(bench.world.log(), ["connect Warm"]);
}

#[tokio::test(start_paused = true)]
async fn another_owner_joins_without_a_reset_and_the_last_one_switches_off() {
    let bench = Bench::with_card().await;
    bench.slot.power_up(1).await.unwrap();
    bench.world.log();
    bench.slot.power_up(2).await.unwrap();
    assert!(bench.slot.command(3, COMMAND.to_vec()).await.is_ok());
    // Nor is it reset for one who has a session already.
    bench.slot.power_up(1).await.unwrap();
    assert_eq!(bench.world.log(), ["begin", "0084000008", "end"]);
    bench.slot.release(1);
    bench.slot.release(3);
    settle().await;
    assert!(bench.world.log().is_empty());
    // Alone now.
    bench.slot.power_up(2).await.unwrap();
    bench.slot.release(2);
    settle().await;
    assert_eq!(bench.world.log(), ["connect Warm", "disconnect Unpower"]);
}

#[tokio::test(start_paused = true)]
async fn the_release_of_somebody_without_a_session_changes_nothing() {
    let bench = Bench::with_card().await;
    bench.slot.release(1);
    bench.slot.power_up(2).await.unwrap();
    bench.world.log();
    bench.slot.release(1);
    settle().await;
    assert!(bench.world.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_it_was_not_used_for_its_time() {
    let bench = Bench::with_card().await;
    bench.world.takes(Duration::from_secs(20));
    assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_ok());
    bench.world.log();
    // From the end of the last command.
    sleep(Duration::from_millis(59_999)).await;
    assert!(bench.world.log().is_empty());
    sleep(Duration::from_millis(2)).await;
    assert_eq!(bench.world.log(), ["disconnect Unpower"]);
}

#[tokio::test(start_paused = true)]
async fn the_idle_time_of_each_owner_is_its_own() {
    let bench = Bench::with_card().await;
    bench.slot.power_up(1).await.unwrap();
    sleep(Duration::from_secs(40)).await;
    bench.slot.power_up(2).await.unwrap();
    bench.world.log();
    sleep(Duration::from_secs(30)).await;
    // The first one's has ended: the second is alone, and begins afresh.
    assert!(bench.world.log().is_empty());
    bench.slot.power_up(2).await.unwrap();
    assert_eq!(bench.world.log(), ["connect Warm"]);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(bench.world.log(), ["disconnect Unpower"]);
}

#[tokio::test(start_paused = true)]
async fn without_an_idle_time_a_session_stays() {
    let bench = Bench::new(Settings { session_idle: None, reads_info: true }).await;
    bench.world.put(ATR, well);
    bench.slot.power_up(1).await.unwrap();
    bench.world.log();
    sleep(Duration::from_secs(1_000_000)).await;
    assert!(bench.world.log().is_empty());
    // Nor does a time beyond the clock's end ever come.
    let bench = Bench::new(Settings { session_idle: Some(Duration::MAX), reads_info: true }).await;
    bench.world.put(ATR, well);
    bench.slot.power_up(1).await.unwrap();
    bench.world.log();
    sleep(Duration::from_secs(1_000_000)).await;
    assert!(bench.world.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_request_waits_is_not_idle() {
    let bench = Bench::with_card().await;
    bench.slot.power_up(1).await.unwrap();
    bench.world.log();
    bench.world.takes(Duration::from_secs(29));
    let other = bench.slot.batch(2, vec![COMMAND.to_vec(); 3]);
    bench.slot.release(2);
    let own = bench.slot.command(1, COMMAND.to_vec());
    assert_eq!(other.await.end, BatchEnd::Done);
    assert!(own.await.is_ok());
    let log = bench.world.log();
    assert!(!log.iter().any(|line| line.contains("connect")), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_taken_away_ends_all_sessions() {
    let bench = Bench::with_card().await;
    bench.slot.power_up(1).await.unwrap();
    bench.slot.power_up(2).await.unwrap();
    bench.world.log();
    bench.world.lift();
    settle().await;
    assert_eq!(bench.world.log(), ["disconnect Leave"]);
    assert_eq!(bench.fact("card"), "none");
    bench.world.put(ATR, well);
    settle().await;
    assert_eq!(bench.fact("card"), "present");
    // A new card, which is powered up as at the first time.
    bench.slot.power_up(1).await.unwrap();
    assert_eq!(bench.world.log(), ["connect AsItIs", "begin", GET_ATS, "end"]);
    bench.slot.release(1);
    settle().await;
    assert_eq!(bench.world.log(), ["disconnect Unpower"]);
}

#[tokio::test(start_paused = true)]
async fn a_card_in_the_place_of_another_has_no_sessions() {
    let bench = Bench::with_card().await;
    bench.slot.power_up(1).await.unwrap();
    bench.world.log();
    bench.world.put(ATR, well);
    settle().await;
    assert_eq!(bench.world.log(), ["disconnect Leave"]);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_gone_in_the_middle_ends_all_sessions() {
    for kind in [FaultKind::Removed, FaultKind::NoCard] {
        let bench = Bench::with_card().await;
        bench.slot.power_up(1).await.unwrap();
        bench.slot.power_up(2).await.unwrap();
        bench.world.log();
        bench.world.fail_transact(kind);
        let refused = bench.slot.command(1, COMMAND.to_vec()).await;
        assert_eq!(refused, Err(Refused::Exchange(fault(kind))));
        assert_eq!(bench.world.log(), ["disconnect Leave"]);
        assert!(bench.slot.command(2, COMMAND.to_vec()).await.is_ok());
        assert_eq!(bench.world.log()[0], "connect AsItIs");
        assert_eq!(bench.state(), State::Ready);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cold_reset_leaves_the_sessions_of_others_listed() {
    let bench = Bench::with_card().await;
    bench.slot.power_up(1).await.unwrap();
    bench.slot.cold_reset(2).await.unwrap();
    bench.slot.release(2);
    bench.world.log();
    assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_ok());
    assert_eq!(bench.world.log(), ["begin", "0084000008", "end"]);
}

#[tokio::test(start_paused = true)]
async fn a_reset_by_others_in_the_middle_leaves_the_session() {
    let bench = Bench::with_card().await;
    bench.slot.power_up(1).await.unwrap();
    bench.world.fail_transact(FaultKind::Reset);
    assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_err());
    bench.world.log();
    assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_ok());
    assert_eq!(bench.world.log(), ["begin", "0084000008", "end"]);
    assert_eq!(bench.count("resetMeanwhile"), 1);
}
