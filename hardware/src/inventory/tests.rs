//! Inventories of machines that are made of files.

use std::os::unix::fs::symlink;
use std::sync::mpsc;

use super::*;

/// A root folder under construction.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, path: &str, content: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    /// A USB serial adapter: its tty, and the device it hangs on.
    fn usb_serial(&self, tty: &str, usb: &str, ids: (&str, &str), serial: Option<&str>) -> &Self {
        let device = format!("sys/devices/usb1/{usb}");
        self.file(&format!("{device}/idVendor"), &format!("{}\n", ids.0))
            .file(&format!("{device}/idProduct"), &format!("{}\n", ids.1))
            .file(&format!("{device}/product"), "USB Serial\n")
            .file(&format!("{device}/{usb}:1.0/{tty}/.keep"), "")
            .file(&format!("dev/{tty}"), "")
            .link(
                &format!("sys/class/tty/{tty}/device"),
                &format!("../../../devices/usb1/{usb}/{usb}:1.0/{tty}"),
            );
        if let Some(serial) = serial {
            self.file(&format!("{device}/serial"), serial);
        }
        self
    }

    fn read(&self) -> Inventory {
        Inventory::read_under(self.0.path(), CardReaders::Found(Vec::new()))
    }
}

#[test]
fn a_machine_without_devices_has_an_empty_inventory() {
    let inventory = Root::new().read();
    assert_eq!(inventory.serial_ports, []);
    assert_eq!(inventory.capture_devices, []);
    assert_eq!(inventory.printers, []);
    assert_eq!(inventory.displays, []);
    assert_eq!(inventory.input_devices, []);
    assert_eq!(inventory.hid_devices, []);
    assert_eq!(inventory.usb_readers, []);
}

#[test]
fn readers_and_scanners_on_usb_are_known_by_their_numbers_and_reports() {
    let root = Root::new();
    let hid = |name: &str, id: &str, descriptor: &[u8]| {
        let folder = format!("sys/class/hidraw/{name}/device");
        let uevent = format!("HID_ID=0003:{id}\nHID_NAME=Example\nHID_PHYS=usb-{name}/input0\n");
        root.file(&format!("{folder}/uevent"), &uevent)
            .file(&format!("{folder}/report_descriptor"), "");
        fs::write(root.0.path().join(folder).join("report_descriptor"), descriptor).unwrap();
    };
    hid("hidraw0", "00000400:0000C35B", crate::id_card::usb::far::DESCRIPTOR);
    let scanner = crate::code::hid_pos::far::Shape::Counted.descriptor();
    hid("hidraw1", "00000C2E:00000B61", scanner);
    hid("hidraw2", "00001D6B:00000104", b"\x05\x01\x09\x06\xA1\x01\x75\x08\x95\x08\x81\x02\xC0");
    let used: Vec<_> =
        root.read().hid_devices.into_iter().map(|hid| (hid.path, hid.used_as)).collect();
    let expected = [("/dev/hidraw0", HidUse::Reader), ("/dev/hidraw1", HidUse::Scanner)];
    assert_eq!(used, expected.map(|(path, used)| (path.to_owned(), used)));

    for (name, ids, class) in [
        ("1-1", ("0400", "c35a"), "ff"),
        ("1-2", ("0400", "c35a"), "03"),
        ("1-3", ("1d6b", "0104"), "ff"),
    ] {
        let device = format!("sys/bus/usb/devices/{name}");
        root.file(&format!("{device}/idVendor"), ids.0)
            .file(&format!("{device}/idProduct"), ids.1)
            .file(&format!("{device}/busnum"), "1")
            .file(&format!("{device}/devnum"), "4")
            .file(&format!("{device}:1.0/bInterfaceClass"), class);
    }
    let usb = UsbId { vendor: 0x0400, product: 0xc35a };
    let reader = UsbReader { path: "/dev/bus/usb/001/004".to_owned(), usb, name: None };
    assert_eq!(root.read().usb_readers, [reader]);
}

#[test]
fn a_usb_port_is_named_by_its_device() {
    let root = Root::new();
    root.usb_serial("ttyUSB0", "1-2", ("1a86", "7523"), Some("A1"))
        .link("dev/serial/by-id/usb-1a86_USB_Serial_A1-if00-port0", "../../ttyUSB0")
        .link("dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0", "../../ttyUSB0");
    let ports = root.read().serial_ports;
    assert_eq!(
        ports,
        [SerialPort {
            path: "/dev/ttyUSB0".to_owned(),
            by_id: Some("/dev/serial/by-id/usb-1a86_USB_Serial_A1-if00-port0".to_owned()),
            by_path: Some("/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0".to_owned()),
            usb: Some(UsbId { vendor: 0x1a86, product: 0x7523 }),
            name: Some("USB Serial".to_owned()),
            has_twin: false,
        }],
    );
    assert_eq!(ports[0].stable_path(), "/dev/serial/by-id/usb-1a86_USB_Serial_A1-if00-port0");
}

