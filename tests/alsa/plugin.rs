//! Builds the sound card's plug-in, once for every version of its source.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const SOURCE: &str = include_str!("sound_card.c");

/// The plug-in's library. It lies in cargo's folder for tests; threads build it once, and processes
/// that build it at the same time do not disturb each other.
pub(crate) fn plugin() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(built)
}

fn built() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut version = DefaultHasher::new();
    SOURCE.hash(&mut version);
    let library = folder.join(format!("sound_card_{:016x}.so", version.finish()));
    if !library.exists() {
        let fresh = library.with_extension(format!("{}.new", std::process::id()));
        build(&fresh);
        std::fs::rename(&fresh, &library).expect("the folder is ours");
    }
    library
}

fn build(library: &Path) {
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "alsa"]).output();
    let flags = flags.expect("pkg-config (Debian package pkg-config)");
    assert!(flags.status.success(), "no headers of alsa-lib (Debian package libasound2-dev)");
    let mut cc = Command::new("cc")
        .args(["-O2", "-fPIC", "-shared", "-DPIC", "-x", "c", "-", "-o"])
        .arg(library)
        .args(String::from_utf8_lossy(&flags.stdout).split_whitespace())
        .stdin(Stdio::piped())
        .spawn()
        .expect("a C compiler named cc (Debian package gcc)");
    let mut source = cc.stdin.take().expect("it is piped");
    source.write_all(SOURCE.as_bytes()).expect("cc reads");
    drop(source);
    let ended = cc.wait().expect("it is our child");
    assert!(ended.success(), "cc ended with {ended}");
}
