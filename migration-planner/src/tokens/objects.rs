//! Objects on a token as assets.

use std::collections::BTreeMap;

use symbolon_hsm::pkcs11::{ObjectKind, SeenObject, TokenContents};

use crate::files::spki::{self, PublicKey};
use crate::files::x509;
use crate::inventory::{
    Asset, AssetId, Detail, Fragment, KeyDetail, KeyKind, MaterialDetail, Occurrence, Protection, Reason,
    Role,
};

/// Object identifiers of post-quantum keys begin so; the last number is the parameter set's.
const NIST_SIGNATURES: &str = "2.16.840.1.101.3.4.3";
const NIST_KEMS: &str = "2.16.840.1.101.3.4.4";

/// Tells every object and connects it with the token.
pub(super) fn tell(token: &AssetId, seen: &TokenContents, found: &mut Fragment) {
    // A private key that does not show its public half has the one beside it: both have the same CKA_ID.
    let public: BTreeMap<&[u8], PublicKey> = seen
        .objects
        .iter()
        .filter(|object| object.kind == ObjectKind::PublicKey && !object.id.is_empty())
        .filter_map(|object| Some((object.id.as_slice(), public_key(object)?)))
        .collect();
    for (number, object) in seen.objects.iter().enumerate() {
        let here = found.here().symbol(name(object, number));
        let id = match &object.kind {
            ObjectKind::Certificate => certificate(object, here, found),
            ObjectKind::PublicKey => public_object(object, here, found),
            ObjectKind::PrivateKey => {
                let own = public_key(object);
                let half = own.as_ref().or_else(|| public.get(object.id.as_slice()));
                Some(held(object, KeyKind::Private, half, here, found))
            }
            ObjectKind::SecretKey => Some(held(object, KeyKind::Secret, None, here, found)),
            ObjectKind::Data => Some(data(object, here, found)),
            ObjectKind::Other(what) => {
                // What tokens say of themselves as objects is no cryptography.
                if !matches!(
                    what.as_str(),
                    "CKO_PROFILE" | "CKO_HW_FEATURE" | "CKO_MECHANISM" | "CKO_VALIDATION"
                ) {
                    found.unread(Reason::Unsupported, None, what.clone());
                }
                None
            }
            _ => None,
        };
        if let Some(id) = id {
            found.connect(token, Role::Contains, &id);
        }
    }
}

/// What an object is called on its token.
fn name(object: &SeenObject, number: usize) -> String {
    match (&object.label, object.id.is_empty()) {
        (Some(label), true) => label.clone(),
        (Some(label), false) => format!("{label} (id {})", hex::encode(&object.id)),
        (None, false) => format!("id {}", hex::encode(&object.id)),
        (None, true) => format!("object {}", number + 1),
    }
}

fn certificate(object: &SeenObject, here: Occurrence, found: &mut Fragment) -> Option<AssetId> {
    match &object.public_value {
        Some(der) => x509::certificate(der, here, found),
        None => {
            found.unread(Reason::Unsupported, None, "a certificate without its value");
            None
        }
    }
}

fn public_object(object: &SeenObject, here: Occurrence, found: &mut Fragment) -> Option<AssetId> {
    if let Some(key) = public_key(object) {
        return Some(key.add("PKCS#11", here, found));
    }
    let what = object.key_type.as_deref().unwrap_or("unknown type");
    found.unread(
        Reason::Unsupported,
        None,
        format!("a public key of {what} whose value nobody here can read"),
    );
    None
}

/// The public key in an object: as the token has it in DER, else put together.
fn public_key(object: &SeenObject) -> Option<PublicKey> {
    if let Some(key) = object.public_key_info.as_deref().and_then(spki::read) {
        return Some(key);
    }
    if let Some((modulus, exponent)) = &object.rsa {
        return spki::of_rsa(modulus, exponent);
    }
    if let (Some(curve), Some(point)) = (&object.curve, &object.point) {
        return spki::of_token(curve, point);
    }
    spki::of_raw(&parameter_set(object)?, object.public_value.as_deref()?)
}

/// The object identifier of a post-quantum key's parameter set.
fn parameter_set(object: &SeenObject) -> Option<String> {
    let set = object.parameter_set?;
    match (object.key_type.as_deref()?, set) {
        ("CKK_ML_DSA", 1..=3) => Some(format!("{NIST_SIGNATURES}.{}", set + 16)),
        ("CKK_ML_KEM", 1..=3) => Some(format!("{NIST_KEMS}.{set}")),
        // PKCS#11 counts by strength, then size, then hash; NIST by hash, then strength, then size.
        ("CKK_SLH_DSA", 1..=12) => {
            let (strength, which) = ((set - 1) / 4, (set - 1) % 4);
            let (fast, shake) = (which / 2, which % 2);
            Some(format!(
                "{NIST_SIGNATURES}.{}",
                20 + shake * 6 + strength * 2 + fast
            ))
        }
        _ => None,
    }
}

