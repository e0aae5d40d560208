//! The reader: there, gone, in trouble.

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_reader_is_ready_with_and_without_a_card() {
    let bench = Bench::new(CPU_CARD).await;
    assert_eq!(bench.state(), State::Ready);
    assert_eq!((bench.fact("reader").as_str(), bench.fact("card").as_str()), (READER, "none"));
    bench.world.put(ATR, well);
    settle().await;
    assert_eq!(bench.fact("card"), "present");
    bench.world.put_mute();
    settle().await;
    assert_eq!(bench.fact("card"), "mute");
    assert_eq!(bench.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn an_absent_reader_refuses_at_once_and_is_used_when_it_is_back() {
    for kind in [FaultKind::NoReader, FaultKind::NoService] {
        let bench = Bench::with_card().await;
        bench.world.unplug(kind);
        settle().await;
        assert_eq!(bench.state(), State::Absent);
        assert_eq!(bench.status.snapshot().last_error, Some(format!("{kind:?}")));
        let start = Instant::now();
        assert_eq!(bench.slot.power_up(1).await, Err(powered_up(kind)));
        assert_eq!(bench.slot.command(1, COMMAND.to_vec()).await, Err(powered_up(kind)));
        assert_eq!(bench.slot.cold_reset(1).await, Err(powered_up(kind)));
        let batch = bench.slot.batch(1, Vec::new()).await;
        assert_eq!(batch.end, BatchEnd::Refused(powered_up(kind)));
        bench.slot.release(1);
        assert_eq!(start.elapsed(), Duration::ZERO);
        bench.world.log();
        bench.world.plug();
        settle().await;
        assert_eq!(bench.world.log(), ["open"]);
        assert_eq!(bench.state(), State::Ready);
        assert!(bench.slot.power_up(1).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_looks_for_an_absent_reader_if_the_last_look_was_two_seconds_ago() {
    let bench = Bench::with_card().await;
    bench.world.unplug(FaultKind::NoReader);
    settle().await;
    bench.world.log();
    sleep(Duration::from_millis(1_500)).await;
    assert!(bench.slot.power_up(1).await.is_err());
    assert_eq!(bench.world.log(), [""; 0]);
    sleep(Duration::from_millis(501)).await;
    assert!(bench.slot.power_up(1).await.is_err());
    assert_eq!(bench.world.log(), ["open"]);
    // Neither at once again, nor for somebody who leaves.
    assert!(bench.slot.power_up(1).await.is_err());
    sleep(Duration::from_secs(10)).await;
    bench.slot.release(1);
    settle().await;
    assert_eq!(bench.world.log(), [""; 0]);
    bench.world.plug_silently();
    assert!(bench.slot.power_up(1).await.is_ok());
    assert_eq!(bench.state(), State::Ready);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_learns_that_the_reader_is_gone() {
    let bench = Bench::with_card().await;
    bench.world.put(ATR, |_| Err(fault(FaultKind::NoReader)));
    let under_way = bench.slot.command(1, COMMAND.to_vec());
    let waiting = bench.slot.command(2, COMMAND.to_vec());
    bench.world.unplug(FaultKind::NoReader);
    assert_eq!(waiting.await, Err(powered_up(FaultKind::NoReader)));
    assert!(under_way.await.is_err());
    assert_eq!(bench.state(), State::Absent);
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_says_that_the_reader_is_gone_closes_the_slot() {
    let bench = Bench::with_card().await;
    bench.world.fail_connect(FaultKind::NoService);
    let refused = bench.slot.power_up(1).await;
    assert_eq!(refused, Err(powered_up(FaultKind::NoService)));
    settle().await;
    assert_eq!(bench.state(), State::Absent);
    sleep(Duration::from_secs(2)).await;
    assert!(bench.slot.power_up(1).await.is_ok());
    assert_eq!(bench.world.log()[..2], ["connect AsItIs", "open"]);
}

#[tokio::test(start_paused = true)]
async fn trouble_with_the_reader_is_told_and_over_with_the_next_success() {
    let bench = Bench::with_card().await;
    for (kind, counted) in [
        (FaultKind::Occupied, "occupied"),
        (FaultKind::Silent, "silent"),
        (FaultKind::Other, "otherFaults"),
    ] {
        bench.world.fail_connect(kind);
        assert_eq!(bench.slot.cold_reset(1).await, Err(powered_up(kind)));
        assert_eq!(bench.state(), State::Failed);
        assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_ok());
        assert_eq!(bench.state(), State::Ready);
        bench.world.fail_transact(kind);
        assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_err());
        assert_eq!(bench.state(), State::Failed);
        let batch = bench.slot.batch(1, vec![COMMAND.to_vec()]).await;
        assert_eq!(batch.end, BatchEnd::Done);
        assert_eq!(bench.state(), State::Ready);
        assert_eq!(bench.count(counted), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn after_silence_the_connection_is_made_anew_with_a_reset_for_the_same_session() {
    let bench = Bench::with_card().await;
    bench.slot.power_up(1).await.unwrap();
    bench.world.log();
    bench.world.fail_transact(FaultKind::Silent);
    assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_err());
    assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_ok());
    let log = bench.world.log();
    assert_eq!(log[..3], ["disconnect Leave", "connect Warm", "begin"]);
}

#[tokio::test(start_paused = true)]
async fn what_one_owner_has_opened_is_closed_for_the_next_even_after_a_fault() {
    let bench = Bench::with_card().await;
    bench.slot.power_up(1).await.unwrap();
    bench.world.fail_transact(FaultKind::Silent);
    assert!(bench.slot.command(1, COMMAND.to_vec()).await.is_err());
    bench.slot.release(1);
    bench.world.log();
    assert!(bench.slot.command(2, COMMAND.to_vec()).await.is_ok());
    assert_eq!(bench.world.log()[0], "connect Warm");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_cards_answer_says_nothing_against_the_reader() {
    let bench = Bench::new(CPU_CARD).await;
    bench.world.put(ATR, |_| Ok(vec![0x90]));
    let Err(Refused::Exchange(fault)) = bench.slot.command(1, COMMAND.to_vec()).await else {
        panic!("one byte is no answer");
    };
    assert_eq!(fault.detail, "the card's answer has 1 bytes");
    assert_eq!(bench.state(), State::Ready);
}
