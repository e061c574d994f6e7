//! Key evidence with the TPM's structures in it, transcripts of ceremonies, and where keys are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use symbolon_ca::ceremony::audit;
use symbolon_ca::ceremony::event::link;
use symbolon_crypto::digest::sha256;
use symbolon_crypto::{Component, HeldKey as _, MlDsaContext, SoftwareKey};
use symbolon_hsm::custody::{Expectations, verify};
use symbolon_hsm::{Pkcs11Uri, SecretSource, StoreLocation};
use symbolon_pki::suite::Suite;

use crate::estate::{self, chain};
use crate::{Shape, Target};

pub(super) const EVIDENCE: Target = Target {
    name: "evidence",
    about: "key evidence as it came",
    shape: Shape::Bytes,
    max_len: 16 * 1024,
    body: |input| {
        if let Ok(verified) = verify(input, Expectations::default()) {
            assert!(!verified.findings.is_empty());
        }
    },
    seeds: || {
        vec![
            evidence(&software(), &Value::Null),
            certified(&ecc_public(), &attest(&ecc_public())),
        ]
    },
};

pub(super) const STATEMENT: Target = Target {
    name: "evidence-statement",
    about: "what key evidence states, under a signature that is right",
    shape: Shape::Bytes,
    max_len: 4 * 1024,
    body: |input| {
        if let Ok(statement @ Value::Object(_)) = serde_json::from_slice(input) {
            let _ = verify(&evidence(&statement, &Value::Null), Expectations::default());
        }
    },
    seeds: || {
        let tpm = statement(
            &tpm(),
            &json!({"as": "tpm-key", "name": hex(&name(&ecc_public())), "handle": null}),
        );
        vec![software().to_string().into_bytes(), tpm.to_string().into_bytes()]
    },
};

pub(super) const CERTIFICATION: Target = Target {
    name: "tpm-certification",
    about: "a TPM's structures in key evidence: a public area, and what an attestation key signed of it",
    shape: Shape::Bytes,
    max_len: 1024,
    body: |input| {
        let Some((length, rest)) = input.split_first() else {
            return;
        };
        if let Some((object, attest)) = rest.split_at_checked(usize::from(*length)) {
            let _ = verify(&certified(object, attest), Expectations::default());
        }
    },
    seeds: || {
        [ecc_public(), sealed_public()]
            .map(|object| [&[object.len() as u8][..], &object, &attest(&object)].concat())
            .to_vec()
    },
};

pub(super) const TRANSCRIPT: Target = Target {
    name: "transcript",
    about: "a ceremony's transcript whose links are made to fit",
    shape: Shape::Bytes,
    max_len: 16 * 1024,
    body: |input| {
        let root = chain(Suite::MlDsa65EcdsaP256).root.certificate();
        let _ = audit(input, root);
        let _ = audit(&linked(input), root);
    },
    seeds: || vec![crate::transcript::make()],
};

