//! An output of a card that no display server has: the kernel's mode setting (DRM/KMS).
//!
//! The kernel lets one program at a time set a card's outputs, its master: we are that while this
//! process runs, so the card, or at least all of its outputs, is not shared with an X server or a
//! compositor. A picture is a buffer in the card's memory, which the output is told to show; it is on
//! the glass when that call returns. When this process ends, however it does, the kernel takes the buffer
//! and with it the picture away.
//!
//! Closed is black, as a screen without a signal shows its maker's words. Whether something is plugged
//! in the kernel tells by an event, and is asked besides, as not every driver sends one.
//!
//! ```text
//! found ─► card, master ─► look: connector, mode, CRTC ─► show: buffer ─► CRTC ─► connector
//!                            ▲ event of the kernel, or 2 s
//! ```

mod buffer;
mod card;
mod choice;
mod found;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use drm::control::{Device as _, Mode, ModeTypeFlags, connector, crtc};
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use self::buffer::Buffer;
use self::card::Card;
use self::choice::{Connector, Size, choose};
use super::display::{Display, Place, absent, failed};
use crate::device::Trouble;
use crate::screen::Settings;
use crate::screen::frame::Frame;

pub(super) use self::card::CARD;

/// How often the output is looked at without an event of the kernel's.
const LOOK: Duration = Duration::from_secs(2);

/// The kernel's own events, before any program has seen them (`libudev` has them in another group).
const KERNEL_EVENTS: u32 = 1;

pub(super) struct Kms {
    card: Card,
    path: PathBuf,
    /// The output's name.
    output: String,
    /// The kernel's events; some containers do not let us have them.
    events: Option<OwnedFd>,
    found: Result<Found, String>,
    /// What the output shows, if it is ours.
    on: Option<Buffer>,
    /// It is a picture, and not black.
    picture: bool,
    /// When the output is looked at again.
    look: Instant,
}

/// The output, and what drives it.
#[derive(Clone, PartialEq, Eq)]
struct Found {
    connector: connector::Handle,
    name: String,
    mode: Mode,
    crtc: crtc::Handle,
}

impl Kms {
    /// Becomes the master of the card, and looks for the output.
    pub(super) fn open(settings: &Settings) -> Result<Self, Trouble> {
        let Some(output) = settings.output.clone() else {
            return Err(failed(found::nameless()));
        };
        let (card, path) = card::open(&output)?;
        // First, so that nothing happens unseen.
        let events = kernel_events().ok();
        let look = Instant::now() + LOOK;
        let found = Err(String::new());
        let mut kms = Self { card, path, output, events, found, on: None, picture: false, look };
        kms.found = kms.look(true).map_err(|error| kms.trouble(&error))?;
        Ok(kms)
    }

    /// The output as it is now, or why it cannot be used. `probe`: the card asks the monitor, which takes
    /// a moment; else it says what it knows.
    fn look(&self, probe: bool) -> io::Result<Result<Found, String>> {
        let card = &self.card;
        let resources = card.resource_handles()?;
        let (mut infos, mut connectors) = (Vec::new(), Vec::new());
        for &handle in resources.connectors() {
            let known = card.get_connector(handle, false);
            let info = match known {
                Ok(known) if probe && known.to_string() == self.output => {
                    card.get_connector(handle, true)
                }
                known => known,
            };
            // One that has just gone, with a dock or a chain of monitors.
            let Some(info) = unless_gone(info)? else { continue };
            let (mut possible, mut current) = (Vec::new(), None);
            for &encoder in info.encoders() {
                let Some(encoder) = unless_gone(card.get_encoder(encoder))? else { continue };
                possible.extend(resources.filter_crtcs(encoder.possible_crtcs()));
                if info.current_encoder() == Some(encoder.handle()) {
                    current = encoder.crtc();
                }
            }
            let size = |mode: &Mode| Size {
                preferred: mode.mode_type().contains(ModeTypeFlags::PREFERRED),
            };
            connectors.push(Connector {
                name: info.to_string(),
                plugged_in: info.state() != connector::State::Disconnected,
                modes: info.modes().iter().map(size).collect(),
                possible,
                current,
            });
            infos.push(info);
        }
        Ok(choose(&connectors, &self.output).and_then(|choice| {
            let info = infos.get(choice.connector);
            let mode = info.and_then(|info| info.modes().get(choice.mode));
            info.zip(mode)
                .map(|(info, mode)| Found {
                    connector: info.handle(),
                    name: info.to_string(),
                    mode: *mode,
                    crtc: choice.crtc,
                })
                .ok_or_else(|| "the card tells of what it has not".to_owned())
        }))
    }

