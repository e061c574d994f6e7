//! The extensions of RFC 5280, broken one by one.

use symbolon_issuance::lint::rules::extensions as rules;

use crate::build::*;
use crate::pieces::tlv;
use crate::seen::Seen;

pub(crate) fn extensions(seen: &mut Seen) {
    seen.cert(&rules::DUPLICATE, leaf().and(ce(SKI), false, tlv(4, &[8; 20])));
    seen.cert(&rules::VALUE, leaf().set(BC, vec![5, 0]));
    seen.cert(&rules::VALUE, leaf().set(SKI, vec![5, 0]));

    let below_zero = seq(&[vec![1, 1, 0xff], tlv(2, &[0xff])]);
    seen.cert(&rules::VALUE, authority().set(BC, below_zero));
    for empty in [31, 32] {
        seen.cert(&rules::VALUE, leaf().and(ce(empty), false, vec![0x30, 0]));
    }

    seen.cert(&rules::MUST_BE_CRITICAL, authority().critical(BC, &[]));
    seen.cert(&rules::MUST_NOT_BE_CRITICAL, leaf().critical(SKI, &[1, 1, 0xff]));
    seen.cert(&rules::MUST_NOT_BE_CRITICAL, leaf().critical(AKI, &[1, 1, 0xff]));
    seen.cert(&rules::SHOULD_BE_CRITICAL, leaf().critical(KU, &[]));
    seen.cert(
        &rules::SHOULD_NOT_BE_CRITICAL,
        leaf().critical(SAN, &[1, 1, 0xff]),
    );
    seen.cert(&rules::UNKNOWN_CRITICAL, leaf().and(ce(99), true, vec![5, 0]));

    seen.cert(&rules::AKI_MISSING, leaf().without(AKI));
    seen.cert(&rules::AKI_KEY, leaf().set(AKI, vec![0x30, 0]));
    let serial_alone = seq(&[tlv(0x80, &[7; 20]), tlv(0x82, &[1])]);
    seen.cert(&rules::AKI_PAIR, leaf().set(AKI, serial_alone));
    seen.cert(&rules::SKI_MISSING_AUTHORITY, authority().without(SKI));
    seen.cert(&rules::SKI_MISSING, leaf().without(SKI));
    seen.cert(&rules::SKI_EMPTY, leaf().set(SKI, vec![4, 0]));

    seen.cert(&rules::KU_MISSING_AUTHORITY, authority().without(KU));
    seen.cert(&rules::KU_EMPTY, leaf().without(EKU).set(KU, key_usage(&[0])));
    seen.cert(&rules::KU_WITHOUT_CA, leaf().set(KU, key_usage(&[2, 0x84])));
    seen.cert(&rules::KU_ONLY, leaf().set(KU, key_usage(&[0, 0x81])));

    let policy = |arc: u8| seq(&[oid(&[0x2a, 3, arc])]);
    let policies = ce(32);
    seen.cert(
        &rules::POLICY_TWICE,
        leaf().and(policies, false, seq(&[policy(4), policy(5), policy(4)])),
    );

    seen.cert(&rules::SAN_EMPTY, leaf().set(SAN, vec![0x30, 0]));
    seen.cert(&rules::SAN_EMPTY, leaf().set(SAN, alt_names(&[(0x82, b"")])));
    seen.cert(
        &rules::SAN_DNS,
        leaf().set(SAN, alt_names(&[(0x82, b"leaf example")])),
    );
    seen.cert(
        &rules::SAN_URI,
        leaf().set(SAN, alt_names(&[(0x86, b"/relative")])),
    );
    seen.cert(
        &rules::SAN_IP,
        leaf().set(SAN, alt_names(&[(0x87, &[10, 0, 0, 0, 8])])),
    );
    seen.cert(
        &rules::SAN_EMAIL,
        leaf().set(SAN, alt_names(&[(0x81, b"A <a@example.org>")])),
    );

    seen.cert(&rules::PATH_LEN, leaf().set(BC, seq(&[vec![2, 1, 0]])));
    let limited = seq(&[vec![1, 1, 0xff], vec![2, 1, 0]]);
    seen.cert(
        &rules::PATH_LEN,
        authority().set(BC, limited).set(KU, key_usage(&[1, 0x02])),
    );
    let subtree = |bounds: Vec<u8>| seq(&[tlv(0xa0, &seq(&[tlv(0x82, b"example.org"), bounds]))]);
    seen.cert(&rules::NC_LEAF, leaf().and(ce(NC), true, subtree(Vec::new())));
    seen.cert(&rules::NC_EMPTY, authority().and(ce(NC), true, vec![0x30, 0]));
    seen.cert(
        &rules::NC_BOUNDS,
        authority().and(ce(NC), true, subtree(vec![0x80, 1, 1])),
    );
    seen.cert(&rules::PC_EMPTY, authority().and(ce(36), true, vec![0x30, 0]));

    seen.cert(&rules::EKU_EMPTY, leaf().set(EKU, vec![0x30, 0]));
    seen.cert(
        &rules::EKU_TWICE,
        leaf().set(EKU, ext_key_usage(&[SERVER_AUTH, SERVER_AUTH])),
    );
    seen.cert(
        &rules::EKU_ANY,
        leaf()
            .set(EKU, ext_key_usage(&[&[0x55, 0x1d, 37, 0]]))
            .critical(EKU, &[1, 1, 0xff]),
    );
    seen.cert(&rules::EKU_KU, leaf().set(KU, key_usage(&[6, 0x40])));

    let reasons_alone = seq(&[seq(&[tlv(0x81, &[1, 0x06])])]);
    seen.cert(&rules::CRLDP, leaf().and(ce(31), false, reasons_alone));
    let access = vec![0x2b, 6, 1, 5, 5, 7, 1, 1];
    seen.cert(&rules::ACCESS_EMPTY, leaf().and(access, false, vec![0x30, 0]));
}
