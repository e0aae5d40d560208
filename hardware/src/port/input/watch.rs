//! Tells when input devices come, go, or change who may open them: inotify on their folders.
//!
//! The kernel makes a device file that belongs to root alone; udev gives it to its group a moment
//! later, and then makes the links below `by-id`. Each of these is a change here. Where inotify
//! cannot be had, time passing is one. Used by [`super::evdev`].

use std::io;
use std::path::Path;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchMask};
use tokio::time::{sleep, timeout};

use crate::port::place::Place;
use crate::port::presence::{DISTRUST, RETRY};

/// Where the kernel and udev make the device files.
const FOLDER: &str = "/dev/input";

/// Changes since it was begun.
pub(super) struct Watch(Option<EventStream<[u8; 4096]>>);

impl Watch {
    /// Watches for the device that is meant; must be begun before it is looked for, so that nothing
    /// is missed between the two.
    pub(super) fn begin(place: &Place) -> Self {
        match place {
            Place::Path(path) => Self::over(&[Path::new(FOLDER), path.parent().unwrap_or(path)]),
            Place::Id { .. } | Place::Name(_) => Self::over(&[Path::new(FOLDER)]),
        }
    }

    /// Watches for any device.
    pub(super) fn of_all() -> Self {
        Self::over(&[Path::new(FOLDER)])
    }

    /// Watches these folders, or of those that are not there the nearest above.
    fn over(folders: &[&Path]) -> Self {
        let begin = || -> io::Result<EventStream<[u8; 4096]>> {
            let inotify = Inotify::init()?;
            for folder in folders {
                let there = folder.ancestors().find(|folder| folder.is_dir());
                let folder = there.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
                let mask = WatchMask::CREATE
                    | WatchMask::DELETE
                    | WatchMask::MOVED_TO
                    | WatchMask::ATTRIB
                    | WatchMask::DELETE_SELF
                    | WatchMask::MOVE_SELF;
                inotify.watches().add(folder, mask)?;
            }
            inotify.into_event_stream([0; 4096])
        };
        let watch = begin();
        if let Err(error) = &watch {
            tracing::debug!(%error, "input devices are looked for by time");
        }
        Self(watch.ok())
    }

    /// Ends at the next change, or when it is time to look without one. Safe to drop.
    pub(super) async fn changed(&mut self) {
        match &mut self.0 {
            Some(events) => {
                // Whatever it is, or an end of the watch: the devices are looked at again.
                let _ = timeout(DISTRUST, events.next()).await;
            }
            None => sleep(RETRY).await,
        }
    }
}
