//! What people operate the kiosk by, built from the configuration: the kernel's input devices, or a
//! virtual keyboard and touch screen.

use std::future::Future;
use std::pin::Pin;

use hharome_hardware::device::{self, Status, Trouble};
use hharome_hardware::input::virtual_keyboard::VirtualKeyboard;
use hharome_hardware::input::{Activity, Operated, Presence};
use hharome_hardware::port::far_end::Plug;
use hharome_hardware::port::input::group::{Group, GroupPort, GroupPresence};
use hharome_hardware::port::place::Place;
use hharome_hardware::port::tape::Flow;

use super::{Device, NewPort, outside_port, simulated_port};
use crate::config::{Config, InfraredDriver, InputDriver, QrScannerDriver, Word};
use crate::outside::Outside;
use crate::simulation::Hand;

/// What people operate the kiosk by.
pub struct Input {
    /// Its state.
    pub device: Device,
    /// That it is operated; without a driver still by a scanner that types.
    pub activity: Activity,
    pub(super) hand: Option<Hand>,
}

pub(super) fn input(config: &Config, activity: Activity, outside: &mut Outside) -> Input {
    let (section, driver) = ("input", config.input.driver.word());
    let status = |device: &Device| -> Status { device.status.clone() };
    let device = match config.input.driver {
        InputDriver::None => {
            return Input { device: Device::off(section, driver), activity, hand: None };
        }
        InputDriver::Evdev => {
            let port = config.driver_and_port(section).and_then(|(_, port)| port);
            Device::at_port(section, driver, port.as_deref())
        }
        InputDriver::Simulated => Device::at_port(section, driver, None),
    };
    let group = group(config);
    let is_real = config.input.driver == InputDriver::Evdev;
    let (port, hand): (NewPort, _) = if is_real {
        let port = GroupPort::new(group.clone(), status(&device));
        (Box::new(|| Box::new(port)), None)
    } else {
        let (keyboard, hand) = VirtualKeyboard::new();
        let (port, plug) = simulated_port("the simulated input device", keyboard);
        (port, Some(Hand::Keyboard(hand, plug)))
    };
    let presence: Option<Box<dyn Presence>> = match (&*outside, &hand) {
        // Nothing is known of the devices of a recording but what it has.
        (Outside::Recording(_), _) => None,
        (Outside::Kiosk(_), Some(Hand::Keyboard(_, plug))) => {
            Some(Box::new(ByPlug { plug: plug.clone(), is_in: true }))
        }
        (Outside::Kiosk(_), _) => Some(Box::new(GroupPresence::new(group))),
    };
    let port = outside_port(port, &device.status, Flow::Pieces, outside);
    let watch = Operated::new(activity.clone(), status(&device), presence);
    tokio::spawn(device::run(port, watch, status(&device)));
    Input { device, activity, hand }
}

/// Whether the virtual device is plugged in.
struct ByPlug {
    plug: Plug,
    is_in: bool,
}

impl Presence for ByPlug {
    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if self.is_in {
                self.plug.pulled().await;
            } else {
                self.plug.put_in().await;
            }
        })
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.is_in = self.plug.is_in();
        let detail = "the simulated input device is pulled out".to_owned();
        (!self.is_in).then_some(Trouble::Absent { detail })
    }
}

/// Which of the kernel's devices: those that are named, or all that are not another device of this
/// kiosk.
#[must_use]
pub fn group(config: &Config) -> Group {
    let place = |text: &String| text.parse::<Place>().ok();
    // A scanner that types is grabbed, and tells of operation itself.
    let scanner = (config.qr_scanner.driver == QrScannerDriver::Evdev)
        .then(|| config.qr_scanner.port.as_ref().and_then(place));
    let infrared = &config.infrared;
    let has_sensor = infrared.driver == InfraredDriver::Evdev;
    let sensor = has_sensor.then(|| infrared.place().as_ref().and_then(place));
    let unnamed = has_sensor && infrared.place().is_none();
    Group {
        places: config.input.devices.iter().filter_map(place).collect(),
        except: scanner.flatten().into_iter().chain(sensor.flatten()).collect(),
        sensor: unnamed.then(|| super::infrared::ability(infrared)),
    }
}

#[cfg(test)]
mod tests {
    use hharome_hardware::port::input::found::Ability;

    use super::*;

    #[test]
    fn a_presence_sensor_is_no_device_that_people_operate() {
        let excepted = |infrared: &str| {
            let text = format!("[input]\ndriver = \"evdev\"\n[infrared]\n{infrared}\n");
            group(&Config::parse(&text, "kiosk.toml").unwrap())
        };
        let named = excepted("driver = \"evdev\"\ndevice = \"*Presence*\"\ncode = \"KEY_WAKEUP\"");
        assert_eq!(named.except, [Place::Name("*Presence*".to_owned())]);
        assert_eq!(named.sensor, None);
        // That which the sensor's driver takes, whatever it is called.
        let any = excepted("driver = \"evdev\"\ncode = \"KEY_WAKEUP\"");
        assert_eq!((any.except, any.sensor), (Vec::new(), Some(Ability::Key(143))));
        assert_eq!(excepted("driver = \"iio\"").sensor, None);
    }
}
