//! `getDeviceInfo` (3.5.1).

use serde_json::json;

use super::context::Context;
use super::wire::request;
use super::{Case, Need, Outcome, check};

const NEEDS: &[Need] = &[Need::Action("getDeviceInfo")];

const FIELDS: [&str; 6] =
    ["sn", "deviceModel", "appVersion", "androidVersion", "deviceIP", "devicedDisplay"];

pub(super) static CASES: &[Case] = &[
    Case::new("device/info_is_six_strings", "3.5.1", NEEDS, |cx| Box::pin(info(cx))),
    Case::new("device/info_is_the_same_for_everybody", "3.5.1", NEEDS, |cx| Box::pin(same(cx))),
];

async fn info(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request("getDeviceInfo", &json!("1"), Some(json!({})))).await?;
    let data = cx.success(&reply)?;
    for field in FIELDS {
        check(data[field].is_string(), || format!("{field} is no string, or not there"))?;
    }
    Ok(())
}

async fn same(cx: Context) -> Outcome {
    let (mut one, mut two) = (cx.connect().await?, cx.connect().await?);
    let frame = request("getDeviceInfo", &json!("1"), Some(json!({})));
    let (one, two) = (one.ask(&frame).await?, two.ask(&frame).await?);
    cx.success(&one)?;
    for field in ["sn", "deviceModel"] {
        let (one, two) = (&one["data"][field], &two["data"][field]);
        check(one == two, || format!("{field} differs between two connections"))?;
    }
    Ok(())
}
