//! The kernel's input devices (`/dev/input/event…`) as ports.
//!
//! Opened by the task of a device that is one: a scanner that types, a sensor, a beeper. A device
//! that is not there is awaited by `watch`; one that goes ends its line with `ENODEV`. A
//! line that is dropped gives the device back to whoever else wants its keys.
//!
//! ```text
//! kernel ─► events ─► records ─► driver      SYN_DROPPED: what comes before the next SYN_REPORT is
//!        ◄─ events ◄─ records ◄─             torn; the device's state takes its place
//! ```

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::evdev::raw_stream::{EventStream, RawDevice};
use ::evdev::{KeyCode, SoundCode, SwitchCode};
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::found::{self, Ability, Found};
use super::{EV_KEY, EV_SW, EV_SYN, InputEvent, Records, SYN_DROPPED, SYN_REPORT, watch_for};
use crate::device::Trouble;
use crate::port::place::Place;
use crate::port::presence::{self, RETRY, Watch};
use crate::port::{BoxedLine, Line, Opening, Port, PortError};

/// A keyboard's events that are taken from the kernel in one go; its own buffer holds 64 at least
/// (`EVDEV_MIN_BUFFER_SIZE`).
const AT_ONCE: usize = 128;

/// A place where an input device may be plugged in.
pub struct EvdevPort {
    place: Place,
    ability: Ability,
    grab: bool,
    /// Begun before the device is looked for; kept as long as it cannot be opened.
    watch: Option<Watch>,
    /// It was there, and gone when it was opened.
    vanished: bool,
}

impl EvdevPort {
    /// The device that is meant by `place` and has this ability. With `grab` its events come here
    /// alone, and not to the desktop as well.
    #[must_use]
    pub fn new(place: Place, ability: Ability, grab: bool) -> Self {
        Self { place, ability, grab, watch: None, vanished: false }
    }

    /// Looks for the device and opens it so. From here on its coming is watched for, until it could
    /// be opened.
    pub(super) fn open_as<T>(
        &mut self,
        open: impl FnOnce(&Found) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        if self.watch.is_none() {
            self.watch = Some(watch_for(&self.place));
        }
        let found = found::devices(&self.place, self.ability).into_iter().next();
        let absent = || PortError::Absent { port: self.ability.name(&self.place) };
        let found = found.ok_or_else(absent)?;
        let opened = open(&found);
        self.vanished = matches!(opened, Err(PortError::Absent { .. }));
        let opened = opened?;
        self.watch = None;
        Ok(opened)
    }

    /// Ends when a device that was not there has come, and udev has had time to share it.
    async fn appeared(&mut self) {
        let watch = self.watch.get_or_insert_with(|| watch_for(&self.place));
        loop {
            let there = found::devices(&self.place, self.ability).into_iter().next();
            match there {
                Some(_) if self.vanished => {
                    let _ = timeout(RETRY, watch.changed()).await;
                    return;
                }
                Some(device) => {
                    return presence::shared(&device.path, watch).await;
                }
                None => {
                    self.vanished = false;
                    watch.changed().await;
                    // A folder that was not there before may have come.
                    *watch = watch_for(&self.place);
                }
            }
        }
    }
}

impl Port for EvdevPort {
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
            let (ability, grab) = (self.ability, self.grab);
            let line = self.open_as(|found| EvdevLine::open(&found.path, ability, grab))?;
            Ok(Box::new(line) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if matches!(trouble, Trouble::Absent { .. }) {
                self.appeared().await;
            } else {
                let watch = self.watch.get_or_insert_with(|| watch_for(&self.place));
                let _ = timeout(RETRY, watch.changed()).await;
            }
        })
    }
}

/// An open device.
pub(super) struct EvdevLine {
    events: EventStream,
    /// What the driver has not read yet.
    ready: VecDeque<InputEvent>,
    /// What did not fit where the driver read it to.
    rest: BytesMut,
    /// What was written and is no whole record yet.
    written: Records,
    /// Events were lost, and what comes now belongs to the ones that were.
    torn: bool,
}

impl EvdevLine {
    /// Opens a device and reads its state. Does not wait.
    pub(super) fn open(path: &Path, ability: Ability, grab: bool) -> Result<Self, PortError> {
        let failed = |source: io::Error| error(path, source);
        let mut device = RawDevice::open(path).map_err(failed)?;
        require(&device, ability).map_err(failed)?;
        if grab {
            device.grab().map_err(failed)?;
        }
        Self::of(device).map_err(failed)
    }

    /// Opens a device that makes sounds, to tell it which; it must be ours to write to. The line, and
    /// its sounds.
    pub(super) fn open_to_sound(path: &Path) -> Result<(Self, Vec<u16>), PortError> {
        let failed = |source: io::Error| error(path, source);
        // The library opens what may not be written to for reading alone, and tells nobody.
        let file = File::options().read(true).write(true).open(path).map_err(failed)?;
        let device = RawDevice::try_from(file).map_err(failed)?;
        require(&device, Ability::Beep).map_err(failed)?;
        let sounds = device.supported_sounds().into_iter().flat_map(|all| all.iter());
        let sounds = sounds.map(|sound| sound.0).collect();
        Ok((Self::of(device).map_err(failed)?, sounds))
    }

    fn of(device: RawDevice) -> io::Result<Self> {
        let state = state(&device)?;
        let events = device.into_event_stream()?;
        let (rest, written) = (BytesMut::new(), Records::default());
        Ok(Self { events, ready: state.into(), rest, written, torn: false })
    }

