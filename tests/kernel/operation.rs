//! Whether anybody operates the kiosk: keys and touches of real input devices.

use std::time::Duration;

use evdev::KeyCode;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::fixture::Daemon;
use crate::input_devices::{INPUT_MODULES, InputDevice};
use crate::machine;

const WATCH: &str = r#"{"call":"ampeStartOperationWatcher","params":{}}"#;

/// How long nobody operates the kiosk until it is told.
const LIMIT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_key_or_a_touch_starts_the_countdown_again_and_devices_may_come_later() {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let mut keyboard = InputDevice::keyboard("Keyboard", (0x1d6b, 0x0301)).await;
    let sections = "[input]\ndriver = \"evdev\"\n[timeouts]\noperation = 2000\n";
    let daemon = Daemon::start("", sections).await;
    daemon.ready("input").await;
    let mut client = daemon.unix().await;
    let reply = client.ask(WATCH).await;
    assert_eq!(reply["res"], json!({"success": true, "message": "成功", "data": {}}));

    // A touch screen that is plugged in only now counts as well.
    let mut screen = InputDevice::touch_screen("Touch screen", (0x1d6b, 0x0302)).await;
    let mut last = Instant::now();
    for round in 0..6 {
        sleep(LIMIT * 2 / 5).await;
        last = Instant::now();
        if round % 2 == 0 {
            keyboard.strike(KeyCode::KEY_A);
        } else {
            screen.touch();
        }
    }
    assert_eq!(client.next().await, json!({"channel": "ampeOperationTimeout", "data": {}}));
    let waited = last.elapsed();
    assert!(waited > LIMIT * 9 / 10, "told {waited:?} after the last touch");

    // Once: what happens now starts nothing.
    keyboard.strike(KeyCode::KEY_B);
    sleep(LIMIT * 3 / 2).await;
    client.nothing_came().await;
}
