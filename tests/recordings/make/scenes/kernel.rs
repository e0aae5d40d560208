//! Scenes of devices that need a kernel with USB and input devices: a scanner that types, readers and
//! scanners with HID reports or bulk pipes, the keyboards and touch screens of the kiosk.
//!
//! They are played in the guest of `scripts/test-kernel.sh`, at the device ends of `tests/kernel`.

use std::path::Path;
use std::time::Duration;

use evdev::KeyCode;
use hharome_hardware::code::hid_pos::far::Shape;
use hharome_hardware::id_card::people::Card;
use hharome_hardware::id_card::usb::far::DESCRIPTOR;
use hharome_hardware::id_card::virtual_reader::VirtualReader;
use serde_json::json;

use self::bulk_end::{BULK_MODULES, BulkReader};
use self::gadget::{Function, Gadget, HID_MODULES};
use self::hid_end::{DEVICE, REPORT, device, say, serve};
use self::input_devices::{INPUT_MODULES, InputDevice};
use super::client::{Client, call, card, code};
use super::{Scene, Stage, pause};

#[path = "../../../kernel/bulk_end.rs"]
mod bulk_end;
/// What the device ends want of the tests' fixture.
mod fixture {
    pub(super) use super::super::soon;
}
#[expect(dead_code, reason = "the tests of the kernel use all of it")]
#[path = "../../../kernel/gadget.rs"]
mod gadget;
#[path = "../../../kernel/hid_end.rs"]
mod hid_end;
#[expect(dead_code, reason = "the tests of the kernel use all of it")]
#[path = "../../../kernel/input_devices.rs"]
mod input_devices;
#[path = "../../../kernel/machine.rs"]
mod machine;

const CODES: &str = "initQRListener";
const TIMEOUT: &str = "ampeOperationTimeout";

const TYPES: &str = "[qr_scanner]\ndriver = \"evdev\"\nport = \"0c2e:0b61\"\n";
const SCANNER: (&str, (u16, u16)) = ("Scanner", (0x0c2e, 0x0b61));

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes = vec![
        Scene::in_kernel(
            "qr_keyboard",
            "a scanner that types: capitals and signs by shift, as on a US keyboard; a call and a \
             listener; a code with a key that types nothing known is thrown away",
            typed,
        ),
        Scene::in_kernel(
            "qr_keyboard_idle",
            "a scanner that types and ends its codes with nothing: an idle gap does",
            typed_idle,
        ),
        Scene::in_kernel(
            "qr_keyboard_unplugged",
            "a scanner that types is pulled out in the middle of a code, and used again when it is back",
            typed_unplugged,
        ),
        Scene::in_kernel(
            "operation_devices",
            "keys and touches of real input devices start the countdown again, also those of one that \
             is plugged in meanwhile",
            operated,
        ),
        Scene::in_kernel(
            "id_card_usb",
            "a reader with bulk pipes: a card is read, and again after the reader was pulled out",
            bulk,
        ),
    ];
    for (name, shape) in [("counted", Shape::Counted), ("bare", Shape::Bare)] {
        scenes.push(Scene::in_kernel(
            format!("qr_hid_pos_{name}"),
            format!(
                "a point-of-sale scanner with {name} reports: short and long codes, one that breaks \
                 off, pulled out and back"
            ),
            move |stage| point_of_sale(stage, shape),
        ));
    }
    scenes.push(Scene::in_kernel(
        "qr_hid_pos_begun_in_the_middle",
        "the recording begins when the scanner has been there for a while: it has the descriptor",
        point_of_sale_begun_later,
    ));
    for form in ["whole", "split"] {
        scenes.push(Scene::in_kernel(
            format!("id_card_hidraw_{form}"),
            format!("a reader with `reports = \"{form}\"`: a card is read, and again after it was pulled out"),
            move |stage| reports(stage, form),
        ));
    }
    scenes
}

async fn asks(daemon: &mut super::daemon::Daemon, client: &mut Client, task: usize) {
    client.send(code(task)).await;
    daemon.was_asked("getQRCode", task).await;
    pause().await;
}

