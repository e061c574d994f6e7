//! Answers that prove nothing, to challenges of a TPM that is there. No TPM is needed to give them.

use symbolon_crypto::{Component, HeldKey as _, MlDsaContext, SoftwareKey};

use super::super::message::Quote;
use super::*;
use crate::{Occasion, ecdsa};

/// TPMA_OBJECT: fixedTPM, fixedParent, sensitiveDataOrigin and restricted; then decrypt, and sign.
const FIXED: u32 = 0x0001_0032;
const DECRYPT: u32 = 0x0002_0000;
const SIGN: u32 = 0x0004_0000;

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&numbers(&[u16::try_from(bytes.len()).unwrap()])[..], bytes].concat()
}

/// A public area of a P-256 key: what it is for, and its schemes.
fn public(key: &SoftwareKey, purpose: u32, schemes: &[u16]) -> Vec<u8> {
    let (x, y) = key.public_key().as_bytes()[1..].split_at(32);
    let attributes = (FIXED | purpose).to_be_bytes();
    let curve = numbers(&[0x0003, 0x0010]);
    [
        &numbers(&[0x0023, 0x000b])[..],
        &attributes,
        &numbers(&[0]),
        &numbers(schemes),
        &curve,
        &sized(x),
        &sized(y),
    ]
    .concat()
}

/// Two keys as a TPM shows them, and a verifier that lets that TPM in.
struct Machine {
    evidence: Vec<u8>,
    key: SoftwareKey,
    verifier: TpmVerifier,
}

impl Machine {
    fn new(pcrs: PcrPolicy) -> Self {
        let [endorsement, key] =
            [(), ()].map(|()| SoftwareKey::generate(Component::EcdsaP256Sha256).unwrap());
        let ek_public = public(&endorsement, DECRYPT, &[0x0006, 128, 0x0043, 0x0010]);
        let evidence = Evidence {
            ak_public: Bytes(public(&key, SIGN, &[0x0010, 0x0018, 0x000b])),
            ek_certificates: Vec::new(),
            ek_public: Bytes(ek_public.clone()),
        };
        let hash = endorsement_key_hash(Public::parse(&ek_public).unwrap().key());
        Self {
            evidence: evidence.to_json(),
            key,
            verifier: TpmVerifier::new(TpmVerifierConfig {
                trust_domain: trust_domain(),
                roots: Vec::new(),
                allowed: BTreeSet::from([hash]),
                pcrs,
            }),
        }
    }

    /// PCR 7 of zeros, quoted as the TPM would.
    fn quote(&self, challenge: &Challenge) -> Quote {
        let attest = [
            &0xff54_4347_u32.to_be_bytes()[..],
            &numbers(&[0x8018]),
            &sized(b"signer"),
            &sized(&occurrence(&trust_domain(), challenge.nonce.as_slice()).quoted()),
            &[0; 25],
            &[0, 0, 0, 1, 0, 0x0b, 3, 0x80, 0, 0],
            &sized(&sha256(&[0; 32])),
        ]
        .concat();
        let signature = self.key.sign(&attest, MlDsaContext::EMPTY).unwrap();
        let (r, s) = ecdsa::numbers(&signature).unwrap();
        Quote {
            signature: Bytes([numbers(&[0x0018, 0x000b]), sized(r), sized(s)].concat()),
            attest: Bytes(attest),
            values: [("sha256:7".to_owned(), "00".repeat(32))].into(),
        }
    }

    async fn attest(&self, proof: &[u8], has_quote: bool) -> Result<Attested, AttestationError> {
        let mut node = Node {
            machine: self,
            proof,
            has_quote,
        };
        self.verifier
            .verify(&self.evidence, &mut node, SystemTime::UNIX_EPOCH)
            .await
    }
}

/// Answers with this proof, and a right quote if it has one.
struct Node<'a> {
    machine: &'a Machine,
    proof: &'a [u8],
    has_quote: bool,
}

#[async_trait]
impl Challenger for Node<'_> {
    fn occasion(&self) -> Occasion {
        Occasion {
            csr_sha256: CSR,
            address: None,
        }
    }

    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        let challenge: Challenge = read("the challenge", &challenge)?;
        let proof = match self.proof {
            b"the nonce" => occurrence(&trust_domain(), challenge.nonce.as_slice())
                .opened(challenge.nonce.as_slice())
                .to_vec(),
            b"the credential" => challenge.credential.0.clone(),
            other => other.to_vec(),
        };
        Ok(write(&Answer {
            proof: Bytes(proof),
            quote: self.has_quote.then(|| self.machine.quote(&challenge)),
        }))
    }
}

const CSR: [u8; 32] = [7; 32];

fn occurrence<'a>(trust_domain: &'a TrustDomain, nonce: &'a [u8]) -> Occurrence<'a> {
    Occurrence {
        trust_domain,
        csr_sha256: &CSR,
        nonce,
    }
}

fn trust_domain() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

const WRONG: [&[u8]; 5] = [b"", &[0; 32], &[0; 31], b"the nonce", b"the credential"];

fn assert_not_activated(outcome: Result<Attested, AttestationError>, what: &[u8]) {
    assert!(
        matches!(&outcome, Err(AttestationError::Denied(reason)) if reason.contains("not activated")),
        "{what:?}: {outcome:?}"
    );
}

#[tokio::test]
async fn whoever_cannot_open_the_credential_is_not_let_in() {
    let machine = Machine::new(PcrPolicy::default());
    for proof in WRONG {
        assert_not_activated(machine.attest(proof, false).await, proof);
    }
}

#[tokio::test]
async fn a_right_quote_does_not_stand_in_for_it() {
    let zeros = "00".repeat(32);
    let machine = Machine::new(PcrPolicy::new([("sha256:7", [zeros.as_str()])]).unwrap());
    for proof in WRONG {
        assert_not_activated(machine.attest(proof, true).await, proof);
    }
    // It is right: the policy has nothing against it.
    let challenge = Challenge {
        credential: Bytes::default(),
        secret: Bytes::default(),
        nonce: Bytes(vec![7; 32]),
        pcrs: None,
    };
    let quote = machine.quote(&challenge);
    let key = Public::parse(Evidence::parse(&machine.evidence).unwrap().ak_public.as_slice()).unwrap();
    let policy = &machine.verifier.0.pcrs;
    policy
        .check(&key, &occurrence(&trust_domain(), &[7; 32]).quoted(), &quote)
        .unwrap();
}

#[test]
fn a_proof_is_of_one_trust_domain_one_request_one_attestation_and_one_secret() {
    let (own, other) = (trust_domain(), TrustDomain::new("other.org").unwrap());
    let right = occurrence(&own, &[1; 32]);
    let for_other_key = Occurrence {
        csr_sha256: &[3; 32],
        ..right
    };
    let proofs = [
        right.opened(&[2; 32]),
        occurrence(&other, &[1; 32]).opened(&[2; 32]),
        occurrence(&own, &[2; 32]).opened(&[2; 32]),
        for_other_key.opened(&[2; 32]),
        right.opened(&[1; 32]),
        right.quoted(),
        for_other_key.quoted(),
        occurrence(&other, &[1; 32]).quoted(),
    ];
    assert_eq!(BTreeSet::from(proofs).len(), proofs.len());
}
