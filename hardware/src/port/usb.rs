//! USB devices with bulk pipes, through usbfs, as lines of [packets](super::packets): the kind of a packet is the
//! address of its endpoint, and its data one transfer's, inwards one of at most the endpoint's
//! packet size.
//!
//! ```text
//! device ─► kind 0: the addresses of the pipes that were opened, once, before anything else
//! driver ─► kind 02 or 06 …: sent one after the other, each with a deadline
//! device ─► kind 81 or 85 …: in the order in which they came from each endpoint
//! ```
//!
//! Opened is the first interface that has all four pipes of [`SAM_PIPES`], else the first with a pair
//! of bulk pipes, whose first IN and first OUT are used. A driver of the kernel's that holds it is
//! detached. A stalled pipe is cleared. Opening blocks for a few milliseconds, so it is done on a
//! thread that is left behind after `OPENING`.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use nusb::descriptors::TransferType;
use nusb::transfer::{Buffer, Bulk, Direction, EndpointDirection, In, Out, TransferError};
use nusb::{DeviceInfo, Endpoint, ErrorKind, MaybeFuture};
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep, timeout};

use super::packets::{DESCRIPTION, Packet, Packets, packet};
use super::place::Place;
use super::{BoxedLine, Line, Opening, Port, PortError, presence};
use crate::device::Trouble;

/// The bulk pipes of a SAM-V reader that is on USB by itself (1024:50010 and its like).
pub const SAM_PIPES: [u8; 4] = [0x02, 0x06, 0x81, 0x85];

/// How long opening may take. The kernel answers within milliseconds unless the device hangs.
const OPENING: Duration = Duration::from_secs(1);

/// How long a transfer to the device may take; readers take theirs within 200 ms.
const SENDING: Duration = Duration::from_secs(1);

/// Transfers that wait at each pipe for what the device says: enough for what a full-speed device
/// sends in 10 ms.
const WAITING: usize = 16;

/// Packets of the driver's that wait to be sent: a request has two, and the next follows its answer.
const MOST_QUEUED: usize = 64;

/// A USB device of this machine.
pub struct UsbBulk {
    place: Place,
    /// The last opening. One that hangs in the kernel is not joined by others.
    opening: Option<std::thread::JoinHandle<()>>,
}

impl UsbBulk {
    /// The device at `place`: by its numbers, by its name, or by its path below `/dev/bus/usb`.
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { place, opening: None }
    }

    fn found(&self) -> Option<DeviceInfo> {
        matching(&self.place).into_iter().next()
    }
}

/// The devices that a place means, by where they are plugged in.
#[must_use]
pub fn matching(place: &Place) -> Vec<DeviceInfo> {
    let Ok(devices) = nusb::list_devices().wait() else { return Vec::new() };
    let wanted = match place {
        Place::Path(path) => Some(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone())),
        _ => None,
    };
    let mut devices: Vec<DeviceInfo> = devices
        .filter(|device| {
            let name = device.product_string().unwrap_or_default();
            wanted.as_deref() == Some(&path_of(device))
                || place.means(name.trim(), device.vendor_id(), device.product_id())
        })
        .collect();
    devices.sort_by_key(|device| (device.busnum(), device.port_chain().to_vec()));
    devices
}

/// The device file of a USB device.
#[must_use]
pub fn path_of(device: &DeviceInfo) -> PathBuf {
    format!("/dev/bus/usb/{:03}/{:03}", device.busnum(), device.device_address()).into()
}

