//! A card on a reader on a serial line, and the reply.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::fixture::{Daemon, soon};
use crate::sam_v::{self, Chip, Reader, block, read_reply, zhang_san};

/// The section of a reader at `{dir}/reader`, looked at often.
pub(crate) const SECTION: &str =
    "[id_card]\ndriver = \"sam-v-serial\"\nport = \"{dir}/reader\"\npoll_ms = 100\n";

pub(crate) const ASK: &str = r#"{"action":"getIDCardInfo","event":"open","taskId":"3","params":{"infoType":"base,photo,other"}}"#;

/// A reader, and a daemon that has it.
pub(crate) async fn with_reader(sections: &str) -> (Daemon, Reader) {
    let folder = TempDir::new().expect("a folder");
    let reader = Reader::new(&folder.path().join("reader"));
    let daemon = Daemon::start_in(folder, "", &format!("{SECTION}{sections}")).await;
    daemon.ready("id_card").await;
    (daemon, reader)
}

/// What a client gets for Zhang San.
pub(crate) fn zhang_sans_data() -> Value {
    json!({
        "name": "张三",
        "idNum": "11010519491231002X",
        "photoBase64": "",
        "signingOrganization": "北京市公安局朝阳分局",
        "address": "北京市朝阳区示例路1号",
        "nation": "汉",
        "sex": "男",
        "beginTime": "20200102",
        "endTime": "长期",
        "birthDate": "19491231",
    })
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_cards_of_these_tests_are_those_of_the_documentation() {
    let check = |block: &[u8], digest: &str| assert_eq!(sha256(block), digest);
    check(&zhang_san(), "9918ac072e154d985d1e859fa9c10d3715500355451f102b90b9fa68848a6635");
    let whole = read_reply(&Chip::new(zhang_san()));
    assert_eq!((whole.len(), whole.last()), (1295, Some(&0xCD)));
    check(&whole, "65ce2f5f8114c2a6d667b74674f0c4850860b7607750dabbd0987de46c56df44");
    check(&permit_j(), "93cdf6c2a40082b5aa665bd6d1453f38b4964d210d79f9fa1edae4c09a1eb7bf");
    check(&permit_i(), "675314de40f8adfba43e0445ab54313a93dc022f52ee356741914b3cacee9895");
    check(&permit_y(), "ca7fcfc2d7f3fb1c06b5e4f04849d6dc8f8b7560ddc56874f51e148b3724c495");
}

fn permit_j() -> Vec<u8> {
    block(&[
        (0, 30, "李四"),
        (30, 2, "2"),
        (36, 16, "19000101"),
        (52, 70, "广东省深圳市示例路2号"),
        (122, 36, "810000190001010018"),
        (158, 30, "深圳市公安局"),
        (188, 16, "20200102"),
        (204, 16, "20250102"),
        (220, 18, "H12345678"),
        (238, 4, "01"),
        (248, 2, "J"),
    ])
}

fn permit_i() -> Vec<u8> {
    block(&[
        (0, 120, "ZHANG SAN"),
        (120, 2, "1"),
        (122, 30, "CAN110190000101"),
        (152, 6, "CAN"),
        (158, 30, "张三"),
        (188, 16, "20180102"),
        (204, 16, "20280102"),
        (220, 16, "19000101"),
        (236, 4, "01"),
        (240, 8, "1500"),
        (248, 2, "I"),
    ])
}

fn permit_y() -> Vec<u8> {
    block(&[
        (0, 30, "张三"),
        (30, 2, "1"),
        (32, 4, "01"),
        (36, 16, "19000101"),
        (52, 70, "ZHANG SAN"),
        (122, 36, "911124190001010019"),
        (188, 16, "20240102"),
        (204, 16, "20340102"),
        (242, 6, "CAN"),
        (248, 2, "Y"),
    ])
}

#[tokio::test]
async fn a_card_on_the_line_is_read_in_the_modules_order_and_answered_to_the_letter() {
    let (daemon, reader) = with_reader("").await;
    reader.put(Chip::new(zhang_san()));
    let reply = daemon.unix().await.ask(ASK).await;
    let expected = json!({
        "action": "getIDCardInfo", "event": "open", "taskId": "3",
        "success": true, "message": "成功", "data": zhang_sans_data(),
    });
    assert_eq!(reply, expected);
    let order =
        [sam_v::STATUS, sam_v::SAM_ID, sam_v::FIND, sam_v::SELECT, sam_v::READ, sam_v::ADDRESS];
    assert_eq!(reader.asked()[..order.len()], order);
    let told = daemon.device("id_card", |_| true).await;
    assert_eq!(told["facts"]["samId"], "05.03-20200102-0012345678-0087654321");
    assert_eq!(told["counters"]["readings"], 1);
}

#[tokio::test]
async fn a_card_that_was_read_must_be_lifted_before_it_is_read_again() {
    let (daemon, reader) = with_reader("").await;
    reader.put(Chip::new(zhang_san()));
    let mut client = daemon.unix().await;
    assert_eq!(client.ask(ASK).await["data"]["name"], "张三");
    client.send(ASK).await;
    reader.is_asked(sam_v::FIND, 3).await;
    client.nothing_came().await;
    reader.lift();
    reader.is_asked(sam_v::FIND, 1).await;
    reader.put(Chip::new(zhang_san()));
    assert_eq!(client.next().await["data"]["name"], "张三");
}

#[tokio::test]
async fn a_card_that_lay_there_unread_is_read_when_a_call_begins() {
    let folder = TempDir::new().expect("a folder");
    let reader = Reader::new(&folder.path().join("reader"));
    reader.put(Chip::new(zhang_san()));
    let daemon = Daemon::start_in(folder, "", SECTION).await;
    daemon.ready("id_card").await;
    assert_eq!(daemon.unix().await.ask(ASK).await["data"], zhang_sans_data());
}

#[tokio::test]
async fn a_reader_is_asked_for_cards_only_while_somebody_wants_one() {
    let (daemon, reader) = with_reader("").await;
    let finds = |asked: &[Vec<u8>]| asked.iter().filter(|one| **one == sam_v::FIND).count();
    assert_eq!(finds(&reader.asked()), 0);
    let mut client = daemon.unix().await;
    client.on("initIDCardListener").await;
    reader.is_asked(sam_v::FIND, 2).await;
    assert_eq!(client.ask(r#"{"off":"initIDCardListener"}"#).await["success"], true);
    left_alone(&reader).await;
    // A listener that goes without a word is none any more, either.
    client.on("initIDCardListener").await;
    reader.is_asked(sam_v::FIND, 1).await;
    drop(client);
    left_alone(&reader).await;
}

/// Ends when a reader that is looked at every 100 ms has been asked nothing for five times as
/// long: what was under way when nobody wanted a card any more may still be seen.
async fn left_alone(reader: &Reader) {
    let mut requests = reader.requests();
    let settled =
        async { while timeout(Duration::from_millis(500), requests.changed()).await.is_ok() {} };
    soon("the reader is left alone", settled).await;
}

#[tokio::test]
async fn permits_of_all_layouts_are_decoded() {
    let (daemon, reader) = with_reader("").await;
    let mut client = daemon.unix().await;
    let cases = [
        (
            permit_j(),
            json!({
                "name": "李四", "idNum": "810000190001010018", "photoBase64": "",
                "signingOrganization": "深圳市公安局", "address": "广东省深圳市示例路2号",
                "nation": "", "sex": "女", "beginTime": "20200102", "endTime": "20250102",
                "birthDate": "19000101",
            }),
        ),
        (
            permit_i(),
            json!({
                "name": "张三", "idNum": "CAN110190000101", "photoBase64": "",
                "signingOrganization": "1500", "address": "", "nation": "CAN", "sex": "男",
                "beginTime": "20180102", "endTime": "20280102", "birthDate": "19000101",
            }),
        ),
        (
            permit_y(),
            json!({
                "name": "张三", "idNum": "911124190001010019", "photoBase64": "",
                "signingOrganization": "", "address": "", "nation": "CAN", "sex": "男",
                "beginTime": "20240102", "endTime": "20340102", "birthDate": "19000101",
            }),
        ),
    ];
    for (text, expected) in cases {
        reader.put(Chip::new(text));
        assert_eq!(client.ask(ASK).await["data"], expected);
        reader.lift();
    }
    // Without a Chinese name the English one counts.
    let mut text = permit_i();
    text[158..188].copy_from_slice(&[0x20, 0x00].repeat(15));
    reader.put(Chip::new(text));
    assert_eq!(client.ask(ASK).await["data"]["name"], "ZHANG SAN");
}

#[tokio::test]
async fn codes_of_sex_and_nation_become_words_and_unknown_ones_too() {
    let (daemon, reader) = with_reader("").await;
    let mut client = daemon.unix().await;
    for (codes, sex, nation) in [
        (("0", "56"), "未知", "基诺"),
        (("9", "05"), "未说明", "维吾尔"),
        (("1", "57"), "男", "其他"),
        (("2", "77"), "女", "其他"),
    ] {
        let mut text = zhang_san();
        text[30..36].copy_from_slice(&block(&[(0, 2, codes.0), (2, 4, codes.1)])[..6]);
        reader.put(Chip::new(text));
        let data = client.ask(ASK).await["data"].clone();
        assert_eq!((&data["sex"], &data["nation"]), (&json!(sex), &json!(nation)));
        reader.lift();
    }
}

#[tokio::test]
async fn the_newest_appended_address_counts_and_is_not_normalised() {
    let (daemon, reader) = with_reader("").await;
    let newest = "示例自治区　样品市新华路１３８号";
    let mut file = block(&[(0, 70, newest), (70, 70, "旧地址")]);
    file.extend([0x20, 0x00].repeat(12));
    assert_eq!(file.len(), 4 * 70);
    reader.put(Chip { addresses: Some(file), ..Chip::new(zhang_san()) });
    let mut client = daemon.unix().await;
    assert_eq!(client.ask(ASK).await["data"]["address"], newest);
}
