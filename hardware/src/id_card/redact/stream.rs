//! Frames and garbage in what came from a SAM-V module, and the same bytes with other contents.
//!
//! The reader of frames sees no difference if four things stay: where the preambles stand, the
//! lengths and statuses behind them, and which of the announced frames have a check byte that
//! fits. All other bytes are free. A head may be false, noise that looks like one, with true
//! frames behind it or within its length; heads, true or false, are kept as they are.

use std::ops::Range;

use super::super::frame::{Garbled, HEAD, Judged, PREAMBLE, exclusive_or, judge};
use super::reply::{self, Check};
use crate::pseudonym::Pseudonyms;

/// The shortest body that is believed of a reply: three status bytes and the check byte.
const MIN_BODY: usize = 4;

/// Status bytes of a reply.
const STATUS: usize = 3;

/// How far back bytes are held for the sake of a false head whose announced end is not let go
/// yet: two frames of the greatest length. Only a line that says nothing but heads gets there.
const MOST_BEHIND: usize = 2 * (HEAD + 2400);

/// How often other filler is tried when a damaged frame's check byte fits by chance, which it
/// does once in 256 times.
const TRIES: u32 = 16;

/// A preamble that is not within a good frame.
struct Head {
    at: usize,
    /// How much of it stays: preamble, length and status, or less if more has not come or the
    /// length is none.
    kept: Range<usize>,
    /// The whole announced frame, if it has come and its check byte does not fit.
    damaged: Option<Range<usize>>,
}

impl Head {
    /// Where that ends which has to be let go together with the head's begin.
    fn reach(&self) -> usize {
        self.damaged.as_ref().map_or(self.kept.end, |frame| frame.end)
    }
}

/// The first of `bytes`, as many as can be told, with other contents; all, if the stream has
/// `ended`. They are what came since the last request, whose command is `command`.
pub(super) fn replaced(
    bytes: &[u8],
    ended: bool,
    command: Option<[u8; 2]>,
    pseudonyms: &Pseudonyms,
) -> Vec<u8> {
    let (frames, at) = walk(bytes, ended);
    if at == 0 {
        return Vec::new();
    }
    let heads = heads(bytes, &frames);
    let mut end = at;
    if !ended {
        for head in heads.iter().rev() {
            if head.at < end && head.reach() > end && at - head.at <= MOST_BEHIND {
                end = head.at;
            }
        }
    }
    let bytes = bytes.get(..end).unwrap_or_default();
    let frames: Vec<Range<usize>> = frames.into_iter().filter(|frame| frame.end <= end).collect();
    let heads: Vec<Head> = heads.into_iter().filter(|head| head.at < end).collect();
    let attempt = |salt| attempt(bytes, &frames, &heads, command, pseudonyms, salt);
    let mut replaced = attempt(0);
    for salt in 1..TRIES {
        if is_alike(&replaced, &frames, &heads) {
            break;
        }
        replaced = attempt(salt);
    }
    keep_damaged(&mut replaced, &heads);
    replaced
}

/// Goes through the bytes as the reader of frames does: the good frames, and where the reader
/// waits for more. When the stream has ended it looks behind a head that waits in vain.
fn walk(bytes: &[u8], ended: bool) -> (Vec<Range<usize>>, usize) {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if !may_begin(rest) {
            at += 1;
            continue;
        }
        let found = match judge(rest, MIN_BODY) {
            Judged::Garbled(_) => {
                at += 1;
                continue;
            }
            Judged::Whole(body) => Some(at..at + HEAD + body + 1),
            Judged::Unfinished if ended => (at + 1..bytes.len()).find_map(|inner| {
                let rest = bytes.get(inner..).filter(|rest| rest.starts_with(&PREAMBLE))?;
                match judge(rest, MIN_BODY) {
                    Judged::Whole(body) => Some(inner..inner + HEAD + body + 1),
                    Judged::Unfinished | Judged::Garbled(_) => None,
                }
            }),
            Judged::Unfinished => break,
        };
        match found {
            Some(frame) => {
                at = frame.end;
                frames.push(frame);
            }
            None => at = bytes.len(),
        }
    }
    (frames, at)
}

/// Whether bytes are a preamble, or what may become one.
fn may_begin(bytes: &[u8]) -> bool {
    let known = bytes.len().min(PREAMBLE.len());
    bytes.get(..known) == PREAMBLE.get(..known)
}

/// Every preamble that is not within a good frame.
fn heads(bytes: &[u8], frames: &[Range<usize>]) -> Vec<Head> {
    let head = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        let announced = match rest.get(PREAMBLE.len()..HEAD) {
            Some([high, low]) => usize::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        };
        let whole = at..at + HEAD + announced;
        let (kept, damaged) = match judge(rest, MIN_BODY) {
            Judged::Garbled(Garbled::Length(_)) => (HEAD, None),
            Judged::Garbled(Garbled::Checksum) => (HEAD + STATUS, Some(whole)),
            Judged::Unfinished | Judged::Whole(_) => (HEAD + STATUS, None),
        };
        Head { at, kept: at..(at + kept).min(bytes.len()), damaged }
    };
    preambles(bytes, frames).map(head).collect()
}

