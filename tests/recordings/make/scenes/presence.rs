//! Scenes of the presence sensor: the project's virtual one on a pty.

use std::path::Path;
use std::time::Duration;

use hharome_hardware::infrared::virtual_sensor::{Model, SensorHand, VirtualSensor};
use hharome_hardware::port::far_end::{self, FarEnd, Plug};
use hharome_hardware::port::pty::{Pty, PtyFarEnd};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

use super::client::{Client, action, call, close, simulate};
use super::daemon::Daemon;
use super::{Scene, Stage, pause};

const CHANNEL: &str = "initInfraredInductionListener";
const START: &str = "startInfraredInductionListener";

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes = vec![
        Scene::new(
            "infrared_two_clients",
            "two clients with intervals of their own; a second start changes one's, `off`, `close`, \
             `bridge.reset` and leaving end it",
            two_clients,
        ),
        Scene::new(
            "infrared_unplugged",
            "the sensor is unplugged while somebody listens, and while nobody does: nothing is told \
             meanwhile, a start is refused",
            unplugged,
        ),
        Scene::new(
            "infrared_silent",
            "a radar that falls silent has failed after a while; it is used again when it speaks",
            silent,
        ),
        Scene::new(
            "infrared_foreign_bytes",
            "what another device says on the sensor's line is no presence, and is in no recording",
            foreign_bytes,
        ),
        Scene::new(
            "infrared_simulated",
            "a simulated sensor worked by `bridge.simulate`: visits, faults, gestures that cannot be",
            simulated,
        ),
        Scene::new(
            "infrared_begun_in_the_middle",
            "the recording begins while two clients listen and somebody stands there",
            begun_in_the_middle,
        ),
        Scene::new(
            "infrared_begun_at_rest",
            "the recording begins while nobody listens, and the radar's line is closed",
            begun_at_rest,
        ),
    ];
    for (word, model) in
        [("ld2410", Model::Ld2410), ("tfmini", Model::Tfmini), ("ascii", Model::Ascii)]
    {
        let shows = format!(
            "a sensor with `protocol = \"{word}\"`: nobody, a visit of a moment, somebody who stays"
        );
        scenes.push(Scene::new(format!("infrared_{word}"), shows, move |stage| {
            visits(stage, word, model)
        }));
    }
    scenes
}

/// A virtual sensor that is plugged in at `{dir}/sensor`, and the hand that works it.
struct Sensor {
    hand: SensorHand,
    plug: Plug,
    life: JoinHandle<()>,
}

impl Sensor {
    fn at(stage: &Stage, model: Model) -> Self {
        let (sensor, hand) = VirtualSensor::new(model);
        let link = stage.path("sensor");
        let end = PtyFarEnd::open(Some(Path::new(&link))).expect("a pty");
        let plug = end.plug().clone();
        Self { hand, plug, life: tokio::spawn(far_end::run(end, sensor)) }
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        self.life.abort();
    }
}

fn section(word: &str) -> String {
    format!("[infrared]\ndriver = \"serial\"\nport = \"{{dir}}/sensor\"\nprotocol = \"{word}\"\n")
}

fn start(task: &str, interval: Value) -> Value {
    let mut request = action(START, task);
    request["params"] = json!({"intervalTime": interval});
    request
}

async fn starts(client: &mut Client, interval: u64) {
    client.send(start("i", json!(interval))).await;
    client.succeeds().await;
    // Nothing happens at the moment of an event, where a few milliseconds would change it.
    tokio::time::sleep(Duration::from_millis(300)).await;
}

async fn hears(client: &mut Client, somebody: bool) {
    let event = client.hears(CHANNEL).await;
    let code = if somebody { "1" } else { "0" };
    assert_eq!(event["data"], json!({"inductionCode": code}));
    tokio::time::sleep(Duration::from_millis(300)).await;
}

