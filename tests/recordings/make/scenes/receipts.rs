//! Scenes of receipts: a virtual printer on a pty, and the simulated one.

use std::path::Path;

use hharome_hardware::port::far_end::{self, FarEnd, Plug};
use hharome_hardware::port::pty::PtyFarEnd;
use hharome_hardware::receipt::virtual_printer::{Fault, Model, PrinterHand, VirtualPrinter};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::client::{Client, action, call, simulate};
use super::{Scene, Stage, pause};

/// The driver at the pty.
const PRINTER: &str = "[printer]\ndriver = \"escpos-serial\"\nport = \"{dir}/printer\"\nflow = \"none\"\n\
                       journal = \"{dir}/state\"\n";

/// A customer's name, which no recording may hold.
pub(super) const CUSTOMER: &str = "欧阳拾遗";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "receipts_printed",
            "receipts with texts of all sizes are printed one after the other and confirmed; the list \
             of jobs tells of them",
            printed,
        ),
        Scene::new(
            "receipts_out_of_paper",
            "no paper, an open cover, a hot head, offline: each has words of its own, and nothing is \
             sent; filled up, it prints",
            troubles,
        ),
        Scene::new(
            "receipts_refused",
            "empty lists, entries with nothing in them, broken pictures, far too many entries",
            refused,
        ),
        Scene::new(
            "receipts_paper_ends",
            "the paper ends in the middle of a receipt, which says how far it came; filled up, the next \
             receipt is whole and the first one is not printed again",
            paper_ends,
        ),
        Scene::new("receipts_unplugged", "the printer is pulled out and put in again", unplugged),
        Scene::new(
            "receipts_unconfirmed",
            "a printer that does not answer `GS r`: success means that it has taken all and is well",
            unconfirmed,
        ),
        Scene::new(
            "receipts_simulated",
            "a simulated printer worked by `bridge.simulate`",
            simulated,
        ),
    ]
}

/// A virtual printer, and the hand that works it.
struct Printer {
    hand: PrinterHand,
    plug: Plug,
    life: JoinHandle<()>,
}

impl Printer {
    fn at(path: &Path, model: Model) -> Self {
        let end = PtyFarEnd::open(Some(path)).expect("a pty");
        let plug = end.plug().clone();
        let (device, hand) = VirtualPrinter::new(model);
        Self { hand, plug, life: tokio::spawn(far_end::run(end, device)) }
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.life.abort();
    }
}

fn receipt(task: &str, entries: Value) -> Value {
    let mut frame = action("receiptPrinting", task);
    frame["params"] = json!({ "printList": entries });
    frame
}

async fn prints(client: &mut Client, task: &str, entries: Value) {
    client.send(receipt(task, entries)).await;
    client.succeeds().await;
}

async fn printed(stage: Stage) {
    let printer = Printer::at(&stage.path("printer"), Model::default());
    let mut daemon = stage.start(PRINTER).await;
    daemon.ready("printer", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.ws().await);
    let entries = json!([
        {"text": "取号凭条", "textSize": 48, "bold": true, "algin": "center"},
        {"text": format!("姓名:{CUSTOMER}\n号码:A037")},
        {"text": "请在大厅等候", "align": "right"},
    ]);
    prints(&mut client, "1", entries).await;
    pause().await;
    prints(&mut other, "2", json!([{"text": "第二张"}])).await;
    pause().await;
    let request = receipt("3", json!([{"text": "第三张", "textSize": "20"}]));
    client.ask(json!({"call": "ampeHHCommunication", "params": request, "id": 7})).await;
    pause().await;
    client.ask(call("bridge.jobs", &json!({}))).await;
    assert_eq!(printer.hand.cuts(), 3);
    client.leave().await;
    other.leave().await;
    daemon.stop().await;
}

async fn troubles(stage: Stage) {
    let printer = Printer::at(&stage.path("printer"), Model::default());
    let mut daemon = stage.start(PRINTER).await;
    daemon.ready("printer", 1).await;
    let mut client = daemon.unix().await;
    let faults = [Fault::PaperOut, Fault::CoverOpen, Fault::Hot, Fault::Offline];
    for (fault, times) in faults.into_iter().zip(1..) {
        printer.hand.fault(fault);
        daemon.says("device not usable device=\"printer\"", times).await;
        pause().await;
        client.send(receipt("no", json!([{"text": "不会打印"}]))).await;
        client.fails_as("device_failed").await;
        pause().await;
        printer.hand.mend();
        daemon.ready("printer", times + 1).await;
        pause().await;
    }
    assert!(printer.hand.sheets().is_empty());
    prints(&mut client, "yes", json!([{"text": "会打印"}])).await;
    pause().await;
    client.ask(call("bridge.jobs", &json!({}))).await;
    client.leave().await;
    daemon.stop().await;
}

