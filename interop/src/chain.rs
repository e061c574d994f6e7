//! Chains as `issuance/` makes them, in this process: what peers are asked to verify.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use spiffe::{SpiffeId, TrustDomain};
use symbolon_issuance::{
    Authority, AuthorityKeys, AuthoritySpec, Beside, IntermediateRequest, Serial, SvidProfile, SvidRequest,
    prepare_authority, prepare_intermediate, prepare_svid,
};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::key::{PrivateKey, SubjectKey, SuiteSigner};
use symbolon_pki::pem;
use symbolon_pki::suite::{Form, Suite};

/// The trust domain of everything that is issued here.
pub const TRUST_DOMAIN: &str = "example.org";

/// The SPIFFE ID of the workload at the end of every chain.
pub const WORKLOAD: &str = "spiffe://example.org/interop/workload";

const HOUR: Duration = Duration::from_secs(60 * 60);

/// An authority, one below it, and a workload's SVID below that.
#[derive(Clone, Debug)]
pub struct Chain {
    /// What signs and what is certified below the root; of catalyst certificates the native half of that.
    pub suite: Suite,
    /// The form of the SVID, and what it is made of, as the interop table has it: `ml-dsa/ml-dsa-65`.
    pub form: String,
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
    /// The workload's alternative key, of a catalyst SVID.
    pub alternative: Option<PrivateKey>,
}

impl Chain {
    /// Issues a chain that is valid from now on: the root for a day, what is below for an hour.
    ///
    /// # Errors
    /// If any step of the issuing path refuses.
    pub fn issue(suite: Suite) -> Result<Self> {
        Self::below(&Issuer::new(suite)?, format!("{}/{suite}", suite.form()))
    }

    /// Issues a chain whose root is of another suite than what is below it.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn rooted(root: Suite, suite: Suite) -> Result<Self> {
        let form = format!("{}/{suite} under {root}", suite.form());
        Self::below(&Issuer::rooted(root, suite)?, form)
    }

    /// Issues a catalyst chain: both keys and both signatures all the way up.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn catalyst(native: Suite, alternative: Suite) -> Result<Self> {
        let form = format!("{}/{native} with {alternative}", Form::Catalyst);
        Self::below(&Issuer::catalyst(native, alternative)?, form)
    }

    /// Issues a pair: a classical chain, and an ML-DSA one whose SVID names the first's.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn paired(first: Suite, second: Suite) -> Result<[Self; 2]> {
        let first = Self {
            form: format!("{}/{first}", Form::Paired),
            ..Self::issue(first)?
        };
        let issuer = Issuer::new(second)?;
        let key = PrivateKey::generate(second)?;
        let certificate = Certificate::from_der(&first.leaf)?;
        let csr = CsrBuilder::new(&key.signer()?)
            .related_to(&certificate, &first.key.signer()?, SystemTime::now())
            .build()?;
        let leaf = issuer.answer_related(&csr, WORKLOAD, &[], &certificate)?;
        let form = format!("{}/{second}", Form::Paired);
        let second = Self::of(&issuer, form, leaf, csr, key);
        Ok([first, second])
    }

    /// Issues an SVID of [`WORKLOAD`] below.
    pub(crate) fn below(issuer: &Issuer, form: String) -> Result<Self> {
        let (key, alternative) = issuer.keys()?;
        let csr = request(&key, alternative.as_ref())?;
        let leaf = issuer.answer(&csr, WORKLOAD, &[])?;
        Ok(Self {
            alternative,
            ..Self::of(issuer, form, leaf, csr, key)
        })
    }

    fn of(issuer: &Issuer, form: String, leaf: Vec<u8>, csr: Vec<u8>, key: PrivateKey) -> Self {
        Self {
            suite: issuer.below.suite(),
            form,
            root: issuer.root.certificate().der().to_vec(),
            intermediate: issuer.below.certificate().der().to_vec(),
            leaf,
            csr,
            key,
            alternative: None,
        }
    }

    /// Its certificates with their names, leaf first.
    pub fn certificates(&self) -> [(&'static str, &[u8]); 3] {
        [
            ("leaf", &self.leaf),
            ("intermediate", &self.intermediate),
            ("root", &self.root),
        ]
    }

    /// Writes it into a folder: `root.der`, `intermediate.der`, `leaf.der`, `csr.der`, `spki.der`, `key.der`
    /// (PKCS#8) and, where there is one, `alternative.der` (PKCS#8), and beside each the same as `.pem`.
    ///
    /// # Errors
    /// If a file cannot be written, or the key not encoded.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let spki = self.key.public_key()?.spki_der();
        let key = self.key.to_pkcs8_der()?;
        let alternative = self.alternative.as_ref().map(PrivateKey::to_pkcs8_der);
        let alternative = alternative.transpose()?;
        let mut files: Vec<(&str, &str, &[u8])> = vec![
            ("root", "CERTIFICATE", &self.root),
            ("intermediate", "CERTIFICATE", &self.intermediate),
            ("leaf", "CERTIFICATE", &self.leaf),
            ("csr", "CERTIFICATE REQUEST", &self.csr),
            ("spki", "PUBLIC KEY", &spki),
            ("key", "PRIVATE KEY", &key),
        ];
        files.extend(
            alternative
                .as_ref()
                .map(|key| ("alternative", "PRIVATE KEY", &key[..])),
        );
        for (name, label, der) in files {
            let path = folder.join(name);
            fs::write(path.with_extension("der"), der)
                .and_then(|()| fs::write(path.with_extension("pem"), pem::encode(label, der).as_bytes()))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// A self-signed authority and one below it.
#[derive(Debug)]
pub struct Issuer {
    /// What peers trust.
    pub root: Authority,
    /// What signs SVIDs.
    pub below: Authority,
}

impl Issuer {
    /// Makes both of one suite: the root for a day, the one below it for an hour.
    ///
    /// # Errors
    /// If any step of the issuing path refuses.
    pub fn new(suite: Suite) -> Result<Self> {
        Self::rooted(suite, suite)
    }

    /// Makes them of two suites.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn rooted(root: Suite, suite: Suite) -> Result<Self> {
        Self::make(new_signer(root)?, new_signer(suite)?)
    }

    /// Makes catalyst authorities.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn catalyst(native: Suite, alternative: Suite) -> Result<Self> {
        let keys = || -> Result<_> {
            let (native, alternative) = (new_signer(native)?, new_signer(alternative)?);
            Ok(AuthorityKeys::catalyst(native, alternative)?)
        };
        Self::make(keys()?, keys()?)
    }

    fn make(root: impl Into<AuthorityKeys>, below: impl Into<AuthorityKeys>) -> Result<Self> {
        let now = SystemTime::now();
        let root = authority(root.into(), now)?;
        let keys = below.into();
        let alternative = keys.alternative().map(public);
        let request = IntermediateRequest {
            key: &public(keys.signer()),
            alternative: alternative.as_ref(),
            ttl: HOUR,
            path_len: Some(0),
            serial: serial()?,
            now,
        };
        let issued = prepare_intermediate(&root, &request)?.sign(&root)?;
        let below = Authority::new(Certificate::from_der(issued.der())?, keys)?;
        Ok(Self { root, below })
    }

    /// New keys for an SVID of the form that is issued here: one, or a native and an alternative one.
    ///
    /// # Errors
    /// If they cannot be generated.
    pub fn keys(&self) -> Result<(PrivateKey, Option<PrivateKey>)> {
        let alternative = self.below.alternative().map(|signer| signer.suite());
        Ok((
            PrivateKey::generate(self.below.suite())?,
            alternative.map(PrivateKey::generate).transpose()?,
        ))
    }

    /// Answers a request with an SVID for an hour.
    ///
    /// # Errors
    /// If the request is not one that we take, or the issuing path refuses.
    pub fn answer(&self, csr: &[u8], id: &str, dns_names: &[String]) -> Result<Vec<u8>> {
        svid(&self.below, csr, None, id, dns_names)
    }

    /// Answers a request for the second certificate of a pair.
    ///
    /// # Errors
    /// As [`answer`](Self::answer), and if it does not prove possession of the first.
    pub fn answer_related(
        &self,
        csr: &[u8],
        id: &str,
        dns_names: &[String],
        first: &Certificate,
    ) -> Result<Vec<u8>> {
        svid(&self.below, csr, Some(first), id, dns_names)
    }
}

