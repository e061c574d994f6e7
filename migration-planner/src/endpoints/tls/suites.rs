//! Cipher suites as they are probed: which can be offered in a version, and how each comes to its key.

use super::codes::Version;
use crate::algorithm::suite::{self, Since};

/// How the key of a suite comes about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyExchange {
    /// As a group says: TLS 1.3. Also of suites that nobody here knows.
    Agreed,
    /// The client encrypts it to the server's RSA key.
    Rsa,
    /// Ephemeral Diffie-Hellman; the server says in which field.
    Dhe,
    /// Ephemeral Diffie-Hellman on a curve.
    Ecdhe,
    /// With the curve key of the certificate.
    Ecdh,
}

/// How the key of a suite comes about, and whether the server signs its half.
pub(crate) fn key_exchange(code: u16) -> (KeyExchange, bool) {
    let Some(parts) = suite::by_code(code).and_then(suite::Suite::parts) else {
        return (KeyExchange::Agreed, false);
    };
    let exchange = match parts.exchange {
        "RSA" => KeyExchange::Rsa,
        "DHE" => KeyExchange::Dhe,
        "ECDHE" => KeyExchange::Ecdhe,
        "ECDH" => KeyExchange::Ecdh,
        _ => KeyExchange::Agreed,
    };
    let ephemeral = matches!(exchange, KeyExchange::Dhe | KeyExchange::Ecdhe);
    (exchange, ephemeral && parts.authentication != "anon")
}

/// Whether a suite needs a certificate with an ECDSA key, or one of EdDSA.
pub(crate) fn is_ecdsa(code: u16) -> bool {
    let parts = suite::by_code(code).and_then(suite::Suite::parts);
    parts.is_some_and(|parts| parts.authentication == "ECDSA")
}

/// The suites that can be offered in a version: all that are known, but for those that need a key or a password
/// agreed before (PSK, SRP).
pub(crate) fn offered(version: Version) -> Vec<u16> {
    let newest = |since: Since| match version {
        Version::Tls13 => since == Since::Tls13,
        Version::Tls12 => since <= Since::Tls12,
        Version::Tls11 | Version::Tls10 => since <= Since::Tls1,
        Version::Ssl30 => since == Since::Ssl3,
    };
    let agreed_before = |suite: &suite::Suite| {
        suite.parts().is_some_and(|parts| {
            parts.exchange.contains("PSK") || parts.exchange == "SRP" || parts.authentication == "PSK"
        })
    };
    suite::all()
        .iter()
        .filter(|suite| newest(suite.since()) && !agreed_before(suite))
        .map(|suite| suite.code)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{Primitive, alias};

    #[test]
    fn every_algorithm_of_every_offered_suite_is_known() {
        for code in Version::ALL.into_iter().flat_map(offered) {
            let suite = suite::by_code(code).unwrap().cipher_suite();
            assert!(!suite.algorithms.is_empty(), "{}", suite.name);
            for name in &suite.algorithms {
                let algorithm = alias::resolve(name).unwrap_or_else(|| panic!("{name} in {}", suite.name));
                assert_ne!(algorithm.primitive, Primitive::Unknown, "{name}");
            }
        }
    }

    #[test]
    fn versions_offer_what_is_theirs() {
        let codes = |version| offered(version);
        assert!(codes(Version::Tls13).contains(&0x1301) && !codes(Version::Tls13).contains(&0xc02f));
        assert!(codes(Version::Tls12).contains(&0xc02f) && codes(Version::Tls12).contains(&0x0005));
        assert!(codes(Version::Tls10).contains(&0x002f) && !codes(Version::Tls10).contains(&0xc02f));
        // PSK with AES, SRP.
        assert!(!codes(Version::Tls12).contains(&0x008c) && !codes(Version::Tls12).contains(&0xc01d));
        for version in Version::ALL {
            let mut codes = codes(version);
            codes.sort_unstable();
            codes.dedup();
            assert_eq!(codes.len(), offered(version).len());
        }
    }

    #[test]
    fn exchanges_follow_from_the_name() {
        assert!(is_ecdsa(0xc02b) && !is_ecdsa(0xc02f) && !is_ecdsa(0x1301) && !is_ecdsa(0xffff));
        assert_eq!(key_exchange(0x1301), (KeyExchange::Agreed, false));
        assert_eq!(key_exchange(0xc02f), (KeyExchange::Ecdhe, true));
        assert_eq!(key_exchange(0x009e), (KeyExchange::Dhe, true));
        assert_eq!(key_exchange(0x0034), (KeyExchange::Dhe, false));
        assert_eq!(key_exchange(0x002f), (KeyExchange::Rsa, false));
        assert_eq!(key_exchange(0xffff), (KeyExchange::Agreed, false));
    }
}
