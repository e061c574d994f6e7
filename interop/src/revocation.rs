//! A chain with the revocation lists of its authorities.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use symbolon_issuance::crl::{CrlRequest, Revoked, prepare_crl};
use symbolon_issuance::{Authority, Serial};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::crl::RevocationReason;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;

use crate::chain::{Chain, Issuer};

/// A chain, the list of its root, and two lists of the authority below.
#[derive(Clone, Debug)]
pub struct Revocable {
    /// The chain.
    pub chain: Chain,
    /// DER of the root's list, which names another certificate than the authority below.
    pub root: Vec<u8>,
    /// DER of a list of the authority below that names another certificate than the leaf.
    pub clean: Vec<u8>,
    /// DER of its next list, which names the leaf.
    pub revoking: Vec<u8>,
}

impl Revocable {
    /// Issues a chain of one suite and the lists.
    ///
    /// # Errors
    /// If any step of the issuing path refuses.
    pub fn issue(suite: Suite) -> Result<Self> {
        Self::of(Issuer::new(suite)?, format!("{}/{suite}", suite.form()))
    }

    /// The same with catalyst certificates and lists.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn catalyst(native: Suite, alternative: Suite) -> Result<Self> {
        let form = format!("catalyst/{native} with {alternative}");
        Self::of(Issuer::catalyst(native, alternative)?, form)
    }

    fn of(issuer: Issuer, form: String) -> Result<Self> {
        let chain = Chain::below(&issuer, form)?;
        let other = Serial::random(symbolon_crypto::random::fill)?;
        let leaf = serial(&Certificate::from_der(&chain.leaf)?)?;
        Ok(Self {
            root: list(&issuer.root, 1, &[other])?,
            clean: list(&issuer.below, 1, &[other])?,
            revoking: list(&issuer.below, 2, &[other, leaf])?,
            chain,
        })
    }

    /// Writes the chain into a folder as [`Chain::write`] does, and the lists as `root-crl`, `clean-crl` and
    /// `revoking-crl`, each `.der` and `.pem`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        self.chain.write(folder)?;
        for (name, der) in [
            ("root-crl", &self.root),
            ("clean-crl", &self.clean),
            ("revoking-crl", &self.revoking),
        ] {
            let path = folder.join(name);
            fs::write(path.with_extension("der"), der)
                .and_then(|()| {
                    fs::write(
                        path.with_extension("pem"),
                        pem::encode("X509 CRL", der).as_bytes(),
                    )
                })
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

fn list(authority: &Authority, number: u64, serials: &[Serial]) -> Result<Vec<u8>> {
    let now = SystemTime::now();
    let revoked: Vec<Revoked> = serials
        .iter()
        .map(|serial| Revoked {
            serial: *serial,
            at: now,
            reason: RevocationReason::KeyCompromise,
            invalid_since: None,
        })
        .collect();
    let request = CrlRequest {
        number,
        revoked: &revoked,
        ttl: Duration::from_secs(30 * 60),
        now,
    };
    Ok(prepare_crl(authority, &request)?.sign(authority)?.der().to_vec())
}

fn serial(certificate: &Certificate) -> Result<Serial> {
    let number = u128::from_str_radix(&certificate.serial_hex(), 16).context("not a serial of ours")?;
    Ok(Serial::from_bytes(number.to_be_bytes())?)
}
