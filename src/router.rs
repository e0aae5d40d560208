//! From a request to the call that answers it: name → action, params parsed, time limit and
//! place in the queue, supersede, close.
//!
//! The table is made of types: `Router::action::<GetIdCardInfo>(handler)`. Nothing here matches
//! over names, but for the few things that change the connection itself: `event:"close"`,
//! `bridge.reset` and the envelope's own call.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, ready};
use std::sync::Arc;

use bytes::Bytes;
use hharome_protocol::action::{
    ACTIONS, Action, ActionInfo, Call, Channel, ENVELOPE_CALL, Empty, Nature,
};
use hharome_protocol::bridge::ResetCall;
use hharome_protocol::failure::Failure;
use hharome_protocol::frame::{self, ClientFrame, Event, Rejected, ReplyTo, Request};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::bridge::Bridge;
use crate::calls::{Calls, NewCall, Place, ReplyAddress, Work};
use crate::channels::{Feeder, Stages, Subscriber};
use crate::connection::Client;

/// What a handler knows of its call besides the params.
pub struct CallContext {
    /// Everything.
    pub bridge: Arc<Bridge>,
    /// How its client is connected: `unix`, `tcp`, `ws`, `panel` or `page`.
    pub transport: &'static str,
    /// When the call arrived: time limits run from here.
    pub arrived: Instant,
    /// Its place in a device's queue: that of a call which it supersedes, or none yet.
    pub place: Place,
    /// Who hears of its stages, and whose it is.
    pub stages: Stages,
    /// The frame that it came in, of an action or call that opens a channel; else empty.
    pub request: Bytes,
}

type Start = Box<dyn Fn(CallContext, Option<&RawValue>) -> Result<Work, Failure> + Send + Sync>;

/// All actions and calls by name. Empty, it knows none.
#[derive(Default)]
pub struct Router {
    actions: BTreeMap<&'static str, Route>,
    calls: BTreeMap<&'static str, Start>,
    /// The calls that start a channel.
    starting_calls: BTreeSet<&'static str>,
}

struct Route {
    info: &'static ActionInfo,
    does: Does,
    /// The channel that the action starts.
    starts: Option<&'static str>,
}

enum Does {
    /// Ends the calls of another action, as `event:"close"` on that would.
    Closes(&'static str),
    Handles(Start),
}

impl Router {
    /// `handler` carries out the action `A`. What it does before its first await is done when the
    /// request arrives: taking a place in a queue belongs there.
    pub fn action<A: Action, F>(
        &mut self,
        handler: impl Fn(CallContext, A::Params) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<A::Data, Failure>> + Send + 'static,
    {
        self.set::<A>(Does::Handles(start(handler)));
    }

    /// The action `A` ends the calls of the action `B`.
    pub fn closes<A: Action, B: Action>(&mut self) {
        self.set::<A>(Does::Closes(B::NAME));
    }

    /// The action `A` starts the channel `C` for its connection; `feed` says what feeds it.
    pub fn starts<A, C>(
        &mut self,
        feed: impl Fn(&CallContext, A::Params) -> Result<Feeder, Failure> + Send + Sync + 'static,
    ) where
        A: Action<Data = Empty>,
        C: Channel,
    {
        self.action::<A, _>(move |context, params| {
            let started = feed(&context, params).and_then(|feed| {
                let (client, request) = (context.stages.client(), context.request.clone());
                context.bridge.channels.start(C::NAME, client, request, feed)
            });
            ready(started.map(|()| Empty {}))
        });
        if let Some(route) = self.actions.get_mut(A::NAME) {
            route.starts = Some(C::NAME);
        }
    }

    /// As [`Router::starts`], of a device that is opened when it is wanted: what `feed` gives besides
    /// tells whether that has gone well. The answer waits for it; if not, the start is undone.
    pub fn starts_device<A, C, F>(
        &mut self,
        feed: impl Fn(&CallContext, A::Params) -> Result<(Feeder, F), Failure> + Send + Sync + 'static,
    ) where
        A: Action<Data = Empty>,
        C: Channel,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.action::<A, _>(move |context, params| {
            let started = feed(&context, params).and_then(|(feed, opened)| {
                let (client, request) = (context.stages.client(), context.request.clone());
                context.bridge.channels.start(C::NAME, client, request, feed).map(|()| opened)
            });
            async move {
                started?.await.inspect_err(|_| {
                    context.bridge.channels.stop(C::NAME, context.stages.client());
                })?;
                Ok(Empty {})
            }
        });
        if let Some(route) = self.actions.get_mut(A::NAME) {
            route.starts = Some(C::NAME);
        }
    }

