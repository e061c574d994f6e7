//! What a handshake settled: who the peer is, which key exchange and which signatures.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{CommonState, SignatureScheme};
use rustls_pki_types::CertificateDer;
use spiffe::SpiffeId;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::MAX_CHAIN_LEN;

use crate::error::PeerError;
use crate::handshakes::HandshakeKind;
use crate::identity::{IdentitySource, SvidIdentity};
use crate::migration::Migration;
use crate::provider::group_name;
use crate::scheme::CompositeSchemes;

/// The verified identity at the other end.
#[derive(Clone, Debug)]
pub struct PeerIdentity {
    /// Who it is.
    pub spiffe_id: SpiffeId,
    /// What its proof is worth: the form of the weakest key on the verified path, so a composite leaf under a
    /// classical authority counts as classical. So does a catalyst chain, because the handshake was signed with its native
    /// key.
    pub form: Form,
    /// What the certificates are worth by themselves: catalyst, if all alternative signatures of such a chain are right.
    /// [`peer_identity`] does not know that, and gives the same as [`form`](Self::form).
    pub chain_form: Form,
    /// The leaf of that SVID.
    pub leaf: Certificate,
}

/// The cryptography of a connection, by the names of IANA's registries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Negotiated {
    /// The key-exchange group, as `X25519MLKEM768`.
    pub key_exchange: String,
    /// The cipher suite, as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: String,
    /// The scheme that the peer signed the handshake with, as `ecdsa_secp256r1_sha256` or
    /// `mldsa65_ecdsa_p256 (0xFE2D)`. `None` if the peer has no certificate.
    pub peer_signature: Option<String>,
    /// The scheme that we signed it with. `None` if we presented no certificate, or it is not known: [`negotiated`]
    /// cannot know it, a [`Connection`](crate::Connection) does.
    pub own_signature: Option<String>,
}

/// Everything worth knowing about an established connection.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The other end. `None` only on listeners that do not require a client certificate.
    pub peer: Option<PeerIdentity>,
    /// The form of SVID that we presented. `None` if none was asked for or held.
    pub presented: Option<Form>,
    /// The cryptography.
    pub negotiated: Negotiated,
}

/// The peer's identity on a connection whose handshake is complete.
///
/// Only for connections made with this crate's configurations: it reads the certificate that they have verified.
///
/// # Errors
/// [`PeerError::NoCertificate`] if the peer presented none. Others if its chain is no SVID, which a verified one is.
pub fn peer_identity(connection: &CommonState) -> Result<PeerIdentity, PeerError> {
    let chain = connection
        .peer_certificates()
        .filter(|chain| !chain.is_empty())
        .ok_or(PeerError::NoCertificate)?;
    let chain = read_chain(chain)?;
    let leaf = chain.first().ok_or(PeerError::NoCertificate)?.clone();
    let spiffe_id = leaf.spiffe_id().map_err(|error| PeerError::Certificate {
        index: 0,
        reason: error.to_string(),
    })?;
    // The authority at the end of the path was not sent, but what it signed shows its kind.
    let keys = chain.iter().map(|certificate| {
        certificate
            .subject_key()
            .map_or(Form::Classical, SubjectKey::form)
    });
    let signatures = chain
        .iter()
        .map(|certificate| certificate.signature_suite().map_or(Form::Classical, Suite::form));
    let form = keys.chain(signatures).min().unwrap_or_default();
    Ok(PeerIdentity {
        spiffe_id,
        form,
        chain_form: form,
        leaf,
    })
}

/// Reads what a peer presented, certificate by certificate.
///
/// # Errors
/// [`PeerError::TooManyCertificates`], or [`PeerError::Certificate`] for the first that cannot be read.
pub(crate) fn read_chain(chain: &[CertificateDer<'_>]) -> Result<Vec<Certificate>, PeerError> {
    if chain.len() > MAX_CHAIN_LEN {
        return Err(PeerError::TooManyCertificates {
            presented: chain.len(),
            max: MAX_CHAIN_LEN,
        });
    }
    let read = |(index, der): (usize, &CertificateDer<'_>)| {
        Certificate::from_der(der).map_err(|error| PeerError::Certificate {
            index,
            reason: error.to_string(),
        })
    };
    chain.iter().enumerate().map(read).collect()
}

/// The cryptography of a connection whose handshake is complete. `None` before that.
///
/// The peer's scheme follows from its key, but for RSA, where the hash is not known here.
pub fn negotiated(connection: &CommonState, schemes: &CompositeSchemes) -> Option<Negotiated> {
    let group = connection.negotiated_key_exchange_group()?;
    let cipher_suite = connection.negotiated_cipher_suite()?;
    let peer_signature =
        peer_identity(connection)
            .ok()
            .and_then(|peer| match peer.leaf.subject_key().ok()? {
                SubjectKey::Suite(key) => schemes.scheme_of(key.suite()).map(|scheme| schemes.name(scheme)),
                _ => Some("rsa_pss_rsae".to_owned()),
            });
    Some(Negotiated {
        key_exchange: group_name(group.name()),
        cipher_suite: format!("{:?}", cipher_suite.suite()),
        peer_signature,
        own_signature: None,
    })
}

/// Filled in by the verifier and the certificate choice of one connection, which rustls keeps apart from it.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Recorded>);

#[derive(Clone, Debug, Default)]
struct Recorded {
    peer: Option<PeerIdentity>,
    peer_scheme: Option<SignatureScheme>,
    presented: Option<(Form, SignatureScheme)>,
}

impl Record {
    /// The peer's chain was verified and its identity authorised.
    pub(crate) fn peer_verified(&self, peer: PeerIdentity) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).peer = Some(peer);
    }

    /// The peer's signature in `scheme` was verified.
    pub(crate) fn peer_signed(&self, scheme: SignatureScheme) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).peer_scheme = Some(scheme);
    }

    /// We chose to present `identity`.
    pub(crate) fn presented(&self, identity: &SvidIdentity, scheme: SignatureScheme) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).presented = Some((identity.form(), scheme));
    }

    /// Counts the handshake that this record was made for, now that it has ended.
    pub(crate) fn count(&self, source: &dyn IdentitySource, migration: Option<Migration>, succeeded: bool) {
        let Some(counts) = source.handshakes() else {
            return;
        };
        let recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = HandshakeKind {
            stage: migration.map(|migration| migration.stage),
            presented: recorded.presented.map(|(form, _)| form),
            peer: recorded.peer.as_ref().map(|peer| peer.form),
            succeeded,
        };
        counts.add(kind, 1);
    }

    /// The result of the handshake that this record was made for; `None` before its end.
    pub(crate) fn info(
        &self,
        connection: &CommonState,
        schemes: &CompositeSchemes,
    ) -> Option<Arc<ConnectionInfo>> {
        let recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let by_state = negotiated(connection, schemes)?;
        Some(Arc::new(ConnectionInfo {
            peer: recorded.peer,
            presented: recorded.presented.map(|(form, _)| form),
            negotiated: Negotiated {
                peer_signature: recorded.peer_scheme.map(|scheme| schemes.name(scheme)),
                own_signature: recorded.presented.map(|(_, scheme)| schemes.name(scheme)),
                ..by_state
            },
        }))
    }
}
