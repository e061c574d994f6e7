//! Being let in: by a token that somebody made, or by logging in.
//!
//! A token is kept for as long as it lives, and renewed from half of that on. One that came from a login and cannot be
//! renewed is forgotten: the next order logs in anew.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use symbolon_host::http::Method;
use symbolon_hsm::{PassphraseError, SecretSource};
use zeroize::Zeroizing;

use super::super::UpstreamError;
use super::super::disk::read;
use super::super::files::Files;
use super::asking::{Asked, Asking, Failure, body};

/// The shortest and the longest wait for the next try to renew, where one failed.
const WAITS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// How a server is let in by Vault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum VaultLogin {
    /// A token that somebody made. It is read each time, since it may be replaced.
    Token {
        /// Where it is.
        source: SecretSource,
    },
    /// A role and a secret.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role_id: String,
        /// Where the secret is.
        secret_id: SecretSource,
    },
    /// A certificate that is shown over TLS.
    Cert {
        /// Where the method is mounted.
        mount: String,
        /// The role; without it, whichever fits.
        role: Option<String>,
        /// The certificate, and what leads up from it, PEM.
        certificate_file: PathBuf,
        /// Its key, PEM.
        key_file: PathBuf,
    },
    /// The token of a Kubernetes service account.
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
        /// Where the token is.
        token_file: PathBuf,
    },
}

/// A token that is held.
pub(super) struct Held {
    token: Zeroizing<String>,
    /// When it was given or renewed last, and how long it lives from then on; `None` if it does not end.
    lease: Option<(SystemTime, Duration)>,
    is_renewable: bool,
    /// When it is to be renewed, if it ever is.
    renew_at: Option<SystemTime>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("lease", &self.lease)
            .field("is_renewable", &self.is_renewable)
            .finish_non_exhaustive()
    }
}

impl Held {
    fn new(token: Zeroizing<String>, seconds: u64, is_renewable: bool, now: SystemTime) -> Self {
        let lease = (seconds > 0).then(|| (now, Duration::from_secs(seconds)));
        Self {
            token,
            lease,
            is_renewable,
            renew_at: lease.and_then(|(from, length)| from.checked_add(length / 2)),
        }
    }

    fn end(&self) -> Option<SystemTime> {
        self.lease.and_then(|(from, length)| from.checked_add(length))
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.end().is_some_and(|end| end <= now)
    }

    /// Leaves it as it is, for a while.
    fn wait(&mut self, now: SystemTime) {
        let left = self.end().and_then(|end| end.duration_since(now).ok());
        let wait = (left.unwrap_or_default() / 4).clamp(WAITS.0, WAITS.1);
        self.renew_at = now.checked_add(wait);
    }
}

/// What a login, and a renewal, answers.
#[derive(Deserialize)]
struct LetIn {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

impl LetIn {
    fn held(self, now: SystemTime) -> Held {
        let Auth {
            client_token,
            lease_duration,
            renewable,
        } = self.auth;
        Held::new(Zeroizing::new(client_token), lease_duration, renewable, now)
    }
}

/// What Vault knows of a token.
#[derive(Deserialize)]
struct LookedUp {
    data: Known,
}

#[derive(Deserialize)]
struct Known {
    #[serde(default)]
    ttl: u64,
    #[serde(default)]
    renewable: bool,
}

/// What `approle` is asked with.
#[derive(Serialize)]
struct Role<'a> {
    role_id: &'a str,
    secret_id: &'a str,
}

/// What `kubernetes` is asked with.
#[derive(Serialize)]
struct ServiceAccount<'a> {
    role: &'a str,
    jwt: &'a str,
}

/// What `cert` is asked with.
#[derive(Serialize)]
struct Certified<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

/// The token to show now: the one that is held, or a new one.
pub(super) async fn token(
    login: &VaultLogin,
    asking: &Asking,
    held: &mut Option<Held>,
    now: SystemTime,
) -> Result<Zeroizing<String>, UpstreamError> {
    if let VaultLogin::Token { source } = login {
        let token = secret(source, &asking.files).await?;
        if held.as_ref().is_none_or(|held| *held.token != *token) {
            *held = Some(look_up(asking, token.clone(), now).await?);
        }
        return Ok(token);
    }
    if let Some(held) = held.as_ref().filter(|held| !held.is_over(now)) {
        return Ok(held.token.clone());
    }
    let (path, body) = question(login, &asking.files).await?;
    let asked = Asked {
        method: Method::POST,
        path: &path,
        token: None,
        body,
    };
    let let_in: LetIn = asking.ask(asked).await.map_err(|failure| match failure.into() {
        UpstreamError::Refused(reason) => UpstreamError::Refused(format!("nobody is let in: {reason}")),
        other => other,
    })?;
    Ok(held.insert(let_in.held(now)).token.clone())
}

