//! Input devices by uinput: keyboards that type, touch screens, sensors with a switch. For the rest
//! of the machine they are as real as any.

use std::path::PathBuf;
use std::time::Duration;

use evdev::uinput::{VirtualDevice, VirtualDeviceBuilder};
use evdev::{AbsInfo, AbsoluteAxisCode, AttributeSet, BusType, InputEvent, InputId, KeyCode};
use evdev::{EventType, SwitchCode, UinputAbsSetup};

use super::machine;

/// Modules for these.
pub(crate) const INPUT_MODULES: [&str; 2] = ["uinput", "evdev"];

/// A device at which something happens when the test says so; pulled out when dropped.
pub(crate) struct InputDevice {
    device: VirtualDevice,
    path: PathBuf,
}

impl InputDevice {
    /// A keyboard with all keys of a PC.
    pub(crate) async fn keyboard(name: &str, id: (u16, u16)) -> Self {
        let keys: AttributeSet<KeyCode> = (1..=248).map(KeyCode::new).collect();
        Self::plug_in(builder(name, id).with_keys(&keys).expect("keys")).await
    }

    /// A touch screen.
    pub(crate) async fn touch_screen(name: &str, id: (u16, u16)) -> Self {
        let touch: AttributeSet<KeyCode> = [KeyCode::BTN_TOUCH].into_iter().collect();
        let axis = |code| UinputAbsSetup::new(code, AbsInfo::new(0, 0, 4095, 0, 0, 10));
        let device = builder(name, id)
            .with_keys(&touch)
            .and_then(|device| device.with_absolute_axis(&axis(AbsoluteAxisCode::ABS_X)))
            .and_then(|device| device.with_absolute_axis(&axis(AbsoluteAxisCode::ABS_Y)));
        Self::plug_in(device.expect("axes")).await
    }

    /// A sensor that tells by a switch whether somebody stands in front of it.
    pub(crate) async fn presence_sensor(name: &str, id: (u16, u16)) -> Self {
        let switch: AttributeSet<SwitchCode> =
            [SwitchCode::SW_FRONT_PROXIMITY].into_iter().collect();
        Self::plug_in(builder(name, id).with_switches(&switch).expect("a switch")).await
    }

    async fn plug_in(builder: VirtualDeviceBuilder<'_>) -> Self {
        let mut device = builder.build().expect("uinput makes a device");
        let nodes = device.enumerate_dev_nodes_blocking().expect("its folder");
        let path = nodes.flatten().find(|path| path.to_string_lossy().contains("event"));
        let path = path.expect("it has an event device");
        machine::appears(&path).await;
        Self { device, path }
    }

    /// Its device file.
    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// A key goes down and up again.
    pub(crate) fn strike(&mut self, key: KeyCode) {
        for value in [1, 0] {
            self.key(key, value);
        }
    }

    /// A key goes down (1) or up (0).
    pub(crate) fn key(&mut self, key: KeyCode, value: i32) {
        self.happens(InputEvent::new(EventType::KEY.0, key.code(), value));
    }

    /// A switch is on or off.
    pub(crate) fn switch(&mut self, switch: SwitchCode, on: bool) {
        self.happens(InputEvent::new(EventType::SWITCH.0, switch.0, on.into()));
    }

    /// A finger touches the screen and leaves it.
    pub(crate) fn touch(&mut self) {
        let events = [(AbsoluteAxisCode::ABS_X, 1000), (AbsoluteAxisCode::ABS_Y, 2000)]
            .map(|(axis, value)| InputEvent::new(EventType::ABSOLUTE.0, axis.0, value));
        self.device.emit(&events).expect("uinput takes it");
        self.strike(KeyCode::BTN_TOUCH);
    }

    /// Types a text as a scanner does: US layout, shift where it must be, a key a report. Whoever
    /// reads the device has to keep pace: the kernel keeps some 60 events for a slow reader, and a
    /// key here is up to eight.
    pub(crate) async fn types(&mut self, text: &str) {
        for character in text.chars() {
            let (key, shift) = key_of(character);
            if shift {
                self.key(KeyCode::KEY_LEFTSHIFT, 1);
            }
            self.strike(key);
            if shift {
                self.key(KeyCode::KEY_LEFTSHIFT, 0);
            }
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
    }

    fn happens(&mut self, event: InputEvent) {
        self.device.emit(&[event]).expect("uinput takes it");
    }
}

fn builder(name: &str, (vendor, product): (u16, u16)) -> VirtualDeviceBuilder<'_> {
    let builder = VirtualDevice::builder().expect("/dev/uinput");
    builder.name(name).input_id(InputId::new(BusType::BUS_USB, vendor, product, 1))
}

/// The key with this character on a US keyboard, and whether shift is held; written from the layout.
fn key_of(character: char) -> (KeyCode, bool) {
    const ROWS: [(u16, &str, &str); 4] = [
        (2, "1234567890-=", "!@#$%^&*()_+"),
        (16, "qwertyuiop[]", "QWERTYUIOP{}"),
        (30, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
        (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    ];
    match character {
        '\n' => return (KeyCode::KEY_ENTER, false),
        ' ' => return (KeyCode::KEY_SPACE, false),
        _ => {}
    }
    for (first, plain, shifted) in ROWS {
        for (characters, shift) in [(plain, false), (shifted, true)] {
            if let Some(at) = characters.find(character) {
                let at = u16::try_from(at).expect("a short row");
                return (KeyCode::new(first + at), shift);
            }
        }
    }
    panic!("no key has {character:?}");
}