/// A request for nothing but a certificate of the key, or of both keys.
///
/// # Errors
/// If a key cannot sign it.
pub fn request(key: &PrivateKey, alternative: Option<&PrivateKey>) -> Result<Vec<u8>> {
    let signer = key.signer()?;
    let Some(alternative) = alternative else {
        return Ok(CsrBuilder::new(&signer).build()?);
    };
    let alternative = alternative.signer()?;
    Ok(CsrBuilder::new(&signer).alternative(&alternative).build()?)
}

/// A self-signed authority of a day.
///
/// # Errors
/// If the issuing path refuses.
pub fn self_signed(suite: Suite, now: SystemTime) -> Result<Authority> {
    authority(new_signer(suite)?.into(), now)
}

fn authority(keys: AuthorityKeys, now: SystemTime) -> Result<Authority> {
    let spec = AuthoritySpec {
        trust_domain: &TrustDomain::new(TRUST_DOMAIN)?,
        ttl: 24 * HOUR,
        path_len: None,
    };
    let issued = prepare_authority(&spec, &keys, serial()?, now)?.sign(&keys)?;
    Ok(Authority::new(Certificate::from_der(issued.der())?, keys)?)
}

/// Answers a request with the SVID of [`WORKLOAD`], for an hour.
///
/// # Errors
/// If the request is not one that we take, or the issuing path refuses.
pub fn sign_csr(authority: &Authority, csr: &[u8]) -> Result<Vec<u8>> {
    svid(authority, csr, None, WORKLOAD, &[])
}

fn svid(
    authority: &Authority,
    csr: &[u8],
    first: Option<&Certificate>,
    id: &str,
    dns_names: &[String],
) -> Result<Vec<u8>> {
    let now = SystemTime::now();
    let csr = Csr::from_der(csr)?;
    let related = first
        .map(|first| {
            let request = csr
                .related_request()
                .context("the request names no certificate")?;
            anyhow::Ok(request.prove(first, now)?)
        })
        .transpose()?;
    let beside = match (&related, csr.alternative_key()) {
        (Some(related), _) => Beside::Related(related),
        (None, Some(key)) => Beside::Alternative(key),
        (None, None) => Beside::Nothing,
    };
    let request = SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id: &SpiffeId::new(id)?,
        key: csr.key(),
        beside,
        dns_names,
        ttl: HOUR,
        serial: serial()?,
        now,
    };
    Ok(prepare_svid(authority, &request)?.sign(authority)?.into_der())
}

fn public(signer: &SuiteSigner) -> SubjectKey {
    SubjectKey::Suite(signer.public_key().clone())
}

fn new_signer(suite: Suite) -> Result<SuiteSigner> {
    Ok(PrivateKey::generate(suite)?.signer()?)
}

fn serial() -> Result<Serial> {
    Ok(Serial::random(symbolon_crypto::random::fill)?)
}
