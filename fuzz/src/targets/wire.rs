//! What comes by gRPC and TLS, and the names in it.

use prost::Message;
use spiffe::SpiffeId;
use symbolon_api::forms;
use symbolon_api::spiffe::workload as workload_api;
use symbolon_api::spire::api::server::{agent, bundle, entry, svid};
use symbolon_api::spire::api::types;
use symbolon_api::symbolon::server::v1 as symbolon;
use symbolon_attestation::join_token::JoinToken;
use symbolon_ca::registrations::new_entry;
use symbolon_pki::names;
use symbolon_tls::SECP384R1MLKEM1024;
use symbolon_tls::workload_api::{Endpoint, X509Context};
use tonic::metadata::{MetadataMap, MetadataValue};

use super::keys;
use crate::estate::{chain, now, trust_domain, workload};
use crate::{Shape, Target};
use symbolon_pki::suite::Suite;

pub(super) const MESSAGES: Target = Target {
    name: "messages",
    about: "gRPC messages and what becomes of them; the first byte says which",
    shape: Shape::Bytes,
    max_len: 16 * 1024,
    body: messages,
    seeds: message_seeds,
};

pub(super) const FORMS: Target = Target {
    name: "forms",
    about: "the metadata that asks for forms",
    shape: Shape::Bytes,
    max_len: 512,
    body: |input| {
        let mut metadata = MetadataMap::new();
        for line in input.split(|byte| *byte == b'\n').take(16) {
            if let Ok(value) = MetadataValue::try_from(line) {
                metadata.append(symbolon_api::FORMS_METADATA, value);
            }
        }
        if let Ok(Some(forms)) = forms::requested(&metadata) {
            assert!(!forms.is_empty());
        }
    },
    seeds: || {
        vec![
            b"composite,ml-dsa,classical".to_vec(),
            b"composite\nml-dsa".to_vec(),
        ]
    },
};

