//! The driver before the virtual printer, on the paused clock.

mod doubt;
mod farewell;
mod midway;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::super::Progress;
use super::super::escpos::{Cut, Job, encode};
use super::super::journal::{Fate, Journal};
use super::super::layout::Band;
use super::super::queue::{Printer, Refused, queue};
use super::super::status::Obstacle;
use super::super::virtual_printer::paper::Sheet;
use super::super::virtual_printer::{Fault, Model, PrinterHand, VirtualPrinter};
use super::*;
use crate::device;
use crate::port::far_end::{self, FarEnd, Plug};
use crate::port::memory::memory_port;

const ROW_BYTES: usize = 48;

const LIMIT: Option<Duration> = Some(Duration::from_secs(60));

struct Shop {
    printer: Printer,
    hand: PrinterHand,
    plug: Plug,
    status: Status,
}

fn profile() -> Profile {
    Profile { band_rows: 24, feeds_white: false, cut: Cut::Partial, feed_dots: 16 }
}

fn shop(model: Model) -> Shop {
    shop_with(model, Journal::in_memory(), true)
}

fn shop_with(model: Model, journal: Journal, asks: bool) -> Shop {
    let (port, end) = memory_port("the test's printer");
    let plug = end.plug().clone();
    let (device, hand) = VirtualPrinter::new(model);
    tokio::spawn(far_end::run(end, device));
    let status = Status::new("printer", State::Busy);
    let (printer, jobs) = queue(status.clone(), journal);
    let settings = Settings { baud: 9600, profile: profile(), row_bytes: ROW_BYTES, status: asks };
    let driver = EscposPrinter::new(settings, jobs);
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    Shop { printer, hand, plug, status }
}

/// The dots of receipt `number`: all rows differ, and those of different receipts do, too.
fn dots(number: u32, rows: u32) -> Vec<u8> {
    // No byte of these is the beginning of a real-time command.
    let nibbles = |value: u32| (0..4).map(move |at| 0xA0 | (value >> (at * 4) & 15) as u8);
    let row = |row: u32| {
        let mut dots = [0u8; ROW_BYTES];
        for (dot, byte) in dots.iter_mut().zip(nibbles(number).chain(nibbles(row))) {
            *dot = byte;
        }
        dots
    };
    (0..rows).flat_map(row).collect()
}

fn job(number: u32, rows: u32) -> Job {
    let bits = dots(number, rows);
    let bands = bits.chunks(ROW_BYTES * 100).map(|bits| Band {
        rows: u16::try_from(bits.len() / ROW_BYTES).unwrap(),
        width_bytes: ROW_BYTES,
        bits: bits.to_vec(),
    });
    encode(bands, &profile())
}

impl Shop {
    fn order(&self, number: u32, rows: u32) -> Result<super::super::Printing<()>, PrintError> {
        self.printer.print(format!("\"{number}\""), 0, LIMIT, move || Ok(job(number, rows)))
    }

    async fn print(&self, number: u32, rows: u32) -> Result<Ended, PrintError> {
        match self.order(number, rows)?.ended().await {
            Ok(ended) => Ok(ended),
            Err(Refused::NotPrinted(error)) => Err(error),
            Err(Refused::Wrong(())) => panic!("nothing is wrong with it"),
        }
    }

    async fn ready(&self) {
        self.state(State::Ready).await;
    }

    async fn state(&self, state: State) {
        let mut changes = self.status.changes();
        let reached = changes.wait_for(|now| now.state == state);
        timeout(Duration::from_secs(300), reached).await.expect("in time").unwrap();
    }

    fn fates(&self) -> Vec<Fate> {
        self.printer.jobs().iter().map(|job| job.fate).collect()
    }

    /// How many whole copies of a receipt are on paper, and how many rows there are of it.
    fn found(&self, number: u32, rows: u32) -> (usize, usize) {
        let sheets = self.hand.sheets();
        (sheets.iter().filter(|sheet| holds(sheet, number, rows)).count(), total(&sheets, number))
    }
}

/// Whether the paper begins with the whole receipt.
fn holds(sheet: &Sheet, number: u32, rows: u32) -> bool {
    sheet.dots.starts_with(&dots(number, rows)) && sheet.printed_rows() == rows as usize
}

/// Rows of a receipt on all paper.
fn total(sheets: &[Sheet], number: u32) -> usize {
    let known: std::collections::HashSet<Vec<u8>> =
        dots(number, 24_000).chunks(ROW_BYTES).map(<[u8]>::to_vec).collect();
    let rows =
        |sheet: &Sheet| sheet.dots.chunks(ROW_BYTES).filter(|row| known.contains(*row)).count();
    sheets.iter().map(rows).sum()
}

