//! The server's half.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::rsa::RsaScheme;
use symbolon_crypto::stock::{self, EcdsaHash};
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::verify::{VerifyOptions, verify_plain_chain};

use super::message::{Activation, Answer, Challenge, Evidence};
use super::{MAX_CERTIFICATES, METHOD};
use crate::aside::{ANSWER, PAYLOAD, asking_once};
use crate::bytes::Bytes;
use crate::certificates::{chain, common_name, fingerprint, other_fingerprint};
use crate::tpm::verifier::{fresh, is_same, public};
use crate::tpm::{
    Attest, Attested as TpmAttested, Public, check_certificate, endorsed_path, make_credential,
};
use crate::x509pop::message::{read, write};
use crate::{AttestationError, Attested, Challenger, Verifier};

/// Which devices are let in.
#[derive(Clone, Debug)]
pub struct DevIdConfig {
    /// In which agents are named.
    pub trust_domain: TrustDomain,
    /// Authorities of devices' identities.
    pub device_roots: Vec<X509Authority>,
    /// Makers' authorities of endorsement keys.
    pub endorsement_roots: Vec<X509Authority>,
}

/// Lets in devices by their identities in TPMs.
#[derive(Clone, Debug)]
pub struct DevIdVerifier(Arc<DevIdConfig>);

/// What a device is asked, and who it is if it can answer.
struct Opening {
    device: Certificate,
    attested: Attested,
    nonce: [u8; 32],
    secret: [u8; 32],
}

impl Opening {
    /// Who the device is, by its answer.
    fn judge(self, answer: &[u8]) -> Result<Attested, AttestationError> {
        let answer: Answer = read(ANSWER, answer)?;
        verify_possession(&self.device, &self.nonce, answer.device.as_slice())?;
        if !is_same(answer.activated.as_slice(), &self.secret) {
            return Err(refused(
                "the credential was not activated: the attestation key is not in the endorsed TPM",
            ));
        }
        Ok(self.attested)
    }
}

impl DevIdVerifier {
    /// A verifier that is configured so.
    pub fn new(config: DevIdConfig) -> Self {
        Self(Arc::new(config))
    }

    /// Everything that is known before the node is asked, and what it is asked.
    fn opening(&self, evidence: &[u8], now: SystemTime) -> Result<(Opening, Vec<u8>), AttestationError> {
        let evidence = Evidence::parse(evidence)?;
        for (part, bytes) in [
            ("AKPub", &evidence.attestation_public),
            ("DevIDPub", &evidence.device_public),
            ("EKCert", &evidence.endorsement_certificate),
            ("EKPub", &evidence.endorsement_public),
        ] {
            if bytes.is_empty() {
                let reason = format!("{part} is missing");
                return Err(AttestationError::Malformed {
                    field: PAYLOAD,
                    reason,
                });
            }
        }
        let chain = chain(PAYLOAD, evidence.certificates(), MAX_CERTIFICATES)?;
        let path = self.device(&chain, now)?;
        let device = chain
            .first()
            .ok_or_else(|| refused("there is no DevID certificate"))?;
        let (endorsement, key) = self.residency(&evidence, device, now)?;
        let named = |fingerprint: String| {
            let domain = &self.0.trust_domain;
            SpiffeId::new(format!("spiffe://{domain}/spire/agent/{METHOD}/{fingerprint}"))
                .map_err(|error| refused(error.to_string()))
        };
        let other = path.get(1).and_then(|issuer| other_fingerprint(device, issuer));
        let attested = Attested {
            agent_id: named(fingerprint(device))?,
            siblings: other.map(named).transpose()?.into_iter().collect(),
            selectors: selectors(&path)?,
            can_reattest: true,
        };
        let [nonce, secret] = fresh()?;
        let credential = make_credential(&endorsement, &key.name(), &secret)
            .map_err(|reason| refused(format!("no credential can be made for the TPM: {reason}")))?;
        let challenge = write(&Challenge {
            device: Bytes::from(&nonce[..]),
            activation: Some(Activation {
                credential: Bytes(credential.credential),
                secret: Bytes(credential.secret),
            }),
        });
        let opening = Opening {
            device: device.clone(),
            attested,
            nonce,
            secret,
        };
        Ok((opening, challenge))
    }

