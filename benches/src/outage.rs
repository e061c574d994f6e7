//! A load on a real server whose keys are on a token that goes away in the middle of it and comes back.
//!
//! [`run`] starts the program, asks for certificates from many tasks at once, takes the token away when a third of the
//! requests were made and brings it back when two thirds were, and then holds what was received against what the server
//! has on record. It fails when anything of what it promises does not hold:
//!
//! - every request ends in a certificate that verifies, or in an error that says what is wrong, in time;
//! - what is on record as issued is what was received, byte for byte; whatever failed is not;
//! - after the token came back, requests succeed again without anybody's help.

mod requests;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use symbolon_ca::client::{CertificateQuery, Client, Reader};
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::verify::verify_x509_svid;
use symbolon_test_tokens::{Kind, P11KitServer, Token};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Code;

use self::requests::{Outcome, Requests};
use self::server::ServerProcess;
use crate::issuer::AnyError;

/// How long the server lets a call to the token take.
const TOKEN_DEADLINE: Duration = Duration::from_secs(10);

/// How long a request may take: the token's deadline, and time for a busy machine.
const REQUEST_DEADLINE: Duration = Duration::from_secs(60);

/// How long service may take to resume.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is to happen.
#[derive(Debug)]
pub struct Outage<'a> {
    /// The `symbolon` program.
    pub program: PathBuf,
    /// Where the ECDSA keys of the server are: a [`Kind::SoftHsm`], whose storage is moved away and back, or a
    /// [`Kind::Remote`], whose server is killed and started again.
    pub token: &'a Token,
    /// How many requests, besides those that find out whether service has resumed.
    pub requests: usize,
    /// How many at once.
    pub at_once: usize,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Report {
    /// Requests that ended in a certificate, those that asked for service among them.
    pub certificates: usize,
    /// Requests that ended in an error, by what it said.
    pub errors: BTreeMap<String, usize>,
    /// Requests that asked whether service had resumed.
    pub probes: usize,
    /// What the slowest request took.
    pub slowest: Duration,
    /// From the token's return to the first certificate.
    pub resumed_after: Duration,
    /// Certificates on record that were intended and never issued.
    pub only_intended: usize,
}

/// The token, which comes and goes.
struct Held<'a> {
    token: &'a Token,
    server: Option<P11KitServer>,
}

impl<'a> Held<'a> {
    fn new(token: &'a Token) -> Self {
        let server = (token.kind == Kind::Remote).then(|| P11KitServer::start(token));
        Self { token, server }
    }

    fn take_away(&mut self) {
        match self.server.take() {
            Some(server) => drop(server),
            None => self.token.take_away(),
        }
    }

    fn bring_back(&mut self) {
        match self.token.kind {
            Kind::Remote => self.server = Some(P11KitServer::start(self.token)),
            _ => self.token.bring_back(),
        }
    }
}

/// Lets it happen, and checks what came of it.
///
/// # Errors
/// What does not hold, or whatever went wrong besides.
pub async fn run(outage: &Outage<'_>) -> Result<Report, AnyError> {
    let home = tempfile::tempdir()?;
    let mut held = Held::new(outage.token);
    let config = configuration(home.path(), outage.token)?;
    let server = ServerProcess::start(&outage.program, &config, outage.token.environment(), home.path())?;
    let (client, requests) = server.ready(REQUEST_DEADLINE).await?;

    let load = Arc::new(Load::new(requests, outage.requests));
    load.run(outage.at_once, &mut held).await?;
    let report = load.check(&client).await?;
    server.stop()?;
    Ok(report)
}

/// ECDSA keys on the token, ML-DSA keys in files: a composite certificate needs both.
fn configuration(home: &Path, token: &Token) -> Result<PathBuf, AnyError> {
    let path = home.join("server.toml");
    let text = format!(
        "trust_domain = \"example.org\"\ndata_dir = \"{home}/data\"\nkey_stores = [\"token\", \"files\"]\n\n\
         [listen]\naddress = \"127.0.0.1:0\"\n\n\
         [stores.token]\nkind = \"pkcs11\"\nmodule = \"{module}\"\ntoken = \"{label}\"\npin_source = \"file:{pin}\"\n\
         deadline = \"{deadline}s\"\n\n\
         [stores.files]\nkind = \"software\"\nkey_file = \"{home}/kek\"\n\n\
         [log]\nfilter = \"warn\"\n",
        home = home.display(),
        module = token.module.display(),
        label = symbolon_test_tokens::LABEL,
        pin = token.pin_file().display(),
        deadline = TOKEN_DEADLINE.as_secs(),
    );
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Where the load is with the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PartialOrd)]
enum Service {
    Running,
    /// The token is being taken away.
    Leaving,
    Gone,
    /// It is being brought back, or is; nobody knows yet whether service has resumed.
    Returning,
    Resumed,
}

struct Load {
    requests: Requests,
    count: usize,
    next: AtomicUsize,
    service: watch::Sender<Service>,
    outcomes: Mutex<Vec<Outcome>>,
}

impl Load {
    fn new(requests: Requests, count: usize) -> Self {
        Self {
            requests,
            count,
            next: AtomicUsize::new(0),
            service: watch::Sender::new(Service::Running),
            outcomes: Mutex::default(),
        }
    }

