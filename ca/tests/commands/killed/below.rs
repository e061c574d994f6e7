//! What a victim's authorities stand below: a server above, which is kept in a directory, and a root that somebody carries
//! requests to.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use symbolon_ca::upstream::{NamedUpstream, Offline, Upstream};
use symbolon_crypto::random;
use symbolon_issuance::Serial;
use symbolon_issuance::{
    Authority, AuthorityKeys, AuthoritySpec, IntermediateRequest, prepare_authority, prepare_intermediate,
};
use symbolon_pki::csr::Csr;
use symbolon_pki::pem;

use super::super::*;
use crate::kept::{Kept, Point};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Where everything is that a victim leaves behind.
pub(super) struct Site {
    pub(super) dir: PathBuf,
    pub(super) above: Arc<Kept>,
    point: Point,
}

impl Site {
    pub(super) fn new(dir: &Path, point: Point) -> Self {
        fs::create_dir_all(dir.join("carried")).unwrap();
        Self {
            dir: dir.to_owned(),
            above: above(dir, &point, TestClock::new().now()),
            point,
        }
    }

    /// The families: two below the server above, one below the root that nobody reaches.
    pub(super) fn settings(&self, suite: Suite) -> AuthoritySettings {
        let named = |name: &str, upstream: Arc<dyn Upstream>| {
            let name = name.parse().unwrap();
            Some(NamedUpstream { name, upstream })
        };
        let above = named("above", self.above.clone());
        let ceremony = named("ceremony", Arc::new(Offline::new(self.dir.join("carried"))));
        let family = |family, suite, upstream| FamilySettings {
            upstream,
            ..FamilySettings::new(family, suite, vec![store_name()])
        };
        AuthoritySettings {
            families: vec![
                family(Family::Classical, Suite::EcdsaP256, above.clone()),
                family(Family::MlDsa, suite, ceremony),
                family(Family::Jwt, Suite::EcdsaP256, above),
            ],
            ..settings(Suite::EcdsaP256)
        }
    }

    /// The server above has another root from now on, and none but that.
    pub(super) fn replace_root(&self, now: SystemTime) {
        fs::remove_file(self.dir.join("above/root.pem")).unwrap();
        above(&self.dir, &self.point, now);
    }

    /// Signs the request that waits, if one does, and brings the certificate.
    pub(super) fn bring(&self, now: SystemTime) -> bool {
        let Ok(request) = fs::read(self.dir.join("carried/ml-dsa.csr.pem")) else {
            return false;
        };
        let csr = Csr::from_der(&pem::certificate_request(&request).unwrap()).unwrap();
        let (certificate, key) = self.offline_root(now);
        let authority = Authority::new(certificate.clone(), key.signer().unwrap()).unwrap();
        let request = IntermediateRequest {
            key: csr.key(),
            alternative: None,
            ttl: YEAR / 4,
            path_len: Some(0),
            serial: Serial::random(random::fill).unwrap(),
            now,
        };
        let linted = prepare_intermediate(&authority, &request).unwrap();
        let signed = Certificate::from_der(linted.sign(&authority).unwrap().der()).unwrap();
        let chain = pem::encode_certificates([&signed, &certificate]);
        fs::write(self.dir.join("carried/ml-dsa.chain.pem"), chain).unwrap();
        true
    }

    fn offline_root(&self, now: SystemTime) -> (Certificate, PrivateKey) {
        let (certificate, key) = (self.dir.join("ceremony.pem"), self.dir.join("ceremony.key"));
        if !certificate.exists() {
            let made = PrivateKey::generate(Suite::MlDsa44).unwrap();
            let keys = AuthorityKeys::from(made.signer().unwrap());
            let spec = AuthoritySpec {
                trust_domain: &TrustDomain::new("example.org").unwrap(),
                ttl: YEAR,
                path_len: None,
            };
            let linted = prepare_authority(&spec, &keys, Serial::random(random::fill).unwrap(), now).unwrap();
            let root = Certificate::from_der(linted.sign(&keys).unwrap().der()).unwrap();
            fs::write(&key, pem::encode_private_key(&made).unwrap()).unwrap();
            fs::write(&certificate, pem::encode_certificates([&root])).unwrap();
        }
        let read = fs::read(&certificate).unwrap();
        (
            pem::certificates(&read).unwrap().remove(0).unwrap(),
            pem::private_key(&fs::read(&key).unwrap()).unwrap(),
        )
    }
}

fn above(dir: &Path, point: &Point, now: SystemTime) -> Arc<Kept> {
    let trust_domain = TrustDomain::new("example.org").unwrap();
    Arc::new(Kept::open(&dir.join("above"), &trust_domain, now, point.clone()))
}
