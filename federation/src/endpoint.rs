//! Where a bundle is, and how the place proves itself.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use rustls_pki_types::ServerName;
use spiffe::SpiffeId;

/// Longest URL of an endpoint, in bytes.
pub const MAX_URL_LEN: usize = 2048;

/// The port of HTTPS where the URL names none.
const HTTPS_PORT: u16 = 443;

/// A bundle endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Where it is.
    pub url: EndpointUrl,
    /// How it proves itself.
    pub profile: EndpointProfile,
}

/// How an endpoint proves itself (SPIFFE Federation, section 5.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EndpointProfile {
    /// By a certificate of the web's authorities for the host in the URL.
    HttpsWeb,
    /// By an SVID.
    HttpsSpiffe {
        /// The identity that must be in it.
        endpoint_id: SpiffeId,
    },
}

impl EndpointProfile {
    /// The name of the profile, as SPIFFE has it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::HttpsWeb => "https_web",
            Self::HttpsSpiffe { .. } => "https_spiffe",
        }
    }

    /// The identity that the endpoint must show, if it shows an SVID.
    #[must_use]
    pub const fn endpoint_id(&self) -> Option<&SpiffeId> {
        match self {
            Self::HttpsWeb => None,
            Self::HttpsSpiffe { endpoint_id } => Some(endpoint_id),
        }
    }
}

/// Text that is no URL of a bundle endpoint. The fault of whoever configured it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// Nothing.
    #[error("the URL is missing")]
    Empty,
    /// Longer than any.
    #[error("the URL has {0} bytes; at most {MAX_URL_LEN} are read")]
    TooLong(usize),
    /// Not a URL at all.
    #[error("it is no URL: {0}")]
    Malformed(String),
    /// `http`, or none.
    #[error("the URL must begin with https://")]
    Scheme,
    /// No host.
    #[error("the URL names no host")]
    NoHost,
    /// A host that is neither a DNS name nor an address.
    #[error("the host of the URL is neither a DNS name nor an IP address")]
    Host,
    /// Something that is no port.
    #[error("the port of the URL is none")]
    Port,
    /// A user or a password in it, which an endpoint never asks for and logs would show.
    #[error("the URL has a user or a password in it")]
    UserInfo,
    /// A part that no server is ever told.
    #[error("the URL has a fragment (#…), which no server is told")]
    Fragment,
}

/// The URL of a bundle endpoint: `https`, a host, and nothing that does not belong there. Shown as it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EndpointUrl {
    text: String,
    uri: Uri,
    /// Without the brackets that URLs put around IPv6 addresses.
    host: String,
    name: ServerName<'static>,
    port: u16,
}

impl EndpointUrl {
    /// The URL as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// DNS name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 443 unless the URL says otherwise.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What a certificate for the endpoint must name.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        self.name.clone()
    }

    /// What stands in `Host`.
    pub(crate) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// What stands in the request line.
    pub(crate) fn target(&self) -> &str {
        self.uri
            .path_and_query()
            .map_or("/", |target| match target.as_str() {
                "" => "/",
                target => target,
            })
    }

    /// Whether it has the same host and port.
    pub(crate) fn is_where(&self, other: &Self) -> bool {
        self.host.eq_ignore_ascii_case(&other.host) && self.port == other.port
    }

    /// Where a redirect from here leads: `location` is a whole URL, or a path on the same host.
    pub(crate) fn follow(&self, location: &str) -> Result<Self, InvalidUrl> {
        match location.starts_with('/') && !location.starts_with("//") {
            true => format!("https://{}{location}", self.authority()).parse(),
            false => location.parse(),
        }
    }
}

