//! The buzzer: the PC's own speaker, an input device that takes tones. Whether it sounds is read
//! from the port of the hardware.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::fixture::{Daemon, soon};
use crate::machine;

/// Port B of the PC's system control: the lowest two bits let the timer's tone through to the
/// speaker (Intel, 82801 datasheets, "NMI status and control").
const PORT_B: u64 = 0x61;

fn sounds() -> bool {
    let ports = File::open("/dev/port").expect("/dev/port");
    let mut byte = [0];
    ports.read_exact_at(&mut byte, PORT_B).expect("a port is read");
    byte[0] & 3 == 3
}

/// Waits for sound or silence; when it was there.
async fn becomes(sounding: bool) -> Instant {
    let what = if sounding { "it sounds" } else { "it is silent" };
    let becomes = async {
        while sounds() != sounding {
            sleep(Duration::from_millis(2)).await;
        }
        Instant::now()
    };
    soon(what, becomes).await
}

fn beep(ms: u32) -> String {
    format!(r#"{{"action":"startBuzzer","event":"open","taskId":"b","params":{{"beep":{ms}}}}}"#)
}

#[tokio::test]
async fn a_beep_sounds_for_its_time_and_ends_though_the_daemon_is_killed() {
    let machine = machine::take().await;
    machine.load(&["pcspkr", "evdev"]);
    let daemon = Daemon::start("", "[buzzer]\ndriver = \"evdev\"\n").await;
    daemon.ready("buzzer").await;
    assert!(!sounds());
    let mut client = daemon.unix().await;

    client.send(&beep(700)).await;
    let began = becomes(true).await;
    let lasted = becomes(false).await - began;
    let reply = client.next().await;
    assert_eq!(reply["success"], true, "{reply}");
    let right = Duration::from_millis(500)..Duration::from_millis(1500);
    assert!(right.contains(&lasted), "700 ms lasted {lasted:?}");

    client.send(&beep(1500)).await;
    becomes(true).await;
    daemon.signal(Signal::KILL);
    becomes(false).await;
    drop(daemon);

    // Nothing of it is left that would sound for ever, or keep the device from the next daemon.
    let daemon = Daemon::start("", "[buzzer]\ndriver = \"evdev\"\n").await;
    daemon.ready("buzzer").await;
    let mut client = daemon.unix().await;
    client.send(&beep(50)).await;
    becomes(true).await;
    becomes(false).await;
    assert_eq!(client.next().await["success"], true);
}