impl Port for UsbBulk {
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
            let Some(device) = self.found() else {
                return Err(PortError::Absent { port: self.place.to_string() });
            };
            let port = path_of(&device).display().to_string();
            let other = |port, source| PortError::Other { port, source };
            if self.opening.as_ref().is_some_and(|opening| !opening.is_finished()) {
                let words = "it hangs; pull it out and plug it in again";
                return Err(other(port, io::Error::other(words)));
            }
            let (tell, told) = oneshot::channel();
            let opening =
                std::thread::Builder::new().name("usb open".to_owned()).spawn(move || {
                    // Nobody hears of it any more if it took too long; what was opened is closed then.
                    let _ = tell.send(open(&device));
                });
            match opening {
                Ok(opening) => self.opening = Some(opening),
                Err(source) => return Err(other(port, source)),
            }
            match timeout(OPENING, told).await {
                Ok(Ok(Ok(line))) => Ok(Box::new(line) as BoxedLine),
                Ok(Ok(Err(OpenError::Usb(error)))) => Err(match error.kind() {
                    ErrorKind::Disconnected | ErrorKind::NotFound => PortError::Absent { port },
                    ErrorKind::PermissionDenied => PortError::Denied { port },
                    ErrorKind::Busy => PortError::Held { port },
                    _ => other(port, error.into()),
                }),
                Ok(Ok(Err(OpenError::NoPipes))) => {
                    Err(other(port, io::Error::other("no interface with a pair of bulk pipes")))
                }
                // Late, or it was never told.
                Ok(Err(_)) | Err(_) => Err(other(port, io::ErrorKind::TimedOut.into())),
            }
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let absent = matches!(trouble, Trouble::Absent { .. }) && self.found().is_none();
            if absent {
                presence::until(folders, || self.found().is_some()).await;
            } else {
                presence::retry(&folders()).await;
            }
        })
    }
}

/// The folders in which device files appear: one a bus, and those that buses appear in.
fn folders() -> Vec<PathBuf> {
    let root = Path::new("/dev/bus/usb");
    let mut folders: Vec<PathBuf> =
        root.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned).into_iter().collect();
    let buses = std::fs::read_dir(root).into_iter().flatten().flatten();
    folders.extend(buses.map(|bus| bus.path()).filter(|path| path.is_dir()));
    folders
}

enum OpenError {
    Usb(nusb::Error),
    NoPipes,
}

impl From<nusb::Error> for OpenError {
    fn from(error: nusb::Error) -> Self {
        Self::Usb(error)
    }
}

/// Opens the device, and begins to listen to it.
fn open(device: &DeviceInfo) -> Result<UsbLine, OpenError> {
    let device = device.open().wait()?;
    let configuration = device.active_configuration().map_err(|_| OpenError::NoPipes)?;
    let interfaces: Vec<(u8, Vec<u8>)> = configuration
        .interfaces()
        .map(|interface| {
            let endpoints = interface.first_alt_setting();
            let bulk = endpoints
                .endpoints()
                .filter(|endpoint| endpoint.transfer_type() == TransferType::Bulk)
                .map(|endpoint| endpoint.address());
            (interface.interface_number(), bulk.collect())
        })
        .collect();
    let (number, pipes) = chosen(&interfaces).ok_or(OpenError::NoPipes)?;
    let interface = device.detach_and_claim_interface(number).wait()?;
    let mut line = UsbLine {
        ins: Vec::new(),
        outs: Vec::new(),
        read: packet(DESCRIPTION, &pipes).into(),
        heard: VecDeque::new(),
        written: Packets::default(),
        queue: VecDeque::new(),
        deadline: None,
    };
    for pipe in pipes {
        if pipe & Direction::In as u8 == 0 {
            line.outs.push(Pipe::new(interface.endpoint::<Bulk, Out>(pipe)?));
        } else {
            let mut pipe = Pipe::new(interface.endpoint::<Bulk, In>(pipe)?);
            pipe.listen();
            line.ins.push(pipe);
        }
    }
    Ok(line)
}

/// Which pipes of which interface are used, of the bulk pipes that each has.
fn chosen(interfaces: &[(u8, Vec<u8>)]) -> Option<(u8, Vec<u8>)> {
    let whole = interfaces
        .iter()
        .find(|(_, pipes)| SAM_PIPES.iter().all(|pipe| pipes.contains(pipe)))
        .map(|(number, _)| (*number, SAM_PIPES.to_vec()));
    whole.or_else(|| {
        interfaces.iter().find_map(|(number, pipes)| {
            let inwards = |pipe: &&u8| **pipe & 0x80 != 0;
            let first_in = pipes.iter().find(inwards)?;
            let first_out = pipes.iter().find(|pipe| !inwards(pipe))?;
            Some((*number, vec![*first_out, *first_in]))
        })
    })
}

