//! What the configuration promises, tried on texts; what it refuses is in `mistakes`.

mod mistakes;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::listen::{state_folder_from, unix_path_from};
use super::*;

/// The example of the daemon's specification, section 4.
const EXAMPLE: &str = r#"
[listen]
unix = "/run/hharome/bridge.sock"      # "" switches it off
unix_mode = "0660"
tcp = "127.0.0.1:17801"                 # off unless named
http = "127.0.0.1:17802"                # off unless named
token = ""
origins = []                            # further allowed Origin values
max_frame_bytes = 16777216

[device_info]                           # what getDeviceInfo answers
sn = "…"

[timeouts]                              # ms; 0 for never
id_card = 15000
qr_code = 15000
social_security_card = 15000
id_number = 60000
operation = 30000
printer = 60000

[id_card]
driver = "sam-v-serial"                 # or "simulated", "none"
port = "/dev/ttyUSB0"
baud = 115200

[qr_scanner]
driver = "serial"                       # or "evdev", "simulated", "none"
port = "/dev/ttyACM0"
baud = 9600
suffix = "\r"
encoding = "auto"                       # utf-8, gb18030, auto

[cpu_card]
driver = "pcsc"
reader = "*R502 Contactless*"

[psam]
driver = "pcsc"
slots = ["*SAM* 00", "*SAM* 01"]

[social_security_card]
driver = "pcsc"
reader = "*R502 Contact Reader*"

[microphone]
driver = "alsa"
device = "default"
chunk_ms = 40

[printer]
driver = "escpos-serial"                # port, baud
port = "/dev/ttyS1"
width_dots = 384

[infrared]
driver = "evdev"                        # or "gpio", "serial"

[second_screen]
driver = "x11"

[speech]
driver = "speech-dispatcher"            # or "espeak-ng"

[buzzer]
driver = "evdev"                        # or "pcsc"

[face]
driver = "simulated"
"#;

fn parse(text: &str) -> Config {
    Config::parse(text, "t.toml").unwrap()
}

#[test]
fn the_example_of_the_specification_loads() {
    let config = parse(EXAMPLE);
    assert_eq!(config.listen.unix.as_deref(), Some(Path::new("/run/hharome/bridge.sock")));
    assert_eq!(config.listen.unix_mode, 0o660);
    assert_eq!(config.listen.tcp, Some(DEFAULT_TCP));
    assert_eq!(config.listen.http, Some(DEFAULT_HTTP));
    assert_eq!(config.listen.token, None);
    assert_eq!(config.device_info.sn.as_deref(), Some("…"));
    assert_eq!(config.timeouts.id_number, Some(Duration::from_secs(60)));
    assert_eq!(config.id_card.port.as_deref(), Some("/dev/ttyUSB0"));
    assert_eq!(config.qr_scanner.suffix, "\r");
    assert_eq!(config.psam.slots, ["*SAM* 00", "*SAM* 01"]);
    assert_eq!(config.printer.width_dots, 384);
    assert_eq!(config.speech.driver, SpeechDriver::SpeechDispatcher);
    assert_eq!(config.face.driver, FaceDriver::Simulated);
}

#[test]
fn an_empty_file_has_the_unix_socket_on_and_everything_else_off() {
    let config = parse("");
    assert_eq!(config.listen.unix, Some(default_unix_path()));
    assert_eq!((config.listen.tcp, config.listen.http), (None, None));
    assert!(config.drivers().iter().all(|(_, driver)| *driver == "none"));
    assert_eq!(config, Config::default());
}

#[test]
fn without_a_file_everything_is_simulated_and_all_transports_are_on() {
    let config = Config::simulated();
    assert!(config.drivers().iter().all(|(_, driver)| *driver == "simulated"));
    assert!(config.listen.unix.is_some());
    assert_eq!(config.listen.tcp, Some("127.0.0.1:17801".parse().unwrap()));
    assert_eq!(config.listen.http, Some("127.0.0.1:17802".parse().unwrap()));
    assert_eq!(config.warnings(), Vec::<String>::new());
}

