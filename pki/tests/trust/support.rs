//! Makes chains of every suite, right ones and wrong ones. Only what `issuance/` would refuse to make is made here:
//! this crate's tests cannot reach up to it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use const_oid::AssociatedOid;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use der::asn1::{Ia5String, OctetString};
use der::flagset::FlagSet;
use der::{Decode, Encode};
use spiffe::TrustDomain;
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::encode::element;
use symbolon_pki::key::{PrivateKey, SubjectKey, SuiteSigner};
use symbolon_pki::names;
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::Suite;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::time::Time;

/// The moment at which tests verify: 2026-11-22T03:25:00Z.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_317_900)
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn trust_domain() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

pub(crate) fn signer(suite: Suite) -> SuiteSigner {
    PrivateKey::generate(suite).unwrap().signer().unwrap()
}

pub(crate) fn subject_key(signer: &SuiteSigner) -> SubjectKey {
    signer.public_key().clone().into()
}

/// A certificate before it is signed, in which a test may change anything.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: Name,
    pub(crate) subject: Name,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    pub(crate) spki: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
}

impl Draft {
    /// A good leaf for `spiffe://example.org/workload`, issuer still open.
    pub(crate) fn leaf(key: &SubjectKey) -> Self {
        let mut draft = Self {
            serial: vec![0x2a],
            issuer: Name::default(),
            subject: names::svid_name(None).unwrap(),
            not_before: now() - HOUR,
            not_after: now() + HOUR,
            spki: key.spki_der(),
            extensions: Vec::new(),
        };
        draft.set(true, &KeyUsage(KeyUsages::DigitalSignature.into()));
        draft.set(
            false,
            &ExtendedKeyUsage(vec![ID_KP_SERVER_AUTH, ID_KP_CLIENT_AUTH]),
        );
        draft.set(
            true,
            &BasicConstraints {
                ca: false,
                path_len_constraint: None,
            },
        );
        draft.set(false, &SubjectKeyIdentifier(octets(key.skid().as_bytes())));
        draft.uris(&["spiffe://example.org/workload"]);
        draft
    }

    /// A good signing certificate of example.org, issuer still open. Authorities differ in name as in key.
    pub(crate) fn authority(key: &SubjectKey) -> Self {
        let skid = key.skid();
        let mut draft = Self::leaf(key);
        draft.serial = vec![0x01];
        draft.subject = names::authority_name(&skid.as_bytes()[..8]).unwrap();
        draft.not_after = now() + 24 * HOUR;
        draft.remove(ExtendedKeyUsage::OID);
        draft.set(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign));
        draft.set(
            true,
            &BasicConstraints {
                ca: true,
                path_len_constraint: None,
            },
        );
        draft.uris(&["spiffe://example.org"]);
        draft
    }

    pub(crate) fn set<T: Encode + AssociatedOid>(&mut self, critical: bool, value: &T) {
        self.set_raw(T::OID, critical, &value.to_der().unwrap());
    }

    pub(crate) fn set_raw(&mut self, oid: ObjectIdentifier, critical: bool, value: &[u8]) {
        let extension = Extension {
            extn_id: oid,
            critical,
            extn_value: octets(value),
        };
        self.remove(oid);
        self.extensions.push(extension);
    }

    pub(crate) fn remove(&mut self, oid: ObjectIdentifier) {
        self.extensions.retain(|extension| extension.extn_id != oid);
    }

    pub(crate) fn usage(&mut self, critical: bool, usages: impl Into<FlagSet<KeyUsages>>) {
        self.set(critical, &KeyUsage(usages.into()));
    }

    pub(crate) fn uris(&mut self, uris: &[&str]) {
        self.remove(SubjectAltName::OID);
        if !uris.is_empty() {
            let name = |uri: &&str| GeneralName::UniformResourceIdentifier(Ia5String::new(uri).unwrap());
            self.set(false, &SubjectAltName(uris.iter().map(name).collect()));
        }
    }

    /// Names `issuer` by subject and key identifier.
    pub(crate) fn under(mut self, issuer: &Certificate) -> Self {
        self.issuer = Name::from_der(issuer.subject_der()).unwrap();
        self.authority_key(issuer.skid());
        self
    }

    pub(crate) fn authority_key(&mut self, id: Option<&Skid>) {
        self.remove(AuthorityKeyIdentifier::OID);
        if let Some(id) = id {
            let key_identifier = Some(octets(id.as_bytes()));
            self.set(
                false,
                &AuthorityKeyIdentifier {
                    key_identifier,
                    ..Default::default()
                },
            );
        }
    }

    pub(crate) fn sign(&self, signer: &SuiteSigner) -> Certificate {
        let algorithm = signer.suite().signature_algorithm_der();
        Certificate::from_der(&self.sign_with(algorithm, |tbs| signer.sign(tbs).unwrap())).unwrap()
    }

    /// The certificate's DER, with any algorithm and signature.
    pub(crate) fn sign_with(&self, algorithm: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let mut tbs = Vec::new();
        element(&mut tbs, 0xa0, &[2, 1, 2]);
        element(&mut tbs, 0x02, &self.serial);
        tbs.extend_from_slice(algorithm);
        tbs.extend_from_slice(&self.issuer.to_der().unwrap());
        let validity = [self.not_before, self.not_after]
            .map(|at| Time::try_from(at).unwrap().to_der().unwrap())
            .concat();
        element(&mut tbs, 0x30, &validity);
        tbs.extend_from_slice(&self.subject.to_der().unwrap());
        tbs.extend_from_slice(&self.spki);
        let extensions = self.extensions.to_der().unwrap();
        element(&mut tbs, 0xa3, &extensions);
        let tbs = sequence(&tbs);

        let mut bits = vec![0];
        bits.extend_from_slice(&sign(&tbs));
        let mut body = tbs;
        body.extend_from_slice(algorithm);
        element(&mut body, 0x03, &bits);
        sequence(&body)
    }
}

