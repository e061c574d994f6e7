//! `symbolon svid verify --crl`: what a revocation list says of a chain, by the real program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use support::Home;
use symbolon_crypto::random;
use symbolon_issuance::crl::{CrlRequest, IssuedCrl, Revoked, prepare_crl};
use symbolon_issuance::{
    Authority, AuthorityKeys, AuthoritySpec, Beside, Serial, SvidProfile, SvidRequest, prepare_authority,
    prepare_svid,
};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::crl::RevocationReason;
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::key::{PrivateKey, SubjectKey, SuiteSigner};
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;

const HOUR: Duration = Duration::from_secs(3_600);

fn signer(suite: Suite) -> SuiteSigner {
    PrivateKey::generate(suite).unwrap().signer().unwrap()
}

fn serial() -> Serial {
    Serial::random(random::fill).unwrap()
}

fn authority(keys: impl Into<AuthorityKeys>, now: SystemTime) -> Authority {
    let (keys, trust_domain) = (keys.into(), TrustDomain::new("example.org").unwrap());
    let spec = AuthoritySpec {
        trust_domain: &trust_domain,
        ttl: 24 * HOUR,
        path_len: None,
    };
    let issued = prepare_authority(&spec, &keys, serial(), now)
        .unwrap()
        .sign(&keys)
        .unwrap();
    Authority::new(Certificate::from_der(issued.der()).unwrap(), keys).unwrap()
}

/// A certificate of `/web` with its serial number.
fn svid(by: &Authority, key: &SuiteSigner, beside: Beside<'_>, now: SystemTime) -> (Certificate, Serial) {
    let serial = serial();
    let request = SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id: &SpiffeId::new("spiffe://example.org/web").unwrap(),
        key: &SubjectKey::Suite(key.public_key().clone()),
        beside,
        dns_names: &[],
        ttl: HOUR,
        serial,
        now,
    };
    let issued = prepare_svid(by, &request).unwrap().sign(by).unwrap();
    (Certificate::from_der(issued.der()).unwrap(), serial)
}

fn list(by: &Authority, number: u64, serials: &[Serial], ttl: Duration, now: SystemTime) -> IssuedCrl {
    let revoked: Vec<_> = serials
        .iter()
        .map(|serial| Revoked {
            serial: *serial,
            at: now,
            reason: RevocationReason::KeyCompromise,
            invalid_since: None,
        })
        .collect();
    let request = CrlRequest {
        number,
        revoked: &revoked,
        ttl,
        now,
    };
    prepare_crl(by, &request).unwrap().sign(by).unwrap()
}

