//! Scenes of speech: a virtual speech-dispatcher on a socket, the simulated one, and a program in the
//! place of espeak-ng.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use hharome_hardware::port::far_end::{self, FarEnd, Plug};
use hharome_hardware::port::far_socket::SocketFarEnd;
use hharome_hardware::speech::virtual_server::{Fault, ServerHand, VirtualServer};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::client::{Client, action, simulate};
use super::{Scene, Stage, pause, soon};

/// The driver at the socket.
const SERVICE: &str =
    "[speech]\ndriver = \"speech-dispatcher\"\naddress = \"{dir}/speechd.sock\"\n";

/// espeak-ng, as far as the port needs it: a second of silence for each text, onto ALSA's `null`.
const PROGRAM: &str = "#!/bin/sh
case \"$1\" in
--version) echo 'eSpeak NG text-to-speech: 1.51  Data at: nowhere' ;;
-q) echo \"(en)eItS'eIoU(cmn)\" ;;
*) read -r text
   printf 'RIFF\\377\\377\\377\\177WAVEfmt \\020\\0\\0\\0\\001\\0\\001\\0\\042\\126\\0\\0\\104\\254\\0\\0'
   printf '\\002\\0\\020\\0data\\377\\377\\377\\177'
   head -c 44100 /dev/zero
   case \"$text\" in *长*) exec sleep 20 ;; esac ;;
esac
";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "speech_queue",
            "texts are said one after the other; `speechQueue` 1 cuts off what is said and empties \
             the queue; what was asked for is said after its client has gone",
            queue,
        ),
        Scene::new(
            "speech_stop",
            "`speechStop` of one client ends what another has asked for, and forgets what waits; \
             with nothing said it succeeds",
            stop,
        ),
        Scene::new(
            "speech_manner",
            "pitch and rate as numbers and strings, 0, negative and far too large: drawn into the \
             voice's range",
            manner,
        ),
        Scene::new(
            "speech_texts",
            "points, markup, control characters, emoji, names and numbers, several languages; a \
             long text goes out in pieces",
            texts,
        ),
        Scene::new("speech_refused", "what is no text, and more texts than may wait", refused),
        Scene::new(
            "speech_service_trouble",
            "the service hangs, refuses, goes away while it speaks and comes back: the text is lost, \
             those behind it are said",
            service_trouble,
        ),
        Scene::new(
            "speech_absent",
            "there is no service when the bridge starts; it comes later",
            absent,
        ),
        Scene::new(
            "speech_simulated",
            "a simulated service worked by `bridge.simulate`",
            simulated,
        ),
        Scene::new(
            "speech_espeak_ng",
            "the program espeak-ng: the voice that reads Chinese is chosen by trying, long texts are \
             several runs, and one is cut off",
            program,
        ),
    ]
}

/// A virtual service, and the hand that works it.
struct Service {
    hand: ServerHand,
    plug: Plug,
    life: JoinHandle<()>,
}

impl Service {
    /// A service that says a character in so many milliseconds.
    fn at(socket: &Path, character: u64) -> Self {
        let (server, hand) = VirtualServer::new();
        let server = server.with_pace(Duration::from_millis(character));
        let end = SocketFarEnd::listen(socket).expect("a socket");
        let plug = end.plug().clone();
        Self { hand, plug, life: tokio::spawn(far_end::run(end, server)) }
    }