#[test]
fn simulate_replaces_every_driver_but_none() {
    let mut config = parse(
        "[speech]
driver = \"espeak-ng\"
[face]
driver = \"http\"
url = \"http://[::1]:1\"
",
    );
    config.simulate();
    let simulated: Vec<_> =
        config.drivers().into_iter().filter(|(_, driver)| *driver == "simulated").collect();
    assert_eq!(simulated, [("speech", "simulated"), ("face", "simulated")]);
    assert_eq!(config.id_card.driver, IdCardDriver::None);
}

#[test]
fn zero_milliseconds_are_never() {
    assert_eq!(parse("[timeouts]\nid_card = 0\n").timeouts.id_card, None);
    assert_eq!(parse("[qr_scanner]\nsame_code_ms = 0\n").qr_scanner.same_code, None);
}

#[test]
fn empty_strings_switch_off() {
    let config = parse("[listen]\nunix = \"\"\nunix_group = \"\"\ntcp = \"\"\ntoken = \"\"\n");
    assert_eq!(config.listen.unix, None);
    assert_eq!(config.listen.unix_group, None);
    assert_eq!(config.listen.tcp, None);
    assert_eq!(config.listen.token, None);
}

#[test]
fn localhost_is_the_loopback_address() {
    let config = parse("[listen]\ntcp = \"localhost:9\"\nhttp = \"[::1]:0\"\n");
    assert_eq!(config.listen.tcp, Some("127.0.0.1:9".parse().unwrap()));
    assert_eq!(config.listen.http, Some("[::1]:0".parse().unwrap()));
}

#[test]
fn open_transports_are_warned_of() {
    let warnings = parse(EXAMPLE).warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("[listen] tcp, http: on without a token"), "{}", warnings[0]);
    assert!(warnings[0].contains("id_card, qr_scanner, cpu_card, psam"), "{}", warnings[0]);
}

