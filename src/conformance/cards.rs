//! CPU cards (3.13): power-up, commands, batches, sessions. Polling is tried in [`super::polling`],
//! PSAMs in [`super::psam`]. What a case compares with is on the invented card `transport`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::apdus::{BATCH, COMMAND, ask, batch, batch_reply, command, good, is, is_ats, text};
use super::context::Context;
use super::groups::{close_refused, refused};
use super::wire::{Wire, request};
use super::{Case, Mismatch, Need, Outcome, check};

pub(super) const DEVICE: &str = "cpu_card";

pub(super) const READ: &str = "readOnceCPUCardInfo";
const RESET: &str = "psamCardColdReset";

const READS: &[Need] = &[Need::Action(READ), Need::Simulated(DEVICE)];
const COMMANDS: &[Need] = &[Need::Action(COMMAND), Need::Simulated(DEVICE)];
const BATCHES: &[Need] = &[Need::Action(BATCH), Need::Simulated(DEVICE)];
const ALL: &[Need] =
    &[Need::Action(READ), Need::Action(COMMAND), Need::Action(BATCH), Need::Simulated(DEVICE)];
const UNPLUGGED: &[Need] = &[
    Need::Action(READ),
    Need::Action(COMMAND),
    Need::Action(BATCH),
    Need::Call("bridge.status"),
    Need::Simulated(DEVICE),
];

/// Eight random bytes.
const CHALLENGE: &str = "0084000008";

/// Selects the card's application; its file can be read after that only.
pub(super) const SELECT: &str = "00A4040008A000000632010105";
pub(super) const READ_FILE: &str = "00B095001E";

/// Selects what is not there.
const SELECT_NOTHING: &str = "00A4040005F099999999";

/// Longer than another program may hold a card (5 s, 3.13.5) before the call is answered.
const OCCUPIED: Duration = Duration::from_secs(9);

pub(super) static CASES: &[Case] = &[
    Case::new("cpu_card/a_card_is_told_by_its_ats_with_its_length", "3.13.1", READS, |cx| {
        Box::pin(ats(cx))
    }),
    Case::new("cpu_card/read_once_does_not_wait_for_a_card", "3.13.2", READS, |cx| {
        Box::pin(no_card(cx))
    }),
    Case::new("cpu_card/a_card_that_does_not_power_up_is_minus_5", "3.13.5", ALL, |cx| {
        Box::pin(mute(cx))
    }),
    Case::new("cpu_card/a_card_that_another_program_holds_is_minus_2", "3.13.5", ALL, |cx| {
        Box::pin(occupied(cx))
    }),
    Case::new("cpu_card/without_the_reader_everything_is_minus_1", "3.13.5", UNPLUGGED, |cx| {
        Box::pin(unplugged(cx))
    }),
    Case::new("cpu_card/an_answer_is_data_and_status_word_in_hex", "3.13.6", COMMANDS, |cx| {
        Box::pin(answer(cx))
    }),
    Case::new("cpu_card/a_commands_status_word_is_not_judged", "3.13.6", COMMANDS, |cx| {
        Box::pin(not_judged(cx))
    }),
    Case::new("cpu_card/hex_may_be_lower_case_and_hold_blanks", "3.13.3", ALL, |cx| {
        Box::pin(spelling(cx))
    }),
    Case::new("cpu_card/type_and_slot_may_be_numbers_or_strings", "1.6", ALL, |cx| {
        Box::pin(numbers(cx))
    }),
    Case::new("cpu_card/what_is_no_apdu_is_refused", "3.13.3", &[], |cx| {
        let wrong = ["0084000", "008400", "", "no hex", "0x00840000", "00840000 0G"];
        Box::pin(refused(cx, COMMAND, wrong.map(|apdu| json!({"commandApdu": apdu, "type": 1}))))
    }),
    Case::new("cpu_card/a_batch_with_what_is_no_apdu_is_refused", "3.13.3", &[], |cx| {
        let wrong = [
            json!({"type": 1}),
            json!({"commandApdus": CHALLENGE, "type": 1}),
            json!({"commandApdus": ["no hex"], "type": 1}),
            json!({"commandApdus": [CHALLENGE, "0084000"], "type": 1}),
        ];
        Box::pin(refused(cx, BATCH, wrong))
    }),
    Case::new("cpu_card/a_type_or_slot_out_of_range_is_refused", "3.13.3", &[], |cx| {
        Box::pin(out_of_range(cx))
    }),
    Case::new("cpu_card/single_actions_cannot_be_closed", "1.9", &[], |cx| {
        Box::pin(close_refused(cx, &[READ, COMMAND, BATCH, RESET, "stopCPUCardLoopRead"]))
    }),
    Case::new("cpu_card/a_command_without_a_card_is_minus_1", "3.13.5", COMMANDS, |cx| {
        Box::pin(command_without_card(cx))
    }),
    Case::new("cpu_card/a_card_that_goes_in_a_command_is_minus_2", "3.13.5", COMMANDS, |cx| {
        Box::pin(vanishes(cx))
    }),
    Case::new("cpu_card/a_batch_answers_every_command_in_order", "3.13.6", BATCHES, |cx| {
        Box::pin(good_batch(cx))
    }),
    Case::new("cpu_card/a_batch_ends_with_the_result_that_is_not_9000", "3.13.6", ALL, |cx| {
        Box::pin(failing_batch(cx))
    }),
    Case::new("cpu_card/a_batch_whose_card_goes_fails_with_minus_2", "3.13.4", BATCHES, |cx| {
        Box::pin(vanishing_batch(cx))
    }),
    Case::new(
        "cpu_card/a_batch_without_a_card_fails_with_an_empty_list",
        "3.13.6",
        BATCHES,
        |cx| Box::pin(batch_without_card(cx)),
    ),
    Case::new("cpu_card/a_batch_of_nothing_answers_nothing", "3.13.3", BATCHES, |cx| {
        Box::pin(empty_batch(cx))
    }),
    Case::new("cpu_card/a_command_powers_the_card_up", "3.13.7", COMMANDS, |cx| {
        Box::pin(powers_up(cx))
    }),
    Case::new("cpu_card/commands_are_carried_out_in_order", "1.11", COMMANDS, |cx| {
        Box::pin(in_order(cx))
    }),
    Case::new("cpu_card/what_is_open_on_a_card_survives_other_connections", "3.13.7", ALL, |cx| {
        Box::pin(survives(cx))
    }),
    Case::new("cpu_card/another_card_has_nothing_open", "3.13.7", COMMANDS, |cx| {
        Box::pin(another_card(cx))
    }),
    Case::new("cpu_card/a_connection_that_goes_closes_its_card", "3.13.7", COMMANDS, |cx| {
        Box::pin(disconnect(cx))
    }),
];

