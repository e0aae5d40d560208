//! The operation timeout: a countdown of each connection, which whoever touches the kiosk starts again.

use std::time::Duration;

use hharome_hardware::input::Watcher;
use hharome_protocol::action::{Empty, NoParams};
use tokio::time::{Instant, sleep_until};

use crate::channels::{Feeder, OwnPublisher};
use crate::router::CallContext;

/// Starts the connection's countdown, or starts it again; `None` where it is switched off.
pub(super) fn start(context: &CallContext, _: NoParams) -> Option<Feeder> {
    let limit = context.bridge.config().timeouts.operation?;
    // From now on, and not from when the task first runs.
    let (watcher, from) = (context.bridge.devices.input.activity.watch(), context.arrived);
    Some(Box::new(move |publisher| tokio::spawn(count_down(watcher, from, limit, publisher))))
}

/// Ends with the one event, or with the connection's next start or its end.
async fn count_down(
    mut watcher: Watcher,
    mut from: Instant,
    limit: Duration,
    publisher: OwnPublisher,
) {
    loop {
        tokio::select! {
            biased;
            operated = watcher.operated() => {
                from = operated;
                publisher.begin_again();
            }
            () = sleep_until(from + limit) => break,
        }
    }
    publisher.publish(&Empty {});
    publisher.end();
}
