//! The directory of all recordings: how much they take, and which are too old to be kept.
//!
//! Looked at when a recording begins. Only folders that hold a recording (`meta.json` of the format)
//! are ever removed, and nothing else in the directory is touched.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::format::{META_FILE, Meta};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes of everything in the directory.
pub(super) fn used(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        bytes += if kind.is_dir() { used(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

/// Removes the recordings that began more than so many days ago. What cannot be removed is said in
/// the log, and stays.
pub(super) fn clear_out(directory: &Path, days: u32) -> io::Result<()> {
    let oldest = SystemTime::now().checked_sub(DAY * days).unwrap_or(UNIX_EPOCH);
    for entry in fs::read_dir(directory)? {
        let folder = entry?.path();
        let Some(began) = began(&folder).filter(|began| *began < oldest) else { continue };
        let age = began.elapsed().unwrap_or_default().as_secs() / DAY.as_secs();
        match fs::remove_dir_all(&folder) {
            Ok(()) => tracing::info!(
                folder = %folder.display(), days = age, "an old recording was removed"
            ),
            Err(error) => tracing::warn!(
                folder = %folder.display(), %error, "an old recording cannot be removed"
            ),
        }
    }
    Ok(())
}

/// When the recording in this folder began; `None` if it holds none.
fn began(folder: &Path) -> Option<SystemTime> {
    let meta: Meta = serde_json::from_slice(&fs::read(folder.join(META_FILE)).ok()?).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_millis(meta.started))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recording(directory: &Path, name: &str, days_old: u32) {
        let began = SystemTime::now() - DAY * days_old - Duration::from_secs(60);
        let began = began.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let info = json!({"sn": "", "deviceModel": "", "appVersion": "", "androidVersion": "",
            "deviceIP": "", "devicedDisplay": ""});
        let version = json!({"major": 1, "minor": 0});
        let meta = json!({"format": version, "name": name, "hharome": "0", "protocol": version,
            "started": began, "personalData": "replaced", "config": {}, "simulated": true,
            "token": false, "deviceInfo": info, "devices": []});
        fs::create_dir_all(directory.join(name).join("blobs")).unwrap();
        fs::write(directory.join(name).join(META_FILE), meta.to_string()).unwrap();
        fs::write(directory.join(name).join("blobs/b"), [0; 1000]).unwrap();
    }

    #[test]
    fn old_recordings_go_and_everything_else_stays() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        recording(at, "old", 8);
        recording(at, "young", 6);
        fs::create_dir(at.join("photos")).unwrap();
        fs::write(at.join("notes"), "mine").unwrap();
        clear_out(at, 7).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["notes", "photos", "young"]);
    }

    #[test]
    fn what_is_used_counts_every_file_below() {
        let directory = tempfile::tempdir().unwrap();
        recording(directory.path(), "a", 0);
        let meta = fs::metadata(directory.path().join("a").join(META_FILE)).unwrap().len();
        assert_eq!(used(directory.path()).unwrap(), meta + 1000);
    }
}
