//! What the configuration refuses, and in which words.

use std::path::PathBuf;

use super::super::*;
use super::parse;

fn mistakes(text: &str) -> Vec<String> {
    let error = Config::parse(text, "t.toml").unwrap_err();
    error.to_string().lines().map(str::to_owned).collect()
}

/// Checks that the text has one mistake, which begins so and whose allowed part holds that.
#[track_caller]
fn check(text: &str, begins: &str, allowed: &str) {
    let found = mistakes(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with(begins), "{}", found[0]);
    let (_, words) =
        found[0].split_once("; allowed: ").expect("every mistake says what is allowed");
    assert!(words.contains(allowed), "{}", found[0]);
}

#[test]
fn a_mistake_names_file_line_section_key_and_what_is_allowed() {
    assert_eq!(
        mistakes("\n[id_card]\n\npoll_ms = 50\n"),
        ["t.toml:4: [id_card] poll_ms: 50 is out of range; allowed: 100 to 2000 ms"],
    );
}

#[test]
fn every_mistake_is_told_at_once_in_the_order_of_the_file() {
    let found =
        mistakes("[timeouts]\nid_card = -1\n[printer]\ndriver = \"laser\"\n[id_card]\nbaud = 1\n");
    let starts: Vec<_> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(starts, ["t.toml:2", "t.toml:4", "t.toml:6"], "{found:#?}");
}

#[test]
fn unknown_sections_and_keys_are_mistakes() {
    check("[idcard]\n", "t.toml:1: [idcard]: unknown section", "[id_card]");
    check("sn = \"1\"\n", "t.toml:1: sn: stands in no section", "[device_info]");
    check("[id_card]\nprot = \"/dev/x\"\n", "t.toml:2: [id_card] prot: unknown key", "port");
    check("\nlisten = 3\n", "t.toml:2: [listen]: is a whole number, not a section", "[listen]");
    check("[[printer]]\n", "t.toml:1: [printer]: is a list, not a section", "[printer]");
    check("[device_info]\nsn.x = 1\n", "t.toml:2: [device_info] sn: is a table", "a string");
}

#[test]
fn wrong_types_and_words_are_mistakes() {
    check(
        "[timeouts]\nqr_code = \"15\"\n",
        "t.toml:2: [timeouts] qr_code: is a string",
        "0 for no limit",
    );
    check("[timeouts]\nqr_code = 1.5\n", "t.toml:2: [timeouts] qr_code: is a fraction", "ms");
    check("[id_card]\nraw_photo = 1\n", "t.toml:2: [id_card] raw_photo: is a whole number", "true");
    check("[id_card]\ndriver = \"sdt\"\n", "t.toml:2: [id_card] driver: \"sdt\"", "sam-v-serial");
    check("[id_card]\nbaud = 14400\n", "t.toml:2: [id_card] baud: 14400", "\"auto\"");
    check("[qr_scanner]\nencoding = \"gbk\"\n", "t.toml:2: [qr_scanner] encoding: ", "gb18030");
    check("[qr_scanner]\ntrigger = \"\"\n", "t.toml:2: [qr_scanner] trigger: ", "newland-old");
    check(
        "[log]\nlevel = \"loud\"\n",
        "t.toml:2: [log] level: ",
        "error, warn, info, debug, trace",
    );
    for colour in ["black", "#00000", "#00000g", "#+00000", ""] {
        let text = format!("[second_screen]\nbackground = \"{colour}\"\n");
        let begins = format!("t.toml:2: [second_screen] background: \"{colour}\" is no colour");
        check(&text, &begins, "such as #000000");
    }
    check("[psam]\nslots = [\"a\", 2]\n", "t.toml:2: [psam] slots: item 2: is a whole", "slot 2");
    check("[device_info]\nsn = 5\n", "t.toml:2: [device_info] sn: is a whole number", "a string");
}

