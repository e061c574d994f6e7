//! A Vault or OpenBao server as an upstream.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use symbolon_host::duration::HumanDuration;
use symbolon_host::http::Place;
use symbolon_hsm::SecretSource;
use symbolon_pki::time::{Clock, SystemClock};

use super::{TIMEOUTS, default_timeout};
use crate::config::ServerConfig;
use crate::config::check::{Problem, problem};
use crate::upstream::{UpstreamError, UpstreamName, Vault, VaultLogin, VaultOptions};

/// The PKI secrets engine of a Vault or OpenBao server.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct VaultUpstreamConfig {
    /// Where its API is: an `https` URL.
    pub address: String,
    /// Where the PKI secrets engine is mounted. Default: `pki`.
    #[serde(default = "default_mount")]
    pub mount: String,
    /// The issuer of that engine. Default: its default one.
    pub issuer: Option<String>,
    /// The namespace that engine and login are in.
    pub namespace: Option<String>,
    /// Whose certificates the server's own may be under, PEM. Default: the web's authorities.
    pub ca_file: Option<PathBuf>,
    /// The roots, PEM, where the engine knows no more than what is below them.
    pub bundle_file: Option<PathBuf>,
    /// Whether key exchange without ML-KEM will do.
    #[serde(default)]
    pub allow_classical_kex: bool,
    /// Longest time for one question. Default: 15 seconds.
    #[serde(default = "default_timeout")]
    pub timeout: HumanDuration,
    /// How this server is let in.
    pub auth: VaultAuthConfig,
}

/// How this server is let in by Vault.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "method", rename_all = "lowercase")]
#[non_exhaustive]
pub enum VaultAuthConfig {
    /// A token that somebody made.
    Token(TokenAuthConfig),
    /// A role and a secret.
    AppRole(AppRoleAuthConfig),
    /// A certificate over TLS.
    Cert(CertAuthConfig),
    /// The token of a Kubernetes service account.
    Kubernetes(KubernetesAuthConfig),
}

/// A token that somebody made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct TokenAuthConfig {
    /// Where it is: `file:PATH` or `env:NAME`.
    pub token_source: SecretSource,
}

/// A role and a secret.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AppRoleAuthConfig {
    /// Where the method is mounted. Default: `approle`.
    #[serde(default = "default_approle")]
    pub mount: String,
    /// The role.
    pub role_id: String,
    /// Where the secret is: `file:PATH` or `env:NAME`.
    pub secret_id_source: SecretSource,
}

/// A certificate over TLS.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CertAuthConfig {
    /// Where the method is mounted. Default: `cert`.
    #[serde(default = "default_cert")]
    pub mount: String,
    /// The role. Default: whichever fits.
    pub role: Option<String>,
    /// The certificate, and what leads up from it, PEM.
    pub certificate_file: PathBuf,
    /// Its key, PEM.
    pub key_file: PathBuf,
}

/// The token of a Kubernetes service account.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct KubernetesAuthConfig {
    /// Where the method is mounted. Default: `kubernetes`.
    #[serde(default = "default_kubernetes")]
    pub mount: String,
    /// The role.
    pub role: String,
    /// Where the token is. Default: where Kubernetes puts it into containers.
    #[serde(default = "default_token_file")]
    pub token_file: PathBuf,
}

fn default_mount() -> String {
    "pki".to_owned()
}

fn default_approle() -> String {
    "approle".to_owned()
}

fn default_cert() -> String {
    "cert".to_owned()
}

fn default_kubernetes() -> String {
    "kubernetes".to_owned()
}

fn default_token_file() -> PathBuf {
    "/var/run/secrets/kubernetes.io/serviceaccount/token".into()
}

/// Whether a text is a path in Vault that leads nowhere else: names between slashes.
fn is_path(text: &str) -> bool {
    let is_name = |name: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !name.is_empty() && name.bytes().all(known) && name.bytes().any(|byte| byte != b'.')
    };
    text.len() <= 256 && text.trim_end_matches('/').split('/').all(is_name)
}

impl VaultUpstreamConfig {
    pub(super) fn check(&self, name: &UpstreamName) -> Vec<Problem> {
        let key = |field: &str| format!("upstreams.{name}.{field}");
        let mut problems = Vec::new();
        match self.address.parse::<Place>() {
            Ok(place) if place.is_secure => {}
            Ok(_) => problems.push(problem(
                key("address"),
                "must begin with https://: what lets this server in is sent there",
            )),
            Err(error) => problems.push(problem(key("address"), format!("is no use: {error}"))),
        }
        let paths = [
            ("mount", Some(&self.mount)),
            ("issuer", self.issuer.as_ref()),
            ("namespace", self.namespace.as_ref()),
            ("auth.mount", self.auth.mount()),
        ];
        for (field, path) in paths {
            if path.is_some_and(|path| !is_path(path)) {
                let reason = "must be names of letters, digits, `-`, `_` and `.`, with slashes between them";
                problems.push(problem(key(field), reason));
            }
        }
        if self.auth.secret() == Some(&SecretSource::Prompt) {
            let reason =
                "is prompt, and nobody is asked each time it is needed; it may be file:PATH or env:NAME";
            problems.push(problem(key("auth"), reason));
        }
        if !TIMEOUTS.contains(&self.timeout.0) {
            let reason = format!("is {}; it may be 1s to 60s", self.timeout);
            problems.push(problem(key("timeout"), reason));
        }
        problems
    }

