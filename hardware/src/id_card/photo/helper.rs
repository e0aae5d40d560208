//! The helper process: our own program, started only to call a vendor's library once.
//!
//! Owns the one place where foreign code runs. `PhotoDecoder` starts it, gives it the WLT on
//! stdin and takes the BMP from stdout; a no is one line on stderr (see [`Fault`]) and exit
//! code 1. It ends when it has answered, when the library crashes, or when it is killed.
//!
//! Known of the function, from public headers and callers: `int unpack(char *src, char *dst, int
//! mode)`; 1 is success, 0 a mode that this build does not take; with the memory mode `dst` gets
//! 38,556 bytes of pixels, with some builds a whole BMP. Some want `dst` larger than they say.

use std::ffi::{OsString, c_int, c_uchar};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libloading::Library;
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};

use super::picture::{BMP_BYTES, RAW_BYTES, leading_bmp, raw_to_bmp};
use crate::id_card::people::PHOTO_BYTES;

/// What `src` is: the WLT, and zeros behind it for libraries that read on (some callers hand over
/// the licence behind the photo).
const SOURCE_BYTES: usize = 4096;

/// What `dst` is: far more than a BMP, for callers report crashes when it is just as large.
const TARGET_BYTES: usize = 256 * 1024;

/// A saved BMP of more bytes is not read: identity photos have 38,862.
const MOST_SAVED_BYTES: u64 = 1 << 20;

type Unpack = unsafe extern "C" fn(*mut c_uchar, *mut c_uchar, c_int) -> c_int;

/// Why the helper has no picture. Goes to the parent as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The library cannot be loaded, with the loader's words.
    Load(String),
    /// It has no `unpack`, with the loader's words.
    Symbol(String),
    /// `unpack` returned this instead of 1.
    Returned(i32),
    /// `unpack` returned 1 and left no picture.
    NoPicture,
    /// The helper itself failed: its arguments, its pipes.
    Helper(String),
}

impl Fault {
    /// The line that the parent reads.
    fn line(&self) -> String {
        let one_line = |words: &str| words.replace(['\n', '\r'], " ");
        match self {
            Self::Load(words) => format!("cannot load: {}\n", one_line(words)),
            Self::Symbol(words) => format!("no unpack: {}\n", one_line(words)),
            Self::Returned(code) => format!("returned: {code}\n"),
            Self::NoPicture => "no picture: \n".to_owned(),
            Self::Helper(words) => format!("helper: {}\n", one_line(words)),
        }
    }

    /// Reads the line again; `None` if it is none of ours.
    pub(super) fn from_line(line: &str) -> Option<Self> {
        let (kind, words) = line.lines().next()?.split_once(": ")?;
        match kind {
            "cannot load" => Some(Self::Load(words.to_owned())),
            "no unpack" => Some(Self::Symbol(words.to_owned())),
            "returned" => words.parse().ok().map(Self::Returned),
            "no picture" => Some(Self::NoPicture),
            "helper" => Some(Self::Helper(words.to_owned())),
            _ => None,
        }
    }
}

/// The helper's side of the conversation. `arguments` are those behind `photo-helper`:
/// `[--mode NUMBER] LIBRARY` decodes one photo from stdin to stdout, `--probe LIBRARY` only loads
/// the library and looks for the function. Run it in an empty folder: libraries may save files.
///
/// Changes the whole process (streams, limits): for a process that does nothing else.
pub fn helper_main(arguments: &[OsString]) -> ExitCode {
    let (mut answer, mut complaint) = match silence() {
        Ok(streams) => streams,
        Err(_) => return ExitCode::FAILURE,
    };
    let outcome = Job::parse(arguments).and_then(|job| job.run(&mut io::stdin(), &mut answer));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // If the parent is gone, there is nobody to complain to.
            let _ = complaint.write_all(fault.line().as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// What a helper is started for.
struct Job {
    library: PathBuf,
    /// The third argument of `unpack`; `None`: the library is only loaded.
    mode: Option<c_int>,
}

impl Job {
    fn parse(arguments: &[OsString]) -> Result<Self, Fault> {
        match arguments {
            [flag, library] if flag == "--probe" => {
                Ok(Self { library: library.into(), mode: None })
            }
            [flag, mode, library] if flag == "--mode" => {
                let mode = mode.to_str().and_then(|mode| mode.parse().ok());
                let mode = mode.ok_or_else(|| Fault::Helper("--mode wants a number".to_owned()))?;
                Ok(Self { library: library.into(), mode: Some(mode) })
            }
            [library] if library != "--probe" && library != "--mode" => {
                Ok(Self { library: library.into(), mode: Some(0) })
            }
            _ => Err(Fault::Helper("usage: [--probe | --mode NUMBER] LIBRARY".to_owned())),
        }
    }

    fn run(&self, input: &mut impl Read, answer: &mut impl Write) -> Result<(), Fault> {
        let failed = |failed: io::Error| Fault::Helper(failed.to_string());
        let Some(mode) = self.mode else {
            return load(&self.library).map(drop);
        };
        let mut wlt = [0; PHOTO_BYTES];
        input.read_exact(&mut wlt).map_err(failed)?;
        let bmp = decode(&self.library, &wlt, mode)?;
        answer.write_all(&bmp).map_err(failed)
    }
}

/// Takes stdout and stderr away from the library, which may print what it likes, and sees to it
/// that a crash leaves no picture behind.
fn silence() -> io::Result<(File, File)> {
    // What is in our memory is somebody's face: no core file, and no dump to a collecting program
    // either, which the core limit alone would not stop. A library that hangs must not outlive a
    // daemon that was killed. None of the three can fail in a way that would be worth a photo.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(Resource::Core, none);
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));

    let answer = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let complaint = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let nowhere = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    Ok((answer, complaint))
}

