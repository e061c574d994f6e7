//! DNS names that may stand in a certificate.

use crate::error::RequestError;

/// Most DNS names one certificate may carry: as many as a request may ask for, and few enough that the longest of them
/// make no certificate that verifiers are too careful to read
/// ([`MAX_CERTIFICATE_LEN`](symbolon_pki::certificate::MAX_CERTIFICATE_LEN)).
pub const MAX_DNS_NAMES: usize = symbolon_pki::csr::MAX_NAMES;

/// Longest DNS name, in bytes (RFC 1035, section 2.3.4, without the root's dot).
const MAX_NAME_LEN: usize = 253;

/// Longest label of a DNS name, in bytes.
const MAX_LABEL_LEN: usize = 63;

/// Checks one name as it may stand in a dNSName: preferred name syntax in lower case (RFC 5280, section 4.2.1.6),
/// internationalised names in their `xn--` form; the first label may be a lone `*`, as SPIRE allows.
///
/// # Errors
/// [`RequestError::DnsName`], saying what is wrong with the name.
pub fn check_dns_name(name: &str) -> Result<(), RequestError> {
    let wrong = |reason| {
        Err(RequestError::DnsName {
            name: name.chars().take(MAX_NAME_LEN).collect(),
            reason,
        })
    };
    if name.len() > MAX_NAME_LEN {
        return wrong("it is longer than 253 bytes");
    }
    let host = name.strip_prefix("*.").unwrap_or(name);
    for label in host.split('.') {
        if label.is_empty() {
            return wrong("it has an empty label");
        }
        if label.len() > MAX_LABEL_LEN {
            return wrong("it has a label longer than 63 bytes");
        }
        if !label
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        {
            return wrong("only lower-case letters, digits and hyphens make a label, and `*` the first one");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return wrong("a label begins or ends with a hyphen");
        }
    }
    Ok(())
}

/// Checks the DNS names of one certificate.
pub(crate) fn check_dns_names(names: &[String]) -> Result<(), RequestError> {
    if names.len() > MAX_DNS_NAMES {
        return Err(RequestError::TooManyDnsNames { found: names.len() });
    }
    for (position, name) in names.iter().enumerate() {
        check_dns_name(name)?;
        if names.iter().take(position).any(|earlier| earlier == name) {
            return Err(RequestError::RepeatedDnsName { name: name.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_be_certified() {
        for name in ["localhost", "a.b", "*.example.org", "xn--ls8h.com", "1.2-3.4"] {
            check_dns_name(name).unwrap();
        }
        check_dns_name("a.".repeat(127).strip_suffix('.').unwrap()).unwrap();
    }

    #[test]
    fn names_that_may_not() {
        let long_label = "a".repeat(64);
        let long_name = format!("{}a", "a.".repeat(127));
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "*",
            "*.",
            "a.*.b",
            "f*.b",
            "*.*.b",
            "A.b",
            "a_b",
            "-a",
            "a-",
            "a b",
            "💩.com",
            "a\0b",
            &long_label,
            &long_name,
        ] {
            assert!(check_dns_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_repeated_name_is_named() {
        let names = ["a.b", "c.d", "a.b"].map(str::to_owned);
        assert_eq!(
            check_dns_names(&names).unwrap_err().to_string(),
            "the DNS name \"a.b\" is asked for twice"
        );
    }
}
