//! The daemon's own calls and the channel of its devices' states.

use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use hharome_protocol::action::{Channel, Empty, NoParams};
use hharome_protocol::bridge::{
    DescribedDevice, Description, DevicesChannel, DevicesEvent, Limits, LookParams,
    ProtocolVersion, RecordParams, RecordStatus, RecordVerb, Sight, Sights, SimulateParams, Status,
};
use hharome_protocol::failure::Failure;
use hharome_protocol::frame;
use tokio::time::timeout;

use crate::bridge::Clock;
use crate::channels::{Feed, Publisher};
use crate::devices::{Device, Devices};
use crate::recording;
use crate::recording::format::PersonalData;
use crate::router::CallContext;
use crate::simulation::{Picture, View};
use crate::transport::access;

/// `bridge.describe`.
pub(super) fn describe(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<Description, Failure>> + Send {
    let bridge = &context.bridge;
    let config = bridge.config();
    let (listen, limits) = (&config.listen, &config.limits);
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let names = |names: &mut dyn Iterator<Item = &'static str>| names.map(str::to_owned).collect();
    let device = |device: &Device| {
        let told = bridge.status_of(device);
        let (state, simulated) = (told.state, told.simulated);
        DescribedDevice { device: told.device, driver: told.driver, state, simulated }
    };
    ready(Ok(Description {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: ProtocolVersion::CURRENT,
        actions: names(&mut bridge.router.served_actions()),
        channels: names(&mut bridge.channels.names()),
        calls: names(&mut bridge.router.served_calls()),
        limits: Limits {
            max_frame_bytes: number(listen.max_frame_bytes),
            stream_events: number(limits.stream_events),
            pause_frames: number(limits.paused_frames),
            max_frames: number(limits.waiting_frames),
            max_bytes: number(limits.waiting_bytes),
            max_calls: number(limits.calls_per_connection),
            operation_timeout: config.timeouts.operation.map_or(0, millis),
        },
        devices: bridge.devices.all().map(device).collect(),
    }))
}

/// `bridge.status`.
pub(super) fn status(
    context: CallContext,
    _: NoParams,
) -> impl Future<Output = Result<Status, Failure>> + Send {
    let bridge = &context.bridge;
    ready(Ok(Status {
        devices: bridge.devices.all().map(|device| bridge.status_of(device)).collect(),
        connections: bridge.clients(),
        dropped: bridge.dropped(),
    }))
}

/// `bridge.simulate`.
pub(super) fn simulate(
    context: CallContext,
    params: SimulateParams,
) -> impl Future<Output = Result<Empty, Failure>> + Send {
    let allowed = control(&context);
    ready(allowed.and_then(|()| context.bridge.devices.simulate(&params)).map(|()| Empty {}))
}

/// Pages of other origins, listed ones too, do not work the bridge itself.
fn control(context: &CallContext) -> Result<(), Failure> {
    if access::may_control(context.transport) {
        return Ok(());
    }
    Err(Failure::forbidden("not for web pages of other origins than the panel's own"))
}

/// `bridge.look`.
pub(super) async fn look(context: CallContext, params: LookParams) -> Result<Sights, Failure> {
    control(&context)?;
    let views = context.bridge.devices.hand(&params.device)?.look();
    let encode = move || views.into_iter().filter_map(sight).collect();
    // A long receipt takes its milliseconds. Who looks is in no recording, so no replay waits for this.
    let pictures = tokio::task::spawn_blocking(encode).await;
    Ok(Sights { pictures: pictures.map_err(|_| Failure::internal("a picture's encoder"))? })
}

fn sight(view: View) -> Option<Sight> {
    let View { number, finished, .. } = view;
    let Picture { width, height, png } = view.picture()?;
    Some(Sight { number, finished, width, height, png_base64: STANDARD.encode(png) })
}

/// How long the disk may take to make a recording's folder.
const DISK: Duration = Duration::from_secs(5);

/// `bridge.record`.
pub(super) async fn record(
    context: CallContext,
    params: RecordParams,
) -> Result<RecordStatus, Failure> {
    control(&context)?;
    let bridge = context.bridge;
    match params.verb {
        RecordVerb::Status => {}
        RecordVerb::Stop => bridge.recorder.end(recording::STOPPED).await,
        RecordVerb::Start => {
            let name = params.name.ok_or_else(|| Failure::bad_request("params.name: missing"))?;
            let personal_data = PersonalData::kept_if(params.keep_personal_data);
            if personal_data == PersonalData::Kept && context.transport != "unix" {
                let detail = "personal data is kept only for who comes by the Unix socket";
                return Err(Failure::forbidden(detail));
            }
            let planned = recording::plan(&bridge, &name, personal_data)?;
            // The disk may be slow, and nobody else shall notice.
            let made = timeout(DISK, tokio::task::spawn_blocking(|| planned.make())).await;
            let made = made.map_err(|_| Failure::internal("[recording] directory: no answer"))?;
            let folder = made.map_err(|_| Failure::internal("the recording's folder"))??;
            bridge.recorder.quiet().await;
            bridge.recorder.begin(folder)?;
            recording::announce(&name, personal_data);
        }
    }
    Ok(bridge.recorder.status())
}

/// `bridgeDevices`: all devices at once, then each change as a list of one.
pub(super) fn device_feed(devices: &Arc<Devices>, clock: Clock) -> Feed {
    let all = Arc::clone(devices);
    let first = move || {
        let devices = all.all().map(|device| device.told(clock)).collect();
        frame::event(DevicesChannel::NAME, &DevicesEvent { devices }).ok()
    };
    let devices = Arc::clone(devices);
    let pump = move |publisher: Publisher| {
        // From here on no change is missed: the first event shows what came before.
        let changes: Vec<_> = devices.all().map(|device| device.status.changes()).collect();
        let devices = Arc::clone(&devices);
        tokio::spawn(async move {
            let publisher = &publisher;
            let watch = |(device, mut changes): (&Device, tokio::sync::watch::Receiver<_>)| {
                let device = device.clone();
                async move {
                    while changes.changed().await.is_ok() {
                        let devices = vec![device.told(clock)];
                        publisher.publish(&DevicesEvent { devices });
                    }
                }
            };
            join_all(devices.all().zip(changes).map(watch)).await;
        })
    };
    Feed { first: Some(Box::new(first)), pump: Box::new(pump) }
}
