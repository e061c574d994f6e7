//! Certificates and keys of random numbers, well formed and worth nothing.

use super::random::Random;

const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07,
];
const ECDSA_SHA256: &[u8] = &[
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];
const RSA: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const RSA_SHA256: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00,
];
const ED25519: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];

/// A tag with its length and what is in it.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    match len {
        0..0x80 => out.push(len as u8),
        0x80..0x100 => out.extend([0x81, len as u8]),
        _ => out.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

fn bytes(random: &mut Random, count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    random.fill(&mut bytes, count);
    // Positive, and without a zero in front, whatever it is put into.
    bytes[0] = 0x40 | bytes[0] & 0x3f;
    bytes
}

fn name(common: &str) -> Vec<u8> {
    let attribute = tlv(
        0x30,
        &[&[0x06, 0x03, 0x55, 0x04, 0x03], &tlv(0x0c, &[common.as_bytes()])],
    );
    tlv(0x30, &[&tlv(0x31, &[&attribute])])
}

fn key_of(random: &mut Random, rsa: bool) -> Vec<u8> {
    if rsa {
        let modulus = tlv(0x02, &[&[0], &bytes(random, 256)]);
        let key = tlv(0x30, &[&modulus, &[0x02, 0x03, 0x01, 0x00, 0x01]]);
        return tlv(0x30, &[RSA, &tlv(0x03, &[&[0], &key])]);
    }
    tlv(0x30, &[P256, &tlv(0x03, &[&[0, 4], &bytes(random, 64)])])
}

/// PEM, or DER for `.cer`. One of a hundred issuers, ten years, a third of them RSA.
pub(super) fn certificate(content: &mut Vec<u8>, extension: &str, random: &mut Random) {
    let rsa = random.below(3) == 0;
    let algorithm = if rsa { RSA_SHA256 } else { ECDSA_SHA256 };
    let issuer = name(&format!("Test Authority {}", random.below(100)));
    let subject = name(&format!("host-{}.example.org", random.below(1 << 40)));
    let validity = tlv(
        0x30,
        &[&tlv(0x17, &[b"240101000000Z"]), &tlv(0x17, &[b"340101000000Z"])],
    );
    let key = key_of(random, rsa);
    let serial = tlv(0x02, &[&bytes(random, 16)]);
    let tbs = tlv(
        0x30,
        &[
            &[0xa0, 0x03, 0x02, 0x01, 0x02],
            &serial,
            algorithm,
            &issuer,
            &validity,
            &subject,
            &key,
        ],
    );
    let signature = bytes(random, if rsa { 256 } else { 70 });
    let whole = tlv(0x30, &[&tbs, algorithm, &tlv(0x03, &[&[0], &signature])]);
    match extension {
        "cer" => content.extend_from_slice(&whole),
        _ => pem(content, "CERTIFICATE", &whole),
    }
}

/// A private key in PKCS#8, or a public one as SSH writes it.
pub(super) fn key(content: &mut Vec<u8>, extension: &str, random: &mut Random) {
    let secret = bytes(random, 32);
    if extension == "pub" {
        let mut blob = Vec::new();
        for part in [&b"ssh-ed25519"[..], &secret] {
            blob.extend_from_slice(&(part.len() as u32).to_be_bytes());
            blob.extend_from_slice(part);
        }
        content.extend_from_slice(format!("ssh-ed25519 {} nobody@example.org\n", base64(&blob)).as_bytes());
        return;
    }
    let inner = tlv(0x04, &[&tlv(0x04, &[&secret])]);
    pem(
        content,
        "PRIVATE KEY",
        &tlv(0x30, &[&[0x02, 0x01, 0x00], ED25519, &inner]),
    );
}

fn pem(content: &mut Vec<u8>, label: &str, der: &[u8]) {
    content.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
    for line in base64(der).as_bytes().chunks(64) {
        content.extend_from_slice(line);
        content.push(b'\n');
    }
    content.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk
            .iter()
            .fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place > chunk.len() {
                text.push('=');
            } else {
                text.push(char::from(ALPHABET[(number >> (18 - 6 * place) & 63) as usize]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_in_the_rfc() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn lengths_are_der() {
        assert_eq!(tlv(4, &[b"ab"]), [4, 2, b'a', b'b']);
        assert_eq!(tlv(4, &[&[0; 200]])[..3], [4, 0x81, 200]);
        assert_eq!(tlv(4, &[&[0; 300]])[..4], [4, 0x82, 1, 44]);
    }
}
