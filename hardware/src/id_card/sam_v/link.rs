//! Exchanges with a SAM-V module: a request out, its reply in, within a time, with retries.
//!
//! Half duplex: what has arrived before a request belongs to no request and is thrown away. The
//! far end's going away is told apart from its silence.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::frame::{self, FrameReader};
use super::status;
use crate::device::Trouble;
use crate::port::BoxedLine;

/// How long a request may take to leave: 11 bytes are gone in 12 ms at 9600 baud.
const WRITE_LIMIT: Duration = Duration::from_millis(500);

/// After something garbled the line must be this quiet before the next request: the rest of a
/// broken reply has passed by then.
const QUIET: Duration = Duration::from_millis(30);

/// How long a line that never gets quiet is waited for.
const QUIET_LIMIT: Duration = Duration::from_millis(300);

/// One command: its two bytes, how long its reply may take to begin and end apart from the time
/// on the wire, how long the reply may be, and how often it is sent.
#[derive(Clone, Copy)]
pub(super) struct Command {
    code: [u8; 2],
    name: &'static str,
    limit: Duration,
    reply: u32,
    sends: u32,
}

impl Command {
    pub(super) const RESET: Self = Self::new([0x10, 0xFF], "reset", 2000, 11, 2);
    pub(super) const STATUS: Self = Self::new([0x11, 0xFF], "status", 400, 11, 3);
    pub(super) const SAM_ID: Self = Self::new([0x12, 0xFF], "SAM id", 500, 27, 2);
    pub(super) const FIND: Self = Self::new([0x20, 0x01], "find", 500, 15, 3);
    pub(super) const SELECT: Self = Self::new([0x20, 0x02], "select", 500, 19, 3);
    pub(super) const READ: Self = Self::new([0x30, 0x01], "read", 2000, 1295, 2);
    pub(super) const READ_FINGERPRINT: Self =
        Self::new([0x30, 0x10], "read with fingerprint", 3000, 2321, 2);
    pub(super) const NEWEST_ADDRESS: Self = Self::new([0x30, 0x03], "address", 1500, 291, 2);

    const fn new(code: [u8; 2], name: &'static str, ms: u64, reply: u32, sends: u32) -> Self {
        Self { code, name, limit: Duration::from_millis(ms), reply, sends }
    }

    /// The whole time that a reply may take: ten bit times a byte on the wire, and the module's
    /// own (GA/T 467 readers in the field: 300 ms for the short ones, 2 to 3 s for a reading).
    fn time(self, baud: u32) -> Duration {
        self.limit + Duration::from_secs(u64::from(self.reply) * 10) / baud.max(1)
    }
}

/// A module's answer.
pub(super) struct Reply {
    /// SW3.
    pub(super) status: u8,
    pub(super) data: Vec<u8>,
}

impl Reply {
    /// `None` for a body too short to be a reply, which the frame reader does not give.
    fn from_body(frame::Body(body): &frame::Body) -> Option<Self> {
        match body.as_slice() {
            [_, _, status, data @ ..] => Some(Self { status: *status, data: data.to_vec() }),
            _ => None,
        }
    }
}

/// Why there is no answer.
pub(super) enum LinkError {
    /// The line is gone.
    Gone(io::Error),
    /// Silence or rubbish, every time.
    NoAnswer(String),
}

pub(super) struct Link {
    line: BoxedLine,
    frames: FrameReader,
    baud: u32,
    retries: u32,
    lost: bool,
}

impl Link {
    pub(super) fn new(line: BoxedLine, baud: u32) -> Self {
        Self { line, frames: FrameReader::for_replies(), baud, retries: 0, lost: false }
    }

    pub(super) fn set_baud(&mut self, baud: u32) -> Result<(), Trouble> {
        if baud == self.baud {
            return Ok(());
        }
        self.baud = baud;
        self.line.set_baud(baud).map_err(|error| Trouble::Failed {
            detail: format!("the line cannot be set to {baud} baud: {error}"),
        })
    }

    /// How often something had to be sent again since this was last asked.
    pub(super) fn take_retries(&mut self) -> u32 {
        std::mem::take(&mut self.retries)
    }

    /// Whether a reply to the last command was lost before the one that came.
    pub(super) fn reply_was_lost(&self) -> bool {
        self.lost
    }

