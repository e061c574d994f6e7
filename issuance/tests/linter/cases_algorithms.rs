//! Keys and signatures, broken one by one, and what second keys and links bring with them.

use symbolon_issuance::lint::rules::{algorithms as rules, hybrid};

use crate::build::*;
use crate::pieces::tlv;
use crate::seen::Seen;

const NULL: &[u8] = &[5, 0];
/// HashML-DSA-44 with SHA-512, ML-KEM-512, SLH-DSA-SHA2-128s, the composite with RSA-2048 and PKCS#1.
const HASH_ML_DSA: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 32];
const ML_KEM_512: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 4, 1];
const SLH_DSA_128S: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 20];
const MLDSA44_RSA2048: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 6, 38];
/// 2.16.840.1.114027.80.8.1.5: a composite of an earlier draft.
const ENTRUST: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xfa, 0x6b, 0x50, 8, 1, 5];
/// 1.3.9999.7.5: oqs-provider's p256_mldsa44.
const OQS: &[u8] = &[0x2b, 0xce, 0x0f, 7, 5];
const SHA1_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5];
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
const X25519: &[u8] = &[0x2b, 0x65, 110];
const X448: &[u8] = &[0x2b, 0x65, 111];
const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];

// keyUsage: keyAgreement; that with encipherOnly; digitalSignature with keyEncipherment, with keyAgreement;
// keyEncipherment.
const AGREES: &[u8] = &[3, 0x08];
const AGREES_TO_ENCIPHER: &[u8] = &[0, 0x09];
const SIGNS_AND_ENCIPHERS: &[u8] = &[5, 0xa0];
const SIGNS_AND_AGREES: &[u8] = &[3, 0x88];
const ENCIPHERS: &[u8] = &[5, 0x20];

/// A composite key of a P-256 point after this many bytes.
fn composite(first: usize, second: &[u8]) -> Vec<u8> {
    spki(
        algorithm(MLDSA44_P256, &[]),
        &[&vec![0x5a; first][..], second].concat(),
    )
}

pub(crate) fn classical_keys(seen: &mut Seen) {
    let exponent = [1, 0, 1];
    let with = |key: Vec<u8>| leaf().key(key);
    seen.cert(
        &rules::KEY_STRUCTURE,
        with(seq(&[algorithm(EC, &oid(P256)), tlv(3, &[1, 4, 2])])),
    );
    seen.cert(&rules::KEY_UNKNOWN, with(plain_key(&[0x2a, 3, 4], 32)));
    seen.cert(&rules::KEY_PRIVATE, with(plain_key(OQS, 1377)));
    let null = |oid: &[u8], len| spki(algorithm(oid, NULL), &vec![0x5a; len]);
    seen.cert(&rules::KEY_PARAMETERS, with(null(ED25519, 32)));
    seen.cert(
        &rules::KEY_PARAMETERS,
        with(spki(algorithm(RSA, &[]), &rsa_public(2048, &exponent))),
    );
    seen.cert(
        &rules::KEY_PARAMETERS,
        with(spki(algorithm(EC, NULL), &p256_point(0x5a))),
    );

    seen.good(with(rsa_key(2048, &exponent)));
    seen.cert(&rules::RSA_ENCODING, with(spki(algorithm(RSA, NULL), &[2, 1, 5])));
    seen.cert(&rules::RSA_SIZE, with(rsa_key(1024, &exponent)));
    seen.cert(&rules::RSA_EXPONENT_SMALL, with(rsa_key(2048, &[3])));
    seen.cert(&rules::RSA_EXPONENT, with(rsa_key(2048, &[1])));
    seen.cert(&rules::RSA_EXPONENT, with(rsa_key(2048, &[1, 0, 0])));
    seen.cert(
        &rules::RSA_USAGE,
        with(rsa_key(2048, &exponent)).set(KU, key_usage(SIGNS_AND_AGREES)),
    );

    // Without purposes, which would want digitalSignature by themselves.
    let usage = |key: Vec<u8>, usage: &[u8]| with(key).without(EKU).set(KU, key_usage(usage));
    let pss = || spki(algorithm(RSA_PSS, &[]), &rsa_public(2048, &exponent));
    seen.good(with(pss()));
    for more in [SIGNS_AND_ENCIPHERS, SIGNS_AND_AGREES] {
        seen.cert(&rules::RSA_PSS_FORBIDDEN, usage(pss(), more));
    }
    for other in [ENCIPHERS, AGREES] {
        seen.cert_also(
            &rules::RSA_PSS_NEEDED,
            &[&rules::RSA_PSS_FORBIDDEN],
            usage(pss(), other),
        );
    }

    let secp256k1 = [0x2b, 0x81, 4, 0, 10];
    seen.cert(&rules::EC_CURVE, with(ec_key(&secp256k1, &p256_point(0x5a))));
    seen.cert(&rules::EC_CURVE, with(ec_key(&[0x2a, 3, 4], &p256_point(0x5a))));
    seen.cert(&rules::EC_POINT, with(ec_key(P256, &p256_point(0x5a)[1..])));
    let compressed = [&[2][..], &[0x5a; 32]].concat();
    seen.cert(&rules::EC_COMPRESSED, with(ec_key(P256, &compressed)));
    seen.cert(&rules::EC_USAGE, leaf().set(KU, key_usage(SIGNS_AND_ENCIPHERS)));

    seen.good(with(plain_key(ED25519, 32)));
    seen.cert(&rules::EDDSA_LENGTH, with(plain_key(ED25519, 33)));
    seen.cert(
        &rules::EDDSA_USAGE,
        with(plain_key(ED25519, 32)).set(KU, key_usage(SIGNS_AND_AGREES)),
    );
    for (oid, len) in [(X25519, 32), (X448, 56)] {
        let key = || plain_key(oid, len);
        seen.good(usage(key(), AGREES));
        seen.good(usage(key(), AGREES_TO_ENCIPHER));
        seen.cert(&rules::EDDSA_LENGTH, usage(plain_key(oid, len + 1), AGREES));
        seen.cert(&rules::MONTGOMERY_FORBIDDEN, usage(key(), SIGNS_AND_AGREES));
        for other in [ENCIPHERS, &[7, 0x80]] {
            seen.cert_also(
                &rules::MONTGOMERY_NEEDED,
                &[&rules::MONTGOMERY_FORBIDDEN],
                usage(key(), other),
            );
        }
    }
}

