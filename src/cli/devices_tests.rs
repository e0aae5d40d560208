//! What `hharome devices` prints, of machines that are made up.

use hharome_hardware::inventory::{CaptureDevice, Display, UsbId, UsbPrinter};

use super::*;
use crate::config::Config;

fn inventory() -> Inventory {
    let display = |connector: &str| Display {
        connector: connector.to_owned(),
        mode: Some("1920x1080".to_owned()),
        card: "/dev/dri/card0".to_owned(),
    };
    Inventory {
        serial_ports: vec![SerialPort {
            path: "/dev/ttyUSB0".to_owned(),
            by_id: Some("/dev/serial/by-id/usb-Example-if00".to_owned()),
            by_path: None,
            usb: Some(UsbId { vendor: 0x1a86, product: 0x7523 }),
            name: Some("USB Serial".to_owned()),
            has_twin: false,
        }],
        card_readers: readers(&["Example \"Dual\" Reader [CCID] 01 02"]),
        capture_devices: vec![CaptureDevice {
            pcm: "plughw:CARD=PCH,DEV=0".to_owned(),
            name: "ALC892 Analog".to_owned(),
        }],
        printers: vec![UsbPrinter { path: "/dev/usb/lp0".to_owned(), name: None }],
        displays: vec![display("HDMI-A-1"), display("DP-1")],
        input_devices: vec![InputDevice {
            path: "/dev/input/event5".to_owned(),
            stable_path: None,
            name: "Example Scanner".to_owned(),
            bus: 3,
            vendor: 0x0c2e,
            product: 0x0b61,
            types_digits: true,
            beeps: true,
            senses_presence: true,
            is_operated: true,
        }],
        gpio_lines: vec![
            gpio_line("gpiochip0", 17, "GPIO17", None),
            gpio_line("gpiochip0", 18, "", None),
            gpio_line("gpiochip0", 27, "LED", Some("led0")),
            gpio_line("gpiochip1", 0, "", Some("hog")),
            gpio_line("gpiochip1", 1, "", None),
            gpio_line("gpiochip1", 2, "", None),
        ],
        proximity_sensors: [("vcnl4000", Some(40)), ("tof", None)]
            .map(|(name, near_level)| ProximitySensor {
                folder: "/sys/bus/iio/devices/iio:device0".into(),
                name: name.to_owned(),
                raw: "in_proximity_raw".to_owned(),
                near_level,
            })
            .into(),
        hid_devices: Vec::new(),
        usb_readers: Vec::new(),
        x_outputs: Ok(vec![output("eDP-1", false), output("HDMI-1", true)]),
        wayland_outputs: Ok(vec![output("eDP-1", false), output("HDMI-A-1", true)]),
        speech: vec![
            SpeechService::Server {
                socket: "/run/user/1000/speech-dispatcher/speechd.sock".to_owned(),
            },
            SpeechService::Program { path: "/usr/bin/espeak-ng".to_owned() },
        ],
    }
}

fn gpio_line(chip: &str, number: u32, name: &str, user: Option<&str>) -> ListedLine {
    ListedLine {
        chip: chip.to_owned(),
        label: "example".to_owned(),
        number,
        name: name.to_owned(),
        user: user.map(str::to_owned),
    }
}