#[test]
fn keys_that_the_driver_does_not_use_are_warned_of_by_line_key_and_driver() {
    let text = "[infrared]\ndriver = \"evdev\"\nline = \"gpiochip0:17\"\ncode = \"KEY_A\"\n\
                [speech]\ndriver = \"espeak-ng\"\nmodule = \"x\"\nvolume = 50\n\
                [buzzer]\ndriver = \"simulated\"\nfrequency_hz = 1000\n\
                [id_card]\nbaud = \"auto\"\n";
    let warnings = parse(text).warnings();
    let expected = [
        "t.toml:3: [infrared] line: driver \"evdev\" does not use it, only \"gpio\"",
        "t.toml:7: [speech] module: driver \"espeak-ng\" does not use it, only \
         \"speech-dispatcher\"",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn a_key_is_for_drivers_that_its_section_has() {
    for (section, _, keys) in Config::schema() {
        let drivers = keys.iter().find(|key| key.name == "driver").map(|key| &key.allowed);
        for key in &keys {
            for driver in key.drivers {
                let known =
                    drivers.is_some_and(|all| all.split(", ").any(|known| known == *driver));
                assert!(known, "[{section}] {}: {driver}", key.name);
            }
        }
    }
}

#[test]
fn open_transports_with_a_token_or_without_real_devices_are_no_warning() {
    let real = "[id_card]\ndriver = \"sam-v-serial\"\nport = \"/dev/ttyS1\"\n";
    assert_eq!(parse(real).warnings(), Vec::<String>::new());
    let open = format!("[listen]\ntcp = \"127.0.0.1:1\"\n{real}");
    assert_eq!(parse(&open).warnings().len(), 1);
    let locked = format!("[listen]\ntcp = \"127.0.0.1:1\"\ntoken = \"x\"\n{real}");
    assert_eq!(parse(&locked).warnings(), Vec::<String>::new());
}

#[test]
fn a_reload_tells_what_it_applies_and_what_it_cannot() {
    let old = parse("");
    let new = parse(
        "[listen]\ntcp = \"127.0.0.1:1\"\nhosts = [\"k\"]\nunix_mode = \"0600\"\n\
         [limits]\nconnections = 9\n[device_info]\ndeviceIP = \"10.0.0.1\"\n\
         [timeouts]\nprinter = 0\n[buzzer]\ndriver = \"simulated\"\n[log]\nlevel = \"warn\"\n",
    );
    assert_eq!(old.unchangeable(&new), ["[listen] unix_mode", "[listen] tcp", "[buzzer] driver"],);
    let applied = [
        "[listen] hosts",
        "[limits] connections",
        "[device_info] deviceIP",
        "[timeouts] printer",
        "[log] level",
    ];
    assert_eq!(old.reread(&new), applied);
    let after = old.reloaded(&new);
    assert_eq!(old.reread(&after), applied);
    assert_eq!(old.unchangeable(&after), Vec::<String>::new());
}

#[test]
fn a_reload_of_the_same_file_changes_nothing() {
    let config = parse(EXAMPLE);
    assert_eq!(config.reread(&parse(EXAMPLE)), Vec::<String>::new());
    assert_eq!(config.unchangeable(&parse(EXAMPLE)), Vec::<String>::new());
}

#[test]
fn cards_and_their_commands_are_as_the_file_says() {
    let config = parse(
        "[cpu_card]\nsession_idle_ms = 0\nraw_apdus = false\ndenied_apdus = [\"80dc\"]\n\
         [psam]\nsession_idle_ms = 1000\ndenied_apdus = [\" 8 0 D 4 \", \"84 ?? @2\"]\n",
    );
    assert_eq!(config.cpu_card.session_idle, None);
    assert!(!config.cpu_card.raw_apdus);
    assert_eq!(config.psam.session_idle, Some(Duration::from_secs(1)));
    assert!(config.psam.raw_apdus);
    let words =
        |patterns: &[ApduPattern]| -> Vec<_> { patterns.iter().map(ToString::to_string).collect() };
    assert_eq!(words(&config.cpu_card.denied_apdus), ["80 DC"]);
    assert_eq!(words(&config.psam.denied_apdus), ["80 D4", "84 ?? @2"]);
    let default = parse("");
    assert_eq!(default.cpu_card.session_idle, Some(Duration::from_secs(60)));
    assert_eq!(words(&default.cpu_card.denied_apdus), [""; 0]);
    assert_eq!(words(&default.psam.denied_apdus), ["?? D4"]);
    assert_eq!(words(&parse("[psam]\ndenied_apdus = []\n").psam.denied_apdus), [""; 0]);
}

#[test]
fn the_buzzer_is_that_of_the_cpu_cards_reader_unless_it_has_its_own() {
    let card = "[cpu_card]\ndriver = \"pcsc\"\nreader = \"*CL*\"\n";
    let reader = |text: &str| {
        parse(&format!("{text}[buzzer]\ndriver = \"pcsc\"\n")).buzzer_reader().map(str::to_owned)
    };
    assert_eq!(reader(card).as_deref(), Some("*CL*"));
    assert_eq!(reader(&card.replace("pcsc", "simulated")), None);
    assert_eq!(reader(""), None);
    let own = parse(&format!("{card}[buzzer]\ndriver = \"pcsc\"\nreader = \"*B*\"\n"));
    assert_eq!(own.buzzer_reader(), Some("*B*"));
}

#[test]
fn the_buzzers_commands_are_those_of_its_model_or_its_own() {
    let name = |text: &str| {
        parse(&format!("[buzzer]\n{text}\n")).buzzer.commands().map(|commands| commands.name())
    };
    assert_eq!(name(""), None);
    assert_eq!(name("model = \"acs\""), Some("acs"));
    assert_eq!(name("model = \"acr122u\""), Some("acr122u"));
    assert_eq!(name("command = \"80{time}\"\nunit_ms = 7"), Some("command"));
    let own = parse("[buzzer]\ncommand = \"80{time}\"\nunit_ms = 7\n").buzzer.commands();
    assert_eq!(own.unwrap().unit_ms(), 7);
    let program = parse("[buzzer]\ndriver = \"program\"\nprogram = [\"/bin/beep\", \"{ms}\"]\n");
    let program = program.buzzer.program_to_run().unwrap();
    assert_eq!(
        (program.path.to_str(), program.arguments),
        (Some("/bin/beep"), vec!["{ms}".to_owned()])
    );
}

#[test]
fn a_device_is_where_its_port_its_reader_or_its_program_is() {
    let config = parse(EXAMPLE);
    let port = |device| config.driver_and_port(device).unwrap().1;
    assert_eq!(port("id_card").as_deref(), Some("/dev/ttyUSB0"));
    assert_eq!(port("cpu_card").as_deref(), Some("*R502 Contactless*"));
    assert_eq!(port("psam").as_deref(), Some("*SAM* 00, *SAM* 01"));
    assert_eq!(port("psam_2").as_deref(), Some("*SAM* 01"));
    assert_eq!(port("social_security_card").as_deref(), Some("*R502 Contact Reader*"));
    assert_eq!(port("buzzer"), None, "the first that beeps");
    let beeper = parse("[buzzer]\ndriver = \"evdev\"\ndevice = \"PC Speaker\"\n");
    let expected = Some(("evdev", Some("PC Speaker".to_owned())));
    assert_eq!(beeper.driver_and_port("buzzer"), expected);
    let speech = "[speech]\ndriver = \"speech-dispatcher\"\naddress = \"inet_socket:kiosk:7000\"\n";
    let speech = parse(speech).driver_and_port("speech");
    assert_eq!(speech, Some(("speech-dispatcher", Some("tcp:kiosk:7000".to_owned()))));
    let speech = parse("[speech]\ndriver = \"espeak-ng\"\n").driver_and_port("speech");
    assert_eq!(speech, Some(("espeak-ng", Some("espeak-ng".to_owned()))));
    assert_eq!(config.driver_and_port("elevator"), None);
    let program = parse("[buzzer]\ndriver = \"program\"\nprogram = [\"/bin/beep\"]\n");
    let expected = Some(("program", Some("/bin/beep".to_owned())));
    assert_eq!(program.driver_and_port("buzzer"), expected);
    let mut simulated = parse(EXAMPLE);
    simulated.simulate();
    assert_eq!(simulated.driver_and_port("psam"), Some(("simulated", None)));
}

#[test]
fn the_readers_of_a_device_are_one_a_slot() {
    let config = parse(EXAMPLE);
    let reader = |name: &str, pattern: &str| (name.to_owned(), Some(pattern.to_owned()));
    let slots = [reader("psam slot 1", "*SAM* 00"), reader("psam slot 2", "*SAM* 01")];
    assert_eq!(config.card_readers("psam"), slots);
    assert_eq!(config.card_readers("psam_1"), [reader("psam_1", "*SAM* 00")]);
    assert_eq!(config.card_readers("cpu_card"), [reader("cpu_card", "*R502 Contactless*")]);
    let any = parse("[cpu_card]\ndriver = \"pcsc\"\n");
    assert_eq!(any.card_readers("cpu_card"), [("cpu_card".to_owned(), None)]);
    assert_eq!(config.card_readers("id_card"), []);
    assert_eq!(config.card_readers("buzzer"), [], "its driver is evdev");
}

#[test]
fn forgotten_devices_have_no_driver_and_take_no_reader_with_them() {
    let text = "[buzzer]\ndriver = \"pcsc\"\n[cpu_card]\ndriver = \"pcsc\"\nreader = \"*CL*\"\n\
                [psam]\ndriver = \"pcsc\"\nslots = [\"a\", \"b\"]\n";
    let left = |forgotten: &[&str]| {
        let mut config = parse(text);
        config.forget_devices(|device| forgotten.contains(&device));
        let drivers = config.drivers().into_iter().filter(|(_, driver)| *driver != "none");
        let left: Vec<_> = drivers.map(|(section, _)| section).collect();
        (left, config.buzzer_reader().map(str::to_owned))
    };
    let reader = Some("*CL*".to_owned());
    assert_eq!(left(&["cpu_card", "psam"]), (vec!["buzzer"], reader.clone()));
    assert_eq!(left(&["psam_1", "buzzer"]), (vec!["cpu_card", "psam"], reader.clone()));
    assert_eq!(left(&["psam_1", "psam_2"]), (vec!["cpu_card", "buzzer"], reader));
}

/// The commented file with every example taken in.
fn uncommented() -> String {
    commented().lines().map(|line| uncomment(line).to_owned() + "\n").collect()
}

/// The key's line behind the `# `, or the line itself where it is prose.
fn uncomment(line: &str) -> &str {
    match line.strip_prefix("# ").and_then(|rest| Some((rest, rest.split_once(" = ")?.0))) {
        Some((rest, key)) if !key.contains(' ') => rest,
        _ => line,
    }
}

#[test]
fn the_commented_file_is_the_defaults() {
    assert_eq!(parse(&commented()), Config::default());
}

#[test]
fn the_commented_file_stays_valid_when_its_examples_are_uncommented() {
    let config = parse(&uncommented());
    assert_eq!(config.id_card.port.as_deref(), Some("/dev/ttyUSB0"));
    assert_eq!(config.listen.tcp, Some(DEFAULT_TCP));
    assert_eq!(config.device_info.device_ip.as_deref(), Some("192.168.1.1"));
}

#[test]
fn the_commented_file_holds_every_key_and_says_what_is_allowed() {
    let text = uncommented();
    let tables: toml::Table = text.parse().unwrap();
    for (section, _, keys) in Config::schema() {
        let table = tables[section].as_table().unwrap();
        let known: Vec<_> = keys.iter().map(|key| key.name).collect();
        assert_eq!(table.len(), known.len(), "[{section}]");
        for key in keys {
            assert!(table.contains_key(key.name), "[{section}] {}", key.name);
            assert!(text.contains(&format!("# Allowed: {}.", key.allowed)), "{}", key.name);
        }
    }
    for key in ["unix_group", "handshake_ms", "devicedDisplay", "photo_limit_ms", "same_code_ms"] {
        assert!(text.contains(&format!("\n{key} = ")), "{key}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 120), "a line is too long to read");
}

#[test]
fn the_socket_is_where_the_environment_says() {
    let path = |pairs: &[(&str, &str)]| {
        let lookup = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        unix_path_from(lookup, 1000).display().to_string()
    };
    let runtime = ("RUNTIME_DIRECTORY", "/run/hharome");
    let user = ("XDG_RUNTIME_DIR", "/run/user/1000");
    assert_eq!(path(&[user, runtime]), "/run/hharome/bridge.sock");
    assert_eq!(path(&[("RUNTIME_DIRECTORY", "/run/a:/run/b")]), "/run/a/bridge.sock");
    assert_eq!(path(&[user]), "/run/user/1000/hharome/bridge.sock");
    assert_eq!(path(&[("RUNTIME_DIRECTORY", ""), user]), "/run/user/1000/hharome/bridge.sock");
    assert_eq!(path(&[("XDG_RUNTIME_DIR", "run")]), "/tmp/hharome-1000/bridge.sock");
    assert_eq!(path(&[]), "/tmp/hharome-1000/bridge.sock");
}

#[test]
fn what_has_to_survive_is_kept_where_the_environment_says() {
    let folder = |pairs: &[(&str, &str)]| {
        let lookup = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        state_folder_from(lookup).display().to_string()
    };
    let (service, home) =
        (("STATE_DIRECTORY", "/var/lib/kiosk:/var/lib/b"), ("HOME", "/home/kiosk"));
    let state = ("XDG_STATE_HOME", "/home/kiosk/state");
    assert_eq!(folder(&[home, state, service]), "/var/lib/kiosk");
    assert_eq!(folder(&[home, state]), "/home/kiosk/state/hharome");
    assert_eq!(folder(&[home, ("XDG_STATE_HOME", "state")]), "/home/kiosk/.local/state/hharome");
    assert_eq!(folder(&[]), "/var/lib/hharome");
}

#[test]
fn the_file_is_searched_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, sn: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("[device_info]\nsn = \"{sn}\"\n")).unwrap();
        path
    };
    let (flag, variable, system) = (file("a", "flag"), file("b", "variable"), file("c", "system"));
    let sn = |explicit: Option<&Path>, variable: Option<OsString>| {
        let loaded = Config::load_from(explicit, variable, &system).unwrap();
        (loaded.config.device_info.sn.unwrap(), loaded.source.unwrap())
    };
    let named = Some(variable.clone().into_os_string());
    assert_eq!(sn(Some(&flag), named.clone()), ("flag".to_owned(), flag.clone()));
    assert_eq!(sn(None, named), ("variable".to_owned(), variable.clone()));
    assert_eq!(sn(None, Some(OsString::new())), ("system".to_owned(), system.clone()));

    let none = folder.path().join("none");
    let loaded = Config::load_from(None, None, &none).unwrap();
    assert_eq!(
        loaded,
        Loaded { config: Config::simulated(), source: None, written: Written::simulated() }
    );
}

#[test]
fn a_named_file_that_is_not_there_is_an_error_and_no_simulation() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none.toml");
    for (explicit, variable) in [(Some(none.as_path()), None), (None, Some(none.clone().into()))] {
        let error = Config::load_from(explicit, variable, Path::new("/")).unwrap_err();
        assert!(error.to_string().contains("none.toml: cannot be read"), "{error}");
    }
    // A folder stands where the system's file should be: there is something, so it must be read.
    let error = Config::load_from(None, None, folder.path()).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
}

