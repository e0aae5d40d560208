//! PSAMs (3.13): cold reset, commands to either slot, keys that are not written. What a case compares
//! with is on the invented card `psam`, whose ciphers can be computed on paper.

use serde_json::{Value, json};

use super::apdus::{BATCH, COMMAND, ask, batch, batch_reply, command, good, is, is_hex, text};
use super::context::Context;
use super::groups::refused;
use super::wire::{Wire, request};
use super::{Case, Mismatch, Need, Outcome, check};

const DEVICE: &str = "psam";
const RESET: &str = "psamCardColdReset";

const RESETS: &[Need] = &[Need::Action(RESET), Need::Simulated(DEVICE)];
const COMMANDS: &[Need] = &[Need::Action(COMMAND), Need::Simulated(DEVICE)];
const BOTH: &[Need] = &[Need::Action(RESET), Need::Action(COMMAND), Need::Simulated(DEVICE)];
const BATCHES: &[Need] = &[Need::Action(COMMAND), Need::Action(BATCH), Need::Simulated(DEVICE)];
const UNPLUGGED: &[Need] = &[
    Need::Action(RESET),
    Need::Action(COMMAND),
    Need::Call("bridge.status"),
    Need::Simulated(DEVICE),
];
const TWO_READERS: &[Need] =
    &[Need::Action(COMMAND), Need::Simulated(DEVICE), Need::Simulated("cpu_card")];

/// Reads the terminal number.
const READ_NUMBER: &str = "00B0960006";
const NUMBER: &str = "9901000000019000";

/// Makes a working key, which the next reset forgets.
const INIT: &str = "801A280108FF00000000000000";

/// Enciphers with it: without one 6985, with this one the data below.
const ENCIPHER: &str = "80FA0000080001020304050607";
const NO_KEY: &str = "6985";
const ENCIPHERED: &str = "EF101010101010109000";

/// Writes a key, with a check.
const WRITE_KEY: &str = "84D40100140000000000000000000000000000000000000000";

pub(super) static CASES: &[Case] = &[
    Case::new("psam/a_cold_reset_answers_the_atr", "3.13.2", RESETS, |cx| Box::pin(atr(cx))),
    Case::new("psam/a_slot_without_a_card_is_minus_2", "3.13.5", RESETS, |cx| {
        Box::pin(empty_slot(cx))
    }),
    Case::new("psam/a_slot_out_of_range_is_refused", "3.13.3", &[], |cx| {
        let wrong = [json!(0), json!(3), json!("3"), json!("one")];
        Box::pin(refused(cx, RESET, wrong.map(|slot| json!({"slot": slot}))))
    }),
    Case::new("psam/a_command_powers_the_card_up", "3.13.7", COMMANDS, |cx| {
        Box::pin(powers_up(cx))
    }),
    Case::new("psam/a_cold_reset_forgets_what_was_open", "3.13.2", BOTH, |cx| {
        Box::pin(forgets(cx))
    }),
    Case::new("psam/a_command_goes_to_its_slot", "3.13.3", COMMANDS, |cx| Box::pin(slots(cx))),
    Case::new("psam/a_command_goes_to_its_type", "3.13.3", TWO_READERS, |cx| Box::pin(types(cx))),
    Case::new("psam/an_answer_in_pieces_comes_whole", "3.13.6", COMMANDS, |cx| {
        Box::pin(pieces(cx))
    }),
    Case::new("psam/a_command_without_a_card_is_minus_1", "3.13.5", COMMANDS, |cx| {
        Box::pin(command_without_card(cx))
    }),
    Case::new("psam/a_card_that_goes_in_a_command_is_minus_2", "3.13.5", COMMANDS, |cx| {
        Box::pin(vanishes(cx))
    }),
    Case::new("psam/without_the_reader_everything_is_minus_1", "3.13.5", UNPLUGGED, |cx| {
        Box::pin(unplugged(cx))
    }),
    Case::new("psam/what_the_operator_forbids_is_forbidden", "3.13.8", COMMANDS, |cx| {
        Box::pin(forbidden(cx))
    }),
    Case::new("psam/a_batch_with_what_is_forbidden_is_refused_whole", "3.13.8", BATCHES, |cx| {
        Box::pin(forbidden_batch(cx))
    }),
];

