//! Recordings written by hand, replayed: what is as it was, and every way to differ.

mod accepting;
mod damage;
mod faulty;
mod kit;
mod outside;
mod telling;

use std::sync::{Arc, Mutex};

use hharome_hardware::id_card::people::Card;
use serde_json::{Value, json};

use super::*;
use kit::Kit;

#[track_caller]
pub(super) fn replay(kit: &Kit) -> Outcome {
    run(kit.folder(), &Options::default()).unwrap()
}

/// What differs, each as the report has it.
pub(super) fn told(outcome: &Outcome) -> Vec<String> {
    outcome.differences.iter().map(ToString::to_string).collect()
}

#[track_caller]
pub(super) fn is_as_recorded(outcome: &Outcome, compared: u64) {
    assert_eq!(told(outcome), Vec::<String>::new());
    assert_eq!((outcome.count, outcome.compared), (0, compared));
}

#[test]
fn a_card_that_was_read_is_read_again() {
    let kit = Kit::card_session();
    let outcome = replay(&kit);
    is_as_recorded(&outcome, 1);
    assert_eq!((outcome.title.as_str(), outcome.clients), ("by hand", 1));
    assert_eq!(outcome.notes, Vec::<String>::new());
    let strict = Options { strict: true, ..Options::default() };
    is_as_recorded(&run(kit.folder(), &strict).unwrap(), 1);
}

#[test]
fn a_time_limit_ends_when_it_ended_then() {
    let mut kit = Kit::new();
    kit.reader_starts(300);
    kit.polls(1_000_200, 1_000_000 + 15_000_000);
    kit.connect(1, 999_000);
    kit.says(1, 1_000_000, &kit::card("3"));
    kit.gets(1, 16_000_400, &kit::timeout("3"));
    kit.end(17_000_000);
    is_as_recorded(&replay(&kit), 1);
}

#[test]
fn a_value_that_differs_is_named_with_both_values() {
    let mut kit = Kit::new();
    kit.connect(4, 1_000);
    kit.says(4, 2_000_000, &kit::info("7"));
    let mut reply = kit.info_reply("7");
    reply["data"]["sn"] = json!("another");
    reply["data"]["gone"] = json!([1]);
    kit.gets(4, 2_000_100, &reply);
    kit.end(3_000_000);
    let outcome = replay(&kit);
    assert_eq!(
        told(&outcome),
        [
            "client 4, client-0004.jsonl:3, at 2.000 s: the reply to getDeviceInfo, taskId \"7\" says \
          something else\n    data.gone: expected [1], got nothing\n    data.sn: expected \
          \"another\", got \"KIOSK-1\""
        ]
    );
    assert!(outcome.differs());
}

#[test]
fn a_reply_that_does_not_come_and_one_that_nobody_expects_are_named() {
    let mut kit = Kit::new();
    kit.connect(1, 1_000);
    kit.gets(1, 1_000_000, &kit.info_reply("2"));
    kit.says(1, 5_000_000, &kit::info("9"));
    kit.end(9_000_000);
    let told = told(&replay(&kit));
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        told[0],
        "client 1, client-0001.jsonl:2, at 1.000 s: the reply to getDeviceInfo, taskId \"2\" did \
         not come"
    );
    assert!(told[1].starts_with(
        "client 1, client-0001.jsonl, at 5.000 s: the reply to getDeviceInfo, taskId \"9\" came, \
         and is not in the recording: {\"action\":\"getDeviceInfo\""
    ));
}

#[test]
fn what_comes_too_late_or_too_early_is_told_by_how_much() {
    let mut kit = Kit::new();
    kit.connect(1, 1_000);
    kit.gets(1, 1_000_000, &kit.info_reply("late"));
    kit.says(1, 4_500_000, &kit::info("late"));
    kit.says(1, 10_000_000, &kit::info("early"));
    kit.gets(1, 13_000_000, &kit.info_reply("early"));
    kit.end(20_000_000);
    let outcome = replay(&kit);
    // Each is one difference, and none of them one that is missing and one too many.
    let words = told(&outcome);
    assert_eq!((outcome.count, words.len()), (2, 2), "{words:?}");
    assert!(words[0].ends_with("taskId \"late\" came 3.500 s later"), "{words:?}");
    assert!(words[1].ends_with("taskId \"early\" came 3.000 s earlier"), "{words:?}");
    let patient = Options { tolerance: Duration::from_secs(4), ..Options::default() };
    is_as_recorded(&run(kit.folder(), &patient).unwrap(), 2);
}

