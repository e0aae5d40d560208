//! Which readers there are and what lies in them: one thread for the process, asleep in
//! `SCardGetStatusChange`.
//!
//! ```text
//! establish ─► list ─► wait ─► tell ─┐      any error: "the service is not there",
//!     ▲         ▲──────────────────┘      and everything from the beginning 2 s later
//!     └── error ◄──────┘
//! ```
//!
//! [`super::PcscPort`] starts it and reads what it tells from a watch channel. It ends with the
//! first thing that it would tell to nobody, or with the process.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use pcsc::{Context, Error, PNP_NOTIFICATION, ReaderState, Scope, State};
use tokio::sync::watch;

use super::faults::NOT_RUNNING;
use crate::port::card::{Content, Holds};

/// What the thread knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Nothing yet.
    Unknown,
    /// The service is not there; why, in words.
    NoService(String),
    /// The readers, in the order of their names.
    Readers(Vec<Reader>),
}

/// A slot, as PC/SC has it: it calls each slot of a device a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reader {
    pub(super) name: String,
    pub(super) holds: Holds,
}

impl View {
    /// What the slot of this name holds, if it is there.
    pub(super) fn holds(&self, name: &str) -> Option<Holds> {
        let Self::Readers(readers) = self else { return None };
        readers.iter().find(|reader| reader.name == name).map(|reader| reader.holds.clone())
    }
}

/// How often a service that is not there is looked for.
const AGAIN: Duration = Duration::from_secs(2);

/// How long the thread sleeps at most when nothing happens. A reader that comes between listing and
/// waiting is not told by pcscd before 2.3: it is found after this.
const LONG: Duration = Duration::from_secs(45);

/// How long it sleeps after something changed: readers with several slots come one slot after
/// another, so the moment between listing and waiting matters then.
const SHORT: Duration = Duration::from_secs(1);

/// Before a list that was not true any more is asked for again.
const BREATH: Duration = Duration::from_millis(100);

/// `SCardGetStatusChange` of pcscd before 2.5 takes no more entries; with so many readers there is
/// no room for the one that tells of new ones, and in pcscd none for new ones.
const ENTRIES: usize = 16;

/// Numbers of cards that were put in. One count for all readers and all of the process's life, so
/// that no number comes twice, not even when pcscd's own counters begin anew.
static INSERTIONS: AtomicU64 = AtomicU64::new(0);

/// Starts the thread.
pub(super) fn start() -> io::Result<watch::Receiver<View>> {
    let (said, heard) = watch::channel(View::Unknown);
    thread::Builder::new().name("pcsc monitor".to_owned()).spawn(move || follow_service(&said))?;
    Ok(heard)
}

fn follow_service(said: &watch::Sender<View>) {
    while !said.is_closed() {
        let error = match Context::establish(Scope::User) {
            Ok(context) => follow_readers(&context, said),
            Err(error) => error,
        };
        let words = match error {
            Error::NoService => NOT_RUNNING.to_owned(),
            error => format!("{NOT_RUNNING}; what it said last: {error}"),
        };
        tell(said, View::NoService(words));
        thread::sleep(AGAIN);
    }
}

/// Tells what changes until the service fails, or nobody listens any more.
fn follow_readers(context: &Context, said: &watch::Sender<View>) -> Error {
    let mut entries: Vec<ReaderState> = Vec::new();
    let mut known = Known::default();
    let mut settled = false;
    while !said.is_closed() {
        let relisted = match context.list_readers_owned() {
            Ok(names) => relist(&mut entries, &names),
            // One came between the library's two questions, for the length and for the names.
            Err(Error::InsufficientBuffer) => {
                thread::sleep(BREATH);
                continue;
            }
            Err(error) => return error,
        };
        let wait = if settled && !relisted { LONG } else { SHORT };
        match context.get_status_change(wait, &mut entries) {
            Ok(()) | Err(Error::Timeout) => {}
            // One went after it was listed.
            Err(Error::UnknownReader) => {
                thread::sleep(BREATH);
                continue;
            }
            Err(error) => return error,
        }
        let readers = entries.iter().filter(|entry| entry.name() != PNP_NOTIFICATION());
        let view = known.look(readers.filter_map(|entry| {
            let name = entry.name().to_str().ok()?;
            Some(Look {
                name,
                state: entry.event_state(),
                count: entry.event_count(),
                atr: entry.atr(),
            })
        }));
        let news = tell(said, view);
        settled = !relisted && !news;
        for entry in &mut entries {
            entry.sync_current_state();
        }
        // A reader that is just being added has no state, and with that nothing is waited for.
        if entries.iter().any(|entry| nothing_said(entry.event_state(), entry.name())) {
            thread::sleep(BREATH);
        }
    }
    Error::Cancelled
}

