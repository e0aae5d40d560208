//! `getDeviceInfo` over each transport, beside a bare tokio JSON echo on the same transport.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, Transport};
use super::kernel::{Placement, Processors};
use super::process::{Bridge, Floor};
use super::report::{Report, Row, Target};
use super::samples::{Pairs, Turn, in_turns};
use crate::{Effort, Outcome};

/// The report's words.
pub(crate) const GROUP: &str = "getDeviceInfo, beside a bare tokio JSON echo";

/// Round trip of the bridge over that of the floor, Unix socket, pinned.
const TARGET: Target = Target::Ratio(1.5);

/// Requests written in one go when pipelining: about 10 KB.
const BATCH: usize = 128;

/// Trips before the first round of a connection.
const WARM_UP: usize = 500;

/// Measures all transports in both placements.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Outcome<()> {
    let processors = Processors::of_this_process()?;
    let mut bridge = Bridge::simulated()?;
    let info = bridge.connect(Transport::Unix)?.ask(&request(0))?;
    for transport in Transport::ALL {
        let mut floor = Floor::echo(transport, &info["data"])?;
        for placement in Placement::ALL {
            let mut pair = [bridge.connect(transport)?, floor.connect()?];
            processors.place(placement, &[bridge.id(), floor.id()])?;
            let what = transport.word();
            let [p50, p99] = trips(effort, &mut pair)?;
            let row = Row::pairs(format!("round trip p50, {what}"), "µs", &p50);
            let row = row.placed(placement.word());
            let counts = matches!((transport, placement), (Transport::Unix, Placement::Pinned));
            report.push(GROUP, if counts { row.target(TARGET) } else { row });
            let row = Row::pairs(format!("round trip p99, {what}"), "µs", &p99);
            report.push(GROUP, row.placed(placement.word()));
            let rate = pipelined(effort, &mut pair)?;
            let row = Row::pairs(format!("calls a second, {what}"), "/s", &rate);
            report.push(GROUP, row.placed(placement.word()));
        }
    }
    Ok(())
}

/// All requests, and so all replies, are equally long.
fn request(number: usize) -> String {
    let number = number % 1_000_000;
    format!(r#"{{"action":"getDeviceInfo","event":"open","taskId":"{number:06}","params":{{}}}}"#)
}

/// p50 and p99 of one request at a time.
fn trips(effort: Effort, pair: &mut [Client; 2]) -> Outcome<[Pairs; 2]> {
    let lengths = pair.each_mut().map(|client| round_trips(client, WARM_UP).map(|turn| turn.1));
    let [bridge, floor] = lengths;
    if bridge? != floor? {
        return Err("bridge and floor reply with different lengths".into());
    }
    let mut pairs = <[Pairs; 2]>::default();
    for [bridge, floor] in
        in_turns(effort.rounds, pair, |client| Ok(round_trips(client, effort.trips)?.0))?
    {
        for (pairs, hundredths) in pairs.iter_mut().zip([50, 99]) {
            pairs.push(bridge.percentile(hundredths), floor.percentile(hundredths));
        }
    }
    Ok(pairs)
}

/// The times of `count` round trips, and the length of each reply.
fn round_trips(client: &mut Client, count: usize) -> Outcome<(Turn, usize)> {
    let mut times = Vec::with_capacity(count);
    let mut length = 0;
    for number in 0..count {
        let frame = client.frame(&request(number));
        let began = Instant::now();
        client.send(&frame)?;
        let reply = client.receive()?;
        times.push(began.elapsed());
        if length != 0 && reply.len() != length {
            return Err(format!("an odd reply: {}", String::from_utf8_lossy(reply)).into());
        }
        length = reply.len();
    }
    Ok((Turn::new(times), length))
}

/// Calls a second, written without waiting for replies.
fn pipelined(effort: Effort, pair: &mut [Client; 2]) -> Outcome<Pairs> {
    let mut pairs = Pairs::default();
    let turns = in_turns(effort.rounds, pair, |client| {
        let time = pipeline(client, effort.pipelined)?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = effort.pipelined as f64;
        Ok(count / time.as_secs_f64())
    })?;
    for [bridge, floor] in turns {
        pairs.push(bridge, floor);
    }
    Ok(pairs)
}

fn pipeline(client: &mut Client, count: usize) -> Outcome<Duration> {
    let batch: Vec<u8> = (0..BATCH).flat_map(|number| client.frame(&request(number))).collect();
    let mut writer = client.writer()?;
    let batches = count / BATCH;
    let began = Instant::now();
    let writing = thread::spawn(move || (0..batches).try_for_each(|_| writer.write_all(&batch)));
    let mut length = 0;
    for _ in 0..batches * BATCH {
        let reply = client.receive()?;
        if length != 0 && reply.len() != length {
            return Err(format!("an odd reply: {}", String::from_utf8_lossy(reply)).into());
        }
        length = reply.len();
    }
    let time = began.elapsed();
    writing.join().map_err(|_| "the writing thread panicked")??;
    Ok(time)
}
