//! The life of one client: one task that owns its socket, its calls and its listeners.
//!
//! ```text
//! socket ─► frame ─► router ─► call under way ─┐
//!    ▲                                          ├─► outbox ─► socket
//!    └── not read while the outbox is long      │
//! channels ─────────────── events ──────────────┘
//! ```
//!
//! The calls of a client are futures inside this task. Ending one – closed, superseded, time
//! limit, client gone, `bridge.reset`, shutdown – is dropping its future; whoever takes a call
//! out of [`Calls`] writes its one reply. When the task ends, all of it ends.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hharome_protocol::failure::Failure;
use hharome_protocol::frame::{self, ClientFrame, Rejected};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::bridge::Bridge;
use crate::calls::Calls;
use crate::channels::StageSwitch;
use crate::outbox::Outbox;
use crate::recording::recorder::{ClientEvent, ClientTape};
use crate::router::Desk;
use crate::transport::{Incoming, Transport, access};

/// Frames of one client that are handled before its answers are written: enough to write many
/// answers in one go, few enough that others get their turn.
const BATCH: usize = 32;

/// How long a client that is being sent away has to take its last frames.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long calls that act on the world may run on when their client or the daemon goes.
const LAST_ACTS: Duration = Duration::from_secs(5);

/// Who is at the other end.
pub struct Peer {
    /// `unix`, `tcp`, `ws`; `panel` or `page` for a WebSocket of our own page or of another.
    pub transport: &'static str,
    /// Whether a token has to be the first frame, and until when.
    pub token_by: Option<Instant>,
}

/// What one connection is for everybody else: where its frames go, and what it listens to.
pub struct Client {
    /// Number of the connection, for logs and listeners.
    pub id: u64,
    /// `unix`, `tcp`, `ws`; `panel` or `page` for a WebSocket of our own page or of another.
    pub transport: &'static str,
    /// What waits to be written.
    pub outbox: Arc<Outbox>,
    /// The stages of its calls, if it wants to hear of them.
    pub stages: Arc<StageSwitch>,
    /// Where what passes between us is taken down.
    pub tape: ClientTape,
}

/// Serves one client to its end.
pub async fn serve(
    bridge: Arc<Bridge>,
    transport: impl Transport,
    peer: Peer,
    stop: CancellationToken,
) {
    let client = bridge.admit(peer.transport);
    let id = client.id;
    tracing::debug!(connection = id, transport = peer.transport, "connection begins");
    let connected =
        ClientEvent::Connected { transport: peer.transport, token: peer.token_by.is_some() };
    let session = client.tape.session();
    client.tape.write(|| connected);
    let mut connection = Connection {
        admitted: peer.token_by.is_none(),
        session,
        stalled: false,
        calls: Calls::new(bridge.config().limits.calls_per_connection),
        pause_at: bridge.config().limits.paused_frames,
        bridge: Arc::clone(&bridge),
        client,
        transport,
        ended: false,
    };
    let end = connection.run(peer.token_by, &stop).await;
    connection.leave(&end).await;
    connection.client.tape.write(|| ClientEvent::Gone(end.word()));
    bridge.dismiss(&connection.client, end == End::TooSlow);
    tracing::debug!(connection = id, ?end, "connection ended");
}

struct Connection<T> {
    bridge: Arc<Bridge>,
    client: Client,
    transport: T,
    calls: Calls,
    pause_at: usize,
    /// Nothing more will be read.
    ended: bool,
    /// It has shown the token, or need not.
    admitted: bool,
    /// The recording that knows of this client.
    session: u64,
    /// The socket takes nothing more at the moment.
    stalled: bool,
}

/// Why a connection ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The client has finished sending, or is gone.
    Finished,
    /// Its socket does not work any more.
    Broken(io::ErrorKind),
    /// It reads too slowly.
    TooSlow,
    /// It did not show the token.
    NotAdmitted,
    /// The daemon stops.
    Stopped,
}