fn obstacle(result: Result<Ended, PrintError>) -> (Obstacle, Progress) {
    match result {
        Err(PrintError::Obstacle { what, progress }) => (what, progress),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_comes_out_as_it_was_laid_out_and_is_cut_off() {
    let shop = shop(Model::default());
    assert_eq!(shop.print(1, 1000).await, Ok(Ended::Printed));
    assert_eq!(shop.print(2, 3).await, Ok(Ended::Printed));
    assert_eq!((shop.found(1, 1000).0, shop.found(2, 3).0), (1, 1));
    assert_eq!((shop.hand.cuts(), shop.hand.sheets().len()), (2, 2));
    assert_eq!((shop.hand.drawer_pulses(), shop.hand.unknown_commands()), (0, 0));
    assert_eq!(shop.fates(), [Fate::Printed, Fate::Printed]);
    assert!(shop.status.cannot().is_empty());
    assert_eq!(shop.status.snapshot().state, State::Ready);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_into_a_printer_that_cannot_print_and_each_trouble_has_its_name() {
    let troubles = [
        (Fault::PaperOut, Obstacle::PaperOut),
        (Fault::CoverOpen, Obstacle::CoverOpen),
        (Fault::Offline, Obstacle::Offline),
        (Fault::Hot, Obstacle::Overheated),
        (Fault::Broken, Obstacle::Broken),
    ];
    for tells in [true, false] {
        for (fault, what) in troubles {
            let shop = shop(Model { tells, ..Model::default() });
            shop.ready().await;
            shop.hand.fault(fault);
            let before = shop.hand.bytes();
            let began = Instant::now();
            let result = shop.print(1, 100).await;
            assert_eq!(
                obstacle(result),
                (what, Progress { rows: 0, of: 100, confirmed: true, begun: false })
            );
            assert!(began.elapsed() < Duration::from_secs(1));
            // Four inquiries, and nothing else.
            assert_eq!(shop.hand.bytes() - before, 12, "{fault:?}");
            shop.state(State::Failed).await;
            shop.hand.mend();
            shop.ready().await;
            assert_eq!(shop.print(2, 100).await, Ok(Ended::Printed));
            assert_eq!((shop.found(1, 100).1, shop.found(2, 100)), (0, (1, 100)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn near_the_end_of_its_paper_it_prints_and_says_so() {
    let shop = shop(Model::default());
    shop.hand.fault(Fault::NearEnd);
    assert_eq!(shop.print(1, 100).await, Ok(Ended::Printed));
    assert_eq!(shop.status.facts()["paper"], "near its end");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_cools_down_goes_on_and_one_that_does_not_is_told() {
    let shop = shop(Model { speed: Some(400), ..Model::default() });
    shop.ready().await;
    for (cools_after, well) in [(5, true), (120, false)] {
        let printing = shop.order(1, 2000).unwrap();
        sleep(Duration::from_secs(2)).await;
        shop.hand.fault(Fault::Hot);
        let hand = shop.hand.clone();
        tokio::spawn(async move {
            sleep(Duration::from_secs(cools_after)).await;
            hand.mend();
        });
        match printing.ended().await {
            Ok(Ended::Printed) => assert!(well),
            Err(Refused::NotPrinted(PrintError::Obstacle {
                what: Obstacle::Overheated, ..
            })) => {
                assert!(!well);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_printer_that_stands_still_for_a_while_goes_on_and_for_too_long_has_failed() {
    for tells in [true, false] {
        for (still, well) in [(55, true), (90, false)] {
            let shop = shop(Model { tells, ..Model::default() });
            shop.ready().await;
            shop.hand.fault(Fault::StopsReading);
            let hand = shop.hand.clone();
            tokio::spawn(async move {
                sleep(Duration::from_secs(still)).await;
                hand.mend();
            });
            let began = Instant::now();
            let printed = shop.print(1, 3000).await;
            if well {
                assert_eq!(printed, Ok(Ended::Printed));
                assert_eq!(shop.found(1, 3000), (1, 3000));
            } else {
                // Its inquiries were not answered, and nothing else was sent.
                let silent = matches!(&printed, Err(PrintError::Trouble(Trouble::Failed { .. })));
                assert!(silent, "{printed:?}");
                assert_eq!(began.elapsed().as_secs(), 60);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_stops_in_the_middle_for_a_minute_has_failed_with_how_far_it_came() {
    for (still, well) in [(50, true), (70, false)] {
        let shop = shop(Model { speed: Some(1200), ..Model::default() });
        shop.ready().await;
        let printing = shop.order(1, 6000).unwrap();
        sleep(Duration::from_secs(2)).await;
        shop.hand.fault(Fault::StopsReading);
        let hand = shop.hand.clone();
        tokio::spawn(async move {
            sleep(Duration::from_secs(still)).await;
            hand.mend();
        });
        match printing.ended().await {
            Ok(Ended::Printed) => {
                assert!(well);
                assert_eq!(shop.found(1, 6000), (1, 6000));
            }
            Err(Refused::NotPrinted(PrintError::Stalled { progress, .. })) => {
                assert!(!well && progress.rows > 1000 && progress.rows < 6000, "{progress}");
                sleep(Duration::from_secs(20)).await;
                shop.ready().await;
                assert_eq!(shop.print(2, 100).await, Ok(Ended::Printed));
                assert_eq!(shop.found(2, 100), (1, 100));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_plug_that_is_pulled_ends_the_receipt_and_those_that_wait_with_the_reason() {
    let shop = shop(Model { speed: Some(1200), ..Model::default() });
    shop.ready().await;
    let first = shop.order(1, 6000).unwrap();
    let second = shop.order(2, 100).unwrap();
    sleep(Duration::from_secs(2)).await;
    shop.plug.set(false);
    match first.ended().await {
        Err(Refused::NotPrinted(PrintError::Gone { progress, .. })) => {
            assert!(progress.rows > 1000);
        }
        other => panic!("{other:?}"),
    }
    let lost = second.ended().await;
    assert!(matches!(lost, Err(Refused::NotPrinted(PrintError::Trouble(Trouble::Absent { .. })))));
    assert!(matches!(shop.order(3, 1), Err(PrintError::Trouble(Trouble::Absent { .. }))));
    shop.plug.set(true);
    shop.ready().await;
    assert_eq!(shop.print(4, 100).await, Ok(Ended::Printed));
    assert_eq!((shop.found(2, 100).1, shop.found(4, 100)), (0, (1, 100)));
    // The rest of the band that it waited for is white, and the torn receipt is cut off.
    assert!(shop.found(1, 6000).1 < 6000);
    assert_eq!(shop.fates(), [Fate::Failed, Fate::Failed, Fate::Printed]);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_closed_because_it_was_idle_is_opened_again_and_no_trouble() {
    let shop = shop(Model::default());
    assert_eq!(shop.print(1, 100).await, Ok(Ended::Printed));
    sleep(Duration::from_secs(90)).await;
    shop.hand.hang_up();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(shop.print(2, 100).await, Ok(Ended::Printed));
    assert_eq!(shop.status.snapshot().last_error, None);
    assert_eq!(shop.status.counters()["opened"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_printer_without_gs_r_is_known_to_be_unable_to_confirm() {
    for tells in [true, false] {
        let shop = shop(Model { confirms: false, tells, ..Model::default() });
        assert_eq!(shop.print(1, 1000).await, Ok(Ended::Sent));
        assert_eq!(shop.status.cannot(), [CANNOT_CONFIRM]);
        assert_eq!(shop.fates(), [Fate::Sent]);
        shop.hand.put_paper(500);
        match shop.print(2, 1000).await {
            Err(PrintError::Obstacle { what: Obstacle::PaperOut, progress }) => {
                assert!(tells && !progress.confirmed && progress.of == 1000);
            }
            // Its buffer is full: no question reaches it any more. The line has taken all.
            Err(PrintError::Unconfirmed) => assert!(!tells),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_gs_r_a_slow_printer_has_its_time_to_run_out_of_paper() {
    let model = Model {
        confirms: false,
        tells: false,
        speed: Some(500),
        buffer: 1 << 20,
        ..Model::default()
    };
    let shop = shop(model);
    shop.ready().await;
    shop.hand.put_paper(900);
    let (what, _) = obstacle(shop.print(1, 1000).await);
    assert_eq!(what, Obstacle::PaperOut);
}

#[tokio::test(start_paused = true)]
async fn a_printer_that_never_answers_is_asked_for_nothing_where_that_is_configured() {
    let model = Model { answers: false, confirms: false, tells: false, ..Model::default() };
    let silent = shop(model);
    silent.state(State::Failed).await;
    let error = silent.status.snapshot().last_error.unwrap();
    assert!(error.contains("status = false"), "{error}");
    let shop = shop_with(model, Journal::in_memory(), false);
    assert_eq!(shop.print(1, 1000).await, Ok(Ended::Sent));
    assert_eq!(shop.found(1, 1000), (1, 1000));
    assert_eq!(shop.status.cannot(), [CANNOT_TELL]);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_receipts_of_twenty_clients_come_out_once_each_and_in_order_or_are_refused() {
    let shop = std::sync::Arc::new(shop(Model { speed: Some(1200), ..Model::default() }));
    shop.ready().await;
    let clients = (0..20).map(|client| {
        let shop = std::sync::Arc::clone(&shop);
        tokio::spawn(async move {
            let orders: Vec<_> =
                (0..10).map(|n| (client * 10 + n, shop.order(client * 10 + n, 50))).collect();
            let mut ends = Vec::new();
            for (number, order) in orders {
                ends.push((
                    number,
                    match order {
                        Ok(printing) => printing.ended().await.is_ok(),
                        Err(PrintError::Full) => false,
                        Err(other) => panic!("{other}"),
                    },
                ));
            }
            ends
        })
    });
    let mut printed = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        printed.extend(client.await.unwrap());
    }
    assert_eq!(printed.len(), 200);
    for (number, well) in &printed {
        assert_eq!(shop.found(*number, 50), (usize::from(*well), if *well { 50 } else { 0 }));
    }
    let well = printed.iter().filter(|(_, well)| *well).count();
    assert!((64..=66).contains(&well), "{well}");
    let on_paper: Vec<u32> = shop
        .hand
        .sheets()
        .iter()
        .map(|sheet| (0..200).find(|number| holds(sheet, *number, 50)).unwrap())
        .collect();
    let mut in_order = on_paper.clone();
    in_order.sort_unstable();
    assert_eq!(on_paper, in_order);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_whose_client_has_gone_is_printed() {
    let shop = shop(Model::default());
    shop.ready().await;
    drop(shop.order(1, 100).unwrap());
    sleep(Duration::from_secs(5)).await;
    assert_eq!((shop.found(1, 100), shop.fates()), ((1, 100), vec![Fate::Printed]));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_cannot_be_laid_out_is_no_job_and_holds_nobody_up() {
    let shop = shop(Model::default());
    shop.ready().await;
    let wrong = shop.printer.print(String::new(), 0, LIMIT, || Err("wrong")).unwrap();
    let right = shop.order(1, 100).unwrap();
    assert!(matches!(wrong.ended().await, Err(Refused::Wrong("wrong"))));
    assert!(right.ended().await.is_ok());
    assert_eq!(shop.fates(), [Fate::Printed]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let shop = shop_with(Model::default(), Journal::open(&file), true);
    shop.ready().await;
    let before = shop.hand.bytes();
    assert!(matches!(shop.print(1, 100).await, Err(PrintError::Journal(_))));
    assert_eq!((shop.hand.bytes(), shop.hand.sheets().len()), (before, 0));
}

#[tokio::test(start_paused = true)]
async fn after_a_kill_in_the_middle_of_a_band_the_next_receipt_is_whole_and_the_torn_one_stays_torn()
 {
    let folder = tempfile::tempdir().unwrap();
    let (port, end) = memory_port("the test's printer");
    let (device, hand) = VirtualPrinter::new(Model { speed: Some(1200), ..Model::default() });
    tokio::spawn(far_end::run(end, device));
    let mut ports = Some(port);
    let mut life = |asks: bool| {
        let status = Status::new("printer", State::Busy);
        let (printer, jobs) = queue(status.clone(), Journal::open(folder.path()));
        let settings =
            Settings { baud: 9600, profile: profile(), row_bytes: ROW_BYTES, status: asks };
        let port = ports.clone().unwrap_or_else(|| unreachable!());
        ports = Some(port.clone());
        let driver = EscposPrinter::new(settings, jobs);
        let task = tokio::spawn(device::run(Box::new(port), driver, status.clone()));
        (printer, status, task)
    };
    for round in 0..8 {
        let number = round * 2 + 1;
        let (printer, _status, task) = life(true);
        let first = printer.print("1".to_owned(), 0, LIMIT, move || Ok::<_, ()>(job(number, 3000)));
        // Within a second, at another moment of a band each time.
        sleep(Duration::from_millis(700 + u64::from(round) * 37)).await;
        task.abort();
        let _ = task.await;
        drop((first, printer));
        // What holds the journal is gone with them.
        sleep(Duration::from_millis(1)).await;
        let (printer, status, task) = life(true);
        let last = printer.jobs().last().unwrap().clone();
        assert_eq!(last.fate, Fate::Unknown);
        let told = status.facts()["unknownJobs"].clone();
        assert_eq!(told.split(", ").last(), Some(&*last.id.to_string()), "{told}");
        assert_eq!(told.split(", ").count(), round as usize + 1);
        let second =
            printer.print("2".to_owned(), 0, LIMIT, move || Ok::<_, ()>(job(number + 1, 100)));
        assert_eq!(second.unwrap().ended().await.unwrap(), Ended::Printed);
        let sheets = hand.sheets();
        assert_eq!(sheets.iter().filter(|sheet| holds(sheet, number + 1, 100)).count(), 1);
        let torn = total(&sheets, number);
        assert!(torn < 3000, "{torn}");
        task.abort();
        let _ = task.await;
    }
}
