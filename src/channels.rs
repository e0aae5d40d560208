//! Channels: who listens to what, and how an event reaches all of them.
//!
//! ```text
//! source ─► pump (one task a channel, only while somebody listens)
//!             └─ encoded once ─► outbox of every listening connection
//! ```
//!
//! The first listener of a channel starts its pump, and with it the device's demand; the last one
//! to go ends it.
//!
//! Of a channel that is opened by a `start…` action `on` alone brings nothing. What a connection gets
//! from its own start to its own stop is its own, fed by a task of its own; or ([`Channels::serve_forms`])
//! the same for all that have started it, in one of several forms. Then one pump serves all of them, and
//! encodes each form that somebody wants once.

mod listeners;
mod stages;

use std::future::Future;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hharome_hardware::source::{Listener, Source};
use hharome_protocol::action::{Channel, ChannelInfo};
pub use hharome_protocol::bridge::CallStage;
use hharome_protocol::bridge::CallsChannel;
use hharome_protocol::client;
use hharome_protocol::failure::Failure;
use hharome_protocol::frame;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::listeners::{Fed, Heard, Served, Started};
use crate::connection::Client;
use crate::outbox::Outbox;
use crate::transport::access;

pub use self::stages::{StageSwitch, Stages};

/// All channels that this daemon serves.
#[derive(Default)]
pub struct Channels {
    table: Vec<Arc<Served>>,
}

/// A connection, as a channel sees it.
#[derive(Clone)]
pub struct Subscriber {
    connection: u64,
    transport: &'static str,
    outbox: Arc<Outbox>,
    stages: Arc<StageSwitch>,
}

impl Subscriber {
    /// The connection as a listener.
    #[must_use]
    pub fn of(client: &Client) -> Self {
        let Client { id, transport, outbox, stages, .. } = client;
        let (outbox, stages) = (Arc::clone(outbox), Arc::clone(stages));
        Self { connection: *id, transport, outbox, stages }
    }

    /// The connection's number.
    #[must_use]
    pub fn connection(&self) -> u64 {
        self.connection
    }
}

/// What happens to a channel's first event and to those that follow.
pub struct Feed {
    /// The event that a new listener gets at once.
    pub first: Option<Box<dyn Fn() -> Option<Bytes> + Send + Sync>>,
    /// Starts the pump.
    pub pump: Box<dyn Fn(Publisher) -> JoinHandle<()> + Send + Sync>,
}

/// Makes the frame of a reading in a form.
type Encode<T> = dyn Fn(&T, usize) -> Bytes + Send + Sync;

/// Starts the pump of a channel with forms.
type FormPump = Box<dyn Fn(Arc<Served>) -> JoinHandle<()> + Send + Sync>;

/// A connection's start of a channel with forms.
pub struct FormStart {
    number: u64,
    ended: watch::Receiver<()>,
}

impl FormStart {
    /// Ends when the connection has the channel started no more, whatever has ended it. A later start
    /// in the place of this one ends nothing.
    pub async fn ended(&mut self) {
        // Nothing is ever sent: the senders are dropped with the last start of the connection.
        let _ = self.ended.changed().await;
    }
}

/// Starts the task that feeds one connection.
pub type Feeder = Box<dyn FnOnce(OwnPublisher) -> JoinHandle<()> + Send>;

impl Channels {
    /// Serves a channel whose events are the readings of a source. Without a source – the device
    /// is not configured – it can be listened to, and nothing comes.
    pub fn serve_source<C, T, F>(
        &mut self,
        source: Option<&Source<T>>,
        event: impl Fn(Arc<T>) -> F + Clone + Send + Sync + 'static,
    ) where
        C: Channel,
        T: Send + Sync + 'static,
        F: Future<Output = C::Event> + Send + 'static,
    {
        let source = source.cloned();
        let pump = move |publisher: Publisher| {
            let event = event.clone();
            // Opened here and not in the task: from the reply to `on` on, nothing is missed.
            let listener = source.as_ref().map(Source::listen);
            tokio::spawn(async move {
                let Some(mut listener) = listener else { return };
                while let Some(reading) = listener.next().await {
                    publisher.publish(&event(reading).await);
                }
            })
        };
        self.serve::<C>(Some(Feed { first: None, pump: Box::new(pump) }));
    }

    /// Serves a channel with a feed of its own; without one, events are put into the outboxes by
    /// other ways ([`Stages`]).
    pub fn serve<C: Channel>(&mut self, feed: Option<Feed>) {
        let info = ChannelInfo::of::<C>();
        let listeners = Mutex::default();
        self.table.push(Arc::new(Served { info, feed, forms: None, listeners }));
    }

