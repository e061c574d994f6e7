//! An authority that no program reaches: requests go out as files, and certificates come back as files.
//!
//! For a family `classical` that is `classical.csr.pem` in the directory of the upstream; what is signed is put beside it as
//! `classical.chain.pem`, which is what a key ceremony writes: the certificate, what leads up to the root, the root. It is
//! taken when it has stood still from one look to the next, so that nobody reads what is still being copied. A directory that
//! cannot be read or written is an upstream that cannot be reached, and says nothing of what lies in it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use symbolon_host::file::write_whole;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::pem;
use symbolon_pki::suite::Family;

use super::disk::{bytes, certificates_in};
use super::files::Files;
use super::{Answer, MintOrder, Minted, Upstream, UpstreamError};

/// An authority that is reached by carrying files.
#[derive(Clone, Debug)]
pub struct Offline {
    dir: PathBuf,
    files: Files,
    /// What each family's certificate looked like at the last look.
    seen: Arc<Mutex<BTreeMap<Family, Seen>>>,
}

/// What a file looks like that somebody may still be copying: how long it is, and when it was last written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Seen {
    len: u64,
    modified: Option<SystemTime>,
}

impl Offline {
    /// The authority whose files are in this directory, which has to be there.
    pub fn new(dir: PathBuf) -> Self {
        Self::with(dir, Files::default())
    }

    pub(super) fn with(dir: PathBuf, files: Files) -> Self {
        Self {
            dir,
            files,
            seen: Arc::default(),
        }
    }

    /// Sees whether the directory is there.
    ///
    /// # Errors
    /// [`UpstreamError::Material`].
    pub fn check(&self) -> Result<(), UpstreamError> {
        match std::fs::metadata(&self.dir) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(self.failed(&self.dir, "it is no directory")),
            Err(error) => Err(self.failed(&self.dir, error)),
        }
    }

    fn file(&self, family: Family, ending: &str) -> PathBuf {
        self.dir.join(format!("{family}.{ending}"))
    }

    fn failed(&self, path: &Path, reason: impl std::fmt::Display) -> UpstreamError {
        UpstreamError::Material(format!("{}: {reason}", path.display()))
    }

    fn write_request(&self, family: Family, csr: &[u8]) -> Result<(), UpstreamError> {
        let (path, text) = (
            self.file(family, "csr.pem"),
            pem::encode(pem::CERTIFICATE_REQUEST, csr),
        );
        if std::fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        write_whole(&path, text.as_bytes(), 0o644).map_err(|error| away(&path, error))?;
        tracing::info!(event = "upstream.request_written", %family, path = %path.display());
        Ok(())
    }

    fn read_brought(&self, family: Family) -> Result<Option<Minted>, UpstreamError> {
        let path = self.file(family, "chain.pem");
        let Some(found) = look(&path)? else {
            return Ok(None);
        };
        if self.seen().insert(family, found) != Some(found) {
            // Half of what is still being copied is no certificate to refuse.
            return Ok(None);
        }
        let brought = bytes(&path).map_err(|error| away(&path, error))?;
        let (roots, chain): (Vec<Certificate>, Vec<Certificate>) = certificates_in(&path, &brought)?
            .into_iter()
            .partition(Certificate::is_self_issued);
        if roots.is_empty() {
            return Err(self.failed(&path, "it holds no root; put the root after the certificate"));
        }
        Ok(Some(Minted { chain, roots }))
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<Family, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_away(&self, family: Family, refusal: Option<&str>) -> Result<(), UpstreamError> {
        let brought = self.file(family, "chain.pem");
        // Somebody may have brought another since, or carried it off: what was judged is what was seen.
        let is_there =
            || look(&brought).map(|found| found.is_some() && self.seen().get(&family) == found.as_ref());
        let aside = match refusal {
            Some(_) if !is_there()? => return Ok(()),
            Some(reason) => {
                let note = self.file(family, "refused.txt");
                write_whole(&note, format!("{reason}\n").as_bytes(), 0o644)
                    .map_err(|error| away(&note, error))?;
                self.file(family, "refused.pem")
            }
            None => {
                for ending in ["csr.pem", "refused.pem", "refused.txt"] {
                    let path = self.file(family, ending);
                    match std::fs::remove_file(&path) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {
                            return Err(away(&path, error));
                        }
                        _ => {}
                    }
                }
                self.file(family, "taken.pem")
            }
        };
        if is_there()? {
            std::fs::rename(&brought, &aside).map_err(|error| away(&brought, error))?;
            self.seen().remove(&family);
        }
        Ok(())
    }
}

/// What a file looks like, if there is one.
fn look(path: &Path) -> Result<Option<Seen>, UpstreamError> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Some(Seen {
            len: found.len(),
            modified: found.modified().ok(),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(away(path, error)),
    }
}

/// What the system says of where a file is says nothing of the file.
fn away(path: &Path, error: impl std::fmt::Display) -> UpstreamError {
    UpstreamError::Unavailable(format!("{}: {error}", path.display()))
}

#[async_trait]
impl Upstream for Offline {
    fn kind(&self) -> &'static str {
        "offline"
    }

    fn is_offline(&self) -> bool {
        true
    }

    /// The request is written when the journal knows of it.
    async fn mint(&self, _order: &MintOrder) -> Result<Answer, UpstreamError> {
        Ok(Answer::Awaited)
    }

    async fn hand_out(&self, family: Family, csr: &[u8]) -> Result<(), UpstreamError> {
        let (this, csr) = (self.clone(), csr.to_vec());
        self.files.work(move || this.write_request(family, &csr)).await
    }

    async fn brought(&self, family: Family) -> Result<Option<Minted>, UpstreamError> {
        let this = self.clone();
        self.files.work(move || this.read_brought(family)).await
    }

    async fn judged(&self, family: Family, refusal: Option<&str>) -> Result<(), UpstreamError> {
        let (this, refusal) = (self.clone(), refusal.map(ToOwned::to_owned));
        self.files
            .work(move || this.put_away(family, refusal.as_deref()))
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_nobody_looked_at_is_not_put_away() {
        const ANOTHER: &str = "another one, which was brought while the first was judged";
        for refusal in [Some("it is no certificate"), None] {
            let dir = tempfile::tempdir().unwrap();
            let patient = Files::hasty(Duration::from_secs(3600));
            let offline = Offline::with(dir.path().to_owned(), patient);
            let file = |ending: &str| dir.path().join(format!("ml-dsa.{ending}"));
            fs::write(file("chain.pem"), "rubbish").unwrap();
            assert!(offline.brought(Family::MlDsa).await.unwrap().is_none());
            let error = offline.brought(Family::MlDsa).await.unwrap_err();
            assert!(matches!(error, UpstreamError::Material(_)), "{error}");

            fs::write(file("chain.pem"), ANOTHER).unwrap();
            offline.judged(Family::MlDsa, refusal).await.unwrap();
            assert_eq!(fs::read_to_string(file("chain.pem")).unwrap(), ANOTHER);
            // Nor is it an error that it was carried off.
            fs::remove_file(file("chain.pem")).unwrap();
            offline.judged(Family::MlDsa, refusal).await.unwrap();
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{refusal:?}");
        }
    }
}
