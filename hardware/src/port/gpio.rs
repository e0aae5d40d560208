//! GPIO lines of the kernel's character devices (linux/gpio.h, uAPI v2).
//!
//! The line is `1` and `0`, a byte each: the level first, then every change. The kernel debounces, in
//! hardware or by itself; where it refuses, the thread that waits for edges does. Levels are logical:
//! `1` is active.
//!
//! A chip that is pulled out is noticed by its device file as well, as kernels before 6.7 wake nobody
//! who waits for the edges of its lines.

use std::fs;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Offset, Value};
use gpiocdev::{Chip, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::fed::{FedLine, Feeder, fed_line};
use super::{BoxedLine, Line, Opening, Port, PortError, presence};
use crate::device::Trouble;

/// Who has the line, in `gpioinfo`.
const CONSUMER: &str = "hharome";

/// The resistor at a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// As it is.
    AsIs,
    /// To the supply.
    Up,
    /// To ground.
    Down,
    /// None.
    None,
}

/// One line of a GPIO chip, as an input.
#[derive(Clone, Debug)]
pub struct GpioLine {
    /// Its name, else `CHIP:NUMBER`.
    pub line: String,
    /// It is active while its level is low.
    pub active_low: bool,
    /// The resistor at it.
    pub pull: Pull,
    /// How long a change must last to be one; zero: not at all.
    pub debounce: Duration,
}

/// A line that was found.
struct Found {
    chip: PathBuf,
    offset: Offset,
}

/// A line of a machine, for people who look for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLine {
    /// Its chip: `gpiochip0`.
    pub chip: String,
    /// What the chip is called by its driver.
    pub label: String,
    /// Its number there.
    pub number: u32,
    /// Its name; empty if the board's maker has given it none.
    pub name: String,
    /// Who has it now, if somebody does.
    pub user: Option<String>,
}

/// All lines of this machine that this user may look at.
#[must_use]
pub fn lines() -> Vec<ListedLine> {
    let mut all = Vec::new();
    for path in chips() {
        let Ok(chip) = Chip::from_path(&path) else { continue };
        let (Ok(info), Ok(lines)) = (chip.info(), chip.line_info_iter()) else { continue };
        all.extend(lines.flatten().map(|line| ListedLine {
            chip: chip.name(),
            label: info.label.clone(),
            number: line.offset,
            name: line.name,
            user: line.used.then_some(line.consumer),
        }));
    }
    all
}

/// The device files of GPIO chips, in the order of their numbers.
fn chips() -> Vec<PathBuf> {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let is_chip = |path: &PathBuf| path.to_string_lossy().starts_with("/dev/gpiochip");
    let mut chips: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_chip).collect();
    chips.sort_by(|a, b| (a.as_os_str().len(), a).cmp(&(b.as_os_str().len(), b)));
    chips
}

impl GpioLine {
    fn absent(&self) -> PortError {
        PortError::Absent { port: format!("GPIO line {}", self.line) }
    }