    /// The action `A` starts the channel `C` for its connection; `handler` does all of it.
    pub fn starts_by<A, C, F>(
        &mut self,
        handler: impl Fn(CallContext, A::Params) -> F + Send + Sync + 'static,
    ) where
        A: Action<Data = Empty>,
        C: Channel,
        F: Future<Output = Result<Empty, Failure>> + Send + 'static,
    {
        self.action::<A, _>(handler);
        if let Some(route) = self.actions.get_mut(A::NAME) {
            route.starts = Some(C::NAME);
        }
    }

    /// The action `A` ends what its connection has started of the channel `C`.
    pub fn stops<A, C>(&mut self)
    where
        A: Action<Data = Empty>,
        C: Channel,
    {
        self.action::<A, _>(|context, _| {
            context.bridge.channels.stop(C::NAME, context.stages.client());
            ready(Ok(Empty {}))
        });
    }

    /// `handler` carries out the call `C`.
    pub fn call<C: Call, F>(
        &mut self,
        handler: impl Fn(CallContext, C::Params) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<C::Data, Failure>> + Send + 'static,
    {
        self.calls.insert(C::NAME, start(handler));
    }

    /// The call `C` starts the channel `L` for its connection; `feed` says what feeds it, if anything
    /// does: without it, what an earlier call has started ends.
    pub fn call_starts<C, L>(
        &mut self,
        feed: impl Fn(&CallContext, C::Params) -> Option<Feeder> + Send + Sync + 'static,
    ) where
        C: Call<Data = Empty>,
        L: Channel,
    {
        self.call::<C, _>(move |context, params| {
            let (client, request) = (context.stages.client(), context.request.clone());
            let channels = &context.bridge.channels;
            let started = match feed(&context, params) {
                Some(feed) => channels.start(L::NAME, client, request, feed),
                None => {
                    channels.stop(L::NAME, client);
                    Ok(())
                }
            };
            ready(started.map(|()| Empty {}))
        });
        self.starting_calls.insert(C::NAME);
    }

    /// The names of the actions that are there.
    pub fn served_actions(&self) -> impl Iterator<Item = &'static str> {
        self.actions.keys().copied()
    }

    /// The names of the calls that are there.
    pub fn served_calls(&self) -> impl Iterator<Item = &'static str> {
        self.calls.keys().copied().chain([ENVELOPE_CALL, ResetCall::NAME])
    }

    fn set<A: Action>(&mut self, does: Does) {
        // An action that the protocol did not list would be nobody's.
        if let Some(info) = ACTIONS.iter().find(|info| info.name == A::NAME) {
            self.actions.insert(A::NAME, Route { info, does, starts: None });
        }
    }
}

fn start<P, D, F>(handler: impl Fn(CallContext, P) -> F + Send + Sync + 'static) -> Start
where
    P: serde::de::DeserializeOwned,
    D: serde::Serialize,
    F: Future<Output = Result<D, Failure>> + Send + 'static,
{
    Box::new(move |context, raw| {
        let work = handler(context, frame::params(raw)?);
        Ok(Box::pin(async move { frame::encode(&work.await?) }))
    })
}

/// One client's requests, as the router sees them.
pub struct Desk<'a> {
    /// Everything.
    pub bridge: &'a Arc<Bridge>,
    /// Whose requests.
    pub client: &'a Client,
    /// What it has under way.
    pub calls: &'a mut Calls,
    /// The frame that is handled.
    pub frame: &'a [u8],
}

