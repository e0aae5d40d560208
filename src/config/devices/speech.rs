//! Speech.

use crate::config::rule::{name, one_of, optional, speech_address, whole};
use crate::config::schema::section;
use crate::config::words::drivers;

drivers! {
    /// The drivers of speech.
    SpeechDriver {
        /// The desktop's speech service.
        SpeechDispatcher = "speech-dispatcher",
        /// The synthesiser by itself.
        EspeakNg = "espeak-ng",
    }
}

section! {
    /// The speech synthesiser.
    Speech {
        /// What drives it.
        driver: SpeechDriver = SpeechDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// Where speech-dispatcher listens, as in SPEECHD_ADDRESS. Left out: $SPEECHD_ADDRESS, else its
        /// socket in runtime_dir of `[session]`. The service belongs to the session of the kiosk's user,
        /// who alone may use its socket: run the daemon as that user, or give it that permission.
        address: Option<String> = None;
        "address", Example(r#""unix_socket:/run/user/1000/speech-dispatcher/speechd.sock""#),
        optional(speech_address()), Restart, for ["speech-dispatcher"];
        /// The output module, for speech-dispatcher. Left out: the service's own choice.
        module: Option<String> = None;
        "module", Example(r#""espeak-ng""#), optional(name("a module's name, such as espeak-ng")),
        Restart, for ["speech-dispatcher"];
        /// The voice: for speech-dispatcher as `spd-say -L` has it, for espeak-ng as in
        /// `espeak-ng --voices`. Left out: the Mandarin voice of espeak-ng that reads Chinese as Chinese,
        /// of another module its own choice. Neither program complains of a voice that there is not.
        voice: Option<String> = None;
        "voice", Example(r#""Chinese (Mandarin, latin as Pinyin)""#),
        optional(name("a voice's name")), Restart;
        /// The language of the texts, for speech-dispatcher.
        language: String = "zh-CN".to_owned();
        "language", Default(r#""zh-CN""#), name("a language, such as zh-CN"),
        Restart, for ["speech-dispatcher"];
        /// How loud, in percent of the loudest.
        volume: u8 = 100;
        "volume", Default("100"), whole(0, 100, "%"), Restart;
        /// The program, for espeak-ng: a name that is looked for in $PATH, or an absolute path.
        program: String = "espeak-ng".to_owned();
        "program", Default(r#""espeak-ng""#), name("a program's name or absolute path"),
        Restart, for ["espeak-ng"];
        /// The playback device, for espeak-ng, as ALSA names it.
        device: String = "default".to_owned();
        "device", Default(r#""default""#),
        name("a PCM name of ALSA, such as default or plughw:CARD=PCH,DEV=0"),
        Restart, for ["espeak-ng"];
    }
}
