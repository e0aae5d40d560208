//! `hharome serve`: the daemon.

use std::process::ExitCode;

use clap::Args;

use super::{File, WRONG, block_on, complain, session};
use crate::config::Config;
use crate::outside::Outside;
use crate::recording::format::PersonalData;
use crate::recording::recorder::Recorder;
use crate::server::Start;
use crate::{log, server};

/// The arguments of `hharome serve`.
#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    file: File,
    /// Simulate every device of the file
    #[arg(long)]
    simulate: bool,
    /// Record what passes, from the start, under this name in [recording] directory
    #[arg(long, value_name = "NAME")]
    record: Option<String>,
    /// Record names, numbers, photos and codes as they are, instead of invented ones
    #[arg(long, requires = "record")]
    keep_personal_data: bool,
}

pub(super) fn run(serve: Serve) -> ExitCode {
    let Serve { file, simulate, record, keep_personal_data } = serve;
    let load = move || {
        let loaded = Config::load(file.config.as_deref());
        loaded.map(|mut loaded| {
            if simulate {
                loaded.config.simulate();
                loaded.written.simulated = true;
            }
            loaded
        })
    };
    let loaded = match load() {
        Ok(loaded) => loaded,
        Err(error) => return complain(WRONG, error),
    };
    session::adopt(&loaded.config.session);
    let log = log::start(loaded.config.log.level);
    if simulate {
        tracing::warn!("--simulate: every device of the configuration is simulated");
    }
    let start = Start {
        outside: Outside::Kiosk(Recorder::default()),
        record: record.map(|name| (name, PersonalData::kept_if(keep_personal_data))),
        until: None,
    };
    block_on(async move {
        let reload = || match load() {
            Ok(loaded) => Some(loaded),
            Err(error) => {
                tracing::error!(%error, "the configuration was not read again; the old one stays");
                None
            }
        };
        match server::serve(loaded, start, reload, log).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(WRONG, error),
        }
    })
}