pub(crate) fn post_quantum_keys(seen: &mut Seen) {
    let with = |key: Vec<u8>| leaf().key(key);
    let null = |oid: &[u8], len| spki(algorithm(oid, NULL), &vec![0x5a; len]);
    // Without purposes, which would want digitalSignature by themselves.
    let usage = |key: Vec<u8>, usage: &[u8]| with(key).without(EKU).set(KU, key_usage(usage));
    for (oid, len, parameters, length, needed, forbidden) in [
        (
            ML_DSA_44,
            1312,
            &rules::ML_DSA_PARAMETERS,
            &rules::ML_DSA_LENGTH,
            &rules::ML_DSA_NEEDED,
            &rules::ML_DSA_FORBIDDEN,
        ),
        (
            SLH_DSA_128S,
            32,
            &rules::SLH_DSA_PARAMETERS,
            &rules::SLH_DSA_LENGTH,
            &rules::SLH_DSA_NEEDED,
            &rules::SLH_DSA_FORBIDDEN,
        ),
    ] {
        seen.good(with(plain_key(oid, len)));
        seen.cert(parameters, with(null(oid, len)));
        seen.cert(length, with(plain_key(oid, len - 1)));
        seen.cert(forbidden, usage(plain_key(oid, len), SIGNS_AND_ENCIPHERS));
        seen.cert(forbidden, usage(plain_key(oid, len), SIGNS_AND_AGREES));
        // No bits at all is another rule's too; encipherOnly alone is needed's and forbidden's and one more.
        seen.cert_also(needed, &[forbidden], usage(plain_key(oid, len), AGREES));
    }
    for oid in 32..=34 {
        let key = plain_key(&[NIST, &[oid]].concat(), 1312);
        seen.cert(&rules::HASH_ML_DSA, with(key));
    }
    seen.good(usage(plain_key(ML_KEM_512, 800), ENCIPHERS));
    seen.cert(&rules::ML_KEM_PARAMETERS, usage(null(ML_KEM_512, 800), ENCIPHERS));
    seen.cert(
        &rules::ML_KEM_LENGTH,
        usage(plain_key(ML_KEM_512, 801), ENCIPHERS),
    );
    seen.cert(
        &rules::ML_KEM_USAGE,
        usage(plain_key(ML_KEM_512, 800), &[7, 0x80]),
    );

    let whole = composite(1312, &p256_point(0x5a));
    seen.good(with(whole.clone()));
    seen.cert(
        &rules::COMPOSITE_PARAMETERS,
        with(spki(
            algorithm(MLDSA44_P256, NULL),
            &[&vec![0x5a; 1312][..], &p256_point(0x5a)].concat(),
        )),
    );
    seen.cert(&rules::COMPOSITE_LENGTH, with(composite(1311, &p256_point(0x5a))));
    seen.cert(&rules::COMPOSITE_LENGTH, with(composite(100, &[])));
    let mut bad_point = p256_point(0x5a);
    bad_point[0] = 2;
    seen.cert(&rules::COMPOSITE_PART, with(composite(1312, &bad_point)));
    let with_rsa = |bits| {
        let key = [vec![0x5a; 1312], rsa_public(bits, &[1, 0, 1])].concat();
        with(spki(algorithm(MLDSA44_RSA2048, &[]), &key))
    };
    seen.good(with_rsa(2048));
    seen.cert(&rules::COMPOSITE_PART, with_rsa(3072));
    seen.cert(
        &rules::COMPOSITE_FORBIDDEN,
        usage(whole.clone(), SIGNS_AND_ENCIPHERS),
    );
    seen.cert_also(
        &rules::COMPOSITE_NEEDED,
        &[&rules::COMPOSITE_FORBIDDEN],
        usage(whole, AGREES),
    );
    seen.cert(&rules::OLD_COMPOSITE, with(plain_key(ENTRUST, 1377)));
}

