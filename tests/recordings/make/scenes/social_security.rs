//! Scenes of social-security cards.

use serde_json::{Value, json};

use super::chips::{Hand, SOCIAL_SECURITY, social_security, with};
use super::client::{Client, action, close};
use super::{Scene, Stage, pause};

const CHANNEL: &str = "socialSecurityCardListener";

/// Names on described cards.
pub(super) const NAMES: [&str; 8] = [
    // Fifteen characters fill the first record, sixteen go on in the second.
    "阿卜杜热合曼买买提吐尔逊江艾力",
    "阿卜杜热合曼买买提吐尔逊江艾力肉",
    // The twenty-ninth byte is the last of a Latin letter: a character is cut in two.
    LONG_NAME,
    // Four bytes each in GB18030.
    "王𠮷㐱㒟",
    "欧阳·示例",
    "Muhammad Abdullah Specimen Junior The Third",
    "李",
    "",
];

/// One that is on a card in a reader of PC/SC, too.
pub(super) const LONG_NAME: &str = "A古丽巴哈尔买买提吐尔逊江艾力肉孜";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "social_security_each_generation",
            "`getSocialSecurityCardInfo` of cards of generations 1, 2 and 3; of the third only what \
             needs no key",
            each_generation,
        ),
        Scene::new(
            "social_security_names",
            "names over both records, Chinese and Latin, with rare characters; numbers of fifteen \
             digits, without dates, of both sexes and several nations",
            names,
        ),
        Scene::new(
            "social_security_unreadable",
            "other cards, mute ones, and one that falls silent: each is told of once, and has to be \
             lifted",
            unreadable,
        ),
        Scene::new(
            "social_security_timeout",
            "no card comes, or only one that has been read already: `超时`",
            timeout,
        ),
        Scene::new(
            "social_security_queue",
            "two clients wait: one card each, oldest first; closed, superseded, gone",
            queue,
        ),
        Scene::new(
            "social_security_listener",
            "`socialSecurityCardConfig` opens the channel, `on` alone too; every listener and the \
             oldest call hear each card",
            listener,
        ),
        Scene::new(
            "social_security_taken_away",
            "a card is taken away while it is read: nobody is told, and the next one is read",
            taken_away,
        ),
        Scene::new(
            "social_security_unplugged",
            "the reader is unplugged while a call waits and while nobody does, and is used again \
             when it is back, with the card that lies in it",
            unplugged,
        ),
        Scene::new(
            "social_security_occupied",
            "another program holds the card: who waits is told after five seconds, and a new call \
             tries again",
            occupied,
        ),
    ]
}

/// Asks for a card, and puts this one in when the call waits.
async fn read(client: &mut Client, hand: &mut Hand, task: &str, card: Value) -> Value {
    client.send(social_security(task)).await;
    pause().await;
    hand.put(card).await;
    let reply = client.succeeds().await;
    hand.lift().await;
    reply["data"].clone()
}

