//! Troubles in the middle of a receipt.

use super::*;

#[tokio::test(start_paused = true)]
async fn paper_that_ends_at_any_band_is_told_with_how_far_it_came() {
    for tells in [true, false] {
        for paper in (1..=1020).step_by(24) {
            let shop = shop(Model { tells, speed: Some(1200), ..Model::default() });
            shop.ready().await;
            shop.hand.put_paper(paper);
            let (what, progress) = obstacle(shop.print(1, 1000).await);
            assert_eq!(what, Obstacle::PaperOut, "{paper}");
            assert!(progress.rows <= paper && progress.of == 1000, "{paper}: {progress:?}");
            // Of the band in which it ended nothing is told.
            assert!(progress.rows + 24 >= paper.min(1000), "{paper}: {progress:?}");
            assert_eq!(shop.fates(), [Fate::Failed]);

            // With new paper the rest of it may come out; the next begins on paper of its own.
            shop.hand.mend();
            shop.ready().await;
            assert_eq!(shop.print(2, 100).await, Ok(Ended::Printed), "{paper}");
            let (copies, rows) = shop.found(1, 1000);
            assert!(copies <= 1 && rows <= 1000, "{paper}: {rows} rows");
            assert_eq!(shop.found(2, 100), (1, 100), "{paper}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cover_that_is_opened_at_any_band_is_told_with_how_far_it_came() {
    for tells in [true, false] {
        for band in (0..42).step_by(3) {
            let shop = shop(Model { tells, speed: Some(1200), ..Model::default() });
            shop.ready().await;
            let printing = shop.order(1, 1000).unwrap();
            // A band takes 20 ms.
            sleep(Duration::from_millis(20 * band + 10)).await;
            shop.hand.fault(Fault::CoverOpen);
            let Err(Refused::NotPrinted(error)) = printing.ended().await else {
                panic!("printed with an open cover: {band}");
            };
            let (what, progress) = obstacle(Err(error));
            assert_eq!(what, Obstacle::CoverOpen, "{band}");
            assert!(progress.rows <= 24 * (band as u32 + 2), "{band}: {progress:?}");
            assert_eq!(shop.fates(), [Fate::Failed]);
            shop.hand.mend();
            shop.ready().await;
            assert_eq!(shop.print(2, 100).await, Ok(Ended::Printed), "{band}");
            assert!(shop.found(1, 1000).0 <= 1);
            assert_eq!(shop.found(2, 100), (1, 100), "{band}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn little_of_a_receipt_is_in_the_printer_when_its_paper_ends() {
    let shop = shop(Model { speed: Some(1200), buffer: 1 << 20, ..Model::default() });
    shop.ready().await;
    shop.hand.put_paper(500);
    obstacle(shop.print(1, 10_000).await);
    shop.hand.mend();
    sleep(Duration::from_secs(60)).await;
    let (_, rows) = shop.found(1, 10_000);
    assert!((500..=500 + 2 * 24).contains(&rows), "{rows} rows");
}

#[tokio::test(start_paused = true)]
async fn a_cutter_that_gets_stuck_is_told_when_all_is_on_paper() {
    let shop = shop(Model::default());
    shop.ready().await;
    shop.hand.fault(Fault::Cutter);
    let (what, progress) = obstacle(shop.print(1, 100).await);
    assert_eq!(what, Obstacle::Cutter);
    assert_eq!(progress, Progress { rows: 100, of: 100, confirmed: true, begun: true });
}
