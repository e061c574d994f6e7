//! JWT-SVIDs and bundle documents.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde_json::Value;
use symbolon_crypto::{Component, HeldKey as _, MlDsaContext, SoftwareKey};
use symbolon_issuance::jwt::{JwtAuthority, JwtSvidRequest, mint_jwt_svid};
use symbolon_pki::bundle::{self, BundleSet, TrustBundle};
use symbolon_pki::jwt::{ecdsa_der_to_jose, ecdsa_jose_to_der, parse_unverified, verify_jwt_svid};
use symbolon_pki::key::SuitePublicKey;
use symbolon_pki::suite::Suite;

use crate::estate::{self, now, trust_domain, workload};
use crate::{Shape, Target};

pub(super) const JWT: Target = Target {
    name: "jwt",
    about: "a JWT-SVID as it came: none verifies that our key did not sign",
    shape: Shape::Bytes,
    max_len: 4 * 1024,
    body: |input| {
        let Ok(token) = std::str::from_utf8(input) else {
            return;
        };
        let unverified = parse_unverified(token);
        if let Ok(verified) = verify_jwt_svid(token, AUDIENCE, bundles(), now()) {
            let unverified = unverified.expect("what verifies has the shape");
            assert_eq!(verified.spiffe_id, unverified.spiffe_id);
            assert_eq!(
                signed_part(token),
                signed_part(&mint()),
                "a token that was not minted verifies"
            );
        }
    },
    seeds: tokens,
};

pub(super) const CLAIMS: Target = Target {
    name: "claims",
    about: "header and claims of a JWT-SVID, a line each, under a signature that is right",
    shape: Shape::Bytes,
    max_len: 2 * 1024,
    body: claims,
    seeds: || {
        let token = mint();
        let parts: Vec<Vec<u8>> = token
            .split('.')
            .take(2)
            .map(|part| URL_SAFE_NO_PAD.decode(part).expect("a part of ours"))
            .collect();
        vec![parts.join(&b'\n')]
    },
};

pub(super) const BUNDLE: Target = Target {
    name: "bundle",
    about: "a SPIFFE bundle document: what is read is written, and read back as the same; beside serde_json",
    shape: Shape::Bytes,
    max_len: 32 * 1024,
    body: |input| {
        let Ok(bundle) = TrustBundle::from_jwks(&trust_domain(), input) else {
            return;
        };
        let keys = count_of_keys(input);
        assert!(bundle.x509_authorities.len() + bundle.jwt_authorities.len() <= keys);
        let written = bundle.to_jwks();
        let again =
            TrustBundle::from_jwks(&trust_domain(), written.as_bytes()).expect("a document of our own");
        assert_eq!(again.to_jwks(), written);
        assert_eq!(again, bundle, "a bundle that is read back differently");
    },
    seeds: || {
        let with = |first, number| {
            let mut bundle = estate::bundle();
            bundle.x509_authorities = bundle
                .x509_authorities
                .into_iter()
                .skip(first)
                .take(number)
                .collect();
            bundle.jwt_authorities = jwt_bundle().jwt_authorities;
            bundle.to_jwks().into_bytes()
        };
        vec![with(0, 1), with(2, 2), with(6, 3)]
    },
};

pub(super) const JWT_BUNDLE: Target = Target {
    name: "jwt-bundle",
    about: "the Workload API's JWT bundle",
    shape: Shape::Bytes,
    max_len: 8 * 1024,
    body: |input| {
        if let Ok(bundle) = TrustBundle::from_jwt_jwks(&trust_domain(), input) {
            assert!(bundle.jwt_authorities.len() <= count_of_keys(input));
            let written = bundle.to_jwt_jwks();
            let again = TrustBundle::from_jwt_jwks(&trust_domain(), written.as_bytes())
                .expect("a document of our own");
            assert_eq!(again.jwt_authorities.len(), bundle.jwt_authorities.len());
            assert_eq!(again.to_jwt_jwks(), written);
        }
    },
    seeds: || {
        vec![
            jwt_bundle().to_jwt_jwks().into_bytes(),
            jwt_bundle().to_jwks().into_bytes(),
        ]
    },
};

const AUDIENCE: &str = "fuzz";
const KEY_ID: &str = "a-key";

fn key() -> SoftwareKey {
    estate::key(Component::EcdsaP256Sha256, 5)
}

fn jwt_bundle() -> TrustBundle {
    let public = SuitePublicKey::parse(Suite::EcdsaP256, key().public_key().as_bytes()).expect("a key");
    let mut bundle = TrustBundle::new(trust_domain());
    bundle.jwt_authorities =
        vec![bundle::JwtAuthority::from_spki_der(KEY_ID, &public.spki_der()).expect("an authority")];
    bundle
}

fn bundles() -> &'static BundleSet {
    static BUNDLES: OnceLock<BundleSet> = OnceLock::new();
    BUNDLES.get_or_init(|| {
        let mut set = BundleSet::new();
        set.insert(jwt_bundle());
        set
    })
}

fn mint() -> String {
    let day = Duration::from_secs(24 * 60 * 60);
    let authority = JwtAuthority::new(trust_domain(), KEY_ID.to_owned(), Arc::new(key()), now() + day)
        .expect("an authority");
    let request = JwtSvidRequest {
        spiffe_id: &workload(),
        audience: &[AUDIENCE.to_owned()],
        ttl: day,
        now: now(),
        jti: None,
    };
    mint_jwt_svid(&authority, &request)
        .expect("a token")
        .token
        .to_string()
}

pub(super) fn tokens() -> Vec<Vec<u8>> {
    vec![mint().into_bytes()]
}

/// Header and claims, with the dot between.
fn signed_part(token: &str) -> &str {
    token.rsplit_once('.').expect("a token has dots").0
}

fn claims(input: &[u8]) {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let (Some(header), Some(claims)) = (lines.next(), lines.next()) else {
        return;
    };
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let der = key()
        .sign(signed.as_bytes(), MlDsaContext::EMPTY)
        .expect("our key signs");
    let signature = ecdsa_der_to_jose(&der, 32).expect("a signature of ours");
    assert_eq!(
        ecdsa_jose_to_der(&signature, 32).as_deref(),
        Some(&*der),
        "a signature there and back"
    );
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let Ok(verified) = verify_jwt_svid(&token, AUDIENCE, bundles(), now()) else {
        return;
    };
    let header: Value = serde_json::from_slice(header).expect("serde_json does not read what we accept");
    let claims: Value = serde_json::from_slice(claims).expect("serde_json does not read what we accept");
    assert_eq!(header.get("alg").and_then(Value::as_str), Some("ES256"));
    assert_eq!(header.get("kid").and_then(Value::as_str), Some(KEY_ID));
    assert_eq!(
        claims.get("sub").and_then(Value::as_str),
        Some(&*verified.spiffe_id.to_string())
    );
    assert_eq!(verified.spiffe_id.trust_domain(), &trust_domain());
    assert!(verified.audience.iter().any(|one| one == AUDIENCE));
    assert!(verified.expires_at > now() - Duration::from_secs(60));
}

/// How many keys the document has, as serde_json reads it. What no program looks at may hold escapes that make no character:
/// then there is no telling.
fn count_of_keys(document: &[u8]) -> usize {
    let _: IgnoredAny = serde_json::from_slice(document).expect("serde_json does not read what we accept");
    let Ok(document) = serde_json::from_slice::<Value>(document) else {
        return usize::MAX;
    };
    ["keys", "pq_keys"]
        .iter()
        .filter_map(|list| document.get(list).and_then(Value::as_array))
        .map(Vec::len)
        .sum()
}
