//! Certificates of test PKIs.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses its own part of this"
)]

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;

/// When everything is valid: 2027-01-15 08:00:00 UTC.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// An authority of rcgen's.
pub struct Ca {
    pub certificate: Certificate,
    pub issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub fn root(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = ca_params(name);
        let certificate = read(params.self_signed(&key).unwrap().der());
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    pub fn below(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = ca_params(name);
        let certificate = read(params.signed_by(&key, &self.issuer).unwrap().der());
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Signs a certificate for somebody's key.
    pub fn sign(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Certificate {
        read(params.signed_by(key, &self.issuer).unwrap().der())
    }

    pub fn authority(&self) -> X509Authority {
        X509Authority::new(self.certificate.clone())
    }
}

pub fn read(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = dated();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn dated() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2028, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

/// A node's certificate: for signing, with a name, a serial number that begins with a zero, and URIs.
pub fn node_params(name: &str, uris: &[&str]) -> CertificateParams {
    let mut params = dated();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(rcgen::SerialNumber::from(vec![0x0a, 0x1b, 0x2c]));
    params.subject_alt_names = uris
        .iter()
        .map(|uri| SanType::URI((*uri).try_into().unwrap()))
        .collect();
    params
}

/// Somebody's key, of RSA or P-256, that is to be certified.
pub struct Certified<'a>(pub &'a SubjectKey);

impl PublicKeyData for Certified<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match self.0 {
            SubjectKey::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
            SubjectKey::Suite(_) => &rcgen::PKCS_ECDSA_P256_SHA256,
        }
    }
}
