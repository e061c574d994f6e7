//! What a server answers in the clear: ServerHello and HelloRetryRequest, and up to TLS 1.2 the certificates, the key
//! exchange and the request for a client's certificate.

use super::codes::group_name;
use super::suites::{KeyExchange, key_exchange};

/// The most certificates of one chain.
const MAX_CHAIN: usize = 32;

/// SHA-256 of "HelloRetryRequest", the random of a ServerHello that asks for another hello (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Reads numbers and vectors, never beyond the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(crate) fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?.into();
        self.take(length)
    }

    pub(crate) fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?.into();
        self.take(length)
    }

    fn vector24(&mut self) -> Option<&'a [u8]> {
        let length = self.take(3)?;
        let length = length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        self.take(length)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A ServerHello.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServerHello {
    /// The code point of the version that was chosen.
    pub(crate) version: u16,
    pub(crate) suite: u16,
    /// It asks for another hello.
    pub(crate) retry: bool,
    /// The group that was chosen, in TLS 1.3.
    pub(crate) group: Option<u16>,
}

impl ServerHello {
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let legacy = cursor.u16()?;
        let random = cursor.take(32)?;
        cursor.vector8()?;
        let suite = cursor.u16()?;
        cursor.u8()?;
        let mut hello = Self {
            version: legacy,
            suite,
            retry: random == RETRY,
            group: None,
        };
        // Before TLS 1.2 a server may leave out the extensions altogether.
        let mut extensions = if cursor.is_empty() {
            cursor
        } else {
            Cursor::new(cursor.vector16()?)
        };
        while !extensions.is_empty() {
            let (kind, value) = (extensions.u16()?, extensions.vector16()?);
            let mut value = Cursor::new(value);
            match kind {
                43 => hello.version = value.u16()?,
                51 => hello.group = Some(value.u16()?),
                _ => {}
            }
        }
        Some(hello)
    }
}

/// The certificates of a Certificate message up to TLS 1.2, the server's own first.
pub(crate) fn chain(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = Cursor::new(Cursor::new(body).vector24()?);
    let mut chain = Vec::new();
    while !list.is_empty() && chain.len() < MAX_CHAIN {
        chain.push(list.vector24()?.to_vec());
    }
    Some(chain)
}

/// The key exchange of a ServerKeyExchange message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Exchange {
    /// The group's name: a curve's, a known field's, or that of a field of so many bits.
    pub(crate) group: String,
    /// Its code point, if it was chosen by one.
    pub(crate) code: Option<u16>,
    /// The scheme that signs it, in TLS 1.2.
    pub(crate) scheme: Option<u16>,
}

impl Exchange {
    /// Reads the message as the suite and the version say that it is.
    pub(crate) fn read(body: &[u8], suite: u16, version: u16) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let (exchange, signed) = key_exchange(suite);
        let (group, code) = match exchange {
            KeyExchange::Ecdhe => match cursor.u8()? {
                3 => {
                    let code = cursor.u16()?;
                    cursor.vector8()?;
                    (group_name(code), Some(code))
                }
                // A curve by its parameters (RFC 4492 §5.4), which nobody ever sent in earnest.
                _ => ("curve given by its parameters".to_owned(), None),
            },
            KeyExchange::Dhe => {
                let prime = cursor.vector16()?;
                cursor.vector16()?;
                cursor.vector16()?;
                (field_name(prime), None)
            }
            KeyExchange::Rsa => {
                // A short-lived RSA key, as export suites have it.
                let modulus = cursor.vector16()?;
                cursor.vector16()?;
                (format!("RSA-{}", bit_len(modulus)), None)
            }
            KeyExchange::Agreed | KeyExchange::Ecdh => return None,
        };
        let scheme = (version >= 0x0303 && signed).then(|| cursor.u16()).flatten();
        Some(Self { group, code, scheme })
    }
}

