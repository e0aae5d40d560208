//! A SAM-V reader on a pty, written from the module's command table: bytes in, bytes out, and no
//! code of the driver's. A test puts cards on, chooses the manners of the line, and reads what was
//! asked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hharome_hardware::port::far_end::FarLine;
use hharome_hardware::port::pty::Pty;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fixture::soon;

pub(crate) const STATUS: [u8; 10] = [0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x11, 0xFF, 0xED];
pub(crate) const SAM_ID: [u8; 10] = [0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x12, 0xFF, 0xEE];
pub(crate) const FIND: [u8; 10] = [0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x20, 0x01, 0x22];
pub(crate) const SELECT: [u8; 10] = [0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x20, 0x02, 0x21];
pub(crate) const READ: [u8; 10] = [0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x30, 0x01, 0x32];
pub(crate) const READ_ALL: [u8; 10] = [0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x30, 0x10, 0x23];
pub(crate) const ADDRESS: [u8; 10] = [0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x30, 0x03, 0x30];
pub(crate) const RESET: [u8; 10] = [0xAA, 0xAA, 0xAA, 0x96, 0x69, 0, 3, 0x10, 0xFF, 0xEC];

/// How replies stand on the line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manners {
    /// As they are.
    Plain,
    /// In writes of so many bytes.
    Pieces(usize),
    /// Other bytes, the beginning of a preamble among them, before and after each.
    Noise,
    /// Each is followed in the same write by a second frame that nobody asked for.
    Glued,
    /// Each comes after a preamble that nothing else follows.
    FalseStart,
    /// Each comes after the head of another frame, whose length reaches into it.
    Overlap,
    /// Each comes after noise that looks like a head, with a length that would swallow it.
    Swallowed,
    /// The first reply to `find` is torn off after its length; the others are whole.
    Torn,
    /// The first reply to `read` has a wrong check byte.
    Damaged,
}

/// What is on a card.
#[derive(Clone)]
pub(crate) struct Chip {
    pub(crate) text: Vec<u8>,
    pub(crate) photo: Vec<u8>,
    /// The file of appended addresses.
    pub(crate) addresses: Option<Vec<u8>>,
    /// Both fingerprints; without them the module does not know `30 10`.
    pub(crate) fingerprints: Option<Vec<u8>>,
}

impl Chip {
    /// A card with this text and a photo of zeros.
    pub(crate) fn new(text: Vec<u8>) -> Self {
        Self { text, photo: vec![0; 1024], addresses: None, fingerprints: None }
    }
}

/// Zhang San of the module's documentation.
pub(crate) fn zhang_san() -> Vec<u8> {
    resident("张三", "1", "01", "19491231", "北京市朝阳区示例路1号", "11010519491231002X")
}

/// Somebody else.
pub(crate) fn li_si() -> Vec<u8> {
    resident("李四", "2", "11", "19900307", "示例市样品路１３８号", "990101199003070023")
}

fn resident(
    name: &str,
    sex: &str,
    nation: &str,
    birth: &str,
    address: &str,
    number: &str,
) -> Vec<u8> {
    block(&[
        (0, 30, name),
        (30, 2, sex),
        (32, 4, nation),
        (36, 16, birth),
        (52, 70, address),
        (122, 36, number),
        (158, 30, "北京市公安局朝阳分局"),
        (188, 16, "20200102"),
        (204, 16, "长期"),
    ])
}

/// A text block: offset, size in bytes and text of each field; the rest is U+0020.
pub(crate) fn block(fields: &[(usize, usize, &str)]) -> Vec<u8> {
    let mut block = [0x20, 0x00].repeat(128);
    for (offset, size, text) in fields {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(units.len() <= *size, "{text}");
        block[*offset..offset + units.len()].copy_from_slice(&units);
    }
    block
}

/// A reply with its head and check byte.
pub(crate) fn reply(status: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + data.len()).expect("a short reply").to_be_bytes();
    let mut frame = vec![0xAA, 0xAA, 0xAA, 0x96, 0x69, length[0], length[1], 0, 0, status];
    frame.extend_from_slice(data);
    frame.push(frame[5..].iter().fold(0, |check, byte| check ^ byte));
    frame
}

/// The reply to `read`: both lengths, text, photo.
pub(crate) fn read_reply(chip: &Chip) -> Vec<u8> {
    let mut data = Vec::new();
    for part in [&chip.text, &chip.photo] {
        data.extend(u16::try_from(part.len()).expect("a short part").to_be_bytes());
    }
    data.extend_from_slice(&chip.text);
    data.extend_from_slice(&chip.photo);
    reply(0x90, &data)
}

