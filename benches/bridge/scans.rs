//! From a code's last byte on the line to its event at a client, beside a bare relay from a pty to
//! a Unix socket.

use std::io::Write;
use std::time::Instant;

use super::client::{Client, Transport};
use super::kernel::{Placement, Processors};
use super::line::Line;
use super::process::{Bridge, Floor};
use super::report::{Report, Row, Target};
use super::samples::{Pairs, Turn};
use crate::{Effort, Outcome};

/// The report's words.
pub(crate) const GROUP: &str = "scan to event, beside a bare relay from pty to Unix socket";

/// Time of the bridge over that of the relay, pinned.
const TARGET: Target = Target::Ratio(1.25);

/// Scans before the first round.
const WARM_UP: usize = 50;

/// Measures both placements.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Outcome<()> {
    let processors = Processors::of_this_process()?;
    let (for_bridge, for_relay) = (Line::open()?, Line::open()?);
    let mut bridge = Bridge::serial(None, &for_bridge.path)?;
    bridge.ready(&["qr_scanner"])?;
    let mut relay = Floor::relay(&for_relay.path)?;
    let mut client = bridge.connect(Transport::Unix)?;
    client.ask(r#"{"on":"initQRListener"}"#)?;
    let mut bridge_side = Side { line: for_bridge, client, end: b'\n' };
    let mut relay_side = Side { line: for_relay, client: relay.connect()?, end: b'\r' };
    for placement in Placement::ALL {
        processors.place(placement, &[bridge.id(), relay.id()])?;
        bridge_side.scans(WARM_UP)?;
        relay_side.scans(WARM_UP)?;
        let mut pairs = <[Pairs; 2]>::default();
        for round in 0..effort.rounds {
            let (measured, floor) = if round % 2 == 0 {
                let first = bridge_side.scans(effort.scans)?;
                (first, relay_side.scans(effort.scans)?)
            } else {
                let first = relay_side.scans(effort.scans)?;
                (bridge_side.scans(effort.scans)?, first)
            };
            for (pairs, hundredths) in pairs.iter_mut().zip([50, 99]) {
                pairs.push(measured.percentile(hundredths), floor.percentile(hundredths));
            }
        }
        let [p50, p99] = pairs;
        let row = Row::pairs("scan to event p50", "µs", &p50).placed(placement.word());
        let counts = matches!(placement, Placement::Pinned);
        report.push(GROUP, if counts { row.target(TARGET) } else { row });
        let row = Row::pairs("scan to event p99", "µs", &p99);
        report.push(GROUP, row.placed(placement.word()));
    }
    Ok(())
}

/// A line with a scanner at its far end, and who hears of its codes.
struct Side {
    line: Line,
    client: Client,
    /// The last byte of what the client gets.
    end: u8,
}

impl Side {
    fn scans(&mut self, count: usize) -> Outcome<Turn> {
        let mut times = Vec::with_capacity(count);
        for number in 0..count {
            let code = format!("6901234567892-{number:05}\r");
            let began = Instant::now();
            self.line.master.write_all(code.as_bytes())?;
            let event = self.client.receive_until(self.end)?;
            times.push(began.elapsed());
            let digits = &code.as_bytes()[..code.len() - 1];
            if !event.windows(digits.len()).any(|part| part == digits) {
                return Err(format!("not the code: {}", String::from_utf8_lossy(event)).into());
            }
        }
        Ok(Turn::new(times))
    }
}
