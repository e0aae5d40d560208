//! Cards and readers' electronics, each in a thread of the test.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{AMPLE, LOOK};

/// What a card does with a command.
pub(crate) enum Reply {
    /// It answers this.
    Bytes(Vec<u8>),
    /// It never answers.
    Silence,
    /// It is taken away before it answers.
    Vanish,
    /// It answers this after a while.
    After(Duration, Vec<u8>),
}

/// What a card does with each command.
pub(crate) type Answer = Box<dyn FnMut(&[u8]) -> Reply + Send>;

/// What a reader's electronics do with each control code and command; nothing is a command that they
/// do not know.
pub(crate) type Reader = Box<dyn FnMut(u32, &[u8]) -> Option<Vec<u8>> + Send>;

/// A card in a slot; it is taken away when this is dropped.
pub(crate) struct FarCard {
    stream: UnixStream,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    controls: Vec<u8>,
    commands: Vec<Vec<u8>>,
}

/// The control by which the card is asked for its ATR.
const TELL_ATR: u8 = 4;

impl FarCard {
    /// Puts a card with this ATR into the slot; one with no ATR is mute.
    pub(crate) fn insert(slot: &Path, atr: &[u8], answer: Answer) -> Self {
        let stream = connect(slot);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let line = stream.try_clone().expect("a socket");
        let (atr, noted) = (atr.to_vec(), Arc::clone(&seen));
        std::thread::spawn(move || {
            // The end of the line is the card's end, whoever ended it.
            let _ = serve(line, &atr, answer, &noted);
        });
        Self { stream, seen }
    }

    /// The controls so far, without the questions for the ATR: 0 off, 1 on, 2 reset.
    pub(crate) fn controls(&self) -> Vec<u8> {
        self.seen.lock().expect("no test fails in there").controls.clone()
    }

    /// Waits until these are the controls. A card is powered off without being asked whether it is:
    /// pcscd may be further than the card.
    pub(crate) fn wait_for_controls(&self, expected: &[u8]) {
        wait_until(|| self.controls() == expected);
    }

    /// Waits until the card has got so many commands.
    pub(crate) fn wait_for_commands(&self, count: usize) {
        wait_until(|| self.commands().len() >= count);
    }

    /// The commands so far.
    pub(crate) fn commands(&self) -> Vec<Vec<u8>> {
        self.seen.lock().expect("no test fails in there").commands.clone()
    }

    /// Takes the card away.
    pub(crate) fn remove(self) {}
}

impl Drop for FarCard {
    fn drop(&mut self) {
        // pcscd may have gone first.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

#[track_caller]
fn wait_until(so: impl Fn() -> bool) {
    let until = Instant::now() + AMPLE;
    while !so() {
        assert!(Instant::now() < until, "it never came to that");
        std::thread::sleep(LOOK);
    }
}

fn connect(path: &Path) -> UnixStream {
    let until = Instant::now() + AMPLE;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return stream,
            Err(error) if Instant::now() > until => panic!("{}: {error}", path.display()),
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

fn serve(
    mut line: UnixStream,
    atr: &[u8],
    mut answer: Answer,
    seen: &Mutex<Seen>,
) -> io::Result<()> {
    loop {
        let message = hear(&mut line)?;
        match message[..] {
            [TELL_ATR] => say(&mut line, atr)?,
            [control] => seen.lock().expect("no test fails in there").controls.push(control),
            _ => {
                let reply = answer(&message);
                seen.lock().expect("no test fails in there").commands.push(message);
                match reply {
                    Reply::Bytes(bytes) => say(&mut line, &bytes)?,
                    Reply::Silence => {}
                    Reply::Vanish => return line.shutdown(Shutdown::Both),
                    Reply::After(pause, bytes) => {
                        std::thread::sleep(pause);
                        say(&mut line, &bytes)?;
                    }
                }
            }
        }
    }
}

/// A message is its length in two bytes, big-endian, and as many bytes.
fn hear(line: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    line.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    line.read_exact(&mut message)?;
    Ok(message)
}

fn say(line: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).expect("a message has 65,535 bytes at most");
    line.write_all(&[&length.to_be_bytes()[..], bytes].concat())
}

/// The electronics of a reader: what it does with escape commands (`SCardControl`).
pub(crate) struct FarReader {
    path: PathBuf,
}

impl FarReader {
    /// The reader whose socket this is answers escape commands from now on.
    pub(crate) fn attach(reader: &Path, mut answer: Reader) -> Self {
        let listener = UnixListener::bind(reader).expect("nobody listens there yet");
        std::thread::spawn(move || {
            for line in listener.incoming() {
                // Whoever was cut off asks again.
                let _ = line.and_then(|mut line| {
                    let message = hear(&mut line)?;
                    let (code, command) = message.split_first_chunk().expect("a code is first");
                    let reply = answer(u32::from_be_bytes(*code), command);
                    let reply = reply.map_or(vec![0], |bytes| [&[1], &bytes[..]].concat());
                    say(&mut line, &reply)
                });
            }
        });
        Self { path: reader.to_owned() }
    }
}

impl Drop for FarReader {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
