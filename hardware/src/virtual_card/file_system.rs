//! The file system of a chip card (ISO/IEC 7816-4 chapters 7 and 11): folders, files, and the
//! commands that select and read them.
//!
//! A card's master file is folder 0; applications are folders with a name. An elementary file's
//! short identifier is the lower five bits of its identifier. Reading needs no key, or is
//! `6982`: no card here checks one. Each virtual card owns one [`FileSystem`] and asks it about
//! every command that it does not know itself.

use super::command::{Command, Reply, SELECT, StatusWord};

/// The identifier of the master file.
pub const MASTER: u16 = 0x3F00;

/// INS of the other commands.
const READ_BINARY: u8 = 0xB0;
const READ_RECORD: u8 = 0xB2;
const GET_CHALLENGE: u8 = 0x84;

/// How long a challenge is, where another length is not asked for; and the longest.
const CHALLENGE: usize = 8;
const LONGEST_CHALLENGE: usize = 16;

/// The file system of one card, and what is selected in it.
pub struct FileSystem {
    /// An odd card: READ RECORD by identifier is `6A86`.
    pub numbers_only: bool,
    folders: Vec<Folder>,
    /// Index of each folder's parent; the master file is its own.
    parents: Vec<usize>,
    folder: usize,
    file: Option<usize>,
    challenges: u64,
}

/// A folder (DF): an application, or the master file.
#[derive(Clone, Default)]
pub struct Folder {
    /// Its identifier.
    pub id: u16,
    /// Its name, 5 to 16 bytes; empty for none.
    pub name: Vec<u8>,
    /// The value of `A5` in what SELECT answers; empty for none.
    pub proprietary: Vec<u8>,
    /// What is in it.
    pub files: Vec<File>,
}

/// An elementary file (EF).
#[derive(Clone)]
pub struct File {
    /// Its identifier.
    pub id: u16,
    /// Whether it is read without keys.
    pub open: bool,
    /// What is in it.
    pub content: Content,
}

/// What an elementary file holds.
#[derive(Clone)]
pub enum Content {
    /// Bytes without structure.
    Bytes(Vec<u8>),
    /// Records, the first of number 1.
    Records(Vec<Record>),
}

/// A record: read as tag, length, value.
#[derive(Clone)]
pub struct Record {
    /// Its identifier.
    pub tag: u8,
    /// At most 255 bytes.
    pub value: Vec<u8>,
    /// Whether it is read without keys.
    pub open: bool,
}

impl FileSystem {
    /// One with this master file, which is selected.
    #[must_use]
    pub fn new(master: Folder) -> Self {
        Self {
            numbers_only: false,
            folders: vec![master],
            parents: vec![0],
            folder: 0,
            file: None,
            challenges: 0,
        }
    }

    /// Adds a folder to the one of this index (0: the master file), and gives its own index.
    pub fn add(&mut self, parent: usize, folder: Folder) -> usize {
        self.folders.push(folder);
        self.parents.push(parent);
        self.folders.len() - 1
    }

    /// After a reset the master file is selected. Challenges go on: none comes twice.
    pub fn reset(&mut self) {
        self.folder = 0;
        self.file = None;
    }

    /// Carries out a command of class 00.
    ///
    /// # Errors
    /// The status word that says why not.
    pub fn carry_out(&mut self, command: &Command<'_>) -> Reply {
        if command.class != 0x00 {
            return Err(StatusWord::WRONG_CLASS);
        }
        match command.instruction {
            SELECT => self.select(command),
            READ_RECORD => self.read_record(command),
            READ_BINARY => self.read_binary(command),
            GET_CHALLENGE => self.challenge(command),
            _ => Err(StatusWord::WRONG_INSTRUCTION),
        }
    }

    fn current(&self) -> Option<&Folder> {
        self.folders.get(self.folder)
    }

