//! Fault scripts.

use super::kit::Kit;
use super::*;

fn script(text: &str) -> Options {
    let script = Script::parse(text, Path::new("script.toml")).unwrap();
    Options { script: Some(script), ..Options::default() }
}

#[track_caller]
fn mistake(text: &str) -> String {
    Script::parse(text, Path::new("s.toml")).unwrap_err().to_string()
}

/// The reader answers the sixth exchange: status, id, three looks, and the look that finds a card.
const PULLED: &str = "[[fault]]\nport = \"id_card\"\nat_ms = 1500\ndo = \"unplug\"\nms = 100000\n";

#[test]
fn what_the_script_expects_stands_for_what_the_recording_has() {
    let kit = Kit::card_session();
    let expected = "[[expect]]\nclient = 1\naction = \"getIDCardInfo\"\ntask_id = \"1\"\n\
                    frame = { success = false, data = { error = { kind = \"device_unavailable\" } } }\n";
    let outcome = run(kit.folder(), &script(&format!("{PULLED}{expected}"))).unwrap();
    assert_eq!(told(&outcome), Vec::<String>::new());
    // Without the expectation the fault shows.
    let outcome = run(kit.folder(), &script(PULLED)).unwrap();
    assert!(told(&outcome)[0].contains("says something else"), "{:?}", told(&outcome));
}

#[test]
fn an_expectation_that_is_not_met_is_named_with_its_line() {
    let kit = Kit::card_session();
    let expected = "\n[[expect]]\nclient = 1\naction = \"getIDCardInfo\"\n\
                    frame = '{\"message\":\"超时\"}'\n";
    let outcome = run(kit.folder(), &script(expected)).unwrap();
    let told = told(&outcome);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(text(&outcome, false).contains("1 difference, 0 of 0 faults struck, 0 of 1 exp"));
    assert!(told[0].starts_with(
        "client 1, script.toml:2, at 3.000 s: the reply to getIDCardInfo was \
                                 expected otherwise by the script; the last one that came: {"
    ));
}

#[test]
fn others_do_not_count_if_the_script_says_so() {
    let kit = Kit::card_session();
    let outcome = run(kit.folder(), &script(&format!("others = \"any\"\n{PULLED}"))).unwrap();
    assert_eq!(told(&outcome), Vec::<String>::new());
    let words = text(&outcome, false);
    assert!(words.contains("ms: 1 fault struck, 0 expectations, nothing else compared"), "{words}");
    let expected =
        "[[expect]]\nclient = 1\naction = \"getIDCardInfo\"\nframe = {success = false}\n";
    let both = script(&format!("others = \"any\"\n{PULLED}{expected}"));
    let words = text(&run(kit.folder(), &both).unwrap(), false);
    let all = "ms: 1 fault struck, 1 of 1 expectation met, nothing else compared";
    assert!(words.contains(all), "{words}");
}

#[test]
fn a_fault_that_does_nothing_is_a_difference() {
    let kit = Kit::card_session();
    // The fifth exchange is the first look at whether a card lies there: 11 bytes.
    let text_of = "others = \"any\"\n\n[[fault]]\nport = \"id_card\"\nexchange = 1\ndo = \"drop\"\n\n\
        [[fault]]\nport = \"id_card\"\nexchange = 9999\ndo = \"drop\"\n\n\
        [[fault]]\nport = \"id_card\"\nexchange = 4\ndo = \"cut\"\nafter = 11\n\n\
        [[fault]]\nport = \"id_card\"\nat_ms = 900000\ndo = \"unplug\"\nms = 5\n";
    let outcome = run(kit.folder(), &script(text_of)).unwrap();
    let told = told(&outcome);
    assert_eq!((outcome.count, told.len()), (3, 3), "{told:?}");
    assert!(told[0].starts_with(
        "script.toml:8, at 3.000 s: [[fault]] 2 (id_card, exchange 9999) never struck: the port had "
    ));
    assert!(told[0].ends_with(" exchanges, and the recording ends at 3.000 s"), "{told:?}");
    assert_eq!(
        told[1],
        "script.toml:13, at 3.000 s: [[fault]] 3 (id_card, exchange 4) changed nothing: the answer \
         that it struck had 11 bytes"
    );
    assert!(told[2].contains("[[fault]] 4 (id_card, at_ms 900000) never struck"), "{told:?}");
    let words = text(&outcome, false);
    assert!(words.contains("3 differences, 1 of 4 faults struck, 0 expectations"), "{words}");
}

