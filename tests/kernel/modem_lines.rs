//! A modem line of a serial port as a presence sensor's contact: carrier, which the kernel's device
//! side holds while somebody has its end of the line open.

use std::path::Path;

use serde_json::json;

use crate::fixture::{Client, Daemon, soon};
use crate::gadget::{Function, Gadget, SERIAL_MODULES, SerialEnd};
use crate::machine;

const SECTION: &str = "[infrared]\ndriver = \"serial\"\nport = \"/dev/ttyACM0\"\nprotocol = \"dcd\"\n\
                       poll_ms = 50\n";

const START: &str =
    r#"{"action":"startInfraredInductionListener","taskId":"i","params":{"intervalTime":2000}}"#;

/// Waits for an event that tells this.
async fn tells(client: &mut Client, code: &str) {
    let told = async {
        loop {
            let event = client.next().await;
            assert_eq!(event["channel"], "initInfraredInductionListener", "{event}");
            if event["data"] == json!({"inductionCode": code}) {
                return;
            }
        }
    };
    soon(&format!("an event with {code}"), told).await;
}

#[tokio::test]
async fn a_contact_at_a_modem_line_tells_of_people() {
    let machine = machine::take().await;
    machine.load(&SERIAL_MODULES);
    let gadget = Gadget::new("Contact", 0x0c2e, 0x0b62, &[Function::serial()]);
    gadget.plug_in();
    machine::appears(Path::new("/dev/ttyACM0")).await;

    let daemon = Daemon::start("", SECTION).await;
    daemon.ready("infrared").await;
    let mut client = daemon.unix().await;
    assert_eq!(client.ask(START).await["success"], true);
    tells(&mut client, "0").await;
    let contact = SerialEnd::open().await;
    tells(&mut client, "1").await;
    drop(contact);
    tells(&mut client, "0").await;

    gadget.pull_out();
    daemon.device("infrared", |device| device["state"] == "absent").await;
    gadget.plug_in();
    daemon.ready("infrared").await;
    let _contact = SerialEnd::open().await;
    tells(&mut client, "1").await;
}
