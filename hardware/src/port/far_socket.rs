//! A Unix socket whose far end is a virtual device: any program can connect to it, one at a time.
//!
//! Used by `hharome virtual` and by the tests. While the plug is out nobody listens, and the socket's
//! file is gone; so it is when this is dropped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::far_end::{BoxedFarLine, FarEnd, FarLine, Plug};

/// A place where a virtual device listens.
pub struct SocketFarEnd {
    plug: Plug,
    path: PathBuf,
    listener: Option<UnixListener>,
}

impl SocketFarEnd {
    /// Listens at this path.
    ///
    /// # Errors
    /// Those of the operating system; `AddrInUse` where there is a file already.
    pub fn listen(path: &Path) -> io::Result<Self> {
        let listener = Some(UnixListener::bind(path)?);
        Ok(Self { plug: Plug::new(), path: path.to_owned(), listener })
    }

    fn close(&mut self) {
        if self.listener.take().is_some() {
            // Whoever has removed it before has done no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl FarEnd for SocketFarEnd {
    fn plug(&self) -> &Plug {
        &self.plug
    }

    async fn next_line(&mut self) -> Option<BoxedFarLine> {
        loop {
            if !self.plug.is_in() {
                self.close();
                self.plug.put_in().await;
            }
            if self.listener.is_none() {
                self.listener = match UnixListener::bind(&self.path) {
                    Ok(listener) => Some(listener),
                    Err(error) => {
                        tracing::error!(%error, "the virtual device cannot listen any more");
                        return None;
                    }
                };
            }
            let plug = self.plug.clone();
            let listener = self.listener.as_ref()?;
            tokio::select! {
                biased;
                () = plug.pulled() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => return Some(Box::new(stream)),
                    Err(error) => {
                        tracing::error!(%error, "the virtual device takes no connections any more");
                        return None;
                    }
                },
            }
        }
    }
}

impl Drop for SocketFarEnd {
    fn drop(&mut self) {
        self.close();
    }
}

impl FarLine for UnixStream {
    fn host_baud(&self) -> Option<u32> {
        None
    }
}
