//! What is read of an ID card (3.2.1 to 3.2.5): the parts, the fields, the kinds of cards. All
//! cards are invented.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::context::Context;
use super::wire::request;
use super::{Case, Mismatch, Need, Outcome, check};

const ACTION: &str = "getIDCardInfo";
const CARD: &[Need] = &[Need::Action(ACTION), Need::Simulated("id_card")];

const BASE: &[&str] = &["name", "idNum"];
const PHOTO: &[&str] = &["photoBase64"];
const OTHER: &[&str] =
    &["signingOrganization", "address", "nation", "sex", "beginTime", "endTime", "birthDate"];

pub(super) static CASES: &[Case] = &[
    Case::new("id_card/base_is_name_and_number", "3.2.1", CARD, |cx| {
        Box::pin(parts(cx, "base", &[BASE]))
    }),
    Case::new("id_card/photo_is_the_photo", "3.2.1", CARD, |cx| {
        Box::pin(parts(cx, "photo", &[PHOTO]))
    }),
    Case::new("id_card/other_is_the_rest", "3.2.1", CARD, |cx| {
        Box::pin(parts(cx, "other", &[OTHER]))
    }),
    Case::new("id_card/parts_are_joined_by_commas", "3.2.1", CARD, |cx| Box::pin(joined_parts(cx))),
    Case::new("id_card/without_info_type_all_parts_are_there", "3.2.1", CARD, |cx| {
        Box::pin(all_parts(cx))
    }),
    Case::new("id_card/the_envelope_of_a_reading", "1.2", CARD, |cx| Box::pin(envelope(cx))),
    Case::new("id_card/inside_a_call_the_result_is_the_envelope", "W1.5", CARD, |cx| {
        Box::pin(inside_a_call(cx))
    }),
    Case::new("id_card/a_residents_card_field_by_field", "3.2.2", CARD, |cx| {
        Box::pin(resident(cx))
    }),
    Case::new("id_card/an_invented_person_is_called_by_name", "W1.23", CARD, |cx| {
        Box::pin(by_slug(cx))
    }),
    Case::new("id_card/the_photo_is_base64_without_line_breaks", "3.2.2", CARD, |cx| {
        Box::pin(photo(cx))
    }),
    Case::new("id_card/the_newest_address_counts_as_the_chip_has_it", "3.2.4", CARD, |cx| {
        Box::pin(newest_address(cx))
    }),
    Case::new("id_card/full_width_digits_stay", "3.2.4", CARD, |cx| {
        Box::pin(full_width_digits(cx))
    }),
    Case::new("id_card/sex_and_nation_are_words", "3.2.3", CARD, |cx| Box::pin(words(cx))),
    Case::new("id_card/hong_kong_macau_taiwan_have_no_nation", "3.2.5", CARD, |cx| {
        Box::pin(layout_j(cx))
    }),
    Case::new(
        "id_card/a_foreigner_of_2017_has_a_nationality_and_no_address",
        "3.2.5",
        CARD,
        |cx| Box::pin(layout_i(cx)),
    ),
    Case::new("id_card/a_foreigner_of_2023_has_no_agency_either", "3.2.5", CARD, |cx| {
        Box::pin(layout_y(cx))
    }),
    Case::new("id_card/without_a_chinese_name_the_english_one_counts", "3.2.5", CARD, |cx| {
        Box::pin(english_name(cx))
    }),
];

/// The card of one who does not exist: region 99 is none.
fn invented() -> Value {
    json!({
        "layout": "resident", "name": "甲乙丙", "sex": "女", "nation": "满",
        "birthDate": "19900307", "address": "示例省示例市样品路１３８号", "appendedAddress": "",
        "idNum": "990101199003070023", "signingOrganization": "示例市公安局样品分局",
        "beginTime": "20180611", "endTime": "长期",
    })
}

/// The data of the card `card`, read with these params.
async fn read(cx: &Context, card: Value, params: Value) -> Result<Value, Mismatch> {
    let mut wire = cx.connect().await?;
    wire.send(request(ACTION, &json!("read"), Some(params))).await?;
    wire.settled().await?;
    cx.put(card).await?;
    let reply = wire.next().await?;
    cx.echoes(&reply, ACTION, "open", &json!("read"))?;
    cx.success(&reply)
}

/// `data` has these fields and no other of section 3.2; all are strings.
fn has_fields(data: &Value, expected: &[&[&str]]) -> Outcome {
    for field in [BASE, PHOTO, OTHER].concat() {
        let wanted = expected.iter().any(|part| part.contains(&field));
        let got = data.get(field);
        check(got.is_some() == wanted, || {
            let word = if wanted { "missing" } else { "there, and not asked for" };
            format!("{field} is {word}")
        })?;
        check(got.is_none_or(Value::is_string), || format!("{field} is no string"))?;
    }
    Ok(())
}

/// Each of these fields has this value.
fn has_values(data: &Value, expected: &[(&str, &str)]) -> Outcome {
    for (field, value) in expected {
        let got = &data[field];
        check(got == value, || format!("{field}: expected {value:?}, got {got}"))?;
    }
    Ok(())
}

async fn parts(cx: Context, info_type: &str, expected: &[&[&str]]) -> Outcome {
    let data = read(&cx, invented(), json!({ "infoType": info_type })).await?;
    has_fields(&data, expected)
}

async fn joined_parts(cx: Context) -> Outcome {
    for (info_type, expected) in [
        ("base,photo", &[BASE, PHOTO][..]),
        ("other,base", &[BASE, OTHER]),
        ("base,photo,other", &[BASE, PHOTO, OTHER]),
    ] {
        let data = read(&cx, invented(), json!({ "infoType": info_type })).await?;
        has_fields(&data, expected)?;
    }
    Ok(())
}

