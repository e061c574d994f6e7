//! Certificates with a second key or a link to a second certificate.

use crate::lint::rule::{Rule, Severity};

rules! {
    ALT_INCOMPLETE = Error "catalyst/incomplete", "X.509 (2019), section 9.8",
        "an alternative signature comes with its algorithm and the other way round",
        "write both altSignatureAlgorithm and altSignatureValue, or neither";
    ALT_CRITICAL = Warning "catalyst/critical", "X.509 (2019), section 9.8; RFC 5280, section 4.2",
        "the alternative extensions are not critical",
        "leave out their criticality; verifiers that do not know them refuse the certificate";
    ALT_SAME_KEY = Error "catalyst/same-key", "X.509 (2019), section 9.8",
        "the alternative key is another key", "make a second key of another algorithm";
    ALT_CLASSICAL = Warning "catalyst/no-post-quantum", "Symbolon, forms",
        "one of the two keys is post-quantum", "use ML-DSA for the alternative key";
    RELATED_CRITICAL = Warning "rfc9763/critical", "RFC 9763, section 4.1",
        "relatedCertificate is not critical", "leave out its criticality";
    RELATED_AUTHORITY = Error "rfc9763/authority", "RFC 9763, section 4.1",
        "only end entities have a related certificate", "leave out the extension";
    RELATED_HASH = Error "rfc9763/hash", "RFC 9763, section 4.1",
        "the related certificate's hash has its algorithm's length, and is SHA-256 or better",
        "hash the whole DER of the other certificate with SHA-256";
    RELATED_REQUEST = Error "rfc9763/request", "RFC 9763, section 3.1",
        "relatedCertRequest names a certificate, a time, where to find it, and a signature",
        "encode the attribute again";
    RELATED_LOCATION = Error "rfc9763/location", "RFC 9763, section 3.1",
        "relatedCertRequest says by absolute URIs where the certificate is", "write at least one whole URI";
    CHAMELEON = Notice "chameleon/expired-draft", "draft-bonnell-lamps-chameleon-certs-07",
        "delta certificate descriptors are of a draft that expired", "expect few to know them; prefer paired certificates";
    CHAMELEON_CRITICAL = Error "chameleon/critical", "draft-bonnell-lamps-chameleon-certs-07, section 4.1",
        "a delta certificate descriptor is not critical", "leave out its criticality";
}