#[test]
fn numbers_out_of_range_are_mistakes() {
    for (section, key, below, above) in [
        ("listen", "max_frame_bytes", 1023, 256 * 1024 * 1024 + 1),
        ("limits", "connections", 0, 65_537),
        ("id_card", "poll_ms", 99, 2001),
        ("qr_scanner", "idle_ms", 9, 2001),
        ("qr_scanner", "same_code_ms", -1, 60_001),
        ("timeouts", "printer", -1, 86_400_001_i64),
    ] {
        for value in [below, above] {
            let text = format!("[{section}]\n{key} = {value}\n");
            check(&text, &format!("t.toml:2: [{section}] {key}: {value} is out of range"), "to");
        }
    }
    let huge = "[timeouts]\nid_card = 99999999999999999999999999999999999999999999\n";
    check(huge, "t.toml:2: [timeouts] id_card: is no number that can be held", "0 for no limit");
}

#[test]
fn syntax_mistakes_have_their_place_too() {
    check("[log]\n\nlevel = info\n", "t.toml:3: [log] level: no TOML: ", "error, warn");
    check("[log\n", "t.toml:1: ", "key = value");
    check(
        "[log]\nlevel = \"info\"\nlevel = \"warn\"\n",
        "t.toml:3: [log] level: no TOML: ",
        "warn",
    );
}

#[test]
fn an_address_beyond_loopback_needs_a_token() {
    check("[listen]\ntcp = \"0.0.0.0:17801\"\n", "t.toml:2: [listen] tcp: 0.0.0.0:17801", "token");
    check("[listen]\nhttp = \"[::]:80\"\n", "t.toml:2: [listen] http: [::]:80", "token");
    let config = parse("[listen]\ntcp = \"0.0.0.0:17801\"\ntoken = \"s3cret\"\n");
    assert_eq!(config.listen.token, Some(Secret::new("s3cret")));
    assert_eq!(
        parse("[listen]\ntcp = \"[::ffff:127.0.0.1]:1\"\n").listen.tcp.map(|tcp| tcp.port()),
        Some(1),
    );
}

#[test]
fn addresses_are_checked() {
    for wrong in ["127.0.0.1", "example.org:80", "127.0.0.1:65536", "localhost:x", ":17801"] {
        let text = format!("[listen]\ntcp = \"{wrong}\"\n");
        check(&text, "t.toml:2: [listen] tcp: ", "127.0.0.1:17801");
    }
    let twice = "[listen]\ntcp = \"127.0.0.1:7\"\nhttp = \"127.0.0.1:7\"\n";
    check(twice, "t.toml:3: [listen] http: is the same address as tcp", "another port");
}

#[test]
fn the_mode_is_octal_and_leaves_the_owner_in() {
    assert_eq!(parse("[listen]\nunix_mode = \"666\"\n").listen.unix_mode, 0o666);
    for wrong in ["\"0680\"", "\"rw\"", "\"0060\"", "\"1777\"", "\"+660\"", "660"] {
        check(
            &format!("[listen]\nunix_mode = {wrong}\n"),
            "t.toml:2: [listen] unix_mode: ",
            "octal",
        );
    }
}

#[test]
fn the_socket_path_fits_into_the_address() {
    let longest = format!("/{}", "s".repeat(106));
    let config = parse(&format!("[listen]\nunix = \"{longest}\"\n"));
    assert_eq!(config.listen.unix, Some(PathBuf::from(&longest)));
    check(&format!("[listen]\nunix = \"{longest}s\"\n"), "t.toml:2: [listen] unix: is 108", "107");
    check("[listen]\nunix = \"bridge.sock\"\n", "t.toml:2: [listen] unix: ", "absolute");
}