pub(super) const NAMES: Target = Target {
    name: "names",
    about: "SPIFFE IDs, join tokens, endpoints, DNS names: what is read is written as it was",
    shape: Shape::Bytes,
    max_len: 2 * 1024,
    body: read_names,
    seeds: || {
        [
            "spiffe://example.org/fuzz/workload",
            "unix:///run/symbolon/agent.sock",
            "tcp://127.0.0.1:8081",
            "fuzz.example.org",
            "3f1e6f62-5a0b-4a6f-9a77-0e9c2f1f2a11",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    },
};

pub(super) const KEY_SHARE: Target = Target {
    name: "key-share",
    about: "a peer's share of SecP384r1MLKEM1024, on either side",
    shape: Shape::Bytes,
    max_len: 2 * 1024,
    body: |input| {
        let answered = SECP384R1MLKEM1024.start_and_complete(input);
        assert!(answered.is_err() || input.len() == SHARE_LEN);
        let started = SECP384R1MLKEM1024.start().expect("our own share");
        let completed = started.complete(input);
        assert!(completed.is_err() || input.len() == SHARE_LEN);
    },
    seeds: || {
        let client = SECP384R1MLKEM1024.start().expect("our own share");
        let server = SECP384R1MLKEM1024
            .start_and_complete(client.pub_key())
            .expect("our own share");
        vec![client.pub_key().to_vec(), server.pub_key]
    },
};

/// A point and an ML-KEM-1024 key or ciphertext (RFC 10024).
const SHARE_LEN: usize = 97 + 1568;

/// Decodes as a type, and what comes out is encoded and decoded to the same.
fn there_and_back<M: Message + Default + PartialEq>(bytes: &[u8]) {
    if let Ok(message) = M::decode(bytes) {
        let again = M::decode(message.encode_to_vec().as_slice()).expect("a message of our own");
        // Numbers that are not equal to themselves may stand in a message, and maps are written in any order.
        let written = |message: &M| {
            let mut bytes = message.encode_to_vec();
            bytes.sort_unstable();
            bytes
        };
        assert_eq!(written(&again), written(&message));
    }
}

/// How messages of each type are read; the order is that of the first byte.
const TYPES: &[fn(&[u8])] = &[
    answer,
    entry_of,
    id,
    there_and_back::<agent::v1::AttestAgentRequest>,
    there_and_back::<agent::v1::RenewAgentRequest>,
    there_and_back::<entry::v1::BatchCreateEntryRequest>,
    there_and_back::<entry::v1::BatchUpdateEntryRequest>,
    there_and_back::<entry::v1::ListEntriesRequest>,
    there_and_back::<entry::v1::SyncAuthorizedEntriesRequest>,
    there_and_back::<svid::v1::BatchNewX509svidRequest>,
    there_and_back::<svid::v1::MintX509svidRequest>,
    there_and_back::<svid::v1::MintJwtsvidRequest>,
    there_and_back::<bundle::v1::GetBundleRequest>,
    there_and_back::<types::Bundle>,
    there_and_back::<symbolon::ListCertificatesRequest>,
    there_and_back::<workload_api::ValidateJwtsvidRequest>,
    there_and_back::<workload_api::JwtBundlesResponse>,
];

/// Where in the list of types what is taken further stands.
const ANSWER: usize = 0;
const ENTRY: usize = 1;
const ID: usize = 2;

fn messages(input: &[u8]) {
    if let Some((which, bytes)) = input.split_first() {
        TYPES[usize::from(*which) % TYPES.len()](bytes);
    }
}

/// The Workload API's answer, as clients read it.
fn answer(bytes: &[u8]) {
    there_and_back::<workload_api::X509svidResponse>(bytes);
    if let Ok(message) = workload_api::X509svidResponse::decode(bytes) {
        let of_one_answer = message.svids.len();
        if let Ok(context) = X509Context::from_wire(message) {
            // Two can become one, as a pair.
            assert!(context.svids.len() + context.skipped.len() <= of_one_answer);
            assert_eq!(context.identities().len(), context.svids.len());
        }
    }
}

/// An entry, as the server reads it.
fn entry_of(bytes: &[u8]) {
    there_and_back::<types::Entry>(bytes);
    if let Ok(message) = types::Entry::decode(bytes)
        && let Ok(entry) = new_entry(&message, "fresh".to_owned(), &trust_domain(), now())
    {
        assert_eq!(entry.spiffe_id.trust_domain(), &trust_domain());
        assert!(!entry.selectors.is_empty());
    }
}

fn id(bytes: &[u8]) {
    if let Ok(message) = types::Spiffeid::decode(bytes)
        && let Ok(id) = SpiffeId::try_from(&message)
    {
        let again = types::Spiffeid::from(&id);
        // The name of a trust domain is read in either case, and written in small letters.
        assert_eq!(again.trust_domain, message.trust_domain.to_ascii_lowercase());
        assert_eq!(again.path, message.path);
    }
}

fn message_seeds() -> Vec<Vec<u8>> {
    let numbered = |number: usize, message: Vec<u8>| [&[number as u8][..], &message].concat();
    let id = types::Spiffeid::from(&workload());
    let entry = types::Entry {
        spiffe_id: Some(id.clone()),
        parent_id: Some(id.clone()),
        selectors: vec![types::Selector {
            r#type: "unix".to_owned(),
            value: "uid:1000".to_owned(),
        }],
        dns_names: vec!["fuzz.example.org".to_owned()],
        ..types::Entry::default()
    };
    let [leaf, below, root] = chain(Suite::MlDsa44).certificates();
    let svid = workload_api::X509svid {
        spiffe_id: workload().to_string(),
        x509_svid: [leaf, below].concat(),
        x509_svid_key: keys::ml_dsa_44(3),
        bundle: root,
        hint: "a/ml-dsa".to_owned(),
        form: "ml-dsa".to_owned(),
        ..Default::default()
    };
    let answer = workload_api::X509svidResponse {
        svids: vec![svid],
        ..Default::default()
    };
    vec![
        numbered(ANSWER, answer.encode_to_vec()),
        numbered(ENTRY, entry.encode_to_vec()),
        numbered(ID, id.encode_to_vec()),
    ]
}

fn read_names(input: &[u8]) {
    if let Ok(token) = JoinToken::parse(input) {
        assert_eq!(token.expose().as_bytes(), input);
        let _ = token.sha256();
    }
    let _ = names::decimal(input.get(..64).unwrap_or(input));
    let _ = symbolon_pki::text::printable(&String::from_utf8_lossy(input));
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(id) = SpiffeId::new(text) {
        let again = SpiffeId::new(id.to_string()).expect("an ID of our own");
        assert_eq!(again, id);
        assert!(id.to_string().eq_ignore_ascii_case(text));
        assert!(text.ends_with(id.path()));
    }
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        let again: Endpoint = endpoint.to_string().parse().expect("an endpoint of our own");
        assert_eq!(again, endpoint);
    }
    if symbolon_issuance::check_dns_name(text).is_ok() {
        assert!(text.len() <= 253 && text.is_ascii());
    }
}
