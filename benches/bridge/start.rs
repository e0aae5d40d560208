//! How long a start takes, with every device simulated.

use super::client::Transport;
use super::process::Bridge;
use super::report::{Report, Row, Target};
use super::samples::range;
use crate::{Effort, Outcome};

/// The report's words.
pub(crate) const GROUP: &str = "start, every device simulated";

/// Milliseconds until a client gets in.
const TARGET: Target = Target::Measured(20.0);

/// Measures a number of starts.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Outcome<()> {
    let (mut accepted, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..effort.starts {
        let mut bridge = Bridge::simulated()?;
        let mut client = bridge.connect(Transport::Unix)?;
        accepted.push(bridge.spawned().elapsed().as_secs_f64() * 1e3);
        client.ask(r#"{"action":"getDeviceInfo","taskId":"1"}"#)?;
        answered.push(bridge.spawned().elapsed().as_secs_f64() * 1e3);
    }
    let (accepted, answered) = (range(accepted.into_iter()), range(answered.into_iter()));
    let row = Row::figure("exec to accept, median", "ms", accepted.median);
    report.push(GROUP, row.target(TARGET));
    report.push(GROUP, Row::figure("exec to accept, slowest", "ms", accepted.max));
    report.push(GROUP, Row::figure("exec to first reply, median", "ms", answered.median));
    report.push(GROUP, Row::figure("exec to first reply, slowest", "ms", answered.max));
    Ok(())
}
