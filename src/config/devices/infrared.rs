//! The presence sensor.

use std::time::Duration;

use hharome_hardware::infrared::SwitchCode;

use crate::config::rule::{
    device_path, millis, name, one_of, optional, place, span, switch, switch_code, whole,
};
use crate::config::schema::section;
use crate::config::words::{drivers, words};

drivers! {
    /// The drivers of the presence sensor.
    InfraredDriver {
        /// A sensor that is an input device.
        Evdev = "evdev",
        /// A sensor on a GPIO line.
        Gpio = "gpio",
        /// A proximity sensor of the kernel's IIO.
        Iio = "iio",
        /// A sensor on a serial line.
        Serial = "serial",
    }
}

words! {
    /// How a presence sensor on a serial line tells of people.
    InfraredProtocol {
        /// Frames of the radar HLK-LD2410.
        Ld2410 = "ld2410",
        /// Frames of the rangefinders TFmini and TF-Luna.
        Tfmini = "tfmini",
        /// Lines with 1 or ON, 0 or OFF.
        Ascii = "ascii",
        /// The modem line CTS.
        Cts = "cts",
        /// The modem line DSR.
        Dsr = "dsr",
        /// The modem line DCD.
        Dcd = "dcd",
        /// The modem line RI.
        Ri = "ri",
    }
}

words! {
    /// Which raw values of a proximity sensor mean near.
    InfraredNear {
        /// Large ones, of sensors that measure reflected light.
        Above = "above",
        /// Small ones, of sensors that measure a distance.
        Below = "below",
    }
}

words! {
    /// The resistor at a GPIO line.
    InfraredBias {
        /// As it is.
        AsIs = "as-is",
        /// To the supply.
        PullUp = "pull-up",
        /// To ground.
        PullDown = "pull-down",
        /// None.
        Disabled = "disabled",
    }
}

section! {
    /// The sensor that tells whether somebody stands there.
    Infrared {
        /// What drives it.
        driver: InfraredDriver = InfraredDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Which device. For evdev the input device; left out: the first that has the switch or key of
        /// code. For iio a pattern over the names of the kernel's IIO devices, or the path of one
        /// below /sys; left out: the first that measures proximity.
        device: Option<String> = None;
        "device", Example(r#""/dev/input/event3""#), optional(place()),
        Restart, for ["evdev", "iio"];
        /// For evdev: the switch or key by which the device tells of people, by its name in
        /// linux/input-event-codes.h, or the number of a key. While a key is pressed, somebody is
        /// there; if it is released at once, somebody was there at that moment.
        code: SwitchCode = SwitchCode::FRONT_PROXIMITY;
        "code", Default(r#""SW_FRONT_PROXIMITY""#), switch_code(), Restart, for ["evdev"];
        /// For gpio: the line, by its name, or as CHIP:NUMBER; numbers of chips may change with the
        /// next start.
        line: Option<String> = None;
        "line", Example(r#""gpiochip0:17""#),
        optional(name("a line's name, or CHIP:NUMBER")), Restart, for ["gpio"];
        /// For gpio and modem lines: whether somebody is there while the line is not active.
        active_low: bool = false;
        "active_low", Default("false"), switch(), Restart, for ["gpio", "serial"];
        /// For gpio: the resistor at the line; chips that have none to choose refuse.
        bias: InfraredBias = InfraredBias::AsIs;
        "bias", Default(r#""as-is""#), one_of(), Restart, for ["gpio"];
        /// For gpio: how long a change must last to be one.
        debounce: Option<Duration> = Some(Duration::from_millis(30));
        "debounce_ms", Default("30"), span(1000), Restart, for ["gpio"];
        /// Where the sensor is, for serial.
        port: Option<String> = None;
        "port", Example(r#""/dev/ttyS2""#), optional(device_path()), Restart, for ["serial"];
        /// How it tells of people, for serial: frames of a radar (ld2410) or a rangefinder (tfmini),
        /// lines with 1 or ON, 0 or OFF (ascii), or one of the modem lines.
        protocol: InfraredProtocol = InfraredProtocol::Ld2410;
        "protocol", Default(r#""ld2410""#), one_of(), Restart, for ["serial"];
        /// The speed of its serial line. Left out: that with which such sensors are sold, 256000 for
        /// ld2410, 115200 for tfmini, 9600 for ascii.
        baud: Option<u32> = None;
        "baud", Example("256000"), optional(whole(300, 4_000_000, "bits per second")),
        Restart, for ["serial"];
        /// From where on somebody is there. For ld2410 and tfmini a distance in cm: nobody is whoever
        /// is further away; left out: 100 for tfmini, any distance for ld2410. For iio the raw value;
        /// left out: what the kernel knows of this sensor (in_proximity_nearlevel).
        threshold: Option<u32> = None;
        "threshold", Example("120"), optional(whole(0, 1_000_000_000, "cm, or a raw value")),
        Restart, for ["iio", "serial"];
        /// For iio: whether raw values above the threshold mean near (reflected light), or those below
        /// (distances).
        near: InfraredNear = InfraredNear::Above;
        "near", Default(r#""above""#), one_of(), Restart, for ["iio"];
        /// By how much a value has to pass the threshold, either way, to change anything.
        hysteresis_percent: u8 = 10;
        "hysteresis_percent", Default("10"), whole(0, 50, "%"), Restart, for ["iio", "serial"];
        /// How often the sensor is asked while somebody listens, for iio and modem lines.
        poll: Duration = Duration::from_millis(200);
        "poll_ms", Default("200"), millis(20, 1000), Restart, for ["iio", "serial"];
        /// For how long after it has got its power the sensor is not believed; 30 to 60 s for
        /// pyroelectric ones, if they get their power with the kiosk. Nothing is told meanwhile.
        warm_up: Option<Duration> = None;
        "warm_up_ms", Default("0"), span(300_000), Restart;
    }
}

impl Infrared {
    /// Where the sensor is, as far as the section says.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        match self.driver {
            InfraredDriver::None | InfraredDriver::Simulated => None,
            InfraredDriver::Evdev | InfraredDriver::Iio => self.device.clone(),
            InfraredDriver::Gpio => self.line.clone(),
            InfraredDriver::Serial => self.port.clone(),
        }
    }
}
