//! The extensions of RFC 5280.

use crate::lint::rule::{Rule, Severity};

rules! {
    DUPLICATE = Error "rfc5280/duplicate-extension", "RFC 5280, section 4.2", "each extension stands once",
        "do not use it; readers differ in which of the two they take";
    NONE = Error "rfc5280/no-extensions", "RFC 5280, section 4.1.2.9",
        "a list of extensions is not empty", "leave the field out";
    VALUE = Error "rfc5280/extension-value", "RFC 5280, section 4.2",
        "an extension's value has the structure that its standard gives it", "encode the extension again";
    MUST_BE_CRITICAL = Error "rfc5280/must-be-critical", "RFC 5280, sections 4.2.1 and 5.2",
        "extensions that must be critical are", "mark the extension critical";
    MUST_NOT_BE_CRITICAL = Error "rfc5280/must-not-be-critical", "RFC 5280, sections 4.2.1, 4.2.2, 5.2 and 5.3",
        "extensions that must not be critical are not", "leave out the extension's criticality";
    SHOULD_BE_CRITICAL = Warning "rfc5280/should-be-critical", "RFC 5280, section 4.2.1",
        "extensions that should be critical are", "mark the extension critical";
    SHOULD_NOT_BE_CRITICAL = Warning "rfc5280/should-not-be-critical", "RFC 5280, section 4.2.1",
        "extensions that should not be critical are not", "leave out the extension's criticality";
    UNKNOWN_CRITICAL = Warning "rfc5280/unknown-critical", "RFC 5280, section 4.2",
        "critical extensions are known here", "expect verifiers that do not know it to refuse the certificate";
    AKI_MISSING = Error "rfc5280/aki-missing", "RFC 5280, section 4.2.1.1",
        "a certificate that is not self-signed names its issuer's key", "add authorityKeyIdentifier";
    AKI_KEY = Error "rfc5280/aki-key-identifier", "RFC 5280, section 4.2.1.1",
        "authorityKeyIdentifier has the keyIdentifier", "add the issuer's subjectKeyIdentifier";
    AKI_PAIR = Error "rfc5280/aki-issuer-and-serial", "RFC 5280, appendix A.2",
        "authorityCertIssuer and authorityCertSerialNumber come together", "write both or neither";
    SKI_MISSING_AUTHORITY = Error "rfc5280/ski-missing-authority", "RFC 5280, section 4.2.1.2",
        "an authority has a subjectKeyIdentifier", "add subjectKeyIdentifier";
    SKI_MISSING = Warning "rfc5280/ski-missing", "RFC 5280, section 4.2.1.2",
        "an end entity has a subjectKeyIdentifier", "add subjectKeyIdentifier";
    SKI_EMPTY = Error "rfc5280/ski-empty", "RFC 5280, section 4.2.1.2",
        "a subjectKeyIdentifier is not empty", "write the hash of the key";
    KU_MISSING_AUTHORITY = Error "rfc5280/key-usage-missing-authority", "RFC 5280, section 4.2.1.3",
        "an authority has keyUsage", "add keyUsage with keyCertSign";
    KU_EMPTY = Error "rfc5280/key-usage-empty", "RFC 5280, section 4.2.1.3",
        "keyUsage allows something", "set a bit, or leave the extension out";
    KU_WITHOUT_CA = Error "rfc5280/key-usage-without-ca", "RFC 5280, sections 4.2.1.3 and 4.2.1.9",
        "only an authority has keyCertSign", "set cA in basicConstraints, or take keyCertSign away";
    KU_ONLY = Warning "rfc5280/key-usage-only-bits", "RFC 5280, section 4.2.1.3",
        "encipherOnly and decipherOnly come with keyAgreement", "set keyAgreement, or take the bit away";
    POLICY_TWICE = Error "rfc5280/policy-twice", "RFC 5280, section 4.2.1.4",
        "each certificate policy stands once", "leave out the second";
    SAN_EMPTY = Error "rfc5280/alt-name-empty", "RFC 5280, section 4.2.1.6",
        "alternative names are at least one, and none of them is empty", "leave out the extension or the empty name";
    SAN_DNS = Error "rfc5280/alt-name-dns", "RFC 5280, section 4.2.1.6; RFC 1034, section 3.5; RFC 1123, section 2.1",
        "a DNS name is labels of letters, digits and hyphens between dots",
        "write the name in its ASCII form, without a final dot";
    SAN_URI = Error "rfc5280/alt-name-uri", "RFC 5280, section 4.2.1.6; RFC 3986, section 3",
        "a URI is absolute: a scheme, a colon, and more", "write the whole URI";
    SAN_IP = Error "rfc5280/alt-name-ip", "RFC 5280, section 4.2.1.6",
        "an IP address has 4 or 16 bytes", "write the address in network order, without a mask";
    SAN_EMAIL = Error "rfc5280/alt-name-email", "RFC 5280, section 4.2.1.6",
        "an e-mail address is local-part@domain", "write the bare address";
    PATH_LEN = Error "rfc5280/path-length-without-ca", "RFC 5280, section 4.2.1.9",
        "only an authority that signs certificates has a path length", "leave out pathLenConstraint";
    NC_LEAF = Error "rfc5280/name-constraints-leaf", "RFC 5280, section 4.2.1.10",
        "only authorities have name constraints", "leave out the extension";
    NC_EMPTY = Error "rfc5280/name-constraints-empty", "RFC 5280, section 4.2.1.10",
        "name constraints permit or exclude something", "leave out the extension";
    NC_BOUNDS = Error "rfc5280/name-constraints-bounds", "RFC 5280, section 4.2.1.10",
        "a subtree has neither minimum nor maximum", "leave them out";
    PC_EMPTY = Error "rfc5280/policy-constraints-empty", "RFC 5280, section 4.2.1.11",
        "policy constraints say something", "leave out the extension";
    EKU_EMPTY = Error "rfc5280/ext-key-usage-empty", "RFC 5280, section 4.2.1.12",
        "extKeyUsage names a purpose", "leave out the extension";
    EKU_TWICE = Warning "rfc5280/ext-key-usage-twice", "RFC 5280, section 4.2.1.12",
        "each purpose stands once", "leave out the second";
    EKU_ANY = Warning "rfc5280/ext-key-usage-any-critical", "RFC 5280, section 4.2.1.12",
        "extKeyUsage with anyExtendedKeyUsage is not critical", "leave out the extension's criticality";
    EKU_KU = Error "rfc5280/ext-key-usage-inconsistent", "RFC 5280, section 4.2.1.12",
        "keyUsage allows what TLS needs when extKeyUsage is for TLS", "set digitalSignature in keyUsage";
    CRLDP = Error "rfc5280/distribution-point", "RFC 5280, section 4.2.1.13",
        "a distribution point says more than reasons", "name the point, or the list's issuer";
    ACCESS_EMPTY = Error "rfc5280/access-empty", "RFC 5280, sections 4.2.2.1 and 4.2.2.2",
        "an information access extension has a description", "leave out the extension";
}
