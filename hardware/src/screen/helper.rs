//! The process that holds the display: our own program, started by [`super::process`].
//!
//! It reads what the driver tells from stdin and answers on stdout ([`super::packets`]), looks after one
//! `Display`, and decodes pictures on a thread of its own, so that a display that changes meanwhile
//! is seen to at once: a picture must not stay for a moment where the operator's screen now is. It
//! ends with stdin, with the display, or with the daemon, however that ends; the display's server
//! takes the picture away then.
//!
//! ```text
//! stdin ─► pieces ─► show n ─► thread: decode, scale ─┐
//!                    close n ─► Display::close        ├─► Display::show ─► shown n
//! display ─► Display::attend ─ changed ─► output, absent: what was asked is void
//! ```

mod choice;
mod display;
mod kms;
mod wayland;
mod x11;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};

use self::display::{Display, Place, failed};
pub use self::display::{KMS, KMS_CARD, ListedOutput, WAYLAND, X11, wayland_outputs, x_outputs};
use super::frame::{self, Frame};
use super::packets::{Said, Tell};
use super::{BOUNDS, Settings};
use crate::device::Trouble;
use crate::port::packets::Packets;

/// The first argument of a program that is started as helper, before the driver's word.
pub const HELPER_COMMAND: &str = "screen-helper";

/// The helper's whole life. `arguments` are those behind [`HELPER_COMMAND`]: the driver's word. Where
/// the display is stands in the environment, as for any program of the session.
///
/// Changes the whole process: for one that does nothing else.
pub fn helper_main(arguments: &[OsString]) -> ExitCode {
    // What is in our memory may show somebody's receipt: no core file, and no dump to a collecting
    // program. And no picture without a daemon that can take it away. None of the three can fail in
    // a way that would be worth a picture.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(Resource::Core, none);
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));

    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            let said = match trouble {
                Trouble::Absent { detail } => Said::Absent(detail),
                Trouble::Failed { detail } | Trouble::Unreadable { detail } => Said::Failed(detail),
            };
            // If the daemon is gone, there is nobody to tell.
            let _ = say(&said);
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &[OsString]) -> Result<(), Trouble> {
    let mut driver = Driver::default();
    let settings = loop {
        if !driver.read()? {
            return Ok(());
        }
        match driver.tell()? {
            Some(Tell::Setup(settings)) => break settings,
            Some(_) => return Err(failed("the daemon has said what it should not")),
            None => {}
        }
    };
    let [word] = arguments else {
        return Err(failed("the screen's process was started without its driver"));
    };
    Helper::new(display::open(word, &settings)?, settings)?.run(driver)
}

/// The daemon's side of stdin.
#[derive(Default)]
struct Driver {
    packets: Packets,
}

impl Driver {
    /// Takes in more, waiting for it if there is none; `false` at the end.
    fn read(&mut self) -> Result<bool, Trouble> {
        let mut chunk = [0; 64 * 1024];
        match rustix::io::read(io::stdin().as_fd(), &mut chunk) {
            Ok(0) => Ok(false),
            Ok(read) => {
                self.packets.push(chunk.get(..read).unwrap_or_default());
                Ok(true)
            }
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(failed(format!("the daemon cannot be heard: {error}"))),
        }
    }

    /// The next that was told whole.
    fn tell(&mut self) -> Result<Option<Tell>, Trouble> {
        let strange = || failed("the daemon has said what it should not");
        let packet = self.packets.next_packet().map_err(|_| strange())?;
        packet.map(|packet| Tell::of(&packet).ok_or_else(strange)).transpose()
    }
}

/// A picture that is to be made ready.
struct Raw {
    number: u32,
    file: Vec<u8>,
    size: (u32, u32),
}

/// One that is, or why not.
type Ready = (u32, Result<Frame, String>);

struct Helper {
    display: Box<dyn Display>,
    raw: mpsc::Sender<Raw>,
    ready: mpsc::Receiver<Ready>,
    /// A byte for each that is ready.
    bell: UnixStream,
    /// What has come of the next picture.
    pieces: Vec<u8>,
    /// The number of the picture that is being made ready for what the output is now.
    current: Option<u32>,
    shown: bool,
}

impl Helper {
    fn new(display: Box<dyn Display>, settings: Settings) -> Result<Self, Trouble> {
        let (raw, raws) = mpsc::channel();
        let (readies, ready) = mpsc::channel();
        let no_pipe = |error: io::Error| failed(format!("no thread can be told: {error}"));
        let (bell, ring) = UnixStream::pair().map_err(no_pipe)?;
        bell.set_nonblocking(true).map_err(no_pipe)?;
        let thread = thread::Builder::new().name("picture".to_owned());
        thread
            .spawn(move || make_ready(&raws, &readies, ring, &settings))
            .map_err(|error| failed(format!("no thread can be started: {error}")))?;
        let pieces = Vec::new();
        Ok(Self { display, raw, ready, bell, pieces, current: None, shown: false })
    }

