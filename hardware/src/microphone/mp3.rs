//! MP3 of what the microphone hears: MPEG-2 layer III, 16 kHz, mono, 48 kbit/s.
//!
//! LAME, in pieces, so that no more than the encoded sound is kept. Every frame has the same length
//! (216 bytes, 36 ms) and there is no header but the frames', so silence of a given length can be told
//! from nothing but that ([`silence`]).

use mp3lame_encoder::{
    Bitrate, Builder, Encoder, FlushGap, Mode, MonoPcm, Quality, max_required_buffer_size,
};

use crate::port::pcm::{FRAME, RATE};

/// 48 kbit/s: no recogniser of speech hears a difference to the original.
const BITRATE: Bitrate = Bitrate::Kbps48;

/// Bytes of a frame: 72 × 48,000 / 16,000 (ISO/IEC 13818-3, layer III at half the rates).
const FRAME_BYTES: usize = 216;

/// Samples of a frame.
const FRAME_SAMPLES: usize = 576;

/// Frames beside those of the sound: LAME's delay, and what it keeps to the end.
const OWN_FRAMES: usize = 2;

/// What LAME's last call may give: as `lame_encode_flush` documents it.
const FLUSH_BYTES: usize = 7200;

/// An MP3 that is being made.
pub struct Mp3 {
    encoder: Encoder,
    encoded: Vec<u8>,
}

impl Mp3 {
    /// An empty one.
    ///
    /// # Errors
    /// LAME's words; it has no memory.
    pub fn new() -> Result<Self, String> {
        let encoder = Builder::new().ok_or("LAME cannot be set up")?;
        let encoder = encoder
            .with_sample_rate(RATE)
            .and_then(|encoder| encoder.with_num_channels(1))
            .and_then(|encoder| encoder.with_mode(Mode::Mono))
            .and_then(|encoder| encoder.with_brate(BITRATE))
            .and_then(|encoder| encoder.with_quality(Quality::Good))
            // It would stand at the beginning and be written last.
            .and_then(|encoder| encoder.with_to_write_vbr_tag(false))
            .and_then(Builder::build)
            .map_err(|error| error.to_string())?;
        Ok(Self { encoder, encoded: Vec::new() })
    }

    /// More sound: PCM, 16 bits little-endian. Takes some 5 ms of the processor a second of sound.
    ///
    /// # Errors
    /// LAME's words.
    pub fn push(&mut self, pcm: &[u8]) -> Result<(), String> {
        let samples: Vec<i16> =
            pcm.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        self.encoded.reserve(max_required_buffer_size(samples.len()));
        let encoded = self.encoder.encode_to_vec(MonoPcm(&samples), &mut self.encoded);
        encoded.map(|_| ()).map_err(|error| error.to_string())
    }

    /// All of it.
    ///
    /// # Errors
    /// LAME's words.
    pub fn finish(mut self) -> Result<Vec<u8>, String> {
        self.encoded.reserve(FLUSH_BYTES);
        let flushed = self.encoder.flush_to_vec::<FlushGap>(&mut self.encoded);
        flushed.map_err(|error| error.to_string())?;
        Ok(self.encoded)
    }
}

/// Whether this looks like what is made here, and not like PCM: a whole number of frames, each
/// beginning as such a frame does.
#[must_use]
pub fn is_mp3(bytes: &[u8]) -> bool {
    let frames = bytes.chunks(FRAME_BYTES);
    let is_frame = |frame: &[u8]| frame.len() == FRAME_BYTES && frame.starts_with(&[0xFF, 0xF3]);
    !bytes.is_empty() && frames.into_iter().all(is_frame)
}

/// The MP3 of so much silence that it has this length: what comes of a recording whose sound was
/// replaced by silence. Of no such length: zeros.
#[must_use]
pub fn silence(length: usize) -> Vec<u8> {
    let made = || {
        let mut mp3 = Mp3::new().ok()?;
        let frames = (length / FRAME_BYTES).checked_sub(OWN_FRAMES)?;
        mp3.push(&vec![0; frames * FRAME_SAMPLES * FRAME]).ok()?;
        let made = mp3.finish().ok()?;
        (made.len() == length).then_some(made)
    };
    made().unwrap_or_else(|| vec![0; length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(pcm: &[u8], pieces: usize) -> Vec<u8> {
        let mut mp3 = Mp3::new().unwrap();
        pcm.chunks(pieces).for_each(|piece| mp3.push(piece).unwrap());
        mp3.finish().unwrap()
    }

    fn tone(samples: usize) -> Vec<u8> {
        let sample = |index: usize| ((index as f64 * 0.17).sin() * 9000.0) as i16;
        (0..samples).flat_map(|index| sample(index).to_le_bytes()).collect()
    }

    #[test]
    fn it_is_frames_of_one_length_for_all_of_the_sound() {
        let made = encoded(&tone(16_000), 32_000);
        assert!(is_mp3(&made));
        // 1.1 s at the most: LAME's delay and the end of the last frame.
        assert!((27..=31).contains(&(made.len() / FRAME_BYTES)), "{} frames", made.len());
        // MPEG-2, layer III, no CRC; 48 kbit/s, 16 kHz; mono.
        assert_eq!((made[1], made[2] & 0xFC, made[3] & 0xC0), (0xF3, 0x68, 0xC0));
    }

    #[test]
    fn pieces_make_no_difference() {
        let pcm = tone(20_000);
        assert_eq!(encoded(&pcm, 1280), encoded(&pcm, 32_000));
    }

    #[test]
    fn silence_of_a_length_is_what_silence_becomes() {
        for samples in [0, 1, 576, 640, 6400, 16_000, 33_333] {
            let made = encoded(&vec![0; samples * 2], 1280);
            assert!(silence(made.len()) == made, "{samples} samples");
        }
    }

    #[test]
    fn pcm_is_no_mp3() {
        assert!(!is_mp3(&[]));
        assert!(!is_mp3(&tone(640)));
        assert!(!is_mp3(&[0xFF; FRAME_BYTES]));
    }
}
