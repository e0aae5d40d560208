//! A sound card whose microphone hears what is played on its other side: `snd-aloop`. Pulled out by
//! taking its driver away, as a USB card's would be.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, ValueOr};

use crate::machine;

/// Modules for it.
pub(crate) const SOUND_MODULES: [&str; 1] = ["snd-aloop"];

const DRIVER: &str = "/sys/bus/platform/drivers/snd_aloop";
const DEVICE: &str = "snd_aloop.0";

/// What is played there for ever.
pub(crate) struct Player {
    stop: Arc<AtomicBool>,
    life: Option<JoinHandle<()>>,
}

impl Player {
    /// Plays these samples again and again, 16 kHz, one channel.
    pub(crate) fn play(samples: Vec<i16>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let life = std::thread::spawn(move || {
            let pcm = PCM::new("hw:Loopback,1,0", Direction::Playback, false).expect("a card");
            {
                let params = HwParams::any(&pcm).expect("parameters");
                params.set_access(Access::RWInterleaved).expect("interleaved");
                params.set_format(Format::s16()).expect("16 bit");
                params.set_channels(1).expect("mono");
                params.set_rate(16_000, ValueOr::Nearest).expect("16 kHz");
                params.set_buffer_time_near(200_000, ValueOr::Nearest).expect("a buffer");
                pcm.hw_params(&params).expect("the card takes these");
            }
            let io = pcm.io_i16().expect("16 bit");
            let mut rest = &samples[..];
            while !stopped.load(Ordering::Relaxed) {
                match io.writei(&rest[..rest.len().min(320)]) {
                    Ok(written) => rest = &rest[written..],
                    // What cannot be recovered from is a card that is gone.
                    Err(error) if pcm.try_recover(error, true).is_err() => return,
                    Err(_) => {}
                }
                if rest.is_empty() {
                    rest = &samples;
                }
            }
        });
        Self { stop, life: Some(life) }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(life) = self.life.take() {
            let _ = life.join();
        }
    }
}

/// Pulls the card out; ends when the kernel is done with it.
pub(crate) fn pull_out() {
    fs::write(Path::new(DRIVER).join("unbind"), DEVICE).expect("the driver lets go");
}

/// Plugs it in again.
pub(crate) async fn plug_in() {
    fs::write(Path::new(DRIVER).join("bind"), DEVICE).expect("the driver takes it");
    machine::appears(Path::new("/dev/snd/pcmC0D0c")).await;
}
