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
            disable_x509_svid_prefetch: true,
            jwt_svid_include_jti: true,
        }),
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
    assert_eq!(mask_entry(full(), Some(&ALL)), full());
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
fn each_wrong_field_is_named() {
    type Change = fn(&mut types::Entry);
    let cases: [(&str, Change); 16] = [
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
