//! A moment that may never come, for a `select!` that waits for other things beside it.

use tokio::time::{Instant, sleep_until};

/// Ends at this moment; without one, never. Safe to drop.
pub(crate) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
