//! The sound card in the name of a capture device, and whether it is plugged in, without opening it.
//!
//! Asked by [`super::AlsaCapture`]. Most names that are not hardware's (`default`, `pulse`, what a
//! `.asoundrc` defines) say nothing of a card, and no file stands for what they mean.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use crate::port::presence::{self, Watch};

/// Names of which the first argument is a card.
const OF_A_CARD: [&str; 5] = ["hw", "plughw", "dsnoop", "sysdefault", "front"];

/// How long a card's name may be told after its files are there.
const NAMED: Duration = Duration::from_millis(200);

/// A card by its number or its id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Card {
    name: String,
    root: PathBuf,
}

impl Card {
    /// The card in a device's name, as alsa-lib reads it; `None` if it has none.
    pub(super) fn of(device: &str) -> Option<Self> {
        Self::under(Path::new("/"), device)
    }

    fn under(root: &Path, device: &str) -> Option<Self> {
        let (kind, arguments) = device.split_once(':')?;
        if kind == "plug" {
            let slave = arguments.strip_prefix("SLAVE=").unwrap_or(arguments);
            return Self::under(root, slave.trim_matches(['\'', '"']));
        }
        let mut arguments = arguments.split(',').map(str::trim);
        let named = arguments.clone().find_map(|argument| argument.strip_prefix("CARD="));
        let first = arguments.next().filter(|first| !first.contains('='));
        let card = named.or(first.filter(|_| OF_A_CARD.contains(&kind)))?;
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        };
        is_name(card).then(|| Self { name: card.to_owned(), root: root.to_owned() })
    }

    /// The file that stands for it while it is plugged in.
    pub(super) fn file(&self) -> Option<PathBuf> {
        let is_number = self.name.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_number {
            self.name.clone()
        } else {
            // The kernel links each card's id to its folder: card0.
            let link = std::fs::read_link(self.root.join("proc/asound").join(&self.name)).ok()?;
            link.to_str()?.strip_prefix("card")?.to_owned()
        };
        let file = self.folder().join(format!("controlC{number}"));
        file.exists().then_some(file)
    }

    /// Ends when it is plugged in and udev has had time to share it.
    pub(super) async fn appeared(&self) {
        loop {
            let mut watch = Watch::over(&[self.folder()]);
            if let Some(file) = self.file() {
                return presence::shared(&file, &mut watch).await;
            }
            watch.changed().await;
            if self.file().is_none() {
                sleep(NAMED).await;
            }
        }
    }

    /// Ends after a while, or as soon as something changes at the cards.
    pub(super) async fn worth_another_try(&self) {
        presence::retry(&[self.folder()]).await;
    }

    fn folder(&self) -> PathBuf {
        self.root.join("dev/snd")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;

    /// Only a failure takes so long.
    const AMPLE: Duration = Duration::from_secs(20);

    #[test]
    fn a_card_stands_in_names_of_hardware_and_in_no_others() {
        for (device, card) in [
            ("hw:1", Some("1")),
            ("plughw:Loopback,0,0", Some("Loopback")),
            ("plughw:CARD=PCH,DEV=0", Some("PCH")),
            ("hw:DEV=1,CARD=U0x4b40x309", Some("U0x4b40x309")),
            ("sysdefault:CARD=Mic", Some("Mic")),
            ("default:CARD=Mic", Some("Mic")),
            ("plug:'hw:2,0'", Some("2")),
            ("plug:SLAVE=hw:Mic", Some("Mic")),
            ("dsnoop:Mic", Some("Mic")),
            ("default", None),
            ("pulse", None),
            ("pulse:server", None),
            ("plug:dsnoop", None),
            ("hw", None),
            ("hw:", None),
            ("hw:../../tmp", None),
            ("file:/tmp/a,raw", None),
        ] {
            let found = Card::of(device).map(|card| card.name);
            assert_eq!(found.as_deref(), card, "{device}");
        }
    }

    fn plug_in(root: &TempDir, number: u8, id: &str) {
        fs::create_dir_all(root.path().join("dev/snd")).unwrap();
        fs::write(root.path().join(format!("dev/snd/controlC{number}")), "").unwrap();
        fs::create_dir_all(root.path().join("proc/asound")).unwrap();
        symlink(format!("card{number}"), root.path().join("proc/asound").join(id)).unwrap();
    }

    fn pull_out(root: &TempDir, number: u8, id: &str) {
        fs::remove_file(root.path().join("proc/asound").join(id)).unwrap();
        fs::remove_file(root.path().join(format!("dev/snd/controlC{number}"))).unwrap();
    }

    #[test]
    fn a_card_is_found_by_number_and_by_id_whatever_its_number() {
        let root = TempDir::new().unwrap();
        let [by_id, by_number] =
            ["hw:Mic", "hw:1"].map(|device| Card::under(root.path(), device).unwrap());
        assert_eq!((by_id.file(), by_number.file()), (None, None));
        plug_in(&root, 1, "Mic");
        let file = Some(root.path().join("dev/snd/controlC1"));
        assert_eq!((by_id.file(), by_number.file()), (file.clone(), file));
        pull_out(&root, 1, "Mic");
        plug_in(&root, 2, "Mic");
        let file = Some(root.path().join("dev/snd/controlC2"));
        assert_eq!((by_id.file(), by_number.file()), (file, None));
    }

    #[tokio::test]
    async fn a_card_that_is_plugged_in_is_noticed() {
        let root = TempDir::new().unwrap();
        let card = Card::under(root.path(), "plughw:CARD=Mic").unwrap();
        // Another card does not count, and nor does a folder that was not there.
        plug_in(&root, 0, "Other");
        let plugged_in = async {
            tokio::task::yield_now().await;
            plug_in(&root, 1, "Mic");
        };
        let (awaited, ()) = tokio::join!(timeout(AMPLE, card.appeared()), plugged_in);
        awaited.expect("inotify tells at once");
    }
}
