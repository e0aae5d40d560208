//! Compares what clients get with what they got then, while it happens.
//!
//! ```text
//! recording ── expected ─► ┐                  ┌─► equal, or differs
//!                          ├─ same key, in order
//! replay ───── got ──────► ┘                  └─► nobody's twin for the tolerance: missing, extra
//! ```
//!
//! Each client by itself. What waits for its twin waits no longer than the tolerance, so that
//! memory holds a few seconds of a recording, however long it is. Bytes are compared first, and
//! JSON is parsed only where they differ.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::compare::{Exactness, changes, shortened};
use super::difference::{Difference, Found, Teller, What};
use super::faults::Expectations;
use super::key::Key;

/// Reported frames that are remembered for one client, for their late twins.
const REMEMBERED: usize = 256;

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
    /// Reported as missing.
    missing: VecDeque<Waiting>,
    /// Reported as extra.
    extra: VecDeque<Waiting>,
    /// In place of these a script expects others, which have not come yet.
    replaced: VecDeque<Waiting>,
    /// So many frames of a key came in place of some that have not been expected yet.
    credit: Vec<Key>,
    end_expected: Option<(u64, i64, String)>,
    end_got: Option<i64>,
    last_of_script: Option<String>,
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
    /// In the recording; 0 for what came in the replay.
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

    /// Without its bytes, to be remembered.
    fn remembered(mut self) -> Self {
        self.key();
        self.frame = Bytes::new();
        self
    }
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

    /// A frame that the client got then, without its line's end.
    pub fn expect(&mut self, client: u64, line: u64, t: i64, frame: Bytes) {
        let Some(own) = self.clients.get_mut(&client) else { return };
        if t >= self.rules.horizon || own.closed {
            return;
        }
        let expected = Waiting::new(line, t, frame);
        // Keys are made only where there is anything to compare them with.
        let credit = |key: &Key| key == expected.key();
        if let Some(at) = own.credit.iter().position(credit) {
            own.credit.remove(at);
            return;
        }
        let mut report = Report::of(client, &own.head, &self.rules, &mut self.found);
        if let Some(at) = twin(&own.got, &expected)
            && let Some(got) = own.got.remove(at)
        {
            self.compared += u64::from(!own.head.muted);
            report.twins(&expected, &got, at);
        } else if let Some(at) = own.extra.iter().position(|one| one.key() == expected.key())
            && let Some(got) = own.extra.remove(at)
        {
            report.moved(&expected, got.t - expected.t);
        } else {
            own.expected.push_back(expected);
            self.busy.insert(client);
        }
    }

    /// A frame that the client gets now, without its line's end.
    pub fn got(&mut self, client: u64, t: i64, frame: Bytes) {
        let Some(own) = self.clients.get_mut(&client) else { return };
        // What was so already when the recording began is not in it.
        if t < 0 {
            return;
        }
        let got = Waiting::new(0, t, frame);
        if let Some(script) = &mut self.rules.script {
            let key = got.key();
            if script.concerns(client, key) {
                own.last_of_script = Some(shortened(&String::from_utf8_lossy(&got.frame)));
                if script.meets(client, key, &got.frame) {
                    own.stands_for(key);
                    return;
                }
            }
        }
        let mut report = Report::of(client, &own.head, &self.rules, &mut self.found);
        if let Some(at) = twin(&own.expected, &got)
            && let Some(expected) = own.expected.remove(at)
        {
            self.compared += u64::from(!own.head.muted);
            report.twins(&expected, &got, at);
        } else if let Some(at) = own.missing.iter().position(|one| one.key() == got.key())
            && let Some(expected) = own.missing.remove(at)
        {
            report.moved(&expected, t - expected.t);
        } else if t < self.rules.horizon && !own.closed {
            own.got.push_back(got);
            self.busy.insert(client);
        }
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
        if let Some(script) = &self.rules.script {
            for unmet in script.unmet() {
                let own = self.clients.get(&unmet.client);
                self.found.add(Difference {
                    client: Some(unmet.client),
                    file: script.file().to_owned(),
                    line: Some(unmet.line),
                    micros: self.rules.horizon,
                    about: unmet.about.clone(),
                    what: What::Unmet { instead: own.and_then(|own| own.last_of_script.clone()) },
                });
            }
        }
        Verdict { found: self.found, compared: self.compared }
    }
}

/// What came of it.
pub struct Verdict {
    /// What differs.
    pub found: Found,
    /// Frames that had a twin.
    pub compared: u64,
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
            && self.end_expected.is_none()
            && self.end_got.is_none()
    }

    fn expire(&mut self, number: u64, before: i64, rules: &Rules, found: &mut Found) {
        let script = rules.script.as_ref();
        let mut report = Report::of(number, &self.head, rules, found);
        while let Some(expected) = take_older(&mut self.expected, before) {
            if script.is_some_and(|script| script.concerns(number, expected.key())) {
                remember(&mut self.replaced, expected);
            } else {
                report.missing(&expected);
                remember(&mut self.missing, expected);
            }
        }
        while let Some(got) = take_older(&mut self.got, before) {
            report.extra(&got);
            remember(&mut self.extra, got);
        }
        if let Some((line, t, why)) = self.end_expected.take_if(|(_, t, _)| *t < before) {
            report.add(Some(line), t, "the connection", What::WentOn(why));
        }
        if let Some(t) = self.end_got.take_if(|t| *t < before)
            && t < rules.horizon - rules.edge
        {
            report.add(None, t, "the connection", What::Ended);
        }
    }
}

fn take_older(queue: &mut VecDeque<Waiting>, before: i64) -> Option<Waiting> {
    if queue.front()?.t < before { queue.pop_front() } else { None }
}

fn remember(queue: &mut VecDeque<Waiting>, one: Waiting) {
    if queue.len() >= REMEMBERED {
        queue.pop_front();
    }
    queue.push_back(one.remembered());
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

    fn add(&mut self, line: Option<u64>, micros: i64, about: &str, what: What) {
        if self.head.muted {
            return;
        }
        let (client, file) = (Some(self.client), self.head.file.clone());
        self.found.add(Difference { client, file, line, micros, about: about.to_owned(), what });
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
            self.add(line, micros, &key.to_string(), what);
        }
    }

    /// `at` is how many others waited before the twin that came first.
    fn twins(&mut self, expected: &Waiting, got: &Waiting, at: usize) {
        if expected.frame != got.frame {
            let kind = &expected.key().kind;
            let changes = changes(kind, &expected.frame, &got.frame, self.rules.exactness);
            if !changes.is_empty() {
                self.frame(expected, got.t, What::Changed(changes));
            }
        }
        let moved = got.t - expected.t;
        if moved.abs() > self.rules.tolerance {
            self.moved(expected, moved);
        }
        if self.rules.strict && at > 0 {
            self.frame(expected, got.t, What::Order);
        }
    }

    fn moved(&mut self, expected: &Waiting, by: i64) {
        self.frame(expected, expected.t, What::Moved(by));
    }

    fn missing(&mut self, expected: &Waiting) {
        self.frame(expected, expected.t, What::Missing);
    }

    fn extra(&mut self, got: &Waiting) {
        // Shortly before the end its twin may stand behind it.
        if got.t < self.rules.horizon - self.rules.edge {
            let frame = shortened(&String::from_utf8_lossy(&got.frame));
            self.told(got.key(), None, got.t, What::Extra { frame });
        }
    }
}
