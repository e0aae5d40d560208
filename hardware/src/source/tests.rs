//! The queue, the listeners and the demand of a source.

use super::*;

fn absent() -> Trouble {
    Trouble::Absent { detail: "unplugged".to_owned() }
}

#[tokio::test]
async fn a_reading_answers_the_oldest_waiter_only_and_every_listener() {
    let source = Source::new();
    let mut first = source.wait().unwrap();
    let mut second = source.wait().unwrap();
    let mut listener = source.listen();
    assert_eq!((first.stage(), second.stage()), (Stage::Waiting, Stage::Queued));

    assert!(source.offer(7));
    assert_eq!(*first.answer().await.unwrap(), 7);
    assert_eq!(*listener.next().await.unwrap(), 7);
    assert_eq!(second.stage(), Stage::Waiting);

    assert!(source.offer(8));
    assert_eq!(*second.answer().await.unwrap(), 8);
    assert_eq!(*listener.next().await.unwrap(), 8);
}

#[tokio::test]
async fn one_who_takes_anothers_place_does_not_lose_it_to_those_behind() {
    let source: Source<u8> = Source::new();
    let first = source.wait().unwrap();
    let behind = source.wait().unwrap();
    let heir = source.wait_in_place_of(Some(first.number())).unwrap();
    drop(first);
    assert_eq!((heir.stage(), behind.stage()), (Stage::Waiting, Stage::Queued));
}

#[tokio::test]
async fn a_reading_that_nobody_wants_is_dropped_not_kept() {
    let source = Source::new();
    assert!(!source.offer(1));
    let mut later = source.wait().unwrap();
    assert!(source.offer(2));
    assert_eq!(*later.answer().await.unwrap(), 2);
}

#[tokio::test]
async fn a_reading_whose_callers_have_all_left_is_discarded_even_if_another_comes() {
    let source = Source::new();
    let leaver = source.wait().unwrap();
    let reading = source.begin();
    drop(leaver);
    let comer = source.wait().unwrap();
    assert!(!reading.deliver(1));
    assert_eq!(comer.stage(), Stage::Waiting);
}

#[tokio::test]
async fn a_reading_goes_to_the_next_in_the_queue_when_the_oldest_leaves_during_it() {
    let source = Source::new();
    let leaver = source.wait().unwrap();
    let mut next = source.wait().unwrap();
    let reading = source.begin();
    assert_eq!((leaver.stage(), next.stage()), (Stage::Reading, Stage::Queued));
    drop(leaver);
    assert_eq!(next.stage(), Stage::Reading);
    assert!(reading.deliver(5));
    assert_eq!(*next.answer().await.unwrap(), 5);
}

#[tokio::test]
async fn a_reading_without_result_puts_the_oldest_back_to_waiting() {
    let source: Source<u8> = Source::new();
    let waiter = source.wait().unwrap();
    let reading = source.begin();
    assert_eq!(waiter.stage(), Stage::Reading);
    drop(reading);
    assert_eq!(waiter.stage(), Stage::Waiting);
}

#[tokio::test]
async fn demand_follows_waiters_and_listeners_and_counts_requests() {
    let source: Source<u8> = Source::new();
    let demand = source.demand();
    let seen = || *demand.borrow();
    assert_eq!(seen(), Demand { wanted: false, requests: 0 });
    let waiter = source.wait().unwrap();
    assert_eq!(seen(), Demand { wanted: true, requests: 1 });
    let listener = source.listen();
    drop(waiter);
    assert_eq!(seen(), Demand { wanted: true, requests: 1 });
    drop(listener);
    assert_eq!(seen(), Demand { wanted: false, requests: 1 });
}

#[tokio::test]
async fn trouble_answers_all_who_wait_and_those_who_come_until_it_is_over() {
    let source: Source<u8> = Source::new();
    let mut waiter = source.wait().unwrap();
    source.fail_all(&absent());
    assert_eq!(waiter.answer().await.unwrap_err(), absent());
    assert_eq!(source.wait().err(), Some(absent()));
    source.recover();
    assert!(source.wait().is_ok());
}

#[tokio::test]
async fn a_failed_reading_tells_the_oldest_waiter_only() {
    let source: Source<u8> = Source::new();
    let mut first = source.wait().unwrap();
    let second = source.wait().unwrap();
    source.begin().fail(&Trouble::Unreadable { detail: "status 33".to_owned() });
    assert!(matches!(first.answer().await, Err(Trouble::Unreadable { .. })));
    assert_eq!(second.stage(), Stage::Waiting);
}
