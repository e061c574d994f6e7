//! PEM (RFC 7468): reading files as people have them, writing them as RFC 7468 says.
//!
//! Files in the wild hold several blocks, text between them, Windows line ends, lines of 76 characters, and now
//! and then one block that was cut off by an editor. [`blocks`] therefore yields a result for every block it can
//! see, so that one bad block never hides the others, and names the line where each began.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::{Reader, SliceReader, Tag};
use zeroize::Zeroizing;

use crate::certificate::{Certificate, CertificateError};
use crate::key::{Pkcs8Error, PrivateKey};

/// Label of an X.509 certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// Label of a PKCS#10 certificate signing request.
pub const CERTIFICATE_REQUEST: &str = "CERTIFICATE REQUEST";
/// Label of an unencrypted PKCS#8 private key.
pub const PRIVATE_KEY: &str = "PRIVATE KEY";
/// Label of a SubjectPublicKeyInfo.
pub const PUBLIC_KEY: &str = "PUBLIC KEY";

/// The largest PEM input read, in bytes.
pub const MAX_PEM_LEN: usize = 4 * 1024 * 1024;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// RFC 7468 §2: generators wrap at 64 characters.
const LINE: usize = 64;

/// One PEM block: its label and its bytes.
#[derive(Clone)]
pub struct Block {
    /// The label between the dashes, such as `CERTIFICATE`.
    pub label: String,
    /// The decoded bytes; wiped when dropped, since they may be a private key.
    pub der: Zeroizing<Vec<u8>>,
    /// Line of the BEGIN marker, counted from 1.
    pub line: usize,
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The bytes may be a private key.
        f.debug_struct("Block")
            .field("label", &self.label)
            .field("line", &self.line)
            .field("len", &self.der.len())
            .finish()
    }
}

/// What is wrong with a PEM file or with one block of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// There is no BEGIN marker at all.
    #[error("no PEM block found (a line that starts with \"-----BEGIN\")")]
    NoBlock,
    /// The input is larger than [`MAX_PEM_LEN`].
    #[error("the PEM input has {len} bytes, more than the {MAX_PEM_LEN} that are read")]
    TooLong {
        /// Length of the input, in bytes.
        len: usize,
    },
    /// The BEGIN marker is not closed by dashes.
    #[error("line {line}: the BEGIN marker is damaged")]
    DamagedMarker {
        /// Line of the marker.
        line: usize,
    },
    /// No END marker with this label follows.
    #[error("line {line}: the {label} block that begins here has no END marker")]
    Unfinished {
        /// Label of the block.
        label: String,
        /// Line of its BEGIN marker.
        line: usize,
    },
    /// The text of the block is not base64.
    #[error("line {line}: the {label} block that begins here is not valid base64")]
    Base64 {
        /// Label of the block.
        label: String,
        /// Line of its BEGIN marker.
        line: usize,
    },
    /// The block is protected by a passphrase.
    #[error("line {line}: the {label} block is encrypted; decrypt it first, for example with `openssl pkey`")]
    Encrypted {
        /// Label of the block.
        label: String,
        /// Line of its BEGIN marker.
        line: usize,
    },
    /// A block of this kind was expected, and there is none.
    #[error("there is no {wanted} block in this file (found: {found})")]
    Missing {
        /// Label that was looked for.
        wanted: &'static str,
        /// Labels that are there.
        found: String,
    },
    /// There is more than one private key.
    #[error("line {line}: this is the second private key in the file, and only one is expected")]
    SecondKey {
        /// Line of the second key's BEGIN marker.
        line: usize,
    },
    /// The block holds a certificate that cannot be read.
    #[error("line {line}: the block that begins here is no good certificate: {problem}")]
    Certificate {
        /// Line of the block's BEGIN marker.
        line: usize,
        /// What is wrong with it.
        problem: CertificateError,
    },
    /// The block holds a private key that cannot be read.
    #[error("line {line}: the block that begins here is no good private key: {problem}")]
    PrivateKey {
        /// Line of the block's BEGIN marker.
        line: usize,
        /// What is wrong with it.
        problem: Pkcs8Error,
    },
}

