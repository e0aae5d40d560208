//! The log: to stderr, with a level that can be changed while the daemon runs.
//!
//! error: our bug. warn: the world is odd. info: may stay on. What is on a person's card never
//! reaches it, at any level; so other crates' lines below warn are left out, too.

use std::io::{self, IsTerminal};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::LogLevel;

/// Changes the level.
pub struct LogHandle(reload::Handle<Targets, Registry>);

/// Starts the log, once.
#[must_use]
pub fn start(level: LogLevel) -> LogHandle {
    let (filter, handle) = reload::Layer::new(targets(level));
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    // It fails only where a log has been started already, which then goes on.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    LogHandle(handle)
}

impl LogHandle {
    /// Goes over to another level.
    pub fn set(&self, level: LogLevel) {
        if let Err(error) = self.0.reload(targets(level)) {
            tracing::error!(%error, "the log's level cannot be changed");
        }
    }
}

fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    Targets::new().with_target("hharome", level).with_default(LevelFilter::WARN)
}
