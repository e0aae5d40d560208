//! Several input devices as one port: all that a kiosk is operated by.
//!
//! The line has the records of all of them as they come, and lives as long as one of them is there;
//! those that are plugged in meanwhile join it. Which device an event is of is not told, and the
//! state in which a device joins is left out: whoever reads here wants to know that something
//! happens. [`GroupPresence`] tells without opening any whether there are some.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::evdev::EvdevLine;
use super::found::{self, Ability, Found};
use super::{EV_SYN, InputEvent, SYN_REPORT, watch_folder};
use crate::device::{Status, Trouble};
use crate::input::Presence;
use crate::port::place::Place;
use crate::port::presence::{RETRY, Watch};
use crate::port::{BoxedLine, Line, Port, PortError};

/// Which devices.
#[derive(Clone, Debug)]
pub struct Group {
    /// Each of these, of those that match the first; empty: all that can be operated.
    pub places: Vec<Place>,
    /// Of all, not these: they are other devices of this kiosk.
    pub except: Vec<Place>,
    /// Of all, not the first with this ability: it is the presence sensor, which the configuration
    /// names no further. Whoever only stands there operates nothing.
    pub sensor: Option<Ability>,
}

impl Group {
    /// Those that are there, each once.
    #[must_use]
    pub fn found(&self) -> Vec<Found> {
        if self.places.is_empty() {
            let sensor = self.sensor.and_then(|ability| found::all(ability).into_iter().next());
            let other = |found: &Found| {
                let mut except = self.except.iter();
                except.any(|place| found::devices(place, Ability::BeOperated).contains(found))
                    || self.except.iter().any(|place| is_at(place, found))
                    || sensor.as_ref() == Some(found)
            };
            return found::all(Ability::BeOperated).into_iter().filter(|it| !other(it)).collect();
        }
        let mut all: Vec<Found> = Vec::new();
        for place in &self.places {
            let first = found::devices(place, Ability::BeOperated).into_iter().next();
            all.extend(first.filter(|first| !all.iter().any(|known| known.path == first.path)));
        }
        all
    }

    /// The places where no device is.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let is_empty = |place: &&Place| found::devices(place, Ability::BeOperated).is_empty();
        self.places.iter().filter(is_empty).map(ToString::to_string).collect()
    }

    fn absent(&self) -> PortError {
        let names: Vec<_> = self.places.iter().map(ToString::to_string).collect();
        let port = if names.is_empty() {
            Ability::BeOperated.name(&Place::Name("*".to_owned()))
        } else {
            names.join(", ")
        };
        PortError::Absent { port }
    }
}

/// Whether a path leads to this device.
fn is_at(place: &Place, found: &Found) -> bool {
    matches!(place, Place::Path(path) if path.canonicalize().is_ok_and(|path| path == found.path))
}

/// Where they are plugged in.
pub struct GroupPort {
    group: Group,
    status: Status,
    watch: Option<Watch>,
}

impl GroupPort {
    /// A port of these devices; which they are is told as facts of `status`.
    #[must_use]
    pub fn new(group: Group, status: Status) -> Self {
        Self { group, status, watch: None }
    }
}

impl Port for GroupPort {
    fn open(&mut self, _: u32) -> Result<BoxedLine, PortError> {
        let watch = self.watch.take().unwrap_or_else(watch_folder);
        let mut line = GroupLine {
            group: self.group.clone(),
            status: self.status.clone(),
            members: Vec::new(),
            next_change: Box::pin(after_change(watch)),
            ready: BytesMut::new(),
        };
        let wrong = line.join();
        if line.members.is_empty() {
            self.watch = Some(watch_folder());
            return Err(wrong.unwrap_or_else(|| self.group.absent()));
        }
        let end_of_state = InputEvent { kind: EV_SYN, code: SYN_REPORT, value: 0 };
        line.ready.extend_from_slice(&end_of_state.record());
        Ok(Box::new(line))
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let watch = self.watch.get_or_insert_with(watch_folder);
            if !matches!(trouble, Trouble::Absent { .. }) || !self.group.found().is_empty() {
                // Its permissions may be on their way; or it is just going.
                let _ = timeout(RETRY, watch.changed()).await;
                return;
            }
            while self.group.found().is_empty() {
                watch.changed().await;
                *watch = watch_folder();
            }
        })
    }
}

/// Tells of closed devices.
pub struct GroupPresence {
    group: Group,
    watch: Option<Watch>,
}

impl GroupPresence {
    /// Of these devices.
    #[must_use]
    pub fn new(group: Group) -> Self {
        Self { group, watch: None }
    }
}

impl Presence for GroupPresence {
    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.watch.get_or_insert_with(watch_folder).changed())
    }

    fn trouble(&mut self) -> Option<Trouble> {
        // From now on: what is looked at next is newer than it.
        self.watch = Some(watch_folder());
        self.group.found().is_empty().then(|| self.group.absent().into())
    }
}

async fn after_change(mut watch: Watch) {
    watch.changed().await;
}

struct Member {
    path: PathBuf,
    line: EvdevLine,
}

struct GroupLine {
    group: Group,
    status: Status,
    members: Vec<Member>,
    next_change: Pin<Box<dyn Future<Output = ()> + Send>>,
    ready: BytesMut,
}

impl GroupLine {
    /// Opens those that are not open yet. Why one cannot be opened, if so.
    fn join(&mut self) -> Option<PortError> {
        let mut wrong = None;
        let found = self.group.found();
        for device in &found {
            if self.members.iter().any(|member| member.path == device.path) {
                continue;
            }
            let open = |path| -> Result<EvdevLine, PortError> {
                let mut line = EvdevLine::open(path, Ability::BeOperated, false)?;
                // Its state is no news.
                let _ = line.discard_input();
                Ok(line)
            };
            match open(&device.path) {
                Ok(line) => self.members.push(Member { path: device.path.clone(), line }),
                Err(error) => {
                    tracing::debug!(%error, "an input device is not used");
                    wrong = Some(error);
                }
            }
        }
        let open = |found: &&Found| self.members.iter().any(|member| member.path == found.path);
        let names: Vec<_> = found.iter().filter(open).map(|found| found.name.as_str()).collect();
        self.status.learn("devices", names.join(", "));
        if !self.group.places.is_empty() {
            let missing = self.group.missing();
            let none = missing.is_empty().then(|| "none".to_owned());
            self.status.learn("missing", none.unwrap_or_else(|| missing.join(", ")));
        }
        wrong
    }
}

impl AsyncRead for GroupLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let group = &mut *self;
        while group.next_change.as_mut().poll(cx).is_ready() {
            group.next_change = Box::pin(after_change(watch_folder()));
            group.join();
        }
        let mut chunk = [0; 1024];
        let GroupLine { members, ready, .. } = group;
        members.retain_mut(|member| {
            loop {
                let mut piece = ReadBuf::new(&mut chunk);
                match Pin::new(&mut member.line).poll_read(cx, &mut piece) {
                    Poll::Pending => return true,
                    Poll::Ready(Ok(())) => ready.extend_from_slice(piece.filled()),
                    Poll::Ready(Err(_)) => return false,
                }
            }
        });
        if ready.is_empty() {
            return if members.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let fits = buf.remaining().min(ready.len());
        buf.put_slice(&ready.split_to(fits));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for GroupLine {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        // Nothing is to be told to all of them.
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Line for GroupLine {
    fn discard_input(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.members.iter_mut().try_for_each(|member| member.line.discard_input())
    }
}