#[test]
fn origins_are_exact_and_null_never_is_one() {
    let right =
        r#"["http://panel.example:8080", "https://a-b.example", "http://[::1]:3000", "app://x"]"#;
    assert_eq!(parse(&format!("[listen]\norigins = {right}\n")).listen.origins.len(), 4);
    for wrong in [
        "null",
        "*",
        "http://*.example",
        "http://a.example/",
        "http://a.example:80",
        "a.example",
        "https://a.example:443",
        "http://A.example",
        "http://",
        "http://a:0",
        "http://a:+1",
        "http://user@a",
        "",
    ] {
        let text = format!("[listen]\norigins = [\"http://ok.example\", \"{wrong}\"]\n");
        check(&text, "t.toml:2: [listen] origins: item 2: ", "exact origins");
    }
}

#[test]
fn hosts_are_names_without_a_port() {
    let config = parse("[listen]\nhosts = [\"Kiosk.Local\", \"10.0.0.7\", \"[fd00::1]\"]\n");
    assert_eq!(config.listen.hosts, ["kiosk.local", "10.0.0.7", "[fd00::1]"]);
    for wrong in ["kiosk:17802", "*", "", "http://kiosk", "a..b"] {
        let text = format!("[listen]\nhosts = [\"{wrong}\"]\n");
        check(&text, "t.toml:2: [listen] hosts: item 1: ", "without a port");
    }
}

#[test]
fn no_message_and_no_debug_output_holds_the_token() {
    for text in [
        "[listen]\ntoken = \"hush hush\"\n",
        "[listen]\ntoken = hush\n",
        "[listen]\ntoken = \"hush\n",
        "[listen]\ntoken = \"hush\\q\"\n",
        "[listen]\ntoken = [\"hush\"]\n",
        "[listen]\ntoken = { hush = 1 }\n",
        "[listen]\ntoken.hush = 1\n",
        "[listen]\ntoken = \"hush\"\ntoken = \"hush\"\n",
        "[listen]\nhush\n",
        "[listen]\ntoken = \"\"\"\nhush\"\n",
    ] {
        let error = Config::parse(text, "t.toml").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
    let error = Config::parse("[listen]\ntoken = 8151623\n", "t.toml").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("8151623"), "{error:?}");
    let config = parse("[listen]\ntoken = \"hush\"\n");
    assert_eq!(config.listen.token.as_ref().map(Secret::reveal), Some("hush"));
    assert!(!format!("{config:?}").contains("hush"));
    let changes = parse("").reread(&config);
    assert_eq!(changes, ["[listen] token"]);
}

#[test]
fn a_serial_driver_needs_its_port() {
    check(
        "[id_card]\ndriver = \"sam-v-serial\"\n",
        "t.toml:1: [id_card] port: is missing",
        "serial port",
    );
    check(
        "\n[qr_scanner]\ndriver = \"serial\"\n",
        "t.toml:2: [qr_scanner] port: is missing",
        "path",
    );
}

#[test]
fn a_printer_needs_the_key_that_says_where_it_is() {
    for (driver, key, allowed) in [
        ("escpos-serial", "port", "serial port"),
        ("escpos-tcp", "address", ":9100"),
        ("escpos-device", "path", "hharome devices"),
    ] {
        let text = format!("[log]\n[printer]\nbaud = 9600\ndriver = \"{driver}\"\n");
        let begins = format!("t.toml:2: [printer] {key}: is missing, and driver {driver:?} needs");
        check(&text, &begins, allowed);
    }
    parse("[printer]\ndriver = \"escpos-tcp\"\naddress = \"printer:9100\"\n");
    // A port of another driver is none.
    let other = "[printer]\ndriver = \"escpos-tcp\"\nport = \"/dev/ttyS1\"\n";
    check(other, "t.toml:1: [printer] address: is missing", ":9100");
}