    fn select(&mut self, command: &Command<'_>) -> Reply {
        // First or only one (00), next (02, of which there is none by name), without answer (0C).
        if !matches!(command.p2, 0x00 | 0x02 | 0x0C) {
            return Err(StatusWord::WRONG_PARAMETERS);
        }
        let found = match command.p1 {
            0x00 if command.data.is_empty() => Some(Found::Folder(0)),
            0x00 => self.anything(identifier(command)?),
            0x01 => self.child(self.folder, identifier(command)?),
            0x02 => self.file_in(self.folder, identifier(command)?),
            0x03 if !command.data.is_empty() => return Err(StatusWord::WRONG_LENGTH),
            0x03 if self.folder == 0 => None,
            0x03 => self.parents.get(self.folder).copied().map(Found::Folder),
            0x04 if command.p2 == 0x02 => None,
            0x04 => self.named(command.data),
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        };
        match found.ok_or(StatusWord::FILE_NOT_FOUND)? {
            Found::Folder(folder) => {
                self.folder = folder;
                self.file = None;
                let wanted = command.p2 != 0x0C;
                Ok(self.current().filter(|_| wanted).map(control_information).unwrap_or_default())
            }
            Found::File(folder, file) => {
                self.folder = folder;
                self.file = Some(file);
                Ok(Vec::new())
            }
        }
    }

    /// What has this identifier, in the order of ISO/IEC 7816-4, 11.2.2: in the current folder,
    /// then its parent, then in that.
    fn anything(&self, id: u16) -> Option<Found> {
        let parent = self.parents.get(self.folder).copied()?;
        let is_parent = self.folders.get(parent).is_some_and(|folder| folder.id == id);
        if id == MASTER {
            return Some(Found::Folder(0));
        }
        self.child(self.folder, id)
            .or_else(|| self.file_in(self.folder, id))
            .or_else(|| is_parent.then_some(Found::Folder(parent)))
            .or_else(|| self.child(parent, id))
            .or_else(|| self.file_in(parent, id))
    }

    fn child(&self, parent: usize, id: u16) -> Option<Found> {
        let mut folders = self.folders.iter().zip(&self.parents).enumerate().skip(1);
        let found = folders.find(|(_, (folder, its))| **its == parent && folder.id == id);
        found.map(|(index, _)| Found::Folder(index))
    }

    fn file_in(&self, folder: usize, id: u16) -> Option<Found> {
        let index = self.folders.get(folder)?.files.iter().position(|file| file.id == id)?;
        Some(Found::File(folder, index))
    }

    /// Whole names only.
    fn named(&self, name: &[u8]) -> Option<Found> {
        if name.is_empty() {
            return None;
        }
        self.folders.iter().position(|folder| folder.name == name).map(Found::Folder)
    }

    /// The file of a short identifier, which becomes the current one; with 0 that which is current.
    fn addressed(&mut self, short: u8) -> Result<&File, StatusWord> {
        if short != 0 {
            let files = self.current().map(|folder| folder.files.as_slice()).unwrap_or_default();
            let found = files.iter().position(|file| file.short() == short);
            self.file = Some(found.ok_or(StatusWord::FILE_NOT_FOUND)?);
        }
        let file = self.file.and_then(|file| self.current()?.files.get(file));
        let file = file.ok_or(StatusWord::NO_FILE)?;
        if file.open { Ok(file) } else { Err(StatusWord::PROTECTED) }
    }

    fn read_record(&mut self, command: &Command<'_>) -> Reply {
        const BY_NUMBER: u8 = 4;
        const FIRST_OF_IDENTIFIER: u8 = 0;
        let (short, form) = (command.p2 >> 3, command.p2 & 7);
        if short == 0x1F || (self.numbers_only && form != BY_NUMBER) {
            return Err(StatusWord::WRONG_PARAMETERS);
        }
        if !command.data.is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let Content::Records(records) = &self.addressed(short)?.content else {
            return Err(StatusWord::WRONG_FILE);
        };
        let found = match form {
            BY_NUMBER => usize::from(command.p1).checked_sub(1).and_then(|at| records.get(at)),
            FIRST_OF_IDENTIFIER => records.iter().find(|record| record.tag == command.p1),
            _ => return Err(StatusWord::UNSUPPORTED),
        };
        let record = found.ok_or(StatusWord::RECORD_NOT_FOUND)?;
        if record.open { Ok(record.encoded()) } else { Err(StatusWord::PROTECTED) }
    }