async fn paper_ends(stage: Stage) {
    let printer = Printer::at(&stage.path("printer"), Model::default());
    let mut daemon = stage.start(PRINTER).await;
    daemon.ready("printer", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.ws().await);
    pause().await;
    // Of some 330 rows.
    printer.hand.put_paper(150);
    let lines: Vec<Value> =
        (1..=10).map(|n| json!({"text": format!("第{n}项 {CUSTOMER}")})).collect();
    client.send(receipt("torn", json!(lines))).await;
    client.fails_as("device_failed").await;
    pause().await;
    // Who comes now hears of it as well, and nothing is sent.
    other.send(receipt("too early", json!([{"text": "还没有纸"}]))).await;
    other.fails_as("device_failed").await;
    pause().await;
    printer.hand.mend();
    daemon.ready("printer", 2).await;
    pause().await;
    prints(&mut other, "whole", json!([{"text": "纸已加好"}])).await;
    pause().await;
    client.ask(call("bridge.jobs", &json!({}))).await;
    client.leave().await;
    other.leave().await;
    daemon.stop().await;
}

async fn refused(stage: Stage) {
    let printer = Printer::at(&stage.path("printer"), Model::default());
    let mut daemon = stage.start(PRINTER).await;
    daemon.ready("printer", 1).await;
    let mut client = daemon.unix().await;
    for entries in [
        json!([]),
        json!("text"),
        json!([{}]),
        json!([{"bold": true}]),
        json!([{"text": "a", "algin": "middle"}]),
        json!([{"text": "a"}, {"imageBase64": "!"}]),
        json!([{"imageBase64": "data:image/png;base64,iVBORw0KGgo="}]),
        json!(vec![json!({"text": CUSTOMER}); 1001]),
    ] {
        client.send(receipt("r", entries)).await;
        client.fails_as("bad_request").await;
    }
    assert!(printer.hand.sheets().is_empty());
    client.leave().await;
    daemon.stop().await;
}

async fn unplugged(stage: Stage) {
    let printer = Printer::at(&stage.path("printer"), Model::default());
    let mut daemon = stage.start(PRINTER).await;
    daemon.ready("printer", 1).await;
    let mut client = daemon.unix().await;
    printer.plug.set(false);
    daemon.says("device not usable device=\"printer\"", 1).await;
    client.send(receipt("no", json!([{"text": "不会打印"}]))).await;
    client.fails_as("device_unavailable").await;
    pause().await;
    printer.plug.set(true);
    daemon.ready("printer", 2).await;
    pause().await;
    prints(&mut client, "yes", json!([{"text": "会打印"}])).await;
    client.leave().await;
    daemon.stop().await;
}

async fn unconfirmed(stage: Stage) {
    let model = Model { confirms: false, ..Model::default() };
    let _printer = Printer::at(&stage.path("printer"), model);
    let mut daemon = stage.start(PRINTER).await;
    daemon.ready("printer", 1).await;
    let mut client = daemon.unix().await;
    prints(&mut client, "1", json!([{"text": "打印机不能确认"}])).await;
    pause().await;
    client.ask(call("bridge.jobs", &json!({}))).await;
    client.ask(call("bridge.status", &json!({}))).await;
    client.leave().await;
    daemon.stop().await;
}

async fn simulated(stage: Stage) {
    let mut daemon = stage.start("[printer]\ndriver = \"simulated\"\n").await;
    daemon.ready("printer", 1).await;
    let mut client = daemon.unix().await;
    prints(&mut client, "1", json!([{"text": "一张"}])).await;
    pause().await;
    client.ask(simulate("printer", "fault", "fault", "paper-out")).await;
    daemon.says("device not usable device=\"printer\"", 1).await;
    pause().await;
    client.send(receipt("2", json!([{"text": "没有纸"}]))).await;
    client.fails_as("device_failed").await;
    pause().await;
    client.ask(simulate("printer", "fault", "fault", "none")).await;
    daemon.ready("printer", 2).await;
    pause().await;
    prints(&mut client, "3", json!([{"text": "又有了"}])).await;
    pause().await;
    for (verb, key, value) in
        [("paper", "text", "many"), ("fault", "fault", "vanish"), ("scan", "text", "1")]
    {
        let reply = client.ask(simulate("printer", verb, key, value)).await;
        assert_eq!(reply["res"]["success"], false, "{reply}");
    }
    client.leave().await;
    daemon.stop().await;
}
