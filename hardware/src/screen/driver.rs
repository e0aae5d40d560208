//! The driver of every second screen: says what is to be shown, and shows it again when the screen
//! has been away.
//!
//! ```text
//! open ─► setup ─► output ──► ready ⇄ showing, closing ─┐
//!           │        ▲  └── another output, another size ┘ what is kept is shown again
//!           └► absent ┘  (the line stays open)
//! end of the line, late, failed ─► the port is opened again, and all of this
//! ```

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::orders::{Job, Order};
use super::packets::{PIECE_BYTES, Said, Tell};
use super::{Orders, ScreenError, Settings, WAITING_BYTES};
use crate::device::{Driver, State, Status, Trouble};
use crate::port::BoxedLine;
use crate::port::packets::Packets;

/// How long it may take until the output is known: a program is started, and a display server asked.
const START: Duration = Duration::from_secs(10);

/// How long one request may take: the largest picture on a slow machine some 2 s.
const LONGEST: Duration = Duration::from_secs(10);

/// How long what holds the display may take no bytes.
const WRITE: Duration = Duration::from_secs(5);

/// How often in a row the end of everything may come while the kept picture is shown again, before
/// that picture is taken for the reason.
const MOST_FATAL: u32 = 3;

/// The driver.
pub struct SecondScreen {
    settings: Settings,
    orders: Orders,
    /// How often in a row showing the kept picture again was the end.
    fatal: u32,
}

impl SecondScreen {
    /// A driver that carries out what comes through `orders`.
    #[must_use]
    pub fn new(settings: Settings, orders: Orders) -> Self {
        Self { settings, orders, fatal: 0 }
    }
}

impl Driver for SecondScreen {
    async fn run(&mut self, line: BoxedLine, status: &Status) -> Option<Trouble> {
        let mut session = Session {
            line,
            packets: Packets::default(),
            number: 0,
            before: Before::default(),
            doing: None,
            again: false,
            usable: false,
            last_words: None,
        };
        match self.talk(&mut session, status).await {
            Ok(never) => match never {},
            Err(trouble) => {
                self.give_up(session.doing.take(), &trouble);
                Some(trouble)
            }
        }
    }

    fn unusable(&mut self, trouble: &Trouble) {
        self.orders.fail(trouble);
    }
}

/// Never made.
enum Never {}

struct Session {
    line: BoxedLine,
    packets: Packets,
    /// That of the last request.
    number: u32,
    before: Before,
    /// What is being carried out.
    doing: Option<Doing>,
    /// The kept picture has to be shown again.
    again: bool,
    /// There is an output.
    usable: bool,
    /// Why there is none.
    last_words: Option<String>,
}

/// What a tape that begins later says of the time before.
#[derive(Default)]
struct Before {
    pieces: Vec<u8>,
    /// The output that will be told of shows the picture already.
    shown: bool,
}

struct Doing {
    number: u32,
    by: Instant,
    what: What,
}

enum What {
    /// Somebody has asked for it.
    Asked(Job),
    /// The kept picture is shown again.
    Again,
}

impl SecondScreen {
    async fn talk(&mut self, session: &mut Session, status: &Status) -> Result<Never, Trouble> {
        self.orders.begin_line(&self.settings);
        session.tell(&Tell::Setup(self.settings.clone())).await?;
        let start = Instant::now() + START;
        loop {
            let by = match &session.doing {
                Some(doing) => Some(doing.by),
                None if !session.usable && session.last_words.is_none() => Some(start),
                None => None,
            };
            let free = session.usable && session.doing.is_none();
            if free && std::mem::take(&mut session.again) {
                if let Some(picture) = self.orders.kept() {
                    self.begin(session, What::Again, Some(&picture), status).await?;
                }
                continue;
            }
            tokio::select! {
                biased;
                said = session.said() => {
                    let said = said?;
                    self.hear(session, said, status)?;
                }
                () = self.orders.wanted(), if free => if let Some(job) = self.orders.take() {
                    let picture = match &job.order {
                        Order::Show(picture) => Some(picture.clone()),
                        Order::Close => None,
                    };
                    self.begin(session, What::Asked(job), picture.as_ref(), status).await?;
                },
                () = until(by) => return Err(late()),
            }
        }
    }

