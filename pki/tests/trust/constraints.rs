//! Name constraints: which names a signing certificate lets pass below it.

use const_oid::db::rfc5280::ID_CE_NAME_CONSTRAINTS;
use der::Encode;
use der::asn1::{Ia5String, OctetString};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::{ChainReason, Role, verify_x509_svid};
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{NameConstraints, SubjectAltName};
use x509_cert::name::Name;

use crate::support::{Ca, Draft, now, signer, subject_key};

const SUITE: Suite = Suite::Ed25519;

fn uri(text: &str) -> GeneralName {
    GeneralName::UniformResourceIdentifier(Ia5String::new(text).unwrap())
}

fn dns(text: &str) -> GeneralName {
    GeneralName::DnsName(Ia5String::new(text).unwrap())
}

fn email(text: &str) -> GeneralName {
    GeneralName::Rfc822Name(Ia5String::new(text).unwrap())
}

fn ip(bytes: &[u8]) -> GeneralName {
    GeneralName::IpAddress(OctetString::new(bytes).unwrap())
}

fn directory(text: &str) -> GeneralName {
    GeneralName::DirectoryName(text.parse::<Name>().unwrap())
}

fn subtrees(names: &[GeneralName]) -> Option<Vec<GeneralSubtree>> {
    let subtree = |base: &GeneralName| GeneralSubtree {
        base: base.clone(),
        minimum: 0,
        maximum: None,
    };
    (!names.is_empty()).then(|| names.iter().map(subtree).collect())
}

fn constrain(draft: &mut Draft, permitted: &[GeneralName], excluded: &[GeneralName]) {
    let constraints = NameConstraints {
        permitted_subtrees: subtrees(permitted),
        excluded_subtrees: subtrees(excluded),
    };
    draft.set_raw(ID_CE_NAME_CONSTRAINTS, true, &constraints.to_der().unwrap());
}

fn name(draft: &mut Draft, more: &[GeneralName]) {
    let mut names = vec![uri("spiffe://example.org/workload")];
    names.extend_from_slice(more);
    draft.set(false, &SubjectAltName(names));
}

/// What becomes of a leaf with these names beside its SPIFFE ID, under a constrained intermediate.
fn verdict(
    permitted: &[GeneralName],
    excluded: &[GeneralName],
    names: &[GeneralName],
) -> Result<(), ChainReason> {
    let root = Ca::root(SUITE);
    let middle = root.intermediate(SUITE, |draft| constrain(draft, permitted, excluded));
    let leaf = middle.leaf(SUITE, |draft| name(draft, names));
    let chain = [leaf, middle.certificate];
    verify_x509_svid(&chain, &root.bundles(), now())
        .map(drop)
        .map_err(|error| {
            // The one whose constraints they are is at fault, and it says whose name it is.
            assert_eq!(
                (error.certificate, error.role),
                (1, Role::Intermediate),
                "{error}"
            );
            assert!(
                error.to_string().contains("leaf (spiffe://example.org/workload)"),
                "{error}"
            );
            *error.reason
        })
}

