//! The operation timeout: has nobody touched the kiosk for a while?

use crate::action::{Call, Channel, Empty, NoParams};

/// `ampeStartOperationWatcher`: a call of its own name that starts the countdown, or starts it
/// again.
pub struct StartOperationWatcher;

/// `ampeOperationTimeout`: the countdown has ended. Once a call; needs no `on`.
pub struct OperationTimeout;

impl Call for StartOperationWatcher {
    const NAME: &'static str = "ampeStartOperationWatcher";
    type Params = NoParams;
    type Data = Empty;
}

impl Channel for OperationTimeout {
    const NAME: &'static str = "ampeOperationTimeout";
    const STARTED_BY: Option<&'static str> = Some(StartOperationWatcher::NAME);
    type Event = Empty;
}
