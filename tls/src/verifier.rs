//! The one verification of peers, behind rustls' two verifier traits.
//!
//! Chains go to `symbolon-pki`'s verifier, whose reason reaches the caller ([`crate::peer_error`]); then the SPIFFE ID
//! is authorised; then the signature over the handshake is checked with the leaf's key.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use symbolon_crypto::rsa::RsaScheme;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Form;
use symbolon_pki::time::Clock;
use symbolon_pki::verify::{VerifyOptions, verify_x509_svid_with};

use crate::authorize::AuthorizeId;
use crate::demand::Demand;
use crate::error::PeerError;
use crate::handshakes::HandshakeKind;
use crate::identity::IdentitySource;
use crate::migration::{Following, followed};
use crate::offer::{offered_schemes, root_hints};
use crate::scheme::CompositeSchemes;
use crate::session::{PeerIdentity, Record, read_chain};

/// Verifies the peers of one configuration.
#[derive(Debug)]
pub(crate) struct PeerVerifier {
    source: Arc<dyn IdentitySource>,
    authorize: AuthorizeId,
    own_demand: Demand,
    following: Following,
    schemes: Arc<CompositeSchemes>,
    clock: Arc<dyn Clock>,
    hints: Vec<DistinguishedName>,
    client_auth_mandatory: bool,
    record: Option<Arc<Record>>,
}

impl PeerVerifier {
    pub(crate) fn new(
        source: Arc<dyn IdentitySource>,
        authorize: AuthorizeId,
        demand: Demand,
        schemes: Arc<CompositeSchemes>,
        clock: Arc<dyn Clock>,
        record: Option<Arc<Record>>,
    ) -> Self {
        Self {
            source,
            authorize,
            own_demand: demand,
            following: Following::default(),
            schemes,
            clock,
            hints: Vec::new(),
            client_auth_mandatory: true,
            record,
        }
        .following_migration(Following::default())
    }

    /// Follows the migration of the source, or not. The authorities that are named to peers are those of this moment.
    pub(crate) fn following_migration(mut self, following: Following) -> Self {
        self.following = following;
        self.hints = root_hints(&self.source.bundles(), &self.authorize, self.demand());
        self
    }

    /// What is demanded now.
    fn demand(&self) -> Demand {
        let migration = followed(self.source.as_ref(), &self.following);
        self.own_demand.following(migration)
    }

    pub(crate) fn with_client_auth_mandatory(mut self, mandatory: bool) -> Self {
        self.client_auth_mandatory = mandatory;
        self
    }

    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), PeerError> {
        let verified = self.verify_and_authorise(leaf, intermediates);
        if let Some(counts) = self.source.handshakes().filter(|_| self.record.is_none()) {
            let kind = HandshakeKind {
                stage: followed(self.source.as_ref(), &self.following).map(|migration| migration.stage),
                presented: None,
                peer: verified.as_ref().ok().copied(),
                succeeded: verified.is_ok(),
            };
            counts.add(kind, 1);
        }
        verified.map(|_| ())
    }

    /// What the proof is worth of a peer that may be there.
    fn verify_and_authorise(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<Form, PeerError> {
        let demand = self.demand();
        let presented: Vec<_> = std::iter::once(leaf).chain(intermediates).cloned().collect();
        let chain = read_chain(&presented)?;
        let (bundles, now) = (self.source.bundles(), self.clock.now());
        let verify = |options: &VerifyOptions| {
            verify_x509_svid_with(&chain, &bundles, now, options).map_err(PeerError::Chain)
        };
        let verified = verify(&demand.of_handshake())?;
        let has_alternative = chain.first().is_some_and(|leaf| leaf.alternative().is_some());
        let chain_form = match has_alternative || demand.chain > demand.peer {
            true => verify(&demand.of_chain())?.form,
            false => verified.form,
        };
        if let Err(reason) = self.authorize.authorize(&verified.spiffe_id) {
            return Err(PeerError::NotAuthorised {
                id: verified.spiffe_id,
                reason,
            });
        }
        let form = verified.form;
        if let (Some(record), Some(leaf)) = (&self.record, chain.into_iter().next()) {
            record.peer_verified(PeerIdentity {
                spiffe_id: verified.spiffe_id,
                form,
                chain_form,
                leaf,
            });
        }
        Ok(form)
    }

    fn verify_handshake_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let leaf = Certificate::from_der(leaf).map_err(|error| PeerError::Certificate {
            index: 0,
            reason: error.to_string(),
        })?;
        let key = leaf.subject_key().map_err(|error| PeerError::Certificate {
            index: 0,
            reason: error.to_string(),
        })?;
        let scheme = self.schemes.name(signed.scheme);
        let outcome = match key {
            SubjectKey::Suite(key) if self.schemes.scheme_of(key.suite()) == Some(signed.scheme) => key
                .verify(message, signed.signature())
                .map_err(|error| error.to_string()),
            SubjectKey::Rsa(key) if let Some(rsa) = rsa_scheme(signed.scheme) => key
                .verify(rsa, message, signed.signature())
                .map_err(|error| error.to_string()),
            other => {
                return Err(PeerError::WrongScheme {
                    scheme,
                    key: other.algorithm_name(),
                }
                .into());
            }
        };
        outcome.map_err(|reason| PeerError::HandshakeSignature { scheme, reason })?;
        if let Some(record) = &self.record {
            record.peer_signed(signed.scheme);
        }
        Ok(HandshakeSignatureValid::assertion())
    }

    fn schemes_now(&self) -> Vec<SignatureScheme> {
        offered_schemes(
            &self.source.bundles(),
            &self.authorize,
            self.demand(),
            &self.schemes,
        )
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // A SPIFFE peer is known by its ID; the name that it was dialled by proves nothing.
        self.verify_chain(end_entity, intermediates)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_handshake_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes_now()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        (!self.hints.is_empty()).then_some(&self.hints)
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.client_auth_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify_chain(end_entity, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_handshake_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes_now()
    }
}

fn rsa_scheme(scheme: SignatureScheme) -> Option<RsaScheme> {
    match scheme {
        SignatureScheme::RSA_PSS_SHA256 => Some(RsaScheme::PssSha256),
        SignatureScheme::RSA_PSS_SHA384 => Some(RsaScheme::PssSha384),
        SignatureScheme::RSA_PSS_SHA512 => Some(RsaScheme::PssSha512),
        _ => None,
    }
}

/// rustls cannot get here: TLS 1.2 is neither compiled in nor configured.
fn no_tls12() -> Error {
    Error::General("TLS 1.2 is not spoken here".to_owned())
}