    /// By name first: numbers of chips move.
    fn find(&self) -> Result<Found, PortError> {
        let mut denied = None;
        for path in chips() {
            match fs::File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    denied.get_or_insert(PortError::Denied { port: path.display().to_string() });
                }
                _ => {
                    let chip = Chip::from_path(&path).ok();
                    let line = chip.and_then(|chip| chip.find_line_info(&self.line));
                    if let Some(line) = line {
                        return Ok(Found { chip: path, offset: line.offset });
                    }
                }
            }
        }
        let by_number = || {
            let (chip, number) = self.line.rsplit_once(':')?;
            let chip = Path::new("/dev").join(chip);
            Some(Found { offset: number.parse().ok()?, chip: chip.exists().then_some(chip)? })
        };
        by_number().ok_or_else(|| denied.unwrap_or_else(|| self.absent()))
    }

    /// The line, requested as an input with edges, and whether the kernel debounces it.
    fn request(&self, found: &Found) -> Result<(Request, bool), PortError> {
        let request = |debounce: bool| {
            let mut builder = Request::builder();
            builder.on_chip(&found.chip).with_consumer(CONSUMER).with_line(found.offset);
            builder.as_input().with_edge_detection(EdgeDetection::BothEdges);
            if self.active_low {
                builder.as_active_low();
            }
            builder.with_bias(match self.pull {
                Pull::AsIs => None,
                Pull::Up => Some(Bias::PullUp),
                Pull::Down => Some(Bias::PullDown),
                Pull::None => Some(Bias::Disabled),
            });
            if debounce {
                builder.with_debounce_period(self.debounce);
            }
            builder.request()
        };
        if self.debounce.is_zero() {
            return request(false).map(|request| (request, true)).map_err(|e| self.error(e, found));
        }
        match request(true) {
            Ok(request) => Ok((request, true)),
            Err(refused) => {
                let request = request(false).map_err(|error| self.error(error, found))?;
                tracing::info!(line = self.line, error = %refused, "the kernel does not debounce it");
                Ok((request, false))
            }
        }
    }

    fn error(&self, error: gpiocdev::Error, found: &Found) -> PortError {
        let chip = found.chip.display().to_string();
        let number = match &error {
            gpiocdev::Error::Os(number)
            | gpiocdev::Error::Uapi(_, gpiocdev_uapi::Error::Os(number)) => Some(number.0),
            _ if !found.chip.exists() => return self.absent(),
            _ => None,
        };
        let errno = number.map(io::Error::from_raw_os_error);
        match errno.as_ref().and_then(Errno::from_io_error) {
            Some(Errno::ACCESS | Errno::PERM) => PortError::Denied { port: chip },
            Some(Errno::NODEV | Errno::NXIO) if !found.chip.exists() => self.absent(),
            Some(Errno::BUSY) => PortError::Other {
                port: format!("GPIO line {}", self.line),
                source: io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "another program or driver has it (`gpioinfo` names it)",
                ),
            },
            _ => PortError::Other {
                port: format!("GPIO line {}", self.line),
                source: io::Error::other(error),
            },
        }
    }
}

impl Port for GpioLine {
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
            let found = self.find()?;
            let (request, debounced) = self.request(&found)?;
            let other = |source| PortError::Other { port: self.line.clone(), source };
            let (stopped, guard) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| other(e.into()))?;
            let (feeder, line) = fed_line(guard);
            let edges = Edges {
                request,
                offset: found.offset,
                stopped,
                debounce: (!debounced).then_some(self.debounce),
                said: None,
            };
            let thread = std::thread::Builder::new().name("gpio".to_owned());
            thread.spawn(move || edges.watch(feeder)).map_err(other)?;
            let chip = found.chip;
            let gone = Box::pin(async move { presence::vanished(&chip).await });
            Ok(Box::new(OpenLine { line, gone }) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if !matches!(trouble, Trouble::Absent { .. }) {
                return tokio::time::sleep(presence::RETRY).await;
            }
            // What is there and may not be opened is worth being told of.
            let is_there = || !matches!(self.find(), Err(PortError::Absent { .. }));
            presence::until(|| vec!["/dev".into()], is_there).await;
        })
    }
}

/// The line of a chip that may be pulled out.
struct OpenLine {
    line: FedLine,
    gone: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Line for OpenLine {
    fn discard_input(&mut self) -> io::Result<()> {
        self.line.discard_input()
    }
}

impl AsyncRead for OpenLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.gone.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::from_raw_os_error(Errno::NODEV.raw_os_error())));
        }
        Pin::new(&mut self.line).poll_read(cx, buf)
    }
}

impl AsyncWrite for OpenLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Waits for a line's edges on a thread of its own.
struct Edges {
    request: Request,
    offset: Offset,
    /// Its other end is dropped with the line.
    stopped: OwnedFd,
    /// For how long a level has to hold, where the kernel does not see to it.
    debounce: Option<Duration>,
    said: Option<bool>,
}