/// A private or a secret key, with how the token says that it holds it.
fn held(
    object: &SeenObject,
    kind: KeyKind,
    half: Option<&PublicKey>,
    here: Occurrence,
    found: &mut Fragment,
) -> AssetId {
    let attributes = &object.attributes;
    let in_the_clear = attributes.sensitive == Some(false) && attributes.extractable == Some(true);
    let detail = KeyDetail {
        kind,
        algorithm: half
            .map(|key| key.algorithm.name.clone())
            .or_else(|| algorithm(object)),
        bits: half
            .and_then(|key| key.bits)
            .or_else(|| object.bits.and_then(|bits| u32::try_from(bits).ok())),
        spki_sha256: half.map(PublicKey::sha256),
        format: "PKCS#11".to_owned(),
        protection: Some(if in_the_clear {
            Protection::None
        } else {
            Protection::Hardware {
                device: "PKCS#11 token".to_owned(),
            }
        }),
    };
    let place = here.symbol.clone().unwrap_or_default();
    let id = found.held_key(detail, &place, here.clone());
    if let Some(key) = half {
        key.add("PKCS#11", here, found);
    }
    for (fact, value) in [
        ("sensitive", attributes.sensitive),
        ("extractable", attributes.extractable),
        ("always-sensitive", attributes.always_sensitive),
        ("never-extractable", attributes.never_extractable),
        ("made-on-token", attributes.local),
        ("private", attributes.private),
    ] {
        let word = match value {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not-told",
        };
        found.note(&id, fact, word);
    }
    for used_to in &object.uses {
        found.note(&id, "may", used_to);
    }
    if in_the_clear {
        found.note(&id, "weakness", "the token gives the key out in the clear");
    }
    id
}

/// The algorithm of a key by its type alone.
fn algorithm(object: &SeenObject) -> Option<String> {
    let key_type = object.key_type.as_deref()?;
    let sized = |family: &str| match object.bits {
        Some(bits) => format!("{family}-{bits}"),
        None => family.to_owned(),
    };
    if let Some(curve) = &object.curve
        && let Some(named) = spki::algorithm_of_token(curve)
    {
        return Some(named);
    }
    if let Some(oid) = parameter_set(object) {
        return Some(crate::algorithm::oid::algorithm(&oid).name);
    }
    Some(match key_type {
        "CKK_RSA" => sized("RSA"),
        "CKK_DSA" => "DSA".to_owned(),
        "CKK_DH" => "FFDH".to_owned(),
        "CKK_EC" => "EC".to_owned(),
        "CKK_AES" => sized("AES"),
        "CKK_DES" => "DES-56".to_owned(),
        "CKK_DES2" => "3DES-112".to_owned(),
        "CKK_DES3" => "3DES-168".to_owned(),
        "CKK_CHACHA20" => "ChaCha20".to_owned(),
        "CKK_MD5_HMAC" => "HMAC-MD5".to_owned(),
        "CKK_SHA_1_HMAC" => "HMAC-SHA-1".to_owned(),
        "CKK_SHA256_HMAC" => "HMAC-SHA-256".to_owned(),
        "CKK_SHA384_HMAC" => "HMAC-SHA-384".to_owned(),
        "CKK_SHA512_HMAC" => "HMAC-SHA-512".to_owned(),
        // A secret of any use: its algorithm is its user's choice.
        "CKK_GENERIC_SECRET" => return None,
        other => other.to_owned(),
    })
}

fn data(object: &SeenObject, here: Occurrence, found: &mut Fragment) -> AssetId {
    let detail = MaterialDetail {
        material: "other".to_owned(),
        what: "data object on a token".to_owned(),
        ..MaterialDetail::default()
    };
    let place = here.symbol.clone().unwrap_or_default();
    let location = found.location().to_owned();
    let name = object.label.clone().unwrap_or_else(|| "data object".to_owned());
    found.add(
        Asset::new(
            name,
            Detail::Material(Box::new(detail)),
            &[location.as_bytes(), place.as_bytes()],
        )
        .seen(here),
    )
}

#[cfg(test)]
mod tests {
    use crate::algorithm::oid;

    /// FIPS 205's names in the order of PKCS#11 3.2's `CKP_SLH_DSA_…`.
    const SETS: [&str; 12] = [
        "SHA2-128s",
        "SHAKE-128s",
        "SHA2-128f",
        "SHAKE-128f",
        "SHA2-192s",
        "SHAKE-192s",
        "SHA2-192f",
        "SHAKE-192f",
        "SHA2-256s",
        "SHAKE-256s",
        "SHA2-256f",
        "SHAKE-256f",
    ];

    #[test]
    fn parameter_sets_are_those_of_nist() {
        for (set, name) in (0_u64..).zip(SETS) {
            let (strength, which) = (set / 4, set % 4);
            let number = 20 + which % 2 * 6 + strength * 2 + which / 2;
            let algorithm = oid::algorithm(&format!("2.16.840.1.101.3.4.3.{number}"));
            assert_eq!(algorithm.name, format!("SLH-DSA-{name}"));
        }
    }
}
