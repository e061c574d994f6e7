//! What a request wants beside its key: an alternative key, or the link to the first SVID of a pair.
//!
//! Requests for a pair come in order: an ordinary classical SVID, then an ML-DSA one whose request names the first and is
//! signed with its key as well. The first is looked up in this server's own record; nothing is fetched from where a
//! request says that it can be found.

use std::sync::Arc;

use spiffe::SpiffeId;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::related::RelatedRequest;
use symbolon_pki::suite::Form;
use tonic::Status;

use super::Core;
use crate::datastore::{CertificateProfile, CertificateRecord, SerialNumber};
use crate::issuer::Companion;

/// Whose SVID is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder<'a> {
    /// The identity.
    pub(super) spiffe_id: &'a SpiffeId,
    /// The registration entry that entitles to it.
    pub(super) entry_id: Option<&'a str>,
}

/// What `csr` wants beside its key, once that has been found good for `holder`.
///
/// # Errors
/// `InvalidArgument` with what is wrong with the first SVID of a pair: none of ours, another holder's, expired, or of an
/// authority that is not to be relied on any more.
pub(super) async fn of(core: &Core, csr: &Csr, holder: Holder<'_>) -> Result<Companion, Status> {
    match (csr.alternative_key(), csr.related_request()) {
        (Some(key), _) => Ok(Companion::Alternative(key.clone())),
        (None, Some(_)) if csr.key().form() != Form::MlDsa => Err(refused(format!(
            "the second certificate of a pair has an ML-DSA key, and this one is {}",
            csr.key().algorithm_name()
        ))),
        (None, Some(request)) => related(core, request.clone(), holder).await,
        (None, None) => Ok(Companion::None),
    }
}

/// As [`of`], for those who can have one SVID at a time: agents.
///
/// # Errors
/// `InvalidArgument` for a request for a pair.
pub(super) fn of_agent(csr: &Csr) -> Result<Companion, Status> {
    match (csr.alternative_key(), csr.related_request()) {
        (Some(key), _) => Ok(Companion::Alternative(key.clone())),
        (None, None) => Ok(Companion::None),
        (None, Some(_)) => Err(refused(
            "it asks for the second SVID of a pair, and an agent has one SVID at a time; ask for another form",
        )),
    }
}

async fn related(core: &Core, request: RelatedRequest, holder: Holder<'_>) -> Result<Companion, Status> {
    let serial_hex = request.serial_hex();
    let unknown = || {
        refused(format!(
            "this server has not issued the first certificate that it names, serial number {serial_hex}"
        ))
    };
    let serial: SerialNumber = serial_hex.parse().map_err(|_| unknown())?;
    let record = core.datastore.certificate(&serial).await?.ok_or_else(unknown)?;
    let Some(der) = record.der.clone() else {
        return Err(unknown());
    };
    let now = core.clock.now();
    let prove = move || {
        let first = Certificate::from_der(&der).map_err(|error| error.to_string())?;
        request.prove(&first, now).map_err(|error| error.to_string())
    };
    let proven = core.issuer.on_signers(prove).await;
    let proven = proven.ok_or_else(|| Status::unavailable("the server is stopping"))?;
    let related = proven.map_err(refused)?;
    // Only after the proof: nobody learns whose certificate has which serial number.
    check_holder(&record, holder)?;
    check_authority(&core.authorities.bundle(), &record.summary.intent.issuer)?;
    Ok(Companion::Related(Arc::new(related)))
}

/// A pair is of one workload, by one entry.
fn check_holder(first: &CertificateRecord, holder: Holder<'_>) -> Result<(), Status> {
    let first = &first.summary.intent;
    if first.profile != CertificateProfile::Workload {
        return Err(refused(format!(
            "the first certificate is of profile {}; pairs are for workloads",
            first.profile
        )));
    }
    if first.spiffe_id != *holder.spiffe_id {
        return Err(refused(format!(
            "the first certificate is for {}, and the second would be for {}; a pair has one identity",
            first.spiffe_id, holder.spiffe_id
        )));
    }
    if first.entry_id.as_deref() != holder.entry_id {
        return Err(refused(
            "the first certificate was issued by another entry; a pair follows one entry",
        ));
    }
    Ok(())
}

/// Whoever has the key of a tainted authority can make first certificates for anybody, and one of a revoked authority makes a
/// pair that nobody believes.
fn check_authority(bundle: &TrustBundle, authority_id: &str) -> Result<(), Status> {
    let issuer = bundle
        .x509_authorities
        .iter()
        .find(|authority| authority.id().to_string() == authority_id);
    let state = match issuer {
        Some(authority) if !authority.tainted => return Ok(()),
        Some(_) => "tainted",
        None => "not published any more",
    };
    Err(refused(format!(
        "the first certificate was issued by the authority {authority_id}, which is {state}; ask for a new first one, and \
         then for one to be paired with that"
    )))
}

fn refused(reason: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("csr: {reason}"))
}