async fn typed(stage: Stage) {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let mut scanner = InputDevice::keyboard(SCANNER.0, SCANNER.1).await;
    let mut daemon = stage.start(TYPES).await;
    daemon.ready("qr_scanner", 1).await;
    let (mut caller, mut listener) = (daemon.unix().await, daemon.ws().await);
    scanner.types("nobody wants this\n").await;
    pause().await;
    asks(&mut daemon, &mut caller, 1).await;
    listener.on(CODES).await;
    let text = "https://example.com/?a=1&B={x}~\\\"|^";
    scanner.types(&format!("{text}\n")).await;
    assert_eq!(caller.succeeds().await["data"]["qrCode"], text);
    listener.hears(CODES).await;
    pause().await;
    scanner.types("690123").await;
    scanner.strike(KeyCode::KEY_VOLUMEUP);
    scanner.types("4567\n").await;
    pause().await;
    scanner.types("Ab-9\n").await;
    assert_eq!(listener.hears(CODES).await["data"]["qrCode"], "Ab-9");
    caller.leave().await;
    listener.leave().await;
    daemon.stop().await;
}

async fn typed_idle(stage: Stage) {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let mut scanner = InputDevice::keyboard(SCANNER.0, SCANNER.1).await;
    let mut daemon = stage.start(&format!("{TYPES}suffix = \"\"\nidle_ms = 200\n")).await;
    daemon.ready("qr_scanner", 1).await;
    let mut listener = daemon.unix().await;
    listener.on(CODES).await;
    for text in ["6901234567892", "Ticket 7"] {
        scanner.types(text).await;
        assert_eq!(listener.hears(CODES).await["data"]["qrCode"], text);
        pause().await;
    }
    listener.leave().await;
    daemon.stop().await;
}

async fn typed_unplugged(stage: Stage) {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let mut scanner = InputDevice::keyboard(SCANNER.0, SCANNER.1).await;
    let mut daemon = stage.start(TYPES).await;
    daemon.ready("qr_scanner", 1).await;
    let (mut caller, mut listener) = (daemon.unix().await, daemon.tcp().await);
    listener.on(CODES).await;
    asks(&mut daemon, &mut caller, 1).await;
    scanner.types("690123").await;
    pause().await;
    drop(scanner);
    caller.fails_as("device_unavailable").await;
    pause().await;
    let mut scanner = InputDevice::keyboard(SCANNER.0, SCANNER.1).await;
    daemon.ready("qr_scanner", 2).await;
    asks(&mut daemon, &mut caller, 2).await;
    scanner.types("0690123\n").await;
    assert_eq!(caller.succeeds().await["data"]["qrCode"], "0690123");
    listener.hears(CODES).await;
    caller.leave().await;
    listener.leave().await;
    daemon.stop().await;
}

