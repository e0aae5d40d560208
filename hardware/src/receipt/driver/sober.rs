//! A printer that was left in the middle of a receipt, brought to its senses before the next. The driver
//! calls it once, before the first band; it ends when the next mark can be nobody's but the next receipt's.

use std::time::Duration;

use tokio::time::Instant;

use super::run::Run;
use super::talk::{Stop, Talk};
use super::{CANNOT_CONFIRM, EscposPrinter};
use crate::device::Status;
use crate::receipt::{PrintError, escpos};

/// Answers to marks of an earlier receipt come within this time of each other: a band and a cut of a
/// slow printer.
const QUIET: Duration = Duration::from_secs(3);

impl EscposPrinter {
    /// A printer that was left in the middle of a receipt ends that, and cuts it off. Marks of that
    /// receipt may still be answered; the automatic status, which is asked for in order with the data
    /// as well, comes behind their answers and tells them from the next.
    pub(super) async fn sober(
        &mut self,
        talk: &mut Talk,
        owed: usize,
        status: &Status,
        run: &Run,
    ) -> Result<(), PrintError> {
        // A few more for a command that was cut short.
        let mut bytes = vec![0; owed + 8];
        bytes.extend(escpos::INIT);
        bytes.extend(escpos::ending(&self.settings.profile));
        if !self.settings.status {
            return talk.write(&bytes, run.limit).await.map_err(|stop| run.stopped(stop));
        }
        bytes.extend(escpos::STATUS_BACK);
        bytes.extend(escpos::SENSORS);
        talk.begin_anew();
        talk.write(&bytes, run.limit).await.map_err(|stop| run.stopped(stop))?;
        let limit = run.limit.map(|limit| Instant::now() + limit);
        while !talk.is_anew() {
            let heard = talk.hear_until(Instant::now() + QUIET).await;
            if heard.map_err(|error| run.gone(error))? {
                self.able(talk, run).await?;
                continue;
            }
            // It does not tell of itself: what was answered is all.
            let never = self.confirms != Some(true) && !talk.has_confirmed();
            if talk.has_answered_anew() || never {
                break;
            }
            if limit.is_some_and(|limit| Instant::now() >= limit) {
                return Err(run.stopped(Stop::Stalled));
            }
            talk.ask_ahead(run.limit).await.map_err(|stop| run.stopped(stop))?;
        }
        let confirms = talk.is_anew() || talk.has_answered_anew();
        if self.confirms.is_none() {
            self.confirms = Some(confirms);
            if !confirms {
                status.cannot_do(CANNOT_CONFIRM);
            }
        }
        talk.forget_marks();
        Ok(())
    }
}
