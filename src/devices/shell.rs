//! The kiosk's shell and the commands that work it. Built here, with the tape around their line; without
//! commands there is none.

use hharome_hardware::device::{self, State, Status};
use hharome_hardware::port::tape::Flow;

use super::outside_port;
use crate::config::Config;
use crate::outside::Outside;
use crate::shell::hooks::Hooks;
use crate::shell::{Shell, Step};

/// What the line is called in a recording.
const NAME: &str = "shell";

pub(super) fn shell(config: &Config, outside: &mut Outside) -> Shell {
    let commands: Vec<_> = Step::ALL
        .into_iter()
        .map(|step| (step, config.shell.command(step).to_vec()))
        .filter(|(_, command)| !command.is_empty())
        .collect();
    if commands.is_empty() {
        return Shell::without_hooks();
    }
    let limit = config.shell.time_limit;
    let steps = commands.iter().map(|(step, _)| *step).collect();
    let (shell, runner) = Shell::with_hooks(steps, limit);
    let status = Status::new(NAME, State::Busy);
    let hooks = Hooks { commands, limit };
    let port = outside_port(Box::new(|| Box::new(hooks)), &status, Flow::Pieces, outside);
    tokio::spawn(device::run(port, runner, status));
    shell
}