    /// Serves a channel that each connection starts for itself, in the form that it wants: `encode`
    /// makes the frame of a reading of `source` in a form, once for all who want it so.
    pub fn serve_forms<C, T>(
        &mut self,
        listen: impl Fn() -> Option<Listener<T>> + Send + Sync + 'static,
        encode: impl Fn(&T, usize) -> Bytes + Send + Sync + 'static,
    ) where
        C: Channel,
        T: Send + Sync + 'static,
    {
        let encode: Arc<Encode<T>> = Arc::new(encode);
        let pump: FormPump = Box::new(move |channel| {
            // Opened here and not in the task: from the start on nothing is missed.
            let listener = listen();
            let encode = Arc::clone(&encode);
            tokio::spawn(async move {
                let Some(mut listener) = listener else { return };
                while let Some(reading) = listener.next().await {
                    channel.publish_forms(|form| encode(&reading, form));
                }
            })
        });
        let info = ChannelInfo::of::<C>();
        let listeners = Mutex::default();
        self.table.push(Arc::new(Served { info, feed: None, forms: Some(pump), listeners }));
    }

    /// A connection's own `start…` of a channel with forms, in the place of an earlier one. `request`
    /// is the frame that asked for it.
    ///
    /// # Errors
    /// A channel that is not served.
    pub fn start_form(
        &self,
        name: &str,
        subscriber: &Subscriber,
        request: Bytes,
        form: usize,
    ) -> Result<FormStart, Failure> {
        let channel = self.find(name)?;
        let connection = subscriber.connection;
        let mut listeners = channel.lock();
        if !listeners.has(connection) {
            listeners.subscribers.push(subscriber.clone());
        }
        let mut earlier = listeners.started.iter().filter(|it| it.connection == connection);
        let earlier = earlier.find_map(Started::holds).cloned();
        listeners.started.retain(|started| started.connection != connection);
        listeners.starts += 1;
        let number = listeners.starts;
        let holds = earlier.unwrap_or_else(|| watch::Sender::new(()));
        let ended = holds.subscribe();
        let fed = Fed::Form { form, outbox: Arc::clone(&subscriber.outbox), number, holds };
        listeners.started.push(Started { connection, request, heard: Heard::now(), fed });
        if listeners.pump.is_none() {
            listeners.pump = channel.forms.as_ref().map(|pump| pump(Arc::clone(channel)));
        }
        Ok(FormStart { number, ended })
    }

    /// Takes one start of a channel with forms back, if it is still the one that holds.
    pub fn take_back(&self, name: &str, start: &FormStart) {
        if let Ok(channel) = self.find(name) {
            channel.lock().end(|started| started.number() == Some(start.number));
        }
    }

    /// Whether a connection has started a channel and not stopped it.
    #[must_use]
    pub fn has_started(&self, name: &str, connection: u64) -> bool {
        let of_it = |started: &Started| started.connection == connection;
        self.find(name).is_ok_and(|channel| channel.lock().started.iter().any(of_it))
    }

    /// A connection's own `start…` of this channel: `feed` feeds it from now on, in the place of what
    /// an earlier start began. `request` is the frame that asked for it.
    ///
    /// # Errors
    /// A channel that is not served.
    pub fn start(
        &self,
        name: &str,
        subscriber: &Subscriber,
        request: Bytes,
        feed: Feeder,
    ) -> Result<(), Failure> {
        let channel = self.find(name)?;
        let outbox = Arc::clone(&subscriber.outbox);
        let heard = Heard::now();
        let task = feed(OwnPublisher { info: channel.info, outbox, heard: heard.clone() });
        let mut listeners = channel.lock();
        if !listeners.has(subscriber.connection) {
            listeners.subscribers.push(subscriber.clone());
        }
        listeners.stop(subscriber.connection);
        let connection = subscriber.connection;
        listeners.started.push(Started { connection, request, heard, fed: Fed::Task(task) });
        Ok(())
    }

    /// A connection's own `stop…`, with or without a start. What it has said `on` to stays open.
    pub fn stop(&self, name: &str, subscriber: &Subscriber) {
        if let Ok(channel) = self.find(name) {
            channel.lock().stop(subscriber.connection);
        }
    }

    /// How many connections listen to a channel.
    #[must_use]
    pub fn listeners(&self, name: &str) -> usize {
        self.find(name).map_or(0, |channel| channel.lock().subscribers.len())
    }

    /// Whether a connection listens to it.
    #[must_use]
    pub fn is_listener(&self, name: &str, connection: u64) -> bool {
        self.find(name).is_ok_and(|channel| channel.lock().has(connection))
    }

    /// Puts an event before all who listen to a channel now.
    pub fn publish<C: Channel>(&self, event: &C::Event) {
        if let Ok(channel) = self.find(C::NAME) {
            Publisher(Arc::clone(channel)).publish(event);
        }
    }

