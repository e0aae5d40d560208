//! The driver of ESC/POS printers: one receipt at a time onto paper, and whether it is there.
//!
//! ```text
//! open ─► how are you? ─► ready ◄────────────────────────────────────────────────────┐
//!   job ─► how are you? ─► journal: begun ─► bands ─► cut ─► GS r 1 ─► answered: printed ─┤
//!              │ cannot print: nothing is sent   │ says why it stopped, goes, stands still │
//!              └─────────────► failed ◄──────────┴────────────────────────────────────────┘
//! ```
//!
//! `GS r 1` is answered in order with the data, so its answer proves that all before it was carried out;
//! `DLE EOT` is answered at once and tells why that answer does not come. Such marks stand between the
//! bands as well: they tell how far a receipt has come, and keep no more than `WINDOW` of them in the
//! printer's buffer, so that an inquiry gets through, and little comes out after the paper was filled
//! up again. A printer that has never answered `GS r` gets all at once.
//!
//! A printer that was left in the middle of a receipt is brought to its senses before the next: white
//! for the rest of the band that it waits for, then a cut, so that the next customer gets a receipt
//! without the end of another's.

mod run;
mod sober;
mod talk;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::run::{Run, gone};
use self::talk::{Stop, Talk};
use super::escpos::{self, Block, Profile};
use super::journal::Fate;
use super::queue::Ready;
use super::status::Obstacle;
use super::{Ended, Jobs, PrintError};
use crate::device::{Driver, State, Status, Trouble};
use crate::port::BoxedLine;

/// Blocks that may be in the printer's buffer: one that it prints, and one that it goes on with. Two
/// bands of 24 rows have 3.5 KB on the widest usual paper, which leaves room for an inquiry in the 4 KB
/// of small printers: a full buffer lets none through.
const WINDOW: usize = 2;

/// How long a printer may take for the first bytes on a fresh line, connecting included.
const START: Duration = Duration::from_secs(5);

/// A printer that is idle answers `GS r` within milliseconds, if it ever does.
const PROBE: Duration = Duration::from_secs(1);

/// How often a printer is asked how it is, while that is waited for.
const ASK: Duration = Duration::from_secs(1);

/// Blocks after which a printer without marks is asked how it is: 50 mm of paper.
const ASK_EVERY: u32 = 16;

/// How often one that cannot print is asked whether it can.
const LOOK: Duration = Duration::from_secs(2);

/// A line that has been idle for so long may be closed by the printer for that.
const IDLE: Duration = Duration::from_secs(10);

/// How long a printer may take for what is under way when the daemon ends: small ones print from a
/// buffer, and take the rest when there is room in it.
const FAREWELL: Duration = Duration::from_secs(2);

/// For ever, as far as a printer is concerned.
const EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A head that is too hot, or a finger on the feed button, is waited for so long in the middle of a
/// receipt.
const PATIENCE: Duration = Duration::from_secs(15);

/// Rows that a slow printer prints in a second: 50 mm.
const SLOW: u32 = 400;

/// What `bridge.status` says of a printer without `GS r`.
pub const CANNOT_CONFIRM: &str =
    "confirm a print: it does not answer GS r, so success means that it has taken all and is well";

/// What it says of one whose status is not asked for.
pub const CANNOT_TELL: &str =
    "tell how it is, nor confirm a print: status = false, so success means that it has taken all";

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The speed of a serial line, in baud.
    pub baud: u32,
    /// How receipts are put.
    pub profile: Profile,
    /// The bytes of one row at most.
    pub row_bytes: usize,
    /// Whether the printer's status comes back.
    pub status: bool,
}

/// The driver.
pub struct EscposPrinter {
    settings: Settings,
    jobs: Jobs,
    /// Whether it answers `GS r`; `None`: not known yet.
    confirms: Option<bool>,
    /// Bytes of a band that the printer may still wait for, if it was left in the middle of a receipt.
    owed: Option<usize>,
}

impl EscposPrinter {
    /// A driver that prints what comes through `jobs`.
    #[must_use]
    pub fn new(settings: Settings, jobs: Jobs) -> Self {
        let known = jobs.journal().jobs();
        let last = known.iter().rev().find(|job| job.begun);
        let left = last.is_some_and(|job| !matches!(job.fate, Fate::Printed | Fate::Sent));
        let owed = left.then(|| band_bytes(&settings));
        Self { settings, jobs, confirms: None, owed }
    }
}