impl End {
    /// As it stands in a recording.
    fn word(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Broken(_) => "broken",
            Self::TooSlow => "tooSlow",
            Self::NotAdmitted => "notAdmitted",
            Self::Stopped => "stopped",
        }
    }
}

enum Step {
    Incoming(Incoming),
    Answered,
    End(End),
}

impl<T: Transport> Connection<T> {
    async fn run(&mut self, token_by: Option<Instant>, stop: &CancellationToken) -> End {
        if let Some(by) = token_by
            && let Err(end) = self.admit(by, stop).await
        {
            return end;
        }
        let mut stopped = std::pin::pin!(stop.cancelled());
        loop {
            let step = std::future::poll_fn(|cx| {
                if stopped.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Step::End(End::Stopped));
                }
                self.poll_step(cx)
            })
            .await;
            match step {
                Step::Answered => {}
                Step::End(end) => return end,
                Step::Incoming(Incoming::End) => {
                    self.client.tape.write(|| ClientEvent::InEnd);
                    return End::Finished;
                }
                Step::Incoming(incoming) => {
                    self.incoming(incoming);
                    for _ in 1..BATCH {
                        if self.client.outbox.len() >= self.pause_at {
                            break;
                        }
                        match self.transport.buffered() {
                            Some(incoming) => self.incoming(incoming),
                            None => break,
                        }
                    }
                }
            }
        }
    }

    /// Writing goes on beside everything; then finished calls; then, if the client takes its
    /// answers, what it has to say.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        self.introduce();
        let mut answered = false;
        while let Poll::Ready(Some(frame)) = self.calls.poll_answer(cx) {
            // The call may have begun a recording, in which those that are under way have to be.
            self.introduce();
            self.client.outbox.push(frame);
            answered = true;
        }
        if self.client.outbox.poll_overflow(cx) {
            return Poll::Ready(Step::End(End::TooSlow));
        }
        let flushed = self.transport.poll_flush(cx, &self.client.outbox);
        if flushed.is_pending() != self.stalled {
            self.stalled = flushed.is_pending();
            let event = if self.stalled { ClientEvent::Stalled } else { ClientEvent::Flowing };
            self.client.tape.write(|| event);
        }
        if let Poll::Ready(Err(error)) = flushed {
            return Poll::Ready(Step::End(End::Broken(error.kind())));
        }
        if answered {
            return Poll::Ready(Step::Answered);
        }
        if self.ended || (self.stalled && self.client.outbox.len() >= self.pause_at) {
            return Poll::Pending;
        }
        match self.transport.poll_next(cx) {
            Poll::Ready(Ok(incoming)) => Poll::Ready(Step::Incoming(incoming)),
            Poll::Ready(Err(error)) => Poll::Ready(Step::End(End::Broken(error.kind()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn incoming(&mut self, incoming: Incoming) {
        // The frame before this one may have begun a recording.
        self.introduce();
        match incoming {
            Incoming::Frame(bytes) => {
                self.client.tape.write(|| ClientEvent::In(bytes.clone()));
                self.frame(&bytes);
            }
            Incoming::TooLong => {
                self.client.tape.write(|| ClientEvent::TooLong);
                let limit = self.bridge.config().listen.max_frame_bytes;
                self.desk(&[]).rejected(&Rejected::too_long(limit));
            }
            Incoming::End => {}
        }
    }

    fn frame(&mut self, bytes: &Bytes) {
        match frame::parse(bytes) {
            Ok(ClientFrame::Action(request)) => self.desk(bytes).request(request, None),
            Ok(ClientFrame::Call { name, params, id }) => self.desk(bytes).call(&name, params, id),
            Ok(ClientFrame::On { channel }) => self.desk(bytes).on(&channel),
            Ok(ClientFrame::Off { channel }) => self.desk(bytes).off(&channel),
            // A token where none is needed, or once more, is no mistake.
            Ok(ClientFrame::Token(_)) => {}
            Err(rejected) => self.desk(bytes).rejected(&rejected),
        }
    }

    fn desk<'a>(&'a mut self, frame: &'a [u8]) -> Desk<'a> {
        Desk { bridge: &self.bridge, client: &self.client, calls: &mut self.calls, frame }
    }

    /// A recording that has begun in the meantime learns what this client has done so far: what it
    /// listens to, and which of its calls are under way.
    fn introduce(&mut self) {
        let tape = &self.client.tape;
        let session = tape.session();
        if std::mem::replace(&mut self.session, session) == session || session == 0 {
            return;
        }
        let (transport, token) = (self.client.transport, !self.admitted);
        tape.write_before(None, ClientEvent::Connected { transport, token });
        let began = tape.began().unwrap_or_else(Instant::now);
        for (since, frame) in self.bridge.channels.of(&self.client, began) {
            tape.write_before(since, ClientEvent::In(frame));
        }
        for (arrived, request) in self.calls.under_way() {
            tape.write_before(Some(arrived), ClientEvent::In(request));
        }
        if self.stalled {
            tape.write(|| ClientEvent::Stalled);
        }
    }

    /// The first frame has to be the token; a right one is not answered.
    async fn admit(&mut self, by: Instant, stop: &CancellationToken) -> Result<(), End> {
        let mut late = std::pin::pin!(sleep_until(by));
        let first = std::future::poll_fn(|cx| {
            self.introduce();
            if late.as_mut().poll(cx).is_ready() {
                tracing::warn!(connection = self.client.id, "a client showed no token in time");
                return Poll::Ready(Err(End::NotAdmitted));
            }
            self.transport.poll_next(cx).map_err(|error| End::Broken(error.kind()))
        });
        let first = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(End::Stopped),
            first = first => first?,
        };
        let frame = match first {
            Incoming::Frame(frame) => frame,
            Incoming::TooLong => Bytes::new(),
            Incoming::End => {
                self.client.tape.write(|| ClientEvent::InEnd);
                return Err(End::Finished);
            }
        };
        let secret = &self.bridge.config().listen.token;
        match frame::parse(&frame) {
            Ok(ClientFrame::Token(token)) => {
                let right = access::admits(secret.as_ref(), &token);
                self.client.tape.write(|| ClientEvent::Token(right));
                if right {
                    self.admitted = true;
                    return Ok(());
                }
            }
            _ => self.client.tape.write(|| ClientEvent::In(frame.clone())),
        }
        tracing::warn!(connection = self.client.id, "a client did not show the token");
        let failure =
            Failure::forbidden("the first frame has to be {\"token\":…}, and the right one");
        self.desk(&[]).refused(&frame, failure);
        Err(End::NotAdmitted)
    }

    /// Ends what waits, lets what acts run to its end, and writes what can still be written.
    async fn leave(&mut self, end: &End) {
        self.ended = true;
        if let End::TooSlow = end {
            tracing::warn!(
                connection = self.client.id,
                "a client reads too slowly and is disconnected; its answers are lost"
            );
        }
        self.bridge.channels.unsubscribe_all(&self.client);
        for frame in self.calls.cancel_waiting() {
            self.client.outbox.push(frame);
        }
        let readable = matches!(end, End::Finished | End::Stopped | End::NotAdmitted);
        if !readable {
            return;
        }
        if let End::NotAdmitted = end {
            self.transport.deny();
        }
        // The client may have closed only its own direction, and still read.
        let _ = timeout(LAST_ACTS, async {
            while !self.calls.is_empty() {
                if let Step::End(_) = std::future::poll_fn(|cx| self.poll_step(cx)).await {
                    break;
                }
            }
        })
        .await;
        let _ = timeout(FAREWELL, async {
            std::future::poll_fn(|cx| self.transport.poll_flush(cx, &self.client.outbox)).await?;
            std::future::poll_fn(|cx| self.transport.poll_close(cx)).await
        })
        .await;
    }
}

#[cfg(test)]
mod tests;
