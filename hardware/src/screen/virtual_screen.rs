//! A second screen as the far end of the driver's line: keeps its picture in memory. For
//! `simulated` and for tests.
//!
//! It decodes, scales and refuses as the process that holds a real display does, with the same
//! code; what is shown can be looked at through its [`ScreenHand`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::frame::{self, Frame};
use super::packets::{Said, Tell};
use super::{BOUNDS, Settings};
use crate::port::far_end::{BoxedFarLine, VirtualDevice};
use crate::port::packets::Packets;

/// What its output is called, where the driver names none.
pub const OUTPUT: &str = "VIRTUAL-1";

/// Its size, that of the usual small screen of a kiosk: width, height.
pub const SIZE: (u32, u32) = (1024, 600);

/// A virtual screen.
pub struct VirtualScreen(ScreenHand);

/// The hand at a virtual screen. Clones are the same hand.
#[derive(Clone)]
pub struct ScreenHand(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    news: Notify,
}

struct State {
    /// The output's size while it is plugged in.
    output: Option<(u32, u32)>,
    /// How often that has changed.
    changes: u64,
    picture: Option<Arc<Frame>>,
    silent: bool,
}

impl VirtualScreen {
    /// A screen of [`SIZE`] that is plugged in, and its hand.
    #[must_use]
    pub fn new() -> (Self, ScreenHand) {
        let state = State { output: Some(SIZE), changes: 0, picture: None, silent: false };
        let hand = ScreenHand(Arc::new(Shared { state: Mutex::new(state), news: Notify::new() }));
        (Self(hand.clone()), hand)
    }
}

impl ScreenHand {
    /// What is on the screen.
    #[must_use]
    pub fn picture(&self) -> Option<Arc<Frame>> {
        self.state().picture.clone()
    }

    /// Plugs the screen in with this size (width, height), or pulls it out; what holds the display
    /// stays.
    pub fn output(&self, size: Option<(u32, u32)>) {
        let mut state = self.state();
        if state.output != size {
            (state.output, state.picture) = (size, None);
            state.changes += 1;
            self.0.news.notify_one();
        }
    }

    /// It says nothing any more, or goes on where it was.
    pub fn silence(&self, silent: bool) {
        self.state().silent = silent;
        self.0.news.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when it is not silent.
    async fn speaks(&self) {
        while self.state().silent {
            self.0.news.notified().await;
        }
    }
}

/// The far side of one line.
struct Serving<'h> {
    hand: &'h ScreenHand,
    line: BoxedFarLine,
    settings: Option<Settings>,
    pieces: Vec<u8>,
    /// The change of the output that was told of last.
    told: u64,
}

impl VirtualDevice for VirtualScreen {
    async fn serve(&mut self, line: BoxedFarLine) {
        // A display server that is started anew shows nothing.
        self.0.state().picture = None;
        let hand = &self.0;
        let mut serving = Serving { hand, line, settings: None, pieces: Vec::new(), told: 0 };
        // A line that ends is the end of serving it.
        let _ = serving.run().await;
    }
}

/// The line has ended, or nobody could understand what came.
struct End;

impl Serving<'_> {
    async fn run(&mut self) -> Result<(), End> {
        let (mut packets, mut chunk) = (Packets::default(), [0; 4096]);
        loop {
            while let Some(packet) = packets.next_packet().map_err(|_| End)? {
                self.obey(Tell::of(&packet).ok_or(End)?).await?;
            }
            tokio::select! {
                biased;
                () = self.hand.0.news.notified(), if self.settings.is_some() => {
                    self.hand.speaks().await;
                    if self.hand.state().changes != self.told {
                        self.tell_output().await?;
                    }
                }
                read = self.line.read(&mut chunk) => match read {
                    Ok(read) if read > 0 => packets.push(chunk.get(..read).unwrap_or_default()),
                    Ok(_) | Err(_) => return Err(End),
                },
            }
        }
    }

    async fn obey(&mut self, tell: Tell) -> Result<(), End> {
        match tell {
            Tell::Setup(settings) => {
                self.settings = Some(settings);
                self.tell_output().await
            }
            Tell::Piece(piece) => {
                self.pieces.extend_from_slice(&piece);
                Ok(())
            }
            Tell::Show(number) => self.show(number).await,
            Tell::Close(number) => {
                self.hand.state().picture = None;
                self.say(&Said::Closed(number)).await
            }
        }
    }

    async fn show(&mut self, number: u32) -> Result<(), End> {
        let file = std::mem::take(&mut self.pieces);
        let (output, changes) = {
            let state = self.hand.state();
            (state.output, state.changes)
        };
        let (Some(size), Some(settings)) = (output, &self.settings) else { return Ok(()) };
        let background = settings.background;
        let made =
            tokio::task::spawn_blocking(move || frame::fitted(&file, BOUNDS, size, background));
        let said = match made.await.map_err(|_| End)? {
            Ok(frame) => {
                let mut state = self.hand.state();
                if state.changes != changes {
                    // Another output has to be asked anew.
                    return Ok(());
                }
                state.picture = Some(Arc::new(frame));
                Said::Shown(number)
            }
            Err(error) => {
                let shown = self.hand.state().picture.is_some();
                Said::Refused { number, shown, words: error.to_string() }
            }
        };
        self.say(&said).await
    }

    async fn tell_output(&mut self) -> Result<(), End> {
        let output = {
            let state = self.hand.state();
            self.told = state.changes;
            state.output
        };
        // It stands in for whichever is configured.
        let wanted = self.settings.as_ref().and_then(|settings| settings.output.clone());
        let name = wanted.unwrap_or_else(|| OUTPUT.to_owned());
        let said = match output {
            Some((width, height)) => Said::Output { name, width, height },
            None => Said::Absent(format!("the virtual output {name} is unplugged")),
        };
        self.say(&said).await
    }

    async fn say(&mut self, said: &Said) -> Result<(), End> {
        self.hand.speaks().await;
        self.line.write_all(&said.packet()).await.map_err(|_| End)
    }
}