/// The bytes of the largest band.
fn band_bytes(settings: &Settings) -> usize {
    usize::from(settings.profile.band_rows) * settings.row_bytes
}

impl Driver for EscposPrinter {
    fn baud(&self) -> u32 {
        self.settings.baud
    }

    async fn wanted(&mut self) {
        if self.jobs.is_stopping() {
            std::future::pending::<()>().await;
        }
    }

    async fn run(&mut self, line: BoxedLine, status: &Status) -> Option<Trouble> {
        let mut talk = Talk::new(line);
        let served = self.serve(&mut talk, status).await;
        if served.is_ok() && self.jobs.is_stopping() {
            talk.end(FAREWELL).await;
        }
        self.jobs.hold(false);
        served.err()
    }

    fn unusable(&mut self, trouble: &Trouble) {
        self.jobs.refuse(trouble);
    }
}

impl EscposPrinter {
    /// Ends without a trouble when the daemon ends, or when the line was closed after it had been idle, as network printers do:
    /// it is opened again at once, and only if that fails the printer is gone.
    async fn serve(&mut self, talk: &mut Talk, status: &Status) -> Result<(), Trouble> {
        self.start(talk, status).await?;
        self.jobs.hold(talk.lingers());
        let (mut told, mut idle) = (None, Instant::now());
        let mut settled = talk.condition().obstacle().is_none();
        loop {
            if talk.has_confirmed() && self.confirms != Some(true) {
                self.confirms = Some(true);
                status.can_do(CANNOT_CONFIRM);
            }
            let obstacle = talk.condition().obstacle();
            if told != Some(obstacle) {
                self.tell(status, obstacle);
                told = Some(obstacle);
            }
            if self.settings.status {
                status.learn("paper", talk.paper());
                if obstacle.is_none() && !settled && self.owed.is_none() {
                    settled = true;
                    self.settle(talk, status).await?;
                    continue;
                }
            }
            let ready = tokio::select! {
                biased;
                heard = talk.hear() => match heard {
                    Ok(()) => continue,
                    Err(_) if idle.elapsed() >= IDLE => return Ok(()),
                    Err(error) => return Err(gone(error)),
                },
                ready = self.jobs.next() => ready,
                () = self.jobs.stopped(), if talk.lingers() => return Ok(()),
                () = sleep(LOOK), if obstacle.is_some() => {
                    self.ask(talk, START).await?;
                    continue;
                }
            };
            if obstacle.is_none() {
                status.set(State::Busy);
            }
            let confirms = self.settings.status && self.confirms != Some(false);
            let mut run = Run::new(ready.limit, ready.job.rows, confirms);
            let result = self.print(talk, &ready, &mut run, status).await;
            let over = match &result {
                Err(PrintError::Gone { detail, .. }) => {
                    Some(Trouble::Absent { detail: detail.clone() })
                }
                Err(PrintError::Trouble(trouble)) => Some(trouble.clone()),
                _ => None,
            };
            self.jobs.end(ready, run.judged(result)).await;
            if let Some(trouble) = over {
                return Err(trouble);
            }
            if obstacle.is_none() {
                status.set(State::Ready);
            }
            idle = Instant::now();
        }
    }

    /// The state for `bridge.status`. A printer that cannot print is served all the same: it says so to
    /// each receipt, and when it can again.
    fn tell(&self, status: &Status, obstacle: Option<Obstacle>) {
        self.jobs.recover();
        match obstacle {
            None => status.started(),
            Some(obstacle) => {
                status.trouble(&Trouble::Failed { detail: format!("the printer: {obstacle}") });
            }
        }
    }