#[test]
fn the_order_of_replies_counts_only_where_it_is_asked_for() {
    let mut kit = Kit::new();
    kit.connect(1, 1_000);
    kit.says(1, 1_000_000, &kit::info("a"));
    kit.says(1, 1_000_010, &kit::info("b"));
    kit.gets(1, 1_000_100, &kit.info_reply("b"));
    kit.gets(1, 1_000_110, &kit.info_reply("a"));
    kit.end(2_000_000);
    is_as_recorded(&replay(&kit), 2);
    let strict = Options { strict: true, ..Options::default() };
    let outcome = run(kit.folder(), &strict).unwrap();
    assert!(told(&outcome)[0].ends_with("came in another order"), "{:?}", told(&outcome));
}

#[test]
fn what_is_declared_volatile_is_not_compared() {
    let mut kit = Kit::new();
    kit.connect(1, 1_000);
    kit.says(1, 1_000_000, &json!({"call": "bridge.status", "id": 1}));
    // All devices but the reader and the scanner are simulated ones that this version has not.
    let outcome = replay(&kit.clone_ended(2_000_000));
    let What::Extra { .. } = &outcome.differences[0].what else { panic!("{outcome:?}") };
    let frames = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&frames);
    let sink: FrameSink = Arc::new(Mutex::new(move |_: u64, _: i64, frame: &[u8]| {
        kept.lock().unwrap().push(serde_json::from_slice::<Value>(frame).unwrap());
    }));
    let heard = Options { sink: Some(sink), ..Options::default() };
    run(kit.clone_ended(2_000_000).folder(), &heard).unwrap();
    let mut reply = frames.lock().unwrap()[0].clone();
    reply["res"]["data"]["connections"] = json!(77);
    reply["res"]["data"]["dropped"]["clients"] = json!(5);
    reply["res"]["data"]["devices"][0]["counters"] = json!({"opened": 99});
    reply["res"]["data"]["devices"][0]["since"] = json!(1);
    kit.gets(1, 1_000_100, &reply);
    is_as_recorded(&replay(&kit.clone_ended(2_000_000)), 1);
    reply["res"]["data"]["devices"][0]["state"] = json!("failed");
    kit.replace(1, &reply);
    let outcome = replay(&kit.clone_ended(2_000_000));
    let told = told(&outcome);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("res.data.devices[0].state: expected \"failed\""), "{told:?}");
}

#[test]
fn a_client_that_stalled_stalls_and_takes_as_many_frames_as_then() {
    let mut kit = Kit::new();
    kit.connect(1, 1_000);
    for (at, task) in [(1_000_000, "a"), (1_100_000, "b"), (1_200_000, "c")] {
        kit.says(1, at, &kit::info(task));
    }
    kit.sort();
    kit.gets(1, 1_000_100, &kit.info_reply("a"));
    kit.stalls(1, 1_000_200);
    // It takes one while it stalls, and the rest when it flows again.
    kit.gets(1, 4_000_000, &kit.info_reply("b"));
    kit.flows(1, 7_000_000);
    kit.gets(1, 7_000_050, &kit.info_reply("c"));
    kit.sort();
    kit.end(9_000_000);
    is_as_recorded(&replay(&kit), 3);
    let close = Options { tolerance: Duration::from_millis(5), ..Options::default() };
    is_as_recorded(&run(kit.folder(), &close).unwrap(), 3);
}

