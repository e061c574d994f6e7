//! A whole handshake of TLS 1.3: only its keys show the certificates, the scheme that signs, and whether a client's
//! certificate is asked for.
//!
//! Nothing is believed and nothing is sent afterwards: the verifier writes down what it is shown and says yes, so
//! that the server sees an ordinary handshake, and the connection is closed.

use std::io::{ErrorKind, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConnection, ResolvesClientCert};
use rustls::crypto::aws_lc_rs::kx_group;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use symbolon_tls::{KexPolicy, crypto_provider};

use crate::endpoints::line::{Fault, Line};

/// What a handshake showed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Shown {
    /// The server's certificates, its own first.
    pub(crate) chain: Vec<Vec<u8>>,
    /// The scheme that signed the handshake.
    pub(crate) scheme: Option<u16>,
    /// A certificate was asked of us.
    pub(crate) asks_client: bool,
}

/// How a handshake ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// It showed what there is to see.
    Shown(Shown),
    /// The server says no.
    Alert(u8),
    /// Neither.
    Fault(Fault),
}

/// The group of this number, if this program can compute with it.
pub(crate) fn computable(code: u16) -> Option<&'static dyn SupportedKxGroup> {
    let ours = crypto_provider(&KexPolicy::AllowClassical).kx_groups.clone();
    ours.into_iter()
        .chain([kx_group::MLKEM768, kx_group::MLKEM1024])
        .find(|group| u16::from(group.name()) == code)
}

/// A fresh key share for a group, if this program can make one.
pub(crate) fn share(code: u16) -> Option<Vec<u8>> {
    let started = computable(code)?.start().ok()?;
    Some(started.pub_key().to_vec())
}

/// Makes a handshake with these groups and signature schemes; `host` is a name for SNI, or nothing.
pub(crate) fn shake(line: &mut Line, host: Option<&str>, groups: &[u16], schemes: &[u16]) -> Ended {
    let recorder = Arc::new(Recorder {
        schemes: schemes.iter().map(|code| SignatureScheme::from(*code)).collect(),
        shown: Mutex::default(),
    });
    let mut connection = match connection(host, groups, recorder.clone()) {
        Ok(connection) => connection,
        Err(error) => return Ended::Fault(Fault::Other(format!("no handshake can be made: {error}"))),
    };
    let outcome = drive(&mut connection, line);
    let shown = recorder
        .shown
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    match outcome {
        // What was signed was shown, whatever happened then.
        _ if shown.scheme.is_some() => Ended::Shown(shown),
        Ok(()) => Ended::Shown(shown),
        Err(ended) => ended,
    }
}

fn connection(
    host: Option<&str>,
    groups: &[u16],
    recorder: Arc<Recorder>,
) -> Result<ClientConnection, Error> {
    let provider = CryptoProvider {
        kx_groups: groups.iter().filter_map(|code| computable(*code)).collect(),
        ..rustls::crypto::aws_lc_rs::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_client_cert_resolver(recorder);
    config.resumption = rustls::client::Resumption::disabled();
    // An address as the name of the server is not sent.
    let nobody = ServerName::IpAddress(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED.into()));
    let name = match host {
        Some(host) => ServerName::try_from(host.to_owned()).unwrap_or(nobody),
        None => nobody,
    };
    ClientConnection::new(Arc::new(config), name)
}

fn drive(connection: &mut ClientConnection, line: &mut Line) -> Result<(), Ended> {
    let mut buffer = vec![0; 8 << 10];
    while connection.is_handshaking() {
        flush(connection, line)?;
        let count = line.receive(&mut buffer).map_err(Ended::Fault)?;
        let mut bytes = buffer.get(..count).unwrap_or_default();
        while !bytes.is_empty() {
            if connection.read_tls(&mut bytes).is_err() {
                return Err(Ended::Fault(Fault::TooMuch));
            }
            if let Err(error) = connection.process_new_packets() {
                // Tells the server why; it may have gone already.
                let _ = flush(connection, line);
                return Err(match error {
                    Error::AlertReceived(alert) => Ended::Alert(u8::from(alert)),
                    error => Ended::Fault(Fault::Other(format!("the handshake fails: {error}"))),
                });
            }
        }
    }
    connection.send_close_notify();
    // All is seen; a server that does not wait for the goodbye does no harm.
    let _ = flush(connection, line);
    // What the server refuses after our last message it may still say, and nobody needs to know.
    let _ = line.flush();
    Ok(())
}

fn flush(connection: &mut ClientConnection, line: &mut Line) -> Result<(), Ended> {
    while connection.wants_write() {
        match connection.write_tls(line) {
            Ok(0) => return Err(Ended::Fault(Fault::Closed)),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Ended::Fault(line.fault(&error))),
        }
    }
    Ok(())
}

/// Writes down what it is shown.
#[derive(Debug)]
struct Recorder {
    schemes: Vec<SignatureScheme>,
    shown: Mutex<Shown>,
}

impl Recorder {
    fn note(&self, write: impl FnOnce(&mut Shown)) {
        write(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        self.note(|shown| shown.chain = chain.map(|der| der.to_vec()).collect());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 was not offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(|shown| shown.scheme = Some(u16::from(dss.scheme)));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

impl ResolvesClientCert for Recorder {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.note(|shown| shown.asks_client = true);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