pub(super) const LOCATION: Target = Target {
    name: "location",
    about: "where a key store and a key are: RFC 7512 URIs, TPMs, directories, sources of secrets",
    shape: Shape::Bytes,
    max_len: 1024,
    body: location,
    seeds: || {
        [
            "pkcs11:token=fuzz;object=root;id=%01%02;type=private?module-path=/usr/lib/softhsm.so&pin-source=file:/run/pin",
            "tpm:device:/dev/tpmrm0?pcrs=sha256:0,7",
            "software:/var/lib/keys?key-file=/etc/key",
            "/var/lib/keys/",
            "env:PIN",
            "file:/run/secrets/pin",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    },
};

fn key() -> SoftwareKey {
    estate::key(Component::EcdsaP256Sha256, 6)
}

fn attestation_key() -> SoftwareKey {
    estate::key(Component::EcdsaP256Sha256, 7)
}

fn sign(key: &SoftwareKey, message: &[u8]) -> String {
    STANDARD.encode(key.sign(message, MlDsaContext::EMPTY).expect("our key signs"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a key signs of a statement, as the book says.
fn signed(statement: &Value) -> Vec<u8> {
    [
        &b"\x00\xffSymbolon key evidence, version 1\n"[..],
        statement.to_string().as_bytes(),
    ]
    .concat()
}

fn statement(holder: &Value, holding: &Value) -> Value {
    json!({
        "made_at": "2026-11-22T07:00:00Z",
        "challenge": null,
        "key_id": "00ff",
        "label": "root",
        "algorithm": key().component().name(),
        "public_key": STANDARD.encode(key().public_key().as_bytes()),
        "holder": holder,
        "holding": holding,
    })
}

fn software() -> Value {
    statement(
        &json!({"kind": "software", "encrypted_under": "key file"}),
        &json!({"as": "encrypted-file"}),
    )
}

fn tpm() -> Value {
    json!({
        "kind": "tpm",
        "manufacturer": "IFX",
        "model": "SLB9672",
        "firmware_version": "000f00160000468a",
        "specification": "1.59",
        "storage_root": format!("000b{}", "00".repeat(32)),
    })
}

/// The document for a statement, signed as it must be.
fn evidence(statement: &Value, certification: &Value) -> Vec<u8> {
    json!({
        "format": "symbolon-key-evidence",
        "version": 1,
        "statement": statement,
        "signature": sign(&key(), &signed(statement)),
        "certification": certification,
        "uncertified": null,
    })
    .to_string()
    .into_bytes()
}

/// Evidence of a key in a TPM, with what an attestation key signed.
fn certified(object: &[u8], attest: &[u8]) -> Vec<u8> {
    let holding = json!({"as": "tpm-key", "name": hex(&name(object)), "handle": null});
    let certification = json!({
        "attest": STANDARD.encode(attest),
        "signature": sign(&attestation_key(), attest),
        "object_public": STANDARD.encode(object),
        "attestation_key_public": STANDARD.encode(public_area(&attestation_key(), ATTESTING)),
        "endorsement_certificate": null,
    });
    evidence(&statement(&tpm(), &holding), &certification)
}

/// fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign.
const ATTESTING: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 16 | 1 << 18;

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn name(public: &[u8]) -> Vec<u8> {
    [&[0x00, 0x0b][..], &sha256(public)].concat()
}

/// The TPMT_PUBLIC that a P-256 key has in a TPM.
fn public_area(key: &SoftwareKey, attributes: u32) -> Vec<u8> {
    let (x, y) = key.public_key().as_bytes()[1..].split_at(32);
    [
        words(&[0x0023, 0x000b]),
        attributes.to_be_bytes().to_vec(),
        sized(&[]),
        words(&[0x0010, 0x0018, 0x000b, 0x0003, 0x0010]),
        sized(x),
        sized(y),
    ]
    .concat()
}

fn ecc_public() -> Vec<u8> {
    public_area(&key(), ATTESTING & !(1 << 16))
}

/// The TPMT_PUBLIC of data sealed under a policy.
fn sealed_public() -> Vec<u8> {
    [
        words(&[0x0008, 0x000b]),
        (1_u32 << 1 | 1 << 4).to_be_bytes().to_vec(),
        sized(&[9; 32]),
        words(&[0x0010]),
        sized(&[7; 32]),
    ]
    .concat()
}

/// What TPM2_Certify has an attestation key sign.
fn attest(object: &[u8]) -> Vec<u8> {
    let holding = json!({"as": "tpm-key", "name": hex(&name(object)), "handle": null});
    [
        0xff54_4347_u32.to_be_bytes().to_vec(),
        words(&[0x8017]),
        sized(&name(b"signer")),
        sized(&sha256(&signed(&statement(&tpm(), &holding)))),
        vec![0; 8 + 4 + 4 + 1 + 8],
        sized(&name(object)),
        sized(&name(b"qualified")),
    ]
    .concat()
}

/// The lines with every link replaced by the right one.
fn linked(transcript: &[u8]) -> Vec<u8> {
    const MEMBER: &[u8] = b"\"previous\":\"";
    let mut out = Vec::new();
    let mut before: Option<[u8; 32]> = None;
    for line in transcript
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let mut line = line.to_vec();
        let place = line.windows(MEMBER.len()).position(|part| part == MEMBER);
        if let (Some(before), Some(place)) = (before, place) {
            let link = hex(&before);
            if let Some(old) = line.get_mut(place + MEMBER.len()..place + MEMBER.len() + link.len()) {
                old.copy_from_slice(link.as_bytes());
            }
        }
        before = Some(link(&line));
        out.extend_from_slice(&line);
        out.push(b'\n');
    }
    out
}

fn location(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(uri) = text.parse::<Pkcs11Uri>() {
        let again: Pkcs11Uri = uri.to_string().parse().expect("a URI of our own");
        assert_eq!(again, uri, "a URI that is read back differently");
    }
    if let Ok(location) = text.parse::<StoreLocation>() {
        let again: StoreLocation = location.to_string().parse().expect("a location of our own");
        assert_eq!(again, location, "a location that is read back differently");
    }
    let _ = StoreLocation::parse_with_key(text);
    let _ = text.parse::<SecretSource>();
}
