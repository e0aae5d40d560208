//! The kiosk's shell, as `deviceConfig` asks for it: the mini-program's end, the bars around it.
//!
//! ```text
//! deviceConfig ─┬─► bridgeDeviceConfig: the shell does it itself
//!               └─► errands ─► Runner (the driver) ═ packets ═ hooks: commands of the configuration
//! ```
//!
//! A bar that was hidden is shown again when the daemon ends: it was hidden for this run only.

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
    runner: Option<Errands<Step, Result<(), String>>>,
    /// The bars that are hidden now.
    hidden: Mutex<ShellWishes>,
}

impl Shell {
    /// A shell without a command.
    #[must_use]
    pub fn without_hooks() -> Self {
        Self(Arc::new(Shared { hooks: Vec::new(), runner: None, hidden: Mutex::default() }))
    }

    /// One with commands for these steps, each of which may take so long; and the driver that has them
    /// run.
    #[must_use]
    pub fn with_hooks(hooks: Vec<Step>, limit: Duration) -> (Self, Runner) {
        let (errands, doer) = errands(WAITING);
        let runner = Runner::new(doer, limit);
        let shared = Shared { hooks, runner: Some(errands), hidden: Mutex::default() };
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
        let asked =
            self.0.runner.as_ref().filter(|_| self.has(step)).map(|errands| errands.ask(step));
        Box::pin(async move {
            match asked {
                None => Err(format!("[shell] has no {}", step.word())),
                Some(asked) => asked.await.unwrap_or_else(|undone| match undone {
                    Undone::Full => Err("too many commands wait".to_owned()),
                    Undone::Trouble(trouble) => Err(trouble.to_string()),
                }),
            }
        })
    }

    /// Remembers which bars are hidden by this.
    pub fn note(&self, wishes: &ShellWishes) {
        let mut hidden = self.hidden_now();
        let bar = |told: Option<Bar>, hidden: &mut Option<Bar>| match told {
            Some(Bar::Hide) => *hidden = Some(Bar::Hide),
            Some(Bar::Show) => *hidden = None,
            None => {}
        };
        bar(wishes.hide_navigation_bar, &mut hidden.hide_navigation_bar);
        bar(wishes.hide_notification_bar, &mut hidden.hide_notification_bar);
    }

    /// The bars that are hidden, as a wish.
    #[must_use]
    pub fn hidden(&self) -> ShellWishes {
        *self.hidden_now()
    }

    /// What shows them again; nothing is hidden any more then.
    #[must_use]
    pub fn take_hidden(&self) -> ShellWishes {
        let hidden = std::mem::take(&mut *self.hidden_now());
        let show = |bar: Option<Bar>| bar.map(|_| Bar::Show);
        ShellWishes {
            exit_applet: None,
            hide_navigation_bar: show(hidden.hide_navigation_bar),
            hide_notification_bar: show(hidden.hide_notification_bar),
        }
    }

    fn hidden_now(&self) -> MutexGuard<'_, ShellWishes> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.hidden.lock().unwrap_or_else(PoisonError::into_inner)
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
        shell.note(&wish(Some(Bar::Hide), Some(Bar::Hide)));
        shell.note(&wish(None, Some(Bar::Show)));
        let hidden = ShellWishes { exit_applet: None, ..wish(Some(Bar::Hide), None) };
        assert_eq!(shell.hidden(), hidden);
        let shown = ShellWishes { exit_applet: None, ..wish(Some(Bar::Show), None) };
        assert_eq!(shell.take_hidden(), shown);
        assert_eq!(shell.take_hidden(), ShellWishes::default());
    }
}
