//! Waits for a device file to come or to go, or to change who may open it, without polling: inotify on
//! its folder, or the nearest above that exists.
//!
//! Called by ports for a device that is not there, or is closed, or that others may use. Where inotify cannot be had (no
//! watches left, a file system that does not tell) the path is looked at every [`RETRY`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchMask};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use tokio::time::{sleep, timeout};

/// How soon a port that exists and does not open, or that inotify cannot watch, is tried again.
/// Soon enough for whoever plugs it in, rare enough for a log and a processor.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// How often a path is looked at although inotify watches it: some file systems (network,
/// overlays) do not tell of every change. Device files lie on one that does.
pub(super) const DISTRUST: Duration = Duration::from_secs(60);

/// How long udev may take to give a new device file to its group: it does within some 50 ms, more
/// on a machine that is just starting.
const SETTLES: Duration = Duration::from_secs(2);

/// Tells of what happens in folders: a file comes, goes, or gets another owner or mode. The kernel
/// makes a device file that belongs to root alone; udev gives it to its group a moment later, and then
/// makes links to it.
pub(super) struct Watch(Option<EventStream<[u8; 1024]>>);

impl Watch {
    /// Watches these folders, or of those that are not there the nearest above. Must be begun before
    /// what is waited for is looked at, so that nothing is missed between the two.
    pub(super) fn over<P: AsRef<Path>>(folders: &[P]) -> Self {
        let begin = || -> io::Result<EventStream<[u8; 1024]>> {
            let inotify = Inotify::init()?;
            let mask = WatchMask::CREATE
                | WatchMask::MOVED_TO
                | WatchMask::ATTRIB
                | WatchMask::DELETE
                | WatchMask::MOVED_FROM
                | WatchMask::DELETE_SELF
                | WatchMask::MOVE_SELF;
            for folder in folders {
                let there = folder.as_ref().ancestors().find(|folder| folder.is_dir());
                let there = there.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
                inotify.watches().add(there, mask)?;
            }
            inotify.into_event_stream([0; 1024])
        };
        if folders.is_empty() {
            return Self(None);
        }
        let watch = begin();
        if let Err(error) = &watch {
            tracing::debug!(%error, "device files are looked at by time");
        }
        Self(watch.ok())
    }

    /// Ends at the next change, or when it is time to look without one. Safe to drop.
    pub(super) async fn changed(&mut self) {
        match &mut self.0 {
            Some(events) => {
                // Whatever it is, or an end of the watch: what is waited for is looked at again.
                let _ = timeout(DISTRUST, events.next()).await;
            }
            None => sleep(RETRY).await,
        }
    }
}

/// Ends when we may open this file, or when udev has had its time to see to that. `watch` was begun
/// before the file was seen.
pub(super) async fn shared(path: &Path, watch: &mut Watch) {
    let denied = || matches!(access(path, Access::READ_OK), Err(Errno::ACCESS | Errno::PERM));
    let _ = timeout(SETTLES, async {
        while denied() {
            watch.changed().await;
        }
    })
    .await;
}

/// Ends when it is so; looked at whenever something changes in one of these folders.
pub(super) async fn until(folders: impl Fn() -> Vec<PathBuf>, is_so: impl Fn() -> bool) {
    while !is_so() {
        let mut watch = Watch::over(&folders());
        // Between the check above and the watch it may have changed.
        if is_so() {
            return;
        }
        watch.changed().await;
    }
}

/// Ends after [`RETRY`], or as soon as something changes in one of these folders.
pub(super) async fn retry(folders: &[PathBuf]) {
    let _ = timeout(RETRY, Watch::over(folders).changed()).await;
}

/// Ends when `path` exists.
pub(super) async fn appeared(path: &Path) {
    let folders = || {
        // A link that points nowhere: its target's folder is not the one that we would watch.
        let dangling = path.symlink_metadata().is_ok();
        path.parent().filter(|_| !dangling).map(Path::to_owned).into_iter().collect()
    };
    until(folders, || path.exists()).await;
}

/// Ends when nothing exists at `path`.
pub(super) async fn vanished(path: &Path) {
    let folders = || path.parent().map(Path::to_owned).into_iter().collect();
    until(folders, || !path.exists()).await;
}
