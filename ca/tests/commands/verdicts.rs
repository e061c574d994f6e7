//! What verifiers make of what a tainted and then a revoked authority signed.

use symbolon_ca::issuer::{JwtOrder, WitOrder};
use symbolon_pki::jwt::verify_jwt_svid;
use symbolon_pki::wit::{Confirmation, verify_wit_svid};

use super::*;

#[tokio::test]
async fn what_a_revoked_authority_signed_verifies_nowhere() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let run = Run::try_start(dir.path(), &clock, every_family()).await.unwrap();
    let issuer = Issuer::new(run.authorities.clone(), run.recorder.clone(), clock.clone(), 1).unwrap();
    let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
    let spiffe_id: spiffe::SpiffeId = "spiffe://example.org/web".parse().unwrap();
    let svid = issuer.issue(vec![order(&key, "/web")]).await.remove(0).unwrap();
    let chain: Vec<_> = svid
        .chain
        .iter()
        .map(|der| Certificate::from_der(der).unwrap())
        .collect();
    let jwt = JwtOrder {
        spiffe_id: spiffe_id.clone(),
        audience: vec!["db".to_owned()],
        ttl: HOUR,
        ends_by: None,
        has_id: false,
    };
    let jwt = issuer.mint_jwt(jwt).await.unwrap().token;
    let wit = WitOrder {
        spiffe_id,
        confirmation: Confirmation::new("ES256", SubjectKey::Suite(key.public_key().unwrap())).unwrap(),
        ttl: HOUR,
        ends_by: None,
    };
    let wit = issuer.mint_wits(vec![wit]).await.remove(0).unwrap().token;

    // For each of the three: whether it verifies, and whether what signed it is tainted.
    let verdicts = || {
        let (bundles, now) = (run.authorities.bundles(), clock.now());
        [
            verify_x509_svid(&chain, &bundles, now)
                .ok()
                .map(|svid| svid.tainted),
            verify_jwt_svid(&jwt, "db", &bundles, now)
                .ok()
                .map(|svid| svid.tainted),
            verify_wit_svid(&wit, &bundles, now).ok().map(|svid| svid.tainted),
        ]
    };
    let families = [Family::Classical, Family::Jwt, Family::Wit];
    let old = families.map(|family| run.signing(family));
    for family in families {
        let made = run.authorities.prepare(family).await.unwrap();
        run.step(family, Step::Activate, &made.authority_id).await;
    }
    assert_eq!(verdicts(), [Some(false); 3]);
    for (family, id) in families.into_iter().zip(&old) {
        run.step(family, Step::Taint, id).await;
    }
    assert_eq!(verdicts(), [Some(true); 3]);
    for (family, id) in families.into_iter().zip(&old) {
        run.step(family, Step::Revoke, id).await;
    }
    assert_eq!(verdicts(), [None; 3]);
    drop(issuer);
    run.stop().await;
}