#[test]
fn devices_that_udev_cannot_tell_apart_are_named_by_their_socket() {
    let root = Root::new();
    root.usb_serial("ttyUSB0", "1-2", ("1a86", "7523"), None)
        .usb_serial("ttyUSB1", "1-3", ("1a86", "7523"), None)
        .link("dev/serial/by-id/usb-1a86_USB_Serial-if00-port0", "../../ttyUSB1")
        .link("dev/serial/by-path/usb-0:2", "../../ttyUSB0")
        .link("dev/serial/by-path/usb-0:3", "../../ttyUSB1");
    let ports = root.read().serial_ports;
    let stable: Vec<_> = ports.iter().map(SerialPort::stable_path).collect();
    assert_eq!(stable, ["/dev/serial/by-path/usb-0:2", "/dev/serial/by-path/usb-0:3"]);
}

#[test]
fn two_ports_of_one_device_are_no_twins() {
    let root = Root::new();
    root.usb_serial("ttyACM0", "1-2", ("0483", "5740"), Some("X"));
    root.usb_serial("ttyACM1", "1-2", ("0483", "5740"), Some("X"));
    assert_eq!(root.read().serial_ports.iter().filter(|port| port.has_twin).count(), 0);
}

#[test]
fn uarts_count_and_names_without_hardware_do_not() {
    let root = Root::new();
    root.file("sys/devices/platform/ff180000.serial/.keep", "")
        .link("sys/class/tty/ttyS2/device", "../../../devices/platform/ff180000.serial")
        .file("sys/class/tty/ttyS2/type", "4\n")
        .file("dev/ttyS2", "")
        // What the PC's driver offers without there being a port.
        .file("sys/devices/platform/serial8250/.keep", "")
        .link("sys/class/tty/ttyS3/device", "../../../devices/platform/serial8250")
        .file("sys/class/tty/ttyS3/type", "0\n")
        .file("dev/ttyS3", "")
        // A console has no device; a port that is gone has none below /dev.
        .file("sys/class/tty/tty1/dev", "4:1\n")
        .file("dev/tty1", "")
        .link("sys/class/tty/ttyS4/device", "../../../devices/platform/ff180000.serial");
    let ports = root.read().serial_ports;
    assert_eq!(ports.len(), 1);
    assert_eq!(ports[0].stable_path(), "/dev/ttyS2");
    assert_eq!(ports[0].usb, None);
}

#[test]
fn sound_devices_that_record_are_named_by_their_card() {
    let root = Root::new();
    root.file(
        "proc/asound/pcm",
        "00-00: ALC892 Analog : ALC892 Analog : playback 1 : capture 1\n\
         00-03: HDMI 0 : HDMI 0 : playback 1\n\
         02-00: USB Audio : USB Audio : capture 1\n",
    )
    .file("proc/asound/card0/id", "PCH\n");
    let found = root.read().capture_devices;
    let pcms: Vec<_> = found.iter().map(|device| device.pcm.as_str()).collect();
    assert_eq!(pcms, ["plughw:CARD=PCH,DEV=0", "plughw:CARD=2,DEV=0"]);
    assert_eq!(found[1].name, "USB Audio");
}

#[test]
fn printers_have_their_model_where_they_tell_it() {
    let root = Root::new();
    root.file("dev/usb/lp10", "").file("dev/usb/lp2", "").file("dev/usb/hiddev0", "").file(
        "sys/class/usbmisc/lp2/device/ieee1284_id",
        "MFG:EXAMPLE;CMD:ESC/POS;MDL:TP-58;CLS:PRINTER;\n",
    );
    let printers = root.read().printers;
    let found: Vec<_> =
        printers.iter().map(|printer| (printer.path.as_str(), printer.name.as_deref())).collect();
    assert_eq!(found, [("/dev/usb/lp2", Some("EXAMPLE TP-58")), ("/dev/usb/lp10", None)]);
}

