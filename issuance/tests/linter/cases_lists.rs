//! Requests and revocation lists, broken one by one.

use symbolon_issuance::lint::rules::{extensions, fields, hybrid, lists as rules, spiffe};
use symbolon_issuance::lint::{self, Scope};

use crate::build::*;
use crate::pieces::{name, tlv};
use crate::seen::Seen;

const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
const RELATED_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 60];

fn attribute(kind: &[u8], values: &[Vec<u8>]) -> Vec<u8> {
    seq(&[oid(kind), tlv(0x31, &values.concat())])
}

/// A request with these attributes.
fn request(version: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    let info = seq(&[
        tlv(2, &[version]),
        name(&[(3, 0x0c, "leaf.example.org")]),
        ec_key(P256, &p256_point(0x5a)),
        tlv(0xa0, &attributes.concat()),
    ]);
    seq(&[info, algorithm(ECDSA_SHA256, &[]), bits(&ecdsa_signature())])
}

/// A request for these extensions.
fn asking(extensions: &[Ext]) -> Vec<u8> {
    let list: Vec<_> = extensions.iter().map(Ext::der).collect();
    request(0, &[attribute(EXTENSION_REQUEST, &[seq(&list)])])
}

pub(crate) fn requests(seen: &mut Seen) {
    let san = Ext::new(ce(SAN), false, alt_names(&[(0x86, b"spiffe://example.org/web")]));
    seen.good_input(&asking(std::slice::from_ref(&san)));
    seen.good_input(&request(0, &[]));
    seen.request(&rules::REQUEST_STRUCTURE, &seq(&[vec![5, 0]]));
    seen.request(&rules::REQUEST_VERSION, &request(2, &[]));
    let twice = attribute(EXTENSION_REQUEST, &[seq(&[san.der()])]);
    seen.request(&rules::ATTRIBUTE_TWICE, &request(0, &[twice.clone(), twice]));
    seen.request(
        &rules::ATTRIBUTE_VALUES,
        &request(0, &[attribute(EXTENSION_REQUEST, &[])]),
    );
    // What is asked for is held to the rules for what is certified.
    seen.request(&extensions::NONE, &asking(&[]));
    seen.request(&extensions::DUPLICATE, &asking(&[san.clone(), san]));
    let two: &[(u8, &[u8])] = &[
        (0x86, b"spiffe://example.org/a"),
        (0x86, b"spiffe://example.org/b"),
    ];
    seen.request(
        &spiffe::ONE_URI,
        &asking(&[Ext::new(ce(SAN), false, alt_names(two))]),
    );

    // One thing that is wrong does not hide another.
    let unread = lint::lint_request(
        &request(2, &[attribute(EXTENSION_REQUEST, &[vec![5, 0]])]),
        Scope::Auto,
    );
    let found: Vec<_> = unread.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(found, [&rules::REQUEST_VERSION, &rules::REQUEST_STRUCTURE]);

    let related = |locations: Vec<u8>, signature: &[u8]| {
        let id = seq(&[name(&[(3, 0x0c, "Authority")]), tlv(2, &[0x11; 16])]);
        let value = seq(&[id, tlv(2, &[0x65, 0, 0, 0]), locations, bits(signature)]);
        request(0, &[attribute(RELATED_REQUEST, &[value])])
    };
    let location = tlv(0x30, &tlv(0x16, b"spiffe://example.org/web"));
    seen.good_input(&related(location.clone(), &ecdsa_signature()));
    seen.request(&hybrid::RELATED_REQUEST, &related(location, &[]));
    seen.request(
        &hybrid::RELATED_REQUEST,
        &request(0, &[attribute(RELATED_REQUEST, &[vec![5, 0]])]),
    );
    for bad in [vec![0x30, 0], tlv(0x30, &tlv(0x16, b"somewhere"))] {
        seen.request(&hybrid::RELATED_LOCATION, &related(bad, &ecdsa_signature()));
    }
    // An alternative key stands among the attributes.
    let alternative = attribute(&ce(72), &[plain_key(ML_DSA_44, 1311)]);
    seen.request(
        &lint::rules::algorithms::ML_DSA_LENGTH,
        &request(0, &[alternative]),
    );
}

/// A revocation list in parts.
struct Crl {
    version: Vec<u8>,
    issuer: Vec<u8>,
    times: Vec<u8>,
    list: Vec<u8>,
    extensions: Vec<Ext>,
}

fn crl() -> Crl {
    Crl {
        version: tlv(2, &[1]),
        issuer: name(&[(3, 0x0c, "Authority")]),
        times: [tlv(0x17, b"261122032500Z"), tlv(0x17, b"261122042500Z")].concat(),
        list: seq(&[entry(&[0x11; 16], &[])]),
        extensions: vec![
            Ext::new(ce(20), false, tlv(2, &[1])),
            Ext::new(ce(AKI), false, seq(&[tlv(0x80, &[7; 20])])),
        ],
    }
}

