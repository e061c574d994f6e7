//! SVIDs, broken one by one: what SPIFFE says of anybody's, and what our own profiles say of ours.

use symbolon_issuance::lint::Scope;
use symbolon_issuance::lint::rules::{issuing, spiffe as rules};

use crate::build::*;
use crate::pieces::{name, tlv};
use crate::seen::Seen;

pub(crate) fn spiffe(seen: &mut Seen) {
    seen.good(svid());
    seen.good(spiffe_authority());
    let named = |uri: &str| svid().set(SAN, alt_names(&[(0x86, uri.as_bytes())]));
    let second: &[(u8, &[u8])] = &[
        (0x86, b"spiffe://example.org/a"),
        (0x86, b"https://example.org/b"),
    ];
    seen.cert(&rules::ONE_URI, svid().set(SAN, alt_names(second)));
    seen.scoped(Scope::Svid, &rules::ONE_URI, leaf());
    seen.cert(&rules::ID, named("spiffe://Example.org/web"));
    seen.cert(&rules::ID, named("spiffe://example.org/web/"));
    seen.cert(
        &rules::ID_LENGTH,
        named(&format!("spiffe://example.org/{}", "a".repeat(2048))),
    );
    seen.cert(&rules::LEAF_PATH, named("spiffe://example.org"));
    let with_path = alt_names(&[(0x86, b"spiffe://example.org/ca")]);
    seen.cert(&rules::AUTHORITY_PATH, spiffe_authority().set(SAN, with_path));
    seen.scoped(Scope::Authority, &rules::AUTHORITY_ID, authority());
    let as_authority = seq(&[vec![1, 1, 0xff]]);
    seen.scoped(
        Scope::Svid,
        &rules::BASIC_CONSTRAINTS,
        svid().set(BC, as_authority),
    );
    seen.cert(&rules::KEY_USAGE, svid().without(KU));
    seen.cert(&rules::LEAF_SIGNS, svid().set(KU, key_usage(&[3, 0x08])));
    seen.cert(&rules::LEAF_ISSUES, svid().set(KU, key_usage(&[1, 0x82])));
    seen.cert(
        &rules::AUTHORITY_SIGNS,
        spiffe_authority().set(KU, key_usage(&[1, 0x02])),
    );
    seen.cert(&rules::EKU_MISSING, svid().without(EKU));
    seen.cert(&rules::EKU, svid().set(EKU, ext_key_usage(&[SERVER_AUTH])));
}

/// Our own profile: judged when asked for, and on nobody else's certificates otherwise.
pub(crate) fn profile(seen: &mut Seen) {
    let mut own = |rule, cert: Cert| {
        seen.scoped(Scope::Symbolon, rule, cert.clone());
        seen.good_or_lighter(cert);
    };
    own(
        &issuing::SERIAL,
        own_svid().with(|cert| cert.serial = tlv(2, &[0x11; 17])),
    );
    for subject in [
        name(&[(6, 0x13, "US"), (10, 0x0c, "SPIFFE")]),
        name(&[(6, 0x13, "US"), (10, 0x0c, "SPIRE"), (3, 0x0c, "web")]),
        name(&[(3, 0x0c, "web")]),
    ] {
        own(&issuing::SUBJECT, own_svid().with(|cert| cert.subject = subject));
    }
    own(&issuing::EXTENSIONS, own_svid().without(BC));
    own(&issuing::EXTENSIONS, own_svid().and(ce(99), false, vec![5, 0]));
    own(&issuing::CRITICALITY, own_svid().critical(EKU, &[1, 1, 0xff]));
    own(
        &issuing::PROFILE_KEY_USAGE,
        own_svid().set(KU, key_usage(&[6, 0xc0])),
    );
    let more = ext_key_usage(&[SERVER_AUTH, CLIENT_AUTH, &[0x2b, 6, 1, 5, 5, 7, 3, 8]]);
    own(&issuing::PROFILE_EKU, own_svid().set(EKU, more));
    own(&issuing::KEY_IDENTIFIER, own_svid().set(SKI, tlv(4, &[8; 20])));
    let issuer = tlv(0xa1, &tlv(0xa4, &name(&[(3, 0x0c, "Above")])));
    let more = seq(&[tlv(0x80, &[7; 20]), issuer, tlv(0x82, &[1])]);
    own(&issuing::ISSUER_IDENTIFIER, own_svid().set(AKI, more));
    let other: &[(u8, &[u8])] = &[(0x86, b"spiffe://example.org/web"), (0x87, &[10, 0, 0, 1])];
    own(&issuing::ALT_NAMES, own_svid().set(SAN, alt_names(other)));
    own(
        &issuing::LONG_LIVED,
        own_svid().with(|cert| cert.not_after = tlv(0x17, b"261124032500Z")),
    );
    own(
        &issuing::SIGNATURE,
        own_svid().signed(
            algorithm(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], &[5, 0]),
            &[0x5a; 256],
        ),
    );
    // RSA keys that are for RSASSA-PSS alone are good for others.
    let rsa_pss = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
    let rsa = rsa_public(2048, &[1, 0, 1]);
    let hash = symbolon_crypto::digest::sha256(&rsa);
    own(
        &issuing::KEY,
        own_svid()
            .key(spki(algorithm(&rsa_pss, &[]), &rsa))
            .set(SKI, tlv(4, &hash[..20])),
    );
}
