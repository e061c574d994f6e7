//! Documents put together byte by byte, good unless told otherwise. Nothing is signed: the linter verifies no
//! signature, and so the signatures have the right shape and no more.

use symbolon_crypto::digest;

use crate::pieces::{name, tlv};

// Content octets of OIDs.
pub(crate) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
pub(crate) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
pub(crate) const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
pub(crate) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
pub(crate) const ED25519: &[u8] = &[0x2b, 0x65, 112];
pub(crate) const NIST: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3];
pub(crate) const ML_DSA_44: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 17];
pub(crate) const MLDSA44_P256: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 6, 40];
pub(crate) const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
pub(crate) const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

// Extensions under 2.5.29, by their last arc.
pub(crate) const SKI: u8 = 14;
pub(crate) const KU: u8 = 15;
pub(crate) const SAN: u8 = 17;
pub(crate) const BC: u8 = 19;
pub(crate) const NC: u8 = 30;
pub(crate) const AKI: u8 = 35;
pub(crate) const EKU: u8 = 37;

/// `2.5.29.n`.
pub(crate) fn ce(n: u8) -> Vec<u8> {
    vec![0x55, 0x1d, n]
}

pub(crate) fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub(crate) fn oid(content: &[u8]) -> Vec<u8> {
    tlv(6, content)
}

/// An AlgorithmIdentifier, with or without parameters.
pub(crate) fn algorithm(content: &[u8], parameters: &[u8]) -> Vec<u8> {
    seq(&[oid(content), parameters.to_vec()])
}

/// A BIT STRING of whole bytes.
pub(crate) fn bits(content: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], content].concat())
}

pub(crate) fn spki(algorithm: Vec<u8>, key: &[u8]) -> Vec<u8> {
    seq(&[algorithm, bits(key)])
}

/// A key without parameters, of this many bytes.
pub(crate) fn plain_key(oid: &[u8], len: usize) -> Vec<u8> {
    spki(algorithm(oid, &[]), &vec![0x5a; len])
}

pub(crate) fn ec_key(curve: &[u8], point: &[u8]) -> Vec<u8> {
    spki(algorithm(EC, &oid(curve)), point)
}

pub(crate) fn p256_point(fill: u8) -> Vec<u8> {
    [&[4][..], &[fill; 64]].concat()
}

/// An RSAPublicKey with a modulus of this many bits.
pub(crate) fn rsa_public(bits: usize, exponent: &[u8]) -> Vec<u8> {
    let modulus = [&[0][..], &vec![0xc5; bits / 8]].concat();
    seq(&[tlv(2, &modulus), tlv(2, exponent)])
}

pub(crate) fn rsa_key(bits: usize, exponent: &[u8]) -> Vec<u8> {
    spki(algorithm(RSA, &[5, 0]), &rsa_public(bits, exponent))
}

pub(crate) fn ecdsa_signature() -> Vec<u8> {
    seq(&[tlv(2, &[0x11; 32]), tlv(2, &[0x22; 32])])
}

/// One extension.
#[derive(Clone)]
pub(crate) struct Ext {
    pub(crate) oid: Vec<u8>,
    pub(crate) critical: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Ext {
    pub(crate) fn new(oid: Vec<u8>, critical: bool, value: Vec<u8>) -> Self {
        let critical = if critical { vec![1, 1, 0xff] } else { Vec::new() };
        Self { oid, critical, value }
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        seq(&[oid(&self.oid), self.critical.clone(), tlv(4, &self.value)])
    }
}

pub(crate) fn key_usage(content: &[u8]) -> Vec<u8> {
    tlv(3, content)
}

pub(crate) fn alt_names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let names: Vec<_> = names.iter().map(|(tag, content)| tlv(*tag, content)).collect();
    seq(&names)
}

pub(crate) fn ext_key_usage(purposes: &[&[u8]]) -> Vec<u8> {
    let purposes: Vec<_> = purposes.iter().map(|purpose| oid(purpose)).collect();
    seq(&purposes)
}

/// A certificate in parts.
#[derive(Clone)]
pub(crate) struct Cert {
    pub(crate) version: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) algorithm: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) not_before: Vec<u8>,
    pub(crate) not_after: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    /// What stands between the key and the extensions.
    pub(crate) between: Vec<u8>,
    pub(crate) extensions: Vec<Ext>,
    /// What stands after the extensions.
    pub(crate) after: Vec<u8>,
    /// The algorithm outside, if it is another.
    pub(crate) outside: Option<Vec<u8>>,
    /// The BIT STRING of the signature.
    pub(crate) signature: Vec<u8>,
}