fn preambles<'a>(bytes: &'a [u8], frames: &'a [Range<usize>]) -> impl Iterator<Item = usize> + 'a {
    let mut frames = frames.iter().peekable();
    bytes.windows(PREAMBLE.len()).enumerate().filter_map(move |(at, window)| {
        while frames.next_if(|frame| frame.end <= at).is_some() {}
        let outside = frames.peek().is_none_or(|frame| at < frame.start);
        (window == PREAMBLE && outside).then_some(at)
    })
}

/// The bytes with other contents. Another `salt` gives other filler.
fn attempt(
    bytes: &[u8],
    frames: &[Range<usize>],
    heads: &[Head],
    command: Option<[u8; 2]>,
    pseudonyms: &Pseudonyms,
    salt: u32,
) -> Vec<u8> {
    let mut replaced = bytes.to_vec();
    // What is not filler, in any order.
    let mut known: Vec<Range<usize>> = heads.iter().map(|head| head.kept.clone()).collect();
    let mut replace = |frame: &Range<usize>, check| {
        let (Some(real), Some(invented)) =
            (bytes.get(frame.clone()), replaced.get_mut(frame.clone()))
        else {
            return;
        };
        replace_frame(real, invented, command, check, pseudonyms);
        known.push(frame.clone());
    };
    for frame in frames {
        replace(frame, Check::Right);
    }
    for frame in heads.iter().filter_map(|head| head.damaged.as_ref()) {
        let within = |at| frame.start < at && at < frame.end;
        let holds_others = heads.iter().any(|head| within(head.at))
            || frames.iter().any(|other| within(other.start));
        if !holds_others && frame.end <= bytes.len() {
            replace(frame, Check::Wrong);
        }
    }
    known.sort_by_key(|range| range.start);
    let kind = format!("line {salt}");
    let mut from = 0;
    for range in known.into_iter().chain(std::iter::once(bytes.len()..bytes.len())) {
        if let (Some(real), Some(free)) =
            (bytes.get(from..range.start), replaced.get_mut(from..range.start))
        {
            free.copy_from_slice(&pseudonyms.bytes(&kind, real));
        }
        from = from.max(range.end);
    }
    replaced
}

/// Replaces the data of a whole frame. Its check byte is as right or as wrong as before.
fn replace_frame(
    real: &[u8],
    invented: &mut [u8],
    command: Option<[u8; 2]>,
    check: Check,
    pseudonyms: &Pseudonyms,
) {
    let Some((status, data)) = invented.get_mut(HEAD..).and_then(|body| {
        let (_, body) = body.split_at_mut_checked(STATUS - 1)?;
        let (status, body) = body.split_first_mut()?;
        let (_, data) = body.split_last_mut()?;
        Some((*status, data))
    }) else {
        return;
    };
    reply::replace(data, status, command, check, pseudonyms);
    let error = exclusive_or(real.get(PREAMBLE.len()..).unwrap_or_default())
        ^ exclusive_or(invented.get(PREAMBLE.len()..).unwrap_or_default());
    if let Some(check) = invented.last_mut() {
        *check ^= error;
    }
}

/// Where there was no filler to choose, a false head whose check byte fits now, by chance, gets
/// another length near its own: it stays damaged, and is told as such a few bytes sooner or later.
fn keep_damaged(replaced: &mut [u8], heads: &[Head]) {
    // What is changed for a head is seen by heads in front of it only.
    for head in heads.iter().rev() {
        let Some(frame) = head.damaged.as_ref().filter(|frame| frame.end <= replaced.len()) else {
            continue;
        };
        let own = frame.len() - HEAD;
        let near = (1..=8).flat_map(|by| [own.saturating_sub(by), own + by]);
        for length in std::iter::once(own).chain(near) {
            let Some(place) = replaced.get_mut(head.at + PREAMBLE.len()..head.at + HEAD) else {
                break;
            };
            place.copy_from_slice(&u16::try_from(length).unwrap_or_default().to_be_bytes());
            let rest = replaced.get(head.at..).unwrap_or_default();
            if matches!(judge(rest, MIN_BODY), Judged::Garbled(Garbled::Checksum)) {
                break;
            }
        }
    }
}

/// Whether a reader of frames finds in `replaced` what it finds in the real bytes.
fn is_alike(replaced: &[u8], frames: &[Range<usize>], heads: &[Head]) -> bool {
    preambles(replaced, frames).eq(heads.iter().map(|head| head.at))
        && heads.iter().filter_map(|head| head.damaged.as_ref()).all(|frame| {
            let body = replaced.get(frame.start + PREAMBLE.len()..frame.end);
            body.is_none_or(|body| exclusive_or(body) != 0)
        })
}