fn to_card() -> Value {
    json!({"type": 1})
}

/// What `readOnceCPUCardInfo` answers.
pub(super) async fn read_once(cx: &Context, wire: &mut Wire) -> Result<String, Mismatch> {
    let reply = ask(cx, wire, READ, json!({})).await?;
    text(cx, &reply, "nfc_cardInfo")
}

/// A connection, and the card put down.
async fn with_card(cx: &Context) -> Result<Wire, Mismatch> {
    cx.insert(DEVICE, json!("transport")).await?;
    cx.connect().await
}

async fn ats(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    for _ in 0..2 {
        let info = read_once(&cx, &mut wire).await?;
        check(is_ats(&info), || {
            format!("no bytes in upper-case hex of which the first is their number: {info:?}")
        })?;
    }
    Ok(())
}

async fn no_card(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let begun = Instant::now();
    is(&read_once(&cx, &mut wire).await?, "-2")?;
    let took = begun.elapsed();
    check(took < Duration::from_secs(2), || format!("it is answered after {took:?}"))?;
    cx.insert(DEVICE, json!("transport")).await?;
    let info = read_once(&cx, &mut wire).await?;
    check(is_ats(&info), || format!("a card lies there now, and it answers {info:?}"))?;
    cx.remove(DEVICE).await?;
    is(&read_once(&cx, &mut wire).await?, "-2")
}

async fn mute(cx: Context) -> Outcome {
    cx.fault(DEVICE, "mute").await?;
    let mut wire = with_card(&cx).await?;
    is(&read_once(&cx, &mut wire).await?, "-5")?;
    is(&command(&cx, &mut wire, &to_card(), CHALLENGE).await?, "-1")?;
    let reply = batch(&cx, &mut wire, &to_card(), &[CHALLENGE]).await?;
    cx.equal(&reply, &batch_reply(Some(-1), &[]))
}

async fn occupied(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    cx.fault(DEVICE, "occupied").await?;
    let params = json!({"commandApdu": CHALLENGE, "type": 1});
    wire.send(request(COMMAND, &json!("c"), Some(params))).await?;
    let reply = wire.object_within(OCCUPIED).await?;
    is(&text(&cx, &reply, "nfc_resultInfo")?, "-2")?;
    cx.fault(DEVICE, "none").await?;
    let info = read_once(&cx, &mut wire).await?;
    check(is_ats(&info), || format!("nobody holds the card any more, and it answers {info:?}"))
}