#[test]
fn a_file_that_is_no_utf_8_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gbk.toml");
    fs::write(&path, b"[device_info]\nsn = \"\xba\xba\"\n").unwrap();
    let error = Config::load_from(Some(&path), None, Path::new("/")).unwrap_err();
    assert!(
        error.to_string().contains("gbk.toml:2: a byte that is no UTF-8; allowed: "),
        "{error}"
    );
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    assert_eq!(parse("\u{feff}[log]\nlevel = \"warn\"\n").log.level, LogLevel::Warn);
}

#[test]
fn a_presence_sensor_is_named_as_its_driver_needs() {
    for (lines, mistake) in [
        ("driver = \"serial\"\n", Some("[infrared] port: is missing")),
        ("driver = \"gpio\"\n", Some("[infrared] line: is missing")),
        ("driver = \"iio\"\n", None),
        ("driver = \"evdev\"\ncode = 143\n", None),
        ("driver = \"evdev\"\ncode = \"KEY_WAKEUP\"\n", None),
        ("driver = \"evdev\"\ncode = \"KEY_WAKE\"\n", Some("[infrared] code: \"KEY_WAKE\"")),
        ("driver = \"evdev\"\ncode = 768\n", Some("[infrared] code: 768 is out of range")),
        ("hysteresis_percent = 51\n", Some("[infrared] hysteresis_percent: 51 is out of range")),
    ] {
        let text = format!("[infrared]\n{lines}");
        match (Config::parse(&text, "t.toml"), mistake) {
            (Ok(_), None) => {}
            (Err(error), Some(words)) => {
                assert!(error.to_string().contains(words), "{error}");
            }
            (parsed, _) => panic!("{text}: {}", parsed.is_ok()),
        }
    }
    let same = "port = \"/dev/ttyS1\"\n";
    let text = format!(
        "[id_card]\ndriver = \"sam-v-serial\"\n{same}[infrared]\ndriver = \"serial\"\n{same}"
    );
    let error = Config::parse(&text, "t.toml").unwrap_err().to_string();
    assert!(
        error.contains("[infrared] port: \"/dev/ttyS1\" is the port of [id_card] too"),
        "{error}"
    );
}
