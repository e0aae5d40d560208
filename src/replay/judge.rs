//! Compares what clients get with what they got then, while it happens.
//!
//! ```text
//! recording ── expected ─► ┐                  ┌─► equal, or differs
//!                          ├─ same key, in order
//! replay ───── got ──────► ┘                  └─► nobody's twin for the tolerance: missing, extra
//! ```
//!
//! Each client by itself. What waits for its twin is given up after the tolerance, and remembered
//! for half a minute more, so that one that comes late is told once, as late. Memory holds that
//! much of a recording, however long it is. Bytes are compared first, and
//! JSON is parsed only where they differ.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::compare::{Change, Exactness, changes, shown};
use super::difference::{Difference, Found, Teller, What};
use super::faults::Expectations;
use super::key::{Key, Kind};

/// Frames without a twin that are remembered for one client, for late twins; the oldest is told
/// when there are more.
const REMEMBERED: usize = 256;

/// So much beyond the tolerance a frame is told as one that came late or early, in microseconds.
/// What is farther off is told as one that is missing and one too many.
const LATE: i64 = 30_000_000;

/// By what is compared.
#[derive(Clone, Default)]
pub struct Rules {
    /// How far apart in time twins may be, in microseconds.
    pub tolerance: i64,
    /// The order of all frames of a client counts.
    pub strict: bool,
    /// The clients that are compared; all if there are none.
    pub only: BTreeSet<u64>,
    /// How strictly values are compared.
    pub exactness: Exactness,
    /// From this time on nothing is expected, in microseconds since the recording began.
    pub horizon: i64,
    /// Frames that came so shortly before the horizon may have their twin behind it.
    pub edge: i64,
    /// What a fault script expects.
    pub script: Option<Expectations>,
    /// Is told of each difference when it is found.
    pub tell: Option<Teller>,
}

/// Compares.
pub struct Judge {
    rules: Rules,
    clients: BTreeMap<u64, Client>,
    /// Those of them with frames that wait, and some whose frames have just met: a day has
    /// thousands of clients, and few at a time.
    busy: BTreeSet<u64>,
    found: Found,
    compared: u64,
}

#[derive(Default)]
struct Client {
    head: Head,
    expected: VecDeque<Waiting>,
    got: VecDeque<Waiting>,
    /// Waited in vain for the tolerance, and may still come late.
    missing: VecDeque<Waiting>,
    /// Nobody expected them for the tolerance; they may have come early.
    extra: VecDeque<Waiting>,
    /// In place of these a script expects others, which have not come yet.
    replaced: VecDeque<Waiting>,
    /// So many frames of a key came in place of some that have not been expected yet.
    credit: Vec<Key>,
    end_expected: Option<(u64, i64, String)>,
    end_got: Option<i64>,
    last_of_script: Option<Bytes>,
    /// Nothing more is expected of it.
    closed: bool,
}

#[derive(Default)]
struct Head {
    file: String,
    /// Its differences are not told.
    muted: bool,
}

/// A frame that waits for its twin.
struct Waiting {
    /// Its line in the recording; for what came in the replay its number.
    line: u64,
    t: i64,
    frame: Bytes,
    key: OnceCell<Key>,
}

impl Waiting {
    fn new(line: u64, t: i64, frame: Bytes) -> Self {
        Self { line, t, frame, key: OnceCell::new() }
    }

    fn key(&self) -> &Key {
        self.key.get_or_init(|| Key::of(&self.frame))
    }
}

/// Two frames that stand for one another, at about the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The line in the recording.
    pub line: u64,
    /// The number of the frame that came.
    pub number: u64,
    /// They say the same.
    pub same: bool,
}

impl Default for Judge {
    fn default() -> Self {
        Self::new(Rules::default())
    }
}