/// The name and id of the call `ampeHHCommunication` that a request came in, if it did.
type Wrapper<'a> = Option<(&'a str, Option<&'a RawValue>)>;

impl Desk<'_> {
    /// `{"action":…}`, or the same inside the call `ampeHHCommunication`.
    pub fn request(&mut self, request: Request<'_>, wrapper: Wrapper<'_>) {
        let Request { action, event, task_id, params } = request;
        let Some(route) = self.bridge.router.actions.get(&*action) else {
            let address = ReplyAddress::envelope(
                action.into_owned().into(),
                event.as_str(),
                task_id,
                wrapper,
            );
            let failure = Failure::unsupported("no such action; bridge.describe lists them");
            self.push(address.reply(&Err(failure)));
            return;
        };
        let info = route.info;
        tracing::debug!(action = info.name, event = event.as_str(), "request");
        let reply_event = match event {
            Event::Open => info.reply_event.unwrap_or(Event::Open.as_str()),
            Event::Close => event.as_str(),
        };
        let name = Cow::Borrowed(info.name);
        let address = ReplyAddress::envelope(name, reply_event, task_id.clone(), wrapper);
        let closes_or_starts = match (&route.does, event, info.nature) {
            (_, Event::Close, Nature::Act) => {
                let failure = Failure::bad_request("event: close is not for this action");
                return self.push(address.reply(&Err((info.refuse)(failure))));
            }
            (_, Event::Close, Nature::Waits | Nature::Listens) => Err(info.name),
            (Does::Closes(other), Event::Open, _) => Err(*other),
            (Does::Handles(start), Event::Open, _) => Ok(start),
        };
        let start = match closes_or_starts {
            Ok(start) => start,
            Err(closed) => {
                for reply in self.calls.close(closed) {
                    self.push(reply);
                }
                if let Some(channel) = route.starts {
                    self.bridge.channels.stop(channel, &Subscriber::of(self.client));
                }
                return self.push(address.reply_with("关闭成功", &empty()));
            }
        };
        let call = Some((info.name, task_id.clone()));
        let superseded = match info.nature {
            Nature::Waits => self.calls.place_of(info.name, &task_id),
            Nature::Act | Nature::Listens => None,
        };
        let mut context = self.context(call, superseded.unwrap_or_default());
        if route.starts.is_some() {
            context.request = Bytes::copy_from_slice(self.frame);
        }
        let new = NewCall {
            action: Some((info.name, info.nature, task_id.clone())),
            refuse: info.refuse,
            address,
            place: context.place.clone(),
            stages: context.stages.clone(),
        };
        // Before anything is carried out; one in the place of another is no call more.
        let full = self.calls.is_full() && new.place.get().is_none();
        let started = if full { Err(too_many_calls()) } else { start(context, params) };
        if started.is_ok()
            && info.nature == Nature::Waits
            && let Some(reply) = self.calls.supersede(info.name, &task_id)
        {
            self.push(reply);
        }
        self.start(new, started);
    }

    /// `{"call":…}`.
    pub fn call(&mut self, name: &str, params: Option<&RawValue>, id: Option<&RawValue>) {
        if name == ENVELOPE_CALL {
            return match frame::parse_request(params) {
                Ok(request) => self.request(request, Some((name, id))),
                Err(rejected) => {
                    self.push(frame::rejection(ReplyTo::Call { name, id }, &rejected));
                }
            };
        }
        let address = ReplyAddress::call(name, id);
        let known = self.bridge.router.calls.get_key_value(name);
        if let Some((call, _)) = known {
            tracing::debug!(call, "request");
        }
        if name == ResetCall::NAME {
            self.reset();
            return self.push(address.reply(&Ok(empty())));
        }
        let started = match known {
            Some(_) if self.calls.is_full() => Err(too_many_calls()),
            Some((call, start)) => {
                let mut context = self.context(None, Place::default());
                if self.bridge.router.starting_calls.contains(call) {
                    context.request = Bytes::copy_from_slice(self.frame);
                }
                start(context, params)
            }
            None => Err(Failure::unsupported("no such call; bridge.describe lists them")),
        };
        let new = NewCall {
            action: None,
            refuse: |failure| failure,
            address,
            place: Place::default(),
            stages: Stages::new(self.client, None),
        };
        self.start(new, started);
    }

    /// `{"on":…}`: the reply, and then what a new listener gets at once.
    pub fn on(&mut self, channel: &str) {
        let on = self.bridge.channels.subscribe(channel, &Subscriber::of(self.client));
        self.push(frame::on_reply(channel, on.as_ref().map(|_| ())));
        if let Ok(Some(first)) = on {
            self.push(first);
        }
    }

    /// `{"off":…}`.
    pub fn off(&mut self, channel: &str) {
        let off = self.bridge.channels.unsubscribe(channel, self.client);
        self.push(frame::off_reply(channel, off.as_ref().map(|&()| ())));
    }

    /// A frame of one who is not let in: the same answer to whatever it is.
    pub fn refused(&mut self, frame: &[u8], failure: Failure) {
        match frame::parse(frame) {
            Ok(ClientFrame::Action(Request { action, event, task_id, .. })) => {
                let action = action.into_owned().into();
                let address = ReplyAddress::envelope(action, event.as_str(), task_id, None);
                self.push(address.reply(&Err(failure)));
            }
            Ok(ClientFrame::Call { name, id, .. }) => {
                self.push(frame::call_reply(&name, id, Err(&failure)));
            }
            Ok(ClientFrame::On { channel }) => self.push(frame::on_reply(&channel, Err(&failure))),
            Ok(ClientFrame::Off { channel }) => {
                self.push(frame::off_reply(&channel, Err(&failure)));
            }
            Ok(ClientFrame::Token(_)) => {
                self.rejected(&Rejected { echo: frame::Echo::default(), failure });
            }
            Err(rejected) => self.rejected(&Rejected { failure, ..*rejected }),
        }
    }

    /// A frame that is none.
    pub fn rejected(&mut self, rejected: &Rejected) {
        self.push(frame::rejection(ReplyTo::Bare, rejected));
    }

    /// Ends all calls and listeners of the connection, as disconnecting would.
    fn reset(&mut self) {
        self.bridge.channels.unsubscribe_all(self.client);
        self.bridge.devices.release(self.client.id);
        for reply in self.calls.cancel_all() {
            self.push(reply);
        }
    }

    fn start(&mut self, new: NewCall, started: Result<Work, Failure>) {
        let reply = match started {
            Ok(work) => self.calls.start(new, work, self.frame),
            Err(failure) => Some(new.address.reply(&Err((new.refuse)(failure)))),
        };
        if let Some(reply) = reply {
            self.push(reply);
        }
    }

    fn context(&self, call: Option<(&'static str, frame::TaskId)>, place: Place) -> CallContext {
        CallContext {
            bridge: Arc::clone(self.bridge),
            transport: self.client.transport,
            arrived: Instant::now(),
            place,
            stages: Stages::new(self.client, call),
            request: Bytes::new(),
        }
    }

    fn push(&self, frame: Bytes) {
        self.client.outbox.push(frame);
    }
}

fn too_many_calls() -> Failure {
    Failure::device_busy(
        "请求过于频繁,请稍后再试",
        "too many calls in flight on this connection; wait for replies",
    )
}

fn empty() -> Box<RawValue> {
    frame::encode(&Empty {}).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