#[test]
fn a_client_that_never_reads_again_is_given_up_as_then() {
    let mut kit = Kit::new();
    kit.config = json!({"limits": {"waiting_frames": 4, "paused_frames": 3}});
    kit.reader_starts(300);
    kit.connect(1, 1_000);
    kit.says(1, 500_000, &json!({"on": "bridgeDevices"}));
    kit.stalls(1, 500_100);
    kit.gone(1, 2_000_000, "tooSlow");
    kit.end(9_000_000);
    // Nothing fills its outbox, so that it is not given up.
    let told = told(&replay(&kit));
    assert_eq!(
        told,
        ["client 1, client-0001.jsonl:4, at 2.000 s: the connection went on, and ended \
                       in the recording (tooSlow)"]
    );
}

#[test]
fn what_had_been_so_before_is_so_and_its_replies_are_not_compared() {
    let mut kit = Kit::new();
    kit.reader_starts_before();
    kit.connected_before(1);
    kit.said_before(1, 0, &json!({"on": "initIDCardListener"}));
    kit.said_before(1, -9_000_000, &kit::card("old"));
    kit.polls(100_000, 5_900_000);
    kit.gets(1, 6_000_300, &kit::timeout("old"));
    kit.polls(6_200_000, 7_000_000);
    let card = Card::zhang_san();
    kit.reads(7_100_000, &card);
    kit.gets(1, 7_110_000, &json!({"channel": "initIDCardListener", "data": kit::data(&card)}));
    kit.end(9_000_000);
    is_as_recorded(&replay(&kit), 2);
}

#[test]
fn a_client_closes_when_it_has_its_answer_however_late_that_is() {
    let mut kit = Kit::card_session();
    // 50 µs after the answer, which in the replay comes a little later.
    kit.ends(1, Kit::CARD_SESSION_REPLY + 50);
    kit.gone(1, Kit::CARD_SESSION_REPLY + 60, "finished");
    is_as_recorded(&replay(&kit), 1);
}

#[test]
fn a_daemon_that_stopped_stops_and_what_waits_is_cancelled() {
    let mut kit = Kit::new();
    kit.reader_starts(300);
    kit.polls(1_000_200, 3_000_000);
    kit.connect(1, 999_000);
    kit.says(1, 1_000_000, &kit::card("3"));
    kit.daemon(&json!({"t": 3_000_100, "stopping": true}));
    kit.gets(1, 3_000_200, &kit::cancelled("3"));
    kit.gone(1, 3_000_300, "stopped");
    kit.end(3_500_000);
    is_as_recorded(&replay(&kit), 1);
}

#[test]
fn a_configuration_that_was_read_again_is_in_force_from_then_on() {
    let mut kit = Kit::new();
    kit.config = json!({"id_card": {"driver": "simulated"}, "timeouts": {"id_card": 4000}});
    kit.reader_starts(300);
    let reload = json!({"id_card": {"driver": "simulated"}, "timeouts": {"id_card": 2000}});
    kit.daemon(&json!({"t": 900_000, "reload": reload}));
    kit.connect(1, 999_000);
    kit.polls(1_000_200, 3_000_000);
    kit.says(1, 1_000_000, &kit::card("3"));
    kit.gets(1, 3_000_300, &kit::timeout("3"));
    kit.end(9_000_000);
    let close = Options { tolerance: Duration::from_millis(50), ..Options::default() };
    is_as_recorded(&run(kit.folder(), &close).unwrap(), 1);
}

