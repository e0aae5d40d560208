//! Scenes of a reader that is broken, silent, garbled or unplugged, and of lines with bad manners.

use hharome_hardware::id_card::virtual_reader::Fault;

use super::client::card;
use super::daemon::{Daemon, READER};
use super::other_reader::{Manner, OtherReader, resident};
use super::reader::{FIND, READ, Reader};
use super::{Scene, Stage, pause};

/// Replies of one attempt up to the reading, which is sent twice when nothing comes.
const MUTE_FOR_ONE_ATTEMPT: u32 = 4;

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "id_card_silence",
            "the module falls silent while a call waits, and says nothing until it is mended",
            |stage| broken(stage, Fault::Silence),
        ),
        Scene::new(
            "id_card_bad_checksum",
            "one reply with a wrong check byte costs nothing; when all are wrong, the reader has \
             failed until it is mended",
            |stage| broken(stage, Fault::BadChecksum),
        ),
        Scene::new(
            "id_card_cut_frame",
            "one reply that stops in its middle costs nothing; when all do, the reader has failed \
             until it is mended",
            |stage| broken(stage, Fault::CutFrame),
        ),
        Scene::new(
            "id_card_mute_card",
            "the module says nothing to the reading of a card, and is well all the same: it is \
             reset, and the card is read",
            mute_card,
        ),
        Scene::new(
            "id_card_auto_baud",
            "`baud = \"auto\"`: the module's rate is found, and found again after it was changed",
            auto_baud,
        ),
        Scene::new(
            "id_card_unplug",
            "the reader is unplugged while a call waits, while nobody does, and is used again \
             when it is back",
            unplug,
        ),
        Scene::new(
            "id_card_plugged_in_later",
            "a listener is there before the reader is",
            plugged_in_later,
        ),
        Scene::new(
            "id_card_called_when_ready",
            "a program hears on `bridgeDevices` that the reader is back, and calls in the same \
             moment",
            called_when_ready,
        ),
        Scene::new(
            "id_card_no_reader_answers",
            "on the port is something that answers no status request",
            no_reader_answers,
        ),
        Scene::new(
            "id_card_garbage",
            "another reader: noise, false heads and frames that nobody asked for around its \
             replies",
            garbage,
        ),
        Scene::new(
            "id_card_other_reader_pieces",
            "another reader: its replies come in pieces of one byte and of others",
            other_reader_pieces,
        ),
        Scene::new(
            "id_card_other_reader_damaged",
            "another reader: replies that are torn off, damaged or missing at each command",
            other_reader_damaged,
        ),
        Scene::new(
            "id_card_other_reader_refuses",
            "another reader: it refuses status, find, select and the newest address, and is reset",
            other_reader_refuses,
        ),
        Scene::new(
            "id_card_other_reader_unplugged",
            "another reader: the plug comes out in the middle of each of its replies",
            other_reader_unplugged,
        ),
    ]
}

