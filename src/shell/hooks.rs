//! The port behind the shell's commands: runs them, without a shell of the system's, each within its time.
//!
//! What a command prints goes nowhere. One that is late is killed with all that it has started, and so is one
//! that nobody waits for any more, because the daemon ends.

use std::future::{Future, ready};
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;

use hharome_hardware::device::Trouble;
use hharome_hardware::port::packets::{Packets, packet};
use hharome_hardware::port::served::ServedLine;
use hharome_hardware::port::{BoxedLine, Opening, Port};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Step;

/// Run the command of the step that is named.
pub(super) const RUN: u8 = 1;
/// It has ended well.
pub(super) const ENDED: u8 = 1;
/// It has not; the words say how.
pub(super) const FAILED: u8 = 2;

/// Bytes that may be under way on the line.
const LINE_BUFFER: usize = 4096;

/// How long a killed command may take to be gone.
const KILLED: Duration = Duration::from_secs(2);

/// The commands of the configuration.
#[derive(Clone)]
pub struct Hooks {
    /// Program and arguments of each step that has a command.
    pub commands: Vec<(Step, Vec<String>)>,
    /// How long one may take.
    pub limit: Duration,
}

impl Port for Hooks {
    fn open(&mut self, _: u32) -> Opening<'_> {
        let (near, far) = tokio::io::duplex(LINE_BUFFER);
        tokio::spawn(serve(far, self.clone()));
        Box::pin(ready(Ok(Box::new(ServedLine(near)) as BoxedLine)))
    }

    fn worth_opening<'a>(
        &'a mut self,
        _: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(ready(()))
    }
}

/// The far side of an open line. Ends with the line.
async fn serve(mut line: DuplexStream, hooks: Hooks) {
    let (mut packets, mut chunk) = (Packets::default(), [0; 1024]);
    loop {
        while let Ok(Some(told)) = packets.next_packet() {
            let named = |(step, _): &&(Step, Vec<String>)| step.word().as_bytes() == &*told.data;
            let said = match hooks.commands.iter().find(named) {
                Some((_, command)) => run(command, hooks.limit).await,
                None => Err("there is no such command".to_owned()),
            };
            let said = match said {
                Ok(()) => packet(ENDED, b""),
                Err(words) => packet(FAILED, words.as_bytes()),
            };
            if line.write_all(&said).await.is_err() {
                return;
            }
        }
        match line.read(&mut chunk).await {
            Ok(read) if read > 0 => packets.push(chunk.get(..read).unwrap_or_default()),
            Ok(_) | Err(_) => return,
        }
    }
}

/// Runs a command to its end, or to that of its time.
async fn run(command: &[String], limit: Duration) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program}: cannot be run: {error}"))?;
    let mut running = Running(child);
    let ended = timeout(limit, running.0.wait()).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("{program}: has ended with {status}")),
        Ok(Err(error)) => Err(format!("{program}: cannot be waited for: {error}")),
        Err(_) => {
            running.kill();
            // A process that cannot be killed is left behind.
            let _ = timeout(KILLED, running.0.wait()).await;
            Err(format!("{program}: has not ended within {} ms, and was killed", limit.as_millis()))
        }
    }
}

/// A command that was begun. If it still runs when this is dropped, it is killed.
struct Running(Child);

impl Running {
    /// Kills it, and what it has started.
    fn kill(&self) {
        // One that has ended and was waited for has no number any more; before that it is nobody else's.
        let group = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use futures_util::poll;
    use tempfile::TempDir;

    use super::*;

    /// The number of a process that writes it down there.
    async fn number(file: &Path) -> String {
        loop {
            match std::fs::read_to_string(file) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                Ok(_) | Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    #[tokio::test]
    async fn what_a_command_has_started_goes_with_it_when_nobody_waits_for_it_any_more() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("number");
        let text = format!("sleep 300 & echo $! > {}; wait", file.display());
        let command = ["/bin/sh", "-c", &text].map(str::to_owned);
        let mut running = Box::pin(run(&command, Duration::from_secs(300)));
        assert!(poll!(&mut running).is_pending());
        let number = timeout(Duration::from_secs(60), number(&file)).await.unwrap();
        drop(running);
        let process = format!("/proc/{number}/stat");
        let gone = async {
            // A process that nobody waits for yet is a zombie.
            while std::fs::read_to_string(&process).is_ok_and(|stat| !stat.contains(") Z ")) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), gone).await.unwrap();
    }
}