impl PemError {
    /// The line of the block that it is about, counted from 1.
    pub const fn line(&self) -> Option<usize> {
        match self {
            Self::NoBlock | Self::TooLong { .. } | Self::Missing { .. } => None,
            Self::DamagedMarker { line }
            | Self::Unfinished { line, .. }
            | Self::Base64 { line, .. }
            | Self::Encrypted { line, .. }
            | Self::SecondKey { line }
            | Self::Certificate { line, .. }
            | Self::PrivateKey { line, .. } => Some(*line),
        }
    }
}

/// Every block in the input, in order; a damaged one is an error in its place.
///
/// # Errors
/// [`PemError::TooLong`] and [`PemError::NoBlock`] are about the whole input; errors about one block are in the
/// list.
pub fn blocks(input: &[u8]) -> Result<Vec<Result<Block, PemError>>, PemError> {
    if input.len() > MAX_PEM_LEN {
        return Err(PemError::TooLong { len: input.len() });
    }
    let mut found = Vec::new();
    let mut lines = input
        .split(|&byte| byte == b'\n')
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .peekable();
    while let Some((number, line)) = lines.next() {
        let Some(rest) = marker(line, BEGIN) else { continue };
        let Some(label) = rest.strip_suffix(DASHES).filter(|label| is_label(label)) else {
            found.push(Err(PemError::DamagedMarker { line: number }));
            continue;
        };
        let mut body = Vec::new();
        let mut encrypted = label.starts_with("ENCRYPTED ");
        let finished = loop {
            // Another BEGIN means that this block was cut off; it is left for the outer loop to read.
            match lines.peek() {
                None => break false,
                Some((_, line)) if marker(line, BEGIN).is_some() => break false,
                Some(&(_, line)) => {
                    lines.next();
                    if let Some(rest) = marker(line, END) {
                        break rest.strip_suffix(DASHES) == Some(label);
                    }
                    // Only the old "traditional" format has headers, and it has them for encryption.
                    encrypted |= line.contains(&b':');
                    body.push(line);
                }
            }
        };
        let label = label.to_owned();
        found.push(if !finished {
            Err(PemError::Unfinished { label, line: number })
        } else if encrypted {
            Err(PemError::Encrypted { label, line: number })
        } else {
            match STANDARD.decode(joined(&body).as_slice()) {
                Ok(der) => Ok(Block {
                    label,
                    der: Zeroizing::new(der),
                    line: number,
                }),
                Err(_) => Err(PemError::Base64 { label, line: number }),
            }
        });
    }
    if found.is_empty() {
        Err(PemError::NoBlock)
    } else {
        Ok(found)
    }
}

/// The lines without the white space in them, in a buffer that never grew: a growing one would leave copies of a key behind.
fn joined(lines: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len = lines.iter().map(|line| line.len()).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(len));
    for line in lines {
        text.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
    }
    text
}

/// Does this look like PEM rather than DER? What is DER to the end is no PEM, whatever stands in it: a certificate may well
/// have somebody else's, in PEM, in an extension.
#[must_use]
pub fn looks_like_pem(input: &[u8]) -> bool {
    let begins = input
        .windows(BEGIN.len())
        .any(|window| window == BEGIN.as_bytes());
    begins && !is_der(input)
}

/// Whether the bytes are SEQUENCEs one after the other, to the end.
fn is_der(input: &[u8]) -> bool {
    SliceReader::new(input).is_ok_and(|mut reader| {
        while !reader.is_finished() {
            if Tag::peek(&reader) != Ok(Tag::Sequence) || reader.tlv_bytes().is_err() {
                return false;
            }
        }
        true
    })
}

/// Every certificate in the input, in order; other kinds of block are passed over, and a certificate that cannot
/// be read is an error in its place.
///
/// # Errors
/// As [`blocks`]; and [`PemError::Missing`] when no block is (or could have been) a certificate.
pub fn certificates(input: &[u8]) -> Result<Vec<Result<Certificate, PemError>>, PemError> {
    let mut labels = Vec::new();
    let mut found = Vec::new();
    for block in blocks(input)? {
        match block {
            Ok(block) if block.label == CERTIFICATE || block.label == "X509 CERTIFICATE" => found.push(
                Certificate::from_der(&block.der).map_err(|problem| PemError::Certificate {
                    line: block.line,
                    problem,
                }),
            ),
            Ok(block) => labels.push(block.label),
            Err(error) => found.push(Err(error)),
        }
    }
    if found.is_empty() {
        return Err(PemError::Missing {
            wanted: CERTIFICATE,
            found: labels.join(", "),
        });
    }
    Ok(found)
}

