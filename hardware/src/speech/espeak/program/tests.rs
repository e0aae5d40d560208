//! The port with programs of the tests' own, and ALSA's `null`, which takes sound as fast as it comes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

/// A program that speaks as espeak-ng does: says its version, and writes down how it was run.
fn program(body: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speaks");
    let script = format!(
        "#!/bin/sh\ncd {}\ncase \"$1\" in\n--version) echo 'eSpeak NG text-to-speech: 9.9  Data at: x' \
         ;;\n-q) echo phonemes ;;\n*) {body} ;;\nesac\n",
        folder.path().display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// A second of silence in WAV, by octal escapes of printf.
const WAV: &str = "printf 'RIFF\\377\\377\\377\\177WAVEfmt \\020\\0\\0\\0\\001\\0\\001\\0\\042\\126\\0\\0\\104\\254\\0\\0\\002\\0\\020\\0data\\377\\377\\377\\177'; head -c 44100 /dev/zero";

struct Open {
    line: BoxedLine,
    packets: Packets,
}

impl Open {
    async fn at(port: &mut EspeakProgram) -> Self {
        Self { line: port.open(0).await.unwrap(), packets: Packets::default() }
    }

    async fn tell(&mut self, tell: Tell) {
        self.line.write_all(&tell.packet()).await.unwrap();
    }

    async fn say(&mut self, text: &str) {
        self.tell(Tell::Run(vec!["-v".to_owned(), "cmn".to_owned()])).await;
        self.tell(Tell::Text(text.to_owned())).await;
    }

    async fn said(&mut self) -> Said {
        let said = async {
            let mut chunk = [0; 256];
            loop {
                if let Some(packet) = self.packets.next_packet().unwrap() {
                    return Said::of(&packet).unwrap();
                }
                let read = self.line.read(&mut chunk).await.unwrap();
                assert!(read > 0, "the line is gone");
                self.packets.push(&chunk[..read]);
            }
        };
        timeout(Duration::from_secs(20), said).await.expect("it says something")
    }
}

#[tokio::test]
async fn the_program_is_run_without_a_shell_and_has_its_text_from_stdin() {
    let (folder, path) = program(&format!("echo \"$@\" > arguments; cat > text; {WAV}"));
    let mut open = Open::at(&mut EspeakProgram::new(&path, "null", None)).await;
    let hello = Said::Hello { version: "9.9".to_owned(), phonemes: "phonemes".to_owned() };
    assert_eq!(open.said().await, hello);
    let text = "$(touch hacked); `id` ' \" \\ -v en <b> 好 😀";
    open.say(text).await;
    assert_eq!(open.said().await, Said::Begun);
    assert_eq!(open.said().await, Said::Ended);
    assert_eq!(fs::read_to_string(folder.path().join("text")).unwrap(), text);
    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    assert_eq!(arguments, "-v cmn -b 1 --stdin --stdout\n");
    assert!(!folder.path().join("hacked").exists());
}

#[tokio::test]
async fn a_program_that_goes_on_for_ever_is_stopped() {
    let (_folder, path) = program("cat > /dev/null; sleep 600");
    let mut port = EspeakProgram::new(&path, "null", None);
    let mut open = Open::at(&mut port).await;
    open.said().await;
    open.say("好").await;
    open.tell(Tell::Stop).await;
    assert_eq!(open.said().await, Said::Stopped);
    // Nothing is left of it, and the next one is run.
    open.tell(Tell::Stop).await;
    assert_eq!(open.said().await, Said::Stopped);
}

#[tokio::test]
async fn a_program_that_fails_or_says_no_sound_is_told_of() {
    for (body, words) in [
        ("cat > /dev/null; exit 3", "has ended with exit status: 3"),
        ("cat > /dev/null; echo rubbish that is no sound", "no WAV file of 16 bits"),
    ] {
        let (_folder, path) = program(body);
        let mut open = Open::at(&mut EspeakProgram::new(&path, "null", None)).await;
        open.said().await;
        open.say("好").await;
        let failed = loop {
            match open.said().await {
                Said::Begun => {}
                other => break other,
            }
        };
        assert!(matches!(&failed, Said::Failed(told) if told.contains(words)), "{failed:?}");
    }
}

#[tokio::test]
async fn a_text_without_a_sound_is_said_at_once() {
    let (_folder, path) = program("cat > /dev/null");
    let mut open = Open::at(&mut EspeakProgram::new(&path, "null", None)).await;
    open.said().await;
    open.say("😀").await;
    assert_eq!(open.said().await, Said::Begun);
    assert_eq!(open.said().await, Said::Ended);
}

#[tokio::test]
async fn a_sound_device_that_is_not_there_is_named() {
    let (_folder, path) = program(WAV);
    let mut open = Open::at(&mut EspeakProgram::new(&path, "plughw:CARD=Nowhere", None)).await;
    let Said::Failed(words) = open.said().await else { panic!("it is there") };
    // With the library's own words, which do not stand on stderr instead.
    assert!(words.starts_with("sound device plughw:CARD=Nowhere: not there ("), "{words}");
    assert!(words.contains("); plug it in, or name another"), "{words}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_absent() {
    for name in ["/nowhere/espeak-ng", "no-such-espeak-ng"] {
        let error = EspeakProgram::new(name, "null", None).open(0).await.err().unwrap();
        assert!(error.is_absent());
        let words =
            format!("program:{name}: there is no such program; install it, or name another");
        assert_eq!(error.to_string(), words);
    }
    assert!(find("sh").is_some());
}