    /// Tells of a request. It counts as begun even if that cannot be told.
    async fn begin(
        &mut self,
        session: &mut Session,
        what: What,
        picture: Option<&Bytes>,
        status: &Status,
    ) -> Result<(), Trouble> {
        session.number = session.number.wrapping_add(1);
        let number = session.number;
        self.orders.busy(true);
        self.orders.passed(Some(number), None);
        status.set(State::Busy);
        session.doing = Some(Doing { number, by: Instant::now() + LONGEST, what });
        let Some(picture) = picture else {
            return session.tell(&Tell::Close(number)).await;
        };
        let mut rest = picture.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            session.tell(&Tell::Piece(piece)).await?;
        }
        session.tell(&Tell::Show(number)).await
    }

    fn hear(&mut self, session: &mut Session, said: Said, status: &Status) -> Result<(), Trouble> {
        if matches!(said, Said::Output { .. } | Said::Absent(_) | Said::Failed(_)) {
            self.orders.passed(None, Some(&said));
        }
        match said {
            Said::Output { name, width, height } => {
                status.learn("output", name);
                status.learn("size", format!("{width}x{height}"));
                // What was asked of the last output has to be asked of this one.
                if let Some(Doing { what: What::Asked(job), .. }) = session.doing.take() {
                    self.orders.put_back(job);
                }
                self.orders.recover();
                let shown = std::mem::take(&mut session.before.shown);
                if shown {
                    self.orders.tell(true);
                }
                session.again = !shown && self.orders.kept().is_some();
                self.orders.busy(session.again);
                if session.usable {
                    status.set(State::Ready);
                } else {
                    status.started();
                }
                (session.usable, session.last_words) = (true, None);
            }
            Said::Absent(words) => {
                let trouble = Trouble::Absent { detail: words.clone() };
                (session.usable, session.again) = (false, false);
                session.last_words = Some(words);
                if let Some(Doing { what: What::Asked(job), .. }) = session.doing.take() {
                    self.orders.fail_one(job, &trouble);
                }
                self.orders.fail(&trouble);
                status.trouble(&trouble);
            }
            Said::Failed(words) => return Err(Trouble::Failed { detail: words }),
            Said::Shown(number) => {
                self.orders.tell(true);
                match session.done(number) {
                    Some(What::Asked(job)) => {
                        if let Order::Show(picture) = &job.order {
                            self.orders.keep(Some(picture.clone()));
                        }
                        status.count("shown");
                        job.done(Ok(()));
                    }
                    Some(What::Again) => status.count("shownAgain"),
                    // Of a request that is void.
                    None => {}
                }
                self.fatal = 0;
                self.rest(session, status);
            }
            Said::Closed(number) => {
                self.orders.tell(false);
                if let Some(What::Asked(job)) = session.done(number) {
                    self.orders.keep(None);
                    status.count("closed");
                    job.done(Ok(()));
                }
                self.rest(session, status);
            }
            Said::Refused { number, shown, words } => {
                self.orders.tell(shown);
                match session.done(number) {
                    Some(What::Asked(job)) => {
                        status.count("refused");
                        job.done(Err(ScreenError::Picture(words)));
                    }
                    Some(What::Again) => {
                        // It fitted the last output, and this one's size is too much for it.
                        tracing::warn!(reason = words, "the picture is not shown again");
                        self.orders.keep(None);
                    }
                    None => {}
                }
                self.rest(session, status);
            }
            Said::Piece(piece) => {
                session.before.pieces.extend_from_slice(&piece);
                if session.before.pieces.len() > WAITING_BYTES {
                    return Err(strange());
                }
            }
            Said::Before { number, shown } => {
                let picture = std::mem::take(&mut session.before.pieces);
                self.orders.keep((!picture.is_empty()).then(|| picture.into()));
                self.orders.passed(Some(number), None);
                (session.number, session.before.shown) = (number, shown);
            }
        }
        Ok(())
    }

    /// Nothing is being carried out, if so.
    fn rest(&self, session: &Session, status: &Status) {
        if session.usable && session.doing.is_none() && !session.again {
            self.orders.busy(false);
            status.set(State::Ready);
        }
    }

    /// The end has come while this was carried out.
    fn give_up(&mut self, doing: Option<Doing>, trouble: &Trouble) {
        match doing.map(|doing| doing.what) {
            Some(What::Asked(job)) => self.orders.fail_one(job, trouble),
            Some(What::Again) => {
                self.fatal += 1;
                if self.fatal >= MOST_FATAL {
                    tracing::warn!("the picture is given up: showing it was the end each time");
                    self.orders.keep(None);
                    self.fatal = 0;
                }
            }
            None => {}
        }
    }
}

impl Session {
    async fn tell(&mut self, tell: &Tell) -> Result<(), Trouble> {
        let written = timeout(WRITE, self.line.write_all(&tell.packet())).await;
        written.map_err(|_| late())?.map_err(|_| self.gone())
    }

    /// What was done, if it is this.
    fn done(&mut self, number: u32) -> Option<What> {
        let doing = self.doing.take_if(|doing| doing.number == number)?;
        Some(doing.what)
    }

    /// What comes next. Safe to drop.
    async fn said(&mut self) -> Result<Said, Trouble> {
        let mut chunk = [0; 1024];
        loop {
            if let Some(packet) = self.packets.next_packet().map_err(|_| strange())? {
                return Said::of(&packet).ok_or_else(strange);
            }
            match self.line.read(&mut chunk).await {
                Ok(read) if read > 0 => self.packets.push(chunk.get(..read).unwrap_or_default()),
                Ok(_) | Err(_) => return Err(self.gone()),
            }
        }
    }

    /// The line has ended; the last words say why, if there were any.
    fn gone(&self) -> Trouble {
        match &self.last_words {
            Some(words) => Trouble::Absent { detail: words.clone() },
            None => Trouble::Absent { detail: "the line to the screen is gone".to_owned() },
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn strange() -> Trouble {
    Trouble::Failed { detail: "the screen's port has said what it should not".to_owned() }
}

fn late() -> Trouble {
    let detail = "the screen has not done what it should in time; its display server may hang";
    Trouble::Failed { detail: detail.to_owned() }
}

#[cfg(test)]
mod tests;
