//! PEM wherever it stands: in its own files, in configuration, quoted in source, escaped in JSON.
//!
//! A marker that is only mentioned (in documentation, in a program that reads PEM) is nothing; one that is followed by
//! base64 is a block, and a block that is damaged is noted and never hides the next.

mod text;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem;
use zeroize::Zeroizing;

use self::text::{Clean, strip_checksum};
use super::{der, keys, openpgp, pkcs7, spki, ssh, x509};
use crate::inventory::{AssetId, Fragment, KeyDetail, KeyKind, Occurrence, Protection, Reason};
use crate::scan::{Budget, Piece, Scanner, Trigger};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
/// Longest label, in bytes.
const MAX_LABEL: usize = 64;
/// Largest block, in bytes of text.
const MAX_BLOCK: usize = 16 << 20;
/// Most blocks in one file.
const MAX_BLOCKS: usize = 100_000;

/// Blocks with no more than this between their markers are placeholders in documentation, unless the file is PEM by its
/// name or begins as such.
const PLACEHOLDER: usize = 32;

/// Extensions of files that are PEM, or what PEM holds.
const EXTENSIONS: [&str; 14] = [
    "cer", "cert", "chain", "crl", "crt", "csr", "gpg", "key", "p7b", "p8", "pem", "pk8", "pub", "req",
];

/// Old keys were written with bits after the last byte, and with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an OpenVPN static key has, four keys in one.
const OPENVPN_BITS: u32 = 2048;

/// PEM blocks and OpenPGP armour.
#[derive(Debug)]
pub struct Pem;

impl Scanner for Pem {
    fn name(&self) -> &'static str {
        "pem"
    }

    fn version(&self) -> u32 {
        3
    }

    fn triggers(&self) -> &[Trigger] {
        &[Trigger::Needle(BEGIN)]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        let mut lines = Lines {
            bytes: file.bytes,
            at: 0,
            line: 1,
        };
        let mut from = 0;
        let meant = is_meant(file.bytes) || EXTENSIONS.contains(&file.extension().as_str());
        for _ in 0..MAX_BLOCKS {
            if file.budget.is_spent() {
                return found.unread(Reason::TimedOut, Some(lines.line), "PEM blocks from here on");
            }
            let Some(begin) = memmem::find(file.bytes.get(from..).unwrap_or_default(), BEGIN) else {
                return;
            };
            let begin = from + begin;
            from = begin + BEGIN.len();
            let rest = file.bytes.get(from..).unwrap_or_default();
            let Some(label) = label(rest) else { continue };
            let body = rest.get(label.len() + 5..).unwrap_or_default();
            let line = lines.of(begin);
            let here = found.here().line(line).access(file.access);
            from += label.len() + 5 + block(label, body, meant, here, found);
        }
        found.unread(
            Reason::TooLarge,
            None,
            format!("only the first {MAX_BLOCKS} PEM blocks are read"),
        );
    }
}

/// The blocks in something that was decoded: all are seen at one place.
pub(crate) fn decoded(bytes: &[u8], here: &Occurrence, budget: Budget, found: &mut Fragment) {
    let mut from = 0;
    let meant = is_meant(bytes);
    for _ in 0..MAX_BLOCKS {
        if budget.is_spent() {
            return found.unread(Reason::TimedOut, here.line, "PEM blocks from here on");
        }
        let Some(begin) = memmem::find(bytes.get(from..).unwrap_or_default(), BEGIN) else {
            return;
        };
        from += begin + BEGIN.len();
        let rest = bytes.get(from..).unwrap_or_default();
        let Some(label) = label(rest) else { continue };
        let body = rest.get(label.len() + 5..).unwrap_or_default();
        from += label.len() + 5 + block(label, body, meant, here.clone(), found);
    }
}

/// Line numbers of ascending places.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    fn of(&mut self, place: usize) -> u64 {
        let passed = self.bytes.get(self.at..place).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at = place;
        self.line
    }
}

/// The label of a marker whose dashes close it.
fn label(rest: &[u8]) -> Option<&str> {
    let end = memmem::find(rest.get(..MAX_LABEL + 5).unwrap_or(rest), b"-----")?;
    let label = std::str::from_utf8(rest.get(..end)?).ok()?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b" ./_-".contains(&byte);
    (!label.is_empty() && label.bytes().all(good)).then_some(label)
}

/// Whether it begins with a block: then blocks are meant, and nobody writes about them.
fn is_meant(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(BEGIN)
}

