//! Scenes on a kernel with devices: this program plays them once more inside the guest of
//! `scripts/test-kernel.sh`, whose files are gone with it; so it says there what it has recorded, a file
//! a line, and takes it down here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Before a line with a file: the recording, the path inside it, and the content in base64.
const MARK: &str = "recorded ";

/// Whether this is the guest.
pub(crate) fn is_here() -> bool {
    std::env::var_os("HHAROME_TEST_KERNEL").is_some()
}

/// Plays these scenes in the guest, and keeps what is recorded there; how many went wrong.
pub(crate) fn play(names: &[String]) -> usize {
    if names.is_empty() {
        return 0;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/test-kernel.sh");
    let program = std::env::current_exe().expect("this program's path");
    let output = Command::new(script).arg(program).args(names).stderr(Stdio::inherit()).output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    let mut files = Vec::new();
    for line in String::from_utf8_lossy(&said).lines() {
        match line.trim_end().strip_prefix(MARK) {
            Some(file) => files.push(file.to_owned()),
            None => println!("{line}"),
        }
    }
    let of = |name: &String| -> Vec<_> {
        files.iter().filter_map(|file| file.strip_prefix(&format!("{name} "))).collect()
    };
    names.iter().filter(|name| !take(name, &of(name))).count()
}

/// Takes the files of a recording; whether there were any.
fn take(name: &str, files: &[&str]) -> bool {
    let folder = super::root().join(name);
    if files.is_empty() {
        return false;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the old recording can be removed");
    }
    for file in files {
        let (path, content) = file.split_once(' ').expect("a path and a content");
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, STANDARD.decode(content).expect("base64")).expect("it can be written");
    }
    true
}

/// Says a recording; the bytes of its files.
pub(crate) fn say(folder: &Path, name: &str) -> io::Result<u64> {
    let mut bytes = 0;
    for file in files(folder)? {
        let content = fs::read(&file)?;
        bytes += content.len() as u64;
        let path = file.strip_prefix(folder).expect("it is inside").display();
        println!("{MARK}{name} {path} {}", STANDARD.encode(content));
    }
    Ok(bytes)
}

/// All files below a folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            all.extend(files(&entry.path())?);
        } else {
            all.push(entry.path());
        }
    }
    Ok(all)
}
