//! Symbolon's own profiles, and what is about to be signed against what was asked for.

use crate::lint::rule::{Rule, Severity};

rules! {
    SERIAL = Error "profile/serial", "Symbolon, profiles", "a serial number has at most 128 bits",
        "see `symbolon inspect`; this is no certificate of Symbolon's";
    SUBJECT = Error "profile/subject", "Symbolon, profiles; SPIRE's subjects",
        "the subject is that of the profile; an authority's holds its serial number",
        "see `symbolon inspect`; this is no certificate of Symbolon's";
    EXTENSIONS = Error "profile/extensions", "Symbolon, profiles",
        "the extensions are exactly the profile's", "leave out the other extensions, and add those that are missing";
    CRITICALITY = Error "profile/criticality", "Symbolon, profiles",
        "keyUsage, basicConstraints and nameConstraints are critical, and nothing else is", "correct the criticality";
    CONSTRAINTS = Error "profile/name-constraints", "Symbolon, profiles",
        "name constraints permit the URIs of the authority's trust domain, and say no more",
        "leave them out, or permit just that host";
    PROFILE_KEY_USAGE = Error "profile/key-usage", "Symbolon, profiles",
        "the key usages are exactly the profile's for this kind of key", "give the key the profile's usages";
    PROFILE_EKU = Error "profile/ext-key-usage", "Symbolon, profiles",
        "a leaf's purposes are serverAuth and clientAuth alone", "leave out the other purposes";
    KEY_IDENTIFIER = Error "profile/key-identifier", "Symbolon, profiles; RFC 7093, section 2",
        "the subject's key identifier is the first 160 bits of the key's SHA-256", "write that hash";
    ISSUER_IDENTIFIER = Error "profile/issuer-identifier", "Symbolon, profiles",
        "authorityKeyIdentifier has the keyIdentifier alone", "leave out issuer and serial number";
    ALT_NAMES = Error "profile/alt-names", "Symbolon, profiles",
        "alternative names are the SPIFFE ID and then DNS names", "leave out the others";
    KEY = Error "profile/key", "Symbolon, forms and families", "the key is of a kind that Symbolon certifies",
        "ask with a key of one of the suites";
    SIGNATURE = Error "profile/signature", "Symbolon, forms and families",
        "the signature is of a suite of Symbolon's", "sign with a suite";
    LONG_LIVED = Warning "profile/long-lived", "Symbolon, habits", "an SVID lives at most a day",
        "renew it more often";
    ASKED_SERIAL = Error "asked/serial", "Symbolon, issuance", "the serial number is the one given out",
        "report this: it is a fault of Symbolon's";
    ASKED_SUBJECT = Error "asked/subject", "Symbolon, issuance", "the subject is the one asked for",
        "report this: it is a fault of Symbolon's";
    ASKED_ID = Error "asked/spiffe-id", "Symbolon, issuance", "the SPIFFE ID is the one asked for",
        "report this: it is a fault of Symbolon's";
    ASKED_DNS = Error "asked/dns-names", "Symbolon, issuance", "the DNS names are those asked for, and no more",
        "report this: it is a fault of Symbolon's";
    ASKED_KEY = Error "asked/key", "Symbolon, issuance", "the key is the one asked for",
        "report this: it is a fault of Symbolon's";
    ASKED_ALTERNATIVE = Error "asked/alternative-key", "Symbolon, issuance",
        "the alternative key is the one asked for", "report this: it is a fault of Symbolon's";
    ASKED_RELATED = Error "asked/related", "Symbolon, issuance",
        "the related certificate is the one asked for", "report this: it is a fault of Symbolon's";
    ASKED_PATH_LEN = Error "asked/path-length", "Symbolon, issuance", "the path length is the one asked for",
        "report this: it is a fault of Symbolon's";
    ASKED_CONSTRAINTS = Error "asked/name-constraints", "Symbolon, issuance",
        "there are name constraints if they were asked for", "report this: it is a fault of Symbolon's";
    ASKED_ROLE = Error "asked/role", "Symbolon, issuance",
        "an authority was asked for if and only if this is one", "report this: it is a fault of Symbolon's";
    ASKED_BEGIN = Error "asked/begin", "Symbolon, issuance",
        "validity begins the backdate before the request, or with the authority's", "check the clock";
    ASKED_END = Error "asked/end", "Symbolon, issuance",
        "validity ends when it was asked to, or with the authority's", "check the clock";
    ISSUER_NAME = Error "issuer/name", "RFC 5280, section 4.1.2.4",
        "the issuer is the authority's subject, byte for byte", "report this: it is a fault of Symbolon's";
    ISSUER_ALGORITHM = Error "issuer/algorithm", "RFC 5280, section 4.1.2.3",
        "the signature algorithm is the authority's", "report this: it is a fault of Symbolon's";
    ISSUER_ALTERNATIVE = Error "issuer/alternative-algorithm", "X.509 (2019), section 9.8",
        "the alternative signature's algorithm is the authority's", "report this: it is a fault of Symbolon's";
    ISSUER_KEY = Error "issuer/key-identifier", "RFC 5280, section 4.2.1.1",
        "authorityKeyIdentifier is the authority's key identifier", "report this: it is a fault of Symbolon's";
    ISSUER_VALIDITY = Error "issuer/validity", "Symbolon, profiles", "validity is within the authority's",
        "report this: it is a fault of Symbolon's";
    ISSUER_PATH_LEN = Error "issuer/path-length", "RFC 5280, section 4.2.1.9",
        "the path length is below the authority's", "report this: it is a fault of Symbolon's";
    ISSUER_FAMILY = Error "issuer/family", "Symbolon, forms and families",
        "the key is of the family that the authority issues", "ask the family that issues this form";
    COMPONENT_REUSE = Error "issuer/component-reuse", "draft-ietf-lamps-pq-composite-sigs-19, section 9.3",
        "no component key of the subject is one of the issuer's", "make a new key";
}
