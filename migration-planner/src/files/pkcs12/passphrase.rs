//! Whether a store opens with the empty passphrase, as the code that authenticates it tells (RFC 7292 §4, appendix B).

use symbolon_crypto::digest::{sha1_for_names, sha256, sha384, sha512};

/// More rounds than this are not tried: programs use some thousands.
const MAX_ROUNDS: u64 = 100_000;
/// The longest salt that is tried.
const MAX_SALT: usize = 1024;
/// What tells keys for MACs from others.
const FOR_MAC: u8 = 3;

/// The code that authenticates a store.
pub(super) struct Mac<'a> {
    /// The canonical name of its hash.
    pub(super) hash: &'a str,
    pub(super) value: &'a [u8],
    pub(super) salt: &'a [u8],
    pub(super) rounds: u64,
}

type Digest = fn(&[u8]) -> Vec<u8>;

struct Hash {
    digest: Digest,
    block: usize,
}

impl Hash {
    fn named(name: &str) -> Option<Self> {
        let (digest, block): (Digest, usize) = match name {
            "SHA-1" => (|bytes| sha1_for_names(bytes).to_vec(), 64),
            "SHA-256" => (|bytes| sha256(bytes).to_vec(), 64),
            "SHA-384" => (|bytes| sha384(bytes).to_vec(), 128),
            "SHA-512" => (|bytes| sha512(bytes).to_vec(), 128),
            _ => return None,
        };
        Some(Self { digest, block })
    }

    /// The key of a MAC (appendix B.2). It is as long as one digest, so the first round of the derivation has it all.
    fn key(&self, passphrase: &[u8], mac: &Mac<'_>) -> Vec<u8> {
        let mut text = vec![FOR_MAC; self.block];
        for part in [mac.salt, passphrase] {
            let length = part.len().div_ceil(self.block) * self.block;
            text.extend(part.iter().copied().cycle().take(length));
        }
        (0..mac.rounds).fold(text, |text, _| (self.digest)(&text))
    }

    /// HMAC (RFC 2104) with a key that is no longer than a block.
    fn hmac(&self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let padded = |with: u8| {
            let key = key.iter().copied().chain(std::iter::repeat(0));
            key.take(self.block).map(move |byte| byte ^ with)
        };
        let inner: Vec<u8> = padded(0x36).chain(message.iter().copied()).collect();
        let inner = (self.digest)(&inner);
        let outer: Vec<u8> = padded(0x5c).chain(inner).collect();
        (self.digest)(&outer)
    }
}

/// Whether the content of a store is authenticated with the empty passphrase: programs write it with its end, two
/// zeros, or without.
pub(super) fn is_empty(mac: &Mac<'_>, content: &[u8]) -> bool {
    if mac.rounds == 0 || mac.rounds > MAX_ROUNDS || mac.salt.len() > MAX_SALT {
        return false;
    }
    let Some(hash) = Hash::named(mac.hash) else {
        return false;
    };
    [&[0, 0][..], &[]].iter().any(|passphrase| {
        let key = hash.key(passphrase, mac);
        hash.hmac(&key, content) == mac.value
    })
}
