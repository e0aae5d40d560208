//! Several input devices as one port: all that a kiosk is operated by.
//!
//! The line has the records of all of them as they come, and lives as long as one of them is there;
//! those that are plugged in meanwhile join it. Which device an event is of is not told, and the
//! state in which a device joins is left out: whoever reads here wants to know that something
//! happens. [`GroupPresence`] tells without opening any whether there are some.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
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
use crate::port::{BoxedLine, Line, Opening, Port, PortError};

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
        self.found_below(Path::new("/"))
    }

    fn found_below(&self, root: &Path) -> Vec<Found> {
        let at = |place: &Place| found::below(root, place, Ability::BeOperated);
        if self.places.is_empty() {
            let sensor =
                self.sensor.and_then(|it| found::list(root, |_| true, it).into_iter().next());
            let other = |found: &Found| {
                let mut except = self.except.iter();
                except.any(|place| at(place).contains(found) || is_at(place, found))
                    || sensor.as_ref() == Some(found)
            };
            let all = found::list(root, |_| true, Ability::BeOperated);
            return all.into_iter().filter(|it| !other(it)).collect();
        }
        let mut all: Vec<Found> = Vec::new();
        for place in &self.places {
            let first = at(place).into_iter().next();
            all.extend(first.filter(|first| !all.iter().any(|known| known.path == first.path)));
        }
        all
    }

    /// The places where no device is.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.missing_below(Path::new("/"))
    }

    fn missing_below(&self, root: &Path) -> Vec<String> {
        let is_empty = |it: &&Place| found::below(root, it, Ability::BeOperated).is_empty();
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
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
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
            Ok(Box::new(line) as BoxedLine)
        })
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

#[cfg(test)]
mod tests {
    use super::super::found::tests::{KEYBOARD, plug};
    use super::*;

    /// A touch screen's bitmaps, and those of a sensor, which nobody operates.
    const TOUCH: &[(&str, &str)] = &[("ev", "b"), ("key", "400 0 0 0 0 0"), ("abs", "3")];
    const SENSOR: &[(&str, &str)] = &[("ev", "21"), ("sw", "800")];

    /// A kiosk with two touch screens, a keyboard, a scanner that has media keys too, and a sensor.
    fn kiosk() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        plug(root.path(), 0, "Touch", "0001:0001", TOUCH);
        plug(root.path(), 1, "Touch", "0001:0001", TOUCH);
        plug(root.path(), 2, "Keyboard", "0001:0002", KEYBOARD);
        plug(root.path(), 3, "Scanner", "0001:0003", KEYBOARD);
        plug(root.path(), 4, "Scanner keys", "0001:0003", TOUCH);
        plug(root.path(), 5, "Sensor", "0001:0004", SENSOR);
        root
    }

    fn group(places: &[&str], except: &[&str]) -> Group {
        let parsed = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Group { places: parsed(places), except: parsed(except), sensor: None }
    }

    fn found(group: &Group) -> Vec<String> {
        let found = group.found_below(kiosk().path());
        found.into_iter().map(|found| found.path.display().to_string()).collect()
    }

    fn events(numbers: &[u32]) -> Vec<String> {
        numbers.iter().map(|number| format!("/dev/input/event{number}")).collect()
    }

    #[test]
    fn without_names_it_is_all_that_people_operate_but_the_kiosks_other_devices() {
        assert_eq!(found(&group(&[], &[])), events(&[2, 3, 4, 0, 1]));
        // A scanner is all of its devices.
        assert_eq!(found(&group(&[], &["0001:0003"])), events(&[2, 0, 1]));
        assert_eq!(found(&group(&[], &["Scanner", "Key*"])), events(&[4, 0, 1]));
        assert_eq!(found(&group(&[], &["Sensor"])), events(&[2, 3, 4, 0, 1]));
    }

    #[test]
    fn the_presence_sensor_is_the_first_that_could_be_it() {
        // KEY_ESC: both keyboards have it.
        let sensor = Some(Ability::Key(1));
        let group = Group { sensor, ..group(&[], &[]) };
        assert_eq!(found(&group), events(&[3, 4, 0, 1]));
    }

    #[test]
    fn each_name_is_the_first_device_that_it_is_true_of_and_each_device_stands_once() {
        let named = group(&["0001:0001", "Keyboard", "T*", "Key*"], &["Keyboard"]);
        assert_eq!(found(&named), events(&[0, 2]));
    }

    #[test]
    fn names_of_nothing_and_of_what_nobody_operates_are_missing() {
        let named = group(&["Touch", "Sensor", "0001:0009", "/nowhere/event9"], &[]);
        let missing = named.missing_below(kiosk().path());
        assert_eq!(missing, ["Sensor", "0001:0009", "/nowhere/event9"]);
        assert_eq!(found(&named), events(&[0]));
    }

    #[test]
    fn a_device_that_is_another_one_of_the_kiosk_may_be_named_by_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (event, link) = (folder.path().join("event7"), folder.path().join("scanner"));
        std::fs::write(&event, "").unwrap();
        std::os::unix::fs::symlink(&event, &link).unwrap();
        let found = Found { path: event, name: "Scanner".to_owned(), vendor: 1, product: 3 };
        assert!(is_at(&Place::Path(link), &found));
        assert!(!is_at(&Place::Path(folder.path().join("other")), &found));
    }

    #[test]
    fn what_is_absent_is_named() {
        let words = |group: &Group| group.absent().to_string();
        assert!(
            words(&group(&["Touch", "0001:0009"], &[])).starts_with("Touch, 0001:0009: not there")
        );
        assert!(
            words(&group(&[], &[]))
                .starts_with("an input device with keys, buttons or a touch surface: not there")
        );
    }
}
