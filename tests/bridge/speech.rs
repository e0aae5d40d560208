//! Speech: the bridge with a real speech-dispatcher and with a real espeak-ng, heard on a sound card
//! that is a file, and with a virtual service on a socket.
//!
//! What was heard is measured: how long, how loud. That Chinese was read as Chinese is told by the
//! phonemes which espeak-ng makes with the voice that the bridge chose, and by the length of the sound.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use rustix::process::geteuid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use super::alsa::SoundCard;
use super::fixture::{Client, Daemon, finish, hharome, kind, run, soon, write_config};
use super::speech_service::{Sound, SpeechService};

/// 3.5 s at espeak-ng's usual rate.
const TEXT: &str = "请把身份证放在读卡器上";

/// Some 20 s.
const LONG: &str = "请您在取号机上取号以后到二号窗口前面的座位上坐下等候叫号,并且把您的身份证和社会保障卡\
                    以及银行卡准备好,交给窗口里面的工作人员办理";

async fn says(client: &mut Client, params: Value) -> Value {
    let frame = json!({"action": "speech", "event": "open", "taskId": "s", "params": params});
    client.ask(&frame.to_string()).await
}

async fn say(client: &mut Client, params: Value) {
    let reply = says(client, params).await;
    let yes = json!({
        "action": "speech", "event": "open", "taskId": "s", "success": true, "message": "成功",
        "data": {},
    });
    assert_eq!(reply, yes);
}

async fn stop(client: &mut Client) {
    let frame = r#"{"action":"speechStop","event":"open","taskId":"q","params":{}}"#;
    assert_eq!(client.ask(frame).await["success"], true);
}

/// Waits until a counter of the speaker has come to this number.
async fn counted(daemon: &Daemon, counter: &str, number: u64) -> Value {
    daemon.device("speech", |device| device["counters"][counter] == number).await
}