/// Writes a file into `home` and gives its path.
fn file(home: &Home, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = home.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What became of a verification: the exit code, and what was said.
fn verify(home: &Home, arguments: &[&str]) -> (i32, String) {
    let output = home.run(&[&["svid", "verify"], arguments].concat());
    (output.status.code().unwrap(), support::said(&output))
}

#[track_caller]
fn refused((code, said): (i32, String), words: &str) {
    assert!(code == 3 && said.contains(words), "{words}: {said}");
}

#[test]
fn a_list_decides_and_one_that_is_nothing_to_the_chain_does_not() {
    let (home, now) = (Home::new(), SystemTime::now());
    let ours = authority(signer(Suite::EcdsaP256), now);
    let theirs = authority(signer(Suite::EcdsaP256), now);
    let key = signer(Suite::EcdsaP256);
    let (good, _) = svid(&ours, &key, Beside::Nothing, now);
    let (bad, revoked) = svid(&ours, &key, Beside::Nothing, now);
    let bundle = file(
        &home,
        "bundle.pem",
        pem::encode_certificates([ours.certificate()]),
    );
    let good = file(&home, "good.pem", pem::encode_certificates([&good]));
    let bad = file(&home, "bad.pem", pem::encode_certificates([&bad]));
    let crl = list(&ours, 2, &[revoked], HOUR, now);
    let der = file(&home, "list.crl", crl.der());
    let empty = list(&ours, 1, &[], HOUR, now);
    let both = [&empty, &crl].map(|list| pem::encode("X509 CRL", list.der()).to_string());
    let both = file(&home, "lists.pem", both.concat());
    let other = file(&home, "other.crl", list(&theirs, 9, &[], HOUR, now).der());

    for lists in [&der, &both] {
        let (code, said) = verify(&home, &[&good, "--bundle", &bundle, "--crl", lists]);
        assert_eq!(code, 0, "{said}");
        let (code, said) = verify(&home, &[&bad, "--bundle", &bundle, "--crl", lists]);
        refused((code, said.clone()), "it was revoked at");
        assert!(
            said.contains("revocation list 2 says"),
            "the newest of the lists: {said}"
        );
    }
    // Without the list nobody knows.
    assert_eq!(verify(&home, &[&bad, "--bundle", &bundle]).0, 0);
    let off = ["--bundle", &bundle, "--crl", &der, "--revocation", "off"];
    assert_eq!(verify(&home, &[&[bad.as_str()], &off[..]].concat()).0, 0);

    // A list of another authority says nothing, and who gives one wants to be told something.
    let strange = [&good, "--bundle", &bundle, "--crl", &other];
    refused(verify(&home, &strange), "no revocation list of its issuer");
    let (code, said) = verify(&home, &[&strange[..], &["--revocation", "if-present"]].concat());
    assert_eq!(code, 0, "{said}");

    // One that was changed is refused, and not left out.
    let mut changed = crl.der().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let changed = file(&home, "changed.crl", changed);
    refused(
        verify(&home, &[&good, "--bundle", &bundle, "--crl", &changed]),
        "revocation list",
    );
    // One that should have been followed by another by then.
    let late = time::OffsetDateTime::from(now + HOUR / 2);
    let late = late
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    let short = file(&home, "short.crl", list(&ours, 3, &[], HOUR / 4, now).der());
    let at = [&good, "--bundle", &bundle, "--crl", &short, "--at", &late];
    refused(verify(&home, &at), "revocation list 3");

    // What is no list is the caller's mistake.
    for not_a_list in [&good, &file(&home, "cut.crl", &crl.der()[..40])] {
        let (code, said) = verify(&home, &[&good, "--bundle", &bundle, "--crl", not_a_list]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(not_a_list.as_str()), "{said}");
    }
}

#[test]
fn either_half_of_a_pair_can_be_revoked_and_each_needs_its_list() {
    let (home, now) = (Home::new(), SystemTime::now());
    let classical = authority(signer(Suite::EcdsaP256), now);
    let ml_dsa = authority(signer(Suite::MlDsa65), now);
    let (one, other) = (signer(Suite::EcdsaP256), signer(Suite::MlDsa65));
    let (first, first_serial) = svid(&classical, &one, Beside::Nothing, now);
    let csr = CsrBuilder::new(&other)
        .related_to(&first, &one, now)
        .build()
        .unwrap();
    let csr = Csr::from_der(&csr).unwrap();
    let related = csr.related_request().unwrap().prove(&first, now).unwrap();
    let (second, second_serial) = svid(&ml_dsa, &other, Beside::Related(&related), now);
    let roots = [classical.certificate(), ml_dsa.certificate()];
    let bundle = file(&home, "bundle.pem", pem::encode_certificates(roots));
    let first = file(&home, "first.pem", pem::encode_certificates([&first]));
    let second = file(&home, "second.pem", pem::encode_certificates([&second]));
    let lists = |name: &str, of_first: &[Serial], of_second: &[Serial]| {
        let lists = [
            list(&classical, 1, of_first, HOUR, now),
            list(&ml_dsa, 1, of_second, HOUR, now),
        ];
        let lists = lists.map(|list| pem::encode("X509 CRL", list.der()).to_string());
        file(&home, name, lists.concat())
    };
    let pair = |crl: &str| verify(&home, &[&first, &second, "--bundle", &bundle, "--crl", crl]);

    let (code, said) = pair(&lists("none.pem", &[], &[]));
    assert_eq!(code, 0, "{said}");
    for (name, of_first, of_second, half) in [
        (
            "first.pem.crl",
            &[first_serial][..],
            &[][..],
            "the first, classical certificate",
        ),
        (
            "second.pem.crl",
            &[],
            &[second_serial],
            "the second, post-quantum certificate",
        ),
    ] {
        let (code, said) = pair(&lists(name, of_first, of_second));
        refused((code, said.clone()), "it was revoked at");
        assert!(said.contains(half), "{said}");
    }
    let one_list = file(&home, "one.crl", list(&classical, 1, &[], HOUR, now).der());
    let (code, said) = pair(&one_list);
    refused((code, said.clone()), "no revocation list of its issuer");
    assert!(said.contains("the second"), "{said}");
}

/// The list with a bit of its alternative signature flipped, and a native signature over that: what somebody can make who
/// forges the native key alone.
fn forged(crl: &IssuedCrl, native: &SuiteSigner) -> Vec<u8> {
    // SEQUENCE { TBS, AlgorithmIdentifier of ECDSA, BIT STRING }; the alternative signature ends the TBS.
    let der = crl.der();
    let end = 4 + 4 + usize::from(der[6]) * 256 + usize::from(der[7]);
    let mut signed = der[4..end].to_vec();
    *signed.last_mut().unwrap() ^= 1;
    let signature = native.sign(&signed).unwrap();
    signed.extend(&der[end..end + 12]);
    signed.extend([3, u8::try_from(signature.len() + 1).unwrap(), 0]);
    signed.extend(signature);
    let length = u16::try_from(signed.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82, length[0], length[1]], signed.as_slice()].concat()
}

#[test]
fn a_catalyst_authoritys_list_is_held_to_both_signatures_where_both_are_wanted() {
    let (home, now) = (Home::new(), SystemTime::now());
    let native = signer(Suite::EcdsaP256);
    let keys = AuthorityKeys::catalyst(native.clone(), signer(Suite::MlDsa65)).unwrap();
    let catalyst = authority(keys, now);
    let (key, alternative) = (signer(Suite::EcdsaP256), signer(Suite::MlDsa65));
    let alternative = SubjectKey::Suite(alternative.public_key().clone());
    let (leaf, serial) = svid(&catalyst, &key, Beside::Alternative(&alternative), now);
    let bundle = file(
        &home,
        "bundle.pem",
        pem::encode_certificates([catalyst.certificate()]),
    );
    let leaf = file(&home, "leaf.pem", pem::encode_certificates([&leaf]));
    let crl = list(&catalyst, 1, &[], HOUR, now);
    let whole = file(&home, "whole.crl", crl.der());
    let forged = file(&home, "forged.crl", forged(&crl, &native));
    let revoking = file(
        &home,
        "revoking.crl",
        list(&catalyst, 2, &[serial], HOUR, now).der(),
    );
    let under = |crl: &str, policy: &str| {
        verify(
            &home,
            &[&leaf, "--bundle", &bundle, "--crl", crl, "--policy", policy],
        )
    };
    for policy in ["classical-ok", "hybrid-required"] {
        let (code, said) = under(&whole, policy);
        assert_eq!(code, 0, "{policy}: {said}");
        refused(under(&revoking, policy), "it was revoked at");
    }
    let (code, said) = under(&forged, "classical-ok");
    assert_eq!(code, 0, "its native signature holds: {said}");
    refused(
        under(&forged, "hybrid-required"),
        "the post-quantum half of its issuer's revocation list 1 is refused",
    );
}
