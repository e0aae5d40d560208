//! The floor of cards: a program that asks the PC/SC service itself, with the `pcsc` crate and
//! nothing between. Started by [`super::process`] with the service's socket in its environment,
//! because libpcsclite looks for that once in a process's life.
//!
//! It serves one client over a Unix socket. A line is asked, and answered in JSON:
//!
//! | asked | done | answered |
//! |---|---|---|
//! | `transact TIMES COMMANDS` | so many transactions, each begun and ended, with so many commands | nanoseconds of each |
//! | `await` | the slot becomes empty, then a card is put in | `"empty"`, then when its notification came, in nanoseconds of [`now`] |
//! | `thread` | a second thread is begun, and does nothing | `"begun"` |
//! | `sleep` | nothing but waiting for changes, for ever | `"asleep"`, before the first wait |

use std::ffi::CString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use pcsc::{Context, Disposition, Error, Protocols, ReaderState, Scope, ShareMode, State};
use serde::Serialize;

use super::kernel::now;
use crate::Outcome;

/// The word for this floor.
pub(crate) const WORD: &str = "direct";

/// What every command is: GET CHALLENGE (ISO/IEC 7816-4 chapter 7.5.3) of eight bytes.
pub(crate) const COMMAND: [u8; 5] = [0x00, 0x84, 0x00, 0x00, 0x08];

/// How long the bridge waits in `SCardGetStatusChange` while nothing happens.
const WAIT: Duration = Duration::from_secs(45);

/// Serves the first client that connects to `socket`, for the reader of this name.
pub(crate) fn serve(socket: &str, reader: &str) -> Outcome<()> {
    let (client, _) = UnixListener::bind(socket)?.accept()?;
    let context = Context::establish(Scope::User)?;
    let mut direct = Direct { context, reader: CString::new(reader)?, card: None };
    let mut lines = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["transact", times, commands] => {
                let times = direct.transact(times.parse()?, commands.parse()?)?;
                say(&client, &times)?;
            }
            ["await"] => {
                direct.wait_for(State::EMPTY)?;
                say(&client, &"empty")?;
                direct.wait_for(State::PRESENT)?;
                say(&client, &nanoseconds(now()))?;
            }
            ["thread"] => {
                thread::spawn(|| {
                    loop {
                        thread::park();
                    }
                });
                say(&client, &"begun")?;
            }
            ["sleep"] => {
                say(&client, &"asleep")?;
                direct.sleep()?;
            }
            _ => return Err(format!("not a line for a floor: {line}").into()),
        }
        line.clear();
    }
    Ok(())
}

struct Direct {
    context: Context,
    reader: CString,
    /// The connection, from the first transaction on.
    card: Option<pcsc::Card>,
}

impl Direct {
    fn transact(&mut self, times: usize, commands: usize) -> Outcome<Vec<u64>> {
        let card = match self.card.take() {
            Some(card) => card,
            None => self.context.connect(&self.reader, ShareMode::Shared, Protocols::ANY)?,
        };
        let card = self.card.insert(card);
        let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
        let mut taken = Vec::with_capacity(times);
        for _ in 0..times {
            let began = Instant::now();
            let transaction = card.transaction()?;
            for _ in 0..commands {
                let answer = transaction.transmit(&COMMAND, &mut buffer)?;
                if !answer.ends_with(&[0x90, 0x00]) {
                    return Err("the card does not answer as it should".into());
                }
            }
            transaction.end(Disposition::LeaveCard).map_err(|(_, error)| error)?;
            taken.push(nanoseconds(began.elapsed()));
        }
        Ok(taken)
    }

    fn wait_for(&self, what: State) -> Outcome<()> {
        let mut entries = [ReaderState::new(self.reader.clone(), State::UNAWARE)];
        loop {
            self.context.get_status_change(None, &mut entries)?;
            let [entry] = &mut entries;
            if entry.event_state().contains(what) {
                return Ok(());
            }
            entry.sync_current_state();
        }
    }

    fn sleep(&self) -> Outcome<()> {
        let mut entries = [ReaderState::new(self.reader.clone(), State::UNAWARE)];
        loop {
            match self.context.get_status_change(WAIT, &mut entries) {
                Ok(()) | Err(Error::Timeout) => {}
                Err(error) => return Err(error.into()),
            }
            entries.iter_mut().for_each(ReaderState::sync_current_state);
        }
    }
}

fn say(mut client: &UnixStream, answer: &impl Serialize) -> Outcome<()> {
    let line = serde_json::to_string(answer)? + "\n";
    Ok(client.write_all(line.as_bytes())?)
}

/// A machine runs for less than five hundred years.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