async fn visits(stage: Stage, word: &'static str, model: Model) {
    let sensor = Sensor::at(&stage, model);
    let daemon = stage.start(&section(word)).await;
    let mut client = daemon.unix().await;
    is(&mut client, "ready").await;
    starts(&mut client, 2000).await;
    hears(&mut client, false).await;
    sensor.hand.pulse();
    hears(&mut client, true).await;
    sensor.hand.come();
    hears(&mut client, true).await;
    hears(&mut client, true).await;
    sensor.hand.go();
    hears(&mut client, true).await;
    hears(&mut client, false).await;
    client.send(action("stopInfraredInductionListener", "s")).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

/// Waits for the sensor's state; what is asked meanwhile is of this client, and recorded.
async fn is(client: &mut Client, state: &str) {
    for _ in 0..60 {
        let status = client.ask(call("bridge.status", &json!({}))).await;
        let devices = status["res"]["data"]["devices"].as_array().expect("a list").clone();
        if devices.iter().any(|one| one["device"] == "infrared" && one["state"] == state) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the sensor is never {state}");
}

async fn two_clients(stage: Stage) {
    let sensor = Sensor::at(&stage, Model::Ld2410);
    let daemon = stage.start(&section("ld2410")).await;
    let (mut often, mut seldom) = (daemon.unix().await, daemon.ws().await);
    starts(&mut often, 2000).await;
    starts(&mut seldom, 5000).await;
    sensor.hand.pulse();
    hears(&mut often, true).await;
    hears(&mut often, false).await;
    hears(&mut seldom, true).await;
    // As often as the other from now on; what it was not told of yet it is told.
    sensor.hand.pulse();
    starts(&mut seldom, 1).await;
    hears(&mut seldom, true).await;
    seldom.send(close(START, "c")).await;
    seldom.succeeds().await;
    for _ in 0..2 {
        often.hears(CHANNEL).await;
    }
    often.ask(json!({"off": CHANNEL})).await;
    often.send(start("b", json!("2500"))).await;
    often.succeeds().await;
    often.ask(call("bridge.reset", &json!({}))).await;
    seldom.send(start("d", json!(null))).await;
    seldom.succeeds().await;
    seldom.leave().await;
    often.leave().await;
    daemon.stop().await;
}

async fn unplugged(stage: Stage) {
    let sensor = Sensor::at(&stage, Model::Ld2410);
    let daemon = stage.start(&section("ld2410")).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.tcp().await);
    starts(&mut client, 2000).await;
    sensor.hand.pulse();
    pause().await;
    sensor.plug.set(false);
    hears(&mut client, true).await;
    other.send(start("late", json!(2000))).await;
    other.fails_as("device_unavailable").await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    sensor.plug.set(true);
    is(&mut other, "ready").await;
    hears(&mut client, false).await;
    client.send(action("stopInfraredInductionListener", "s")).await;
    client.succeeds().await;
    pause().await;
    sensor.plug.set(false);
    is(&mut other, "absent").await;
    sensor.plug.set(true);
    is(&mut other, "ready").await;
    starts(&mut client, 2000).await;
    hears(&mut client, false).await;
    client.leave().await;
    other.leave().await;
    daemon.stop().await;
}

async fn silent(stage: Stage) {
    let sensor = Sensor::at(&stage, Model::Ld2410);
    let daemon = stage.start(&section("ld2410")).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.ws().await);
    starts(&mut client, 5000).await;
    sensor.hand.silence();
    is(&mut other, "failed").await;
    other.send(start("late", json!(2000))).await;
    other.fails_as("device_failed").await;
    sensor.hand.come();
    sensor.hand.mend();
    is(&mut other, "ready").await;
    hears(&mut client, true).await;
    client.leave().await;
    other.leave().await;
    daemon.stop().await;
}

/// What no recording of this may hold, in hex.
pub(super) const FOREIGN: &str = "3939303130323139393930313031303031";

async fn foreign_bytes(stage: Stage) {
    let mut line = Pty::open(Some(&stage.path("sensor"))).expect("a pty");
    let daemon = stage.start(&section("ascii")).await;
    let mut client = daemon.unix().await;
    is(&mut client, "ready").await;
    starts(&mut client, 2000).await;
    line.write_all(b"OFF\r\n").await.expect("it is written");
    pause().await;
    line.write_all(b"99010219990101001\r\n").await.expect("it is written");
    hears(&mut client, false).await;
    line.write_all(b"99010219990101001\r\nON\r\n").await.expect("it is written");
    hears(&mut client, true).await;
    client.leave().await;
    daemon.stop().await;
}

async fn simulated(stage: Stage) {
    let daemon = stage.start("[infrared]\ndriver = \"simulated\"\n").await;
    let (mut client, mut hand) = (daemon.unix().await, daemon.tcp().await);
    let does = |verb| call("bridge.simulate", &json!({"device": "infrared", "do": verb}));
    is(&mut hand, "ready").await;
    starts(&mut client, 2000).await;
    for (verb, somebody) in [("pulse", true), ("go", false), ("come", true)] {
        hand.ask(does(verb)).await;
        hears(&mut client, somebody).await;
    }
    for wrong in [does("put"), simulate("infrared", "fault", "fault", "bad-checksum")] {
        hand.send(wrong).await;
        assert_eq!(hand.next().await["res"]["success"], false);
    }
    hand.ask(simulate("infrared", "fault", "fault", "unplug")).await;
    is(&mut hand, "absent").await;
    hand.ask(simulate("infrared", "fault", "fault", "none")).await;
    is(&mut hand, "ready").await;
    client.hears(CHANNEL).await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn begun_in_the_middle(stage: Stage) {
    let sensor = Sensor::at(&stage, Model::Ld2410);
    let mut daemon = stage.start_unrecorded(&section("ld2410")).await;
    let (mut one, mut other) = (daemon.unix().await, daemon.ws().await);
    starts(&mut one, 2000).await;
    starts(&mut other, 3000).await;
    sensor.hand.come();
    hears(&mut one, true).await;
    record(&mut daemon, &stage).await;
    for _ in 0..2 {
        one.hears(CHANNEL).await;
    }
    other.hears(CHANNEL).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    sensor.hand.go();
    for _ in 0..3 {
        one.hears(CHANNEL).await;
    }
    for client in [one, other] {
        client.leave().await;
    }
    daemon.stop().await;
}

async fn begun_at_rest(stage: Stage) {
    let sensor = Sensor::at(&stage, Model::Tfmini);
    let mut daemon = stage.start_unrecorded(&section("tfmini")).await;
    let mut client = daemon.unix().await;
    starts(&mut client, 2000).await;
    client.send(action("stopInfraredInductionListener", "s")).await;
    client.succeeds().await;
    pause().await;
    record(&mut daemon, &stage).await;
    is(&mut client, "ready").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    starts(&mut client, 2000).await;
    sensor.hand.come();
    hears(&mut client, true).await;
    client.leave().await;
    daemon.stop().await;
}

async fn record(daemon: &mut Daemon, stage: &Stage) {
    daemon.record("start", stage.recording()).await;
}