async fn unplugged(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    cx.fault(DEVICE, "unplug").await?;
    cx.until_state(DEVICE, "absent").await?;
    is(&read_once(&cx, &mut wire).await?, "-1")?;
    is(&command(&cx, &mut wire, &to_card(), CHALLENGE).await?, "-1")?;
    let reply = batch(&cx, &mut wire, &to_card(), &[CHALLENGE]).await?;
    cx.equal(&reply, &batch_reply(Some(-1), &[]))?;
    cx.fault(DEVICE, "none").await?;
    cx.until_state(DEVICE, "ready").await?;
    let info = read_once(&cx, &mut wire).await?;
    check(is_ats(&info), || format!("the reader is back, and it answers {info:?}"))
}

async fn answer(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    let got = command(&cx, &mut wire, &to_card(), CHALLENGE).await?;
    let data = good(&got)?;
    check(data.len() == 16, || format!("eight bytes were asked for: {got:?}"))?;
    let again = command(&cx, &mut wire, &to_card(), CHALLENGE).await?;
    check(good(&again)? != data, || format!("the card was asked twice, and it is {again:?} again"))
}

async fn not_judged(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    is(&command(&cx, &mut wire, &to_card(), SELECT_NOTHING).await?, "6A82")?;
    // An instruction, and a class, that no card of this kind knows.
    is(&command(&cx, &mut wire, &to_card(), "00FE0000").await?, "6D00")?;
    is(&command(&cx, &mut wire, &to_card(), "E0840000").await?, "6E00")
}

async fn spelling(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    let plain = command(&cx, &mut wire, &to_card(), SELECT).await?;
    good(&plain)?;
    for apdu in ["00a4040008a000000632010105", " 00 A4 04 00\t08 a0 00 00 06 32 01 01 05 "] {
        is(&command(&cx, &mut wire, &to_card(), apdu).await?, &plain)?;
        let reply = batch(&cx, &mut wire, &to_card(), &[apdu]).await?;
        cx.equal(&reply, &batch_reply(None, &[&plain]))?;
    }
    Ok(())
}

async fn numbers(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    // `slot` says nothing of the CPU card.
    for to in
        [json!({"type": "1"}), json!({"type": 1, "slot": "2"}), json!({"type": "1", "slot": 1})]
    {
        good(&command(&cx, &mut wire, &to, CHALLENGE).await?)?;
        let reply = batch(&cx, &mut wire, &to, &[CHALLENGE]).await?;
        cx.success(&reply)?;
    }
    Ok(())
}

async fn out_of_range(cx: Context) -> Outcome {
    let wrong = [
        json!({}),
        json!({"type": 0}),
        json!({"type": 3}),
        json!({"type": "3"}),
        json!({"type": "cpu"}),
        json!({"type": 2, "slot": 0}),
        json!({"type": 2, "slot": 3}),
        json!({"type": 2, "slot": "3"}),
    ];
    let with = |key: &str, apdus: Value| {
        wrong.clone().map(|mut params| {
            params[key] = apdus.clone();
            params
        })
    };
    refused(cx.clone(), COMMAND, with("commandApdu", json!(CHALLENGE))).await?;
    refused(cx, BATCH, with("commandApdus", json!([CHALLENGE]))).await
}

async fn command_without_card(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    is(&command(&cx, &mut wire, &to_card(), CHALLENGE).await?, "-1")
}

async fn vanishes(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    good(&command(&cx, &mut wire, &to_card(), CHALLENGE).await?)?;
    cx.fault(DEVICE, "vanish").await?;
    is(&command(&cx, &mut wire, &to_card(), CHALLENGE).await?, "-2")?;
    is(&command(&cx, &mut wire, &to_card(), CHALLENGE).await?, "-1")?;
    // Taken away by hand, while it thinks.
    cx.insert(DEVICE, json!("transport")).await?;
    cx.fault(DEVICE, "silence").await?;
    let params = json!({"commandApdu": CHALLENGE, "type": 1});
    wire.send(request(COMMAND, &json!("c"), Some(params))).await?;
    wire.settled().await?;
    cx.remove(DEVICE).await?;
    let reply = wire.next().await?;
    is(&text(&cx, &reply, "nfc_resultInfo")?, "-2")
}