pub(crate) fn signatures(seen: &mut Seen) {
    let signed =
        |oid: &[u8], parameters: &[u8], len| leaf().signed(algorithm(oid, parameters), &vec![0x5a; len]);
    seen.cert(&rules::SIGNATURE_UNKNOWN, signed(&[0x2a, 3, 4], &[], 64));
    seen.cert(&rules::KEY_PRIVATE, signed(OQS, &[], 2491));
    seen.good(signed(SHA256_WITH_RSA, NULL, 256));
    seen.cert(&rules::SIGNATURE_WEAK, signed(SHA1_WITH_RSA, NULL, 256));
    seen.cert(
        &rules::SIGNATURE_WEAK,
        leaf().signed(algorithm(ECDSA_SHA1, &[]), &ecdsa_signature()),
    );
    // Nobody relies on what a root signs of itself.
    let root = || authority().with(|cert| cert.issuer = cert.subject.clone());
    seen.good(root());
    seen.cert(
        &rules::SIGNATURE_WEAK_SELF,
        root().signed(algorithm(SHA1_WITH_RSA, NULL), &[0x5a; 256]),
    );
    // PSS without a hash means SHA-1.
    seen.cert(&rules::SIGNATURE_WEAK, signed(RSA_PSS, &[0x30, 0], 256));
    let sha256 = algorithm(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1], &[]);
    seen.good(signed(RSA_PSS, &seq(&[tlv(0xa0, &sha256)]), 256));
    seen.cert(&rules::SIGNATURE_PARAMETERS, signed(RSA_PSS, &[], 256));
    seen.cert(&rules::SIGNATURE_PARAMETERS, signed(SHA256_WITH_RSA, &[], 256));
    seen.cert(
        &rules::SIGNATURE_PARAMETERS,
        leaf().signed(algorithm(ECDSA_SHA256, NULL), &ecdsa_signature()),
    );
    seen.cert(
        &rules::SIGNATURE_BITS,
        leaf().with(|cert| cert.signature = tlv(3, &[1, 0x5a])),
    );
    for bad in [
        vec![0x5a; 64],
        seq(&[tlv(2, &[0x11; 32])]),
        seq(&[tlv(2, &[0]), tlv(2, &[0x22; 32])]),
        seq(&[tlv(2, &[0x91; 32]), tlv(2, &[0x22; 32])]),
        [ecdsa_signature(), vec![0]].concat(),
    ] {
        seen.cert(
            &rules::SIGNATURE_ECDSA,
            leaf().signed(algorithm(ECDSA_SHA256, &[]), &bad),
        );
    }
    seen.cert(&rules::SIGNATURE_LENGTH, signed(ED25519, &[], 63));

    for (oid, len, parameters, length) in [
        (
            ML_DSA_44,
            2420,
            &rules::ML_DSA_PARAMETERS,
            &rules::ML_DSA_SIGNATURE,
        ),
        (
            SLH_DSA_128S,
            7856,
            &rules::SLH_DSA_PARAMETERS,
            &rules::SLH_DSA_SIGNATURE,
        ),
    ] {
        seen.good(signed(oid, &[], len));
        seen.cert(parameters, signed(oid, NULL, len));
        seen.cert(length, signed(oid, &[], len + 1));
    }
    seen.cert(&rules::HASH_ML_DSA, signed(HASH_ML_DSA, &[], 2420));
    seen.cert(&rules::OLD_COMPOSITE, signed(ENTRUST, &[], 2490));

    let composite = |first: usize, second: &[u8]| {
        let signature = [&vec![0x5a; first][..], second].concat();
        leaf().signed(algorithm(MLDSA44_P256, &[]), &signature)
    };
    seen.good(composite(2420, &ecdsa_signature()));
    seen.cert(
        &rules::COMPOSITE_PARAMETERS,
        signed(MLDSA44_P256, NULL, 0).with(|cert| {
            cert.signature = bits(&[vec![0x5a; 2420], ecdsa_signature()].concat());
        }),
    );
    seen.cert(&rules::COMPOSITE_SIGNATURE, composite(2419, &ecdsa_signature()));
    seen.cert(&rules::COMPOSITE_SIGNATURE, composite(2420, &[]));
    // The halves in the other order.
    let swapped = [ecdsa_signature(), vec![0x5a; 2420]].concat();
    seen.cert(&rules::COMPOSITE_SIGNATURE, composite(0, &swapped));
}