    /// The names of the channels that are served.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.table.iter().map(|channel| channel.info.name)
    }

    /// `on`: idempotent. The event that the listener gets at once, where there is one.
    ///
    /// # Errors
    /// A channel that is not served, or not to this client.
    pub fn subscribe(&self, name: &str, subscriber: &Subscriber) -> Result<Option<Bytes>, Failure> {
        let channel = self.find(name)?;
        if channel.info.private && !access::may_watch(subscriber.transport) {
            let detail = "only for the panel's own page and for programs on the Unix socket";
            return Err(Failure::forbidden(detail));
        }
        let mut listeners = channel.lock();
        if listeners.has(subscriber.connection) {
            return Ok(None);
        }
        if name == CallsChannel::NAME {
            subscriber.stages.set(true);
        }
        listeners.subscribers.push(subscriber.clone());
        if listeners.pump.is_none() {
            let start = |feed: &Feed| (feed.pump)(Publisher(Arc::clone(channel)));
            listeners.pump = channel.feed.as_ref().map(start);
        }
        drop(listeners);
        Ok(channel.feed.as_ref().and_then(|feed| feed.first.as_ref()).and_then(|first| first()))
    }

    /// `off`: idempotent.
    ///
    /// # Errors
    /// A channel that is not served.
    pub fn unsubscribe(&self, name: &str, client: &Client) -> Result<(), Failure> {
        let channel = self.find(name)?;
        if name == CallsChannel::NAME {
            client.stages.set(false);
        }
        channel.remove(client.id);
        Ok(())
    }

    /// A connection that goes, or starts anew.
    pub fn unsubscribe_all(&self, client: &Client) {
        client.stages.set(false);
        for channel in &self.table {
            channel.remove(client.id);
        }
    }

    /// The frames that would bring a connection to where it was at `then`: an `on` for each channel
    /// that it listens to, and the `start…` of those that it has started, with the time from which
    /// what comes next would come as it did: that of the last event.
    pub fn of(&self, client: &Client, then: Instant) -> Vec<(Option<Instant>, Bytes)> {
        let mut frames = Vec::new();
        for channel in &self.table {
            let listeners = channel.lock();
            if listeners.has(client.id) {
                frames.push((None, client::on(channel.info.name)));
            }
            let own = listeners.started.iter().find(|started| started.connection == client.id);
            let own = own.filter(|started| !started.heard.had_ended(then));
            let last =
                |started: &Started| (Some(started.heard.last(then)), started.request.clone());
            frames.extend(own.map(last));
        }
        frames
    }

    fn find(&self, name: &str) -> Result<&Arc<Served>, Failure> {
        self.table.iter().find(|channel| channel.info.name == name).ok_or_else(|| {
            let known = hharome_protocol::action::CHANNELS.iter().any(|known| known.name == name);
            Failure::unsupported(if known {
                format!("{name}: this version does not serve the channel yet")
            } else {
                format!(
                    "no such channel; served are {}",
                    self.names().collect::<Vec<_>>().join(", ")
                )
            })
        })
    }
}

/// Puts events before all listeners of a channel.
pub struct Publisher(Arc<Served>);

impl Publisher {
    /// Encodes the event once, and puts it into every listener's outbox.
    pub fn publish<T: Serialize>(&self, event: &T) {
        let info = self.0.info;
        let frame = match frame::event(info.name, event) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::error!(channel = info.name, %error, "an event cannot be encoded");
                return;
            }
        };
        tracing::debug!(channel = info.name, bytes = frame.len(), "event");
        for subscriber in &self.0.lock().subscribers {
            if info.stream {
                subscriber.outbox.push_stream(info.name, frame.clone());
            } else {
                subscriber.outbox.push(frame.clone());
            }
        }
    }
}

/// Puts a channel's events before one listener.
pub struct OwnPublisher {
    info: ChannelInfo,
    outbox: Arc<Outbox>,
    heard: Heard,
}

impl OwnPublisher {
    /// What comes next would come as it does if the start were now.
    pub fn begin_again(&self) {
        self.heard.again(Instant::now());
    }

    /// Nothing more will come of the start.
    pub fn end(&self) {
        self.heard.end();
    }

    /// Encodes the event, and puts it into the listener's outbox.
    pub fn publish<T: Serialize>(&self, event: &T) {
        let name = self.info.name;
        self.heard.again(Instant::now());
        match frame::event(name, event) {
            Ok(frame) if self.info.stream => self.outbox.push_stream(name, frame),
            Ok(frame) => self.outbox.push(frame),
            Err(error) => tracing::error!(channel = name, %error, "an event cannot be encoded"),
        }
    }
}
