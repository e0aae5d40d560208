//! Another reader than the project's: a SAM-V module on a bare pty, written from the module's
//! command table, with the bad manners that lines and modules in the field have.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hharome_hardware::port::pty::Pty;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::soon;

const PREAMBLE: [u8; 5] = [0xAA, 0xAA, 0xAA, 0x96, 0x69];

/// What the module does to one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Nothing.
    Plain,
    /// Says it in writes of so many bytes.
    Pieces(usize),
    /// Says other bytes before and after it, the beginning of a preamble among them.
    Noise,
    /// Says a preamble before it that nothing follows.
    FalseStart,
    /// Says the head of another frame before it, whose length reaches into it.
    Overlap,
    /// Says before it what looks like the head of a frame that would swallow it.
    Swallowed,
    /// Says a second frame behind it that nobody asked for.
    Glued,
    /// Stops after so many bytes.
    Torn(usize),
    /// Says a wrong check byte.
    Damaged,
    /// Says this status, and nothing else.
    Refused(u8),
    /// Says nothing.
    Silent,
    /// The plug comes out after so many bytes.
    Unplugged(usize),
}

/// A reader at a link that stays the same while it is unplugged and plugged in.
pub(super) struct OtherReader {
    link: PathBuf,
    shared: Arc<Shared>,
    life: JoinHandle<()>,
    heard: watch::Receiver<usize>,
}

struct Shared {
    state: Mutex<State>,
    heard: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    /// The text block of the card that lies there.
    card: Option<Vec<u8>>,
    /// It was read, and is hidden until it is lifted.
    hidden: bool,
    /// What is done to the next reply to this command.
    next: Vec<(u8, u8, Manner)>,
    /// What is done to all others.
    always: Option<Manner>,
}

impl OtherReader {
    /// A reader without a card, plugged in at `link`.
    pub(super) fn at(link: &Path) -> Self {
        let (tell, heard) = watch::channel(0);
        let shared = Arc::new(Shared { state: Mutex::default(), heard: tell });
        let life = tokio::spawn(play(Arc::clone(&shared), open(link)));
        Self { link: link.to_owned(), shared, life, heard }
    }

    /// Puts a card with this text block on.
    pub(super) fn put(&self, text: Vec<u8>) {
        self.with(|state| {
            state.card = Some(text);
            state.hidden = false;
        });
    }

    /// Lifts it.
    pub(super) fn lift(&self) {
        self.with(|state| state.card = None);
    }

    /// What is done to the next reply to the command with these two bytes.
    pub(super) fn next(&self, command: [u8; 2], manner: Manner) {
        self.with(|state| state.next.push((command[0], command[1], manner)));
    }

    /// What is done to all other replies from now on.
    pub(super) fn always(&self, manner: Manner) {
        self.with(|state| state.always = Some(manner));
    }

    /// Waits for so many further requests.
    pub(super) async fn is_asked(&mut self, more: usize) {
        let until = *self.heard.borrow() + more;
        let asked = soon("the reader is asked", self.heard.wait_for(|heard| *heard >= until));
        asked.await.map(drop).expect("it lives");
    }

    /// Ends when the plug is out.
    pub(super) async fn unplugged(&mut self) {
        let ended = soon("the reader is unplugged", &mut self.life).await;
        ended.expect("the reader does not fail");
    }