    /// Makes all requests, while the token goes away and comes back.
    async fn run(self: &Arc<Self>, at_once: usize, held: &mut Held<'_>) -> Result<(), AnyError> {
        let mut workers = JoinSet::new();
        for _ in 0..at_once {
            let load = Arc::clone(self);
            workers.spawn(async move { load.work().await });
        }
        self.story(held).await?;
        while let Some(worker) = workers.join_next().await {
            worker?;
        }
        Ok(())
    }

    /// Makes requests as long as there are any.
    async fn work(&self) {
        let mut service = self.service.subscribe();
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.count {
                return;
            }
            // The first third and whatever is made until the token is gone, some that are made while it is, and the last
            // third when service has resumed.
            let due = match number {
                number if number >= self.count * 2 / 3 => Service::Resumed,
                number if number >= self.count / 2 => Service::Gone,
                _ => Service::Running,
            };
            if number == self.count / 3 {
                self.service.send_replace(Service::Leaving);
            }
            if number == self.count * 2 / 3 {
                self.service.send_replace(Service::Returning);
            }
            if service.wait_for(|service| *service >= due).await.is_err() {
                return;
            }
            let outcome = self.requests.make(number).await;
            self.outcomes().push(outcome);
        }
    }

    /// What happens to the token meanwhile.
    async fn story(&self, held: &mut Held<'_>) -> Result<(), AnyError> {
        let mut service = self.service.subscribe();
        service.wait_for(|service| *service >= Service::Leaving).await?;
        tokio::task::block_in_place(|| held.take_away());
        self.service.send_replace(Service::Gone);
        service.wait_for(|service| *service >= Service::Returning).await?;
        tokio::task::block_in_place(|| held.bring_back());
        let returned = Instant::now();
        let mut probe = self.count;
        loop {
            let outcome = self.requests.make(probe).await;
            let resumed = outcome.result.is_ok();
            self.outcomes().push(Outcome {
                probe: Some(returned.elapsed()),
                ..outcome
            });
            if resumed || returned.elapsed() > PATIENCE {
                // Those that wait go on in any case, and come to their end.
                self.service.send_replace(Service::Resumed);
                return match resumed {
                    true => Ok(()),
                    false => {
                        Err(format!("service has not resumed {PATIENCE:?} after the token came back").into())
                    }
                };
            }
            probe += 1;
            tokio::task::yield_now().await;
        }
    }

    fn outcomes(&self) -> std::sync::MutexGuard<'_, Vec<Outcome>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds what came of the requests against what is promised.
    async fn check(&self, client: &Client) -> Result<Report, AnyError> {
        let outcomes = std::mem::take(&mut *self.outcomes());
        let slowest = outcomes
            .iter()
            .map(|outcome| outcome.took)
            .max()
            .unwrap_or_default();
        let mut errors = BTreeMap::new();
        let mut received = BTreeSet::new();
        let bundles: BundleSet = [client.bundle().await?].into_iter().collect();
        for outcome in &outcomes {
            match &outcome.result {
                Err(status) => {
                    let is_clear =
                        status.code() == Code::Unavailable && status.message().contains("key store");
                    ensure(is_clear, || format!("request {}: {status:?}", outcome.number))?;
                    *errors.entry(status.message().to_owned()).or_insert(0) += 1;
                }
                Ok(der) => {
                    let certificate = Certificate::from_der(der)?;
                    verify_x509_svid(std::slice::from_ref(&certificate), &bundles, SystemTime::now())?;
                    received.insert(hex::encode(certificate.sha256()));
                }
            }
        }
        let failed: usize = errors.values().sum();
        let probes = outcomes.iter().filter(|outcome| outcome.probe.is_some()).count();
        ensure(outcomes.len() == self.count + probes, || {
            "a request came to no end".to_owned()
        })?;
        ensure(slowest < REQUEST_DEADLINE, || {
            format!("a request took {slowest:?}")
        })?;
        ensure(failed > 0, || {
            "the token went away, and no request failed".to_owned()
        })?;
        let last_third = outcomes
            .iter()
            .filter(|one| one.probe.is_none() && one.number >= self.count * 2 / 3);
        let late = last_third.filter(|outcome| outcome.result.is_err()).count();
        ensure(late == 0, || {
            format!("{late} requests failed after service had resumed")
        })?;

        let recorded = client.certificates(&CertificateQuery::default()).await?;
        let of_load = recorded
            .iter()
            .filter(|one| self.requests.is_ours(&one.spiffe_id));
        let (issued, only_intended): (Vec<_>, Vec<_>) = of_load.partition(|one| one.sha256.is_some());
        let issued: BTreeSet<String> = issued.into_iter().filter_map(|one| one.sha256.clone()).collect();
        ensure(issued == received, || {
            format!(
                "{} are on record as issued, {} were received",
                issued.len(),
                received.len()
            )
        })?;
        ensure(only_intended.len() <= failed, || {
            format!(
                "{} are on record as intended, {failed} requests failed",
                only_intended.len()
            )
        })?;
        Ok(Report {
            certificates: received.len(),
            errors,
            probes,
            slowest,
            resumed_after: outcomes
                .iter()
                .filter_map(|one| one.probe)
                .max()
                .unwrap_or_default(),
            only_intended: only_intended.len(),
        })
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), AnyError> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}
