//! The helper process: our own program, started only to end a device's sounds in time.
//!
//! [`HeldPort`](super::HeldPort) starts it with the path of the device as argument and a socket as
//! stdin, on which it is told sounds and tells what became of them; the page above has the words. It
//! ends when the other end of the socket is closed, which the kernel does for a process that has ended
//! in whatever way, and when the device is gone; its last act is silence, as silence is its first: a
//! helper before it may have been killed. Signals that ask a process to end are not for it: systemd
//! sends them to all processes of a service, and the daemon, which has got it too, may have to finish.
//!
//! Only SIGKILL of both at once (the kernel short of memory, `systemctl kill -s KILL`) leaves a tone
//! behind, until the daemon is started again.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::super::evdev::EvdevLine;
use super::super::{EV_SND, EV_SYN, InputEvent, RECORD, Records, SYN_REPORT};
use crate::port::PortError;

/// No sound is longer, whoever asks: a minute, the longest beep that there is.
pub const LONGEST: Duration = Duration::from_secs(60);

/// The exit code of an error without a number.
const NO_NUMBER: u8 = 100;

/// No such device (errno.h).
const GONE: i32 = 19;

/// The helper's life. `arguments` are those behind [`HELPER_COMMAND`](super::HELPER_COMMAND): the path
/// of the device. The exit code is the number of the error that has ended it, 0 if there was none.
///
/// Changes the whole process (signals): for a process that does nothing else.
pub fn helper_main(arguments: &[OsString]) -> ExitCode {
    let [device] = arguments else { return ExitCode::from(NO_NUMBER) };
    match run(Path::new(device)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let number = error.raw_os_error().and_then(|number| u8::try_from(number).ok());
            ExitCode::from(number.unwrap_or(NO_NUMBER))
        }
    }
}

fn run(device: &Path) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // What was caught once is caught for the rest of this process's life.
        for kind in [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
            SignalKind::quit(),
        ] {
            drop(signal(kind)?);
        }
        let daemon = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        daemon.set_nonblocking(true)?;
        let daemon = UnixStream::from_std(daemon)?;
        let (device, sounds) = EvdevLine::open_to_sound(device).map_err(number_of)?;
        hold(daemon, device, &sounds).await
    })
}

/// What the kernel has said.
fn number_of(error: PortError) -> io::Error {
    match error {
        PortError::Absent { .. } => io::Error::from_raw_os_error(GONE),
        PortError::Denied { .. } => io::Error::from_raw_os_error(13),
        PortError::Held { .. } => io::Error::from_raw_os_error(16),
        PortError::Other { source, .. } => source,
    }
}

/// Makes the sounds of `device` that are asked for on `daemon`, and ends them; until `daemon` ends.
///
/// # Errors
/// The device does not take them any more, or is gone.
pub(crate) async fn hold(
    mut daemon: impl AsyncRead + AsyncWrite + Unpin,
    mut device: impl AsyncRead + AsyncWrite + Unpin,
    sounds: &[u16],
) -> io::Result<()> {
    let silent = |code: &u16| InputEvent { kind: EV_SND, code: *code, value: 0 }.record();
    let silence: Vec<u8> = sounds.iter().map(silent).chain([end_of_report()]).flatten().collect();
    device.write_all(&silence).await?;
    tell(&mut daemon, &silence).await;
    let ended = serve(&mut daemon, &mut device, sounds).await;
    let silenced = device.write_all(&silence).await;
    ended.and(silenced)
}

/// A sound and when it ends.
struct Sounding {
    event: InputEvent,
    end: Instant,
}

async fn serve(
    daemon: &mut (impl AsyncRead + AsyncWrite + Unpin),
    device: &mut (impl AsyncRead + AsyncWrite + Unpin),
    sounds: &[u16],
) -> io::Result<()> {
    let (mut records, mut asked) = (Records::default(), None);
    let mut sounding: Option<Sounding> = None;
    let (mut said, mut happened) = ([0; 256], [0; 1024]);
    loop {
        tokio::select! {
            biased;
            () = end_of(sounding.as_ref()) => stop(daemon, device, &mut sounding).await?,
            read = daemon.read(&mut said) => match read {
                Ok(read) if read > 0 => records.push(said.get(..read).unwrap_or_default()),
                Ok(_) | Err(_) => return Ok(()),
            },
            // Its keys, if it has some, and what it was told just now: of no interest here.
            read = device.read(&mut happened) => if read? == 0 {
                return Err(io::Error::from_raw_os_error(GONE));
            },
        }
        while let Some(event) = records.next_event() {
            match (event.kind, event.code) {
                (EV_SND, code) if sounds.contains(&code) => asked = Some(event),
                (EV_SYN, SYN_REPORT) => {
                    let Some(sound) = asked.take() else { continue };
                    stop(daemon, device, &mut sounding).await?;
                    let length =
                        u64::try_from(event.value).map_or(Duration::ZERO, Duration::from_millis);
                    let end = Instant::now() + length.min(LONGEST);
                    put(daemon, device, sound).await?;
                    sounding = Some(Sounding { event: sound, end });
                }
                _ => {}
            }
        }
    }
}

/// Ends when a sound has to; never without one.
async fn end_of(sounding: Option<&Sounding>) {
    match sounding {
        Some(sounding) => sleep_until(sounding.end).await,
        None => std::future::pending().await,
    }
}

/// The end of what sounds, if something does.
async fn stop(
    daemon: &mut (impl AsyncWrite + Unpin),
    device: &mut (impl AsyncWrite + Unpin),
    sounding: &mut Option<Sounding>,
) -> io::Result<()> {
    match sounding.take() {
        Some(Sounding { event, .. }) => put(daemon, device, InputEvent { value: 0, ..event }).await,
        None => Ok(()),
    }
}

/// Tells the device, and then that it has been told.
async fn put(
    daemon: &mut (impl AsyncWrite + Unpin),
    device: &mut (impl AsyncWrite + Unpin),
    event: InputEvent,
) -> io::Result<()> {
    let records = [event.record(), end_of_report()].concat();
    device.write_all(&records).await?;
    tell(daemon, &records).await;
    Ok(())
}

/// Tells the daemon. It may have gone; and one that does not listen has asked for one sound at most, so
/// that the socket has room for what is said of it, and nobody waits here.
async fn tell(daemon: &mut (impl AsyncWrite + Unpin), records: &[u8]) {
    let _ = daemon.write_all(records).await;
}

fn end_of_report() -> [u8; RECORD] {
    InputEvent { kind: EV_SYN, code: SYN_REPORT, value: 0 }.record()
}

#[cfg(test)]
mod tests;
