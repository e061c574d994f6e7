//! What is to be scanned.

use std::path::PathBuf;

use super::secret::without_secrets;

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
    /// name looks like a URI is named with `./` before it.
    #[must_use]
    pub fn parse(text: &str, schemes: &[&str]) -> Self {
        if let Some((scheme, _)) = text.split_once(':') {
            let scheme = scheme.to_ascii_lowercase();
            if schemes.contains(&scheme.as_str()) {
                return Self::Uri {
                    scheme,
                    uri: text.to_owned(),
                };
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
