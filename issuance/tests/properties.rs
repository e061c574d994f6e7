//! Whatever is asked for within the rules is certified, and reads back as what was asked for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::LazyLock;
use std::time::Duration;

use common::*;
use proptest::prelude::*;
use symbolon_issuance::{Authority, Beside, Serial, SvidProfile, SvidRequest, prepare_svid};
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Suite;

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| authority(Suite::EcdsaP256));
static KEY: LazyLock<SubjectKey> = LazyLock::new(|| key(Suite::EcdsaP384));

fn dns_name() -> impl Strategy<Value = String> {
    let label = "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?";
    (prop::bool::weighted(0.2), prop::collection::vec(label, 1..6))
        .prop_map(|(wildcard, labels)| format!("{}{}", if wildcard { "*." } else { "" }, labels.join(".")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_request_within_the_rules(
        segments in prop::collection::vec("[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,40}", 1..20),
        dns_names in prop::collection::hash_set(dns_name(), 0..12),
        ttl in 1_u64..=200_000,
        clock in 0_u64..86_000,
        fraction in 0_u32..1_000_000_000,
        serial in any::<[u8; 16]>().prop_filter_map("positive", |mut bytes| {
            bytes[0] &= 0x7f;
            Serial::from_bytes(bytes).ok()
        }),
        leading_zeros in 0_usize..16,
    ) {
        prop_assume!(segments[0] != "spire");
        let mut bytes = *serial.as_bytes();
        bytes[..leading_zeros].fill(0);
        let serial = Serial::from_bytes(bytes).unwrap_or(serial);
        let spiffe_id = id(&format!("/{}", segments.join("/")));
        let dns_names: Vec<_> = dns_names.into_iter().collect();
        let now = at(NOW + clock) + Duration::from_nanos(fraction.into());
        let request = SvidRequest {
            profile: SvidProfile::Workload,
            spiffe_id: &spiffe_id,
            key: &KEY,
            beside: Beside::Nothing,
            dns_names: &dns_names,
            ttl: Duration::from_secs(ttl),
            serial,
            now,
        };
        let issued = prepare_svid(&AUTHORITY, &request).unwrap().sign(&*AUTHORITY).unwrap();
        let read = certificate(&issued);
        prop_assert_eq!(read.spiffe_id().unwrap(), spiffe_id);
        prop_assert_eq!(read.dns_sans(), dns_names.as_slice());
        prop_assert_eq!(read.serial_hex(), serial.hex());
        prop_assert_eq!(read.serial_decimal(), serial.decimal());
        prop_assert_eq!(read.not_before(), at(NOW + clock - 10));
        prop_assert_eq!(read.not_after(), at(NOW + (clock + ttl).min(86_400)));
        prop_assert_eq!(read.subject_key().unwrap(), &*KEY);
        let (_, second) = x509_parser::parse_x509_certificate(issued.der()).unwrap();
        prop_assert_eq!(second.raw_serial(), read.serial());
        prop_assert!(second.subject_alternative_name().unwrap().unwrap().value.general_names.len() == 1 + dns_names.len());
    }

    #[test]
    fn any_text_as_dns_name_is_certified_as_it_is_or_refused(name in "\\PC{0,80}|[a-z.*-]{0,12}") {
        let spiffe_id = id("/web");
        let names = [name];
        let request = SvidRequest { dns_names: &names, ..workload(&spiffe_id, &KEY) };
        if let Ok(linted) = prepare_svid(&AUTHORITY, &request) {
            let read = certificate(&linted.sign(&*AUTHORITY).unwrap());
            prop_assert_eq!(read.dns_sans(), names.as_slice());
        }
    }

    #[test]
    fn any_profile_with_any_path(path in "(/(spire|server|agent|[a-z]{1,4})){0,4}") {
        let spiffe_id = id(&path);
        let fitting: Vec<_> = SvidProfile::ALL
            .into_iter()
            .filter(|profile| {
                let request = SvidRequest { profile: *profile, ..workload(&spiffe_id, &KEY) };
                prepare_svid(&AUTHORITY, &request).is_ok()
            })
            .collect();
        prop_assert!(fitting.len() <= 1, "{} fits {:?}", path, fitting);
        prop_assert_eq!(fitting.contains(&SvidProfile::Server), path == "/spire/server");
    }
}
