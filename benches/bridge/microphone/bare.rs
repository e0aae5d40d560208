//! The floor of many listeners: reads the same device, encodes a chunk once, puts one header before it,
//! and writes that to each of them. One thread, blocking sockets, and no other thought. Started by
//! [`super`] as `--floor sound ADDRESS LISTENERS`.

use std::io::Write;
use std::net::TcpListener;

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, ValueOr};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio_tungstenite::tungstenite::{self, Message};

use super::listeners::{CHUNK, FRAME};
use crate::Outcome;

/// The word for it on the command line.
pub(crate) const WORD: &str = "sound";

/// What every start is answered with.
const REPLY: &str = r#"{"action":"startMicrophoneListener","event":"open","success":true,"taskId":"m","message":"成功","data":{}}"#;

/// Its whole life.
pub(crate) fn serve(address: &str, listeners: &str) -> Outcome<()> {
    let door = TcpListener::bind(address)?;
    let mut sockets = Vec::new();
    for _ in 0..listeners.parse()? {
        let stream = door.accept()?.0;
        stream.set_nodelay(true)?;
        sockets.push(tungstenite::accept(stream).map_err(|error| error.to_string())?);
    }
    for socket in &mut sockets {
        socket.read()?;
        socket.send(Message::text(REPLY))?;
    }
    let pcm = open()?;
    let io = pcm.io_bytes();
    let mut sound = [0; CHUNK];
    loop {
        if io.readi(&mut sound)? * FRAME != CHUNK {
            return Err("no whole chunk".into());
        }
        let event = event(&sound);
        for socket in &mut sockets {
            socket.get_mut().write_all(&event)?;
        }
    }
}

fn open() -> Outcome<PCM> {
    let pcm = PCM::new("default", Direction::Capture, false)?;
    {
        let wanted = HwParams::any(&pcm)?;
        wanted.set_access(Access::RWInterleaved)?;
        wanted.set_format(Format::S16LE)?;
        wanted.set_channels(1)?;
        wanted.set_rate(16_000, ValueOr::Nearest)?;
        let period = i64::try_from(CHUNK / FRAME)?;
        wanted.set_period_size_near(period, ValueOr::Nearest)?;
        wanted.set_buffer_size_near(8 * period)?;
        pcm.hw_params(&wanted)?;
        let software = pcm.sw_params_current()?;
        software.set_start_threshold(1)?;
        software.set_avail_min(period)?;
        pcm.sw_params(&software)?;
    }
    Ok(pcm)
}

/// The whole message, as RFC 6455, section 5.2, has it.
fn event(sound: &[u8]) -> Vec<u8> {
    let lines: String = sound.chunks(57).map(|line| STANDARD.encode(line) + "\\n").collect();
    let text =
        format!(r#"{{"channel":"initMicrophoneListener","data":{{"voiceContent":"{lines}"}}}}"#);
    let mut message = vec![0x81, 126];
    message.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    message.extend(text.into_bytes());
    message
}
