//! Which endpoint a target names: one host, one port, nothing that would have to be searched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a target is no endpoint that can be contacted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// No `scheme://` at the beginning, or a scheme that is none of ours.
    #[error(
        "no scanner here contacts {0:?}; write for example tls://example.org:443 or ssh://example.org:22"
    )]
    Scheme(String),
    /// The host is not there or cannot be one.
    #[error(
        "{0:?} names no host; write for example tls://example.org:443 or, with an IPv6 address in brackets, \
         tls://[2001:db8::1]:443"
    )]
    Host(String),
    /// The port is no number from 1 to 65535.
    #[error("the port {0:?} is no number from 1 to 65535")]
    Port(String),
    /// A name or a password stands before the host.
    #[error("a user has no place in an endpoint: nobody logs in; leave out what stands before the @")]
    User,
    /// A network, a range, a list or a pattern: nothing is contacted that was not named.
    #[error(
        "{0:?} is more than one endpoint; nothing is searched for, so name each endpoint as a target of its own"
    )]
    Sweep(String),
    /// Something after the `?` that means nothing here.
    #[error(
        "{0:?} means nothing here; the one option is ?servername=NAME, the name that is asked for by SNI"
    )]
    Option(String),
}

/// One endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What is asked for by SNI: a name, never an address.
    pub(crate) server_name: Option<String>,
}

impl Address {
    /// Reads `scheme://host[:port][/…][?servername=NAME]`; an IPv6 address stands in brackets.
    pub(crate) fn parse(uri: &str, default_port: u16) -> Result<Self, TargetError> {
        // What stands before the sign may be a password, and is not repeated.
        if uri.contains('@') && !uri.contains("://") {
            return Err(TargetError::User);
        }
        let (_, rest) = uri
            .split_once("://")
            .ok_or_else(|| TargetError::Scheme(shortened(uri)))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_end_matches('/');
        if authority.contains('@') {
            return Err(TargetError::User);
        }
        let (host, port) = split_port(authority)?;
        if is_several(authority) || is_prefix_length(host, path) {
            return Err(TargetError::Sweep(shortened(rest)));
        }
        let bracketed = authority.starts_with('[');
        if !is_host(host) || bracketed != host.contains(':') {
            return Err(TargetError::Host(shortened(authority)));
        }
        let port = match port {
            None | Some("") => default_port,
            Some(port) => match port.parse::<u16>() {
                Ok(number @ 1..) if is_number(port) => number,
                _ => return Err(TargetError::Port(shortened(port))),
            },
        };
        let host = host.to_ascii_lowercase();
        let server_name = match query.split_once('=') {
            None if query.is_empty() => is_name(&host).then(|| host.trim_end_matches('.').to_owned()),
            Some(("servername", name)) if is_name(name) => Some(name.to_ascii_lowercase()),
            _ => return Err(TargetError::Option(shortened(query))),
        };
        Ok(Self {
            host,
            port,
            server_name,
        })
    }

