use super::*;
use crate::device::State;
use crate::receipt::escpos::Block;

fn new() -> (Printer, Jobs, Status) {
    let status = Status::new("printer", State::Ready);
    let (printer, jobs) = queue(status.clone(), Journal::in_memory());
    (printer, jobs, status)
}

fn order(printer: &Printer) -> Result<Printing<()>, PrintError> {
    printer.print(String::new(), 0, None, || Ok(Job { blocks: Vec::new(), rows: 1 }))
}

#[tokio::test(start_paused = true)]
async fn receipts_wait_in_their_order_until_there_are_too_many() {
    let (printer, jobs, status) = new();
    let waiting: Vec<_> = (0..WAITING).map(|_| order(&printer).unwrap()).collect();
    assert!(matches!(order(&printer), Err(PrintError::Full)));
    assert_eq!(status.counters()["refused"], 1);
    for (number, printing) in (1..).zip(waiting) {
        let ready = jobs.next().await;
        assert_eq!(ready.id, number);
        jobs.end(ready, Ok(Ended::Printed)).await;
        assert_eq!(printing.ended().await.unwrap(), Ended::Printed);
    }
    order(&printer).unwrap();
}

#[tokio::test(start_paused = true)]
async fn bytes_are_bounded_too() {
    let (printer, jobs, _) = new();
    let large = || {
        let block = Block { bytes: vec![0; WAITING_BYTES / 2], rows: 1 };
        printer.print(String::new(), 0, None, move || {
            Ok::<_, ()>(Job { blocks: vec![block], rows: 1 })
        })
    };
    let waiting = [large().unwrap(), large().unwrap()];
    while printer.jobs().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(large(), Err(PrintError::Full)));
    let ready = jobs.next().await;
    jobs.end(ready, Ok(Ended::Sent)).await;
    large().unwrap();
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_wait_for_their_layout_are_bounded_as_well() {
    let (printer, jobs, status) = new();
    let large = |weight| {
        printer
            .print(String::new(), weight, None, || Ok::<_, ()>(Job { blocks: Vec::new(), rows: 1 }))
    };
    // Nothing is laid out before this task waits for something.
    let _waiting = [large(WAITING_BYTES / 2).unwrap(), large(WAITING_BYTES / 2).unwrap()];
    assert!(matches!(large(1), Err(PrintError::Full)));
    assert_eq!(status.counters()["refused"], 1);
    // What they become is smaller.
    assert_eq!(jobs.next().await.id, 1);
    assert_eq!(jobs.next().await.id, 2);
    large(WAITING_BYTES).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_takes_long_to_lay_out_keeps_its_place() {
    let (printer, jobs, _) = new();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let slow = printer.print("1".to_owned(), 0, None, move || {
        wait.recv().unwrap();
        Ok::<_, ()>(Job { blocks: Vec::new(), rows: 1 })
    });
    let _quick = order(&printer).unwrap();
    tokio::task::yield_now().await;
    go.send(()).unwrap();
    let first = jobs.next().await;
    assert_eq!(printer.jobs()[0].label, "1");
    assert_eq!(first.id, 1);
    drop(slow);
}

#[tokio::test(start_paused = true)]
async fn when_the_daemon_ends_the_receipt_that_is_printed_is_waited_for_and_no_other_begun() {
    let (printer, jobs, _) = new();
    let _first = order(&printer).unwrap();
    let second = order(&printer).unwrap();
    let ready = jobs.next().await;
    while printer.jobs().len() < 2 {
        tokio::task::yield_now().await;
    }
    let finished = tokio::spawn(printer.clone().finished());
    assert!(matches!(second.ended().await, Err(Refused::NotPrinted(PrintError::Stopped))));
    assert!(matches!(order(&printer), Err(PrintError::Stopped)));
    assert!(!finished.is_finished());
    jobs.end(ready, Ok(Ended::Printed)).await;
    finished.await.unwrap();
    let fates: Vec<_> = printer.jobs().iter().map(|job| job.fate).collect();
    assert_eq!(fates, [Fate::Printed, Fate::Failed]);
}

#[tokio::test(start_paused = true)]
async fn a_printer_that_cannot_be_used_refuses_those_that_wait_and_those_that_come() {
    let (printer, jobs, _) = new();
    let waiting = order(&printer).unwrap();
    while printer.jobs().is_empty() {
        tokio::task::yield_now().await;
    }
    let trouble = Trouble::Absent { detail: "not there".to_owned() };
    jobs.refuse(&trouble);
    assert!(waiting.ended().await.is_err());
    assert!(matches!(order(&printer), Err(PrintError::Trouble(told)) if told == trouble));
    jobs.recover();
    order(&printer).unwrap();
    assert_eq!(jobs.next().await.id, 2);
}