#[test]
fn lines_are_named_where_they_have_names_and_one_stands_for_those_that_have_none() {
    let text = printed(&inventory(), false);
    let lines = text.split("GPIO lines\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let expected = "  GPIO17  gpiochip0:17  example
      [infrared]
      driver = \"gpio\"
      line = \"GPIO17\"
  LED  gpiochip0:27  example  used by led0
  gpiochip1:1  example  3 lines without names
      [infrared]
      driver = \"gpio\"
      line = \"gpiochip1:1\"";
    assert_eq!(lines, expected);
}

#[test]
fn a_proximity_sensor_whose_near_level_nobody_knows_is_offered_with_a_threshold() {
    let text = printed(&inventory(), false);
    assert!(text.contains("device = \"vcnl4000\"\n"), "{text}");
    assert!(text.contains("device = \"tof\"\n      threshold = 100\n"), "{text}");
}

fn readers(names: &[&str]) -> CardReaders {
    let reader = |name: &&str| CardReader { name: (*name).to_owned(), holds: Presence::Empty };
    CardReaders::Found(names.iter().map(reader).collect())
}

/// The configuration that is offered for each of these readers.
fn offered(names: &[&str]) -> Vec<Vec<String>> {
    let object = object(&Inventory { card_readers: readers(names), ..empty() });
    let readers = object["card_readers"].as_array().unwrap();
    let config = |reader: &Value| serde_json::from_value(reader["config"].clone()).unwrap();
    readers.iter().map(config).collect()
}

fn output(name: &str, for_customers: bool) -> ListedOutput {
    ListedOutput { name: name.to_owned(), width: 1920, height: 1080, for_customers }
}

fn empty() -> Inventory {
    Inventory {
        serial_ports: Vec::new(),
        card_readers: CardReaders::Unavailable("pcscd is not running".to_owned()),
        capture_devices: Vec::new(),
        printers: Vec::new(),
        displays: Vec::new(),
        input_devices: Vec::new(),
        gpio_lines: Vec::new(),
        proximity_sensors: Vec::new(),
        hid_devices: Vec::new(),
        usb_readers: Vec::new(),
        x_outputs: Err("no X display is named".to_owned()),
        wayland_outputs: Err("no Wayland session is named".to_owned()),
        speech: Vec::new(),
    }
}

fn printed(inventory: &Inventory, json: bool) -> String {
    let mut out = Vec::new();
    print(inventory, json, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn object(inventory: &Inventory) -> Value {
    let text = printed(inventory, true);
    assert_eq!(text.lines().count(), 1, "programs read a line");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_piece_of_configuration_is_valid_and_chooses_a_real_driver() {
    let object = object(&inventory());
    let mut sections = Vec::new();
    for list in object.as_object().unwrap().values() {
        for item in list.as_array().unwrap() {
            for snippet in item["config"].as_array().unwrap() {
                let text = snippet.as_str().unwrap();
                let config = Config::parse(text, "snippet").unwrap();
                let chosen = config.drivers().into_iter().find(|(_, word)| *word != "none");
                let (section, driver) = chosen.unwrap();
                assert_ne!(driver, "simulated");
                sections.push(section);
            }
        }
    }
    sections.sort_unstable();
    sections.dedup();
    let all = [
        "buzzer",
        "cpu_card",
        "id_card",
        "infrared",
        "input",
        "microphone",
        "printer",
        "psam",
        "qr_scanner",
        "second_screen",
        "social_security_card",
        "speech",
    ];
    assert_eq!(sections, all);
}

#[test]
fn the_stable_name_is_configured_and_the_current_one_shown() {
    let text = printed(&inventory(), false);
    assert!(
        text.contains(
            "  /dev/serial/by-id/usb-Example-if00  (/dev/ttyUSB0)  1a86:7523  USB Serial\n",
        )
    );
    assert!(text.contains("      [id_card]\n      driver = \"sam-v-serial\"\n"));
    assert!(text.contains("      port = \"/dev/serial/by-id/usb-Example-if00\"\n"));
    assert!(!text.contains("port = \"/dev/ttyUSB0\""));
}

#[test]
fn programs_get_one_object_with_a_list_a_kind() {
    let object = object(&inventory());
    assert_eq!(object["serial_ports"][0]["path"], "/dev/ttyUSB0");
    assert_eq!(object["serial_ports"][0]["by_path"], Value::Null);
    assert_eq!(object["card_readers"][0]["name"], "Example \"Dual\" Reader [CCID] 01 02");
    assert_eq!(object["capture_devices"][0]["pcm"], "plughw:CARD=PCH,DEV=0");
    assert_eq!(object["printers"][0]["path"], "/dev/usb/lp0");
    assert_eq!(object["displays"][1]["connector"], "DP-1");
    assert_eq!(object["input_devices"][0]["bus"], "usb");
    assert_eq!(object["input_devices"][0]["vendor"], "0c2e");
    assert_eq!(object["speech"][0]["driver"], "speech-dispatcher");
    assert_eq!(object["speech"][1]["path"], "/usr/bin/espeak-ng");
}

#[test]
fn a_reader_is_found_again_under_another_number() {
    let pattern = |names: &[&str]| {
        let readers = readers(names);
        reader_pattern(&readers.found()[0], readers.found())
    };
    assert_eq!(pattern(&["R502 Contactless Reader 00 00"]), "R502 Contactless Reader * 00");
    assert_eq!(pattern(&["ACS Dual [If] (SN) 0A 02"]), "ACS Dual [If] (SN) * 02");
    assert_eq!(pattern(&["Reader"]), "Reader");
    assert_eq!(pattern(&["Dual 00 00", "Dual 00 01"]), "Dual * 00");
    let config = object(&inventory())["card_readers"][0]["config"][0].clone();
    let config = Config::parse(config.as_str().unwrap(), "snippet").unwrap();
    assert_eq!(config.cpu_card.reader.as_deref(), Some("Example \"Dual\" Reader [CCID] * 02"));
}

#[test]
fn of_two_readers_that_are_alike_each_is_named_in_full() {
    let names = ["Twin CL 00 00", "Twin CL 01 00", "Other CL 02 00"];
    let readers: Vec<_> = offered(&names)
        .into_iter()
        .map(|config| Config::parse(&config[0], "snippet").unwrap().cpu_card.reader.unwrap())
        .collect();
    assert_eq!(readers, ["Twin CL 00 00", "Twin CL 01 00", "Other CL * 00"]);
}

#[test]
fn a_reader_is_offered_for_what_its_name_says() {
    let names = [
        "ACS ACR1252 1S CL Reader [ACR1252 Dual Reader PICC] 00 00",
        "ACS ACR1252 1S CL Reader [ACR1252 Dual Reader SAM] 01 00",
        "FT R502 Contact Reader 02 00",
        "FT R502 Contactless Reader 03 00",
        "Some Reader 04 00",
    ];
    let sections: Vec<Vec<String>> = offered(&names)
        .iter()
        .map(|config| config.iter().map(|text| text.lines().next().unwrap().to_owned()).collect())
        .collect();
    assert_eq!(
        sections,
        [
            &["[cpu_card]", "[buzzer]"][..],
            &["[psam]"],
            &["[social_security_card]"],
            &["[cpu_card]"],
            &["[cpu_card]", "[social_security_card]", "[psam]"],
        ],
    );
}

#[test]
fn two_sam_slots_are_offered_as_the_two_slots() {
    let names = ["Kiosk SAM 00 00", "Kiosk SAM 00 01", "Kiosk SAM 00 02"];
    let slots: Vec<_> = offered(&names)
        .into_iter()
        .map(|config| {
            config.first().map(|lines| Config::parse(lines, "snippet").unwrap().psam.slots)
        })
        .collect();
    // Once, so that the lines of all readers together are a configuration.
    let both = ["Kiosk SAM * 00", "Kiosk SAM * 01"].map(str::to_owned).to_vec();
    assert_eq!(slots, [Some(both), None, None]);
}

#[test]
fn a_reader_is_shown_with_what_its_name_says_and_what_lies_in_it() {
    let inventory = Inventory { card_readers: readers(&["R502 Contact Reader 00 00"]), ..empty() };
    let text = printed(&inventory, false);
    assert!(text.contains("  R502 Contact Reader 00 00  contact  no card\n"), "{text}");
    assert_eq!(object(&inventory)["card_readers"][0]["kind"], "contact");
}

#[test]
fn one_display_is_no_second_screen() {
    let mut one = inventory();
    one.displays.truncate(1);
    assert_eq!(object(&one)["displays"][0]["config"], json!([]));
}

#[test]
fn outputs_of_display_servers_are_offered_but_for_the_operators() {
    let text = printed(&inventory(), false);
    let expected = "Outputs of the X server
  eDP-1  1920x1080
  HDMI-1  1920x1080
      [second_screen]
      driver = \"x11\"
      output = \"HDMI-1\"

Outputs of the Wayland compositor
  eDP-1  1920x1080
  HDMI-A-1  1920x1080
      [second_screen]
      driver = \"wayland\"
      output = \"HDMI-A-1\"
";
    assert!(text.contains(expected), "{text}");
    assert_eq!(object(&empty())["wayland_outputs_note"], "no Wayland session is named");
    assert_eq!(object(&empty())["x_outputs_note"], "no X display is named");
}

#[test]
fn what_is_not_there_is_said_and_is_no_failure() {
    let text = printed(&empty(), false);
    assert!(text.contains("PC/SC readers\n  pcscd is not running\n"), "{text}");
    assert!(text.contains("Serial ports\n  none\n"), "{text}");
    let object = object(&empty());
    assert_eq!(object["serial_ports"], json!([]));
    assert_eq!(object["card_readers"], json!([]));
    assert_eq!(object["card_readers_note"], "pcscd is not running");
}

#[test]
fn a_hid_reader_is_offered_in_both_forms_and_a_scanner_by_its_numbers() {
    use hharome_hardware::inventory::{HidReader, HidUse, UsbReader};
    let hid = |path: &str, product, used_as| HidReader {
        path: path.to_owned(),
        usb: UsbId { vendor: 0x0400, product },
        name: "Example".to_owned(),
        used_as,
    };
    let usb = UsbId { vendor: 0x0400, product: 0xc35a };
    let reader = UsbReader { path: "/dev/bus/usb/001/004".to_owned(), usb, name: None };
    let object = object(&Inventory {
        hid_devices: vec![
            hid("/dev/hidraw0", 1, HidUse::Reader),
            hid("/dev/hidraw1", 2, HidUse::Scanner),
        ],
        usb_readers: vec![reader],
        ..empty()
    });
    let config = |at: usize| object["usb_devices"][at]["config"].clone();
    assert_eq!(config(0), json!(["[id_card]\ndriver = \"sam-v-usb\"\ndevice = \"0400:c35a\"\n"]));
    let form = |form: &str| {
        format!(
            "[id_card]\ndriver = \"sam-v-hidraw\"\ndevice = \"0400:0001\"\nreports = \"{form}\"\n"
        )
    };
    assert_eq!(config(1), json!([form("whole"), form("split")]));
    assert_eq!(config(2), json!(["[qr_scanner]\ndriver = \"hid-pos\"\ndevice = \"0400:0002\"\n"]));
}