impl FromStr for EndpointUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        if text.is_empty() {
            return Err(InvalidUrl::Empty);
        }
        if text.len() > MAX_URL_LEN {
            return Err(InvalidUrl::TooLong(text.len()));
        }
        let has_scheme = text
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case("https://"));
        if !has_scheme {
            return Err(InvalidUrl::Scheme);
        }
        if text.contains('#') {
            return Err(InvalidUrl::Fragment);
        }
        let authority = text.get(8..).unwrap_or_default();
        if authority.is_empty() || authority.starts_with(['/', '?']) {
            return Err(InvalidUrl::NoHost);
        }
        let uri: Uri = text
            .parse()
            .map_err(|error: http::uri::InvalidUri| InvalidUrl::Malformed(error.to_string()))?;
        let authority = uri.authority().ok_or(InvalidUrl::NoHost)?;
        if authority.as_str().contains('@') {
            return Err(InvalidUrl::UserInfo);
        }
        let written = authority.host();
        if written.is_empty() {
            return Err(InvalidUrl::NoHost);
        }
        let port = match authority.as_str().strip_prefix(written) {
            Some("") => HTTPS_PORT,
            Some(rest) => rest
                .strip_prefix(':')
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .filter(|port| *port > 0)
                .ok_or(InvalidUrl::Port)?,
            None => return Err(InvalidUrl::Port),
        };
        let host = written
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(written)
            .to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| InvalidUrl::Host)?;
        Ok(Self {
            text: text.to_owned(),
            uri,
            host,
            name,
            port,
        })
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> EndpointUrl {
        text.parse().unwrap()
    }

    #[test]
    fn urls_are_taken_apart() {
        for (text, host, port, authority, target) in [
            ("https://example.com", "example.com", 443, "example.com", "/"),
            (
                "HTTPS://example.com:8443/a/b?c=d",
                "example.com",
                8443,
                "example.com:8443",
                "/a/b?c=d",
            ),
            ("https://[::1]:9/", "::1", 9, "[::1]:9", "/"),
            ("https://127.0.0.1/x", "127.0.0.1", 443, "127.0.0.1", "/x"),
        ] {
            let url = url(text);
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
            assert_eq!((url.authority(), url.target()), (authority, target), "{text}");
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_by_its_part() {
        let long = format!("https://example.com/{}", "x".repeat(MAX_URL_LEN));
        for (text, wrong) in [
            ("", InvalidUrl::Empty),
            (&*long, InvalidUrl::TooLong(long.len())),
            ("http://example.com/", InvalidUrl::Scheme),
            ("example.com/bundle", InvalidUrl::Scheme),
            ("unix:///run/bundle", InvalidUrl::Scheme),
            ("https://", InvalidUrl::NoHost),
            ("https:///bundle", InvalidUrl::NoHost),
            ("https://?a", InvalidUrl::NoHost),
            ("https://user@example.com/", InvalidUrl::UserInfo),
            ("https://user:secret@example.com/", InvalidUrl::UserInfo),
            ("https://example.com:0/", InvalidUrl::Port),
            ("https://example.com:70000/", InvalidUrl::Port),
            ("https://example.com:/", InvalidUrl::Port),
            ("https://example.com/#a", InvalidUrl::Fragment),
            ("https://ex_am!ple/", InvalidUrl::Host),
        ] {
            assert_eq!(text.parse::<EndpointUrl>().unwrap_err(), wrong, "{text}");
        }
        for text in [
            "https://exa mple.com/",
            "https://example.com/\r\nHost: evil",
            "https://[::1/",
        ] {
            assert!(text.parse::<EndpointUrl>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn redirects_lead_to_whole_urls_or_paths() {
        let here = url("https://example.com:8443/a?b");
        assert_eq!(
            here.follow("/c").unwrap().to_string(),
            "https://example.com:8443/c"
        );
        assert_eq!(here.follow("https://other.org/c").unwrap().host(), "other.org");
        for (location, same) in [
            ("/c", true),
            ("https://EXAMPLE.com:8443/c", true),
            ("https://example.com/c", false),
            ("https://other.org:8443/c", false),
            ("https://127.0.0.1:8443/", false),
        ] {
            assert_eq!(here.follow(location).unwrap().is_where(&here), same, "{location}");
        }
        for location in ["http://example.com/", "//other.org/c", "c", ""] {
            assert!(here.follow(location).is_err(), "{location}");
        }
    }
}
