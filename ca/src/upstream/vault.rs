//! The PKI secrets engine of a Vault or OpenBao server.
//!
//! It is asked with `sign-intermediate`, as SPIRE's plugin `vault` asks. It keeps no bundle and publishes no keys, so between
//! orders there is only one thing to do: to keep the token that lets this server in.

mod asking;
mod login;
mod signed;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::Serialize;
use spiffe::TrustDomain;
use symbolon_host::http::Method;
use symbolon_pki::csr::Csr;
use symbolon_pki::pem;
use symbolon_pki::time::Clock;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use self::asking::{Asked, Asking, Failure};
use self::login::Held;
use self::signed::Signed;
use super::disk::certificates;
use super::files::Files;
use super::{Answer, MintOrder, Upstream, UpstreamBundle, UpstreamError};

pub use self::login::VaultLogin;

/// What a new authority's subject says beside its key's identifier; as those that this server signs itself.
const ORGANIZATION: &str = "SPIFFE";
const COUNTRY: &str = "US";

/// What has to be known of a Vault server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VaultOptions {
    /// Where its API is: an `https` URL, without `/v1`.
    pub address: String,
    /// Where its PKI secrets engine is mounted.
    pub mount: String,
    /// The issuer of that engine, where it is not its default one.
    pub issuer: Option<String>,
    /// The namespace that everything is in.
    pub namespace: Option<String>,
    /// Whose certificates the server's own may be under, PEM; the web's authorities by default.
    pub ca_file: Option<PathBuf>,
    /// The roots, PEM, where the server knows no more than what is below them.
    pub bundle_file: Option<PathBuf>,
    /// Whether key exchange without ML-KEM will do.
    pub allow_classical_kex: bool,
    /// How this server is let in.
    pub login: VaultLogin,
    /// Longest time for one question.
    pub timeout: Duration,
}

/// The PKI secrets engine of a Vault server.
#[derive(Debug)]
pub struct Vault {
    trust_domain: TrustDomain,
    options: VaultOptions,
    clock: Arc<dyn Clock>,
    files: Files,
    /// What lets this server in now.
    held: Mutex<Option<Held>>,
}

/// What `sign-intermediate` is asked with.
#[derive(Serialize)]
struct Order<'a> {
    csr: &'a str,
    ttl: String,
    uri_sans: String,
    organization: &'static str,
    country: &'static str,
    /// The subject's serial number, which tells authorities of one trust domain apart.
    serial_number: String,
    format: &'static str,
}

impl Vault {
    /// The server of these options, for this trust domain. Nobody is asked yet.
    pub fn new(trust_domain: TrustDomain, options: VaultOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            trust_domain,
            options,
            clock,
            files: Files::default(),
            held: Mutex::default(),
        }
    }

    /// Reads the files that TLS needs.
    ///
    /// # Errors
    /// [`UpstreamError::Material`], naming the file.
    pub fn check(&self) -> Result<(), UpstreamError> {
        Asking::new(&self.options, &self.clock, &self.files)?;
        if let Some(file) = &self.options.bundle_file {
            certificates(file)?;
        }
        Ok(())
    }

    async fn asking(&self) -> Result<Asking, UpstreamError> {
        let (options, clock) = (self.options.clone(), Arc::clone(&self.clock));
        let files = self.files.clone();
        self.files
            .work(move || Asking::new(&options, &clock, &files))
            .await
    }

    fn order(&self, order: &MintOrder) -> Result<Zeroizing<Vec<u8>>, UpstreamError> {
        let unfit = |error: String| UpstreamError::Material(format!("the request is of no use: {error}"));
        let csr = Csr::from_der(&order.csr).map_err(|error| unfit(error.to_string()))?;
        let text = pem::encode(pem::CERTIFICATE_REQUEST, &order.csr);
        let order = Order {
            csr: &text,
            ttl: format!("{}s", order.ttl.as_secs()),
            uri_sans: format!("spiffe://{}", self.trust_domain),
            organization: ORGANIZATION,
            country: COUNTRY,
            serial_number: csr.key().skid().to_string(),
            format: "pem",
        };
        asking::body(&order)
    }

    fn path(&self) -> String {
        let mount = &self.options.mount;
        match &self.options.issuer {
            None => format!("{mount}/root/sign-intermediate"),
            Some(issuer) => format!("{mount}/issuer/{issuer}/sign-intermediate"),
        }
    }

    /// Has it sign; once more with a new token where the one that was held is good for nothing any more.
    async fn sign(&self, order: &MintOrder) -> Result<Signed, UpstreamError> {
        let asking = self.asking().await?;
        let (body, path) = (self.order(order)?, self.path());
        let mut held = self.held.lock().await;
        let mut may_be_stale = held.is_some();
        loop {
            let token = login::token(&self.options.login, &asking, &mut held, order.now).await?;
            let asked = Asked {
                method: Method::POST,
                path: &path,
                token: Some(&token),
                body: body.clone(),
            };
            match asking.ask(asked).await {
                Ok(signed) => return Ok(signed),
                Err(Failure::Forbidden(_)) if may_be_stale => {
                    may_be_stale = false;
                    *held = None;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }
}

#[async_trait]
impl Upstream for Vault {
    fn kind(&self) -> &'static str {
        "vault"
    }

    async fn mint(&self, order: &MintOrder) -> Result<Answer, UpstreamError> {
        let signed = self.sign(order).await?;
        let file = self.options.bundle_file.clone();
        let reading = self
            .files
            .work(move || file.map(|file| certificates(&file)).transpose());
        let roots = reading.await?;
        signed.minted(roots).map(Answer::Minted)
    }

    /// It has nothing to say of the bundle between orders: this is when what lets this server in is renewed.
    async fn bundle(&self) -> Result<Option<UpstreamBundle>, UpstreamError> {
        let mut held = self.held.lock().await;
        let now: SystemTime = self.clock.now();
        if login::is_due(&self.options.login, &held, now) {
            let asking = self.asking().await?;
            login::renew(&self.options.login, &asking, &mut held, now).await?;
        }
        Ok(None)
    }
}
