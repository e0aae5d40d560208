//! `receiptPrinting` and `bridge.jobs`.

use std::future::{Future, ready};
use std::time::Duration;

use hharome_hardware::receipt::escpos::{Job as EncodedJob, encode};
use hharome_hardware::receipt::journal::{Fate, Record};
use hharome_hardware::receipt::layout::{Align, Image, Item, LayoutError, Limits, Text};
use hharome_hardware::receipt::native;
use hharome_hardware::receipt::status::Obstacle;
use hharome_hardware::receipt::{Ended, PrintError, Progress, Refused};
use hharome_protocol::action::{Empty, NoParams};
use hharome_protocol::bridge::{Job, JobOutcome, Jobs};
use hharome_protocol::failure::Failure;
use hharome_protocol::frame::TaskId;
use hharome_protocol::receipt::{self as protocol, ReceiptParams};
use serde_json::value::RawValue;

use super::waiting::Words;
use crate::bridge::Bridge;
use crate::devices::{Press, Receipts};
use crate::router::CallContext;

const WORDS: Words = Words {
    section: "printer",
    off: "本机未配置小票打印机",
    absent: "打印机未连接,请检查电源和连线或联系工作人员",
    failed: "打印机故障,请联系工作人员",
    unreadable: "打印机故障,请联系工作人员",
};

/// Takes its place in the queue at once, and is answered when the receipt is on paper, or is not.
pub(super) fn print(
    context: CallContext,
    params: ReceiptParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    let label = context.stages.task_id().map(TaskId::as_json).unwrap_or_default();
    let limit = context.bridge.config().timeouts.printer;
    let printed = on_paper(&context.bridge.devices.receipts, label, limit, params);
    async move { printed.await.map(|_| Empty {}) }
}

/// The same for whoever has the printer.
pub fn on_paper(
    receipts: &Receipts,
    label: &str,
    limit: Option<Duration>,
    params: ReceiptParams,
) -> impl Future<Output = Result<Ended, Failure>> + Send + use<> {
    let printing = match &receipts.press {
        None => Err(WORDS.not_configured()),
        Some(press) => {
            let own = press.clone();
            let weight = weight(&params);
            let lay_out = move || lay_out(params, &own);
            press.printer.print(label.to_owned(), weight, limit, lay_out).map_err(failure)
        }
    };
    async move {
        printing?.ended().await.map_err(|refused| match refused {
            Refused::Wrong(failure) => failure,
            Refused::NotPrinted(error) => failure(error),
        })
    }
}

/// The bytes that a receipt holds until it is laid out.
fn weight(params: &ReceiptParams) -> usize {
    let bytes = |entry: &protocol::Entry| {
        let text = entry.text.as_ref().map_or(0, |text| text.text.len());
        text + entry.image.as_ref().map_or(0, |image| image.picture.as_base64().len())
    };
    params.print_list.iter().map(bytes).sum()
}

