//! One key, encrypted, as a file.
//!
//! ```text
//! symbolon key, version 1
//! {"store":…,"id":…,"component":…,"label":…,"public_key":…}
//! <base64 of nonce, AES-256-GCM ciphertext of the secret, tag>
//! ```
//! The secret is the raw scalar or seed, or, in a store on a TPM, what that store must give the TPM to have the
//! key back.
//! The first two lines are authenticated with the third, byte for byte, so nobody without the key-encryption
//! key can change a label, swap two files, or move one to another store.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use symbolon_crypto::{Component, HeldKey, PublicKey, SoftwareKey};

use super::cipher::Cipher;
use super::error::SoftwareError;
use super::lines::Lines;
use crate::names::{KeyId, KeyLabel};
use crate::store::KeyInfo;

/// The most bytes a key file has: the largest public key in base64, the longest label, and room.
pub(crate) const MAX_LEN: usize = 16 * 1024;

const FORMAT: Lines<2> = Lines {
    title: "symbolon key",
    what: "key file",
    version: 1,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    store: String,
    id: KeyId,
    component: String,
    label: KeyLabel,
    public_key: String,
}

/// Writes a key down.
pub(crate) fn encode(
    cipher: &Cipher,
    store_id: &str,
    info: &KeyInfo,
    secret: &[u8],
) -> Result<Vec<u8>, SoftwareError> {
    let header = Header {
        store: store_id.to_owned(),
        id: info.id.clone(),
        component: info.component.name().to_owned(),
        label: info.label.clone(),
        public_key: STANDARD.encode(info.public_key.as_bytes()),
    };
    let header = serde_json::to_string(&header).map_err(|_| SoftwareError::Library {
        doing: "write a key's description",
    })?;
    let mut text = format!("{}{header}\n", FORMAT.first_line());
    let sealed = cipher.seal(text.as_bytes(), secret)?;
    text.push_str(&sealed);
    text.push('\n');
    Ok(text.into_bytes())
}

/// A key file that was found authentic; its key is not rebuilt yet.
pub(crate) struct Opened {
    pub(crate) info: KeyInfo,
    pub(crate) secret: zeroize::Zeroizing<Vec<u8>>,
}

/// Reads what [`encode`] wrote for the key `id` of this store.
pub(crate) fn decode(
    cipher: &Cipher,
    store_id: &str,
    id: &KeyId,
    path: &Path,
    bytes: &[u8],
) -> Result<Opened, SoftwareError> {
    let [header, sealed] = FORMAT.split(path, bytes)?;
    let parsed: Header = serde_json::from_str(header)
        .map_err(|_| FORMAT.corrupted(path, "its second line does not describe a key"))?;
    // Before anything is decrypted, since the message for a file in the wrong place can be better than "damaged".
    if parsed.store != store_id {
        return Err(SoftwareError::ForeignKeyFile {
            path: path.to_owned(),
        });
    }
    let secret = cipher
        .open(format!("{}{header}\n", FORMAT.first_line()).as_bytes(), sealed)
        .ok_or_else(|| FORMAT.corrupted(path, "it is not what this store wrote (authentication failed)"))?;

    if parsed.id != *id {
        return Err(FORMAT.corrupted(path, "it was renamed: it holds the key of another id"));
    }
    let component: Component = parsed
        .component
        .parse()
        .map_err(|_| SoftwareError::UnknownComponent {
            path: path.to_owned(),
            component: parsed.component,
        })?;
    let public_key = STANDARD
        .decode(&parsed.public_key)
        .ok()
        .and_then(|raw| PublicKey::parse(component, &raw).ok())
        .ok_or_else(|| FORMAT.corrupted(path, "its public key is not one"))?;
    Ok(Opened {
        info: KeyInfo {
            id: parsed.id,
            label: parsed.label,
            component,
            public_key,
        },
        secret,
    })
}

