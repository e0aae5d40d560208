//! A serial line without hardware: a pty, whose one end is given to the bridge or a floor by its path.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;

use crate::Outcome;

/// A pty in raw mode.
pub(crate) struct Line {
    pub(crate) master: File,
    // Held so that the line stays up until its reader has opened it.
    _slave: OwnedFd,
    pub(crate) path: PathBuf,
}

impl Line {
    pub(crate) fn open() -> Outcome<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let path = PathBuf::from(rustix::pty::ptsname(&master, Vec::new())?.into_string()?);
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(&path, flags, Mode::empty())?;
        let mut terminal = rustix::termios::tcgetattr(&slave)?;
        terminal.make_raw();
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &terminal)?;
        Ok(Self { master: master.into(), _slave: slave, path })
    }
}
