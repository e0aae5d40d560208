//! Whether a recording can be read, by a replay for one: every line of every file is.
//!
//! Called by `hharome recording lint`, after the search for what must not be there: that search
//! must not depend on the format, and this one is about nothing else.

use std::path::Path;

use crate::recording::format::PHOTO_DECODER;
use crate::recording::reader::{ClientFile, Damage, PhotoLines, PortTape, ReadError, Recording};

/// What can be read of a recording.
#[derive(Debug, Default)]
pub struct Condition {
    /// The names of files that were torn at their end, by a crash or a full disk.
    pub torn: Vec<String>,
    /// What cannot be read, the first place of each file.
    pub damage: Vec<ReadError>,
}

/// Reads the recording in `folder` from end to end.
///
/// # Errors
/// It is none, or is of a version of which nothing can be read.
pub fn condition(folder: &Path) -> Result<Condition, ReadError> {
    let recording = match Recording::open(folder) {
        Ok(recording) => recording,
        Err(error @ (ReadError::Line { .. } | ReadError::File { .. })) => {
            return Ok(Condition { torn: Vec::new(), damage: vec![error] });
        }
        Err(error) => return Err(error),
    };
    let ports = recording.ports.iter().map(|port| self::port(&recording, &port.device));
    let clients = recording.clients.iter().map(|file| client(&recording, file));
    let all = ports.chain(clients).chain([daemon(&recording)]);
    let damage = all.filter_map(Result::err).collect();
    Ok(Condition { torn: recording.cut.map(|cut| cut.files).unwrap_or_default(), damage })
}

fn port(recording: &Recording, device: &str) -> Result<(), ReadError> {
    let damage = Damage::default();
    if device == PHOTO_DECODER {
        PhotoLines::open(recording, damage.clone())?.for_each(drop);
    } else {
        PortTape::open(recording, device, damage.clone())?.drain();
    }
    damage.take().map_or(Ok(()), Err)
}

fn client(recording: &Recording, file: &ClientFile) -> Result<(), ReadError> {
    let mut lines = recording.client(file)?;
    while lines.next()?.is_some() {}
    Ok(())
}

fn daemon(recording: &Recording) -> Result<(), ReadError> {
    if let Some(mut lines) = recording.daemon()? {
        while lines.next()?.is_some() {}
    }
    Ok(())
}
