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