#[test]
fn whoever_did_not_show_the_token_is_refused_again() {
    let mut kit = Kit::new();
    kit.config = json!({"listen": {"tcp": "127.0.0.1:0"}, "id_card": {"driver": "simulated"}});
    kit.token = true;
    for (client, token) in [(1, "wrong-token"), (2, "right-token")] {
        kit.line(client, &json!({"t": 1_000, "connect": {"transport": "tcp", "token": true}}));
        kit.says(client, 2_000, &json!({"token": token}));
    }
    let failure = json!({"action": "", "event": "", "success": false, "taskId": "",
        "message": "无权限", "data": {"error": {"kind": "forbidden",
            "detail": "the first frame has to be {\"token\":…}, and the right one"}}});
    kit.gets(1, 2_100, &failure);
    kit.gone(1, 2_200, "notAdmitted");
    kit.says(2, 3_000, &kit::info("1"));
    kit.gets(2, 3_100, &kit.info_reply("1"));
    kit.end(9_000_000);
    let outcome = replay(&kit);
    // The words of a refusal are the protocol's own affair.
    let unexpected = |difference: &Difference| match &difference.what {
        What::Changed(changes) => changes.iter().any(|change| change.path != "message"),
        _ => true,
    };
    assert!(!outcome.differences.iter().any(unexpected), "{:?}", told(&outcome));
    assert_eq!(outcome.compared, 2);
}

#[test]
fn a_hundred_replays_give_the_same_bytes_at_the_same_times() {
    let kit = Kit::card_session();
    let play = |options: Options| {
        let frames = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&frames);
        let sink: FrameSink = Arc::new(Mutex::new(move |client: u64, t: i64, frame: &[u8]| {
            kept.lock().unwrap().push((client, t, frame.to_vec()));
        }));
        run(kit.folder(), &Options { sink: Some(sink), ..options }).unwrap();
        Arc::try_unwrap(frames).map_err(drop).unwrap_or_default().into_inner().unwrap_or_default()
    };
    let first = play(Options::default());
    assert_eq!(first.len(), 1);
    for _ in 1..100 {
        assert_eq!(play(Options::default()), first);
    }
    // Slowed down, it is the same replay.
    assert_eq!(play(Options { pace: Some(100.0), ..Options::default() }), first);
}

#[test]
fn only_compares_one_client_and_all_play() {
    let mut kit = Kit::new();
    for client in [1, 2] {
        kit.connect(client, 1_000);
        kit.gets(client, 1_000_000, &kit.info_reply("never"));
        kit.says(client, 2_000_000, &kit::info("a"));
        kit.gets(client, 2_000_100, &kit.info_reply("a"));
    }
    kit.end(9_000_000);
    let only = Options { only: BTreeSet::from([2]), ..Options::default() };
    let outcome = run(kit.folder(), &only).unwrap();
    assert_eq!((outcome.count, outcome.compared), (1, 1));
    assert_eq!(outcome.differences[0].client, Some(2));
    let nobody = Options { only: BTreeSet::from([3]), ..Options::default() };
    let error = run(kit.folder(), &nobody).unwrap_err().to_string();
    assert_eq!(error, "--only 3: the recording has no such client; it has 1, 2");
}

#[test]
fn a_recording_with_personal_data_says_so() {
    assert!(!text(&replay(&Kit::card_session()), false).contains("personal data"));
    let mut kit = Kit::card_session();
    kit.kept = true;
    assert!(text(&replay(&kit), false).contains("personal data as it was"));
}

#[test]
fn who_was_given_up_at_the_very_end_is_given_up_again() {
    let mut kit = Kit::new();
    kit.config = json!({"id_card": {"driver": "simulated"},
        "limits": {"paused_frames": 1, "waiting_frames": 2}});
    kit.reader_starts(300);
    kit.connect(1, 400_000);
    kit.says(1, 500_000, &json!({"on": "bridgeCalls"}));
    kit.gets(1, 500_100, &json!({"on": "bridgeCalls", "success": true, "message": "成功"}));
    kit.says(1, 600_000, &kit::card("1"));
    let stage = json!({"action": "getIDCardInfo", "taskId": "1", "stage": "waiting"});
    kit.gets(1, 600_100, &json!({"channel": "bridgeCalls", "data": stage}));
    kit.stalls(1, 600_200);
    kit.polls(600_300, 900_000);
    // The last stage, the ended call's reply and its own: the outbox holds two.
    kit.says(1, 1_000_000, &json!({"action": "getIDCardInfo", "event": "close", "taskId": "2"}));
    kit.gone(1, 1_000_200, "tooSlow");
    kit.end(1_000_300);
    is_as_recorded(&replay(&kit), 2);
}
