//! The record of certificates, and the journal of authorities.

use symbolon_api::symbolon::server::v1 as api;

use super::above::{key_places, state_message};
use super::seconds;
use crate::authorities::Plan;
use crate::datastore::{
    AuthorityRecord, CertificateProfile, CertificateRecord, CertificateState, CertificateSummary,
    FamilyChoice, FamilyShape,
};

/// A line of the record, without the certificate.
pub(crate) fn summary_message(summary: &CertificateSummary) -> api::CertificateRecord {
    let intent = &summary.intent;
    let profile = match intent.profile {
        CertificateProfile::Authority => api::CertificateProfile::Authority,
        CertificateProfile::Server => api::CertificateProfile::Server,
        CertificateProfile::Agent => api::CertificateProfile::Agent,
        CertificateProfile::Workload => api::CertificateProfile::Workload,
    };
    let state = match summary.state() {
        CertificateState::Intent => api::CertificateState::Intended,
        CertificateState::Issued => api::CertificateState::Issued,
    };
    api::CertificateRecord {
        serial: intent.serial.to_string(),
        spiffe_id: intent.spiffe_id.to_string(),
        profile: profile.into(),
        form: intent.form.to_string(),
        suite: intent.key_algorithm.clone(),
        alternative: intent.alternative_algorithm.clone().unwrap_or_default(),
        authority_id: intent.issuer.clone(),
        not_before: seconds(intent.not_before),
        not_after: seconds(intent.not_after),
        sha256: summary.sha256.map(|hash| hash.to_vec()).unwrap_or_default(),
        der: Vec::new(),
        entry_id: intent.entry_id.clone().unwrap_or_default(),
        state: state.into(),
    }
}

/// A line of the record with the certificate.
pub(crate) fn certificate_message(record: &CertificateRecord) -> api::CertificateRecord {
    let summary = summary_message(&record.summary);
    api::CertificateRecord {
        der: record.der.clone().unwrap_or_default(),
        ..summary
    }
}

/// What a family is to be.
pub(crate) fn plan_message(plan: &Plan) -> api::FamilyPlan {
    let shape = |shape: &FamilyShape| api::FamilyShape {
        suite: shape.suite.to_string(),
        alternative: shape
            .alternative
            .map(|suite| suite.to_string())
            .unwrap_or_default(),
        stores: shape.stores.iter().map(ToString::to_string).collect(),
    };
    let choice = |(sequence, choice): &(u64, FamilyChoice)| api::FamilyChoice {
        sequence: *sequence,
        chosen_at: seconds(choice.chosen_at),
        chosen_by: choice.chosen_by.clone(),
    };
    api::FamilyPlan {
        family: plan.family.to_string(),
        wanted: Some(shape(&plan.wanted)),
        configured: Some(shape(&plan.configured)),
        choice: plan.choice.as_ref().map(choice),
        activates_at: plan.activates_at.map(seconds).unwrap_or_default(),
    }
}

/// A line of the journal.
pub(crate) fn authority_message(authority: &AuthorityRecord) -> api::Authority {
    api::Authority {
        family: authority.family.to_string(),
        suite: authority.suite.to_string(),
        alternative: authority
            .alternative
            .map(|suite| suite.to_string())
            .unwrap_or_default(),
        authority_id: authority.authority_id.clone(),
        state: state_message(authority.state).into(),
        not_before: seconds(authority.not_before),
        not_after: seconds(authority.not_after),
        created_at: seconds(authority.created_at),
        activated_at: authority.activated_at.map(seconds).unwrap_or_default(),
        changed_at: seconds(authority.changed_at),
        keys: key_places(authority.components(), &authority.keys),
        upstream_authority_id: authority
            .upstream
            .as_ref()
            .map(|path| path.root_id.clone())
            .unwrap_or_default(),
    }
}
