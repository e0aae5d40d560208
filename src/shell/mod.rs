//! The kiosk's shell, as `deviceConfig` asks for it: the mini-program's end, the bars around it.
//!
//! ```text
//! deviceConfig ─┬─► bridgeDeviceConfig: the shell does it itself
//!               └─► errands ─► Runner (the driver) ═ packets ═ hooks: commands of the configuration
//! ```
//!
//! A bar that was hidden is shown again when the daemon ends: it was hidden for this run only. From then on
//! nothing more is wished.

pub mod hooks;
mod runner;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hharome_protocol::device::{Bar, ShellWishes};

use crate::errands::{Errands, Undone, errands};

pub use runner::Runner;

/// Steps that may wait for their commands: more than anybody asks for in a row.
const WAITING: usize = 32;

/// What ends when a step's command has.
pub type Run = BoxFuture<'static, Result<(), String>>;

/// One thing that a shell does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Closes the mini-program.
    ExitApplet,
    /// Hides the navigation bar.
    HideNavigationBar,
    /// Shows it.
    ShowNavigationBar,
    /// Hides the notification bar.
    HideNotificationBar,
    /// Shows it.
    ShowNotificationBar,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ExitApplet,
        Self::HideNavigationBar,
        Self::ShowNavigationBar,
        Self::HideNotificationBar,
        Self::ShowNotificationBar,
    ];

    /// Its key in `[shell]`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ExitApplet => "exit_applet",
            Self::HideNavigationBar => "hide_navigation_bar",
            Self::ShowNavigationBar => "show_navigation_bar",
            Self::HideNotificationBar => "hide_notification_bar",
            Self::ShowNotificationBar => "show_notification_bar",
        }
    }

    /// What is wished, in the order in which it is done: the mini-program goes last.
    #[must_use]
    pub fn of(wishes: &ShellWishes) -> Vec<Self> {
        let bar = |bar: Option<Bar>, hide, show| {
            bar.map(|bar| if bar == Bar::Hide { hide } else { show })
        };
        let navigation =
            bar(wishes.hide_navigation_bar, Self::HideNavigationBar, Self::ShowNavigationBar);
        let notification =
            bar(wishes.hide_notification_bar, Self::HideNotificationBar, Self::ShowNotificationBar);
        let exit = wishes.exit_applet.map(|_| Self::ExitApplet);
        [navigation, notification, exit].into_iter().flatten().collect()
    }
}

/// The side of those who wish. Clones are the same shell.
#[derive(Clone)]
pub struct Shell(Arc<Shared>);

struct Shared {
    /// The steps that have a command, and what runs it.
    hooks: Vec<Step>,
    runner: Option<Errands<Option<Step>, Result<(), String>>>,
    bars: Mutex<Bars>,
}

#[derive(Default)]
struct Bars {
    /// Those that are hidden now.
    hidden: ShellWishes,
    /// They are as they were before this run, and stay so.
    ended: bool,
}

impl Shell {
    /// A shell without a command.
    #[must_use]
    pub fn without_hooks() -> Self {
        Self(Arc::new(Shared { hooks: Vec::new(), runner: None, bars: Mutex::default() }))
    }

    /// One with commands for these steps, each of which may take so long; and the driver that has them
    /// run.
    #[must_use]
    pub fn with_hooks(hooks: Vec<Step>, limit: Duration) -> (Self, Runner) {
        let (errands, doer) = errands(WAITING);
        let runner = Runner::new(doer, limit);
        let shared = Shared { hooks, runner: Some(errands), bars: Mutex::default() };
        (Self(Arc::new(shared)), runner)
    }

    /// Whether a step has a command.
    #[must_use]
    pub fn has(&self, step: Step) -> bool {
        self.0.hooks.contains(&step)
    }

    /// Has a step's command run, after those that were asked for before.
    ///
    /// # Errors
    /// There is none, it did not end well, or too many wait; in words, without what the command has said.
    pub fn run(&self, step: Step) -> Run {
        let runner = self.0.runner.as_ref().filter(|_| self.has(step));
        let asked = runner.map(|errands| errands.ask(Some(step)));
        Box::pin(async move {
            match asked {
                None => Err(format!("[shell] has no {}", step.word())),
                Some(asked) => asked.await.unwrap_or_else(undone),
            }
        })
    }

