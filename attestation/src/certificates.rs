//! What the methods read in certificates alike.

use symbolon_crypto::digest::sha1_for_names;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::encode::whole;
use symbolon_pki::key::SubjectKey;
use x509_cert::name::Name;

use crate::{AttestationError, ecdsa};

/// id-at-commonName.
const COMMON_NAME: &str = "2.5.4.3";

/// Longest common name that is passed on, in bytes: RFC 5280 allows 64 characters.
const MAX_COMMON_NAME: usize = 256;

/// SHA-1 of a certificate in hex, by which SPIRE names agents and authorities. Nothing rests on it but the name.
pub(crate) fn fingerprint(certificate: &Certificate) -> String {
    hex::encode(sha1_for_names(certificate.der()))
}

/// The fingerprint that a certificate has when its signature is written in the other way in which ECDSA lets it be written.
/// Whoever has the certificate can make that one, which is just as good; `None` where its issuer's key leaves no choice.
pub(crate) fn other_fingerprint(certificate: &Certificate, issuer: &Certificate) -> Option<String> {
    let SubjectKey::Suite(key) = issuer.subject_key().ok()? else {
        return None;
    };
    let signature = certificate.signature();
    // The post-quantum half of a composite stands first, and has one length.
    let (first, component) = match key.suite().components() {
        [component] => (&[][..], *component),
        [post_quantum, component] if post_quantum.is_ml_dsa() => {
            (signature.get(..post_quantum.max_signature_len())?, *component)
        }
        _ => return None,
    };
    let sibling = ecdsa::sibling(component, signature.get(first.len()..)?)?;
    let bits = |signature: &[&[u8]]| whole(0x03, &[&[&[0_u8][..]][..], signature].concat());
    let der = certificate.der();
    // The header of the outer element, and the signature, which is the last of what is in it.
    let header = match der.get(1)? {
        0..=0x7f => 2,
        long => 2 + usize::from(long & 0x7f),
    };
    let signed = der.get(header..)?.strip_suffix(&bits(&[signature])[..])?;
    let other = whole(0x30, &[signed, &bits(&[first, &sibling])]);
    Some(hex::encode(sha1_for_names(&other)))
}

/// The serial number in hex, in whole bytes and without zeros before it.
pub(crate) fn serial_hex(certificate: &Certificate) -> String {
    let serial = certificate.serial();
    let start = serial.iter().position(|byte| *byte != 0);
    match start.and_then(|start| serial.get(start..)) {
        Some(number) => hex::encode(number),
        None => "00".to_owned(),
    }
}

/// The common name in a name, the last one if there are several; `None` if there is none, or an empty one.
///
/// # Errors
/// What is wrong with it: a name that cannot be shown as it is would make a selector that nobody can see.
pub(crate) fn common_name(name: &Name) -> Result<Option<String>, String> {
    let names = name
        .iter()
        .filter(|attribute| attribute.oid.to_string() == COMMON_NAME);
    let Some(attribute) = names.last() else {
        return Ok(None);
    };
    let text =
        std::str::from_utf8(attribute.value.value()).map_err(|_| "the common name is no text".to_owned())?;
    if text.len() > MAX_COMMON_NAME || text.chars().any(char::is_control) {
        return Err(format!(
            "the common name has more than {MAX_COMMON_NAME} bytes, or a control character"
        ));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Reads a chain, leaf first, in DER.
///
/// # Errors
/// [`AttestationError::Malformed`], naming the certificate.
pub(crate) fn chain<'a>(
    field: &'static str,
    certificates: impl ExactSizeIterator<Item = &'a [u8]>,
    most: usize,
) -> Result<Vec<Certificate>, AttestationError> {
    let malformed = |reason: String| AttestationError::Malformed { field, reason };
    if certificates.len() == 0 {
        return Err(malformed("it has no certificate".to_owned()));
    }
    if certificates.len() > most {
        let found = certificates.len();
        let reason = format!("it has {found} certificates; {most} are allowed, the leaf included");
        return Err(malformed(reason));
    }
    let read = |(index, der)| {
        Certificate::from_der(der).map_err(|error| {
            malformed(format!(
                "its certificate {index} (0 is the leaf) cannot be read: {error}"
            ))
        })
    };
    certificates.enumerate().map(read).collect()
}

/// Refuses chains with RSA keys of more bits than these.
///
/// # Errors
/// [`AttestationError::Malformed`], naming the certificate.
pub(crate) fn limit_rsa(
    field: &'static str,
    chain: &[Certificate],
    most: usize,
) -> Result<(), AttestationError> {
    for (index, certificate) in chain.iter().enumerate() {
        if let Ok(SubjectKey::Rsa(key)) = certificate.subject_key()
            && key.bits() > most
        {
            let bits = key.bits();
            let reason = format!(
                "the key of its certificate {index} (0 is the leaf) has {bits} bits; {most} are allowed"
            );
            return Err(AttestationError::Malformed { field, reason });
        }
    }
    Ok(())
}