impl Judge {
    /// Compares by these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let found = Found::new(rules.tell.clone());
        Self { rules, clients: BTreeMap::new(), busy: BTreeSet::new(), found, compared: 0 }
    }

    /// A client whose frames are in this file.
    pub fn client(&mut self, number: u64, file: &str) {
        let own = self.clients.entry(number).or_default();
        own.head.file = file.to_owned();
        // It is compared all the same, as how it goes on depends on what has come.
        own.head.muted = !self.rules.only.is_empty() && !self.rules.only.contains(&number);
    }

    /// Whether a frame that stands behind this line of the client's file is waited for.
    #[must_use]
    pub fn awaits(&self, client: u64, after: u64) -> bool {
        let own = self.clients.get(&client);
        own.is_some_and(|own| own.expected.iter().any(|expected| expected.line > after))
    }

    /// Whether a frame of any client is waited for.
    #[must_use]
    pub fn awaits_any(&self) -> bool {
        let awaits = |number| self.clients.get(number).is_some_and(|own| !own.expected.is_empty());
        self.busy.iter().any(awaits)
    }

    /// A frame that the client got then, without its line's end; its twin, if that has come.
    pub fn expect(&mut self, client: u64, line: u64, t: i64, frame: Bytes) -> Option<Pair> {
        let own = self.clients.get_mut(&client)?;
        if t >= self.rules.horizon || own.closed {
            return None;
        }
        let expected = Waiting::new(line, t, frame);
        // Keys are made only where there is anything to compare them with.
        let credit = |key: &Key| key == expected.key();
        if let Some(at) = own.credit.iter().position(credit) {
            own.credit.remove(at);
            return None;
        }
        let mut report = Report::of(client, &own.head, &self.rules, &mut self.found);
        if let Some(at) = twin(&own.got, &expected)
            && let Some(got) = own.got.remove(at)
        {
            self.compared += u64::from(!own.head.muted);
            return report.twins(&expected, &got, at);
        } else if let Some(at) = late_twin(&own.extra, &expected, self.rules.exactness)
            && let Some(got) = own.extra.remove(at)
        {
            self.compared += u64::from(!own.head.muted);
            return report.twins(&expected, &got, 0);
        }
        own.expected.push_back(expected);
        self.busy.insert(client);
        None
    }

    /// A frame that the client gets now, without its line's end; `number` is any that no other has.
    /// Its twin, if that is known.
    pub fn got(&mut self, client: u64, number: u64, t: i64, frame: Bytes) -> Option<Pair> {
        let own = self.clients.get_mut(&client)?;
        // What was so already when the recording began is not in it.
        if t < 0 {
            return None;
        }
        let got = Waiting::new(number, t, frame);
        if let Some(script) = &mut self.rules.script {
            let key = got.key();
            if script.concerns(client, key) {
                own.last_of_script = Some(got.frame.clone());
                if script.meets(client, key, &got.frame) {
                    own.stands_for(key);
                    return None;
                }
            }
        }
        let mut report = Report::of(client, &own.head, &self.rules, &mut self.found);
        if let Some(at) = twin(&own.expected, &got)
            && let Some(expected) = own.expected.remove(at)
        {
            self.compared += u64::from(!own.head.muted);
            return report.twins(&expected, &got, at);
        } else if let Some(at) = late_twin(&own.missing, &got, self.rules.exactness)
            && let Some(expected) = own.missing.remove(at)
        {
            self.compared += u64::from(!own.head.muted);
            return report.twins(&expected, &got, 0);
        } else if t < self.rules.horizon && !own.closed {
            own.got.push_back(got);
            self.busy.insert(client);
        }
        None
    }

    /// The connection was over then, by the daemon's own doing.
    pub fn expect_end(&mut self, client: u64, line: u64, t: i64, why: String) {
        if let Some(own) = self.clients.get_mut(&client)
            && t < self.rules.horizon
            && own.end_got.take().is_none()
        {
            own.end_expected = Some((line, t, why));
            self.busy.insert(client);
        }
    }

    /// The connection is over now, by the daemon's own doing.
    pub fn got_end(&mut self, client: u64, t: i64) {
        if let Some(own) = self.clients.get_mut(&client)
            && t < self.rules.horizon
            && own.end_expected.take().is_none()
        {
            own.end_got = Some(t);
            self.busy.insert(client);
        }
    }

    /// Of this client nothing more is expected; what is on its way may come.
    pub fn close(&mut self, client: u64) {
        if let Some(own) = self.clients.get_mut(&client) {
            own.closed = true;
        }
    }

    /// From this time on nothing is expected of anybody.
    pub fn stop_expecting(&mut self, t: i64) {
        self.rules.horizon = self.rules.horizon.min(t);
    }

    /// Nothing waits for its twin, as of the last [`Judge::pass`] at least.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.busy.is_empty()
    }

    /// It is so late now: what has waited for its twin for longer than the tolerance has none.
    pub fn pass(&mut self, now: i64) {
        let before = now - self.rules.tolerance;
        self.busy.retain(|number| {
            let Some(own) = self.clients.get_mut(number) else { return false };
            own.expire(*number, before, &self.rules, &mut self.found);
            !own.is_idle()
        });
    }

    /// Nothing more comes: what still waits has no twin.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        self.pass(i64::MAX);
        for (number, own) in &mut self.clients {
            let mut report = Report::of(*number, &own.head, &self.rules, &mut self.found);
            let replaced = std::mem::take(&mut own.replaced);
            replaced.iter().for_each(|expected| report.missing(expected));
        }
        let mut expectations = (0, 0);
        if let Some(script) = &self.rules.script {
            for unmet in script.unmet() {
                let own = self.clients.get(&unmet.client);
                let instead = own.and_then(|own| own.last_of_script.as_ref());
                self.found.add(Difference {
                    client: Some(unmet.client),
                    file: script.file().to_owned(),
                    line: Some(unmet.line),
                    micros: self.rules.horizon,
                    about: unmet.about.clone(),
                    call: Some(unmet.name().to_owned()),
                    task_id: unmet.task_id(),
                    what: What::Unmet {
                        expected: unmet.frame().clone(),
                        instead: instead.map(|frame| shown(frame)),
                    },
                });
            }
            let (all, unmet) = (script.len(), script.unmet().count());
            expectations = (all - unmet, all);
        }
        Verdict { found: self.found, compared: self.compared, expectations }
    }
}

