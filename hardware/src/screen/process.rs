//! The port of a second screen: starts the process that holds the display ([`super::helper`]).
//!
//! Opening it starts our own program anew, in the environment of the kiosk user's session; its stdin
//! and stdout are the line. It is killed when the driver lets go of the line.

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::helper::HELPER_COMMAND;
use crate::device::Trouble;
use crate::port::{BoxedLine, Line, Opening, PROGRAM, Port, PortError};

/// How soon a screen that could not be used is tried again: hardly noticed where there is none, and
/// soon enough when a session has begun.
const RETRY: Duration = Duration::from_secs(2);

/// Where a display is, and the program that holds it.
pub struct ScreenProcess {
    program: PathBuf,
    driver: &'static str,
    environment: Vec<(&'static str, OsString)>,
}

impl ScreenProcess {
    /// `program` is our own binary: it must understand [`HELPER_COMMAND`] by calling
    /// [`super::helper::helper_main`]. `driver` is one of that module's words; `environment` is added
    /// to the daemon's own.
    #[must_use]
    pub fn new(
        program: impl Into<PathBuf>,
        driver: &'static str,
        environment: Vec<(&'static str, OsString)>,
    ) -> Self {
        Self { program: program.into(), driver, environment }
    }
}

impl Port for ScreenProcess {
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
            let spawned = Command::new(&self.program)
                .arg(HELPER_COMMAND)
                .arg(self.driver)
                .envs(self.environment.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn();
            let port = || format!("{PROGRAM}{}", self.program.display());
            let mut child = spawned.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => PortError::Absent { port: port() },
                io::ErrorKind::PermissionDenied => PortError::Denied { port: port() },
                _ => PortError::Other { port: port(), source: error },
            })?;
            match (child.stdin.take(), child.stdout.take()) {
                (Some(stdin), Some(stdout)) => {
                    Ok(Box::new(ProcessLine { stdin, stdout, _child: child }) as BoxedLine)
                }
                _ => {
                    let source = io::Error::other("its pipes are missing");
                    Err(PortError::Other { port: port(), source })
                }
            }
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        _: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(tokio::time::sleep(RETRY))
    }
}

struct ProcessLine {
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// Killed when it is dropped, and waited for by the runtime.
    _child: Child,
}

impl Line for ProcessLine {
    fn discard_input(&mut self) -> io::Result<()> {
        // Nothing comes that is not about what was asked.
        Ok(())
    }
}

impl AsyncRead for ProcessLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buf)
    }
}

impl AsyncWrite for ProcessLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}