    /// Ends with the daemon.
    fn run(mut self, mut driver: Driver) -> Result<(), Trouble> {
        self.tell_place()?;
        loop {
            self.attend()?;
            self.show_ready()?;
            if self.wait()? {
                if !driver.read()? {
                    return Ok(());
                }
                while let Some(tell) = driver.tell()? {
                    self.obey(tell)?;
                }
            }
        }
    }

    /// Sees to the display; what was asked is void if that has changed.
    fn attend(&mut self) -> Result<(), Trouble> {
        if self.display.attend()? {
            (self.current, self.shown) = (None, false);
            self.tell_place()?;
        }
        Ok(())
    }

    fn tell_place(&self) -> Result<(), Trouble> {
        say(&match self.display.place() {
            Ok(Place { name, width, height }) => Said::Output { name, width, height },
            Err(words) => Said::Absent(words),
        })
    }

    fn obey(&mut self, tell: Tell) -> Result<(), Trouble> {
        match tell {
            Tell::Piece(piece) => self.pieces.extend_from_slice(&piece),
            Tell::Show(number) => {
                let file = std::mem::take(&mut self.pieces);
                // Without an output the daemon knows of that, or hears of it presently.
                if let Ok(Place { width, height, .. }) = self.display.place() {
                    self.current = Some(number);
                    let raw = Raw { number, file, size: (width, height) };
                    self.raw.send(raw).map_err(|_| failed("the thread for pictures has ended"))?;
                }
            }
            Tell::Close(number) => {
                (self.current, self.shown) = (None, false);
                self.display.close()?;
                say(&Said::Closed(number))?;
            }
            Tell::Setup(_) => return Err(failed("the daemon has said what it should not")),
        }
        Ok(())
    }

    /// Shows what is ready, if it is what was asked for last.
    fn show_ready(&mut self) -> Result<(), Trouble> {
        // Read for nothing but to be empty.
        let _ = self.bell.read(&mut [0; 16]);
        while let Ok((number, ready)) = self.ready.try_recv() {
            if self.current != Some(number) {
                continue;
            }
            self.current = None;
            match ready {
                Ok(frame) => {
                    self.display.show(&frame)?;
                    self.shown = true;
                    self.current = Some(number);
                    self.attend()?;
                    // Else the output has changed just now, and nothing is shown.
                    if self.current.take().is_some() {
                        say(&Said::Shown(number))?;
                    }
                }
                Err(words) => say(&Said::Refused { number, shown: self.shown, words })?,
            }
        }
        Ok(())
    }

    /// Until something happens; whether the daemon has said something.
    fn wait(&self) -> Result<bool, Trouble> {
        let stdin = io::stdin();
        let mut fds = [
            PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.display.fd(), PollFlags::IN),
            PollFd::new(&self.bell, PollFlags::IN),
        ];
        let limit = self.display.wake().map(|limit| Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        });
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(format!("nothing can be waited for: {error}"))),
        }
        let [driver, ..] = &fds;
        Ok(!driver.revents().is_empty())
    }
}

/// The thread that decodes. Ends when the helper does.
fn make_ready(
    raws: &mpsc::Receiver<Raw>,
    readies: &mpsc::Sender<Ready>,
    mut ring: UnixStream,
    settings: &Settings,
) {
    while let Ok(mut raw) = raws.recv() {
        // Nobody sees those that others have taken the place of meanwhile.
        while let Ok(newer) = raws.try_recv() {
            raw = newer;
        }
        let Raw { number, file, size } = raw;
        // A decoder that does not stand a picture is that picture's trouble alone.
        let made = catch_unwind(AssertUnwindSafe(|| {
            frame::fitted(&file, BOUNDS, size, settings.background)
        }));
        let made = match made {
            Ok(made) => made.map_err(|error| error.to_string()),
            Err(_) => Err("a picture that the decoder does not stand".to_owned()),
        };
        drop(file);
        if readies.send((number, made)).is_err() || ring.write_all(&[0]).is_err() {
            return;
        }
    }
}

fn say(said: &Said) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    let written = out.write_all(&said.packet()).and_then(|()| out.flush());
    written.map_err(|error| failed(format!("the daemon cannot be told: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_pictures_that_wait_only_the_newest_is_made_ready() {
        let (raw, raws) = mpsc::channel();
        let (readies, ready) = mpsc::channel();
        let (mut bell, ring) = UnixStream::pair().unwrap();
        for number in 1..=3 {
            raw.send(Raw { number, file: Vec::new(), size: (1, 1) }).unwrap();
        }
        drop(raw);
        make_ready(&raws, &readies, ring, &Settings { output: None, background: [0; 3] });
        drop(readies);
        assert_eq!(ready.iter().map(|(number, _)| number).collect::<Vec<_>>(), [3]);
        let mut rung = Vec::new();
        bell.read_to_end(&mut rung).unwrap();
        assert_eq!(rung, [0]);
    }
}
