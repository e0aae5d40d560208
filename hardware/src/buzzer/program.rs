//! A buzzer that is a program: started once a beep, with the length among its arguments.
//! [`program_buzzer`] makes it; [`ProgramBuzzer::run`] ends with the daemon.
//!
//! The program beeps and ends. One that does not end within its beep and [`GRACE`] is killed; one
//! that ends with another code than 0 has not beeped.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::{Beeper, Queue};
use crate::device::{State, Status, Trouble};

/// How long a program may take besides its beep: starting one from a slow disk takes a second or
/// two, and a sound server may have to be woken.
pub const GRACE: Duration = Duration::from_secs(5);

/// What stands in an argument for the length of the beep in milliseconds.
const LENGTH: &str = "{ms}";

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file to run.
    pub path: PathBuf,
    /// Its arguments; `{ms}` in them becomes the length of the beep.
    pub arguments: Vec<String>,
}

/// The task that owns the program.
pub struct ProgramBuzzer {
    program: Program,
    status: Status,
    queue: Queue,
}

/// A program that beeps: the handle, and the task to run.
#[must_use]
pub fn program_buzzer(program: Program, status: Status) -> (Beeper, ProgramBuzzer) {
    let (beeper, queue) = Queue::new();
    (beeper, ProgramBuzzer { program, status, queue })
}

impl ProgramBuzzer {
    /// In the place of [`Self::run`] where the program is another machine's, in a replay: nothing is
    /// run, and every beep goes well after its length. Never ends.
    pub async fn keep_silent(mut self) {
        self.status.learn("program", self.program.path.display().to_string());
        self.status.started();
        loop {
            let beep = self.queue.next().await;
            tokio::time::sleep(Duration::from_millis(u64::from(beep.ms))).await;
            self.status.count("beeps");
            beep.answer(Ok(()));
        }
    }

    /// Runs the program when asked, one at a time. Never ends.
    pub async fn run(mut self) {
        let path = &self.program.path;
        self.status.learn("program", path.display().to_string());
        // Only a beep shows whether it runs; that it is there can be said before.
        match std::fs::metadata(path) {
            Ok(_) => self.status.started(),
            Err(error) => self.status.trouble(&cannot_run(path, &error)),
        }
        loop {
            let beep = self.queue.next().await;
            // One that failed last time stays so until a beep works: the same trouble again is no
            // news.
            if self.status.snapshot().state == State::Ready {
                self.status.set(State::Busy);
            }
            let result = sound(&self.program, beep.ms).await;
            match &result {
                Ok(()) => {
                    self.status.count("beeps");
                    self.status.set(State::Ready);
                }
                Err(trouble) => self.status.trouble(trouble),
            }
            beep.answer(result);
        }
    }
}

async fn sound(program: &Program, ms: u32) -> Result<(), Trouble> {
    let path = &program.path;
    let length = ms.to_string();
    let mut child = Command::new(path)
        .args(program.arguments.iter().map(|argument| argument.replace(LENGTH, &length)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| cannot_run(path, &error))?;
    let limit = Duration::from_millis(ms.into()) + GRACE;
    match timeout(limit, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(failed(path, &how_it_ended(status))),
        Ok(Err(error)) => Err(failed(path, &format!("could not be waited for: {error}"))),
        Err(_) => {
            // What cannot be killed any more has ended; the runtime collects it.
            let _ = child.start_kill();
            let limit = limit.as_millis();
            Err(failed(path, &format!("had not ended after {limit} ms, and was killed")))
        }
    }
}

fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended, nobody knows how".to_owned(),
    }
}

fn failed(path: &Path, what: &str) -> Trouble {
    Trouble::Failed { detail: format!("{} {what}", path.display()) }
}

fn cannot_run(path: &Path, error: &io::Error) -> Trouble {
    let path = path.display();
    if error.kind() == io::ErrorKind::NotFound {
        return Trouble::Absent {
            detail: format!("{path} is not there; install it, or change program in [buzzer]"),
        };
    }
    Trouble::Failed { detail: format!("{path} cannot be run: {error}") }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::BeepError;
    use super::*;

    fn started(path: impl Into<PathBuf>, arguments: &[&str]) -> (Beeper, Status) {
        let status = Status::new("buzzer", State::Busy);
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        let program = Program { path: path.into(), arguments };
        let (beeper, task) = program_buzzer(program, status.clone());
        tokio::spawn(task.run());
        (beeper, status)
    }

    fn shell(script: &str) -> (Beeper, Status) {
        started("/bin/sh", &["-c", script, "sh", "-l{ms}", "{ms}"])
    }

    #[tokio::test]
    async fn the_program_is_told_the_length() {
        let folder = tempfile::tempdir().unwrap();
        let heard = folder.path().join("heard");
        let (beeper, status) = shell(&format!("echo \"$@\" >> {}", heard.display()));
        let (first, second) = (beeper.beep(50), beeper.beep(1234));
        second.await.unwrap();
        first.await.unwrap();
        assert_eq!(fs::read_to_string(&heard).unwrap(), "-l50 50\n-l1234 1234\n");
        assert_eq!(status.counters()["beeps"], 2);
        assert_eq!(status.snapshot().state, State::Ready);
    }

    #[tokio::test]
    async fn another_exit_code_than_0_is_a_failure_until_the_next_beep_works() {
        let folder = tempfile::tempdir().unwrap();
        let flag = folder.path().join("flag");
        let (beeper, status) = shell(&format!("[ -e {} ] || exit 7", flag.display()));
        let error = beeper.beep(50).await.unwrap_err();
        assert_eq!(error.to_string(), "/bin/sh ended with exit code 7");
        assert_eq!(status.snapshot().state, State::Failed);
        fs::write(&flag, "").unwrap();
        assert_eq!(beeper.beep(50).await, Ok(()));
        assert_eq!(status.snapshot().state, State::Ready);
    }

    #[tokio::test]
    async fn a_program_that_kills_itself_is_a_failure() {
        let (beeper, _) = shell("kill -9 $$");
        let error = beeper.beep(50).await.unwrap_err();
        assert_eq!(error.to_string(), "/bin/sh was ended by signal 9");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_makes_the_buzzer_absent() {
        let (beeper, status) = started("/nowhere/beep", &[]);
        let error = beeper.beep(50).await.unwrap_err();
        assert!(matches!(error, BeepError::Trouble(Trouble::Absent { .. })), "{error:?}");
        assert_eq!(status.snapshot().state, State::Absent);
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_does_not_end_is_killed() {
        // The process is real and the clock is not: the time limit comes at once.
        let (beeper, _) = shell("exec sleep 600");
        let error = beeper.beep(1000).await.unwrap_err();
        assert_eq!(error.to_string(), "/bin/sh had not ended after 6000 ms, and was killed");
    }
}
