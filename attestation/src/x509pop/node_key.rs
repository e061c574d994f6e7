//! The private key of a node's certificate, as it lies in a file.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256, RsaKeyPair};
use spiffe::TrustDomain;
use symbolon_crypto::stock;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::encode::element;
use symbolon_pki::key::{PrivateKey, SubjectKey, SuiteSigner};
use symbolon_pki::pem;

use super::message::{Answer, Challenge, EcdsaSignature, Nonce, Signature};
use super::possession::{NONCE_LEN, fresh_nonce, is_ecdsa, signed_message, stock_message};
use crate::bytes::Bytes;

/// A node's private key.
pub struct NodeKey(Held);

enum Held {
    Rsa(RsaKeyPair),
    Suite { key: PrivateKey, signer: SuiteSigner },
}

impl NodeKey {
    /// Reads the one private key in PEM: PKCS#8, or what OpenSSL wrote before it for RSA (PKCS#1) and ECDSA (SEC 1).
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn from_pem(text: &[u8]) -> Result<Self, String> {
        let mut keys = Vec::new();
        for block in pem::blocks(text).map_err(|error| error.to_string())? {
            let block = block.map_err(|error| error.to_string())?;
            match block.label.as_str() {
                "PRIVATE KEY" => keys.push(pkcs8(&block.der)?),
                "RSA PRIVATE KEY" => {
                    let key = RsaKeyPair::from_der(&block.der);
                    keys.push(Self(Held::Rsa(
                        key.map_err(|error| format!("the RSA key is refused: {error}"))?,
                    )));
                }
                "EC PRIVATE KEY" => keys.push(sec1(&block.der)?),
                _ => {}
            }
        }
        match keys.len() {
            0 => Err("there is no private key in it".to_owned()),
            1 => keys.pop().ok_or_else(String::new),
            more => Err(format!("there are {more} private keys in it, and one is wanted")),
        }
    }

    /// Whether it is the private half of a certificate's key.
    pub(super) fn is_of(&self, key: &SubjectKey) -> bool {
        match (&self.0, key) {
            (Held::Rsa(pair), SubjectKey::Rsa(key)) => pair.public_key().as_ref() == key.as_bytes(),
            (Held::Suite { signer, .. }, SubjectKey::Suite(key)) => signer.public_key() == key,
            _ => false,
        }
    }

    /// Answers a challenge.
    ///
    /// # Errors
    /// What is wrong with it, or with the key, in words.
    pub(super) fn answer(
        &self,
        trust_domain: &TrustDomain,
        leaf: &Certificate,
        csr_sha256: &[u8; 32],
        challenge: &Challenge,
    ) -> Result<Answer, String> {
        let node = fresh_nonce().map_err(|error| error.to_string())?;
        let mut answer = Answer::default();
        match &self.0 {
            Held::Rsa(pair) => {
                let server = server_nonce(challenge.rsa_signature.as_ref(), "rsa_signature")?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PSS_SHA256,
                    &SystemRandom::new(),
                    &stock_message(server, &node),
                    &mut signature,
                )
                .map_err(|_| "the RSA key does not sign".to_owned())?;
                answer.rsa_signature = Some(Signature {
                    nonce: Bytes::from(&node[..]),
                    signature: Bytes(signature),
                });
            }
            Held::Suite { key, .. } if is_ecdsa(key.suite()) => {
                let server = server_nonce(challenge.ecdsa_signature.as_ref(), "ecdsa_signature")?;
                let software = key.components().first().ok_or("the key cannot be used")?;
                let signed = stock::sign_ecdsa_sha256(software, &stock_message(server, &node));
                let signed = signed.map_err(|error| error.to_string())?;
                let (r, s) = crate::ecdsa::numbers(&signed).ok_or("the key made no signature")?;
                answer.ecdsa_signature = Some(EcdsaSignature {
                    nonce: Bytes::from(&node[..]),
                    r: Bytes::from(r),
                    s: Bytes::from(s),
                });
            }
            Held::Suite { signer, .. } => {
                let server = server_nonce(challenge.symbolon_signature.as_ref(), "symbolon_signature")?;
                let message = signed_message(trust_domain, leaf, csr_sha256, server, &node);
                let signature = signer.sign(&message).map_err(|error| error.to_string())?;
                answer.symbolon_signature = Some(Signature {
                    nonce: Bytes::from(&node[..]),
                    signature: Bytes(signature),
                });
            }
        }
        Ok(answer)
    }
}

/// The server's nonce. One of another length would have us sign something else.
fn server_nonce<'a>(asked: Option<&'a Nonce>, member: &str) -> Result<&'a [u8; NONCE_LEN], String> {
    let asked = asked.ok_or_else(|| {
        format!("the server's challenge has no {member}, which is how this certificate's key proves itself")
    })?;
    let nonce = asked.nonce.as_slice();
    nonce
        .try_into()
        .map_err(|_| format!("the server's nonce has {} bytes, not {NONCE_LEN}", nonce.len()))
}

fn pkcs8(der: &[u8]) -> Result<NodeKey, String> {
    match PrivateKey::from_pkcs8_der(der) {
        Ok(key) => suite(key),
        Err(error) => match RsaKeyPair::from_pkcs8(der) {
            Ok(pair) => Ok(NodeKey(Held::Rsa(pair))),
            Err(_) => Err(error.to_string()),
        },
    }
}

fn suite(key: PrivateKey) -> Result<NodeKey, String> {
    let signer = key.signer().map_err(|error| error.to_string())?;
    Ok(NodeKey(Held::Suite { key, signer }))
}

/// An `ECPrivateKey` that names its curve, put into PKCS#8.
fn sec1(der: &[u8]) -> Result<NodeKey, String> {
    /// Version 0, and id-ecPublicKey.
    const VERSION: &[u8] = &[0x02, 0x01, 0x00];
    const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let wrong = |reason: &str| format!("the EC key cannot be read: {reason}");
    let parsed = sec1::EcPrivateKey::try_from(der).map_err(|error| wrong(&error.to_string()))?;
    let curve = parsed
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.named_curve());
    let curve = curve.ok_or_else(|| wrong("it does not name its curve"))?;
    let mut algorithm = EC_PUBLIC_KEY.to_vec();
    element(&mut algorithm, 0x06, curve.as_bytes());
    let mut content = zeroize::Zeroizing::new(VERSION.to_vec());
    element(&mut content, 0x30, &algorithm);
    element(&mut content, 0x04, der);
    let mut document = zeroize::Zeroizing::new(Vec::new());
    element(&mut document, 0x30, &content);
    pkcs8(&document)
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Held::Rsa(_) => f.write_str("NodeKey(rsa, secret)"),
            Held::Suite { key, .. } => write!(f, "NodeKey({}, secret)", key.suite()),
        }
    }
}
