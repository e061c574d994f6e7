//! TLS cipher suites: IANA's name, OpenSSL's name and the code point of each, and what a suite is made of.
//!
//! What a suite is made of is read from IANA's name, which says it all; so a suite that is not in the table but is
//! named by IANA's rules is understood too.

use super::curve;
use crate::inventory::CipherSuite;

mod table;

/// A cipher suite that has a code point.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Suite {
    /// The code point.
    pub code: u16,
    /// IANA's name, such as `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`, without its `TLS_`.
    short: &'static str,
    /// OpenSSL's name, such as `ECDHE-RSA-AES128-GCM-SHA256`.
    pub openssl: &'static str,
    /// Whether OpenSSL 3 has it unless it is built to have weak ciphers as well.
    pub(crate) usual: bool,
}

/// The first version of TLS that has a suite.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Since {
    /// SSL 3.0 and TLS 1.0 to 1.2.
    Ssl3,
    /// TLS 1.0 to 1.2: what OpenSSL does not offer in SSL 3.0.
    Tls1,
    /// TLS 1.2 alone.
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

/// What a suite is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parts<'a> {
    /// How keys are exchanged, as in the name: `ECDHE`, `RSA`, `DHE_PSK`; empty in TLS 1.3, which leaves it open.
    pub exchange: &'a str,
    /// Who is shown to be there, as in the name: `RSA`, `ECDSA`, `DSS`, `PSK`, `anon`, `SRP`; empty in TLS 1.3.
    pub authentication: &'a str,
    /// The cipher, as in the name: `AES_256_GCM`, `3DES_EDE_CBC`.
    pub cipher: &'a str,
    /// The hash, as in the name: `SHA384`; empty where the name has none.
    pub hash: &'a str,
    /// Whether the suite was made weak for export.
    pub export: bool,
}

/// The suite of this code point.
#[must_use]
pub fn by_code(code: u16) -> Option<&'static Suite> {
    table::ROWS.iter().find(|suite| suite.code == code)
}

/// The suite that goes by this name with IANA, OpenSSL or the JDK (which writes `SSL_` before old ones).
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Suite> {
    let short = name
        .get(..4)
        .filter(|prefix| prefix.eq_ignore_ascii_case("TLS_") || prefix.eq_ignore_ascii_case("SSL_"))
        .and_then(|_| name.get(4..));
    if name.is_empty() || short.is_some_and(str::is_empty) {
        return None;
    }
    table::ROWS
        .iter()
        .chain(table::OTHER_NAMES)
        .find(|suite| match short {
            Some(short) => suite.short.eq_ignore_ascii_case(short),
            None => suite.openssl.eq_ignore_ascii_case(name),
        })
        .and_then(|suite| by_code(suite.code))
}

/// Every suite that OpenSSL has or had, in its own order of preference.
#[must_use]
pub(crate) fn all() -> &'static [Suite] {
    table::ROWS
}

/// A suite as an inventory has it, by any of its names. One that nobody knows has its own name for its only
/// algorithm, so that it is inventoried as unknown.
#[must_use]
pub fn described(name: &str) -> CipherSuite {
    if let Some(suite) = by_name(name) {
        return suite.cipher_suite();
    }
    let parts = name
        .strip_prefix("TLS_")
        .or_else(|| name.strip_prefix("SSL_"))
        .and_then(Parts::read);
    CipherSuite {
        name: name.to_owned(),
        algorithms: parts.map_or_else(|| vec![name.to_owned()], |parts| parts.algorithms()),
        identifiers: Vec::new(),
    }
}

impl Suite {
    /// IANA's name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("TLS_{}", self.short)
    }

    /// What it is made of.
    #[must_use]
    pub fn parts(&self) -> Option<Parts<'static>> {
        Parts::read(self.short)
    }

    /// The first version that has it.
    #[must_use]
    pub fn since(&self) -> Since {
        let Some(parts) = self.parts() else {
            return Since::Ssl3;
        };
        if parts.exchange.is_empty() {
            return Since::Tls13;
        }
        let modern = ["GCM", "CCM", "CHACHA20"]
            .iter()
            .any(|mode| parts.cipher.contains(mode));
        let psk = parts.exchange.contains("PSK");
        let long_hash = matches!(parts.hash, "SHA256" | "SHA384");
        let elliptic = parts.exchange.starts_with("ECDH");
        match () {
            () if modern || (long_hash && !psk) => Since::Tls12,
            () if elliptic || long_hash => Since::Tls1,
            () => Since::Ssl3,
        }
    }

    /// The suite as an inventory has it.
    #[must_use]
    pub fn cipher_suite(&self) -> CipherSuite {
        let [high, low] = self.code.to_be_bytes();
        CipherSuite {
            name: self.name(),
            algorithms: self.parts().map(|parts| parts.algorithms()).unwrap_or_default(),
            identifiers: vec![format!("0x{high:02X}"), format!("0x{low:02X}")],
        }
    }
}

