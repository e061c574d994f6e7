use symbolon_pki::time::from_unix_seconds;

use super::*;

fn own() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

fn wire_id(path: &str) -> Option<types::Spiffeid> {
    Some(types::Spiffeid {
        trust_domain: "example.org".to_owned(),
        path: path.to_owned(),
    })
}

fn full() -> types::Entry {
    types::Entry {
        id: "one".to_owned(),
        spiffe_id: wire_id("/web"),
        parent_id: wire_id("/spire/agent/x/a"),
        selectors: vec![types::Selector {
            r#type: "unix".to_owned(),
            value: "uid:1".to_owned(),
        }],
        x509_svid_ttl: 60,
        federates_with: vec!["other.org".to_owned()],
        admin: true,
        downstream: true,
        expires_at: 2_000_000_000,
        dns_names: vec!["b.example".to_owned(), "a.example".to_owned()],
        revision_number: 0,
        store_svid: true,
        jwt_svid_ttl: 30,
        hint: "internal".to_owned(),
        created_at: 1_900_000_000,
        additional_attributes: Some(AdditionalAttributes {
            disable_x509_svid_prefetch: false,
            jwt_svid_include_jti: true,
        }),
        allowed_forms: vec!["classical".to_owned(), "composite".to_owned()],
        not_before: 1_800_000_000,
        not_after: 1_999_999_999,
        leaf_key_algorithms: vec!["ecdsa-p256".to_owned(), "mldsa65-ecdsa-p256".to_owned()],
        owner: "team/a".to_owned(),
    }
}

fn read(message: &types::Entry) -> Result<EntryRecord, Status> {
    new_entry(
        message,
        "fresh".to_owned(),
        &own(),
        from_unix_seconds(1_900_000_000).unwrap(),
    )
}

#[test]
fn every_field_survives() {
    assert_eq!(entry_message(&read(&full()).unwrap()), full());
    let minimal = types::Entry {
        spiffe_id: full().spiffe_id,
        parent_id: full().parent_id,
        selectors: full().selectors,
        ..types::Entry::default()
    };
    let written = entry_message(&read(&minimal).unwrap());
    assert_eq!(
        written,
        types::Entry {
            id: "fresh".to_owned(),
            created_at: 1_900_000_000,
            ..minimal
        }
    );
}

#[test]
fn a_mask_keeps_what_it_names_and_the_id() {
    let mask = types::EntryMask {
        hint: true,
        ..types::EntryMask::default()
    };
    let masked = mask_entry(full(), Some(&mask));
    assert_eq!(
        masked,
        types::Entry {
            id: "one".to_owned(),
            hint: "internal".to_owned(),
            ..Default::default()
        }
    );
    assert_eq!(mask_entry(full(), None), full());
    assert_eq!(mask_entry(full(), Some(&ALL_FIELDS)), full());
}

#[test]
fn an_update_changes_what_its_mask_names() {
    let current = read(&full()).unwrap();
    let message = types::Entry {
        x509_svid_ttl: 5,
        hint: "new".to_owned(),
        ..types::Entry::default()
    };
    let mask = types::EntryMask {
        hint: true,
        ..types::EntryMask::default()
    };
    let updated = apply_entry(current.clone(), &message, Some(&mask), &own()).unwrap();
    assert_eq!(
        updated,
        EntryRecord {
            hint: "new".to_owned(),
            ..current
        }
    );
}

#[test]
fn an_update_without_a_mask_leaves_alone_what_stock_software_does_not_know() {
    let current = read(&full()).unwrap();
    let message = types::Entry {
        spiffe_id: wire_id("/other"),
        parent_id: full().parent_id,
        selectors: full().selectors,
        allowed_forms: vec!["ml-dsa".to_owned()],
        ..types::Entry::default()
    };
    let updated = entry_message(&apply_entry(current.clone(), &message, None, &own()).unwrap());
    let (before, none) = (entry_message(&current), types::Entry::default());
    assert_eq!(updated.spiffe_id, wire_id("/other"));
    assert_eq!(
        (updated.hint, updated.admin, updated.expires_at),
        (none.hint, false, 0)
    );
    assert_eq!(updated.allowed_forms, before.allowed_forms);
    assert_eq!(updated.leaf_key_algorithms, before.leaf_key_algorithms);
    assert_eq!(
        (updated.not_before, updated.not_after),
        (before.not_before, before.not_after)
    );
    assert_eq!(updated.owner, before.owner);

    type Pick = fn(&mut types::EntryMask);
    let picks: [Pick; 5] = [
        |mask| mask.allowed_forms = true,
        |mask| mask.not_before = true,
        |mask| mask.not_after = true,
        |mask| mask.leaf_key_algorithms = true,
        |mask| mask.owner = true,
    ];
    for pick in picks {
        let mut mask = types::EntryMask::default();
        pick(&mut mask);
        let updated = apply_entry(current.clone(), &types::Entry::default(), Some(&mask), &own()).unwrap();
        let shown = mask_entry(entry_message(&updated), Some(&mask));
        assert_eq!(
            shown,
            types::Entry {
                id: "one".to_owned(),
                ..Default::default()
            }
        );
        let others = mask_entry(entry_message(&updated), Some(&STOCK_FIELDS));
        assert_eq!(others, mask_entry(entry_message(&current), Some(&STOCK_FIELDS)));
    }
}

