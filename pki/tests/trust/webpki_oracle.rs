//! A second opinion: chains and revocation lists, good and spoilt, shown to this library and to `rustls-webpki`.
//!
//! Where the two differ the case says why, and a reason that is not needed fails. Suites are those that webpki knows.

mod lists;
mod names;

use const_oid::AssociatedOid;
use const_oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use rustls_pki_types::{CertificateDer, UnixTime};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::crl::{Crl, CrlSet};
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::{Revocation, RevocationMode, VerifyOptions, verify_x509_svid_with};
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage as Usage,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsages};

use crate::support::{Ca, Draft, HOUR, now, signer};

const SUITES: [Suite; 4] = [Suite::EcdsaP256, Suite::EcdsaP384, Suite::Ed25519, Suite::MlDsa65];

/// A root, an intermediate and a leaf, each of which a case may spoil.
struct Chain {
    root: Ca,
    middle: Ca,
    leaf: Certificate,
}

type Change = fn(&mut Draft);

fn good(_: &mut Draft) {}

fn chain(suite: Suite, [root, middle, leaf]: [Change; 3]) -> Chain {
    let root = Ca::root_with(signer(suite), root);
    let middle = root.intermediate(suite, |draft| {
        draft.serial = vec![9];
        middle(draft);
    });
    let leaf = middle.leaf(suite, leaf);
    Chain { root, middle, leaf }
}