    fn read_binary(&mut self, command: &Command<'_>) -> Reply {
        const WITH_SHORT: u8 = 0x80;
        let (short, offset) = if command.p1 & WITH_SHORT == 0 {
            (0, usize::from(u16::from_be_bytes([command.p1, command.p2])))
        } else {
            (command.p1 & !WITH_SHORT, usize::from(command.p2))
        };
        // Bits 7 and 6 beside a short identifier are 0; 0 and 31 are none.
        if short > 0x1E || command.p1 == WITH_SHORT {
            return Err(StatusWord::WRONG_PARAMETERS);
        }
        if !command.data.is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let Content::Bytes(bytes) = &self.addressed(short)?.content else {
            return Err(StatusWord::WRONG_FILE);
        };
        let rest = bytes.get(offset..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or(StatusWord::OUTSIDE)?;
        Ok(rest.get(..command.expected.unwrap_or(rest.len())).unwrap_or(rest).to_vec())
    }

    /// Of a sequence that looks random and is the same for every card and every run, so that
    /// recordings can be compared.
    fn challenge(&mut self, command: &Command<'_>) -> Reply {
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::WRONG_PARAMETERS);
        }
        if !command.data.is_empty() || command.expected.is_none() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let length = command.expected.filter(|most| *most <= LONGEST_CHALLENGE);
        let mut challenge = Vec::with_capacity(LONGEST_CHALLENGE);
        while challenge.len() < LONGEST_CHALLENGE {
            self.challenges += 1;
            challenge.extend(scrambled(self.challenges).to_be_bytes());
        }
        challenge.truncate(length.unwrap_or(CHALLENGE));
        Ok(challenge)
    }
}

impl File {
    /// A file of records that is read without keys.
    #[must_use]
    pub fn records(id: u16, records: Vec<Record>) -> Self {
        Self { id, open: true, content: Content::Records(records) }
    }

    /// A file of bytes that is read without keys.
    #[must_use]
    pub fn bytes(id: u16, bytes: impl Into<Vec<u8>>) -> Self {
        Self { id, open: true, content: Content::Bytes(bytes.into()) }
    }

    /// The same, not read without keys.
    #[must_use]
    pub fn locked(self) -> Self {
        Self { open: false, ..self }
    }

    /// The short identifier: the lower five bits of the identifier.
    fn short(&self) -> u8 {
        (self.id & 0x1F) as u8
    }
}

impl Record {
    /// As it is read: tag, length, value.
    fn encoded(&self) -> Vec<u8> {
        tlv(&[self.tag], &self.value)
    }
}

/// What SELECT has found: the index of a folder, or those of a folder and of a file in it.
#[derive(Clone, Copy)]
enum Found {
    Folder(usize),
    File(usize, usize),
}

/// The identifier that a SELECT names.
fn identifier(command: &Command<'_>) -> Result<u16, StatusWord> {
    let id = <[u8; 2]>::try_from(command.data).map_err(|_| StatusWord::WRONG_LENGTH)?;
    Ok(u16::from_be_bytes(id))
}

/// What SELECT answers about a folder (FCI, ISO/IEC 7816-4, 7.4): its name, or its identifier
/// where it has none, and the proprietary part.
fn control_information(folder: &Folder) -> Vec<u8> {
    let mut inner = if folder.name.is_empty() {
        tlv(&[0x83], &folder.id.to_be_bytes())
    } else {
        tlv(&[0x84], &folder.name)
    };
    if !folder.proprietary.is_empty() {
        inner.extend(tlv(&[0xA5], &folder.proprietary));
    }
    tlv(&[0x6F], &inner)
}

/// Tag, length in one byte, value; a value is at most 255 bytes, and what is over is cut off.
pub(super) fn tlv(tag: &[u8], value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    let value = value.get(..usize::from(length)).unwrap_or_default();
    [tag, &[length], value].concat()
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014) at this place of its sequence.
fn scrambled(place: u64) -> u64 {
    let state = place.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests;
