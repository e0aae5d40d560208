//! `hharome serve`: the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{WRONG, block_on, complain};
use crate::config::{Config, Loaded};
use crate::{log, server};

pub(super) fn run(file: Option<PathBuf>, simulate: bool) -> ExitCode {
    let load = move || {
        let loaded = Config::load(file.as_deref());
        loaded.map(|mut loaded| {
            if simulate {
                loaded.config.simulate();
            }
            loaded
        })
    };
    let loaded = match load() {
        Ok(loaded) => loaded,
        Err(error) => return complain(WRONG, error),
    };
    let log = log::start(loaded.config.log.level);
    if simulate {
        tracing::warn!("--simulate: every device of the configuration is simulated");
    }
    block_on(async move {
        let reload = || match load() {
            Ok(Loaded { config, .. }) => Some(config),
            Err(error) => {
                tracing::error!(%error, "the configuration was not read again; the old one stays");
                None
            }
        };
        match server::serve(loaded, reload, log).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(WRONG, error),
        }
    })
}
