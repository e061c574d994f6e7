//! Whether a store opens with the empty passphrase, as the code that authenticates it tells (RFC 7292 §4, appendix B).

use symbolon_crypto::digest::{sha1_for_names, sha256, sha384, sha512};

/// More rounds than this are not tried: programs use some thousands.
const MAX_ROUNDS: u64 = 100_000;
/// The longest salt that is tried.
const MAX_SALT: usize = 1024;
/// The most rounds for all stores of one file together.
pub(super) const ROUNDS_OF_FILE: u64 = 1_000_000;
/// What tells keys for MACs from others.
const FOR_MAC: u8 = 3;
/// How programs write the empty passphrase: with its end, two zeros, or without.
const EMPTY: [&[u8]; 2] = [&[0, 0], &[]];

/// The code that authenticates a store.
pub(super) struct Mac<'a> {
    /// The canonical name of its hash.
    pub(super) hash: &'a str,
    pub(super) value: &'a [u8],
    pub(super) salt: &'a [u8],
    /// None when the number cannot be read.
    pub(super) rounds: Option<u64>,
}

/// What a try came to.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Tried {
    /// The MAC is one by the empty passphrase.
    Empty,
    /// It is not.
    Other,
    /// Nobody tried, for this reason.
    Not(String),
}

/// The digest of some bytes, that of the digest, and so on: so many rounds.
type Digest = fn(&[u8], u64) -> Vec<u8>;

struct Hash {
    digest: Digest,
    block: usize,
}

/// Rounds of one digest; only the last is put in memory of its own.
fn rounds<const LEN: usize>(digest: fn(&[u8]) -> [u8; LEN], bytes: &[u8], rounds: u64) -> Vec<u8> {
    (1..rounds).fold(digest(bytes), |last, _| digest(&last)).to_vec()
}

impl Hash {
    fn named(name: &str) -> Option<Self> {
        let (digest, block): (Digest, usize) = match name {
            "SHA-1" => (|bytes, count| rounds(sha1_for_names, bytes, count), 64),
            "SHA-256" => (|bytes, count| rounds(sha256, bytes, count), 64),
            "SHA-384" => (|bytes, count| rounds(sha384, bytes, count), 128),
            "SHA-512" => (|bytes, count| rounds(sha512, bytes, count), 128),
            _ => return None,
        };
        Some(Self { digest, block })
    }

    /// The key of a MAC (appendix B.2). It is as long as one digest, so the first round of the derivation has it all.
    fn key(&self, passphrase: &[u8], salt: &[u8], rounds: u64) -> Vec<u8> {
        let mut text = vec![FOR_MAC; self.block];
        for part in [salt, passphrase] {
            let length = part.len().div_ceil(self.block) * self.block;
            text.extend(part.iter().copied().cycle().take(length));
        }
        (self.digest)(&text, rounds)
    }

    /// HMAC (RFC 2104) with a key that is no longer than a block.
    fn hmac(&self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let padded = |with: u8| {
            let key = key.iter().copied().chain(std::iter::repeat(0));
            key.take(self.block).map(move |byte| byte ^ with)
        };
        let inner: Vec<u8> = padded(0x36).chain(message.iter().copied()).collect();
        let inner = (self.digest)(&inner, 1);
        let outer: Vec<u8> = padded(0x5c).chain(inner).collect();
        (self.digest)(&outer, 1)
    }
}

/// Whether the content of a store is authenticated with the empty passphrase. `spent` counts the rounds of the file.
pub(super) fn try_empty(mac: &Mac<'_>, content: &[u8], spent: &mut u64) -> Tried {
    let Some(hash) = Hash::named(mac.hash) else {
        return Tried::Not(format!("its MAC is by {}", mac.hash));
    };
    let Some(rounds) = mac.rounds.filter(|rounds| *rounds > 0) else {
        return Tried::Not("how many rounds its MAC takes cannot be read".to_owned());
    };
    if rounds > MAX_ROUNDS {
        return Tried::Not(format!("its MAC takes more than {MAX_ROUNDS} rounds"));
    }
    if mac.salt.len() > MAX_SALT {
        return Tried::Not(format!("its MAC has a salt of more than {MAX_SALT} bytes"));
    }
    for passphrase in EMPTY {
        let sum = spent.saturating_add(rounds);
        if sum > ROUNDS_OF_FILE {
            return Tried::Not(format!(
                "the stores of this file take more than {ROUNDS_OF_FILE} rounds"
            ));
        }
        *spent = sum;
        let key = hash.key(passphrase, mac.salt, rounds);
        if hash.hmac(&key, content) == mac.value {
            return Tried::Empty;
        }
    }
    Tried::Other
}