/// Whether something is to be done for the token.
pub(super) fn is_due(login: &VaultLogin, held: &Option<Held>, now: SystemTime) -> bool {
    match held {
        Some(held) => held.is_renewable && held.renew_at.is_some_and(|at| at <= now),
        // It goes on ageing while there is nothing to order, through restarts as well.
        None => matches!(login, VaultLogin::Token { .. }),
    }
}

/// Renews the token that is held, or begins to hold the one that somebody made.
pub(super) async fn renew(
    login: &VaultLogin,
    asking: &Asking,
    held: &mut Option<Held>,
    now: SystemTime,
) -> Result<(), UpstreamError> {
    let own = matches!(login, VaultLogin::Token { .. });
    if own {
        token(login, asking, held, now).await?;
    }
    if !is_due(login, held, now) {
        return Ok(());
    }
    let Some(kept) = held.as_mut() else {
        return Ok(());
    };
    let asked = Asked {
        method: Method::POST,
        path: "auth/token/renew-self",
        token: Some(&kept.token),
        body: Zeroizing::new(b"{}".to_vec()),
    };
    match asking.ask::<LetIn>(asked).await {
        Ok(let_in) => {
            let before = kept.lease.map(|(_, length)| length);
            *kept = let_in.held(now);
            if kept.lease.map(|(_, length)| length) < before {
                // Its longest life comes to an end.
                tracing::debug!(event = "upstream.token_ends", lease = ?kept.lease);
            }
            Ok(())
        }
        Err(failure) => {
            let error = UpstreamError::from(failure);
            if !own && matches!(error, UpstreamError::Refused(_)) {
                // A login will do as well.
                *held = None;
                return Ok(());
            }
            kept.wait(now);
            Err(match error {
                UpstreamError::Refused(reason) => {
                    UpstreamError::Refused(format!("its token is not renewed: {reason}"))
                }
                other => other,
            })
        }
    }
}

/// Asks how long a token lives. One that may not ask that itself is used as it is.
async fn look_up(asking: &Asking, token: Zeroizing<String>, now: SystemTime) -> Result<Held, UpstreamError> {
    let asked = Asked {
        method: Method::GET,
        path: "auth/token/lookup-self",
        token: Some(&token),
        body: Zeroizing::default(),
    };
    match asking.ask::<LookedUp>(asked).await {
        Ok(LookedUp { data }) => Ok(Held::new(token, data.ttl, data.renewable, now)),
        Err(Failure::Forbidden(reason)) => {
            tracing::warn!(
                event = "upstream.token_unknown",
                %reason,
                "the token is good for nothing, or may not look itself up; if it ends, somebody has to renew it"
            );
            Ok(Held::new(token, 0, false, now))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Where a login is asked for, and with what.
async fn question(login: &VaultLogin, files: &Files) -> Result<(String, Zeroizing<Vec<u8>>), UpstreamError> {
    let path = |mount: &str| format!("auth/{mount}/login");
    match login {
        VaultLogin::Token { .. } => Err(UpstreamError::Material("a token needs no login".to_owned())),
        VaultLogin::AppRole {
            mount,
            role_id,
            secret_id,
        } => {
            let secret_id = secret(secret_id, files).await?;
            let role = Role {
                role_id,
                secret_id: &secret_id,
            };
            Ok((path(mount), body(&role)?))
        }
        VaultLogin::Cert { mount, role, .. } => {
            let name = role.as_deref();
            Ok((path(mount), body(&Certified { name })?))
        }
        VaultLogin::Kubernetes {
            mount,
            role,
            token_file,
        } => {
            let file = token_file.clone();
            let content = files.work(move || read(&file)).await?;
            let jwt = std::str::from_utf8(content.trim_ascii())
                .ok()
                .filter(|it| !it.is_empty());
            let jwt = jwt.ok_or_else(|| {
                UpstreamError::Material(format!("{}: there is no token in it", token_file.display()))
            })?;
            Ok((path(mount), body(&ServiceAccount { role, jwt })?))
        }
    }
}

/// A secret that goes into a header or a question: text without spaces.
async fn secret(source: &SecretSource, files: &Files) -> Result<Zeroizing<String>, UpstreamError> {
    let source = source.clone();
    let reading = files.work(move || {
        let nobody = || PassphraseError::Prompt(std::io::Error::other("nobody is there to be asked"));
        let material = |reason: String| UpstreamError::Material(format!("{source}: {reason}"));
        let secret = source
            .read(|| Err(nobody()))
            .map_err(|error| UpstreamError::Material(error.to_string()))?;
        let text = std::str::from_utf8(secret.expose()).ok().map(str::trim);
        let text = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
        let text =
            text.ok_or_else(|| material("there is no token in it, which is text without spaces".to_owned()))?;
        Ok(Zeroizing::new(text.to_owned()))
    });
    reading.await
}