/// A pipe that was cleared, and whether it could be.
type Cleared<D> = (Endpoint<Bulk, D>, Result<(), nusb::Error>);

/// One pipe, and how it is brought back when the device has stalled it.
struct Pipe<D: EndpointDirection> {
    address: u8,
    /// It is not here while a thread clears it.
    endpoint: Option<Endpoint<Bulk, D>>,
    stalled: bool,
    clearing: Option<JoinHandle<Cleared<D>>>,
}

impl<D: EndpointDirection + 'static> Pipe<D> {
    fn new(endpoint: Endpoint<Bulk, D>) -> Self {
        let address = endpoint.endpoint_address();
        Self { address, endpoint: Some(endpoint), stalled: false, clearing: None }
    }

    /// The next transfer that is over and was none of a stalled pipe: its buffer, and whether it
    /// was well. `Ready(None)` when none is under way.
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<(Buffer, bool)>>> {
        loop {
            if let Some(clearing) = &mut self.clearing {
                let cleared = ready!(Pin::new(clearing).poll(cx));
                let (endpoint, cleared) = cleared.map_err(io::Error::other)?;
                self.clearing = None;
                self.endpoint = Some(endpoint);
                self.stalled = false;
                cleared?;
            }
            let Some(mut endpoint) = self.endpoint.take() else { return Poll::Ready(Ok(None)) };
            if endpoint.pending() == 0 && self.stalled {
                // Only now, as no transfer waits any more. It blocks until the device has answered.
                self.clearing = Some(tokio::task::spawn_blocking(move || {
                    let cleared = endpoint.clear_halt().wait();
                    (endpoint, cleared)
                }));
                continue;
            }
            let endpoint = self.endpoint.insert(endpoint);
            if endpoint.pending() == 0 {
                return Poll::Ready(Ok(None));
            }
            let done = ready!(endpoint.poll_next_complete(cx));
            match done.status {
                Ok(()) => return Poll::Ready(Ok(Some((done.buffer, true)))),
                Err(TransferError::Cancelled) if self.stalled => {}
                Err(TransferError::Cancelled) => {
                    return Poll::Ready(Ok(Some((done.buffer, false))));
                }
                Err(TransferError::Stall) => {
                    tracing::warn!(pipe = self.address, "a USB pipe stalled");
                    self.stalled = true;
                    endpoint.cancel_all();
                }
                Err(TransferError::Disconnected) => {
                    return Poll::Ready(Err(Errno::NODEV.into()));
                }
                // What a cable that is being pulled does, too.
                Err(TransferError::Fault) => return Poll::Ready(Err(Errno::IO.into())),
                Err(error) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
    }

    /// Whether it still has something to do.
    fn is_busy(&self) -> bool {
        self.stalled || self.endpoint.as_ref().is_some_and(|endpoint| endpoint.pending() > 0)
    }

    fn cancel(&mut self) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.cancel_all();
        }
    }
}

impl Pipe<In> {
    /// Lets transfers wait for what the device says, unless the pipe is stalled.
    fn listen(&mut self) {
        let Some(endpoint) = self.endpoint.as_mut().filter(|_| !self.stalled) else { return };
        // Of one packet each: a longer one whose last packet is full would wait for more.
        let size = endpoint.max_packet_size();
        while endpoint.pending() < WAITING {
            endpoint.submit(Buffer::new(size));
        }
    }

    /// The next transfer that the device has filled.
    fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        loop {
            self.listen();
            if let Some((buffer, true)) = ready!(self.poll_done(cx))?
                && !buffer.is_empty()
            {
                return Poll::Ready(Ok(packet(self.address, &buffer).into()));
            }
        }
    }
}