    /// The host as an address, if it is one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `host:port`, with an IPv6 address in brackets.
    pub(crate) fn authority(&self) -> String {
        match self.ip() {
            Some(IpAddr::V6(ip)) => format!("[{ip}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Who can reach an address: `local`, `internal` or `internet`.
pub(crate) fn exposure(ip: IpAddr) -> &'static str {
    let (local, internal) = match ip {
        IpAddr::V4(ip) => (ip.is_loopback(), is_internal(ip)),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => (ip.is_loopback(), is_internal(ip)),
            None => (ip.is_loopback(), is_internal_6(ip)),
        },
    };
    match (local, internal) {
        (true, _) => "local",
        (_, true) => "internal",
        _ => "internet",
    }
}

/// RFC 1918, link-local, and the addresses between a provider and its customers (RFC 6598).
fn is_internal(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    ip.is_private() || ip.is_link_local() || (first == 100 && (64..128).contains(&second))
}

fn is_internal_6(ip: Ipv6Addr) -> bool {
    ip.is_unique_local() || ip.is_unicast_link_local()
}

/// The host without brackets, and what stands after its colon.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), TargetError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest
            .split_once(']')
            .ok_or_else(|| TargetError::Host(shortened(authority)))?;
        return match after.strip_prefix(':') {
            None if after.is_empty() => Ok((host, None)),
            Some(port) => Ok((host, Some(port))),
            None => Err(TargetError::Host(shortened(authority))),
        };
    }
    // More than one colon and no brackets: an IPv6 address without a port.
    match authority.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Ok((authority, None)),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

/// Lists, patterns, ranges of ports and of addresses.
fn is_several(authority: &str) -> bool {
    if authority.contains([',', ';', '*', ' ', '{']) {
        return true;
    }
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let is_range = |text: &str| {
        text.split_once('-')
            .is_some_and(|(from, to)| is_number(from) && is_number(to))
    };
    // 10.0.0.1-20, 10.0.1-3.7, 10.0.0.1-10.0.0.9: a name has letters.
    let numeric = host
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
    is_range(port) || (numeric && host.contains('-'))
}

/// The `/24` of a network, perhaps with a port behind it.
fn is_prefix_length(host: &str, path: &str) -> bool {
    let length = path.split(':').next().unwrap_or_default();
    host.parse::<IpAddr>().is_ok() && is_number(length)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `0x7f000001`: resolvers take it for an address.
fn is_hex_number(text: &str) -> bool {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_host(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || is_name(host)
}

/// A DNS name as SNI has it: letters, digits, dashes, underscores, dots, and not only numbers.
fn is_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= 253
        && name.split('.').all(label)
        && name.parse::<IpAddr>().is_err()
        && !name
            .rsplit('.')
            .next()
            .is_some_and(|last| is_number(last) || is_hex_number(last))
}

fn shortened(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(80)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(uri: &str) -> Address {
        Address::parse(uri, 443).unwrap()
    }

    #[test]
    fn one_endpoint() {
        let plain = parsed("tls://Example.org");
        assert_eq!((plain.host.as_str(), plain.port), ("example.org", 443));
        assert_eq!(plain.server_name.as_deref(), Some("example.org"));
        assert_eq!(
            parsed("https://example.org:8443/some/page").authority(),
            "example.org:8443"
        );
        let local = parsed("tls://127.0.0.1:4433?servername=a.example");
        assert_eq!(
            (local.port, local.server_name.as_deref()),
            (4433, Some("a.example"))
        );
        assert_eq!(parsed("tls://127.0.0.1").server_name, None);
        assert_eq!(parsed("tls://[::1]:8443").authority(), "[::1]:8443");
        assert_eq!(parsed("tls://web-1-2.example:443").host, "web-1-2.example");
    }

    #[test]
    fn what_would_have_to_be_searched_is_refused() {
        for uri in [
            "tls://10.0.0.0/24",
            "tls://10.0.0.1-20:443",
            "tls://10.0.0.1-10.0.0.9",
            "tls://*.example.org",
            "tls://example.org:1-1024",
            "tls://example.org:443,8443",
            "tls://a.example,b.example",
            "tls://10.0.*.1",
            "ssh://2001:db8::/64",
            "tls://[2001:db8::]/64",
            "tls://10.0.0.0/8/",
            "tls://10.0.0.0:443/8",
            "tls://10.0.0.0/8:443",
        ] {
            let error = Address::parse(uri, 443).unwrap_err();
            assert!(matches!(error, TargetError::Sweep(_)), "{uri}: {error}");
            assert!(error.to_string().contains("name each endpoint"));
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_the_reason() {
        let error = |uri| Address::parse(uri, 443).unwrap_err();
        assert!(matches!(error("example.org"), TargetError::Scheme(_)));
        assert!(matches!(error("tls://"), TargetError::Host(_)));
        assert!(matches!(error("tls://exa$mple"), TargetError::Host(_)));
        assert!(matches!(error("tls://[::1"), TargetError::Host(_)));
        // Is the end of it a port?
        assert!(matches!(error("tls://2001:db8::1:443"), TargetError::Host(_)));
        assert!(error("tls://2001:db8::1").to_string().contains("in brackets"));
        for odd in [
            "tls://[example.org]",
            "tls://[192.0.2.1]:443",
            "tls://[fe80::1%eth0]:443",
            "tls://[fe80::1%25eth0]",
            "tls://127.0.0.1%2f8",
            "tls://0x7f000001",
            "tls://127.1",
            "tls://exam%70le.org",
            "tls:///path",
        ] {
            assert!(
                matches!(error(odd), TargetError::Host(_)),
                "{odd}: {:?}",
                error(odd)
            );
        }
        assert!(matches!(error("tls://a%40b@c"), TargetError::User));
        assert!(matches!(error("tls://256.1.1.1"), TargetError::Host(_)));
        assert!(matches!(error("tls://example.org:0"), TargetError::Port(_)));
        assert!(matches!(error("tls://example.org:65536"), TargetError::Port(_)));
        assert!(matches!(error("tls://example.org:+80"), TargetError::Port(_)));
        assert!(matches!(error("tls://example.org?sni=x"), TargetError::Option(_)));
        // A password is not repeated.
        let refused = error("ssh://root:sesame@example.org");
        assert!(!refused.to_string().contains("sesame"), "{refused}");
    }

    #[test]
    fn exposure_follows_the_address() {
        for (ip, who) in [
            ("127.0.0.1", "local"),
            ("::1", "local"),
            ("::ffff:127.0.0.1", "local"),
            ("10.1.2.3", "internal"),
            ("172.31.0.1", "internal"),
            ("192.168.1.1", "internal"),
            ("169.254.1.1", "internal"),
            ("100.64.0.1", "internal"),
            ("fd00::1", "internal"),
            ("fe80::1", "internal"),
            ("::ffff:10.0.0.1", "internal"),
            ("100.128.0.1", "internet"),
            ("8.8.8.8", "internet"),
            ("2606:4700::1", "internet"),
        ] {
            assert_eq!(exposure(ip.parse().unwrap()), who, "{ip}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_one_endpoint_or_an_error(text in "\\PC{0,60}") {
            if let Ok(address) = Address::parse(&format!("tls://{text}"), 443) {
                let again = Address::parse(&format!("tls://{}", address.authority()), 443);
                proptest::prop_assert_eq!(again.map(|again| (again.host, again.port)).ok(), Some((address.host, address.port)));
            }
        }
    }
}