    /// Takes in the kernel's events; whether one was about a card.
    fn told(&self) -> bool {
        let Some(events) = &self.events else { return false };
        let (mut told, mut event) = (false, [0; 8192]);
        loop {
            match recv(events, &mut event[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    let event = event.get(..length).unwrap_or_default();
                    told |= event.split(|byte| *byte == 0).any(|line| line == b"SUBSYSTEM=drm");
                }
                // More came than there was room for: one of them may have been it.
                Err(Errno::NOBUFS) => told = true,
                Err(Errno::INTR) => {}
                Err(_) => return told,
            }
        }
    }

    fn take_in(&mut self) -> io::Result<bool> {
        let told = self.told();
        if !told && Instant::now() < self.look {
            return Ok(false);
        }
        self.look = Instant::now() + LOOK;
        let found = self.look(told)?;
        if found != self.found {
            self.take_away()?;
            self.found = found;
            return Ok(true);
        }
        if let (Ok(found), Some(on)) = (&self.found, &self.on)
            && self.card.get_crtc(found.crtc)?.framebuffer() != Some(on.handle)
        {
            // Whoever that was had to be master, and is not any more, or the kernel has switched the
            // output off.
            self.free(None);
            return Ok(std::mem::take(&mut self.picture));
        }
        Ok(false)
    }

    /// The output shows this from now on; what it has shown is freed.
    fn put(&mut self, frame: &Frame) -> io::Result<()> {
        // Who shows a picture has just looked where; without an output there is nothing to do.
        let Ok(found) = self.found.clone() else { return Ok(()) };
        let new = Buffer::new(&self.card, frame)?;
        let set = self.card.set_crtc(
            found.crtc,
            Some(new.handle),
            (0, 0),
            &[found.connector],
            Some(found.mode),
        );
        if let Err(error) = set {
            new.free(&self.card);
            return Err(error);
        }
        self.card.hide_pointer(found.crtc);
        self.free(Some(new));
        Ok(())
    }

    /// The output is switched off.
    fn take_away(&mut self) -> io::Result<()> {
        if let (Ok(found), true) = (&self.found, self.on.is_some()) {
            let off = self.card.set_crtc(found.crtc, None, (0, 0), &[], None);
            // With a dock its CRTC may be gone, too.
            unless_gone(off)?;
        }
        self.picture = false;
        self.free(None);
        Ok(())
    }

    /// Something else is shown than was.
    fn free(&mut self, new: Option<Buffer>) {
        if let Some(old) = std::mem::replace(&mut self.on, new) {
            old.free(&self.card);
        }
    }

    fn trouble(&self, error: &io::Error) -> Trouble {
        let path = self.path.display();
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::ACCESS | Errno::PERM | Errno::BUSY) => card::occupied(&self.path),
            Some(Errno::NODEV | Errno::NXIO | Errno::IO) => absent(format!("{path} is gone")),
            Some(Errno::NOMEM | Errno::NOSPC) => {
                failed(format!("{path} has no memory left for a picture of the output's size"))
            }
            _ => failed(format!("{path} does not do what it is asked: {error}")),
        }
    }
}

/// `None` for what is not there any more.
fn unless_gone<T>(answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the kernel tells of devices that come, go or change.
fn kernel_events() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let events =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
    bind(&events, &SocketAddrNetlink::new(0, KERNEL_EVENTS))?;
    Ok(events)
}

impl Display for Kms {
    fn fd(&self) -> BorrowedFd<'_> {
        self.events.as_ref().map_or(self.card.as_fd(), AsFd::as_fd)
    }

    fn wake(&self) -> Option<Duration> {
        Some(self.look.saturating_duration_since(Instant::now()))
    }

    fn attend(&mut self) -> Result<bool, Trouble> {
        self.take_in().map_err(|error| self.trouble(&error))
    }

    fn place(&self) -> Result<Place, String> {
        let Found { name, mode, .. } = self.found.clone()?;
        let (width, height) = mode.size();
        Ok(Place { name, width: width.into(), height: height.into() })
    }

    fn show(&mut self, frame: &Frame) -> Result<(), Trouble> {
        self.put(frame).map_err(|error| self.trouble(&error))?;
        self.picture = true;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Trouble> {
        // What other programs have left on the output is not ours to take away.
        if let (Ok(Place { width, height, .. }), true) = (self.place(), self.picture) {
            let rgb = vec![0; width as usize * height as usize * 3];
            self.put(&Frame { width, height, rgb }).map_err(|error| self.trouble(&error))?;
        }
        self.picture = false;
        Ok(())
    }
}
