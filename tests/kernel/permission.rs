//! A daemon that is not root and may not open its devices: it says whose files they are.

use std::os::unix::fs::chown;
use std::path::Path;

use hharome_hardware::port::input::SND_TONE;
use tempfile::TempDir;

use crate::beeper::Beeper;
use crate::fixture::{Client, Daemon, hharome, write_config};
use crate::gadget::{Function, Gadget, SERIAL_MODULES};
use crate::gpio_bridge::{GPIO_MODULES, GpioBridge};
use crate::input_devices::{INPUT_MODULES, InputDevice};
use crate::machine::{self, must_run};
use crate::sound_card::SOUND_MODULES;

/// `nobody` and `nogroup` of Debian.
const NOBODY: u32 = 65534;

const SECTIONS: &str = r#"
[qr_scanner]
driver = "serial"
port = "/dev/ttyACM0"
[input]
driver = "evdev"
devices = ["Keyboard"]
[buzzer]
driver = "evdev"
device = "Beeper"
[infrared]
driver = "gpio"
line = "{chip}:3"
[microphone]
driver = "alsa"
device = "hw:Loopback,0,0"
"#;

/// What an answer says for those who mend things; nothing if it is a success.
async fn refused(client: &mut Client, frame: &str) -> String {
    let reply = client.ask(frame).await;
    reply["data"]["error"]["detail"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_daemon_without_permission_says_which_group_it_needs() {
    let machine = machine::take().await;
    for modules in [&SERIAL_MODULES[..], &INPUT_MODULES, &GPIO_MODULES, &SOUND_MODULES] {
        machine.load(modules);
    }
    let gadget = Gadget::new("Scanner", 0x0c2e, 0x0b61, &[Function::serial()]);
    gadget.plug_in();
    machine::appears(Path::new("/dev/ttyACM0")).await;
    let keyboard = InputDevice::keyboard("Keyboard", (0x1d6b, 0x0301)).await;
    let beeper = Beeper::plug_in("Beeper", (0x1d6b, 0x0302), &[SND_TONE]).await;
    let gpio = GpioBridge::plug_in().await;

    // Whatever lies above the program may be root's alone; here that can be changed, as all of it is
    // a layer in memory.
    for folder in Path::new(env!("CARGO_BIN_EXE_hharome")).ancestors().skip(1) {
        must_run("chmod", &["a+rx", folder.to_str().expect("UTF-8")]);
    }
    let folder = TempDir::new().expect("a folder");
    write_config(folder.path(), "", &SECTIONS.replace("{chip}", gpio.chip()));
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("the folder is given away");
    let mut command = hharome(folder.path());
    command.uid(NOBODY).gid(NOBODY);
    let daemon = Daemon::begin(folder, command).await;

    // Some are opened only for those who want them.
    let mut client = daemon.unix().await;
    refused(&mut client, r#"{"call":"ampeStartOperationWatcher","params":{}}"#).await;
    refused(&mut client, r#"{"action":"startInfraredInductionListener","taskId":"i","params":{}}"#)
        .await;
    let heard =
        refused(&mut client, r#"{"action":"startMicrophoneListener","taskId":"m","params":{}}"#)
            .await;
    assert!(heard.contains("permission denied") && heard.contains("group audio"), "{heard}");

    for (device, group, file) in [
        ("qr_scanner", "dialout", "/dev/ttyACM0"),
        ("input", "input", keyboard.path().to_str().expect("UTF-8")),
        ("buzzer", "input", beeper.path().to_str().expect("UTF-8")),
        ("infrared", "gpio", gpio.chip()),
    ] {
        let status = daemon.device(device, |device| device["state"] == "failed").await;
        let why = status["lastError"].as_str().expect("words");
        assert!(why.contains("permission denied"), "{device}: {why}");
        assert!(why.contains(&format!("often {group}")) && why.contains(file), "{device}: {why}");
    }
}
