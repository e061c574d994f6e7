//! What stands beside the key, broken.

use symbolon_issuance::lint::Rule;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Suite;

use crate::bench::{Bench, Seen};
use crate::common::key;
use crate::pieces::*;

/// Positions of the extensions that only these forms have, after those of every SVID.
const ALTERNATIVE_KEY: usize = 6;
const ALTERNATIVE_ALGORITHM: usize = 7;
const RELATED_CERTIFICATE: usize = 6;

/// Breaks an alternative key, its algorithm, and the link of a pair.
pub(crate) fn break_beside(classical: &Bench, catalyst: &Bench, paired: &Bench, seen: &mut Seen) {
    for bench in [catalyst, paired] {
        seen.expect(bench.broken(|_| {}), &[]);
    }

    // The extensions are there, once, not critical, and only where they belong.
    for (bench, position) in [
        (catalyst, ALTERNATIVE_KEY),
        (catalyst, ALTERNATIVE_ALGORITHM),
        (paired, RELATED_CERTIFICATE),
    ] {
        let extension = bench.pieces.extensions[position].clone();
        let critical = {
            let mut fields = parts(&content(&extension));
            fields.insert(1, vec![1, 1, 0xff]);
            tlv(0x30, &fields.concat())
        };
        seen.expect(
            bench.broken(|p| drop(p.extensions.remove(position))),
            &[Rule::ProfileExtensions],
        );
        seen.expect(
            bench.broken(|p| p.extensions[position] = critical),
            &[Rule::ProfileExtensions],
        );
        seen.expect(
            bench.broken(|p| p.extensions.push(extension.clone())),
            &[Rule::Extensions],
        );
        let found = classical.broken(|p| p.extensions.push(extension));
        assert_eq!(found.first(), Some(&Rule::ProfileExtensions));
        assert!(found.len() > 1, "its content is nobody's either");
    }

    // An alternative key that is another one, a classical one, cut short, the issuer's, or none.
    let other = key(Suite::MlDsa44);
    let issuers = catalyst.authority.alternative().unwrap().public_key().clone();
    let asked = catalyst.pieces.extensions[ALTERNATIVE_KEY].clone();
    let mut short = parts(&content(&content(&parts(&content(&asked))[1])));
    let mut bits = content(&short[1]);
    bits.pop();
    short[1] = tlv(3, &bits);
    for (spki, wanted) in [
        (other.spki_der(), &[Rule::AlternativeKey][..]),
        (
            key(Suite::EcdsaP256).spki_der(),
            &[Rule::AlternativeKey, Rule::AlternativeKey],
        ),
        (
            tlv(0x30, &short.concat()),
            &[Rule::AlternativeKey, Rule::KeySize],
        ),
        (
            SubjectKey::Suite(issuers).spki_der(),
            &[Rule::AlternativeKey, Rule::KeyReuse],
        ),
        (vec![5, 0], &[Rule::AlternativeKey, Rule::AlternativeKey]),
    ] {
        seen.expect(catalyst.broken(|p| p.set(ALTERNATIVE_KEY, &spki)), wanted);
    }

    // Another algorithm than the authority's, one with parameters, and none.
    let right = Suite::MlDsa44.signature_algorithm_der();
    let with_null = tlv(0x30, &[&content(right)[..], &[5, 0]].concat());
    for algorithm in [
        Suite::MlDsa65.signature_algorithm_der(),
        Suite::EcdsaP256.signature_algorithm_der(),
        &with_null,
        &[5, 0],
    ] {
        seen.expect(
            catalyst.broken(|p| p.set(ALTERNATIVE_ALGORITHM, algorithm)),
            &[Rule::AlternativeAlgorithm],
        );
    }

    // A link to another certificate, cut short, by an unknown hash, with parameters, and none.
    let link = parts(&content(&content(
        &parts(&content(&paired.pieces.extensions[RELATED_CERTIFICATE]))[1],
    )));
    let (algorithm, hash) = (link[0].clone(), content(&link[1]));
    let written = |algorithm: &[u8], hash: &[u8]| tlv(0x30, &[algorithm, &tlv(4, hash)].concat());
    let sha_1 = [0x30, 7, 6, 5, 0x2b, 14, 3, 2, 0x1a];
    let with_null = tlv(0x30, &[&content(&algorithm)[..], &[5, 0]].concat());
    for link in [
        written(&algorithm, &[7; 32]),
        written(&algorithm, &hash[1..]),
        written(&sha_1, &hash),
        written(&with_null, &hash),
        vec![5, 0],
    ] {
        seen.expect(
            paired.broken(|p| p.set(RELATED_CERTIFICATE, &link)),
            &[Rule::RelatedCertificate],
        );
    }
}
