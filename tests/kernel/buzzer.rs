//! Beepers that are input devices: what they are told, and that they fall silent whatever becomes of the
//! daemon.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evdev::{EventType, InputEvent};
use hharome_hardware::port::input::{SND_BELL, SND_TONE};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::beeper::Beeper;
use crate::fixture::{Client, Daemon, kind, run, within, write_config};
use crate::input_devices::INPUT_MODULES;
use crate::machine;

const SECTION: &str = "[buzzer]\ndriver = \"evdev\"\ndevice = \"Kiosk*\"\nfrequency_hz = 1500\n";

/// The longest beep, in ms: whoever waits for its natural end fails.
const LONG: u64 = 60_000;

/// A beep by this task.
fn beep(task: &str, ms: u64) -> String {
    json!({"action": "startBuzzer", "taskId": task, "params": {"beep": ms}}).to_string()
}

async fn beeps(client: &mut Client, ms: u64) {
    let reply = client.ask(&beep("b", ms)).await;
    let expected: Value = json!({"action": "startBuzzer", "event": "open", "taskId": "b",
        "success": true, "message": "成功", "data": {}});
    assert_eq!(reply, expected);
}

/// The helpers of beepers that run.
fn helpers() -> Vec<Pid> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes
        .filter_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            // A process that has ended has no arguments any more, reaped or not.
            let arguments = fs::read_to_string(process.path().join("cmdline")).ok()?;
            arguments.split('\0').any(|it| it == "beep-helper").then(|| Pid::from_raw(pid))?
        })
        .collect()
}

fn helper() -> Pid {
    let [helper] = helpers()[..] else { panic!("one helper runs, not {:?}", helpers()) };
    helper
}

async fn no_helper_is_left() {
    let ended = async {
        while !helpers().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(Duration::from_secs(30), "the helper has ended", ended).await;
}

#[tokio::test]
async fn beeps_are_tones_of_their_length_one_after_the_other() {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let mut beeper = Beeper::plug_in("Kiosk Beeper", (1, 2), &[SND_TONE]).await;
    let daemon = Daemon::start("", SECTION).await;
    daemon.ready("buzzer").await;
    let mut client = daemon.unix().await;
    for (task, ms) in [("a", 400), ("b", 50), ("c", 50)] {
        client.send(&beep(task, ms)).await;
    }
    for task in ["a", "b", "c"] {
        let reply = client.next().await;
        assert_eq!((&reply["taskId"], &reply["success"]), (&json!(task), &json!(true)));
    }
    let told = beeper.told("three beeps", |told| told.len() == 7).await;
    let values: Vec<_> = told.iter().map(|(_, code, value)| (*code, *value)).collect();
    let (tone, silence) = ((SND_TONE, 1500), (SND_TONE, 0));
    // The first silence is the helper's beginning.
    assert_eq!(values, [silence, tone, silence, tone, silence, tone, silence]);
    let lasted = told[2].0 - told[1].0;
    assert!(lasted > Duration::from_millis(380), "a beep of 400 ms lasted {lasted:?}");

    let status = daemon.device("buzzer", |device| device["state"] == "ready").await;
    assert_eq!(status["facts"]["device"], "Kiosk Beeper");
    assert_eq!(status["facts"]["sound"], "tone of 1500 Hz");
    assert_eq!(status["counters"]["beeps"], 3);
}

#[tokio::test]
async fn a_tone_ends_with_the_daemon_however_that_ends() {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let mut beeper = Beeper::plug_in("Kiosk Beeper", (1, 2), &[SND_TONE]).await;
    for (rounds, signal) in [(1, Signal::KILL), (2, Signal::TERM)] {
        let mut daemon = Daemon::start("", SECTION).await;
        beeps(&mut daemon.unix().await, LONG).await;
        beeper.sounds().await;
        if signal == Signal::TERM {
            // As systemd does it: to all processes of a service. The helper's comes first here; so do
            // those of a terminal.
            for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
                kill_process(helper(), signal).expect("it runs");
            }
            // The daemon would hear of the helper's death before it answers.
            daemon.device("buzzer", |device| device["state"] == "busy").await;
        }
        daemon.signal(signal);
        beeper.is_silent().await;
        daemon.ended().await;
        no_helper_is_left().await;
        // Silence, a tone, silence: another helper in the place of one that had died by its signal
        // would have said more.
        let told = beeper.told("nothing more", |_| true).await;
        assert_eq!(told.len(), 3 * rounds, "{signal:?}");
    }
}

#[tokio::test]
async fn a_tone_ends_when_the_daemon_stands_still_and_when_the_helper_is_killed() {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let mut beeper = Beeper::plug_in("Kiosk Beeper", (1, 2), &[SND_TONE]).await;
    let daemon = Daemon::start("", SECTION).await;
    let mut client = daemon.unix().await;
    beeps(&mut client, 500).await;
    daemon.signal(Signal::STOP);
    beeper.is_silent().await;
    daemon.signal(Signal::CONT);
    daemon.ready("buzzer").await;

    beeps(&mut client, LONG).await;
    beeper.sounds().await;
    let first = helper();
    kill_process(first, Signal::KILL).expect("it runs");
    // Another one takes its place, whose first act is silence.
    beeper.is_silent().await;
    daemon.ready("buzzer").await;
    assert_ne!(helper(), first);
    beeps(&mut client, 50).await;
    let status = daemon.device("buzzer", |device| device["state"] == "ready").await;
    let error = status["lastError"].as_str().expect("it is told of");
    assert!(error.contains("has ended by signal 9"), "{error}");
}