/// Calls the library and makes a BMP of what it leaves, wherever it leaves it.
fn decode(library: &Path, wlt: &[u8; PHOTO_BYTES], mode: c_int) -> Result<Vec<u8>, Fault> {
    let unpack = load(library)?;
    let mut source = vec![0; SOURCE_BYTES];
    for (byte, of_photo) in source.iter_mut().zip(wlt) {
        *byte = *of_photo;
    }
    let mut target = vec![0; TARGET_BYTES];
    #[expect(unsafe_code, reason = "the vendor's library is C, and nobody else can decode WLT")]
    // SAFETY: the library stays loaded (`load` never lets go of it). Both buffers are alive, are
    // written by nobody else and are larger than any caller of this function is known to give.
    // That the function has this type and keeps to it cannot be known of a closed library: that
    // is why this process does nothing else, and why its death is expected.
    let code = unsafe { unpack(source.as_mut_ptr(), target.as_mut_ptr(), mode) };
    if code != 1 {
        return Err(Fault::Returned(code));
    }
    if let Some(bmp) = leading_bmp(&target) {
        return Ok(bmp.to_vec());
    }
    match target.get(..RAW_BYTES) {
        Some(raw) if raw.iter().any(|byte| *byte != 0) => Ok(raw_to_bmp(raw)),
        _ => saved_bmp(Path::new(".")).ok_or(Fault::NoPicture),
    }
}

/// Loads the library for the rest of this process's life and finds its function.
fn load(library: &Path) -> Result<Unpack, Fault> {
    // A name without a folder would be searched for in the system's own; what is configured is a
    // file, and is looked for where it says.
    let path = std::path::absolute(library).map_err(|wrong| Fault::Load(wrong.to_string()))?;
    #[expect(unsafe_code, reason = "loading a C library runs its constructors")]
    // SAFETY: whatever the constructors do, they do in a process that is there for nothing else.
    let loaded = unsafe { Library::new(&path) }.map_err(|wrong| Fault::Load(words(&wrong)))?;
    // Never unloaded: destructors of such libraries are known to crash, and we are ending anyway.
    let loaded: &'static Library = Box::leak(Box::new(loaded));
    #[expect(unsafe_code, reason = "the type of a C symbol is known to nobody but its header")]
    // SAFETY: `unpack` has had this type in every public header; if this library's has another,
    // this process pays for it.
    let symbol = unsafe { loaded.get::<Unpack>(b"unpack\0") };
    symbol.map(|unpack| *unpack).map_err(|wrong| Fault::Symbol(words(&wrong)))
}

/// The loader's own words, without which "dlopen failed" helps nobody.
fn words(wrong: &libloading::Error) -> String {
    std::error::Error::source(wrong).map_or_else(|| wrong.to_string(), ToString::to_string)
}

/// The BMP that the library has saved in the folder, if it did.
fn saved_bmp(folder: &Path) -> Option<Vec<u8>> {
    let entries = fs::read_dir(folder).ok()?;
    entries.filter_map(Result::ok).find_map(|entry| {
        let path = entry.path();
        let is_bmp = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("bmp"));
        if !is_bmp {
            return None;
        }
        let mut bytes = Vec::with_capacity(BMP_BYTES);
        File::open(&path).ok()?.take(MOST_SAVED_BYTES).read_to_end(&mut bytes).ok()?;
        leading_bmp(&bytes).map(<[u8]>::to_vec)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_as_it_was_written() {
        let faults = [
            Fault::Load("libx.so: cannot open: no such file".to_owned()),
            Fault::Symbol("undefined symbol: unpack".to_owned()),
            Fault::Returned(-6),
            Fault::NoPicture,
            Fault::Helper("failed to fill whole buffer".to_owned()),
        ];
        for fault in faults {
            assert_eq!(Fault::from_line(&fault.line()), Some(fault));
        }
    }

    #[test]
    fn a_fault_stays_on_one_line() {
        let line = Fault::Load("first\nreturned: 1".to_owned()).line();
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn foreign_words_are_no_fault() {
        for line in ["", "Segmentation fault", "warning: helper", "returned: yes"] {
            assert_eq!(Fault::from_line(line), None, "{line}");
        }
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for arguments in [
            &[][..],
            &["--probe"],
            &["--mode"],
            &["--mode", "x", "lib.so"],
            &["lib.so", "another.so"],
        ] {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            assert!(Job::parse(&arguments).is_err(), "{arguments:?}");
        }
    }
}