    /// Sends `command`, again where its reply does not come or is damaged, or where the module
    /// says that the request was.
    pub(super) async fn command(&mut self, command: Command) -> Result<Reply, LinkError> {
        let mut trouble = String::new();
        self.lost = false;
        for attempt in 0..command.sends {
            if attempt > 0 {
                self.retries += 1;
                self.settle().await?;
            }
            match self.exchange(command).await? {
                Ok(reply) if status::remedy(reply.status) == status::Remedy::Resend => {
                    trouble = status::meaning(reply.status);
                }
                Ok(reply) => return Ok(reply),
                Err(why) => {
                    self.lost = true;
                    trouble = why;
                }
            }
        }
        let Command { name, sends, .. } = command;
        Err(LinkError::NoAnswer(format!(
            "{name}: {trouble}, {sends} times; check the cable and the reader's power"
        )))
    }

    /// Reads and throws away until the line is gone.
    pub(super) async fn gone(&mut self) -> io::Error {
        let mut scratch = [0; 64];
        loop {
            if let Err(error) = read_some(&mut self.line, &mut scratch).await {
                return error;
            }
        }
    }

    async fn exchange(&mut self, command: Command) -> Result<Result<Reply, String>, LinkError> {
        self.frames.clear();
        // Refused by some adapters; then the frame reader sorts it out.
        let _ = self.line.discard_input();
        let request = frame::request(command.code, &[]);
        match timeout(WRITE_LIMIT, self.line.write_all(&request)).await {
            Ok(sent) => sent.map_err(LinkError::Gone)?,
            Err(_) => return Ok(Err("the line takes no bytes".to_owned())),
        }
        let deadline = Instant::now() + command.time(self.baud);
        tracing::trace!(command = command.name, bytes = request.len(), "sent");
        Ok(self.reply(deadline).await.map_err(LinkError::Gone)?.inspect(|reply| {
            let bytes = reply.data.len();
            tracing::trace!(command = command.name, status = reply.status, bytes, "reply");
        }))
    }

    /// The next good frame before `deadline`. After something garbled only as long as the line
    /// keeps speaking: the request is better sent again than waited for.
    async fn reply(&mut self, deadline: Instant) -> io::Result<Result<Reply, String>> {
        let mut chunk = [0; 512];
        let mut garbled = None;
        // A line that is quiet in the middle of a frame is looked at once, until it speaks again.
        let mut looked = false;
        loop {
            while let Some(found) = self.frames.next_frame() {
                match found {
                    Ok(body) => {
                        if let Some(reply) = Reply::from_body(&body) {
                            return Ok(Ok(reply));
                        }
                    }
                    Err(what) => garbled = Some(format!("damaged reply ({what:?})")),
                }
            }
            let may_end = garbled.is_some() || self.frames.has_begun() && !looked;
            let until = if may_end { deadline.min(Instant::now() + QUIET) } else { deadline };
            if let Ok(read) = timeout_at(until, read_some(&mut self.line, &mut chunk)).await {
                self.frames.push(&chunk[..read?]);
                looked = false;
                continue;
            }
            looked = true;
            if let Some(reply) = self.frames.take_inner().as_ref().and_then(Reply::from_body) {
                return Ok(Ok(reply));
            }
            if let Some(garbled) = garbled {
                return Ok(Err(garbled));
            }
            if Instant::now() >= deadline {
                return Ok(Err("no answer".to_owned()));
            }
        }
    }

    async fn settle(&mut self) -> Result<(), LinkError> {
        let mut scratch = [0; 256];
        let end = Instant::now() + QUIET_LIMIT;
        loop {
            let quiet = end.min(Instant::now() + QUIET);
            match timeout_at(quiet, read_some(&mut self.line, &mut scratch)).await {
                Ok(Ok(_)) if Instant::now() < end => {}
                Ok(Err(error)) => return Err(LinkError::Gone(error)),
                Ok(Ok(_)) | Err(_) => return Ok(()),
            }
        }
    }
}

/// At least one byte. Serial lines say "gone" by reading nothing, for ever.
async fn read_some(line: &mut BoxedLine, buffer: &mut [u8]) -> io::Result<usize> {
    match line.read(buffer).await? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "unplugged")),
        read => Ok(read),
    }
}
