//! How fast `hharome replay` goes through an hour at a kiosk, and that it holds no more of it than
//! of five minutes.

use std::path::PathBuf;

use super::kiosk::{self, Recorded};
use super::process::{self, Replayed};
use super::report::{Report, Row, Target};
use super::samples::{Pairs, range};
use crate::{Effort, Outcome};

/// The report's words.
pub(crate) const GROUP: &str = "replay in virtual time, a card every 30 s";

/// Recorded seconds a second.
const SPEED: Target = Target::AtLeast(1000.0);

/// Memory of the hour's replay over that of five minutes.
const MEMORY: Target = Target::Ratio(1.1);

/// Cards in an hour, one every [`kiosk::PERIOD`].
const HOUR: u32 = 120;

/// Cards in five minutes.
const FIVE_MINUTES: u32 = 10;

/// Replays one hour and five minutes in turns.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Outcome<()> {
    let folder = tempfile::Builder::new().prefix("hharome-bench-").tempdir()?;
    let make = |name: &str, cards| -> Outcome<(PathBuf, Recorded)> {
        let path = folder.path().join(name);
        let recorded = kiosk::record(&path, cards)?;
        Ok((path, recorded))
    };
    let (hour, of_hour) = make("hour", HOUR)?;
    let (short, _) = make("five-minutes", FIVE_MINUTES)?;
    // Once unmeasured: program and recording are in the kernel's cache from then on.
    compared(&process::replay(&short)?, FIVE_MINUTES)?;
    compared(&process::replay(&hour)?, HOUR)?;
    let (mut times, mut peaks) = (Vec::new(), Pairs::default());
    // A third of the usual turns: one is as long as hundreds of round trips, and as steady.
    for _ in 0..effort.rounds.div_ceil(3) {
        let of_short = process::replay(&short)?;
        let of_hour = process::replay(&hour)?;
        times.push(of_hour.time.as_secs_f64());
        peaks.push(of_hour.peak, of_short.peak);
    }
    let time = range(times.into_iter());
    let seconds = of_hour.length.as_secs_f64();
    let speed = Row::figure("recorded time over real time", "×", seconds / time.median);
    let slowest = seconds / time.max;
    report.push(GROUP, speed.target(SPEED).note(format!("slowest {slowest:.0}, start included")));
    report.push(GROUP, Row::figure("an hour, median", "ms", time.median * 1e3));
    let row = Row::pairs("peak RSS, an hour beside five minutes", "KB", &peaks);
    report.push(GROUP, row.target(MEMORY));
    let growth = peaks.measured() - peaks.floor();
    report.push(GROUP, Row::figure("peak RSS, growth", "KB", growth));
    let disk = of_hour.bytes_on_disk()?;
    report.push(GROUP, Row::figure("the recording of an hour", "KB", disk / 1024.0));
    Ok(())
}

/// Every reply was compared; a replay that plays nothing would be the fastest.
fn compared(replayed: &Replayed, cards: u32) -> Outcome<()> {
    if replayed.words.contains(&format!("({cards} frames compared)")) {
        return Ok(());
    }
    Err(format!("not {cards} frames were compared: {}", replayed.words).into())
}
