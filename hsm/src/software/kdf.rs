//! Argon2id (RFC 9106): from a passphrase to a key-encryption key.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};
use symbolon_crypto::random;
use zeroize::Zeroizing;

use super::cipher::KEK_LEN;
use super::error::SoftwareError;
use crate::secret::Passphrase;

/// The cost of new stores: the second of the two choices that RFC 9106, section 4, recommends, made for
/// machines that cannot spare 2 GiB. About a quarter of a second on one core.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// What is read may ask for more, up to here: whoever can write the header must not be able to exhaust memory.
const MOST_MEMORY_KIB: u32 = 1024 * 1024;
const MOST_PASSES: u32 = 64;
const MOST_LANES: u32 = 16;

/// Bytes of salt (RFC 9106, section 3.1, recommends 16).
const SALT_LEN: usize = 16;

/// The parameters that a store was made with, kept in its header so that better defaults do not lock it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KdfRecord {
    kdf: Kdf,
    /// Memory in KiB.
    pub(crate) memory_kib: u32,
    /// Passes over the memory.
    passes: u32,
    /// Degree of parallelism.
    lanes: u32,
    /// 16 random bytes in hex.
    salt: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kdf {
    Argon2id,
}

impl KdfRecord {
    /// Today's cost and a fresh salt.
    pub(crate) fn new() -> Result<Self, SoftwareError> {
        let mut salt = [0; SALT_LEN];
        random::fill(&mut salt)?;
        Ok(Self {
            kdf: Kdf::Argon2id,
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: hex::encode(salt),
        })
    }

    /// Checks what a file asks for against the bounds.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let lanes = 1..=MOST_LANES;
        // Eight blocks a lane is the least that the algorithm is defined for.
        let memory = self.lanes.saturating_mul(8)..=MOST_MEMORY_KIB;
        let passes = 1..=MOST_PASSES;
        if lanes.contains(&self.lanes) && memory.contains(&self.memory_kib) && passes.contains(&self.passes) {
            self.salt().map(|_| ())
        } else {
            Err("its Argon2id parameters are out of bounds")
        }
    }

    /// Computes the key-encryption key. Takes the time and the memory that the parameters say.
    pub(crate) fn derive(&self, passphrase: &Passphrase) -> Result<Zeroizing<[u8; KEK_LEN]>, SoftwareError> {
        let failed = || SoftwareError::Library {
            doing: "stretch a passphrase with Argon2id",
        };
        let params =
            Params::new(self.memory_kib, self.passes, self.lanes, Some(KEK_LEN)).map_err(|_| failed())?;
        let salt = self.salt().map_err(|_| failed())?;
        // The work memory is ours so that it is wiped: the last block gives the key away.
        let mut memory = Zeroizing::new(vec![Block::default(); params.block_count()]);
        let mut kek = Zeroizing::new([0; KEK_LEN]);
        match self.kdf {
            Kdf::Argon2id => Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into_with_memory(
                    passphrase.expose(),
                    &salt,
                    kek.as_mut(),
                    memory.as_mut_slice(),
                )
                .map_err(|_| failed())?,
        }
        Ok(kek)
    }

    fn salt(&self) -> Result<[u8; SALT_LEN], &'static str> {
        let mut salt = [0; SALT_LEN];
        hex::decode_to_slice(&self.salt, &mut salt).map_err(|_| "its Argon2id salt is not 16 bytes")?;
        Ok(salt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.as_bytes().to_vec())).expect("passphrase")
    }

    /// The expected key was computed with the reference implementation (argon2-cffi 25), at today's cost.
    #[test]
    fn agrees_with_the_reference_implementation() {
        let record = KdfRecord {
            kdf: Kdf::Argon2id,
            memory_kib: 65536,
            passes: 3,
            lanes: 4,
            salt: "000102030405060708090a0b0c0d0e0f".to_owned(),
        };
        let kek = record.derive(&passphrase("correct horse")).expect("derive");
        assert_eq!(
            hex::encode(*kek),
            "577f1ff37e9a3e52c97d39f8e83891c1b73b0e87ffe0429cee8ede2fb005fe44"
        );
    }

    #[test]
    fn salt_and_passphrase_count() {
        let cheap = |salt: &str| KdfRecord {
            kdf: Kdf::Argon2id,
            memory_kib: 64,
            passes: 1,
            lanes: 1,
            salt: salt.repeat(16),
        };
        let kek = cheap("00").derive(&passphrase("correct horse")).expect("derive");
        assert_ne!(
            kek,
            cheap("01").derive(&passphrase("correct horse")).expect("derive")
        );
        assert_ne!(
            kek,
            cheap("00").derive(&passphrase("correct horsf")).expect("derive")
        );
    }

    #[test]
    fn new_records_are_within_bounds_and_salted_anew() {
        let (one, two) = (KdfRecord::new().expect("one"), KdfRecord::new().expect("two"));
        assert_eq!(one.check(), Ok(()));
        assert_ne!(one.salt, two.salt);
    }

    #[test]
    fn what_a_file_asks_for_is_bounded() {
        let good = KdfRecord::new().expect("record");
        for bad in [
            KdfRecord {
                memory_kib: MOST_MEMORY_KIB + 1,
                ..good.clone()
            },
            KdfRecord {
                memory_kib: 31,
                ..good.clone()
            },
            KdfRecord {
                passes: 0,
                ..good.clone()
            },
            KdfRecord {
                passes: MOST_PASSES + 1,
                ..good.clone()
            },
            KdfRecord {
                lanes: 0,
                ..good.clone()
            },
            KdfRecord {
                lanes: MOST_LANES + 1,
                ..good.clone()
            },
            KdfRecord {
                salt: String::new(),
                ..good.clone()
            },
            KdfRecord {
                salt: "zz".repeat(16),
                ..good
            },
        ] {
            bad.check().expect_err(&format!("{bad:?}"));
        }
    }
}