fn to(slot: u8) -> Value {
    json!({"type": 2, "slot": slot})
}

/// Works the hand at one slot.
async fn gesture(cx: &Context, slot: u8, mut gesture: Value) -> Outcome {
    gesture["device"] = json!(DEVICE);
    gesture["slot"] = json!(slot);
    cx.simulate(gesture).await
}

async fn lift(cx: &Context, slot: u8) -> Outcome {
    gesture(cx, slot, json!({"do": "lift"})).await
}

async fn put(cx: &Context, slot: u8) -> Outcome {
    gesture(cx, slot, json!({"do": "put", "card": "psam"})).await
}

async fn fault(cx: &Context, slot: u8, fault: &str) -> Outcome {
    gesture(cx, slot, json!({"do": "fault", "fault": fault})).await
}

/// What `psamCardColdReset` answers.
async fn reset(cx: &Context, wire: &mut Wire, params: Value) -> Result<String, Mismatch> {
    let reply = ask(cx, wire, RESET, params).await?;
    text(cx, &reply, "nfc_resultInfo")
}

/// In upper-case hex, with an initial byte that there is (ISO/IEC 7816-3, 8.1).
fn is_atr(text: &str) -> bool {
    is_hex(text) && ["3B", "3F"].iter().any(|initial| text.starts_with(initial))
}

async fn atr(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for params in [json!({}), json!({"slot": 1}), json!({"slot": "2"}), json!({"slot": 2})] {
        let atr = reset(&cx, &mut wire, params.clone()).await?;
        check(is_atr(&atr), || format!("no ATR in upper-case hex for {params}: {atr:?}"))?;
    }
    Ok(())
}

async fn empty_slot(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for (empty, full) in [(1, 2), (2, 1)] {
        lift(&cx, empty).await?;
        is(&reset(&cx, &mut wire, json!({"slot": empty})).await?, "-2")?;
        let atr = reset(&cx, &mut wire, json!({"slot": full})).await?;
        check(is_atr(&atr), || format!("slot {full} has a card, and it answers {atr:?}"))?;
        put(&cx, empty).await?;
    }
    Ok(())
}

async fn powers_up(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    is(&command(&cx, &mut wire, &json!({"type": 2}), READ_NUMBER).await?, NUMBER)?;
    is(&command(&cx, &mut wire, &json!({"type": "2", "slot": "2"}), READ_NUMBER).await?, NUMBER)
}

async fn forgets(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    is(&command(&cx, &mut wire, &to(1), INIT).await?, "9000")?;
    is(&command(&cx, &mut wire, &to(1), ENCIPHER).await?, ENCIPHERED)?;
    reset(&cx, &mut wire, json!({"slot": 1})).await?;
    is(&command(&cx, &mut wire, &to(1), ENCIPHER).await?, NO_KEY)
}

async fn slots(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for (mine, other) in [(1, 2), (2, 1)] {
        is(&command(&cx, &mut wire, &to(mine), INIT).await?, "9000")?;
        is(&command(&cx, &mut wire, &to(other), ENCIPHER).await?, NO_KEY)?;
        is(&command(&cx, &mut wire, &to(mine), ENCIPHER).await?, ENCIPHERED)?;
        // It has no key any more.
        put(&cx, mine).await?;
    }
    // Left out, it is slot 1.
    is(&command(&cx, &mut wire, &json!({"type": 2}), INIT).await?, "9000")?;
    is(&command(&cx, &mut wire, &to(1), ENCIPHER).await?, ENCIPHERED)
}

