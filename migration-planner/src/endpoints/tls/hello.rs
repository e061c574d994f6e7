//! The ClientHello (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2): valid, plain, and offering just what is probed.

use super::codes::Version;

/// What is offered.
#[derive(Clone, Debug)]
pub(crate) struct Hello<'a> {
    /// The newest version, and with TLS 1.3 the only one.
    pub(crate) version: Version,
    pub(crate) suites: &'a [u16],
    pub(crate) groups: &'a [u16],
    pub(crate) schemes: &'a [u16],
    /// Key shares by group; none asks a server of TLS 1.3 to say which group it wants (RFC 8446 §4.2.8).
    pub(crate) shares: &'a [(u16, Vec<u8>)],
    /// The name asked for.
    pub(crate) server_name: Option<&'a str>,
    pub(crate) random: [u8; 32],
    /// TLS 1.3 sends one so that boxes on the way take it for TLS 1.2.
    pub(crate) session: [u8; 32],
}

impl Hello<'_> {
    /// The record.
    pub(crate) fn record(&self) -> Vec<u8> {
        let mut message = self.message(0);
        // Some servers hang on hellos of 256 to 511 bytes (RFC 7685 §4).
        if let gap @ 1.. = 512_usize.saturating_sub(message.len())
            && message.len() > 255
            && self.version > Version::Ssl30
        {
            message = self.message(gap.max(4));
        }
        let record_version = if self.version == Version::Ssl30 {
            0x0300
        } else {
            0x0301
        };
        let mut record = vec![22];
        put16(&mut record, record_version);
        nested16(&mut record, |record| record.extend(message));
        record
    }

    /// The message, with so many bytes of padding as an extension.
    fn message(&self, padding: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(512);
        put16(&mut body, self.version.min(Version::Tls12).code());
        body.extend(self.random);
        if self.version == Version::Tls13 {
            body.push(32);
            body.extend(self.session);
        } else {
            body.push(0);
        }
        nested16(&mut body, |body| {
            for suite in self.suites {
                put16(body, *suite);
            }
        });
        body.extend([1, 0]); // no compression
        if self.version > Version::Ssl30 {
            nested16(&mut body, |body| self.extensions(body, padding));
        }
        let mut message = vec![1];
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        message.extend(length.get(1..).unwrap_or_default());
        message.extend(body);
        message
    }

    fn extensions(&self, out: &mut Vec<u8>, padding: usize) {
        if let Some(name) = self.server_name {
            extension(out, 0, |out| {
                nested16(out, |out| {
                    out.push(0);
                    nested16(out, |out| out.extend(name.as_bytes()));
                });
            });
        }
        if !self.groups.is_empty() {
            extension(out, 10, |out| list16(out, self.groups));
        }
        if !self.schemes.is_empty() {
            extension(out, 13, |out| list16(out, self.schemes));
        }
        if self.version == Version::Tls13 {
            extension(out, 43, |out| {
                out.push(2);
                put16(out, Version::Tls13.code());
            });
            extension(out, 51, |out| {
                nested16(out, |out| {
                    for (group, share) in self.shares {
                        put16(out, *group);
                        nested16(out, |out| out.extend(share));
                    }
                });
            });
        } else {
            extension(out, 11, |out| out.extend([1, 0])); // uncompressed points
            extension(out, 23, |_| {}); // extended master secret (RFC 7627)
            extension(out, 0xff01, |out| out.push(0)); // secure renegotiation (RFC 5746)
        }
        if padding >= 4 {
            extension(out, 21, |out| out.resize(out.len() + padding - 4, 0));
        }
    }
}

fn put16(out: &mut Vec<u8>, number: u16) {
    out.extend(number.to_be_bytes());
}

/// What `fill` writes, after its length in two bytes.
fn nested16(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0, 0]);
    fill(out);
    let length = u16::try_from(out.len() - at - 2)
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&length);
    }
}

fn list16(out: &mut Vec<u8>, numbers: &[u16]) {
    nested16(out, |out| {
        for number in numbers {
            put16(out, *number);
        }
    });
}

fn extension(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    put16(out, kind);
    nested16(out, fill);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::tls::codes::{groups_of, schemes_of};
    use crate::endpoints::tls::suites::offered;

    /// A hello with everything that a version has, taken apart by rustls as a server would.
    fn accepted(version: Version, shares: &[(u16, Vec<u8>)]) -> rustls::server::Accepted {
        let groups: Vec<u16> = groups_of(version).map(|group| group.code).collect();
        let record = Hello {
            version,
            suites: &offered(version),
            groups: &groups,
            schemes: &schemes_of(version),
            shares,
            server_name: Some("example.org"),
            random: [7; 32],
            session: [8; 32],
        }
        .record();
        let mut acceptor = rustls::server::Acceptor::default();
        acceptor.read_tls(&mut record.as_slice()).unwrap();
        acceptor.accept().unwrap().unwrap()
    }

    #[test]
    fn another_implementation_reads_what_was_written() {
        for version in [Version::Tls12, Version::Tls13] {
            let accepted = accepted(version, &[]);
            let hello = accepted.client_hello();
            assert_eq!(hello.server_name(), Some("example.org"));
            let suites: Vec<u16> = hello
                .cipher_suites()
                .iter()
                .map(|suite| u16::from(*suite))
                .collect();
            assert_eq!(suites, offered(version));
            let groups: Vec<u16> = hello
                .named_groups()
                .unwrap()
                .iter()
                .map(|group| u16::from(*group))
                .collect();
            assert_eq!(
                groups,
                groups_of(version).map(|group| group.code).collect::<Vec<_>>()
            );
            let schemes: Vec<u16> = hello
                .signature_schemes()
                .iter()
                .map(|scheme| u16::from(*scheme))
                .collect();
            // rustls drops what its versions cannot sign with.
            assert!(!schemes.is_empty() && schemes.iter().all(|scheme| schemes_of(version).contains(scheme)));
        }
    }

    #[test]
    fn lengths_are_never_those_that_servers_hang_on() {
        for count in 1..200 {
            let suites = vec![0x1301; count];
            let record = Hello {
                version: Version::Tls12,
                suites: &suites,
                groups: &[0x1d],
                schemes: &[0x0403],
                shares: &[],
                server_name: None,
                random: [0; 32],
                session: [0; 32],
            }
            .record();
            let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
            assert_eq!(length, record.len() - 5);
            assert!(!(256..512).contains(&length), "{count} suites: {length}");
        }
    }

    #[test]
    fn the_oldest_version_has_no_extensions() {
        let hello = Hello {
            version: Version::Ssl30,
            suites: &[0x000a],
            groups: &[0x1d],
            schemes: &[],
            shares: &[],
            server_name: Some("example.org"),
            random: [0; 32],
            session: [0; 32],
        };
        let record = hello.record();
        assert_eq!(&record[..3], [22, 3, 0]);
        // Type, length, version, random, no session, one suite, no compression.
        assert_eq!(record.len(), 5 + 4 + 2 + 32 + 1 + 4 + 2);
    }

    #[test]
    fn shares_are_offered_as_they_are() {
        let shares = [(0x001d, vec![9; 32])];
        let accepted = accepted(Version::Tls13, &shares);
        assert!(accepted.client_hello().named_groups().is_some());
    }
}
