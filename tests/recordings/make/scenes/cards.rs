//! Scenes of cards that are read: whose, which fields, with photo and fingerprints.

use std::process::Command;
use std::time::Duration;

use hharome_hardware::id_card::people::{CardDescription, PEOPLE};
use serde_json::{Value, json};

use super::client::{action, card, code, simulate};
use super::daemon::READER;
use super::reader::{FIND, Reader, of};
use super::{Scene, Stage, pause};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "id_card_each_layout",
            "a card of everybody in the town: residents with and without appended addresses, \
             permits `J`, `I` of 2017 and `Y` of 2023, with Chinese and English names",
            each_layout,
        ),
        Scene::new(
            "id_card_info_types",
            "`infoType` chooses the fields: each part, two, all, none, an unknown one",
            info_types,
        ),
        Scene::new(
            "id_card_lying_there",
            "a card that lies there when the call begins is read, and has to be lifted before the \
             next call reads it again",
            lying_there,
        ),
        Scene::new(
            "id_card_listeners",
            "two listeners hear every card, one on WebSocket; one goes off and hears no more",
            listeners,
        ),
        Scene::new(
            "id_card_photos",
            "the vendor's library makes the photo a JPEG, for a call and for a listener",
            photos,
        ),
        Scene::new(
            "id_card_photo_refused",
            "the vendor's library refuses the photo: it stays empty, and the rest is delivered",
            photo_refused,
        ),
        Scene::new(
            "id_card_raw_photo",
            "`raw_photo`: the photo as the chip has it is given too",
            raw_photo,
        ),
        Scene::new(
            "id_card_fingerprint",
            "`fingerprint`: cards with fingerprints of both kinds are read by command `30 10`",
            fingerprint,
        ),
        Scene::new(
            "id_card_slow_in_pieces",
            "a slow module whose replies come in pieces of seven bytes, with the stages of the \
             call on `bridgeCalls`",
            slow_in_pieces,
        ),
        Scene::new(
            "id_card_simulated",
            "a simulated reader worked by `bridge.simulate`: put, a described card, lift, faults, \
             and gestures that cannot be",
            simulated,
        ),
        Scene::new(
            "default_limits",
            "no card and no code comes: the calls end by the limits that nobody has set",
            default_limits,
        ),
    ]
}

async fn default_limits(stage: Stage) {
    let sections = "[id_card]\ndriver = \"simulated\"\n[qr_scanner]\ndriver = \"simulated\"\n";
    let mut daemon = stage.start(sections).await;
    daemon.ready("id_card", 1).await;
    let (mut at_reader, mut at_scanner) = (daemon.unix().await, daemon.tcp().await);
    at_reader.send(card("a")).await;
    at_scanner.send(code("b")).await;
    at_reader.fails("超时").await;
    at_scanner.fails("超时").await;
    at_reader.leave().await;
    at_scanner.leave().await;
    daemon.stop().await;
}

async fn each_layout(stage: Stage) {
    let reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    for (number, person) in PEOPLE.iter().enumerate() {
        client.send(card(number.to_string())).await;
        daemon.was_asked("getIDCardInfo", number + 1).await;
        pause().await;
        reader.put(person.slug);
        let reply = client.succeeds().await;
        let (text, address) = ((person.card)().text, (person.card)().newest_address().to_owned());
        let name = if text.name.is_empty() { text.english_name } else { text.name };
        assert_eq!(
            (&reply["data"]["name"], &reply["data"]["address"]),
            (&json!(name), &json!(address))
        );
        pause().await;
        reader.hand.lift();
    }
    client.leave().await;
    daemon.stop().await;
}