pub(crate) fn sequence(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    element(&mut out, 0x30, content);
    out
}

fn octets(bytes: &[u8]) -> OctetString {
    OctetString::new(bytes).unwrap()
}

/// An authority that can sign.
#[derive(Clone)]
pub(crate) struct Ca {
    pub(crate) certificate: Certificate,
    pub(crate) signer: SuiteSigner,
}

impl Ca {
    /// A good self-signed authority of example.org.
    pub(crate) fn root(suite: Suite) -> Self {
        Self::root_with(signer(suite), |_| ())
    }

    pub(crate) fn root_with(signer: SuiteSigner, change: impl FnOnce(&mut Draft)) -> Self {
        let mut draft = Draft::authority(&subject_key(&signer));
        draft.issuer = draft.subject.clone();
        change(&mut draft);
        let certificate = draft.sign(&signer);
        Self { certificate, signer }
    }

    /// A good intermediate under this one, but for what `change` does to it.
    pub(crate) fn intermediate(&self, suite: Suite, change: impl FnOnce(&mut Draft)) -> Self {
        let signer = signer(suite);
        let mut draft = Draft::authority(&subject_key(&signer)).under(&self.certificate);
        change(&mut draft);
        Self {
            certificate: draft.sign(&self.signer),
            signer,
        }
    }

    /// A good leaf under this one, with a new key, but for what `change` does to it.
    pub(crate) fn leaf(&self, suite: Suite, change: impl FnOnce(&mut Draft)) -> Certificate {
        self.certify(&subject_key(&signer(suite)), change)
    }

    pub(crate) fn certify(&self, key: &SubjectKey, change: impl FnOnce(&mut Draft)) -> Certificate {
        let mut draft = Draft::leaf(key).under(&self.certificate);
        change(&mut draft);
        draft.sign(&self.signer)
    }

    /// example.org's bundle with this authority alone.
    pub(crate) fn bundles(&self) -> BundleSet {
        bundles(&[&self.certificate])
    }
}

/// example.org's bundle with these authorities.
pub(crate) fn bundle(authorities: &[&Certificate]) -> TrustBundle {
    let mut bundle = TrustBundle::new(trust_domain());
    bundle.x509_authorities = authorities
        .iter()
        .map(|&one| X509Authority::new(one.clone()))
        .collect();
    bundle
}

pub(crate) fn bundles(authorities: &[&Certificate]) -> BundleSet {
    bundle(authorities).into()
}

/// The certificate with one bit of its signature flipped, `at` bytes from the signature's beginning.
pub(crate) fn flip_signature(certificate: &Certificate, at: usize) -> Certificate {
    let mut der = certificate.der().to_vec();
    let start = der.len() - certificate.signature().len();
    der[start + at] ^= 1;
    Certificate::from_der(&der).unwrap()
}
