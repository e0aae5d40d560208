//! `startInfraredInductionListener`: is somebody there, now and then, for each connection at its own
//! interval.

use std::future::Future;
use std::time::Duration;

use hharome_hardware::infrared::Listener;
use hharome_protocol::failure::Failure;
use hharome_protocol::infrared::{InductionEvent, InductionParams};
use tokio::time::{Instant, sleep_until};

use super::waiting::Words;
use crate::channels::{Feeder, OwnPublisher};
use crate::router::CallContext;

const INFRARED: Words = Words {
    section: "infrared",
    off: "本机未配置红外感应器",
    absent: "红外感应器未连接,请检查连线或联系工作人员",
    failed: "红外感应器故障,请联系工作人员",
    unreadable: "红外感应器故障,请联系工作人员",
};

/// Tells the connection once an interval until its stop. Answered when it is known that the sensor
/// can be used: it may have to be opened first.
pub(super) fn start(
    context: &CallContext,
    params: InductionParams,
) -> Result<(Feeder, impl Future<Output = Result<(), Failure>> + Send + use<>), Failure> {
    let infrared = &context.bridge.devices.infrared;
    let presence = infrared.presence.as_ref().ok_or_else(|| INFRARED.not_configured())?;
    let owner = context.stages.client().connection();
    let listener = presence.listen(owner).map_err(|trouble| INFRARED.failure(trouble))?;
    let usable = listener.usable();
    let interval = Duration::from_millis(u64::from(params.interval_time));
    let began = context.arrived;
    let feeder: Feeder =
        Box::new(move |publisher| tokio::spawn(feed(listener, began, interval, publisher)));
    Ok((feeder, async move { usable.await.map_err(|trouble| INFRARED.failure(trouble)) }))
}

/// An event an interval, but where the sensor does not know: nobody is not what that means.
async fn feed(listener: Listener, began: Instant, interval: Duration, publisher: OwnPublisher) {
    // Counted from the beginning, so that timers that come late do not add up.
    let mut next = began + interval;
    loop {
        sleep_until(next).await;
        if let Some(somebody) = listener.look() {
            publisher.publish(&InductionEvent { somebody });
        }
        next += interval;
        let now = Instant::now();
        if next <= now {
            // The machine was suspended; what was due meanwhile is one event.
            next = now + interval;
        }
    }
}