impl Chain {
    fn ours(&self, lists: &[Vec<u8>]) -> Result<(), String> {
        let lists = lists
            .iter()
            .map(|der| Crl::from_der(der))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        let mut options = VerifyOptions::default();
        if !lists.is_empty() {
            options.revocation = Revocation::new(RevocationMode::Require, CrlSet::new(lists).unwrap());
        }
        let chain = [self.leaf.clone(), self.middle.certificate.clone()];
        verify_x509_svid_with(&chain, &self.root.bundles(), now(), &options)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn theirs(&self, lists: &[Vec<u8>]) -> Result<(), String> {
        let der = |certificate: &Certificate| CertificateDer::from(certificate.der().to_vec());
        let (root, middle, leaf) = (
            der(&self.root.certificate),
            der(&self.middle.certificate),
            der(&self.leaf),
        );
        let words = |error: webpki::Error| format!("{error:?}");
        let anchor = anchor_from_trusted_cert(&root).map_err(words)?;
        let leaf = EndEntityCert::try_from(&leaf).map_err(words)?;
        let lists = lists
            .iter()
            .map(|der| BorrowedCertRevocationList::from_der(der).map(CertRevocationList::from))
            .collect::<Result<Vec<_>, _>>()
            .map_err(words)?;
        let lists: Vec<&CertRevocationList<'_>> = lists.iter().collect();
        let revocation = (!lists.is_empty()).then(|| {
            RevocationOptionsBuilder::new(&lists)
                .unwrap()
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        let at = now().duration_since(std::time::UNIX_EPOCH).unwrap();
        for usage in [Usage::server_auth(), Usage::client_auth()] {
            leaf.verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                std::slice::from_ref(&anchor),
                std::slice::from_ref(&middle),
                UnixTime::since_unix_epoch(at),
                usage,
                revocation,
                None,
            )
            .map_err(words)?;
        }
        Ok(())
    }

    /// Both verdicts have to be the same, or differ where a reason says that they do.
    fn compare(&self, name: &str, lists: &[Vec<u8>], differs: Option<&str>) {
        let (ours, theirs) = (self.ours(lists), self.theirs(lists));
        match differs {
            None => assert_eq!(ours.is_ok(), theirs.is_ok(), "{name}: {ours:?} {theirs:?}"),
            Some(reason) => assert_ne!(
                ours.is_ok(),
                theirs.is_ok(),
                "{name}: {ours:?} {theirs:?}: both say so, so this needs no reason: {reason}"
            ),
        }
    }
}

fn basic(draft: &mut Draft, ca: bool, path_len_constraint: Option<u8>) {
    draft.set(
        true,
        &BasicConstraints {
            ca,
            path_len_constraint,
        },
    );
}

const USAGE: &str = "webpki does not look at keyUsage";
const SPIFFE: &str = "webpki knows nothing of SPIFFE IDs";
const ANCHOR: &str = "to webpki an anchor is a name and a key";

#[test]
fn verdicts_on_chains_agree() {
    let cases: [(&str, [Change; 3], Option<&str>); 27] = [
        ("good", [good, good, good], None),
        (
            "leaf expired",
            [good, good, |d| d.not_after = now() - HOUR / 2],
            None,
        ),
        (
            "leaf early",
            [good, good, |d| d.not_before = now() + HOUR / 2],
            None,
        ),
        (
            "middle expired",
            [good, |d| d.not_after = now() - HOUR / 2, good],
            None,
        ),
        (
            "middle early",
            [good, |d| d.not_before = now() + HOUR / 2, good],
            None,
        ),
        (
            "root expired",
            [|d| d.not_after = now() - HOUR / 2, good, good],
            Some(ANCHOR),
        ),
        (
            "root no CA",
            [|d| basic(d, false, None), good, good],
            Some(ANCHOR),
        ),
        ("middle no CA", [good, |d| basic(d, false, None), good], None),
        (
            "middle without constraints",
            [good, |d| d.remove(BasicConstraints::OID), good],
            None,
        ),
        ("leaf CA", [good, good, |d| basic(d, true, None)], None),
        (
            "path length 0 in the middle",
            [good, |d| basic(d, true, Some(0)), good],
            None,
        ),
        (
            "path length 0 at the root",
            [|d| basic(d, true, Some(0)), good, good],
            Some(ANCHOR),
        ),
        (
            "path length 1 at the root",
            [|d| basic(d, true, Some(1)), good, good],
            None,
        ),
        (
            "critical unknown, leaf",
            [good, good, |d| d.set_raw(UNKNOWN, true, &[5, 0])],
            None,
        ),
        (
            "critical unknown, middle",
            [good, |d| d.set_raw(UNKNOWN, true, &[5, 0]), good],
            None,
        ),
        (
            "unknown, leaf",
            [good, good, |d| d.set_raw(UNKNOWN, false, &[5, 0])],
            None,
        ),
        (
            "leaf without usages of TLS",
            [good, good, |d| d.remove(ExtendedKeyUsage::OID)],
            None,
        ),
        (
            "leaf for servers alone",
            [good, good, |d| {
                d.set(false, &ExtendedKeyUsage(vec![ID_KP_SERVER_AUTH]));
            }],
            None,
        ),
        (
            "middle for clients alone",
            [
                good,
                |d| d.set(false, &ExtendedKeyUsage(vec![ID_KP_CLIENT_AUTH])),
                good,
            ],
            None,
        ),
        (
            "middle for both",
            [
                good,
                |d| {
                    d.set(
                        false,
                        &ExtendedKeyUsage(vec![ID_KP_SERVER_AUTH, ID_KP_CLIENT_AUTH]),
                    );
                },
                good,
            ],
            None,
        ),
        (
            "leaf may not sign",
            [good, good, |d| d.usage(true, KeyUsages::KeyAgreement)],
            Some(USAGE),
        ),
        (
            "middle may not sign certificates",
            [good, |d| d.usage(true, KeyUsages::CRLSign), good],
            Some(USAGE),
        ),
        ("leaf without an ID", [good, good, |d| d.uris(&[])], Some(SPIFFE)),
        (
            "middle of another trust domain",
            [good, |d| d.uris(&["spiffe://other.org"]), good],
            Some(SPIFFE),
        ),
        (
            "issuer's name another",
            [good, good, |d| d.issuer = "CN=nobody".parse().unwrap()],
            None,
        ),
        (
            "issuer's key identifier another",
            [good, good, |d| {
                d.set_raw(AuthorityKeyIdentifier::OID, false, &[0x30, 3, 0x80, 1, 7]);
            }],
            Some("webpki looks for issuers by name alone"),
        ),
        (
            "serial number of 21 octets",
            [good, good, |d| d.serial = vec![1; 20]],
            None,
        ),
    ];
    for suite in SUITES {
        for (name, changes, differs) in &cases {
            chain(suite, *changes).compare(&format!("{suite}: {name}"), &[], *differs);
        }
    }
}

const UNKNOWN: const_oid::ObjectIdentifier = const_oid::ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1");

#[test]
fn spoilt_signatures_are_refused_by_both() {
    for suite in SUITES {
        let mut spoilt = chain(suite, [good; 3]);
        spoilt.leaf = crate::support::flip_signature(&spoilt.leaf, 20);
        spoilt.compare("leaf", &[], None);
        assert!(spoilt.ours(&[]).is_err());
        let mut spoilt = chain(suite, [good; 3]);
        spoilt.middle.certificate = crate::support::flip_signature(&spoilt.middle.certificate, 20);
        spoilt.compare("intermediate", &[], None);
        assert!(spoilt.ours(&[]).is_err());
    }
}
