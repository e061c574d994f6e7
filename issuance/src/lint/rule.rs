//! The rules, each with its id and where it is written.

use std::fmt;

macro_rules! rules {
    ($($(#[$doc:meta])+ $variant:ident = $id:literal, $source:literal;)+) => {
        /// A rule that certificates are held to.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])+ $variant,)+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The id that errors, logs and records use; it does not change.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)+ }
            }

            /// Where the rule is written.
            pub const fn source(self) -> &'static str {
                match self { $(Self::$variant => $source,)+ }
            }
        }
    };
}

rules! {
    /// The TBSCertificate is one DER structure with the fields of version 3.
    Structure = "rfc5280/structure", "RFC 5280, section 4.1";
    /// The version is 3, since there are extensions.
    Version = "rfc5280/version", "RFC 5280, section 4.1.2.1";
    /// The serial number is positive and has at most 20 octets.
    Serial = "rfc5280/serial", "RFC 5280, section 4.1.2.2";
    /// The signature algorithm is the issuer's, parameters absent.
    SignatureAlgorithm = "rfc5280/signature-algorithm", "RFC 5280, section 4.1.2.3; RFC 9881, section 2";
    /// The issuer is the authority's subject, byte for byte.
    IssuerName = "rfc5280/issuer-name", "RFC 5280, section 4.1.2.4";
    /// Times are UTCTime to 2049 and GeneralizedTime after.
    ValidityEncoding = "rfc5280/validity-encoding", "RFC 5280, section 4.1.2.5";
    /// The validity ends after it begins.
    ValidityOrder = "rfc5280/validity-order", "RFC 5280, section 4.1.2.5";
    /// The subject is well formed, and not empty.
    SubjectName = "rfc5280/subject-name", "RFC 5280, section 4.1.2.6 and appendix A.1";
    /// Each extension stands once, and DEFAULT values are left out.
    Extensions = "rfc5280/extensions", "RFC 5280, section 4.2";
    /// The key identifier of the issuer is there and right.
    AuthorityKeyIdentifier = "rfc5280/authority-key-identifier", "RFC 5280, section 4.2.1.1";
    /// The subject's key identifier is there, and the hash it should be.
    SubjectKeyIdentifier = "rfc5280/subject-key-identifier", "RFC 5280, section 4.2.1.2; RFC 7093, section 2";
    /// Key usage is there, critical, and encoded minimally.
    KeyUsage = "rfc5280/key-usage", "RFC 5280, section 4.2.1.3";
    /// The subject's alternative names are there and well formed.
    SubjectAltName = "rfc5280/subject-alt-name", "RFC 5280, section 4.2.1.6";
    /// Basic constraints are there, critical, and say whether this is an authority.
    BasicConstraints = "rfc5280/basic-constraints", "RFC 5280, section 4.2.1.9";
    /// Extended key usages are well formed.
    ExtKeyUsage = "rfc5280/ext-key-usage", "RFC 5280, section 4.2.1.12";
    /// The key's algorithm is known, with exactly the parameters it has.
    KeyAlgorithm = "key/algorithm", "RFC 5480, section 2.1; RFC 8410, section 3; RFC 9881, section 2";
    /// The key has its algorithm's length; RSA keys have at least 2048 bits.
    KeySize = "key/size", "FIPS 204, table 2; X9.62; draft-ietf-lamps-pq-composite-sigs-19, section 4";
    /// No component key of the subject is one of the issuer's.
    KeyReuse = "key/component-reuse", "draft-ietf-lamps-pq-composite-sigs-19, section 10.3";
    /// A catalyst certificate's alternative key is the one asked for, and an ML-DSA key.
    AlternativeKey = "catalyst/alternative-key", "X.509 (2019), section 9.8; Symbolon, forms and families";
    /// A catalyst certificate names the algorithm of its issuer's alternative key.
    AlternativeAlgorithm = "catalyst/algorithm", "X.509 (2019), section 9.8";
    /// The second certificate of a pair has the hash of the first, and is a leaf.
    RelatedCertificate = "rfc9763/related-certificate", "RFC 9763, section 4";
    /// ML-DSA and composite keys only sign.
    KeyUsageForKey = "key/usage", "RFC 9881, section 5; draft-ietf-lamps-pq-composite-sigs-19, section 5.2";
    /// There is exactly one URI among the alternative names.
    OneUri = "spiffe/one-uri", "X509-SVID, section 2";
    /// The URI is a SPIFFE ID, with a path for a leaf and without for an authority.
    SpiffeId = "spiffe/id", "X509-SVID, sections 2 and 3; SPIFFE-ID, section 2";
    /// Leaves sign and are no authorities; authorities sign certificates.
    SvidKeyUsage = "spiffe/key-usage", "X509-SVID, section 4.3";
    /// A leaf is for both ends of TLS.
    SvidExtKeyUsage = "spiffe/ext-key-usage", "X509-SVID, section 4.4";
    /// The serial number is the one given out.
    AllottedSerial = "profile/serial", "Symbolon, profiles";
    /// The subject is the profile's.
    ProfileSubject = "profile/subject", "Symbolon, profiles; SPIRE's subjects";
    /// The SPIFFE ID is the one asked for.
    AskedId = "profile/spiffe-id", "Symbolon, profiles";
    /// The DNS names are those asked for, and no more.
    AskedDnsNames = "profile/dns-names", "Symbolon, profiles";
    /// The key is the one asked for.
    AskedKey = "profile/key", "Symbolon, profiles";
    /// The key is of the family that the issuer issues.
    KeyFamily = "profile/key-family", "Symbolon, forms and families";
    /// Validity begins the backdate before the request, or with the authority's.
    Backdate = "profile/backdate", "Symbolon, profiles";
    /// Validity ends when it was asked to, or with the authority's.
    Lifetime = "profile/lifetime", "Symbolon, profiles";
    /// Validity is within the authority's.
    WithinAuthority = "profile/within-authority", "Symbolon, profiles";
    /// The path length is the one asked for, and below the authority's.
    PathLength = "profile/path-length", "RFC 5280, section 4.2.1.9; Symbolon, profiles";
    /// The key usages are exactly the profile's for this kind of key.
    ProfileKeyUsage = "profile/key-usage", "Symbolon, profiles";
    /// The extensions are exactly the profile's, with its criticality.
    ProfileExtensions = "profile/extensions", "Symbolon, profiles";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_name_their_origin() {
        let ids: HashSet<_> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
        for id in ids {
            let (origin, name) = id.split_once('/').unwrap();
            assert!(
                ["rfc5280", "rfc9763", "catalyst", "key", "spiffe", "profile"].contains(&origin) && !name.is_empty(),
                "{id}"
            );
        }
    }
}
