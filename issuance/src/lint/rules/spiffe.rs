//! X.509-SVIDs.

use crate::lint::rule::{Rule, Severity};

rules! {
    ONE_URI = Error "spiffe/one-uri", "X509-SVID, section 2",
        "an SVID has exactly one URI among its alternative names", "leave out the other URIs";
    ID = Error "spiffe/id", "X509-SVID, section 2; SPIFFE-ID, section 2", "the URI is a SPIFFE ID",
        "write spiffe://<trust domain>/<path>, in lower case where the standard wants it";
    ID_LENGTH = Error "spiffe/id-length", "SPIFFE-ID, section 2.3", "a SPIFFE ID has at most 2048 bytes",
        "shorten the path";
    LEAF_PATH = Error "spiffe/leaf-path", "X509-SVID, section 3.1", "a leaf's SPIFFE ID has a path",
        "name the workload by a path";
    AUTHORITY_PATH = Error "spiffe/authority-path", "X509-SVID, section 3.2",
        "an authority's SPIFFE ID has no path", "use the trust domain's own ID";
    AUTHORITY_ID = Warning "spiffe/authority-id", "X509-SVID, section 3.2",
        "an authority is itself an SVID", "add the trust domain's SPIFFE ID";
    BASIC_CONSTRAINTS = Error "spiffe/basic-constraints", "X509-SVID, section 4.1",
        "cA is true for an authority and false for a leaf", "correct basicConstraints";
    KEY_USAGE = Error "spiffe/key-usage", "X509-SVID, section 4.3",
        "keyUsage is there and critical", "add keyUsage, and mark it critical";
    LEAF_SIGNS = Error "spiffe/leaf-digital-signature", "X509-SVID, section 4.3",
        "a leaf has digitalSignature", "set digitalSignature";
    LEAF_ISSUES = Error "spiffe/leaf-no-authority", "X509-SVID, sections 4.3 and 5.2",
        "a leaf has neither keyCertSign nor cRLSign", "take them away";
    AUTHORITY_SIGNS = Error "spiffe/authority-cert-sign", "X509-SVID, section 4.3",
        "an authority has keyCertSign", "set keyCertSign";
    EKU_MISSING = Warning "spiffe/ext-key-usage-missing", "X509-SVID, section 4.4",
        "a leaf has extKeyUsage", "add extKeyUsage with serverAuth and clientAuth";
    EKU = Error "spiffe/ext-key-usage", "X509-SVID, section 4.4",
        "a leaf's extKeyUsage has serverAuth and clientAuth", "add the missing purpose";
}
