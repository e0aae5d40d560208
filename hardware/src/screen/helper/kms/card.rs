//! A card, opened to be its master: which one, and who else has it.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use drm::Device as _;
use drm::control::{Device as _, crtc};
use rustix::io::Errno;

use super::super::display::{absent, failed};
use super::buffer::NoPicture;
use super::found;
use crate::device::Trouble;

/// The variable that names the card, a path or a pattern; any card without it.
pub(in super::super) const CARD: &str = "HHAROME_SCREEN_CARD";

/// An open card.
pub(super) struct Card(File);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Card {}

impl drm::control::Device for Card {}

impl Card {
    /// Takes away a pointer that the last master may have left. Cards without one refuse.
    pub(super) fn hide_pointer(&self, crtc: crtc::Handle) {
        #[expect(deprecated, reason = "the call that every driver has")]
        let _ = self.set_cursor(crtc, None::<&NoPicture>);
    }
}

/// Opens the card of this output, and becomes its master; its path.
pub(super) fn open(output: &str) -> Result<(Card, PathBuf), Trouble> {
    let named = env::var(CARD).ok();
    let path = found::card_of(Path::new("/"), named.as_deref(), output).map_err(absent)?;
    let card = File::options().read(true).write(true).open(&path).map(Card);
    let shown = path.display();
    let card = card.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => absent(format!("there is no card {shown}")),
        io::ErrorKind::PermissionDenied => failed(format!(
            "{shown}: permission denied; let the daemon's user into the file's group, usually video"
        )),
        _ => failed(format!("{shown} cannot be opened: {error}")),
    })?;
    // Whoever opens a card that has no master is it. Else this says so, and why.
    match card.acquire_master_lock() {
        Ok(()) => Ok((card, path)),
        Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::ACCESS | Errno::PERM | Errno::BUSY) => Err(occupied(&path)),
            _ => Err(failed(format!("{shown} has no outputs that can be set: {error}"))),
        },
    }
}

/// Another program sets the card's outputs.
pub(super) fn occupied(path: &Path) -> Trouble {
    let who = users(Path::new("/proc"), path);
    let who = if who.is_empty() { "another program".to_owned() } else { who.join(" or ") };
    failed(format!(
        "{} belongs to {who}, and the kernel lets one program at a time set a card's outputs: use \
         driver \"x11\" or \"wayland\" beside a display server, or a card that it does not use",
        path.display()
    ))
}

/// The other programs that have a card open, as far as we may look.
fn users(processes: &Path, card: &Path) -> Vec<String> {
    let folders = fs::read_dir(processes).into_iter().flatten().flatten();
    let mut users = Vec::new();
    for folder in folders {
        let Some(process) = folder.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let files = fs::read_dir(folder.path().join("fd")).into_iter().flatten().flatten();
        let mut open = files.filter_map(|file| fs::read_link(file.path()).ok());
        if process != std::process::id() && open.any(|file| file == card) {
            let name = fs::read_to_string(folder.path().join("comm")).unwrap_or_default();
            let name = name.trim().replace(char::is_control, " ");
            users.push(format!("{name} (process {process})"));
        }
    }
    users.sort_unstable();
    users
}

/// The number of a card by its file's name, `card1`.
pub(super) fn number(name: &OsStr) -> Option<u32> {
    name.to_str()?.strip_prefix("card")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn who_has_a_card_open_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let card = Path::new("/dev/dri/card1");
        for (process, name, file) in
            [("12", "Xorg\n", "/dev/dri/card1"), ("13", "cat\n", "/dev/dri/card0")]
        {
            let files = folder.path().join(process).join("fd");
            fs::create_dir_all(&files).unwrap();
            symlink(file, files.join("5")).unwrap();
            fs::write(folder.path().join(process).join("comm"), name).unwrap();
        }
        fs::create_dir(folder.path().join("sys")).unwrap();
        assert_eq!(users(folder.path(), card), ["Xorg (process 12)"]);
        let words = occupied(Path::new("/dev/dri/no-such-card")).to_string();
        assert!(words.contains("/dev/dri/no-such-card belongs to another program"), "{words}");
    }

    #[test]
    fn a_card_has_a_number() {
        assert_eq!(number(OsStr::new("card12")), Some(12));
        assert_eq!(number(OsStr::new("card1-HDMI-A-1")), None);
        assert_eq!(number(OsStr::new("renderD128")), None);
    }
}
