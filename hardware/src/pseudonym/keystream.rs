//! The stream of numbers that a replacement is made of: SHA-256 of the key, the kind, a zero
//! byte, the value and a counter, block after block. Whoever does not know the key cannot tell it
//! from chance.

use sha2::{Digest, Sha256};

/// An endless stream, the same for the same key, kind and value.
pub(super) struct Keystream {
    seed: Sha256,
    counter: u32,
    block: [u8; 32],
    used: usize,
}

impl Keystream {
    pub(super) fn new(key: &[u8; 32], kind: &str, value: &[u8]) -> Self {
        let seed = Sha256::new()
            .chain_update(key)
            .chain_update(kind)
            .chain_update([0])
            .chain_update(value);
        Self { seed, counter: 0, block: [0; 32], used: 32 }
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> u8 {
        if self.used >= self.block.len() {
            let block = self.seed.clone().chain_update(self.counter.to_be_bytes());
            self.block = block.finalize().into();
            // A value of 128 GiB would be needed to come round.
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        let byte = self.block.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        byte
    }

    /// A number below `count`, all equally likely but for one part in four thousand million.
    pub(super) fn below(&mut self, count: u32) -> u32 {
        let random = (0..4).fold(0u64, |number, _| number << 8 | u64::from(self.byte()));
        u32::try_from((random * u64::from(count)) >> 32).unwrap_or_default()
    }
}