    /// Plugs it in, powered anew.
    pub(super) fn plug_in(&mut self) {
        self.with(|state| state.hidden = false);
        self.life.abort();
        self.life = tokio::spawn(play(Arc::clone(&self.shared), open(&self.link)));
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for OtherReader {
    fn drop(&mut self) {
        self.life.abort();
    }
}

fn open(link: &Path) -> Pty {
    Pty::open(Some(link)).expect("a pty")
}

/// Answers until the line or the plug is gone.
async fn play(shared: Arc<Shared>, mut line: Pty) {
    let mut input = Vec::new();
    let mut chunk = [0; 64];
    loop {
        // Requests without data have ten bytes, and no others are known here.
        while input.len() < 10 {
            match line.read(&mut chunk).await {
                Ok(read) if read > 0 => input.extend_from_slice(&chunk[..read]),
                _ => return,
            }
        }
        let request: Vec<u8> = input.drain(..10).collect();
        let (pieces, goes) = {
            let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            answer(request[7], request[8], &mut state)
        };
        for piece in pieces {
            if line.write_all(&piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        shared.heard.send_modify(|heard| *heard += 1);
        if goes {
            // Dropping the line is pulling the plug.
            return;
        }
    }
}

/// What is written, in which pieces, and whether the plug comes out then.
fn answer(command: u8, parameter: u8, state: &mut State) -> (Vec<Vec<u8>>, bool) {
    let at = state.next.iter().position(|(c, p, _)| (*c, *p) == (command, parameter));
    let manner = match at {
        Some(at) => state.next.remove(at).2,
        None => state.always.unwrap_or(Manner::Plain),
    };
    let frame = match manner {
        // The card was not read then.
        Manner::Refused(status) => reply(status, &[]),
        _ => carry_out(command, parameter, state),
    };
    let before = |bytes: &[u8]| [bytes, &frame].concat();
    let whole = match manner {
        Manner::Plain | Manner::Refused(_) => frame,
        Manner::Pieces(size) => return (frame.chunks(size).map(<[u8]>::to_vec).collect(), false),
        Manner::Noise => {
            let mut noisy = before(&[0x00, 0xFF, 0xAA, 0xAA, 0x96, 0x55, 0xAA]);
            noisy.extend([0x00, 0xFF]);
            noisy
        }
        Manner::FalseStart => before(&[PREAMBLE, PREAMBLE].concat()),
        Manner::Overlap => before(&[&PREAMBLE[..], &[0x00, 0x0C, 0x00, 0x00]].concat()),
        Manner::Swallowed => before(&[&PREAMBLE[..], &[0x09, 0x60]].concat()),
        Manner::Glued => [frame, reply(0x24, &[])].concat(),
        Manner::Torn(bytes) => frame[..bytes.min(frame.len())].to_vec(),
        Manner::Damaged => {
            let mut damaged = frame;
            damaged.last_mut().into_iter().for_each(|check| *check ^= 0x01);
            damaged
        }
        Manner::Silent => Vec::new(),
        Manner::Unplugged(bytes) => return (vec![frame[..bytes.min(frame.len())].to_vec()], true),
    };
    (vec![whole], false)
}

/// One command of the module.
fn carry_out(command: u8, parameter: u8, state: &mut State) -> Vec<u8> {
    let there = state.card.is_some() && !state.hidden;
    match (command, parameter) {
        (0x10, 0xFF) => {
            state.hidden = false;
            reply(0x90, &[])
        }
        (0x11, 0xFF) => reply(0x90, &[]),
        (0x12, 0xFF) => {
            let (kind, made) = ([0x05, 0x00, 0x03, 0x00], 20_200_102_u32.to_le_bytes());
            let numbers = [12_345_678_u32.to_le_bytes(), 87_654_321_u32.to_le_bytes()].concat();
            reply(0x90, &[&kind[..], &made, &numbers].concat())
        }
        (0x20, 0x01) if there => reply(0x9F, &[0; 4]),
        (0x20, 0x01) => reply(0x80, &[]),
        (0x20, 0x02) if there => reply(0x90, &[0; 8]),
        (0x20, 0x02) => reply(0x81, &[]),
        (0x30, 0x01) => match &state.card {
            Some(text) => {
                state.hidden = true;
                // Both lengths, the text, and a photo of zeros.
                reply(0x90, &[&[0x01, 0x00, 0x04, 0x00], &text[..], &[0; 1024]].concat())
            }
            None => reply(0x41, &[]),
        },
        (0x30, 0x03) => reply(0x91, &[]),
        _ => reply(0x21, &[]),
    }
}

/// A reply with its head and check byte.
fn reply(status: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + data.len()).expect("a short reply").to_be_bytes();
    let mut body = [&length[..], &[0, 0, status], data].concat();
    body.push(body.iter().fold(0, |check, byte| check ^ byte));
    [&PREAMBLE[..], &body].concat()
}

/// The text block of a resident's card: UTF-16LE in fields, padded with U+0020.
pub(super) fn resident(name: &str, sex: &str, birth: &str, number: &str) -> Vec<u8> {
    let mut block = [0x20, 0x00].repeat(128);
    let fields = [
        (0, name),
        (30, sex),
        (32, "01"),
        (36, birth),
        (52, "示例市样品路１３８号"),
        (122, number),
        (158, "样品市公安局"),
        (188, "20200102"),
        (204, "长期"),
    ];
    for (offset, text) in fields {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        block[offset..offset + units.len()].copy_from_slice(&units);
    }
    block
}
