//! Which of the paths on a command line are recordings. `hharome replay recordings/*` names what
//! else lies there, too, and `hharome replay recordings` names the folder that they all lie in.

use std::fs;
use std::path::{Path, PathBuf};

use crate::recording::format::META_FILE;

/// What of the paths is to be replayed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Recordings, and what has to be one and will be told that it is none.
    pub folders: Vec<PathBuf>,
    /// What is passed over, a sentence each.
    pub notes: Vec<String>,
}

/// Chooses the recordings among `paths`. Plain files and folders that hold nothing of a recording
/// are passed over where at least one path is a recording. A single folder of recordings stands for
/// all of them, by name. Everything else is left as it is named.
#[must_use]
pub fn choose(paths: &[PathBuf]) -> Chosen {
    if let [one] = paths
        && !is_recording(one)
    {
        let within = within(one);
        if !within.is_empty() {
            return Chosen { folders: within, notes: Vec::new() };
        }
    }
    if !paths.iter().any(|path| is_recording(path)) {
        return Chosen { folders: paths.to_vec(), notes: Vec::new() };
    }
    let mut chosen = Chosen::default();
    for path in paths {
        if path.is_file() {
            chosen.notes.push(format!("{}: passed over, as it is a file", path.display()));
        } else if path.is_dir() && !is_recording(path) && !is_part_of_one(path) {
            let path = path.display();
            chosen.notes.push(format!("{path}: passed over, as there is no {META_FILE}"));
        } else {
            chosen.folders.push(path.clone());
        }
    }
    chosen
}

fn is_recording(folder: &Path) -> bool {
    folder.join(META_FILE).is_file()
}

/// A recording that has lost its `meta.json` is no folder that lies there by chance.
fn is_part_of_one(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return true };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.ends_with(".jsonl"))
    })
}

/// The recordings that lie in a folder, by name.
fn within(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let folders = entries.flatten().map(|entry| entry.path());
    let mut folders: Vec<_> = folders.filter(|folder| is_recording(folder)).collect();
    folders.sort();
    folders
}
