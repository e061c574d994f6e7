//! An upstream that is kept in a directory: whoever asks it may die meanwhile, and find it as it was.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_ca::datastore::AuthorityKind;
use symbolon_ca::upstream::{Answer, Disk, DiskFiles, MintOrder, Upstream, UpstreamBundle, UpstreamError};
use symbolon_crypto::random;
use symbolon_issuance::{AuthorityKeys, AuthoritySpec, Serial, prepare_authority};
use symbolon_pki::bundle::JwtAuthority;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;
use symbolon_pki::time::{from_unix_seconds, unix_seconds};

/// Called where whoever asks may die: before and after whatever is done.
pub(crate) type Point = Arc<dyn Fn() + Send + Sync>;

/// A server above, whose root is in files, and whose published keys are too, one in a file.
pub(crate) struct Kept {
    dir: PathBuf,
    root: Disk,
    point: Point,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("dir", &self.dir).finish()
    }
}

impl Kept {
    /// The one in this directory; made, with a root of its own, if it is not there.
    pub(crate) fn open(dir: &Path, trust_domain: &TrustDomain, now: SystemTime, point: Point) -> Self {
        let (certificate, key) = (dir.join("root.pem"), dir.join("root.key"));
        if !certificate.exists() {
            std::fs::create_dir_all(dir.join("keys")).unwrap();
            let made = PrivateKey::generate(Suite::EcdsaP256).unwrap();
            let keys = AuthorityKeys::from(made.signer().unwrap());
            let spec = AuthoritySpec {
                trust_domain,
                ttl: Duration::from_secs(365 * 24 * 3600),
                path_len: None,
            };
            let linted = prepare_authority(&spec, &keys, Serial::random(random::fill).unwrap(), now).unwrap();
            let root = Certificate::from_der(linted.sign(&keys).unwrap().der()).unwrap();
            std::fs::write(&key, pem::encode_private_key(&made).unwrap()).unwrap();
            std::fs::write(&certificate, pem::encode_certificates([&root])).unwrap();
        }
        let files = DiskFiles {
            certificate,
            key,
            alternative_key: None,
            bundle: None,
        };
        Self {
            dir: dir.to_owned(),
            root: Disk::new(trust_domain.clone(), files),
            point,
        }
    }

    /// The keys of a kind that were published, in no order.
    pub(crate) fn published(&self, kind: AuthorityKind) -> Vec<JwtAuthority> {
        let files = std::fs::read_dir(self.dir.join("keys")).unwrap();
        let read = |path: PathBuf| {
            let name = path
                .file_name()?
                .to_str()?
                .strip_prefix(kind.name())?
                .strip_prefix('.')?
                .to_owned();
            let (key_id, expires_at) = name.rsplit_once('.')?;
            let mut key = JwtAuthority::from_spki_der(key_id, &std::fs::read(&path).ok()?).ok()?;
            key.expires_at = from_unix_seconds(expires_at.parse().ok()?);
            Some(key)
        };
        files.filter_map(|file| read(file.unwrap().path())).collect()
    }
}

#[async_trait]
impl Upstream for Kept {
    fn kind(&self) -> &'static str {
        "kept"
    }

    async fn mint(&self, order: &MintOrder) -> Result<Answer, UpstreamError> {
        (self.point)();
        let answer = self.root.mint(order).await;
        (self.point)();
        answer
    }

    async fn publish(&self, kind: AuthorityKind, key: &JwtAuthority) -> Result<(), UpstreamError> {
        (self.point)();
        let expires_at = key.expires_at.map_or(0, unix_seconds);
        let name = format!("{}.{}.{expires_at}", kind.name(), key.key_id);
        std::fs::write(self.dir.join("keys").join(name), key.spki_der()).unwrap();
        (self.point)();
        Ok(())
    }

    async fn bundle(&self) -> Result<Option<UpstreamBundle>, UpstreamError> {
        (self.point)();
        let mut bundle = self.root.bundle().await?.unwrap_or_default();
        bundle.authorities.jwt = self.published(AuthorityKind::Jwt);
        bundle.authorities.wit = self.published(AuthorityKind::Wit);
        bundle.is_all = true;
        Ok(Some(bundle))
    }
}
