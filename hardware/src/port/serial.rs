//! The operating system's serial ports: UARTs, USB adapters, CDC ACM, ptys.
//!
//! Opened by a device's task. A port that is not there is awaited by inotify.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use serialport::{ClearBuffer, ErrorKind, SerialPort as _};

pub use serialport::FlowControl;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_serial::{SerialPortBuilderExt, SerialStream};

use super::{BoxedLine, Line, ModemLines, Opening, Port, PortError, presence};
use crate::device::Trouble;

/// A serial port by the path of its device file, `/dev/ttyUSB0` or better a stable name such as
/// `/dev/serial/by-id/…`.
pub struct SerialDevice {
    path: PathBuf,
    flow: FlowControl,
}

impl SerialDevice {
    /// A port at `path`; nothing is opened yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), flow: FlowControl::None }
    }

    /// The same with flow control.
    #[must_use]
    pub fn with_flow(self, flow: FlowControl) -> Self {
        Self { flow, ..self }
    }

    fn error(&self, error: serialport::Error) -> PortError {
        let port = self.path.display().to_string();
        match error.kind() {
            ErrorKind::Io(io::ErrorKind::NotFound) => PortError::Absent { port },
            ErrorKind::Io(io::ErrorKind::PermissionDenied) => PortError::Denied { port },
            // The crate reports both "no such device" and a lock that another holds so.
            ErrorKind::NoDevice if self.path.exists() => PortError::Held { port },
            ErrorKind::NoDevice => PortError::Absent { port },
            _ => PortError::Other { port, source: error.into() },
        }
    }
}

impl Port for SerialDevice {
    fn open(&mut self, baud: u32) -> Opening<'_> {
        Box::pin(async move {
            let path = self.path.to_string_lossy();
            let line = tokio_serial::new(path, baud)
                .flow_control(self.flow)
                .open_native_async()
                .map_err(|error| self.error(error))?;
            let mut line = OpenLine(line);
            // What arrived before we came belongs to nobody. Ptys and some adapters refuse.
            let _ = line.discard_input();
            Ok(Box::new(line) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if matches!(trouble, Trouble::Absent { .. }) && !self.path.exists() {
                presence::appeared(&self.path).await;
            } else {
                tokio::time::sleep(presence::RETRY).await;
            }
        })
    }

    fn vanished(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(presence::vanished(&self.path))
    }
}

struct OpenLine(SerialStream);

impl Line for OpenLine {
    fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        self.0.set_baud_rate(baud).map_err(io::Error::from)
    }

    fn discard_input(&mut self) -> io::Result<()> {
        self.0.clear(ClearBuffer::Input).map_err(io::Error::from)
    }

    fn modem_lines(&mut self) -> Option<ModemLines> {
        let line = &mut self.0;
        Some(ModemLines {
            cts: line.read_clear_to_send().ok()?,
            dsr: line.read_data_set_ready().ok()?,
            dcd: line.read_carrier_detect().ok()?,
            ri: line.read_ring_indicator().ok()?,
        })
    }
}

impl AsyncRead for OpenLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for OpenLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The stream's own flush is `tcdrain`, which blocks for as long as the line is stopped.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