impl Opened {
    /// Rebuilds the key and checks that it is the one the file describes.
    pub(crate) fn into_key(self, path: &Path) -> Result<SoftwareKey, SoftwareError> {
        let key = SoftwareKey::from_raw(self.info.component, &self.secret)
            .map_err(|_| FORMAT.corrupted(path, "its private key is not one"))?;
        if *key.public_key() != self.info.public_key {
            return Err(FORMAT.corrupted(path, "its private and public key do not belong together"));
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    const STORE: &str = "0123456789abcdef0123456789abcdef";
    const PATH: &str = "/store/x.key";

    struct Sample {
        info: KeyInfo,
        file: Vec<u8>,
    }

    fn cipher() -> Cipher {
        Cipher::new(&[9; 32]).expect("cipher")
    }

    fn sample(component: Component) -> Sample {
        let key = SoftwareKey::generate(component).expect("generate");
        let info = KeyInfo {
            id: KeyId::parse("00112233445566778899aabbccddeeff").expect("id"),
            label: KeyLabel::parse("etiquette \"é\" \\ 1").expect("label"),
            component,
            public_key: key.public_key().clone(),
        };
        let file = encode(&cipher(), STORE, &info, &key.raw().expect("raw")).expect("encode");
        Sample { info, file }
    }

    static SAMPLES: LazyLock<Vec<Sample>> =
        LazyLock::new(|| Component::DEFAULTS.into_iter().map(sample).collect());

    fn read(sample: &Sample, bytes: &[u8]) -> Result<Opened, SoftwareError> {
        decode(&cipher(), STORE, &sample.info.id, Path::new(PATH), bytes)
    }

    #[test]
    fn every_component_reads_back() {
        for sample in SAMPLES.iter() {
            assert!(sample.file.len() <= MAX_LEN);
            let opened = read(sample, &sample.file).expect("decode");
            assert_eq!(opened.info, sample.info);
            let key = opened.into_key(Path::new(PATH)).expect("key");
            assert_eq!(*key.public_key(), sample.info.public_key);
        }
    }

    #[test]
    fn the_longest_label_fits() {
        let key = SoftwareKey::generate(Component::MlDsa87).expect("generate");
        // A quote is written as two bytes.
        let label = KeyLabel::parse(&"\"".repeat(KeyLabel::MAX_LEN)).expect("label");
        let id = KeyId::parse(&"f".repeat(32)).expect("id");
        let public_key = key.public_key().clone();
        let info = KeyInfo {
            id,
            label,
            component: Component::MlDsa87,
            public_key,
        };
        let raw = key.raw().expect("raw");
        assert!(encode(&cipher(), STORE, &info, &raw).expect("encode").len() <= MAX_LEN);
    }

    #[test]
    fn every_cut_is_called_cut_off() {
        let sample = SAMPLES.first().expect("sample");
        for end in 0..sample.file.len() {
            let error = read(sample, sample.file.get(..end).expect("in range"))
                .err()
                .expect("cut");
            assert!(matches!(error, SoftwareError::Truncated { .. }), "{end}: {error}");
        }
    }

    #[test]
    fn misplaced_files_are_named_as_such() {
        let sample = SAMPLES.first().expect("sample");
        let path = Path::new(PATH);
        let other_id = KeyId::parse("ffffffffffffffffffffffffffffffff").expect("id");
        let error = decode(&cipher(), STORE, &other_id, path, &sample.file)
            .err()
            .expect("renamed");
        assert!(error.to_string().contains("renamed"), "{error}");
        let error = decode(&cipher(), "other", &sample.info.id, path, &sample.file)
            .err()
            .expect("foreign");
        assert!(matches!(error, SoftwareError::ForeignKeyFile { .. }), "{error}");
        let other_kek = Cipher::new(&[1; 32]).expect("cipher");
        let error = decode(&other_kek, STORE, &sample.info.id, path, &sample.file)
            .err()
            .expect("other key");
        assert!(matches!(error, SoftwareError::Corrupted { .. }), "{error}");
    }

    #[test]
    fn an_authentic_key_of_a_later_release_is_named() {
        let header =
            format!(r#"{{"store":"{STORE}","id":"aa","component":"slh-dsa-1","label":"l","public_key":""}}"#);
        let mut text = format!("{}{header}\n", FORMAT.first_line());
        let sealed = cipher().seal(text.as_bytes(), b"secret").expect("seal");
        text.push_str(&sealed);
        text.push('\n');
        let id = KeyId::parse("aa").expect("id");
        let error = decode(&cipher(), STORE, &id, Path::new(PATH), text.as_bytes())
            .err()
            .expect("unknown");
        assert!(error.to_string().contains("slh-dsa-1"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_changed_byte_is_refused(which in 0..6usize, at: prop::sample::Index, change in 1..=255u8) {
            let sample = &SAMPLES[which];
            let mut file = sample.file.clone();
            let at = at.index(file.len());
            file[at] ^= change;
            prop_assert!(read(sample, &file).is_err());
        }

        #[test]
        fn any_inserted_or_removed_byte_is_refused(
            which in 0..6usize, at: prop::sample::Index, byte: Option<u8>,
        ) {
            let sample = &SAMPLES[which];
            let mut file = sample.file.clone();
            match byte {
                Some(byte) => file.insert(at.index(file.len() + 1), byte),
                None => drop(file.remove(at.index(file.len()))),
            }
            prop_assert!(read(sample, &file).is_err());
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
            prop_assert!(read(&SAMPLES[0], &bytes).is_err());
        }
    }
}
