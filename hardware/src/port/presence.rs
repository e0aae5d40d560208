//! Waits for a device file to come or to go without polling: inotify on the nearest folder that exists.
//!
//! Called by ports of device files, such as [`super::serial`]. Where inotify cannot be had (no
//! watches left, a file system that does not tell) the path is looked at every [`RETRY`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchMask};

/// How soon a port that exists and does not open, or that inotify cannot watch, is tried again.
/// Soon enough for whoever plugs it in, rare enough for a log and a processor.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// How often a path is looked at although inotify watches it: some file systems (network,
/// overlays) do not tell of every change. Device files lie on one that does.
pub(super) const DISTRUST: Duration = Duration::from_secs(60);

/// Ends when `path` exists.
pub(super) async fn appeared(path: &Path) {
    while !path.exists() {
        // A link that points nowhere: its target's folder is not the one that we would watch.
        let dangling = path.symlink_metadata().is_ok();
        let watched = if dangling { None } else { watch_for(path).ok() };
        match watched {
            Some(mut watch) => {
                // Between the check above and the watch it may have come.
                if path.exists() {
                    return;
                }
                // Either way the path is looked at again.
                let _ = tokio::time::timeout(DISTRUST, watch.next()).await;
            }
            None => tokio::time::sleep(RETRY).await,
        }
    }
}

/// Ends when nothing exists at `path`.
pub(super) async fn vanished(path: &Path) {
    while path.exists() {
        match watch_for(path).ok() {
            Some(mut watch) => {
                // Between the check above and the watch it may have gone.
                if !path.exists() {
                    return;
                }
                // Either way the path is looked at again.
                let _ = tokio::time::timeout(DISTRUST, watch.next()).await;
            }
            None => tokio::time::sleep(DISTRUST).await,
        }
    }
}

/// Tells of what happens in a folder.
pub(super) struct Watch(Option<EventStream<[u8; 1024]>>);

/// Begins to watch a folder; what happens from now on is [`news`].
pub(super) fn watch(folder: &Path) -> Watch {
    Watch(watch_folder(folder).ok())
}

/// Ends when something has happened in the folder, or might have.
pub(super) async fn news(watch: Watch) {
    match watch.0 {
        Some(mut watch) => {
            // Either way it is looked at again.
            let _ = tokio::time::timeout(DISTRUST, watch.next()).await;
        }
        None => tokio::time::sleep(RETRY).await,
    }
}

fn watch_for(path: &Path) -> io::Result<EventStream<[u8; 1024]>> {
    let folder = path
        .ancestors()
        .skip(1)
        .find(|folder| folder.is_dir())
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    watch_folder(folder)
}

fn watch_folder(folder: &Path) -> io::Result<EventStream<[u8; 1024]>> {
    watch_folders(&[folder.to_owned()])
}

fn watch_folders(folders: &[PathBuf]) -> io::Result<EventStream<[u8; 1024]>> {
    let inotify = Inotify::init()?;
    let mask = WatchMask::CREATE
        | WatchMask::MOVED_TO
        | WatchMask::ATTRIB
        | WatchMask::DELETE
        | WatchMask::MOVED_FROM
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF;
    for folder in folders {
        inotify.watches().add(folder, mask)?;
    }
    inotify.into_event_stream([0; 1024])
}

/// Ends when `there` says so; asked again whenever something in one of these folders has appeared or
/// got another owner or mode, and after a while without such news, as [`appeared`] does.
pub(super) async fn until(folders: impl Fn() -> Vec<PathBuf>, there: impl Fn() -> bool) {
    while !there() {
        match watch_folders(&folders()) {
            Ok(mut watch) => {
                // Between the check above and the watch it may have come.
                if there() {
                    return;
                }
                let _ = tokio::time::timeout(DISTRUST, watch.next()).await;
            }
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// Ends after [`RETRY`], or as soon as something in one of these folders has appeared or got another
/// owner or mode: udev sets them some time after a device file is there.
pub(super) async fn retry(folders: &[PathBuf]) {
    match watch_folders(folders) {
        Ok(mut watch) => {
            let _ = tokio::time::timeout(RETRY, watch.next()).await;
        }
        Err(_) => tokio::time::sleep(RETRY).await,
    }
}