    /// Has these steps' commands run at the end, however many wait before them. The last of what it gives
    /// ends when no command runs any more, whoever has asked for it.
    pub fn run_last(&self, steps: &[Step]) -> Vec<Run> {
        let Some(errands) = &self.0.runner else { return Vec::new() };
        let own = steps.iter().copied().filter(|step| self.has(*step)).map(Some);
        own.chain([None])
            .map(|step| {
                let asked = errands.ask_at_the_end(step);
                let run: Run = Box::pin(async move {
                    let ended = asked.await.unwrap_or_else(undone);
                    ended.map_err(|detail| match step {
                        Some(step) => format!("{}: {detail}", step.word()),
                        None => detail,
                    })
                });
                run
            })
            .collect()
    }

    /// Remembers which bars are hidden by this; `false` at the daemon's end, when it is too late for any
    /// wish.
    #[must_use]
    pub fn note(&self, wishes: &ShellWishes) -> bool {
        let mut bars = self.bars();
        if bars.ended {
            return false;
        }
        let hidden = &mut bars.hidden;
        let bar = |told: Option<Bar>, hidden: &mut Option<Bar>| match told {
            Some(Bar::Hide) => *hidden = Some(Bar::Hide),
            Some(Bar::Show) => *hidden = None,
            None => {}
        };
        bar(wishes.hide_navigation_bar, &mut hidden.hide_navigation_bar);
        bar(wishes.hide_notification_bar, &mut hidden.hide_notification_bar);
        true
    }

    /// The bars that are hidden, as a wish.
    #[must_use]
    pub fn hidden(&self) -> ShellWishes {
        self.bars().hidden
    }

    /// What shows them again, for the daemon's end; nothing is hidden any more then.
    #[must_use]
    pub fn take_hidden(&self) -> ShellWishes {
        let mut bars = self.bars();
        bars.ended = true;
        let hidden = std::mem::take(&mut bars.hidden);
        drop(bars);
        let show = |bar: Option<Bar>| bar.map(|_| Bar::Show);
        ShellWishes {
            exit_applet: None,
            hide_navigation_bar: show(hidden.hide_navigation_bar),
            hide_notification_bar: show(hidden.hide_notification_bar),
        }
    }

    fn bars(&self) -> MutexGuard<'_, Bars> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.bars.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a command was not run, in words.
fn undone(undone: Undone) -> Result<(), String> {
    match undone {
        Undone::Full => Err("too many commands wait".to_owned()),
        Undone::Trouble(trouble) => Err(trouble.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use hharome_protocol::device::Exit;

    use super::*;

    #[test]
    fn the_mini_program_goes_last() {
        let wishes = ShellWishes {
            exit_applet: Some(Exit),
            hide_navigation_bar: Some(Bar::Hide),
            hide_notification_bar: Some(Bar::Show),
        };
        let steps = [Step::HideNavigationBar, Step::ShowNotificationBar, Step::ExitApplet];
        assert_eq!(Step::of(&wishes), steps);
        assert_eq!(Step::of(&ShellWishes::default()), []);
    }

    #[test]
    fn what_is_hidden_is_shown_again_once() {
        let shell = Shell::without_hooks();
        let wish = |navigation, notification| ShellWishes {
            exit_applet: Some(Exit),
            hide_navigation_bar: navigation,
            hide_notification_bar: notification,
        };
        assert!(shell.note(&wish(Some(Bar::Hide), Some(Bar::Hide))));
        assert!(shell.note(&wish(None, Some(Bar::Show))));
        let hidden = ShellWishes { exit_applet: None, ..wish(Some(Bar::Hide), None) };
        assert_eq!(shell.hidden(), hidden);
        let shown = ShellWishes { exit_applet: None, ..wish(Some(Bar::Show), None) };
        assert_eq!(shell.take_hidden(), shown);
        // Who hides one now hides it for ever.
        assert!(!shell.note(&wish(Some(Bar::Hide), None)));
        assert_eq!(shell.take_hidden(), ShellWishes::default());
    }
}