#[test]
fn names_are_permitted_excluded_or_of_no_concern() {
    let org = uri("example.org");
    type Case<'a> = (&'a [GeneralName], &'a [GeneralName], &'a [GeneralName], &'a str);
    let cases: [Case<'_>; 22] = [
        (std::slice::from_ref(&org), &[], &[], "ok"),
        (&[uri("example.com"), org.clone()], &[], &[], "ok"),
        (&[uri(".example.org")], &[], &[], "not permitted"),
        (&[uri("example.com")], &[], &[], "not permitted"),
        (&[], std::slice::from_ref(&org), &[], "excluded"),
        (&[], &[uri(".example.org")], &[], "ok"),
        (&[], &[uri("EXAMPLE.ORG")], &[], "excluded"),
        // A kind of name that is not permitted explicitly is only constrained by subtrees of that kind.
        (std::slice::from_ref(&org), &[], &[dns("anything.example")], "ok"),
        (&[dns("example.org")], &[], &[dns("a.example.org")], "ok"),
        (&[dns("example.org")], &[], &[dns("example.com")], "not permitted"),
        (
            &[dns("example.org")],
            &[dns("secret.example.org")],
            &[dns("a.secret.example.org")],
            "excluded",
        ),
        (
            &[],
            &[dns("secret.example.org")],
            &[dns("*.example.org")],
            "excluded",
        ),
        (
            &[dns("secret.example.org")],
            &[],
            &[dns("*.example.org")],
            "not permitted",
        ),
        (&[], &[dns("")], &[dns("a")], "excluded"),
        (&[dns("example.org")], &[], &[dns("a..org")], "not comparable"),
        (&[directory("O=SPIRE,C=US")], &[], &[], "ok"),
        (&[directory("O=spire,C=us")], &[], &[], "ok"),
        (&[directory("O=Other,C=US")], &[], &[], "not permitted"),
        (&[], &[directory("C=US")], &[], "excluded"),
        (
            &[directory("C=US")],
            &[],
            &[directory("CN=x,C=DE")],
            "not permitted",
        ),
        (&[email("example.org")], &[], &[], "ok"),
        (
            &[email("example.org")],
            &[],
            &[email("a@example.org")],
            "not comparable",
        ),
    ];
    for (index, (permitted, excluded, names, expected)) in cases.into_iter().enumerate() {
        let found = match verdict(permitted, excluded, names) {
            Ok(()) => "ok",
            Err(ChainReason::NameNotPermitted { .. }) => "not permitted",
            Err(ChainReason::NameExcluded { .. }) => "excluded",
            Err(ChainReason::NameNotComparable { .. }) => "not comparable",
            Err(other) => panic!("case {index}: {other}"),
        };
        assert_eq!(found, expected, "case {index}");
    }
    assert!(matches!(
        verdict(&[], &[ip(&[10, 0, 0, 0, 255, 0, 0, 0])], &[ip(&[192, 0, 2, 1])]),
        Err(ChainReason::NameNotComparable { .. })
    ));
}

#[test]
fn an_email_address_in_the_subject_is_a_name_too() {
    let root = Ca::root_with(signer(SUITE), |draft| {
        constrain(draft, &[], &[email("example.org")]);
    });
    let leaf = root.leaf(SUITE, |draft| {
        draft.subject = "1.2.840.113549.1.9.1=#160161,C=US".parse().unwrap();
    });
    let error = verify_x509_svid(&[leaf], &root.bundles(), now()).unwrap_err();
    assert!(
        matches!(*error.reason, ChainReason::NameNotComparable { .. }),
        "{error}"
    );
}

#[test]
fn constraints_hold_for_everyone_below_and_those_of_the_bundle_count() {
    let root = Ca::root_with(signer(SUITE), |draft| {
        constrain(draft, &[uri("example.org")], &[]);
    });
    let upper = root.intermediate(SUITE, |draft| constrain(draft, &[], &[dns("secret.example.org")]));
    let lower = upper.intermediate(SUITE, |_| ());
    let verify = |leaf: &Certificate| {
        let chain = [leaf.clone(), lower.certificate.clone(), upper.certificate.clone()];
        verify_x509_svid(&chain, &root.bundles(), now())
    };
    assert!(verify(&lower.leaf(SUITE, |_| ())).is_ok());
    let error = verify(&lower.leaf(SUITE, |draft| name(draft, &[dns("secret.example.org")]))).unwrap_err();
    assert_eq!(
        (error.certificate, error.role),
        (2, Role::Intermediate),
        "{error}"
    );

    // The intermediate's own name is constrained by the root as well.
    let odd = root.intermediate(SUITE, |draft| {
        draft.set(
            false,
            &SubjectAltName(vec![uri("spiffe://example.org"), directory("CN=x")]),
        );
    });
    let strict = Ca::root_with(root.signer.clone(), |draft| {
        constrain(draft, &[directory("C=US")], &[]);
    });
    let chain = [odd.leaf(SUITE, |_| ()), odd.certificate];
    let error = verify_x509_svid(&chain, &strict.bundles(), now()).unwrap_err();
    assert_eq!((error.certificate, error.role), (2, Role::Authority), "{error}");
    assert!(
        error
            .to_string()
            .contains("of intermediate (spiffe://example.org"),
        "{error}"
    );
}

#[test]
fn names_of_self_issued_signing_certificates_do_not_count() {
    let root = Ca::root_with(signer(SUITE), |draft| constrain(draft, &[], &[directory("CN=x")]));
    // The same subject as its issuer, and a name that is excluded.
    let renewed = root.intermediate(SUITE, |draft| {
        draft.subject = draft.issuer.clone();
        draft.set(
            false,
            &SubjectAltName(vec![uri("spiffe://example.org"), directory("CN=x")]),
        );
    });
    let chain = [renewed.leaf(SUITE, |_| ()), renewed.certificate];
    assert!(verify_x509_svid(&chain, &root.bundles(), now()).is_ok());
}

