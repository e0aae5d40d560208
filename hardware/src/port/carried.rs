//! Bytes that are carried by packets, as a line of those bytes: a driver of a serial device works a
//! device on USB by it.
//!
//! A [`Carrier`] knows how. [`CarriedPort`] stands around a port of [`packets`](super::packets),
//! outside its tape, so that what is recorded is what passed on USB; the redactor
//! ([`crate::redact::packets`]) takes the same packets apart by the same carrier. What is no packet of
//! the device's is passed over. Nothing is kept but one packet and its bytes.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::lossy::Lossy;
use super::packets::{DESCRIPTION, Packet, Packets};
use super::{BoxedLine, Line, Opening, Port};
use crate::device::Trouble;

/// A part of a packet's data. The parts of a packet stand in its order and make it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes carry the stream.
    Carried(Range<usize>),
    /// Bytes of the stream that the packet has not: what its sender leaves away.
    Made(Vec<u8>),
    /// Here something of the stream is missing: what has begun will not be whole.
    Lost,
    /// These bytes say how it is carried.
    Stays(Range<usize>),
    /// These carry nothing; they should be zeros.
    Padding(Range<usize>),
}

/// How a stream is carried by packets. Pure, and the same for the driver and for the redactor.
pub trait Carrier: Send + Unpin {
    /// The packet that describes the device, and so how it carries.
    fn describe(&mut self, description: &[u8]);

    /// Takes a packet of the device's apart.
    fn take(&mut self, packet: &Packet, parts: &mut Vec<Part>);

    /// What the driver says at once, as packets on the line; `None` until the device has been
    /// described.
    ///
    /// # Errors
    /// The device takes nothing of the kind.
    fn wrap(&self, bytes: &[u8]) -> Option<io::Result<Vec<u8>>>;

    /// The stream's bytes in packets of the driver's.
    fn sent(&self, packets: &[Packet]) -> Vec<u8>;

    /// The driver has sent something, or the line is a new one: what has begun will not go on.
    fn forget(&mut self);
}

/// A port of packets as one of the bytes that they carry.
pub struct CarriedPort<C> {
    port: Box<dyn Port>,
    carrier: C,
}

impl<C: Carrier + Clone> CarriedPort<C> {
    /// `port` with what a device carries so; `carrier` has not been described yet.
    #[must_use]
    pub fn new(port: Box<dyn Port>, carrier: C) -> Self {
        Self { port, carrier }
    }
}

impl<C: Carrier + Clone + 'static> Port for CarriedPort<C> {
    fn open(&mut self, baud: u32) -> Opening<'_> {
        Box::pin(async move {
            let line = self.port.open(baud).await?;
            Ok(Box::new(CarriedLine {
                line,
                carrier: self.carrier.clone(),
                packets: Packets::default(),
                carried: Lossy::default(),
                sending: BytesMut::new(),
            }) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.port.worth_opening(trouble)
    }
}

struct CarriedLine<C> {
    line: BoxedLine,
    carrier: C,
    packets: Packets,
    /// What packets carried and was not read yet.
    carried: Lossy,
    /// Packets that are being written.
    sending: BytesMut,
}

impl<C: Carrier> CarriedLine<C> {
    /// Reads once; `Ready(0)` when the line is at its end.
    fn poll_packets(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [0; 4096];
        let mut buf = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.line).poll_read(cx, &mut buf))?;
        self.packets.push(buf.filled());
        let mut parts = Vec::new();
        while let Some(packet) = self.packets.next_packet()? {
            if packet.kind == DESCRIPTION {
                self.carrier.describe(&packet.data);
                continue;
            }
            self.carrier.take(&packet, &mut parts);
            for part in parts.drain(..) {
                match part {
                    Part::Carried(range) => {
                        self.carried.push(packet.data.get(range).unwrap_or_default());
                    }
                    Part::Made(bytes) => self.carried.push(&bytes),
                    Part::Lost => self.carried.lose(),
                    Part::Stays(_) | Part::Padding(_) => {}
                }
            }
        }
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Writes what is being written; ready when all of it is.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sending.is_empty() {
            let written = ready!(Pin::new(&mut self.line).poll_write(cx, &self.sending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sending.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: Carrier> Line for CarriedLine<C> {
    fn discard_input(&mut self) -> io::Result<()> {
        // Read and not discarded further down: the description must not be lost, nor half a packet.
        let mut context = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(read) = self.poll_packets(&mut context) {
            if read? == 0 {
                break;
            }
        }
        self.carried.clear();
        self.carrier.forget();
        Ok(())
    }
}

impl<C: Carrier> AsyncRead for CarriedLine<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(Err(error)) = self.poll_sent(cx) {
            return Poll::Ready(Err(error));
        }
        while self.carried.is_empty() {
            if ready!(self.poll_packets(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Ready(self.carried.read(buf))
    }
}

impl<C: Carrier> AsyncWrite for CarriedLine<C> {
    /// Each call is one thing that the driver says.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        let packets = loop {
            if let Some(packets) = self.carrier.wrap(bytes) {
                break packets?;
            }
            // How the device wants it is the first that it says.
            if ready!(self.poll_packets(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        };
        self.carrier.forget();
        self.sending.extend_from_slice(&packets);
        if let Poll::Ready(Err(error)) = self.poll_sent(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}
