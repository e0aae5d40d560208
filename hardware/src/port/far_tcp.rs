//! A TCP port whose far end is a virtual device: any program can connect to it, one at a time, as
//! network printers allow.
//!
//! Used by `hharome virtual` and by the tests. While the plug is out nobody listens.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use super::far_end::{BoxedFarLine, FarEnd, FarLine, Plug};

/// A place where a virtual device listens.
pub struct TcpFarEnd {
    plug: Plug,
    address: SocketAddr,
    listener: Option<TcpListener>,
}

impl TcpFarEnd {
    /// Listens at this address; port 0 takes a free one.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { plug: Plug::new(), address, listener: Some(listener) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl FarEnd for TcpFarEnd {
    fn plug(&self) -> &Plug {
        &self.plug
    }

    async fn next_line(&mut self) -> Option<BoxedFarLine> {
        loop {
            if !self.plug.is_in() {
                self.listener = None;
                self.plug.put_in().await;
            }
            if self.listener.is_none() {
                self.listener = match TcpListener::bind(self.address).await {
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

impl FarLine for TcpStream {
    fn host_baud(&self) -> Option<u32> {
        None
    }
}
