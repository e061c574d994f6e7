//! What is on a token, whoever put it there: every object with what the token tells of it, and every mechanism.
//!
//! Nothing is changed: sessions are read-only. No value of a private key, a secret key or a data object is asked
//! for. A PIN is tried once at most; without one, public objects are what there is to see.

use std::collections::BTreeSet;
use std::time::Instant;

use cryptoki::mechanism::{MechanismInfo, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};

use super::access::Access;
use super::attributes::KeyAttributes;
use super::config::Pkcs11Config;
use super::desk::{Desk, Fault};
use super::error::{PinRefusal, Pkcs11Error};
use super::module::Module;
use super::token::{Relies, Token};
use super::{TokenDescription, description};
use crate::secret::{Passphrase, PassphraseError};
use crate::store::StoreError;

/// Most objects that are looked at.
pub const MAX_OBJECTS: usize = 100_000;

/// A token with everything on it that it shows.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TokenContents {
    /// What it says of itself.
    pub description: TokenDescription,
    /// What it can do, by name. Mechanisms that nobody here knows are left out.
    pub mechanisms: Vec<TokenMechanism>,
    /// What is on it, in the token's order.
    pub objects: Vec<SeenObject>,
    /// How many objects there are beyond [`MAX_OBJECTS`].
    pub not_looked_at: usize,
    /// Whether private objects were there to be seen.
    pub logged_in: bool,
    /// Why they were not, when there was a PIN.
    pub refused: Option<PinRefusal>,
}

/// One mechanism.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct TokenMechanism {
    /// Its name, such as `CKM_ECDSA`.
    pub name: String,
    /// Smallest and largest key, in the mechanism's own unit; zeroes where the token does not tell.
    pub key_sizes: (usize, usize),
    /// Whether the device does it, as against the module's software.
    pub hardware: bool,
    /// What it is for: `sign`, `encrypt`, `generate-key-pair` …
    pub functions: BTreeSet<&'static str>,
}

/// The classes of object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A certificate.
    Certificate,
    /// Data of an application.
    Data,
    /// A private key.
    PrivateKey,
    /// A public key.
    PublicKey,
    /// A symmetric key.
    SecretKey,
    /// Anything else, by its name.
    Other(String),
}

/// One object.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SeenObject {
    /// Its class.
    pub kind: ObjectKind,
    /// `CKA_LABEL`; of data objects with `CKA_APPLICATION` where they have no label.
    pub label: Option<String>,
    /// `CKA_ID`.
    pub id: Vec<u8>,
    /// The type of a key, such as `CKK_RSA`.
    pub key_type: Option<String>,
    /// The size of a key in bits, where the token tells it as a number.
    pub bits: Option<u64>,
    /// The DER SubjectPublicKeyInfo (`CKA_PUBLIC_KEY_INFO`), where the token has it.
    pub public_key_info: Option<Vec<u8>>,
    /// An RSA key's modulus and public exponent.
    pub rsa: Option<(Vec<u8>, Vec<u8>)>,
    /// An elliptic curve key's parameters in DER.
    pub curve: Option<Vec<u8>>,
    /// A public elliptic curve key's point, as the token writes it.
    pub point: Option<Vec<u8>>,
    /// The parameter set of an ML-DSA, ML-KEM or SLH-DSA key, by number.
    pub parameter_set: Option<u64>,
    /// The value of a certificate, or of a public ML-DSA, ML-KEM or SLH-DSA key.
    pub public_value: Option<Vec<u8>>,
    /// How a key is held.
    pub attributes: KeyAttributes,
    /// What a key may be used to do: `sign`, `decrypt`, `wrap` …
    pub uses: BTreeSet<&'static str>,
}