async fn operated(stage: Stage) {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let mut keyboard = InputDevice::keyboard("A keyboard", (0x1d6b, 0x0301)).await;
    let sections = "[input]\ndriver = \"evdev\"\n[timeouts]\noperation = 3000\n";
    let mut daemon = stage.start(sections).await;
    daemon.ready("input", 1).await;
    let mut client = daemon.unix().await;
    let start = call("ampeStartOperationWatcher", &json!({}));
    assert_eq!(client.ask(start.clone()).await["res"]["success"], true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    keyboard.strike(KeyCode::KEY_A);
    let mut screen = InputDevice::touch_screen("A touch screen", (0x1d6b, 0x0302)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    screen.touch();
    client.hears(TIMEOUT).await;
    client.leave().await;
    daemon.stop().await;
}

/// What is recorded begins with the second card: the first, in software emulation, takes a program
/// longer than drivers wait for anything.
const BULK: &str = "[id_card]\ndriver = \"sam-v-usb\"\npoll_ms = 100\n";

/// Puts a card on, which must be read.
async fn reads(
    daemon: &mut super::daemon::Daemon,
    client: &mut Client,
    round: usize,
    put: impl FnOnce(Card),
) {
    client.send(card(round)).await;
    daemon.was_asked("getIDCardInfo", round).await;
    pause().await;
    put(Card::zhang_san());
    client.succeeds().await;
    pause().await;
}

async fn bulk(stage: Stage) {
    let machine = machine::take().await;
    machine.load(&BULK_MODULES);
    let reader = BulkReader::new();
    let mut daemon = stage.start_unrecorded(BULK).await;
    let mut client = daemon.unix().await;
    for round in 1..=3 {
        reader.gadget.plug_in();
        daemon.ready("id_card", round).await;
        if round == 2 {
            daemon.record("start", stage.recording()).await;
        }
        reads(&mut daemon, &mut client, round, |card| reader.hand.put(card)).await;
        reader.hand.lift();
        pause().await;
        reader.gadget.pull_out();
        daemon.says("device not usable device=\"id_card\"", round + 1).await;
    }
    client.leave().await;
    daemon.stop().await;
    reader.end().await;
}

async fn reports(stage: Stage, form: &'static str) {
    let machine = machine::take().await;
    machine.load(&HID_MODULES);
    let function = Function::hid(DESCRIPTOR, REPORT);
    let gadget = Gadget::new("HID card reader", 0x0400, 0xc35a, &[function]);
    let sections = format!(
        "[id_card]\ndriver = \"sam-v-hidraw\"\ndevice = \"0400:c35a\"\nreports = \"{form}\"\n\
         poll_ms = 100\n"
    );
    let mut daemon = stage.start_unrecorded(&sections).await;
    let mut client = daemon.unix().await;
    for round in 1..=3 {
        gadget.plug_in();
        machine::appears(Path::new(DEVICE)).await;
        let (reader, hand) = VirtualReader::new();
        let life = tokio::spawn(serve(reader, form == "split"));
        daemon.ready("id_card", round).await;
        if round == 2 {
            daemon.record("start", stage.recording()).await;
        }
        reads(&mut daemon, &mut client, round, |card| hand.put(card)).await;
        life.abort();
        let _ = life.await;
        gadget.pull_out();
        daemon.says("device not usable device=\"id_card\"", round + 1).await;
    }
    client.leave().await;
    daemon.stop().await;
}

fn point_of_sale_gadget(shape: Shape) -> Gadget {
    let function = Function::hid(shape.descriptor(), REPORT);
    Gadget::new("HID scanner", 0x0c2e, 0x0b61, &[function])
}

const POINT_OF_SALE: &str = "[qr_scanner]\ndriver = \"hid-pos\"\n";

async fn point_of_sale(stage: Stage, shape: Shape) {
    let machine = machine::take().await;
    machine.load(&HID_MODULES);
    let gadget = point_of_sale_gadget(shape);
    let mut daemon = stage.start(POINT_OF_SALE).await;
    let mut listener = daemon.unix().await;
    listener.on(CODES).await;
    let long = "二维码 ".repeat(40);
    for round in 1..=2 {
        gadget.plug_in();
        machine::appears(Path::new(DEVICE)).await;
        daemon.ready("qr_scanner", round).await;
        let mut scanner = device();
        // The beginning of a code, whose rest never comes.
        for report in shape.reports("torn off ".repeat(8).as_bytes(), false) {
            say(&mut scanner, &report).await;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        for text in ["6901234567892", &long] {
            for report in shape.reports(text.as_bytes(), true) {
                say(&mut scanner, &report).await;
            }
            assert_eq!(listener.hears(CODES).await["data"]["qrCode"], text);
            pause().await;
        }
        drop(scanner);
        gadget.pull_out();
        daemon.says("device not usable device=\"qr_scanner\"", round + 1).await;
    }
    listener.leave().await;
    daemon.stop().await;
}

async fn point_of_sale_begun_later(stage: Stage) {
    let machine = machine::take().await;
    machine.load(&HID_MODULES);
    let (shape, gadget) = (Shape::Counted, point_of_sale_gadget(Shape::Counted));
    gadget.plug_in();
    machine::appears(Path::new(DEVICE)).await;
    let mut daemon = stage.start_unrecorded(POINT_OF_SALE).await;
    daemon.ready("qr_scanner", 1).await;
    let mut listener = daemon.unix().await;
    listener.on(CODES).await;
    let mut scanner = device();
    for (turn, text) in ["before", "6901234567892", "after"].into_iter().enumerate() {
        if turn == 1 {
            daemon.record("start", stage.recording()).await;
            pause().await;
        }
        for report in shape.reports(text.as_bytes(), true) {
            say(&mut scanner, &report).await;
        }
        assert_eq!(listener.hears(CODES).await["data"]["qrCode"], text);
        pause().await;
    }
    drop(scanner);
    listener.leave().await;
    daemon.stop().await;
    gadget.pull_out();
}