/// The last hundred jobs.
pub(super) fn jobs(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<Jobs, Failure>> + Send {
    let press = context.bridge.devices.receipts.press.as_ref();
    let jobs = press.map(|press| press.printer.jobs()).unwrap_or_default();
    let bridge = &context.bridge;
    ready(Ok(Jobs { jobs: jobs.into_iter().map(|job| told(bridge, job)).collect() }))
}

fn told(bridge: &Bridge, record: Record) -> Job {
    let Record { id, at, accepted, label, fate, detail, .. } = record;
    let at = accepted.map_or(at, |moment| bridge.epoch_ms(moment));
    let raw = RawValue::from_string(label).ok();
    let outcome = match fate {
        Fate::Queued => JobOutcome::Queued,
        Fate::Printing => JobOutcome::Printing,
        Fate::Printed => JobOutcome::Printed,
        Fate::Sent => JobOutcome::Sent,
        Fate::Failed => JobOutcome::Failed,
        Fate::Unknown => JobOutcome::Unknown,
    };
    let task_id = raw.and_then(|raw| TaskId::from_raw(&raw)).unwrap_or_else(|| TaskId::from(""));
    Job { id, task_id, at, outcome, detail }
}

/// Everything that can be wrong with a receipt is found here. Blocks.
fn lay_out(params: ReceiptParams, press: &Press) -> Result<EncodedJob, Failure> {
    let Press { typesetter, width_dots, profile, .. } = press;
    let limits = Limits::default();
    let entries = params.print_list.into_iter().enumerate();
    let items = entries.map(|(index, entry)| item(index, entry)).collect::<Result<_, _>>()?;
    let encoded = if press.native {
        native::encode(items, typesetter, *width_dots, &limits, profile)
    } else {
        let page = typesetter.lay_out(items, *width_dots, &limits);
        page.map(|page| encode(page.bands(profile.band_rows), profile))
    };
    encoded.map_err(|error| match error {
        LayoutError::NoFont => {
            Failure::device_failed("本机未安装字体,无法打印,请联系工作人员", error.to_string())
        }
        wrong => Failure::bad_request(format!("params.{wrong}")),
    })
}

fn item(index: usize, entry: protocol::Entry) -> Result<Item, Failure> {
    let protocol::Entry { text, image, align } = entry;
    let image = image.map(|image| {
        let bytes = image.picture.decode(&format!("printList[{index}].imageBase64"))?;
        Ok::<_, Failure>(Image { bytes, width: image.width, height: image.height })
    });
    Ok(Item {
        text: text.map(|text| Text { text: text.text, size: text.size, bold: text.bold }),
        image: image.transpose()?,
        align: match align {
            protocol::Align::Left => Align::Left,
            protocol::Align::Center => Align::Center,
            protocol::Align::Right => Align::Right,
        },
    })
}

/// A printer's trouble in words that a clerk can act on, and how far the receipt has come.
fn failure(error: PrintError) -> Failure {
    let detail = error.to_string();
    match error {
        PrintError::Full => Failure::device_busy("打印任务过多,请稍后再试", detail),
        PrintError::Trouble(trouble) => WORDS.failure(trouble),
        PrintError::Obstacle { what, progress } => {
            Failure::device_failed(with_progress(obstacle(what), progress), detail)
        }
        PrintError::Stalled { progress, .. } => {
            let words = "打印机长时间无响应,请检查打印机";
            Failure::device_failed(with_progress(words, progress), detail)
        }
        PrintError::Gone { progress, .. } => {
            Failure::device_unavailable(with_progress(WORDS.absent, progress), detail)
        }
        PrintError::Unconfirmed => {
            Failure::device_failed("打印机未确认打印结果,请查看小票是否已打出", detail)
        }
        PrintError::Journal(_) => {
            Failure::device_failed("无法保存打印记录,小票未打印,请联系工作人员", detail)
        }
        PrintError::Stopped => Failure::device_unavailable("服务正在停止,小票可能未打印", detail),
        PrintError::Internal(_) => Failure::internal(detail),
    }
}

fn obstacle(what: Obstacle) -> &'static str {
    match what {
        Obstacle::PaperOut => "打印机缺纸,请加纸",
        Obstacle::CoverOpen => "打印机上盖未关,请合上上盖",
        Obstacle::Cutter => "打印机切刀故障,请联系工作人员",
        Obstacle::Broken => "打印机故障,请关机后重新开机或联系工作人员",
        Obstacle::Overheated => "打印头过热,请稍后再试",
        Obstacle::Error => "打印机出错,请联系工作人员",
        Obstacle::Feeding => "打印机正在走纸,请稍后再试",
        Obstacle::Offline => "打印机脱机,请检查打印机或联系工作人员",
    }
}

fn with_progress(words: &str, progress: Progress) -> String {
    match progress.percent() {
        _ if !progress.begun => format!("{words};小票未打印"),
        0 => format!("{words};小票可能已打印一部分,请查看"),
        percent if !progress.confirmed => {
            format!("{words};小票已发送约{percent}%,请查看已打出的部分")
        }
        100 => format!("{words};小票内容已全部打印"),
        percent => format!("{words};小票可能已打印一部分(至少{percent}%),请查看"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_of_a_printer_has_words_of_its_own() {
        let all = [
            Obstacle::PaperOut,
            Obstacle::CoverOpen,
            Obstacle::Cutter,
            Obstacle::Broken,
            Obstacle::Overheated,
            Obstacle::Error,
            Obstacle::Feeding,
            Obstacle::Offline,
        ];
        let words: std::collections::BTreeSet<_> = all.iter().map(|what| obstacle(*what)).collect();
        assert_eq!(words.len(), all.len());
    }

    #[test]
    fn a_failure_in_the_middle_says_how_far_it_came() {
        let failed = |rows, begun| {
            let progress = Progress { rows, of: 1000, confirmed: true, begun };
            failure(PrintError::Obstacle { what: Obstacle::PaperOut, progress })
                .message()
                .to_owned()
        };
        assert_eq!(failed(0, false), "打印机缺纸,请加纸;小票未打印");
        assert_eq!(failed(0, true), "打印机缺纸,请加纸;小票可能已打印一部分,请查看");
        assert_eq!(failed(419, true), "打印机缺纸,请加纸;小票可能已打印一部分(至少41%),请查看");
        assert_eq!(failed(999, true), "打印机缺纸,请加纸;小票可能已打印一部分(至少99%),请查看");
        assert_eq!(failed(1000, true), "打印机缺纸,请加纸;小票内容已全部打印");
        let progress = Progress { rows: 500, of: 1000, confirmed: false, begun: true };
        let error = PrintError::Obstacle { what: Obstacle::PaperOut, progress };
        assert!(failure(error).message().ends_with("小票已发送约50%,请查看已打出的部分"));
    }
}