async fn good_batch(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    let reply = batch(&cx, &mut wire, &to_card(), &[SELECT, READ_FILE, CHALLENGE]).await?;
    let data = cx.success(&reply)?;
    let results: Vec<&str> = data["nfc_commandResults"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    cx.equal(&reply, &batch_reply(None, &results))?;
    check(results.len() == 3, || format!("three commands, and {} results", results.len()))?;
    for (result, bytes) in results.iter().zip([None, Some(30), Some(8)]) {
        let data = good(result)?;
        check(bytes.is_none_or(|bytes| data.len() == 2 * bytes), || {
            format!("the results are in another order: {result:?} should have {bytes:?} bytes")
        })?;
    }
    Ok(())
}

async fn failing_batch(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    let selected = command(&cx, &mut wire, &to_card(), SELECT).await?;
    good(&selected)?;
    // Without the application, the file is not found.
    cx.insert(DEVICE, json!("transport")).await?;
    let reply = batch(&cx, &mut wire, &to_card(), &[READ_FILE, SELECT]).await?;
    cx.equal(&reply, &batch_reply(Some(-100), &["6A82"]))?;
    // What came after it was not sent.
    is(&command(&cx, &mut wire, &to_card(), READ_FILE).await?, "6A82")?;
    let reply = batch(&cx, &mut wire, &to_card(), &[SELECT, SELECT_NOTHING, CHALLENGE]).await?;
    cx.equal(&reply, &batch_reply(Some(-100), &[&selected, "6A82"]))
}

async fn vanishing_batch(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    cx.fault(DEVICE, "vanish").await?;
    let reply = batch(&cx, &mut wire, &to_card(), &[CHALLENGE, CHALLENGE]).await?;
    cx.equal(&reply, &batch_reply(Some(-2), &[]))
}

async fn batch_without_card(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = batch(&cx, &mut wire, &to_card(), &[CHALLENGE, CHALLENGE]).await?;
    cx.equal(&reply, &batch_reply(Some(-1), &[]))
}

async fn empty_batch(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    let reply = batch(&cx, &mut wire, &to_card(), &[]).await?;
    cx.equal(&reply, &batch_reply(None, &[]))
}

async fn powers_up(cx: Context) -> Outcome {
    for _ in 0..2 {
        let mut wire = with_card(&cx).await?;
        good(&command(&cx, &mut wire, &to_card(), CHALLENGE).await?)?;
    }
    Ok(())
}

async fn in_order(cx: Context) -> Outcome {
    const TIMES: usize = 20;
    let mut wire = with_card(&cx).await?;
    // One `taskId` for all: none takes the place of another. Only after the first is the file found.
    for apdu in std::iter::once(SELECT).chain([READ_FILE; TIMES]) {
        let params = json!({"commandApdu": apdu, "type": 1});
        wire.send(request(COMMAND, &json!("c"), Some(params))).await?;
    }
    for _ in 0..=TIMES {
        let reply = wire.next().await?;
        cx.echoes(&reply, COMMAND, "open", &json!("c"))?;
        good(&text(&cx, &reply, "nfc_resultInfo")?)?;
    }
    wire.settled().await
}

async fn survives(cx: Context) -> Outcome {
    let mut mine = with_card(&cx).await?;
    let mut other = cx.connect().await?;
    let info = read_once(&cx, &mut mine).await?;
    good(&command(&cx, &mut mine, &to_card(), SELECT).await?)?;
    is(&read_once(&cx, &mut other).await?, &info)?;
    good(&command(&cx, &mut other, &to_card(), CHALLENGE).await?)?;
    cx.success(&batch(&cx, &mut other, &to_card(), &[CHALLENGE]).await?)?;
    drop(other);
    // The target has noticed by then.
    mine.is_quiet_for(Duration::from_millis(300)).await?;
    good(&command(&cx, &mut mine, &to_card(), READ_FILE).await?)?;
    Ok(())
}

async fn another_card(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    good(&command(&cx, &mut wire, &to_card(), SELECT).await?)?;
    good(&command(&cx, &mut wire, &to_card(), READ_FILE).await?)?;
    cx.remove(DEVICE).await?;
    cx.insert(DEVICE, json!("transport")).await?;
    is(&command(&cx, &mut wire, &to_card(), READ_FILE).await?, "6A82")
}

async fn disconnect(cx: Context) -> Outcome {
    let mut wire = with_card(&cx).await?;
    good(&command(&cx, &mut wire, &to_card(), SELECT).await?)?;
    drop(wire);
    // The target has noticed by then.
    sleep(Duration::from_millis(300)).await;
    let mut next = cx.connect().await?;
    is(&command(&cx, &mut next, &to_card(), READ_FILE).await?, "6A82")
}
