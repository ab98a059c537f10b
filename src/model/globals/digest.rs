//! Digests of values that may be secrets, with a key: without it a short value cannot be found by trying.

use sha2::{Digest, Sha256};

use crate::model::hex::hex;

/// The length of a key.
pub const KEY_BYTES: usize = 32;
/// SHA-256 works on blocks of this size, and HMAC pads its key to it.
const BLOCK_BYTES: usize = 64;

/// A random key, which lies in the globals object alone.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestKey([u8; KEY_BYTES]);

impl DigestKey {
    /// A key of these random bytes.
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// As lowercase hex.
    pub(super) fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Reads what [`DigestKey::to_hex`] wrote.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; KEY_BYTES];
        if text.len() != 2 * KEY_BYTES || !text.is_ascii() {
            return None;
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// HMAC-SHA-256 over these parts, each behind its length as eight bytes, big endian, as lowercase hex.
    pub fn digest(&self, parts: &[&str]) -> String {
        let mut message = Vec::new();
        for part in parts {
            message.extend_from_slice(&(part.len() as u64).to_be_bytes());
            message.extend_from_slice(part.as_bytes());
        }
        hex(&self.hmac(&message))
    }

    fn hmac(&self, message: &[u8]) -> Vec<u8> {
        let padded = |with: u8| {
            let mut block = [with; BLOCK_BYTES];
            for (byte, key) in block.iter_mut().zip(self.0) {
                *byte ^= key;
            }
            block
        };
        let inner = Sha256::new()
            .chain_update(padded(0x36))
            .chain_update(message)
            .finalize();
        Sha256::new()
            .chain_update(padded(0x5c))
            .chain_update(inner)
            .finalize()
            .to_vec()
    }
}

impl std::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_hmac_sha_256() {
        // RFC 4231, test case 1; its key of 20 bytes is padded with zeros to ours.
        let mut key = [0; KEY_BYTES];
        key[..20].fill(0x0b);
        assert_eq!(
            hex(&DigestKey::new(key).hmac(b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }
}
