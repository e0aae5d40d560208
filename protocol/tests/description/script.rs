//! The table as types for TypeScript, and as JSON for the panel's form.

use std::fmt::Write as _;

use hharome_protocol::action::Nature;
use serde_json::{Value, json};

use super::kind::{Field, Kind};
use super::table::{actions, calls, channels};

const HEAD: &str = "\
// Written from the protocol crate by `make types`; not by hand.

/** A whole or other number; strings of digits are read, too. */
export type Num = number | `${number}`;

/** A truth. */
export type Flag = boolean | 'true' | 'false';
";

/// Who reads a value: strictness differs.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    /// We do: forgiving.
    Params,
    /// The caller does.
    Data,
}

/// `protocol.d.ts`.
pub(crate) fn types() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("\n/** What each action wants, and what its success holds. */\nexport interface Actions {\n");
    for action in actions() {
        let data = object(action.data, Side::Data, 2);
        let data = if action.in_a_string { format!("JsonString<{data}>") } else { data };
        entry(&mut out, action.info.name, action.note, action.params, &data);
    }
    out.push_str(
        "}\n\n/** JSON of this shape in a string. */\nexport type JsonString<T> = string & { readonly json?: T };\n",
    );
    out.push_str("\n/** The data of each channel's events. */\nexport interface Channels {\n");
    for channel in channels() {
        let started =
            channel.info.started_by.map_or_else(String::new, |by| format!("; opened by {by}"));
        let _ = writeln!(out, "  /** {}{started} */", channel.note);
        let _ = writeln!(out, "  {}: {};", channel.info.name, object(channel.event, Side::Data, 1));
    }
    out.push_str("}\n\n/** The calls of their own names. */\nexport interface Calls {\n");
    for call in calls() {
        entry(&mut out, call.name, call.note, call.params, &object(call.data, Side::Data, 2));
    }
    out.push_str("}\n");
    out
}

fn entry(out: &mut String, name: &str, note: &str, params: &[Field], data: &str) {
    let key = if name.contains('.') { format!("'{name}'") } else { name.to_owned() };
    let _ = writeln!(out, "  /** {note} */\n  {key}: {{");
    let _ = writeln!(out, "    params: {};", object(params, Side::Params, 2));
    let _ = writeln!(out, "    data: {data};\n  }};");
}

fn object(fields: &[Field], side: Side, depth: usize) -> String {
    if fields.is_empty() {
        return "Record<string, never>".to_owned();
    }
    let (blank, end) = ("  ".repeat(depth + 1), "  ".repeat(depth));
    let mut out = "{\n".to_owned();
    for field in fields {
        if !field.note.is_empty() {
            let _ = writeln!(out, "{blank}/** {} */", field.note);
        }
        let mark = if field.required { "" } else { "?" };
        let _ = writeln!(out, "{blank}{}{mark}: {};", field.key, kind(field.kind, side, depth + 1));
    }
    out + &end + "}"
}

fn kind(of: Kind, side: Side, depth: usize) -> String {
    let params = side == Side::Params;
    let union = |words: &[&str]| {
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" | ")
    };
    match of {
        Kind::Text | Kind::Base64 | Kind::Words(_) | Kind::Json => "string".to_owned(),
        Kind::OneOf(words) => union(words),
        Kind::Whole(..) | Kind::Number if params => "Num".to_owned(),
        Kind::Whole(..) | Kind::Number => "number".to_owned(),
        Kind::Code(codes) => {
            let all = codes.iter().flat_map(|code| {
                let text = params.then(|| format!("'{code}'"));
                [Some(code.to_string()), text].into_iter().flatten()
            });
            all.collect::<Vec<_>>().join(" | ")
        }
        Kind::Flag if params => "Flag".to_owned(),
        Kind::Flag => "boolean".to_owned(),
        Kind::List(one) => format!("Array<{}>", kind(*one, side, depth)),
        Kind::Map(one) => format!("Record<string, {}>", kind(*one, side, depth)),
        Kind::Object(fields) => object(fields, side, depth),
        Kind::Any => "unknown".to_owned(),
    }
}

/// `protocol.json`: a row a line.
pub(crate) fn json() -> String {
    let nature = |nature| match nature {
        Nature::Act => "acts",
        Nature::Waits => "waits",
        Nature::Listens => "listens",
    };
    let of_actions = actions().into_iter().map(|action| {
        let params = params(action.params);
        json!({"name": action.info.name, "nature": nature(action.info.nature), "note": action.note,
            "params": params})
    });
    let of_channels = channels().into_iter().map(|channel| {
        let mut row = json!({"name": channel.info.name, "note": channel.note});
        if let Some(by) = channel.info.started_by {
            row["startedBy"] = by.into();
        }
        row
    });
    let of_calls = calls().into_iter().map(|call| {
        let params = params(call.params);
        json!({"name": call.name, "note": call.note, "params": params})
    });
    let rows = |rows: &mut dyn Iterator<Item = Value>| {
        rows.map(|row| row.to_string()).collect::<Vec<_>>().join(",\n")
    };
    format!(
        "{{\"actions\":[\n{}\n],\"channels\":[\n{}\n],\"calls\":[\n{}\n]}}\n",
        rows(&mut of_actions.into_iter()),
        rows(&mut of_channels.into_iter()),
        rows(&mut of_calls.into_iter())
    )
}

fn params(fields: &[Field]) -> Vec<Value> {
    fields.iter().filter(|field| !field.ignored).map(param).collect()
}

fn param(field: &Field) -> Value {
    let mut row = json!({"key": field.key});
    if field.required {
        row["required"] = true.into();
    }
    if !field.note.is_empty() {
        row["note"] = field.note.into();
    }
    shape(&mut row, field.kind);
    row
}

fn shape(row: &mut Value, kind: Kind) {
    row["kind"] = match kind {
        Kind::Text => "text".into(),
        Kind::Base64 => "base64".into(),
        Kind::Json | Kind::Any | Kind::Map(_) => "json".into(),
        Kind::Words(words) => {
            row["values"] = words.into();
            "words".into()
        }
        Kind::OneOf(words) => {
            row["values"] = words.into();
            "one".into()
        }
        Kind::Code(codes) => {
            row["values"] = codes.into();
            "code".into()
        }
        Kind::Whole(least, most) => {
            // No form asks for less than nothing or more than a number of JavaScript holds.
            if most < i64::MAX {
                (row["least"], row["most"]) = (least.into(), most.into());
            }
            "whole".into()
        }
        Kind::Number => "number".into(),
        Kind::Flag => "flag".into(),
        Kind::List(one) => {
            let mut of = json!({});
            shape(&mut of, *one);
            row["of"] = of;
            "list".into()
        }
        Kind::Object(fields) => {
            row["fields"] = fields.iter().map(param).collect();
            "object".into()
        }
    };
}