async fn all_parts(cx: Context) -> Outcome {
    let data = read(&cx, invented(), json!({})).await?;
    has_fields(&data, &[BASE, PHOTO, OTHER])
}

async fn envelope(cx: Context) -> Outcome {
    cx.put(invented()).await?;
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request(ACTION, &json!(3), Some(json!({"infoType": "base"})))).await?;
    let data = json!({"name": "甲乙丙", "idNum": "990101199003070023"});
    let expected = json!({
        "action": ACTION, "event": "open", "taskId": 3,
        "success": true, "message": "成功", "data": data,
    });
    cx.equal(&reply, &expected)
}

async fn inside_a_call(cx: Context) -> Outcome {
    cx.put(invented()).await?;
    let mut wire = cx.connect().await?;
    let params =
        json!({"action": ACTION, "event": "open", "taskId": "c", "params": {"infoType": "base"}});
    let call = json!({"call": "ampeHHCommunication", "id": {"n": 1}, "params": params});
    let reply = wire.ask(call.to_string()).await?;
    let head = reply["id"] == json!({"n": 1}) && reply["call"] == "ampeHHCommunication";
    check(head, || format!("call and id do not come back: {}", cx.quote(&reply)))?;
    cx.echoes(&reply["res"], ACTION, "open", &json!("c"))?;
    let data = cx.success(&reply["res"])?;
    has_values(&data, &[("name", "甲乙丙")])
}

async fn resident(cx: Context) -> Outcome {
    let data = read(&cx, invented(), json!({})).await?;
    has_values(
        &data,
        &[
            ("name", "甲乙丙"),
            ("idNum", "990101199003070023"),
            ("sex", "女"),
            ("nation", "满"),
            ("birthDate", "19900307"),
            ("address", "示例省示例市样品路１３８号"),
            ("signingOrganization", "示例市公安局样品分局"),
            ("beginTime", "20180611"),
            ("endTime", "长期"),
        ],
    )
}

async fn by_slug(cx: Context) -> Outcome {
    for (slug, name) in [("zhang-san", "张三"), ("li-si", "李四")] {
        let data = read(&cx, json!(slug), json!({"infoType": "base"})).await?;
        has_values(&data, &[("name", name)])?;
        cx.lift().await?;
    }
    Ok(())
}

async fn photo(cx: Context) -> Outcome {
    let data = read(&cx, invented(), json!({"infoType": "photo"})).await?;
    let text = data["photoBase64"].as_str().unwrap_or_default();
    check(!text.contains(['\r', '\n', ' ']), || "photoBase64 holds white space".to_owned())?;
    check(!text.starts_with("data:"), || "photoBase64 is a data: URL".to_owned())?;
    let bytes = STANDARD.decode(text);
    let bytes = bytes.map_err(|error| Mismatch::Wrong(format!("photoBase64: {error}")))?;
    // A bridge without a decoder has no picture to show.
    check(bytes.is_empty() || bytes.starts_with(&[0xFF, 0xD8, 0xFF]), || {
        "photoBase64 is no JPEG".to_owned()
    })
}

async fn newest_address(cx: Context) -> Outcome {
    let mut card = invented();
    card["appendedAddress"] = json!("示例自治区　样品市新华路９号");
    let data = read(&cx, card, json!({"infoType": "other"})).await?;
    has_values(&data, &[("address", "示例自治区　样品市新华路９号")])
}

async fn full_width_digits(cx: Context) -> Outcome {
    let data = read(&cx, invented(), json!({"infoType": "other"})).await?;
    has_values(&data, &[("address", "示例省示例市样品路１３８号")])
}

async fn words(cx: Context) -> Outcome {
    for (sex, nation, sex_word, nation_word) in [
        ("1", "01", "男", "汉"),
        ("2", "05", "女", "维吾尔"),
        ("0", "56", "未知", "基诺"),
        ("9", "15", "未说明", "土家"),
    ] {
        let mut card = invented();
        card["sex"] = json!(sex);
        card["nation"] = json!(nation);
        let data = read(&cx, card, json!({"infoType": "other"})).await?;
        has_values(&data, &[("sex", sex_word), ("nation", nation_word)])?;
        cx.lift().await?;
    }
    Ok(())
}

async fn layout_j(cx: Context) -> Outcome {
    let card = json!({"layout": "J", "name": "甲乙", "address": "示例路２号"});
    let data = read(&cx, card, json!({})).await?;
    has_fields(&data, &[BASE, PHOTO, OTHER])?;
    has_values(&data, &[("nation", ""), ("name", "甲乙"), ("address", "示例路２号")])
}

async fn layout_i(cx: Context) -> Outcome {
    let card = json!({"layout": "I", "name": "甲乙", "nationality": "CAN"});
    let data = read(&cx, card, json!({})).await?;
    has_fields(&data, &[BASE, PHOTO, OTHER])?;
    has_values(&data, &[("name", "甲乙"), ("nation", "CAN"), ("address", "")])
}

async fn layout_y(cx: Context) -> Outcome {
    let card = json!({"layout": "Y", "name": "甲乙", "nationality": "FRA"});
    let data = read(&cx, card, json!({})).await?;
    has_fields(&data, &[BASE, PHOTO, OTHER])?;
    let expected =
        [("name", "甲乙"), ("nation", "FRA"), ("address", ""), ("signingOrganization", "")];
    has_values(&data, &expected)
}

async fn english_name(cx: Context) -> Outcome {
    for layout in ["I", "Y"] {
        let card = json!({"layout": layout, "name": "", "englishName": "DOE, JO"});
        let data = read(&cx, card, json!({"infoType": "base"})).await?;
        has_values(&data, &[("name", "DOE, JO")])?;
        cx.lift().await?;
    }
    Ok(())
}