    /// Waits for the kernel's next event, and takes it.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let event = ready!(self.events.poll_event(cx))?;
        let event =
            InputEvent { kind: event.event_type().0, code: event.code(), value: event.value() };
        match (event.kind, event.code) {
            (EV_SYN, SYN_DROPPED) => {
                self.torn = true;
                self.ready.push_back(event);
            }
            (EV_SYN, SYN_REPORT) if self.torn => {
                self.torn = false;
                self.ready.extend(state(self.events.device())?);
            }
            _ if self.torn => {}
            _ => self.ready.push_back(event),
        }
        Poll::Ready(Ok(()))
    }
}

/// The state of a device: its switches, its held keys, and the end of it.
fn state(device: &RawDevice) -> io::Result<Vec<InputEvent>> {
    let mut state = Vec::new();
    if let Some(switches) = device.supported_switches() {
        let on = device.get_switch_state()?;
        state.extend(switches.iter().map(|switch: SwitchCode| InputEvent {
            kind: EV_SW,
            code: switch.0,
            value: on.contains(switch).into(),
        }));
    }
    if device.supported_keys().is_some() {
        let held = device.get_key_state()?;
        let held = held.iter().map(|key| InputEvent { kind: EV_KEY, code: key.0, value: 1 });
        state.extend(held);
    }
    state.push(InputEvent { kind: EV_SYN, code: SYN_REPORT, value: 0 });
    Ok(state)
}

fn require(device: &RawDevice, ability: Ability) -> io::Result<()> {
    if is_able(device, ability) {
        return Ok(());
    }
    Err(io::Error::other(format!("it {}", ability.lack())))
}

fn is_able(device: &RawDevice, ability: Ability) -> bool {
    let keys = device.supported_keys();
    let key = |code: u16| keys.is_some_and(|keys| keys.contains(KeyCode::new(code)));
    match ability {
        Ability::TypeCodes => found::TYPED.into_iter().all(key),
        Ability::BeOperated => {
            let touch = ::evdev::AbsoluteAxisCode::ABS_MT_POSITION_X;
            keys.is_some()
                || device.supported_absolute_axes().is_some_and(|all| all.contains(touch))
        }
        Ability::Beep => device.supported_sounds().is_some_and(|sounds| {
            sounds.contains(SoundCode::SND_TONE) || sounds.contains(SoundCode::SND_BELL)
        }),
        Ability::Switch(code) => {
            device.supported_switches().is_some_and(|all| all.contains(SwitchCode(code)))
        }
        Ability::Key(code) => key(code),
    }
}

fn error(path: &Path, source: io::Error) -> PortError {
    /// No such device: the file outlives the device for a moment (errno.h).
    const GONE: [Option<i32>; 2] = [Some(19), Some(6)];
    /// Somebody else has grabbed it.
    const BUSY: Option<i32> = Some(16);
    let port = path.display().to_string();
    match source.kind() {
        io::ErrorKind::NotFound => PortError::Absent { port },
        io::ErrorKind::PermissionDenied => PortError::Denied { port },
        _ if GONE.contains(&source.raw_os_error()) => PortError::Absent { port },
        _ if source.raw_os_error() == BUSY => PortError::Held { port },
        _ => PortError::Other { port, source },
    }
}

impl Line for EvdevLine {
    fn discard_input(&mut self) -> io::Result<()> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        self.rest.clear();
        loop {
            self.ready.clear();
            match self.poll_event(&mut context) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Ok(()),
            }
        }
    }
}

impl AsyncRead for EvdevLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // All that is there at once, so that it stays one piece on a tape.
        while line.ready.len() < AT_ONCE {
            match line.poll_event(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) if line.ready.is_empty() && line.rest.is_empty() => {
                    return Poll::Ready(Err(error));
                }
                // It is said again at the next reading.
                Poll::Ready(Err(_)) => break,
                Poll::Pending if line.ready.is_empty() && line.rest.is_empty() => {
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
        }
        for event in line.ready.drain(..) {
            line.rest.extend_from_slice(&event.record());
        }
        let fits = buf.remaining().min(line.rest.len());
        buf.put_slice(&line.rest.split_to(fits));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for EvdevLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.push(bytes);
        while let Some(event) = self.written.next_event() {
            let event = ::evdev::InputEvent::new(event.kind, event.code, event.value);
            // The kernel takes events in at once.
            self.events.device_mut().send_events(&[event])?;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_the_kernel_refuses_is_told_apart() {
        let told = |number: i32| {
            let error = error(Path::new("/dev/input/event3"), io::Error::from_raw_os_error(number));
            error.to_string()
        };
        for number in [2, 6, 19] {
            assert!(told(number).contains("not there"), "{number}");
        }
        assert!(told(13).contains("often input"), "{}", told(13));
        assert!(told(16).contains("held by another program"), "{}", told(16));
        assert!(told(5).contains("cannot be opened"), "{}", told(5));
    }

    #[tokio::test]
    async fn a_file_that_is_no_input_device_is_not_absent() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let place = Place::Path(file.path().to_owned());
        let mut port = EvdevPort::new(place, Ability::Beep, false);
        let error = port.open(0).await.err().unwrap();
        assert!(matches!(error, PortError::Other { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_device_that_is_plugged_in_is_worth_opening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("by-id/event-kbd");
        let mut port = EvdevPort::new(Place::Path(path.clone()), Ability::TypeCodes, true);
        let trouble = Trouble::from(port.open(0).await.err().unwrap());
        assert!(matches!(trouble, Trouble::Absent { .. }), "{trouble}");
        let limit = Duration::from_secs(20);
        let awaited = timeout(limit, port.worth_opening(&trouble));
        // udev makes the folder first, and the link in it later.
        let plugged_in = async {
            std::fs::create_dir(folder.path().join("by-id")).unwrap();
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            std::fs::write(&path, "").unwrap();
        };
        let (awaited, ()) = tokio::join!(awaited, plugged_in);
        awaited.expect("inotify tells at once");
    }
}
