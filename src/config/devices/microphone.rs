//! The microphone.

use std::time::Duration;

use crate::config::rule::{millis, name, one_of, seconds};
use crate::config::schema::section;
use crate::config::words::drivers;

drivers! {
    /// The drivers of the microphone.
    MicrophoneDriver {
        /// A capture device of ALSA.
        Alsa = "alsa",
    }
}

section! {
    /// The microphone: 16 kHz, 16 bit, mono.
    Microphone {
        /// What drives it.
        driver: MicrophoneDriver = MicrophoneDriver::None;
        "driver", Default(r#""none""#), one_of(), Restart;
        /// The capture device, as ALSA names it.
        device: String = "default".to_owned();
        "device", Default(r#""default""#),
        name("a PCM name of ALSA, such as default or plughw:CARD=PCH,DEV=0"), Restart;
        /// How much sound one event carries; 40 ms are 1280 bytes.
        chunk: Duration = Duration::from_millis(40);
        "chunk_ms", Default("40"), millis(10, 1000), Restart;
        /// How long one recording (`startMicrophone`) may become, in seconds; then it hears no more,
        /// and is kept until `stopMicrophone`. A minute is 360 KB of MP3.
        record_limit: Duration = Duration::from_secs(300);
        "record_limit_s", Default("300"), seconds(1, 1800), Restart;
    }
}