/// What came of it.
pub struct Verdict {
    /// What differs.
    pub found: Found,
    /// Frames that had a twin.
    pub compared: u64,
    /// What the fault script expected: met, of all.
    pub expectations: (usize, usize),
}

impl Client {
    /// A frame came that a script expects: the one that the recording has in its place does not
    /// count.
    fn stands_for(&mut self, key: &Key) {
        for queue in [&mut self.expected, &mut self.replaced] {
            if let Some(at) = queue.iter().position(|expected| expected.key() == key) {
                queue.remove(at);
                return;
            }
        }
        self.credit.push(key.clone());
    }

    fn is_idle(&self) -> bool {
        self.expected.is_empty()
            && self.got.is_empty()
            && self.missing.is_empty()
            && self.extra.is_empty()
            && self.end_expected.is_none()
            && self.end_got.is_none()
    }

    fn expire(&mut self, number: u64, before: i64, rules: &Rules, found: &mut Found) {
        let script = rules.script.as_ref();
        let mut report = Report::of(number, &self.head, rules, found);
        while let Some(expected) = take_older(&mut self.expected, before) {
            if script.is_some_and(|script| script.concerns(number, expected.key())) {
                // What it expects instead comes at any time.
                remember(&mut self.replaced, expected);
            } else if let Some(oldest) = remember(&mut self.missing, expected) {
                report.missing(&oldest);
            }
        }
        while let Some(got) = take_older(&mut self.got, before) {
            if let Some(oldest) = remember(&mut self.extra, got) {
                report.extra(&oldest);
            }
        }
        let long_before = before.saturating_sub(LATE);
        while let Some(expected) = take_older(&mut self.missing, long_before) {
            report.missing(&expected);
        }
        while let Some(got) = take_older(&mut self.extra, long_before) {
            report.extra(&got);
        }
        if let Some((line, t, why)) = self.end_expected.take_if(|(_, t, _)| *t < before) {
            report.connection(Some(line), t, What::WentOn(why));
        }
        if let Some(t) = self.end_got.take_if(|t| *t < before)
            && t < rules.horizon - rules.edge
        {
            report.connection(None, t, What::Ended);
        }
    }
}

fn take_older(queue: &mut VecDeque<Waiting>, before: i64) -> Option<Waiting> {
    if queue.front()?.t < before { queue.pop_front() } else { None }
}