    /// What is wrong with the files that TLS needs.
    pub(super) fn check_files(&self, config: &ServerConfig) -> Result<(), UpstreamError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        self.open(config, &clock).check()
    }

    pub(super) fn open(&self, config: &ServerConfig, clock: &Arc<dyn Clock>) -> Vault {
        let options = VaultOptions {
            address: self.address.clone(),
            mount: self.mount.trim_end_matches('/').to_owned(),
            issuer: self.issuer.clone(),
            namespace: self.namespace.clone(),
            ca_file: self.ca_file.clone(),
            bundle_file: self.bundle_file.clone(),
            allow_classical_kex: self.allow_classical_kex,
            login: self.auth.login(),
            timeout: self.timeout.0,
        };
        Vault::new(config.trust_domain.clone(), options, Arc::clone(clock))
    }
}

impl VaultAuthConfig {
    fn mount(&self) -> Option<&String> {
        match self {
            Self::Token(_) => None,
            Self::AppRole(role) => Some(&role.mount),
            Self::Cert(cert) => Some(&cert.mount),
            Self::Kubernetes(account) => Some(&account.mount),
        }
    }

    fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::Token(token) => Some(&token.token_source),
            Self::AppRole(role) => Some(&role.secret_id_source),
            Self::Cert(_) | Self::Kubernetes(_) => None,
        }
    }

    fn login(&self) -> VaultLogin {
        let mounted = |mount: &str| mount.trim_end_matches('/').to_owned();
        match self.clone() {
            Self::Token(token) => VaultLogin::Token {
                source: token.token_source,
            },
            Self::AppRole(role) => VaultLogin::AppRole {
                mount: mounted(&role.mount),
                role_id: role.role_id,
                secret_id: role.secret_id_source,
            },
            Self::Cert(cert) => VaultLogin::Cert {
                mount: mounted(&cert.mount),
                role: cert.role,
                certificate_file: cert.certificate_file,
                key_file: cert.key_file,
            },
            Self::Kubernetes(account) => VaultLogin::Kubernetes {
                mount: mounted(&account.mount),
                role: account.role,
                token_file: account.token_file,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_nowhere_else() {
        for good in ["pki", "team/pki", "pki_int-2.a", "pki/"] {
            assert!(is_path(good), "{good}");
        }
        for wrong in [
            "",
            "/",
            "a//b",
            "../sys",
            "pki/../sys",
            "a b",
            "a?b",
            "a%2fb",
            "a\n",
        ] {
            assert!(!is_path(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn what_cannot_work_is_said_before_anybody_is_asked() {
        let name: UpstreamName = "vault".parse().unwrap();
        let problems = |text: &str| -> Vec<String> {
            let config: VaultUpstreamConfig = toml::from_str(text).unwrap();
            let problems = config.check(&name);
            problems.into_iter().map(|problem| problem.to_string()).collect()
        };
        let good =
            "address = \"https://vault:8200\"\n[auth]\nmethod = \"token\"\ntoken_source = \"file:/t\"\n";
        assert!(problems(good).is_empty());
        let plain = problems(&good.replace("https", "http"));
        assert!(plain[0].contains("must begin with https://"), "{plain:?}");
        let asked = problems(&good.replace("file:/t", "prompt"));
        assert!(asked[0].contains("nobody is asked"), "{asked:?}");
        let elsewhere = problems(&format!("mount = \"../sys\"\n{good}"));
        assert!(elsewhere[0].contains("upstreams.vault.mount"), "{elsewhere:?}");
        let hasty = problems(&format!("timeout = \"90s\"\n{good}"));
        assert!(hasty[0].contains("1s to 60s"), "{hasty:?}");
        for wrong in ["hunter2", "env:"] {
            let error = toml::from_str::<VaultUpstreamConfig>(&good.replace("file:/t", wrong)).unwrap_err();
            assert!(!error.message().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn it_certifies_the_classical_family_alone() {
        let problems = |family: &str| {
            let text = format!(
                "trust_domain = \"example.org\"\ndata_dir = \"/d\"\n[upstreams.v]\nkind = \"vault\"\n\
                 address = \"https://vault:8200\"\n[upstreams.v.auth]\nmethod = \"cert\"\ncertificate_file = \"/c\"\n\
                 key_file = \"/k\"\n[families.{family}]\nupstream = \"v\"\n"
            );
            let config: ServerConfig = toml::from_str(&text).unwrap();
            config.check_upstreams().0
        };
        assert!(problems("classical").is_empty());
        for family in ["ml-dsa", "composite", "catalyst", "jwt", "wit"] {
            let problems = problems(family);
            assert!(
                problems[0].to_string().contains("(vault)"),
                "{family}: {problems:?}"
            );
        }
    }
}