fn entry(serial: &[u8], extensions: &[Ext]) -> Vec<u8> {
    let list: Vec<_> = extensions.iter().map(Ext::der).collect();
    let list = if list.is_empty() { Vec::new() } else { seq(&list) };
    seq(&[tlv(2, serial), tlv(0x17, b"261122032500Z"), list])
}

fn reason(code: u8) -> Ext {
    Ext::new(ce(21), false, vec![0x0a, 1, code])
}

impl Crl {
    fn der(&self) -> Vec<u8> {
        let list: Vec<_> = self.extensions.iter().map(Ext::der).collect();
        let tbs = seq(&[
            self.version.clone(),
            algorithm(ECDSA_SHA256, &[]),
            self.issuer.clone(),
            self.times.clone(),
            self.list.clone(),
            tlv(0xa0, &seq(&list)),
        ]);
        seq(&[tbs, algorithm(ECDSA_SHA256, &[]), bits(&ecdsa_signature())])
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Vec<u8> {
        change(&mut self);
        self.der()
    }
}

pub(crate) fn revocation_lists(seen: &mut Seen) {
    seen.good_input(&crl().der());
    seen.good_input(&crl().with(|crl| crl.list.clear()));
    seen.good_input(
        &crl().with(|crl| crl.list = seq(&[entry(&[1], &[reason(1)]), entry(&[2], &[reason(9)])])),
    );
    seen.crl(&rules::CRL_STRUCTURE, &seq(&[vec![5, 0]]));
    for version in [Vec::new(), tlv(2, &[2])] {
        seen.crl(&rules::CRL_VERSION, &crl().with(|crl| crl.version = version));
    }
    seen.crl(
        &fields::ISSUER_EMPTY,
        &crl().with(|crl| crl.issuer = vec![0x30, 0]),
    );
    seen.crl(
        &rules::CRL_NEXT_UPDATE,
        &crl().with(|crl| crl.times = tlv(0x17, b"261122032500Z")),
    );
    seen.crl(
        &rules::CRL_ORDER,
        &crl().with(|crl| crl.times = [tlv(0x17, b"261122032500Z"), tlv(0x17, b"261122032500Z")].concat()),
    );
    seen.crl(&rules::CRL_EMPTY, &crl().with(|crl| crl.list = vec![0x30, 0]));
    seen.crl(
        &rules::CRL_TWICE,
        &crl().with(|crl| crl.list = seq(&[entry(&[1], &[]), entry(&[1], &[])])),
    );
    // In an indirect list an entry is of the issuer that was named last: the first two are of two, the last of one.
    let of = |issuer: &str| Ext::new(ce(29), true, seq(&[tlv(0xa4, &name(&[(3, 0x0c, issuer)]))]));
    seen.good_input(&crl().with(|crl| {
        let first = entry(&[2], &[of("Another")]);
        crl.list = seq(&[entry(&[1], &[]), first, entry(&[1], &[])]);
    }));
    seen.crl(
        &rules::CRL_TWICE,
        &crl().with(|crl| {
            let (first, again) = (entry(&[1], &[of("Another")]), entry(&[1], &[of("Another")]));
            crl.list = seq(&[first, again]);
        }),
    );
    seen.crl(
        &rules::CRL_NUMBER_MISSING,
        &crl().with(|crl| drop(crl.extensions.remove(0))),
    );
    for number in [&[0x80][..], &[0x11; 21]] {
        seen.crl(
            &rules::CRL_NUMBER,
            &crl().with(|crl| crl.extensions[0].value = tlv(2, number)),
        );
    }
    seen.crl(&rules::CRL_AKI, &crl().with(|crl| drop(crl.extensions.remove(1))));
    let with_reason = |code| crl().with(|crl| crl.list = seq(&[entry(&[1], &[reason(code)])]));
    seen.crl(&rules::CRL_REASON, &with_reason(7));
    seen.crl(&rules::CRL_UNSPECIFIED, &with_reason(0));
    seen.crl(&rules::CRL_REMOVE, &with_reason(8));
    let delta = Ext::new(ce(27), true, tlv(2, &[1]));
    seen.good_input(&crl().with(|crl| {
        crl.list = seq(&[entry(&[1], &[reason(8)])]);
        crl.extensions.push(delta.clone());
    }));
    let uncritical = Ext {
        critical: Vec::new(),
        ..delta
    };
    seen.crl(
        &extensions::MUST_BE_CRITICAL,
        &crl().with(|crl| crl.extensions.push(uncritical)),
    );
    seen.crl(
        &extensions::DUPLICATE,
        &crl().with(|crl| crl.extensions.push(crl.extensions[0].clone())),
    );
    // An alternative signature comes with its algorithm in lists too.
    let value = Ext::new(ce(74), false, bits(&[0x5a; 2420]));
    seen.crl(
        &hybrid::ALT_INCOMPLETE,
        &crl().with(|crl| crl.extensions.push(value.clone())),
    );
    seen.good_input(&crl().with(|crl| {
        crl.extensions
            .push(Ext::new(ce(73), false, algorithm(ML_DSA_44, &[])));
        crl.extensions.push(value.clone());
    }));
}
