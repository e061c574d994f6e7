//! What is about to be signed, broken one by one against what was asked for and against who signs it.

use spiffe::TrustDomain;
use symbolon_issuance::lint::rules::{extensions, issuing as rules};
use symbolon_issuance::lint::{self, Expected, Issuer, Rule};
use symbolon_issuance::{AuthoritySpec, Profile, RootSpec, prepare_root};
use symbolon_pki::suite::Suite;

use crate::bench::Bench;
use crate::build::{ML_DSA_44, plain_key};
use crate::common::{DAY, id, now, serial, signer, trust_domain};
use crate::pieces::*;
use crate::seen::Seen;

/// The alternative key and the algorithm of the alternative signature come after the other extensions.
const ALTERNATIVE_KEY: usize = 6;
const ALTERNATIVE_ALGORITHM: usize = 7;

pub(crate) fn presign(seen: &mut Seen) {
    let bench = Bench::new(Suite::EcdsaP256, Suite::EcdsaP256);
    let ml_dsa = Bench::new(Suite::MlDsa44, Suite::MlDsa44);
    for bench in [&bench, &ml_dsa, &Bench::catalyst(), &Bench::paired()] {
        assert_eq!(bench.broken(|_| {}), Vec::<&Rule>::new());
    }
    let mut expect = |rule: &'static Rule, others: &[&'static Rule], found: Vec<&'static Rule>| {
        seen.rules(rule, others, found.into_iter());
    };
    for serial in [&[0x12; 16][..], &[0x11; 15], &[1]] {
        let found = bench.broken(|p| p.fields[SERIAL] = tlv(2, serial));
        expect(&rules::ASKED_SERIAL, &[], found);
    }
    // The profile would have a leaf without DNS names have no common name, but this one has.
    let plain = name(&[(6, 0x13, "US"), (10, 0x0c, "SPIRE")]);
    expect(
        &rules::ASKED_SUBJECT,
        &[],
        bench.broken(|p| p.fields[SUBJECT] = plain),
    );
    let other = [(0x86, "spiffe://example.org/other"), (0x82, "web")];
    expect(&rules::ASKED_ID, &[], bench.broken(|p| p.names(&other)));
    let more = [(0x86, "spiffe://example.org/web"), (0x82, "web"), (0x82, "more")];
    expect(&rules::ASKED_DNS, &[], bench.broken(|p| p.names(&more)));
    for (begins, ends, rule, others) in [
        (
            &b"261122032501Z"[..],
            &b"261122042500Z"[..],
            &rules::ASKED_BEGIN,
            &[][..],
        ),
        (b"261122032450Z", b"261122042501Z", &rules::ASKED_END, &[]),
        (
            b"261122032449Z",
            b"261122042500Z",
            &rules::ISSUER_VALIDITY,
            &[&rules::ASKED_BEGIN],
        ),
    ] {
        expect(rule, others, bench.broken(|p| p.times(begins, ends)));
    }

    // A key that nobody asked for, and one that was asked for and is another family's or the authority's own.
    let (key, other_key) = (bench.key.spki_der(), ml_dsa.key.spki_der());
    expect(
        &rules::ASKED_KEY,
        &[],
        bench.lint(&bench.pieces.tbs(), &other_key),
    );
    let swapped = |spki: &[u8], skid: &[u8]| {
        let mut pieces = bench.pieces.clone();
        pieces.fields[SPKI] = spki.to_vec();
        pieces.set(SUBJECT_KEY_IDENTIFIER, &tlv(4, skid));
        pieces.tbs()
    };
    let found = bench.lint(&swapped(&other_key, ml_dsa.key.skid().as_bytes()), &other_key);
    expect(&rules::ISSUER_FAMILY, &[], found);
    let authoritys = bench.authority.signer().public_key();
    let found = bench.lint(
        &swapped(&authoritys.spki_der(), authoritys.skid().as_bytes()),
        &authoritys.spki_der(),
    );
    expect(&rules::COMPONENT_REUSE, &[], found);

    let subject = bench.pieces.fields[SUBJECT].clone();
    expect(
        &rules::ISSUER_NAME,
        &[],
        bench.broken(|p| p.fields[ISSUER] = subject),
    );
    let algorithm = ml_dsa.pieces.fields[ALGORITHM].clone();
    expect(
        &rules::ISSUER_ALGORITHM,
        &[],
        bench.broken(|p| p.fields[ALGORITHM] = algorithm),
    );
    let other_id = tlv(0x30, &tlv(0x80, &[7; 20]));
    expect(
        &rules::ISSUER_KEY,
        &[],
        bench.broken(|p| p.set(AUTHORITY_KEY_IDENTIFIER, &other_id)),
    );
    let authoritys = tlv(0x30, &[1, 1, 0xff]);
    // An authority without an authority's subject, identity and usages.
    let found = bench.lint(
        &{
            let mut pieces = bench.pieces.clone();
            pieces.set(BASIC_CONSTRAINTS, &authoritys);
            pieces.tbs()
        },
        &key,
    );
    assert!(found.contains(&&rules::ASKED_ROLE), "{found:?}");
}

