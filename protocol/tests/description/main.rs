//! What actions, channels and calls carry, described for those who do not read Rust, and held against
//! the types: [`table`] is written by hand, these tests say whether it is true.
//!
//! `clients/js/protocol.d.ts` (types for TypeScript) and `clients/js/protocol.json` (what the panel makes
//! its form of) are written from it. They are checked to be current; `make types` writes them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's mistakes may end it")]

mod fields;
mod kind;
mod script;
mod table;
mod trace;

use std::collections::BTreeSet;
use std::path::PathBuf;

use hharome_protocol::action::{ACTIONS, CALLS, CHANNELS};
use hharome_protocol::bridge;
use serde_json::Value;

use self::kind::{Field, conforms};
use self::table::{actions, calls, channels};

const EXAMPLES: &str = include_str!("../golden/examples.jsonl");

fn keys(fields: &[Field]) -> BTreeSet<&'static str> {
    fields.iter().filter(|field| !field.ignored).map(|field| field.key).collect()
}

#[test]
fn every_action_channel_and_call_is_described_in_the_order_of_the_protocol() {
    let described: Vec<_> = actions().iter().map(|action| action.info.name).collect();
    assert_eq!(described, ACTIONS.iter().map(|action| action.name).collect::<Vec<_>>());
    let described: Vec<_> = channels().iter().map(|channel| channel.info.name).collect();
    let all = CHANNELS.iter().chain(&bridge::CHANNELS);
    assert_eq!(described, all.map(|channel| channel.name).collect::<Vec<_>>());
    assert_eq!(calls().iter().map(|call| call.name).collect::<Vec<_>>(), CALLS);
}

#[test]
fn params_have_the_keys_that_their_types_read_and_no_others() {
    let actions =
        actions().into_iter().map(|action| (action.info.name, action.params, action.read));
    let calls = calls().into_iter().map(|call| (call.name, call.params, call.read));
    for (name, params, read) in actions.chain(calls) {
        assert_eq!(keys(params), read, "{name}");
    }
}

#[test]
fn what_the_bridge_answers_of_itself_has_the_keys_of_its_types() {
    for call in calls() {
        if let Some(written) = call.written {
            assert_eq!(keys(call.data), written, "{}", call.name);
        }
    }
    for channel in channels() {
        if let Some(written) = channel.written {
            assert_eq!(keys(channel.event), written, "{}", channel.info.name);
        }
    }
}

#[test]
fn every_example_of_the_vendors_document_is_as_described() {
    let mut data_seen = BTreeSet::new();
    for line in EXAMPLES.lines().filter(|line| !line.is_empty()) {
        let example: Value = serde_json::from_str(line).unwrap();
        let frame = &example["frame"];
        let name = frame["action"].as_str();
        match example["kind"].as_str().unwrap() {
            "request" if name.is_some() => {
                let action = actions().into_iter().find(|action| Some(action.info.name) == name);
                let params = frame
                    .get("params")
                    .cloned()
                    .unwrap_or_else(|| Value::Object(Default::default()));
                conforms(action.unwrap().params, &params, line);
            }
            "reply" if name.is_some() && frame["success"] == true => {
                let action = actions().into_iter().find(|action| Some(action.info.name) == name);
                let action = action.unwrap();
                let mut data =
                    frame.get("data").cloned().unwrap_or_else(|| Value::Object(Default::default()));
                if let Some(text) = data.as_str() {
                    data = serde_json::from_str(text).unwrap();
                }
                conforms(action.data, &data, line);
                for key in data.as_object().unwrap().keys() {
                    data_seen.insert((action.info.name, key.clone()));
                }
            }
            "event" => {
                let channel = frame["channel"].as_str().unwrap();
                let channel = channels().into_iter().find(|it| it.info.name == channel).unwrap();
                conforms(channel.event, &frame["data"], line);
            }
            _ => {}
        }
    }
    // What is described of a success is in an example, or is ours and optional.
    for action in actions() {
        for field in action.data {
            let seen = data_seen.contains(&(action.info.name, field.key.to_owned()));
            assert!(seen || !field.required, "{}: {}", action.info.name, field.key);
        }
    }
}

#[test]
fn the_files_of_the_javascript_client_are_current() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../clients/js");
    let write = std::env::var_os("WRITE_TYPES").is_some();
    for (name, text) in [("protocol.d.ts", script::types()), ("protocol.json", script::json())] {
        let path = folder.join(name);
        if write {
            std::fs::write(&path, &text).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(there == text, "clients/js/{name} is not current; `make types` writes it");
    }
}
