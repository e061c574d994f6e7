//! Roots as somebody else's PKI has them: a certificate and a key in files.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use spiffe::TrustDomain;
use symbolon_crypto::random;
use symbolon_issuance::{AuthorityKeys, AuthoritySpec, Serial, prepare_authority};
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{PrivateKey, SuiteSigner};
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;

use crate::support::domain;

pub(crate) struct Root {
    pub(crate) certificate: Certificate,
    pub(crate) key: PrivateKey,
    pub(crate) alternative: Option<PrivateKey>,
    serial: Serial,
}

impl Root {
    pub(crate) fn new(suite: Suite, now: SystemTime) -> Self {
        Self::with(
            suite,
            None,
            &domain(),
            None,
            Duration::from_secs(365 * 24 * 3600),
            now,
        )
    }

    pub(crate) fn catalyst(now: SystemTime) -> Self {
        let life = Duration::from_secs(365 * 24 * 3600);
        Self::with(Suite::EcdsaP256, Some(Suite::MlDsa65), &domain(), None, life, now)
    }

    pub(crate) fn with(
        suite: Suite,
        alternative: Option<Suite>,
        trust_domain: &TrustDomain,
        path_len: Option<u8>,
        ttl: Duration,
        now: SystemTime,
    ) -> Self {
        let key = PrivateKey::generate(suite).unwrap();
        let alternative = alternative.map(|suite| PrivateKey::generate(suite).unwrap());
        let serial = Serial::random(random::fill).unwrap();
        Self::of(key, alternative, serial, trust_domain, path_len, ttl, now)
    }

    /// One with the same key and the same name, under which others stand.
    pub(crate) fn twin(&self, path_len: Option<u8>, now: SystemTime) -> Self {
        let key = self.key.to_pkcs8_der().unwrap();
        let key = PrivateKey::from_pkcs8_der(&key).unwrap();
        let life = Duration::from_secs(365 * 24 * 3600);
        Self::of(key, None, self.serial, &domain(), path_len, life, now)
    }

    fn of(
        key: PrivateKey,
        alternative: Option<PrivateKey>,
        serial: Serial,
        trust_domain: &TrustDomain,
        path_len: Option<u8>,
        ttl: Duration,
        now: SystemTime,
    ) -> Self {
        let keys = match &alternative {
            Some(alternative) => {
                AuthorityKeys::catalyst(key.signer().unwrap(), alternative.signer().unwrap()).unwrap()
            }
            None => key.signer().unwrap().into(),
        };
        let spec = AuthoritySpec {
            trust_domain,
            ttl,
            path_len,
        };
        let linted = prepare_authority(&spec, &keys, serial, now).unwrap();
        let certificate = Certificate::from_der(linted.sign(&keys).unwrap().der()).unwrap();
        Self {
            certificate,
            key,
            alternative,
            serial,
        }
    }

    pub(crate) fn signer(&self) -> SuiteSigner {
        self.key.signer().unwrap()
    }

    /// Its subject key identifier, as APIs name it.
    pub(crate) fn id(&self) -> String {
        X509Authority::new(self.certificate.clone()).id().to_string()
    }

    /// Writes `<name>.pem`, `<name>.key` and, if there is one, `<name>.alternative.key`, in place of what was there.
    pub(crate) fn write(&self, dir: &Path, name: &str) {
        let put = |ending: &str, text: &str| std::fs::write(file(dir, name, ending), text).unwrap();
        put("pem", &pem::encode_certificates([&self.certificate]));
        put("key", &pem::encode_private_key(&self.key).unwrap());
        if let Some(key) = &self.alternative {
            put("alternative.key", &pem::encode_private_key(key).unwrap());
        }
    }
}

pub(crate) fn file(dir: &Path, name: &str, ending: &str) -> PathBuf {
    dir.join(format!("{name}.{ending}"))
}