/// Looks at a token. Nothing on it is changed. `prompt` asks a person for the PIN, if that is where it comes from; a
/// PIN that is refused is not tried again, and what is then seen are the public objects.
///
/// # Errors
/// As [`Pkcs11Store::open`](super::Pkcs11Store::open), but for the PIN.
pub fn contents(
    config: &Pkcs11Config,
    prompt: impl FnOnce() -> Result<Passphrase, PassphraseError>,
) -> Result<TokenContents, StoreError> {
    config.check()?;
    let pin = match &config.pin_source {
        Some(source) => Some(source.read(prompt).map_err(Pkcs11Error::from)?),
        None => None,
    };
    let module = Module::load(&config.module, Instant::now() + config.deadline)?;
    let has_pin = pin.is_some();
    let look = |pin: Option<Passphrase>| {
        let access = Access::looking(
            std::sync::Arc::clone(&module),
            config.token.clone(),
            pin,
            config.deadline,
        );
        Token::new(access, 1).call("looking at what is on it", Relies::OnObjects, read, |_, _| {})
    };
    match look(pin) {
        Ok(seen) => Ok(TokenContents {
            logged_in: has_pin,
            ..seen
        }),
        Err(StoreError::Pkcs11(Pkcs11Error::PinRefused { refusal, .. })) => Ok(TokenContents {
            refused: Some(refusal),
            ..look(None)?
        }),
        Err(error) => Err(error),
    }
}

fn read(desk: &Desk<'_>) -> Result<TokenContents, Fault> {
    let mut mechanisms = Vec::new();
    for mechanism in desk.context.get_mechanism_list(desk.slot)? {
        if let Ok(info) = desk.context.get_mechanism_info(desk.slot, mechanism) {
            mechanisms.push(described(mechanism, &info));
        }
    }
    mechanisms.sort();
    mechanisms.dedup();
    let handles = desk.session.find_objects(&[Attribute::Token(true)])?;
    let objects = handles
        .iter()
        .take(MAX_OBJECTS)
        .map(|handle| object(desk, *handle))
        .collect();
    Ok(TokenContents {
        description: description::of(desk)?,
        mechanisms,
        objects,
        not_looked_at: handles.len().saturating_sub(MAX_OBJECTS),
        logged_in: false,
        refused: None,
    })
}

fn described(mechanism: MechanismType, info: &MechanismInfo) -> TokenMechanism {
    let functions = [
        ("encrypt", info.encrypt()),
        ("decrypt", info.decrypt()),
        ("digest", info.digest()),
        ("sign", info.sign()),
        ("verify", info.verify()),
        ("generate-key", info.generate()),
        ("generate-key-pair", info.generate_key_pair()),
        ("wrap", info.wrap()),
        ("unwrap", info.unwrap()),
        ("derive", info.derive()),
        ("encapsulate", info.encapsulate()),
        ("decapsulate", info.decapsulate()),
    ];
    TokenMechanism {
        name: mechanism.to_string(),
        key_sizes: (info.min_key_size(), info.max_key_size()),
        hardware: info.hardware(),
        functions: functions
            .into_iter()
            .filter_map(|(name, has)| has.then_some(name))
            .collect(),
    }
}