/// A server's certificate that knows nothing of SPIFFE.
pub(crate) fn leaf() -> Cert {
    Cert {
        version: tlv(0xa0, &[2, 1, 2]),
        serial: tlv(2, &[0x11; 16]),
        algorithm: algorithm(ECDSA_SHA256, &[]),
        issuer: name(&[(10, 0x0c, "Somebody"), (3, 0x0c, "Authority")]),
        not_before: tlv(0x17, b"261122032450Z"),
        not_after: tlv(0x17, b"261122042500Z"),
        subject: name(&[(3, 0x0c, "leaf.example.org")]),
        spki: ec_key(P256, &p256_point(0x5a)),
        between: Vec::new(),
        extensions: vec![
            Ext::new(ce(KU), true, key_usage(&[7, 0x80])),
            Ext::new(ce(EKU), false, ext_key_usage(&[SERVER_AUTH, CLIENT_AUTH])),
            Ext::new(ce(BC), true, vec![0x30, 0]),
            Ext::new(ce(AKI), false, seq(&[tlv(0x80, &[7; 20])])),
            Ext::new(ce(SKI), false, tlv(4, &[8; 20])),
            Ext::new(ce(SAN), false, alt_names(&[(0x82, b"leaf.example.org")])),
        ],
        after: Vec::new(),
        outside: None,
        signature: bits(&ecdsa_signature()),
    }
}

/// An authority that knows nothing of SPIFFE.
pub(crate) fn authority() -> Cert {
    leaf()
        .set(KU, key_usage(&[1, 0x06]))
        .set(BC, seq(&[vec![1, 1, 0xff]]))
        .without(EKU)
        .without(SAN)
}

/// A leaf with a SPIFFE ID.
pub(crate) fn svid() -> Cert {
    leaf().set(SAN, alt_names(&[(0x86, b"spiffe://example.org/web")]))
}

/// An authority with a SPIFFE ID.
pub(crate) fn spiffe_authority() -> Cert {
    let mut cert = authority();
    cert.extensions.push(Ext::new(
        ce(SAN),
        false,
        alt_names(&[(0x86, b"spiffe://example.org")]),
    ));
    cert
}

/// A leaf that keeps to our own profile.
pub(crate) fn own_svid() -> Cert {
    let mut cert = svid();
    cert.subject = name(&[(6, 0x13, "US"), (10, 0x0c, "SPIRE")]);
    let hash = digest::sha256(&p256_point(0x5a));
    cert.set(SKI, tlv(4, &hash[..20]))
}

impl Cert {
    pub(crate) fn tbs(&self) -> Vec<u8> {
        let list: Vec<_> = self.extensions.iter().map(Ext::der).collect();
        let list = if list.is_empty() {
            Vec::new()
        } else {
            tlv(0xa3, &seq(&list))
        };
        seq(&[
            self.version.clone(),
            self.serial.clone(),
            self.algorithm.clone(),
            self.issuer.clone(),
            seq(&[self.not_before.clone(), self.not_after.clone()]),
            self.subject.clone(),
            self.spki.clone(),
            self.between.clone(),
            list,
            self.after.clone(),
        ])
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        let outside = self.outside.as_ref().unwrap_or(&self.algorithm);
        seq(&[self.tbs(), outside.clone(), self.signature.clone()])
    }

    /// With another change.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// With another value of an extension.
    pub(crate) fn set(mut self, n: u8, value: Vec<u8>) -> Self {
        self.ext(n).value = value;
        self
    }

    /// With another criticality of an extension, as encoded.
    pub(crate) fn critical(mut self, n: u8, critical: &[u8]) -> Self {
        self.ext(n).critical = critical.to_vec();
        self
    }

    pub(crate) fn without(mut self, n: u8) -> Self {
        self.extensions.retain(|extension| extension.oid != ce(n));
        self
    }

    pub(crate) fn and(mut self, oid: Vec<u8>, critical: bool, value: Vec<u8>) -> Self {
        self.extensions.push(Ext::new(oid, critical, value));
        self
    }

    pub(crate) fn key(mut self, spki: Vec<u8>) -> Self {
        self.spki = spki;
        self
    }

    /// Signed with another algorithm.
    pub(crate) fn signed(mut self, algorithm: Vec<u8>, signature: &[u8]) -> Self {
        self.algorithm = algorithm;
        self.signature = bits(signature);
        self
    }

    fn ext(&mut self, n: u8) -> &mut Ext {
        self.extensions
            .iter_mut()
            .find(|extension| extension.oid == ce(n))
            .unwrap()
    }
}
