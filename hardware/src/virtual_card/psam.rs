//! A PSAM: the module in a terminal that holds keys, as a T=0 contact card.
//!
//! It has a terminal number (file 0016, short identifier 16 hex, 6 bytes) and one key, which three
//! proprietary commands use. What they do is a toy: of the right form, and of no security at all,
//! so that whoever tests can compute the answers on paper.
//!
//! | command | does |
//! |---|---|
//! | `80 1A xx xx Lc diversifier` | working key = key, each byte XORed with the diversifier's, which is repeated; a multiple of 8 bytes |
//! | `80 FA xx xx Lc data` | data, each byte XORed with the working key's, which is repeated; a multiple of 8 bytes; `6985` without a working key |
//! | `80 D4` or `84 D4 xx xx Lc key…` | the first 16 bytes are the key from now on; `84` brings 4 further ones, a check that is not looked at |

use super::VirtualCard;
use super::atr;
use super::command::{Command, Reply, StatusWord, Transmission};
use super::file_system::{File, FileSystem, Folder, MASTER};
use crate::port::card::Protocol;

/// Bytes of a key, and of a block that is enciphered.
const KEY: usize = 16;
const BLOCK: usize = 8;

/// The key that it comes with; invented.
const FIRST_KEY: [u8; KEY] = *b"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1A\x1B\x1C\x1D\x1E\x1F";

/// The terminal number; region 99 does not exist.
pub const TERMINAL_NUMBER: [u8; 6] = [0x99, 0x01, 0x00, 0x00, 0x00, 0x01];

/// A PSAM.
pub struct Psam {
    transmission: Transmission,
    files: FileSystem,
    key: [u8; KEY],
    working_key: Option<[u8; KEY]>,
}

impl Default for Psam {
    fn default() -> Self {
        Self::new()
    }
}

impl Psam {
    /// A new one, with the key that it comes with.
    #[must_use]
    pub fn new() -> Self {
        let files = vec![File::bytes(0x0016, TERMINAL_NUMBER)];
        let master = Folder { id: MASTER, files, ..Folder::default() };
        Self {
            transmission: Transmission::over(Protocol::T0),
            files: FileSystem::new(master),
            key: FIRST_KEY,
            working_key: None,
        }
    }
}

impl VirtualCard for Psam {
    fn atr(&self) -> Vec<u8> {
        atr::contact(Protocol::T0, b"HHAROME PSAM 1")
    }

    fn power(&mut self, _on: bool) {
        self.transmission.reset();
        self.files.reset();
        self.working_key = None;
    }

    fn answer(&mut self, command: &[u8]) -> Vec<u8> {
        let Self { transmission, files, key, working_key } = self;
        transmission.answer(command, |command| match (command.class, command.instruction) {
            (0x80, 0x1A) => init_key(key, working_key, command),
            (0x80, 0xFA) => encipher(working_key.as_ref(), command),
            (0x80 | 0x84, 0xD4) => write_key(key, working_key, command),
            (0x80 | 0x84, _) => Err(StatusWord::WRONG_INSTRUCTION),
            _ => files.carry_out(command),
        })
    }

    fn protocol(&self) -> Protocol {
        Protocol::T0
    }
}

fn init_key(key: &[u8; KEY], working_key: &mut Option<[u8; KEY]>, command: &Command<'_>) -> Reply {
    let diversifier = in_blocks(command.data)?;
    let mut diversified = *key;
    mix(&mut diversified, diversifier);
    *working_key = Some(diversified);
    Ok(Vec::new())
}

fn encipher(working_key: Option<&[u8; KEY]>, command: &Command<'_>) -> Reply {
    let mut data = in_blocks(command.data)?.to_vec();
    mix(&mut data, working_key.ok_or(StatusWord::NOT_NOW)?);
    Ok(data)
}

