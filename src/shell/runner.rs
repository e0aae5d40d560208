//! The driver that has the shell's commands run, one after the other, and waits for each.

use std::time::Duration;

use hharome_hardware::device::{Driver, State, Status, Trouble};
use hharome_hardware::port::BoxedLine;
use hharome_hardware::port::packets::{Packets, packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::Step;
use super::hooks::{ENDED, FAILED, RUN};
use crate::errands::Doer;

/// How much longer than a command its port may take: it kills what is late, and waits for its end.
const BEYOND: Duration = Duration::from_secs(5);

/// The driver.
pub struct Runner {
    doer: Doer<Option<Step>, Result<(), String>>,
    limit: Duration,
}

impl Runner {
    pub(super) fn new(doer: Doer<Option<Step>, Result<(), String>>, limit: Duration) -> Self {
        Self { doer, limit }
    }
}

impl Driver for Runner {
    async fn run(&mut self, mut line: BoxedLine, status: &Status) -> Option<Trouble> {
        self.doer.recover();
        status.set(State::Ready);
        loop {
            let errand = self.doer.next().await;
            let Some(step) = errand.wanted else {
                // Nothing is wanted but to know that what was before it has ended.
                errand.done(Ok(()));
                continue;
            };
            let said = timeout(self.limit + BEYOND, run(&mut line, step)).await;
            match said {
                Ok(Some(outcome)) => errand.done(outcome),
                Ok(None) | Err(_) => {
                    let detail = "the shell's commands cannot be run any more".to_owned();
                    let trouble = Trouble::Failed { detail };
                    errand.fail(&trouble);
                    return Some(trouble);
                }
            }
        }
    }

    fn unusable(&mut self, trouble: &Trouble) {
        self.doer.fail(trouble);
    }
}

/// One command; `None` if its port does not do what it should.
async fn run(line: &mut BoxedLine, step: Step) -> Option<Result<(), String>> {
    line.write_all(&packet(RUN, step.word().as_bytes())).await.ok()?;
    let (mut packets, mut chunk) = (Packets::default(), [0; 1024]);
    loop {
        if let Some(said) = packets.next_packet().ok()? {
            return match said.kind {
                ENDED => Some(Ok(())),
                FAILED => Some(Err(String::from_utf8_lossy(&said.data).into_owned())),
                _ => None,
            };
        }
        match line.read(&mut chunk).await {
            Ok(read) if read > 0 => packets.push(chunk.get(..read).unwrap_or_default()),
            Ok(_) | Err(_) => return None,
        }
    }
}
