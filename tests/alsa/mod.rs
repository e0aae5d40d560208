//! A sound card of a test's own: alsa-lib itself, with a card that is made of files.
//!
//! [`SoundCard`] writes a private configuration of ALSA's into a folder; a program that has
//! [`SoundCard::environment`] in its environment sees that card and no other, and needs neither a
//! kernel driver nor a daemon. The card is the plug-in `sound_card.c`, which is built here; it keeps
//! the clock's pace, and can be pulled out, held by another program, or hang.
//!
//! Names of its devices: `default` converts rates and channels as ALSA's `plug` does; `card` is the
//! card alone, which opens only with what it can do; `unpaced` is a microphone that gives all its
//! sound as fast as it is read.

mod plugin;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

/// A card in a folder of its own.
pub(crate) struct SoundCard {
    folder: TempDir,
}

impl SoundCard {
    /// A card that can do all rates from 8 to 48 kHz, mono and stereo.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// A card that can do nothing but this rate, in Hz, and this number of channels.
    pub(crate) fn only(rate: u32, channels: u32) -> Self {
        Self::with(&format!("rate {rate} channels {channels}"))
    }

    /// A card whose periods have so many bytes at most, for programs that ask for none.
    pub(crate) fn of_periods(bytes: u32) -> Self {
        Self::with(&format!("period {bytes}"))
    }

    fn with(restriction: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let at = folder.path().display();
        // The system's own configuration is left out on purpose: it would bring in the files of
        // whoever runs the tests. `null` is the endless source behind the unpaced microphone.
        let text = format!(
            "pcm_type.sound_card {{ lib \"{}\" }}
             pcm.card {{
                 type sound_card
                 folder \"{at}\"
                 {restriction}
                 hint {{ show on description \"A sound card of a test's own\" }}
             }}
             pcm.default {{ type plug slave.pcm \"card\" }}
             pcm.null {{ type null }}
             pcm.plug {{
                 @args [ SLAVE ]
                 @args.SLAVE {{ type string }}
                 type plug
                 slave.pcm $SLAVE
             }}
             pcm.unpaced {{
                 type plug
                 slave {{
                     pcm {{
                         type file
                         slave.pcm \"null\"
                         file \"/dev/null\"
                         infile \"{at}/voice\"
                         format \"raw\"
                     }}
                     format S16_LE rate 16000 channels 1
                 }}
             }}
            ",
            plugin::plugin().display()
        );
        fs::write(folder.path().join("asound.conf"), text).expect("the folder is ours");
        Self { folder }
    }

    /// The environment variable, and its value, of a program that shall see this card alone.
    pub(crate) fn environment(&self) -> (&'static str, PathBuf) {
        ("ALSA_CONFIG_PATH", self.file("asound.conf"))
    }

    /// What the microphone hears from the moment at which a program starts to capture; silence
    /// after it. To be said before a program opens the card. The samples are at the rate, and
    /// interleaved for the channels, at which the card is opened: 16 kHz mono, unless it is
    /// [`SoundCard::only`] another.
    pub(crate) fn hears(&self, samples: &[i16]) {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        fs::write(self.file("voice"), bytes).expect("the folder is ours");
    }

    /// When the microphone began to hear, on `CLOCK_MONOTONIC`; `None` before that.
    pub(crate) fn began(&self) -> Option<Duration> {
        let text = fs::read_to_string(self.file("began")).ok()?;
        text.strip_suffix('\n')?.parse().ok().map(Duration::from_nanos)
    }

    /// What the loudspeaker has played since the card was made, at whatever rate the programs chose.
    pub(crate) fn played(&self) -> Vec<i16> {
        let bytes = match fs::read(self.file("played")) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => panic!("{error}"),
        };
        bytes.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
    }

    /// Pulls the card out.
    pub(crate) fn unplug(&self) {
        self.put("gone");
    }

    /// Plugs it in again.
    pub(crate) fn plug(&self) {
        self.take("gone");
    }

    /// Lets another program have it: nobody can open it.
    pub(crate) fn hold(&self) {
        self.put("held");
    }

    /// The other program leaves it.
    pub(crate) fn release(&self) {
        self.take("held");
    }

    /// Whoever waits for sound waits for ever from now on, deep in the library.
    pub(crate) fn hang(&self) {
        self.put("hung");
    }

    /// Lets them go on.
    pub(crate) fn wake(&self) {
        self.take("hung");
    }

    /// The folder that the files are in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str) {
        fs::write(self.file(name), "").expect("the folder is ours");
    }

    fn take(&self, name: &str) {
        fs::remove_file(self.file(name)).expect("it was there");
    }
}