/// A root that keeps URIs to its trust domain, and one that does not.
pub(crate) fn name_constraints(seen: &mut Seen) {
    const NAME_CONSTRAINTS: usize = 2;
    let (signer, domain, spiffe_id) = (signer(Suite::EcdsaP256), trust_domain(), id(""));
    let (serial, spki) = (serial(), signer.public_key().spki_der());
    let tbs_of = |constrains_names| {
        let root = RootSpec {
            authority: AuthoritySpec {
                trust_domain: &domain,
                ttl: DAY,
                path_len: Some(1),
            },
            organization: "SPIFFE",
            constrains_names,
        };
        prepare_root(&root, &signer, serial, now())
            .unwrap()
            .tbs_der()
            .to_vec()
    };
    let lint = |tbs: &[u8], constrains_names| {
        let expected = Expected {
            profile: Profile::SelfSignedAuthority,
            serial: &serial,
            spiffe_id: &spiffe_id,
            dns_names: &[],
            spki: &spki,
            alternative_spki: None,
            related: None,
            path_len: Some(1),
            constrains_names,
            organization: "SPIFFE",
            ttl: DAY,
            now: now(),
            issuer: Issuer::Itself {
                suite: Suite::EcdsaP256,
                alternative: None,
            },
        };
        match lint::check(tbs, &expected) {
            Ok(()) => Vec::new(),
            Err(error) => error.findings().iter().map(|finding| finding.rule).collect(),
        }
    };
    let mut expect = |rule: &'static Rule, others: &[&'static Rule], found: Vec<&'static Rule>| {
        seen.rules(rule, others, found.into_iter());
    };
    let (constrained, free) = (tbs_of(true), tbs_of(false));
    assert_eq!(lint(&constrained, true), Vec::<&Rule>::new());
    assert_eq!(lint(&free, false), Vec::<&Rule>::new());
    expect(&rules::ASKED_CONSTRAINTS, &[], lint(&constrained, false));
    expect(&rules::ASKED_CONSTRAINTS, &[], lint(&free, true));

    let host = |host: &str| tlv(0x30, &tlv(0x86, host.as_bytes()));
    let permitted = |trees: &[u8]| tlv(0x30, &tlv(0xa0, trees));
    let both = [tlv(0xa0, &host("example.org")), tlv(0xa1, &host("a.example.org"))].concat();
    for other in [
        permitted(&host("example.com")),
        permitted(&host(".example.org")),
        permitted(&[host("example.org"), host("example.com")].concat()),
        permitted(&tlv(0x30, &tlv(0x82, b"example.org"))),
        tlv(0x30, &tlv(0xa1, &host("example.org"))),
        tlv(0x30, &both),
    ] {
        let mut pieces = Pieces::of(&constrained);
        pieces.set(NAME_CONSTRAINTS, &other);
        expect(&rules::CONSTRAINTS, &[], lint(&pieces.tbs(), true));
    }
    let mut pieces = Pieces::of(&constrained);
    let mut fields = parts(&content(&pieces.extensions[NAME_CONSTRAINTS]));
    fields.remove(1);
    pieces.extensions[NAME_CONSTRAINTS] = tlv(0x30, &fields.concat());
    expect(
        &rules::CRITICALITY,
        &[&extensions::MUST_BE_CRITICAL],
        lint(&pieces.tbs(), true),
    );
    // A trust domain that is no domain name is no host to be compared with.
    let address = TrustDomain::new("192.0.2.1").unwrap();
    let root = RootSpec {
        authority: AuthoritySpec {
            trust_domain: &address,
            ttl: DAY,
            path_len: None,
        },
        organization: "SPIFFE",
        constrains_names: true,
    };
    let error = prepare_root(&root, &signer, serial, now()).unwrap_err();
    assert!(error.to_string().contains("192.0.2.1"), "{error}");
}

/// Alternative keys, and the link to the first of a pair.
pub(crate) fn beside(seen: &mut Seen) {
    let (catalyst, paired) = (Bench::catalyst(), Bench::paired());
    let mut expect =
        |rule: &'static Rule, found: Vec<&'static Rule>| seen.rules(rule, &[], found.into_iter());
    let other = plain_key(ML_DSA_44, 1312);
    expect(
        &rules::ASKED_ALTERNATIVE,
        catalyst.broken(|p| p.set(ALTERNATIVE_KEY, &other)),
    );
    let mldsa65 = [0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 18];
    expect(
        &rules::ISSUER_ALTERNATIVE,
        catalyst.broken(|p| p.set(ALTERNATIVE_ALGORITHM, &mldsa65)),
    );
    expect(
        &rules::ISSUER_ALTERNATIVE,
        catalyst.broken(|p| drop(p.extensions.remove(ALTERNATIVE_ALGORITHM))),
    );
    let last = paired.pieces.extensions.len() - 1;
    expect(
        &rules::ASKED_RELATED,
        paired.broken(|p| drop(p.extensions.remove(last))),
    );
    let hash = tlv(0x30, &[0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]);
    let link = tlv(0x30, &[hash, tlv(4, &[9; 32])].concat());
    expect(&rules::ASKED_RELATED, paired.broken(|p| p.set(last, &link)));
    // The right hash, said to be of another algorithm: SHA3-256.
    let mislabelled = paired.broken(|p| {
        let sha256 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
        let extension = &mut p.extensions[last];
        let at = extension
            .windows(sha256.len())
            .position(|window| window == sha256)
            .unwrap();
        extension[at + 8] = 8;
    });
    expect(&rules::ASKED_RELATED, mislabelled);
}
