//! `enterIDNumber`, `bridge.keypad` and the channel `bridgeKeypad`.

use std::future::{Future, ready};
use std::time::Duration;

use hharome_hardware::id_card::id_number::is_valid;
use hharome_protocol::action::{Channel, Empty, NoParams};
use hharome_protocol::bridge::{KeypadChannel, KeypadEvent, KeypadParams, KeypadVerb};
use hharome_protocol::failure::{Failure, Kind};
use hharome_protocol::frame;
use hharome_protocol::id_number::{TypedIdNumber, cancelled_by_person};
use tokio::time::{Instant, timeout};

use super::face;
use super::waiting::until;
use crate::channels::{CallStage, Feed, Publisher};
use crate::face::Person;
use crate::keypad::{Keypad, NobodyWaits, Typed, Wanted};
use crate::router::CallContext;

/// How long the face provider may take to say more about the person: hardly noticed, and a provider that
/// is at work with another person does not hold the number back.
const PERSON: Duration = Duration::from_secs(3);

/// Waits for a typed number.
pub(super) fn enter(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<TypedIdNumber, Failure>> + Send {
    let limit = context.bridge.config().timeouts.id_number;
    let deadline = limit.map(|limit| context.arrived + limit);
    let connected = context.bridge.channels.listeners(KeypadChannel::NAME) > 0;
    let waiter = if connected {
        let keypad = &context.bridge.devices.keypad;
        let waiter = keypad.wait(context.place.get(), deadline);
        context.place.set(waiter.number());
        Ok(waiter)
    } else {
        Err(Failure::device_unavailable(
            "手输键盘未连接,请联系工作人员",
            "no keypad is connected: the kiosk's shell has to show /keypad, or to open bridgeKeypad",
        ))
    };
    async move {
        let mut waiter = waiter?;
        let mut told = None;
        let typed = loop {
            let stage = if waiter.is_shown() { CallStage::Waiting } else { CallStage::Queued };
            if told != Some(stage) {
                told = Some(stage);
                context.stages.report(stage);
            }
            tokio::select! {
                biased;
                typed = waiter.progress() => if let Some(typed) = typed { break typed },
                () = until(deadline) => return Err(Failure::Timeout),
            }
        };
        drop(waiter);
        let id_num = match typed {
            Typed::Number(number) => number,
            Typed::Cancelled => return Err(cancelled_by_person()),
        };
        let person = timeout(PERSON, face::person(&context, &id_num)).await.unwrap_or_default();
        let Person { alipay_uid, ftoken, vid, .. } = person;
        Ok(TypedIdNumber { alipay_uid, ftoken, vid, ..TypedIdNumber::new(id_num) })
    }
}

/// What a keypad says. Only one that hears of what is wanted may.
pub(super) fn keypad(
    context: CallContext,
    params: KeypadParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    ready(answered(&context, params).map(|()| Empty {}))
}

fn answered(context: &CallContext, params: KeypadParams) -> Result<(), Failure> {
    let client = context.stages.client();
    if !context.bridge.channels.is_listener(KeypadChannel::NAME, client.connection()) {
        return Err(Failure::forbidden("only a connection that has opened bridgeKeypad answers"));
    }
    let typed = match params.verb {
        KeypadVerb::Enter { id_num } => {
            let number = id_num.trim().replace('x', "X");
            if !is_valid(&number) {
                let words = "证件号码有误,请检查后重新输入";
                let detail = "params.idNum: expected 17 digits and the check character of GB 11643";
                return Err(Failure::error(Kind::BadRequest, words, detail));
            }
            Typed::Number(number)
        }
        KeypadVerb::Cancel => Typed::Cancelled,
    };
    context.bridge.devices.keypad.answer(params.request, typed).map_err(|NobodyWaits| {
        let words = "当前没有等待输入的证件号码";
        Failure::error(Kind::BadRequest, words, "no typed number is waited for, or not this one")
    })
}

/// `bridgeKeypad`: whether a number is wanted, at once and at each change.
pub(super) fn feed(keypad: &Keypad) -> Feed {
    let now = keypad.wanted();
    let first = move || frame::event(KeypadChannel::NAME, &event(*now.borrow())).ok();
    let keypad = keypad.clone();
    let pump = move |publisher: Publisher| {
        // From here on no change is missed: the first event shows what came before.
        let mut wanted = keypad.wanted();
        wanted.mark_unchanged();
        tokio::spawn(async move {
            while wanted.changed().await.is_ok() {
                let event = event(*wanted.borrow_and_update());
                publisher.publish(&event);
            }
        })
    };
    Feed { first: Some(Box::new(first)), pump: Box::new(pump) }
}

fn event(wanted: Option<Wanted>) -> KeypadEvent {
    let left = |until: Instant| {
        let left = until.saturating_duration_since(Instant::now());
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    };
    KeypadEvent {
        wanted: wanted.is_some(),
        request: wanted.map(|wanted| wanted.request),
        left_ms: wanted.and_then(|wanted| wanted.until).map(left),
    }
}