    /// Waits until it has been given so many texts, and ended or thrown away all but `open`.
    async fn has(&self, texts: usize, open: usize) {
        let turns = async {
            // The hand tells nobody.
            loop {
                let said = self.hand.said();
                let under_way = said.iter().filter(|said| !said.ended && !said.canceled).count();
                if said.len() == texts && under_way == open {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(&format!("it has {texts} texts, {open} of them open"), turns).await;
        pause().await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.life.abort();
    }
}

async fn say(client: &mut Client, params: Value) {
    let mut frame = action("speech", "say");
    frame["params"] = params;
    client.send(frame).await;
    client.succeeds().await;
}

async fn silence(client: &mut Client) {
    client.send(action("speechStop", "stop")).await;
    client.succeeds().await;
}

async fn queue(stage: Stage) {
    let service = Service::at(&stage.path("speechd.sock"), 20);
    let mut daemon = stage.start(SERVICE).await;
    daemon.ready("speech", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.ws().await);
    say(&mut client, json!({"text": "请张三到3号窗口"})).await;
    say(&mut other, json!({"text": "请李四到2号窗口", "speechQueue": 0})).await;
    service.has(2, 0).await;
    say(&mut client, json!({"text": "欢迎光临本大厅,请先取号,再到座位上等候叫号。"})).await;
    say(&mut client, json!({"text": "这一句没有人听到"})).await;
    service.has(3, 1).await;
    say(&mut other, json!({"text": "您的证件忘在读卡器上", "speechQueue": 1})).await;
    service.has(4, 0).await;
    say(&mut other, json!({"text": "再见", "speechQueue": "1"})).await;
    other.leave().await;
    service.has(5, 0).await;
    client.leave().await;
    daemon.stop().await;
}

async fn stop(stage: Stage) {
    let service = Service::at(&stage.path("speechd.sock"), 20);
    let mut daemon = stage.start(SERVICE).await;
    daemon.ready("speech", 1).await;
    let (mut one, mut other) = (daemon.unix().await, daemon.tcp().await);
    silence(&mut other).await;
    pause().await;
    say(&mut one, json!({"text": "欢迎光临本大厅,请先取号,再到座位上等候叫号。"})).await;
    say(&mut one, json!({"text": "这一句没有人听到"})).await;
    service.has(1, 1).await;
    silence(&mut other).await;
    service.has(1, 0).await;
    say(&mut one, json!({"text": "请取号"})).await;
    service.has(2, 0).await;
    one.leave().await;
    other.leave().await;
    daemon.stop().await;
}

async fn manner(stage: Stage) {
    let service = Service::at(&stage.path("speechd.sock"), 5);
    let mut daemon = stage.start(&format!("{SERVICE}volume = 60\nvoice = \"Chinese\"\n")).await;
    daemon.ready("speech", 1).await;
    let mut client = daemon.unix().await;
    for (number, params) in [
        json!({"text": "正常"}),
        json!({"text": "快", "rate": 2}),
        json!({"text": "还是快", "rate": "2.0", "pitch": null}),
        json!({"text": "最慢", "rate": 0, "pitch": 0}),
        json!({"text": "最快", "rate": 1e9, "pitch": 1e9}),
        json!({"text": "负数", "rate": -1, "pitch": "-0.5"}),
    ]
    .into_iter()
    .enumerate()
    {
        say(&mut client, params).await;
        service.has(number + 1, 0).await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn texts(stage: Stage) {
    let service = Service::at(&stage.path("speechd.sock"), 1);
    let mut daemon = stage.start(SERVICE).await;
    daemon.ready("speech", 1).await;
    let mut client = daemon.unix().await;
    let all = [
        ".",
        "第一行\r\n.\n..第三行",
        "<speak>一</speak> & 二 [[hello]]",
        "响铃\u{7}和\u{0}空",
        "😀🎉",
        "身份证号 990102199511230026,电话13800138000",
        "Mr. Smith, please go to counter 3. Привет! 안녕하세요",
    ];
    for (number, text) in all.into_iter().enumerate() {
        say(&mut client, json!({"text": text})).await;
        service.has(number + 1, 0).await;
    }
    say(&mut client, json!({"text": "请王五到4号窗口。".repeat(60)})).await;
    service.has(all.len() + 2, 0).await;
    // A request of the envelope as a call.
    let request =
        json!({"action": "speech", "taskId": "1", "params": {"text": "请赵六".repeat(300)}});
    client.ask(json!({"call": "ampeHHCommunication", "params": request, "id": 7})).await;
    service.has(all.len() + 4, 0).await;
    client.leave().await;
    daemon.stop().await;
}

async fn refused(stage: Stage) {
    let service = Service::at(&stage.path("speechd.sock"), 1000);
    let mut daemon = stage.start(SERVICE).await;
    daemon.ready("speech", 1).await;
    let mut client = daemon.unix().await;
    for params in [
        json!({}),
        json!({"text": " "}),
        json!({"text": "\u{0}"}),
        json!({"text": 5}),
        json!({"text": "张三", "speechQueue": 2}),
        json!({"text": "张三", "rate": "快"}),
    ] {
        let mut frame = action("speech", "r");
        frame["params"] = params;
        client.send(frame).await;
        client.fails_as("bad_request").await;
    }
    say(&mut client, json!({"text": "第一句,要说很久"})).await;
    service.has(1, 1).await;
    for _ in 0..32 {
        say(&mut client, json!({"text": "还有一句"})).await;
    }
    let mut frame = action("speech", "full");
    frame["params"] = json!({"text": "太多了"});
    client.send(frame).await;
    client.fails_as("device_busy").await;
    silence(&mut client).await;
    service.has(1, 0).await;
    client.leave().await;
    daemon.stop().await;
}

async fn service_trouble(stage: Stage) {
    let service = Service::at(&stage.path("speechd.sock"), 100);
    let mut daemon = stage.start(SERVICE).await;
    daemon.ready("speech", 1).await;
    let mut client = daemon.unix().await;
    client.on("bridgeDevices").await;
    client.hears("bridgeDevices").await;
    let state = async |client: &mut Client, wanted: &str| loop {
        let event = client.hears("bridgeDevices").await;
        let text = event["data"].to_string();
        if text.contains("\"speech\"") && text.contains(&format!("\"{wanted}\"")) {
            return;
        }
    };
    say(&mut client, json!({"text": "说到一半就断了的一句"})).await;
    state(&mut client, "busy").await;
    say(&mut client, json!({"text": "后面的"})).await;
    service.has(1, 1).await;
    service.plug.set(false);
    state(&mut client, "absent").await;
    let mut frame = action("speech", "gone");
    frame["params"] = json!({"text": "没有人说"});
    client.send(frame.clone()).await;
    client.fails_as("device_unavailable").await;
    pause().await;
    service.plug.set(true);
    state(&mut client, "busy").await;
    state(&mut client, "ready").await;
    pause().await;
    service.hand.fault(Fault::Refuse);
    say(&mut client, json!({"text": "说不出"})).await;
    state(&mut client, "failed").await;
    client.send(frame).await;
    client.fails_as("device_failed").await;
    service.hand.mend();
    state(&mut client, "busy").await;
    state(&mut client, "ready").await;
    pause().await;
    service.hand.fault(Fault::Silence);
    say(&mut client, json!({"text": "没有回答"})).await;
    state(&mut client, "failed").await;
    service.hand.mend();
    state(&mut client, "ready").await;
    client.leave().await;
    daemon.stop().await;
}

async fn absent(stage: Stage) {
    let mut daemon = stage.start(SERVICE).await;
    let mut client = daemon.unix().await;
    daemon.says("device not usable device=\"speech\"", 1).await;
    pause().await;
    for name in ["speech", "speechStop"] {
        let mut frame = action(name, "a");
        frame["params"] = json!({"text": "没有人"});
        client.send(frame).await;
        client.fails_as("device_unavailable").await;
    }
    pause().await;
    let service = Service::at(&stage.path("speechd.sock"), 5);
    daemon.ready("speech", 1).await;
    say(&mut client, json!({"text": "现在有了"})).await;
    service.has(1, 0).await;
    client.leave().await;
    daemon.stop().await;
}

async fn simulated(stage: Stage) {
    let mut daemon = stage.start("[speech]\ndriver = \"simulated\"\n").await;
    daemon.ready("speech", 1).await;
    let mut client = daemon.unix().await;
    say(&mut client, json!({"text": "好", "rate": 1e9})).await;
    pause().await;
    silence(&mut client).await;
    pause().await;
    client.ask(simulate("speech", "fault", "fault", "unplug")).await;
    daemon.says("device not usable device=\"speech\"", 1).await;
    pause().await;
    let mut frame = action("speech", "gone");
    frame["params"] = json!({"text": "好"});
    client.send(frame).await;
    client.fails_as("device_unavailable").await;
    client.ask(simulate("speech", "fault", "fault", "none")).await;
    daemon.ready("speech", 2).await;
    for (verb, fault) in [("fault", "vanish"), ("scan", "none")] {
        let reply = client.ask(simulate("speech", verb, "fault", fault)).await;
        assert_eq!(reply["res"]["success"], false, "{reply}");
    }
    client.leave().await;
    daemon.stop().await;
}

async fn program(stage: Stage) {
    let path = stage.path("speaks");
    fs::write(&path, PROGRAM).expect("the folder is ours");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let section =
        "[speech]\ndriver = \"espeak-ng\"\nprogram = \"{dir}/speaks\"\ndevice = \"null\"\n";
    let mut daemon = stage.start(section).await;
    daemon.ready("speech", 1).await;
    let mut client = daemon.unix().await;
    client.on("bridgeDevices").await;
    client.hears("bridgeDevices").await;
    let until = async |client: &mut Client, wanted: &str| {
        let event = client.hears("bridgeDevices").await;
        assert!(event["data"].to_string().contains(&format!("\"{wanted}\"")), "{event}");
    };
    for params in [
        json!({"text": "请张三到3号窗口", "rate": 2, "pitch": "0.5"}),
        json!({"text": "请王五到4号窗口。".repeat(60)}),
    ] {
        say(&mut client, params).await;
        until(&mut client, "busy").await;
        until(&mut client, "ready").await;
        pause().await;
    }
    say(&mut client, json!({"text": "很长的一句"})).await;
    until(&mut client, "busy").await;
    pause().await;
    silence(&mut client).await;
    until(&mut client, "ready").await;
    pause().await;
    client.leave().await;
    daemon.stop().await;
}
