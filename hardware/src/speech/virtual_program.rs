//! espeak-ng as the far end of its line: takes the time that the program would take, on tokio's clock,
//! and makes no sound. For the tests; `simulated` is a speech-dispatcher.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::espeak::packets::{Said, Tell};
use crate::moment::at;
use crate::port::far_end::{BoxedFarLine, VirtualDevice};
use crate::port::packets::Packets;

/// What one character takes; measured with espeak-ng 1.51 at its usual rate.
const CHARACTER: Duration = Duration::from_millis(330);

/// A run: its arguments and its text.
pub type Run = (Vec<String>, String);

/// A virtual program.
pub struct VirtualProgram {
    phonemes: &'static str,
    runs: Arc<Mutex<Vec<Run>>>,
    fails: Arc<Mutex<Option<String>>>,
}

/// What was asked of a virtual program, and what it fails with.
#[derive(Clone)]
pub struct ProgramHand {
    runs: Arc<Mutex<Vec<Run>>>,
    fails: Arc<Mutex<Option<String>>>,
}

impl VirtualProgram {
    /// A program whose voice `cmn` makes these phonemes of a character, and its hand.
    #[must_use]
    pub fn new(phonemes: &'static str) -> (Self, ProgramHand) {
        let hand = ProgramHand { runs: Arc::default(), fails: Arc::default() };
        let (runs, fails) = (Arc::clone(&hand.runs), Arc::clone(&hand.fails));
        (Self { phonemes, runs, fails }, hand)
    }
}

impl ProgramHand {
    /// All runs so far.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        // Nothing that can panic runs under these locks, so a poisoned one is still whole.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every run fails with these words, or none does.
    pub fn fail(&self, words: Option<&str>) {
        let words = words.map(str::to_owned);
        *self.fails.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }
}

impl VirtualDevice for VirtualProgram {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        let (version, phonemes) = ("1.51".to_owned(), self.phonemes.to_owned());
        let mut say = vec![Said::Hello { version, phonemes }];
        let (mut packets, mut chunk) = (Packets::default(), [0; 1024]);
        let (mut arguments, mut ends) = (Vec::new(), None);
        loop {
            for said in say.drain(..) {
                if line.write_all(&said.packet()).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                biased;
                read = line.read(&mut chunk) => match read {
                    Ok(read) if read > 0 => packets.push(chunk.get(..read).unwrap_or_default()),
                    Ok(_) | Err(_) => return,
                },
                () = at(ends) => {
                    ends = None;
                    say.push(Said::Ended);
                }
            }
            while let Ok(Some(packet)) = packets.next_packet() {
                match Tell::of(&packet) {
                    Some(Tell::Run(list)) => arguments = list,
                    Some(Tell::Text(text)) => {
                        let words =
                            self.fails.lock().unwrap_or_else(PoisonError::into_inner).clone();
                        let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
                        match words {
                            Some(words) => say.push(Said::Failed(words)),
                            None => {
                                ends = Some(Instant::now() + CHARACTER.saturating_mul(characters));
                                say.push(Said::Begun);
                            }
                        }
                        let run = (std::mem::take(&mut arguments), text);
                        self.runs.lock().unwrap_or_else(PoisonError::into_inner).push(run);
                    }
                    Some(Tell::Stop) => {
                        ends = None;
                        say.push(Said::Stopped);
                    }
                    None => return,
                }
            }
        }
    }
}
