//! What a node's certificates say of it, as SPIRE words it.

use std::collections::{BTreeMap, BTreeSet};

use spiffe::TrustDomain;
use symbolon_pki::certificate::Certificate;

use super::METHOD;
use crate::certificates::{common_name, fingerprint, serial_hex};

/// The selectors of a node: the leaf's common name and serial number, the fingerprints of the authorities on its path, and
/// what its URIs say.
pub(super) fn selectors(
    path: &[Certificate],
    uris: &BTreeMap<String, String>,
) -> Result<BTreeSet<(String, String)>, String> {
    let mut values = Vec::new();
    if let Some((leaf, above)) = path.split_first() {
        if let Some(name) = common_name(leaf.inner().tbs_certificate().subject())? {
            values.push(format!("subject:cn:{name}"));
        }
        values.extend(
            above
                .iter()
                .map(|one| format!("ca:fingerprint:{}", fingerprint(one))),
        );
        values.push(format!("serialnumber:{}", serial_hex(leaf)));
    }
    values.extend(uris.iter().map(|(key, value)| format!("san:{key}:{value}")));
    Ok(values
        .into_iter()
        .map(|value| (METHOD.to_owned(), value))
        .collect())
}

/// Keys and values of the leaf's URIs `x509pop://<trust domain>/<key>/<value>`; the last of a key counts.
pub(super) fn of_uris(leaf: &Certificate, trust_domain: &TrustDomain) -> BTreeMap<String, String> {
    let prefix = format!("{METHOD}://{trust_domain}/");
    let pair = |uri: &String| {
        let path = uri.strip_prefix(&prefix)?;
        let path = path.split(['?', '#']).next()?;
        let path = percent_decoded(path)?;
        let (key, value) = path.trim_matches('/').split_once('/')?;
        Some((key.to_owned(), value.to_owned()))
    };
    leaf.uri_sans().iter().filter_map(pair).collect()
}

/// A path without its percent-encoding; `None` for one that is wrong, or hides something that is not to be shown.
fn percent_decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.extend(hex::decode(digits).ok()?);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_taken_off_or_refused() {
        assert_eq!(percent_decoded("a%2fb/c").as_deref(), Some("a/b/c"));
        assert_eq!(percent_decoded("%C3%A9").as_deref(), Some("é"));
        for wrong in ["%", "%2", "%zz", "%ff", "%00", "a%0a"] {
            assert_eq!(percent_decoded(wrong), None, "{wrong}");
        }
    }
}