async fn info_types(stage: Stage) {
    let reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.tcp().await;
    let every = ["base", "photo", "other", "base,photo", "base,photo,other", "", "face"];
    for (number, parts) in every.into_iter().enumerate() {
        reader.put(if number % 2 == 0 { "li-si" } else { "wang-wu" });
        let mut request = card(number);
        request["params"] = json!({"infoType": parts});
        client.ask(request).await;
        reader.hand.lift();
        pause().await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn lying_there(stage: Stage) {
    let mut reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(&format!("{READER}[timeouts]\nid_card = 700\n")).await;
    daemon.ready("id_card", 1).await;
    reader.put("li-si");
    pause().await;
    let mut client = daemon.unix().await;
    client.send(card("a")).await;
    client.succeeds().await;
    // It was read, and is hidden while it lies there.
    client.send(card("b")).await;
    client.fails("超时").await;
    client.send(card("c")).await;
    reader.is_asked(FIND, 1).await;
    reader.hand.lift();
    reader.put("li-si");
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

async fn listeners(stage: Stage) {
    const CHANNEL: &str = "initIDCardListener";
    let mut reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let (mut first, mut second) = (daemon.unix().await, daemon.ws().await);
    first.on(CHANNEL).await;
    second.on(CHANNEL).await;
    // Once more changes nothing: each event comes once.
    second.on(CHANNEL).await;
    for (number, slug) in ["zhang-san", "wang-wu", "lin-ba"].into_iter().enumerate() {
        reader.put(slug);
        first.hears(CHANNEL).await;
        if number < 2 {
            second.hears(CHANNEL).await;
        }
        if number == 1 {
            pause().await;
            second.ask(json!({"off": CHANNEL})).await;
        }
        reader.is_asked(FIND, 1).await;
        reader.hand.lift();
        reader.is_asked(FIND, 1).await;
    }
    second.leave().await;
    first.leave().await;
    daemon.stop().await;
}

/// Builds a stand-in for a vendor's library that behaves as `mode` says.
fn build_library(stage: &Stage, mode: &str) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/hardware/tests/photo_library.c");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(stage.path("photo.so"));
    let status = cc.arg(format!("-DMODE_{mode}")).arg(source).status().expect("a C compiler");
    assert!(status.success(), "cc ended with {status}");
}

const LIBRARY: &str = "photo_decoder = \"{dir}/photo.so\"\nphoto_limit_ms = 60000\n";

async fn photos(stage: Stage) {
    build_library(&stage, "RAW");
    let mut reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(&format!("{READER}{LIBRARY}")).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    for (task, parts) in [("a", "base,photo"), ("b", "base"), ("c", "photo")] {
        reader.put("zhang-san");
        let mut request = card(task);
        request["params"] = json!({"infoType": parts});
        client.send(request).await;
        let photo = client.succeeds().await["data"]["photoBase64"].take();
        assert_eq!(photo.as_str().is_some_and(|photo| photo.len() > 100), parts != "base");
        reader.hand.lift();
        pause().await;
    }
    client.on("initIDCardListener").await;
    reader.put("chen-qi");
    client.hears("initIDCardListener").await;
    reader.is_asked(FIND, 1).await;
    client.leave().await;
    daemon.stop().await;
}

async fn photo_refused(stage: Stage) {
    build_library(&stage, "REFUSES");
    let reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(&format!("{READER}{LIBRARY}")).await;
    daemon.ready("id_card", 1).await;
    reader.put("zhang-san");
    let mut client = daemon.unix().await;
    client.send(card("a")).await;
    assert_eq!(client.succeeds().await["data"]["photoBase64"], "");
    client.leave().await;
    daemon.stop().await;
}

async fn raw_photo(stage: Stage) {
    let reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(&format!("{READER}raw_photo = true\n")).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    for slug in ["li-si", "jane-doe"] {
        reader.put(slug);
        client.send(card("a")).await;
        let reply = client.succeeds().await;
        assert_eq!(reply["data"]["photoWltBase64"].as_str().map(str::len), Some(1368), "{reply}");
        reader.hand.lift();
        pause().await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn fingerprint(stage: Stage) {
    let reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(&format!("{READER}fingerprint = true\n")).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    let described = |fingerprint: &str| CardDescription {
        person: Some("wang-wu".to_owned()),
        fingerprint: Some(fingerprint.to_owned()),
        ..CardDescription::default()
    };
    for has in ["true", "false"] {
        let card_of_wang_wu =
            hharome_hardware::id_card::people::Card::from_description(&described(has));
        reader.hand.put(card_of_wang_wu.expect("a card"));
        client.send(card(has)).await;
        client.succeeds().await;
        reader.hand.lift();
        pause().await;
    }
    reader.hand.put(of("jane-doe"));
    client.send(card("foreigner")).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

async fn slow_in_pieces(stage: Stage) {
    let reader = Reader::at(&stage.path("reader"));
    reader.hand.set_chunk(7);
    reader.hand.set_reading_time(Duration::from_millis(900));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    client.on("bridgeCalls").await;
    client.send(card("a")).await;
    client.hears("bridgeCalls").await;
    pause().await;
    reader.put("wang-wu");
    client.hears("bridgeCalls").await;
    let (done, reply) = (client.next().await, client.next().await);
    let stages = [&done, &reply].map(|frame| frame["data"]["stage"] == "done");
    assert!(stages.contains(&true), "{done} {reply}");
    client.leave().await;
    daemon.stop().await;
}

async fn simulated(stage: Stage) {
    let sections = "[id_card]\ndriver = \"simulated\"\n[timeouts]\nid_card = 3000\n";
    let mut daemon = stage.start(sections).await;
    daemon.ready("id_card", 1).await;
    let (mut hand, mut client) = (daemon.unix().await, daemon.ws().await);
    let gesture = |verb: &str, key: &str, value: Value| {
        let params = json!({"device": "id_card", "do": verb, key: value});
        json!({"call": "bridge.simulate", "params": params, "id": 1})
    };
    let described = json!({"name": "赵测试", "nation": "满", "address": "示例市样品路９号"});
    for (number, who) in [json!("li-si"), described, Value::Null].into_iter().enumerate() {
        client.send(card(number)).await;
        daemon.was_asked("getIDCardInfo", number + 1).await;
        pause().await;
        hand.ask(gesture("put", "card", who)).await;
        client.succeeds().await;
        pause().await;
        hand.ask(gesture("lift", "card", Value::Null)).await;
    }
    for wrong in [
        gesture("put", "card", json!("nobody")),
        gesture("put", "card", json!({"sex": "?"})),
        gesture("dance", "card", Value::Null),
        gesture("fault", "fault", json!("fire")),
        simulate("printer", "put", "card", "li-si"),
    ] {
        hand.send(wrong).await;
        assert_eq!(hand.next().await["res"]["success"], false);
    }
    hand.ask(gesture("fault", "fault", json!("bad-checksum"))).await;
    client.send(action("getIDCardInfo", "broken")).await;
    client.fails_as("device_failed").await;
    hand.ask(gesture("fault", "fault", json!("none"))).await;
    daemon.ready("id_card", 2).await;
    hand.ask(gesture("fault", "fault", json!("unplug"))).await;
    daemon.says("device not usable", 2).await;
    // Long enough for whoever plays this against another bridge.
    tokio::time::sleep(Duration::from_millis(600)).await;
    client.send(card("unplugged")).await;
    client.fails_as("device_unavailable").await;
    hand.ask(gesture("fault", "fault", json!("none"))).await;
    daemon.ready("id_card", 3).await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}
