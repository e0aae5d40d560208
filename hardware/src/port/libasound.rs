//! What alsa-lib says when something is wrong, for those who mend things.
//!
//! Used by both threads that work sound devices: the one that captures (`pcm/capture.rs`), and the one
//! that plays what espeak-ng says (`speech/espeak/playback.rs`). Each has one [`Words`] from before its
//! first call of the library to its end.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;

use alsa::Output;
use rustix::io::Errno;

/// Where the device files of sound cards are.
const CARDS: &str = "/dev/snd";

/// The library's words on one thread. Without this it writes them to stderr, of the daemon, every two
/// seconds while a device is away.
pub(crate) struct Words(Option<Rc<RefCell<Output>>>);

/// What is wrong with a sound device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// The system's error.
    pub(crate) errno: Errno,
    /// What is known beyond that; may be empty.
    pub(crate) words: String,
}

impl Words {
    /// Keeps what the library says on this thread from now on.
    pub(crate) fn keep() -> Self {
        // Without memory for them they go where they went.
        Self(Output::local_error_handler().ok())
    }

    /// What an error of the library means, with its words so far. `session` is the folder of a desktop
    /// session's sockets, where the configuration names one.
    pub(crate) fn explain(&self, errno: Errno, session: Option<&str>) -> Complaint {
        let errno = match errno {
            Errno::NOENT | Errno::NODEV if cards_are_denied(Path::new(CARDS)) => Errno::ACCESS,
            other => other,
        };
        let said = self.0.as_ref();
        let said = said.map(|said| said.borrow().buffer_string(first_words)).unwrap_or_default();
        let refused = [Errno::CONNREFUSED, Errno::HOSTDOWN, Errno::ACCESS, Errno::PERM];
        let session = if refused.contains(&errno) { session_words(session) } else { String::new() };
        let words: Vec<String> =
            [said, session].into_iter().filter(|words| !words.is_empty()).collect();
        Complaint { errno, words: words.join("; ") }
    }
}

/// The system's error that the library gives. It has numbers of its own, too, of which none means
/// anything to others (`SND_ERROR_BEGIN`, alsa/error.h).
pub(crate) fn errno(error: &alsa::Error) -> Errno {
    let error = io::Error::from_raw_os_error(error.errno());
    Errno::from_io_error(&error).unwrap_or(Errno::INVAL)
}

/// The first line that the library has said, without the place in its source: that is the one that
/// tells what is wrong, those behind it tell what could not be done because of it.
fn first_words(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let words = match line.split_once(") ") {
        Some((place, words)) if place.starts_with("ALSA lib ") => words,
        _ => line,
    };
    words.chars().take(200).collect()
}

/// Whether there are cards and none of them may be asked for its name: to the library that is no
/// card of this name.
fn cards_are_denied(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut cards = files
        .filter(|file| file.file_name().to_string_lossy().starts_with("controlC"))
        .map(|file| std::fs::File::open(file.path()))
        .peekable();
    let denied = |card: io::Result<_>| {
        card.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    cards.peek().is_some() && cards.all(denied)
}

/// Which permission is missing at the sockets of the session's sound server, as far as that shows.
fn session_words(session: Option<&str>) -> String {
    const NONE: &str = "the sound belongs to the desktop session of the kiosk's user: set runtime_dir \
                        in [session] to that session's folder, /run/user/1000 as a rule";
    let Some(folder) = session else { return NONE.to_owned() };
    let denied = |path: &Path| match std::fs::metadata(path) {
        Ok(_) => None,
        Err(error) => Some((path.display().to_string(), error.kind())),
    };
    let sockets = ["pipewire-0", "pulse/native"].map(|name| Path::new(folder).join(name));
    let denied: Vec<_> = sockets.iter().filter_map(|path| denied(path)).collect();
    let no_entry = denied.iter().find(|(_, kind)| *kind == io::ErrorKind::PermissionDenied);
    match no_entry {
        Some((path, _)) => format!(
            "{path}: permission denied; the daemon's user may not pass through {folder}: run the \
             daemon as the session's user, or give its user access to that folder and to the socket \
             (setfacl -m u:USER:x {folder})"
        ),
        None if denied.len() == sockets.len() => format!(
            "neither {} nor {} is there; is the session of the kiosk's user running?",
            sockets[0].display(),
            sockets[1].display()
        ),
        None => format!(
            "the sound server of {folder} refuses this user: run the daemon as the session's user, or \
             let the sound server take others (PulseAudio: its cookie, or auth-anonymous)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_librarys_own_are_errors_like_others() {
        for (number, expected) in [
            (2, Errno::NOENT),
            (32, Errno::PIPE),
            // SND_ERROR_INCOMPATIBLE_VERSION: a plug-in of another version of the library.
            (500_000, Errno::INVAL),
            (0, Errno::INVAL),
            (-5, Errno::INVAL),
        ] {
            assert_eq!(errno(&alsa::Error::new("snd_pcm_open", number)), expected, "{number}");
        }
    }

    #[test]
    fn cards_that_may_be_asked_or_are_none_are_not_denied() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!cards_are_denied(&folder.path().join("none")));
        std::fs::write(folder.path().join("timer"), "").unwrap();
        assert!(!cards_are_denied(folder.path()));
        std::fs::write(folder.path().join("controlC0"), "").unwrap();
        assert!(!cards_are_denied(folder.path()));
    }

    #[test]
    fn of_the_librarys_words_the_cause_is_kept_and_not_the_place_in_its_source() {
        let said =
            b"ALSA lib confmisc.c:855:(parse_card) cannot find card '7'\nALSA lib x.c:1:(y) z\n";
        assert_eq!(first_words(said), "cannot find card '7'");
        assert_eq!(first_words(b""), "");
        assert_eq!(first_words(b"\n other \n"), "other");
    }

    #[test]
    fn who_is_not_let_into_a_session_learns_of_what_is_missing() {
        assert!(session_words(None).contains("runtime_dir"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        assert!(session_words(Some(path)).contains("neither"));
        std::fs::write(folder.path().join("pipewire-0"), "").unwrap();
        assert!(session_words(Some(path)).contains("refuses"));
    }
}