fn write_key(
    key: &mut [u8; KEY],
    working_key: &mut Option<[u8; KEY]>,
    command: &Command<'_>,
) -> Reply {
    const CHECK: usize = 4;
    let check = if command.class == 0x84 { CHECK } else { 0 };
    if command.data.len() != KEY + check {
        return Err(StatusWord::WRONG_LENGTH);
    }
    *key = *command.data.first_chunk().ok_or(StatusWord::WRONG_LENGTH)?;
    *working_key = None;
    Ok(Vec::new())
}

fn in_blocks(data: &[u8]) -> Result<&[u8], StatusWord> {
    if !data.is_empty() && data.len().is_multiple_of(BLOCK) {
        Ok(data)
    } else {
        Err(StatusWord::WRONG_LENGTH)
    }
}

fn mix(bytes: &mut [u8], with: &[u8]) {
    for (byte, other) in bytes.iter_mut().zip(with.iter().cycle()) {
        *byte ^= other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: &[u8] = b"\x80\x1A\x28\x01\x08\xFF\x00\x00\x00\x00\x00\x00\x00";
    const ENCIPHER: &[u8] = b"\x80\xFA\x00\x00\x08\x00\x01\x02\x03\x04\x05\x06\x07";
    const FETCH: &[u8] = b"\x00\xC0\x00\x00\x08";

    fn check(exchanges: &[(&[u8], &[u8])]) {
        let mut card = Psam::new();
        card.power(true);
        for (command, answer) in exchanges {
            assert_eq!(card.answer(command), *answer, "{command:02X?}");
        }
    }

    #[test]
    fn the_atr_offers_t0_only_and_so_has_no_check_byte() {
        let psam = Psam::new();
        assert_eq!(psam.protocol(), Protocol::T0);
        assert_eq!(psam.atr(), b"\x3B\x6E\x00\x00HHAROME PSAM 1");
    }

    #[test]
    fn the_terminal_number_is_read_by_short_identifier_and_after_select() {
        check(&[
            (b"\x00\xB0\x96\x00\x06", b"\x99\x01\x00\x00\x00\x01\x90\x00"),
            (b"\x00\xB0\x96\x00\x00", b"\x6C\x06"),
            (b"\x00\xA4\x00\x00\x02\x00\x16", b"\x90\x00"),
            (b"\x00\xB0\x00\x04\x02", b"\x00\x01\x90\x00"),
        ]);
    }

    #[test]
    fn a_working_key_enciphers_as_the_table_says() {
        check(&[
            (ENCIPHER, b"\x69\x85"),
            (INIT, b"\x90\x00"),
            (ENCIPHER, b"\x61\x08"),
            // 10 ^ FF ^ 00, 11 ^ 00 ^ 01, 12 ^ 00 ^ 02, …
            (FETCH, b"\xEF\x10\x10\x10\x10\x10\x10\x10\x90\x00"),
            (b"\x80\xFA\x00\x00\x03\x00\x01\x02", b"\x67\x00"),
        ]);
    }

    #[test]
    fn a_written_key_is_another_key() {
        let key = [0x00; 16];
        let write = [&b"\x80\xD4\x01\x00\x10"[..], &key].concat();
        let changed = b"\xFF\x01\x02\x03\x04\x05\x06\x07\x90\x00";
        let checked = [&b"\x84\xD4\x01\x00\x14"[..], &key, b"\x00\x00\x00\x00"].concat();
        for write in [&write, &checked] {
            check(&[
                (write, b"\x90\x00"),
                (ENCIPHER, b"\x69\x85"),
                (INIT, b"\x90\x00"),
                (ENCIPHER, b"\x61\x08"),
                (FETCH, changed),
            ]);
        }
        check(&[(b"\x80\xD4\x01\x00\x02\x00\x00", b"\x67\x00")]);
    }

    #[test]
    fn a_reset_forgets_the_working_key() {
        let mut card = Psam::new();
        card.answer(INIT);
        card.power(true);
        assert_eq!(card.answer(ENCIPHER), b"\x69\x85");
    }
}