    /// Whether somebody is there, and how it is.
    async fn start(&mut self, talk: &mut Talk, status: &Status) -> Result<(), Trouble> {
        // It may be another printer than that which has confirmed. That one could not, it is found out
        // anew by any answer.
        self.confirms = self.confirms.filter(|confirms| !confirms);
        if !self.settings.status {
            status.cannot_do(CANNOT_TELL);
            // A socket is connected with the first bytes.
            return self.write(talk, &escpos::INIT).await;
        }
        if let Err(silent) = self.ask(talk, START).await {
            let Some(owed) = self.owed else { return Err(silent) };
            // It may wait for the rest of a band, and take the question for dots.
            self.write(talk, &vec![0; owed]).await?;
            self.owed = Some(0);
            self.ask(talk, START).await?;
        }
        if talk.condition().obstacle().is_none() && self.owed.is_none() {
            self.settle(talk, status).await?;
        }
        Ok(())
    }

    /// Asks a printer that can print to tell of itself, and finds out whether it confirms.
    async fn settle(&mut self, talk: &mut Talk, status: &Status) -> Result<(), Trouble> {
        self.write(talk, &[&escpos::INIT[..], &escpos::STATUS_BACK].concat()).await?;
        if self.confirms.is_none() {
            talk.mark(0);
            self.write(talk, &escpos::SENSORS).await?;
            let limit = Instant::now() + PROBE;
            while talk.marks() > 0 && Instant::now() < limit {
                talk.hear_until(limit).await.map_err(gone)?;
            }
            self.confirms = Some(talk.marks() == 0);
            talk.forget_marks();
        }
        if self.confirms == Some(false) {
            status.cannot_do(CANNOT_CONFIRM);
        }
        Ok(())
    }

    /// All four inquiries, which are to be answered within `limit`.
    async fn ask(&self, talk: &mut Talk, limit: Duration) -> Result<(), Trouble> {
        match talk.ask(limit).await {
            Ok(()) => Ok(()),
            Err(Stop::Line(error)) => Err(gone(error)),
            // One that has said why it does not print may be full, and hear no question.
            Err(_) if talk.condition().obstacle().is_some() => Ok(()),
            Err(Stop::Stalled | Stop::Obstacle(_)) => Err(Trouble::Failed {
                detail:
                    "the printer does not answer DLE EOT: switch it on, look after its cable and \
                         its speed; set status = false in [printer] if its answers cannot come back"
                        .to_owned(),
            }),
        }
    }

    async fn write(&self, talk: &mut Talk, bytes: &[u8]) -> Result<(), Trouble> {
        match talk.write(bytes, Some(START)).await {
            Ok(()) | Err(Stop::Obstacle(_)) => Ok(()),
            Err(Stop::Line(error)) => Err(gone(error)),
            Err(Stop::Stalled) => Err(Trouble::Failed {
                detail: "the printer takes no data: switch it on, look after its cable and flow"
                    .to_owned(),
            }),
        }
    }

    /// A receipt onto paper.
    async fn print(
        &mut self,
        talk: &mut Talk,
        ready: &Ready,
        run: &mut Run,
        status: &Status,
    ) -> Result<Ended, PrintError> {
        if self.settings.status {
            // One that stands still for a while has that while before a receipt as well as in it.
            self.ask(talk, ready.limit.unwrap_or(EVER)).await?;
            if let Some(what) = talk.condition().obstacle() {
                return Err(PrintError::Obstacle { what, progress: run.progress });
            }
        }
        self.jobs.journal().begin(ready.id).await?;
        self.prepare(talk, status, run).await?;
        let mut result = self.bands(talk, &ready.job.blocks, run).await;
        match &mut result {
            Ok(_) => self.owed = None,
            // What was on the line may be lost.
            Err(PrintError::Gone { .. }) => self.owed = Some(band_bytes(&self.settings)),
            Err(_) => {}
        }
        if let Err(error) = &mut result {
            // Of marks that were answered in the last moment, too.
            error.came_to(talk.confirmed_rows());
        }
        talk.forget_marks();
        result
    }

    /// Everything that has to be so before the first band.
    async fn prepare(
        &mut self,
        talk: &mut Talk,
        status: &Status,
        run: &Run,
    ) -> Result<(), PrintError> {
        if let Some(owed) = self.owed {
            self.sober(talk, owed, status, run).await?;
            self.owed = None;
        } else if self.settings.status {
            self.settle(talk, status).await?;
        } else {
            talk.write(&escpos::INIT, run.limit).await.map_err(|stop| run.stopped(stop))?;
        }
        Ok(())
    }

