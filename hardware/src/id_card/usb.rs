//! SAM-V readers on USB: bulk pipes and HID reports as the serial line that [`super::sam_v`] speaks
//! over.
//!
//! [`SamPort`] stands around a port of [`packets`](crate::port::packets), outside its tape, so that
//! what is recorded is what passed on USB. [`carrier`] knows how frames stand in packets, [`far`] is
//! the far end. What makes no frame is the driver's to sort out, as noise on a serial line is; what is
//! no packet of the reader's is passed over. Nothing is kept but one packet and its bytes.

pub mod carrier;
pub mod far;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::device::Trouble;
use crate::port::packets::{DESCRIPTION, Packets};
use crate::port::{BoxedLine, Line, Port, PortError};
use crate::redact::packets::{Carrier, Part};
pub use carrier::{Carriage, SamCarrier};

/// The USB numbers of SAM-V readers that are on USB by themselves: vendor and product.
pub const NATIVE: (u16, u16) = (0x0400, 0xC35A);

/// A port of packets that carry a module's frames, as one of the frames' bytes.
pub struct SamPort {
    port: Box<dyn Port>,
    carriage: Carriage,
}

impl SamPort {
    /// `port` with what `carriage` carries.
    #[must_use]
    pub fn new(port: Box<dyn Port>, carriage: Carriage) -> Self {
        Self { port, carriage }
    }
}

impl Port for SamPort {
    fn open(&mut self, baud: u32) -> Result<BoxedLine, PortError> {
        let line = self.port.open(baud)?;
        Ok(Box::new(SamLine {
            line,
            carrier: SamCarrier::new(self.carriage),
            packets: Packets::default(),
            carried: BytesMut::new(),
            sending: BytesMut::new(),
        }))
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.port.worth_opening(trouble)
    }
}

struct SamLine {
    line: BoxedLine,
    carrier: SamCarrier,
    packets: Packets,
    /// What packets carried and was not read yet.
    carried: BytesMut,
    /// Packets that are being written.
    sending: BytesMut,
}

impl SamLine {
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
                        self.carried.extend_from_slice(packet.data.get(range).unwrap_or_default());
                    }
                    Part::Made(bytes) => self.carried.extend_from_slice(&bytes),
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

impl Line for SamLine {
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

impl AsyncRead for SamLine {
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
        let length = self.carried.len().min(buf.remaining());
        buf.put_slice(self.carried.get(..length).unwrap_or_default());
        self.carried.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SamLine {
    /// Takes whole frames: each call is one.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        frame: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        let packets = loop {
            if let Some(packets) = self.carrier.wrap(frame) {
                break packets.map_err(io::Error::other)?;
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
        Poll::Ready(Ok(frame.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}