#[test]
fn a_policy_is_refused_under_which_nothing_could_be_issued() {
    let with = |forms: &[&str], algorithms: &[&str]| {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        read(&types::Entry {
            allowed_forms: list(forms),
            leaf_key_algorithms: list(algorithms),
            ..full()
        })
    };
    for (forms, algorithms) in [
        (&[][..], &[][..]),
        (&["composite"], &[]),
        (&[], &["rsa-3072"]),
        (&["classical"], &["rsa-3072"]),
        (&["classical", "paired"], &["ecdsa-p256", "ml-dsa-65"]),
        (&["catalyst"], &["ecdsa-p256", "ml-dsa-65"]),
    ] {
        with(forms, algorithms).unwrap();
    }
    for (forms, algorithms, field) in [
        (&["composite"][..], &["ecdsa-p256"][..], "leaf_key_algorithms"),
        (&["classical", "ml-dsa"], &["ecdsa-p256"], "leaf_key_algorithms"),
        (&["catalyst"], &["ecdsa-p256"], "leaf_key_algorithms"),
        (&["paired"], &[], "allowed_forms"),
    ] {
        let status = with(forms, algorithms).unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.message().starts_with(field), "{status}");
    }
}

#[test]
fn each_wrong_field_is_named() {
    type Change = fn(&mut types::Entry);
    let cases: [(&str, Change); 29] = [
        ("id", |e| e.id = "a/b".to_owned()),
        ("id", |e| e.id = "é".to_owned()),
        ("additional_attributes", |e| {
            e.additional_attributes = Some(AdditionalAttributes {
                disable_x509_svid_prefetch: true,
                ..Default::default()
            });
        }),
        ("allowed_forms", |e| e.allowed_forms = vec!["quantum".to_owned()]),
        ("allowed_forms", |e| {
            e.allowed_forms = vec!["classical".to_owned(); 6];
        }),
        ("leaf_key_algorithms", |e| {
            e.leaf_key_algorithms = vec!["rsa-1024".to_owned()];
        }),
        ("leaf_key_algorithms", |e| {
            e.leaf_key_algorithms = vec!["ecdsa-p521".to_owned()];
        }),
        ("leaf_key_algorithms", |e| {
            e.leaf_key_algorithms = vec!["ml-dsa-65".to_owned(); 99];
        }),
        ("not_before", |e| e.not_before = -1),
        ("not_after", |e| e.not_after = i64::MAX),
        ("not_after", |e| e.not_after = e.not_before),
        ("owner", |e| e.owner = "two words".to_owned()),
        ("owner", |e| e.owner = "x".repeat(256)),
        ("id", |e| e.id = "a b".to_owned()),
        ("id", |e| e.id = "x".repeat(256)),
        ("spiffe_id", |e| e.spiffe_id = None),
        ("spiffe_id", |e| e.spiffe_id = wire_id("/spire/server")),
        ("parent_id", |e| e.parent_id = wire_id("")),
        ("selectors", |e| e.selectors.clear()),
        ("selectors", |e| e.selectors = vec![e.selectors[0].clone(); 101]),
        ("selectors", |e| {
            e.selectors.push(types::Selector {
                r#type: "k8s".to_owned(),
                value: "ns:a".to_owned(),
            });
        }),
        ("x509_svid_ttl", |e| e.x509_svid_ttl = -1),
        ("jwt_svid_ttl", |e| e.jwt_svid_ttl = -1),
        ("expires_at", |e| e.expires_at = -1),
        ("dns_names", |e| {
            e.dns_names = vec!["a".to_owned(), "a".to_owned()];
        }),
        ("dns_names", |e| e.dns_names = vec!["under_score".to_owned()]),
        ("federates_with", |e| e.federates_with = vec!["a/b".to_owned()]),
        ("hint", |e| e.hint = "x".repeat(1025)),
        ("hint", |e| e.hint = "a\nb".to_owned()),
    ];
    for (field, change) in cases {
        let mut entry = full();
        change(&mut entry);
        let status = read(&entry).unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.message().starts_with(field), "{field}: {status}");
    }
}
