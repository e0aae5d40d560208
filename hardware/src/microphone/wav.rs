//! WAV files as what a virtual microphone hears: 16 bits, any rate and number of channels, made 16 kHz
//! mono.
//!
//! Bytes in, samples out; used by the hand of the virtual microphone, and by whoever makes silence of
//! a file. The layout is that of Microsoft's "Multimedia Programming Interface and Data
//! Specifications 1.0", chapter 3.

use crate::port::pcm::RATE;

/// `WAVE_FORMAT_PCM`, and the format whose sub-format stands further behind.
const FORMATS: [u16; 2] = [1, 0xFFFE];

/// The longest sound that is taken: ten minutes.
const MOST_SAMPLES: usize = 600 * RATE as usize;

/// Why a file is none that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// It does not begin as WAV files do, or ends in the middle.
    #[error("no WAV file")]
    NotWav,
    /// Anything else than 16-bit PCM.
    #[error("no 16-bit PCM in it; convert it: sox IN -b 16 -e signed OUT.wav")]
    Format,
    /// Longer than ten minutes.
    #[error("longer than ten minutes")]
    TooLong,
}

/// A chunk of a file: its name and its bytes.
type Chunk<'f> = (&'f [u8; 4], &'f [u8]);

/// The samples of a file, at [`RATE`], mono: all channels of a frame become their mean, and between
/// two frames lies a straight line.
///
/// # Errors
/// What the file is not.
pub fn samples(file: &[u8]) -> Result<Vec<i16>, WavError> {
    let chunks = chunks(file).ok_or(WavError::NotWav)?;
    let find =
        |name: &[u8; 4]| chunks.iter().find(|(this, _)| *this == name).map(|(_, bytes)| *bytes);
    let format = find(b"fmt ").ok_or(WavError::NotWav)?;
    let data = find(b"data").ok_or(WavError::NotWav)?;
    let [f0, f1, c0, c1, r0, r1, r2, r3, _, _, _, _, _, _, b0, b1] =
        *format.first_chunk().ok_or(WavError::NotWav)?;
    let channels = usize::from(u16::from_le_bytes([c0, c1]));
    let rate = u32::from_le_bytes([r0, r1, r2, r3]);
    let known = FORMATS.contains(&u16::from_le_bytes([f0, f1]));
    if !known || u16::from_le_bytes([b0, b1]) != 16 || channels == 0 || rate == 0 {
        return Err(WavError::Format);
    }
    let mono: Vec<i16> = data
        .chunks_exact(2 * channels)
        .map(|frame| {
            let all = frame.as_chunks().0.iter().map(|pair| i64::from(i16::from_le_bytes(*pair)));
            let mean = all.sum::<i64>() / i64::try_from(channels).unwrap_or(1);
            i16::try_from(mean).unwrap_or_default()
        })
        .collect();
    resampled(&mono, rate)
}

/// The same file with silence in the place of all that could be heard or read in it: names and
/// lengths of chunks stay, and the format. `None` for what is none.
#[must_use]
pub fn silenced(file: &[u8]) -> Option<Vec<u8>> {
    let chunks = chunks(file)?;
    let mut silent = file.get(..12)?.to_vec();
    for (name, bytes) in chunks {
        let plain = name.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b' ');
        silent.extend_from_slice(if plain { name } else { b"junk" });
        silent.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_le_bytes());
        match name {
            b"fmt " => silent.extend_from_slice(bytes.get(..16).unwrap_or(bytes)),
            _ => silent.resize(silent.len() + bytes.len(), 0),
        }
        if name == b"fmt " {
            silent.resize(silent.len() + bytes.len().saturating_sub(16), 0);
        }
        if bytes.len() % 2 == 1 {
            silent.push(0);
        }
    }
    silent.resize(file.len(), 0);
    Some(silent)
}

