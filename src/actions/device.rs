//! `getDeviceInfo`.

use std::future::{Future, ready};

use hharome_protocol::action::NoParams;
use hharome_protocol::device::DeviceInfo;
use hharome_protocol::failure::Failure;

use crate::router::CallContext;

/// What this machine is, at once.
pub(super) fn info(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<DeviceInfo, Failure>> + Send {
    ready(Ok(context.bridge.devices.machine.info()))
}
