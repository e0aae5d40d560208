//! What is said of a receipt whose printer says no more, or too much, at its end.

use tokio::io::AsyncWriteExt;

use super::*;
use crate::port::Port;
use crate::port::far_end::VirtualDevice;

#[tokio::test(start_paused = true)]
async fn of_a_receipt_that_was_sent_wholly_nobody_knows_when_the_plug_is_pulled() {
    let shop = shop(Model { speed: Some(400), ..Model::default() });
    shop.ready().await;
    let before = shop.hand.bytes();
    assert_eq!(shop.print(1, 100).await, Ok(Ended::Printed));
    let all = shop.hand.bytes() - before;
    let printing = shop.order(2, 100).unwrap();
    while shop.hand.bytes() < before + 2 * all {
        sleep(Duration::from_millis(1)).await;
    }
    // It feeds the paper to its cutter.
    shop.plug.set(false);
    let ended = printing.ended().await;
    assert!(matches!(ended, Err(Refused::NotPrinted(PrintError::Unconfirmed))), "{ended:?}");
    assert_eq!(shop.fates(), [Fate::Printed, Fate::Unknown]);
    assert_eq!(shop.status.facts()["unknownJobs"], "2");
    let absent = shop.order(3, 1);
    assert!(matches!(absent, Err(PrintError::Trouble(Trouble::Absent { .. }))));
    shop.plug.set(true);
    shop.ready().await;
    assert_eq!(shop.print(4, 100).await, Ok(Ended::Printed));
    assert_eq!(shop.found(4, 100), (1, 100));
}

#[tokio::test(start_paused = true)]
async fn nor_when_the_printer_stands_still_at_its_cut() {
    let shop = shop(Model { speed: Some(400), ..Model::default() });
    shop.ready().await;
    let before = shop.hand.bytes();
    assert_eq!(shop.print(1, 100).await, Ok(Ended::Printed));
    let all = shop.hand.bytes() - before;
    let printing = shop.order(2, 100).unwrap();
    while shop.hand.bytes() < before + 2 * all {
        sleep(Duration::from_millis(1)).await;
    }
    shop.hand.fault(Fault::Silence);
    let ended = printing.ended().await;
    assert!(matches!(ended, Err(Refused::NotPrinted(PrintError::Unconfirmed))), "{ended:?}");
    assert_eq!((shop.found(2, 100), shop.fates()[1]), ((1, 100), Fate::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_is_confirmed_is_printed_though_its_paper_has_ended_with_it() {
    // The answer itself says so; or the status that came just before.
    for said in [&[0x0F][..], &[0x18, 0, 0x0F, 0x0F, 0x0F]] {
        let (mut port, mut end) = memory_port("the test's printer");
        let line = port.open(9600).await.unwrap();
        let mut far = end.next_line().await.unwrap();
        let (_, jobs) = queue(Status::new("printer", State::Busy), Journal::in_memory());
        let settings =
            Settings { baud: 9600, profile: profile(), row_bytes: ROW_BYTES, status: true };
        let driver = EscposPrinter::new(settings, jobs);
        let mut talk = Talk::new(line);
        talk.mark(100);
        far.write_all(said).await.unwrap();
        let waited = driver.wait(&mut talk, &Run::new(LIMIT, 100, true)).await;
        assert_eq!((waited, talk.confirmed_rows()), (Ok(()), 100));
        assert_eq!(talk.condition().obstacle(), Some(Obstacle::PaperOut));
    }
}

#[tokio::test(start_paused = true)]
async fn a_printer_without_gs_r_in_the_place_of_one_with_it_is_found_out() {
    let (port, mut end) = memory_port("the test's printer");
    let (mut first, hand) = VirtualPrinter::new(Model::default());
    let (mut second, other) = VirtualPrinter::new(Model { confirms: false, ..Model::default() });
    let plug = end.plug().clone();
    tokio::spawn(async move {
        let line = end.next_line().await.unwrap();
        first.serve(line).await;
        let line = end.next_line().await.unwrap();
        second.serve(line).await;
    });
    let status = Status::new("printer", State::Busy);
    let (printer, jobs) = queue(status.clone(), Journal::in_memory());
    let settings = Settings { baud: 9600, profile: profile(), row_bytes: ROW_BYTES, status: true };
    let driver = EscposPrinter::new(settings, jobs);
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    let shop = Shop { printer, hand, plug, status };
    assert_eq!(shop.print(1, 100).await, Ok(Ended::Printed));
    sleep(Duration::from_secs(90)).await;
    shop.hand.hang_up();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(shop.print(2, 1000).await, Ok(Ended::Sent));
    assert_eq!(shop.status.cannot(), [CANNOT_CONFIRM]);
    assert_eq!(other.sheets().iter().filter(|sheet| holds(sheet, 2, 1000)).count(), 1);
}