async fn types(cx: Context) -> Outcome {
    cx.insert("cpu_card", json!("transport")).await?;
    let mut wire = cx.connect().await?;
    is(&command(&cx, &mut wire, &to(1), READ_NUMBER).await?, NUMBER)?;
    is(&command(&cx, &mut wire, &json!({"type": 1}), READ_NUMBER).await?, "6A82")
}

async fn pieces(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    is(&command(&cx, &mut wire, &to(1), INIT).await?, "9000")?;
    // 6108, and eight bytes.
    is(&command(&cx, &mut wire, &to(1), ENCIPHER).await?, ENCIPHERED)?;
    // Of no length: 6C06.
    is(&command(&cx, &mut wire, &to(1), "00B0960000").await?, NUMBER)
}

async fn command_without_card(cx: Context) -> Outcome {
    lift(&cx, 2).await?;
    let mut wire = cx.connect().await?;
    is(&command(&cx, &mut wire, &to(2), READ_NUMBER).await?, "-1")?;
    is(&command(&cx, &mut wire, &to(1), READ_NUMBER).await?, NUMBER)
}

async fn vanishes(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    is(&command(&cx, &mut wire, &to(2), READ_NUMBER).await?, NUMBER)?;
    fault(&cx, 2, "vanish").await?;
    is(&command(&cx, &mut wire, &to(2), READ_NUMBER).await?, "-2")?;
    is(&command(&cx, &mut wire, &to(1), READ_NUMBER).await?, NUMBER)
}

async fn unplugged(cx: Context) -> Outcome {
    fault(&cx, 1, "unplug").await?;
    cx.until_state(DEVICE, "absent").await?;
    let mut wire = cx.connect().await?;
    is(&reset(&cx, &mut wire, json!({"slot": 1})).await?, "-1")?;
    is(&command(&cx, &mut wire, &to(1), READ_NUMBER).await?, "-1")?;
    is(&command(&cx, &mut wire, &to(2), READ_NUMBER).await?, NUMBER)?;
    fault(&cx, 1, "none").await?;
    cx.until_state(DEVICE, "ready").await?;
    is(&command(&cx, &mut wire, &to(1), READ_NUMBER).await?, NUMBER)
}

/// Sees that writing keys is forbidden here, which is the operator's to say.
async fn forbids(cx: &Context, wire: &mut Wire, slot: u8) -> Outcome {
    let mut params = to(slot);
    params["commandApdu"] = json!(WRITE_KEY);
    let reply = wire.ask(request(COMMAND, &json!("k"), Some(params))).await?;
    cx.echoes(&reply, COMMAND, "open", &json!("k"))?;
    if reply["success"] == true {
        let answer = text(cx, &reply, "nfc_resultInfo")?;
        good(&answer)?;
        return Err(Mismatch::NotTried("the operator lets programs write keys".to_owned()));
    }
    cx.refused(&reply, "forbidden")
}

async fn forbidden(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for slot in [1, 2] {
        is(&command(&cx, &mut wire, &to(slot), INIT).await?, "9000")?;
        forbids(&cx, &mut wire, slot).await?;
        // The card has not seen it, which forgets the working key with it.
        is(&command(&cx, &mut wire, &to(slot), ENCIPHER).await?, ENCIPHERED)?;
    }
    Ok(())
}

async fn forbidden_batch(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    forbids(&cx, &mut wire, 1).await?;
    let mut params = to(1);
    params["commandApdus"] = json!([INIT, WRITE_KEY]);
    let reply = wire.ask(request(BATCH, &json!("k"), Some(params))).await?;
    cx.refused(&reply, "forbidden")?;
    cx.echoes(&reply, BATCH, "open", &json!("k"))?;
    // Nothing of it was sent.
    is(&command(&cx, &mut wire, &to(1), ENCIPHER).await?, NO_KEY)?;
    let reply = batch(&cx, &mut wire, &to(1), &[INIT, ENCIPHER]).await?;
    cx.equal(&reply, &batch_reply(None, &["9000", ENCIPHERED]))
}
