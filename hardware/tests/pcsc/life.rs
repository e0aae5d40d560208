//! Threads: those that hang, and those that have nothing to do.

use std::fs;
use std::time::{Duration, Instant};

use hharome_hardware::port::card::{CardPort, Content, FaultKind, Power};
use hharome_hardware::port::pcsc::PcscService;

use crate::fixture::{
    AMPLE, CONTACTLESS, CONTACTLESS_ATR, GET_CHALLENGE, OK, READERS, ask, connected, kind, open,
    port, send, until, until_nothing_hangs, within, yes,
};
use crate::pcscd::{FarCard, Pcscd, Reply, alone};

const SHORT: Duration = Duration::from_millis(400);

#[test]
fn a_service_that_hangs_costs_four_threads_at_most_and_all_is_well_when_it_goes_on() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let service = PcscService::with_limits(SHORT, AMPLE);
        let mut slot = open(&service, CONTACTLESS).await;
        let card = connected(&pcscd, &mut slot, yes).await;
        let reader = pcscd.name(0, 0);
        pcscd.freeze();
        for stuck in 1..=4 {
            let begun = Instant::now();
            let occupied = send(&mut slot, vec![GET_CHALLENGE.to_vec()]).await;
            assert_eq!(kind(occupied, &reader), FaultKind::Occupied);
            let took = begun.elapsed();
            assert!(took < 2 * SHORT, "{took:?}");
            assert_eq!(service.abandoned(), stuck);
        }
        let begun = Instant::now();
        let occupied = within(AMPLE, slot.connect(Power::AsItIs)).await;
        assert_eq!(kind(occupied, &reader), FaultKind::Occupied);
        assert!(begun.elapsed() < SHORT / 2, "no thread could come to another end");
        assert_eq!(service.abandoned(), 4);
        pcscd.thaw();
        until_nothing_hangs(&service).await;
        assert!(card.commands().is_empty(), "nobody waited for it");
        within(AMPLE, slot.connect(Power::AsItIs)).await.expect("the card answers");
        assert_eq!(ask(&mut slot, &GET_CHALLENGE).await.as_deref(), Ok(&OK[..]));
    });
}

#[test]
fn a_service_that_hangs_from_the_beginning_is_not_waited_for() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        pcscd.freeze();
        let service = PcscService::with_limits(SHORT, AMPLE);
        let mut port = port(&service, CONTACTLESS);
        let begun = Instant::now();
        let fault = within(AMPLE, port.open()).await.err().expect("it hangs");
        assert_eq!(fault.kind, FaultKind::Other);
        assert!(fault.detail.contains("pcscd does not answer"), "{}", fault.detail);
        assert!(begun.elapsed() < 2 * SHORT);
        pcscd.thaw();
        within(AMPLE, async { while port.open().await.is_err() {} }).await;
    });
}

#[test]
fn a_hanging_reader_does_not_hold_up_the_others() {
    alone(async || {
        let pcscd = Pcscd::start(&READERS);
        let service = PcscService::new();
        let mut contactless = open(&service, CONTACTLESS).await;
        let mut sam = open(&service, "*SAM*").await;
        let silent = |_: &[u8]| Reply::Silence;
        let card = connected(&pcscd, &mut contactless, silent).await;
        let other = FarCard::insert(&pcscd.slot_socket(1, 0), CONTACTLESS_ATR, Box::new(yes));
        until(&mut sam, &Content::Card(CONTACTLESS_ATR.to_vec())).await;
        let waits = send(&mut contactless, vec![GET_CHALLENGE.to_vec()]);
        let works = async {
            within(AMPLE, sam.connect(Power::AsItIs)).await.expect("the card answers");
            let answer = ask(&mut sam, &GET_CHALLENGE).await;
            // Blocks nobody but this test: the worker has the command on its way.
            card.wait_for_commands(1);
            drop((card, other));
            answer
        };
        let (silent, answer) = tokio::join!(waits, works);
        assert_eq!(answer.as_deref(), Ok(&OK[..]));
        let (mut answers, _) = silent.expect("it begins");
        let removed = answers.pop().expect("one for the command");
        assert_eq!(kind(removed, &pcscd.name(0, 0)), FaultKind::Removed);
    });
}

#[test]
fn nothing_wakes_up_while_nothing_happens() {
    alone(async || {
        let _pcscd = Pcscd::start(&READERS);
        let service = PcscService::new();
        let _slot = open(&service, CONTACTLESS).await;
        let switches = || {
            let tasks = fs::read_dir("/proc/self/task").expect("Linux").map(|task| {
                let task = task.expect("it is there").path();
                let name = fs::read_to_string(task.join("comm")).expect("it is there");
                let status = fs::read_to_string(task.join("status")).expect("it is there");
                let line = status.lines().find(|line| line.starts_with("voluntary"));
                let count = line.and_then(|line| line.split_whitespace().last()?.parse().ok());
                (name.trim().to_owned(), count.expect("a number"))
            });
            let mut ours: Vec<(String, u64)> =
                tasks.filter(|(n, _)| n.starts_with("pcsc ")).collect();
            ours.sort_unstable();
            ours
        };
        // The first second after a change is short, on purpose.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let before = switches();
        tokio::time::sleep(Duration::from_millis(2000)).await;
        assert_eq!(switches(), before);
        let names: Vec<_> = before.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["pcsc monitor"], "a slot that is not used has no thread");
    });
}
