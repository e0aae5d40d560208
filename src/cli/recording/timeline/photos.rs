//! The photo decoder's answers.

use super::{Entry, Moment, Source};
use crate::recording::format::PhotoLine;
use crate::recording::reader::{Damage, PhotoLines, ReadError, Recording};

/// The photos of a recording.
pub(super) struct Photos {
    lines: PhotoLines,
    damage: Damage,
}

impl Photos {
    /// The photos of a recording that has some.
    ///
    /// # Errors
    /// Their file cannot be opened.
    pub(super) fn open(recording: &Recording) -> Result<Self, ReadError> {
        let damage = Damage::default();
        Ok(Self { lines: PhotoLines::open(recording, damage.clone())?, damage })
    }
}

impl Source for Photos {
    fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        match self.lines.next() {
            Some((t, photo)) => Ok(Some(Entry { moment: Moment::At(t), words: words(photo) })),
            None => self.damage.take().map_or(Ok(None), Err),
        }
    }
}

fn words(photo: PhotoLine) -> String {
    let answer = match (photo.jpeg, photo.failed) {
        // Four characters of base64 are three bytes.
        (Some(jpeg), _) => {
            format!("a JPEG of {} bytes", jpeg.trim_end_matches('=').len() * 3 / 4)
        }
        (None, Some(words)) => format!("failed: {words}"),
        (None, None) => "nothing".to_owned(),
    };
    let (length, took) = (photo.wlt.len() / 2, photo.took / 1000);
    format!("photo_decoder: {length} bytes → {answer}, in {took} ms")
}
