//! An authority and a workload's CSR, both of one suite, and the way from one to the other.

use std::error::Error;
use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::random;
use symbolon_issuance::{
    Authority, AuthoritySpec, Beside, Serial, SvidProfile, SvidRequest, prepare_authority, prepare_svid,
};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::key::{PrivateKey, SuitePublicKey, SuiteSigner};
use symbolon_pki::suite::Suite;

/// What any of this can fail with; benches end with it.
pub type AnyError = Box<dyn Error + Send + Sync>;

/// An authority in memory, and everything the primitives under one issuance need.
pub struct Issuer {
    authority: Authority,
    workload: SpiffeId,
    csr: Vec<u8>,
    /// The workload's public key, with what its CSR signs and the signature, for the bare verification.
    proof: (SuitePublicKey, Vec<u8>, Vec<u8>),
    /// The authority's signer, with bytes of the size it signs, for the bare signature.
    to_sign: (SuiteSigner, Vec<u8>),
    now: SystemTime,
}

impl Issuer {
    /// An authority of `suite`, and a CSR with a new key of the same suite.
    ///
    /// # Errors
    /// Whatever goes wrong in making them.
    pub fn new(suite: Suite) -> Result<Self, AnyError> {
        Self::with(PrivateKey::generate(suite)?.signer()?)
    }

    /// An authority whose key is somewhere else, and a CSR with a new software key of the same suite.
    ///
    /// # Errors
    /// Whatever goes wrong in making them.
    pub fn with(signer: SuiteSigner) -> Result<Self, AnyError> {
        let suite = signer.suite();
        let now = SystemTime::now();
        let trust_domain = TrustDomain::new("example.org")?;
        let spec = AuthoritySpec {
            trust_domain: &trust_domain,
            ttl: Duration::from_secs(86_400),
            path_len: None,
        };
        let root = prepare_authority(&spec, &signer, Serial::random(random::fill)?, now)?.sign(&signer)?;
        let authority = Authority::new(Certificate::from_der(root.der())?, signer.clone())?;
        let workload = SpiffeId::new("spiffe://example.org/ns/production/sa/payments")?;

        let key = PrivateKey::generate(suite)?.signer()?;
        let csr = CsrBuilder::new(&key).spiffe_id(&workload).build()?;
        let request_info = vec![0x30; csr.len() / 3];
        let proof = key.sign(&request_info)?;
        let mut issuer = Self {
            authority,
            workload,
            csr,
            proof: (key.public_key().clone(), request_info, proof),
            to_sign: (signer, Vec::new()),
            now,
        };
        // What the authority signs is as long as what it really signs: hashing is part of a signature.
        issuer.to_sign.1 = vec![0x30; issuer.prepare()?.tbs_der().len()];
        Ok(issuer)
    }

    fn prepare(&self) -> Result<symbolon_issuance::Linted, AnyError> {
        let csr = Csr::from_der(&self.csr)?;
        let request = SvidRequest {
            profile: SvidProfile::Workload,
            spiffe_id: &self.workload,
            key: csr.key(),
            beside: Beside::Nothing,
            dns_names: &[],
            ttl: Duration::from_secs(3600),
            serial: Serial::random(random::fill)?,
            now: self.now,
        };
        Ok(prepare_svid(&self.authority, &request)?)
    }

    /// The whole hot path: CSR bytes in, certificate bytes out.
    ///
    /// # Errors
    /// None with the CSR made here.
    pub fn issue(&self) -> Result<Vec<u8>, AnyError> {
        Ok(self.prepare()?.sign(&self.authority)?.into_der())
    }

    /// Bytes of the size that the authority signs.
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign.1
    }

    /// The verifications that issuance by a key of somebody else's cannot do without: the workload's signature, and
    /// what the authority's key made, here `signature` over [`to_sign`](Self::to_sign).
    ///
    /// # Errors
    /// When `signature` is wrong.
    pub fn verifications(&self, signature: &[u8]) -> Result<(), AnyError> {
        self.verify_proof()?;
        let (signer, bytes) = &self.to_sign;
        Ok(signer.public_key().verify(bytes, signature)?)
    }

    fn verify_proof(&self) -> Result<(), AnyError> {
        let (key, message, signature) = &self.proof;
        // The key is parsed anew each time, as it must be for a CSR: verifying starts from bytes.
        Ok(SuitePublicKey::parse(key.suite(), key.as_bytes())?.verify(message, signature)?)
    }

    /// What no issuance can do without: one verification of the workload's signature and one signature of the
    /// authority's, over as many bytes.
    ///
    /// # Errors
    /// None with the keys made here.
    pub fn primitives(&self) -> Result<Vec<u8>, AnyError> {
        self.verify_proof()?;
        let (signer, bytes) = &self.to_sign;
        Ok(signer.sign(bytes)?)
    }
}
