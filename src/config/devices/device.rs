//! The buzzer, and the commands that work the kiosk's shell.

use std::path::PathBuf;
use std::time::Duration;

use hharome_hardware::buzzer::{CommandSet, Family, Program, Template};

use crate::config::rule::{beep_command, millis, name, one_of, optional, place, program, whole};
use crate::config::schema::section;
use crate::config::words::{drivers, words};
use crate::shell::Step;

drivers! {
    /// The drivers of the buzzer.
    BuzzerDriver {
        /// A beeper that is an input device.
        Evdev = "evdev",
        /// The buzzer of a card reader.
        Pcsc = "pcsc",
        /// A program that is run for each beep.
        Program = "program",
    }
}

words! {
    /// Which commands a card reader's buzzer understands.
    BuzzerModel {
        /// Those of the reader's name.
        Auto = "auto",
        /// Those of the ACR122U, in steps of 100 ms.
        Acr122u = "acr122u",
        /// Those of ACR1251, ACR1252, ACR1255, ACR1281 and ACR1283, in steps of 10 ms.
        Acs = "acs",
    }
}

section! {
    /// What beeps.
    Buzzer {
        /// What drives it.
        driver: BuzzerDriver = BuzzerDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which reader, for pcsc, a pattern as in `[cpu_card]`. Left out: the reader of `[cpu_card]`
        /// if that is one of PC/SC, else any reader but SAM slots.
        reader: Option<String> = None;
        "reader", Example(r#""*ACR1252*PICC*""#),
        optional(name("a pattern such as *ACR1252*PICC*")), Restart, for ["pcsc"];
        /// Which commands the reader's buzzer understands, for pcsc: acs are ACR1251, ACR1252,
        /// ACR1255, ACR1281 and ACR1283; auto tells them by the reader's name.
        model: BuzzerModel = BuzzerModel::Auto;
        "model", Default(r#""auto""#), one_of(), Restart, for ["pcsc"];
        /// The command of another reader's buzzer, for pcsc, in hex; {time} stands for the byte that
        /// holds the time. It goes to the reader, not to a card.
        command: Option<Template> = None;
        "command", Example(r#""FF 00 40 00 04 {time} 00 01 01""#), optional(beep_command()),
        Restart, for ["pcsc"];
        /// How long one unit of {time} in command is.
        unit_ms: u32 = 100;
        "unit_ms", Default("100"), whole(1, 10_000, "ms"), Restart, for ["pcsc"];
        /// How many units one command may ask for; a longer beep is several commands. Readers that
        /// answer when they have sounded must do so within 3 s, or libccid gives them up.
        max_units: u8 = 255;
        "max_units", Default("255"), whole(1, 255, ""), Restart, for ["pcsc"];
        /// Which input device, for evdev: a path, vendor and product, or a pattern with * and ? over
        /// its name, such as "PC Speaker", for which the kernel needs the module pcspkr. Left out: the
        /// first that beeps.
        device: Option<String> = None;
        "device", Example(r#""PC Speaker""#), optional(place()), Restart, for ["evdev"];
        /// The frequency of the tone, for evdev: the small beepers of kiosks and the human ear are
        /// best between 2 and 4 kHz. The kernel's beepers take 20 Hz and less for silence, and nobody
        /// hears more than 20 kHz. One that has no tones sounds as it can.
        frequency: u16 = 2000;
        "frequency_hz", Default("2000"), whole(21, 20_000, "Hz"), Restart, for ["evdev"];
        /// The program and its arguments, for program; {ms} becomes the length of the beep. It is
        /// run without a shell, and must end within 5 s after its beep.
        program: Vec<String> = Vec::new();
        "program", Example(r#"["/usr/bin/beep", "-l", "{ms}"]"#), program(),
        Restart, for ["program"];
    }
}

section! {
    /// The kiosk's shell: commands for deviceConfig, each a list of a program's absolute path and its
    /// arguments, run without a shell of the system's. A shell that listens to bridgeDeviceConfig needs none.
    Shell {
        /// Closes the mini-program (exitApplet).
        exit_applet: Vec<String> = Vec::new();
        "exit_applet", Example(r#"["/usr/local/bin/kiosk", "home"]"#), program(), Restart;
        /// Hides the navigation bar.
        hide_navigation_bar: Vec<String> = Vec::new();
        "hide_navigation_bar", Example(r#"["/usr/local/bin/kiosk", "navigation", "off"]"#), program(),
        Restart;
        /// Shows it; also when the daemon ends and has hidden it.
        show_navigation_bar: Vec<String> = Vec::new();
        "show_navigation_bar", Example(r#"["/usr/local/bin/kiosk", "navigation", "on"]"#), program(),
        Restart;
        /// Hides the notification bar.
        hide_notification_bar: Vec<String> = Vec::new();
        "hide_notification_bar", Example(r#"["/usr/local/bin/kiosk", "notifications", "off"]"#),
        program(), Restart;
        /// Shows it; also when the daemon ends and has hidden it.
        show_notification_bar: Vec<String> = Vec::new();
        "show_notification_bar", Example(r#"["/usr/local/bin/kiosk", "notifications", "on"]"#),
        program(), Restart;
        /// How long a command may take; then it is killed with all that it has started.
        time_limit: Duration = Duration::from_secs(5);
        "time_limit", Default("5000"), millis(100, 60_000), Restart;
    }
}

impl Shell {
    /// The command of a step; empty without one.
    #[must_use]
    pub fn command(&self, step: Step) -> &[String] {
        match step {
            Step::ExitApplet => &self.exit_applet,
            Step::HideNavigationBar => &self.hide_navigation_bar,
            Step::ShowNavigationBar => &self.show_navigation_bar,
            Step::HideNotificationBar => &self.hide_notification_bar,
            Step::ShowNotificationBar => &self.show_notification_bar,
        }
    }
}

impl Buzzer {
    /// The commands that the section names; `None`: those of the reader's name.
    #[must_use]
    pub fn commands(&self) -> Option<CommandSet> {
        let named = match self.model {
            BuzzerModel::Auto => None,
            BuzzerModel::Acr122u => Some(Family::Acr122u),
            BuzzerModel::Acs => Some(Family::Acs),
        };
        let own = |command| CommandSet::new(command, self.unit_ms, self.max_units);
        self.command.clone().map(own).or_else(|| named.map(Family::commands))
    }

    /// The program that is to be run; `None` if none is named.
    #[must_use]
    pub fn program_to_run(&self) -> Option<Program> {
        let (path, arguments) = self.program.split_first()?;
        Some(Program { path: PathBuf::from(path), arguments: arguments.to_vec() })
    }
}
