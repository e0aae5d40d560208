//! An outcome for programs: what `--json` says of a recording beside its verdict. Values are whole.

use serde_json::{Map, Value, json};

use super::compare::Change;
use super::difference::{Difference, What};
use super::present::KEPT;
use super::{Outcome, ScriptOutcome};

/// The fields of one recording's case: its own name, what differs, and what is worth knowing.
#[must_use]
pub fn more(outcome: &Outcome) -> Map<String, Value> {
    let notes: Vec<_> = outcome.lacks.iter().chain(&outcome.notes).collect();
    let differences: Vec<_> = outcome.differences.iter().map(difference).collect();
    let mut more = Map::from_iter([
        ("recording".to_owned(), json!(outcome.title)),
        ("compared".to_owned(), json!(outcome.compared)),
        ("differenceCount".to_owned(), json!(outcome.count)),
        ("differences".to_owned(), json!(differences)),
        ("notes".to_owned(), json!(notes)),
    ]);
    if outcome.personal_data_kept {
        more.insert("banner".to_owned(), json!(KEPT));
    }
    if outcome.accepted {
        more.insert("written".to_owned(), json!(outcome.written));
    }
    if let Some(ScriptOutcome { faults, struck, expectations, met, .. }) = outcome.script {
        let script = json!({
            "faults": faults, "struck": struck, "expectations": expectations, "met": met,
        });
        more.insert("script".to_owned(), script);
    }
    more
}

fn difference(one: &Difference) -> Value {
    let Difference { client, file, line, micros, about, call, task_id, what } = one;
    let whole = |expected: Option<&Value>, got: Option<&Value>| vec![path("", expected, got)];
    let (kind, paths) = match what {
        What::Changed(changes) => ("differs", all(changes)),
        What::Missing { frame } => ("missing", whole(Some(frame), None)),
        What::Extra { frame } => ("extra", whole(None, Some(frame))),
        // The end of a connection that only one side has.
        What::WentOn(_) => ("missing", Vec::new()),
        What::Ended => ("extra", Vec::new()),
        What::Moved { by, changes } => (if *by > 0 { "late" } else { "early" }, all(changes)),
        What::Order => ("order", Vec::new()),
        What::Unmet { expected, instead } => {
            ("expectation", whole(Some(expected), instead.as_ref()))
        }
        What::Fault(_) => ("fault", Vec::new()),
        What::Port(_) => ("port", Vec::new()),
    };
    let task_id: Option<Value> = task_id.as_ref().and_then(|id| serde_json::from_str(id).ok());
    let mut value = json!({
        "client": client, "file": file, "line": line, "seconds": seconds(*micros), "call": call,
        "taskId": task_id, "about": about, "kind": kind, "paths": paths,
        "text": one.to_string(),
    });
    if let (What::Moved { by, .. }, Some(fields)) = (what, value.as_object_mut()) {
        fields.insert("bySeconds".to_owned(), json!(seconds(by.saturating_abs())));
    }
    value
}

fn all(changes: &[Change]) -> Vec<Value> {
    let one = |change: &Change| path(&change.path, change.expected.as_ref(), change.got.as_ref());
    changes.iter().map(one).collect()
}

/// What is not there on a side has no key; `null` is a value.
fn path(path: &str, expected: Option<&Value>, got: Option<&Value>) -> Value {
    let mut fields = Map::from_iter([("path".to_owned(), json!(path))]);
    for (side, value) in [("expected", expected), ("got", got)] {
        if let Some(value) = value {
            fields.insert(side.to_owned(), value.clone());
        }
    }
    Value::Object(fields)
}

/// To the microsecond, which a recording of a year has room for.
#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1_000_000.0
}
