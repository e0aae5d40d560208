//! `--accept`.

use super::kit::{self, Kit};
use super::*;

fn accept(kit: &Kit) -> Outcome {
    run(kit.folder(), &Options { accept: true, ..Options::default() }).unwrap()
}

#[test]
fn the_new_outcome_is_the_expected_one_and_nothing_else_changes() {
    let mut kit = Kit::new();
    kit.connect(1, 1_000);
    kit.says(1, 1_000_000, &kit::info("a"));
    kit.gets(1, 1_000_100, &json!({"channel": "gone", "data": {}}));
    kit.line(1, &json!({"t": 2_000_000, "inText": "no json"}));
    kit.says(1, 3_000_000, &kit::info("b"));
    kit.ends(1, 4_000_000);
    kit.gone(1, 4_000_050, "finished");
    kit.end(9_000_000);
    let before = kit.read("client-0001.jsonl");
    let outcome = accept(&kit);
    assert!(outcome.accepted && outcome.count == 4, "{:?}", told(&outcome));
    is_as_recorded(&replay(&kit), 3);
    let after = kit.read("client-0001.jsonl");
    let own = |text: &str| -> Vec<Value> {
        let lines = text.lines().filter(|line| !line.contains("\"out\":"));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(own(&after), own(&before));
    // From then on it stays what it is. (At first the client waited in vain for what never came.)
    assert!(!accept(&kit).differs());
    let after = kit.read("client-0001.jsonl");
    assert!(!accept(&kit).differs());
    assert_eq!(kit.read("client-0001.jsonl"), after);
    let names: Vec<_> = std::fs::read_dir(kit.folder()).unwrap().flatten().collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_stall_stays_where_it_was() {
    let mut kit = Kit::new();
    kit.connect(1, 1_000);
    for (at, task) in [(1_000_000, "a"), (1_000_010, "b")] {
        kit.says(1, at, &kit::info(task));
    }
    let mut wrong = kit.info_reply("a");
    wrong["data"]["sn"] = json!("x");
    kit.gets(1, 1_000_100, &wrong);
    kit.stalls(1, 1_000_200);
    kit.flows(1, 5_000_000);
    kit.gets(1, 5_000_100, &kit.info_reply("b"));
    kit.end(9_000_000);
    assert_eq!(accept(&kit).count, 1);
    let close = Options { tolerance: Duration::from_millis(5), ..Options::default() };
    is_as_recorded(&run(kit.folder(), &close).unwrap(), 2);
    let lines: Vec<String> = kit.read("client-0001.jsonl").lines().map(str::to_owned).collect();
    assert_eq!(lines.iter().position(|line| line.contains("stalled")), Some(4), "{lines:#?}");
}

#[test]
fn large_frames_become_blobs() {
    let mut kit = Kit::new();
    kit.connect(1, 1_000);
    let id = "x".repeat(9_000);
    kit.says(1, 1_000_000, &json!({"call": "bridge.describe", "id": id}));
    kit.end(9_000_000);
    assert_eq!(accept(&kit).count, 1);
    assert!(kit.read("client-0001.jsonl").contains("outBlob"));
    is_as_recorded(&replay(&kit), 1);
}

#[test]
fn only_the_clients_that_are_compared_are_written() {
    let mut kit = Kit::new();
    for client in [1, 2] {
        kit.connect(client, 1_000);
        kit.says(client, 1_000_000, &kit::info("a"));
    }
    kit.end(9_000_000);
    let before = kit.read("client-0001.jsonl");
    let only = BTreeSet::from([2]);
    run(kit.folder(), &Options { accept: true, only, ..Options::default() }).unwrap();
    assert_eq!(kit.read("client-0001.jsonl"), before);
    let outcome = replay(&kit);
    assert_eq!((outcome.count, outcome.differences[0].client), (1, Some(1)));
}

#[test]
fn a_connection_that_goes_on_now_is_not_ended_in_the_file() {
    let mut kit = Kit::new();
    kit.connect(1, 1_000);
    kit.says(1, 500_000, &kit::info("a"));
    kit.gets(1, 500_100, &kit.info_reply("a"));
    kit.gone(1, 2_000_000, "tooSlow");
    kit.end(9_000_000);
    assert_eq!(accept(&kit).count, 1);
    is_as_recorded(&replay(&kit), 1);
    assert!(!kit.read("client-0001.jsonl").contains("tooSlow"));
}

#[test]
fn lines_that_did_not_differ_stay_byte_for_byte_as_they_were() {
    let mut kit = Kit::new();
    for client in [1, 2] {
        kit.connect(client, 1_000);
        for (at, task) in [(1_000_000, "a"), (2_000_000, "b"), (3_000_000, "c")] {
            kit.says(client, at, &kit::info(task));
            let mut reply = kit.info_reply(task);
            if (client, task) == (1, "b") {
                reply["data"]["sn"] = json!("another");
            }
            // 0.3 s later than it will be now.
            kit.gets(client, at + 300_000, &reply);
        }
    }
    kit.gets(1, 4_000_000, &kit.info_reply("never"));
    kit.end(9_000_000);
    let (first, second) = (kit.read("client-0001.jsonl"), kit.read("client-0002.jsonl"));
    let outcome = accept(&kit);
    assert_eq!(
        (outcome.count, outcome.written.as_slice()),
        (2, ["client-0001.jsonl".to_owned()].as_slice())
    );
    let words = text(&outcome, false);
    assert!(words.contains("expected from now on; written: client-0001.jsonl"), "{words}");
    assert_eq!(kit.read("client-0002.jsonl"), second);
    let after = kit.read("client-0001.jsonl");
    let mut wanted: Vec<String> = first.lines().map(str::to_owned).collect();
    wanted.retain(|line| !line.contains("never"));
    // What says something else stands in its place, with its time.
    let changed = wanted.iter_mut().find(|line| line.contains("another")).unwrap();
    assert!(changed.contains("2300000"));
    let lines: Vec<String> = after.lines().map(str::to_owned).collect();
    let new = lines.iter().find(|line| line.contains("2300000")).unwrap();
    let value: Value = serde_json::from_str(new).unwrap();
    assert_eq!(value, json!({"t": 2_300_000, "out": kit.info_reply("b")}));
    *changed = new.clone();
    assert_eq!(lines, wanted);
    is_as_recorded(&replay(&kit), 6);
}

#[test]
fn where_nothing_differs_no_file_is_written() {
    let kit = Kit::card_session();
    let file = kit.folder().join("client-0001.jsonl");
    let before =
        (kit.read("client-0001.jsonl"), std::fs::metadata(&file).unwrap().modified().unwrap());
    let outcome = accept(&kit);
    assert_eq!(outcome.written, Vec::<String>::new());
    assert!(text(&outcome, false).contains("as recorded (1 frame compared), no file written"));
    let after =
        (kit.read("client-0001.jsonl"), std::fs::metadata(&file).unwrap().modified().unwrap());
    assert_eq!(after, before);
    assert!(!kit.folder().join(".client-0001.jsonl.new").exists());
}

#[test]
fn what_came_at_another_time_is_expected_then_from_now_on() {
    let mut kit = Kit::new();
    kit.connect(1, 1_000);
    kit.says(1, 1_000_000, &kit::info("a"));
    kit.gets(1, 6_000_000, &kit.info_reply("a"));
    kit.says(1, 7_000_000, &kit::info("b"));
    kit.gets(1, 7_000_100, &kit.info_reply("b"));
    kit.end(60_000_000);
    assert_eq!(accept(&kit).count, 1);
    is_as_recorded(&replay(&kit), 2);
    let times: Vec<i64> = kit
        .read("client-0001.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["t"].as_i64().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!((1_000_000..1_100_000).contains(&times[2]), "{times:?}");
}