impl<'a> Parts<'a> {
    /// Reads IANA's name without its `TLS_`. `None` when it is none.
    fn read(short: &'a str) -> Option<Self> {
        let (keys, rest) = match short.split_once("_WITH_") {
            Some((keys, rest)) => (keys, rest),
            None => ("", short),
        };
        let (keys, export) = match keys.strip_suffix("_EXPORT") {
            Some(keys) => (keys, true),
            None => (keys, false),
        };
        let (cipher, hash) = match rest.rsplit_once('_') {
            Some((cipher, hash)) if hash.starts_with("SHA") || matches!(hash, "MD5" | "SM3") => {
                (cipher, hash)
            }
            _ => (rest, ""),
        };
        // Without a key exchange only the handful of TLS 1.3 has a meaning.
        if keys.is_empty() && hash.is_empty() || cipher.is_empty() || keys.len() > 32 {
            return None;
        }
        let (exchange, authentication) = match keys {
            "" => ("", ""),
            "RSA" => ("RSA", "RSA"),
            "PSK" => ("PSK", "PSK"),
            "RSA_PSK" => ("RSA_PSK", "RSA"),
            "PSK_DHE" => ("DHE_PSK", "PSK"),
            "DHE_PSK" | "ECDHE_PSK" => (keys, "PSK"),
            "SRP_SHA" => ("SRP", "SRP"),
            "SRP_SHA_RSA" => ("SRP", "RSA"),
            "SRP_SHA_DSS" => ("SRP", "DSS"),
            "DH_anon" => ("DHE", "anon"),
            "ECDH_anon" => ("ECDHE", "anon"),
            _ => keys.rsplit_once('_').unwrap_or((keys, keys)),
        };
        Some(Self {
            exchange,
            authentication,
            cipher,
            hash,
            export,
        })
    }

    /// Canonical names of what it is made of: key exchange, authentication, cipher, hash or MAC.
    #[must_use]
    pub fn algorithms(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let exchange = match self.exchange {
            "RSA" | "RSA_PSK" => "RSAES-PKCS1",
            "ECDHE" | "ECDHE_PSK" => "ECDHE",
            "ECDH" => "ECDH",
            "DHE" | "DHE_PSK" => "FFDHE",
            "DH" => "FFDH",
            "" | "PSK" => "",
            other => other,
        };
        let authentication = match (self.authentication, self.exchange) {
            // The server shows its key by decrypting.
            ("RSA", "RSA" | "RSA_PSK") | ("anon" | "PSK" | "SRP" | "", _) => "",
            ("DSS", _) => "DSA",
            (other, _) => other,
        };
        names.extend([exchange, authentication].map(str::to_owned));
        let (cipher, has_mac) = cipher(self.cipher, self.export);
        names.push(cipher);
        let hash = match self.hash {
            "SHA" => "SHA-1",
            "SHA256" => "SHA-256",
            "SHA384" => "SHA-384",
            // RFC 6655 leaves it out: the pseudo-random function's hash is the version's.
            "" if self.cipher.contains("CCM") => "SHA-256",
            other => other,
        };
        names.push(match has_mac || hash.is_empty() {
            true => hash.to_owned(),
            false => format!("HMAC-{hash}"),
        });
        names.retain(|name| !name.is_empty());
        names.dedup();
        names
    }
}

/// The canonical name of a cipher in IANA's notation, and whether it authenticates by itself.
fn cipher(name: &str, export: bool) -> (String, bool) {
    let fixed = match name {
        "3DES_EDE_CBC" => "3DES-168-CBC",
        "DES_CBC" => "DES-56-CBC",
        "DES40_CBC" => "DES-40-CBC",
        "DES_CBC_40" => "DES-40-CBC",
        "RC4_40" => "RC4-40",
        "RC4_56" => "RC4-56",
        "RC4_128" => "RC4-128",
        "RC2_CBC_40" => "RC2-40-CBC",
        "IDEA_CBC" => "IDEA-128-CBC",
        "SEED_CBC" => "SEED-128-CBC",
        "NULL" => "NULL",
        "CHACHA20_POLY1305" => "ChaCha20-Poly1305",
        "28147_CNT" | "28147_CNT_IMIT" => "GOST28147-CNT",
        "SM4_GCM" => "SM4-128-GCM",
        "SM4_CCM" => "SM4-128-CCM",
        _ => "",
    };
    let aead = ["GCM", "CCM", "POLY1305"].iter().any(|mode| name.contains(mode));
    if !fixed.is_empty() {
        return (fixed.to_owned(), aead);
    }
    let text = name.trim_end_matches("_8").replace('_', "-");
    let name = super::alias::resolve(&text).map_or(text, |algorithm| algorithm.name);
    (if export { format!("{name}-40") } else { name }, aead)
}