async fn broken(stage: Stage, fault: Fault) {
    let reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    reader.put("zhang-san");
    reader.hand.fault(fault, Some(1));
    client.send(card("once")).await;
    client.succeeds().await;
    reader.hand.lift();
    pause().await;
    client.send(card("always")).await;
    daemon.was_asked("getIDCardInfo", 2).await;
    pause().await;
    reader.hand.fault(fault, None);
    client.fails_as("device_failed").await;
    client.send(card("still")).await;
    client.fails_as("device_failed").await;
    reader.hand.mend();
    daemon.ready("id_card", 2).await;
    reader.put("li-si");
    client.send(card("mended")).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

async fn mute_card(stage: Stage) {
    let reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    reader.put("li-si");
    reader.hand.fault(Fault::MuteCard, Some(MUTE_FOR_ONE_ATTEMPT));
    client.send(card("a")).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

async fn auto_baud(stage: Stage) {
    let reader = Reader::at(&stage.path("reader"));
    reader.hand.set_baud(38_400);
    let mut daemon = stage.start(&format!("{READER}baud = \"auto\"\n")).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    reader.put("zhang-san");
    client.send(card("a")).await;
    client.succeeds().await;
    reader.hand.lift();
    pause().await;
    reader.plug(false);
    daemon.says("device not usable", 1).await;
    reader.hand.set_baud(9_600);
    reader.plug(true);
    daemon.ready("id_card", 2).await;
    reader.put("li-si");
    client.send(card("b")).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

async fn unplug(stage: Stage) {
    let mut reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let (mut client, mut listener) = (daemon.unix().await, daemon.tcp().await);
    client.send(card("waits")).await;
    reader.is_asked(FIND, 2).await;
    reader.plug(false);
    client.fails_as("device_unavailable").await;
    client.send(card("too late")).await;
    client.fails_as("device_unavailable").await;
    pause().await;
    reader.plug(true);
    daemon.ready("id_card", 2).await;
    // While nobody wants it.
    reader.plug(false);
    pause().await;
    reader.plug(true);
    daemon.ready("id_card", 3).await;
    listener.on("initIDCardListener").await;
    reader.is_asked(FIND, 1).await;
    reader.plug(false);
    pause().await;
    reader.plug(true);
    daemon.ready("id_card", 4).await;
    reader.put("wang-wu");
    listener.hears("initIDCardListener").await;
    reader.is_asked(FIND, 1).await;
    client.leave().await;
    listener.leave().await;
    daemon.stop().await;
}

async fn plugged_in_later(stage: Stage) {
    let mut daemon = stage.start(READER).await;
    daemon.says("device not usable", 1).await;
    let mut client = daemon.ws().await;
    client.on("initIDCardListener").await;
    client.on("bridgeDevices").await;
    client.hears("bridgeDevices").await;
    pause().await;
    let mut reader = Reader::at(&stage.path("reader"));
    client.hears("bridgeDevices").await;
    reader.is_asked(FIND, 1).await;
    reader.put("chen-qi");
    while client.next().await["channel"] != "initIDCardListener" {}
    reader.is_asked(FIND, 1).await;
    client.leave().await;
    daemon.stop().await;
}

async fn called_when_ready(stage: Stage) {
    let reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    client.on("bridgeDevices").await;
    client.hears("bridgeDevices").await;
    reader.put("li-si");
    for task in ["a", "b", "c"] {
        pause().await;
        reader.plug(false);
        client.hears("bridgeDevices").await;
        pause().await;
        reader.put("li-si");
        reader.plug(true);
        let event = client.hears("bridgeDevices").await;
        assert_eq!(event["data"]["devices"][0]["state"], "ready", "{event}");
        client.send(card(task)).await;
        // Busy, ready, and the reply, in whichever order they come.
        let frames = [client.next().await, client.next().await, client.next().await];
        assert!(frames.iter().any(|frame| frame["taskId"] == task), "{frames:?}");
    }
    client.leave().await;
    daemon.stop().await;
}

async fn no_reader_answers(stage: Stage) {
    let reader = OtherReader::at(&stage.path("reader"));
    reader.always(Manner::Silent);
    let mut daemon = stage.start(READER).await;
    daemon.says("device not usable", 1).await;
    let mut client = daemon.unix().await;
    client.send(card("a")).await;
    client.fails_as("device_failed").await;
    reader.always(Manner::Plain);
    daemon.ready("id_card", 1).await;
    reader.put(zhang());
    client.send(card("b")).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

fn zhang() -> Vec<u8> {
    resident("张三", "1", "19491231", "11010519491231002X")
}

fn li() -> Vec<u8> {
    resident("李四", "2", "19900307", "990101199003070023")
}

/// The other reader, and a daemon that has found it.
async fn with_other_reader(stage: &Stage) -> (Daemon, OtherReader) {
    let reader = OtherReader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    (daemon, reader)
}

async fn garbage(stage: Stage) {
    let (daemon, mut reader) = with_other_reader(&stage).await;
    let mut client = daemon.unix().await;
    for manner in
        [Manner::Noise, Manner::FalseStart, Manner::Overlap, Manner::Swallowed, Manner::Glued]
    {
        reader.always(manner);
        client.send(card(format!("{manner:?}"))).await;
        reader.is_asked(2).await;
        reader.put(zhang());
        client.succeeds().await;
        reader.lift();
        pause().await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn other_reader_pieces(stage: Stage) {
    let (daemon, reader) = with_other_reader(&stage).await;
    let mut client = daemon.tcp().await;
    // 7 and 100 cut the preamble and the lengths, 640 the text from the photo.
    for size in [100, 7, 640] {
        reader.always(Manner::Pieces(size));
        reader.put(li());
        client.send(card(size)).await;
        client.succeeds().await;
        reader.lift();
        pause().await;
    }
    // One byte a write, of the short replies: each is a line of the recording.
    reader.always(Manner::Plain);
    reader.put(zhang());
    for command in [[0x20, 0x01], [0x20, 0x02], [0x30, 0x03]] {
        reader.next(command, Manner::Pieces(1));
    }
    client.send(card(1)).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

async fn other_reader_damaged(stage: Stage) {
    let (daemon, reader) = with_other_reader(&stage).await;
    let mut client = daemon.unix().await;
    for manner in [Manner::Damaged, Manner::Torn(7), Manner::Torn(3), Manner::Silent] {
        for command in [[0x20, 0x01], [0x20, 0x02], [0x30, 0x03]] {
            reader.next(command, manner);
        }
        reader.put(zhang());
        client.send(card(format!("{manner:?}"))).await;
        client.succeeds().await;
        reader.lift();
        pause().await;
    }
    for manner in [Manner::Damaged, Manner::Torn(700)] {
        reader.next([0x30, 0x01], manner);
        reader.put(li());
        client.send(card(format!("reading {manner:?}"))).await;
        client.succeeds().await;
        reader.lift();
        pause().await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn other_reader_refuses(stage: Stage) {
    let reader = OtherReader::at(&stage.path("reader"));
    // The self-test fails once; a reset helps. The module does not tell its id.
    reader.next([0x11, 0xFF], Manner::Refused(0x60));
    reader.next([0x12, 0xFF], Manner::Refused(0x21));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    for (command, status) in [
        ([0x20, 0x01], 0x10),
        ([0x20, 0x01], 0x41),
        ([0x20, 0x01], 0x47),
        ([0x20, 0x02], 0x81),
        ([0x20, 0x02], 0x31),
        ([0x20, 0x02], 0x60),
        ([0x30, 0x03], 0x21),
        ([0x30, 0x03], 0x41),
    ] {
        reader.next(command, Manner::Refused(status));
        reader.put(zhang());
        client.send(card(format!("{command:02X?} {status:02X}"))).await;
        client.succeeds().await;
        reader.lift();
        pause().await;
    }
    reader.next([0x20, 0x01], Manner::Refused(0x66));
    client.send(card("not authorised")).await;
    client.fails_as("device_failed").await;
    daemon.ready("id_card", 2).await;
    reader.put(li());
    client.send(card("again")).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

async fn other_reader_unplugged(stage: Stage) {
    let (mut daemon, mut reader) = with_other_reader(&stage).await;
    let mut client = daemon.unix().await;
    let moments = [([0x20, 0x01], 8), ([0x20, 0x02], 0), (READ_COMMAND, 640), ([0x30, 0x03], 10)];
    for (times, (command, bytes)) in moments.into_iter().enumerate() {
        reader.next(command, Manner::Unplugged(bytes));
        reader.put(zhang());
        client.send(card(format!("{command:02X?} {bytes}"))).await;
        client.fails_as("device_unavailable").await;
        reader.unplugged().await;
        pause().await;
        reader.plug_in();
        daemon.ready("id_card", times + 2).await;
        client.send(card("back")).await;
        client.succeeds().await;
        reader.lift();
        pause().await;
    }
    client.leave().await;
    daemon.stop().await;
}

/// The two bytes of the command that reads text and photo.
const READ_COMMAND: [u8; 2] = [READ[7], READ[8]];
