//! The second screen: a process that holds an output, of the session's display server or of a card,
//! or a virtual screen in this process. Built here, with the tape around its line.

use std::ffi::OsString;
use std::sync::Arc;

use hharome_hardware::device;
use hharome_hardware::port::Port;
use hharome_hardware::port::tape::Taped;
use hharome_hardware::screen::helper;
use hharome_hardware::screen::process::ScreenProcess;
use hharome_hardware::screen::virtual_screen::VirtualScreen;
use hharome_hardware::screen::{Screen, SecondScreen, Settings, orders};

use super::{Device, NewPort, simulated_port};
use crate::config::{Config, SecondScreenDriver, Session, Word};
use crate::outside::Outside;
use crate::simulation::Hand;

/// The screen that is turned to the customer.
pub struct CustomerScreen {
    /// Its state.
    pub device: Device,
    /// What is asked to show; `None` without a driver.
    pub screen: Option<Screen>,
    pub(super) hand: Option<Hand>,
}

pub(super) fn screen(config: &Config, outside: &mut Outside) -> CustomerScreen {
    let (section, driver) = ("second_screen", config.second_screen.driver.word());
    let (port, hand): (NewPort, _) = match config.second_screen.driver {
        SecondScreenDriver::None => {
            let device = Device::off(section, driver);
            return CustomerScreen { device, screen: None, hand: None };
        }
        SecondScreenDriver::X11 => (process(helper::X11, x_environment(&config.session)), None),
        SecondScreenDriver::Kms => {
            let card = config.second_screen.card.as_ref();
            let card = card.map(|card| (helper::KMS_CARD, card.into())).into_iter().collect();
            (process(helper::KMS, card), None)
        }
        SecondScreenDriver::Wayland => {
            (process(helper::WAYLAND, wayland_environment(&config.session)), None)
        }
        SecondScreenDriver::Simulated => {
            let (screen, hand) = VirtualScreen::new();
            let (port, plug) = simulated_port("the simulated second screen", screen);
            (port, Some(Hand::Screen(hand, plug)))
        }
    };
    let place = config.driver_and_port(section).and_then(|(_, port)| port);
    let device = Device::at_port(section, driver, place.as_deref());
    let status = device.status.clone();
    let (screen, orders) = orders();
    let port: Box<dyn Port> = match outside {
        Outside::Kiosk(recorder) => {
            let (driver, tape) = (Arc::new(screen.clone()), Arc::new(recorder.clone()));
            Box::new(Taped::recalled(port(), &status, driver, tape))
        }
        Outside::Recording(ports) => ports.line(section),
    };
    let settings = Settings {
        output: config.second_screen.output.clone(),
        background: config.second_screen.background,
    };
    tokio::spawn(device::run(port, SecondScreen::new(settings, orders), status));
    CustomerScreen { device, screen: Some(screen), hand }
}

/// Our own program holds the display.
fn process(driver: &'static str, environment: Vec<(&'static str, OsString)>) -> NewPort {
    // A program without a path of its own cannot start itself, which opening the port will say.
    let program = std::env::current_exe().unwrap_or_else(|_| "hharome".into());
    Box::new(move || -> Box<dyn Port> {
        Box::new(ScreenProcess::new(program, driver, environment))
    })
}

/// Where the session's X server is, and the cookie for it.
fn x_environment(session: &Session) -> Vec<(&'static str, OsString)> {
    let display = session.display.as_ref().map(|display| ("DISPLAY", display.into()));
    let cookie = session.xauthority.as_ref().map(|file| ("XAUTHORITY", file.into()));
    display.into_iter().chain(cookie).collect()
}

/// Where the session's Wayland compositor is. An empty name is none: it is looked for in the folder.
fn wayland_environment(session: &Session) -> Vec<(&'static str, OsString)> {
    vec![
        ("WAYLAND_DISPLAY", session.compositor().unwrap_or_default().into()),
        ("XDG_RUNTIME_DIR", session.runtime_folder().into()),
    ]
}
