//! Chains as verifiers take them: as they came, and with every signature right, so that the rules beyond signatures are
//! reached.

use std::sync::OnceLock;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use symbolon_pki::catalyst;
use symbolon_pki::certificate::{Certificate, split_chain};
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::{PathPolicy, Policy, VerifiedSvid, VerifyOptions, verify_x509_svid_with};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::der;
use crate::estate::{self, bundles, chain, chains, now, trust_domain};
use crate::{Shape, Target};

pub(super) const PATH: Target = Target {
    name: "path",
    about: "a chain as it came: it is verified only with signatures of our roots all the way",
    shape: Shape::Der,
    max_len: 24 * 1024,
    body: path,
    seeds: || {
        chains()
            .iter()
            .map(|chain| chain.certificates()[..2].concat())
            .collect()
    },
};

pub(super) const SIGNED_PATH: Target = Target {
    name: "signed-path",
    about: "certificates signed by a root and an authority below it, whatever they say; beside webpki",
    shape: Shape::Der,
    max_len: 6 * 1024,
    body: signed_path,
    seeds: || {
        SUITES
            .map(|suite| {
                let [leaf, below, _] = chain(suite).certificates();
                [der::to_be_signed(&leaf), der::to_be_signed(&below)].concat()
            })
            .to_vec()
    },
};

fn path(input: &[u8]) {
    let Ok(chain) = split_chain(input) else { return };
    let Some(verified) = verified(&chain) else { return };
    let leaf = said(&chain[0]);
    let is_ours = chains().iter().any(|ours| {
        let certificate = Certificate::from_der(&ours.leaf).expect("a certificate of our own");
        said(&certificate) == leaf
    });
    assert!(
        is_ours,
        "a leaf that nobody of ours signed is verified as {verified:?}"
    );
}

/// What a certificate's signers signed. Signatures differ from one process to the next, the alternative ones among what is
/// signed, too.
fn said(certificate: &Certificate) -> Vec<u8> {
    match certificate.alternative() {
        Some(_) => catalyst::pre_tbs(certificate.tbs_der()).expect("what was read can be signed"),
        None => certificate.tbs_der().to_vec(),
    }
}

/// Of one that webpki knows, and of one of two halves.
const SUITES: [Suite; 2] = [Suite::EcdsaP256, Suite::MlDsa44EcdsaP256];

/// What a chain is verified as, under every policy.
fn verified(chain: &[Certificate]) -> Option<VerifiedSvid> {
    let under = |policy| {
        let options = VerifyOptions::under(Policy::Path(policy));
        verify_x509_svid_with(chain, bundles(), now(), &options)
    };
    let anything = under(PathPolicy::ClassicalOk);
    for stricter in [PathPolicy::PqRequired, PathPolicy::HybridRequired] {
        if let Ok(verified) = under(stricter) {
            let same = anything
                .as_ref()
                .expect("what a strict policy takes, a lax one takes, too");
            assert_eq!(verified.spiffe_id, same.spiffe_id);
        }
    }
    let verified = anything.ok()?;
    assert_eq!(verified.spiffe_id.trust_domain(), &trust_domain());
    let leaf = chain.first().expect("a chain that was verified");
    assert_eq!(leaf.spiffe_id().ok().as_ref(), Some(&verified.spiffe_id));
    assert!(!leaf.is_ca(), "a leaf that may sign");
    assert!(leaf.not_before() <= now() && now() <= leaf.not_after());
    assert!(verified.not_after <= leaf.not_after());
    assert!(leaf.unprocessed_critical_extensions().is_empty());
    Some(verified)
}

/// The first part is signed by the authority below the root, those that follow by the root.
fn signed_path(input: &[u8]) {
    static SIGNERS: OnceLock<[[SuiteSigner; 2]; 2]> = OnceLock::new();
    let signers =
        SIGNERS.get_or_init(|| SUITES.map(|suite| [estate::signer(suite, 2), estate::signer(suite, 1)]));
    let mut parts = Vec::new();
    let mut rest = input;
    while parts.len() < 4
        && let Some(first) = der::first(rest)
    {
        parts.push(first);
        rest = &rest[first.len()..];
    }
    for (suite, [below, root]) in SUITES.iter().zip(signers) {
        let signed = parts.iter().enumerate().map(|(place, part)| {
            let signer = if place == 0 { below } else { root };
            Certificate::from_der(&der::signed(part, signer))
        });
        let Ok(chain) = signed.collect::<Result<Vec<_>, _>>() else {
            continue;
        };
        if verified(&chain).is_some() && *suite == Suite::EcdsaP256 {
            as_webpki(&chain);
        }
    }
}

/// A second verifier that takes this chain, too.
fn as_webpki(path: &[Certificate]) {
    // It has no rules for URIs in name constraints, and refuses them.
    if path.iter().any(|one| one.name_constraints().is_some()) {
        return;
    }
    let root = CertificateDer::from(chain(Suite::EcdsaP256).root.certificate().der());
    let anchors: [TrustAnchor<'_>; 1] = [anchor_from_trusted_cert(&root).expect("a root of our own")];
    let others: Vec<CertificateDer<'_>> = path
        .iter()
        .skip(1)
        .map(|one| CertificateDer::from(one.der()))
        .collect();
    let leaf = CertificateDer::from(path[0].der());
    let leaf = EndEntityCert::try_from(&leaf).expect("webpki does not read what we verify");
    leaf.verify_for_usage(
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .all,
        &anchors,
        &others,
        UnixTime::since_unix_epoch(Duration::from_secs(estate::NOW)),
        KeyUsage::client_auth(),
        None,
        None,
    )
    .expect("webpki does not take what we verify");
}