/// A field's name: RFC 7919's when it is one of its primes, else its size.
fn field_name(prime: &[u8]) -> String {
    let bits = bit_len(prime);
    // All primes of RFC 7919 have 64 ones at either end, and after the first the digits of e.
    const BEGINNING: [u8; 16] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xad, 0xf8, 0x54, 0x58, 0xa2, 0xbb, 0x4a, 0x9a,
    ];
    if prime.starts_with(&BEGINNING) && matches!(bits, 2048 | 3072 | 4096 | 6144 | 8192) {
        return format!("ffdhe{bits}");
    }
    format!("FFDHE-{bits}")
}

fn bit_len(number: &[u8]) -> usize {
    let number = number
        .iter()
        .position(|byte| *byte != 0)
        .and_then(|at| number.get(at..));
    number.map_or(0, |number| {
        let first = number.first().map_or(0, |byte| byte.leading_zeros());
        number.len() * 8 - usize::try_from(first).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(random: [u8; 32], extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend(random);
        body.extend([0, 0x13, 0x01, 0]);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        body
    }

    #[test]
    fn a_retry_names_version_and_group() {
        let extensions = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0x11, 0xec];
        let read = ServerHello::read(&hello(RETRY, &extensions)).unwrap();
        assert_eq!(
            read,
            ServerHello {
                version: 0x0304,
                suite: 0x1301,
                retry: true,
                group: Some(0x11ec)
            }
        );
        let digest = symbolon_crypto::digest::sha256(b"HelloRetryRequest");
        assert_eq!(digest, RETRY);
    }

    #[test]
    fn an_old_hello_has_no_extensions() {
        let mut body = vec![3, 1];
        body.extend([1; 32]);
        body.extend([0, 0x00, 0x2f, 0]);
        let read = ServerHello::read(&body).unwrap();
        assert_eq!((read.version, read.suite, read.retry), (0x0301, 0x002f, false));
        assert_eq!(ServerHello::read(&body[..36]), None);
    }

    #[test]
    fn exchanges_tell_group_and_scheme() {
        let curve = [&[3, 0x00, 0x1d, 2, 1, 1, 0x08, 0x04, 0, 1][..], &[0]].concat();
        let read = Exchange::read(&curve, 0xc02f, 0x0303).unwrap();
        assert_eq!(
            (read.group.as_str(), read.code, read.scheme),
            ("x25519", Some(0x1d), Some(0x0804))
        );
        let read = Exchange::read(&curve, 0xc013, 0x0301).unwrap();
        assert_eq!(read.scheme, None);

        let mut prime = vec![0xff; 128];
        prime[0] = 0x7f;
        let mut field = vec![0, 128];
        field.extend(&prime);
        field.extend([0, 1, 2, 0, 1, 3, 0x04, 0x01]);
        let read = Exchange::read(&field, 0x009e, 0x0303).unwrap();
        assert_eq!((read.group.as_str(), read.scheme), ("FFDHE-1023", Some(0x0401)));
        assert_eq!(Exchange::read(&field[..100], 0x009e, 0x0303), None);
    }

    #[test]
    fn chains_are_taken_apart() {
        let body = [0, 0, 9, 0, 0, 2, 1, 2, 0, 0, 1, 3];
        assert_eq!(chain(&body), Some(vec![vec![1, 2], vec![3]]));
        assert_eq!(chain(&body[..8]), None);
        assert_eq!(chain(&[0, 0, 0]), Some(vec![]));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
            suite in proptest::sample::select(vec![0x1301, 0xc02f, 0x009e, 0x002f, 0x0003, 0xc018]),
        ) {
            let _ = ServerHello::read(&bytes);
            let chain = chain(&bytes).unwrap_or_default();
            proptest::prop_assert!(chain.iter().map(Vec::len).sum::<usize>() <= bytes.len());
            let _ = Exchange::read(&bytes, suite, 0x0303);
        }

        #[test]
        fn a_hello_cut_off_is_no_hello(cut in 0_usize..49) {
            let whole = hello([5; 32], &[0, 43, 0, 2, 3, 4]);
            // Without its extensions it is whole again, as an old server's.
            proptest::prop_assume!(cut != 38);
            proptest::prop_assert_eq!(ServerHello::read(&whole[..cut.min(whole.len() - 1)]), None);
        }
    }
}
