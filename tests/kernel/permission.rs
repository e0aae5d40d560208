//! A daemon that is not root and may not open its devices: it says whose files they are.

use std::os::unix::fs::chown;
use std::path::Path;

use tempfile::TempDir;

use crate::fixture::{Daemon, hharome, write_config};
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
[infrared]
driver = "gpio"
line = "gpiochip0:3"
[microphone]
driver = "alsa"
device = "hw:Loopback,0,0"
[buzzer]
driver = "evdev"
"#;

#[tokio::test]
async fn a_daemon_without_permission_says_which_group_it_needs() {
    let machine = machine::take().await;
    for modules in [&SERIAL_MODULES[..], &INPUT_MODULES, &GPIO_MODULES, &SOUND_MODULES, &["pcspkr"]]
    {
        machine.load(modules);
    }
    let gadget = Gadget::new("Scanner", 0x0c2e, 0x0b61, &[Function::serial()]);
    gadget.plug_in();
    machine::appears(Path::new("/dev/ttyACM0")).await;
    let keyboard = InputDevice::keyboard("Keyboard", (0x1d6b, 0x0301)).await;
    let _gpio = GpioBridge::plug_in().await;

    // Whatever lies above the program may be root's alone; here that can be changed, as all of it is
    // a layer in memory.
    for folder in Path::new(env!("CARGO_BIN_EXE_hharome")).ancestors() {
        must_run("chmod", &["a+rx", folder.to_str().expect("UTF-8")]);
    }
    let folder = TempDir::new().expect("a folder");
    write_config(folder.path(), "", SECTIONS);
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("the folder is given away");
    let mut command = hharome(folder.path());
    command.uid(NOBODY).gid(NOBODY);
    let daemon = Daemon::begin(folder, command).await;

    for (device, group, file) in [
        ("qr_scanner", "dialout", "/dev/ttyACM0"),
        ("input", "input", keyboard.path().to_str().expect("UTF-8")),
        ("infrared", "gpio", "gpiochip0"),
        ("buzzer", "input", "/dev/input/event"),
    ] {
        let status = daemon.device(device, |device| device["state"] == "failed").await;
        let why = status["lastError"].as_str().expect("words");
        assert!(why.contains("permission denied"), "{device}: {why}");
        assert!(why.contains(group) && why.contains(file), "{device}: {why}");
    }
    // The microphone is opened for whoever wants to hear it.
    let mut client = daemon.unix().await;
    let start = r#"{"action":"startMicrophoneListener","event":"open","taskId":"m","params":{}}"#;
    let reply = client.ask(start).await;
    let why = reply["data"]["error"]["detail"].as_str().expect("words");
    assert!(why.contains("permission denied") && why.contains("audio"), "{why}");
}
