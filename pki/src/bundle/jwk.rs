//! Public keys as JSON Web Keys (RFC 7517, 7518, 8037 and 9964).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};
use serde_json::{Map, Value};

use super::error::EntryError;
use crate::key::{KeyError, SubjectKey, SuitePublicKey, rsa_public_key};
use crate::suite::{Form, Suite};

/// `RSAPublicKey` (RFC 8017, appendix A.1.1).
#[derive(Sequence)]
struct Pkcs1<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

/// The key types that are understood, by what `kty` calls them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyType {
    Ec,
    Rsa,
    /// Octet key pair: Ed25519.
    Okp,
    /// Algorithm key pair: ML-DSA, and in our own documents SLH-DSA and composites.
    Akp,
}

impl KeyType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ec => "EC",
            Self::Rsa => "RSA",
            Self::Okp => "OKP",
            Self::Akp => "AKP",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Ec, Self::Rsa, Self::Okp, Self::Akp]
            .into_iter()
            .find(|kty| kty.name() == name)
    }

    pub(crate) fn of(key: &SubjectKey) -> Self {
        match key {
            SubjectKey::Rsa(_) => Self::Rsa,
            SubjectKey::Suite(key) if key.suite().form() != Form::Classical => Self::Akp,
            SubjectKey::Suite(key) if key.suite() == Suite::Ed25519 => Self::Okp,
            SubjectKey::Suite(_) => Self::Ec,
        }
    }
}

/// The members that make up a key, `kty` first. A composite and SLH-DSA have no more than that: no standard says how
/// their keys are written, and readers take them from the certificate.
pub(crate) fn write(key: &SubjectKey) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: String| members.insert(name.to_owned(), Value::String(value));
    put("kty", KeyType::of(key).name().to_owned());
    match key {
        SubjectKey::Rsa(key) => {
            // The key was parsed before it became one, so this reads.
            if let Ok(Pkcs1 {
                modulus,
                public_exponent,
            }) = Pkcs1::from_der(key.as_bytes())
            {
                put("n", URL_SAFE_NO_PAD.encode(modulus.as_bytes()));
                put("e", URL_SAFE_NO_PAD.encode(public_exponent.as_bytes()));
            }
        }
        SubjectKey::Suite(key) => match (key.suite(), curve(key.suite()), ml_dsa_alg(key.suite())) {
            (Suite::Ed25519, _, _) => {
                put("crv", "Ed25519".to_owned());
                put("x", URL_SAFE_NO_PAD.encode(key.as_bytes()));
            }
            (_, Some((curve, len)), _) => {
                // 04 || X || Y
                let (x, y) = key
                    .as_bytes()
                    .get(1..)
                    .and_then(|xy| xy.split_at_checked(len))
                    .unwrap_or_default();
                put("crv", curve.to_owned());
                put("x", URL_SAFE_NO_PAD.encode(x));
                put("y", URL_SAFE_NO_PAD.encode(y));
            }
            (_, _, Some(alg)) => {
                put("alg", alg.to_owned());
                put("pub", URL_SAFE_NO_PAD.encode(key.as_bytes()));
            }
            _ => {}
        },
    }
    members
}

/// The key that the members make up; `None` if it is on a curve that this build does not know. Not for AKP, whose
/// keys come from certificates.
pub(crate) fn read(kty: KeyType, members: &Map<String, Value>) -> Result<Option<SubjectKey>, EntryError> {
    match kty {
        KeyType::Ec => {
            let (suite, len) = match text(members, "crv")? {
                "P-256" => (Suite::EcdsaP256, 32),
                "P-384" => (Suite::EcdsaP384, 48),
                "P-521" => (Suite::EcdsaP521, 66),
                _ => return Ok(None),
            };
            let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
            for (member, coordinate) in [("x", &x), ("y", &y)] {
                if coordinate.len() != len {
                    return Err(EntryError::Member {
                        member,
                        expected: "as long as its curve has it",
                    });
                }
            }
            suite_key(suite, &[&[4], x.as_slice(), &y].concat())
        }
        KeyType::Okp => match text(members, "crv")? {
            "Ed25519" => suite_key(Suite::Ed25519, &bytes(members, "x")?),
            _ => Ok(None),
        },
        KeyType::Rsa => {
            let (n, e) = (bytes(members, "n")?, bytes(members, "e")?);
            let uint = |member, bytes| {
                UintRef::new(bytes).map_err(|_| EntryError::Member {
                    member,
                    expected: "a positive number",
                })
            };
            let pkcs1 = Pkcs1 {
                modulus: uint("n", &n)?,
                public_exponent: uint("e", &e)?,
            };
            let pkcs1 = pkcs1.to_der().map_err(|_| EntryError::Member {
                member: "n",
                expected: "a modulus",
            })?;
            match rsa_public_key(&pkcs1) {
                Ok(key) => Ok(Some(SubjectKey::Rsa(key))),
                // An honest key of a size that is not accepted is like an unknown curve: somebody else may use it.
                Err(KeyError::Component(symbolon_crypto::KeyError::RsaSize { .. })) => Ok(None),
                Err(problem) => Err(EntryError::Key(problem)),
            }
        }
        KeyType::Akp => Ok(None),
    }
}

fn suite_key(suite: Suite, key: &[u8]) -> Result<Option<SubjectKey>, EntryError> {
    SuitePublicKey::parse(suite, key)
        .map(|key| Some(key.into()))
        .map_err(EntryError::Key)
}

/// A member that must be there and be text.
pub(crate) fn text<'a>(members: &'a Map<String, Value>, member: &'static str) -> Result<&'a str, EntryError> {
    match members.get(member) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(EntryError::Member {
            member,
            expected: "text",
        }),
        None => Err(EntryError::Missing(member)),
    }
}

/// A member that must be there and be base64url without padding.
pub(crate) fn bytes(members: &Map<String, Value>, member: &'static str) -> Result<Vec<u8>, EntryError> {
    URL_SAFE_NO_PAD
        .decode(text(members, member)?)
        .map_err(|_| EntryError::Member {
            member,
            expected: "base64url without padding",
        })
}

/// JOSE's name of an ECDSA suite's curve, and the length of a coordinate in bytes (RFC 7518, section 6.2.1).
fn curve(suite: Suite) -> Option<(&'static str, usize)> {
    match suite {
        Suite::EcdsaP256 => Some(("P-256", 32)),
        Suite::EcdsaP384 => Some(("P-384", 48)),
        Suite::EcdsaP521 => Some(("P-521", 66)),
        _ => None,
    }
}

/// RFC 9964's name of an ML-DSA suite.
fn ml_dsa_alg(suite: Suite) -> Option<&'static str> {
    match suite {
        Suite::MlDsa44 => Some("ML-DSA-44"),
        Suite::MlDsa65 => Some("ML-DSA-65"),
        Suite::MlDsa87 => Some("ML-DSA-87"),
        _ => None,
    }
}
