//! Records to check with.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use symbolon_hsm::names::{KeyId, StoreName};
use symbolon_pki::suite::{Family, Form, Suite};

use crate::datastore::{
    AgentCertificate, AgentRecord, AuthorityMaterial, AuthorityRecord, AuthorityState, CertificateIntent,
    CertificateProfile, CertificateWrite, EntryRecord, IssuedRecord, JoinTokenRecord, KeyReference, KeyRole,
    Selector, SerialNumber,
};

/// A moment, some seconds after an arbitrary one.
pub(super) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// The hash of some key.
pub(super) fn hash(number: u8) -> [u8; 32] {
    let mut hash = [0xa5; 32];
    hash[0] = number;
    hash
}

pub(super) fn serial(number: u64) -> anyhow::Result<SerialNumber> {
    Ok(SerialNumber::from_bytes(&number.to_be_bytes())?)
}

pub(super) fn selectors(texts: &[&str]) -> BTreeSet<Selector> {
    let split = |text: &&str| {
        text.split_once(':')
            .map(|(kind, value)| Selector::new(kind, value))
    };
    texts.iter().filter_map(split).collect()
}

/// A prepared composite authority, whose keys are `number` and `number + 1`.
pub(super) fn authority(id: &str, family: Family, number: u8) -> anyhow::Result<AuthorityRecord> {
    let key = |role, number: u8| -> anyhow::Result<KeyReference> {
        let key_id = KeyId::parse(&format!("key-{number}"))?;
        Ok(KeyReference {
            store: StoreName::parse("software")?,
            key_id,
            spki_sha256: hash(number),
            role,
        })
    };
    Ok(AuthorityRecord {
        authority_id: id.to_owned(),
        family,
        suite: Suite::MlDsa65EcdsaP256,
        alternative: None,
        state: AuthorityState::Prepared,
        material: AuthorityMaterial::X509 {
            certificate: vec![0x30, number],
        },
        keys: vec![
            key(KeyRole::PostQuantum, number)?,
            key(KeyRole::Classical, number + 1)?,
        ],
        not_before: at(0),
        not_after: at(1_000),
        created_at: at(5),
        changed_at: at(5),
        activated_at: None,
        upstream: None,
    })
}

pub(super) fn intent(number: u64) -> anyhow::Result<CertificateIntent> {
    Ok(CertificateIntent {
        serial: serial(number)?,
        profile: CertificateProfile::Workload,
        spiffe_id: "spiffe://example.org/billing".parse()?,
        form: Form::Composite,
        suite: Suite::MlDsa65EcdsaP256,
        key_algorithm: "mldsa65-ecdsa-p256".to_owned(),
        alternative_algorithm: number.is_multiple_of(2).then(|| "ml-dsa-65".to_owned()),
        issuer: "c0ffee".to_owned(),
        not_before: at(0),
        not_after: at(3_600),
        entry_id: Some("entry-1".to_owned()),
        agent_id: Some("spiffe://example.org/spire/agent/x/a".parse()?),
        recorded_at: at(10),
    })
}

/// The bytes that belong to [`intent`] of the same number.
pub(super) fn issued(number: u64) -> anyhow::Result<IssuedRecord> {
    let mut sha256 = [0x11; 32];
    sha256[..8].copy_from_slice(&number.to_be_bytes());
    Ok(IssuedRecord {
        serial: serial(number)?,
        sha256,
        der: format!("certificate {number}").into_bytes(),
    })
}

pub(super) fn intents(numbers: impl IntoIterator<Item = u64>) -> anyhow::Result<Vec<CertificateWrite>> {
    numbers
        .into_iter()
        .map(|number| Ok(CertificateWrite::Intent(intent(number)?)))
        .collect()
}

/// An entry in which every field differs from its default.
pub(super) fn full_entry(id: &str) -> anyhow::Result<EntryRecord> {
    Ok(EntryRecord {
        id: id.to_owned(),
        spiffe_id: "spiffe://example.org/billing".parse()?,
        parent_id: "spiffe://example.org/spire/agent/join_token/abc".parse()?,
        selectors: selectors(&["unix:uid:1000", "unix:path:/usr/bin/\"billing\" ü"]).into(),
        x509_svid_ttl: Some(Duration::from_secs(600)),
        jwt_svid_ttl: Some(Duration::from_secs(60)),
        federates_with: ["a.test".parse()?, "b.test".parse()?].into(),
        admin: true,
        downstream: true,
        expires_at: Some(at(9_000)),
        dns_names: vec!["z.example.org".to_owned(), "a.example.org".to_owned()],
        revision_number: 0,
        store_svid: true,
        hint: "internal".to_owned(),
        created_at: at(3),
        disable_x509_svid_prefetch: true,
        jwt_svid_include_jti: true,
        allowed_forms: [Form::Classical, Form::Composite].into(),
        leaf_key_algorithms: ["ecdsa-p384".to_owned(), "mldsa65-ecdsa-p256".to_owned()].into(),
        not_before: Some(at(60)),
        not_after: Some(at(8_000)),
        owner: "billing-team".to_owned(),
    })
}

/// An entry with nothing but what it must have.
pub(super) fn plain_entry(id: &str, path: &str, with: &[&str]) -> anyhow::Result<EntryRecord> {
    Ok(EntryRecord::new(
        id,
        format!("spiffe://example.org{path}").parse()?,
        "spiffe://example.org/node".parse()?,
        selectors(with),
        at(0),
    ))
}

pub(super) fn agent(name: &str, number: u64) -> anyhow::Result<AgentRecord> {
    Ok(AgentRecord {
        spiffe_id: format!("spiffe://example.org/spire/agent/join_token/{name}").parse()?,
        attestation_type: "join_token".to_owned(),
        current: AgentCertificate {
            serial: serial(number)?,
            expires_at: at(3_600),
        },
        renewed: None,
        selectors: selectors(&["join_token:x", "region:eu"]),
        banned: false,
        can_reattest: false,
        agent_version: None,
        attested_at: at(0),
    })
}

pub(super) fn join_token(number: u8, expires: u64) -> JoinTokenRecord {
    JoinTokenRecord {
        sha256: hash(number),
        expires_at: at(expires),
        agent_id: None,
        created_at: at(0),
    }
}
