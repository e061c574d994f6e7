//! The extensions of what stands beside a certificate's own key.
//!
//! None is critical: software that does not know them is to pass over them, and to take the certificate for what it is
//! without them.

use der::asn1::ObjectIdentifier;
use symbolon_pki::catalyst::{ALTERNATIVE_ALGORITHM, ALTERNATIVE_KEY};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::encode::whole;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::related::{self, RelatedCertificate};
use symbolon_pki::suite::Suite;

use super::{OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};

/// The extensions of a catalyst certificate but for the signature itself: the alternative key, and how the issuer's
/// alternative signature is made.
pub(crate) fn alternative_extensions(key: &SubjectKey, issuer: Suite) -> Vec<u8> {
    let mut out = extension(ALTERNATIVE_KEY, &key.spki_der());
    out.extend(extension(ALTERNATIVE_ALGORITHM, issuer.signature_algorithm_der()));
    out
}

/// The extension that names the first certificate of a pair.
pub(crate) fn related_extension(first: &Certificate) -> Vec<u8> {
    extension(related::EXTENSION, &RelatedCertificate::to(first).to_der())
}

fn extension(oid: ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    let oid = whole(OBJECT_IDENTIFIER, &[oid.as_bytes()]);
    whole(SEQUENCE, &[&oid, &whole(OCTET_STRING, &[value])])
}