/// The chunks of a file; the last one may be cut off, as programs that stream leave it.
fn chunks(file: &[u8]) -> Option<Vec<Chunk<'_>>> {
    let (head, mut rest) = file.split_first_chunk::<12>()?;
    if !head.starts_with(b"RIFF") || !head.ends_with(b"WAVE") {
        return None;
    }
    let mut chunks = Vec::new();
    while let Some((name, after)) = rest.split_first_chunk::<4>() {
        let Some((length, after)) = after.split_first_chunk::<4>() else { break };
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?.min(after.len());
        let (bytes, after) = after.split_at(length);
        chunks.push((name, bytes));
        rest = after.get(length % 2..).unwrap_or_default();
    }
    Some(chunks)
}

fn resampled(mono: &[i16], rate: u32) -> Result<Vec<i16>, WavError> {
    let (from, to) = (u64::from(rate), u64::from(RATE));
    let length = u64::try_from(mono.len()).unwrap_or(u64::MAX).saturating_mul(to) / from;
    let length = usize::try_from(length).ok().filter(|length| *length <= MOST_SAMPLES);
    let length = length.ok_or(WavError::TooLong)?;
    let sample = |index: usize| {
        let place = index as u64 * from;
        let (whole, part) = (place / to, i64::try_from(place % to).unwrap_or_default());
        let at = |offset: u64| {
            let index = usize::try_from(whole + offset).unwrap_or(usize::MAX);
            i64::from(mono.get(index).or(mono.last()).copied().unwrap_or_default())
        };
        let to = i64::from(RATE);
        let between = (at(0) * (to - part) + at(1) * part) / to;
        i16::try_from(between).unwrap_or_default()
    };
    Ok((0..length).map(sample).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(format: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        file.extend(format.to_le_bytes());
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend([0; 6]);
        file.extend(bits.to_le_bytes());
        // A chunk of an odd length, with a byte behind it that belongs to none.
        file.extend(b"LIST\x03\0\0\0Ann\0data");
        file.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        file.extend_from_slice(data);
        file
    }

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    #[test]
    fn what_is_16_khz_and_mono_stays_sample_by_sample() {
        let given = [0, 1, -1, i16::MAX, i16::MIN];
        assert_eq!(samples(&wav(1, 1, 16_000, 16, &bytes(&given))).unwrap(), given);
    }

    #[test]
    fn channels_become_their_mean_and_rates_become_16_khz() {
        let stereo = wav(1, 2, 16_000, 16, &bytes(&[10, 20, -30000, -30000]));
        assert_eq!(samples(&stereo).unwrap(), [15, -30000]);
        let slow = wav(1, 1, 8_000, 16, &bytes(&[0, 100, 200]));
        assert_eq!(samples(&slow).unwrap(), [0, 50, 100, 150, 200, 200]);
        let fast = wav(0xFFFE, 1, 48_000, 16, &bytes(&[0, 1, 2, 3, 4, 5, 6]));
        assert_eq!(samples(&fast).unwrap(), [0, 3]);
    }

    #[test]
    fn other_files_are_told_from_it() {
        assert_eq!(samples(b"ID3"), Err(WavError::NotWav));
        assert_eq!(samples(b"RIFF\0\0\0\0WAVE"), Err(WavError::NotWav));
        assert_eq!(samples(&wav(1, 1, 16_000, 24, &[0; 6])), Err(WavError::Format));
        assert_eq!(samples(&wav(3, 1, 16_000, 32, &[0; 8])), Err(WavError::Format));
        assert_eq!(samples(&wav(1, 0, 16_000, 16, &[0; 8])), Err(WavError::Format));
        let one_a_second = wav(1, 1, 1, 16, &vec![0; 2 * 601]);
        assert_eq!(samples(&one_a_second), Err(WavError::TooLong));
    }

    #[test]
    fn silence_is_as_long_and_tells_nothing() {
        let file = wav(1, 1, 16_000, 16, &bytes(&[1, 2, 3]));
        let silent = silenced(&file).unwrap();
        assert_eq!(silent.len(), file.len());
        assert_eq!(samples(&silent).unwrap(), [0; 3]);
        assert!(!silent.windows(3).any(|bytes| bytes == b"Ann"));
        assert_eq!(silenced(b"ID3"), None);
    }
}
