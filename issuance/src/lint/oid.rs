//! Object identifiers as content octets, spelled out a second time so that a slip of the encoder is not repeated.

use std::fmt;

use der::asn1::ObjectIdentifier;

/// An identifier in dotted numbers, or in hexadecimal if it is none. It is put into words only if a finding needs it.
pub(super) struct Dotted<'a>(pub(super) &'a [u8]);

impl fmt::Display for Dotted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ObjectIdentifier::from_bytes(self.0) {
            Ok(oid) => oid.fmt(f),
            Err(_) => write!(f, "{:02x?}", self.0),
        }
    }
}

/// An identifier in dotted numbers; in hexadecimal if it is none.
pub(super) fn dotted(content: &[u8]) -> String {
    Dotted(content).to_string()
}

// Extensions under 2.5.29 (RFC 5280, section 4.2.1; X.509 (2019), section 9).
pub(super) const SUBJECT_DIRECTORY_ATTRIBUTES: &[u8] = &[0x55, 0x1d, 9];
pub(super) const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 14];
pub(super) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
pub(super) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
pub(super) const ISSUER_ALT_NAME: &[u8] = &[0x55, 0x1d, 18];
pub(super) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
pub(super) const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
pub(super) const REASON_CODE: &[u8] = &[0x55, 0x1d, 21];
pub(super) const INVALIDITY_DATE: &[u8] = &[0x55, 0x1d, 24];
pub(super) const DELTA_CRL_INDICATOR: &[u8] = &[0x55, 0x1d, 27];
pub(super) const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 28];
pub(super) const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 29];
pub(super) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
pub(super) const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 31];
pub(super) const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1d, 32];
pub(super) const POLICY_MAPPINGS: &[u8] = &[0x55, 0x1d, 33];
pub(super) const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 35];
pub(super) const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 36];
pub(super) const EXT_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
pub(super) const FRESHEST_CRL: &[u8] = &[0x55, 0x1d, 46];
pub(super) const INHIBIT_ANY_POLICY: &[u8] = &[0x55, 0x1d, 54];
pub(super) const ALT_PUBLIC_KEY: &[u8] = &[0x55, 0x1d, 72];
pub(super) const ALT_SIGNATURE_ALGORITHM: &[u8] = &[0x55, 0x1d, 73];
pub(super) const ALT_SIGNATURE_VALUE: &[u8] = &[0x55, 0x1d, 74];

// Extensions under id-pe, 1.3.6.1.5.5.7.1.
pub(super) const AUTHORITY_INFO_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
pub(super) const SUBJECT_INFO_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 11];
pub(super) const RELATED_CERTIFICATE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 36];

/// The delta certificate descriptor of draft-bonnell-lamps-chameleon-certs, 2.16.840.1.114027.80.6.1.
pub(super) const DELTA_CERTIFICATE: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xfa, 0x6b, 0x50, 6, 1];

// Attributes of certificate requests.
pub(super) const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
pub(super) const RELATED_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 60];

// Extended key usages (RFC 5280, section 4.2.1.12).
pub(super) const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
pub(super) const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
pub(super) const ANY_EXT_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37, 0];

// Attribute types of names (RFC 5280, appendix A.1).
pub(super) const COMMON_NAME: &[u8] = &[0x55, 4, 3];
pub(super) const SERIAL_NUMBER: &[u8] = &[0x55, 4, 5];
pub(super) const COUNTRY: &[u8] = &[0x55, 4, 6];
pub(super) const LOCALITY: &[u8] = &[0x55, 4, 7];
pub(super) const STATE: &[u8] = &[0x55, 4, 8];
pub(super) const ORGANIZATION: &[u8] = &[0x55, 4, 10];
pub(super) const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 4, 11];
pub(super) const DN_QUALIFIER: &[u8] = &[0x55, 4, 46];

/// What an extension is called, if it is known here.
pub(super) fn extension_name(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        SUBJECT_DIRECTORY_ATTRIBUTES => "extensions.subjectDirectoryAttributes",
        SUBJECT_KEY_IDENTIFIER => "extensions.subjectKeyIdentifier",
        KEY_USAGE => "extensions.keyUsage",
        SUBJECT_ALT_NAME => "extensions.subjectAltName",
        ISSUER_ALT_NAME => "extensions.issuerAltName",
        BASIC_CONSTRAINTS => "extensions.basicConstraints",
        CRL_NUMBER => "extensions.cRLNumber",
        REASON_CODE => "extensions.reasonCode",
        INVALIDITY_DATE => "extensions.invalidityDate",
        DELTA_CRL_INDICATOR => "extensions.deltaCRLIndicator",
        ISSUING_DISTRIBUTION_POINT => "extensions.issuingDistributionPoint",
        CERTIFICATE_ISSUER => "extensions.certificateIssuer",
        NAME_CONSTRAINTS => "extensions.nameConstraints",
        CRL_DISTRIBUTION_POINTS => "extensions.cRLDistributionPoints",
        CERTIFICATE_POLICIES => "extensions.certificatePolicies",
        POLICY_MAPPINGS => "extensions.policyMappings",
        AUTHORITY_KEY_IDENTIFIER => "extensions.authorityKeyIdentifier",
        POLICY_CONSTRAINTS => "extensions.policyConstraints",
        EXT_KEY_USAGE => "extensions.extKeyUsage",
        FRESHEST_CRL => "extensions.freshestCRL",
        INHIBIT_ANY_POLICY => "extensions.inhibitAnyPolicy",
        ALT_PUBLIC_KEY => "extensions.subjectAltPublicKeyInfo",
        ALT_SIGNATURE_ALGORITHM => "extensions.altSignatureAlgorithm",
        ALT_SIGNATURE_VALUE => "extensions.altSignatureValue",
        AUTHORITY_INFO_ACCESS => "extensions.authorityInfoAccess",
        SUBJECT_INFO_ACCESS => "extensions.subjectInfoAccess",
        RELATED_CERTIFICATE => "extensions.relatedCertificate",
        DELTA_CERTIFICATE => "extensions.deltaCertificateDescriptor",
        _ => return None,
    })
}
