//! What the kernel is asked about processes: where they run, what they hold, how often they ran.
//! From `sched_setaffinity(2)` and proc(5). And what time it is for all of them.

use std::fs;
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::Outcome;

/// Where processes may run.
pub(crate) struct Processors {
    all: CpuSet,
    first: CpuSet,
    last: CpuSet,
}

/// One of the two conditions under which times are compared.
#[derive(Clone, Copy)]
pub(crate) enum Placement {
    /// All on one processor.
    Pinned,
    /// The client on one, all others on another. Left to itself the kernel sometimes joins one of
    /// two equal servers with the client and leaves the other apart, a factor of ten.
    Spread,
}

impl Placement {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Pinned, Self::Spread];

    /// The word in the report.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Spread => "spread",
        }
    }
}

impl Processors {
    /// Those that this process may use now.
    pub(crate) fn of_this_process() -> Outcome<Self> {
        let all = sched_getaffinity(None)?;
        let allowed = || (0..CpuSet::MAX_CPU).filter(|processor| all.is_set(*processor));
        let set = |processor: Option<usize>| {
            let mut set = CpuSet::new();
            set.set(processor.ok_or("no processor is allowed")?);
            Outcome::Ok(set)
        };
        Ok(Self { all, first: set(allowed().next())?, last: set(allowed().next_back())? })
    }

    /// Places this process, which is the client, and `others`, with all their threads.
    pub(crate) fn place(&self, placement: Placement, others: &[u32]) -> Outcome<()> {
        let client = match placement {
            // Interrupts tend to be served by the first.
            Placement::Pinned => &self.last,
            Placement::Spread => &self.first,
        };
        move_threads(std::process::id(), client)?;
        others.iter().try_for_each(|process| move_threads(*process, &self.last))
    }
}

impl Drop for Processors {
    fn drop(&mut self) {
        // A section that failed in the middle must not pin the next one.
        let _ = move_threads(std::process::id(), &self.all);
    }
}

/// Resident memory, in KB.
pub(crate) struct Memory {
    /// All of it.
    pub(crate) resident: f64,
    /// What is no file's.
    pub(crate) anonymous: f64,
}

/// The resident memory of a process.
pub(crate) fn memory(process: u32) -> Outcome<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    Ok(Memory { resident: field(&status, "VmRSS")?, anonymous: field(&status, "RssAnon")? })
}

/// How often the threads of a process have been switched to something else, of their own will or
/// not. A thread that sleeps again after a wake-up adds one.
pub(crate) fn switches(process: u32) -> Outcome<f64> {
    let mut sum = 0.0;
    for thread in threads(process)? {
        let status = fs::read_to_string(format!("/proc/{process}/task/{thread}/status"))?;
        sum += field(&status, "voluntary_ctxt_switches")?;
        sum += field(&status, "nonvoluntary_ctxt_switches")?;
    }
    Ok(sum)
}

/// Processor time of all threads of a process that live now, from their `schedstat`: the first
/// figure is nanoseconds (the kernel's sched-stats.rst).
pub(crate) fn processor_time(process: u32) -> Outcome<Duration> {
    let mut sum = Duration::ZERO;
    for thread in threads(process)? {
        let text = fs::read_to_string(format!("/proc/{process}/task/{thread}/schedstat"))?;
        let nanoseconds = text.split_whitespace().next().ok_or("schedstat is empty")?;
        sum += Duration::from_nanos(nanoseconds.parse()?);
    }
    Ok(sum)
}

/// The time on `CLOCK_MONOTONIC`, which is the same in all processes.
pub(crate) fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}

fn move_threads(process: u32, to: &CpuSet) -> Outcome<()> {
    threads(process)?
        .into_iter()
        .try_for_each(|thread| Ok(sched_setaffinity(Pid::from_raw(thread.parse()?), to)?))
}

/// The numbers of a process's threads.
fn threads(process: u32) -> Outcome<Vec<String>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/task"))? {
        threads.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(threads)
}

fn field(status: &str, name: &str) -> Outcome<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = line.and_then(|rest| rest.split_whitespace().next());
    Ok(value.ok_or_else(|| format!("the kernel does not tell {name}"))?.parse()?)
}
