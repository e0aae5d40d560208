//! The project's virtual reader on a pty, and what the daemon asks it.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use hharome_hardware::id_card::people::{Card, person};
use hharome_hardware::id_card::virtual_reader::{ReaderHand, VirtualReader};
use hharome_hardware::port::far_end::{self, BoxedFarLine, FarEnd, FarLine, Plug, VirtualDevice};
use hharome_hardware::port::pty::PtyFarEnd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::soon;

/// Requests of the module's command table, whole.
pub(super) const RESET: [u8; 10] = [0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x10, 0xFF, 0xEC];
pub(super) const FIND: [u8; 10] = [0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x20, 0x01, 0x22];
pub(super) const READ: [u8; 10] = [0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x30, 0x01, 0x32];

/// A virtual reader, and the hand that works it.
pub(super) struct Reader {
    pub(super) hand: ReaderHand,
    plug: Plug,
    heard: watch::Receiver<Vec<u8>>,
    life: JoinHandle<()>,
}

impl Reader {
    /// A reader that is plugged in at `link`.
    pub(super) fn at(link: &Path) -> Self {
        let (reader, hand) = VirtualReader::new();
        let end = PtyFarEnd::open(Some(link)).expect("a pty");
        let plug = end.plug().clone();
        let (tell, heard) = watch::channel(Vec::new());
        let life = tokio::spawn(far_end::run(end, Watched { reader, tell }));
        Self { hand, plug, heard, life }
    }

    /// Puts a person's card on.
    pub(super) fn put(&self, slug: &str) {
        self.hand.put(of(slug));
    }

    /// Pulls the plug, or puts it in.
    pub(super) fn plug(&self, plugged_in: bool) {
        self.plug.set(plugged_in);
    }

    /// How often it has been asked this since the start.
    pub(super) fn asked(&self, request: [u8; 10]) -> usize {
        count(&self.heard.borrow(), request)
    }

    /// Waits until it is asked this so many times more.
    pub(super) async fn is_asked(&mut self, request: [u8; 10], more: usize) {
        let times = self.asked(request) + more;
        let asked = self.heard.wait_for(|heard| count(heard, request) >= times);
        let asked = soon(&format!("the reader is asked {request:02X?}"), asked).await;
        asked.map(drop).expect("it lives");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.life.abort();
    }
}

/// The card of one of the town.
pub(super) fn of(slug: &str) -> Card {
    person(slug).expect("one of the town")
}

fn count(heard: &[u8], request: [u8; 10]) -> usize {
    heard.windows(request.len()).filter(|window| *window == request).count()
}

/// The reader, with an ear at its line.
struct Watched {
    reader: VirtualReader,
    tell: watch::Sender<Vec<u8>>,
}

impl VirtualDevice for Watched {
    async fn serve(&mut self, line: BoxedFarLine) {
        self.reader.serve(Box::new(Ear { line, tell: self.tell.clone() })).await;
    }
}

/// Tells what the host has said.
struct Ear {
    line: BoxedFarLine,
    tell: watch::Sender<Vec<u8>>,
}

impl FarLine for Ear {
    fn host_baud(&self) -> Option<u32> {
        self.line.host_baud()
    }
}

impl AsyncRead for Ear {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.line).poll_read(cx, buf);
        if let Some(new) = buf.filled().get(before..).filter(|new| !new.is_empty()) {
            self.tell.send_modify(|heard| heard.extend_from_slice(new));
        }
        polled
    }
}

impl AsyncWrite for Ear {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}
