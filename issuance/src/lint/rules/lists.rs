//! Certificate requests and revocation lists.

use crate::lint::rule::{Rule, Severity};

rules! {
    REQUEST_STRUCTURE = Error "rfc2986/structure", "RFC 2986, section 4",
        "a certificate request has the structure of the standard", "make the request again";
    REQUEST_VERSION = Error "rfc2986/version", "RFC 2986, section 4.1", "a request's version is 1, encoded as 0",
        "make the request again";
    ATTRIBUTE_TWICE = Error "rfc2986/attribute-twice", "RFC 2986, section 4.1; X.501, section 8.2",
        "each attribute stands once", "merge the attributes into one";
    ATTRIBUTE_VALUES = Error "rfc2986/attribute-values", "RFC 2986, section 4.1; RFC 2985, section 5.4",
        "an attribute that has one value has exactly one", "write one value";
    CRL_STRUCTURE = Error "rfc5280/crl-structure", "RFC 5280, section 5.1",
        "a revocation list has the structure of the standard", "issue the list again";
    CRL_VERSION = Error "rfc5280/crl-version", "RFC 5280, section 5.1.2.1",
        "a revocation list's version is 2", "set the version to 2 (encoded as 1)";
    CRL_NEXT_UPDATE = Error "rfc5280/crl-next-update", "RFC 5280, section 5.1.2.5",
        "a revocation list says when the next one comes", "add nextUpdate";
    CRL_ORDER = Error "rfc5280/crl-update-order", "RFC 5280, sections 5.1.2.4 and 5.1.2.5",
        "nextUpdate is later than thisUpdate", "correct the times";
    CRL_EMPTY = Error "rfc5280/crl-empty-list", "RFC 5280, section 5.1.2.6",
        "the list is left out if nothing is revoked", "leave out revokedCertificates";
    CRL_TWICE = Error "rfc5280/crl-serial-twice", "RFC 5280, section 5.3",
        "each certificate is revoked once", "leave out the second entry";
    CRL_NUMBER_MISSING = Error "rfc5280/crl-number-missing", "RFC 5280, section 5.2.3",
        "a revocation list has a number", "add cRLNumber, one more than the last list's";
    CRL_NUMBER = Error "rfc5280/crl-number", "RFC 5280, section 5.2.3",
        "a revocation list's number is not negative and has at most 20 bytes", "number the lists from one";
    CRL_AKI = Error "rfc5280/crl-aki-missing", "RFC 5280, section 5.2.1",
        "a revocation list names its issuer's key", "add authorityKeyIdentifier";
    CRL_REASON = Error "rfc5280/crl-reason", "RFC 5280, section 5.3.1",
        "a reason is one of those that there are", "use 1 to 6 or 8 to 10";
    CRL_UNSPECIFIED = Warning "rfc5280/crl-reason-unspecified", "RFC 5280, section 5.3.1",
        "an unspecified reason is left out", "leave out reasonCode";
    CRL_REMOVE = Error "rfc5280/crl-remove", "RFC 5280, section 5.3.1",
        "only a delta list removes certificates", "leave out the entry";
}