/// Why a thread waits no more.
enum Woken {
    Edge,
    /// Nothing, for as long as was waited for.
    Quiet,
    Stopped,
}

impl Edges {
    fn watch(mut self, feeder: Feeder) {
        // An error ends the line; a line that nobody reads any more ends by itself.
        if let Err(error) = self.feed(&feeder) {
            feeder.fail(error);
        }
    }

    fn feed(&mut self, feeder: &Feeder) -> io::Result<()> {
        let level = self.level()?;
        if !self.say(level, feeder) {
            return Ok(());
        }
        let mut first = true;
        loop {
            match self.wait(None)? {
                Woken::Edge => {}
                Woken::Quiet => continue,
                Woken::Stopped => return Ok(()),
            }
            let alive = match self.debounce {
                Some(debounce) => {
                    if !self.settle(debounce)? {
                        return Ok(());
                    }
                    let level = self.level()?;
                    self.say(level, feeder)
                }
                None => self.pass(feeder, first)?,
            };
            if !alive {
                return Ok(());
            }
            first = false;
        }
    }

    /// Says what the edges that have come mean, and how the line stands after them, should one have
    /// been lost.
    fn pass(&mut self, feeder: &Feeder, first: bool) -> io::Result<bool> {
        let mut levels = self.edges()?;
        let level = self.level()?;
        // Some drivers tell of an edge that was none when a line has just been requested.
        if first && levels.len() == 1 && levels != [level] {
            levels.clear();
        }
        Ok(levels.into_iter().chain([level]).all(|level| self.say(level, feeder)))
    }

    /// Waits until the line has been quiet for so long; whether anybody wants to know still.
    fn settle(&mut self, debounce: Duration) -> io::Result<bool> {
        loop {
            self.edges()?;
            match self.wait(Some(debounce))? {
                Woken::Edge => {}
                Woken::Quiet => return Ok(true),
                Woken::Stopped => return Ok(false),
            }
        }
    }

    fn wait(&self, limit: Option<Duration>) -> io::Result<Woken> {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let edges = PollFlags::IN | PollFlags::PRI;
        let mut fds = [
            PollFd::from_borrowed_fd(self.request.as_fd(), edges),
            PollFd::from_borrowed_fd(self.stopped.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, limit.as_ref()) {
            Err(Errno::INTR) => return Ok(Woken::Edge),
            other => other?,
        };
        let [line, stopped] = fds.map(|fd| fd.revents());
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        Ok(match () {
            () if !stopped.is_empty() => Woken::Stopped,
            () if line.intersects(gone) => return Err(Errno::NODEV.into()),
            () if !line.is_empty() => Woken::Edge,
            () => Woken::Quiet,
        })
    }

    /// The levels that the edges which have come lead to.
    fn edges(&self) -> io::Result<Vec<bool>> {
        let mut levels = Vec::new();
        while self.request.has_edge_event().map_err(io::Error::other)? {
            let edge = self.request.read_edge_event().map_err(io::Error::other)?;
            levels.push(edge.kind == EdgeKind::Rising);
        }
        Ok(levels)
    }

    fn level(&self) -> io::Result<bool> {
        let value = self.request.value(self.offset).map_err(io::Error::other)?;
        Ok(value == Value::Active)
    }

    /// Says a level, if it is another one; whether anybody hears it.
    fn say(&mut self, level: bool, feeder: &Feeder) -> bool {
        if self.said.replace(level) == Some(level) {
            return true;
        }
        feeder.give(Bytes::from_static(if level { b"1" } else { b"0" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_device_file_that_is_no_gpio_chip_is_an_error_that_says_so() {
        let mut port = GpioLine {
            line: "null:3".to_owned(),
            active_low: false,
            pull: Pull::AsIs,
            debounce: Duration::from_millis(30),
        };
        let error = port.open(0).await.err().unwrap();
        let words = error.to_string();
        assert!(matches!(error, PortError::Other { .. }), "{words}");
        assert!(words.contains("GPIO line null:3") && words.contains("/dev/null"), "{words}");
    }
}