/// Whether a curve or group of this name can be used in TLS 1.2 and before: post-quantum and hybrid ones cannot.
#[must_use]
pub(crate) fn group_before_tls13(name: &str) -> bool {
    curve::by_name(name).is_some()
        || super::alias::resolve(name).is_none_or(|algorithm| algorithm.quantum != super::Quantum::Resistant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{Algorithm, Primitive};

    fn algorithms(name: &str) -> Vec<String> {
        described(name).algorithms
    }

    #[test]
    fn names_and_code_points_lead_to_one_suite() {
        let suite = by_code(0xc030).unwrap();
        assert_eq!(by_name("ECDHE-RSA-AES256-GCM-SHA384"), Some(suite));
        assert_eq!(by_name("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"), Some(suite));
        assert_eq!(suite.cipher_suite().identifiers, ["0xC0", "0x30"]);
        assert_eq!(by_name("SSL_RSA_WITH_RC4_128_MD5").unwrap().openssl, "RC4-MD5");
        assert_eq!(by_name("EDH-RSA-DES-CBC3-SHA").unwrap().code, 0x0016);
        assert_eq!(by_name("TLS_NOTHING"), None);
        for nothing in ["", "TLS_", "SSL_"] {
            assert_eq!(by_name(nothing), None);
        }
        assert_eq!(by_name("é"), None);
    }

    #[test]
    fn every_row_is_made_of_algorithms_that_are_known_and_stands_once() {
        let mut codes = std::collections::BTreeSet::new();
        for suite in all() {
            assert!(codes.insert(suite.code), "{suite:?} twice");
            let described = suite.cipher_suite();
            assert!(!described.algorithms.is_empty(), "{suite:?}");
            for name in described.algorithms {
                assert_ne!(
                    Algorithm::named(&name).primitive,
                    Primitive::Unknown,
                    "{name} of {suite:?}"
                );
            }
        }
        for other in table::OTHER_NAMES {
            assert!(by_code(other.code).is_some(), "{other:?}");
        }
    }

    #[test]
    fn a_name_says_what_a_suite_is_made_of() {
        assert_eq!(
            algorithms("ECDHE-ECDSA-AES256-SHA384"),
            ["ECDHE", "ECDSA", "AES-256-CBC", "HMAC-SHA-384"]
        );
        assert_eq!(
            algorithms("AES128-GCM-SHA256"),
            ["RSAES-PKCS1", "AES-128-GCM", "SHA-256"]
        );
        assert_eq!(algorithms("TLS_AES_256_GCM_SHA384"), ["AES-256-GCM", "SHA-384"]);
        assert_eq!(
            algorithms("DHE-RSA-CHACHA20-POLY1305"),
            ["FFDHE", "RSA", "ChaCha20-Poly1305", "SHA-256"]
        );
        assert_eq!(
            algorithms("DES-CBC3-SHA"),
            ["RSAES-PKCS1", "3DES-168-CBC", "HMAC-SHA-1"]
        );
        assert_eq!(algorithms("PSK-AES128-CCM8"), ["AES-128-CCM", "SHA-256"]);
        // Named by the rules but without a row.
        assert_eq!(
            algorithms("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA999")
                .first()
                .map(String::as_str),
            Some("ECDHE")
        );
        assert_eq!(algorithms("FROBNICATE-9000"), ["FROBNICATE-9000"]);
    }

    #[test]
    fn versions_are_openssls() {
        for (name, since) in [
            ("TLS_AES_128_GCM_SHA256", Since::Tls13),
            ("AES128-SHA256", Since::Tls12),
            ("ECDHE-RSA-AES128-SHA", Since::Tls1),
            ("PSK-AES256-CBC-SHA384", Since::Tls1),
            ("AES128-SHA", Since::Ssl3),
        ] {
            assert_eq!(by_name(name).unwrap().since(), since, "{name}");
        }
    }

    #[test]
    fn hybrid_groups_begin_with_tls_1_3() {
        assert!(!group_before_tls13("X25519MLKEM768"));
        assert!(group_before_tls13("prime256v1"));
        assert!(group_before_tls13("X25519"));
        assert!(group_before_tls13("whatever"));
    }
}
