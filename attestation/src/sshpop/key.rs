//! Public keys and signatures of SSH (RFC 4253, 5656, 8332 and 8709).

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use symbolon_crypto::rsa::{RsaPublicKey, RsaScheme};
use symbolon_crypto::{Component, MlDsaContext, PublicKey};
use symbolon_pki::encode::{element, whole};

use super::wire::Reader;
use crate::ecdsa;

/// Text that is no key of an authority.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(String);

/// A public key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Curve(PublicKey),
    Rsa(RsaPublicKey),
}

/// What a signature is for, as far as that decides how it may be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// On a certificate, which somebody else could have had a say in.
    Certificate,
    /// On two nonces.
    Possession,
}

/// An authority whose host certificates count: its public key, as SSH writes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority(pub(super) Vec<u8>);

impl Authority {
    /// Reads a line of an `authorized_keys` file or a `.pub` file: a key's type, the key, and perhaps a comment. What a
    /// `known_hosts` file has before it (`@cert-authority` and names) is passed over.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(line: &str) -> Result<Self, KeyError> {
        let wrong = |reason: &str| Err(KeyError(reason.to_owned()));
        let mut words = line.split_whitespace().peekable();
        if words.peek() == Some(&"@cert-authority") {
            words.nth(1);
        }
        let (Some(name), Some(encoded)) = (words.next(), words.next()) else {
            return wrong("it is not a key's type and the key, as in a `.pub` file");
        };
        let Ok(blob) = STANDARD.decode(encoded) else {
            return wrong("the key after its type is no base64");
        };
        let mut reader = Reader(&blob);
        if reader.text() != Some(name) {
            return wrong("the key is of another type than the one before it");
        }
        if name.contains("-cert-v01@") {
            return wrong("it is a certificate; an authority is a key alone");
        }
        match Key::read(name, &mut reader) {
            Some(_) if reader.is_empty() => Ok(Self(blob)),
            _ => wrong(
                "it is no key that certificates are verified with: Ed25519, ECDSA, RSA of 2048, 3072 or 4096 bits",
            ),
        }
    }

    /// Reads the lines of a file. Empty ones, and those that begin with `#`, are passed over.
    ///
    /// # Errors
    /// [`KeyError`], naming the line, or that there is none.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, KeyError> {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        let read = |(index, line): (usize, &str)| {
            Self::parse(line).map_err(|KeyError(reason)| KeyError(format!("line {}: {reason}", index + 1)))
        };
        let authorities: Vec<_> = lines.map(read).collect::<Result<_, _>>()?;
        match authorities.is_empty() {
            true => Err(KeyError("there is no key in it".to_owned())),
            false => Ok(authorities),
        }
    }
}

impl Key {
    /// Reads what follows the type `name`.
    pub(super) fn read(name: &str, reader: &mut Reader<'_>) -> Option<Self> {
        if name == "ssh-rsa" {
            let (exponent, modulus) = (reader.integer()?, reader.integer()?);
            let number = |bytes: &[u8]| match bytes.first() {
                Some(first) if first & 0x80 == 0 => bytes.to_vec(),
                _ => [&[0], bytes].concat(),
            };
            let mut content = Vec::new();
            element(&mut content, 0x02, &number(modulus));
            element(&mut content, 0x02, &number(exponent));
            return RsaPublicKey::parse(&whole(0x30, &[&content])).ok().map(Self::Rsa);
        }
        let component = component(name)?;
        if let Some(curve) = name.strip_prefix("ecdsa-sha2-")
            && reader.text()? != curve
        {
            return None;
        }
        let key = PublicKey::parse(component, reader.string()?).ok()?;
        Some(Self::Curve(key))
    }

    /// Reads a key with its type, and nothing after it.
    pub(super) fn parse(blob: &[u8]) -> Option<Self> {
        let mut reader = Reader(blob);
        let key = Self::read(reader.text()?, &mut reader)?;
        reader.end()?;
        Some(key)
    }

    /// Whether a signature of this format is one of this key's over `message`.
    pub(super) fn verifies(&self, purpose: Purpose, message: &[u8], format: &str, signature: &[u8]) -> bool {
        match (self, format) {
            (Self::Rsa(key), "rsa-sha2-256") => {
                key.verify(RsaScheme::Pkcs1Sha256, message, signature).is_ok()
            }
            (Self::Rsa(key), "rsa-sha2-512") => {
                key.verify(RsaScheme::Pkcs1Sha512, message, signature).is_ok()
            }
            (Self::Rsa(key), "ssh-rsa") if purpose == Purpose::Possession => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes())
                    .verify(message, signature)
                    .is_ok()
            }
            (Self::Curve(key), format) if component(format) == Some(key.component()) => {
                let signature = match key.component() {
                    Component::Ed25519 => Some(signature.to_vec()),
                    _ => ecdsa_der(signature),
                };
                signature
                    .is_some_and(|signature| key.verify(message, &signature, MlDsaContext::EMPTY).is_ok())
            }
            _ => false,
        }
    }

    /// The other signature that is as good as this one, where there is one.
    pub(super) fn sibling(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let Self::Curve(key) = self else { return None };
        let der = ecdsa::sibling(key.component(), &ecdsa_der(signature)?)?;
        let (r, s) = ecdsa::numbers(&der)?;
        let mut out = Vec::new();
        super::wire::put_integer(&mut out, r);
        super::wire::put_integer(&mut out, s);
        Some(out)
    }
}

/// The component of a key type, which is the name of its signatures' format as well.
pub(super) fn component(name: &str) -> Option<Component> {
    match name {
        "ssh-ed25519" => Some(Component::Ed25519),
        "ecdsa-sha2-nistp256" => Some(Component::EcdsaP256Sha256),
        "ecdsa-sha2-nistp384" => Some(Component::EcdsaP384Sha384),
        "ecdsa-sha2-nistp521" => Some(Component::EcdsaP521Sha512),
        _ => None,
    }
}

/// An ECDSA signature of SSH's, in DER.
fn ecdsa_der(signature: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader(signature);
    let (r, s) = (reader.integer()?, reader.integer()?);
    reader.end()?;
    ecdsa::der(r, s)
}

/// A signature with its format, and nothing after it.
pub(super) fn signature(blob: &[u8]) -> Option<(&str, &[u8])> {
    let mut reader = Reader(blob);
    let (format, signature) = (reader.text()?, reader.string()?);
    reader.end()?;
    Some((format, signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stock agents with an RSA host key make; OpenSSL made this one.
    #[test]
    fn a_signature_with_sha1_proves_possession_and_nothing_else() {
        let line = include_str!("../../tests/outside/ssh/host_rsa.pub");
        let authority = Authority::parse(line).unwrap();
        let key = Key::parse(&authority.0).unwrap();
        let signature = STANDARD
            .decode(include_str!("../../tests/outside/ssh/sha1.b64"))
            .unwrap();
        let message = b"two nonces, hashed to 32 bytes!!";
        assert!(key.verifies(Purpose::Possession, message, "ssh-rsa", &signature));
        assert!(!key.verifies(Purpose::Certificate, message, "ssh-rsa", &signature));
        assert!(!key.verifies(Purpose::Possession, b"another", "ssh-rsa", &signature));
        for format in ["rsa-sha2-256", "rsa-sha2-512", "ssh-ed25519", ""] {
            assert!(
                !key.verifies(Purpose::Possession, message, format, &signature),
                "{format}"
            );
        }
    }
}