async fn each_generation(stage: Stage) {
    let mut daemon = stage.start(SOCIAL_SECURITY).await;
    daemon.ready("social_security_card", 1).await;
    let mut client = daemon.unix().await;
    let mut hand = Hand::at("social_security_card", daemon.tcp().await);
    for (card, version, name) in
        [("ssc-1", "1.00", "周一"), ("ssc-2", "2.00", "郑小二"), ("ssc-3", "3.00", "")]
    {
        let data = read(&mut client, &mut hand, card, json!(card)).await;
        assert_eq!((&data["fullVersion"], &data["name"]), (&json!(version), &json!(name)));
    }
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn names(stage: Stage) {
    let mut daemon = stage.start(SOCIAL_SECURITY).await;
    daemon.ready("social_security_card", 1).await;
    let mut client = daemon.ws().await;
    let mut hand = Hand::at("social_security_card", daemon.unix().await);
    let more = [
        json!({"sex": "女", "nation": "维吾尔"}),
        json!({"sex": "1", "nation": "05"}),
        json!({"idNumber": "990102951123002"}),
        json!({"cardNumber": "AB12"}),
        json!({"birthDate": "20000229", "idNumber": "99010320000229002X"}),
        json!({"issueDate": "20240101"}),
        json!({"generation": 1, "cityCode": "990200", "sex": "0"}),
        json!({"generation": "3", "issueDate": "20230401"}),
    ];
    for (number, (name, more)) in NAMES.into_iter().zip(more).enumerate() {
        let mut card = more;
        card["name"] = json!(name);
        let data = read(&mut client, &mut hand, &number.to_string(), card).await;
        assert_eq!(data["name"], name);
    }
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn unreadable(stage: Stage) {
    let limit = "[timeouts]\nsocial_security_card = 700\n";
    let mut daemon = stage.start(&format!("{SOCIAL_SECURITY}{limit}")).await;
    daemon.ready("social_security_card", 1).await;
    let mut client = daemon.unix().await;
    let mut hand = Hand::at("social_security_card", daemon.tcp().await);
    for card in ["transport", "psam"] {
        client.send(social_security(card)).await;
        pause().await;
        hand.put(card).await;
        client.fails_as("device_failed").await;
        // It lies there still.
        client.send(social_security("again")).await;
        client.fails("超时").await;
        hand.lift().await;
    }
    hand.fault("mute").await;
    hand.put("ssc-1").await;
    client.send(social_security("mute")).await;
    client.fails_as("device_failed").await;
    hand.lift().await;
    hand.fault("none").await;
    hand.put("ssc-1").await;
    client.send(social_security("well")).await;
    client.succeeds().await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn timeout(stage: Stage) {
    let limit = "[timeouts]\nsocial_security_card = 600\n";
    let mut daemon = stage.start(&format!("{SOCIAL_SECURITY}{limit}")).await;
    daemon.ready("social_security_card", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.ws().await);
    let mut hand = Hand::at("social_security_card", daemon.tcp().await);
    client.send(social_security("a")).await;
    pause().await;
    other.send(social_security("a")).await;
    client.fails("超时").await;
    other.fails("超时").await;
    // One that lies there when the call comes is read, once.
    hand.put("ssc-2").await;
    client.send(social_security("b")).await;
    client.succeeds().await;
    client.send(social_security("c")).await;
    client.fails("超时").await;
    hand.lift().await;
    hand.put("ssc-2").await;
    client.send(social_security("d")).await;
    client.succeeds().await;
    for client in [client, other] {
        client.leave().await;
    }
    hand.leave().await;
    daemon.stop().await;
}

async fn queue(stage: Stage) {
    let mut daemon = stage.start(SOCIAL_SECURITY).await;
    daemon.ready("social_security_card", 1).await;
    let (mut first, mut second) = (daemon.unix().await, daemon.ws().await);
    let mut hand = Hand::at("social_security_card", daemon.tcp().await);
    first.send(social_security("a")).await;
    daemon.was_asked("getSocialSecurityCardInfo", 1).await;
    second.send(social_security("b")).await;
    daemon.was_asked("getSocialSecurityCardInfo", 2).await;
    pause().await;
    hand.put("ssc-1").await;
    first.succeeds().await;
    // The card lies there still; the second waits for another one.
    hand.put("ssc-3").await;
    second.succeeds().await;
    first.send(social_security("c")).await;
    daemon.was_asked("getSocialSecurityCardInfo", 3).await;
    second.send(social_security("d")).await;
    daemon.was_asked("getSocialSecurityCardInfo", 4).await;
    pause().await;
    first.send(social_security("c")).await;
    first.fails("取消").await;
    pause().await;
    first.send(close("getSocialSecurityCardInfo", "e")).await;
    first.fails("取消").await;
    first.succeeds().await;
    pause().await;
    drop(second);
    daemon.says("connection ended", 1).await;
    pause().await;
    // Nobody wants this one.
    hand.put("ssc-2").await;
    first.send(social_security("f")).await;
    first.succeeds().await;
    first.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn listener(stage: Stage) {
    let mut daemon = stage.start(SOCIAL_SECURITY).await;
    daemon.ready("social_security_card", 1).await;
    let (mut configured, mut listens) = (daemon.unix().await, daemon.ws().await);
    let mut hand = Hand::at("social_security_card", daemon.tcp().await);
    configured.send(action("socialSecurityCardConfig", "a")).await;
    configured.succeeds().await;
    listens.on(CHANNEL).await;
    hand.put("ssc-1").await;
    configured.hears(CHANNEL).await;
    listens.hears(CHANNEL).await;
    // Whoever asks now, asks for another card.
    listens.send(social_security("b")).await;
    daemon.was_asked("getSocialSecurityCardInfo", 1).await;
    hand.lift().await;
    hand.put("ssc-2").await;
    configured.hears(CHANNEL).await;
    let both = [listens.next().await, listens.next().await];
    assert!(both.iter().any(|frame| frame["taskId"] == "b"), "{both:?}");
    configured.send(with("socialSecurityCardConfig", "c", json!({"once": "more"}))).await;
    configured.succeeds().await;
    configured.ask(json!({"off": CHANNEL})).await;
    hand.lift().await;
    hand.put("ssc-3").await;
    listens.hears(CHANNEL).await;
    for client in [configured, listens] {
        client.leave().await;
    }
    hand.leave().await;
    daemon.stop().await;
}

async fn taken_away(stage: Stage) {
    let limit = "[timeouts]\nsocial_security_card = 1500\n";
    let mut daemon = stage.start(&format!("{SOCIAL_SECURITY}{limit}")).await;
    daemon.ready("social_security_card", 1).await;
    let mut client = daemon.unix().await;
    let mut hand = Hand::at("social_security_card", daemon.tcp().await);
    client.send(social_security("a")).await;
    pause().await;
    hand.fault("vanish").await;
    hand.put("ssc-2").await;
    hand.put("ssc-1").await;
    client.succeeds().await;
    hand.lift().await;
    hand.fault("vanish").await;
    client.send(social_security("b")).await;
    pause().await;
    hand.put("ssc-2").await;
    client.fails("超时").await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn unplugged(stage: Stage) {
    let mut daemon = stage.start(SOCIAL_SECURITY).await;
    daemon.ready("social_security_card", 1).await;
    let mut client = daemon.unix().await;
    let mut hand = Hand::at("social_security_card", daemon.tcp().await);
    client.send(social_security("a")).await;
    pause().await;
    hand.fault("unplug").await;
    client.fails_as("device_unavailable").await;
    for refused in [social_security("b"), action("socialSecurityCardConfig", "c")] {
        client.send(refused).await;
        client.fails_as("device_unavailable").await;
    }
    hand.put("ssc-3").await;
    hand.fault("none").await;
    daemon.ready("social_security_card", 2).await;
    client.send(social_security("d")).await;
    client.succeeds().await;
    pause().await;
    hand.fault("unplug").await;
    pause().await;
    hand.fault("none").await;
    daemon.ready("social_security_card", 3).await;
    // As if it had been put in again.
    client.send(social_security("e")).await;
    client.succeeds().await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn occupied(stage: Stage) {
    let mut daemon = stage.start(SOCIAL_SECURITY).await;
    daemon.ready("social_security_card", 1).await;
    let (mut client, mut listens) = (daemon.unix().await, daemon.ws().await);
    let mut hand = Hand::at("social_security_card", daemon.tcp().await);
    listens.on(CHANNEL).await;
    hand.fault("occupied").await;
    client.send(social_security("a")).await;
    pause().await;
    hand.put("ssc-2").await;
    client.fails_as("device_failed").await;
    hand.fault("none").await;
    client.send(social_security("b")).await;
    client.succeeds().await;
    listens.hears(CHANNEL).await;
    for client in [client, listens] {
        client.leave().await;
    }
    hand.leave().await;
    daemon.stop().await;
}