impl Pipe<Out> {
    fn send(&mut self, data: &[u8]) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.submit(data.to_vec().into());
        }
    }
}

/// An open device.
struct UsbLine {
    ins: Vec<Pipe<In>>,
    outs: Vec<Pipe<Out>>,
    /// The packet that is being read.
    read: Bytes,
    /// Packets behind it.
    heard: VecDeque<Bytes>,
    written: Packets,
    /// What is to be sent when the transfer before it is done.
    queue: VecDeque<Packet>,
    /// When the transfer that is under way is given up.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl UsbLine {
    /// Sends what is to be sent; ready when all of it is.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            for pipe in &mut self.outs {
                while pipe.is_busy() {
                    match pipe.poll_done(cx) {
                        Poll::Ready(done) => {
                            done?;
                        }
                        Poll::Pending => {
                            let Some(deadline) = &mut self.deadline else { return Poll::Pending };
                            ready!(deadline.as_mut().poll(cx));
                            tracing::warn!("a USB device does not take a transfer");
                            self.deadline = None;
                            self.queue.clear();
                            pipe.cancel();
                        }
                    }
                }
            }
            self.deadline = None;
            let Some(Packet { kind, data }) = self.queue.pop_front() else {
                return Poll::Ready(Ok(()));
            };
            if let Some(pipe) = self.outs.iter_mut().find(|pipe| pipe.address == kind) {
                pipe.send(&data);
                self.deadline = Some(Box::pin(sleep(SENDING)));
            }
        }
    }

    /// The next transfer of the device's, on whichever pipe. What came on an earlier pipe comes
    /// first: readers say the head of a reply there and the rest behind it on the next.
    fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.heard.is_empty() {
            // Backwards: what is seen on a later pipe has followed what is on an earlier one by then.
            for pipe in self.ins.iter_mut().rev() {
                let mut heard = VecDeque::new();
                while heard.len() < WAITING
                    && let Poll::Ready(packet) = pipe.poll_heard(cx)
                {
                    heard.push_back(packet?);
                }
                heard.append(&mut self.heard);
                self.heard = heard;
            }
        }
        self.heard.pop_front().map_or(Poll::Pending, |packet| Poll::Ready(Ok(packet)))
    }
}

impl Line for UsbLine {
    fn discard_input(&mut self) -> io::Result<()> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(heard) = self.poll_heard(&mut context) {
            heard?;
        }
        Ok(())
    }
}

impl AsyncRead for UsbLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Who reads waits for an answer, so this is where the rest of a request goes out.
        if let Poll::Ready(Err(error)) = self.poll_sent(cx) {
            return Poll::Ready(Err(error));
        }
        if self.read.is_empty() {
            self.read = ready!(self.poll_heard(cx))?;
        }
        let length = self.read.len().min(buf.remaining());
        buf.put_slice(self.read.get(..length).unwrap_or_default());
        self.read.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UsbLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.queue.len() >= MOST_QUEUED {
            ready!(self.poll_sent(cx))?;
        }
        self.written.push(bytes);
        while let Some(packet) = self.written.next_packet()? {
            self.queue.push_back(packet);
        }
        if let Poll::Ready(Err(error)) = self.poll_sent(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_pipes_of_a_reader_go_before_any_pair() {
        let printer = (0, vec![0x01, 0x82]);
        let reader = (1, vec![0x85, 0x06, 0x81, 0x02, 0x83]);
        assert_eq!(chosen(&[printer.clone(), reader]), Some((1, SAM_PIPES.to_vec())));
        assert_eq!(chosen(&[(0, vec![]), (1, vec![0x81]), printer]), Some((0, vec![0x01, 0x82])));
        assert_eq!(chosen(&[(2, vec![0x81, 0x83, 0x04, 0x02])]), Some((2, vec![0x04, 0x81])));
        assert_eq!(chosen(&[(0, vec![0x81]), (1, vec![0x02])]), None);
    }
}