/// The reply to `read` with fingerprints: three lengths, text, photo, fingerprints.
pub(crate) fn read_all_reply(chip: &Chip) -> Option<Vec<u8>> {
    let parts = [&chip.text, &chip.photo, chip.fingerprints.as_ref()?];
    let length = |part: &&Vec<u8>| u16::try_from(part.len()).expect("a short part").to_be_bytes();
    let mut data: Vec<u8> = parts.iter().flat_map(length).collect();
    parts.iter().for_each(|part| data.extend_from_slice(part));
    Some(reply(0x90, &data))
}

/// A reader at a link that stays the same while it is unplugged and plugged in.
pub(crate) struct Reader {
    link: PathBuf,
    shared: Arc<Shared>,
    life: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Every request so far.
    asked: watch::Sender<Vec<Vec<u8>>>,
    plugged: watch::Sender<bool>,
    /// While it is, replies to `read` are not given.
    held: watch::Sender<bool>,
}

struct State {
    card: Option<Chip>,
    /// It was read, and is hidden until it is lifted.
    delivered: bool,
    manners: Manners,
    /// The plug comes out after so many bytes of the next reply to this request.
    unplug_at: Option<([u8; 10], usize)>,
    /// Statuses of the next replies to `read`, instead of the card.
    refusals: Vec<u8>,
    /// The rate at which it understands; at others it answers rubbish. `None`: at any.
    baud: Option<u32>,
}

impl Reader {
    /// A reader without a card, plugged in at `link`.
    pub(crate) fn new(link: &Path) -> Self {
        let state = State {
            card: None,
            delivered: false,
            manners: Manners::Plain,
            unplug_at: None,
            refusals: Vec::new(),
            baud: None,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            asked: watch::Sender::new(Vec::new()),
            plugged: watch::Sender::new(false),
            held: watch::Sender::new(false),
        });
        let mut reader = Self { link: link.to_owned(), shared, life: None };
        reader.plug_in();
        reader
    }

    /// Chooses the line's manners.
    pub(crate) fn manners(&self, manners: Manners) {
        self.shared.state.lock().unwrap().manners = manners;
    }

    /// Puts a card on.
    pub(crate) fn put(&self, chip: Chip) {
        let mut state = self.shared.state.lock().unwrap();
        state.card = Some(chip);
        state.delivered = false;
    }

    /// Lifts it.
    pub(crate) fn lift(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.card = None;
        state.delivered = false;
    }

    /// The next readings are refused with these statuses.
    pub(crate) fn refuse(&self, statuses: &[u8]) {
        self.shared.state.lock().unwrap().refusals = statuses.to_vec();
    }

    /// Pulls the plug after so many bytes of the next reply to `request`.
    pub(crate) fn unplug_at(&self, request: [u8; 10], bytes: usize) {
        self.shared.state.lock().unwrap().unplug_at = Some((request, bytes));
    }

    /// Sets the module's rate.
    pub(crate) fn baud(&self, baud: u32) {
        self.shared.state.lock().unwrap().baud = Some(baud);
    }

    /// Whether readings take for ever from now on.
    pub(crate) fn hold(&self, held: bool) {
        self.shared.held.send_replace(held);
    }

    /// Pulls the plug now.
    pub(crate) async fn unplug(&mut self) {
        if let Some(life) = self.life.take() {
            life.abort();
            let _ = life.await;
        }
        self.shared.plugged.send_replace(false);
    }

    /// Ends when the plug is out.
    pub(crate) async fn unplugged(&self) {
        let mut plugged = self.shared.plugged.subscribe();
        let _ = soon("the reader is unplugged", plugged.wait_for(|plugged| !plugged)).await;
    }

    /// Plugs it in, powered anew.
    pub(crate) fn plug_in(&mut self) {
        self.shared.state.lock().unwrap().delivered = false;
        let pty = Pty::open(Some(&self.link)).expect("a pty");
        self.shared.plugged.send_replace(true);
        let shared = Arc::clone(&self.shared);
        self.life = Some(tokio::spawn(async move {
            play(pty, &shared).await;
            shared.plugged.send_replace(false);
        }));
    }

    /// Requests so far, those that were sent again once.
    pub(crate) fn asked(&self) -> Vec<Vec<u8>> {
        let mut asked = self.shared.asked.borrow().clone();
        asked.dedup();
        asked
    }

    /// Ends when so many requests like this have come, from now on.
    pub(crate) async fn is_asked(&self, request: [u8; 10], times: usize) {
        let mut asked = self.shared.asked.subscribe();
        let count = |all: &Vec<Vec<u8>>| all.iter().filter(|one| **one == request).count();
        let before = count(&asked.borrow());
        let more = asked.wait_for(|all| count(all) >= before + times);
        let _ = soon(&format!("the reader is asked {request:02X?}"), more).await;
    }

    /// Sees every request.
    pub(crate) fn requests(&self) -> watch::Receiver<Vec<Vec<u8>>> {
        self.shared.asked.subscribe()
    }
}