#[test]
fn the_script_of_the_documentation_works_as_it_stands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/replay.md")).unwrap();
    let (_, after) = page.split_once("```toml\n").unwrap();
    let (example, _) = after.split_once("```").unwrap();
    let name = "tests/recordings/qr_listener_and_call";
    assert!(page.contains(name));
    let outcome = run(&root.join(name), &script(example)).unwrap();
    assert_eq!(told(&outcome), Vec::<String>::new());
    let ScriptOutcome { faults, struck, expectations, met, .. } = outcome.script.unwrap();
    assert!(faults > 0 && expectations > 0);
    assert_eq!((struck, met), (faults, expectations));
}

#[test]
fn a_name_that_the_protocol_does_not_have_is_refused_with_those_that_there_are() {
    let wrong =
        |key: &str| mistake(&format!("[[expect]]\nclient = 1\n{key} = \"getQr\"\nframe = {{}}\n"));
    let action = wrong("action");
    assert!(action.starts_with("s.toml:1: [[expect]] action: there is no \"getQr\"; there are "));
    assert!(action.contains("getIDCardInfo") && action.contains("getDeviceInfo"), "{action}");
    let channel = wrong("channel");
    assert!(channel.contains("initQRListener") && channel.contains("bridgeCalls"), "{channel}");
    let call = wrong("call");
    assert!(call.contains("bridge.status") && call.contains("ampeHHCommunication"), "{call}");
}

#[test]
fn an_answer_that_is_lost_once_is_asked_for_again() {
    let kit = Kit::card_session();
    for what in ["\"drop\"", "\"cut\"\nafter = 7", "\"flip\"\nbyte = 9"] {
        let text = format!("[[fault]]\nport = \"id_card\"\nat_ms = 1850\ndo = {what}\n");
        let patient = Options { tolerance: Duration::from_secs(5), ..script(&text) };
        // The driver tries again, and the reply comes all the same.
        is_as_recorded(&run(kit.folder(), &patient).unwrap(), 1);
    }
}

#[test]
fn mistakes_name_line_and_what_is_allowed() {
    assert_eq!(
        mistake("\n[[fault]]\nport = \"id_card\"\nat_ms = 1\ndo = \"cut\"\n"),
        "s.toml:2: [[fault]] after: missing, do = \"cut\" needs it"
    );
    assert_eq!(
        mistake("[[fault]]\nport = \"id_card\"\nat_ms = 1\nexchange = 1\ndo = \"drop\"\n"),
        "s.toml:1: [[fault]] expected either at_ms or exchange"
    );
    assert_eq!(
        mistake("[[fault]]\nport = \"a\"\nexchange = 0\ndo = \"drop\"\n"),
        "s.toml:1: [[fault]] exchange: exchanges are counted from 1"
    );
    assert_eq!(
        mistake("[[fault]]\nport = \"a\"\nexchange = 1\ndo = \"drop\"\nms = 5\n"),
        "s.toml:1: [[fault]] ms: not with do = \"drop\""
    );
    assert_eq!(
        mistake("[[expect]]\nclient = 1\nframe = {}\n"),
        "s.toml:1: [[expect]] expected one of action, call, channel"
    );
    assert_eq!(
        mistake("[[expect]]\nclient = 1\ncall = \"bridge.status\"\nframe = \"[]\"\n"),
        "s.toml:1: [[expect]] frame: the text is no JSON object"
    );
    let unknown = mistake("\n\n[[fault]]\nport = \"a\"\nexchange = 1\ndo = \"drop\"\nwhy = 1\n");
    assert!(unknown.starts_with("s.toml:7: unknown field `why`"), "{unknown}");
}

#[test]
fn a_script_for_another_recording_is_refused() {
    let kit = Kit::card_session();
    let wrong = "\n[[fault]]\nport = \"printer\"\nat_ms = 1\ndo = \"drop\"\n";
    let error = run(kit.folder(), &script(wrong)).unwrap_err().to_string();
    let expected =
        "script.toml:2: [[fault]] port: the recording has no \"printer\"; it has id_card";
    assert_eq!(error, expected);
    let wrong = "[[expect]]\nclient = 8\nchannel = \"bridgeCalls\"\nframe = {}\n";
    let error = run(kit.folder(), &script(wrong)).unwrap_err().to_string();
    assert_eq!(error, "script.toml:1: [[expect]] client: the recording has no client 8");
}

#[test]
fn faults_and_acceptance_do_not_go_together() {
    let kit = Kit::card_session();
    let options = Options { accept: true, ..script(PULLED) };
    let before = kit.read("client-0001.jsonl");
    assert!(matches!(run(kit.folder(), &options), Err(ReplayError::Unacceptable(_))));
    assert_eq!(kit.read("client-0001.jsonl"), before);
}