/// Waits until sound is heard.
async fn heard(card: &SoundCard, before: &Sound) {
    let hears = async {
        while Sound::of(card).since(before).seconds() < 0.5 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    soon("it is heard", hears).await;
}

/// What espeak-ng makes of a text.
async fn espeak(arguments: &[&str]) -> String {
    let mut command = Command::new("espeak-ng");
    let (code, said, errors) = finish(command.env("LANG", "C.UTF-8").args(arguments)).await;
    assert_eq!(code, 0, "{errors}");
    said
}

/// How long espeak-ng takes for a text by itself, in seconds.
async fn length_of(voice: &str, rate: &str, text: &str) -> f64 {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("sound.wav");
    espeak(&["-v", voice, "-s", rate, "-w", file.to_str().expect("UTF-8"), text]).await;
    // The head of espeak-ng's files has 44 bytes.
    let bytes = fs::read(file).expect("a file");
    let samples: Vec<i16> =
        bytes[44..].as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    let loud = |sample: &i16| sample.unsigned_abs() > 100;
    let first = samples.iter().position(loud).expect("sound");
    let last = samples.iter().rposition(loud).expect("sound");
    (last - first) as f64 / 22_050.0
}

fn about(value: f64, expected: f64, tolerance: f64) -> bool {
    (value / expected - 1.0).abs() < tolerance
}

/// A daemon at the real service, and a client.
async fn at_service(service: &SpeechService) -> (Daemon, Client) {
    let socket = service.socket();
    let section = format!(
        "[speech]\ndriver = \"speech-dispatcher\"\naddress = \"unix_socket:{}\"\n",
        socket.display()
    );
    let daemon = Daemon::start("", &section).await;
    daemon.ready("speech").await;
    let client = daemon.unix().await;
    (daemon, client)
}

/// A daemon that runs espeak-ng itself, heard on this card.
async fn with_program(card: &SoundCard) -> (Daemon, Client) {
    let folder = TempDir::new().expect("a folder");
    let (name, value) = card.environment();
    let section = "[speech]\ndriver = \"espeak-ng\"\n";
    let daemon = Daemon::start_with(folder, "", section, &[(name, &value)]).await;
    daemon.ready("speech").await;
    let client = daemon.unix().await;
    (daemon, client)
}

/// Chinese is read as Chinese, twice the text takes twice the time, twice the rate half of it.
async fn chinese_aloud(daemon: &Daemon, client: &mut Client, card: &SoundCard, rate: &str) {
    let voice = "cmn-latn-pinyin";
    let alone = length_of(voice, rate, TEXT).await;
    let mut spoken = 0;
    let mut before = Sound::of(card);
    // At other rates pauses do not change as words do.
    for (params, expected, tolerance) in [
        (json!({"text": TEXT}), alone, 0.15),
        (json!({"text": format!("{TEXT},{TEXT}")}), 2.0 * alone, 0.15),
        (json!({"text": TEXT, "rate": 2}), alone / 2.0, 0.25),
        (json!({"text": TEXT, "rate": 0}), alone * 2.1, 0.25),
        (json!({"text": TEXT, "rate": 1e9, "pitch": 1e9}), alone / 2.8, 0.25),
    ] {
        say(client, params.clone()).await;
        spoken += 1;
        counted(daemon, "spoken", spoken).await;
        let all = Sound::of(card);
        let sound = all.since(&before);
        let seconds = sound.seconds();
        assert!(about(seconds, expected, tolerance), "{params}: {seconds} s, not {expected}");
        assert!(sound.loudness() > 1000.0, "{params}: {}", sound.loudness());
        before = all;
    }
}

/// The voice that the bridge has chosen reads Chinese characters by Chinese phonemes, and the other one
/// does not: a test that could not tell them apart would be worth nothing.
async fn reads_chinese(voice: &str) {
    let phonemes = espeak(&["-q", "-x", "-v", voice, TEXT]).await;
    assert!(!phonemes.contains("(en)") && phonemes.contains("s.'@55n"), "{phonemes}");
    if espeak(&["--version"]).await.contains(" 1.51") {
        let broken = espeak(&["-q", "-x", "-v", "cmn", TEXT]).await;
        assert!(broken.contains("(en)"), "{broken}");
    }
}

#[tokio::test]
async fn speech_dispatcher_reads_chinese_aloud() {
    let service = SpeechService::start().await;
    let (daemon, mut client) = at_service(&service).await;
    let device = daemon.device("speech", |_| true).await;
    assert_eq!(device["facts"]["module"], "espeak-ng");
    // Its name in speech-dispatcher is the one of espeak-ng's list, with blanks for underscores.
    let voice = device["facts"]["voice"].as_str().expect("a voice").replace(' ', "_");
    let voices = espeak(&["--voices=cmn"]).await;
    let row = voices.lines().find(|row| row.contains(&voice)).expect("espeak-ng has this voice");
    let voice = row.split_whitespace().nth(1).expect("a voice");
    assert_eq!(voice, "cmn-latn-pinyin");
    reads_chinese(voice).await;
    // 170 words a minute are rate 0; the letters of the pinyin would take a quarter longer.
    chinese_aloud(&daemon, &mut client, &service.card, "170").await;
    let letters = length_of("cmn", "170", TEXT).await;
    let chinese = length_of(voice, "170", TEXT).await;
    assert!(letters > 1.2 * chinese, "{letters} and {chinese} s cannot be told apart");
}

#[tokio::test]
async fn espeak_ng_reads_chinese_aloud() {
    let card = SoundCard::new();
    let (daemon, mut client) = with_program(&card).await;
    let device = daemon.device("speech", |_| true).await;
    let voice = device["facts"]["voice"].as_str().expect("a voice");
    reads_chinese(voice).await;
    assert_eq!(device["facts"]["device"], "default");
    assert!(device["facts"]["version"].as_str().expect("a version").starts_with("1."));
    chinese_aloud(&daemon, &mut client, &card, "175").await;
}

#[tokio::test]
async fn speech_dispatcher_is_cut_off_and_stopped() {
    let service = SpeechService::start().await;
    let (daemon, mut client) = at_service(&service).await;
    cut_off(&daemon, &mut client, &service.card, 4.0).await;
}

#[tokio::test]
async fn espeak_ng_is_cut_off_and_stopped_at_once() {
    let card = SoundCard::new();
    let (daemon, mut client) = with_program(&card).await;
    // What the device has already: 200 ms.
    cut_off(&daemon, &mut client, &card, 0.5).await;
}

/// `slack`: how much sound the device may have in advance, in seconds.
async fn cut_off(daemon: &Daemon, client: &mut Client, card: &SoundCard, slack: f64) {
    let before = Sound::of(card);
    say(client, json!({"text": LONG})).await;
    say(client, json!({"text": "这一句没有人听到"})).await;
    heard(card, &before).await;
    say(client, json!({"text": "您好", "speechQueue": 1})).await;
    counted(daemon, "spoken", 1).await;
    let device = daemon.device("speech", |device| device["state"] == "ready").await;
    assert_eq!(
        (&device["counters"]["cut"], &device["counters"]["dropped"]),
        (&json!(1), &json!(1))
    );
    let instead = Sound::of(card);
    let length = instead.since(&before).length();
    assert!(length < 8.0 + slack, "{length} s were heard of a text of 20 s");

    // Somebody else stops it; it outlives the one who asked for it.
    let mut leaver = daemon.unix().await;
    say(&mut leaver, json!({"text": LONG})).await;
    say(&mut leaver, json!({"text": LONG})).await;
    leaver.finish_sending().await;
    assert_eq!(leaver.rest().await, Vec::<String>::new());
    heard(card, &instead).await;
    let sounding = Sound::of(card);
    stop(client).await;
    counted(daemon, "cut", 2).await;
    let stopped = Sound::of(card);
    let more = stopped.since(&sounding).length();
    assert!(more < 0.5 + slack, "{more} s were heard after the stop");
    say(client, json!({"text": "您好"})).await;
    let device = counted(daemon, "spoken", 2).await;
    assert_eq!(
        (&device["counters"]["cut"], &device["counters"]["dropped"]),
        (&json!(2), &json!(2))
    );
    let length = Sound::of(card).since(&stopped).length();
    assert!(length < 4.0 + slack, "{length} s of 您好: the other text went on");
}

#[tokio::test]
async fn a_service_that_is_killed_is_absent_and_spoken_through_again() {
    let mut service = SpeechService::start().await;
    let (daemon, mut client) = at_service(&service).await;
    say(&mut client, json!({"text": "您好"})).await;
    counted(&daemon, "spoken", 1).await;
    service.kill().await;
    let device = daemon.device("speech", |device| device["state"] == "absent").await;
    let reply = says(&mut client, json!({"text": "您好"})).await;
    assert_eq!(kind(&reply), "device_unavailable", "{device}");
    service.run().await;
    daemon.ready("speech").await;
    let before = Sound::of(&service.card);
    say(&mut client, json!({"text": TEXT})).await;
    counted(&daemon, "spoken", 2).await;
    let sound = Sound::of(&service.card).since(&before);
    assert!(sound.seconds() > 2.0 && sound.loudness() > 1000.0);
}

#[tokio::test]
async fn a_service_that_hangs_is_failed_and_used_when_it_goes_on() {
    let folder = TempDir::new().expect("a folder");
    let socket = folder.path().join("speechd.sock");
    let mut service = virtual_service(&socket).await;
    service.work("fault silence").await;
    let section =
        format!("[speech]\ndriver = \"speech-dispatcher\"\naddress = \"{}\"\n", socket.display());
    let daemon = Daemon::start("", &section).await;
    let device = daemon.device("speech", |device| device["state"] == "failed").await;
    let error = device["lastError"].as_str().expect("an error");
    assert!(error.contains("has not answered") && error.contains("within 5 s"), "{error}");
    let reply = says(&mut daemon.unix().await, json!({"text": "您好"})).await;
    assert_eq!(kind(&reply), "device_failed");
    service.work("fault none").await;
    daemon.ready("speech").await;
    say(&mut daemon.unix().await, json!({"text": "您好"})).await;
    counted(&daemon, "spoken", 1).await;
    service.work("fault unplug").await;
    let device = daemon.device("speech", |device| device["state"] == "absent").await;
    assert!(device["lastError"].as_str().expect("an error").starts_with("the speech service"));
    service.work("fault none").await;
    daemon.ready("speech").await;
}

/// `hharome virtual speech`, and a hand at its stdin.
struct VirtualService {
    child: tokio::process::Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

async fn virtual_service(socket: &Path) -> VirtualService {
    let folder = socket.parent().expect("a folder");
    let mut command = hharome(folder);
    command.arg("virtual").arg("speech").arg(socket).stdin(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut service = VirtualService { child, lines };
    assert_eq!(service.line().await, socket.to_str().expect("UTF-8"));
    service
}

impl VirtualService {
    async fn line(&mut self) -> String {
        soon("a line", self.lines.next_line()).await.expect("output").expect("a line")
    }

    async fn work(&mut self, words: &str) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        soon("a line is sent", stdin.write_all(format!("{words}\n").as_bytes()))
            .await
            .expect("sent");
        assert_eq!(self.line().await, "ok");
    }
}

#[tokio::test]
async fn a_socket_of_another_users_session_says_which_permission_is_missing() {
    if !geteuid().is_root() {
        // Only root can become the user who may not.
        return;
    }
    let service = SpeechService::start().await;
    // The session's folders are the user's alone; and where they can be passed, the socket is.
    for (folder, socket, words) in [
        (0o700, 0o666, "pass through the folder"),
        (0o755, 0o700, "write to the socket, which belongs to user 0 and group 0, mode 0700"),
    ] {
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
        };
        set(service.folder(), folder);
        set(&service.socket(), socket);
        let own = TempDir::new().expect("a folder");
        set(own.path(), 0o755);
        let section = format!(
            "[speech]\ndriver = \"speech-dispatcher\"\naddress = \"unix_socket:{}\"\n",
            service.socket().display()
        );
        write_config(own.path(), "", &section);
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(env!("CARGO_BIN_EXE_hharome"))
            .args(["check", "--json", "--config"])
            .arg(own.path().join("config.toml"));
        let (code, said, errors) = finish(&mut command).await;
        assert_eq!(code, 1, "{said}{errors}");
        let told: Value = serde_json::from_str(&said).expect("JSON");
        let rows = told["devices"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["device"] == "speech").expect("a row");
        assert_eq!(row["verdict"], "failed");
        let detail = row["detail"].as_str().expect("words");
        let user = "the daemon's user (65534) may not";
        assert!(detail.contains(&format!("permission denied: {user} {words}")), "{detail}");
    }
}

#[tokio::test]
async fn check_says_where_it_speaks_and_with_which_voice() {
    let service = SpeechService::start().await;
    let (daemon, _) = at_service(&service).await;
    let config = daemon.folder().join("config.toml");
    let config = config.to_str().expect("UTF-8");
    // The daemon is asked, and afterwards, without one, the service.
    let (code, asked, _) = run(daemon.folder(), &["check", "--config", config]).await;
    assert_eq!(code, 0, "{asked}");
    let other = TempDir::new().expect("a folder");
    let text = fs::read_to_string(config).expect("a file").replace("bridge.sock", "other.sock");
    fs::write(other.path().join("config.toml"), text).expect("the folder is ours");
    let own = other.path().join("config.toml");
    let (code, probed, _) =
        run(other.path(), &["check", "--config", own.to_str().expect("UTF-8")]).await;
    assert_eq!(code, 0, "{probed}");
    for said in [asked, probed] {
        let row = said.lines().find(|line| line.starts_with("speech ")).expect("a row");
        assert!(row.contains(" ok "), "{row}");
        assert!(row.contains("voice Chinese (Mandarin, latin as Pinyin)"), "{row}");
        assert!(row.contains(&format!("unix:{}", service.socket().display())), "{row}");
    }
}

#[tokio::test]
async fn a_sound_card_that_is_pulled_out_is_told_of_and_used_again() {
    let card = SoundCard::new();
    let (daemon, mut client) = with_program(&card).await;
    card.unplug();
    say(&mut client, json!({"text": "您好"})).await;
    let device = daemon.device("speech", |device| device["state"] == "failed").await;
    let error = device["lastError"].as_str().expect("an error");
    assert!(error.starts_with("sound device default: not there"), "{error}");
    card.plug();
    daemon.ready("speech").await;
    let before = Sound::of(&card);
    say(&mut client, json!({"text": TEXT})).await;
    heard(&card, &before).await;
}

#[tokio::test]
async fn a_sound_card_that_another_program_holds_is_told_of() {
    let card = SoundCard::new();
    card.hold();
    let folder = TempDir::new().expect("a folder");
    let (name, value) = card.environment();
    let section = "[speech]\ndriver = \"espeak-ng\"\n";
    let daemon = Daemon::start_with(folder, "", section, &[(name, &value)]).await;
    let device = daemon.device("speech", |device| device["state"] == "failed").await;
    let error = device["lastError"].as_str().expect("an error");
    assert!(error.starts_with("sound device default: held by another program"), "{error}");
    card.release();
    daemon.ready("speech").await;
}

#[tokio::test]
async fn a_program_that_is_not_installed_is_absent() {
    let section = "[speech]\ndriver = \"espeak-ng\"\nprogram = \"/nowhere/espeak-ng\"\n";
    let daemon = Daemon::start("", section).await;
    let device = daemon.device("speech", |device| device["state"] == "absent").await;
    let error = "program:/nowhere/espeak-ng: there is no such program; install it, or name another";
    assert_eq!(device["lastError"], error);
    let reply = says(&mut daemon.unix().await, json!({"text": "您好"})).await;
    assert_eq!(kind(&reply), "device_unavailable");
}

#[tokio::test]
async fn any_language_and_any_sign_is_spoken_by_the_real_service() {
    let service = SpeechService::start().await;
    let (daemon, mut client) = at_service(&service).await;
    let texts = [
        "😀🎉",
        ".",
        "请\n.\n坐",
        "<b>好</b> & a < b",
        "请打开 WiFi,输入 A12",
        "\u{0}好\u{7}",
        "[[hello]] Привет",
    ];
    for text in texts {
        say(&mut client, json!({"text": text, "rate": 3})).await;
    }
    counted(&daemon, "spoken", 7).await;
    let device = daemon.device("speech", |device| device["state"] == "ready").await;
    assert_eq!(device["lastError"], Value::Null);
    assert!(Sound::of(&service.card).loudness() > 500.0);
}

#[tokio::test]
async fn a_text_of_100_000_characters_is_taken_and_stopped() {
    let service = SpeechService::start().await;
    let (daemon, mut client) = at_service(&service).await;
    let text = "请坐。".repeat(33_334);
    say(&mut client, json!({"text": text})).await;
    heard(&service.card, &Sound::of(&service.card)).await;
    stop(&mut client).await;
    counted(&daemon, "cut", 1).await;
    say(&mut client, json!({"text": "您好"})).await;
    counted(&daemon, "spoken", 1).await;
}

#[tokio::test]
async fn what_cannot_be_said_is_refused() {
    let daemon = Daemon::start("", "[speech]\ndriver = \"simulated\"\n").await;
    daemon.ready("speech").await;
    let mut client = daemon.unix().await;
    for params in [
        json!({"text": ""}),
        json!({"text": " \n"}),
        json!({"text": "\u{0}\u{7}"}),
        json!({"text": "好", "speechQueue": 2}),
        json!({"text": "a".repeat(1024 * 1024 + 1)}),
    ] {
        assert_eq!(kind(&says(&mut client, params).await), "bad_request");
    }
    // One is said, 32 wait.
    for _ in 0..33 {
        say(&mut client, json!({"text": LONG})).await;
        daemon.device("speech", |device| device["state"] == "busy").await;
    }
    assert_eq!(kind(&says(&mut client, json!({"text": LONG})).await), "device_busy");
    say(&mut client, json!({"text": LONG, "speechQueue": 1})).await;
    let device = counted(&daemon, "cut", 1).await;
    assert_eq!(
        (&device["counters"]["dropped"], &device["counters"]["refused"]),
        (&json!(32), &json!(1))
    );
    let off = Daemon::start("", "").await;
    let reply = says(&mut off.unix().await, json!({"text": "好"})).await;
    assert_eq!(kind(&reply), "device_unavailable");
    assert!(reply["data"]["error"]["detail"].as_str().expect("words").contains("[speech]"));
}

#[tokio::test]
async fn no_recording_holds_what_was_spoken_and_it_replays() {
    let folder = TempDir::new().expect("a folder");
    let sections =
        "[speech]\ndriver = \"simulated\"\n[recording]\ndirectory = \"{dir}/recordings\"\n";
    let mut daemon = Daemon::start_in(folder, "", sections).await;
    daemon.ready("speech").await;
    let mut client = daemon.unix().await;
    let started =
        client.ask(r#"{"call":"bridge.record","params":{"do":"start","name":"said"}}"#).await;
    assert_eq!(started["res"]["success"], true, "{started}");
    let secret = "请欧阳小红到3号窗口取走身份证110105194912310029";
    say(&mut client, json!({"text": secret, "rate": 3})).await;
    counted(&daemon, "spoken", 1).await;
    say(&mut client, json!({"text": secret.repeat(30), "rate": 3})).await;
    daemon.device("speech", |device| device["counters"]["begun"] == 2).await;
    stop(&mut client).await;
    counted(&daemon, "cut", 1).await;
    let stopped = client.ask(r#"{"call":"bridge.record","params":{"do":"stop"}}"#).await;
    assert_eq!(stopped["res"]["success"], true, "{stopped}");
    let folder = daemon.folder().join("recordings/said");
    daemon.signal(rustix::process::Signal::TERM);
    daemon.ended().await;
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).expect("the recording") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            all.extend(fs::read(path).expect("a file"));
        }
    }
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02X}")).collect::<String>();
    let all = String::from_utf8(all).expect("UTF-8");
    for part in ["欧阳小红", "1949123100", "窗口"] {
        assert!(!all.contains(part) && !all.contains(&hex(part)), "{part}");
    }
    // What frames it is there.
    assert!(all.contains(&hex("SPEAK\r\n")) && all.contains(&hex("CANCEL SELF\r\n")));
    let path = folder.to_str().expect("UTF-8");
    let (code, said, errors) = run(daemon.folder(), &["replay", "--strict", path]).await;
    assert_eq!(code, 0, "{said}{errors}");
    let (code, said, errors) = run(daemon.folder(), &["recording", "lint", path]).await;
    assert_eq!(code, 0, "{said}{errors}");
}
