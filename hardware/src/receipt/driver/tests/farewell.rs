//! What becomes of a connection when the daemon ends.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::*;
use crate::port::memory::MemoryPort;
use crate::port::{Line, Opening, Port};

/// A port whose lines are ended as TCP connections are.
struct Polite(MemoryPort);

struct PoliteLine(BoxedLine);

impl Port for Polite {
    fn open(&mut self, baud: u32) -> Opening<'_> {
        let opening = self.0.open(baud);
        Box::pin(async { Ok(Box::new(PoliteLine(opening.await?)) as BoxedLine) })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.0.worth_opening(trouble)
    }
}

impl Line for PoliteLine {
    fn discard_input(&mut self) -> io::Result<()> {
        self.0.discard_input()
    }

    fn lingers(&self) -> bool {
        true
    }
}

impl AsyncRead for PoliteLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for PoliteLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn the_daemon_ends_when_the_printer_has_taken_all_of_a_connection_and_closed_it() {
    let (port, mut end) = memory_port("the test's printer");
    let status = Status::new("printer", State::Busy);
    let (printer, jobs) = queue(status.clone(), Journal::in_memory());
    let settings = Settings { baud: 0, profile: profile(), row_bytes: ROW_BYTES, status: false };
    let driver = EscposPrinter::new(settings, jobs);
    tokio::spawn(device::run(Box::new(Polite(port)), driver, status));
    let mut far = end.next_line().await.expect("a line");
    let printing = printer.print("1".to_owned(), 0, LIMIT, || Ok::<_, ()>(job(1, 24))).unwrap();
    // The lines of memory take all of it, and nobody reads.
    assert!(printing.ended().await.is_ok());
    let mut finished = tokio::spawn(printer.finished());
    assert!(timeout(FAREWELL / 2, &mut finished).await.is_err(), "the printer has not taken it");
    let mut taken = Vec::new();
    far.read_to_end(&mut taken).await.unwrap();
    let job: Vec<u8> = job(1, 24).blocks.into_iter().flat_map(|block| block.bytes).collect();
    assert!(taken.windows(job.len()).any(|part| part == job));
    // It has something to say to the last, too.
    far.write_all(&[0x16]).await.unwrap();
    assert!(!finished.is_finished());
    drop(far);
    timeout(Duration::from_millis(1), finished).await.expect("at once").unwrap();
    // And does not open it again.
    assert!(timeout(Duration::from_secs(60), end.next_line()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_printer_that_does_not_close_its_connection_holds_the_daemons_end_up_for_a_while_only() {
    let (port, mut end) = memory_port("the test's printer");
    let status = Status::new("printer", State::Busy);
    let (printer, jobs) = queue(status.clone(), Journal::in_memory());
    let settings = Settings { baud: 0, profile: profile(), row_bytes: ROW_BYTES, status: false };
    let driver = EscposPrinter::new(settings, jobs);
    tokio::spawn(device::run(Box::new(Polite(port)), driver, status.clone()));
    let _far = end.next_line().await.expect("a line");
    status.changes().wait_for(|now| now.state == State::Ready).await.unwrap();
    let began = Instant::now();
    printer.finished().await;
    assert_eq!(began.elapsed().as_secs(), FAREWELL.as_secs());
}