/// The one private key in the input; certificates beside it are passed over.
///
/// # Errors
/// As [`blocks`]; [`PemError::Missing`] without a readable key block, [`PemError::SecondKey`] with two,
/// [`PemError::PrivateKey`] when the key itself is wrong. When there is no key and a block is damaged, that
/// block's error is given, since it may have been the key.
pub fn private_key(input: &[u8]) -> Result<PrivateKey, PemError> {
    let mut labels = Vec::new();
    let mut damaged = None;
    let mut key = None;
    for block in blocks(input)? {
        match block {
            Ok(block) if block.label == PRIVATE_KEY => {
                if key.is_some() {
                    return Err(PemError::SecondKey { line: block.line });
                }
                key =
                    Some(
                        PrivateKey::from_pkcs8_der(&block.der).map_err(|problem| PemError::PrivateKey {
                            line: block.line,
                            problem,
                        })?,
                    );
            }
            Ok(block) => labels.push(block.label),
            Err(error) => damaged = damaged.or(Some(error)),
        }
    }
    match (key, damaged) {
        (Some(key), _) => Ok(key),
        (None, Some(error)) => Err(error),
        (None, None) => Err(PemError::Missing {
            wanted: PRIVATE_KEY,
            found: labels.join(", "),
        }),
    }
}

/// The first certificate request in the input, as DER.
///
/// # Errors
/// As [`private_key`], for `CERTIFICATE REQUEST` blocks (and the older `NEW CERTIFICATE REQUEST`).
pub fn certificate_request(input: &[u8]) -> Result<Vec<u8>, PemError> {
    let mut labels = Vec::new();
    let mut damaged = None;
    for block in blocks(input)? {
        match block {
            Ok(block) if is_request(&block.label) => return Ok(block.der.to_vec()),
            Ok(block) => labels.push(block.label),
            Err(error) => damaged = damaged.or(Some(error)),
        }
    }
    Err(damaged.unwrap_or_else(|| PemError::Missing {
        wanted: CERTIFICATE_REQUEST,
        found: labels.join(", "),
    }))
}

/// Is this the label of a certificate request, in either of its spellings?
#[must_use]
pub fn is_request(label: &str) -> bool {
    label == CERTIFICATE_REQUEST || label == "NEW CERTIFICATE REQUEST"
}

/// Writes one block. The text is wiped when dropped, since it may be a private key.
#[must_use]
pub fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    // The whole size at once: a string that grew would leave copies of a key behind.
    let len = 2 * (BEGIN.len() + label.len() + DASHES.len() + 1) + body.len() + body.len().div_ceil(LINE);
    let mut text = Zeroizing::new(String::with_capacity(len));
    for part in [BEGIN, label, DASHES, "\n"] {
        text.push_str(part);
    }
    for (i, character) in body.chars().enumerate() {
        if i > 0 && i % LINE == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    if !body.is_empty() {
        text.push('\n');
    }
    for part in [END, label, DASHES, "\n"] {
        text.push_str(part);
    }
    text
}

/// Writes certificates one after the other, in the order given (leaf first, for a chain).
#[must_use]
pub fn encode_certificates<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> String {
    certificates
        .into_iter()
        .map(|certificate| encode(CERTIFICATE, certificate.der()).to_string())
        .collect()
}

/// Writes a private key as PKCS#8.
///
/// # Errors
/// [`Pkcs8Error`] when the key must not be stored (an ML-DSA key without its seed).
pub fn encode_private_key(key: &PrivateKey) -> Result<Zeroizing<String>, Pkcs8Error> {
    Ok(encode(PRIVATE_KEY, &key.to_pkcs8_der()?))
}

fn marker<'a>(line: &'a [u8], start: &str) -> Option<&'a str> {
    std::str::from_utf8(line).ok()?.trim_end().strip_prefix(start)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= LINE
        && label.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests;