    /// The device's chain up to its authority.
    fn device(&self, chain: &[Certificate], now: SystemTime) -> Result<Vec<Certificate>, AttestationError> {
        verify_plain_chain(chain, &self.0.device_roots, now, &VerifyOptions::default())
            .map(|path| path.certificates)
            .map_err(|error| refused(format!("the DevID certificate is not accepted: {error}")))
    }

    /// The keys of the TPM, of which all is known but whether the attestation key is in it.
    fn residency(
        &self,
        evidence: &Evidence,
        device: &Certificate,
        now: SystemTime,
    ) -> Result<(Public, Public), AttestationError> {
        let endorsement_certificate = [evidence.endorsement_certificate.as_slice()];
        let endorsement_chain = chain(PAYLOAD, endorsement_certificate.into_iter(), 1)?;
        let device_public = public("DevIDPub", &evidence.device_public)?;
        let endorsement = public("EKPub", &evidence.endorsement_public)?;
        let key = public("AKPub", &evidence.attestation_public)?;
        if !endorsement.is_endorsement() {
            return Err(refused("EKPub is no decryption key that its TPM made and keeps"));
        }
        if !key.is_attestation() {
            return Err(refused(
                "AKPub is no restricted signing key that its TPM made and keeps",
            ));
        }
        if !device_public.is_kept() {
            return Err(refused(
                "DevIDPub is a key that its TPM did not make, or that could leave it",
            ));
        }
        match device.subject_key() {
            Ok(certified) if certified == device_public.key() => {}
            _ => return Err(refused("the DevID certificate is for another key than DevIDPub")),
        }
        endorsement_chain
            .first()
            .ok_or_else(|| "there is no endorsement certificate".to_owned())
            .and_then(|leaf| check_certificate(leaf, &endorsement))
            .and_then(|()| endorsed_path(&endorsement_chain, &self.0.endorsement_roots, now))
            .map_err(refused)?;
        let certified = evidence.certified.as_slice();
        key.verify(certified, evidence.certification_signature.as_slice())
            .map_err(|reason| refused(format!("CertificationSignature is refused: {reason}")))?;
        match Attest::parse(certified).map(|attest| attest.attested) {
            Ok(TpmAttested::Certify { name }) if name == device_public.name() => Ok((endorsement, key)),
            Ok(_) => Err(refused("CertifiedDevID is about another object than DevIDPub")),
            Err(reason) => Err(refused(format!("CertifiedDevID: {reason}"))),
        }
    }
}

fn refused(reason: impl Into<String>) -> AttestationError {
    AttestationError::Refused(reason.into())
}

/// Checks the device key's signature, with SHA-256, over a nonce.
fn verify_possession(device: &Certificate, nonce: &[u8], signature: &[u8]) -> Result<(), AttestationError> {
    let holds = match device.subject_key() {
        Ok(SubjectKey::Rsa(key)) => key.verify(RsaScheme::Pkcs1Sha256, nonce, signature).is_ok(),
        Ok(SubjectKey::Suite(key)) => key
            .components()
            .first()
            .is_some_and(|key| stock::verify_ecdsa(key, EcdsaHash::Sha256, nonce, signature).is_ok()),
        Err(_) => false,
    };
    if holds {
        Ok(())
    } else {
        Err(refused("the proof of possession of the DevID key fails"))
    }
}

fn selectors(path: &[Certificate]) -> Result<BTreeSet<(String, String)>, AttestationError> {
    let mut values = Vec::new();
    if let Some((leaf, above)) = path.split_first() {
        let tbs = leaf.inner().tbs_certificate();
        if let Some(name) = common_name(tbs.subject()).map_err(refused)? {
            values.push(format!("subject:cn:{name}"));
        }
        if let Some(name) = common_name(tbs.issuer()).map_err(refused)? {
            values.push(format!("issuer:cn:{name}"));
        }
        values.extend(
            above
                .iter()
                .map(|one| format!("ca:fingerprint:{}", fingerprint(one))),
        );
    }
    Ok(values
        .into_iter()
        .map(|value| (METHOD.to_owned(), value))
        .collect())
}

#[async_trait]
impl Verifier for DevIdVerifier {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn verify(
        &self,
        evidence: &[u8],
        challenger: &mut dyn Challenger,
        now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        let verifier = self.clone();
        asking_once(
            evidence,
            challenger,
            move |evidence| verifier.opening(evidence, now),
            Opening::judge,
        )
        .await
    }
}
