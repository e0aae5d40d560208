//! The lines of a client's file.

use std::path::Path;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::lines::{self, Blobs, LineFile};
use super::{ReadError, near};
use crate::recording::format::{ClientLine, unhex};

/// The lines of one client.
pub type ClientLines = LineFile<ClientStep>;

/// The same lines, read only for when the client's socket took nothing.
pub type StallLines = LineFile<StallStep>;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientStep {
    /// Microseconds since the recording began.
    pub t: i64,
    /// It had been so already when the recording began.
    pub before: bool,
    /// What happened.
    pub happened: Happened,
}

/// What happened at a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It came.
    Connected {
        /// `unix`, `tcp`, `ws`.
        transport: String,
        /// Whether its first frame had to be the token.
        token: bool,
    },
    /// A frame came from it.
    In(Bytes),
    /// A frame over the limit came from it.
    InTooLong,
    /// It finished sending.
    InEnd,
    /// A frame went to it.
    Out(Bytes),
    /// Its socket took nothing more.
    Stalled,
    /// Its socket took frames again.
    Flowing,
    /// Its connection was over, and why.
    Gone(String),
    /// The recording ended.
    End,
    /// Something that this version does not know.
    Unknown,
}

/// One line, as far as it tells of stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StallStep {
    /// A frame went to the client.
    Out,
    /// Its socket took nothing more.
    Stalled,
    /// Its socket took frames again.
    Flowing,
    /// Anything else.
    Other,
}

/// When a file begins.
#[derive(Default)]
pub(super) struct Head {
    /// As [`super::ClientFile::first`].
    pub(super) first: Option<i64>,
    /// As [`super::ClientFile::before`].
    pub(super) before: Option<i64>,
}

/// Reads the lines that tell of the time before, and one more.
pub(super) fn head(path: &Path, blobs: &Blobs) -> Result<Head, ReadError> {
    let mut lines = LineFile::open(path, parse, blobs.clone())?;
    let mut head = Head::default();
    while let Some(line) = lines.next()? {
        if !line.value.before {
            head.first = Some(line.value.t);
            break;
        }
        let t = line.value.t.min(0);
        head.before = Some(head.before.map_or(t, |before: i64| before.min(t)));
    }
    Ok(head)
}

pub(super) fn parse(text: &[u8], blobs: &Blobs) -> Result<ClientStep, String> {
    let line: ClientLine = lines::json(text)?;
    near(line.t)?;
    let ClientLine { t, before, .. } = line;
    Ok(ClientStep { t, before, happened: happened(line, blobs)? })
}

fn happened(line: ClientLine, blobs: &Blobs) -> Result<Happened, String> {
    if let Some(connect) = line.connect {
        return Ok(Happened::Connected { transport: connect.transport, token: connect.token });
    }
    if let Some(frame) = line.input {
        return Ok(Happened::In(bytes(frame)));
    }
    if let Some(text) = line.in_text {
        return Ok(Happened::In(text.into()));
    }
    if let Some(hex) = line.in_hex {
        return unhex(&hex).map(Happened::In).ok_or_else(|| "inHex is no hex".to_owned());
    }
    if let Some(name) = line.in_blob {
        return blobs.read(&name).map(Happened::In);
    }
    if let Some(frame) = line.out {
        return Ok(Happened::Out(bytes(frame)));
    }
    if let Some(name) = line.out_blob {
        return blobs.read(&name).map(Happened::Out);
    }
    Ok(match line.gone {
        Some(why) => Happened::Gone(why),
        None if line.in_too_long => Happened::InTooLong,
        None if line.in_end => Happened::InEnd,
        None if line.stalled => Happened::Stalled,
        None if line.flowing => Happened::Flowing,
        None if line.end => Happened::End,
        None => Happened::Unknown,
    })
}

pub(super) fn parse_stall(text: &[u8], _: &Blobs) -> Result<StallStep, String> {
    /// The keys that matter; the frames themselves are passed over.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    #[derive(Default)]
    struct Light {
        out: Option<IgnoredAny>,
        out_blob: Option<IgnoredAny>,
        stalled: bool,
        flowing: bool,
    }
    let line: Light = lines::json(text)?;
    Ok(if line.out.is_some() || line.out_blob.is_some() {
        StallStep::Out
    } else if line.stalled {
        StallStep::Stalled
    } else if line.flowing {
        StallStep::Flowing
    } else {
        StallStep::Other
    })
}

fn bytes(raw: Box<serde_json::value::RawValue>) -> Bytes {
    String::from(Box::<str>::from(raw)).into()
}
