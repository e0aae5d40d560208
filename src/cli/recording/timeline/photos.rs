//! The photo decoder's answers.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::{Entry, Moment, Source};
use crate::recording::format::PortLine;
use crate::recording::reader::ReadError;

/// The lines of the photo decoder's file.
pub(super) struct Photos {
    path: PathBuf,
    reader: BufReader<fs::File>,
    line: u64,
}

impl Photos {
    /// The decoder's file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let file = fs::File::open(path);
        let file = file.map_err(|source| ReadError::File { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(file), line: 0 })
    }

    fn unreadable(&self, source: io::Error) -> ReadError {
        ReadError::File { path: self.path.clone(), source }
    }
}

impl Source for Photos {
    fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = self.reader.read_until(b'\n', &mut text);
            read.map_err(|error| self.unreadable(error))?;
            // A torn last line is the end, as everywhere.
            if !text.ends_with(b"\n") {
                return Ok(None);
            }
            self.line += 1;
            let Ok(PortLine { t, photo, .. }) = serde_json::from_slice(&text) else {
                let rest = self.reader.fill_buf();
                if rest
                    .map_err(|source| ReadError::File { path: self.path.clone(), source })?
                    .is_empty()
                {
                    return Ok(None);
                }
                let (path, line) = (self.path.clone(), self.line);
                let words = "not what is expected".to_owned();
                return Err(ReadError::Line { path, line, words });
            };
            let Some(photo) = photo else { continue };
            let answer = match (photo.jpeg, photo.failed) {
                // Four characters of base64 are three bytes.
                (Some(jpeg), _) => {
                    format!("a JPEG of {} bytes", jpeg.trim_end_matches('=').len() * 3 / 4)
                }
                (None, Some(words)) => format!("failed: {words}"),
                (None, None) => "nothing".to_owned(),
            };
            let (length, took) = (photo.wlt.len() / 2, photo.took / 1000);
            let words = format!("photo_decoder: {length} bytes → {answer}, in {took} ms");
            return Ok(Some(Entry { moment: Moment::At(t), words }));
        }
    }
}