#[test]
fn a_pattern_of_commands_is_class_and_instruction() {
    let card = |list: &str, begins: &str| {
        let text = format!("[cpu_card]\ndenied_apdus = {list}\n");
        check(&text, &format!("t.toml:2: [cpu_card] denied_apdus: {begins}"), "\"80 D4\"");
    };
    card("\"80D4\"", "is a string, not a list");
    card("[\"80D4\", \"80\"]", "item 2: \"80\" is not four");
    card("[\"80D400\"]", "item 1: \"80D400\" is not four");
    card("[\"80G4\"]", "item 1: \"80G4\" is not four");
    card("[\"80é4\"]", "item 1: \"80é4\" is not four");
    card("[\"80D4 @1\"]", "item 1: \"80D4 @1\" names a slot, and only PSAMs have slots");
    for wrong in ["80D4 @3", "80D4 @", "80D4 @1 @2", "@1"] {
        let text = format!("[psam]\ndenied_apdus = [\"{wrong}\"]\n");
        check(&text, "t.toml:2: [psam] denied_apdus: item 1: ", "@2");
    }
}

#[test]
fn psams_of_pcsc_need_a_reader_for_each_slot() {
    let psam = |slots: &str| format!("[psam]\ndriver = \"pcsc\"\n{slots}");
    check(&psam(""), "t.toml:1: [psam] slots: is missing", "1 or 2 reader patterns");
    check(&psam("slots = []\n"), "t.toml:3: [psam] slots: is missing", "1 or 2");
    check(&psam("slots = [\"a\", \"a\"]\n"), "t.toml:3: [psam] slots: \"a\" is the", "own");
    check(&psam("slots = [\"a\", \"b\", \"c\"]\n"), "t.toml:3: [psam] slots: lists 3", "slot 2");
    parse(&psam("slots = [\"a\"]\n"));
    parse("[psam]\ndriver = \"simulated\"\n");
}

#[test]
fn a_buzzer_needs_what_its_driver_works_with() {
    let buzzer = |text: &str| format!("[buzzer]\n{text}\n");
    check(&buzzer("driver = \"program\""), "t.toml:1: [buzzer] program: is missing", "path");
    for (wrong, why) in [
        ("[]", "is empty"),
        ("[\"beep\"]", "item 1: \"beep\" does not begin with /"),
        ("[\"/bin/beep\", 5]", "item 2: is a whole number"),
        ("\"/bin/beep\"", "is a string, not a list"),
    ] {
        let text = buzzer(&format!("program = {wrong}"));
        check(&text, &format!("t.toml:2: [buzzer] program: {why}"), "then its arguments");
    }
    check(&buzzer("command = \"FF 00\""), "t.toml:2: [buzzer] command: \"FF 00\" has", "{time}");
    check(&buzzer("model = \"acr\""), "t.toml:2: [buzzer] model: \"acr\"", "auto, acr122u, acs");
    for wrong in [20, 20_001] {
        let text = buzzer(&format!("frequency_hz = {wrong}"));
        check(&text, "t.toml:2: [buzzer] frequency_hz: ", "21 to 20000 Hz");
    }
    check(&buzzer("unit_ms = 0"), "t.toml:2: [buzzer] unit_ms: 0 is out of range", "1 to 10000");
    check(&buzzer("max_units = 256"), "t.toml:2: [buzzer] max_units: 256 is out", "1 to 255");
    check(
        &buzzer("driver = \"pcsc\"\ncommand = \"FF{time}\"\nmodel = \"acs\""),
        "t.toml:4: [buzzer] model: stands beside command",
        "auto",
    );
}

#[test]
fn two_devices_cannot_share_a_port() {
    let text = "[id_card]\ndriver = \"sam-v-serial\"\nport = \"/dev/ttyS1\"\n\
                [qr_scanner]\ndriver = \"serial\"\nport = \"/dev/ttyS1\"\n";
    check(text, "t.toml:6: [qr_scanner] port: \"/dev/ttyS1\" is the port of [id_card]", "own");
    // A simulated device opens no port.
    parse(&text.replace("sam-v-serial", "simulated"));
}

#[test]
fn a_client_is_slowed_before_it_is_cut_off() {
    check("[limits]\nwaiting_frames = 200\n", "t.toml:2: [limits] waiting_frames: ", "smaller");
    check("[limits]\npaused_frames = 1024\n", "t.toml:2: [limits] paused_frames: ", "smaller");
}