pub(crate) fn second_keys(seen: &mut Seen) {
    let alternative = plain_key(ML_DSA_44, 1312);
    let ml_dsa = algorithm(ML_DSA_44, &[]);
    let value = bits(&[0x5a; 2420]);
    let catalyst = || {
        leaf()
            .and(ce(72), false, alternative.clone())
            .and(ce(73), false, ml_dsa.clone())
            .and(ce(74), false, value.clone())
    };
    seen.good(catalyst());
    seen.cert(&hybrid::ALT_INCOMPLETE, catalyst().without(74));
    seen.cert(&hybrid::ALT_INCOMPLETE, catalyst().without(73));
    for n in [72, 73, 74] {
        seen.cert(&hybrid::ALT_CRITICAL, catalyst().critical(n, &[1, 1, 0xff]));
    }
    seen.cert(&hybrid::ALT_SAME_KEY, catalyst().key(composite_of(&[0x5a; 1312])));
    seen.cert(
        &hybrid::ALT_CLASSICAL,
        catalyst().set(72, ec_key(P256, &p256_point(0x33))),
    );
    // What is wrong with the second key and the second signature has the names that it has in the first.
    seen.cert(
        &rules::ML_DSA_LENGTH,
        catalyst().set(72, plain_key(ML_DSA_44, 1311)),
    );
    seen.cert(
        &rules::ML_DSA_PARAMETERS,
        catalyst().set(73, algorithm(ML_DSA_44, NULL)),
    );
    seen.cert(&rules::ML_DSA_SIGNATURE, catalyst().set(74, bits(&[0x5a; 2419])));

    let sha256 = algorithm(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1], &[]);
    let sha1 = algorithm(&[0x2b, 0x0e, 3, 2, 26], &[]);
    let related = vec![0x2b, 6, 1, 5, 5, 7, 1, 36];
    let link = seq(&[sha256.clone(), tlv(4, &[9; 32])]);
    seen.good(leaf().and(related.clone(), false, link.clone()));
    seen.cert(
        &hybrid::RELATED_CRITICAL,
        leaf().and(related.clone(), true, link.clone()),
    );
    seen.cert(
        &hybrid::RELATED_AUTHORITY,
        authority().and(related.clone(), false, link),
    );
    for bad in [seq(&[sha256, tlv(4, &[9; 31])]), seq(&[sha1, tlv(4, &[9; 20])])] {
        seen.cert(&hybrid::RELATED_HASH, leaf().and(related.clone(), false, bad));
    }

    let descriptor = vec![0x60, 0x86, 0x48, 1, 0x86, 0xfa, 0x6b, 0x50, 6, 1];
    seen.cert(
        &hybrid::CHAMELEON,
        leaf().and(descriptor.clone(), false, vec![0x30, 0]),
    );
    seen.cert_also(
        &hybrid::CHAMELEON_CRITICAL,
        &[&hybrid::CHAMELEON],
        leaf().and(descriptor, true, vec![0x30, 0]),
    );
}

fn composite_of(first: &[u8]) -> Vec<u8> {
    spki(algorithm(MLDSA44_P256, &[]), &[first, &p256_point(0x44)].concat())
}