/// Puts it among what is remembered; gives back the oldest if there is no room for both.
fn remember(queue: &mut VecDeque<Waiting>, one: Waiting) -> Option<Waiting> {
    let oldest = if queue.len() >= REMEMBERED { queue.pop_front() } else { None };
    queue.push_back(one);
    oldest
}

/// The place of the first that was given up and is `one`'s twin all the same. An event has nothing
/// but its content that tells it from the next of its channel.
fn late_twin(queue: &VecDeque<Waiting>, one: &Waiting, exactness: Exactness) -> Option<usize> {
    queue.iter().position(|other| {
        let kind = &one.key().kind;
        let told_apart = !matches!(kind, Kind::Event { .. } | Kind::Other);
        other.key() == one.key()
            && (told_apart || changes(kind, &other.frame, &one.frame, exactness).is_empty())
    })
}

/// The place of the first frame with the same key. Equal bytes have equal keys, and mostly the
/// first is the one.
fn twin(queue: &VecDeque<Waiting>, one: &Waiting) -> Option<usize> {
    if queue.front().is_some_and(|first| first.frame == one.frame) {
        return Some(0);
    }
    queue.iter().position(|other| other.key() == one.key())
}

/// Differences of one client.
struct Report<'a> {
    client: u64,
    head: &'a Head,
    rules: &'a Rules,
    found: &'a mut Found,
}

impl<'a> Report<'a> {
    fn of(client: u64, head: &'a Head, rules: &'a Rules, found: &'a mut Found) -> Self {
        Self { client, head, rules, found }
    }

    /// About the connection itself.
    fn connection(&mut self, line: Option<u64>, micros: i64, what: What) {
        self.add(line, micros, None, what);
    }

    fn add(&mut self, line: Option<u64>, micros: i64, key: Option<&Key>, what: What) {
        if self.head.muted {
            return;
        }
        let (client, file) = (Some(self.client), self.head.file.clone());
        let about = key.map_or_else(|| "the connection".to_owned(), Key::to_string);
        let (call, task_id) = key.map(Key::names).unwrap_or_default();
        self.found.add(Difference { client, file, line, micros, about, call, task_id, what });
    }

    /// About a frame that the recording has.
    fn frame(&mut self, expected: &Waiting, micros: i64, what: What) {
        self.told(expected.key(), Some(expected.line), micros, what);
    }

    fn told(&mut self, key: &Key, line: Option<u64>, micros: i64, what: What) {
        // Only what a script expects counts, if it says so.
        let counts =
            |script: &Expectations| !script.only_own() || script.concerns(self.client, key);
        if self.rules.script.as_ref().is_none_or(counts) {
            self.add(line, micros, Some(key), what);
        }
    }

    /// `at` is how many others waited before the twin that came first.
    fn twins(&mut self, expected: &Waiting, got: &Waiting, at: usize) -> Option<Pair> {
        let changes = self.changes(expected, got);
        let (same, by) = (changes.is_empty(), got.t - expected.t);
        let moved = by.abs() > self.rules.tolerance;
        if moved {
            self.frame(expected, expected.t, What::Moved { by, changes });
        } else if !same {
            self.frame(expected, got.t, What::Changed(changes));
        }
        let out_of_order = self.rules.strict && at > 0;
        if out_of_order {
            self.frame(expected, got.t, What::Order);
        }
        let pair = Pair { line: expected.line, number: got.line, same };
        (!moved && !out_of_order).then_some(pair)
    }

    fn changes(&self, expected: &Waiting, got: &Waiting) -> Vec<Change> {
        if expected.frame == got.frame {
            return Vec::new();
        }
        changes(&expected.key().kind, &expected.frame, &got.frame, self.rules.exactness)
    }

    fn missing(&mut self, expected: &Waiting) {
        let what = What::Missing { frame: shown(&expected.frame) };
        self.frame(expected, expected.t, what);
    }

    fn extra(&mut self, got: &Waiting) {
        // Shortly before the end its twin may stand behind it.
        if got.t < self.rules.horizon - self.rules.edge {
            self.told(got.key(), None, got.t, What::Extra { frame: shown(&got.frame) });
        }
    }
}
