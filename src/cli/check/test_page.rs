//! The page that `hharome check --print` prints: what the kiosk's receipts will look like.
//!
//! A daemon that holds the printer prints it; else it is printed here.

use std::path::Path;
use std::time::Duration;

use hharome_hardware::receipt::Ended;
use hharome_protocol::client::{self, ServerFrame};
use hharome_protocol::frame::{Event, TaskId};
use hharome_protocol::receipt::ReceiptParams;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::super::client::Client;
use crate::actions::receipt::on_paper;
use crate::config::Config;
use crate::devices::Devices;

/// What its client calls it.
const TASK: &str = "hharome check --print";

/// How long a page may take that others stand before.
const PATIENCE: Duration = Duration::from_secs(120);

/// Prints it at the daemon that is at `place`: that it is on paper, or why not.
pub(super) async fn at_daemon(place: &Path, config: &Config) -> Result<String, String> {
    let printed = async {
        let mut client = Client::unix(place).await.map_err(|error| error.to_string())?;
        let params = serde_json::value::to_raw_value(&page(config)).map_err(|e| e.to_string())?;
        let frame =
            client::request("receiptPrinting", Event::Open, &TaskId::from(TASK), Some(&params));
        client.send(frame).await.map_err(|error| error.to_string())?;
        loop {
            let frame = client.next().await.map_err(|error| error.to_string())?;
            let frame = frame.ok_or("the daemon has closed the connection")?;
            if let Ok(ServerFrame::Reply { answer, .. }) = ServerFrame::parse(&frame) {
                let detail = answer.data.map(|data| data.get().to_owned()).unwrap_or_default();
                return if answer.success {
                    Ok(ON_PAPER.to_owned())
                } else {
                    Err(format!("{} {detail}", answer.message))
                };
            }
        }
    };
    timeout(PATIENCE, printed).await.unwrap_or_else(|_| Err(LATE.to_owned()))
}

/// Prints it here.
pub(super) async fn at(devices: &Devices, config: &Config) -> Result<String, String> {
    let params: ReceiptParams =
        serde_json::from_value(page(config)).map_err(|error| error.to_string())?;
    let printed = on_paper(&devices.receipts, TASK, config.timeouts.printer, params);
    let printed = timeout(PATIENCE, printed).await;
    if let Some(press) = &devices.receipts.press {
        // The end of this process must not cut off what the printer has not taken yet.
        let _ = timeout(PATIENCE, press.printer.clone().finished()).await;
    }
    match printed {
        Ok(Ok(Ended::Printed)) => Ok(ON_PAPER.to_owned()),
        Ok(Ok(Ended::Sent)) => Ok("test page sent; the printer cannot confirm it".to_owned()),
        Ok(Err(failure)) => Err(format!("{}: {failure}", failure.message())),
        Err(_) => Err(LATE.to_owned()),
    }
}

const ON_PAPER: &str = "test page printed";
const LATE: &str = "the test page was not printed in time";

/// All that a receipt can have, and how wide the paper is taken to be.
fn page(config: &Config) -> Value {
    let width = config.printer.width_dots;
    let rule = "-".repeat(usize::try_from(width / 13).unwrap_or(1));
    json!({"printList": [
        {"text": "测试页 Test", "textSize": 48, "bold": true, "algin": "center"},
        {"text": format!("hharome {}  {width} dots", env!("CARGO_PKG_VERSION")), "algin": "center"},
        {"text": rule},
        {"text": "左 left"},
        {"text": "中 centre", "algin": "center"},
        {"text": "右 right", "algin": "right"},
        {"text": "0123456789 ABC abc 取号凭条 龘 € ¥", "bold": true},
        {"text": "小 20", "textSize": 20},
        {"text": "大 40", "textSize": 40},
    ]})
}
