//! Receipts (3.8): what is printed needs a simulated printer, as paper is somebody's.

use serde_json::{Value, json};

use super::context::{Context, plain_reply};
use super::groups::{close_refused, refused};
use super::wire::{Wire, request};
use super::{Case, Mismatch, Need, Outcome, check};

const PRINT: &str = "receiptPrinting";
const NEEDS: &[Need] =
    &[Need::Action(PRINT), Need::Call("bridge.jobs"), Need::Simulated("printer")];
const TROUBLE: &[Need] =
    &[Need::Action(PRINT), Need::Call("bridge.status"), Need::Simulated("printer")];

pub(super) static CASES: &[Case] = &[
    Case::new("receipt/a_list_that_is_empty_or_none_is_refused", "3.8.2", &[], |cx| {
        let wrong = [json!({}), json!({"printList": []}), json!({"printList": "text"})];
        Box::pin(refused(cx, PRINT, wrong))
    }),
    Case::new("receipt/an_entry_with_neither_text_nor_image_is_refused", "3.8.2", &[], |cx| {
        let wrong = [json!({"printList": [{}]}), json!({"printList": [{"bold": true}]})];
        Box::pin(refused(cx, PRINT, wrong))
    }),
    Case::new("receipt/a_picture_that_is_none_is_refused", "3.8.2", &[], |cx| {
        let wrong = ["!", "AAAA", "data:image/png;base64,iVBORw0KGgo="];
        let list = |picture: &str| json!({"printList": [{"text": "a"}, {"imageBase64": picture}]});
        Box::pin(refused(cx, PRINT, wrong.map(list)))
    }),
    Case::new("receipt/close_is_bad_request", "1.9", &[], |cx| {
        Box::pin(close_refused(cx, &[PRINT]))
    }),
    Case::new("receipt/what_is_printed_stands_in_the_list_of_jobs", "3.8.4", NEEDS, |cx| {
        Box::pin(jobs(cx))
    }),
    Case::new("receipt/what_is_refused_is_no_job", "3.8.2", NEEDS, |cx| Box::pin(no_job(cx))),
    Case::new("receipt/one_whose_client_has_gone_is_printed", "3.8.3", NEEDS, |cx| {
        Box::pin(client_gone(cx))
    }),
    Case::new("receipt/without_paper_it_is_device_failed", "3.8.4", TROUBLE, |cx| {
        Box::pin(trouble(cx, "paper-out", "failed", "device_failed"))
    }),
    Case::new("receipt/without_a_printer_it_is_device_unavailable", "1.12", TROUBLE, |cx| {
        Box::pin(trouble(cx, "unplug", "absent", "device_unavailable"))
    }),
];

fn receipt(task: &str) -> String {
    request(PRINT, &json!(task), Some(json!({"printList": [{"text": "取号凭条"}]})))
}

async fn printed(cx: &Context, wire: &mut Wire, task: &str) -> Outcome {
    let reply = wire.ask(receipt(task)).await?;
    cx.equal(&reply, &plain_reply(PRINT, "open", &json!(task), true, "成功"))
}

/// The outcomes of the jobs of this task.
async fn outcomes(cx: &Context, wire: &mut Wire, task: &str) -> Result<Vec<Value>, Mismatch> {
    let reply = wire.ask(r#"{"call":"bridge.jobs","id":1}"#).await?;
    let data = cx.success(&reply["res"])?;
    let jobs = data["jobs"].as_array().cloned().unwrap_or_default();
    let of_task = jobs.into_iter().filter(|job| job["taskId"] == task);
    Ok(of_task.map(|job| job["outcome"].clone()).collect())
}

async fn jobs(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let before = outcomes(&cx, &mut wire, "a receipt").await?.len();
    printed(&cx, &mut wire, "a receipt").await?;
    let after = outcomes(&cx, &mut wire, "a receipt").await?;
    check(after.len() == before + 1 && after.last() == Some(&json!("printed")), || {
        format!("its jobs are {after:?}, and there were {before} of them before")
    })
}

async fn no_job(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let wrong = json!({"printList": [{"text": "a"}, {"imageBase64": "AAAA"}]});
    let reply = wire.ask(request(PRINT, &json!("a wrong one"), Some(wrong))).await?;
    cx.refused(&reply, "bad_request")?;
    let jobs = outcomes(&cx, &mut wire, "a wrong one").await?;
    check(jobs.is_empty(), || format!("it is a job: {jobs:?}"))
}

async fn client_gone(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.send(receipt("left alone")).await?;
    // Whichever answer it is: the receipt was taken before it.
    wire.ask(request("getDeviceInfo", &json!("taken"), None)).await?;
    drop(wire);
    let mut wire = cx.connect().await?;
    // Printed behind it, if it is printed at all.
    printed(&cx, &mut wire, "behind it").await?;
    let jobs = outcomes(&cx, &mut wire, "left alone").await?;
    check(jobs.last() == Some(&json!("printed")), || format!("its jobs are {jobs:?}"))
}

async fn trouble(cx: Context, fault: &str, state: &str, kind: &str) -> Outcome {
    cx.fault("printer", fault).await?;
    cx.until_state("printer", state).await?;
    let mut wire = cx.connect().await?;
    let reply = wire.ask(receipt("in trouble")).await?;
    cx.refused(&reply, kind)?;
    cx.fault("printer", "none").await?;
    cx.until_state("printer", "ready").await?;
    printed(&cx, &mut wire, "well again").await
}