#[test]
fn displays_that_are_plugged_in_have_their_mode() {
    let root = Root::new();
    root.file("sys/class/drm/card0-HDMI-A-1/status", "connected\n")
        .file("sys/class/drm/card0-HDMI-A-1/modes", "1920x1080\n1280x720\n")
        .file("sys/class/drm/card0-DP-1/status", "disconnected\n")
        .file("sys/class/drm/card0/dev", "226:0\n")
        .file("sys/class/drm/version", "drm 1.1.0\n");
    let expected = |card: &str| Display {
        connector: "HDMI-A-1".to_owned(),
        mode: Some("1920x1080".to_owned()),
        card: card.to_owned(),
    };
    assert_eq!(root.read().displays, [expected("/dev/dri/card0")]);
    // The name that stays whichever card is found first.
    root.link("dev/dri/by-path/pci-0000:00:02.0-card", "../card0");
    let expected = expected("/dev/dri/by-path/pci-0000:00:02.0-card");
    assert_eq!(root.read().displays, [expected]);
}

const INPUT: &str = "\
I: Bus=0003 Vendor=0c2e Product=0b61 Version=0110
N: Name=\"Example Scanner\u{1b}[2J\"
P: Phys=usb-0000:00:14.0-3/input0
H: Handlers=sysrq kbd leds event5
B: PROP=0
B: EV=120013
B: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe

I: Bus=0010 Vendor=001f Product=0001 Version=0100
N: Name=\"PC Speaker\"
H: Handlers=kbd event7
B: EV=40001
B: SND=6

I: Bus=0019 Vendor=0000 Product=0000 Version=0000
N: Name=\"Presence\"
H: Handlers=event8
B: EV=21
B: SW=800

I: Bus=0019 Vendor=0000 Product=0001 Version=0000
N: Name=\"Power Button\"
H: Handlers=kbd event0
B: EV=3
B: KEY=10000000000000 0

I: Bus=0003 Vendor=046d Product=c077 Version=0111
N: Name=\"No event device\"
H: Handlers=mouse0
B: EV=17
";

#[test]
fn input_devices_say_what_they_are_good_for() {
    let root = Root::new();
    root.file("proc/bus/input/devices", INPUT)
        .link("dev/input/by-id/usb-Example_Scanner-event-kbd", "../event5")
        .link("dev/input/by-path/pci-usb-0:3:1.0-event-kbd", "../event5")
        .link("dev/input/by-path/platform-pcspkr-event-spkr", "../event7");
    let found = root.read().input_devices;
    let good_for: Vec<_> = found
        .iter()
        .map(|d| (d.path.as_str(), d.types_digits, d.beeps, d.senses_presence, d.is_operated))
        .collect();
    assert_eq!(
        good_for,
        [
            ("/dev/input/event5", true, false, false, true),
            ("/dev/input/event7", false, true, false, false),
            ("/dev/input/event8", false, false, true, false),
            ("/dev/input/event0", false, false, false, true),
        ],
    );
    let scanner = &found[0];
    assert_eq!((scanner.bus, scanner.vendor, scanner.product), (3, 0x0c2e, 0x0b61));
    let id = "/dev/input/by-id/usb-Example_Scanner-event-kbd";
    assert_eq!(scanner.stable_path.as_deref(), Some(id));
    let path = "/dev/input/by-path/platform-pcspkr-event-spkr";
    assert_eq!(found[1].stable_path.as_deref(), Some(path));
}

#[test]
fn a_device_cannot_command_the_terminal_by_its_name() {
    let root = Root::new();
    root.file("proc/bus/input/devices", INPUT);
    assert_eq!(root.read().input_devices[0].name, "Example Scanner [2J");
}

#[test]
fn a_hanging_pcscd_costs_the_deadline_only() {
    // The sender lives on in this test, so that the question never gets its answer.
    let (_never, forever) = mpsc::channel::<CardReaders>();
    let found = CardReaders::ask_within(Duration::from_millis(1), move || {
        forever.recv().unwrap_or(CardReaders::Found(Vec::new()))
    });
    assert_eq!(found, CardReaders::Unavailable("pcscd did not answer within 1 ms".to_owned()));
}

#[test]
fn an_answer_in_time_is_the_answer() {
    let name = "Example Reader 00 00".to_owned();
    let readers = CardReaders::Found(vec![CardReader { name, holds: Presence::Card }]);
    let answer = readers.clone();
    assert_eq!(CardReaders::ask_within(Duration::from_secs(60), move || answer), readers);
    assert_eq!(readers.names(), ["Example Reader 00 00"]);
}

#[test]
fn what_speaks_is_a_session_s_service_or_the_program() {
    let root = Root::new();
    root.file("run/user/1000/speech-dispatcher/speechd.sock", "").file("usr/bin/espeak-ng", "");
    root.file("run/user/998/bus", "");
    let speech = root.read().speech;
    let socket = "/run/user/1000/speech-dispatcher/speechd.sock".to_owned();
    let path = "/usr/bin/espeak-ng".to_owned();
    assert_eq!(speech, [SpeechService::Server { socket }, SpeechService::Program { path }]);
}
