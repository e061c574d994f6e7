//! Chains as `issuance/` makes them, in this process: what peers are asked to verify.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use spiffe::{SpiffeId, TrustDomain};
use symbolon_issuance::{
    Authority, AuthoritySpec, Beside, IntermediateRequest, Serial, SvidProfile, SvidRequest,
    prepare_authority, prepare_intermediate, prepare_svid,
};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::key::{PrivateKey, SubjectKey, SuiteSigner};
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;

/// The trust domain of everything that is issued here.
pub const TRUST_DOMAIN: &str = "example.org";

/// The SPIFFE ID of the workload at the end of every chain.
pub const WORKLOAD: &str = "spiffe://example.org/interop/workload";

const HOUR: Duration = Duration::from_secs(60 * 60);

/// An authority, one below it, and a workload's SVID below that, all of one suite.
#[derive(Clone, Debug)]
pub struct Chain {
    /// What signs and what is certified.
    pub suite: Suite,
    /// DER of the self-signed authority: what peers trust.
    pub root: Vec<u8>,
    /// DER of the authority below it.
    pub intermediate: Vec<u8>,
    /// DER of the workload's SVID.
    pub leaf: Vec<u8>,
    /// DER of the request by which the workload asked for it.
    pub csr: Vec<u8>,
    /// The workload's key.
    pub key: PrivateKey,
}

impl Chain {
    /// Issues a chain that is valid from now on: the root for a day, what is below for an hour.
    ///
    /// # Errors
    /// If any step of the issuing path refuses.
    pub fn issue(suite: Suite) -> Result<Self> {
        let issuer = Issuer::new(suite)?;
        let key = PrivateKey::generate(suite)?;
        let csr = CsrBuilder::new(&key.signer()?).build()?;
        let leaf = sign_csr(&issuer.below, &csr, SystemTime::now())?;
        Ok(Self {
            suite,
            root: issuer.root.certificate().der().to_vec(),
            intermediate: issuer.below.certificate().der().to_vec(),
            leaf,
            csr,
            key,
        })
    }

    /// Its certificates with their names, leaf first.
    pub fn certificates(&self) -> [(&'static str, &[u8]); 3] {
        [
            ("leaf", &self.leaf),
            ("intermediate", &self.intermediate),
            ("root", &self.root),
        ]
    }

    /// Writes it into a folder: `root.der`, `intermediate.der`, `leaf.der`, `csr.der`, `spki.der` and `key.der`
    /// (PKCS#8), and beside each the same as `.pem`.
    ///
    /// # Errors
    /// If a file cannot be written, or the key not encoded.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let spki = self.key.public_key()?.spki_der();
        let key = self.key.to_pkcs8_der()?;
        let files: [(&str, &str, &[u8]); 6] = [
            ("root", "CERTIFICATE", &self.root),
            ("intermediate", "CERTIFICATE", &self.intermediate),
            ("leaf", "CERTIFICATE", &self.leaf),
            ("csr", "CERTIFICATE REQUEST", &self.csr),
            ("spki", "PUBLIC KEY", &spki),
            ("key", "PRIVATE KEY", &key),
        ];
        for (name, label, der) in files {
            let path = folder.join(name);
            fs::write(path.with_extension("der"), der)
                .and_then(|()| fs::write(path.with_extension("pem"), pem::encode(label, der).as_bytes()))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// A self-signed authority and one below it, of one suite.
#[derive(Debug)]
pub struct Issuer {
    /// What peers trust.
    pub root: Authority,
    /// What signs SVIDs.
    pub below: Authority,
}

impl Issuer {
    /// Makes both: the root for a day, the one below it for an hour.
    ///
    /// # Errors
    /// If any step of the issuing path refuses.
    pub fn new(suite: Suite) -> Result<Self> {
        let now = SystemTime::now();
        let root = self_signed(suite, now)?;
        let below = below(&root, now)?;
        Ok(Self { root, below })
    }
}

/// A self-signed authority of a day.
///
/// # Errors
/// If the issuing path refuses.
pub fn self_signed(suite: Suite, now: SystemTime) -> Result<Authority> {
    let signer = new_signer(suite)?;
    let spec = AuthoritySpec {
        trust_domain: &TrustDomain::new(TRUST_DOMAIN)?,
        ttl: 24 * HOUR,
        path_len: None,
    };
    let issued = prepare_authority(&spec, &signer, serial()?, now)?.sign(&signer)?;
    Ok(Authority::new(Certificate::from_der(issued.der())?, signer)?)
}

/// An authority of an hour below another of the same suite.
fn below(authority: &Authority, now: SystemTime) -> Result<Authority> {
    let signer = new_signer(authority.suite())?;
    let request = IntermediateRequest {
        key: &SubjectKey::Suite(signer.public_key().clone()),
        alternative: None,
        ttl: HOUR,
        path_len: Some(0),
        serial: serial()?,
        now,
    };
    let issued = prepare_intermediate(authority, &request)?.sign(authority)?;
    Ok(Authority::new(Certificate::from_der(issued.der())?, signer)?)
}

/// Answers a request with the SVID of [`WORKLOAD`], for an hour.
///
/// # Errors
/// If the request is not one that we take, or the issuing path refuses.
pub fn sign_csr(authority: &Authority, csr: &[u8], now: SystemTime) -> Result<Vec<u8>> {
    let csr = Csr::from_der(csr)?;
    let request = SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id: &SpiffeId::new(WORKLOAD)?,
        key: csr.key(),
        beside: Beside::Nothing,
        dns_names: &[],
        ttl: HOUR,
        serial: serial()?,
        now,
    };
    Ok(prepare_svid(authority, &request)?.sign(authority)?.into_der())
}

fn new_signer(suite: Suite) -> Result<SuiteSigner> {
    Ok(PrivateKey::generate(suite)?.signer()?)
}

fn serial() -> Result<Serial> {
    Ok(Serial::random(symbolon_crypto::random::fill)?)
}