#[tokio::test]
async fn a_beeper_that_is_pulled_out_in_the_middle_of_a_beep_is_used_again_when_it_is_back() {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    // One at a GPIO line has no tones.
    let beeper = Beeper::plug_in("Kiosk Beeper", (1, 2), &[SND_BELL]).await;
    let daemon = Daemon::start("", SECTION).await;
    let mut client = daemon.unix().await;
    beeps(&mut client, LONG).await;
    drop(beeper);
    daemon.device("buzzer", |device| device["state"] == "absent").await;
    assert_eq!(kind(&client.ask(&beep("c", 50)).await), "device_unavailable");
    no_helper_is_left().await;
    let _in_between = Beeper::plug_in("Another", (1, 3), &[SND_TONE]).await;
    let mut beeper = Beeper::plug_in("Kiosk Beeper", (1, 2), &[SND_BELL]).await;
    daemon.ready("buzzer").await;
    beeps(&mut client, 50).await;
    let told = beeper.told("a beep", |told| told.len() == 3).await;
    let values: Vec<_> = told.iter().map(|(_, code, value)| (*code, *value)).collect();
    assert_eq!(values, [(SND_BELL, 0), (SND_BELL, 1), (SND_BELL, 0)]);
}

/// Whether the PC's speaker sounds: bits 0 and 1 of port 61h let the timer drive it.
fn speaker_sounds() -> bool {
    let mut port = [0];
    let ports = File::open("/dev/port").expect("/dev/port");
    ports.read_exact_at(&mut port, 0x61).expect("port 61h");
    port[0] & 3 == 3
}

async fn speaker(sounds: bool) {
    let changed = async {
        while speaker_sounds() != sounds {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(Duration::from_secs(30), "the speaker changes", changed).await;
}

/// The kernel's device of the PC's speaker.
fn speaker_device() -> PathBuf {
    let devices = fs::read_dir("/sys/class/input").expect("/sys").flatten();
    let is_speaker = |folder: &Path| {
        fs::read_to_string(folder.join("device/name")).is_ok_and(|name| name == "PC Speaker\n")
    };
    let event = devices.map(|entry| entry.path()).find(|folder| is_speaker(folder));
    Path::new("/dev/input").join(event.expect("pcspkr").file_name().expect("a name"))
}

#[tokio::test]
async fn the_pcs_speaker_is_silenced_at_the_start_and_when_the_daemon_is_killed() {
    let machine = machine::take().await;
    machine.load(&["evdev", "pcspkr"]);
    machine::appears(&speaker_device()).await;
    {
        let mut device = evdev::raw_stream::RawDevice::open(speaker_device()).expect("it opens");
        let tone = InputEvent::new(EventType::SOUND.0, SND_TONE, 440);
        device.send_events(&[tone]).expect("it takes a tone");
    }
    assert!(speaker_sounds(), "closing its device does not silence it");

    // It is the first that beeps.
    let mut daemon = Daemon::start("", "[buzzer]\ndriver = \"evdev\"\n").await;
    speaker(false).await;
    daemon.ready("buzzer").await;
    let mut client = daemon.unix().await;
    beeps(&mut client, 200).await;
    assert!(speaker_sounds() || daemon_is_done(&daemon).await, "the reply comes when it sounds");
    speaker(false).await;
    beeps(&mut client, LONG).await;
    speaker(true).await;
    daemon.signal(Signal::KILL);
    speaker(false).await;
    daemon.ended().await;
    machine::must_run("modprobe", &["-r", "pcspkr"]);
}

/// Whether the beep is over already: the machine is slow.
async fn daemon_is_done(daemon: &Daemon) -> bool {
    daemon.device("buzzer", |_| true).await["counters"]["beeps"] == 1
}

#[tokio::test]
async fn check_names_all_devices_that_could_be_meant() {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let one = Beeper::plug_in("Kiosk Beeper", (1, 2), &[SND_TONE]).await;
    let other = Beeper::plug_in("Kiosk Buzzer", (1, 2), &[SND_BELL]).await;
    let told = |beeper: &Beeper, name: &str| format!("{name} ({})", beeper.path().display());
    let (one, other) = (told(&one, "Kiosk Beeper"), told(&other, "Kiosk Buzzer"));
    let folder = TempDir::new().expect("a folder");
    for (device, words) in [
        ("device = \"Kiosk*\"", "\"Kiosk*\" is true of several"),
        ("", "no device is named, and there are several"),
        ("device = \"Kiosk Buzzer\"", ""),
    ] {
        write_config(folder.path(), "", &format!("[buzzer]\ndriver = \"evdev\"\n{device}\n"));
        let (code, out, _) = run(folder.path(), &["check", "--config", "config.toml"]).await;
        let row = out.lines().find(|line| line.starts_with("buzzer")).expect("a row");
        if words.is_empty() {
            assert_eq!(code, 0, "{out}");
            assert!(row.contains("device Kiosk Buzzer") && row.contains("sound bell"), "{row}");
        } else {
            assert_eq!(code, 1, "{out}");
            let taken = format!("{words}: {one} (this one is taken), {other}; name one");
            assert!(row.contains(&taken), "{row}\n{taken}");
        }
    }
    let (_, out, _) = run(folder.path(), &["devices", "--json"]).await;
    let devices: Value = serde_json::from_str(&out).expect("JSON");
    let devices = devices["input_devices"].as_array().expect("a list").clone();
    let beeper = devices.iter().find(|device| device["name"] == "Kiosk Beeper").expect("listed");
    let path = beeper["path"].as_str().expect("a path");
    let lines = format!("[buzzer]\ndriver = \"evdev\"\ndevice = \"{path}\"\n");
    assert_eq!(beeper["config"], json!([lines]));
}
