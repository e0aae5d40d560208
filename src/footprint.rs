//! The memory of a bridge that has started: gives back the pages of the program that only starting needed.
//!
//! Half of the program's text is touched once, by the command line, the configuration, the devices'
//! first opening. It would stay mapped for as long as the daemon runs, month after month, beside a
//! browser that could use the memory. Called by [`crate::server`], once; ends with that.

use std::fs;
use std::time::Duration;

use rustix::mm::{Advice, madvise};

/// By then devices that are there have been opened.
pub(crate) const STARTED: Duration = Duration::from_secs(1);

/// Unmaps the text of the program and its libraries. What is needed again comes back page by page,
/// mostly without a disk: the kernel keeps the file. Where it cannot be done, nothing is lost.
pub(crate) fn give_back() {
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else { return };
    for (from, to) in texts(&maps) {
        #[expect(unsafe_code, reason = "madvise takes addresses, and no crate wraps this one")]
        // SAFETY: the pages are those of a private mapping of a file, none of them was changed, and
        // nothing in this process makes text writable: whoever touches one gets the same bytes from
        // the file.
        let given = unsafe { madvise(from as *mut _, to - from, Advice::LinuxDontNeed) };
        if let Err(error) = given {
            tracing::debug!(%error, "pages of the program are not given back");
        }
    }
}

/// Where the text of files lies that `/proc/PID/smaps` tells of (proc(5)): private mappings that can
/// be read and executed and not written, and have no page of their own, as a debugger or a library
/// with text relocations would have made.
fn texts(maps: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut mapping = None;
    maps.lines().filter_map(move |line| match line.split_once(':') {
        Some(("Anonymous", size)) => mapping.take().filter(|_| size.trim() == "0 kB"),
        Some((word, _)) if !word.contains(' ') => None,
        _ => {
            mapping = text(line);
            None
        }
    })
}

/// The same of the first line of a mapping.
fn text(line: &str) -> Option<(usize, usize)> {
    let mut columns = line.split_ascii_whitespace();
    let (from, to) = columns.next()?.split_once('-')?;
    (columns.next()? == "r-xp").then_some(())?;
    let file = columns.nth(3)?;
    file.starts_with('/').then_some(())?;
    let address = |word| usize::from_str_radix(word, 16).ok();
    Some((address(from)?, address(to)?))
}

#[cfg(test)]
mod tests {
    use super::{give_back, texts};

    #[test]
    fn only_unchanged_text_of_files_is_given_back() {
        let check = |line, anonymous, expected: &[(usize, usize)]| {
            let maps = format!("{line}\nRss:  8 kB\nAnonymous:  {anonymous} kB\nVmFlags: rd ex\n");
            assert_eq!(texts(&maps.repeat(2)).collect::<Vec<_>>(), expected.repeat(2), "{line}");
        };
        let program = "1000-3000 r-xp 00002000 fe:00 12  /usr/bin/hharome";
        check(program, 0, &[(0x1000, 0x3000)]);
        check(program, 4, &[]);
        check("1000-3000 r--p 00000000 fe:00 12  /usr/bin/hharome", 0, &[]);
        check("1000-3000 rw-p 00000000 fe:00 12  /usr/bin/hharome", 0, &[]);
        check("1000-3000 rwxp 00000000 fe:00 12  /usr/bin/hharome", 0, &[]);
        check("1000-3000 r-xs 00000000 fe:00 12  /dev/shm/text", 0, &[]);
        check("1000-3000 r-xp 00000000 00:00 0   [vdso]", 0, &[]);
        check("1000-3000 r-xp 00000000 00:00 0", 0, &[]);
        check("rubbish", 0, &[]);
    }

    #[test]
    fn the_program_goes_on_with_what_it_gave_back() {
        give_back();
        let numbers: Vec<u32> = (0..100).map(|number| number * number).collect();
        assert_eq!(numbers[9], 81);
        give_back();
    }
}
