//! Presence sensors: a switch of an input device, a GPIO line.

use std::time::Duration;

use evdev::SwitchCode;
use serde_json::json;

use crate::fixture::{Client, Daemon, kind, soon};
use crate::gpio_bridge::{GPIO_MODULES, GpioBridge};
use crate::input_devices::{INPUT_MODULES, InputDevice};
use crate::machine;

const START: &str = r#"{"action":"startInfraredInductionListener","event":"open","taskId":"i","params":{"intervalTime":2000}}"#;

/// Waits for an event with this code; how many others came first.
async fn tells(client: &mut Client, code: &str) -> usize {
    let told = async {
        let mut others = 0;
        loop {
            let event = client.next().await;
            assert_eq!(event["channel"], "initInfraredInductionListener", "{event}");
            if event["data"] == json!({"inductionCode": code}) {
                return others;
            }
            others += 1;
        }
    };
    soon(&format!("an event with {code}"), told).await
}

async fn starts(daemon: &Daemon) -> Client {
    let mut client = daemon.unix().await;
    let reply = client.ask(START).await;
    assert_eq!(reply["success"], true, "{reply}");
    client
}

#[tokio::test]
async fn a_switch_of_an_input_device_tells_of_people_and_of_those_who_went_again() {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let mut sensor = InputDevice::presence_sensor("Presence Sensor", (0x1d6b, 0x0201)).await;
    sensor.switch(SwitchCode::SW_FRONT_PROXIMITY, true);

    let daemon =
        Daemon::start("", "[infrared]\ndriver = \"evdev\"\ndevice = \"Presence*\"\n").await;
    let mut client = starts(&daemon).await;
    // It was on before anybody looked: the state is read, not only changes.
    tells(&mut client, "1").await;
    sensor.switch(SwitchCode::SW_FRONT_PROXIMITY, false);
    tells(&mut client, "0").await;
    // Somebody came and went between two events.
    sensor.switch(SwitchCode::SW_FRONT_PROXIMITY, true);
    sensor.switch(SwitchCode::SW_FRONT_PROXIMITY, false);
    assert_eq!(tells(&mut client, "1").await, 0, "the visit was missed");
    assert_eq!(tells(&mut client, "0").await, 0, "nobody is there any more");

    // Pulled out and plugged in with another number.
    drop(sensor);
    let _keyboard = InputDevice::keyboard("In between", (1, 1)).await;
    daemon.device("infrared", |device| device["state"] == "absent").await;
    let mut other = daemon.unix().await;
    assert_eq!(kind(&other.ask(START).await), "device_unavailable");
    let mut sensor = InputDevice::presence_sensor("Presence Sensor", (0x1d6b, 0x0201)).await;
    daemon.ready("infrared").await;
    sensor.switch(SwitchCode::SW_FRONT_PROXIMITY, true);
    tells(&mut client, "1").await;
}

#[tokio::test]
async fn a_gpio_line_tells_of_people_until_its_chip_is_pulled_out() {
    let machine = machine::take().await;
    machine.load(&GPIO_MODULES);
    let bridge = GpioBridge::plug_in().await;
    bridge.drive(3, true);

    let line = format!("{}:3", bridge.chip());
    let sections = format!("[infrared]\ndriver = \"gpio\"\nline = \"{line}\"\ndebounce_ms = 0\n");
    let daemon = Daemon::start("", &sections).await;
    let mut client = starts(&daemon).await;
    tells(&mut client, "1").await;
    bridge.drive(3, false);
    tells(&mut client, "0").await;
    // Another line is nobody's business.
    bridge.drive(2, true);
    assert_eq!(tells(&mut client, "0").await, 0);
    // The bridge is asked ten times a second, and the visit is longer than that.
    bridge.drive(3, true);
    tokio::time::sleep(Duration::from_millis(300)).await;
    bridge.drive(3, false);
    tells(&mut client, "1").await;
    tells(&mut client, "0").await;

    // It is not plugged in again here: this kernel (6.1) keeps the number of a chip that went while
    // its lines were in use, so the next one has another number, and its lines have no names.
    drop(bridge);
    daemon.device("infrared", |device| device["state"] == "absent").await;
    let mut other = daemon.unix().await;
    assert_eq!(kind(&other.ask(START).await), "device_unavailable");
}