async fn play(mut line: Pty, shared: &Shared) {
    let mut input = Vec::new();
    let mut chunk = [0; 64];
    loop {
        match line.read(&mut chunk).await {
            Ok(read) if read > 0 => input.extend_from_slice(&chunk[..read]),
            _ => return,
        }
        let understands = shared.state.lock().unwrap().baud;
        if understands.is_some() && understands != line.host_baud() {
            input.clear();
            if line.write_all(&[0x00, 0xFE, 0x80, 0xF8]).await.is_err() {
                return;
            }
        }
        while let Some(request) = take_request(&mut input) {
            shared.asked.send_modify(|asked| asked.push(request.clone()));
            if request == READ {
                let mut held = shared.held.subscribe();
                let _ = held.wait_for(|held| !held).await;
            }
            let (bytes, cut) = answer(&request, &mut shared.state.lock().unwrap());
            let manners = shared.state.lock().unwrap().manners;
            let size = if let Manners::Pieces(size) = manners { size } else { usize::MAX };
            for piece in bytes.chunks(size) {
                if line.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            if cut {
                // Dropping the line is pulling the plug.
                return;
            }
        }
    }
}

/// Requests without data have ten bytes, and no others are known here.
fn take_request(input: &mut Vec<u8>) -> Option<Vec<u8>> {
    (input.len() >= 10).then(|| input.drain(..10).collect())
}

/// What is written, and whether the plug comes out then.
fn answer(request: &[u8], state: &mut State) -> (Vec<u8>, bool) {
    let there = state.card.is_some() && !state.delivered;
    let mut frame = match <[u8; 10]>::try_from(request).expect("ten bytes") {
        RESET => {
            state.delivered = false;
            reply(0x90, &[])
        }
        STATUS => vec![0xAA, 0xAA, 0xAA, 0x96, 0x69, 0x00, 0x04, 0x00, 0x00, 0x90, 0x94],
        SAM_ID => vec![
            0xAA, 0xAA, 0xAA, 0x96, 0x69, 0x00, 0x14, 0x00, 0x00, 0x90, 0x05, 0x00, 0x03, 0x00,
            0xA6, 0x3A, 0x34, 0x01, 0x4E, 0x61, 0xBC, 0x00, 0xB1, 0x7F, 0x39, 0x05, 0x4A,
        ],
        FIND if there => {
            vec![0xAA, 0xAA, 0xAA, 0x96, 0x69, 0x00, 0x08, 0x00, 0x00, 0x9F, 0, 0, 0, 0, 0x97]
        }
        FIND => vec![0xAA, 0xAA, 0xAA, 0x96, 0x69, 0x00, 0x04, 0x00, 0x00, 0x80, 0x84],
        SELECT if there => reply(0x90, &[0; 8]),
        SELECT => vec![0xAA, 0xAA, 0xAA, 0x96, 0x69, 0x00, 0x04, 0x00, 0x00, 0x81, 0x85],
        READ if !state.refusals.is_empty() => reply(state.refusals.remove(0), &[]),
        READ => match &state.card {
            Some(chip) => {
                state.delivered = true;
                read_reply(chip)
            }
            None => reply(0x41, &[]),
        },
        READ_ALL => match state.card.as_ref().and_then(read_all_reply) {
            Some(frame) => {
                state.delivered = true;
                frame
            }
            None => reply(0x21, &[]),
        },
        ADDRESS => match state.card.as_ref().and_then(|chip| chip.addresses.as_ref()) {
            Some(file) => reply(0x90, file),
            None => vec![0xAA, 0xAA, 0xAA, 0x96, 0x69, 0x00, 0x04, 0x00, 0x00, 0x91, 0x95],
        },
        _ => reply(0x21, &[]),
    };
    if let Some((at, bytes)) = state.unplug_at
        && request == at
    {
        state.unplug_at = None;
        frame.truncate(bytes);
        return (frame, true);
    }
    match state.manners {
        Manners::Plain | Manners::Pieces(_) => {}
        Manners::Noise => {
            let noise = [0x00, 0xFF, 0xAA, 0xAA, 0x96, 0x55, 0xAA];
            frame = [&noise[..], &frame, &noise[..2]].concat();
        }
        Manners::FalseStart => {
            frame = [&frame[..5], &frame[..5], &frame].concat();
        }
        Manners::Overlap => {
            frame = [&frame[..5], &[0x00, 0x0C, 0x00, 0x00], &frame].concat();
        }
        Manners::Swallowed => {
            frame = [&frame[..5], &[0x09, 0x60], &frame].concat();
        }
        Manners::Glued => frame.extend(reply(0x24, &[])),
        Manners::Torn if request == FIND => {
            frame.truncate(7);
            state.manners = Manners::Plain;
        }
        Manners::Damaged if request == READ => {
            *frame.last_mut().expect("a check byte") ^= 0x01;
            // The module does not know that its reply was damaged: the card is hidden now.
            state.manners = Manners::Plain;
        }
        Manners::Torn | Manners::Damaged => {}
    }
    (frame, false)
}