/// Has an entry for each of the readers, and the one that tells of new ones; those that stay keep
/// what was seen of them. Whether anything changed.
fn relist(entries: &mut Vec<ReaderState>, names: &[CString]) -> bool {
    let listed = |entry: &ReaderState| names.iter().any(|name| name.as_c_str() == entry.name());
    let before = entries.len();
    entries.retain(|entry| {
        listed(entry) || (entry.name() == PNP_NOTIFICATION() && names.len() < ENTRIES)
    });
    let mut changed = entries.len() != before;
    let room = (names.len() < ENTRIES).then(|| PNP_NOTIFICATION().to_owned());
    for name in names.iter().chain(&room) {
        if !entries.iter().any(|entry| entry.name() == name.as_c_str()) {
            entries.push(ReaderState::new(name.clone(), State::UNAWARE));
            changed = true;
        }
    }
    changed
}

fn nothing_said(state: State, name: &CStr) -> bool {
    let something = State::PRESENT | State::EMPTY | State::UNAVAILABLE | State::UNKNOWN;
    name != PNP_NOTIFICATION() && !state.intersects(something)
}

/// Publishes what is new; whether it is.
fn tell(said: &watch::Sender<View>, view: View) -> bool {
    said.send_if_modified(|now| {
        let news = *now != view;
        *now = view;
        news
    })
}

/// One reader, as `SCardGetStatusChange` tells it.
struct Look<'a> {
    name: &'a str,
    state: State,
    /// Counts the cards that were put in and taken away, to 65,535 and from the beginning.
    count: u32,
    atr: &'a [u8],
}

/// What was seen last of each reader that can be used.
#[derive(Default)]
struct Known(BTreeMap<String, (u32, Holds)>);

impl Known {
    /// Takes in how all readers look now. Who uses a card is no news, and one that is powered off
    /// because nobody does is the same card.
    fn look<'a>(&mut self, looks: impl Iterator<Item = Look<'a>>) -> View {
        let mut before = std::mem::take(&mut self.0);
        for look in looks {
            let Some(what) = content(look.state, look.atr) else { continue };
            let (count, held) = before.remove(look.name).unwrap_or_default();
            let put_in =
                what != Content::Nothing && (held.what == Content::Nothing || count != look.count);
            let number =
                if put_in { INSERTIONS.fetch_add(1, Ordering::Relaxed) + 1 } else { held.number };
            self.0.insert(look.name.to_owned(), (look.count, Holds { what, number }));
        }
        let readers = self.0.iter();
        View::Readers(
            readers
                .map(|(name, (_, holds))| Reader { name: name.clone(), holds: holds.clone() })
                .collect(),
        )
    }
}

/// What lies in a reader of this state; nothing at all for one that does not work: its cable is
/// pulled, and pcscd has not dropped it yet.
fn content(state: State, atr: &[u8]) -> Option<Content> {
    if state.intersects(State::UNAVAILABLE | State::UNKNOWN) {
        None
    } else if !state.contains(State::PRESENT) {
        Some(Content::Nothing)
    } else if state.contains(State::MUTE) {
        Some(Content::Mute)
    } else {
        Some(Content::Card(atr.to_vec()))
    }
}

#[cfg(test)]
mod tests;
