//! Which cards have which connectors, by the kernel's files: no card is opened for it, so nobody's
//! picture is disturbed.

use std::fs;
use std::path::{Path, PathBuf};

use super::card::number;
use crate::port::glob;

/// The cards' files, where none is named.
const ANY_CARD: &str = "/dev/dri/card*";

/// A connector of some card.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    /// The card's number.
    card: u32,
    name: String,
    plugged_in: bool,
}

/// The card that `named`, a path or a pattern, means and that has this output.
///
/// # Errors
/// Why there is none, with the way out.
pub(super) fn card_of(root: &Path, named: Option<&str>, output: &str) -> Result<PathBuf, String> {
    let named = named.unwrap_or(ANY_CARD);
    let paths = matching(root, named);
    if paths.is_empty() {
        return Err(format!("there is no card {named}; does its driver run?"));
    }
    let connectors = connectors(root);
    let has = |path: &PathBuf, plugged_in: bool| {
        let card = card_number(root, path);
        connectors.iter().any(|one| {
            Some(one.card) == card && one.name == output && (one.plugged_in || !plugged_in)
        })
    };
    let with = |plugged_in| paths.iter().filter(|path| has(path, plugged_in)).collect::<Vec<_>>();
    let cards = match (with(true), with(false)) {
        (plugged_in, with) if plugged_in.is_empty() => with,
        (plugged_in, _) => plugged_in,
    };
    match cards[..] {
        [card] => Ok(card.clone()),
        [] => {
            let all: Vec<String> = connectors.iter().map(|one| one.name.clone()).collect();
            let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
            Err(format!("output {output} is not there (these are: {all}); look at output and card"))
        }
        [first, second, ..] => Err(format!(
            "both {} and {} have an output {output}: name one of them in card",
            first.display(),
            second.display()
        )),
    }
}

/// What is said where no output is named.
pub(super) fn nameless() -> String {
    let names = connectors(Path::new("/")).into_iter().filter(|one| one.plugged_in);
    let names: Vec<String> = names.map(|one| one.name).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!(
        "without a display server nobody knows which screen is the customer's: name it in output \
         (plugged in are: {names})"
    )
}

/// The files that a path or pattern means, in the cards' order.
fn matching(root: &Path, named: &str) -> Vec<PathBuf> {
    let path = Path::new(named);
    let (Some(folder), Some(pattern)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Vec::new();
    };
    let entries = fs::read_dir(inside(root, folder)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut paths: Vec<PathBuf> = names
        .filter(|name| glob::matches(pattern, name))
        .map(|name| folder.join(name))
        .filter(|path| card_number(root, path).is_some())
        .collect();
    paths.sort_by_key(|path| (card_number(root, path), path.clone()));
    // Several names of one card are one.
    paths.dedup_by_key(|path| card_number(root, path));
    paths
}

/// The number of a card by its file, which may be a link to it.
fn card_number(root: &Path, path: &Path) -> Option<u32> {
    let file = inside(root, path);
    let target = fs::read_link(&file).unwrap_or(file);
    number(target.file_name()?)
}

fn connectors(root: &Path) -> Vec<Listed> {
    let folder = root.join("sys/class/drm");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let listed = |name: String| {
        let (card, output) = name.split_once('-')?;
        let status = fs::read_to_string(folder.join(&name).join("status")).ok()?;
        Some(Listed {
            card: number(card.as_ref())?,
            name: output.to_owned(),
            plugged_in: status.trim() != "disconnected",
        })
    };
    let mut all: Vec<Listed> = names.filter_map(listed).collect();
    all.sort_by_key(|one| (one.card, one.name.clone()));
    all
}

/// A path of the system below this root.
fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// Two cards, each with an HDMI-A-1, the second with a DP-1 besides.
    fn root(statuses: [&str; 3]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        let cards = root.path().join("dev/dri");
        fs::create_dir_all(cards.join("by-path")).unwrap();
        for name in ["card0", "card1", "renderD128"] {
            fs::write(cards.join(name), b"").unwrap();
        }
        symlink("../card1", cards.join("by-path/pci-0000:01:00.0-card")).unwrap();
        for (name, status) in
            ["card0-HDMI-A-1", "card1-HDMI-A-1", "card1-DP-1"].iter().zip(statuses)
        {
            let folder = root.path().join("sys/class/drm").join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("status"), format!("{status}\n")).unwrap();
        }
        root
    }

    fn check(statuses: [&str; 3], named: Option<&str>, output: &str, expected: Result<&str, &str>) {
        let root = root(statuses);
        match (card_of(root.path(), named, output), expected) {
            (Ok(card), Ok(path)) => assert_eq!(card, Path::new(path)),
            (Err(words), Err(part)) => assert!(words.contains(part), "{words}"),
            (card, expected) => panic!("{card:?} and not {expected:?}"),
        }
    }

    const BOTH: [&str; 3] = ["connected", "connected", "disconnected"];

    #[test]
    fn the_only_card_with_the_output_is_found() {
        check(BOTH, None, "DP-1", Ok("/dev/dri/card1"));
        check(["connected", "disconnected", "connected"], None, "HDMI-A-1", Ok("/dev/dri/card0"));
        check(["disconnected", "unknown", "connected"], None, "HDMI-A-1", Ok("/dev/dri/card1"));
    }

    #[test]
    fn of_two_cards_the_named_one_is_meant() {
        check(BOTH, None, "HDMI-A-1", Err("both /dev/dri/card0 and /dev/dri/card1 have"));
        check(BOTH, Some("/dev/dri/card1"), "HDMI-A-1", Ok("/dev/dri/card1"));
        let by_path = "/dev/dri/by-path/pci-0000:01:00.0-card";
        check(BOTH, Some(by_path), "HDMI-A-1", Ok(by_path));
        check(BOTH, Some("/dev/dri/by-path/*:01:00.0-card"), "HDMI-A-1", Ok(by_path));
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        check(BOTH, None, "DP-2", Err("(these are: HDMI-A-1, DP-1, HDMI-A-1)"));
        check(BOTH, Some("/dev/dri/card7"), "DP-1", Err("there is no card /dev/dri/card7"));
        check(BOTH, Some("/dev/dri/renderD128"), "DP-1", Err("there is no card"));
        check(BOTH, Some("/dev/dri/card0"), "DP-1", Err("output DP-1 is not there"));
    }
}