    /// The bands, the cut, and what the printer says to it.
    async fn bands(
        &mut self,
        talk: &mut Talk,
        blocks: &[Block],
        run: &mut Run,
    ) -> Result<Ended, PrintError> {
        let confirms = self.settings.status && self.confirms == Some(true);
        for (block, number) in blocks.iter().zip(1_u32..) {
            self.able(talk, run).await?;
            self.owed = Some(block.bytes.len());
            run.progress.begun = true;
            let result = talk.write(&block.bytes, run.limit).await;
            self.owed = Some(talk.unwritten());
            run.note(talk, confirms);
            result.map_err(|stop| run.stopped(stop))?;
            if !confirms {
                run.progress.rows = block.rows;
                if self.settings.status && number.is_multiple_of(ASK_EVERY) {
                    talk.ask_ahead(run.limit).await.map_err(|stop| run.stopped(stop))?;
                }
            } else {
                talk.mark(block.rows);
                let sent = talk.write(&escpos::SENSORS, run.limit).await;
                sent.map_err(|stop| run.stopped(stop))?;
                while talk.marks() >= WINDOW {
                    self.wait(talk, run).await?;
                    run.note(talk, confirms);
                }
            }
        }
        let mut bytes = escpos::ending(&self.settings.profile);
        if self.settings.status {
            bytes.extend(escpos::SENSORS);
        }
        talk.mark(run.progress.of);
        self.able(talk, run).await?;
        let sent = talk.write(&bytes, run.limit).await;
        run.is_ending = talk.unwritten() < bytes.len();
        sent.map_err(|stop| run.stopped(stop))?;
        if !self.settings.status {
            return Ok(Ended::Sent);
        }
        if confirms {
            while talk.marks() > 0 {
                self.wait(talk, run).await?;
                run.note(talk, confirms);
            }
            return Ok(Ended::Printed);
        }
        self.well_after(talk, run).await
    }

    /// Goes on when the printer can print; a while is waited for what passes by itself.
    async fn able(&self, talk: &mut Talk, run: &Run) -> Result<(), PrintError> {
        let until = Instant::now() + PATIENCE;
        while let Some(what) = talk.condition().obstacle() {
            if !what.passes() || Instant::now() >= until {
                return Err(PrintError::Obstacle { what, progress: run.progress });
            }
            let heard = talk.hear_until(Instant::now() + ASK).await;
            if !heard.map_err(|error| run.gone(error))? {
                talk.ask_ahead(run.limit).await.map_err(|stop| run.stopped(stop))?;
            }
        }
        Ok(())
    }

    /// Something is heard of the printer, which is asked if it says nothing by itself.
    async fn wait(&self, talk: &mut Talk, run: &Run) -> Result<(), PrintError> {
        let marks = talk.marks();
        let limit = run.limit.map(|limit| Instant::now() + limit);
        loop {
            let heard = talk.hear_until(Instant::now() + ASK).await;
            let heard = heard.map_err(|error| run.gone(error))?;
            if talk.marks() < marks {
                // What it cannot do from here on does not undo what it has confirmed.
                return Ok(());
            }
            let able = self.able(talk, run).await;
            if talk.marks() < marks {
                return Ok(());
            }
            able?;
            if limit.is_some_and(|limit| Instant::now() >= limit) {
                return Err(run.stopped(Stop::Stalled));
            }
            if !heard {
                talk.ask_ahead(run.limit).await.map_err(|stop| run.stopped(stop))?;
            }
        }
    }

    /// What a printer that cannot confirm says when it has had the time to print.
    async fn well_after(&self, talk: &mut Talk, run: &Run) -> Result<Ended, PrintError> {
        let by = run.began + run.paper_time();
        loop {
            // The question stands behind all data that the line has taken.
            let limit = run.limit.unwrap_or(EVER).saturating_add(run.paper_time());
            talk.ask(limit).await.map_err(|stop| run.stopped(stop))?;
            self.able(talk, run).await?;
            if talk.marks() == 0 {
                return Ok(Ended::Printed);
            }
            if Instant::now() >= by {
                return Ok(Ended::Sent);
            }
            let next = (Instant::now() + ASK).min(by);
            while talk.hear_until(next).await.map_err(|error| run.gone(error))? {}
        }
    }
}

#[cfg(test)]
mod tests;