/// Everything public about an object. What the token does not tell, or tells in a way that nobody here knows, is
/// left out; the object stays.
fn object(desk: &Desk<'_>, handle: ObjectHandle) -> SeenObject {
    let one = |wanted: AttributeType| {
        let read = desk.session.get_attributes(handle, &[wanted]);
        read.ok().and_then(|mut values| values.pop())
    };
    let kind = match one(AttributeType::Class) {
        Some(Attribute::Class(class)) => kind_of(class),
        _ => ObjectKind::Other("an object of an unknown class".to_owned()),
    };
    let is_key = matches!(
        kind,
        ObjectKind::PrivateKey | ObjectKind::PublicKey | ObjectKind::SecretKey
    );
    let key_type = match is_key.then(|| one(AttributeType::KeyType)).flatten() {
        Some(Attribute::KeyType(key_type)) => Some(key_type.to_string()),
        _ => None,
    };
    let bytes = |wanted: AttributeType| match one(wanted) {
        Some(
            Attribute::Id(bytes)
            | Attribute::Label(bytes)
            | Attribute::Application(bytes)
            | Attribute::PublicKeyInfo(bytes)
            | Attribute::Modulus(bytes)
            | Attribute::PublicExponent(bytes)
            | Attribute::EcParams(bytes)
            | Attribute::EcPoint(bytes)
            | Attribute::Value(bytes),
        ) if !bytes.is_empty() => Some(bytes),
        _ => None,
    };
    let asymmetric = matches!(kind, ObjectKind::PrivateKey | ObjectKind::PublicKey);
    let is = |name: &str| asymmetric && key_type.as_deref() == Some(name);
    let elliptic = ["CKK_EC", "CKK_EC_EDWARDS", "CKK_EC_MONTGOMERY"]
        .into_iter()
        .any(is);
    let lattice = ["CKK_ML_DSA", "CKK_ML_KEM", "CKK_SLH_DSA"].into_iter().any(is);
    // The value of anything else is a secret.
    let value_is_public = kind == ObjectKind::Certificate || (kind == ObjectKind::PublicKey && lattice);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let label = bytes(AttributeType::Label).map(text);
    SeenObject {
        label: match kind {
            ObjectKind::Data => label.or_else(|| bytes(AttributeType::Application).map(text)),
            _ => label,
        },
        id: match kind {
            ObjectKind::Data => Vec::new(),
            _ => bytes(AttributeType::Id).unwrap_or_default(),
        },
        bits: match (&kind, is("CKK_RSA")) {
            (_, true) => match one(AttributeType::ModulusBits) {
                Some(Attribute::ModulusBits(bits)) => Some(u64::from(bits)),
                _ => None,
            },
            (ObjectKind::SecretKey, _) => match one(AttributeType::ValueLen) {
                Some(Attribute::ValueLen(len)) => u64::from(len).checked_mul(8),
                _ => None,
            },
            _ => None,
        },
        public_key_info: asymmetric.then(|| bytes(AttributeType::PublicKeyInfo)).flatten(),
        rsa: is("CKK_RSA")
            .then(|| bytes(AttributeType::Modulus).zip(bytes(AttributeType::PublicExponent)))
            .flatten(),
        curve: elliptic.then(|| bytes(AttributeType::EcParams)).flatten(),
        point: (elliptic && kind == ObjectKind::PublicKey)
            .then(|| bytes(AttributeType::EcPoint))
            .flatten(),
        parameter_set: match lattice.then(|| one(AttributeType::ParameterSet)).flatten() {
            Some(Attribute::ParameterSet(set)) => Some(u64::from(cryptoki::types::Ulong::from(set))),
            _ => None,
        },
        public_value: value_is_public.then(|| bytes(AttributeType::Value)).flatten(),
        attributes: match is_key {
            true => KeyAttributes::read(desk, handle).unwrap_or_default(),
            false => KeyAttributes::default(),
        },
        uses: match is_key {
            true => uses(desk, handle),
            false => BTreeSet::new(),
        },
        kind,
        key_type,
    }
}

fn kind_of(class: ObjectClass) -> ObjectKind {
    match class {
        ObjectClass::CERTIFICATE => ObjectKind::Certificate,
        ObjectClass::DATA => ObjectKind::Data,
        ObjectClass::PRIVATE_KEY => ObjectKind::PrivateKey,
        ObjectClass::PUBLIC_KEY => ObjectKind::PublicKey,
        ObjectClass::SECRET_KEY => ObjectKind::SecretKey,
        other => ObjectKind::Other(other.to_string()),
    }
}

fn uses(desk: &Desk<'_>, handle: ObjectHandle) -> BTreeSet<&'static str> {
    const WANTED: [AttributeType; 9] = [
        AttributeType::Encrypt,
        AttributeType::Decrypt,
        AttributeType::Sign,
        AttributeType::Verify,
        AttributeType::Wrap,
        AttributeType::Unwrap,
        AttributeType::Derive,
        AttributeType::Encapsulate,
        AttributeType::Decapsulate,
    ];
    let mut uses = BTreeSet::new();
    for wanted in WANTED {
        // One at a time: tokens of an older version of the standard do not know them all.
        let Ok(read) = desk.session.get_attributes(handle, &[wanted]) else {
            continue;
        };
        for attribute in read {
            uses.extend(match attribute {
                Attribute::Encrypt(true) => Some("encrypt"),
                Attribute::Decrypt(true) => Some("decrypt"),
                Attribute::Sign(true) => Some("sign"),
                Attribute::Verify(true) => Some("verify"),
                Attribute::Wrap(true) => Some("wrap"),
                Attribute::Unwrap(true) => Some("unwrap"),
                Attribute::Derive(true) => Some("derive"),
                Attribute::Encapsulate(true) => Some("encapsulate"),
                Attribute::Decapsulate(true) => Some("decapsulate"),
                _ => None,
            });
        }
    }
    uses
}