/// Reads the block whose content begins here; tells how far it goes. Where blocks are `meant`, none is a placeholder.
fn block(label: &str, body: &[u8], meant: bool, here: Occurrence, found: &mut Fragment) -> usize {
    let line = here.line.unwrap_or(1);
    let window = body.get(..MAX_BLOCK).unwrap_or(body);
    // Another marker before the end means that this block was cut off; it is left for the caller to find.
    let next = memmem::find(window, BEGIN).unwrap_or(window.len());
    let window = window.get(..next).unwrap_or_default();
    let end = memmem::find(window, END);
    let content = window.get(..end.unwrap_or(window.len())).unwrap_or_default();
    let mut clean = Clean::of(content);
    // A marker alone on its line was meant to open a block; one in the midst of others may be only mentioned.
    let ends: [&[u8]; 4] = [b"\n", b"\r", b"\\n", b"\\\\n"];
    let opens = ends.iter().any(|end| body.starts_with(end));
    let short = clean.base64.len() < 16;
    if clean.junk {
        // Prose or a template between the markers, somebody's redaction, or damage.
        let holds = content.len() > PLACEHOLDER && (end.is_some() || !short);
        if opens && (holds || meant) {
            found.unread(
                Reason::Malformed,
                Some(line),
                format!("the {label} block is not base64"),
            );
        }
        return 0;
    }
    if short && meant && opens {
        let what = format!("the {label} block is empty or cut off");
        found.unread(Reason::Malformed, Some(line), what);
    }
    if short || (end.is_none() && !opens) {
        return 0;
    }
    let Some(end) = end else {
        found.unread(
            Reason::Malformed,
            Some(line),
            format!("the {label} block has no end"),
        );
        return 0;
    };
    let closing = window.get(end + END.len()..).unwrap_or_default();
    if !closing.starts_with(label.as_bytes()) {
        let what = format!("the {label} block ends as something else");
        found.unread(Reason::Malformed, Some(line), what);
        return end;
    }
    if let Some(cipher) = clean.dek_info.take() {
        keys::traditional(label, &cipher).add(&format!("line {line}"), here, found);
        found.unread(Reason::Encrypted, Some(line), format!("the {label} is encrypted"));
        return end;
    }
    let armour = label.starts_with("PGP ");
    let text = if armour {
        strip_checksum(&clean.base64)
    } else {
        clean.base64.as_slice()
    };
    let Ok(bytes) = BASE64.decode(text).map(Zeroizing::new) else {
        found.unread(
            Reason::Malformed,
            Some(line),
            format!("the {label} block is not valid base64"),
        );
        return end;
    };
    if armour {
        openpgp::packets(&bytes, &here, found);
    } else if object(label, &bytes, line, here, found).is_none() {
        found.unread(
            Reason::Malformed,
            Some(line),
            format!("the {label} block holds no such thing"),
        );
    }
    end
}

/// Adds what a block of this label holds. `None` when it does not hold it.
fn object(
    label: &str,
    bytes: &[u8],
    line: u64,
    here: Occurrence,
    found: &mut Fragment,
) -> Option<Option<AssetId>> {
    let place = format!("line {line}");
    let plain = |mut here: Occurrence| {
        here.access = None;
        here
    };
    Some(match label {
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
            if !x509::is_certificate(bytes) {
                return None;
            }
            x509::certificate(bytes, plain(here), found)
        }
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Some(x509::request(bytes, plain(here), found)?),
        "X509 CRL" => Some(x509::revocation_list(bytes, plain(here), found)?),
        "PRIVATE KEY" => Some(keys::pkcs8(bytes)?.add(&place, here, found)),
        "RSA PRIVATE KEY" => Some(keys::pkcs1(bytes)?.add(&place, here, found)),
        "EC PRIVATE KEY" => Some(keys::sec1(bytes)?.add(&place, here, found)),
        "DSA PRIVATE KEY" => Some(keys::dsa(bytes)?.add(&place, here, found)),
        "OPENSSH PRIVATE KEY" => Some(ssh::private_key(bytes, &place, here, found)?),
        "ENCRYPTED PRIVATE KEY" => {
            let held = keys::encrypted_pkcs8(bytes)?;
            found.unread(Reason::Encrypted, Some(line), "the private key is encrypted");
            Some(held.add(&place, here, found))
        }
        "PUBLIC KEY" => Some(spki::read(bytes)?.add("SPKI", plain(here), found)),
        "RSA PUBLIC KEY" => Some(spki::pkcs1(bytes)?.add("PKCS#1", plain(here), found)),
        "PKCS7" | "CMS" | "PKCS #7 SIGNED DATA" => Some(pkcs7::read(bytes, plain(here), found)?),
        "DH PARAMETERS" | "X9.42 DH PARAMETERS" => {
            let mut inside = super::asn1::Reader::new(bytes).enter(super::asn1::SEQUENCE)?;
            let bits = super::asn1::bit_len(inside.body(super::asn1::INTEGER)?);
            Some(found.algorithm(crate::algorithm::sized("FFDHE", Some(bits)), plain(here)))
        }
        "DSA PARAMETERS" => {
            let mut inside = super::asn1::Reader::new(bytes).enter(super::asn1::SEQUENCE)?;
            let bits = super::asn1::bit_len(inside.body(super::asn1::INTEGER)?);
            Some(found.algorithm(crate::algorithm::dsa(Some(bits)), plain(here)))
        }
        "EC PARAMETERS" => {
            let oid = super::asn1::Reader::new(bytes).oid();
            oid.map(|oid| {
                found.algorithm(
                    crate::algorithm::oid::key("1.2.840.10045.2.1", Some(&oid), None),
                    plain(here),
                )
            })
        }
        // In hexadecimal, and so in the alphabet of base64, but nothing that could be taken apart.
        "OpenVPN Static key V1" => {
            let detail = KeyDetail {
                kind: KeyKind::Secret,
                algorithm: None,
                bits: Some(OPENVPN_BITS),
                spki_sha256: None,
                format: "OpenVPN".to_owned(),
                protection: Some(Protection::None),
            };
            Some(found.held_key(detail, &place, here))
        }
        // A label of somebody's own may still hold something that is known.
        _ => {
            let known = der::object(bytes, here, found);
            if known.is_none() {
                found.unread(
                    Reason::Unsupported,
                    Some(line),
                    format!("nothing here reads a {label} block"),
                );
            }
            known
        }
    })
}
