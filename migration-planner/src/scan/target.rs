//! What is to be scanned.

use std::path::PathBuf;

use super::secret::without_secrets;

/// Schemes whose URIs name no host.
const OPAQUE: [&str; 1] = ["pkcs11"];

/// One target, as the operator named it. Nothing that was not named is contacted.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Target {
    /// A file or a tree.
    Path(PathBuf),
    /// An endpoint, a token or a server.
    Uri {
        /// The scheme in lower case: `tls`, `ssh`, `smtp`, `pkcs11`.
        scheme: String,
        /// The whole URI, with whatever secret it carries: [`Target`]'s words leave that out.
        uri: String,
    },
}

impl Target {
    /// Reads a target: `scheme:rest` with a scheme from `schemes` is a URI, everything else a path. A file whose
    /// name looks like a URI is named with `./` before it. `tls:host:443` is short for `tls://host:443`.
    #[must_use]
    pub fn parse(text: &str, schemes: &[&str]) -> Self {
        if let Some((scheme, rest)) = text.split_once(':') {
            let scheme = scheme.to_ascii_lowercase();
            if schemes.contains(&scheme.as_str()) {
                let uri = match rest.starts_with("//") || OPAQUE.contains(&scheme.as_str()) {
                    true => text.to_owned(),
                    false => format!("{scheme}://{rest}"),
                };
                return Self::Uri { scheme, uri };
            }
        }
        Self::Path(PathBuf::from(text))
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Uri { scheme, uri } => f
                .debug_struct("Uri")
                .field("scheme", scheme)
                .field("uri", &without_secrets(uri))
                .finish(),
        }
    }
}

/// As it stands in documents: without a PIN or a password.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Uri { uri, .. } => f.write_str(&without_secrets(uri)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_may_be_named_without_slashes() {
        let schemes = crate::scan::schemes();
        for (short, long) in [
            ("tls:example.org:443", "tls://example.org:443"),
            ("TLS:example.org:443", "tls://example.org:443"),
            ("ssh:example.org", "ssh://example.org"),
            ("smtp:[2001:db8::1]:25", "smtp://[2001:db8::1]:25"),
        ] {
            let target = Target::parse(short, &schemes);
            assert_eq!(target, Target::parse(long, &schemes), "{short}");
            crate::endpoints::check(&target).unwrap();
        }
        let swept = Target::parse("tls:10.0.0.0/8:443", &schemes);
        crate::endpoints::check(&swept).unwrap_err();
    }

    #[test]
    fn a_token_and_a_path_stay_as_they_are() {
        let schemes = crate::scan::schemes();
        let token = Target::parse("pkcs11:token=x?module-path=/m.so", &schemes);
        assert_eq!(token.to_string(), "pkcs11:token=x?module-path=/m.so");
        for path in ["./tls:x", "tls", "etc/tls:x", "gopher://example.org"] {
            assert!(matches!(Target::parse(path, &schemes), Target::Path(_)), "{path}");
        }
    }

    #[test]
    fn no_password_of_a_short_one_is_shown() {
        let target = Target::parse("tls:me:s3cret@example.org:443", &crate::scan::schemes());
        assert!(!format!("{target} {target:?}").contains("s3cret"));
    }
}
