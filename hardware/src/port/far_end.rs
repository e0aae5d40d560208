//! Where virtual devices stand: the far end of a line, and the plug between.
//!
//! A [`VirtualDevice`] speaks the real device's bytes over any [`FarLine`]: one in memory
//! ([`super::memory`]) or a pty ([`super::pty`]). [`run`] is its whole life.

use std::future::Future;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// The device's side of an open line.
pub trait FarLine: AsyncRead + AsyncWrite + Send + Unpin {
    /// The rate that the host has set, in baud, where it can be known.
    fn host_baud(&self) -> Option<u32>;
}

/// A far line of any kind.
pub type BoxedFarLine = Box<dyn FarLine>;

/// Where the device's sides of lines come from.
pub trait FarEnd: Send {
    /// The plug between this end and the port.
    fn plug(&self) -> &Plug;

    /// The next line that is opened while the plug is in; `None` when there will be none.
    fn next_line(&mut self) -> impl Future<Output = Option<BoxedFarLine>> + Send;
}

/// A device that speaks over far lines.
pub trait VirtualDevice: Send {
    /// Serves one line until it is closed.
    fn serve(&mut self, line: BoxedFarLine) -> impl Future<Output = ()> + Send;
}

/// A virtual device's life: serves line after line, and stops in mid-byte when the plug is pulled.
pub async fn run(mut end: impl FarEnd, mut device: impl VirtualDevice) {
    while let Some(line) = end.next_line().await {
        let plug = end.plug().clone();
        tokio::select! {
            biased;
            () = plug.pulled() => {}
            () = device.serve(line) => {}
        }
    }
}

/// A plug that can be pulled and put in again. Clones are the same plug.
#[derive(Clone)]
pub struct Plug(Arc<watch::Sender<bool>>);

impl Default for Plug {
    fn default() -> Self {
        Self::new()
    }
}

impl Plug {
    /// A plug that is in.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }

    /// Puts it in or pulls it out.
    pub fn set(&self, plugged_in: bool) {
        self.0.send_replace(plugged_in);
    }

    /// Whether it is in.
    #[must_use]
    pub fn is_in(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when it is out.
    pub async fn pulled(&self) {
        self.until(false).await;
    }

    /// Ends when it is in.
    pub async fn put_in(&self) {
        self.until(true).await;
    }

    async fn until(&self, plugged_in: bool) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|now| *now == plugged_in).await;
    }
}