#[test]
fn a_leaf_has_no_constraints() {
    let root = Ca::root(SUITE);
    let leaf = root.leaf(SUITE, |draft| constrain(draft, &[uri("example.org")], &[]));
    let error = verify_x509_svid(&[leaf], &root.bundles(), now()).unwrap_err();
    assert_eq!(*error.reason, ChainReason::NameConstraintsOfLeaf);
}

#[test]
fn malformed_constraints_are_refused_when_the_certificate_is_read() {
    let key = signer(SUITE);
    let read = |content: &[u8]| {
        let mut draft = Draft::authority(&subject_key(&key));
        draft.set_raw(ID_CE_NAME_CONSTRAINTS, true, content);
        let der = draft.sign_with(SUITE.signature_algorithm_der(), |tbs| key.sign(tbs).unwrap());
        Certificate::from_der(&der)
    };
    let of = |permitted: Option<Vec<GeneralSubtree>>| {
        NameConstraints {
            permitted_subtrees: permitted,
            excluded_subtrees: None,
        }
        .to_der()
        .unwrap()
    };
    let mut far = subtrees(&[dns("a")]).unwrap();
    far[0].maximum = Some(1);
    let mut deep = subtrees(&[dns("a")]).unwrap();
    deep[0].minimum = 1;
    for (content, expected) in [
        (vec![0x30, 0], "constrains nothing"),
        (of(Some(Vec::new())), "empty list"),
        (of(Some(far)), "minimum or a maximum"),
        (of(Some(deep)), "minimum or a maximum"),
        (of(subtrees(&[uri("spiffe://example.org")])), "not a host name"),
        (of(subtrees(&[uri("")])), "not a host name"),
        (of(subtrees(&[dns("a..b")])), "not a DNS name"),
        (of(subtrees(&vec![dns("a"); 65])), "65 subtrees, more than 64"),
        // A minimum of 0, which is the default.
        (
            vec![0x30, 10, 0xa0, 8, 0x30, 6, 0x82, 1, b'a', 0x80, 1, 0],
            "not in DER",
        ),
        (vec![0x05, 0], "nameConstraints extension is wrong"),
    ] {
        let found = read(&content).unwrap_err().to_string();
        assert!(found.contains(expected), "{expected}: {found}");
    }
    assert!(
        read(&of(subtrees(&vec![dns("a"); 64])))
            .unwrap()
            .name_constraints()
            .is_some()
    );
}

#[test]
fn the_number_of_comparisons_is_bounded() {
    // 64 subtrees, against names that fill the certificate.
    let root = Ca::root(SUITE);
    let middle = root.intermediate(SUITE, |draft| {
        constrain(draft, &vec![dns("b"); 64], &[]);
    });
    let leaf = middle.leaf(SUITE, |draft| name(draft, &vec![dns("x.b"); 1700]));
    let error = verify_x509_svid(&[leaf, middle.certificate], &root.bundles(), now()).unwrap_err();
    assert!(
        matches!(*error.reason, ChainReason::TooManyNameComparisons { .. }),
        "{error}"
    );
}

#[test]
fn the_work_of_one_comparison_is_bounded() {
    // One subtree and one name; but each of its 400 values is looked for among 400.
    let value = |i: u32| format!("CN=a{i:03}");
    let many: Vec<_> = (0..400).map(value).collect();
    let many = many.join("+");
    let root = Ca::root(SUITE);
    let middle = root.intermediate(SUITE, |draft| constrain(draft, &[directory(&many)], &[]));
    let leaf = middle.leaf(SUITE, |draft| draft.subject = many.parse().unwrap());
    let error = verify_x509_svid(&[leaf, middle.certificate], &root.bundles(), now()).unwrap_err();
    assert!(
        matches!(*error.reason, ChainReason::TooManyNameComparisons { .. }),
        "{error}"
    );
}

#[test]
fn a_character_that_nobody_sees_hides_no_name() {
    // RFC 4518, section 2.2: control characters stand for nothing when names are compared.
    let excluded = [directory("O=SPIRE,C=US")];
    let disguised = "O=#0c06535001495245,C=US";
    let root = Ca::root(SUITE);
    let middle = root.intermediate(SUITE, |draft| constrain(draft, &[], &excluded));
    let leaf = middle.leaf(SUITE, |draft| draft.subject = disguised.parse().unwrap());
    let error = verify_x509_svid(&[leaf, middle.certificate], &root.bundles(), now()).unwrap_err();
    assert!(
        matches!(*error.reason, ChainReason::NameNotComparable { .. }),
        "{error}"
    );
}
